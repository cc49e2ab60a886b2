"""AIGC Lab: the pipeline of generative AI, stage by stage, measured.

Data flow one way through seven stages, and each stage is a module::

    collect -> clean -> label -> augment -> train -> evaluate -> deploy

``defects`` damages data on purpose (with a ledger of what was done), ``models``
holds the networks, ``experiment`` runs studies, and ``show`` draws. Importing ``aigc_lab`` is cheap: a stage
is imported when it is first used, and nothing imports TensorFlow before a model
is needed.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

STAGES = ("collect", "clean", "label", "augment", "train", "evaluate", "deploy")
_ROOMS = (*STAGES, "defects", "experiment", "models", "show")

__all__ = ["STAGES", "__version__", *_ROOMS]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'aigc_lab' has no attribute {name!r}; its rooms are {', '.join(_ROOMS)}")


def __dir__() -> list[str]:
    return sorted(__all__)
