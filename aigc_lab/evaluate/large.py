"""Many samples in little memory: mean and covariance in one pass, KID in blocks.

A million samples of 2,048 features are 8 GB. Neither statistic here ever holds more than one batch
or one block of them. Introduced in notebook 14.
"""

from __future__ import annotations

import numpy as np

from aigc_lab.evaluate.distances import Gaussian, _without_interval, warn_if_the_same
from aigc_lab.evaluate.intervals import Score, checked_features, seed_interval


class RunningGaussian:
    """Mean and covariance of features that arrive batch by batch, in memory of 8 (2 d^2 + batch d) bytes.

    Numerically stable: kept are the mean and the scatter *around the mean*, and two parts are joined by
    the rule of Chan, Golub and LeVeque 1979 (eq. 2.1)::

        S = S1 + S2 + (m2 - m1)(m2 - m1)^T * n1 n2 / (n1 + n2)

    Sums of squares minus the square of sums would lose all digits where the mean is large. Parts that
    were computed in other processes are joined by ``merge``.

    Attributes:
        count: items seen.
        mean: ``(d,)``.
        scatter: sum over the items of (x - mean)(x - mean)^T, ``(d, d)``.

    Introduced in notebook 14.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean: np.ndarray | None = None
        self.scatter: np.ndarray | None = None

    def add(self, features: np.ndarray) -> RunningGaussian:
        """Take in a batch of features (n, d), and return the statistics; an empty batch changes nothing.

        Raises:
            ValueError: not a table, NaN, or another d than before; nothing is taken in then.
        """
        (table,) = checked_features(features, least=0, names=("the batch's",))
        if len(table):
            mean = table.mean(axis=0)
            table = table - mean
            self._join(len(table), mean, table.T @ table)
        return self

    def merge(self, other: RunningGaussian) -> RunningGaussian:
        """Take in what another one has seen, and return the statistics.

        Raises:
            ValueError: the other one has another d.
        """
        if other.count:
            self._join(other.count, other.mean, other.scatter)
        return self

    def gaussian(self) -> Gaussian:
        """The Gaussian of everything seen so far, as ``evaluate.gaussian`` of all of it would give.

        Raises:
            ValueError: fewer than two items so far.
        """
        if self.count < 2:
            raise ValueError(
                f"a covariance needs at least 2 items, got {self.count} so far; add more batches"
            )
        return Gaussian(self.mean.copy(), self.scatter / (self.count - 1), self.count)

    def _join(self, count: int, mean: np.ndarray, scatter: np.ndarray) -> None:
        if not self.count:
            self.count, self.mean, self.scatter = count, mean.copy(), scatter.copy()
            return
        if len(mean) != len(self.mean):
            raise ValueError(
                f"features of {len(mean)} dimensions do not fit those of {len(self.mean)} before; "
                "use the same feature network"
            )
        total = self.count + count
        apart = mean - self.mean
        self.scatter += scatter
        # apart apart^T * n1 n2 / (n1 + n2), row by row: no third matrix of d * d numbers.
        factor = self.count * count / total
        for row, value in zip(self.scatter, factor * apart, strict=True):
            row += value * apart
        self.mean = self.mean + apart * (count / total)
        self.count = total


def block_discrepancy(real: np.ndarray, fake: np.ndarray) -> float:
    """Unbiased squared MMD of two small sets (n, d) and (m, d): the value of ``kid``, in single precision.

    The products are ``float32``, which BLAS computes twice as fast; of a set against itself it computes
    one half only. The cube is two multiplications (a general power takes ten times as long). Kernel
    values are added up in ``float64``.
    """
    (n, size), m = real.shape, len(fake)
    own = [
        (_cubes(table, table, size).sum(dtype=np.float64) - _own_cubes(table, size)) / (len(table) - 1)
        for table in (real, fake)
    ]
    return float(own[0] / n + own[1] / m - 2 * _cubes(real, fake, size).mean(dtype=np.float64))


def _cubes(first: np.ndarray, second: np.ndarray, size: int) -> np.ndarray:
    """(x . y / d + 1)^3 for all pairs of rows, ``float32`` (n, m)."""
    values = first @ second.T
    values *= np.float32(1 / size)
    values += np.float32(1)
    squares = values * values
    values *= squares
    return values


def _own_cubes(table: np.ndarray, size: int) -> float:
    """What an item gets against itself, added up; it does not belong to the mean over pairs."""
    lengths = np.einsum("nd,nd->n", table, table) * np.float32(1 / size) + np.float32(1)
    return float((lengths * (lengths * lengths)).sum(dtype=np.float64))


def kid_in_blocks(
    real: np.ndarray,
    fake: np.ndarray,
    block: int = 1000,
    blocks: int | None = None,
    seed: int = 0,
    level: float = 0.95,
) -> Score:
    """KID as a mean over disjoint random blocks: time grows with n instead of n^2, memory does not grow.

    The block average of Zaremba, Gretton and Blaschko 2013 (section 2, "B-tests"). Each block's value is
    unbiased, so their mean is; the blocks are disjoint, hence independent, so Student's t gives an
    honest interval. (Random subsets that overlap, as in Bińkowski et al. 2018, give the same mean, but
    their spread is no standard error of it.) The price is some precision: with all pairs of
    the same items, as in ``kid``, the interval is narrower.

    Args:
        real, fake: features (n, d) and (m, d). Arrays on disk (``numpy.memmap``) are read block by block.
        block: items of each set in a block.
        blocks: how many blocks; None: as many as the smaller set has.
        seed: of the order in which items are dealt out.

    Raises:
        ValueError: fewer than two blocks (use ``kid`` then), NaN, or unequal d.

    Introduced in notebook 14.
    """
    for name, table in (("real", real), ("fake", fake)):
        if np.ndim(table) != 2:
            raise ValueError(f"{name} features must have shape (n, d), got {np.shape(table)}")
    if block < 2:
        raise ValueError(f"a block needs at least 2 items, got block={block}")
    most = min(len(real), len(fake)) // block
    blocks = most if blocks is None else blocks
    if not 2 <= blocks <= most:
        raise ValueError(
            f"{len(real)} real and {len(fake)} fake items make {most} blocks of {block}, and {blocks} were "
            "asked for; at least 2 are needed: choose a smaller block, or use kid"
        )
    generator = np.random.default_rng(seed)
    orders = [generator.permutation(len(table))[: blocks * block] for table in (real, fake)]
    values = []
    for start in range(0, blocks * block, block):
        # Sorted: from a file on disk, rows in order are read faster.
        parts = [
            np.asarray(table[np.sort(order[start : start + block])], dtype=np.float32)
            for table, order in zip((real, fake), orders, strict=True)
        ]
        values.append(block_discrepancy(*_checked_block(*parts)))
    score = seed_interval(values, "KID", "squared MMD", "lower", level)
    return Score(
        score.value,
        score.low,
        score.high,
        score.name,
        score.unit,
        score.better,
        score.level,
        f"Student's t over {blocks} disjoint blocks of {block}",
    )


def _checked_block(real: np.ndarray, fake: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The checks of ``checked_features``, without its copies in double precision."""
    if real.shape[1] != fake.shape[1]:
        raise ValueError(
            f"real features have {real.shape[1]} dimensions and fake ones {fake.shape[1]}; "
            "compute both with the same feature network"
        )
    for name, table in (("real", real), ("fake", fake)):
        if not np.isfinite(table).all():
            raise ValueError(f"{name} features hold NaN or infinite values; find out which items cause them")
    return real, fake


