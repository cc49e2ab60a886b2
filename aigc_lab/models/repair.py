"""Repair of photographs: noise taken off and holes filled, by a network that was trained on damage.

The network gets a damaged picture, a map of what is known and the noise level, each pixel its own, as in
Zhang and others 2018 (FFDNet, arXiv 1710.04026), and works on blocks of 2 x 2 pixels as they do. Its shape
is that of a U (Ronneberger and others 2015, arXiv 1505.04597), for holes need a wide view. Before it looks,
holes are filled with means of what is known around them, on coarser and coarser grids (pull and push:
Gortler and others 1996, doi 10.1145/237170.237200, section 3.4). Introduced in notebook 23.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from aigc_lab.backend import seeded
from aigc_lab.models.base import ImageModel, as_array, built, checked_photograph, residual, white

MOST_NOISE = 50 / 255  # the standard deviation of the strongest noise that is trained on
USUAL_NOISE = 25 / 255  # the network is told the noise level in units of this
HOLE = 8  # pixels: the side of the square holes that are trained on
GRID = 16  # pixels: sides are filled up to multiples of it
MARGIN = 112  # pixels around a tile: as far as the network of the default widths sees


def filled(images: Any, known: Any) -> Any:
    """Images ``(n, h, w, c)`` whose holes hold means of the known pixels around; sides multiples of 16.

    ``known``, ``(n, h, w, 1)``, is 1 for a known pixel and 0 for a hole.
    """
    levels, size = [], GRID
    while size > 1:
        levels.append((images * known, known))
        weight = ops.average_pool(known, 2)
        images = ops.average_pool(images * known, 2) / ops.maximum(weight, 1e-6)
        known, size = ops.cast(weight > 0, images.dtype), size // 2
    mean = ops.sum(images * known, (1, 2), keepdims=True)
    mean = mean / ops.maximum(ops.sum(known, (1, 2), keepdims=True), 1e-6)  # (n, 1, 1, c)
    images = images * known + mean * (1 - known)
    for finer, known in reversed(levels):
        images = finer + (1 - known) * doubled(images)
    return images


def doubled(images: Any) -> Any:
    """``(n, h, w, c)`` -> ``(n, 2h, 2w, c)``, bilinear: as ``ops.image.resize``, which cannot be exported for
    sides that are not known yet."""
    above = ops.concatenate([images[:, :1], images[:, :-1]], axis=1)
    below = ops.concatenate([images[:, 1:], images[:, -1:]], axis=1)
    four = []
    for rows in (0.75 * images + 0.25 * above, 0.75 * images + 0.25 * below):
        left = ops.concatenate([rows[:, :, :1], rows[:, :, :-1]], axis=2)
        right = ops.concatenate([rows[:, :, 1:], rows[:, :, -1:]], axis=2)
        four += [0.75 * rows + 0.25 * left, 0.75 * rows + 0.25 * right]
    return ops.depth_to_space(ops.concatenate(four, axis=-1), 2)


@keras.saving.register_keras_serializable("aigc_lab")
class Repair(ImageModel):
    """A network that repairs, trained on clean patches that it first damages itself.

    Args:
        network: ``[filled, known, sigma]``, of shapes ``(n, h, w, 3)``, ``(n, h, w, 1)`` and
            ``(n, h, w, 1)`` -> what to add, ``(n, h, w, 3)``.
        seed: of the damage in training.
    """

    settings = ("seed",)

    def __init__(self, network: keras.Model, seed: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.network, self.seed = network, seed
        self.random = keras.random.SeedGenerator(seed)
        self.image_shape, self.class_count = (None, None, 3), 0

    def damage(self, clean: Any) -> tuple[Any, Any, Any]:
        """Damaged patches, what is known and the noise level: of four patches two are noisy and have no hole,
        one lacks single pixels, one has square holes; of those with holes every fourth is noisy, too."""
        n, height, width, _ = ops.shape(clean)
        draw = lambda *shape: keras.random.uniform((n, *shape), seed=self.random)  # noqa: E731
        kind, share = draw(1, 1, 1), draw(1, 1, 1)
        single = draw(height, width, 1) > 0.1 + 0.7 * share
        cells = ops.cast(draw(height // HOLE + 1, width // HOLE + 1, 1) > 0.1 + 0.3 * share, clean.dtype)
        down, right = ops.unstack(keras.random.randint((2,), 0, HOLE, seed=self.random))
        squares = ops.repeat(ops.repeat(cells, HOLE, axis=1), HOLE, axis=2)
        squares = ops.slice(squares, (0, down, right, 0), (n, height, width, 1)) > 0
        known = (kind < 0.5) | ((kind < 0.75) & single) | ((kind >= 0.75) & squares)
        known = ops.cast(known, clean.dtype)
        noisy = ops.cast((kind < 0.5) | (draw(1, 1, 1) < 0.25), clean.dtype)
        sigma = MOST_NOISE * draw(1, 1, 1) * noisy * ops.ones_like(known)  # (n, h, w, 1)
        noise = keras.random.normal(ops.shape(clean), dtype=clean.dtype, seed=self.random)
        return (clean + sigma * noise) * known, known, sigma

    def restore(self, damaged: Any, known: Any, sigma: Any, training: bool | None = None) -> Any:
        """Repaired images ``(n, h, w, 3)``, not clipped.

        A pixel that is known without noise stays as it is; the network need not learn to keep it.
        """
        damaged, known, sigma = (ops.convert_to_tensor(each, "float32") for each in (damaged, known, sigma))
        start = filled(damaged, known)
        change = self.full_precision(self.network([start, known, sigma], training=training))
        return start + ops.where((known > 0) & (sigma == 0), 0.0, change)

    def drawing_network(self) -> keras.Model:
        """What is exported: ``restore``, clipped to [0, 1], for sides that are multiples of 16."""
        names = {"damaged": 3, "known": 1, "sigma": 1}
        inputs = [keras.Input((None, None, channels), name=name) for name, channels in names.items()]
        restore = layers.Lambda(lambda parts: ops.clip(self.restore(*parts), 0, 1), (None, None, 3))
        return keras.Model(inputs, restore(inputs), name="generator")

    def call(self, inputs: Any, training: bool | None = None) -> dict[str, Any]:
        """Clean patches ``(n, h, w, 3)`` in [0, 1] -> what is made of their damaged version."""
        return {"pixels": self.restore(*self.damage(inputs), training=training)}

    def loss_terms(self, inputs: Any, outputs: dict[str, Any]) -> dict[str, Any]:
        """Mean absolute error over all pixels and channels, in units of the range from black to white."""
        return {"loss": ops.mean(ops.abs(ops.subtract(inputs, outputs["pixels"])))}

    def checked_images(self, x: np.ndarray) -> np.ndarray:
        """Patches as float32, or a ValueError that says what is wrong with them."""
        shape = np.shape(x)
        if len(shape) != 4 or shape[3] != 3 or shape[1] % GRID or shape[2] % GRID:
            raise ValueError(f"patches are (n, h, w, 3), h and w multiples of {GRID}; got {shape}")
        self.image_shape = tuple(shape[1:])
        images = super().checked_images(x)
        if images.min() < -1e-6 or images.max() > 1 + 1e-6:
            raise ValueError(f"patches lie in [0, 1], not {images.min():g} to {images.max():g}")
        return images


def repair_network(widths: tuple[int, ...] = (32, 64, 96), blocks: int = 1, seed: int = 0) -> Repair:
    """A network of residual blocks at 1/2, 1/4, … of the size, down and up again.

    Args:
        widths: channels at each of at most four levels; blocks: residual blocks at each, twice at the last.
        seed: of the weights; equal seeds give equal models.
    """
    with seeded(seed):
        start, known, sigma = (keras.Input((None, None, channels)) for channels in (3, 1, 1))
        hidden = ops.space_to_depth(ops.concatenate([2 * start - 1, known, sigma / USUAL_NOISE], axis=-1), 2)
        kept = []
        for level, width in enumerate(widths):
            hidden = layers.Conv2D(width, 3, strides=2 if level else 1, padding="same")(hidden)
            for _ in range(blocks if level < len(widths) - 1 else 2 * blocks):
                hidden = residual(hidden)
            kept.append(hidden)
        for width, skip in zip(widths[-2::-1], kept[-2::-1], strict=True):
            hidden = skip + ops.depth_to_space(layers.Conv2D(4 * width, 1)(hidden), 2)
            for _ in range(blocks):
                hidden = residual(hidden)
        # Zeros at the start: the untrained network is the filling by means.
        change = layers.Conv2D(12, 3, padding="same", kernel_initializer="zeros", name="change")(hidden)
        network = keras.Model([start, known, sigma], ops.depth_to_space(change, 2), name="repairer")
    return built(Repair(network, seed=seed, name="repair"))


# -- any photograph -----------------------------------------------------------------------------------


def repair(
    model: Repair, image: np.ndarray, mask: np.ndarray | None = None, sigma: float = 0.0, tile: int = 512
) -> np.ndarray:
    """The image with its holes filled and its noise taken off, tile by tile.

    Each tile is computed with a margin that is cut off again, so that memory beside the image is that of one
    tile. Without noise, known pixels come back as they are.

    Args:
        image: see ``base.checked_photograph``. Alpha stays as it is. What a hole holds does not count.
        mask: ``(height, width)``, True or 1 for a known pixel and False or 0 for a hole. None: all are known.
        sigma: standard deviation of the noise, where white is 1: for 25 of 255 levels 25 / 255.
        tile: side of a tile in pixels, a multiple of 16.

    Returns:
        An image of the same type and shape.

    Raises:
        ValueError: an image, mask, sigma or tile of another kind, or nothing to repair or to repair it from.
    """
    # Noise may lead out of [0, 1].
    image = checked_photograph(image, "set them to 0 and mark them as holes", slack=1.0)
    brightest = white(image)
    planes = image if image.ndim == 3 else image[..., None]
    (height, width, channels), alpha = planes.shape, planes.shape[2] in (2, 4)
    known = _checked_mask(mask, (height, width))
    if not 0 <= sigma <= MOST_NOISE:
        raise ValueError(f"sigma lies between 0 and {MOST_NOISE:.3f} (50 of 255), got {sigma}")
    if sigma == 0 and known.all():
        raise ValueError("there is nothing to repair: the mask shows no hole, and sigma is 0")
    if tile < GRID or tile % GRID:
        raise ValueError(f"tile must be a multiple of {GRID}, got {tile}")
    made = planes.copy()
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            first, second = max(0, top - MARGIN), max(0, left - MARGIN)
            region = np.s_[first : top + tile + MARGIN, second : left + tile + MARGIN]
            here = np.s_[top : top + tile, left : left + tile]
            colours = (planes[region][..., : channels - alpha] / np.float32(brightest)).astype("float32")
            colours = np.repeat(colours, 3 // colours.shape[2], axis=2)  # grey: three equal channels
            ends = [(0, -side % GRID) for side in colours.shape[:2]]
            seen = np.pad(known[region][..., None].astype("float32"), [*ends, (0, 0)], mode="edge")[None]
            damaged = np.pad(colours, [*ends, (0, 0)], mode="edge")[None]  # (1, h, w, 3)
            clean = model.restore(damaged, seen, np.full_like(seen, sigma), training=False)
            clean = np.clip(as_array(clean)[0], 0, 1)
            clean = clean[top - first :, left - second :][: made[here].shape[0], : made[here].shape[1]]
            if channels - alpha == 1:
                clean = clean.mean(axis=2, keepdims=True)
            clean = np.rint(clean * brightest) if brightest > 1 else clean
            keep = known[here][..., None] & (sigma == 0)
            made[here][..., : channels - alpha] = np.where(keep, planes[here][..., : channels - alpha], clean)
    return made.reshape(image.shape)


def _checked_mask(mask: Any, sides: tuple[int, int]) -> np.ndarray:
    known = np.ones(sides, bool) if mask is None else np.asarray(mask)
    if known.shape != sides:
        raise ValueError(f"the mask must have the image's height and width, {sides}; got {known.shape}")
    if not np.isin(known, (0, 1)).all():
        raise ValueError("a mask holds True or 1 for a known pixel, False or 0 for a hole, and nothing else")
    if not known.any():
        raise ValueError("the mask covers all: no pixel is known, so there is nothing to fill a hole from")
    return known.astype(bool)
