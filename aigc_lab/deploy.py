"""Stage 7, deploy: export a model, check the export, run it without TensorFlow, write its card.

``export`` writes three forms and compares each with the model before it leaves anything:

- ``model.keras``: the whole model, to go on training or to encode; exactly equal when reloaded;
- ``generator_saved_model/``: the generator for TensorFlow and its servers;
- ``generator.onnx``: the generator for everything else; ``draw_with_onnx`` and ``enlarge_with_onnx`` need
  only NumPy and onnxruntime.

The generator is what makes images: from latent points (VAE, GAN), or from smaller images (super-resolution).

Introduced in notebook 00.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from aigc_lab.backend import quiet
from aigc_lab.collect import Card
from aigc_lab.collect.dataset import atomic_write

_NAMES = {"keras": "model.keras", "saved_model": "generator_saved_model", "onnx": "generator.onnx"}
FORMATS = tuple(_NAMES)
TOLERANCE = 1e-5  # largest difference of a pixel in [0, 1] between two forms of one model
_MANIFEST, _CARD, _MIXTURE = "export.json", "model_card.md", "latent_mixture.npz"

# Export ------------------------------------------------------------------------------------------------


def export(
    model: Any,
    folder: str | os.PathLike[str],
    formats: Sequence[str] = FORMATS,
    class_names: Sequence[str] = (),
    title: str = "",
    licence: str = "",
    mixture: Any = None,
) -> dict[str, Path]:
    """Write the model into a folder, check what was written, and only then put it in place.

    A crash never leaves half an export, and an older export is replaced only when the new one is good.

    Args:
        model: one of ``aigc_lab.models`` that makes images: a VAE, a GAN, or super-resolution.
        folder: where the export goes; new, empty, or an older export.
        formats: some of ``FORMATS``.
        class_names, title, licence: written into the ONNX file.
        mixture: a ``models.vae.LatentMixture`` to draw latent points from; becomes ``latent_mixture.npz``.

    Returns:
        Paths by format, of the ``"mixture"`` if there is one, and of the ``"manifest"``: ``export.json`` with
        hashes, versions and the largest difference that ``check`` found for each form.

    Raises:
        ValueError: a model of another kind; an unknown format; class names of another number; a folder that
            holds something else; a form that the Keras backend cannot write; a written form that disagrees.
        OSError: the folder cannot be written.
    """
    import keras

    _check_kind(model)
    if not formats or not set(formats) <= set(FORMATS):
        wrong = f"unknown format {sorted(set(formats) - set(FORMATS))[0]!r}" if formats else "no format given"
        raise ValueError(f"{wrong}; the formats are {', '.join(FORMATS)}")
    backend = keras.backend.backend()
    if backend != "tensorflow" and set(formats) != {"keras"}:
        raise ValueError(
            f"the {backend} backend exports only formats=('keras',); load that file in a process with "
            "KERAS_BACKEND=tensorflow and export it from there"
        )
    names = ("image_shape", "latent_size", "class_count") if hasattr(model, "latent_size") else ("scale",)
    told = {name: getattr(model, name) for name in names}
    classes = told.get("class_count", 0)
    if class_names and len(class_names) != classes:
        raise ValueError(f"the model has {classes} classes, but there are {len(class_names)} class names")
    target = Path(folder).resolve()
    draft = target.with_name(f".{target.name}-{uuid.uuid4().hex}.part")
    facts = {"title": title, "licence": licence, "class_names": [str(name) for name in class_names], **told}
    files = {name: _NAMES[name] for name in formats} | {"manifest": _MANIFEST}
    try:
        _check_replaceable(target)
        draft.mkdir(parents=True)
        _write(model, draft, formats, facts)
        if mixture is not None:
            files["mixture"] = mixture.save(draft / _MIXTURE).name
        differences = check(model, draft)
        written = {name: _digest(draft / _NAMES[name], differences[name]) for name in formats}
        manifest = facts | {"versions": _versions(), "files": written}
        (draft / _MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False), encoding="utf-8")
        _swap(draft, target)
    except OSError as error:
        why = error.strerror or str(error)
        sentence = f"cannot write the export to {folder} ({why}); choose a folder you may write to"
        raise type(error)(error.errno, sentence) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    # As the caller wrote the folder: a relative one stays relative in a notebook's output.
    return {name: Path(folder) / file for name, file in files.items()}


def _check_replaceable(target: Path) -> None:
    """Refuse to replace a folder that holds anything but an older export."""
    if target.is_file():
        raise ValueError(f"{target} is a file; choose a folder for the export")
    ours = {*_NAMES.values(), _MIXTURE, _MANIFEST, _CARD}
    others = sorted({entry.name for entry in target.iterdir()} - ours) if target.exists() else []
    if others:
        raise ValueError(
            f"{target} holds {others[0]!r}, which is no part of an export; choose a new or an empty folder"
        )


def _swap(draft: Path, target: Path) -> None:
    """Put the draft in the target's place; on failure the old export is back where it was."""
    old = draft.with_suffix(".old")
    if target.exists():
        os.rename(target, old)
    try:
        os.rename(draft, target)
    except BaseException:
        if old.exists():
            os.rename(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _check_kind(model: Any) -> None:
    if not hasattr(model, "drawing_network"):
        raise ValueError(
            "deploy exports models that make an image in one pass (VAE, GAN, super-resolution), and a "
            f"{type(model).__name__} does not; model.save('NAME.keras') keeps it for Keras"
        )


def _write(model: Any, folder: Path, formats: Sequence[str], facts: dict[str, Any]) -> None:
    with quiet():
        if "keras" in formats:
            if not model.built:
                model.build()  # an untrained model: its networks are there, Keras only does not know it yet
            model.save(folder / _NAMES["keras"])
        generator = model.drawing_network()
        # Keras exports only a model that was called once.
        generator([np.zeros([side or 1 for side in each.shape], "float32") for each in generator.inputs])
        if "saved_model" in formats:
            generator.export(folder / _NAMES["saved_model"], format="tf_saved_model", verbose=False)
        if "onnx" in formats:
            write_onnx(generator, folder / _NAMES["onnx"], facts)


def _digest(path: Path, difference: float) -> dict[str, Any]:
    """Name, size and SHA-256 of a file, or of all files of a folder in turn."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    content = b"".join(file.read_bytes() for file in files)
    digest = hashlib.sha256(content).hexdigest()
    return {"name": path.name, "bytes": len(content), "sha256": digest, "largest_difference": difference}


def _versions() -> dict[str, str]:
    """The versions of Python, of this package and of what computes the numbers."""
    import aigc_lab

    computing = ("keras", "tensorflow", "numpy", "onnx", "onnxruntime")
    found = {"python": platform.python_version(), "aigc-lab": aigc_lab.__version__}
    return found | {name: metadata.version(name) for name in computing}


# Check -------------------------------------------------------------------------------------------------


def check(model: Any, folder: str | os.PathLike[str]) -> dict[str, float]:
    """Compare each form found in the folder with the model: on latent points near and far, alone and in turn,
    or on small photographs of several sizes.

    Returns:
        format to the largest absolute difference of any pixel (and, for the ``.keras``, of q(z|x) of a VAE
        and of any weight).

    Raises:
        FileNotFoundError: the folder holds no export.
        ValueError: a form disagrees by more than 1e-5 (``.keras``: at all), or cannot be read.
    """
    folder = Path(folder)
    found = [name for name, file in _NAMES.items() if (folder / file).exists()]
    if not found:
        raise FileNotFoundError(f"{folder} holds no export; write one with deploy.export(model, folder)")
    trials = _trials(model)
    # Sigmoid pixels are at most 1; Gaussian means have their own scale.
    unit = max(1.0, *(float(np.abs(expected).max()) for _, expected in trials))
    differences: dict[str, float] = {}
    for name in found:
        path = folder / _NAMES[name]
        try:
            if name == "keras":
                differences[name], limit = _keras_difference(model, path), 0.0
            else:
                run = _runner(path)
                gap = max(np.abs(run(inputs) - expected).max() for inputs, expected in trials)
                differences[name], limit = float(gap) / unit, TOLERANCE
        except Exception as error:
            why = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise ValueError(f"the {name} export {path.name} cannot be run: {why}") from error
        if not differences[name] <= limit:
            raise ValueError(
                f"the {name} export {path.name} differs from the model by {differences[name]:.3g}, "
                f"more than {limit:g}; do not use it"
            )
    return differences


def _trials(model: Any) -> list[tuple[list[np.ndarray], np.ndarray]]:
    """Inputs of the generator, and the images that the model makes of them."""
    random = np.random.default_rng(0)
    if not hasattr(model, "latent_size"):
        from aigc_lab.models.super_resolution import upscale

        photos = [random.random((*sides, 3), dtype="float32") for sides in ((9, 14), (24, 5), (1, 1))]
        return [([photo[None]], upscale(model, photo)[None]) for photo in photos]
    latent = random.standard_normal((9, model.latent_size), dtype="float32")
    latent[:2] *= [[0.0], [3.0]]
    labels = np.arange(len(latent)) % model.class_count if model.class_count else None
    inputs, expected = _inputs(latent, labels, model.class_count), model.decode(latent, labels)
    return [(inputs, expected), ([each[:1] for each in inputs], expected[:1])]


def _keras_difference(model: Any, path: Path) -> float:
    import keras

    with quiet():
        again = keras.saving.load_model(path)
    each = []
    for one in (model, again):
        each.append([*one.get_weights(), *(images for _, images in _trials(one))])
        if hasattr(one, "encode"):
            images = np.random.default_rng(1).random((9, *one.image_shape), dtype="float32")
            each[-1] += one.encode(images, np.arange(9) % one.class_count if one.class_count else None)
    return max(float(np.abs(new - old).max()) for old, new in zip(*each, strict=True))


def _runner(path: Path) -> Callable[[list[np.ndarray]], np.ndarray]:
    """The exported generator: a function from its inputs to pixels."""
    if path.suffix == ".onnx":
        session = _open_onnx(path)
        names = [each.name for each in session.get_inputs()]
        return lambda inputs: session.run(None, dict(zip(names, inputs, strict=True)))[0]
    import tensorflow as tf

    with quiet():
        loaded = tf.saved_model.load(str(path))
    # ``loaded`` is bound to the function, because its variables live in it.
    return lambda inputs, loaded=loaded: loaded.serve(inputs).numpy()


# ONNX --------------------------------------------------------------------------------------------------


def write_onnx(generator: Any, path: Path, facts: Mapping[str, Any]) -> None:
    """Write a Keras model that was called once, with an open batch size, and the facts as metadata.

    Raises:
        ValueError: the model has an operation that ONNX or tf2onnx does not know.
    """
    import onnx

    _teach_erfc()
    # Version 15 is what onnxruntime and onnxruntime-web both run.
    generator.export(str(path), format="onnx", opset_version=15, verbose=False)
    model = onnx.load(path)
    (output,) = model.graph.output
    for node in model.graph.node:
        node.output[:] = ["pixels" if name == output.name else name for name in node.output]
        node.input[:] = ["pixels" if name == output.name else name for name in node.input]
    output.name = "pixels"
    for each in (*model.graph.input, output):
        each.type.tensor_type.shape.dim[0].dim_param = "batch"
    told = {key: value if isinstance(value, str) else json.dumps(value) for key, value in facts.items()}
    onnx.helper.set_model_props(model, told)
    try:  # tf2onnx only logs an unknown operation, and writes a file that nothing can run
        onnx.checker.check_model(model, full_check=True)
    except onnx.checker.ValidationError as error:
        why = " ".join(str(error).split())
        raise ValueError(f"the model cannot be written as ONNX: {why}") from error
    onnx.save(model, path)


@cache
def _teach_erfc() -> None:
    """Teach tf2onnx the operation Erfc, which Keras' exact GELU uses: erfc(x) = 1 - erf(x).

    In float32 the difference costs at most about 1e-7, as erf lies in [-1, 1].
    """
    from tf2onnx import utils
    from tf2onnx.handler import tf_op

    @tf_op("Erfc")
    class Erfc:
        @classmethod
        def version_9(cls, context: Any, node: Any, **_: Any) -> None:
            source, target = node.input[0], node.output[0]
            shape, kind = context.get_shape(target), context.get_dtype(target)
            context.remove_node(node.name)
            one = context.make_const(utils.make_name("one"), np.ones((), utils.map_onnx_to_numpy_type(kind)))
            erf = context.make_node("Erf", [source])
            inputs = [one.output[0], erf.output[0]]
            context.make_node("Sub", inputs, outputs=[target], name=node.name, shapes=[shape], dtypes=[kind])


def _open_onnx(path: str | os.PathLike[str]) -> Any:
    """An onnxruntime session on the CPU."""
    import onnxruntime

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no ONNX file {path}; write one with deploy.export(model, folder)")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ValueError(f"{path.name} is not an ONNX model that onnxruntime can run: {error}") from error


def onnx_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What the file says of itself: title, licence, class names, latent size, class count."""
    told = _open_onnx(path).get_modelmeta().custom_metadata_map
    return {key: text if key in ("title", "licence") else json.loads(text) for key, text in told.items()}


def _inputs(latent: np.ndarray, labels: np.ndarray | None, class_count: int) -> list[np.ndarray]:
    return [latent, np.eye(class_count, dtype="float32")[labels]] if class_count else [latent]


def draw_with_onnx(
    path: str | os.PathLike[str],
    count: int = 8,
    label: int | str | None = None,
    seed: int = 0,
    mixture: str | os.PathLike[str] | None = None,
) -> np.ndarray:
    """Draw new images with nothing but the exported file, NumPy and onnxruntime.

    Args:
        path: ``generator.onnx``.
        count: how many images.
        label: for a conditional model the class, as number or name; None takes the classes in turn.
        seed: same seed, same images; without a mixture also the same as ``model.sample(count, label, seed)``.
        mixture: the file of one that ``export`` wrote, to draw the latent points from; None draws them
            from the prior N(0, 1).

    Returns:
        ``float32`` (count, height, width, channels); in [0, 1] for a model with Bernoulli pixels.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no ONNX model, a count below 1, or a label the model does not have.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    told = _metadata_with(path, "latent_size", "draws nothing from latent points; enlarge_with_onnx runs it")
    number = _class_number(label, told["class_count"], told["class_names"])
    if mixture is None:
        latent = np.random.default_rng(seed).standard_normal((count, told["latent_size"]), dtype="float32")
        labels = np.resize(np.arange(max(1, told["class_count"])) if number is None else number, count)
    else:
        from aigc_lab.models.mixture import LatentMixture

        latent, labels = LatentMixture.load(mixture).sample(count, number, seed)
    return _runner(Path(path))(_inputs(latent, labels, told["class_count"]))


def enlarge_with_onnx(path: str | os.PathLike[str], photograph: np.ndarray) -> np.ndarray:
    """Enlarge a photograph with nothing but the exported file, NumPy and onnxruntime: as ``upscale``, in one
    piece, so that memory grows with the photograph.

    Args:
        path: ``generator.onnx`` of a model of super-resolution.
        photograph: uint8, grey ``(height, width)`` or RGB ``(height, width, 3)``.

    Returns:
        The same type and channels, sides ``scale`` times as long.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no ONNX model of super-resolution, or another shape or type.
    """
    _metadata_with(path, "scale", "enlarges nothing; draw_with_onnx runs it")
    photo = np.asarray(photograph)
    if photo.ndim < 2 or photo.shape[2:] not in ((), (3,)) or photo.dtype != np.uint8 or not photo.size:
        raise ValueError(f"a photograph must be uint8 (height, width[, 3]), got {photo.dtype} {photo.shape}")
    colours = photo if photo.ndim == 3 else np.repeat(photo[..., None], 3, axis=-1)  # (h, w) -> (h, w, 3)
    (large,) = _runner(Path(path))([colours[None].astype("float32") / np.float32(255)])
    large = np.rint(large * 255).astype(np.uint8)
    return large if photo.ndim == 3 else large[..., 0]


def _metadata_with(path: str | os.PathLike[str], name: str, otherwise: str) -> dict[str, Any]:
    """The metadata of a model that has the fact ``name``."""
    told = onnx_metadata(path)
    if name not in told:
        raise ValueError(f"{Path(path).name} {otherwise}")
    return told


def _class_number(label: int | str | None, class_count: int, names: list[str]) -> int | None:
    if label is None:
        return None
    if not class_count:
        raise ValueError(f"this model has no classes; leave label out instead of {label!r}")
    if isinstance(label, str):
        if label not in names:
            known = f"its classes are {', '.join(names)}" if names else "it holds no names: give a number"
            raise ValueError(f"the model has no class {label!r}; {known}")
        return names.index(label)
    if not 0 <= label < class_count:
        raise ValueError(f"label must lie from 0 to {class_count - 1}, got {label}")
    return int(label)


# The card ----------------------------------------------------------------------------------------------


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
        title: the model's name.
        data_card: the ``Card`` of the data set.
        issues_found: what was wrong with the data, such as the report of ``clean.drop``.
        scores: name to value or to ``(value, low, high)``.
        seeds: seeds of all trainings behind the scores.
        training: facts such as ``{"epochs": 20, "latent size": 16, "device": "2 CPU cores"}``.
        limits: what the model cannot do or should not be used for, one sentence each.
        licence: licence of the weights.

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
    path = Path(folder) / _CARD
    manifest = json.loads(path.with_name(_MANIFEST).read_text(encoding="utf-8"))
    spread = ", ".join(str(int(seed)) for seed in seeds)
    items = {"text": "texts", "table": "rows"}.get(data_card.modality, "images")
    use = "enlarging images" if "scale" in manifest else f"drawing new {items}"
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
        "Versions": _table(("package", "version"), _versions().items()),
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
    if isinstance(value, tuple):
        middle, low, high = map(_cell, value)
        return f"{middle} [{low} to {high}]"
    if isinstance(value, (float, np.generic)):
        return "not measured" if np.isnan(value) else f"{value:.4g}"
    # A bar ends a cell and a line break ends a row.
    return " ".join(str(value).replace("|", "\\|").split())
