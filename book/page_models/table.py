"""What demonstrations load besides the runtime: ``python -m book.page_models.table FOLDER CACHE`` writes it.

The table names every file of ``_static/models/`` and the function that writes it. A file is kept in the
cache for as long as the code and the stored weights that it is made from do not change. It runs as a process
of its own beside Jupyter Book, which needs no TensorFlow.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from aigc_lab.collect import DownloadError
from aigc_lab.models import stored
from book.page_models import exports

PARTS = (
    "book.page_models.vae_and_gan",
    "book.page_models.photographs_and_poems",
    "book.page_models.diffusion_and_style",
    "book.page_models.speech",
)


@cache
def table() -> dict[str, Callable[[Path], None]]:
    """The name of each file, and the function that writes it."""
    found: dict[str, Callable[[Path], None]] = {}
    for part in PARTS:
        found |= importlib.import_module(part).MODELS
    return found


def write(names: Iterable[str], folder: Path, store: Path) -> None:
    """Put the files into the folder, from the cache where it has them.

    Raises:
        KeyError: the table has no such file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copyfile(made(name, store), folder / name)


def made(name: str, store: Path) -> Path:
    """The file in the cache, written now if it is not there."""
    path = store / "models" / _key(table()[name]) / name
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{uuid.uuid4().hex}{path.suffix}")
        table()[name](draft)
        os.replace(draft, path)
    return path


@cache
def _key(function: Callable[[Path], None]) -> str:
    """A hash of what a file is made from: the code that writes it, the library, and the stored weights."""
    library = Path(stored.__file__).parents[1]
    files = [Path(inspect.getfile(function)), Path(exports.__file__), Path(__file__)]
    for pattern in ("models/*.py", "deploy/*.py", "sound.py", "models/weights/*.json", "evaluate/*.json"):
        files += sorted(library.glob(pattern))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


if __name__ == "__main__":
    try:
        write(table(), Path(sys.argv[1]), Path(sys.argv[2]))
    except DownloadError as error:
        sys.exit(str(error))
