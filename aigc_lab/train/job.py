"""What several workers train, and what they give back. Introduced in notebook 12."""

from __future__ import annotations

import hashlib
import importlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from aigc_lab.train.checks import checked_data

# Their noise can be shared out (``VAE.share``), so that many workers give the result of one process.
MODELS = (("vae", "convolutional_vae"), ("vae", "dense_vae"))


class WorkerError(RuntimeError):
    """A worker ended before the training did; the message says which, and how to go on."""


@dataclass(frozen=True)
class Job:
    """What is trained, the same on every worker.

    Args:
        data: a name of ``collect.load`` (its training part is taken), or an ``.npz`` file with ``x`` and,
            where the model has classes, ``labels``.
        model: family and function in ``aigc_lab.models``; ``options`` are its arguments.
        steps, batch_size, learning_rate, seed, reports: as for ``train.fit``; ``batch_size`` is that of all
            workers together.
        items: how many items are taken from the data, 0 for all.
        checkpoint: a file on the machine of worker 0.
    """

    data: str
    model: str = "vae.convolutional_vae"
    options: dict[str, Any] = field(default_factory=dict)
    steps: int = 200
    batch_size: int = 64
    learning_rate: float = 3e-3
    seed: int = 0
    reports: int = 10
    items: int = 0
    checkpoint: str | None = None

    def arrays(self) -> list[np.ndarray]:
        """Pictures ``(n, height, width, channels)`` and, for a model with classes, labels ``(n,)``.

        Raises:
            ValueError: unknown data.
            OSError: a file that is not there.
        """
        from aigc_lab import collect

        if self.data.endswith(".npz"):
            if not Path(self.data).is_file():
                raise FileNotFoundError(2, f"there is no file {self.data}; every worker needs a copy of it")
            with np.load(self.data, allow_pickle=False) as stored:
                x, labels = stored["x"], stored["labels"] if "labels" in stored.files else None
        else:
            x, labels = collect.load(self.data).split(seed=0)[0].arrays()
        chosen = np.random.default_rng(self.seed).permutation(len(x))[: self.items or len(x)]
        return checked_data(x[chosen], labels[chosen] if self.options.get("class_count") else None)

    def maker(self) -> tuple[str, str]:
        """Module and name of the function that makes the model.

        Raises:
            ValueError: there is none of that name.
        """
        family, _, name = self.model.partition(".")
        if (family, name) not in MODELS:
            known = ", ".join(".".join(each) for each in MODELS)
            raise ValueError(f"there is no model {self.model!r} for several workers; choose one of {known}")
        return f"aigc_lab.models.{family}", name

    def build(self, x: np.ndarray) -> Any:
        """A new model for the pictures ``x``, with the weights that its seed gives."""
        module, name = self.maker()
        make = getattr(importlib.import_module(module), name)
        return make(tuple(x.shape[1:]), **{"seed": self.seed, **self.options})

    def digest(self, data: list[np.ndarray]) -> str:
        """Equal on workers that do the same: of settings, data and versions."""
        import keras
        import tensorflow as tf

        from aigc_lab.train.checkpoint import digest

        own = {name: value for name, value in asdict(self).items() if name not in ("checkpoint", "data")}
        words = json.dumps([own, digest(data), keras.__version__, tf.__version__], sort_keys=True)
        return hashlib.sha256(words.encode()).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """What a finished run gives.

    Args:
        table: the history, as that of ``train.fit``.
        variables: the values of ``model.variables`` after the last step; None where worker 0 ran elsewhere.
        seconds: from the start of the processes to the end.
    """

    table: Any
    variables: list[np.ndarray] | None
    seconds: float

    def into(self, model: Any) -> Any:
        """Give ``model``, built as the job says, the trained weights; it is returned."""
        if self.variables is None:
            raise ValueError("the weights are where worker 0 ran; read its checkpoint there")
        for variable, value in zip(model.variables, self.variables, strict=True):
            variable.assign(value)
        return model
