"""The report of a run as one HTML page, and the sheet of samples. The words stand in ``report.html.j2``."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aigc_lab.clean.page import (
    all_words,
    balance,
    caption,
    excerpt,
    image_uri,
    render,
    rows_and_kinds,
    visible,
    words_on,
)
from aigc_lab.collect.dataset import Dataset, atomic_write
from aigc_lab.evaluate.intervals import Score
from aigc_lab.pipeline.parts import NOUNS, Result

_COLUMNS, _ROWS = 10, 5  # images of a sheet
_SHOWN = 6  # examples of each check
_LISTED = 60  # dropped items by name
_TABLE_COLUMNS = 8


def write_page(result: Result, folder: Path) -> None:
    """Write ``report.html``, and ``samples.png`` where images were drawn, into a folder.

    Raises:
        OSError: it cannot be written.
    """
    seen, table = result.seen, result.decisions
    parts = [
        ("From your data", "你的数据", result.kept),
        ("New, drawn by the model", "模型生成", result.drawn),
    ]
    samples = [_samples(*part, seen.kind) for part in parts if part[2] is not None] if result.trained else []
    if seen.kind == "images" and result.trained is not None:
        with atomic_write(folder / "samples.png") as stream:
            stream.write(base64.b64decode(samples[-1]["uri"].partition(",")[2]))
    dropped = table[table["decision"] == "drop"]
    mine = table[(table["by"] == "you") & (table["decision"] == "keep")]
    html = render(
        Path(__file__).with_name("report.html.j2"),
        result=result,
        seen=seen,
        trained=result.trained,
        noun=NOUNS[seen.kind],
        notes=[*result.notes, *(result.trained.notes if result.trained else ()), *seen.notes],
        numbers={"all": len(table), "drop": len(dropped), "mine": int((table["by"] == "you").sum())},
        samples=samples,
        scores=[_score(row) for row in result.rows],
        curve=_curve(result.trained.curve) if result.trained else None,
        checks=_checks(result),
        decided=[*_listed(dropped, "dropped"), *_listed(mine, "kept")],
        more=max(0, len(dropped) - _LISTED) + max(0, len(mine) - _LISTED),
        skipped=rows_and_kinds(seen.skipped),
        fixes=_fixes(result),
        balance=_balance(result),
    )
    with atomic_write(folder / "report.html") as stream:
        stream.write(html.encode("utf-8", "replace"))  # a lone surrogate has no bytes in UTF-8


# Samples ------------------------------------------------------------------------------------------------


def _samples(title: str, chinese: str, items: Any, kind: str) -> dict[str, Any]:
    """Some items to look at: a sheet of images, texts, or rows of a table."""
    some: dict[str, Any] = {
        "title": title,
        "chinese": chinese,
        "uri": "",
        "texts": [],
        "heads": [],
        "rows": [],
    }
    if kind == "images":
        rows, named = _rows_of_images(items)
        words = f"{sum(map(len, rows))} images" + (
            f", a row for each class: {', '.join(named)}" if named else ""
        )
        sheet = _sheet(rows)
        return some | {
            "uri": _png(sheet),
            "alt": f"{title}: {words}",
            "words": words,
            "width": 2 * sheet.shape[1],
        }
    if kind == "text":
        places = _spread(np.arange(len(items)), _ROWS + 1)
        return some | {"texts": [excerpt(items.data[place]) for place in places]}
    shown = items.iloc[: 2 * _ROWS, :_TABLE_COLUMNS]
    rows = [[visible(_cell(cell))[:40] for cell in row] for row in shown.itertuples(index=False)]
    return some | {"heads": [visible(str(name)) for name in shown.columns], "rows": rows}


def _cell(cell: Any) -> str:
    """A cell of a table as people write it."""
    if pd.isna(cell):
        return "–"
    if isinstance(cell, pd.Timestamp):
        return f"{cell:%Y-%m-%d}"
    return f"{cell:.12g}" if isinstance(cell, float) else str(cell)


def _rows_of_images(items: Dataset) -> tuple[list[np.ndarray], list[str]]:
    """A row for each class, or some rows; and the names of the classes."""
    if items.labels is None or len(items.class_names) < 2:
        places = _spread(np.arange(len(items)), _ROWS * _COLUMNS)
        return [items.data[places[start : start + _COLUMNS]] for start in range(0, len(places), _COLUMNS)], []
    found = [
        _spread(np.flatnonzero(items.labels == number), _COLUMNS) for number in range(len(items.class_names))
    ]
    rows = [
        (name, items.data[places])
        for name, places in zip(items.class_names, found, strict=True)
        if len(places)
    ]
    return [images for _, images in rows[:12]], [name for name, _ in rows[:12]]


def _spread(places: np.ndarray, count: int) -> np.ndarray:
    """So many of them, from the first to the last: neighbours in a folder are often alike."""
    if len(places) <= count:
        return places
    return places[np.linspace(0, len(places) - 1, count).astype(int)]


def _sheet(rows: list[np.ndarray]) -> np.ndarray:
    """Images side by side on white, ``(height, width[, 3])``."""
    _, height, width, *channels = rows[0].shape
    sheet = np.full((len(rows) * (height + 2), _COLUMNS * (width + 2), *channels), 255, np.uint8)
    for top, row in enumerate(rows):
        for left, image in enumerate(row):
            y, x = top * (height + 2), left * (width + 2)
            sheet[y : y + height, x : x + width] = image
    return sheet


def _png(image: np.ndarray) -> str:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


# Scores -------------------------------------------------------------------------------------------------


def _score(row: Any) -> dict[str, Any]:
    """A line of the table of scores: numbers in words, and their places on a scale, in percent."""
    line = {"name": row.name, "about": row.about, "verdict": row.verdict, "better": row.better, "scale": None}
    line["beside"] = "floor" if row.against == "real items" else row.against
    if row.score is None or row.floor is None:
        return line | {"score": "", "floor": ""}
    ends = [row.score.low, row.score.high, row.floor.low, row.floor.high, row.score.value, row.floor.value]
    low, width = min(ends), (max(ends) - min(ends)) or 1.0

    def place(value: float) -> float:
        return round(2 + 96 * (value - low) / width, 2)

    scale = {
        name: {
            "left": place(one.low),
            "width": max(0.8, place(one.high) - place(one.low)),
            "at": place(one.value),
        }
        for name, one in (("score", row.score), ("floor", row.floor))
    }
    return line | {"score": _numbers(row.score), "floor": _numbers(row.floor), "scale": scale}


def _numbers(score: Score) -> str:
    spell = "{:.1%}".format if score.unit == "share" else "{:.4g}".format
    if score.low == score.value == score.high:
        return spell(score.value).replace("-", "−")
    return f"{spell(score.value)} [{spell(score.low)}, {spell(score.high)}]".replace("-", "−")


def _curve(curve: pd.DataFrame | None) -> dict[str, str] | None:
    """The course of the training as points of an SVG of 600 x 160, and in words."""
    if curve is None or len(curve) < 2:
        return None
    x, y = (curve.iloc[:, column].to_numpy(float) for column in (0, 1))
    spread = np.ptp(y) or 1.0
    points = zip(580 * (x - x[0]) / (np.ptp(x) or 1) + 10, 150 - 140 * (y - y.min()) / spread, strict=True)
    words = f"{curve.columns[1]}: {y[0]:.4g} at {curve.columns[0]} {x[0]:,.0f}, {y[-1]:.4g} at {x[-1]:,.0f}."
    moving = abs(y[-1] - np.interp(x[0] + 2 / 3 * np.ptp(x), x, y)) > 0.05 * spread
    words += " It was still changing" if moving else " It had levelled off"
    return {
        "points": " ".join(f"{a:.1f},{b:.1f}" for a, b in points),
        "words": f"{words} when the time was over.",
    }


# What was found, what was kept -----------------------------------------------------------------------------


def _checks(result: Result) -> list[dict[str, Any]]:
    """Each check that found something: its words, how many items, and some of them."""
    seen = result.seen
    gone = set(np.flatnonzero(result.decisions["decision"] == "drop"))
    secret = set(seen.issues.loc[seen.issues["detector"] == "personal_data", "item"])
    checks, issues = [], seen.issues.assign(reason=seen.reasons())
    for name, found in issues.groupby("detector", sort=False):
        known = name in all_words()["checks"]
        words = (
            words_on(name)
            if known
            else {"title": name.replace("_", " ").capitalize(), "chinese": "", "what": ""}
        )
        items = set(found["item"])
        cards = [
            _card(result, int(row.item), str(row.reason), int(row.item) in secret)
            for row in found.drop_duplicates("item")
            .head(0 if name in seen.untrusted() else _SHOWN)
            .itertuples()
        ]
        left_out = len(items & gone) if found["proposed"].any() else 0
        checks.append(words | {"count": len(items), "gone": left_out, "cards": cards})
    return sorted(checks, key=lambda check: (not check["cards"], -check["gone"]))


def _card(result: Result, place: int, said: str, secret: bool) -> dict[str, Any]:
    """What the template's figure takes: a name, a thumbnail or some text, and the reason."""
    seen = result.seen
    card = caption(visible(seen.names[place]), visible(said))
    if seen.kind == "images":
        uri, coarse = image_uri(seen.items.data[place])
        return card | {"uri": uri, "coarse": coarse}
    if secret:
        return card | {"text": "(not shown, because it may hold personal data)"}
    if seen.kind == "text":
        return card | {"text": excerpt(seen.items.data[place])}
    row = seen.items.iloc[place].head(_TABLE_COLUMNS)
    return card | {"text": excerpt(", ".join(f"{column}: {_cell(cell)}" for column, cell in row.items()))}


def _fixes(result: Result) -> list[dict[str, str]]:
    """What was mended, item by item; no more than a page can hold."""
    fixes = result.seen.fixes
    if fixes is None:
        return []
    shown = fixes.head(_LISTED).map(_cell)
    return shown.assign(item=[result.seen.names[item] for item in fixes["item"][:_LISTED]]).to_dict("records")


def _listed(table: pd.DataFrame, word: str) -> Iterable[dict[str, str]]:
    for row in table.head(_LISTED).itertuples():
        yield {"name": row.name, "word": word, "by": row.by, "why": visible(row.why)}


def _balance(result: Result) -> dict[str, Any] | None:
    """Items of each class before and after the decisions."""
    items = result.seen.items
    if not isinstance(items, Dataset):
        return None
    return balance(items, items[np.flatnonzero(result.decisions["decision"] == "keep")])
