"""Find images that are blurred, noisy, badly lit, partly covered, empty, or like no others.

Each detector computes one number an image, in a unit that can be read, and compares it with a threshold.
The default thresholds were chosen on ``animals`` (every second unique image against the same images with the
corruption put in), about midway between the two; the docstrings say what was seen. They suit small drawings
and silhouettes on a plain ground. Photographs have soft and textured parts: look at the scores there before
trusting a default.

All take a Dataset of images of at least 8 x 8 pixels, grey or in colour, and raise a ValueError for another
one. Introduced in notebook 00; ``low_information`` in notebook 02.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from aigc_lab.clean.duplicates import exact_duplicates, grey_images, near_duplicates
from aigc_lab.clean.issues import checked_number, issue_table
from aigc_lab.collect.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

_REFERENCES = 5000  # neighbours are sought among at most so many items, which keeps the cost linear
_FEWEST = 10  # items; among fewer nothing can be called unusual
_BLOCK_VALUES = 2_000_000  # pixels looked at in one go: 8 MB as float32, whatever the size of the set


def _measured(dataset: Dataset, wanted_by: str, measure: Callable[[np.ndarray], Any]) -> np.ndarray:
    """``measure`` of the grey images ``(block, height, width)``, block by block: ``(numbers, n)``."""
    grey_images(dataset[:0], wanted_by)  # refuses what holds no images
    length = max(1, _BLOCK_VALUES // int(np.prod(dataset.data.shape[1:])))
    parts = (dataset[start : start + length] for start in range(0, len(dataset), length))
    blank = np.atleast_2d(measure(np.zeros((1, 8, 8), dtype=np.float32)))[:, :0]  # of an empty set
    blocks = [np.atleast_2d(measure(grey_images(part, wanted_by))) for part in parts]
    return np.concatenate([blank, *blocks], axis=1)


def blurred(dataset: Dataset, sharpest_step: float = 0.46) -> pd.DataFrame:
    """Images whose sharpest edge is soft; the score is 1 - step.

    Measured: the largest step between two neighbouring pixels, as a share of the image's contrast (brightest
    minus darkest). Below ``sharpest_step`` an image is reported. On ``animals`` it is at least 0.74 in images
    as published, at least 0.51 in shifted and turned copies, and at most 0.43 after the corruption ``blur``.
    Noise brings sharp steps back: an image that is blurred and then noisy is not found. Images without any
    contrast are left to ``badly_lit``.
    """
    checked_number("sharpest_step", sharpest_step, 0, 1)

    def step_and_contrast(grey: np.ndarray) -> list[np.ndarray]:
        contrast = np.ptp(grey, axis=(1, 2))
        down, across = (np.abs(np.diff(grey, axis=axis)).max(axis=(1, 2)) for axis in (1, 2))
        return [np.maximum(down, across) / np.maximum(contrast, 1), contrast]

    step, contrast = _measured(dataset, "blurred", step_and_contrast)
    items = np.flatnonzero((step < sharpest_step) & (contrast >= 8))
    reasons = [f"its sharpest edge rises by {step[item]:.0%} of the contrast in one pixel" for item in items]
    return issue_table("blurred", items, 1 - step[items], reasons)


def noise_level(grey: np.ndarray) -> np.ndarray:
    """How rough each grey image ``(n, height, width)`` is where it is calmest: ``(n,)`` grey levels.

    The second difference in both directions is zero on planes and straight edges along an axis, so what it
    shows in the calm part of an image is noise; of its size, the level that a fifth of the pixels stay below.
    Source: Immerkaer 1996, "Fast noise variance estimation", equation 3.
    """
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
    mask /= 6  # so that independent noise keeps its standard deviation
    rough = np.abs(ndimage.convolve(grey, mask[None], mode="nearest"))
    rough = rough.reshape(len(grey), grey.shape[1] * grey.shape[2])
    fifth = rough.shape[1] // 5
    return np.partition(rough, fifth, axis=1)[:, fifth]


def noisy(dataset: Dataset, level: float = 1.5) -> pd.DataFrame:
    """Images that are rough even where they are calmest; the score is ``noise_level``, in grey levels.

    Above ``level`` an image is reported. On ``animals`` 99.9 % of the images as published are at most at 0.5
    levels, and all with the corruption ``noise`` at least at 2.3.
    """
    checked_number("level", level, 0, 255)
    (calm,) = _measured(dataset, "noisy", noise_level)
    items = np.flatnonzero(calm > level)
    reasons = [f"four fifths of it are rougher than {calm[item]:.1f} levels" for item in items]
    return issue_table("noisy", items, calm[items], reasons)


def badly_lit(dataset: Dataset, darkest_white: float = 150, lightest_black: float = 100) -> pd.DataFrame:
    """Images that are too dark, or washed out, or show nothing at all.

    Measured: the levels that 99 % and 1 % of the pixels stay below; the first below ``darkest_white`` is too
    dark, the second above ``lightest_black`` washed out. In ``animals`` as published the first is above 200
    and the second 0; darkened images end at 128, washed out ones begin at 127. Noise on a dark image lifts
    its bright end: such an image may be found by ``noisy`` only. The score is how far the end lies beyond its
    limit, as a share of 255.
    """
    checked_number("darkest_white", darkest_white, 0, 255)
    checked_number("lightest_black", lightest_black, 0, 255)
    low, high = _measured(dataset, "badly_lit", lambda grey: np.quantile(grey, [0.01, 0.99], axis=(1, 2)))
    too_dark, too_light = darkest_white - high, low - lightest_black
    items = np.flatnonzero((too_dark > 0) | (too_light > 0))
    reasons = []
    for item in items:
        if high[item] - low[item] < 8:
            reasons.append(f"one plain level, {low[item]:.0f}")
        elif too_dark[item] > 0:
            reasons.append(f"too dark: 99 % of it are at most at level {high[item]:.0f}")
        else:
            reasons.append(f"washed out: 99 % of it are at least at level {low[item]:.0f}")
    return issue_table("badly_lit", items, np.maximum(too_dark, too_light)[items] / 255, reasons)


def occluded(dataset: Dataset, smallest_area: float = 0.03) -> pd.DataFrame:
    """Images with a plain rectangle in them; the score is its area as a share of the image.

    Measured: the area of the largest filled rectangle of exactly one level that is neither among the image's
    darkest nor among its brightest 8 levels, reported from ``smallest_area`` (a share of the image) up. So a
    rectangle of the colour of the ground or of the animal cannot be told from either, and one that was
    blurred or made noisy later is not plain any more: on ``animals`` 93 of 100 are found when nothing else is
    put in.
    """
    checked_number("smallest_area", smallest_area, 0, 1)

    def rectangle(grey: np.ndarray) -> list[float]:
        """Height, width, level and area of the rectangle, zeros if there is none."""
        image = np.rint(grey).astype(np.int64)
        least = max(4, smallest_area * image.size)
        counts = np.bincount(image.ravel(), minlength=256)
        counts[: image.min() + 9] = 0
        counts[max(0, image.max() - 8) :] = 0
        level = int(counts.argmax())
        if counts[level] < least:
            return [0, 0, 0, 0]
        pieces, _ = ndimage.label(image == level)
        piece = np.bincount(pieces.ravel())[1:].argmax() + 1
        rows, columns = np.nonzero(pieces == piece)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        plain = len(rows) >= least and len(rows) >= 0.9 * height * width
        return [height, width, level, len(rows) / image.size] if plain else [0, 0, 0, 0]

    found = _measured(dataset, "occluded", lambda grey: np.transpose([rectangle(one) for one in grey]))
    items = np.flatnonzero(found[3])
    reasons = [
        f"a plain {height:.0f} x {width:.0f} rectangle of level {level:.0f}"
        for height, width, level, _ in found[:, items].T
    ]
    return issue_table("occluded", items, found[3, items], reasons)


def low_information(dataset: Dataset) -> pd.DataFrame:
    """Images that are blank, nearly blank, or of very small entropy.

    Measured: the share of pixels at least 8 levels from the image's median level (least: 1 %), and the
    entropy of the grey levels in 32 steps of 8, in bits a pixel: H = -sum of p log2 p (Shannon 1948; least:
    0.2 bits). The emptiest image of ``animals``, ``quickdraw``, ``digits`` and ``mnist-t10k`` has 5.6 % of
    such pixels and 0.41 bits: nothing real comes near. Noise and gradients have much entropy and say nothing:
    those are for ``noisy`` and ``outliers``. The score is 1 for a plain image, and falls to 0 at both limits.
    """
    from skimage.measure import shannon_entropy  # here, because it is slow to import

    if dataset.data.ndim == 4 and dataset.data.shape[3] > 1:  # a shape may show in one colour only
        colours = range(min(3, dataset.data.shape[3]))  # a fourth channel is alpha
        each = [low_information(replace(dataset, data=dataset.data[..., place])) for place in colours]
        plain = set.intersection(*(set(table["item"]) for table in each))
        kept = each[0][each[0]["item"].isin(plain)]
        return issue_table("low_information", kept["item"], kept["score"], kept["reason"])

    def content_entropy_level(grey: np.ndarray) -> list[Any]:
        middle = np.median(grey, axis=(1, 2))
        content = (np.abs(grey - middle[:, None, None]) >= 8).mean(axis=(1, 2))
        return [content, [shannon_entropy(image // 8) for image in grey], middle]

    content, entropy, level = _measured(dataset, "low_information", content_entropy_level)
    items = np.flatnonzero((content < 0.01) | (entropy < 0.2))
    reasons = []
    for item in items:
        if content[item] == 0:
            reasons.append(f"plain: every pixel is about level {level[item]:.0f}")
        elif content[item] < 0.01:
            reasons.append(
                f"nearly plain: only {content[item]:.1%} of it differs from level {level[item]:.0f}"
            )
        else:
            reasons.append(f"its grey levels hold {entropy[item]:.2f} bits a pixel")
    # Of the two measures the one that is further below its limit counts.
    left = np.minimum(content[items] / 0.01, np.where(content[items] > 0, entropy[items] / 0.2, 0))
    return issue_table("low_information", items, 1 - np.clip(left, 0, 1), reasons)


def describe_images(grey: np.ndarray) -> np.ndarray:
    """Seventeen plain measurements of each image: light, edges, shape, pieces.

    Args:
        grey: ``(n, height, width)`` in 0..255.

    Returns:
        ``(n, 17)``, each column in its own unit; the comments in the code name them.
    """
    count, height, width = grey.shape
    light = grey / np.float32(255)
    flat = light.reshape(count, height * width)
    edge = np.concatenate([light[:, 0], light[:, -1], light[:, :, 0], light[:, :, -1]], axis=1)
    across, down = np.abs(np.diff(light, axis=2)), np.abs(np.diff(light, axis=1))
    rough = np.abs(light - ndimage.uniform_filter(light, (0, 3, 3)))
    # Row and column of a pixel as shares of the image, from -0.5 to 0.5; moments weigh by light.
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
            flat.mean(axis=1),  # mean level
            flat.std(axis=1),  # contrast
            flat.max(axis=1, initial=0),  # highest level
            edge.mean(axis=1),  # level at the border
            ((flat > 0.1) & (flat < 0.9)).mean(axis=1),  # share of middle levels
            across.mean(axis=(1, 2)),  # steps across
            down.mean(axis=(1, 2)),  # steps down
            rough.mean(axis=(1, 2)),  # roughness
            centre_down,
            centre_across,
            moment(rows**2) - centre_down**2,  # spread down
            moment(columns**2) - centre_across**2,  # spread across
            moment(rows * columns) - centre_down * centre_across,  # slant
            np.log1p(pieces),
            largest,  # share of the largest piece
            np.log1p(holes),
            (across.sum(axis=(1, 2)) + down.sum(axis=(1, 2))) / np.sqrt(total),  # outline for its area
        ],
        axis=1,
    )


def _describe_colours(images: np.ndarray) -> np.ndarray:
    """Mean and standard deviation of red less green and of blue less green, ``(n, 4)``, in levels."""
    leads = (image[..., [0, 2]].astype(np.float32) - image[..., [1]] for image in images)  # (h, w, 2) each
    found = [[*lead.mean(axis=(0, 1)), *lead.std(axis=(0, 1))] for lead in leads]
    return np.array(found, dtype=np.float32).reshape(-1, 4)


def _pieces(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many connected pieces each mask ``(n, h, w)`` has, and the share of the largest."""
    sizes = [np.bincount(ndimage.label(mask)[0].ravel())[1:] for mask in masks]
    largest = [each.max(initial=0) / max(1, each.sum()) for each in sizes]
    return np.array([len(each) for each in sizes]), np.array(largest)


