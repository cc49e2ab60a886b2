"""Interactive figures. A cell calls a name in small letters; it makes the widget of that name's class.

Importing this package is cheap: ipywidgets and Matplotlib are imported by what is first used.
Introduced in notebook 00.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "DescribedImage": "live.DescribedImage",
    "annotate": "labelling.Labelling",
    "corruption_explorer": "corruptions.CorruptionExplorer",
    "corruption_preview": "corruptions.corruption_preview",
    "gan_picture": "playground.gan_picture",
    "gan_playground": "playground.GanPlayground",
    "latent_explorer": "latent.LatentExplorer",
    "live_figure": "live.LiveFigure",
    "melody": "keyboard.melody",
    "piano": "keyboard.Keyboard",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    module, there = _HOME[name].split(".")
    return getattr(importlib.import_module(f"{__name__}.{module}"), there)


def __dir__() -> list[str]:
    return __all__
