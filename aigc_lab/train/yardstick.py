"""Three trainings that are timed alike on every machine: VAE, GAN, Transformer. Introduced in notebook 12.

Notebook 12 times them on the machine at hand, ``make gpu-record`` on the CPU and the GPU of another one.
Data and settings stand here once, so that the numbers can be laid side by side. The data come with
installed packages (no network): silhouettes of animals, and English questions and answers.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from aigc_lab.train.fitting import Trainer

SUBJECTS = ("VAE", "GAN", "Transformer")
# "notebook" is the size of the labs, "large" gives a GPU something to do, "tiny" is for tests.
SIZES = ("notebook", "large", "tiny")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")

_WIDTHS = {
    "VAE": {"notebook": 32, "large": 128, "tiny": 4},
    "GAN": {"notebook": 16, "large": 64, "tiny": 2},
    "Transformer": {"notebook": 64, "large": 192, "tiny": 8},
}
_BLOCKS = {"notebook": 2, "large": 4, "tiny": 1}
_HEADS = {"notebook": 4, "large": 6, "tiny": 2}
_LENGTHS = {"notebook": 64, "large": 128, "tiny": 16}
_BATCHES = {
    "VAE": {"notebook": 64, "large": 256, "tiny": 8},
    "GAN": {"notebook": 64, "large": 256, "tiny": 8},
    "Transformer": {"notebook": 64, "large": 64, "tiny": 8},
}
_RATES = {"VAE": 3e-3, "GAN": 4e-3, "Transformer": 3e-3}


@dataclass(frozen=True)
class Subject:
    """One training: its data, its settings, and how its model is built.

    Attributes:
        name, size: one of ``SUBJECTS`` and of ``SIZES``.
        training, held_out: pictures ``(n, 28, 28, 1)`` in [0, 1], or characters ``(n, length + 1)``.
        batch_size, learning_rate: as for ``train.fit``.
        unit: what ``items_per_step`` counts: images or characters.
    """

    name: str
    size: str
    training: np.ndarray
    held_out: np.ndarray
    batch_size: int
    learning_rate: float
    unit: str
    items_per_step: int
    _build: Callable[[int], Any]

    def model(self, seed: int = 0, precision: str = "float32") -> Any:
        """A new model of this size, whose layers compute in ``precision``; its weights are float32 always."""
        with computing_in(precision):
            return self._build(seed)


def subject(name: str, size: str = "notebook") -> Subject:
    """One of the three trainings.

    Raises:
        ValueError: an unknown subject or size; the message names the known ones.
    """
    for what, given, known in (("subject", name, SUBJECTS), ("size", size, SIZES)):
        if given not in known:
            raise ValueError(f"there is no {what} {given!r}; choose one of {', '.join(known)}")
    width, batch_size = _WIDTHS[name][size], _BATCHES[name][size]
    if name == "Transformer":
        from aigc_lab.models import transformer

        training, held_out, characters = _windows(_LENGTHS[size])

        def build(seed: int) -> Any:
            shape = {"length": _LENGTHS[size], "blocks": _BLOCKS[size], "heads": _HEADS[size]}
            return transformer.character_model(len(characters), width=width, seed=seed, **shape)
    else:
        training, held_out = _pictures()

        def build(seed: int) -> Any:
            from aigc_lab.models import gan, vae

            if name == "VAE":
                return vae.convolutional_vae((28, 28, 1), latent_size=16, width=width, seed=seed)
            return gan.dcgan((28, 28, 1), latent_size=32, width=width, seed=seed)

    items = batch_size * (_LENGTHS[size] if name == "Transformer" else 1)
    unit = "characters" if name == "Transformer" else "images"
    return Subject(name, size, training, held_out, batch_size, _RATES[name], unit, items, build)


@contextlib.contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """Models that are built in the block compute in this precision; the policy of before comes back.

    Raises:
        ValueError: an unknown precision; the message names the known ones.
    """
    import keras

    if precision not in PRECISIONS:
        raise ValueError(f"there is no precision {precision!r}; choose one of {', '.join(PRECISIONS)}")
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


class Stopwatch:
    """The speed of one training, measured round by round on a model that goes on training.

    Compiling and the first round are off the clock; ``start_seconds`` says what the first step took longer
    than a later one: tracing, compiling, choosing kernels, copying the data.

    Args:
        seconds: how long a round lasts, about.
        precision: one of ``PRECISIONS``.

    Raises:
        FloatingPointError: the loss became NaN or infinite, as of ``train.fit``.
    """

    def __init__(self, subject: Subject, seconds: float = 1.0, precision: str = "float32") -> None:
        self._subject = subject
        self.model = subject.model(precision=precision)
        self.parameters = sum(int(np.prod(each.shape)) for each in self.model.trainable_variables)
        begun = time.perf_counter()
        times = self._trained(self._trainer(steps=8))[1]
        usual = float(np.median(np.diff(times)))  # two steps
        self.start_seconds = max(0.0, time.perf_counter() - begun - (times[-1] - times[0]) - usual)
        # A round is a fit of five reports: the first holds what a call of fit costs, and is not timed.
        reports = int(np.clip(np.ceil(seconds / 4 * 2 / usual), 1, 100_000))
        self._timed = self._trainer(steps=5 * reports)
        self._trained(self._timed)

    def round(self) -> float:
        """Steps a second over the next round."""
        steps, times = self._trained(self._timed)
        return float((steps[-1] - steps[0]) / (times[-1] - times[0]))

    def _trainer(self, steps: int) -> Trainer:
        batch_size, rate = self._subject.batch_size, self._subject.learning_rate
        return Trainer(self.model, steps=steps, batch_size=batch_size, learning_rate=rate)

    def _trained(self, trainer: Trainer) -> tuple[np.ndarray, np.ndarray]:
        reports = 4 if trainer.steps == 8 else 5
        table = trainer.fit(self.model, self._subject.training, reports=reports).table
        return table["step"].to_numpy(), table["seconds"].to_numpy()


@lru_cache(maxsize=1)
def _pictures() -> tuple[np.ndarray, np.ndarray]:
    from aigc_lab import collect

    training, _, held_out = collect.load("animals").split(seed=0)
    # The set stands class by class; shuffled, any part of it has all ten.
    random = np.random.default_rng(0)
    return random.permutation(training.arrays()[0]), random.permutation(held_out.arrays()[0])


@lru_cache(maxsize=3)
def _windows(length: int) -> tuple[np.ndarray, np.ndarray, str]:
    """Windows of the training text and of the held-out one, and the characters of the vocabulary."""
    from aigc_lab import collect
    from aigc_lab.models import transformer

    # Exact repeats, most of them one question with the same answer, would count as knowledge.
    texts = collect.load("dialogues").only("english")
    parts = texts.split((0.8, 0.2), seed=0)
    training, held_out = ("\n".join(dict.fromkeys(part.data)) for part in parts)
    windows, characters = transformer.windows(training, length)
    known = set(characters)
    held_out = "".join(character for character in held_out if character in known)
    return windows, transformer.windows(held_out, length, characters)[0], characters
