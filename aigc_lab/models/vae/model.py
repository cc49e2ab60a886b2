"""The VAE itself: an encoder and a decoder joined by the loss, with or without a label as a condition.

The loss is the negative evidence lower bound (ELBO) in nats per image, Kingma and
Welling 2014 (arXiv 1312.6114), equation 3:

    -ELBO(x) = E_q(z|x)[-log p(x|z)] + KL(q(z|x) || p(z))

Both terms are *sums* (over pixels, over latent dimensions); the mean is taken only over
the batch. A label enters both networks as in Sohn, Lee and Yan 2015, equation 4.
Introduced in notebook 00, derived in notebook 05; warm-up, free bits and the importance-weighted bound
are introduced in notebook 06.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from aigc_lab.models.vae.elbo import bernoulli_nats, gaussian_nats, kl_of_dimensions, kl_to_standard_normal

LIKELIHOODS = ("bernoulli", "gaussian")
# A learned scale stops here: pictures come in 255 steps, and on constant pixels it would fall to 0.
SMALLEST_SCALE = 1e-3


@keras.saving.register_keras_serializable("aigc_lab")
class VAE(keras.Model):
    """An encoder q(z|x), a decoder p(x|z), and the ELBO that ties them together.

    Args:
        encoder: picture (and one-hot label) to ``[mean, log_variance]``, each ``(n, latent_size)``.
        decoder: latent (and one-hot label) to the pixels' logits (Bernoulli) or means (Gaussian).
        likelihood: ``"bernoulli"`` for pixels in [0, 1], ``"gaussian"`` for real values.
        scale: standard deviation of a Gaussian pixel; unused otherwise.
        learn_scale: train one scale for all pixels, from ``scale`` on (Rybkin et al. 2021, section 3).
        beta: weight of the KL term in the *training* loss (Higgins et al. 2017); ``elbo`` ignores it.
        warm_up_steps: the weight of the KL term rises from 0 to ``beta`` in so many training steps
            (Bowman et al. 2016, section 3.1).
        free_bits: nats of each latent dimension, mean over the batch, that cost nothing in the training
            loss (Kingma et al. 2016, equation 15).
        seed: seed of the noise drawn while training.
    """

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
        # autocast=False: in mixed precision the layers compute in half, what is summed here does not.
        super().__init__(autocast=False, **options)
        if likelihood not in LIKELIHOODS:
            raise ValueError(f"likelihood must be one of {', '.join(LIKELIHOODS)}, got {likelihood!r}")
        if scale <= 0 or beta < 0:
            raise ValueError(f"scale must be positive and beta not negative, got {scale} and {beta}")
        if warm_up_steps < 0 or free_bits < 0:
            raise ValueError(
                f"warm_up_steps and free_bits must not be negative, got {warm_up_steps} and {free_bits}"
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
        # Which of how many equal parts of the batch this process sees (train.distributed sets it).
        self.share = (0, 1)
        # Keras' own fit shows these beside the loss.
        self.reconstruction_tracker = keras.metrics.Mean(name="reconstruction")
        self.kl_tracker = keras.metrics.Mean(name="kl")
        self.image_shape = tuple(encoder.inputs[0].shape[1:])
        self.latent_size = int(decoder.inputs[0].shape[-1])
        self.class_count = int(encoder.inputs[1].shape[-1]) if len(encoder.inputs) > 1 else 0

    # -- training ---------------------------------------------------------------------------------

    def call(self, inputs: Any, training: bool | None = None) -> dict[str, Any]:
        """One pass: encode, draw z = mean + exp(log_variance / 2) * noise (reparameterisation), decode."""
        pictures, condition = self._unpack(inputs)
        mean, log_variance = self._full(self.encoder([pictures, *condition], training=training))
        noise = self._noise_like(mean)
        latent = mean + ops.exp(0.5 * log_variance) * noise
        outputs = {
            "mean": mean,
            "log_variance": log_variance,
            "pixels": self._full(
                self.decoder(self.decoder_inputs(latent, pictures, condition), training=training)
            ),
        }
        if self.warm_up_steps and training:
            outputs["warm_up"] = ops.minimum(1.0, self.steps_done / self.warm_up_steps)
            self.steps_done.assign(self.steps_done + 1.0)
        return outputs

    def decoder_inputs(self, latent: Any, pictures: Any, condition: list[Any]) -> list[Any]:
        """What the decoder reads. A variant whose decoder also sees a part of the picture overrides this."""
        return [latent, *condition]

    def loss_terms(self, inputs: Any, outputs: dict[str, Any]) -> dict[str, Any]:
        """Means over the batch, in nats per image: the loss and its two parts, as they are unweighted."""
        pictures, _ = self._unpack(inputs)
        reconstruction = ops.mean(self._reconstruction(pictures, outputs["pixels"]))
        kl = ops.mean(kl_to_standard_normal(outputs["mean"], outputs["log_variance"]))
        penalty = kl
        if self.free_bits:
            of_dimensions = ops.mean(kl_of_dimensions(outputs["mean"], outputs["log_variance"]), axis=0)
            penalty = ops.sum(ops.maximum(of_dimensions, self.free_bits))  # (n, d) -> (d,) -> ()
        loss = reconstruction + self.beta * outputs.get("warm_up", 1.0) * penalty
        return {"loss": loss, "reconstruction": reconstruction, "kl": kl}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """What Keras' own ``fit`` minimises (the same number as ``loss_terms``)."""
        terms = self.loss_terms(x, y_pred)
        self.reconstruction_tracker.update_state(terms["reconstruction"])
        self.kl_tracker.update_state(terms["kl"])
        return terms["loss"]

    # -- use --------------------------------------------------------------------------------------

    def check_training_data(self, x: np.ndarray, labels: Any = None) -> None:
        """What ``train.fit`` asks before the first step.

        Raises:
            ValueError: pictures or labels that the model does not take.

        Warns:
            UserWarning: there is one picture only, or all are equal: nothing but a copy can be learned.
        """
        pictures = self._checked_pictures(x)
        if self.class_count:
            self._one_hot(labels, len(pictures))
        if (pictures == pictures[:1]).all():
            what = "there is only one picture" if len(pictures) == 1 else "all pictures are the same"
            warnings.warn(f"{what}: the model can only learn to copy it; add other pictures", stacklevel=3)

    def encode(self, x: np.ndarray, labels: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Mean and log-variance of q(z|x), each ``(n, latent_size)``, for pictures ``(n, *image_shape)``."""
        pictures = self._checked_pictures(x)
        condition = self._one_hot(labels, len(pictures))
        return tuple(_in_batches(lambda inputs: self._full(self.encoder(inputs)), [pictures, *condition]))

    def decode(self, z: np.ndarray, labels: Any = None) -> np.ndarray:
        """Expected pictures ``(n, *image_shape)`` for latent points ``(n, latent_size)``."""
        latent = np.asarray(z, "float32")
        if latent.ndim != 2 or latent.shape[1] != self.latent_size:
            raise ValueError(f"latent points must have shape (n, {self.latent_size}), got {latent.shape}")
        inputs = [latent, *self._one_hot(labels, len(latent))]
        (pixels,) = _in_batches(lambda inputs: self._full(self.decoder(inputs)), inputs)
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

    def importance_weighted_bound(
        self, x: np.ndarray, labels: Any = None, samples: int = 10, seed: int = 0
    ) -> np.ndarray:
        """A tighter lower bound of log p(x), ``(n,)`` in nats: log of the mean of ``samples`` weights.

        Each weight is p(x|z) p(z) / q(z|x) at one draw z ~ q(z|x). One sample gives the ELBO (with its
        KL term estimated too); more raise the bound towards log p(x). Burda, Grosse and Salakhutdinov
        2016 (arXiv 1509.00519), equation 8.
        """
        if samples < 1:
            raise ValueError(f"samples must be at least 1, got {samples}")
        pictures = self._checked_pictures(x)
        condition = self._one_hot(labels, len(pictures))
        mean, log_variance = self.encode(pictures, labels)
        random = np.random.default_rng(seed)
        log_sum = np.full(len(pictures), -np.inf)
        for _ in range(samples):
            noise = random.standard_normal(mean.shape, dtype="float32")
            latent = mean + np.exp(0.5 * log_variance) * noise
            nats = _in_batches(self._reconstruct_nats, [pictures, latent, *condition])[0]
            # log p(z) - log q(z|x); the factors of 2 pi cancel.
            ratio = 0.5 * np.sum(np.square(noise) - np.square(latent) + log_variance, axis=-1)
            log_sum = np.logaddexp(log_sum, ratio - nats)
        return log_sum - math.log(samples)

    def scale_now(self) -> float:
        """The standard deviation of a Gaussian pixel: the learned one, or ``scale``."""
        return float(ops.convert_to_numpy(ops.stop_gradient(self._scale())))

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
            "learn_scale": self.learn_scale,
            "beta": self.beta,
            "warm_up_steps": self.warm_up_steps,
            "free_bits": self.free_bits,
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

    def load_weights(self, filepath: Any, **options: Any) -> None:
        """Weights that ``save_weights`` wrote for a model of the same settings.

        Raises:
            ValueError: weights of another architecture, or no such file; this model keeps its own.
        """
        before = [ops.convert_to_numpy(variable).copy() for variable in self.variables]
        try:
            with warnings.catch_warnings():
                # Keras only warns of layers that the file lacks, and leaves them as they were.
                warnings.simplefilter("error", UserWarning)
                super().load_weights(filepath, **options)
        except Exception as error:
            for variable, value in zip(self.variables, before, strict=True):
                variable.assign(value)
            reason = " ".join(str(error).split())[:200]
            raise ValueError(
                f"{filepath} does not hold weights of this architecture ({reason}); "
                "build the model with the settings that they were saved with"
            ) from error

    # -- helpers ----------------------------------------------------------------------------------

    def _noise_like(self, mean: Any) -> Any:
        """Standard normal noise, ``(n, latent_size)``.

        One of several workers draws it for the whole batch and takes the rows of its own items, so an
        item's noise does not depend on the number of workers.
        """
        part, parts = self.share
        if parts == 1:
            return keras.random.normal(ops.shape(mean), dtype=mean.dtype, seed=self.noise)
        rows, latent_size = ops.shape(mean)
        noise = keras.random.normal((parts * rows, latent_size), dtype=mean.dtype, seed=self.noise)
        return noise[part * rows : (part + 1) * rows]

    def _full(self, outputs: Any) -> Any:
        """What a network gives, in the precision of the weights: a sum of 784 nats needs more than 8 bits."""
        if isinstance(outputs, (tuple, list)):
            return [self._full(each) for each in outputs]
        return ops.cast(outputs, self.variable_dtype)

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
        return gaussian_nats(pictures, pixels, self._scale())

    def _scale(self) -> Any:
        if self.log_scale is None:
            return self.scale
        return ops.exp(ops.maximum(self.log_scale, math.log(SMALLEST_SCALE)))

    def _reconstruct_nats(self, inputs: list[Any]) -> Any:
        pictures, latent, *condition = inputs
        pixels = self.decoder(self.decoder_inputs(latent, pictures, condition))
        return self._reconstruction(pictures, self._full(pixels))

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
        if self.likelihood == "bernoulli" and pictures.size:
            low, high = float(pictures.min()), float(pictures.max())
            if low < -1e-6 or high > 1 + 1e-6:
                raise ValueError(
                    f"Bernoulli pixels must lie in [0, 1], got {low:g} to {high:g}; rescale the pictures "
                    "(Dataset.arrays() does), or use likelihood='gaussian'"
                )
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
