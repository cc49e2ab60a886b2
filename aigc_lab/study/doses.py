"""A dose of a defect, given to the training part. Introduced in notebook 15.

For a defect of the dial the dose is the dial's rate. The others are what a study asks besides: fewer
items, several defects at once, a few items many times, a rare class, a model's own samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from aigc_lab.collect.dataset import Dataset
from aigc_lab.corrupt import IMAGE_CORRUPTIONS, CorruptionLog
from aigc_lab.corrupt import apply as apply_corruptions

REPEATED = 16  # items that ``repeats`` shows many times
MIXED = ("label_flip", "blur", "noise", "exact_duplicate", "near_duplicate", "junk")


@dataclass(frozen=True, eq=False)
class Dosed:
    """A training set after its dose.

    ``log`` knows what the dial did; ``marked`` are the pictures whose copies are counted (the repeated
    ones), uint8 ``(k, ...)``, or None.
    """

    dataset: Dataset
    log: CorruptionLog
    marked: np.ndarray | None = None


def _dialled(name: str) -> Callable[[Dataset, float, int], Dosed]:
    return lambda dataset, dose, seed: Dosed(*apply_corruptions(dataset, {name: dose}, seed))


def fewer_items(dataset: Dataset, dose: float, seed: int) -> Dosed:
    """The share ``dose`` of every class is taken away; the items that are left stay clean."""
    random = np.random.default_rng((seed, 1))
    kept = [
        random.permutation(np.flatnonzero(dataset.labels == label))[
            : round((1 - dose) * int((dataset.labels == label).sum()))
        ]
        for label in range(len(dataset.class_names))
    ]
    return Dosed(*apply_corruptions(dataset[np.sort(np.concatenate(kept))], {}, seed))


def mixed(dataset: Dataset, dose: float, seed: int) -> Dosed:
    """Six defects of the dial at the rate ``dose`` each: flips, blur, noise, both copies, junk."""
    return Dosed(*apply_corruptions(dataset, dict.fromkeys(MIXED, dose), seed))


def repeats(dataset: Dataset, dose: float, seed: int) -> Dosed:
    """``REPEATED`` items stand ``dose`` times in the set, all others once."""
    chosen = np.random.default_rng((seed, 2)).permutation(len(dataset))[:REPEATED]
    more = np.tile(chosen, round(dose) - 1)
    dirty, log = apply_corruptions(dataset[np.concatenate([np.arange(len(dataset)), more]).astype(int)], {}, seed)
    return Dosed(dirty, log, dataset.data[chosen])


def rare_class(dataset: Dataset, dose: float, seed: int) -> Dosed:
    """The first class makes up the share ``dose`` of the set; the size is the same for every dose."""
    random = np.random.default_rng((seed, 3))
    rare = random.permutation(np.flatnonzero(dataset.labels == 0))
    rest = random.permutation(np.flatnonzero(dataset.labels != 0))
    total = min(2 * len(rare), len(rest))
    few = round(dose * total)
    if few > len(rare):
        raise ValueError(
            f"{dose:g} of {total} items need {few} of class {dataset.class_names[0]}, which has {len(rare)}"
        )
    return Dosed(*apply_corruptions(dataset[np.sort(np.concatenate([rare[:few], rest[: total - few]]))], {}, seed))


def own_samples(dataset: Dataset, dose: float, seed: int) -> Dosed:
    """The first generation is trained on the set as it is: see ``runs.generations`` for the others."""
    return Dosed(*apply_corruptions(dataset, {}, seed))


DEFECTS: dict[str, Callable[[Dataset, float, int], Dosed]] = {
    **{name: _dialled(name) for name in IMAGE_CORRUPTIONS},
    "fewer_items": fewer_items,
    "mixed": mixed,
    "repeats": repeats,
    "rare_class": rare_class,
    "own_samples": own_samples,
}
# What cleaning can mend: missing items cannot be cleaned back.
CLEANABLE = (*(name for name in IMAGE_CORRUPTIONS if name != "imbalance"), "mixed", "repeats")


def checked_dose(defect: str, dose: float) -> float:
    """The dose as a float.

    Raises:
        ValueError: not a share from 0 to 1; for ``repeats`` no whole number from 1 up (0 is the clean set);
            for ``fewer_items`` and ``rare_class`` also 1, which leaves nothing.
    """
    number = float(dose)
    if defect == "repeats":
        if number != 0 and not (math.isfinite(number) and number == round(number) and number >= 1):
            raise ValueError(f"a dose of 'repeats' is how often an item stands in the set, got {dose!r}")
        return number
    if not 0 <= number <= 1:
        raise ValueError(f"a dose of {defect!r} must be a number from 0 to 1, got {dose!r}")
    if number == 1 and defect in ("fewer_items", "rare_class"):
        raise ValueError(f"a dose of 1 of {defect!r} leaves nothing to learn from; choose a smaller one")
    return number


def give(dataset: Dataset, defect: str, dose: float, seed: int) -> Dosed:
    """The training set after ``dose`` of ``defect``; defect ``none`` or dose 0 leaves it as it is."""
    if defect == "none" or dose == 0:
        return Dosed(*apply_corruptions(dataset, {}, seed))
    return DEFECTS[defect](dataset, checked_dose(defect, dose), seed)


def balanced_part(dataset: Dataset, items: int, seed: int) -> Dataset:
    """``items`` of the set at random, as equally many of each class as possible.

    Raises:
        ValueError: a class has too few; the message says how many items are possible.
    """
    random = np.random.default_rng((seed, 0))
    classes = len(dataset.class_names)
    wanted = [items // classes + (label < items % classes) for label in range(classes)]
    counts = dataset.counts()
    for (name, count), want in zip(counts.items(), wanted, strict=True):
        if count < want:
            raise ValueError(
                f"{items} items need {want} of class {name}, and the training pool has {count}; "
                f"use at most {classes * min(counts.values())} items"
            )
    chosen = [
        random.permutation(np.flatnonzero(dataset.labels == label))[:want]
        for label, want in enumerate(wanted)
    ]
    return dataset[random.permutation(np.concatenate(chosen))]


def checked_classes(dataset: Dataset, cell: Any) -> Dataset:
    """The set, if every class has an item.

    Raises:
        ValueError: a class is gone; the message names it and the run.
    """
    gone = [name for name, count in dataset.counts().items() if not count]
    if gone:
        raise ValueError(
            f"class {gone[0]} has no training item left in the run {cell}; choose a smaller dose"
        )
    return replace(dataset)
