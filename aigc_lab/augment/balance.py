"""Against class imbalance: show the rare classes more often, as they are or changed. Notebook 04."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from aigc_lab.augment.pictures import changed, pictures_or_raise
from aigc_lab.collect.dataset import Dataset


def oversample(dataset: Dataset, share: float = 1.0, transform: Any = None, seed: int = 0) -> Dataset:
    """The set followed by repeated items, until each class has ``share`` of the largest one's number.

    Items of a class are repeated in turn, in random order: none is used once more than another.
    Do this after the split and on the training part only, or copies land in the test part too.

    Args:
        dataset: labelled items of any kind.
        share: 1 makes all classes equally large; 0.5 makes none smaller than half of the largest.
        transform: layers that change the *repeated* pictures (see ``layers``), or None: plain copies.
        seed: of the choice and of the transform.

    Raises:
        ValueError: no labels, no items, ``share`` outside (0, 1], or a transform for something else
            than pictures.
    """
    labels = _labels_or_raise(dataset)
    if not 0 < share <= 1:
        raise ValueError(f"share must lie above 0 and at most at 1, got {share}")
    wanted = int(np.ceil(share * np.bincount(labels).max()))
    return _filled(dataset, wanted, transform, seed)


def balanced(dataset: Dataset, per_class: int, transform: Any = None, seed: int = 0) -> Dataset:
    """Exactly ``per_class`` items of each class that occurs: a random part of it, or repeats.

    Args and errors as for ``oversample``; ``per_class`` below 1 is refused.
    """
    labels = _labels_or_raise(dataset)
    if per_class < 1:
        raise ValueError(f"per_class must be at least 1, got {per_class}")
    random = np.random.default_rng(seed)
    chosen = [random.permutation(np.flatnonzero(labels == label))[:per_class] for label in np.unique(labels)]
    return _filled(dataset[np.concatenate(chosen)], per_class, transform, seed)


def _filled(dataset: Dataset, wanted: int, transform: Any, seed: int) -> Dataset:
    """The set followed by repeats, so that no class that occurs has fewer than ``wanted`` items."""
    random = np.random.default_rng(seed)
    more = [
        _in_turn(np.flatnonzero(dataset.labels == label), wanted - count, random)
        for label, count in enumerate(np.bincount(dataset.labels))
        if 0 < count < wanted
    ]
    extra = dataset[np.concatenate([*more, np.zeros(0, int)])]
    if transform is not None:
        pictures_or_raise(dataset)
        if len(extra):
            extra = replace(extra, data=changed(extra, transform, seed))
    return _joined(dataset, extra)


def _in_turn(items: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    rounds = -(-count // len(items))
    return np.concatenate([random.permutation(items) for _ in range(rounds)])[:count]


def _joined(first: Dataset, second: Dataset) -> Dataset:
    labels = np.concatenate([first.labels, second.labels])
    if first.modality == "text":
        return replace(first, data=(*first.data, *second.data), labels=labels)
    return replace(first, data=np.concatenate([first.data, second.data]), labels=labels)


def _labels_or_raise(dataset: Dataset) -> np.ndarray:
    if dataset.labels is None:
        raise ValueError("balancing needs labels; this set has none")
    if not len(dataset):
        raise ValueError("there is nothing to balance; the set is empty")
    return dataset.labels
