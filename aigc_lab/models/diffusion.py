"""Diffusion and flow matching: a network that leads noise back to data, trained by one squared error.

An item x and standard normal noise e are mixed at a time t between 0 (data) and 1 (noise):
``x_t = a(t) x + s(t) e``. The network sees x_t and t. It predicts the noise (Ho et al. 2020, arXiv
2006.11239) or the velocity dx_t/dt (flow matching: Lipman et al. 2023, arXiv 2210.02747); either one gives
the other. Drawing begins with noise at t = 1 and follows the velocity to t = 0. Introduced in notebook 17.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from aigc_lab.backend import seeded
from aigc_lab.models.base import ImageModel, as_array, built, check_sizes, label_input, one_hot
from aigc_lab.models.gan import input_gradient

TARGETS = ("velocity", "noise")
SAMPLERS = ("euler", "heun", "ddim", "ddpm")
EARLIEST, LATEST = 1e-3, 0.999  # nearer to 0 or 1 a division by s or a would make errors large

# -- the forward process ------------------------------------------------------------------------------


class Straight:
    """Data and noise mixed along a straight line: a = 1 - t, s = t (Liu et al. 2023, arXiv 2209.03003)."""

    @staticmethod
    def shares(time: Any) -> tuple[Any, Any]:
        """a(t) of the data and s(t) of the noise."""
        return 1 - time, time

    @staticmethod
    def slopes(time: Any) -> tuple[Any, Any]:
        """da/dt and ds/dt."""
        return time * 0 - 1, time * 0 + 1


class Cosine:
    """a = cos(pi t / 2), s = sin(pi t / 2): the variance stays 1 (Nichol and Dhariwal 2021, 2102.09672)."""

    @staticmethod
    def shares(time: Any) -> tuple[Any, Any]:
        cosine, sine = (math.cos, math.sin) if isinstance(time, float) else (ops.cos, ops.sin)
        return cosine(time * (math.pi / 2)), sine(time * (math.pi / 2))

    @staticmethod
    def slopes(time: Any) -> tuple[Any, Any]:
        data, noise = Cosine.shares(time)
        return noise * (-math.pi / 2), data * (math.pi / 2)


SCHEDULES = {"straight": Straight, "cosine": Cosine}

# -- the model ----------------------------------------------------------------------------------------


@keras.saving.register_keras_serializable("aigc_lab")
class Diffusion(ImageModel):
    """A denoising network, the path from data to noise that it learned, and the samplers that go back.

    Args:
        network: ``[x_t, time]``, or ``[x_t, time, label]`` with labels one-hot and all zeros for none;
            x_t ``(n, *image_shape)``, time ``(n, 1)`` -> the target, of the shape of x_t.
        target: what the network predicts, one of ``TARGETS``; schedule: a key of ``SCHEDULES``.
        value_range: lowest and highest value of the data, which the model moves to -1 and 1; samples are
            clipped to it. None: the data are taken as they are, such as points of mean 0 and variance 1.
        label_drop: share of the training items whose label is hidden, for guidance (Ho and Salimans 2022,
            arXiv 2207.12598).
        seed: of the times, the noise and the hidden labels in training.

    Raises:
        ValueError: an unknown target or schedule, or a share outside 0 to 1.
    """

    settings = ("target", "schedule", "value_range", "label_drop", "seed")

    def __init__(
        self,
        network: keras.Model,
        target: str = "velocity",
        schedule: str = "straight",
        value_range: tuple[float, float] | None = (0.0, 1.0),
        label_drop: float = 0.1,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if target not in TARGETS or schedule not in SCHEDULES:
            raise ValueError(
                f"target is one of {', '.join(TARGETS)} and schedule one of {', '.join(SCHEDULES)}; "
                f"got {target!r} and {schedule!r}"
            )
        if not 0 <= label_drop <= 1:
            raise ValueError(f"label_drop must be a share from 0 to 1, got {label_drop}")
        self.network, self.target, self.schedule = network, target, schedule
        self.label_drop, self.seed = float(label_drop), seed
        self.value_range = None if value_range is None else tuple(value_range)
        low, high = self.value_range or (-1.0, 1.0)
        self.middle, self.reach = (low + high) / 2, (high - low) / 2
        self.rule = SCHEDULES[schedule]
        self.noise = keras.random.SeedGenerator(seed)
        self.image_shape = tuple(network.inputs[0].shape[1:])
        self.latent_size = math.prod(self.image_shape)
        self.class_count = int(network.inputs[2].shape[-1]) if len(network.inputs) > 2 else 0

    # -- training -------------------------------------------------------------------------------------

    def call(self, inputs: Any, training: bool | None = None) -> dict[str, Any]:
        """Draw a time and noise for each item, mix, and predict the target."""
        items, condition = self.unpack(inputs)
        count, rest = ops.shape(items)[0], [1] * len(self.image_shape)
        clean = (items - self.middle) / self.reach
        noise, time = self.draws(clean, condition)
        data_share, noise_share = (ops.reshape(each, (-1, *rest)) for each in self.rule.shares(time))
        mixed = data_share * clean + noise_share * noise  # (n, 1, …) * (n, *image_shape)
        if condition and training:
            shown = keras.random.uniform((count, 1), seed=self.noise) >= self.label_drop
            condition = [condition[0] * ops.cast(shown, clean.dtype)]
        predicted = self.full_precision(self.network([mixed, time, *condition], training=training))
        target = noise
        if self.target == "velocity":
            data_slope, noise_slope = (ops.reshape(each, (-1, *rest)) for each in self.rule.slopes(time))
            target = data_slope * clean + noise_slope * noise
        return {"predicted": predicted, "target": target}

    def draws(self, clean: Any, condition: list[Any]) -> tuple[Any, Any]:
        """Noise of the shape of ``clean`` and a time ``(n, 1)`` for each item of a training batch."""
        noise = keras.random.normal(ops.shape(clean), dtype=clean.dtype, seed=self.noise)
        time = keras.random.uniform((ops.shape(clean)[0], 1), EARLIEST, LATEST, seed=self.noise)
        return noise, time

    def loss_terms(self, inputs: Any, outputs: dict[str, Any]) -> dict[str, Any]:
        """Mean squared error over items and values: equation 14 of Ho et al., 9 of Lipman et al."""
        return {"loss": ops.mean(ops.square(outputs["predicted"] - outputs["target"]))}

    # -- use ------------------------------------------------------------------------------------------

    def velocity(
        self, mixed: np.ndarray, time: float, label: list[np.ndarray], guidance: float = 1.0
    ) -> np.ndarray:
        """dx_t/dt at x_t ``(n, *image_shape)``, all at one time; ``label`` holds one-hot rows, or nothing.

        With ``guidance`` w: the velocity without the label, and w times the way from it to the one with
        the label (Ho and Salimans 2022, equation 6, whose w is one less).
        """
        times = np.full((len(mixed), 1), time, "float32")
        predicted = self.network.predict_on_batch([mixed, times, *label])
        if label and guidance != 1:
            bare = self.network.predict_on_batch([mixed, times, np.zeros_like(label[0])])
            predicted = bare + guidance * (predicted - bare)
        return self._as_velocity(predicted, mixed, time)

    def _as_velocity(self, predicted: Any, mixed: Any, time: float) -> Any:
        if self.target == "velocity":
            return predicted
        (a, s), (da, ds) = self.rule.shares(time), self.rule.slopes(time)
        return da * (mixed - s * predicted) / a + ds * predicted

    def parts(self, mixed: np.ndarray, time: float, velocity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The clean item and the noise of which x_t and its velocity are made: two equations solved."""
        (a, s), (da, ds) = self.rule.shares(time), self.rule.slopes(time)
        whole = a * ds - s * da  # 1 on the straight path, pi / 2 on the cosine
        return (ds * mixed - s * velocity) / whole, (a * velocity - da * mixed) / whole

    def sample(self, n: int, labels: Any = None, seed: int = 0, **how: Any) -> np.ndarray:
        """``n`` new items ``(n, *image_shape)``; without ``labels`` a conditional model takes each in turn.

        Args:
            labels: class numbers ``(n,)``, or one for all.
            seed: of the noise; equal seeds give equal items.
            how: steps, sampler, guidance, correct, watch: see ``follow``.

        Raises:
            ValueError: n below 1, labels that are no class numbers, or as ``follow``.
        """
        if n < 1 or int(n) != n:
            raise ValueError(f"n must be a whole number from 1 up, got {n}")
        if labels is None and self.class_count:
            labels = np.arange(n) % self.class_count
        generator = np.random.default_rng(seed)
        noise = generator.standard_normal((n, *self.image_shape), "float32")
        return self.follow(noise, LATEST, labels, generator, **how)

    def follow(
        self,
        mixed: np.ndarray,
        first: float,
        labels: Any,
        generator: np.random.Generator,
        steps: int = 20,
        sampler: str = "heun",
        guidance: float = 1.0,
        correct: Callable[[np.ndarray, float], np.ndarray] | None = None,
        watch: Callable[[np.ndarray, float], None] | None = None,
    ) -> np.ndarray:
        """From x_t ``(n, *image_shape)`` at the time ``first`` to items at time 0.

        It may begin between noise and data, with items mixed with as much noise as belongs to ``first``
        (Meng et al. 2022, arXiv 2108.01073).

        Args:
            steps: of equal length; ``heun`` asks the network twice in each but the last.
            sampler: ``"euler"`` and ``"heun"`` follow the velocity (Karras et al. 2022, arXiv 2206.00364,
                algorithm 1, in our t); ``"ddim"`` mixes the predicted item and the predicted noise anew
                (Song et al. 2021, arXiv 2010.02502, equation 12 with sigma 0; on the straight schedule that
                is Euler); ``"ddpm"`` takes fresh noise for a part of it (Ho et al. 2020, equation 7).
            guidance: above 1 the label counts for more; 0 ignores it.
            correct: (predicted clean items, time) -> the same with what is known put in; with ``"ddim"`` or
                ``"ddpm"`` only. For images with a hole: the known pixels (Wang et al. 2023, arXiv
                2212.00490, equation 17).
            watch: called with x_t, in the units of the data, and the time after each step.

        Raises:
            ValueError: no steps, an unknown sampler, labels that are no class numbers, guidance without
                classes, or a ``correct`` with a sampler that does not ask for the clean item.
        """
        if steps < 1 or int(steps) != steps:
            raise ValueError(f"steps must be a whole number from 1 up, got {steps}")
        if sampler not in SAMPLERS:
            raise ValueError(f"there is no sampler {sampler!r}; choose one of {', '.join(SAMPLERS)}")
        if not np.isfinite(guidance) or (guidance != 1 and not self.class_count):
            raise ValueError(f"guidance needs a finite number and a model with classes, got {guidance}")
        if correct is not None and sampler not in ("ddim", "ddpm"):
            raise ValueError(f"correct needs the sampler ddim or ddpm, got {sampler!r}")
        label = one_hot(labels, self.class_count, len(mixed))
        times = np.linspace(first, 0, int(steps) + 1).tolist()
        for time, following in itertools.pairwise(times):
            velocity = self.velocity(mixed, time, label, guidance)
            if sampler in ("euler", "heun"):
                there = mixed + (following - time) * velocity
                if sampler == "heun" and following > 0:
                    velocity = (velocity + self.velocity(there, following, label, guidance)) / 2
                mixed = mixed + (following - time) * velocity
            else:  # the predicted clean item with old noise, and with DDPM some new
                (a, s), (next_a, next_s) = self.rule.shares(time), self.rule.shares(following)
                clean, noise = self.parts(mixed, time, velocity)
                if correct is not None:
                    clean = (correct(self.middle + self.reach * clean, time) - self.middle) / self.reach
                    noise = (mixed - a * clean) / s
                # Variance of x at the next time, given x now and the clean item (Ho et al., equation 7).
                new = (s**2 - (a / next_a) ** 2 * next_s**2) * (next_s / s) ** 2 if sampler == "ddpm" else 0.0
                mixed = next_a * clean + math.sqrt(max(next_s**2 - new, 0.0)) * noise
                if new > 0:
                    mixed = mixed + math.sqrt(new) * generator.standard_normal(mixed.shape, "float32")
                mixed = mixed.astype("float32")
            if watch is not None:
                watch(self.middle + self.reach * mixed, following)
        items = self.middle + self.reach * mixed
        return items if self.value_range is None else np.clip(items, *self.value_range)

    def log_density(self, items: np.ndarray, labels: Any = None, steps: int = 50) -> np.ndarray:
        """log p(x) in nats, ``(n,)``, by the change of variables along the path from data to noise.

        ``d log p(x_t) / dt = -div v`` (Chen et al. 2018, arXiv 1806.07366, equation 8), so log p of the data
        is that of the noise it flows to, plus the integral of the divergence, which is exact: one derivative
        for each dimension. Heun's rule for both.

        Raises:
            ValueError: items of another shape, of more than 16 dimensions, no steps, or wrong labels.
        """
        if self.latent_size > 16 or steps < 1:
            raise ValueError(
                f"log_density takes one derivative for each dimension: at most 16, not {self.latent_size}, "
                f"and at least one step, not {steps}"
            )
        label = one_hot(labels, self.class_count, len(items))
        rows = (self.checked_images(items) - self.middle) / self.reach
        rows = rows.reshape(len(rows), -1)  # (n, *image_shape) -> (n, d)
        total = np.zeros(len(rows))

        def slopes(rows: np.ndarray, time: float) -> tuple[np.ndarray, np.ndarray]:
            times = ops.full((len(rows), 1), time)

            def field(points: Any) -> Any:  # (n, d) -> (n, d)
                mixed = ops.reshape(points, (-1, *self.image_shape))  # (n, d) -> (n, *image_shape)
                predicted = self.network([mixed, times, *label], training=False)
                return ops.reshape(self._as_velocity(predicted, mixed, time), (-1, self.latent_size))

            points = ops.convert_to_tensor(rows)
            divergence = sum(
                input_gradient(lambda each, place=place: field(each)[:, place], points)[:, place]
                for place in range(self.latent_size)
            )
            return as_array(field(points)), as_array(divergence)

        # A velocity can be asked for at pure noise; a predicted noise divided by a(1) = 0 cannot.
        times = np.linspace(0, 1 if self.target == "velocity" else LATEST, steps + 1)
        for time, following in itertools.pairwise(times.tolist()):
            length = following - time
            velocity, divergence = slopes(rows, time)
            ahead, divergence_ahead = slopes(rows + length * velocity, following)
            rows = rows + length * (velocity + ahead) / 2
            total += length * (divergence + divergence_ahead) / 2
        noise = -0.5 * (rows**2).sum(axis=1) - 0.5 * self.latent_size * math.log(2 * math.pi)
        return noise + total - self.latent_size * math.log(self.reach)


