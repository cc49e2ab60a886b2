"""Active learning: which item should a person label next?

Settles 2009, "Active Learning Literature Survey", section 3.1. Introduced in notebook 03.
"""

from __future__ import annotations

from typing import Any

import numpy as np

MEASURES = ("least_confidence", "margin", "entropy")
STRATEGIES = ("random", *MEASURES)


def uncertainty(probabilities: np.ndarray, measure: str = "margin") -> np.ndarray:
    """How unsure a classifier is of each item, ``(n,)``: larger is less sure.

    Args:
        probabilities: ``(n, classes)``.
        measure: ``least_confidence`` (1 - the highest probability), ``margin`` (1 - the lead of the
            likeliest class over the second), ``entropy`` (nats).

    Raises:
        ValueError: another shape or an unknown measure.
    """
    probabilities = np.asarray(probabilities, dtype=float)
    if probabilities.ndim != 2 or probabilities.shape[1] < 2:
        raise ValueError(f"probabilities must have shape (n, at least 2 classes), got {probabilities.shape}")
    if measure == "least_confidence":
        return 1 - probabilities.max(axis=1)
    if measure == "margin":
        second, first = np.sort(probabilities, axis=1)[:, -2:].T
        return 1 - (first - second)
    if measure == "entropy":
        positive = np.clip(probabilities, 1e-300, 1)  # 0 log 0 is 0
        return -(probabilities * np.log(positive)).sum(axis=1)
    raise ValueError(f"measure must be one of {', '.join(MEASURES)}, got {measure!r}")


def active_learning(
    features: np.ndarray,
    labels: np.ndarray,
    test_features: np.ndarray,
    test_labels: np.ndarray,
    strategy: str = "margin",
    start: int = 20,
    batch: int = 20,
    budget: int = 200,
    seed: int = 0,
) -> Any:
    """Buy labels in batches, train after each, and note the accuracy on the test items.

    The first ``start`` labels are bought at random (equal seeds: the same ones for every strategy).
    The classifier is a logistic regression on standardised features.

    Args:
        features, labels: the pool, ``(n, d)`` and ``(n,)``; a label is used only once it is bought.
        test_features, test_labels: what the accuracy is measured on.
        strategy: ``random``, or the measure of ``uncertainty`` by which the least sure are bought.
        start, batch, budget: labels bought at first, in each round, and in all.

    Returns:
        A pandas table with the columns ``labels`` (bought so far) and ``accuracy``; its ``attrs`` hold
        ``bought``, the items in the order in which they were bought.

    Raises:
        ValueError: an unknown strategy, a budget that does not fit the pool, or a single class.
    """
    import pandas as pd
    from threadpoolctl import threadpool_limits

    labels, test_labels = np.asarray(labels), np.asarray(test_labels)
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}, got {strategy!r}")
    if not 2 <= start <= budget <= len(features) or batch < 1:
        raise ValueError(
            f"needed: 2 <= start <= budget <= items of the pool and batch >= 1; got start {start}, budget "
            f"{budget}, batch {batch} and {len(features)} items"
        )
    if len(np.unique(labels)) < 2:
        raise ValueError("the pool has a single class; there is nothing to learn")
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-9  # of the pool: no label is needed
    pool, test = (features - mean) / spread, (test_features - mean) / spread
    random = np.random.default_rng(seed)
    order = random.permutation(len(pool))
    bought = _with_two_classes(order, labels, start)
    rows = []
    while True:
        with threadpool_limits(1):  # so small that more threads would only wait for each other
            classifier = _classifier().fit(pool[bought], labels[bought])
        rows.append({"labels": len(bought), "accuracy": float(classifier.score(test, test_labels))})
        left = np.setdiff1d(order, bought)
        count = min(batch, budget - len(bought))
        if count <= 0:
            table = pd.DataFrame(rows)
            table.attrs["bought"] = bought
            return table
        if strategy == "random":
            chosen = random.permutation(left)[:count]
        else:
            unsure = uncertainty(classifier.predict_proba(pool[left]), strategy)
            chosen = left[np.argsort(-unsure, kind="stable")[:count]]
        bought = bought + [int(item) for item in chosen]


def _classifier() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=0.1, max_iter=300)


def _with_two_classes(order: np.ndarray, labels: np.ndarray, start: int) -> list[int]:
    """The first ``start`` of the order; if all are of one class, the last gives way to one of another."""
    chosen = [int(item) for item in order[:start]]
    if len(set(labels[chosen].tolist())) < 2:
        chosen[-1] = int(order[labels[order] != labels[chosen[0]]][0])
    return chosen
