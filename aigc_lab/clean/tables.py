"""Tables: say what each column may hold, find the cells that break it, fix what needs no guess.

A schema is a pandera schema; ``check`` turns what pandera reports into the issue table that every detector
returns, with one more column that names the column of the cell. Tables are pandas frames; an item is a row,
counted from 0 whatever the index says. Introduced in notebook 02.
"""

from __future__ import annotations

import datetime
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    import pandera.pandas as pandera

KINDS = ("missing", "wrong_type", "out_of_range", "wrong_category", "duplicate_row")
NOTHING = ("", "-", "--", "?", "na", "n/a", "nan", "none", "null", "unknown", "无", "未知")
SURE = 0.8  # share of the cells of a column that makes its kind
MOST_CATEGORIES = 100


def number(
    low: float = -math.inf, high: float = math.inf, unit: str = "", missing: bool = False
) -> pandera.Column:
    """A column of finite numbers from ``low`` to ``high``, both allowed.

    Args:
        low: the smallest value that can be true, in ``unit``.
        high: the largest.
        unit: such as ``"cm"``; named in reasons, and taken off by ``fix`` (``"5.1 cm"``).
        missing: missing cells are allowed.

    Raises:
        ValueError: ``low`` above ``high``, or either is no number.
    """
    if not isinstance(low, Real) or not isinstance(high, Real) or not low <= high:
        raise ValueError(f"low and high must be numbers, low not above high; got {low!r} and {high!r}")
    checks = {
        "wrong_type": _is_real,
        # What is no number at all is a wrong type; infinity is a number out of range.
        "out_of_range": lambda cell: not _is_real(cell) or (math.isfinite(cell) and low <= cell <= high),
    }
    return _column(checks, missing, {"low": low, "high": high, "unit": unit})


def date(earliest: str = "0001-01-01", latest: str = "9999-12-31", missing: bool = False) -> pandera.Column:
    """A column of days from ``earliest`` to ``latest``, both allowed: dates, or texts in ISO 8601 form.

    ``2026-11-28``, ``2026-11-28T09:30``, and a year alone (``2026``, also as a number) for its first day.
    A text such as ``11/12/2026`` means two days, so it is of the wrong type.

    Raises:
        ValueError: a bound that is no date, or ``earliest`` after ``latest``.
    """
    low, high = _day(earliest), _day(latest)
    if low is None or high is None or low > high:
        raise ValueError(f"earliest and latest must be dates in order, got {earliest!r} and {latest!r}")
    checks = {
        "wrong_type": lambda cell: _day(cell) is not None,
        "out_of_range": lambda cell: _day(cell) is None or low <= _day(cell) <= high,
    }
    return _column(checks, missing, {"earliest": low, "latest": high})


def _day(cell: Any) -> datetime.date | None:
    """The day of a cell, or None where it is not certain."""
    if isinstance(cell, datetime.date):  # also datetime and pandas' Timestamp
        return cell.date() if isinstance(cell, datetime.datetime) else cell
    if isinstance(cell, np.datetime64):
        return _day(cell.astype("datetime64[D]").item())
    if _is_real(cell) and float(cell).is_integer() and 1 <= cell <= 9999:
        return datetime.date(int(cell), 1, 1)
    words = _plain(cell) if isinstance(cell, str) else ""
    if re.fullmatch(r"\d{4}", words):
        return _day(int(words))
    try:
        return datetime.datetime.fromisoformat(words).date()
    except ValueError:
        return None


def category(*names: str, missing: bool = False) -> pandera.Column:
    """A column whose cells are one of ``names``, spelt exactly so.

    Raises:
        ValueError: no name, or a name that is no string.
    """
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError("category needs at least one name, each a string: category('cat', 'dog')")
    checks = {"wrong_category": lambda cell: isinstance(cell, str) and cell in names}
    return _column(checks, missing, {"names": names})


