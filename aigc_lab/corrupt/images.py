"""Set corruptions by their rates and get the dirty set with its corruption log. Introduced in notebook 00.

Order. Whatever the order of the mapping, corruptions are applied in the order of ``IMAGE_CORRUPTIONS``,
``TEXT_CORRUPTIONS`` or ``SOUND_CORRUPTIONS``, the way data go wrong on their way to a data set: classes are
scarce, annotators err, items are damaged, the result is copied, and junk gets in. So an item may be hit
several times, and a copy carries the damage and the wrong label of what it copies (rows marked
``inherited``). Copies and junk stand behind the items of the given set, in this order.

Randomness. Which items a corruption hits depends on (seed, corruption); what it does to one depends on
(seed, corruption, item). Changing one rate therefore never changes what another corruption does to an
item, and a higher rate hits the same items and some more. Two exceptions follow from the order: copies
copy what is there, and after imbalance fewer items are left to choose from.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from aigc_lab.collect.dataset import Dataset, unknown_name
from aigc_lab.collect.sounds import check_recordings
from aigc_lab.corrupt import sounds, text

if TYPE_CHECKING:
    import pandas as pd

JUNK_KINDS = ("noise", "blank", "gradient", "strokes", "shapes", "text")
SMALLEST_SIDE = 8  # pixels; below it a small shift is no longer small
COLUMNS = ("item", "corruption", "source", "detail", "inherited")


@dataclass(frozen=True, eq=False)
class CorruptionLog:
    """What ``apply`` did, item by item.

    Args:
        table: one row per item and corruption: ``item`` (position in the dirty set), ``corruption``,
            ``source`` (position in the original set, -1 for junk), ``detail`` (such as ``"cat -> dog"``),
            ``inherited`` (True where a copy has the corruption only from the item it copies).
        dropped: the positions that imbalance removed from the original set, each with the reason.
        sources: integers ``(n,)``, for every dirty item the position it came from, -1 for junk.
        true_labels: integers ``(n,)``, the label before any flip, -1 for junk; None without labels.
        names: the corruptions that exist.
        rates: what was asked for, without zeros.
        seed: the seed.
    """

    table: pd.DataFrame
    dropped: dict[int, str]
    sources: np.ndarray
    true_labels: np.ndarray | None
    names: tuple[str, ...]
    rates: dict[str, float]
    seed: int

    def items(self, corruption: str) -> np.ndarray:
        """Sorted positions in the dirty set of the items that have the corruption, inherited or not.

        Raises:
            ValueError: a corruption that does not exist.
        """
        if corruption not in self.names:
            raise unknown_name("corruption", corruption, self.names)
        return self.table.loc[self.table["corruption"] == corruption, "item"].to_numpy()

    def mask(self, *corruptions: str) -> np.ndarray:
        """Booleans ``(n,)``: True where an item has any of the corruptions (of all, if none is named)."""
        chosen = np.zeros(len(self.sources), dtype=bool)
        for corruption in corruptions or self.names:
            chosen[self.items(corruption)] = True
        return chosen

    def counts(self) -> dict[str, int]:
        """How many items got each corruption: rate times items, without inherited rows.

        For ``imbalance`` it is the number of dropped items.
        """
        own = self.table.loc[~self.table["inherited"], "corruption"].value_counts().to_dict()
        own["imbalance"] = len(self.dropped)
        return {name: own.get(name, 0) for name in self.rates}

    def report(self) -> str:
        """The counts as text, one corruption a line."""
        lines = [f"{len(self.sources)} items after corruption (seed {self.seed})"]
        inherited = self.table.loc[self.table["inherited"], "corruption"].value_counts()
        for name, count in self.counts().items():
            verb = "dropped" if name == "imbalance" else "given to"
            extra = f", and {inherited[name]} copies of them" if inherited.get(name, 0) else ""
            lines.append(f"  {name:<16} rate {self.rates[name]:.3f}: {verb} {count} items{extra}")
        return "\n".join(lines)


def apply(dataset: Dataset, rates: Mapping[str, float], seed: int = 0) -> tuple[Dataset, CorruptionLog]:
    """Damage a data set by known amounts. The given set stays as it is.

    Args:
        dataset: what to damage; image corruptions need ``uint8`` images of at least 8 x 8 pixels, sound
            corruptions a sample rate.
        rates: name (of ``IMAGE_CORRUPTIONS``, ``TEXT_CORRUPTIONS`` for texts, ``SOUND_CORRUPTIONS`` for
            audio) to rate in [0, 1]. A rate is a share of the items, rounded to whole items: that many are
            damaged, or added (copies and junk). For ``imbalance`` it is the share that the scarce classes
            lose; the other rates count what imbalance leaves.
        seed: a whole number from 0 up; the same seed gives the same bytes.

    Returns:
        The dirty set and the log of what was done to which item.

    Raises:
        ValueError: an unknown corruption; a rate that is no number from 0 to 1; a negative seed; a
            corruption that does not fit the modality, the labels or the size of the items.
    """
    wanted, seed = checked_rates(rates, _ALL_NAMES), checked_seed(seed)
    used = {name: rate for name, rate in wanted.items() if rate > 0}
    _check_fits(dataset, used)
    kind, names = dataset.modality, dataset.class_names
    more = {"rate": dataset.sample_rate} if kind == "audio" else {}
    dropped = _scarce(dataset, wanted["imbalance"], seed) if wanted["imbalance"] else {}
    kept = np.setdiff1d(np.arange(len(dataset)), list(dropped))
    position = {int(source): item for item, source in enumerate(kept)}

    def hit(name: str) -> list[int]:
        """The given positions that a corruption hits: the first ones of a fixed shuffled order."""
        order = stream(seed, name).permutation(len(dataset))
        return order[np.isin(order, kept)][: count_of(wanted[name], len(kept))].tolist()

    def damaged(name: str, item: Any, source: int) -> tuple[Any, str]:
        result, detail = _DAMAGE[kind][name](item, stream(seed, name, source), **more)
        same = np.array_equal(result, item)  # a blank image cannot be blurred
        return result, f"{detail}; it changes {_NOTHING[kind]}" if same else detail

    rows: list[tuple[int, str, int, str, bool]] = []
    items, sources = list(dataset[kept].data), kept.tolist()
    labels = None if dataset.labels is None else dataset.labels.copy()
    for source in hit("label_flip"):
        right, step = labels[source], stream(seed, "label_flip", source).integers(1, len(names))
        labels[source] = (right + step) % len(names)
        change = f"{names[right]} -> {names[labels[source]]}"
        rows.append((position[source], "label_flip", source, change, False))
    for name in _DAMAGE[kind]:
        for source in hit(name) if name != "near_duplicate" else ():
            item = position[source]
            items[item], detail = damaged(name, items[item], source)
            rows.append((item, name, source, detail, False))

    copied, original = [], {}
    for name in _COPIES:
        for source in hit(name):
            item, number = position[source], len(items)
            copy, detail = items[item], f"copy of item {item}"
            if name == "near_duplicate":
                copy, how = damaged(name, copy, source)
                detail += f", {how}"
            copied.append((number, name, source, detail, False))
            original[number] = item
            items.append(copy)
            sources.append(source)
    rows += copied + inherited(rows, original)

    added_labels = []
    for name in _ADDED:
        for number in range(count_of(wanted[name], len(kept))):
            rng = stream(seed, name, number)
            item, what = _new_item(dataset, name, rng)
            rows.append((len(items), name, -1, what, False))
            added_labels.append(rng.integers(max(1, len(names))))
            items.append(item)
            sources.append(-1)

    origin, true_labels = np.array(sources, dtype=np.int64), None
    if labels is not None:
        real, added = origin[origin >= 0], np.array(added_labels, dtype=np.int64)
        true_labels = np.concatenate([dataset.labels[real], np.full(len(added), -1, dtype=np.int64)])
        labels = np.concatenate([labels[real], added])
    log = CorruptionLog(log_table(rows), dropped, origin, true_labels, _NAMES[kind], used, seed)
    data = items if kind == "text" else np.stack(items) if items else dataset.data
    notes = tuple(  # nothing is changed silently
        f"corrupted on purpose (seed {seed}): {name} at rate {log.rates[name]:g}, {count} items"
        for name, count in log.counts().items()
        if count
    )
    card = replace(dataset.card, known_faults=(*dataset.card.known_faults, *notes))
    return replace(dataset, data=data, labels=labels, card=card), log


def log_table(rows: list[tuple], columns: tuple[str, ...] = COLUMNS) -> pd.DataFrame:
    """The table of a log: the given rows, sorted by item."""
    import pandas as pd  # here, because it is slow to import

    table = pd.DataFrame(sorted(rows, key=lambda row: row[0]), columns=list(columns))
    return table.astype({"item": "int64", "source": "int64", "inherited": bool})


def stream(seed: int, name: str, *number: int) -> np.random.Generator:
    """A generator of its own for each (seed, corruption) and each (seed, corruption, item)."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), *number])


