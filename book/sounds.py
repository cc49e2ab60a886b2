"""Sounds of the notebooks as small files: a page loads one when a reader plays it, from this site.

A notebook holds its sounds inside its outputs (``aigc_lab.players``, ``IPython.display.Audio``). In a page
they would all come with the text, three bytes of it as four letters.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from pathlib import Path

import nbformat

from book.vendor import BookError

FOLDER = "sounds"  # below _static
ENDINGS = {
    "audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav",
    "audio/ogg": "ogg", "audio/flac": "flac",
}  # fmt: skip
INSIDE = re.compile(r"""src=(["'])data:(audio/[\w.+-]+)[^,"']*;base64,([A-Za-z0-9+/=\s]*)\1""")


def place(notebook: nbformat.NotebookNode, name: str, assets: Path) -> None:
    """Write the sounds of a notebook's outputs into files, and have the outputs name these.

    The name of a file is a hash of what it holds, so that one sound is stored once. Nothing of it is loaded
    before it is played.

    Args:
        notebook: changed in place.
        name: of the notebook, for what is said where a sound cannot be read.
        assets: the folder that becomes ``_static``.

    Raises:
        BookError: a sound of a kind that pages do not take, or one that is damaged.
    """

    def as_file(found: re.Match) -> str:
        _, kind, words = found.groups()
        if kind not in ENDINGS:
            raise BookError(f"{name} stores a sound as {kind}; store it as MP3 or WAV, and build again.")
        try:
            content = base64.b64decode(words, validate=False)
        except binascii.Error:
            content = b""
        if not content:
            raise BookError(f"{name} stores a sound that is empty or damaged; run it again, and build again.")
        path = assets / FOLDER / f"{hashlib.sha256(content).hexdigest()[:16]}.{ENDINGS[kind]}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return f'src="../_static/{FOLDER}/{path.name}"'

    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            page = output.get("data", {}).get("text/html", "")
            if "<audio" in page:
                page = re.sub(r"(<audio\b[^>]*?)\spreload=\"\w*\"", r"\1", page)
                page = page.replace("<audio", '<audio preload="none"')
                output.data["text/html"] = INSIDE.sub(as_file, page)
