"""Exercises: say in one line whether an answer is right, and go on with the notebook either way.

A check never stops a notebook. It prints ``exercise 2: not answered yet``, ``exercise 2: not right yet: …``
or ``exercise 2: right: …``, and gives later cells something that works. Introduced in notebook 00.

In JupyterLab the results of all labs are kept in ``progress.json`` beside the notebooks; ``progress`` and
``aigc-lab progress FOLDER`` show them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection
from functools import wraps
from pathlib import Path
from typing import Any

from aigc_lab.language import translated

NOT_ANSWERED, WRONG, RIGHT = "not answered yet", "not right yet", "right"
KEPT = "progress.json"

_results: dict[int, str] = {}  # of the notebook that runs in this process


class _NotAnswered(Exception):
    """The learner's function returned nothing."""


def check(number: int, answer: Any, test: Callable[[Any], str], otherwise: Any = None) -> Any:
    """Say in one line whether an answer is right; what later cells are to use.

    Args:
        number: of the exercise.
        answer: the learner's function, class or value. None, or a function that returns None, counts as not
            answered.
        test: gets the answer and asserts in words what must be true of it; what it returns is said after
            ``right``. It should try several random cases, and say what is wrong but not what is right.
        otherwise: what later cells use while the answer is missing or wrong.

    Returns:
        ``answer`` if it is right, else ``otherwise``.
    """
    words = ""
    try:
        if answer is None:
            raise _NotAnswered
        words = test(_watched(answer)) or ""
        result = RIGHT
    except (_NotAnswered, NotImplementedError):
        result = NOT_ANSWERED
    except AssertionError as error:
        result, words = WRONG, str(error)
    except Exception as error:  # whatever the learner's code does, the notebook goes on
        result, words = WRONG, f"it stopped with {type(error).__name__}: {error}"
    _results[number] = result
    _keep(number, result)
    one_line = translated(" ".join(words.split()))
    print(translated(f"exercise {number}: {result}") + (f": {one_line}" if one_line else ""))
    return answer if result == RIGHT else otherwise


def summary() -> None:
    """Print how many of this notebook's exercises were answered, and how many are right."""
    print(_counted(_results.values()))


def progress(folder: str | Path = ".") -> str:
    """How many exercises were answered, and how many are right: a line for each lab, and the sum.

    Args:
        folder: the learner's folder, where the notebooks and ``progress.json`` lie.

    Raises:
        FileNotFoundError: no exercise was checked there yet.
        ValueError: the file was damaged.
    """
    kept = _read(Path(folder) / KEPT)
    if not kept:
        raise FileNotFoundError(f"No exercise was checked in {folder} yet: open a lab in JupyterLab.")
    lines = [f"{lab}: {_counted(results.values())}" for lab, results in sorted(kept.items())]
    return "\n".join([*lines, _counted([result for results in kept.values() for result in results.values()])])


def _counted(results: Collection[str]) -> str:
    answered = sum(result != NOT_ANSWERED for result in results)
    right = sum(result == RIGHT for result in results)
    return translated(f"{len(results)} exercises: {answered} answered, {right} right")


def _keep(number: int, result: str) -> None:
    """Note a result beside the notebook; what cannot be written is not kept, and the notebook goes on."""
    # JupyterLab's name for the notebook; no other runner sets it.
    name = os.environ.get("JPY_SESSION_NAME", "")
    if not name.endswith(".ipynb"):
        return
    path = Path(KEPT)
    try:
        kept = _read(path)
        kept.setdefault(Path(name).stem, {})[str(number)] = result
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        partial.replace(path)
    except (OSError, ValueError) as error:
        print(f"Your progress was not kept: {error}")


def _read(path: Path) -> dict[str, dict[str, str]]:
    if not path.is_file():
        return {}
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {lab: {number: str(result) for number, result in found.items()} for lab, found in kept.items()}
    except (ValueError, AttributeError):
        raise ValueError(f"{path} is damaged: delete it, and run the checks of your labs again.") from None


def _watched(answer: Any) -> Any:
    """The answer itself; of a function, one that notices when nothing is returned."""
    if not callable(answer) or isinstance(answer, type):
        return answer

    @wraps(answer)
    def call(*arguments: Any, **named: Any) -> Any:
        result = answer(*arguments, **named)
        if result is None:
            raise _NotAnswered
        return result

    return call
