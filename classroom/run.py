"""Run the exercises of one lab with a learner's answers, in a process of its own, and collect the verdicts.

Not by ``otter run``: that executes the submitted notebook, tests and all, through a Jupyter kernel, which
talks over TCP, and gives the whole notebook to the process that the learner's code runs in. Here only the
answers go in, the tests follow one at a time, and statements that no exercise needs do not run: seconds for a
submission, not minutes. The Otter and nbgrader assignments (``classroom.assignments``) have the same tests.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from aigc_lab.collect import cache_folder
from classroom.inside import TOO_LONG
from classroom.lab import ROOT, Exercise, Lab, check_call, free_names, names, needed
from classroom.source import top_level
from tools.notebook_text import tags, without_magics

START_SECONDS = 120.0
LOOK_AGAIN = 0.5  # seconds
MOST_CHILDREN = 20
PATIENCE = 10  # by the clock a step may take so many times its processor time
MOST_BYTES = 2**20  # of one reply; an honest one has some hundred


@dataclass(frozen=True)
class Limits:
    """What one submission may use."""

    seconds: int = 300  # by the clock, all together
    step_seconds: int = 20  # of processor time: one answer, one check, one hidden test
    megabytes: int = 4096


@dataclass
class Verdict:
    """What became of one answer."""

    right: bool = False
    words: str = "not run"  # what the check said
    hidden: list[str | None] = field(default_factory=list)  # None: passed; else why not
    remarks: list[str] = field(default_factory=list)

    def points(self, exercise: Exercise) -> tuple[float, float]:
        """For the visible check, and for the hidden tests."""
        passed = sum(words is None for words in self.hidden) / len(exercise.hidden)
        hidden_points = exercise.points - exercise.visible_points
        return exercise.visible_points * self.right, hidden_points * passed


class Stopped(Exception):
    """The process ended, or was ended; in words."""


class Process:
    """The process of one submission, as the marker sees it."""

    def __init__(self, limits: Limits, sandbox: bool) -> None:
        self.limits, self.started = limits, time.monotonic()
        self.folder = tempfile.TemporaryDirectory(prefix="submission-")
        to_child, self.to_child = os.pipe()
        self.from_child, from_child = os.pipe()
        self.most_memory = 0
        self.seen: set[psutil.Process] = set()
        self.popen = subprocess.Popen(
            [sys.executable, "-P", "-m", "classroom.inside", str(to_child), str(from_child)],
            pass_fds=(to_child, from_child),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder.name,
            env=environment(Path(self.folder.name)),
            start_new_session=True,
        )
        self.watched = psutil.Process(self.popen.pid)
        os.close(to_child)
        os.close(from_child)
        self.unread = b""
        first = {
            "sandbox": sandbox,
            "readable": [str(path) for path in readable()],
            "folder": self.folder.name,
            "megabytes": limits.megabytes,
        }
        try:
            reply = self.ask({**first, "seconds": limits.seconds}, START_SECONDS)
            if "refused" in reply:
                raise OSError(f"This machine cannot shut a submission in: {reply['refused']}.")
        except (OSError, Stopped):
            self.close()
            raise
        self.sandbox = reply["sandbox"]

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Send a request and wait for its reply.

        Raises:
            Stopped: it took too long or too much memory, or the process ended.
        """
        token = secrets.token_hex(16)
        with contextlib.suppress(BrokenPipeError):  # then the read below finds the end
            os.write(self.to_child, json.dumps({**request, "token": token}).encode() + b"\n")
        end = min(time.monotonic() + seconds, self.started + self.limits.seconds)
        while True:
            line, found, rest = self.unread.partition(b"\n")
            if found:
                self.unread = rest
                with contextlib.suppress(ValueError, TypeError, KeyError):
                    reply = json.loads(line)
                    if isinstance(reply, dict) and secrets.compare_digest(str(reply["token"]), token):
                        return reply
                continue  # not an answer to what was asked
            self._watch(end)
            if select.select([self.from_child], [], [], LOOK_AGAIN)[0]:
                more = os.read(self.from_child, 2**16)
                if not more:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        self.popen.wait(timeout=5)
                    long = self.popen.returncode in (TOO_LONG, -signal.SIGXCPU)
                    raise Stopped("stopped: it computed for too long" if long else "it ended the process")
                self.unread += more
                if len(self.unread) > MOST_BYTES:
                    raise Stopped("stopped: it wrote into the pipe of the results")

    def _watch(self, end: float) -> None:
        """Look at the clock and at the memory of the process and its children."""
        if time.monotonic() > end:
            raise Stopped("stopped: it ran for too long")
        with contextlib.suppress(psutil.Error):
            children = self.watched.children(recursive=True)
            self.seen.update(children)
            if len(children) > MOST_CHILDREN:
                raise Stopped("stopped: it started too many processes")
            memory = 0
            for process in (self.watched, *self.seen):
                with contextlib.suppress(psutil.Error):
                    memory += process.memory_info().rss
            self.most_memory = max(self.most_memory, memory)
            # A process limits itself, and its answer gets a MemoryError; this is for all of them together.
            if memory > 1.5 * self.limits.megabytes * 2**20:
                raise Stopped(f"stopped: it used more than {self.limits.megabytes} MB of memory")

    def close(self) -> None:
        """End the process and whatever it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        for process in self.seen:
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.popen.wait()
        os.close(self.to_child)
        os.close(self.from_child)
        self.folder.cleanup()


def readable() -> list[Path]:
    """What the answers of a lab may read: the Python environment, the library and the data."""
    environments = {Path(prefix) for prefix in (sys.prefix, sys.base_prefix)}
    mirror = os.environ.get("AIGC_LAB_MIRROR")
    data = [Path(mirror).absolute()] if mirror else [cache_folder()]
    return [*environments, ROOT / "aigc_lab", *data]


def environment(folder: Path) -> dict[str, str]:
    """The environment variables of the process: none of the teacher's, but where the data are."""
    kept = {name: os.environ[name] for name in ("AIGC_LAB_MIRROR", "AIGC_LAB_LANGUAGE") if name in os.environ}
    return kept | {
        "AIGC_LAB_CACHE": str(cache_folder()),
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "MPLBACKEND": "Agg",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "OMP_NUM_THREADS": "2",
    }


