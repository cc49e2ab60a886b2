"""The stored model of chorales reads what its recipe writes, and knows a chorale from a shuffled one."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from aigc_lab.models import stored, transformer

RECIPES = Path(__file__).parents[2] / "scripts" / "train_stored_models.py"
# The first four beats of a chorale of the test part (BWV in the public domain): soprano, alto, tenor, bass.
BEATS = [
    [65, 60, 57, 53], [65, 60, 57, 53], [65, 60, 57, 53], [65, 60, 57, 53],
    [72, 60, 55, 52], [72, 60, 55, 52], [70, 60, 55, 52], [70, 60, 55, 52],
    [69, 60, 53, 53], [69, 60, 53, 53], [67, 60, 55, 52], [67, 60, 55, 52],
    [65, 62, 57, 50], [65, 62, 57, 50], [65, 64, 58, 50], [65, 64, 58, 50],
]  # fmt: skip


@pytest.fixture(scope="module")
def recipes():
    spec = importlib.util.spec_from_file_location("recipes", RECIPES)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_eighth_is_four_characters_and_held_notes_have_signs_of_their_own(recipes):
    assert recipes.chorale_text(np.array(BEATS)) == "^YVR⑤⑥⑦⑧e②TQc⑥⑦⑧b②RR`⑥TQ^[VO⑤]W⑧"


def test_a_sixteenth_between_is_written_only_where_a_note_begins(recipes):
    moving = np.array([[60, 55, 52, 48], [62, 55, 52, 48], [64, 55, 52, 48], [64, 55, 52, -1]])
    assert recipes.chorale_text(moving) == "YTQM'[⑩⑪⑫]⑥⑦⑧'⑨⑩⑪~"


def test_transpositions_stay_in_the_ranges_and_keep_rests(recipes):
    low = np.array([[62, 57, 52, 45], [-1, 57, 52, 45]])
    high = low + 3 * (low > 0)
    found = recipes.transposed([low, high])
    assert len(found) == 2 * 4  # each of the two in four keys
    for each in found:
        assert ((each < 0) == (low < 0)).all()
        sounding = np.where(each < 0, 62, each)
        assert (sounding >= [62, 57, 52, 45]).all()
        assert (sounding <= [65, 60, 55, 48]).all()


def test_bits_are_counted_for_each_note_that_begins(recipes):
    """With equal chances each of the characters costs log2 of their number, the end among them."""
    text = recipes.chorale_text(np.array(BEATS))
    characters = "".join(sorted(set(text) | {"\n", "'"}))
    model = transformer.character_model(len(characters), length=16, width=8, blocks=1, heads=2)
    head = model.network.layers[-1]
    head.set_weights([np.zeros_like(weight) for weight in head.get_weights()])
    found = recipes.chorale_bits(model, [text], characters)
    bits = (len(text) + 1) * np.log2(len(characters))
    notes = sum(sign not in recipes.HOLDS for sign in text)
    assert found["bits a note"] == pytest.approx(bits / notes, rel=1e-5)
    assert found["bits a sixteenth"] == pytest.approx(bits / 16, rel=1e-5)


def test_the_stored_model_finds_bach_likelier_than_his_chords_in_another_order(recipes):
    model = stored.load("chorale_transformer")
    characters = stored.about("chorale_transformer")["characters"]
    chords = np.array(BEATS).reshape(8, 2, 4)  # eighths
    costs = []
    for order in (range(8), (5, 2, 7, 0, 3, 6, 1, 4)):
        text = recipes.chorale_text(chords[list(order)].reshape(16, 4))
        bits = transformer.token_bits(model, transformer.encode(f"\n{text}\n", characters))[:-1]
        costs.append(bits.sum())
    assert costs[0] < 0.7 * costs[1]
