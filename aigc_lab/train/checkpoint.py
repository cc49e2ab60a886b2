"""Checkpoints of ``train.fit``: every variable of model and optimizer, and the history so far.

A checkpoint is one ``.npz`` file: the arrays, and a JSON text that says which run it belongs to. It is
written beside the old one and renamed, so a killed process or a full disk leaves the old one whole.
Introduced in notebook 12; early stopping, at the end, in notebook 13.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
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


def random_state(model: Any) -> list[Any]:
    """The variables from which a model's noise is drawn."""
    return [variable for variable in model.variables if "seed_generator_state" in variable.path]


@contextmanager
def kept(variables: list[Any]) -> Iterator[None]:
    """The block may change the variables: their values come back at its end, however it ends."""
    before = values_of(variables)
    try:
        yield
    finally:
        give(variables, before)


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
        raise IsADirectoryError(21, f"{path} is a folder; name a file in it, such as {path / 'run.npz'}")
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
            28,
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
        older = "the checkpoint of before is whole" if path.is_file() else "there is no older checkpoint"
        raise OSError(
            error.errno,
            f"the checkpoint of step {done} was not written: {_reason(error, path)}. The model keeps the "
            f"weights of step {done}, and {older}",
        ) from error


def restore(path: Path, state: list[Any], settings: dict[str, Any]) -> tuple[int, list[dict[str, float]]]:
    """Put the checkpoint's values into ``state``: all of them, or none if it does not fit.

    Returns:
        The steps that are done, and the rows of the history so far.

    Raises:
        ValueError: it cannot be read, or belongs to another backend, architecture, data set or settings.
    """
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            values = [stored[f"variable_{number}"] for number in range(len(stored.files) - 1)]
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
        raise ValueError(
            f"{path} belongs to another run, with a model of other layers ({_difference(there, here)}); "
            "build the model with the settings that it was trained with, or name another file"
        )
    differing = [name for name in settings if about["settings"].get(name) != settings[name]]
    if differing:
        words = [
            f"{name} was {about['settings'].get(name)}, now {settings[name]}"
            if name != "data"
            else "other data"
            for name in differing
        ]
        raise ValueError(
            f"{path} belongs to another run ({'; '.join(words)}); go on with its settings, or name another "
            "file"
        )
    give(state, values)
    return about["done"], about["rows"]


def steps_done(path: Path) -> int:
    """The step of a checkpoint; 0 if there is none that can be read."""
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as stored:
            return int(json.loads(str(stored["about"]))["done"])
    except Exception:
        return 0


def _backend() -> str:
    import keras

    return keras.backend.backend()


def _difference(there: list[tuple[int, ...]], here: list[tuple[int, ...]]) -> str:
    if len(there) != len(here):
        return f"{len(there)} variables there, {len(here)} here"
    number = next(
        number for number, shapes in enumerate(zip(there, here, strict=True)) if len(set(shapes)) > 1
    )
    return f"variable {number} has shape {there[number]} there, {here[number]} here"


def _reason(error: OSError, path: Path) -> str:
    if error.errno == 28:
        return f"no space is left in {path.parent}; make room or choose another folder, and go on"
    return str(error.strerror or error)


# -- early stopping ------------------------------------------------------------------------------------


class Best:
    """The state of the report with the lowest ``validation_loss`` so far.

    Whether to stop is computed from the rows of the history alone, so a run that goes on from a
    checkpoint stops where the uninterrupted run stops (Prechelt 1998, section 2: patience).

    Args:
        patience: reports without a new lowest loss after which training stops; None: it never stops.
        state: the variables of model and optimizer.
        checkpoint: of the run; the best state then lies beside it, so that it survives an interrupt.

    Raises:
        ValueError: ``patience`` is no whole number from 1 up, or there is no validation loss to watch.
    """

    def __init__(
        self,
        patience: int | None,
        state: list[Any],
        checkpoint: Any,
        settings: dict[str, Any],
        validated: bool,
    ) -> None:
        if patience is not None:
            if isinstance(patience, bool) or int(patience) != patience or patience < 1:
                raise ValueError(f"patience must be a whole number of reports from 1 up, got {patience!r}")
            if not validated:
                raise ValueError("patience watches the validation loss: give validation=(x,) as well")
        self.patience, self.state, self.settings = patience, state, settings
        self.file = None if checkpoint is None else Path(f"{checkpoint}.best")
        self.values: list[np.ndarray] = []

    def stops(self, rows: list[dict[str, float]]) -> bool:
        """Whether so many reports have gone by without a new lowest loss."""
        if self.patience is None or not rows:
            return False
        return len(rows) - 1 - self._lowest(rows) >= self.patience

    def keep(self, done: int, rows: list[dict[str, float]]) -> None:
        """Take note of the present state, if it is the best so far."""
        if self.patience is None or self._lowest(rows) != len(rows) - 1:
            return
        if self.file is None:
            self.values = values_of(self.state)
        else:
            store(self.file, self.state, self.settings, done, rows)

    def put_back(self) -> None:
        """Give the model the weights of the lowest loss."""
        if self.patience is None:
            return
        if self.file is not None:
            restore(self.file, self.state, self.settings)
        elif self.values:
            give(self.state, self.values)

    @staticmethod
    def _lowest(rows: list[dict[str, float]]) -> int:
        losses = np.array([row["validation_loss"] for row in rows])
        return int(np.argmin(np.where(np.isfinite(losses), losses, np.inf)))
