"""Figures that one notebook uses: on their way into that notebook."""


from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "dose_picture": "doses",
    "dose_response": "doses",
    "fault_table": "coloured",
    "heat_map": "coloured",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
