"""The same cleaning for texts that outgrow one machine's memory: over the partitions of a Dask column.

    frame = dask.dataframe.read_parquet("texts")
    exact, near = duplicates(frame["text"])
    drop(frame, exact, near).to_parquet("cleaned")

Each partition is a task, which reads its texts anew; what must meet (the keys of a band, the two texts of a
pair) Dask brings together. The calling process holds 33 bytes an item and the pairs that share a band.
Where it runs is Dask's matter: here, or on the workers of the open ``distributed.Client``. Items are counted
through all partitions in their order; a missing cell is an empty text. Introduced in notebook 02.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import dask
import numpy as np
import pandas as pd

from aigc_lab.clean import minhash, text
from aigc_lab.clean.issues import issue_table


def detect(column: Any, detector: Callable[[list[str]], pd.DataFrame]) -> pd.DataFrame:
    """What a detector of ``clean.text`` that judges each text by itself finds in all of them.

    Options are bound to it: ``partial(text.other_language, expected="en")``.

    Raises:
        ValueError: a detector that compares texts, or ``other_language`` without ``expected``.
    """
    bare = getattr(detector, "func", detector)  # of a partial
    by_the_others = (text.exact_duplicates, text.near_duplicates, text.boilerplate)
    unnamed = bare is text.other_language and not getattr(detector, "keywords", {}).get("expected")
    if bare in by_the_others or unnamed:
        raise ValueError(f"{bare.__name__} judges a text by the others: see duplicates, or name expected")
    found = _run(lambda part: (len(part), detector(part)), _texts(column))
    starts = np.cumsum([0, *(count for count, _ in found)])
    table = pd.concat(
        part.assign(item=part["item"] + at) for at, (_, part) in zip(starts, found, strict=False)
    )
    return table.sort_values(["score", "item"], ascending=[False, True], kind="stable", ignore_index=True)


def drop(frame: Any, *issues: pd.DataFrame) -> Any:
    """The Dask frame without the items that the tables name."""
    items = np.concatenate([table["item"] for table in issues])
    starts = np.cumsum([0, *frame.map_partitions(len).compute()])

    def kept(part: pd.DataFrame, partition_info: Any = None) -> pd.DataFrame:
        start = starts[partition_info["number"]] if partition_info else 0
        return part[~np.isin(start + np.arange(len(part)), items)]

    return frame.map_partitions(kept, meta=frame)


def duplicates(column: Any, threshold: float = 0.8) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What ``text.exact_duplicates`` and ``text.near_duplicates`` find in all texts together.

    First of equal texts one stays; then the keys of each band are brought together, and the texts of each
    pair that shares one. So every pair that one process finds is found.
    """
    parts = _texts(column)
    hashed = _run(_hashes, parts)
    edges = np.cumsum([0, *map(len, hashed)])
    forms, exactly, filled = (np.concatenate([part[name] for part in hashed]) for name in _HASHES.names)
    _, places, groups = np.unique(forms, return_index=True, return_inverse=True)
    first = places[groups]
    copies = np.flatnonzero(first != np.arange(len(first)))
    _, places, groups = np.unique(exactly, return_index=True, return_inverse=True)
    scores = np.where(places[groups][copies] < copies, 1.0, 0.9)  # the very same text stands further up
    reasons = [f"repeats item {item}" for item in first[copies]]
    exact = issue_table("exact_duplicates", copies, scores, reasons, first[copies])

    single = np.setdiff1d(np.flatnonzero(filled), copies)
    rows = [single[slice(*np.searchsorted(single, ends))] - ends[0] for ends in pairwise(edges)]
    pairs, similarity = _similar(parts, edges, single[_candidates(parts, rows, threshold)])
    near = similarity >= threshold
    items, firsts, shares = minhash.behind_the_first(pairs[near], similarity[near])
    reasons = [
        f"nearly item {one}: similarity {alike:.2f}" for one, alike in zip(firsts, shares, strict=True)
    ]
    return exact, issue_table("near_duplicates", items, shares, reasons, firsts)


def _candidates(parts: list[Any], rows: list[np.ndarray], threshold: float) -> np.ndarray:
    """Pairs that share the key of a band, as places among all of ``rows``: each band is one task."""
    bands, _ = minhash.bands_for(threshold)
    keys = dask.delayed(_keys, nout=bands + 1)
    keys = [keys(part, some, threshold) for part, some in zip(parts, rows, strict=True)]
    order = [part[bands] for part in keys]
    found = _run(_pairs, [[part[band] for part in keys] for band in range(bands)], [order] * bands)
    return np.unique(np.concatenate(found), axis=0)


def _similar(parts: list[Any], edges: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pairs, in another order, and their similarities: a task for every two partitions that meet."""
    wanted = [np.unique(pairs[(pairs >= start) & (pairs < end)]) for start, end in pairwise(edges)]
    forms = [
        dask.delayed(_forms)(part, items - start)
        for part, items, start in zip(parts, wanted, edges, strict=False)
    ]
    met, which = np.unique(np.searchsorted(edges, pairs, side="right") - 1, axis=0, return_inverse=True)
    groups = [pairs[which == number] for number in range(len(met))]
    local = [
        np.stack([np.searchsorted(wanted[both[side]], group[:, side]) for side in (0, 1)], axis=1)
        for group, both in zip(groups, met, strict=True)
    ]
    alike = _run(_similarity, [forms[one] for one, _ in met], [forms[two] for _, two in met], local)
    return np.concatenate([pairs[:0], *groups]), np.concatenate([np.empty(0), *alike])


def _texts(column: Any) -> list[Any]:
    """Each partition as a list of texts, still to be read."""
    return [dask.delayed(lambda part: part.fillna("").tolist())(part) for part in column.to_delayed()]


def _run(step: Callable[..., Any], *arguments: Any) -> tuple[Any, ...]:
    return dask.compute(*(dask.delayed(step)(*each) for each in zip(*arguments, strict=True)))


# Of a text: 128 bits of its comparable form, 64 of its exact characters, and whether it says anything.
_HASHES = np.dtype([("form", "S16"), ("exact", "u8"), ("filled", "?")])


def _hashes(texts: list[str]) -> np.ndarray:
    forms = [minhash.comparable(one) for one in texts]
    encoded = (form.encode("utf-8", "surrogatepass") for form in forms)
    digests = [hashlib.blake2b(form, digest_size=16).digest() for form in encoded]
    return np.array(list(zip(digests, minhash.content_order(texts), map(bool, forms), strict=True)), _HASHES)


def _keys(texts: list[str], rows: np.ndarray, threshold: float) -> list[np.ndarray]:
    """The keys of each band of the texts in ``rows`` and, last, the numbers that rank them by content."""
    forms = _forms(texts, rows)
    return [*np.ascontiguousarray(minhash.text_keys(forms, threshold).T), minhash.content_order(forms)]


def _pairs(keys: list[np.ndarray], order: list[np.ndarray]) -> np.ndarray:
    return minhash.candidate_pairs(np.concatenate(keys)[:, None], np.concatenate(order))


def _forms(texts: list[str], rows: np.ndarray) -> list[str]:
    return [minhash.comparable(texts[row]) for row in rows]


def _similarity(one: list[str], two: list[str], pairs: np.ndarray) -> np.ndarray:
    return minhash.similarities([*one, *two], pairs + np.array([0, len(one)]))
