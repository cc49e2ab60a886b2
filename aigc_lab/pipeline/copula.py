"""A Gaussian copula: each column keeps its own distribution, one correlation matrix ties them together.

Every value is replaced by its normal score z = Phi^-1((rank - 1/2) / n); the correlations R of these are
learnt. A new row is z ~ N(0, R), and each z goes back through the quantiles of its column: x = F^-1(Phi(z))
(Nelsen 2006, "An Introduction to Copulas", section 2; Cario and Nelson 1997, "NORmal To Anything").
What is tied in any other way than rising and falling together, such as a ring, is out of its reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri
from statsmodels.stats.correlation_tools import corr_clipped
from statsmodels.stats.moment_helpers import cov2corr

QUANTILES = 101
FEW_VALUES = 20  # numbers of so few values are drawn by their shares, not between quantiles
_CHECKED = 20_000  # rows drawn to see which correlation comes out
_ROUNDS = 5


@dataclass(frozen=True)
class Marginal:
    """One column: ``values`` with their ``shares``, or, without shares, quantiles at ``levels`` from 0 to 1.

    ``kind`` is ``"number"``, ``"whole"``, ``"date"`` (days since 1970) or ``"category"``; ``missing`` is the
    share of missing cells, ``decimals`` those of the numbers.
    """

    name: str
    kind: str
    missing: float
    values: list[Any]
    shares: list[float] = field(default_factory=list)
    levels: list[float] = field(default_factory=list)
    decimals: int = 0


@dataclass(frozen=True, eq=False)
class GaussianCopula:
    """``marginals`` of d columns and the ``correlation`` (d, d) of their normal scores."""

    marginals: list[Marginal]
    correlation: np.ndarray

    @classmethod
    def fit(cls, frame: pd.DataFrame, seed: int = 0) -> GaussianCopula:
        """Learn from a table of whole numbers, floats, dates (datetime64) and texts, each with missing cells.

        Ties take dependence away: of two columns with few values, rows drawn from the correlation of the
        scores are less tied than the data. So R is moved, for such columns, until what is drawn has the
        correlation of the data.

        Raises:
            ValueError: no rows or columns, or a column without a value.
        """
        if not frame.size or frame.isna().all().any():
            raise ValueError("a copula needs rows, and a value in each column; drop columns that are empty")
        marginals = [_marginal(name, frame[name]) for name in frame]
        free = np.array([not each.shares for each in marginals])
        main = np.zeros(len(frame))
        if (
            free.any()
        ):  # categories have no order: they get that of the direction in which the numbers vary most
            filled = np.nan_to_num(cls(marginals, np.eye(len(free))).scores(frame)[:, free])
            main = filled @ np.linalg.svd(filled, full_matrices=False)[2][0]
        marginals = [_ordered(each, main, frame[each.name]) for each in marginals]
        wanted = correlation(cls(marginals, np.eye(len(free))).scores(frame))
        # Pairs of columns alone may contradict each other: the nearest valid matrix is taken.
        made = cls(marginals, corr_clipped(wanted, 1e-6))
        tied = ~np.logical_and.outer(free, free)
        latent = made.correlation
        for _ in range(_ROUNDS if len(free) > 1 and not free.all() else 0):
            reached = correlation(made.scores(made.draw(_CHECKED, seed, missing=False)))
            latent = np.clip(latent + np.where(tied, wanted - reached, 0), -0.999, 0.999)
            made = cls(marginals, cov2corr(corr_clipped(latent, 1e-6)))
        return made

    def scores(self, frame: pd.DataFrame) -> np.ndarray:
        """Normal scores ``(n, d)`` of a table with these columns, ranked within it; NaN where missing."""
        columns = []
        for each in self.marginals:
            cells = numbers(frame[each.name])
            if each.kind == "category":
                places = {value: place for place, value in enumerate(each.values)}
                cells = frame[each.name].map(places).astype("float64").to_numpy()
            ranks = pd.Series(cells).rank().to_numpy()  # equal values: their mean rank
            columns.append(ndtri((ranks - 0.5) / max(1, np.isfinite(ranks).sum())))
        return np.stack(columns, axis=1)

    def draw(self, count: int, seed: int = 0, missing: bool = True) -> pd.DataFrame:
        """``count`` new rows with the types of the table; cells are missing at random, each by itself."""
        generator = np.random.default_rng(seed)
        latent = generator.standard_normal((count, len(self.marginals)))
        uniform = ndtr(latent @ np.linalg.cholesky(self.correlation).T)
        gone = generator.random(uniform.shape) < [each.missing * missing for each in self.marginals]
        done = {}
        for place, each in enumerate(self.marginals):  # F^-1
            if each.shares:
                chosen = np.searchsorted(np.cumsum(each.shares)[:-1], uniform[:, place], side="right")
                cells = pd.Series(each.values, dtype=object if each.kind == "category" else float)
                cells = cells[chosen].reset_index(drop=True)
            else:
                quantiles = np.interp(uniform[:, place], each.levels, each.values)
                cells = pd.Series(quantiles.round(each.decimals))
            if each.kind == "date":
                cells = pd.to_datetime(cells, unit="D").astype("datetime64[s]")
            elif each.kind == "whole":
                cells = cells.astype("Int64")
            done[each.name] = cells.mask(gone[:, place], None if each.kind == "category" else pd.NA)
        return pd.DataFrame(done)

    def state(self) -> dict[str, Any]:
        """The whole model as numbers and texts, for JSON: ``from_state`` makes an equal one of it."""
        columns = [asdict(each) for each in self.marginals]
        return {"columns": columns, "correlation": self.correlation.tolist()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> GaussianCopula:
        """The model that ``state`` describes.

        Raises:
            KeyError, TypeError, ValueError: something is missing, or the correlations are none.
        """
        marginals = [Marginal(**each) for each in state["columns"]]
        correlation = np.array(state["correlation"], dtype="float64")
        if correlation.shape != (len(marginals),) * 2:
            raise ValueError(f"{len(marginals)} columns and correlations of shape {correlation.shape}")
        np.linalg.cholesky(correlation)
        return cls(marginals, correlation)


def numbers(column: pd.Series) -> np.ndarray:
    """A column of numbers, or of dates as days since 1970, as floats ``(n,)``; NaN for anything else."""
    if pd.api.types.is_datetime64_any_dtype(column):
        days = column.to_numpy().astype("datetime64[D]")
        return np.where(np.isnat(days), np.nan, days.astype("int64"))
    if pd.api.types.is_numeric_dtype(column):
        return column.astype("Float64").to_numpy(dtype="float64", na_value=np.nan)
    return np.full(len(column), np.nan)


def _marginal(name: str, column: pd.Series) -> Marginal:
    missing, there = float(column.isna().mean()), column.dropna()
    dated = pd.api.types.is_datetime64_any_dtype(column)
    if not dated and not pd.api.types.is_numeric_dtype(column):
        shares = there.value_counts(normalize=True)
        return Marginal(name, "category", missing, list(shares.index), shares.tolist())
    cells = numbers(there)
    kind = "date" if dated else "whole" if pd.api.types.is_integer_dtype(column) else "number"
    # As many decimals as nearly all numbers have: one that is 0.30000000000000004 says nothing.
    exact = (d for d in range(10) if (np.abs(cells.round(d) - cells) < 1e-9).mean() >= 0.95)
    decimals = 0 if (cells % 1 == 0).all() else next(exact, 12)
    values, counts = np.unique(cells, return_counts=True)
    if len(values) <= FEW_VALUES and len(values) < len(cells):
        shares = (counts / len(cells)).tolist()
        return Marginal(name, kind, missing, values.tolist(), shares, decimals=decimals)
    # Not each value of a small table, but about every fifth; and the second smallest and second largest: at
    # the ends one wrong number may stand, and the wide stretch before it would be filled.
    steps = np.linspace(0, 1, min(QUANTILES, max(2, len(cells) // 5)))
    last = 1 / max(2, len(cells) - 1)
    levels = np.unique([*steps, last, 1 - last])
    quantiles = np.quantile(cells, levels).tolist()
    return Marginal(name, kind, missing, quantiles, levels=levels.tolist(), decimals=decimals)


def _ordered(marginal: Marginal, main: np.ndarray, column: pd.Series) -> Marginal:
    """Categories in the order of their mean in a direction ``(n,)``; numbers are in order."""
    if marginal.kind != "category":
        return marginal
    shares = dict(zip(marginal.values, marginal.shares, strict=True))
    means = pd.Series(main).groupby(column.to_numpy()).mean()
    values = sorted(shares, key=means.__getitem__)
    return replace(marginal, values=values, shares=[shares[value] for value in values])


def correlation(scores: np.ndarray) -> np.ndarray:
    """Of each pair of columns over the rows in which both are known; 0 where that says nothing."""
    found = pd.DataFrame(scores).corr(min_periods=5).fillna(0).to_numpy(copy=True)
    np.fill_diagonal(found, 1)
    return found
