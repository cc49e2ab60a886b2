"""Small pictures and short texts, fit to stand in an HTML page."""

from __future__ import annotations

import base64
import contextlib
import io
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np

from aigc_lab.collect.pictures import Unreadable, read_picture

_SIDE = 96  # pixels on the page
_SMALL = 48  # up to this side pixels are shown as they are, enlarged by a whole factor
_EXCERPT = 220  # characters


def picture_uri(picture: np.ndarray, file: Path | None = None) -> tuple[str, bool]:
    """A data URI of a picture, and whether its pixels should be shown as squares.

    Args:
        picture: ``uint8`` ``(height, width[, channels])``, as it was looked at.
        file: where it came from; it is read again for a better view, if that is still possible.
    """
    from PIL import Image

    shown = np.asarray(picture)
    if file is not None:
        with contextlib.suppress(Unreadable):  # gone, or changed since: what was looked at is at hand
            shown, _ = read_picture(file, None, "RGB")
    if shown.ndim == 3 and shown.shape[2] not in (3, 4):
        shown = shown[..., 0]
    image = Image.fromarray(np.ascontiguousarray(shown))
    coarse = max(image.size) <= _SMALL
    if not coarse:
        image.thumbnail((2 * _SIDE, 2 * _SIDE), Image.Resampling.LANCZOS)
    elif image.mode == "RGB" and not np.ptp(np.asarray(image), axis=2).any():
        image = image.convert("L")
    stream, kind = io.BytesIO(), "png" if coarse or image.mode == "RGBA" else "jpeg"
    image.save(stream, kind, **({"optimize": True} if kind == "png" else {"quality": 80}))
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode('ascii')}", coarse


def excerpt(text: Any, length: int = _EXCERPT) -> str:
    """The beginning of a text on one line; characters that show nothing, or steer others, are spelt out."""
    start = str(text)[: length + 1]
    return visible(start[:length]) + ("…" if len(start) > length else "") or "(empty)"


def visible(text: str) -> str:
    """The text with characters that show nothing, or steer others, spelt out."""
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if character in "\r\n\t":
        return " ⏎ " if character == "\n" else " "
    if character in "\u200c\u200d":  # join or part letters and emoji: harmless, and needed
        return character
    # Cf holds the marks that turn the direction of writing: they could make a page lie.
    return (
        f"⟨U+{ord(character):04X}⟩"
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co")
        else character
    )
