"""The generative adversarial network (GAN): a generator and a discriminator that compete.

Goodfellow et al. 2014, "Generative Adversarial Nets" (arXiv 1406.2661): the discriminator is paid for
telling real images from generated ones, the generator for being mistaken. The variants differ in a loss and a
penalty only. Introduced in notebooks 08 (the mathematics) and 09 (images).
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from aigc_lab.backend import seeded
from aigc_lab.models.base import LatentModel, built, check_sizes, halvings, label_input, with_label

# -- what the two players minimise --------------------------------------------------------------------


def discriminator_loss(real_logits: Any, fake_logits: Any) -> Any:
    """-mean log D(x) - mean log(1 - D(G(z))) in nats, with D = sigmoid(logit); ``log 4`` where D is 1/2.

    Goodfellow et al. 2014, equation 1, as something to minimise. Both are means over the batch.
    """
    return ops.mean(ops.softplus(-real_logits)) + ops.mean(ops.softplus(fake_logits))


def generator_loss(fake_logits: Any) -> Any:
    """-mean log D(G(z)) in nats: the non-saturating loss, Goodfellow et al. 2014, end of section 3."""
    return ops.mean(ops.softplus(-fake_logits))


def saturating_loss(fake_logits: Any) -> Any:
    """mean log(1 - D(G(z))) in nats, at most zero: the minimax game itself, equation 1 of 1406.2661.

    Its gradient vanishes where the discriminator is sure that an image is a fake.
    """
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


LOSSES = {  # the discriminator's of real and fake logits, the generator's of fake ones
    "non-saturating": (discriminator_loss, generator_loss),
    "saturating": (discriminator_loss, saturating_loss),
    "wasserstein": (Wasserstein.discriminator, Wasserstein.generator),
}


def gradient_penalty(critic: Any, real: Any, fake: Any, mix: Any) -> Any:
    """mean (|| df/dx || - 1)^2 at points between a real and a fake image.

    Gulrajani et al. 2017 (arXiv 1704.00028), equation 3, without its factor lambda. The norm is over
    all values of one image.

    Args:
        critic: a function of images alone -> ``(n, 1)``, each from its own image.
        real, fake: ``(n, ...)``, of one shape.
        mix: ``(n, 1, ...)`` in [0, 1], the share of the real image.
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


def judged(
    discriminator: Any, images: Any, condition: list[Any], training: bool | None, fixed: bool = False
) -> Any:
    """A discriminator's logits, without a trace in its state.

    With ``fixed`` their gradient reaches the images and not the weights of the discriminator.
    """
    weights = [variable.value for variable in discriminator.trainable_variables]
    weights = [ops.stop_gradient(each) for each in weights] if fixed else weights
    state = [variable.value for variable in discriminator.non_trainable_variables]
    return discriminator.stateless_call(weights, state, _joined(images, condition), training=training)[0]


def both_judged(
    discriminator: Any, real: Any, fake: Any, condition: list[Any], training: bool | None
) -> dict[str, Any]:
    """Three sets of logits: of real images and of fakes cut off from the generator, for the discriminator's
    loss; and of fakes for the generator's, by a discriminator whose weights are cut off."""
    count = ops.shape(real)[0]
    # Real and fake in one call, because spectral normalisation has a state.
    both = ops.concatenate([real, ops.stop_gradient(fake)])
    twice = [ops.concatenate([each, each]) for each in condition]
    logits = discriminator(_joined(both, twice), training=training)  # (2 n, 1)
    return {
        "real_logits": logits[:count],
        "fake_logits": logits[count:],
        "fake_logits_for_generator": judged(discriminator, fake, condition, training, fixed=True),
    }


# -- the networks -------------------------------------------------------------------------------------


