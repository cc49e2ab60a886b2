"""A data sheet: the questions that whoever uses a data set will ask, answered or left visibly open.

The sections follow T. Gebru and others, "Datasheets for Datasets", 2021. Introduced in notebook 01.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from aigc_lab.collect.dataset import TIERS, Dataset

# Section: the questions that no program can answer for its maker.
QUESTIONS: dict[str, dict[str, str]] = {
    "Motivation": {
        "purpose": "For which purpose was it made, and by whom?",
    },
    "Composition": {
        "population": "Which larger whole is it a sample of, and what is missing from it?",
        "people": "Does it hold anything about people, and did they agree?",
    },
    "Collection": {
        "collection": "How and when was each item obtained?",
        "labelling": "Who labelled it, by which rules, and how well did they agree?",
    },
    "Preparation": {
        "preparation": "What was changed or dropped, and are the raw data kept?",
    },
    "Uses": {
        "uses": "What should it be used for, and what not?",
    },
    "Upkeep": {
        "upkeep": "Who corrects errors, and how does one report them?",
    },
}
OPEN = "**not answered yet**"


def datasheet(dataset: Dataset, answers: Mapping[str, str] | None = None) -> str:
    """The data sheet as Markdown: what can be counted is counted, what only people know is asked.

    Args:
        dataset: what to describe; its card gives source, licence and known faults.
        answers: text for some of the questions, by the names in ``collect.QUESTIONS``: ``purpose``,
            ``population``, ``people``, ``collection``, ``labelling``, ``preparation``, ``uses``, ``upkeep``.
            Questions without one stay in the sheet as "not answered yet".

    Raises:
        ValueError: an answer to a question that does not exist.
    """
    answers = dict(answers or {})
    known = [name for questions in QUESTIONS.values() for name in questions]
    for name in answers:
        if name not in known:
            raise ValueError(f"no question is named {name!r}; the questions are {', '.join(known)}")
    open_count = sum(not str(answers.get(name, "")).strip() for name in known)
    lines = [f"# Data sheet: {dataset.card.title}", ""]
    if open_count:
        lines += [f"{open_count} of {len(known)} questions are {OPEN[2:-2]}.", ""]
    counted = {"Composition": _composition(dataset), "Collection": _origin(dataset)}
    for section, questions in QUESTIONS.items():
        lines += [f"## {section}", "", *(f"- {fact}" for fact in counted.get(section, []))]
        lines += [
            f"- {question} {str(answers.get(name, '')).strip() or OPEN}"
            for name, question in questions.items()
        ]
        lines.append("")
    return "\n".join(lines)


def _origin(dataset: Dataset) -> list[str]:
    card = dataset.card
    facts = {"Source": card.source, "Licence": card.licence, "Where": TIERS.get(card.tier, card.tier)}
    return [f"{name}: {fact}" for name, fact in {**facts, "Cite": card.citation}.items() if fact]


def _composition(dataset: Dataset) -> list[str]:
    count = len(dataset)
    facts = [f"Items: {count:,} ({dataset.modality})"]
    if count and dataset.modality == "text":
        lengths = np.array([len(item) for item in dataset.data])
        low, middle, high = np.percentile(lengths, [0, 50, 100]).astype(int)
        facts.append(f"Length: {low:,} to {high:,} characters, half of them at most {middle:,}")
        facts.append(f"Empty: {sum(not item.strip() for item in dataset.data):,}")
    elif count:
        data, size = dataset.data, " x ".join(str(side) for side in dataset.data.shape[1:])
        facts.append(f"Each item: {size} values of type {data.dtype}, from {data.min()} to {data.max()}")
        flat = data.reshape(count, -1)
        facts.append(f"Constant (blank or silent): {int((flat.min(axis=1) == flat.max(axis=1)).sum()):,}")
    digests = dataset.hashes()
    facts.append(f"Exact repeats of an earlier item: {count - len(set(digests)):,}")
    facts += _labels(dataset, digests)
    return facts + [f"Known fault: {fault}" for fault in dataset.card.known_faults]


def _labels(dataset: Dataset, digests: list[str]) -> list[str]:
    if dataset.labels is None or not len(dataset):
        return ["Labels: none"]
    found = dataset.counts()
    largest, smallest = max(found.values()), min(found.values())
    shown = ", ".join(f"{name} {number:,}" for name, number in list(found.items())[:20])
    more = f", and {len(found) - 20} more" if len(found) > 20 else ""
    balance = f"{largest / smallest:.1f} to 1" if smallest else "a class has no item"
    pairs = {*zip(digests, dataset.labels.tolist(), strict=True)}
    disputed = sum(number > 1 for number in Counter(digest for digest, _ in pairs).values())
    return [
        f"Labels: {shown}{more}",
        f"Largest class to smallest: {balance}",
        f"Equal items with different labels: {disputed:,}",
    ]
