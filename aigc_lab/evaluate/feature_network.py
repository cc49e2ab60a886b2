"""The frozen feature networks, in NumPy: features, classes, class accuracy.

One for 28 x 28 images, and from notebook 27 one for the pictures of spoken digits (``evaluate.spoken``); the
shape of the pictures says which. Five convolutions, a mean over positions, one dense layer. No deep-learning
framework is needed, so importing it is cheap and a score is the same number whichever Keras backend trained
the generator. The weights come from ``scripts/train_feature_network.py``. Introduced in notebook 00.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from threadpoolctl import threadpool_limits

from aigc_lab.evaluate import spoken
from aigc_lab.evaluate.intervals import Score, share

IMAGE_SIZE = 28
SPOKEN_SIZE = spoken.FRAMES, spoken.BANDS
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
# Of the network for spoken digits: two questions about one picture, each answered on its own.
SPOKEN_GROUPS: dict[str, tuple[str, ...]] = {
    "spoken-digits": tuple("0123456789"),
    "speakers": ("george", "jackson", "lucas", "nicolas", "theo", "yweweler"),
}
FILES = {"images": "feature_network", "spoken": "spoken_network"}

_CHUNK = 128  # images a thread works on at once: the unfolded images stay within the processor's cache


@lru_cache(maxsize=2)
def about(network: str = "images") -> dict[str, Any]:
    """What is known of a shipped network, ``"images"`` or ``"spoken"``: accuracy, data, licence, seed, hash.

    Raises:
        ValueError: there is no such network.
    """
    if network not in FILES:
        raise ValueError(f"there is no network {network!r}; there is {' and '.join(FILES)}")
    return json.loads(
        resources.files(__package__).joinpath(f"{FILES[network]}.json").read_text(encoding="utf-8")
    )


@lru_cache(maxsize=2)
def weights(network: str = "images") -> dict[str, np.ndarray]:
    """The shipped weights of a network as ``float32`` arrays, read once.

    Raises:
        OSError: the file is not the one whose hash the description states.
    """
    file = f"{FILES[network]}.npz"
    content = resources.files(__package__).joinpath(file).read_bytes()
    if hashlib.sha256(content).hexdigest() != about(network)["weights_sha256"]:
        raise OSError(f"the feature network's weights ({file}) are damaged; install aigc-lab again")
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return {name: stored[name].astype(np.float32) for name in stored.files}


def _unfold(images: np.ndarray, kernel: int, stride: int) -> np.ndarray:
    """Every window of the padded images as a row: (n, h, w, c) -> (n, h', w', kernel * kernel * c)."""
    # "same" padding as Keras does it: what is missing, and the odd pixel at the bottom and right.
    missing = [max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in images.shape[1:3]]
    padded = np.pad(images, [(0, 0), *((total // 2, total - total // 2) for total in missing), (0, 0)])
    # A window's row of pixels lies side by side in memory, so it is copied in one run.
    channels, rows = images.shape[3], padded.reshape(*padded.shape[:2], -1)  # (n, h, w * c)
    windows = sliding_window_view(rows, (kernel, kernel * channels), axis=(1, 2))
    windows = windows[:, ::stride, :: stride * channels]  # (n, h', w', kernel, kernel * c)
    return windows.reshape(*windows.shape[:3], -1)


def forward(images: np.ndarray, parameters: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Features and class logits of images.

    Args:
        images: ``float32`` (n, 28, 28, 1) in [0, 1], or of another size (n, height, width, 1).
        parameters: ``kernel0`` (k, k, c_in, c_out), ``bias0`` (c_out,), ... and ``dense`` (96, classes),
            ``dense_bias`` (classes,).

    Returns:
        features ``float32`` (n, 96), never negative, and logits ``float32`` (n, classes).
    """
    hidden = images
    for number, (kernel, stride, channels) in enumerate(CONVOLUTIONS):
        rows = _unfold(hidden, kernel, stride)  # (n, h', w', k * k * c_in)
        flat = rows.reshape(-1, rows.shape[-1]) @ parameters[f"kernel{number}"].reshape(-1, channels)
        flat += parameters[f"bias{number}"]
        np.maximum(flat, 0, out=flat)
        hidden = flat.reshape(*rows.shape[:3], channels)
    features = hidden.mean(axis=(1, 2))  # (n, h / 8, w / 8, 96) -> (n, 96)
    return features, features @ parameters["dense"] + parameters["dense_bias"]


