"""The labelling widget: one item after the other, a key or a click for each, nothing ever lost.

ipywidgets has no events of the keyboard. So the widget has a small text field, and what is typed
into it are the labels: it grows by a character a label, Backspace takes one back, and the field
itself is the record of what was typed. It is never emptied while somebody types, because a
character on its way from the browser would then be counted twice or get lost.
Introduced in notebook 03.
"""

from __future__ import annotations

import html
import os
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import takewhile
from typing import Any

import ipywidgets as widgets
import numpy as np
from sklearn.metrics import cohen_kappa_score

from aigc_lab.collect.dataset import Dataset
from aigc_lab.label import NO_LABEL, Annotations, read_labels
from aigc_lab.language import translated
from aigc_lab.plots import as_images
from aigc_lab.widgets.live import DescribedImage, Speaking, button, error_text, png

# Digits first: they work with a Chinese input method as well. "u" is undo.
_KEYS = "1234567890abcdefghijklmnopqrstvwxyz"
_UNDO, _CANNOT_TELL = "u", " "
_SIZE = 224  # pixels of the longer side of an image
_LONGEST_TEXT = 5_000
_MOST_REMOVED = 3  # characters in one message: quick Backspaces; more is somebody editing the record
_REFUSED = "This was not entered."
_ROW = {"flex_flow": "row wrap"}


