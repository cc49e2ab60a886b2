"""The Atom feed and the page of changes."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime

import pytest

from book import feed
from book.vendor import BookError

SPACE = {"a": feed.ATOM}
BUILT = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
TEXT = "# Changelog\n\n## Unreleased (0.2.0)\n\n- New `lab` <b>\n\n## 0.1.0 (2026-05-04)\n\nFirst.\n"


def test_the_feed_is_atom_with_an_entry_for_each_version():
    root = ElementTree.fromstring(feed.atom(feed.changes(TEXT), BUILT).partition("?>")[2])
    assert root.tag == f"{{{feed.ATOM}}}feed"
    assert [root.find(f"a:{name}", SPACE) is not None for name in ("title", "id", "updated")] == [True] * 3
    entries = root.findall("a:entry", SPACE)
    assert [entry.find("a:title", SPACE).text for entry in entries] == [
        "Unreleased (0.2.0)",
        "0.1.0 (2026-05-04)",
    ]
    assert [entry.find("a:updated", SPACE).text for entry in entries] == [
        "2026-11-30T09:00:00Z",
        "2026-05-04T00:00:00Z",
    ]
    content = entries[0].find("a:content", SPACE)
    assert content.get("type") == "html" and "<code>lab</code>" in content.text
    assert len({entry.find("a:id", SPACE).text for entry in entries}) == 2


def test_the_changelog_of_the_project_becomes_a_feed_and_a_page():
    text = feed.CHANGELOG.read_text(encoding="utf-8")
    found = feed.changes(text)
    root = ElementTree.fromstring(feed.atom(found, BUILT).partition("?>")[2])
    assert len(root.findall("a:entry", SPACE)) == len(found) >= 1
    for language in ("en", "zh"):
        page = feed.page(text, language)
        assert page.startswith(f"# {feed.TITLE[language]}\n") and page.count("\n## ") == len(found)


@pytest.mark.parametrize(
    ("text", "words"), [("# Changelog", "no heading"), ("## 1.0 (2026-13-45)", "2026-13-45 in a heading")]
)
def test_a_changelog_that_cannot_be_read_is_one_sentence(text, words):
    with pytest.raises(BookError, match=words):
        feed.changes(text)
