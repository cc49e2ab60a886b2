"""What the dial refuses, each with one sentence that says why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real

import numpy as np

from aigc_lab.collect.dataset import Dataset, unknown_name
from aigc_lab.corrupt.pictures import SMALLEST_SIDE

NEED_LABELS = ("imbalance", "label_flip")
NEED_PICTURES = ("occlusion", "brightness", "blur", "noise")
NEED_TEXT = ("personal_data", "boilerplate", "unnormalised", "mojibake", "foreign_language")
NEED_SOMETHING_SEEN = (*NEED_PICTURES, "near_duplicate", "junk")  # what a tiny picture has no room for


def checked_rates(rates: Mapping[str, float], known: tuple[str, ...]) -> dict[str, float]:
    """Every corruption with its rate, 0 where none is given, in the order of application."""
    for name, rate in rates.items():
        if name not in known:
            raise unknown_name("corruption", name, known)
        number = isinstance(rate, Real) and not isinstance(rate, (bool, np.bool_))
        if not number or not math.isfinite(rate) or not 0 <= rate <= 1:
            raise ValueError(f"the rate of {name!r} must be a number from 0 to 1, got {rate!r}")
    return {name: float(rates.get(name, 0.0)) for name in known}


def checked_seed(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f"the seed must be a whole number from 0 up, got {seed!r}")
    return int(seed)


def check_fits(dataset: Dataset, active: list[str]) -> None:
    for name in active:
        if name in NEED_PICTURES and dataset.modality != "images":
            raise ValueError(f"{name!r} is for images; the data set holds {dataset.modality}")
        if name in NEED_LABELS:
            if dataset.labels is None:
                raise ValueError(f"{name!r} needs labels, and the data set {dataset.card.name!r} has none")
            if len(dataset.class_names) < 2:
                named = len(dataset.class_names)
                raise ValueError(f"{name!r} needs at least two classes, and the data set has {named}")
            if name == "imbalance" and len(dataset) and len(np.unique(dataset.labels)) < 2:
                raise ValueError("'imbalance' needs items of at least two classes, and all items are of one")
        if name in NEED_TEXT and dataset.modality != "text":
            raise ValueError(f"{name!r} is for text; the data set holds {dataset.modality}")
        if name in NEED_SOMETHING_SEEN and dataset.modality != "text":
            if dataset.modality != "images":
                raise ValueError(f"{name!r} is for images or text; the data set holds {dataset.modality}")
            if min(dataset.data.shape[1:3]) < SMALLEST_SIDE:
                shape = " x ".join(str(side) for side in dataset.data.shape[1:3])
                raise ValueError(f"{name!r} needs pictures of at least 8 x 8 pixels, and these are {shape}")
