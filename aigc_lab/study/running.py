"""Run a study: here, on processes of this machine, or on a Dask cluster; go on after a kill. Notebook 15."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aigc_lab.backend import ONE_THREAD, dask_client
from aigc_lab.study import runs
from aigc_lab.study.store import Store, table
from aigc_lab.study.grid import Cell, Study

if TYPE_CHECKING:
    import pandas


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

    In a script, call this below ``if __name__ == "__main__":``, because the workers import the script.

    Args:
        study: see ``Study``.
        folder: of this machine; it may hold other studies too, and runs that two studies share are not
            repeated.
        workers: processes on this machine, each with one thread; 0: none but this one, without Dask.
        scheduler: address of a running Dask scheduler (``"tcp://..."``) instead; its workers need
            this package.
        progress: show a line that follows the runs.

    Raises:
        OSError: the folder cannot be written to, or the scheduler cannot be reached.
        ValueError: ``workers`` is negative, or the data do not fit the study (said before the first run).
        RuntimeError: called while a worker imports the script.
    """
    if workers < 0:
        raise ValueError(f"workers must be a whole number from 0 up, got {workers}")
    store = Store(folder)
    study.load()
    cells = study.cells()
    done = {cell for cell in cells if (store.read(study, cell) or {}).get("status") == runs.FINISHED}
    waiting = [cell for cell in cells if cell not in done]
    line = Progress(study.name, len(cells), len(done), progress)
    if waiting:
        with _ended(study, waiting, workers, scheduler) as ended:
            for cell, row in ended:
                store.write(study, cell, row)
                line.step(cell, row)
    line.end()
    return table(study, store)


@contextmanager
def _ended(
    study: Study, cells: list[Cell], workers: int, scheduler: str | None
) -> Iterator[Iterable[tuple[Cell, dict[str, Any]]]]:
    """The runs as they end, in any order."""
    if scheduler is None and workers == 0:
        yield ((cell, runs.run_cell(study, cell)) for cell in cells)
        return
    local = {"dashboard_address": "127.0.0.1:0", "memory_limit": None, "env": ONE_THREAD}
    with dask_client("study.run", min(workers, len(cells)), scheduler, **local) as client:
        yield _submitted(client, study, cells)


def _submitted(client: Any, study: Study, cells: list[Cell]) -> Iterator[tuple[Cell, dict[str, Any]]]:
    from distributed import as_completed

    # pure=False: a run that failed before is to run again. Priorities keep the order of the cells.
    futures = {
        client.submit(runs.run_cell, study, cell, pure=False, priority=-number): cell
        for number, cell in enumerate(cells)
    }
    try:
        for future in as_completed(list(futures), loop=client.loop):
            cell = futures.pop(future)
            if future.status == "finished":
                yield cell, future.result()
            else:  # the worker died with this run, again and again
                error = future.exception()
                yield cell, {"status": runs.FAILED, "error": f"{type(error).__name__}: {error}"}
            future.release()
    finally:
        client.cancel(list(futures), force=True)


class Progress:
    """How many runs have ended, and about how long the others take."""

    def __init__(self, name: str, total: int, done: int, wanted: bool) -> None:
        from aigc_lab.train.progress import RewrittenLine

        self.name, self.total, self.done, self.before = name, total, done, done
        self.failed, self.line = 0, RewrittenLine(wanted, width=118)
        self.begun = time.perf_counter()
        if done:
            self._show(f"{done} of {total} runs were there already")

    def step(self, cell: Cell, row: dict[str, Any]) -> None:
        self.done += 1
        self.failed += row["status"] == runs.FAILED
        spent = time.perf_counter() - self.begun
        left = spent / (self.done - self.before) * (self.total - self.done)
        failed = f", {self.failed} failed" if self.failed else ""
        self._show(
            f"{self.done} of {self.total} runs{failed}, about {left / 60:.0f} minutes left; last: {cell}"
        )

    def end(self) -> None:
        failed = f", {self.failed} of them failed" if self.failed else ""
        self._show(f"{self.done} of {self.total} runs have ended{failed}")
        self.line.end()

    def _show(self, text: str) -> None:
        self.line.show(f"{self.name}: {text}")
