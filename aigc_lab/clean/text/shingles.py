"""Shingles: the short overlapping pieces by which two texts are compared. Introduced in notebook 02.

``shingles`` and ``jaccard`` are the slow and exact definition. ``shingle_hashes`` and ``similarities`` do
the same for many texts at once, with every shingle replaced by a 32-bit hash: two different shingles of
a text share a hash once in four thousand million, so the results differ from the definition by less than
one would ever notice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

ALPHABETIC_SIZE = 4  # characters of a shingle in alphabetic scripts
CHINESE_SIZE = 2  # a Chinese character says about as much as a short word
LARGEST_SIZE = 32
BLOCK = 1 << 20  # characters that are hashed at once: bounds the memory, and keeps near the processor
_PAIR_BLOCK = 1 << 19  # shingles that are compared at once
# Kana, Bopomofo, Han, Hangul: scripts whose single characters carry much.
_DENSE = (
    *((0x3040, 0x312F), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAC00, 0xD7AF), (0xF900, 0xFAFF)),
    (0x20000, 0x3347F),  # the rarer Han characters
)


class Shingles(NamedTuple):
    """Hashed shingles of many texts, one text after the other.

    ``hashes`` is ``uint32 (total,)``; text ``i`` owns ``counts[i]`` of them from ``starts[i]`` on.
    """

    hashes: np.ndarray
    starts: np.ndarray
    counts: np.ndarray


def shingles(text: str, size: int | None = None) -> set[str]:
    """The set of pieces of ``size`` characters, one starting at every character.

    Near the end of the text they are cut short, so that a text shorter than ``size`` has shingles too.
    Without a size the script decides: a shingle that begins with a Chinese, Japanese or Korean character
    has two characters, any other has four.
    """
    size = checked_size(size)
    if size is None and text.isascii():
        size = ALPHABETIC_SIZE
    if size is not None:
        return {text[place : place + size] for place in range(len(text))}
    return {text[place : place + _size_at(text[place])] for place in range(len(text))}


def jaccard(one: str, two: str, size: int | None = None) -> float:
    """The share of the shingles of two texts that both have: |A and B| / |A or B|, from 0 to 1.

    Exact and slow: the definition that every faster way is compared with. Two empty texts are equal: 1.
    Source: P. Jaccard 1912, "The distribution of the flora in the alpine zone".
    """
    first, second = shingles(one, size), shingles(two, size)
    if not first and not second:
        return 1.0
    return len(first & second) / len(first | second)


def checked_size(size: int | None) -> int | None:
    """``size``, if it is None or a whole number from 1 to 32.

    Raises:
        ValueError: it is not.
    """
    whole = isinstance(size, (int, np.integer)) and not isinstance(size, bool)
    if size is not None and not (whole and 1 <= size <= LARGEST_SIZE):
        limits = f"a whole number from 1 to {LARGEST_SIZE}, or None"
        raise ValueError(f"shingle_size must be {limits}, got {size!r}")
    return None if size is None else int(size)


@lru_cache(maxsize=65536)
def _size_at(character: str) -> int:
    return ALPHABETIC_SIZE if _alphabetic()[ord(character) + 1] else CHINESE_SIZE


@lru_cache(maxsize=1)
def _alphabetic() -> np.ndarray:
    """For each code point plus one: whether a shingle that begins with it has the alphabetic size."""
    table = np.ones(0x110002, dtype=bool)
    for low, high in _DENSE:
        table[low + 1 : high + 2] = False
    return table


def blocks(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Ranges of texts of about ``BLOCK`` characters together; a longer text is a range of its own."""
    start, length = 0, 0
    for place, text in enumerate(texts):
        if length and length + len(text) > BLOCK:
            yield start, place
            start, length = place, 0
        length += len(text)
    if start < len(texts):
        yield start, len(texts)


