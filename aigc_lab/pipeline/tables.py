"""Tables: a Gaussian copula of your own rows, and how it differs from them. Introduced in notebook 21."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import ks_2samp, t

from aigc_lab.clean import tables
from aigc_lab.clean.issues import issue_table
from aigc_lab.clean.personal import REGIONS, personal_data
from aigc_lab.collect.dataset import Card, own_card
from aigc_lab.collect.own import read_columns, spelled
from aigc_lab.evaluate.intervals import Score, centred, share
from aigc_lab.pipeline.copula import GaussianCopula, correlation, numbers
from aigc_lab.pipeline.parts import (
    FEW,
    ISSUE_COLUMNS,
    Row,
    Seen,
    Trained,
    near_copies,
    read_model,
    real_range,
    row_names,
    shares,
    write_model,
)

LEAST = 40
KIND = "Gaussian copula"
_FAR = 3.0  # interquartile ranges beyond a quartile: "far out" (Tukey 1977, section 2D)
_JUDGED = 500  # rows a side
_SPLITS, _TESTS, _FOLDS = 40, 10, 5
_SHOWN = 40  # columns described
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_COMMA, _POINT = re.compile(r"[+-]?\d+,\d+"), re.compile(r"[+-]?\d+\.\d+")
_PRIVATE = re.compile(
    r"(id|ids|uuid|(sur|first|last)?names?|e?mail|(tele)?phone|tel|mobile|address|street|ssn|passport|iban|account)"
)
_PRIVATE_CHINESE = re.compile("姓名|名字|电话|手机|邮箱|邮件|地址|住址|身份证|编号|学号|工号|账号|微信")


# Stages 1 to 3 ------------------------------------------------------------------------------------------


def look(
    path: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    seed: int = 0,
    progress: bool = True,
    encoding: str | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    rules: Any = None,
    include: Sequence[str] = (),
    regions: Sequence[str] | str = REGIONS,
) -> Seen:
    """Stages 1 to 3: read, guess what each column holds, check the cells, mend what needs no guess.

    Args:
        path: a ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet`` file.
        folder: not used; tables have no page of their own.
        encoding, delimiter: see ``collect.from_file``.
        decimal: ``","`` or ``"."``; None takes the comma where numbers have it and none has a point.
        rules: what columns may hold: names to ``clean.tables.number(…)``, ``date`` or ``category``, or the
            path of a JSON file: ``{"age": {"low": 0, "high": 120}, "day": {"earliest": "2020-01-01"}, "pet":
            ["cat", "dog"]}``. Of the other columns the kind is guessed, and no range.
        include: columns to use although they look personal.
        regions: whose telephone numbers are sought, see ``clean.text.personal_data``.

    Raises:
        OSError, ValueError: what cannot be read, no rows, no column to model, or bad rules.
    """
    source = Path(path).expanduser()
    raw = pd.DataFrame(read_columns(source, encoding, delimiter), dtype=object)
    if raw.empty:
        raise ValueError(f"{spelled(source.name)} has no rows below the names of its columns")
    given = _rules(rules)
    if unknown := [name for name in [*given, *include] if name not in raw.columns]:
        raise ValueError(f"the table has no column {unknown[0]!r}; its columns are {', '.join(raw.columns)}")
    raw, notes = _decimals(raw, decimal)
    guessed, unused = tables.guess(raw)
    for name in raw.columns.difference([*given, *include], sort=False):
        if why := _looks_private(name, raw[name], regions):
            unused[name] = why
    used = {name: given.get(name) or guessed[name] for name in raw if name in given or name not in unused}
    left = [f"{name} ({why})" for name, why in unused.items() if name not in used]
    notes += [f"Columns that are not used: {'; '.join(left[:_SHOWN])}."] if left else []
    if not used:
        reasons = "; ".join(f"{name}: {why}" for name, why in unused.items())
        raise ValueError(f"no column of {spelled(source.name)} can be modelled: {reasons[:300]}")

    typed, schema = _typed(raw[list(used)], used), tables.schema(used)
    mended, changes = tables.fix(typed, schema)
    frame = _as_types(mended, used)
    if vain := list(frame.columns[frame.isna().all()]):
        notes.append(
            f"Columns that are not used, because nothing in them is what it should be: {', '.join(vain)}."
        )
        frame = frame.drop(columns=vain)
    if frame.empty:
        raise ValueError(
            f"no cell of {spelled(source.name)} is what its column should hold; change the rules"
        )
    names = row_names(source, len(frame))
    found = tables.check(typed, schema).query("detector != 'duplicate_row'")
    repeats, said = _repeats(frame, names)
    empty = [(item, 1.0, "every cell is empty") for item in np.flatnonzero(frame.isna().all(axis=1))]
    cells = found.assign(duplicate_of=-1, proposed=False)
    parts = [_issues("empty_row", empty, True), repeats, cells, *_unusual(frame)]
    issues = pd.concat([part for part in parts if len(part)] or [cells], ignore_index=True)
    issues = issues.assign(name=[names[item] for item in issues["item"]], suggested="")

    notes += [said] if said else []
    shown = "; ".join(f"{name}: {_described(frame[name])}" for name in list(frame)[:_SHOWN])
    more = f"; and {frame.shape[1] - _SHOWN} more" if frame.shape[1] > _SHOWN else ""
    notes.append(f"Columns: {shown}{more}. Rules of your own (rules=…, --rules) say more than this guess.")
    missing = [f"{name} {count:,}" for name, count in frame.isna().sum().items() if count]
    if missing:
        listed = ", ".join(missing)
        notes.append(f"Missing cells of {len(frame):,}: {listed}. The model leaves as many empty.")
    lost = int((mended[list(frame)].notna() & frame.isna()).sum().sum())
    notes += [f"Cells that are not what their column holds, and count as missing: {lost:,}."] if lost else []
    if "far_out" in set(issues["detector"]):
        notes.append("Numbers that are far out stay, unless you drop their rows or a rule gives the range.")
    changes = changes[changes["before"].astype(str) != changes["after"].astype(str)]
    fixes = changes.rename(columns={"change": "reason"})[["item", "column", "before", "after", "reason"]]
    fixes["after"] = [value if value is not None else "(empty)" for value in fixes["after"]]
    card = replace(own_card(spelled(source.stem), "table"), size=f"{len(frame):,} rows")
    return Seen("table", frame, names, card, issues[list(ISSUE_COLUMNS)], tuple(notes), fixes=fixes)


def _rules(rules: Any) -> dict[str, Any]:
    """Rules as columns of a schema, from a mapping or a JSON file."""
    if rules is None:
        return {}
    if not isinstance(rules, (str, os.PathLike)):
        return dict(getattr(rules, "columns", rules))  # a pandera schema has columns
    try:
        told = json.loads(Path(rules).expanduser().read_text(encoding="utf-8"))
        return {
            name: tables.category(*rule)
            if isinstance(rule, list)
            else (tables.date if {"earliest", "latest"} & set(rule) else tables.number)(**rule)
            for name, rule in told.items()
        }
    except (OSError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f'cannot use the rules in {rules} ({error}); write such as {{"age": {{"low": 0, "high": 120}}}}'
        ) from error


def _decimals(frame: pd.DataFrame, decimal: str | None) -> tuple[pd.DataFrame, list[str]]:
    """Numbers with a decimal comma written with a point, where the file has such a comma; and a note."""
    if decimal not in (None, ",", "."):
        raise ValueError(f"decimal must be ',' or '.', got {decimal!r}")
    words = [cell.strip() for name in frame for cell in frame[name] if isinstance(cell, str)]
    comma = next((word for word in words if _COMMA.fullmatch(word)), None)
    if decimal is None and comma and not any(map(_POINT.fullmatch, words)):
        decimal = ","
    if decimal is None or not comma:
        either = next((word for word in words if re.fullmatch(r"[+-]?\d{1,3},\d{3}", word)), None)
        two = f"Cells such as {either} can mean two numbers: give decimal=',' or decimal='.'."
        return frame, [two] if either else []
    thousands = "." if decimal == "," else ","
    grouped = re.compile(rf"[+-]?\d{{1,3}}([{thousands}]\d{{3}})*([{decimal}]\d+)?|[+-]?\d+([{decimal}]\d+)?")

    def plain(cell: Any) -> Any:
        if not isinstance(cell, str) or not grouped.fullmatch(cell.strip()):
            return cell
        return cell.strip().replace(thousands, "").replace(decimal, ".")

    what = f"{comma} is {plain(comma)}"
    return frame.map(plain), [
        f"Numbers are written with a decimal {'comma' if decimal == ',' else 'point'}: {what}."
    ]


def _looks_private(name: str, cells: pd.Series, regions: Sequence[str] | str) -> str:
    """Why a column is left out of the model unless it is asked for, or an empty text."""
    words = re.split(r"[^a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).casefold())
    if any(map(_PRIVATE.fullmatch, words)) or _PRIVATE_CHINESE.search(name):
        return "its name says who someone is; include it if it does not"
    some = [str(cell) for cell in cells.dropna().head(200)]
    private = personal_data(some, regions)
    if private["item"].nunique() > 0.2 * len(some):
        return f"personal data: {private['kind'].mode()[0]}; include it if it is none"
    whole = [int(cell) for cell in some if re.fullmatch(r"\d+", cell)]
    if len(some) == len(whole) > 10 and set(np.diff(whole)) == {1}:
        return "a running number"
    return ""


def _typed(frame: pd.DataFrame, used: Mapping[str, Any]) -> pd.DataFrame:
    """What a file of texts means without a doubt: numbers as numbers, empty texts as nothing."""

    def meant(cell: Any, about: Mapping[str, Any]) -> Any:
        if isinstance(cell, str):
            if not cell.strip():
                return None
            return float(cell) if "unit" in about and _NUMBER.fullmatch(cell) else cell
        if pd.isna(cell):
            return None
        return str(cell) if "names" in about else cell

    typed = {name: [meant(cell, used[name].metadata) for cell in frame[name]] for name in frame}
    return pd.DataFrame(typed, dtype=object)


def _as_types(frame: pd.DataFrame, used: Mapping[str, Any]) -> pd.DataFrame:
    """Whole numbers as Int64, others as float64, dates as datetime64, categories as texts, or NA."""
    done = {}
    for name in frame:
        about, cells = used[name].metadata, frame[name]
        if "names" in about:
            done[name] = cells.astype(object).where(cells.notna(), None)
            continue
        known = [None if isinstance(cell, str) or pd.isna(cell) else cell for cell in cells]
        if "earliest" in about:
            # Dates with a time zone become those of UTC; dates without one stay as they are.
            done[name] = (
                pd.Series(pd.to_datetime(known, utc=True)).dt.tz_localize(None).astype("datetime64[s]")
            )
            continue
        cells = pd.Series(known, dtype="float64")
        whole = (cells.dropna() % 1 == 0).all() and not (cells.abs() >= 2**63).any()  # what Int64 holds
        done[name] = cells.astype("Int64") if whole else cells
    return pd.DataFrame(done)


def _described(column: pd.Series) -> str:
    """What a column was taken for."""
    if pd.api.types.is_numeric_dtype(column):
        kind = "whole numbers" if pd.api.types.is_integer_dtype(column) else "numbers"
        return f"{kind}, {column.min():g} to {column.max():g}"
    if pd.api.types.is_datetime64_any_dtype(column):
        return f"dates, {column.min():%Y-%m-%d} to {column.max():%Y-%m-%d}"
    counts = column.value_counts()
    shown = ", ".join(map(str, counts.index[:5])) + (" …" if len(counts) > 5 else "")
    return f"{len(counts)} categories: {shown}" if len(counts) > 1 else f"always {shown}"


def _issues(detector: str, found: Sequence[tuple[int, float, str]], proposed: bool = False) -> pd.DataFrame:
    items, scores, reasons = zip(*found, strict=True) if found else ((), (), ())
    return issue_table(detector, items, scores, reasons).assign(duplicate_of=-1, proposed=proposed)


def _repeats(frame: pd.DataFrame, names: Sequence[str]) -> tuple[pd.DataFrame, str]:
    """Rows that repeat an earlier one, if that is no chance, else a sentence on them.

    In a table of few categories most rows repeat. By chance, with columns that are independent, n (n - 1) / 2
    pairs times the product of the columns' own shares of equal pairs would.
    """
    places = pd.Series(frame.index)
    first = places.groupby([frame[name] for name in frame], dropna=False).transform("min").to_numpy()
    again = np.flatnonzero(first != places)
    alike = [(frame[name].value_counts(normalize=True, dropna=False) ** 2).sum() for name in frame]
    chance = len(frame) * (len(frame) - 1) / 2 * float(np.prod(alike))
    if chance > 0.05 * len(again):
        few = f"{len(again):,} rows repeat an earlier one, as so few different values make likely; they stay."
        return _issues("duplicate_row", []), few if len(again) else ""
    table = _issues("duplicate_row", [(item, 1.0, f"repeats {names[first[item]]}") for item in again], True)
    return table.assign(duplicate_of=first[table["item"]]), ""


def _unusual(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """Numbers far out on every scale, and categories that occur once and are nearly another one."""
    far, odd = [], []
    for name in frame:
        if pd.api.types.is_numeric_dtype(frame[name]):
            cells = numbers(frame[name])
            outside = _far_out(cells)
            if np.nanquantile(cells, 0.25) > 0:  # such as incomes and prices: look at the logarithms as well
                with np.errstate(invalid="ignore", divide="ignore"):
                    outside &= _far_out(np.log(cells)) | ~(cells > 0)
            if outside.sum() <= 0.02 * len(cells):  # more are the tail of the column, not mistakes
                usual = "usual are {:g} to {:g}".format(*np.nanquantile(cells, [0.05, 0.95]))
                far += [(item, 0.6, f"{name}: {cells[item]:g}, {usual}") for item in np.flatnonzero(outside)]
        elif frame[name].dtype == object:
            counts = frame[name].value_counts()
            often = list(counts.index[counts >= 5])
            for rare in counts.index[counts == 1]:
                if near := get_close_matches(rare, often, 1, 0.75):
                    item = int(np.flatnonzero(frame[name] == rare)[0])
                    odd.append((item, 0.7, f"{name}: {rare!r} occurs once; is it {near[0]!r}?"))
    return [_issues("far_out", far), _issues("rare_category", odd)]


def _far_out(cells: np.ndarray) -> np.ndarray:
    low, high = np.nanquantile(cells[np.isfinite(cells)], [0.25, 0.75])
    width = _FAR * (high - low)
    return (cells < low - width) | (cells > high + width) if width else np.zeros(len(cells), bool)


# Stage 5 ------------------------------------------------------------------------------------------------


def train(
    kept: pd.DataFrame,
    held_out: pd.DataFrame,
    *,
    seconds: float = 60,
    steps: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Trained:
    """A Gaussian copula of the rows. It is computed, not searched for: ``seconds``, ``steps`` do nothing."""
    start = time.perf_counter()
    known = kept.loc[:, kept.notna().any()]
    model = GaussianCopula.fit(known, seed)
    settings = {
        "model": f"{KIND} of {len(model.marginals)} columns",
        "rows": f"{len(kept):,}",
        "seconds": round(time.perf_counter() - start, 1),
        "seed": seed,
    }
    notes = [_reveals(model, len(kept))]
    notes.append(
        "A Gaussian copula sees how columns rise and fall together and nothing else: a ring, a bend, or a "
        "rule such as “the end is after the start” is lost, and cells are missing at random. The two-sample "
        "test says how much that matters here."
    )
    if lost := [name for name in kept if name not in known]:
        notes.append(f"Left out of the model, because no training row has a value: {', '.join(lost)}.")
    return Trained(model, settings, None, tuple(notes))


def _reveals(model: GaussianCopula, rows: int) -> str:
    """What a stranger reads in the exported file about the people behind the rows."""
    rare = [
        f"{value} ({each.name})"
        for each in model.marginals
        for value, part in zip(each.values, each.shares, strict=False)
        if each.kind == "category" and part * (1 - each.missing) * rows < 5
    ]
    shown = ", ".join(rare[:5]) + (f" and {len(rare) - 5} more" if len(rare) > 5 else "")
    also = f"; also categories that fewer than 5 rows have: {shown}" if rare else ""
    return (
        "The exported file holds no row, but of each column the two smallest and the two largest values and "
        f"quantiles or shares between them{also}."
    )


def draw(trained: Trained, count: int, seed: int = 0) -> pd.DataFrame:
    """``count`` new rows with the types and within the ranges of the training rows."""
    return trained.model.draw(count, seed)


# Stage 6 ------------------------------------------------------------------------------------------------


def scores(
    trained: Trained, drawn: pd.DataFrame, kept: pd.DataFrame, held_out: pd.DataFrame, seed: int = 0
) -> list[Row]:
    """Can a classifier tell new rows from held-out ones; columns one by one, two by two; and copies.

    The floors are real rows in the place of the new ones, as many on each side.
    """
    model, columns = trained.model, [each.name for each in trained.model.marginals]
    kept, held_out = kept[columns], held_out[columns]
    size = min(len(drawn), len(held_out), _JUDGED)
    new, real = drawn[:size], held_out.sample(size, random_state=seed)  # a file may be in some order
    pool = pd.concat([kept, held_out], ignore_index=True)
    generator = np.random.default_rng(seed)

    wide = f"; fewer than {FEW} a side leave wide intervals" if size < FEW else ""

    def two_real_sets() -> tuple[pd.DataFrame, pd.DataFrame]:
        order = generator.permutation(len(pool))
        return pool.iloc[order[:size]], pool.iloc[order[size : 2 * size]]

    name, score, floor = "told apart by a classifier", None, None
    about = f"needs {2 * _FOLDS} held-out rows, there are {size}"
    if size >= 2 * _FOLDS:
        about = "two-sample test: how often a random forest is right on "
        about += f"{size} new and {size} held-out rows{wide}"
        usual = [two_sample(*two_real_sets(), seed).value for _ in range(_TESTS)]
        mean, spread = float(np.mean(usual)), float(np.std(usual, ddof=1))
        reach = float(t.ppf(0.975, _TESTS - 1)) * spread * (1 + 1 / _TESTS) ** 0.5
        method = f"where another pair of real sets would lie, from {_TESTS} pairs"
        score = two_sample(new, real, seed)
        floor = replace(score, value=mean, low=mean - reach, high=mean + reach, method=method)
    rows = [Row(name, score, floor, "lower", about)]

    distances = _distances(model, new, real)
    usual = np.array([_distances(model, *two_real_sets()) for _ in range(_SPLITS)])
    drawings = [generator.integers(0, size, (2, size)) for _ in range(_SPLITS)]
    spread = np.array([_distances(model, new.iloc[one], real.iloc[two]) for one, two in drawings])
    ways = "Kolmogorov-Smirnov for numbers and dates, total variation for categories, missing cells included"
    worst = f"here {columns[int(distances[:-1].argmax())]}; {ways}"
    pairs = "largest difference of a correlation, of normal scores"
    for name, about, measure in (
        ("columns one by one, mean", ways, lambda each: each[..., :-1].mean(axis=-1)),
        ("columns one by one, worst", worst, lambda each: each[..., :-1].max(axis=-1)),
        ("columns two by two", pairs, lambda each: each[..., -1]),
    ):
        if about == pairs and len(columns) < 2:
            rows.append(Row(name, None, None, "lower", "there is only one column"))
            continue
        value = float(measure(distances))
        low, high = centred(value, measure(spread))
        method = f"bootstrap over rows, {_SPLITS} resamples, centred on the value"
        score = Score(value, max(low, 0.0), high, name, "", "lower", method=method)
        floor = real_range(score, measure(usual), f"range over {_SPLITS} pairs of real sets")
        rows.append(Row(name, score, floor, "lower", f"{size} new and {size} held-out rows{wide}; {about}"))

    known, *others = (
        list(side.astype(str).itertuples(index=False, name=None)) for side in (kept, drawn, held_out)
    )
    known = set(known)
    equal = shares("equal rows", [[row in known for row in side] for side in others], "lower")
    about = f"share of {len(drawn)} new rows that are a training row, cell by cell"
    rows.append(Row("equal to a training row", *equal, "lower", about))
    points = [_points(model, side, kept) for side in (drawn, kept, held_out)]
    about = f"share of {len(drawn)} new rows nearer to a training row than 99% of held-out rows are"
    return [*rows, near_copies("rows", points, about, seed)]


def two_sample(first: pd.DataFrame, second: pd.DataFrame, seed: int = 0) -> Score:
    """Classifier two-sample test (Lopez-Paz and Oquab 2017, arXiv 1610.06545): accuracy, 1/2 for equal ones.

    The classifier is a random forest; each row is judged by one that was grown without it, in five folds.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    both = pd.concat([first, second], ignore_index=True)
    for name in both.select_dtypes(object):  # a category is its place in the alphabet
        both[name] = both[name].astype("category").cat.codes.replace(-1, np.nan)
    points = np.stack([numbers(both[name]) for name in both], axis=1)
    sides = np.repeat([0, 1], [len(first), len(second)])
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    forest = RandomForestClassifier(50, min_samples_leaf=2, random_state=seed)
    right = int((cross_val_predict(forest, points, sides, cv=folds) == sides).sum())
    return share(right, len(sides), "accuracy", "lower")


