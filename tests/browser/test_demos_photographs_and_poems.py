"""Demonstrations of notebooks 08, 10 and 16: the GAN playground, a photograph made larger, a quatrain."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Callable
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pypinyin import Style, pinyin

from aigc_lab.widgets.gan_game import Adam, Game, Network
from book.assemble import NOTEBOOKS
from book.demo_page import CACHE
from book.page_models import photographs_and_poems, table
from book.page_models.normals import uniforms

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
SIZES = "() => [document.documentElement.scrollWidth, innerWidth]"


def said(page: Any) -> str:
    return page.locator(".lab-said").inner_text()


def wait_until_said(page: Any, words: str) -> None:
    page.locator(".lab-said", has_text=words).wait_for(timeout=30_000)


@pytest.fixture
def modules(open_page: Callable, bare_pages: str) -> Any:
    """A page that can import the modules of the demonstrations, of which none was started."""
    watched = open_page()
    watched.page.goto(f"http://{bare_pages}/")
    return watched.page


# -- the playground ---------------------------------------------------------------------------------------


class PageRandom:
    """The page's stream of random numbers, with the names of NumPy's generator."""

    def __init__(self, seed: int) -> None:
        self.uniform = uniforms(seed)

    def random(self, shape: tuple[int, ...]) -> np.ndarray:
        return np.array([self.uniform() for _ in range(int(np.prod(shape)))]).reshape(shape)

    def standard_normal(self, shape: tuple[int, ...]) -> np.ndarray:
        pairs = self.random((-(-int(np.prod(shape)) // 2), 2))
        radius, angle = np.sqrt(-2 * np.log(1 - pairs[:, 0])), 2 * np.pi * pairs[:, 1]
        both = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        return both.reshape(-1)[: int(np.prod(shape))].reshape(shape)

    def normal(self, mean: float, spread: float, shape: tuple[int, ...]) -> np.ndarray:
        return mean + spread * self.standard_normal(shape)

    def integers(self, high: int, size: int) -> np.ndarray:
        return np.floor(self.random((size,)) * high).astype(int)


def game_of_the_page(shape: str, seed: int, **rules: Any) -> Game:
    """The package's game, with the page's random numbers in place of NumPy's."""
    game = Game(shape, dtype="float64", **rules)
    game.random = PageRandom(seed)
    game.generator = Network((2, 64, 64, 2), game.random, "float64")
    game.discriminator = Network((2, 64, 64, 1), game.random, "float64")
    game.players = {name: Adam(getattr(game, name).weights) for name in ("discriminator", "generator")}
    game.watched = PageRandom(seed + 1).standard_normal((2000, 2))
    return game


PLAY = """async ([shape, rules, seed, rounds]) => {
  const { Game } = await import("/_static/web/plane_game.js");
  const game = new Game(shape, rules, seed).play(rounds);
  const { fakes, ways } = game.arrows(5);
  return { values: game.values, score: game.score(), fakes: Array.from(fakes), ways: Array.from(ways),
           heat: Array.from(game.heat(4)), weights: Array.from(game.generator.weights[2].slice(0, 9)) };
}"""
GAMES = [
    ("ring of eight", {}),
    ("two moons", {"loss": "saturating", "penalty": 0.1, "generator_steps": 2}),
    ("grid of 25", {"loss": "wasserstein", "penalty": 10, "discriminator_steps": 3}),
    ("line", {"loss": "least squares", "alternating": False, "generator_rate": 0.01}),
    ("one Gaussian", {"loss": "non-saturating", "discriminator_rate": 0.003, "penalty": 1}),
]


def test_the_playground_plays_the_game_of_the_package(modules: Any) -> None:
    """Same seed, same numbers: losses, accuracy, score, weights, fakes, arrows and heat after some rounds."""
    for shape, rules in GAMES:
        # discriminator_steps is discriminatorSteps there.
        named = {re.sub("_(.)", lambda m: m[1].upper(), name): value for name, value in rules.items()}
        found = modules.evaluate(PLAY, [shape, named, 7, 12])
        game = game_of_the_page(shape, 7, **rules).play(12)
        score, (fakes, ways) = game.score(), game.arrows(5)
        assert found["values"] == pytest.approx(game.values, abs=1e-6), shape
        assert (found["score"]["modes"], found["score"]["quality"]) == (score.modes, score.quality), shape
        np.testing.assert_allclose(found["fakes"], fakes.reshape(-1), atol=1e-5)
        np.testing.assert_allclose(found["ways"], ways.reshape(-1), atol=1e-5)
        np.testing.assert_allclose(found["heat"], game.heat(4).reshape(-1), atol=1e-5)
        np.testing.assert_allclose(found["weights"], game.generator.weights[2].reshape(-1)[:9], atol=1e-5)


