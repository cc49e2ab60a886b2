"""A score with its 95 % interval, and intervals of means and shares. Introduced in notebook 00."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

Z = NormalDist().inv_cdf(0.975)


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


def seed_interval(values: Sequence[float], name: str = "", unit: str = "", better: str = "") -> Score:
    """Mean over training seeds with Student's t interval, n - 1 degrees of freedom.

    This interval holds what the resampling intervals of one model do not: how much the score
    changes when the training is repeated. With three seeds the factor is 4.30, not 1.96.

    Args:
        values: one score for each seed, shape (n,), n at least 2.

    Raises:
        ValueError: fewer than two values, or NaN or infinite ones.
    """
    from scipy.stats import t

    numbers = _two_numbers(values, "seed_interval", "seeds")
    factor = t.ppf(0.975, len(numbers) - 1)
    return _around_mean(numbers, factor, f"Student's t over {len(numbers)} seeds", name, unit, better)


def mean_interval(values: Sequence[float], name: str = "", unit: str = "", better: str = "") -> Score:
    """Mean over many items with the normal interval, 1.96 standard errors each way.

    For values of single items, of which there are at least dozens; for few training runs use
    ``seed_interval``.

    Raises:
        ValueError: fewer than two values, or NaN or infinite ones.
    """
    numbers = _two_numbers(values, "mean_interval", "items")
    return _around_mean(numbers, Z, f"normal interval over {len(numbers)} items", name, unit, better)


def paired_interval(
    differences: Sequence[float], name: str = "", unit: str = "", seed: int = 0, repeats: int = 5000
) -> Score:
    """Mean of paired differences, one an image, with its bootstrap interval over the images.

    It says how the mean would change with other images of the same kind; it holds nothing of how the
    score changes when the training is repeated (see ``seed_interval``). Introduced in notebook 10.

    Raises:
        ValueError: fewer than two differences, or NaN or infinite ones.
    """
    values = _two_numbers(differences, "paired_interval", "images")
    drawn = np.random.default_rng(seed).integers(0, len(values), (repeats, len(values)))
    low, high = centred(float(values.mean()), values[drawn].mean(axis=1))
    method = f"paired bootstrap over {len(values)} images"
    return Score(float(values.mean()), low, high, name, unit, method=method)


def share(hits: float, count: int, name: str = "", better: str = "higher") -> Score:
    """A share of ``count`` items with Wilson's score interval (Wilson 1927), which stays within [0, 1].

    Raises:
        ValueError: no items, or more hits than items.
    """
    if count < 1 or not 0 <= hits <= count:
        raise ValueError(f"a share needs at least one item and between 0 and all hits, got {hits} of {count}")
    rate, shrink = hits / count, 1 + Z**2 / count
    centre = (rate + Z**2 / (2 * count)) / shrink
    half = Z * np.sqrt(rate * (1 - rate) / count + Z**2 / (4 * count**2)) / shrink
    # At 0 and at all hits the bound is exact; rounding must not push it past the value.
    low, high = float(max(0.0, min(centre - half, rate))), float(min(1.0, max(centre + half, rate)))
    return Score(rate, low, high, name, "share", better, method=f"Wilson interval over {count} items")


def centred(value: float, resampled: np.ndarray) -> tuple[float, float]:
    """Quantiles of resampled values, moved so that their mean is ``value``: their spread, not their bias."""
    low, high = np.quantile(resampled, [0.025, 0.975]) - resampled.mean() + value
    return float(min(low, value)), float(max(high, value))


def _around_mean(numbers: np.ndarray, factor: float, method: str, *words: str) -> Score:
    mean, half = float(numbers.mean()), float(factor * numbers.std(ddof=1) / np.sqrt(len(numbers)))
    return Score(mean, mean - half, mean + half, *words, method=method)


def _two_numbers(values: Sequence[float], function: str, items: str) -> np.ndarray:
    numbers = np.asarray(values, dtype=float)
    if numbers.ndim != 1 or len(numbers) < 2:
        raise ValueError(f"{function} needs one number for each of at least two {items}, got {numbers.size}")
    if not np.isfinite(numbers).all():
        raise ValueError(f"{function} got NaN or infinite numbers; find out which of the {items} gave them")
    return numbers
