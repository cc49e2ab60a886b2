"""Every notebook of the project: follows the rules, runs, and shows again what it stores."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from pathlib import Path

import nbformat
import pytest
import yaml
from nbval.plugin import coalesce_streams
from nbval_run import nbval
from papermill import PapermillExecutionError

from aigc_lab.claims import MIME_TYPE, stored_findings
from classroom import hidden
from tools import run_notebook, student
from tools.notebook_lint import lint
from tools.notebook_text import solution_blocks, tags, without_solutions

FOLDER = Path(__file__).parents[2] / "notebooks"
WRONG_ANSWERS = Path(__file__).parent / "wrong_answers"  # a plausible wrong body for each exercise
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

# Runs beyond the plain smoke run: what a teacher might change first. A notebook may be missing here.
OTHER_PARAMETERS = {
    "00_seven_stages": [{"seed": 3}],
    "21_your_data": [{"size": 64, "mirror": False}],
}

# Runs of the classroom profile that take longer are compared by `make compare`, not by `make test`. What
# passed is kept by its hash, so that a notebook which changed since is not forgotten.
LONGEST_IN_TEST = 50  # seconds on two cores, as the notebook's box says
COMPARED = Path(__file__).parent / "compared.json"


def classroom_seconds(notebook: Path) -> int:
    """The run time that the box states."""
    return int(
        re.search(r"Run time\*\*[^>]*?classroom about (\d+) s", notebook.read_text(encoding="utf-8"))[1]
    )


LONG = [path for path in NOTEBOOKS if classroom_seconds(path) > LONGEST_IN_TEST]
SHORT = [path for path in NOTEBOOKS if path not in LONG]

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
@other_runs
def test_it_runs_with_other_parameters(notebook, parameters, tmp_path):
    executed = smoke(notebook, tmp_path, **parameters)
    injected = next(cell for cell in executed.cells if "injected-parameters" in cell.metadata.get("tags", ()))
    for name, value in parameters.items():
        assert f"{name} = {value!r}" in injected.source


def text_of(executed: nbformat.NotebookNode) -> str:
    """All that a run printed."""
    return "".join(
        output.text
        for cell in executed.cells
        for output in cell.get("outputs", ())
        if output.output_type == "stream"
    )


def said_of_exercises(executed: nbformat.NotebookNode) -> list[str]:
    """The lines of the checks, and the count at the end."""
    pattern = r"^(?:exercise \d+: .*|\d+ exercises: .*)$"
    return re.findall(pattern, text_of(executed), flags=re.MULTILINE)


def answered_three_times(notebook: Path) -> nbformat.NotebookNode:
    """The notebook with every exercise answered right, then wrong, then not at all, and checked each time.

    The hidden tests of the classroom kit come after the right answer.
    After the last answer it goes on as the student version does. One run for three: starting a kernel and
    importing TensorFlow takes longer than all checks together.
    """
    answers = yaml.safe_load((WRONG_ANSWERS / f"{notebook.stem}.yml").read_text(encoding="utf-8"))
    node = nbformat.read(notebook, as_version=4)
    cells, number, place = node.cells, 0, 0
    while place < len(cells):
        if cells[place].cell_type == "code" and solution_blocks(cells[place].source):
            number += 1
            right, words, check = cells[place : place + 3]
            assert f"exercises.check({number}," in " ".join(check.source.split()).replace("( ", "(")
            wrong, unanswered = copy.deepcopy(right), copy.deepcopy(right)
            wrong.source = without_solutions(right.source, [answers.pop(number)])
            unanswered.source = without_solutions(right.source)
            asked = [nbformat.v4.new_code_cell(source) for source in hidden.cells(notebook.stem, number)]
            again = [
                right,
                check,
                *asked,
                wrong,
                copy.deepcopy(check),
                unanswered,
                words,
                copy.deepcopy(check),
            ]
            cells[place : place + 3] = again
            place += len(again)
        place += 1
    assert not answers, f"there is no exercise {sorted(answers)}"
    for each, cell in enumerate(cells):
        cell.id = f"cell-{each}"
    return node


@pytest.mark.slow
@every_notebook
def test_it_runs_in_the_smoke_profile_with_right_wrong_and_missing_answers(notebook, tmp_path):
    written = tmp_path / f"answered_{notebook.name}"
    nbformat.write(answered_three_times(notebook), written)
    (tmp_path / "run").mkdir()
    executed = smoke(written, tmp_path / "run")
    assert all(cell.execution_count for cell in executed.cells if cell.cell_type == "code")
    *lines, count = said_of_exercises(executed)
    secret = re.findall(r'^hidden test ".*": (\w+)', text_of(executed), flags=re.MULTILINE)
    assert len(secret) >= len(lines) // 3 and set(secret) == {"passed"}
    said = [line.split(": ", 2)[:2] for line in lines]
    number = len(lines) // 3
    assert said == [
        [f"exercise {each}", words]
        for each in range(1, number + 1)
        for words in ("right", "not right yet", "not answered yet")
    ]
    assert all(len(line.split(": ", 2)[2]) > 15 for line in lines[1::3]), "each says in words what is wrong"
    assert count == f"{number} exercises: 0 answered, 0 right"
    findings = [
        output
        for cell in executed.cells
        for output in cell.get("outputs", ())
        if MIME_TYPE in output.get("data", {})
    ]
    assert len(findings) == len(stored_findings(notebook))


@pytest.mark.slow
def test_a_notebook_refuses_an_unknown_profile_by_itself(tmp_path, monkeypatch):
    # In JupyterLab nobody checks the parameters before the notebook does. That each one asks train.settings
    # is a rule of the lint.
    monkeypatch.setattr(run_notebook, "check_parameters", lambda *_: None)
    with pytest.raises(PapermillExecutionError) as caught:
        smoke(FOLDER / "01_collect.ipynb", tmp_path, profile="nonsense")
    assert caught.value.ename == "ValueError"
    for name in ("nonsense", *run_notebook.PROFILES):
        assert re.search(rf"\b{name}\b", caught.value.evalue)


def shows_again_what_it_stores(notebook: Path, folder: Path) -> None:
    result = nbval(notebook, folder)
    assert result.failed_cells == [], result.printed
    assert result.exit_code == 0, result.printed
    assert result.compared >= 3


@pytest.mark.slow
@pytest.mark.parametrize("notebook", SHORT, ids=lambda path: path.stem)
def test_it_shows_again_what_it_stores(notebook, tmp_path):
    shows_again_what_it_stores(notebook, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("notebook", LONG, ids=lambda path: path.stem)
def test_a_long_notebook_shows_again_what_it_stores(notebook, tmp_path):
    shows_again_what_it_stores(notebook, tmp_path)
    passed = json.loads(COMPARED.read_text(encoding="utf-8")) | {notebook.stem: digest(notebook)}
    passed = {path.stem: passed[path.stem] for path in LONG if path.stem in passed}
    COMPARED.write_text(json.dumps(passed, indent=2) + "\n", encoding="utf-8")


def test_each_long_notebook_was_compared_as_it_is():
    passed = json.loads(COMPARED.read_text(encoding="utf-8"))
    changed = [path.stem for path in LONG if passed.get(path.stem) != digest(path)]
    assert not changed, f"run `make compare` for {', '.join(changed)}, and commit {COMPARED.name}"
    assert set(passed) == {path.stem for path in LONG}


def digest(notebook: Path) -> str:
    """The hash of what a comparison depends on: the code, and the outputs as nbval compares them."""
    cells = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    compared = [
        (
            cell.source,
            sorted(tags(cell)),
            coalesce_streams(cell.outputs) if "nbval-check-output" in tags(cell) else (),
        )
        for cell in cells
    ]
    return hashlib.sha256(json.dumps(compared, sort_keys=True).encode()).hexdigest()
