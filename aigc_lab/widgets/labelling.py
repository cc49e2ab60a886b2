"""The labelling widget: one item after the other, a key or a click for each, nothing ever lost.

ipywidgets has no events of the keyboard. So the widget has a small text field, and what is typed
into it are the labels: it grows by a character a label, Backspace takes one back, and the field
itself is the record of what was typed. It is never emptied while somebody types, because a
character on its way from the browser would then be counted twice or get lost.
Introduced in notebook 03.
"""

from __future__ import annotations

import html
import io
import os
import unicodedata
from collections.abc import Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np
from PIL import Image

from aigc_lab.collect.dataset import Dataset
from aigc_lab.label.agreement import cohen_kappa
from aigc_lab.label.ratings import NO_LABEL
from aigc_lab.label.sheet import LabelSheet, read_labels
from aigc_lab.plots import as_pictures
from aigc_lab.widgets.latent import DescribedImage, error_text

# Digits first: they work with a Chinese input method as well. "u" is undo.
_KEYS = "1234567890abcdefghijklmnopqrstvwxyz"
_UNDO, _CANNOT_TELL = "u", " "
_LONGEST_TEXT = 5_000
_MOST_REMOVED = 3  # characters in one message: quick Backspaces; more is somebody editing the record


def labelling_keys(class_count: int) -> str:
    """The key of each class, in label order: 1 to 9, then 0, then letters without u.

    Raises:
        ValueError: fewer than two classes, or more than there are keys.
    """
    if not 2 <= class_count <= len(_KEYS):
        raise ValueError(f"labelling by key needs 2 to {len(_KEYS)} classes, got {class_count}")
    return _KEYS[:class_count]


def agreement_words(mine: np.ndarray, theirs: np.ndarray, class_count: int) -> str:
    """How far two annotators agree on the items that both labelled (-1: no label), as a sentence."""
    both = (mine >= 0) & (theirs >= 0)
    if not both.any():
        return "No item yet that the second annotator has labelled too."
    same = int((mine[both] == theirs[both]).sum())
    kappa = cohen_kappa(mine, theirs, class_count=class_count)
    beyond = "not defined, only one class so far" if np.isnan(kappa) else f"{kappa:.2f}"
    return (
        f"The second annotator says the same for {same} of {both.sum()} shared items; Cohen's kappa {beyond}."
    )


def labelling_picture(
    dataset: Dataset,
    item: int,
    class_names: Sequence[str] = (),
    done: int = 0,
    agreement: str = "",
    title: str | None = None,
) -> Any:
    """What the labelling widget shows at one item, as a figure: for a page without a kernel.

    Args:
        dataset: pictures or texts.
        item: position of the item.
        class_names: the classes to choose from; by default those of the set.
        done: how many items have a label.
        agreement: a sentence below, see ``agreement_words``.
        title: a text above everything.

    Raises:
        ValueError: no such item, or too few or too many classes.
    """
    from aigc_lab import plots as style

    names = _names(dataset, class_names)
    if not 0 <= item < len(dataset):
        raise ValueError(f"item must be from 0 to {len(dataset) - 1}, got {item}")
    keys = labelling_keys(len(names))
    lines = [f"{key}  {name}" for key, name in zip(keys, names, strict=True)]
    lines += ["space  cannot tell", "u  undo"]
    below = style.wrapped(f"{done} of {len(dataset)} items labelled. {agreement}", 8.1, style.SMALL)
    foot = 0.24 * len(below) + 0.2
    height = max(3.4, 0.32 * len(lines) + 0.6 + foot)
    words = f"Item {item} with the keys {', '.join(lines)}; {done} of {len(dataset)} items labelled. "
    figure = style.new_figure(8.5, height, f"{title or 'Labelling'}: {words}{agreement}")
    axes = style.blank_axes(figure)
    text = {"family": style.families(), "va": "top"}
    if title:
        axes.text(0.2, 0.15, title, size=style.TITLE, weight="bold", **text)
    top = 0.6 if title else 0.25
    side = height - top - foot - 0.15
    if dataset.modality == "images":
        (picture,) = as_pictures(dataset[item])
        axes.imshow(
            picture, cmap="gray", vmin=0, vmax=255, extent=(0.2, 0.2 + side, top + side, top), aspect="auto"
        )
        axes.set(xlim=(0, 8.5), ylim=(height, 0))
    else:
        shown = style.wrapped(_readable(dataset.data[item])[:400], 3.6, style.LABEL)[: int(side / 0.27)]
        axes.text(0.2, top, "\n".join(shown), size=style.LABEL, **text)
        side = 3.6
    axes.text(0.6 + side, top, "\n".join(lines), size=style.LABEL, linespacing=1.5, **text)
    axes.text(0.2, height - foot, "\n".join(below), size=style.SMALL, **text)
    return figure


