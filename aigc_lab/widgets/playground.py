"""The GAN playground: watch two small networks play in the plane, stop them, change the rules.

Drawn with NumPy and Pillow, many times faster than a chart, so that the picture moves while the game
is played. Introduced in notebook 08; ``gan_game`` has the game.
"""

from __future__ import annotations

import html
import io
from dataclasses import replace
from typing import Any

import ipywidgets as widgets
import numpy as np
from PIL import Image, ImageDraw

from aigc_lab.plots import OKABE_ITO
from aigc_lab.widgets.gan_game import REACH, SHAPES, Game, Rules
from aigc_lab.widgets.gan_network import LOSSES
from aigc_lab.widgets.latent import DescribedImage, error_text

_CELLS = 60  # of the heat map, each way
_POINTS = 500  # drawn of each kind
_HISTORY = 240  # frames in the strip of losses


def _rgb(name: str) -> tuple[int, int, int]:
    code = OKABE_ITO[name].lstrip("#")
    return tuple(int(code[place : place + 2], 16) for place in (0, 2, 4))


def _heat_colours(steps: int = 15) -> np.ndarray:
    """Pale vermilion ("fake") over white (undecided) to pale blue ("real"): ``(steps, 3)`` uint8."""
    share = np.linspace(-1, 1, steps)[:, None]
    ends = np.where(share < 0, _rgb("vermilion"), _rgb("blue"))
    return (255 - 0.55 * np.abs(share) * (255 - ends)).astype("uint8")


_HEAT = _heat_colours()


