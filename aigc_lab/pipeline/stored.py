"""A model of counts or shares as a gzip-compressed JSON file: no code inside, read from any language."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aigc_lab.collect.dataset import atomic_write


def write(
    folder: str | os.PathLike[str],
    name: str,
    state: Mapping[str, Any],
    facts: Mapping[str, Any],
    difference: Callable[[Path], float],
) -> dict[str, Any]:
    """Write a model and its manifest ``export.json``, unless what is read back differs from the model.

    Args:
        folder: is made where it is not there.
        name: of the file, with the suffix ``.json.gz``.
        state: what the file holds beside the facts.
        facts: ``kind``, title, licence and what else the manifest should say.
        difference: reads the file and returns by how much it differs from the model.

    Returns:
        The manifest.

    Raises:
        ValueError: what was written differs.
        OSError: it cannot be written.
    """
    path = Path(folder) / name
    text = json.dumps({**facts, "model": state}, ensure_ascii=False, separators=(",", ":"))
    content = gzip.compress(text.encode("utf-8"), mtime=0)  # no time inside: equal models, equal bytes
    with atomic_write(path) as stream:
        stream.write(content)
    largest = difference(path)
    if largest:
        path.unlink()
        raise ValueError(f"the export {name} differs from the model by {largest:.3g}; nothing was exported")
    digest = hashlib.sha256(content).hexdigest()
    form = {"name": name, "bytes": len(content), "sha256": digest, "largest_difference": largest}
    manifest = {**facts, "files": {"json": form}}
    with atomic_write(path.with_name("export.json")) as stream:
        stream.write(json.dumps(manifest, indent=2, ensure_ascii=False).encode("utf-8"))
    return manifest


def read(path: str | os.PathLike[str], kind: str, make: Callable[[Any], Any]) -> Any:
    """The model that ``make`` makes of the state that ``write`` stored.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a damaged file, or one of another kind.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; check the path")
    try:
        stored = json.loads(gzip.decompress(path.read_bytes()))
        if stored["kind"] != kind:
            raise ValueError(f"it holds a {stored['kind']}")
        return make(stored["model"])
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path.name} is damaged or no {kind} of this lab: {error}; export it again"
        ) from error