# -- the network for images ---------------------------------------------------------------------------


@keras.saving.register_keras_serializable("aigc_lab")
class TimeWaves(layers.Layer):
    """Time ``(n, 1)`` -> sines and cosines of it ``(n, 2 * count)``, from half a wave on, doubling."""

    def __init__(self, count: int = 6, **options: Any) -> None:
        super().__init__(**options)
        self.count = count

    def call(self, time: Any) -> Any:
        angles = time * (math.pi * 2.0 ** np.arange(self.count, dtype="float32"))  # (n, count)
        return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "count": self.count}


def unet(
    image_shape: tuple[int, int, int] = (28, 28, 1),
    class_count: int = 0,
    width: int = 32,
    seed: int = 0,
    patch: int = 1,
    class_parts: Sequence[int] = (),
    **options: Any,
) -> Diffusion:
    """A small U-shaped network (Ronneberger et al. 2015, arXiv 1505.04597), built for two CPU cores.

    Three grids: the image, its half and its quarter, with one residual block each on the way down and on
    the way up, and two at the bottom. A block is two 3 x 3 convolutions; between them time and label scale
    and shift the channels (Dhariwal and Nichol 2021, arXiv 2105.05233, section 3). The second convolution of
    a block and the last of the network begin at zero: an untrained network predicts zero.

    Args:
        image_shape: height, width, channels; height and width must be multiples of 4 patches.
        class_count: 0 for an unconditional model.
        width: channels on the finest grid; twice and three times as many on the coarser ones.
        seed: of the weights and of the noise; equal seeds give equal models.
        patch: pixels a side of a place of the finest grid; 2 makes a large picture four times cheaper.
        class_parts: of what a class is made, such as (10, 6) for 60 classes of a digit and a speaker, with
            the class number 6 * digit + speaker. The network is told the parts: what it learns of a digit
            holds for every speaker.
        options: of ``Diffusion``.

    Raises:
        ValueError: a size below 1, a height or width that is no multiple of 4 patches, or a class_count that
            is not the product of class_parts.
    """
    check_sizes(image_shape, 1, class_count, width, multiple=4 * patch)
    if class_parts and math.prod(class_parts) != class_count:
        parts = " x ".join(map(str, class_parts))
        raise ValueError(
            f"{parts} parts make {math.prod(class_parts)} classes, not class_count={class_count}"
        )
    widths = (width, 2 * width, 3 * width)
    with seeded(seed):
        noisy, time = keras.Input(image_shape, name="noisy"), keras.Input((1,), name="time")
        label = label_input(class_count)
        told = layers.Dense(4 * width, activation="silu")(TimeWaves()(time))
        if label:
            told = told + layers.Dense(4 * width, use_bias=False)(parts_of(label[0], class_parts))
        told = layers.Dense(4 * width, activation="silu")(told)  # (n, 4 w): time and label

        kernel = 3 if patch == 1 else 2 * patch
        hidden = layers.Conv2D(width, kernel, strides=patch, padding="same")(noisy)
        passed = []
        for place, channels in enumerate(widths):
            if place:  # (n, h, w, c) -> (n, h/2, w/2, c')
                hidden = layers.Conv2D(channels, 3, strides=2, padding="same")(hidden)
            hidden = residual_block(hidden, told)
            passed.append(hidden)
        hidden = residual_block(hidden, told)
        for channels, skip in zip(widths[-2::-1], passed[-2::-1], strict=True):
            hidden = layers.Conv2D(4 * channels, 1)(hidden)
            hidden = ops.depth_to_space(hidden, 2)  # (n, h/2, w/2, 4 c) -> (n, h, w, c)
            hidden = residual_block(hidden + skip, told)
        hidden = layers.Activation("silu")(layers.RMSNormalization()(hidden))
        last = layers.Conv2D(patch**2 * image_shape[2], 3, padding="same", kernel_initializer="zeros")
        predicted = last(hidden)
        if patch > 1:  # (n, h/p, w/p, p * p * c) -> (n, h, w, c)
            predicted = ops.depth_to_space(predicted, patch)
        network = keras.Model([noisy, time, *label], predicted, name="network")
    return built(Diffusion(network, seed=seed, name="diffusion", **options))


