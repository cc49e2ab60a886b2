"""A notebook in another language: text from the catalogue, figures as they were drawn when it was run.

While ``tools.run_notebook --in-place`` runs a notebook, every figure with words is drawn a second time in
Chinese; ``keep_figures`` puts these drawings into ``book/chinese/NB/``, named by the hash of the English
picture that the notebook stores, beside ``words.json``, which says what words each figure has. So a Chinese
figure always shows the numbers of the same run, and one that belongs to no stored picture is noticed.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import nbformat

from aigc_lab import language

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
FIGURES = NOTEBOOKS.parent / "book" / "chinese"
WORDS = "words.json"
STATE = "application/vnd.jupyter.widget-state+json"


def pictures(node: nbformat.NotebookNode) -> Iterator[tuple[dict[str, Any], str]]:
    """Where a notebook stores PNG pictures in base64: (the dictionary, its key); outputs, then controls."""
    for cell in node.cells:
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                yield output["data"], "image/png"
    for model in node.metadata.get("widgets", {}).get(STATE, {}).get("state", {}).values():
        for buffer in model.get("buffers", ()):
            if buffer.get("path") == ["value"] and model.get("model_name") == "ImageModel":
                yield buffer, "data"


def name(content: str) -> str:
    """What the Chinese drawing of a stored picture (in base64) is called."""
    return hashlib.sha256(base64.b64decode(content)).hexdigest()[:16]


def keep_figures(kept: Mapping[str, tuple[list[str], bytes | None]], folder: Path) -> None:
    """Write the Chinese drawings of one notebook and the words of its figures; what was there before goes.

    Args:
        kept: name of a stored picture to the words of the figure and its Chinese drawing, if it has words.
        folder: ``book/chinese/NB``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    for key, (_, drawing) in kept.items():
        if drawing is not None:
            (folder / f"{key}.png").write_bytes(drawing)
    words = {key: words for key, (words, _) in kept.items()}  # also of figures without words
    text = json.dumps(dict(sorted(words.items())), ensure_ascii=False, indent=1)
    (folder / WORDS).write_text(text + "\n", encoding="utf-8")


def words_of_figures(stem: str, figures: Path = FIGURES) -> dict[str, list[str]]:
    """The words of each figure of a notebook, by the name of its Chinese drawing."""
    path = figures / stem / WORDS
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def edition(
    node: nbformat.NotebookNode, stem: str, chosen: str, figures: Path = FIGURES
) -> nbformat.NotebookNode:
    """A copy of a notebook in a language: Markdown, alternative texts, controls, players, figures.

    Raises:
        ValueError: there is no edition in this language, or a catalogue is broken.
    """
    node = language.notebook(node, stem, chosen)
    if chosen == "en":
        return node
    translated = partial(language.translated, language=chosen)
    for holder, key in pictures(node):
        drawing = figures / stem / f"{name(holder[key])}.png"
        if drawing.is_file():
            holder[key] = base64.b64encode(drawing.read_bytes()).decode("ascii")
    for cell in node.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "<audio" in data.get("text/html", ""):
                data["text/html"] = language.html(data["text/html"], translated)
            if "image/png" in data and "text/plain" in data:
                data["text/plain"] = translated(data["text/plain"])
    for model in node.metadata.get("widgets", {}).get(STATE, {}).get("state", {}).values():
        model["state"] = language.widget_state(model["state"], translated)
    return node
