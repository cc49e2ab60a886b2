"""The people test without a browser, and the table of faults."""

from __future__ import annotations

import json

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd

from aigc_lab import plots, show, widgets
from aigc_lab.evaluate import people
from aigc_lab.evaluate.intervals import share


@pytest.fixture
def trials():
    # Different grey levels: each pair has a content of its own.
    real = np.arange(100, 112, dtype=np.uint8)[:, None, None] * np.ones((1, 8, 8), np.uint8)
    return people.trials(real, real - 90, 12)


def press(widget, text):
    for character in text:
        widget.key_field.value += character


def test_keys_are_answers_and_each_is_on_disk(trials, tmp_path):
    widget = widgets.real_or_generated(trials, tmp_path / "me.json", person="Li")
    for number, side in enumerate(trials.real_side):
        assert widget.item == number
        press(widget, "12"[side])
        stored = json.loads((tmp_path / "me.json").read_text(encoding="utf-8"))
        assert len(stored["entries"]) == number + 1
        assert stored["annotator"] == "Li"
    assert (widget.score.value, widget.item) == (1, None)
    assert "12 of 12 answers are right" in widget.message.value
    assert "can be told from real" in widget.message.value


def test_nothing_is_given_away_before_the_last_answer(trials, tmp_path):
    widget = widgets.real_or_generated(trials, tmp_path / "me.json")
    press(widget, "1" * 11)
    assert "11 of 12 answered" in widget.message.value
    assert "right:" not in widget.message.value and "%" not in widget.message.value
    press(widget, "1")
    assert f"{int((trials.real_side == 0).sum())} of 12 answers are right" in widget.message.value


def test_a_choice_is_forced_and_can_be_taken_back(trials, tmp_path):
    widget = widgets.real_or_generated(trials, tmp_path / "me.json")
    press(widget, " 1")
    assert widget.answers.tolist() == [0] + [-1] * 11
    assert widget.skip_button.layout.display == "none"
    press(widget, "u")
    assert (widget.answers >= 0).sum() == 0
    widget.buttons["right"].click()
    assert widget.answers[0] == 1
    again = widgets.real_or_generated(trials, tmp_path / "me.json")  # the kernel died
    assert (again.item, again.answers[0]) == (1, 1)


def test_two_people_do_not_share_a_file(trials, tmp_path):
    press(widgets.real_or_generated(trials, tmp_path / "me.json", person="Li"), "1")
    with pytest.raises(ValueError, match="is the sheet of Li, not of Bo"):
        widgets.real_or_generated(trials, tmp_path / "me.json", person="Bo")


def test_texts_can_be_judged(tmp_path):
    made = people.trials(["a real text"] * 1, ["a <b>made</b> text"], 1)
    widget = widgets.real_or_generated(made, tmp_path / "me.json")
    assert "&lt;b&gt;made" in widget.text.value
    press(widget, "12"[1 - made.real_side[0]])
    assert widget.score.value == 0


def test_a_failed_write_is_seen(trials, tmp_path):
    widget = widgets.real_or_generated(trials, tmp_path / "me.json")
    press(widget, "1")
    (tmp_path / "me.json").write_text("{}", encoding="utf-8")
    press(widget, "2")
    assert "changed by somebody else" in widget.message.value
    assert (widget.answers >= 0).sum() == 1


def test_the_words_say_what_is_proved_and_what_is_not():
    assert "Better than guessing" in widgets.judgement_words(share(45, 60), 60)
    assert "Worse than guessing" in widgets.judgement_words(share(15, 60), 60)
    words = widgets.judgement_words(share(33, 60), 60)
    assert "nothing is shown" in words and str(people.answers_for_power(0.6)) in words


def test_the_static_pair_says_nothing_about_the_truth(trials):
    figures = [widgets.pair_picture(trials, item) for item in (3, 4)]
    words = [plots.alt(figure).replace("Pair 4", "Pair").replace("Pair 5", "Pair") for figure in figures]
    assert words[0] == words[1]
    assert "1 the left one is real" in words[0]
    assert figures[0].png() != figures[1].png()
    texts = people.trials(["a real text"], ["a made text"], 1)
    figures.append(widgets.pair_picture(texts))
    for figure in figures:
        plt.close(figure)
    with pytest.raises(ValueError, match="item must be from 0 to 11"):
        widgets.pair_picture(trials, 12)


# --- fault table -------------------------------------------------------------------------------


def test_the_fault_table_says_in_words_who_sees_what():
    verdicts = {
        "blur": {"FID": "seen", "recall": "missed"},
        "copies": {"FID": "fooled", "recall": "blind"},
    }
    words = {row: {column: f"{row[0]}{column[0]}" for column in cells} for row, cells in verdicts.items()}
    figure = show.fault_table(
        verdicts, words, {"seen": "outside"}, "Who sees what", groups=(("quality", 1), ("variety", 1))
    )
    assert "blur: seen by FID; copies: seen by no measure" in plots.alt(figure)
    written = [text.get_text() for axes in figure.axes for text in axes.texts]
    for piece in ("blur", "bF", "br", "quality", "variety", "Who sees what"):
        assert piece in written
    plt.close(figure)


def test_the_fault_table_refuses_what_does_not_fit():
    for verdicts, message in (
        ({}, "no cells"),
        ({"a": {"x": "seen"}, "b": {"y": "seen"}}, "other measures"),
        ({"a": {"x": "perhaps"}}, "'perhaps' is no verdict"),
    ):
        with pytest.raises(ValueError, match=message):
            show.fault_table(verdicts)
    with pytest.raises(ValueError, match="take 2 of 1 columns"):
        show.fault_table({"a": {"x": "seen"}}, groups=(("g", 2),))


def test_the_heat_map_holds_its_numbers():
    table = pd.DataFrame({"one": [1.25, -3.0], "two": [0.0, 2.0]}, index=["blur", "noise"])
    figure = show.heat_map(table, "standard deviations", title="Three networks")
    assert "blur: one 1.2, two 0.0; noise: one -3.0, two 2.0" in plots.alt(figure)
    plt.close(figure)
    with pytest.raises(ValueError, match="finite numbers"):
        show.heat_map(table * np.nan, "x")
    with pytest.raises(ValueError, match="finite numbers"):
        show.heat_map(table[:0], "x")
