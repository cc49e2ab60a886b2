"""Whether the hidden tests of a lab do their work: a solution passes all, a wrong answer fails something."""

from __future__ import annotations

from pathlib import Path

import yaml

from classroom.lab import ROOT, lab
from classroom.run import Limits, run
from tools.notebook_text import without_solutions

WRONG_ANSWERS = ROOT / "tests" / "notebooks" / "wrong_answers"
KINDS = ("empty", "wrong", "right")  # right comes last, so that later cells go on with it


def verify(stem: str, whole: bool = False, sandbox: bool = True) -> tuple[list[str], list[str]]:
    """Run a lab with right, wrong and missing answers.

    Args:
        stem: of the notebook.
        whole: run every cell, not only what the exercises need.
        sandbox: as ``make grade`` does.

    Returns:
        what was found, in lines; and what is not as it should be.

    Raises:
        ValueError: the hidden tests cannot be read or do not fit the notebook.
        OSError: no sandbox on this machine, or no wrong answers for this lab.
    """
    found = lab(stem)
    wrong = yaml.safe_load(Path(WRONG_ANSWERS, f"{stem}.yml").read_text(encoding="utf-8"))
    answers = {}
    for exercise in found.exercises:
        solved = found.cells[exercise.cell].source
        answers[exercise.number] = [
            found.stub(exercise),
            without_solutions(solved, [wrong[exercise.number]]),
            solved,
        ]
    result = run(found, answers, Limits(seconds=1200), sandbox, whole)
    lines, problems = [], list(result.remarks)
    for exercise in found.exercises:
        for kind, verdict in zip(KINDS, result.verdicts[exercise.number], strict=True):
            where = f"exercise {exercise.number}, {kind:<5}"
            lines.append(f"{where}  check: {'right' if verdict.right else verdict.words}")
            for test, words in zip(exercise.hidden, verdict.hidden, strict=False):
                lines.append(f"{where}  hidden test {test.name!r}: {'passed' if words is None else words}")
            problems += [f"{where}: {remark}" for remark in verdict.remarks]
            full = verdict.right and not any(verdict.hidden)
            if kind == "right" and not full:
                problems.append(f"{where}: the solution does not pass everything")
            if kind == "wrong" and full:
                problems.append(f"{where}: the wrong answer passes everything")
            if kind == "empty" and (verdict.right or None in verdict.hidden):
                problems.append(f"{where}: a missing answer passes something")
    lines.append(f"{stem}: {result.seconds:.0f} s, {result.megabytes:.0f} MB, sandbox: {result.sandbox}")
    return lines, problems
