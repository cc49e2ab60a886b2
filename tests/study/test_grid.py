"""The grid, the corruptions and the cleaning: what a run trains on, without training anything."""

from __future__ import annotations

import numpy as np
import pytest

from aigc_lab import collect, corrupt, study
from aigc_lab.study import grid
from aigc_lab.study.grid import Study


def a_study(**changes) -> Study:
    plain = {
        "name": "test",
        "corruptions": ("label_flip", "fewer_items"),
        "severities": (0, 0.25),
        "seeds": (3, 4),
    }
    return Study(**{**plain, **changes})


@pytest.fixture(scope="module")
def training() -> collect.Dataset:
    """120 images of each of four animals."""
    animals = collect.load("animals").only("bird", "cat", "elephant", "giraffe")
    return study.balanced_part(animals, 480, seed=5)


# --- the grid ------------------------------------------------------------------------------------


def test_the_clean_set_is_trained_on_once_for_each_model_and_seed():
    cells = a_study().cells()
    assert len(cells) == len(set(cells)) == 2 * 2 * (1 + 2)
    clean = [cell for cell in cells if cell.severity == 0]
    assert {cell.corruption for cell in clean} == {"none"} and len(clean) == 4


def test_a_study_that_is_cut_off_has_whole_seeds():
    seeds = [cell.seed for cell in a_study(seeds=(2, 0, 1)).cells()]
    assert seeds == sorted(seeds, key=(2, 0, 1).index)


def test_cleaning_runs_where_something_can_be_undone():
    cells = a_study(cleaning=("none", "clean+label", "oracle"), cleaning_severities=(0.25,)).cells()
    cleaned = {(cell.corruption, cell.severity, cell.cleaning) for cell in cells if cell.cleaning != "none"}
    assert cleaned == {("label_flip", 0.25, "clean+label"), ("label_flip", 0.25, "oracle")}
    with_clean_set = a_study(
        cleaning=("none", "clean+label", "oracle"), cleaning_severities=(0, 0.25)
    ).cells()
    assert {cell.cleaning for cell in with_clean_set if cell.severity == 0} == {"none", "clean+label"}


def test_real_images_are_not_corrupted():
    cells = a_study(models=("real", "vae")).cells()
    assert [cell.seed for cell in cells if cell.model == "real"] == [3, 4]
    assert all(cell.severity == 0 for cell in cells if cell.model == "real")


def test_a_single_name_or_number_is_a_grid_of_one():
    assert a_study(corruptions="blur", severities=0.25, models="gan", seeds=7, items=100).cells() == [
        study.Cell("blur", 0.25, 100, "none", "gan", 7)
    ]


def test_the_key_of_a_run_changes_with_what_it_depends_on_and_with_nothing_else(monkeypatch):
    one = a_study()
    cell = one.cells()[-1]
    key = one.key(cell)
    assert a_study(name="other", severities=(0, 0.25, 0.5), seeds=(4,)).key(cell) == key
    others = [a_study(samples=40), a_study(steps=7), a_study(classes=("cat", "dog"))]
    assert len({key, *(other.key(cell) for other in others)}) == 4
    monkeypatch.setattr(grid, "BATCH_SIZE", 8)
    assert one.key(cell) != key


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"corruptions": ("blurr",)}, "unknown corruption 'blurr'; did you mean 'blur'"),
        ({"models": ("gann",)}, "unknown model 'gann'; did you mean 'gan'"),
        ({"corruptions": ()}, "the grid of 'test' is empty: corruptions has no entry"),
        ({"seeds": range(0)}, "the grid of 'test' is empty: seeds has no entry"),
        ({"severities": (0, 1.5)}, "a severity of 'label_flip' must be a number from 0 to 1, got 1.5"),
        ({"severities": (float("nan"),)}, "must be a number from 0 to 1, got nan"),
        ({"corruptions": ("fewer_items",), "severities": (1.0,)}, "leaves nothing to learn from"),
        ({"corruptions": ("repeats",), "severities": (2.5,)}, "how often an item occurs, got 2.5"),
        (
            {"cleaning": ("wash",)},
            "there is no cleaning 'wash'; choose one of none, oracle, clean, label, ",
        ),
        ({"cleaning": ("label+clean",)}, "no cleaning 'label\\+clean'; choose one of .*clean\\+label, "),
        ({"cleaning_severities": (0.5,)}, "cleaning_severities has 0.5, which is none of the severities"),
        ({"items": (0,)}, "items must be whole numbers from 1 up, got 0"),
        ({"seeds": (-1,)}, "seeds must be whole numbers from 0 up, got -1"),
        ({"samples": 3}, "samples must be whole numbers from 20 up"),
    ],
)
def test_a_grid_that_makes_no_sense_is_refused_in_one_sentence(change, words):
    with pytest.raises(ValueError, match=words) as caught:
        a_study(**change)
    assert "\n" not in str(caught.value)


def test_unknown_classes_and_data_that_are_no_images_are_refused():
    with pytest.raises(ValueError, match="no class named 'unicorn'"):
        a_study(classes=("cat", "unicorn")).load()
    with pytest.raises(ValueError, match="a study is for images so far; 'dialogues' holds text"):
        a_study(data="dialogues", classes=()).load()


