"""The GAN playground: two small networks play in the plane; watch them, stop them, change the rules.

Plain NumPy and Pillow, so that a game starts at once and the image moves while it is played. In this order:
the networks and their losses, the data, the game, its image, the widget. Introduced in notebook 08, which
shows the bodies.
"""

from __future__ import annotations

import html
import io
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import ipywidgets as widgets
import numpy as np
from PIL import Image, ImageDraw

from aigc_lab.plots import OKABE_ITO, new_figure
from aigc_lab.widgets.live import DescribedImage, error_text

REACH = 3.0  # the image shows the square from -REACH to REACH
LEAK = 0.2  # slope of the leaky ReLU below zero
COVERED = 0.25  # of a mode's fair share of the fakes
WON_AFTER = 200  # rounds in a row after which a discriminator that errs nowhere is called the winner
CELLS = 60  # of the heat map, each way
POINTS = 500  # drawn of each kind
FRAMES = 240  # in the strip of losses

# -- networks, their optimizer, and the losses -----------------------------------------------------------


class Network:
    """Dense layers with leaky ReLU between them: points ``(n, inputs)`` -> ``(n, outputs)``.

    Args:
        sizes: inputs, the hidden layers' widths, outputs, such as ``(2, 64, 64, 1)``.
        random: where the weights come from (He et al. 2015: variance 2 over the inputs).
        dtype: ``"float32"``, or ``"float64"`` to check gradients with.

    Attributes:
        weights: matrix, offset, matrix, offset, ...; a matrix has shape (inputs, outputs).
    """

    def __init__(self, sizes: Any, random: np.random.Generator, dtype: str = "float32") -> None:
        self.weights: list[np.ndarray] = []
        for inputs, outputs in pairwise(sizes):
            matrix = random.normal(0, np.sqrt(2 / inputs), (inputs, outputs))
            self.weights += [matrix.astype(dtype), np.zeros(outputs, dtype)]

    def __call__(self, points: np.ndarray) -> np.ndarray:
        return self.forward(points)[0]

    def forward(self, points: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """The output, and what ``backward`` needs: the input of every layer."""
        taken = [points]
        for layer in range(0, len(self.weights) - 2, 2):
            hidden = taken[-1] @ self.weights[layer] + self.weights[layer + 1]
            taken.append(np.maximum(hidden, LEAK * hidden))
        return taken[-1] @ self.weights[-2] + self.weights[-1], taken

    def backward(self, taken: list[np.ndarray], slope: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """The chain rule from the last layer to the first.

        Args:
            taken: from ``forward``. slope: d loss / d output, ``(n, outputs)``.

        Returns:
            d loss / d weights, in the order of ``weights``, and d loss / d points ``(n, inputs)``.
        """
        gradients: list[np.ndarray] = []
        for layer in range(len(taken) - 1, -1, -1):
            gradients[:0] = [taken[layer].T @ slope, slope.sum(axis=0)]
            slope = slope @ self.weights[2 * layer].T
            if layer:
                slope = slope * _mask(taken[layer])
        return gradients, slope

    def input_gradient(self, points: np.ndarray) -> np.ndarray:
        """d output / d point of a network with one output, ``(n, inputs)``."""
        output, taken = self.forward(points)
        return self.backward(taken, np.ones_like(output))[1]

    def slope_penalty(self, points: np.ndarray, target: float = 1.0) -> tuple[float, list[np.ndarray]]:
        """mean (||df/dx|| - target)^2 and its gradient by the weights (Gulrajani et al. 2017, equation 3).

        The network is linear in pieces, so its slope at a point is a plain product of matrices and
        masks, ``W1 M1 W2 M2 ... w``, and the masks are constant where the penalty is differentiable.
        A product is linear in each factor: the penalty's own slope by ``g`` is sent *forward* through
        the same masks, and meets at each layer the signal that ``backward`` sends the other way.
        Offsets do not occur, so their gradient is zero.
        """
        output, taken = self.forward(points)
        matrices, masks = self.weights[0::2], [_mask(each) for each in taken[1:]]
        signals = [np.ones_like(output)]  # from the end: d output / d (layer before its ReLU), (n, width)
        for matrix, mask in zip(matrices[:0:-1], masks[::-1], strict=True):
            signals.insert(0, (signals[0] @ matrix.T) * mask)
        gradient = signals[0] @ matrices[0].T
        length = np.sqrt((gradient**2).sum(axis=1, keepdims=True) + 1e-12)
        onward = 2 * (length - target) * gradient / length / len(points)
        gradients: list[np.ndarray] = []
        for layer, (matrix, signal) in enumerate(zip(matrices, signals, strict=True)):
            gradients += [onward.T @ signal, np.zeros_like(self.weights[2 * layer + 1])]
            if layer < len(masks):
                onward = (onward @ matrix) * masks[layer]
        return float(np.mean((length - target) ** 2)), gradients


def _mask(hidden: np.ndarray) -> np.ndarray:
    """The slope of the leaky ReLU, read from its output, which has the sign of its input."""
    return np.where(hidden > 0, hidden.dtype.type(1), hidden.dtype.type(LEAK))


class Adam:
    """Adam (Kingma and Ba 2015, algorithm 1) on a list of arrays, which it changes in place."""

    def __init__(self, weights: list[np.ndarray], momentum: float = 0.5, second: float = 0.99) -> None:
        self.weights, self.momentum, self.second, self.steps = weights, momentum, second, 0
        self.means = [np.zeros_like(each) for each in weights]
        self.squares = [np.zeros_like(each) for each in weights]

    def step(self, gradients: list[np.ndarray], rate: float) -> None:
        """Downhill by about ``rate`` in every weight."""
        self.steps += 1
        rate = rate * np.sqrt(1 - self.second**self.steps) / (1 - self.momentum**self.steps)
        arrays = zip(self.weights, gradients, self.means, self.squares, strict=True)
        for weight, gradient, mean, square in arrays:
            mean += (1 - self.momentum) * (gradient - mean)
            square += (1 - self.second) * (gradient * gradient - square)
            weight -= (rate * mean / (np.sqrt(square) + 1e-8)).astype(weight.dtype)


def softplus(logits: np.ndarray) -> np.ndarray:
    """log(1 + exp(logit)), which neither overflows nor loses digits."""
    return np.maximum(logits, 0) + np.log1p(np.exp(-np.abs(logits)))


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-logit)) without overflow."""
    small = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1, small) / (1 + small)


# For each loss and each kind of logit: the term of one point, and its slope by the logit.
# The discriminator's loss is the mean over real points plus the mean over fakes.
_TERMS = {
    "real": (lambda s: softplus(-s), lambda s: -sigmoid(-s)),  # -log D
    "fake": (softplus, sigmoid),  # -log(1 - D)
}
LOSSES = {
    # Goodfellow et al. 2014, equation 1: the generator minimises mean log(1 - D).
    "saturating": {**_TERMS, "generator": (lambda s: -softplus(s), lambda s: -sigmoid(s))},
    # The same paper, end of section 3: it minimises -mean log D.
    "non-saturating": {**_TERMS, "generator": _TERMS["real"]},
    # Arjovsky et al. 2017, equation 2; a distance only while the slope is bounded.
    "wasserstein": {
        "real": (lambda s: -s, lambda s: -np.ones_like(s)),
        "fake": (lambda s: s, np.ones_like),
        "generator": (lambda s: -s, lambda s: -np.ones_like(s)),
    },
    # Mao et al. 2017, equation 2 with a = 0 and b = c = 1.
    "least squares": {
        "real": (lambda s: (s - 1) ** 2 / 2, lambda s: s - 1),
        "fake": (lambda s: s**2 / 2, lambda s: s),
        "generator": (lambda s: (s - 1) ** 2 / 2, lambda s: s - 1),
    },
}
# Above it an output says "real"; a Wasserstein critic has no such border.
BORDERS = {"saturating": 0.0, "non-saturating": 0.0, "least squares": 0.5}


def loss_and_slope(loss: str, kind: str, logits: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean of one term over the points and its slope by each logit, ``(n, 1)``.

    Args:
        loss: a key of ``LOSSES``. kind: ``"real"``, ``"fake"`` (both the discriminator's) or
            ``"generator"``. In nats for the two that are logarithms.
    """
    value, slope = LOSSES[loss][kind]
    return float(np.mean(value(logits))), slope(logits) / logits.size


