"""The readable lines of confident learning agree with cleanlab, item by item and in order."""

import numpy as np
import pytest
from cleanlab.count import compute_confident_joint
from cleanlab.filter import find_label_issues as cleanlab_issues
from cleanlab.rank import get_normalized_margin_for_each_label
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aigc_lab import label


def noisy_case(seed: int, items: int = 300, classes: int = 4, sharpness: float = 2.0, flips: float = 0.25):
    """Probabilities that point at the truth, and labels of which a share is wrong."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, items)
    scores = random.standard_normal((items, classes)) + sharpness * np.eye(classes)[truth]
    odds = np.exp(scores)
    wrong = random.random(items) < flips
    labels = np.where(wrong, (truth + random.integers(1, classes, items)) % classes, truth)
    return labels, odds / odds.sum(axis=1, keepdims=True), truth


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    classes=st.integers(2, 7),
    sharpness=st.floats(0, 5),
    flips=st.floats(0, 0.9),
    unchosen=st.booleans(),
)
@example(seed=5031, classes=7, sharpness=1.0, flips=0.0, unchosen=False)  # the likeliest is not confident
def test_it_agrees_with_cleanlab(seed, classes, sharpness, flips, unchosen):
    labels, probabilities, _ = noisy_case(seed, 120, classes, sharpness, flips)
    if unchosen and classes > 2:
        labels = np.where(labels == classes - 1, 0, labels)  # a class that nobody chose
    joint = label.confident_joint(labels, probabilities)
    theirs = compute_confident_joint(labels, probabilities, calibrate=False)
    # cleanlab counts at least one item on the diagonal of each class.
    assert np.array_equal(np.maximum(joint, np.eye(classes, dtype=int)), theirs)
    ranked = cleanlab_issues(
        labels,
        probabilities,
        filter_by="confident_learning",
        return_indices_ranked_by="normalized_margin",
        n_jobs=1,
    )
    assert label.find_label_issues(labels, probabilities).tolist() == ranked.tolist()
    quality = get_normalized_margin_for_each_label(labels, probabilities)
    assert (label.margins(labels, probabilities) + 1) / 2 == pytest.approx(quality)


def test_a_case_small_enough_for_paper():
    """Thresholds 0.7 (items 0, 1, 4 labelled 0) and 0.75 (items 2, 3): only item 4 is confidently another."""
    probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.3, 0.7], [0.2, 0.8], [0.2, 0.8]])
    labels = np.array([0, 0, 1, 1, 0])
    assert label.confident_classes(labels, probabilities).tolist() == [0, 0, -1, 1, 1]
    assert label.confident_joint(labels, probabilities).tolist() == [[2, 1], [0, 1]]
    assert label.find_label_issues(labels, probabilities).tolist() == [4]
    assert label.margins(labels, probabilities)[4] == pytest.approx(-0.6)


def test_nothing_is_confident_of_a_class_that_nobody_chose():
    probabilities = np.array([[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.1, 0.1, 0.8]])
    assert label.confident_classes(np.array([0, 1, 1]), probabilities).tolist() == [0, 1, -1]


def test_flips_are_found_and_the_input_stays():
    labels, probabilities, truth = noisy_case(1, items=2000, sharpness=5, flips=0.1)
    before = labels.copy(), probabilities.copy()
    found = label.find_label_issues(labels, probabilities)
    wrong = labels != truth
    assert wrong[found].mean() > 0.9
    assert wrong[found].sum() / wrong.sum() > 0.8
    assert np.array_equal(labels, before[0])
    assert np.array_equal(probabilities, before[1])


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([0, 1], np.ones((2, 1)), "at least 2 classes"),
        ([0, 1, 0], np.full((2, 2), 0.5), "one whole-number label"),
        ([0.0, 1.0], np.full((2, 2), 0.5), "one whole-number label"),
        ([0, 2], np.full((2, 2), 0.5), "labels go from 0 to 2, but there are 2 classes"),
        ([-1, 1], np.full((2, 2), 0.5), "labels go from -1"),
        ([0, 1], np.array([[np.nan, 1], [0, 1]]), "finite"),
        (np.zeros(0, int), np.zeros((0, 2)), "no items"),
    ],
)
def test_bad_input_is_refused(labels, probabilities, message):
    with pytest.raises(ValueError, match=message):
        label.find_label_issues(labels, probabilities)
