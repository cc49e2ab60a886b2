"""Finished runs as small files, and the table that is gathered from them. Introduced in notebook 15.

Every run is written as soon as it ends, as a file of its own that appears whole or not at all. So a study
that is killed goes on where it was, and a disk that fills up costs no run that had ended.
"""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from functools import lru_cache
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_lab.collect.atomic import atomic_write
from aigc_lab.study.scores import SCORES
from aigc_lab.study.grid import Cell, Study

if TYPE_CHECKING:
    import pandas

COLUMNS = (
    "study", *Cell.__dataclass_fields__, "generation", *SCORES, "status", "error", "training_items",
    "training_hash", "held_out_hash", "seconds", "seconds_preparing", "seconds_training", "versions",
    "finished_at",
)  # fmt: skip
_NUMBERS = (*SCORES, "training_items", "seconds", "seconds_preparing", "seconds_training")
_ABOUT = b"aigc_lab"
_PACKAGES = ("keras", "tensorflow", "numpy", "scikit-learn", "cleanlab")


@lru_cache(maxsize=1)
def versions() -> str:
    """The versions that a number may depend on, as one line of text."""
    import aigc_lab

    found = [f"aigc_lab {aigc_lab.__version__}", f"python {platform.python_version()}"]
    return ", ".join([*found, *(f"{name} {metadata.version(name)}" for name in _PACKAGES)])


class Store:
    """The folder of one or more studies: ``runs/`` holds a file for each run that has ended.

    Raises:
        OSError: the folder cannot be written to; said before the first run starts.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.runs = self.folder / "runs"
        probe = self.runs / ".writable"
        with atomic_write(probe):
            pass
        probe.unlink()

    def path(self, study: Study, cell: Cell) -> Path:
        """Where the run of a cell lies or will lie."""
        return self.runs / f"{study.key(cell)}.json"

    def read(self, study: Study, cell: Cell) -> dict[str, Any] | None:
        """The row of a run, or None if it has not ended (or its file cannot be read)."""
        try:
            row = json.loads(self.path(study, cell).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return row if isinstance(row, dict) and "status" in row else None

    def write(self, study: Study, cell: Cell, row: dict[str, Any]) -> dict[str, Any]:
        """Write the row of a run that has ended, whole or not at all; returns it completed.

        Raises:
            OSError: the disk is full or the folder gone; the runs written before are safe.
        """
        row = {
            **{name: float("nan") for name in _NUMBERS},
            "training_hash": "",
            "held_out_hash": "",
            **row,
            **asdict(cell),
            "versions": versions(),
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        try:
            with atomic_write(self.path(study, cell)) as stream:
                stream.write(json.dumps(row).encode())
        except OSError as error:
            raise type(error)(
                error.errno,
                f"the result of {cell} could not be written ({error.strerror or error}); the runs that ended "
                f"before are safe in {self.runs}: make room and start the study again, it goes on from there",
            ) from error
        return row


def table(study: Study, store: Store) -> pandas.DataFrame:
    """One row for each run of the study that has ended, in the order of its cells."""
    rows = [row for cell in study.cells() if (row := store.read(study, cell)) is not None]
    return as_table(rows, study.name)


def as_table(rows: list[dict[str, Any]], name: str) -> pandas.DataFrame:
    """Rows as a tidy table with the columns of ``COLUMNS``; each generation of a run is a row of its own."""
    import pandas

    spread = [
        {"generation": 0, **row, **step, "study": name}
        for row in rows
        for step in row.get("generations") or [{}]
    ]
    frame = pandas.DataFrame(spread, columns=list(COLUMNS))
    whole = {"items": "int64", "seed": "int64", "generation": "int64"}
    return frame.astype(dict.fromkeys([*_NUMBERS, "dose"], "float64") | whole)


def write_table(frame: pandas.DataFrame, path: str | os.PathLike[str], **about: Any) -> Path:
    """A table as a small Parquet file; ``about`` (command, date, machine) is written into it.

    Raises:
        OSError: the file cannot be written; an older one stays as it was.
    """
    import pyarrow
    import pyarrow.parquet as parquet

    table = pyarrow.Table.from_pandas(frame, preserve_index=False)
    table = table.replace_schema_metadata(
        {**(table.schema.metadata or {}), _ABOUT: json.dumps(about).encode()}
    )
    with atomic_write(path) as stream:
        parquet.write_table(table, stream, compression="zstd")
    return Path(path)


def write_stored(name: str, frame: pandas.DataFrame, script: str, **about: Any) -> Path:
    """Replace a table of the package, with the command of ``scripts/`` that made it, date and machine."""
    about = {
        "command": f"python scripts/{script} --folder FOLDER --only {name} --store",
        "date": datetime.now(UTC).date().isoformat(),
        "versions": versions(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        **about,
    }
    return write_table(frame, Path(__file__).parent / "stored" / f"{name}.parquet", **about)


def read_table(path: str | os.PathLike[str]) -> tuple[pandas.DataFrame, dict[str, Any]]:
    """What ``write_table`` wrote: the table, and what is known about it."""
    import pyarrow.parquet as parquet

    table = parquet.read_table(path)
    return table.to_pandas(), json.loads((table.schema.metadata or {}).get(_ABOUT, b"{}"))


def stored(name: str = "data_quality") -> tuple[pandas.DataFrame, dict[str, Any]]:
    """A table that comes with the package, and what is known about it: command, date, machine, seconds.

    Raises:
        ValueError: there is no such table; the message names those that there are.
    """
    folder = resources.files("aigc_lab.study").joinpath("stored")
    known = (
        sorted(entry.name.removesuffix(".parquet") for entry in folder.iterdir()) if folder.is_dir() else []
    )
    if name not in known:
        raise ValueError(f"no table {name!r} is stored; there is {', '.join(known) or 'none'}")
    with resources.as_file(folder.joinpath(f"{name}.parquet")) as path:
        return read_table(path)


def write_samples(samples: dict[tuple[str, float], np.ndarray], path: str | os.PathLike[str]) -> Path:
    """Pictures ``uint8 (n, h, w)`` of the models of a study, by defect and dose, as one ``.npz`` file."""
    with atomic_write(path) as stream:
        np.savez_compressed(
            stream, **{f"{defect}-{dose:g}": each for (defect, dose), each in samples.items()}
        )
    return Path(path)


def stored_samples(name: str = "data_quality") -> dict[tuple[str, float], np.ndarray]:
    """What the conditional GAN of one seed draws after each dose: ``uint8 (24, 28, 28)``, classes in turn.

    Raises:
        ValueError: there are no such samples.
    """
    place = resources.files("aigc_lab.study").joinpath("stored", f"{name}_samples.npz")
    if not place.is_file():
        raise ValueError(f"no samples of a study {name!r} are stored")
    with resources.as_file(place) as path, np.load(path, allow_pickle=False) as found:
        keys = {key: tuple(key.rsplit("-", 1)) for key in found.files}
        return {(defect, float(dose)): found[key] for key, (defect, dose) in keys.items()}