def gan_picture(
    game: Game, size: int = 420, real: np.ndarray | None = None, heat: bool = True, arrows: bool = True
) -> np.ndarray:
    """The game as it stands: heat map, real points, fakes, and where the fakes are told to go.

    Args:
        game: a ``Game``; it is looked at, not played.
        size: pixels of a side; the picture shows -3 to 3 both ways.
        real: real points ``(n, 2)`` to draw; by default 500 fixed ones of the game's shape.
        heat: the discriminator as colour: blue where it says real, vermilion where it says fake. A
            critic without a scale is shown between the smallest and largest value in the square.
        arrows: minus the slope of the generator's loss at 48 fakes. The longest arrow has a fixed length.

    Returns:
        ``(size, size, 3)`` uint8.

    Raises:
        ValueError: a size below 64 pixels.
    """
    if size < 64:
        raise ValueError(f"the picture needs 64 pixels or more, got {size}")
    if real is None:
        real = game.shape.sample(_POINTS, np.random.default_rng(0))
    pixels = np.full((size, size, 3), 255, np.uint8)
    if heat and not game.lost:
        values = game.probability(game.heat(_CELLS))
        low, high = (0.0, 1.0) if values.min() >= 0 and values.max() <= 1 else (values.min(), values.max())
        share = (values - low) / max(high - low, 1e-9)
        small = Image.fromarray(np.clip(255 * share, 0, 255).astype("uint8"))
        levels = np.asarray(small.resize((size, size), Image.Resampling.BILINEAR)).astype(int)
        # In bands, like a map's heights: easier to read, and a PNG of a third of the bytes.
        pixels = _HEAT[levels * len(_HEAT) // 256]
    _dots(pixels, real, _rgb("blue"), radius=1)
    if game.lost:
        return pixels
    _dots(pixels, game.fakes(_POINTS), _rgb("vermilion"), radius=2)
    if not arrows:
        return pixels
    starts, ways = game.arrows()
    longest = np.linalg.norm(ways, axis=1).max()
    if not np.isfinite(longest) or longest == 0:
        return pixels
    picture = Image.fromarray(pixels)
    pen = ImageDraw.Draw(picture)
    for start, end in zip(_places(starts, size), _places(starts + 0.6 * ways / longest, size), strict=True):
        _arrow(pen, start.astype(float), end.astype(float))
    return np.asarray(picture)


def _places(points: np.ndarray, size: int) -> np.ndarray:
    """Points of the plane -> (column, row) of pixels, ``(n, 2)`` integers; up is up."""
    with np.errstate(invalid="ignore"):
        away = np.clip(np.nan_to_num(points, nan=-9.0), -9, 9)
    return np.floor((away * [1, -1] + REACH) * size / (2 * REACH)).astype(int)


def _dots(pixels: np.ndarray, points: np.ndarray, colour: tuple[int, int, int], radius: int) -> None:
    size = len(pixels)
    offsets = np.arange(-radius, radius + 1)
    # (n, 1, 2) + (1, k, 2): a small disc around each point.
    disc = np.array([(x, y) for x in offsets for y in offsets if x * x + y * y <= radius * radius + 1])
    places = (_places(points, size)[:, None] + disc[None]).reshape(-1, 2)  # (n, k, 2) -> (n k, 2)
    places = places[((places >= 0) & (places < size)).all(axis=1)]
    pixels[places[:, 1], places[:, 0]] = colour


def _arrow(pen: ImageDraw.ImageDraw, start: np.ndarray, end: np.ndarray) -> None:
    way = end - start
    length = np.linalg.norm(way)
    if length < 3:  # shorter than its head
        return
    along = way / length
    across = np.array([-along[1], along[0]])
    pen.line([*start, *end], fill=(0, 0, 0), width=1)
    pen.polygon(
        [tuple(end), tuple(end - 5 * along + 3 * across), tuple(end - 5 * along - 3 * across)], (0, 0, 0)
    )


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def loss_strip(history: np.ndarray, width: int = 420, height: int = 90) -> np.ndarray:
    """The two losses of the last frames as lines, ``(height, width, 3)`` uint8.

    Args:
        history: ``(frames, 2)``, discriminator's and generator's loss; NaN is left out. Both lines
            share one vertical scale, from the smallest to the largest value.
    """
    picture = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(picture)
    finite = history[np.isfinite(history)]
    if len(finite) and len(history) > 1:
        low, high = finite.min(), finite.max()
        across = np.linspace(2, width - 3, max(len(history), 2))
        for column, colour in ((0, "blue"), (1, "vermilion")):
            keep = np.isfinite(history[:, column])
            up = height - 4 - (height - 8) * (history[keep, column] - low) / max(high - low, 1e-9)
            if keep.sum() > 1:
                pen.line(list(zip(across[keep], up, strict=True)), fill=_rgb(colour), width=2)
    pen.rectangle((0, 0, width - 1, height - 1), outline=(150, 150, 150))
    return np.asarray(picture)


class GanPlayground(widgets.VBox):
    """The widget that ``gan_playground`` returns.

    Attributes:
        game: the ``Game`` that is played.
        controls: the widgets of the rules by name: ``shape``, ``loss``, ``discriminator_rate``,
            ``generator_rate``, ``discriminator_steps``, ``generator_steps``, ``order``, ``penalty``,
            ``speed`` (rounds in a frame).
        clock: the ``ipywidgets.Play`` with its play and pause buttons; each tick is a frame.
        step_button, reset_button: one frame; new networks with the rules as they are set.
        image, strip: the picture, and the losses of the last frames.
        message: counts and losses in words, or what went wrong.
        error: the last exception of a callback, or None.
    """

    def __init__(self, game: Game, shape: str, speed: int, size: int, seed: int, milliseconds: int) -> None:
        self.game, self.error = game, None
        self._size, self._seed, self._busy = size, seed, False
        self._history: list[tuple[float, float]] = []
        self.controls = _controls(game.rules, shape, speed)
        self.clock = widgets.Play(
            value=0, min=0, max=10**6, interval=milliseconds, show_repeat=False, tooltip="Play and pause"
        )
        self.step_button = widgets.Button(
            description="Step", icon="step-forward", tooltip="Play the rounds of one frame"
        )
        self.reset_button = widgets.Button(
            description="Reset", icon="undo", tooltip="New networks, with the rules as they are set"
        )
        self.image = DescribedImage(format="png", width=size)
        self.strip = DescribedImage(format="png", width=size)
        self.message = widgets.HTML()
        self._real = game.shape.sample(_POINTS, np.random.default_rng(0))
        # Drawn outside a callback: what fails here fails in the cell, in full view.
        self._draw()
        self.clock.observe(self._tick, "value")
        self.step_button.on_click(self._tick)
        self.reset_button.on_click(self._reset)
        for name, control in self.controls.items():
            control.observe(self._reset if name == "shape" else self._changed, "value")
        panel = widgets.VBox(
            [*self.controls.values(), self.clock, widgets.HBox([self.step_button, self.reset_button])]
        )
        pictures = widgets.VBox([self.image, self.strip])
        super().__init__([widgets.HBox([panel, pictures], layout={"flex_flow": "row wrap"}), self.message])

    @property
    def rules(self) -> Rules:
        """The rules as the controls stand.

        Raises:
            ValueError: rules that do not fit together.
        """
        chosen = {name: control.value for name, control in self.controls.items()}
        for other in ("shape", "speed"):
            del chosen[other]
        alternating = chosen.pop("order") == "alternating"
        return replace(self.game.rules, **chosen, alternating=alternating)

    def _tick(self, _: Any) -> None:
        if self._busy:  # a reset sets the clock to 0: no round for that
            return
        self._guard(lambda: self.game.play(self.controls["speed"].value), "The round was not played")
        if self.game.lost or self.error is not None:
            self.clock.playing = False

    def _changed(self, _: Any) -> None:
        self._guard(lambda: self.game.change(**vars(self.rules)), "The rules were not changed")

    def _reset(self, _: Any) -> None:
        def start_again() -> None:
            self.game = Game(self.controls["shape"].value, self.rules, seed=self._seed)
            self._real = self.game.shape.sample(_POINTS, np.random.default_rng(0))
            self._history.clear()
            self._busy = True
            try:
                self.clock.value = 0
            finally:
                self._busy = False

        self._guard(start_again, "The game was not started again")

    def _guard(self, action: Any, what: str) -> None:
        """Do and draw; an error is shown in the widget, for Jupyter hides what a callback raises."""
        try:
            action()
            self._draw()
            self.error = None
        except Exception as error:
            self.error = error
            self.message.value = error_text(what, error)

    def _draw(self) -> None:
        values = self.game.values
        if self.game.rounds:
            self._history.append((values.get("discriminator", np.nan), values.get("generator", np.nan)))
            del self._history[:-_HISTORY]
        self.image.value = _png(gan_picture(self.game, self._size, self._real))
        self.strip.value = _png(loss_strip(np.array(self._history).reshape(-1, 2), self._size))
        words = playground_words(self.game)
        self.image.tooltip = words
        self.strip.tooltip = "Losses of the last frames: discriminator blue, generator vermilion"
        trouble = self.game.lost or self.game.warning
        alarm = f'<div role="alert"><b>{html.escape(trouble)}</b></div>' if trouble else ""
        self.message.value = f'<div role="status">{html.escape(words)}</div>{alarm}'


def _controls(rules: Rules, shape: str, speed: int) -> dict[str, Any]:
    look = {"style": {"description_width": "150px"}, "layout": {"width": "360px"}}

    def rate(player: str, start: float) -> Any:
        return widgets.FloatLogSlider(
            value=start, base=10, min=-5, max=-1, step=0.1, description=f"{player} rate",
            readout_format=".1e", continuous_update=False, **look,
        )  # fmt: skip

    def whole(words: str, low: int, high: int, start: int) -> Any:
        return widgets.IntSlider(
            value=start, min=low, max=high, description=words, continuous_update=False, **look
        )

    return {
        "shape": widgets.Dropdown(options=list(SHAPES), value=shape, description="data", **look),
        "loss": widgets.Dropdown(options=list(LOSSES), value=rules.loss, description="loss", **look),
        "discriminator_rate": rate("discriminator", rules.discriminator_rate),
        "generator_rate": rate("generator", rules.generator_rate),
        "discriminator_steps": whole("discriminator steps", 0, 10, rules.discriminator_steps),
        "generator_steps": whole("generator steps", 0, 10, rules.generator_steps),
        "order": widgets.Dropdown(
            options=["alternating", "simultaneous"],
            value="alternating" if rules.alternating else "simultaneous",
            description="order", **look,
        ),
        "penalty": widgets.Dropdown(
            options=sorted({0.0, 0.02, 0.1, 1.0, 10.0, float(rules.penalty)}),
            value=float(rules.penalty), description="penalty on the slope", **look,
        ),
        "speed": whole("rounds in a frame", 1, 50, speed),
    }  # fmt: skip


def playground_words(game: Game) -> str:
    """The state of a game in one line: rounds, modes covered, high-quality share, losses."""
    if game.lost:
        return f"Round {game.rounds}: the game is over."
    score = game.score()
    words = f"Round {game.rounds}: {score.modes} of {game.shape.modes} modes covered, "
    words += f"{score.quality:.0%} of the fakes on the data"
    names = {"discriminator": "discriminator's loss", "generator": "generator's loss"}
    losses = [f"{says} {game.values[name]:.2f}" for name, says in names.items() if name in game.values]
    return f"{'; '.join([words, *losses])}."


def playground_picture(game: Game, size: int = 420) -> Any:
    """The playground's picture as a figure of this room, for pages without a kernel.

    Args:
        game: a ``Game``. size: pixels of a side before the figure is laid out.
    """
    from aigc_lab.plots import new_figure

    figure = new_figure(5.6, 5.8, playground_words(game), "constrained")
    axes = figure.subplots()
    axes.imshow(gan_picture(game, size), extent=(-REACH, REACH, -REACH, REACH))
    axes.set_xlabel("x, no unit", fontsize=12)
    axes.set_ylabel("y, no unit", fontsize=12)
    score = game.score()
    axes.set_title(
        f"round {game.rounds}: {score.modes} of {game.shape.modes} modes", fontsize=13, weight="bold"
    )
    return figure


def gan_playground(
    shape: str = "ring of eight",
    rules: Rules | None = None,
    *,
    speed: int = 10,
    size: int = 420,
    seed: int = 0,
    milliseconds: int = 80,
    **named: Any,
) -> GanPlayground:
    """Two networks playing in the plane, with every rule of the game within reach.

    Args:
        shape: a key of ``gan_game.SHAPES``.
        rules: a ``gan_game.Rules``; single rules may be given by name instead.
        speed: rounds in a frame, 1 to 50. size: pixels of the picture. seed: of the networks and points.
        milliseconds: between two frames while it plays.

    Returns:
        The widget; ``.game`` is the game as it stands.

    Raises:
        ValueError: an unknown shape, loss or rule, or a speed or size out of reach.
    """
    if not 1 <= speed <= 50:
        raise ValueError(f"speed must be from 1 to 50 rounds in a frame, got {speed}")
    return GanPlayground(Game(shape, rules, seed=seed, **named), shape, speed, size, seed, milliseconds)
