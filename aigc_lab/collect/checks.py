"""What a ``Dataset`` accepts, and how it keeps texts in an array file.

Each check raises ValueError with one sentence that says what to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def pack_text(items: Sequence[str]) -> dict[str, np.ndarray]:
    """All texts as one run of UTF-8 bytes and their lengths.

    A NumPy array of strings would drop NUL characters at the end of a text and store
    every text as wide as the longest one, four bytes a character.
    """
    encoded = [item.encode("utf-8", "surrogatepass") for item in items]
    return {
        "text": np.frombuffer(b"".join(encoded), dtype="uint8"),
        "lengths": np.array([len(item) for item in encoded], dtype="int64"),
    }


def unpack_text(stored: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    ends = np.cumsum(stored["lengths"])
    joined = stored["text"].tobytes()
    starts = ends - stored["lengths"]
    return tuple(joined[a:b].decode("utf-8", "surrogatepass") for a, b in zip(starts, ends, strict=True))


def read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view


def checked_text(items: Any) -> tuple[str, ...]:
    if isinstance(items, (str, bytes)):
        raise ValueError("text data must be a sequence of str, got one string; put it in a list")
    items = tuple(items)
    if not all(isinstance(item, str) for item in items):
        raise ValueError("text data must be a sequence of str; decode bytes before making a Dataset")
    return tuple(str(item) for item in items)


def checked_array(data: Any, modality: str) -> np.ndarray:
    try:
        data = np.asarray(data)
        finite = data.dtype == np.uint8 or bool(np.isfinite(data).all())
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{modality} must be one array of numbers with items of one size; resize them first"
        ) from error
    if modality == "audio":
        if data.ndim != 2:
            raise ValueError(f"audio must have shape (n, samples), got {data.shape}")
        if not finite:
            raise ValueError("audio holds NaN or infinite values; drop or repair those clips first")
        if data.size and (data.min() < -1 or data.max() > 1):
            raise ValueError(f"audio must lie in [-1, 1], got {data.min()} to {data.max()}; scale it first")
        return read_only(data.astype("float32", copy=False))
    if data.ndim not in (3, 4):
        raise ValueError(
            f"images must have shape (n, height, width) or (n, height, width, channels), got {data.shape}"
        )
    if not finite:
        raise ValueError("images hold NaN or infinite values; drop or repair those items first")
    if data.dtype != np.uint8:
        raise ValueError(
            f"images must be uint8 with values 0 to 255, got {data.dtype}; scale and round them first"
        )
    return read_only(data)


def checked_class_names(names: Any) -> tuple[str, ...]:
    if isinstance(names, str):
        raise ValueError(f"class_names must be a sequence of names, got the one string {names!r}")
    names = tuple(str(name) for name in names)
    twice = (
        [name for name in dict.fromkeys(names) if names.count(name) > 1]
        if len(set(names)) < len(names)
        else []
    )
    if twice:
        raise ValueError(
            f"the class name {twice[0]!r} is given more than once; each class needs its own name"
        )
    return names


def checked_labels(labels: Any, length: int, class_names: Sequence[str]) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.shape != (length,):
        raise ValueError(
            f"there are {length} items but labels of shape {labels.shape}; give one label for each item"
        )
    if length and not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels must be integers that index class_names, got {labels.dtype}")
    if length and (labels.min() < 0 or labels.max() >= len(class_names)):
        raise ValueError(
            f"labels go from {labels.min()} to {labels.max()}, but there are {len(class_names)} class names"
        )
    return read_only(labels.astype("int64", copy=False))
