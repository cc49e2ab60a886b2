"""What the stages of the pipeline hand to each other.

There is one module for each kind of data, ``images``, ``texts`` and ``tables``, with the same names in each:

- ``LEAST``: how many items must be left for a training (with the held-out fifth).
- ``look(path, folder, *, seed=0, progress=True, …) -> Seen``: collect, clean, label. It may write a page of
  its own into ``folder`` (see ``Seen.page``) and writes nothing else.
- ``train(kept, held_out, *, seconds=60, steps=None, seed=0, progress=True, …) -> Trained``: ``steps`` in
  place of ``seconds`` gives equal results on every machine (what a step is, the kind says; a model that is
  made in one go ignores both).
- ``draw(trained, count, seed=0)``: new items, of the type of ``Seen.items`` (a Dataset, or a DataFrame).
- ``scores(trained, drawn, kept, held_out, seed=0) -> list[Row]``.
- ``export(trained, folder, title, licence) -> dict``: writes a new folder, reads it back, compares, and
  returns the manifest, which it has also written as ``export.json``: ``{"files": {form: {"name", "bytes",
  "sha256", "largest_difference"}}, …}`` as ``deploy.export`` does. ``deploy.model_card`` then adds its card.

What is marked … are the kind's own options, keywords with a default. ``steps.run`` hands a user's option to
the function that names it, and refuses one that the kind does not have. A file of columns with a column
``text``, or for which ``text_column`` is given, holds texts, another one is a table.

``steps`` joins them: ``look`` takes the right module, ``decide``, ``split``, and ``run``, which does all
seven stages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aigc_lab.collect.dataset import Card, Dataset
from aigc_lab.evaluate.intervals import Score

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("images", "text", "table")
NOUNS = {"images": "images", "text": "texts", "table": "rows"}
NOT_ANSWERED = "not answered: do not publish what is made of these data before it is"
COLUMNS = ["name", "proposed", "decision", "by", "why"]  # of a table of decisions
ISSUE_COLUMNS = ("item", "name", "detector", "score", "reason", "duplicate_of", "suggested", "proposed")


@dataclass(frozen=True, eq=False)
class Seen:
    """Stages 1 to 3: what was found. The input itself was only read.

    Attributes:
        kind: one of ``KINDS``.
        items: a Dataset of images or texts, or a DataFrame of n rows with index 0 to n - 1.
        names: of each item, unique: its file below the folder, or ``"row 7"``.
        card: where the data come from; the licence is filled in by ``steps.run``.
        issues: a row for each issue, with ISSUE_COLUMNS: ``item`` (its place), ``name``, ``detector``,
            ``score`` (larger is surer), ``reason``, ``duplicate_of`` (the place of an earlier item, or -1),
            ``suggested`` (a class, or empty), ``proposed`` (True: it is proposed to drop the item).
        notes: sentences on the whole set: what was not looked for, what should not be trusted.
        skipped: (file, reason) of what could not be read.
        fixes: what was mended: ``item`` (its place), ``column``, ``before``, ``after``, ``reason``; None for
            nothing.
        page: a file in the given folder that shows all issues in detail, or None.
    """

    kind: str
    items: Dataset | pd.DataFrame
    names: tuple[str, ...]
    card: Card
    issues: pd.DataFrame
    notes: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    fixes: pd.DataFrame | None = None
    page: Path | None = None

    def reasons(self) -> list[str]:
        """The reason of each issue, with the name of the item that it repeats in place of its number."""
        rows = zip(self.issues["reason"], self.issues["duplicate_of"], strict=True)
        return [
            text.replace(f"item {of:.0f}", self.names[int(of)], 1) if of >= 0 else text for text, of in rows
        ]

    def untrusted(self) -> set[str]:
        """Checks of images that propose nothing and find more than a tenth of all: made for other images."""
        if self.kind != "images":  # a damaged text or cell is one, however many there are
            return set()
        counts = self.issues[~self.issues["proposed"].astype(bool)].groupby("detector")["item"].nunique()
        return set(counts[counts > 0.1 * len(self.names)].index)


@dataclass(frozen=True, eq=False)
class Trained:
    """Stage 5: a model, and what its card must say.

    Attributes:
        model: whatever the kind's ``draw`` and ``export`` need.
        settings: facts for the card: model, steps, seconds, size, seed …
        curve: the course of the training: the first column is what was spent (steps, seconds or items), the
            second a value on held-out items; the names of the columns are shown. None if there is no course.
        notes: sentences: a class that was left out, and why.
        class_names: the classes that a conditional model can be asked for.
        mixture: a ``models.mixture.LatentMixture``, or None.
    """

    model: Any
    settings: Mapping[str, Any]
    curve: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    mixture: Any = None


@dataclass(frozen=True)
class Row:
    """Stage 6: one line of the table of scores.

    Attributes:
        name: of the measure.
        score: of what was drawn, with its interval; None where it cannot be judged, and ``about`` says why.
        floor: the same number between two real sets of this size, or what chance gives; its interval is the
            range in which a perfect generator would lie.
        better: ``"lower"`` or ``"higher"``.
        about: one sentence: measured on which features, on how many items.
        against: what the floor is of, if it is no real items.
    """

    name: str
    score: Score | None
    floor: Score | None
    better: str
    about: str
    against: str = "real items"

    @property
    def verdict(self) -> str:
        """What score and floor say together, in a few words."""
        if self.score is None or self.floor is None:
            return "not judged"
        if self.better == "lower":
            best, worst, limit = self.score.low, self.score.high, self.floor.high
        else:
            best, worst, limit = -self.score.high, -self.score.low, -self.floor.low
        if worst < limit and self.against != "real items":
            return f"better than {self.against}"
        if worst <= limit:
            return f"as good as {self.against}"
        return f"worse than {self.against}" if best > limit else f"perhaps as good as {self.against}"


@dataclass(frozen=True, eq=False)
class Result:
    """What ``steps.run`` did. ``print(result)`` sums it up.

    Attributes:
        seen, trained, rows: see above; ``trained`` is None and ``rows`` empty where nothing was trained.
        decisions: a row for each item: ``name``, ``proposed``, ``decision`` (keep or drop), ``by``, ``why``.
        kept, held_out: what the model was trained on, and what it never saw.
        drawn: new items, or None.
        files: the exported files, as (name, bytes, SHA-256).
        licence: the user's answer, or "" for none.
        output: the folder that holds ``report.html``, ``decisions.csv`` and, after a training, ``model/``.
        too_few: a sentence if too little was left to train on, else "".
        notes: sentences on the whole run.
        seconds: of each stage.
    """

    seen: Seen
    decisions: pd.DataFrame
    kept: Dataset | pd.DataFrame
    held_out: Dataset | pd.DataFrame
    output: Path
    trained: Trained | None = None
    drawn: Dataset | pd.DataFrame | None = None
    rows: tuple[Row, ...] = ()
    files: tuple[tuple[str, int, str], ...] = ()
    licence: str = ""
    too_few: str = ""
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def page(self) -> Path:
        """The report."""
        return self.output / "report.html"

    def __str__(self) -> str:
        dropped = int((self.decisions["decision"] == "drop").sum())
        looked = f"{len(self.decisions)} {NOUNS[self.seen.kind]} looked at"
        lines = [f"{looked}, {dropped} dropped; the input was only read"]
        lines += [self.too_few] if self.too_few else []
        for row in self.rows:
            lines.append(f"  {row.score or row.name}: {row.verdict}")
        return "\n".join([*lines, f"  report {self.page}"])


def check_budget(seconds: float, steps: int | None) -> None:
    """What every training asks.

    Raises:
        ValueError: no time, or no step.
    """
    if not (seconds > 0 if steps is None else steps >= 1):
        raise ValueError("a training needs a time above 0 seconds, or at least one step")
