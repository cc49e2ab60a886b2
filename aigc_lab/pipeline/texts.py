"""Texts: a character n-gram model of your own messages, poems or notes, judged beside three compressors.

It counts which character follows which, and so needs seconds and no GPU. Introduced in notebook 21.
"""

from __future__ import annotations

import bz2
import lzma
import os
import re
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import numpy as np
import pandas as pd

from aigc_lab import label
from aigc_lab.clean import text as checks
from aigc_lab.clean.personal import REGIONS
from aigc_lab.collect.dataset import Card, Dataset, own_card
from aigc_lab.collect.own import FolderReport, from_file, from_folder
from aigc_lab.evaluate.intervals import Score
from aigc_lab.evaluate.text import (
    END,
    CharacterNgram,
    copied_share,
    copy_rate,
    distinct,
    self_bleu,
    tokens,
)
from aigc_lab.pipeline.parts import (
    ISSUE_COLUMNS,
    Row,
    Seen,
    Trained,
    check_budget,
    inspected,
    read_model,
    real_range,
    row_names,
    shares,
    write_model,
)

LEAST = 30
KIND = "character n-gram model"
_MOST = 2_000_000  # characters: what two minutes and a gigabyte are enough for
_LARGEST_ORDER = 12
_GAIN = 0.01  # bits per character that one more character of context must bring
_LONGEST = 2000  # characters of a new text
_SPLITS = 20
_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
_COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "zlib": lambda content: zlib.compress(content, 9),
    "bz2": bz2.compress,
    "xz": lambda content: lzma.compress(content, preset=9 | lzma.PRESET_EXTREME),
}


def look(
    path: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    seed: int = 0,
    progress: bool = True,
    text_column: str | None = None,
    label_column: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    regions: Sequence[str] | str = REGIONS,
) -> Seen:
    """Stages 1 to 3: read, inspect, mend, and mask personal data.

    Args:
        path: a folder of ``.txt`` files, or a file as ``collect.from_file`` reads it.
        folder: takes ``inspection.html``, the page of ``clean.inspect``, on the texts as they were.
        text_column: None for ``"text"``.
        label_column: of class names, which are checked and not learnt from.
        encoding, delimiter: see ``collect.from_file``.
        regions: whose telephone numbers are sought, see ``clean.text.personal_data``.

    Raises:
        OSError, ValueError: see ``collect.from_folder`` and ``collect.from_file``; a file of images.
    """
    source = Path(path).expanduser()
    if source.is_dir():
        dataset, report = from_folder(source, modality="text", encoding=encoding, progress=progress)
    else:
        dataset = from_file(source, text_column or "text", label_column, encoding, delimiter)
        if dataset.modality != "text":
            raise ValueError(f"{source.name} holds {dataset.modality}, not texts")
        report = FolderReport(row_names(source, len(dataset)))
    how = {"label_check": label.issues, "seed": seed, "progress": progress, "regions": regions}
    found = inspected(dataset, folder, report=report, **how)
    mended, changes = checks.fix(dataset)
    issues = _with_new_copies(found.table, mended, report.kept)
    copies = issues["duplicate_of"] >= 0
    named = [re.sub(r"item (\d+)", lambda one: report.kept[int(one[1])], why) for why in issues["reason"]]
    issues["reason"] = issues["reason"].mask(copies, named)

    private = checks.personal_data(mended, regions)
    items = checks.mask(mended, private)
    changes = changes.assign(column="text", reason=changes["change"])
    hidden = changes["item"].isin({*private["item"], *found.issues["personal_data"]["item"]})
    changes.loc[hidden, ["before", "after"]] = "[not shown: holds personal data]"
    notes = [*found.notes, *(f"{note[:1].upper()}{note[1:]}." for note in report.notes)]
    if len(private):
        kinds = ", ".join(f"{kind} {count}" for kind, count in private["kind"].value_counts().items())
        some = f"{private['item'].nunique()} texts ({kinds})"
        notes.append(f"Personal data in {some} are masked before training, such as [E-MAIL].")
    if len(dataset) < LEAST and max(map(len, dataset.data)) > _LONGEST:
        notes.append("Each file is one text: cut long ones up, or write a text a line into one .txt file.")
    fixes = changes[["item", "column", "before", "after", "reason"]]
    card = replace(items.card, size=items.card.size or f"{len(items):,} texts")
    return Seen("text", items, report.kept, card, issues, tuple(notes), report.skipped, fixes, found.html)


