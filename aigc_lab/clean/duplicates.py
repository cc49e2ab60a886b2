"""Find items that repeat earlier ones: exactly, nearly, or by a perceptual hash. Introduced in notebook 00.

Near-duplicates are found in three steps, each cheaper per pair than the next and none of them
deciding alone:

1. Every image is centred on its centre of brightness, smoothed, and stripped of mean and contrast;
   its nearest neighbours by correlation, in the leading principal components, are candidates.
2. The tangent distance (Simard, LeCun and Denker 1993, "Efficient pattern recognition using a new
   transformation distance") ranks them by how near a small shift or turn can bring them.
3. The best are aligned: shift, turn and contrast that fit one image to the other best. What the
   best fit leaves unexplained decides.

In colour images the candidates must have similar colours in the same parts first.

Why step 3: two bears in the same pose correlate at 0.98 before alignment, and so do an image and its
shifted copy; after it the copy fits ten times better. Notebook 02 shows hashes and alignment at work.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from scipy import fft

from aigc_lab.clean.alignment import align, likely_pairs, working_size
from aigc_lab.clean.issues import checked_number, issue_table, label_note
from aigc_lab.clean.minhash import behind_the_first
from aigc_lab.collect.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

_SMALLEST_SIDE = 8  # pixels
_HASHED_PIXELS = 32 * 28 * 28  # hashed in one go: they and what is made of them fit into the cache
_MOST_PAIRS = 20_000_000  # more would fill the memory
_BLOCKS = 4  # colours are compared in 4 x 4 parts of an image, which a small shift or turn changes little
_COLOUR_LEFT = 0.5  # share of an image's colour that may remain unexplained between near copies
_FAINT = 4.0  # levels: fainter colours than this are noise
_FLAT = 2.0  # standard deviation in levels, below which an image shows nothing that could be compared


def grey_images(dataset: Dataset, wanted_by: str) -> np.ndarray:
    """The images as ``float32`` ``(n, height, width)`` in 0..255; channels are averaged.

    Raises:
        ValueError: no images, or images smaller than 8 x 8 pixels.
    """
    if dataset.modality != "images":
        raise ValueError(f"{wanted_by} looks at images, and the data set holds {dataset.modality}")
    if min(dataset.data.shape[1:3]) < _SMALLEST_SIDE:
        shape = " x ".join(str(side) for side in dataset.data.shape[1:3])
        raise ValueError(f"{wanted_by} needs images of at least 8 x 8 pixels, and these are {shape}")
    images = dataset.data.astype(np.float32)
    return images if images.ndim == 3 else images.mean(axis=-1)


def first_of_each(dataset: Dataset) -> np.ndarray:
    """For every item the position of the first item with the same content: integers ``(n,)``."""
    _, places, groups = np.unique(dataset.hashes(), return_index=True, return_inverse=True)
    return places[groups]


def exact_duplicates(dataset: Dataset) -> pd.DataFrame:
    """Items whose content equals that of an earlier one, byte by byte; images, text or audio.

    The first one stays, named in ``duplicate_of``; the score is 1. Copies whose labels disagree are named
    in ``reason``; which label is right cannot be told from here.
    """
    first = first_of_each(dataset)
    copies = np.flatnonzero(first != np.arange(len(dataset)))
    notes = [label_note(dataset, item, first[item]) for item in copies]
    reasons = [f"same content as item {first[item]}{note}" for item, note in zip(copies, notes, strict=True)]
    return issue_table("exact_duplicates", copies, np.ones(len(copies)), reasons, first[copies])


# Perceptual hashes ------------------------------------------------------------------------------------


def perceptual_hashes(images: Any, bits: int = 64) -> np.ndarray:
    """An image as a few bits that change little when the image does.

    The image is scaled to four times the side of the square of bits; of its discrete cosine transform
    (type II) the lowest frequencies are kept; a bit says whether a frequency is above their median. This is
    ``imagehash.phash`` bit for bit, as products of matrices for many images at once: Pillow scales with
    integer weights of 22 bits, so the sums are exact in ``float64``. Source: Zauner 2010, "Implementation and
    benchmarking of perceptual image hash functions". Introduced in notebook 02.

    Args:
        images: a Dataset of images, or ``uint8`` ``(n, height, width)`` or ``(n, height, width, c)``
            with 1, 3 or 4 channels. Colours are turned to grey as Pillow does (alpha is left out), so a red
            and a green shape can have one hash: look at the pairs, or use ``near_duplicates``.
        bits: the square of a multiple of 4: 16, 64, 144, 256 ...; 64 is what everybody uses.

    Returns:
        ``uint8`` ``(n, bits // 8)``; ``row.tobytes().hex()`` is what ``str`` gives in ``imagehash``.

    Raises:
        ValueError: no images, another type than ``uint8``, or another number of bits.
    """
    side = math.isqrt(bits) if isinstance(bits, (int, np.integer)) and bits > 0 else 0
    if side == 0 or side % 4 or side * side != bits:
        raise ValueError(f"bits must be the square of a multiple of 4, such as 16, 64 or 256; got {bits!r}")
    data = images.data if isinstance(images, Dataset) else np.asarray(images)
    if isinstance(images, Dataset) and images.modality != "images":
        raise ValueError(f"perceptual hashes are of images, and the data set holds {images.modality}")
    right = data.ndim == 3 or (data.ndim == 4 and data.shape[3] in (1, 3, 4))
    if not right or data.dtype != np.uint8 or 0 in data.shape[1:]:
        raise ValueError(
            "images must be uint8 (n, height, width) or (n, height, width, 1, 3 or 4 channels), got "
            f"{data.dtype} {data.shape}"
        )
    places = np.arange(4 * side)[:, None] + 0.5
    cosines = 2 * np.cos(np.pi * places * np.arange(side) / (4 * side))  # (4 side, side): the lowest waves
    hashes = np.empty((len(data), bits // 8), dtype=np.uint8)
    step = max(1, _HASHED_PIXELS // int(np.prod(data.shape[1:3])))
    for start in range(0, len(data), step):
        grey = _luma(data[start : start + step])
        small = _scaled(grey, 4 * side, _scales_rows_first(*grey.shape[1:], 4 * side))
        low = (cosines.T @ (small @ cosines)).reshape(len(small), bits)
        ranked = np.sort(low, axis=1)
        below, above = ranked[:, bits // 2 - 1], ranked[:, bits // 2]
        # Where the middle two are equal (plain or symmetric images), rounding decides the bits: to have the
        # same ones, these few go through the very transform that imagehash calls.
        tied = np.flatnonzero(above - below < 1e-6)
        exact = fft.dct(fft.dct(small[tied], axis=1), axis=2)[:, :side, :side].reshape(len(tied), bits)
        higher = low > ((below + above) / 2)[:, None]
        higher[tied] = exact > np.median(exact, axis=1, keepdims=True)
        hashes[start : start + step] = np.packbits(higher, axis=1)
    return hashes


def _luma(block: np.ndarray) -> np.ndarray:
    """Grey images ``(n, height, width)`` as Pillow makes them: ITU-R 601 weights in 16-bit integers."""
    if block.ndim == 3 or block.shape[3] == 1:
        return block.reshape(block.shape[:3])
    weights = np.array([19595, 38470, 7471], dtype=np.uint32)
    return ((block[..., :3].astype(np.uint32) @ weights + 0x8000) >> 16).astype(np.uint8)


@cache
def _scales_rows_first(rows: int, columns: int, side: int) -> bool:
    """Whether this Pillow scales the width before the height, tried out: the rounding in between shows it."""
    noise = np.random.default_rng(0).integers(0, 256, (1, rows, columns), dtype=np.uint8)
    expected = Image.fromarray(noise[0]).resize((side, side), Image.Resampling.LANCZOS)
    return bool((_scaled(noise, side, True)[0] == np.asarray(expected)).all())


def _scaled(images: np.ndarray, side: int, rows_first: bool) -> np.ndarray:
    """Images as squares ``(n, side, side)`` of whole numbers, exactly as Pillow's Lanczos filter."""
    turned = images if rows_first else images.transpose(0, 2, 1)
    for _ in range(2):  # scale the last axis, and bring the other one there
        count, rows, columns = turned.shape
        values = turned.reshape(count * rows, columns).astype(np.float64) @ _weights(columns, side)
        values += 0.5
        np.clip(np.floor(values, out=values), 0, 255, out=values)
        turned = values.reshape(count, rows, side).transpose(0, 2, 1)
    return turned if rows_first else turned.transpose(0, 2, 1)


@cache
def _weights(old: int, new: int) -> np.ndarray:
    """Pillow's weights ``(old, new)`` for one axis: what it makes of images of one bright pixel each."""
    pixels = Image.fromarray(np.eye(old, dtype=np.int32) << 22)
    return np.asarray(pixels.resize((new, old), Image.Resampling.LANCZOS)) / 2**22


def hamming_pairs(hashes: np.ndarray, distance: int) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of hashes that differ in at most ``distance`` bits.

    Time grows with the square of the number of hashes, memory with the pairs that are found. Introduced in
    notebook 02.

    Args:
        hashes: ``uint8`` ``(n, bytes)``, as ``perceptual_hashes`` gives them.
        distance: bits.

    Returns:
        Integers ``(m, 2)``, the earlier position first, sorted; and ``(m,)`` their distances.

    Raises:
        ValueError: hashes of another type or shape, or more than 20 million pairs.
    """
    if not isinstance(hashes, np.ndarray) or hashes.dtype != np.uint8 or hashes.ndim != 2:
        raise ValueError("hashes must be uint8 (n, bytes) as perceptual_hashes gives them")
    words = np.pad(hashes, ((0, 0), (0, -hashes.shape[1] % 8))).view(np.uint64)
    words = np.ascontiguousarray(words.T)  # (words of 64 bits, n)
    found, total = [np.empty((0, 3), dtype=np.int64)], 0
    for one in range(len(hashes)):
        apart = np.bitwise_count(words[:, one + 1 :] ^ words[:, [one]]).sum(axis=0, dtype=np.uint16)
        near = np.flatnonzero(apart <= distance)
        found.append(np.stack([np.full(len(near), one), near + one + 1, apart[near]], axis=1))
        total += len(near)
        if total > _MOST_PAIRS:
            raise ValueError(
                f"more than {_MOST_PAIRS:,} pairs are within {distance} bits; take a smaller distance, "
                "or drop identical hashes first"
            )
    pairs = np.concatenate(found)
    return pairs[:, :2], pairs[:, 2]


# Near-duplicates --------------------------------------------------------------------------------------


def near_duplicates(dataset: Dataset, threshold: float = 0.92) -> pd.DataFrame:
    """Images that a small shift, turn and change of contrast makes almost equal to an earlier one.

    Exact copies are not reported again: see ``exact_duplicates``. Each issue refers to an item that
    stays (``duplicate_of``), so a chain of images, each like the next, is not merged into one.

    Args:
        dataset: images of at least 8 x 8 pixels; large ones are compared at 32 pixels.
        threshold: a pair is reported from this score up. The score is 1 - r, where r is the length of
            what the best alignment leaves unexplained, relative to the length of the image's contrast.
            The default was chosen on 8,000 unique images of ``animals`` with 5 % near-duplicates put
            in, three seeds: 99 % of the copies reach it and fewer than one in a thousand of the unique
            images do. Those few look like real near-duplicates, which no corruption log knows of.

    Raises:
        ValueError: no images, images that are too small, or a threshold outside 0..1.
    """
    threshold = checked_number("threshold", threshold, 0, 1)
    usable, *candidates = _candidates(dataset)
    items, firsts, scores = _behind_the_first(*candidates, 1 - threshold)
    items, firsts = usable[items], usable[firsts]
    reasons = [
        f"nearly item {one}: {share:.1%} explained by shift, turn and contrast"
        f"{label_note(dataset, item, one)}"
        for item, one, share in zip(items, firsts, scores, strict=True)
    ]
    return issue_table("near_duplicates", items, scores, reasons, firsts)


def near_duplicate_pairs(dataset: Dataset, lowest: float = 0.6) -> pd.DataFrame:
    """Every candidate pair from the score ``lowest`` up, to choose a threshold with: nothing is decided.

    ``near_duplicates`` reports an item once, behind an item that stays; what it reports at a low threshold
    is therefore no superset of what it reports at a high one. This table is: a row for each pair, ``item``
    the later one of the two. Introduced in notebook 02.

    Raises:
        ValueError: as ``near_duplicates``.
    """
    lowest = checked_number("lowest", lowest, 0, 1)
    usable, small, _, pairs = _candidates(dataset)
    agreement = 1 - align(small, pairs)
    chosen = np.flatnonzero(agreement >= lowest)
    ordered = np.sort(usable[pairs[chosen]], axis=1)  # (pairs, 2): the earlier item, the later item
    reasons = [f"{share:.1%} explained by shift, turn and contrast" for share in agreement[chosen]]
    return issue_table("near_duplicate_pairs", ordered[:, 1], agreement[chosen], reasons, ordered[:, 0])


def _candidates(dataset: Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The comparable unique items, their images at working size, their colours, and pairs ``(p, 2)``."""
    grey = grey_images(dataset, "near_duplicates")
    comparable = (first_of_each(dataset) == np.arange(len(dataset))) & (grey.std(axis=(1, 2)) >= _FLAT)
    usable = np.flatnonzero(comparable)
    small = working_size(grey[usable])
    del grey  # 150 MB for 50,000 small images
    colours, pairs = _colour_blocks(dataset.data, usable), likely_pairs(small)
    return usable, small, colours, pairs[_similar_colours(colours, pairs)]


def _colour_blocks(data: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Mean colour less mean level of 4 x 4 parts of each chosen image, ``(n, 48)``; ``(n, 0)`` for grey."""
    if data.ndim == 3 or data.shape[3] < 3:
        return np.empty((len(chosen), 0), dtype=np.float32)
    rows, columns = (np.linspace(0, side, _BLOCKS + 1).astype(int)[:-1] for side in data.shape[1:3])
    blocks = np.empty((len(chosen), _BLOCKS * _BLOCKS * 3), dtype=np.float32)
    for place, item in enumerate(chosen):
        colour = data[item, :, :, :3].astype(np.float32)
        colour -= colour.mean(axis=2, keepdims=True)
        sums = np.add.reduceat(np.add.reduceat(colour, rows, axis=0), columns, axis=1)  # (4, 4, 3)
        blocks[place] = (sums * (_BLOCKS**2 / (data.shape[1] * data.shape[2]))).ravel()
    return blocks


def _similar_colours(colours: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Whether the colours ``(n, d)`` of each pair ``(p, 2)`` agree but for their strength: booleans."""
    one, two = colours[pairs[:, 0]], colours[pairs[:, 1]]
    strength = np.clip((one * two).sum(axis=1) / np.maximum((two**2).sum(axis=1), 1e-6), 0.5, 2)[:, None]
    left = np.linalg.norm(one - strength * two, axis=1)
    strongest = np.maximum(np.linalg.norm(one, axis=1), np.linalg.norm(two, axis=1))
    return left <= _COLOUR_LEFT * np.maximum(strongest, _FAINT * np.sqrt(max(1, colours.shape[1])))


def _behind_the_first(
    small: np.ndarray, colours: np.ndarray, pairs: np.ndarray, limit: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The items that go, the item that stays for each, and how much of it the alignment explains.

    A match with an item that goes makes the item that stays for it worth a look, even if that was no
    candidate at first: so the pairs grow, a few times at most.
    """
    tried, near, alike = {*map(tuple, pairs.tolist())}, pairs[:0], np.empty(0)
    for _ in range(4):
        left = align(small, pairs)
        near = np.concatenate([near, pairs[left <= limit]])
        alike = np.concatenate([alike, 1 - left[left <= limit]])
        items, firsts, shares = behind_the_first(near, alike)
        stays = dict(zip(items.tolist(), firsts.tolist(), strict=True))
        more = {(stays[one], two) for one, two in near.tolist() if two not in stays} - tried
        if not more:
            break
        tried |= more
        pairs = np.array(sorted(more))
        pairs = pairs[_similar_colours(colours, pairs)]
    return items, firsts, shares
