"""Every notebook of the project: follows the rules, runs, and shows again what it stores."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbval_run import nbval
from papermill import PapermillExecutionError

from aigc_lab.claims import MIME_TYPE, stored_findings
from tools import run_notebook, student
from tools.notebook_lint import lint

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

# Runs beyond the plain smoke run: what a teacher might change first. A notebook may be missing here.
OTHER_PARAMETERS = {"00_seven_stages": [{"seed": 3}]}

every_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
other_runs = pytest.mark.parametrize(
    ("notebook", "parameters"),
    [(FOLDER / f"{name}.ipynb", values) for name, sets in OTHER_PARAMETERS.items() for values in sets],
    ids=lambda value: value.stem if isinstance(value, Path) else json.dumps(value),
)


def smoke(notebook: Path, folder: Path, **parameters: object) -> nbformat.NotebookNode:
    """Run in the smoke profile, with everything that the notebook writes in ``folder``."""
    known = run_notebook.known_parameters(notebook)
    fixed = {"profile": "smoke"} | ({"output_folder": str(folder)} if "output_folder" in known else {})
    executed = run_notebook.run(notebook, folder / notebook.name, {**fixed, **parameters}, cell_timeout=300)
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
