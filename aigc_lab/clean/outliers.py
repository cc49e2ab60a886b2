"""Find items that are like no others: junk, and the strangest of the real ones. Introduced in notebook 00.

Distance to the k-th nearest neighbour (Ramaswamy, Rastogi and Shim 2000, "Efficient algorithms for
mining outliers from large data sets"). k is the point: junk comes in kinds, and fifty noise pictures
are each other's neighbours. With k = 5 they look as common as any animal; with k at 4 % of the set, a
kind must make up more than 4 % to hide itself. The price: so must a real class to be safe.

What is found is set aside and the rest is measured again, three times in all: much junk makes
unusual distances look usual, and once the crudest is gone, the finer shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from aigc_lab.clean.findings import checked_number, findings_table, grey_pictures
from aigc_lab.collect.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

DESCRIPTORS = (
    "mean level", "contrast", "highest level", "level at the border", "share of middle levels",
    "steps across", "steps down", "roughness",
    "centre, down", "centre, across", "spread down", "spread across", "slant",
    "pieces", "share of the largest piece", "holes", "outline for its area",
)  # fmt: skip
_REFERENCES = 5000  # neighbours are sought among at most so many items, which keeps the cost linear
_ROUNDS = 3
_BLOCK = 2048  # pictures described at a time: all 50,000 at once would take a gigabyte
_FEWEST = 10  # items; among fewer nothing can be called unusual


def describe_pictures(grey: np.ndarray) -> np.ndarray:
    """Seventeen plain measurements of each picture (``DESCRIPTORS``): light, edges, shape, pieces.

    Args:
        grey: ``(n, height, width)`` in 0..255.

    Returns:
        ``(n, 17)``, each column in its own unit.
    """
    count, height, width = grey.shape
    light = grey / np.float32(255)
    flat = light.reshape(count, -1)
    edge = np.concatenate([light[:, 0], light[:, -1], light[:, :, 0], light[:, :, -1]], axis=1)
    across, down = np.abs(np.diff(light, axis=2)), np.abs(np.diff(light, axis=1))
    rough = np.abs(light - ndimage.uniform_filter(light, (0, 3, 3)))
    # Row and column of a pixel as shares of the picture, from -0.5 to 0.5; moments weigh by light.
    rows = ((np.arange(height) + 0.5) / height - 0.5)[:, None]
    columns = ((np.arange(width) + 0.5) / width - 0.5)[None, :]
    total = flat.sum(axis=1) + 1e-3

    def moment(weights: np.ndarray) -> np.ndarray:
        return (light * weights).sum(axis=(1, 2)) / total

    centre_down, centre_across = moment(rows), moment(columns)
    pieces, largest = _pieces(light > 0.5)
    holes, _ = _pieces(light <= 0.5)
    return np.stack(
        [
            flat.mean(axis=1),
            flat.std(axis=1),
            flat.max(axis=1),
            edge.mean(axis=1),
            ((flat > 0.1) & (flat < 0.9)).mean(axis=1),
            across.mean(axis=(1, 2)),
            down.mean(axis=(1, 2)),
            rough.mean(axis=(1, 2)),
            centre_down,
            centre_across,
            moment(rows**2) - centre_down**2,
            moment(columns**2) - centre_across**2,
            moment(rows * columns) - centre_down * centre_across,
            np.log1p(pieces),
            largest,
            np.log1p(holes),
            (across.sum(axis=(1, 2)) + down.sum(axis=(1, 2))) / np.sqrt(total),
        ],
        axis=1,
    )


def _pieces(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many connected pieces each mask ``(n, h, w)`` has, and the share of the largest."""
    within = np.zeros((3, 3, 3), dtype=bool)  # neighbours in the same picture only
    within[1] = ndimage.generate_binary_structure(2, 1)
    numbered, count = ndimage.label(masks, within)
    sizes = np.bincount(numbered.ravel(), minlength=count + 1)[1:]
    _, seen_at = np.unique(numbered, return_index=True)
    owner = seen_at[-count:] // masks[0].size if count else np.empty(0, dtype=np.int64)
    largest = np.zeros(len(masks))
    np.maximum.at(largest, owner, sizes)
    covered = masks.sum(axis=(1, 2))
    return np.bincount(owner, minlength=len(masks)), largest / np.maximum(covered, 1)


