"""The generative adversarial network (GAN): a generator and a discriminator that compete.

Goodfellow et al. 2014, "Generative Adversarial Nets" (arXiv 1406.2661): the discriminator is paid for
telling real pictures from generated ones, the generator for being mistaken. Three files: ``losses``
(what each player minimises, and the gradient penalty), ``model`` (both players in one compiled step)
and ``networks`` (``dense_gan`` and ``dcgan``). The variants differ in a loss object and a penalty only.
Introduced in notebooks 08 (the mathematics) and 09 (pictures).
"""

from aigc_lab.models.gan.losses import (
    LOSSES,
    NonSaturating,
    Saturating,
    Wasserstein,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    input_gradient,
)
from aigc_lab.models.gan.model import GAN
from aigc_lab.models.gan.networks import dcgan, dense_gan
from aigc_lab.models.gan.optimizer import TwoPlayerAdam

__all__ = [
    "GAN",
    "LOSSES",
    "NonSaturating",
    "Saturating",
    "TwoPlayerAdam",
    "Wasserstein",
    "dcgan",
    "dense_gan",
    "discriminator_loss",
    "generator_loss",
    "gradient_penalty",
    "input_gradient",
]
