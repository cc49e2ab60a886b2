"""Find images that are blurred, noisy, badly lit, partly covered, empty, or like no others.

Each detector computes one number an image, in a unit that can be read, and compares it with a threshold.
The defaults were chosen on ``animals`` (every second unique image against the same images with the corruption
put in), about midway between the two; the docstrings say what was seen. They suit small drawings and
silhouettes on a plain ground. Photographs have soft and textured parts: look at the scores there before
trusting a default.

All take a Dataset of images of at least 8 x 8 pixels, grey or in colour, and raise a ValueError for another
one or for a threshold out of its range. Introduced in notebook 00; ``low_information`` in notebook 02.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from aigc_lab.clean.duplicates import exact_duplicates, grey_images, near_duplicates
from aigc_lab.clean.issues import checked_number, issue_table
from aigc_lab.collect.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

_BLOCK_VALUES = 2_000_000  # pixels looked at in one go: 8 MB as float32, whatever the size of the set


def _grey_blocks(dataset: Dataset, wanted_by: str) -> Iterator[np.ndarray]:
    """The grey images ``(block, height, width)``, a block at a time; at least one block."""
    grey_images(dataset[:0], wanted_by)  # refuses what holds no images
    length = max(1, _BLOCK_VALUES // int(np.prod(dataset.data.shape[1:])))
    for start in range(0, max(1, len(dataset)), length):
        yield grey_images(dataset[start : start + length], wanted_by)


def blurred(dataset: Dataset, sharpest_step: float = 0.46) -> pd.DataFrame:
    """Images whose sharpest edge is soft.

    Measured: the largest step between two neighbouring pixels, as a share of the image's contrast
    (brightest minus darkest). On ``animals`` it is at least 0.74 in images as published, at least 0.51
    in shifted and turned copies, and at most 0.43 after the corruption ``blur``. Noise brings sharp steps
    back: an image that is blurred and then noisy is not found. Images without any contrast are left to
    ``badly_lit``.

    Args:
        sharpest_step: images below it are reported.

    Returns:
        Issues; the score is 1 - step.
    """
    sharpest_step = checked_number("sharpest_step", sharpest_step, 0, 1)
    shares, contrasts = [], []
    for grey in _grey_blocks(dataset, "blurred"):
        contrasts.append(np.ptp(grey, axis=(1, 2)))
        down, across = (np.abs(np.diff(grey, axis=axis)).max(axis=(1, 2)) for axis in (1, 2))
        shares.append(np.maximum(down, across) / np.maximum(contrasts[-1], 1))
    share, contrast = np.concatenate(shares), np.concatenate(contrasts)
    items = np.flatnonzero((share < sharpest_step) & (contrast >= 8))
    reasons = [f"its sharpest edge rises by {share[item]:.0%} of the contrast in one pixel" for item in items]
    return issue_table("blurred", items, 1 - share[items], reasons)


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
    """Images that are rough even where they are calmest.

    Measured: ``noise_level``. On ``animals`` 99.9 % of the images as published are at most at 0.5 levels,
    and all with the corruption ``noise`` at least at 2.3.

    Args:
        level: images above it, in grey levels, are reported.

    Returns:
        Issues; the score is the measured level.
    """
    level = checked_number("level", level, 0, 255)
    calm = np.concatenate([noise_level(grey) for grey in _grey_blocks(dataset, "noisy")])
    items = np.flatnonzero(calm > level)
    reasons = [f"four fifths of it are rougher than {calm[item]:.1f} levels" for item in items]
    return issue_table("noisy", items, calm[items], reasons)


def badly_lit(dataset: Dataset, darkest_white: float = 150, lightest_black: float = 100) -> pd.DataFrame:
    """Images that are too dark, or washed out, or show nothing at all.

    Measured: the levels that 99 % and 1 % of the pixels stay below. In ``animals`` as published the first
    is above 200 and the second 0; darkened images end at 128, washed out ones begin at 127. Noise on
    a dark image lifts its bright end: such an image may be found by ``noisy`` only.

    Args:
        darkest_white: an image whose bright end is below it is too dark.
        lightest_black: an image whose dark end is above it is washed out.

    Returns:
        Issues; the score is how far the end lies beyond its limit, as a share of 255.
    """
    darkest_white = checked_number("darkest_white", darkest_white, 0, 255)
    lightest_black = checked_number("lightest_black", lightest_black, 0, 255)
    ends = [
        np.quantile(grey.reshape(len(grey), -1), [0.01, 0.99], axis=1)
        for grey in _grey_blocks(dataset, "badly_lit")
        if len(grey)
    ]
    low, high = np.concatenate([np.empty((2, 0)), *ends], axis=1)
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
    """Images with a plain rectangle in them.

    Measured: the area of the largest filled rectangle of exactly one level that is neither among the
    image's darkest nor among its brightest 8 levels. So a rectangle of the colour of the ground or of
    the animal cannot be told from either, and one that was blurred or made noisy later is not plain any
    more: on ``animals`` 93 of 100 rectangles are found when nothing else is put in.

    Args:
        smallest_area: rectangles from this share of the image up are reported.

    Returns:
        Issues; the score is the area as a share of the image.
    """
    smallest_area = checked_number("smallest_area", smallest_area, 0, 1)
    items, areas, reasons = [], [], []
    whole = (image for grey in _grey_blocks(dataset, "occluded") for image in np.rint(grey).astype(np.int64))
    for item, image in enumerate(whole):
        least = max(4, smallest_area * image.size)
        counts = np.bincount(image.ravel(), minlength=256)
        counts[: image.min() + 9] = 0
        counts[max(0, image.max() - 8) :] = 0
        level = int(counts.argmax())
        if counts[level] < least:
            continue
        pieces, _ = ndimage.label(image == level)
        piece = np.bincount(pieces.ravel())[1:].argmax() + 1
        rows, columns = np.nonzero(pieces == piece)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        if len(rows) >= least and len(rows) >= 0.9 * height * width:
            items.append(item)
            areas.append(len(rows) / image.size)
            reasons.append(f"a plain {height} x {width} rectangle of level {level}")
    return issue_table("occluded", items, areas, reasons)


_LEVELS = 32  # grey levels are counted in steps of 8, so that faint noise does not count as content
_STEP = 256 // _LEVELS


def grey_entropy(grey: np.ndarray) -> np.ndarray:
    """Entropy of the grey levels of each image, in bits a pixel: H = -sum over levels of p log2 p.

    Levels are counted in 32 steps of 8, so H lies between 0 (all pixels in one step) and 5. It does not
    know where the pixels are: shuffling them changes nothing. Source: Shannon 1948.

    Args:
        grey: ``(n, height, width)`` in 0..255.

    Returns:
        ``(n,)`` bits a pixel.
    """
    steps = (grey.reshape(len(grey), grey.shape[1] * grey.shape[2]) // _STEP).astype(np.int64)
    places = steps + _LEVELS * np.arange(len(steps))[:, None]
    counts = np.bincount(places.ravel(), minlength=_LEVELS * len(steps)).reshape(len(steps), _LEVELS)
    shares = counts / steps.shape[1]
    logarithms = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.abs((shares * logarithms).sum(axis=1))


def low_information(
    dataset: Dataset, least_content: float = 0.01, least_entropy: float = 0.2
) -> pd.DataFrame:
    """Images that are blank, nearly blank, or of very small entropy.

    Measured: the share of pixels at least 8 levels from the image's median level, and the entropy of the
    grey levels (``grey_entropy``). The emptiest image of ``animals``, ``quickdraw``, ``digits`` and
    ``mnist-t10k`` has 5.6 % of such pixels and 0.41 bits: nothing real comes near the defaults. Noise and
    gradients have much entropy and say nothing: those are for ``noisy`` and ``outliers``.

    Args:
        least_content: images with a smaller share of such pixels are reported.
        least_entropy: bits a pixel, from 0 to 5; images below it are reported.

    Returns:
        Issues; the score is 1 for a plain image, and falls to 0 at both limits.
    """
    least_content = checked_number("least_content", least_content, 0, 1)
    least_entropy = checked_number("least_entropy", least_entropy, 0, 5)
    measured = [np.empty((3, 0))]
    for grey in _grey_blocks(dataset, "low_information"):
        if len(grey):
            flat = grey.reshape(len(grey), -1)
            middle = np.median(flat, axis=1)
            content = (np.abs(flat - middle[:, None]) >= _STEP).mean(axis=1)
            measured.append(np.stack([content, grey_entropy(grey), middle]))
    content, entropy, level = np.concatenate(measured, axis=1)
    items = np.flatnonzero((content < least_content) | (entropy < least_entropy))
    reasons = []
    for item in items:
        if content[item] == 0:
            reasons.append(f"plain: every pixel is about level {level[item]:.0f}")
        elif content[item] < least_content:
            reasons.append(
                f"nearly plain: only {content[item]:.1%} of it differs from level {level[item]:.0f}"
            )
        else:
            reasons.append(f"its grey levels hold {entropy[item]:.2f} bits a pixel")
    # Of the two measures the one that is further below its limit counts.
    left = np.minimum(
        content[items] / max(least_content, 1e-9),
        np.where(content[items] > 0, entropy[items] / max(least_entropy, 1e-9), 0),
    )
    return issue_table("low_information", items, 1 - np.clip(left, 0, 1), reasons)


DESCRIPTORS = (
    "mean level", "contrast", "highest level", "level at the border", "share of middle levels",
    "steps across", "steps down", "roughness",
    "centre, down", "centre, across", "spread down", "spread across", "slant",
    "pieces", "share of the largest piece", "holes", "outline for its area",
)  # fmt: skip
_REFERENCES = 5000  # neighbours are sought among at most so many items, which keeps the cost linear
_ROUNDS = 3
_FEWEST = 10  # items; among fewer nothing can be called unusual


def describe_images(grey: np.ndarray) -> np.ndarray:
    """Seventeen plain measurements of each image (``DESCRIPTORS``): light, edges, shape, pieces.

    Args:
        grey: ``(n, height, width)`` in 0..255.

    Returns:
        ``(n, 17)``, each column in its own unit.
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
            flat.mean(axis=1),
            flat.std(axis=1),
            flat.max(axis=1, initial=0),
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
    within = np.zeros((3, 3, 3), dtype=bool)  # neighbours in the same image only
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
    """Items far from all others: junk, and the strangest of the real ones.

    Measured: the distance to the k-th nearest neighbour (Ramaswamy, Rastogi and Shim 2000, "Efficient
    algorithms for mining outliers from large data sets"), where k is a share of the set; of its logarithm,
    how many robust standard deviations (from the median absolute deviation) it lies above the median.

    k is the point: junk comes in kinds, and fifty noise images are each other's neighbours. With k = 5 they
    look as common as any animal; with k at 4 % of the set, a kind must make up more than 4 % to hide itself.
    The price: so must a real class to be safe. What is found is set aside and the rest is measured again,
    three times in all: much junk makes unusual distances look usual. What is found is unusual, which is
    not the same as wrong: look at it.

    Args:
        dataset: the items; images if ``features`` is None.
        features: ``(n, d)`` numbers. They are compared by angle, so each row is scaled to length 1.
            None takes the seventeen descriptors of ``describe_images``, standardised.
        threshold: items above it are reported. None takes 3 for the descriptors and 2 for features.
            These were chosen on ``animals`` as published, where 2 to 4 images in a hundred are above
            the first, and 1 in a hundred above the second with the features of ``aigc_lab.evaluate``.
        neighbours: k as a share of the items, above 0 and at most 1.
        among: booleans ``(n,)``, the items to look at and to compare with; None takes all. Leave out
            what other detectors have found: many damaged images make a strange one look less so.
        seed: with more than 5,000 items, neighbours are sought among 5,000 drawn with this seed.
        lowest: report items above this score instead of above the threshold, to see both sides of it. The
            threshold still says which items are usual, so that the scores stay the same.

    Returns:
        Issues; the score is the number of robust standard deviations. Fewer than 10 items give none.

    Raises:
        ValueError: features or ``among`` of another length, NaN or infinite features, or a bad setting.
    """
    if threshold is None:
        threshold = 3.0 if features is None else 2.0
    threshold = checked_number("threshold", threshold, 0)
    neighbours = checked_number("neighbours", neighbours, 1e-9, 1)
    mask = np.ones(len(dataset), dtype=bool) if among is None else np.asarray(among)
    if mask.shape != (len(dataset),) or mask.dtype != bool:
        raise ValueError(f"among must be booleans of shape ({len(dataset)},), got {mask.dtype} {mask.shape}")
    places = np.flatnonzero(mask)
    points = _points(dataset, features)[places]
    if len(points) < _FEWEST:
        return issue_table("outliers", [], [], [])

    usual = np.ones(len(points), dtype=bool)
    for _ in range(_ROUNDS):
        scaled = points
        if features is None:  # each column with mean 0 and standard deviation 1 over the usual items
            spread = points[usual].std(axis=0)
            scaled = (points - points[usual].mean(axis=0)) / np.where(spread > 1e-9, spread, 1)
        distance = np.log(_neighbour_distance(scaled, usual, neighbours, seed) + 1e-6)
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


