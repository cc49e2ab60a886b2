"""The report as one HTML page: what ``report.html.j2`` shows, in the words of ``report.yaml``.

Jinja2 escapes all that comes from the data (file and class names, texts, reasons). Introduced in notebook 02.
"""

from __future__ import annotations

import base64
import contextlib
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_lab.collect.dataset import Dataset
from aigc_lab.collect.own import Unreadable, read_image

if TYPE_CHECKING:
    import pandas as pd

_THUMBNAIL = 96  # pixels on the page
_SHOWN = 24  # thumbnails for each check
_COPIES_SHOWN = 5
_TABLE_BYTES = 3_000_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_OTHER_LABEL = re.compile(r"labelled .+ there")
_LICENCE_FILE = re.compile(r"(^|/)(licen[sc]e|copying|copyright|readme|citation)[^/]*$", re.IGNORECASE)


@cache
def all_words() -> Any:
    """The words of ``report.yaml``: of each part of the page, of each check."""
    import yaml

    return yaml.safe_load(Path(__file__).with_name("report.yaml").read_text(encoding="utf-8"))


def words_on(check: str) -> dict[str, str]:
    """The words on a check, and its part of the page."""
    return all_words()["checks"][check]


def visible(text: str) -> str:
    """The text on one line, with characters that show nothing, or steer others, spelt out."""
    text = re.sub("[\r\t]", " ", text).replace("\n", " ⏎ ")
    # Cf holds the marks that turn the direction of writing: they could make a page lie. Two marks of it
    # join or part letters and emoji: harmless, and needed.
    return "".join(
        f"⟨U+{ord(one):04X}⟩"
        if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Co") and one not in "\u200c\u200d"
        else one
        for one in text
    )


def excerpt(text: str) -> str:
    """The beginning of a text, made visible."""
    return visible(text[:220]) + ("…" if len(text) > 220 else "") or "(empty)"


def image_uri(image: np.ndarray, file: Path | None = None) -> tuple[str, bool]:
    """A data URI of an image ``(height, width[, channels])``, and whether to show its pixels as squares.

    The file that it came from is read again for a better view, if that is still possible.
    """
    from PIL import Image

    if file is not None:
        with contextlib.suppress(Unreadable):  # gone, or changed since: what was looked at is at hand
            image, _ = read_image(file, None, "RGB")
    small = Image.fromarray(image[..., 0] if image.shape[2:] == (1,) else image)
    coarse = max(small.size) <= _THUMBNAIL // 2
    small.thumbnail((2 * _THUMBNAIL, 2 * _THUMBNAIL))
    stream, kind = io.BytesIO(), "png" if coarse or small.mode == "RGBA" else "jpeg"
    small.save(stream, kind, optimize=True)
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode('ascii')}", coarse


def _counted(number: int, noun: str) -> str:
    """``1 file``, ``2 files``, ``2 copies``."""
    many = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{number:,} {noun if number == 1 else many}"


