"""Copies are found behind the first, exactly or nearly; perceptual hashes are imagehash's bit for bit."""

from __future__ import annotations

import io
from dataclasses import replace

import imagehash
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from aigc_lab import clean, collect, corrupt
from aigc_lab.collect import Dataset, own_card

SEEDS = (0, 1, 2)


def tiny(count: int, side: int = 8, seed: int = 0) -> Dataset:
    images = np.random.default_rng(seed).integers(0, 256, (count, side, side), dtype=np.uint8)
    return Dataset(images, np.arange(count) % 2, ("a", "b"))


def rival_bytes(images: np.ndarray, bits: int = 64) -> np.ndarray:
    flat = [imagehash.phash(Image.fromarray(one), hash_size=int(bits**0.5)).hash.ravel() for one in images]
    return np.packbits(np.array(flat), axis=1)


def random_images(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def mirrored(half: np.ndarray) -> np.ndarray:
    """Pictures whose odd frequencies are exactly zero: rounding decides their bits."""
    return np.concatenate([half, half[:, :, ::-1]], axis=2)


def test_the_published_animals_hold_284_exact_copies_and_the_first_of_each_stays():
    animals = collect.load("animals")
    issues = clean.exact_duplicates(animals)
    assert len(issues) == 284
    assert (issues["duplicate_of"] < issues["item"]).all()
    assert not set(issues["duplicate_of"]) & set(issues["item"])
    for item, first in zip(issues["item"], issues["duplicate_of"], strict=True):
        assert np.array_equal(animals.data[item], animals.data[first])
    cleaned = clean.drop(animals, issues)
    assert len(cleaned.kept) == 9716 == len(set(cleaned.kept.hashes()))


def test_copies_with_different_labels_are_named_in_the_reason():
    base = tiny(3)
    two = Dataset(base.data[[0, 1, 0, 1]], np.array([0, 1, 1, 1]), ("cat", "dog"))
    issues = clean.exact_duplicates(two).set_index("item")
    assert issues.loc[2, "reason"] == "same content as item 0, but labelled dog here and cat there"
    assert issues.loc[3, "reason"] == "same content as item 1"
    assert len(clean.exact_duplicates(replace(two, labels=None))) == 2


def test_exact_duplicates_of_text():
    words = Dataset(("a", "b", "a"), None, (), own_card("words", "text"))
    assert list(clean.exact_duplicates(words)["item"]) == [2]


def test_near_duplicates_of_a_flipped_label_name_both_labels(unique):
    base = unique[:200]
    dirty, _ = corrupt.apply(base, {"near_duplicate": 0.1})
    labels = dirty.labels.copy()
    labels[200:] = 9
    issues = clean.near_duplicates(replace(dirty, labels=labels))
    assert issues["reason"].str.contains("but labelled zebra here and ").mean() > 0.9


def test_near_duplicates_leave_exact_copies_to_their_own_detector(unique):
    dirty, log = corrupt.apply(unique[:500], {"exact_duplicate": 0.2, "near_duplicate": 0.2})
    assert not log.mask("exact_duplicate")[clean.near_duplicates(dirty)["item"]].any()
    assert not log.mask("near_duplicate")[clean.exact_duplicates(dirty)["item"]].any()


def test_of_many_near_copies_one_stays(unique):
    base = unique[:300]
    many = [corrupt.apply(base[[7]], {"near_duplicate": 1.0}, seed=seed)[0].data[1] for seed in range(40)]
    labels = np.concatenate([base.labels, [0] * 40])
    crowd = Dataset(np.concatenate([base.data, many]), labels, base.class_names)
    issues = clean.near_duplicates(crowd)
    assert set(issues.loc[issues["item"] >= 300, "duplicate_of"]) == {7}
    assert (issues["item"] >= 300).sum() >= 36  # more copies than the 20 candidates of each


def test_near_duplicates_do_not_chain():
    """A bar that grows: each step is close to the next, the ends are not."""
    rows = np.arange(28)[:, None]
    bars = np.stack([(rows >= 8) & (rows < 12 + step) & (np.arange(28) >= 6) for step in range(8)]) * 255
    bars = Dataset(bars.astype(np.uint8), np.zeros(8, int), ("bar",))
    issues = clean.near_duplicates(bars, threshold=0.75)
    assert 0 < len(issues) < 7
    assert not set(issues["duplicate_of"]) & set(issues["item"])


def test_near_duplicates_in_colour_and_at_other_sizes():
    photos = collect.load("photos")
    assert photos.data.ndim == 4
    dirty, log = corrupt.apply(photos, {"near_duplicate": 1.0})
    result = clean.score(clean.near_duplicates(dirty), log.mask("near_duplicate"))
    assert result["precision"] == 1.0 and result["recall"] >= 0.6, result


@pytest.mark.parametrize("bits", [16, 64, 256])
@pytest.mark.parametrize(
    "images",
    [
        random_images(40, 28, 28),
        random_images(30, 40, 30),  # one side shrinks and the other grows: this Pillow changes the order
        random_images(30, 30, 40),
        random_images(30, 32, 32),
        random_images(30, 9, 8),
        random_images(30, 1, 1),
        random_images(3, 333, 500),
        random_images(30, 28, 28, 3),
        random_images(30, 40, 30, 4),
        np.repeat(np.arange(256, dtype=np.uint8), 784).reshape(256, 28, 28),
        mirrored(random_images(60, 28, 14)),
        mirrored(random_images(60, 28, 14) // 128 * 255),
    ],
    ids=["square", "narrow", "wide", "own", "small", "one", "large", "rgb", "rgba", "plain", "mirror", "bw"],
)
def test_the_bits_are_those_of_imagehash(bits, images):
    assert (clean.perceptual_hashes(images, bits) == rival_bytes(images, bits)).all()


def test_the_bits_are_those_of_imagehash_on_real_images():
    for name, step in (("animals", 20), ("digits", 10), ("photos", 1)):
        images = collect.load(name).data[::step]
        assert (clean.perceptual_hashes(images) == rival_bytes(images)).all()


def test_the_hexadecimal_text_is_that_of_imagehash():
    image = collect.load("photos").data[0]
    row = clean.perceptual_hashes(image[None])[0]
    assert row.tobytes().hex() == str(imagehash.phash(Image.fromarray(image)))


@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    seed=st.integers(0, 9),
)
@settings(max_examples=40, deadline=None)
def test_any_size_gives_the_bits_of_imagehash(height, width, seed):
    images = random_images(3, height, width, seed=seed)
    assert (clean.perceptual_hashes(images) == rival_bytes(images)).all()


def test_the_hash_of_an_image_does_not_depend_on_the_others():
    images = random_images(200, 28, 28)
    order = np.random.default_rng(1).permutation(200)
    whole = clean.perceptual_hashes(images)
    assert (clean.perceptual_hashes(images[order]) == whole[order]).all()
    assert (clean.perceptual_hashes(images[5:6]) == whole[5:6]).all()
    assert clean.perceptual_hashes(images[:0]).shape == (0, 8)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (dict(images=random_images(2, 8, 8), bits=60), "square of a multiple of 4"),
        (dict(images=random_images(2, 8, 8), bits=0), "square of a multiple of 4"),
        (dict(images=random_images(2, 8, 8).astype(float)), "must be uint8"),
        (dict(images=random_images(8, 8)), "must be uint8"),
        (dict(images=random_images(2, 8, 8, 2)), "must be uint8"),
        (dict(images=["a", "b"]), "must be uint8"),
    ],
)
def test_bad_images_and_settings_are_named(bad, message):
    with pytest.raises(ValueError, match=message):
        clean.perceptual_hashes(**bad)


