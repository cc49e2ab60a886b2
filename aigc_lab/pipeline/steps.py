"""The stages joined: look, decide, split, train, draw, score, export, and one page about all of it.

Nothing of the input is changed. What a run makes is written into a hidden folder inside the output and put in
place when all of it is there, so an interrupted run leaves the older results as they were.
"""

from __future__ import annotations

import csv
import inspect
import io
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aigc_lab import deploy
from aigc_lab.clean.issues import drop as drop_items
from aigc_lab.clean.page import csv_bytes
from aigc_lab.collect.dataset import Dataset, atomic_write
from aigc_lab.collect.own import COLUMN_FILES, Unreadable, decoded, read_columns
from aigc_lab.pipeline.page import write_page
from aigc_lab.pipeline.parts import COLUMNS, KINDS, NOT_ANSWERED, NOUNS, Result, Seen

_MODULES = {"images": "images", "text": "texts", "table": "tables"}
_IMAGE_FILES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm")
_OURS = ("decisions.csv", "inspection.html", "samples.png", "model", "report.html")
_DRAWN = 1000  # new items to be judged, at most
_HELD_OUT = 2000  # items, at most
_STAGES = {
    "1-3": ("collect, clean, label", "收集、清洗、标注"),
    "4": ("augment", "增强"),
    "5": ("train", "训练"),
    "6": ("evaluate", "评估"),
    "7": ("deploy", "部署"),
}

# What is there ------------------------------------------------------------------------------------------


def kind_of(
    path: str | os.PathLike[str],
    text_column: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
) -> str:
    """``"images"``, ``"text"`` or ``"table"``: what a folder or file holds.

    A file of columns holds texts if it has a column ``text`` or ``text_column`` is given, else it is a table.

    Raises:
        FileNotFoundError: no such path.
        ValueError: an empty folder, one that holds both images and texts, or a suffix that is not known.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"there is no {path}; check the path")
    suffix = path.suffix.lower()
    if path.is_dir():
        return _kind_of_folder(path)
    if suffix in (".npz", ".npy"):
        return "images"
    if suffix == ".txt":
        return "text"
    if suffix in COLUMN_FILES:
        named = text_column or "text" in read_columns(path, encoding, delimiter)
        return "text" if named else "table"
    known = ", ".join((".npz", ".npy", ".txt", *COLUMN_FILES))
    raise ValueError(f"{path.name} is not read; give a folder of images or texts, or one file: {known}")


def _kind_of_folder(folder: Path) -> str:
    suffixes = [Path(name).suffix.lower() for _, _, inside in os.walk(folder) for name in inside]
    texts, images = suffixes.count(".txt"), sum(one in _IMAGE_FILES for one in suffixes)
    if not texts and not images:
        ends = ", ".join(sorted(set(suffixes) - {""})[:4])
        there = f" (its files end in {ends})" if ends else ""
        raise ValueError(f"the folder {folder} holds no images and no .txt files{there}; put some in it")
    if 4 * min(texts, images) > max(texts, images):
        raise ValueError(
            f"the folder {folder} holds {images} images and {texts} texts: a model is trained on one kind; "
            "give the folder of one of them, or say which by --kind images or --kind text"
        )
    return "text" if texts > images else "images"


def look(
    path: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    kind: str = "auto",
    seed: int = 0,
    progress: bool = True,
    **options: Any,
) -> Seen:
    """Stages 1 to 3 of the kind that ``path`` holds; ``folder`` takes the page that shows all issues.

    Raises:
        OSError, ValueError: what cannot be read, or an option that the kind does not have.
    """
    module, for_look, _ = _chosen(path, kind, options)
    return module.look(path, folder, seed=seed, progress=progress, **for_look)


def _chosen(
    path: str | os.PathLike[str], kind: str, options: dict[str, Any]
) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """The module of a kind, and of the user's options those for its ``look`` and those for its ``train``."""
    if kind not in ("auto", *KINDS):
        raise ValueError(f"kind must be auto, {', '.join(KINDS)}, got {kind!r}")
    if kind == "auto":
        known = ("text_column", "encoding", "delimiter")
        kind = kind_of(path, **{name: options[name] for name in known if name in options})
    module = import_module(f"aigc_lab.pipeline.{_MODULES[kind]}")
    looked, trained = (
        {one.name for one in inspect.signature(function).parameters.values() if one.kind is one.KEYWORD_ONLY}
        - {"seed", "progress", "seconds", "steps"}
        for function in (module.look, module.train)
    )
    if unknown := sorted(set(options) - looked - trained):
        own = ", ".join(sorted(looked | trained))
        raise ValueError(f"{unknown[0]} is not an option for {NOUNS[kind]}, which have {own}")
    return module, *({name: options[name] for name in options if name in own} for own in (looked, trained))


