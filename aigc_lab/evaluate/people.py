"""People as judges: pairs of one real and one generated item, and what their answers prove.

Two alternatives at once, because a single item leaves open how suspicious a person is: who calls
everything "generated" finds all fakes. Of a pair exactly one is real, so guessing gives one half, for
every person (Green and Swets 1966). Introduced in notebook 14.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from aigc_lab.collect.dataset import Dataset, own_card
from aigc_lab.evaluate.intervals import Score, checked_level, share

SIDES = ("left", "right")
_GAP = 0.15  # between the two pictures, as a share of their width


@dataclass(frozen=True, eq=False)
class Trials:
    """Pairs to judge, and the truth about them.

    pairs: a ``Dataset`` of pictures side by side, or of texts one below the other.
    real_side: 0 where the real one is left (first), 1 where it is right (second), ``(n,)``.
    """

    pairs: Dataset
    real_side: np.ndarray

    def __len__(self) -> int:
        return len(self.pairs)

    def score(self, answers: Any, level: float = 0.95) -> Score:
        """Share of right answers with Wilson's interval; one half is what guessing gives.

        Args:
            answers: for each pair the side that was taken for real, 0 or 1, and -1 where there is none yet.

        Raises:
            ValueError: answers of another number or kind, or no answer at all.
        """
        answers = np.asarray(answers)
        if answers.shape != self.real_side.shape or not np.isin(answers, (-1, 0, 1)).all():
            raise ValueError(f"give {len(self)} answers, each 0 (left), 1 (right) or -1 (none yet)")
        given = answers >= 0
        if not given.any():
            raise ValueError("nobody has answered yet; answer at least one pair")
        right = int((answers == self.real_side)[given].sum())
        return share(right, int(given.sum()), "told real from generated", level, better="lower")


def trials(real: Any, generated: Any, count: int = 30, seed: int = 0) -> Trials:
    """``count`` pairs of a real and a generated item, the real one left in half of them, all mixed.

    Args:
        real: held-out real items: pictures, or a list of texts, or a ``Dataset`` of either.
        generated: samples of the same kind and shape. Do not choose them: the best of many samples
            answer another question.
        count: pairs; no item is used twice.
        seed: of the choice, the sides and the order.

    Raises:
        ValueError: too few items, unequal shapes, or a mixture of pictures and texts.

    Introduced in notebook 14.
    """
    sides = [
        getattr(each, "data", each) if not isinstance(each, np.ndarray) else each
        for each in (real, generated)
    ]
    kinds = {isinstance(each, np.ndarray) for each in sides}
    if len(kinds) > 1:
        raise ValueError("both sides must be pictures, or both lists of texts")
    fewest = min(map(len, sides))
    if not 1 <= count <= fewest:
        raise ValueError(
            f"{len(sides[0])} real and {len(sides[1])} generated items make up to {fewest} pairs, "
            f"got count={count}"
        )
    generator = np.random.default_rng(seed)
    chosen = [generator.permutation(len(each))[:count] for each in sides]
    real_side = generator.permutation(np.arange(count) % 2)
    if kinds == {True}:
        return Trials(
            _picture_pairs(*(each[rows] for each, rows in zip(sides, chosen, strict=True)), real_side),
            real_side,
        )
    pairs = []
    for place, side in enumerate(real_side):
        texts = [sides[0][chosen[0][place]], sides[1][chosen[1][place]]]
        first, second = texts if side == 0 else texts[::-1]
        pairs.append(f"left:\n{first}\n\nright:\n{second}")
    return Trials(Dataset(tuple(pairs), None, SIDES, own_card("pairs to judge", "text")), real_side)


def _picture_pairs(real: np.ndarray, generated: np.ndarray, real_side: np.ndarray) -> Dataset:
    if real.shape[1:] != generated.shape[1:]:
        raise ValueError(
            f"the pictures differ in shape, {real.shape[1:]} and {generated.shape[1:]}; resize one kind"
        )
    tables = []
    for table in (real, generated):
        if table.dtype != np.uint8:
            if not np.isfinite(table).all() or table.min() < -1e-3 or table.max() > 1 + 1e-3:
                raise ValueError("float pictures must lie in [0, 1] and hold no NaN; scale them first")
            table = np.rint(255 * np.clip(table, 0, 1)).astype(np.uint8)
        tables.append(table[..., 0] if table.ndim == 4 and table.shape[-1] == 1 else table)
    swap = (real_side == 1).reshape(-1, *[1] * (tables[0].ndim - 1))
    left, right = np.where(swap, tables[1], tables[0]), np.where(swap, tables[0], tables[1])
    width = max(1, round(_GAP * left.shape[2]))
    gap = np.full((*left.shape[:2], width, *left.shape[3:]), 255, np.uint8)
    return Dataset(np.concatenate([left, gap, right], axis=2), None, SIDES, own_card("pairs to judge"))


def answers_for_width(half_width: float, rate: float = 0.5, level: float = 0.95) -> int:
    """How many answers make Wilson's interval at most ``half_width`` to each side of its middle.

    Args:
        half_width: such as 0.1 for ± 10 points.
        rate: the expected share of right answers; one half needs the most answers.

    Raises:
        ValueError: a half-width outside (0, 0.5), or a rate outside [0, 1].

    Introduced in notebook 14.
    """
    if not 0 < half_width < 0.5 or not 0 <= rate <= 1:
        raise ValueError(f"half_width must lie in (0, 0.5) and rate in [0, 1], got {half_width} and {rate}")
    z = NormalDist().inv_cdf((1 + checked_level(level)) / 2)

    def half(count: int) -> float:
        return z * math.sqrt(rate * (1 - rate) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)

    return _smallest(lambda count: half(count) <= half_width)


def answers_for_power(rate: float, power: float = 0.8, level: float = 0.95) -> int:
    """How many answers show that people who are right with probability ``rate`` do not merely guess.

    The test is exact and one-sided: "guessing" is refused when so many right answers have a probability
    of at most 1 - level under it. ``power`` is the probability that this happens. More answers may have
    less power, since counts are whole numbers; the number returned is the first from which the power never
    falls below what was asked for, up to the next hundred answers.

    Raises:
        ValueError: a rate not above one half and below 1, or a power outside (0, 1).

    Introduced in notebook 14.
    """
    from scipy.stats import binom

    if not 0.5 < rate < 1 or not 0 < power < 1:
        raise ValueError(f"rate must lie in (0.5, 1) and power in (0, 1), got {rate} and {power}")
    alpha = 1 - checked_level(level)

    def reached(count: int) -> np.ndarray:
        counts = np.arange(count, count + 100)
        fewest = binom.isf(alpha, counts, 0.5) + 1  # so many right answers or more: guessing is refused
        return binom.sf(fewest - 1, counts, rate) >= power

    return _smallest(lambda count: bool(reached(count).all()))


def _smallest(good: Any) -> int:
    """The smallest whole number from 1 on that is good; what is good stays good."""
    high = 1
    while not good(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if good(middle) else (middle, high)
    return high
