"""What a run does against the defect before it trains: stages of the pipeline, or an oracle. Notebook 15."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from aigc_lab import clean, evaluate, label
from aigc_lab.collect.dataset import Dataset
from aigc_lab.study.doses import Dosed

STAGES = ("clean", "label", "augment")
_DROPPED_BY_ORACLE = (
    "occlusion", "brightness", "blur", "noise", "exact_duplicate", "near_duplicate", "junk",
)  # fmt: skip


def checked_cleaning(arm: str) -> str:
    """The name of a cleaning arm.

    Raises:
        ValueError: neither ``none`` nor ``oracle`` nor stages in their order, joined by ``+``.
    """
    stages = str(arm).split("+")
    if arm in ("none", "oracle"):
        return arm
    unknown = [stage for stage in stages if stage not in STAGES]
    if unknown:
        raise ValueError(
            f"there is no cleaning {unknown[0]!r}; choose none, oracle, or stages of {', '.join(STAGES)} "
            "joined by +, such as clean+label"
        )
    if stages != [stage for stage in STAGES if stage in stages]:
        raise ValueError(f"the stages of {arm!r} must stand once each in the order {' + '.join(STAGES)}")
    return arm


def mend(dosed: Dosed, arm: str, seed: int) -> Dataset:
    """The training set after the stages of ``arm``.

    ``clean`` runs every detector of ``clean.detect_all`` and drops what they find; ``label`` runs
    ``label.errors`` on the feature network's features and takes its suggestions; ``augment`` adds the mirror
    image of each picture. None of them knows which defect was dialled in. ``oracle`` reads the corruption log: it
    drops copies, junk and damaged pictures, and puts every flipped label right.
    """
    checked_cleaning(arm)
    dataset = dosed.dataset
    if arm == "none":
        return dataset
    if arm == "oracle":
        return _by_log(dosed)
    stages = arm.split("+")
    if "clean" in stages:
        dataset = clean.apply(dataset, *clean.detect_all(dataset).values()).kept
    if "label" in stages:
        findings = label.errors(dataset, evaluate.features(dataset.data), seed=seed)
        dataset = label.relabel(dataset, findings)
    if "augment" in stages:
        mirrored = replace(dataset, data=dataset.data[:, :, ::-1])
        dataset = _joined(dataset, mirrored)
    return dataset


def _by_log(dosed: Dosed) -> Dataset:
    """The set without what the corruption log knows to be bad, with the labels that it knows to be true."""
    log = dosed.log
    names = [name for name in _DROPPED_BY_ORACLE if name in log.rates]
    bad = log.mask(*names) if names else np.zeros(len(dosed.dataset), bool)
    kept = dosed.dataset[~bad]
    if log.true_labels is not None:
        kept = replace(kept, labels=log.true_labels[~bad])
    if dosed.marked is not None:  # repeats: the first of each is enough
        kept = clean.apply(kept, clean.exact_duplicates(kept)).kept
    return kept


def _joined(first: Dataset, second: Dataset) -> Dataset:
    return replace(
        first,
        data=np.concatenate([first.data, second.data]),
        labels=np.concatenate([first.labels, second.labels]),
    )
