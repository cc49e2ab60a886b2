"""What changed, for readers who subscribe: an Atom feed and a page, both from ``CHANGELOG.md``.

Each heading ``## Version (date)`` is an entry; one without a date is dated by the feed's caller.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from markdown_it import MarkdownIt

from book.vendor import BookError

CHANGELOG = Path(__file__).resolve().parents[1] / "CHANGELOG.md"
ATOM = "http://www.w3.org/2005/Atom"
IDENTIFIER = "tag:aigc-lab,2026:"  # of entries; it names them and leads nowhere
TITLE = {"en": "What changed", "zh": "更新记录"}
INTRO = {
    "en": "Subscribe to this page with a feed reader: <a href='changes.xml'>changes.xml</a>.",
    "zh": "可用阅读器订阅本页：<a href='changes.xml'>changes.xml</a>。更新记录以英文书写。",
}


@dataclass(frozen=True)
class Change:
    """A version of the changelog: its name, its day (None if not released), what is written below."""

    name: str
    day: date | None
    text: str


def changes(text: str) -> list[Change]:
    """The versions of a changelog, newest first.

    Raises:
        BookError: there is none, or a date is no date.
    """
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    if not parts:
        raise BookError("CHANGELOG.md has no heading '## version'; write one for each version.")
    found = []
    for heading, body in zip(parts[::2], parts[1::2], strict=True):
        said = re.search(r"\d{4}-\d\d-\d\d", heading)
        try:
            day = date.fromisoformat(said[0]) if said else None
        except ValueError:
            raise BookError(f"CHANGELOG.md has {said[0]} in a heading, which is no date.") from None
        found.append(Change(heading.strip(), day, body.strip()))
    return found


def atom(found: list[Change], built: datetime) -> str:
    """The feed as XML.

    Args:
        built: the time of the last commit, for the feed and for a version that is not released yet.
    """
    ElementTree.register_namespace("", ATOM)
    feed = ElementTree.Element(f"{{{ATOM}}}feed")

    def add(parent: ElementTree.Element, name: str, text: str = "", **attributes: str) -> None:
        ElementTree.SubElement(parent, f"{{{ATOM}}}{name}", attributes).text = text or None

    add(feed, "title", "AIGC Lab: what changed")
    add(feed, "id", f"{IDENTIFIER}changes")
    add(feed, "updated", _time(built))
    add(feed, "link", rel="alternate", type="text/html", href="changes.html")
    add(feed, "link", rel="self", type="application/atom+xml", href="changes.xml")
    author = ElementTree.SubElement(feed, f"{{{ATOM}}}author")
    add(author, "name", "The AIGC Lab maintainers")
    for change in found:
        entry = ElementTree.SubElement(feed, f"{{{ATOM}}}entry")
        when = built if change.day is None else datetime(*change.day.timetuple()[:3], tzinfo=UTC)
        add(entry, "title", change.name)
        add(entry, "id", f"{IDENTIFIER}{re.sub(r'[^a-z0-9.]+', '-', change.name.lower()).strip('-')}")
        add(entry, "updated", _time(when))
        add(entry, "link", rel="alternate", type="text/html", href="changes.html")
        add(entry, "content", MarkdownIt("commonmark").render(change.text), type="html")
    return ElementTree.tostring(feed, encoding="unicode", xml_declaration=True) + "\n"


def _time(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def page(text: str, language: str = "en") -> str:
    """The page "What changed" as Markdown; the changes themselves are in English."""
    lines = [f"# {TITLE[language]}", "", INTRO[language], ""]
    for change in changes(text):
        lines += [f"## {change.name}", "", change.text, ""]
    return "\n".join(lines)
