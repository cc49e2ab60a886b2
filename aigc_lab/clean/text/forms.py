"""What the text detectors take, and the form in which texts are compared. Introduced in notebook 02."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

from aigc_lab.collect.dataset import Dataset


def as_texts(texts: Any, wanted_by: str) -> tuple[str, ...]:
    """The texts of a data set, or of a sequence of ``str``.

    Raises:
        ValueError: pictures or audio; one string; something in the sequence that is no string.
    """
    if isinstance(texts, Dataset):
        if texts.modality != "text":
            raise ValueError(f"{wanted_by} looks at text, and the data set holds {texts.modality}")
        return texts.data
    if isinstance(texts, (str, bytes)):
        raise ValueError(f"{wanted_by} takes a sequence of texts, got one string; put it in a list")
    found = tuple(texts)
    for place, text in enumerate(found):
        if not isinstance(text, str):
            kind = type(text).__name__
            raise ValueError(f"{wanted_by} takes texts, and item {place} is of type {kind}; decode it first")
    return found


def comparable(text: str) -> str:
    """The form in which two texts are compared: NFKC, no case, every run of white space one space.

    Full-width and half-width letters, ligatures, capital letters and line breaks then make no difference.
    It is meant for comparing only: it is too coarse to be kept as the text.
    """
    if not text.isascii():
        # Twice, because lower case can undo the normal form (Unicode 16, section 3.13).
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(text.lower().split())


def comparable_all(texts: Sequence[str]) -> list[str]:
    """``comparable`` of each text."""
    return [comparable(text) for text in texts]