def plan(lab: Lab, answers: Mapping[int, str], whole: bool) -> tuple[dict[int, str], dict[int, list[int]]]:
    """The code cells with the answers in place, and which statements of them run."""
    sources = {place: cell.source for place, cell in enumerate(lab.cells) if cell.cell_type == "code"}
    sources |= {exercise.cell: answers[exercise.number] for exercise in lab.exercises}
    for place, cell in enumerate(lab.cells):
        if "parameters" in tags(cell):
            output = '\noutput_folder = "."' if "output_folder" in cell.source else ""
            sources[place] += f'\nprofile = "smoke"{output}'
    if whole:
        last = max(exercise.check for exercise in lab.exercises)
        return sources, {place: None for place in sources if place <= last}
    must, also = set(), {}
    for exercise in lab.exercises:
        must |= {(exercise.cell, number) for number in range(len(top_level(sources[exercise.cell])))}
        check = top_level(sources[exercise.check])
        must.add((exercise.check, next(n for n, each in enumerate(check) if check_call(ast.unparse(each)))))
        also[exercise.check] = {name for test in exercise.hidden for name in free_names(test.source)}
    return sources, needed(sources, must, also, [exercise.cell for exercise in lab.exercises])


@dataclass
class Run:
    """What came of a submission: for each exercise the verdicts on its answers, in order."""

    verdicts: dict[int, list[Verdict]]
    remarks: list[str] = field(default_factory=list)
    sandbox: str = ""
    seconds: float = 0.0
    megabytes: float = 0.0


