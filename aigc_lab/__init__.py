"""AIGC Lab: the pipeline of generative AI, stage by stage, measured.

Data flow one way through seven stages, and each stage is a module::

    collect -> clean -> label -> augment -> train -> evaluate -> deploy

``corrupt`` damages data on purpose and logs what was done, ``models`` holds the networks, ``study`` runs
many trainings, ``pipeline`` takes your own data through all stages, ``plots`` and ``widgets`` draw,
``sound`` turns waves into pictures and back, ``players`` plays them, ``watermark`` marks what was made and
finds the mark, ``audit`` writes a report on a model, ``claims`` keeps what was measured about the article,
``language`` holds the Chinese edition.
Importing ``aigc_lab`` is cheap: a module is imported when it is first used, and nothing imports
TensorFlow before a model is needed.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from typing import Any

__version__ = "0.1.0"

STAGES = ("collect", "clean", "label", "augment", "train", "evaluate", "deploy")
_MODULES = tuple(found.name for found in pkgutil.iter_modules(__path__) if found.name != "__main__")

__all__ = ["STAGES", "__version__", *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'aigc_lab' has no attribute {name!r}; it has {', '.join(_MODULES)}")


if os.environ.get("AIGC_LAB_LANGUAGE", "en") != "en":
    importlib.import_module("aigc_lab.language").translate_widgets()


def __dir__() -> list[str]:
    return sorted(__all__)
