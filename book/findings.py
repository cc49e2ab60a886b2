"""Findings of the ledger in running text, for the pages that quote them; numbers are never typed there."""

from __future__ import annotations

import re
from html import escape
from typing import Any

import pandas

from aigc_lab import claims, language
from book.generated import claims_label
from book.vendor import BookError

_SPACE = re.compile(r"(?<=[\u3000-\u9fff\uff00-\uffef]) (?=[\u3000-\u9fff\uff00-\uffef])")
# {C01@15} is a number with its interval, {C01@15:%} the same in per cent, {C01@15:verdict} the verdict.
PLACE = re.compile(r"\{(C\d\d)@(\d\d)(?::(%|verdict))?\}")


def number(row: Any, percent: bool = False) -> str:
    """The number of a finding with its interval, to three digits."""
    values = [row.number] if pandas.isna(row.low) else [row.number, row.low, row.high]
    words = [f"{100 * value:.3g}%" if percent else _digits(value) for value in values]
    return words[0] if len(words) == 1 else f"{words[0]} [{words[1]}, {words[2]}]"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def verdict(row: Any, edition: str) -> str:
    """The verdict of a finding in a language."""
    return row.verdict if edition == "en" else claims.VERDICTS_ZH[row.verdict]


def said(row: Any, edition: str) -> str:
    """The first sentence of what the notebook says about its finding; empty where it says nothing."""
    text = row.says if edition == "en" else row.says_zh
    return re.split(r"(?<=[.?!])\s(?=[A-Z])|(?<=。)", text.strip())[0].strip()


def line(row: Any, edition: str) -> str:
    """A finding as HTML in one line: its verdict, what was found, the number, and a link to the cell."""
    colour = row.verdict.replace(" ", "-")
    unit = f" {language.translated(row.unit, edition)}" if row.unit else ""
    notebook = f"notebook {row.notebook[:2]}" if edition == "en" else f"笔记本 {row.notebook[:2]}"
    words = verdict(row, edition)
    if row.verdict == claims.HOLDS_ONLY_IF and edition == "en":
        words = "holds under a condition"  # which the sentence after it says
    mark = f'<span class="claim-mark claim-{colour}">{words}</span>:'
    return (
        f"{mark} {escape(said(row, edition))} "
        f"<small>{escape(number(row) + unit)}</small> "
        f'(<a href="notebooks/{row.notebook}.html#{claims_label(row.notebook)}">{notebook}</a>)'
    )


def filled(text: str, ledger: pandas.DataFrame, edition: str) -> str:
    """A text with every place such as ``{C01@15}`` filled from the ledger.

    Raises:
        BookError: the ledger has no such finding.
    """
    rows = {(row.id, row.notebook[:2]): row for row in ledger.itertuples() if row.notebook}

    def value(place: re.Match[str]) -> str:
        row = rows.get((place[1], place[2]))
        if row is None:
            raise BookError(
                f"A page quotes claim {place[1]} of notebook {place[2]}, which records no such claim."
            )
        return verdict(row, edition) if place[3] == "verdict" else number(row, percent=place[3] == "%")

    # Where a line of YAML ended stands a space, which Chinese does not want.
    return PLACE.sub(value, _SPACE.sub("", " ".join(text.split())))
