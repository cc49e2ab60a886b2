"""Your own data: a folder or a file to a ``Dataset``, and a report of what could not be read.

Introduced in notebook 01; used with a learner's own images in notebook 21.
"""

from __future__ import annotations

import os
import warnings
import zipfile
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm.auto import tqdm

from aigc_lab.collect.dataset import Dataset, own_card

# Formats that Pillow decodes by itself; some others would start an outside program.
FORMATS = ("PNG", "JPEG", "MPO", "GIF", "BMP", "WEBP", "TIFF", "PPM")
PIXEL_LIMIT = 50_000_000  # larger images are not decoded: a few bytes may unpack to many gigabytes
TEXT_LIMIT = 10_000_000  # bytes
_PATIENCE = 2.0  # seconds of reading after which a progress bar appears
_DATA_NAMES, _LABEL_NAMES = ("data", "images", "x"), ("labels", "label", "y")


class Unreadable(Exception):
    """Why a file is left out, in a few words."""


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

    def __str__(self) -> str:
        lines = [f"{len(self.kept)} files loaded, {len(self.skipped)} left out"]
        lines += [f"  left out   {file}: {reason}" for file, reason in self.skipped]
        lines += [f"  converted  {file}: {change}" for file, change in self.converted]
        return "\n".join(lines + [f"  note       {note}" for note in self.notes])


def from_folder(
    path: str | os.PathLike[str],
    size: tuple[int, int] | None = (28, 28),
    mode: str = "L",
    labels_from: str | None = "folders",
    modality: str = "images",
    progress: bool = True,
    stretch: bool = False,
) -> tuple[Dataset, FolderReport]:
    """A folder of still images, or of UTF-8 ``.txt`` files, as a ``Dataset``, and the report.

    A file that cannot be read (empty, corrupt, hidden, no image, animated, over 50 million pixels) is left
    out and named in the report, as are changes: 16-bit grey scaled, CMYK converted, transparent pixels laid
    on white, photos turned as EXIF says.

    Args:
        path: the folder; files are read in the order of their paths.
        size: ``(height, width)`` to which each image is fitted in its own proportions, the
            rest filled with white; None keeps the sizes, which must then be equal.
        mode: ``"L"`` (grey, ``(n, height, width)``) or ``"RGB"`` (``(n, height, width, 3)``).
        labels_from: ``"folders"``: the first folder below ``path`` names the class (no labels
            where there is none); None for no labels.
        modality: ``"images"`` or ``"text"``.
        progress: show a bar where reading takes more than two seconds.
        stretch: fill ``size`` whatever the proportions, with no white around the image.

    Raises:
        FileNotFoundError, NotADirectoryError: no such folder.
        ValueError: an empty folder, no readable file, sizes that differ with ``size=None``,
            or an argument out of its range.
    """
    folder = Path(path).expanduser()
    _check_arguments(folder, size, mode, labels_from, modality)
    below = (Path(top) / name for top, _, inside in os.walk(folder) for name in inside)
    files = sorted((file.relative_to(folder) for file in below), key=Path.as_posix)
    if not files:
        raise ValueError(
            f"the folder {folder} holds no files; put {modality} in it, a sub-folder for each class"
        )
    by_folder = labels_from == "folders" and any(len(file.parts) > 1 for file in files)

    items, kept, skipped, converted = [], [], [], []
    for file in tqdm(files, desc="reading", unit="file", leave=False, delay=_PATIENCE, disable=not progress):
        try:
            if any(part.startswith(".") for part in file.parts):
                raise Unreadable("a hidden file")
            if by_folder and len(file.parts) == 1:
                raise Unreadable("lies beside the class folders, not in one of them")
            if modality == "images":
                item, changes = read_image(folder / file, size, mode, stretch)
            else:
                item, changes = _read_text(folder / file), []
        except Unreadable as reason:
            skipped.append((file.as_posix(), str(reason)))
            continue
        items.append(item)
        kept.append(file.as_posix())
        converted += [(file.as_posix(), change) for change in changes]

    if not items:
        first, reason = skipped[0]
        raise ValueError(
            f"none of the {len(skipped)} files in {folder} could be read (the first, {first}: {reason}); "
            f"give a folder of {'images' if modality == 'images' else 'UTF-8 .txt files'}"
        )
    if modality == "images":
        _check_equal_sizes(items, kept)
        items = np.stack(items)
    classes, labels = (), None
    if by_folder:
        classes, labels = np.unique([name.partition("/")[0] for name in kept], return_inverse=True)
    notes = _notes(list(classes), skipped) if by_folder else ()
    card = replace(own_card(folder.resolve().name, modality), size=f"{len(items)} of {len(files)} files")
    report = FolderReport(tuple(kept), tuple(skipped), tuple(converted), notes)
    return Dataset(items, labels, tuple(classes), card), report


