"""What every benchmark shares: interleaved rounds, ratios with their quartiles, workers and Markdown tables.

A benchmark measures ours beside a reference in one run. The ways take turns, round after round, so that a
busy machine slows all of them; a ratio is always of one round. Ratios say the reference's time over ours:
above 1, ours is faster. What is told is the median, and in brackets the quartiles.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
ABSENT = "not installed"


def one_thread() -> None:
    """One thread for every library, here and in later processes. Call it before NumPy is imported."""
    os.environ |= dict.fromkeys(THREADS, "1")


def installed(package: str) -> bool:
    return find_spec(package) is not None


def seconds(action: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    """How long ``action`` takes; ``clock=time.process_time`` counts the processor only."""
    begun = clock()
    action()
    return clock() - begun


def rounds(
    ways: Mapping[str, Callable[[], float]], count: int, patience: float = float("inf")
) -> dict[str, list[float]]:
    """Call every way once in each round; a way returns what it measured. The first one changes.

    A way that took longer than ``patience`` seconds of the clock is left out after the second round.
    """
    measured: dict[str, list[float]] = {name: [] for name in ways}
    names, taken = list(ways), dict.fromkeys(ways, 0.0)
    for number in range(count):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            if number < 2 or taken[name] <= patience:
                begun = time.perf_counter()
                measured[name].append(float(ways[name]()))
                taken[name] = max(taken[name], time.perf_counter() - begun)
        print(f"  round {number + 1} of {count}", file=sys.stderr, flush=True)
    return measured


def spread(values: Iterable[float], digits: int = 2) -> str:
    """Median and quartiles: ``1.25 [1.21, 1.30]``."""
    numbers = [float(each) for each in values]
    if len(numbers) == 1:
        return f"{numbers[0]:,.{digits}f}"
    low, middle, high = statistics.quantiles(numbers, n=4, method="inclusive")
    return f"{middle:,.{digits}f} [{low:,.{digits}f}, {high:,.{digits}f}]"


def ratios(theirs: Sequence[float], ours: Sequence[float]) -> list[float]:
    """Their time over ours, round by round."""
    return [their / our for their, our in zip(theirs, ours, strict=False)]


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table that is readable as it is and in Markdown."""
    cells = [[str(each) for each in row] for row in (columns, *rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(columns))]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in cells]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    print(f"\n**{title}**\n", lines[0], rule, *lines[1:], sep="\n", flush=True)


def compare(
    title: str,
    measured: Mapping[str, list[float]],
    ours: str,
    *,
    absent: Iterable[str] = (),
    unit: str = "s",
    scale: float = 1.0,
    digits: int = 2,
    more: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, list[float]]:
    """One row a way: its median with quartiles, and its time over that of ``ours`` in the same round.

    Args:
        measured: seconds by way, as ``rounds`` gives them; ``scale`` turns them into ``unit``.
        absent: references that are not installed; each gets a row that says so.
        more: further columns, each a value by way.

    Returns:
        The ratios by way.
    """
    further = more or {}
    found = {name: ratios(values, measured[ours]) for name, values in measured.items()}
    rows = [
        [
            name,
            spread((scale * each for each in values), digits),
            "1 (ours)" if name == ours else spread(found[name]),
            *(column.get(name, "") for column in further.values()),
        ]
        for name, values in measured.items()
    ]
    rows += [[name, ABSENT, "", *("" for _ in further)] for name in absent]
    show(title, ["way", unit, "time over ours", *further], rows)
    return found


class Worker:
    """A process of its own that waits between rounds, for one backend or one library each.

    The process runs ``serve`` and answers each question with one JSON value. What it prints otherwise goes
    to standard error.
    """

    def __init__(self, command: Sequence[str], python: str = sys.executable, **environment: str) -> None:
        self.name = " ".join(command[1:])
        self.process = subprocess.Popen(
            [python, *command],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *question: Any) -> Any:
        """Ask, wait, and return the answer.

        Raises:
            RuntimeError: the process ended instead; what it said stands on standard error.
        """
        try:
            print(json.dumps(question), file=self.process.stdin, flush=True)
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise RuntimeError(f"the worker {self.name} ended with exit code {self.process.wait()}")
        return json.loads(answer)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: Any) -> None:
        self.process.stdin.close()
        self.process.wait()


def serve(answer: Callable[..., Any]) -> None:
    """Answer a ``Worker``'s questions until there are no more."""
    to_parent = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not be taken for an answer
    for line in sys.stdin:
        print(json.dumps(answer(*json.loads(line))), file=to_parent, flush=True)


def in_a_process(*arguments: Any, script: str, **environment: str) -> Any:
    """The JSON value that ``python script arguments`` prints last: a measurement in a fresh process."""
    done = subprocess.run(
        [sys.executable, script, *map(str, arguments)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])