def run(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``forward`` with the shipped weights, in chunks spread over the processor's cores."""
    parameters = weights("spoken" if images.shape[1:3] == SPOKEN_SIZE else "images")
    starts = range(0, len(images), _CHUNK)
    if not starts:
        empty = np.zeros((0, FEATURE_SIZE), np.float32)
        return empty, empty @ parameters["dense"]
    # Threads here and threads inside each matrix product would fight over the same cores.
    with threadpool_limits(limits=1), ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 8)) as pool:
        parts = list(pool.map(lambda start: forward(images[start : start + _CHUNK], parameters), starts))
    features, logits = zip(*parts, strict=True)
    return np.concatenate(features), np.concatenate(logits)


def as_images(images: Any) -> np.ndarray:
    """Images as the small networks want them: ``float32`` (n, 28, 28, 1) or (n, 64, 40, 1) in [0, 1].

    Args:
        images: ``uint8`` 0 to 255, or floats in [0, 1]; shape (n, 28, 28) or (n, 28, 28, 1);
            or a ``Dataset`` of such. Or pictures of spoken digits (n, 64, 40[, 1]): ``spoken.pictures``.

    Raises:
        ValueError: another size, more than one channel, NaN, or values outside the range.
    """
    table = np.asarray(getattr(images, "data", images) if not isinstance(images, np.ndarray) else images)
    sizes = (IMAGE_SIZE, IMAGE_SIZE), SPOKEN_SIZE
    if table.ndim not in (3, 4) or table.shape[1:3] not in sizes or table.shape[3:] not in ((), (1,)):
        raise ValueError(
            f"the feature network reads grey images (n, {IMAGE_SIZE}, {IMAGE_SIZE}) or (n, {IMAGE_SIZE}, "
            f"{IMAGE_SIZE}, 1), not {table.shape}; for colour and other sizes use evaluate.photo_vectors, "
            "for sound evaluate.spoken.pictures first"
        )
    return unit_range(table.reshape(*table.shape[:3], 1))  # (n, h, w[, 1]) -> (n, h, w, 1)


def unit_range(images: np.ndarray) -> np.ndarray:
    """Images as ``float32`` in [0, 1], or one sentence about what is wrong with their values."""
    if images.dtype == np.uint8:
        return images.astype(np.float32) / 255
    if not np.issubdtype(images.dtype, np.floating):
        raise ValueError(f"images must be uint8 (0 to 255) or floats in [0, 1], got {images.dtype}")
    if not np.isfinite(images).all():
        bad = int((~np.isfinite(images).all(axis=(1, 2, 3))).sum())
        raise ValueError(
            f"{bad} of {len(images)} images hold NaN or infinite values; the generator has diverged"
        )
    # A rounding error past the ends is forgiven, another scale is not.
    if images.size and (images.min() < -1e-3 or images.max() > 1 + 1e-3):
        raise ValueError(
            f"float images must lie in [0, 1], these go from {images.min():.3g} to {images.max():.3g}; "
            "scale them first"
        )
    return np.clip(images, 0, 1).astype(np.float32)


def features(images: Any) -> np.ndarray:
    """What the frozen network sees in each image, just before it decides on a class.

    Args:
        images: see ``as_images``.

    Returns:
        ``float32`` (n, 96), never negative. No framework is used, so the numbers do not depend
        on the Keras backend.

    Raises:
        ValueError: images of another size or range.
        OSError: the shipped weights are damaged.
    """
    return run(as_images(images))[0]