# --- severities ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("corruption", corrupt.IMAGE_CORRUPTIONS)
def test_a_severity_is_the_rate_of_its_corruption(training, corruption):
    corrupted = study.corrupted_set(training, corruption, 0.25, seed=1)
    expected, log = corrupt.apply(training, {corruption: 0.25}, seed=1)
    assert corrupted.dataset.hashes() == expected.hashes()
    assert corrupted.log.counts() == log.counts()


@pytest.mark.parametrize("corruption", study.CORRUPTIONS)
def test_severity_0_is_the_clean_set_for_every_corruption(training, corruption):
    corrupted = study.corrupted_set(training, corruption, 0, seed=1)
    assert corrupted.dataset.hashes() == training.hashes()
    assert np.array_equal(corrupted.dataset.labels, training.labels)


def test_fewer_items_takes_the_share_from_every_class_and_a_higher_severity_takes_some_more(training):
    few = study.corrupted_set(training, "fewer_items", 0.75, seed=1).dataset
    more = study.corrupted_set(training, "fewer_items", 0.5, seed=1).dataset
    assert set(few.counts().values()) == {30} and set(more.counts().values()) == {60}
    assert set(few.hashes()) <= set(more.hashes()) <= set(training.hashes())


def test_repeats_shows_sixteen_items_so_often_and_the_others_once(training):
    corrupted = study.corrupted_set(training, "repeats", 7, seed=1)
    counts = dict(zip(*np.unique(corrupted.dataset.hashes(), return_counts=True), strict=True))
    once = dict(zip(*np.unique(training.hashes(), return_counts=True), strict=True))
    extra = {digest: counts[digest] - once[digest] for digest in counts}
    assert sum(extra.values()) == 16 * 6 and set(extra.values()) <= {0, 6, 12, 18}
    assert len(corrupted.marked) == 16


@pytest.mark.parametrize("share", [0.5, 0.1, 0.05])
def test_a_rare_class_has_its_share_of_a_set_of_constant_size(training, share):
    two = training.only("cat", "giraffe")
    rare = study.corrupted_set(two, "rare_class", share, seed=1).dataset
    assert len(rare) == 120 and rare.counts()["cat"] == round(share * 120)


def test_a_rare_class_that_is_too_large_for_its_items_is_refused(training):
    two = training.only("cat", "giraffe")
    lopsided = two[np.r_[np.flatnonzero(two.labels == 0)[:40], np.flatnonzero(two.labels == 1)]]
    with pytest.raises(ValueError, match=r"0\.9 of 80 items need 72 of class cat, which has 40"):
        study.corrupted_set(lopsided, "rare_class", 0.9, 1)


def test_a_balanced_part_has_equally_many_and_says_what_is_possible(training):
    part = study.balanced_part(training, 42, seed=0)
    assert sorted(part.counts().values()) == [10, 10, 11, 11]
    with pytest.raises(ValueError, match=r"481 items need 121 of class bird.* use at most 480 items"):
        study.balanced_part(training, 481, seed=0)


# --- cleaning -------------------------------------------------------------------------------------


def test_the_oracle_leaves_clean_images_with_true_labels(training):
    corrupted = study.corrupted_set(training, "mixed", 0.2, seed=1)
    kept = study.cleaned_set(corrupted, "oracle", seed=1)
    truth = dict(zip(training.hashes(), training.labels.tolist(), strict=True))
    assert [truth[digest] for digest in kept.hashes()] == kept.labels.tolist()
    assert 0.6 * len(training) < len(kept) < len(training)  # damaged ones are gone, none is in twice


def test_the_oracle_shows_a_repeated_item_once(training):
    corrupted = study.corrupted_set(training, "repeats", 9, seed=1)
    assert set(study.cleaned_set(corrupted, "oracle", 1).hashes()) == set(training.hashes())
    assert len(study.cleaned_set(corrupted, "oracle", 1)) == len(set(training.hashes()))


def test_the_detectors_do_not_read_the_log(training):
    corrupted = study.corrupted_set(training, "label_flip", 0.25, seed=1)
    blind = study.CorruptedSet(corrupted.dataset, None)
    cleaned = study.cleaned_set(blind, "clean+label", seed=1)
    truth = dict(zip(training.hashes(), training.labels.tolist(), strict=True))
    right = np.mean(
        [truth[digest] == label for digest, label in zip(cleaned.hashes(), cleaned.labels, strict=True)]
    )
    assert right > 0.9  # it was 0.75


def test_augment_adds_mirror_images(training):
    more = study.cleaned_set(study.corrupted_set(training, "none", 0, 0), "augment", seed=0)
    assert len(more) == 2 * len(training)
    assert np.array_equal(more.data[len(training) :], training.data[:, :, ::-1])


def test_arms_are_checked(training):
    assert a_study(cleaning=("none", "oracle", "clean+augment", "clean+label+augment"))
    with pytest.raises(ValueError, match=r"there is no cleaning 'clean\+clean'"):
        study.cleaned_set(study.corrupted_set(training, "none", 0, 0), "clean+clean", seed=0)


def test_a_table_that_is_not_stored_is_named():
    with pytest.raises(ValueError, match="no table 'nothing' is stored; there is"):
        study.stored("nothing")
