"""Corruptions of tables: damage known cells of a pandas frame, and log them. Introduced in notebook 02.

A rate is a share of the rows; in each row that a corruption hits, one cell is damaged, and no cell by two
corruptions. Which rows a corruption hits depends on (seed, corruption); which cell, and what it becomes, on
(seed, corruption, row): so changing one rate never changes what another corruption does, and a higher rate
hits the same rows and some more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_lab.corrupt.images import (
    COLUMNS,
    CorruptionLog,
    checked_rates,
    checked_seed,
    count_of,
    inherited,
    log_table,
    stream,
)

if TYPE_CHECKING:
    import pandas as pd

TABLE_CORRUPTIONS = ("out_of_range", "wrong_type", "wrong_category", "missing", "duplicate_row")
_OF_NUMBERS = ("out_of_range", "wrong_type")


def apply_to_table(
    frame: pd.DataFrame, rates: Mapping[str, float], seed: int = 0
) -> tuple[pd.DataFrame, CorruptionLog]:
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
        The dirty table (rows numbered from 0) and the corruption log, whose table has one more column,
        ``column`` (empty for a copied row). ``log.true_labels`` is None.

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
    places = _allotted(frame, seed)

    rows: list[tuple[int, str, int, str, bool, str]] = []
    for corruption, place in places.items():
        for row in _hit(place, wanted[corruption], corruption, seed):
            name = list(columns)[place[row]]
            before, rng = columns[name][row], stream(seed, corruption, row)
            after, how = _damage(corruption, before, frame[name], rng)
            columns[name][row] = after
            rows.append((row, corruption, row, f"{name}: {before} -> {after!r}{how}", False, str(name)))

    copied = _hit(np.zeros(len(frame), dtype=int), wanted["duplicate_row"], "duplicate_row", seed)
    original = dict(enumerate(copied, start=len(frame)))
    for item, source in original.items():
        for cells in columns.values():
            cells.append(cells[source])
        rows.append((item, "duplicate_row", source, f"copy of row {source}", False, ""))
    rows += inherited(rows, original)

    dirty = pd.DataFrame({name: _like(cells, frame[name]) for name, cells in columns.items()})
    sources = np.array([*range(len(frame)), *copied], dtype=np.int64)
    table = log_table(rows, (*COLUMNS, "column"))
    used = {name: rate for name, rate in wanted.items() if rate > 0}
    return dirty, CorruptionLog(table, {}, sources, None, TABLE_CORRUPTIONS, used, seed)


def _allotted(frame: pd.DataFrame, seed: int) -> dict[str, np.ndarray]:
    """For each corruption and row, the place of the column that it may damage, -1 where none is left.

    Fixed for a seed whatever the rates are. Where a row has a single number, chance decides which of the
    two corruptions of numbers may have it; ``missing`` comes last and takes what is left.
    """
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    total, columns = len(frame), [frame[name] for name in frame.columns]
    numbers = np.array([is_numeric_dtype(each) and not is_bool_dtype(each) for each in columns], dtype=bool)
    words = np.array([all(isinstance(cell, str) for cell in each.dropna()) for each in columns], dtype=bool)
    fits = {"wrong_category": words & ~numbers, "missing": np.ones_like(numbers)}
    preference = stream(seed, "cells").random((total, len(columns)))
    turn = stream(seed, "turns").random(total) < 0.5
    free = frame.notna().to_numpy(dtype=bool, copy=True)  # what is empty already cannot be damaged
    places = {}
    for corruption in TABLE_CORRUPTIONS[:-1]:
        allowed = free & fits.get(corruption, numbers)
        if numbers.sum() == 1 and corruption in _OF_NUMBERS:
            allowed &= (turn if corruption == "out_of_range" else ~turn)[:, None]
        place, some = np.full(total, -1), allowed.any(axis=1)
        if some.any():
            place[some] = np.where(allowed, preference, np.inf)[some].argmin(axis=1)
            free[np.flatnonzero(some), place[some]] = False
        places[corruption] = place
    return places


def _hit(place: np.ndarray, rate: float, corruption: str, seed: int) -> list[int]:
    order = stream(seed, corruption).permutation(len(place))
    able, count = order[place[order] >= 0], count_of(rate, len(place))
    if count > len(able):
        kind = "number" if corruption in _OF_NUMBERS else "category" if "category" in corruption else "known"
        needed = f"needs {count} rows with a free {kind} cell, and {len(able)} rows have one"
        raise ValueError(f"{corruption!r} at rate {rate:g} {needed}")
    return able[:count].tolist()


def _damage(corruption: str, cell: Any, column: pd.Series, rng: np.random.Generator) -> tuple[Any, str]:
    if corruption == "missing":
        return None, ""
    if corruption == "out_of_range":
        return _beyond(cell, column, rng)
    name = str(cell)
    if corruption == "wrong_type":
        ways = (f"{name} cm", name.replace(".", ","), f" {name} ", "n/a", "unknown", f"about {name}")
        return ways[rng.integers(len(ways))], ""
    middle = len(name) // 2
    spelt = (name.upper(), name.title(), f" {name} ", name[:middle] + name[middle + 1 :], f"{name}?", "other")
    fitting = [new for new in spelt if new not in set(column.dropna()) and new != name]
    return fitting[rng.integers(len(fitting))] if fitting else f"{name}{name}?", ""


def _beyond(cell: Any, column: pd.Series, rng: np.random.Generator) -> tuple[Any, str]:
    """A number outside all that the column holds, and how it may have come about."""
    low, high, value = float(column.min()), float(column.max()), float(cell)
    ways = [
        (value * 10 ** int(rng.integers(1, 3)), ", decimal point slipped"),
        (-value, ", sign changed"),
        (999.0, ", a code for nothing"),
        (-999.0, ", a code for nothing"),
    ]
    ways = [way for way in ways if not low <= way[0] <= high]
    after, how = ways[rng.integers(len(ways))] if ways else (high + max(1.0, high - low), ", far too large")
    return (int(after) if column.dtype.kind in "iu" and after == int(after) else after), how


def _like(cells: list[Any], before: pd.Series) -> pd.Series:
    """A column of the old kind where all its cells fit in, else of wider numbers, or of objects."""
    import pandas as pd

    column = pd.Series(cells, dtype=object)
    if before.dtype.kind not in "iuf" or any(isinstance(cell, str) for cell in cells):
        return column
    column = pd.to_numeric(column)
    whole = column.dtype.kind in "iu"
    if before.dtype.kind != "f" and not whole and len(column):
        return column  # a gap in a column of integers
    narrow = column.astype(before.dtype)
    fits = narrow == column if whole else np.isfinite(narrow) | column.isna()
    return narrow if fits.all() else column
