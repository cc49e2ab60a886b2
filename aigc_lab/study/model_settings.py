"""The models that a study can train, each compiled once a process. Introduced in notebook 15.

Small on purpose: a run is to take about ten seconds on one core. The settings were found on seeds that no
stored study uses, with the clean set, before any corruption was applied.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

BATCH_SIZE = 32
MIXTURE_COMPONENTS = 5
GAN_OPTIONS = {"penalty": 1.0, "penalty_share": 0.25, "momentum": 0.0, "spectral": False}


@dataclass(frozen=True)
class ModelSettings:
    """How a model is built and trained: family, condition, training steps, learning rate, sizes."""

    family: str
    conditional: bool
    steps: int
    learning_rate: float
    width: int
    latent_size: int

    def build(self, image_shape: tuple[int, ...], class_count: int, seed: int) -> Any:
        """A new, untrained model; equal seeds give equal weights."""
        from aigc_lab import models

        options = {"class_count": class_count if self.conditional else 0, "width": self.width, "seed": seed}
        if self.family == "vae":
            return models.vae.convolutional_vae(image_shape, self.latent_size, **options)
        # Said here, so that the numbers stay those of the stored study if a default changes.
        return models.gan.dcgan(image_shape, self.latent_size, **options, **GAN_OPTIONS)

    def sample(self, model: Any, x: np.ndarray, labels: Any, asked: Any, seed: int) -> np.ndarray:
        """Images for the classes ``asked`` ``(n,)``; ``x`` and ``labels`` are what it was trained on."""
        asked_of = asked if self.conditional else None
        if self.family == "gan":
            return model.sample(len(asked), asked_of, seed=seed)
        from aigc_lab.models.mixture import LatentMixture

        known = labels if self.conditional else None
        # A class with few items gets few Gaussians: see LatentMixture.
        components = MIXTURE_COMPONENTS if self.conditional else 4 * MIXTURE_COMPONENTS
        mixture = LatentMixture.fit(model, x, known, components=components, seed=seed)
        points, drawn = mixture.sample(len(asked), asked_of, seed=seed)
        return model.decode(points, drawn if self.conditional else None)


MODELS: dict[str, ModelSettings] = {
    "vae": ModelSettings("vae", True, 500, 8e-3, 24, 10),
    "gan": ModelSettings("gan", True, 500, 8e-3, 8, 16),
    "plain_vae": ModelSettings("vae", False, 500, 8e-3, 24, 10),
    "plain_gan": ModelSettings("gan", False, 500, 8e-3, 8, 16),
}


def settings_of(model: str) -> dict[str, Any]:
    """Everything about a model that a run's result depends on, as plain JSON types; nothing for ``real``."""
    if model not in MODELS:
        return {}
    options = GAN_OPTIONS if MODELS[model].family == "gan" else {}
    shared = {"batch_size": BATCH_SIZE, "components": MIXTURE_COMPONENTS}
    return {**asdict(MODELS[model]), **options, **shared}


@lru_cache(maxsize=8)
def trainer(model: str, image_shape: tuple[int, ...], class_count: int, steps: int) -> Any:
    """The compiled trainer of a model and a shape of images; made once in each process."""
    from aigc_lab import train

    settings = MODELS[model]
    return train.Trainer(
        settings.build(image_shape, class_count, 0),
        steps=steps or settings.steps,
        batch_size=BATCH_SIZE,
        learning_rate=settings.learning_rate,
    )