# What stays ---------------------------------------------------------------------------------------------


def decide(
    seen: Seen,
    decisions: str | os.PathLike[str] | None = None,
    *,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> pd.DataFrame:
    """What stays: a row for each item, in their order: ``name``, ``proposed``, ``decision``, ``by``, ``why``.

    What is proposed is dropped, unless a person decided otherwise: in the file ``decisions`` (which ``run``
    writes, and in which ``decision`` may be changed to keep or drop), or here by name, which goes first. A
    copy stays if all that it repeats is dropped for other reasons. ``by`` is ``proposal`` or ``you``.

    Raises:
        ValueError: an unknown item, a file of other items, or a decision that is neither keep nor drop.
    """
    places = {name: place for place, name in enumerate(seen.names)}
    mine: dict[int, str] = {}
    if decisions is not None and Path(decisions).exists():
        mine = _read_decisions(Path(decisions), places)
    for word, names in (("keep", keep), ("drop", drop)):
        for name in names:
            if name not in places:
                near = get_close_matches(name, seen.names, 1)
                hint = f"did you mean {near[0]!r}? " if near else ""
                raise ValueError(f"there is no item {name!r} to {word}; {hint}decisions.csv has all names")
            mine[places[name]] = word
    if both := set(keep) & set(drop):
        raise ValueError(f"{sorted(both)[0]!r} cannot be kept and dropped at once; name it only once")

    # To drop_items a copy of nothing has no number.
    copies = seen.issues["duplicate_of"].where(seen.issues["duplicate_of"] >= 0)
    issues = seen.issues.assign(duplicate_of=copies, proposed=seen.issues["proposed"].astype(bool))
    proposed = issues[issues["proposed"]]
    gone = [item for item, word in mine.items() if word == "drop"]
    by_you = pd.DataFrame({"item": gone, "score": 1.0, "reason": "", "detector": "you"})
    count = np.arange(len(seen.names))
    without = set(drop_items(count, proposed).dropped["item"])
    dropped = set(drop_items(count, proposed[~proposed["item"].isin(mine)], by_you).dropped["item"])
    shown = issues.assign(reason=seen.reasons())[~issues["detector"].isin(seen.untrusted())]
    why = shown.sort_values("proposed", ascending=False, kind="stable").groupby("item")["reason"]
    reasons = why.agg(lambda found: "; ".join(dict.fromkeys(found))).to_dict()
    rows = []
    for place, name in enumerate(seen.names):
        decision = mine.get(place, "drop" if place in dropped else "keep")
        # What the others' decisions made of it counts as proposed: only a change by hand is a person's.
        pure = ("drop" if place in without else "keep") if place in mine else decision
        rows.append((name, pure, decision, "you" if place in mine else "proposal", reasons.get(place, "")))
    return pd.DataFrame(rows, columns=COLUMNS)


def _read_decisions(path: Path, places: dict[str, int]) -> dict[int, str]:
    """The places of the items that a person decided on, and the words."""
    try:
        text = decoded(path.read_bytes())
    except Unreadable as reason:
        raise ValueError(f"{path} is {reason}; save it as CSV in UTF-8") from reason
    rows = list(
        csv.DictReader(io.StringIO(text, newline=""), delimiter=";" if ";" in text.split("\n")[0] else ",")
    )
    if missing := set(COLUMNS[:4]) - set(rows[0] if rows else ()):
        raise ValueError(f"{path} has no column {sorted(missing)[0]!r}; delete it, and it is written anew")
    # A name that would be a formula stands there with an apostrophe, see csv_bytes.
    places = {f"'{name}": place for name, place in places.items()} | places
    known = [row for row in rows if row["name"] in places]
    if not known:
        raise ValueError(
            f"{path} is about other items (the first is {rows[0]['name']!r}); choose another output"
        )
    mine = {}
    for row in known:
        word = (row["decision"] or "").strip().lower()
        if word not in ("keep", "drop"):
            raise ValueError(f"{path} says {word!r} of {row['name']}; a decision is keep or drop")
        if row["by"] == "you" or word != row["proposed"]:
            mine[places[row["name"]]] = word
    return mine


def split(seen: Seen, decisions: pd.DataFrame, seed: int = 0) -> tuple[Any, Any]:
    """The kept items as a training and a held-out part, at most 2,000; near copies stand on one side.

    Copies are what the issues call so. If nothing can be held out, because all are copies of one, the second
    part is empty.
    """
    from sklearn.model_selection import GroupShuffleSplit

    kept, groups = _groups(seen, decisions)
    if len(set(groups)) < 2:
        return _take(seen.items, kept), _take(seen.items, kept[:0])
    parts = GroupShuffleSplit(1, test_size=min(0.2, _HELD_OUT / len(kept)), random_state=seed)
    ((train, held_out),) = parts.split(kept, groups=groups)
    return _take(seen.items, kept[train]), _take(seen.items, kept[held_out])


def _groups(seen: Seen, decisions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The places of the kept items, and for each the number of its group of copies."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = seen.issues.loc[seen.issues["duplicate_of"] >= 0, ["item", "duplicate_of"]].to_numpy(int)
    size = len(seen.names)
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(size, size))
    kept = np.flatnonzero(decisions["decision"] == "keep")
    return kept, connected_components(links, directed=False)[1][kept]


def _take(items: Any, places: np.ndarray) -> Any:
    return items[places] if isinstance(items, Dataset) else items.iloc[places].reset_index(drop=True)


# All seven ----------------------------------------------------------------------------------------------


def run(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str] = "results",
    *,
    licence: str = "",
    kind: str = "auto",
    only_look: bool = False,
    seconds: float = 60,
    steps: int | None = None,
    seed: int = 0,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    progress: bool = True,
    **options: Any,
) -> Result:
    """All seven stages on a folder or file, which is only read; the results go into a folder of their own.

    Args:
        path: a folder of images or ``.txt`` files, a sub-folder for each class; or one file, see ``kind_of``.
        output: new, empty, or the folder of an earlier run, whose ``decisions.csv`` is obeyed.
        licence: under which licence the data are yours to use. Without an answer the model is exported with
            the mark "do not publish".
        kind: ``"auto"``, or one of ``KINDS``.
        only_look: stop after stage 3 and write the page.
        seconds, steps: how long to train; steps make runs equal, seconds are what one has.
        seed: of everything that is drawn at random.
        keep, drop: names of items, decided by you.
        progress: print a line for each stage, and bars.
        options: of the kind: see ``look`` and ``train`` in its module.

    Returns:
        A ``Result``. If too little is left to train on, it says so (``too_few``) and has no model; the page
        is written all the same.

    Raises:
        OSError, ValueError: what cannot be read or written, or a bad option: one sentence.
    """
    target = _checked_output(Path(output).expanduser(), Path(path).expanduser())
    times, begun = {}, time.perf_counter()

    def done(number: str, found: str) -> None:
        english, chinese = _STAGES[number]
        times[english] = time.perf_counter() - begun - sum(times.values())
        if progress:
            print(f"[{number}/7] {english} {chinese}: {times[english]:.1f} s; {found}", flush=True)

    with _draft(target) as draft:
        before = _content(target / "decisions.csv")
        module, for_look, for_train = _chosen(path, kind, options)
        seen = module.look(path, draft, seed=seed, progress=progress, **for_look)
        seen = replace(seen, card=replace(seen.card, licence=licence or NOT_ANSWERED))
        table = decide(seen, target / "decisions.csv", keep=keep, drop=drop)
        kept, held_out = split(seen, table, seed=seed)
        too_few = _too_few(seen, table, module.LEAST)
        result = Result(seen, table, kept, held_out, target, licence=licence, too_few=too_few)
        done("1-3", _found(result))
        if not only_look and not too_few:
            done("4", "mirrored copies for training" if options.get("mirror") else "not asked for")
            how = {"seconds": seconds, "steps": steps, "seed": seed, "progress": progress}
            trained = module.train(kept, held_out, **how, **for_train)
            done("5", str(trained.settings["model"]))
            drawn = module.draw(trained, min(_DRAWN, max(100, len(held_out))), seed)
            rows = tuple(module.scores(trained, drawn, kept, held_out, seed))
            done("6", f"{len(rows)} scores")
            result = replace(result, trained=trained, drawn=drawn, rows=rows)
            result = replace(result, files=_export(module, result, draft / "model", seed))
            done("7", ", ".join(name for name, _, _ in result.files))
        with atomic_write(draft / "decisions.csv") as stream:
            stream.write(csv_bytes(_by_need(table)))
        if _content(target / "decisions.csv") != before:
            (draft / "decisions.csv").unlink()
            late = "decisions.csv was changed during this run and was left as it is: run again to obey it."
            result = replace(result, notes=(late,))
        result = replace(result, seconds=times)
        write_page(result, draft)
        _publish(draft, target)
    if progress:
        print(result)
    return result


