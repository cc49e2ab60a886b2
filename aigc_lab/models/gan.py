"""The generative adversarial network (GAN), small and dense.

A generator draws, a discriminator says how real a picture looks (a logit), and each is trained
against the other with the losses of Goodfellow et al. 2014 (arXiv 1406.2661): the discriminator's is
equation 1, the generator's is the *non-saturating* one of the end of section 3. Both networks take
their step at the same time, from the same fakes. Introduced in notebook 04, derived in notebook 08.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops


def discriminator_loss(real_logits: Any, fake_logits: Any) -> Any:
    """-mean log D(x) - mean log(1 - D(G(z))) in nats, with D = sigmoid(logit); ``log 4`` where D is 1/2.

    Goodfellow et al. 2014, equation 1, as something to minimise. Both are means over the batch.
    """
    return ops.mean(ops.softplus(-real_logits)) + ops.mean(ops.softplus(fake_logits))


def generator_loss(fake_logits: Any) -> Any:
    """-mean log D(G(z)) in nats: the non-saturating loss, Goodfellow et al. 2014, end of section 3."""
    return ops.mean(ops.softplus(-fake_logits))


@keras.saving.register_keras_serializable("aigc_lab")
class GAN(keras.Model):
    """A generator and a discriminator that one ``train.fit`` trains together.

    ``loss`` is the sum of both losses, built so that its gradient is what two separate passes
    give: the discriminator's loss sees fakes that are cut off from the generator
    (``stop_gradient``), and the generator's loss goes through a copy of the discriminator whose
    weights are cut off (``stateless_call``). The sum itself says nothing about quality.

    Args:
        generator: latent points ``(n, latent_size)`` -> pictures ``(n, *image_shape)`` in [0, 1].
        discriminator: pictures -> logits ``(n, 1)``, each from its own picture alone: no batch
            normalisation, since real and fake pictures are judged in one call.
        augmentation: a layer that changes pictures, applied to real and fake ones alike before
            the discriminator sees them; gradients must flow through it. See ``augment.Differentiable``.
        seed: of the latent points.
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        augmentation: Any = None,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.generator, self.discriminator, self.augmentation = generator, discriminator, augmentation
        self.seed = seed
        self.noise = keras.random.SeedGenerator(seed)
        # Keras' own fit shows these beside the loss.
        shown = ("discriminator", "generator", "real_probability", "fake_probability")
        self.trackers = [keras.metrics.Mean(name=name) for name in shown]
        self.image_shape = tuple(generator.outputs[0].shape[1:])
        self.latent_size = int(generator.inputs[0].shape[-1])

    # -- training ---------------------------------------------------------------------------------

    def call(self, inputs: Any, training: bool | None = None) -> dict[str, Any]:
        """One round of the game: as many fakes as there are real pictures, and three sets of logits."""
        pictures = inputs[0] if isinstance(inputs, (tuple, list)) else inputs
        latent = keras.random.normal((ops.shape(pictures)[0], self.latent_size), seed=self.noise)
        fakes = self.generator(latent, training=training)
        shown_real, shown_fake = self._augmented(pictures, training), self._augmented(fakes, training)
        discriminator = self.discriminator
        both = ops.concatenate([shown_real, ops.stop_gradient(shown_fake)])
        logits = discriminator(both, training=training)  # one call: spectral normalisation has a state
        fixed = [ops.stop_gradient(variable.value) for variable in discriminator.trainable_variables]
        state = [variable.value for variable in discriminator.non_trainable_variables]
        judged, _ = discriminator.stateless_call(fixed, state, shown_fake, training=training)
        count = ops.shape(pictures)[0]
        return {
            "fakes": fakes,
            "real_logits": logits[:count],
            "fake_logits": logits[count:],
            "fake_logits_for_generator": judged,
        }

    def loss_terms(self, inputs: Any, outputs: dict[str, Any]) -> dict[str, Any]:
        """Both losses in nats and their sum, and the mean probability of being real for either kind."""
        discriminator = discriminator_loss(outputs["real_logits"], outputs["fake_logits"])
        generator = generator_loss(outputs["fake_logits_for_generator"])
        return {
            "loss": discriminator + generator,
            "discriminator": discriminator,
            "generator": generator,
            "real_probability": ops.mean(ops.sigmoid(outputs["real_logits"])),
            "fake_probability": ops.mean(ops.sigmoid(outputs["fake_logits"])),
        }

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """What Keras' own ``fit`` minimises (the same number as ``loss_terms``)."""
        terms = self.loss_terms(x, y_pred)
        for tracker in self.trackers:
            tracker.update_state(terms[tracker.name])
        return terms["loss"]

    def _augmented(self, pictures: Any, training: bool | None) -> Any:
        return pictures if self.augmentation is None else self.augmentation(pictures, training=training)

    # -- use --------------------------------------------------------------------------------------

    def decode(self, z: np.ndarray) -> np.ndarray:
        """Pictures ``(n, *image_shape)`` in [0, 1] for latent points ``(n, latent_size)``."""
        latent = np.asarray(z, "float32")
        if latent.ndim != 2 or latent.shape[1] != self.latent_size:
            raise ValueError(f"latent points must have shape (n, {self.latent_size}), got {latent.shape}")
        parts = [self.generator(latent[start : start + 500]) for start in range(0, len(latent), 500)]
        return np.concatenate([ops.convert_to_numpy(ops.stop_gradient(part)) for part in parts])

    def sample(self, n: int, seed: int = 0) -> np.ndarray:
        """``n`` new pictures ``(n, *image_shape)`` in [0, 1], from z ~ N(0, 1)."""
        if n < 1:
            raise ValueError(f"draw at least one picture, got {n}")
        return self.decode(np.random.default_rng(seed).standard_normal((n, self.latent_size), "float32"))

    # -- saving -----------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        parts = {name: getattr(self, name) for name in ("generator", "discriminator", "augmentation")}
        return {
            **super().get_config(),
            **{name: part and keras.saving.serialize_keras_object(part) for name, part in parts.items()},
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> GAN:
        for name in ("generator", "discriminator", "augmentation"):
            if config.get(name) is not None:
                config[name] = keras.saving.deserialize_keras_object(config[name], custom_objects)
        return cls(**config)

    def build(self, input_shape: Any = None) -> None:
        # Both networks are Functional models: they are built when they are made.
        self.built = True


def dense_gan(
    image_shape: tuple[int, int, int] = (28, 28, 1),
    latent_size: int = 16,
    width: int = 128,
    augmentation: Any = None,
    seed: int = 0,
) -> GAN:
    """A GAN of dense layers, like the first one: quick on a CPU with ``jit_compile=True``.

    Batch normalisation in the generator and spectral normalisation in the discriminator (Miyato et
    al. 2018, arXiv 1802.05957) keep the game in balance; without them the discriminator of a few
    hundred pictures wins within 500 steps and the generator learns nothing more.

    Args:
        image_shape: height, width, channels.
        latent_size: dimensions of z.
        width: units of each hidden layer, two in either network.
        augmentation: see ``GAN``.
        seed: seed of the weights and of the latent points; equal seeds give equal models.

    Raises:
        ValueError: a size below 1.
    """
    if min(*image_shape, latent_size, width) < 1:
        raise ValueError("image_shape, latent_size and width must be at least 1")
    keras.utils.set_random_seed(seed)
    latent = keras.Input((latent_size,), name="latent")
    hidden = latent
    for _ in range(2):
        hidden = layers.BatchNormalization(momentum=0.9)(layers.Dense(width)(hidden))
        hidden = layers.Activation("leaky_relu")(hidden)
    pixels = layers.Dense(int(np.prod(image_shape)), activation="sigmoid")(hidden)
    pixels = layers.Reshape(image_shape, name="pixels")(pixels)  # (n, h*w*c) -> (n, h, w, c)
    generator = keras.Model(latent, pixels, name="generator")

    picture = keras.Input(image_shape, name="picture")
    hidden = layers.Flatten()(picture)  # (n, h, w, c) -> (n, h*w*c)
    for _ in range(2):
        hidden = layers.SpectralNormalization(layers.Dense(width, activation="leaky_relu"))(hidden)
    logit = layers.SpectralNormalization(layers.Dense(1), name="logit")(hidden)
    discriminator = keras.Model(picture, logit, name="discriminator")
    model = GAN(generator, discriminator, augmentation, seed, name="gan")
    model.build()  # so that it can be saved before its first batch
    return model
