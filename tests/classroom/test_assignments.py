"""The assignments for Otter-Grader and nbgrader: whole for the teacher, without answers for learners."""

from __future__ import annotations

import ast
import zipfile
from pathlib import Path

import nbformat
import pytest
import yaml
from otter.test_files.exception_test import ExceptionTestFile

from classroom import assignments
from classroom.lab import free_names, lab
from classroom.run import plan
from classroom.source import top_level
from classroom.verify import WRONG_ANSWERS
from tools.notebook_text import without_solutions

STEM = "20_ethics"  # its exercises need no TensorFlow


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("assignments")
    assignments.write(STEM, output)
    return output / STEM


@pytest.fixture(scope="module")
def namespaces() -> dict[str, dict]:
    """The notebook's names after all checks: with right and with wrong answers."""
    found, made = lab(STEM), {}
    wrong = yaml.safe_load((WRONG_ANSWERS / f"{STEM}.yml").read_text(encoding="utf-8"))
    for kind, bodies in (("right", None), ("wrong", wrong)):
        answers = {}
        for exercise in found.exercises:
            solved = found.cells[exercise.cell].source
            answers[exercise.number] = (
                without_solutions(solved, [bodies[exercise.number]]) if bodies else solved
            )
        sources, keep = plan(found, answers, whole=False)
        names = made.setdefault(kind, {})
        for place in sorted(keep):
            body = top_level(sources[place])
            exec(compile(ast.Module([body[n] for n in keep[place]], []), "cell", "exec"), names)
    return made


@pytest.mark.parametrize(
    ("source", "free"),
    [
        ("value = double(2)\nassert abs(value) == size", ["double", "size"]),
        ("size = size + 1\nassert size", ["size"]),
        ("for each in rows:\n    assert each", ["rows"]),
        ("def one(x):\n    return x + step\nstep = 2\nassert one(1) == 3", []),
    ],
)
def test_a_hidden_test_becomes_a_function_of_the_names_that_it_uses(source, free):
    assert free_names(source) == free


@pytest.mark.slow
def test_no_form_for_learners_holds_a_solution_or_a_hidden_test(written):
    found = lab(STEM)
    for path in (
        written / "student" / f"{STEM}.ipynb",
        written / "otter" / "student" / f"{STEM}.ipynb",
        written / "nbgrader" / "release" / STEM / f"{STEM}.ipynb",
    ):
        node = nbformat.read(path, as_version=4)
        text = "\n".join(cell.source for cell in node.cells) + str(node.metadata)
        assert "BEGIN SOLUTION" not in text and "HIDDEN TESTS" not in text and "hidden_1" not in text
        for exercise in found.exercises:
            [answer] = [cell for cell in node.cells if f"def {exercise.function}(" in cell.source]
            assert ast.unparse(ast.parse(answer.source)) != ast.unparse(
                ast.parse(found.cells[exercise.cell].source)
            )
        assert not any(cell.get("outputs") for cell in node.cells)
    assert assignments.leaked(found, written / "nbgrader" / "source" / STEM / f"{STEM}.ipynb")


@pytest.mark.slow
def test_otters_autograder_gives_the_points(written, namespaces):
    [archive] = (written / "otter" / "autograder").glob("*.zip")
    with zipfile.ZipFile(archive) as files:
        for exercise in lab(STEM).exercises:
            source = files.read(f"tests/exercise_{exercise.number}.py").decode()
            test = ExceptionTestFile.from_string(source)
            assert [each.hidden for each in test.test_cases] == [False] + [True] * len(exercise.hidden)
            assert test.possible == pytest.approx(exercise.points)
            test.run(namespaces["right"])
            assert test.passed_all, test.summary()
            test.run(namespaces["wrong"])
            assert not test.passed_all_public
            assert test.score < exercise.points


@pytest.mark.slow
def test_nbgraders_cells_give_the_points(written, namespaces):
    path = written / "nbgrader" / "source" / STEM / f"{STEM}.ipynb"
    graded = [
        (cell.metadata["nbgrader"], cell.source)
        for cell in nbformat.read(path, as_version=4).cells
        if cell.metadata.get("nbgrader", {}).get("grade")
    ]
    for exercise in lab(STEM).exercises:
        prefix = f"exercise_{exercise.number}_"
        mine = [(about, source) for about, source in graded if about["grade_id"].startswith(prefix)]
        assert sum(about["points"] for about, _ in mine) == pytest.approx(exercise.points)
        assert sum("### BEGIN HIDDEN TESTS" in source for _, source in mine) == len(exercise.hidden)
        for _, source in mine:
            exec(source, dict(namespaces["right"]))
        with pytest.raises(AssertionError):
            exec(mine[0][1], dict(namespaces["wrong"]))
    released = written / "nbgrader" / "release" / STEM / f"{STEM}.ipynb"
    kept = [cell.metadata.get("nbgrader", {}) for cell in nbformat.read(released, as_version=4).cells]
    assert sum(about.get("points", 0) for about in kept) == sum(each.points for each in lab(STEM).exercises)
