"""The networks, one file a family. Keras 3 and ``keras.ops`` only: they run on every Keras backend."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

_FAMILIES = ("gan", "latent", "super_resolution", "transformer", "vae")

__all__ = ["gan", "latent", "super_resolution", "transformer", "vae"]


def __getattr__(name: str) -> Any:
    # Lazy, because a family imports Keras, and with it a backend.
    if name in _FAMILIES:
        wake_backend()
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"aigc_lab.models has no family {name!r}; there is {', '.join(_FAMILIES)}")


def wake_backend() -> None:
    """Import Keras and run one operation in silence: TensorFlow reports on CUDA at both moments.

    Raises:
        ImportError: the backend that is asked for is not installed.
    """
    if "keras" in sys.modules:
        return
    from aigc_lab.quiet import quiet
    from aigc_lab.train.backend import check_backend

    check_backend()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet():
        import keras

        keras.ops.convert_to_numpy(keras.ops.zeros(1))
