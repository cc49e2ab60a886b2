"""Checkpoints of ``train.fit``: every variable of model and optimizer, and the history so far."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from aigc_lab.collect.atomic import atomic_write


def values_of(variables: list[Any]) -> list[np.ndarray]:
    from keras import ops

    return [ops.convert_to_numpy(variable).copy() for variable in variables]


def digest(data: list[np.ndarray]) -> str:
    return hashlib.sha256(
        b"".join(hashlib.sha256(np.ascontiguousarray(each)).digest() for each in data)
    ).hexdigest()


def store(path: Path, state: list[Any], settings: str, done: int, rows: list[dict[str, float]]) -> None:
    about = json.dumps({"settings": settings, "done": done, "rows": rows})
    arrays = {f"variable_{number}": value for number, value in enumerate(values_of(state))}
    with atomic_write(path) as stream:
        np.savez(stream, about=np.array(about), **arrays)


def restore(path: Path, state: list[Any], settings: str) -> tuple[int, list[dict[str, float]]]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            values = [stored[f"variable_{number}"] for number in range(len(state))]
    except Exception as error:
        raise ValueError(
            f"{path} is no checkpoint of this model ({error}); delete it to train anew"
        ) from error
    shapes_differ = any(value.shape != tuple(each.shape) for value, each in zip(values, state, strict=True))
    if about["settings"] != settings or shapes_differ:
        raise ValueError(
            f"{path} belongs to another run (other data, settings or model); delete it or name another"
        )
    for variable, value in zip(state, values, strict=True):
        variable.assign(value)
    return about["done"], about["rows"]
