"""Search for hyperparameters under a fixed budget of training steps. Introduced in notebook 13.

``search`` tries configurations of a space at random (Bergstra and Bengio 2012), on a grid, or where the
trials so far promise most (the tree-structured Parzen estimator of Optuna: Bergstra and others 2011,
section 4), and ends trials early that fall behind (the median rule: Golovin and others 2017, section 3.2).
What is counted is training steps, so whatever pruning saves buys more trials. With a file, a search that
is cut off goes on where it was; with ``workers`` or ``scheduler`` its trials run on Dask.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas

METHODS = ("tpe", "random", "grid")
FINISHED, PRUNED, DIVERGED, INTERRUPTED = "finished", "pruned", "diverged", "interrupted"


class Pruned(Exception):
    """Raised by ``Trial.report``: this trial has fallen behind and ends here. Let it pass."""


@dataclass(frozen=True)
class Trial:
    """What the objective gets: ``parameters`` by name, the ``seed`` of the training, its whole ``steps``."""

    parameters: dict[str, Any]
    seed: int
    steps: int
    tell: Callable[[int, float], bool]

    def report(self, step: int, value: float) -> None:
        """Say how good the model is after ``step`` steps, on validation data.

        Raises:
            Pruned: the trial is to end; the search catches it.
            FloatingPointError: the value is not finite; the search notes that the trial diverged.
        """
        stop = self.tell(int(step), float(value))
        if not math.isfinite(value):
            raise FloatingPointError(f"the value after step {step} is {value}")
        if stop:
            raise Pruned(f"behind the others after step {step}")


@dataclass(frozen=True)
class Found:
    """What a search found.

    ``table`` has a row for each trial: ``trial``, ``state`` (finished, pruned, diverged, interrupted),
    ``value``, ``steps``, ``steps_in_all`` (spent when it ended), ``seed``, a column for each parameter, and
    what the objective gave beside its value.
    """

    table: pandas.DataFrame
    parameter_names: tuple[str, ...]
    maximize: bool

    @property
    def spent(self) -> int:
        """Training steps of all trials, the pruned and interrupted ones included."""
        return int(self.table["steps"].sum())

    @property
    def best(self) -> dict[str, Any]:
        """The row of the best finished trial.

        Raises:
            ValueError: no trial has finished.
        """
        finished = self.table[self.table["state"] == FINISHED]
        if finished.empty:
            raise ValueError("no trial has finished: give a larger budget, or a space that does not diverge")
        values = finished["value"]
        return finished.loc[values.idxmax() if self.maximize else values.idxmin()].to_dict()

    @property
    def best_parameters(self) -> dict[str, Any]:
        """The configuration of the best finished trial."""
        best = self.best
        return {name: _plain(best[name]) for name in self.parameter_names}

    def best_so_far(self, places: Sequence[int]) -> np.ndarray:
        """The best finished value after so many steps in all, NaN before the first one."""
        finished = self.table[self.table["state"] == FINISHED].sort_values("steps_in_all")
        running = (np.maximum if self.maximize else np.minimum).accumulate(finished["value"].to_numpy(float))
        known = np.searchsorted(finished["steps_in_all"].to_numpy(), places, side="right")
        return np.concatenate([[np.nan], running])[known]


def search(
    objective: Callable[[Trial], float | tuple[float, dict[str, float]]],
    space: Mapping[str, Any],
    *,
    budget: int,
    steps: int,
    method: str = "tpe",
    prune: bool = False,
    maximize: bool = True,
    seed: int = 0,
    first: Sequence[Mapping[str, Any]] = (),
    levels: Mapping[str, int] | None = None,
    file: str | Path | None = None,
    workers: int = 0,
    scheduler: str | None = None,
    progress: bool = False,
) -> Found:
    """Try configurations until no whole trial fits into the budget.

    With one process, a search that was cut off and called again tries the same configurations with the same
    seeds as one that never was: each proposal is drawn with a seed of its own place.

    Args:
        objective: trains on a ``Trial`` and returns the final value, or the value and a dict of further
            numbers. It calls ``trial.report(step, value)`` now and then, if trials are to be pruned. A
            ``FloatingPointError`` counts as a trial that diverged; any other error ends the search. With
            ``workers`` or ``scheduler`` it travels to other processes, so it loads its data there.
        space: name to an Optuna distribution (``optuna.distributions``).
        budget: training steps of all trials together, those included that a kill had cut off.
        steps: of a whole trial.
        method: ``tpe``, ``random`` or ``grid``.
        prune: end a trial whose best value so far is worse than the median of what the finished ones had
            at the same step, once four have finished.
        maximize: whether a higher value is better.
        seed: of the proposals and of the trials' seeds.
        first: configurations to try first, such as the default.
        levels: of the grid: how many values each parameter gets; categories have all of theirs.
        file: SQLite file of the study; called again with it, the search goes on, also with a larger budget.
        workers: processes on this machine; 0: this one. scheduler: address of a Dask scheduler instead.
        progress: show a bar that follows the steps.

    Raises:
        ValueError: settings that make no sense, or a file that is none of this search's.
        TimeoutError: another process works on the file. OSError: it cannot be written.
        RuntimeError: a trial has ended its worker process three times.
    """
    from aigc_lab.train import tuning_book, tuning_file, tuning_workers

    _check(space, budget, steps, method, workers)
    fixed = [dict(each) for each in first]
    if method == "grid":
        fixed += grid(space, levels or {}, seed)
    plan = tuning_book.Plan(dict(space), budget, steps, method, prune, maximize, seed, fixed)
    for configuration in fixed:
        plan.check(configuration)
    name = getattr(objective, "__qualname__", type(objective).__qualname__)
    place = nullcontext(None) if file is None else tuning_file.opened(Path(file))
    with place as storage:
        book = tuning_book.Book(plan, storage, plan.about(name), file)
        if workers or scheduler is not None:
            tuning_workers.run_on_dask(book, objective, workers, scheduler, progress)
        else:
            tuning_workers.run_here(book, objective, progress)
        return Found(book.table(), tuple(space), maximize)


def _check(space: Mapping[str, Any], budget: int, steps: int, method: str, workers: int) -> None:
    if method not in METHODS:
        raise ValueError(f"there is no method {method!r}; choose one of {', '.join(METHODS)}")
    if not space:
        raise ValueError("the space is empty; name at least one parameter and its distribution")
    for name, distribution in space.items():
        if not hasattr(distribution, "to_internal_repr"):
            raise ValueError(
                f"the space gives {name!r} no Optuna distribution but {distribution!r}; "
                "use optuna.distributions, such as FloatDistribution(1e-4, 1e-1, log=True)"
            )
    if steps < 1 or budget < steps:
        raise ValueError(f"a budget of {budget} steps has no room for one trial of {steps}; give more")
    if workers < 0:
        raise ValueError(f"workers must be a whole number from 0 up, got {workers}")


def grid(space: Mapping[str, Any], levels: Mapping[str, int], seed: int = 0) -> list[dict[str, Any]]:
    """Every combination of evenly spaced values, in random order, so that a part of it is spread too.

    A parameter with n levels gets the middles of n equal cells of its range (of its logarithm, where the
    distribution says so); 3 if nothing is said. Categories have all of theirs, or the first n.

    Raises:
        ValueError: a level below 1, or one of no parameter.
    """
    from itertools import product

    if unknown := sorted(set(levels) - set(space)):
        raise ValueError(f"levels names {unknown[0]!r}, which is no parameter; they are {', '.join(space)}")
    if any(count < 1 for count in levels.values()):
        raise ValueError(f"each parameter of a grid needs one level or more, got {dict(levels)}")
    axes = [_values(distribution, levels.get(name)) for name, distribution in space.items()]
    points = [dict(zip(space, point, strict=True)) for point in product(*axes)]
    return [points[place] for place in np.random.default_rng(seed).permutation(len(points))]


def _values(distribution: Any, count: int | None) -> list[Any]:
    if hasattr(distribution, "choices"):
        return list(distribution.choices)[:count]
    low, high = float(distribution.low), float(distribution.high)
    places = (np.arange(count or 3) + 0.5) / (count or 3)
    values = low * (high / low) ** places if distribution.log else low + (high - low) * places
    if type(distribution).__name__ == "IntDistribution":
        return sorted({round(value) for value in values})
    return [float(value) for value in values]


def importance(
    table: pandas.DataFrame,
    space: Mapping[str, Any],
    value: str = "value",
    evaluator: str = "fanova",
    maximize: bool = True,
    resamples: int = 0,
    seed: int = 0,
) -> pandas.DataFrame:
    """How much of the variation of the value each parameter explains: shares that add up to 1.

    ``fanova`` fits a random forest and splits its variance (Hutter, Hoos and Leyton-Brown 2014);
    ``ped_anova`` asks how the best tenth differs from the rest, parameter by parameter (Watanabe, Bansal
    and Hutter 2023). Both describe the trials that they are given: those of a random search cover the
    space evenly, those of ``tpe`` crowd where the values are good.

    Args:
        table: of ``Found``, or several of them together; finished trials alone are used.
        resamples: of the trials, with replacement: columns ``low`` and ``high`` are then their 95% interval.

    Returns:
        A table with ``parameter``, ``share``, ``low``, ``high``, the largest share first.

    Raises:
        ValueError: fewer than 10 finished trials, or an unknown evaluator.
    """
    import pandas as pd

    if evaluator not in ("fanova", "ped_anova"):
        raise ValueError(f"evaluator must be 'fanova' or 'ped_anova', got {evaluator!r}")
    rows = table[table["state"] == FINISHED].dropna(subset=[value])
    if len(rows) < 10:
        raise ValueError(f"importance needs 10 finished trials or more, got {len(rows)}")
    shares = _shares(rows, space, value, evaluator, maximize, seed, trees=64)
    random = np.random.default_rng(seed)
    drawn = [
        _shares(rows.iloc[chosen], space, value, evaluator, maximize, seed, trees=16)
        for chosen in random.integers(0, len(rows), (resamples, len(rows)))
    ]
    low, high = {}, {}
    for name in space:
        ends = np.quantile([each[name] for each in drawn], [0.025, 0.975]) if drawn else (np.nan, np.nan)
        low[name], high[name] = ends
    found = pd.DataFrame({"parameter": list(space)})
    for column, by_name in (("share", shares), ("low", low), ("high", high)):
        found[column] = [float(by_name[name]) for name in space]
    return found.sort_values("share", ascending=False, ignore_index=True)


def _shares(rows, space, value, evaluator, maximize, seed, trees) -> dict[str, float]:
    from aigc_lab.train.tuning_book import quiet_optuna

    optuna = quiet_optuna()
    study = optuna.create_study(direction="maximize" if maximize else "minimize")
    for row in rows.to_dict("records"):
        parameters = {name: _plain(row[name]) for name in space}
        study.add_trial(
            optuna.create_trial(params=parameters, distributions=dict(space), value=float(row[value]))
        )
    chosen = (
        optuna.importance.FanovaImportanceEvaluator(n_trees=trees, seed=seed)
        if evaluator == "fanova"
        else optuna.importance.PedAnovaImportanceEvaluator()
    )
    return optuna.importance.get_param_importances(study, evaluator=chosen)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