def _points(dataset: Dataset, features: Any) -> np.ndarray:
    if features is None:
        blocks = _grey_blocks(dataset, "outliers without features")
        return np.concatenate([describe_images(grey) for grey in blocks if len(grey)] or [np.empty((0, 17))])
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


# Each corruption that shows in the images, with the detector that looks for it.
DETECTORS: Mapping[str, Any] = MappingProxyType(
    {
        "exact_duplicate": exact_duplicates,
        "near_duplicate": near_duplicates,
        "junk": outliers,
        "blur": blurred,
        "noise": noisy,
        "brightness": badly_lit,
        "occlusion": occluded,
    }
)


def detect_all(dataset: Dataset, features: Any = None) -> dict[str, Any]:
    """Every detector's issues, keyed by the corruption it looks for.

    ``outliers`` comes last and looks only at what no other detector has found: many damaged images
    make a strange one look less strange. So its issues alone are not all the junk that was found:
    blank images are ``badly_lit``, noise is ``noisy``, a smooth gradient is ``blurred``.

    Args:
        dataset: images.
        features: ``(n, d)`` numbers for ``outliers``, or None for its own descriptors.
    """
    found = {name: find(dataset) for name, find in DETECTORS.items() if find is not outliers}
    unsuspected = np.ones(len(dataset), dtype=bool)
    for issues in found.values():
        unsuspected[issues["item"]] = False
    found["junk"] = outliers(dataset, features, among=unsuspected)
    return found
