"""Image quality: PSNR, SSIM and the distance of edges between two images; sharpness of a set.

Pairs follow the rules of the super-resolution literature: colour is left out (luminance Y of BT.601, 16 to
235), and as many pixels as the scale factor are cut off at each border. Introduced in notebook 10, sharpness
in notebook 14.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from aigc_lab.evaluate.intervals import Score, mean_interval

# BT.601 for R, G and B in [0, 1]: black is 16, white is 235.
_LUMINANCE = np.array([65.481, 128.553, 24.966])


def luminance(image: np.ndarray) -> np.ndarray:
    """Luminance Y of ITU-R BT.601 in grey levels from 16 to 235, float64 ``(height, width)``.

    Args:
        image: uint8, uint16, or float in [0, 1]; grey ``(height, width)``, RGB or RGBA; alpha is ignored.

    Raises:
        ValueError: another shape or type, an empty image, NaN or values outside [0, 1].
    """
    values = _unit_range(image)
    if values.ndim == 2:
        return 16.0 + values * _LUMINANCE.sum()
    return 16.0 + values[..., :3] @ _LUMINANCE


def psnr(original: np.ndarray, other: np.ndarray, border: int = 0) -> float:
    """Peak signal-to-noise ratio of the luminance in decibels: 10 log10(255² / mean squared error).

    10 dB are a tenth of the squared error; equal images give infinity.

    Args:
        original, other: images of one shape, as ``luminance`` takes them.
        border: pixels cut off on each side first; the literature cuts as many as the scale factor.

    Raises:
        ValueError: different shapes, or nothing left inside the border.
    """
    first, second = (luminance(each) for each in image_pair(original, other, border))
    error = np.mean((first - second) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255.0**2 / error))


def ssim(original: np.ndarray, other: np.ndarray, border: int = 0) -> float:
    """Structural similarity of the luminance, 1 for equal images: Wang and others 2004, equation 13.

    Gaussian window (11 x 11, standard deviation 1.5), constants (0.01 · 255)² and (0.03 · 255)², averaged
    over the windows that lie inside the image; computed by scikit-image.

    Raises:
        ValueError: as ``psnr``, or less than 11 pixels a side.
    """
    from skimage.metrics import structural_similarity

    first, second = (luminance(each) for each in image_pair(original, other, border, least=11))
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    return float(structural_similarity(first, second, full=True, **options)[1][5:-5, 5:-5].mean())


def edge_distance(original: np.ndarray, other: np.ndarray, border: int = 0) -> float:
    """Wasserstein-1 distance of the strengths of edges, in grey levels a pixel: 0 where they are alike.

    The strength is the length of the gradient of the luminance. Only its distribution counts, not where
    an edge lies: an image that is too soft or too sharp as a whole is far, one whose texture is invented
    but right in kind is near. No trained network judges here. It is a divergence of distributions, as
    Blau and Michaeli 2018 (arXiv 1711.06077) ask of a measure of perception, though a very plain one.

    Raises:
        ValueError: as ``psnr``, or less than 2 pixels a side.
    """
    from scipy.stats import wasserstein_distance

    images = image_pair(original, other, border, least=2)
    return float(wasserstein_distance(*(np.hypot(*np.gradient(luminance(each))).ravel() for each in images)))


def sharpness(images: Any) -> Score:
    """Mean absolute difference of neighbouring pixels, across plus down, averaged over the images.

    Compare with that of real images. Blur lowers it and noise raises it, so neither way is better.

    Args:
        images: ``uint8`` 0 to 255 or floats in [0, 1]; (n, h, w) or (n, h, w, channels), n at least 2.

    Returns:
        grey levels, as a share of the whole range, with a normal interval over the images.

    Raises:
        ValueError: no images or only one, NaN, or another shape.
    """
    table = np.asarray(images)
    if table.ndim not in (3, 4) or len(table) < 2 or min(table.shape[1:3]) < 2:
        raise ValueError(f"sharpness needs at least 2 images (n, h, w) of 2 x 2 pixels, got {table.shape}")
    table = table / 255 if table.dtype == np.uint8 else table.astype(float)
    steps = [np.abs(np.diff(table, axis=axis)).reshape(len(table), -1).mean(axis=1) for axis in (1, 2)]
    return mean_interval(steps[0] + steps[1], "sharpness", "grey levels")


def loose_ends(images: Any) -> Score:
    """Mean number of loose ends of the strokes of a drawing: where a line of its skeleton stops.

    Broken and trembling lines have more than a hand draws. The strokes, brighter than one half, are
    thinned to one pixel by scikit-image (Zhang and Suen 1984); a loose end has one neighbour of eight.
    Introduced in notebook 22.

    Args:
        images: grey drawings, light on black: ``uint8`` or floats in [0, 1], (n, h, w) or (n, h, w, 1).

    Returns:
        ends an image, with a normal interval over the images. Compare with that of real drawings.

    Raises:
        ValueError: fewer than two images, colour, NaN, or another shape.
    """
    from scipy import ndimage
    from skimage.morphology import skeletonize

    table = np.asarray(images)
    table = table[..., 0] if table.ndim == 4 and table.shape[3] == 1 else table  # (n, h, w, 1) -> (n, h, w)
    if table.ndim != 3 or len(table) < 2:
        raise ValueError(f"loose_ends needs at least 2 grey images (n, h, w), got {np.shape(images)}")
    if table.dtype.kind == "f" and not np.isfinite(table).all():
        raise ValueError("the images hold NaN or infinite values; drop or repair those items first")
    ink = table > 0.5 * (255 if table.dtype == np.uint8 else 1)
    lines = np.stack([skeletonize(each) for each in ink])
    around = ndimage.convolve(lines.astype("uint8"), np.ones((1, 3, 3), "uint8"), mode="constant")
    ends = (lines & (around == 2)).sum(axis=(1, 2))  # itself and one neighbour
    return mean_interval(ends.astype(float), "loose ends", "an image")


def image_pair(original: np.ndarray, other: np.ndarray, border: int = 0, least: int = 1) -> list[np.ndarray]:
    """Two images of one shape as float64 in [0, 1], without their border.

    Raises:
        ValueError: what is wrong with them, in one sentence.
    """
    if np.shape(original) != np.shape(other):
        raise ValueError(
            f"both images must have one shape, got {np.shape(original)} and {np.shape(other)}; "
            "crop the original to a multiple of the scale first"
        )
    images = [_unit_range(each) for each in (original, other)]
    sides = [side - 2 * border for side in images[0].shape[:2]]
    if border < 0 or min(sides) < least:
        raise ValueError(
            f"at least {least} pixels a side must be left inside the border, got {sides[0]} x {sides[1]}; "
            "take a larger image or a smaller border"
        )
    return [each[border : border + sides[0], border : border + sides[1]] for each in images]


def _unit_range(image: np.ndarray) -> np.ndarray:
    values = np.asarray(image)
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (3, 4)) or not values.size:
        raise ValueError(
            f"an image must have shape (height, width), (height, width, 3) or (…, 4), got {values.shape}"
        )
    if values.dtype in (np.uint8, np.uint16):
        return values / float(np.iinfo(values.dtype).max)
    if values.dtype.kind != "f":
        raise ValueError(f"an image must be uint8, uint16 or float in [0, 1], got {values.dtype}")
    if not np.isfinite(values).all() or values.min() < -1e-6 or values.max() > 1 + 1e-6:
        raise ValueError("a float image must be finite and lie in [0, 1]; clip it, or divide by 255")
    return values.astype("float64")
