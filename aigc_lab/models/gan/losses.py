"""What the two players of a GAN minimise: one object for each pair of losses, and the gradient penalty.

A loss object has ``discriminator(real_logits, fake_logits)`` and ``generator(fake_logits)``, both
means over the batch, and ``measures``, what is reported beside them. Derived in notebook 08.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def discriminator_loss(real_logits: Any, fake_logits: Any) -> Any:
    """-mean log D(x) - mean log(1 - D(G(z))) in nats, with D = sigmoid(logit); ``log 4`` where D is 1/2.

    Goodfellow et al. 2014, equation 1, as something to minimise. Both are means over the batch.
    """
    return ops.mean(ops.softplus(-real_logits)) + ops.mean(ops.softplus(fake_logits))


def generator_loss(fake_logits: Any) -> Any:
    """-mean log D(G(z)) in nats: the non-saturating loss, Goodfellow et al. 2014, end of section 3."""
    return ops.mean(ops.softplus(-fake_logits))


class NonSaturating:
    """The losses of Goodfellow et al. 2014 (arXiv 1406.2661) as they are trained."""

    discriminator = staticmethod(discriminator_loss)
    generator = staticmethod(generator_loss)

    @staticmethod
    def measures(real_logits: Any, fake_logits: Any) -> dict[str, Any]:
        """Mean D of either kind, and how many of both are told apart (logit above or below zero)."""
        right = ops.mean(ops.cast(real_logits > 0, "float32")) + ops.mean(
            ops.cast(fake_logits < 0, "float32")
        )
        return {
            "real_probability": ops.mean(ops.sigmoid(real_logits)),
            "fake_probability": ops.mean(ops.sigmoid(fake_logits)),
            "accuracy": right / 2,
        }


class Saturating(NonSaturating):
    """The minimax game itself: the generator minimises mean log(1 - D(G(z))), equation 1 of 1406.2661.

    Its gradient vanishes where the discriminator is sure that a picture is a fake.
    """

    @staticmethod
    def generator(fake_logits: Any) -> Any:
        """mean log(1 - D(G(z))) in nats, at most zero."""
        return -ops.mean(ops.softplus(fake_logits))


class Wasserstein:
    """The critic's losses of Arjovsky et al. 2017 (arXiv 1701.07875, equation 2).

    They estimate a distance only while the critic's slope is at most 1: use a gradient penalty.
    """

    @staticmethod
    def discriminator(real_logits: Any, fake_logits: Any) -> Any:
        """mean f(G(z)) - mean f(x), in units of the critic: minus the estimated distance."""
        return ops.mean(fake_logits) - ops.mean(real_logits)

    @staticmethod
    def generator(fake_logits: Any) -> Any:
        """-mean f(G(z)); its zero means nothing, for the critic may add any constant."""
        return -ops.mean(fake_logits)

    @staticmethod
    def measures(real_logits: Any, fake_logits: Any) -> dict[str, Any]:
        """The estimated distance mean f(x) - mean f(G(z))."""
        return {"distance": ops.mean(real_logits) - ops.mean(fake_logits)}


LOSSES = {"non-saturating": NonSaturating, "saturating": Saturating, "wasserstein": Wasserstein}


def gradient_penalty(critic: Any, real: Any, fake: Any, mix: Any) -> Any:
    """mean (|| df/dx || - 1)^2 at points between a real and a fake picture.

    Gulrajani et al. 2017 (arXiv 1704.00028), equation 3, without its factor lambda. The norm is over
    all values of one picture.

    Args:
        critic: a function of pictures alone -> ``(n, 1)``, each from its own picture.
        real, fake: ``(n, ...)``, of one shape.
        mix: ``(n, 1, ...)`` in [0, 1], the share of the real picture.
    """
    between = mix * real + (1 - mix) * fake
    slope = input_gradient(critic, between)
    squares = ops.sum(ops.square(slope), axis=tuple(range(1, len(slope.shape))))
    # The root's own slope is infinite at zero, where a critic that ignores its input would sit.
    return ops.mean(ops.square(ops.sqrt(squares + 1e-12) - 1))


def input_gradient(function: Any, points: Any) -> Any:
    """d (sum of ``function(points)``) / d ``points``, itself differentiable, on every Keras backend.

    Keras has no such operation, so each backend is asked in its own words.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(points)
            total = tf.reduce_sum(function(points))
        return tape.gradient(total, points)
    if backend == "jax":
        import jax

        return jax.grad(lambda x: function(x).sum())(points)
    import torch

    with torch.enable_grad():
        points = points if points.requires_grad else points.detach().requires_grad_()
        return torch.autograd.grad(function(points).sum(), points, create_graph=True)[0]
