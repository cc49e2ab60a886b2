"""Write a model in several forms, whole or not at all, and check each against the model.

Introduced in notebook 00.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from aigc_lab.backend import quiet
from aigc_lab.deploy.onnx_file import describe_onnx, one_hot, open_onnx, write_onnx

_NAMES = {"keras": "vae.keras", "saved_model": "generator_saved_model", "onnx": "generator.onnx"}
FORMATS = tuple(_NAMES)
TOLERANCE = 1e-5  # largest difference of a pixel in [0, 1] between two forms of one model
_MANIFEST = "export.json"
_CARD = "model_card.md"
_MIXTURE = "latent_mixture.npz"


def export(
    vae: Any,
    folder: str | os.PathLike[str],
    formats: Sequence[str] = FORMATS,
    class_names: Sequence[str] = (),
    title: str = "",
    licence: str = "",
    mixture: Any = None,
) -> dict[str, Path]:
    """Write the model into a folder, check what was written, and only then put it in place.

    The work is done in a hidden folder next to the target, which is renamed at the end: a crash
    never leaves half an export, and an older export is replaced only when the new one is good.

    Args:
        vae: a VAE of ``aigc_lab.models.vae``.
        folder: where the export goes; new, empty, or an older export.
        formats: some of ``FORMATS``.
        class_names: names of the classes of a conditional model, written into the ONNX file.
        title, licence: written into the ONNX file.
        mixture: a ``LatentMixture`` (``aigc_lab.models.latent``) to draw latent points from; it is
            written as ``latent_mixture.npz``.

    Returns:
        format to path, ``"mixture"`` to that file if there is one, and ``"manifest"`` to
        ``export.json``, which holds hashes, versions and the
        largest difference that ``check`` found for each form.

    Raises:
        ValueError: an unknown format; class names of another number; a folder that holds something
            else; a form that the Keras backend cannot write; a written form that disagrees.
        OSError: the folder cannot be written.
    """
    formats = _checked_formats(formats)
    if class_names and len(class_names) != vae.class_count:
        raise ValueError(
            f"the model has {vae.class_count} classes, but there are {len(class_names)} class names"
        )
    target = Path(folder).resolve()
    _check_replaceable(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", suffix=".part", dir=target.parent))
    except OSError as error:
        raise _cannot_write(folder, error) from error
    try:
        facts = {"title": title, "licence": licence, "class_names": [str(name) for name in class_names]}
        _write(vae, draft, formats, facts)
        if mixture is not None:
            mixture.save(draft / _MIXTURE)
        differences = check(vae, draft)
        manifest = {
            **facts,
            "latent_size": vae.latent_size,
            "class_count": vae.class_count,
            "image_shape": list(vae.image_shape),
            "versions": _versions(),
            "files": {name: _facts_of(draft / _NAMES[name], differences[name]) for name in formats},
        }
        (draft / _MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False), encoding="utf-8")
        os.chmod(draft, 0o777 & ~_umask())  # mkdtemp makes folders that only their owner may read
        _swap(draft, target)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    # As the caller wrote the folder: a relative one stays relative in a notebook's output.
    files = {name: _NAMES[name] for name in formats}
    files |= {"manifest": _MANIFEST} | ({} if mixture is None else {"mixture": _MIXTURE})
    return {name: Path(folder) / file for name, file in files.items()}


def check(vae: Any, folder: str | os.PathLike[str], tolerance: float = TOLERANCE) -> dict[str, float]:
    """Compare each form found in the folder with the model.

    The same latent points (drawn, the origin, and a far one; one at a time and several at once) go
    through the model and through each form. The reloaded ``.keras`` must be exactly equal, and
    encode equally too.

    Returns:
        format to the largest absolute difference of any pixel (and, for ``.keras``, of q(z|x)).

    Raises:
        FileNotFoundError: the folder holds no export.
        ValueError: a form disagrees by more than ``tolerance`` (``.keras``: at all), or cannot be read.
    """
    folder = Path(folder)
    found = [name for name, file in _NAMES.items() if (folder / file).exists()]
    if not found:
        raise FileNotFoundError(f"{folder} holds no export; write one with deploy.export(vae, folder)")
    random = np.random.default_rng(0)
    latent = random.standard_normal((9, vae.latent_size), dtype="float32")
    latent[0] = 0.0
    latent[1] *= 3.0
    labels = np.arange(len(latent)) % vae.class_count if vae.class_count else None
    expected = vae.decode(latent, labels)
    inputs = [latent] if labels is None else [latent, one_hot(labels, vae.class_count)]
    # Sigmoid pixels are at most 1; Gaussian means have their own scale.
    unit = max(1.0, float(np.abs(expected).max()))
    differences: dict[str, float] = {}
    for name in found:
        path = folder / _NAMES[name]
        try:
            if name == "keras":
                differences[name], limit = _keras_difference(vae, path, latent, labels, expected), 0.0
            else:
                run = _saved_model_runner(path, vae) if name == "saved_model" else _onnx_runner(path)
                several, alone = run(inputs), run([each[:1] for each in inputs])
                gap = max(_largest(several - expected), _largest(alone - expected[:1]))
                differences[name], limit = gap / unit, tolerance
        except Exception as error:
            why = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise ValueError(f"the {name} export {path.name} cannot be run: {why}") from error
        if not differences[name] <= limit:
            raise ValueError(
                f"the {name} export {path.name} differs from the model by {differences[name]:.3g}, "
                f"more than {limit:g}; do not use it"
            )
    return differences


def _largest(gap: np.ndarray) -> float:
    return float(np.abs(gap).max())


def _keras_difference(vae: Any, path: Path, latent: np.ndarray, labels: Any, expected: np.ndarray) -> float:
    import keras

    with quiet():
        again = keras.saving.load_model(path)
    pictures = np.random.default_rng(1).random((len(latent), *vae.image_shape), dtype="float32")
    gaps = [_largest(again.decode(latent, labels) - expected)]
    gaps += [
        _largest(new - old)
        for new, old in zip(again.encode(pictures, labels), vae.encode(pictures, labels), strict=True)
    ]
    return max(gaps)


def _saved_model_runner(path: Path, vae: Any) -> Any:
    import tensorflow as tf

    with quiet():
        loaded = tf.saved_model.load(str(path))
    serve = loaded.signatures["serving_default"]
    names = [each.name for each in vae.decoder.inputs]

    def run(inputs: list[np.ndarray]) -> np.ndarray:
        answer = serve(**{name: tf.constant(each) for name, each in zip(names, inputs, strict=True)})
        (pictures,) = answer.values()
        return pictures.numpy()

    return run


def _onnx_runner(path: Path) -> Any:
    session = open_onnx(path)
    names = [each.name for each in session.get_inputs()]
    return lambda inputs: session.run(None, dict(zip(names, inputs, strict=True)))[0]


def _checked_formats(formats: Sequence[str]) -> tuple[str, ...]:
    import keras

    formats = (formats,) if isinstance(formats, str) else tuple(formats)
    if not formats:
        raise ValueError(f"no format to export to; the formats are {', '.join(FORMATS)}")
    for name in formats:
        if name not in FORMATS:
            near = get_close_matches(str(name), FORMATS, 1, 0.4)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(f"unknown format {name!r}; {hint}The formats are {', '.join(FORMATS)}")
    backend = keras.backend.backend()
    if backend != "tensorflow" and set(formats) != {"keras"}:
        raise ValueError(
            f"the {backend} backend exports only formats=('keras',); load that file in a process with "
            "KERAS_BACKEND=tensorflow and export it from there"
        )
    return formats


def _write(vae: Any, folder: Path, formats: Sequence[str], facts: dict[str, Any]) -> None:
    with quiet():
        if "keras" in formats:
            if not vae.built:
                vae.build()  # an untrained model: its networks are there, Keras only does not know it yet
            vae.save(folder / _NAMES["keras"])
        if set(formats) == {"keras"}:
            return
        generator = vae.generator()
        # Keras exports only a model that was called once.
        generator([np.zeros((1, each.shape[-1]), "float32") for each in generator.inputs])
        if "saved_model" in formats:
            generator.export(folder / _NAMES["saved_model"], format="tf_saved_model", verbose=False)
        if "onnx" in formats:
            path = write_onnx(generator, folder / _NAMES["onnx"])
            describe_onnx(path, {**facts, "latent_size": vae.latent_size, "class_count": vae.class_count})


def _check_replaceable(target: Path) -> None:
    """Refuse to replace a folder that holds anything but an older export."""
    if not target.exists():
        return
    if not target.is_dir():
        raise ValueError(f"{target} is a file; choose a folder for the export")
    try:
        others = sorted(
            {entry.name for entry in target.iterdir()} - {*_NAMES.values(), _MIXTURE, _MANIFEST, _CARD}
        )
    except OSError as error:
        raise _cannot_write(target, error) from error
    if others:
        raise ValueError(
            f"{target} holds {others[0]!r}, which is no part of an export; choose a new or an empty folder"
        )


def _swap(draft: Path, target: Path) -> None:
    """Put the draft in the target's place; on failure the old export is back where it was."""
    if not target.exists():
        os.rename(draft, target)
        return
    old = draft.with_suffix(".old")
    os.rename(target, old)
    try:
        os.rename(draft, target)
    except BaseException:
        os.rename(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _cannot_write(folder: Any, error: OSError) -> OSError:
    why = error.strerror or str(error)
    return type(error)(
        error.errno, f"cannot write the export to {folder} ({why}); choose a folder you may write to"
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _facts_of(path: Path, difference: float) -> dict[str, Any]:
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return {
        "name": path.name,
        "bytes": sum(file.stat().st_size for file in files),
        "sha256": digest.hexdigest(),
        "largest_difference": difference,
    }


def _versions() -> dict[str, str]:
    from aigc_lab.deploy.card import versions

    return versions()