def kid_of_all_pairs(real: np.ndarray, fake: np.ndarray, block: int = 1024) -> Score:
    """The value of ``kid`` from every pair, in single precision and blocks of rows, without an interval.

    For sets where ``kid`` takes too long: half the pairs of a set against itself are the other half
    mirrored and are left out, and no more than ``block`` times ``block`` kernel values exist at once.

    Raises:
        ValueError: fewer than two items, NaN, or unequal d.

    Introduced in notebook 14.
    """
    tables = [np.asarray(table, dtype=np.float32) for table in (real, fake)]
    for name, table in zip(("real", "fake"), tables, strict=True):
        if table.ndim != 2 or len(table) < 2:
            raise ValueError(f"{name} features must be at least 2 items of shape (n, d), got {table.shape}")
    real, fake = _checked_block(*tables)
    warn_if_the_same(real, fake)
    size = real.shape[1]
    starts = [range(0, len(table), block) for table in (real, fake)]

    def total(first: np.ndarray, second: np.ndarray) -> float:
        return float(_cubes(first, second, size).sum(dtype=np.float64))

    own = []
    for table, places in zip((real, fake), starts, strict=True):
        pairs = 0.0
        for top in places:
            rows = table[top : top + block]
            pairs += total(rows, rows)
            pairs += 2 * sum(
                total(rows, table[left : left + block]) for left in range(top + block, len(table), block)
            )
        own.append((pairs - _own_cubes(table, size)) / (len(table) * (len(table) - 1)))
    cross = sum(
        total(real[top : top + block], fake[left : left + block]) for top in starts[0] for left in starts[1]
    )
    value = own[0] + own[1] - 2 * cross / (len(real) * len(fake))
    return _without_interval(float(value), "KID", 0.95)
