"""The variational autoencoder (VAE), with or without a class label as a condition.

The loss is the negative evidence lower bound (ELBO) in nats per image, Kingma and Welling 2014 (arXiv
1312.6114), equation 3: ``-ELBO(x) = E_q(z|x)[-log p(x|z)] + KL(q(z|x) || p(z))``. Both terms are *sums* (over
pixels, over latent dimensions); the mean is taken only over the batch. A label enters both networks as in
Sohn, Lee and Yan 2015, equation 4. Derived in notebook 05; warm-up, free bits and the importance-weighted
bound are introduced in notebook 06.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from aigc_lab.backend import seeded
from aigc_lab.collect.dataset import Dataset
from aigc_lab.models.base import (
    LatentModel,
    as_array,
    built,
    check_sizes,
    halvings,
    in_batches,
    label_input,
    one_hot,
    with_label,
)
from aigc_lab.models.mixture import LatentMixture as LatentMixture

LIKELIHOODS = ("bernoulli", "gaussian")
# A learned scale stops here: pixels come in 255 steps, and on constant ones it would fall to 0.
SMALLEST_SCALE = 1e-3

# -- the terms of the loss, each a function of numbers alone, in nats ---------------------------------


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


def bernoulli_nats(images: Any, logits: Any) -> Any:
    """-log p(x|z) in nats for independent Bernoulli pixels, summed over the pixels: ``(n,)``.

    A grey value g in [0, 1] counts as the expectation over a pixel that is white with
    probability g, so the ELBO is that of randomly binarised images.
    """
    images, logits = ops.convert_to_tensor(images), ops.convert_to_tensor(logits)
    # -(x log p + (1-x) log(1-p)) with p = sigmoid(logits), in a form that is stable for large logits.
    nats = ops.softplus(logits) - logits * images
    return ops.sum(ops.reshape(nats, (ops.shape(nats)[0], -1)), axis=-1)  # (n, h, w, c) -> (n, h*w*c) -> (n,)


def gaussian_nats(images: Any, mean: Any, scale: Any) -> Any:
    """-log p(x|z) in nats for Gaussian pixels of standard deviation ``scale``, summed: ``(n,)``.

    ``scale`` is a number, or a tensor that broadcasts to the images. These nats can be negative.
    """
    images, mean = ops.convert_to_tensor(images), ops.convert_to_tensor(mean)
    log_scale = math.log(scale) if isinstance(scale, (int, float)) else ops.log(scale)
    nats = 0.5 * ops.square((images - mean) / scale) + log_scale + 0.5 * math.log(2 * math.pi)
    return ops.sum(ops.reshape(nats, (ops.shape(nats)[0], -1)), axis=-1)  # (n, ...) -> (n, d) -> (n,)


def bits_per_pixel(nats: Any, image_shape: tuple[int, ...]) -> Any:
    """Nats per image as bits per value of the image: ``nats / (log 2 * height * width * channels)``.

    For a binary image it is the length of the shortest code that a model promises, divided by the pixels.
    """
    return nats / (math.log(2) * math.prod(image_shape))


# -- the networks -------------------------------------------------------------------------------------


def convolutional_vae(
    image_shape: tuple[int, int, int] = (28, 28, 1),
    latent_size: int = 10,
    class_count: int = 0,
    width: int = 32,
    seed: int = 0,
    **options: Any,
) -> VAE:
    """A small convolutional VAE, built for two CPU cores.

    All convolutions work on a grid of 4 x 4 pixel patches: the first one has stride 4, and the last one
    predicts the 16 pixels of each patch (sub-pixel upsampling, Shi et al. 2016, section 2.2), several times
    cheaper than strided transposed convolutions at full resolution. From 40 pixels on a strided convolution
    halves the grid once (64 pixels) or twice (128), and the decoder goes the same way back: after a minute on
    one core, on 64 x 64 crops of colour photographs, the held-out ELBO was 11,960 nats with it and 11,350
    without (Gaussian pixels).

    For colour photographs take ``likelihood="gaussian", learn_scale=True, scale=0.3`` and batches of 32:
    Bernoulli pixels, whose noise cannot shrink, give blurred samples. At 128 x 128 take a rate of 1e-3: with
    3e-3 nothing was learned in 860 steps.

    Args:
        image_shape: height, width, channels; height and width must be multiples of 4.
        class_count: 0 for an unconditional model.
        width: channels of the convolutions, twice as many on a halved grid; the dense layers have eight times
            as many units.
        seed: of the weights and of the noise; equal seeds give equal models.
        options: of ``VAE``.

    Raises:
        ValueError: a size below 1, a height or width that is no multiple of 4, or more latent dimensions than
            an image has values.
    """
    check_sizes(image_shape, latent_size, class_count, width, multiple=4)
    height, image_width, channels = image_shape
    rows, columns = height // 4, image_width // 4
    halved = halvings(rows, columns)
    rows, columns, deep = rows // 2**halved, columns // 2**halved, 2 * width if halved else width
    with seeded(seed):
        image, label = keras.Input(image_shape, name="image"), label_input(class_count)
        # (n, h, w, c) -> (n, h/4, w/4, k)
        hidden = layers.Conv2D(width, 4, strides=4, activation="gelu")(image)
        for _ in range(halved):
            hidden = layers.Conv2D(deep, 4, strides=2, padding="same", activation="gelu")(hidden)
        hidden = layers.Flatten()(hidden)  # (n, h/4, w/4, k) -> (n, h/4 * w/4 * k)
        hidden = layers.Dense(8 * width, activation="gelu")(with_label(hidden, label))
        encoder = _encoder([image, *label], hidden, latent_size)

        latent, label = keras.Input((latent_size,), name="latent"), label_input(class_count)
        hidden = layers.Dense(8 * width, activation="gelu")(with_label(latent, label))
        hidden = layers.Dense(rows * columns * deep, activation="gelu")(hidden)
        hidden = layers.Reshape((rows, columns, deep))(hidden)  # (n, h/4 * w/4 * k) -> (n, h/4, w/4, k)
        for _ in range(halved):
            hidden = layers.Conv2D(4 * width, 3, padding="same", activation="gelu")(hidden)
            hidden = ops.depth_to_space(hidden, 2)  # (n, h/8, w/8, 4 k) -> (n, h/4, w/4, k)
        hidden = layers.Conv2D(width, 3, padding="same", activation="gelu")(hidden)
        pixels = layers.Conv2D(16 * channels, 3, padding="same")(hidden)  # (n, h/4, w/4, 16 c)
        pixels = ops.depth_to_space(pixels, 4)  # 16 c values of a place become 4 x 4 pixels: (n, h, w, c)
        decoder = keras.Model([latent, *label], pixels, name="decoder")
    return built(VAE(encoder, decoder, seed=seed, name="vae", **options))


def dense_vae(
    image_shape: tuple[int, int, int] = (28, 28, 1),
    latent_size: int = 10,
    class_count: int = 0,
    width: int = 512,
    depth: int = 2,
    seed: int = 0,
    **options: Any,
) -> VAE:
    """A VAE of dense layers, for images of any size; ``fit(…, jit_compile=True)`` trains it fastest.

    Args:
        width: units of a hidden layer; depth: hidden layers of the encoder, and as many of the decoder.
        the others, and what is raised: as for ``convolutional_vae``.
    """
    check_sizes(image_shape, latent_size, class_count, min(width, depth))
    with seeded(seed):
        image, label = keras.Input(image_shape, name="image"), label_input(class_count)
        hidden = with_label(layers.Flatten()(image), label)  # (n, h, w, c) -> (n, h * w * c)
        for _ in range(depth):
            hidden = layers.Dense(width, activation="gelu")(hidden)
        encoder = _encoder([image, *label], hidden, latent_size)

        latent, label = keras.Input((latent_size,), name="latent"), label_input(class_count)
        hidden = with_label(latent, label)
        for _ in range(depth):
            hidden = layers.Dense(width, activation="gelu")(hidden)
        pixels = layers.Dense(math.prod(image_shape))(hidden)
        pixels = layers.Reshape(image_shape, name="pixels")(pixels)  # (n, h * w * c) -> (n, h, w, c)
        decoder = keras.Model([latent, *label], pixels, name="decoder")
    return built(VAE(encoder, decoder, seed=seed, name="vae", **options))


def _encoder(inputs: list[Any], hidden: Any, latent_size: int) -> keras.Model:
    """Image (and one-hot label) to the mean and the log-variance of q(z|x)."""
    mean = layers.Dense(latent_size, name="mean")(hidden)
    log_variance = layers.Dense(latent_size, name="log_variance")(hidden)
    return keras.Model(inputs, [mean, log_variance], name="encoder")


# -- the model ----------------------------------------------------------------------------------------


@keras.saving.register_keras_serializable("aigc_lab")
class VAE(LatentModel):
    """An encoder q(z|x), a decoder p(x|z), and the ELBO that ties them together.

    Args:
        encoder: image (and one-hot label) to ``[mean, log_variance]``, each ``(n, latent_size)``.
        decoder: latent (and one-hot label) to the pixels' logits (Bernoulli) or means (Gaussian).
        likelihood: ``"bernoulli"`` for pixels in [0, 1], ``"gaussian"`` for real values.
        scale: standard deviation of a Gaussian pixel; unused otherwise.
        learn_scale: train one scale for all pixels, from ``scale`` on (Rybkin et al. 2021, section 3).
        beta: weight of the KL term in the *training* loss (Higgins et al. 2017); ``elbo`` ignores it.
        warm_up_steps: the weight of the KL term rises from 0 to ``beta`` in so many training steps
            (Bowman et al. 2016, section 3.1).
        free_bits: nats of each latent dimension, mean over the batch, that cost nothing in the training
            loss (Kingma et al. 2016, equation 15).
        seed: of the noise drawn while training.

    Raises:
        ValueError: an unknown likelihood, or a number out of its range.
    """

    networks = ("encoder", "decoder")
    settings = ("likelihood", "scale", "learn_scale", "beta", "warm_up_steps", "free_bits", "seed")

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        likelihood: str = "bernoulli",
        scale: float = 1.0,
        learn_scale: bool = False,
        beta: float = 1.0,
        warm_up_steps: int = 0,
        free_bits: float = 0.0,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if likelihood not in LIKELIHOODS:
            raise ValueError(f"likelihood must be one of {', '.join(LIKELIHOODS)}, got {likelihood!r}")
        if scale <= 0 or min(beta, warm_up_steps, free_bits) < 0:
            raise ValueError(
                "scale must be positive and beta, warm_up_steps and free_bits not negative, "
                f"got {scale}, {beta}, {warm_up_steps} and {free_bits}"
            )
        if learn_scale and likelihood != "gaussian":
            raise ValueError("only Gaussian pixels have a scale to learn; use likelihood='gaussian'")
        self.encoder, self.decoder = encoder, decoder
        self.likelihood, self.scale, self.learn_scale = likelihood, scale, learn_scale
        self.beta, self.warm_up_steps, self.free_bits, self.seed = beta, warm_up_steps, free_bits, seed
        # Weights, so that a checkpoint holds them too.
        self.log_scale = self.steps_done = None
        if learn_scale:
            start = keras.initializers.Constant(math.log(scale))
            self.log_scale = self.add_weight(shape=(), initializer=start, name="log_scale")
        if warm_up_steps:
            self.steps_done = self.add_weight(
                shape=(), initializer="zeros", trainable=False, name="steps_done"
            )
        self.noise = keras.random.SeedGenerator(seed)
        self.trackers = [keras.metrics.Mean(name=name) for name in ("reconstruction", "kl")]
        self.image_shape = tuple(encoder.inputs[0].shape[1:])
        self.latent_size = int(decoder.inputs[0].shape[-1])
        self.class_count = int(encoder.inputs[1].shape[-1]) if len(encoder.inputs) > 1 else 0

    def call(self, inputs: Any, training: bool | None = None) -> dict[str, Any]:
        """One pass: encode, draw z = mean + exp(log_variance / 2) * noise (reparameterisation), decode."""
        images, condition = self.unpack(inputs)
        mean, log_variance = self.full_precision(self.encoder([images, *condition], training=training))
        noise = self.draw_noise(mean)
        latent = mean + ops.exp(0.5 * log_variance) * noise  # (n, latent_size)
        pixels = self.decoder(self.decoder_inputs(latent, images, condition), training=training)
        outputs = {"mean": mean, "log_variance": log_variance, "pixels": self.full_precision(pixels)}
        if self.warm_up_steps and training:
            outputs["warm_up"] = ops.minimum(1.0, self.steps_done / self.warm_up_steps)
            self.steps_done.assign(self.steps_done + 1.0)
        return outputs

    def draw_noise(self, mean: Any) -> Any:
        """Standard normal noise of the shape of ``mean``, ``(n, latent_size)``."""
        return keras.random.normal(ops.shape(mean), dtype=mean.dtype, seed=self.noise)

    def decoder_inputs(self, latent: Any, images: Any, condition: list[Any]) -> list[Any]:
        """What the decoder reads. A variant whose decoder also sees a part of the image overrides this."""
        return [latent, *condition]

    def loss_terms(self, inputs: Any, outputs: dict[str, Any]) -> dict[str, Any]:
        """Means over the batch, in nats per image: the loss and its two parts, as they are unweighted."""
        images, _ = self.unpack(inputs)
        reconstruction = ops.mean(self._reconstruction(images, outputs["pixels"]))
        kl = ops.mean(kl_to_standard_normal(outputs["mean"], outputs["log_variance"]))
        penalty = kl
        if self.free_bits:
            of_dimensions = ops.mean(kl_of_dimensions(outputs["mean"], outputs["log_variance"]), axis=0)
            penalty = ops.sum(ops.maximum(of_dimensions, self.free_bits))  # (n, d) -> (d,) -> ()
        loss = reconstruction + self.beta * outputs.get("warm_up", 1.0) * penalty
        return {"loss": loss, "reconstruction": reconstruction, "kl": kl}

    def checked_images(self, x: np.ndarray) -> np.ndarray:
        images = super().checked_images(x)
        if self.likelihood == "bernoulli" and images.size:
            low, high = float(images.min()), float(images.max())
            if low < -1e-6 or high > 1 + 1e-6:
                raise ValueError(
                    f"Bernoulli pixels must lie in [0, 1], got {low:g} to {high:g}; rescale the images "
                    "(Dataset.arrays() does), or use likelihood='gaussian'"
                )
        return images

    # -- use ------------------------------------------------------------------------------------------

    def encode(self, x: np.ndarray, labels: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Mean and log-variance of q(z|x), each ``(n, latent_size)``, for images ``(n, *image_shape)``."""
        images = self.checked_images(x)
        condition = one_hot(labels, self.class_count, len(images))
        return tuple(
            in_batches(lambda inputs: self.full_precision(self.encoder(inputs)), [images, *condition])
        )

    def decode(self, z: np.ndarray, labels: Any = None) -> np.ndarray:
        """Expected images: see ``LatentModel.decode``."""
        pixels = super().decode(z, labels)
        return _sigmoid(pixels) if self.likelihood == "bernoulli" else pixels

    def draw(self, inputs: list[Any]) -> Any:
        """Logits or means of the pixels."""
        return self.full_precision(self.decoder(inputs))

    def elbo(self, x: np.ndarray, labels: Any = None, samples: int = 1, seed: int = 0) -> np.ndarray:
        """The evidence lower bound of each image, ``(n,)`` in nats: higher is better, at most log p(x).

        ``samples`` draws of z estimate the expectation; the KL term is exact.
        """
        mean, log_variance = self.encode(x, labels)
        draws = self._draws(x, labels, mean, log_variance, samples, seed)
        reconstruction = sum(nats for _, _, nats in draws) / samples
        return -reconstruction - ops.convert_to_numpy(kl_to_standard_normal(mean, log_variance))

    def importance_weighted_bound(
        self, x: np.ndarray, labels: Any = None, samples: int = 10, seed: int = 0
    ) -> np.ndarray:
        """A tighter lower bound of log p(x), ``(n,)`` in nats: log of the mean of ``samples`` weights.

        Each weight is p(x|z) p(z) / q(z|x) at one draw z ~ q(z|x). One sample gives the ELBO (with its
        KL term estimated too); more raise the bound towards log p(x). Burda, Grosse and Salakhutdinov
        2016 (arXiv 1509.00519), equation 8.
        """
        mean, log_variance = self.encode(x, labels)
        log_sum = np.full(len(mean), -np.inf)
        for noise, latent, nats in self._draws(x, labels, mean, log_variance, samples, seed):
            # log p(z) - log q(z|x); the factors of 2 pi cancel.
            ratio = 0.5 * np.sum(np.square(noise) - np.square(latent) + log_variance, axis=-1)
            log_sum = np.logaddexp(log_sum, ratio - nats)
        return log_sum - math.log(samples)

    def scale_now(self) -> float:
        """The standard deviation of a Gaussian pixel: the learned one, or ``scale``."""
        return float(as_array(self._scale()))

    def drawing_network(self) -> keras.Model:
        """The decoder with pixels in [0, 1]: what is exported, since it is all that drawing needs."""
        inputs = [keras.Input(each.shape[1:], name=each.name) for each in self.decoder.inputs]
        pixels = self.decoder(inputs)
        if self.likelihood == "bernoulli":
            pixels = layers.Activation("sigmoid", name="pixels")(pixels)
        return keras.Model(inputs, pixels, name="generator")

    def _reconstruction(self, images: Any, pixels: Any) -> Any:
        if self.likelihood == "bernoulli":
            return bernoulli_nats(images, pixels)
        return gaussian_nats(images, pixels, self._scale())

    def _scale(self) -> Any:
        if self.log_scale is None:
            return self.scale
        return ops.exp(ops.maximum(self.log_scale, math.log(SMALLEST_SCALE)))

    def _draws(self, x: Any, labels: Any, mean: Any, log_variance: Any, samples: int, seed: int) -> Any:
        """``samples`` times: noise and z ``(n, latent_size)``, and -log p(x|z) in nats ``(n,)``."""
        if samples < 1:
            raise ValueError(f"samples must be at least 1, got {samples}")
        images = self.checked_images(x)
        condition = one_hot(labels, self.class_count, len(images))
        random = np.random.default_rng(seed)

        def reconstruction_nats(inputs: list[Any]) -> Any:
            images, latent, *condition = inputs
            pixels = self.decoder(self.decoder_inputs(latent, images, condition))
            return self._reconstruction(images, self.full_precision(pixels))

        for _ in range(samples):
            noise = random.standard_normal(mean.shape, dtype="float32")
            latent = mean + np.exp(0.5 * log_variance) * noise
            (nats,) = in_batches(reconstruction_nats, [images, latent, *condition])
            yield noise, latent, nats


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return (0.5 * (1.0 + np.tanh(0.5 * logits))).astype("float32")


# -- where in the latent space the data lie (and LatentMixture, in its own file, which needs no Keras) --


def active_dimensions(vae: Any, images: Any, labels: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Latent dimensions from the most to the least used, and the nats each one carries.

    That is KL(q(z_j|x) || N(0, 1)), mean over the images: about 0 for one that the model ignores, whose
    slider changes nothing (Burda et al. 2016, section 5.2).

    Args:
        images: an image ``Dataset``, or float images in [0, 1], ``(n, height, width, channels)``.
        labels: integers ``(n,)`` for a conditional model; a ``Dataset`` brings its own.

    Returns:
        order ``(latent_size,)`` of dimension numbers, and nats ``(latent_size,)`` by dimension number.
    """
    if isinstance(images, Dataset):
        images, own = images.arrays()
        labels = own if labels is None else labels
    mean, log_variance = vae.encode(images, labels if vae.class_count else None)
    nats = 0.5 * np.mean(np.square(mean) + np.exp(log_variance) - 1 - log_variance, axis=0)  # (n, d) -> (d,)
    return np.argsort(-nats, kind="stable"), nats