def outliers(
    dataset: Dataset, features: Any = None, among: Any = None, seed: int = 0, lowest: float | None = None
) -> pd.DataFrame:
    """Items far from all others: junk, and the strangest of the real ones.

    Measured: the distance to the k-th nearest neighbour (Ramaswamy, Rastogi and Shim 2000, "Efficient
    algorithms for mining outliers from large data sets"), where k is 4 % of the set; of its logarithm, how
    many robust standard deviations (from the median absolute deviation) it lies above the median. That number
    is the score. From 3 up (2 with features) an item is reported: of ``animals`` as published, 2 to 4 images
    in a hundred are above the first, and 1 in a hundred above the second with the features of
    ``aigc_lab.evaluate``. Fewer than 10 items give no issues.

    k is the point: junk comes in kinds, and fifty noise images are each other's neighbours. With k = 5 they
    look as common as any animal; with k at 4 % of the set, a kind must make up more than 4 % to hide itself.
    The price: so must a real class to be safe. What is found is set aside and the rest is measured again,
    three times in all: much junk makes unusual distances look usual. What is found is unusual, which is
    not the same as wrong: look at it.

    Args:
        dataset: the items; images if ``features`` is None.
        features: ``(n, d)`` numbers. They are compared by angle, so each row is scaled to length 1.
            None takes the seventeen descriptors of ``describe_images`` and, of colour images, four of their
            colours, standardised.
        among: booleans ``(n,)``, the items to look at and to compare with; None takes all. Leave out
            what other detectors have found: many damaged images make a strange one look less so.
        seed: with more than 5,000 items, neighbours are sought among 5,000 drawn with this seed.
        lowest: report items above this score instead, to see both sides of the threshold. The scores stay.

    Raises:
        ValueError: features or ``among`` of another length, or NaN or infinite features.
    """
    mask = np.ones(len(dataset), dtype=bool) if among is None else np.asarray(among)
    if mask.shape != (len(dataset),) or mask.dtype != bool:
        raise ValueError(f"among must be booleans of shape ({len(dataset)},), got {mask.dtype} {mask.shape}")
    if features is None:
        points = _measured(dataset, "outliers without features", lambda grey: describe_images(grey).T).T
        if dataset.data.ndim == 4 and dataset.data.shape[3] >= 3:
            points = np.hstack([points, _describe_colours(dataset.data)])
    else:
        points = _unit_rows(features, len(dataset))
    places = np.flatnonzero(mask)
    points = points[places]
    if len(points) < _FEWEST:
        return issue_table("outliers", [], [], [])

    threshold = 3.0 if features is None else 2.0
    usual = np.ones(len(points), dtype=bool)
    for _ in range(3):
        scaled = points
        if features is None:  # each column with mean 0 and standard deviation 1 over the usual items
            spread = points[usual].std(axis=0)
            scaled = (points - points[usual].mean(axis=0)) / np.where(spread > 1e-9, spread, 1)
        distance = np.log(_neighbour_distance(scaled, usual, seed) + 1e-6)
        middle = np.median(distance[usual])
        deviation = 1.4826 * np.median(np.abs(distance[usual] - middle))
        unusual = (distance - middle) / max(deviation, 1e-6)
        usual = unusual <= threshold
        if usual.sum() < _FEWEST:
            break
    found = np.flatnonzero(unusual > (threshold if lowest is None else lowest))
    ratios = np.exp(distance[found] - middle)
    reasons = [f"{ratio:.1f} times as far from its neighbours as usual" for ratio in ratios]
    return issue_table("outliers", places[found], unusual[found], reasons)


