"""The GAN playground: two small networks play in the plane; watch them, stop them, change the rules.

Drawn with NumPy and Pillow, many times faster than a chart, so that the image moves while the game is
played. Introduced in notebook 08; ``gan_game`` has the game.
"""

from __future__ import annotations

import html
from dataclasses import replace
from functools import partial
from typing import Any

import ipywidgets as widgets
import numpy as np
from PIL import Image, ImageColor, ImageDraw

from aigc_lab.plots import OKABE_ITO
from aigc_lab.widgets.gan_game import BORDERS, LOSSES, REACH, SHAPES, Game, Rules, sigmoid
from aigc_lab.widgets.live import DescribedImage, Speaking, button, png

# -- its image --------------------------------------------------------------------------------------------


BLUE, VERMILION = (ImageColor.getrgb(OKABE_ITO[name]) for name in ("blue", "vermilion"))
_SIZE = 420  # pixels
# Pale vermilion ("fake") over white (undecided) to pale blue ("real"), in bands like a map's heights: easier
# to read, and a PNG of a third of the bytes.
_SHARE = np.linspace(-1, 1, 15)[:, None]
_BANDS = np.where(_SHARE < 0, VERMILION, BLUE)
_BANDS = (255 - 0.55 * np.abs(_SHARE) * (255 - _BANDS)).astype("uint8")  # (15, 3)


