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
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_lab.collect.dataset import Dataset
from aigc_lab.collect.pictures import Unreadable, read_picture

if TYPE_CHECKING:
    from aigc_lab.clean.issues import Cleaned
    from aigc_lab.clean.report import Inspection

_THUMBNAIL = 96  # pixels on the page
_COPIES_SHOWN = 5
_TABLE_BYTES = 3_000_000
_OTHER_LABEL = re.compile(r"labelled .+ there")
_LICENCE_FILE = re.compile(r"(^|/)(licen[sc]e|copying|copyright|readme|citation)[^/]*$", re.IGNORECASE)


@cache
def all_words() -> Any:
    """The words of ``report.yaml``: of each part of the page, of each check."""
    import yaml

    return yaml.safe_load(Path(__file__).with_name("report.yaml").read_text(encoding="utf-8"))


def words_on(name: str) -> dict[str, str]:
    """The words on a check; one that is not known gets its name for a heading, and is for looking at."""
    plain = {"title": name.replace("_", " ").capitalize(), "chinese": "", "part": "look"}
    return all_words()["checks"].get(name, plain | {"what": "Found by this check.", "advice": "Look first."})


def count_of(dataset: Dataset) -> str:
    """``300 images``, ``20 texts``."""
    return f"{len(dataset)} {'images' if dataset.modality == 'images' else 'texts'}"


def visible(text: str) -> str:
    """The text with characters that show nothing, or steer others, spelt out."""
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character in "\r\n\t":
        return " ⏎ " if character == "\n" else " "
    if character in "\u200c\u200d":  # join or part letters and emoji: harmless, and needed
        return character
    # Cf holds the marks that turn the direction of writing: they could make a page lie.
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co")
    return f"⟨U+{ord(character):04X}⟩" if hidden else character


def excerpt(text: Any, length: int = 220) -> str:
    """The beginning of a text on one line; characters that show nothing, or steer others, are spelt out."""
    start = str(text)[: length + 1]
    return visible(start[:length]) + ("…" if len(start) > length else "") or "(empty)"


def image_uri(image: np.ndarray, file: Path | None = None) -> tuple[str, bool]:
    """A data URI of an image, and whether its pixels should be shown as squares.

    Args:
        image: ``uint8`` ``(height, width[, channels])``, as it was looked at.
        file: where it came from; it is read again for a better view, if that is still possible.
    """
    from PIL import Image

    shown = np.asarray(image)
    if file is not None:
        with contextlib.suppress(Unreadable):  # gone, or changed since: what was looked at is at hand
            shown, _ = read_picture(file, None, "RGB")
    if shown.ndim == 3 and shown.shape[2] not in (3, 4):
        shown = shown[..., 0]
    small = Image.fromarray(np.ascontiguousarray(shown))
    coarse = max(small.size) <= _THUMBNAIL // 2
    if not coarse:
        small.thumbnail((2 * _THUMBNAIL, 2 * _THUMBNAIL), Image.Resampling.LANCZOS)
    elif small.mode == "RGB" and not np.ptp(np.asarray(small), axis=2).any():
        small = small.convert("L")
    stream, kind = io.BytesIO(), "png" if coarse or small.mode == "RGBA" else "jpeg"
    small.save(stream, kind, **({"optimize": True} if kind == "png" else {"quality": 80}))
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode('ascii')}", coarse


def _counted(number: int, noun: str) -> str:
    """``1 file``, ``2 files``, ``2 copies``."""
    many = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{number:,} {noun if number == 1 else many}"


