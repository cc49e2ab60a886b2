"""Augmentation inside the game: the discriminator sees changed pictures, real and fake alike.

A generator that learns from changed pictures learns to draw the changes too: the augmentation
*leaks*. Zhao et al. 2020 (arXiv 2006.10738, equations 3 to 5) change the real *and* the generated
pictures, and let the gradient flow back through the change to the generator, which then never has
to draw it. Karras et al. 2020 (arXiv 2006.06676, section 2.2) say when that works: the change must
be undoable *for the distribution*. A quarter turn that hits every picture is not (a turned set and
an upright one then look alike); one that leaves some pictures as they are is. Hence ``probability``.
Introduced in notebook 04.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

POLICIES = ("mirror", "quarter_turns", "colour", "translation", "cutout")


@keras.saving.register_keras_serializable("aigc_lab")
class Differentiable(keras.layers.Layer):
    """Random changes of pictures ``(n, height, width, channels)`` through which gradients flow.

    Written in ``keras.ops`` alone. Each picture draws its own change. Only ``training=True`` changes
    anything. The result may leave [0, 1], where the policy holds ``"colour"``: clip it to look at it.

    Args:
        policy: what to do, of ``POLICIES``; done in that order. ``"colour"`` is Zhao's: brightness,
            saturation (nothing on one channel) and contrast. ``"translation"`` fills with zeros.
        probability: how likely each part of the policy is done to a picture.
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
        unknown = [name for name in policy if name not in POLICIES]
        if isinstance(policy, str) or unknown or not len(policy):
            wrong = repr(policy) if isinstance(policy, str) else f"{unknown[0]!r}" if unknown else "nothing"
            raise ValueError(f"the policy must name some of {', '.join(POLICIES)}, got {wrong}")
        for name, share, most in (
            ("probability", probability, 1),
            ("translation", translation, 0.5),
            ("cutout", cutout, 1),
        ):
            if not 0 <= share <= most:
                raise ValueError(f"{name} must lie from 0 to {most}, got {share}")
        self.policy = tuple(name for name in POLICIES if name in policy)
        self.probability, self.translation, self.cutout = float(probability), translation, cutout
        self.seed = seed
        self.random = keras.random.SeedGenerator(seed)

    def call(self, pictures: Any, training: bool | None = None) -> Any:
        pictures = ops.convert_to_tensor(pictures)
        if not training:
            return pictures
        if "quarter_turns" in self.policy and pictures.shape[1] != pictures.shape[2]:
            raise ValueError(
                f"quarter_turns needs square pictures, got {pictures.shape[1]} x {pictures.shape[2]}"
            )
        for name in self.policy:
            changed = getattr(self, f"_{name}")(pictures)
            if self.probability < 1:
                chosen = self._uniform(pictures) < self.probability
                changed = ops.where(chosen, changed, pictures)
            pictures = changed
        return pictures

    # -- the parts of a policy: (n, h, w, c) -> (n, h, w, c) --------------------------------------

    def _mirror(self, pictures: Any) -> Any:
        return ops.where(self._uniform(pictures) < 0.5, ops.flip(pictures, axis=2), pictures)

    def _quarter_turns(self, pictures: Any) -> Any:
        turned = ops.transpose(pictures, (0, 2, 1, 3))  # (n, h, w, c) -> (n, w, h, c)
        turns = ops.floor(4 * self._uniform(pictures))  # 0, 1, 2 or 3 quarters, each as likely
        half = ops.flip(ops.flip(pictures, axis=1), axis=2)
        upright_or_half = ops.where(turns == 2, half, pictures)
        on_its_side = ops.where(turns == 1, ops.flip(turned, axis=1), ops.flip(turned, axis=2))
        return ops.where((turns == 1) | (turns == 3), on_its_side, upright_or_half)

    def _colour(self, pictures: Any) -> Any:
        pictures = pictures + self._uniform(pictures) - 0.5
        grey = ops.mean(pictures, axis=3, keepdims=True)
        pictures = (pictures - grey) * (2 * self._uniform(pictures)) + grey
        level = ops.mean(pictures, axis=(1, 2, 3), keepdims=True)
        return (pictures - level) * (self._uniform(pictures) + 0.5) + level

    def _translation(self, pictures: Any) -> Any:
        down = self._shift_matrix(pictures, pictures.shape[1])
        right = self._shift_matrix(pictures, pictures.shape[2])
        return ops.einsum("nij,njkc,nlk->nilc", down, pictures, right)

    def _cutout(self, pictures: Any) -> Any:
        inside = self._stripe(pictures, pictures.shape[1], axis=1)
        inside = inside & self._stripe(pictures, pictures.shape[2], axis=2)  # (n, h, w, 1)
        return ops.where(inside, ops.zeros_like(pictures), pictures)

    # -- random numbers ---------------------------------------------------------------------------

    def _uniform(self, pictures: Any) -> Any:
        """A number in [0, 1) for each picture, ``(n, 1, 1, 1)``."""
        count = ops.shape(pictures)[0]
        return keras.random.uniform((count, 1, 1, 1), dtype=pictures.dtype, seed=self.random)

    def _whole(self, pictures: Any, low: int, high: int) -> Any:
        """A whole number from ``low`` to ``high`` for each picture, both included."""
        return ops.floor(low + (high - low + 1) * self._uniform(pictures))

    def _shift_matrix(self, pictures: Any, size: int) -> Any:
        """``(n, size, size)``: row i has its one at column i - shift; no one at all is the black rim."""
        most = int(self.translation * size + 0.5)
        shift = ops.squeeze(self._whole(pictures, -most, most), axis=3)  # (n, 1, 1, 1) -> (n, 1, 1)
        place = ops.cast(ops.arange(size), pictures.dtype)
        return ops.cast(place[None, :, None] - shift == place[None, None, :], pictures.dtype)

    def _stripe(self, pictures: Any, size: int, axis: int) -> Any:
        """Which rows (or columns) the square covers; its middle may lie anywhere in the picture."""
        side = int(self.cutout * size + 0.5)
        start = self._whole(pictures, 0, size - 1 + (side + 1) % 2) - side // 2
        place = ops.cast(ops.arange(size), pictures.dtype)
        place = ops.reshape(place, (1, size, 1, 1) if axis == 1 else (1, 1, size, 1))
        return (place >= start) & (place < start + side)

    # -- saving -----------------------------------------------------------------------------------

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "policy": list(self.policy),
            "probability": self.probability,
            "translation": self.translation,
            "cutout": self.cutout,
            "seed": self.seed,
        }
