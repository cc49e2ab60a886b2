"""Stage 4, augment: change a picture without changing what it shows.

The transforms are Keras layers, so that the same ones can stand in front of a network.
Introduced in notebook 00.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from aigc_lab.collect.dataset import Dataset


def layers(flip: bool = True, shift: float = 0.0, rotation: float = 0.0, seed: int = 0) -> Any:
    """Label-preserving transforms as one ``keras.Sequential`` for pictures ``(n, height, width, channels)``.

    Args:
        flip: mirror left and right, for half of the pictures.
        shift: largest shift as a share of the height and width; the rim is filled with black.
        rotation: largest turn as a share of a full circle.

    Raises:
        ValueError: a share below 0 or above 0.5, or no transform at all.
    """
    import keras

    for name, share in (("shift", shift), ("rotation", rotation)):
        if not 0 <= share <= 0.5:
            raise ValueError(f"{name} is a share from 0 to 0.5, got {share}")
    steps = []
    if flip:
        steps.append(keras.layers.RandomFlip("horizontal", seed=seed))
    if shift:
        steps.append(keras.layers.RandomTranslation(shift, shift, fill_mode="constant", seed=seed + 1))
    if rotation:
        steps.append(keras.layers.RandomRotation(rotation, fill_mode="constant", seed=seed + 2))
    if not steps:
        raise ValueError("no transform was chosen; set flip=True or give a shift or rotation above 0")
    return keras.Sequential(steps, name="augment")


def mirrored(dataset: Dataset) -> Dataset:
    """The set followed by its mirror image (left and right swapped): twice as many pictures.

    Raises:
        ValueError: the set holds no pictures.
    """
    _pictures_or_raise(dataset)
    return _with_more(dataset, dataset.data[:, :, ::-1])


def expand(dataset: Dataset, transform: Any, copies: int = 1, seed: int = 0) -> Dataset:
    """The set followed by ``copies`` transformed versions of every picture; labels go along.

    Args:
        transform: Keras layers as ``layers`` makes them, called with ``training=True``.
        seed: set before the first picture is drawn, so equal seeds give equal sets.

    Raises:
        ValueError: no pictures, or ``copies`` below 1.
    """
    import keras

    _pictures_or_raise(dataset)
    if copies < 1:
        raise ValueError(f"copies must be at least 1, got {copies}")
    keras.utils.set_random_seed(seed)
    pictures, _ = dataset.arrays()
    made = [keras.ops.convert_to_numpy(transform(pictures, training=True)) for _ in range(copies)]
    changed = np.concatenate([np.rint(np.clip(each, 0, 1) * 255).astype("uint8") for each in made])
    return _with_more(
        dataset, changed.reshape(-1, *dataset.data.shape[1:])
    )  # (copies n, h, w, c) -> data's own shape


def _with_more(dataset: Dataset, pictures: np.ndarray) -> Dataset:
    times = 1 + len(pictures) // max(len(dataset), 1)
    labels = None if dataset.labels is None else np.tile(dataset.labels, times)
    return replace(dataset, data=np.concatenate([dataset.data, pictures]), labels=labels)


def _pictures_or_raise(dataset: Dataset) -> None:
    if dataset.modality != "images":
        raise ValueError(f"augment changes images; this set holds {dataset.modality}")
    if not len(dataset):
        raise ValueError("there are no pictures to augment; the set is empty")
