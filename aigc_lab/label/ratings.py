"""What several annotators said, as one matrix. Introduced in notebook 03."""

from __future__ import annotations

from typing import Any

import numpy as np

NO_LABEL = -1


def checked_ratings(ratings: Any, class_count: int | None = None, least: int = 2) -> tuple[np.ndarray, int]:
    """Class numbers ``(annotators, items)`` as integers, -1 where nothing was said, and how many classes.

    Args:
        ratings: ``(annotators, items)``, class numbers from 0; -1 or NaN is "no label".
        class_count: how many classes there are; by default those up to the largest number that occurs.
        least: annotators that are needed.

    Raises:
        ValueError: another shape, too few annotators, no labels at all, or numbers that are no classes.
    """
    numbers = np.asarray(ratings, dtype=float)
    if numbers.ndim != 2:
        raise ValueError(
            f"ratings must have one row for each annotator and one column for each item, got shape "
            f"{numbers.shape}"
        )
    if len(numbers) < least:
        raise ValueError(f"at least {least} annotators are needed, got {len(numbers)}; ask somebody else too")
    numbers = np.where(np.isnan(numbers), NO_LABEL, numbers)
    if not (np.isfinite(numbers).all() and (numbers == np.round(numbers)).all() and (numbers >= -1).all()):
        raise ValueError("ratings must be class numbers 0, 1, 2 …, and -1 or NaN where there is no label")
    whole = numbers.astype(int)
    if not (whole >= 0).any():
        raise ValueError("nobody has labelled anything; there is nothing to compare")
    found = int(whole.max()) + 1
    if class_count is not None and found > class_count:
        raise ValueError(f"a label is {found - 1}, but there are only {class_count} classes, counted from 0")
    return whole, class_count or found


def vote_counts(ratings: Any, class_count: int | None = None) -> np.ndarray:
    """How many annotators chose each class for each item: integers ``(items, classes)``.

    Raises:
        ValueError: see ``checked_ratings``.
    """
    whole, classes = checked_ratings(ratings, class_count, least=1)
    chosen = whole[:, :, None] == np.arange(classes)  # (annotators, items, classes)
    return chosen.sum(axis=0)
