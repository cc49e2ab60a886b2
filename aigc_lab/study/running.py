"""Run a study here, on processes of this machine, or on a Dask cluster; go on after a kill. Notebook 15.

Every run is written as soon as it ends, as a file of its own that appears whole or not at all. So a study
that is killed goes on where it was, and a disk that fills up costs no run that had ended.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from functools import lru_cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from aigc_lab.backend import ONE_THREAD, dask_client
from aigc_lab.collect.dataset import atomic_write
from aigc_lab.study import one_run
from aigc_lab.study.grid import Cell, Study
from aigc_lab.study.one_run import FAILED, FINISHED, SCORES

STORED = Path(__file__).parent / "stored"
COLUMNS = (
    "study", *Cell.__dataclass_fields__, "generation", *SCORES, "status", "error", "training_items",
    "training_hash", "held_out_hash", "seconds", "versions", "finished_at",
)  # fmt: skip
_PACKAGES = ("aigc-lab", "keras", "tensorflow", "numpy", "scikit-learn", "cleanlab")


def run(
    study: Study,
    folder: str | os.PathLike[str],
    workers: int = 2,
    scheduler: str | None = None,
    progress: bool = True,
) -> pandas.DataFrame:
    """Run what of a study has not been run yet, and return the table of all that has ended.

    Each run is written into ``folder`` when it ends; called again, the study goes on with the rest. A run
    that fails is noted in the table (``status``, ``error``) and tried again at the next call; the others go
    on. A worker process that dies takes only its present run with it, which another worker repeats.

    Args:
        folder: of this machine; it may hold other studies too, and runs that two studies share are not
            repeated.
        workers: processes on this machine, each with one thread; 0: none but this one, without Dask.
        scheduler: address of a running Dask scheduler (``"tcp://..."``) instead; its workers need
            this package.
        progress: show a line that follows the runs.

    Raises:
        OSError: the folder cannot be written to, or the scheduler cannot be reached.
        ValueError: ``workers`` is negative, or the data do not fit the study (said before the first run).
        RuntimeError: in a script, outside ``if __name__ == "__main__":``: the workers import the script.
    """
    from aigc_lab.train import RewrittenLine

    if workers < 0:
        raise ValueError(f"workers must be a whole number from 0 up, got {workers}")
    with atomic_write(Path(folder) / "runs" / ".writable"):
        pass  # a folder that cannot be written to is named before the first run
    study.load()
    cells = study.cells()
    waiting = [cell for cell in cells if read_run(study, cell, folder).get("status") != FINISHED]
    line, begun = RewrittenLine(progress, width=118), time.perf_counter()
    before, failed = len(cells) - len(waiting), 0
    for number, (cell, row) in enumerate(_ended(study, waiting, workers, scheduler), 1):
        write_run(study, cell, row, folder)
        failed += row["status"] == FAILED
        left = (time.perf_counter() - begun) / number * (len(waiting) - number) / 60
        line.show(
            f"{study.name}: {before + number} of {len(cells)} runs, about {left:.0f} minutes left; {cell}"
        )
    words = f"{len(cells)} of {len(cells)} runs have ended"
    words += f", {failed} of them failed" if failed else f", {before} were there already" if before else ""
    line.show(f"{study.name}: {words}", last=True)
    return table(study, folder)


def _ended(
    study: Study, cells: list[Cell], workers: int, scheduler: str | None
) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """The runs as they end, in any order: here, or mapped over the workers of a Dask cluster."""
    if not cells or (scheduler is None and workers == 0):
        yield from ((cell, one_run.run_cell(study, cell)) for cell in cells)
        return
    from distributed import as_completed

    local = {"dashboard_address": "127.0.0.1:0", "memory_limit": None, "env": ONE_THREAD}
    with dask_client("study.run", min(workers, len(cells)), scheduler, **local) as client:
        # pure=False: a run that failed before is to run again.
        futures = client.map(partial(one_run.run_cell, study), cells, pure=False)
        cell_of = dict(zip(futures, cells, strict=True))
        try:
            for future in as_completed(futures, loop=client.loop):
                if future.status == "finished":
                    yield cell_of[future], future.result()
                else:  # the worker died with this run, again and again
                    yield cell_of[future], {"status": FAILED, "error": repr(future.exception())}
        finally:
            client.cancel(futures, force=True)


def _path(study: Study, cell: Cell, folder: str | os.PathLike[str]) -> Path:
    return Path(folder) / "runs" / f"{study.key(cell)}.json"


def read_run(study: Study, cell: Cell, folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The row of a run; empty if it has not ended (or its file cannot be read)."""
    try:
        row = json.loads(_path(study, cell, folder).read_text(encoding="utf-8"))
        return row if isinstance(row, dict) and "status" in row else {}
    except (FileNotFoundError, ValueError):
        return {}


