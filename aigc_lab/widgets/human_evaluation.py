"""Real or generated? Pairs to be judged by key or click; each answer is on disk before the next pair.

The labelling widget of notebook 03 with two "classes", left and right: the same keys, the same file,
the same undo. Whether an answer was right is not told before the last one, because who is told learns
the faults of the samples, and who watches a running score stops when it looks good.
Introduced in notebook 14.
"""

from __future__ import annotations

import html
import os
from typing import Any

import numpy as np

from aigc_lab.evaluate.intervals import Score
from aigc_lab.evaluate.people import SIDES, Trials, answers_for_power, answers_for_width
from aigc_lab.label.sheet import LabelSheet
from aigc_lab.plots import as_pictures
from aigc_lab.widgets.labelling import Labelling
from aigc_lab.widgets.latent import error_text

_QUESTION = "Which one is real? 1 left, 2 right; u or Backspace takes the last answer back."


def judgement_words(score: Score, count: int) -> str:
    """What a share of right answers proves, as a sentence."""
    right = round(score.value * count)
    words = (
        f"{right} of {count} answers are right: {score.value:.0%}, between {score.low:.0%} and "
        f"{score.high:.0%} in {score.level:.0%} of such tests."
    )
    if score.low > 0.5:
        return f"{words} Better than guessing: the samples can be told from real."
    if score.high < 0.5:
        return f"{words} Worse than guessing: the samples are taken for real more often than the real ones."
    return (
        f"{words} Guessing (50%) is within the interval: nothing is shown, neither that they can be told "
        f"apart nor that they cannot. To show it of people who are right 60% of the time takes "
        f"{answers_for_power(0.6)} answers; to know the share to within 10 points, {answers_for_width(0.1)}."
    )


class RealOrGenerated(Labelling):
    """The widget that ``real_or_generated`` returns.

    Attributes:
        trials: the pairs and the truth.
        answers: 0 (left), 1 (right) or -1 (none yet) for each pair, ``(n,)``; see also ``Labelling``.
    """

    def __init__(self, trials: Trials, sheet: LabelSheet, size: int) -> None:
        self.trials = trials
        super().__init__(trials.pairs, sheet, np.arange(len(trials)), None, size)
        # One must be chosen: "cannot tell" would let the doubtful pairs drop out of the count.
        self.skip_button.layout.display = "none"
        self.key_field.tooltip = _QUESTION
        for side, button in self.buttons.items():
            button.tooltip = f"The {side} one is real"

    @property
    def answers(self) -> np.ndarray:
        """The side taken for real of each pair, -1 where there is no answer yet: ``(n,)``."""
        return self.labels

    @property
    def score(self) -> Score:
        """Share of right answers with Wilson's interval.

        Raises:
            ValueError: no answer yet.
        """
        return self.trials.score(self.answers)

    def _press(self, character: str) -> None:
        if character != " ":
            super()._press(character)

    def _show(self) -> None:
        super()._show()
        done = int((self.answers >= 0).sum())
        words = f"{_QUESTION} {done} of {len(self.trials)} answered, kept in {self.sheet.path.name}."
        if self.item is None:
            words = f"All answered. {judgement_words(self.score, done)}"
        status = f'<div role="status" style="white-space: normal">{html.escape(words)}</div>'
        if self.error is not None:
            status += error_text("This was not entered", self.error)
        self.message.value = status
        self.image.tooltip = (
            "All pairs are answered" if self.item is None else f"Pair {self.item + 1}: which side is real?"
        )


def real_or_generated(
    trials: Trials, path: str | os.PathLike[str], person: str = "", size: int = 420
) -> RealOrGenerated:
    """Judge pairs by the keys 1 and 2. The file is written after every answer, so a crash loses nothing.

    Run the same cell again to go on where you stopped. Each person needs a file of their own.

    Args:
        trials: what ``evaluate.people.trials`` made.
        path: the file of this person's answers (a ``label.LabelSheet``).
        person: who judges; stored in the file.
        size: pixels of the shown pair.

    Returns:
        The widget. Read ``.score`` in a later cell.

    Raises:
        ValueError: the file holds something else, or another person's answers.
    """
    return RealOrGenerated(trials, LabelSheet(path, SIDES, person), size)


def pair_picture(trials: Trials, item: int = 0) -> Any:
    """What the widget shows at one pair, as a figure: for a page without a kernel.

    Raises:
        ValueError: no such pair.
    """
    from aigc_lab import plots as style

    if not 0 <= item < len(trials):
        raise ValueError(f"item must be from 0 to {len(trials) - 1}, got {item}")
    keys = ["1   the left one is real", "2   the right one is real", "u   take the last answer back"]
    words = f"Pair {item + 1} of {len(trials)}. Which one is real? Keys: {'; '.join(keys)}."
    figure = style.new_figure(8.5, 3.4, words)
    axes = style.blank_axes(figure)
    text = {"family": style.families(), "va": "top"}
    axes.text(0.2, 0.15, "Which one is real?", size=style.TITLE, weight="bold", **text)
    if trials.pairs.modality == "images":
        (picture,) = as_pictures(trials.pairs[item])
        width = min(4.6, 2.4 * picture.shape[1] / picture.shape[0])
        height = width * picture.shape[0] / picture.shape[1]
        axes.imshow(
            picture,
            cmap="gray",
            vmin=0,
            vmax=255,
            extent=(0.2, 0.2 + width, 0.65 + height, 0.65),
            aspect="auto",
        )
        axes.set(xlim=(0, 8.5), ylim=(3.4, 0))
    else:
        shown = style.wrapped(trials.pairs.data[item][:400], 4.6, style.SMALL)[:10]
        axes.text(0.2, 0.65, "\n".join(shown), size=style.SMALL, **text)
    axes.text(5.1, 0.7, "\n".join(keys), size=style.LABEL, linespacing=1.7, **text)
    axes.text(5.1, 2.5, f"pair {item + 1} of {len(trials)}", size=style.SMALL, **text)
    return figure
