"""Set corruptions by their rates and get the dirty set with its corruption log. Introduced in notebook 00.

Order. Whatever the order of the mapping, corruptions are applied in the order of ``IMAGE_CORRUPTIONS``, the way
data go wrong on their way to a data set: some classes are scarce, annotators err, something stands
in front of the camera, the light is bad, the lens is out of focus, the sensor is noisy; then the
result is copied, and junk gets in. Texts have their own corruptions, in the order of ``TEXT_CORRUPTIONS``: people
write personal data, pages add notices, programs mix up code points and encodings; copies are made, and
texts of other languages and junk get in. So an item may be hit by several corruptions, and a copy carries the
damage and the wrong label of what it copies (rows marked ``inherited``).

Positions. First come the items of the given set in their order, then exact copies, near copies, texts
of other languages and junk. So a copy always stands behind its source.

Randomness. Which items a corruption hits depends on (seed, corruption); what it does to one depends on
(seed, corruption, item). Changing one rate therefore never changes what another corruption does to an item,
and a higher rate hits the same items and some more. Two exceptions follow from the order: copies
copy what is there, and after imbalance fewer items are left to choose from.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from aigc_lab.collect.dataset import Dataset
from aigc_lab.corrupt import pictures, text
from aigc_lab.corrupt.checks import check_fits, checked_rates, checked_seed
from aigc_lab.corrupt.junk import draw_junk
from aigc_lab.corrupt.ledger import COLUMNS, DROPPED_COLUMNS, CorruptionLog
from aigc_lab.corrupt.text_parts import draw_foreign_text, draw_junk_text

ItemDefect = Callable[[Any, np.random.Generator], tuple[Any, str]]

_DAMAGE: dict[str, ItemDefect] = {
    "occlusion": pictures.occlude_picture,
    "brightness": pictures.rebrighten_picture,
    "blur": pictures.blur_picture,
    "noise": pictures.noise_picture,
}
_TEXT_DAMAGE: dict[str, ItemDefect] = {
    "personal_data": text.add_personal_data,
    "boilerplate": text.add_boilerplate,
    "unnormalised": text.unnormalise_text,
    "mojibake": text.misread_text,
}
_COPIES = ("exact_duplicate", "near_duplicate")
_ADDED = ("foreign_language", "junk")
# The order of application: see the top of this file.
IMAGE_CORRUPTIONS = ("imbalance", "label_flip", *_DAMAGE, *_COPIES, "junk")
TEXT_CORRUPTIONS = ("imbalance", "label_flip", *_TEXT_DAMAGE, *_COPIES, *_ADDED)
_ALL_NAMES = tuple(dict.fromkeys((*IMAGE_CORRUPTIONS, *TEXT_CORRUPTIONS)))


class Row(NamedTuple):
    """One row of the corruption log."""

    item: int
    corruption: str
    source: int
    detail: str
    inherited: bool = False


def apply(dataset: Dataset, rates: Mapping[str, float], seed: int = 0) -> tuple[Dataset, CorruptionLog]:
    """Damage a data set by known amounts. The given set stays as it is.

    Args:
        dataset: what to damage; picture corruptions need ``uint8`` pictures of at least 8 x 8 pixels.
        rates: corruption name (``IMAGE_CORRUPTIONS``, or ``TEXT_CORRUPTIONS`` for texts) to rate in [0, 1]. A rate is a
            share of the items, rounded to whole items: that many are damaged, or added (copies and
            junk). For ``imbalance`` it is the share that the scarce classes lose; the other rates
            count what imbalance leaves.
        seed: a whole number from 0 up; the same seed gives the same bytes.

    Returns:
        The dirty set and the corruption log of what was done to which item.

    Raises:
        ValueError: an unknown corruption; a rate that is no number from 0 to 1; a negative seed;
            flipping or imbalance without labels or with a single class; a picture corruption on
            something else than pictures, or on pictures smaller than 8 x 8.
    """
    wanted = checked_rates(rates, _ALL_NAMES)
    seed = checked_seed(seed)
    check_fits(dataset, [name for name, rate in wanted.items() if rate > 0])
    damage = _TEXT_DAMAGE if dataset.modality == "text" else _DAMAGE
    labels = None if dataset.labels is None else dataset.labels.copy()
    dropped = _scarce(dataset, wanted["imbalance"], seed) if wanted["imbalance"] else {}
    kept = np.setdiff1d(np.arange(len(dataset)), list(dropped))
    position = {int(source): item for item, source in enumerate(kept)}
    hit = {
        name: [int(source) for source in _chosen(len(dataset), kept, wanted[name], name, seed)]
        for name in ("label_flip", *damage, *_COPIES)
        if wanted[name]
    }

    rows: list[Row] = []
    for source in hit.get("label_flip", ()):
        labels[source] = _other_label(dataset, source, seed)
        change = f"{dataset.class_names[dataset.labels[source]]} -> {dataset.class_names[labels[source]]}"
        rows.append(Row(position[source], "label_flip", source, change))

    kept_data = dataset[kept].data
    data = list(kept_data) if dataset.modality == "text" else kept_data.copy()
    for name in damage:
        for source in hit.get(name, ()):
            item = position[source]
            data[item], detail = _damaged(damage[name], data[item], _stream(seed, name, source))
            rows.append(Row(item, name, source, detail))

    extra, extra_rows = _copies(data, rows, hit, position, seed)
    sources = [*kept, *(source for name in _COPIES for source in hit.get(name, ()))]
    rows += extra_rows

    junk_labels: list[int] = []
    for name in _ADDED:
        for number in range(_count(wanted[name], len(kept))):
            rng = _stream(seed, name, number)
            item, kind = _added(dataset, name, rng)
            rows.append(Row(len(sources) + len(junk_labels), name, -1, kind))
            junk_labels.append(int(rng.integers(max(1, len(dataset.class_names)))))
            extra.append(item)

    origin = np.array(sources, dtype=np.int64)
    true_labels = None
    if labels is not None:
        nothing = np.full(len(junk_labels), -1, dtype=np.int64)
        true_labels = np.concatenate([dataset.labels[origin], nothing])
        labels = np.concatenate([labels[origin], np.array(junk_labels, dtype=np.int64)])
    origin = np.concatenate([origin, np.full(len(junk_labels), -1, dtype=np.int64)])
    names = TEXT_CORRUPTIONS if dataset.modality == "text" else IMAGE_CORRUPTIONS
    log = _log(rows, dropped, origin, true_labels, wanted, seed, names)
    dirty = replace(dataset, data=_joined(data, extra), labels=labels, card=_noted(dataset, log))
    return dirty, log


def imbalance(dataset: Dataset, rate: float, seed: int = 0) -> tuple[Dataset, CorruptionLog]:
    """Half of the classes (drawn at random) lose the share ``rate`` of their items. See ``dial``."""
    return apply(dataset, {"imbalance": rate}, seed)


def label_flip(dataset: Dataset, rate: float, seed: int = 0) -> tuple[Dataset, CorruptionLog]:
    """Give a share of the items another label, each other class being equally likely. See ``dial``."""
    return apply(dataset, {"label_flip": rate}, seed)


def occlusion(dataset: Dataset, rate: float, seed: int = 0) -> tuple[Dataset, CorruptionLog]:
    """Cover a part of a share of the pictures with a plain rectangle. See ``dial``."""
    return apply(dataset, {"occlusion": rate}, seed)


def brightness(dataset: Dataset, rate: float, seed: int = 0) -> tuple[Dataset, CorruptionLog]:
    """Make a share of the pictures too dark or washed out. See ``dial``."""
    return apply(dataset, {"brightness": rate}, seed)


def blur(dataset: Dataset, rate: float, seed: int = 0) -> tuple[Dataset, CorruptionLog]:
    """Blur a share of the pictures. See ``dial``."""
    return apply(dataset, {"blur": rate}, seed)


def noise(dataset: Dataset, rate: float, seed: int = 0) -> tuple[Dataset, CorruptionLog]:
    """Add Gaussian noise to a share of the pictures. See ``dial``."""
    return apply(dataset, {"noise": rate}, seed)


def exact_duplicate(dataset: Dataset, rate: float, seed: int = 0) -> tuple[Dataset, CorruptionLog]:
    """Append exact copies of a share of the items, each at most once. See ``dial``."""
    return apply(dataset, {"exact_duplicate": rate}, seed)


def near_duplicate(dataset: Dataset, rate: float, seed: int = 0) -> tuple[Dataset, CorruptionLog]:
    """Append nearly equal copies of a share of the items. See ``dial``.

    Pictures are slightly shifted, turned and re-contrasted; texts get a few slips of the pen.
    """
    return apply(dataset, {"near_duplicate": rate}, seed)


def junk(dataset: Dataset, rate: float, seed: int = 0) -> tuple[Dataset, CorruptionLog]:
    """Append items of nothing with random labels. See ``dial``.

    Their kinds are ``JUNK_KINDS`` for pictures, ``TEXT_JUNK_KINDS`` for texts.
    """
    return apply(dataset, {"junk": rate}, seed)


def personal_data(dataset: Dataset, rate: float, seed: int = 0) -> tuple[Dataset, CorruptionLog]:
    """Put invented personal data into a share of the texts. See ``dial``."""
    return apply(dataset, {"personal_data": rate}, seed)


def boilerplate(dataset: Dataset, rate: float, seed: int = 0) -> tuple[Dataset, CorruptionLog]:
    """Put the notice of a page before or behind a share of the texts. See ``dial``."""
    return apply(dataset, {"boilerplate": rate}, seed)


def unnormalised(dataset: Dataset, rate: float, seed: int = 0) -> tuple[Dataset, CorruptionLog]:
    """Write a share of the texts in other code points that look the same. See ``dial``."""
    return apply(dataset, {"unnormalised": rate}, seed)


def mojibake(dataset: Dataset, rate: float, seed: int = 0) -> tuple[Dataset, CorruptionLog]:
    """Read the bytes of a share of the texts in the wrong encoding. See ``dial``."""
    return apply(dataset, {"mojibake": rate}, seed)


def foreign_language(dataset: Dataset, rate: float, seed: int = 0) -> tuple[Dataset, CorruptionLog]:
    """Append texts in languages that are neither English nor Chinese, with random labels. See ``dial``."""
    return apply(dataset, {"foreign_language": rate}, seed)


def _stream(seed: int, name: str, *number: int) -> np.random.Generator:
    """A generator of its own for each (seed, corruption) and each (seed, corruption, item)."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), *number])