def _check_arguments(folder: Path, size: object, mode: str, labels_from: object, modality: str) -> None:
    if not folder.exists():
        raise FileNotFoundError(f"there is no folder {folder}; check the path")
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; give the folder it lies in, or use collect.from_file")
    choices = {
        "modality": (modality, ("images", "text")),
        "mode": (mode, ("L", "RGB")),
        "labels_from": (labels_from, ("folders", None)),
    }
    for name, (given, known) in choices.items():
        if given not in known:
            raise ValueError(f"{name} must be {known[0]!r} or {known[1]!r}, got {given!r}")
    pair = isinstance(size, (tuple, list)) and len(size) == 2
    if size is not None and not (
        pair and all(isinstance(side, (int, np.integer)) and side > 0 for side in size)
    ):
        raise ValueError(f"size must be (height, width) in whole pixels or None, got {size!r}")


def _check_equal_sizes(images: list[np.ndarray], names: list[str]) -> None:
    first = images[0].shape[:2]
    for image, name in zip(images, names, strict=True):
        if image.shape[:2] != first:
            raise ValueError(
                f"the images differ in size ({names[0]} is {first[0]} x {first[1]}, {name} is "
                f"{image.shape[0]} x {image.shape[1]}); give size=(height, width) to fit them all to one"
            )


def _notes(classes: list[str], skipped: list[tuple[str, str]]) -> tuple[str, ...]:
    notes = []
    if len(classes) == 1:
        notes.append(f"all items are of one class ({classes[0]}): a classifier needs at least two")
    folders = {file.partition("/")[0] for file, _ in skipped if "/" in file and not file.startswith(".")}
    lost = sorted(folders - set(classes))
    return (*notes, *(f"the folder {name} gave no item, so it is no class" for name in lost))


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise Unreadable("not a file, or a link that leads nowhere")
    if path.stat().st_size == 0:
        raise Unreadable("empty: zero bytes")


def _read_text(path: Path) -> str:
    if path.suffix.lower() != ".txt":
        raise Unreadable("not a .txt file")
    _check_file(path)
    if (size := path.stat().st_size) > TEXT_LIMIT:
        raise Unreadable(f"huge: {size:,} bytes, the limit is {TEXT_LIMIT:,}")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from error


def read_image(
    path: Path, size: tuple[int, int] | None, mode: str, stretch: bool = False
) -> tuple[np.ndarray, list[str]]:
    """One still image as uint8 and the changes that were made to it; the arguments are ``from_folder``'s.

    Raises:
        Unreadable: with the reason.
    """
    _check_file(path)
    changes: list[str] = []
    try:
        with warnings.catch_warnings():
            # Pillow warns of large images and odd metadata; both are judged here.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_known_formats()) as image:
                _check_header(image)
                image.load()
                image = _eight_bits(_upright(image, changes), mode, changes)
                return np.asarray(_fit(image, size, stretch)), changes
    except Unreadable:
        raise
    except Image.DecompressionBombError as error:
        raise Unreadable(f"huge: more than {PIXEL_LIMIT:,} pixels") from error
    except UnidentifiedImageError as error:
        raise Unreadable(_unknown(path)) from error
    except PermissionError as error:
        raise Unreadable("no permission to read it") from error
    except Exception as error:  # a damaged file can raise nearly anything from inside a decoder
        raise Unreadable(f"corrupt: {str(error).strip(' .') or type(error).__name__}") from error


@cache
def _known_formats() -> tuple[str, ...]:
    """The FORMATS of this Pillow; it loads some of its decoders only when told to."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _check_header(image: Image.Image) -> None:
    """Judge by the header, before anything is decoded."""
    width, height = image.size
    if width * height > PIXEL_LIMIT:
        raise Unreadable(f"huge: {width} x {height} pixels, the limit is {PIXEL_LIMIT:,}")
    frames = getattr(image, "n_frames", 1)
    # MPO is a camera's JPEG with a second view: its first frame is the photo.
    if frames > 1 and image.format != "MPO":
        kind = f"animated or of several pages: {frames} frames"
        raise Unreadable(f"{kind}; save the one you want as a still image")


def _upright(image: Image.Image, changes: list[str]) -> Image.Image:
    try:
        turn = image.getexif().get(0x0112, 1)
        upright = ImageOps.exif_transpose(image) if turn in range(2, 9) else image
    except Exception:  # damaged metadata is no reason to lose the image
        return image
    if upright is not image:
        changes.append("turned upright as its EXIF orientation says")
    return upright


def _eight_bits(image: Image.Image, mode: str, changes: list[str]) -> Image.Image:
    """Grey or RGB with 8 bits a channel, nothing transparent."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image)
        if image.mode == "F" or values.min() < 0 or values.max() > 65535:
            kind = f"pixel values of type {values.dtype} have no agreed range"
            raise Unreadable(f"{kind}; save it with 8 or 16 bits")
        # Pillow's own conversion cuts everything above 255 to white.
        image = Image.fromarray(np.rint(values.astype("float64") / 257).astype("uint8"))
        changes.append("16-bit grey scaled to 8 bits")
    if image.mode == "CMYK":
        image = image.convert("RGB")
        changes.append("CMYK converted to RGB without a colour profile")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getextrema()[3][0] < 255:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            changes.append("transparent pixels laid on grey value 255")
        image = image.convert("RGB")
    return image.convert(mode)


