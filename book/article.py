"""The closing page: the article's nine parts in our own words, and what was measured about each claim.

The texts are in ``article.yml``; verdicts, sentences and numbers come from the ledger.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import pandas
import yaml

from aigc_lab import claims
from book import findings
from book.vendor import BookError

TEXTS = Path(__file__).resolve().parent / "article.yml"
WORDS = {
    "title": {"en": "What the article said, and what was measured", "zh": "文章怎么说，实测又如何"},
    "intro": {
        "en": "This course follows one article about AI-generated content through its nine parts. Here they "
        "stand once more, in our own words, each with the claims that it makes and with what the labs found. "
        "Verdicts and numbers come from the outputs stored in the notebooks; brackets hold an interval. What "
        "a small experiment finds holds for that experiment; the [claims ledger](claims.md) names its data.",
        "zh": "本课程沿着一篇关于 AIGC 的文章的九个部分展开。这里用我们自己的话逐一复述，并列出每部分的说法和"
        "实验的发现。结论与数字都来自笔记本中保存的输出，方括号内为区间。小实验的发现只对该实验成立："
        "[说法台账](claims.md)注明了所用数据。",
    },
    "says": {"en": "What the article says", "zh": "文章的说法"},
    "measured": {"en": "What was measured", "zh": "实测结果"},
    "open": {"en": "Not measured yet", "zh": "尚未测量"},
    "after": {"en": "What that says, and what it does not", "zh": "说明了什么，没有说明什么"},
    "sum": {"en": "All findings together", "zh": "全部结果"},
    "count": {
        "en": "The labs tested {claims} claims in {findings} findings. By verdict: {verdicts}.",
        "zh": "各实验对 {claims} 条说法给出了 {findings} 项结果。按结论统计：{verdicts}。",
    },
}


def parts() -> list[dict[str, Any]]:
    """The nine parts of ``article.yml``.

    Raises:
        BookError: a claim of the article is in none of them, or one is named that does not exist.
    """
    found = yaml.safe_load(TEXTS.read_text(encoding="utf-8"))
    named = [claim for part in found for claim in part["claims"]]
    for claim in claims.claims():
        if claim not in named:
            raise BookError(f"book/article.yml has no part with claim {claim}; name it where it belongs.")
    strange = [claim for claim in named if claim not in claims.claims()]
    if strange:
        raise BookError(f"book/article.yml names {strange[0]}, which is no claim of the article.")
    return found


def page(ledger: pandas.DataFrame, language: str = "en") -> str:
    """The page as Markdown.

    Args:
        ledger: the table of ``aigc_lab.claims.ledger``.

    Raises:
        BookError: as ``parts``.
    """
    words = {name: text[language] for name, text in WORDS.items()}
    stop = "." if language == "en" else "："
    lines = [f"# {words['title']}", "", words["intro"], ""]
    for number, part in enumerate(parts(), start=1):
        lines += [
            f"## {number}. {part['title'][language]}",
            "",
            f"**{words['says']}{stop}** {findings.filled(part['says'][language], ledger, language)}",
            "",
            f"**{words['measured']}{stop}**",
            "",
        ]
        for claim in part["claims"]:
            lines += _claim(ledger[ledger.id == claim], language)
        text = findings.filled(part["after"][language], ledger, language)
        lines += [f"**{words['after']}{stop}** {text}", ""]
    measured = ledger[ledger.verdict != claims.NOT_MEASURED]
    counts = measured.verdict.value_counts()
    each = [
        f"{verdict if language == 'en' else claims.VERDICTS_ZH[verdict]} {counts.get(verdict, 0)}"
        for verdict in claims.VERDICTS
    ]
    said = words["count"].format(
        claims=measured.id.nunique(),
        findings=len(measured),
        verdicts=(", " if language == "en" else "、").join(each),
    )
    return "\n".join([*lines, f"## {words['sum']}", "", said, ""])


def _claim(rows: pandas.DataFrame, language: str) -> list[str]:
    """A claim with a line for each finding, as HTML: Markdown would read stars and bars in the sentences."""
    first = rows.iloc[0]
    claim = escape(first.claim if language == "en" else first.claim_zh)
    head = f'<p><a href="claims.html#claim-{first.id.lower()}">{first.id}</a> <em>{claim}</em></p>'
    if first.verdict == claims.NOT_MEASURED:
        items = [WORDS["open"][language]]
    else:
        items = [findings.line(row, language) for row in rows.itertuples()]
    listed = "\n".join(f"<li>{item}</li>" for item in items)
    return ['<div class="claim-said">', head, f"<ul>\n{listed}\n</ul>", "</div>", ""]
