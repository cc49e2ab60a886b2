"""The variational autoencoder (VAE), with or without a class label as a condition.

``elbo``: the terms of the loss, as functions of numbers. ``model``: the VAE that joins an encoder and
a decoder. ``networks``: two pairs of them, convolutional and dense. Introduced in notebook 00,
derived in notebook 05, put to use in notebook 06.
"""

from aigc_lab.models.vae.elbo import (
    bernoulli_nats,
    bits_per_pixel,
    gaussian_nats,
    kl_between_gaussians,
    kl_to_standard_normal,
)
from aigc_lab.models.vae.model import LIKELIHOODS, VAE
from aigc_lab.models.vae.networks import convolutional_vae, dense_vae

__all__ = [
    "LIKELIHOODS",
    "VAE",
    "bernoulli_nats",
    "bits_per_pixel",
    "convolutional_vae",
    "dense_vae",
    "gaussian_nats",
    "kl_between_gaussians",
    "kl_to_standard_normal",
]