# -- the data ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Coverage:
    """What was counted among fakes.

    Attributes:
        modes: modes that got at least a quarter of their fair share, counting high-quality fakes only.
        quality: share of fakes within three standard deviations of a centre (of real points: 0.989).
        counts: high-quality fakes of each mode.
    """

    modes: int
    quality: float
    counts: np.ndarray


@dataclass(frozen=True)
class Shape:
    """Data in the plane: equally likely centres with Gaussian spread, so that every score is exact.

    Attributes:
        centres: ``(k, 2)``; a curve is a row of many. part: ``(k,)`` which mode (0, 1, ...) each belongs to.
        spread: standard deviation around a centre, in both directions.
    """

    centres: np.ndarray
    part: np.ndarray
    spread: float

    @property
    def modes(self) -> int:
        """How many modes there are to cover."""
        return int(self.part.max()) + 1

    def sample(self, n: int, random: np.random.Generator) -> np.ndarray:
        """``n`` points, ``(n, 2)`` float32."""
        chosen = self.centres[random.integers(len(self.centres), size=n)]
        return (chosen + self.spread * random.standard_normal((n, 2))).astype("float32")

    def score(self, points: np.ndarray) -> Coverage:
        """Modes covered and high-quality share of ``points`` ``(n, 2)``; see ``Coverage``."""
        squares = ((points[:, None, :] - self.centres[None]) ** 2).sum(axis=2)  # (n, k)
        nearest = squares.argmin(axis=1)
        good = squares.min(axis=1) <= (3 * self.spread) ** 2
        counts = np.bincount(self.part[nearest[good]], minlength=self.modes)
        fair = len(points) * np.bincount(self.part) / len(self.part)
        return Coverage(int((counts >= COVERED * fair).sum()), float(good.mean()), counts)


