"""The n-gram model sums to one and agrees with a slow spec; BLEU and its cousins on hand-computed cases."""

from __future__ import annotations

import json
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.translate import bleu_score

from aigc_lab import collect
from aigc_lab.evaluate import CharacterNgram
from aigc_lab.evaluate.text import (
    END,
    START,
    copied_share,
    copy_rate,
    distinct,
    ngrams,
    self_bleu,
    tokens,
)

TEXTS = ["abra cadabra", "a bad cab", "drab", "abba"]


@pytest.fixture(scope="module")
def english():
    return list(dict.fromkeys(collect.load("dialogues").only("english").data))


# --- n-gram model ------------------------------------------------------------------------------


def spec(letter: str, context: str, texts: list[str], order: int, alphabet: int) -> float:
    """Interpolated Kneser-Ney, word for word from the formula, recounting everything at each call."""
    padded = [START * (order - 1) + text + END for text in texts]
    full = Counter(text[place : place + order] for text in padded for place in range(len(text) - order + 1))
    tables = {order: full}
    for length in range(order - 1, 0, -1):
        tables[length] = Counter()
        for gram, count in tables[length + 1].items():
            tables[length][gram[1:]] += count if gram[1] == START and length > 1 else 1

    def probability(length: int) -> float:
        if length == 0:
            return 1 / alphabet
        table = tables[length]
        history = (START * (order - 1) + context)[len(context) :][order - length :] if length > 1 else ""
        after = {gram[-1]: count for gram, count in table.items() if gram[:-1] == history}
        lower = probability(length - 1)
        if not after:
            return lower
        once, twice = (sum(count == n for count in table.values()) for n in (1, 2))
        discount = once / (once + 2 * twice) if once and twice else 0.5
        total = sum(after.values())
        return max(after.get(letter, 0) - discount, 0) / total + discount * len(after) / total * lower

    return probability(order)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_probabilities_agree_with_the_slow_spec(order):
    model = CharacterNgram(TEXTS, order, alphabet=30)
    for context in ("", "a", "ab", "cad", "zz", "abra c", "the bad"):
        for letter in "abz " + END:
            assert model.probability(letter, context) == pytest.approx(
                spec(letter, context, TEXTS, order, 30)
            )


@pytest.mark.parametrize("order", [1, 2, 4, 6])
def test_probabilities_sum_to_one_over_the_alphabet(order):
    model = CharacterNgram(TEXTS, order, alphabet=50)
    known = sorted(set("".join(TEXTS)) | {END})
    for context in ("", "ab", "cadab", "qq"):
        total = sum(model.probability(letter, context) for letter in known)
        total += (50 - len(known)) * model.probability("§", context)
        assert total == pytest.approx(1)


def test_bits_are_the_sum_of_the_letters_and_the_interval_holds_the_value():
    model = CharacterNgram(TEXTS, 3, alphabet=50)
    costs, lengths = model.bits(["cab", "bad"])
    by_hand = -sum(
        math.log2(model.probability(letter, "cab"[:place])) for place, letter in enumerate("cab" + END)
    )
    assert costs[0] == pytest.approx(by_hand)
    assert lengths.tolist() == [4, 4]
    score = model.bits_per_character(["cab", "bad", "xyz"])
    assert score.low <= score.value <= score.high
    assert model.bits_per_character(["cab"]).low == model.bits_per_character(["cab"]).value


def test_a_longer_context_predicts_real_text_better_and_the_texts_it_knows_best(english):
    training, held_out = english[:800], english[800:1000]
    bits = [
        CharacterNgram(training, order).bits_per_character(held_out, resamples=0).value for order in (1, 3, 5)
    ]
    assert bits[0] > bits[1] > bits[2]
    model = CharacterNgram(training, 5)
    assert model.bits_per_character(training[:200], resamples=0).value < bits[2] - 0.5
    shuffled = ["".join(np.random.default_rng(0).permutation(list(text))) for text in held_out]
    assert model.bits_per_character(shuffled, resamples=0).value > bits[2] + 2


