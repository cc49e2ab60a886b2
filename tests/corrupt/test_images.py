"""Corruptions do what they say, to the items that the log names, and to no other."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from aigc_lab import collect, corrupt
from aigc_lab.collect import Dataset, own_card

IMAGE_DAMAGE = ("occlusion", "brightness", "blur", "noise")
ADDING = ("exact_duplicate", "near_duplicate", "junk")


@pytest.fixture(scope="module")
def animals() -> Dataset:
    return collect.load("animals")[::20]  # 500 images, 50 of each class


def rows(dataset: Dataset) -> list[bytes]:
    return [np.ascontiguousarray(item).tobytes() for item in dataset.data]


def random_images(shape: tuple[int, ...], seed: int = 0, classes: int = 3) -> Dataset:
    rng = np.random.default_rng(seed)
    names = tuple(f"class {number}" for number in range(classes))
    return Dataset(rng.integers(0, 256, shape, dtype=np.uint8), rng.integers(0, classes, shape[0]), names)


def expected_change(
    dataset: Dataset, dirty: Dataset, log: corrupt.CorruptionLog
) -> tuple[np.ndarray, np.ndarray]:
    """Which dirty items differ from what they came from: in pixels, in label (junk left out)."""
    known = log.sources >= 0
    before, after = rows(dataset), rows(dirty)
    pixels = np.array([k and before[s] != a for k, s, a in zip(known, log.sources, after, strict=True)])
    labels = known & (dirty.labels != np.where(known, dataset.labels[log.sources], -1))
    return pixels, labels


def test_every_rate_at_zero_changes_nothing(animals):
    dirty, log = corrupt.apply(animals, dict.fromkeys(corrupt.IMAGE_CORRUPTIONS, 0.0))
    assert rows(dirty) == rows(animals)
    assert np.array_equal(dirty.labels, animals.labels)
    assert dirty.card == animals.card
    assert len(log.table) == 0 and log.counts() == {} and not log.mask().any()
    assert np.array_equal(log.sources, np.arange(len(animals)))


def test_the_given_set_is_left_as_it_was(animals):
    before = animals.data.tobytes(), animals.labels.tobytes(), animals.card
    dirty, _ = corrupt.apply(animals, dict.fromkeys(corrupt.IMAGE_CORRUPTIONS, 0.3), seed=1)
    assert (animals.data.tobytes(), animals.labels.tobytes(), animals.card) == before
    assert not np.shares_memory(dirty.data, animals.data)
    assert not np.shares_memory(dirty.labels, animals.labels)


@pytest.mark.parametrize("name", [name for name in corrupt.IMAGE_CORRUPTIONS if name != "imbalance"])
@pytest.mark.parametrize("rate", [0.002, 0.1, 1.0])
def test_counts_match_the_rate_and_the_log_names_exactly_what_changed(animals, name, rate):
    dirty, log = corrupt.apply(animals, {name: rate}, seed=3)
    count = round(rate * len(animals))
    assert log.counts() == {name: count}
    assert len(log.items(name)) == len(set(log.items(name))) == count
    assert np.array_equal(np.flatnonzero(log.mask(name)), log.items(name))
    assert len(dirty) == len(animals) + (count if name in ADDING else 0) == len(log.sources)
    pixels, labels = expected_change(animals, dirty, log)
    mask, none = log.mask(name), np.zeros(len(dirty), dtype=bool)
    assert np.array_equal(pixels, mask if name in (*IMAGE_DAMAGE, "near_duplicate") else none)
    assert np.array_equal(labels, mask if name == "label_flip" else none)
    assert np.array_equal(log.sources == -1, mask if name == "junk" else none)


def test_all_corruptions_at_once_and_still_no_change_that_the_log_does_not_name(animals):
    dirty, log = corrupt.apply(animals, dict.fromkeys(corrupt.IMAGE_CORRUPTIONS, 0.2), seed=5)
    pixels, labels = expected_change(animals, dirty, log)
    assert np.array_equal(labels, log.mask("label_flip") & ~log.mask("junk"))
    assert np.array_equal(pixels, log.mask(*IMAGE_DAMAGE, "near_duplicate"))
    left = len(animals) - len(log.dropped)
    assert len(log.dropped) == 50 and left == 450  # 5 of 10 classes lose 10 of their 50
    others = {name: count for name, count in log.counts().items() if name != "imbalance"}
    assert others == dict.fromkeys(set(corrupt.IMAGE_CORRUPTIONS) - {"imbalance"}, 90)
    assert np.array_equal(log.true_labels >= 0, ~log.mask("junk"))


def test_copies_equal_what_they_copy_and_stand_behind_it(animals):
    dirty, log = corrupt.apply(
        animals, {"label_flip": 0.5, "blur": 0.3, "exact_duplicate": 0.4, "near_duplicate": 0.2}, seed=2
    )
    bytes_of = rows(dirty)
    own = log.table[~log.table["inherited"]]
    for name in ("exact_duplicate", "near_duplicate"):
        for item, source in own.loc[own["corruption"] == name, ["item", "source"]].itertuples(index=False):
            original = int(np.flatnonzero(log.sources == source)[0])
            assert original < item
            assert (bytes_of[item] == bytes_of[original]) == (name == "exact_duplicate")
            assert dirty.labels[item] == dirty.labels[original]  # a copy keeps a wrong label
            for damage in ("label_flip", "blur"):
                assert log.mask(damage)[item] == log.mask(damage)[original]
    inherited = log.table[log.table["inherited"]]
    assert len(inherited) and set(inherited["item"]) <= set(np.flatnonzero(log.mask(*ADDING)))


def test_near_duplicates_are_nearer_than_other_images(animals):
    dirty, log = corrupt.apply(animals, {"near_duplicate": 1.0})
    flat = dirty.data.reshape(len(dirty), -1).astype(float)
    copies = log.items("near_duplicate")
    own = np.linalg.norm(flat[copies] - flat[log.sources[copies]], axis=1)
    other = np.linalg.norm(flat[copies] - flat[np.roll(log.sources[copies], 1)], axis=1)
    assert np.median(own) < 0.6 * np.median(other)
    assert own.min() > 0


def test_a_flipped_label_is_another_one_and_every_other_one_occurs():
    base = Dataset(np.zeros((600, 8, 8), np.uint8), np.full(600, 2), ("a", "b", "c", "d"))
    dirty, log = corrupt.apply(base, {"label_flip": 1.0})
    assert np.bincount(dirty.labels, minlength=4)[2] == 0
    assert np.bincount(dirty.labels, minlength=4)[[0, 1, 3]].min() > 150  # 200 each are expected
    assert (log.true_labels == 2).all()
    first = log.table.iloc[0]
    assert first["detail"] == f"c -> {'abcd'[dirty.labels[first['item']]]}"


def test_imbalance_takes_from_half_of_the_classes_and_records_what_it_took(animals):
    dirty, log = corrupt.apply(animals, {"imbalance": 0.8}, seed=4)
    counts = list(dirty.counts().values())
    assert sorted(counts) == [10] * 5 + [50] * 5
    lost = list(log.dropped)
    assert np.array_equal(np.sort(np.concatenate([lost, log.sources])), np.arange(len(animals)))
    assert rows(dirty) == [rows(animals)[source] for source in log.sources]
    assert log.counts() == {"imbalance": 200} and len(log.table) == 0


def test_junk_has_every_kind_and_random_labels(animals):
    dirty, log = corrupt.apply(animals, {"junk": 0.6})
    assert set(log.table["detail"]) == set(corrupt.JUNK_KINDS)
    items = log.items("junk")
    assert len(np.unique(dirty.labels[items])) == 10
    assert (log.true_labels[items] == -1).all() and (log.table["source"] == -1).all()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(animals):
    rates = dict.fromkeys(corrupt.IMAGE_CORRUPTIONS, 0.2)
    one, log_one = corrupt.apply(animals, rates, seed=7)
    two, log_two = corrupt.apply(animals, dict(reversed(rates.items())), seed=7)
    assert one.data.tobytes() == two.data.tobytes() and one.labels.tobytes() == two.labels.tobytes()
    assert log_one.table.equals(log_two.table)
    three, _ = corrupt.apply(animals, rates, seed=8)
    assert one.data.tobytes() != three.data.tobytes()


def test_one_rate_does_not_reshuffle_another_corruption(animals):
    alone, log_alone = corrupt.apply(animals, {"noise": 0.2}, seed=1)
    both, log_both = corrupt.apply(animals, {"noise": 0.2, "label_flip": 0.5, "junk": 0.3}, seed=1)
    assert np.array_equal(log_alone.items("noise"), log_both.items("noise"))
    assert rows(both)[: len(animals)] == rows(alone)
    assert set(log_both.items("noise")) != set(log_both.items("label_flip")[:100])


@pytest.mark.parametrize("name", ["label_flip", "blur", "noise", "occlusion", "brightness"])
def test_a_higher_rate_hits_the_same_items_in_the_same_way_and_some_more(animals, name):
    low, log_low = corrupt.apply(animals, {name: 0.1}, seed=1)
    high, log_high = corrupt.apply(animals, {name: 0.4}, seed=1)
    items = log_low.items(name)
    assert set(items) < set(log_high.items(name))
    assert rows(low[items]) == rows(high[items])
    assert np.array_equal(low.labels[items], high.labels[items])


def test_two_corruptions_hit_items_independently_of_each_other(animals):
    base = collect.load("animals")[:4000]
    _, log = corrupt.apply(base, {"label_flip": 0.5, "blur": 0.5})
    both = int((log.mask("label_flip") & log.mask("blur")).sum())
    # Hypergeometric: 1,000 expected, standard deviation 15.8; five of them.
    assert abs(both - 1000) < 80


@pytest.mark.parametrize("shape", [(12, 8, 8), (12, 28, 28), (12, 9, 17), (12, 8, 30, 1), (12, 32, 20, 3)])
def test_any_shape_from_eight_pixels_up_grey_and_colour(shape):
    base = random_images(shape)
    dirty, log = corrupt.apply(base, dict.fromkeys(corrupt.IMAGE_CORRUPTIONS, 1 / 3))
    assert dirty.data.shape[1:] == shape[1:] and dirty.data.dtype == np.uint8
    pixels, _ = expected_change(base, dirty, log)
    assert np.array_equal(pixels, log.mask(*IMAGE_DAMAGE, "near_duplicate"))


def test_junk_fills_colour_images_of_every_kind():
    dirty, log = corrupt.apply(random_images((120, 16, 16, 3)), {"junk": 1.0})
    for kind in corrupt.JUNK_KINDS:
        items = log.table.loc[log.table["detail"] == kind, "item"]
        assert len(items) and dirty.data[items].max() > 100, kind


def test_darker_is_darker_blur_is_smoother_noise_is_rougher(animals):
    def roughness(data: np.ndarray) -> np.ndarray:
        return np.abs(np.diff(data.astype(float), axis=2)).mean(axis=(1, 2))

    blurred, _ = corrupt.apply(animals, {"blur": 1.0})
    noisy, _ = corrupt.apply(animals, {"noise": 1.0})
    assert (roughness(blurred.data) < roughness(animals.data)).all()
    assert (roughness(noisy.data) > roughness(animals.data)).mean() > 0.95
    changed, log = corrupt.apply(animals, {"brightness": 1.0})
    dark = log.table["detail"].str.startswith("darkened").to_numpy()
    assert 0.4 < dark.mean() < 0.6
    assert changed.data[dark].max() <= 128 and changed.data[~dark].min() >= 127


def test_a_blank_image_cannot_be_blurred_and_the_log_says_so():
    blank = Dataset(np.zeros((2, 8, 8), np.uint8), np.array([0, 1]), ("a", "b"))
    dirty, log = corrupt.apply(blank, {"blur": 1.0})
    assert rows(dirty) == rows(blank)
    assert log.table["detail"].str.endswith("it changes no pixel of this image").all()


def test_text_takes_flips_copies_and_imbalance_but_no_image_corruption():
    words = Dataset(("a", "b", "c", "d"), np.array([0, 0, 1, 1]), ("x", "y"), own_card("words", "text"))
    dirty, log = corrupt.apply(words, {"label_flip": 0.5, "exact_duplicate": 0.5}, seed=1)
    assert dirty.data == tuple(words.data[source] for source in log.sources) and len(dirty) == 6
    with pytest.raises(ValueError, match="'blur' is for images; the data set holds text"):
        corrupt.apply(words, {"blur": 0.5})


def test_images_without_labels_can_be_damaged_but_not_mislabelled(animals):
    bare = replace(animals, labels=None)
    dirty, log = corrupt.apply(bare, {"noise": 0.1, "junk": 0.1, "near_duplicate": 0.1})
    assert dirty.labels is None and log.true_labels is None and len(dirty) == 600
    for name in ("label_flip", "imbalance"):
        with pytest.raises(ValueError, match=f"'{name}' needs labels"):
            corrupt.apply(bare, {name: 0.1})


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), float("inf"), "0.1", None, True])
def test_a_rate_that_is_no_share_is_refused(animals, rate):
    with pytest.raises(ValueError, match="the rate of 'blur' must be a number from 0 to 1"):
        corrupt.apply(animals, {"blur": rate})


def test_an_unknown_corruption_is_refused_with_the_nearest_name(animals):
    with pytest.raises(ValueError, match="unknown corruption 'label_flips'; did you mean 'label_flip'"):
        corrupt.apply(animals, {"label_flips": 0.1})
    _, log = corrupt.apply(animals, {"blur": 0.1})
    with pytest.raises(ValueError, match="did you mean 'blur'"):
        log.items("blurr")


@pytest.mark.parametrize("seed", [-1, 1.5, "0", True])
def test_a_seed_that_is_no_whole_number_is_refused(animals, seed):
    with pytest.raises(ValueError, match="the seed must be a whole number"):
        corrupt.apply(animals, {"blur": 0.1}, seed=seed)


def test_one_class_cannot_be_flipped_and_one_populated_class_cannot_be_imbalanced(animals):
    single = Dataset(animals.data[:5], np.zeros(5, int), ("cat",))
    cats = animals[animals.labels == animals.class_names.index("cat")]
    with pytest.raises(ValueError, match="'label_flip' needs at least two classes, and the data set has 1"):
        corrupt.apply(single, {"label_flip": 0.5})
    with pytest.raises(ValueError, match="all items are of one"):
        corrupt.apply(cats, {"imbalance": 0.5})
    flipped, _ = corrupt.apply(cats, {"label_flip": 1.0})  # the other names exist: it can be wrong
    assert (flipped.labels != animals.class_names.index("cat")).all()


def test_tiny_images_are_refused_and_an_empty_set_stays_empty():
    with pytest.raises(ValueError, match="at least 8 x 8 pixels, and these are 7 x 9"):
        corrupt.apply(random_images((3, 7, 9)), {"blur": 0.5})
    dirty, log = corrupt.apply(random_images((0, 8, 8)), dict.fromkeys(corrupt.IMAGE_CORRUPTIONS, 1.0))
    assert len(dirty) == 0 and len(log.sources) == 0


def test_the_card_and_the_report_say_what_was_done(animals):
    dirty, log = corrupt.apply(animals, {"label_flip": 0.1, "exact_duplicate": 0.1, "imbalance": 0.2}, seed=2)
    assert any("label_flip at rate 0.1, 45 items" in fault for fault in dirty.card.known_faults)
    assert "imbalance        rate 0.200: dropped 50 items" in log.report()
    assert "label_flip       rate 0.100: given to 45 items" in log.report()


def test_importing_the_module_is_light():
    code = "import sys, aigc_lab.corrupt; print({'tensorflow', 'keras', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
