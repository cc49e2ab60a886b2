"""Texts that say nothing. Introduced in notebook 02."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aigc_lab.clean.findings import findings_table
from aigc_lab.clean.text.forms import as_texts
from aigc_lab.collect.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

_LOOKED_AT = 100_000  # characters: a longer text is judged by its beginning
_LONGEST_UNIT = 12  # characters of a piece that is repeated
_FEWEST_REPEATS = 4
_BINARY_SHARE = 0.1
_LAYOUT = "\t\n\r\f\v\x85"
_SAYING = ("L", "N", "So")  # letters, numbers, and symbols such as emoji


def uninformative(dataset: Dataset | Sequence[str]) -> pd.DataFrame:
    """Texts that are empty, a single character, marks without a letter, one thing repeated, or no text.

    Args:
        dataset: texts.

    Returns:
        Findings. The score is 1 for nothing at all and for bytes that are no text, 0.9 for a single
        character, 0.8 for marks only, 0.7 for repeats.
    """
    items, scores, reasons = [], [], []
    for item, text in enumerate(as_texts(dataset, "uninformative")):
        found = _nothing_said(text)
        if found:
            items.append(item)
            scores.append(found[0])
            reasons.append(found[1])
    return findings_table("uninformative", items, scores, reasons)


def _nothing_said(text: str) -> tuple[float, str] | None:
    visible = "".join(text[:_LOOKED_AT].split())
    if not visible:
        return (1.0, "empty") if not text.strip() else None
    looked_at = text[:_LOOKED_AT]
    strange = sum(map(_no_text, looked_at))
    if "\0" in text or strange > max(1, _BINARY_SHARE * len(looked_at)):
        return 1.0, f"no text: {strange} of {len(looked_at)} characters are control characters or unassigned"
    if len(visible) == 1:
        return 0.9, f"a single character, {visible!r}"
    # Any letter, digit or emoji in the first few characters settles it at once for most texts.
    if not any(unicodedata.category(character).startswith(_SAYING) for character in visible):
        return 0.8, f"marks only: {visible[:20]!r}"
    unit = _repeated_unit(visible)
    if unit:
        return 0.7, f"{unit!r}, {len(visible) // len(unit)} times"
    return None


def _no_text(character: str) -> bool:
    if character.isascii():
        return not (character.isprintable() or character in _LAYOUT)
    return unicodedata.category(character) in ("Cc", "Cs", "Co", "Cn") and character not in _LAYOUT


def _repeated_unit(text: str) -> str:
    """The piece that the whole text repeats at least four times, or ""."""
    for length in range(1, min(_LONGEST_UNIT, len(text) // _FEWEST_REPEATS) + 1):
        if text[length:] == text[:-length]:
            return text[:length]
    return ""
