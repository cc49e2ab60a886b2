"""Confident learning in a few readable lines: which labels contradict a confident prediction?

Northcutt, Jiang and Chuang 2021 (arXiv 1911.00068), section 3. ``errors`` uses cleanlab, which has
more ways to prune; the tests show that these lines agree with it. Introduced in notebook 03.
"""

from __future__ import annotations

import numpy as np


def confident_classes(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The class that each item confidently belongs to, -1 where no class is confident: ``(n,)``.

    An item is confidently of class j if its probability of j reaches the mean probability of j among
    the items *labelled* j (equation 2 of the paper). Where several classes are, the likeliest of all
    counts, as in cleanlab (the paper takes the likeliest of these; the two rarely differ).

    Args:
        labels: given labels ``(n,)``, integers from 0.
        probabilities: out-of-sample class probabilities ``(n, classes)``.

    Raises:
        ValueError: shapes that do not fit, labels outside the classes, or NaN.
    """
    labels, probabilities = _checked(labels, probabilities)
    thresholds = np.full(probabilities.shape[1], np.inf)  # a class that nobody chose is never confident
    for each in np.unique(labels):
        thresholds[each] = probabilities[labels == each, each].mean()
    confident = probabilities >= np.maximum(thresholds, 1e-6) - 1e-6  # rounding must not exclude an equal
    best = np.where(confident.sum(axis=1) > 1, probabilities.argmax(axis=1), confident.argmax(axis=1))
    return np.where(confident.any(axis=1), best, -1)


def confident_joint(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """How many items are labelled i and confidently j: integers ``(classes, classes)``.

    Raises:
        ValueError: see ``confident_classes``.
    """
    labels, probabilities = _checked(labels, probabilities)
    confident = confident_classes(labels, probabilities)
    joint = np.zeros((probabilities.shape[1],) * 2, int)
    np.add.at(joint, (labels[confident >= 0], confident[confident >= 0]), 1)
    return joint


def find_label_issues(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Positions of the labels that a confident prediction contradicts, the surest first.

    These are the items off the diagonal of the confident joint, without those whose label is the
    likeliest class after all. They are ordered by the margin p(given label) - p(best other class).

    Raises:
        ValueError: see ``confident_classes``.
    """
    labels, probabilities = _checked(labels, probabilities)
    confident = confident_classes(labels, probabilities)
    suspect = (confident >= 0) & (confident != labels) & (probabilities.argmax(axis=1) != labels)
    found = np.flatnonzero(suspect)
    return found[np.argsort(margins(labels, probabilities)[found], kind="stable")]


def margins(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """p(given label) minus p(best other class) of each item, ``(n,)`` in [-1, 1]: low is suspicious.

    Raises:
        ValueError: see ``confident_classes``.
    """
    labels, probabilities = _checked(labels, probabilities)
    rows = np.arange(len(labels))
    others = probabilities.copy()
    others[rows, labels] = -np.inf
    return probabilities[rows, labels] - others.max(axis=1)


def _checked(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    probabilities = np.asarray(probabilities, dtype=float)
    labels = np.asarray(labels)
    if probabilities.ndim != 2 or probabilities.shape[1] < 2:
        raise ValueError(f"probabilities must have shape (n, at least 2 classes), got {probabilities.shape}")
    if labels.shape != (len(probabilities),) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"one whole-number label is needed for each of the {len(probabilities)} rows of probabilities, "
            f"got {labels.dtype} of shape {labels.shape}"
        )
    if not len(labels):
        raise ValueError("there are no items to look at; give at least one")
    if labels.min() < 0 or labels.max() >= probabilities.shape[1]:
        raise ValueError(
            f"labels go from {labels.min()} to {labels.max()}, but there are {probabilities.shape[1]} classes"
        )
    if not (np.isfinite(probabilities).all() and probabilities.min() >= -1e-6):
        raise ValueError("probabilities must be finite and not negative; check the classifier")
    return labels, probabilities
