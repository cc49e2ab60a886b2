"""The assignments of a lab: the student version, one for Otter-Grader and one for nbgrader.

Both carry the same tests as ``make grade``: the check that is in the notebook, and the hidden tests, each as
a function whose parameters are the names that it uses. What learners get is searched for solutions and hidden
tests before it is kept.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import logging
import shutil
import textwrap
from pathlib import Path

import nbformat
import yaml
from nbformat.v4 import new_code_cell, new_raw_cell

from classroom.lab import NOTEBOOKS, Exercise, Lab, check_call, free_names, lab
from tools.notebook_text import solution_blocks
from tools.student import student_version


def write(stem: str, output: Path) -> list[Path]:
    """Write the three forms of a lab below ``output/stem``; the folders or files for the learners.

    Raises:
        ValueError: the lab has no hidden tests, or something for learners holds a solution or a hidden test.
    """
    found, folder = lab(stem), output.absolute() / stem
    shutil.rmtree(folder, ignore_errors=True)
    student = folder / "student" / f"{stem}.ipynb"
    student.parent.mkdir(parents=True)
    student.write_text(student_version(NOTEBOOKS / student.name), encoding="utf-8")
    released = [student, _otter(found, folder / "otter"), _nbgrader(found, folder / "nbgrader")]
    for path in released:
        leaks = leaked(found, path)
        if leaks:
            shutil.rmtree(folder)
            raise ValueError(f"{path.name} for learners would hold {leaks[0]}; nothing was written.")
    return released


def leaked(found: Lab, path: Path) -> list[str]:
    """The solutions and hidden tests whose text stands in a notebook, in its cells or its metadata."""
    node = nbformat.read(path, as_version=4)
    texts = [cell.source for cell in node.cells]
    texts += node.metadata.get("otter", {}).get("tests", {}).values()
    lines = "\n".join(line.strip() for text in texts for line in text.splitlines())
    leaks = []
    for exercise in found.exercises:
        solved = found.cells[exercise.cell].source.splitlines()
        for begin, end in solution_blocks("\n".join(solved)):
            if "\n".join(line.strip() for line in solved[begin + 1 : end]) in lines:
                leaks.append(f"the solution of exercise {exercise.number}")
        for test in exercise.hidden:
            for form in (test.source, ast.unparse(ast.parse(test.source))):
                if max((line.strip() for line in form.splitlines()), key=len) in lines:
                    leaks.append(f"the hidden test {test.name!r}")
    return leaks


def tests_as_functions(found: Lab, exercise: Exercise) -> list[tuple[str, str, list[str], str, float]]:
    """The tests of an exercise as functions: (name of the function, source, parameters, words, points)."""
    call = check_call(found.cells[exercise.check].source)
    parameters = ["exercises", *free_names(f"{exercise.function}, {ast.unparse(call.args[2])}")]
    body = f"assert exercises.check({exercise.number}, {exercise.function}, {ast.unparse(call.args[2])}) is "
    body += exercise.function
    words = f"the check of exercise {exercise.number} does not say right"
    functions = [("visible", body, parameters, words, exercise.visible_points)]
    share = (exercise.points - exercise.visible_points) / len(exercise.hidden)
    for number, test in enumerate(exercise.hidden, start=1):
        functions.append((f"hidden_{number}", test.source, free_names(test.source), test.name, share))
    return [
        (
            name,
            f"def {name}({', '.join(parameters)}):\n{textwrap.indent(source, '    ')}",
            parameters,
            words,
            points,
        )
        for name, source, parameters, words, points in functions
    ]


def _otter(found: Lab, folder: Path) -> Path:
    """Let ``otter assign`` write the assignment and its autograder from a master notebook."""
    from otter.assign import main as otter_assign

    master = folder / f"{found.stem}.ipynb"
    folder.mkdir(parents=True)
    settings = {
        "name": found.stem,
        "generate": True,
        "run_tests": False,  # `python -m classroom verify` runs them, in the smoke profile
        "export_cell": {"pdf": False},
        "tests": {"ok_format": False},
    }
    cells = [_raw("ASSIGNMENT CONFIG", settings)]
    by_cell = {exercise.cell: exercise for exercise in found.exercises}
    by_check = {exercise.check: exercise for exercise in found.exercises}
    for place, cell in enumerate(_clean(found.cells)):
        if place in by_cell:
            exercise = by_cell[place]
            question = {"name": f"exercise_{exercise.number}", "points": exercise.points}
            cells += [_raw("BEGIN QUESTION", question), _raw("BEGIN SOLUTION"), cell, _raw("END SOLUTION")]
            continue
        cells.append(cell)
        if place in by_check:
            cells.append(_raw("BEGIN TESTS"))
            for name, source, _, words, points in tests_as_functions(found, by_check[place]):
                settings = {"hidden": name != "visible", "points": points}
                settings["failure_message"] = words.replace('"', "'")
                config = yaml.safe_dump(settings, allow_unicode=True, width=1000)
                cells.append(
                    new_code_cell(f'""" # BEGIN TEST CONFIG\n{config}""" # END TEST CONFIG\n{source}')
                )
            cells += [_raw("END TESTS"), _raw("END QUESTION")]
    nbformat.write(_notebook(cells), master)
    logging.getLogger("otter").setLevel(logging.WARNING)
    with contextlib.redirect_stdout(None):
        otter_assign(str(master), str(folder), no_pdfs=True)
    return folder / "student" / master.name


