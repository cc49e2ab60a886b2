"""Stored models: the weights come back, damage and change are named, nothing else is loaded."""

from __future__ import annotations

import json

import numpy as np
import pytest

from aigc_lab.models import stored, vae

ARGUMENTS = {"image_shape": [8, 8, 1], "latent_size": 2, "width": 4, "seed": 3}
FACTS = {"command": "python scripts/train_stored_models.py small", "steps": 0}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "FOLDER", tmp_path)
    model = vae.convolutional_vae(**{**ARGUMENTS, "seed": 4})
    stored.save("small", model, "vae.convolutional_vae", ARGUMENTS, FACTS)
    return tmp_path, model


def test_a_model_comes_back_with_its_weights_in_half_precision(folder):
    _, model = folder
    again = stored.load("small")
    for before, after in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(before.astype("float16"), after.astype("float16"))
    points = np.random.default_rng(0).standard_normal((5, 2)).astype("float32")
    assert np.abs(model.decode(points) - again.decode(points)).max() < 2e-3
    said = stored.about("small")
    assert said["parameters"] == model.count_params()
    assert said["steps"] == 0


def test_an_unknown_name_damage_and_a_changed_builder_are_named(folder):
    path, _ = folder
    with pytest.raises(ValueError, match="no stored model 'large'; there is small"):
        stored.load("large")
    said = json.loads((path / "small.json").read_text())
    said["arguments"]["width"] = 8
    (path / "small.json").write_text(json.dumps(said))
    with pytest.raises(
        ValueError, match="no longer builds the network of small; train it again: python scri"
    ):
        stored.load("small")
    (path / "small.npz").write_bytes(b"PK")
    with pytest.raises(OSError, match=r"small.npz\) are missing or damaged"):
        stored.load("small")


def test_weights_that_do_not_fit_are_refused_and_nothing_is_written(folder):
    path, model = folder
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    model.set_weights([np.full_like(weight, 1e6) for weight in model.get_weights()])
    with pytest.raises(ValueError, match="half precision cannot hold"):
        stored.save("small", model, "vae.convolutional_vae", ARGUMENTS, FACTS)
    assert before == {file.name: file.read_bytes() for file in path.iterdir()}


@pytest.mark.parametrize("name", stored.names())
def test_every_shipped_model_loads_draws_and_says_how_it_was_made(name):
    model = stored.load(name)
    said = stored.about(name)
    assert said["bytes"] <= 2 * 2**20
    for fact in ("command", "data", "steps", "seconds", "held_out", "licence"):
        assert said[fact], f"{name} does not say its {fact}"
    assert name in said["command"]
    for weight in model.get_weights():
        assert np.isfinite(weight).all()