def outliers(
    dataset: Dataset,
    features: Any = None,
    threshold: float | None = None,
    neighbours: float = 0.04,
    among: Any = None,
    seed: int = 0,
    lowest: float | None = None,
) -> pd.DataFrame:
    """Items far from all others.

    Measured: the distance to the k-th nearest neighbour, where k is a share of the set; of its
    logarithm, how many robust standard deviations (from the median absolute deviation) it lies above
    the median. What is found is unusual, which is not the same as wrong: look at it.

    Args:
        dataset: the items; pictures if ``features`` is None.
        features: ``(n, d)`` numbers. They are compared by angle, so each row is scaled to length 1.
            None takes the seventeen descriptors of ``describe_pictures``, standardised.
        threshold: items above it are reported. None takes 3 for the descriptors and 2 for features.
            These were chosen on ``animals`` as published, where 2 to 4 pictures in a hundred are above
            the first, and 1 in a hundred above the second with the features of ``aigc_lab.evaluate``.
        neighbours: k as a share of the items, above 0 and at most 1.
        among: booleans ``(n,)``, the items to look at and to compare with; None takes all. Leave out
            what other detectors have found: many damaged pictures make a strange one look less so.
        seed: with more than 5,000 items, neighbours are sought among 5,000 drawn with this seed.
        lowest: report items above this score instead of above the threshold, to see both sides of it. The
            threshold still says which items are usual, so that the scores stay the same.

    Returns:
        Findings; the score is the number of robust standard deviations. Fewer than 10 items give none.

    Raises:
        ValueError: features or ``among`` of another length, NaN or infinite features, or a bad setting.
    """
    if threshold is None:
        threshold = 3.0 if features is None else 2.0
    threshold = checked_number("threshold", threshold, 0)
    neighbours = checked_number("neighbours", neighbours, 1e-9, 1)
    places = _places(among, len(dataset))
    points = _points(dataset, features)[places]
    if len(points) < _FEWEST:
        return findings_table("outliers", [], [], [])

    usual = np.ones(len(points), dtype=bool)
    for _ in range(_ROUNDS):
        scaled = _standardised(points, usual) if features is None else points
        distance = np.log(_neighbour_distance(scaled, usual, neighbours, seed) + 1e-6)
        middle = np.median(distance[usual])
        spread = 1.4826 * np.median(np.abs(distance[usual] - middle))
        unusual = (distance - middle) / max(spread, 1e-6)
        usual = unusual <= threshold
        if usual.sum() < _FEWEST:
            break
    found = np.flatnonzero(unusual > (threshold if lowest is None else lowest))
    ratios = np.exp(distance[found] - middle)
    reasons = [f"{ratio:.1f} times as far from its neighbours as usual" for ratio in ratios]
    return findings_table("outliers", places[found], unusual[found], reasons)


def _places(among: Any, count: int) -> np.ndarray:
    if among is None:
        return np.arange(count)
    mask = np.asarray(among)
    if mask.shape != (count,) or mask.dtype != bool:
        raise ValueError(f"among must be booleans of shape ({count},), got {mask.dtype} {mask.shape}")
    return np.flatnonzero(mask)


def _points(dataset: Dataset, features: Any) -> np.ndarray:
    if features is None:
        described = np.empty((len(dataset), len(DESCRIPTORS)))
        for start in range(0, max(1, len(dataset)), _BLOCK):
            grey = grey_pictures(dataset[start : start + _BLOCK], "outliers without features")
            if len(grey):
                described[start : start + _BLOCK] = describe_pictures(grey)
        return described
    points = np.asarray(features)
    if points.ndim != 2 or len(points) != len(dataset) or points.dtype.kind not in "fiu":
        raise ValueError(
            f"features must be numbers of shape ({len(dataset)}, d), one row for each item, "
            f"got {points.dtype} {points.shape}"
        )
    points = points.astype(np.float32)
    if not np.isfinite(points).all():
        bad = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])
        raise ValueError(f"features hold NaN or infinite values, first in row {bad}; drop those items first")
    return points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-6)


def _standardised(points: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Each column with mean 0 and standard deviation 1 over the usual items."""
    spread = points[usual].std(axis=0)
    return (points - points[usual].mean(axis=0)) / np.where(spread > 1e-9, spread, 1)


def _neighbour_distance(points: np.ndarray, usual: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Distance of each point to its k-th nearest usual neighbour, k being a share of the usual ones."""
    points = np.ascontiguousarray(points, dtype=np.float32)
    chosen = np.flatnonzero(usual)
    if len(chosen) > _REFERENCES:
        chosen = np.sort(np.random.default_rng(seed).permutation(chosen)[:_REFERENCES])
    references = points[chosen]
    # Place k in the sorted distances; place 0 is the point itself where it is among the references.
    place = min(len(references) - 1, max(5, round(share * len(references))))
    lengths = np.einsum("nd,nd->n", references, references)
    distance = np.empty(len(points))
    for start in range(0, len(points), 1024):
        block = points[start : start + 1024]
        squared = lengths[None] - 2 * block @ references.T + np.einsum("nd,nd->n", block, block)[:, None]
        at_place = np.partition(squared, place, axis=1)[:, place]
        distance[start : start + 1024] = np.sqrt(np.maximum(at_place, 0))
    return distance
