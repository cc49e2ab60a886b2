"""Your own data: a folder or a file to a ``Dataset``, and a report of what could not be read.

Introduced in notebook 01; used with a learner's own images in notebook 21.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError
from tqdm.auto import tqdm

from aigc_lab.collect import sounds
from aigc_lab.collect.dataset import Dataset, Unreadable, check_file, own_card

# Formats that Pillow decodes by itself; some others would start an outside program. JPEG includes MPO.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
PIXEL_LIMIT = 50_000_000  # larger images are not decoded: a few bytes may unpack to many gigabytes
LOST_PIXELS = 0.02  # share of a JPEG that may be missing at its end
TEXT_LIMIT = 10_000_000  # bytes
COLUMN_FILES = (".csv", ".tsv", ".jsonl", ".parquet")
SOUND_LIMIT = 2**30  # bytes of sound held at once
_KINDS = {"images": "images", "text": "UTF-8 .txt files", "audio": "sounds (WAV, FLAC, OGG, MP3)"}
_PATIENCE = 2.0  # seconds of reading after which a progress bar appears
_DATA_NAMES, _LABEL_NAMES = ("data", "images", "x"), ("labels", "label", "y")
_BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_LINE_END = r"\r\n|\n|\r"  # str.splitlines() also cuts at marks that stand within texts
_LINK = "a link to a folder, which is not followed: copy the folder"
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


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
    encoding: str | None = None,
    rate: int | None = None,
    seconds: float | None = None,
) -> tuple[Dataset, FolderReport]:
    """A folder of still images, of ``.txt`` files, or of sounds, as a ``Dataset``, and the report.

    A file that cannot be read (empty, corrupt, hidden, no image, animated, over 50 million pixels) is left
    out and named in the report, as are changes: 16-bit grey scaled, CMYK and LAB converted, transparent
    pixels laid on white, photos turned as EXIF says, a missing end of the file. Sounds (WAV, FLAC, OGG, MP3)
    are read as ``read_sound`` does.

    Args:
        path: the folder; files are read in the order of their paths.
        size: ``(height, width)`` to which each image is fitted in its own proportions, the
            rest filled with white; None keeps the sizes, which must then be equal.
        mode: ``"L"`` (grey, ``(n, height, width)``), ``"RGB"`` (``(n, height, width, 3)``), or ``"auto"``:
            RGB if any of the images has colour, else grey.
        labels_from: ``"folders"``: the first folder below ``path`` names the class (no labels
            where there is none); None for no labels.
        modality: ``"images"``, ``"text"`` or ``"audio"``.
        progress: show a bar where reading takes more than two seconds.
        stretch: fill ``size`` whatever the proportions, with no white around the image.
        encoding: of the texts; None for UTF-8, or what a file's byte-order mark says.
        rate: of the sounds, in samples a second, the others are resampled; None for that of the first.
        seconds: to which each sound is cut, or filled with zeros; None for the length of the longest.

    Raises:
        FileNotFoundError, NotADirectoryError: no such folder.
        ValueError: an empty folder, no readable file, sizes that differ with ``size=None``, more than 1 GiB
            of sound, or an argument out of its range.
    """
    folder = Path(path).expanduser()
    _check_arguments(folder, size, mode, labels_from, modality)
    files, skipped = [], []
    for top, inner, inside in os.walk(folder):
        files += [(Path(top) / name).relative_to(folder) for name in inside]
        links = [Path(top) / name for name in inner if os.path.islink(Path(top) / name)]
        skipped += [(spelled(link.relative_to(folder)), _LINK) for link in sorted(links)]
    files.sort(key=Path.as_posix)
    if not files:
        kind = "sounds" if modality == "audio" else modality
        why = f" but {skipped[0][0]}, {_LINK}" if skipped else ""
        raise ValueError(
            f"the folder {folder} holds no files{why}; put {kind} in it, a sub-folder for each class"
        )
    sounds.check_wanted(rate, seconds)
    by_folder = labels_from == "folders" and any(len(file.parts) > 1 for file in files)
    items, kept, converted, held = [], [], [], 0
    for file in tqdm(files, desc="reading", unit="file", leave=False, delay=_PATIENCE, disable=not progress):
        try:
            if any(part.startswith(".") for part in file.parts):
                raise Unreadable("a hidden file")
            if by_folder and len(file.parts) == 1:
                raise Unreadable("lies beside the class folders, not in one of them")
            if modality == "images":
                item, changes = read_image(folder / file, size, mode, stretch)
            elif modality == "audio":
                item, rate, changes = sounds.decoded_sound(folder / file, rate, seconds)
                _check_memory(held := held + len(item), rate)
            else:
                item, changes = _read_text(folder / file, encoding), []
        except Unreadable as reason:
            skipped.append((spelled(file), str(reason)))
            continue
        items.append(item)
        kept.append(spelled(file))
        converted += [(spelled(file), change) for change in changes]

    if not items:
        first, reason = skipped[0]
        raise ValueError(
            f"none of the {len(skipped)} files in {folder} could be read (the first, {first}: {reason}); "
            f"give a folder of {_KINDS[modality]}"
        )
    if modality == "images":
        _check_equal_sizes(items, kept)
        if any(item.ndim == 3 for item in items):  # (h, w) -> (h, w, 3) where only some have colour
            items = [item if item.ndim == 3 else np.repeat(item[..., None], 3, axis=2) for item in items]
        items = np.stack(items)
    if modality == "audio":
        samples = max(1, round(seconds * rate)) if seconds else max(map(len, items))
        _check_memory(samples * len(items), rate)
        items = sounds.padded(items, samples)
    classes, labels, notes = (), None, ()
    if by_folder:
        classes, labels = np.unique([name.partition("/")[0] for name in kept], return_inverse=True)
        notes = _notes(list(classes), skipped)
    if modality == "audio" and (silent := int((~items.any(axis=1)).sum())):
        notes = (*notes, f"{silent} of the sounds are silent: every sample is zero")
    card = own_card(spelled(folder.resolve().name), modality)
    card = replace(card, size=f"{len(items)} of {len(files)} files")
    report = FolderReport(tuple(kept), tuple(skipped), tuple(converted), notes)
    return Dataset(items, labels, tuple(classes), card, rate if modality == "audio" else None), report


def spelled(path: str | os.PathLike[str]) -> str:
    """A path as text that can be written anywhere: bytes of the name that are not UTF-8 as ``\\xff``."""
    return os.fsencode(Path(path).as_posix()).decode("utf-8", "backslashreplace")


def _check_arguments(folder: Path, size: object, mode: str, labels_from: object, modality: str) -> None:
    if not folder.exists():
        raise FileNotFoundError(f"there is no folder {folder}; check the path")
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; give the folder it lies in, or use collect.from_file")
    for name, given, known in (
        ("modality", modality, tuple(_KINDS)),
        ("mode", mode, ("L", "RGB", "auto")),
        ("labels_from", labels_from, ("folders", None)),
    ):
        if given not in known:
            raise ValueError(f"{name} must be {' or '.join(map(repr, known))}, got {given!r}")
    sides = np.asarray((1, 1) if size is None else size)
    if sides.shape != (2,) or sides.dtype.kind not in "iu" or sides.min() < 1:
        raise ValueError(f"size must be (height, width) in whole pixels or None, got {size!r}")


def _check_equal_sizes(images: list[np.ndarray], names: list[str]) -> None:
    first = images[0].shape[:2]
    for image, name in zip(images, names, strict=True):
        if image.shape[:2] != first:
            raise ValueError(
                f"the images differ in size ({names[0]} is {first[0]} x {first[1]}, {name} is "
                f"{image.shape[0]} x {image.shape[1]}); give size=(height, width) to fit them all to one"
            )


def _check_memory(samples: int, rate: int) -> None:
    if 4 * samples > SOUND_LIMIT:
        minutes = SOUND_LIMIT // 4 // rate // 60
        raise ValueError(
            f"the sounds in one array, each as long as the longest, need more than {SOUND_LIMIT >> 30} GiB "
            f"({minutes} minutes); give seconds=… to cut each, or a lower rate"
        )


def _notes(classes: list[str], skipped: list[tuple[str, str]]) -> tuple[str, ...]:
    notes = []
    if len(classes) == 1:
        notes.append(f"all items are of one class ({classes[0]}): a classifier needs at least two")
    folders = {file.partition("/")[0] for file, _ in skipped if "/" in file and not file.startswith(".")}
    lost = sorted(folders - set(classes))
    return (*notes, *(f"the folder {name} gave no item, so it is no class" for name in lost))


def _read_text(path: Path, encoding: str | None) -> str:
    if path.suffix.lower() != ".txt":
        raise Unreadable("not a .txt file")
    check_file(path)
    if (size := path.stat().st_size) > TEXT_LIMIT:
        raise Unreadable(f"huge: {size:,} bytes, the limit is {TEXT_LIMIT:,}")
    try:
        return decoded(path.read_bytes(), encoding)
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from error


def decoded(content: bytes, encoding: str | None = None) -> str:
    """The text of a file: in the encoding that is asked for, that its byte-order mark says, or UTF-8.

    Raises:
        ValueError: there is no such encoding.
        Unreadable: it is in another one; the message names the likely one.
    """
    marked = next((name for mark, name in _BYTE_ORDER_MARKS.items() if content.startswith(mark)), None)
    chosen = encoding or marked or "utf-8"
    try:
        return content.decode(chosen).removeprefix("\ufeff")
    except LookupError as error:
        examples = "'gb18030', 'big5' or 'cp1252' are some"
        raise ValueError(f"there is no encoding {encoding!r}; {examples}") from error
    except UnicodeError as error:
        if encoding or marked:
            raise Unreadable(f"not {chosen}: {error.reason}, byte {error.start}") from error
        from charset_normalizer import from_bytes

        guess = from_bytes(content[:200_000]).best()
        hint = f"; it is likely {guess.encoding}: give encoding={guess.encoding!r} if so" if guess else ""
        raise Unreadable(f"not UTF-8 (byte {error.start}){hint or '; save it as UTF-8'}") from error


def read_image(
    path: Path, size: tuple[int, int] | None, mode: str, stretch: bool = False
) -> tuple[np.ndarray, list[str]]:
    """One still image as uint8 and the changes that were made to it; the arguments are ``from_folder``'s.

    Raises:
        Unreadable: with the reason.
    """
    check_file(path)
    Image.init()  # Pillow loads some of its decoders only when told to
    changes: list[str] = []
    try:
        with warnings.catch_warnings():
            # Pillow warns of large images and odd metadata; both are judged here.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as image:
                _check_header(image)
                turned = image.format == "TIFF" and _is_turned(image)  # Pillow turns it when it loads it
                image = _loaded(image, path, changes)
                if _is_turned(image):  # after loading: reading the tag of a PNG loads it
                    image.info.pop("exif", None)  # else Pillow writes its other tags anew, even damaged ones
                    image, turned = ImageOps.exif_transpose(image), True
                image = _eight_bits(image, mode, changes)
                if turned:
                    changes.append("turned upright as its EXIF orientation says")
                pixels = np.asarray(_fit(image, size, stretch))
                if mode == "auto" and pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
                    pixels = pixels[..., 0]
                return pixels, changes
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


def _loaded(image: Image.Image, path: Path, changes: list[str]) -> Image.Image:
    """The decoded image, also of a JPEG whose last bytes are missing, if hardly a pixel depends on them."""
    try:
        image.load()
        return image
    except OSError as error:
        if image.format != "JPEG" or "truncated" not in str(error):
            raise
    # Two ends that could have been there: pixels that differ are pixels that are lost.
    content, end = path.read_bytes(), b"\xff\xd9"
    both = [Image.open(io.BytesIO(content + more + end), formats=("JPEG",)) for more in (b"", b"Z" * 4096)]
    lost = float(np.not_equal(*map(np.asarray, both)).mean())
    if lost > LOST_PIXELS:
        raise Unreadable(f"cut off: {lost:.0%} of its pixels are missing")
    changes.append("the end of the file is missing; what is left was decoded")
    return both[0]


def _is_turned(image: Image.Image) -> bool:
    try:
        return image.getexif().get(ExifTags.Base.Orientation) in range(2, 9)
    except Exception:  # damaged metadata is no reason to lose the image
        return False


def _eight_bits(image: Image.Image, mode: str, changes: list[str]) -> Image.Image:
    """Grey or RGB with 8 bits a channel, nothing transparent."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image)
        if image.mode == "F" or values.min() < 0 or values.max() > 65535:
            kind = f"pixel values of type {values.dtype} have no agreed range"
            raise Unreadable(f"{kind}; save it with 8 or 16 bits")
        # Cameras and scanners put 10, 12 or 14 bits into a file of 16. Pillow's own conversion cuts
        # everything above 255 to white.
        depth = next(bits for bits in (8, 10, 12, 14, 16) if values.max() < 2**bits)
        image = Image.fromarray(np.rint(values * (255 / (2**depth - 1))).astype("uint8"))
        read = f", read as {depth}-bit because no value is above {values.max():,}," if depth < 16 else ""
        changes.append(f"16-bit grey{read} scaled to 8 bits")
    if image.mode == "LAB":
        profiles = (ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"))
        image = ImageCms.applyTransform(image, ImageCms.buildTransform(*profiles, "LAB", "RGB"))
        changes.append("LAB converted to RGB")
    if image.mode == "CMYK":
        image = image.convert("RGB")
        changes.append("CMYK converted to RGB without a colour profile")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getextrema()[3][0] < 255:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            changes.append("transparent pixels laid on grey value 255")
        image = image.convert("RGB")
    if mode == "auto":
        mode = "L" if image.mode in ("1", "L") else "RGB"
    try:
        return image.convert(mode)
    except ValueError as error:
        raise Unreadable(f"its colours ({image.mode}) are not read; save it as RGB") from error


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
    path: str | os.PathLike[str],
    text_column: str = "text",
    label_column: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
) -> Dataset:
    """One file as a ``Dataset``; its suffix says how it is read. Introduced in notebook 21.

    ``.npz``: what ``Dataset.save`` wrote, or uint8 images named ``data``, ``images`` or
    ``x`` with ``labels`` or ``y``; ``.npy``: uint8 images. ``.csv``, ``.tsv``, ``.jsonl`` and ``.parquet``: a
    column of texts, and one of class names where it is given. ``.txt``: one item a line, empty lines
    left out. No file is unpickled.

    Args:
        encoding: of a text file; None for UTF-8, or what its byte-order mark says.
        delimiter: of a ``.csv``, where it is no comma.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another suffix, a column or array that is not there, missing texts or labels, rows that
            are longer than the header, or unreadable content.
    """
    path = _one_file(path)
    suffix, title = path.suffix.lower(), spelled(path.stem)
    with _named(path):
        if suffix in (".npz", ".npy"):
            return _from_arrays(path, title)
        if suffix == ".txt":
            lines = re.split(_LINE_END, decoded(path.read_bytes(), encoding))
            return Dataset([line for line in lines if line.strip()], card=own_card(title, "text"))
        if suffix not in COLUMN_FILES:
            known = ", ".join((".npz", ".npy", *COLUMN_FILES, ".txt"))
            sound = "; collect.read_sound reads one sound" if suffix in sounds.SUFFIXES else ""
            raise ValueError(f"its suffix is not known; give a file that ends in {known}{sound}")
        wanted = [text_column] if label_column is None else [text_column, label_column]
        columns = read_columns(path, encoding, delimiter, wanted)
        return _from_columns(columns, text_column, label_column, title)