def page(seen: Inspection, shown: int) -> str:
    """The whole page as text, with ``shown`` cards for each check."""
    from jinja2 import Environment, StrictUndefined

    from aigc_lab import __version__

    data, report, cleaned = seen.dataset, seen.folder_report, seen.cleaned()
    parts = [
        words | {"name": part, "checks": _Cards(seen, shown).checks(part)}
        for part, words in all_words()["parts"].items()
        if any(words_on(name)["part"] == part for name in seen.issues)
    ]
    files = report and {
        "kept": len(report.kept),
        "notes": [note[:1].upper() + note[1:] for note in report.notes],
        "skipped": _file_list(report.skipped),
        "converted": _file_list(report.converted),
    }
    compared = "a folder" if seen.folder else "a data set"
    if data.modality == "images":
        height, width = data.data.shape[1:3]
        colours = "grey" if data.data.ndim == 3 else _counted(data.data.shape[3], "channel")
        compared += f" · compared at {height} × {width} pixels, {colours}"
    card = data.card
    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    environment.filters |= {
        "visible": visible,
        "counted": _counted,
        "thousands": "{:,}".format,
        "percent": lambda share, digits=1: f"{share:.{digits}%}",
    }
    template = Path(__file__).with_name("report.html.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        title=seen.folder.resolve().name if seen.folder else card.title,
        version=__version__,
        compared=compared,
        images=data.modality == "images",
        numbers=_numbers(seen, cleaned),
        notes=seen.notes,
        files=files,
        balance=_balance(data, cleaned),
        parts=parts,
        facts={"Source": card.source, "Licence": card.licence, "Cite": card.citation, "Size": card.size},
        licence_files=[file for file, _ in report.skipped if _LICENCE_FILE.search(file)][:5]
        if report
        else [],
        table=_csv(seen),
    )


def _numbers(seen: Inspection, cleaned: Cleaned) -> dict[str, int]:
    """How many items were looked at, would be dropped, are worth a look besides, have a doubtful label."""
    by_part: dict[str, set[int]] = {part: set() for part in all_words()["parts"]}
    for name, table in seen.issues.items():
        by_part[words_on(name)["part"]] |= set(table["item"])
    look = by_part["look"] - set(cleaned.dropped["item"])
    labels = (
        len(by_part["label"]) if "label_issues" in seen.issues and seen.dataset.labels is not None else -1
    )
    return {"all": len(seen.dataset), "drop": len(cleaned.dropped), "look": len(look), "label": labels}


