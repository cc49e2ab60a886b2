"""Find items that repeat earlier ones: exactly, nearly, or by a perceptual hash. Introduced in notebook 00.

Near-duplicates are found in three steps, each cheaper per pair than the next and none of them
deciding alone:

1. Every image is centred on its centre of brightness, smoothed, and stripped of mean and contrast;
   its nearest neighbours by correlation, in the leading principal components, are candidates.
2. The tangent distance (Simard, LeCun and Denker 1993, "Efficient pattern recognition using a new
   transformation distance") ranks them by how near a small shift or turn can bring them.
3. The best are aligned: shift, turn and contrast that fit one image to the other best. What the
   best fit leaves unexplained decides.

Why step 3: two bears in the same pose correlate at 0.98 before alignment, and so do an image and its
shifted copy; after it the copy fits ten times better. Notebook 02 shows hashes and alignment at work.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import fft, linalg, ndimage

from aigc_lab.clean.issues import checked_number, issue_table, label_note
from aigc_lab.collect.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

_SMALLEST_SIDE = 8  # pixels
_HASHED_PIXELS = 32 * 28 * 28  # hashed in one go: they and what is made of them fit into the cache
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
    seen: dict[str, int] = {}
    firsts = [seen.setdefault(digest, place) for place, digest in enumerate(dataset.hashes())]
    return np.array(firsts, dtype=np.int64)


def exact_duplicates(dataset: Dataset) -> pd.DataFrame:
    """Items whose content equals that of an earlier one, byte by byte. The first one stays.

    Works for images, text and audio. Copies whose labels disagree are named in ``reason``; which
    label is right cannot be told from here.

    Returns:
        Issues with ``duplicate_of``; the score is always 1.
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
    ``imagehash.phash`` bit for bit, but for many images at once: scaling is linear, so a block of images is
    a product of matrices, and as Pillow scales with integer weights of 22 bits, the sums are exact in
    ``float64``. Source: Zauner 2010, "Implementation and benchmarking of perceptual image hash functions".
    Introduced in notebook 02.

    Args:
        images: a Dataset of images, or ``uint8`` ``(n, height, width)`` or ``(n, height, width, c)``
            with 1, 3 or 4 channels; colours are turned to grey as Pillow does (alpha is left out).
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
    hashes = np.empty((len(data), bits // 8), dtype=np.uint8)
    step = max(1, _HASHED_PIXELS // int(np.prod(data.shape[1:3])))
    for start in range(0, len(data), step):
        small = _scaled(_luma(data[start : start + step]), 4 * side)
        waves = fft.dct(fft.dct(small, axis=1)[:, :side], axis=2)[:, :, :side].reshape(len(small), bits)
        ranked = np.sort(waves, axis=1)
        median = (ranked[:, bits // 2 - 1] + ranked[:, bits // 2]) / 2
        hashes[start : start + step] = np.packbits(waves > median[:, None], axis=1)
    return hashes


def _luma(block: np.ndarray) -> np.ndarray:
    """Grey images ``(n, height, width)`` as Pillow makes them: ITU-R 601 weights in 16-bit integers."""
    if block.ndim == 3 or block.shape[3] == 1:
        return block.reshape(block.shape[:3])
    weights = np.array([19595, 38470, 7471], dtype=np.uint32)
    return ((block[..., :3].astype(np.uint32) @ weights + 0x8000) >> 16).astype(np.uint8)


def _scaled(images: np.ndarray, side: int) -> np.ndarray:
    """Images as squares ``(n, side, side)`` of whole numbers, exactly as Pillow's Lanczos filter."""
    order = _order(*images.shape[1:], side)
    return _by_pillow(images, side) if order is None else _in_order(images, side, order)


@cache
def _order(rows: int, columns: int, side: int) -> str | None:
    """Which side this Pillow scales first, tried out: it rounds in between, so the order shows.

    None if neither order gives its bytes: then a Pillow that computes otherwise does the work.
    """
    probe = np.random.default_rng(0).integers(0, 256, (8, rows, columns), dtype=np.uint8)
    probe[:4] = np.where(probe[:4] < 128, 0, 255)  # hard edges make the filter overshoot
    expected = _by_pillow(probe, side)
    orders = ("width first", "height first")
    return next((order for order in orders if (_in_order(probe, side, order) == expected).all()), None)


def _in_order(images: np.ndarray, side: int, order: str) -> np.ndarray:
    turned = images if order == "width first" else images.transpose(0, 2, 1)
    for _ in range(2):  # scale the last axis, and bring the other one there
        count, rows, columns = turned.shape
        values = turned.reshape(count * rows, columns).astype(np.float64) @ _weights(columns, side)
        values = np.clip(np.floor(values + 0.5), 0, 255)
        turned = values.reshape(count, rows, side).transpose(0, 2, 1)
    return turned if order == "width first" else turned.transpose(0, 2, 1)


@cache
def _weights(old: int, new: int) -> np.ndarray:
    """Weights ``(old, new)`` of Pillow's Lanczos filter for one axis, in steps of 2**-22."""
    if old == new:
        return np.eye(old)
    stretch = max(old / new, 1.0)  # when an image shrinks, the filter grows with it
    centres, places = (np.arange(new) + 0.5) * (old / new), np.arange(old)[:, None]
    first, last = (np.trunc(centres + reach * stretch + 0.5) for reach in (-3, 3))
    at = (places - centres + 0.5) / stretch
    weights = np.sinc(at) * np.sinc(at / 3) * ((places >= first) & (places < last) & (at >= -3) & (at < 3))
    weights *= 2**22 / weights.sum(axis=0)
    return np.trunc(weights + np.copysign(0.5, weights)) / 2**22


def _by_pillow(images: np.ndarray, side: int) -> np.ndarray:
    from PIL import Image

    small = [Image.fromarray(one).resize((side, side), Image.Resampling.LANCZOS) for one in images]
    return np.stack([np.asarray(one, dtype=np.float64) for one in small])


def hamming_pairs(
    hashes: np.ndarray, distance: int, limit: int = 20_000_000
) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of hashes that differ in at most ``distance`` bits.

    Pairs are compared in blocks that stay in the cache, so time grows with the square of the number of
    hashes (at about a nanosecond a pair and eight bytes) and memory does not. Introduced in notebook 02.

    Args:
        hashes: ``uint8`` ``(n, bytes)``, as ``perceptual_hashes`` gives them.
        distance: bits.
        limit: more pairs than this are refused, because they would fill the memory.

    Returns:
        Integers ``(m, 2)``, the earlier position first, sorted; and ``(m,)`` their distances.

    Raises:
        ValueError: hashes of another type or shape, a distance that they cannot have, or too many pairs.
    """
    if not isinstance(hashes, np.ndarray) or hashes.dtype != np.uint8 or hashes.ndim != 2:
        what = f"{getattr(hashes, 'dtype', type(hashes).__name__)} {getattr(hashes, 'shape', '')}"
        raise ValueError(f"hashes must be uint8 (n, bytes) as perceptual_hashes gives them, got {what}")
    distance = int(checked_number("distance", distance, 0, 8 * hashes.shape[1]))
    words = np.pad(hashes, ((0, 0), (0, -hashes.shape[1] % 8))).view(np.uint64)  # (n, words of 64 bits)
    found, total = [np.empty((0, 3), dtype=np.int64)], 0
    for start in range(0, len(words), 128):
        rows = words[start : start + 128]
        for left in range(0, start + len(rows), 4096):
            columns = words[left : min(left + 4096, start + len(rows))]
            apart = np.bitwise_count(rows[:, None, 0] ^ columns[None, :, 0])
            if words.shape[1] > 1:
                apart = apart.astype(np.uint16)
                for word in range(1, words.shape[1]):
                    apart += np.bitwise_count(rows[:, None, word] ^ columns[None, :, word])
            one, two = np.nonzero(apart <= distance)
            earlier = two + left < one + start
            one, two = one[earlier], two[earlier]
            found.append(np.stack([two + left, one + start, apart[one, two]], axis=1))
            total += len(one)
            if total > limit:
                raise ValueError(
                    f"more than {limit:,} pairs are within {distance} bits; take a smaller distance, or drop "
                    "identical hashes first"
                )
    pairs = np.concatenate(found)
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    return pairs[:, :2], pairs[:, 2]


# Near-duplicates --------------------------------------------------------------------------------------


def near_duplicates(
    dataset: Dataset, threshold: float = 0.92, neighbours: int = 20, pairs: np.ndarray | None = None
) -> pd.DataFrame:
    """Images that a small shift, turn and change of contrast makes almost equal to an earlier one.

    Exact copies are not reported again: see ``exact_duplicates``. Each issue refers to an item that
    stays, so a chain of images, each like the next, is not merged into one.

    Args:
        dataset: images of at least 8 x 8 pixels; large ones are compared at 32 pixels.
        threshold: a pair is reported from this score up. The score is 1 - r, where r is the length of
            what the best alignment leaves unexplained, relative to the length of the image's contrast.
            The default was chosen on 8,000 unique images of ``animals`` with 5 % near-duplicates put
            in, three seeds: 99 % of the copies reach it and fewer than one in a thousand of the unique
            images do. Those few look like real near-duplicates, which no corruption log knows of.
        neighbours: candidates for each image.
        pairs: integers ``(m, 2)``, the earlier item first: the only pairs to align, for example those of
            ``hamming_pairs``. Quicker for very many images; but a hash misses shifted and turned copies.

    Returns:
        Issues with ``duplicate_of``.

    Raises:
        ValueError: no images, images that are too small, or a threshold outside 0..1.
    """
    threshold = checked_number("threshold", threshold, 0, 1)
    usable, small, pairs = _candidates(dataset, neighbours, pairs)
    if not len(pairs):
        return issue_table("near_duplicates", [], [], [], [])
    residual = align(small, pairs)
    first, found = _behind_the_first(small, pairs, residual, 1 - threshold)
    items, firsts = usable[list(first)], usable[list(first.values())]
    reasons = [
        f"nearly item {one}: {1 - found[place]:.1%} explained by shift, turn and contrast"
        f"{label_note(dataset, item, one)}"
        for place, item, one in zip(first, items, firsts, strict=True)
    ]
    return issue_table("near_duplicates", items, [1 - found[place] for place in first], reasons, firsts)


def near_duplicate_pairs(dataset: Dataset, lowest: float = 0.6, neighbours: int = 20) -> pd.DataFrame:
    """Every candidate pair with its score, to choose a threshold with: nothing is decided here.

    ``near_duplicates`` reports an item once, behind an item that stays; what it reports at a low threshold
    is therefore no superset of what it reports at a high one. This table is. Introduced in notebook 02.

    Args:
        dataset: images of at least 8 x 8 pixels.
        lowest: pairs below this score (see ``near_duplicates``) are left out.
        neighbours: candidates for each image.

    Returns:
        Issues with ``duplicate_of``, a row for each pair; ``item`` is the later one of the two.

    Raises:
        ValueError: as ``near_duplicates``.
    """
    lowest = checked_number("lowest", lowest, 0, 1)
    usable, small, pairs = _candidates(dataset, neighbours, None)
    if not len(pairs):
        return issue_table("near_duplicate_pairs", [], [], [], [])
    agreement = 1 - align(small, pairs)
    chosen = np.flatnonzero(agreement >= lowest)
    ordered = np.sort(usable[pairs[chosen]], axis=1)  # (pairs, 2): the earlier item, the later item
    reasons = [f"{share:.1%} explained by shift, turn and contrast" for share in agreement[chosen]]
    return issue_table("near_duplicate_pairs", ordered[:, 1], agreement[chosen], reasons, ordered[:, 0])


def _candidates(
    dataset: Dataset, neighbours: int, pairs: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The comparable unique items, their images at working size, and pairs ``(p, 2)`` among these."""
    neighbours = int(checked_number("neighbours", neighbours, 1))
    grey = grey_images(dataset, "near_duplicates")
    comparable = (first_of_each(dataset) == np.arange(len(dataset))) & (grey.std(axis=(1, 2)) >= _FLAT)
    usable = np.flatnonzero(comparable)
    if len(usable) < 2:
        return usable, np.empty((0, 0, 0)), np.empty((0, 2), dtype=np.int64)
    small = working_size(grey[usable])
    del grey  # 150 MB for 50,000 small images
    if pairs is not None:
        return usable, small, np.searchsorted(usable, pairs[comparable[pairs].all(axis=1)])
    return usable, small, _likely_pairs(small, min(neighbours, len(usable) - 1))


def _behind_the_first(
    small: np.ndarray, pairs: np.ndarray, residual: np.ndarray, limit: float
) -> tuple[dict[int, int], dict[int, float]]:
    """For every duplicate the kept item that it repeats, and how much the alignment left unexplained.

    Items are visited in order; one is a duplicate only of an item that is no duplicate itself. A match
    with a duplicate makes its kept item worth a look, even if that was no candidate at first.
    """
    matches: dict[int, dict[int, float]] = {}
    seen = {(int(one), int(two)) for one, two in pairs}
    for _ in range(4):
        for (one, two), left in zip(pairs, residual, strict=True):
            if left <= limit:
                matches.setdefault(int(two), {})[int(one)] = float(left)
        first: dict[int, int] = {}
        more: set[tuple[int, int]] = set()
        for item in sorted(matches):
            kept = {one: left for one, left in matches[item].items() if one not in first}
            if kept:
                first[item] = min(kept, key=kept.__getitem__)
            else:
                more |= {(first[one], item) for one in matches[item]} - seen
        if not more:
            break
        seen |= more
        pairs = np.array(sorted(more))
        residual = align(small, pairs)
    return first, {item: matches[item][one] for item, one in first.items()}


# Alignment, of many pairs at once, in blocks that fit into the cache of a small machine ---------------

_WORKING_SIDE = 32  # pixels: larger images are compared at this size
_SMOOTHING = 0.7  # pixels: interpolated copies are a little smoother than their originals; this evens it out
_COMPONENTS = 48
_LEAST_CORRELATION = 0.7  # of centred and smoothed candidates; copies of silhouettes have 0.94 and more
_PAIRS_EACH = 2  # so many pairs for each item are aligned, those with the smallest tangent distance
_MARGIN = 0.1  # of the side: what a movement brings in from outside the frame is not compared
_LARGEST_TURN = np.deg2rad(12)
_LARGEST_SHIFT = 0.15  # of the side
_FEW = 100  # up to so many images every pair is aligned
_BLOCK = 512


def working_size(grey: np.ndarray) -> np.ndarray:
    """Images ``(n, height, width)`` at working size, ``float32``."""
    side = max(grey.shape[1:])
    if side <= _WORKING_SIDE:
        return grey
    ratio = _WORKING_SIDE / side
    blurred = ndimage.gaussian_filter(grey, (0, 0.4 / ratio, 0.4 / ratio))
    return np.stack([ndimage.zoom(image, ratio, order=1) for image in blurred])


def _likely_pairs(images: np.ndarray, neighbours: int) -> np.ndarray:
    """Pairs ``(m, 2)``, earlier item first, that a small movement may bring together (steps 1 and 2)."""
    if len(images) <= _FEW:
        return np.stack(np.triu_indices(len(images), 1), axis=1)
    centred = np.empty_like(images)
    for start in range(0, len(images), _BLOCK):
        centred[start : start + _BLOCK] = _centred(images[start : start + _BLOCK])
    directions = _principal_directions(centred.reshape(len(centred), -1))
    # In blocks: all slopes of 50,000 small images at once would take a gigabyte.
    blocks = [_tangents(centred[s : s + _BLOCK], directions) for s in range(0, len(centred), _BLOCK)]
    flat, bases = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    pairs = _nearest(flat, neighbours)
    left = np.minimum(_unexplained(flat, bases, pairs), _unexplained(flat, bases, pairs[:, ::-1]))
    return pairs[np.sort(np.argsort(left, kind="stable")[: _PAIRS_EACH * len(images)])]


def _centred(images: np.ndarray) -> np.ndarray:
    """The images with their centre of brightness in the middle, smooth, with mean 0 and length 1."""
    moves = _centres(images) - (np.array(images.shape[1:]) - 1) / 2
    # Light beyond the border counts as none: continuing the edges would draw streaks of every cut-off leg.
    light = np.pad(images - images.min(axis=(1, 2), keepdims=True), ((0, 0), (1, 1), (1, 1)))
    still = np.zeros(len(images), dtype=np.float32)
    moved = _moved(light, np.arange(len(images)), moves[:, 0], moves[:, 1], still)[:, 1:-1, 1:-1]
    centred = ndimage.gaussian_filter(moved, (0, 1, 1))
    centred -= centred.mean(axis=(1, 2), keepdims=True)
    centred /= np.linalg.norm(centred, axis=(1, 2), keepdims=True) + 1e-6
    return centred


def _tangents(centred: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The images in the principal directions ``(n, d)``, and a basis ``(n, d, 4)`` of each image and
    what begins to become of it when it is shifted or turned."""
    flat = _projected(centred, directions)
    down, right = np.gradient(centred, axis=(1, 2))
    movements = (down, right, _turning(down, right))
    tangents = np.stack([flat, *(_projected(slope, directions) for slope in movements)], axis=2)
    return flat, np.linalg.qr(tangents)[0]


def align(images: np.ndarray, pairs: np.ndarray, steps: int = 3) -> np.ndarray:
    """What the best shift, turn and contrast of the first image leaves unexplained of the second.

    Gauss-Newton steps on shift and turn; contrast and brightness have a closed form in each step.

    Args:
        images: ``(n, height, width)``.
        pairs: integers ``(m, 2)``.
        steps: Gauss-Newton steps.

    Returns:
        ``(m,)`` lengths relative to the second image's contrast: 0 is a perfect copy, 1 has nothing in
        common; infinite where the best movement is not small any more, or one is the negative of the other.
    """
    smooth = ndimage.gaussian_filter(images, (0, _SMOOTHING, _SMOOTHING))
    centres = _centres(images)
    starts = range(0, len(pairs), _BLOCK)
    blocks = [_align_block(smooth, centres, pairs[start : start + _BLOCK], steps) for start in starts]
    return np.concatenate([np.empty(0), *blocks])


def _align_block(images: np.ndarray, centres: np.ndarray, pairs: np.ndarray, steps: int) -> np.ndarray:
    first, second = pairs.T
    target = _inside(images[second]).reshape(len(pairs), -1)
    target = target - target.mean(axis=1, keepdims=True)
    move = centres[first] - centres[second]
    turn = np.zeros(len(pairs), dtype=np.float32)
    for step in range(steps + 1):
        moved = _inside(_moved(images, first, move[:, 0], move[:, 1], turn))
        flat = moved.reshape(len(pairs), -1)
        flat = flat - flat.mean(axis=1, keepdims=True)
        power = np.einsum("np,np->n", flat, flat) + 1e-6
        gain = np.einsum("np,np->n", flat, target) / power
        rest = target - gain[:, None] * flat
        if step == steps:
            break
        down, right = np.gradient(moved, axis=(1, 2))
        slopes = np.stack([down, right, _turning(down, right)], axis=1).reshape(len(pairs), 3, -1)
        slopes -= slopes.mean(axis=2, keepdims=True)
        # Contrast is fitted anyway: movement must explain what contrast cannot.
        slopes -= (slopes @ flat[:, :, None] / power[:, None, None]) * flat[:, None, :]
        slopes *= gain[:, None, None]
        normal = slopes @ slopes.transpose(0, 2, 1)
        # A little damping keeps an image that looks the same when turned from spinning.
        normal += 1e-3 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(3) + 1e-6 * np.eye(3)
        change = np.linalg.solve(normal, slopes @ rest[:, :, None])[:, :, 0]
        shift, spin = np.clip(change[:, :2], -1.5, 1.5), np.clip(change[:, 2], -0.1, 0.1)
        cosine, sine = np.cos(turn), np.sin(turn)
        move = move + np.stack(
            [cosine * shift[:, 0] - sine * shift[:, 1], sine * shift[:, 0] + cosine * shift[:, 1]], axis=1
        )
        turn = turn + spin
    left = np.linalg.norm(rest, axis=1) / (np.linalg.norm(target, axis=1) + 1e-6)
    far = np.abs(move).max(axis=1) > _LARGEST_SHIFT * max(images.shape[1:])
    return np.where((gain <= 0) | far | (np.abs(turn) > _LARGEST_TURN), np.inf, left)


def _centres(images: np.ndarray) -> np.ndarray:
    """Centre of brightness ``(n, 2)`` as (row, column), brightness counted from the darkest pixel."""
    light = images - images.min(axis=(1, 2), keepdims=True)
    total = light.sum(axis=(1, 2)) + 1e-6
    rows = light.sum(axis=2) @ np.arange(images.shape[1], dtype=np.float32) / total
    columns = light.sum(axis=1) @ np.arange(images.shape[2], dtype=np.float32) / total
    return np.stack([rows, columns], axis=1)


def _inside(images: np.ndarray) -> np.ndarray:
    """The images without their margin."""
    rows, columns = (round(_MARGIN * side) for side in images.shape[1:])
    return images[:, rows : images.shape[1] - rows, columns : images.shape[2] - columns]


def _turning(down: np.ndarray, right: np.ndarray) -> np.ndarray:
    """How an image changes when it begins to turn about its middle, from its slopes ``(n, h, w)``."""
    rows, columns = (np.arange(side, dtype=np.float32) - (side - 1) / 2 for side in down.shape[1:])
    return right * rows[:, None] - down * columns[None, :]


def _moved(images: np.ndarray, which: np.ndarray, down: np.ndarray, right: np.ndarray, turn: np.ndarray):
    """The chosen images, read at turned and shifted places with linear interpolation; edges continue."""
    height, width = images.shape[1:]
    rows = np.arange(height, dtype=np.float32)[None, :, None] - (height - 1) / 2
    columns = np.arange(width, dtype=np.float32)[None, None, :] - (width - 1) / 2
    values = (np.cos(turn), np.sin(turn), down, right)
    cosine, sine, down, right = (np.asarray(value, dtype=np.float32)[:, None, None] for value in values)
    at_row = np.clip(cosine * rows - sine * columns + (height - 1) / 2 + down, 0, height - 1.001)
    at_column = np.clip(sine * rows + cosine * columns + (width - 1) / 2 + right, 0, width - 1.001)
    top, left = at_row.astype(np.int32), at_column.astype(np.int32)
    at_row -= top
    at_column -= left
    place = np.asarray(which, dtype=np.int64)[:, None, None] * (height * width) + top * width + left
    flat = images.reshape(-1)
    upper = flat[place] + at_column * (flat[place + 1] - flat[place])
    lower = flat[place + width] + at_column * (flat[place + width + 1] - flat[place + width])
    return upper + at_row * (lower - upper)


def _principal_directions(flat: np.ndarray) -> np.ndarray:
    """The leading directions ``(pixels, d)`` in which the images differ."""
    sample = flat[:: max(1, len(flat) // 4000)]
    sample = sample - sample.mean(axis=0)
    pixels = flat.shape[1]
    wanted = (max(0, pixels - _COMPONENTS), pixels - 1)
    _, vectors = linalg.eigh(sample.T @ sample / len(sample), subset_by_index=wanted)
    return np.ascontiguousarray(vectors)


def _projected(images: np.ndarray, directions: np.ndarray) -> np.ndarray:
    return (images - images.mean(axis=(1, 2), keepdims=True)).reshape(len(images), -1) @ directions


def _nearest(flat: np.ndarray, neighbours: int) -> np.ndarray:
    """Pairs of each item with those earlier items that correlate with it most."""
    unit = flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 1e-6)
    found = []
    for start in range(0, len(unit), _BLOCK):
        end = min(start + _BLOCK, len(unit))
        likeness = unit[start:end] @ unit[:end].T
        rows = np.arange(start, end)
        likeness[:, start:][np.triu_indices(end - start)] = -1  # itself and later items
        count = min(neighbours, end)
        columns = np.argpartition(likeness, -count, axis=1)[:, -count:]
        good = (np.take_along_axis(likeness, columns, axis=1) >= _LEAST_CORRELATION).ravel()
        found.append(np.stack([columns.ravel()[good], np.repeat(rows, count)[good]], axis=1))
    return np.concatenate(found)


def _unexplained(flat: np.ndarray, bases: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Tangent distance: how far the second image is from what small movements make of the first."""
    left = np.empty(len(pairs))
    for start in range(0, len(pairs), 8 * _BLOCK):
        first, second = pairs[start : start + 8 * _BLOCK].T
        basis, target = bases[first], flat[second]
        shares = np.einsum("ndk,nd->nk", basis, target)
        rest = target - np.einsum("ndk,nk->nd", basis, shares)
        whole = np.linalg.norm(target, axis=1) + 1e-6
        left[start : start + len(first)] = np.linalg.norm(rest, axis=1) / whole
    return left
