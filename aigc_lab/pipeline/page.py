"""The report of a run as one HTML page, and the sheet of samples. The words stand in ``report.html.j2``."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

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
from aigc_lab.pipeline.parts import NOUNS, Result, Row, Seen

_COLUMNS, _ROWS = 10, 5  # images of a sheet
_SHOWN = 6  # examples of each check
_LISTED = 60  # dropped items by name
_TABLE_COLUMNS = 8


def write_page(result: Result, folder: Path) -> None:
    """Write ``report.html``, and ``samples.png`` where images were drawn, into a folder.

    Raises:
        OSError: it cannot be written.
    """
    seen, table, trained = result.seen, result.decisions, result.trained
    samples = []
    if trained is not None:
        samples.append(_samples("From your data", "你的数据", result.kept, seen.kind))
        samples.append(_samples("New, drawn by the model", "模型生成", result.drawn, seen.kind))
    if samples and seen.kind == "images":
        with atomic_write(folder / "samples.png") as stream:
            stream.write(samples[-1]["png"])
    dropped = table[table["decision"] == "drop"]
    mine = table[(table["by"] == "you") & (table["decision"] == "keep")]
    stays = np.flatnonzero(table["decision"] == "keep")
    fixes = pd.DataFrame() if seen.fixes is None else seen.fixes.head(_LISTED)
    fixes = fixes.map(_cell).assign(item=[seen.names[item] for item in fixes.get("item", ())])
    html = render(
        Path(__file__).with_name("report.html.j2"),
        result=result,
        seen=seen,
        trained=trained,
        noun=NOUNS[seen.kind],
        notes=[*result.notes, *(trained.notes if trained else ()), *seen.notes],
        numbers={"all": len(table), "drop": len(dropped), "mine": int((table["by"] == "you").sum())},
        samples=samples,
        scores=[_score(row) for row in result.rows],
        curve=_curve(trained.curve) if trained else None,
        checks=_checks(result),
        decided=[
            {"name": row.name, "word": word, "by": row.by, "why": visible(row.why)}
            for word, part in (("dropped", dropped), ("kept", mine))
            for row in part.head(_LISTED).itertuples()
        ],
        more=max(0, len(dropped) - _LISTED) + max(0, len(mine) - _LISTED),
        skipped=rows_and_kinds(seen.skipped),
        fixes=fixes.to_dict("records"),
        balance=balance(seen.items, seen.items[stays]) if isinstance(seen.items, Dataset) else None,
    )
    with atomic_write(folder / "report.html") as stream:
        stream.write(html.encode("utf-8", "replace"))  # a lone surrogate has no bytes in UTF-8


# Samples ------------------------------------------------------------------------------------------------


def _samples(title: str, chinese: str, items: Any, kind: str) -> dict[str, Any]:
    """Some items to look at: a sheet of images, texts, or rows of a table."""
    some = {"title": title, "chinese": chinese}
    if kind == "images":
        rows, named = _rows_of_images(items)
        words = f"{sum(map(len, rows))} images"
        words += f", a row for each class: {', '.join(named)}" if named else ""
        width, png = _sheet(rows)
        uri = f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
        return some | {"png": png, "uri": uri, "words": words, "width": 2 * width}
    if kind == "text":
        return some | {"texts": [excerpt(items.data[place]) for place in _spread(len(items), _ROWS + 1)]}
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
        some = items.data[_spread(len(items), _ROWS * _COLUMNS)]
        return [some[start : start + _COLUMNS] for start in range(0, len(some), _COLUMNS)], []
    named = [name for name, count in items.counts().items() if count][:12]
    parts = [items.only(name).data for name in named]
    return [part[_spread(len(part), _COLUMNS)] for part in parts], named


def _spread(count: int, most: int) -> np.ndarray:
    """So many places, from the first to the last: neighbours in a folder are often alike."""
    return np.linspace(0, count - 1, min(count, most)).astype(int)


def _sheet(rows: list[np.ndarray]) -> tuple[int, bytes]:
    """Images side by side on white: the width, and a PNG."""
    height, width = rows[0].shape[1] + 2, rows[0].shape[2] + 2
    size = (_COLUMNS * width, len(rows) * height)
    sheet, stream = Image.new("RGB" if rows[0].ndim == 4 else "L", size, "white"), io.BytesIO()
    for top, row in enumerate(rows):
        for left, image in enumerate(row):
            sheet.paste(Image.fromarray(image), (left * width, top * height))
    sheet.save(stream, "png", optimize=True)
    return size[0], stream.getvalue()


# Scores -------------------------------------------------------------------------------------------------


def _score(row: Row) -> dict[str, Any]:
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
        plain = {"title": name.replace("_", " ").capitalize(), "chinese": "", "what": ""}
        words = words_on(name) if name in all_words()["checks"] else plain
        shown = found.drop_duplicates("item").head(0 if name in seen.untrusted() else _SHOWN)
        cards = [
            _card(seen, int(row.item), str(row.reason), row.item in secret) for row in shown.itertuples()
        ]
        items = set(found["item"])
        left_out = len(items & gone) if found["proposed"].any() else 0
        checks.append(words | {"count": len(items), "gone": left_out, "cards": cards})
    return sorted(checks, key=lambda check: (not check["cards"], -check["gone"]))


def _card(seen: Seen, place: int, said: str, secret: bool) -> dict[str, Any]:
    """What the template's figure takes: a name, a thumbnail or some text, and the reason."""
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
