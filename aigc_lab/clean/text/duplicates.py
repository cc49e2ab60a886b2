"""Texts that repeat earlier ones, exactly or nearly. Introduced in notebook 02."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_lab.clean.duplicates import _label_note
from aigc_lab.clean.findings import checked_number, findings_table
from aigc_lab.clean.text.forms import as_texts, comparable_all
from aigc_lab.clean.text.minhash import (
    _factors,
    _lowest,
    band_keys,
    bands_for,
    candidate_pairs,
    content_order,
)
from aigc_lab.clean.text.shingles import blocks, checked_size, shingle_hashes, similarities
from aigc_lab.collect.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd


def first_of_each(texts: Sequence[str]) -> np.ndarray:
    """For every text the position of the first equal one, ``int64 (n,)``."""
    seen: dict[str, int] = {}
    return np.array([seen.setdefault(text, place) for place, text in enumerate(texts)], dtype=np.int64)


def exact_duplicates(dataset: Dataset | Sequence[str], normalise: bool = True) -> pd.DataFrame:
    """Texts that equal an earlier one. The first one stays.

    Args:
        dataset: texts.
        normalise: compare them in the form of ``comparable`` (width, case and white space make no
            difference); False: character by character.

    Returns:
        Findings with ``duplicate_of``. The score is 1 for the very same characters, 0.9 for texts that are
        equal after normalisation only.
    """
    texts = as_texts(dataset, "exact_duplicates")
    first = first_of_each(comparable_all(texts) if normalise else texts)
    copies = np.flatnonzero(first != np.arange(len(texts)))
    same = np.array([texts[item] == texts[first[item]] for item in copies], dtype=bool)
    reasons = [
        f"{'same text as' if equal else 'but for width, case and white space the same text as'} "
        f"item {first[item]}{_note(dataset, item, first[item])}"
        for item, equal in zip(copies, same, strict=True)
    ]
    return findings_table("exact_duplicates", copies, np.where(same, 1.0, 0.9), reasons, first[copies])


def near_duplicates(
    dataset: Dataset | Sequence[str],
    threshold: float = 0.8,
    shingle_size: int | None = None,
    permutations: int = 128,
    seed: int = 0,
) -> pd.DataFrame:
    """Texts whose shingles are nearly those of an earlier one.

    MinHash signatures, bands chosen for the threshold, then the exact Jaccard similarity of every
    candidate pair: so chance can hide a pair, and never make one up. Texts are compared in the form of
    ``comparable``; those equal in that form are not reported again: see ``exact_duplicates``. Each finding
    refers to an item that stays, so a chain of texts, each like the next, is not merged into one.

    Args:
        dataset: texts.
        threshold: pairs from this Jaccard similarity up are near-duplicates.
        shingle_size: characters of a shingle; None: by script, see ``shingles``.
        permutations: length of the signatures; more of them hide fewer pairs.
        seed: chooses the random rankings.

    Returns:
        Findings with ``duplicate_of``; the score is the Jaccard similarity.

    Raises:
        ValueError: no texts, or a threshold, size or number of permutations that makes no sense.
    """
    texts = as_texts(dataset, "near_duplicates")
    pairs, similarity = near_duplicate_pairs(texts, threshold, shingle_size, permutations, seed)
    items, firsts, found = behind_the_first(pairs, similarity)
    reasons = [
        f"nearly item {first}: {share:.0%} of their shingles are the same{_note(dataset, item, first)}"
        for item, first, share in zip(items, firsts, found, strict=True)
    ]
    return findings_table("near_duplicates", items, found, reasons, firsts)


def near_duplicate_pairs(
    texts: Any,
    threshold: float = 0.8,
    shingle_size: int | None = None,
    permutations: int = 128,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """All pairs that ``near_duplicates`` finds, and how similar they are.

    Which texts make a pair does not depend on their order. Of texts that are equal in the form of
    ``comparable`` the first stands for all.

    Returns:
        Positions ``int64 (m, 2)``, the earlier first, sorted; similarities ``float64 (m,)``.
    """
    threshold = checked_number("threshold", threshold, 0, 1)
    size = checked_size(shingle_size)
    forms = comparable_all(as_texts(texts, "near_duplicate_pairs"))
    first = first_of_each(forms)
    unique = np.array([place for place in np.unique(first) if forms[place]], dtype=np.int64)
    chosen = [forms[place] for place in unique]
    bands, _ = bands_for(threshold, permutations)
    factors = _factors(permutations, seed)
    keys = np.empty((len(chosen), bands), dtype=np.uint64)
    for start, end in blocks(chosen):  # signatures are not kept: the keys take a third of their memory
        keys[start:end] = band_keys(_lowest(shingle_hashes(chosen[start:end], size), factors), bands)
    candidates = candidate_pairs(keys, content_order(chosen))
    del keys
    similarity = similarities(chosen, candidates, size)
    near = similarity >= threshold
    return unique[candidates[near]], similarity[near]


def behind_the_first(
    pairs: np.ndarray, similarity: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which item of each pair goes, in favour of which that stays.

    Items are visited in order; one goes only in favour of an earlier one that stays itself: the most similar
    of these.

    Args:
        pairs: positions ``(m, 2)``, the earlier first.
        similarity: ``(m,)``.

    Returns:
        The items that go, the item that stays for each, and their similarity.
    """
    first: dict[int, tuple[int, float]] = {}
    order = np.lexsort((pairs[:, 0], -similarity, pairs[:, 1]))
    for place in order:
        one, two = int(pairs[place, 0]), int(pairs[place, 1])
        if two not in first and one not in first:
            first[two] = (one, float(similarity[place]))
    items = np.array(list(first), dtype=np.int64)
    firsts = np.array([one for one, _ in first.values()], dtype=np.int64)
    return items, firsts, np.array([share for _, share in first.values()], dtype=np.float64)


def groups(pairs: np.ndarray, count: int) -> np.ndarray:
    """The group of each item if every pair is joined: the lowest position in it, ``int64 (count,)``.

    Groups do not depend on the order of the pairs. They merge chains: the ends of a long one may have
    little in common, which is why ``near_duplicates`` does not drop by them.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    pairs = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    joined = coo_matrix((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, number = connected_components(joined, directed=False)
    lowest = np.full(int(number.max(initial=-1)) + 1, count, dtype=np.int64)
    np.minimum.at(lowest, number, np.arange(count))
    return lowest[number]


def _note(dataset: Any, item: int, first: int) -> str:
    return _label_note(dataset, item, first) if isinstance(dataset, Dataset) else ""
