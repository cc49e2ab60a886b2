"""A language model that counts letters: the judge of fluency, and the simplest writer there is.

Introduced in notebook 14 (a first one, with Witten and Bell's smoothing, is written out in notebook 02).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from aigc_lab.evaluate.intervals import Score, centred

START, END = "\x02", "\x03"  # "start of text" and "end of text": letters that no text contains


class CharacterNgram:
    """Letter n-grams with interpolated Kneser-Ney smoothing (Kneser and Ney 1995).

    The chance of a letter x after the context c mixes what was seen after c with what is usual after
    the shorter context c', which is c without its first letter (interpolated: Chen and Goodman 1999)::

        p(x | c) = max(n(cx) - D, 0) / n(c)  +  D t(c) / n(c) * p(x | c')

    n counts occurrences at the full length; in shorter contexts it counts *different letters before
    cx*: "Francisco" is frequent, but follows one word only, so it should be rare after new ones. t(c) is
    how many different letters followed c, and D = n1 / (n1 + 2 n2) with the numbers of entries
    that were counted once and twice. The shortest level is mixed with 1 / alphabet: no letter is impossible.

    Args:
        texts: to learn from. Each is read with a start sign before it and an end sign after it.
        order: letters looked at together: 1 counts letters alone, 5 predicts from the four before.
        alphabet: how many letters are possible at all. It must be the same where models are compared.

    Raises:
        ValueError: no texts, an order below 1, or more different letters than the alphabet has.

    Introduced in notebook 14.
    """

    def __init__(self, texts: Sequence[str], order: int = 5, alphabet: int = 20_000) -> None:
        texts = checked_texts(texts)
        if order < 1:
            raise ValueError(f"the order must be at least 1 (letters alone), got {order}")
        letters = set().union(*texts)
        if len(letters) > alphabet:
            raise ValueError(f"the texts have {len(letters)} different letters; give alphabet= at least that")
        self.order, self.alphabet = order, alphabet
        self._letters = sorted(letters | {END})
        # _after[k]: context of k letters -> letter -> count.
        self._after: list[dict[str, Counter[str]]] = [defaultdict(Counter) for _ in range(order)]
        full = self._after[-1]
        for text in texts:
            padded = START * (order - 1) + text + END
            for place in range(order - 1, len(padded)):
                full[padded[place - order + 1 : place]][padded[place]] += 1
        for length in range(order - 2, -1, -1):  # a longer context is one more letter before
            for context, after in self._after[length + 1].items():
                shorter = context[1:]
                for letter, count in after.items():
                    # Before the start of a text stands nothing that could differ: its count is kept.
                    self._after[length][shorter][letter] += count if shorter.startswith(START) else 1
        self._discount = [_discount(level) for level in self._after]
        self._totals = [
            {context: (sum(after.values()), len(after)) for context, after in level.items()}
            for level in self._after
        ]

    def probability(self, letter: str, context: str) -> float:
        """p(letter | context); of the context only the last ``order - 1`` letters count."""
        context = (START * (self.order - 1) + context)[len(context) :] if self.order > 1 else ""
        chance = 1 / self.alphabet
        for length in range(self.order):
            key = context[len(context) - length :]
            known = self._totals[length].get(key)
            if known is None:  # never seen, so no longer context was seen either
                break
            total, kinds = known
            discount = self._discount[length]
            seen = self._after[length][key].get(letter, 0)
            chance = (max(seen - discount, 0.0) + discount * kinds * chance) / total
        return chance

    def bits(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """For each text the bits that it costs, end sign included, and its number of letters with it."""
        texts = checked_texts(texts)
        costs = np.zeros(len(texts))
        for number, text in enumerate(texts):
            padded = START * (self.order - 1) + text + END
            for place in range(self.order - 1, len(padded)):
                context = padded[place - self.order + 1 : place]
                costs[number] -= np.log2(self.probability(padded[place], context))
        return costs, np.array([len(text) + 1 for text in texts])

    def bits_per_character(
        self, texts: Sequence[str], resamples: int = 200, seed: int = 0, level: float = 0.95
    ) -> Score:
        """Mean bits a letter, over all letters of all texts, with a bootstrap interval over the texts.

        2 to the power of it is the perplexity a letter. On held-out texts it judges the *model*; of a
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
            low, high = centred(value, costs[drawn].sum(axis=1) / lengths[drawn].sum(axis=1), level)
        method = f"bootstrap over texts, {resamples} resamples" if resamples else "no interval computed"
        return Score(value, low, high, "bits per character", "bits", "lower", level, method)

    def write(self, count: int, longest: int = 400, seed: int = 0) -> list[str]:
        """New texts, letter by letter; one that finds no end is cut after ``longest`` letters.

        Drawing follows the formula: with probability D t(c) / n(c) the letter comes from the shorter
        context, else from what followed c. (The last resort is any letter ever seen, not any possible one.)
        """
        if count < 1 or longest < 1:
            raise ValueError(f"write at least one text of at least one letter, got {count} and {longest}")
        generator = np.random.default_rng(seed)
        return [self._one_text(generator, longest) for _ in range(count)]

    def _one_text(self, generator: np.random.Generator, longest: int) -> str:
        text = START * (self.order - 1)
        start = len(text)
        while len(text) - start < longest:
            letter = self._draw(text[len(text) - self.order + 1 :] if self.order > 1 else "", generator)
            if letter == END:
                break
            text += letter
        return text[start:]

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
            for letter, seen in self._after[length][key].items():
                place -= seen - discount
                if place < 0:
                    return letter
        return self._letters[generator.integers(len(self._letters))]


def _discount(level: dict[str, Counter[str]]) -> float:
    """n1 / (n1 + 2 n2), Ney, Essen and Kneser 1994; 0.5 where nothing was counted once, or nothing twice."""
    counts = Counter(count for after in level.values() for count in after.values())
    once, twice = counts[1], counts[2]
    return once / (once + 2 * twice) if once and twice else 0.5


def checked_texts(texts: Sequence[str], least: int = 1) -> list[str]:
    """A list of texts, or one sentence that says what is wrong with them.

    Raises:
        ValueError: a single text, too few, something that is no text, or the two signs of this module.
    """
    if isinstance(texts, str):
        raise ValueError("give a list of texts, not one text: its letters would be taken for texts")
    texts = list(getattr(texts, "data", texts))
    if len(texts) < least:
        raise ValueError(f"there are {len(texts)} texts, but at least {least} are needed")
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"item {number} is a {type(text).__name__}, not a text")
        if START in text or END in text:
            raise ValueError(f"text {number} holds a control sign (U+0002 or U+0003); remove it first")
    return texts
