"""The student version: solutions cut, outputs gone, the rest as in the source; drift is found."""

from __future__ import annotations

import nbformat
import pytest
from notebook_examples import find, good_notebook, write

from tools.student import drift, main, student_version
from tools.student import write as write_students


@pytest.fixture
def folder(tmp_path):
    write(good_notebook(), tmp_path / "05_good.ipynb")
    return tmp_path


def test_solutions_and_outputs_are_cut_and_the_rest_stays(folder):
    source, student = good_notebook(), nbformat.reads(student_version(folder / "05_good.ipynb"), as_version=4)
    assert find(student, "solution").source == (
        "def kl(mean, log_variance):\n    # Your code here\n    return None"
    )
    assert find(student, "unit").source == "# Your code here\nunit = None"
    assert all(cell.outputs == [] for cell in student.cells if cell.cell_type == "code")
    for before, after in zip(source.cells, student.cells, strict=True):
        assert before.id == after.id
        if "SOLUTION" not in before.source:
            assert before.source == after.source
            assert before.metadata == after.metadata


def test_nothing_of_a_solution_is_left(folder):
    words = student_version(folder / "05_good.ipynb")
    for secret in ("2.718281828459045", "unit = 'nats'", "SOLUTION"):
        assert secret in (folder / "05_good.ipynb").read_text()
        assert secret not in words


def test_markers_that_do_not_pair_up_are_named(folder):
    notebook = good_notebook()
    find(notebook, "solution").source += "\n# BEGIN SOLUTION"
    place = notebook.cells.index(find(notebook, "solution"))
    with pytest.raises(ValueError, match=rf"05_bad.ipynb, cell {place}: BEGIN SOLUTION has no END SOLUTION"):
        student_version(write(notebook, folder / "05_bad.ipynb"))


def test_drift_is_found_and_writing_removes_it(folder):
    assert drift(folder) == ["05_good.ipynb has no student version"]
    assert write_students(folder) == [folder / "student" / "05_good.ipynb"]
    assert drift(folder) == []
    student = folder / "student" / "05_good.ipynb"
    student.write_text(student.read_text().replace("Your code here", "Write here"))
    (folder / "student" / "04_gone.ipynb").write_text("{}")
    assert drift(folder) == [
        "student/04_gone.ipynb has no source notebook",
        "student/05_good.ipynb is not what its source generates",
    ]
    write_students(folder)
    assert drift(folder) == []


def test_the_check_says_what_to_do(folder, monkeypatch, capsys):
    monkeypatch.setattr("tools.student.drift", lambda: ["05_good.ipynb has no student version"])
    assert main(["--check"]) == 1
    assert capsys.readouterr().err == "05_good.ipynb has no student version; run 'make student'\n"
