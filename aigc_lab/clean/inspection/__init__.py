"""Look at a whole data set or folder at once, and write down what was found: one HTML file.

    python -m aigc_lab.clean FOLDER --output report.html

Nothing of the input is changed or deleted. Introduced in notebook 02.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_lab.clean.cleaned import Cleaned, apply
from aigc_lab.clean.inspection import checks
from aigc_lab.clean.inspection.words import PARTS, check_of
from aigc_lab.collect.atomic import atomic_write
from aigc_lab.collect.dataset import Dataset
from aigc_lab.collect.folder import FolderReport, from_folder

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Inspection", "inspect"]

_PICTURE_SIDE = 32  # pixels at which a folder of larger pictures is compared
_LARGEST_OWN_SIDE = 64
_SAMPLED_FILES = 100


@dataclass(frozen=True, eq=False)
class Inspection:
    """What ``inspect`` found. ``print(inspection)`` sums it up.

    Attributes:
        dataset: the items as they were looked at.
        findings: a findings table for each check that ran, by its name, also where it found nothing.
        proposed: the names of the checks whose findings are proposed to be dropped.
        notes: what was not looked for, and what should not be trusted.
        html: the report.
        folder: the folder that was read, or None.
        folder_report: what became of each of its files, or None.
    """

    dataset: Dataset
    findings: Mapping[str, Any]
    proposed: tuple[str, ...]
    notes: tuple[str, ...]
    html: Path
    folder: Path | None = None
    folder_report: FolderReport | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many items each check found."""
        return {name: int(table["item"].nunique()) for name, table in self.findings.items()}

    @property
    def files(self) -> tuple[str, ...]:
        """The file of each item, below the folder; empty if no folder was read."""
        return self.folder_report.kept if self.folder_report else ()

    @property
    def table(self) -> pd.DataFrame:
        """All findings, one row each: ``item``, ``name``, ``detector``, ``score``, ``reason``,
        ``duplicate_of`` (-1 where it is no copy), ``suggested`` (a class name or empty), ``proposed``.

        ``name`` is the file, or the number of the item where no folder was read.
        """
        import pandas as pd  # here, because it is slow to import

        classes = self.dataset.class_names
        parts = []
        for name, found in self.findings.items():
            part = found.reindex(columns=["item", "score", "reason"]).assign(detector=name)
            part["duplicate_of"] = found.get("duplicate_of", -1)
            suggested = found.get("suggested", ())
            part["suggested"] = [classes[int(one)] for one in suggested] or ""
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
        unknown = [name for name in more if name not in self.findings]
        if unknown:
            raise ValueError(f"no check named {unknown[0]!r} ran; those that did: {', '.join(self.findings)}")
        return apply(self.dataset, *(self.findings[name] for name in (*self.proposed, *more)))

    def __str__(self) -> str:
        kind = "pictures" if self.dataset.modality == "images" else "texts"
        dropped = len(self.cleaned().dropped)
        lines = [f"{len(self.dataset)} {kind} looked at, {dropped} proposed to drop; nothing was deleted"]
        if self.folder_report and self.folder_report.skipped:
            lines.append(f"  {len(self.folder_report.skipped)} files could not be read")
        parts = list(PARTS)
        for name, count in sorted(self.counts.items(), key=lambda one: parts.index(check_of(one[0]).part)):
            lines.append(f"  {check_of(name).part:<6} {check_of(name).title:<28} {count:>6}")
        return "\n".join([*lines, *(f"  note   {note}" for note in self.notes), f"  report {self.html}"])


