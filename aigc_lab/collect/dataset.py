"""What every stage passes on: data, labels, and the card that says where they come from.

Introduced in notebook 00.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

MODALITIES = ("images", "text", "audio")
_CLASSES_SHOWN = 20


@dataclass(frozen=True)
class Card:
    """Provenance of a data set: who made it, under which licence, and what is wrong with it.

    ``known_faults`` lists faults found in the data as published, one sentence each.
    ``tier`` is ``"embedded"`` (inside an installed package), ``"download"`` or ``"own"``.
    """

    name: str
    title: str
    modality: str
    source: str
    licence: str
    size: str
    known_faults: tuple[str, ...] = ()
    tier: str = "own"
    citation: str = ""

    def to_text(self) -> str:
        """The card as plain text, one fact a line."""
        facts = {"modality": self.modality, "source": self.source, "licence": self.licence, "size": self.size}
        facts |= {"cite": self.citation} if self.citation else {}
        lines = [f"  {name + ':':<9} {fact}" for name, fact in facts.items()]
        lines += [f"  fault:    {fault}" for fault in self.known_faults]
        return "\n".join([f"{self.title} ({self.name})", *lines])


def own_card(name: str, modality: str = "images") -> Card:
    """A card for data that the user brings; the licence is theirs to state."""
    return Card(name, name, modality, "your own data", "not stated: check it before you publish", "")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Items, their labels and their card. Nothing in it changes after it is made.

    Args:
        data: ``uint8`` images ``(n, height, width)`` or ``(n, height, width, channels)``;
            a sequence of ``str``; or ``float32`` audio ``(n, samples)`` in [-1, 1], shorter sounds with
            zeros at their end.
        labels: integers ``(n,)`` that index ``class_names``, or None.
        class_names: the name of each class, in label order.
        card: provenance.
        sample_rate: of audio, in samples a second; None where it is not known.

    Raises:
        ValueError: a wrong shape, labels of another length, a label outside
            ``class_names``, a class name given twice, or NaN or infinite values.

    The arrays are read-only views: writing into ``data`` or ``labels`` raises; copy first.
    """

    data: Any
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] = ()
    card: Card = field(default_factory=lambda: own_card("unnamed"))
    sample_rate: int | None = None

    def __post_init__(self) -> None:
        if self.modality not in MODALITIES:
            raise ValueError(f"modality must be one of {', '.join(MODALITIES)}, got {self.modality!r}")
        text = self.modality == "text"
        data = _checked_text(self.data) if text else _checked_array(self.data, self.modality)
        class_names = _checked_class_names(self.class_names)
        object.__setattr__(self, "data", data)
        object.__setattr__(self, "sample_rate", _checked_sample_rate(self.sample_rate, self.modality))
        object.__setattr__(self, "class_names", class_names)
        if self.labels is not None:
            object.__setattr__(self, "labels", _checked_labels(self.labels, len(data), class_names))

    @property
    def modality(self) -> str:
        """``"images"``, ``"text"`` or ``"audio"``: what the card says."""
        return self.card.modality

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.data)

    def __getitem__(self, index: Any) -> Dataset:
        """Items by slice, integer array or boolean mask, as a new ``Dataset``.

        A single integer gives a ``Dataset`` of one item.
        """
        if isinstance(index, (int, np.integer)):
            index = [int(index)]
        chosen = np.arange(len(self))[index]
        data = tuple(self.data[i] for i in chosen) if self.modality == "text" else self.data[chosen]
        return replace(self, data=data, labels=None if self.labels is None else self.labels[chosen])

    def __repr__(self) -> str:
        text = self.modality == "text"
        shape = f"{len(self)} texts" if text else f"shape {self.data.shape} {self.data.dtype}"
        classes = f", {len(self.class_names)} classes" if self.class_names else ""
        return f"Dataset({self.card.name!r}, {shape}{classes})"

    def head(self, count: int = 5) -> Dataset:
        """The first ``count`` items."""
        return self[:count]

    def only(self, *names: str) -> Dataset:
        """The items of the named classes, with these classes alone, numbered in their old order.

        Raises:
            ValueError: no name, an unknown name, or a set without labels.
        """
        labels = self._labels_or_raise()
        unknown = [name for name in names if name not in self.class_names]
        if unknown or not names:
            wrong = f"no class named {unknown[0]!r}" if unknown else "name at least one class"
            raise ValueError(f"{wrong}; the classes are {', '.join(self.class_names)}")
        kept = [number for number, name in enumerate(self.class_names) if name in names]
        chosen = self[np.isin(labels, kept)]
        renumbered = np.searchsorted(kept, chosen.labels)
        return replace(chosen, labels=renumbered, class_names=[self.class_names[number] for number in kept])

    def counts(self) -> dict[str, int]:
        """How many items each class has."""
        found = np.bincount(self._labels_or_raise(), minlength=len(self.class_names))
        return {name: int(count) for name, count in zip(self.class_names, found, strict=True)}

    def hashes(self) -> list[str]:
        """SHA-256 of each item's content; equal items have equal hashes."""
        if self.modality == "text":
            return [hashlib.sha256(item.encode("utf-8", "surrogatepass")).hexdigest() for item in self.data]
        return [hashlib.sha256(np.ascontiguousarray(item).tobytes()).hexdigest() for item in self.data]

    def split(self, fractions: Sequence[float] = (0.7, 0.1, 0.2), seed: int = 0) -> tuple[Dataset, ...]:
        """Parts of about the given sizes; equal items always land in the same part.

        The part of an item is decided by a hash of its content and the seed. So an exact
        duplicate never sits on both sides of a split, and an item keeps its part when
        others are added or dropped. Sizes are therefore approximate. Notebook 01 writes it out.

        Raises:
            ValueError: fractions that are not positive or do not add up to 1.
        """
        fractions = [float(fraction) for fraction in fractions]
        # Written so that NaN fails too: no comparison with NaN is true.
        if not (fractions and min(fractions) > 0 and abs(sum(fractions) - 1) <= 1e-9):
            raise ValueError(f"split fractions must be positive and add up to 1, got {tuple(fractions)}")
        salted = (hashlib.sha256(f"{seed}:{digest}".encode()).digest() for digest in self.hashes())
        place = np.array([int.from_bytes(digest[:6], "big") / 2**48 for digest in salted])
        part = np.searchsorted(np.cumsum(fractions)[:-1], place, side="right")
        return tuple(self[part == number] for number in range(len(fractions)))

    def arrays(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Images as ``float32`` in [0, 1] of shape ``(n, height, width, channels)``, and the labels."""
        if self.modality != "images":
            raise ValueError(f"arrays() is for images; this set holds {self.modality}: use .data")
        images = self.data[..., None] if self.data.ndim == 3 else self.data
        return images.astype("float32") / 255.0, self.labels

    def describe(self) -> str:
        """The card and what was counted: shape, range, classes, exact duplicates."""
        lines = [self.card.to_text(), f"  items:    {len(self)}"]
        if len(self) and self.modality == "text":
            lengths = [len(item) for item in self.data]
            found = f"{min(lengths)} to {max(lengths)} characters, mean {np.mean(lengths):.1f}"
            lines.append(f"  length:   {found}")
        elif len(self):
            low, high = self.data.min(), self.data.max()
            lines.append(f"  array:    {self.data.shape} {self.data.dtype}, values {low} to {high}")
        if self.sample_rate is not None:
            seconds = self.data.shape[1] / self.sample_rate
            lines.append(f"  rate:     {self.sample_rate:,} samples a second, {seconds:.2f} s an item")
        if self.labels is not None and self.class_names:
            counts = [f"{name} {count}" for name, count in self.counts().items()]
            rest = f", and {len(counts) - _CLASSES_SHOWN} more" if len(counts) > _CLASSES_SHOWN else ""
            lines.append("  classes:  " + ", ".join(counts[:_CLASSES_SHOWN]) + rest)
        lines.append(f"  copies:   {len(self) - len(set(self.hashes()))} items repeat an earlier one exactly")
        return "\n".join(lines)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything to one ``.npz`` file (no pickle inside); a crash leaves no half file.

        The suffix ``.npz`` is added where it is missing. Returns the path written.
        """
        path = Path(path)
        path = path if path.suffix == ".npz" else path.with_name(path.name + ".npz")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"cannot save to {path}: make the folder {path.parent} first")
        parts = _pack_text(self.data) if self.modality == "text" else {"data": self.data}
        if self.labels is not None:
            parts["labels"] = self.labels
        facts = {"class_names": self.class_names, "card": asdict(self.card)}
        about = json.dumps(facts if self.sample_rate is None else {**facts, "sample_rate": self.sample_rate})
        with atomic_write(path) as stream:
            np.savez_compressed(stream, about=np.array(about), **parts)
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Dataset:
        """Read what ``save`` wrote.

        Raises:
            ValueError: the file is no data set written by ``save``.
        """
        broken = (KeyError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error)
        try:
            with np.load(path, allow_pickle=False) as stored:
                about = json.loads(str(stored["about"]))
                card = Card(**{**about["card"], "known_faults": tuple(about["card"]["known_faults"])})
                labels = stored.get("labels")
                data = _unpack_text(stored) if card.modality == "text" else stored["data"]
        except broken as error:
            raise ValueError(f"{path} is not a data set written by Dataset.save: {error}") from error
        return cls(data, labels, tuple(about["class_names"]), card, about.get("sample_rate"))

    def _labels_or_raise(self) -> np.ndarray:
        if self.labels is None:
            raise ValueError(f"the data set {self.card.name!r} has no labels")
        return self.labels


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A binary stream whose content appears under ``path`` only when the block ends well.

    It is written beside ``path`` and renamed, so a crash or a full disk leaves the old file as it was.

    Raises:
        OSError: the folder cannot be made or written to, or the disk is full; the message names the path.
    """
    path = Path(path)
    # Not tempfile.mkstemp: its files are readable by their owner only, and stay so.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = open(temporary, "wb")  # noqa: SIM115 - closed below, before the rename
    except OSError as error:
        sentence = f"cannot write in the folder {path.parent} ({error.strerror}); choose another one"
        raise type(error)(error.errno, sentence) from error
    try:
        with stream:
            yield stream
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        kept = "the file that was there is unchanged" if path.exists() else "nothing was written"
        raise type(error)(error.errno, f"cannot write {path} ({error.strerror}); {kept}") from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


class Unreadable(Exception):
    """Why a file is left out, in a few words."""


def check_file(path: Path) -> None:
    """Raises ``Unreadable`` for what is no file, and for an empty one."""
    if not path.is_file():
        raise Unreadable("not a file, or a link that leads nowhere")
    if path.stat().st_size == 0:
        raise Unreadable("empty: zero bytes")


def unknown_name(kind: str, name: Any, known: Sequence[str]) -> ValueError:
    """The error for a name that does not exist, with the nearest one that does."""
    near = get_close_matches(str(name), known, 1, 0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return ValueError(f"unknown {kind} {name!r}; {hint}The {kind}s are {', '.join(known)}")


def _pack_text(items: Sequence[str]) -> dict[str, np.ndarray]:
    """All texts as one run of UTF-8 bytes and their lengths.

    A NumPy array of strings would drop NUL characters at the end of a text and store
    every text as wide as the longest one, four bytes a character.
    """
    encoded = [item.encode("utf-8", "surrogatepass") for item in items]
    lengths = np.array([len(item) for item in encoded], dtype="int64")
    return {"text": np.frombuffer(b"".join(encoded), dtype="uint8"), "lengths": lengths}


def _unpack_text(stored: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    ends = np.cumsum(stored["lengths"])
    joined = stored["text"].tobytes()
    starts = ends - stored["lengths"]
    return tuple(joined[a:b].decode("utf-8", "surrogatepass") for a, b in zip(starts, ends, strict=True))


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view


def _checked_text(items: Any) -> tuple[str, ...]:
    if isinstance(items, (str, bytes)) or not all(isinstance(item, str) for item in items):
        raise ValueError(
            "text data must be a sequence of str; put one string in a list, and decode bytes first"
        )
    return tuple(str(item) for item in items)


def _checked_array(data: Any, modality: str) -> np.ndarray:
    try:
        data = np.asarray(data)
        finite = data.dtype == np.uint8 or bool(np.isfinite(data).all())
    except (ValueError, TypeError) as error:
        sentence = f"{modality} must be one array of numbers with items of one size; resize them first"
        raise ValueError(sentence) from error
    audio = modality == "audio"
    shapes = "(n, samples)" if audio else "(n, height, width) or (n, height, width, channels)"
    if data.ndim not in ((2,) if audio else (3, 4)):
        raise ValueError(f"{modality} must have shape {shapes}, got {data.shape}")
    if data.ndim == 4 and not 1 <= (channels := data.shape[3]) <= 4:
        first = "the channels seem to come first: give data.transpose(0, 2, 3, 1)"
        order = first if data.shape[1] <= 4 else "1 to 4 can be"
        raise ValueError(f"images of shape {data.shape} would have {channels} channels; {order}")
    if not finite:
        raise ValueError(f"{modality} must not hold NaN or infinite values; drop or repair those items first")
    if audio and data.size and (data.min() < -1 or data.max() > 1):
        raise ValueError(f"audio must lie in [-1, 1], got {data.min()} to {data.max()}; scale it first")
    if not audio and data.dtype != np.uint8:
        raise ValueError(
            f"images must be uint8 with values 0 to 255, got {data.dtype}; scale and round them first"
        )
    return _read_only(data.astype("float32", copy=False) if audio else data)


def _checked_sample_rate(rate: Any, modality: str) -> int | None:
    if rate is None:
        return None
    if modality != "audio":
        raise ValueError(f"sample_rate is for audio; this set holds {modality}: leave it out")
    if isinstance(rate, bool) or not isinstance(rate, (int, np.integer)) or rate < 1:
        raise ValueError(f"sample_rate must be a whole number of samples a second, got {rate!r}")
    return int(rate)


def _checked_class_names(names: Any) -> tuple[str, ...]:
    if isinstance(names, str):
        raise ValueError(f"class_names must be a sequence of names, got the one string {names!r}")
    names = tuple(str(name) for name in names)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the class name {twice!r} is given more than once; each class needs its own name")
    return names


def _checked_labels(labels: Any, length: int, class_names: Sequence[str]) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.shape != (length,):
        found = f"there are {length} items but labels of shape {labels.shape}"
        raise ValueError(f"{found}; give one label for each item")
    if length and not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels must be integers that index class_names, got {labels.dtype}")
    if length and not 0 <= labels.min() <= labels.max() < len(class_names):
        found = f"labels go from {labels.min()} to {labels.max()}"
        raise ValueError(f"{found}, but there are {len(class_names)} class names")
    return _read_only(labels.astype("int64", copy=False))
