"""How far generated features are from real ones: KID, FID, precision and recall, and their floor.

Each is three pure steps: features (``evaluate.features``) -> statistics -> score. All depend on the feature
network, so numbers from here compare only with numbers from here. Introduced in notebook 00; the formulas
stand beside slow code in notebook 14.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigvalsh
from scipy.linalg.lapack import dpotrf, dsygst
from threadpoolctl import threadpool_limits

from aigc_lab.evaluate.intervals import Score, centred

# name, unit, which way is better
METRICS = {
    "kid": ("KID", "squared MMD", "lower"),
    "fid": ("FID", "squared feature units", "lower"),
    "precision": ("precision", "share", "higher"),
    "recall": ("recall", "share", "higher"),
    "density": ("density", "balls / k", "higher"),
    "coverage": ("coverage", "share", "higher"),
}
NAMES = tuple(METRICS)[2:]
_NO_INTERVAL = "no interval computed"
_BLOCK = 2048  # rows of a kernel matrix held in memory at once


def checked_features(
    *arrays: np.ndarray, least: int = 2, names: Sequence[str] = ("real", "fake")
) -> list[np.ndarray]:
    """Feature tables as ``float64`` (n, d), or one sentence that says what is wrong with them.

    Raises:
        ValueError: not two-dimensional, fewer than ``least`` rows, NaN or infinite, or unequal d.
    """
    checked = [np.asarray(array, dtype=np.float64) for array in arrays]
    for name, table in zip(names, checked, strict=False):
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
    if len({table.shape[1] for table in checked}) > 1:
        raise ValueError(
            f"real features have {checked[0].shape[1]} dimensions and fake ones {checked[1].shape[1]}; "
            "compute both with the same feature network"
        )
    return checked


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
    total = weights.sum()
    mean = weights @ table / total
    rest = table - mean
    return Gaussian(mean, (rest * weights[:, None]).T @ rest / (total - 1), int(total))


def frechet(first: Gaussian, second: Gaussian) -> float:
    """Squared Fréchet distance of two Gaussians (Dowson and Landau 1982; Heusel et al. 2017, eq. 6).

    ``||m1 - m2||^2 + tr C1 + tr C2 - 2 tr (C1 C2)^(1/2)``. The last trace is the sum of the
    square roots of the eigenvalues of ``C1 C2``, which are those of the symmetric
    ``L^T C2 L`` with ``C1 = L L^T`` (Cholesky). LAPACK's ``sygst`` forms it with a quarter of the work
    of two matrix products, since it computes one half and knows that L is triangular.

    Fewer items than dimensions, or a feature that never varies, make ``C1`` singular and Cholesky fail.
    Then ``e`` times the mean variance is added to the diagonal of ``C1`` inside the root only, with
    e = 1e-12, 1e-11, ... until it succeeds. Where a direction has no variance in ``C1``, this lowers the
    distance by about 1e-6 of the mean variance.

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


def fid(real: np.ndarray, fake: np.ndarray, resamples: int = 100, seed: int = 0) -> Score:
    """Fréchet distance of features (Heusel et al. 2017), with a bootstrap interval.

    FID is biased: it falls as n grows, even between two samples of the same thing. So compare only equal n,
    and with ``floor(..., metric="fid")`` at that n. A bootstrap resample, which has fewer distinct items,
    adds the same bias once more, so the interval takes only its spread and is centred on the value. With
    fewer items than features the bias is as large as what is measured: a warning says so.

    Args:
        real, fake: features (n, d) and (m, d).
        resamples: bootstrap resamples of both sets; 0 gives no interval (low = high = value).
        seed: of the resampling.

    Raises:
        ValueError: fewer than two items, NaN, or unequal d.
    """
    real, fake = checked_features(real, fake)
    _warn_if_the_same(real, fake)
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
        return Score(value, value, value, *METRICS["fid"], method=_NO_INTERVAL)
    generator = np.random.default_rng(seed)
    with threadpool_limits(limits=1):  # the matrices are small: threads cost more than they bring
        draws = [
            frechet(*(gaussian(table, _counts(generator, len(table))) for table in (real, fake)))
            for _ in range(resamples)
        ]
    low, high = centred(value, np.array(draws))
    method = f"bootstrap over images, {resamples} resamples, centred on the value"
    return Score(value, max(low, 0.0), high, *METRICS["fid"], method=method)


