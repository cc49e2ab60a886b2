"""Texts judged: fluency by a character n-gram model, how varied they are, and how much of them is copied.

All measures depend on how many texts there are and how long they are: compare at equal numbers only, and
beside what random sets of real texts score. Introduced in notebook 14 (a first n-gram model, with Witten and
Bell's smoothing, is written out in notebook 02).
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from aigc_lab.evaluate.intervals import Score, centred, share

START, END = "\x02", "\x03"  # "start of text" and "end of text": characters that no text contains
# A word; one sign of a script that puts no spaces between words; one punctuation mark.
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+|[^\w\s]")
_SMOOTHING = 0.1  # hits that a precision of 0 counts as (Chen and Cherry 2014, method 1)


class CharacterNgram:
    """Character n-grams with interpolated Kneser-Ney smoothing (Kneser and Ney 1995).

    The chance of a character x after the context c mixes what was seen after c with what is usual after
    the shorter context c', which is c without its first character (interpolated: Chen and Goodman 1999)::

        p(x | c) = max(n(cx) - D, 0) / n(c)  +  D t(c) / n(c) * p(x | c')

    n counts occurrences at the full length; in shorter contexts it counts *different characters before
    cx*: "Francisco" is frequent, but follows one word only, so it should be rare after new ones. t(c) is
    how many different characters followed c, and D = n1 / (n1 + 2 n2) with the numbers of entries
    that were counted once and twice. The shortest level is mixed with 1 / alphabet: none is impossible.

    Args:
        texts: to learn from. Each is read with a start sign before it and an end sign after it.
        order: characters looked at together: 1 counts characters alone, 5 predicts from the four before.
        alphabet: how many characters are possible at all. It must be the same where models are compared.

    Raises:
        ValueError: no texts, an order below 1, or more different characters than the alphabet has.
    """

    def __init__(self, texts: Sequence[str], order: int = 5, alphabet: int = 20_000) -> None:
        texts = checked_texts(texts)
        if order < 1:
            raise ValueError(f"the order must be at least 1 (characters alone), got {order}")
        characters = set().union(*texts)
        if len(characters) > alphabet:
            raise ValueError(
                f"the texts have {len(characters)} different characters; give alphabet= at least that"
            )
        full: dict[str, Counter[str]] = defaultdict(Counter)
        for text in texts:
            padded = START * (order - 1) + text + END
            for place in range(order - 1, len(padded)):
                full[padded[place - order + 1 : place]][padded[place]] += 1
        self._count(full, order, alphabet)

    def _count(self, full: dict[str, Counter[str]], order: int, alphabet: int) -> None:
        """Everything that follows from the counts at the full length."""
        self.order, self.alphabet = order, alphabet
        self._characters = sorted(set().union(*full.values()) | {END})
        # _after[k]: context of k characters -> character -> count.
        self._after: list[dict[str, Counter[str]]] = [defaultdict(Counter) for _ in range(order - 1)] + [full]
        for length in range(order - 2, -1, -1):  # a longer context is one more character before
            for context, after in self._after[length + 1].items():
                shorter = context[1:]
                for character, count in after.items():
                    # Before the start of a text stands nothing that could differ: its count is kept.
                    self._after[length][shorter][character] += count if shorter.startswith(START) else 1
        self._discount = [_discount(level) for level in self._after]
        self._totals = [
            {context: (sum(after.values()), len(after)) for context, after in level.items()}
            for level in self._after
        ]

    def state(self) -> dict[str, Any]:
        """The whole model as numbers and texts, for JSON: ``from_state`` makes an equal one of it.

        ``counts`` are those of the full length, context to character to count; all others follow from them.
        """
        counts = {context: dict(after) for context, after in self._after[-1].items()}
        return {
            "order": self.order,
            "alphabet": self.alphabet,
            "discounts": self._discount,
            "counts": counts,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> CharacterNgram:
        """The model that ``state`` describes.

        Raises:
            KeyError, TypeError, ValueError: it is none, or its counts and discounts are not of one model.
        """
        model = cls.__new__(cls)
        counts = {context: Counter(after) for context, after in dict(state["counts"]).items()}
        if not counts or any(len(context) != state["order"] - 1 for context in counts):
            raise ValueError("it has contexts of another length")
        model._count(counts, state["order"], state["alphabet"])
        if model._discount != state["discounts"]:
            raise ValueError("it has discounts that do not follow from its counts")
        return model

    def probability(self, character: str, context: str) -> float:
        """p(character | context); of the context only the last ``order - 1`` characters count."""
        context = self._last(context)
        chance = 1 / self.alphabet
        for length in range(self.order):
            key = context[len(context) - length :]
            known = self._totals[length].get(key)
            if known is None:  # never seen, so no longer context was seen either
                break
            total, kinds = known
            discount = self._discount[length]
            seen = self._after[length][key].get(character, 0)
            chance = (max(seen - discount, 0.0) + discount * kinds * chance) / total
        return chance

    def bits(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """For each text the bits that it costs, end sign included, and its number of characters with it."""
        texts = checked_texts(texts)
        costs = np.zeros(len(texts))
        for number, text in enumerate(texts):
            padded = START * (self.order - 1) + text + END
            for place in range(self.order - 1, len(padded)):
                context = padded[place - self.order + 1 : place]
                costs[number] -= np.log2(self.probability(padded[place], context))
        return costs, np.array([len(text) + 1 for text in texts])

    def bits_per_character(self, texts: Sequence[str], resamples: int = 200, seed: int = 0) -> Score:
        """Mean bits a character, over all characters of all texts, with a bootstrap interval over the texts.

        2 to the power of it is the perplexity a character. On held-out texts it judges the *model*; of a
        model that is trusted, it judges *texts*: the fewer bits, the more they look like what it knows.

        Raises:
            ValueError: no texts.
        """
        costs, lengths = self.bits(texts)
        value = float(costs.sum() / lengths.sum())
        low = high = value
        if resamples and len(costs) > 1:
            generator = np.random.default_rng(seed)
            drawn = generator.integers(0, len(costs), (resamples, len(costs)))
            low, high = centred(value, costs[drawn].sum(axis=1) / lengths[drawn].sum(axis=1))
        method = f"bootstrap over texts, {resamples} resamples" if resamples else "no interval computed"
        return Score(value, low, high, "bits per character", "bits", "lower", method=method)

    def write(self, count: int, longest: int = 400, seed: int = 0) -> list[str]:
        """New texts, character by character; one that finds no end is cut after ``longest`` characters.

        Drawing follows the formula: with probability D t(c) / n(c) the character comes from the shorter
        context, else from what followed c. (The last resort: any character ever seen.)
        """
        if count < 1 or longest < 1:
            raise ValueError(f"write at least one text of at least one character, got {count} and {longest}")
        generator = np.random.default_rng(seed)
        texts = []
        for _ in range(count):
            text = ""
            while len(text) < longest and (character := self._draw(self._last(text), generator)) != END:
                text += character
            texts.append(text)
        return texts

    def _last(self, text: str) -> str:
        """The last ``order - 1`` characters, with start signs before a text that is shorter."""
        return (START * (self.order - 1) + text)[len(text) :]

    def _draw(self, context: str, generator: np.random.Generator) -> str:
        for length in range(self.order - 1, -1, -1):
            key = context[len(context) - length :]
            known = self._totals[length].get(key)
            if known is None:
                continue
            total, kinds = known
            discount = self._discount[length]
            place = generator.random() * total
            if place < discount * kinds:
                continue  # back to the shorter context
            place -= discount * kinds
            for character, seen in self._after[length][key].items():
                place -= seen - discount
                if place < 0:
                    return character
        return self._characters[generator.integers(len(self._characters))]


def _discount(level: dict[str, Counter[str]]) -> float:
    """n1 / (n1 + 2 n2), Ney, Essen and Kneser 1994; 0.5 where nothing was counted once, or nothing twice."""
    counts = Counter(count for after in level.values() for count in after.values())
    once, twice = counts[1], counts[2]
    return once / (once + 2 * twice) if once and twice else 0.5


def tokens(text: str) -> list[str]:
    """Words in lower case, punctuation marks, and single Chinese characters, in order."""
    return _TOKEN.findall(text.casefold())


def ngrams(words: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """All runs of ``size`` neighbours, in order."""
    return [tuple(words[place : place + size]) for place in range(len(words) - size + 1)]


def distinct(texts: Sequence[str], size: int = 2, resamples: int = 40) -> Score:
    """Different n-grams over all n-grams of the set, from 0 to 1 (Li et al. 2016, "distinct-n").

    It falls as the set grows, as Heaps' law has it: compare sets of the same number of tokens.

    Args:
        texts: the set; size: n, the length of the runs of tokens.
        resamples: random halves for the interval (see ``precision_recall``); 0 for none.

    Raises:
        ValueError: no texts, or none as long as ``size`` tokens.
    """
    runs = [ngrams(tokens(text), size) for text in checked_texts(texts)]
    if not any(runs):
        raise ValueError(f"none of the {len(runs)} texts has {size} tokens; choose a smaller size")

    def value(chosen: Sequence[int]) -> float:
        everything = [run for item in chosen for run in runs[item]]
        return len(set(everything)) / max(len(everything), 1)

    return _with_halves(value, len(runs), f"distinct-{size}", "higher", resamples)


def self_bleu(texts: Sequence[str], size: int = 4, resamples: int = 20) -> Score:
    """Mean BLEU of each text against all others (Zhu et al. 2018): 1 where all say the same.

    BLEU (Papineni et al. 2002, section 2): how much of a text's n-grams, n = 1 to ``size``, stands in the
    others. The geometric mean of the clipped precisions, times the brevity penalty against the text of the
    closest length. A precision of 0 counts as 0.1 hits (Chen and Cherry 2014, method 1). Of a text that is
    shorter than ``size``, only the n that fit are used. Texts without a token are left out.

    Each n-gram's largest and second largest count are found once, so the time grows with the number of
    characters and not with the square of the texts.

    Args:
        texts: the set; size: longest n-gram.
        resamples: random halves for the interval (see ``precision_recall``); 0 for none.

    Raises:
        ValueError: fewer than two texts with tokens.
    """
    words = [found for found in map(tokens, checked_texts(texts)) if found]
    if len(words) < 2:
        raise ValueError(f"self-BLEU needs at least 2 texts with words, got {len(words)}")
    counted = [Counter(run for n in range(1, size + 1) for run in ngrams(each, n)) for each in words]
    lengths = np.array([len(each) for each in words])

    def value(chosen: Sequence[int]) -> float:
        best: dict[tuple[str, ...], tuple[int, int, int]] = {}  # n-gram -> owner, its count, next best count
        for item in chosen:
            for run, count in counted[item].items():
                owner, first, second = best.get(run, (-1, 0, 0))
                best[run] = (item, count, first) if count > first else (owner, first, max(second, count))
        total = 0.0
        order = np.sort(lengths[list(chosen)])
        for item in chosen:
            hits = np.zeros(min(size, lengths[item]))
            for run, count in counted[item].items():
                owner, first, second = best[run]
                hits[len(run) - 1] += min(count, second if owner == item else first)
            precisions = np.where(hits > 0, hits, _SMOOTHING) / (lengths[item] - np.arange(len(hits)))
            place = int(np.searchsorted(order, lengths[item]))
            others = np.delete(order, place)  # one text of this length is the text itself
            nearby = others[max(0, place - 1) : place + 1]
            closest = min(nearby.tolist(), key=lambda other: abs(other - lengths[item]))  # ties: the shorter
            total += math.exp(min(0.0, 1 - closest / lengths[item])) * math.exp(np.log(precisions).mean())
        return total / len(chosen)

    return _with_halves(value, len(words), f"self-BLEU-{size}", "lower", resamples, least=2)


def copy_rate(texts: Sequence[str], training: Sequence[str]) -> Score:
    """Share of the texts that stand in the training set as they are, but for spaces and capitals.

    Raises:
        ValueError: no texts on either side.
    """
    known = {_plain(text) for text in checked_texts(training)}
    texts = checked_texts(texts)
    return share(sum(_plain(text) in known for text in texts), len(texts), "exact copies", better="lower")


def copied_share(
    texts: Sequence[str],
    training: Sequence[str],
    length: int = 30,
    resamples: int = 40,
    seed: int = 0,
) -> Score:
    """Share of the characters that lie in a run of at least ``length`` characters of one training text.

    Exact copies are only the end of a scale: a writer who glues long passages together copies as well.
    How long a run real texts share by chance, their own numbers say: measure real texts beside it.

    Raises:
        ValueError: no texts, or a length below 2.
    """
    if length < 2:
        raise ValueError(f"a run has at least 2 characters, got length={length}")
    known = {
        plain[place : place + length]
        for plain in map(_plain, checked_texts(training))
        for place in range(len(plain) - length + 1)
    }
    covered, characters = [], []
    for plain in map(_plain, checked_texts(texts)):
        marked = np.zeros(len(plain), bool)
        for place in range(len(plain) - length + 1):
            if plain[place : place + length] in known:
                marked[place : place + length] = True
        covered.append(int(marked.sum()))
        characters.append(len(plain))
    hits, sizes = np.array(covered), np.array(characters)

    def value(chosen: Sequence[int]) -> float:
        return float(hits[list(chosen)].sum() / max(sizes[list(chosen)].sum(), 1))

    name = f"copied in runs of {length}"
    return _with_halves(value, len(hits), name, "lower", resamples, seed)


def _with_halves(
    value: Callable[[Sequence[int]], float],
    count: int,
    name: str,
    better: str,
    resamples: int,
    seed: int = 0,
    least: int = 1,
) -> Score:
    """The value of all items with the spread of random halves, centred: copies would fake sameness."""
    whole = low = high = value(range(count))
    method = "no interval computed"
    if resamples and count // 2 >= least:
        generator = np.random.default_rng(seed)
        drawn = [value(generator.permutation(count)[: count // 2].tolist()) for _ in range(resamples)]
        low, high = centred(whole, np.array(drawn))
        low, high = max(low, 0.0), min(high, 1.0)
        method = f"spread over {resamples} random halves, centred on the value"
    return Score(whole, low, high, name, "share", better, method=method)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def checked_texts(texts: Sequence[str]) -> list[str]:
    """A list of texts, or one sentence that says what is wrong with them.

    Raises:
        ValueError: a single text, none at all, something that is no text, or the two signs of this module.
    """
    if isinstance(texts, str):
        raise ValueError("give a list of texts, not one text: its characters would be taken for texts")
    texts = list(getattr(texts, "data", texts))
    if not texts:
        raise ValueError("there are 0 texts; give at least one")
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"item {number} is a {type(text).__name__}, not a text")
        if START in text or END in text:
            raise ValueError(f"text {number} holds a control sign (U+0002 or U+0003); remove it first")
    return texts
