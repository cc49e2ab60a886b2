"""The latent-space explorer: sliders for the coordinates of z, and the picture the decoder makes of it.

Introduced in notebook 00.
"""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np
import traitlets
from PIL import Image

from aigc_lab.collect.dataset import Dataset
from aigc_lab.plots import as_pictures

_SMOOTHING = {"nearest": Image.Resampling.NEAREST, "bicubic": Image.Resampling.BICUBIC}


def latent_picture(
    vae: Any, z: Any, label: int | None = None, size: int = 280, smoothing: str = "nearest"
) -> bytes:
    """The picture at one point of latent space, enlarged, as the bytes of a PNG file.

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
    if size < 1:
        raise ValueError(f"size must be at least 1 pixel, got {size}")
    point = np.asarray(z, dtype="float32")
    if point.shape != (vae.latent_size,):
        raise ValueError(f"the latent point must have shape ({vae.latent_size},), got {point.shape}")
    if not np.isfinite(point).all():
        raise ValueError("the latent point holds NaN or infinite values; every coordinate must be a number")
    # decode() calls the network directly; Keras' predict() would set up a data pipeline first.
    (pixels,) = as_pictures(vae.decode(point[None], None if label is None else [int(label)]))
    scale = size / max(pixels.shape[:2])
    picture = Image.fromarray(pixels).resize(
        (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale)), _SMOOTHING[smoothing]
    )
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def active_dimensions(vae: Any, pictures: Any, labels: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Latent dimensions from the most to the least used, and the nats each one carries.

    A dimension's use is KL(q(z_j|x) || N(0, 1)), mean over the pictures; one that the model
    ignores has about 0 nats, and its slider changes nothing (Burda et al. 2016, section 5.2).

    Args:
        vae: a model with ``encode``.
        pictures: an image ``Dataset``, or float pictures in [0, 1], ``(n, height, width, channels)``.
        labels: integers ``(n,)`` for a conditional model; a ``Dataset`` brings its own.

    Returns:
        order ``(latent_size,)`` of dimension numbers, and nats ``(latent_size,)`` by dimension number.

    Raises:
        ValueError: pictures or labels that the model does not take.
    """
    if isinstance(pictures, Dataset):
        pictures, own = pictures.arrays()
        labels = own if labels is None else labels
    mean, log_variance = vae.encode(pictures, labels if vae.class_count else None)
    nats = 0.5 * np.mean(np.square(mean) + np.exp(log_variance) - 1 - log_variance, axis=0)  # (n, d) -> (d,)
    return np.argsort(-nats, kind="stable"), nats


class DescribedImage(widgets.Image):
    """An ``ipywidgets.Image`` whose ``tooltip`` becomes the picture's name for screen readers.

    ipywidgets' JavaScript (8.1) asks each widget with a tooltip for the length of its description,
    and fails to draw an image, which has none (jupyter-widgets/ipywidgets#3860); an empty one helps.
    """

    description = traitlets.Unicode("").tag(sync=True)


