"""The corruption log: which item got which corruption. Introduced in notebook 00."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc_lab.collect.dataset import unknown_name

COLUMNS = ("item", "corruption", "source", "detail", "inherited")
DROPPED_COLUMNS = ("source", "corruption", "detail")


@dataclass(frozen=True, eq=False)
class CorruptionLog:
    """What ``dial`` did, item by item.

    Args:
        table: pandas table, one row per item and corruption: ``item`` (position in the dirty set),
            ``corruption``, ``source`` (position in the original set, -1 for junk), ``detail`` (short
            text such as ``"cat -> dog"``), ``inherited`` (True where a copy has the corruption only
            because the item it was copied from has it).
        dropped: pandas table of the items that imbalance removed: ``source``, ``corruption``, ``detail``.
        sources: integers ``(n,)``, for every dirty item the position it came from, -1 for junk.
        true_labels: integers ``(n,)``, the label before any flip, -1 for junk; None without labels.
        names: the corruptions that exist.
        rates: what was asked for.
        seed: the seed.
    """

    table: Any
    dropped: Any
    sources: np.ndarray
    true_labels: np.ndarray | None
    names: tuple[str, ...]
    rates: dict[str, float]
    seed: int

    def __len__(self) -> int:
        """Number of rows of the table."""
        return len(self.table)

    @property
    def item_count(self) -> int:
        """Number of items in the dirty set."""
        return len(self.sources)

    def items(self, corruption: str) -> np.ndarray:
        """Sorted positions in the dirty set of the items that have the corruption, inherited or not.

        Raises:
            ValueError: a corruption that does not exist.
        """
        if corruption not in self.names:
            raise unknown_name("corruption", corruption, self.names)
        return np.sort(self.table["item"].to_numpy()[(self.table["corruption"] == corruption).to_numpy()])

    def mask(self, *corruptions: str) -> np.ndarray:
        """Booleans ``(n,)``: True where an item has any of the corruptions (of all, if none is named)."""
        chosen = np.zeros(self.item_count, dtype=bool)
        for corruption in corruptions or self.names:
            chosen[self.items(corruption)] = True
        return chosen

    def counts(self) -> dict[str, int]:
        """How many items each dialled corruption was given to: rate times items, without inherited rows.

        For ``imbalance`` it is the number of dropped items.
        """
        own = self.table["corruption"][~self.table["inherited"].to_numpy(dtype=bool)].value_counts()
        counts = {name: int(own.get(name, 0)) for name in self.rates}
        if "imbalance" in counts:
            counts["imbalance"] = len(self.dropped)
        return counts

    def report(self) -> str:
        """The counts as text, one corruption a line."""
        lines = [f"{self.item_count} items after the dial (seed {self.seed})"]
        for name, count in self.counts().items():
            verb = "dropped" if name == "imbalance" else "given to"
            inherited = int(self.table["inherited"].to_numpy(dtype=bool)[self.table["corruption"] == name].sum())
            extra = f", and {inherited} copies of them" if inherited else ""
            lines.append(f"  {name:<16} rate {self.rates[name]:.3f}: {verb} {count} items{extra}")
        return "\n".join(lines)
