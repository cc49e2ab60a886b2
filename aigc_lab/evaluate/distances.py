"""KID and FID: how far generated features are from real ones.

Each is three pure functions: features (``evaluate.features``) -> statistics -> score. Both
depend on the feature network, so numbers from here compare only with numbers from here.
Introduced in notebook 00.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigvalsh
from scipy.linalg.lapack import dpotrf, dsygst
from threadpoolctl import threadpool_limits

from aigc_lab.evaluate.intervals import Score, centred, checked_features, checked_level

_BLOCK = 2048  # rows of a kernel matrix held in memory at once


# --- FID -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Gaussian:
    """The Gaussian fitted to features: mean (d,), covariance (d, d) with n - 1 below, n items."""

    mean: np.ndarray
    covariance: np.ndarray
    count: int


def gaussian(features: np.ndarray, weights: np.ndarray | None = None) -> Gaussian:
    """Mean and covariance of features (n, d); ``weights`` (n,) count an item so many times.

    Raises:
        ValueError: fewer than two items, NaN, or not a table.
    """
    (table,) = checked_features(features, names=("the",))
    if weights is None:
        mean = table.mean(axis=0)
        rest = table - mean
        # A matrix against its own transpose: NumPy then computes one half only, and mirrors it.
        return Gaussian(mean, rest.T @ rest / (len(table) - 1), len(table))
    times = np.asarray(weights, dtype=float)
    total = times.sum()
    mean = times @ table / total
    rest = table - mean
    return Gaussian(mean, (rest * times[:, None]).T @ rest / (total - 1), int(total))


def frechet(first: Gaussian, second: Gaussian) -> float:
    """Squared Fréchet distance of two Gaussians (Dowson and Landau 1982; Heusel et al. 2017, eq. 6).

    ``||m1 - m2||^2 + tr C1 + tr C2 - 2 tr (C1 C2)^(1/2)``. The last trace is the sum of the
    square roots of the eigenvalues of ``C1 C2``, which are those of the symmetric
    ``L^T C2 L`` with ``C1 = L L^T`` (Cholesky). LAPACK's ``sygst`` forms it with a quarter of the work
    of two matrix products, since it computes one half and knows that L is triangular.

    Fewer items than dimensions, or a feature that never varies, make ``C1`` singular and
    Cholesky fail. Then ``e`` times the mean variance is added to the diagonal of ``C1`` inside
    the root only, with e = 1e-12, 1e-11, ... until Cholesky succeeds. Where a direction has no
    variance in ``C1`` and v in ``C2``, this lowers the distance by ``2 sqrt(e * mean * v)``: about
    1e-6 of the mean variance for each such direction.

    Returns:
        the distance, in squared feature units; 0 for equal Gaussians.

    Raises:
        ValueError: Gaussians of different dimension, or a covariance that holds NaN or infinite values.
    """
    if first.mean.shape != second.mean.shape:
        raise ValueError(
            f"the Gaussians have {len(first.mean)} and {len(second.mean)} dimensions; "
            "compute both with the same feature network"
        )
    # LAPACK would look for a Cholesky factor of NaN for ever.
    if not (np.isfinite(first.covariance).all() and np.isfinite(second.covariance).all()):
        raise ValueError("a covariance holds NaN or infinite values; find out which features cause them")
    mean_distance = float(((first.mean - second.mean) ** 2).sum())
    traces = float(np.trace(first.covariance) + np.trace(second.covariance))
    scale = float(np.trace(first.covariance)) / len(first.mean)
    if scale <= 0:  # no variance at all: the root is zero
        return mean_distance + traces
    # Symmetric, so the transpose is the same matrix, in the order of LAPACK: nothing has to be rearranged.
    jitter, covariance = 0.0, first.covariance.T
    lower, failed = dpotrf(covariance, lower=1)
    while failed:
        jitter = 1e-12 if jitter == 0 else jitter * 10
        lower, failed = dpotrf(covariance + jitter * scale * np.eye(len(covariance)), lower=1)
    product, _ = dsygst(second.covariance.T, lower, itype=2, lower=1)  # its lower half
    eigenvalues = eigvalsh(product, lower=True, overwrite_a=True, check_finite=False)
    root = float(np.sqrt(np.clip(eigenvalues, 0, None)).sum())
    return max(mean_distance + traces - 2 * root, 0.0)


def fid(
    real: np.ndarray, fake: np.ndarray, resamples: int = 100, seed: int = 0, level: float = 0.95
) -> Score:
    """Fréchet distance of features (Heusel et al. 2017), with a bootstrap interval.

    FID is biased: it falls as n grows, even between two samples of the same thing. So compare
    only equal n, and with ``floor(..., metric="fid")`` at that n. A bootstrap resample, which
    has fewer distinct items, adds the same bias once more. The interval therefore takes only the
    spread from the resamples and is centred on the value: it is about the FID that is expected
    *at this n*, not at infinite n.

    Args:
        real, fake: features (n, d) and (m, d).
        resamples: bootstrap resamples of both sets; 0 gives no interval (low = high = value).
        seed: of the resampling.

    Fewer items than features make a covariance singular. FID is then still a number, but its bias is
    as large as what it measures: a warning says so.

    Raises:
        ValueError: fewer than two items, NaN, or unequal d.
    """
    real, fake = checked_features(real, fake)
    warn_if_the_same(real, fake)
    fewest, size = min(len(real), len(fake)), real.shape[1]
    if fewest <= size:
        warnings.warn(
            f"FID of {fewest} items with {size} features: a covariance is singular and FID far too large; "
            f"give more than {size} items a side (better ten times as many), or use KID",
            stacklevel=2,
        )
    with _threads(max(size, len(real) // 8)):
        value = frechet(gaussian(real), gaussian(fake))
    if not resamples:
        return _without_interval(value, "FID", level)
    generator = np.random.default_rng(seed)
    with threadpool_limits(limits=1):  # the matrices are small: threads cost more than they bring
        draws = [
            frechet(
                gaussian(real, _counts(generator, len(real))), gaussian(fake, _counts(generator, len(fake)))
            )
            for _ in range(resamples)
        ]
    low, high = centred(value, np.array(draws), level)
    return Score(
        value,
        max(low, 0.0),
        high,
        "FID",
        "squared feature units",
        "lower",
        level,
        f"bootstrap over pictures, {resamples} resamples, centred on the value",
    )


# --- KID -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class KernelMeans:
    """Mean kernel values: real-real and fake-fake without an item against itself, and real-fake."""

    real: np.ndarray | float
    fake: np.ndarray | float
    cross: np.ndarray | float


def kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Polynomial kernel ``(x . y / d + 1)^3`` of rows (n, d) and (m, d) -> (n, m); Bińkowski et al. 2018."""
    products = first @ second.T
    products /= first.shape[1]
    products += 1
    return products * products * products