def read_columns(
    path: str | os.PathLike[str],
    encoding: str | None = None,
    delimiter: str | None = None,
    wanted: Sequence[str] = (),
) -> dict[str, list]:
    """A ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet`` file as its columns, by name; see ``from_file``.

    The cells of a ``.csv`` or ``.tsv`` stay as they are written: "NA" is a word here, not a missing value. A
    column without a name is called after its place.

    Args:
        wanted: columns that must be there.

    Raises:
        FileNotFoundError: no such file.
        ValueError: as for ``from_file``; also two columns of one name.
    """
    path = _one_file(path)
    suffix = path.suffix.lower()
    with _named(path):
        if suffix == ".parquet":
            import pandas as pd  # here, because it is slow to import

            table = pd.read_parquet(path)
            columns = {str(name): table[name].to_list() for name in table.columns}
        elif suffix in (".csv", ".tsv"):
            columns = _columns(decoded(path.read_bytes(), encoding), suffix, delimiter, wanted)
        elif suffix != ".jsonl":
            raise ValueError(f"it has no columns; give a file that ends in {', '.join(COLUMN_FILES)}")
        else:
            columns = _objects(decoded(path.read_bytes(), encoding))
        if lacking := [name for name in wanted if name not in columns]:
            raise ValueError(f"it has no column {lacking[0]!r}; its columns are {', '.join(columns)}")
        return columns