def dense_gan(
    image_shape: tuple[int, int, int] = (28, 28, 1),
    latent_size: int = 16,
    width: int = 128,
    augmentation: Any = None,
    seed: int = 0,
    momentum: float = 0.9,
    **options: Any,
) -> GAN:
    """A GAN of dense layers, like the first one: quick on a CPU with ``jit_compile=True``.

    Batch normalisation in the generator and spectral normalisation in the discriminator (Miyato et
    al. 2018, arXiv 1802.05957) keep the game in balance; without them the discriminator of a few
    hundred images wins within 500 steps and the generator learns nothing more.

    Args:
        width: units of each hidden layer, two in either network.
        image_shape, latent_size, seed: as for ``dcgan``.
        augmentation, momentum, options: of ``GAN``.

    Raises:
        ValueError: a size below 1, or classes: only ``dcgan`` can be told what to draw.
    """
    check_sizes(image_shape, latent_size, 0, width)
    if options.get("class_count"):
        raise ValueError("dense_gan has no input for classes; build dcgan(…, class_count=…) for that")
    normalised = _normalisation(not options.get("penalty"))
    with seeded(seed):
        hidden = latent = keras.Input((latent_size,), name="latent")
        for _ in range(2):
            hidden = layers.BatchNormalization(momentum=0.9)(layers.Dense(width)(hidden))
            hidden = layers.Activation("leaky_relu")(hidden)
        pixels = layers.Dense(math.prod(image_shape), activation="sigmoid")(hidden)
        pixels = layers.Reshape(image_shape, name="pixels")(pixels)  # (n, h*w*c) -> (n, h, w, c)
        generator = keras.Model(latent, pixels, name="generator")

        image = keras.Input(image_shape, name="image")
        hidden = layers.Flatten()(image)  # (n, h, w, c) -> (n, h*w*c)
        for _ in range(2):
            hidden = normalised(layers.Dense(width, activation="leaky_relu"))(hidden)
        discriminator = keras.Model(image, normalised(layers.Dense(1))(hidden), name="discriminator")
    return built(GAN(generator, discriminator, augmentation, seed, momentum=momentum, name="gan", **options))


