"""Demonstrations: models that run in the page. ``demos.yml`` says which, where they stand and what they load.

A page holds the words and a static picture; ``assets/lab.js`` puts a button below them, and only when a
reader presses it are ``web/NAME.js``, the runtime and the models loaded.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any

import nbformat
import yaml

from book import languages
from book.vendor import RUNTIME, BookError

BOOK = Path(__file__).resolve().parent
LARGEST = {"runtime": 4.0, "models": 3.0}  # MB that one demonstration may load


def demos() -> list[dict[str, Any]]:
    """The entries of ``demos.yml``."""
    return yaml.safe_load((BOOK / "demos.yml").read_text(encoding="utf-8"))


def files(demo: dict[str, Any]) -> list[str]:
    """What a demonstration loads after the click, below ``_static``; last what it loads only when asked."""
    runtime = [f"vendor/onnxruntime/{name}" for name in RUNTIME] if _runs_a_model(demo) else []
    scripts = [f"web/{name}.js" for name in ("core", demo["name"], *demo.get("scripts", ()))]
    return [*scripts, *runtime, *(f"models/{name}" for name in (*demo["models"], *demo.get("later", ())))]


def _runs_a_model(demo: dict[str, Any]) -> bool:
    return any(name.endswith(".onnx") for name in demo["models"])


def block(demo: dict[str, Any], static: str, language: str = "en") -> str:
    """The HTML of a demonstration before it is started; ``static`` leads from the page to ``_static/``."""
    zh = '<span lang="zh-Hans">{}</span>'
    title, intro, alt = escape(demo["title"]), escape(demo["intro"]), demo["alt"]
    name = escape(demo["chinese" if language == "zh" else "title"])
    if language == "zh":
        title, intro = escape(demo["chinese"]), escape(demo["intro_chinese"])
        alt = demo["alt_chinese"]
    else:
        title += f" · {zh.format(escape(demo['chinese']))}"
        intro += f" {zh.format(escape(demo['intro_chinese']))}"
    loads = " ".join(static + name for name in files(demo))
    lines = [
        f'<div class="lab-demo" data-demo="{demo["name"]}" data-title="{name}" '
        f'data-megabytes="{demo["name"]}" data-loads="{loads}">',
        f'<p class="lab-demo-title">{title}</p>',
        f"<p>{intro}</p>",
        f'<img class="lab-demo-picture dark-light" src="{static}models/{demo["picture"]}" '
        f'alt="{escape(alt)}">',
        "</div>",
    ]
    # One block of HTML for Markdown: without an empty line.
    return "\n".join(lines)


def place(notebook: nbformat.NotebookNode, name: str, language: str = "en") -> None:
    """Put the demonstrations of a notebook after the headings that ``demos.yml`` names.

    Raises:
        BookError: the notebook has no such heading.
    """
    for demo in demos():
        if demo["page"] != name:
            continue
        heading = re.compile(rf"^#+ {re.escape(demo['after'])}$", re.MULTILINE)
        cells = enumerate(notebook.cells)
        found = [at for at, cell in cells if cell.cell_type == "markdown" and heading.search(cell.source)]
        if not found:
            raise BookError(
                f"book/demos.yml puts {demo['name']} after {demo['after']!r}, which is no heading of {name}; "
                "name another."
            )
        cell = nbformat.v4.new_markdown_cell(block(demo, "../_static/", language))
        notebook.cells.insert(found[0] + 1, cell)


def state_sizes(site: Path) -> None:
    """Write into each page how many MB its demonstrations load.

    Raises:
        BookError: a demonstration loads more than is allowed.
    """
    for demo in demos():
        loaded = {name: (site / "_static" / name).stat().st_size / 1e6 for name in files(demo)}
        parts = {
            "runtime": sum(size for name, size in loaded.items() if name.startswith("vendor/")),
            "models": sum(size for name, size in loaded.items() if name.startswith("models/")),
        }
        for part, size in parts.items():
            if size > LARGEST[part]:
                raise BookError(
                    f"The demonstration {demo['name']} loads {size:.1f} MB of {part}, more than "
                    f"{LARGEST[part]:g} MB: make it smaller."
                )
        name = f"{demo['page'] if demo['page'] == 'index' else 'notebooks/' + demo['page']}.html"
        words = f'data-megabytes="{demo["name"]}"'
        first = list(loaded.values())[: len(loaded) - len(demo.get("later", ()))]
        stated = f'data-megabytes="{max(0.1, sum(first)):.1f}"'
        for page in (site / name, site / languages.FOLDER / name):
            page.write_text(page.read_text(encoding="utf-8").replace(words, stated), encoding="utf-8")
