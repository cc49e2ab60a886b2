"""Searching for hyperparameters: the budget, an interrupt, a file that cannot serve, schedules, stopping."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from aigc_lab import train
from aigc_lab.train import tuning, tuning_file

SPACE = {
    "rate": FloatDistribution(1e-4, 1.0, log=True),
    "width": CategoricalDistribution([1, 2, 4]),
    "placebo": FloatDistribution(0.0, 1.0),
}
STEPS, BUDGET = 100, 1500
SAME = ["state", "value", "steps", "seed", *SPACE]  # columns that a resumed search has to repeat


def objective(trial):
    """Best at a rate of 0.01 and a width of 1; four reports on the way, noise from the trial's seed."""
    noise = np.random.default_rng(trial.seed).normal()
    goal = -abs(np.log10(trial.parameters["rate"]) + 2) - 0.3 * trial.parameters["width"] + 0.1 * noise
    for step in (25, 50, 75, 100):
        trial.report(step, goal - 3 * np.exp(-step / 30))
    return goal, {"test": goal - 1}


def search(function=objective, **changes):
    settings = {"space": SPACE, "budget": BUDGET, "steps": STEPS, "prune": True, **changes}
    return tuning.search(function, settings.pop("space"), **settings)


@pytest.mark.parametrize("method", tuning.METHODS)
def test_no_search_spends_more_than_its_budget(method):
    found = search(method=method, levels={"placebo": 9}, budget=1550)
    assert found.spent == found.table["steps"].sum() <= 1550
    assert found.spent > 1550 - 2 * STEPS, "there was room for another trial"
    finished = found.table[found.table["state"] == tuning.FINISHED]
    assert found.best["value"] == finished["value"].max()
    assert (finished["test"] == finished["value"] - 1).all()
    assert found.best_parameters == {name: found.best[name] for name in SPACE}


def test_what_pruning_saves_buys_more_trials():
    whole, pruned = search(prune=False, method="random"), search(prune=True, method="random")
    assert len(whole.table) == BUDGET // STEPS
    assert (whole.table["state"] == tuning.FINISHED).all()
    assert len(pruned.table) > len(whole.table)
    ended_early = pruned.table[pruned.table["state"] == tuning.PRUNED]
    assert set(ended_early["steps"]) <= {25, 50, 75, 100}
    assert ended_early["value"].isna().all()
    assert len(whole.table.merge(pruned.table, on=["rate", "seed"])) == len(whole.table), (
        "both try the same places"
    )


