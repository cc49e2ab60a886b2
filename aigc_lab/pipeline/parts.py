"""What the stages of the pipeline hand to each other, and what several kinds of data share.

There is one module for each kind of data, ``images``, ``texts`` and ``tables``, with the same names in each:

- ``LEAST``: how many items must be left for a training (with the held-out fifth).
- ``look(path, folder, *, seed=0, progress=True, …) -> Seen``: collect, clean, label. It may write a page of
  its own into ``folder`` (see ``Seen.page``) and writes nothing else.
- ``train(kept, held_out, *, seconds=60, steps=None, seed=0, progress=True, …) -> Trained``: ``steps`` in
  place of ``seconds`` gives equal results on every machine (what a step is, the kind says; a model that is
  made in one go ignores both).
- ``draw(trained, count, seed=0)``: new items, of the type of ``Seen.items`` (a Dataset, or a DataFrame).
- ``scores(trained, drawn, kept, held_out, seed=0) -> list[Row]``.
- ``export(trained, folder, title, licence)``: writes a new folder with the manifest ``export.json``, reads
  the model back and compares (``deploy.export``, or ``write_model`` here). ``deploy.model_card`` then adds
  its card.

What is marked … are the kind's own options, keywords with a default. ``steps.run`` hands a user's option to
the function that names it, and refuses one that the kind does not have.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_lab import evaluate
from aigc_lab.clean.report import Inspection, inspect
from aigc_lab.collect.dataset import Card, Dataset, atomic_write
from aigc_lab.deploy.versions import DATA_CARD, MANIFEST, digest, write_json
from aigc_lab.evaluate.intervals import Score, share
from aigc_lab.evaluate.memorization import FALSE_ALARMS

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("images", "text", "table")
NOUNS = {"images": "images", "text": "texts", "table": "rows"}
NOT_ANSWERED = "not answered: do not publish what is made of these data before it is"
COLUMNS = ["name", "proposed", "decision", "by", "why"]  # of a table of decisions
ISSUE_COLUMNS = ("item", "name", "detector", "score", "reason", "duplicate_of", "suggested", "proposed")
FEW = 100  # held-out items: fewer leave wide intervals, and no copy test


@dataclass(frozen=True, eq=False)
class Seen:
    """Stages 1 to 3: what was found. The input itself was only read.

    ``issues`` has a row for each issue, with ISSUE_COLUMNS: ``item`` (its place), ``name``, ``detector``,
    ``score`` (larger is surer), ``reason``, ``duplicate_of`` (the place of an earlier item, or -1),
    ``suggested`` (a class, or empty), ``proposed`` (True: it is proposed to drop the item).
    """

    kind: str  # one of KINDS
    items: Dataset | pd.DataFrame  # images or texts, or n rows with index 0 to n - 1
    names: tuple[str, ...]  # of each item, unique: its file below the folder, or "row 7"
    card: Card  # where the data come from; the licence is filled in by steps.run
    issues: pd.DataFrame
    notes: tuple[str, ...] = ()  # on the whole set: what was not looked for, what should not be trusted
    skipped: tuple[tuple[str, str], ...] = ()  # (file, reason) of what could not be read
    fixes: pd.DataFrame | None = None  # what was mended: item (its place), column, before, after, reason
    page: Path | None = None  # a file in the given folder that shows all issues in detail

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

    ``curve`` is the course of the training, if there is one: the first column is what was spent (steps,
    seconds or items), the second a value on held-out items; the names of the columns are shown.
    """

    model: Any  # whatever the kind's draw and export need
    settings: Mapping[str, Any]  # facts for the card: model, steps, seconds, size, seed …
    curve: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()  # sentences: a class that was left out, and why
    class_names: tuple[str, ...] = ()  # the classes that a conditional model can be asked for
    mixture: Any = None  # a models.mixture.LatentMixture


@dataclass(frozen=True)
class Row:
    """Stage 6: one line of the table of scores.

    ``floor`` is the same number between two real sets of this size, or what chance gives; its interval is the
    range in which a perfect generator would lie.
    """

    name: str
    score: Score | None  # of what was drawn; None where it cannot be judged, and ``about`` says why
    floor: Score | None
    better: str  # "lower" or "higher"
    about: str  # one sentence: measured on which features, on how many items
    against: str = "real items"  # what the floor is of

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
    """What ``steps.run`` did. ``print(result)`` sums it up."""

    seen: Seen
    decisions: pd.DataFrame  # what steps.decide gives
    kept: Dataset | pd.DataFrame  # what the model was trained on
    held_out: Dataset | pd.DataFrame  # what it never saw
    output: Path  # the folder of report.html, decisions.csv and, after a training, model/
    trained: Trained | None = None
    drawn: Dataset | pd.DataFrame | None = None  # new items
    rows: tuple[Row, ...] = ()
    files: tuple[tuple[str, int, str], ...] = ()  # exported ones: name, bytes, SHA-256
    licence: str = ""  # the user's answer
    too_few: str = ""  # a sentence if too little was left to train on
    notes: tuple[str, ...] = ()  # sentences on the whole run
    seconds: Mapping[str, float] = field(default_factory=dict)  # of each stage

    @property
    def page(self) -> Path:
        """The report."""
        return self.output / "report.html"

    def __str__(self) -> str:
        dropped = int((self.decisions["decision"] == "drop").sum())
        looked = f"{len(self.decisions)} {NOUNS[self.seen.kind]} looked at"
        lines = [f"{looked}, {dropped} dropped; the input was only read"]
        lines += [self.too_few] if self.too_few else []
        lines += [f"  {row.score or row.name}: {row.verdict}" for row in self.rows]
        return "\n".join([*lines, f"  report {self.page}"])


