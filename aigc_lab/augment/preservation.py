"""Does a transform keep the label? A classifier that never saw the pictures is asked. Notebook 04."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from aigc_lab.augment.pictures import changed, pictures_or_raise
from aigc_lab.collect.dataset import Dataset


def label_preservation(
    dataset: Dataset, transform: Any, judge: Callable[[np.ndarray], np.ndarray], seed: int = 0
) -> Any:
    """Share of each class that a judge still recognises after the transform.

    Only pictures that the judge had right *before* are counted in ``kept``, so its own errors are
    not blamed on the transform. A judge that never met a transform may also fail where a person
    does not: a low number is a reason to look, a high one is evidence.

    Args:
        dataset: labelled pictures that the judge was not trained on.
        transform: layers as ``augment.layers`` makes them, applied to every picture once.
        judge: pictures uint8 ``(n, height, width[, channels])`` -> class numbers ``(n,)`` or
            probabilities ``(n, classes)``, in the order of ``dataset.class_names``.
        seed: of the transform.

    Returns:
        pandas table, one row a class and a last row ``"all"``: ``class``, ``items`` (right before
        the change), ``kept`` (share of them that is right after it; NaN where there are none) and
        ``taken_for`` (the most frequent wrong answer, or an empty text).

    Raises:
        ValueError: no pictures, no labels, or answers of another number than the pictures.
    """
    import pandas as pd

    pictures_or_raise(dataset)
    if dataset.labels is None:
        raise ValueError("label_preservation needs labels; this set has none")
    before = _answers(judge, dataset.data)
    after = _answers(judge, changed(dataset, transform, seed))
    right = before == dataset.labels
    rows = []
    for number, name in [*enumerate(dataset.class_names), (None, "all")]:
        chosen = right if number is None else right & (dataset.labels == number)
        kept = after[chosen] == dataset.labels[chosen]
        wrong = after[chosen][~kept]
        taken_for = dataset.class_names[np.bincount(wrong).argmax()] if len(wrong) else ""
        share = float(kept.mean()) if len(kept) else float("nan")
        taken_for = "" if number is None else taken_for
        rows.append({"class": name, "items": len(kept), "kept": share, "taken_for": taken_for})
    return pd.DataFrame(rows)


def _answers(judge: Callable[[np.ndarray], np.ndarray], pictures: np.ndarray) -> np.ndarray:
    answers = np.asarray(judge(pictures))
    if answers.ndim == 2:
        answers = answers.argmax(axis=1)
    if answers.shape != (len(pictures),):
        raise ValueError(f"the judge gave answers of shape {answers.shape} for {len(pictures)} pictures")
    return answers.astype(int)
