"""Searching for hyperparameters: the budget, equal seeds, a killed search, a file that cannot serve."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from aigc_lab import study
from aigc_lab.train import tune

SPACE = {
    "rate": FloatDistribution(1e-4, 1.0, log=True),
    "width": CategoricalDistribution([1, 2, 4]),
    "placebo": FloatDistribution(0.0, 1.0),
}
STEPS, BUDGET = 100, 1500
SAME = ["state", "value", "steps", "seed", *SPACE]  # columns that a resumed search has to repeat
MEDIAN = optuna.pruners.MedianPruner(n_startup_trials=4)


def objective(trial):
    """Best at a rate of 0.01 and a width of 1; four reports on the way, noise from the trial's seed."""
    noise = np.random.default_rng(trial.user_attrs["seed"]).normal()
    end = -abs(np.log10(trial.params["rate"]) + 2) - 0.3 * trial.params["width"] + 0.1 * noise
    for step in (25, 50, 75, 100):
        trial.report(end - 3 * np.exp(-step / 30), step)
        if trial.should_prune():
            raise optuna.TrialPruned
    trial.set_user_attr("test", end - 1)
    return end


def search(function=objective, **changes):
    options = {"space": SPACE, "budget": BUDGET, "steps": STEPS, "pruner": MEDIAN, **changes}
    return tune.search(function, **options)


def table(**changes):
    return tune.table(search(**changes), STEPS)


def random_sampler(seed):
    return optuna.samplers.RandomSampler(seed=seed)


@pytest.mark.parametrize("sampler", [None, random_sampler])
def test_no_search_spends_more_than_its_budget(sampler):
    study = search(sampler=sampler, budget=1550)
    found = tune.table(study, STEPS)
    assert 1550 - 2 * STEPS < found["steps"].sum() == found["steps_in_all"].iloc[-1] <= 1550
    complete = found[found["state"] == "complete"]
    assert study.best_value == complete["value"].max()
    assert (complete["test"] == complete["value"] - 1).all()
    assert (complete["steps"] == STEPS).all()
    assert set(found["steps"]) <= {25, 50, 75, 100}


def test_what_pruning_saves_buys_more_trials():
    whole, pruned = table(pruner=None, sampler=random_sampler), table(sampler=random_sampler)
    assert len(whole) == BUDGET // STEPS < len(pruned)
    assert (whole["state"] == "complete").all()
    assert pruned[pruned["state"] == "pruned"]["value"].isna().all()
    assert len(whole.merge(pruned, on=["rate", "seed"])) == len(whole), "both try the same configurations"


