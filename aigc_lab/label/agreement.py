"""How much annotators agree, beyond what chance alone would give.

Every measure here is 1 - observed disagreement / disagreement expected by chance, or the same
written with agreement: 1 is perfect, 0 is chance, below 0 is worse than chance. Where all labels are
one and the same class chance agrees as well, 0 / 0, and the answer is NaN. Introduced in notebook 03.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from aigc_lab.label.ratings import checked_ratings

METRICS = ("nominal", "ordinal", "interval")
WEIGHTS = ("linear", "quadratic")


def cohen_kappa(first: Any, second: Any, weights: str | None = None, class_count: int | None = None) -> float:
    """Cohen's kappa of two annotators, over the items that both labelled.

    kappa = (observed - expected) / (1 - expected); expected is the agreement of two people who keep
    their own habits (how often they use each class) but draw labels blindly. Cohen 1960.

    Args:
        first, second: class numbers ``(n,)``, -1 or NaN where there is no label.
        weights: None, or ``"linear"`` or ``"quadratic"`` for classes in an order, where a near miss
            counts less than a far one (Cohen 1968).
        class_count: how many classes there are.

    Returns:
        kappa in [-1, 1]; NaN if both used a single and the same class.

    Raises:
        ValueError: unequal lengths, no item labelled by both, or unknown weights.
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"both annotators need one label an item, got shapes {first.shape}, {second.shape}")
    if weights not in (None, *WEIGHTS):
        raise ValueError(f"weights must be None, {' or '.join(WEIGHTS)}, got {weights!r}")
    ratings, classes = checked_ratings([first, second], class_count)
    both = (ratings >= 0).all(axis=0)
    if not both.any():
        raise ValueError("no item was labelled by both annotators; let them share some items")
    table = np.zeros((classes, classes))
    np.add.at(table, tuple(ratings[:, both]), 1 / both.sum())
    expected = np.outer(table.sum(axis=1), table.sum(axis=0))
    number = np.arange(classes)
    distance = np.abs(number[:, None] - number)
    cost = (distance > 0).astype(float) if weights is None else distance ** (1 + (weights == "quadratic"))
    return _one_minus_ratio((cost * table).sum(), (cost * expected).sum())


def fleiss_kappa(votes: Any) -> float:
    """Fleiss' kappa of many annotators who each labelled every item; they may be different people.

    Args:
        votes: how many annotators chose each class, ``(items, classes)``; see ``vote_counts``.

    Returns:
        kappa, at most 1; NaN if only one class was ever chosen. Fleiss 1971.

    Raises:
        ValueError: counts that are negative or broken, fewer than two annotators, or items with a
            different number of votes (then Krippendorff's alpha is the measure to take).
    """
    votes = np.asarray(votes, dtype=float)
    if votes.ndim != 2 or not votes.size:
        raise ValueError(f"votes must have shape (items, classes), got {votes.shape}")
    if not np.isfinite(votes).all() or (votes < 0).any() or (votes != np.round(votes)).any():
        raise ValueError("votes must be whole numbers from 0 up; vote_counts makes them from ratings")
    each = votes.sum(axis=1)
    if (each != each[0]).any():
        raise ValueError(
            f"items have from {each.min():.0f} to {each.max():.0f} votes; Fleiss' kappa needs the same "
            "number for all, krippendorff_alpha does not"
        )
    raters = each[0]
    if raters < 2:
        raise ValueError(f"at least two annotators are needed, got {raters:.0f}; ask somebody else too")
    agreement = ((votes**2).sum(axis=1) - raters) / (raters * (raters - 1))  # share of pairs that agree
    shares = votes.sum(axis=0) / votes.sum()
    return _one_minus_ratio(1 - agreement.mean(), 1 - (shares**2).sum())


def krippendorff_alpha(ratings: Any, metric: str = "nominal") -> float:
    """Krippendorff's alpha: any number of annotators, missing labels, and a distance between labels.

    alpha = 1 - observed / expected disagreement, both averages of a squared distance over pairs of
    labels: within items, and over all labels that can be paired. Krippendorff 2011, "Computing
    Krippendorff's Alpha-Reliability".

    Args:
        ratings: ``(annotators, items)``, NaN where there is no label. For ``nominal`` and ``ordinal``
            they are class numbers, and -1 is "no label" too; for ``interval`` any number counts.
        metric: ``nominal`` (0 or 1), ``ordinal`` (how many labels lie between), ``interval``
            ((a - b) squared).

    Returns:
        alpha, at most 1; NaN if all labels that can be paired are equal.

    Raises:
        ValueError: one annotator, no item with two labels, infinite numbers, or an unknown metric.
    """
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
    if metric == "interval":
        numbers = np.asarray(ratings, dtype=float)
        if numbers.ndim != 2 or len(numbers) < 2:
            raise ValueError(f"ratings must be (at least 2 annotators, items), got shape {numbers.shape}")
        if np.isinf(numbers).any():
            raise ValueError("ratings hold infinite numbers; leave them out as NaN")
        values = np.unique(numbers[~np.isnan(numbers)])
        counts = (numbers[:, :, None] == values).sum(axis=0)  # (annotators, items, values) -> (items, values)
    else:
        whole, _ = checked_ratings(ratings)
        values = np.unique(whole[whole >= 0])
        counts = (whole[:, :, None] == values).sum(axis=0)
    counts = counts[counts.sum(axis=1) >= 2].astype(float)  # a lone label cannot be paired
    if not len(counts):
        raise ValueError("no item was labelled by two annotators; let them share some items")
    totals = counts.sum(axis=0)
    distance = _squared_distances(values.astype(float), totals, metric)
    # Within an item, each ordered pair of labels counts 1 / (labels of the item - 1).
    pairs = np.einsum("iv,iw->ivw", counts, counts) - counts[:, :, None] * np.eye(len(values))
    coincidences = (pairs / (counts.sum(axis=1) - 1)[:, None, None]).sum(axis=0)
    n = totals.sum()
    observed = (coincidences * distance).sum() / n
    expected = (np.outer(totals, totals) * distance).sum() / (n * (n - 1))
    return _one_minus_ratio(observed, expected)


def _squared_distances(values: np.ndarray, totals: np.ndarray, metric: str) -> np.ndarray:
    """Squared distance between each two values, ``(values, values)``."""
    if metric == "nominal":
        return 1.0 - np.eye(len(values))
    if metric == "interval":
        return (values[:, None] - values) ** 2
    # Ordinal: how many labels lie from one value to the other, each end counted by half.
    middle = np.cumsum(totals) - totals / 2
    return (middle[:, None] - middle) ** 2


def _one_minus_ratio(observed: float, expected: float) -> float:
    return float(1 - observed / expected) if expected > 1e-15 else float("nan")
