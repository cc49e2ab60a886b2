"""Stage 1, collect: get data together with the card that says where they come from.

``load(name)`` gives a data set that an installed package carries, or one that is
downloaded by hash; ``from_folder`` and ``from_file`` read your own.
"""

from __future__ import annotations

import importlib
from typing import Any

from aigc_lab.collect.catalogue import card, load, names, photos
from aigc_lab.collect.dataset import Card, Dataset, own_card
from aigc_lab.collect.fetch import DownloadError, cache_folder
from aigc_lab.collect.file import from_file
from aigc_lab.collect.folder import FolderReport, from_folder
from aigc_lab.collect.leakage import leaks
from aigc_lab.collect.sheet import QUESTIONS, datasheet

# Imported when first used: they belong to single data sets.
_LATER = {
    "label_probabilities": "downloaded",
    "label_review": "downloaded",
    "poems": "downloaded",
    "photo_licences": "embedded",
}

__all__ = [
    "QUESTIONS",
    "Card",
    "Dataset",
    "DownloadError",
    "FolderReport",
    "cache_folder",
    "card",
    "datasheet",
    "from_file",
    "from_folder",
    "label_probabilities",
    "label_review",
    "leaks",
    "load",
    "names",
    "own_card",
    "photo_licences",
    "photos",
    "poems",
]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
