"""What each defect does to one picture. Introduced in notebook 00.

Every function takes a ``uint8`` picture ``(height, width)`` or ``(height, width, channels)``
and a random generator, leaves the picture as it is, and returns a new one of the same shape
with a short text that says what was done. Strengths are shares of the picture's shorter side
or of the 255 grey levels, so that a defect looks alike at 28 and at 256 pixels.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

SMALLEST_SIDE = 8  # pixels; below it a small shift is no longer small


def _to_uint8(picture: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _per_axis(value: float, picture: np.ndarray) -> tuple[float, ...]:
    """``value`` for the two picture axes and 0 for the channels, which are never mixed."""
    return (value, value) + (0.0,) * (picture.ndim - 2)


def blur_picture(picture: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """Gaussian blur; its standard deviation is 3.5 to 7 % of the shorter side (1 to 2 pixels of 28)."""
    sigma = max(0.5, rng.uniform(0.035, 0.07) * min(picture.shape[:2]))
    blurred = ndimage.gaussian_filter(picture.astype(np.float32), _per_axis(sigma, picture), mode="nearest")
    return _to_uint8(blurred), f"Gaussian blur, sd {sigma:.2f} pixels"


def noise_picture(picture: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """Independent Gaussian noise on each value, standard deviation 20 to 60 levels, clipped to 0..255."""
    sigma = rng.uniform(20, 60)
    return _to_uint8(picture + rng.normal(0, sigma, picture.shape)), f"Gaussian noise, sd {sigma:.0f} levels"


def occlude_picture(picture: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """A plain rectangle of one random grey level, each side 30 to 50 % of the picture's.

    It is centred on a pixel that differs from its level, so something is hidden wherever the
    picture has anything to hide; near the border the rectangle is cut off.
    """
    rows, columns = picture.shape[:2]
    height, width = (max(2, round(side * rng.uniform(0.3, 0.5))) for side in (rows, columns))
    level = int(rng.integers(0, 256))
    grey = picture if picture.ndim == 2 else picture.mean(axis=-1)
    different = np.argwhere(np.abs(grey - float(level)) > 32)
    if not len(different):
        different = np.argwhere(np.ones(grey.shape, dtype=bool))
    row, column = different[rng.integers(len(different))]
    top, left = max(0, row - height // 2), max(0, column - width // 2)
    covered = picture.copy()
    covered[top : row - height // 2 + height, left : column - width // 2 + width] = level
    return covered, f"{height} x {width} rectangle of level {level} centred at ({row}, {column})"


def rebrighten_picture(picture: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """Too dark (levels times 0.2 to 0.5) or, as often, washed out (the same towards white)."""
    gain = rng.uniform(0.2, 0.5)
    if rng.random() < 0.5:
        return _to_uint8(picture * gain), f"darkened to {gain:.0%} of its levels"
    washed = 255 - (255 - picture.astype(np.float32)) * gain
    return _to_uint8(washed), f"washed out to {gain:.0%} of its contrast"


def nearly_copy_picture(picture: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """A near-duplicate: shifted by up to 5 % of the side, turned by up to 6 degrees, contrast 0.8 to 1.15.

    Values between pixels are interpolated linearly, and the border is continued outwards.
    """
    side = min(picture.shape[:2])
    shift = rng.uniform(-0.05, 0.05, 2) * side
    angle = rng.uniform(-6, 6)
    gain = rng.uniform(0.8, 1.15)
    turn = np.deg2rad(angle)
    matrix = np.eye(picture.ndim)
    matrix[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    centre = np.zeros(picture.ndim)
    centre[:2] = (np.array(picture.shape[:2]) - 1) / 2
    moved = np.zeros(picture.ndim)
    moved[:2] = shift
    # affine_transform maps output to input coordinates: input = matrix @ output + offset.
    copy = ndimage.affine_transform(
        picture.astype(np.float32), matrix, offset=centre - matrix @ (centre + moved), order=1, mode="nearest"
    )
    place = f"shifted by ({shift[0]:+.1f}, {shift[1]:+.1f}) pixels, turned by {angle:+.1f} degrees"
    return _to_uint8(copy * gain), f"{place}, contrast {gain:.2f}"
