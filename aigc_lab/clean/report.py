"""Look at a whole data set or folder at once, and write down what was found: one HTML file.

    python -m aigc_lab.clean FOLDER --output report.html

Nothing of the input is changed or deleted. What the page looks like stands in ``report.html.j2`` (Jinja2,
which escapes all that comes from the data), what it says of each check in ``report.yaml``. Introduced in
notebook 02.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from aigc_lab.clean import images
from aigc_lab.clean.alignment import working_size
from aigc_lab.clean.duplicates import exact_duplicates, grey_images, near_duplicates
from aigc_lab.clean.issues import Cleaned, drop, issue_table
from aigc_lab.clean.page import all_words, page, words_on
from aigc_lab.clean.personal import REGIONS, checked_regions
from aigc_lab.collect.dataset import Dataset, atomic_write
from aigc_lab.collect.own import FolderReport, from_folder

if TYPE_CHECKING:
    import pandas as pd

_SIZE = (32, 32)  # pixels at which a folder of larger images is compared
_LARGEST_SIDE = 64  # pixels: larger images are compared and described at half of it
_ALIGNED_LIMIT = 60_000  # images; the time to find near copies among them grows with the square
_FOLDS = 5
_DIRECTIONS = 60
_TOO_MANY = 0.1  # a check that finds a larger share was made for other images
_QUOTED = re.compile(r"""'.*'|".*"|“.*”""", re.DOTALL)

Check = Callable[[dict[str, Any]], Any]  # the issue table of each check so far -> an issue table


@dataclass(frozen=True, eq=False)
class Inspection:
    """What ``inspect`` found. ``print(inspection)`` sums it up."""

    dataset: Dataset  # the items as they were looked at
    issues: dict[str, Any]  # an issue table for each check that ran, also where it found nothing
    notes: tuple[str, ...]  # what was not looked for, and what should not be trusted
    html: Path  # the report
    folder: Path | None = None  # the folder that was read
    folder_report: FolderReport | None = None  # what became of each of its files

    @property
    def proposed(self) -> tuple[str, ...]:
        """The names of the checks whose issues are proposed to be dropped."""
        return tuple(name for name in self.issues if words_on(name)["part"] == "drop")

    @property
    def counts(self) -> dict[str, int]:
        """How many items each check found."""
        return {name: int(table["item"].nunique()) for name, table in self.issues.items()}

    @property
    def table(self) -> pd.DataFrame:
        """All issues, one row each: ``item``, ``name``, ``detector``, ``score``, ``reason``,
        ``duplicate_of`` (-1 where it is no copy), ``suggested`` (a class name or empty), ``proposed``.

        ``name`` is the file, or the number of the item where no folder was read.
        """
        import pandas as pd  # here, because it is slow to import

        classes = self.dataset.class_names
        columns = ["item", "name", "detector", "score", "reason", "duplicate_of", "suggested", "proposed"]
        parts = [
            found.assign(
                name=[self.name(int(item)) for item in found["item"]],
                detector=name,
                duplicate_of=found.get("duplicate_of", -1),
                suggested=[classes[int(one)] for one in found.get("suggested", ())] or "",
                proposed=name in self.proposed,
            )[columns]
            for name, found in self.issues.items()
            if len(found)
        ]
        return pd.concat(parts or [pd.DataFrame(columns=columns)], ignore_index=True)

    def name(self, item: int) -> str:
        """What an item is called in the report: its file below the folder, or its number."""
        return self.folder_report.kept[item] if self.folder_report else f"item {item}"

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
        noun = "images" if self.dataset.modality == "images" else "texts"
        lines = [f"{len(self.dataset)} {noun} looked at, {dropped} proposed to drop; nothing was deleted"]
        if self.folder_report and self.folder_report.skipped:
            lines.append(f"  {len(self.folder_report.skipped)} files could not be read")
        parts = list(all_words()["parts"])
        for name, count in sorted(self.counts.items(), key=lambda one: parts.index(words_on(one[0])["part"])):
            lines.append(f"  {words_on(name)['part']:<6} {words_on(name)['title']:<28} {count:>6}")
        return "\n".join([*lines, *(f"  note   {note}" for note in self.notes), f"  report {self.html}"])


def inspect(
    folder_or_dataset: Dataset | str | os.PathLike[str],
    output: str | os.PathLike[str] = "report.html",
    features: np.ndarray | Callable[[Dataset], np.ndarray] | None = None,
    label_check: Callable[..., Any] | None = None,
    seed: int = 0,
    modality: str = "auto",
    size: tuple[int, int] | None = None,
    progress: bool = True,
    regions: Sequence[str] | str = REGIONS,
    report: FolderReport | None = None,
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
        size: ``(height, width)`` at which the images of a folder are compared. None takes that of the first
            image if it is at most 64 pixels, else 32 x 32. Thumbnails come from the files.
        progress: print which check runs where it takes long.
        regions: whose telephone numbers are sought in texts, see ``clean.text.personal_data``.
        report: of a Dataset that was read before: its ``kept`` name the items, and what it left out is shown.

    Returns:
        An ``Inspection``: issues, counts, the path of the file. A summary is printed.

    Raises:
        FileNotFoundError, NotADirectoryError: no such folder.
        OSError: the output cannot be written.
        ValueError: an empty set or folder, audio, images smaller than 8 x 8 pixels, or a bad setting.
    """
    target = _checked_output(output)
    folder = None
    dataset = folder_or_dataset
    if not isinstance(dataset, Dataset):
        folder = Path(folder_or_dataset).expanduser()
        if folder.is_dir() and target.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"the report {target} would lie inside the folder {folder}; write it elsewhere")
        files = sorted(Path(top) / name for top, _, inside in os.walk(folder) for name in inside)
        if modality == "auto":
            texts = sum(file.suffix.lower() == ".txt" for file in files)
            modality = "text" if texts * 2 > len(files) else "images"
        size = size or (_size_of_the_first(files) if modality == "images" else None)
        # Stretched: bars around an image would make a blank one look like an image of a bar.
        dataset, report = from_folder(
            folder, size=size, mode="auto", modality=modality, progress=progress, stretch=True
        )
    if not len(dataset):
        raise ValueError("there is nothing to inspect: the data set has no items")
    if dataset.modality not in ("images", "text"):
        raise ValueError(f"inspect looks at images and text, and the data set holds {dataset.modality}")
    if callable(features):
        features = np.asarray(features(dataset))

    notes: list[str] = []
    found: dict[str, Any] = {}
    is_text = dataset.modality == "text"
    checks = (
        _text_checks(dataset, regions, notes) if is_text else _image_checks(dataset, features, seed, notes)
    )
    if label_check is not None:
        checks["label_issues"] = lambda _: _doubtful_labels(dataset, features, label_check, seed, notes)
    for name in tqdm(checks, desc="inspecting", unit=" checks", leave=False, delay=2, disable=not progress):
        found[name] = checks[name](found)
    if is_text:
        _hide_personal_data(found)
    elif folder is not None:
        _say_where_files_differ(found["exact_duplicates"], folder, report.kept, dataset)
    seen = Inspection(dataset, found, tuple(notes), target, folder, report)
    # A lone surrogate in a file name or text has no bytes in UTF-8.
    written = page(seen).encode("utf-8", "replace")
    with atomic_write(target) as stream:
        stream.write(written)
    print(seen)
    return seen


