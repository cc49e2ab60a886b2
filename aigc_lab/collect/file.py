"""Your own data in one file: ``.npz``, ``.npy``, ``.csv``, ``.parquet`` or ``.txt``.

Introduced in notebook 21.
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aigc_lab.collect.dataset import Card, Dataset, own_card

if TYPE_CHECKING:
    import pandas as pd

_DATA_NAMES = ("data", "images", "x")
_LABEL_NAMES = ("labels", "label", "y")


def from_file(
    path: str | os.PathLike[str],
    text_column: str = "text",
    label_column: str | None = None,
    card: Card | None = None,
) -> Dataset:
    """One file as a ``Dataset``.

    ``.npz``: what ``Dataset.save`` wrote, or uint8 pictures named ``data``, ``images`` or
    ``x`` with whole-number ``labels`` or ``y``; ``.npy``: uint8 pictures. ``.csv`` (UTF-8)
    and ``.parquet``: a column of texts, and a column of class names. ``.txt`` (UTF-8):
    one item a line, empty lines left out. No file is unpickled.

    Args:
        path: the file; its suffix says how it is read.
        text_column: the column of texts in a table.
        label_column: the column of class names in a table; None for no labels.
        card: the data's card; made from the file's name where it is None.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another suffix, a column or array that is not there, or unreadable content.
    """
    path = Path(path).expanduser()
    readers = {".npz": _from_arrays, ".npy": _from_array, ".csv": None, ".parquet": None, ".txt": _from_lines}
    if path.is_dir():
        raise ValueError(f"{path} is a folder; use collect.from_folder")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; check the path")
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise ValueError(f"cannot read {path.name}; give a file that ends in {', '.join(readers)}")
    if path.stat().st_size == 0:
        raise ValueError(f"{path.name} is empty (zero bytes)")
    reader = readers[suffix]
    if reader is not None:
        return reader(path, card)
    return _from_table(_read_table(path, suffix), path, text_column, label_column, card)


def _from_arrays(path: Path, card: Card | None) -> Dataset:
    try:
        with np.load(path, allow_pickle=False) as stored:
            names = list(stored)
            if "about" not in names:
                found = [name for name in _DATA_NAMES if name in names]
                if not found:
                    raise ValueError(
                        f"it has no array named {', '.join(_DATA_NAMES)}, only {', '.join(names)}"
                    )
                labels = next((stored[name] for name in _LABEL_NAMES if name in names), None)
                data = stored[found[0]]
    except (ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"cannot read {path.name}: {error}") from error
    if "about" in names:
        return Dataset.load(path)
    classes = ()
    if labels is not None:
        values, labels = np.unique(labels, return_inverse=True)
        classes = tuple(str(value) for value in values)
    return Dataset(data, labels, classes, card or own_card(path.stem))


def _from_array(path: Path, card: Card | None) -> Dataset:
    try:
        data = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"cannot read {path.name}: {error}") from error
    return Dataset(data, None, (), card or own_card(path.stem))


def _from_lines(path: Path, card: Card | None) -> Dataset:
    try:
        lines = path.read_bytes().decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    return Dataset([line for line in lines if line.strip()], None, (), card or own_card(path.stem, "text"))


def _read_table(path: Path, suffix: str) -> pd.DataFrame:
    import pandas as pd

    try:
        if suffix == ".parquet":
            return pd.read_parquet(path)
        # Texts stay as they are written: "NA" is a word here, not a missing value.
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except (ValueError, OSError) as error:  # what pandas and pyarrow raise for damaged files
        raise ValueError(f"cannot read {path.name}: {str(error).splitlines()[0]}") from error


def _from_table(
    table: pd.DataFrame, path: Path, text_column: str, label_column: str | None, card: Card | None
) -> Dataset:
    for column in (text_column, label_column):
        if column is not None and column not in table.columns:
            raise ValueError(
                f"{path.name} has no column {column!r}; its columns are {', '.join(map(str, table.columns))}"
            )
    missing = int(table[text_column].isna().sum())
    if missing:
        raise ValueError(
            f"{missing} texts in the column {text_column!r} are missing; fill or drop those rows first"
        )
    labels, classes = None, ()
    if label_column is not None:
        values, labels = np.unique(
            table[label_column].astype(str).to_numpy(dtype=object), return_inverse=True
        )
        classes = tuple(values)
    texts = table[text_column].astype(str).tolist()
    return Dataset(texts, labels, classes, card or own_card(path.stem, "text"))
