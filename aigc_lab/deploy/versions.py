"""Versions: what belongs to an export and its hashes, its card, and which export of a models folder is live.

The card is introduced in notebook 00, versions in notebook 19.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from aigc_lab.collect import Card
from aigc_lab.collect.dataset import atomic_write
from aigc_lab.deploy.onnx_file import open_onnx

MANIFEST, CARD, ONNX, INT8 = "export.json", "model_card.md", "generator.onnx", "generator_int8.onnx"
DATA_CARD = "data_card.json"
JUDGE, MIXTURE, REFERENCE, LIVE = "judge.onnx", "latent_mixture.npz", "reference.json", "live.json"


def write_json(path: Path, facts: Mapping[str, Any]) -> None:
    """Write facts as JSON: the file is whole, or what it was."""
    with atomic_write(path) as stream:
        stream.write(json.dumps(facts, indent=2, ensure_ascii=False).encode("utf-8"))


def digest(path: Path, difference: float | None = None) -> dict[str, Any]:
    """Name, size and SHA-256 of a file, or of all files of a folder in turn."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    content = b"".join(file.read_bytes() for file in files)
    sha256 = hashlib.sha256(content).hexdigest()
    return {"name": path.name, "bytes": len(content), "sha256": sha256, "largest_difference": difference}


def package_versions() -> dict[str, str]:
    """The versions of Python, of this package and of what computes the numbers."""
    import aigc_lab

    computing = ("keras", "tensorflow", "numpy", "onnx", "onnxruntime")
    found = {"python": platform.python_version(), "aigc-lab": aigc_lab.__version__}
    return found | {name: metadata.version(name) for name in computing}


def record(folder: str | os.PathLike[str], name: str, difference: float | None = None) -> None:
    """Note size and SHA-256 of a file that was added to an export, so that ``verify`` watches over it.

    Args:
        name: of the file, in the folder.
        difference: from what it stands for, where the two were compared.
    """
    manifest = _manifest(folder)
    manifest["files"][Path(name).stem] = digest(Path(folder) / name, difference)
    write_json(Path(folder) / MANIFEST, manifest)


def _manifest(folder: str | os.PathLike[str]) -> dict[str, Any]:
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no export; write one with deploy.export(model, folder)")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if all({"name", "sha256"} <= file.keys() for file in manifest["files"].values()):
            return manifest
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise ValueError(f"{path} is no manifest that deploy.export wrote; export the model again")


