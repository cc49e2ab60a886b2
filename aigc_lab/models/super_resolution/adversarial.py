"""The second stage: the same network against a critic that judges patches, and with a feature loss.

The recipe of Ledig and others 2017 (SRGAN, arXiv 1609.04802, equations 3 to 5), made small: start from
the network trained on L1, keep a little of L1, ask that a network trained on photographs sees the same
in both (the feature loss), and let a discriminator say of each patch whether it is real. The losses of
the contest are those of ``aigc_lab.models.gan``. Both players take their step at the same time, from the
same picture. One term is ours: sub-pixel layers answer a critic with a checkerboard first (Odena and others
2016, doi 10.23915/distill.00003), and ``pattern_error`` forbids it. Introduced in notebook 10.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from aigc_lab.models import gan
from aigc_lab.models.super_resolution.degradation import checked_scale
from aigc_lab.models.super_resolution.model import SuperResolution, check_patches, shrink

# A critic this sure of both kinds has won: the generator's gradients say nothing more.
WON = 0.97
# The judges see each patch shifted by less than this: the stride of the critic.
LARGEST_STRIDE = 4
# The parts of the loss that a history shows, on JAX and PyTorch too, where Keras' own ``fit`` keeps it.
PROBABILITIES = ("real_probability", "fake_probability")
SHOWN = ("pixels", "pattern", "features", "discriminator", "generator", *PROBABILITIES)


@keras.saving.register_keras_serializable("aigc_lab")
class AdversarialSuperResolution(keras.Model):
    """A ``SuperResolution`` network that a critic and a feature loss train further.

    ``loss`` is the discriminator's loss plus the generator's, built so that its gradient is that of two
    separate passes: the discriminator sees enlarged patches that are cut off from the network
    (``stop_gradient``), and the network is judged by a copy of the discriminator whose weights are cut
    off (``stateless_call``). The sum itself says nothing about quality.

    Args:
        network, scale, receptive_field: as ``SuperResolution``; the network's weights are trained on.
        discriminator: ``(n, h, w, 1)`` -> logits ``(n, rows, columns, 1)``, each of one region.
        features: RGB ``(n, h, w, 3)`` in [0, 1] -> a list of feature maps, frozen; None for no feature
            loss. ``evaluate.photo_network()`` is one.
        pixel_weight, feature_weight, adversarial_weight, pattern_weight: of the four parts of the
            generator's loss.
        seed: of the shifts by a few pixels that both judges see.
    """

    def __init__(
        self,
        network: keras.Model,
        scale: int,
        receptive_field: int,
        discriminator: keras.Model,
        features: keras.Model | None = None,
        pixel_weight: float = 1.0,
        feature_weight: float = 0.1,
        adversarial_weight: float = 0.01,
        pattern_weight: float = 20.0,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if min(pixel_weight, feature_weight, adversarial_weight, pattern_weight) < 0:
            raise ValueError("the weights of the losses must not be negative")
        self.network, self.scale, self.receptive_field = network, checked_scale(scale), int(receptive_field)
        self.discriminator, self.features = discriminator, features
        if features is not None:
            features.trainable = False
        self.pixel_weight, self.feature_weight = pixel_weight, feature_weight
        self.adversarial_weight, self.pattern_weight = adversarial_weight, pattern_weight
        self.seed = seed
        self.shifts = keras.random.SeedGenerator(seed)
        shown = SHOWN if features is not None and feature_weight else tuple(set(SHOWN) - {"features"})
        self.trackers = [keras.metrics.Mean(name=name) for name in sorted(shown)]

    def call(self, inputs: Any, training: bool | None = None) -> dict[str, Any]:
        """One round: enlarge, and judge the real and the enlarged patches."""
        made = self.network(shrink(inputs, self.scale), training=training)
        discriminator = self.discriminator
        real, fake = self._shifted(inputs, made) if training else (inputs, made)
        both = ops.concatenate([real, ops.stop_gradient(fake)])
        logits = discriminator(both, training=training)
        fixed = [ops.stop_gradient(variable.value) for variable in discriminator.trainable_variables]
        state = [variable.value for variable in discriminator.non_trainable_variables]
        judged, _ = discriminator.stateless_call(fixed, state, fake, training=training)
        count = ops.shape(inputs)[0]
        outputs = {
            "pixels": made,
            "real_logits": logits[:count],
            "fake_logits": logits[count:],
            "fake_logits_for_generator": judged,
        }
        if self.features is not None and self.feature_weight:
            outputs["seen"] = self._seen(fake)
            outputs["wanted"] = [ops.stop_gradient(each) for each in self._seen(real)]
        return outputs

    def loss_terms(self, inputs: Any, outputs: dict[str, Any]) -> dict[str, Any]:
        """The loss and its parts, unweighted: ``pixels`` (mean absolute error), ``pattern`` (see
        ``pattern_error``), ``features`` (mean over blocks, positions and channels of the squared
        differences), both players' losses in nats, and the mean probability of being real for either
        kind."""
        discriminator = gan.discriminator_loss(outputs["real_logits"], outputs["fake_logits"])
        generator = gan.generator_loss(outputs["fake_logits_for_generator"])
        error = ops.subtract(inputs, outputs["pixels"])  # a minus sign would not take arrays on PyTorch
        pixels = ops.mean(ops.abs(error))
        pattern = pattern_error(error, self.scale)
        loss = discriminator + self.pixel_weight * pixels + self.pattern_weight * pattern
        loss = loss + self.adversarial_weight * generator
        terms = {"pixels": pixels, "pattern": pattern}
        if "seen" in outputs:
            pairs = zip(outputs["seen"], outputs["wanted"], strict=True)
            distances = [ops.mean(ops.square(seen - wanted)) for seen, wanted in pairs]
            terms["features"] = sum(distances) / len(distances)
            loss = loss + self.feature_weight * terms["features"]
        return {
            "loss": loss,
            **terms,
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

    def check_training_data(self, x: Any, labels: Any = None) -> None:
        """As ``SuperResolution.check_training_data``."""
        check_patches(x, self.scale, labels)

    def _shifted(self, *pictures: Any) -> list[Any]:
        """All pictures moved by the same 0 to 3 pixels along each axis, and three pixels shorter.

        The strided layers of the critic and of the feature network weigh pixels by their place on a grid
        of 2 or 4. Without the shift a pattern with that period slips into what is made, and shows.
        """
        down, right = ops.unstack(keras.random.randint((2,), 0, LARGEST_STRIDE, seed=self.shifts))
        shape = ops.shape(pictures[0])
        less = LARGEST_STRIDE - 1
        size = (shape[0], shape[1] - less, shape[2] - less, 1)
        return [ops.slice(each, (0, down, right, 0), size) for each in pictures]

    def _seen(self, pixels: Any) -> list[Any]:
        # Grey as three equal channels, (n, h, w, 1) -> (n, h, w, 3).
        maps = self.features(ops.repeat(pixels, 3, axis=-1), training=False)
        return list(maps) if isinstance(maps, (list, tuple)) else [maps]

    def get_config(self) -> dict[str, Any]:
        parts = {name: getattr(self, name) for name in ("network", "discriminator", "features")}
        weights = ("pixel_weight", "feature_weight", "adversarial_weight", "pattern_weight")
        numbers = ("scale", "receptive_field", *weights, "seed")
        return {
            **super().get_config(),
            **{name: part and keras.saving.serialize_keras_object(part) for name, part in parts.items()},
            **{name: getattr(self, name) for name in numbers},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> AdversarialSuperResolution:
        for name in ("network", "discriminator", "features"):
            if config.get(name) is not None:
                config[name] = keras.saving.deserialize_keras_object(config[name], custom_objects)
        return cls(**config)

    def build(self, input_shape: Any = None) -> None:
        self.built = True  # all parts are Functional: built when they are made


def pattern_error(difference: Any, scale: int) -> Any:
    """How much of an error repeats from small pixel to small pixel, in units of the pixels.

    The mean of the error at each of the scale² places within a small pixel, its absolute value averaged
    over places and patches. Detail lies anywhere and averages out; a checkerboard does not. It is what a
    sub-pixel layer draws first when a critic asks for texture: one number for each place is enough.

    Args:
        difference: original minus result, ``(n, height, width, 1)``, sides multiples of ``scale``.
    """
    height, width = (side // scale for side in difference.shape[1:3])
    cells = ops.reshape(difference, (-1, height, scale, width, scale))  # (n, h, a, w, b)
    return ops.mean(ops.abs(ops.mean(cells, axis=(1, 3))))


def patch_discriminator(width: int = 32, seed: int = 0) -> keras.Model:
    """A critic of regions of 23 pixels a side (Isola et al. 2017, arXiv 1611.07004, section 3.2.2).

    Large luminance ``(n, h, w, 1)`` -> logits ``(n, h / 4, w / 4, 1)``. It sees no whole picture: it
    can judge texture and sharpness, not whether an eye is where an eye belongs. No normalisation: the
    contest starts from a trained network, whose patches differ from real ones by a few grey levels, and
    spectral normalisation kept the critic at chance for as long as a classroom has time.
    """
    if width < 1:
        raise ValueError(f"width must be at least 1, got {width}")
    keras.utils.set_random_seed(seed)
    picture = keras.Input((None, None, 1), name="picture")
    hidden = layers.Rescaling(4.0, -2.0)(picture)  # [0, 1] -> [-2, 2]
    for channels, stride in ((width, 2), (2 * width, 2), (2 * width, 1)):
        layer = layers.Conv2D(channels, 3, stride, padding="same")
        hidden = layers.LeakyReLU(negative_slope=0.2)(layer(hidden))
    logits = layers.Conv2D(1, 1, name="logits")(hidden)
    return keras.Model(picture, logits, name="discriminator")


def adversarial(
    model: SuperResolution,
    features: keras.Model | None = None,
    width: int = 32,
    seed: int = 0,
    **weights: float,
) -> AdversarialSuperResolution:
    """The second stage for a trained ``model``, which stays as it is: its network is copied.

    Args:
        features, weights: as ``AdversarialSuperResolution``.
        width: of the discriminator; seed: of the discriminator and of the shifts.

    Raises:
        ValueError: ``model`` is no ``SuperResolution``, or a weight is negative.
    """
    if not isinstance(model, SuperResolution):
        raise ValueError(f"start from a trained residual_network, not from {type(model).__name__}")
    network = keras.models.clone_model(model.network)
    network.set_weights(model.network.get_weights())
    discriminator = patch_discriminator(width, seed)
    second = AdversarialSuperResolution(
        network,
        model.scale,
        model.receptive_field,
        discriminator,
        features,
        seed=seed,
        name="adversarial",
        **weights,
    )
    second.build()
    return second


def contest_report(history: Any) -> str:
    """Who won the contest, in one sentence, from the history of ``train.fit``.

    Raises:
        ValueError: the history has no probabilities: it is of another model.
    """
    table = history.table
    if not set(PROBABILITIES) <= set(table.columns):
        raise ValueError("this history is not of an adversarial model; give the one of its train.fit")
    sure = (table["real_probability"] > WON) & (table["fake_probability"] < 1 - WON)
    last = table.iloc[-1]
    numbers = (
        f"at the end the critic gives real patches a probability of {last['real_probability']:.2f} of being "
        f"real and made ones {last['fake_probability']:.2f}"
    )
    if sure.iloc[-1]:
        step = int(table["step"][sure].iloc[0])
        return (
            f"the discriminator has won (first seen at step {step}): {numbers}, so the generator learns "
            "nothing from it; lower its width, the learning rate or adversarial_weight"
        )
    return f"the contest is open: {numbers}"