def _fit(image: Image.Image, size: tuple[int, int] | None, stretch: bool) -> Image.Image:
    if size is None or image.size == (size[1], size[0]):
        return image
    height, width = size
    if stretch:
        return image.resize((width, height), Image.Resampling.LANCZOS)
    scale = min(width / image.width, height / image.height)
    inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    fitted = Image.new(image.mode, (width, height), "white")
    place = ((width - inner[0]) // 2, (height - inner[1]) // 2)
    fitted.paste(image.resize(inner, Image.Resampling.LANCZOS), place)
    return fitted


def _unknown(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in (".heic", ".heif", ".avif", ".svg", ".pdf"):
        return f"{suffix} images are not read; save it as PNG or JPEG"
    if suffix in (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff"):
        return "corrupt: the content is no image, whatever its name says"
    return "not an image (PNG, JPEG, GIF, BMP, WebP, TIFF, PPM)"


def from_file(
    path: str | os.PathLike[str], text_column: str = "text", label_column: str | None = None
) -> Dataset:
    """One file as a ``Dataset``; its suffix says how it is read. Introduced in notebook 21.

    ``.npz``: what ``Dataset.save`` wrote, or uint8 images named ``data``, ``images`` or
    ``x`` with ``labels`` or ``y``; ``.npy``: uint8 images. ``.csv`` (UTF-8) and ``.parquet``: a column
    of texts, and one of class names where it is given. ``.txt`` (UTF-8): one item a line, empty lines
    left out. No file is unpickled.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another suffix, a column or array that is not there, or unreadable content.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        raise ValueError(f"{path} is a folder; use collect.from_folder")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; check the path")
    readers = {
        ".npz": _from_arrays,
        ".npy": _from_arrays,
        ".csv": None,
        ".parquet": None,
        ".txt": _from_lines,
    }
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise ValueError(f"cannot read {path.name}; give a file that ends in {', '.join(readers)}")
    try:
        return readers[suffix](path) if readers[suffix] else _from_table(path, text_column, label_column)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:  # their own words are clear
        raise ValueError(f"cannot read {path.name}: {str(error).splitlines()[0]}") from error


def _from_lines(path: Path) -> Dataset:
    lines = path.read_bytes().decode("utf-8-sig").splitlines()
    return Dataset([line for line in lines if line.strip()], card=own_card(path.stem, "text"))


def _from_arrays(path: Path) -> Dataset:
    stored = np.load(path, allow_pickle=False)
    if isinstance(stored, np.ndarray):
        return Dataset(stored, card=own_card(path.stem))
    with stored:
        if "about" in stored:
            return Dataset.load(path)
        arrays = dict(stored)
    data = next((arrays[name] for name in _DATA_NAMES if name in arrays), None)
    if data is None:
        raise ValueError(f"it has no array named {', '.join(_DATA_NAMES)}, only {', '.join(arrays)}")
    named = next((arrays[name] for name in _LABEL_NAMES if name in arrays), None)
    classes, labels = ((), None) if named is None else np.unique(named, return_inverse=True)
    return Dataset(data, labels, tuple(classes), own_card(path.stem))


def _from_table(path: Path, text_column: str, label_column: str | None) -> Dataset:
    import pandas as pd  # here, because it is slow to import

    if path.suffix.lower() == ".parquet":
        table = pd.read_parquet(path)
    else:  # texts stay as they are written: "NA" is a word here, not a missing value
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    for column in (text_column, label_column):
        if column is not None and column not in table.columns:
            raise ValueError(
                f"it has no column {column!r}; its columns are {', '.join(map(str, table.columns))}"
            )
    if missing := int(table[text_column].isna().sum()):
        raise ValueError(
            f"{missing} texts in the column {text_column!r} are missing; fill or drop those rows"
        )
    classes, labels = (), None
    if label_column is not None:
        classes, labels = np.unique(
            table[label_column].astype(str).to_numpy(dtype=object), return_inverse=True
        )
    return Dataset(
        table[text_column].astype(str).tolist(), labels, tuple(classes), own_card(path.stem, "text")
    )