def parts_of(label: Any, class_parts: Sequence[int]) -> Any:
    """One-hot classes ``(n, a * b)`` -> one-hot parts side by side ``(n, a + b)``; no class: all zeros."""
    if not class_parts:
        return label
    grid = ops.reshape(label, (-1, *class_parts))  # (n, a * b) -> (n, a, b)
    others = [[k + 1 for k in range(len(class_parts)) if k != part] for part in range(len(class_parts))]
    return ops.concatenate([ops.sum(grid, axis=axes) for axes in others], axis=-1)


def residual_block(hidden: Any, told: Any) -> Any:
    """``(n, h, w, c)`` changed a little, by what ``told`` ``(n, k)`` says of time and label."""
    channels = hidden.shape[-1]
    inner = layers.Activation("silu")(layers.RMSNormalization()(hidden))
    inner = layers.Conv2D(channels, 3, padding="same")(inner)
    scale, shift = (
        layers.Reshape((1, 1, channels))(layers.Dense(channels, kernel_initializer=start)(told))
        for start in ("zeros", "glorot_uniform")
    )
    inner = layers.Activation("silu")(layers.RMSNormalization()(inner) * (1 + scale) + shift)
    return hidden + layers.Conv2D(channels, 3, padding="same", kernel_initializer="zeros")(inner)


