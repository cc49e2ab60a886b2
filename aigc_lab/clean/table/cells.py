"""What the cells of a table are: missing, numbers, names. Introduced in notebook 02."""

from __future__ import annotations

import unicodedata
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    import pandera.pandas as pandera


def numbers_of(column: pd.Series) -> np.ndarray:
    """The column as floats, NaN where a cell is no number (a number written as text is none)."""
    if column.dtype.kind in "iuf":
        return column.to_numpy(dtype=float)
    return np.array([float(cell) if is_real(cell) else np.nan for cell in column], dtype=float)


def is_real(cell: Any) -> bool:
    return isinstance(cell, Real) and not isinstance(cell, (bool, np.bool_))


def is_missing(cell: Any) -> bool:
    # NaN, None, NaT and pandas' NA are the cells that pandas calls missing; a list in a cell is not.
    import pandas as pd

    known = pd.isna(cell)
    return bool(known) if isinstance(known, (bool, np.bool_)) else False


def folded(cell: Any) -> Any:
    return " ".join(unicodedata.normalize("NFKC", cell).casefold().split()) if isinstance(cell, str) else cell


def shown(value: Any) -> str:
    shown = repr(value) if isinstance(value, str) else f"{value}"
    return shown if len(shown) <= 40 else shown[:37] + "..."


def check_frame(frame: Any) -> None:
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise ValueError(f"a table must be a pandas DataFrame, got {type(frame).__name__}")
    if not frame.columns.is_unique:
        raise ValueError("two columns of the table have the same name; rename one")


def check_columns(frame: pd.DataFrame, rules: pandera.DataFrameSchema) -> None:
    lost = [str(name) for name in rules.columns if name not in frame.columns]
    if lost:
        raise ValueError(f"the table has no column {lost[0]!r}; its columns are {', '.join(map(str, frame))}")
