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
from aigc_lab.language import catalogue, translated

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


def of_page(text: str, language: str) -> str:
    """A text of the catalogue of pages (a data card) in the language of the edition."""
    return catalogue("pages", language).get(" ".join(text.split()), text)


def heading(english: str, words: str, language: str) -> str:
    """A heading: both languages in the English edition, Chinese alone in the Chinese one."""
    return words if language == "zh" else f"{english} · {words}"


def data_cards_page(language: str = "en") -> str:
    """Every data set that ``collect.load`` knows: where it comes from, its licence, its known faults."""
    intro = {
        "en": "Every data set that `collect.load(name)` knows, with its source, its licence and the faults "
        "that we found in it. This page is generated from the cards that `Dataset.describe()` prints.",
        "zh": "`collect.load(name)` 支持的全部数据集：来源、许可证，以及我们发现的缺陷。"
        "本页由 `Dataset.describe()` 打印的数据卡自动生成。",
    }
    lines = [f"# {heading('Data cards', '数据卡片', language)}", "", intro[language], ""]
    if language == "en":
        lines += [chinese("本页列出 collect.load(name) 支持的全部数据集：来源、许可、规模与已知缺陷。"), ""]
    for name in collect.names():
        card = collect.card(name)
        modality = MODALITIES_ZH[card.modality]
        if language == "en":
            modality = f"{plain(card.modality)} {chinese(modality)}"
        where = TIERS[card.tier].split(" · ")[1] if language == "zh" else TIERS[card.tier]
        facts = [
            ("Size", "规模", plain(of_page(card.size, language))),
            ("Source", "来源", plain(of_page(card.source, language))),
            ("Licence", "许可", plain(of_page(card.licence, language))),
            ("Where it lies", "存放", where),
        ]
        facts += [("Cite", "引用", plain(card.citation))] if card.citation else []
        lines += [
            f"## {plain(of_page(card.title, language))}",
            "",
            f'`collect.load("{card.name}")` · {modality}',
            "",
        ]
        for english, words, fact in facts:
            lines += [heading(english, words, language), f": {fact}", ""]
        if card.known_faults:
            lines += [heading("Known faults", "已知缺陷", language)]
            lines += [
                f"{':' if number == 0 else ' '} - {plain(of_page(fault, language))}"
                for number, fault in enumerate(card.known_faults)
            ]
            lines += [""]
    return "\n".join(lines)


def claims_label(notebook: str) -> str:
    """The label of the cell in which a notebook records its claims; ``assemble`` puts it there."""
    return f"claims-{notebook.replace('_', '-')}"


def claims_page(
    ledger: pandas.DataFrame, data_of: Mapping[str, str] | None = None, language: str = "en"
) -> str:
    """The article's claims and what was measured about each: one table, then the details.

    Args:
        ledger: the table of ``aigc_lab.claims.ledger``.
        data_of: what each notebook says in its box about its data, in that language.
        language: of the edition.
    """
    open_rows = ledger[ledger.verdict == claims.NOT_MEASURED]
    measured = ledger[ledger.verdict != claims.NOT_MEASURED]
    total, count = ledger.id.nunique(), measured.id.nunique()
    lines = [
        "---",
        "html_theme.sidebar_secondary.remove: true",
        "---",
        "",
        f"# {heading('Claims ledger', '说法台账', language)}",
        "",
        *_overview(measured, open_rows, language),
        "",
        f"## {heading('How to read it', '说明', language)}",
        "",
        *_how_to_read(total, count, len(measured), language),
        f"## {heading('Details', '详情', language)}",
        "",
    ]
    for claim, rows in measured.groupby("id", sort=False):
        first = rows.iloc[0]
        title = first.claim_zh.rstrip("。") if language == "zh" else first.claim
        lines += [f"(claim-{claim.lower()})=", f"### {claim} · {plain(title)}", ""]
        lines += [] if language == "zh" else [chinese(first.claim_zh), ""]
        for row in rows.itertuples():
            lines += _finding(row, (data_of or {}).get(row.notebook, ""), language)
    if len(open_rows):
        title = heading("Not measured yet", "尚未测量", language)
        lines += ["(not-measured)=", f"## {title}", "", *_open_claims(open_rows), ""]
    return "\n".join(lines)