# -- clips of which the first frames may be given -----------------------------------------------------


@keras.saving.register_keras_serializable("aigc_lab")
class ClipDiffusion(Diffusion):
    """A model of clips ``(n, frames, h, w, c)``; its label k says that the first k frames are given.

    A given frame is its own noise. So x_t = (1 - t) x + t x is the frame itself at every time, and its
    velocity is 0: it stands still while the others come out of the noise (noise levels frame by frame: Chen
    et al. 2024, arXiv 2407.01392). Introduced in notebook 25.

    Args:
        root: training times are roots of uniform numbers; with the cube root most of them are near 1, where
            the motion is settled. 1 leaves them uniform.
        options: of ``Diffusion``.
    """

    settings = (*Diffusion.settings, "root")

    def __init__(self, network: keras.Model, root: float = 3.0, **options: Any) -> None:
        super().__init__(network, **options)
        self.root = root

    def draws(self, clean: Any, condition: list[Any]) -> tuple[Any, Any]:
        noise, time = super().draws(clean, condition)
        given = given_frames(condition[0], self.image_shape[0])
        return given * clean + (1 - given) * noise, ops.power(time, 1 / self.root)

    def sample(self, n: int, labels: Any = 0, seed: int = 0, **how: Any) -> np.ndarray:
        """``n`` new clips of which nothing is given; the rest as for ``Diffusion.sample``."""
        if np.any(labels):
            raise ValueError("a clip with given frames needs them: use continued(known)")
        return super().sample(n, labels, seed, **how)

    def continued(self, known: np.ndarray, seed: int = 0, **how: Any) -> np.ndarray:
        """Clips that begin with ``known`` ``(n, k, h, w, c)``: ``(n, frames, h, w, c)``. How: see ``follow``.

        Raises:
            ValueError: frames of another shape, more than the model learned to take, or the sampler
                ``"ddpm"``, which would put fresh noise into the known frames.
        """
        known = np.asarray(known, "float32")
        most, frame = self.class_count - 1, self.image_shape[1:]
        if known.ndim != 5 or known.shape[2:] != frame or not 1 <= known.shape[1] <= most:
            raise ValueError(
                f"known frames must have shape (n, k, {', '.join(map(str, frame))}) with k from 1 to {most}, "
                f"got {known.shape}"
            )
        if how.get("sampler") == "ddpm":
            raise ValueError("ddpm puts fresh noise into known frames; choose heun, euler or ddim")
        generator = np.random.default_rng(seed)
        noise = generator.standard_normal((len(known), *self.image_shape), "float32")
        noise[:, : known.shape[1]] = (known - self.middle) / self.reach
        return self.follow(noise, LATEST, known.shape[1], generator, **how)