def _shapes() -> dict[str, Shape]:
    circle = 2 * np.pi * np.arange(8) / 8
    ring = 2 * np.stack([np.cos(circle), np.sin(circle)], axis=1)
    ticks = np.linspace(-2, 2, 5)
    grid = np.stack(np.meshgrid(ticks, ticks), axis=2).reshape(25, 2)
    half = np.linspace(0, np.pi, 64)
    moon = 1.4 * np.stack([np.cos(half) - 0.5, np.sin(half) - 0.25], axis=1)
    place = np.linspace(-2, 2, 64)
    return {
        "ring of eight": Shape(ring, np.arange(8), 0.05),
        "two moons": Shape(np.concatenate([moon, -moon]), np.repeat(np.arange(8), 16), 0.1),  # 4 parts each
        "grid of 25": Shape(grid, np.arange(25), 0.05),
        "line": Shape(np.stack([place, 0.5 * place], axis=1), np.repeat(np.arange(8), 8), 0.08),
        "one Gaussian": Shape(np.array([[0.8, 0.4]]), np.zeros(1, int), 0.5),
    }


SHAPES = _shapes()

# -- the game ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rules:
    """How a game is played; what does not fit raises ValueError at once.

    Attributes:
        loss: a key of ``LOSSES``.
        discriminator_rate, generator_rate: learning rates of Adam.
        discriminator_steps, generator_steps: steps of each player in a round, each on a fresh batch.
        alternating: the generator answers the discriminator that has just moved; else both move at the
            same time, from where they stood.
        penalty: weight of the penalty on the discriminator's slope: 10 with the Wasserstein loss
            (towards slope 1, between real and fake points: Gulrajani et al. 2017), and for the other
            losses towards slope 0 at real points (Mescheder et al. 2018, R1 with gamma / 2 = penalty).
        momentum: beta_1 of Adam.
        batch_size: points of each kind in a step.
    """

    loss: str = "non-saturating"
    discriminator_rate: float = 1e-3
    generator_rate: float = 1e-3
    discriminator_steps: int = 1
    generator_steps: int = 1
    alternating: bool = True
    penalty: float = 0.0
    momentum: float = 0.5
    batch_size: int = 128

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ValueError(f"there is no loss {self.loss!r}; choose one of {', '.join(LOSSES)}")
        for name, top in {"discriminator_rate": 1, "generator_rate": 1, "penalty": 1e6}.items():
            if not 0 <= getattr(self, name) <= top:
                raise ValueError(f"{name} must be from 0 to {top:g}, got {getattr(self, name)}")
        for name in ("discriminator_steps", "generator_steps"):
            if not (isinstance(getattr(self, name), (int, np.integer)) and 0 <= getattr(self, name) <= 100):
                raise ValueError(f"{name} must be a whole number from 0 to 100, got {getattr(self, name)}")
        if self.discriminator_steps + self.generator_steps == 0:
            raise ValueError("at least one player must take a step in a round")
        if not self.alternating and not self.discriminator_steps == self.generator_steps == 1:
            raise ValueError(
                "simultaneous steps are one of each player in a round; "
                f"got {self.discriminator_steps} and {self.generator_steps}"
            )
        if not 0 <= self.momentum < 1 or self.batch_size < 2:
            raise ValueError(
                "momentum must lie from 0 up to 1 and a batch have two points or more, "
                f"got {self.momentum} and {self.batch_size}"
            )


