"""A GAN in the plane that can be watched, stopped and counted: data shapes, rounds of the game, scores.

Introduced in notebook 08. ``gan_network`` has the networks and the losses, ``gan_widget`` the widget.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from aigc_lab.widgets.gan_network import LOSSES, Adam, Network, loss_and_slope, sigmoid

REACH = 3.0  # the picture shows the square from -REACH to REACH
_COVERED = 0.25  # of a mode's fair share of the fakes
_SURE = 200  # rounds in a row after which a discriminator that errs nowhere is called the winner
# Above it an output says "real".
_BORDER = {"saturating": 0.0, "non-saturating": 0.0, "least squares": 0.5}


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
        away = points[:, None, :] - self.centres[None]  # (n, k, 2)
        squares = (away**2).sum(axis=2)
        nearest = squares.argmin(axis=1)
        good = squares[np.arange(len(points)), nearest] <= (3 * self.spread) ** 2
        counts = np.bincount(self.part[nearest[good]], minlength=self.modes)
        fair = len(points) * np.bincount(self.part) / len(self.part)
        return Coverage(int((counts >= _COVERED * fair).sum()), float(good.mean()), counts)


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


def _ring() -> Shape:
    angle = 2 * np.pi * np.arange(8) / 8
    return Shape(2 * np.stack([np.cos(angle), np.sin(angle)], axis=1), np.arange(8), 0.05)


def _grid() -> Shape:
    ticks = np.linspace(-2, 2, 5)
    return Shape(np.stack(np.meshgrid(ticks, ticks), axis=2).reshape(25, 2), np.arange(25), 0.05)


def _moons() -> Shape:
    angle = np.linspace(0, np.pi, 64)
    upper = np.stack([np.cos(angle) - 0.5, np.sin(angle) - 0.25], axis=1)
    # 4 parts of 16 centres on each moon.
    return Shape(1.4 * np.concatenate([upper, -upper]), np.repeat(np.arange(8), 16), 0.1)


def _line() -> Shape:
    place = np.linspace(-2, 2, 64)
    return Shape(np.stack([place, 0.5 * place], axis=1), np.repeat(np.arange(8), 8), 0.08)


SHAPES = {
    "ring of eight": _ring(),
    "two moons": _moons(),
    "grid of 25": _grid(),
    "line": _line(),
    "one Gaussian": Shape(np.array([[0.8, 0.4]]), np.zeros(1, int), 0.5),
}


@dataclass(frozen=True)
class Rules:
    """How a game is played; what does not fit raises ValueError at once.

    Attributes:
        loss: a key of ``gan_network.LOSSES``.
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
        for name in ("discriminator_rate", "generator_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be from 0 to 1, got {getattr(self, name)}")
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
        if not 0 <= self.penalty < np.inf or not 0 <= self.momentum < 1:
            raise ValueError(
                "penalty must be at least 0 and momentum from 0 up to 1, "
                f"got {self.penalty} and {self.momentum}"
            )
        if self.batch_size < 2:
            raise ValueError(f"a batch needs two points or more, got {self.batch_size}")


