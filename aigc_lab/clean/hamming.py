"""Pictures whose hashes differ in few bits. Introduced in notebook 02.

The Hamming distance of two hashes is the number of bits in which they differ: one exclusive-or and one
count of bits for eight bytes. Pairs are compared in blocks that stay in the cache, so time grows with the
square of the number of *different* hashes (at about a nanosecond a pair) and memory does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aigc_lab.clean.duplicates import _FLAT, _first_of_each, _label_note
from aigc_lab.clean.findings import SMALLEST_SIDE, checked_number, findings_table
from aigc_lab.clean.perceptual import perceptual_hashes
from aigc_lab.collect.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

_ROWS, _COLUMNS = 128, 4096  # pairs in one block: half a million, 4 MB of exclusive-ors


def hamming_pairs(
    hashes: np.ndarray, distance: int, limit: int = 20_000_000
) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of hashes that differ in at most ``distance`` bits.

    Args:
        hashes: ``uint8`` ``(n, bytes)``, as ``perceptual_hashes`` gives them.
        distance: bits.
        limit: more pairs than this are refused, because they would fill the memory.

    Returns:
        Integers ``(m, 2)``, the earlier position first, sorted; and ``(m,)`` their distances.

    Raises:
        ValueError: hashes of another type or shape, a distance that they cannot have, or too many pairs.
    """
    words = _words(hashes)
    distance = int(checked_number("distance", distance, 0, 8 * hashes.shape[1]))
    found, apart, total = [], [], 0
    for start in range(0, len(words), _ROWS):
        rows = words[start : start + _ROWS]
        for left in range(0, start + len(rows), _COLUMNS):
            columns = words[left : min(left + _COLUMNS, start + len(rows))]
            counts = _distances(rows, columns)
            one, two = np.nonzero(counts <= distance)
            earlier = two + left < one + start
            one, two = one[earlier], two[earlier]
            found.append(np.stack([two + left, one + start], axis=1))
            apart.append(counts[one, two])
            total += len(one)
            if total > limit:
                raise ValueError(
                    f"more than {limit:,} pairs are within {distance} bits; take a smaller distance, or drop "
                    "identical hashes first"
                )
    if not total:
        return np.empty((0, 2), dtype=np.int64), np.empty(0, dtype=np.int64)
    pairs, between = np.concatenate(found), np.concatenate(apart).astype(np.int64)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return pairs[order], between[order]


def hash_duplicates(
    dataset: Dataset, distance: int = 20, kind: str = "perceptual", bits: int = 256
) -> pd.DataFrame:
    """Pictures whose hash differs in few bits from that of an earlier one.

    Quick, and blind to much: a hash survives another file format, size, brightness or a little noise, but
    hardly a shift or a turn, which ``near_duplicates`` looks for. Exact copies are not reported again (see
    ``exact_duplicates``), nor plain pictures, whose hashes mean nothing (see ``low_information``).
    Each finding refers to an item that stays.

    Args:
        dataset: pictures of at least 8 x 8 pixels.
        distance: bits. More bits find more copies and more pairs that only look alike at a glance.
        kind, bits: see ``perceptual_hashes``.

    Returns:
        Findings with ``duplicate_of``; the score is 1 - distance / bits.

    Raises:
        ValueError: no pictures, pictures that are too small, or a bad setting.
    """
    hashes = perceptual_hashes(dataset, kind, bits)
    distance = int(checked_number("distance", distance, 0, bits))
    usable = np.flatnonzero(_comparable(dataset))
    kept = _nearest_kept(hashes[usable], distance)
    items = usable[list(kept)]
    firsts = usable[[one for one, _ in kept.values()]]
    apart = [between for _, between in kept.values()]
    reasons = [
        f"its hash differs from that of item {one} in {between} of {bits} bits"
        f"{_label_note(dataset, item, one)}"
        for item, one, between in zip(items, firsts, apart, strict=True)
    ]
    scores = [1 - between / bits for between in apart]
    return findings_table("hash_duplicates", items, scores, reasons, firsts)