def render(template: Path, **values: Any) -> str:
    """A page from a Jinja2 template, which may use ``base.html.j2`` and ``macros.html.j2`` that lie here.

    Everything that is filled in is escaped.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from aigc_lab import __version__

    environment = Environment(
        loader=FileSystemLoader([template.parent, Path(__file__).parent]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "visible": visible,
        "counted": _counted,
        "thousands": "{:,}".format,
        "percent": lambda share, digits=1: f"{share:.{digits}%}",
    }
    return environment.get_template(template.name).render(version=__version__, **values)


def page(seen: Any) -> str:
    """The whole page of an ``Inspection`` as text."""
    data, report, cleaned, parts = seen.dataset, seen.folder_report, seen.cleaned(), all_words()["parts"]
    texts = None if data.modality == "images" else data.data
    if len(seen.issues.get("personal_data", ())):
        from aigc_lab.clean import text

        texts = text.mask(data, seen.issues["personal_data"]).data
    by_part = {part: [name for name in seen.issues if words_on(name)["part"] == part] for part in parts}
    found = {part: {i for name in by_part[part] for i in seen.issues[name]["item"]} for part in parts}
    compared = "a folder" if seen.folder else "a data set"
    if texts is None:
        height, width = data.data.shape[1:3]
        colours = "grey" if data.data.ndim == 3 else _counted(data.data.shape[3], "channel")
        compared += f" · compared at {height} × {width} pixels, {colours}"
    return render(
        Path(__file__).with_name("report.html.j2"),
        title=seen.folder.resolve().name if seen.folder else data.card.title,
        compared=compared,
        images=texts is None,
        numbers={
            "all": len(data),
            "drop": len(cleaned.dropped),
            "look": len(found["look"] - set(cleaned.dropped["item"])),
            "label": len(found["label"]) if by_part["label"] and data.labels is not None else -1,
        },
        notes=seen.notes,
        files=report and _files(report),
        balance=balance(data, cleaned.kept),
        parts=[
            parts[part] | {"name": part, "checks": [_check(seen, name, texts) for name in names]}
            for part, names in by_part.items()
            if names
        ],
        card=data.card,
        table=_csv(seen),
    )


def rows_and_kinds(rows: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """(file, reason) as the macro ``file_list`` takes them: with the usual kinds of reason."""
    kinds = Counter(re.split(r"[:;(]", reason)[0].strip() for _, reason in rows)
    return {"rows": rows, "kinds": kinds.most_common(8)}


def _files(report: Any) -> dict[str, Any]:
    """What became of the files; of those left out and converted the rows, and the usual kinds of reason."""
    return {
        "kept": len(report.kept),
        "notes": [note[:1].upper() + note[1:] for note in report.notes],
        "skipped": rows_and_kinds(report.skipped),
        "converted": rows_and_kinds(report.converted),
        "licences": [file for file, _ in report.skipped if _LICENCE_FILE.search(file)][:5],
    }


def balance(data: Dataset, kept: Dataset) -> dict[str, Any] | None:
    """What is left of each class; ``ratio``: largest over smallest, 0 if only one class has items."""
    if data.labels is None or not data.class_names:
        return None
    before, after = data.counts(), kept.counts()
    rows = [{"name": one, "kept": after[one], "lost": count - after[one]} for one, count in before.items()]
    alive = [count for count in after.values() if count]
    ratio = max(alive) / min(alive) if len(alive) > 1 else 0
    return {"rows": rows, "most": max(before.values()), "ratio": ratio}


def csv_bytes(table: pd.DataFrame) -> bytes:
    """A table as a CSV file in UTF-8, in which no cell is a formula to a spreadsheet.

    A text that begins with one of ``= + - @``, a tab or a line end gets an apostrophe in front (OWASP, CSV
    injection).
    """
    guarded, texts = table.copy(), table.select_dtypes(exclude=["number", "bool"])
    guarded[texts.columns] = texts.map(
        lambda cell: f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
    )
    return guarded.to_csv(index=False).encode("utf-8", "replace")


def _csv(seen: Any) -> dict[str, Any]:
    rows = csv_bytes(seen.table)
    uri = f"data:text/csv;base64,{base64.b64encode(rows).decode('ascii')}"
    return {"uri": uri if len(rows) <= _TABLE_BYTES else "", "kilobytes": max(1, len(rows) // 1000)}


def caption(name: str, said: str) -> dict[str, Any]:
    """What stands below a figure: the name, also short enough for a thumbnail, and what is said of it."""
    short = name if len(name) <= 34 else f"{name[:16]}…{name[-17:]}"
    return {"name": name, "short": short, "kind": "", "said": said, "uri": ""}


def _check(seen: Any, name: str, texts: Sequence[str] | None) -> dict[str, Any]:
    """One check: its words, its count, a hint, and cards, or groups of copies beside what they repeat."""
    data, table = seen.dataset, seen.issues[name]
    check = words_on(name) | {"count": int(table["item"].nunique()), "hint": "", "groups": [], "cards": []}

    def card(item: int, said: str, kind: str = "") -> dict[str, Any]:
        file = visible(seen.name(item))
        one = caption(file, said) | {"kind": kind}
        if texts is not None:
            return one | {"text": excerpt(texts[item])}
        uri, coarse = image_uri(data.data[item], seen.folder and seen.folder / seen.name(item))
        return one | {"uri": uri, "coarse": coarse}

    if "duplicate_of" in table and len(table):
        groups = {int(first): copies.sort_values("item") for first, copies in table.groupby("duplicate_of")}
        largest = max(map(len, groups.values())) + 1
        check["hint"] = f"{_counted(len(groups), 'group')} of copies; the largest has {largest:,} items."
        others = table[table["reason"].str.contains(_OTHER_LABEL)]
        if len(others):
            check["hint"] += f" {_counted(len(others), 'copy')} with another label than the item that stays: "
            check["hint"] += "one of the two labels is wrong."
        told = shown = 0
        suspect = set(others["duplicate_of"])
        for first in sorted(groups, key=lambda one: (-len(groups[one]), one not in suspect, one)):
            if shown >= _SHOWN:
                break
            part = groups[first].head(_COPIES_SHOWN)
            cards = [card(int(row.item), _copy_words(row), "goes") for row in part.itertuples()]
            rest = len(groups[first]) - len(part)
            check["groups"].append({"cards": [card(first, "stays", "stays"), *cards], "rest": rest})
            told, shown = told + len(groups[first]), shown + len(part)
    else:
        rows = table.drop_duplicates("item").head(_SHOWN)
        told = len(rows)
        check["cards"] = [card(int(row.item), str(row.reason)) for row in rows.itertuples()]
        if "suggested" in table and len(table):
            names = np.array(data.class_names)
            given, better = names[data.labels[table["item"]]], names[table["suggested"].astype(int)]
            for one, old, new in zip(check["cards"], given, better, strict=False):
                one |= {"said": "", "given": old, "suggested": new}
            often = Counter(zip(given, better, strict=True)).most_common(6)
            check["hint"] = "Most often: "
            check["hint"] += ", ".join(f"{old} → {new} {count:,}" for (old, new), count in often) + "."
    return check | {"more": check["count"] - told}


def _copy_words(row: Any) -> str:
    other = _OTHER_LABEL.search(row.reason)
    words = [] if row.score >= 1 else [f"{row.score:.1%} alike"]
    if "the files differ" in row.reason:
        words.append("other file")
    return " · ".join([*words, other.group()] if other else words) or "copy"