def test_the_playground_by_keyboard_on_a_phone(demo: Callable, bare_pages: str) -> None:
    watched = demo("gan_game", **PHONE)
    page, canvas = watched.page, watched.page.locator("canvas").first
    play = page.get_by_role("button", name="Play or pause")
    page.get_by_label("rounds in a frame").focus()
    page.keyboard.press("Home")
    play.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => !/Round 0:/.test(document.querySelector('.lab-count').textContent)")
    assert play.get_attribute("aria-pressed") == "true"
    page.keyboard.press("Enter")
    assert said(page).startswith("Paused in round")
    assert "modes covered" in canvas.get_attribute("aria-label")
    page.get_by_role("button", name="Step").focus()
    before = canvas.get_attribute("aria-label")
    page.keyboard.press("Space")
    assert canvas.get_attribute("aria-label") != before
    page.get_by_label("generator's steps in a round").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_label("order").select_option("simultaneous")
    assert said(page).startswith("Simultaneous steps are one of each player")
    page.get_by_label("generator's steps in a round").focus()
    page.keyboard.press("ArrowLeft")
    assert said(page).startswith("Rule changed in round")
    width, screen = page.evaluate(SIZES)
    assert width <= screen
    assert watched.elsewhere(bare_pages) == [] and watched.errors == []


def test_a_game_that_blows_up_ends_in_words(demo: Callable) -> None:
    page = demo("gan_game").page
    page.get_by_role("combobox", name="loss").select_option("wasserstein")
    page.evaluate("() => { Math.sqrt = () => NaN; }")  # at once, what bad rates do after many rounds
    page.get_by_role("button", name="Step").click()
    assert "NaN or infinite" in said(page)
    assert "the game is over" in page.locator("canvas").first.get_attribute("aria-label")


# -- a photograph made larger -----------------------------------------------------------------------------

ENLARGE = """async ([pixels, height, width]) => {
  const { json, session } = await import("/_static/web/core.js");
  const { bicubic, upscale } = await import("/_static/web/enlarge.js");
  const [model, facts] = [await session("super_resolution"), await json("enlarge")];
  const photograph = { pixels: Float32Array.from(pixels, (value) => value / 255), height, width };
  const rule = bicubic(photograph, facts.scale), made = rule.slice();
  await upscale(model, photograph, facts, made);
  return [Array.from(made), Array.from(rule)];
}"""


