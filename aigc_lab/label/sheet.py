"""A sheet of labels in a file, written whole after every entry, so that a crash loses nothing.

Introduced in notebook 03.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aigc_lab.collect.atomic import atomic_write
from aigc_lab.collect.checks import checked_class_names
from aigc_lab.collect.dataset import Dataset
from aigc_lab.label.ratings import NO_LABEL

_VERSION = 1


class LabelSheet:
    """Labels that one person gave, in order, kept in a JSON file.

    An entry is the SHA-256 of an item's content (``Dataset.hashes``) and the *name* of its class, or
    None for "cannot tell". So the sheet fits the set after items were added, dropped or reordered,
    and exact copies share their label.

    Args:
        path: the file; it is read if it is there, and first written by the first entry.
        class_names: the classes that may be chosen.
        annotator: who labels; stored in the file.

    Raises:
        ValueError: the file is no label sheet, is one of other classes or of another annotator.
        OSError: the file cannot be read.
    """

    def __init__(
        self, path: str | os.PathLike[str], class_names: Sequence[str], annotator: str = ""
    ) -> None:
        self.path = Path(path)
        self.class_names = checked_class_names(class_names)
        if not self.class_names:
            raise ValueError("there are no classes to choose from; give class_names")
        self.annotator = annotator
        self.entries: list[tuple[str, str | None]] = []
        self._stored: bytes | None = None
        if self.path.exists():
            self._stored = self.path.read_bytes()
            self._read(self._stored)

    def __len__(self) -> int:
        """Number of entries."""
        return len(self.entries)

    def add(self, digest: str, name: str | None) -> None:
        """Enter a label and write the file; an item that has one already gets the new one.

        Raises:
            ValueError: an unknown class.
            OSError: the file cannot be written, or was changed by somebody else; nothing is entered.
        """
        if name is not None and name not in self.class_names:
            raise ValueError(f"there is no class {name!r}; the classes are {', '.join(self.class_names)}")
        self._write([entry for entry in self.entries if entry[0] != digest] + [(digest, name)])

    def undo(self) -> tuple[str, str | None] | None:
        """Take back the last entry, write the file, and return the entry; None if there is none.

        Raises:
            OSError: see ``add``.
        """
        if not self.entries:
            return None
        last = self.entries[-1]
        self._write(self.entries[:-1])
        return last

    def names(self) -> dict[str, str | None]:
        """Digest to class name."""
        return dict(self.entries)

    def labels(self, dataset: Dataset) -> np.ndarray:
        """The set's items as numbers of ``class_names``, ``(n,)``; -1 where there is no label."""
        number = {name: place for place, name in enumerate(self.class_names)}
        given = self.names()
        return np.array([number.get(given.get(digest), NO_LABEL) for digest in dataset.hashes()], int)

    def _read(self, content: bytes) -> None:
        try:
            stored: dict[str, Any] = json.loads(content.decode("utf-8"))
            version, classes, annotator = (stored[key] for key in ("label_sheet", "classes", "annotator"))
            entries = [(str(digest), name) for digest, name in stored["entries"]]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{self.path} is no label sheet ({error}); choose another file name"
            ) from error
        if version != _VERSION:
            raise ValueError(f"{self.path} is a label sheet of version {version}; this one reads {_VERSION}")
        if tuple(classes) != self.class_names:
            raise ValueError(
                f"{self.path} has the classes {', '.join(map(str, classes))}, not "
                f"{', '.join(self.class_names)}; choose another file name"
            )
        if annotator != self.annotator:
            raise ValueError(
                f"{self.path} is the sheet of {annotator or 'somebody without a name'}, not of "
                f"{self.annotator or 'somebody without a name'}; choose another file name"
            )
        strange = [name for _, name in entries if name is not None and name not in self.class_names]
        if strange:
            raise ValueError(f"{self.path} holds the label {strange[0]!r}, which is none of its classes")
        self.entries = entries

    def _write(self, entries: list[tuple[str, str | None]]) -> None:
        on_disk = self.path.read_bytes() if self.path.exists() else None
        if on_disk is not None and on_disk != self._stored:
            # Somebody else labels into the same file: writing now would wipe out their work.
            raise OSError(
                f"{self.path} was changed by somebody else since it was read; read it again (run the "
                "cell again), and let each person use a file of their own"
            )
        content = json.dumps(
            {
                "label_sheet": _VERSION,
                "annotator": self.annotator,
                "classes": list(self.class_names),
                "entries": entries,
            },
            ensure_ascii=False,
            indent=0,
        ).encode("utf-8")
        with atomic_write(self.path) as stream:
            stream.write(content)
        self._stored, self.entries = content, entries


def read_labels(path: str | os.PathLike[str], dataset: Dataset) -> np.ndarray:
    """The labels of a sheet for the items of a set, as numbers of ``dataset.class_names``; -1 for none.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no label sheet, or one of other classes.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no label sheet {path}; label something first")
    try:
        annotator = json.loads(path.read_text(encoding="utf-8"))["annotator"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no label sheet ({error})") from error
    return LabelSheet(path, dataset.class_names, annotator).labels(dataset)