def _with_new_copies(table: pd.DataFrame, mended: Dataset, names: Sequence[str]) -> pd.DataFrame:
    """The issues and, proposed to drop, what became a copy or an empty text when it was mended."""
    known = set(table.loc[table["proposed"].astype(bool), "item"])
    parts = [table]
    for find in (checks.exact_duplicates, checks.near_duplicates, checks.uninformative):
        new = find(mended)
        new = new[~new["item"].isin(known)].assign(suggested="", proposed=True)
        new["reason"] = "when mended: " + new["reason"]
        new["name"] = [names[item] for item in new["item"]]
        new["detector"] = find.__name__
        known |= set(new["item"])
        parts += [new.assign(duplicate_of=new.get("duplicate_of", -1))] if len(new) else []
    return pd.concat(parts, ignore_index=True)[list(ISSUE_COLUMNS)]


# Stage 5 ------------------------------------------------------------------------------------------------


def train(
    kept: Dataset,
    held_out: Dataset,
    *,
    seconds: float = 60,
    steps: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Trained:
    """Kneser-Ney models of order 1, 2, 3 … until one more character of context gains under 0.01 bits.

    Args:
        kept: texts to count; of more than 2,000,000 characters a part, drawn at random, is taken.
        held_out: texts on which the order is chosen.
        seconds: after which no larger order is tried.
        steps: the largest order that is tried, in place of seconds: equal results on every machine.

    Raises:
        ValueError: no time or no step, or no held-out texts.
    """
    check_budget(seconds, steps)
    start = time.perf_counter()
    texts, judged = (_some(part, seed) for part in (kept.data, held_out.data))
    alphabet = max(20_000, len(set().union(*kept.data, *held_out.data)))
    curve: list[tuple[int, float]] = []
    model = None
    for order in range(1, (steps or _LARGEST_ORDER) + 1):
        larger = CharacterNgram(texts, order, alphabet)
        bits = larger.bits_per_character(judged, resamples=0).value
        curve.append((order, bits))
        if progress:
            print(f"  order {order}: {bits:.3f} bits per character of held-out texts", flush=True)
        if model is not None and bits > curve[-2][1] - _GAIN:
            break
        model = larger
        if steps is None and time.perf_counter() - start > seconds:
            break
    size = sum(map(len, texts))
    settings = {
        "model": f"{KIND} (interpolated Kneser-Ney), order {model.order}",
        "texts": f"{len(texts):,} with {size:,} characters",
        "seconds": round(time.perf_counter() - start, 1),
        "seed": seed,
        "longest new text": min(_LONGEST, max(map(len, texts))),
    }
    notes = [
        f"The exported counts hold every run of {model.order} characters of the training texts, and longer "
        "passages can be put together from them: publish the model only if you may publish the texts."
    ]
    if len(texts) < len(kept):
        notes.append(
            f"The model learnt from {len(texts):,} of {len(kept):,} texts: {_MOST:,} characters at most."
        )
    if kept.labels is not None:
        notes.append("The model knows no classes: it writes texts of all of them.")
    frame = pd.DataFrame(curve, columns=["order", "held-out bits per character"])
    return Trained(model, settings, frame, tuple(notes))


def _some(texts: Sequence[str], seed: int) -> list[str]:
    """The texts, or so many of them, drawn at random, that they stay within the limit."""
    if sum(map(len, texts)) <= _MOST:
        return list(texts)
    mixed = [texts[place] for place in np.random.default_rng(seed).permutation(len(texts))]
    return _first(mixed, _MOST, len) or [mixed[0][:_MOST]]


def _first(texts: Sequence[str], budget: int, size: Callable[[str], int]) -> list[str]:
    """The first texts that have so many characters, or tokens, together."""
    ends = accumulate(map(size, texts))
    return [text for text, end in zip(texts, ends, strict=True) if end <= budget]


def draw(trained: Trained, count: int, seed: int = 0) -> Dataset:
    """``count`` new texts."""
    texts = trained.model.write(count, trained.settings["longest new text"], seed)
    return Dataset(texts, card=own_card("new texts", "text"))


# Stage 6 ------------------------------------------------------------------------------------------------


def scores(trained: Trained, drawn: Dataset, kept: Dataset, held_out: Dataset, seed: int = 0) -> list[Row]:
    """How well the model predicts, how its texts read, how varied they are, and what of them is copied.

    The floors are real texts in the place of the new ones, in equal numbers.
    """
    size = min(len(drawn), len(held_out))
    others, generator = list(kept.data), np.random.default_rng(seed)
    mixed = generator.permutation(len(held_out))[:size]  # a file may be in some order
    new, real = list(drawn.data[:size]), [held_out.data[place] for place in mixed]
    rows = [_prediction(trained.model, others, list(held_out.data), seed)]

    judge = CharacterNgram(_some(held_out.data, seed), trained.model.order, trained.model.alphabet)
    fresh = [others[place] for place in generator.permutation(len(others))[:size]]
    about = (
        f"how surprising {size} new texts are to a model of {len(held_out)} held-out texts, which judges "
        "spelling, not sense"
    )
    name = "bits per character, new texts"
    floor = judge.bits_per_character(fresh, seed=seed)
    rows.append(Row(name, judge.bits_per_character(new, seed=seed), floor, "lower", about))

    # Longer sets repeat themselves more, so all are cut to one number of tokens.
    budget = min(sum(len(tokens(text)) for text in texts) for texts in (new, real))
    about = f"{size} texts, cut to {budget:,} words, marks and Chinese characters"
    pool = [*others, *real]

    def cut(texts: Sequence[str]) -> list[str]:
        return _first(texts, budget, lambda text: len(tokens(text))) or list(texts[:1])

    for name, measure, better in (
        ("different pairs of words (distinct-2)", distinct, "higher"),
        ("likeness to each other (self-BLEU-4)", self_bleu, "lower"),
    ):
        try:
            score, usual = measure(cut(new)), []
            for _ in range(_SPLITS):
                some = [pool[place] for place in generator.permutation(len(pool))]
                usual.append(measure(cut(some), resamples=0).value)
            floor = real_range(score, usual, f"range over {_SPLITS} random sets of real texts")
            rows.append(Row(name, score, floor, better, about))
        except ValueError as error:  # too few words
            rows.append(Row(name, None, None, better, str(error)))

    known, name = {word for text in others for word in tokens(text)}, "unknown words"
    marks = [
        [word not in known for text in texts for word in tokens(text)] or [True] for texts in (new, real)
    ]
    about = f"share of the words of {size} texts that no training text has (for Chinese: characters)"
    rows.append(Row(name, *shares(name, marks, "lower"), "lower", about))

    length = _run_length(others)
    about = f"share of the characters of {size} texts in a run of {length} or more of one training text"
    copied = [copied_share(texts, others, length, seed=seed) for texts in (new, real)]
    rows.append(Row("copied passages", *copied, "lower", about))
    about = f"share of {size} new texts that stand among the training texts, but for spaces and capitals"
    rows.append(Row("whole copies", copy_rate(new, others), copy_rate(real, others), "lower", about))
    return rows


def _prediction(model: CharacterNgram, training: Sequence[str], held_out: Sequence[str], seed: int) -> Row:
    """What the held-out texts cost the model, and what they add to an archive of the training texts."""
    characters = sum(map(len, held_out)) + len(held_out)
    before, both = (END.join([*texts, ""]).encode() for texts in (training, [*training, *held_out]))
    rivals = {
        name: 8 * (len(compress(both)) - len(compress(before))) / characters
        for name, compress in _COMPRESSORS.items()
    }
    best = min(rivals, key=rivals.get)
    value = rivals[best]
    floor = Score(value, value, value, f"{best}, bits per character", "bits", "lower")
    listed = ", ".join(f"{name} {bits:.2f}" for name, bits in rivals.items())
    about = (
        f"{len(held_out)} held-out texts, on which the order was chosen too; beside it the best of three "
        f"compressors that have seen the training texts: {listed}"
    )
    score = model.bits_per_character(held_out, seed=seed)
    return Row("bits per character, held-out texts", score, floor, "lower", about, against=best)


def _run_length(texts: Sequence[str]) -> int:
    """Characters in a row that are no chance: 30, for Chinese 10, but not more than most texts have."""
    everything = "".join(texts)
    chinese = 2 * len(_CJK.findall(everything)) > len(everything)
    return max(2, min(10 if chinese else 30, int(np.quantile([len(text) for text in texts], 0.25))))


# Stage 7 ------------------------------------------------------------------------------------------------


def export(trained: Trained, folder: str | os.PathLike[str], title: str, card: Card) -> None:
    """The counts as JSON, read back and compared."""
    write_model(trained, folder, {"kind": KIND, "title": title, "licence": card.licence}, card, load)


def load(path: str | os.PathLike[str]) -> CharacterNgram:
    """The model of ``model.json.gz``, to write texts with nothing but this library; see ``read_model``."""
    return read_model(path, KIND, CharacterNgram.from_state)
