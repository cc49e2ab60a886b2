"""Agreement equals independent implementations and closed forms; nonsense is refused in a sentence."""

import warnings

import krippendorff
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss

from aigc_lab import label

SEEDS = st.integers(0, 10_000)


def ratings_of(seed: int, annotators: int, items: int, classes: int, missing: float = 0.0) -> np.ndarray:
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, items)
    wrong = random.random((annotators, items)) < 0.4
    ratings = np.where(wrong, random.integers(0, classes, (annotators, items)), truth)
    return np.where(random.random((annotators, items)) < missing, -1, ratings)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, classes=st.integers(2, 6), weights=st.sampled_from([None, "linear", "quadratic"]))
def test_cohen_is_that_of_scikit_learn(seed, classes, weights):
    first, second = ratings_of(seed, 2, 50, classes)
    ours = label.cohen_kappa(first, second, weights)
    # Weights depend on the distance of class numbers: name them all, or sklearn squeezes unused ones.
    theirs = cohen_kappa_score(first, second, labels=range(classes), weights=weights)
    assert ours == pytest.approx(theirs)
    assert ours == pytest.approx(label.cohen_kappa(second, first, weights))


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, annotators=st.integers(2, 6), classes=st.integers(2, 5))
def test_fleiss_is_that_of_statsmodels(seed, annotators, classes):
    votes = label.vote_counts(ratings_of(seed, annotators, 40, classes), classes)
    assert label.fleiss_kappa(votes) == pytest.approx(statsmodels_fleiss(votes))


@settings(max_examples=60, deadline=None)
@given(
    seed=SEEDS,
    annotators=st.integers(2, 5),
    classes=st.integers(2, 6),
    missing=st.floats(0, 0.7),
    metric=st.sampled_from(["nominal", "ordinal", "interval"]),
)
def test_alpha_is_that_of_krippendorff(seed, annotators, classes, missing, metric):
    ratings = ratings_of(seed, annotators, 30, classes, missing).astype(float)
    ratings[ratings < 0] = np.nan
    paired = ratings[:, (~np.isnan(ratings)).sum(axis=0) >= 2]
    assume(len(np.unique(paired[~np.isnan(paired)])) > 1)
    theirs = krippendorff.alpha(reliability_data=ratings, level_of_measurement=metric)
    assert label.krippendorff_alpha(ratings, metric) == pytest.approx(theirs)
    if metric != "interval":
        as_numbers = np.nan_to_num(ratings, nan=-1).astype(int)
        assert label.krippendorff_alpha(as_numbers, metric) == pytest.approx(theirs)
    order = np.random.default_rng(seed).permutation(ratings.shape[1])
    assert label.krippendorff_alpha(ratings[::-1, order], metric) == pytest.approx(theirs)


def test_closed_forms():
    """Tables of two annotators and two classes, worked out by hand."""
    # 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: observed 0.7, expected 0.5 * 0.6 + 0.5 * 0.4 = 0.5.
    first = [1] * 25 + [0] * 25
    second = [1] * 20 + [0] * 5 + [1] * 10 + [0] * 15
    assert label.cohen_kappa(first, second) == pytest.approx(0.4)
    # Fleiss pools both: 55 of 100 labels are yes, expected 0.55^2 + 0.45^2 = 0.505.
    votes = label.vote_counts([first, second])
    assert label.fleiss_kappa(votes) == pytest.approx((0.7 - 0.505) / (1 - 0.505))
    # Alpha corrects for 100 labels: disagreement 0.3 over 2 * 55 * 45 / (100 * 99) = 0.5.
    assert label.krippendorff_alpha([first, second]) == pytest.approx(1 - 0.3 / 0.5)


