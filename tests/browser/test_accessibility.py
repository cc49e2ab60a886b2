"""axe on a representative set of pages: two widths, light and dark; nothing serious, nothing critical."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from book import slides, vendor

pytestmark = pytest.mark.browser

PAGES = (
    "index",
    "notebooks/05_vae_math",  # formulas, tables, the quiz
    "notebooks/18_audio",
    "article",
    "claims",
    "glossary",
    "prerequisites",
    "questions",
    "teaching",
    "teaching/05_vae_math",
    "zh/notebooks/05_vae_math",
)
SCREENS = {"wide": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}


def findings(page: object) -> list[str]:
    """What axe calls serious or critical: the rule, what it asks for, and the first places."""
    from axe_playwright_python.sync_playwright import Axe

    # Without the details of what is well, which on a page of formulas take as long as the check.
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{each['id']} ({each['impact']}): {each['help']}: "
        + "; ".join(" ".join(map(str, node["target"])) for node in each["nodes"][:5])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize(("screen", "mode"), [("wide", "light"), ("phone", "dark")])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_serious_finding(open_page: Callable, served: str, name: str, mode: str, screen: str):
    page = open_page(viewport=SCREENS[screen], color_scheme=mode).page
    page.goto(f"http://{served}/{name}.html", wait_until="networkidle")
    assert findings(page) == []


@pytest.mark.parametrize("screen", SCREENS)
def test_slides_have_no_serious_finding(
    open_page: Callable, root: Path, cannot_run: Callable, tmp_path: Path, screen: str
):
    try:
        modules = vendor.fetch(root / "book" / "_build" / "cache")
    except vendor.FetchError as reason:
        cannot_run(str(reason))
    page = open_page(viewport=SCREENS[screen]).page
    page.goto(slides.write("05_vae_math", tmp_path, modules).as_uri())
    page.locator("body[data-ready]").wait_for(state="attached", timeout=60_000)
    for number in (1, 2, 5, 12, 20):
        page.evaluate("number => { location.hash = number; }", number)
        page.wait_for_function(
            "number => document.querySelector('#count').textContent.startsWith(number + ' ')"
            if screen == "wide"
            else "number => true",
            arg=number,
        )
        assert findings(page) == [], f"slide {number}"


def test_axe_sees_what_is_wrong(open_page: Callable):
    page = open_page().page
    page.set_content(
        "<html lang=en><title>t</title><main><h1>h</h1><img src='data:,'><button></button></main>"
    )
    assert [found.partition(" ")[0] for found in findings(page)] == ["button-name", "image-alt"]
