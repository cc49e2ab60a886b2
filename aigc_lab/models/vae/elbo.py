"""The terms of the evidence lower bound (ELBO), each a function of numbers alone, in nats.

    ELBO(x) = E_q(z|x)[log p(x|z)] - KL(q(z|x) || p(z))        Kingma and Welling 2014, equation 3

All are *sums* (over the pixels, over the latent dimensions); a mean is taken only over the batch, and
not here. Derived in notebook 05.
"""

from __future__ import annotations

import math
from typing import Any

from keras import ops


def kl_to_standard_normal(mean: Any, log_variance: Any) -> Any:
    """KL(N(mean, diag exp(log_variance)) || N(0, 1)) in nats, summed over the latent dimensions.

    Args:
        mean, log_variance: ``(n, latent_size)``.

    Returns:
        ``(n,)``, never negative. Kingma and Welling 2014, appendix B.
    """
    return ops.sum(kl_of_dimensions(mean, log_variance), axis=-1)


def kl_of_dimensions(mean: Any, log_variance: Any) -> Any:
    """The share of each latent dimension in ``kl_to_standard_normal``: ``(n, latent_size)``, in nats."""
    mean, log_variance = ops.convert_to_tensor(mean), ops.convert_to_tensor(log_variance)
    return 0.5 * (ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance)


def kl_between_gaussians(mean: Any, log_variance: Any, other_mean: Any, other_log_variance: Any) -> Any:
    """KL(N(mean, diag exp(log_variance)) || N(other_mean, diag exp(other_log_variance))) in nats.

    Not symmetric: the average is taken over the first one. Against a standard normal it is
    ``kl_to_standard_normal``.

    Args:
        mean, log_variance, other_mean, other_log_variance: ``(n, dimensions)``, or what broadcasts to it.

    Returns:
        ``(n,)``, summed over the dimensions, never negative.
    """
    mean = ops.convert_to_tensor(mean)
    log_variance, other_mean, other_log_variance = (
        ops.convert_to_tensor(each, mean.dtype) for each in (log_variance, other_mean, other_log_variance)
    )
    ratio = log_variance - other_log_variance
    distance = ops.square(mean - other_mean) * ops.exp(-other_log_variance)
    return 0.5 * ops.sum(distance + ops.exp(ratio) - 1.0 - ratio, axis=-1)


def bernoulli_nats(pictures: Any, logits: Any) -> Any:
    """-log p(x|z) in nats for independent Bernoulli pixels, summed over the pixels: ``(n,)``.

    A grey value g in [0, 1] counts as the expectation over a pixel that is white with
    probability g, so the ELBO is that of randomly binarised pictures.
    """
    pictures, logits = ops.convert_to_tensor(pictures), ops.convert_to_tensor(logits)
    # Stable form of -(x log p + (1-x) log(1-p)) with p = sigmoid(logits).
    nats = ops.maximum(logits, 0.0) - logits * pictures + ops.log1p(ops.exp(-ops.abs(logits)))
    return ops.sum(ops.reshape(nats, (ops.shape(nats)[0], -1)), axis=-1)  # (n, h, w, c) -> (n, h*w*c) -> (n,)


def gaussian_nats(pictures: Any, mean: Any, scale: Any) -> Any:
    """-log p(x|z) in nats for Gaussian pixels of standard deviation ``scale``, summed: ``(n,)``.

    ``scale`` is a number, or a tensor that broadcasts to the pictures. A density can be above 1, so
    these nats can be negative.
    """
    pictures, mean = ops.convert_to_tensor(pictures), ops.convert_to_tensor(mean)
    log_scale = math.log(scale) if isinstance(scale, (int, float)) else ops.log(scale)
    nats = 0.5 * ops.square((pictures - mean) / scale) + log_scale + 0.5 * math.log(2 * math.pi)
    return ops.sum(ops.reshape(nats, (ops.shape(nats)[0], -1)), axis=-1)  # (n, ...) -> (n, d) -> (n,)


def bits_per_pixel(nats: Any, image_shape: tuple[int, ...]) -> Any:
    """Nats per picture as bits per value of the picture: ``nats / (log 2 * height * width * channels)``.

    For a binary picture it is the length of the shortest code that a model promises, divided by the pixels.

    Raises:
        ValueError: an ``image_shape`` with no pixels.
    """
    pixels = math.prod(image_shape)
    if pixels < 1:
        raise ValueError(f"image_shape must have at least one pixel, got {tuple(image_shape)}")
    return nats / (math.log(2) * pixels)
