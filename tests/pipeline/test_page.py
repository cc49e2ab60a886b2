"""The page of a run: everything that was found is told, escaped, and needs nothing beside it."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from aigc_lab.collect.dataset import Dataset, own_card
from aigc_lab.evaluate import Score
from aigc_lab.pipeline import ISSUE_COLUMNS, Result, Row, Seen, Trained, decide
from aigc_lab.pipeline.page import _curve, write_page


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += " ".join(data.split()) + " "


@pytest.fixture(scope="module")
def page(done) -> Page:
    return Page(done.page.read_text("utf-8"))


def test_the_page_tells_what_was_found_kept_trained_and_measured(page: Page, done):
    for words in (
        "124 images looked at", "Exact copies", "conditional VAE", "30, 32 images each", "zz wrong.png",
        "my own <i>drawings</i>", "held-out ELBO, nats per image", "labelled disc, looks like square",
        "generator.onnx", "each also mirrored", "shapes <b>& more", "notes.txt", "class as asked",
    ):  # fmt: skip
        assert words in page.text, words
    for row in done.rows:
        assert row.about in page.text and row.verdict in page.text
    assert all(digest in page.text for _, _, digest in done.files)
    assert "Open question" not in page.text and "not answered" not in page.text


def test_it_stands_alone(page: Page):
    images = [given for tag, given in page.tags if tag == "img"]
    assert len(images) > 8 and all(one["src"].startswith("data:image/") and one["alt"] for one in images)
    assert not any(tag in ("script", "iframe", "object", "link", "i", "b>") for tag, _ in page.tags)
    links = {given["href"] for tag, given in page.tags if tag == "a"}
    assert links == {"inspection.html", "decisions.csv"}
    assert not any(name.startswith("on") for _, given in page.tags for name in given)


def test_the_sheet_has_a_row_for_each_class(done):
    with Image.open(done.output / "samples.png") as sheet:
        assert sheet.size == (10 * 34, 2 * 34) and sheet.mode == "RGB"


def made(kind: str, items, drawn, tmp_path: Path, **more) -> Page:
    names = tuple(f"row {place}" for place in range(len(items)))
    issues = pd.DataFrame([(1, "row 1", "odd_thing", 1.0, "like item 0", 0, "", True)], columns=ISSUE_COLUMNS)
    seen = Seen(kind, items, names, own_card("<b>mine</b>"), issues, **more.pop("seen", {}))
    curve = pd.DataFrame({"step": [1, 2, 3], "loss": [3.0, 1.0, 1.0]})
    trained = Trained(None, {"model": "<i>"}, curve, ("a note <u>",))
    rows = (
        Row("gap", Score(2, 1, 3), Score(0, -1, 1), "lower", "about <s>"),
        Row("x", None, None, "lower", "why not"),
    )
    result = Result(
        seen, decide(seen), items, items, tmp_path, trained, drawn, rows, (("a.json", 3, "f" * 64),)
    )
    write_page(replace(result, **more), tmp_path)
    return Page((tmp_path / "report.html").read_text("utf-8"))


def test_texts_and_what_may_be_personal(tmp_path: Path):
    texts = Dataset(["see <you>", "call 555\u202e now", "three"], card=own_card("x", "text"))
    page = made("text", texts, texts, tmp_path)
    assert "see <you>" in page.text and "call 555⟨U+202E⟩ now" in page.text and "like row 0" in page.text
    assert "Odd thing" in page.text and "Open question:" in page.text and "why not" in page.text
    secret = pd.DataFrame([(1, "row 1", "personal_data", 1.0, "phone", -1, "", False)], columns=ISSUE_COLUMNS)
    seen = Seen("text", texts, ("a", "b", "c"), own_card("x"), secret)
    write_page(Result(seen, decide(seen), texts, texts, tmp_path, too_few="only three"), tmp_path)
    text = Page((tmp_path / "report.html").read_text("utf-8")).text
    assert (
        "call 5" not in text
        and "not shown, because it may hold personal data" in text
        and "only three" in text
    )


def test_a_table_with_what_was_mended(tmp_path: Path):
    table = pd.DataFrame({"a": [1, 2, 3], "b <x>": ["=1", "y", None]} | {f"c{n}": 0 for n in range(9)})
    fix = pd.DataFrame(
        [(1, "b <x>", "Y", "y", "case")], columns=["item", "column", "before", "after", "reason"]
    )
    page = made("table", table, table, tmp_path, seen={"fixes": fix}, licence="CC0")
    assert "row 1 b <x>" in page.text and "Y → y: case" in page.text and "CC0" in page.text
    heads = [tag for tag, given in page.tags if tag == "th" and given.get("scope") == "col"]
    assert len(heads) == 2 * 8 + 2


def test_a_course_says_whether_it_had_ended():
    falling = pd.DataFrame({"step": np.arange(1, 11), "loss": np.arange(10, 0, -1.0)})
    assert (
        _curve(falling)["words"]
        == "loss: 10 at step 1, 1 at 10. It was still changing when the time was over."
    )
    assert "levelled off" in _curve(falling.assign(loss=[9, 5, 3, 2, 1, 1, 1, 1, 1, 1]))["words"]
    assert _curve(falling.head(1)) is None and _curve(None) is None