# What is read --------------------------------------------------------------------------------------------


def _checked_output(output: str | os.PathLike[str]) -> Path:
    """The path of the report, found wanting now rather than after minutes of work."""
    target = Path(output).expanduser()
    if target.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"output must be the name of an .html file, got {os.fspath(output)!r}")
    if target.is_dir():
        raise IsADirectoryError(f"the output {target} is a folder; name a file in it")
    parent = next(folder for folder in target.parents if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise PermissionError(f"cannot write the report into {target.parent}; choose another output")
    return target


def _size_of_the_first(files: list[Path]) -> tuple[int, int]:
    """``(height, width)`` of the first image that can be read if it is small, else 32 x 32."""
    from PIL import Image

    for file in files:
        with contextlib.suppress(Exception), Image.open(file) as image:  # from_folder will name it
            width, height = image.size
            return (height, width) if min(image.size) >= 8 and max(image.size) <= _LARGEST_SIDE else _SIZE
    return _SIZE


def _say_where_files_differ(found: Any, folder: Path, files: tuple[str, ...], dataset: Dataset) -> None:
    """Equal at the size at which they are compared is not always equal as files: say which it is."""
    height, width = dataset.data.shape[1:3]
    for row in found.itertuples():
        one, other = (folder / files[item] for item in (row.item, row.duplicate_of))
        how = f"equal at {height} x {width} pixels"
        with contextlib.suppress(OSError):  # gone since it was read, or a name that is no UTF-8
            same = one.read_bytes() == other.read_bytes()
            how = "the files are identical" if same else f"{how}, the files differ"
        found.loc[row.Index, "reason"] = f"{row.reason} ({how})"


# What is looked for --------------------------------------------------------------------------------------


def _image_checks(dataset: Dataset, features: Any, seed: int, notes: list[str]) -> dict[str, Check]:
    small = _shrunk(dataset)
    if features is None:
        notes.append(
            "Unusual images and doubtful labels were sought with plain measurements of the pixels. "
            "Features of a network that knows such images find more: inspect(…, features=your_function)."
        )

    untrusted: set[str] = set()

    def quality(detector: Callable[[Dataset], Any], found: dict[str, Any]) -> Any:
        table = detector(dataset)
        if len(table) > _TOO_MANY * len(dataset):
            untrusted.add(detector.__name__)
            title, share = words_on(detector.__name__)["title"], len(table) / len(dataset)
            notes.append(
                f"“{title}” finds {share:.0%} of the items: its limit was made for other images (silhouettes "
                "and small drawings), so do not trust it here."
            )
        # What is blank is badly lit as well: once is enough.
        return table[~table["item"].isin(found["low_information"]["item"])].reset_index(drop=True)

    def outliers(found: dict[str, Any]) -> Any:
        suspected = np.concatenate([table["item"] for name, table in found.items() if name not in untrusted])
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
    if len(small) > _ALIGNED_LIMIT:
        notes.append(
            f"Near copies were sought among {_ALIGNED_LIMIT:,} images at a time, in the order of the files: "
            "a copy that lies further away is missed (clean.near_duplicates looks at all at once)."
        )
    tables = [equal]
    for start in range(0, len(small), _ALIGNED_LIMIT):
        table = near_duplicates(small[start : start + _ALIGNED_LIMIT])
        table[["item", "duplicate_of"]] += start
        tables.append(table)
    both = pd.concat(tables)
    both = both[~both["item"].isin(exact)]
    return issue_table("near_duplicates", both["item"], both["score"], both["reason"], both["duplicate_of"])


def _shrunk(dataset: Dataset) -> Dataset:
    """Images of at most 32 pixels a side where the given ones are large; else the same set."""
    if max(dataset.data.shape[1:3]) <= _LARGEST_SIDE:
        return dataset
    grey_images(dataset[:0], "inspect")  # refuses images that are too small

    def small(image: np.ndarray) -> np.ndarray:
        channels = np.atleast_3d(image).transpose(2, 0, 1).astype(np.float32)  # (channels, h, w)
        levels = np.clip(np.rint(working_size(channels)), 0, 255).astype(np.uint8)
        return levels[0] if image.ndim == 2 else levels.transpose(1, 2, 0)

    return replace(dataset, data=np.stack([small(image) for image in dataset.data]))


def _text_checks(dataset: Dataset, regions: Sequence[str] | str, notes: list[str]) -> dict[str, Check]:
    from aigc_lab.clean import text  # here, because its libraries are slow to import

    codes = checked_regions(regions)
    notes.append(
        "Telephone numbers without a country code were sought in the numbering plans of "
        f"{', '.join(codes) if len(codes) < 20 else f'{len(codes)} regions'} only: inspect(…, regions=…) or "
        "--regions takes others."
    )

    def other_language(found: dict[str, Any]) -> Any:
        unreadable = [*found["garbled"]["item"], *found["uninformative"]["item"]]  # these are of no language
        readable = np.isin(np.arange(len(dataset)), unreadable, invert=True)
        return text.other_language(dataset, among=readable)

    detectors = [find for find in text.DETECTORS.values() if find is not text.other_language]
    checks = {find.__name__: lambda _, find=find: find(dataset) for find in [*detectors, text.markup]}
    checks["personal_data"] = lambda _: text.personal_data(dataset, codes)
    return checks | {"other_language": other_language}


def _hide_personal_data(found: dict[str, Any]) -> None:
    """A reason may quote a text that holds personal data, and cut the data in two: such quotations go."""
    secret = set(found["personal_data"]["item"])
    for table in found.values():
        masked = table["reason"].str.replace(_QUOTED, "[masked]", regex=True)
        table["reason"] = table["reason"].mask(table["item"].isin(secret), masked)


def _doubtful_labels(
    dataset: Dataset, features: Any, label_check: Callable[..., Any], seed: int, notes: list[str]
) -> Any:
    """What ``label_check`` finds among the classes that are large enough for it."""
    nothing = issue_table("label_issues", [], [], []).assign(suggested=np.empty(0, dtype=np.int64))
    if dataset.labels is None:
        notes.append("There are no labels to check: one sub-folder for each class would give them.")
        return nothing
    counts = dataset.counts()
    enough = [name for name, count in counts.items() if count >= _FOLDS]
    few = [name for name, count in counts.items() if 0 < count < _FOLDS]
    if len(enough) < 2:
        notes.append(f"Labels were not checked: that needs two classes of at least {_FOLDS} items.")
        return nothing
    if few:
        named = ", ".join(few[:5]) + (f" and {len(few) - 5} more" if len(few) > 5 else "")
        notes.append(f"Labels of classes with fewer than {_FOLDS} items were not checked: {named}.")
    chosen = np.flatnonzero(np.isin(np.array(dataset.class_names)[dataset.labels], enough))
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
        size = max(1, min(_DIRECTIONS, *(side - 1 for side in counted.shape)))
        return TruncatedSVD(size, random_state=seed).fit_transform(counted).astype(np.float32)
    small = _shrunk(dataset).data
    flat = small.reshape(len(small), -1).astype(np.float32)
    sample = flat[:: max(1, len(flat) // 5000)]
    # The covariance of 3,072 values (32 x 32 pixels in colour) takes minutes to decompose.
    solver = "covariance_eigh" if flat.shape[1] <= 1024 else "randomized"
    with np.errstate(invalid="ignore"):  # images that are all the same have no variance to explain
        directions = PCA(min(_DIRECTIONS, *sample.shape), svd_solver=solver, random_state=seed)
        return directions.fit(sample).transform(flat)
