"""The labelling widget without a browser: what is typed is what the file holds."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from aigc_lab import widgets
from aigc_lab.collect.dataset import Dataset, own_card

NAMES = ("cat", "dog", "owl")


@pytest.fixture
def animals():
    images = np.random.default_rng(0).integers(0, 256, (6, 12, 12), dtype=np.uint8)
    return Dataset(images, None, NAMES, own_card("tiny"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mine.json"


def type_keys(widget, text):
    """As a browser does it: one message a key, each with the whole field."""
    for character in text:
        typed = widget.key_field.value
        widget.key_field.value = typed[:-1] if character == "\b" else typed + character


def stored(path):
    return [name for _, name in json.loads(path.read_text(encoding="utf-8"))["entries"]]


def test_a_key_labels_the_item_that_is_shown(animals, path):
    widget = widgets.annotate(animals, path)
    for number, (key, name) in enumerate(zip("213", ("dog", "cat", "owl"), strict=True)):
        assert widget.item == number
        shown = Image.open(io.BytesIO(widget.image.value)).resize((12, 12), Image.Resampling.NEAREST)
        assert np.array_equal(np.asarray(shown), animals.data[number])
        type_keys(widget, key)
        assert stored(path)[-1] == name
        assert len(stored(path)) == number + 1
    assert widget.labels.tolist() == [1, 0, 2, -1, -1, -1]
    assert "3 of 6 done" in widget.message.value
    assert widget.error is None


def test_backspace_u_and_the_button_take_back(animals, path):
    widget = widgets.annotate(animals, path)
    type_keys(widget, "12\b3")
    assert widget.labels.tolist() == [0, 2, -1, -1, -1, -1]
    type_keys(widget, "u")
    assert (widget.item, stored(path)) == (1, ["cat"])
    type_keys(widget, "\b\b")  # over the u and over the 3 that was taken back already: nothing more is lost
    assert stored(path) == ["cat"]
    type_keys(widget, "2")
    widget.undo_button.click()
    assert (widget.item, stored(path), widget.key_field.value) == (1, ["cat"], "1")
    widget.undo_button.click()
    widget.undo_button.click()
    assert (widget.item, stored(path), widget.key_field.value) == (0, [], "")
    type_keys(widget, "u")
    assert widget.error is None


def test_mouse_and_keys_mix(animals, path):
    widget = widgets.annotate(animals, path)
    widget.buttons["owl"].click()
    type_keys(widget, "1")
    widget.skip_button.click()
    assert widget.key_field.value == "31 "
    type_keys(widget, "\b")
    assert stored(path) == ["owl", "cat"]
    assert widget.item == 2


def test_it_goes_on_where_it_stopped(animals, path):
    type_keys(widgets.annotate(animals, path), "1 2")
    widget = widgets.annotate(animals, path)  # the kernel died, the cell is run again
    assert (widget.item, widget.key_field.value) == (3, "1 2")
    assert widget.labels.tolist() == [0, -1, 1, -1, -1, -1]
    type_keys(widget, "\b\b2")
    assert stored(path) == ["cat", "dog"]
    type_keys(widget, "1111")
    assert widget.item is None
    assert "All done: 6 of 6" in widget.message.value
    assert all(button.disabled for button in widget.buttons.values())
    type_keys(widget, "1")  # nothing left to label
    assert len(stored(path)) == 6


def test_several_keys_in_one_message(animals, path):
    """While the kernel is busy the browser sends only the newest content of the field."""
    widget = widgets.annotate(animals, path)
    widget.key_field.value = "123"
    assert stored(path) == ["cat", "dog", "owl"]
    widget.key_field.value = "1"
    assert stored(path) == ["cat"]
    widget.key_field.value = "3"  # Backspace and another key
    assert stored(path) == ["owl"]
    widget.key_field.value = "3１２Ｕ"  # full-width, from a Chinese input method: label, label, undo
    assert stored(path) == ["owl", "cat"]


def test_unknown_keys_and_edits_in_the_middle_label_nothing(animals, path):
    widget = widgets.annotate(animals, path)
    type_keys(widget, "1x9?2")
    assert stored(path) == ["cat", "dog"]
    assert widget.error is None
    type_keys(widget, "\b\b\b\b")
    assert (stored(path), widget.key_field.value) == (["cat"], "1")


def test_an_edit_of_the_record_is_refused(animals, path):
    widget = widgets.annotate(animals, path)
    type_keys(widget, "12312")
    before = path.read_bytes()
    for edited in ("", "3", "32312", "1x2312"):
        widget.key_field.value = edited
        assert path.read_bytes() == before
        assert widget.key_field.value == "12312"
        assert "edited in its middle" in widget.message.value
    type_keys(widget, "1")
    assert widget.error is None
    assert len(stored(path)) == 6


@settings(max_examples=60, deadline=None)
@given(keys=st.text(alphabet="123 u\bx", max_size=25))
def test_any_typing_gives_what_a_plain_list_gives(tmp_path_factory, keys):
    """The file after any keys equals a list with append and pop; the field keeps one sign a key."""
    path = tmp_path_factory.mktemp("annotations") / "mine.json"
    images = np.arange(40, dtype="uint8")[:, None, None] * np.ones((1, 8, 8), "uint8")
    widget = widgets.annotate(Dataset(images, None, NAMES, own_card("tiny")), path)
    entries, signs = [], []  # a sign is the entry it stands for, or None
    for key in keys:
        if key == "\b":
            if signs and signs.pop() is not None:
                entries.pop()
        elif key == "u":
            if entries:
                entries.pop()
                last = max(place for place, sign in enumerate(signs) if sign is not None)
                signs[last] = None
            signs.append(None)
        elif key == "x":
            signs.append(None)
        else:
            entries.append({"1": "cat", "2": "dog", "3": "owl", " ": None}[key])
            signs.append(len(entries))
        type_keys(widget, key if key != "\b" or widget.key_field.value else "")
    assert [name for _, name in widget.annotations.entries] == entries
    assert widget.item == len(entries)
    if path.exists():
        assert stored(path) == entries


def test_a_failed_write_is_seen_and_nothing_is_counted(animals, path):
    widget = widgets.annotate(animals, path)
    type_keys(widget, "1")
    other = widgets.annotate(animals, path)
    type_keys(other, "2")  # a second window on the same file
    before = path.read_bytes()
    type_keys(widget, "3")
    assert isinstance(widget.error, OSError)
    assert "changed by somebody else" in widget.message.value
    assert 'role="alert"' in widget.message.value
    assert (path.read_bytes(), widget.item, widget.key_field.value) == (before, 1, "1")


def test_agreement_with_a_second_annotator(animals, path, tmp_path):
    theirs = tmp_path / "theirs.json"
    type_keys(widgets.annotate(animals, theirs, annotator="Bo"), "1123 ")
    widget = widgets.annotate(animals, path, second=theirs)
    assert "No item yet" in widget.message.value
    type_keys(widget, "12232")
    kappa = (3 / 4 - 5 / 16) / (1 - 5 / 16)  # 0, 1, 1, 2 and 0, 0, 1, 2: by chance (2 + 2 + 1) / 16
    assert f"same for 3 of 4 shared items; Cohen&#x27;s kappa {kappa:.2f}" in widget.message.value
    assert widget.disagreements.tolist() == [1]
    one_class = widgets.annotate(animals, tmp_path / "one.json", second=[0, 0, -1, -1, -1, -1])
    type_keys(one_class, "11")
    assert "only one class so far." in one_class.message.value
    with pytest.raises(ValueError, match="no second annotator"):
        _ = widgets.annotate(animals, tmp_path / "third.json").disagreements


def test_copies_are_labelled_once(animals, path):
    widget = widgets.annotate(animals[[0, 1, 1, 2]], path)
    type_keys(widget, "13")
    assert widget.item == 3 and "2 of 3 done" in widget.message.value
    assert widget.labels.tolist() == [0, 2, 2, -1]


def test_texts_are_shown_as_they_are(path):
    texts = ("<b>bold</b>\x00", "שלום 🎉", "x" * 10_000, "\udc80")
    data = Dataset(texts, None, ("good", "bad"), own_card("notes", "text"))
    widget = widgets.annotate(data, path)
    assert "&lt;b&gt;bold&lt;/b&gt;␀" in widget.text.value
    assert 'dir="auto"' in widget.text.value
    type_keys(widget, "12")
    assert len(widget.text.value) < 6_000
    type_keys(widget, "1")
    widget.text.value.encode("utf-8")


def test_a_caption_stands_beside_its_item(animals, path):
    captions = [f"reason <{number}>" for number in range(6)]
    widget = widgets.annotate(animals, path, ("drop", "keep"), captions=captions)
    assert "reason &lt;0&gt;.</span> <span>0 of 6 done" in widget.message.value
    type_keys(widget, "1")
    assert "reason &lt;1&gt;.</span> <span>1 of 6 done" in widget.message.value
    type_keys(widget, "22222")
    assert "reason" not in widget.message.value and "All done: 6 of 6" in widget.message.value
    with pytest.raises(ValueError, match="one sentence for each of 6 items, got 2"):
        widgets.annotate(animals, path.with_name("other.json"), captions=captions[:2])


def test_wrong_use_is_refused(animals, path):
    audio = Dataset(np.zeros((2, 9), "float32"), None, NAMES, own_card("sounds", "audio"))
    for call, message in (
        (lambda: widgets.annotate(audio, path), "this set holds audio"),
        (lambda: widgets.annotate(animals, path, class_names=["cat"]), "2 to 35 classes, got 1"),
        (lambda: widgets.annotate(animals, path, class_names=list(map(str, range(36)))), "got 36"),
        (lambda: widgets.annotate(animals[[]], path), "there must be items"),
        (lambda: widgets.annotate(animals, path, second=[0, 1]), "6 class numbers"),
        (lambda: widgets.annotate(animals, path, second=[0, 1, 2, 3, 0, 0]), "6 class numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(FileNotFoundError, match="label something first"):
        widgets.annotate(animals, path, second=path)
    assert not path.exists()
