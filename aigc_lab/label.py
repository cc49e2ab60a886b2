"""Stage 3, label: which labels are probably wrong, and the file in which a person's labels are kept.

``issues`` finds labels that are probably wrong and ``relabel`` puts the suggested ones in their place
(notebook 00; notebook 03 writes the method out). ``Annotations`` is what a labelling session writes.
How far annotators agree, what several of them say together, rules in place of people, and which item to
label next are written in notebook 03.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_lab.collect.dataset import Dataset, atomic_write

if TYPE_CHECKING:
    import pandas as pd

NO_LABEL = -1  # stands for "no label" wherever labels are numbers


def out_of_sample_probabilities(
    features: np.ndarray, labels: np.ndarray, folds: int = 5, seed: int = 0
) -> np.ndarray:
    """Class probabilities ``(n, classes)`` of each item from a classifier that never saw it.

    A logistic regression on standardised features is trained ``folds`` times, each time without one part.
    Columns follow the sorted labels that occur.

    Raises:
        ValueError: one class only, a class with fewer items than folds, or features that do not fit.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    counts = np.unique(labels, return_counts=True)[1]
    if len(counts) < 2:
        raise ValueError(
            "label errors need at least two classes; a single class has nothing to be confused with"
        )
    if counts.min() < folds:
        raise ValueError(f"a class has {counts.min()} items, fewer than the {folds} folds; use fewer folds")
    if len(features) != len(labels) or not np.isfinite(features).all():
        raise ValueError(f"features must be finite, one row for each of the {len(labels)} labels")
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    # Matrices this small are slower on several threads, many times so where others use the cores too.
    with threadpool_limits(1):
        return cross_val_predict(classifier, features, labels, cv=parts, method="predict_proba")


def issues(
    dataset: Dataset, features: np.ndarray | None = None, folds: int = 5, seed: int = 0
) -> pd.DataFrame:
    """Items whose label is probably wrong, the surest first, by confident learning.

    It compares the label that an item was given with what a classifier, trained on the *other* items,
    says of it (Northcutt, Jiang and Chuang 2021, arXiv 1911.00068; the package cleanlab).

    Args:
        features: ``(n, d)``: ``evaluate.features(dataset.data)`` for grey images of 28 x 28 pixels,
            ``evaluate.photo_vectors(dataset.data)`` for any, ``clean.sounds.describe(dataset)`` for
            recordings; None for the pixels, of which large images have too many.

    Returns:
        An issue table (see ``clean.issues``): ``item``, ``score`` (1 minus the probability of the given
        label), ``reason``, ``detector`` and ``suggested`` (a label number).

    Raises:
        ValueError: no labels, one class only, or a class with fewer items than folds.
    """
    import pandas as pd
    from cleanlab.filter import find_label_issues

    if dataset.labels is None:
        raise ValueError("this set has no labels to check; give it labels first")
    if features is None:
        features = dataset.arrays()[0].reshape(len(dataset), -1)  # (n, h, w, c) -> (n, h*w*c)
    classes, given, counts = np.unique(dataset.labels, return_inverse=True, return_counts=True)
    names = dataset.class_names
    if len(classes) > 1 and counts.min() < folds:
        raise ValueError(
            f"class {names[classes[counts.argmin()]]} has {counts.min()} items, fewer than the "
            f"{folds} folds; leave it out or use fewer folds"
        )
    probabilities = out_of_sample_probabilities(features, dataset.labels, folds, seed)
    found = find_label_issues(given, probabilities, return_indices_ranked_by="normalized_margin", n_jobs=1)
    suggested = classes[probabilities[found].argmax(axis=1)]
    reasons = [
        f"labelled {names[dataset.labels[item]]}, looks like {names[label]}"
        for item, label in zip(found, suggested, strict=True)
    ]
    return pd.DataFrame(
        {
            "item": np.asarray(found, int),
            "score": 1.0 - probabilities[found, given[found]],
            "reason": pd.Series(reasons, dtype=object),  # texts also where there are none
            "detector": "label_issues",
            "suggested": suggested,
        }
    )


