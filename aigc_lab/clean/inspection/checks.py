"""Run every detector that fits, in blocks that bound the memory; say what could not be looked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from aigc_lab.clean.alignment import prepared
from aigc_lab.clean.duplicates import exact_duplicates, near_duplicates
from aigc_lab.clean.findings import findings_table, grey_pictures
from aigc_lab.clean.forest import isolation_forest
from aigc_lab.clean.hamming import hash_duplicates
from aigc_lab.clean.information import low_information
from aigc_lab.clean.inspection.words import DROP, check_of
from aigc_lab.clean.outliers import outliers
from aigc_lab.clean.quality import badly_lit, blurred, noisy, occluded
from aigc_lab.collect.dataset import Dataset

ALIGNED_LIMIT = 60_000  # pictures; the time to align them grows with the square of their number
_VALUES = 4_000_000  # numbers in a block of pictures: 16 MB as float32
_LARGEST_SIDE = 64  # pixels: larger pictures are compared and described at half of it
_FOLDS = 5
_DIRECTIONS = 60
_QUOTED = re.compile(r"""'.*'|".*"|“.*”""", re.DOTALL)
_TOO_MANY = 0.1  # a check of quality that finds a larger share was made for other pictures

Found = dict[str, Any]


def look(
    dataset: Dataset, features: Any, label_errors: bool, seed: int, step: Callable[[str], None]
) -> tuple[Found, list[str]]:
    """Findings by detector, and notes on what was not done or should not be trusted.

    Args:
        dataset: pictures or texts.
        features: ``(n, d)`` or None.
        label_errors: look for doubtful labels too.
        seed: for what is drawn at random.
        step: called with the name of each check before it runs.
    """
    notes: list[str] = []
    if dataset.modality == "images":
        found = _look_at_pictures(dataset, features, seed, step, notes)
    elif dataset.modality == "text":
        found = _look_at_texts(dataset, step)
    else:
        raise ValueError(f"inspect looks at images and text, and the data set holds {dataset.modality}")
    if label_errors:
        step("label_errors")
        found["label_errors"] = _doubtful_labels(dataset, features, seed, notes)
    return found, notes


def _look_at_pictures(
    dataset: Dataset, features: Any, seed: int, step: Callable[[str], None], notes: list[str]
) -> Found:
    found: Found = {}
    step("exact_duplicates")
    found["exact_duplicates"] = exact_duplicates(dataset)
    small = _shrunk(dataset)
    if len(dataset) <= ALIGNED_LIMIT:
        step("near_duplicates")
        found["near_duplicates"] = _near_copies(small, found["exact_duplicates"]["item"])
    else:
        step("hash_duplicates")
        found["hash_duplicates"] = hash_duplicates(dataset)
        notes.append(
            f"With more than {ALIGNED_LIMIT:,} pictures near copies are sought by perceptual hash, which "
            "misses shifted and turned ones; clean.near_duplicates finds them, in hours rather than minutes."
        )
    step("low_information")
    found["low_information"] = low_information(dataset)
    for detector in (blurred, noisy, badly_lit, occluded):
        name = detector.__name__
        step(name)
        table = _in_blocks(detector, dataset, name)
        # What is blank is badly lit as well: once is enough.
        found[name] = table[~table["item"].isin(found["low_information"]["item"])].reset_index(drop=True)
        if len(table) > _TOO_MANY * len(dataset):
            notes.append(
                f"“{check_of(name).title}” finds {len(table) / len(dataset):.0%} of the items: its limit "
                "was made for other pictures (silhouettes and small drawings), so do not trust it here."
            )
    step("outliers")
    found["outliers"] = _unusual(small, features, seed, found)
    if features is None:
        notes.append(
            "Unusual pictures and doubtful labels were sought with plain measurements of the pixels. "
            "Features of a network that knows such pictures find more: inspect(…, features=your_function)."
        )
    return found


def _near_copies(small: Dataset, exact: Any) -> Any:
    """Near-duplicates of the (perhaps shrunk) pictures, with those that shrinking has made equal."""
    equal = exact_duplicates(small)
    equal = equal[~equal["item"].isin(exact)]
    near = near_duplicates(small)
    near = near[~near["item"].isin(exact)]
    return findings_table(
        "near_duplicates",
        [*equal["item"], *near["item"]],
        [*equal["score"], *near["score"]],
        [*(f"equal to item {one} when both are small" for one in equal["duplicate_of"]), *near["reason"]],
        [*equal["duplicate_of"], *near["duplicate_of"]],
    )


def _unusual(dataset: Dataset, features: Any, seed: int, found: Found) -> Any:
    """What ``outliers`` finds among the items that nothing else was found against.

    Those that the isolation forest finds as well come first: two methods that fail in different ways agree.
    """
    unsuspected = np.ones(len(dataset), dtype=bool)
    for table in found.values():
        unsuspected[table["item"]] = False
    far = outliers(dataset, features, among=unsuspected, seed=seed)
    forest = set(isolation_forest(dataset, features, among=unsuspected, seed=seed)["item"])
    agreed = far["item"].isin(forest)
    far["reason"] = far["reason"].where(~agreed, far["reason"] + "; the isolation forest agrees")
    order = np.lexsort((far["item"], -far["score"], ~agreed))
    return far.iloc[order].reset_index(drop=True)


def _look_at_texts(dataset: Dataset, step: Callable[[str], None]) -> Found:
    from aigc_lab.clean import text  # here, because its libraries are slow to import

    found: Found = {}
    detectors = [find for find in text.DETECTORS.values() if find is not text.other_language]
    for detector in detectors:
        step(detector.__name__)
        found[detector.__name__] = detector(dataset)
    # Garbled and empty texts are of no language.
    readable = np.ones(len(dataset), dtype=bool)
    for name in ("garbled", "uninformative"):
        readable[found[name]["item"]] = False
    step("other_language")
    found["other_language"] = text.other_language(dataset, among=readable)
    _keep_secrets(found)
    return found


def _keep_secrets(found: Found) -> None:
    """Take quotations out of the reasons where a text holds personal data: a quotation may cut it in two."""
    secret = set(found["personal_data"]["item"])
    for table in found.values():
        hidden = table["item"].isin(secret)
        table["reason"] = [
            _QUOTED.sub("[masked]", reason) if hide else reason
            for reason, hide in zip(table["reason"], hidden, strict=True)
        ]


def _doubtful_labels(dataset: Dataset, features: Any, seed: int, notes: list[str]) -> Any:
    """Findings of ``label.errors`` among the classes that are large enough for it."""
    nothing = findings_table("label_errors", [], [], [])
    nothing["suggested"] = np.empty(0, dtype=np.int64)
    if dataset.labels is None:
        notes.append("There are no labels to check: one sub-folder for each class would give them.")
        return nothing
    counts = np.bincount(dataset.labels, minlength=len(dataset.class_names))
    small = [name for name, count in zip(dataset.class_names, counts, strict=True) if 0 < count < _FOLDS]
    chosen = np.flatnonzero(counts[dataset.labels] >= _FOLDS)
    if (counts >= _FOLDS).sum() < 2:
        notes.append(f"Labels were not checked: that needs two classes of at least {_FOLDS} items.")
        return nothing
    if small:
        few = ", ".join(small[:5]) + (f" and {len(small) - 5} more" if len(small) > 5 else "")
        notes.append(f"Labels of classes with fewer than {_FOLDS} items were not checked: {few}.")
    # The one place where a stage calls the next: a report on a folder should speak of its labels, too.
    from aigc_lab import label

    part = dataset[chosen]
    points = label_features(part, seed) if features is None else np.asarray(features)[chosen]
    table = label.errors(part, points, folds=_FOLDS, seed=seed)
    if len(table) > _TOO_MANY * len(part):
        notes.append(
            f"{len(table) / len(part):.0%} of the labels are doubted. So many are seldom wrong: more likely "
            "the features cannot tell these classes apart. Take better ones before you believe it."
        )
    table["item"] = chosen[table["item"].to_numpy(dtype=np.int64)]
    return table


def label_features(dataset: Dataset, seed: int = 0) -> np.ndarray:
    """Plain features ``(n, d)``, ``float32``, for a classifier of pictures or texts.

    Pictures: their 60 leading principal components. Texts: the same of the frequencies of pieces of one to
    three characters (TF-IDF), which needs no word boundaries and so serves Chinese as well.
    """
    if dataset.modality == "text":
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        pieces = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2, max_features=20_000)
        try:
            counted = pieces.fit_transform(item[:5000] for item in dataset.data)
        except ValueError:  # no piece occurs twice
            return np.zeros((len(dataset), 1), dtype=np.float32)
        size = min(_DIRECTIONS, min(counted.shape) - 1)
        if size < 1:
            return counted.toarray().astype(np.float32)
        return TruncatedSVD(size, random_state=seed).fit_transform(counted).astype(np.float32)
    small = _shrunk(dataset)
    flat = small.data.reshape(len(small), -1)
    sample = flat[:: max(1, len(flat) // 5000)].astype(np.float32)
    middle = sample.mean(axis=0)
    sample -= middle
    _, directions = np.linalg.eigh(sample.T @ sample)
    directions = directions[:, -_DIRECTIONS:]
    return np.concatenate([(block - middle) @ directions for _, block in _blocks(flat)])


def _shrunk(dataset: Dataset) -> Dataset:
    """Grey pictures of at most 32 pixels a side where the given ones are large; else the same set."""
    if max(dataset.data.shape[1:3]) <= _LARGEST_SIDE:
        return dataset
    blocks = []
    for start, _ in _blocks(dataset.data):
        rows = slice(start, start + _block_length(dataset.data))
        grey = prepared(grey_pictures(dataset[rows], "inspect"))
        blocks.append(np.clip(np.rint(grey), 0, 255).astype(np.uint8))
    return Dataset(np.concatenate(blocks), dataset.labels, dataset.class_names, dataset.card)


def _in_blocks(detector: Callable[[Dataset], Any], dataset: Dataset, name: str) -> Any:
    """A detector that judges each picture by itself, run on a block at a time."""
    items, scores, reasons = [], [], []
    for start, _ in _blocks(dataset.data):
        table = detector(dataset[start : start + _block_length(dataset.data)])
        items += list(table["item"] + start)
        scores += list(table["score"])
        reasons += list(table["reason"])
    return findings_table(name, items, scores, reasons)


def _block_length(data: np.ndarray) -> int:
    return max(1, _VALUES // int(np.prod(data.shape[1:])))


def _blocks(data: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    length = _block_length(data)
    for start in range(0, len(data), length):
        yield start, data[start : start + length]


def proposal(found: Found) -> tuple[str, ...]:
    """The checks whose findings are proposed to be dropped."""
    return tuple(name for name in found if check_of(name).part == DROP)
