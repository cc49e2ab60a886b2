"""Weak labels: rules that a person writes in a minute, each right sometimes, combined into labels.

Ratner and others 2017 (arXiv 1711.10160) call them labelling functions. A rule is an annotator who
may say nothing, so that votes and Dawid-Skene apply. Introduced in notebook 03.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc_lab.label.annotators import Consensus, dawid_skene, majority_vote
from aigc_lab.label.ratings import NO_LABEL

WAYS = ("majority", "dawid_skene")


@dataclass(frozen=True)
class Rule:
    """Says ``label`` (a class number) of each item for which ``applies`` is true, and else nothing."""

    name: str
    label: int
    applies: Callable[[Any], bool]


def apply_rules(items: Sequence[Any], rules: Sequence[Rule]) -> np.ndarray:
    """What each rule says of each item: integers ``(rules, items)``, -1 where it says nothing.

    Args:
        items: texts, pictures or anything else that the rules understand; a ``Dataset`` too.

    Raises:
        ValueError: no rules, two of the same name, a negative label, or a rule that fails; the
            message names the rule and the item.
    """
    if not rules:
        raise ValueError("there are no rules; write at least one")
    names = [rule.name for rule in rules]
    if len(set(names)) < len(names):
        raise ValueError(f"rules need different names, got {', '.join(names)}")
    votes = np.full((len(rules), len(items)), NO_LABEL)
    for row, rule in enumerate(rules):
        if rule.label < 0:
            raise ValueError(f"rule {rule.name!r} has the label {rule.label}; labels are 0, 1, 2 …")
        for column, item in enumerate(items):
            try:
                applies = bool(rule.applies(item))
            except Exception as error:
                raise ValueError(f"rule {rule.name!r} fails on item {column}: {error}") from error
            if applies:
                votes[row, column] = rule.label
    return votes


def rule_table(votes: np.ndarray, rules: Sequence[Rule], labels: np.ndarray | None = None) -> Any:
    """How each rule does: a pandas table, one row a rule.

    ``coverage``: share of the items it speaks about. ``overlap``: share where another speaks too.
    ``conflict``: share where another says something else. ``accuracy``, if ``labels`` are given:
    share of its answers that are right, NaN where it never speaks or where no truth (-1) is known.

    Raises:
        ValueError: votes or labels of another shape.
    """
    import pandas as pd

    votes = np.asarray(votes)
    if votes.ndim != 2 or len(votes) != len(rules):
        raise ValueError(f"votes must have a row for each of the {len(rules)} rules, got shape {votes.shape}")
    if labels is not None and np.shape(labels) != votes.shape[1:]:
        raise ValueError(f"{votes.shape[1]} labels are needed, got shape {np.shape(labels)}")
    spoken = votes != NO_LABEL
    rows = []
    for number, rule in enumerate(rules):
        here = spoken[number]
        others = np.delete(spoken, number, axis=0)
        contradicted = (others & (np.delete(votes, number, axis=0) != votes[number])).any(axis=0)
        row = {
            "rule": rule.name,
            "label": rule.label,
            "coverage": here.mean() if here.size else 0.0,
            "overlap": (here & others.any(axis=0)).mean() if here.size else 0.0,
            "conflict": (here & contradicted).mean() if here.size else 0.0,
        }
        if labels is not None:
            known = here & (np.asarray(labels) != NO_LABEL)
            right = votes[number, known] == np.asarray(labels)[known]
            row["accuracy"] = right.mean() if known.any() else np.nan
        rows.append(row)
    return pd.DataFrame(rows)


def weak_labels(votes: np.ndarray, class_count: int, how: str = "dawid_skene") -> Consensus:
    """The rules' answers combined; items about which no rule speaks get the label -1.

    Args:
        votes: ``(rules, items)`` from ``apply_rules``.
        class_count: how many classes there are.
        how: ``majority``, or ``dawid_skene``, which weighs each rule by what it agrees with and takes
            silence as an answer.

    Raises:
        ValueError: no rule spoke at all, an unknown way, or votes that are no classes.
    """
    if how not in WAYS:
        raise ValueError(f"how must be one of {', '.join(WAYS)}, got {how!r}")
    if how == "majority" or len(votes) < 2:
        return majority_vote(votes, class_count)
    return dawid_skene(votes, class_count, abstentions_count=True)
