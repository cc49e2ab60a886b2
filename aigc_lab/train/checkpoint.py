"""Checkpoints of ``train.fit``: every variable of model and optimizer, and the history so far.

A checkpoint is one ``.npz`` file: the arrays, and a JSON text that says which run it belongs to. It is
written beside the old one and renamed, so a killed process or a full disk leaves the old one whole.
Introduced in notebook 12; early stopping in notebook 13.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from aigc_lab.collect.dataset import atomic_write


def values_of(variables: list[Any]) -> list[np.ndarray]:
    from keras import ops

    return [ops.convert_to_numpy(variable).copy() for variable in variables]


def give(variables: list[Any], values: list[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def digest(data: list[np.ndarray]) -> str:
    return hashlib.sha256(
        b"".join(hashlib.sha256(np.ascontiguousarray(each)).digest() for each in data)
    ).hexdigest()


def ready(path: Path, state: list[Any]) -> None:
    """Ask before the first step whether a checkpoint can be written, not after an hour of training.

    What a killed process left half written beside ``path`` is removed.

    Raises:
        OSError: ``path`` is a folder, its folder cannot be written in, or has no room for the file.
    """
    if path.is_dir():
        raise IsADirectoryError(
            errno.EISDIR, f"{path} is a folder; name a file in it, such as {path / 'run.npz'}"
        )
    needed = sum(int(np.prod(each.shape)) * 4 for each in state)  # values of four bytes, one copy more
    probe = path.with_name(f".{path.name}.probe")
    with atomic_write(probe) as stream:
        stream.write(b"?")
    probe.unlink()
    for left in path.parent.glob(f".{path.name}.*.part"):
        left.unlink(missing_ok=True)
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise OSError(
            errno.ENOSPC,
            f"the folder {path.parent} has {free / 1e6:.1f} MB left and the checkpoint takes "
            f"{needed / 1e6:.1f} MB; make room or choose another folder",
        )


def store(path: Path, state: list[Any], settings: dict[str, Any], done: int, rows: list[dict]) -> None:
    """Write the checkpoint of step ``done``.

    Raises:
        OSError: it cannot be written; the message says why. Model and older checkpoint stay as they are.
    """
    about = json.dumps({"backend": _backend(), "settings": settings, "done": done, "rows": rows})
    arrays = {f"variable_{number}": value for number, value in enumerate(values_of(state))}
    try:
        with atomic_write(path) as stream:
            np.savez(stream, about=np.array(about), **arrays)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        words = (
            f"the checkpoint of step {done} was not written, and the model keeps the weights of step {done}"
        )
        raise OSError(error.errno, f"{words}: {error.strerror}") from error


def restore(path: Path, state: list[Any], settings: dict[str, Any]) -> tuple[int, list[dict[str, float]]]:
    """Put the checkpoint's values into ``state``: all of them, or none if it does not fit.

    Returns:
        The steps that are done, and the rows of the history so far.

    Raises:
        ValueError: it cannot be read, or belongs to another backend, architecture, data set or settings.
    """
    try:
        about, values = _read(path)
    except Exception as error:
        raise ValueError(
            f"{path} is no checkpoint that can be read ({' '.join(str(error).split())[:120]}): it was cut "
            "off, or is another file; copy it again, or delete it to train anew"
        ) from error
    if about["backend"] != _backend():
        raise ValueError(
            f"{path} was written on the Keras backend {about['backend']}, and this is {_backend()}: random "
            f"numbers differ between them; start with KERAS_BACKEND={about['backend']}, or name another file"
        )
    there, here = ([tuple(each.shape) for each in variables] for variables in (values, state))
    if there != here:
        pairs = enumerate(zip(there, here, strict=False))
        unequal = (f"variable {n} has shape {one} there, {two} here" for n, (one, two) in pairs if one != two)
        what = next(unequal) if len(there) == len(here) else f"{len(there)} variables there, {len(here)} here"
        raise ValueError(
            f"{path} belongs to another run, with a model of other layers ({what}); "
            "build the model with the settings that it was trained with, or name another file"
        )
    stored = about["settings"]
    differing = [
        "other data" if name == "data" else f"{name} was {stored.get(name)}, now {value}"
        for name, value in settings.items()
        if stored.get(name) != value
    ]
    if differing:
        raise ValueError(
            f"{path} belongs to another run ({'; '.join(differing)}); go on with its settings, or name "
            "another file"
        )
    give(state, values)
    return about["done"], about["rows"]


def steps_done(path: Path) -> int:
    """The step of a checkpoint; 0 if there is none that can be read."""
    try:
        return int(_read(path)[0]["done"])
    except Exception:
        return 0


def lowest(rows: list[dict[str, float]]) -> int:
    """The number of the report with the lowest ``validation_loss``, by which early stopping goes.

    Prechelt 1998, "Early stopping, but when?", section 2, with patience.
    """
    losses = np.array([row["validation_loss"] for row in rows])
    return int(np.argmin(np.where(np.isfinite(losses), losses, np.inf)))


def _read(path: Path) -> tuple[dict[str, Any], list[np.ndarray]]:
    with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as stored:
        values = [stored[f"variable_{number}"] for number in range(len(stored.files) - 1)]
        return json.loads(str(stored["about"])), values


def _backend() -> str:
    import keras

    return keras.backend.backend()