class Game:
    """Two small networks on one shape.

    Args:
        shape: a key of ``SHAPES``, or a ``Shape``.
        rules: a ``Rules``; single rules may be given by name instead.
        width: of the two hidden layers of either network. The generator takes two numbers, N(0, 1).
        seed: of the weights and of all points.

    Attributes:
        rounds: how many were played. values: the last round's ``discriminator`` and ``generator`` loss and
            ``accuracy`` (share of both kinds told apart).
        lost: why the game cannot go on (NaN or infinite numbers), in words; "" while it can.

    Raises:
        ValueError: an unknown shape, or rules that make no game.
    """

    def __init__(
        self,
        shape: str | Shape = "ring of eight",
        rules: Rules | None = None,
        *,
        width: int = 64,
        seed: int = 0,
        dtype: str = "float32",
        **named: object,
    ) -> None:
        if isinstance(shape, str) and shape not in SHAPES:
            raise ValueError(f"there is no shape {shape!r}; choose one of {', '.join(SHAPES)}")
        self.shape = SHAPES[shape] if isinstance(shape, str) else shape
        self.rules = replace(rules or Rules(), **named)
        self.random = np.random.default_rng(seed)
        self.dtype, self.rounds = dtype, 0
        self.generator = Network((2, width, width, 2), self.random, dtype)
        self.discriminator = Network((2, width, width, 1), self.random, dtype)
        self.players = {
            "discriminator": Adam(self.discriminator.weights, self.rules.momentum),
            "generator": Adam(self.generator.weights, self.rules.momentum),
        }
        self.values: dict[str, float] = {}
        self.sure, self.lost = 0, ""
        # Always the same ones, so that an image or a score moves only because the generator does.
        self.watched = np.random.default_rng(seed + 1).standard_normal((2000, 2)).astype(dtype)

    def change(self, **named: object) -> None:
        """Other rules from the next round on; the networks stay as they are."""
        self.rules = replace(self.rules, **named)
        for player in self.players.values():
            player.momentum = self.rules.momentum

    def play(self, rounds: int = 1) -> Game:
        """Some rounds; stops early when ``lost`` says that the numbers have left the plane."""
        for _ in range(rounds):
            if not self.lost:
                self._round()
        return self

    def _round(self) -> None:
        rules, (discriminator, generator) = self.rules, self.players.values()
        with np.errstate(over="ignore", invalid="ignore"):  # a loss that overflows is reported in words
            if rules.alternating:
                for _ in range(rules.discriminator_steps):
                    discriminator.step(self.discriminator_slope(), rules.discriminator_rate)
                for _ in range(rules.generator_steps):
                    generator.step(self.generator_slope(), rules.generator_rate)
            else:  # one batch of fakes for both
                latent = self.latent()
                slopes = self.discriminator_slope(latent), self.generator_slope(latent)
                discriminator.step(slopes[0], rules.discriminator_rate)
                generator.step(slopes[1], rules.generator_rate)
        self.rounds += 1
        # A discriminator that rests has no opinion of this round.
        sure = self.values.get("accuracy", 0.0) >= 0.995 and rules.discriminator_steps > 0
        self.sure = self.sure + 1 if sure else 0
        numbers = [*self.values.values(), *self.generator.weights, *self.discriminator.weights]
        if not all(np.isfinite(each).all() for each in numbers):
            self.lost = (
                f"round {self.rounds}: the weights or the losses are NaN or infinite; "
                "start again with smaller learning rates, or a penalty with the Wasserstein loss"
            )

    def latent(self) -> np.ndarray:
        """What a batch of fakes is made from, ``(batch_size, 2)``."""
        return self.random.standard_normal((self.rules.batch_size, 2)).astype(self.dtype)

    def discriminator_slope(self, latent: np.ndarray | None = None, real: np.ndarray | None = None) -> list:
        """d (discriminator's loss and penalty) / d (its weights) on one batch of each kind."""
        rules, critic = self.rules, self.discriminator
        latent = self.latent() if latent is None else latent
        real = self.shape.sample(rules.batch_size, self.random).astype(self.dtype) if real is None else real
        fake = self.generator(latent)
        logits, taken = critic.forward(np.concatenate([real, fake]))
        real_logits, fake_logits = logits[: len(real)], logits[len(real) :]
        of_real, real_slope = loss_and_slope(rules.loss, "real", real_logits)
        of_fake, fake_slope = loss_and_slope(rules.loss, "fake", fake_logits)
        gradients, _ = critic.backward(taken, np.concatenate([real_slope, fake_slope]).astype(self.dtype))
        if rules.penalty:
            if rules.loss == "wasserstein":
                mix = self.random.random((len(real), 1)).astype(self.dtype)
                _, more = critic.slope_penalty(mix * real + (1 - mix) * fake)
            else:
                _, more = critic.slope_penalty(real, target=0.0)
            weight = float(rules.penalty)
            gradients = [one + weight * two for one, two in zip(gradients, more, strict=True)]
        # A critic may add any constant: its border is the middle between its two means.
        border = BORDERS.get(rules.loss, 0.5 * (real_logits.mean() + fake_logits.mean()))
        told_apart = 0.5 * (np.mean(real_logits > border) + np.mean(fake_logits < border))
        self.values |= {"discriminator": of_real + of_fake, "accuracy": float(told_apart)}
        return gradients

    def generator_slope(self, latent: np.ndarray | None = None) -> list:
        """d (generator's loss) / d (its weights) on one batch: through the discriminator, which stays."""
        latent = self.latent() if latent is None else latent
        fake, taken = self.generator.forward(latent)
        logits, taken_after = self.discriminator.forward(fake)
        self.values["generator"], slope = loss_and_slope(self.rules.loss, "generator", logits)
        _, at_fakes = self.discriminator.backward(taken_after, slope.astype(self.dtype))
        return self.generator.backward(taken, at_fakes)[0]

    @property
    def warning(self) -> str:
        """That the discriminator has won, and what to change; "" while it has not."""
        if self.sure < WON_AFTER:
            return ""
        return (
            f"the discriminator has told all points apart for {self.sure} rounds; slow it down "
            "(a lower learning rate, fewer steps) or add a penalty"
        )

    def fakes(self, n: int = 2000) -> np.ndarray:
        """``n`` generated points, ``(n, 2)``, at most 2,000; always of the same latent points."""
        return self.generator(self.watched[:n])

    def score(self) -> Coverage:
        """Modes covered and high-quality share of 2,000 fakes."""
        return self.shape.score(self.fakes())

    def heat(self, cells: int = CELLS) -> np.ndarray:
        """The discriminator's raw output on a grid of the square, ``(cells, cells)``, top row first."""
        ticks = (np.arange(cells, dtype=self.dtype) + 0.5) / cells * (2 * REACH) - REACH
        across, up = np.meshgrid(ticks, ticks[::-1])
        points = np.stack([across, up], axis=2).reshape(cells * cells, 2)  # (cells, cells, 2) -> (cells^2, 2)
        return self.discriminator(points).reshape(cells, cells)

    def arrows(self, n: int = 48) -> tuple[np.ndarray, np.ndarray]:
        """``n`` fakes, and minus d (generator's loss) / d (each fake): where each is told to go.

        Both ``(n, 2)``; the second in loss units per unit of length, for a single point.
        """
        fakes = self.fakes(n)
        logits, taken = self.discriminator.forward(fakes)
        _, slope = loss_and_slope(self.rules.loss, "generator", logits)
        _, at_fakes = self.discriminator.backward(taken, (slope * len(fakes)).astype(self.dtype))
        return fakes, -at_fakes


