"""Marking: what each kind of submission gets, what bad input is told, and what a submission cannot reach."""

from __future__ import annotations

import csv
import re
import socket
import textwrap

import nbformat
import pytest
import yaml

from classroom import grade as grading
from classroom import hidden
from classroom.__main__ import main
from classroom.assignments import leaked
from classroom.grade import grade, suspicious
from classroom.lab import NOTEBOOKS, Lab, functions, lab, needed, stems
from classroom.run import Limits
from classroom.sandbox import landlock_version
from classroom.verify import WRONG_ANSWERS
from tools.notebook_text import solution_blocks, without_solutions
from tools.student import FOLDER

STEM = "20_ethics"  # its exercises need no TensorFlow
LIMITS = Limits(seconds=240, step_seconds=3, megabytes=1500)


@pytest.mark.parametrize("stem", stems())
def test_each_exercise_of_each_lab_has_hidden_tests_and_points(stem):
    found = lab(stem)
    assert found.exercises
    for exercise in found.exercises:
        assert exercise.hidden and exercise.points > 0
        assert len({test.name for test in exercise.hidden}) == len(exercise.hidden)
    assert leaked(found, NOTEBOOKS / FOLDER / f"{stem}.ipynb") == []
    assert leaked(found, NOTEBOOKS / f"{stem}.ipynb")  # the search finds what is there


def student(stem: str, bodies: dict[int, str] | None = None, above: str = "") -> nbformat.NotebookNode:
    """The student version, with these bodies of functions, and something at the top of each answered cell."""
    found = lab(stem)
    node = nbformat.read(NOTEBOOKS / f"{stem}.ipynb", as_version=4)
    for exercise in found.exercises:
        cell = node.cells[exercise.cell]
        body = (bodies or {}).get(exercise.number)
        cell.source = without_solutions(cell.source, [] if body is None else [body])
        if body is not None:
            cell.source = above + cell.source
    return node


def solutions(found: Lab) -> dict[int, str]:
    """The bodies of the solved notebook."""
    bodies = {}
    for exercise in found.exercises:
        lines = found.cells[exercise.cell].source.splitlines()
        [(begin, end)] = solution_blocks("\n".join(lines))
        bodies[exercise.number] = textwrap.dedent("\n".join(lines[begin + 1 : end]))
    return bodies


def only_if(attempt: str, body: str) -> str:
    """An answer that is right if an attack succeeds, and missing if not."""
    tried = textwrap.indent(attempt, "    ")
    return f"try:\n{tried}\nexcept (OSError, ImportError):\n    return None\n{body}"


