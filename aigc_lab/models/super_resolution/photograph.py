"""Any photograph made larger: grey, colour, transparent, of 8 or 16 bits, tiny or huge.

The network knows luminance only. What it adds to bicubic enlargement is added to red, green and blue
alike, which changes Y by just that and leaves the colour differences as they are. Introduced in notebook 10.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from aigc_lab.models.super_resolution.degradation import checked_picture, enlarging_weights, grey


def open_photograph(path: str | Path) -> np.ndarray:
    """A learner's own photograph as uint8 RGB ``(height, width, 3)``, turned upright as its EXIF data say.

    JPEG, PNG and what else ``collect.from_folder`` reads; transparent pixels are laid on white.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it cannot be read; the message says why.
    """
    from aigc_lab.collect.pictures import Unreadable, read_picture

    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path.name}; check the path of your photograph")
    try:
        return read_picture(path, None, "RGB")[0]
    except Unreadable as error:
        raise ValueError(f"{path.name} cannot be read as a photograph: {error}") from error


def upscale(model: Any, photograph: np.ndarray, tile: int = 128, overlap: int | None = None) -> np.ndarray:
    """The photograph ``model.scale`` times as large, tile by tile.

    Each tile is computed with ``overlap`` more pixels on each side, which are cut off afterwards. With the
    receptive field of the model, the default, no seam can arise: the result is the same for any tile.
    Memory beside the input and the result is that of one tile.

    Args:
        model: a ``SuperResolution`` or ``AdversarialSuperResolution``.
        photograph: uint8, uint16 or float in [0, 1]; ``(height, width)``, or with 1 (grey), 2 (grey and
            alpha), 3 (RGB) or 4 (RGB and alpha) channels. Alpha is enlarged by bicubic.
        tile: side of a tile in small pixels.
        overlap: None for ``model.receptive_field``. Smaller values show seams.

    Returns:
        The same type and number of channels, sides ``model.scale`` times as long.

    Raises:
        ValueError: an empty picture, NaN, another shape, type or range, or tile or overlap out of range.
    """
    photo = _checked_photo(photograph)
    overlap = model.receptive_field if overlap is None else overlap
    if tile < 1 or overlap < 0:
        raise ValueError(f"tile must be at least 1 and overlap not negative, got {tile} and {overlap}")
    scale, (height, width) = model.scale, photo.shape[:2]
    result = np.empty((height * scale, width * scale, *photo.shape[2:]), photo.dtype)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            bottom, right = min(top + tile, height), min(left + tile, width)
            # The region with its margin: at the picture's own border there is none.
            first_row, first_column = max(0, top - overlap), max(0, left - overlap)
            region = photo[first_row : bottom + overlap, first_column : right + overlap]
            large = _enlarged_region(model, region)
            rows = slice((top - first_row) * scale, (bottom - first_row) * scale)
            columns = slice((left - first_column) * scale, (right - first_column) * scale)
            result[top * scale : bottom * scale, left * scale : right * scale] = large[rows, columns]
    return result


def _enlarged_region(model: Any, region: np.ndarray) -> np.ndarray:
    whole = region.dtype.kind == "u"
    top = float(np.iinfo(region.dtype).max) if whole else 1.0
    values = region.astype("float32") / top
    planes = values[..., None] if values.ndim == 2 else values
    large = bicubic_planes(planes, model.scale)
    small = np.float32(grey(values))
    made = model.network(ops.convert_to_tensor(small[None, :, :, None]), training=False)
    made = ops.convert_to_numpy(ops.stop_gradient(made))[0]
    detail = made - bicubic_planes(small[..., None], model.scale)  # (h, w, 1): the same for each colour
    colours = planes.shape[2] - (planes.shape[2] in (2, 4))  # alpha gets no detail
    large[..., :colours] += detail
    large = np.clip(large, 0, 1) * top
    large = np.rint(large) if whole else large
    return large.astype(region.dtype).reshape(*large.shape[:2], *region.shape[2:])


def bicubic_planes(planes: np.ndarray, scale: int) -> np.ndarray:
    """Bicubic enlargement of ``(h, w, channels)``, unclipped, borders repeated: what the network adds to."""
    weights = enlarging_weights(scale).astype("float32")  # (scale, 5)
    for axis in (0, 1):
        padded = np.pad(planes, [(2, 2) if each == axis else (0, 0) for each in range(3)], mode="edge")
        count = planes.shape[axis]
        parts = [
            sum(w * np.take(padded, range(k, k + count), axis) for k, w in enumerate(row)) for row in weights
        ]
        stacked = np.stack(parts, axis=axis + 1)  # scale neighbours beside each small pixel
        shape = list(planes.shape)
        shape[axis] = count * scale
        planes = stacked.reshape(shape)  # (…, count, scale, …) -> (…, count * scale, …)
    return planes


def _checked_photo(photograph: Any) -> np.ndarray:
    photo = checked_picture(photograph)
    if photo.ndim == 3 and photo.shape[2] not in (1, 2, 3, 4):
        raise ValueError(f"a photograph has 1 to 4 channels, got shape {photo.shape}")
    if photo.dtype.kind == "f" and (photo.min() < -1e-6 or photo.max() > 1 + 1e-6):
        raise ValueError(
            f"a float photograph must lie in [0, 1], got {photo.min():g} to {photo.max():g}; divide by 255"
        )
    return photo
