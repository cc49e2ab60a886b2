"""Are the samples new, or copies of the training set? No distance between two sets can tell.

A generator that hands out its training images has a perfect FID: they *are* real. So training items and
held-out items are compared. Two definitions of a near-copy stand here, because they measure different things:
``copy_test`` asks for an absolute distance smaller than between real items, ``near_copies_by_ratio`` for one
training item that is much nearer than the usual ones. Introduced in notebook 14.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc_lab.evaluate.distribution import checked_features
from aigc_lab.evaluate.intervals import Score, share

NEIGHBOURS = 50  # what "usually near" means for near_copies_by_ratio
FALSE_ALARMS = 0.01  # share of real items that no model has seen and that count as near-copies all the same


@dataclass(frozen=True, eq=False)
class Copies:
    """What ``copy_test`` found.

    nearer: share of the samples that lie nearer to a training item than to any held-out item; one half
        for a generator that is as far from its training set as from unseen items of the same kind.
    near_copies: share that lies nearer to a training item than 99 % of the held-out items do; 0.01 by chance.
    ratios: distance to the nearest training item over that to the nearest held-out item, ``(n,)``.
    """

    nearer: Score
    near_copies: Score
    ratios: np.ndarray


def nearest(items: Any, known: Any) -> tuple[np.ndarray, np.ndarray]:
    """For each item the nearest known one: its number and the Euclidean distance, both ``(n,)``.

    Args:
        items, known: features (n, d) and (m, d), or images of one shape, which are flattened.

    Raises:
        ValueError: empty sets, NaN, or unequal shapes.
    """
    from sklearn.metrics import pairwise_distances_argmin

    items, known = checked_features(_rows(items), _rows(known), least=1, names=("the items'", "the known"))
    centre = known.mean(axis=0)  # small numbers lose fewer digits in the difference of squares
    items, known = items - centre, known - centre
    places = pairwise_distances_argmin(items, known)
    # Once more and without the difference of squares: a copy has distance 0 and not 1e-7.
    return places, np.linalg.norm(items - known[places], axis=1)


def copy_test(samples: Any, training: Any, held_out: Any, seed: int = 0) -> Copies:
    """Compare the way to the nearest training item with the way to the nearest unseen one.

    The larger of two sets has the nearer item by chance alone. So as many training items as there are
    held-out ones take part in ``nearer`` and ``ratios``, drawn at random; copies of the others go unseen
    there, and who hands out training items reaches only about (1 + h / t) / 2 with h held-out and t training
    items. ``near_copies`` compares with all training items: how near is suspicious is learned from the
    held-out items, which are no copies. Use the space in which a copy is a copy: pixels catch exact ones,
    features also those that were moved or brightened. Blurred samples lie near to everything: compare blurred
    with blurred, or judge by ``nearer`` only. (A one-sided cousin of the three-sample test of Meehan,
    Chaudhuri and Dasgupta 2020.)

    Args:
        samples, training, held_out: features (n, d), or images of one shape, which are flattened.
        seed: of the training items that are drawn.

    Raises:
        ValueError: empty sets, fewer than 100 held-out items, more held-out than training items, NaN, or
            unequal shapes.
    """
    samples, training, held_out = (_rows(each) for each in (samples, training, held_out))
    if not 100 <= len(held_out) <= len(training):
        raise ValueError(
            f"the copy test needs at least 100 held-out items, and no more of them than training items; got "
            f"{len(held_out)} held-out and {len(training)} training items"
        )
    drawn = np.random.default_rng(seed).permutation(len(training))[: len(held_out)]
    _, distances = nearest(samples, training)
    _, to_drawn = nearest(samples, training[drawn])
    _, to_held_out = nearest(samples, held_out)
    _, usual = nearest(held_out, training)
    # A tie (an item that stands in both sets) counts for neither side, so for both by half.
    wins = float((to_drawn < to_held_out).sum() + 0.5 * (to_drawn == to_held_out).sum())
    ratios = np.where(to_held_out > 0, to_drawn / np.maximum(to_held_out, 1e-12), 1.0)
    near = int((distances < np.quantile(usual, FALSE_ALARMS)).sum())
    return Copies(
        share(wins, len(samples), "nearer to training", better=""),
        share(near, len(samples), "near-copies", better="lower"),
        ratios,
    )


def near_copies_by_ratio(
    samples: np.ndarray, training: np.ndarray, fresh: np.ndarray, marked: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Which samples lie much closer to one training item than to the usual ones, and near which they lie.

    The measure is the distance over pixels to the nearest training item, divided by the mean distance to the
    50 nearest (after Carlini et al. 2023, arXiv 2301.13188, section 4.2, whose distance is divided in this
    way). The threshold is set on this very training set: 1 % of ``fresh``, real images that no model has
    seen, pass it. So the floor is 1 %. The definition of the stored studies; introduced in notebook 15.

    Args:
        samples, training, fresh: images ``(n, h, w)`` or ``(n, h, w, c)``, uint8 or floats in [0, 1].
        marked: training images whose copies are counted apart, or None.

    Returns:
        booleans ``(n,)`` twice: near-copies, and samples whose nearest training item is marked.
    """
    known = _unit_rows(training)
    _, first = np.unique(known, axis=0, return_index=True)
    known = known[np.sort(first)]
    ratio, place = _nearest_ratio(_unit_rows(samples), known)
    threshold = np.quantile(_nearest_ratio(_unit_rows(fresh), known)[0], FALSE_ALARMS)
    chosen = set() if marked is None else {row.tobytes() for row in _unit_rows(marked)}
    is_marked = np.array([row.tobytes() in chosen for row in known])
    return ratio < threshold, is_marked[place]


def distinct_share(items: Any) -> Score:
    """Share of the items that have no exact twin before them: 1 where all differ.

    Args:
        items: texts, or arrays ``(n, ...)``.

    Raises:
        ValueError: no items.
    """
    keys = {item if isinstance(item, str) else np.asarray(item).tobytes() for item in items}
    return share(len(keys), len(items), "distinct")


def _rows(items: Any) -> np.ndarray:
    table = np.asarray(getattr(items, "data", items) if not isinstance(items, np.ndarray) else items)
    return table.reshape(len(table), -1) if table.ndim > 2 else table  # (n, h, w, c) -> (n, h*w*c)


def _unit_rows(images: np.ndarray) -> np.ndarray:
    rows = _rows(images).astype(np.float32)
    return rows / 255 if images.dtype == np.uint8 else rows


def _nearest_ratio(queries: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance to the nearest item over the mean distance to the nearest 50, and which is nearest."""
    squared = (queries**2).sum(axis=1)[:, None] - 2 * queries @ items.T + (items**2).sum(axis=1)
    distances = np.sqrt(np.maximum(squared, 0))
    count = min(NEIGHBOURS, len(items) - 1)
    near = np.partition(distances, count - 1, axis=1)[:, :count]
    return distances.min(axis=1) / np.maximum(near.mean(axis=1), 1e-6), distances.argmin(axis=1)
