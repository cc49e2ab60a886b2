"""MinHash and locality-sensitive hashing: find pairs that are alike without comparing all of them.

The idea (A. Broder 1997, "On the resemblance and containment of documents"): give every possible shingle
a random rank and keep, of each text, only its shingle of lowest rank. Two texts keep the same one with a
probability equal to their Jaccard similarity, so the share of many such rankings in which they agree
estimates it. Bands of several rankings then make an index: texts that agree in a whole band are
candidates (P. Indyk and R. Motwani 1998). Introduced in notebook 02.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from aigc_lab.clean.findings import checked_number
from aigc_lab.clean.text.forms import as_texts
from aigc_lab.clean.text.shingles import Shingles, blocks, checked_size, shingle_hashes

NOTHING = np.uint32(0xFFFFFFFF)  # the signature of a text without shingles
_ROW = 256  # shingles: longer texts are cut into rows of so many, and the lowest of all rows counts
_CELLS = 1 << 16  # shingles that one ranking is applied to at once: they stay in the processor's cache
_HUBS = 20  # of a large bucket: that many by content and as many by position are paired with all
_PAIRS_AT_ONCE = 1 << 23


def minhash(
    texts: Any, permutations: int = 128, seed: int = 0, shingle_size: int | None = None
) -> np.ndarray:
    """The signature of each text: its lowest shingle in each of many random rankings.

    The rank of shingle x in ranking k is ``a_k * hash(x) mod 2**32`` with a random odd ``a_k``. A text
    without shingles (an empty one) has the highest rank everywhere. Texts are taken as they are: see
    ``comparable`` for the form in which ``near_duplicates`` compares them.

    Args:
        texts: a text data set or a sequence of ``str``.
        permutations: how many rankings. The estimate's standard deviation is sqrt(J (1 - J) / permutations).
        seed: chooses the rankings; signatures of different seeds cannot be compared.
        shingle_size: characters of a shingle; None: by script, see ``shingles``.

    Returns:
        ``uint32 (n, permutations)``. A row depends on its own text alone.

    Raises:
        ValueError: no texts, or a number of rankings outside 1..4096.
    """
    size = checked_size(shingle_size)
    texts = as_texts(texts, "minhash")
    factors = _factors(permutations, seed)
    signatures = np.empty((len(texts), len(factors)), dtype=np.uint32)
    for start, end in blocks(texts):
        signatures[start:end] = _lowest(shingle_hashes(texts[start:end], size), factors)
    return signatures


def _factors(permutations: int, seed: int) -> np.ndarray:
    count = int(checked_number("permutations", permutations, 1, 4096))
    return np.random.default_rng([seed, 128]).integers(0, 2**32, count, dtype=np.uint32) | np.uint32(1)


def _lowest(shingled: Shingles, factors: np.ndarray) -> np.ndarray:
    """The lowest rank of each text in each ranking, ``(n, permutations)``."""
    rows_each = -(-shingled.counts // _ROW)
    owner = np.repeat(np.arange(len(rows_each)), rows_each)
    number = np.arange(len(owner)) - np.repeat(np.cumsum(rows_each) - rows_each, rows_each)
    starts = shingled.starts[owner] + number * _ROW
    counts = np.minimum(shingled.counts[owner] - number * _ROW, _ROW)
    lowest = np.full((len(rows_each), len(factors)), NOTHING)
    order = np.argsort(counts, kind="stable")  # rows of about one length together, so that little is padded
    lengths = counts[order]
    place = 0
    while place < len(order):
        longest = lengths[place] + max(4, lengths[place] // 8)
        alike = int(np.searchsorted(lengths, longest, side="right"))
        rows = order[place : min(alike, place + max(64, _CELLS // longest))]
        place += len(rows)
        width = int(counts[rows[-1]])
        # Short rows repeat their last shingle: that does not change their lowest one.
        within = np.minimum(np.arange(width)[:, None], counts[rows] - 1)
        hashes = shingled.hashes[starts[rows] + within]
        ranks = np.empty_like(hashes)
        best = np.empty((len(factors), len(rows)), dtype=np.uint32)
        for ranking, factor in enumerate(factors):
            np.multiply(hashes, factor, out=ranks)
            np.minimum.reduce(ranks, axis=0, out=best[ranking])
        if rows_each.max() == 1:
            lowest[owner[rows]] = best.T
        else:
            for row, ranks_of_row in zip(owner[rows], best.T, strict=True):
                np.minimum(lowest[row], ranks_of_row, out=lowest[row])
    return lowest


def estimated_similarity(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """The share of rankings in which signatures agree: an unbiased estimate of the Jaccard similarity.

    Args:
        one, two: signatures ``(..., permutations)`` of one seed.
    """
    one, two = np.asarray(one), np.asarray(two)
    if one.shape[-1:] != two.shape[-1:]:
        raise ValueError(f"signatures of {one.shape[-1]} and {two.shape[-1]} rankings cannot be compared")
    return (one == two).mean(axis=-1)


def s_curve(similarity: Any, bands: int, rows: int) -> np.ndarray:
    """The probability that a pair becomes a candidate: 1 - (1 - s**rows)**bands.

    With more rows a band is harder to agree in, with more bands there are more chances: together they
    make the curve steep near (1 / bands)**(1 / rows).
    """
    return 1 - (1 - np.asarray(similarity, dtype=np.float64) ** rows) ** bands


def bands_for(threshold: float, permutations: int = 128, recall: float = 0.99) -> tuple[int, int]:
    """Bands and rows with the fewest false candidates that miss few pairs at the threshold.

    Returns:
        ``(bands, rows)`` with ``bands * rows <= permutations``: as many rows as leave a pair of exactly
        the threshold's similarity a candidate with probability ``recall`` or more (one row if none does).
    """
    threshold = checked_number("threshold", threshold, 0, 1)
    permutations = int(checked_number("permutations", permutations, 1, 4096))
    rows = 1
    while rows < permutations and s_curve(threshold, permutations // (rows + 1), rows + 1) >= recall:
        rows += 1
    return permutations // rows, rows


def band_keys(signatures: np.ndarray, bands: int) -> np.ndarray:
    """One key for each band of each signature; texts that share a key of the same band are candidates.

    Args:
        signatures: ``uint32 (n, permutations)``.
        bands: how many; rankings that are left over after an even division are not used.

    Returns:
        ``uint64 (n, bands)``. Keys of different bands do not meet, so that they can be shuffled together.

    Raises:
        ValueError: more bands than rankings.
    """
    signatures = np.asarray(signatures)
    count, permutations = signatures.shape
    bands = int(checked_number("bands", bands, 1, permutations))
    rows = permutations // bands
    factors = np.random.default_rng(31).integers(0, 2**64, (bands, rows), dtype=np.uint64) | np.uint64(1)
    salts = np.random.default_rng(32).integers(0, 2**64, bands, dtype=np.uint64)
    keys = np.empty((count, bands), dtype=np.uint64)
    for start in range(0, count, 4096):
        part = signatures[start : start + 4096, : bands * rows].reshape(-1, bands, rows)
        keys[start : start + 4096] = (part * factors).sum(axis=2, dtype=np.uint64) + salts
    keys ^= keys >> np.uint64(32)
    keys *= np.uint64(0xD6E8FEB86659FD93)
    keys ^= keys >> np.uint64(32)
    return keys


def candidate_pairs(keys: np.ndarray, order: np.ndarray | None = None) -> np.ndarray:
    """Pairs of items that share the key of at least one band.

    A bucket of more than 40 items would make hundreds of pairs or millions: there, every item is paired
    only with the 20 that come first in ``order`` and the 20 that come first in the set.

    Args:
        keys: ``uint64 (n, bands)`` from ``band_keys``.
        order: numbers ``(n,)`` that rank the items by their content, such as ``content_order`` gives; None:
            by position.

    Returns:
        Integers ``(m, 2)``, the lower position first, sorted, without repeats.
    """
    keys = np.asarray(keys, dtype=np.uint64)
    count = len(keys)
    ranking = np.arange(count) if order is None else np.argsort(np.asarray(order), kind="stable")
    codes = np.empty(0, dtype=np.int64)
    waiting: list[np.ndarray] = []
    for band in keys.T:
        waiting.append(_bucket_codes(band, ranking, count))
        if sum(map(len, waiting)) > _PAIRS_AT_ONCE:
            codes, waiting = np.unique(np.concatenate([codes, *waiting])), []
    codes = np.unique(np.concatenate([codes, *waiting]))
    return np.stack(np.divmod(codes, max(count, 1)), axis=1)


def _bucket_codes(keys: np.ndarray, ranking: np.ndarray, count: int) -> np.ndarray:
    """The pairs of one band as ``low * count + high``."""
    # Most keys occur once: a table of their last bits rules out most items before anything is sorted.
    slots = np.uint64((1 << (4 * count).bit_length()) - 1)
    place = (keys & slots).astype(np.int64)
    busy = np.bincount(place)[place] > 1
    by_key = ranking[busy[ranking]]
    by_key = by_key[np.argsort(keys[by_key], kind="stable")]
    sorted_keys = keys[by_key]
    edges = np.flatnonzero(np.concatenate([[True], sorted_keys[1:] != sorted_keys[:-1], [True]]))
    starts, sizes = edges[:-1], np.diff(edges)
    pairs = [np.empty((2, 0), dtype=np.int64)]
    for size in np.unique(sizes[(sizes > 1) & (sizes <= 2 * _HUBS)]):
        members = by_key[starts[sizes == size][:, None] + np.arange(size)]
        one, two = np.triu_indices(size, 1)
        pairs.append(np.stack([members[:, one].ravel(), members[:, two].ravel()]))
    for start in starts[sizes > 2 * _HUBS]:
        members = by_key[start : start + sizes[np.searchsorted(starts, start)]]
        hubs = np.union1d(members[:_HUBS], np.sort(members)[:_HUBS])
        pairs.append(np.stack([np.repeat(hubs, len(members)), np.tile(members, len(hubs))]))
    one, two = np.concatenate(pairs, axis=1)
    low, high = np.minimum(one, two), np.maximum(one, two)
    return np.unique((low * count + high)[low < high])


def content_order(texts: Sequence[str]) -> np.ndarray:
    """A ``uint64 (n,)`` hash of each text, to rank items independently of their positions."""
    import hashlib

    encoded = (text.encode("utf-8", "surrogatepass") for text in texts)
    digests = b"".join(hashlib.blake2b(one, digest_size=8).digest() for one in encoded)
    return np.frombuffer(digests, dtype="<u8")