def _nbgrader(found: Lab, course: Path) -> Path:
    """Write nbgrader's source notebook, and let nbgrader make the version for learners of it."""
    from nbgrader.apps import NbGraderAPI
    from nbgrader.nbgraderformat import MetadataValidator
    from traitlets.config import Config

    cells = []
    by_cell = {exercise.cell: exercise for exercise in found.exercises}
    by_check = {exercise.check: exercise for exercise in found.exercises}
    for place, cell in enumerate(_clean(found.cells)):
        cells.append(cell)
        if place in by_cell:
            number = by_cell[place].number
            cell.source = cell.source.replace("# BEGIN SOLUTION", "### BEGIN SOLUTION")
            cell.source = cell.source.replace("# END SOLUTION", "### END SOLUTION")
            cell.metadata["nbgrader"] = _graded(f"exercise_{number}", solution=True)
        elif place in by_check:
            exercise = by_check[place]
            cell.metadata["nbgrader"] = _graded(f"exercise_{exercise.number}_check", locked=True)
            for name, source, parameters, words, points in tests_as_functions(found, exercise):
                source = f"{source}\n\n{name}({', '.join(parameters)})"
                if name != "visible":
                    source = f"# {words}\n### BEGIN HIDDEN TESTS\n{source}\n### END HIDDEN TESTS"
                test = new_code_cell(source)
                identity = f"exercise_{exercise.number}_{name}"
                test.metadata["nbgrader"] = _graded(identity, grade=True, locked=True, points=points)
                cells.append(test)
    node = _notebook(cells)
    MetadataValidator().validate_nb(node)
    path = course / "source" / found.stem / f"{found.stem}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(node, path)
    config = Config()
    config.CourseDirectory.root = str(course)
    config.GenerateAssignment.no_database = True  # the teacher's course has its own gradebook
    config.SaveCells.enabled = False
    config.ClearSolutions.code_stub = {"python": "# Your code here\nreturn None"}
    result = NbGraderAPI(config=config).generate_assignment(found.stem)
    if not result["success"]:
        raise ValueError(f"nbgrader did not make {found.stem}: {result.get('log') or result['error']}")
    return course / "release" / found.stem / f"{found.stem}.ipynb"


def _graded(identity: str, **kind: object) -> dict[str, object]:
    """What nbgrader keeps about a cell."""
    usual = {"grade": False, "solution": False, "locked": False, "task": False, "cell_type": "code"}
    return usual | {"schema_version": 3, "grade_id": identity} | kind


def _raw(heading: str, settings: dict[str, object] | None = None) -> nbformat.NotebookNode:
    config = yaml.safe_dump(settings, sort_keys=False) if settings else ""
    return new_raw_cell(f"# {heading}\n{config}".rstrip())


def _clean(cells: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Copies of the cells without outputs."""
    cells = copy.deepcopy(cells)
    for cell in cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return cells


def _notebook(cells: list[nbformat.NotebookNode]) -> nbformat.NotebookNode:
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)