def _how_to_read(total: int, count: int, findings: int, language: str) -> list[str]:
    words = (
        f"文章中的 {total} 条说法均被改写为可检验的问题，由实验笔记本测量；本页由笔记本中保存的输出"
        f"自动生成。目前已测量 {count} 条，共 {findings} 项结果；方括号内为区间，“基线”为两组"
        "无差别数据之间的同一度量，“未定”表示区间同时包含两种答案。每项结果都注明所用数据，并链接到测量它的"
        "单元格。"
    )
    if language == "zh":
        return [words, ""]
    return [
        f"The article that this course follows makes claims about generative AI. We number {total} of "
        "them, turn each into a question that can come out either way, and let the notebooks measure it. "
        "This page is generated from the outputs stored in the notebooks: it cannot say what no notebook "
        "has measured.",
        "",
        f"So far {count} of {total} have been measured, in {findings} findings. Numbers in square "
        "brackets are an interval; a *floor* is what the same measure gives between two sets that do not "
        "differ; *undecided* means that the interval holds both answers. What one small experiment finds "
        "holds for that experiment: each finding says on which data, and leads to the cell that measured it. "
        "Notebooks that ask a claim in different ways may come to different verdicts.",
        "",
        chinese(words),
        "",
    ]


def _overview(measured: pandas.DataFrame, open_rows: pandas.DataFrame, language: str) -> list[str]:
    """All claims in one table that fits a screen: a row for each claim, with its findings side by side."""
    alone = language == "zh"
    verdicts = " ".join(
        f'<span class="{_class(verdict)}">'
        + (chinese_verdict if alone else f'{verdict} <span lang="zh-Hans">{chinese_verdict}</span>')
        + "</span>"
        for verdict, chinese_verdict in claims.VERDICTS_ZH.items()
        if verdict != claims.NOT_MEASURED
    )
    lines = [
        '<table class="ledger">',
        f"<thead><tr><th>{heading('claim', '说法', language)}</th>",
        f"<th>{heading('findings', '结果', language)}: {verdicts}</th></tr></thead>",
        "<tbody>",
    ]
    for claim, rows in measured.groupby("id", sort=False):
        first = rows.iloc[0]
        lines += [
            f'<tr><th scope="row"><a href="#claim-{claim.lower()}">{claim}</a> '
            + ("" if alone else f"{escape(first.claim)} ")
            + f'<span lang="zh-Hans">{escape(first.claim_zh)}</span></th>',
            "<td>",
            *(_card(row, language) for row in rows.itertuples()),
            "</td></tr>",
        ]
    if len(open_rows):
        lines += [
            '<tr><th scope="row"><a href="#not-measured">'
            f"{heading('Not measured yet', '尚未测量', language)}</a></th>",
            f"<td>{', '.join(open_rows.id)}</td></tr>",
        ]
    return [*lines, "</tbody>", "</table>"]


def _card(row: Any, language: str) -> str:
    """A finding in a few words: lab, verdict, number, interval. The tooltip and the details have the rest."""
    number = f"{row.number:.3g}" + ("" if pandas.isna(row.low) else f" [{row.low:.3g}, {row.high:.3g}]")
    verdict = claims.VERDICTS_ZH[row.verdict] if language == "zh" else row.verdict
    more = row.says_zh if language == "zh" else f"{row.verdict} {row.condition}".strip()
    more = f"{more or verdict}: {_numbers(row, language)}"
    return (
        f'<a class="{_class(row.verdict)}" href="notebooks/{row.notebook}.html#{claims_label(row.notebook)}" '
        f'title="{escape(more)}"><b>{row.notebook[:2]}</b> {verdict} {number}</a>'
    )


