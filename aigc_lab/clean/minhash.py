"""Near-duplicate texts without comparing all pairs: shingles, MinHash, locality-sensitive hashing.

The idea (A. Broder 1997, "On the resemblance and containment of documents"): give every possible shingle
a random rank and keep, of each text, only its shingle of lowest rank. Two texts keep the same one with a
probability equal to their Jaccard similarity. Bands of several rankings make an index: texts that agree in
a whole band are candidates (P. Indyk and R. Motwani 1998). Introduced in notebook 02.

``shingles`` and ``jaccard`` are the slow and exact definition. Everything else works on a 32-bit hash of
each shingle: two different shingles of a text share a hash once in four thousand million.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from aigc_lab.clean.issues import checked_number
from aigc_lab.collect.dataset import Dataset

ALPHABETIC_SIZE = 4  # characters of a shingle in alphabetic scripts
CHINESE_SIZE = 2  # a Chinese character says about as much as a short word
# Kana, Bopomofo, Han, Hangul: scripts whose single characters carry much.
_DENSE = (
    *((0x3040, 0x312F), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAC00, 0xD7AF), (0xF900, 0xFAFF)),
    (0x20000, 0x3347F),  # the rarer Han characters
)
_BLOCK = 1 << 16  # characters that are hashed at once: their shingles stay in the processor's cache
_HUBS = 20  # of a large bucket: that many by content and as many by position are paired with all


class Shingles(NamedTuple):
    """Hashed shingles of many texts, one text after the other.

    ``hashes`` is ``uint32 (total,)``; text ``i`` owns ``counts[i]`` of them from ``starts[i]`` on.
    """

    hashes: np.ndarray
    starts: np.ndarray
    counts: np.ndarray


def as_texts(texts: Any, wanted_by: str) -> tuple[str, ...]:
    """The texts of a data set, or of a sequence of ``str``.

    Raises:
        ValueError: images or audio; one string; something in the sequence that is no string.
    """
    if isinstance(texts, Dataset):
        if texts.modality != "text":
            raise ValueError(f"{wanted_by} looks at text, and the data set holds {texts.modality}")
        return texts.data
    if isinstance(texts, (str, bytes)):
        raise ValueError(f"{wanted_by} takes a sequence of texts, got one string; put it in a list")
    found = tuple(texts)
    strange = next((place for place, text in enumerate(found) if not isinstance(text, str)), None)
    if strange is not None:
        kind = type(found[strange]).__name__
        raise ValueError(f"{wanted_by} takes texts, and item {strange} is of type {kind}; decode it first")
    return found


def with_texts(dataset: Any, texts: Sequence[str]) -> Any:
    """The data set with other texts in it; a tuple of them if no data set was given."""
    return replace(dataset, data=tuple(texts)) if isinstance(dataset, Dataset) else tuple(texts)


def comparable(text: str) -> str:
    """The form in which two texts are compared: NFKC, no case, every run of white space one space.

    It is meant for comparing only: it is too coarse to be kept as the text.
    """
    if not text.isascii():
        # Twice, because lower case can undo the normal form (Unicode 16, section 3.13).
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(text.lower().split())


def shingles(text: str) -> set[str]:
    """The set of short pieces of a text, one starting at every character.

    A shingle that begins with a Chinese, Japanese or Korean character has two characters, any other has
    four. Near the end of the text they are cut short, so that the shortest text has shingles too.
    """
    alphabetic = _alphabetic()
    sizes = (ALPHABETIC_SIZE if alphabetic[ord(one) + 1] else CHINESE_SIZE for one in text)
    return {text[place : place + size] for place, size in enumerate(sizes)}


def jaccard(one: str, two: str) -> float:
    """The share of the shingles of two texts that both have: |A and B| / |A or B|, from 0 to 1.

    Exact and slow: the definition that every faster way is compared with. Two empty texts are equal: 1.
    Source: P. Jaccard 1912, "The distribution of the flora in the alpine zone".
    """
    first, second = shingles(one), shingles(two)
    return len(first & second) / len(first | second) if first | second else 1.0


def minhash(texts: Any, permutations: int = 128, seed: int = 0) -> np.ndarray:
    """The signature of each text: its lowest shingle in each of many random rankings.

    The rank of shingle x in ranking k is ``a_k * hash(x) mod 2**32`` with a random odd ``a_k``. A text
    without shingles (an empty one) has the highest rank everywhere. Texts are taken as they are, not in
    the form of ``comparable``. The share of rankings in which two signatures agree is an unbiased estimate
    of the Jaccard similarity J.

    Args:
        texts: a text data set or a sequence of ``str``.
        permutations: how many rankings. The estimate's standard deviation is sqrt(J (1 - J) / permutations).
        seed: chooses the rankings; signatures of different seeds cannot be compared.

    Returns:
        ``uint32 (n, permutations)``. A row depends on its own text alone.

    Raises:
        ValueError: no texts, or a number of rankings outside 1..4096.
    """
    texts = as_texts(texts, "minhash")
    count = int(checked_number("permutations", permutations, 1, 4096))
    factors = np.random.default_rng([seed, 128]).integers(0, 2**32, count, dtype=np.uint32) | np.uint32(1)
    signatures = np.full((len(texts), count), np.uint32(0xFFFFFFFF))
    for start, end in _blocks(texts):
        shingled = shingle_hashes(texts[start:end])
        filled = np.flatnonzero(shingled.counts)
        ranks = np.empty_like(shingled.hashes)
        for ranking, factor in enumerate(factors):
            np.multiply(shingled.hashes, factor, out=ranks)
            signatures[start + filled, ranking] = np.minimum.reduceat(ranks, shingled.starts[filled])
    return signatures


def s_curve(similarity: Any, bands: int, rows: int) -> np.ndarray:
    """The probability that a pair becomes a candidate: 1 - (1 - s**rows)**bands.

    With more rows a band is harder to agree in, with more bands there are more chances: together they
    make the curve steep near (1 / bands)**(1 / rows).
    """
    return 1 - (1 - np.asarray(similarity, dtype=np.float64) ** rows) ** bands


def bands_for(threshold: float, permutations: int = 128) -> tuple[int, int]:
    """Bands and rows with the fewest false candidates that miss few pairs at the threshold.

    Returns:
        ``(bands, rows)`` with ``bands * rows <= permutations``: as many rows as leave a pair of exactly
        the threshold's similarity a candidate with probability 0.99 or more (one row if none does).
    """
    threshold = checked_number("threshold", threshold, 0, 1)
    permutations = int(checked_number("permutations", permutations, 1, 4096))
    rows = 1
    while rows < permutations and s_curve(threshold, permutations // (rows + 1), rows + 1) >= 0.99:
        rows += 1
    return permutations // rows, rows


def band_keys(signatures: np.ndarray, bands: int) -> np.ndarray:
    """One number for each band of each signature; texts that share one are candidates.

    Args:
        signatures: ``uint32 (n, permutations)``.
        bands: how many; rankings that are left over after an even division are not used.

    Returns:
        ``uint64 (n, bands)``. Keys of different bands never meet, so that they can be shuffled together.

    Raises:
        ValueError: more bands than rankings.
    """
    bands = int(checked_number("bands", bands, 1, signatures.shape[1]))
    rows = signatures.shape[1] // bands
    factors = np.random.default_rng(31).integers(0, 2**64, (bands, rows), dtype=np.uint64) | np.uint64(1)
    salts = np.random.default_rng(32).integers(0, 2**64, bands, dtype=np.uint64)
    cut = signatures[:, : bands * rows].reshape(-1, bands, rows)
    keys = (cut * factors).sum(axis=2, dtype=np.uint64) + salts
    keys ^= keys >> np.uint64(32)
    keys *= np.uint64(0xD6E8FEB86659FD93)
    keys ^= keys >> np.uint64(32)
    return keys


def text_keys(texts: Sequence[str], threshold: float) -> np.ndarray:
    """``band_keys`` of texts, with bands for the threshold; the signatures are three times as large."""
    bands, _ = bands_for(threshold)
    parts = [np.empty((0, bands), dtype=np.uint64)]
    for start in range(0, len(texts), 4096):
        parts.append(band_keys(minhash(texts[start : start + 4096]), bands))
    return np.concatenate(parts)


def candidate_pairs(keys: np.ndarray, order: np.ndarray | None = None) -> np.ndarray:
    """Pairs of items that share the key of at least one band.

    A bucket of more than 40 items would make hundreds of pairs or millions: there, every item is paired
    only with the 20 that come first in ``order`` and the 20 that come first in the set.

    Args:
        keys: ``uint64 (n, bands)`` from ``band_keys``.
        order: numbers ``(n,)`` that rank the items by content, see ``content_order``; None: by position.

    Returns:
        Integers ``(m, 2)``, the lower position first, sorted, without repeats.
    """
    count = len(keys)
    ranking = np.arange(count) if order is None else np.argsort(order, kind="stable")
    codes = np.empty(0, dtype=np.int64)
    for band in keys.T:
        codes = np.union1d(codes, _bucket_codes(band, ranking, count))
    return np.stack(np.divmod(codes, max(count, 1)), axis=1)


def content_order(texts: Sequence[str]) -> np.ndarray:
    """A ``uint64 (n,)`` hash of each text, to rank items independently of their positions."""
    encoded = (text.encode("utf-8", "surrogatepass") for text in texts)
    digests = b"".join(hashlib.blake2b(one, digest_size=8).digest() for one in encoded)
    return np.frombuffer(digests, dtype="<u8")


def similarities(texts: Sequence[str], pairs: np.ndarray) -> np.ndarray:
    """The Jaccard similarity ``float64 (m,)`` of texts (as they are) at each pair ``(m, 2)`` of places."""
    from scipy.sparse import csr_array

    used, places = np.unique(np.asarray(pairs, dtype=np.int64), return_inverse=True)
    places = places.reshape(-1, 2)
    chosen = [texts[place] for place in used]
    # A row for each text, a column for each possible hash: True where the text has that shingle.
    hashed = [shingle_hashes(chosen[start:end]) for start, end in _blocks(chosen)]
    columns = np.concatenate([np.empty(0, np.int64), *(part.hashes for part in hashed)], dtype=np.int64)
    ends = np.cumsum([0, *map(len, chosen)])
    sets = csr_array((np.ones(len(columns), dtype=bool), columns, ends), shape=(len(used), 2**32))
    sets.sum_duplicates()
    counts = np.diff(sets.indptr)
    found = np.ones(len(places))
    for start in range(0, len(places), 4096):
        one, two = places[start : start + 4096].T
        shared = np.diff(sets[one].multiply(sets[two]).tocsr().indptr)
        either = counts[one] + counts[two] - shared
        found[start : start + 4096] = np.where(either > 0, shared / np.maximum(either, 1), 1.0)
    return found


def near_duplicate_pairs(texts: Any, threshold: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of texts whose shingles are nearly the same, and how similar they are.

    MinHash signatures, bands chosen for the threshold, then the exact Jaccard similarity of every
    candidate pair: so chance can hide a pair, and never make one up. Texts are compared in the form of
    ``comparable``; of those equal in it the first stands for all. Which texts make a pair does not depend
    on their order.

    Returns:
        Positions ``int64 (m, 2)``, the earlier first, sorted; similarities ``float64 (m,)`` of at least
        ``threshold``.

    Raises:
        ValueError: no texts, or a threshold outside 0..1.
    """
    places: dict[str, int] = {}
    for place, text in enumerate(as_texts(texts, "near_duplicate_pairs")):
        places.setdefault(comparable(text), place)
    places.pop("", None)
    chosen, unique = list(places), np.array(list(places.values()), dtype=np.int64)
    candidates = candidate_pairs(text_keys(chosen, threshold), content_order(chosen))
    similarity = similarities(chosen, candidates)
    near = similarity >= threshold
    return unique[candidates[near]], similarity[near]


