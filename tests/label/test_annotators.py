"""Consensus: EM finds who is good, its likelihood never falls, and it is what brute force says."""

import itertools

import numpy as np
import pytest

from aigc_lab import label


def crowd(seed: int, items: int = 400, skills=(0.95, 0.55, 0.55, 0.55, 0.55), classes: int = 4, missing=0.0):
    """Annotators who are right with their own probability, and otherwise choose blindly."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, items)
    right = random.random((len(skills), items)) < np.array(skills)[:, None]
    wrong = (truth + random.integers(1, classes, (len(skills), items))) % classes
    ratings = np.where(right, truth, wrong)
    return np.where(random.random(ratings.shape) < missing, -1, ratings), truth


def log_likelihood(ratings, shares, confusion):
    """Slow and plain: sum over items of log sum over classes of share times answer probabilities."""
    total = 0.0
    for item in range(ratings.shape[1]):
        evidence = 0.0
        for each in range(len(shares)):
            answers = [
                confusion[annotator, each, answer]
                for annotator, answer in enumerate(ratings[:, item])
                if answer >= 0
            ]
            evidence += shares[each] * np.prod(answers)
        total += np.log(evidence)
    return total


@pytest.mark.parametrize("seed", range(3))
def test_it_beats_the_majority_where_annotators_differ(seed):
    ratings, truth = crowd(seed)
    votes, model = label.majority_vote(ratings), label.dawid_skene(ratings)
    assert (model.labels == truth).mean() > (votes.labels == truth).mean() + 0.03
    assert model.accuracies == pytest.approx([0.95, 0.55, 0.55, 0.55, 0.55], abs=0.08)
    assert model.accuracies.argmax() == 0
    assert model.probabilities.sum(axis=1) == pytest.approx(1.0)
    assert model.confusion.sum(axis=2) == pytest.approx(1.0)


def test_an_annotator_who_is_always_wrong_is_used_all_the_same():
    """Somebody who swaps two classes tells as much as somebody who is right; a vote cannot see that."""
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, 500)
    good = [np.where(random.random(500) < 0.75, truth, 1 - truth) for _ in range(3)]
    ratings = np.array([*good, 1 - truth])
    model = label.dawid_skene(ratings)
    assert model.confusion[3].argmax(axis=1).tolist() == [1, 0]
    assert (model.labels == truth).mean() > 0.99
    assert (label.majority_vote(ratings).labels == truth).mean() < 0.85


@pytest.mark.parametrize("missing", [0.0, 0.5])
def test_the_likelihood_never_falls_and_is_the_plain_one(missing):
    ratings, _ = crowd(1, items=60, missing=missing)
    model = label.dawid_skene(ratings, smoothing=1e-9, tolerance=0.0, rounds=40)
    steps = np.diff(model.log_likelihood)
    assert (steps > -1e-6).all()
    assert steps[0] > 0.1
    assert model.log_likelihood[-1] == pytest.approx(log_likelihood(ratings, model.shares, model.confusion))


def test_em_finds_the_best_of_a_grid():
    """Three annotators of one unknown skill each, two classes: no point of a grid is likelier."""
    ratings, _ = crowd(2, items=150, skills=(0.9, 0.7, 0.6), classes=2)
    model = label.dawid_skene(ratings, smoothing=1e-9, tolerance=1e-9, rounds=500)
    best = max(
        log_likelihood(ratings, (0.5, 0.5), np.array([[[s, 1 - s], [1 - s, s]] for s in skills]))
        for skills in itertools.product((0.55, 0.65, 0.75, 0.85, 0.95), repeat=3)
    )
    assert model.log_likelihood[-1] >= best


def test_votes_ties_and_silence():
    ratings = np.array([[0, 1, 2, -1, 2], [0, 2, -1, -1, 1], [1, 2, -1, -1, 0]])
    votes = label.majority_vote(ratings, 4)
    assert votes.labels.tolist() == [0, 2, 2, -1, 0]  # a tie goes to the smaller number
    assert votes.probabilities[0].tolist() == pytest.approx([2 / 3, 1 / 3, 0, 0])
    assert votes.probabilities[3].tolist() == [0.25] * 4
    assert label.dawid_skene(ratings, 4).labels[3] == -1
    with pytest.raises(ValueError, match="knows nothing about single annotators"):
        _ = votes.accuracies
    # One annotator is a majority of one, but no crowd.
    assert label.majority_vote([[1, 0]]).labels.tolist() == [1, 0]
    with pytest.raises(ValueError, match="at least 2 annotators are needed, got 1"):
        label.dawid_skene([[1, 0]])


def test_annotators_who_disagree_on_everything_and_a_class_nobody_chose():
    ratings = np.array([np.arange(30) % 3, (np.arange(30) + 1) % 3, (np.arange(30) + 2) % 3])
    model = label.dawid_skene(ratings, class_count=5)
    assert np.isfinite(model.probabilities).all()
    assert np.isfinite(model.log_likelihood).all()
    assert model.shares[3:] == pytest.approx(0.0, abs=1e-3)
    agreed = label.dawid_skene(np.tile(np.arange(30) % 3, (3, 1)), class_count=5)
    assert agreed.labels.tolist() == (np.arange(30) % 3).tolist()
    assert agreed.accuracies == pytest.approx(1.0, abs=0.05)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="smoothing must be above 0"):
        label.dawid_skene([[0, 1], [0, 1]], smoothing=0)
    with pytest.raises(ValueError, match="only 2 classes"):
        label.dawid_skene([[0, 3], [0, 1]], class_count=2)
