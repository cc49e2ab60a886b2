"""Mend the cells that need no guess. Introduced in notebook 02."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_lab.clean.table.cells import check_columns, check_frame, folded, is_missing, is_real

if TYPE_CHECKING:
    import pandas as pd
    import pandera.pandas as pandera

NOTHING = ("", "-", "--", "?", "na", "n/a", "nan", "none", "null", "unknown", "无", "未知")
_CHANGES = ("item", "column", "change", "before", "after")


def mend(
    frame: pd.DataFrame,
    rules: pandera.DataFrameSchema,
    impossible: str = "missing",
    fill: str | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mend what can be mended without a guess. The given table stays as it is; no row is dropped.

    A number written as text becomes a number (``"5,1 cm"`` to 5.1; ``"1,234"`` can mean two things and
    does not); a word for nothing (``NOTHING``) becomes a missing cell; a category in other letters or
    with stray spaces becomes the one it names. Mending twice changes nothing more.

    Args:
        frame: the table.
        rules: its schema.
        impossible: ``"missing"`` empties numbers out of range and categories that do not exist;
            ``"keep"`` leaves them.
        fill: ``"typical"`` fills missing cells with the column's median or most frequent category, which
            is a guess; None leaves them.

    Returns:
        The mended table, and the changes: ``item``, ``column``, ``change``, ``before``, ``after``.

    Raises:
        ValueError: an unknown option, or a table that lacks a column of the schema.
    """
    import pandas as pd

    check_frame(frame)
    check_columns(frame, rules)
    if impossible not in ("missing", "keep"):
        raise ValueError(f"impossible must be 'missing' or 'keep', got {impossible!r}")
    if fill not in (None, "typical"):
        raise ValueError(f"fill must be None or 'typical', got {fill!r}")
    mended, changes = frame.copy(), []
    for name, column in rules.columns.items():
        about, cells = column.metadata, list(frame[name])
        for item, cell in enumerate(cells):
            after, change = _mended_cell(cell, about, impossible == "missing")
            if change:
                cells[item] = after
                changes.append((item, str(name), change, cell, after))
        if fill and (typical := _typical(cells, about)) is not None:
            for item, cell in enumerate(cells):
                if is_missing(cell):
                    cells[item] = typical
                    changes.append((item, str(name), "filled with the typical value", cell, typical))
        mended[name] = _column_like(cells, frame[name], about)
    changes.sort(key=lambda row: row[0])
    return mended, pd.DataFrame(changes, columns=list(_CHANGES)).astype({"item": "int64"})


def _mended_cell(cell: Any, about: Mapping[str, Any], empty: bool) -> tuple[Any, str]:
    """The cell afterwards, and what was changed (empty text: nothing)."""
    if is_missing(cell):
        return cell, ""
    plain = " ".join(unicodedata.normalize("NFKC", cell).split()) if isinstance(cell, str) else cell
    if isinstance(plain, str) and plain.casefold() in NOTHING and plain not in about.get("names", ()):
        return None, "a word for nothing is a missing cell"
    if about["kind"] == "category":
        named = [name for name in about["names"] if folded(name) == folded(plain)]
        if cell in about["names"]:
            return cell, ""
        if len(named) == 1:
            return named[0], "spelt as in the schema"
        return (None, "no such category: emptied") if empty else (cell, "")
    if about["kind"] == "number":
        value = _parsed(plain, about["unit"]) if isinstance(plain, str) else plain
        if not is_real(value):
            return cell, ""
        if empty and not (math.isfinite(value) and about["low"] <= value <= about["high"]):
            return None, "out of range: emptied"
        return (value, "text to number") if isinstance(cell, str) else (cell, "")
    return cell, ""


def _parsed(words: str, unit: str) -> float | None:
    """The number that a text is for certain, with the column's unit taken off; None where it is not."""
    if unit and words.casefold().endswith(unit.casefold()):
        words = words[: -len(unit)].rstrip()
    if re.fullmatch(r"[+-]?\d+,\d+", words) and not re.fullmatch(r"[+-]?\d{1,3},\d{3}", words):
        words = words.replace(",", ".")
    return float(words) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", words) else None


def _typical(cells: list[Any], about: Mapping[str, Any]) -> Any:
    import pandas as pd

    known = [cell for cell in cells if not is_missing(cell)]
    if about["kind"] == "number":
        values = [float(cell) for cell in known if is_real(cell) and math.isfinite(cell)]
        if not values:
            return None
        middle = float(np.median(values))
        return round(middle) if about["whole"] else middle
    if about["kind"] == "category" and (known := [cell for cell in known if cell in about["names"]]):
        return pd.Series(known).mode().iloc[0]
    return None


def _column_like(cells: list[Any], before: pd.Series, about: Mapping[str, Any]) -> pd.Series:
    """The cells as numbers where all are, else as they are."""
    import pandas as pd

    if about["kind"] == "number":
        real = [cell for cell in cells if not is_missing(cell)]
        if all(is_real(cell) for cell in real):
            values = np.array([np.nan if is_missing(cell) else float(cell) for cell in cells])
            # NaN equals nothing, so a column with a missing cell stays one of floats.
            exact = about["whole"] and (values == np.round(values)).all() and (abs(values) < 2**53).all()
            return pd.Series(values.astype(np.int64) if exact else values, index=before.index)
    return pd.Series(cells, index=before.index, dtype=object)