def _count(rate: float, total: int) -> int:
    return math.floor(rate * total + 0.5)


def _chosen(total: int, kept: np.ndarray, rate: float, name: str, seed: int) -> np.ndarray:
    """Positions in the given set that a corruption hits: the first ones of a fixed shuffled order."""
    order = _stream(seed, name).permutation(total)
    return order[np.isin(order, kept)][: _count(rate, len(kept))]


def _scarce(dataset: Dataset, rate: float, seed: int) -> dict[int, str]:
    """Positions that imbalance drops, each with the reason."""
    rng = _stream(seed, "imbalance")
    present = np.unique(dataset.labels)
    classes = np.sort(rng.permutation(present)[: len(present) // 2])
    dropped: dict[int, str] = {}
    for label in classes:
        members = np.flatnonzero(dataset.labels == label)
        lost = _stream(seed, "imbalance", int(label)).permutation(members)[: _count(rate, len(members))]
        detail = f"{dataset.class_names[label]} loses {len(lost)} of {len(members)}"
        dropped.update({int(source): detail for source in lost})
    return dropped


def _other_label(dataset: Dataset, source: int, seed: int) -> int:
    step = int(_stream(seed, "label_flip", source).integers(1, len(dataset.class_names)))
    return (int(dataset.labels[source]) + step) % len(dataset.class_names)


def _damaged(damage: ItemDefect, item: Any, rng: np.random.Generator) -> tuple[Any, str]:
    result, detail = damage(item, rng)
    if np.array_equal(result, item):  # a blank picture cannot be blurred
        detail += "; it changes " + (
            "nothing in this text" if isinstance(item, str) else "no pixel of this picture"
        )
    return result, detail


def _added(dataset: Dataset, name: str, rng: np.random.Generator) -> tuple[Any, str]:
    """One item that comes from nowhere, and its kind."""
    if dataset.modality == "text":
        return draw_foreign_text(rng) if name == "foreign_language" else draw_junk_text(rng)
    return draw_junk(dataset.data.shape[1:], rng)


def _copies(
    data: Any, rows: list[Row], hit: dict[str, list[int]], position: dict[int, int], seed: int
) -> tuple[list[Any], list[Row]]:
    """The copied items, and their rows: one for being a copy, and those of the item they copy."""
    rows_of: dict[int, list[Row]] = {}
    for row in rows:
        rows_of.setdefault(row.item, []).append(row)
    copies: list[Any] = []
    copy_rows: list[Row] = []
    for name in _COPIES:
        for source in hit.get(name, ()):
            item, number = position[source], len(data) + len(copies)
            copy, detail = data[item], f"copy of item {item}"
            if name == "near_duplicate":
                nearly = text.nearly_copy_text if isinstance(copy, str) else pictures.nearly_copy_picture
                copy, how = _damaged(nearly, copy, _stream(seed, name, source))
                detail += f", {how}"
            copies.append(copy)
            copy_rows.append(Row(number, name, source, detail))
            copy_rows += [row._replace(item=number, inherited=True) for row in rows_of.get(item, ())]
    return copies, copy_rows


def _joined(data: Any, extra: list[Any]) -> Any:
    if isinstance(data, list):
        return (*data, *extra)
    return np.concatenate([data, np.stack(extra)]) if extra else data


def _log(
    rows: list[Row],
    dropped: dict[int, str],
    sources: np.ndarray,
    true_labels: np.ndarray | None,
    rates: dict[str, float],
    seed: int,
    names: tuple[str, ...],
) -> CorruptionLog:
    import pandas as pd  # here, because it is slow to import

    table = pd.DataFrame(sorted(rows, key=lambda row: row[0]), columns=list(COLUMNS))
    table = table.astype({"item": "int64", "source": "int64", "inherited": bool})
    lost = [(source, "imbalance", detail) for source, detail in sorted(dropped.items())]
    dropped_table = pd.DataFrame(lost, columns=list(DROPPED_COLUMNS)).astype({"source": "int64"})
    used = {name: rate for name, rate in rates.items() if rate > 0}
    return CorruptionLog(table, dropped_table, sources, true_labels, names, used, seed)


def _noted(dataset: Dataset, log: CorruptionLog) -> Any:
    """The card, with the corruptions named among the known faults: nothing is changed silently."""
    notes = tuple(
        f"dialled in on purpose (seed {log.seed}): {name} at rate {log.rates[name]:g}, {count} items"
        for name, count in log.counts().items()
        if count
    )
    return replace(dataset.card, known_faults=(*dataset.card.known_faults, *notes))
