"""Readers of the downloaded data sets: bytes whose hash was checked, to ``Dataset``.

Introduced in notebook 01.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aigc_lab.collect.cards import CARDS
from aigc_lab.collect.dataset import Dataset
from aigc_lab.collect.fetch import fetch
from aigc_lab.collect.pictures import centre_square
from aigc_lab.collect.registry import FILES

if TYPE_CHECKING:
    import pandas as pd

# What to suggest where a file cannot be had: a set of the same kind that needs no network.
EMBEDDED_ALTERNATIVE = {
    "quickdraw": "animals",
    "mnist-t10k": "digits",
    "mnist-label-errors": "digits",
    "tang-poems": "dialogues",
    "tang-300": "dialogues",
    "tiny-shakespeare": "python-code",
    "kodak": "photos",
}
DIGIT_NAMES = tuple(str(digit) for digit in range(10))


def files_of(name: str, progress: bool = True) -> dict[str, Path]:
    """The files of a downloaded set by file name; fetched where they are missing."""
    paths = fetch(FILES[name], EMBEDDED_ALTERNATIVE[name], progress)
    return {path.name: path for path in paths}


def read_idx(path: Path) -> np.ndarray:
    """An array in the gzipped IDX format of MNIST: magic number, sizes (big-endian), bytes."""
    stored = gzip.decompress(path.read_bytes())
    dimensions = stored[3]
    shape = np.frombuffer(stored, ">i4", count=dimensions, offset=4)
    return np.frombuffer(stored, "uint8", offset=4 + 4 * dimensions).reshape(shape)


def quickdraw(progress: bool = True) -> Dataset:
    """Six classes of 3,000 sketches; the files hold ``(3000, 1, 784)``."""
    files = files_of("quickdraw", progress)
    classes = tuple(Path(name).stem for name in files)
    pictures = [np.load(path, allow_pickle=False).reshape(-1, 28, 28) for path in files.values()]
    labels = np.repeat(np.arange(len(classes)), [len(part) for part in pictures])
    return Dataset(np.concatenate(pictures), labels, classes, CARDS["quickdraw"])


def mnist(progress: bool = True, name: str = "mnist-t10k") -> Dataset:
    """The 10,000 test digits with the labels as published."""
    files = files_of("mnist-t10k", progress)
    pictures, labels = (
        read_idx(files["t10k-images-idx3-ubyte.gz"]),
        read_idx(files["t10k-labels-idx1-ubyte.gz"]),
    )
    return Dataset(pictures, labels, DIGIT_NAMES, CARDS[name])


def mnist_label_errors(progress: bool = True) -> Dataset:
    """The same digits and labels; ``label_review`` tells which labels people doubt."""
    files_of("mnist-label-errors", progress)
    return mnist(progress, "mnist-label-errors")


def label_probabilities(progress: bool = True) -> np.ndarray:
    """Out-of-sample class probabilities for ``mnist-label-errors``: float64 ``(10000, 10)``, rows sum to 1.

    From cleanlab/label-errors (Northcutt et al. 2021). Introduced in notebook 03.
    """
    path = files_of("mnist-label-errors", progress)["mnist_test_set_pyx.npy"]
    return np.load(path, allow_pickle=False)


def label_review(progress: bool = True) -> pd.DataFrame:
    """What five or more people said about 100 doubtful labels of ``mnist-label-errors``.

    Columns: ``item`` (position in the set), ``given`` and ``suggested`` (labels), the votes
    ``votes_given``, ``votes_suggested``, ``votes_neither``, and ``verdict``: the label with
    most votes as ``"given"``, ``"suggested"`` or ``"neither"``, or ``"tie"``.
    From cleanlab/label-errors (Northcutt et al. 2021). Introduced in notebook 03.
    """
    import pandas as pd

    path = files_of("mnist-label-errors", progress)["mnist_mturk.json"]
    rows = []
    for entry in json.loads(path.read_text(encoding="utf-8")):
        votes = {"given": entry["mturk"]["given"], "suggested": entry["mturk"]["guessed"]}
        votes["neither"] = entry["mturk"]["neither"]
        best = [choice for choice, count in votes.items() if count == max(votes.values())]
        rows.append(
            {
                "item": entry["id"],
                "given": entry["given_original_label"],
                "suggested": entry["our_guessed_label"],
                **{f"votes_{choice}": count for choice, count in votes.items()},
                "verdict": best[0] if len(best) == 1 else "tie",
            }
        )
    return pd.DataFrame(rows)


def poems(name: str = "tang-poems", progress: bool = True) -> pd.DataFrame:
    """``tang-poems`` or ``tang-300`` as a table: ``title``, ``author``, ``text``, ordered as ``load``.

    Introduced in notebook 11.
    """
    import pandas as pd

    if name not in ("tang-poems", "tang-300"):
        raise ValueError(f"poems are in 'tang-poems' and 'tang-300', not in {name!r}")
    rows = []
    for path in files_of(name, progress).values():
        for poem in json.loads(path.read_text(encoding="utf-8")):
            rows.append((poem["title"], poem["author"], "\n".join(poem["paragraphs"])))
    return pd.DataFrame(rows, columns=["title", "author", "text"])


def _poem_dataset(name: str, progress: bool) -> Dataset:
    table = poems(name, progress)
    labels, authors = table["author"].factorize()
    return Dataset(table["text"].tolist(), labels, tuple(authors), CARDS[name])


def tang_poems(progress: bool = True) -> Dataset:
    """12,008 poems; the label is the poet, in order of first appearance."""
    return _poem_dataset("tang-poems", progress)


def tang_300(progress: bool = True) -> Dataset:
    """366 well-known poems; the label is the poet, in order of first appearance."""
    return _poem_dataset("tang-300", progress)


def tiny_shakespeare(progress: bool = True) -> Dataset:
    """One item a speech; ``"\\n\\n".join(dataset.data)`` is the original file."""
    path = files_of("tiny-shakespeare", progress)["input.txt"]
    return Dataset(path.read_bytes().decode("utf-8").split("\n\n"), None, (), CARDS["tiny-shakespeare"])


def kodak_originals(progress: bool = True) -> dict[str, np.ndarray]:
    """Each photograph at its own size: uint8 ``(512, 768, 3)`` or ``(768, 512, 3)``."""
    from PIL import Image

    pictures = {}
    for name, path in files_of("kodak", progress).items():
        with Image.open(path) as picture:
            pictures[Path(name).stem] = np.asarray(picture.convert("RGB"))
    return pictures


def kodak(progress: bool = True) -> Dataset:
    """The centre 512 x 512 of each photograph, no pixel resampled."""
    originals = kodak_originals(progress).values()
    return Dataset(np.stack([centre_square(picture, 512) for picture in originals]), None, (), CARDS["kodak"])


READERS = {
    "quickdraw": quickdraw,
    "mnist-t10k": mnist,
    "mnist-label-errors": mnist_label_errors,
    "tang-poems": tang_poems,
    "tang-300": tang_300,
    "tiny-shakespeare": tiny_shakespeare,
    "kodak": kodak,
}
