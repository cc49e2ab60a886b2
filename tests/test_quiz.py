"""The quizzes: their rules, their HTML, and every file of the course."""

from __future__ import annotations

import copy

import pytest
import yaml

from book import assemble, quiz
from book.vendor import BookError

STEMS = [lab["file"] for lab in assemble.read_yaml("labs.yml")]


def answer(words: str, right: bool = False) -> dict:
    return {"en": words, "zh": words, "right": right, "why": {"en": f"why {words}", "zh": f"因 {words}"}}


def question(place: int) -> dict:
    answers = [answer(f"answer {number} $a<b$", number == place) for number in range(3)]
    answers[(place + 1) % 3]["en"] += " and more"
    return {"question": {"en": "What is `x`?", "zh": "什么？"}, "answers": answers}


GOOD = [question(place) for place in (0, 1, 2, 1, 0)]


def written(folder, questions) -> None:
    (folder / "x.yml").write_text(yaml.safe_dump(questions, allow_unicode=True), encoding="utf-8")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_quiz_is_a_named_group_of_radio_buttons_for_each_question(tmp_path, language):
    written(tmp_path, GOOD)
    page = quiz.block("x", language, folder=tmp_path)
    assert page.startswith(f"## {quiz.WORDS['title'][language]}\n")
    html = page.partition("<form")[2]
    assert "\n\n" not in html  # an empty line would end the block of HTML
    assert html.count("<fieldset><legend>") == 5 and html.count('type="radio"') == 15
    assert html.count('value="true"') == 5 and html.count('class="lab-why" hidden') == 15
    assert r'<span class="math notranslate nohighlight">\(a&lt;b\)</span>' in html
    assert ("<code>x</code>" in html) == (language == "en")


def spoiled(change) -> list:
    questions = copy.deepcopy(GOOD)
    change(questions)
    return questions


@pytest.mark.parametrize(
    ("questions", "words"),
    [
        (GOOD[:4], "there must be 5 questions"),
        (spoiled(lambda q: q[0]["answers"].pop()), "question 1 has 2 answers; give 3 or 4"),
        (spoiled(lambda q: q[1]["answers"][0].update(right=True)), "question 2 has 2 right answers"),
        (spoiled(lambda q: q[2]["answers"][1].pop("why")), "question 3: the why of answer 2 has no en"),
        (spoiled(lambda q: q[2]["question"].pop("zh")), "question 3: question has no zh"),
        ([question(1)] * 5, "the right answer is always number 2"),
        (
            spoiled(lambda q: [a.update(en="x" * (9 if a["right"] else 2)) for o in q for a in o["answers"]]),
            "the right answer is always the longest",
        ),
    ],
)
def test_a_question_that_breaks_the_rules_is_refused(tmp_path, questions, words):
    written(tmp_path, questions)
    with pytest.raises(BookError, match=rf"^book/quizzes/x\.yml: {words}"):
        quiz.block("x", folder=tmp_path)


def test_a_missing_quiz_is_named(tmp_path):
    with pytest.raises(BookError, match=r"write book/quizzes/x\.yml"):
        quiz.questions("x", folder=tmp_path)


@pytest.mark.parametrize("stem", STEMS, ids=lambda stem: stem[:2])
def test_every_lab_has_five_questions_in_both_languages(stem):
    assert len(quiz.questions(stem)) == 5


def test_the_prerequisites_end_in_seven_questions():
    assert len(quiz.questions("prerequisites", 7)) == 7