def relabel(dataset: Dataset, issues: pd.DataFrame) -> Dataset:
    """The set with each found item's label replaced by the suggested one; nothing else changes."""
    if dataset.labels is None:
        raise ValueError("this set has no labels to change; give it labels first")
    labels = dataset.labels.copy()
    labels[issues["item"].to_numpy(int)] = issues["suggested"].to_numpy(int)
    return replace(dataset, labels=labels)


class Annotations:
    """Labels that one person gave, in order, kept in a JSON file that is written whole after each entry.

    An entry is the SHA-256 of an item's content (``Dataset.hashes``) and the *name* of its class, or
    None for "cannot tell". So the file fits the set after items were added, dropped or reordered, and
    exact copies share their label. Introduced in notebook 03.

    Args:
        path: the file; it is read if it is there, and first written by the first entry.
        class_names: the classes that may be chosen.
        annotator: who labels; stored in the file.

    Raises:
        ValueError: the file holds no annotations, or those of other classes or of another annotator.
        OSError: the file cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str], class_names: Sequence[str], annotator: str = "") -> None:
        self.path, self.class_names, self.annotator = Path(path), tuple(class_names), annotator
        if not self.class_names:
            raise ValueError("there are no classes to choose from; give class_names")
        self.entries: list[tuple[str, str | None]] = []
        self._stored: bytes | None = None
        if self.path.exists():
            self._stored = self.path.read_bytes()
            stored = _read(self.path, self._stored)
            if tuple(stored["classes"]) != self.class_names:
                raise ValueError(
                    f"{path} has the classes {', '.join(map(str, stored['classes']))}, not "
                    f"{', '.join(self.class_names)}; choose another file name"
                )
            if stored["annotator"] != annotator:
                raise ValueError(
                    f"{path} holds the labels of {stored['annotator'] or 'somebody without a name'}, not of "
                    f"{annotator or 'somebody without a name'}; choose another file name"
                )
            self.entries = stored["entries"]

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

    def _write(self, entries: list[tuple[str, str | None]]) -> None:
        on_disk = self.path.read_bytes() if self.path.exists() else None
        if on_disk is not None and on_disk != self._stored:
            # Somebody else labels into the same file: writing now would wipe out their work.
            raise OSError(
                f"{self.path} was changed by somebody else since it was read; read it again (run the "
                "cell again), and let each person use a file of their own"
            )
        table = {"annotations": 1, "annotator": self.annotator, "classes": list(self.class_names)}
        content = json.dumps(table | {"entries": entries}, ensure_ascii=False, indent=0).encode("utf-8")
        with atomic_write(self.path) as stream:
            stream.write(content)
        self._stored, self.entries = content, entries


def _read(path: Path, content: bytes) -> dict[str, Any]:
    """What the file holds; ValueError if it holds no annotations."""
    try:
        stored: dict[str, Any] = json.loads(content.decode("utf-8"))
        version, classes, _ = (stored[key] for key in ("annotations", "classes", "annotator"))
        stored["entries"] = [(str(digest), name) for digest, name in stored["entries"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} holds no annotations ({error}); choose another file name") from error
    if version != 1:
        raise ValueError(f"{path} holds annotations of version {version}; this program reads 1")
    strange = [name for _, name in stored["entries"] if name is not None and name not in classes]
    if strange:
        raise ValueError(f"{path} holds the label {strange[0]!r}, which is none of its classes")
    return stored


def read_labels(path: str | os.PathLike[str], dataset: Dataset) -> np.ndarray:
    """A file of annotations as numbers of ``dataset.class_names``, one for each item; -1 for none.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no annotations, or those of other classes.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there are no annotations {path}; label something first")
    annotator = _read(path, path.read_bytes())["annotator"]
    return Annotations(path, dataset.class_names, annotator).labels(dataset)