def given_frames(label: Any, frames: int) -> Any:
    """One-hot numbers of given frames ``(n, k)`` -> 1 in a given frame, else 0: ``(n, frames, 1, 1, 1)``."""
    upto = np.tri(label.shape[-1], frames, -1, dtype="float32")  # row k: ones in the first k places
    return ops.reshape(ops.matmul(label, upto), (-1, frames, 1, 1, 1))


def clip_network(
    image_shape: tuple[int, int, int, int] = (8, 20, 20, 1),
    most_given: int = 2,
    width: int = 56,
    mean: float = -0.9,
    spread: float = 0.3,
    seed: int = 0,
    **options: Any,
) -> ClipDiffusion:
    """A network for short clips, with the frames as channels of one image (Voleti et al. 2022, 2205.09853).

    It predicts only what the best straight line from x_t leaves of the velocity, at unit size (Karras et al.
    2022, arXiv 2206.00364, table 1, for our target), and 0 for given frames.

    Args:
        image_shape: frames, height, width, channels; height and width must be multiples of 4.
        most_given: at most so many of the first frames can be given.
        width: channels at half the resolution; twice as many at a quarter.
        mean, spread: mean and standard deviation of the data, where they lie between -1 and 1.
        seed: of the weights and of the noise; equal seeds give equal models.
        options: root, value_range.

    Raises:
        ValueError: a size below 1, a height or width that is no multiple of 4, or another most_given.
    """
    frames = image_shape[0]
    check_sizes(tuple(image_shape[1:]), 1, 0, width, multiple=4)
    if not 1 <= most_given < frames:
        raise ValueError(f"most_given must be from 1 to {frames - 1}, below the number of frames")
    with seeded(seed):
        body = clip_body(tuple(image_shape), most_given + 1, width)
        noisy, time, label = (keras.Input(each.shape[1:]) for each in body.inputs)
        given = given_frames(label, frames)
        noise_share = (1 - given) * ops.reshape(time, (-1, 1, 1, 1, 1))  # (n, frames, 1, 1, 1)
        data_share = 1 - noise_share
        variance = noise_share**2 + (data_share * spread) ** 2
        around = noisy - data_share * mean
        guess = around * (noise_share - data_share * spread**2) / variance - mean
        rest = body([around / ops.sqrt(variance), time, label])
        velocity = (1 - given) * (guess + rest * spread / ops.sqrt(variance))
        network = keras.Model([noisy, time, label], velocity)
    return built(ClipDiffusion(network, label_drop=0.0, seed=seed, name="clips", **options))


