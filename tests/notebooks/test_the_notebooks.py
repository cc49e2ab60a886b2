"""Every notebook of the project: follows the rules, runs, and shows again what it stores."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest
import yaml
from nbval_run import nbval
from papermill import PapermillExecutionError

from aigc_lab.claims import MIME_TYPE, stored_findings
from tools import run_notebook, student
from tools.notebook_lint import lint
from tools.notebook_text import solution_blocks, without_solutions

FOLDER = Path(__file__).parents[2] / "notebooks"
WRONG_ANSWERS = Path(__file__).parent / "wrong_answers"  # a plausible wrong body for each exercise
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

# Runs beyond the plain smoke run: what a teacher might change first. A notebook may be missing here.
OTHER_PARAMETERS = {
    "00_seven_stages": [{"seed": 3}],
    "21_your_data": [{"size": 64, "mirror": False}],
}

every_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
other_runs = pytest.mark.parametrize(
    ("notebook", "parameters"),
    [(FOLDER / f"{name}.ipynb", values) for name, sets in OTHER_PARAMETERS.items() for values in sets],
    ids=lambda value: value.stem if isinstance(value, Path) else json.dumps(value),
)


def smoke(notebook: Path, output: Path, **parameters: object) -> nbformat.NotebookNode:
    """Run in the smoke profile, with everything that the notebook writes in ``output``."""
    known = run_notebook.known_parameters(notebook)
    fixed = {"profile": "smoke"} | ({"output_folder": str(output)} if "output_folder" in known else {})
    executed = run_notebook.run(notebook, output / notebook.name, {**fixed, **parameters}, cell_timeout=300)
    return nbformat.read(executed, as_version=4)


def test_the_first_notebook_is_there():
    assert "00_seven_stages" in [path.stem for path in NOTEBOOKS]
    assert len({path.stem[:2] for path in NOTEBOOKS}) == len(NOTEBOOKS), "two notebooks have the same number"
    assert set(OTHER_PARAMETERS) <= {path.stem for path in NOTEBOOKS}


@every_notebook
def test_it_follows_the_rules(notebook):
    assert [str(problem) for problem in lint(notebook)] == []


def test_the_student_versions_are_what_their_sources_generate():
    assert student.drift() == []


@every_notebook
def test_its_findings_can_be_read_for_the_ledger(notebook):
    assert stored_findings(notebook)


@pytest.mark.slow
@every_notebook
def test_it_runs_in_the_smoke_profile(notebook, tmp_path):
    executed = smoke(notebook, tmp_path)
    assert all(cell.execution_count for cell in executed.cells if cell.cell_type == "code")
    findings = [
        output
        for cell in executed.cells
        for output in cell.get("outputs", ())
        if MIME_TYPE in output.get("data", {})
    ]
    assert len(findings) == len(stored_findings(notebook))


@pytest.mark.slow
@other_runs
def test_it_runs_with_other_parameters(notebook, parameters, tmp_path):
    executed = smoke(notebook, tmp_path, **parameters)
    injected = next(cell for cell in executed.cells if "injected-parameters" in cell.metadata.get("tags", ()))
    for name, value in parameters.items():
        assert f"{name} = {value!r}" in injected.source


def said_of_exercises(executed: nbformat.NotebookNode) -> list[str]:
    """The lines of the checks, and the count at the end."""
    streams = [
        output.text
        for cell in executed.cells
        for output in cell.get("outputs", ())
        if output.output_type == "stream"
    ]
    return re.findall(r"^(?:exercise \d+: .*|\d+ exercises: .*)$", "".join(streams), flags=re.MULTILINE)


@pytest.mark.slow
@every_notebook
def test_without_any_answer_the_student_version_runs_to_its_end(notebook, tmp_path):
    unanswered = tmp_path / f"student_{notebook.name}"
    unanswered.write_text(student.student_version(notebook), encoding="utf-8")
    (tmp_path / "run").mkdir()
    *lines, count = said_of_exercises(smoke(unanswered, tmp_path / "run"))
    assert lines == [f"exercise {number}: not answered yet" for number in range(1, len(lines) + 1)]
    assert count == f"{len(lines)} exercises: 0 answered, 0 right"


@pytest.mark.slow
@every_notebook
def test_a_wrong_answer_is_told_what_is_wrong_and_the_notebook_runs_on(notebook, tmp_path):
    answers = yaml.safe_load((WRONG_ANSWERS / f"{notebook.stem}.yml").read_text(encoding="utf-8"))
    node = nbformat.read(notebook, as_version=4)
    number = 0
    for cell in node.cells:
        blocks = solution_blocks(cell.source) if cell.cell_type == "code" else []
        numbers = range(number + 1, number + 1 + len(blocks))
        cell.source = without_solutions(cell.source, [answers[each] for each in numbers])
        number += len(blocks)
    assert sorted(answers) == list(range(1, number + 1))
    wrong = tmp_path / f"wrong_{notebook.name}"
    nbformat.write(node, wrong)
    (tmp_path / "run").mkdir()
    *lines, count = said_of_exercises(smoke(wrong, tmp_path / "run"))
    assert [line.split(": ")[:2] for line in lines] == [
        [f"exercise {each}", "not right yet"] for each in range(1, number + 1)
    ]
    assert all(len(line.split(": ", 2)[2]) > 15 for line in lines), "each says in words what is wrong"
    assert count == f"{number} exercises: {number} answered, 0 right"


@pytest.mark.slow
@every_notebook
def test_it_refuses_an_unknown_profile_by_itself(notebook, tmp_path, monkeypatch):
    # In JupyterLab nobody checks the parameters before the notebook does.
    monkeypatch.setattr(run_notebook, "check_parameters", lambda *_: None)
    with pytest.raises(PapermillExecutionError) as caught:
        smoke(notebook, tmp_path, profile="nonsense")
    assert caught.value.ename == "ValueError"
    for name in ("nonsense", *run_notebook.PROFILES):
        assert re.search(rf"\b{name}\b", caught.value.evalue)


@pytest.mark.slow
@every_notebook
def test_it_shows_again_what_it_stores(notebook, tmp_path):
    result = nbval(notebook, tmp_path)
    assert result.failed_cells == [], result.printed
    assert result.exit_code == 0, result.printed
    assert result.compared >= 3
