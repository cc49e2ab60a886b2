"""The cells that break a schema, as findings. Introduced in notebook 02."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_lab.clean.findings import findings_table
from aigc_lab.clean.table.cells import check_columns, check_frame, is_missing, shown

if TYPE_CHECKING:
    import pandas as pd
    import pandera.pandas as pandera

KINDS = ("missing", "wrong_type", "out_of_range", "wrong_category", "duplicate_row")


def check(frame: pd.DataFrame, rules: pandera.DataFrameSchema) -> pd.DataFrame:
    """The cells that break the rules, and the rows that repeat an earlier one.

    Rows are compared in the columns of the schema alone: leave a running number out of it. An infinite
    number is out of every range.

    Returns:
        A findings table, a row for each broken cell: ``item`` (the row), ``score`` (1; for a value out
        of range 0.5 to 1, the more the further out), ``reason``, ``detector`` (one of ``KINDS``, the
        names of the defects in ``corrupt.apply_to_table``) and ``column`` (empty for a repeated row).

    Raises:
        ValueError: a table without one of the columns of the schema, or two columns of one name.
    """
    import pandera.pandas as pandera

    check_frame(frame)
    check_columns(frame, rules)
    rows = frame.reset_index(drop=True)
    found: list[tuple[int, float, str, str, str]] = []
    try:
        rules.validate(rows, lazy=True)
    except pandera.errors.SchemaErrors as error:
        cases = error.failure_cases
        for column, kind, value, item in zip(
            cases["column"], cases["check"], cases["failure_case"], cases["index"], strict=True
        ):
            kind = "missing" if kind == "not_nullable" else str(kind)
            about = rules.columns[column].metadata
            sure, reason = _judged(kind, about, value)
            found.append((int(item), sure, f"{column}: {reason}", kind, str(column)))
    columns = list(rules.columns)
    for item, first in _repeats(rows, columns):
        found.append((item, 1.0, f"the whole row repeats row {first}", "duplicate_row", ""))
    found.sort(key=lambda row: (row[0], KINDS.index(row[3])))
    items, sure, reasons, kinds, places = zip(*found, strict=True) if found else ([], [], [], [], [])
    table = findings_table("table", items, sure, reasons)
    # findings_table sorts, the surest first; the two extra columns are sorted in the same way.
    order = np.lexsort((np.asarray(items, dtype=np.int64), -np.asarray(sure, dtype=np.float64)))
    table["detector"] = np.array(kinds, dtype=object)[order]
    table["column"] = np.array(places, dtype=object)[order]
    return table


def _judged(kind: str, about: Mapping[str, Any], value: Any) -> tuple[float, str]:
    """How sure a finding is, and its reason."""
    if kind == "missing":
        return 1.0, "the cell is empty"
    if kind == "wrong_type":
        wanted = {"number": "a whole number" if about.get("whole") else "a number"}.get(about["kind"], "text")
        return 1.0, f"{shown(value)} is not {wanted}"
    if kind == "out_of_range":
        low, high = about["low"], about["high"]
        beyond = max(low - value, value - high)
        width = high - low if math.isfinite(high - low) and high > low else max(1.0, abs(value) - beyond)
        far = 1.0 if math.isinf(value) else beyond / (beyond + width)
        unit = f" {about['unit']}" if about["unit"] else ""
        return 0.5 + far / 2, f"{shown(value)} is outside {low:g} to {high:g}{unit}"
    if about["kind"] == "text":
        return 1.0, f"{shown(value)} does not match {about['pattern']}"
    return 1.0, f"{shown(value)} is not one of {', '.join(about['names'][:5])}"


def _repeats(rows: pd.DataFrame, columns: list[Any]) -> list[tuple[int, int]]:
    """``(row, earliest equal row)``; missing cells are equal to each other, 1 and "1" are not."""
    first: dict[tuple[Any, ...], int] = {}
    found = []

    def key_of(cell: Any) -> Any:
        return None if is_missing(cell) else (isinstance(cell, str), cell)

    cells = [[key_of(cell) for cell in rows[name]] for name in columns]
    for item, key in enumerate(zip(*cells, strict=True)):
        if (earlier := first.setdefault(key, item)) != item:
            found.append((item, earlier))
    return found
