"""Are the samples new, or copies of the training set? No distance between two sets can tell.

A machine that hands out its training pictures has a perfect FID: they *are* real. So training items
and held-out items are compared. Introduced in notebook 14 (a first version is an exercise of notebook 06).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc_lab.evaluate.intervals import Score, checked_features, share

_BLOCK = 1024  # rows of the table of distances held in memory at once


@dataclass(frozen=True, eq=False)
class Copies:
    """What ``copy_test`` found.

    nearer: share of the samples that lie nearer to a training item than to any held-out item; one half
        for a generator that is as far from its training set as from unseen items of the same kind.
    near_copies: share that lies nearer to a training item than 99 % of the held-out items do; 0.01 by chance.
    ratios: distance to the nearest training item over that to the nearest held-out item, ``(n,)``.
    nearest: number of the nearest training item, ``(n,)``.
    distances: distance to it, ``(n,)``.
    """

    nearer: Score
    near_copies: Score
    ratios: np.ndarray
    nearest: np.ndarray
    distances: np.ndarray

    def __str__(self) -> str:
        return f"{self.nearer}\n{self.near_copies}"


def nearest(items: Any, known: Any) -> tuple[np.ndarray, np.ndarray]:
    """For each item the nearest known one: its number and the Euclidean distance, both ``(n,)``.

    Args:
        items, known: features (n, d) and (m, d), or pictures of one shape, which are flattened.

    Raises:
        ValueError: empty sets, NaN, or unequal shapes.
    """
    items, known = checked_features(_flat(items), _flat(known), least=1, names=("the items'", "the known"))
    centre = known.mean(axis=0)  # small numbers lose fewer digits in the difference of squares
    items, known = items - centre, known - centre
    lengths = (known**2).sum(axis=1)
    places = np.zeros(len(items), int)
    for start in range(0, len(items), _BLOCK):
        rows = items[start : start + _BLOCK]
        places[start : start + _BLOCK] = (lengths - 2 * rows @ known.T).argmin(axis=1)
    # Once more and without the difference of squares: a copy has distance 0 and not 1e-7.
    return places, np.linalg.norm(items - known[places], axis=1)


def copy_test(samples: Any, training: Any, held_out: Any, seed: int = 0, level: float = 0.95) -> Copies:
    """Compare the way to the nearest training item with the way to the nearest unseen one.

    The larger of two sets has the nearer item by chance alone. So as many training items as there are
    held-out ones take part in ``nearer`` and ``ratios``, drawn at random; a copy of an item that was
    not drawn goes unseen there. Against all training items the samples are held in ``near_copies``: how
    near is suspicious is learned from the held-out items, which are no copies. Use the space in which
    a copy is a copy: pixels catch exact ones, features also those that were moved or brightened.
    (A one-sided cousin of the three-sample test of Meehan, Chaudhuri and Dasgupta 2020.)

    Blurred samples lie near to everything: compare blurred with blurred, or judge by ``nearer`` only.

    Args:
        samples, training, held_out: features (n, d), or pictures of one shape, which are flattened.
        seed: of the training items that are drawn.

    Raises:
        ValueError: empty sets, fewer than 100 held-out items, more held-out than training items, NaN, or
            unequal shapes.

    Introduced in notebook 14.
    """
    samples, training, held_out = (_flat(each) for each in (samples, training, held_out))
    if len(held_out) < 100:
        raise ValueError(
            f"the nearest 1 % of {len(held_out)} held-out items is nobody; give at least 100 of them"
        )
    if len(held_out) > len(training):
        raise ValueError(
            f"there are {len(held_out)} held-out items and only {len(training)} training items; give the "
            "whole training set, and at most as many held-out items"
        )
    drawn = np.random.default_rng(seed).permutation(len(training))[: len(held_out)]
    places, distances = nearest(samples, training)
    _, to_drawn = nearest(samples, training[drawn])
    _, to_held_out = nearest(samples, held_out)
    _, usual = nearest(held_out, training)
    # A tie (an item that stands in both sets) counts for neither side, so for both by half.
    wins = float((to_drawn < to_held_out).sum() + 0.5 * (to_drawn == to_held_out).sum())
    ratios = np.where(to_held_out > 0, to_drawn / np.maximum(to_held_out, 1e-12), 1.0)
    near = int((distances < np.quantile(usual, 0.01)).sum())
    return Copies(
        share(wins, len(samples), "nearer to training", level, better=""),
        share(near, len(samples), "near-copies", level, better="lower"),
        ratios,
        places,
        distances,
    )


def _flat(items: Any) -> np.ndarray:
    table = np.asarray(getattr(items, "data", items) if not isinstance(items, np.ndarray) else items)
    return table.reshape(len(table), -1) if table.ndim > 2 else table  # (n, h, w, c) -> (n, h*w*c)


def distinct_share(items: Any, level: float = 0.95) -> Score:
    """Share of the items that have no exact twin before them: 1 where all differ.

    Args:
        items: texts, or arrays ``(n, ...)``.

    Raises:
        ValueError: no items.

    Introduced in notebook 14.
    """
    contents: Sequence[Any] = items if isinstance(items, (list, tuple)) else list(np.ascontiguousarray(items))
    keys = {item if isinstance(item, str) else np.asarray(item).tobytes() for item in contents}
    return share(len(keys), len(contents), "distinct", level)