def _checked_output(target: Path, source: Path) -> Path:
    """The folder for the results, found wanting now rather than after minutes of work."""
    if target.exists() and not target.is_dir():
        raise NotADirectoryError(f"the output {target} is a file; name a folder")
    if source.is_dir() and target.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"the output {target} would lie inside the folder {source}; choose another one")
    folder = target / "model"
    try:
        listed = json.loads(_content(folder / "export.json") or '{"files": {}}')["files"].values()
        kept = {"export.json", "model_card.md", "latent_mixture.npz", *(one["name"] for one in listed)}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{folder / 'export.json'} is damaged; choose a new or an empty folder") from None
    for entry in sorted([*target.glob("*"), *folder.glob("*")]):
        mine = entry.name in _OURS and entry.is_dir() == (entry == folder)
        mine = entry.name in kept if entry.parent == folder else mine
        if not mine and not entry.name.startswith(".unfinished-"):
            raise ValueError(
                f"the output {target} holds {entry.relative_to(target).as_posix()!r}, which is no part of "
                "earlier results; choose a new or an empty folder"
            )
    return target


@contextmanager
def _draft(target: Path) -> Iterator[Path]:
    """A hidden folder inside the output, gone afterwards; so is an output that was made in vain."""
    new = not target.exists()
    try:
        target.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=target))
    except OSError as error:
        raise type(error)(
            error.errno, f"cannot write into the output {target} ({error.strerror}); choose another one"
        ) from error
    try:
        yield draft
    finally:
        for old in target.glob(".unfinished-*"):  # also of runs that were killed
            shutil.rmtree(old, ignore_errors=True)
        if new:
            with suppress(OSError):
                target.rmdir()


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _publish(draft: Path, target: Path) -> None:
    """Put everything in its place, the page last; on failure the old results are back."""
    old = draft / "old"
    old.mkdir()
    with ExitStack() as undo:
        for name in (name for name in _OURS if (draft / name).exists()):
            undo.callback(_take_back, target / name, draft / name, old / name)  # before anything moves
            if (target / name).exists():
                os.rename(target / name, old / name)
            os.rename(draft / name, target / name)
        undo.pop_all()