class Labelling(widgets.VBox):
    """The widget that ``labelling`` returns.

    Attributes:
        sheet: the ``label.LabelSheet`` behind it.
        item: position of the item that is shown; None when all have a label.
        key_field: the text field into which the labels are typed.
        buttons: one for each class, for the mouse; ``skip_button``, ``undo_button``.
        message: progress and agreement, or what went wrong.
        error: the last exception of a callback, or None.
    """

    def __init__(
        self, dataset: Dataset, sheet: LabelSheet, order: np.ndarray, second: np.ndarray | None, size: int
    ) -> None:
        self.dataset, self.sheet, self.error = dataset, sheet, None
        self._order, self._second, self._size = order, second, size
        self._digests = dataset.hashes()
        self._position = {digest: item for item, digest in reversed(list(enumerate(self._digests)))}
        self._key_of = dict(zip(sheet.class_names, labelling_keys(len(sheet.class_names)), strict=True))
        self._class_of = {key: name for name, key in self._key_of.items()}
        # Each character of the field, and whether it made an entry: Backspace then takes that one back.
        mine = [name for digest, name in sheet.entries if digest in self._position]
        self._typed = "".join(self._key_of.get(name, _CANNOT_TELL) for name in mine)
        self._entered = [True] * len(self._typed)
        self._busy = False
        keys = ", ".join(f"{key} {name}" for name, key in self._key_of.items())
        self.key_field = widgets.Text(
            value=self._typed,
            description="type here",
            placeholder="click here, then press keys",
            tooltip=f"Keys: {keys}, space cannot tell, Backspace or u undo",
            continuous_update=True,
            layout={"width": "320px"},
        )
        self.buttons = {
            name: widgets.Button(
                description=f"{key}  {name}", tooltip=f"Label this item {name}", layout={"width": "auto"}
            )
            for name, key in self._key_of.items()
        }
        self.skip_button = widgets.Button(
            description="space  cannot tell",
            tooltip="Leave this item without a class",
            layout={"width": "auto"},
        )
        self.undo_button = widgets.Button(
            description="undo", icon="undo", tooltip="Take the last label back", layout={"width": "auto"}
        )
        self.message = widgets.HTML()
        self.image = DescribedImage(format="png", layout={"width": f"{size}px"})
        self.text = widgets.HTML()
        self.item = self._next()
        self._show()
        self.key_field.observe(self._key_pressed, "value")
        for name, button in self.buttons.items():
            button.on_click(lambda _, name=name: self._clicked(self._key_of[name]))
        self.skip_button.on_click(lambda _: self._clicked(_CANNOT_TELL))
        self.undo_button.on_click(lambda _: self._clicked(_UNDO))
        row = {"flex_flow": "row wrap"}
        content = self.image if dataset.modality == "images" else self.text
        choices = widgets.Box([*self.buttons.values(), self.skip_button, self.undo_button], layout=row)
        right = widgets.VBox([self.key_field, choices, self.message], layout={"max_width": "560px"})
        super().__init__([widgets.HBox([content, right], layout=row)])

    @property
    def labels(self) -> np.ndarray:
        """A class number for each item of the set, -1 where there is none: ``(n,)``."""
        return self.sheet.labels(self.dataset)

    @property
    def disagreements(self) -> np.ndarray:
        """Positions of the items that both annotators labelled, and differently."""
        if self._second is None:
            raise ValueError("there is no second annotator; give second=")
        mine = self.labels
        return np.flatnonzero((mine >= 0) & (self._second >= 0) & (mine != self._second))

    # -- what people do ---------------------------------------------------------------------------

    def _clicked(self, key: str) -> None:
        """A click does what its key does, and the field shows it."""
        if key == _UNDO:
            self._act(self._undo)
            while self._entered and not self._entered[-1]:
                self._drop()
        else:
            self._act(lambda: self._press(key))
        self._set_field()
        self._show()
        self.key_field.focus()  # else the next key would be a command of the notebook

    def _key_pressed(self, change: Any) -> None:
        """What was typed since the last time; several keys may come at once while the kernel is busy."""
        if self._busy:
            return
        value = change["new"]
        pairs = zip(value, self._typed, strict=False)
        kept = next((place for place, (new, old) in enumerate(pairs) if new != old), None)
        kept = min(len(value), len(self._typed)) if kept is None else kept
        removed, added = len(self._typed) - kept, value[kept:]
        if removed and (removed > _MOST_REMOVED or len(added) > 1):
            self.error = ValueError("the field was edited in its middle; only its end is for typing")
        else:
            self.error = None
            actions = [self._backspace] * removed
            actions += [lambda character=character: self._press(character) for character in added]
            for action in actions:
                self._act(action)
                if self.error is not None:
                    break
        if self._typed != value:
            self._set_field()
        self._show()

    def _act(self, action: Any) -> None:
        """Do one thing; what fails is kept and shown, since Jupyter hides what a callback raises."""
        try:
            action()
            self.error = None
        except (OSError, ValueError) as error:
            self.error = error

    def _press(self, character: str) -> None:
        key = unicodedata.normalize("NFKC", character).casefold()  # full-width digits of an input method
        if key == _UNDO:
            self._undo()
        entered = self.item is not None and (key == _CANNOT_TELL or key in self._class_of)
        if entered:
            self.sheet.add(self._digests[self.item], self._class_of.get(key))
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
        if not self.sheet.entries:
            return
        digest = self.sheet.entries[-1][0]
        if digest not in self._position:
            raise ValueError("the last label of this sheet belongs to an item that is not in this set")
        self.sheet.undo()
        self.item = self._position[digest]
        for place in reversed(range(len(self._entered))):
            if self._entered[place]:
                self._entered[place] = False
                break

    # -- what is shown ----------------------------------------------------------------------------

    def _next(self) -> int | None:
        given = self.sheet.names()
        return next((int(item) for item in self._order if self._digests[item] not in given), None)

    def _set_field(self) -> None:
        self._busy = True
        try:
            self.key_field.value = self._typed
        finally:
            self._busy = False

    def _show(self) -> None:
        given = self.sheet.names()
        wanted = {self._digests[item] for item in self._order}
        done, total = sum(digest in given for digest in wanted), len(wanted)
        words = f"{done} of {total} done, kept in {self.sheet.path.name}."
        if self.item is None:
            words = f"All done: {words}"
        if self._second is not None:
            words += " " + agreement_words(self.labels, self._second, len(self.sheet.class_names))
        status = f'<div role="status" style="white-space: normal">{html.escape(words)}</div>'
        if self.error is not None:
            status += error_text("This was not entered", self.error)
        self.message.value = status
        for button in (*self.buttons.values(), self.skip_button):
            button.disabled = self.item is None
        if self.dataset.modality != "images":
            self.text.value = _text_html("" if self.item is None else self.dataset.data[self.item])
        elif self.item is not None:
            self.image.value = _enlarged(self.dataset[self.item], self._size)
            self.image.tooltip = f"Item {self.item}, to be labelled"
        else:
            self.image.value = _enlarged(np.full((1, 8, 8), 255, "uint8"), self._size)
            self.image.tooltip = "All items have a label"