def behind_the_first(pairs: np.ndarray, similarity: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which item of each pair ``(m, 2)``, the earlier one first, goes, in favour of which that stays.

    Items are visited in order; one goes only in favour of an earlier one that stays itself: the most similar
    of these. So a chain of texts, each like the next, is not merged into one.

    Returns:
        The items that go, the item that stays for each, and their similarity.
    """
    behind: dict[int, int] = {}  # an item that goes: the place of its pair
    for place in np.lexsort((pairs[:, 0], -similarity, pairs[:, 1])):
        one, two = pairs[place].tolist()
        if two not in behind and one not in behind:
            behind[two] = place
    chosen = np.array(list(behind.values()), dtype=np.int64)
    return pairs[chosen, 1], pairs[chosen, 0], similarity[chosen]


def shingle_hashes(texts: Sequence[str]) -> Shingles:
    """Hashes of all shingles of the texts, repeats included, in the order of their places."""
    multipliers = np.random.default_rng(20260).integers(0, 2**32, ALPHABETIC_SIZE, dtype=np.uint32) | 1
    counts = np.array([len(text) for text in texts], dtype=np.int64)
    starts = np.cumsum(counts) - counts
    # Every text is followed by zeros, which stand for no character; characters count from one.
    gap = ALPHABETIC_SIZE - 1
    joined = ("\0" * gap).join(texts) + "\0" * gap
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32) + np.uint32(1)
    inside = np.ones(len(codes), dtype=bool)
    ends = starts + counts + gap * np.arange(len(counts))
    for step in range(gap):
        inside[ends + step] = False
    codes = codes * inside
    total = len(codes) - gap
    hashes = codes[:total] * multipliers[0]
    long = _alphabetic()[codes[:total]]
    for step in range(1, ALPHABETIC_SIZE):
        piece = codes[step : total + step] * multipliers[step]
        hashes += piece if step < CHINESE_SIZE else piece * long
    hashes = hashes[inside[:total]]
    # The last mixing step of MurmurHash3 (A. Appleby): every bit of the input moves every bit of the output.
    for shift, multiplier in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        hashes ^= hashes >> np.uint32(shift)
        hashes *= np.uint32(multiplier)
    return Shingles(hashes, starts, counts)


@lru_cache(maxsize=1)
def _alphabetic() -> np.ndarray:
    """For each code point plus one: whether a shingle that begins with it has the alphabetic size."""
    table = np.ones(0x110002, dtype=bool)
    for low, high in _DENSE:
        table[low + 1 : high + 2] = False
    return table


def _blocks(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Ranges of texts of about ``_BLOCK`` characters together; a longer text is a range of its own."""
    start, length = 0, 0
    for place, text in enumerate(texts):
        if length and length + len(text) > _BLOCK:
            yield start, place
            start, length = place, 0
        length += len(text)
    if start < len(texts):
        yield start, len(texts)


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
    large = np.repeat(sizes > 2 * _HUBS, sizes)
    pairs = [np.empty((2, 0), dtype=np.int64)]
    for step in range(1, min(2 * _HUBS, sizes.max(initial=0))):
        alike = (sorted_keys[step:] == sorted_keys[:-step]) & ~large[step:]
        pairs.append(np.stack([by_key[:-step][alike], by_key[step:][alike]]))
    for start, size in zip(starts[sizes > 2 * _HUBS], sizes[sizes > 2 * _HUBS], strict=True):
        members = by_key[start : start + size]
        hubs = np.union1d(members[:_HUBS], np.sort(members)[:_HUBS])
        pairs.append(np.stack([np.repeat(hubs, len(members)), np.tile(members, len(hubs))]))
    one, two = np.concatenate(pairs, axis=1)
    low, high = np.minimum(one, two), np.maximum(one, two)
    return np.unique((low * count + high)[low < high])
