"""A small piano keyboard: a few notes clicked or chosen by key, then something made of them.

Introduced in notebook 26, where a model sets three voices below the notes.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence

import ipywidgets as widgets
import numpy as np

from aigc_lab import sound
from aigc_lab.language import translated
from aigc_lab.widgets.live import Speaking, button

LENGTHS = {"eighth": 2, "quarter": 4, "half": 8, "whole": 16}  # in sixteenths
LOW, HIGH = 60, 81  # MIDI pitches of the outer keys: the range of the soprano of Bach's chorales
MOST = 8  # notes
_NAMES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
_WHITE, _BLACK = 44, 34  # pixels: widths of the keys
# The frame of the key that has the focus; ipywidgets draws a thin line that is hardly seen on a key.
_FOCUS = """<style>.lab-piano .jupyter-button:focus-visible {
  outline: 3px solid #0072B2 !important; outline-offset: -3px; box-shadow: inset 0 0 0 5px #FFFFFF !important;
}</style>"""


def note_name(pitch: int) -> str:
    """The name of a MIDI pitch with its octave: 60 is C4, 69 is A4 (440 Hz)."""
    return f"{_NAMES[pitch % 12]}{pitch // 12 - 1}"


def melody(notes: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Notes, each (MIDI pitch, length in sixteenths), as one voice on the sixteenth grid.

    Returns:
        Pitches ``(steps,)`` and where a note begins ``(steps,)``, which tells repeated notes apart.

    Raises:
        ValueError: no note, too many, a pitch outside the range, or a length that no note has.
    """
    if not len(notes):
        raise ValueError(f"there is no note yet: press 1 to {MOST} keys first")
    if len(notes) > MOST:
        raise ValueError(f"{len(notes)} notes are too many: {MOST} at most")
    for pitch, length in notes:
        if not (LOW <= pitch <= HIGH and int(pitch) == pitch):
            raise ValueError(
                f"pitch {pitch} is outside the range from {note_name(LOW)} ({LOW}) to {note_name(HIGH)} "
                f"({HIGH}): choose another key"
            )
        if length not in LENGTHS.values():
            raise ValueError(f"a note lasts {', '.join(map(str, LENGTHS.values()))} sixteenths, not {length}")
    pitches, lengths = np.array(notes).T
    starts = np.zeros(lengths.sum(), bool)
    starts[np.cumsum(lengths) - lengths] = True
    return np.repeat(pitches, lengths), starts


class Keyboard(Speaking, widgets.VBox):
    """A piano keyboard of buttons for a few notes, and a button that has them harmonised.

    Args:
        harmonise: gets the notes as ``melody`` returns them, pitches ``(steps,)`` and starts ``(steps,)``;
            what it returns is shown below as HTML.
        hear: gets a MIDI pitch; the bytes of the WAV file that is played when the key is pressed.

    Attributes:
        notes: (MIDI pitch, length in sixteenths) of each note so far; ``message`` says them in words.
        note_buttons: pitch to its button; length_choice, undo_button, clear_button, answer_button.
        answer: what was made of the notes, as HTML.
    """

    def __init__(
        self, harmonise: Callable[[np.ndarray, np.ndarray], str], hear: Callable[[int], bytes]
    ) -> None:
        super().__init__()
        self._harmonise, self._hear = harmonise, hear
        self.notes: list[tuple[int, int]] = []
        self.note_buttons = {pitch: self._key(pitch) for pitch in range(LOW, HIGH + 1)}
        self.length_choice = widgets.ToggleButtons(
            options=LENGTHS,
            value=4,
            description="length",
            tooltips=[f"The next notes last {steps} sixteenths" for steps in LENGTHS.values()],
            style={"button_width": "76px", "description_width": "56px"},
            layout={"width": "400px", "flex": "0 0 auto"},
        )
        self.undo_button, self.clear_button, self.answer_button = buttons = [
            button(words, tooltip, does, layout={"width": "auto"})
            for words, tooltip, does in (
                ("Undo", "Take the last note back", self._undo),
                ("Clear", "Take all notes back", self._clear),
                ("Harmonise", "Harmonise these notes", self._answer),
            )
        ]
        self.answer = widgets.HTML()
        # Ten milliseconds of silence until a key is pressed: a page that finds no bytes reports an error.
        silence = sound.encoded(np.zeros(80, "float32"), 8000, "WAV")
        self.sound = widgets.Audio(
            value=silence, format="wav", autoplay=True, loop=False, controls=False, layout={"display": "none"}
        )
        self._say_notes()
        piano = widgets.VBox(self._rows(), layout={"overflow": "auto", "flex": "0 0 auto"})
        choices = widgets.HBox([self.length_choice, *buttons], layout={"flex_flow": "row wrap"})
        self.children = [piano, choices, self.message, self.sound, self.answer, widgets.HTML(_FOCUS)]
        self.add_class("lab-piano")

    def _key(self, pitch: int) -> widgets.Button:
        black = "♯" in note_name(pitch)
        return button(
            note_name(pitch),
            note_name(pitch).replace("♯", " sharp "),
            lambda: self._press(pitch),
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

    def _rows(self) -> list[widgets.HBox]:
        """Black keys above white ones, each over the edge between its neighbours."""
        whites, blacks, right = [], [], 0
        for key in self.note_buttons.values():
            if "♯" not in key.description:
                whites.append(key)
                continue
            left = len(whites) * _WHITE - _BLACK // 2
            key.layout.margin = f"0 0 0 {left - right}px"
            blacks.append(key)
            right = left + _BLACK
        return [widgets.HBox(row, layout={"overflow": "visible"}) for row in (blacks, whites)]

    # -- what people do ---------------------------------------------------------------------------

    def _press(self, pitch: int) -> None:
        if len(self.notes) == MOST:
            self._say_notes(f"there are {MOST} notes already: undo one, clear all, or harmonise them")
            return
        self.notes.append((pitch, self.length_choice.value))
        self._say_notes()

        def play() -> None:
            self.sound.value = self._hear(pitch)

        self.attempt("The note was not played.", play)  # the note stays; only its sound is missing

    def _undo(self) -> None:
        del self.notes[-1:]
        self._say_notes()

    def _clear(self) -> None:
        self.notes.clear()
        self.answer.value = ""
        self._say_notes()

    def _answer(self) -> None:
        try:
            voice = melody(self.notes)
        except ValueError as error:
            self._say_notes(str(error))
            return

        def harmonise() -> None:
            self.answer.value = self._harmonise(*voice)

        self.answer_button.disabled = True
        self.say("one moment …")
        try:
            self.attempt("Nothing was made of these notes.", harmonise, self._say_notes)
        finally:  # when the kernel was interrupted, too
            self.answer_button.disabled = False

    def _say_notes(self, wrong: str = "") -> None:
        """The notes in words, and what is wrong, if anything is."""
        names = {steps: translated(name) for name, steps in LENGTHS.items()}
        said = ", ".join(f"{note_name(pitch)} {names[steps]}" for pitch, steps in self.notes)
        alert = f'<div role="alert" style="color: #B00020">{html.escape(wrong)}</div>' if wrong else ""
        words = f"{len(self.notes)} of {MOST} notes: {said}" if said else f"0 of {MOST} notes"
        self.say(words, before=alert)
