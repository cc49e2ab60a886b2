"""Files that are whole or not there at all."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A binary stream whose content appears under ``path`` only when the block ends well.

    It is written beside ``path`` and renamed, so a crash or a full disk leaves the old file as it was.

    Raises:
        OSError: the folder cannot be made or written to; the message names it.
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
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