def test_what_it_writes_has_the_frequencies_it_states():
    model = CharacterNgram(["ab", "ab", "ac", "ba"], 2, alphabet=10)
    starts = Counter(text[:1] for text in model.write(4000, seed=1))
    for letter in "ab":  # the last resort of a writer are the letters it knows, hence the tolerance
        assert starts[letter] / 4000 == pytest.approx(model.probability(letter, ""), abs=0.04)
    after_a = Counter(text[1] for text in model.write(4000, seed=2) if len(text) > 1 and text[0] == "a")
    ratio = after_a["b"] / after_a["c"]
    assert ratio == pytest.approx(model.probability("b", "a") / model.probability("c", "a"), rel=0.15)


def test_writing_is_seeded_bounded_and_new(english):
    model = CharacterNgram(english[:500], 4)
    texts = model.write(20, longest=60, seed=3)
    assert texts == model.write(20, longest=60, seed=3) != model.write(20, longest=60, seed=4)
    assert max(map(len, texts)) <= 60
    assert not any(START in text or END in text for text in texts)
    assert all(isinstance(text, str) for text in CharacterNgram(["", "a"], 1).write(5))


def test_several_lines_and_chinese_are_letters_like_others():
    model = CharacterNgram(["床前明月光，\n疑是地上霜。", "床前看月光，\n疑是地上霜。"], 3)
    assert model.probability("\n", "光，") > 0.4
    assert any("\n" in text for text in model.write(10, seed=0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "there are 0 texts"),
        (("one text",), "list of texts, not one text"),
        ((["a", 3],), "item 1 is a int, not a text"),
        ((["a\x02"],), "control sign"),
        ((["abc"], 0), "at least 1"),
        ((["abc"], 2, 2), "3 different characters"),
    ],
)
def test_the_model_refuses_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        CharacterNgram(*arguments)


def test_a_model_is_made_again_from_its_state():
    model = CharacterNgram(TEXTS, order=3, alphabet=50)
    state = json.loads(json.dumps(model.state()))
    again = CharacterNgram.from_state(state)
    assert again.write(20, seed=1) == model.write(20, seed=1) and again.state() == model.state()
    np.testing.assert_array_equal(again.bits(["cab", "xyz"])[0], model.bits(["cab", "xyz"])[0])
    for wrong in ({"order": 2}, {"discounts": []}, {"counts": {}}, {"counts": {"ab": 3}}, {"counts": [1]}):
        with pytest.raises((TypeError, ValueError)):
            CharacterNgram.from_state(state | wrong)
    with pytest.raises(KeyError):
        CharacterNgram.from_state({})


# --- tokens, distinct, BLEU --------------------------------------------------------------------


def test_tokens_of_three_scripts():
    assert tokens("It's 3 o'Clock!") == ["it", "'", "s", "3", "o", "'", "clock", "!"]
    assert tokens("床前ABC光，") == ["床", "前", "abc", "光", "，"]
    assert ngrams(["a", "b", "c"], 2) == [("a", "b"), ("b", "c")]
    assert ngrams(["a"], 2) == []


def test_distinct_on_counted_cases():
    assert distinct(["a b c", "a b d"], 2, resamples=0).value == pytest.approx(3 / 4)
    assert distinct(["x x x x"], 1, resamples=0).value == pytest.approx(1 / 4)
    assert distinct(["a b", "c d"], 2, resamples=0).value == 1
    with pytest.raises(ValueError, match="none of the 2 texts has 3 tokens"):
        distinct(["a b", "c"], 3)


