"""The book of a search: what was tried, what it cost, what comes next. Introduced in notebook 13."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas

_WAIT_FOR = 4  # finished trials before the median rule may prune
_ATTEMPTS = 3  # times a trial may end its worker


def quiet_optuna() -> Any:
    """Optuna, without its lines on standard error."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


@dataclass(frozen=True)
class Plan:
    """The settings of a search; ``fixed`` are the configurations that come first, in order."""

    space: dict[str, Any]
    budget: int
    steps: int
    method: str
    prune: bool
    maximize: bool
    seed: int
    fixed: list[dict[str, Any]]

    def check(self, configuration: dict[str, Any]) -> None:
        """Raises ValueError for a configuration that lies outside the space."""
        if set(configuration) != set(self.space):
            raise ValueError(
                f"a configuration must name exactly {', '.join(self.space)}; got {', '.join(configuration)}"
            )
        for name, distribution in self.space.items():
            value = configuration[name]
            choices = getattr(distribution, "choices", None)
            inside = value in choices if choices else distribution.low <= value <= distribution.high
            if not inside:
                raise ValueError(f"{name} = {value!r} lies outside its range: {distribution}")

    def about(self, objective: str) -> dict[str, str]:
        """What makes this search this one. A larger budget may be given later, so it is not in it."""
        from optuna.distributions import distribution_to_json

        space = {name: json.loads(distribution_to_json(each)) for name, each in self.space.items()}
        parts = {
            "space": space, "steps": self.steps, "method": self.method, "prune": self.prune,
            "maximize": self.maximize, "seed": self.seed, "list of first configurations": self.fixed,
            "objective": objective,
        }  # fmt: skip
        return {name: json.dumps(value, sort_keys=True) for name, value in parts.items()}

    def place_seed(self, position: int) -> int:
        """The seed of the training, and of the proposal, at one place of the search."""
        return int(np.random.SeedSequence((self.seed, position)).generate_state(1)[0] % 2**31)


@dataclass
class Running:
    """A trial that has begun: its last report, and steps of an earlier start that were lost."""

    trial: Any
    seed: int
    attempt: int
    last: int = 0
    lost: int = 0
    parameters: dict[str, Any] = field(default_factory=dict)