def _one_file(path: str | os.PathLike[str]) -> Path:
    path = Path(path).expanduser()
    if path.is_dir():
        raise ValueError(f"{path} is a folder; use collect.from_folder")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; check the path")
    if not path.is_file():  # a pipe would be waited for without end
        raise ValueError(f"{path} is no plain file; copy what it gives into one")
    return path


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """What goes wrong with the file is said in one sentence that names it."""
    try:
        yield
    except Unreadable as error:
        raise ValueError(f"{spelled(path.name)} is {error}") from error
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:  # their own words are clear
        if str(error).startswith("cannot read "):
            raise
        raise ValueError(f"cannot read {spelled(path.name)}: {str(error).splitlines()[0]}") from error


def _from_arrays(path: Path, title: str) -> Dataset:
    stored = np.load(path, allow_pickle=False)
    if isinstance(stored, np.ndarray):
        return Dataset(stored, card=own_card(title))
    with stored:
        if "about" in stored:
            return Dataset.load(path)
        arrays = dict(stored)
    data = next((arrays[name] for name in _DATA_NAMES if name in arrays), None)
    if data is None:
        raise ValueError(f"it has no array named {', '.join(_DATA_NAMES)}, only {', '.join(arrays)}")
    named = next((arrays[name] for name in _LABEL_NAMES if name in arrays), None)
    classes, labels = _classes(None if named is None else named.tolist(), "labels")
    return Dataset(data, labels, classes, own_card(title))


