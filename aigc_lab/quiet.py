"""Keep what TensorFlow and its exporters print out of a notebook's stored output."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Swallow what the block prints, from Python and from C++, and its warnings.

    If the block raises, what it had printed goes to stderr after all: the cause may be there.
    """
    printed = io.StringIO()
    with tempfile.TemporaryFile() as spill:
        try:
            with (
                warnings.catch_warnings(),
                _descriptors_into(spill.fileno()),
                contextlib.redirect_stdout(printed),
                contextlib.redirect_stderr(printed),
            ):
                warnings.simplefilter("ignore")
                yield
        except BaseException:
            spill.seek(0)
            sys.stderr.write(printed.getvalue() + spill.read().decode(errors="replace"))
            raise


@contextlib.contextmanager
def _descriptors_into(spill: int) -> Iterator[None]:
    """Point file descriptors 1 and 2 at another file: TensorFlow's C++ side writes there directly."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    saved: dict[int, int] = {}
    try:
        for number in (1, 2):
            with contextlib.suppress(OSError):  # a process without a console may have closed them
                saved[number] = os.dup(number)
                os.dup2(spill, number)
        yield
    finally:
        for number, copy in saved.items():
            os.dup2(copy, number)
            os.close(copy)