def annotate(
    dataset: Dataset,
    path: str | os.PathLike[str],
    class_names: Sequence[str] = (),
    annotator: str = "",
    order: Sequence[int] | np.ndarray | None = None,
    second: Any = None,
    size: int = 224,
) -> Labelling:
    """Label items by key or click. The file is written after every label, so a crash loses nothing.

    Run the same cell again to go on where you stopped. Keys: 1 to 9 and 0 (then letters) for the
    classes, space for "cannot tell", Backspace or u to take the last label back.

    Args:
        dataset: pictures or texts; labels that it has are not shown.
        path: the file of this annotator's labels (see ``label.LabelSheet``).
        class_names: the classes to choose from; by default those of the set.
        annotator: who labels.
        order: positions of the items to label, in this order, such as the least certain first; by
            default all of them.
        second: another annotator's labels to compare with: a file, or class numbers ``(n,)`` with -1
            where there is none.
        size: pixels of the shown picture.

    Returns:
        The widget. Read ``.labels`` in a later cell.

    Raises:
        ValueError: no items, no classes, an order or second labels that do not fit, or a strange file.
        FileNotFoundError: there is no file of the second annotator.
    """
    if dataset.modality not in ("images", "text"):
        raise ValueError(f"pictures and texts can be labelled here; this set holds {dataset.modality}")
    names = _names(dataset, class_names)
    labelling_keys(len(names))
    order = np.arange(len(dataset)) if order is None else np.asarray(order, dtype=int)
    if order.ndim != 1 or not len(order) or order.min() < 0 or order.max() >= len(dataset):
        raise ValueError(f"there must be items to label, with positions from 0 to {len(dataset) - 1}")
    if isinstance(second, (str, os.PathLike)):
        second = read_labels(second, Dataset(dataset.data, None, names, dataset.card))
    if second is not None:
        second = np.asarray(second)
        if second.shape != (len(dataset),) or second.min() < NO_LABEL or second.max() >= len(names):
            raise ValueError(f"second must be {len(dataset)} class numbers, with -1 where there is no label")
    return Labelling(dataset, LabelSheet(path, names, annotator), order, second, size)


def _names(dataset: Dataset, class_names: Sequence[str]) -> tuple[str, ...]:
    return tuple(class_names) or dataset.class_names


def _enlarged(picture: Any, size: int) -> bytes:
    (pixels,) = as_pictures(picture)
    scale = size / max(pixels.shape[:2])
    shape = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize(shape, Image.Resampling.NEAREST).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _readable(text: str) -> str:
    """A text that every browser and font can take: no NUL, no broken characters, not endless."""
    cut = text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + " …"
    return cut.encode("utf-8", "replace").decode("utf-8").replace("\x00", "␀")


def _text_html(text: str) -> str:
    style = "white-space: pre-wrap; max-width: 420px; max-height: 320px; overflow: auto; margin: 0 16px 8px 0"
    return f'<div dir="auto" style="{style}">{html.escape(_readable(text))}</div>'