def png(pixels: np.ndarray, name: str = "mine.png") -> dict[str, Any]:
    """A picture file, as a browser's file input takes it."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": stream.getvalue()}


def test_a_photograph_becomes_what_the_package_makes_of_it(modules: Any) -> None:
    """In several tiles, of which none fits: within one grey level, as the last digit may round otherwise."""
    from aigc_lab.models import stored
    from aigc_lab.models import super_resolution as sr

    small = np.tile(photographs_and_poems.small_photograph()[:60, 100:180], (2, 2, 1))[:97, :130]
    made, rule = modules.evaluate(ENLARGE, [small.ravel().tolist(), *small.shape[:2]])
    large = sr.enlarge(small, 2)
    for found, expected in ((made, sr.upscale(stored.load("super_resolution"), small)), (rule, large)):
        gap = np.abs(np.reshape(found, large.shape) - expected.astype(int))
        assert gap.max() <= 1 and gap.mean() < 0.01
    assert np.abs(np.subtract(made, rule)).mean() > 0.5  # the network did something


def test_a_photograph_of_ones_own_stays_in_the_page(demo: Callable, bare_pages: str) -> None:
    """Chosen while the example is still computed; transparent; then one that is made smaller first."""
    watched = demo("enlarge", **PHONE)
    page, canvas = watched.page, watched.page.locator("canvas")
    sent, choose = len(watched.requests), page.locator("input[type=file]")
    grey = np.tile(np.arange(0, 240, 8, dtype="uint8"), (20, 1))
    choose.set_input_files(png(np.dstack([grey, grey, grey, 255 - grey])))
    wait_until_said(page, "30 × 20 became 60 × 40")
    assert "your photograph, 60 by 40 pixels" in canvas.get_attribute("aria-label")
    page.get_by_label("border").focus()
    page.keyboard.press("End")
    assert "the left 100 %" in canvas.get_attribute("aria-label")
    page.get_by_label("show").select_option("added")
    assert "Map of what the network added" in canvas.get_attribute("aria-label")
    page.locator("select").last.select_option("2")
    choose.set_input_files({"name": "notes.png", "mimeType": "image/png", "buffer": b"no picture"})
    wait_until_said(page, "notes.png is no picture")
    assert "your photograph" in canvas.get_attribute("aria-label")  # the one before stays
    choose.set_input_files(png(np.full((8, 1200, 3), 90, "uint8")))
    wait_until_said(page, "384 × 3 became 768 × 6")
    width, screen = page.evaluate(SIZES)
    assert width <= screen
    assert len(watched.requests) == sent, "something was sent or loaded after a photograph was chosen"
    assert watched.elsewhere(bare_pages) == [] and watched.errors == []


# -- a quatrain -------------------------------------------------------------------------------------------

# Of notebook 16: the table's readings, the patterns, the checker, the masks and the writer.
DEFINED = {
    "MARKS", "poem_lines", "is_quatrain", "tones_of", "level_groups", "every_level_group", "fixed_pattern",
    "START_AND_RHYME", "share_a_group", "modern_finals", "fits_pattern", "fitting_pattern", "rules_kept",
    "VOCABULARY_SIZE", "is_mark", "is_newline", "is_written", "has_tone", "in_group", "LEAST_RHYMES",
    "usable_groups", "permitted", "LINE_MARKS", "write_quatrains",
}  # fmt: skip


def defined_name(node: ast.stmt) -> str:
    """What a statement defines or, as ``table["key"] = …``, adds to; "" for others."""
    if isinstance(node, ast.FunctionDef):
        return node.name
    target = node.targets[0] if isinstance(node, ast.Assign) else None
    target = target.value if isinstance(target, ast.Subscript) else target
    return target.id if isinstance(target, ast.Name) else ""


@pytest.fixture(scope="module")
def notebook() -> dict[str, Any]:
    """What notebook 16 defines to check and to write a quatrain, run in the order of its cells."""
    from aigc_lab.models import stored, transformer

    names: dict[str, Any] = {"np": np, "pd": pd, "re": re, "Style": Style, "pinyin": pinyin}
    names |= {"transformer": transformer, "tone_and_group": photographs_and_poems.readings()}
    names |= {"tang_characters": stored.about("tang_transformer")["characters"]}
    names |= {"tang_model": stored.load("tang_transformer")}
    cells = nbformat.read(NOTEBOOKS / "16_text.ipynb", as_version=4).cells
    for cell in (cell for cell in cells if cell.cell_type == "code"):
        body = [node for node in ast.parse(cell.source).body if defined_name(node) in DEFINED]
        exec(compile(ast.Module(body, []), "16_text.ipynb", "exec"), names)
        if set(names) >= DEFINED:  # what later cells define again is for other kinds of text
            break
    assert set(names) >= DEFINED
    names["quatrain_pattern"] = names["fixed_pattern"]
    return names


WRITE = """async ([wishes, numbers]) => {
  const { session } = await import("/_static/web/core.js");
  const { checked, readTable, write } = await import("/_static/web/poem.js");
  const [model, table] = [await session("tang_transformer"), await readTable()];
  const given = numbers[Symbol.iterator]();
  const poem = await write(model, table, { ...wishes, uniform: () => given.next().value });
  return { ...poem, checked: checked(poem.text, table) };
}"""


def test_a_quatrain_is_the_one_that_the_notebook_writes(modules: Any, notebook: dict[str, Any]) -> None:
    """Given the same random numbers, the page and the notebook's writer choose the same characters."""
    # Not seed 0: one of its numbers lies within a rounding of two characters, so processors differ.
    cases = [(5, 0, 0.8), (5, 3, 1.3), (7, 1, 1.0), (7, 2, 0.0)]
    for seed, (size, kind, temperature) in enumerate(cases, start=1):
        numbers = np.random.default_rng(seed).random(4 * (size + 1) + 1).tolist()
        wishes = {"size": size, "kind": kind, "temperature": temperature}
        found = modules.evaluate(WRITE, [wishes, numbers])
        notebook["pattern_shares"] = np.eye(4)[kind]
        expected = notebook["write_quatrains"](size, 1, seed, temperature=temperature).iloc[0]
        assert found["text"] == expected["poem"]
        assert found["pattern"] == expected["pattern"]
        price = np.mean(expected["price"][:-1])  # the page does not write the line break behind it
        assert found["price"] == pytest.approx(price, abs=1e-3)
        kept = notebook["rules_kept"](found["text"])
        assert kept["all"] and all(each for _, _, each in found["checked"])


