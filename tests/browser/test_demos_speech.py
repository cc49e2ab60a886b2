"""Demonstration of notebook 27: a digit drawn from noise, its sound, what the judge hears; as in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from aigc_lab import evaluate, sound
from aigc_lab.evaluate import spoken
from book.demo_page import CACHE
from book.page_models import table
from book.page_models.normals import normals, uniforms

pytestmark = pytest.mark.browser

SEVEN_OF_LUCAS = 6 * 7 + 2
SHAPE = (1, spoken.FRAMES, sound.BANDS, 1)

DRAW = """async ([label, guidance, seed, steps]) => {
  const { digitModel, drawn } = await import("/_static/web/spoken_digit.js");
  const model = await digitModel();
  const levels = await drawn(model, label, guidance, seed, steps);
  return [Array.from(levels), await model.judged(levels)];
}"""
RESYNTHESE = """async ([levels, iterations]) => {
  const { digitModel } = await import("/_static/web/spoken_digit.js");
  const { fromPicture } = await import("/_static/web/sound.js");
  const { undo } = await digitModel();
  return Array.from(fromPicture(Float32Array.from(levels), undo, iterations, 5));
}"""


class PageNumbers:
    """A generator whose uniform numbers are those of the page."""

    def __init__(self, seed: int) -> None:
        self.following = uniforms(seed)

    def uniform(self, low: float, high: float, shape: tuple[int, ...]) -> np.ndarray:
        drawn = [self.following() for _ in range(int(np.prod(shape)))]
        return low + (high - low) * np.reshape(drawn, shape)


def test_the_page_draws_and_judges_as_the_package(demo: Callable) -> None:
    from aigc_lab.models import stored
    from aigc_lab.models.diffusion import LATEST

    page, model = demo("spoken_digit").page, stored.load("digits_diffusion")
    for guidance, seed in ((2.0, 1), (1.0, 4)):
        levels, heard = page.evaluate(DRAW, [SEVEN_OF_LUCAS, guidance, seed, 6])
        found, noise = np.reshape(levels, SHAPE).astype("float32"), normals(seed, int(np.prod(SHAPE)))
        how = {"steps": 6, "sampler": "heun", "guidance": guidance}
        expected = model.follow(noise.reshape(SHAPE), LATEST, SEVEN_OF_LUCAS, np.random.default_rng(0), **how)
        assert np.abs(found - expected).max() < 1e-3
        for part, among in (("digits", "spoken-digits"), ("speakers", "speakers")):
            assert heard[part] == pytest.approx(evaluate.classify(found, among)[0], abs=1e-3)


def word() -> np.ndarray:
    """The picture of a made-up word: three voices that glide, and a hiss at its end."""
    times = np.arange(spoken.LENGTH) / spoken.RATE
    voices = sum(np.sin(2 * np.pi * k * (180 * times + 60 * times**2)) / k for k in (1, 4, 9))
    hiss = np.random.default_rng(0).standard_normal(len(times)) * (times > 0.4)
    wave = voices * np.hanning(len(times)) + 0.2 * hiss * np.hanning(len(times))
    return spoken.pictures((0.2 * wave).astype("float32")[None])


def fit(wave: np.ndarray, picture: np.ndarray) -> float:
    """Mean error of the wave's own picture."""
    return float(np.abs(spoken.pictures(np.asarray(wave, "float32")[None]) - picture).mean())


def test_the_phase_is_found_as_by_the_package(demo: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    page, picture = demo("spoken_digit").page, word()
    monkeypatch.setattr(np.random, "default_rng", lambda seed: PageNumbers(5))
    for iterations in (1, 20):
        found = page.evaluate(RESYNTHESE, [picture.ravel().tolist(), iterations])
        assert np.abs(found - spoken.waves(picture, iterations)[0]).max() < 1e-3
    # The page computes in float64, the package in float32. The search makes a difference in rounding larger
    # with each step; after all 60 the waves may differ by some thousandths, and are equally good.
    found = page.evaluate(RESYNTHESE, [picture.ravel().tolist(), 60])
    assert np.abs(found - spoken.waves(picture)[0]).max() < 2e-2
    assert fit(found, picture) == pytest.approx(fit(spoken.waves(picture)[0], picture), abs=1e-3)


def test_by_keyboard_alone_a_digit_is_asked_for_and_heard(demo: Callable, bare_pages: str) -> None:
    watched = demo("spoken_digit", viewport={"width": 390, "height": 844}, color_scheme="dark")
    page, said = watched.page, watched.page.locator(".lab-said")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("audio").evaluate("player => player.paused && player.readyState > 0")
    page.get_by_role("combobox", name="Digit").select_option("3 三")
    page.get_by_role("combobox", name="Voice").select_option("theo")
    page.get_by_role("slider", name="take").press("ArrowRight")
    page.get_by_role("slider", name="guidance").press("ArrowLeft")
    page.get_by_role("button", name="Say it").press("Enter")
    page.get_by_role("img", name="Spectrogram of 3 三 in the voice of theo, take 2").wait_for()
    said.filter(has_text="The judge hears").wait_for()
    player = page.locator('audio[aria-label="Sound: 3 三 in the voice of theo, take 2"]')
    assert player.evaluate("player => player.duration") == pytest.approx(0.64, abs=0.01)
    page.wait_for_function("player => player.currentTime > 0.1", arg=player.element_handle(), timeout=20_000)
    assert watched.elsewhere(bare_pages) == [] and not watched.errors and not watched.failures


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (
            "delete window.WebAssembly",
            "This could not start here, so the picture stays (this browser runs no",
        ),
        ("HTMLMediaElement.prototype.canPlayType = () => ''", "This browser plays no WAV sound"),
    ],
)
def test_a_browser_that_lacks_something_gets_a_sentence(
    open_page: Callable, bare_pages: str, missing: str, words: str
) -> None:
    watched = open_page()
    watched.page.add_init_script(missing)
    watched.page.goto(f"http://{bare_pages}/spoken_digit.html")
    assert not [
        each for each in watched.requests if "/models/" in each and "onnx" in each
    ]  # before the click
    watched.page.locator(".lab-demo-button").click()
    watched.page.get_by_text(words).wait_for(timeout=30_000)
    assert not watched.errors and watched.page.locator("audio").count() == 0


def test_what_the_page_loads_stays_small() -> None:
    names = ("digits_diffusion.onnx", "digits_judge.onnx", "digits.json")
    assert sum(table.made(name, CACHE).stat().st_size for name in names) < 1.6e6


def test_the_way_back_from_mel_bands_is_that_of_the_package() -> None:
    from book.page_models import speech

    found: Any = speech.undo()
    triangles = sound.mel_matrix(spoken.RATE)
    assert found.shape == (sound.BANDS, sound.SIZE // 2 + 1)
    assert found @ triangles == pytest.approx(np.eye(sound.BANDS), abs=1e-4)