def inspect(
    dataset_or_folder: Dataset | str | os.PathLike[str],
    output: str | os.PathLike[str] = "report.html",
    features: np.ndarray | Callable[[Dataset], np.ndarray] | None = None,
    label_errors: bool = True,
    seed: int = 0,
    modality: str = "auto",
    size: tuple[int, int] | None = None,
    shown: int = 24,
    progress: bool = True,
) -> Inspection:
    """Run every check on a data set or a folder, and write one HTML file that shows what was found.

    The file needs nothing beside it: pictures are inside, no script runs, nothing is fetched. The input is
    only read. Checks that seldom err make up a proposal of what to drop; the others are to be looked at.

    Args:
        dataset_or_folder: a Dataset of pictures or texts, or a folder as ``collect.from_folder`` reads it,
            one sub-folder for each class.
        output: the HTML file to write; an old one is replaced in one step. Not inside the folder.
        features: ``(n, d)`` numbers for unusual items and doubtful labels, or a function that makes them
            from the Dataset, such as ``evaluate.features`` for 28 x 28 pictures. None takes plain ones.
        label_errors: look for doubtful labels, if there are labels.
        seed: for what is drawn at random; the same seed writes the same bytes.
        modality: of a folder: ``"images"``, ``"text"``, or ``"auto"``, which counts the ``.txt`` files.
        size: ``(height, width)`` at which the pictures of a folder are compared. None takes their own size
            if they are all of one size of at most 64 pixels, else 32 x 32. Thumbnails come from the files.
        shown: thumbnails for each check.
        progress: print which check runs where it takes long.

    Returns:
        An ``Inspection``: findings, counts, the path of the file. A summary is printed.

    Raises:
        FileNotFoundError, NotADirectoryError: no such folder.
        OSError: the output cannot be written.
        ValueError: an empty set or folder, audio, pictures smaller than 8 x 8 pixels, or a bad setting.
    """
    if isinstance(shown, bool) or not isinstance(shown, (int, np.integer)) or shown < 1:
        raise ValueError(f"shown must be a whole number of thumbnails above 0, got {shown!r}")
    target = _checked_output(output)
    folder = report = None
    dataset = dataset_or_folder
    if not isinstance(dataset, Dataset):
        folder = Path(dataset_or_folder).expanduser()
        if folder.is_dir() and target.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"the report {target} would lie inside the folder {folder}; write it elsewhere")
        modality = _modality_of(folder) if modality == "auto" else modality
        size = size or (_common_size(folder) if modality == "images" else None)
        # Stretched: bars around a picture would make a blank one look like a picture of a bar.
        dataset, report = from_folder(folder, size=size, modality=modality, progress=progress, stretch=True)
    if not len(dataset):
        raise ValueError("there is nothing to inspect: the data set has no items")
    if callable(features):
        features = np.asarray(features(dataset))

    with _Steps(progress) as steps:
        found, notes = checks.look(dataset, features, label_errors, seed, steps)
        if report is not None and "exact_duplicates" in found and dataset.modality == "images":
            _say_where_files_differ(found["exact_duplicates"], folder, report.kept, dataset)
        inspection = Inspection(
            dataset, MappingProxyType(found), checks.proposal(found), tuple(notes), target, folder, report
        )
        steps("page")
        from aigc_lab.clean.inspection.page import page

        text = page(inspection, int(shown))
    with atomic_write(target) as stream:
        # A lone surrogate in a file name or text has no bytes in UTF-8.
        stream.write(text.encode("utf-8", "replace"))
    print(inspection)
    return inspection


class _Steps:
    """Tells which check runs, if all of them take longer than two seconds."""

    def __init__(self, progress: bool) -> None:
        from tqdm.auto import tqdm

        self._bar = tqdm(desc="inspecting", unit=" checks", leave=False, delay=2, disable=not progress)

    def __call__(self, name: str) -> None:
        self._bar.set_postfix_str("the page" if name == "page" else check_of(name).title, refresh=False)
        self._bar.update()

    def __enter__(self) -> _Steps:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()


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
    if not folder.is_dir():
        return []  # from_folder says what is wrong with it
    return sorted(Path(top) / name for top, _, inside in os.walk(folder) for name in inside)


def _modality_of(folder: Path) -> str:
    files = _files(folder)
    return "text" if sum(file.suffix.lower() == ".txt" for file in files) * 2 > len(files) else "images"


def _common_size(folder: Path) -> tuple[int, int]:
    """``(height, width)`` of the pictures if a sample is of one small size, else 32 x 32."""
    from PIL import Image

    files = _files(folder)
    sizes = set()
    for file in files[:: max(1, len(files) // _SAMPLED_FILES)]:
        try:
            with Image.open(file) as picture:
                sizes.add(picture.size)
        except Exception:  # from_folder will name it
            continue
    if len(sizes) == 1:
        width, height = sizes.pop()
        if min(width, height) >= 8 and max(width, height) <= _LARGEST_OWN_SIDE:
            return height, width
    return _PICTURE_SIDE, _PICTURE_SIDE


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
