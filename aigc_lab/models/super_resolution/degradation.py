"""How a small photograph comes from a large one, and the patches that a network is trained on.

Every number in super-resolution depends on how the small pictures were made. Here: bicubic with
antialiasing, as Pillow does it: Keys' cubic (1981, a = -1/2), stretched by the scale, so that each small
pixel is a weighted mean over 4 · scale pixels a side. It is the rule of the usual test sets, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

SCALES = (2, 3, 4)


def cubic(distance: np.ndarray) -> np.ndarray:
    """Keys' cubic kernel with a = -1/2 (Keys 1981, equation 4): 1 at 0, 0 from a distance of 2 on."""
    d = np.abs(distance)
    near = 1.5 * d**3 - 2.5 * d**2 + 1
    far = -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
    return np.where(d < 1, near, np.where(d < 2, far, 0.0))


def shrinking_weights(scale: int) -> tuple[np.ndarray, int]:
    """One axis of the antialiased reduction: weights over the large pixels, and where the first one lies.

    Small pixel i has its centre at large coordinate scale · i + (scale - 1) / 2; the returned offset is
    counted from scale · i. The weights sum to 1.
    """
    centre = (checked_scale(scale) - 1) / 2
    offsets = np.arange(int(np.floor(centre - 2 * scale)) + 1, int(np.ceil(centre + 2 * scale)))
    weights = cubic((offsets - centre) / scale)
    return weights / weights.sum(), int(offsets[0])


def enlarging_weights(scale: int) -> np.ndarray:
    """One axis of bicubic enlargement: row r holds the weights of small pixels i - 2 to i + 2 for large
    pixel scale · i + r; shape (scale, 5), each row sums to 1."""
    places = (np.arange(checked_scale(scale)) + 0.5) / scale - 0.5
    return cubic(np.arange(-2, 3)[None, :] - places[:, None])


def low_resolution(picture: np.ndarray, scale: int = 2) -> np.ndarray:
    """The picture made smaller by antialiased bicubic; a side that is no multiple of ``scale`` is cropped.

    Args:
        picture: uint8, or float in [0, 1]; ``(height, width)`` or ``(height, width, channels)``.

    Returns:
        ``(height // scale, width // scale[, channels])`` of the same type; uint8 is rounded, as a
        stored small picture would be, and float is clipped to [0, 1].

    Raises:
        ValueError: an empty picture, another type, or one smaller than ``scale``.
    """
    cropped = crop_to_multiple(picture, scale)
    return _resized(cropped, cropped.shape[0] // scale, cropped.shape[1] // scale)


def enlarge(picture: np.ndarray, scale: int = 2) -> np.ndarray:
    """The picture made larger by bicubic interpolation: what learned models are compared with.

    Args and result as ``low_resolution``: ``(height * scale, width * scale[, channels])``.
    """
    checked_scale(scale)
    return _resized(checked_picture(picture), picture.shape[0] * scale, picture.shape[1] * scale)


def crop_to_multiple(picture: np.ndarray, scale: int) -> np.ndarray:
    """Without the last rows and columns that do not fill a small pixel."""
    height, width = (side - side % checked_scale(scale) for side in checked_picture(picture).shape[:2])
    if not height or not width:
        raise ValueError(
            f"a picture of {picture.shape[:2]} pixels is too small to be made {scale} times smaller"
        )
    return picture[:height, :width]


def patches(
    pictures: Mapping[str, np.ndarray] | Iterable[np.ndarray],
    size: int = 48,
    scale: int = 2,
    count: int = 2000,
    seed: int = 0,
) -> np.ndarray:
    """Square pieces of photographs to train on, luminance only, turned and mirrored at random.

    Each photograph gives patches by its area. Keep test photographs out of ``pictures``: patches
    of one photograph are too much alike to be split.

    Args:
        pictures: photographs as ``collect.photos`` gives them, or a list.
        size: side in pixels, a multiple of ``scale``.

    Returns:
        float32 in [0, 1], ``(count, size, size, 1)``.

    Raises:
        ValueError: no picture is large enough, or size is no multiple of scale.
    """
    checked_scale(scale)
    if size < scale or size % scale or count < 1:
        raise ValueError(
            f"size must be a multiple of scale {scale} and count at least 1, got {size} and {count}"
        )
    photos = list(pictures.values() if isinstance(pictures, Mapping) else pictures)
    large = [grey(checked_picture(each)) for each in photos if min(np.shape(each)[:2], default=0) >= size]
    if not large:
        raise ValueError(f"none of {len(photos)} pictures has {size} pixels a side; choose a smaller size")
    random = np.random.default_rng(seed)
    areas = np.array([each.size for each in large], dtype=float)
    cut = np.empty((count, size, size, 1), "float32")
    for place, which in enumerate(random.choice(len(large), count, p=areas / areas.sum())):
        picture = large[which]
        top, left = (random.integers(side - size + 1) for side in picture.shape)
        patch = np.rot90(picture[top : top + size, left : left + size], random.integers(4))
        cut[place, :, :, 0] = patch[:, ::-1] if random.integers(2) else patch
    return cut


def grey(picture: np.ndarray) -> np.ndarray:
    """Luminance in [0, 1], float32 ``(height, width)``: 0.299 R + 0.587 G + 0.114 B (BT.601).

    This is the full range from 0 to 1; ``evaluate.luminance`` is the same number scaled to 16 to 235.
    """
    picture = checked_picture(picture)
    values = picture.astype("float32") / (np.iinfo(picture.dtype).max if picture.dtype.kind == "u" else 1)
    if values.ndim == 3:
        values = (
            values[..., 0] if values.shape[2] < 3 else values[..., :3] @ np.float32([0.299, 0.587, 0.114])
        )
    return values


def checked_scale(scale: Any) -> int:
    if scale not in SCALES:
        raise ValueError(f"scale must be 2, 3 or 4, got {scale!r}")
    return int(scale)


def checked_picture(picture: Any) -> np.ndarray:
    if not isinstance(picture, np.ndarray) or picture.ndim not in (2, 3) or not picture.size:
        raise ValueError(
            f"a picture must be an array (height, width) or (height, width, channels) that is not empty, "
            f"got shape {np.shape(picture)}"
        )
    if picture.dtype not in (np.uint8, np.uint16) and picture.dtype.kind != "f":
        raise ValueError(f"a picture must be uint8, uint16 or float in [0, 1], got {picture.dtype}")
    if picture.dtype.kind == "f" and not np.isfinite(picture).all():
        raise ValueError("the picture holds NaN or infinite values; repair it first")
    return picture


def _resized(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    from PIL import Image

    top = float(np.iinfo(picture.dtype).max) if picture.dtype.kind == "u" else 1.0
    planes = picture[..., None] if picture.ndim == 2 else picture
    # Pillow resizes one channel of 32-bit floats without rounding between the two axes.
    resized = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(planes[..., channel], dtype="float32")).resize(
                (width, height), Image.Resampling.BICUBIC
            )
        )
        for channel in range(planes.shape[2])
    ]
    values = np.clip(np.stack(resized, axis=-1), 0, top)
    values = np.rint(values) if picture.dtype.kind == "u" else values
    return values.astype(picture.dtype).reshape(height, width, *picture.shape[2:])
