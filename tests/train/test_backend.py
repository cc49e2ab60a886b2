"""The backend that is asked for: named when it is missing, before Keras is imported."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from aigc_lab import backend


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


def test_what_is_asked_for_is_found_in_the_environment_and_in_the_file_of_keras(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert backend.check_backend() == "jax"
    monkeypatch.delenv("KERAS_BACKEND")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert backend.check_backend() == "tensorflow"
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "torch"}))
    assert backend.check_backend() == "torch"


def test_one_that_is_missing_is_named_with_its_install_line(monkeypatch, nothing_installed, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for name, words in {
        "torch": r"asks for torch, and PyTorch is not installed: run pip install '\.\[torch\]'.*or set",
        "jax": r"JAX is not installed: run pip install '\.\[jax\]'",
        "tensorflow": r"TensorFlow is not installed: run pip install '\.' in the project's folder$",
        "openvino": "no backend 'openvino' that trains; choose one of tensorflow, jax, torch",
    }.items():
        monkeypatch.setenv("KERAS_BACKEND", name)
        with pytest.raises(ImportError, match=words):
            backend.check_backend()
    monkeypatch.delenv("KERAS_BACKEND")
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "torch"}))
    with pytest.raises(ImportError, match=r"the backend in keras\.json asks for torch"):
        backend.check_backend()


def test_a_model_says_so_instead_of_a_line_about_a_module():
    program = (
        "import importlib.util, sys\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: None if name == 'torch' else found(name, *more)\n"
        "from aigc_lab.models import vae"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("ImportError: KERAS_BACKEND asks for torch, and")
    assert "keras/src" not in done.stderr