def test_equal_seeds_give_equal_searches_and_other_seeds_others():
    first, again, other = (search(seed=seed).table for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(first, again)
    assert not set(first["rate"]) & set(other["rate"])


def test_the_best_so_far_is_the_running_best_of_the_finished_trials():
    found = search(method="random")
    finished = found.table[found.table["state"] == tuning.FINISHED]
    for place in (50, 100, 700, BUDGET):
        known = finished[finished["steps_in_all"] <= place]["value"]
        (value,) = found.best_so_far([place])
        assert np.isnan(value) if known.empty else value == known.max()
    lowest = search(lambda trial: -objective(trial)[0], maximize=False, prune=False, method="random")
    assert lowest.best["value"] == lowest.table["value"].min() == lowest.best_so_far([BUDGET])[0]


def test_first_configurations_come_first():
    default = {"rate": 0.5, "width": 4, "placebo": 0.25}
    table = search(first=[default]).table
    assert table.loc[0, list(SPACE)].to_dict() == default
    with pytest.raises(ValueError, match=r"rate = 7 lies outside its range"):
        search(first=[{**default, "rate": 7}])
    with pytest.raises(ValueError, match=r"must name exactly rate, width, placebo"):
        search(first=[{"rate": 0.5}])


def test_a_grid_is_every_combination_of_the_middles_of_equal_cells():
    space = {**SPACE, "depth": IntDistribution(1, 4)}
    points = tuning.grid(space, {"rate": 2, "placebo": 1, "depth": 2})
    assert len(points) == 2 * 3 * 1 * 2 == len({tuple(point.values()) for point in points})
    assert {point["placebo"] for point in points} == {0.5}
    assert np.allclose(sorted({point["rate"] for point in points}), [1e-3, 1e-1])
    assert {point["depth"] for point in points} == {2, 3}
    assert points != tuning.grid(space, {"rate": 2, "placebo": 1, "depth": 2}, seed=1), "the order is drawn"
    table = search(method="grid", levels={"rate": 2, "placebo": 1}, prune=False).table
    assert len(table) == 6, "a grid that is done ends the search before its budget"
    with pytest.raises(ValueError, match="names 'breadth', which is no parameter"):
        tuning.grid(space, {"breadth": 2})


def test_a_trial_that_diverges_is_noted_and_the_search_goes_on():
    def fragile(trial):
        if trial.parameters["rate"] > 0.1:
            trial.report(25, float("nan"))
        if trial.parameters["width"] == 4:
            return float("inf")
        return objective(trial)

    table = search(fragile, method="random").table
    diverged = table[table["state"] == tuning.DIVERGED]
    assert set(diverged["error"]) == {"the value after step 25 is nan", "the objective returned inf"}
    assert ((table["rate"] > 0.1) | (table["width"] == 4)).equals(table["state"] == tuning.DIVERGED)
    assert search(fragile).best["width"] < 4
    with pytest.raises(ValueError, match="no trial has finished"):
        _ = search(lambda trial: float("nan")).best
    with pytest.raises(TypeError, match="the objective returned None; return the value"):
        search(lambda trial: None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": "luck"}, "no method 'luck'; choose one of tpe, random, grid"),
        ({"budget": 99}, "a budget of 99 steps has no room for one trial of 100"),
        ({"space": {}}, "the space is empty"),
        ({"space": {"rate": (0, 1)}}, "'rate' no Optuna distribution but"),
        ({"workers": -1}, "workers must be a whole number from 0 up"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        search(**changes)


# -- a study in a file ------------------------------------------------------------------------------


def test_a_search_in_a_file_goes_on_with_a_larger_budget(tmp_path):
    file = tmp_path / "new folder" / "study.db"
    part = search(file=file, budget=700)
    assert part.spent <= 700
    whole = search(file=file)
    pd.testing.assert_frame_equal(whole.table, search().table)
    pd.testing.assert_frame_equal(search(file=file).table, whole.table)


CHILD = """\
import os, signal, sys
sys.path.insert(0, {folder!r})
import test_tuning

begun = []
def objective(trial):
    begun.append(trial)
    if len(begun) == 7:
        trial.report(25, 0.0)
        os.kill(os.getpid(), signal.SIGKILL)
    return test_tuning.objective(trial)

test_tuning.search(objective, file={file!r})
"""


def test_a_search_whose_process_was_killed_goes_on_as_if_nothing_had_happened(tmp_path):
    file = str(tmp_path / "study.db")
    code = CHILD.format(folder=str(Path(__file__).parent), file=file)
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    resumed, whole = search(file=file).table, search().table
    lost = resumed[resumed["state"] == tuning.INTERRUPTED]
    assert (len(lost), lost["steps"].tolist()) == (1, [25]), "what was spent before the kill counts"
    assert resumed["steps"].sum() <= BUDGET
    kept = resumed[resumed["state"] != tuning.INTERRUPTED].reset_index(drop=True)
    assert kept["seed"].tolist()[6] == lost["seed"].item(), "the lost trial runs again, with its seed"
    assert len(kept) >= len(whole) - 1
    pd.testing.assert_frame_equal(kept[SAME], whole[SAME].iloc[: len(kept)])


def test_an_error_in_the_objective_ends_the_search_and_the_next_call_runs_that_trial_again(tmp_path):
    begun = []

    def objective(trial):  # the same name as the whole one, because it is the same search
        begun.append(trial)
        if len(begun) == 3:
            raise KeyError("a slip")
        return globals()["objective"](trial)

    objective.__qualname__ = "objective"
    with pytest.raises(KeyError, match="a slip"):
        search(objective, file=tmp_path / "study.db")
    table = search(file=tmp_path / "study.db").table
    assert table["state"].tolist().count(tuning.INTERRUPTED) == 1
    assert begun[2].parameters in table[list(SPACE)].iloc[3:].to_dict("records")


HOLDER = """\
import sys
sys.path.insert(0, {folder!r})
import test_tuning

def objective(trial):
    print("searching", flush=True)
    sys.stdin.readline()
    return 0.0

test_tuning.search(objective, file={file!r}, budget=100)
"""


def test_a_file_that_another_process_searches_with_is_refused(tmp_path):
    file = str(tmp_path / "study.db")
    code = HOLDER.format(folder=str(Path(__file__).parent), file=file)
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "searching\n"
        with pytest.raises(TimeoutError, match="in use by another process; wait until its search"):
            search(file=file)
        holder.communicate("go on\n")
    assert holder.returncode == 0
    assert len(search(lambda trial: 0.0, file=tmp_path / "other.db", budget=100).table) == 1


def test_a_database_that_another_program_holds_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tuning_file, "PATIENCE", 0.05)
    file = tmp_path / "study.db"
    search(file=file, budget=300)
    with closing(sqlite3.connect(file)) as viewer:
        viewer.execute("begin exclusive")
        with pytest.raises(TimeoutError, match="is locked by another program"):
            search(file=file)

    def objective(trial):
        viewer = sqlite3.connect(file)
        viewer.execute("begin exclusive")
        held.append(viewer)
        return 0.0

    held = []
    objective.__qualname__ = "objective"
    try:
        with pytest.raises(TimeoutError, match="the trials that have ended are safe"):
            search(objective, file=file)
    finally:
        held[0].close()
    assert (search(file=file).table["state"] == tuning.FINISHED).sum() >= 3


def damaged(path: Path) -> None:
    search(file=path, budget=300)
    content = bytearray(path.read_bytes())
    content[4096:20480] = os.urandom(20480 - 4096)
    path.write_bytes(content)


def of_another_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("create table addresses (name text)")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b"name,value\n" * 500), "is damaged or no study .*name another file"),
        (damaged, "is damaged or no study .*name another file"),
        (of_another_program, "is a database of another program; name another file"),
        (lambda path: search(file=path, seed=9), r"holds another search \(with another seed\)"),
        (
            lambda path: search(file=path, space={**SPACE, "placebo": FloatDistribution(0, 2)}),
            r"with another space\)",
        ),
    ],
    ids=["text", "damaged", "another program", "another seed", "another space"],
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
    with pytest.raises(OSError, match=r"the study cannot be written to .*study.db \(.*\); name a file"):
        search(lambda trial: pytest.fail("no trial may run"), file=tmp_path / "file" / "study.db")


