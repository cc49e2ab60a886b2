"""What the test set shares with the training set, and the data sheet."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigc_lab import clean, collect, corrupt
from aigc_lab.collect import Dataset, own_card


@pytest.fixture(scope="module")
def animals() -> Dataset:
    return collect.load("animals")


def naive_split(dataset: Dataset, seed: int) -> tuple[Dataset, Dataset]:
    order = np.random.default_rng(seed).permutation(len(dataset))
    return dataset[order[: len(dataset) * 4 // 5]], dataset[order[len(dataset) * 4 // 5 :]]


def test_a_random_split_of_animals_leaks_and_the_split_by_content_does_not(animals):
    train, test = naive_split(animals, seed=0)
    found = collect.leaks(train, test)
    assert 60 < len(found) < 150
    for row in found.itertuples():
        assert np.array_equal(train.data[row.train_item], test.data[row.item])
    brute = {digest for digest in train.hashes()}
    assert found["item"].tolist() == [i for i, digest in enumerate(test.hashes()) if digest in brute]
    parts = animals.split((0.8, 0.2), seed=0)
    assert collect.leaks(*parts).empty
    assert collect.leaks(*reversed(parts)).empty


def test_the_first_equal_item_is_named_and_another_label_is_told():
    pictures = np.zeros((4, 8, 8), dtype=np.uint8)
    pictures[0] = 7
    train = Dataset(pictures, np.array([0, 0, 1, 1]), ("cat", "dog"))
    test = Dataset(pictures[1:2], np.array([1]), ("cat", "dog"))
    found = collect.leaks(train, test)
    assert found["train_item"].tolist() == [1]
    assert found["reason"][0] == "equals item 1 of the training set, which is labelled cat and this one dog"


def test_the_findings_drop_what_leaks(animals):
    train, test = naive_split(animals[::10], seed=1)
    dirty, _ = corrupt.apply(test, {"exact_duplicate": 0.5})
    more = Dataset(np.concatenate([train.data, dirty.data[-20:]]), None, (), own_card("more"))
    kept = clean.apply(test, collect.leaks(more, test)).kept
    assert len(kept) == len(test) - 20
    assert collect.leaks(more, kept).empty


def test_a_key_says_what_counts_as_the_same():
    pairs = collect.load("dialogues").only("english")
    train, test = pairs.split((0.7, 0.3), seed=0)
    assert collect.leaks(train, test).empty
    found = collect.leaks(train, test, key=lambda text: text.split("\t")[0])
    questions = {text.split("\t")[0] for text in train.data}
    assert len(found) == sum(text.split("\t")[0] in questions for text in test.data) > 20
    with pytest.raises(ValueError, match="cannot be compared"):
        collect.leaks(train, test, key=list)


def test_pictures_of_other_shapes_with_the_same_bytes_are_not_the_same():
    flat = Dataset(np.zeros((1, 4, 9), dtype=np.uint8), None, ())
    square = Dataset(np.zeros((1, 6, 6), dtype=np.uint8), None, ())
    assert collect.leaks(flat, square).empty
    with pytest.raises(ValueError, match="holds images and the test set text"):
        collect.leaks(flat, Dataset(["a"], card=own_card("words", "text")))


@given(st.lists(st.sampled_from("abcdef")), st.lists(st.sampled_from("abcdef")))
def test_leaks_are_what_sets_say(one, two):
    train, test = (Dataset(part, card=own_card("words", "text")) for part in (one, two))
    found = collect.leaks(train, test)
    assert found["item"].tolist() == [place for place, text in enumerate(two) if text in set(one)]
    assert found["train_item"].tolist() == [one.index(text) for text in two if text in one]


def test_a_sheet_counts_what_can_be_counted_and_asks_the_rest(animals):
    sheet = collect.datasheet(animals, {"purpose": "To teach."})
    assert "Items: 10,000 (images)" in sheet
    assert "Exact repeats of an earlier item: 284" in sheet
    assert "Equal items with different labels: 0" in sheet
    assert "28 x 28 values of type uint8, from 0 to 255" in sheet
    assert "Licence: MIT" in sheet and "Largest class to smallest: 1.0 to 1" in sheet
    assert "For which purpose was it made, and by whom? To teach." in sheet
    assert "7 of 8 questions are not answered yet" in sheet and sheet.count("**not answered yet**") == 7
    every = {name: "yes" for questions in collect.QUESTIONS.values() for name in questions}
    assert "not answered" not in collect.datasheet(animals, every)


def test_sheets_of_texts_audio_and_of_nothing():
    words = Dataset(["a", "a", " ", "four"], np.array([0, 1, 0, 0]), ("x", "y"), own_card("w", "text"))
    sheet = collect.datasheet(words)
    assert "1 to 4 characters, half of them at most 1" in sheet and "Empty: 1" in sheet
    assert "Equal items with different labels: 1" in sheet and "3.0 to 1" in sheet
    sound = Dataset(np.zeros((2, 100), dtype=np.float32), None, (), own_card("s", "audio"))
    assert "Constant (blank or silent): 2" in collect.datasheet(sound)
    assert "Labels: none" in collect.datasheet(sound)
    assert "Items: 0 (text)" in collect.datasheet(words[:0])
    with pytest.raises(ValueError, match="no question is named 'purpos'"):
        collect.datasheet(words, {"purpos": "?"})
