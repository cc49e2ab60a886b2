"""A small study runs, stops, goes on, and loses nothing; its numbers are those of one run by hand."""

from __future__ import annotations

import errno
import os
import signal
import warnings
from dataclasses import replace

import numpy as np
import pytest

from aigc_lab import backend, collect, study
from aigc_lab.study import grid, one_run, running


@pytest.fixture(scope="module")
def own_data(tmp_path_factory):
    """A small set of one's own, in a file: 200 images of each of two animals."""
    animals = collect.load("animals").only("cat", "giraffe")
    path = tmp_path_factory.mktemp("data") / "own.npz"
    return str(study.balanced_part(animals, 400, seed=5).save(path))


@pytest.fixture
def small(own_data):
    """Four runs that train nothing: real images in place of samples."""
    return study.Study(
        "small", "noise", 0, "real", (0, 1, 2, 3), items=40, data=own_data, classes=(), samples=20
    )


@pytest.fixture
def tiny(own_data):
    """Runs of three training steps."""
    return study.Study(
        "tiny",
        ("label_flip", "imbalance"),
        (0, 1),
        "vae",
        1,
        items=64,
        data=own_data,
        classes=(),
        samples=20,
        steps=3,
    )


def here(small, folder, **options):
    return study.run(small, folder, workers=0, progress=False, **options)


def numbers(table):
    timeless = [name for name in running.COLUMNS if not name.startswith("seconds") and name != "finished_at"]
    return table[timeless]


def test_the_table_is_tidy_and_says_where_it_comes_from(small, tmp_path):
    table = here(small, tmp_path)
    assert tuple(table.columns) == running.COLUMNS and len(table) == 4
    assert set(table["status"]) == {"finished"} and (table["error"] == "").all()
    assert table["held_out_hash"].nunique() == 1 and table["training_hash"].nunique() == 4
    assert (table["seconds"] > 0).all() and table["training_items"].tolist() == [40] * 4
    assert "keras" in table["versions"][0] and table["seed"].tolist() == [0, 1, 2, 3]


def test_real_images_in_place_of_samples_are_the_floor_of_every_score(tmp_path):
    small = study.Study("floor", "noise", 0, "real", (0, 1), items=400, samples=400)
    table = here(small, tmp_path)
    assert table["kid"].abs().max() < 0.005
    assert table[["precision", "recall", "label_accuracy"]].min().min() > 0.85
    assert table[["near_copies", "junk_share"]].max().max() < 0.03


def test_a_study_that_is_killed_goes_on_where_it_was(small, tmp_path, monkeypatch):
    original, written = running.write_run, []

    def write_then_die(*arguments):
        original(*arguments)
        written.append(1)
        if len(written) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(running, "write_run", write_then_die)
    with pytest.raises(KeyboardInterrupt):
        here(small, tmp_path)
    monkeypatch.setattr(running, "write_run", original)
    assert len(study.table(small, tmp_path)) == 2

    begun = []
    run_cell = one_run.run_cell
    monkeypatch.setattr(one_run, "run_cell", lambda *cell: begun.append(cell) or run_cell(*cell))
    table = here(small, tmp_path)
    assert len(begun) == 2 and len(table) == 4
    assert here(small, tmp_path).equals(table) and len(begun) == 2
    whole = here(small, tmp_path / "elsewhere")
    assert numbers(whole).equals(numbers(table))


def test_another_study_does_not_repeat_the_runs_that_it_shares(small, tmp_path, monkeypatch):
    here(small, tmp_path)
    begun = []
    run_cell = one_run.run_cell
    monkeypatch.setattr(one_run, "run_cell", lambda *cell: begun.append(cell) or run_cell(*cell))
    wider = replace(small, name="wider", seeds=(2, 3, 4))
    assert here(wider, tmp_path)["study"].tolist() == ["wider"] * 3
    assert [cell.seed for _, cell in begun] == [4]


def test_a_half_written_file_is_no_finished_run(small, tmp_path):
    table = here(small, tmp_path)
    (path,) = (tmp_path / "runs").glob(f"*-{small.cells()[1].seed}-*.json")
    for content in (path.read_text()[:50], "5", "[]", '{"a": 1}'):
        path.write_text(content)
        assert numbers(here(small, tmp_path)).equals(numbers(table)), content


def test_a_full_disk_loses_no_run_that_had_ended(small, tmp_path, monkeypatch):
    original, calls = running.atomic_write, []

    def full_after_two(path):
        calls.append(path)
        if len(calls) > 3:  # the first is the look whether the folder can be written to
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(path)

    monkeypatch.setattr(running, "atomic_write", full_after_two)
    with pytest.raises(OSError, match="No space left on device"):
        here(small, tmp_path)
    monkeypatch.setattr(running, "atomic_write", original)
    assert study.table(small, tmp_path)["seed"].tolist() == [0, 1]
    assert not list(tmp_path.rglob("*.part"))
    assert len(here(small, tmp_path)) == 4


def test_a_folder_that_cannot_be_written_to_is_named_before_the_first_run(small, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="cannot write in the folder"):
        here(small, tmp_path / "file")


