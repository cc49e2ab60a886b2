"""The recorded GPU run: none is made up, a broken file is refused, the tables say what the numbers say."""

from __future__ import annotations

import copy
import importlib
import json
import subprocess
import sys

import pytest

from aigc_lab.train import recorded


def result(side, precision="float32", **changes):
    return {
        "subject": "VAE",
        "size": "notebook",
        "side": side,
        "precision": precision,
        "parameters": 1000,
        "batch_size": 64,
        "unit": "images",
        "units_per_step": 64,
        "steps_per_second": [10.0, 20.0, 10.0],
        "start_seconds": 2.0,
        "score": "negative ELBO in nats",
        "target": 250.0,
        "seconds_to_target": [8.0, 9.0, 10.0],
        "final_scores": [240.0, 241.0, 242.0],
        "device_peak_bytes": None,
        "host_peak_bytes": 2**30,
        "failure": None,
        **changes,
    }


@pytest.fixture
def record():
    """Invented numbers with simple ratios: 2, 4 and 3 times the CPU."""
    fast = {"steps_per_second": [20.0, 80.0, 30.0], "device_peak_bytes": 300 * 2**20}
    late = {"seconds_to_target": [1.0, None, 3.0], **fast}
    return {
        "version": recorded.VERSION,
        "accelerator": {"name": "Example GPU", "memory_bytes": 2**34},
        "backend": "tensorflow",
        "machine": {"cores": 4},
        "versions": {"python": "3.11.7"},
        "commit": None,
        "date": "2026-11-25T20:00:00+00:00",
        "command": "python scripts/gpu_record.py",
        "seconds": 60.0,
        "settings": {},
        "results": [
            result("cpu"),
            result("accelerator", **fast),
            result("accelerator", "mixed_bfloat16", **late),
            result("accelerator", "mixed_float16", steps_per_second=[], failure="the loss became nan"),
        ],
        "notes": [],
    }


def written(record, tmp_path):
    path = tmp_path / "gpu_run.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    return path


def test_ratios_are_taken_round_by_round(record, tmp_path):
    run = recorded.read_record(written(record, tmp_path))
    assert run.label() == "recorded on Example GPU, 2026-11-25"
    ratios = run.ratios().set_index("precision")
    # Of the medians it would be 30 / 10 too; of the means 43.3 / 13.3.
    assert ratios.loc["float32", ["ratio", "low", "high"]].tolist() == [3.0, 2.0, 4.0]
    assert "mixed_float16" not in ratios.index  # it failed
    assert run.about["backend"] == "tensorflow" and "results" not in run.about


def test_the_tables_are_text_and_say_what_failed_and_what_was_not_reached(record, tmp_path):
    run = recorded.read_record(written(record, tmp_path))
    rows = run.table().reset_index().to_dict("records")
    assert [row["precision"] for row in rows] == ["float32", "mixed_bfloat16", "mixed_float16"]
    assert rows[0]["CPU, steps/s"] == "10" and rows[0]["GPU, steps/s"] == "30"
    assert rows[0]["GPU/CPU"] == "3 [2, 4]" and rows[0]["GPU, items/s"] == "1,920 images"
    assert rows[0]["device memory"] == "300 MiB"
    assert rows[2]["GPU, steps/s"] == "failed" and rows[2]["GPU/CPU"] == ""
    scores = run.scores().reset_index().to_dict("records")
    assert [row["where"] for row in scores] == ["CPU", "GPU", "GPU"]
    assert scores[0]["seconds"] == "9 [8, 9, 10]"
    assert scores[2]["seconds"] == "[1, not reached, 3]"  # a median of the lucky ones would flatter
    assert scores[0]["held-out score"] == "negative ELBO in nats, at most 250"


def test_a_trial_without_a_gpu_is_never_called_one(record, tmp_path):
    trial = recorded.read_record(written({**record, "accelerator": None}, tmp_path))
    assert trial.device is None and "trial" in trial.label()
    assert not [name for name in trial.table().columns if "GPU" in name]
    assert set(trial.scores()["where"]) == {"CPU", "CPU again"}


