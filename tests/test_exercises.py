"""A check says one line, never stops a notebook, and hands on what works."""

from __future__ import annotations

import pytest

from aigc_lab import exercises


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(exercises, "_results", {})


def double(number):
    return 2 * number


def twice_as_much(answer):
    for number in (1, 5, 7):
        if answer(number) <= number:  # raised by hand: pytest adds its own words to an assert
            raise AssertionError("the result is\n  too small")
        assert answer(number) == 2 * number, "another number"
    return "twice as much"


def stops(number):
    raise KeyError("width")


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (double, "exercise 3: right: twice as much"),
        (lambda number: None, "exercise 3: not answered yet"),
        (None, "exercise 3: not answered yet"),
        (lambda number: number - 1, "exercise 3: not right yet: the result is too small"),
        (lambda number: 2, "exercise 3: not right yet: the result is too small"),  # hard-coded for one case
        (stops, "exercise 3: not right yet: it stopped with KeyError: 'width'"),
        (7, "exercise 3: not right yet: it stopped with TypeError: 'int' object is not callable"),
    ],
)
def test_one_line_says_how_it_stands_and_later_cells_get_what_works(answer, line, capsys):
    used = exercises.check(3, answer, twice_as_much, otherwise="the library's")
    assert capsys.readouterr().out == line + "\n"
    assert used == (answer if ": right" in line else "the library's")


def test_a_value_and_a_class_can_be_answers(capsys):
    def is_nats(answer):
        assert answer == "nats", "the logarithm is natural"

    assert exercises.check(1, "nats", is_nats) == "nats"
    assert exercises.check(2, dict, lambda answer: str(answer(a=1))) is dict
    assert capsys.readouterr().out == "exercise 1: right\nexercise 2: right: {'a': 1}\n"


def test_the_summary_counts_each_exercise_once(capsys):
    for answer in (None, lambda number: 0, double):  # the learner tries again
        exercises.check(1, answer, twice_as_much)
    exercises.check(2, None, twice_as_much)
    exercises.check(3, stops, twice_as_much)
    capsys.readouterr()
    exercises.summary()
    assert capsys.readouterr().out == "3 exercises: 2 answered, 1 right\n"


def test_progress_over_all_labs_is_kept_beside_the_notebooks(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exercises.check(1, 3, lambda answer: "")
    assert not list(tmp_path.iterdir()), "only JupyterLab names its notebook"
    for lab, answers in {"work/05_vae_math.ipynb": (3, None), "06_vae_images.ipynb": (None,)}.items():
        monkeypatch.setenv("JPY_SESSION_NAME", lab)
        for number, answer in enumerate(answers, start=1):
            exercises.check(number, answer, lambda answer: "")
    assert exercises.progress(tmp_path).splitlines() == [
        "05_vae_math: 2 exercises: 1 answered, 1 right",
        "06_vae_images: 1 exercises: 0 answered, 0 right",
        "3 exercises: 1 answered, 1 right",
    ]
    exercises.check(1, 3, lambda answer: "")
    assert exercises.progress().endswith("3 exercises: 2 answered, 2 right"), "a better answer counts"


def test_progress_that_cannot_be_read_or_written_stops_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JPY_SESSION_NAME", "05_vae_math.ipynb")
    with pytest.raises(FileNotFoundError, match="No exercise was checked"):
        exercises.progress(tmp_path)
    (tmp_path / exercises.KEPT).write_text("[]")
    assert exercises.check(1, 3, lambda answer: "") == 3
    said = capsys.readouterr().out
    assert "Your progress was not kept" in said and "exercise 1: right" in said
    with pytest.raises(ValueError, match="is damaged: delete it"):
        exercises.progress(tmp_path)
