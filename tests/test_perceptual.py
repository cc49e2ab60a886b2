"""Hashes are imagehash's bit for bit; what is found refers to what stays; plain pictures are named."""

from __future__ import annotations

import io

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from aigc_lab import clean, collect, corrupt
from aigc_lab.clean import perceptual
from aigc_lab.clean.information import grey_entropy
from aigc_lab.collect import Dataset

RIVALS = {
    "perceptual": imagehash.phash,
    "difference": imagehash.dhash,
    "average": imagehash.average_hash,
}
SEEDS = (0, 1, 2)


def rival_bytes(pictures: np.ndarray, kind: str, bits: int = 64) -> np.ndarray:
    side = int(bits**0.5)
    flat = [RIVALS[kind](Image.fromarray(one), hash_size=side).hash.ravel() for one in pictures]
    return np.packbits(np.array(flat), axis=1)


def random_pictures(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def mirrored(half: np.ndarray) -> np.ndarray:
    """Pictures whose odd frequencies are exactly zero: rounding decides their bits."""
    return np.concatenate([half, half[:, :, ::-1]], axis=2)


@pytest.fixture(scope="module")
def unique() -> Dataset:
    animals = collect.load("animals")
    return clean.apply(animals, clean.exact_duplicates(animals)).kept


@pytest.mark.parametrize("kind", RIVALS)
@pytest.mark.parametrize("bits", [16, 64, 256])
@pytest.mark.parametrize(
    "pictures",
    [
        random_pictures(40, 28, 28),
        random_pictures(30, 40, 30),  # one side shrinks and the other grows: this Pillow changes the order
        random_pictures(30, 30, 40),
        random_pictures(30, 32, 32),
        random_pictures(30, 9, 8),
        random_pictures(30, 1, 1),
        random_pictures(3, 333, 500),
        random_pictures(30, 28, 28, 3),
        random_pictures(30, 40, 30, 4),
        np.repeat(np.arange(256, dtype=np.uint8), 784).reshape(256, 28, 28),
        mirrored(random_pictures(60, 28, 14)),
        mirrored(random_pictures(60, 28, 14) // 128 * 255),
    ],
    ids=["square", "narrow", "wide", "own", "small", "one", "large", "rgb", "rgba", "plain", "mirror", "bw"],
)
def test_the_bits_are_those_of_imagehash(kind, bits, pictures):
    assert (clean.perceptual_hashes(pictures, kind, bits) == rival_bytes(pictures, kind, bits)).all()


@pytest.mark.parametrize("kind", RIVALS)
def test_the_bits_are_those_of_imagehash_on_real_pictures(kind):
    for name, step in (("animals", 20), ("digits", 10), ("photos", 1)):
        pictures = collect.load(name).data[::step]
        assert (clean.perceptual_hashes(pictures, kind) == rival_bytes(pictures, kind)).all()


def test_the_hexadecimal_text_is_that_of_imagehash():
    picture = collect.load("photos").data[0]
    row = clean.perceptual_hashes(picture[None])[0]
    assert row.tobytes().hex() == str(imagehash.phash(Image.fromarray(picture)))


@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    seed=st.integers(0, 9),
    kind=st.sampled_from(list(RIVALS)),
)
@settings(max_examples=40, deadline=None)
def test_any_size_gives_the_bits_of_imagehash(height, width, seed, kind):
    pictures = random_pictures(3, height, width, seed=seed)
    assert (clean.perceptual_hashes(pictures, kind) == rival_bytes(pictures, kind)).all()


def test_a_pillow_that_computes_otherwise_does_the_work_itself(monkeypatch):
    pictures = random_pictures(20, 28, 28)
    monkeypatch.setattr(perceptual, "_order", lambda *sizes: "unknown")
    assert (clean.perceptual_hashes(pictures) == rival_bytes(pictures, "perceptual")).all()


def test_the_hash_of_a_picture_does_not_depend_on_the_others():
    pictures = random_pictures(200, 28, 28)
    order = np.random.default_rng(1).permutation(200)
    whole = clean.perceptual_hashes(pictures)
    assert (clean.perceptual_hashes(pictures[order]) == whole[order]).all()
    assert (clean.perceptual_hashes(pictures[5:6]) == whole[5:6]).all()
    assert clean.perceptual_hashes(pictures[:0]).shape == (0, 8)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (dict(pictures=random_pictures(2, 8, 8), kind="wavelet"), "kind must be one of"),
        (dict(pictures=random_pictures(2, 8, 8), bits=60), "square of a multiple of 4"),
        (dict(pictures=random_pictures(2, 8, 8), bits=0), "square of a multiple of 4"),
        (dict(pictures=random_pictures(2, 8, 8).astype(float)), "must be uint8"),
        (dict(pictures=random_pictures(8, 8)), "must be uint8"),
        (dict(pictures=random_pictures(2, 8, 8, 2)), "must be uint8"),
        (dict(pictures=["a", "b"]), "must be uint8"),
    ],
)
def test_bad_pictures_and_settings_are_named(bad, message):
    with pytest.raises(ValueError, match=message):
        clean.perceptual_hashes(**bad)


