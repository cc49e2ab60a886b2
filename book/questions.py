"""The page of questions and answers, from ``questions.yml``; its numbers come from the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas
import yaml

from book import findings
from book.vendor import BookError

TEXTS = Path(__file__).resolve().parent / "questions.yml"
WORDS = {
    "title": {"en": "Questions and answers", "zh": "问与答"},
    "intro": {
        "en": "What people ask about generative AI, answered with what the labs measured. Numbers come from "
        "the [claims ledger](claims.md), brackets hold an interval, and each answer leads to its labs.",
        "zh": "人们常问的关于生成式人工智能的问题，用实验测量的结果回答。数字来自[说法台账](claims.md)，"
        "方括号内为区间，每个回答都指向相应的实验。",
    },
    "where": {"en": "Measured in: ", "zh": "测量见："},
    "notebook": {"en": "notebook {}", "zh": "笔记本 {}"},
}


def questions() -> list[dict[str, Any]]:
    """The entries of ``questions.yml``."""
    return yaml.safe_load(TEXTS.read_text(encoding="utf-8"))


def page(ledger: pandas.DataFrame, language: str = "en") -> str:
    """The page as Markdown.

    Raises:
        BookError: an answer quotes a finding or leads to a notebook that the ledger does not have.
    """
    names = {name[:2]: name for name in ledger.notebook if name}
    words = {name: text[language] for name, text in WORDS.items()}
    lines = [f"# {words['title']}", "", words["intro"], ""]
    for each in questions():
        missing = [lab for lab in each["labs"] if lab not in names]
        if missing:
            raise BookError(f"book/questions.yml leads to notebook {missing[0]}, which records no claim.")
        links = [
            f"[{words['notebook'].format(lab)}](notebooks/{names[lab]}.ipynb)" for lab in sorted(each["labs"])
        ]
        lines += [
            f"## {each['question'][language]}",
            "",
            findings.filled(each["answer"][language], ledger, language),
            "",
            f"{words['where']}{(', ' if language == 'en' else '、').join(links)}",
            "",
        ]
    return "\n".join(lines)
