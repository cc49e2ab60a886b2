"""Interactive figures, each on top of a pure function that draws the same figure without a browser.

Importing this package is cheap: ipywidgets and Matplotlib are imported by what is first used.
Introduced in notebook 00.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "latent_image": "latent",
    "LatentExplorer": "latent",
    "latent_explorer": "latent",
    "Labelling": "labelling",
    "annotate": "labelling",
    "corruption_preview": "corruptions",
    "CorruptionExplorer": "corruptions",
    "corruption_explorer": "corruptions",
    "DescribedImage": "live",
    "Keyboard": "keyboard",
    "melody": "keyboard",
    "piano": "keyboard",
    "LiveFigure": "live",
    "live_figure": "live",
    "GanPlayground": "playground",
    "gan_picture": "playground",
    "gan_playground": "playground",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
