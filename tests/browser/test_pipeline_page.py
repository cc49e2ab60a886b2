"""The report of the pipeline in a browser: two widths, light and dark, names that try to break out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_report import colours, contrast

from aigc_lab import collect, corrupt, pipeline

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pipeline")
    whole = collect.load("animals")
    chosen = whole[np.random.default_rng(0).permutation(len(whole))[:200]]
    dirty, _ = corrupt.apply(chosen, {"exact_duplicate": 0.1, "junk": 0.05, "label_flip": 0.1}, seed=0)
    long = "a_very_long_name_without_any_space_" * 4
    for number, (image, given) in enumerate(zip(dirty.data, dirty.labels, strict=True)):
        folder = place / "in <u>" / ("<script>alert(1)<" if given < 5 else "类" * 40)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number:03}_<img src=x onerror=alert(1)>_{long}.png")
    (place / "in <u>" / "类" / "x.txt").parent.mkdir()
    (place / "in <u>" / "类" / "x.txt").write_text("no image")
    return pipeline.run(place / "in <u>", place / "out", steps=5, progress=False).page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_reads_well(report: Path, open_page: Callable, width: int, scheme: str):
    watched = open_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = watched.page
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    page.goto(report.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, (
        "it scrolls sideways"
    )
    broken = "[...document.images].filter(one => !one.complete || !one.naturalWidth || !one.alt).length"
    assert page.evaluate(broken) == 0 and page.evaluate("document.images.length") > 10
    assert page.evaluate("document.scripts.length") == 0
    asked = [address for address in watched.requests if not address.startswith(("data:", "file:"))]
    assert asked == [] and watched.errors == []
    sheet = page.locator("img.sheet").last.bounding_box()
    assert sheet["width"] >= 0.75 * width - 100 or sheet["width"] >= 560, "the samples are too small to see"
    names = (
        "body", ".tile.drop b", ".said", ".name", ".zh", ".what", ".hint", "a", ".count", "dt",
        ".verdict", ".verdict.poor", ".numbers", "figcaption", "code",
    )  # fmt: skip
    for name, ink, ground in colours(page, names):
        assert contrast(ink, ground) >= 4.5, (name, ink, ground)


def test_the_page_links_to_all_issues_and_to_the_decisions(report: Path, open_page: Callable):
    page = open_page(viewport={"width": 1280, "height": 900}).page
    page.goto(report.as_uri())
    page.get_by_role("link", name="inspection.html").click()
    assert page.get_by_role("heading", name="Proposed to drop").is_visible()
    page.go_back()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="decisions.csv").click()
    assert Path(waiting.value.path()).read_text("utf-8").startswith("name,proposed,decision,by,why")