class LatentExplorer(widgets.HBox):
    """The widget that ``latent_explorer`` returns.

    Attributes:
        sliders: one ``FloatSlider`` for each shown dimension, in the order of ``dimensions``.
        class_choice: the class dropdown, or None for an unconditional model.
        draw_button, reset_button: draw z from the mixture, or else from N(0, 1); set z to 0.
        image: the ``ipywidgets.Image`` that follows; its ``tooltip`` says what it shows.
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
        reach: float,
        size: int,
        smoothing: str,
        seed: int,
        mixture: Any,
    ) -> None:
        self.vae, self.dimensions, self.error = vae, list(dimensions), None
        self.z = np.zeros(vae.latent_size, dtype="float32")
        self._size, self._smoothing, self._reach = size, smoothing, reach
        self._random, self._mixture = np.random.default_rng(seed), mixture
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
        self.draw_button = widgets.Button(
            description="Random draw", icon="random", tooltip="Draw every coordinate of z at random"
        )
        self.reset_button = widgets.Button(
            description="Reset",
            icon="undo",
            tooltip="Set every coordinate of z to 0, the middle of the prior",
        )
        # The first picture is made outside a callback: what fails here fails in the cell, in full view.
        first = latent_picture(vae, self.z, self.label, size, smoothing)
        self.image = DescribedImage(value=first, format="png", width=size, layout={"align_self": "center"})
        self.message = widgets.HTML()
        self._describe()
        for slider in self.sliders:
            slider.observe(self._moved, "value")
        if self.class_choice is not None:
            self.class_choice.observe(self._moved, "value")
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
            min=-self._reach,
            max=self._reach,
            step=0.05,
            description=f"z[{dimension}]{used}",
            tooltip=f"Latent dimension {dimension}{used}",
            style={"description_width": "110px"},
            readout_format="+.2f",
            continuous_update=True,
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
        """Go to a point: hidden dimensions too, and one new picture instead of one per slider."""
        self.z = np.asarray(point, dtype="float32")
        self._busy = True
        try:
            for dimension, slider in zip(self.dimensions, self.sliders, strict=True):
                slider.value = float(np.clip(self.z[dimension], -self._reach, self._reach))
        finally:
            self._busy = False
        self._moved(None)

    def _moved(self, change: Any) -> None:
        if self._busy:
            return
        for dimension, slider in zip(self.dimensions, self.sliders, strict=True):
            self.z[dimension] = slider.value
        try:
            self.image.value = latent_picture(self.vae, self.z, self.label, self._size, self._smoothing)
            self.error = None
        except Exception as error:  # shown in the widget: Jupyter hides what a callback raises
            self.error = error
        self._describe()

    def _describe(self) -> None:
        if self.error is not None:
            self.message.value = error_text("The picture was not updated", self.error)
            return
        what = "" if self.class_choice is None else f"{html.escape(self.class_choice.label)}, "
        distance = float(np.linalg.norm(self.z))
        words = f"{what}{distance:.1f} from the middle of the prior (typical: {np.sqrt(len(self.z)):.1f})"
        self.message.value = f'<div role="status" style="max-width: {self._size}px">{words}</div>'
        self.image.tooltip = f"Decoded picture: {words}"


def error_text(what: str, error: BaseException) -> str:
    """A callback's error as HTML that is seen and read aloud."""
    kind = html.escape(f"{type(error).__name__}: {error}")
    style = "color: #B00020; border-left: 4px solid #B00020; padding-left: 8px; white-space: normal"
    return f'<div role="alert" style="{style}"><b>{html.escape(what)}.</b> {kind}</div>'


def latent_explorer(
    vae: Any,
    data: Any = None,
    labels: Any = None,
    class_names: Sequence[str] = (),
    dimensions: int | Sequence[int] | None = None,
    reach: float = 3.0,
    size: int = 280,
    smoothing: str = "nearest",
    seed: int = 0,
    mixture: Any = None,
) -> LatentExplorer:
    """Sliders for the most used latent dimensions, and the decoded picture, which follows at once.

    Args:
        vae: a trained VAE.
        data: pictures by which the dimensions are ordered from the most to the least used (see
            ``active_dimensions``): a ``Dataset``, or float pictures in [0, 1]. Without them the
            dimensions come in their own order. A few hundred pictures are enough.
        labels: integers ``(n,)`` of ``data``, for a conditional model; a ``Dataset`` brings its own.
        class_names: names in the class dropdown; a ``Dataset`` brings its own.
        dimensions: how many sliders (8 at most by default), or the dimension numbers to show.
        reach: the sliders go from ``-reach`` to ``reach`` standard deviations of the prior.
        size: pixels of the picture's longer side.
        smoothing: ``"nearest"`` or ``"bicubic"``.
        seed: seed of the random draws.
        mixture: a ``LatentMixture`` that the random draws come from; without it, N(0, 1).

    Returns:
        The widget; the random draw sets the dimensions without a slider too, and what a slider
        cannot reach is clipped to its end.

    Raises:
        ValueError: dimensions the model does not have, or class names of another number.
    """
    if isinstance(data, Dataset) and not class_names:
        class_names = data.class_names
    nats = None
    order = np.arange(vae.latent_size)
    if data is not None:
        order, nats = active_dimensions(vae, data, labels)
    if dimensions is None:
        dimensions = min(8, vae.latent_size)
    if isinstance(dimensions, (int, np.integer)):
        if not 1 <= dimensions <= vae.latent_size:
            raise ValueError(
                f"the model has {vae.latent_size} latent dimensions; {dimensions} cannot be shown"
            )
        shown = order[:dimensions].tolist()
    else:
        shown = [int(dimension) for dimension in dimensions]
        if not shown or min(shown) < 0 or max(shown) >= vae.latent_size or len(set(shown)) < len(shown):
            raise ValueError(
                f"dimensions must be different numbers from 0 to {vae.latent_size - 1}, got {shown}"
            )
    if not reach > 0:
        raise ValueError(f"reach must be above 0, got {reach}")
    if vae.class_count:
        class_names = class_names or [f"class {number}" for number in range(vae.class_count)]
        if len(class_names) != vae.class_count:
            raise ValueError(
                f"the model has {vae.class_count} classes, but there are {len(class_names)} class names"
            )
    else:
        class_names = ()
    return LatentExplorer(vae, shown, nats, class_names, reach, size, smoothing, seed, mixture)
