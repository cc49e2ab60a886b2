"""The quiz at the end of a page, from ``book/quizzes/``: every answer gets its reason.

Plain radio buttons in a named group, so that a keyboard and a screen reader work; ``assets/lab.js`` shows the
reason. The package jupyterquiz is not used: its script fetches MathJax from a CDN where it does not find it
ready, its groups have no name, and its feedback is not announced.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import yaml
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

from book.vendor import BookError

QUIZZES = Path(__file__).resolve().parent / "quizzes"
QUESTIONS = 5
LANGUAGES = ("en", "zh")
WORDS = {
    "title": {"en": "Check yourself", "zh": "自测"},
    "intro": {
        "en": "Choose an answer; the reason appears below it. Nothing is stored or sent.",
        "zh": "选择一个答案，下方会给出理由。不保存也不发送任何数据。",
    },
    "right": {"en": "Right.", "zh": "正确。"},
    "wrong": {"en": "Not right.", "zh": "不对。"},
    "count": {"en": "{right} of {all} right at the first try.", "zh": "{all} 题中首次答对 {right} 题。"},
}


def questions(stem: str, count: int = QUESTIONS, folder: Path = QUIZZES) -> list[dict[str, Any]]:
    """The questions of one page.

    Raises:
        BookError: the file is missing, or a question breaks the rules; one sentence.
    """
    path = folder / f"{stem}.yml"
    if not path.is_file():
        raise BookError(f"The quiz of {stem} has no file: write book/quizzes/{path.name}.")
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    fault = next(_faults(found, count), None)
    if fault:
        raise BookError(f"book/quizzes/{path.name}: {fault}.")
    return found


def _faults(found: Any, count: int) -> Iterator[str]:
    if not isinstance(found, list) or len(found) != count:
        yield f"there must be {count} questions"
        return
    places, longest = [], []
    for number, question in enumerate(found, start=1):
        answers = question.get("answers") or []
        if len(answers) not in (3, 4):
            yield f"question {number} has {len(answers)} answers; give 3 or 4"
            return
        right = [place for place, answer in enumerate(answers) if answer.get("right")]
        if len(right) != 1:
            yield f"question {number} has {len(right)} right answers; mark one"
            return
        for name, text in (("question", question.get("question")), *_texts(answers)):
            for language in LANGUAGES:
                if not (text or {}).get(language):
                    yield f"question {number}: {name} has no {language}"
                    return
        places.append(right[0])
        lengths = [len(answer["en"]) for answer in answers]
        longest.append(lengths[right[0]] == max(lengths))
    if len(set(places)) == 1:
        yield f"the right answer is always number {places[0] + 1}; let its place vary"
    if all(longest):
        yield "the right answer is always the longest; shorten some"


def _texts(answers: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    for number, answer in enumerate(answers, start=1):
        yield f"answer {number}", answer
        yield f"the why of answer {number}", answer.get("why")


def block(stem: str, language: str = "en", count: int = QUESTIONS, folder: Path = QUIZZES) -> str:
    """The quiz as Markdown: a heading and one block of HTML.

    Raises:
        BookError: as ``questions``.
    """
    words = {name: text[language] for name, text in WORDS.items()}
    data = " ".join(f'data-{name}="{escape(words[name])}"' for name in ("right", "wrong", "count"))
    lines = [f"## {words['title']}", "", words["intro"], "", f'<form class="lab-quiz" {data}>']
    for number, question in enumerate(questions(stem, count, folder), start=1):
        lines.append(f"<fieldset><legend>{number}. {_inline(question['question'][language])}</legend>")
        for answer in question["answers"]:
            right = "true" if answer.get("right") else "false"
            lines += [
                f'<label><input type="radio" name="question-{number}" value="{right}"> '
                f"<span>{_inline(answer[language])}</span></label>",
                f'<p class="lab-why" hidden>{_inline(answer["why"][language])}</p>',
            ]
        lines.append('<p class="lab-quiz-said" role="status"></p></fieldset>')
    return "\n".join([*lines, '<p class="lab-quiz-count" role="status"></p>', "</form>"]) + "\n"


@cache
def _markdown() -> MarkdownIt:
    def formula(text: str, options: dict) -> str:
        return rf'<span class="math notranslate nohighlight">\({escape(text)}\)</span>'

    return MarkdownIt("commonmark", {"html": False}).use(dollarmath_plugin, renderer=formula)


def _inline(text: str) -> str:
    return _markdown().renderInline(" ".join(text.split()))