@pytest.mark.parametrize("field", sorted(recorded.FIELDS))
def test_every_field_is_needed(record, field):
    del record[field]
    assert ("version" if field == "version" else repr(field)) in recorded.fault_of(record)


@pytest.mark.parametrize("field", sorted(recorded.RESULT_FIELDS))
def test_every_field_of_a_result_is_needed(record, field):
    del record["results"][1][field]
    assert recorded.fault_of(record) == f"result 1: the field {field!r} is missing"


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("it has version 2 and this library reads version 1", lambda r: r.update(version=2)),
        ("the accelerator has no name", lambda r: r.update(accelerator={})),
        ("'yesterday' is no date", lambda r: r.update(date="yesterday")),
        ("it has no results", lambda r: r.update(results=[])),
        ("the field 'seconds' cannot be True", lambda r: r.update(seconds=True)),
        ("result 1: it holds no result", lambda r: r["results"].__setitem__(1, 3)),
        ("positive numbers", lambda r: r["results"][0].update(steps_per_second=[1.0, 0.0, 2.0])),
        ("neither rounds nor a failure", lambda r: r["results"][0].update(steps_per_second=[])),
        ("another number of rounds", lambda r: r["results"][1].update(steps_per_second=[1.0])),
        ("side must be one of cpu, accelerator", lambda r: r["results"][1].update(side="gpu")),
        ("final_scores must hold numbers", lambda r: r["results"][1].update(final_scores=["low"])),
        ("stands there twice", lambda r: r["results"].append(r["results"][1])),
        ("needs one result of the CPU", lambda r: r["results"].pop(0)),
        ("needs one result of the CPU", lambda r: r["results"].append(result("cpu", "mixed_float16"))),
    ],
)
def test_what_a_record_cannot_hold_is_said(record, what, change):
    assert recorded.fault_of(copy.deepcopy(record)) is None
    change(record)
    assert what in recorded.fault_of(record)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"version": 1, "accel', "it is no JSON"),
        (b"\xff\xfe\x00", "it is no JSON"),
        (b"[1, 2]", "it holds no record"),
        (b'{"version": 1, "seconds": NaN}', "NaN is no measurement"),
    ],
)
def test_a_damaged_file_ends_in_one_sentence_that_says_what_to_do(tmp_path, content, reason):
    path = tmp_path / "gpu_run.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=reason) as caught:
        recorded.read_record(path)
    said = str(caught.value)
    assert said.startswith("gpu_run.json is no record of a GPU run") and "make gpu-record" in said
    assert "\n" not in said and str(tmp_path) not in said


@pytest.fixture
def package_with(tmp_path, monkeypatch):
    """The package's folder, replaced by one that holds what the test puts there."""

    def put(record):
        (tmp_path / "stored").mkdir()
        if record is not None:
            (tmp_path / "stored" / recorded.FILE_NAME).write_text(json.dumps(record), encoding="utf-8")
        monkeypatch.setattr(importlib.import_module("importlib.resources"), "files", lambda package: tmp_path)

    return put


def test_no_file_is_no_record(package_with):
    package_with(None)
    assert recorded.recorded_gpu_run() is None


def test_the_packages_record_is_found_and_a_trial_is_refused_there(package_with, record):
    package_with(record)
    assert recorded.recorded_gpu_run().device == "Example GPU"
    package = importlib.import_module("importlib.resources").files("aigc_lab.train")
    path = package / "stored" / recorded.FILE_NAME
    path.write_text(json.dumps({**record, "accelerator": None}), encoding="utf-8")
    with pytest.raises(ValueError, match="a trial on the CPU alone"):
        recorded.recorded_gpu_run()


def test_what_the_package_ships_is_whole_or_absent():
    """Today there is none; whoever records one must not ship it broken."""
    run = recorded.recorded_gpu_run()
    if run is not None:
        assert run.device and "scripts/gpu_record.py" in run.about["command"]
        assert {"VAE", "GAN", "Transformer"} == set(run.results["subject"])


def test_reading_needs_no_deep_learning_framework():
    code = (
        "import sys; from aigc_lab.train import recorded; recorded.recorded_gpu_run();"
        "print(sorted({'tensorflow', 'keras', 'torch', 'jax'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
