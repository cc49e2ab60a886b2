"""The piano keyboard: notes become one voice, every limit is said in a sentence, errors are seen."""

from __future__ import annotations

import numpy as np
import pytest

from aigc_lab import widgets
from aigc_lab.widgets.keyboard import melody, note_name


def _shown(soprano, starts):
    return f"<p>{len(soprano)} steps, {starts.sum()} notes, highest {soprano.max()}</p>"


def _heard(pitch):
    return b"wave of %d" % pitch


def _press(board, *pitches):
    for pitch in pitches:
        board.note_buttons[pitch].click()


def test_notes_become_one_voice_and_repeated_notes_are_told_apart():
    soprano, starts = melody([(60, 4), (60, 2), (64, 8)])
    np.testing.assert_array_equal(soprano, [60] * 6 + [64] * 8)
    np.testing.assert_array_equal(np.flatnonzero(starts), [0, 4, 6])


@pytest.mark.parametrize(
    ("notes", "says"),
    [
        ([], "no note yet"),
        ([(60, 4)] * 9, "9 notes are too many: 8 at most"),
        ([(59, 4)], r"59 is outside the range from C4 \(60\) to A5 \(81\)"),
        ([(60, 4), (82, 4)], "82 is outside the range"),
        ([(60.5, 4)], "60.5 is outside the range"),
        ([(60, 3)], "a note lasts 2, 4, 8, 16 sixteenths, not 3"),
    ],
)
def test_what_is_no_melody_is_said_in_a_sentence(notes, says):
    with pytest.raises(ValueError, match=says):
        melody(notes)


def test_keys_are_named_and_none_is_missing():
    board = widgets.piano(_shown, _heard)
    assert [note_name(pitch) for pitch in (60, 61, 69, 81)] == ["C4", "C♯4", "A4", "A5"]
    assert list(board.note_buttons) == list(range(60, 82))
    assert all(
        key.description == note_name(pitch) and key.tooltip for pitch, key in board.note_buttons.items()
    )
    black, white = board.children[0].children
    assert len(black.children) == 9 and len(white.children) == 13


def test_each_black_key_stands_over_the_edge_between_its_neighbours():
    board = widgets.piano(_shown, _heard)
    black, white = board.children[0].children
    width = {key: int(key.layout.width[:-2]) for key in board.note_buttons.values()}
    right = 0
    for key in black.children:
        left = right + int(key.layout.margin.split()[-1][:-2])
        right = left + width[key]
        pitch = next(pitch for pitch, each in board.note_buttons.items() if each is key)
        edge = (white.children.index(board.note_buttons[pitch - 1]) + 1) * width[white.children[0]]
        assert (left + right) / 2 == edge
    assert right <= len(white.children) * width[white.children[0]]


def test_notes_are_taken_back_and_harmonised():
    board = widgets.piano(_shown, _heard)
    assert "0 of 8 notes" in board.message.value
    _press(board, 60, 64)
    board.length_choice.value = 8
    _press(board, 67, 61)
    board.undo_button.click()
    assert board.notes == [(60, 4), (64, 4), (67, 8)]
    assert "3 of 8 notes: C4 quarter, E4 quarter, G4 half" in board.message.value
    board.answer_button.click()
    assert board.answer.value == "<p>16 steps, 3 notes, highest 67</p>"
    assert not board.answer_button.disabled and board.error is None
    board.clear_button.click()
    assert board.notes == [] and board.answer.value == ""


def test_no_note_and_a_ninth_note_are_told_and_change_nothing():
    board = widgets.piano(_shown, _heard)
    board.undo_button.click()
    board.answer_button.click()
    assert 'role="alert"' in board.message.value and "no note yet" in board.message.value
    _press(board, *range(60, 69))
    assert [pitch for pitch, _ in board.notes] == list(range(60, 68))
    assert "there are 8 notes already" in board.message.value
    board.undo_button.click()
    assert "alert" not in board.message.value


def test_what_fails_in_the_answer_or_the_sound_is_seen_and_the_notes_stay():
    def fails(*_):
        raise RuntimeError("no model <here>")

    board = widgets.piano(fails, fails)
    _press(board, 60)
    assert "The note was not played" in board.message.value and "no model &lt;here&gt;" in board.message.value
    board.answer_button.click()
    assert "Nothing was made of these notes" in board.message.value
    assert isinstance(board.error, RuntimeError) and not board.answer_button.disabled
    assert board.notes == [(60, 4)]


def test_after_an_interrupted_answer_one_may_ask_again():
    def interrupted(*_):
        raise KeyboardInterrupt

    board = widgets.piano(interrupted, _heard)
    _press(board, 60)
    with pytest.raises(KeyboardInterrupt):
        board.answer_button.click()
    assert not board.answer_button.disabled


def test_a_key_is_heard():
    board = widgets.piano(_shown, _heard)
    _press(board, 62)
    assert bytes(board.sound.value) == b"wave of 62"
