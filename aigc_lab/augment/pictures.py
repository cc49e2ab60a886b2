"""Label-preserving changes of pictures as Keras layers, and sets made longer by them.

The transforms are Keras layers, so that the same ones can stand in front of a network.
Introduced in notebooks 00 and 04.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from aigc_lab.collect.dataset import Dataset

# Each transform of ``layers``: what it does, where the label survives, and where it does not.
# A rule of thumb to be measured, not a law: ``label_preservation`` counts on your own data.
TRANSFORMS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "flip": (
            "left and right swapped, for half of the pictures",
            "animals, most objects",
            "writing, digits, left and right hands",
        ),
        "upside_down": (
            "top and bottom swapped, for half of the pictures",
            "pictures from above, textures, cells",
            "digits (6 and 9), anything that stands",
        ),
        "shift": ("moved in both directions", "almost everything, if little", "what leaves the picture"),
        "rotation": ("turned by a random angle", "small angles", "large angles: 6 and 9, 1 and a dash"),
        "scale": ("enlarged or shrunk", "almost everything, if little", "classes that differ in size"),
        "brightness": ("made lighter or darker", "shapes", "classes that differ in colour, ripe and unripe"),
        "noise": ("grain added to each pixel", "large shapes", "fine texture; a generator draws the grain"),
        "cutout": (
            "a black rectangle over a part",
            "pictures with much to see",
            "small objects that it hides",
        ),
    }
)


def layers(
    flip: bool = True,
    shift: float = 0.0,
    rotation: float = 0.0,
    seed: int = 0,
    *,
    upside_down: bool = False,
    scale: float = 0.0,
    brightness: float = 0.0,
    noise: float = 0.0,
    cutout: float = 0.0,
) -> Any:
    """Transforms as one ``keras.Sequential`` for pictures ``(n, height, width, channels)`` in [0, 1].

    ``TRANSFORMS`` says for each where the label survives; mirroring is on by default and must be
    turned off for digits and writing. What leaves the picture is lost, and the rim is black.

    Args:
        flip: mirror left and right, for half of the pictures.
        shift: largest shift as a share of the height and width.
        rotation: largest turn as a share of a full circle.
        upside_down: swap top and bottom, for half of the pictures.
        scale: largest change of size as a share: 0.2 gives sizes from 0.8 to 1.2.
        brightness: largest change of each pixel, in grey values (1 is white).
        noise: standard deviation of the grain, in grey values.
        cutout: the largest share of the area that a black rectangle hides.

    Raises:
        ValueError: a share below 0 or above 0.5, or no transform at all.
    """
    keras = _keras()

    shares = {"shift": shift, "rotation": rotation, "scale": scale, "brightness": brightness}
    for name, share in {**shares, "noise": noise, "cutout": cutout}.items():
        if not 0 <= share <= 0.5:
            raise ValueError(f"{name} is a share from 0 to 0.5, got {share}")
    kinds = keras.layers
    steps = []
    if flip:
        steps.append(kinds.RandomFlip("horizontal", seed=seed))
    if upside_down:
        steps.append(kinds.RandomFlip("vertical", seed=seed + 3))
    if shift:
        steps.append(kinds.RandomTranslation(shift, shift, fill_mode="constant", seed=seed + 1))
    if rotation:
        steps.append(kinds.RandomRotation(rotation, fill_mode="constant", seed=seed + 2))
    if scale:
        steps.append(kinds.RandomZoom((-scale, scale), fill_mode="constant", seed=seed + 4))
    if brightness:
        steps.append(kinds.RandomBrightness(brightness, value_range=(0, 1), seed=seed + 5))
    if cutout:
        hidden = (0.25 * cutout, cutout)
        steps.append(
            kinds.RandomErasing((1.0, 1.0), scale=hidden, fill_value=0.0, value_range=(0, 1), seed=seed + 6)
        )
    if noise:
        steps.append(kinds.GaussianNoise(noise, seed=seed + 7))
    if not steps:
        raise ValueError("no transform was chosen; set flip=True or give a shift or rotation above 0")
    return keras.Sequential(steps, name="augment")


def mirrored(dataset: Dataset) -> Dataset:
    """The set followed by its mirror image (left and right swapped): twice as many pictures.

    Raises:
        ValueError: the set holds no pictures.
    """
    pictures_or_raise(dataset)
    return _with_more(dataset, dataset.data[:, :, ::-1])


def expand(dataset: Dataset, transform: Any, copies: int = 1, seed: int = 0) -> Dataset:
    """The set followed by ``copies`` transformed versions of every picture; labels go along.

    Args:
        transform: Keras layers as ``layers`` makes them, called with ``training=True``.
        seed: set before the first picture is drawn, so equal seeds give equal sets.

    Raises:
        ValueError: no pictures, or ``copies`` below 1.
    """
    pictures_or_raise(dataset)
    if copies < 1:
        raise ValueError(f"copies must be at least 1, got {copies}")
    made = [changed(dataset, transform, seed if number == 0 else None) for number in range(copies)]
    return _with_more(dataset, np.concatenate(made))


def changed(dataset: Dataset, transform: Any, seed: int | None = 0) -> np.ndarray:
    """The transformed pictures as uint8, in the shape of ``dataset.data``; clipped to 0 and 255.

    ``seed=None`` goes on with the random numbers where they are.
    """
    keras = _keras()
    if seed is not None:
        keras.utils.set_random_seed(seed)
    pictures, _ = dataset.arrays()
    made = keras.ops.convert_to_numpy(transform(pictures, training=True))
    return np.rint(np.clip(made, 0, 1) * 255).astype("uint8").reshape(dataset.data.shape)  # (n, h, w[, c])


def pictures_or_raise(dataset: Dataset) -> None:
    """One sentence if the set holds no pictures."""
    if dataset.modality != "images":
        raise ValueError(f"this changes images, and the set holds {dataset.modality}")
    if not len(dataset):
        raise ValueError("there are no pictures to augment; the set is empty")


def _keras() -> Any:
    """Keras, its backend woken in silence: TensorFlow would write to the notebook."""
    from aigc_lab.backend import import_keras

    import_keras()
    import keras

    return keras


def _with_more(dataset: Dataset, pictures: np.ndarray) -> Dataset:
    times = 1 + len(pictures) // max(len(dataset), 1)
    labels = None if dataset.labels is None else np.tile(dataset.labels, times)
    return replace(dataset, data=np.concatenate([dataset.data, pictures]), labels=labels)
