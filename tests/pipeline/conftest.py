"""A folder of small coloured pictures with known faults, and one run of the pipeline on it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aigc_lab.pipeline import Result, run


def picture(kind: str, random: np.random.Generator, side: int = 40) -> np.ndarray:
    """A red disc or a green square, somewhere on a dark ground with a little grain: (side, side, 3)."""
    y, x = np.mgrid[:side, :side]
    centre, size = random.uniform(12, side - 12, 2), random.uniform(6, 11)
    off = np.abs(np.stack([y - centre[0], x - centre[1]]))
    inside = np.hypot(*off) < size if kind == "disc" else off.max(axis=0) < size
    colour = np.array((220, 60, 50) if kind == "disc" else (60, 190, 90)) * random.uniform(0.7, 1)
    image = np.where(inside[..., None], colour, random.uniform(20, 90, 3))
    return np.clip(image + random.normal(0, 4, image.shape), 0, 255).astype("uint8")


def write_pictures(folder: Path, count: int = 120) -> None:
    random = np.random.default_rng(0)
    for number in range(count):
        kind = ("disc", "square")[number % 2]
        (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(kind, random)).save(folder / kind / f"{number:03}.png")


def content(folder: Path) -> dict[str, str]:
    """Each file below a folder, and the hash of what is in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="session")
def state() -> Callable[[Path], dict[str, str]]:
    return content


@pytest.fixture(scope="session")
def write_folder() -> Callable[..., None]:
    return write_pictures


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 pictures of two classes; a copy, a black one, one in the wrong class, a text, a broken file."""
    place = tmp_path_factory.mktemp("data") / "shapes <b>& more"
    write_pictures(place)
    first = (place / "disc" / "000.png").read_bytes()
    (place / "disc" / "zz copy.png").write_bytes(first)
    Image.fromarray(np.zeros((40, 40, 3), "uint8")).save(place / "square" / "zz black.png")
    Image.fromarray(picture("square", np.random.default_rng(9))).save(place / "disc" / "zz wrong.png")
    Image.fromarray(picture("disc", np.random.default_rng(8))).save(
        place / "disc" / "zz <img src=x onerror=alert(1)>.png"
    )
    (place / "disc" / "notes.txt").write_text("not a picture", encoding="utf-8")
    (place / "square" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    return place


@pytest.fixture(scope="session")
def done(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """All seven stages, with 30 steps of training."""
    output = tmp_path_factory.mktemp("run") / "results"
    return run(folder, output, licence="my own <i>drawings</i>", steps=30, mirror=True, progress=False)
