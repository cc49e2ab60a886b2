"""Text augmentation: nothing is invented, nothing becomes empty, in any script."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_lab import augment
from aigc_lab.augment import text as room
from aigc_lab.collect import Card, Dataset

CARD = Card("t", "t", "text", "", "", "")
TEXTS = st.text(max_size=60)


def random(seed=0):
    return np.random.default_rng(seed)


def letters(text):
    return Counter(text)


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.floats(0, 1), st.integers(0, 9))
def test_swaps_keep_every_character_and_deletions_add_none(text, rate, seed):
    for name, method in room.METHODS.items():
        changed = method(text, rate, random(seed))
        if name.startswith("swap"):
            assert letters(changed) == letters(text)
        else:
            assert letters(changed) <= letters(text)
        assert bool(changed.strip()) == bool(text.strip()) or name == "delete_characters"
        assert bool(changed) == bool(text)


@settings(max_examples=40, deadline=None)
@given(TEXTS)
def test_a_rate_of_zero_changes_nothing(text):
    assert all(method(text, 0, random()) == text for method in room.METHODS.values())


def test_words_are_words_in_english_and_characters_in_chinese():
    english = "one two three four"
    assert set(room.delete_words(english, 0.5, random(1)).split()) < set(english.split())
    chinese = room.delete_words("床前明月光", 0.5, random(1))
    assert 0 < len(chinese) < 5 and set(chinese) < set("床前明月光")
    swapped = {room.swap_words("床前 moon 光", 0.9, random(seed)) for seed in range(20)}
    assert len(swapped) > 3 and all(letters(each) == letters("床前 moon 光") for each in swapped)


def test_the_share_that_is_deleted_is_the_rate():
    text = " ".join(map(str, range(4000)))
    assert len(room.delete_words(text, 0.3, random()).split()) == pytest.approx(2800, rel=0.05)
    assert len(room.delete_characters("x" * 4000, 0.3, random())) == pytest.approx(2800, rel=0.05)


def test_everything_deleted_leaves_one():
    assert room.delete_words("a b c", 1, random()).strip() in {"a", "b", "c"}
    assert room.delete_characters("abc", 1, random()) in {"a", "b", "c"}


@pytest.mark.parametrize("text", ["", "x", "😀", "שלום עולם", "a\0b", "\udc80", "   ", "e\u0301"])
def test_odd_texts_pass(text):
    for method in room.METHODS.values():
        assert isinstance(method(text, 0.5, random()), str)


def test_a_long_line_is_quick():
    text = "word " * 50_000
    assert len(room.delete_words(text, 0.1, random())) < len(text)


def test_expand_text_keeps_the_originals_and_the_labels():
    texts = Dataset(("good morning to you", "再见朋友"), np.array([0, 1]), ("en", "zh"), CARD)
    more = augment.expand_text(texts, "swap_words", rate=0.5, copies=3, seed=4)
    assert more.data[:2] == texts.data and len(more) == 8
    assert more.labels.tolist() == [0, 1] * 4
    assert more.data == augment.expand_text(texts, "swap_words", rate=0.5, copies=3, seed=4).data
    assert more.data != augment.expand_text(texts, "swap_words", rate=0.5, copies=3, seed=5).data


def test_bad_input_is_refused():
    texts = Dataset(("a", "b"), card=CARD)
    with pytest.raises(ValueError, match="delete_words"):
        augment.expand_text(texts, "translate")
    with pytest.raises(ValueError, match="0 to 1"):
        augment.expand_text(texts, rate=2)
    with pytest.raises(ValueError, match="empty"):
        augment.expand_text(texts[:0])
    with pytest.raises(ValueError, match="images"):
        augment.expand_text(Dataset(np.zeros((1, 4, 4), "uint8")))