# -- its image --------------------------------------------------------------------------------------------


def rgb(name: str) -> tuple[int, int, int]:
    """A colour of ``plots.OKABE_ITO`` as three numbers from 0 to 255."""
    code = OKABE_ITO[name].lstrip("#")
    return tuple(int(code[place : place + 2], 16) for place in (0, 2, 4))


# Pale vermilion ("fake") over white (undecided) to pale blue ("real"), in bands like a map's heights: easier
# to read, and a PNG of a third of the bytes.
_SHARE = np.linspace(-1, 1, 15)[:, None]
_BANDS = np.where(_SHARE < 0, rgb("vermilion"), rgb("blue"))
_BANDS = (255 - 0.55 * np.abs(_SHARE) * (255 - _BANDS)).astype("uint8")  # (15, 3)


def gan_picture(game: Game, size: int = 420, arrows: bool = True) -> np.ndarray:
    """The game as it stands: heat map, real points, fakes, and where the fakes are told to go.

    The heat map is the discriminator: blue where it says real, vermilion where it says fake; an output
    without a fixed scale is shown from its smallest to its largest value in the square.

    Args:
        game: a ``Game``; it is looked at, not played.
        size: pixels of a side; the image shows -3 to 3 both ways.
        arrows: minus the slope of the generator's loss at 48 fakes. The longest arrow has a fixed length.

    Returns:
        ``(size, size, 3)`` uint8.

    Raises:
        ValueError: a size below 64 pixels.
    """
    if size < 64:
        raise ValueError(f"the image needs 64 pixels or more, got {size}")
    real = game.shape.sample(POINTS, np.random.default_rng(0))
    if game.lost:
        return _dots(np.full((size, size, 3), 255, np.uint8), real, "blue", radius=1)
    values = game.heat()
    if BORDERS.get(game.rules.loss) == 0.0:  # the outputs are logits
        values, low, high = sigmoid(values), 0.0, 1.0
    else:
        low, high = min(values.min(), 0.0), max(values.max(), 1.0)
    small = Image.fromarray(np.clip(255 * (values - low) / max(high - low, 1e-9), 0, 255).astype("uint8"))
    levels = np.asarray(small.resize((size, size), Image.Resampling.BILINEAR)).astype(int)
    pixels = _dots(_BANDS[levels * len(_BANDS) // 256], real, "blue", radius=1)
    pixels = _dots(pixels, game.fakes(POINTS), "vermilion", radius=2)
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


def _dots(pixels: np.ndarray, points: np.ndarray, colour: str, radius: int) -> np.ndarray:
    offsets = np.arange(-radius, radius + 1)
    disc = np.array([(x, y) for x in offsets for y in offsets if x * x + y * y <= radius * radius + 1])
    places = _places(points, len(pixels)).astype(int)[:, None] + disc[None]  # (n, 1, 2) + (1, k, 2)
    places = places.reshape(-1, 2)  # (n, k, 2) -> (n k, 2)
    places = places[((places >= 0) & (places < len(pixels))).all(axis=1)]
    pixels[places[:, 1], places[:, 0]] = rgb(colour)
    return pixels


def loss_strip(history: np.ndarray, width: int = 420, height: int = 90) -> np.ndarray:
    """The two losses of the last frames as lines, ``(height, width, 3)`` uint8.

    Args:
        history: ``(frames, 2)``, discriminator's and generator's loss; NaN is left out. Both lines
            share one vertical scale, from the smallest to the largest value.
    """
    image = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(image)
    finite = np.isfinite(history)
    if finite.any():
        low, high = history[finite].min(), history[finite].max()
        across = np.linspace(2, width - 3, len(history))
        up = height - 4 - (height - 8) * (history - low) / max(high - low, 1e-9)
        for column, colour in enumerate(("blue", "vermilion")):
            keep = finite[:, column]
            pen.line(list(zip(across[keep], up[keep, column], strict=True)), fill=rgb(colour), width=2)
    pen.rectangle((0, 0, width - 1, height - 1), outline=(150, 150, 150))
    return np.asarray(image)


def playground_words(game: Game) -> str:
    """The state of a game in one line: rounds, modes covered, high-quality share, losses."""
    if game.lost:
        return f"Round {game.rounds}: the game is over."
    score = game.score()
    words = f"Round {game.rounds}: {score.modes} of {game.shape.modes} modes covered, "
    words += f"{score.quality:.0%} of the fakes on the data"
    for name in ("discriminator", "generator"):
        words += f"; {name}'s loss {game.values[name]:.2f}" if name in game.values else ""
    return f"{words}."


def playground_picture(game: Game) -> Any:
    """The playground's image as a figure of this module, for pages without a kernel."""
    figure = new_figure(5.6, 5.8, playground_words(game), "constrained")
    axes = figure.subplots()
    axes.imshow(gan_picture(game), extent=(-REACH, REACH, -REACH, REACH))
    axes.set_xlabel("x, no unit", fontsize=12)
    axes.set_ylabel("y, no unit", fontsize=12)
    title = f"round {game.rounds}: {game.score().modes} of {game.shape.modes} modes"
    axes.set_title(title, fontsize=13, weight="bold")
    return figure


# -- the widget -------------------------------------------------------------------------------------------


class GanPlayground(widgets.VBox):
    """The widget that ``gan_playground`` returns.

    Attributes:
        game: the ``Game`` that is played.
        controls: the widgets of the rules by name: ``shape``, ``loss``, ``discriminator_rate``,
            ``generator_rate``, ``discriminator_steps``, ``generator_steps``, ``order``, ``penalty``,
            ``speed`` (rounds in a frame).
        clock: the ``ipywidgets.Play`` with its play and pause buttons; each tick is a frame.
        step_button, reset_button: one frame; new networks with the rules as they are set.
        image, strip: the image, and the losses of the last frames.
        message: counts and losses in words, or what went wrong.
        error: the last exception of a callback, or None.
    """

    def __init__(self, game: Game, shape: str, speed: int, size: int, seed: int) -> None:
        self.game, self.error = game, None
        self._size, self._seed, self._busy = size, seed, False
        self._history: list[tuple[float, float]] = []
        self.controls = _controls(game.rules, shape, speed)
        self.clock = widgets.Play(
            value=0, min=0, max=10**6, interval=80, show_repeat=False, tooltip="Play and pause"
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
        # Drawn outside a callback: what fails here fails in the cell, in full view.
        self._draw()
        self.clock.observe(self._tick, "value")
        self.step_button.on_click(self._tick)
        self.reset_button.on_click(self._reset)
        for name, control in self.controls.items():
            control.observe(self._reset if name == "shape" else self._changed, "value")
        buttons = widgets.HBox([self.step_button, self.reset_button])
        panel = widgets.VBox([*self.controls.values(), self.clock, buttons])
        images = widgets.VBox([self.image, self.strip])
        super().__init__([widgets.HBox([panel, images], layout={"flex_flow": "row wrap"}), self.message])

    @property
    def rules(self) -> Rules:
        """The rules as the controls stand.

        Raises:
            ValueError: rules that do not fit together.
        """
        chosen = {name: control.value for name, control in self.controls.items()}
        del chosen["shape"], chosen["speed"]
        return replace(self.game.rules, alternating=chosen.pop("order") == "alternating", **chosen)

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
        if self.game.rounds:
            values = [self.game.values.get(name, np.nan) for name in ("discriminator", "generator")]
            self._history = [*self._history, tuple(values)][-FRAMES:]
        self.image.value = _png(gan_picture(self.game, self._size))
        self.strip.value = _png(loss_strip(np.array(self._history).reshape(-1, 2), self._size))
        words = playground_words(self.game)
        self.image.tooltip = words
        self.strip.tooltip = "Losses of the last frames: discriminator blue, generator vermilion"
        trouble = self.game.lost or self.game.warning
        alarm = f'<div role="alert"><b>{html.escape(trouble)}</b></div>' if trouble else ""
        self.message.value = f'<div role="status">{html.escape(words)}</div>{alarm}'


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


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


def gan_playground(
    shape: str = "ring of eight",
    rules: Rules | None = None,
    *,
    speed: int = 10,
    size: int = 420,
    seed: int = 0,
) -> GanPlayground:
    """Two networks playing in the plane, with every rule of the game within reach.

    Args:
        shape: a key of ``SHAPES``. rules: a ``Rules``, which the controls start from.
        speed: rounds in a frame, 1 to 50. size: pixels of the image. seed: of the networks and points.

    Returns:
        The widget; ``.game`` is the game as it stands.

    Raises:
        ValueError: an unknown shape, or a speed or size out of reach.
    """
    if not 1 <= speed <= 50:
        raise ValueError(f"speed must be from 1 to 50 rounds in a frame, got {speed}")
    return GanPlayground(Game(shape, rules, seed=seed), shape, speed, size, seed)