class Book:
    """The study, with the budget. Opening it settles what a killed process left behind.

    Raises:
        ValueError: the file holds another search; the message names what differs.
    """

    def __init__(self, plan: Plan, storage: Any, about: dict[str, str], file: str | Path | None) -> None:
        optuna = quiet_optuna()
        self.plan, self.optuna, self.running = plan, optuna, {}
        pruner = (
            optuna.pruners.MedianPruner(n_startup_trials=_WAIT_FOR)
            if plan.prune
            else optuna.pruners.NopPruner()
        )
        direction = "maximize" if plan.maximize else "minimize"
        if storage is not None and (names := optuna.get_all_study_names(storage)):
            self.study = optuna.load_study(study_name=names[0], storage=storage, pruner=pruner)
            there = self.study.user_attrs.get("about", {})
            if differing := [name for name in about if there.get(name) != about[name]]:
                raise ValueError(
                    f"{file} holds another search (with another {' and another '.join(differing)}); name "
                    "another file, or ask for what it holds"
                )
        else:
            self.study = optuna.create_study(
                study_name="search", storage=storage, pruner=pruner, direction=direction
            )
            self.study.set_user_attr("about", about)
        self._settle()

    def _settle(self) -> None:
        """Trials that a killed process left running are marked and put in line again, with their seeds.

        This process alone has the file, so nobody else is running them.
        """
        for left in self.study.get_trials(states=(self.optuna.trial.TrialState.RUNNING,)):
            self._interrupted(left.number, max(left.intermediate_values, default=0), left)

    def _interrupted(self, number: int, spent: int, frozen: Any) -> None:
        storage, key = self.study._storage, frozen._trial_id
        storage.set_trial_user_attr(key, "steps", spent)
        self.study.tell(number, state=self.optuna.trial.TrialState.FAIL)
        keep = {"seed": frozen.user_attrs.get("seed"), "attempt": frozen.user_attrs.get("attempt", 1) + 1}
        if set(frozen.params) == set(self.plan.space):
            self.study.enqueue_trial(frozen.params, user_attrs=keep)

    def _ended(self) -> list[Any]:
        return [each for each in self._trials() if each.state.is_finished()]

    def _trials(self) -> list[Any]:
        return self.study.get_trials(deepcopy=False)

    def spent(self) -> int:
        """Steps of the trials that have ended."""
        return sum(each.user_attrs.get("steps", 0) for each in self._ended())

    def best(self) -> float | None:
        """The best finished value so far."""
        states = self.optuna.trial.TrialState
        values = [each.value for each in self._trials() if each.state == states.COMPLETE]
        return (max if self.plan.maximize else min)(values, default=None)

    def next(self) -> Running | None:
        """The next trial, or None where no whole one fits into what is left of the budget."""
        plan, states = self.plan, self.optuna.trial.TrialState
        reserved = sum(plan.steps + each.lost for each in self.running.values())
        if self.spent() + reserved + plan.steps > plan.budget:
            return None
        trials = self._trials()
        position = sum(each.state not in (states.FAIL, states.WAITING) for each in trials)
        if not any(each.state == states.WAITING for each in trials):
            if position < len(plan.fixed):
                self.study.enqueue_trial(plan.fixed[position])
            elif plan.method == "grid":
                return None
        self.study.sampler = self._sampler(plan.place_seed(position))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", self.optuna.exceptions.ExperimentalWarning)
            trial = self.study.ask(fixed_distributions=plan.space)
        seed = trial.user_attrs.get("seed")
        seed = plan.place_seed(position) if seed is None else seed
        attempt = trial.user_attrs.get("attempt", 1)
        trial.set_user_attr("seed", seed)
        found = Running(trial, seed, attempt, parameters=dict(trial.params))
        self.running[trial.number] = found
        return found

    def _sampler(self, seed: int) -> Any:
        if self.plan.method == "tpe":
            return self.optuna.samplers.TPESampler(seed=seed, n_startup_trials=8)
        return self.optuna.samplers.RandomSampler(seed=seed)

    def report(self, number: int, step: int, value: float) -> bool:
        """Note a value on the way; whether the trial is to end."""
        running = self.running[number]
        if step <= running.last:  # its worker died, and another one began anew
            running.lost += running.last
            running.last = step
            return False
        running.last = step
        if not np.isfinite(value):
            return False  # the trial ends itself
        running.trial.report(value, step)
        return bool(running.trial.should_prune())

    def end(self, number: int, state: str, value: float | None = None, more: Any = None) -> None:
        """Close a trial: ``finished`` with its value, ``pruned`` or ``diverged`` (with the error's words)."""
        running = self.running.pop(number)
        whole = state == "finished"
        # Nobody knows how far a trial came that never reported: it counts as a whole one.
        spent = running.lost + (self.plan.steps if whole else running.last or self.plan.steps)
        running.trial.set_user_attr("steps", spent)
        running.trial.set_user_attr("state", state)
        for name, each in (more or {}).items():
            running.trial.set_user_attr(f"more {name}", each)
        if whole:
            self.study.tell(running.trial, float(value))
        else:
            self.study.tell(running.trial, state=self.optuna.trial.TrialState.PRUNED)

    def lose(self, number: int, why: str) -> None:
        """The worker of a trial died: it is put in line again, three times at most.

        Raises:
            RuntimeError: for the third time; the message has the configuration.
        """
        running = self.running.pop(number)
        frozen = self._trials()[number]
        self._interrupted(number, running.lost + running.last, frozen)
        if running.attempt >= _ATTEMPTS:
            raise RuntimeError(
                f"the trial {running.parameters} has ended its worker {_ATTEMPTS} times ({why}): it may need "
                "more memory than there is; take it out of the space"
            )

    def table(self) -> pandas.DataFrame:
        """The rows of ``Found.table``."""
        import pandas as pd

        rows = []
        for each in sorted(self._ended(), key=lambda trial: (trial.datetime_complete, trial.number)):
            failed = each.state == self.optuna.trial.TrialState.FAIL
            finished = each.state == self.optuna.trial.TrialState.COMPLETE
            more = {
                name.removeprefix("more "): value
                for name, value in each.user_attrs.items()
                if name.startswith("more ")
            }
            rows.append(
                {
                    "trial": each.number,
                    "state": "interrupted" if failed else each.user_attrs.get("state", "finished"),
                    "value": each.value if finished else np.nan,
                    "steps": each.user_attrs.get("steps", 0),
                    "seed": each.user_attrs.get("seed"),
                    **each.params,
                    **more,
                }
            )
        columns = ["trial", "state", "value", "steps", "seed", *self.plan.space]
        frame = pd.DataFrame(rows, columns=None if rows else columns)
        frame.insert(4, "steps_in_all", frame["steps"].cumsum())
        return frame