def test_text_has_no_perceptual_hash():
    with pytest.raises(ValueError, match="the data set holds text"):
        clean.perceptual_hashes(collect.load("dialogues").head())


@pytest.mark.parametrize("bits", [16, 64, 256])
def test_pairs_are_all_pairs_within_the_distance(bits):
    hashes = random_pictures(300, bits // 8, seed=3) & random_pictures(300, bits // 8, seed=4)
    apart = np.bitwise_count(hashes[:, None] ^ hashes[None]).sum(axis=2)
    limit = int(np.quantile(apart, 0.05))
    pairs, between = clean.hamming_pairs(hashes, limit)
    expected = np.argwhere(np.triu(apart <= limit, 1))
    assert len(expected) > 100 and (pairs == expected).all()
    assert (between == apart[tuple(expected.T)]).all()


def test_too_many_pairs_are_refused_before_they_fill_the_memory():
    with pytest.raises(ValueError, match="more than 1,000 pairs"):
        clean.hamming_pairs(np.zeros((5000, 8), dtype=np.uint8), 0, limit=1000)
    with pytest.raises(ValueError, match="distance must be a number from 0 to 64"):
        clean.hamming_pairs(np.zeros((2, 8), dtype=np.uint8), 65)
    with pytest.raises(ValueError, match="hashes must be uint8"):
        clean.hamming_pairs(np.zeros((2, 8), dtype=np.uint64), 1)


def test_every_duplicate_is_behind_the_nearest_that_stays():
    pictures = np.concatenate([random_pictures(400, 28, 28)] * 2)
    pictures[400:, :3] //= 2
    dataset = Dataset(np.concatenate([pictures, pictures[:50]]))
    hashes = clean.perceptual_hashes(dataset, bits=64)
    found = clean.hash_duplicates(dataset, distance=18, bits=64).sort_values("item")
    # The slow and plain way: one item after the other against all that were kept before it.
    kept: list[int] = []
    expected = {}
    for item in range(800):
        apart = np.bitwise_count(hashes[kept] ^ hashes[item]).sum(axis=1) if kept else np.array([99])
        if apart.min() <= 18:
            expected[item] = (kept[int(apart.argmin())], 1 - apart.min() / 64)
        else:
            kept.append(item)
    assert 390 < len(expected) < 450
    assert found["item"].tolist() == list(expected)
    assert found["duplicate_of"].tolist() == [one for one, _ in expected.values()]
    assert found["score"].tolist() == pytest.approx([value for _, value in expected.values()])
    assert not set(found["duplicate_of"]) & set(found["item"])


def recoded(picture: np.ndarray, quality: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_default_finds_recoded_copies_and_leaves_silhouettes_alone(unique, seed):
    chosen = np.random.default_rng(seed).permutation(len(unique))
    originals, copied = unique.data[chosen[:3000]], unique.data[chosen[:150]]
    copies = np.stack([recoded(one, 60) for one in copied])
    found = clean.hash_duplicates(Dataset(np.concatenate([originals, copies])))
    truth = np.arange(3150) >= 3000
    result = clean.score(found, truth)
    assert result["recall"] >= 0.97 and result["precision"] >= 0.97, result


@pytest.mark.parametrize("seed", SEEDS)
def test_shifted_and_turned_silhouettes_are_beyond_a_hash(unique, seed):
    """Why near_duplicates aligns: at no distance are most copies found and most finds copies."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(unique))[:3000])
    dirty, ledger = corrupt.apply(unique[chosen], {"near_duplicate": 0.05}, seed=seed)
    for bits, distances in ((64, (2, 4, 8, 12)), (256, (20, 40, 64))):
        for distance in distances:
            result = clean.score(
                clean.hash_duplicates(dirty, distance, bits=bits), ledger.mask("near_duplicate")
            )
            assert result["recall"] < 0.1 or result["precision"] < 0.3


def test_plain_pictures_and_exact_copies_are_left_to_their_own_detectors():
    pictures = np.concatenate([np.full((5, 28, 28), 7, np.uint8), np.full((5, 28, 28), 200, np.uint8)])
    assert len(clean.hash_duplicates(Dataset(pictures))) == 0
    assert len(clean.hash_duplicates(Dataset(np.repeat(random_pictures(1, 28, 28), 9, axis=0)))) == 0
    assert len(clean.hash_duplicates(Dataset(random_pictures(1, 28, 28)))) == 0
    assert len(clean.hash_duplicates(Dataset(random_pictures(0, 28, 28)))) == 0
    with pytest.raises(ValueError, match="at least 8 x 8"):
        clean.hash_duplicates(Dataset(random_pictures(2, 7, 28)))


def test_copies_with_other_labels_are_named():
    picture = collect.load("animals").data[:1]
    other = picture.copy()
    other[0, 0, 0] ^= 1
    found = clean.hash_duplicates(Dataset(np.concatenate([picture, other]), np.array([0, 1]), ("cat", "dog")))
    assert "labelled dog here and cat there" in found["reason"][0]


def test_blank_pictures_are_found_and_no_real_one_is(unique):
    dirty, ledger = corrupt.apply(unique.head(3000), {"junk": 0.1}, seed=0)
    blank = ledger.table["item"][ledger.table["detail"].str.contains("blank")]
    found = clean.low_information(dirty)
    assert len(blank) > 20 and set(found["item"]) == set(blank)
    assert (found["score"] == 1).all() and found["reason"].str.startswith("plain").all()
    for name in ("animals", "digits"):
        assert len(clean.low_information(collect.load(name))) == 0


def test_nearly_blank_pictures_and_small_entropy_are_told_apart():
    pictures = np.full((4, 28, 28), 250, dtype=np.uint8)
    pictures[0, 0, :3] = 0  # three pixels of 784
    pictures[1, 0, :16] = 0  # 2 %: 0.14 bits
    pictures[2, :14] = 0  # one bit
    pictures[3] -= random_pictures(28, 28) % 4  # noise of four levels
    found = clean.low_information(Dataset(pictures)).set_index("item")["reason"]
    assert found[0].startswith("nearly plain: only 0.4%")
    assert "0.14 bits" in found[1]
    assert found[3].startswith("plain")
    assert 2 not in found.index
    assert len(clean.low_information(Dataset(pictures[:0]))) == 0


def test_entropy_has_its_closed_form():
    pictures = np.zeros((3, 32, 32), dtype=np.float32)
    pictures[1, :16] = 255
    pictures[2] = np.repeat(np.arange(32) * 8, 32).reshape(32, 32)
    assert grey_entropy(pictures).tolist() == pytest.approx([0, 1, 5])


# Worst of three seeds at 3,000 pictures and 5 % junk, less a margin; outliers reaches 0.55 and 0.92.
@pytest.mark.parametrize("seed", SEEDS)
def test_the_forest_finds_most_junk(unique, seed):
    chosen = np.sort(np.random.default_rng(seed).permutation(len(unique))[:3000])
    dirty, ledger = corrupt.apply(unique[chosen], {"junk": 0.05}, seed=seed)
    found = clean.isolation_forest(dirty, seed=seed)
    result = clean.score(found, ledger.mask("junk"))
    assert result["precision"] > 0.5 and result["recall"] > 0.83, result
    assert found["score"].between(0, 1).all() and found["score"].is_monotonic_decreasing
    again = clean.isolation_forest(dirty, seed=seed)
    assert (again["item"] == found["item"]).all() and (again["score"] == found["score"]).all()


def test_the_forest_takes_features_and_a_choice_of_items():
    points = np.random.default_rng(0).normal(10, 0.1, (200, 3))
    points[7] = [-10, 10, 10]
    texts = Dataset([f"text {number}" for number in range(200)], card=collect.own_card("texts", "text"))
    found = clean.isolation_forest(texts, points)
    assert found["item"][0] == 7 and found["score"][0] > 0.65
    chosen = np.arange(200) != 7
    assert 7 not in set(clean.isolation_forest(texts, points, among=chosen)["item"])
    assert len(clean.isolation_forest(texts.head(9), points[:9])) == 0
    same = clean.isolation_forest(texts, np.ones((200, 3)))
    assert len(same) == 0


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"trees": 0}, "trees"),
        ({"sample": 1}, "sample"),
        ({"threshold": 2}, "threshold"),
        ({"features": 3}, "features"),
    ],
)
def test_a_bad_setting_of_the_forest_is_named(setting, message):
    with pytest.raises(ValueError, match=message):
        clean.isolation_forest(Dataset(random_pictures(20, 8, 8)), **setting)
