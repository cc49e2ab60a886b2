"""Look at a whole data set or folder at once, and write down what was found: one HTML file.

    python -m aigc_lab.clean FOLDER --output report.html

Nothing of the input is changed or deleted. What the page looks like stands in ``report.html.j2`` (Jinja2,
which escapes all that comes from the data), what it says of each check in ``report.yaml``. Introduced in
notebook 02.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from aigc_lab.clean import images
from aigc_lab.clean.duplicates import (
    exact_duplicates,
    first_of_each,
    grey_images,
    hamming_pairs,
    near_duplicates,
    perceptual_hashes,
    working_size,
)
from aigc_lab.clean.issues import Cleaned, drop, issue_table
from aigc_lab.collect.atomic import atomic_write
from aigc_lab.collect.dataset import Dataset
from aigc_lab.collect.folder import FolderReport, from_folder
from aigc_lab.collect.pictures import Unreadable, read_picture

if TYPE_CHECKING:
    import pandas as pd

_SIDE = 32  # pixels at which a folder of larger images is compared
_LARGEST_SIDE = 64  # pixels: larger images are compared and described at half of it
_ALIGNED_LIMIT = 60_000  # images; the time to find pairs to align grows with the square of their number
_FOLDS = 5
_DIRECTIONS = 60
_TOO_MANY = 0.1  # a check that finds a larger share was made for other images
_THUMBNAIL = 96  # pixels on the page
_COPIES_SHOWN = 5
_TABLE_BYTES = 3_000_000
_QUOTED = re.compile(r"""'.*'|".*"|“.*”""", re.DOTALL)
_OTHER_LABEL = re.compile(r"labelled .+ there")
_LICENCE_FILE = re.compile(r"(^|/)(licen[sc]e|copying|copyright|readme|citation)[^/]*$", re.IGNORECASE)

Found = dict[str, Any]  # the issue table of each check, by its name
Check = Callable[[Found], Any]  # what was found before -> an issue table


@dataclass(frozen=True, eq=False)
class Inspection:
    """What ``inspect`` found. ``print(inspection)`` sums it up.

    Attributes:
        dataset: the items as they were looked at.
        issues: an issue table for each check that ran, by its name, also where it found nothing.
        proposed: the names of the checks whose issues are proposed to be dropped.
        notes: what was not looked for, and what should not be trusted.
        html: the report.
        folder: the folder that was read, or None.
        folder_report: what became of each of its files, or None.
    """

    dataset: Dataset
    issues: Mapping[str, Any]
    proposed: tuple[str, ...]
    notes: tuple[str, ...]
    html: Path
    folder: Path | None = None
    folder_report: FolderReport | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many items each check found."""
        return {name: int(table["item"].nunique()) for name, table in self.issues.items()}

    @property
    def files(self) -> tuple[str, ...]:
        """The file of each item, below the folder; empty if no folder was read."""
        return self.folder_report.kept if self.folder_report else ()

    @property
    def table(self) -> pd.DataFrame:
        """All issues, one row each: ``item``, ``name``, ``detector``, ``score``, ``reason``,
        ``duplicate_of`` (-1 where it is no copy), ``suggested`` (a class name or empty), ``proposed``.

        ``name`` is the file, or the number of the item where no folder was read.
        """
        import pandas as pd  # here, because it is slow to import

        classes = self.dataset.class_names
        parts = []
        for name, found in self.issues.items():
            part = found.reindex(columns=["item", "score", "reason"]).assign(detector=name)
            part["duplicate_of"] = found.get("duplicate_of", -1)
            part["suggested"] = [classes[int(one)] for one in found.get("suggested", ())] or ""
            part["proposed"] = name in self.proposed
            part["name"] = [self.name(int(item)) for item in part["item"]]
            parts.append(part)
        columns = ["item", "name", "detector", "score", "reason", "duplicate_of", "suggested", "proposed"]
        filled = [part for part in parts if len(part)]
        return pd.concat(filled, ignore_index=True)[columns] if filled else pd.DataFrame(columns=columns)

    def name(self, item: int) -> str:
        """What an item is called in the report: its file, or its number."""
        return self.files[item] if self.files else f"item {item}"

    def path(self, item: int) -> Path | None:
        """The file of an item; None if no folder was read."""
        return self.folder / self.files[item] if self.folder and self.files else None

    def cleaned(self, *more: str) -> Cleaned:
        """The set without what is proposed to be dropped, and without what the checks named here found.

        Raises:
            ValueError: a check that did not run.
        """
        unknown = [name for name in more if name not in self.issues]
        if unknown:
            raise ValueError(f"no check named {unknown[0]!r} ran; those that did: {', '.join(self.issues)}")
        return drop(self.dataset, *(self.issues[name] for name in (*self.proposed, *more)))

    def __str__(self) -> str:
        dropped = len(self.cleaned().dropped)
        lines = [f"{_items(self.dataset)} looked at, {dropped} proposed to drop; nothing was deleted"]
        if self.folder_report and self.folder_report.skipped:
            lines.append(f"  {len(self.folder_report.skipped)} files could not be read")
        parts = list(_words()["parts"])
        for name, count in sorted(self.counts.items(), key=lambda one: parts.index(_check(one[0])["part"])):
            lines.append(f"  {_check(name)['part']:<6} {_check(name)['title']:<28} {count:>6}")
        return "\n".join([*lines, *(f"  note   {note}" for note in self.notes), f"  report {self.html}"])


