"""The networks, one file a family. Keras 3 and ``keras.ops`` only: they run on every Keras backend."""

from __future__ import annotations

import importlib
from typing import Any

from aigc_lab.backend import import_keras

__all__ = ["diffusion", "gan", "repair", "stored", "super_resolution", "transformer", "vae"]


def __getattr__(name: str) -> Any:
    # Lazy, because a family imports Keras, and with it a backend.
    if name in __all__:
        import_keras()
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"aigc_lab.models has no family {name!r}; there is {', '.join(__all__)}")
