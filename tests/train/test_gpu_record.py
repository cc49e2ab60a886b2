"""The script behind ``make gpu-record``: nothing without a GPU, nothing by halves, and a trial on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from aigc_lab import train
from aigc_lab.train import machine, recorded
from scripts import gpu_record, gpu_work

ROOT = Path(__file__).parents[2]


def pretend(monkeypatch, gpus=(), advice="this machine has no NVIDIA GPU, so JAX computes on the CPU"):
    """A machine whose JAX sees these GPUs; the project's record is a file of the test."""
    about = {"version": "0.6", "built_for": ["12", None], "found": ["12.9", "9.1"], "gpus": list(gpus)}
    cards = tuple(machine.Gpu(name, 2**34, "580.1") for name in gpus)
    found = machine.Machine(
        "CPU", 4, 2**34, 2**33, cards, "13.0", {"jax": about}, {"jax": "" if gpus else advice}
    )
    monkeypatch.setattr(machine, "devices", lambda backends: found)


@pytest.fixture
def project_record(monkeypatch, tmp_path):
    path = tmp_path / "stored" / recorded.FILE_NAME
    monkeypatch.setattr(gpu_record, "RECORD", path)
    return path


def measured(name, size, *more, failing=None):
    """What ``measure`` gives, without measuring."""
    results = []
    for side, precision in (("cpu", "float32"), ("accelerator", "float32"), ("accelerator", "mixed_float16")):
        failure = "RuntimeError: out of memory" if failing == (size, side, precision) else None
        lists = {"steps_per_second": [] if failure else [1.0], "seconds_to_target": [], "final_scores": []}
        about = {"subject": name, "size": size, "side": side, "precision": precision, "failure": failure}
        results.append({**gpu_record.EMPTY, **about, **lists})
    return results, "TF32 allowed"


def test_without_a_gpu_one_sentence_and_no_file(monkeypatch, project_record, capsys):
    pretend(monkeypatch)
    assert gpu_record.main(["--backend", "jax"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("nothing was recorded: this machine has no NVIDIA GPU") and said.count("\n") == 1
    assert machine.INSTALL["jax"] in said
    assert not project_record.parent.exists()


def test_with_a_gpu_the_record_says_on_what_and_how(monkeypatch, project_record):
    pretend(monkeypatch, ["Example GPU"])
    monkeypatch.setattr(gpu_record, "measure", measured)
    assert gpu_record.main(["--backend", "jax", "--minutes", "1"]) == 0
    run = recorded.read_record(project_record)
    assert run.device == "Example GPU" and len(run.results) == 3 * 2 * 3
    assert run.about["accelerator"]["driver"] == "580.1"
    assert run.about["accelerator"]["cuda_and_cudnn_found"] == ["12.9", "9.1"]
    assert run.about["settings"]["products_in_float32"] == "TF32 allowed"
    assert run.about["command"] == "python scripts/gpu_record.py --backend jax --minutes 1"
    assert {"python", "keras", "jax", "jaxlib", "aigc_lab"} <= set(run.about["versions"])


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (KeyboardInterrupt(), 130, "an older record stays as it was"),
        (gpu_record.Refused("its weights lie on the cpu"), 1, "its weights lie on the cpu"),
        (OSError(28, "No space left on device"), 1, "No space left on device"),
    ],
)
def test_stopped_halfway_the_old_record_stays(monkeypatch, project_record, capsys, error, status, words):
    project_record.parent.mkdir()
    project_record.write_text("the old one")
    pretend(monkeypatch, ["Example GPU"])
    calls = []

    def measure(name, size, *more):
        calls.append(name)
        if len(calls) == 4:
            raise error
        return measured(name, size)

    monkeypatch.setattr(gpu_record, "measure", measure)
    assert gpu_record.main(["--backend", "jax"]) == status
    assert words in capsys.readouterr().err and len(calls) == 4
    assert project_record.read_text() == "the old one"
    assert [each.name for each in project_record.parent.iterdir()] == [project_record.name]