def inspect(
    folder_or_dataset: Dataset | str | os.PathLike[str],
    output: str | os.PathLike[str] = "report.html",
    features: np.ndarray | Callable[[Dataset], np.ndarray] | None = None,
    label_check: Callable[..., Any] | None = None,
    seed: int = 0,
    modality: str = "auto",
    size: tuple[int, int] | None = None,
    shown: int = 24,
    progress: bool = True,
) -> Inspection:
    """Run every check on a data set or a folder, and write one HTML file that shows what was found.

    The file needs nothing beside it: images are inside, no script runs, nothing is fetched. The input is
    only read. Checks that seldom err make up a proposal of what to drop; the others are to be looked at.

    Args:
        folder_or_dataset: a folder as ``collect.from_folder`` reads it, one sub-folder for each class, or a
            Dataset of images or texts.
        output: the HTML file to write; an old one is replaced in one step. Not inside the folder.
        features: ``(n, d)`` numbers for unusual items and doubtful labels, or a function that makes them
            from the Dataset, such as ``evaluate.features`` for 28 x 28 images. None takes plain ones.
        label_check: ``label.issues``, or a function that is called like it, to look for doubtful labels: a
            stage does not import the next one, so it is passed in. None leaves labels alone.
        seed: for what is drawn at random; the same seed writes the same bytes.
        modality: of a folder: ``"images"``, ``"text"``, or ``"auto"``, which counts the ``.txt`` files.
        size: ``(height, width)`` at which the images of a folder are compared. None takes their own size
            if they are all of one size of at most 64 pixels, else 32 x 32. Thumbnails come from the files.
        shown: thumbnails for each check.
        progress: print which check runs where it takes long.

    Returns:
        An ``Inspection``: issues, counts, the path of the file. A summary is printed.

    Raises:
        FileNotFoundError, NotADirectoryError: no such folder.
        OSError: the output cannot be written.
        ValueError: an empty set or folder, audio, images smaller than 8 x 8 pixels, or a bad setting.
    """
    if isinstance(shown, bool) or not isinstance(shown, (int, np.integer)) or shown < 1:
        raise ValueError(f"shown must be a whole number of thumbnails above 0, got {shown!r}")
    target = _checked_output(output)
    folder = report = None
    dataset = folder_or_dataset
    if not isinstance(dataset, Dataset):
        folder = Path(folder_or_dataset).expanduser()
        if folder.is_dir() and target.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"the report {target} would lie inside the folder {folder}; write it elsewhere")
        modality = _modality_of(folder) if modality == "auto" else modality
        size = size or (_common_size(folder) if modality == "images" else None)
        # Stretched: bars around an image would make a blank one look like an image of a bar.
        dataset, report = from_folder(folder, size=size, modality=modality, progress=progress, stretch=True)
    if not len(dataset):
        raise ValueError("there is nothing to inspect: the data set has no items")
    if dataset.modality not in ("images", "text"):
        raise ValueError(f"inspect looks at images and text, and the data set holds {dataset.modality}")
    if callable(features):
        features = np.asarray(features(dataset))

    notes: list[str] = []
    found: dict[str, Any] = {}
    checks = (
        _image_checks(dataset, features, seed, notes)
        if dataset.modality == "images"
        else _text_checks(dataset)
    )
    if label_check is not None:
        checks["label_issues"] = lambda _: _doubtful_labels(dataset, features, label_check, seed, notes)
    for name in tqdm(checks, desc="inspecting", unit=" checks", leave=False, delay=2, disable=not progress):
        found[name] = checks[name](found)
    if dataset.modality == "text":
        _hide_personal_data(found)
    elif report is not None:
        _say_where_files_differ(found["exact_duplicates"], folder, report.kept, dataset)
    proposed = tuple(name for name in found if _check(name)["part"] == "drop")
    seen = Inspection(dataset, MappingProxyType(found), proposed, tuple(notes), target, folder, report)
    text = _page(seen, int(shown))
    with atomic_write(target) as stream:
        # A lone surrogate in a file name or text has no bytes in UTF-8.
        stream.write(text.encode("utf-8", "replace"))
    print(seen)
    return seen


