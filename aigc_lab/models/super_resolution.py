"""Super-resolution: a small photograph made larger, by rule, by a network, and by one with a discriminator.

Every number depends on how the small images were made. Here: bicubic with antialiasing, as Pillow does it
(Keys' cubic of 1981, stretched by the scale), which is the rule of the usual test sets, too.

The network works at the small size; its last convolution gives scale² numbers for each small pixel, which
are laid out as scale x scale large ones: the sub-pixel convolution of Shi and others 2016 (arXiv 1609.05158,
equation 4). It knows luminance only, where the eye and the usual measures look. The second stage is that of
Ledig and others 2017 (SRGAN, arXiv 1609.04802, equations 3 to 5), made small. Introduced in notebook 10.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from aigc_lab.backend import seeded
from aigc_lab.models import gan
from aigc_lab.models.base import TrainedModel, as_array, built, checked_photograph, residual, white

SCALES = (2, 3, 4)
LUMINANCE = np.float32([0.299, 0.587, 0.114])  # of red, green and blue: BT.601

# -- between large and small, by rule ------------------------------------------------------------------


def crop_to_multiple(image: np.ndarray, scale: int) -> np.ndarray:
    """Without the last rows and columns that do not fill a small pixel."""
    height, width = (side - side % _checked_scale(scale) for side in checked_photograph(image).shape[:2])
    if not height or not width:
        raise ValueError(f"an image of {image.shape[:2]} pixels is too small for a scale of {scale}")
    return image[:height, :width]


def low_resolution(image: np.ndarray, scale: int = 2) -> np.ndarray:
    """The image made smaller by antialiased bicubic; a side that is no multiple of ``scale`` is cropped.

    Args:
        image: see ``base.checked_photograph``: ``(height, width[, channels])``.

    Returns:
        ``(height // scale, width // scale[, channels])`` of the same type; whole numbers are rounded, as a
        stored small image would be, and float is clipped to [0, 1].

    Raises:
        ValueError: an empty image, another type, or one smaller than ``scale``.
    """
    cropped = crop_to_multiple(image, scale)
    return _resized(cropped, cropped.shape[0] // scale, cropped.shape[1] // scale)


def enlarge(image: np.ndarray, scale: int = 2) -> np.ndarray:
    """The image made larger by bicubic interpolation: what learned models are compared with.

    Args and result as ``low_resolution``: ``(height * scale, width * scale[, channels])``.
    """
    _checked_scale(scale)
    return _resized(checked_photograph(image), image.shape[0] * scale, image.shape[1] * scale)


def resize(images: Any, height: Any, width: Any) -> Any:
    """Antialiased bicubic for a batch in the graph, ``(n, h, w, channels)``, neither rounded nor clipped."""
    return ops.image.resize(images, (height, width), interpolation="bicubic", antialias=True)


def _resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    planes = image[None].astype("float32").reshape(1, *image.shape[:2], -1)  # (1, h, w, channels)
    return _stored(as_array(resize(planes, height, width))[0], image)


def cubic_kernel(scale: int) -> np.ndarray:
    """Weights of the 5 x 5 small pixels around each place of a large one: float32 ``(5, 5, 1, scale²)``.

    Keys 1981 (doi 10.1109/TASSP.1981.1163711), equation 15.
    """
    middles = (np.arange(scale) + 0.5) / scale - 0.5  # of the large pixels, within the small one at 0
    apart = np.abs(np.arange(-2, 3) - middles[:, None])  # (scale, 5)
    near, far = 1.5 * apart**3 - 2.5 * apart**2 + 1, -0.5 * apart**3 + 2.5 * apart**2 - 4 * apart + 2
    line = np.where(apart <= 1, near, np.where(apart < 2, far, 0))
    return np.einsum("ai,bj->ijab", line, line).reshape(5, 5, 1, -1).astype("float32")


# -- the network that learns what bicubic enlargement leaves out ----------------------------------------


@keras.saving.register_keras_serializable("aigc_lab")
class Bicubic(layers.Layer):
    """Bicubic enlargement as a layer, ``(n, h, w, c)`` -> ``(n, h · scale, w · scale, c)``."""

    def __init__(self, scale: int, **options: Any) -> None:
        super().__init__(**options)
        self.scale = scale

    def call(self, small: Any) -> Any:
        height, width, channels = small.shape[1:]
        if height and width:
            return resize(small, height * self.scale, width * self.scale)
        # An exported network has open sides, and ``ops.image.resize`` wants numbers: the same by a
        # convolution, each channel an image of its own. What lies outside counts for nothing.
        planes = ops.transpose(small, (0, 3, 1, 2))[..., None]  # (n, h, w, c) -> (n, c, h, w, 1)
        shape = ops.shape(planes)
        planes = ops.reshape(planes, (-1, *shape[2:]))  # (n c, h, w, 1)
        kernel = cubic_kernel(self.scale)
        sums, weights = (ops.conv(each, kernel, padding="same") for each in (planes, ops.ones_like(planes)))
        large = ops.depth_to_space(sums / weights, self.scale)  # (n c, h, w, scale²) -> (n c, s h, s w, 1)
        sides = (shape[2] * self.scale, shape[3] * self.scale)
        return ops.transpose(ops.reshape(large, (-1, channels, *sides)), (0, 2, 3, 1))

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        sides = (side and side * self.scale for side in input_shape[1:3])
        return (input_shape[0], *sides, input_shape[3])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable("aigc_lab")
class SuperResolution(TrainedModel):
    """A network that enlarges, trained on large patches that it first makes small itself.

    Args:
        network: small luminance ``(n, h, w, 1)`` in [0, 1] -> large ``(n, h · scale, w · scale, 1)``;
            not clipped.
        scale: 2, 3 or 4.
        receptive_field: radius in small pixels: what lies farther away cannot change a pixel.
    """

    settings = ("scale", "receptive_field")

    def __init__(self, network: keras.Model, scale: int, receptive_field: int, **options: Any) -> None:
        super().__init__(**options)
        self.network, self.scale, self.receptive_field = network, _checked_scale(scale), int(receptive_field)

    def call(self, inputs: Any, training: bool | None = None) -> dict[str, Any]:
        """Large patches ``(n, size, size, 1)`` -> what the network makes of their small version."""
        height, width = (side // self.scale for side in inputs.shape[1:3])
        return {"pixels": self.network(resize(inputs, height, width), training=training)}

    def loss_terms(self, inputs: Any, outputs: dict[str, Any]) -> dict[str, Any]:
        """Mean absolute error over all pixels, in units of the range from black to white."""
        return {"loss": ops.mean(ops.abs(inputs - outputs["pixels"]))}

    def drawing_network(self) -> keras.Model:
        """What is exported: photographs ``(n, h, w, 3)`` in [0, 1] -> what ``upscale`` makes of them."""
        photograph = keras.Input((None, None, 3), name="photograph")
        luminance = ops.sum(photograph * LUMINANCE, axis=-1, keepdims=True)
        bicubic = self.network.get_layer("bicubic")
        detail = self.network(luminance) - bicubic(luminance)
        large = ops.clip(bicubic(photograph) + detail, 0, 1)
        return keras.Model([photograph], large, name="generator")

    def check_training_data(self, x: np.ndarray, labels: Any = None) -> None:
        """ValueError for labels, for other patches than ``(n, height, width, 1)`` in [0, 1] with sides that
        are multiples of the scale; a warning where every patch is flat."""
        if labels is not None:
            raise ValueError("super-resolution learns from images alone; leave the labels out")
        sides, scale = x.shape[1:3], self.scale
        if x.ndim != 4 or x.shape[3] != 1 or min(sides) < 4 * scale or any(side % scale for side in sides):
            raise ValueError(
                f"patches of luminance must have shape (n, height, width, 1), with sides that are multiples "
                f"of {scale} and at least {4 * scale}; got {x.shape}"
            )
        if not (x.min() > -1e-6 and x.max() < 1 + 1e-6):
            raise ValueError(f"patches lie in [0, 1], not {x.min():g} to {x.max():g}; divide uint8 by 255")
        if np.ptp(x, axis=(1, 2)).max() == 0:
            warnings.warn("every patch is flat: there is no detail to learn; cut others", stacklevel=2)


def residual_network(scale: int = 2, width: int = 32, blocks: int = 3, seed: int = 0) -> SuperResolution:
    """A network that starts as bicubic enlargement and learns to add what is missing.

    Args:
        scale: 2, 3 or 4.
        width: channels of each hidden layer.
        blocks: residual blocks; with the first and the last convolution the receptive field has a radius of
            2 · blocks + 2 small pixels.
        seed: of the weights; equal seeds give equal models.

    Raises:
        ValueError: another scale.
    """
    _checked_scale(scale)
    with seeded(seed):
        small = keras.Input((None, None, 1), name="small")
        hidden = layers.Conv2D(width, 3, padding="same")(small)
        for _ in range(blocks):
            hidden = residual(hidden)
        # Zeros at the start: the untrained network is bicubic enlargement, and training can only add to it.
        last = layers.Conv2D(scale**2, 3, padding="same", kernel_initializer="zeros", name="sub_pixels")
        detail = ops.depth_to_space(last(hidden), scale)  # (n, h, w, scale²) -> (n, h · scale, w · scale, 1)
        large = Bicubic(scale, name="bicubic")(small) + detail
    network = keras.Model(small, large, name="enlarger")
    return built(SuperResolution(network, scale, 2 * blocks + 2, name="super_resolution"))


# -- the second stage: a discriminator of patches, and a feature loss -----------------------------------


# Of the parts of the generator's loss.
WEIGHTS = {"pixels": 1.0, "features": 0.1, "generator": 0.01, "pattern": 20.0}


@keras.saving.register_keras_serializable("aigc_lab")
class AdversarialSuperResolution(SuperResolution):
    """A ``SuperResolution`` network that a discriminator and a feature loss train further.

    The losses of the two players, and how one sum of them trains both, are those of ``gan.GAN``. One term is
    ours: ``pattern_error``.

    Args:
        network, scale, receptive_field: as ``SuperResolution``.
        discriminator: ``(n, h, w, 1)`` -> logits ``(n, rows, columns, 1)``, each of one region.
        features: RGB ``(n, h, w, 3)`` in [0, 1] -> a list of feature maps, frozen, such as
            ``evaluate.photo_network()``.
        weights: of the parts of the generator's loss that differ from ``WEIGHTS``.
        seed: of the shifts by a few pixels that both judges see.
    """

    networks = ("network", "discriminator", "features")
    settings = ("scale", "receptive_field", "seed")
    # The discriminator's stride: both judges see each patch shifted by less than this.
    largest_stride = 4

    def __init__(
        self,
        network: keras.Model,
        scale: int,
        receptive_field: int,
        discriminator: keras.Model,
        features: keras.Model,
        weights: Mapping[str, float] | None = None,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(network, scale, receptive_field, **options)
        self.loss_weights = {**WEIGHTS, **(weights or {})}
        if set(self.loss_weights) != set(WEIGHTS) or min(self.loss_weights.values()) < 0:
            raise ValueError(f"weights must be none negative, for {', '.join(WEIGHTS)}; got {weights}")
        features.trainable = False
        self.discriminator, self.features, self.seed = discriminator, features, seed
        self.shifts = keras.random.SeedGenerator(seed)
        names = (*WEIGHTS, "discriminator", "real_probability", "fake_probability")
        self.trackers = [keras.metrics.Mean(name=name) for name in names]  # for Keras' own fit

    def call(self, inputs: Any, training: bool | None = None) -> dict[str, Any]:
        """Enlarge, and judge the real and the enlarged patches."""
        made = super().call(inputs, training)["pixels"]
        real, fake = self._shifted(inputs, made) if training else (inputs, made)
        return {
            "pixels": made,
            **gan.both_judged(self.discriminator, real, fake, [], training),
            "seen": self.feature_maps(fake),
            "wanted": [ops.stop_gradient(each) for each in self.feature_maps(real)],
        }

    def loss_terms(self, inputs: Any, outputs: dict[str, Any]) -> dict[str, Any]:
        """The loss and its parts, unweighted: ``pixels`` (mean absolute error), ``pattern`` (see
        ``pattern_error``), ``features`` (mean over blocks, positions and channels of the squared
        differences), both players' losses in nats, and the mean probability of being real for either
        kind."""
        error = ops.subtract(inputs, outputs["pixels"])  # a minus sign would not take arrays on PyTorch
        pairs = zip(outputs["seen"], outputs["wanted"], strict=True)
        parts = {
            "pixels": ops.mean(ops.abs(error)),
            "pattern": pattern_error(error, self.scale),
            "features": sum(ops.mean(ops.square(a - b)) for a, b in pairs) / len(outputs["seen"]),
            "generator": gan.generator_loss(outputs["fake_logits_for_generator"]),
        }
        discriminator = gan.discriminator_loss(outputs["real_logits"], outputs["fake_logits"])
        return {
            "loss": discriminator + sum(self.loss_weights[name] * part for name, part in parts.items()),
            **parts,
            "discriminator": discriminator,
            "real_probability": ops.mean(ops.sigmoid(outputs["real_logits"])),
            "fake_probability": ops.mean(ops.sigmoid(outputs["fake_logits"])),
        }

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "weights": self.loss_weights}

    def feature_maps(self, pixels: Any) -> list[Any]:
        """What the frozen network sees in grey images ``(n, h, w, 1)``, given as three equal channels."""
        return keras.tree.flatten(self.features(ops.repeat(pixels, 3, axis=-1), training=False))

    def _shifted(self, *images: Any) -> list[Any]:
        """All images moved by the same 0 to 3 pixels along each axis, and three pixels shorter.

        The strided layers of the discriminator and of the feature network weigh pixels by their place on a
        grid of 2 or 4. Without the shift a pattern with that period slips into what is made, and shows.
        """
        down, right = ops.unstack(keras.random.randint((2,), 0, self.largest_stride, seed=self.shifts))
        shape, less = ops.shape(images[0]), self.largest_stride - 1
        size = (shape[0], shape[1] - less, shape[2] - less, 1)
        return [ops.slice(each, (0, down, right, 0), size) for each in images]


def pattern_error(difference: Any, scale: int) -> Any:
    """How much of an error repeats from small pixel to small pixel, in units of the pixels.

    The mean of the error at each of the scale² places within a small pixel, its absolute value averaged
    over places and patches. Detail lies anywhere and averages out; a checkerboard does not. It is what a
    sub-pixel layer draws first when a discriminator asks for texture, since one number for each place is
    enough (Odena and others 2016, doi 10.23915/distill.00003).

    Args:
        difference: original minus result, ``(n, height, width, 1)``, sides multiples of ``scale``.
    """
    height, width = (side // scale for side in difference.shape[1:3])
    cells = ops.reshape(difference, (-1, height, scale, width, scale))  # (n, h, a, w, b)
    return ops.mean(ops.abs(ops.mean(cells, axis=(1, 3))))


def patch_discriminator(width: int = 32, seed: int = 0) -> keras.Model:
    """A discriminator of regions of 23 pixels a side (Isola et al. 2017, arXiv 1611.07004, section 3.2.2).

    Large luminance ``(n, h, w, 1)`` -> logits ``(n, h / 4, w / 4, 1)``. It sees no whole image: it can
    judge texture and sharpness, not whether an eye is where an eye belongs. No normalisation: it starts
    against a trained network, whose patches differ from real ones by a few grey levels, and spectral
    normalisation kept it at chance for as long as a classroom has time.
    """
    with seeded(seed):
        image = keras.Input((None, None, 1), name="image")
        hidden = layers.Rescaling(4.0, -2.0)(image)  # [0, 1] -> [-2, 2]
        for channels, stride in ((width, 2), (2 * width, 2), (2 * width, 1)):
            hidden = layers.Conv2D(channels, 3, stride, padding="same")(hidden)
            hidden = layers.LeakyReLU(negative_slope=0.2)(hidden)
        logits = layers.Conv2D(1, 1, name="logits")(hidden)
    return keras.Model(image, logits, name="discriminator")


def adversarial(
    model: SuperResolution,
    features: keras.Model,
    weights: Mapping[str, float] | None = None,
    width: int = 32,
    seed: int = 0,
) -> AdversarialSuperResolution:
    """The second stage for a trained ``model``, which stays as it is: its network is copied.

    Args:
        features, weights: as ``AdversarialSuperResolution``.
        width: of the discriminator; seed: of the discriminator and of the shifts.
    """
    network = keras.models.clone_model(model.network)
    network.set_weights(model.network.get_weights())
    judge = patch_discriminator(width, seed)
    settings = model.scale, model.receptive_field, judge, features, weights, seed
    return built(AdversarialSuperResolution(network, *settings, name="adversarial"))


# -- any photograph --------------------------------------------------------------------------------------


def open_photograph(path: str | Path) -> np.ndarray:
    """A learner's own photograph as uint8 RGB ``(height, width, 3)``, turned upright as its EXIF data say.

    JPEG, PNG and what else ``collect.from_folder`` reads; transparent pixels are laid on white.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it cannot be read; the message says why.
    """
    from aigc_lab.collect.own import Unreadable, read_image

    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path.name}; check the path of your photograph")
    try:
        return read_image(path, None, "RGB")[0]
    except Unreadable as error:
        raise ValueError(f"{path.name} cannot be read as a photograph: {error}") from error


def upscale(model: Any, photograph: np.ndarray, tile: int = 128, overlap: int | None = None) -> np.ndarray:
    """The photograph ``model.scale`` times as large, tile by tile.

    Memory beside the input and the result is that of one tile. What the network adds to the bicubic
    luminance is added to red, green and blue alike, which leaves the colour differences as they are.

    Args:
        photograph: see ``base.checked_photograph``. Alpha is enlarged by bicubic.
        tile: side of a tile in small pixels.
        overlap: a tile is computed with so many more pixels on each side, which are cut off afterwards. None
            for ``model.receptive_field``, with which no seam can arise: the result is the same for any tile.

    Returns:
        The same type and number of channels, sides ``model.scale`` times as long.

    Raises:
        ValueError: another kind of photograph, or tile or overlap out of range.
    """
    photo = checked_photograph(photograph)
    overlap = model.receptive_field if overlap is None else overlap
    if tile < 1 or overlap < 0:
        raise ValueError(f"tile must be at least 1 and overlap not negative, got {tile} and {overlap}")
    scale, (height, width) = model.scale, photo.shape[:2]
    result = np.empty((height * scale, width * scale, *photo.shape[2:]), photo.dtype)

    def place(top: int, left: int) -> tuple[slice, slice]:  # of a tile, in large pixels
        return np.s_[top * scale : (top + tile) * scale, left * scale : (left + tile) * scale]

    for top in range(0, height, tile):
        for left in range(0, width, tile):
            # The region with its margin: at the photograph's own border there is none.
            first, second = max(0, top - overlap), max(0, left - overlap)
            region = photo[first : top + tile + overlap, second : left + tile + overlap]
            inner = place(top - first, left - second)
            result[place(top, left)] = _enlarged_region(model, region)[inner]
    return result


def _enlarged_region(model: SuperResolution, region: np.ndarray) -> np.ndarray:
    values = region.astype("float32") / np.float32(white(region))
    planes = values[..., None] if values.ndim == 2 else values
    luminance = grey(region)[None, :, :, None]  # (1, h, w, 1)
    # Each channel as an image of its own, and the luminance as the last one.
    together = np.concatenate([np.moveaxis(planes, -1, 0)[..., None], luminance])  # (channels + 1, h, w, 1)
    *large, rule = as_array(model.network.get_layer("bicubic")(together))  # each (scale h, scale w, 1)
    large = np.concatenate(large, axis=-1)  # (scale h, scale w, channels)
    colours = planes.shape[2] - (planes.shape[2] in (2, 4))  # alpha gets no detail
    large[..., :colours] += as_array(model.network(luminance, training=False))[0] - rule
    return _stored(large * white(region), region)


def grey(image: np.ndarray) -> np.ndarray:
    """Luminance in [0, 1], float32 ``(height, width)``: 0.299 R + 0.587 G + 0.114 B (BT.601).

    This is the full range from 0 to 1; ``evaluate.luminance`` is the same number scaled to 16 to 235.
    """
    values = checked_photograph(image).astype("float32") / np.float32(white(image))
    if values.ndim == 3:
        one_channel = values.shape[2] < 3
        values = values[..., 0] if one_channel else values[..., :3] @ LUMINANCE
    return values


def _stored(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    """``values`` ``(h, w, channels)`` clipped and rounded to the type and the channels of an image."""
    values = np.clip(values, 0, white(like))
    values = np.rint(values) if like.dtype.kind == "u" else values
    return values.astype(like.dtype).reshape(*values.shape[:2], *like.shape[2:])


def _checked_scale(scale: Any) -> int:
    if scale not in SCALES:
        raise ValueError(f"scale must be 2, 3 or 4, got {scale!r}")
    return int(scale)
