"""The report of an inspection as one HTML page: no script, no other file, no other host.

Everything that comes from the data (file and class names, texts, reasons) passes through ``html.escape``;
the page's own security policy forbids scripts and any connection besides.
"""

from __future__ import annotations

import base64
import re
from html import escape
from typing import TYPE_CHECKING

from aigc_lab import __version__
from aigc_lab.clean.inspection.cards import Findings, counted, heading
from aigc_lab.clean.inspection.style import STYLE
from aigc_lab.clean.inspection.thumbnails import visible
from aigc_lab.clean.inspection.words import DROP, LABEL, LOOK

if TYPE_CHECKING:
    from aigc_lab.clean.cleaned import Cleaned
    from aigc_lab.clean.inspection import Inspection

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_FILES_SHOWN = 200
_FILES_OPEN = 12
_TABLE_BYTES = 3_000_000
_IMBALANCE = 3  # largest class over smallest, from which the page says something
_LICENCE_FILE = re.compile(r"(^|/)(licen[sc]e|copying|copyright|readme|citation)[^/]*$", re.IGNORECASE)

_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}: data inspection</title>
<style>{style}</style>
</head>
<body>
<main>
"""
_FOOT = """
</main>
<footer>Written by AIGC Lab {version}, <code>clean.inspect</code>. The input was only read.</footer>
</body>
</html>
"""
_LICENCE = (
    "Before you train on these items, or publish what a model makes of them: who made them, under which "
    "licence, and did the people in them agree? A clean set may still be one that you are not allowed to use."
)
_CODE = """from aigc_lab import clean

inspection = clean.inspect(…)             # as for this report
cleaned = inspection.cleaned()            # a copy in memory, without what is proposed
cleaned = inspection.cleaned("outliers")  # and without what this check found
cleaned.kept, cleaned.dropped             # the set to go on with; what went, and why"""


def page(inspection: Inspection, shown: int) -> str:
    """The whole page as text.

    Args:
        inspection: what was found.
        shown: cards for each check.
    """
    cleaned, findings = inspection.cleaned(), Findings(inspection, shown)
    title = inspection.folder.resolve().name if inspection.folder else inspection.dataset.card.title
    parts = [
        _header(inspection, findings, cleaned, title),
        _notes(inspection),
        _files(inspection),
        _balance(inspection, cleaned),
        *(findings.section(part) for part in (DROP, LOOK, LABEL)),
        _licence(inspection),
        _next_steps(inspection),
    ]
    head = _HEAD.format(policy=_POLICY, title=escape(title), style=STYLE)
    return head + "\n".join(filter(None, parts)) + _FOOT.format(version=escape(__version__))


def _header(inspection: Inspection, findings: Findings, cleaned: Cleaned, title: str) -> str:
    data, report = inspection.dataset, inspection.folder_report
    total, dropped = len(data), len(cleaned.dropped)
    look = findings.items(LOOK) - set(cleaned.dropped["item"])
    noun = "pictures" if data.modality == "images" else "texts"
    tiles = [
        ("all", total, f"{noun} looked at", "数据总量"),
        (DROP, dropped, f"proposed to drop, {dropped / total:.1%}", "建议删除"),
        (LOOK, len(look), "more are worth a look", "值得查看"),
    ]
    if data.labels is not None:
        tiles.append((LABEL, len(findings.items(LABEL)), "labels are doubtful", "标签存疑"))
    if report is not None:
        tiles.append(("unread", len(report.skipped), "files were left out", "未读取"))
    boxes = "".join(
        f'<li class="tile {kind}"><b>{number:,}</b> {what} <span class="zh" lang="zh">{zh}</span></li>'
        for kind, number, what, zh in tiles
    )
    how = ["a folder" if inspection.folder else "a data set"]
    if data.modality == "images":
        height, width = data.data.shape[1:3]
        colours = "grey" if data.data.ndim == 3 else counted(data.data.shape[3], "channel")
        how.append(f"compared at {height} × {width} pixels, {colours}")
    return (
        '<header><p class="over">Data inspection <span class="zh" lang="zh">数据检查报告</span></p>'
        f'<h1 dir="auto">{escape(title)}</h1><p class="over">{" · ".join(how)}</p>'
        f'<ul class="tiles">{boxes}</ul></header>'
    )


def _notes(inspection: Inspection) -> str:
    rows = "".join(f"<li>{escape(note)}</li>" for note in inspection.notes)
    head = heading(2, "Read this first", "请先阅读")
    return f'<section class="notes">{head}<ul>{rows}</ul></section>' if rows else ""


def _files(inspection: Inspection) -> str:
    report = inspection.folder_report
    if report is None:
        return ""
    parts = [
        f"<p>{counted(len(report.kept), 'file')} loaded, {len(report.skipped):,} left out, "
        f"{counted(len(report.converted), 'conversion')} on the way.</p>"
    ]
    parts += [f'<p class="hint">{escape(note[:1].upper() + note[1:])}.</p>' for note in report.notes]
    parts.append(_file_list("Left out", "未读取", report.skipped))
    parts.append(_file_list("Converted when read", "读取时转换", report.converted))
    return f"<section>{heading(2, 'Files', '文件')}{''.join(parts)}</section>"