def _columns(
    text: str, suffix: str, delimiter: str | None, wanted: Sequence[str]
) -> dict[str, list[str | None]]:
    chosen = delimiter or ("\t" if suffix == ".tsv" else ",")
    chosen = "\t" if chosen == "\\t" else chosen  # as one types it in a shell
    if len(chosen) != 1 or chosen in '"\r\n':
        raise ValueError(f"a delimiter is one character, such as ; or \\t for a tab, got {chosen!r}")
    first = text.split("\n", 1)[0]
    other = next((mark for mark in _DELIMITERS if mark != chosen and mark in first), None)
    hint = ""
    if other and not delimiter:
        hint = f"its first line holds {_DELIMITERS[other]}: give delimiter={other!r} "
        hint += "if they stand between the columns"
    csv.field_size_limit(TEXT_LIMIT)
    reader, rows, lines = csv.reader(io.StringIO(text, newline=""), delimiter=chosen, strict=True), [], []
    try:
        for row in filter(None, reader):
            rows.append(row)
            lines.append(reader.line_num)
    except csv.Error as error:
        if hint:
            raise ValueError(hint) from error
        begun = lines[-1] + 1 if lines else 1
        raise ValueError(
            f"in line {begun} a quotation mark is not closed, or stands inside a cell ({error}): put such a "
            'cell in quotation marks and write "" for each mark in it'
        ) from error
    if not rows:
        raise ValueError("it is empty")
    header = [name.strip() or f"column {place}" for place, name in enumerate(rows[0], start=1)]
    lacking = [name for name in wanted if name not in header]
    if hint and (lacking or (not wanted and len(header) == 1)):
        what = f"no column {lacking[0]!r}" if lacking else "one column only"
        raise ValueError(f"it has {what}, and {hint}")
    (name, count), *_ = Counter(header).most_common(1)
    if count > 1:
        raise ValueError(f"{count} columns are called {name!r}; rename all but one")
    width = len(header)
    for number, row in zip(lines[1:], rows[1:], strict=True):
        # A spreadsheet may leave empty fields behind the last column; anything else would shift columns.
        if any(field.strip() for field in row[width:]):
            raise ValueError(
                f"line {number} has {len(row)} fields, the header {width}: put texts that hold a delimiter "
                "in quotation marks"
            )
    columns = zip_longest(*(row[:width] for row in rows))  # what a short row lacks is None
    return {name: list(cells[1:]) for name, cells in zip(header, columns, strict=True)}


