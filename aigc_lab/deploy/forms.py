"""Export: every form of a model written, read back, run and compared before it is left in place. What can be
added to it: 8-bit numbers, and the judge that watches its images in a service.

Introduced in notebook 00; 8-bit numbers and the judge in notebook 19.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_lab.backend import quiet
from aigc_lab.collect import Card
from aigc_lab.deploy import onnx_file, versions
from aigc_lab.deploy.onnx_file import TOLERANCE, network_inputs, onnx_runner, write_onnx
from aigc_lab.models.mixture import LatentMixture

if TYPE_CHECKING:
    import keras

_NAMES = {"keras": "model.keras", "saved_model": "generator_saved_model", "onnx": versions.ONNX}
FORMATS = tuple(_NAMES)
_ADDED = (versions.CARD, versions.INT8, versions.JUDGE, versions.MIXTURE, versions.REFERENCE)
_OURS = {*_NAMES.values(), versions.MANIFEST, versions.DATA_CARD, *_ADDED}
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
    files = {name: _NAMES[name] for name in formats}
    try:
        _check_replaceable(target)
        draft.mkdir(parents=True)
        _write(model, draft, formats, facts)
        if mixture is not None:
            files["mixture"] = mixture.save(draft / versions.MIXTURE).name
        if data_card is not None:
            files["data_card"] = versions.DATA_CARD
            versions.write_json(draft / versions.DATA_CARD, asdict(data_card))
        differences = check(model, draft)
        manifest = facts | {"seeds": [int(seed) for seed in seeds], "versions": versions.package_versions()}
        manifest["files"] = {
            name: versions.digest(draft / file, differences.get(name)) for name, file in files.items()
        }
        versions.write_json(draft / versions.MANIFEST, manifest)
        _swap(draft, target)
    except OSError as error:
        why = error.strerror or str(error)
        sentence = f"cannot write the export to {folder} ({why}); choose a folder you may write to"
        raise type(error)(error.errno, sentence) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    # As the caller wrote the folder: a relative one stays relative in a notebook's output.
    return {name: Path(folder) / file for name, file in (files | {"manifest": versions.MANIFEST}).items()}


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
                run = onnx_runner(path) if name == "onnx" else _saved_model_runner(path)
                gap = max(np.abs(run(inputs) - expected).max() for inputs, expected in trials)
                differences[name], limit = float(gap) / unit, TOLERANCE
        except Exception as error:
            why = onnx_file.first_line(error)
            raise ValueError(f"the {name} export {path.name} cannot be run: {why}") from error
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
        trials = []
        for sides in ((16, 48), (64, 32)):
            known = np.ones((1, *sides, 1), "float32")
            known[:, 3:9, 5:14] = 0  # a hole in a noisy photograph
            photo = random.random((1, *sides, 3), dtype="float32") * known
            inputs = [photo, known, np.full_like(known, 0.05)]
            trials.append((inputs, np.clip(model.restore(*inputs), 0, 1)))
        return trials
    if kind == "super-resolution":
        from aigc_lab.models.super_resolution import upscale

        photos = [random.random((*sides, 3), dtype="float32") for sides in ((9, 14), (24, 5), (1, 1))]
        return [([photo[None]], upscale(model, photo)[None]) for photo in photos]
    latent = random.standard_normal((9, model.latent_size), dtype="float32")
    latent[:2] *= [[0.0], [3.0]]
    labels = np.arange(len(latent)) % model.class_count if model.class_count else None
    inputs, expected = network_inputs(latent, labels, model.class_count), model.decode(latent, labels)
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


def _saved_model_runner(path: Path) -> Callable[[list[np.ndarray]], np.ndarray]:
    import tensorflow as tf

    with quiet():
        loaded = tf.saved_model.load(str(path))
    # ``loaded`` is bound to the function, because its variables live in it.
    return lambda inputs, loaded=loaded: loaded.serve(inputs).numpy()


def quantise(folder: str | os.PathLike[str], count: int = 256, seed: int = 0, weight_bits: int = 8) -> Path:
    """Write ``generator_int8.onnx`` beside the generator: same inputs and output, 8-bit numbers inside.

    Each weight matrix or kernel has a scale for every output channel. What is multiplied with it has a scale
    and a zero, from its range over ``count`` latent points (static quantisation: Jacob et al. 2018, arXiv
    1712.05877). The manifest gets the file, with the largest difference of a pixel on other points.

    Args:
        folder: an export of a model that draws from latent points, its ``latent_mixture.npz`` used if there.
        count: latent points that the ranges are taken from; seed: of them.
        weight_bits: 8, or 7 where the processor may have no instruction for products of 8-bit numbers (VNNI):
            onnxruntime then adds two products in 16 bits, and what is larger is cut off.

    Raises:
        FileNotFoundError: the folder holds no export.
        ValueError: a model of another kind, a damaged export, or other ``weight_bits``.
    """
    from onnxruntime import quantization

    if weight_bits not in (7, 8):
        raise ValueError(f"weight_bits is 7 or 8, not {weight_bits!r}")
    told = versions.verify(folder)
    if "latent_size" not in told:
        raise ValueError(f"quantise takes a model that draws from latent points, and {folder} holds none")

    source, path, mixture = (Path(folder) / name for name in (versions.ONNX, versions.INT8, versions.MIXTURE))
    drawn_from = LatentMixture.load(mixture) if mixture.is_file() else None

    def points(seed: int) -> list[np.ndarray]:
        drawn = onnx_file.latent_points(told, drawn_from, count, None, seed)
        return network_inputs(*drawn, told["class_count"])

    names = [each.name for each in onnx_file.open_onnx(source).get_inputs()]

    class Points(quantization.CalibrationDataReader):
        batches = iter([dict(zip(names, points(seed), strict=True))])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.batches, None)

    # Values of 8 bits without sign, weights with it: the pair that processors multiply in one instruction.
    how = {"activation_type": quantization.QuantType.QUInt8, "weight_type": quantization.QuantType.QInt8}
    # The products hold the weights and take the time; what stands between them stays exact.
    how |= {"op_types_to_quantize": ["Conv", "MatMul"], "reduce_range": weight_bits == 7}
    with quiet():
        quantization.quantize_static(str(source), str(path), Points(), per_channel=True, **how)
    other = points(seed + 1)
    versions.record(
        folder, versions.INT8, float(np.abs(onnx_runner(path)(other) - onnx_runner(source)(other)).max())
    )
    return path


def write_judge(folder: str | os.PathLike[str], among: str) -> Path:
    """Write ``judge.onnx``, the 28 x 28 feature network: ``image`` (batch, 28, 28, 1) in [0, 1] ->
    ``probabilities`` (batch, classes).

    With it a service without TensorFlow sees what its own images look like. The names of its classes are in
    the metadata of the file, and the manifest gets the file.

    Args:
        folder: an export.
        among: the set whose classes compete, as for ``evaluate.classify``.

    Raises:
        FileNotFoundError: the folder holds no export.
        ValueError: there is no such set, or the written file disagrees with ``evaluate.classify``.
    """
    from aigc_lab.evaluate import feature_network

    versions.verify(folder)
    images = np.random.default_rng(0).random((5, 28, 28, 1), dtype="float32")
    expected = feature_network.classify(images, among)
    names, weights = feature_network.GROUPS[among], dict(feature_network.weights())
    chosen = [feature_network.CLASS_NAMES.index(f"{among}/{name}") for name in names]
    weights |= {name: weights[name][..., chosen] for name in ("dense", "dense_bias")}
    network = judge_network(weights, images.shape[1:3], [len(names)])
    network([images])  # Keras exports only a model that was called once
    path, facts = Path(folder) / versions.JUDGE, {"kind": "judge", "class_names": list(names)}
    with quiet():
        write_onnx(network, path, facts, "probabilities")
    difference = float(np.abs(onnx_runner(path)([images]) - expected).max())
    if not difference <= TOLERANCE:
        path.unlink()
        raise ValueError(f"{path.name} differs from evaluate.classify by {difference:.3g}")
    versions.record(folder, versions.JUDGE, difference)
    return path


def judge_network(
    weights: Mapping[str, np.ndarray], size: tuple[int, int], parts: Sequence[int]
) -> keras.Model:
    """``evaluate.feature_network.forward`` and a softmax, as a Keras model that can be exported.

    Args:
        weights: as ``forward`` takes them.
        size: height and width of the images.
        parts: how many outputs each question has; each gets a softmax of its own.

    Returns:
        ``image`` (batch, height, width, 1) in [0, 1] -> probabilities (batch, sum of parts).
    """
    import keras

    from aigc_lab.evaluate.feature_network import CONVOLUTIONS

    hidden = image = keras.Input((*size, 1), name="image")
    for kernel, stride, channels in CONVOLUTIONS:
        hidden = keras.layers.Conv2D(channels, kernel, stride, padding="same", activation="relu")(hidden)
    features = keras.layers.GlobalAveragePooling2D()(hidden)  # (n, h / 8, w / 8, 96) -> (n, 96)
    shares = [keras.layers.Dense(part, activation="softmax")(features) for part in parts]
    network = keras.Model([image], shares[0] if len(shares) == 1 else keras.layers.Concatenate()(shares))
    ordered = [
        weights[f"{name}{number}"] for number in range(len(CONVOLUTIONS)) for name in ("kernel", "bias")
    ]
    ends = np.cumsum(parts)[:-1]
    dense, bias = (np.split(weights[name], ends, axis=-1) for name in ("dense", "dense_bias"))
    for pair in zip(dense, bias, strict=True):
        ordered += pair
    network.set_weights(ordered)
    return network