def _class(verdict: str) -> str:
    return f"claim-{verdict.replace(' ', '-')}"


def _finding(row: Any, data: str, language: str) -> list[str]:
    """What one notebook measured about a claim: verdict, question, sentence, number, data, and where."""
    label, numbers = claims_label(row.notebook), plain(_numbers(row, language))
    if language == "zh":
        title = f"{row.id} · {claims.VERDICTS_ZH[row.verdict]}"
        facts = [("问题", plain(translated(row.question, language))), ("", plain(row.says_zh or ""))]
        facts += [("测量", numbers), ("数据", plain(data))]
        facts += [("出处", f"{{ref}}`笔记本 {row.notebook[:2]} 的单元格 <{label}>`")]
        said = [f"{name}：{fact}" if name else fact for name, fact in facts if fact]
    else:
        verdict = plain(f"{row.verdict} {row.condition}".strip())
        title = f"{row.id} · {verdict} · {claims.VERDICTS_ZH[row.verdict]}"
        said = [f"Question · {chinese('问题')}: {plain(row.question)}"]
        said += [f"{plain(row.says)} {chinese(row.says_zh)}"] if row.says else []
        said += [f"Measured · {chinese('测量')}: {numbers}"]
        said += [f"On · {chinese('数据')}: {plain(data)}"] if data else []
        said += [f"Where · {chinese('出处')}: {{ref}}`notebook {row.notebook[:2]}, the cell <{label}>`"]
    paragraphs = [line for fact in said for line in (fact, "")][:-1]
    return [f":::{{admonition}} {title}", f":class: claim {_class(row.verdict)}", "", *paragraphs, ":::", ""]


def _numbers(row: Any, language: str = "en") -> str:
    text = f"{row.number:.3g}"
    if not pandas.isna(row.low):
        text += f" [{row.low:.3g}, {row.high:.3g}]"
    if row.unit:
        text += f" {translated(row.unit, language)}"
    if not pandas.isna(row.floor):
        text += f"；基线 {row.floor:.3g}" if language == "zh" else f"; floor {row.floor:.3g}"
    return text


def _open_claims(rows: pandas.DataFrame) -> list[str]:
    lines = []
    for row in rows.itertuples():
        lines += [f"(claim-{row.id.lower()})=", f"{row.id} · {plain(row.claim)}"]
        lines += [f": {chinese(row.claim_zh)}", ""]
        lines += [f"  Question · {chinese('问题')}: {plain(row.question)}", ""]
    return lines


def glossary_page(terms: list[dict[str, str]], language: str = "en") -> str:
    """Terms in both languages, in alphabetical order of the English.

    Args:
        terms: entries with ``en``, ``zh``, ``means`` and ``means_zh``.
        language: of the edition; the Chinese one has the Chinese word and meaning first, in the same order.
    """
    intro = "Every term that the notebooks and these pages use, in English and in Chinese. "
    words = "笔记本与本书中使用的全部术语，中英对照。"
    lines = [
        f"# {heading('Glossary', '术语表', language)}",
        "",
        f"{words}按英文字母排列。" if language == "zh" else intro + chinese(words),
        "",
    ]
    in_order = sorted(terms, key=lambda term: term["en"].lower())
    for letter, group in groupby(in_order, key=lambda term: term["en"][0].upper()):
        lines += [f"## {letter}", "", "```{glossary}"]
        for term in group:
            if language == "zh":
                lines += [f"{term['en']}", f"  {term['zh']}", "", f"  {term['means_zh']}", ""]
                continue
            lines += [f"{term['en']}", f"  {chinese(term['zh'])}", ""]
            lines += [f"  {' '.join(term['means'].split())}", "", f"  {chinese(term['means_zh'])}", ""]
        lines += ["```", ""]
    return "\n".join(lines)
