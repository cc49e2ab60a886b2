"""The variational autoencoder (VAE), with or without a class label as a condition.

The loss is the negative evidence lower bound (ELBO) in nats per image, Kingma and
Welling 2014 (arXiv 1312.6114), equation 3:

    -ELBO(x) = E_q(z|x)[-log p(x|z)] + KL(q(z|x) || p(z))

Both terms are *sums* (over pixels, over latent dimensions); the mean is taken only over
the batch. A label enters both networks as in Sohn, Lee and Yan 2015, equation 4.
Introduced in notebook 00, derived in notebook 05.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import layers, ops

LIKELIHOODS = ("bernoulli", "gaussian")


def kl_to_standard_normal(mean: Any, log_variance: Any) -> Any:
    """KL(N(mean, diag exp(log_variance)) || N(0, 1)) in nats, summed over the latent dimensions.

    Args:
        mean, log_variance: ``(n, latent_size)``.

    Returns:
        ``(n,)``, never negative. Kingma and Welling 2014, appendix B.
    """
    mean, log_variance = ops.convert_to_tensor(mean), ops.convert_to_tensor(log_variance)
    return 0.5 * ops.sum(ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance, axis=-1)


def bernoulli_nats(pictures: Any, logits: Any) -> Any:
    """-log p(x|z) in nats for independent Bernoulli pixels, summed over the pixels: ``(n,)``.

    A grey value g in [0, 1] counts as the expectation over a pixel that is white with
    probability g, so the ELBO is that of randomly binarised pictures.
    """
    pictures, logits = ops.convert_to_tensor(pictures), ops.convert_to_tensor(logits)
    # Stable form of -(x log p + (1-x) log(1-p)) with p = sigmoid(logits).
    nats = ops.maximum(logits, 0.0) - logits * pictures + ops.log1p(ops.exp(-ops.abs(logits)))
    return ops.sum(ops.reshape(nats, (ops.shape(nats)[0], -1)), axis=-1)  # (n, h, w, c) -> (n, h*w*c) -> (n,)


def gaussian_nats(pictures: Any, mean: Any, scale: float) -> Any:
    """-log p(x|z) in nats for Gaussian pixels of standard deviation ``scale``, summed: ``(n,)``."""
    pictures, mean = ops.convert_to_tensor(pictures), ops.convert_to_tensor(mean)
    nats = 0.5 * ops.square((pictures - mean) / scale) + math.log(scale) + 0.5 * math.log(2 * math.pi)
    return ops.sum(ops.reshape(nats, (ops.shape(nats)[0], -1)), axis=-1)  # (n, ...) -> (n, d) -> (n,)


@keras.saving.register_keras_serializable("aigc_lab")
class VAE(keras.Model):
    """An encoder q(z|x), a decoder p(x|z), and the ELBO that ties them together.

    Args:
        encoder: picture (and one-hot label) to ``[mean, log_variance]``, each ``(n, latent_size)``.
        decoder: latent (and one-hot label) to the pixels' logits (Bernoulli) or means (Gaussian).
        likelihood: ``"bernoulli"`` for pixels in [0, 1], ``"gaussian"`` for real values.
        scale: standard deviation of a Gaussian pixel; unused otherwise.
        beta: weight of the KL term in the *training* loss (Higgins et al. 2017); ``elbo`` ignores it.
        seed: seed of the noise drawn while training.
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        likelihood: str = "bernoulli",
        scale: float = 1.0,
        beta: float = 1.0,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if likelihood not in LIKELIHOODS:
            raise ValueError(f"likelihood must be one of {', '.join(LIKELIHOODS)}, got {likelihood!r}")
        if scale <= 0 or beta < 0:
            raise ValueError(f"scale must be positive and beta not negative, got {scale} and {beta}")
        self.encoder, self.decoder = encoder, decoder
        self.likelihood, self.scale, self.beta, self.seed = likelihood, scale, beta, seed
        self.noise = keras.random.SeedGenerator(seed)
        # Keras' own fit shows these beside the loss.
        self.reconstruction_tracker = keras.metrics.Mean(name="reconstruction")
        self.kl_tracker = keras.metrics.Mean(name="kl")
        self.image_shape = tuple(encoder.inputs[0].shape[1:])
        self.latent_size = int(decoder.inputs[0].shape[-1])
        self.class_count = int(decoder.inputs[1].shape[-1]) if len(decoder.inputs) > 1 else 0

    # -- training ---------------------------------------------------------------------------------

    def call(self, inputs: Any, training: bool | None = None) -> dict[str, Any]:
        """One pass: encode, draw z = mean + exp(log_variance / 2) * noise (reparameterisation), decode."""
        pictures, condition = self._unpack(inputs)
        mean, log_variance = self.encoder([pictures, *condition], training=training)
        noise = keras.random.normal(ops.shape(mean), dtype=mean.dtype, seed=self.noise)
        latent = mean + ops.exp(0.5 * log_variance) * noise
        return {
            "mean": mean,
            "log_variance": log_variance,
            "pixels": self.decoder([latent, *condition], training=training),
        }

    def loss_terms(self, inputs: Any, outputs: dict[str, Any]) -> dict[str, Any]:
        """Means over the batch, in nats per image: the loss and its two parts."""
        pictures, _ = self._unpack(inputs)
        reconstruction = ops.mean(self._reconstruction(pictures, outputs["pixels"]))
        kl = ops.mean(kl_to_standard_normal(outputs["mean"], outputs["log_variance"]))
        return {"loss": reconstruction + self.beta * kl, "reconstruction": reconstruction, "kl": kl}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """What Keras' own ``fit`` minimises (the same number as ``loss_terms``)."""
        terms = self.loss_terms(x, y_pred)
        self.reconstruction_tracker.update_state(terms["reconstruction"])
        self.kl_tracker.update_state(terms["kl"])
        return terms["loss"]

    # -- use --------------------------------------------------------------------------------------

    def encode(self, x: np.ndarray, labels: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Mean and log-variance of q(z|x), each ``(n, latent_size)``, for pictures ``(n, *image_shape)``."""
        pictures = self._checked_pictures(x)
        condition = self._one_hot(labels, len(pictures))
        return tuple(_in_batches(self.encoder, [pictures, *condition]))

    def decode(self, z: np.ndarray, labels: Any = None) -> np.ndarray:
        """Expected pictures ``(n, *image_shape)`` for latent points ``(n, latent_size)``."""
        latent = np.asarray(z, "float32")
        if latent.ndim != 2 or latent.shape[1] != self.latent_size:
            raise ValueError(f"latent points must have shape (n, {self.latent_size}), got {latent.shape}")
        (pixels,) = _in_batches(self.decoder, [latent, *self._one_hot(labels, len(latent))])
        return _sigmoid(pixels) if self.likelihood == "bernoulli" else pixels

    def sample(self, n: int, labels: Any = None, seed: int = 0) -> np.ndarray:
        """``n`` new pictures, from z ~ N(0, 1); without ``labels`` a conditional model takes each in turn."""
        latent = np.random.default_rng(seed).standard_normal((n, self.latent_size), dtype="float32")
        if labels is None and self.class_count:
            labels = np.arange(n) % self.class_count
        return self.decode(latent, labels)

    def elbo(self, x: np.ndarray, labels: Any = None, samples: int = 1, seed: int = 0) -> np.ndarray:
        """The evidence lower bound of each picture, ``(n,)`` in nats: higher is better, at most log p(x).

        ``samples`` draws of z estimate the expectation; the KL term is exact.
        """
        pictures = self._checked_pictures(x)
        condition = self._one_hot(labels, len(pictures))
        mean, log_variance = self.encode(pictures, labels)
        random = np.random.default_rng(seed)
        reconstruction = np.zeros(len(pictures))
        for _ in range(samples):
            noise = random.standard_normal(mean.shape, dtype="float32")
            latent = mean + np.exp(0.5 * log_variance) * noise
            reconstruction += _in_batches(self._reconstruct_nats, [pictures, latent, *condition])[0]
        return -reconstruction / samples - ops.convert_to_numpy(kl_to_standard_normal(mean, log_variance))

    def generator(self) -> keras.Model:
        """The decoder with pixels in [0, 1]: what is exported, since it is all that drawing needs."""
        inputs = [keras.Input(each.shape[1:], name=each.name) for each in self.decoder.inputs]
        pixels = self.decoder(inputs)
        if self.likelihood == "bernoulli":
            pixels = layers.Activation("sigmoid", name="pixels")(pixels)
        return keras.Model(inputs, pixels, name="generator")

    # -- saving -----------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        networks = {"encoder": self.encoder, "decoder": self.decoder}
        return {
            **super().get_config(),
            **{name: keras.saving.serialize_keras_object(network) for name, network in networks.items()},
            "likelihood": self.likelihood,
            "scale": self.scale,
            "beta": self.beta,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> VAE:
        networks = {
            name: keras.saving.deserialize_keras_object(config.pop(name), custom_objects)
            for name in ("encoder", "decoder")
        }
        return cls(**networks, **config)

    def build(self, input_shape: Any = None) -> None:
        # Encoder and decoder are Functional models: they are built when they are made.
        self.built = True

    # -- helpers ----------------------------------------------------------------------------------

    def _unpack(self, inputs: Any) -> tuple[Any, list[Any]]:
        """Pictures, and the one-hot condition as a list that is empty when the model has none."""
        if not self.class_count:
            return (inputs[0] if isinstance(inputs, (tuple, list)) else inputs), []
        if not isinstance(inputs, (tuple, list)):
            raise ValueError("this VAE is conditional: give it (pictures, labels)")
        return inputs[0], [ops.one_hot(ops.cast(inputs[1], "int32"), self.class_count)]

    def _reconstruction(self, pictures: Any, pixels: Any) -> Any:
        if self.likelihood == "bernoulli":
            return bernoulli_nats(pictures, pixels)
        return gaussian_nats(pictures, pixels, self.scale)

    def _reconstruct_nats(self, inputs: list[Any]) -> Any:
        pictures, *latent_and_condition = inputs
        return self._reconstruction(pictures, self.decoder(latent_and_condition))

    def _checked_pictures(self, x: np.ndarray) -> np.ndarray:
        pictures = np.asarray(x)
        if pictures.dtype == np.uint8:
            raise ValueError("pictures must be float in [0, 1], got uint8; use Dataset.arrays()")
        if pictures.shape[1:] != self.image_shape:
            raise ValueError(
                f"pictures must have shape (n, {', '.join(map(str, self.image_shape))}), got {pictures.shape}"
            )
        if not np.isfinite(pictures).all():
            raise ValueError("pictures hold NaN or infinite values; drop or repair those items first")
        return pictures.astype("float32", copy=False)

    def _one_hot(self, labels: Any, count: int) -> list[np.ndarray]:
        if not self.class_count:
            return []
        if labels is None:
            raise ValueError(
                f"this VAE is conditional: give a label from 0 to {self.class_count - 1} for each item"
            )
        labels = np.broadcast_to(np.asarray(labels), (count,))
        if count and (labels.min() < 0 or labels.max() >= self.class_count):
            raise ValueError(
                f"labels must lie from 0 to {self.class_count - 1}, got {labels.min()} to {labels.max()}"
            )
        return [np.eye(self.class_count, dtype="float32")[labels]]


def convolutional_vae(
    image_shape: tuple[int, int, int] = (28, 28, 1),
    latent_size: int = 10,
    class_count: int = 0,
    width: int = 32,
    likelihood: str = "bernoulli",
    scale: float = 1.0,
    beta: float = 1.0,
    seed: int = 0,
) -> VAE:
    """A small convolutional VAE, built for two CPU cores.

    All convolutions work on a grid of 4 x 4 pixel patches: the first one has stride 4, and the last
    one predicts the 16 pixels of each patch (sub-pixel upsampling, Shi et al. 2016, section 2.2).
    That is several times cheaper than strided transposed convolutions at full resolution.

    Args:
        image_shape: height, width, channels; height and width must be multiples of 4.
        latent_size: dimensions of z.
        class_count: 0 for an unconditional model, else the number of classes.
        width: channels of the convolutions; the dense layers have eight times as many units.
        seed: seed of the weights and of the noise; equal seeds give equal models.

    Raises:
        ValueError: a height or width that is no multiple of 4, or a size below 1.
    """
    height, image_width, channels = image_shape
    if height % 4 or image_width % 4:
        raise ValueError(
            f"height and width must be multiples of 4, got {height} x {image_width}; resize or pad first"
        )
    if min(height, image_width, channels, latent_size, width) < 1 or class_count < 0:
        raise ValueError("sizes, latent_size and width must be at least 1, and class_count at least 0")
    keras.utils.set_random_seed(seed)
    rows, columns = height // 4, image_width // 4

    condition = _condition(class_count)
    picture = keras.Input(image_shape, name="picture")
    hidden = layers.Conv2D(width, 4, strides=4, activation="gelu")(picture)
    hidden = layers.Flatten()(hidden)  # (n, h/4, w/4, width) -> (n, h/4 * w/4 * width)
    hidden = layers.Dense(8 * width, activation="gelu")(_joined(hidden, condition))
    mean = layers.Dense(latent_size, name="mean")(hidden)
    log_variance = layers.Dense(latent_size, name="log_variance")(hidden)
    encoder = keras.Model([picture, *condition], [mean, log_variance], name="encoder")

    condition = _condition(class_count)
    latent = keras.Input((latent_size,), name="latent")
    hidden = layers.Dense(8 * width, activation="gelu")(_joined(latent, condition))
    hidden = layers.Dense(rows * columns * width, activation="gelu")(hidden)
    hidden = layers.Reshape((rows, columns, width))(hidden)  # (n, h/4 * w/4 * width) -> (n, h/4, w/4, width)
    hidden = layers.Conv2D(width, 3, padding="same", activation="gelu")(hidden)
    pixels = layers.Conv2D(16 * channels, 3, padding="same")(hidden)
    pixels = layers.Reshape((rows, columns, 4, 4, channels))(
        pixels
    )  # (n, h/4, w/4, 16 c) -> (n, h/4, w/4, 4, 4, c)
    pixels = layers.Permute((1, 3, 2, 4, 5))(pixels)  # (n, h/4, w/4, 4, 4, c) -> (n, h/4, 4, w/4, 4, c)
    pixels = layers.Reshape(image_shape, name="pixels")(pixels)  # (n, h/4, 4, w/4, 4, c) -> (n, h, w, c)
    decoder = keras.Model([latent, *condition], pixels, name="decoder")
    model = VAE(encoder, decoder, likelihood, scale, beta, seed, name="vae")
    model.build()  # so that it can be saved before its first batch
    return model


def _condition(class_count: int) -> list[Any]:
    return [keras.Input((class_count,), name="label")] if class_count else []


def _joined(tensor: Any, condition: list[Any]) -> Any:
    return layers.Concatenate()([tensor, *condition]) if condition else tensor


def _in_batches(network: Any, inputs: list[np.ndarray], size: int = 500) -> list[np.ndarray]:
    """Run ``network`` on slices, so that memory stays bounded however many items come in."""
    count = len(inputs[0])
    if not count:
        raise ValueError("there are no items; give at least one")
    parts = []
    for start in range(0, count, size):
        outputs = network([ops.convert_to_tensor(each[start : start + size]) for each in inputs])
        outputs = outputs if isinstance(outputs, (tuple, list)) else [outputs]
        parts.append([ops.convert_to_numpy(ops.stop_gradient(each)) for each in outputs])
    return [np.concatenate(each) for each in zip(*parts, strict=True)]


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return (0.5 * (1.0 + np.tanh(0.5 * logits))).astype("float32")
