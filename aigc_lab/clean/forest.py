"""Isolation forest: how few random cuts set an item apart. Introduced in notebook 02.

Liu, Ting and Zhou 2008, "Isolation forest" (doi 10.1109/ICDM.2008.17). A tree cuts a small random sample
again and again, at a random value of a random feature, until every item stands alone. What is unlike the
rest stands alone after few cuts. With h the mean number of cuts over the trees and c(m) the number
expected among m items, the score is s = 2^(-h / c(m)) (their eq. 2): near 1 for what is set apart at once,
about 0.5 for everything if nothing is.

It needs no distances, so no scaling of features, and its cost grows with the number of items only. In
return it cuts along one feature at a time: it does not see that two usual values make an unusual pair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_lab.clean.findings import checked_number, findings_table
from aigc_lab.clean.outliers import _FEWEST, _places, _points
from aigc_lab.collect.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd


def isolation_forest(
    dataset: Dataset,
    features: Any = None,
    threshold: float | None = None,
    trees: int = 200,
    sample: int = 256,
    among: Any = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Items that few random cuts set apart from all others.

    A second opinion to ``outliers``, which measures distances. What is found is unusual, which is not the
    same as wrong: look at it.

    Args:
        dataset: the items; pictures if ``features`` is None.
        features: ``(n, d)`` finite numbers, each row scaled to length 1 as in ``outliers``. None takes the
            seventeen descriptors of ``describe_pictures``.
        threshold: items with a score above it are reported. None takes the median score plus as many
            robust standard deviations (from the median absolute deviation) as ``outliers`` does: 3 for the
            descriptors and 2 for features.
        trees: more trees, steadier scores; the paper takes 100.
        sample: items for each tree; the paper's 256.
        among: booleans ``(n,)``, the items to look at and to grow the trees with; None takes all.
        seed: of the trees.

    Returns:
        Findings; the score is s, from 0 to 1. Fewer than 10 items give none.

    Raises:
        ValueError: features or ``among`` of another length, NaN or infinite features, or a bad setting.
    """
    trees = int(checked_number("trees", trees, 1))
    sample = int(checked_number("sample", sample, 2))
    if threshold is not None:
        threshold = checked_number("threshold", threshold, 0, 1)
    places = _places(among, len(dataset))
    points = np.asarray(_points(dataset, features)[places], dtype=np.float32)
    if len(points) < _FEWEST:
        return findings_table("isolation_forest", [], [], [])
    from sklearn.ensemble import IsolationForest  # here, because it is slow to import

    forest = IsolationForest(n_estimators=trees, max_samples=min(sample, len(points)), random_state=seed)
    scores = -forest.fit(points).score_samples(points)
    middle = float(np.median(scores))
    if threshold is None:
        spread = 1.4826 * float(np.median(np.abs(scores - middle)))
        threshold = middle + (3.0 if features is None else 2.0) * max(spread, 1e-6)
    found = np.flatnonzero(scores > threshold)
    reasons = [f"set apart by few cuts: score {scores[item]:.2f}, usual is {middle:.2f}" for item in found]
    return findings_table("isolation_forest", places[found], scores[found], reasons)
