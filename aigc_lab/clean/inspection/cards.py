"""The findings of the report: one article a check, one card an item, copies beside what they repeat."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

from aigc_lab.clean.inspection.thumbnails import excerpt, picture_uri, visible
from aigc_lab.clean.inspection.words import LABEL, PARTS, check_of

if TYPE_CHECKING:
    from aigc_lab.clean.inspection import Inspection

_COPIES_SHOWN = 5
_CONFUSIONS_SHOWN = 6
_OTHER_LABEL = re.compile(r"labelled .+ there")


def heading(level: int, english: str, chinese: str, extra: str = "") -> str:
    """A heading in both languages; ``english`` and ``extra`` are HTML."""
    zh = f' <span class="zh" lang="zh">{chinese}</span>' if chinese else ""
    return f"<h{level}>{english}{zh}{extra}</h{level}>"


def counted(number: int, noun: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class Findings:
    """Turns the findings of an inspection into HTML.

    Args:
        inspection: what was found.
        shown: cards for each check.
    """

    def __init__(self, inspection: Inspection, shown: int) -> None:
        self._seen, self._shown, self._data = inspection, shown, inspection.dataset
        self._pictures = self._data.modality == "images"
        self._texts = None if self._pictures else self._masked()

    def names(self, part: str) -> list[str]:
        """The checks that belong to a part of the report and ran."""
        return [name for name in self._seen.findings if check_of(name).part == part]

    def items(self, part: str) -> set[int]:
        """The items that any check of a part found."""
        return {int(item) for name in self.names(part) for item in self._seen.findings[name]["item"]}

    def section(self, part: str) -> str:
        """One part of the report; nothing if none of its checks ran."""
        names = self.names(part)
        if not names:
            return ""
        english, chinese, said = PARTS[part]
        found = [name for name in names if len(self._seen.findings[name])]
        blocks = [self._article(name) for name in found]
        nothing = ", ".join(escape(check_of(name).title.lower()) for name in names if name not in found)
        if nothing:
            blocks.append(f'<p class="none">Nothing found: {nothing}.</p>')
        head = heading(2, english, chinese)
        return f'<section class="part {part}">{head}<p>{said}</p>{"".join(blocks)}</section>'

    def _masked(self) -> Any:
        """The texts as the page may show them: without the personal data that was found."""
        findings = self._seen.findings.get("personal_data")
        if findings is None or not len(findings):
            return self._data.data
        from aigc_lab.clean import text

        return text.mask(self._data, findings).data

    def _article(self, name: str) -> str:
        check, table = check_of(name), self._seen.findings[name]
        count = table["item"].nunique()
        share = f' <span class="count">{count:,} · {count / len(self._data):.1%}</span>'
        title, chinese = check.title, check.chinese
        if check.part == LABEL:
            title, chinese = "By confident learning", "置信学习"
        if "duplicate_of" in table:
            inside = self._groups(table)
        elif "suggested" in table:
            inside = self._confusions(table) + self._list(table, self._label_words)
        else:
            inside = self._list(table, lambda row: escape(str(row.reason)))
        words = f'<p class="what">{escape(check.what)} <em>{escape(check.advice)}</em></p>'
        return f"<article>{heading(3, escape(title), chinese, share)}{words}{inside}</article>"

    def _list(self, table: Any, words: Callable[[Any], str]) -> str:
        rows = table.drop_duplicates("item").head(self._shown)
        cards = "".join(self._card(int(row.item), words(row)) for row in rows.itertuples())
        kind = "grid" if self._pictures else "texts"
        return f'<div class="{kind}">{cards}</div>{self._more(table, len(rows))}'

    def _groups(self, table: Any) -> str:
        """Each item that stays with the copies behind it: large groups first, then disagreeing labels."""
        sizes = table["duplicate_of"].value_counts()
        disagree = table["reason"].str.contains(_OTHER_LABEL)
        suspect = set(table["duplicate_of"][disagree])
        firsts = sorted(sizes.index, key=lambda one: (-sizes[one], one not in suspect, one))
        told, cards_told, groups = 0, 0, []
        for first in firsts:
            if cards_told >= self._shown:
                break
            copies = table[table["duplicate_of"] == first].sort_values("item")
            part = copies.head(_COPIES_SHOWN)
            cards = [self._card(int(first), "stays", "stays")]
            cards += [self._card(int(row.item), _copy_words(row), "goes") for row in part.itertuples()]
            rest = len(copies) - len(part)
            cards.append(f'<p class="rest">and {rest:,} more</p>' if rest else "")
            groups.append(f'<div class="group">{"".join(cards)}</div>')
            told += len(copies)
            cards_told += len(part)
        said = f"{counted(len(firsts), 'group')} of copies; the largest has {int(sizes.max()) + 1:,} items."
        if disagree.any():
            said += f" {counted(int(disagree.sum()), 'copy').replace('copys', 'copies')}"
            said += " with another label than the item that stays: one of the two labels is wrong."
        shown = "".join(groups)
        return f'<p class="hint">{said}</p><div class="groups">{shown}</div>{self._more(table, told)}'

    def _more(self, table: Any, shown: int) -> str:
        rest = table["item"].nunique() - shown
        return f'<p class="more">{rest:,} more, in the table of all findings.</p>' if rest > 0 else ""

    def _card(self, item: int, said: str, kind: str = "") -> str:
        """One item; ``said`` is HTML."""
        name = visible(self._seen.name(item))
        shortened = escape(name if len(name) <= 34 else f"{name[:16]}…{name[-17:]}").replace("/", "/<wbr>")
        caption = (
            f'<figcaption><span class="said">{said}</span>'
            f'<bdi class="name" title="{escape(name)}">{shortened}</bdi></figcaption>'
        )
        mark = f' class="{kind}"' if kind else ""
        if not self._pictures:
            words = escape(excerpt(self._texts[item]))
            return f'<figure{mark}><blockquote dir="auto">{words}</blockquote>{caption}</figure>'
        uri, coarse = picture_uri(self._data.data[item], self._seen.path(item))
        pixels = ' class="coarse"' if coarse else ""
        plain = re.sub(r"<[^>]*>", "", said)  # already escaped: what is left of it is text
        picture = f'<img src="{uri}" alt="{escape(name)}: {plain}" width="96" height="96"{pixels}>'
        return f"<figure{mark}>{picture}{caption}</figure>"

    def _label_words(self, row: Any) -> str:
        given, better = self._labels(row.item, row.suggested)
        return f"<s>{escape(given)}</s> → <b>{escape(better)}</b>?"

    def _labels(self, item: Any, suggested: Any) -> tuple[str, str]:
        names = self._data.class_names
        return names[int(self._data.labels[int(item)])], names[int(suggested)]

    def _confusions(self, table: Any) -> str:
        counts: dict[tuple[str, str], int] = {}
        for item, suggested in zip(table["item"], table["suggested"], strict=True):
            pair = self._labels(item, suggested)
            counts[pair] = counts.get(pair, 0) + 1
        often = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:_CONFUSIONS_SHOWN]
        said = ", ".join(f"{escape(given)} → {escape(better)} {count:,}" for (given, better), count in often)
        return f'<p class="hint">Most often: {said}.</p>'


def _copy_words(row: Any) -> str:
    other = _OTHER_LABEL.search(str(row.reason))
    words = [] if row.score >= 1 else [f"{row.score:.1%} alike"]
    if "the files differ" in str(row.reason):
        words.append("other file")
    if other:
        words.append(other.group())
    return escape(" · ".join(words) or "copy")