# --- KID -------------------------------------------------------------------------------------


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


def discrepancies(
    real: np.ndarray, fake: np.ndarray, left: np.ndarray, right: np.ndarray, pairs: tuple[int, int]
) -> np.ndarray:
    """Squared maximum mean discrepancy (Gretton et al. 2012, eq. 3) for each row of weights (r, n), (r, m).

    The mean kernel of real pairs and of fake pairs, without an item against itself, minus twice that of
    real-fake pairs; may fall below zero. ``pairs`` are the numbers of real and fake pairs.
    """
    own = own_sums(real, left) / pairs[0] + own_sums(fake, right) / pairs[1]
    return own - 2 * (kernel_sums(real, fake, left, right) / (left.sum(axis=1) * right.sum(axis=1)))


def kid(real: np.ndarray, fake: np.ndarray, resamples: int = 400, seed: int = 0) -> Score:
    """Kernel distance of features (Bińkowski et al. 2018), with a bootstrap interval.

    Unbiased at every n: zero on average if real and fake come from the same distribution, so
    small negative values are right and are not cut off.

    In a plain bootstrap a copy would meet itself, with the largest kernel value. So an item drawn twice is
    never paired with itself: with the counts ``w`` of a resample, ``sum_(i != j) w_i w_j k_ij / (n - 1)^2``,
    whose mean over resamples is exactly the value. Where real and fake do not differ, the interval errs on
    the wide side (by up to the square root of three).

    Args:
        real, fake: features (n, d) and (m, d).
        resamples: bootstrap resamples of both sets; 0 gives no interval (low = high = value).
        seed: of the resampling.

    Raises:
        ValueError: fewer than two items, NaN, or unequal d.
    """
    real, fake = checked_features(real, fake)
    _warn_if_the_same(real, fake)
    n, m = len(real), len(fake)
    with _threads(max(n, m) // 4):
        once = np.ones((1, n)), np.ones((1, m))
        value = float(discrepancies(real, fake, *once, (n * (n - 1), m * (m - 1)))[0])
    if not resamples:
        return Score(value, value, value, *METRICS["kid"], method=_NO_INTERVAL)
    generator = np.random.default_rng(seed)
    drawn_real = np.stack([_counts(generator, n) for _ in range(resamples)])  # (resamples, n)
    drawn_fake = np.stack([_counts(generator, m) for _ in range(resamples)])
    draws = discrepancies(real, fake, drawn_real, drawn_fake, ((n - 1) ** 2, (m - 1) ** 2))
    method = f"bootstrap over images, {resamples} resamples, no image paired with its copy"
    return Score(value, *centred(value, draws), *METRICS["kid"], method=method)


# --- precision and recall ----------------------------------------------------------------------


class Coverage(NamedTuple):
    """Precision, recall and coverage are shares; density may exceed 1."""

    precision: Score
    recall: Score
    density: Score
    coverage: Score

    def __str__(self) -> str:
        return "\n".join(map(str, self))


def pair_distances(real: np.ndarray, fake: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Squared distances of features: real to real (n, n), fake to fake (m, m), real to fake (n, m)."""
    real, fake = checked_features(real, fake)
    centre = real.mean(axis=0)  # small numbers lose fewer digits in the difference of squares
    real, fake = real - centre, fake - centre
    return _squared(real, real), _squared(fake, fake), _squared(real, fake)


def manifold_values(
    distances: tuple[np.ndarray, np.ndarray, np.ndarray], neighbours: int = 5
) -> tuple[float, float, float, float]:
    """The four values of ``precision_recall`` from ``pair_distances``, without intervals."""
    real, fake, cross = distances
    fewest = min(len(real), len(fake))
    if not 1 <= neighbours < fewest:
        raise ValueError(
            f"neighbours must lie between 1 and {fewest - 1} for sets of {fewest} items, got {neighbours}"
        )
    # Column 0 after sorting is the item itself, at distance 0; so column k is the k-th other.
    real_radii = np.partition(real, neighbours, axis=1)[:, neighbours]
    fake_radii = np.partition(fake, neighbours, axis=1)[:, neighbours]
    in_real_ball = cross <= real_radii[:, None]  # (n, m)
    in_fake_ball = cross <= fake_radii
    return (
        float(in_real_ball.any(axis=0).mean()),
        float(in_fake_ball.any(axis=1).mean()),
        float(in_real_ball.sum(axis=0).mean() / neighbours),
        float(in_real_ball.any(axis=1).mean()),
    )


def precision_recall(
    real: np.ndarray, fake: np.ndarray, neighbours: int = 5, resamples: int = 40, seed: int = 0
) -> Coverage:
    """Precision and recall (Kynkäänniemi et al. 2019, eq. 1, 2), density and coverage (Naeem et al. 2020).

    A set's manifold is the union of balls around its items, each as wide as the distance to the
    item's k-th nearest neighbour in the same set. Precision: the share of fakes inside the real
    manifold (lifelike). Recall: the share of reals inside the fake manifold (rich). Density: in
    how many real balls a fake lies on average, over k. Coverage: the share of real balls that hold a fake.
    All four depend on n and k: compare at equal n and k only, and with ``floor``.

    In a bootstrap resample copies would shrink the balls to nothing. So random halves of both sets, drawn
    without replacement, are scored instead: the spread of a mean over halves around the full set equals that
    of the full set around the truth (variance (1/(n/2) - 1/n) = 1/n of the items'). Centring on the value
    takes their bias out.

    Args:
        real, fake: features (n, d) and (m, d); takes memory of 4 (n^2 + m^2 + n m) bytes.
        neighbours: k; the paper has 3 for 50,000 items, 5 is usual for fewer.
        resamples: random halves; 0 gives no interval (low = high = value).
        seed: of the halves.

    Raises:
        ValueError: k below 1, too few items for k, NaN, or unequal d.
    """
    whole = pair_distances(real, fake)
    values, (n, m) = manifold_values(whole, neighbours), whole[2].shape
    bounds, method = [(value, value) for value in values], _NO_INTERVAL
    if resamples:
        if min(n, m) // 2 <= neighbours:
            raise ValueError(
                f"an interval with {neighbours} neighbours needs at least {2 * neighbours + 2} items a side, "
                f"got {n} real and {m} fake; give more, or resamples=0 for no interval"
            )
        generator, draws = np.random.default_rng(seed), []
        for _ in range(resamples):
            a, b = (generator.permutation(size)[: size // 2] for size in (n, m))
            half = whole[0][np.ix_(a, a)], whole[1][np.ix_(b, b)], whole[2][np.ix_(a, b)]
            draws.append(manifold_values(half, neighbours))
        bounds = [centred(value, column) for value, column in zip(values, np.array(draws).T, strict=True)]
        method = f"spread over {resamples} random halves, centred on the value"
    tops = (1.0, 1.0, math.inf, 1.0)
    return Coverage(
        *(
            Score(value, max(low, 0.0), min(high, top), *METRICS[name], method=method)
            for name, value, (low, high), top in zip(NAMES, values, bounds, tops, strict=True)
        )
    )


# --- a detector ---------------------------------------------------------------------------------


def detector_auc(real: np.ndarray, fake: np.ndarray, resamples: int = 200, seed: int = 0) -> Score:
    """How well a detector tells fake from real: the area under its ROC curve, 0.5 for a guess.

    A classifier two-sample test (Lopez-Paz and Oquab 2017, arXiv 1610.06545): logistic regression on
    standardised features, each item judged by one that was trained on the other four fifths. It finds
    directions in which two sets differ however little these weigh in KID. Introduced in notebook 22.

    The interval is that of other judged items and holds nothing of how the detector changes with what it
    learned from. Where the area comes near 0.5, compare it with real images against real ones.

    Args:
        real, fake: features (n, d) and (m, d); the real ones must be new to the generator.
        resamples: bootstrap resamples of the judged items; 0 gives no interval.
        seed: of the fifths and the resampling.

    Raises:
        ValueError: fewer than ten items a side, NaN, or unequal d.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    real, fake = checked_features(real, fake, least=10)
    items, is_fake = np.concatenate([real, fake]), np.repeat([0, 1], [len(real), len(fake)])
    fifths = StratifiedKFold(5, shuffle=True, random_state=seed)
    detector = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    with threadpool_limits(limits=1):
        judged = cross_val_predict(detector, items, is_fake, cv=fifths, method="decision_function")
    value, names = float(roc_auc_score(is_fake, judged)), ("detector", "AUC", "lower")
    if not resamples:
        return Score(value, value, value, *names, method=_NO_INTERVAL)
    generator, draws = np.random.default_rng(seed), []
    for _ in range(resamples):
        chosen = np.concatenate([generator.choice(np.flatnonzero(is_fake == side), (is_fake == side).sum())
                                 for side in (0, 1)])  # fmt: skip
        draws.append(roc_auc_score(is_fake[chosen], judged[chosen]))
    low, high = centred(value, np.array(draws))
    method = f"bootstrap over judged items, {resamples} resamples, five-fold cross-validation"
    return Score(value, low, min(high, 1.0), *names, method=method)


# --- what a perfect generator would score --------------------------------------------------------


def floor(
    real: np.ndarray,
    other: np.ndarray | None = None,
    metric: str = "kid",
    size: int | None = None,
    splits: int = 100,
    seed: int = 0,
) -> Score:
    """Score of real images against real images, over many random splits.

    The interval holds the scores that a perfect generator gets from ``size`` samples: a score inside it
    cannot be told from real. It is a range of single scores, not the uncertainty of their mean.

    Args:
        real: features (n, d) of real images.
        other: features (m, d) of other real images, such as the held-out part; subsets of
            ``real`` are then scored against subsets of ``other``. None: disjoint random parts of ``real``.
        metric: ``"kid"``, ``"fid"``, or with 5 neighbours ``"precision"``, ``"recall"``, ``"density"``
            or ``"coverage"``.
        size: images on each side, as many as there are generated ones to compare with. At most, and by
            default, half of ``real`` (with ``other``: of the smaller set): larger subsets would share so
            many images that the range came out too narrow. For more, join two real sets into ``real``.
        splits: how many random splits.
        seed: of the splits.

    Raises:
        ValueError: unknown metric, a size above half of what there is, NaN, or unequal d.
    """
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}")
    if splits < 2:
        raise ValueError(f"a floor needs at least 2 splits to have an interval, got {splits}")
    sets = checked_features(
        *([real] if other is None else [real, other]), least=4, names=("real", "other real")
    )
    most = min(map(len, sets)) // 2
    size = most if size is None else size
    if not 2 <= size <= most:
        raise ValueError(
            f"size must lie between 2 and {most}, half of these real images, got {size}; give more of them"
        )
    generator, first, second = np.random.default_rng(seed), [], []
    for _ in range(splits):
        order = generator.permutation(len(sets[0]))
        first.append(order[:size])
        second.append(order[size : 2 * size] if other is None else generator.permutation(len(sets[1]))[:size])
    real, other = sets[0], sets[-1]
    if metric == "kid":  # one kernel matrix, many choices of rows and columns
        left, right = np.zeros((splits, len(real))), np.zeros((splits, len(other)))
        np.put_along_axis(left, np.stack(first), 1, axis=1)
        np.put_along_axis(right, np.stack(second), 1, axis=1)
        values = discrepancies(real, other, left, right, (size * (size - 1), size * (size - 1)))
    else:
        with threadpool_limits(limits=1):  # the matrices are small: threads cost more than they bring
            values = np.array([_value(metric, real[a], other[b]) for a, b in zip(first, second, strict=True)])
    low, high = np.quantile(values, [0.025, 0.975])
    name, unit, better = METRICS[metric]
    method = f"range over {splits} splits of real images, {size} against {size}"
    return Score(float(values.mean()), float(low), float(high), f"{name} floor", unit, better, method=method)


def _value(metric: str, real: np.ndarray, fake: np.ndarray) -> float:
    if metric == "fid":
        return frechet(gaussian(real), gaussian(fake))
    return manifold_values(pair_distances(real, fake))[NAMES.index(metric)]


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


def _threads(size: int) -> threadpool_limits:
    """One thread for small matrices: on a busy machine a second one waits longer than it works."""
    return threadpool_limits(limits=1 if size < 500 else None)


def _warn_if_the_same(real: np.ndarray, fake: np.ndarray) -> None:
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