def test_perfect_chance_and_opposite():
    truth = np.arange(12) % 3
    for measure in (
        lambda ratings: label.cohen_kappa(*ratings[:2]),
        lambda ratings: label.fleiss_kappa(label.vote_counts(ratings)),
        label.krippendorff_alpha,
    ):
        assert measure(np.array([truth, truth, truth])) == pytest.approx(1.0)
    random = np.random.default_rng(0).integers(0, 3, (2, 20_000))
    assert label.cohen_kappa(*random) == pytest.approx(0.0, abs=0.03)
    assert label.krippendorff_alpha(random) == pytest.approx(0.0, abs=0.03)
    # Two who disagree on everything are worse than chance, and it is said so.
    yes, no = np.arange(20) % 2, 1 - np.arange(20) % 2
    assert label.cohen_kappa(yes, no) == pytest.approx(-1.0)
    assert label.fleiss_kappa(label.vote_counts([yes, no])) == pytest.approx(-1.0)
    assert label.krippendorff_alpha([yes, no]) == pytest.approx(1 - 1 / (2 * 20 * 20 / (40 * 39)))


def test_an_order_forgives_near_misses():
    near, far = np.array([[0, 1, 2, 3], [1, 0, 3, 2]]), np.array([[0, 1, 2, 3], [3, 3, 0, 0]])
    for metric in ("ordinal", "interval"):
        assert label.krippendorff_alpha(near, metric) > label.krippendorff_alpha(far, metric)
    assert label.cohen_kappa(*near) < 0 < label.cohen_kappa(*near, "quadratic")


def test_one_class_only_has_no_answer_and_an_unchosen_one_changes_nothing():
    same = np.zeros((2, 5), int)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(label.cohen_kappa(*same))
        assert np.isnan(label.fleiss_kappa(label.vote_counts(same, 2)))
        assert np.isnan(label.krippendorff_alpha(same))
    ratings = ratings_of(0, 3, 30, 3)
    assert label.cohen_kappa(*ratings[:2], class_count=9) == pytest.approx(label.cohen_kappa(*ratings[:2]))
    votes = label.vote_counts(ratings, 9)
    assert votes.shape == (30, 9)
    assert label.fleiss_kappa(votes) == pytest.approx(label.fleiss_kappa(votes[:, :3]))


def test_missing_labels_are_left_out():
    first, second = np.array([0, 1, -1, 2, 0]), np.array([0, 1, 1, np.nan, 1])
    assert label.cohen_kappa(first, second) == label.cohen_kappa([0, 1, 0], [0, 1, 1])
    # Negative numbers are numbers on an interval scale.
    assert label.krippendorff_alpha([[-1.0, 5.0, np.nan], [-1.0, 5.0, 2.0]], "interval") == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: label.krippendorff_alpha([[0, 1, 2]]), "at least 2 annotators are needed, got 1"),
        (lambda: label.krippendorff_alpha([[0.5, 1.5]], "interval"), "at least 2 annotators"),
        (lambda: label.krippendorff_alpha([[0, -1], [-1, 1]]), "no item was labelled by two"),
        (lambda: label.krippendorff_alpha([[0, 1], [0, 1]], "ratio"), "metric must be one of nominal"),
        (lambda: label.krippendorff_alpha([[np.inf, 1], [0, 1]], "interval"), "infinite"),
        (lambda: label.krippendorff_alpha([[-1, -1], [np.nan, -1]]), "nobody has labelled"),
        (lambda: label.krippendorff_alpha([0, 1]), "one row for each annotator"),
        (lambda: label.cohen_kappa([0, 1], [0]), "one label an item"),
        (lambda: label.cohen_kappa([0, -1], [-1, 0]), "no item was labelled by both"),
        (lambda: label.cohen_kappa([0, 1], [0, 1], "cubic"), "weights must be None, linear or quadratic"),
        (lambda: label.cohen_kappa([0, 1.5], [0, 1]), "class numbers"),
        (lambda: label.cohen_kappa([0, 5], [0, 1], class_count=3), "only 3 classes"),
        (lambda: label.fleiss_kappa([[2, 0], [1, 0]]), "krippendorff_alpha does not"),
        (lambda: label.fleiss_kappa([[1, 0], [0, 1]]), "at least two annotators are needed, got 1"),
        (lambda: label.fleiss_kappa([[1, -1]]), "whole numbers from 0"),
        (lambda: label.fleiss_kappa([]), "shape"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