def test_text_has_no_perceptual_hash():
    with pytest.raises(ValueError, match="the data set holds text"):
        clean.perceptual_hashes(collect.load("dialogues").head())


@pytest.mark.parametrize("bits", [16, 64, 256])
def test_pairs_are_all_pairs_within_the_distance(bits):
    hashes = random_images(300, bits // 8, seed=3) & random_images(300, bits // 8, seed=4)
    apart = np.bitwise_count(hashes[:, None] ^ hashes[None]).sum(axis=2)
    limit = int(np.quantile(apart, 0.05))
    pairs, between = clean.hamming_pairs(hashes, limit)
    expected = np.argwhere(np.triu(apart <= limit, 1))
    assert len(expected) > 100 and (pairs == expected).all()
    assert (between == apart[tuple(expected.T)]).all()


def test_too_many_pairs_are_refused_before_they_fill_the_memory():
    with pytest.raises(ValueError, match="more than 20,000,000 pairs"):
        clean.hamming_pairs(np.zeros((7000, 8), dtype=np.uint8), 0)
    with pytest.raises(ValueError, match="hashes must be uint8"):
        clean.hamming_pairs(np.zeros((2, 8), dtype=np.uint64), 1)


def recoded(image: np.ndarray, quality: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def hash_pairs(dataset: Dataset, distance: int = 20, bits: int = 256) -> np.ndarray:
    return clean.hamming_pairs(clean.perceptual_hashes(dataset, bits), distance)[0]


@pytest.mark.parametrize("seed", SEEDS)
def test_hashes_find_recoded_copies_and_leave_silhouettes_alone(unique, seed):
    chosen = np.random.default_rng(seed).permutation(len(unique))
    originals, copied = unique.data[chosen[:3000]], unique.data[chosen[:150]]
    whole = Dataset(np.concatenate([originals, np.stack([recoded(one, 60) for one in copied])]))
    pairs, truth = hash_pairs(whole), np.arange(3150) >= 3000
    result = clean.score(pd.DataFrame({"item": pairs[:, 1]}), truth)
    assert result["recall"] >= 0.97 and result["precision"] >= 0.97, result


@pytest.mark.parametrize("seed", SEEDS)
def test_shifted_and_turned_silhouettes_are_beyond_a_hash(unique, seed):
    """Why near_duplicates aligns: at no distance are most copies found and most finds copies."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(unique))[:3000])
    dirty, log = corrupt.apply(unique[chosen], {"near_duplicate": 0.05}, seed=seed)
    for bits, distances in ((64, (2, 4, 8, 12)), (256, (20, 40, 64))):
        for distance in distances:
            found = pd.DataFrame({"item": hash_pairs(dirty, distance, bits)[:, 1]})
            result = clean.score(found, log.mask("near_duplicate"))
            assert result["recall"] < 0.1 or result["precision"] < 0.3


def test_near_duplicate_pairs_hold_what_near_duplicates_finds(unique):
    dirty, _ = corrupt.apply(unique.head(300), {"near_duplicate": 0.3}, seed=2)
    pairs = clean.near_duplicate_pairs(dirty, lowest=0.7)
    assert (pairs["duplicate_of"] < pairs["item"]).all() and pairs["score"].is_monotonic_decreasing
    best = pairs.groupby("item")["score"].max()
    found = clean.near_duplicates(dirty)
    assert len(found) > 50 and set(found["item"]) <= set(best.index[best >= 0.92])
    higher = clean.near_duplicate_pairs(dirty, lowest=0.9)
    assert higher["score"].tolist() == pairs["score"][pairs["score"] >= 0.9].tolist()


def test_pairs_of_nothing():
    blank = Dataset(np.zeros((5, 12, 12), np.uint8))
    assert len(clean.near_duplicate_pairs(blank)) == 0 and len(hash_pairs(blank, 0)) == 10
    with pytest.raises(ValueError, match="lowest must be a number"):
        clean.near_duplicate_pairs(blank, lowest=2)
    assert len(hash_pairs(Dataset(random_images(0, 28, 28)))) == 0
    assert len(hash_pairs(Dataset(random_images(1, 28, 28)))) == 0
