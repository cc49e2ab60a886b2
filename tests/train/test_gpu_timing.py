"""The script that times a GPU: a row for each round, and one sentence where there is no GPU."""

import pandas as pd
import pytest

keras = pytest.importorskip("keras")

from aigc_lab import train  # noqa: E402
from scripts import gpu_timing  # noqa: E402


def test_a_row_for_each_model_and_round():
    table = gpu_timing.measured(["cpu"], ["tiny"], rounds=2, seconds=0.02)
    assert table.groupby(["model", "round"]).size().to_dict() == {
        (model, number): 1 for model in ("VAE", "GAN", "Transformer") for number in (0, 1)
    }
    assert (table[["steps_per_second", "weights", "batch_size"]] > 0).all(axis=None)
    assert (table["seconds_to_start"] >= 0).all() and set(table["device"]) == {"cpu"}


def test_without_a_gpu_nothing_is_written_and_one_sentence_says_why(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    backend = keras.backend.backend()
    if train.devices((backend,)).backends[backend]["gpus"]:
        pytest.skip("there is a GPU here")
    assert gpu_timing.main(["--file", str(tmp_path / "timing.csv")]) == 1
    assert capsys.readouterr().err.startswith("nothing was timed: ")
    assert not list(tmp_path.iterdir())


def test_the_file_is_what_notebook_12_reads(tmp_path, monkeypatch):
    """With the CPU in place of a GPU, since the format does not ask what was timed."""
    found = train.devices((keras.backend.backend(),))
    found.backends[keras.backend.backend()]["gpus"] = ["a card"]
    monkeypatch.setattr(train, "devices", lambda backends: found)
    monkeypatch.setattr(gpu_timing.Timer, "__init__", lambda self, *about: setattr(self, "about", about[:3]))
    row = {"model": "VAE", "size": "tiny", "seconds_to_start": 1.0, "steps_per_second": 5.0}
    monkeypatch.setattr(gpu_timing.Timer, "round", lambda self: row | {"device": self.about[2]})
    assert gpu_timing.main(["--file", str(tmp_path / "new" / "t.csv"), "--sizes", "tiny"]) == 0
    timing = pd.read_csv(tmp_path / "new" / "t.csv")
    assert set(timing["device"]) == {"cpu", "gpu"} and (timing["gpu"] == "a card").all()
    speed = timing.pivot_table(index=["model", "size", "round"], columns="device", values="steps_per_second")
    assert len(speed) == 5 and list(speed) == ["cpu", "gpu"]
