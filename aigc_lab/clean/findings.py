"""The findings table that every detector returns, and its score against the truth.

Introduced in notebook 00.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_lab.collect.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

SMALLEST_SIDE = 8  # pixels


def findings_table(
    detector: str,
    items: Sequence[int] | np.ndarray,
    scores: Sequence[float] | np.ndarray,
    reasons: Sequence[str],
    duplicate_of: Sequence[int] | np.ndarray | None = None,
) -> pd.DataFrame:
    """A table of findings, the surest first: ``item``, ``score`` (larger is surer), ``reason``, ``detector``.

    Duplicates have one more column, ``duplicate_of``: the earlier item that stays.
    """
    import pandas as pd  # here, because it is slow to import

    table = pd.DataFrame(
        {
            "item": np.asarray(items, dtype=np.int64),
            "score": np.asarray(scores, dtype=np.float64),
            "reason": pd.Series(list(reasons), dtype=object),
            "detector": pd.Series([detector] * len(reasons), dtype=object),
        }
    )
    if duplicate_of is not None:
        table["duplicate_of"] = np.asarray(duplicate_of, dtype=np.int64)
    return table.sort_values(["score", "item"], ascending=[False, True], ignore_index=True)


def score(findings: Any, truth_mask: np.ndarray) -> dict[str, float]:
    """How well findings match the truth.

    Precision is the share of the found items that are true; recall the share of the true items that
    were found. A share of nothing is not a number: precision is NaN if nothing was found, recall is
    NaN if nothing is true.

    Args:
        findings: a findings table (an item found twice counts once).
        truth_mask: booleans ``(n,)``, for example ``ledger.mask("blur")``.

    Returns:
        ``precision``, ``recall``, ``found`` (items) and ``true`` (items).

    Raises:
        ValueError: a mask that is no vector of booleans, or is shorter than the items found.
    """
    truth = np.asarray(truth_mask)
    if truth.ndim != 1 or truth.dtype != bool:
        raise ValueError(f"truth_mask must be booleans of shape (n,), got {truth.dtype} {truth.shape}")
    items = np.unique(np.asarray(findings["item"], dtype=np.int64))
    if len(items) and (items[0] < 0 or items[-1] >= len(truth)):
        raise ValueError(f"the findings name item {items[-1]}, but truth_mask has {len(truth)} items")
    hits = int(truth[items].sum())
    return {
        "precision": hits / len(items) if len(items) else float("nan"),
        "recall": hits / int(truth.sum()) if truth.any() else float("nan"),
        "found": len(items),
        "true": int(truth.sum()),
    }


def grey_pictures(dataset: Dataset, wanted_by: str) -> np.ndarray:
    """The pictures as ``float32`` ``(n, height, width)`` in 0..255; channels are averaged.

    Raises:
        ValueError: no pictures, or pictures smaller than 8 x 8 pixels.
    """
    if dataset.modality != "images":
        raise ValueError(f"{wanted_by} looks at images, and the data set holds {dataset.modality}")
    if min(dataset.data.shape[1:3]) < SMALLEST_SIDE:
        shape = " x ".join(str(side) for side in dataset.data.shape[1:3])
        raise ValueError(f"{wanted_by} needs pictures of at least 8 x 8 pixels, and these are {shape}")
    pictures = dataset.data.astype(np.float32)
    return pictures if pictures.ndim == 3 else pictures.mean(axis=-1)


def checked_number(name: str, value: float, low: float, high: float = float("inf")) -> float:
    """``value``, if it is a number from low to high.

    Raises:
        ValueError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not low <= value <= high:
        raise ValueError(f"{name} must be a number from {low:g} to {high:g}, got {value!r}")
    return float(value)