def bleu(text: str, others: list[str], size: int = 4) -> float:
    """NLTK's BLEU; where no token is shared it gives 0, and ours counts 0.1 hits there as well."""
    words, references = tokens(text), [tokens(other) for other in others]
    fit = min(size, len(words))
    if not set(words) & set().union(*references):
        brevity = bleu_score.brevity_penalty(
            bleu_score.closest_ref_length(references, len(words)), len(words)
        )
        return brevity * math.prod(0.1 / (len(words) - n) for n in range(fit)) ** (1 / fit)
    smooth = bleu_score.SmoothingFunction(epsilon=0.1).method1
    return bleu_score.sentence_bleu(references, words, [1 / fit] * fit, smoothing_function=smooth)


def test_self_bleu_by_hand():
    """Papineni's example: seven times "the" is clipped to two."""
    reference = "the cat is on the mat"

    def both_ways(text: str, size: int = 4) -> float:
        return self_bleu([text, reference], size, resamples=0).value

    assert both_ways("the the the the the the the", 1) == pytest.approx(
        (2 / 7 + 2 / 6 * math.exp(-1 / 6)) / 2
    )
    # 5 of 6 words, 3 of 5 pairs, 1 of 4 triples, 0 of 3 fours, which counts as 0.1; both ways.
    assert both_ways("the cat sat on the mat") == pytest.approx((5 / 6 * 3 / 5 * 1 / 4 * 0.1 / 3) ** 0.25)
    # Too short: 3 words against 6, all right, exp(1 - 6 / 3).
    assert both_ways("the cat is", 3) == pytest.approx(
        (math.exp(-1) + (3 / 6 * 2 / 5 * 1 / 4) ** (1 / 3)) / 2
    )


def test_self_bleu_agrees_with_that_of_nltk_of_each_against_the_others():
    texts = ["the cat sat on the mat", "the cat is on the mat", "a dog", "a dog sat", "the the the", "mat"]
    slow = np.mean([bleu(text, texts[:k] + texts[k + 1 :]) for k, text in enumerate(texts)])
    assert self_bleu(texts, resamples=0).value == pytest.approx(slow)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(alphabet="ab ", min_size=1).filter(str.strip), min_size=2, max_size=7))
def test_self_bleu_agrees_on_any_texts(texts):
    slow = np.mean([bleu(text, texts[:k] + texts[k + 1 :], 3) for k, text in enumerate(texts)])
    assert self_bleu(texts, 3, resamples=0).value == pytest.approx(slow)


def test_self_bleu_at_its_ends():
    assert self_bleu(["a b c d e"] * 3, resamples=0).value == pytest.approx(1)
    assert self_bleu(["a b c d", "e f g h"], resamples=0).value < 0.1
    for texts in (["a b"], ["a b", "  "]):
        with pytest.raises(ValueError, match="at least 2 texts with words, got 1"):
            self_bleu(texts)


def test_copies_whole_and_in_parts():
    training = ["The cat sat on the mat.", "A dog  barked"]
    assert copy_rate(["the CAT sat on the mat.", "a dog barked ", "a cat barked"], training).value == (
        pytest.approx(2 / 3)
    )
    # "cat sat on" is ten letters of a training text; with the space after it, eleven of sixteen.
    assert copied_share(["xxxxxcat sat on "], training, 10, resamples=0).value == pytest.approx(10 / 15)
    assert copied_share(["cat sat on"], training, 11, resamples=0).value == 0
    assert copied_share(training, training, 5, resamples=0).value == 1
    with pytest.raises(ValueError, match="at least 2 characters"):
        copied_share(["a"], ["a"], 1)


def test_the_interval_of_text_measures_is_about_right(english):
    """The stated spread against that of independent sets of texts."""
    order = np.random.default_rng(0).permutation(len(english))
    sets = [[english[item] for item in order[start : start + 120]] for start in range(0, 960, 120)]
    for measure in (distinct, self_bleu):
        scores = [measure(texts) for texts in sets]
        stated = np.mean([score.high - score.low for score in scores]) / 3.92
        assert 0.4 < stated / np.std([score.value for score in scores]) < 2.5