def count_of(rate: float, total: int) -> int:
    """``rate`` of ``total`` as a whole number, halves rounded up."""
    return math.floor(rate * total + 0.5)


def checked_rates(rates: Mapping[str, float], known: tuple[str, ...]) -> dict[str, float]:
    """Every known corruption with its rate, 0 where none is given; ValueError for a wrong name or rate."""
    for name, rate in rates.items():
        if name not in known:
            raise unknown_name("corruption", name, known)
        # Written so that NaN fails too: no comparison with NaN is true.
        if not isinstance(rate, Real) or isinstance(rate, (bool, np.bool_)) or not 0 <= rate <= 1:
            raise ValueError(f"the rate of {name!r} must be a number from 0 to 1, got {rate!r}")
    return {name: float(rates.get(name, 0.0)) for name in known}


def checked_seed(seed: int) -> int:
    """The seed as an int; ValueError where it is no whole number from 0 up."""
    if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f"the seed must be a whole number from 0 up, got {seed!r}")
    return int(seed)


def _check_fits(dataset: Dataset, active: Iterable[str]) -> None:
    """ValueError where a corruption does not fit the modality, the labels or the size of the images."""
    kind, classes = dataset.modality, len(dataset.class_names)
    for name in active:
        fits = [kind for kind, names in _NAMES.items() if name in names]
        if kind not in fits:
            raise ValueError(f"{name!r} is for {' or '.join(fits)}; the data set holds {kind}")
        if name in _OF_LABELS:
            if dataset.labels is None:
                raise ValueError(f"{name!r} needs labels, and the data set {dataset.card.name!r} has none")
            if classes < 2:
                raise ValueError(f"{name!r} needs at least two classes, and the data set has {classes}")
            if name == "imbalance" and len(dataset) and len(np.unique(dataset.labels)) < 2:
                raise ValueError("'imbalance' needs items of at least two classes, and all items are of one")
        elif kind == "audio" and name != "exact_duplicate":
            check_recordings(dataset, "a sound corruption")
        elif kind == "images" and name != "exact_duplicate" and min(dataset.data.shape[1:3]) < SMALLEST_SIDE:
            size = "{} x {}".format(*dataset.data.shape[1:3])
            raise ValueError(f"{name!r} needs images of at least 8 x 8 pixels, and these are {size}")