def verify(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The manifest of an export, after each file that it lists has been found as it was written.

    It finds what was damaged or mixed up, not what someone changed together with the manifest.

    Raises:
        FileNotFoundError: the folder holds no export.
        ValueError: a file is missing or another one, or the manifest is damaged.
    """
    manifest = _manifest(folder)
    for file in manifest["files"].values():
        path = Path(folder) / Path(file["name"]).name
        if not path.exists() or digest(path)["sha256"] != file["sha256"]:
            what = "is not the file that was exported (SHA-256 differs)" if path.exists() else "is missing"
            raise ValueError(f"{path.name} of {Path(folder).name} {what}; copy or export this version again")
    return manifest


def set_live(folder: str | os.PathLike[str], version: str) -> None:
    """Make an export, a subfolder of a models folder, the live one; whoever reads sees the old or the new.

    To roll back, set the version that ``live`` gives as ``"previous"``.

    Raises:
        FileNotFoundError: there is no such version.
        ValueError: ``verify`` finds a file that is not as it was, or there is no generator that opens.
        OSError: the folder cannot be written; the live version stays what it was.
    """
    here = _version_folder(folder, version)
    files = verify(here)["files"]
    if "onnx" not in files:
        raise ValueError(f"{version} has no {ONNX}; export it with the format 'onnx'")
    open_onnx(here / ONNX)
    try:
        before = live(folder)
    except (FileNotFoundError, ValueError):  # the first, or a damaged one that this call repairs
        before = {"version": version}
    previous = before["version"] if before["version"] != version else before.get("previous")
    told = {"version": version, "previous": previous, "sha256": files["onnx"]["sha256"]}
    write_json(Path(folder) / LIVE, told | {"since": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"})


def version_names(folder: str | os.PathLike[str]) -> list[str]:
    """Every version that lies in a models folder: each sub-folder with a manifest."""
    return sorted(path.parent.name for path in Path(folder).glob(f"*/{MANIFEST}"))


def live(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """What ``set_live`` wrote: ``version``, ``previous`` (or None), ``sha256`` of the generator, ``since``.

    Raises:
        FileNotFoundError: no version is live, or the live one is gone.
        ValueError: ``live.json`` is damaged.
    """
    path = Path(folder) / LIVE
    if not path.is_file():
        there = ", ".join(version_names(folder))
        choose = f"choose one ({there}) with deploy.set_live(folder, version)"
        choose = choose if there else "it holds no export, which deploy.export or the pipeline would write"
        raise FileNotFoundError(f"no version in {folder} is live; {choose}")
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        _version_folder(folder, told["version"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} does not name a version; write it with deploy.set_live(folder, version)"
        ) from error
    return told


def _version_folder(folder: str | os.PathLike[str], version: str) -> Path:
    """The folder of a version: a subfolder, never another place that a name like ``../x`` leads to."""
    here = Path(folder) / version
    if not version or Path(version).name != version or version.startswith(".") or not here.is_dir():
        there = version_names(folder)
        known = f"it has {', '.join(there)}" if there else "it has none"
        raise FileNotFoundError(f"the models folder {folder} has no version {version!r}; {known}")
    return here


def model_card(
    folder: str | os.PathLike[str],
    *,
    title: str,
    data_card: Card,
    issues_found: str,
    scores: Mapping[str, Any],
    seeds: Sequence[int],
    training: Mapping[str, Any],
    limits: Sequence[str],
    licence: str,
) -> Path:
    """Write a model card in Markdown: what a stranger must know before using the model.

    Source: Mitchell et al. 2019, "Model cards for model reporting", arXiv 1810.03993.

    Args:
        folder: an export; the card becomes ``model_card.md`` in it, and lists its files with their hashes.
        issues_found: what was wrong with the data, such as the report of ``clean.drop``.
        scores: name to value or to ``(value, low, high)``.
        seeds: seeds of all trainings behind the scores.
        training: facts such as ``{"epochs": 20, "latent size": 16, "device": "2 CPU cores"}``.
        limits: what the model cannot do or should not be used for, one sentence each.
        licence: of the weights.

    Returns:
        The path of the card. The file is whole or not there at all.

    Raises:
        ValueError: an empty title, licence, seeds, scores or limits: a card without them says nothing.
        OSError: the folder holds no export, or the card cannot be written.
    """
    needed = {"title": title.strip(), "licence": licence.strip(), "limits": limits, "seeds": seeds}
    for name, value in (needed | {"scores": scores}).items():
        if not len(value):
            raise ValueError(f"a model card needs {name}; state it")
    path = Path(folder) / CARD
    manifest = _manifest(folder)
    spread = ", ".join(str(int(seed)) for seed in seeds)
    items = {"text": "texts", "table": "rows", "audio": "recordings"}.get(data_card.modality, "images")
    uses = {"super-resolution": "enlarging images", "repair": "repairing images"}
    use = uses.get(manifest.get("kind", ""), f"drawing new {items}")
    sections = {
        "Intended use": f"Teaching and experiments: {use} of the kind it was trained on, and studying how "
        "the quality of the data shows in them.",
        "Data": _bullets(data_card.to_text().splitlines()),
        "Issues found in the data": issues_found,
        "Training": _table(("setting", "value"), training.items()),
        "Scores": _table(("score", "value"), scores.items())
        + f"\n\nSeeds: {spread}. Brackets are intervals (low to high).",
        "Limits": _bullets(limits),
        "Licence of the weights": licence,
        "Exported files": _table(
            ("file", "bytes", "SHA-256", "largest difference from the model"),
            [tuple(file.values()) for file in manifest["files"].values()],
        ),
        "Versions": _table(("package", "version"), package_versions().items()),
    }
    text = f"# Model card: {title}\n\nWritten by AIGC Lab on {datetime.now(UTC):%Y-%m-%d}.\n"
    text += "".join(f"\n## {name}\n\n{body.strip()}\n" for name, body in sections.items())
    with atomic_write(path) as stream:
        stream.write(text.encode("utf-8"))
    return path


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join("- " + " ".join(line.split()) for line in lines)


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *([_cell(value) for value in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return "not compared"
    if isinstance(value, tuple):
        middle, low, high = map(_cell, value)
        return f"{middle} [{low} to {high}]"
    if isinstance(value, (float, np.generic)):
        return "not measured" if np.isnan(value) else f"{value:.4g}"
    # A bar ends a cell and a line break ends a row.
    return " ".join(str(value).replace("|", "\\|").split())
