"""The latent-space explorer: sliders for the coordinates of z, and the image that the decoder makes of it.

Introduced in notebook 00.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np
from PIL import Image

from aigc_lab.collect.dataset import Dataset
from aigc_lab.plots import as_images
from aigc_lab.widgets.live import DescribedImage, Speaking, button, png

_REACH = 3.0  # the sliders go so many standard deviations of the prior to either side
_MOST, _SIZE = 8, 280  # sliders; pixels of the longer side of the image
_SMOOTHING = {"nearest": Image.Resampling.NEAREST, "bicubic": Image.Resampling.BICUBIC}


class LatentExplorer(Speaking, widgets.HBox):
    """Sliders for the most used latent dimensions, and the decoded image, which follows at once.

    A random draw sets the dimensions without a slider too; what a slider cannot reach is clipped to its end.

    Args:
        vae: a trained VAE (see ``aigc_lab.models.vae``).
        data: images by which the dimensions are ordered from the most to the least used (see
            ``models.vae.active_dimensions``): a ``Dataset``, or float images in [0, 1]. Without them the
            dimensions come in their own order. A few hundred images are enough.
        class_names: names in the class dropdown; a ``Dataset`` brings its own.
        smoothing: ``"nearest"`` shows the pixels as they are, ``"bicubic"`` blends them.
        seed: seed of the random draws.
        mixture: a ``LatentMixture`` that the random draws come from; without it, N(0, 1).

    Attributes:
        dimensions: the shown dimensions; sliders: one ``FloatSlider`` for each of them.
        class_choice: the class dropdown, or None for an unconditional model.
        draw_button, reset_button: draw z at random; set z to 0.
        image: the image that follows; its ``tooltip`` says what it shows, and so does ``message``.
        z: the present point, ``(latent_size,)``.

    Raises:
        ValueError: an unknown smoothing, or class names of another number than the model's classes.
    """

    def __init__(
        self,
        vae: Any,
        data: Any = None,
        class_names: Sequence[str] = (),
        smoothing: str = "nearest",
        seed: int = 0,
        mixture: Any = None,
    ) -> None:
        from aigc_lab.models.vae import active_dimensions  # here, because it imports Keras

        if smoothing not in _SMOOTHING:
            raise ValueError(f"smoothing must be one of {', '.join(_SMOOTHING)}, got {smoothing!r}")
        if isinstance(data, Dataset) and not class_names:
            class_names = data.class_names
        names = class_names or [f"class {number}" for number in range(vae.class_count)]
        if vae.class_count and len(names) != vae.class_count:
            raise ValueError(
                f"the model has {vae.class_count} classes, but there are {len(names)} class names"
            )
        super().__init__(layout={"flex_flow": "row wrap"})
        order, nats = np.arange(vae.latent_size), None
        if data is not None:
            order, nats = active_dimensions(vae, data)
        self.vae, self.dimensions = vae, order[:_MOST].tolist()
        self.z = np.zeros(vae.latent_size, dtype="float32")
        self._smoothing, self._mixture = _SMOOTHING[smoothing], mixture
        self._random, self._busy = np.random.default_rng(seed), False
        self.sliders = [self._slider(dimension, nats) for dimension in self.dimensions]
        self.class_choice = None
        if vae.class_count:
            self.class_choice = widgets.Dropdown(
                options=[(str(name), number) for number, name in enumerate(names)],
                value=0,
                description="class",
                style={"description_width": "110px"},
                tooltip="Which class the conditional decoder draws",
            )
        self.draw_button = button(
            "Random draw",
            "Draw every coordinate of z at random",
            lambda: self._do(self._draw, self._show),
            icon="random",
        )
        self.reset_button = button(
            "Reset",
            "Set every coordinate of z to 0, the middle of the prior",
            lambda: self._do(lambda: self._go_to(np.zeros(len(self.z))), self._show),
            icon="undo",
        )
        self.image = DescribedImage(format="png", width=_SIZE, layout={"align_self": "center"})
        self.message.layout.max_width = f"{_SIZE}px"
        # The first image is made outside a callback: what fails here fails in the cell, in full view.
        self._show()
        choice = [] if self.class_choice is None else [self.class_choice]
        for control in (*choice, *self.sliders):
            control.observe(lambda _: self._do(self._show), "value")
        buttons = widgets.HBox([self.draw_button, self.reset_button])
        controls = widgets.VBox([*choice, *self.sliders, buttons])
        self.children = [controls, widgets.VBox([self.image, self.message])]

    @property
    def label(self) -> int | None:
        """The chosen class number; None for an unconditional model."""
        return None if self.class_choice is None else int(self.class_choice.value)

    def _slider(self, dimension: int, nats: np.ndarray | None) -> widgets.FloatSlider:
        name, tooltip = f"z[{dimension}]", f"Latent dimension {dimension}"
        if nats is not None:
            used = f"{nats[dimension]:.1f} nats"
            name, tooltip = f"{name}, {used}", f"{tooltip}, {used}"
        return widgets.FloatSlider(
            value=0.0,
            min=-_REACH,
            max=_REACH,
            step=0.05,
            description=name,
            tooltip=tooltip,
            style={"description_width": "110px"},
            readout_format="+.2f",
            layout={"width": "380px"},
        )

    def _draw(self) -> None:
        if self._mixture is None:
            point = self._random.standard_normal(len(self.z))
        else:  # it says so if it has never seen the class
            (point,), _ = self._mixture.sample(1, self.label, seed=int(self._random.integers(2**31)))
        self._go_to(point)

    def _go_to(self, point: np.ndarray) -> None:
        """Set hidden dimensions too; the sliders ask for no image each."""
        self.z = np.asarray(point, dtype="float32")
        self._busy = True
        try:  # somebody else may watch a slider, and fail
            for dimension, slider in zip(self.dimensions, self.sliders, strict=True):
                slider.value = float(np.clip(self.z[dimension], -_REACH, _REACH))
        finally:
            self._busy = False

    def _do(self, *actions: Callable[[], None]) -> None:
        if not self._busy:
            self.attempt("The image was not updated.", *actions)

    def _show(self) -> None:
        self.z[self.dimensions] = [slider.value for slider in self.sliders]
        # decode() calls the network directly; Keras' predict() would set up a data pipeline first.
        labels = None if self.label is None else [self.label]
        (pixels,) = as_images(self.vae.decode(self.z[None], labels))
        self.image.value = png(pixels, _SIZE, self._smoothing)
        distance, typical = float(np.linalg.norm(self.z)), float(np.sqrt(len(self.z)))
        words = f"{distance:.1f} from the middle of the prior (typical: {typical:.1f})"
        if self.class_choice is not None:  # in one text: a translation may put the class elsewhere
            name = self.class_choice.label
            words = f"{name}, {distance:.1f} from the middle of the prior (typical: {typical:.1f})"
        self.say(words)
        self.image.tooltip = f"Decoded image: {words}"