# -- several processes ------------------------------------------------------------------------------


def portable(folder: Path):
    """A function of its own, since workers do not import the tests; one trial kills its worker."""

    def objective(trial):
        import os
        import signal

        import numpy

        mark = folder / "killed"
        trial.report(25, -9.0)
        if trial.parameters["width"] == 2 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        goal = -abs(numpy.log10(trial.parameters["rate"]) + 2)
        for step in (50, 75, 100):
            trial.report(step, goal)
        return goal, {"process": os.getpid()}

    return objective


def test_trials_run_on_several_processes_and_one_that_dies_costs_its_trial_only(tmp_path):
    found = search(portable(tmp_path), file=tmp_path / "study.db", workers=2, method="random", budget=1000)
    table = found.table
    assert (tmp_path / "killed").exists()
    assert found.spent <= 1000
    (lost,) = table[table["state"] == tuning.INTERRUPTED].to_dict("records")
    assert lost["steps"] == 25
    again = table[(table["rate"] == lost["rate"]) & (table["state"] != tuning.INTERRUPTED)]
    assert again["seed"].tolist() == [lost["seed"]]
    assert tuning.PRUNED in set(table["state"]), "the answers reach the workers"
    assert os.getpid() not in set(table["process"])


def test_trials_run_on_a_dask_cluster_by_its_address(tmp_path):
    from distributed import LocalCluster

    (tmp_path / "killed").touch()
    local = {"host": "127.0.0.1", "dashboard_address": None, "silence_logs": 50}
    with LocalCluster(n_workers=2, threads_per_worker=1, **local) as cluster:
        found = search(portable(tmp_path), scheduler=cluster.scheduler_address, prune=False, method="random")
    alone = search(portable(tmp_path), prune=False, method="random")
    together = found.table.sort_values("trial", ignore_index=True)
    pd.testing.assert_frame_equal(together[["value", "seed", "rate"]], alone.table[["value", "seed", "rate"]])
    with pytest.raises(OSError, match="no Dask scheduler answers at"):
        search(portable(tmp_path), scheduler="tcp://127.0.0.1:1")


