"""The process that runs one submission: it shuts itself in, then does what it is asked, a step at a time.

The marker keeps the tests: a hidden test comes only after the learner's cell and the check have run. Each
request carries a word that the reply must repeat, and results go through a pipe that is not standard output,
so that printing a result changes nothing.

What is restored around the learner's cell: names of the notebook that it rebound, and functions of the
modules in ``WATCHED`` that it replaced (a replacement while a test runs fails that test). ``exercises`` is
made anew for each check. What this cannot stop: the tests and the learner's function share one process.
Whoever searches its memory or stack (``gc``, ``sys._getframe``), writes to it by ``ctypes``, patches a class,
joins in on the pipes from a thread, or returns objects that claim to equal everything can forge marks. Such
answers look unlike any honest one, and ``classroom.grade`` asks the teacher to read them.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import json
import linecache
import os
import signal
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from classroom import sandbox
from classroom.source import top_level

EXERCISES = Path(__file__).parents[1] / "aigc_lab" / "exercises.py"
WATCHED = {"builtins", "math", "random", "operator", "functools", "itertools", "inspect", "re", "statistics"}
WATCHED |= {"numpy", "scipy", "pandas", "sklearn", "skimage", "keras", "aigc_lab"}
LONGEST_WORDS = 300
TOO_LONG = 99  # the exit status then


class TooLong(Exception):
    """A step took longer than it may."""


class Session:
    """The namespace of one notebook, and what was done in it."""

    def __init__(self) -> None:
        # The notebook's __main__ is not ours: pickling and inspect look there.
        self.module = types.ModuleType("__main__")
        self.names = vars(self.module)
        sys.modules["__main__"] = self.module
        self.before: dict[str, Any] = {}
        self.originals: dict[str, dict[str, Any]] = {}

    def run(self, label: str, source: str, keep: list[int] | None) -> None:
        """Run a cell, or the statements of it with these numbers."""
        linecache.cache[label] = (len(source), None, source.splitlines(keepends=True), label)
        body = top_level(source, label)
        tree = ast.Module(body if keep is None else [body[number] for number in keep], type_ignores=[])
        exec(compile(tree, label, "exec"), self.names)

    def remember(self) -> None:
        """Note what the learner's cell must not change."""
        self.before = dict(self.names)
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] in WATCHED and isinstance(module, types.ModuleType):
                first = self.originals.setdefault(name, {})  # what was seen first stays the original
                for key, value in list(vars(module).items()):
                    if callable(value):
                        first.setdefault(key, value)

    def restored(self) -> list[str]:
        """Put functions of libraries back; the names of those that were replaced."""
        replaced = []
        for name, originals in self.originals.items():
            here = vars(sys.modules[name]) if name in sys.modules else {}
            for key, value in originals.items():
                if here.get(key) is not value:
                    here[key] = value
                    replaced.append(f"{name}.{key}")
        return replaced

    def names_restored(self, own: set[str]) -> list[str]:
        """Put the notebook's names back, but for those of the exercise; which of them were functions."""
        changed = [
            name
            for name, value in self.before.items()
            if name not in own and self.names.get(name) is not value
        ]
        self.names.update({name: self.before[name] for name in changed})
        return [name for name in changed if callable(self.before[name]) or _is_module(self.before[name])]


def _is_module(value: object) -> bool:
    return isinstance(value, types.ModuleType)


def fresh_exercises() -> tuple[types.ModuleType, dict[str, Any]]:
    """The module of the checks, newly made, and what its check will have said."""
    spec = importlib.util.spec_from_loader("aigc_lab.exercises", loader=None)
    module = importlib.util.module_from_spec(spec)
    exec(EXERCISE_CODE, vars(module))
    original, said = module.check, {}

    def check(number: int, answer: Any, test: Any, otherwise: Any = None) -> Any:
        words = io.StringIO()
        with contextlib.redirect_stdout(words):
            result = original(number, answer, test, otherwise)
        said.update(right=answer is not None and result is answer, words=words.getvalue().strip())
        return result

    module.check = check
    return module, said


EXERCISE_CODE = compile(EXERCISES.read_text(encoding="utf-8"), str(EXERCISES), "exec")


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise ``TooLong`` in code that computes for longer, and end the process if it goes on in spite of that.

    Processor time: on a busy machine the same answer should get the same mark. The marker looks at the clock.
    """

    rings = 0

    def ring(*_: object) -> None:
        nonlocal rings
        rings += 1
        if rings == 3:
            os._exit(TOO_LONG)
        raise TooLong(f"it computed for more than {seconds:g} seconds")

    signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def in_words(error: BaseException) -> str:
    """An exception in one short line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST_WORDS]


def done(session: Session, step: dict[str, Any]) -> dict[str, Any]:
    """Do one step; what came of it."""
    kind, seconds = step["do"], step["seconds"]
    if kind == "check":
        session.names["exercises"], said = fresh_exercises()
    if kind == "answer":
        session.remember()
    reply: dict[str, Any] = {"error": None, "replaced": []}
    try:
        with at_most(seconds), contextlib.redirect_stdout(io.StringIO()):
            if kind == "hidden":
                code = compile(step["source"], "hidden test", "exec")
                exec(code, dict(session.names))
            else:
                session.run(step["label"], step["source"], step["keep"])
    except BaseException as error:  # SystemExit and KeyboardInterrupt, too, are the learner's
        reply["error"] = in_words(error)
    reply["replaced"] = session.restored() if kind != "run" else []
    if kind == "answer":
        reply["replaced"] += session.names_restored(set(step["own"]))
    if kind == "check":
        reply |= {"right": False, "words": "", **said}
        reply["words"] = reply["words"].splitlines()[-1][:LONGEST_WORDS] if reply["words"] else ""
    return reply


def main() -> None:
    """Read requests from the pipe that is named first, and answer on the second."""
    requests, replies = (int(each) for each in sys.argv[1:3])
    incoming, outgoing = os.fdopen(requests, "r", encoding="utf-8"), os.fdopen(replies, "w", encoding="utf-8")

    def answer(token: str, reply: dict[str, Any]) -> None:
        outgoing.write(json.dumps({"token": token, **reply}) + "\n")
        outgoing.flush()

    first = json.loads(incoming.readline())
    try:
        if first["sandbox"]:
            readable = [Path(each) for each in first["readable"]]
            kept = sandbox.shut_in(readable, Path(first["folder"]), first["seconds"], first["megabytes"])
        else:
            sandbox.limits(first["seconds"], first["megabytes"])
            kept = "none"
        answer(first["token"], {"sandbox": kept})
    except OSError as error:
        answer(first["token"], {"refused": str(error)})
        return
    session = Session()
    for line in incoming:
        step = json.loads(line)
        answer(step["token"], done(session, step))


if __name__ == "__main__":
    main()
