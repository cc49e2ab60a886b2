"""A small piano keyboard: a few notes clicked or chosen by key, then something made of them.

Introduced in notebook 26, where a model sets three voices below the notes.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence

import ipywidgets as widgets
import numpy as np

from aigc_lab import sound
from aigc_lab.widgets.live import error_text

LENGTHS = {"eighth": 2, "quarter": 4, "half": 8, "whole": 16}  # in sixteenths
_NAMES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
_WHITE, _BLACK = 44, 34  # pixels: widths of the keys
# The frame of the key that has the focus; ipywidgets draws a thin line that is hardly seen on a key.
_FOCUS = """<style>.lab-piano .jupyter-button:focus-visible {
  outline: 3px solid #0072B2 !important; outline-offset: -3px; box-shadow: inset 0 0 0 5px #FFFFFF !important;
}</style>"""


def note_name(pitch: int) -> str:
    """The name of a MIDI pitch with its octave: 60 is C4, 69 is A4 (440 Hz)."""
    return f"{_NAMES[pitch % 12]}{pitch // 12 - 1}"


def melody(
    notes: Sequence[tuple[int, int]], low: int = 60, high: int = 81, most: int = 8
) -> tuple[np.ndarray, np.ndarray]:
    """Notes as one voice on the sixteenth grid.

    Args:
        notes: (MIDI pitch, length in sixteenths) of each, in their order.
        low, high: lowest and highest pitch allowed; the soprano of Bach's chorales goes from 60 to 81.
        most: so many notes at most.

    Returns:
        Pitches ``(steps,)`` and where a note begins ``(steps,)``, which tells repeated notes apart.

    Raises:
        ValueError: no note, too many, a pitch outside the range, or a length that no note has.
    """
    if not len(notes):
        raise ValueError(f"there is no note yet: press 1 to {most} keys first")
    if len(notes) > most:
        raise ValueError(f"{len(notes)} notes are too many: {most} at most")
    for pitch, length in notes:
        if not (low <= pitch <= high and int(pitch) == pitch):
            raise ValueError(
                f"pitch {pitch} is outside the range from {note_name(low)} ({low}) to {note_name(high)} "
                f"({high}): choose another key"
            )
        if length not in LENGTHS.values():
            raise ValueError(f"a note lasts {', '.join(map(str, LENGTHS.values()))} sixteenths, not {length}")
    pitches, lengths = np.array(notes).T
    starts = np.zeros(lengths.sum(), bool)
    starts[np.cumsum(lengths) - lengths] = True
    return np.repeat(pitches, lengths), starts


class Keyboard(widgets.VBox):
    """The widget that ``piano`` returns.

    Attributes:
        notes: (MIDI pitch, length in sixteenths) of each note so far.
        note_buttons: pitch to its button; length_choice, undo_button, clear_button, answer_button.
        message: the notes in words, or what is wrong.
        answer: what was made of the notes, as HTML.
        error: the last exception of a callback, or None.
    """

    def __init__(
        self,
        answer: Callable[[np.ndarray, np.ndarray], str],
        hear: Callable[[int], bytes] | None,
        low: int,
        high: int,
        most: int,
        verb: str,
    ) -> None:
        self._make, self._hear, self._limits, self._verb = answer, hear, (low, high, most), verb
        self.notes: list[tuple[int, int]] = []
        self.error: Exception | None = None
        self.note_buttons = {pitch: self._key(pitch) for pitch in range(low, high + 1)}
        self.length_choice = widgets.ToggleButtons(
            options=LENGTHS,
            value=4,
            description="length",
            tooltips=[f"The next notes last {steps} sixteenths" for steps in LENGTHS.values()],
            style={"button_width": "76px", "description_width": "56px"},
            layout={"width": "400px", "flex": "0 0 auto"},
        )
        self.undo_button = self._button("Undo", "Take the last note back", self._undo)
        self.clear_button = self._button("Clear", "Take all notes back", self._clear)
        self.answer_button = self._button(verb, f"{verb} these notes", self._answer)
        self.message, self.answer = widgets.HTML(), widgets.HTML()
        # Ten milliseconds of silence until a key is pressed: a page that finds no bytes reports an error.
        silence = sound.encoded(np.zeros(80, "float32"), 8000, "WAV")
        self.sound = widgets.Audio(
            value=silence, format="wav", autoplay=True, loop=False, controls=False, layout={"display": "none"}
        )
        self._say()
        piano = widgets.VBox(self._rows(), layout={"overflow": "auto", "flex": "0 0 auto"})
        buttons = [self.undo_button, self.clear_button, self.answer_button]
        choices = widgets.HBox([self.length_choice, *buttons], layout={"flex_flow": "row wrap"})
        super().__init__([piano, choices, self.message, self.sound, self.answer, widgets.HTML(_FOCUS)])
        self.add_class("lab-piano")

    def _key(self, pitch: int) -> widgets.Button:
        black = "♯" in note_name(pitch)
        button = widgets.Button(
            description=note_name(pitch),
            tooltip=note_name(pitch).replace("♯", " sharp "),
            style={
                "button_color": "#222222" if black else "#FFFFFF",
                "text_color": "#FFFFFF" if black else "#000000",
                "font_size": "11px" if black else "13px",
            },
            layout={
                "width": f"{_BLACK if black else _WHITE}px",
                "min_width": "0",
                "height": "52px" if black else "64px",
                "padding": "0",
                "margin": "0",
                "border": "1px solid #555555",
                "flex": "0 0 auto",
            },
        )
        button.on_click(lambda _: self._press(pitch))
        return button

    def _button(self, words: str, tooltip: str, does: Callable[[], None]) -> widgets.Button:
        button = widgets.Button(description=words, tooltip=tooltip, layout={"width": "auto"})
        button.on_click(lambda _: does())
        return button

    def _rows(self) -> list[widgets.HBox]:
        """Black keys above white ones, each over the edge between its neighbours."""
        whites, blacks, right = [], [], 0
        for button in self.note_buttons.values():
            if "♯" not in button.description:
                whites.append(button)
                continue
            left = max(0, len(whites) * _WHITE - _BLACK // 2)
            button.layout.margin = f"0 0 0 {left - right}px"
            blacks.append(button)
            right = left + _BLACK
        return [widgets.HBox(row, layout={"overflow": "visible"}) for row in (blacks, whites) if row]

    # -- what people do ---------------------------------------------------------------------------

    def _press(self, pitch: int) -> None:
        most = self._limits[2]
        if len(self.notes) == most:
            self._say(f"there are {most} notes already: undo one, clear all, or {self._verb.lower()} them")
            return
        self.notes.append((pitch, self.length_choice.value))
        self._say()
        if self._hear is not None:
            try:
                self.sound.value = self._hear(pitch)
            except Exception as error:  # the note stays; only its sound is missing
                self.error = error
                self.message.value = error_text("The note was not played", error)

    def _undo(self) -> None:
        del self.notes[-1:]
        self._say()

    def _clear(self) -> None:
        self.notes.clear()
        self.answer.value = ""
        self._say()

    def _answer(self) -> None:
        try:
            soprano, starts = melody(self.notes, *self._limits)
        except ValueError as error:
            self._say(str(error))
            return
        self.answer_button.disabled = True
        self.message.value = '<div role="status">one moment …</div>'
        try:
            self.answer.value = self._make(soprano, starts)
            self.error = None
            self._say()
        except Exception as error:
            self.error = error
            self.message.value = error_text("Nothing was made of these notes", error)
        finally:
            self.answer_button.disabled = False

    def _say(self, wrong: str = "") -> None:
        """The notes in words, and what is wrong, if anything is."""
        names = {steps: name for name, steps in LENGTHS.items()}
        said = ", ".join(f"{note_name(pitch)} {names[steps]}" for pitch, steps in self.notes)
        words = f"{len(self.notes)} of {self._limits[2]} notes" + (f": {said}" if said else "")
        alert = f'<div role="alert" style="color: #B00020">{html.escape(wrong)}</div>' if wrong else ""
        self.message.value = f'{alert}<div role="status">{html.escape(words)}</div>'


def piano(
    answer: Callable[[np.ndarray, np.ndarray], str],
    hear: Callable[[int], bytes] | None = None,
    low: int = 60,
    high: int = 81,
    most: int = 8,
    verb: str = "Harmonise",
) -> Keyboard:
    """A piano keyboard of buttons for a few notes, and a button that makes something of them.

    Args:
        answer: gets the notes as ``melody`` returns them, pitches ``(steps,)`` and starts ``(steps,)``; what
            it returns is shown below as HTML.
        hear: gets a MIDI pitch; the bytes of the WAV file that is played when the key is pressed.
        low, high: MIDI pitches of the outer keys; by default the range of the soprano of Bach's chorales.
        most: so many notes at most.
        verb: the words on the button.

    Raises:
        ValueError: a range without a key, or outside 0 to 127.
    """
    if not 0 <= low <= high <= 127 or most < 1:
        raise ValueError(f"the keyboard needs 0 <= low <= high <= 127 and most >= 1, got {(low, high, most)}")
    return Keyboard(answer, hear, low, high, most, verb)
