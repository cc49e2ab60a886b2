"""A score with its interval, and the intervals that need no resampling. Introduced in notebook 00."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np


@dataclass(frozen=True)
class Score:
    """A number, the interval around it, and what both mean.

    ``low`` and ``high`` bound a ``level`` (0.95: 95 %) interval; ``method`` says in words how it
    was made. ``better`` is ``"lower"``, ``"higher"`` or empty.
    """

    value: float
    low: float
    high: float
    name: str = ""
    unit: str = ""
    better: str = ""
    level: float = 0.95
    method: str = ""

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.name or 'score'} {self.value:.4g} [{self.low:.4g}, {self.high:.4g}]{unit}"

    def overlaps(self, other: Score) -> bool:
        """Whether the two intervals share a point; then a difference is not shown."""
        return self.low <= other.high and other.low <= self.high


def checked_level(level: float) -> float:
    """The level of an interval, between 0 and 1."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1 (0.95 for 95 %), got {level}")
    return float(level)


def seed_interval(
    values: Sequence[float], name: str = "", unit: str = "", better: str = "", level: float = 0.95
) -> Score:
    """Mean over training seeds with Student's t interval, n - 1 degrees of freedom.

    This interval holds what the resampling intervals of one model do not: how much the score
    changes when the training is repeated. With three seeds the factor is 4.30, not 1.96.

    Args:
        values: one score for each seed, shape (n,), n at least 2.

    Raises:
        ValueError: fewer than two values, or NaN or infinite ones.
    """
    from scipy.stats import t

    numbers = np.asarray(values, dtype=float)
    if numbers.ndim != 1 or len(numbers) < 2:
        raise ValueError(f"seed_interval needs the scores of at least two seeds, got {numbers.size}")
    if not np.isfinite(numbers).all():
        raise ValueError("seed_interval got NaN or infinite scores; find out which seed failed first")
    mean = float(numbers.mean())
    half = float(
        t.ppf((1 + checked_level(level)) / 2, len(numbers) - 1) * numbers.std(ddof=1) / np.sqrt(len(numbers))
    )
    return Score(
        mean, mean - half, mean + half, name, unit, better, level, f"Student's t over {len(numbers)} seeds"
    )


def mean_interval(
    values: Sequence[float], name: str = "", unit: str = "", better: str = "", level: float = 0.95
) -> Score:
    """Mean over many items with the normal interval: 1.96 standard errors each way at 95 %.

    For values of single items, of which there are at least dozens; for few training runs use
    ``seed_interval``.

    Raises:
        ValueError: fewer than two values, or NaN or infinite ones.
    """
    numbers = np.asarray(values, dtype=float)
    if numbers.ndim != 1 or len(numbers) < 2 or not np.isfinite(numbers).all():
        raise ValueError(f"a mean needs at least two finite values, got an array of shape {numbers.shape}")
    z = NormalDist().inv_cdf((1 + checked_level(level)) / 2)
    mean, half = float(numbers.mean()), float(z * numbers.std(ddof=1) / np.sqrt(len(numbers)))
    method = f"normal interval over {len(numbers)} items"
    return Score(mean, mean - half, mean + half, name, unit, better, level, method)


def share(hits: float, count: int, name: str = "", level: float = 0.95, better: str = "higher") -> Score:
    """A share of ``count`` items with Wilson's score interval (Wilson 1927), which stays within [0, 1]."""
    if count < 1 or not 0 <= hits <= count:
        raise ValueError(f"a share needs at least one item and between 0 and all hits, got {hits} of {count}")
    z = NormalDist().inv_cdf((1 + checked_level(level)) / 2)
    rate = hits / count
    centre = (rate + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * np.sqrt(rate * (1 - rate) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    # At 0 and at all hits the bound is exact; rounding must not push it past the value.
    return Score(
        rate,
        float(max(0.0, min(centre - half, rate))),
        float(min(1.0, max(centre + half, rate))),
        name,
        "share",
        better,
        level,
        f"Wilson interval over {count} items",
    )


def centred(value: float, resampled: np.ndarray, level: float) -> tuple[float, float]:
    """Quantiles of resampled values, moved so that their mean is ``value``: their spread, not their bias."""
    tail = (1 - checked_level(level)) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail]) - resampled.mean() + value
    return float(min(low, value)), float(max(high, value))


def checked_features(
    *arrays: np.ndarray, least: int = 2, names: Sequence[str] = ("real", "fake")
) -> list[np.ndarray]:
    """Feature tables as ``float64`` (n, d), or one sentence that says what is wrong with them.

    Raises:
        ValueError: not two-dimensional, fewer than ``least`` rows, NaN or infinite, or unequal d.
    """
    checked = []
    for name, array in zip(names, arrays, strict=False):
        table = np.asarray(array, dtype=np.float64)
        if table.ndim != 2 or not table.shape[1]:
            raise ValueError(
                f"{name} features must have shape (n, d), got {table.shape}; use evaluate.features first"
            )
        if len(table) < least:
            raise ValueError(f"{name} features hold {len(table)} items, but at least {least} are needed")
        if not np.isfinite(table).all():
            raise ValueError(
                f"{name} features hold NaN or infinite values; find out which items cause them first"
            )
        checked.append(table)
    if len({table.shape[1] for table in checked}) > 1:
        raise ValueError(
            f"real features have {checked[0].shape[1]} dimensions and fake ones {checked[1].shape[1]}; "
            "compute both with the same feature network"
        )
    return checked
