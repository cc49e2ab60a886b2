"""The report of clean.inspect in a browser: two widths, light and dark, names that try to break out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aigc_lab import clean, collect, corrupt, label

pytestmark = pytest.mark.browser

WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("report")
    rates = {"exact_duplicate": 0.1, "near_duplicate": 0.1, "junk": 0.1, "blur": 0.05, "label_flip": 0.1}
    whole = collect.load("animals")
    chosen = whole[np.random.default_rng(0).permutation(len(whole))[:300]]
    dirty, _ = corrupt.apply(chosen, rates, seed=0)
    long = "a_very_long_name_without_any_space_" * 4
    for number, (image, given) in enumerate(zip(dirty.data, dirty.labels, strict=True)):
        folder = place / "in" / ("<script>alert(1)<" if given < 5 else "b" * 60)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number:03}_<img src=x onerror=alert(1)>_{long}.png")
    target = place / "report.html"
    return clean.inspect(place / "in", target, label_check=label.issues, progress=False).html


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_the_report_reads_well(report: Path, open_page: Callable, viewport, scheme):
    watched = open_page(viewport=viewport, color_scheme=scheme)
    page = watched.page
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    page.goto(report.as_uri())
    width = "document.documentElement.scrollWidth - window.innerWidth"
    assert page.evaluate(width) <= 0, "the page scrolls sideways"
    broken = "[...document.images].filter(one => !one.complete || !one.naturalWidth).length"
    assert page.evaluate(broken) == 0 and page.evaluate("document.images.length") > 50
    assert page.evaluate("document.scripts.length") == 0
    asked = [address for address in watched.requests if not address.startswith(("data:", "file:"))]
    assert asked == [] and watched.errors == []
    # Text against what lies behind it: at least the contrast that WCAG 2.1 (1.4.3) asks for.
    names = (
        "body", ".tile.drop b", ".tile.look b", ".tile.label b", ".part.drop > h2", ".said",
        ".name", ".zh", ".what", ".hint", "a", ".goes .said", ".stays .said", ".number small",
    )  # fmt: skip
    for name, ink, ground in colours(page, names):
        assert contrast(ink, ground) >= 4.5, (name, ink, ground)


def colours(page: Any, names: Iterable[str]) -> list[tuple[str, str, str]]:
    """Of the first element of each selector the colour of its text and of what lies behind it."""
    return page.evaluate(
        """names => names.map(name => {
          const one = document.querySelector(name);
          const ground = element => getComputedStyle(element).backgroundColor;
          let behind = one;
          while (ground(behind) === 'rgba(0, 0, 0, 0)') behind = behind.parentElement;
          return [name, getComputedStyle(one).color, ground(behind)];
        })""",
        list(names),
    )


def contrast(one: str, two: str) -> float:
    """Contrast of two colours ``rgb(r, g, b)``, as WCAG 2.1 defines it."""

    def luminance(colour: str) -> float:
        parts = np.array([float(part) for part in colour[4:-1].split(",")]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    dark, light = sorted((luminance(one), luminance(two)))
    return (light + 0.05) / (dark + 0.05)


def test_the_table_of_issues_can_be_saved(report: Path, open_page: Callable):
    page = open_page(viewport=WIDE, accept_downloads=True).page
    page.goto(report.as_uri())
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Table of all issues").click()
    rows = Path(waiting.value.path()).read_text("utf-8").splitlines()
    assert waiting.value.suggested_filename == "issues.csv"
    assert rows[0].startswith("item,name,detector,score,reason") and len(rows) > 50
    assert not any(row.split(",")[1].lstrip('"').startswith(("=", "+", "-", "@")) for row in rows[1:])
