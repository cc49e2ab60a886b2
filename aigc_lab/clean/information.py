"""Find pictures that show next to nothing. Introduced in notebook 02."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aigc_lab.clean.findings import checked_number, findings_table, grey_pictures
from aigc_lab.collect.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

_LEVELS = 32  # grey levels are counted in steps of 8, so that faint noise does not count as content
_STEP = 256 // _LEVELS
_BLOCK = 2048


def grey_entropy(grey: np.ndarray) -> np.ndarray:
    """Entropy of the grey levels of each picture, in bits a pixel: H = -sum over levels of p log2 p.

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
    """Pictures that are blank, nearly blank, or of very small entropy.

    Measured: the share of pixels at least 8 levels from the picture's median level, and the entropy of the
    grey levels (``grey_entropy``). The emptiest picture of ``animals``, ``quickdraw``, ``digits`` and
    ``mnist-t10k`` has 5.6 % of such pixels and 0.41 bits: nothing real comes near the defaults. Noise and
    gradients have much entropy and say nothing: those are for ``noisy`` and ``outliers``.

    Args:
        dataset: pictures of at least 8 x 8 pixels.
        least_content: pictures with a smaller share of such pixels are reported.
        least_entropy: bits a pixel, from 0 to 5; pictures below it are reported.

    Returns:
        Findings; the score is 1 for a plain picture, and falls to 0 at both limits.
    """
    least_content = checked_number("least_content", least_content, 0, 1)
    least_entropy = checked_number("least_entropy", least_entropy, 0, 5)
    content, entropy, level = [], [], []
    for start in range(0, max(1, len(dataset)), _BLOCK):
        grey = grey_pictures(dataset[start : start + _BLOCK], "low_information")
        flat = grey.reshape(len(grey), grey.shape[1] * grey.shape[2])
        middle = np.median(flat, axis=1, keepdims=True) if len(flat) else flat[:, :1]
        content.append((np.abs(flat - middle) >= _STEP).mean(axis=1))
        entropy.append(grey_entropy(grey))
        level.append(middle[:, 0])
    content, entropy, level = (np.concatenate(part) for part in (content, entropy, level))
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
    return findings_table("low_information", items, 1 - np.clip(left, 0, 1), reasons)
