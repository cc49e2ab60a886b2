"""What needs no reference set or only its counts: sharpness, and the classes that are drawn.

Introduced in notebook 14 (sharpness in 09).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc_lab.evaluate.embedding import classify
from aigc_lab.evaluate.intervals import Score, mean_interval, share
from aigc_lab.evaluate.network import GROUPS

_FAIR = 0.25  # a class counts as covered from a quarter of its fair share


def sharpness(pictures: Any, level: float = 0.95) -> Score:
    """Mean absolute difference of neighbouring pixels, across plus down, averaged over the pictures.

    Compare with that of real pictures. Blur lowers it and noise raises it, so neither way is better.

    Args:
        pictures: ``uint8`` 0 to 255 or floats in [0, 1]; (n, h, w) or (n, h, w, channels).

    Returns:
        grey levels, as a share of the whole range, with a normal interval over the pictures.

    Raises:
        ValueError: no pictures or only one, NaN, or another shape.
    """
    table = np.asarray(pictures)
    if table.ndim not in (3, 4) or len(table) < 2 or min(table.shape[1:3]) < 2:
        raise ValueError(f"sharpness needs at least 2 pictures (n, h, w) of 2 x 2 pixels, got {table.shape}")
    table = table / 255 if table.dtype == np.uint8 else table.astype(float)
    if not np.isfinite(table).all():
        raise ValueError("the pictures hold NaN or infinite values; find out which ones first")
    steps = [np.abs(np.diff(table, axis=axis)).reshape(len(table), -1).mean(axis=1) for axis in (1, 2)]
    return mean_interval(steps[0] + steps[1], "sharpness", "grey levels", "", level)


@dataclass(frozen=True, eq=False)
class ClassShares:
    """Which classes samples are taken for.

    names: of the classes; shares: of the samples ``(k,)``; wanted: of the reference ``(k,)``.
    covered: share of the classes that got at least a quarter of what they should have.
    apart: total variation distance of the two rows of shares: the share of the samples that would have
        to change class to put things right.
    """

    names: tuple[str, ...]
    shares: np.ndarray
    wanted: np.ndarray
    covered: Score
    apart: float

    @property
    def missing(self) -> tuple[str, ...]:
        """Classes that got less than a quarter of what they should have."""
        short = self.shares < _FAIR * self.wanted
        return tuple(name for name, each in zip(self.names, short, strict=True) if each)


def class_shares(
    pictures: Any, among: str, reference: Any = None, names: tuple[str, ...] = (), level: float = 0.95
) -> ClassShares:
    """Count the classes that the frozen network takes pictures for, against what there should be.

    Args:
        pictures: see ``evaluate.classify``.
        among: ``"animals"``, ``"quickdraw"`` or ``"digits"``.
        reference: real pictures whose shares are the wanted ones, counted by the same network, so
            that its own errors cancel to first order. None: all classes equally.
        names: the classes that should occur; by default all of ``among``. Others get no share.

    Raises:
        ValueError: no pictures, or classes that the network does not know.

    Introduced in notebook 14.
    """
    known = tuple(GROUPS[among]) if among in GROUPS else ()
    names = tuple(names) or known
    strange = [name for name in names if name not in known]
    if not known or strange:
        what = f"no set {among!r}" if not known else f"no {strange[0]!r} among {among}"
        raise ValueError(f"the network knows {what}; it knows {', '.join(known or GROUPS)}")
    chosen = [known.index(name) for name in names]

    def counted(items: Any) -> np.ndarray:
        found = classify(items, among)[:, chosen].argmax(axis=1)
        if not len(found):
            raise ValueError("there are no pictures to count classes of; draw some samples first")
        return np.bincount(found, minlength=len(names)) / len(found)

    shares = counted(pictures)
    wanted = np.full(len(names), 1 / len(names)) if reference is None else counted(reference)
    covered = int((shares >= _FAIR * wanted).sum())
    return ClassShares(
        names,
        shares,
        wanted,
        share(covered, len(names), "class coverage", level),
        float(np.abs(shares - wanted).sum() / 2),
    )
