"""The pages that hold nothing of their own: data cards, claims ledger, glossary, table of labs.

Data cards come from ``aigc_lab.collect``, the ledger from the stored outputs of the notebooks
(``aigc_lab.claims``), the glossary from ``glossary.yml``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from itertools import groupby
from typing import Any

import pandas

from aigc_lab import claims, collect

MODALITIES_ZH = {"images": "图像", "text": "文本", "audio": "音频"}
TIERS = {
    "embedded": "carried by an installed package, no network needed · 随安装包提供，无需联网",
    "download": "downloaded once and checked by its SHA-256 · 首次使用时下载并校验",
}


def plain(text: str) -> str:
    """Text in which Markdown and HTML see nothing of theirs, on one line."""
    text = re.sub(r"([\\`*_{}\[\]$|~^#%@])", r"\\\1", " ".join(str(text).split()))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def chinese(text: str) -> str:
    """Chinese text, marked as such for screen readers and for the choice of letters."""
    return f'<span lang="zh-Hans">{plain(text)}</span>'


def data_cards_page() -> str:
    """Every data set that ``collect.load`` knows: where it comes from, its licence, its known faults."""
    names = collect.names()
    lines = [
        "# Data cards · 数据卡片",
        "",
        "Every data set that `collect.load(name)` knows, with its source, its licence and the faults that we "
        "found in it. This page is generated from the cards that `Dataset.describe()` prints.",
        "",
        chinese("本页列出 collect.load(name) 支持的全部数据集：来源、许可、规模与已知缺陷。"),
        "",
    ]
    for name in names:
        card = collect.card(name)
        lines += [
            f"## {plain(card.title)}",
            "",
            f'`collect.load("{card.name}")` · {plain(card.modality)} {chinese(MODALITIES_ZH[card.modality])}',
            "",
            "Size · 规模",
            f": {plain(card.size)}",
            "",
            "Source · 来源",
            f": {plain(card.source)}",
            "",
            "Licence · 许可",
            f": {plain(card.licence)}",
            "",
            "Where it lies · 存放",
            f": {TIERS[card.tier]}",
            "",
        ]
        if card.citation:
            lines += ["Cite · 引用", f": {plain(card.citation)}", ""]
        if card.known_faults:
            lines += ["Known faults · 已知缺陷"]
            lines += [
                f"{':' if number == 0 else ' '} - {plain(fault)}"
                for number, fault in enumerate(card.known_faults)
            ]
            lines += [""]
    return "\n".join(lines)


def claims_label(notebook: str) -> str:
    """The label of the cell in which a notebook records its claims; ``assemble`` puts it there."""
    return f"claims-{notebook.replace('_', '-')}"


def claims_page(ledger: pandas.DataFrame, data_of: Mapping[str, str] | None = None) -> str:
    """The article's claims and what was measured about each: one table, then the details.

    Args:
        ledger: the table of ``aigc_lab.claims.ledger``.
        data_of: what each notebook says in its box about its data.
    """
    open_rows = ledger[ledger.verdict == claims.NOT_MEASURED]
    measured = ledger[ledger.verdict != claims.NOT_MEASURED]
    total, count = ledger.id.nunique(), measured.id.nunique()
    lines = [
        "---",
        "html_theme.sidebar_secondary.remove: true",
        "---",
        "",
        "# Claims ledger · 论断台账",
        "",
        *_overview(measured, open_rows),
        "",
        "## How to read it · 说明",
        "",
        f"The article that this course follows makes claims about generative AI. We number {total} of "
        "them, turn each into a question that can come out either way, and let the notebooks measure it. "
        "This page is generated from the outputs stored in the notebooks: it cannot say what no notebook "
        "has measured.",
        "",
        f"So far {count} of {total} have been measured, in {len(measured)} findings. Numbers in square "
        "brackets are an interval; a *floor* is what the same measure gives between two sets that do not "
        "differ; *undecided* means that the interval holds both answers. What one small experiment finds "
        "holds for that experiment: each finding says on which data, and leads to the cell that measured it. "
        "Notebooks that ask a claim in different ways may come to different verdicts.",
        "",
        chinese(
            f"文章中的 {total} 条论断均被改写为可检验的问题，由实验笔记本测量；本页由笔记本中保存的输出"
            f"自动生成。目前已测量 {count} 条，共 {len(measured)} 项结果；方括号内为区间，“基线”为两组"
            "无差别数据之间的同一度量，“未定”表示区间同时包含两种答案。每项结果都注明所用数据，并链接到测量它的"
            "单元格。"
        ),
        "",
        "## Details · 详情",
        "",
    ]
    for claim, rows in measured.groupby("id", sort=False):
        first = rows.iloc[0]
        lines += [f"(claim-{claim.lower()})=", f"### {claim} · {plain(first.claim)}", ""]
        lines += [chinese(first.claim_zh), ""]
        for row in rows.itertuples():
            lines += _finding(row, (data_of or {}).get(row.notebook, ""))
    if len(open_rows):
        lines += ["(not-measured)=", "## Not measured yet · 尚未测量", "", *_open_claims(open_rows), ""]
    return "\n".join(lines)


def _overview(measured: pandas.DataFrame, open_rows: pandas.DataFrame) -> list[str]:
    """All claims in one table that fits a screen: a row for each claim, with its findings side by side."""
    verdicts = " ".join(
        f'<span class="{_class(verdict)}">{verdict} <span lang="zh-Hans">{chinese_verdict}</span></span>'
        for verdict, chinese_verdict in claims.VERDICTS_ZH.items()
        if verdict != claims.NOT_MEASURED
    )
    lines = [
        '<table class="ledger">',
        "<thead><tr><th>claim · 论断</th>",
        f"<th>findings · 结果: {verdicts}</th></tr></thead>",
        "<tbody>",
    ]
    for claim, rows in measured.groupby("id", sort=False):
        first = rows.iloc[0]
        lines += [
            f'<tr><th scope="row"><a href="#claim-{claim.lower()}">{claim}</a> {escape(first.claim)} '
            f'<span lang="zh-Hans">{escape(first.claim_zh)}</span></th>',
            "<td>",
            *(_card(row) for row in rows.itertuples()),
            "</td></tr>",
        ]
    if len(open_rows):
        lines += [
            '<tr><th scope="row"><a href="#not-measured">Not measured yet · 尚未测量</a></th>',
            f"<td>{', '.join(open_rows.id)}</td></tr>",
        ]
    return [*lines, "</tbody>", "</table>"]


def _card(row: Any) -> str:
    """A finding in a few words: lab, verdict, number, interval. The tooltip and the details have the rest."""
    number = f"{row.number:.3g}" + ("" if pandas.isna(row.low) else f" [{row.low:.3g}, {row.high:.3g}]")
    more = f"{row.verdict} {row.condition}".strip() + f": {_numbers(row)}"
    return (
        f'<a class="{_class(row.verdict)}" href="notebooks/{row.notebook}.html#{claims_label(row.notebook)}" '
        f'title="{escape(more)}"><b>{row.notebook[:2]}</b> {row.verdict} {number}</a>'
    )


def _class(verdict: str) -> str:
    return f"claim-{verdict.replace(' ', '-')}"


def _finding(row: Any, data: str) -> list[str]:
    """What one notebook measured about a claim: verdict, question, sentence, number, data, and where."""
    verdict = plain(f"{row.verdict} {row.condition}".strip())
    cell = f"{{ref}}`notebook {row.notebook[:2]}, the cell <{claims_label(row.notebook)}>`"
    lines = [
        f":::{{admonition}} {row.id} · {verdict} · {claims.VERDICTS_ZH[row.verdict]}",
        f":class: claim {_class(row.verdict)}",
        "",
        f"Question · {chinese('问题')}: {plain(row.question)}",
        "",
    ]
    if row.says:
        lines += [f"{plain(row.says)} {chinese(row.says_zh)}", ""]
    lines += [
        f"Measured · {chinese('测量')}: {plain(_numbers(row))}",
        "",
    ]
    if data:
        lines += [f"On · {chinese('数据')}: {plain(data)}", ""]
    return [*lines, f"Where · {chinese('出处')}: {cell}", ":::", ""]


def _numbers(row: Any) -> str:
    text = f"{row.number:.3g}"
    if not pandas.isna(row.low):
        text += f" [{row.low:.3g}, {row.high:.3g}]"
    if row.unit:
        text += f" {row.unit}"
    if not pandas.isna(row.floor):
        text += f"; floor {row.floor:.3g}"
    return text


def _open_claims(rows: pandas.DataFrame) -> list[str]:
    lines = []
    for row in rows.itertuples():
        lines += [f"(claim-{row.id.lower()})=", f"{row.id} · {plain(row.claim)}"]
        lines += [f": {chinese(row.claim_zh)}", ""]
        lines += [f"  Question · {chinese('问题')}: {plain(row.question)}", ""]
    return lines


def glossary_page(terms: list[dict[str, str]]) -> str:
    """Terms in both languages, in alphabetical order of the English.

    Args:
        terms: entries with ``en``, ``zh``, ``means`` and ``means_zh``.
    """
    lines = [
        "# Glossary · 术语表",
        "",
        "Every term that the notebooks and these pages use, in English and in Chinese. "
        + chinese("笔记本与本书中使用的全部术语，中英对照。"),
        "",
    ]
    in_order = sorted(terms, key=lambda term: term["en"].lower())
    for letter, group in groupby(in_order, key=lambda term: term["en"][0].upper()):
        lines += [f"## {letter}", "", "```{glossary}"]
        for term in group:
            lines += [f"{term['en']}", f"  {chinese(term['zh'])}", ""]
            lines += [f"  {' '.join(term['means'].split())}", "", f"  {chinese(term['means_zh'])}", ""]
        lines += ["```", ""]
    return "\n".join(lines)
