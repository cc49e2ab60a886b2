"""The dial for tables: damage known cells of a pandas frame, and keep the corruption log.

A rate is a share of the rows; in each row that a corruption hits, one cell is damaged, and no cell by two
corruptions. Which rows a corruption hits depends on (seed, corruption); which cell, and what it becomes, on
(seed, corruption, row): so changing one rate never changes what another corruption does, and a higher rate hits
the same rows and some more. Introduced in notebook 02.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_lab.corrupt.checks import checked_rates, checked_seed
from aigc_lab.corrupt.dial import _count, _stream
from aigc_lab.corrupt.ledger import COLUMNS, DROPPED_COLUMNS, CorruptionLog

if TYPE_CHECKING:
    import pandas as pd

TABLE_CORRUPTIONS = ("out_of_range", "wrong_type", "wrong_category", "missing", "duplicate_row")
_NEEDS = {"out_of_range": "number", "wrong_type": "number", "wrong_category": "category"}


def apply_to_table(frame: pd.DataFrame, rates: Mapping[str, float], seed: int = 0) -> tuple[pd.DataFrame, CorruptionLog]:
    """Damage a table by known amounts. The given table stays as it is.

    ``out_of_range`` writes a number beyond all that its column holds (a slipped decimal point, a lost
    sign, a code such as 999); ``wrong_type`` turns a number into text (``"5.1 cm"``, ``"5,1"``,
    ``"n/a"``); ``wrong_category`` changes the spelling of a category or invents one; ``missing`` empties
    a cell; ``duplicate_row`` appends copies of rows, with the damage that they have by then.

    Args:
        frame: rows of numbers, and of strings or booleans as categories.
        rates: names of ``TABLE_CORRUPTIONS`` to rates in [0, 1], each a share of the rows.
        seed: a whole number from 0 up.

    Returns:
        The dirty table (rows numbered from 0) and the corruption log, whose table has one more column, ``column``
        (empty for a copied row). ``log.true_labels`` is None.

    Raises:
        ValueError: an unknown corruption, a rate that is no number from 0 to 1, a negative seed, or more
            rows to hit than have a free cell of the kind that the corruption needs.
    """
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise ValueError(f"a table must be a pandas DataFrame, got {type(frame).__name__}")
    if not frame.columns.is_unique:
        raise ValueError("two columns of the table have the same name; rename one")
    wanted, seed = checked_rates(rates, TABLE_CORRUPTIONS), checked_seed(seed)
    columns = {name: list(frame[name]) for name in frame.columns}
    kinds = {name: _kind(frame[name]) for name in frame.columns}
    places = _allotted(frame, kinds, seed)

    rows: list[tuple[int, str, int, str, bool, str]] = []
    for corruption in TABLE_CORRUPTIONS[:-1]:
        for row in _hit(len(frame), places[corruption], wanted[corruption], corruption, seed):
            name = list(columns)[places[corruption][row]]
            before, rng = columns[name][row], _stream(seed, corruption, row)
            after, how = _damage(corruption, before, frame[name], rng)
            columns[name][row] = after
            rows.append((row, corruption, row, f"{name}: {before} -> {after!r}{how}", False, str(name)))

    copied = _hit(len(frame), np.zeros(len(frame), dtype=int), wanted["duplicate_row"], "duplicate_row", seed)
    damage_of: dict[int, list[tuple[int, str, int, str, bool, str]]] = {}
    for entry in rows:
        damage_of.setdefault(entry[0], []).append(entry)
    for number, source in enumerate(copied):
        item = len(frame) + number
        for cells in columns.values():
            cells.append(cells[source])
        rows.append((item, "duplicate_row", source, f"copy of row {source}", False, ""))
        rows += [(item, *entry[1:4], True, entry[5]) for entry in damage_of.get(source, ())]

    dirty = pd.DataFrame({name: _like(cells, frame[name]) for name, cells in columns.items()})
    table = pd.DataFrame(sorted(rows, key=lambda row: row[0]), columns=[*COLUMNS, "column"])
    table = table.astype({"item": "int64", "source": "int64", "inherited": bool})
    sources = np.array([*range(len(frame)), *copied], dtype=np.int64)
    nothing = pd.DataFrame([], columns=list(DROPPED_COLUMNS)).astype({"source": "int64"})
    used = {name: rate for name, rate in wanted.items() if rate > 0}
    return dirty, CorruptionLog(table, nothing, sources, None, TABLE_CORRUPTIONS, used, seed)


def _kind(column: pd.Series) -> str:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if is_numeric_dtype(column) and not is_bool_dtype(column):
        return "number"
    return "category" if all(isinstance(cell, str) for cell in column.dropna()) else "other"


def _allotted(frame: pd.DataFrame, kinds: Mapping[Any, str], seed: int) -> dict[str, np.ndarray]:
    """For each corruption and row, the place of the column that it may damage, -1 where none is left.

    Fixed for a seed whatever the rates are. Where a row has a single number, chance decides which of the
    two corruptions of numbers may have it; ``missing`` comes last and takes what is left.
    """
    names, total = list(frame.columns), len(frame)
    preference = _stream(seed, "cells").random((total, len(names)))
    turn = _stream(seed, "turns").random(total) < 0.5
    numbers = np.array([kinds[name] == "number" for name in names], dtype=bool)
    categories = np.array([kinds[name] == "category" for name in names], dtype=bool)
    free = frame.notna().to_numpy(dtype=bool, copy=True)  # what is empty already cannot be damaged
    places = {}
    few = numbers.sum() == 1
    for corruption in TABLE_CORRUPTIONS[:-1]:
        fits = {"number": numbers, "category": categories}.get(_NEEDS.get(corruption, ""), np.ones_like(numbers))
        allowed = free & fits
        if few and corruption in ("out_of_range", "wrong_type"):
            allowed &= (turn if corruption == "out_of_range" else ~turn)[:, None]
        place = np.full(total, -1)
        some = allowed.any(axis=1)
        if some.any():
            place[some] = np.where(allowed, preference, np.inf)[some].argmin(axis=1)
            free[np.flatnonzero(some), place[some]] = False
        places[corruption] = place
    return places


def _hit(total: int, place: np.ndarray, rate: float, corruption: str, seed: int) -> list[int]:
    order = _stream(seed, corruption).permutation(total)
    able, count = order[place[order] >= 0], _count(rate, total)
    if count > len(able):
        kind = _NEEDS.get(corruption, "known")
        raise ValueError(
            f"{corruption!r} at rate {rate:g} needs {count} rows with a free {kind} cell, "
            f"and {len(able)} rows have one"
        )
    return [int(row) for row in able[:count]]


def _damage(corruption: str, cell: Any, column: pd.Series, rng: np.random.Generator) -> tuple[Any, str]:
    if corruption == "missing":
        return None, ""
    if corruption == "out_of_range":
        return _beyond(cell, column, rng)
    if corruption == "wrong_type":
        shown = f"{cell}"
        written = (f"{shown} cm", shown.replace(".", ","), f" {shown} ", "n/a", "unknown", f"about {shown}")
        return written[rng.integers(len(written))], ""
    known = {name for name in column.dropna()}
    name = str(cell)
    middle = len(name) // 2
    spelt = (name.upper(), name.title(), f" {name} ", name[:middle] + name[middle + 1 :], f"{name}?", "other")
    fitting = [new for new in spelt if new not in known and new != name]
    return fitting[rng.integers(len(fitting))] if fitting else f"{name}{name}?", ""


def _beyond(cell: Any, column: pd.Series, rng: np.random.Generator) -> tuple[Any, str]:
    """A number outside all that the column holds, and how it may have come about."""
    low, high = float(column.min()), float(column.max())
    value = float(cell)
    tens = 10 ** int(rng.integers(1, 3))
    ways = [
        (value * tens, ", decimal point slipped"),
        (-value, ", sign changed"),
        (999.0, ", a code for nothing"),
        (-999.0, ", a code for nothing"),
    ]
    ways = [way for way in ways if not low <= way[0] <= high]
    after, how = ways[rng.integers(len(ways))] if ways else (high + max(1.0, high - low), ", far too large")
    return (int(after) if column.dtype.kind in "iu" and after == int(after) else after), how


def _like(cells: list[Any], before: pd.Series) -> pd.Series:
    """A column of the old kind where the cells still fit in, else of objects."""
    import pandas as pd

    if before.dtype.kind in "iuf" and not any(isinstance(cell, str) for cell in cells):
        values = np.array([np.nan if cell is None else cell for cell in cells], dtype=float)
        fits = before.dtype.kind == "f" or not np.isnan(values).any()
        return pd.Series(values).astype(before.dtype) if fits else pd.Series(values)
    return pd.Series(cells, dtype=object)