def _scarce(dataset: Dataset, rate: float, seed: int) -> dict[int, str]:
    """Positions that imbalance drops, each with the reason: half of the classes lose a share ``rate``."""
    present = np.unique(dataset.labels)
    classes = np.sort(stream(seed, "imbalance").permutation(present)[: len(present) // 2])
    dropped: dict[int, str] = {}
    for label in classes:
        members = np.flatnonzero(dataset.labels == label)
        lost = stream(seed, "imbalance", int(label)).permutation(members)[: count_of(rate, len(members))]
        detail = f"{dataset.class_names[label]} loses {len(lost)} of {len(members)}"
        dropped.update({int(source): detail for source in lost})
    return dropped


def inherited(rows: list[tuple], original: Mapping[int, int]) -> list[tuple]:
    """The rows of the originals once more, for their copies; ``original`` maps a copy to what it copies."""
    rows_of: dict[int, list[tuple]] = {}
    for row in rows:
        rows_of.setdefault(row[0], []).append(row)
    return [
        (copy, *row[1:4], True, *row[5:]) for copy, item in original.items() for row in rows_of.get(item, ())
    ]


def _new_item(dataset: Dataset, name: str, rng: np.random.Generator) -> tuple[Any, str]:
    """One item that comes from nowhere, and its kind."""
    if dataset.modality == "text":
        return text.draw_foreign_text(rng) if name == "foreign_language" else text.draw_junk_text(rng)
    return draw_junk(dataset.data.shape[1:], rng)


# What each corruption does to one uint8 image (height, width) or (height, width, channels): a new one of the
# same shape, and a note. Strengths are shares of the shorter side or of the 255 grey levels, so that a
# corruption looks alike at 28 and at 256 pixels.


def _to_uint8(image: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def blur(image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """Gaussian blur; its standard deviation is 3.5 to 7 % of the shorter side (1 to 2 pixels of 28)."""
    sigma = max(0.5, rng.uniform(0.035, 0.07) * min(image.shape[:2]))
    blurred = ndimage.gaussian_filter(image.astype(np.float32), sigma, axes=(0, 1), mode="nearest")
    return _to_uint8(blurred), f"Gaussian blur, sd {sigma:.2f} pixels"


def noise(image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """Independent Gaussian noise on each value, standard deviation 20 to 60 levels, clipped to 0..255."""
    sigma = rng.uniform(20, 60)
    return _to_uint8(image + rng.normal(0, sigma, image.shape)), f"Gaussian noise, sd {sigma:.0f} levels"


def occlude(image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """A plain rectangle of one random grey level, each side 30 to 50 % of the image's.

    It is centred on a pixel that differs from its level, so something is hidden wherever the
    image has anything to hide; near the border the rectangle is cut off.
    """
    height, width = (max(2, round(side * rng.uniform(0.3, 0.5))) for side in image.shape[:2])
    level = int(rng.integers(0, 256))
    grey = image if image.ndim == 2 else image.mean(axis=-1)
    different = np.argwhere(np.abs(grey - float(level)) > 32)
    if not len(different):
        different = np.argwhere(np.ones(grey.shape, dtype=bool))
    row, column = different[rng.integers(len(different))]
    top, left = row - height // 2, column - width // 2
    covered = image.copy()
    covered[max(0, top) : top + height, max(0, left) : left + width] = level
    return covered, f"{height} x {width} rectangle of level {level} centred at ({row}, {column})"


def rebrighten(image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """Too dark (levels times 0.2 to 0.5) or, as often, washed out (the same towards white)."""
    gain = rng.uniform(0.2, 0.5)
    if rng.random() < 0.5:
        return _to_uint8(image * gain), f"darkened to {gain:.0%} of its levels"
    washed = 255 - (255 - image.astype(np.float32)) * gain
    return _to_uint8(washed), f"washed out to {gain:.0%} of its contrast"


def nearly_copy(image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """A near-duplicate: shifted by up to 5 % of the side, turned by up to 6 degrees, contrast 0.8 to 1.15.

    Values between pixels are interpolated linearly, and the border is continued outwards.
    """
    shift = rng.uniform(-0.05, 0.05, 2) * min(image.shape[:2])
    angle = rng.uniform(-6, 6)
    gain = rng.uniform(0.8, 1.15)
    turn = np.deg2rad(angle)
    matrix = np.eye(image.ndim)
    matrix[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    centre, moved = np.zeros(image.ndim), np.zeros(image.ndim)
    centre[:2] = (np.array(image.shape[:2]) - 1) / 2
    moved[:2] = shift
    # affine_transform maps output to input coordinates: input = matrix @ output + offset.
    offset = centre - matrix @ (centre + moved)
    copy = ndimage.affine_transform(image.astype(np.float32), matrix, offset=offset, order=1, mode="nearest")
    place = f"shifted by ({shift[0]:+.1f}, {shift[1]:+.1f}) pixels, turned by {angle:+.1f} degrees"
    return _to_uint8(copy * gain), f"{place}, contrast {gain:.2f}"


def draw_junk(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """One junk image, drawn from scratch, and its kind.

    Strokes, shapes and text are bright on black, as the silhouettes of ``animals`` are: junk that
    differs by its brightness alone would be too easy to find.

    Args:
        shape: ``(height, width)`` or ``(height, width, channels)``.
        rng: source of randomness.

    Returns:
        A ``uint8`` image of that shape, and one of ``JUNK_KINDS``.
    """
    kind = JUNK_KINDS[rng.integers(len(JUNK_KINDS))]
    if kind == "noise":
        return rng.integers(0, 256, shape, dtype=np.uint8), kind
    ink = _DRAWN[kind](shape[0], shape[1], rng)
    level = 1.0 if kind in ("blank", "gradient") else rng.uniform(0.8, 1.0)
    if len(shape) == 3:
        colour = rng.uniform(0.3, 1.0, shape[2])
        ink = ink[..., None] * colour / colour.max()
    return np.rint(255 * level * ink).astype(np.uint8), kind


def _blank(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    return np.full((height, width), rng.random())


def _gradient(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    rows, columns = np.mgrid[0:height, 0:width]
    angle = rng.uniform(0, 2 * np.pi)
    ramp = rows * np.sin(angle) + columns * np.cos(angle)
    return (ramp - ramp.min()) / np.ptp(ramp)


def _strokes(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Two to five bent lines of a pen."""
    ink = np.zeros((height, width))
    points = np.stack(np.mgrid[0:height, 0:width], axis=-1).astype(float)
    for _ in range(rng.integers(2, 6)):
        corners = rng.uniform(0, 1, (rng.integers(2, 5), 2)) * (height - 1, width - 1)
        thickness = min(height, width) * rng.uniform(0.04, 0.12)
        for start, end in pairwise(corners):
            # The distance of each pixel to the line segment from start to end.
            along = end - start
            place = np.clip((points - start) @ along / max(float(along @ along), 1e-9), 0, 1)
            distance = np.linalg.norm(points - start - place[..., None] * along, axis=-1)
            ink = np.maximum(ink, np.clip(thickness / 2 + 0.5 - distance, 0, 1))
    return ink


def _shapes(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """One to three filled ellipses and turned rectangles."""
    ink = np.zeros((height, width))
    rows, columns = np.mgrid[0:height, 0:width].astype(float)
    for _ in range(rng.integers(1, 4)):
        row, column = rng.uniform(0.25, 0.75, 2) * (height, width)
        half_height, half_width = rng.uniform(0.1, 0.35, 2) * min(height, width)
        angle = rng.uniform(0, np.pi)
        down = ((rows - row) * np.cos(angle) + (columns - column) * np.sin(angle)) / half_height
        right = ((columns - column) * np.cos(angle) - (rows - row) * np.sin(angle)) / half_width
        reach = np.hypot(down, right) if rng.random() < 0.5 else np.maximum(abs(down), abs(right))
        ink = np.maximum(ink, np.clip((1 - reach) * min(half_height, half_width) + 0.5, 0, 1))
    return ink


def _text(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Lines of unreadable glyphs, five dots high and three wide, with gaps between the words."""
    dot = max(1, min(height, width) // 28)
    ink = np.zeros((height, width))
    for top in range(dot, height - 5 * dot + 1, 7 * dot):
        for left in range(dot, width - 3 * dot + 1, 4 * dot):
            if rng.random() < 0.8:
                glyph = np.kron(rng.random((5, 3)) < 0.55, np.ones((dot, dot)))
                ink[top : top + 5 * dot, left : left + 3 * dot] = glyph
    return ink


_DRAWN = {"blank": _blank, "gradient": _gradient, "strokes": _strokes, "shapes": _shapes, "text": _text}
# The order of application: see the top of this file. The random streams are seeded by these names.
_DAMAGE: dict[str, dict[str, Callable]] = {
    "images": {
        "occlusion": occlude,
        "brightness": rebrighten,
        "blur": blur,
        "noise": noise,
        "near_duplicate": nearly_copy,
    },
    "text": {
        "personal_data": text.add_personal_data,
        "boilerplate": text.add_boilerplate,
        "unnormalised": text.unnormalise_text,
        "mojibake": text.misread_text,
        "near_duplicate": text.nearly_copy_text,
    },
    "audio": {  # room, mains, recorder, what gets lost, how the file is read
        "noise": sounds.add_noise,
        "hum": sounds.add_hum,
        "clipping": sounds.clip,
        "silence": sounds.silence,
        "wrong_rate": sounds.misread_rate,
        "near_duplicate": sounds.nearly_copy,
    },
}
_NOTHING = {
    "images": "no pixel of this image",
    "text": "nothing in this text",
    "audio": "no sample of this recording",
}
_OF_LABELS, _COPIES = ("imbalance", "label_flip"), ("exact_duplicate", "near_duplicate")
_ADDED = ("foreign_language", "junk")


def _names(kind: str, *added: str) -> tuple[str, ...]:
    damage = [name for name in _DAMAGE[kind] if name not in _COPIES]
    return (*_OF_LABELS, *damage, *_COPIES, *added)


IMAGE_CORRUPTIONS = _names("images", "junk")
TEXT_CORRUPTIONS = _names("text", *_ADDED)
SOUND_CORRUPTIONS = _names("audio")
_NAMES = {"images": IMAGE_CORRUPTIONS, "text": TEXT_CORRUPTIONS, "audio": SOUND_CORRUPTIONS}
_ALL_NAMES = tuple(dict.fromkeys(name for names in _NAMES.values() for name in names))
