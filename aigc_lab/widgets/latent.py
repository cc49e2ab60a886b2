"""The latent-space explorer: sliders for the coordinates of z, and the image that the decoder makes of it.

Introduced in notebook 00.
"""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np
from PIL import Image

from aigc_lab.collect.dataset import Dataset
from aigc_lab.plots import as_images
from aigc_lab.widgets.live import DescribedImage, error_text

_REACH = 3.0  # the sliders go so many standard deviations of the prior to either side
_SMOOTHING = {"nearest": Image.Resampling.NEAREST, "bicubic": Image.Resampling.BICUBIC}


def latent_image(
    vae: Any, z: Any, label: int | None = None, size: int = 280, smoothing: str = "nearest"
) -> bytes:
    """The image at one point of latent space, enlarged, as the bytes of a PNG file.

    Args:
        vae: a model with ``decode`` (see ``aigc_lab.models.vae``).
        z: the point, ``(latent_size,)``.
        label: class number, for a conditional model.
        size: pixels of the longer side.
        smoothing: ``"nearest"`` shows the pixels as they are, ``"bicubic"`` blends them.

    Raises:
        ValueError: a point of another size, NaN, a missing or unknown label, an unknown smoothing.
    """
    if smoothing not in _SMOOTHING:
        raise ValueError(f"smoothing must be one of {', '.join(_SMOOTHING)}, got {smoothing!r}")
    point = np.asarray(z, dtype="float32")
    if point.shape != (vae.latent_size,):
        raise ValueError(f"the latent point must have shape ({vae.latent_size},), got {point.shape}")
    if not np.isfinite(point).all():
        raise ValueError("the latent point holds NaN or infinite values; every coordinate must be a number")
    # decode() calls the network directly; Keras' predict() would set up a data pipeline first.
    (pixels,) = as_images(vae.decode(point[None], None if label is None else [int(label)]))
    scale = size / max(pixels.shape[:2])
    shape = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize(shape, _SMOOTHING[smoothing]).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


class LatentExplorer(widgets.HBox):
    """The widget that ``latent_explorer`` returns.

    Attributes:
        sliders: one ``FloatSlider`` for each shown dimension, in the order of ``dimensions``.
        class_choice: the class dropdown, or None for an unconditional model.
        draw_button, reset_button: draw z from the mixture, or else from N(0, 1); set z to 0.
        image: the image that follows; its ``tooltip`` says what it shows.
        message: says in words what is shown, or what went wrong.
        z: the present point, ``(latent_size,)``.
        error: the last exception of a callback, or None.
    """

    def __init__(
        self,
        vae: Any,
        dimensions: Sequence[int],
        nats: np.ndarray | None,
        class_names: Sequence[str],
        smoothing: str,
        seed: int,
        mixture: Any,
    ) -> None:
        self.vae, self.dimensions, self.error = vae, list(dimensions), None
        self.z = np.zeros(vae.latent_size, dtype="float32")
        self._smoothing, self._mixture = smoothing, mixture
        self._random = np.random.default_rng(seed)
        self._busy = False
        self.sliders = [self._slider(dimension, nats) for dimension in self.dimensions]
        self.class_choice = None
        if class_names:
            self.class_choice = widgets.Dropdown(
                options=[(str(name), number) for number, name in enumerate(class_names)],
                value=0,
                description="class",
                style={"description_width": "110px"},
                tooltip="Which class the conditional decoder draws",
            )
            self.class_choice.observe(self._moved, "value")
        self.draw_button = widgets.Button(
            description="Random draw", icon="random", tooltip="Draw every coordinate of z at random"
        )
        self.reset_button = widgets.Button(
            description="Reset",
            icon="undo",
            tooltip="Set every coordinate of z to 0, the middle of the prior",
        )
        # The first image is made outside a callback: what fails here fails in the cell, in full view.
        first = latent_image(vae, self.z, self.label, smoothing=smoothing)
        self.image = DescribedImage(value=first, format="png", width=280, layout={"align_self": "center"})
        self.message = widgets.HTML()
        self._describe()
        for slider in self.sliders:
            slider.observe(self._moved, "value")
        self.draw_button.on_click(self._draw)
        self.reset_button.on_click(lambda _: self._set(np.zeros(self.vae.latent_size)))
        choice = [self.class_choice] if self.class_choice is not None else []
        controls = [*choice, *self.sliders, widgets.HBox([self.draw_button, self.reset_button])]
        super().__init__(
            [widgets.VBox(controls), widgets.VBox([self.image, self.message])],
            layout={"flex_flow": "row wrap"},
        )

    @property
    def label(self) -> int | None:
        """The chosen class number; None for an unconditional model."""
        return None if self.class_choice is None else int(self.class_choice.value)

    def _slider(self, dimension: int, nats: np.ndarray | None) -> widgets.FloatSlider:
        used = "" if nats is None else f", {nats[dimension]:.1f} nats"
        return widgets.FloatSlider(
            value=0.0,
            min=-_REACH,
            max=_REACH,
            step=0.05,
            description=f"z[{dimension}]{used}",
            tooltip=f"Latent dimension {dimension}{used}",
            style={"description_width": "110px"},
            readout_format="+.2f",
            layout={"width": "380px"},
        )

    def _draw(self, _: Any) -> None:
        if self._mixture is None:
            self._set(self._random.standard_normal(self.vae.latent_size))
            return
        try:
            points, _ = self._mixture.sample(1, self.label, seed=int(self._random.integers(2**31)))
        except ValueError as error:  # such as a class that the mixture has never seen
            self.error = error
            self._describe()
            return
        self._set(points[0])

    def _set(self, point: np.ndarray) -> None:
        """Go to a point: hidden dimensions too, and one new image instead of one per slider."""
        self.z = np.asarray(point, dtype="float32")
        self._busy = True
        try:
            for dimension, slider in zip(self.dimensions, self.sliders, strict=True):
                slider.value = float(np.clip(self.z[dimension], -_REACH, _REACH))
        finally:
            self._busy = False
        self._moved(None)

    def _moved(self, _: Any) -> None:
        if self._busy:
            return
        for dimension, slider in zip(self.dimensions, self.sliders, strict=True):
            self.z[dimension] = slider.value
        try:
            self.image.value = latent_image(self.vae, self.z, self.label, smoothing=self._smoothing)
            self.error = None
        except Exception as error:
            self.error = error
        self._describe()

    def _describe(self) -> None:
        if self.error is not None:
            self.message.value = error_text("The image was not updated", self.error)
            return
        what = "" if self.class_choice is None else f"{html.escape(self.class_choice.label)}, "
        distance = float(np.linalg.norm(self.z))
        words = f"{what}{distance:.1f} from the middle of the prior (typical: {np.sqrt(len(self.z)):.1f})"
        self.message.value = f'<div role="status" style="max-width: 280px">{words}</div>'
        self.image.tooltip = f"Decoded image: {words}"


