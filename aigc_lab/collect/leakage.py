"""Items of the test set that the training set holds already. Introduced in notebook 01."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_lab.collect.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd


def leaks(train: Dataset, test: Dataset, key: Callable[[Any], Hashable] | None = None) -> pd.DataFrame:
    """The items of ``test`` whose content lies in ``train`` too: a model may know them by heart.

    Args:
        train: what a model learns from.
        test: what it is judged by.
        key: what makes two items the same; None: all their content. ``lambda text: text.split("\\t")[0]``
            finds texts with the same question, ``lambda picture: (picture // 64).tobytes()`` pictures that
            agree in four grey levels.

    Returns:
        A findings table, one row for each such item, so that ``clean.apply(test, leaks(train, test))`` drops
        them: ``item`` (position in ``test``), ``score`` (1), ``reason``, ``detector`` and ``train_item`` (the
        first equal item of ``train``).

    Raises:
        ValueError: sets of different kinds, or a key that gives something that cannot be compared.
    """
    import pandas as pd

    if train.modality != test.modality:
        raise ValueError(f"the training set holds {train.modality} and the test set {test.modality}")
    first: dict[Hashable, int] = {}
    for place, known in enumerate(_keys(train, key)):
        first.setdefault(known, place)
    what = "equals" if key is None else "has the same key as"
    both = [(place, first[known]) for place, known in enumerate(_keys(test, key)) if known in first]
    reasons = [f"{what} item {one} of the training set{_note(train, one, test, two)}" for two, one in both]
    return pd.DataFrame(
        {
            "item": np.array([two for two, _ in both], dtype=np.int64),
            "score": np.ones(len(both)),
            "reason": pd.Series(reasons, dtype=object),
            "detector": pd.Series(["leaks"] * len(both), dtype=object),
            "train_item": np.array([one for _, one in both], dtype=np.int64),
        }
    )


def _keys(dataset: Dataset, key: Callable[[Any], Hashable] | None) -> list[Hashable]:
    if key is None:
        # Pictures of different sizes may have the same bytes.
        shape = () if dataset.modality == "text" else dataset.data.shape[1:]
        return [(shape, digest) for digest in dataset.hashes()]
    keys = [key(item) for item in dataset.data]
    for value in keys[:1]:
        if not isinstance(value, Hashable):
            kind = type(value).__name__
            raise ValueError(f"the key gives a {kind}, which cannot be compared; give bytes, str or a tuple")
    return keys


def _note(train: Dataset, one: int, test: Dataset, two: int) -> str:
    if train.labels is None or test.labels is None:
        return ""
    known, asked = train.class_names[train.labels[one]], test.class_names[test.labels[two]]
    return "" if known == asked else f", which is labelled {known} and this one {asked}"