def _file_list(rows: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """The rows ``(file, reason)``, and the eight most frequent kinds of reason."""
    kinds = Counter(re.split(r"[:;(]", reason)[0].strip() for _, reason in rows)
    return {"rows": rows, "kinds": sorted(kinds.items(), key=lambda one: (-one[1], one[0]))[:8]}


def _balance(data: Dataset, cleaned: Cleaned) -> dict[str, Any] | None:
    """What is left of each class; ``ratio``: largest over smallest, 0 if only one class has items."""
    if data.labels is None or not data.class_names:
        return None
    before, after = data.counts(), cleaned.kept.counts()
    rows = [{"name": one, "kept": after[one], "lost": count - after[one]} for one, count in before.items()]
    alive = [count for count in after.values() if count]
    ratio = max(alive) / min(alive) if len(alive) > 1 else 0
    return {"rows": rows, "most": max(before.values()), "ratio": ratio}


def _csv(seen: Inspection) -> dict[str, Any]:
    table = seen.table
    # A name that begins with "=" would be a formula to a spreadsheet; "./" in front makes it a path.
    table["name"] = [f"./{name}" if seen.folder else name for name in table["name"]]
    rows = table.to_csv(index=False).encode("utf-8", "replace")
    uri = f"data:text/csv;base64,{base64.b64encode(rows).decode('ascii')}"
    return {"uri": uri if len(rows) <= _TABLE_BYTES else "", "kilobytes": max(1, len(rows) // 1000)}


class _Cards:
    """The issues as the template shows them: one dict a check, one a card, copies beside what they repeat."""

    def __init__(self, seen: Inspection, shown: int) -> None:
        self._seen, self._shown, self._data = seen, shown, seen.dataset
        self._texts = None if seen.dataset.modality == "images" else seen.dataset.data
        if len(seen.issues.get("personal_data", ())):
            from aigc_lab.clean import text

            self._texts = text.mask(seen.dataset, seen.issues["personal_data"]).data

    def checks(self, part: str) -> list[dict[str, Any]]:
        """Of each check of a part: its words, its count, a hint, and cards or groups of cards."""
        checks = []
        for name, table in self._seen.issues.items():
            if words_on(name)["part"] != part:
                continue
            count = int(table["item"].nunique())
            check = words_on(name) | {"count": count, "hint": "", "groups": []}
            if part == "label":
                check |= {"title": "By confident learning", "chinese": "置信学习"}
            if count and "duplicate_of" in table:
                check |= self._groups(table)
            elif count:
                rows = table.drop_duplicates("item").head(self._shown)
                check["cards"] = [self._card(row) for row in rows.itertuples()]
                check["more"] = count - len(rows)
                check["hint"] = self._confusions(table) if "suggested" in table else ""
            checks.append(check)
        return checks

    def _card(self, row: Any, said: str = "", kind: str = "", item: int | None = None) -> dict[str, Any]:
        item = int(row.item if item is None else item)
        name = visible(self._seen.name(item))
        short = name if len(name) <= 34 else f"{name[:16]}…{name[-17:]}"
        card = {"name": name, "short": short, "kind": kind, "said": said or str(row.reason), "uri": ""}
        if hasattr(row, "suggested"):
            given, suggested = self._labels(row.item, row.suggested)
            card |= {"said": "", "given": given, "suggested": suggested}
        if self._texts is not None:
            return card | {"text": excerpt(self._texts[item])}
        uri, coarse = image_uri(self._data.data[item], self._seen.path(item))
        return card | {"uri": uri, "coarse": coarse}

    def _labels(self, item: Any, suggested: Any) -> tuple[str, str]:
        names = self._data.class_names
        return names[int(self._data.labels[int(item)])], names[int(suggested)]

    def _confusions(self, table: Any) -> str:
        pairs = Counter(map(self._labels, table["item"], table["suggested"]))
        often = sorted(pairs.items(), key=lambda one: (-one[1], one[0]))[:6]
        return "Most often: " + ", ".join(f"{old} → {new} {count:,}" for (old, new), count in often) + "."

    def _groups(self, table: Any) -> dict[str, Any]:
        """Each item that stays with the copies behind it: large groups first, then disagreeing labels."""
        sizes = table["duplicate_of"].value_counts()
        disagree = table["reason"].str.contains(_OTHER_LABEL)
        suspect = set(table["duplicate_of"][disagree])
        told, cards_told, groups = 0, 0, []
        for first in sorted(sizes.index, key=lambda one: (-sizes[one], one not in suspect, one)):
            if cards_told >= self._shown:
                break
            copies = table[table["duplicate_of"] == first].sort_values("item")
            rows = list(copies.head(_COPIES_SHOWN).itertuples())
            cards = [self._card(rows[0], "stays", "stays", first)]
            cards += [self._card(row, _copywords(row), "goes") for row in rows]
            groups.append({"cards": cards, "rest": len(copies) - len(rows)})
            told, cards_told = told + len(copies), cards_told + len(rows)
        hint = f"{_counted(len(sizes), 'group')} of copies; the largest has {int(sizes.max()) + 1:,} items."
        if disagree.any():
            hint += f" {_counted(int(disagree.sum()), 'copy')} with another label than the item that stays: "
            hint += "one of the two labels is wrong."
        return {"hint": hint, "groups": groups, "more": table["item"].nunique() - told}


def _copywords(row: Any) -> str:
    other = _OTHER_LABEL.search(str(row.reason))
    words = [] if row.score >= 1 else [f"{row.score:.1%} alike"]
    if "the files differ" in str(row.reason):
        words.append("other file")
    if other:
        words.append(other.group())
    return " · ".join(words) or "copy"