@cache
def _words() -> Any:
    import yaml

    return yaml.safe_load(Path(__file__).with_name("report.yaml").read_text(encoding="utf-8"))


def _check(name: str) -> dict[str, str]:
    """The words on a check; one that is not known gets its name for a heading, and is for looking at."""
    plain = {"title": name.replace("_", " ").capitalize(), "chinese": "", "part": "look"}
    return _words()["checks"].get(name, plain | {"what": "Found by this check.", "advice": "Look first."})


def _items(dataset: Dataset) -> str:
    return f"{len(dataset)} {'images' if dataset.modality == 'images' else 'texts'}"


# What is read --------------------------------------------------------------------------------------------


def _checked_output(output: str | os.PathLike[str]) -> Path:
    """The path of the report, found wanting now rather than after minutes of work."""
    target = Path(output).expanduser()
    if target.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"output must be the name of an .html file, got {os.fspath(output)!r}")
    if target.is_dir():
        raise IsADirectoryError(f"the output {target} is a folder; name a file in it")
    parent = target.parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise PermissionError(f"cannot write the report into {target.parent}; choose another output")
    return target


def _files(folder: Path) -> list[Path]:
    """The files below a folder; none if it is no folder, of which ``from_folder`` says what is wrong."""
    return sorted(Path(top) / name for top, _, inside in os.walk(folder) for name in inside)


def _modality_of(folder: Path) -> str:
    files = _files(folder)
    return "text" if sum(file.suffix.lower() == ".txt" for file in files) * 2 > len(files) else "images"