# What several kinds share -----------------------------------------------------------------------------------


def check_budget(seconds: float, steps: int | None) -> None:
    """What a training asks that takes a time.

    Raises:
        ValueError: no time, or no step.
    """
    if not (seconds > 0 if steps is None else steps >= 1):
        raise ValueError("a training needs a time above 0 seconds, or at least one step")


def inspected(data: Dataset | Path, folder: str | os.PathLike[str], **how: Any) -> Inspection:
    """``clean.inspect`` to ``inspection.html``, without its summary, which is part of the report."""
    with contextlib.redirect_stdout(io.StringIO()):
        return inspect(data, Path(folder) / "inspection.html", **how)


def row_names(path: Path, count: int) -> tuple[str, ...]:
    """Rows of a file by number, as a spreadsheet counts: there the names of the columns are row 1."""
    first = 2 if path.suffix.lower() in (".csv", ".tsv") else 1
    return tuple(f"row {number}" for number in range(first, first + count))


def real_range(score: Score, values: Sequence[float] | np.ndarray, method: str) -> Score:
    """The floor of a score: the mean and the 95 % range of what real items gave in place of the new ones."""
    low, high = np.quantile(values, [0.025, 0.975])
    return replace(score, value=float(np.mean(values)), low=float(low), high=float(high), method=method)


def shares(name: str, marks: Iterable[Sequence[bool] | np.ndarray], better: str) -> list[Score]:
    """Of each set the share of the items that are marked."""
    return [share(int(np.sum(one)), len(one), name, better) for one in marks]


def near_copies(noun: str, points: Sequence[np.ndarray], about: str, seed: int, advice: str = "") -> Row:
    """``evaluate.copy_test`` as a line of the table; ``points`` (n, d): new, training and held-out items."""
    name, (_, known, held_out) = f"near copies of training {noun}", points
    if not FEW <= len(held_out) <= len(known):
        few = f"needs {FEW} held-out {noun}, there are {len(held_out)}{advice}"
        return Row(name, None, None, "lower", few)
    chance = share(FALSE_ALARMS * len(held_out), len(held_out), name, "lower")
    return Row(name, evaluate.copy_test(*points, seed).near_copies, chance, "lower", about)


def write_model(
    trained: Trained,
    folder: str | os.PathLike[str],
    facts: Mapping[str, Any],
    card: Card,
    load: Callable[[Path], Any],
) -> None:
    """Write a model of counts or shares as ``model.json.gz``, the data card, and the manifest.

    JSON holds no code and is read from any language. ``facts`` (kind, title, licence) stand in both files.

    Raises:
        ValueError: what ``load`` reads back differs from the model; nothing is left.
        OSError: it cannot be written.
    """
    path = Path(folder) / "model.json.gz"
    facts, state = {**facts, "holds": trained.notes[0]}, trained.model.state()
    text = json.dumps({**facts, "model": state}, ensure_ascii=False, separators=(",", ":"))
    with atomic_write(path) as stream:
        stream.write(gzip.compress(text.encode("utf-8"), mtime=0))  # no time: equal models, equal bytes
    if load(path).state() != state:
        path.unlink()
        raise ValueError(f"the export {path.name} differs from the model; nothing was exported")
    write_json(path.with_name(DATA_CARD), asdict(card))
    files = {"json": digest(path, 0.0), "data_card": digest(path.with_name(DATA_CARD), None)}
    write_json(path.with_name(MANIFEST), {**facts, "files": files})


def read_model(path: str | os.PathLike[str], kind: str, make: Callable[[Any], Any]) -> Any:
    """The model that ``make`` makes of the state that ``write_model`` stored.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a damaged file, or one of another kind.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; check the path")
    try:
        stored = json.loads(gzip.decompress(path.read_bytes()))
        if stored["kind"] != kind:
            raise ValueError(f"it holds a {stored['kind']}")
        return make(stored["model"])
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path.name} is damaged or no {kind} of this lab: {error}; export it again"
        ) from error