def _comparable(dataset: Dataset) -> np.ndarray:
    """Booleans ``(n,)``: the first of its content, and not plain."""
    if min(dataset.data.shape[1:3]) < SMALLEST_SIDE:
        shape = " x ".join(str(side) for side in dataset.data.shape[1:3])
        raise ValueError(f"hash_duplicates needs pictures of at least 8 x 8 pixels, and these are {shape}")
    spread = np.empty(len(dataset))
    for start in range(0, len(dataset), 1024):
        block = dataset.data[start : start + 1024]
        spread[start : start + 1024] = block.reshape(len(block), -1).std(axis=1, dtype=np.float32)
    return (spread >= _FLAT) & (_first_of_each(dataset) == np.arange(len(dataset)))


def _nearest_kept(hashes: np.ndarray, distance: int) -> dict[int, tuple[int, int]]:
    """For every duplicate the position of the nearest kept one before it, and their distance.

    Positions are visited in order; one is a duplicate only of one that is no duplicate itself.
    """
    words = _words(hashes)
    _, first, copy_of = np.unique(hashes, axis=0, return_index=True, return_inverse=True)
    first_of = first[copy_of.reshape(-1)]
    different = np.sort(first)
    duplicates: dict[int, tuple[int, int]] = {}
    kept = np.empty(len(different), dtype=np.int64)
    kept_words = np.empty((len(different), words.shape[1]), dtype=words.dtype)
    count = 0
    for start in range(0, len(different), _ROWS):
        block = different[start : start + _ROWS]
        rows = words[block]
        near = np.full(len(block), 255 * 255, dtype=np.int64)
        behind = np.full(len(block), -1, dtype=np.int64)
        for left in range(0, count, _COLUMNS):
            counts = _distances(rows, kept_words[left : min(left + _COLUMNS, count)])
            least = counts.min(axis=1)
            closer = np.flatnonzero((least <= distance) & (least < near))
            near[closer] = least[closer]
            behind[closer] = kept[left + counts[closer].argmin(axis=1)]
        # Within the block, in order: those kept just now count as earlier ones, too.
        inside = _distances(rows, rows)
        new: list[int] = []
        for row, item in enumerate(block):
            if new:
                nearest = new[int(inside[row, new].argmin())]
                if inside[row, nearest] <= distance and inside[row, nearest] < near[row]:
                    near[row], behind[row] = inside[row, nearest], block[nearest]
            if behind[row] >= 0:
                duplicates[int(item)] = (int(behind[row]), int(near[row]))
            else:
                new.append(row)
        kept[count : count + len(new)] = block[new]
        kept_words[count : count + len(new)] = rows[new]
        count += len(new)
    for item in np.flatnonzero(first_of != np.arange(len(words))):
        one = int(first_of[item])
        duplicates[int(item)] = duplicates.get(one, (one, 0))
    return dict(sorted(duplicates.items()))


def _words(hashes: np.ndarray) -> np.ndarray:
    """The bytes as words of 64 bits ``(n, w)``, the last one filled up with zeros."""
    if not isinstance(hashes, np.ndarray) or hashes.dtype != np.uint8 or hashes.ndim != 2:
        what = f"{getattr(hashes, 'dtype', type(hashes).__name__)} {getattr(hashes, 'shape', '')}"
        raise ValueError(f"hashes must be uint8 (n, bytes) as perceptual_hashes gives them, got {what}")
    width = -(-hashes.shape[1] // 8) * 8
    filled = np.zeros((len(hashes), width), dtype=np.uint8)
    filled[:, : hashes.shape[1]] = hashes
    return filled.view(np.uint64)


def _distances(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Hamming distances ``(rows, columns)``: ``uint8`` for one word, wider for more."""
    counts = np.bitwise_count(rows[:, None, 0] ^ columns[None, :, 0])
    if rows.shape[1] > 1:
        counts = counts.astype(np.uint16)
        for word in range(1, rows.shape[1]):
            counts += np.bitwise_count(rows[:, None, word] ^ columns[None, :, word])
    return counts