def shingle_hashes(texts: Sequence[str], size: int | None = None) -> Shingles:
    """Hashes of all shingles of the texts, repeats included, in the order of their places."""
    longest = size or ALPHABETIC_SIZE
    multipliers = np.random.default_rng(20260).integers(0, 2**32, LARGEST_SIZE, dtype=np.uint32) | 1
    counts = np.array([len(text) for text in texts], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64) if len(counts) else counts
    if not counts.sum():
        return Shingles(np.empty(0, dtype=np.uint32), starts, counts)
    # Every text is followed by zeros, which stand for no character; characters count from one.
    gap = longest - 1
    joined = ("\0" * gap).join(texts) + "\0" * gap
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32) + np.uint32(1)
    inside = np.ones(len(codes), dtype=bool)
    ends = starts + counts + gap * np.arange(len(counts))
    for step in range(gap):
        inside[ends + step] = False
    codes = codes * inside
    total = len(codes) - gap
    hashes = codes[:total] * multipliers[0]
    piece = np.empty_like(hashes)
    long = None if size or codes.max() <= _DENSE[0][0] else _alphabetic()[codes[:total]]
    for step in range(1, longest):
        np.multiply(codes[step : total + step], multipliers[step], out=piece)
        if long is not None and step >= CHINESE_SIZE:
            piece *= long
        hashes += piece
    hashes = hashes[inside[:total]]
    # The last mixing step of MurmurHash3 (A. Appleby): every bit of the input moves every bit of the output.
    for shift, multiplier in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        hashes ^= hashes >> np.uint32(shift)
        hashes *= np.uint32(multiplier)
    hashes ^= hashes >> np.uint32(16)
    return Shingles(hashes, starts, counts)


def similarities(texts: Sequence[str], pairs: np.ndarray, shingle_size: int | None = None) -> np.ndarray:
    """The Jaccard similarity of each pair of texts, ``float64 (m,)``.

    Args:
        texts: texts, compared as they are.
        pairs: integers ``(m, 2)``, positions in ``texts``.
        shingle_size: characters of a shingle; None: by script, see ``shingles``.
    """
    size = checked_size(shingle_size)
    pairs = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    if not len(pairs):
        return np.empty(0)
    used, places = np.unique(pairs, return_inverse=True)
    sets = _unique_shingles([texts[place] for place in used], size)
    places = places.reshape(-1, 2)
    sizes = sets.counts[places]
    shared = np.empty(len(pairs), dtype=np.int64)
    ends = np.cumsum(sizes.sum(axis=1))
    start = 0
    while start < len(pairs):
        before = ends[start - 1] if start else 0
        end = max(start + 1, int(np.searchsorted(ends, before + _PAIR_BLOCK, side="right")))
        shared[start:end] = _shared(sets, places[start:end])
        start = end
    union = sizes.sum(axis=1) - shared
    return np.where(union > 0, shared / np.maximum(union, 1), 1.0)


def _unique_shingles(texts: Sequence[str], size: int | None) -> Shingles:
    """The shingles of each text sorted and without repeats."""
    hashes, counts = [], []
    for start, end in blocks(texts):
        found = shingle_hashes(texts[start:end], size)
        keys = np.repeat(np.arange(end - start, dtype=np.uint64) << np.uint64(32), found.counts)
        keys |= found.hashes
        keys.sort()
        if len(keys):
            keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])]
        hashes.append(keys.astype(np.uint32))  # the lower half
        counts.append(np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=end - start))
    together = np.concatenate(counts)
    return Shingles(np.concatenate(hashes), np.cumsum(together) - together, together)


def _shared(sets: Shingles, pairs: np.ndarray) -> np.ndarray:
    """How many shingles the two texts of each pair share."""
    sides = []
    for side in pairs.T:
        counts = sets.counts[side]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        number = np.repeat(np.arange(len(pairs), dtype=np.uint64) << np.uint64(32), counts)
        sides.append(number | sets.hashes[np.repeat(sets.starts[side], counts) + within])
    keys = np.sort(np.concatenate(sides))
    twice = keys[1:][keys[1:] == keys[:-1]]
    return np.bincount((twice >> np.uint64(32)).astype(np.int64), minlength=len(pairs))
