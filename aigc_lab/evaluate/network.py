"""The frozen feature network: its shape, and its forward pass in NumPy.

Five convolutions, a mean over positions, one dense layer. The forward pass needs no
deep-learning framework, so importing it is cheap and a score is the same number
whichever Keras backend trained the generator. The weights come from
``scripts/train_feature_network.py``. Introduced in notebook 00.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from threadpoolctl import threadpool_limits

PICTURE_SIZE = 28
# One convolution a row: kernel size, stride, channels out. Padding "same", then ReLU.
CONVOLUTIONS = ((5, 2, 24), (3, 1, 48), (3, 2, 80), (3, 1, 80), (3, 2, 96))
FEATURE_SIZE = CONVOLUTIONS[-1][2]

# The classes of the network by the data set they come from, in the order of its outputs.
GROUPS: dict[str, tuple[str, ...]] = {
    "animals": ("bear", "bird", "cat", "cow", "dog", "elephant", "giraffe", "horse", "sheep", "zebra"),
    "quickdraw": ("apple", "bicycle", "cat", "diamond", "eye", "fish"),
    "digits": tuple("0123456789"),
}
CLASS_NAMES: tuple[str, ...] = tuple(f"{group}/{name}" for group, names in GROUPS.items() for name in names)

_WEIGHTS_FILE = "feature_network.npz"
_ABOUT_FILE = "feature_network.json"
_CHUNK = 128  # pictures a thread works on at once: the unfolded pictures stay within the processor's cache


@lru_cache(maxsize=1)
def about() -> dict[str, Any]:
    """What is known of the shipped network: accuracy, training data, licence, seed, SHA-256."""
    return json.loads(resources.files(__package__).joinpath(_ABOUT_FILE).read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def weights() -> dict[str, np.ndarray]:
    """The shipped weights as ``float32`` arrays, read once.

    Raises:
        OSError: the file is not the one whose hash the description states.
    """
    content = resources.files(__package__).joinpath(_WEIGHTS_FILE).read_bytes()
    if hashlib.sha256(content).hexdigest() != about()["weights_sha256"]:
        raise OSError(f"the feature network's weights ({_WEIGHTS_FILE}) are damaged; install aigc-lab again")
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return {name: stored[name].astype(np.float32) for name in stored.files}


def _unfold(pictures: np.ndarray, kernel: int, stride: int) -> np.ndarray:
    """Every window of the padded pictures as a row: (n, h, w, c) -> (n, h', w', kernel * kernel * c)."""
    count, height, width, channels = pictures.shape
    out_height, out_width = -(-height // stride), -(-width // stride)
    # "same" padding as Keras does it: what is missing, and the odd pixel at the bottom and right.
    missing = [
        max((out - 1) * stride + kernel - size, 0) for out, size in ((out_height, height), (out_width, width))
    ]
    before = [total // 2 for total in missing]
    padded = np.zeros((count, height + missing[0], width + missing[1], channels), pictures.dtype)
    padded[:, before[0] : before[0] + height, before[1] : before[1] + width] = pictures
    item, row, column, channel = padded.strides
    # A window's row of pixels lies side by side in memory, so it is copied in one run.
    windows = as_strided(
        padded,
        (count, out_height, out_width, kernel, kernel * channels),
        (item, row * stride, column * stride, row, channel),
        writeable=False,
    )
    return windows.reshape(count, out_height, out_width, kernel * kernel * channels)


def forward(pictures: np.ndarray, parameters: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Features and class logits of pictures.

    Args:
        pictures: ``float32`` (n, 28, 28, 1) in [0, 1].
        parameters: ``kernel0`` (k, k, c_in, c_out), ``bias0`` (c_out,), ... and ``dense`` (96, classes),
            ``dense_bias`` (classes,).

    Returns:
        features ``float32`` (n, 96), never negative, and logits ``float32`` (n, classes).
    """
    hidden = pictures
    for number, (kernel, stride, channels) in enumerate(CONVOLUTIONS):
        rows = _unfold(hidden, kernel, stride)  # (n, h', w', k * k * c_in)
        flat = rows.reshape(-1, rows.shape[-1]) @ parameters[f"kernel{number}"].reshape(-1, channels)
        flat += parameters[f"bias{number}"]
        np.maximum(flat, 0, out=flat)
        hidden = flat.reshape(*rows.shape[:3], channels)
    features = hidden.mean(axis=(1, 2))  # (n, 4, 4, 96) -> (n, 96)
    return features, features @ parameters["dense"] + parameters["dense_bias"]


def run(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``forward`` with the shipped weights, in chunks spread over the processor's cores."""
    parameters = weights()
    starts = range(0, len(pictures), _CHUNK)
    if not starts:
        return np.zeros((0, FEATURE_SIZE), np.float32), np.zeros((0, len(CLASS_NAMES)), np.float32)
    # Threads here and threads inside each matrix product would fight over the same cores.
    with threadpool_limits(limits=1), ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 8)) as pool:
        parts = list(pool.map(lambda start: forward(pictures[start : start + _CHUNK], parameters), starts))
    features, logits = zip(*parts, strict=True)
    return np.concatenate(features), np.concatenate(logits)
