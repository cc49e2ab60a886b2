"""Models in the page: what each demonstration promises, and those of the welcome page, 06, 09 and 15."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

from aigc_lab import study
from aigc_lab.models import stored
from book import demos
from book.page_models import vae_and_gan
from book.page_models.normals import normals, uniforms

pytestmark = pytest.mark.browser

WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
SIZES = "() => [document.documentElement.scrollWidth, window.innerWidth]"
GREYS = """canvas => {
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  return Array.from({ length: height }, (_, row) =>
    Array.from({ length: width }, (_, column) => data[4 * (row * width + column)]));
}"""


def greys(page: Any, which: int = 0) -> np.ndarray:
    """The pixels of a canvas, uint8 values ``(height, width)``."""
    return np.array(page.locator("canvas").nth(which).evaluate(GREYS))


def assert_same(shown: np.ndarray, pixels: np.ndarray) -> None:
    """Equal as 8-bit values, up to one step: 1e-4 of a pixel can lie on either side of a half."""
    expected = np.rint(255 * np.clip(pixels, 0, 1))
    assert shown.shape == expected.shape and np.abs(shown - expected).max() <= 1
    assert (shown == expected).mean() > 0.99 and shown.max() > 128


def said(page: Any, words: str) -> str:
    """What the status line says, once it holds the words."""
    line = page.locator(".lab-said", has_text=words)
    line.wait_for()
    return line.inner_text()


def set_slider(page: Any, name: str, value: float) -> None:
    page.get_by_role("slider", name=name).evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }", value
    )


# -- what every demonstration promises ----------------------------------------------------------------------


@pytest.mark.parametrize("entry", demos.demos(), ids=lambda entry: entry["name"])
def test_nothing_is_loaded_before_the_click_and_then_only_what_is_stated(open_page, bare_pages, entry):
    """On a telephone in dark mode: no other host, no error, nothing wider than the screen."""
    watched = open_page(viewport=PHONE, color_scheme="dark")
    page, static = watched.page, f"http://{bare_pages}/_static/"
    page.goto(f"http://{bare_pages}/{entry['name']}.html", wait_until="load")
    before = {address.removeprefix(static) for address in watched.requests[1:]}
    assert before <= {"lab.css", "lab.js", f"models/{entry['picture']}", "data:,"}
    assert page.locator(".lab-demo-picture").is_visible()
    page.locator(".lab-demo-button").click()
    page.locator(".lab-demo-started").wait_for(timeout=30_000)
    # The page itself, and what came before, once each; what a reader may ask for later need not be there yet.
    loaded = {address.removeprefix(static) for address in watched.requests[1:]} - before
    carried = {address for address in loaded if address.startswith(("data:", "blob:"))}
    assert f"web/{entry['name']}.js" in loaded and loaded - carried <= set(demos.files(entry))
    assert watched.elsewhere(bare_pages) == [] and watched.errors == [] and watched.failures == []
    assert page.locator(".lab-demo-picture").is_hidden() and page.locator(".lab-said").inner_text().strip()
    needed, width = page.evaluate(SIZES)
    assert needed <= width, "the page scrolls sideways"
    for canvas in page.locator("canvas").all():
        assert canvas.get_attribute("aria-label").strip()


def test_random_numbers_are_those_of_python(open_page, bare_pages):
    page = open_page().page
    page.goto(f"http://{bare_pages}/welcome.html")
    drawn = page.evaluate(
        """async () => {
          const { normals, uniforms } = await import("/_static/web/core.js");
          const uniform = uniforms(-5);
          return [[...normals(7, 1001)], [...normals(2 ** 31, 4)], Array.from({ length: 9 }, uniform)];
        }"""
    )
    assert np.allclose(drawn[0], normals(7, 1001), atol=1e-6)
    assert np.allclose(drawn[1], normals(2**31, 4), atol=1e-6)
    uniform = uniforms(-5)
    assert drawn[2] == [uniform() for _ in range(9)]


@pytest.mark.parametrize("missing", ["*.wasm.gz", "cats.onnx", "welcome.js"])
def test_what_does_not_load_leaves_the_picture_and_one_sentence(open_page, bare_pages, missing):
    page = open_page().page
    page.route(f"**/{missing}", lambda route: route.abort())
    page.goto(f"http://{bare_pages}/welcome.html")
    page.locator(".lab-demo-button").click()
    page.locator(".lab-demo-line", has_text="could not start here").wait_for()
    assert page.locator(".lab-demo-picture").is_visible() and not page.locator(".lab-demo-root").count()
    assert not page.locator(".lab-demo-button").count()


def test_a_runtime_that_the_server_unpacks_is_taken_as_it_is(open_page, bare_pages):
    """Some servers send .gz files as what they hold; the browser has then unpacked them."""
    page = open_page().page

    def unpacked(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, headers={**answer.headers, "content-encoding": "gzip"})

    page.route("**/*.wasm.gz", unpacked)
    page.goto(f"http://{bare_pages}/labelled.html")
    page.locator(".lab-demo-button").click()
    page.locator(".lab-demo-started").wait_for()


# -- in the built site ------------------------------------------------------------------------------------


def test_the_welcome_page_of_the_site_draws_a_cat_and_states_the_size(open_page, served):
    watched = open_page(viewport=WIDE)
    watched.page.goto(f"http://{served}/index.html")
    button = watched.page.locator(".lab-demo-button")
    assert re.search(r"Try it in this page · 在本页试试 \([45]\.\d MB\)", button.inner_text())
    assert button.bounding_box()["y"] < WIDE["height"], "the first thing that a visitor can do"
    button.click()
    said(watched.page, "Drawn from seed")
    assert watched.elsewhere(served) == [] and watched.errors == [] and watched.failures == []


def test_without_a_server_the_page_says_what_is_needed(open_page, site):
    watched = open_page(viewport=WIDE)
    watched.page.goto((site / "index.html").as_uri())
    words = watched.page.locator(".lab-demo-line").inner_text()
    assert "python -m http.server" in words and "服务器" in words
    assert not watched.page.locator(".lab-demo-button").count() and watched.errors == []


# -- the welcome page ---------------------------------------------------------------------------------------


def test_a_cat_of_the_page_is_the_cat_of_python(demo):
    page = demo("welcome").page
    set_slider(page, "Cat · 第几只", 3)
    set_slider(page, "Direction 2", 1.5)
    table = vae_and_gan.cats()
    seed = int(re.search(r"seed (\d+)", said(page, f"seed {table['seeds'][2]} ")).group(1))
    mapping, drawing = vae_and_gan.cat_networks()
    point = np.asarray(mapping([normals(seed, 64)[None]])) + 1.5 * table["directions"][1].astype("float32")
    page.wait_for_function("() => document.querySelectorAll('output')[2].textContent === '1.5'")
    assert_same(greys(page), np.asarray(drawing(point))[0, ..., 0])
    # And without a shift the two parts are the stored model.
    latent = normals(seed, 64)[None]
    whole = stored.load("drawings_gan").decode(latent)
    assert np.allclose(np.asarray(drawing(mapping([latent]))), whole, atol=1e-5)


def test_the_welcome_page_works_by_keyboard_alone(open_page, bare_pages):
    page = open_page().page
    page.goto(f"http://{bare_pages}/welcome.html")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    seeds = vae_and_gan.cats()["seeds"]
    said(page, f"seed {seeds[20]} ")
    for _ in range(2):  # the button "Another cat", then the slider
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    said(page, f"seed {seeds[21]} ")
    before = greys(page)
    page.keyboard.press("Tab")
    for _ in range(9):
        page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => document.querySelectorAll('output')[1].textContent === '-0.9'")
    assert (greys(page) != before).any()


# -- notebook 06: the plane through three cats ------------------------------------------------------------


def test_the_plane_is_drawn_as_python_draws_it_by_pointer_and_by_keyboard(demo):
    page = demo("latent_map", viewport=PHONE).page
    plane, decode = vae_and_gan.plane(), stored.load("drawings_vae").decode

    def drawing(right: float, up: float) -> np.ndarray:
        code = plane["origin"] + right * plane["across"] + up * plane["along"]
        return decode(code[None])[0, ..., 0]

    assert_same(greys(page, 1), drawing(0.5, 0.4))
    # The background: the tile at the lower left, dimmed.
    side = 28 * vae_and_gan.TILES
    tile = 0.6 * drawing(0.5 / vae_and_gan.TILES, 0.5 / vae_and_gan.TILES)
    assert_same(greys(page)[side - 28 :, :28], tile)
    page.locator("canvas").first.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
    said(page, "A 28 %, B 35 %, C 37 %")
    assert_same(greys(page, 1), drawing(0.52, 0.42))
    box = page.locator("canvas").first.bounding_box()
    page.mouse.click(box["x"] + 0.2 * box["width"], box["y"] + 0.8 * box["height"])
    said(page, "A 100 %")


# -- notebook 09: a label and a temperature ---------------------------------------------------------------


def test_what_is_asked_for_is_drawn_as_python_draws_it(demo):
    page = demo("labelled").page
    page.get_by_role("combobox", name="Class").select_option(label="horse 马")
    set_slider(page, "First seed", 11)
    set_slider(page, "Temperature", 1.2)
    said(page, "horse 马, temperature · 温度 1.2, seeds · 种子 11–18")
    latent = np.float32(1.2) * np.stack([normals(seed, 16) for seed in range(11, 19)])
    pixels = stored.load("labelled_vae").decode(latent, np.full(8, 4))[..., 0]
    rows = pixels.reshape(2, 4, 28, 28).transpose(0, 2, 1, 3).reshape(56, 112)  # -> (2 * h, 4 * w)
    assert_same(greys(page), rows)
    page.get_by_role("button", name="Eight others").press("Enter")
    said(page, "19–26")


def test_class_names_of_the_page_are_those_of_the_model():
    script = (demos.BOOK / "web" / "labelled.js").read_text(encoding="utf-8")
    names = json.loads(re.search(r"CLASSES = (\[.+\]);", script).group(1))
    assert [name.split()[0] for name in names] == stored.about("labelled_vae")["classes"]


# -- notebook 15: stored samples --------------------------------------------------------------------------


def test_samples_of_a_corruption_are_those_that_the_study_stored(demo):
    page = demo("corruption").page
    page.get_by_role("combobox", name="Corruption").select_option("label_flip")
    page.get_by_role("slider", name="Severity").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    words = said(page, "severity · 程度 0.4")
    table, _ = study.stored("data_quality")
    kid = study.values(table, "kid", "gan", "label_flip", 0.4).mean()
    assert "label flip 标签错误" in words and f"KID {kid:.3f}" in words
    samples = study.stored_samples("data_quality")["label_flip", 0.4]
    rows = samples.reshape(4, 6, 28, 28).transpose(0, 2, 1, 3).reshape(112, 168)  # -> (4 * h, 6 * w)
    assert np.abs(greys(page) - rows.astype(float)).max() <= 9  # stored in 16 greys