def run(
    lab: Lab,
    answers: Mapping[int, Sequence[str]],
    limits: Limits | None = None,
    sandbox: bool = True,
    whole: bool = False,
) -> Run:
    """Mark answers: for each exercise one or more, one after the other; later cells go on with the last.

    Args:
        lab: the lab that they belong to.
        answers: sources of cells by the number of the exercise.
        limits: what the process may use.
        sandbox: shut the process in; only who trusts the answers sets it to False.
        whole: run all cells. Else those statements that the answers and the tests need, and all cells only if
            a name is missing then.

    Raises:
        OSError: the kernel does not offer what the sandbox needs.
    """
    limits = limits or Limits()
    cells = {number: [_usable(lab, number, each) for each in several] for number, several in answers.items()}
    sources, keep = plan(lab, {n: "\n".join(source for source, _ in cells[n]) for n in cells}, whole)
    result = Run({number: [Verdict() for _ in several] for number, several in answers.items()})
    try:
        process = Process(limits, sandbox)
    except Stopped as stopped:
        result.remarks.append(str(stopped))
        return result
    result.sandbox = process.sandbox
    try:
        for place in sorted(keep):
            exercise = next((each for each in lab.exercises if place in (each.cell, each.check)), None)
            step = {"do": "run", "label": f"cell {place}", "source": sources[place], "keep": keep[place]}
            if exercise is None:
                error = process.ask({**step, "seconds": limits.seconds}, limits.seconds)["error"]
                if error:
                    result.remarks.append(f"cell {place} of the notebook stopped with {error}")
            elif place == exercise.check:
                pairs = zip(result.verdicts[exercise.number], cells[exercise.number], strict=True)
                for verdict, (source, problem) in pairs:
                    _mark(process, lab, exercise, source, problem, step, verdict)
    except Stopped as stopped:
        result.remarks.append(str(stopped))
    finally:
        result.seconds = time.monotonic() - process.started
        result.megabytes = process.most_memory / 2**20
        process.close()
    if not whole and _names_missing(result) & set().union(*map(statement_names, sources.values())):
        return run(lab, answers, limits, sandbox, whole=True)
    return result


def _usable(lab: Lab, number: int, source: str) -> tuple[str, str]:
    """The cell that runs, and what is wrong with the learner's: then it is the stub."""
    exercise = next(each for each in lab.exercises if each.number == number)
    try:
        if exercise.function in statement_names(source):
            return source, ""
        problem = f"the cell does not define {exercise.function}"
    except (SyntaxError, ValueError) as error:
        problem = f"the cell is not Python: {error}"
    return lab.stub(exercise), problem


def _mark(
    process: Process,
    lab: Lab,
    exercise: Exercise,
    source: str,
    problem: str,
    check: dict[str, Any],
    verdict: Verdict,
) -> None:
    """Run an answer, its check and its hidden tests, and write into the verdict what came of each."""
    seconds, most = process.limits.step_seconds, PATIENCE * process.limits.step_seconds
    verdict.words, verdict.hidden = "stopped here", ["not run"] * len(exercise.hidden)
    own = sorted(statement_names(lab.stub(exercise)))
    answer = {
        "do": "answer",
        "label": f"exercise {exercise.number}",
        "keep": None,
        "own": own,
        "seconds": seconds,
    }
    reply = process.ask({**answer, "source": source}, most)
    replaced = reply["replaced"]
    if replaced:
        verdict.remarks.append(
            f"the answer replaced {', '.join(replaced[:5])}; the tests ran with the originals"
        )
    if reply["error"]:
        problem = f"the cell stopped with {reply['error']}"
        process.ask({**answer, "source": lab.stub(exercise)}, most)
    reply = process.ask({**check, "do": "check", "seconds": seconds}, most)
    verdict.right, verdict.words = reply["right"], problem or reply["words"] or reply["error"]
    if reply["replaced"]:
        verdict.right = False
        verdict.words = f"while it was checked, the answer replaced {', '.join(reply['replaced'][:5])}"
    for number, test in enumerate(exercise.hidden):
        reply = process.ask({"do": "hidden", "source": test.source, "seconds": seconds}, most)
        verdict.hidden[number] = reply["error"]
        if reply["replaced"]:
            verdict.hidden[number] = f"during the test the answer replaced {', '.join(reply['replaced'][:5])}"


def statement_names(source: str) -> set[str]:
    """The names that a cell binds.

    Raises:
        SyntaxError, ValueError: it is not Python.
    """
    return set(names(without_magics(source))[0])


def _names_missing(result: Run) -> set[str]:
    """Names that were not defined when something ran."""
    verdicts = [verdict for several in result.verdicts.values() for verdict in several]
    words = [
        *result.remarks,
        *(each.words for each in verdicts),
        *(h or "" for each in verdicts for h in each.hidden),
    ]
    return set(re.findall(r"NameError: name '(\w+)' is not defined", "\n".join(words)))