def _common_size(folder: Path) -> tuple[int, int]:
    """``(height, width)`` of the images if a sample of 100 is of one small size, else 32 x 32."""
    from PIL import Image

    files, sizes = _files(folder), set()
    for file in files[:: max(1, len(files) // 100)]:
        with contextlib.suppress(Exception), Image.open(file) as image:  # from_folder will name it
            sizes.add(image.size)
    if len(sizes) == 1:
        width, height = sizes.pop()
        if min(width, height) >= 8 and max(width, height) <= _LARGEST_SIDE:
            return height, width
    return _SIDE, _SIDE


def _say_where_files_differ(found: Any, folder: Path, files: tuple[str, ...], dataset: Dataset) -> None:
    """Equal at the size at which they are compared is not always equal as files: say which it is."""
    height, width = dataset.data.shape[1:3]

    def digest(item: int) -> str:
        try:
            return hashlib.sha256((folder / files[item]).read_bytes()).hexdigest()
        except OSError:
            return f"unreadable {item}"

    reasons = []
    for item, one, reason in zip(found["item"], found["duplicate_of"], found["reason"], strict=True):
        same = digest(int(item)) == digest(int(one))
        how = "the files are identical" if same else f"equal at {height} x {width} pixels, the files differ"
        reasons.append(f"{reason} ({how})")
    found["reason"] = reasons


# What is looked for --------------------------------------------------------------------------------------


def _image_checks(dataset: Dataset, features: Any, seed: int, notes: list[str]) -> dict[str, Check]:
    small = _shrunk(dataset)
    if features is None:
        notes.append(
            "Unusual images and doubtful labels were sought with plain measurements of the pixels. "
            "Features of a network that knows such images find more: inspect(…, features=your_function)."
        )

    def quality(detector: Callable[[Dataset], Any], found: Found) -> Any:
        table = detector(dataset)
        if len(table) > _TOO_MANY * len(dataset):
            share = (
                f"“{_check(detector.__name__)['title']}” finds {len(table) / len(dataset):.0%} of the items"
            )
            notes.append(
                f"{share}: its limit was made for other images (silhouettes and small drawings), so do not "
                "trust it here."
            )
        # What is blank is badly lit as well: once is enough.
        return table[~table["item"].isin(found["low_information"]["item"])].reset_index(drop=True)

    def outliers(found: Found) -> Any:
        suspected = np.concatenate([table["item"] for table in found.values()])
        among = np.isin(np.arange(len(dataset)), suspected, invert=True)
        return images.outliers(small, features, among=among, seed=seed)

    return {
        "exact_duplicates": lambda _: exact_duplicates(dataset),
        "near_duplicates": lambda found: _near_copies(small, found["exact_duplicates"]["item"], notes),
        "low_information": lambda _: images.low_information(dataset),
        "blurred": partial(quality, images.blurred),
        "noisy": partial(quality, images.noisy),
        "badly_lit": partial(quality, images.badly_lit),
        "occluded": partial(quality, images.occluded),
        "outliers": outliers,
    }


def _near_copies(small: Dataset, exact: Any, notes: list[str]) -> Any:
    """Near-duplicates of the (perhaps shrunk) images, with those that shrinking has made equal."""
    import pandas as pd

    equal = exact_duplicates(small)
    equal["reason"] = [f"equal to item {one} when both are small" for one in equal["duplicate_of"]]
    pairs = None
    if len(small) > _ALIGNED_LIMIT:
        notes.append(
            f"With more than {_ALIGNED_LIMIT:,} images near copies are sought by perceptual hash, which "
            "misses shifted and turned ones; clean.near_duplicates finds them, in hours rather than minutes."
        )
        usual = np.flatnonzero(first_of_each(small) == np.arange(len(small)))
        pairs = usual[hamming_pairs(perceptual_hashes(small[usual], bits=256), distance=20)[0]]
    both = pd.concat([equal, near_duplicates(small, pairs=pairs)])
    both = both[~both["item"].isin(exact)]
    columns = (both[name].to_numpy() for name in ("item", "score", "reason", "duplicate_of"))
    return issue_table("near_duplicates", *columns)


def _shrunk(dataset: Dataset) -> Dataset:
    """Grey images of at most 32 pixels a side where the given ones are large; else the same set."""
    if max(dataset.data.shape[1:3]) <= _LARGEST_SIDE:
        return dataset
    length = max(1, 4_000_000 // int(np.prod(dataset.data.shape[1:])))  # 16 MB at a time
    starts = range(0, len(dataset), length)
    small = (working_size(grey_images(dataset[start : start + length], "inspect")) for start in starts)
    whole = np.concatenate([np.clip(np.rint(block), 0, 255).astype(np.uint8) for block in small])
    return Dataset(whole, dataset.labels, dataset.class_names, dataset.card)


def _text_checks(dataset: Dataset) -> dict[str, Check]:
    from aigc_lab.clean import text  # here, because its libraries are slow to import

    def other_language(found: Found) -> Any:
        unreadable = [*found["garbled"]["item"], *found["uninformative"]["item"]]  # these are of no language
        readable = np.isin(np.arange(len(dataset)), unreadable, invert=True)
        return text.other_language(dataset, among=readable)

    detectors = [find for find in text.DETECTORS.values() if find is not text.other_language]
    checks = {find.__name__: lambda _, find=find: find(dataset) for find in detectors}
    return checks | {"other_language": other_language}


def _hide_personal_data(found: Found) -> None:
    """A reason may quote a text that holds personal data, and cut the data in two: such quotations go."""
    secret = set(found["personal_data"]["item"])
    for table in found.values():
        reasons = zip(table["item"], table["reason"], strict=True)
        table["reason"] = [
            _QUOTED.sub("[masked]", text) if item in secret else text for item, text in reasons
        ]


def _doubtful_labels(
    dataset: Dataset, features: Any, label_check: Callable[..., Any], seed: int, notes: list[str]
) -> Any:
    """What ``label_check`` finds among the classes that are large enough for it."""
    nothing = issue_table("label_issues", [], [], []).assign(suggested=np.empty(0, dtype=np.int64))
    if dataset.labels is None:
        notes.append("There are no labels to check: one sub-folder for each class would give them.")
        return nothing
    counts = np.bincount(dataset.labels, minlength=len(dataset.class_names))
    few = [name for name, count in zip(dataset.class_names, counts, strict=True) if 0 < count < _FOLDS]
    if (counts >= _FOLDS).sum() < 2:
        notes.append(f"Labels were not checked: that needs two classes of at least {_FOLDS} items.")
        return nothing
    if few:
        named = ", ".join(few[:5]) + (f" and {len(few) - 5} more" if len(few) > 5 else "")
        notes.append(f"Labels of classes with fewer than {_FOLDS} items were not checked: {named}.")
    chosen = np.flatnonzero(counts[dataset.labels] >= _FOLDS)
    part = dataset[chosen]
    points = _plain_features(part, seed) if features is None else np.asarray(features)[chosen]
    table = label_check(part, points, folds=_FOLDS, seed=seed)
    if len(table) > _TOO_MANY * len(part):
        notes.append(
            f"{len(table) / len(part):.0%} of the labels are doubted. So many are seldom wrong: more likely "
            "the features cannot tell these classes apart. Take better ones before you believe it."
        )
    table["item"] = chosen[table["item"].to_numpy(dtype=np.int64)]
    return table


def _plain_features(dataset: Dataset, seed: int) -> np.ndarray:
    """Plain features ``(n, d)``, ``float32``, for a classifier of images or texts.

    Images: their 60 leading principal components. Texts: the same of the frequencies of pieces of one to
    three characters (TF-IDF), which needs no word boundaries and so serves Chinese as well.
    """
    from sklearn.decomposition import PCA, TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    if dataset.modality == "text":
        pieces = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2, max_features=20_000)
        try:
            counted = pieces.fit_transform(item[:5000] for item in dataset.data)
        except ValueError:  # no piece occurs twice
            return np.zeros((len(dataset), 1), dtype=np.float32)
        size = min(_DIRECTIONS, min(counted.shape) - 1)
        if size < 1:
            return counted.toarray().astype(np.float32)
        return TruncatedSVD(size, random_state=seed).fit_transform(counted).astype(np.float32)
    small = _shrunk(dataset).data
    flat = small.reshape(len(small), -1).astype(np.float32)
    sample = flat[:: max(1, len(flat) // 5000)]
    with np.errstate(invalid="ignore"):  # images that are all the same have no variance to explain
        return PCA(min(_DIRECTIONS, *sample.shape), svd_solver="covariance_eigh").fit(sample).transform(flat)


# What is shown -------------------------------------------------------------------------------------------


def visible(text: str) -> str:
    """The text with characters that show nothing, or steer others, spelt out."""
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character in "\r\n\t":
        return " ⏎ " if character == "\n" else " "
    if character in "\u200c\u200d":  # join or part letters and emoji: harmless, and needed
        return character
    # Cf holds the marks that turn the direction of writing: they could make a page lie.
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co")
    return f"⟨U+{ord(character):04X}⟩" if hidden else character


def excerpt(text: Any, length: int = 220) -> str:
    """The beginning of a text on one line; characters that show nothing, or steer others, are spelt out."""
    start = str(text)[: length + 1]
    return visible(start[:length]) + ("…" if len(start) > length else "") or "(empty)"


def image_uri(image: np.ndarray, file: Path | None = None) -> tuple[str, bool]:
    """A data URI of an image, and whether its pixels should be shown as squares.

    Args:
        image: ``uint8`` ``(height, width[, channels])``, as it was looked at.
        file: where it came from; it is read again for a better view, if that is still possible.
    """
    from PIL import Image

    shown = np.asarray(image)
    if file is not None:
        with contextlib.suppress(Unreadable):  # gone, or changed since: what was looked at is at hand
            shown, _ = read_picture(file, None, "RGB")
    if shown.ndim == 3 and shown.shape[2] not in (3, 4):
        shown = shown[..., 0]
    small = Image.fromarray(np.ascontiguousarray(shown))
    coarse = max(small.size) <= _THUMBNAIL // 2
    if not coarse:
        small.thumbnail((2 * _THUMBNAIL, 2 * _THUMBNAIL), Image.Resampling.LANCZOS)
    elif small.mode == "RGB" and not np.ptp(np.asarray(small), axis=2).any():
        small = small.convert("L")
    stream, kind = io.BytesIO(), "png" if coarse or small.mode == "RGBA" else "jpeg"
    small.save(stream, kind, **({"optimize": True} if kind == "png" else {"quality": 80}))
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode('ascii')}", coarse


def _counted(number: int, noun: str) -> str:
    """``1 file``, ``2 files``, ``2 copies``."""
    many = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{number:,} {noun if number == 1 else many}"


def _page(seen: Inspection, shown: int) -> str:
    """The whole page as text, with ``shown`` cards for each check."""
    from jinja2 import Environment, StrictUndefined

    from aigc_lab import __version__

    data, report, cleaned = seen.dataset, seen.folder_report, seen.cleaned()
    parts = [
        words | {"name": part, "checks": _Cards(seen, shown).checks(part)}
        for part, words in _words()["parts"].items()
        if any(_check(name)["part"] == part for name in seen.issues)
    ]
    files = report and {
        "kept": len(report.kept),
        "notes": [note[:1].upper() + note[1:] for note in report.notes],
        "skipped": _file_list(report.skipped),
        "converted": _file_list(report.converted),
    }
    compared = "a folder" if seen.folder else "a data set"
    if data.modality == "images":
        height, width = data.data.shape[1:3]
        colours = "grey" if data.data.ndim == 3 else _counted(data.data.shape[3], "channel")
        compared += f" · compared at {height} × {width} pixels, {colours}"
    card = data.card
    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    environment.filters |= {
        "visible": visible,
        "counted": _counted,
        "thousands": "{:,}".format,
        "percent": lambda share, digits=1: f"{share:.{digits}%}",
    }
    template = Path(__file__).with_name("report.html.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        title=seen.folder.resolve().name if seen.folder else card.title,
        version=__version__,
        compared=compared,
        images=data.modality == "images",
        numbers=_numbers(seen, cleaned),
        notes=seen.notes,
        files=files,
        balance=_balance(data, cleaned),
        parts=parts,
        facts={"Source": card.source, "Licence": card.licence, "Cite": card.citation, "Size": card.size},
        licence_files=[file for file, _ in report.skipped if _LICENCE_FILE.search(file)][:5]
        if report
        else [],
        table=_csv(seen),
    )


def _numbers(seen: Inspection, cleaned: Cleaned) -> dict[str, int]:
    """How many items were looked at, would be dropped, are worth a look besides, have a doubtful label."""
    by_part: dict[str, set[int]] = {part: set() for part in _words()["parts"]}
    for name, table in seen.issues.items():
        by_part[_check(name)["part"]] |= set(table["item"])
    look = by_part["look"] - set(cleaned.dropped["item"])
    labels = (
        len(by_part["label"]) if "label_issues" in seen.issues and seen.dataset.labels is not None else -1
    )
    return {"all": len(seen.dataset), "drop": len(cleaned.dropped), "look": len(look), "label": labels}


def _file_list(rows: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """The rows ``(file, reason)``, and the eight most frequent kinds of reason."""
    kinds = Counter(re.split(r"[:;(]", reason)[0].strip() for _, reason in rows)
    return {"rows": rows, "kinds": sorted(kinds.items(), key=lambda one: (-one[1], one[0]))[:8]}


def _balance(data: Dataset, cleaned: Cleaned) -> dict[str, Any] | None:
    """What is left of each class; ``ratio``: largest over smallest, 0 if only one class has items."""
    if data.labels is None or not data.class_names:
        return None
    before, after = data.counts(), cleaned.kept.counts()
    rows = [{"name": one, "kept": after[one], "lost": count - after[one]} for one, count in before.items()]
    alive = [count for count in after.values() if count]
    ratio = max(alive) / min(alive) if len(alive) > 1 else 0
    return {"rows": rows, "most": max(before.values()), "ratio": ratio}


def _csv(seen: Inspection) -> dict[str, Any]:
    table = seen.table
    # A name that begins with "=" would be a formula to a spreadsheet; "./" in front makes it a path.
    table["name"] = [f"./{name}" if seen.folder else name for name in table["name"]]
    rows = table.to_csv(index=False).encode("utf-8", "replace")
    uri = f"data:text/csv;base64,{base64.b64encode(rows).decode('ascii')}"
    return {"uri": uri if len(rows) <= _TABLE_BYTES else "", "kilobytes": max(1, len(rows) // 1000)}


class _Cards:
    """The issues as the template shows them: one dict a check, one a card, copies beside what they repeat."""

    def __init__(self, seen: Inspection, shown: int) -> None:
        self._seen, self._shown, self._data = seen, shown, seen.dataset
        self._texts = None if seen.dataset.modality == "images" else seen.dataset.data
        if len(seen.issues.get("personal_data", ())):
            from aigc_lab.clean import text

            self._texts = text.mask(seen.dataset, seen.issues["personal_data"]).data

    def checks(self, part: str) -> list[dict[str, Any]]:
        """Of each check of a part: its words, its count, a hint, and cards or groups of cards."""
        checks = []
        for name, table in self._seen.issues.items():
            if _check(name)["part"] != part:
                continue
            count = int(table["item"].nunique())
            check = _check(name) | {"count": count, "hint": "", "groups": []}
            if part == "label":
                check |= {"title": "By confident learning", "chinese": "置信学习"}
            if count and "duplicate_of" in table:
                check |= self._groups(table)
            elif count:
                rows = table.drop_duplicates("item").head(self._shown)
                check["cards"] = [self._card(row) for row in rows.itertuples()]
                check["more"] = count - len(rows)
                check["hint"] = self._confusions(table) if "suggested" in table else ""
            checks.append(check)
        return checks

    def _card(self, row: Any, said: str = "", kind: str = "", item: int | None = None) -> dict[str, Any]:
        item = int(row.item if item is None else item)
        name = visible(self._seen.name(item))
        short = name if len(name) <= 34 else f"{name[:16]}…{name[-17:]}"
        card = {"name": name, "short": short, "kind": kind, "said": said or str(row.reason), "uri": ""}
        if hasattr(row, "suggested"):
            given, suggested = self._labels(row.item, row.suggested)
            card |= {"said": "", "given": given, "suggested": suggested}
        if self._texts is not None:
            return card | {"text": excerpt(self._texts[item])}
        uri, coarse = image_uri(self._data.data[item], self._seen.path(item))
        return card | {"uri": uri, "coarse": coarse}

    def _labels(self, item: Any, suggested: Any) -> tuple[str, str]:
        names = self._data.class_names
        return names[int(self._data.labels[int(item)])], names[int(suggested)]

    def _confusions(self, table: Any) -> str:
        pairs = Counter(map(self._labels, table["item"], table["suggested"]))
        often = sorted(pairs.items(), key=lambda one: (-one[1], one[0]))[:6]
        return "Most often: " + ", ".join(f"{old} → {new} {count:,}" for (old, new), count in often) + "."

    def _groups(self, table: Any) -> dict[str, Any]:
        """Each item that stays with the copies behind it: large groups first, then disagreeing labels."""
        sizes = table["duplicate_of"].value_counts()
        disagree = table["reason"].str.contains(_OTHER_LABEL)
        suspect = set(table["duplicate_of"][disagree])
        told, cards_told, groups = 0, 0, []
        for first in sorted(sizes.index, key=lambda one: (-sizes[one], one not in suspect, one)):
            if cards_told >= self._shown:
                break
            copies = table[table["duplicate_of"] == first].sort_values("item")
            rows = list(copies.head(_COPIES_SHOWN).itertuples())
            cards = [self._card(rows[0], "stays", "stays", first)]
            cards += [self._card(row, _copy_words(row), "goes") for row in rows]
            groups.append({"cards": cards, "rest": len(copies) - len(rows)})
            told, cards_told = told + len(copies), cards_told + len(rows)
        hint = f"{_counted(len(sizes), 'group')} of copies; the largest has {int(sizes.max()) + 1:,} items."
        if disagree.any():
            hint += f" {_counted(int(disagree.sum()), 'copy')} with another label than the item that stays: "
            hint += "one of the two labels is wrong."
        return {"hint": hint, "groups": groups, "more": table["item"].nunique() - told}


def _copy_words(row: Any) -> str:
    other = _OTHER_LABEL.search(str(row.reason))
    words = [] if row.score >= 1 else [f"{row.score:.1%} alike"]
    if "the files differ" in str(row.reason):
        words.append("other file")
    if other:
        words.append(other.group())
    return " · ".join(words) or "copy"
