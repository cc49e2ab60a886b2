"""Hidden tests: what the check in a notebook does not ask, kept in ``classroom/hidden/NB.yml``.

A test is a few Python statements that run after the learner's cell, with the notebook's names at hand, and
assert in words what must be true. It runs in a copy of these names, so that it changes none of them.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import yaml

FOLDER = Path(__file__).with_name("hidden")


@dataclass(frozen=True)
class HiddenTest:
    """A name in English and in Chinese, and the statements."""

    name: str
    name_zh: str
    source: str


def hidden_tests(stem: str) -> dict[int, list[HiddenTest]]:
    """The hidden tests of a lab, by the number of the exercise.

    Raises:
        ValueError: the lab has no hidden tests, or one of them is not what it should be.
    """
    path = FOLDER / f"{stem}.yml"
    if not path.is_file():
        raise ValueError(f"{stem} has no hidden tests: write classroom/hidden/{stem}.yml first.")
    try:
        listed = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path.name} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(listed, dict) or not all(
        isinstance(tests, list) and tests for tests in listed.values()
    ):
        raise ValueError(f"{path.name} should give a list of tests for each number of an exercise.")
    return {
        number: [_read(test, f"{path.name}, {number}") for test in tests] for number, tests in listed.items()
    }


def _read(test: object, where: str) -> HiddenTest:
    if not isinstance(test, dict) or set(test) != {"name", "name_zh", "test"}:
        raise ValueError(f"{where}: a hidden test has a name, a name_zh and a test, and nothing else.")
    try:
        tree = ast.parse(test["test"])
    except (SyntaxError, TypeError, ValueError) as error:
        raise ValueError(f"{where}, {test['name']!r} is not Python: {error}") from None
    if not any(isinstance(node, (ast.Assert, ast.Raise)) for node in ast.walk(tree)):
        raise ValueError(f"{where}, {test['name']!r} asserts nothing.")
    return HiddenTest(test["name"], test["name_zh"], test["test"].rstrip() + "\n")


CELL = """\
try:
    exec(compile({source!r}, "hidden test", "exec"), dict(globals()))
    print({title!r}, "passed")
except Exception as error:
    print({title!r}, "failed:", type(error).__name__, *str(error).split())
"""


def cells(stem: str, number: int) -> list[str]:
    """The hidden tests of an exercise as cells; each prints ``hidden test "NAME": passed`` or ``failed: …``.

    Raises:
        ValueError: as ``hidden_tests``.
    """
    tests = hidden_tests(stem).get(number, [])
    return [CELL.format(source=test.source, title=f'hidden test "{test.name}":') for test in tests]