# -- what mattered ----------------------------------------------------------------------------------


@pytest.mark.parametrize("evaluator", ["fanova", "ped_anova"])
def test_importance_finds_the_shares_of_a_sum(evaluator):
    # f = 2 x + y of independent uniform x, y: the shares of the variance are 4/5 and 1/5.
    space = {name: FloatDistribution(0.0, 1.0) for name in ("x", "y", "placebo")}
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.random((150, 3)), columns=list(space)).assign(state=tuning.FINISHED)
    table["value"] = 2 * table["x"] + table["y"]
    found = tuning.importance(table, space, evaluator=evaluator, resamples=2)
    assert found["parameter"].tolist() == ["x", "y", "placebo"]
    assert found["share"].sum() == pytest.approx(1)
    assert (found["low"] <= found["high"]).all()
    if evaluator == "fanova":
        assert found["share"].tolist() == pytest.approx([0.8, 0.2, 0.0], abs=0.08)
    with pytest.raises(ValueError, match="10 finished trials or more, got 4"):
        tuning.importance(table.head(4), space)
    with pytest.raises(ValueError, match="'fanova' or 'ped_anova', got 'magic'"):
        tuning.importance(table, space, evaluator="magic")


# -- schedules, early stopping, range test ----------------------------------------------------------


@pytest.mark.parametrize("schedule", train.SCHEDULES)
def test_a_schedule_reaches_its_peak_and_its_end(schedule):
    shares = train.rates(schedule, 400, 0.5) / 0.5
    assert shares.shape == (400,)
    assert shares.max() == pytest.approx(1)
    assert (shares > 0).all()
    assert shares[-1] == pytest.approx(1 if schedule == "constant" else 0.02, abs=1e-3)
    rising = np.diff(shares) > 0
    assert rising.sum() == (39 if schedule == "warm-up" else 0)
    if schedule == "step":
        assert np.unique(shares) == pytest.approx([0.02, 0.02**0.5, 1])


def test_an_unknown_schedule_is_refused():
    with pytest.raises(ValueError, match="no schedule 'sudden'; choose one of cosine, constant"):
        train.rates("sudden", 10, 1.0)
    with pytest.raises(ValueError, match="positive rate, got 10 and -1"):
        train.rates("cosine", 10, -1)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).random((96, 8, 8, 1)).astype("float32")


def model(seed=0):
    from aigc_lab import models

    return models.vae.dense_vae((8, 8, 1), 2, width=16, seed=seed)


def weights(trained):
    return np.concatenate([np.ravel(each) for each in trained.trainable_variables])


FIT = {"batch_size": 16, "progress": False}


def test_rates_as_numbers_train_like_the_schedule_of_the_same_name(pictures):
    by_default, cosine = model(), model()
    train.fit(by_default, pictures, steps=30, **FIT)
    train.fit(cosine, pictures, steps=30, schedule=train.rates("cosine", 30, 3e-3), **FIT)
    assert np.allclose(weights(by_default), weights(cosine), atol=1e-5)
    with pytest.raises(ValueError, match="one finite rate of 0 or more for each of the 30 steps"):
        train.fit(model(), pictures, steps=30, schedule=np.ones(29), **FIT)


