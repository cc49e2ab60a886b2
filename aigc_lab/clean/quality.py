"""Find pictures that are blurred, noisy, badly lit or partly covered. Introduced in notebook 00.

Each detector computes one number a picture, in a unit that can be read, and compares it with a
threshold. The defaults were chosen on ``animals`` (every second unique picture against the same
pictures with the defect dialled in), about midway between the two; the docstrings say what was seen.
They suit small drawings and silhouettes on a plain ground. Photographs have soft and textured parts:
look at the scores there before trusting a default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from aigc_lab.clean.findings import checked_number, findings_table, grey_pictures
from aigc_lab.collect.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

# Second difference in both directions: zero on planes and straight edges along an axis, so what it
# shows in the calm part of a picture is noise. Immerkaer 1996, "Fast noise variance estimation", eq. 3.
_NOISE_MASK = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32) / 6


def blurred(dataset: Dataset, sharpest_step: float = 0.46) -> pd.DataFrame:
    """Pictures whose sharpest edge is soft.

    Measured: the largest step between two neighbouring pixels, as a share of the picture's contrast
    (brightest minus darkest). On ``animals`` it is at least 0.74 in pictures as published, at least 0.51
    in shifted and turned copies, and at most 0.43 after a dialled blur. Noise brings sharp steps back:
    a picture that is blurred and then noisy is not found. Pictures without any contrast are left to
    ``badly_lit``.

    Args:
        dataset: pictures of at least 8 x 8 pixels.
        sharpest_step: pictures below it are reported.

    Returns:
        Findings; the score is 1 - step.
    """
    sharpest_step = checked_number("sharpest_step", sharpest_step, 0, 1)
    grey = grey_pictures(dataset, "blurred")
    contrast = np.ptp(grey, axis=(1, 2))
    down, across = (np.abs(np.diff(grey, axis=axis)).max(axis=(1, 2)) for axis in (1, 2))
    steps = np.maximum(down, across)
    share = steps / np.maximum(contrast, 1)
    items = np.flatnonzero((share < sharpest_step) & (contrast >= 8))
    reasons = [f"its sharpest edge rises by {share[item]:.0%} of the contrast in one pixel" for item in items]
    return findings_table("blurred", items, 1 - share[items], reasons)


def noisy(dataset: Dataset, level: float = 1.5) -> pd.DataFrame:
    """Pictures that are rough even where they are calmest.

    Measured: the second difference in both directions (Immerkaer's mask, scaled so that independent
    noise keeps its standard deviation), and of its size the level that a fifth of the pixels stay below.
    On ``animals`` 99.9 % of the pictures as published are at most at 0.5 levels, and all with dialled
    noise at least at 2.3.

    Args:
        dataset: pictures of at least 8 x 8 pixels.
        level: pictures above it, in grey levels, are reported.

    Returns:
        Findings; the score is the measured level.
    """
    level = checked_number("level", level, 0, 255)
    grey = grey_pictures(dataset, "noisy")
    rough = np.abs(ndimage.convolve(grey, _NOISE_MASK[None], mode="nearest"))
    rough = rough.reshape(len(grey), grey.shape[1] * grey.shape[2])
    fifth = rough.shape[1] // 5
    calm = np.partition(rough, fifth, axis=1)[:, fifth]
    items = np.flatnonzero(calm > level)
    reasons = [f"four fifths of it are rougher than {calm[item]:.1f} levels" for item in items]
    return findings_table("noisy", items, calm[items], reasons)


def badly_lit(dataset: Dataset, darkest_white: float = 150, lightest_black: float = 100) -> pd.DataFrame:
    """Pictures that are too dark, or washed out, or show nothing at all.

    Measured: the levels that 99 % and 1 % of the pixels stay below. In ``animals`` as published the first
    is above 200 and the second 0; darkened pictures end at 128, washed out ones begin at 127. Noise on
    a dark picture lifts its bright end: such a picture may be found by ``noisy`` only.

    Args:
        dataset: pictures of at least 8 x 8 pixels.
        darkest_white: a picture whose bright end is below it is too dark.
        lightest_black: a picture whose dark end is above it is washed out.

    Returns:
        Findings; the score is how far the end lies beyond its limit, as a share of 255.
    """
    darkest_white = checked_number("darkest_white", darkest_white, 0, 255)
    lightest_black = checked_number("lightest_black", lightest_black, 0, 255)
    grey = grey_pictures(dataset, "badly_lit")
    flat = grey.reshape(len(grey), grey.shape[1] * grey.shape[2])
    low, high = np.quantile(flat, [0.01, 0.99], axis=1) if len(flat) else (np.empty(0), np.empty(0))
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
    return findings_table("badly_lit", items, np.maximum(too_dark, too_light)[items] / 255, reasons)


def occluded(dataset: Dataset, smallest_area: float = 0.03) -> pd.DataFrame:
    """Pictures with a plain rectangle in them.

    Measured: the area of the largest filled rectangle of exactly one level that is neither among the
    picture's darkest nor among its brightest 8 levels. So a rectangle of the colour of the ground or of
    the animal cannot be told from either, and one that was blurred or made noisy later is not plain any
    more: on ``animals`` 93 of 100 dialled rectangles are found when nothing else is dialled in.

    Args:
        dataset: pictures of at least 8 x 8 pixels.
        smallest_area: rectangles from this share of the picture up are reported.

    Returns:
        Findings; the score is the area as a share of the picture.
    """
    smallest_area = checked_number("smallest_area", smallest_area, 0, 1)
    items, areas, reasons = [], [], []
    for item, picture in enumerate(np.rint(grey_pictures(dataset, "occluded")).astype(np.int64)):
        least = max(4, smallest_area * picture.size)
        counts = np.bincount(picture.ravel(), minlength=256)
        counts[: picture.min() + 9] = 0
        counts[max(0, picture.max() - 8) :] = 0
        level = int(counts.argmax())
        if counts[level] < least:
            continue
        pieces, _ = ndimage.label(picture == level)
        piece = np.bincount(pieces.ravel())[1:].argmax() + 1
        rows, columns = np.nonzero(pieces == piece)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        if len(rows) >= least and len(rows) >= 0.9 * height * width:
            items.append(item)
            areas.append(len(rows) / picture.size)
            reasons.append(f"a plain {height} x {width} rectangle of level {level}")
    return findings_table("occluded", items, areas, reasons)
