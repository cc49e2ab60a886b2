"""Watermarks that are read again with a key: a pattern in pictures, a green list in texts.

Pictures: spread spectrum (Cox et al. 1997, IEEE TIP 6, 1673) in the middle frequencies of the 8 x 8 blocks of
JPEG. The key seeds signs for one tile of 64 x 64 pixels, which repeats, so that a part of the picture is
enough. Texts: each character makes a secret half of the characters green; a generator prefers green ones, and
a detector counts them (Kirchenbauer et al. 2023, arXiv 2301.10226). No key, no detection: these marks say
"made by whoever holds the key", and nothing about pictures and texts without one. Introduced in notebook 29.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import fft, ndimage

BLOCK, TILE = 8, 64  # pixels; a tile has 8 x 8 blocks
# The places (row, column) in a block: middle frequencies that half the size and JPEG leave alive.
PLACES = tuple((u, v) for u in range(5) for v in range(5) if 2 <= u + v <= 5 and max(u, v) >= 2)
_ROWS, _COLUMNS = map(list, zip(*PLACES, strict=True))
GREY = np.array([0.299, 0.587, 0.114])  # BT.601
_SHORTEST = 32  # tokens that a score needs


@dataclass(frozen=True)
class Detection:
    """What ``detect`` says about a picture.

    ``score`` is the largest correlation with the pattern, in its standard deviations over keys; ``shift`` how
    many pixels (down, right) the tiles begin after the corner; ``searched`` shifts times scales.
    """

    found: bool
    score: float
    threshold: float
    shift: tuple[int, int]
    scale: float
    searched: int


@dataclass(frozen=True)
class TextScore:
    """``green`` of ``counted`` pairs are green; ``z`` standard deviations more than without a mark."""

    z: float
    green: int
    counted: int


def pattern(key: str | int) -> np.ndarray:
    """One tile ``(64, 64)`` of grey levels with mean 0: signs of the key at ``PLACES`` of each block."""
    signs = np.random.default_rng(_seed(key)).choice((-1.0, 1.0), (TILE // BLOCK, TILE // BLOCK, len(PLACES)))
    blocks = np.zeros((TILE // BLOCK, TILE // BLOCK, BLOCK, BLOCK))
    blocks[..., _ROWS, _COLUMNS] = signs
    return fft.idctn(blocks, axes=(2, 3), norm="ortho").swapaxes(1, 2).reshape(TILE, TILE)


def embed(image: np.ndarray, key: str | int, strength: float = 4.0) -> np.ndarray:
    """The picture with the pattern of ``key`` added to its brightness, stronger where it is busy.

    Args:
        image: uint8, grey ``(h, w)`` or colour ``(h, w, 3)``, 64 pixels a side at least.
        strength: mean size of a changed DCT coefficient, in grey levels; 4 gives a PSNR near 41.

    Raises:
        ValueError: another type or shape, a picture smaller than one tile, a strength that is not above 0.
    """
    if np.asarray(image).dtype != np.uint8:
        raise ValueError(f"give grey levels from 0 to 255 as uint8, got {np.asarray(image).dtype}")
    grey = _grey(image)
    if not strength > 0:
        raise ValueError(f"the strength must be above 0, got {strength}")
    busy = np.clip(np.sqrt(_local(grey)[1] / 10), 0.5, 2.0)  # a plain sky shows what grass hides
    repeats = [-(-side // TILE) for side in grey.shape]
    added = strength * busy * np.tile(pattern(key), repeats)[: grey.shape[0], : grey.shape[1]]
    marked = np.asarray(image, float) + (added[..., None] if np.ndim(image) == 3 else added)
    return np.clip(np.rint(marked), 0, 255).astype(np.uint8)


def detect(
    image: np.ndarray, key: str | int, false_alarm: float = 1e-6, scales: Sequence[float] = (1.0,)
) -> Detection:
    """Whether the pattern of ``key`` is in the picture, at any shift, and enlarged by one of ``scales``.

    For a picture without it, the correlation at a shift is a sum of known numbers with random signs. By
    Hoeffding's inequality (1963) it exceeds t standard deviations with a probability of at most
    exp(-t² / 2), whatever the picture; the threshold sqrt(2 ln(searched / false_alarm)) follows.

    Raises:
        ValueError: as ``embed``, also after scaling; a false-alarm rate outside (0, 1), or no scales.
    """
    if not 0 < false_alarm < 1:
        raise ValueError(f"the false-alarm rate must lie between 0 and 1, got {false_alarm}")
    if not len(scales) or min(scales) <= 0:
        raise ValueError(f"give at least one scale, all above 0; got {tuple(scales)}")
    grey, found = _grey(image), []
    for scale in scales:
        scaled = grey
        if scale != 1:
            scaled = _grey(ndimage.zoom(grey, 1 / scale, mode="grid-mirror", grid_mode=True))
        scores = correlations(scaled, [key])[0]
        down, right = np.unravel_index(scores.argmax(), scores.shape)
        found.append((float(scores[down, right]), (int(down), int(right)), float(scale)))
    score, shift, scale = max(found)
    searched = TILE * TILE * len(found)
    threshold = math.sqrt(2 * math.log(searched / false_alarm))
    return Detection(score > threshold, score, threshold, shift, scale, searched)


def correlations(image: np.ndarray, keys: Sequence[str | int]) -> np.ndarray:
    """Correlation with the pattern of each key at each shift ``(keys, 64, 64)``, in deviations over keys."""
    mean, spread = _local(image)
    detail = np.clip((image - mean) / (spread + 1), -2, 2)  # one edge must not speak louder than the rest
    wide = np.pad(detail, [(0, -side % TILE) for side in image.shape])
    tile = wide.reshape(wide.shape[0] // TILE, TILE, -1, TILE).sum(axis=(0, 2))  # all tiles over each other
    places = [np.roll(tile, (-down, -right), (0, 1)) for down, right in np.ndindex(BLOCK, BLOCK)]
    found = _coefficients(np.stack(places))  # (64 places in a block, 8, 8, 15)
    deviations = np.sqrt((found**2).sum(axis=(1, 2, 3))) + 1e-9
    signs = np.stack([_coefficients(pattern(key)) for key in keys])  # (keys, 8, 8, 15)
    # Shifts by whole blocks all at once, by Fourier transform: (keys, 64, 8, 8).
    spectra = [fft.rfft2(each, axes=(1, 2)) for each in (found, signs)]
    product = np.einsum("pabk,nabk->npab", spectra[0], spectra[1].conj())
    sums = fft.irfft2(product, (TILE // BLOCK, TILE // BLOCK)) / deviations[:, None, None]
    sums = sums.reshape(-1, BLOCK, BLOCK, TILE // BLOCK, TILE // BLOCK)  # place in a block, then block
    return sums.transpose(0, 3, 1, 4, 2).reshape(-1, TILE, TILE)


def numbers(tokens: str | Sequence[Any] | np.ndarray) -> np.ndarray:
    """Tokens as integers ``(n,)``: code points of a text, a hash of each other word, integers as they are."""
    if isinstance(tokens, str):
        return np.array([ord(character) for character in tokens], np.uint64)
    if len(tokens) and isinstance(tokens[0], str):
        return np.array([ord(each) if len(each) == 1 else _seed(each) for each in tokens], np.uint64)
    return np.asarray(tokens).astype(np.uint64)


def green(previous: Any, candidates: Any, key: str | int, share: float = 0.5) -> np.ndarray:
    """Which candidates are green after the previous token: a keyed hash below ``share``; broadcasts.

    Both are integers, as ``numbers`` gives them.
    """
    with np.errstate(over="ignore"):  # sums of 64 bits go round
        first = np.asarray(previous, np.uint64) + np.uint64(_seed(key))
        second = np.asarray(candidates, np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = _mixed(_mixed(first) ^ _mixed(second))
    return (mixed >> np.uint64(11)) < np.uint64(int(share * 2**53))


def text_score(
    tokens: str | Sequence[Any] | np.ndarray, key: str | int, share: float = 0.5, once: bool = True
) -> TextScore:
    """How many tokens are green, against what a text without the mark has: z = (g - share n) / sd.

    Args:
        tokens: a text, words or integers; each is looked at with the one before.
        once: count each pair of neighbours once. Otherwise a repeated phrase counts as often as it stands
            there, the pairs are not independent, and z is wider than a standard normal.

    Raises:
        ValueError: fewer than 32 tokens, for which z means little, or a share outside (0, 1).
    """
    if not 0 < share < 1:
        raise ValueError(f"the green share must lie between 0 and 1, got {share}")
    row = numbers(tokens)
    if len(row) < _SHORTEST:
        raise ValueError(f"the text has {len(row)} tokens; a score needs at least {_SHORTEST}")
    before, after = row[:-1], row[1:]
    if once:
        first = np.unique(_mixed(before) + after, return_index=True)[1]  # one number for each pair
        before, after = before[first], after[first]
    count, hits = len(after), int(green(before, after, key, share).sum())
    return TextScore((hits - share * count) / math.sqrt(count * share * (1 - share)), hits, count)


def _seed(key: str | int) -> int:
    """64 bits of a key or a word."""
    return int.from_bytes(hashlib.blake2b(str(key).encode(), digest_size=8).digest(), "little")


def _mixed(values: np.ndarray) -> np.ndarray:
    """Each bit in, every bit out: the finaliser of SplitMix64 (Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return values ^ (values >> np.uint64(31))


def _grey(image: np.ndarray) -> np.ndarray:
    """Brightness ``(h, w)``, 0 to 255."""
    values = np.asarray(image)
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[-1] != 3):
        raise ValueError(f"give one grey (h, w) or colour (h, w, 3) picture, got shape {values.shape}")
    if min(values.shape[:2]) < TILE:
        raise ValueError(
            f"the picture has {values.shape[0]} x {values.shape[1]} pixels, less than one tile of {TILE} x "
            f"{TILE}; enlarge it, or lay several out as one sheet"
        )
    return values.astype(float) if values.ndim == 2 else values @ GREY


def _local(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the grey levels around each pixel."""
    mean = ndimage.uniform_filter(grey, 11)
    return mean, np.sqrt(np.maximum(ndimage.uniform_filter(grey**2, 11) - mean**2, 0))


def _coefficients(tiles: np.ndarray) -> np.ndarray:
    """The DCT of each block at ``PLACES``: ``(…, 64, 64)`` to ``(…, 8, 8, places)``."""
    blocks = tiles.reshape(*tiles.shape[:-2], TILE // BLOCK, BLOCK, TILE // BLOCK, BLOCK).swapaxes(-3, -2)
    return fft.dctn(blocks, axes=(-2, -1), norm="ortho")[..., _ROWS, _COLUMNS]