def _distances(model: GaussianCopula, first: pd.DataFrame, second: pd.DataFrame) -> np.ndarray:
    """Of each column the distance of its two distributions, and the largest difference of a correlation."""
    distances = []
    for each in model.marginals:
        one, other = first[each.name], second[each.name]
        if each.kind == "category":
            distances.append(total_variation(one, other))
        else:  # a missing cell lies below every number, so it counts as well
            sides = (np.nan_to_num(numbers(side), nan=-1e300) for side in (one, other))
            distances.append(ks_2samp(*sides, method="asymp").statistic)
    gap = np.abs(np.subtract(*(correlation(model.scores(side)) for side in (first, second)))).max()
    return np.array([*distances, gap])


def total_variation(first: pd.Series, second: pd.Series) -> float:
    """Half the sum of the differences of the shares of all categories, missing cells being one; 0 to 1."""
    one, other = (side.value_counts(normalize=True, dropna=False) for side in (first, second))
    return float(one.sub(other, fill_value=0).abs().sum() / 2)


def _points(model: GaussianCopula, frame: pd.DataFrame, kept: pd.DataFrame) -> np.ndarray:
    """Rows as points (n, d): numbers in standard deviations, each category a direction, missing a mean."""
    parts = []
    for each in model.marginals:
        if each.kind == "category":
            parts.append(
                (frame[each.name].to_numpy()[:, None] == np.array(each.values, dtype=object)) / 2**0.5
            )
        else:
            usual = numbers(kept[each.name])
            scaled = (numbers(frame[each.name]) - np.nanmean(usual)) / (np.nanstd(usual) or 1.0)
            parts.append(np.nan_to_num(scaled)[:, None])
    return np.concatenate(parts, axis=1).astype("float64")


# Stage 7 ------------------------------------------------------------------------------------------------


def export(trained: Trained, folder: str | os.PathLike[str], title: str, card: Card) -> None:
    """The copula as JSON, read back and compared."""
    write_model(trained, folder, {"kind": KIND, "title": title, "licence": card.licence}, card, load)


def load(path: str | os.PathLike[str]) -> GaussianCopula:
    """The model of ``model.json.gz``, to draw rows with nothing but this library; see ``read_model``."""
    return read_model(path, KIND, GaussianCopula.from_state)