class Game:
    """Two small networks on one shape.

    Args:
        shape: a key of ``SHAPES``, or a ``Shape``.
        rules: a ``Rules``; single rules may be given by name instead.
        width, depth: hidden layers of both networks. latent_size: inputs of the generator, N(0, 1).
        seed: of the weights and of all points.

    Attributes:
        rounds: how many were played. values: the last round's ``discriminator`` and ``generator`` loss,
            ``real`` and ``fake`` (mean D, or mean critic) and ``accuracy`` (share of both kinds told apart).
        lost: why the game cannot go on (NaN or infinite numbers), in words; "" while it can.

    Raises:
        ValueError: an unknown shape, or rules or sizes that make no game.
    """

    def __init__(
        self,
        shape: str | Shape = "ring of eight",
        rules: Rules | None = None,
        *,
        width: int = 64,
        depth: int = 2,
        latent_size: int = 2,
        seed: int = 0,
        dtype: str = "float32",
        **named: object,
    ) -> None:
        if isinstance(shape, str) and shape not in SHAPES:
            raise ValueError(f"there is no shape {shape!r}; choose one of {', '.join(SHAPES)}")
        unknown = set(named) - {field.name for field in fields(Rules)}
        if unknown:
            known = ", ".join(field.name for field in fields(Rules))
            raise ValueError(f"there is no rule {sorted(unknown)[0]!r}; the rules are {known}")
        if min(width, depth, latent_size) < 1:
            raise ValueError(
                f"width, depth and latent_size must be 1 or more, got {width, depth, latent_size}"
            )
        self.shape = SHAPES[shape] if isinstance(shape, str) else shape
        self.rules = replace(rules or Rules(), **named)
        self.random = np.random.default_rng(seed)
        self.latent_size, self.dtype, self.rounds = latent_size, dtype, 0
        self.generator = Network((latent_size, *[width] * depth, 2), self.random, dtype)
        self.discriminator = Network((2, *[width] * depth, 1), self.random, dtype)
        self._players = {
            "discriminator": Adam(self.discriminator.weights, self.rules.momentum),
            "generator": Adam(self.generator.weights, self.rules.momentum),
        }
        self.values: dict[str, float] = {}
        self._sure, self.lost = 0, ""
        # Always the same ones, so that a picture or a score moves only because the generator does.
        self._watched = np.random.default_rng(seed + 1).standard_normal((2000, latent_size)).astype(dtype)

    def change(self, **named: object) -> None:
        """Other rules from the next round on; the networks stay as they are."""
        self.rules = replace(self.rules, **named)
        for player in self._players.values():
            player.momentum = self.rules.momentum

    # -- playing ----------------------------------------------------------------------------------

    def play(self, rounds: int = 1) -> Game:
        """Some rounds; stops early when ``lost`` says that the numbers have left the plane."""
        for _ in range(rounds):
            if self.lost:
                break
            self._round()
        return self

    def _round(self) -> None:
        rules = self.rules
        # A loss that overflows is reported in words below.
        with np.errstate(over="ignore", invalid="ignore"):
            if rules.alternating:
                for _ in range(rules.discriminator_steps):
                    self._players["discriminator"].step(self.discriminator_slope(), rules.discriminator_rate)
                for _ in range(rules.generator_steps):
                    self._players["generator"].step(self.generator_slope(), rules.generator_rate)
            else:  # one batch of fakes for both
                latent = self._latent(rules.batch_size)
                of_discriminator = self.discriminator_slope(latent)
                of_generator = self.generator_slope(latent)
                self._players["discriminator"].step(of_discriminator, rules.discriminator_rate)
                self._players["generator"].step(of_generator, rules.generator_rate)
        self.rounds += 1
        self._judge()

    def discriminator_slope(self, latent: np.ndarray | None = None, real: np.ndarray | None = None) -> list:
        """d (discriminator's loss and penalty) / d (its weights) on one batch of each kind."""
        rules, critic = self.rules, self.discriminator
        latent = self._latent(rules.batch_size) if latent is None else latent
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
        border = _BORDER.get(rules.loss)
        if border is None:  # a critic may add any constant: the middle between its two means
            border = 0.5 * (real_logits.mean() + fake_logits.mean())
        told_apart = 0.5 * (np.mean(real_logits > border) + np.mean(fake_logits < border))
        real_value, fake_value = (float(self.probability(each).mean()) for each in (real_logits, fake_logits))
        self.values |= {"discriminator": of_real + of_fake, "accuracy": float(told_apart)}
        self.values |= {"real": real_value, "fake": fake_value}
        return gradients

    def generator_slope(self, latent: np.ndarray | None = None) -> list:
        """d (generator's loss) / d (its weights) on one batch: through the discriminator, which stays."""
        latent = self._latent(self.rules.batch_size) if latent is None else latent
        fake, taken = self.generator.forward(latent)
        logits, taken_after = self.discriminator.forward(fake)
        self.values["generator"], slope = loss_and_slope(self.rules.loss, "generator", logits)
        _, at_fakes = self.discriminator.backward(taken_after, slope.astype(self.dtype))
        return self.generator.backward(taken, at_fakes)[0]

    def _judge(self) -> None:
        """Has a player won at once, or have the numbers left the plane?"""
        # A discriminator that rests has no opinion of this round.
        sure = self.values.get("accuracy", 0.0) >= 0.995 and self.rules.discriminator_steps > 0
        self._sure = self._sure + 1 if sure else 0
        finite = np.isfinite(list(self.values.values())).all() and all(
            np.isfinite(weight).all()
            for net in (self.generator, self.discriminator)
            for weight in net.weights
        )
        if not finite:
            self.lost = (
                f"round {self.rounds}: the weights or the losses are NaN or infinite; "
                "start again with smaller learning rates, or a penalty with the Wasserstein loss"
            )

    @property
    def warning(self) -> str:
        """That the discriminator has won, and what to change; "" while it has not."""
        if self._sure < _SURE:
            return ""
        return (
            f"the discriminator has told all points apart for {self._sure} rounds; slow it down "
            "(a lower learning rate, fewer steps) or add a penalty"
        )

    # -- looking ----------------------------------------------------------------------------------

    def fakes(self, n: int = 2000) -> np.ndarray:
        """``n`` generated points, ``(n, 2)``, at most 2,000; always of the same latent points."""
        return self.generator(self._watched[:n])

    def score(self, n: int = 2000) -> Coverage:
        """Modes covered and high-quality share of ``n`` fakes."""
        return self.shape.score(self.fakes(n))

    def probability(self, logits: np.ndarray) -> np.ndarray:
        """D where the outputs are logits (the first two losses); else the outputs themselves."""
        return sigmoid(logits) if _BORDER.get(self.rules.loss) == 0.0 else logits

    def heat(self, cells: int = 64) -> np.ndarray:
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

    def _latent(self, n: int) -> np.ndarray:
        return self.random.standard_normal((n, self.latent_size)).astype(self.dtype)
