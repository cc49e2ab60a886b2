"""Perceptual hashes: a picture as a few bits that change little when the picture does.

Three kinds, each bit for bit what the library ``imagehash`` computes, but for many pictures at once:

- ``"perceptual"``: the picture at 32 x 32 pixels, its lowest 8 x 8 frequencies (discrete cosine
  transform, type II); a bit says whether a frequency is above their median.
- ``"difference"``: the picture at 9 x 8 pixels; a bit says whether it gets lighter to the right.
- ``"average"``: the picture at 8 x 8 pixels; a bit says whether a pixel is lighter than their mean.

Why it is fast: scaling a picture and transforming it are linear, so a block of pictures is a product of
matrices, small enough to stay in the cache. Why the bits are the same: Pillow scales with integer weights
of 22 bits, and such sums are exact in ``float64``. Source of the hashes: Zauner 2010, "Implementation and
benchmarking of perceptual image hash functions". Introduced in notebook 02.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from aigc_lab.collect.dataset import Dataset

KINDS = ("perceptual", "difference", "average")
_OVERSAMPLING = 4  # the perceptual hash looks at pictures four times as wide as its square of frequencies
_WEIGHT_BITS = 22  # of Pillow's integer weights for pictures of 8 bits
_BLOCK_PIXELS = 32 * 28 * 28  # so many at a time: they and what is made of them fit into the cache
_TIE = 1e-6  # frequencies reach a million; sums in another order differ by about 1e-10 of that


def perceptual_hashes(pictures: Any, kind: str = "perceptual", bits: int = 64) -> np.ndarray:
    """One hash for each picture.

    Args:
        pictures: a Dataset of pictures, or ``uint8`` ``(n, height, width)`` or ``(n, height, width, c)``
            with 1, 3 or 4 channels; colours are turned to grey as Pillow does (alpha is left out).
        kind: one of ``KINDS``.
        bits: the square of a multiple of 4: 16, 64, 144, 256 ...; 64 is what everybody uses.

    Returns:
        ``uint8`` ``(n, bits // 8)``; ``row.tobytes().hex()`` is what ``str`` gives in ``imagehash``.

    Raises:
        ValueError: no pictures, another type than ``uint8``, or an unknown kind or number of bits.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    whole = isinstance(bits, (int, np.integer)) and not isinstance(bits, bool) and bits > 0
    side = math.isqrt(bits) if whole else 0
    if side == 0 or side % 4 or side * side != bits:
        raise ValueError(f"bits must be the square of a multiple of 4, such as 16, 64 or 256; got {bits!r}")
    grey = _grey_bytes(pictures)
    step = max(1, _BLOCK_PIXELS // max(1, grey[0].size if len(grey) else 1))
    hashes = np.empty((len(grey), bits // 8), dtype=np.uint8)
    for start in range(0, len(grey), step):
        block = _luma(grey[start : start + step])
        hashes[start : start + step] = np.packbits(_BITS_OF[kind](block, side), axis=1)
    return hashes


def _average_bits(pictures: np.ndarray, side: int) -> np.ndarray:
    small = _scaled(pictures, side, side).reshape(len(pictures), -1)
    return small > small.mean(axis=1, keepdims=True)


def _difference_bits(pictures: np.ndarray, side: int) -> np.ndarray:
    small = _scaled(pictures, side, side + 1)
    return (small[:, :, 1:] > small[:, :, :-1]).reshape(len(pictures), -1)


def _perceptual_bits(pictures: np.ndarray, side: int) -> np.ndarray:
    count, wide = len(pictures), _OVERSAMPLING * side
    small = _scaled(pictures, wide, wide)
    waves = _waves(wide, side)
    along_rows = (small.reshape(count * wide, wide) @ waves).reshape(count, wide, side)
    turned = np.ascontiguousarray(along_rows.transpose(0, 2, 1)).reshape(count * side, wide)
    low = np.ascontiguousarray((turned @ waves).reshape(count, side, side).transpose(0, 2, 1))
    low = low.reshape(count, side * side)
    middle = side * side // 2
    ranked = np.sort(low, axis=1)
    result = low > (ranked[:, middle - 1 : middle] + ranked[:, middle : middle + 1]) / 2
    # Where the two middle values are equal (plain or symmetric pictures), rounding decides the bits:
    # to have the same ones, these few go through the very transform that imagehash calls.
    tied = np.flatnonzero(ranked[:, middle] - ranked[:, middle - 1] < _TIE)
    if len(tied):
        from scipy.fft import dct

        exact = dct(dct(small[tied], axis=1), axis=2)[:, :side, :side].reshape(len(tied), -1)
        result[tied] = exact > np.median(exact, axis=1, keepdims=True)
    return result


_BITS_OF = {"perceptual": _perceptual_bits, "difference": _difference_bits, "average": _average_bits}


@cache
def _waves(length: int, count: int) -> np.ndarray:
    """The first cosines ``(length, count)`` of the discrete cosine transform, type II, not normalised."""
    places, waves = np.arange(length)[:, None] + 0.5, np.arange(count)[None, :]
    return 2 * np.cos(np.pi * places * waves / length)


def _grey_bytes(pictures: Any) -> np.ndarray:
    data = pictures.data if isinstance(pictures, Dataset) else np.asarray(pictures)
    if isinstance(pictures, Dataset) and pictures.modality != "images":
        raise ValueError(f"perceptual hashes are of images, and the data set holds {pictures.modality}")
    shape = getattr(data, "shape", ())
    right = len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3, 4))
    if not right or data.dtype != np.uint8 or 0 in shape[1:]:
        raise ValueError(
            f"pictures must be uint8 (n, height, width) or (n, height, width, 1, 3 or 4 channels), got "
            f"{getattr(data, 'dtype', type(data).__name__)} {shape}"
        )
    return data[..., 0] if len(shape) == 4 and shape[3] == 1 else data


def _luma(block: np.ndarray) -> np.ndarray:
    """Grey pictures ``(n, height, width)`` as Pillow makes them: ITU-R 601 weights in 16-bit integers."""
    if block.ndim == 3:
        return block
    weights = np.array([19595, 38470, 7471], dtype=np.uint32)
    return ((block[..., :3].astype(np.uint32) @ weights + 0x8000) >> 16).astype(np.uint8)


def _scaled(pictures: np.ndarray, height: int, width: int) -> np.ndarray:
    """Pictures at another size, whole numbers 0..255 as ``float64``, exactly as Pillow's Lanczos filter."""
    order = _order(*pictures.shape[1:], height, width)
    if order == "unknown":
        return _scaled_by_pillow(pictures, height, width).astype(np.float64)
    return _scaled_in_order(pictures, height, width, order == "width first")


@cache
def _order(rows: int, columns: int, height: int, width: int) -> str:
    """Which side this Pillow scales first, tried out: it rounds in between, so the order shows.

    ``"unknown"`` if neither order gives its bytes: then a Pillow that computes otherwise does the work.
    """
    probe = np.random.default_rng(0).integers(0, 256, (8, rows, columns), dtype=np.uint8)
    probe[:4] = np.where(probe[:4] < 128, 0, 255)  # hard edges make the filter overshoot
    expected = _scaled_by_pillow(probe, height, width)
    for order in ("width first", "height first"):
        if (_scaled_in_order(probe, height, width, order == "width first") == expected).all():
            return order
    return "unknown"


def _scaled_in_order(pictures: np.ndarray, height: int, width: int, width_first: bool) -> np.ndarray:
    count, rows, columns = pictures.shape
    across, down = _weights(columns, width), _weights(rows, height)
    if width_first:
        wide = _rounded(pictures.reshape(count * rows, columns).astype(np.float64) @ across)
        turned = np.ascontiguousarray(wide.reshape(count, rows, width).transpose(0, 2, 1))
        small = _rounded(turned.reshape(count * width, rows) @ down).reshape(count, width, height)
        return np.ascontiguousarray(small.transpose(0, 2, 1))
    turned = np.ascontiguousarray(pictures.transpose(0, 2, 1)).reshape(count * columns, rows)
    low = _rounded(turned.astype(np.float64) @ down).reshape(count, columns, height)
    upright = np.ascontiguousarray(low.transpose(0, 2, 1)).reshape(count * height, columns)
    return _rounded(upright @ across).reshape(count, height, width)


def _rounded(values: np.ndarray) -> np.ndarray:
    values += 0.5
    np.floor(values, out=values)
    return np.clip(values, 0, 255, out=values)


@cache
def _weights(old: int, new: int) -> np.ndarray:
    """Weights ``(old, new)`` of Pillow's Lanczos filter for one axis."""
    if old == new:
        return np.eye(old)
    scale = old / new
    stretch = max(scale, 1.0)  # when a picture shrinks, the filter grows with it
    weights = np.zeros((old, new))
    for column in range(new):
        centre = (column + 0.5) * scale
        first = max(0, int(centre - 3 * stretch + 0.5))
        last = min(old, int(centre + 3 * stretch + 0.5))
        ratio = 1.0 / stretch
        values = [_lanczos((place - centre + 0.5) * ratio) for place in range(first, last)]
        total = sum(values)
        for place, value in zip(range(first, last), values, strict=True):
            share = value / total * (1 << _WEIGHT_BITS)
            weights[place, column] = int(share + math.copysign(0.5, share))
    return weights / (1 << _WEIGHT_BITS)


def _lanczos(place: float) -> float:
    if not -3.0 <= place < 3.0:
        return 0.0
    return _sinc(place) * _sinc(place / 3)


def _sinc(place: float) -> float:
    if place == 0.0:
        return 1.0
    angle = place * math.pi
    return math.sin(angle) / angle


def _scaled_by_pillow(pictures: np.ndarray, height: int, width: int) -> np.ndarray:
    from PIL import Image

    lanczos = Image.Resampling.LANCZOS
    return np.stack([np.asarray(Image.fromarray(one).resize((width, height), lanczos)) for one in pictures])