def write_run(study: Study, cell: Cell, row: dict[str, Any], folder: str | os.PathLike[str]) -> None:
    """Write the row of a run that has ended, whole or not at all: the runs written before are safe.

    Raises:
        OSError: the disk is full or the folder gone.
    """
    made = {"versions": versions(), "finished_at": datetime.now(UTC).isoformat(timespec="seconds")}
    with atomic_write(_path(study, cell, folder)) as stream:
        stream.write(json.dumps({**row, **asdict(cell), **made}).encode())


def table(study: Study, folder: str | os.PathLike[str]) -> pandas.DataFrame:
    """One row for each run of the study that has ended (or each of its generations), cell by cell."""
    rows = (read_run(study, cell, folder) for cell in study.cells())
    return as_table([row for row in rows if row], study.name)


def as_table(rows: list[dict[str, Any]], name: str) -> pandas.DataFrame:
    """Rows as a tidy table with the columns of ``COLUMNS``; each generation of a run is a row of its own."""
    usual = {"generation": 0, "training_hash": "", "held_out_hash": ""}
    spread = [
        {**usual, **row, **step, "study": name} for row in rows for step in row.get("generations", [{}])
    ]
    frame = pandas.DataFrame(spread, columns=list(COLUMNS))
    numbers = dict.fromkeys((*SCORES, "training_items", "seconds", "severity"), "float64")
    return frame.astype(numbers | dict.fromkeys(("items", "seed", "generation"), "int64"))


# --- tables that come with the package ----------------------------------------------------------------


@lru_cache(maxsize=1)
def versions() -> str:
    """The versions that a number may depend on, as one line of text."""
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES)
    return f"python {platform.python_version()}, {packages}"


def write_table(frame: pandas.DataFrame, path: str | os.PathLike[str], **about: Any) -> Path:
    """A table as a small Parquet file; ``about`` (command, date, machine) is written into it.

    Raises:
        OSError: the file cannot be written; an older one stays as it was.
    """
    frame = frame.copy()
    frame.attrs = about
    with atomic_write(path) as stream:
        frame.to_parquet(stream, compression="zstd", index=False)
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
    return write_table(frame, STORED / f"{name}.parquet", **about)


def read_table(path: str | os.PathLike[str]) -> tuple[pandas.DataFrame, dict[str, Any]]:
    """What ``write_table`` wrote: the table, and what is known about it."""
    frame = pandas.read_parquet(path)
    about, frame.attrs = dict(frame.attrs), {}
    return frame, about


def stored(name: str = "data_quality") -> tuple[pandas.DataFrame, dict[str, Any]]:
    """A table that comes with the package, and what is known about it: command, date, machine, seconds.

    Raises:
        ValueError: there is no such table; the message names those that there are.
    """
    known = sorted(path.stem for path in STORED.glob("*.parquet"))
    if name not in known:
        raise ValueError(f"no table {name!r} is stored; there is {', '.join(known)}")
    return read_table(STORED / f"{name}.parquet")


def stored_samples(name: str = "data_quality") -> dict[tuple[str, float], np.ndarray]:
    """What the conditional GAN of one seed draws by corruption and severity: ``uint8 (24, 28, 28)``.

    Raises:
        ValueError: there are no such samples.
    """
    path = STORED / f"{name}_samples.npz"
    if not path.is_file():
        raise ValueError(f"no samples of a study {name!r} are stored")
    with np.load(path, allow_pickle=False) as found:
        return {(key.rsplit("-", 1)[0], float(key.rsplit("-", 1)[1])): found[key] for key in found.files}