def _take_back(done: Path, drafted: Path, kept: Path) -> None:
    """Undo as much of a publication as was done: Ctrl+C may come between any two of its steps."""
    if done.exists() and not drafted.exists():
        os.rename(done, drafted)
    if kept.exists():
        os.rename(kept, done)


def _too_few(seen: Seen, table: pd.DataFrame, least: int) -> str:
    left = len(set(_groups(seen, table)[1]))
    few = f"{left} different {NOUNS[seen.kind]} are left, and a model needs at least {least}: bring "
    return "" if left >= least else f"{few}more, or keep some of those that were dropped (decisions.csv)"


def _found(result: Result) -> str:
    """What stages 1 to 3 found, in a line."""
    table, seen = result.decisions, result.seen
    mine = int((table["by"] == "you").sum())
    parts = [f"{len(table)} {NOUNS[seen.kind]}", f"{int((table['decision'] == 'drop').sum())} dropped"]
    parts += [f"{len(seen.skipped)} files left out"] if seen.skipped else []
    parts += [f"{mine} decided by you"] if mine else []
    return ", ".join(parts)


def _by_need(table: pd.DataFrame) -> pd.DataFrame:
    """What is dropped first, then what is worth a look, then the rest."""
    need = np.where(table["decision"] == "drop", 0, np.where(table["why"] != "", 1, 2))
    return table.iloc[np.argsort(need, kind="stable")]


def _export(module: Any, result: Result, folder: Path, seed: int) -> tuple[tuple[str, int, str], ...]:
    """Write the model and its card; the exported files as (name, bytes, SHA-256)."""
    seen, trained = result.seen, result.trained
    title = f"{seen.card.title}, {trained.settings['model']}"
    module.export(trained, folder, title, seen.card)
    scores: dict[str, Any] = {}
    for row in result.rows:
        for name, score in ((row.name, row.score), (f"{row.name}, floor", row.floor)):
            scores[name] = (score.value, score.low, score.high) if score else f"not judged: {row.about}"
    dropped = int((result.decisions["decision"] == "drop").sum())
    found = seen.issues.groupby("detector")["item"].nunique()
    lines = [f"- {name}: {count}" for name, count in found.items()] or ["- nothing was found"]
    left_out = f"{dropped} of {len(seen.names)} items were left out of the training."
    deploy.model_card(
        folder,
        title=title,
        data_card=seen.card,
        issues_found="\n".join([left_out, "", *lines]),
        scores=scores,
        seeds=[seed],
        training=trained.settings,
        limits=[
            f"It has learned from {len(result.kept)} {NOUNS[seen.kind]} and knows nothing else.",
            "One training: another seed would give other scores.",
            *trained.notes,
        ],
        licence=f"of the data: {result.licence}" if result.licence else NOT_ANSWERED,
    )
    files = json.loads(_content(folder / "export.json"))["files"].values()
    return tuple((one["name"], one["bytes"], one["sha256"]) for one in files)