def test_a_run_that_fails_is_noted_and_the_rest_finish(tiny, tmp_path):
    """Imbalance of 1 takes one of two classes away: there is nothing to draw it from."""
    table = here(tiny, tmp_path).set_index("corruption")
    assert table["status"].to_dict() == {"none": "finished", "label_flip": "finished", "imbalance": "failed"}
    words = table["error"]["imbalance"]
    assert words.startswith("ValueError: class ") and "has no training item left in the run vae on" in words
    assert np.isnan(table["kid"]["imbalance"]) and np.isfinite(table["kid"]["label_flip"])


def test_a_failed_run_is_tried_again(small, tmp_path, monkeypatch):
    def broken(*cell):
        raise FloatingPointError("the loss became nan")

    with monkeypatch.context() as patch:
        patch.setattr(one_run, "measure", broken)
        table = here(small, tmp_path)
    assert set(table["status"]) == {"failed"}
    assert table["error"][0].startswith("FloatingPointError: the loss became nan")
    assert set(here(small, tmp_path)["status"]) == {"finished"}


def test_a_run_is_what_train_fit_gives_by_hand(tiny):
    from aigc_lab import train

    cell = study.Cell("label_flip", 0.25, 64, "none", "vae", 1)
    dataset, corrupted = study.training_set(tiny, cell)
    assert corrupted.log.counts() == {"label_flip": 16}
    _, samples, asked = study.train_and_sample(tiny, cell, dataset)
    settings = study.MODELS["vae"]
    alone = settings.build((28, 28, 1), 2, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train.fit(
            alone, *dataset.arrays(), steps=3, batch_size=grid.BATCH_SIZE, seed=1, progress=False,
            learning_rate=settings.learning_rate,
        )  # fmt: skip
    assert np.allclose(settings.sample(alone, *dataset.arrays(), asked, 1), samples, atol=1e-5)


def test_compilation_is_paid_once_for_each_model_and_shape(tiny, tmp_path):
    one_run.trainer.cache_clear()
    here(replace(tiny, corruptions=("label_flip",), severities=(0, 0.1, 0.2)), tmp_path)
    assert one_run.trainer.cache_info().misses == 1 and one_run.trainer.cache_info().hits == 2


def test_the_held_out_part_stays_clean_and_apart(tiny):
    _, held_out = one_run.data_parts(tiny)
    untouched = set(collect.Dataset.load(tiny.data).hashes())
    assert set(held_out.hashes()) <= untouched
    for severity in (0, 1):
        dataset, _ = study.training_set(tiny, study.Cell("label_flip", severity, 64, "none", "vae", 1))
        assert not set(dataset.hashes()) & set(held_out.hashes())
    noisy, _ = study.training_set(tiny, study.Cell("noise", 1.0, 64, "none", "vae", 1))
    assert not set(noisy.hashes()) & untouched


def test_generations_that_feed_on_each_other_are_a_row_each(tiny, tmp_path):
    loop = replace(tiny, corruptions=("own_samples",), severities=(0.5,), items=40, steps=2)
    table = here(loop, tmp_path)
    assert table["error"].unique().tolist() == [""]
    assert table["generation"].tolist() == [0, 1, 2, 3, 4, 5] and set(table["severity"]) == {0.5}
    assert table["kid"].notna().all() and table["kid"].nunique() == 6


def test_a_worker_that_is_killed_takes_only_its_run_with_it(small, tmp_path, monkeypatch):
    """On Dask, by the address of a scheduler: a process dies in the middle, and the table is whole."""
    from distributed import Client, LocalCluster

    original, killed = running.write_run, []
    local = {
        "host": "127.0.0.1",
        "dashboard_address": "127.0.0.1:0",
        "silence_logs": 50,
        "memory_limit": None,
    }
    with LocalCluster(n_workers=2, threads_per_worker=1, env=running.ONE_THREAD, **local) as cluster:
        with Client(cluster, set_as_default=False) as client:
            pids = sorted(client.run(os.getpid).values())

        def write_then_kill(*arguments):
            if not killed:
                killed.append(pids[0])
                os.kill(pids[0], signal.SIGKILL)
            return original(*arguments)

        monkeypatch.setattr(running, "write_run", write_then_kill)
        table = study.run(small, tmp_path, scheduler=cluster.scheduler_address, progress=False)
    assert killed and set(table["status"]) == {"finished"}
    assert numbers(table).equals(numbers(here(small, tmp_path / "here")))


def test_no_scheduler_and_no_workers_are_said(small, tmp_path, monkeypatch):
    monkeypatch.setattr(backend, "PATIENCE", 0.2)
    with pytest.raises(OSError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        study.run(small, tmp_path, scheduler="tcp://127.0.0.1:9")
    with pytest.raises(ValueError, match="workers must be a whole number from 0 up, got -1"):
        study.run(small, tmp_path, workers=-1)


def test_the_progress_is_one_line(small, tmp_path, capsys):
    study.run(small, tmp_path, workers=0)
    shown = capsys.readouterr().out
    assert "4 of 4 runs have ended" in shown and shown.count("\n") == 1
    study.run(small, tmp_path, workers=0)
    assert "4 were there already" in capsys.readouterr().out


def test_a_table_is_written_whole_with_what_is_known_about_it(small, tmp_path):
    table = here(small, tmp_path)
    path = study.write_table(table, tmp_path / "small.parquet", command="by hand", date="today")
    again, about = study.read_table(path)
    assert again.equals(table) and about == {"command": "by hand", "date": "today"}
