"""What a perfect generator would score: real pictures against other real ones. Introduced in notebook 00."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from aigc_lab.evaluate.coverage import NAMES, manifold_values, pair_distances
from aigc_lab.evaluate.distances import (
    KernelMeans,
    frechet,
    gaussian,
    kernel_sums,
    own_sums,
    squared_discrepancy,
)
from aigc_lab.evaluate.intervals import Score, checked_features, checked_level

METRICS = {
    "kid": ("KID", "squared MMD", "lower"),
    "fid": ("FID", "squared feature units", "lower"),
    "precision": ("precision", "share", "higher"),
    "recall": ("recall", "share", "higher"),
    "density": ("density", "balls / k", "higher"),
    "coverage": ("coverage", "share", "higher"),
}


def floor(
    real: np.ndarray,
    other: np.ndarray | None = None,
    metric: str = "kid",
    size: int | None = None,
    splits: int = 100,
    seed: int = 0,
    level: float = 0.95,
) -> Score:
    """Score of real pictures against real pictures, over many random splits.

    The interval holds the scores that a perfect generator gets from ``size`` samples: a score
    inside it cannot be told from real. It is a range of single scores, not the uncertainty of their
    mean. For KID the mean is about zero; for FID it is well above, and falls with ``size``;
    precision and recall stay below 1.

    Args:
        real: features (n, d) of real pictures.
        other: features (m, d) of other real pictures, such as the held-out part; subsets of
            ``real`` are then scored against subsets of ``other``. None: disjoint random parts of ``real``.
        metric: ``"kid"``, ``"fid"``, or with 5 neighbours ``"precision"``, ``"recall"``, ``"density"``
            or ``"coverage"``.
        size: pictures on each side; use the number of generated pictures that the floor is
            compared with. At most, and by default, half of ``real`` (with ``other``: of the smaller
            set): subsets of more than half would share so many pictures that the range came out too
            narrow. To reach a larger size, join two real sets into ``real``.
        splits: how many random splits.
        seed: of the splits.

    Raises:
        ValueError: unknown metric, a size above half of what there is, NaN, or unequal d.
    """
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
    if splits < 2:
        raise ValueError(f"a floor needs at least 2 splits to have an interval, got {splits}")
    if other is None:
        (real,) = checked_features(real, least=4)
        most = len(real) // 2
    else:
        real, other = checked_features(real, other, least=4, names=("real", "the other real"))
        most = min(len(real), len(other)) // 2
    size = most if size is None else size
    if not 2 <= size <= most:
        raise ValueError(
            f"size must lie between 2 and {most}, half of these real pictures, got {size}; give more of them"
        )
    generator = np.random.default_rng(seed)
    first, second = [], []
    for _ in range(splits):
        order = generator.permutation(len(real))
        first.append(order[:size])
        second.append(order[size : 2 * size] if other is None else generator.permutation(len(other))[:size])
    other = real if other is None else other
    if metric == "kid":
        values = _kid_values(real, other, np.stack(first), np.stack(second))
    else:
        with threadpool_limits(limits=1):  # the matrices are small: threads cost more than they bring
            values = np.array([_value(metric, real[a], other[b]) for a, b in zip(first, second, strict=True)])
    tail = (1 - checked_level(level)) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    name, unit, better = METRICS[metric]
    return Score(
        float(values.mean()),
        float(low),
        float(high),
        f"{name} floor",
        unit,
        better,
        level,
        f"range over {splits} splits of real pictures, {size} against {size}",
    )


def _kid_values(real: np.ndarray, other: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """KID of every split at once: one kernel matrix, many choices of rows and columns."""
    splits, size = first.shape
    left, right = np.zeros((splits, len(real))), np.zeros((splits, len(other)))
    np.put_along_axis(left, first, 1, axis=1)
    np.put_along_axis(right, second, 1, axis=1)
    pairs = size * (size - 1)
    return squared_discrepancy(
        KernelMeans(
            own_sums(real, left) / pairs,
            own_sums(other, right) / pairs,
            kernel_sums(real, other, left, right) / size**2,
        )
    )


def _value(metric: str, real: np.ndarray, fake: np.ndarray) -> float:
    if metric == "fid":
        return frechet(gaussian(real), gaussian(fake))
    return manifold_values(pair_distances(real, fake))[NAMES.index(metric)]
