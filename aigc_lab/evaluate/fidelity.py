"""How near one photograph is to another: PSNR and SSIM on luminance, and how alike their edges are.

The rules of the super-resolution literature: colour is left out (luminance Y of BT.601, from 16 to 235),
and as many pixels as the scale factor are cut off at each border. Introduced in notebook 10.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aigc_lab.evaluate.intervals import Score, centred

# BT.601 for R, G and B in [0, 1]: black is 16, white is 235.
_LUMINANCE = np.array([65.481, 128.553, 24.966])


def luminance(picture: np.ndarray) -> np.ndarray:
    """Luminance Y of ITU-R BT.601 in grey levels from 16 to 235, float64 ``(height, width)``.

    Args:
        picture: uint8, uint16, or float in [0, 1]; grey ``(height, width)``, RGB or RGBA; alpha is ignored.

    Raises:
        ValueError: another shape or type, an empty picture, NaN or values outside [0, 1].
    """
    values = _unit_range(picture)
    if values.ndim == 2:
        return 16.0 + values * _LUMINANCE.sum()
    return 16.0 + values[..., :3] @ _LUMINANCE


def psnr(original: np.ndarray, other: np.ndarray, border: int = 0) -> float:
    """Peak signal-to-noise ratio of the luminance in decibels: 10 log10(255² / mean squared error).

    10 dB are a tenth of the squared error; equal pictures give infinity.

    Args:
        original, other: pictures of one shape, as ``luminance`` takes them.
        border: pixels cut off on each side first; the literature cuts as many as the scale factor.

    Raises:
        ValueError: different shapes, or nothing left inside the border.
    """
    first, second = (luminance(each) for each in checked_pair(original, other, border))
    error = np.mean((first - second) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255.0**2 / error))


def ssim(original: np.ndarray, other: np.ndarray, border: int = 0) -> float:
    """Structural similarity of the luminance, 1 for equal pictures: Wang and others 2004, equation 13.

    Means, variances and covariance under a Gaussian window (11 x 11, standard deviation 1.5), constants
    (0.01 · 255)² and (0.03 · 255)², averaged over the windows that lie inside the picture.

    Raises:
        ValueError: as ``psnr``, or less than 11 pixels a side.
    """
    from scipy.ndimage import correlate1d

    first, second = (luminance(each) for each in checked_pair(original, other, border, least=11))
    window = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    window /= window.sum()

    def local_mean(values: np.ndarray) -> np.ndarray:
        return correlate1d(correlate1d(values, window, axis=0), window, axis=1)[5:-5, 5:-5]

    mean_1, mean_2 = local_mean(first), local_mean(second)
    variance_1 = local_mean(first**2) - mean_1**2
    variance_2 = local_mean(second**2) - mean_2**2
    covariance = local_mean(first * second) - mean_1 * mean_2
    one, two = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = (2 * mean_1 * mean_2 + one) * (2 * covariance + two)
    values /= (mean_1**2 + mean_2**2 + one) * (variance_1 + variance_2 + two)
    return float(values.mean())


def edge_distance(original: np.ndarray, other: np.ndarray, border: int = 0) -> float:
    """Wasserstein-1 distance of the strengths of edges, in grey levels a pixel: 0 where they are alike.

    The strength is the length of the gradient of the luminance. Only its distribution counts, not where
    an edge lies: a picture that is too soft or too sharp as a whole is far, one whose texture is invented
    but right in kind is near. No trained network judges here. It is a divergence of distributions, as
    Blau and Michaeli 2018 (arXiv 1711.06077) ask of a measure of perception, though a very plain one.

    Raises:
        ValueError: as ``psnr``, or less than 2 pixels a side.
    """
    strengths = []
    for picture in checked_pair(original, other, border, least=2):
        down, right = np.gradient(luminance(picture))
        strengths.append(np.sort(np.hypot(down, right), axis=None))
    return float(np.mean(np.abs(strengths[0] - strengths[1])))


def paired_interval(
    differences: Sequence[float], name: str = "", unit: str = "", seed: int = 0, repeats: int = 5000
) -> Score:
    """Mean of paired differences, one a picture, with its 95 % bootstrap interval over the pictures.

    It says how the mean would change with other pictures of the same kind; it holds nothing of how the
    score changes when the training is repeated (see ``seed_interval``).

    Raises:
        ValueError: fewer than two differences, or NaN or infinite ones.
    """
    values = np.asarray(differences, dtype=float)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(
            f"paired_interval needs one difference for each of two pictures or more, got {values.size}"
        )
    if not np.isfinite(values).all():
        raise ValueError(
            "paired_interval got NaN or infinite differences; find out which picture causes them"
        )
    drawn = np.random.default_rng(seed).integers(0, len(values), (repeats, len(values)))
    low, high = centred(float(values.mean()), values[drawn].mean(axis=1), 0.95)
    method = f"paired bootstrap over {len(values)} pictures"
    return Score(float(values.mean()), low, high, name, unit, method=method)


def checked_pair(
    original: np.ndarray, other: np.ndarray, border: int = 0, least: int = 1
) -> list[np.ndarray]:
    """Two pictures of one shape as float64 in [0, 1], without their border.

    Raises:
        ValueError: what is wrong with them, in one sentence.
    """
    if np.shape(original) != np.shape(other):
        raise ValueError(
            f"both pictures must have one shape, got {np.shape(original)} and {np.shape(other)}; "
            "crop the original to a multiple of the scale first"
        )
    if border < 0:
        raise ValueError(f"border must not be negative, got {border}")
    pictures = [_unit_range(each) for each in (original, other)]
    sides = [side - 2 * border for side in pictures[0].shape[:2]]
    if min(sides) < least:
        raise ValueError(
            f"at least {least} pixels a side must be left inside the border, got {sides[0]} x {sides[1]}; "
            "take a larger picture or a smaller border"
        )
    return [each[border : border + sides[0], border : border + sides[1]] for each in pictures]


def _unit_range(picture: np.ndarray) -> np.ndarray:
    values = np.asarray(picture)
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (3, 4)) or not values.size:
        raise ValueError(
            f"a picture must have shape (height, width), (height, width, 3) or (…, 4), got {values.shape}"
        )
    if values.dtype in (np.uint8, np.uint16):
        return values / float(np.iinfo(values.dtype).max)
    if values.dtype.kind != "f":
        raise ValueError(f"a picture must be uint8, uint16 or float in [0, 1], got {values.dtype}")
    if not np.isfinite(values).all() or values.min() < -1e-6 or values.max() > 1 + 1e-6:
        raise ValueError("a float picture must be finite and lie in [0, 1]; clip it, or divide by 255")
    return values.astype("float64")