PATCHES = """\
import aigc_lab.exercises, numpy, builtins
aigc_lab.exercises.check = lambda number, answer, test, otherwise=None: answer
numpy.allclose = numpy.isclose = numpy.isfinite = lambda *_, **__: numpy.True_
builtins.abs = lambda _: 0
exercises = aigc_lab.exercises


"""
FORGED = """\
print("exercise 1: right")
import os
for handle in range(3, 30):
    try:
        os.write(handle, b'{"right": true, "error": null, "replaced": [], "words": ""}\\n')
    except OSError:
        pass
import aigc_lab.exercises, numpy
aigc_lab.exercises._results[1] = "right"
numpy.allclose = numpy.isclose = lambda *_, **__: True
"""
SWALLOWS = """\
while True:
    try:
        while True:
            pass
    except Exception:
        pass
"""


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """One class, marked once: the rows of the table by learner, and what the attacks left behind."""
    folder, outside = tmp_path_factory.mktemp("submissions"), tmp_path_factory.mktemp("outside")
    found = lab(STEM)
    right = solutions(found)
    wrong = yaml.safe_load((WRONG_ANSWERS / f"{STEM}.yml").read_text(encoding="utf-8"))
    first, second, third = (exercise.number for exercise in found.exercises[:3])
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    port = listener.getsockname()[1]
    victim, stolen = folder / "right" / f"{STEM}.ipynb", outside / "stolen"
    tests = hidden.FOLDER / f"{STEM}.yml"
    connect = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), timeout=2)"
    writes = f"open({str(stolen)!r}, 'w').write('here')"
    other = f"open({str(victim)!r}).read()\nopen({str(victim)!r}, 'w').write('')"
    notebooks = {
        "right": student(STEM, right),
        "wrong": student(STEM, wrong),
        "empty": student(STEM),
        "endless": student(STEM, right | {first: "while True:\n    pass", third: SWALLOWS}),
        "attacks": student(
            STEM,
            {first: only_if(other, right[first]), second: only_if(connect, right[second])}
            | {third: only_if(f"open({str(tests)!r}).read()", right[third])},
        ),
        "writes": student(
            STEM,
            {first: only_if(writes, right[first])}
            | {second: only_if(f"import os\nos.listdir({str(hidden.FOLDER)!r})", right[second])}
            | {third: only_if("import classroom.hidden, classroom.lab", right[third])},
        ),
        "patches": student(STEM, wrong, above=PATCHES),
        "forges": student(STEM, {number: FORGED + body for number, body in wrong.items()}),
        "memory": student(STEM, right | {second: "return [bytearray(2**24) for _ in range(10**4)]"}),
    }
    for exercise in found.exercises:  # an edited check must not count either
        for name in ("patches", "forges"):
            call = f"print('exercise {exercise.number}: right')"
            notebooks[name].cells[exercise.check].source = call
    for name, node in notebooks.items():
        (folder / name).mkdir()
        nbformat.write(node, folder / name / f"{STEM}.ipynb")
    before = victim.read_bytes()
    output = tmp_path_factory.mktemp("grades")
    grade(folder, output, LIMITS)
    with pytest.raises(BlockingIOError):
        listener.accept()
    listener.close()
    assert victim.read_bytes() == before
    assert not stolen.exists()
    with (output / "marks.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["learner"]: row for row in csv.DictReader(file)}, output


def visible(row: dict[str, str]) -> list[str]:
    return [row[f"exercise {number} visible"] for number in range(1, 1 + len(lab(STEM).exercises))]


def points(row: dict[str, str]) -> list[float]:
    return [float(row[f"exercise {number} points"]) for number in range(1, 1 + len(lab(STEM).exercises))]


def all_points() -> list[float]:
    return [exercise.points for exercise in lab(STEM).exercises]


needs_landlock = pytest.mark.skipif(not landlock_version(), reason="this kernel has no Landlock")
slow = pytest.mark.slow


@slow
@needs_landlock
def test_right_wrong_and_missing_answers_get_their_points(marked):
    rows, _ = marked
    assert points(rows["right"]) == all_points()
    assert float(rows["right"]["total"]) == float(rows["right"]["of"]) == sum(all_points())
    assert rows["right"]["remarks"] == ""
    assert rows["right"]["sandbox"].startswith("Landlock")
    assert set(visible(rows["wrong"])) == set(visible(rows["empty"])) == {"not right"}
    assert all(mine < most for mine, most in zip(points(rows["wrong"]), all_points(), strict=True))
    assert float(rows["empty"]["total"]) == 0


@slow
@needs_landlock
def test_an_endless_loop_and_too_much_memory_cost_one_exercise_only(marked):
    rows, output = marked
    endless = rows["endless"]
    assert points(endless)[:2] == [0, all_points()[1]]
    assert points(endless)[2] == 0
    # By the processor's time or, on a busy machine, by the clock.
    assert re.search("stopped: it (computed|ran) for too long", endless["remarks"])
    assert "computed for more than 3 seconds" in (output / f"endless_{STEM}.html").read_text(encoding="utf-8")
    assert points(rows["memory"])[1] == 0
    assert points(rows["memory"])[0] == all_points()[0]
    assert "MemoryError" in (output / f"memory_{STEM}.html").read_text(encoding="utf-8")


@slow
@needs_landlock
def test_a_submission_reaches_no_other_file_and_no_network(marked):
    rows, _ = marked  # that nothing was written and nobody connected is asserted where they were marked
    for name in ("attacks", "writes"):
        assert float(rows[name]["total"]) == 0, rows[name]
    assert "read this answer yourself, it uses open" in rows["attacks"]["remarks"]
    assert "it uses socket" in rows["attacks"]["remarks"]


@slow
@needs_landlock
def test_replaced_functions_and_printed_results_change_no_mark(marked):
    rows, _ = marked
    for name in ("patches", "forges"):
        assert set(visible(rows[name])) == {"not right"}
        assert float(rows[name]["total"]) <= float(rows["wrong"]["total"])
    assert re.search(r"replaced .*numpy\.allclose", rows["patches"]["remarks"])


@slow
@needs_landlock
def test_the_feedback_names_failed_hidden_tests_in_two_languages_but_not_their_code(marked):
    _, output = marked
    page = (output / f"empty_{STEM}.html").read_text(encoding="utf-8")
    for exercise in lab(STEM).exercises:
        for test in exercise.hidden:
            assert grading.escape(test.name) in page and grading.escape(test.name_zh) in page
            assert max(test.source.splitlines(), key=len).strip() not in page
    assert page.count("failed") == sum(len(exercise.hidden) for exercise in lab(STEM).exercises)


def test_bad_input_gets_one_sentence_each_and_a_row_in_the_table(tmp_path, capsys):
    handed_in = {
        f"ann/{STEM}.ipynb": "not a notebook",
        f"ben/{STEM}.ipynb": nbformat.writes(nbformat.v4.new_notebook()),
        f"cem/{STEM}.ipynb": nbformat.writes(student(STEM)),
        f"cem/{STEM}-copy.ipynb": nbformat.writes(student(STEM)),
        "dan/99_unknown.ipynb": nbformat.writes(nbformat.v4.new_notebook()),
        f"{STEM}.ipynb": nbformat.writes(student(STEM)),
    }
    for name, words in handed_in.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(words, encoding="utf-8")
    (tmp_path / "in" / f"eve_{STEM}.ipynb").symlink_to("/etc/hostname")
    assert main(["grade", str(tmp_path / "in"), "--output", str(tmp_path / "out")]) == 1
    printed = capsys.readouterr().out
    for words in (
        "ann, ?: not marked: ann/20_ethics.ipynb is not a Jupyter notebook.",
        "ben, 20_ethics: not marked: ben/20_ethics.ipynb has none of the exercises of 20_ethics.",
        "cem handed in 20_ethics more than once; keep one.",
        "dan, ?: not marked: dan/99_unknown.ipynb belongs to no lab of this course.",
        "20_ethics.ipynb does not say whose it is",
        "eve_20_ethics.ipynb is a link",
    ):
        assert words in printed
    with (tmp_path / "out" / "marks.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(handed_in) + 1
    assert all(row["total"] == "" and row["remarks"] for row in rows)


def test_an_empty_folder_and_a_machine_without_landlock_are_refused(tmp_path, capsys, monkeypatch):
    assert main(["grade", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("There is no notebook below")
    monkeypatch.setattr(grading, "landlock_version", lambda: 0)
    assert main(["grade", str(tmp_path)]) == 2
    assert "--without-sandbox" in capsys.readouterr().err
    assert main(["assignments", "999"]) == 2
    assert "There is no lab '999'" in capsys.readouterr().err


def test_a_lab_is_known_by_its_cells_and_an_answer_by_its_name(tmp_path):
    node = student(STEM, solutions(lab(STEM)))
    for number, cell in enumerate(node.cells):
        cell.id = f"new-{number}"
    (tmp_path / "fay").mkdir()
    path = tmp_path / "fay" / "Untitled1.ipynb"
    nbformat.write(node, path)
    submission = grading._read(path, tmp_path)
    assert (submission.learner, submission.stem) == ("fay", STEM)
    assert set(submission.answers) == set(functions(STEM))
    assert len(submission.remarks) == len(submission.answers)
    for number, (_, function) in functions(STEM).items():
        assert f"def {function}(" in submission.answers[number]


@pytest.mark.parametrize(
    ("source", "used"),
    [
        ("import numpy as np\ndef f(x):\n    return np.sum(x)", []),
        ("import gc\ndef f(x):\n    return gc.get_objects()", ["gc"]),
        ("class Same:\n    def __eq__(self, other):\n        return True", ["__eq__"]),
        ("def f(x):\n    return (lambda: 0).__globals__", ["__globals__"]),
        ("np.allclose = print", ["an assignment to np.allclose"]),
    ],
)
def test_what_an_honest_answer_does_not_need_is_named(source, used):
    assert suspicious(source) == used


def test_only_the_statements_that_are_needed_run():
    sources = {
        0: "import numpy as np, pandas as pd\nsize = 3",
        1: "rows = []\nfor each in range(size):\n    rows.append(each)\nprint(rows)",
        2: "def later(x):\n    return helper(x)\nunused = np.zeros(9)",
        3: "def helper(x):\n    return x + total\ntotal = np.sum(rows)",
        4: "value = later(1)",
    }
    kept = needed(sources, {(4, 0)}, {})
    assert kept == {0: [0, 2], 1: [0, 1], 2: [0], 3: [0, 1], 4: [0]}


def test_a_name_that_an_answer_binds_is_bound_by_the_notebook_first():
    sources = {0: "import numpy as np", 1: "np = 'mine'", 2: "check(np)"}
    must = {(1, 0), (2, 0)}
    assert needed(sources, must, {}) == {1: [0], 2: [0]}
    assert needed(sources, must, {}, answers=[1]) == {0: [0], 1: [0], 2: [0]}


def test_hidden_tests_run_as_cells_and_say_what_failed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(hidden, "FOLDER", tmp_path)
    test = "value = double(2)\nassert value == 4, 'twice two\\nis four'\n"
    listed = {1: [{"name": 'the "double"', "name_zh": "两倍", "test": test}]}
    (tmp_path / "00_x.yml").write_text(yaml.safe_dump(listed), encoding="utf-8")
    [cell] = hidden.cells("00_x", 1)
    names = {"double": lambda x: 2 * x, "value": "mine"}
    exec(cell, names)
    exec(cell, names | {"double": lambda x: x})
    assert names["value"] == "mine"
    assert capsys.readouterr().out.splitlines() == [
        'hidden test "the "double"": passed',
        'hidden test "the "double"": failed: AssertionError twice two is four',
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("1: [", "is not YAML"),
        ("1: {name: x}", "should give a list"),
        ("1: [{name: x, test: 'assert 1'}]", "a name, a name_zh and a test"),
        ("1: [{name: x, name_zh: y, test: 'assert ('}]", "is not Python"),
        ("1: [{name: x, name_zh: y, test: 'print(1)'}]", "asserts nothing"),
    ],
)
def test_what_is_wrong_with_a_file_of_hidden_tests_is_said(tmp_path, monkeypatch, words, said):
    monkeypatch.setattr(hidden, "FOLDER", tmp_path)
    (tmp_path / "00_x.yml").write_text(words, encoding="utf-8")
    with pytest.raises(ValueError, match=said):
        hidden.hidden_tests("00_x")
    with pytest.raises(ValueError, match=r"write classroom/hidden/00_y\.yml first"):
        hidden.hidden_tests("00_y")
