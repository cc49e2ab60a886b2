"""Search for hyperparameters with Optuna, under a budget of training steps. Introduced in notebook 13.

Samplers, pruners, storage and importance are Optuna's own. What is added: the budget counts training steps,
so what pruning saves buys more trials; and each proposal and training has a seed of its own place in the
search, so a search that was killed and started again tries exactly what one that was never cut tries.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import optuna
    import pandas


def search(
    objective: Callable[[optuna.Trial], float],
    space: Mapping[str, optuna.distributions.BaseDistribution],
    *,
    budget: int,
    steps: int,
    sampler: Callable[[int], optuna.samplers.BaseSampler] | None = None,
    pruner: optuna.pruners.BasePruner | None = None,
    seed: int = 0,
    first: Sequence[Mapping[str, Any]] = (),
    file: str | Path | None = None,
) -> optuna.Study:
    """Try configurations until no whole trial fits into the budget.

    Args:
        objective: trains with ``trial.params`` and ``trial.user_attrs["seed"]``, calls
            ``trial.report(value, step)`` on the way, raises ``optuna.TrialPruned`` where
            ``trial.should_prune()`` says so, and returns the final value: higher is better. A
            ``FloatingPointError`` counts as a pruned trial (its words become the attribute ``error``); any
            other error ends the search.
        space: name to an Optuna distribution.
        budget: training steps of all trials together, those included that a kill had cut off.
        steps: of a whole trial.
        sampler: a function from a seed to an Optuna sampler; TPE after 8 random trials by default.
        pruner: by default none.
        seed: of the proposals and of the trials' seeds.
        first: configurations to try first, in this order; the rest is proposed by the sampler.
        file: SQLite file of the study; called again with it, the search goes on, also with a larger budget.

    Returns:
        Optuna's study; ``table`` lists its trials.

    Raises:
        ValueError: no room for one trial, or a file that is no study or another search's.
        OSError: it cannot be written. TimeoutError: another process searches with it.
    """
    if steps < 1 or budget < steps:
        raise ValueError(f"a budget of {budget} steps has no room for one trial of {steps}; give more")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = sampler or (lambda drawn: optuna.samplers.TPESampler(n_startup_trials=8, seed=drawn))
    state = optuna.trial.TrialState
    words = {name: optuna.distributions.distribution_to_json(each) for name, each in space.items()}
    about = json.dumps([words, steps, seed, [dict(each) for each in first]])
    with _opened(file) as storage:
        study = optuna.create_study(
            study_name="search",
            storage=storage,
            direction="maximize",
            pruner=pruner or optuna.pruners.NopPruner(),
            load_if_exists=True,
        )
        if study.user_attrs.get("about", about) != about:
            raise ValueError(f"{file} holds another search; name another file, or ask for what it holds")
        study.set_user_attr("about", about)
        for left in study.get_trials(states=(state.RUNNING,)):  # of a killed process
            study.tell(left.number, state=state.FAIL)
        while sum(steps_of(each, steps) for each in study.trials) + steps <= budget:
            states = [each.state for each in study.trials]
            place = sum(each not in (state.FAIL, state.WAITING) for each in states)
            if place < len(first) and state.WAITING not in states:
                study.enqueue_trial(dict(first[place]))
            drawn = int(np.random.SeedSequence((seed, place)).generate_state(1)[0] % 2**31)
            study.sampler = sampler(drawn)
            trial = study.ask(dict(space))
            trial.set_user_attr("seed", drawn)
            _run(study, trial, objective)
    return study


def _run(study: optuna.Study, trial: optuna.Trial, objective: Callable[[optuna.Trial], float]) -> None:
    import optuna

    try:
        value = objective(trial)
        if not math.isfinite(value):
            raise FloatingPointError(f"the objective returned {value}")
    except optuna.TrialPruned:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    except FloatingPointError as error:
        trial.set_user_attr("error", str(error))
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    else:
        study.tell(trial, value)


def steps_of(trial: optuna.trial.FrozenTrial, steps: int) -> int:
    """Training steps that a trial spent: up to its last report, or ``steps`` where it is complete.

    A trial that ended without any report counts as a whole one, unless its process was killed.
    """
    if trial.state.name in ("WAITING", "COMPLETE"):
        return steps if trial.state.name == "COMPLETE" else 0
    return max(trial.intermediate_values, default=0 if trial.state.name == "FAIL" else steps)


def table(study: optuna.Study, steps: int) -> pandas.DataFrame:
    """A row for each trial that has ended, in the order of their ends.

    Columns: ``trial``, ``state`` (``complete``, ``pruned``, ``diverged``, or ``fail`` where a process was
    killed), ``value``, ``steps``, ``steps_in_all`` (spent when it ended), ``seed``, the parameters, and the
    other attributes of the trials.
    """
    import pandas as pd

    ended = [each for each in study.trials if each.state.is_finished()]
    rows = [
        {
            "trial": each.number,
            "state": "diverged" if "error" in each.user_attrs else each.state.name.lower(),
            "value": each.value if each.state.name == "COMPLETE" else float("nan"),
            "steps": steps_of(each, steps),
            "seed": each.user_attrs["seed"],
            **each.params,
            **each.user_attrs,
        }
        for each in sorted(ended, key=lambda each: each.datetime_complete)
    ]
    found = pd.DataFrame(rows)
    found.insert(4, "steps_in_all", found["steps"].cumsum())
    return found


@contextmanager
def _opened(file: str | Path | None) -> Iterator[optuna.storages.BaseStorage | None]:
    """The storage of a study, which no other process may open until the block ends."""
    if file is None:
        yield None
        return
    import optuna
    from filelock import FileLock, Timeout
    from sqlalchemy.exc import DatabaseError

    path = Path(file)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        words = f"cannot be written to {path} ({error.strerror}); name a file in a folder of your own"
        raise type(error)(error.errno, f"the study {words}") from error
    try:
        with FileLock(f"{path}.lock", timeout=0):
            storage = optuna.storages.RDBStorage(f"sqlite:///{path.resolve()}")
            try:
                yield storage
            finally:
                storage.remove_session()
                storage.engine.dispose()
    except Timeout:
        raise TimeoutError(f"{path} is in use by another process; wait until its search has ended") from None
    except (DatabaseError, optuna.exceptions.StorageInternalError) as error:
        cause = error
        while cause.__cause__ is not None:
            cause = cause.__cause__  # the database's own words
        # An operational error: no room, read-only, or held by another program.
        kind = OSError if isinstance(cause, sqlite3.OperationalError) else ValueError
        raise kind(f"the study in {path} cannot be used ({cause}); name another file") from error