class Labelling(Speaking, widgets.VBox):
    """Label items by key or click. The file is written after every label, so a crash loses nothing.

    Run the same cell again to go on where you stopped. Keys: 1 to 9 and 0 (then letters) for the
    classes, space for "cannot tell", Backspace or u to take the last label back.

    Args:
        dataset: images or texts; labels that it has are not shown.
        path: the file of this annotator's labels (see ``label.Annotations``).
        class_names: the classes to choose from; by default those of the set.
        annotator: who labels.
        second: another annotator's labels to compare with: a file, or class numbers ``(n,)`` with -1
            where there is none.
        captions: what is said of each item while it is shown, such as why it is proposed to drop it.

    Attributes:
        annotations: the ``label.Annotations`` behind it; read ``labels`` in a later cell.
        item: position of the item that is shown; None when all have a label.
        key_field: the text field into which the labels are typed.
        buttons: one for each class, for the mouse; ``skip_button``, ``undo_button``.
        message: progress and agreement, or what went wrong.

    Raises:
        ValueError: no items, no classes, second labels or captions that do not fit, or a strange file.
        FileNotFoundError: there is no file of the second annotator.
    """

    def __init__(
        self,
        dataset: Dataset,
        path: str | os.PathLike[str],
        class_names: Sequence[str] = (),
        annotator: str = "",
        second: Any = None,
        captions: Sequence[str] = (),
    ) -> None:
        names = tuple(class_names) or dataset.class_names
        if dataset.modality not in ("images", "text"):
            raise ValueError(f"images and texts can be labelled here; this set holds {dataset.modality}")
        if not len(dataset):
            raise ValueError("there must be items to label; this set is empty")
        if not 2 <= len(names) <= len(_KEYS):
            raise ValueError(f"labelling by key needs 2 to {len(_KEYS)} classes, got {len(names)}")
        if len(captions) not in (0, len(dataset)):
            raise ValueError(f"captions: one sentence for each of {len(dataset)} items, got {len(captions)}")
        if isinstance(second, (str, os.PathLike)):
            second = read_labels(second, replace(dataset, labels=None, class_names=names))
        if second is not None:
            second = np.asarray(second)
            if second.shape != (len(dataset),) or second.min() < NO_LABEL or second.max() >= len(names):
                raise ValueError(
                    f"second must be {len(dataset)} class numbers, with -1 where there is no label"
                )
        super().__init__()
        self.dataset, self.annotations = dataset, Annotations(path, names, annotator)
        self._second, self._captions = second, captions
        self._digests = dataset.hashes()
        self._position = {digest: item for item, digest in reversed(list(enumerate(self._digests)))}
        self._key_of = dict(zip(names, _KEYS, strict=False))
        self._class_of = {key: name for name, key in self._key_of.items()}
        # Each character of the field, and whether it made an entry: Backspace then takes that one back.
        mine = [name for digest, name in self.annotations.entries if digest in self._position]
        self._typed = "".join(self._key_of.get(name, _CANNOT_TELL) for name in mine)
        self._entered = [True] * len(self._typed)
        keys = ", ".join(f"{key} {translated(name)}" for name, key in self._key_of.items())
        self.key_field = widgets.Text(
            value=self._typed,
            description="type here",
            placeholder="click here, then press keys",
            tooltip=f"Keys: {keys}, space cannot tell, Backspace or u undo",
            continuous_update=True,
            layout={"width": "320px"},
        )
        self.buttons = {
            name: self._button(f"{key}  {translated(name)}", f"Label this item {name}", key)
            for name, key in self._key_of.items()
        }
        self.skip_button = self._button("space  cannot tell", "Leave this item without a class", _CANNOT_TELL)
        self.undo_button = self._button("undo", "Take the last label back", _UNDO, icon="undo")
        self.image = DescribedImage(format="png", layout={"width": f"{_SIZE}px"})
        self.text = widgets.HTML()
        self.item = self._next()
        self._show()
        self.key_field.observe(self._key_pressed, "value")
        content = self.image if dataset.modality == "images" else self.text
        choices = widgets.Box([*self.buttons.values(), self.skip_button, self.undo_button], layout=_ROW)
        right = widgets.VBox([self.key_field, choices, self.message], layout={"max_width": "560px"})
        self.children = [widgets.HBox([content, right], layout=_ROW)]

    @property
    def labels(self) -> np.ndarray:
        """A class number for each item of the set, -1 where there is none: ``(n,)``."""
        return self.annotations.labels(self.dataset)

    @property
    def disagreements(self) -> np.ndarray:
        """Positions of the items that both annotators labelled, and differently."""
        if self._second is None:
            raise ValueError("there is no second annotator; give second=")
        mine = self.labels
        return np.flatnonzero((mine >= 0) & (self._second >= 0) & (mine != self._second))

    # -- what people do ---------------------------------------------------------------------------

    def _button(self, words: str, tooltip: str, key: str, icon: str = "") -> widgets.Button:
        return button(words, tooltip, lambda: self._clicked(key), layout={"width": "auto"}, icon=icon)

    def _clicked(self, key: str) -> None:
        """A click does what its key does, and the field shows it."""
        if key == _UNDO:
            self.attempt(_REFUSED, self._undo)
            while self._entered and not self._entered[-1]:
                self._drop()
        else:
            self.attempt(_REFUSED, partial(self._press, key))
        self.key_field.value = self._typed
        self._show()
        self.key_field.focus()  # else the next key would be a command of the notebook

    def _key_pressed(self, change: Any) -> None:
        """What was typed since the last time; several keys may come at once while the kernel is busy."""
        value = change["new"]
        if value == self._typed:  # set from here, not by somebody typing
            return
        pairs = zip(value, self._typed, strict=False)
        kept = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        removed, added = len(self._typed) - kept, value[kept:]
        if removed and (removed > _MOST_REMOVED or len(added) > 1):
            self.error = ValueError("the field was edited in its middle; only its end is for typing")
        else:
            presses = [partial(self._press, key) for key in added]
            self.attempt(_REFUSED, *[self._backspace] * removed, *presses)
        self.key_field.value = self._typed
        self._show()

    def _press(self, character: str) -> None:
        key = unicodedata.normalize("NFKC", character).casefold()  # full-width digits of an input method
        if key == _UNDO:
            self._undo()
        entered = self.item is not None and (key == _CANNOT_TELL or key in self._class_of)
        if entered:
            self.annotations.add(self._digests[self.item], self._class_of.get(key))
            self.item = self._next()
        self._typed += character
        self._entered.append(entered)

    def _backspace(self) -> None:
        if self._entered[-1]:
            self._undo()
        self._drop()

    def _drop(self) -> None:
        self._typed = self._typed[:-1]
        self._entered.pop()

    def _undo(self) -> None:
        """Take the last entry back, and remember that its character no longer stands for one."""
        if not self.annotations.entries:
            return
        digest = self.annotations.entries[-1][0]
        if digest not in self._position:
            raise ValueError("the last label of this file belongs to an item that is not in this set")
        self.annotations.undo()
        self.item = self._position[digest]
        for place in reversed(range(len(self._entered))):
            if self._entered[place]:
                self._entered[place] = False
                break

    # -- what is shown ----------------------------------------------------------------------------

    def _next(self) -> int | None:
        given = self.annotations.names()
        return next((item for item, digest in enumerate(self._digests) if digest not in given), None)

    def _show(self) -> None:
        done, total = len(self._position.keys() & self.annotations.names()), len(self._position)
        file = self.annotations.path.name
        said = [f"{done} of {total} done, kept in {file}."]
        if self.item is None:
            said = [f"All done: {done} of {total} done, kept in {file}."]
        elif self._captions:
            said.insert(0, f"{self._captions[self.item].rstrip('.')}.")
        if self._second is not None:
            said.append(_agreement(self.labels, self._second))
        wrong = "" if self.error is None else error_text(_REFUSED, self.error)
        self.say(*said, after=wrong)
        for each in (*self.buttons.values(), self.skip_button):
            each.disabled = self.item is None
        if self.dataset.modality != "images":
            self.text.value = _text_html("" if self.item is None else self.dataset.data[self.item])
            return
        blank = np.full((8, 8), 255, "uint8")
        pixels = blank if self.item is None else as_images(self.dataset[self.item])[0]
        self.image.value = png(pixels, _SIZE)
        self.image.tooltip = (
            "All items have a label" if self.item is None else f"Item {self.item}, to be labelled"
        )


def _agreement(mine: np.ndarray, theirs: np.ndarray) -> str:
    """How far two annotators agree on the items that both labelled (-1: no label), as a sentence."""
    both = (mine >= 0) & (theirs >= 0)
    if not both.any():
        return "No item yet that the second annotator has labelled too."
    mine, theirs = mine[both], theirs[both]
    beyond = "not defined, only one class so far"
    if len(np.union1d(mine, theirs)) > 1:
        beyond = f"{cohen_kappa_score(mine, theirs):.2f}"
    same = (mine == theirs).sum()
    return (
        f"The second annotator says the same for {same} of {len(mine)} shared items; Cohen's kappa {beyond}."
    )


def _text_html(text: str) -> str:
    """A text that every browser and font can take: no NUL, no broken characters, not endless."""
    cut = text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + " …"
    cut = cut.encode("utf-8", "replace").decode("utf-8").replace("\x00", "␀")
    style = "white-space: pre-wrap; max-width: 420px; max-height: 320px; overflow: auto; margin: 0 16px 8px 0"
    return f'<div dir="auto" style="{style}">{html.escape(cut)}</div>'
