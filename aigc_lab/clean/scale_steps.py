"""The steps of ``clean.scale`` that run on one shard or one band, in any process.

Each takes and returns small things; what is large lies in files of a scratch folder that all processes
reach. An item's number is its place in all shards, one after the other in the order of their names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aigc_lab.clean.text.forms import comparable_all
from aigc_lab.clean.text.minhash import band_keys, candidate_pairs, content_order, minhash
from aigc_lab.clean.text.shingles import blocks, similarities
from aigc_lab.collect.atomic import atomic_write

_PAIRS_AT_ONCE = 1 << 20


def row_count(path: str, column: str) -> int:
    """Rows of a shard.

    Raises:
        ValueError: no Parquet file, no such column, or a column that holds no text.
    """
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    try:
        with parquet.ParquetFile(path) as shard:
            names, rows = shard.schema_arrow, shard.metadata.num_rows
    except (arrow.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path} cannot be read as a Parquet file: {error}") from error
    if column not in names.names:
        raise ValueError(f"{path} has no column {column!r}; its columns are {', '.join(names.names)}")
    kind = names.field(column).type
    if not (arrow.types.is_string(kind) or arrow.types.is_large_string(kind)):
        raise ValueError(f"the column {column!r} of {path} holds {kind}, not text")
    return rows


def texts_of(path: str, column: str, rows: np.ndarray | None = None) -> list[str]:
    """The texts of a shard, all or those in the given rows; an empty cell is an empty text."""
    import pyarrow.parquet as parquet

    cells = parquet.read_table(path, columns=[column]).column(0)
    if rows is not None:
        cells = cells.take(rows)
    return [text or "" for text in cells.to_pylist()]


def hash_forms(path: str, column: str) -> dict[str, np.ndarray]:
    """Of each text: 128 bits that tell its comparable form, and 64 that tell its exact characters."""
    texts = texts_of(path, column)
    forms = comparable_all(texts)
    digests = b"".join(hashlib.blake2b(form.encode(), digest_size=16).digest() for form in forms)
    return {
        "form": np.frombuffer(digests, dtype="<u8").reshape(-1, 2).copy(),
        "exact": content_order(texts).copy(),
        "filled": np.array([bool(form) for form in forms], dtype=bool),
    }


def write_bands(
    path: str, column: str, rows: np.ndarray, offset: int, options: dict[str, Any], scratch: str, number: int
) -> int:
    """Band keys of the texts in ``rows``, one file for each band with ``key``, ``item`` and ``order``."""
    forms = comparable_all(texts_of(path, column, rows))
    bands = options["bands"]
    keys = np.empty((len(forms), bands), dtype=np.uint64)
    for start, end in blocks(forms):
        part = forms[start:end]
        signatures = minhash(part, options["permutations"], options["seed"], options["shingle_size"])
        keys[start:end] = band_keys(signatures, bands)
    order, item = content_order(forms), (rows + offset).astype(np.uint64)
    for band in range(bands):
        with atomic_write(Path(scratch) / f"band{band:04d}-{number:06d}.npy") as stream:
            np.save(stream, np.stack([keys[:, band], item, order]))
    return len(forms)


def pairs_of_band(band: int, scratch: str, edges: np.ndarray) -> list[tuple[int, int]]:
    """Candidate pairs of one band, in one file for each pair of shards that they come from.

    Args:
        band: its number.
        edges: ``(shards + 1,)``, the number of the first item of each shard, and the total.

    Returns:
        How many pairs there are from each pair of shards: ``(number of the file, pairs)``.
    """
    files = sorted(Path(scratch).glob(f"band{band:04d}-*.npy"))
    keys, items, orders = np.concatenate([np.load(file) for file in files], axis=1)
    found = items.astype(np.int64)[candidate_pairs(keys[:, None], orders)]
    low, high = found.min(axis=1), found.max(axis=1)
    shard = np.searchsorted(edges, low, side="right") - 1
    counts = []
    for one in np.unique(shard):
        mine = shard == one
        with atomic_write(Path(scratch) / f"pairs{one:06d}-{band:04d}.npy") as stream:
            np.save(stream, np.stack([low[mine], high[mine]], axis=1))
        counts.append((int(one), int(mine.sum())))
    # The files of the band stay: a step that is run again, because its worker died, finds them.
    return counts


def near_pairs(
    number: int, scratch: str, paths: Sequence[str], column: str, edges: np.ndarray, options: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """The candidate pairs whose first text lies in shard ``number``, and are as alike as is asked for."""
    files = sorted(Path(scratch).glob(f"pairs{number:06d}-*.npy"))
    pairs = np.unique(np.concatenate([np.load(file) for file in files]), axis=0)
    shard = np.searchsorted(edges, pairs[:, 1], side="right") - 1
    kept, alike = [], []
    for other in np.unique(shard):
        mine = pairs[shard == other]
        for start in range(0, len(mine), _PAIRS_AT_ONCE):
            part = mine[start : start + _PAIRS_AT_ONCE]
            low, one = np.unique(part[:, 0], return_inverse=True)
            high, two = np.unique(part[:, 1], return_inverse=True)
            texts = texts_of(paths[number], column, low - edges[number])
            texts += texts_of(paths[other], column, high - edges[other])
            places = np.stack([one, two + len(low)], axis=1)
            found = similarities(comparable_all(texts), places, options["shingle_size"])
            near = found >= options["threshold"]
            kept.append(part[near])
            alike.append(found[near])
    return np.concatenate(kept), np.concatenate(alike)


def write_kept(path: str, target: str, dropped: np.ndarray) -> int:
    """A copy of a shard without the dropped rows, all columns kept; returns the number of rows left."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    rows = parquet.read_table(path)
    keep = np.ones(rows.num_rows, dtype=bool)
    keep[dropped] = False
    rows = rows.filter(arrow.array(keep))
    with atomic_write(target) as stream:
        parquet.write_table(rows, stream)
    return rows.num_rows


def exact_copies(hashed: Sequence[dict[str, np.ndarray]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Items whose form an earlier one has, the earliest of these, and whether all characters agree."""
    forms = np.concatenate([part["form"] for part in hashed])
    exact = np.concatenate([part["exact"] for part in hashed])
    first = _first_rows(forms)
    copies = np.flatnonzero(first != np.arange(len(first)))
    return copies, first[copies], exact[copies] == exact[first[copies]]


def _first_rows(forms: np.ndarray) -> np.ndarray:
    """The place of the first equal row, for rows of two numbers."""
    order = np.lexsort((np.arange(len(forms)), forms[:, 1], forms[:, 0]))
    ordered = forms[order]
    new = np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)])
    starts = np.flatnonzero(new)
    first = np.empty(len(forms), dtype=np.int64)
    first[order] = order[starts][np.cumsum(new) - 1]
    return first