def kernel_sums(first: np.ndarray, second: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """``sum_ij left_i k(x_i, y_j) right_j`` for each row of the weights (r, n) and (r, m) -> (r,)."""
    total = np.zeros(len(left))
    for start in range(0, len(first), _BLOCK):
        rows = slice(start, start + _BLOCK)
        total += np.einsum("rb,rb->r", left[:, rows], right @ kernel(first[rows], second).T)
    return total


def own_sums(table: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """``sum_(i != j) w_i k(x_i, x_j) w_j`` for each row of the weights (r, n) -> (r,)."""
    itself = ((table**2).sum(axis=1) / table.shape[1] + 1) ** 3  # (n,)
    return kernel_sums(table, table, weights, weights) - weights**2 @ itself


def kernel_means(real: np.ndarray, fake: np.ndarray) -> KernelMeans:
    """The three mean kernel values that KID is made of, from features (n, d) and (m, d)."""
    real, fake = checked_features(real, fake)
    n, m = len(real), len(fake)
    one_n, one_m = np.ones((1, n)), np.ones((1, m))
    return KernelMeans(
        float(own_sums(real, one_n)[0]) / (n * (n - 1)),
        float(own_sums(fake, one_m)[0]) / (m * (m - 1)),
        float(kernel_sums(real, fake, one_n, one_m)[0]) / (n * m),
    )


def squared_discrepancy(means: KernelMeans) -> np.ndarray | float:
    """Unbiased squared maximum mean discrepancy (Gretton et al. 2012, eq. 3); may fall below zero."""
    return means.real + means.fake - 2 * means.cross


def kid(
    real: np.ndarray, fake: np.ndarray, resamples: int = 400, seed: int = 0, level: float = 0.95
) -> Score:
    """Kernel distance of features (Bińkowski et al. 2018), with a bootstrap interval.

    Unbiased at every n: zero on average if real and fake come from the same distribution, so
    small negative values are right and are not cut off.

    A plain bootstrap would be wrong here: a resample holds copies, a copy against itself has the
    largest kernel value, and the distance would come out too large. So an item drawn twice is
    never paired with itself: with the counts ``w`` of a resample,
    ``sum_(i != j) w_i w_j k_ij / (n - 1)^2``, whose mean over resamples is exactly the value. The
    interval is right where real and fake differ. Where they do not, the statistic is degenerate
    and the interval errs on the wide side (by up to the square root of three).

    Args:
        real, fake: features (n, d) and (m, d).
        resamples: bootstrap resamples of both sets; 0 gives no interval (low = high = value).
        seed: of the resampling.

    Raises:
        ValueError: fewer than two items, NaN, or unequal d.
    """
    real, fake = checked_features(real, fake)
    warn_if_the_same(real, fake)
    with _threads(max(len(real), len(fake)) // 4):
        value = float(squared_discrepancy(kernel_means(real, fake)))
    if not resamples:
        return _without_interval(value, "KID", level)
    n, m = len(real), len(fake)
    generator = np.random.default_rng(seed)
    drawn_real = np.stack([_counts(generator, n) for _ in range(resamples)])  # (resamples, n)
    drawn_fake = np.stack([_counts(generator, m) for _ in range(resamples)])
    draws = squared_discrepancy(
        KernelMeans(
            own_sums(real, drawn_real) / (n - 1) ** 2,
            own_sums(fake, drawn_fake) / (m - 1) ** 2,
            kernel_sums(real, fake, drawn_real, drawn_fake) / (n * m),
        )
    )
    low, high = centred(value, draws, level)
    return Score(
        value,
        low,
        high,
        "KID",
        "squared MMD",
        "lower",
        level,
        f"bootstrap over pictures, {resamples} resamples, no picture paired with its copy",
    )


def _threads(size: int) -> threadpool_limits:
    """One thread for small matrices: on a busy machine a second one waits longer than it works."""
    return threadpool_limits(limits=1 if size < 500 else None)


def warn_if_the_same(real: np.ndarray, fake: np.ndarray) -> None:
    """A set against itself is no measurement: FID is 0, and KID below 0, whatever the set."""
    if real.shape == fake.shape and np.array_equal(real, fake):
        warnings.warn(
            f"real and fake are the same {len(real)} items: a set scored against itself says nothing; give "
            "real items that the generator was not trained on",
            stacklevel=3,
        )


def _counts(generator: np.random.Generator, size: int) -> np.ndarray:
    """How often each of ``size`` items occurs in one bootstrap resample, (size,)."""
    return np.bincount(generator.integers(0, size, size), minlength=size).astype(float)


def _without_interval(value: float, name: str, level: float) -> Score:
    unit = "squared MMD" if name == "KID" else "squared feature units"
    return Score(value, value, value, name, unit, "lower", checked_level(level), "no interval computed")