def _file_list(what: str, chinese: str, rows: tuple[tuple[str, str], ...]) -> str:
    if not rows:
        return ""
    kinds: dict[str, int] = {}
    for _, reason in rows:
        kind = re.split(r"[:;(]", reason)[0].strip()
        kinds[kind] = kinds.get(kind, 0) + 1
    often = sorted(kinds.items(), key=lambda one: (-one[1], one[0]))[:8]
    summed = ", ".join(f"{escape(kind)} ({count:,})" for kind, count in often)
    items = "".join(
        f"<tr><td>{_code(file)}</td><td>{escape(reason)}</td></tr>" for file, reason in rows[:_FILES_SHOWN]
    )
    rest = len(rows) - _FILES_SHOWN
    more = f'<p class="more">and {rest:,} more</p>' if rest > 0 else ""
    title = f'<b>{what}</b> <span class="zh" lang="zh">{chinese}</span> {len(rows):,}: {summed}'
    state = " open" if len(rows) <= _FILES_OPEN else ""
    table = f'<table class="files"><tbody>{items}</tbody></table>'
    return f"<details{state}><summary>{title}</summary>{table}{more}</details>"


def _balance(inspection: Inspection, cleaned: Cleaned) -> str:
    data = inspection.dataset
    if data.labels is None or not data.class_names:
        return ""
    before, after = data.counts(), cleaned.kept.counts()
    most, rows = max(before.values()), []
    for name, count in before.items():
        left = after[name]
        gone = f" <small>−{count - left:,}</small>" if left < count else ""
        bar = f'<span class="kept" style="width:{left / most:.2%}"></span>'
        if left < count:
            bar += f'<span class="lost" style="width:{(count - left) / most:.2%}"></span>'
        rows.append(
            f'<tr><th scope="row" dir="auto">{escape(name)}</th><td class="number">{left:,}{gone}</td>'
            f'<td class="bar">{bar}</td></tr>'
        )
    alive = [count for count in after.values() if count]
    said = ""
    if len(alive) < 2:
        said = "Only one class has items: a classifier needs two, and a generator will draw nothing else."
    elif max(alive) > _IMBALANCE * min(alive):
        said = (
            f"After the proposal the largest class has {max(alive) / min(alive):.1f} times as many items as "
            "the smallest: weigh the classes, oversample, or collect more of the small ones."
        )
    key = '<span class="key kept"></span> stay <span class="key lost"></span> proposed to drop'
    table = f'<table class="balance"><caption>{key}</caption><tbody>{"".join(rows)}</tbody></table>'
    hint = f'<p class="hint">{said}</p>' if said else ""
    return f"<section>{heading(2, 'Class balance', '类别平衡')}{hint}{table}</section>"


def _licence(inspection: Inspection) -> str:
    card, report = inspection.dataset.card, inspection.folder_report
    facts = {"Source": card.source, "Licence": card.licence, "Cite": card.citation, "Size": card.size}
    rows = "".join(f"<dt>{key}</dt><dd>{escape(value)}</dd>" for key, value in facts.items() if value)
    found = [file for file, _ in report.skipped if _LICENCE_FILE.search(file)] if report else []
    where = ", ".join(map(_code, found[:5]))
    hint = f"<p>These files of the folder may state it: {where}.</p>" if found else ""
    head = heading(2, "Licence", "许可证")
    return f'<section>{head}<dl>{rows}</dl>{hint}<p class="hint">{_LICENCE}</p></section>'


def _next_steps(inspection: Inspection) -> str:
    table = inspection.table
    # A name that begins with "=" would be a formula to a spreadsheet; "./" in front makes it a path.
    table["name"] = [f"./{name}" if inspection.folder else name for name in table["name"]]
    rows = table.to_csv(index=False).encode("utf-8", "replace")
    if len(rows) <= _TABLE_BYTES:
        uri = f"data:text/csv;base64,{base64.b64encode(rows).decode('ascii')}"
        words = f"Table of all findings (CSV, {max(1, len(rows) // 1000):,} kB)"
        link = f'<p><a download="findings.csv" href="{uri}">{words}</a></p>'
    else:
        link = "<p>The table of all findings is too long for this page: <code>inspection.table</code>.</p>"
    words = (
        "Look through what was found, then decide. The files stay as they are, whatever you choose; what is "
        "dropped is left out of a copy in memory, with the reason on record."
    )
    code = f"<pre><code>{escape(_CODE)}</code></pre>"
    return f"<section>{heading(2, 'What next', '下一步')}<p>{words}</p>{code}{link}</section>"


def _code(file: str) -> str:
    return f"<code><bdi>{escape(visible(file))}</bdi></code>"
