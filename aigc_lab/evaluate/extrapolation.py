"""FID at infinitely many samples, read off a straight line. Introduced in notebook 14."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from threadpoolctl import threadpool_limits

from aigc_lab.evaluate.distances import frechet, gaussian, warn_if_the_same
from aigc_lab.evaluate.intervals import Score, checked_features, checked_level

_GROUPS = 20  # of the jackknife


@dataclass(frozen=True, eq=False)
class Extrapolation:
    """A line through FID against 1/n.

    ``score`` is its value at 1/n = 0; ``sizes`` (p,) and ``values`` (p,) are the points; ``slope`` is the
    bias times n.
    """

    score: Score
    sizes: np.ndarray
    values: np.ndarray
    slope: float

    def __str__(self) -> str:
        return str(self.score)

    def at(self, size: float) -> float:
        """The line at ``size`` samples."""
        return self.score.value + self.slope / size


def fid_infinity(
    real: np.ndarray,
    fake: np.ndarray,
    points: int = 15,
    draws: int = 3,
    interval: bool = True,
    seed: int = 0,
    level: float = 0.95,
) -> Extrapolation:
    """FID without its bias: the line through FID against 1/n, at 1/n = 0 (Chong and Forsyth 2020).

    The bias of FID is a constant over n, to first order, and the constant differs from generator to
    generator: so even at equal n a ranking may be wrong. Random subsets of several sizes, from a third
    of the items to all of them, give points; a least-squares line gives the value at infinity. The
    paper shrinks the generated set only, and keeps a real set so large that its own bias does not
    matter. Here the real set is as small as the other one, so **both** shrink together and both biases go.

    Where the two sets come from the same distribution the value is about zero and may fall below it.

    The interval: a jackknife. The items are dealt into 20 groups, and the line is drawn anew without each
    of them. It is about the items; what is left of the bias (terms of 1/n^2) it does not hold. With
    fewer than five times as many items as features those terms are no longer small: 3 d is refused.

    Args:
        real, fake: features (n, d) and (m, d).
        points: sizes, evenly spaced in 1/n.
        draws: random subsets at each size; their mean is the point.
        interval: False leaves it out, for a twentieth of the time (low = high = value).
        seed: of the subsets.

    Raises:
        ValueError: fewer than 3 d items on a side, fewer than 3 points, NaN, or unequal d.

    Introduced in notebook 14.
    """
    real, fake = checked_features(real, fake)
    warn_if_the_same(real, fake)
    checked_level(level)
    if points < 3 or draws < 1:
        raise ValueError(f"a line needs at least 3 points of at least 1 draw, got {points} and {draws}")
    fewest, size = min(len(real), len(fake)), real.shape[1]
    if fewest < 3 * size:
        raise ValueError(
            f"to extrapolate FID with {size} features give at least {3 * size} items a side, got {fewest}; "
            "with fewer use KID, which has no bias"
        )
    generator = np.random.default_rng(seed)
    shares = 1 / np.linspace(3, 1, points)
    # The same orders with and without a group: else the jackknife would count the luck of the subsets too.
    orders = [
        (share, [generator.permutation(len(table)) for table in (real, fake)])
        for share in shares
        for _ in range(1 if share == 1 else draws)  # all items: every draw is the same
    ]
    groups = [generator.permutation(len(table)) % _GROUPS for table in (real, fake)]

    def fitted(left_out: int = -1) -> tuple[np.ndarray, float, float]:
        """FID at each share without one group, value of the line at 1 / share = 0, and its slope."""
        found: dict[float, list[float]] = {}
        for share, order in orders:
            parts = []
            for table, numbers, group in zip((real, fake), order, groups, strict=True):
                kept = numbers[group[numbers] != left_out]
                parts.append(gaussian(table[kept[: round(share * len(kept))]]))
            found.setdefault(share, []).append(frechet(*parts))
        values = np.array([np.mean(each) for each in found.values()])
        slope, value = np.polyfit(1 / shares, values, 1)
        return values, float(value), float(slope)

    with threadpool_limits(limits=1):  # the matrices are small: threads cost more than they bring
        values, value, slope = fitted()
        low = high = value
        method = "no interval computed"
        if interval:
            without = np.array([fitted(group)[1] for group in range(_GROUPS)])
            # Jackknife variance of groups: (g - 1) / g times the sum of squares (Efron and Stein 1981).
            error = np.sqrt((_GROUPS - 1) / _GROUPS * ((without - without.mean()) ** 2).sum())
            half = NormalDist().inv_cdf((1 + level) / 2) * float(error)
            low, high = value - half, value + half
            method = f"line through {points} sizes, jackknife over {_GROUPS} groups"
    score = Score(value, low, high, "FID at infinite n", "squared feature units", "lower", level, method)
    return Extrapolation(score, shares * len(fake), values, slope * len(fake))
