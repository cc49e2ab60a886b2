"""A GAN in the plane: two small networks with hand-written gradients, data whose modes can be counted, rules.

Plain NumPy, so that a game starts at once and moves while one looks. In this order: the networks and their
losses, the data, the game. Introduced in notebook 08, which shows the bodies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

REACH = 3.0  # the data lie in the square from -REACH to REACH
LEAK = 0.2  # slope of the leaky ReLU below zero
BATCH = 128  # points of each kind in a step

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


class Coverage(NamedTuple):
    """What was counted among fakes: ``modes`` that got at least a quarter of their fair share, counting
    high-quality fakes only; ``quality``, the share of fakes within three standard deviations of a centre (of
    real points: 0.989); ``counts``, the high-quality fakes of each mode."""

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
        return Coverage(int((counts >= 0.25 * fair).sum()), float(good.mean()), counts)


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
        discriminator_rate, generator_rate, momentum: learning rates of Adam, and its beta_1.
        discriminator_steps, generator_steps: steps of each player in a round, each on a fresh batch.
        alternating: the generator answers the discriminator that has just moved; else both move at the
            same time, from where they stood.
        penalty: weight of the penalty on the discriminator's slope: 10 with the Wasserstein loss
            (towards slope 1, between real and fake points: Gulrajani et al. 2017), and for the other
            losses towards slope 0 at real points (Mescheder et al. 2018, R1 with gamma / 2 = penalty).
    """

    loss: str = "non-saturating"
    discriminator_rate: float = 1e-3
    generator_rate: float = 1e-3
    discriminator_steps: int = 1
    generator_steps: int = 1
    alternating: bool = True
    penalty: float = 0.0
    momentum: float = 0.5

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ValueError(f"there is no loss {self.loss!r}; choose one of {', '.join(LOSSES)}")
        tops = {"discriminator_rate": 1, "generator_rate": 1, "penalty": 1e6, "momentum": 0.999}
        for name, top in (tops | {"discriminator_steps": 100, "generator_steps": 100}).items():
            if not 0 <= getattr(self, name) <= top:
                raise ValueError(f"{name} must be from 0 to {top:g}, got {getattr(self, name)}")
        if self.discriminator_steps + self.generator_steps == 0:
            raise ValueError("at least one player must take a step in a round")
        if not self.alternating and not self.discriminator_steps == self.generator_steps == 1:
            raise ValueError("simultaneous steps are one of each player in a round: set both to 1")


class Game:
    """Two small networks on one shape.

    Args:
        shape: a key of ``SHAPES``, or a ``Shape``.
        rules: a ``Rules``; single rules may be given by name instead.
        width: of the two hidden layers of either network. The generator takes two numbers, N(0, 1).
        seed: of the weights and of all points.

    Attributes:
        rounds: how many were played. values: the last round's ``discriminator`` and ``generator`` loss and
            ``accuracy`` (share of both kinds classified correctly).
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
        self.lost = ""
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
        numbers = [*self.values.values(), *self.generator.weights, *self.discriminator.weights]
        if not all(np.isfinite(each).all() for each in numbers):
            self.lost = (
                f"round {self.rounds}: the weights or the losses are NaN or infinite; "
                "start again with smaller learning rates, or a penalty with the Wasserstein loss"
            )

    def latent(self) -> np.ndarray:
        """What a batch of fakes is made from, ``(BATCH, 2)``."""
        return self.random.standard_normal((BATCH, 2)).astype(self.dtype)

    def discriminator_slope(self, latent: np.ndarray | None = None, real: np.ndarray | None = None) -> list:
        """d (discriminator's loss and penalty) / d (its weights) on one batch of each kind."""
        rules, critic = self.rules, self.discriminator
        latent = self.latent() if latent is None else latent
        real = self.shape.sample(BATCH, self.random).astype(self.dtype) if real is None else real
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

    def fakes(self, n: int = 2000) -> np.ndarray:
        """``n`` generated points, ``(n, 2)``, at most 2,000; always of the same latent points."""
        return self.generator(self.watched[:n])

    def score(self) -> Coverage:
        """Modes covered and high-quality share of 2,000 fakes."""
        return self.shape.score(self.fakes())

    def heat(self, cells: int = 60) -> np.ndarray:
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
