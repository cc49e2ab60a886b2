"""Precision and recall, density and coverage: are samples real-looking, and are all real ones reached?

Introduced in notebook 00.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aigc_lab.evaluate.intervals import Score, centred, checked_features

NAMES = ("precision", "recall", "density", "coverage")


@dataclass(frozen=True)
class Coverage:
    """Precision, recall and coverage are shares; density may exceed 1."""

    precision: Score
    recall: Score
    density: Score
    coverage: Score

    def __str__(self) -> str:
        return "\n".join(str(getattr(self, name)) for name in NAMES)


@dataclass(frozen=True, eq=False)
class PairDistances:
    """Squared distances: real to real (n, n), fake to fake (m, m), real to fake (n, m), ``float32``."""

    real: np.ndarray
    fake: np.ndarray
    cross: np.ndarray

    def among(self, real: np.ndarray, fake: np.ndarray) -> PairDistances:
        """The distances among chosen items only."""
        return PairDistances(
            self.real[np.ix_(real, real)], self.fake[np.ix_(fake, fake)], self.cross[np.ix_(real, fake)]
        )


def pair_distances(real: np.ndarray, fake: np.ndarray) -> PairDistances:
    """Statistics for ``manifold_values`` from features (n, d) and (m, d)."""
    real, fake = checked_features(real, fake)
    centre = real.mean(axis=0)  # small numbers lose fewer digits in the difference of squares
    real, fake = real - centre, fake - centre
    return PairDistances(_squared(real, real), _squared(fake, fake), _squared(real, fake))


def manifold_values(statistics: PairDistances, neighbours: int = 5) -> tuple[float, float, float, float]:
    """Precision, recall, density and coverage, without intervals; see ``precision_recall``."""
    fewest = min(len(statistics.real), len(statistics.fake))
    if not 1 <= neighbours < fewest:
        raise ValueError(
            f"neighbours must lie between 1 and {fewest - 1} for sets of {fewest} items, got {neighbours}"
        )
    # Column 0 after sorting is the item itself, at distance 0; so column k is the k-th other.
    real_radii = np.partition(statistics.real, neighbours, axis=1)[:, neighbours]
    fake_radii = np.partition(statistics.fake, neighbours, axis=1)[:, neighbours]
    in_real_ball = statistics.cross <= real_radii[:, None]  # (n, m)
    in_fake_ball = statistics.cross <= fake_radii
    return (
        float(in_real_ball.any(axis=0).mean()),
        float(in_fake_ball.any(axis=1).mean()),
        float(in_real_ball.sum(axis=0).mean() / neighbours),
        float(in_real_ball.any(axis=1).mean()),
    )


def precision_recall(
    real: np.ndarray,
    fake: np.ndarray,
    neighbours: int = 5,
    resamples: int = 40,
    seed: int = 0,
    level: float = 0.95,
) -> Coverage:
    """Precision and recall (Kynkäänniemi et al. 2019, eq. 1, 2), density and coverage (Naeem et al. 2020).

    A set's manifold is the union of balls around its items, each as wide as the distance to the
    item's k-th nearest neighbour in the same set. Precision: the share of fakes inside the real
    manifold (lifelike). Recall: the share of reals inside the fake manifold (rich). Density: in
    how many real balls a fake lies on average, over k. Coverage: the share of real balls that hold a fake.

    All four depend on n and k: compare at equal n and k only, and with ``floor``, because real
    pictures against other real pictures do not reach 1 either.

    The interval: in a bootstrap resample copies would shrink the balls to nothing. So random halves
    of both sets, drawn without replacement, are scored instead. The spread of a mean over halves
    around the full set equals that of the full set around the truth (variance (1/(n/2) - 1/n) = 1/n
    of the items'), and the halves' other bias is taken out by centring on the value.

    Args:
        real, fake: features (n, d) and (m, d); takes memory of 4 (n^2 + m^2 + n m) bytes.
        neighbours: k; the paper has 3 for 50,000 items, 5 is usual for fewer.
        resamples: random halves; 0 gives no interval (low = high = value).
        seed: of the halves.

    Raises:
        ValueError: k below 1, too few items for k, NaN, or unequal d.
    """
    statistics = pair_distances(real, fake)
    values = np.array(manifold_values(statistics, neighbours))
    if not resamples:
        bounds, method = [(value, value) for value in values], "no interval computed"
    else:
        generator = np.random.default_rng(seed)
        n, m = len(statistics.real), len(statistics.fake)
        if min(n, m) // 2 <= neighbours:
            raise ValueError(
                f"an interval with {neighbours} neighbours needs at least {2 * neighbours + 2} items a side, "
                f"got {n} real and {m} fake; give more, or resamples=0 for no interval"
            )
        draws = np.array(
            [
                manifold_values(
                    statistics.among(generator.permutation(n)[: n // 2], generator.permutation(m)[: m // 2]),
                    neighbours,
                )
                for _ in range(resamples)
            ]
        )
        bounds = [centred(value, column, level) for value, column in zip(values, draws.T, strict=True)]
        method = f"spread over {resamples} random halves, centred on the value"
    tops = (1.0, 1.0, np.inf, 1.0)
    return Coverage(
        *(
            Score(
                float(value),
                max(float(low), 0.0),
                min(float(high), top),
                name,
                "balls / k" if name == "density" else "share",
                "higher",
                level,
                method,
            )
            for name, value, (low, high), top in zip(NAMES, values, bounds, tops, strict=True)
        )
    )


def _squared(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances of rows, ``float32`` (n, m), never negative; 0 from an item to itself."""
    squares = first @ second.T
    squares *= -2
    squares += (first**2).sum(axis=1)[:, None]
    squares += (second**2).sum(axis=1)
    # Rounding leaves some 1e-16 where two items are equal: a copy could then lie outside a ball of radius 0.
    size = float(np.max((first**2).sum(axis=1), initial=0) + np.max((second**2).sum(axis=1), initial=0))
    squares[squares < 1e-13 * size] = 0
    return squares.astype(np.float32)
