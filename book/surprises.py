"""The three most surprising verdicts, for the welcome page and for README.

Which claims they are is chosen here; what is said about them comes from the findings that the notebooks
store, so that it cannot disagree with the ledger.
"""

from __future__ import annotations

import re
from typing import Any

import pandas

from aigc_lab import claims

# Claim and notebook: most readers expect another verdict.
CHOSEN = (("C14", "07_broken_listing"), ("C01", "15_data_quality"), ("C13", "10_super_resolution"))


def rows(ledger: pandas.DataFrame) -> list[Any]:
    """The chosen findings, in order.

    Raises:
        ValueError: a notebook does not record the claim that was chosen from it.
    """
    found = {(row.id, row.notebook): row for row in ledger.itertuples()}
    missing = [f"{claim} of {notebook}" for claim, notebook in CHOSEN if (claim, notebook) not in found]
    if missing:
        raise ValueError(
            f"book/surprises.py chooses {missing[0]}, which is not recorded: run it, or choose another."
        )
    return [found[chosen] for chosen in CHOSEN]


def block(ledger: pandas.DataFrame, language: str = "") -> str:
    """A Markdown list: the article's claim, the verdict, what was found, and where.

    Args:
        ledger: the table of ``aigc_lab.claims.ledger``.
        language: ``en`` or ``zh`` for one of the two; both under each other where it is empty.
    """
    lines = []
    for row in rows(ledger):
        verdict, said = f"{row.verdict.capitalize()}.", row.says
        if row.condition:
            verdict, said = "Holds only under a condition.", row.says or f"It is this: {row.condition}."
        link = f"(notebooks/{row.notebook}.ipynb)"
        words = f"*“{_plain(row.claim)}”* **{verdict}** {_plain(said)} ([notebook {row.notebook[:2]}]{link})"
        chinese = f"{row.claim_zh.rstrip('。')}：**{claims.VERDICTS_ZH[row.verdict]}**。{_plain(row.says_zh)}"
        if language == "zh":
            lines += [f"- {chinese}（[笔记本 {row.notebook[:2]}]{link}）"]
        elif language == "en":
            lines += ["- " + " ".join(words.split())]
        else:
            lines += ["- " + " ".join(words.split()) + "\\", f"  {chinese}"]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Text in which Markdown sees nothing of its own."""
    return re.sub(r"([\\*_`<\[\]$])", r"\\\1", " ".join(text.split()))
