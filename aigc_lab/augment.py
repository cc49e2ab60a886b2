"""Stage 4, augment: change an item without changing what it shows.

Images (``mirrored``, ``layers``, ``expand``, ``oversample``), texts (``expand_text``) and recordings
(``expand_sound``); ``Differentiable`` is augmentation inside a GAN, which does not leak into what it draws.
Keras is imported by what needs it. Introduced in notebooks 00 and 04.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from aigc_lab import sound
from aigc_lab.backend import import_keras
from aigc_lab.collect.dataset import Dataset
from aigc_lab.collect.sounds import check_recordings


def mirrored(dataset: Dataset) -> Dataset:
    """The set followed by its mirror image (left and right swapped): twice as many images.

    Raises:
        ValueError: the set holds no images.
    """
    _images_or_raise(dataset)
    return _with_more(dataset, dataset.data[:, :, ::-1])


def layers(
    flip: bool = True,
    shift: float = 0.0,
    rotation: float = 0.0,
    seed: int = 0,
    *,
    upside_down: bool = False,
    scale: float = 0.0,
    brightness: float = 0.0,
    noise: float = 0.0,
    cutout: float = 0.0,
) -> Any:
    """Transforms as one ``keras.Sequential`` for images ``(n, height, width, channels)`` in [0, 1].

    Notebook 04 shows where each of them keeps the label; mirroring is on by default and must be turned
    off for digits and writing. What leaves the image is lost, and the rim is black.

    Args:
        flip: mirror left and right, for half of the images.
        shift: largest shift as a share of the height and width.
        rotation: largest turn as a share of a full circle.
        upside_down: swap top and bottom, for half of the images.
        scale: largest change of size as a share: 0.2 gives sizes from 0.8 to 1.2.
        brightness: largest change of each pixel, in grey values (1 is white).
        noise: standard deviation of the grain, in grey values.
        cutout: the largest share of the area that a black rectangle hides.

    Raises:
        ValueError: a share below 0 or above 0.5, or no transform at all.
    """
    shares = {"shift": shift, "rotation": rotation, "scale": scale, "brightness": brightness}
    _check_shares(shares | {"noise": noise, "cutout": cutout}, 0.5)
    import_keras()
    from keras import Sequential
    from keras import layers as kinds

    black = {"fill_mode": "constant"}
    erase = {"factor": (1.0, 1.0), "scale": (0.25 * cutout, cutout), "fill_value": 0.0, "value_range": (0, 1)}
    steps = (
        (flip, kinds.RandomFlip, {"mode": "horizontal"}),
        (shift, kinds.RandomTranslation, {"height_factor": shift, "width_factor": shift, **black}),
        (rotation, kinds.RandomRotation, {"factor": rotation, **black}),
        (upside_down, kinds.RandomFlip, {"mode": "vertical"}),
        (scale, kinds.RandomZoom, {"height_factor": (-scale, scale), **black}),
        (brightness, kinds.RandomBrightness, {"factor": brightness, "value_range": (0, 1)}),
        (cutout, kinds.RandomErasing, erase),
        (noise, kinds.GaussianNoise, {"stddev": noise}),
    )
    chosen = [kind(**how, seed=seed + number) for number, (wanted, kind, how) in enumerate(steps) if wanted]
    if not chosen:
        raise ValueError("no transform was chosen; set flip=True or give a shift or rotation above 0")
    return Sequential(chosen, name="augment")


def transformed(dataset: Dataset, transform: Any, seed: int | None = 0) -> np.ndarray:
    """The transformed images as uint8, in the shape of ``dataset.data``; clipped to 0 and 255.

    Args:
        transform: Keras layers as ``layers`` makes them, or a function of ``(images, training)``.
        seed: equal seeds give equal images, also from layers that were used before; None goes on with
            their random numbers where they are.
    """
    import_keras()
    from keras import ops

    if seed is not None:
        states = [each for each in getattr(transform, "variables", ()) if "seed_generator" in each.path]
        for number, state in enumerate(states):
            state.assign(np.array([seed, number], dtype=state.dtype))
    images, _ = dataset.arrays()
    made = ops.convert_to_numpy(transform(images, training=True))
    return np.rint(np.clip(made, 0, 1) * 255).astype("uint8").reshape(dataset.data.shape)  # (n, h, w[, c])


def expand(dataset: Dataset, transform: Any, copies: int = 1, seed: int = 0) -> Dataset:
    """The set followed by ``copies`` transformed versions of every image; labels go along.

    ``transform`` and ``seed`` are those of ``transformed``.

    Raises:
        ValueError: no images, or no copies.
    """
    _images_or_raise(dataset)
    if copies < 1:
        raise ValueError(f"copies must be at least 1, got {copies}")
    made = [transformed(dataset, transform, None if number else seed) for number in range(copies)]
    return _with_more(dataset, np.concatenate(made))


def oversample(dataset: Dataset, transform: Any = None, seed: int = 0) -> Dataset:
    """The set followed by repeated items, until each class that occurs has as many as the largest.

    Items of a class are repeated in turn, in random order: none is used once more than another.
    Do this after the split and on the training part only, or copies land in the test part too.

    Args:
        dataset: labelled items of any kind.
        transform: what changes the *repeated* images (see ``transformed``), or None: plain copies.
        seed: of the choice and of the transform.

    Raises:
        ValueError: no labels, no items, or a transform for something else than images.
    """
    if dataset.labels is None or not len(dataset):
        raise ValueError("oversampling needs labelled items; this set has none")
    random = np.random.default_rng(seed)
    counts = np.bincount(dataset.labels)
    chosen = []
    for label in np.flatnonzero(counts):
        items = np.flatnonzero(dataset.labels == label)
        turns = [random.permutation(items) for _ in range(counts.max() // len(items))]
        chosen.append(np.concatenate(turns)[: counts.max() - len(items)])
    extra = dataset[np.concatenate(chosen)]
    more = extra.data
    if transform is not None:
        _images_or_raise(dataset)
        more = transformed(extra, transform, seed) if len(extra) else more
    return _with_more(dataset, more, extra.labels)


def _check_shares(shares: dict[str, float], most: float) -> None:
    for name, share in shares.items():
        if not 0 <= share <= most:
            raise ValueError(f"{name} must lie from 0 to {most:g}, got {share}")


def _images_or_raise(dataset: Dataset) -> None:
    if dataset.modality != "images":
        raise ValueError(f"this changes images, and the set holds {dataset.modality}")
    if not len(dataset):
        raise ValueError("there are no images to augment; the set is empty")


def _with_more(dataset: Dataset, more: Sequence[Any], labels: np.ndarray | None = None) -> Dataset:
    """The set followed by more items: with labels of their own, or those of the set once a copy."""
    data = (*dataset.data, *more) if dataset.modality == "text" else np.concatenate([dataset.data, more])
    if dataset.labels is not None:
        added = np.tile(dataset.labels, len(more) // len(dataset)) if labels is None else labels
        labels = np.concatenate([dataset.labels, added])
    return replace(dataset, data=data, labels=labels)


# -- text ---------------------------------------------------------------------------------------------

# A word is a run without white space; each Chinese character is a word of its own.
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
_WORD, _CHARACTER = re.compile(rf"[{_HAN}]|[^\s{_HAN}]+"), re.compile(".", re.DOTALL)


def delete_words(text: str, rate: float, random: np.random.Generator, unit: re.Pattern[str] = _WORD) -> str:
    """Drop each word with probability ``rate``, but never the last one that is left."""
    words = list(unit.finditer(text))
    kept = random.random(len(words)) >= rate
    if len(words) and not kept.any():
        kept[random.integers(len(words))] = True
    pieces, position = [], 0
    for word, keep in zip(words, kept, strict=True):
        if keep:
            pieces.append(text[position : word.end()])
        position = word.end()
    return "".join(pieces) + text[position:]


def swap_words(text: str, rate: float, random: np.random.Generator) -> str:
    """Exchange random pairs of words: about ``rate`` times the number of words; white space stays."""
    words = list(_WORD.finditer(text))
    if len(words) < 2:
        return text
    order = np.arange(len(words))
    for _ in range(random.binomial(len(words), rate)):
        first, second = random.choice(len(words), 2, replace=False)
        order[[first, second]] = order[[second, first]]
    pieces, position = [], 0
    for place, word in zip(order, words, strict=True):
        pieces += [text[position : word.start()], words[place].group()]
        position = word.end()
    return "".join(pieces) + text[position:]


def delete_characters(text: str, rate: float, random: np.random.Generator) -> str:
    """Drop each character with probability ``rate``, but never the last one that is left."""
    return delete_words(text, rate, random, _CHARACTER)


def swap_characters(text: str, rate: float, random: np.random.Generator) -> str:
    """Exchange neighbouring characters, each pair with probability ``rate``: a typing error."""
    letters = list(text)
    for place in np.flatnonzero(random.random(max(len(text) - 1, 0)) < rate):
        letters[place], letters[place + 1] = letters[place + 1], letters[place]
    return "".join(letters)


TEXT_METHODS: dict[str, Callable[[str, float, np.random.Generator], str]] = {
    each.__name__: each for each in (delete_words, swap_words, delete_characters, swap_characters)
}


def expand_text(
    dataset: Dataset, method: str = "delete_words", rate: float = 0.1, copies: int = 1, seed: int = 0
) -> Dataset:
    """The texts followed by ``copies`` changed versions of each; labels go along.

    Random deletion and random swap of words are those of Wei and Zou 2019 (EDA, arXiv 1901.11196,
    section 2); the same on characters imitates typing errors. Whether the labels are still right is
    yours to check: ``not good`` without ``not`` is another label.

    Args:
        method: one of ``TEXT_METHODS``.
        rate: share of the words or characters that is hit, 0 to 1.

    Raises:
        ValueError: no texts, an unknown method, or a rate outside [0, 1].
    """
    if dataset.modality != "text" or not len(dataset):
        raise ValueError(f"expand_text changes texts, and the set holds {len(dataset)} {dataset.modality}")
    if method not in TEXT_METHODS:
        raise ValueError(f"there is no method {method!r}; choose one of {', '.join(TEXT_METHODS)}")
    _check_shares({"rate": rate}, 1)
    random = np.random.default_rng(seed)
    more = [TEXT_METHODS[method](text, rate, random) for _ in range(copies) for text in dataset.data]
    return _with_more(dataset, more)


# -- sound --------------------------------------------------------------------------------------------


def expand_sound(
    dataset: Dataset,
    copies: int = 1,
    seed: int = 0,
    *,
    shift: float = 0.05,
    gain: float = 6.0,
    noise: float | None = 30.0,
    speed: float = 0.0,
) -> Dataset:
    """The recordings followed by ``copies`` changed versions of each; labels go along.

    Later, louder or softer, and a little noise keep what is said and who says it. Another speed changes the
    pitch too, as a tape does (Ko et al. 2015, "Audio augmentation for speech recognition", section 2): a
    tenth keeps the word, but a label that names the speaker may be wrong after it, and so may one that names
    a note. What would run beyond the length of the set is cut off.

    Args:
        shift: largest delay in seconds; what is put in front is silence.
        gain: largest change in dB, up or down; never beyond full scale.
        noise: white noise so many dB below the recording; None for none.
        speed: largest change as a share: 0.1 plays at 0.9 to 1.1 times the speed.

    Raises:
        ValueError: no audio, no sample rate, no copies, or a setting out of its range.
    """
    from scipy import signal

    if dataset.modality != "audio" or not len(dataset):
        raise ValueError(f"expand_sound changes audio, and the set holds {len(dataset)} {dataset.modality}")
    check_recordings(dataset, "expand_sound")
    if copies < 1:
        raise ValueError(f"copies must be at least 1, got {copies}")
    _check_shares({"speed": speed}, 0.5)
    _check_shares({"shift": shift, "gain": gain, "noise": noise or 0.0}, 100)
    random, total = np.random.default_rng(seed), dataset.data.shape[1]
    more = np.zeros((copies * len(dataset), total), dtype=np.float32)
    for place, wave in enumerate(wave for _ in range(copies) for wave in dataset.data):
        delay, louder, pace = random.uniform([0, -gain, 1 - speed], [shift, gain, 1 + speed])
        part = sound.sounding(wave) if wave.any() else wave[:1]
        if round(100 * pace) != 100:
            part = signal.resample_poly(part, 100, round(100 * pace))
        if noise is not None:
            part = part + random.normal(0, sound.root_mean_square(part) / 10 ** (noise / 20), len(part))
        part = np.pad(part * 10 ** (louder / 20), (round(delay * dataset.sample_rate), 0))
        more[place] = sound.fitted(part[:total], total)
    return _with_more(dataset, more)


# -- inside a GAN -------------------------------------------------------------------------------------

POLICIES = ("mirror", "quarter_turns", "colour", "translation", "cutout")


def __getattr__(name: str) -> Any:
    if name == "Differentiable":
        return _differentiable()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def _differentiable() -> Any:
    """The class ``Differentiable``, made when it is first asked for: a Keras layer imports Keras."""
    import_keras()
    import keras
    from keras import ops

    @keras.saving.register_keras_serializable("aigc_lab")
    class Differentiable(keras.layers.Layer):
        """Random changes of images ``(n, height, width, channels)`` through which gradients flow.

        A generator that learns from changed images learns to draw the changes too: the augmentation
        *leaks*. Zhao et al. 2020 (arXiv 2006.10738, equations 3 to 5) change the real *and* the
        generated images before the discriminator sees them, and let the gradient flow back through the
        change. Karras et al. 2020 (arXiv 2006.06676, section 2.2): the change must be undoable *for the
        distribution*. A quarter turn that hits every image is not (a turned set and an upright one then
        look alike); one that leaves some images as they are is. Hence ``probability``.

        Each image draws its own change, and only ``training=True`` changes anything. With ``"colour"``
        the result may leave [0, 1]: clip it to look at it. Introduced in notebook 04.

        Args:
            policy: what to do, of ``POLICIES``; done in that order. ``"colour"`` is Zhao's: brightness,
                saturation (nothing on one channel) and contrast. ``"translation"`` fills with zeros.
            probability: how likely each part of the policy is done to an image.
            translation: largest shift as a share of the height and width, 0 to 0.5.
            cutout: side of the square that is set to zero, as a share of height and width, 0 to 1.
            seed: of the changes; equal seeds give equal changes.

        Raises:
            ValueError: an unknown or empty policy, or a share outside its range.
        """

        def __init__(
            self,
            policy: Sequence[str] = ("colour", "translation", "cutout"),
            probability: float = 1.0,
            translation: float = 0.125,
            cutout: float = 0.5,
            seed: int = 0,
            **options: Any,
        ) -> None:
            super().__init__(**options)
            if isinstance(policy, str) or not policy or not set(policy) <= set(POLICIES):
                raise ValueError(f"the policy must name some of {', '.join(POLICIES)}, got {policy!r}")
            _check_shares({"translation": translation}, 0.5)
            _check_shares({"probability": probability, "cutout": cutout}, 1)
            self.policy = tuple(name for name in POLICIES if name in policy)
            self.probability, self.translation, self.cutout = float(probability), translation, cutout
            self.seed = seed
            self.random = keras.random.SeedGenerator(seed)

        def call(self, images: Any, training: bool | None = None) -> Any:
            images = ops.convert_to_tensor(images)
            if not training:
                return images
            if "quarter_turns" in self.policy and images.shape[1] != images.shape[2]:
                raise ValueError(
                    f"quarter_turns needs square images, got {images.shape[1]} x {images.shape[2]}"
                )
            for name in self.policy:
                changed = getattr(self, f"_{name}")(images)
                if self.probability < 1:
                    chosen = self._uniform(images) < self.probability
                    changed = ops.where(chosen, changed, images)
                images = changed
            return images

        # -- the parts of a policy: (n, h, w, c) -> (n, h, w, c) --------------------------------------

        def _mirror(self, images: Any) -> Any:
            return ops.where(self._uniform(images) < 0.5, ops.flip(images, axis=2), images)

        def _quarter_turns(self, images: Any) -> Any:
            turns = ops.floor(4 * self._uniform(images))  # 0, 1, 2 or 3 quarters, each as likely
            turned = images
            for quarters in (1, 2, 3):
                turned = ops.where(turns == quarters, ops.rot90(images, quarters, axes=(1, 2)), turned)
            return turned

        def _colour(self, images: Any) -> Any:
            images = images + self._uniform(images) - 0.5
            grey = ops.mean(images, axis=3, keepdims=True)
            images = (images - grey) * (2 * self._uniform(images)) + grey
            level = ops.mean(images, axis=(1, 2, 3), keepdims=True)
            return (images - level) * (self._uniform(images) + 0.5) + level

        def _translation(self, images: Any) -> Any:
            down = self._shift_matrix(images, images.shape[1])
            right = self._shift_matrix(images, images.shape[2])
            return ops.einsum("nij,njkc,nlk->nilc", down, images, right)

        def _cutout(self, images: Any) -> Any:
            inside = self._stripe(images, images.shape[1], axis=1)
            inside = inside & self._stripe(images, images.shape[2], axis=2)  # (n, h, w, 1)
            return ops.where(inside, ops.zeros_like(images), images)

        def _uniform(self, images: Any) -> Any:
            """A number in [0, 1) for each image, ``(n, 1, 1, 1)``."""
            count = ops.shape(images)[0]
            return keras.random.uniform((count, 1, 1, 1), dtype=images.dtype, seed=self.random)

        def _whole(self, images: Any, low: int, high: int) -> Any:
            """A whole number from ``low`` to ``high`` for each image, both included."""
            return ops.floor(low + (high - low + 1) * self._uniform(images))

        def _shift_matrix(self, images: Any, size: int) -> Any:
            """``(n, size, size)``: row i has its one at column i - shift; no one at all is the black rim."""
            most = int(self.translation * size + 0.5)
            shift = ops.squeeze(self._whole(images, -most, most), axis=3)  # (n, 1, 1, 1) -> (n, 1, 1)
            place = ops.cast(ops.arange(size), images.dtype)
            return ops.cast(place[None, :, None] - shift == place[None, None, :], images.dtype)

        def _stripe(self, images: Any, size: int, axis: int) -> Any:
            """Which rows (or columns) the square covers; its middle may lie anywhere in the image."""
            side = int(self.cutout * size + 0.5)
            start = self._whole(images, 0, size - 1 + (side + 1) % 2) - side // 2
            place = ops.cast(ops.arange(size), images.dtype)
            place = ops.reshape(place, (1, size, 1, 1) if axis == 1 else (1, 1, size, 1))
            return (place >= start) & (place < start + side)

        def compute_output_shape(self, input_shape: Any) -> Any:
            return input_shape

        def get_config(self) -> dict[str, Any]:
            own = ("policy", "probability", "translation", "cutout", "seed")
            return {**super().get_config(), **{name: getattr(self, name) for name in own}}

    Differentiable.__qualname__ = "Differentiable"  # so that pickle finds it
    return Differentiable
