"""What is refused before the first step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np


def settings(profile: str, **profiles: dict[str, Any]) -> Any:
    """The settings of one profile, as attributes: ``settings(profile, smoke={...}, classroom={...})``.

    Raises:
        ValueError: an unknown profile; the message names the known ones.
    """
    if profile not in profiles:
        raise ValueError(f"there is no profile {profile!r}; choose one of {', '.join(profiles)}")
    return SimpleNamespace(**profiles[profile])


def checked_data(x: Any, labels: Any = None) -> list[np.ndarray]:
    pictures = np.asarray(x)
    if pictures.dtype in (np.int32, np.int64) and pictures.ndim == 2 and labels is None and len(pictures):
        return [pictures.astype("int32")]  # tokens, (items, length)
    if pictures.dtype == np.uint8:
        raise ValueError("training data must be float in [0, 1], got uint8; use Dataset.arrays()")
    if not len(pictures):
        raise ValueError("there are no items to train on; the set is empty after cleaning or selection")
    bad = ~np.isfinite(pictures).all(axis=tuple(range(1, pictures.ndim)))
    if bad.any():
        raise ValueError(
            f"{bad.sum()} items hold NaN or infinite values, the first is item {bad.argmax()}; "
            "drop or repair them"
        )
    if labels is None:
        return [pictures.astype("float32")]
    labels = np.asarray(labels)
    if labels.shape != (len(pictures),):
        raise ValueError(
            f"there are {len(pictures)} items but labels of shape {labels.shape}; give one for each item"
        )
    return [pictures.astype("float32"), labels.astype("int32")]


def checked_for(model: Any, data: list[np.ndarray], batch_size: int) -> None:
    """What the model itself does not take, said before the first step."""
    if hasattr(model, "check_training_data"):
        model.check_training_data(*data)
    count = len(data[0])
    if batch_size < 1 or count < batch_size:
        raise ValueError(
            f"there are {count} items but batch_size is {batch_size}; choose one from 1 to {count}"
        )
    if batch_size < getattr(model, "smallest_batch", 1):
        raise ValueError(
            f"this model needs {model.smallest_batch} items or more in a batch, got batch_size={batch_size}"
        )


def total_steps(steps: int | None, epochs: float | None, count: int, batch_size: int) -> int:
    if (steps is None) == (epochs is None):
        raise ValueError("say how long to train in exactly one unit: steps=… or epochs=…")
    if batch_size < 1 or count < batch_size:
        raise ValueError(
            f"there are {count} items but batch_size is {batch_size}; choose one from 1 to {count}"
        )
    total = int(steps) if steps is not None else round(epochs * (count // batch_size))
    if total < 1:
        raise ValueError(f"training must last at least one step, got steps={steps}, epochs={epochs}")
    return total


def computes_in_float16(model: Any) -> bool:
    """Whether a layer computes in float16, whose smallest number above 0 is 6e-8."""
    return any(layer.compute_dtype == "float16" for layer in model._flatten_layers())
