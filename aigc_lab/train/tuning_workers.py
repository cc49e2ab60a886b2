"""Who runs the trials of a search: this process, or Dask workers that ask it at each report. Notebook 13.

The book, and with it the file, belongs to the process that called ``search``. A worker sends a report and
waits for the answer, go on or stop. So no two processes write the file, it need not lie on a shared disk,
and the budget is counted in one place.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from typing import Any

from aigc_lab.backend import ONE_THREAD, dask_client
from aigc_lab.train.progress import RewrittenLine, bar
from aigc_lab.train.tuning import DIVERGED, FINISHED, PRUNED, Pruned, Trial
from aigc_lab.train.tuning_book import Book

ANSWER_WITHIN = 600  # seconds in which the searching process must answer a report


def evaluated(objective: Callable[[Trial], Any], trial: Trial) -> tuple[str, float | None, Any]:
    """One trial: its state, its value, and more numbers or what went wrong."""
    try:
        result = objective(trial)
    except Pruned:
        return PRUNED, None, None
    except FloatingPointError as error:
        return DIVERGED, None, {"error": str(error)}
    value, more = result if isinstance(result, tuple) else (result, {})
    if isinstance(value, (str, bool)) or not hasattr(value, "__float__"):
        raise TypeError(f"the objective returned {value!r}; return the value, or the value and a dict")
    if not math.isfinite(value):
        return DIVERGED, None, {"error": f"the objective returned {value}"}
    return FINISHED, float(value), {name: float(each) for name, each in more.items()}


def run_here(book: Book, objective: Callable[[Trial], Any], progress: bool) -> None:
    """One trial after the other. An error or an interrupt leaves the trial to be run again."""
    line = _Line(book, progress)
    line.show()
    while (planned := book.next()) is not None:
        number = planned.trial.number

        def tell(step: int, value: float, number: int = number) -> bool:
            return book.report(number, step, value)

        trial = Trial(planned.parameters, planned.seed, book.plan.steps, tell)
        book.end(number, *evaluated(objective, trial))
        line.show()
    line.end()


def run_on_dask(
    book: Book, objective: Callable[[Trial], Any], workers: int, scheduler: str | None, progress: bool
) -> None:
    """As many trials at a time as there are threads; which ones then depends on who is faster."""
    import dask
    from distributed import Queue

    local = {"dashboard_address": "127.0.0.1:0", "memory_limit": None, "env": ONE_THREAD}
    with (
        # A trial whose worker dies is put in line by the book, which counts what was lost.
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        dask_client("tuning.search", workers, scheduler, **local) as client,
    ):
        line = _Line(book, progress)
        channel = f"search-{uuid.uuid4().hex}"
        reports = Queue(channel, client=client)
        room = max(1, sum(client.nthreads().values()))
        futures: dict[Any, int] = {}
        try:
            while True:
                while len(futures) < room and (planned := book.next()) is not None:
                    number = planned.trial.number
                    what = (planned.parameters, planned.seed, book.plan.steps, number, channel)
                    future = client.submit(_remote, objective, *what, pure=False)
                    futures[future] = number
                if not futures:
                    return
                _answer(client, reports, channel, book)
                for future in [each for each in futures if each.done()]:
                    number = futures.pop(future)
                    _close(book, number, future)
                    line.show()
        finally:
            line.end()
            client.cancel(list(futures), force=True)


def _answer(client: Any, reports: Any, channel: str, book: Book) -> None:
    """Answer the reports that have come, or wait a moment for one."""
    from distributed import Queue

    try:
        number, step, value = reports.get(timeout="50ms")
    except TimeoutError:
        return
    if number in book.running:
        stop = book.report(number, step, value)
        Queue(f"{channel}-{number}", client=client).put((step, stop))


def _close(book: Book, number: int, future: Any) -> None:
    from distributed import KilledWorker

    if future.status == "finished":
        book.end(number, *future.result())
        return
    error = future.exception()
    if isinstance(error, KilledWorker):
        book.lose(number, "its process is gone")
        return
    raise error


def _remote(objective, parameters, seed, steps, number, channel):
    """Runs on a worker: report, then wait for the answer to this very report."""
    from distributed import Queue

    reports, answers = Queue(channel), Queue(f"{channel}-{number}")

    def tell(step: int, value: float) -> bool:
        reports.put((number, step, value))
        while True:
            of_step, stop = answers.get(timeout=ANSWER_WITHIN)
            if of_step == step:
                return stop

    return evaluated(objective, Trial(parameters, seed, steps, tell))


class _Line:
    """What a search has spent, and the best value so far."""

    def __init__(self, book: Book, wanted: bool) -> None:
        self.book, self.line = book, RewrittenLine(wanted, width=79)

    def show(self) -> None:
        if not self.line.wanted:  # the book need not be read
            return
        plan, spent, best = self.book.plan, self.book.spent(), self.book.best()
        text = f"{plan.method} [{bar(spent, plan.budget)}] {spent} of {plan.budget} steps"
        self.line.show(text + ("" if best is None else f", best {best:.4g}"))

    def end(self) -> None:
        self.line.end()
