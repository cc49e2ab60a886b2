"""Label errors: found on dialled-in flips, and refused where they cannot be looked for."""

import numpy as np
import pytest

from aigc_lab import clean, collect, corrupt, evaluate, label


@pytest.fixture(scope="module")
def animals():
    train, _, _ = collect.load("animals").split(seed=0)
    return train.only("cat", "elephant", "giraffe", "horse", "bird")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_flipped_labels_are_found(animals, seed):
    dirty, ledger = corrupt.apply(animals, {"label_flip": 0.1}, seed=seed)
    found = label.errors(dirty, evaluate.features(dirty.data), seed=seed)
    result = clean.score(found, ledger.mask("label_flip"))
    assert result["recall"] > 0.9
    assert result["precision"] > 0.75
    # What is suggested is mostly the label before the flip.
    true = ledger.true_labels[found["item"]]
    flipped = ledger.mask("label_flip")[found["item"]]
    assert (found["suggested"].to_numpy()[flipped] == true[flipped]).mean() > 0.9
    assert found["score"].between(0, 1).all()

    mended = label.relabel(dirty, found)
    assert (mended.labels == ledger.true_labels).mean() > (dirty.labels == ledger.true_labels).mean() + 0.05
    assert np.array_equal(mended.data, dirty.data)


def test_probabilities_are_out_of_sample():
    """On pure noise an item's own label must not leak into its probability."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 400)
    probabilities = label.out_of_sample_probabilities(random.standard_normal((400, 50)), labels)
    assert probabilities.sum(axis=1) == pytest.approx(1.0)
    assert (probabilities.argmax(axis=1) == labels).mean() < 0.6


def test_bad_input_is_refused(animals):
    unlabelled = collect.Dataset(animals.data)
    with pytest.raises(ValueError, match="no labels"):
        label.errors(unlabelled)
    with pytest.raises(ValueError, match="two classes"):
        label.errors(animals.only("cat"))
    few = animals[np.r_[np.flatnonzero(animals.labels == 1)[:50], np.flatnonzero(animals.labels == 2)[:3]]]
    with pytest.raises(ValueError, match="class elephant has 3 items, fewer than the 5 folds"):
        label.errors(few)
    with pytest.raises(ValueError, match="one row for each"):
        label.errors(animals, np.zeros((3, 4)))
