"""The issue table that every detector returns: score it against the truth, drop what it names.

Introduced in notebook 00.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_lab.collect.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd


def issue_table(
    detector: str,
    items: Sequence[int] | np.ndarray,
    scores: Sequence[float] | np.ndarray,
    reasons: Sequence[str],
    duplicate_of: Sequence[int] | np.ndarray | None = None,
) -> pd.DataFrame:
    """A table of issues, the surest first: ``item``, ``score`` (larger is surer), ``reason``, ``detector``.

    Duplicates have one more column, ``duplicate_of``: the earlier item that stays.
    """
    import pandas as pd  # here, because it is slow to import

    table = pd.DataFrame(
        {
            "item": np.asarray(items, dtype=np.int64),
            "score": np.asarray(scores, dtype=np.float64),
            "reason": pd.Series(list(reasons), dtype=object),
            "detector": pd.Series([detector] * len(reasons), dtype=object),
        }
    )
    if duplicate_of is not None:
        table["duplicate_of"] = np.asarray(duplicate_of, dtype=np.int64)
    return table.sort_values(["score", "item"], ascending=[False, True], ignore_index=True)


def each_alone(
    detector: str, things: Iterable[Any], look: Callable[[Any], tuple[float, str] | None]
) -> pd.DataFrame:
    """The issues of a detector that looks at each thing alone and gives a score and a reason, or None."""
    found = {item: look(thing) for item, thing in enumerate(things)}
    found = {item: issue for item, issue in found.items() if issue}
    scores, reasons = zip(*found.values(), strict=True) if found else ((), ())
    return issue_table(detector, list(found), scores, reasons)


def score(issues: Any, truth_mask: np.ndarray) -> dict[str, float]:
    """How well an issue table matches the truth, booleans ``(n,)`` such as ``log.mask("blur")``.

    Returns:
        ``precision``, the share of the found items that are true (NaN if nothing was found); ``recall``, the
        share of the true items that were found (NaN if nothing is true); and how many are ``found`` and
        ``true``. An item found twice counts once.

    Raises:
        ValueError: a mask that is no vector of booleans, or is shorter than the items found.
    """
    truth = np.asarray(truth_mask)
    if truth.ndim != 1 or truth.dtype != bool:
        raise ValueError(f"truth_mask must be booleans of shape (n,), got {truth.dtype} {truth.shape}")
    items = np.unique(np.asarray(issues["item"], dtype=np.int64))
    if len(items) and (items[0] < 0 or items[-1] >= len(truth)):
        raise ValueError(f"the issues name item {items[-1]}, but truth_mask has {len(truth)} items")
    hits = int(truth[items].sum())
    return {
        "precision": hits / len(items) if len(items) else float("nan"),
        "recall": hits / int(truth.sum()) if truth.any() else float("nan"),
        "found": len(items),
        "true": int(truth.sum()),
    }


@dataclass(frozen=True, eq=False)
class Cleaned:
    """What was kept, and what was dropped and why. Positions are those in the set that was cleaned."""

    kept: Dataset  # the items that stay, in their order
    kept_index: np.ndarray  # integers (len(kept),): their positions
    dropped: Any  # a row for each dropped item: item, reasons (text), detectors (text), score (the highest)
    stand_ins: tuple[int, ...] = ()  # duplicates that stay in place of a copy dropped for another reason

    def report(self) -> str:
        """What happened, as text: how many items stay, how many each detector found."""
        kept, count = len(self.kept), len(self.kept) + len(self.dropped)
        lines = [f"kept {kept} of {count} items ({kept / max(1, count):.1%}), dropped {len(self.dropped)}"]
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


def drop(dataset: Dataset, *issues: Any) -> Cleaned:
    """Drop every item that any of the issue tables names. The given set stays as it is.

    A duplicate is dropped because an earlier copy stays. If that copy itself is dropped for another
    reason, the first of its duplicates that has no other issue stays in its place: so duplicates
    alone never remove the last copy of an item.

    Raises:
        ValueError: a table that lacks a column, or names an item that the set does not have.
    """
    import pandas as pd  # here, because it is slow to import

    for table in issues:
        _check(table, len(dataset))
    columns = ["item", "score", "reason", "detector"]
    found = pd.concat([pd.DataFrame(columns=columns), *issues]).reindex(columns=[*columns, "duplicate_of"])
    is_copy = found["duplicate_of"].notna()
    # Behind the earliest of them, if two detectors name different ones.
    first_of = found[is_copy].groupby("item")["duplicate_of"].min().astype(int).to_dict()
    stand_ins = _stand_ins(first_of, set(found.loc[~is_copy, "item"]))
    gone = found[~found["item"].isin(stand_ins)].groupby("item")
    dropped = gone.agg(
        reasons=("reason", "; ".join),
        detectors=("detector", lambda names: ", ".join(sorted(set(names)))),
        score=("score", "max"),
    )
    dropped = dropped.reset_index().astype({"item": "int64", "score": "float64"})
    kept_index = np.setdiff1d(np.arange(len(dataset)), dropped["item"])
    return Cleaned(dataset[kept_index], kept_index, dropped, stand_ins)


def _stand_ins(first_of: dict[int, int], other_issues: set[int]) -> tuple[int, ...]:
    """Duplicates to keep, because all that they were found to repeat is dropped for other reasons."""
    groups: dict[int, list[int]] = {}
    for item in sorted(first_of):
        first = first_of[item]
        while first in first_of:  # the earlier copy may repeat a still earlier one; positions only fall
            first = first_of[first]
        groups.setdefault(first, []).append(item)
    chosen = []
    for first, copies in groups.items():
        good = [item for item in copies if item not in other_issues]
        if first in other_issues and good:
            chosen.append(good[0])
    return tuple(sorted(chosen))


def _check(table: Any, count: int) -> None:
    for column in ("item", "score", "reason", "detector"):
        if column not in getattr(table, "columns", ()):
            raise ValueError(f"an issue table lacks the column {column!r}; pass what a detector returned")
    stray = table.loc[~table["item"].between(0, count - 1), "item"]
    if len(stray):
        raise ValueError(
            f"the issues name item {stray.max()}, but the set has {count}: they are of another set"
        )
    if "duplicate_of" in table.columns and (table["duplicate_of"] >= table["item"]).any():
        raise ValueError("duplicate_of must be an earlier item than the duplicate itself")


def checked_number(name: str, value: float, low: float, high: float = float("inf")) -> float:
    """``value``, if it is a number from low to high; else a ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not low <= value <= high:
        raise ValueError(f"{name} must be a number from {low:g} to {high:g}, got {value!r}")
    return float(value)


def label_note(dataset: Any, item: int, first: int) -> str:
    """What a reason says if an item and the earlier copy of it in a data set do not agree on their label."""
    labels = dataset.labels if isinstance(dataset, Dataset) else None
    if labels is None or labels[item] == labels[first]:
        return ""
    names = dataset.class_names
    return f", but labelled {names[labels[item]]} here and {names[labels[first]]} there"