def latent_explorer(
    vae: Any,
    data: Any = None,
    class_names: Sequence[str] = (),
    dimensions: int | Sequence[int] | None = None,
    smoothing: str = "nearest",
    seed: int = 0,
    mixture: Any = None,
) -> LatentExplorer:
    """Sliders for the most used latent dimensions, and the decoded image, which follows at once.

    Args:
        vae: a trained VAE.
        data: images by which the dimensions are ordered from the most to the least used (see
            ``models.vae.active_dimensions``): a ``Dataset``, or float images in [0, 1]. Without them the
            dimensions come in their own order. A few hundred images are enough.
        class_names: names in the class dropdown; a ``Dataset`` brings its own.
        dimensions: how many sliders (8 at most by default), or the dimension numbers to show.
        smoothing: ``"nearest"`` or ``"bicubic"``.
        seed: seed of the random draws.
        mixture: a ``LatentMixture`` that the random draws come from; without it, N(0, 1).

    Returns:
        The widget; the random draw sets the dimensions without a slider too, and what a slider
        cannot reach is clipped to its end.

    Raises:
        ValueError: dimensions the model does not have, or class names of another number.
    """
    from aigc_lab.models.vae import active_dimensions  # here, because it imports Keras

    if isinstance(data, Dataset) and not class_names:
        class_names = data.class_names
    order, nats = np.arange(vae.latent_size), None
    if data is not None:
        order, nats = active_dimensions(vae, data)
    if dimensions is None:
        dimensions = min(8, vae.latent_size)
    if isinstance(dimensions, (int, np.integer)):
        if not 1 <= dimensions <= vae.latent_size:
            raise ValueError(
                f"the model has {vae.latent_size} latent dimensions; {dimensions} cannot be shown"
            )
        dimensions = order[:dimensions].tolist()
    if not dimensions or not set(dimensions) <= set(order) or len(set(dimensions)) < len(dimensions):
        raise ValueError(
            f"dimensions must be different numbers from 0 to {vae.latent_size - 1}, got {dimensions}"
        )
    names = class_names or [f"class {number}" for number in range(vae.class_count)]
    if vae.class_count and len(names) != vae.class_count:
        raise ValueError(f"the model has {vae.class_count} classes, but there are {len(names)} class names")
    return LatentExplorer(vae, dimensions, nats, names if vae.class_count else (), smoothing, seed, mixture)
