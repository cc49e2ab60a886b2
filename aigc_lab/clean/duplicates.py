"""Find items that repeat earlier ones, exactly or nearly. Introduced in notebook 00.

Near-duplicates are found in three steps, each cheaper per pair than the next and none of them
deciding alone:

1. Every picture is centred on its centre of brightness, smoothed, and stripped of mean and contrast;
   its nearest neighbours by correlation, in the leading principal components, are candidates.
2. The tangent distance (Simard, LeCun and Denker 1993, "Efficient pattern recognition using a new
   transformation distance") ranks them by how near a small shift or turn can bring them.
3. The best are aligned: shift, turn and contrast that fit one picture to the other best. What the
   best fit leaves unexplained decides.

Why step 3: two bears in the same pose correlate at 0.98 before alignment, and so do a picture and its
shifted copy; after it the copy fits ten times better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aigc_lab.clean.alignment import align, likely_pairs, prepared
from aigc_lab.clean.findings import checked_number, findings_table, grey_pictures
from aigc_lab.collect.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

_FLAT = 2.0  # standard deviation in levels, below which a picture shows nothing that could be compared


def _first_of_each(dataset: Dataset) -> np.ndarray:
    """For every item the position of the first item with the same content."""
    seen: dict[str, int] = {}
    firsts = [seen.setdefault(digest, place) for place, digest in enumerate(dataset.hashes())]
    return np.array(firsts, dtype=np.int64)


def _label_note(dataset: Dataset, item: int, first: int) -> str:
    """What to say if the two copies do not agree on their label."""
    if dataset.labels is None or dataset.labels[item] == dataset.labels[first]:
        return ""
    names = dataset.class_names
    return f", but labelled {names[dataset.labels[item]]} here and {names[dataset.labels[first]]} there"


def exact_duplicates(dataset: Dataset) -> pd.DataFrame:
    """Items whose content equals that of an earlier one, byte by byte. The first one stays.

    Works for pictures, text and audio. Copies whose labels disagree are named in ``reason``; which
    label is right cannot be told from here.

    Returns:
        Findings with ``duplicate_of``; the score is always 1.
    """
    first = _first_of_each(dataset)
    copies = np.flatnonzero(first != np.arange(len(dataset)))
    notes = [_label_note(dataset, item, first[item]) for item in copies]
    reasons = [f"same content as item {first[item]}{note}" for item, note in zip(copies, notes, strict=True)]
    return findings_table("exact_duplicates", copies, np.ones(len(copies)), reasons, first[copies])


def near_duplicates(dataset: Dataset, threshold: float = 0.92, neighbours: int = 20) -> pd.DataFrame:
    """Pictures that a small shift, turn and change of contrast makes almost equal to an earlier one.

    Exact copies are not reported again: see ``exact_duplicates``. Each finding refers to an item that
    stays, so a chain of pictures, each like the next, is not merged into one.

    Args:
        dataset: pictures of at least 8 x 8 pixels; large ones are compared at 32 pixels.
        threshold: a pair is reported from this score up. The score is 1 - r, where r is the length of
            what the best alignment leaves unexplained, relative to the length of the picture's contrast.
            The default was chosen on 8,000 unique pictures of ``animals`` with 5 % near-duplicates dialled
            in, three seeds: 99 % of the dialled copies reach it and fewer than one in a thousand of the
            unique pictures do. Those few look like real near-duplicates, which no ledger knows of.
        neighbours: candidates for each picture.

    Returns:
        Findings with ``duplicate_of``.

    Raises:
        ValueError: no pictures, pictures that are too small, or a threshold outside 0..1.
    """
    threshold = checked_number("threshold", threshold, 0, 1)
    usable, small, pairs = _candidates(dataset, neighbours)
    if not len(pairs):
        return findings_table("near_duplicates", [], [], [], [])
    residual = align(small, pairs)
    first, found = _behind_the_first(small, pairs, residual, 1 - threshold)
    items, firsts = usable[list(first)], usable[list(first.values())]
    reasons = [
        f"nearly item {one}: {1 - found[place]:.1%} explained by shift, turn and contrast"
        f"{_label_note(dataset, item, one)}"
        for place, item, one in zip(first, items, firsts, strict=True)
    ]
    return findings_table("near_duplicates", items, [1 - found[place] for place in first], reasons, firsts)


def near_duplicate_pairs(dataset: Dataset, lowest: float = 0.6, neighbours: int = 20) -> pd.DataFrame:
    """Every candidate pair with its score, to choose a threshold with: nothing is decided here.

    ``near_duplicates`` reports an item once, behind an item that stays; what it reports at a low threshold
    is therefore no superset of what it reports at a high one. This table is: see ``show.threshold_picture``.

    Args:
        dataset: pictures of at least 8 x 8 pixels.
        lowest: pairs below this score (see ``near_duplicates``) are left out.
        neighbours: candidates for each picture.

    Returns:
        Findings with ``duplicate_of``, a row for each pair; ``item`` is the later one of the two.

    Raises:
        ValueError: as ``near_duplicates``. Introduced in notebook 02.
    """
    lowest = checked_number("lowest", lowest, 0, 1)
    usable, small, pairs = _candidates(dataset, neighbours)
    if not len(pairs):
        return findings_table("near_duplicate_pairs", [], [], [], [])
    agreement = 1 - align(small, pairs)
    chosen = np.flatnonzero(agreement >= lowest)
    ordered = np.sort(usable[pairs[chosen]], axis=1)  # (pairs, 2): the earlier item, the later item
    reasons = [f"{share:.1%} explained by shift, turn and contrast" for share in agreement[chosen]]
    return findings_table("near_duplicate_pairs", ordered[:, 1], agreement[chosen], reasons, ordered[:, 0])


def _candidates(dataset: Dataset, neighbours: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The comparable unique items, their prepared pictures, and pairs ``(p, 2)`` of places among them."""
    neighbours = int(checked_number("neighbours", neighbours, 1))
    grey = grey_pictures(dataset, "near_duplicates")
    unique = _first_of_each(dataset) == np.arange(len(dataset))
    usable = np.flatnonzero(unique & (grey.std(axis=(1, 2)) >= _FLAT))
    if len(usable) < 2:
        return usable, np.empty((0, 0, 0)), np.empty((0, 2), dtype=np.int64)
    small = prepared(grey[usable])
    del grey  # 150 MB for 50,000 small pictures
    return usable, small, likely_pairs(small, min(neighbours, len(usable) - 1))


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