def classify(images: Any, among: str | None = None) -> np.ndarray:
    """Class probabilities (softmax of the network's logits).

    Args:
        images: see ``as_images``.
        among: ``"animals"``, ``"quickdraw"`` or ``"digits"``: only the classes of that set, in
            the order of ``GROUPS[among]``. None: all, in the order of ``CLASS_NAMES``. For spoken digits
            ``"spoken-digits"`` or ``"speakers"``, in the order of ``SPOKEN_GROUPS[among]``.

    Returns:
        ``float32`` (n, classes); each row adds up to 1.
    """
    return features_and_classes(images, among)[1]


def features_and_classes(images: Any, among: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """What ``features`` and ``classify`` give, in one pass: ``float32`` (n, 96) and (n, classes)."""
    pictures = as_images(images)
    groups = _groups(pictures)
    kept = [(among, name) for name in _names_of(among, groups)] if among or groups is SPOKEN_GROUPS else None
    found, logits = run(pictures)
    if kept:
        outputs = [(group, name) for group, names in groups.items() for name in names]
        logits = logits[:, [outputs.index(each) for each in kept]]
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return found, odds / odds.sum(axis=1, keepdims=True)


def class_accuracy(
    images: Any,
    labels: Sequence[Any] | np.ndarray,
    class_names: Sequence[str] = (),
    among: str | None = None,
) -> Score:
    """Share of images that the network takes for the class they were asked to be.

    For samples of a conditional generator. Real images do not reach 1 either: compare with
    ``class_accuracy`` of held-out real ones, or with ``about()["held_out_accuracy"]``.

    Args:
        images: see ``as_images``.
        labels: integers (n,) that index ``class_names``, or n names.
        class_names: as in ``Dataset.class_names``; not needed if ``labels`` are names.
        among: the set whose classes compete; None: the one set that has all the names.

    Returns:
        a share in [0, 1] with Wilson's interval.

    Raises:
        ValueError: labels of another length, or names that the network does not know.
    """
    wanted = np.asarray(labels)
    if np.issubdtype(wanted.dtype, np.integer):
        if not len(class_names):
            raise ValueError("integer labels need class_names, the name of each class in label order")
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(class_names)):
            raise ValueError(
                f"labels go from {wanted.min()} to {wanted.max()}, but there are {len(class_names)} names"
            )
        wanted = np.asarray(class_names, dtype=str)[wanted]
    names = set(wanted.tolist()) | set(class_names)
    pictures = as_images(images)
    groups = _groups(pictures)
    fitting = [among] if among else [group for group, known in groups.items() if names <= set(known)]
    if len(fitting) != 1:
        why = "no set has" if not fitting else f"{' and '.join(fitting)} have"
        raise ValueError(f"{why} all of {', '.join(sorted(names))}: say among= one of {', '.join(groups)}")
    (among,) = fitting
    known = _names_of(among, groups)
    unknown = sorted(names - set(known))
    if unknown:
        raise ValueError(f"the network knows no {unknown[0]!r} among {among}; it knows {', '.join(known)}")
    probabilities = classify(pictures, among)
    if wanted.shape != (len(probabilities),):
        raise ValueError(f"there are {len(probabilities)} images but labels of shape {wanted.shape}")
    found = np.asarray(known)[probabilities.argmax(axis=1)]
    return share(int((found == wanted).sum()), len(wanted), "class accuracy")


def _groups(pictures: np.ndarray) -> dict[str, tuple[str, ...]]:
    """What the network for pictures of this shape tells apart."""
    return SPOKEN_GROUPS if pictures.shape[1:3] == SPOKEN_SIZE else GROUPS


def _names_of(among: str | None, groups: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    if among not in groups:
        raise ValueError(f"among must be one of {', '.join(groups)} for these pictures, got {among!r}")
    return groups[among]
