"""The stored tables: whole, from the declared studies, and true on this machine."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from aigc_lab import study
from aigc_lab.study import running
from scripts.data_quality_study import STUDIES

# Hashes of the values as they were measured: columns were renamed since, no number changed.
VALUES = {
    "cleaning": "bbdc690e72b4458e",
    "data_quality": "311c04a7811fd3e1",
    "generations": "a4b81fc01ade09d1",
    "quantity": "3c4be314ad633f50",
    "rare_class": "43f3c402df90c8a1",
    "repeats": "1d9ff13c99fce98c",
    "stages": "146261cdd177c1b0",
}
every_study = pytest.mark.parametrize("name", sorted(STUDIES))


@every_study
def test_a_stored_table_is_the_declared_study_and_nothing_failed(name):
    table, about = study.stored(name)
    declared = STUDIES[name]
    assert set(table["status"]) == {"finished"}
    rows = {study.Cell(*row) for row in table[list(study.Cell.__dataclass_fields__)].itertuples(False)}
    assert rows == set(declared.cells())
    assert about["command"].startswith("python scripts/data_quality_study.py") and about["runs"] == len(table)
    assert about["date"] and "keras" in about["versions"] and about["worker_seconds"] > 0


@every_study
def test_the_stored_values_are_those_that_were_measured(name):
    rows = pd.util.hash_pandas_object(study.stored(name)[0], index=False).to_numpy()
    assert hashlib.sha256(rows.tobytes()).hexdigest()[:16] == VALUES[name]


def test_the_comparison_of_vae_and_gan_is_whole():
    table, about = study.stored("vae_and_gan")
    rows = pd.util.hash_pandas_object(table, index=False).to_numpy()
    assert hashlib.sha256(rows.tobytes()).hexdigest()[:16] == "b97d8ff412de7374"
    assert set(table.groupby("way")["seed"].nunique()) == {3}
    assert about["command"] == "python scripts/vae_and_gan_study.py --store"


def test_the_study_of_text_is_whole():
    table, about = study.stored("text")
    rows = pd.util.hash_pandas_object(table, index=False).to_numpy()
    assert hashlib.sha256(rows.tobytes()).hexdigest()[:16] == "307b756e8164f349"
    runs = table[table["part"] != "memorising"]
    assert set(runs.groupby(["part", "kind", "amount"])["seed"].nunique()) == {3}
    assert about["command"].startswith("python scripts/text_study.py")


@every_study
def test_stored_runs_of_one_seed_share_what_is_held_out_and_differ_in_what_they_are_trained_on(name):
    table, _ = study.stored(name)
    assert table["held_out_hash"].nunique() == 1
    plain = table[(table["training_hash"] != "") & (table["model"] != "real")]
    for _, group in plain.groupby(["model", "seed", "items"]):
        clean = group[(group["severity"] == 0) & (group["cleaning"] == "none")]["training_hash"]
        dirty = group[(group["severity"] > 0) & (group["cleaning"] == "none")]["training_hash"]
        assert not set(clean) & set(dirty) and dirty.is_unique
    for _, group in plain.groupby(["corruption", "severity", "items", "cleaning", "seed"]):
        assert group["training_hash"].nunique() == 1  # both models were trained on the same images


def test_samples_are_stored_for_every_severity():
    cells = STUDIES["data_quality"].cells()
    wanted = {(cell.corruption, cell.severity) for cell in cells if cell.model == "gan"}
    found = study.stored_samples("data_quality")
    assert set(found) == wanted
    assert all(each.shape == (24, 28, 28) and each.dtype == np.uint8 for each in found.values())
    with pytest.raises(ValueError, match="no samples of a study 'nothing' are stored"):
        study.stored_samples("nothing")


def test_the_study_of_recordings_is_whole():
    from scripts import sound_quality_study

    table, about = study.stored("sound_quality")
    assert set(table["status"]) == {"finished"} and about["runs"] == len(sound_quality_study.cells()) == 148
    runs = table[table["model"] != "real"]
    cells = runs[["seed", "corruption", "severity", "cleaning"]].drop_duplicates().itertuples(False, None)
    assert set(cells) == set(sound_quality_study.cells())
    assert set(runs.groupby(["model", "corruption", "severity", "cleaning"])["seed"].nunique()) == {4}
    assert about["command"] == "python scripts/sound_quality_study.py --folder FOLDER --store"


@pytest.mark.slow
def test_a_fresh_run_falls_where_the_stored_study_says(tmp_path):
    """A seed that the study did not use, clean and blurred; 12 s on two cores."""
    stored, _ = study.stored("data_quality")
    live = study.Study("live", "blur", (0, 0.4), "vae", 60)
    table = study.run(live, tmp_path, workers=0, progress=False)
    assert table["held_out_hash"].unique().tolist() == stored["held_out_hash"].unique().tolist()
    for severity in (0, 0.4):
        for score in ("kid", "label_accuracy", "elbo"):
            fresh = study.values(table, score, "vae", "blur", severity)
            known = study.values(stored, score, "vae", "blur", severity)
            inside, expected = study.agrees(fresh, known, level=1 - 0.01 / 6)
            assert inside, f"{score} at {severity}: {fresh.mean():.4f}, expected {expected}"
    worse = study.harm("kid", *(study.values(table, "kid", "vae", "blur", d) for d in (0.4, 0)))
    assert worse.iloc[0] > 0.05


def test_the_package_is_light_until_a_model_is_needed():
    heavy = "{'tensorflow', 'keras', 'matplotlib', 'distributed'}"
    code = f"import sys, aigc_lab.study; print(sorted({heavy} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


def test_the_script_names_its_studies_and_refuses_others(capsys):
    from scripts import data_quality_study

    with pytest.raises(SystemExit):
        data_quality_study.main(["--folder", "x", "--only", "nothing"])
    assert "invalid choice: 'nothing'" in capsys.readouterr().err


def test_a_table_is_stored_with_what_it_was_made_by(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "STORED", tmp_path)
    frame = pd.DataFrame({"value": [1.0, 2.0]})
    path = study.write_stored("trial", frame, "a_script.py", rows=2)
    assert path == tmp_path / "trial.parquet"
    read, about = study.read_table(path)
    assert read.equals(frame) and about["rows"] == 2
    assert about["command"] == "python scripts/a_script.py --folder FOLDER --only trial --store"
    assert about["versions"] == study.versions() and "cores" in about["machine"]


def test_the_study_of_copies_is_whole():
    table, about = study.stored("copies")
    runs = table[table["part"] == "run"]
    assert set(runs.groupby(["model", "arm"])["seed"].nunique()) == {3} and len(runs) == 48
    assert not about["quick"]
    groups = table[table["part"] == "group"]
    assert groups[groups["repeats"] == 0]["extracted"].sum() == 0, "what was never trained cannot come out"
    items, _ = study.stored("copies_items")
    assert len(items) == 85_200 and set(items["model"]) == set(runs["model"])