def _objects(text: str) -> dict[str, list[object]]:
    """A JSON object a line, as columns."""
    rows = []
    for number, line in enumerate(re.split(_LINE_END, text), start=1):
        try:
            row = json.loads(line) if line.strip() else None
        except ValueError as error:
            raise ValueError(f"line {number} is not JSON: {error}") from error
        if row is not None and not isinstance(row, dict):
            raise ValueError(f"line {number} is no JSON object {{…}}")
        rows += [row] if row is not None else []
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _from_columns(
    columns: dict[str, list], text_column: str, label_column: str | None, title: str
) -> Dataset:
    import pandas as pd

    texts = columns[text_column]
    if missing := pd.Series(texts, dtype=object).isna().sum():
        raise ValueError(
            f"{missing} texts in the column {text_column!r} are missing; fill or drop those rows"
        )
    named = None if label_column is None else columns[label_column]
    classes, labels = _classes(named, f"labels in the column {label_column!r}")
    return Dataset([str(text) for text in texts], labels, classes, own_card(title, "text"))


def _classes(named: list | None, what: str) -> tuple[tuple[str, ...], np.ndarray | None]:
    """Class names in order, and the number of each item's class.

    Raises:
        ValueError: labels that are missing; the message counts them.
    """
    import pandas as pd

    if named is None:
        return (), None
    cells = pd.Series(named, dtype=object)
    written = cells.astype(str).str.strip().str.lower()
    missing = np.flatnonzero(cells.isna() | written.isin(["", "nan"]))
    if len(missing):
        raise ValueError(
            f"{len(missing)} {what} are missing (the first is that of item {missing[0] + 1}); "
            "fill or drop them"
        )
    classes, labels = np.unique(np.array(named), return_inverse=True)
    return tuple(map(str, classes)), labels
