"""Augmentation of text without dictionary or language model: deletions and swaps.

Random deletion and random swap of words are those of Wei and Zou 2019 (EDA, arXiv 1901.11196,
section 2); the same on characters imitates typing errors. A *word* is a run without white space, and
each Chinese character counts as a word of its own, since Chinese marks no word borders.
Introduced in notebook 04.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from aigc_lab.collect.dataset import Dataset

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
_WORD = re.compile(rf"[{_HAN}]|[^\s{_HAN}]+")


def delete_words(text: str, rate: float, random: np.random.Generator) -> str:
    """Drop each word with probability ``rate``, but never the last one that is left."""
    words = list(_WORD.finditer(text))
    kept = random.random(len(words)) >= rate
    if len(words) and not kept.any():
        kept[random.integers(len(words))] = True
    pieces, position = [], 0
    for word, keep in zip(words, kept, strict=True):
        if keep:
            pieces.append(text[position : word.end()])
        position = word.end()
    return "".join(pieces) + text[position:]


def swap_words(text: str, rate: float, random: np.random.Generator) -> str:
    """Exchange random pairs of words: about ``rate`` times the number of words; white space stays."""
    words = list(_WORD.finditer(text))
    if len(words) < 2:
        return text
    order = np.arange(len(words))
    for _ in range(random.binomial(len(words), rate)):
        first, second = random.choice(len(words), 2, replace=False)
        order[[first, second]] = order[[second, first]]
    pieces, position = [], 0
    for place, word in zip(order, words, strict=True):
        pieces += [text[position : word.start()], words[place].group()]
        position = word.end()
    return "".join(pieces) + text[position:]


def delete_characters(text: str, rate: float, random: np.random.Generator) -> str:
    """Drop each character with probability ``rate``, but never the last one that is left."""
    kept = random.random(len(text)) >= rate
    if text and not kept.any():
        kept[random.integers(len(text))] = True
    return "".join(letter for letter, keep in zip(text, kept, strict=True) if keep)


def swap_characters(text: str, rate: float, random: np.random.Generator) -> str:
    """Exchange neighbouring characters, each pair with probability ``rate``: a typing error."""
    letters = list(text)
    for place in np.flatnonzero(random.random(max(len(text) - 1, 0)) < rate):
        letters[place], letters[place + 1] = letters[place + 1], letters[place]
    return "".join(letters)


METHODS: Mapping[str, Callable[[str, float, np.random.Generator], str]] = MappingProxyType(
    {
        "delete_words": delete_words,
        "swap_words": swap_words,
        "delete_characters": delete_characters,
        "swap_characters": swap_characters,
    }
)


def expand_text(
    dataset: Dataset, method: str = "delete_words", rate: float = 0.1, copies: int = 1, seed: int = 0
) -> Dataset:
    """The texts followed by ``copies`` changed versions of each; labels go along.

    Whether the labels are still right is yours to check: ``not good`` without ``not`` is another label.

    Args:
        dataset: texts.
        method: one of ``METHODS``.
        rate: share of the words or characters that is hit, 0 to 1.
        copies: changed versions of each text.
        seed: equal seeds give equal sets.

    Raises:
        ValueError: no texts, an unknown method, a rate outside [0, 1] or ``copies`` below 1.
    """
    if dataset.modality != "text":
        raise ValueError(f"expand_text changes text, and the set holds {dataset.modality}")
    if method not in METHODS:
        raise ValueError(f"there is no method {method!r}; choose one of {', '.join(METHODS)}")
    if not 0 <= rate <= 1 or copies < 1:
        raise ValueError(
            f"rate must lie from 0 to 1 and copies be at least 1, got rate={rate}, copies={copies}"
        )
    if not len(dataset):
        raise ValueError("there are no texts to augment; the set is empty")
    random = np.random.default_rng(seed)
    more = tuple(METHODS[method](text, rate, random) for _ in range(copies) for text in dataset.data)
    labels = None if dataset.labels is None else np.tile(dataset.labels, copies + 1)
    return replace(dataset, data=(*dataset.data, *more), labels=labels)