def clip_body(image_shape: tuple[int, int, int, int], class_count: int, width: int) -> Any:
    """Convolutions at half and at a quarter of the resolution; between them dense layers over the whole."""
    frames, height, image_width, channels = image_shape
    noisy, time, label = keras.Input(image_shape), keras.Input((1,)), keras.Input((class_count,))
    told = layers.Dense(128, activation="silu")(TimeWaves()(time))
    told = layers.Dense(128, activation="silu")(told + layers.Dense(128, use_bias=False)(label))
    image = ops.transpose(noisy, (0, 2, 3, 1, 4))  # (n, f, h, w, c) -> (n, h, w, f, c)
    image = ops.reshape(image, (-1, height, image_width, frames * channels))
    fine = residual_block(layers.Conv2D(width, 4, strides=2, padding="same")(image), told)
    coarse = residual_block(layers.Conv2D(2 * width, 3, strides=2, padding="same")(fine), told)
    coarse = residual_block(coarse + overview(coarse, told), told)
    up = ops.depth_to_space(layers.Conv2D(4 * width, 1)(coarse), 2)  # (n, h/4, w/4, 4 c) -> (n, h/2, w/2, c)
    fine = layers.Activation("silu")(layers.RMSNormalization()(residual_block(fine + up, told)))
    last = layers.Conv2D(4 * frames * channels, 3, padding="same", kernel_initializer="zeros")(fine)
    last = ops.reshape(ops.depth_to_space(last, 2), (-1, height, image_width, frames, channels))
    return keras.Model([noisy, time, label], ops.transpose(last, (0, 3, 1, 2, 4)))


def overview(hidden: Any, told: Any) -> Any:
    """Dense layers over a whole grid ``(n, h, w, c)``: where is it, and where to? Cheap on a small grid."""
    height, image_width, channels = hidden.shape[1:]
    inner = layers.Conv2D(16, 1)(layers.Activation("silu")(layers.RMSNormalization()(hidden)))
    inner = layers.Dense(256)(layers.Flatten()(inner))  # (n, h, w, 16) -> (n, 256)
    inner = layers.Activation("silu")(layers.RMSNormalization()(inner) + layers.Dense(256)(told))
    inner = layers.Dense(256, activation="silu")(inner)
    inner = layers.Reshape((height, image_width, 16))(layers.Dense(height * image_width * 16)(inner))
    return layers.Conv2D(channels, 1)(inner)
