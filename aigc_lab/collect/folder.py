"""Your own data: a folder of pictures or texts to a ``Dataset``, and a report of what was left out.

Introduced in notebook 01; used with a learner's own pictures in notebook 21.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_lab.collect.dataset import Card, Dataset, own_card
from aigc_lab.collect.pictures import PIXEL_LIMIT, Unreadable, read_picture

if TYPE_CHECKING:
    import pandas as pd

TEXT_LIMIT = 10_000_000
_PATIENCE = 2.0  # seconds of reading after which a progress bar appears


@dataclass(frozen=True)
class FolderReport:
    """What became of each file of a folder. ``print(report)`` tells it in words.

    Attributes:
        kept: the files that were loaded, in the order of the items.
        skipped: ``(file, reason)`` for each file that was left out.
        converted: ``(file, change)`` for each change made to a file that was loaded.
        notes: sentences on the set as a whole.
    """

    kept: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    converted: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """The files that were left out: columns ``file`` and ``reason``."""
        import pandas as pd

        return pd.DataFrame(list(self.skipped), columns=["file", "reason"])

    @property
    def changes(self) -> pd.DataFrame:
        """The files that were changed on the way: columns ``file`` and ``change``."""
        import pandas as pd

        return pd.DataFrame(list(self.converted), columns=["file", "change"])

    def __str__(self) -> str:
        lines = [f"{len(self.kept)} files loaded, {len(self.skipped)} left out"]
        lines += [f"  left out   {file}: {reason}" for file, reason in self.skipped]
        lines += [f"  converted  {file}: {change}" for file, change in self.converted]
        return "\n".join(lines + [f"  note       {note}" for note in self.notes])


def from_folder(
    path: str | os.PathLike[str],
    size: tuple[int, int] | None = (28, 28),
    mode: str = "L",
    labels_from: str | Callable[[Path], str] | None = "folders",
    modality: str = "images",
    background: int = 255,
    pixel_limit: int = PIXEL_LIMIT,
    card: Card | None = None,
    progress: bool = True,
    stretch: bool = False,
) -> tuple[Dataset, FolderReport]:
    """A folder of still pictures, or of UTF-8 ``.txt`` files, as a ``Dataset``.

    A file that cannot be read is left out and named in the report; the rest is loaded.
    Left out are: empty and corrupt files, pictures of more than ``pixel_limit`` pixels,
    animated and many-page pictures, hidden files, and files that are no pictures.
    Converted, and named in the report, are: 16-bit grey (scaled), CMYK, transparent
    pixels (laid on ``background``), and photos that EXIF says to turn.

    Args:
        path: the folder; files are read in the order of their paths.
        size: ``(height, width)`` to which each picture is fitted in its own proportions, the
            rest filled with ``background``; None keeps the sizes, which must then be equal.
        mode: ``"L"`` (grey, ``(n, height, width)``) or ``"RGB"`` (``(n, height, width, 3)``).
        labels_from: ``"folders"``: the first folder below ``path`` names the class (no labels
            where there is none); a function from the path below ``path`` to the class name;
            or None for no labels.
        modality: ``"images"`` or ``"text"``.
        background: grey value from 0 to 255.
        pixel_limit: protects from pictures that unpack to many gigabytes.
        card: the data's card; made from the folder's name where it is None.
        progress: show a bar where reading takes more than two seconds.
        stretch: fill ``size`` whatever the proportions, with no ``background`` around the picture.

    Returns:
        the data set and the report.

    Raises:
        FileNotFoundError, NotADirectoryError: no such folder.
        ValueError: an empty folder, no readable file, sizes that differ with ``size=None``,
            or an argument out of its range.
    """
    folder = Path(path).expanduser()
    _check_arguments(folder, size, mode, labels_from, modality, background, pixel_limit)
    files = list(_files_below(folder))
    if not files:
        raise ValueError(
            f"the folder {folder} holds no files; put pictures in it, one sub-folder for each class"
        )
    inner = [file.relative_to(folder) for file in files]
    by_folder = labels_from == "folders" and any(len(file.parts) > 1 for file in inner)

    items, names, kept, skipped, converted = [], [], [], [], []
    for file in _with_bar(inner, progress):
        try:
            if any(part.startswith(".") for part in file.parts):
                raise Unreadable("a hidden file")
            if by_folder and len(file.parts) == 1:
                raise Unreadable("lies beside the class folders, not in one of them")
            if modality == "images":
                item, changes = read_picture(folder / file, size, mode, background, pixel_limit, stretch)
            else:
                item, changes = _read_text(folder / file), []
        except Unreadable as reason:
            skipped.append((file.as_posix(), str(reason)))
            continue
        items.append(item)
        kept.append(file.as_posix())
        converted += [(file.as_posix(), change) for change in changes]
        if by_folder:
            names.append(file.parts[0])
        elif callable(labels_from):
            names.append(str(labels_from(file)))

    if not items:
        first, reason = skipped[0]
        raise ValueError(
            f"none of the {len(skipped)} files in {folder} could be read (the first, {first}: {reason}); "
            f"give a folder of {'pictures' if modality == 'images' else 'UTF-8 .txt files'}"
        )
    if modality == "images":
        _check_equal_sizes(items, kept)
    classes = sorted(set(names))
    labels = np.array([classes.index(name) for name in names]) if names else None
    report = FolderReport(tuple(kept), tuple(skipped), tuple(converted), _notes(classes, skipped, by_folder))
    card = card or own_card(folder.resolve().name, modality)
    card = replace(card, modality=modality, size=card.size or f"{len(items)} of {len(files)} files")
    return Dataset(np.stack(items) if modality == "images" else items, labels, tuple(classes), card), report


def _check_arguments(
    folder: Path, size: Any, mode: str, labels_from: Any, modality: str, background: int, pixel_limit: int
) -> None:
    if not folder.exists():
        raise FileNotFoundError(f"there is no folder {folder}; check the path")
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; give the folder it lies in, or use collect.from_file")
    if modality not in ("images", "text"):
        raise ValueError(f"modality must be 'images' or 'text', got {modality!r}")
    if mode not in ("L", "RGB"):
        raise ValueError(f"mode must be 'L' (grey) or 'RGB', got {mode!r}")
    whole = (int, np.integer)
    if size is not None and not (
        isinstance(size, (tuple, list))
        and len(size) == 2
        and all(isinstance(n, whole) and n > 0 for n in size)
    ):
        raise ValueError(f"size must be (height, width) in whole pixels or None, got {size!r}")
    if labels_from not in ("folders", None) and not callable(labels_from):
        raise ValueError(f"labels_from must be 'folders', a function or None, got {labels_from!r}")
    if not (isinstance(background, whole) and 0 <= background <= 255):
        raise ValueError(f"background must be a grey value from 0 to 255, got {background!r}")
    if not (isinstance(pixel_limit, whole) and pixel_limit > 0):
        raise ValueError(f"pixel_limit must be a whole number above 0, got {pixel_limit!r}")


def _files_below(folder: Path) -> Iterator[Path]:
    """All files below a folder in the order of their paths; links to folders are not followed."""
    found = (Path(top) / name for top, _, inside in os.walk(folder) for name in inside)
    yield from sorted(found, key=lambda file: file.relative_to(folder).as_posix())


def _with_bar(files: list[Path], progress: bool) -> Iterator[Path]:
    from tqdm.auto import tqdm

    return tqdm(files, desc="reading", unit="file", leave=False, delay=_PATIENCE, disable=not progress)


def _read_text(path: Path) -> str:
    if path.suffix.lower() != ".txt":
        raise Unreadable("not a .txt file")
    if not path.is_file():
        raise Unreadable("not a file, or a link that leads nowhere")
    try:
        size = path.stat().st_size
        if size == 0:
            raise Unreadable("empty: zero bytes")
        if size > TEXT_LIMIT:
            raise Unreadable(f"huge: {size:,} bytes, the limit is {TEXT_LIMIT:,}")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from error


def _check_equal_sizes(pictures: list[np.ndarray], names: list[str]) -> None:
    first = pictures[0].shape[:2]
    for picture, name in zip(pictures, names, strict=True):
        if picture.shape[:2] != first:
            raise ValueError(
                f"the pictures differ in size ({names[0]} is {first[0]} x {first[1]}, {name} is "
                f"{picture.shape[0]} x {picture.shape[1]}); give size=(height, width) to fit them all to one"
            )


def _notes(classes: list[str], skipped: list[tuple[str, str]], by_folder: bool) -> tuple[str, ...]:
    notes = []
    if len(classes) == 1:
        notes.append(f"all items are of one class ({classes[0]}): a classifier needs at least two")
    if by_folder:
        lost = {
            file.partition("/")[0] for file, _ in skipped if "/" in file and not file.startswith(".")
        } - set(classes)
        notes += [f"the folder {name} gave no item, so it is no class" for name in sorted(lost)]
    return tuple(notes)