CHECK = """async (poems) => {
  const { checked, readTable } = await import("/_static/web/poem.js");
  const table = await readTable();
  return poems.map((poem) => checked(poem, table).map(([, , kept]) => kept));
}"""


def test_the_check_of_the_page_is_that_of_the_notebook(modules: Any, notebook: dict[str, Any]) -> None:
    """Of a poem that keeps every rule, with two lines exchanged, and with its characters shuffled."""
    famous = "白日依山盡，黃河入海流。欲窮千里目，更上一層樓。"
    poems = [famous, "白日依山盡，黃河入海流。更上一層樓，欲窮千里目。"]
    random = np.random.default_rng(0)
    for _ in range(40):
        signs = random.permutation([sign for sign in famous if sign not in "，。"])
        poems.append("".join(f"{''.join(signs[5 * n : 5 * n + 5])}{'，。'[n % 2]}" for n in range(4)))
    rules = ("lengths", "rhyme", "alternation", "opposition", "adhesion", "line ends")
    expected = [[notebook["rules_kept"](poem)[rule] for rule in rules] for poem in poems]
    assert modules.evaluate(CHECK, poems) == expected
    assert all(expected[0]) and not all(expected[1])


LOGITS = """async (tokens) => {
  const { session } = await import("/_static/web/core.js");
  const { logitsAfter } = await import("/_static/web/poem.js");
  return Array.from(await logitsAfter(await session("tang_transformer"), tokens));
}"""


def test_logits_and_sizes_of_files(modules: Any, notebook: dict[str, Any]) -> None:
    tokens = notebook["transformer"].encode("\n白日依山盡，黃河", notebook["tang_characters"])
    decoder = notebook["transformer"].Decoder(notebook["tang_model"])
    expected = [decoder.step(np.array([token])) for token in tokens][-1][0]
    found = modules.evaluate(LOGITS, tokens.tolist())
    assert np.abs(np.subtract(found, expected)).max() < 1e-4
    sizes = {name: table.made(name, CACHE).stat().st_size for name in photographs_and_poems.MODELS}
    assert sizes["tang_transformer.onnx"] + sizes["poem.json"] < 3e6
    assert sizes["super_resolution.onnx"] + sizes["enlarge_photograph.png"] < 3e6


def test_a_quatrain_by_keyboard_on_a_phone(demo: Callable, bare_pages: str) -> None:
    watched = demo("poem", **PHONE)
    page = watched.page
    first = said(page)
    assert "bits a character" in first
    page.get_by_role("button", name="Another poem").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("old => document.querySelector('.lab-said').textContent !== old", arg=first)
    page.get_by_label("form").select_option("7")
    begin = page.get_by_label("first character")
    wishes = {
        "春天": "Give one character",
        "x": "does not know x",
        "，": "does not know",
        "頭": "bits a character",
    }
    for wish, words in wishes.items():
        begin.fill(wish)
        page.keyboard.press("Enter")
        wait_until_said(page, words)
    assert said(page).startswith("頭")
    assert page.locator(".lab-poem tr").count() == 4 and page.locator(".lab-poem td").count() == 4 * 8
    assert page.locator("li", has_text="✓").count() == 6
    width, screen = page.evaluate(SIZES)
    assert width <= screen
    assert watched.elsewhere(bare_pages) == [] and watched.errors == []


# -- what the pages load, without a browser ---------------------------------------------------------------


def test_a_table_without_the_printed_shares_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = nbformat.from_dict({"outputs": [{"text": "90%; 1%"}]})
    monkeypatch.setattr(photographs_and_poems, "_cell", lambda words: cell)
    with pytest.raises(ValueError, match="must print the shares of four patterns"):
        photographs_and_poems.pattern_shares()


def test_the_static_picture_of_the_poem_is_svg(tmp_path: Any) -> None:
    import xml.etree.ElementTree as tree

    photographs_and_poems.poem_picture(tmp_path / "poem.svg")
    drawn = tree.parse(tmp_path / "poem.svg").getroot()
    signs = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert len(signs) == 24 and signs[5::6] == ["，", "。", "，", "。"]
