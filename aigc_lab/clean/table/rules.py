"""What each column of a table may hold. Introduced in notebook 02."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_lab.clean.findings import checked_number
from aigc_lab.clean.table.cells import check_frame, numbers_of

if TYPE_CHECKING:
    import pandas as pd
    import pandera.pandas as pandera


def number(
    low: float = -math.inf,
    high: float = math.inf,
    unit: str = "",
    whole: bool = False,
    missing: bool = False,
) -> pandera.Column:
    """A column of finite numbers from ``low`` to ``high``, both allowed.

    Args:
        low: the smallest value that can be true, in ``unit``.
        high: the largest.
        unit: such as ``"cm"``; named in reasons, and taken off by ``mend`` (``"5.1 cm"``).
        whole: whole numbers only.
        missing: missing cells are allowed.

    Raises:
        ValueError: ``low`` above ``high``, or either is no number.
    """
    import pandera.pandas as pandera

    if not isinstance(low, Real) or not isinstance(high, Real) or not low <= high:
        raise ValueError(f"low and high must be numbers, low not above high; got {low!r} and {high!r}")

    def possible(column: pd.Series) -> pd.Series:
        value = numbers_of(column)
        known = np.isfinite(value)
        # What is no number at all is a wrong type; infinity is a number out of range.
        fine = ~np.isinf(value) & (~known | ((value >= low) & (value <= high)))
        return _by_row(column, fine)

    about = {"kind": "number", "low": low, "high": high, "unit": unit, "whole": whole}
    right_type = pandera.Check(lambda column: _is_number(column, whole), name="wrong_type")
    checks = [right_type, pandera.Check(possible, name="out_of_range")]
    return pandera.Column(None, checks, nullable=missing, metadata=about)


def category(*names: str, missing: bool = False) -> pandera.Column:
    """A column whose cells are one of ``names``, spelt exactly so.

    Raises:
        ValueError: no name, or a name that is no string.
    """
    import pandera.pandas as pandera

    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError("category needs at least one name, each a string: category('cat', 'dog')")
    check = pandera.Check(lambda column: column.isin(names), name="wrong_category")
    return pandera.Column(None, [check], nullable=missing, metadata={"kind": "category", "names": names})


def text(pattern: str | None = None, missing: bool = False) -> pandera.Column:
    """A column of strings, which match ``pattern`` (a regular expression) as a whole where one is given."""
    import pandera.pandas as pandera

    def fits(column: pd.Series) -> pd.Series:
        found = [not isinstance(cell, str) or bool(re.fullmatch(pattern or "", cell)) for cell in column]
        return _by_row(column, found)

    right_type = pandera.Check(
        lambda column: _by_row(column, [isinstance(cell, str) for cell in column]), name="wrong_type"
    )
    checks = [right_type] + ([pandera.Check(fits, name="wrong_category")] if pattern else [])
    return pandera.Column(None, checks, nullable=missing, metadata={"kind": "text", "pattern": pattern})


def schema(columns: Mapping[str, pandera.Column]) -> pandera.DataFrameSchema:
    """What a table must hold: column name to ``number(...)``, ``category(...)`` or ``text(...)``.

    >>> flowers = schema({"petal": number(0, 30, unit="cm"), "species": category("setosa", "virginica")})

    Raises:
        ValueError: no columns, or a column made in another way.
    """
    import pandera.pandas as pandera

    for name, column in columns.items():
        if not isinstance(column, pandera.Column) or "kind" not in (column.metadata or {}):
            raise ValueError(f"the column {name!r} must be made by number(), category() or text()")
    if not columns:
        raise ValueError("a schema needs at least one column")
    return pandera.DataFrameSchema(dict(columns))


def schema_of(frame: pd.DataFrame, margin: float = 0.0) -> pandera.DataFrameSchema:
    """A schema that a trusted table obeys: ranges and categories are those that it has.

    Args:
        frame: rows that are known to be right.
        margin: by how much a range is widened on both sides, as a share of its width.

    Raises:
        ValueError: no rows, a negative margin, or a column without a single known value.
    """
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    check_frame(frame)
    checked_number("margin", margin, 0.0)
    if not len(frame):
        raise ValueError("schema_of needs at least one row to learn from")
    columns = {}
    for name in frame.columns:
        known, missing = frame[name].dropna(), bool(frame[name].isna().any())
        if not len(known):
            raise ValueError(f"the column {name!r} has no known value; leave it out or fill it")
        if is_numeric_dtype(known) and not is_bool_dtype(known):
            low, high = float(known.min()), float(known.max())
            more = margin * (high - low)
            columns[name] = number(low - more, high + more, missing=missing)
        elif all(isinstance(cell, str) for cell in known):
            columns[name] = category(*sorted(set(known)), missing=missing)
        else:
            raise ValueError(f"the column {name!r} holds neither numbers nor strings; name it in schema()")
    return schema(columns)


def _is_number(column: pd.Series, whole: bool) -> pd.Series:
    value = numbers_of(column)
    return _by_row(column, ~np.isnan(value) & (np.isinf(value) | (value == np.round(value)) | (not whole)))


def _by_row(column: pd.Series, fine: Any) -> pd.Series:
    """Booleans with the index of the column: pandera takes an array for one verdict on all rows."""
    import pandas as pd

    return pd.Series(np.asarray(fine, dtype=bool), index=column.index)
