"""Exercises: say in one line whether an answer is right, and go on with the notebook either way.

A check never stops a notebook. It prints ``exercise 2: not answered yet``, ``exercise 2: not right yet: …``
or ``exercise 2: right: …``, and gives later cells something that works. Introduced in notebook 00.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

NOT_ANSWERED, WRONG, RIGHT = "not answered yet", "not right yet", "right"

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
    one_line = " ".join(words.split())
    print(f"exercise {number}: {result}" + (f": {one_line}" if one_line else ""))
    return answer if result == RIGHT else otherwise


def summary() -> None:
    """Print how many of this notebook's exercises were answered, and how many are right."""
    answered = sum(result != NOT_ANSWERED for result in _results.values())
    right = sum(result == RIGHT for result in _results.values())
    print(f"{len(_results)} exercises: {answered} answered, {right} right")


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