def test_a_failure_in_16_bits_is_recorded_and_one_in_float32_is_the_end(monkeypatch, project_record, capsys):
    pretend(monkeypatch, ["Example GPU"])

    def failing(*where):
        monkeypatch.setattr(gpu_record, "measure", lambda *what: measured(*what, failing=where))
        return gpu_record.main(["--backend", "jax"])

    assert failing("notebook", "accelerator", "float32") == 1
    assert "out of memory" in capsys.readouterr().err and not project_record.exists()
    assert failing("notebook", "accelerator", "mixed_float16") == 0
    assert "failed" in recorded.read_record(project_record).table().to_string()
    # The larger size may be too large for a small GPU: the record does without it, and says so.
    assert failing("large", "accelerator", "float32") == 0
    run = recorded.read_record(project_record)
    assert set(run.results["size"]) == {"notebook"}
    assert all(note.startswith("left out, ") and "out of memory" in note for note in run.about["notes"])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--against", "cpu"], "a trial on the CPU is no record of a GPU"),
        (["--against", "cpu", "--output", "{record}"], "a trial on the CPU is no record of a GPU"),
        (["--tiny"], "add --against cpu"),
        (["--minutes", "0"], "--minutes must lie above 0"),
        (["--minutes", "nan"], "--minutes must lie above 0"),
        (["--backend", "mxnet"], "invalid choice"),
    ],
)
def test_settings_that_make_no_sense_are_refused(project_record, capsys, given, words):
    with pytest.raises(SystemExit) as caught:
        gpu_record.main([each.format(record=project_record) for each in given])
    assert caught.value.code == 2 and words in capsys.readouterr().err


def test_no_folder_of_the_machine_stands_in_the_command():
    given = ["--output", "/home/someone/a.json", "--minutes", "3"]
    assert gpu_record.without_paths(given) == ["--output", "a.json", "--minutes", "3"]
    assert gpu_record.without_paths(["--output=/home/someone/a.json"]) == ["--output=a.json"]


def test_the_score_is_off_the_clock_and_the_first_one_good_enough_counts(monkeypatch):
    now, scores = [0.0], iter([5.0, 4.0, 2.9, 3.5, 2.0])

    def score(subject, model):
        now[0] += 1000
        return next(scores)

    def fit(model, x, *, measure, **options):
        rows = []
        for _ in range(5):
            now[0] += 10
            rows.append(measure())
        return SimpleNamespace(last=lambda column: rows[-1][column])

    monkeypatch.setattr(gpu_work.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(gpu_work, "held_out_score", score)
    monkeypatch.setattr(train, "fit", fit)
    subject = SimpleNamespace(
        name="VAE", size="notebook", training=None, batch_size=1, learning_rate=1, model=lambda *given: None
    )
    monkeypatch.setitem(gpu_work.TARGETS["notebook"], "VAE", 3.0)
    assert gpu_work.seconds_to_target(subject, "float32", 0) == {
        "seconds_to_target": 30.0,
        "final_score": 2.0,
    }
    scores, now[0] = iter([5.0] * 5), 0.0
    assert gpu_work.seconds_to_target(subject, "float32", 0)["seconds_to_target"] is None


@pytest.mark.slow
def test_a_trial_on_the_cpu_goes_through_the_whole_script(tmp_path):
    """Four processes, rounds in turn, a score, and a record that says it is none of a GPU."""
    path = tmp_path / "trial.json"
    options = ["--against", "cpu", "--tiny", "--only", "VAE", "--minutes", "0.1", "--output", str(path)]
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(
        [sys.executable, "scripts/gpu_record.py", *options],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "recorded on a CPU twice, as a trial" in done.stdout
    run = recorded.read_record(path)
    assert run.device is None and json.loads(path.read_text())["accelerator"] is None
    assert str(tmp_path) not in path.read_text()
    rows = run.results.set_index(["side", "precision"])
    assert len(rows) == 4 and rows["failure"].isna().all()
    assert {len(each) for each in rows["steps_per_second"]} == {gpu_record.ROUNDS}
    assert all(each[0] > 0 for each in rows["seconds_to_target"])  # the tiny target is reached at once
    assert (rows["host_peak_bytes"] > 1e8).all() and rows["device_peak_bytes"].isna().all()
    scores = rows["final_scores"].map(lambda each: each[0])
    assert scores["accelerator", "float32"] == pytest.approx(scores["cpu", "float32"], rel=1e-4)
    for precision in ("mixed_bfloat16", "mixed_float16"):
        assert scores["accelerator", precision] == pytest.approx(scores["cpu", "float32"], rel=0.02)
