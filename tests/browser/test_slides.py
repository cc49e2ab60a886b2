"""Slides in a browser: everything fits at 1280 x 720 and can be read from the last row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from book import slides, vendor

pytestmark = pytest.mark.browser

WIDE = {"width": 1280, "height": 720}
SMALLEST = 18  # px
FAULTS = r"""smallest => [...document.querySelectorAll(".slide")].flatMap((slide, number) => {
  const body = slide.querySelector(".body"), found = [], where = `slide ${number + 1}: `;
  for (const box of [slide, body]) {
    if (box.scrollHeight > box.clientHeight + 1) found.push(where + "too tall");
    if (box.scrollWidth > box.clientWidth + 1) found.push(where + "too wide");
  }
  if (!body.children.length && !slide.classList.contains("title")) found.push(where + "empty");
  if (slide.querySelector("mjx-merror")) found.push(where + "a formula with an error");
  const texts = document.createTreeWalker(slide, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    // Indices of a formula are smaller than the formula.
    if (!text.data.trim() || text.parentElement.closest("mjx-container, sub, sup")) continue;
    const size = parseFloat(getComputedStyle(text.parentElement).fontSize);
    if (size < smallest) found.push(`${where}${text.data.trim().slice(0, 30)} in ${size} px`);
  }
  return found;
})"""


@pytest.fixture(scope="module")
def deck(root: Path, cannot_run: Callable, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    folder = tmp_path_factory.mktemp("slides")

    def make(number: str, edition: str = "en") -> Path:
        try:
            modules = vendor.fetch(root / "book" / "_build" / "cache")
        except vendor.FetchError as reason:
            cannot_run(str(reason))
        return slides.write(slides.lab(number), folder, modules, edition)

    return make


def opened(open_page: Callable, page: Path, viewport: dict) -> object:
    watched = open_page(viewport=viewport)
    watched.page.goto(page.as_uri())
    watched.page.locator("body[data-ready]").wait_for(state="attached", timeout=60_000)
    return watched


@pytest.mark.parametrize(("number", "edition"), [("05", "en"), ("18", "en"), ("15", "zh")])
def test_no_slide_overflows_and_all_text_is_large(open_page: Callable, deck: Callable, number, edition):
    watched = opened(open_page, deck(number, edition), WIDE)
    assert int(watched.page.evaluate("document.body.dataset.ready")) > 15
    assert watched.page.evaluate(FAULTS, SMALLEST) == []
    assert watched.errors == [] and watched.failures == []
    assert [address for address in watched.requests if not address.startswith(("file:", "data:"))] == []


def test_what_does_not_fit_is_noticed(open_page: Callable, deck: Callable):
    page = opened(open_page, deck("05"), WIDE).page
    page.evaluate(
        """() => {
          const bodies = document.querySelectorAll(".body");
          bodies[1].insertAdjacentHTML("beforeend", "<div style='height:900px'></div>");
          bodies[2].insertAdjacentHTML("beforeend", "<div style='width:2000px;height:1px'></div>");
          bodies[3].insertAdjacentHTML("beforeend", "<p style='font-size:12px'>small</p>");
        }"""
    )
    found = page.evaluate(FAULTS, SMALLEST)
    for words in ("slide 2: too tall", "slide 3: too wide", "slide 4: small in 12 px"):
        assert words in found


def test_keys_and_buttons_turn_the_slides_and_a_phone_scrolls(open_page: Callable, deck: Callable):
    path = deck("05")
    page = opened(open_page, path, WIDE).page
    for press, at in (("ArrowRight", "2"), ("PageDown", "3"), ("ArrowLeft", "2"), ("Home", "1")):
        page.keyboard.press(press)
        assert page.evaluate("location.hash") == f"#{at}"
        assert page.locator(".slide.shown").count() == 1
    page.get_by_role("button", name="Next slide").click()
    assert page.locator("#count").inner_text().startswith("2 / ")
    phone = opened(open_page, path, {"width": 390, "height": 844}).page
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    assert phone.locator("nav").is_hidden() and phone.locator(".slide").last.is_visible()
