"""Labels that are probably wrong, found on a Dataset.

Confident learning (Northcutt, Jiang and Chuang 2021, arXiv 1911.00068) compares the label that an
item was given with what a classifier, trained on the *other* items, says of it. Introduced in
notebook 00; notebook 03 derives it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from aigc_lab.collect.dataset import Dataset


def out_of_sample_probabilities(
    features: np.ndarray, labels: np.ndarray, folds: int = 5, seed: int = 0
) -> np.ndarray:
    """Class probabilities ``(n, classes)`` of each item from a classifier that never saw it.

    A logistic regression on standardised features is trained ``folds`` times, each time without one part.
    Columns follow the sorted labels that occur.

    Raises:
        ValueError: one class only, or a class with fewer items than folds.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    counts = np.unique(labels, return_counts=True)[1]
    if len(counts) < 2:
        raise ValueError(
            "label errors need at least two classes; a single class has nothing to be confused with"
        )
    if counts.min() < folds:
        raise ValueError(f"a class has {counts.min()} items, fewer than the {folds} folds; use fewer folds")
    if len(features) != len(labels) or not np.isfinite(features).all():
        raise ValueError(f"features must be finite, one row for each of the {len(labels)} labels")
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    # Matrices this small are slower on several threads, many times so where others use the cores too.
    with threadpool_limits(1):
        return cross_val_predict(classifier, features, labels, cv=parts, method="predict_proba")


def errors(dataset: Dataset, features: np.ndarray | None = None, folds: int = 5, seed: int = 0) -> Any:
    """Items whose label is probably wrong, the surest first.

    Args:
        features: ``(n, d)``, for example ``evaluate.features(dataset.data)``; the pixels if None.

    Returns:
        A findings table: ``item``, ``score`` (1 minus the probability of the given label), ``reason``,
        ``detector`` and ``suggested`` (a label number).

    Raises:
        ValueError: no labels, one class only, or a class with fewer items than folds.
    """
    import pandas as pd
    from cleanlab.filter import find_label_issues

    if dataset.labels is None:
        raise ValueError("this set has no labels to check; give it labels first")
    if features is None:
        features = dataset.arrays()[0].reshape(len(dataset), -1)  # (n, h, w, c) -> (n, h*w*c)
    classes, given, counts = np.unique(dataset.labels, return_inverse=True, return_counts=True)
    if len(classes) > 1 and counts.min() < folds:
        raise ValueError(
            f"class {dataset.class_names[classes[counts.argmin()]]} has {counts.min()} items, fewer than the "
            f"{folds} folds; leave it out or use fewer folds"
        )
    probabilities = out_of_sample_probabilities(features, dataset.labels, folds, seed)
    found = find_label_issues(given, probabilities, return_indices_ranked_by="normalized_margin", n_jobs=1)
    suggested = classes[probabilities[found].argmax(axis=1)]
    names = dataset.class_names
    reasons = [
        f"labelled {names[dataset.labels[item]]}, looks like {names[label]}"
        for item, label in zip(found, suggested, strict=True)
    ]
    return pd.DataFrame(
        {
            "item": np.asarray(found, int),
            "score": 1.0 - probabilities[found, given[found]],
            "reason": reasons,
            "detector": "label_errors",
            "suggested": suggested,
        }
    )


def relabel(dataset: Dataset, findings: Any) -> Dataset:
    """The set with each found item's label replaced by the suggested one; nothing else changes."""
    if dataset.labels is None:
        raise ValueError("this set has no labels to change; give it labels first")
    labels = dataset.labels.copy()
    labels[findings["item"].to_numpy(int)] = findings["suggested"].to_numpy(int)
    return replace(dataset, labels=labels)
