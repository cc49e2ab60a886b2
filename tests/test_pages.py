"""Written pages: the examples of the prerequisites run, the resources are well formed."""

from __future__ import annotations

import contextlib
import io
import re
import textwrap
from urllib.parse import urlsplit

from book import assemble, classroom_pages, resources

PAGES = assemble.BOOK / "pages"
EXAMPLE = re.compile(r"^```python\n(.*?)^```\n\n((?: {4}[^\n]*\n)+)", re.MULTILINE | re.DOTALL)


def test_every_example_of_the_prerequisites_prints_what_stands_below_it():
    text = (PAGES / "prerequisites.md").read_text(encoding="utf-8")
    examples = EXAMPLE.findall(text)
    assert len(examples) == text.count("```python") >= 7
    names: dict = {}
    for code, stated in examples:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(code, "prerequisites.md", "exec"), names)
        assert said.getvalue() == textwrap.dedent(stated), code


def test_every_topic_has_a_section_and_a_place_to_link_to():
    text = (PAGES / "prerequisites.md").read_text(encoding="utf-8")
    places = re.findall(r'^<span id="(\w+)"></span>\n\n## ', text, re.MULTILINE)
    assert places == list(classroom_pages.TOPICS)
    assert "%QUIZ%" in text


def test_each_resource_says_what_it_adds_and_is_linked_once_over_https():
    levels = resources.resources()
    entries = [entry for found in levels.values() for entry in found]
    assert list(levels) == ["beginner", "intermediate", "advanced"] and len(entries) <= 40
    assert {entry["kind"] for entry in entries} == {"book", "course", "paper", "tool"}
    links = [urlsplit(entry["link"]) for entry in entries]
    for link in links:
        assert link.scheme == "https" and "." in link.netloc and not link.query and not link.fragment, link
    assert len({(link.netloc, link.path.rstrip("/")) for link in links}) == len(links)
    assert sum("in Chinese" in entry["name"] or "Mandarin" in entry["name"] for entry in entries) >= 3
    for language, stop in (("en", "."), ("zh", "。")):
        page = resources.page(language)
        for entry in entries:
            assert entry["link"] in page and entry[language].endswith(stop) and entry[language] in page
            assert entry[language].count(stop) == 1
