"""The model card: what a stranger must know before using the model (Mitchell et al. 2019, arXiv 1810.03993).

Introduced in notebook 00.
"""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from aigc_lab.collect.atomic import atomic_write
from aigc_lab.collect.dataset import Card

_PACKAGES = ("keras", "tensorflow", "numpy", "onnx", "onnxruntime")
_INTENDED = (
    "Teaching and experiments: drawing new pictures of the kind it was trained on, and studying how the "
    "quality of the data shows in them."
)


def model_card(
    path: str | os.PathLike[str],
    *,
    title: str,
    data_card: Card | str,
    defects_found: Any,
    scores: Any,
    seeds: Sequence[int],
    training: Mapping[str, Any],
    limits: Sequence[str],
    licence: str,
    intended_use: str = _INTENDED,
    date: str | None = None,
) -> Path:
    """Write a model card in Markdown.

    Args:
        path: a file, or the folder of an export (the card becomes ``model_card.md`` in it, and lists
            the exported files with their hashes).
        title: the model's name.
        data_card: the ``Card`` of the data set, or text.
        defects_found: a pandas table, a mapping from defect to count, or text (such as the report of
            ``clean.apply``).
        scores: a pandas table, a mapping from score to value or to ``(value, low, high)``, or text.
        seeds: seeds of all trainings behind the scores.
        training: facts such as ``{"epochs": 20, "latent size": 16, "device": "2 CPU cores"}``.
        limits: what the model cannot do or should not be used for, one sentence each; at least one.
        licence: licence of the weights.
        intended_use: what it is for.
        date: ``YYYY-MM-DD``; today (UTC) where it is not given.

    Returns:
        The path of the card. The file is whole or not there at all.

    Raises:
        ValueError: an empty title, licence, seeds, scores or limits: a card without them says nothing.
        OSError: the file cannot be written.
    """
    for name, value in {"title": title, "licence": licence}.items():
        if not str(value).strip():
            raise ValueError(f"a model card needs a {name}; state it")
    limits = [limits] if isinstance(limits, str) else list(limits)
    for name, count in {"limits": len(limits), "seeds": len(seeds), "scores": len(scores)}.items():
        if not count:
            raise ValueError(f"a model card needs {name}; state at least one")
    path = Path(path)
    if path.is_dir():
        path = path / "model_card.md"
    sections = {
        "Intended use": intended_use,
        "Data": _bullets(data_card.to_text().splitlines()) if isinstance(data_card, Card) else str(data_card),
        "Defects found in the data": _block(defects_found, ("defect", "items")),
        "Training": _block(training, ("setting", "value")),
        "Scores": _block(scores, ("score", "value"))
        + f"\n\nSeeds: {', '.join(str(int(seed)) for seed in seeds)}. Brackets are intervals (low to high).",
        "Limits": _bullets(limits),
        "Licence of the weights": licence,
        "Exported files": _files(path.parent / "export.json"),
        "Versions": _block(versions(), ("package", "version")),
    }
    day = date or datetime.now(UTC).strftime("%Y-%m-%d")
    text = f"# Model card: {title}\n\nWritten by AIGC Lab on {day}.\n"
    text += "".join(f"\n## {name}\n\n{body.strip()}\n" for name, body in sections.items() if body.strip())
    with atomic_write(path) as stream:
        stream.write(text.encode("utf-8"))
    return path


def versions() -> dict[str, str]:
    """The versions of Python, of this package and of what computes the numbers."""
    import aigc_lab

    found = {"python": platform.python_version(), "aigc-lab": aigc_lab.__version__}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _block(value: Any, heads: tuple[str, str]) -> str:
    """A pandas table or a mapping as a Markdown table; text as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        rows = [(name, item) for name, item in value.items()]
        return _table(heads, rows) if rows else "None."
    if hasattr(value, "columns"):
        index = value.index.name
        named = value.reset_index() if index else value
        return (
            _table([str(name) for name in named.columns], named.itertuples(index=False))
            if len(value)
            else "None."
        )
    raise ValueError(f"the card takes a table, a mapping or text, got {type(value).__name__}")


def _table(heads: Sequence[str], rows: Any) -> str:
    lines = [_row(heads), "|" + " --- |" * len(heads)]
    return "\n".join([*lines, *(_row(row) for row in rows)])


def _row(cells: Any) -> str:
    return "| " + " | ".join(_cell(value) for value in cells) + " |"


def _cell(value: Any) -> str:
    if all(hasattr(value, part) for part in ("value", "low", "high")):
        value = (value.value, value.low, value.high)
    if isinstance(value, (tuple, list)) and len(value) == 3:
        middle, low, high = (_cell(number) for number in value)
        return f"{middle} [{low} to {high}]"
    if isinstance(value, float) or hasattr(value, "dtype"):
        number = float(value)
        if math.isnan(number):
            return "not measured"
        return f"{number:.0f}" if number.is_integer() and abs(number) < 1e15 else f"{number:.4g}"
    # A bar ends a cell and a line break ends a row.
    return " ".join(str(value).replace("|", "\\|").split())


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join("- " + " ".join(str(line).split()) for line in lines)


def _files(manifest: Path) -> str:
    if not manifest.is_file():
        return ""
    files = json.loads(manifest.read_text(encoding="utf-8"))["files"]
    rows = [
        (each["name"], f"{each['bytes'] / 1e6:.2f} MB", f"{each['largest_difference']:.1e}", each["sha256"])
        for each in files.values()
    ]
    return _table(("file", "size", "largest difference from the model", "SHA-256"), rows)