def test_equal_seeds_give_equal_searches_and_other_seeds_others():
    first, again, other = (table(seed=seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(first, again)
    assert not set(first["rate"]) & set(other["rate"])


def test_first_configurations_come_first():
    first = [{"rate": 0.5, "width": 4, "placebo": 0.25}, {"rate": 0.1, "width": 1, "placebo": 0.5}]
    assert table(first=first)[list(SPACE)].iloc[:2].to_dict("records") == first


def test_a_trial_that_diverges_is_noted_and_the_search_goes_on():
    def fragile(trial):
        if trial.params["rate"] > 0.1:
            raise FloatingPointError("the loss became nan")
        return float("inf") if trial.params["width"] == 4 else objective(trial)

    found = table(function=fragile, sampler=random_sampler)
    diverged = found[found["state"] == "diverged"]
    assert set(diverged["error"]) == {"the loss became nan", "the objective returned inf"}
    assert ((found["rate"] > 0.1) | (found["width"] == 4)).equals(found["state"] == "diverged")
    assert (diverged["steps"] == STEPS).all(), "nobody knows how far it came: it counts as a whole one"
    assert search(function=fragile).best_params["width"] < 4


def test_a_budget_without_room_is_refused():
    with pytest.raises(ValueError, match="a budget of 99 steps has no room for one trial of 100"):
        search(budget=99)


# -- a study in a file -------------------------------------------------------------------------------


def test_a_search_in_a_file_goes_on_with_a_larger_budget(tmp_path):
    file = tmp_path / "new folder" / "study.db"
    assert table(file=file, budget=700)["steps"].sum() <= 700
    whole = table(file=file)
    pd.testing.assert_frame_equal(whole, table())
    pd.testing.assert_frame_equal(table(file=file), whole)


CHILD = """\
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import test_tune

begun = []
def objective(trial):
    begun.append(trial)
    if len(begun) == 7:
        trial.report(0.0, 25)
        os.kill(os.getpid(), signal.SIGKILL)
    return test_tune.objective(trial)

test_tune.search(objective, file=sys.argv[2])
"""


def test_a_search_that_is_killed_three_times_equals_one_that_was_never_cut(tmp_path):
    """All but its budget: what was lost in the kills was spent."""
    file = str(tmp_path / "study.db")
    command = [sys.executable, "-c", CHILD, str(Path(__file__).parent), file]
    for _ in range(3):
        killed = subprocess.run(command, capture_output=True, check=False)
        assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    resumed, whole = table(file=file, budget=BUDGET + 75), table()
    lost = resumed[resumed["state"] == "fail"]
    assert lost["steps"].tolist() == [25, 25, 25], "what was spent before a kill counts"
    kept = resumed[resumed["state"] != "fail"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept[SAME], whole[SAME])


def test_an_error_in_the_objective_ends_the_search_and_the_next_call_runs_that_trial_again(tmp_path):
    begun = []

    def slips(trial):
        begun.append(dict(trial.params))
        if len(begun) == 3:
            raise KeyError("a slip")
        return objective(trial)

    with pytest.raises(KeyError, match="a slip"):
        search(slips, file=tmp_path / "study.db")
    found = table(file=tmp_path / "study.db")
    assert found["state"].tolist().count("fail") == 1
    assert begun[2] in found[list(SPACE)].iloc[3:].to_dict("records")


def test_a_file_that_another_process_searches_with_is_refused(tmp_path):
    def meanwhile(trial):
        with pytest.raises(TimeoutError, match="in use by another process; wait until its search"):
            search(file=tmp_path / "study.db")
        return 0.0

    assert len(search(meanwhile, file=tmp_path / "study.db", budget=100).trials) == 1


def damaged(path):
    search(file=path, budget=300)
    content = bytearray(path.read_bytes())
    content[4096:20480] = os.urandom(20480 - 4096)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b"name,value\n" * 500), "cannot be used .*name another file"),
        (damaged, "cannot be used .*name another file"),
        (lambda path: search(file=path, seed=9, budget=STEPS), "holds another search; name another file"),
        (
            lambda path: search(
                file=path, budget=STEPS, space=SPACE | {"width": CategoricalDistribution([1])}
            ),
            "another search",
        ),
    ],
    ids=["text", "damaged", "another seed", "another space"],
)
def test_a_file_that_is_none_of_this_search_is_refused_and_left_alone(make, words, tmp_path):
    file = tmp_path / "study.db"
    make(file)
    before = file.read_bytes()
    with pytest.raises(ValueError, match=words):
        search(file=file)
    assert file.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_said_before_the_first_trial(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot be written to .*study.db .*; name a file in a folder"):
        search(lambda trial: pytest.fail("no trial may run"), file=tmp_path / "file" / "study.db")


def test_notebook_13_trains_exactly_as_the_script_of_its_stored_study_does():
    """What the page shows is, word for word, what made the tables."""
    root = Path(__file__).parents[2]
    script = (root / "scripts" / "tuning_study.py").read_text()
    cells = json.loads((root / "notebooks" / "13_tuning.ipynb").read_text())["cells"]
    page = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    on_page, in_script = (
        {getattr(node, "name", None) or ast.unparse(getattr(node, "targets", [node])[0]): ast.unparse(node)
         for node in ast.parse(text).body}
        for text in (page, script)
    )  # fmt: skip
    for name in ("STEPS", "SPACE", "DEFAULT", "parts", "trainer", "trained"):
        assert on_page[name] == in_script[name], name


def test_the_script_draws_the_grid_of_the_stored_study():
    from scripts.tuning_study import SPACE, grid

    searches, _ = study.stored("tuning_searches")
    for split in range(5):
        tried = searches[(searches["method"] == "grid") & (searches["split"] == split)][list(SPACE)]
        pd.testing.assert_frame_equal(tried.reset_index(drop=True), pd.DataFrame(grid(split)))