def dcgan(
    image_shape: tuple[int, int, int] = (28, 28, 1),
    latent_size: int = 32,
    class_count: int = 0,
    width: int = 16,
    augmentation: Any = None,
    seed: int = 0,
    penalty: float = 1.0,
    penalty_share: float = 0.25,
    momentum: float = 0.0,
    spectral: bool | None = None,
    choices: int = 0,
    mapping: int = 0,
    spread: bool = False,
    **options: Any,
) -> GAN:
    """A convolutional GAN after Radford et al. 2015 (arXiv 1511.06434), with or without classes.

    Three changes for two CPU cores and short runs. The generator predicts the 2 x 2 pixels below each
    place of a coarser grid (sub-pixel upsampling, Shi et al. 2016) where the paper has transposed
    convolutions. There are two grids, a half and a quarter of the image; from 40 pixels on the halving goes
    on until at most 8 x 8 places are left: three grids at 64 pixels, four at 128. And the discriminator has
    no batch normalisation; a gradient penalty keeps its slope near 1, which helps the non-saturating
    game as well as the Wasserstein one (Fedus et al. 2018, arXiv 1710.08446): in 600 steps on six
    classes of drawings the recall was 0.53 with it and 0.02 with spectral normalisation. A class enters the
    discriminator by projection (Miyato and Koyama 2018, arXiv 1802.05637, equation 6).

    For 64 x 64 pixels in colour take small batches and a small penalty: ``penalty=0.1, average=0.1``, and 16
    images a step at a rate of 2e-3. After a minute on one core, 64 images a step and the default penalty drew
    smears (KID on photo features 2,510), these the subjects (2,250); the floor lies between -19 and 53.
    A Gaussian VAE comes nearer (1,750).

    Args:
        image_shape: height, width, channels; height and width must be multiples of 4.
        class_count: 0 for an unconditional model.
        width: channels on the finest grid, twice as many on each coarser one.
        seed: of the weights and of the latent points; equal seeds give equal models.
        penalty: weight of the gradient penalty. WGAN-GP is ``loss="wasserstein", penalty=10``.
        penalty_share: of the batch. A quarter makes a step a fifth cheaper, and no difference in KID was
            seen over two seeds.
        momentum: zero, as in later GANs: with the paper's 0.5 the KID of drawings was 0.099 and not 0.075
            after 400 steps (three seeds).
        spectral: spectral normalisation in the discriminator (Miyato et al. 2018); None for: only where
            there is no penalty.
        choices: so many of z's coordinates only choose: the place of the largest is what the generator sees
            of them. A continuous function of z must cross from one kind of image to the next.
        mapping: dense layers between z and the coarse grid (Karras et al. 2019, arXiv 1812.04948), which
            make the crossing quick.
        spread: the discriminator also sees how much the images of a group of four differ (Karras et al.
            2018, arXiv 1710.10196, section 3), so that a generator of one image is found out. The batch
            size must then be a multiple of 16.
        augmentation, options: of ``GAN``.

    Raises:
        ValueError: a size below 1, a height or width that is no multiple of 4, or more latent dimensions than
            an image has values.
    """
    check_sizes(image_shape, latent_size, class_count, width, multiple=4)
    height, image_width, channels = image_shape
    grids = 2 + halvings(height // 4, image_width // 4)
    rows, columns, deep = height // 2**grids, image_width // 2**grids, width * 2 ** (grids - 1)
    normalised = _normalisation(penalty == 0 if spectral is None else spectral)

    def normal_relu(tensor: Any) -> Any:
        return layers.Activation("relu")(layers.BatchNormalization(momentum=0.9)(tensor))

    with seeded(seed):
        hidden = latent = keras.Input((latent_size,), name="latent")
        label = label_input(class_count)
        if choices:
            # top_k, not argmax: Keras' argmax on TensorFlow looks at single bits, which ONNX cannot.
            chosen = ops.one_hot(ops.top_k(latent[:, :choices], 1)[1][:, 0], choices)  # (n, choices)
            hidden = ops.concatenate([2 * chosen, latent[:, choices:]], axis=-1)
        hidden = with_label(hidden, label)
        for _ in range(mapping):
            hidden = layers.Dense(4 * width, activation="leaky_relu")(hidden)
        hidden = normal_relu(layers.Dense(rows * columns * deep, use_bias=False)(hidden))
        hidden = layers.Reshape((rows, columns, deep))(hidden)  # (n, h/4 * w/4 * 2 k) -> (n, h/4, w/4, 2 k)
        for finer in reversed(range(grids - 1)):
            hidden = layers.Conv2D(4 * width * 2**finer, 3, padding="same", use_bias=False)(hidden)
            hidden = normal_relu(ops.depth_to_space(hidden, 2))  # (n, h/4, w/4, 4 k) -> (n, h/2, w/2, k)
        pixels = layers.Conv2D(4 * channels, 3, padding="same")(hidden)
        pixels = ops.depth_to_space(pixels, 2)  # (n, h/2, w/2, 4 c) -> (n, h, w, c)
        if grids > 2:  # a mean of 2 x 2 pixels passes no checkerboard
            pixels = layers.AveragePooling2D(2, strides=1, padding="same")(pixels)
        pixels = layers.Activation("sigmoid", name="pixels")(pixels)
        generator = keras.Model(_joined(latent, label), pixels, name="generator")

        hidden = image = keras.Input(image_shape, name="image")
        for grid in range(grids):  # (n, h, w, c) -> (n, h/2, w/2, k) -> (n, h/4, w/4, 2 k)
            convolution = layers.Conv2D(
                width * 2**grid, 4, strides=2, padding="same", activation="leaky_relu"
            )
            hidden = normalised(convolution)(hidden)
        if spread:
            hidden = with_spread(hidden)  # (n, h/4, w/4, 2 k) -> (n, h/4, w/4, 2 k + 1)
        hidden = layers.Flatten()(hidden)  # (n, h/4, w/4, 2 k) -> (n, h/4 * w/4 * 2 k)
        hidden = normalised(layers.Dense(4 * width, activation="leaky_relu"))(hidden)
        logit = normalised(layers.Dense(1))(hidden)
        label = label_input(class_count)
        if label:  # by projection: w.h + v[class].h, with h the last hidden layer
            row = normalised(layers.Dense(4 * width, use_bias=False))(label[0])
            logit = layers.Add()([logit, layers.Dot(axes=1)([hidden, row])])
        discriminator = keras.Model(_joined(image, label), logit, name="discriminator")
    options |= {"penalty": penalty, "penalty_share": penalty_share, "momentum": momentum}
    options |= {"class_count": class_count, "batch_multiple": 16 if spread else 1, "name": "gan"}
    return built(GAN(generator, discriminator, augmentation, seed, **options))


def with_spread(hidden: Any, group: int = 4) -> Any:
    """``(n, h, w, k)`` with one more channel: how much the items of each ``group`` neighbours differ."""
    apart = ops.reshape(hidden, (-1, group, *hidden.shape[1:]))  # (n, h, w, k) -> (n/4, 4, h, w, k)
    apart = ops.sqrt(ops.var(apart, axis=1, keepdims=True) + 1e-8)
    apart = ops.mean(apart, axis=(2, 3, 4), keepdims=True)  # (n/4, 4, h, w, k) -> (n/4, 1, 1, 1, 1)
    apart = ops.reshape(ops.repeat(apart, group, axis=1), (-1, 1, 1, 1))
    return ops.concatenate([hidden, apart + ops.zeros_like(hidden[..., :1])], axis=-1)


def _normalisation(spectral: bool) -> Any:
    """What a layer of the discriminator is wrapped in."""
    return layers.SpectralNormalization if spectral else lambda layer: layer


# -- the model ----------------------------------------------------------------------------------------


@keras.saving.register_keras_serializable("aigc_lab")
class GAN(LatentModel):
    """A generator and a discriminator that one ``train.fit`` trains together.

    ``loss`` is the sum of both losses, built so that its gradient is what two separate passes give (see
    ``both_judged``); it says nothing about quality. Both players step at the same time, from the same fakes:
    the *simultaneous* update, where the usual loop lets the generator answer a discriminator that has moved
    already. Step for step the usual loop draws better, in equal time no difference was seen
    (``benchmarks/gan_step.py``).

    Args:
        generator: latent points ``(n, latent_size)`` -> images ``(n, *image_shape)``.
        discriminator: images -> logits ``(n, 1)``, each from its own image alone: no batch normalisation,
            since real and fake images are judged in one call. Both networks of a conditional model take
            a list, with the one-hot labels last.
        loss: a key of ``LOSSES``.
        penalty: weight of the gradient penalty; 10 in Gulrajani et al. 2017, 0 for none.
        penalty_share: the penalty is the mean over this share of the batch. Its expectation is the
            same for every share; a smaller one costs less time and varies more from step to step.
        augmentation: a layer that changes images, applied to real and fake ones alike before
            the discriminator sees them; gradients must flow through it. See ``augment.Differentiable``.
        momentum: beta_1 of Adam, for both (Radford et al. 2015): an opponent who answers makes old
            gradients stale.
        discriminator_rate: the discriminator's learning rate over the generator's (Heusel et al.
            2017, arXiv 1706.08500: two time scales).
        class_count: 0, or the number of classes that both networks take as a condition.
        seed: of the latent points.
        average: 0, or the horizon of the averaged generator as a share of the steps so far: samples are then
            drawn with weights that are the mean of all past ones, of mean age ``average`` times the steps
            (Karras et al. 2024, arXiv 2312.02696, section 3). The first weights are forgotten in any run,
            however short, where a fixed decay keeps them.
        batch_multiple: of what number the batch size must be a multiple, for a discriminator that compares
            images with each other.

    Raises:
        ValueError: an unknown loss, or a number out of its range.
    """

    networks = ("generator", "discriminator", "augmentation")
    settings = (
        "seed", "penalty", "momentum", "discriminator_rate", "class_count", "penalty_share", "average",
        "batch_multiple",
    )  # fmt: skip
    # Batch normalisation of one image is that image: what it learns is nothing.
    smallest_batch = 2

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        augmentation: Any = None,
        seed: int = 0,
        loss: str = "non-saturating",
        penalty: float = 0.0,
        momentum: float = 0.5,
        discriminator_rate: float = 1.0,
        class_count: int = 0,
        penalty_share: float = 1.0,
        average: float = 0.0,
        batch_multiple: int = 1,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if loss not in LOSSES:
            raise ValueError(f"there is no loss {loss!r}; choose one of {', '.join(LOSSES)}")
        if penalty < 0 or discriminator_rate <= 0 or not 0 <= momentum < 1:
            raise ValueError(
                "penalty must be at least 0, discriminator_rate above 0 and momentum from 0 up to 1, "
                f"got {penalty}, {discriminator_rate} and {momentum}"
            )
        if not 0 < penalty_share <= 1:
            raise ValueError(f"penalty_share must lie above 0 and at most at 1, got {penalty_share}")
        if not 0 <= average < 1:
            raise ValueError(f"average must be a share from 0 up to 1, got {average}")
        self.generator, self.discriminator, self.augmentation = generator, discriminator, augmentation
        self.seed, self.class_count, self.batch_multiple = seed, class_count, batch_multiple
        self.loss_name, self.penalty = loss, float(penalty)
        self.momentum, self.discriminator_rate = momentum, discriminator_rate
        self.penalty_share = float(penalty_share)
        self.noise = keras.random.SeedGenerator(seed)
        self.average = float(average)
        if average:
            self.averaged = keras.models.clone_model(generator)
            self.averaged.set_weights(generator.get_weights())
            self.averaged.trainable = False
            self.taken = self.add_weight(name="steps_taken", initializer="zeros", trainable=False)
        # Keras' own fit shows these beside the loss.
        one = np.zeros((1, 1), "float32")
        shown = ["discriminator", "generator", *self.measures(one, one), *(["penalty"] if penalty else [])]
        self.trackers = [keras.metrics.Mean(name=name) for name in shown]
        self.image_shape = tuple(generator.outputs[0].shape[1:])
        self.latent_size = int(generator.inputs[0].shape[-1])

    def optimizer_options(self) -> dict[str, Any]:
        """For the Adam of ``train.fit``: this game's momentum, and a factor on the rate of each variable."""
        judges = {id(each) for each in self.discriminator.trainable_variables}
        factors = [
            self.discriminator_rate if id(each) in judges else 1.0 for each in self.trainable_variables
        ]
        return {"beta_1": self.momentum, "factors": factors}

    def call(self, inputs: Any, training: bool | None = None) -> dict[str, Any]:
        """One round of the game: as many fakes as there are real images, and three sets of logits."""
        real, condition = self.unpack(inputs)
        count = ops.shape(real)[0]
        if self.average and training:
            self._take_average()
        latent = keras.random.normal((count, self.latent_size), seed=self.noise)
        fakes = self.full_precision(self.generator(_joined(latent, condition), training=training))
        shown_real, shown_fake = self._augmented(real, training), self._augmented(fakes, training)
        logits = both_judged(self.discriminator, shown_real, shown_fake, condition, training)
        outputs = {"fakes": fakes, **self.full_precision(logits)}
        if self.penalty:
            # The batch comes in random order: its first items are a random part.
            some = slice(int(np.ceil(self.penalty_share * count)) if isinstance(count, int) else None)
            labels = [each[some] for each in condition]
            first = shown_real[some]
            mix = keras.random.uniform((ops.shape(first)[0], *[1] * (len(first.shape) - 1)), seed=self.noise)
            outputs["penalty"] = gradient_penalty(
                lambda between: self.full_precision(
                    judged(self.discriminator, between, labels, training=False)
                ),
                first,
                ops.stop_gradient(shown_fake)[some],
                mix,
            )
        return outputs

    def _take_average(self) -> None:
        """The weights of this step enter the average; the first enter it alone."""
        self.taken.assign(self.taken + 1)
        keep = (1 - 1 / self.taken) ** (1 / self.average - 1)
        for mean, new in zip(self.averaged.weights, self.generator.weights, strict=True):
            mean.assign(keep * mean + (1 - keep) * ops.stop_gradient(new))

    def loss_terms(self, inputs: Any, outputs: dict[str, Any]) -> dict[str, Any]:
        """Both losses and their sum, the penalty before its weight, and the ``measures``."""
        real, fake = outputs["real_logits"], outputs["fake_logits"]
        of_discriminator, of_generator = LOSSES[self.loss_name]
        terms = {
            "discriminator": of_discriminator(real, fake),
            "generator": of_generator(outputs["fake_logits_for_generator"]),
        }
        total = terms["discriminator"] + terms["generator"]
        if self.penalty:
            terms["penalty"] = outputs["penalty"]
            total = total + self.penalty * outputs["penalty"]
        return {"loss": total, **terms, **self.measures(real, fake)}

    def measures(self, real_logits: Any, fake_logits: Any) -> dict[str, Any]:
        """Mean D of either kind, and the share told apart (logit above or below zero); or, of a critic, the
        estimated distance mean f(x) - mean f(G(z))."""
        if self.loss_name == "wasserstein":
            return {"distance": ops.mean(real_logits) - ops.mean(fake_logits)}
        right = [ops.mean(ops.cast(each, "float32")) for each in (real_logits > 0, fake_logits < 0)]
        return {
            "real_probability": ops.mean(ops.sigmoid(real_logits)),
            "fake_probability": ops.mean(ops.sigmoid(fake_logits)),
            "accuracy": (right[0] + right[1]) / 2,
        }

    def check_training_data(self, x: np.ndarray, labels: Any = None) -> None:
        """As every ``LatentModel``; it also warns of a class that has no image."""
        super().check_training_data(x, labels)
        missing = sorted(set(range(self.class_count)) - set(np.unique(labels).tolist()))
        if missing:
            warnings.warn(
                f"class {missing[0]} has no image ({len(missing)} of {self.class_count} classes are "
                "empty): what is drawn for it means nothing",
                stacklevel=3,
            )

    def remark(self, rows: list[dict[str, float]]) -> str | None:
        """One sentence when the game is lost, from the reports of ``train.fit``; else None.

        The discriminator has won when over two reports it was surer than 99% on either side: then
        the generator's gradient comes from a function that is flat, or steep in no useful direction.
        """
        if "real_probability" not in rows[-1] or len(rows) < 2:
            return None
        if all(row["real_probability"] > 0.99 and row["fake_probability"] < 0.01 for row in rows[-2:]):
            real, fake = rows[-1]["real_probability"], rows[-1]["fake_probability"]
            return (
                f"the discriminator has won by step {rows[-1]['step']} (D is {real:.3f} on real images, "
                f"{fake:.3f} on fakes) and the generator learns little from here; lower discriminator_rate, "
                "add augmentation or spectral normalisation, or take the wasserstein loss with a penalty"
            )
        return None

    def _augmented(self, images: Any, training: bool | None) -> Any:
        return images if self.augmentation is None else self.augmentation(images, training=training)

    def draw(self, inputs: list[Any]) -> Any:
        """Images for a batch of latent points (and one-hot labels)."""
        generator = self.averaged if self.average else self.generator
        return self.full_precision(generator(_joined(inputs[0], inputs[1:])))

    def drawing_network(self) -> keras.Model:
        """The generator that draws: what is exported."""
        generator = self.averaged if self.average else self.generator
        inputs = [keras.Input(each.shape[1:], name=each.name) for each in generator.inputs]
        return keras.Model(inputs, generator(_joined(inputs[0], inputs[1:])), name="generator")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "loss": self.loss_name}


def _joined(tensor: Any, condition: list[Any]) -> Any:
    """What a network takes: a tensor, or a list of it and the one-hot labels."""
    return [tensor, *condition] if condition else tensor
