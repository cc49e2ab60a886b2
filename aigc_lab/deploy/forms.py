"""Export: every form of a model written, read back, run and compared before it is left in place.

Introduced in notebook 00.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from aigc_lab.backend import quiet
from aigc_lab.collect import Card
from aigc_lab.deploy.onnx_file import TOLERANCE, first_line, network_inputs, onnx_runner, write_onnx
from aigc_lab.deploy.versions import (
    CARD,
    INT8,
    JUDGE,
    MANIFEST,
    MIXTURE,
    ONNX,
    REFERENCE,
    as_json,
    digest,
    package_versions,
)

_NAMES = {"keras": "model.keras", "saved_model": "generator_saved_model", "onnx": ONNX}
FORMATS = tuple(_NAMES)
_DATA_CARD = "data_card.json"
_OURS = {*_NAMES.values(), MANIFEST, CARD, MIXTURE, _DATA_CARD, INT8, JUDGE, REFERENCE}
# What a model of each kind says of itself; it is of the first kind that it has all attributes of.
_FACTS = {
    "diffusion": ("target", "schedule", "value_range", "image_shape", "class_count"),
    "latent": ("image_shape", "latent_size", "class_count"),
    "text": ("vocabulary_size", "length"),
    "repair": ("damage", "restore"),
    "super-resolution": ("scale",),
}
_INPUTS = {"diffusion": ("noisy", "time", "label"), "text": ("tokens",)}  # no label without classes


def export(
    model: Any,
    folder: str | os.PathLike[str],
    formats: Sequence[str] = FORMATS,
    class_names: Sequence[str] = (),
    title: str = "",
    licence: str = "",
    mixture: Any = None,
    data_card: Card | None = None,
    seeds: Sequence[int] = (),
) -> dict[str, Path]:
    """Write the model into a folder, check what was written, and only then put it in place.

    A crash never leaves half an export, and an older export is replaced only when the new one is good.

    Args:
        model: one of ``aigc_lab.models``: a VAE, GAN, super-resolution, repair, diffusion or a Transformer.
        folder: where the export goes; new, empty, or an older export.
        formats: some of ``FORMATS``.
        class_names, title, licence: written into the ONNX file. The classes of a Transformer are its tokens.
        mixture: a ``models.vae.LatentMixture`` to draw latent points from; becomes ``latent_mixture.npz``.
        data_card: of the training data; becomes ``data_card.json``.
        seeds: of all trainings behind the model, for the manifest.

    Returns:
        Paths by format, of the ``"mixture"`` and ``"data_card"`` if there is one, and of the ``"manifest"``:
        ``export.json`` with hashes, versions and the largest difference that ``check`` found for each form.

    Raises:
        ValueError: a model of another kind; an unknown format; class names of another number; a folder that
            holds something else; a form that the Keras backend or ONNX cannot hold; one that disagrees.
        OSError: the folder cannot be written.
    """
    import keras

    kind = _kind(model)
    if not formats or not set(formats) <= set(FORMATS):
        wrong = f"unknown format {sorted(set(formats) - set(FORMATS))[0]!r}" if formats else "no format given"
        raise ValueError(f"{wrong}; the formats are {', '.join(FORMATS)}")
    backend = keras.backend.backend()
    if backend != "tensorflow" and set(formats) != {"keras"}:
        raise ValueError(
            f"the {backend} backend exports only formats=('keras',); load that file in a process with "
            "KERAS_BACKEND=tensorflow and export it from there"
        )
    told = {name: getattr(model, name) for name in _FACTS[kind]} if kind != "repair" else {}
    classes = told.get("class_count", told.get("vocabulary_size", 0))
    if class_names and len(class_names) != classes:
        raise ValueError(f"the model has {classes} classes, but there are {len(class_names)} class names")
    target = Path(folder).resolve()
    draft = target.with_name(f".{target.name}-{uuid.uuid4().hex}.part")
    facts = {"title": title, "licence": licence, "kind": kind}
    facts |= {"class_names": [str(name) for name in class_names], **told}
    files = {name: _NAMES[name] for name in formats} | {"manifest": MANIFEST}
    try:
        _check_replaceable(target)
        draft.mkdir(parents=True)
        _write(model, draft, formats, facts)
        if mixture is not None:
            files["mixture"] = mixture.save(draft / MIXTURE).name
        if data_card is not None:
            files["data_card"] = _DATA_CARD
            (draft / _DATA_CARD).write_text(as_json(asdict(data_card)), encoding="utf-8")
        differences = check(model, draft)
        manifest = facts | {"seeds": [int(seed) for seed in seeds], "versions": package_versions()}
        manifest["files"] = {
            name: digest(draft / file, differences.get(name))
            for name, file in files.items()
            if name != "manifest"
        }
        (draft / MANIFEST).write_text(as_json(manifest), encoding="utf-8")
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
    others = sorted({entry.name for entry in target.iterdir()} - _OURS) if target.exists() else []
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


def _kind(model: Any) -> str:
    for kind, names in _FACTS.items():
        if all(hasattr(model, name) for name in names):
            return kind
    raise ValueError(
        f"deploy exports the models of aigc_lab.models, and a {type(model).__name__} is none of them; "
        "model.save('NAME.keras') keeps it for Keras"
    )


def _network(model: Any) -> Any:
    """What is exported, its inputs in a list: the generator, or the network that is asked again and again."""
    import keras

    if hasattr(model, "drawing_network"):
        return model.drawing_network()
    inputs = [
        keras.Input(each.shape[1:], dtype=each.dtype, name=name)
        for name, each in zip(_INPUTS[_kind(model)], model.network.inputs, strict=False)
    ]
    return keras.Model(inputs, model.network(inputs if len(inputs) > 1 else inputs[0]), name="network")


def _write(model: Any, folder: Path, formats: Sequence[str], facts: dict[str, Any]) -> None:
    with quiet():
        if "keras" in formats:
            model.built = True  # also an untrained one: its networks are there, Keras may not know it yet
            model.save(folder / _NAMES["keras"])
        generator = _network(model)
        # Keras exports only a model that was called once. Open sides: 16, of which all models take multiples.
        shapes = [(1, *(side or 16 for side in each.shape[1:])) for each in generator.inputs]
        generator([np.zeros(shape, each.dtype) for shape, each in zip(shapes, generator.inputs, strict=True)])
        if "saved_model" in formats:
            generator.export(folder / _NAMES["saved_model"], format="tf_saved_model", verbose=False)
        if "onnx" in formats:
            output = {"diffusion": facts.get("target"), "text": "logits"}.get(facts["kind"], "pixels")
            write_onnx(generator, folder / _NAMES["onnx"], facts, output)


def check(model: Any, folder: str | os.PathLike[str]) -> dict[str, float]:
    """Compare each form found in the folder with the model: on latent points near and far, alone and in turn,
    on small photographs of several sizes, on tokens, or on noise at several times.

    Returns:
        format to the largest absolute difference of any pixel or logit, in units of the largest of them where
        that is above 1 (and, for the ``.keras``, of q(z|x) of a VAE and of any weight).

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
            raise ValueError(f"the {name} export {path.name} cannot be run: {first_line(error)}") from error
        if not differences[name] <= limit:
            raise ValueError(
                f"the {name} export {path.name} differs from the model by {differences[name]:.3g}, "
                f"more than {limit:g}; do not use it"
            )
    return differences