def test_a_trainer_takes_other_rates_without_compiling_anew(pictures):
    machine = train.Trainer(model(), steps=30, batch_size=16, schedule="constant")
    machine.fit(model(), pictures)
    machine.fit(model(), pictures, rates=train.rates("step", 30, 0.01))
    expected = model()
    train.fit(expected, pictures, steps=30, schedule="step", learning_rate=0.01, **FIT)
    assert (weights(machine.model) == weights(expected)).all()
    with pytest.raises(ValueError, match="schedule='constant'"):
        train.Trainer(model(), steps=30, batch_size=16).fit(model(), pictures, rates=np.ones(30))


EARLY = {"steps": 400, "learning_rate": 0.03, "reports": 40, "patience": 3, **FIT}


def test_early_stopping_puts_back_the_weights_of_the_lowest_loss(pictures):
    x, held_out = pictures[:32], (pictures[32:],)
    stopped = model()
    losses = train.fit(stopped, x, validation=held_out, **EARLY).table["validation_loss"]
    assert len(losses) < 40
    assert len(losses) - 1 - losses.idxmin() == 3
    # Trained only as long as the lowest loss, with the rates of the same schedule, it is the same model.
    steps = 10 * (int(losses.idxmin()) + 1)
    shorter = model()
    rates = train.rates("cosine", 400, 0.03)[:steps]
    train.fit(shorter, x, steps=steps, schedule=rates, **FIT)
    assert np.allclose(weights(stopped), weights(shorter), atol=1e-4)


def test_early_stopping_survives_an_interrupt(pictures, tmp_path):
    x, held_out, file = pictures[:32], (pictures[32:],), tmp_path / "run.npz"
    whole = model()
    table = train.fit(whole, x, validation=held_out, **EARLY).table
    reports = []

    def interrupt():
        reports.append(0)
        if len(reports) == len(table) - 1:  # after the lowest loss, before the end
            raise KeyboardInterrupt
        return {}

    with pytest.raises(KeyboardInterrupt):
        train.fit(model(), x, validation=held_out, checkpoint=file, measure=interrupt, **EARLY)
    for _ in range(2):  # goes on; and when it has ended, nothing is trained any more
        resumed = model()
        again = train.fit(resumed, x, validation=held_out, checkpoint=file, **EARLY).table
        assert again["validation_loss"].tolist() == table["validation_loss"].tolist()
        assert (weights(resumed) == weights(whole)).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"patience": 0}, "from 1 up, got 0"), ({"validation": None}, "give validation=")],
)
def test_patience_needs_something_to_watch(changes, words, pictures):
    settings = {"steps": 2, "patience": 1, "validation": (pictures,), **FIT, **changes}
    with pytest.raises(ValueError, match=words):
        train.fit(model(), pictures, **settings)


def test_the_range_test_brackets_the_rates_that_work_and_leaves_the_model_alone(pictures):
    tested, other = model(), model()
    found = train.range_test(tested, pictures, low=1e-5, high=1e3, steps=120, batch_size=16)
    assert (weights(tested) == weights(other)).all()
    assert found.steepest <= found.lowest < found.blown_up
    rates = found.table["learning_rate"]
    assert np.allclose(rates.iloc[1:].to_numpy() / rates.iloc[:-1].to_numpy(), (1e8) ** (1 / 119))
    assert found.table["loss"].notna().all()
    # Below the bracket training hardly moves; above it there is no training.
    losses = {
        rate: train.fit(model(), pictures, steps=60, schedule=np.full(60, rate), **FIT).last()
        for rate in (found.lowest / 1e4, found.lowest)
    }
    assert losses[found.lowest] < losses[found.lowest / 1e4]
    with pytest.raises(ValueError, match="0 < low < high"):
        train.range_test(tested, pictures, low=1.0, high=0.1)
