"""``load``, ``names`` and ``card``: one call for every data set, wherever it lies.

Introduced in notebook 00.
"""

from __future__ import annotations

from difflib import get_close_matches

import numpy as np

from aigc_lab.collect.cards import CARDS
from aigc_lab.collect.dataset import Card, Dataset


def names(tier: str | None = None) -> list[str]:
    """The names that ``load`` knows, embedded sets first.

    Args:
        tier: ``"embedded"`` (no network needed) or ``"download"``; None gives both.
    """
    if tier not in (None, "embedded", "download"):
        raise ValueError(f"tier must be 'embedded', 'download' or None, got {tier!r}")
    return [name for name, its_card in CARDS.items() if tier in (None, its_card.tier)]


def card(name: str) -> Card:
    """The card of a data set; nothing is read or downloaded.

    Raises:
        ValueError: there is no set of this name; the nearest one is suggested.
    """
    if name not in CARDS:
        plain = str(name).strip().lower().replace("_", "-")
        near = [plain] if plain in CARDS else get_close_matches(plain, CARDS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"no data set is named {name!r}; {hint}The names are: {', '.join(CARDS)}")
    return CARDS[name]


def load(name: str, progress: bool = True) -> Dataset:
    """A data set by name, with its card.

    Embedded sets come from installed packages. The others are downloaded once, checked by
    SHA-256 and kept in ``cache_folder()``; with ``AIGC_LAB_MIRROR=/folder`` they are taken
    from that folder instead and no network is used.

    Args:
        name: one of ``names()``.
        progress: show a bar while downloading.

    Raises:
        ValueError: there is no set of this name; the nearest one is suggested.
        DownloadError: a file could not be had; the message says what to do.
    """
    if card(name).tier == "embedded":
        from aigc_lab.collect import embedded

        return embedded.READERS[name]()
    from aigc_lab.collect import downloaded

    return downloaded.READERS[name](progress)


def photos(name: str = "photos", progress: bool = True) -> dict[str, np.ndarray]:
    """Photographs at their own sizes, by name.

    Args:
        name: ``"photos"`` (embedded) or ``"kodak"`` (downloaded).
        progress: show a bar while downloading.

    Returns:
        uint8 arrays ``(height, width, 3)``, or ``(height, width)`` where the picture is grey.
        Introduced in notebook 10.
    """
    if name == "photos":
        from aigc_lab.collect import embedded

        return embedded.photo_originals()
    if name == "kodak":
        from aigc_lab.collect import downloaded

        return downloaded.kodak_originals(progress)
    raise ValueError(f"pictures of different sizes are in 'photos' and 'kodak', not in {name!r}")