def gan_picture(game: Game, size: int = _SIZE, arrows: bool = True) -> np.ndarray:
    """The game as it stands: heat map, real points, fakes, and where the fakes are told to go.

    The heat map is the discriminator: blue where it says real, vermilion where it says fake; an output
    without a fixed scale is shown from its smallest to its largest value in the square.

    Args:
        game: a ``Game``; it is looked at, not played.
        size: pixels of a side; the image shows -3 to 3 both ways.
        arrows: minus the slope of the generator's loss at 48 fakes. The longest arrow has a fixed length.

    Returns:
        ``(size, size, 3)`` uint8.
    """
    real = game.shape.sample(500, np.random.default_rng(0))
    if game.lost:
        return _dots(np.full((size, size, 3), 255, np.uint8), real, BLUE, radius=1)
    values = game.heat()
    if BORDERS.get(game.rules.loss) == 0.0:  # the outputs are logits
        values, low, high = sigmoid(values), 0.0, 1.0
    else:
        low, high = min(values.min(), 0.0), max(values.max(), 1.0)
    small = Image.fromarray(np.clip(255 * (values - low) / max(high - low, 1e-9), 0, 255).astype("uint8"))
    levels = np.asarray(small.resize((size, size), Image.Resampling.BILINEAR)).astype(int)
    pixels = _dots(_BANDS[levels * len(_BANDS) // 256], real, BLUE, radius=1)
    pixels = _dots(pixels, game.fakes(500), VERMILION, radius=2)
    starts, ways = game.arrows()
    longest = np.linalg.norm(ways, axis=1).max()
    if not arrows or not np.isfinite(longest) or longest == 0:
        return pixels
    image = Image.fromarray(pixels)
    pen = ImageDraw.Draw(image)
    for start, end in zip(_places(starts, size), _places(starts + 0.6 * ways / longest, size), strict=True):
        length = np.linalg.norm(end - start)
        if length >= 3:  # else shorter than its head
            along = (end - start) / length
            across = np.array([-along[1], along[0]])
            pen.line([*start, *end], fill=(0, 0, 0), width=1)
            head = [end, end - 5 * along + 3 * across, end - 5 * along - 3 * across]
            pen.polygon([tuple(corner) for corner in head], (0, 0, 0))
    return np.asarray(image)


def _places(points: np.ndarray, size: int) -> np.ndarray:
    """Points of the plane -> (column, row) of pixels, ``(n, 2)``; up is up."""
    away = np.clip(np.nan_to_num(points, nan=-9.0), -9, 9)
    return np.floor((away * [1, -1] + REACH) * size / (2 * REACH))


def _dots(pixels: np.ndarray, points: np.ndarray, colour: tuple[int, int, int], radius: int) -> np.ndarray:
    offsets = np.arange(-radius, radius + 1)
    disc = np.array([(x, y) for x in offsets for y in offsets if x * x + y * y <= radius * radius + 1])
    places = _places(points, len(pixels)).astype(int)[:, None] + disc[None]  # (n, 1, 2) + (1, k, 2)
    places = places.reshape(-1, 2)  # (n, k, 2) -> (n k, 2)
    places = places[((places >= 0) & (places < len(pixels))).all(axis=1)]
    pixels[places[:, 1], places[:, 0]] = colour
    return pixels


def loss_strip(history: np.ndarray) -> np.ndarray:
    """The two losses of the last frames as lines, ``(90, 420, 3)`` uint8.

    Args:
        history: ``(frames, 2)``, discriminator's and generator's loss; NaN is left out. Both lines
            share one vertical scale, from the smallest to the largest value.
    """
    width, height = _SIZE, 90
    image = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(image)
    finite = np.isfinite(history)
    if finite.any():
        low, high = history[finite].min(), history[finite].max()
        across = np.linspace(2, width - 3, len(history))
        up = height - 4 - (height - 8) * (history - low) / max(high - low, 1e-9)
        for column, colour in enumerate((BLUE, VERMILION)):
            keep = finite[:, column]
            pen.line(list(zip(across[keep], up[keep, column], strict=True)), fill=colour, width=2)
    pen.rectangle((0, 0, width - 1, height - 1), outline=(150, 150, 150))
    return np.asarray(image)


def playground_words(game: Game) -> str:
    """The state of a game in one line: rounds, modes covered, high-quality share, the last round's values."""
    if game.lost:
        return f"Round {game.rounds}: the game is over."
    score = game.score()
    said, values = [], game.values
    if "discriminator" in values:
        said.append(f"discriminator's loss {values['discriminator']:.2f}")
    if "generator" in values:
        said.append(f"generator's loss {values['generator']:.2f}")
    if "accuracy" in values:
        said.append(f"{values['accuracy']:.0%} of real and fake points classified correctly")
    modes, all_modes, share = score.modes, game.shape.modes, f"{score.quality:.0%}"
    if not said:
        return f"Round {game.rounds}: {modes} of {all_modes} modes covered, {share} of the fakes on the data."
    return (
        f"Round {game.rounds}: {modes} of {all_modes} modes covered, {share} of the fakes on the data; "
        f"{'; '.join(said)}."
    )


# -- the widget -------------------------------------------------------------------------------------------


class GanPlayground(Speaking, widgets.VBox):
    """Two networks playing in the plane, with every rule of the game within reach.

    Args:
        shape: a key of ``SHAPES``. rules: a ``Rules``, which the controls start from.
        speed: rounds in a frame, 1 to 50. seed: of the networks and points.

    Attributes:
        game: the ``Game`` as it stands.
        controls: the widgets of the rules by name: ``shape``, ``loss``, ``discriminator_rate``,
            ``generator_rate``, ``discriminator_steps``, ``generator_steps``, ``order``, ``penalty``,
            ``speed`` (rounds in a frame).
        clock: the ``ipywidgets.Play`` with its play and pause buttons; each tick is a frame.
        step_button, reset_button: one frame; new networks with the rules as they are set.
        image, strip: the image, and the losses of the last frames.
        message: counts and losses in words, or what went wrong.

    Raises:
        ValueError: an unknown shape, or a speed out of reach.
    """

    def __init__(
        self, shape: str = "ring of eight", rules: Rules | None = None, speed: int = 10, seed: int = 0
    ) -> None:
        if not 1 <= speed <= 50:
            raise ValueError(f"speed must be from 1 to 50 rounds in a frame, got {speed}")
        self.game, self._seed = Game(shape, rules, seed=seed), seed
        super().__init__()
        self._history: list[list[float]] = []
        self.controls = _controls(self.game.rules, shape, speed)
        self.clock = widgets.Play(
            value=0, min=0, max=10**6, interval=80, show_repeat=False, tooltip="Play and pause"
        )
        self.step_button = button("Step", "Play the rounds of one frame", self._tick, icon="step-forward")
        self.reset_button = button(
            "Reset", "New networks, with the rules as they are set", self._reset, icon="undo"
        )
        self.image = DescribedImage(format="png", width=_SIZE)
        self.strip = DescribedImage(format="png", width=_SIZE)
        self._draw()
        # A reset sets the clock to 0: no round for that.
        self.clock.observe(lambda change: self._tick() if change["new"] else None, "value")
        for name, control in self.controls.items():
            control.observe(partial(self._follow, name), "value")
        buttons = widgets.HBox([self.step_button, self.reset_button])
        panel = widgets.VBox([*self.controls.values(), self.clock, buttons])
        images = widgets.VBox([self.image, self.strip])
        self.children = [widgets.HBox([panel, images], layout={"flex_flow": "row wrap"}), self.message]

    @property
    def rules(self) -> Rules:
        """The rules as the controls stand.

        Raises:
            ValueError: rules that do not fit together.
        """
        chosen = {name: control.value for name, control in self.controls.items()}
        del chosen["shape"], chosen["speed"]
        return replace(self.game.rules, alternating=chosen.pop("order") == "alternating", **chosen)

    def _tick(self) -> None:
        self.attempt(
            "The round was not played.", lambda: self.game.play(self.controls["speed"].value), self._draw
        )
        if self.game.lost or self.error is not None:
            self.clock.playing = False

    def _follow(self, name: str, _: Any) -> None:
        if name == "shape":
            self._reset()
        else:
            self.attempt(
                "The rules were not changed.", lambda: self.game.change(**vars(self.rules)), self._draw
            )

    def _reset(self) -> None:
        def start_again() -> None:
            self.game = Game(self.controls["shape"].value, self.rules, seed=self._seed)
            self._history.clear()
            self.clock.value = 0

        self.attempt("The game was not started again.", start_again, self._draw)

    def _draw(self) -> None:
        if self.game.rounds:
            values = [self.game.values.get(name, np.nan) for name in ("discriminator", "generator")]
            self._history = [*self._history, values][-240:]
        self.image.value = png(gan_picture(self.game))
        self.strip.value = png(loss_strip(np.array(self._history).reshape(-1, 2)))
        words = playground_words(self.game)
        self.image.tooltip = words
        self.strip.tooltip = "Losses of the last frames: discriminator blue, generator vermilion"
        lost = f'<div role="alert"><b>{html.escape(self.game.lost)}</b></div>' if self.game.lost else ""
        self.say(words, after=lost)


def _controls(rules: Rules, shape: str, speed: int) -> dict[str, Any]:
    look = {"style": {"description_width": "150px"}, "layout": {"width": "360px"}}

    def choice(words: str, options: Any, start: Any) -> Any:
        return widgets.Dropdown(options=list(options), value=start, description=words, **look)

    def rate(player: str, start: float) -> Any:
        return widgets.FloatLogSlider(
            value=start, base=10, min=-5, max=-1, step=0.1, description=f"{player} rate",
            readout_format=".1e", continuous_update=False, **look,
        )  # fmt: skip

    def whole(words: str, low: int, high: int, start: int) -> Any:
        return widgets.IntSlider(
            value=start, min=low, max=high, description=words, continuous_update=False, **look
        )

    penalties = sorted({0.0, 0.02, 0.1, 1.0, 10.0, float(rules.penalty)})
    orders = ["simultaneous", "alternating"]
    return {
        "shape": choice("data", SHAPES, shape),
        "loss": choice("loss", LOSSES, rules.loss),
        "discriminator_rate": rate("discriminator", rules.discriminator_rate),
        "generator_rate": rate("generator", rules.generator_rate),
        "discriminator_steps": whole("discriminator steps", 0, 10, rules.discriminator_steps),
        "generator_steps": whole("generator steps", 0, 10, rules.generator_steps),
        "order": choice("order", orders, orders[rules.alternating]),
        "penalty": choice("penalty on the slope", penalties, float(rules.penalty)),
        "speed": whole("rounds in a frame", 1, 50, speed),
    }
