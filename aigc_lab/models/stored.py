"""Trained models that the package ships, to stand beside what a notebook trains in seconds.

``NAME.npz`` holds the weights as half-precision numbers (no pickle), ``NAME.json`` says how the model is
built and how it was trained. Written by ``scripts/train_stored_models.py``. Introduced in notebook 06.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent / "weights"


def names() -> list[str]:
    """The models that can be loaded."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def about(name: str) -> dict[str, Any]:
    """How a stored model was made: builder, arguments, data, steps, seconds, command, held-out figures.

    Raises:
        ValueError: there is no such model.
    """
    if name not in names():
        raise ValueError(f"there is no stored model {name!r}; there is {', '.join(names()) or 'none'}")
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def load(name: str) -> Any:
    """A stored model, built anew and given its trained weights.

    Raises:
        ValueError: there is no such model, or its builder has changed since.
        OSError: the weights are missing or not those that the description states.
    """
    description = about(name)
    path = FOLDER / f"{name}.npz"
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != description["sha256"]:
        raise OSError(f"the weights of {name} ({path.name}) are missing or damaged; install aigc-lab again")
    family, function = description["builder"].split(".")  # such as "vae.convolutional_vae"
    build = getattr(importlib.import_module(f"aigc_lab.models.{family}"), function)
    model = build(**description["arguments"])
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        weights = [stored[key].astype("float32") for key in stored.files]
    shapes = [tuple(weight.shape) for weight in model.weights]
    if shapes != [weight.shape for weight in weights]:
        raise ValueError(
            f"{description['builder']} no longer builds the network of {name}; "
            f"train it again: {description['command']}"
        )
    model.set_weights(weights)
    return model


def save(
    name: str, model: Any, builder: str, arguments: Mapping[str, Any], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the weights of a trained model and its description; what it then says about itself.

    Args:
        builder: the function that built it, such as ``"vae.convolutional_vae"``.
        arguments: what it was built with, in JSON types.
        facts: whatever a reader should know: data, steps, seconds, command, held-out figures.

    Raises:
        ValueError: weights that half precision cannot hold.
    """
    weights = [np.asarray(weight, "float32") for weight in model.get_weights()]
    with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is refused
        halves = [weight.astype("float16") for weight in weights]
    if not all(np.isfinite(half).all() for half in halves):
        raise ValueError(f"{name} has weights that half precision cannot hold; nothing was written")
    archive = io.BytesIO()
    np.savez_compressed(archive, **{f"{number:03d}": half for number, half in enumerate(halves)})
    content = archive.getvalue()
    description = {
        "builder": builder,
        "arguments": dict(arguments),
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "parameters": int(sum(weight.size for weight in weights)),
        **facts,
    }
    words = json.dumps(description, indent=1, ensure_ascii=False) + "\n"
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.npz").write_bytes(content)
    (FOLDER / f"{name}.json").write_text(words, encoding="utf-8")
    return description
