"""Drop what was found, and keep the record of it. Introduced in notebook 00."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc_lab.collect.dataset import Dataset


@dataclass(frozen=True, eq=False)
class Cleaned:
    """What was kept, and what was dropped and why.

    Args:
        kept: the items that stay, in their order.
        kept_index: integers ``(len(kept),)``, their positions in the set that was cleaned.
        dropped: pandas table, one row per dropped item: ``item`` (position in the set that was
            cleaned), ``reasons`` (text), ``detectors`` (text), ``score`` (the highest).
        original_count: how many items there were.
        stand_ins: positions of duplicates that stayed, because the copy they stood behind was
            dropped for another reason.
    """

    kept: Dataset
    kept_index: np.ndarray
    dropped: Any
    original_count: int
    stand_ins: tuple[int, ...] = ()

    def report(self) -> str:
        """What happened, as text: how many items stay, how many each detector found."""
        kept, share = len(self.kept), len(self.kept) / max(1, self.original_count)
        lines = [f"kept {kept} of {self.original_count} items ({share:.1%}), dropped {len(self.dropped)}"]
        names = self.dropped["detectors"].str.split(", ").explode().value_counts()
        alone = self.dropped["detectors"].value_counts()
        for name in sorted(names.index):
            only = int(alone.get(name, 0))
            lines.append(f"  {name:<17} {names[name]} items, {only} of them found by it alone")
        if self.stand_ins:
            stay = len(self.stand_ins)
            lines.append(f"  {stay} duplicates stay, in place of copies dropped for other reasons")
        if self.kept.labels is not None and len(self.dropped):
            counts = ", ".join(f"{name} {count}" for name, count in self.kept.counts().items())
            lines.append(f"  classes kept: {counts}")
        return "\n".join(lines)


def apply(dataset: Dataset, *findings: Any) -> Cleaned:
    """Drop every item that any of the findings names. The given set stays as it is.

    A duplicate is dropped because an earlier copy stays. If that copy itself is dropped for another
    reason, the first of its duplicates that nothing else was found against stays in its place: so
    duplicates alone never remove the last copy of a picture.

    Args:
        dataset: the set that the detectors looked at.
        findings: findings tables.

    Raises:
        ValueError: findings that lack a column, or name an item that the set does not have.
    """
    import pandas as pd  # here, because it is slow to import

    against: dict[int, list[tuple[str, str, float]]] = {}
    first_of: dict[int, int] = {}
    blamed: set[int] = set()
    for table in findings:
        _check(table, len(dataset))
        is_copy = "duplicate_of" in table.columns
        copied = table["duplicate_of"] if is_copy else [None] * len(table)
        for item, found, reason, name, first in zip(
            table["item"], table["score"], table["reason"], table["detector"], copied, strict=True
        ):
            against.setdefault(int(item), []).append((str(name), str(reason), float(found)))
            if is_copy:
                # Behind the earliest of them, if two detectors name different ones.
                first_of[int(item)] = min(int(first), first_of.get(int(item), int(first)))
            else:
                blamed.add(int(item))

    stand_ins = _stand_ins(first_of, blamed)
    dropped = sorted(set(against) - set(stand_ins))
    rows = [
        {
            "item": item,
            "reasons": "; ".join(reason for _, reason, _ in against[item]),
            "detectors": ", ".join(sorted({name for name, _, _ in against[item]})),
            "score": max(found for _, _, found in against[item]),
        }
        for item in dropped
    ]
    table = pd.DataFrame(rows, columns=["item", "reasons", "detectors", "score"]).astype(
        {"item": "int64", "score": "float64"}
    )
    kept_index = np.setdiff1d(np.arange(len(dataset)), np.array(dropped, dtype=np.int64))
    return Cleaned(dataset[kept_index], kept_index, table, len(dataset), stand_ins)


def _stand_ins(first_of: dict[int, int], blamed: set[int]) -> tuple[int, ...]:
    """Duplicates to keep, because all that they were found to repeat is dropped for other reasons."""
    groups: dict[int, list[int]] = {}
    for item in sorted(first_of):
        first = first_of[item]
        while first in first_of:  # the earlier copy may repeat a still earlier one; positions only fall
            first = first_of[first]
        groups.setdefault(first, []).append(item)
    chosen = []
    for first, copies in groups.items():
        unblamed = [item for item in copies if item not in blamed]
        if first in blamed and unblamed:
            chosen.append(unblamed[0])
    return tuple(sorted(chosen))


def _check(table: Any, count: int) -> None:
    missing = {"item", "score", "reason", "detector"} - set(getattr(table, "columns", ()))
    if missing:
        column = sorted(missing)[0]
        raise ValueError(f"a findings table lacks the column {column!r}; pass what a detector returned")
    items = table["item"].to_numpy()
    if len(items) and (items.min() < 0 or items.max() >= count):
        stray = items.max() if items.max() >= count else items.min()
        raise ValueError(f"the findings name item {stray}, but the set has {count}: they are of another set")
    if "duplicate_of" in table.columns and (table["duplicate_of"] >= table["item"]).any():
        raise ValueError("duplicate_of must be an earlier item than the duplicate itself")
