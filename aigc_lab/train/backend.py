"""Which Keras backend is asked for, and whether it is there. Introduced in notebook 12."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

NAMES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}


def check_backend() -> str:
    """The backend that Keras is going to take, asked before Keras is imported.

    Keras itself ends in the middle of an import, with a line about a module that nobody has heard of.

    Raises:
        ImportError: a backend that cannot train, or that is not installed; the message says what to do.
    """
    name, where = _asked_for()
    if name not in NAMES:
        raise ImportError(f"there is no backend {name!r} that trains; choose one of {', '.join(NAMES)}")
    if importlib.util.find_spec(name) is None:
        extra = "" if name == "tensorflow" else f"[{name}]"
        other = "" if name == "tensorflow" else f", or set {where} to tensorflow"
        raise ImportError(
            f"{where} asks for {name}, and {NAMES[name]} is not installed: run pip install '.{extra}' in the "
            f"project's folder{other}"
        )
    return name


def _asked_for() -> tuple[str, str]:
    """The name, and how one asks for it: Keras looks into the environment, then into its own file."""
    name = os.environ.get("KERAS_BACKEND")
    if name:
        return name, "KERAS_BACKEND"
    home = os.environ.get("KERAS_HOME")
    file = (Path(home) if home else Path.home() / ".keras") / "keras.json"
    try:
        return str(json.loads(file.read_text())["backend"]), f"the backend in {file.name}"
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow", "KERAS_BACKEND"
