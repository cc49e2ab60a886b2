"""Texts judged: how varied they are, and how much of them is copied. Fluency: see ``CharacterNgram``.

All measures depend on how many texts there are and how long they are: compare at equal numbers only,
and beside ``text_floor``, which is what real texts score. Introduced in notebook 14.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from aigc_lab.evaluate.intervals import Score, centred, checked_level, share
from aigc_lab.evaluate.letter_model import checked_texts

# A word; one sign of a script that puts no spaces between words; one punctuation mark.
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+|[^\w\s]")
_SMOOTHING = 0.1


def tokens(text: str) -> list[str]:
    """Words in small letters, punctuation marks, and single Chinese characters, in order."""
    return _TOKEN.findall(text.casefold())


def ngrams(words: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """All runs of ``size`` neighbours, in order."""
    return [tuple(words[place : place + size]) for place in range(len(words) - size + 1)]


def distinct(
    texts: Sequence[str], size: int = 2, resamples: int = 40, seed: int = 0, level: float = 0.95
) -> Score:
    """Different n-grams over all n-grams of the set, from 0 to 1 (Li et al. 2016, "distinct-n").

    It falls as the set grows, as Heaps' law has it: compare sets of the same number of tokens.

    Args:
        texts: the set; size: n, the length of the runs of tokens.
        resamples: random halves for the interval (see ``precision_recall``); 0 for none.

    Raises:
        ValueError: no texts, or none as long as ``size`` tokens.

    Introduced in notebook 14.
    """
    runs = [ngrams(tokens(text), size) for text in checked_texts(texts)]
    if not any(runs):
        raise ValueError(f"none of the {len(runs)} texts has {size} tokens; choose a smaller size")

    def value(chosen: Sequence[int]) -> float:
        everything = [run for item in chosen for run in runs[item]]
        return len(set(everything)) / max(len(everything), 1)

    return _with_halves(value, len(runs), f"distinct-{size}", "share", "higher", resamples, seed, level)


def bleu(candidate: str, references: Sequence[str], size: int = 4) -> float:
    """How much of a text's n-grams, n = 1 to ``size``, stands in the references; 0 to 1.

    Papineni et al. 2002, section 2: the geometric mean of the clipped precisions, times the brevity
    penalty against the reference of the closest length. A precision of 0 counts as 0.1 hits (Chen and
    Cherry 2014, method 1). Of a text that is shorter than ``size``, only the n that fit are used.

    Raises:
        ValueError: no references, or a text without tokens.
    """
    words = tokens(candidate)
    others = [tokens(text) for text in checked_texts(references)]
    if not words:
        raise ValueError("the text has no tokens, so BLEU is not defined; leave it out")
    logs = []
    for n in range(1, min(size, len(words)) + 1):
        counts = Counter(ngrams(words, n))
        allowed: Counter[tuple[str, ...]] = Counter()
        for other in others:
            allowed |= Counter(ngrams(other, n))
        logs.append(_log_precision(sum((counts & allowed).values()), sum(counts.values())))
    return _brevity(len(words), [len(other) for other in others]) * math.exp(np.mean(logs))


def self_bleu(
    texts: Sequence[str], size: int = 4, resamples: int = 20, seed: int = 0, level: float = 0.95
) -> Score:
    """Mean BLEU of each text against all others (Zhu et al. 2018): 1 where all say the same.

    Equal to calling ``bleu`` once for each text, but each n-gram's largest and second largest count
    are found once, so the time grows with the number of letters and not with the square of the texts.
    Texts without a token are left out.

    Args:
        texts: the set; size: longest n-gram.
        resamples: random halves for the interval (see ``precision_recall``); 0 for none.

    Raises:
        ValueError: fewer than two texts with tokens.

    Introduced in notebook 14.
    """
    words = [found for found in map(tokens, checked_texts(texts)) if found]
    if len(words) < 2:
        raise ValueError(f"self-BLEU needs at least 2 texts with words, got {len(words)}")
    counted = [[Counter(ngrams(each, n)) for n in range(1, size + 1)] for each in words]
    lengths = np.array([len(each) for each in words])

    def value(chosen: Sequence[int]) -> float:
        best: dict[tuple[str, ...], tuple[int, int, int]] = {}  # n-gram -> owner, its count, next best count
        for item in chosen:
            for level_counts in counted[item]:
                for run, count in level_counts.items():
                    owner, first, second = best.get(run, (-1, 0, 0))
                    best[run] = (item, count, first) if count > first else (owner, first, max(second, count))
        total = 0.0
        order = np.sort(lengths[list(chosen)])
        for item in chosen:
            logs = []
            for counts in counted[item][: lengths[item]]:
                hits = 0
                for run, count in counts.items():
                    owner, first, second = best[run]
                    hits += min(count, second if owner == item else first)
                logs.append(_log_precision(hits, sum(counts.values())))
            place = int(np.searchsorted(order, lengths[item]))
            others = np.delete(order, place)  # one text of this length is the text itself
            nearby = others[max(0, place - 1) : place + 1]
            total += _brevity(int(lengths[item]), nearby.tolist()) * math.exp(np.mean(logs))
        return total / len(chosen)

    return _with_halves(
        value, len(words), f"self-BLEU-{size}", "share", "lower", resamples, seed, level, least=2
    )


def copy_rate(texts: Sequence[str], training: Sequence[str], level: float = 0.95) -> Score:
    """Share of the texts that stand in the training set as they are, but for spaces and capitals.

    Raises:
        ValueError: no texts on either side.

    Introduced in notebook 14.
    """
    known = {_plain(text) for text in checked_texts(training)}
    texts = checked_texts(texts)
    return share(
        sum(_plain(text) in known for text in texts), len(texts), "exact copies", level, better="lower"
    )


def copied_share(
    texts: Sequence[str],
    training: Sequence[str],
    length: int = 30,
    resamples: int = 40,
    seed: int = 0,
    level: float = 0.95,
) -> Score:
    """Share of the letters that lie in a run of at least ``length`` letters of one training text.

    Exact copies are only the end of a scale: a writer who glues long passages together copies as well.
    How long a run real texts share by chance, say their numbers in ``text_floor``.

    Raises:
        ValueError: no texts, or a length below 2.

    Introduced in notebook 14.
    """
    if length < 2:
        raise ValueError(f"a run has at least 2 letters, got length={length}")
    known = {
        plain[place : place + length]
        for plain in map(_plain, checked_texts(training))
        for place in range(len(plain) - length + 1)
    }
    covered, letters = [], []
    for plain in map(_plain, checked_texts(texts)):
        marked = np.zeros(len(plain), bool)
        for place in range(len(plain) - length + 1):
            if plain[place : place + length] in known:
                marked[place : place + length] = True
        covered.append(int(marked.sum()))
        letters.append(len(plain))
    hits, sizes = np.array(covered), np.array(letters)

    def value(chosen: Sequence[int]) -> float:
        return float(hits[list(chosen)].sum() / max(sizes[list(chosen)].sum(), 1))

    name = f"copied in runs of {length}"
    return _with_halves(value, len(hits), name, "share", "lower", resamples, seed, level)


def text_floor(
    texts: Sequence[str],
    measure: Callable[[list[str]], float],
    size: int,
    splits: int = 40,
    seed: int = 0,
    level: float = 0.95,
) -> Score:
    """What real texts score: the range of a measure over random sets of ``size`` of them.

    Args:
        texts: real texts, held out; at least twice ``size``, or the sets would be too much alike.
        measure: a function of a list of texts.
        size: texts in a set; as many as the generated ones that it is compared with.

    Raises:
        ValueError: a size above half of what there is, or fewer than two splits.

    Introduced in notebook 14.
    """
    texts = checked_texts(texts)
    if not 1 <= size <= len(texts) // 2:
        raise ValueError(f"size must lie between 1 and {len(texts) // 2}, half of these texts, got {size}")
    if splits < 2:
        raise ValueError(f"a floor needs at least 2 splits to have an interval, got {splits}")
    generator = np.random.default_rng(seed)
    values = [
        float(measure([texts[item] for item in generator.permutation(len(texts))[:size]]))
        for _ in range(splits)
    ]
    tail = (1 - checked_level(level)) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    method = f"range over {splits} sets of {size} real texts"
    return Score(float(np.mean(values)), float(low), float(high), "floor", "", "", level, method)


def _with_halves(
    value: Callable[[Sequence[int]], float],
    count: int,
    name: str,
    unit: str,
    better: str,
    resamples: int,
    seed: int,
    level: float,
    least: int = 1,
) -> Score:
    """The value of all items with the spread of random halves, centred: copies would fake sameness."""
    whole = low = high = value(range(count))
    method = "no interval computed"
    if resamples and count // 2 >= least:
        generator = np.random.default_rng(seed)
        drawn = [value(generator.permutation(count)[: count // 2].tolist()) for _ in range(resamples)]
        low, high = centred(whole, np.array(drawn), level)
        low, high = max(low, 0.0), min(high, 1.0)
        method = f"spread over {resamples} random halves, centred on the value"
    return Score(whole, low, high, name, unit, better, checked_level(level), method)


def _log_precision(hits: int, count: int) -> float:
    return math.log((hits or _SMOOTHING) / count)


def _brevity(length: int, others: Sequence[int]) -> float:
    """1, or exp(1 - r / c) for a text of c tokens whose closest reference has r > c; ties: the shorter."""
    closest = min(others, key=lambda other: (abs(other - length), other))
    return 1.0 if length >= closest else math.exp(1 - closest / length)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