def _trials(model: Any) -> list[tuple[list[np.ndarray], np.ndarray]]:
    """Inputs of the generator, and the images that the model makes of them."""
    random, kind = np.random.default_rng(0), _kind(model)
    if kind == "text":
        tokens = random.integers(0, model.vocabulary_size, (3, model.length), dtype="int32")
        return [([tokens], np.asarray(model.network(tokens)))]
    if kind == "diffusion":
        noise = random.standard_normal((6, *model.image_shape), dtype="float32")
        labels = np.arange(6) % model.class_count if model.class_count else None
        inputs = network_inputs(noise, labels, model.class_count)
        inputs.insert(1, np.linspace(0.01, 0.99, 6, dtype="float32")[:, None])
        return [(inputs, model.network.predict_on_batch(inputs))]
    if kind == "repair":
        return [_damaged(model, random, sides) for sides in ((16, 48), (64, 32))]
    if kind == "super-resolution":
        from aigc_lab.models.super_resolution import upscale

        photos = [random.random((*sides, 3), dtype="float32") for sides in ((9, 14), (24, 5), (1, 1))]
        return [([photo[None]], upscale(model, photo)[None]) for photo in photos]
    latent = random.standard_normal((9, model.latent_size), dtype="float32")
    latent[:2] *= [[0.0], [3.0]]
    labels = np.arange(len(latent)) % model.class_count if model.class_count else None
    inputs, expected = network_inputs(latent, labels, model.class_count), model.decode(latent, labels)
    return [(inputs, expected), ([each[:1] for each in inputs], expected[:1])]


def _damaged(model: Any, random: Any, sides: tuple[int, int]) -> tuple[list[np.ndarray], np.ndarray]:
    """A noisy photograph with a hole, and what is made of it."""
    known = np.ones((1, *sides, 1), "float32")
    known[:, 3:9, 5:14] = 0
    inputs = [random.random((1, *sides, 3), dtype="float32") * known, known, np.full_like(known, 0.05)]
    return inputs, np.clip(model.restore(*inputs), 0, 1)


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
        return onnx_runner(path)
    import tensorflow as tf

    with quiet():
        loaded = tf.saved_model.load(str(path))
    # ``loaded`` is bound to the function, because its variables live in it.
    return lambda inputs, loaded=loaded: loaded.serve(inputs).numpy()
