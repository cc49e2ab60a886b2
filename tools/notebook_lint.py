"""Lint for the notebooks: every rule on their shape and mechanics that a machine can check.

    python -m tools.notebook_lint notebooks/*.ipynb

prints one line a problem, ``file: cell 7 [rule] what to do``, and exits with 1 if there is any.
What it cannot judge stays with the reader: whether the prose is true, whether formula, code and
sentence belong together, and whether the run times in the box are those that were measured.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat

from tools import notebook_mechanics, notebook_shape
from tools.notebook_text import Notebook

RULES = {**notebook_mechanics.RULES, **notebook_shape.RULES}


@dataclass(frozen=True)
class Problem:
    """One broken rule: where (``cell`` is None for the whole file) and what to do about it."""

    rule: str
    cell: int | None
    message: str

    def __str__(self) -> str:
        place = "" if self.cell is None else f"cell {self.cell} "
        return f"{place}[{self.rule}] {self.message}"


def lint(path: str | Path) -> list[Problem]:
    """All problems of one notebook file, in the order of its cells.

    Raises:
        FileNotFoundError: there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no notebook {path}; give the path of an .ipynb file.")
    try:
        node = nbformat.reads(path.read_text(encoding="utf-8"), as_version=nbformat.NO_CONVERT)
        nbformat.validate(node)
    except Exception as error:  # whatever nbformat raises, the file is not a notebook
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return [Problem("format", None, f"is not a valid notebook: {first_line}")]
    if node.nbformat != 4:
        return [Problem("format", None, "save it as notebook format 4.5")]
    notebook = Notebook(name=path.name, size=path.stat().st_size, node=node)
    problems = [
        Problem(name, cell, message) for name, rule in RULES.items() for cell, message in rule(notebook)
    ]
    return sorted(problems, key=lambda problem: (-1 if problem.cell is None else problem.cell, problem.rule))


def main(arguments: list[str] | None = None) -> int:
    """Lint the files named on the command line; the exit status is 1 if there is any problem."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.notebook_lint", description=__doc__.splitlines()[0]
    )
    parser.add_argument("notebooks", nargs="+", type=Path)
    options = parser.parse_args(arguments)
    total = 0
    for path in options.notebooks:
        try:
            problems = lint(path)
        except FileNotFoundError as error:
            parser.error(str(error))
        for problem in problems:
            print(f"{path}: {problem}")
        total += len(problems)
    if not total:
        count = len(options.notebooks)
        print(f"{count} notebook{'s' if count > 1 else ''}, no problem")
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