def _column(
    checks: Mapping[str, Callable[[Any], bool]], missing: bool, about: dict[str, Any]
) -> pandera.Column:
    """A pandera column whose checks look at one cell each; missing cells are pandera's own matter."""
    import pandera.pandas as pandera

    named = [pandera.Check(test, element_wise=True, name=name) for name, test in checks.items()]
    return pandera.Column(None, named, nullable=missing, metadata=about)


def schema(columns: Mapping[str, pandera.Column]) -> pandera.DataFrameSchema:
    """What a table must hold: column name to ``number(...)``, ``date(...)`` or ``category(...)``.

    >>> flowers = schema({"petal": number(0, 30, unit="cm"), "species": category("setosa", "virginica")})

    Raises:
        ValueError: no columns, or a column made in another way.
    """
    import pandera.pandas as pandera

    if not columns:
        raise ValueError("a schema needs at least one column")
    for name, column in columns.items():
        if not getattr(column, "metadata", None):
            raise ValueError(f"the column {name!r} must be made by number(), date() or category()")
    return pandera.DataFrameSchema(dict(columns))


def guess(frame: pd.DataFrame) -> tuple[dict[str, pandera.Column], dict[str, str]]:
    """Rules that the columns of an unknown table seem to follow, and the reason where there are none.

    Numbers or dates are what at least four fifths of the cells are that are not empty; a unit is the one word
    behind some of the numbers. Categories are words that repeat: at most a fifth as many as cells, and 100.
    What is spelt with other capitals or spaces is one category, in its usual spelling. No range is guessed,
    because the largest value may be the mistake; and all cells may be missing.

    Returns:
        Column names to rules, for ``schema``; and column names to reasons: empty, a text in each cell, mixed.
    """
    rules: dict[str, pandera.Column] = {}
    reasons: dict[str, str] = {}
    for name in frame.columns:
        cells = [c for c in frame[name] if not _is_missing(c) and _plain(str(c)).casefold() not in NOTHING]
        words = [_plain(cell) for cell in cells if isinstance(cell, str)]
        units = {unit for word in words if (unit := re.sub(r"^[+-]?[\d.,]+\s*", "", word)) != word} - {""}
        units = {unit for unit in units if not re.search(r"\d", unit)}  # "-01-01" is the rest of a date
        unit = units.pop() if len(units) == 1 else ""
        parsed = [_parsed(_plain(cell), unit) if isinstance(cell, str) else cell for cell in cells]
        numbers = sum(map(_is_real, parsed))
        spellings: dict[str, Counter[str]] = {}
        for cell in cells:
            spellings.setdefault(_plain(str(cell)).casefold(), Counter())[str(cell)] += 1
        few = len(spellings) <= max(5, min(MOST_CATEGORIES, len(cells) // 5))
        codes = any(re.fullmatch(r"0\d+", word) for word in words)  # 007 is no number
        if not cells:
            reasons[name] = "all cells are empty"
        elif any(isinstance(cell, (list, dict, np.ndarray)) for cell in cells):
            reasons[name] = "its cells hold lists, not single values"
        elif numbers >= SURE * len(cells) and not codes:
            rules[name] = number(unit=unit, missing=True)
        elif sum(not _is_real(cell) and _day(cell) is not None for cell in cells) >= SURE * len(cells):
            rules[name] = date(missing=True)
        elif few:
            rules[name] = category(*(each.most_common(1)[0][0] for each in spellings.values()), missing=True)
        elif (1 - SURE) * len(cells) < numbers and not codes:
            reasons[name] = f"mixed: {numbers:,} numbers and {len(cells) - numbers:,} texts"
        else:
            reasons[name] = f"{len(spellings):,} different texts in {len(cells):,} cells"
    return rules, reasons


def check(frame: pd.DataFrame, rules: pandera.DataFrameSchema) -> pd.DataFrame:
    """The cells that break the rules, and the rows that repeat an earlier one.

    Rows are compared in the columns of the schema alone: leave a running number out of it; the reason says
    so where the table has more columns. An infinite number is out of every range.

    Returns:
        An issue table, a row for each broken cell: ``item`` (the row), ``score`` (1; for a value out of range
        0.5 to 1, the more the further out), ``reason``, ``detector`` (one of ``KINDS``, the names of the
        corruptions in ``corrupt.apply_to_table``) and ``column`` (empty for a repeated row).

    Raises:
        ValueError: a table without one of the columns of the schema, or two columns of one name.
    """
    import pandas as pd
    import pandera.pandas as pandera

    _check_frame(frame, rules)
    rows = frame.reset_index(drop=True)
    found: list[tuple[int, float, str, str, str]] = []
    try:
        rules.validate(rows, lazy=True)
    except pandera.errors.SchemaErrors as error:
        cases = error.failure_cases[["column", "check", "failure_case", "index"]]
        for column, kind, value, item in cases.itertuples(index=False):
            kind = "missing" if kind == "not_nullable" else kind
            score, reason = _judged(kind, rules.columns[column].metadata, value)
            found.append((int(item), score, f"{column}: {reason}", kind, column))
    repeats = (
        "the whole row repeats row"
        if len(rules.columns) == frame.shape[1]
        else (f"in the named columns ({', '.join(map(str, rules.columns))}) it repeats row")
    )
    first: dict[tuple[Any, ...], int] = {}
    for item, cells in enumerate(zip(*(rows[name] for name in rules.columns), strict=True)):
        # Missing cells are equal to each other, 1 and "1" are not; a list in a cell is compared as written.
        key = tuple(
            None
            if _is_missing(cell)
            else (type(cell) is str, cell if isinstance(cell, Hashable) else repr(cell))
            for cell in cells
        )
        if first.setdefault(key, item) != item:
            found.append((item, 1.0, f"{repeats} {first[key]}", "duplicate_row", ""))
    found.sort(key=lambda issue: (-issue[1], issue[0], KINDS.index(issue[3])))  # as issue_table sorts
    table = pd.DataFrame(found, columns=["item", "score", "reason", "detector", "column"], dtype=object)
    return table.astype({"item": "int64", "score": "float64"})


def _judged(kind: str, about: Mapping[str, Any], value: Any) -> tuple[float, str]:
    """The score of an issue, and its reason."""
    if isinstance(value, float):  # 440.00000000000006 is 440.0 to everyone but the machine
        value = float(f"{value:.12g}")
    shown = repr(value) if isinstance(value, str) else f"{value}"
    shown = shown if len(shown) <= 40 else shown[:37] + "..."
    if kind == "missing":
        return 1.0, "the cell is empty"
    if kind == "wrong_type":
        return 1.0, f"{shown} is not a {'date such as 2026-11-28' if 'earliest' in about else 'number'}"
    if kind == "wrong_category":
        return 1.0, f"{shown} is not one of {', '.join(about['names'][:5])}"
    low, high = _bounds(about)
    if "earliest" in about:
        outside = f"{shown} is outside {low} to {high}"
        low, high, value = (each.toordinal() for each in (low, high, _day(value)))
    else:
        outside = f"{shown} is outside {low:g} to {high:g} {about['unit']}".rstrip()
    beyond = max(low - value, value - high)
    width = high - low if math.isfinite(high - low) and high > low else max(1.0, abs(value) - beyond)
    far = 1.0 if math.isinf(value) else beyond / (beyond + width)
    return 0.5 + far / 2, outside


def _bounds(about: Mapping[str, Any]) -> tuple[Any, Any]:
    """The smallest and the largest number or day that a column may hold."""
    return about.get("earliest", about.get("low")), about.get("latest", about.get("high"))


def fix(frame: pd.DataFrame, rules: pandera.DataFrameSchema) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fix what can be fixed without a guess. The given table stays as it is; no row is dropped.

    A date written as text in ISO 8601 form becomes a date, a number written as text a number (``"5,1 cm"`` to
    5.1; ``"1,234"`` can mean two things and does not); a word for nothing (``NOTHING``) becomes a missing
    cell; a category in other letters or with stray spaces becomes the one it names; a number or date out of
    range and a category that does not exist become missing cells. Fixing twice changes nothing more.

    Returns:
        The fixed table, and the changes: ``item``, ``column``, ``change``, ``before``, ``after``.

    Raises:
        ValueError: a table that lacks a column of the schema.
    """
    import pandas as pd

    _check_frame(frame, rules)
    fixed, changes = frame.copy(), []
    for name, column in rules.columns.items():
        cells = list(frame[name])
        for item, cell in enumerate(cells):
            cells[item], change = _fixed_cell(cell, column.metadata)
            if change:
                changes.append((item, name, change, cell, cells[item]))
        fixed[name] = pd.Series(cells, index=frame.index, dtype=object)
        if "unit" in column.metadata and all(_is_real(cell) or _is_missing(cell) for cell in cells):
            fixed[name] = [np.nan if _is_missing(cell) else float(cell) for cell in cells]
    changes.sort(key=lambda change: change[0])
    columns = ["item", "column", "change", "before", "after"]
    return fixed, pd.DataFrame(changes, columns=columns).astype({"item": "int64"})


def _fixed_cell(cell: Any, about: Mapping[str, Any]) -> tuple[Any, str]:
    """The cell afterwards, and what was changed (empty text: nothing)."""
    names = about.get("names", ())
    plain = _plain(cell) if isinstance(cell, str) else None
    if _is_missing(cell) or cell in names:
        return cell, ""
    if plain is not None and plain.casefold() in NOTHING and plain not in names:
        return None, "a word for nothing is a missing cell"
    if names:
        named = [name for name in names if plain is not None and _plain(name).casefold() == plain.casefold()]
        return (
            (named[0], "spelt as in the schema") if len(named) == 1 else (None, "no such category: emptied")
        )
    is_date = "earliest" in about
    value = _day(cell) if is_date else cell if plain is None else _parsed(plain, about["unit"])
    if value is None or not (is_date or _is_real(value)):
        return cell, ""
    low, high = _bounds(about)
    if not low <= value <= high or (not is_date and math.isinf(value)):
        return None, "out of range: emptied"
    if plain is None or (is_date and re.fullmatch(r"\d{4}", plain)):
        return cell, ""
    return value, f"text to {'date' if is_date else 'number'}"


def _parsed(words: str, unit: str) -> float | None:
    """The number that a text is for certain, with the column's unit taken off; None where it is not."""
    if unit and words.casefold().endswith(unit.casefold()):
        words = words[: -len(unit)].rstrip()
    if re.fullmatch(r"[+-]?\d+,\d+", words) and not re.fullmatch(r"[+-]?\d{1,3},\d{3}", words):
        words = words.replace(",", ".")
    return float(words) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", words) else None


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).split())


def _is_real(cell: Any) -> bool:
    return isinstance(cell, Real) and not isinstance(cell, (bool, np.bool_)) and not _is_missing(cell)


def _is_missing(cell: Any) -> bool:
    import pandas as pd

    return pd.isna(cell) is True  # NaN, None, NaT and pandas' NA; a list in a cell is not missing


def _check_frame(frame: Any, rules: pandera.DataFrameSchema) -> None:
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise ValueError(f"a table must be a pandas DataFrame, got {type(frame).__name__}")
    if not frame.columns.is_unique:
        raise ValueError("two columns of the table have the same name; rename one")
    lost = [str(name) for name in rules.columns if name not in frame.columns]
    if lost:
        raise ValueError(f"the table has no column {lost[0]!r}; its columns are {', '.join(map(str, frame))}")