def _unit_rows(features: Any, count: int) -> np.ndarray:
    points = np.asarray(features)
    if points.ndim != 2 or len(points) != count or points.dtype.kind not in "fiu":
        raise ValueError(
            f"features must be numbers of shape ({count}, d), one row for each item, "
            f"got {points.dtype} {points.shape}"
        )
    points = points.astype(np.float32)
    if not np.isfinite(points).all():
        bad = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])
        raise ValueError(f"features hold NaN or infinite values, first in row {bad}; drop those items first")
    return points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-6)


def _neighbour_distance(points: np.ndarray, usual: np.ndarray, seed: int) -> np.ndarray:
    """Distance of each point to its k-th nearest usual neighbour, k being 4 % of the usual ones."""
    from sklearn.neighbors import NearestNeighbors  # here, because it is slow to import

    points = np.asarray(points, dtype=np.float32)
    chosen = np.flatnonzero(usual)
    if len(chosen) > _REFERENCES:
        chosen = np.sort(np.random.default_rng(seed).permutation(chosen)[:_REFERENCES])
    # Place k in the sorted distances; place 0 is the point itself where it is among the references.
    place = min(len(chosen) - 1, max(5, round(0.04 * len(chosen))))
    search = NearestNeighbors(n_neighbors=place + 1, algorithm="brute").fit(points[chosen])
    return search.kneighbors(points)[0][:, place]


# Each corruption that shows in the images, with the detector that looks for it.
DETECTORS: dict[str, Callable[..., Any]] = {
    "exact_duplicate": exact_duplicates,
    "near_duplicate": near_duplicates,
    "junk": outliers,
    "blur": blurred,
    "noise": noisy,
    "brightness": badly_lit,
    "occlusion": occluded,
}


def detect_all(dataset: Dataset) -> dict[str, Any]:
    """Every detector's issues on a set of images, keyed by the corruption it looks for.

    ``outliers`` comes last and looks only at what no other detector has found: many damaged images
    make a strange one look less strange. So its issues alone are not all the junk that was found:
    blank images are ``badly_lit``, noise is ``noisy``, a smooth gradient is ``blurred``.
    """
    found = {name: find(dataset) for name, find in DETECTORS.items() if find is not outliers}
    unsuspected = np.ones(len(dataset), dtype=bool)
    for issues in found.values():
        unsuspected[issues["item"]] = False
    found["junk"] = outliers(dataset, among=unsuspected)
    return found
