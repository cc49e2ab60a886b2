"""The ONNX file: written from Keras, opened with care, and run with nothing but NumPy and onnxruntime.

Introduced in notebook 00; the judge and 8-bit weights in notebook 19.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from aigc_lab.models.mixture import LatentMixture

TOLERANCE = 1e-5  # largest difference of a pixel in [0, 1] between two forms of one model
# Facts that are text, not JSON; the last one is onnxruntime's own, in a file that it made.
_WORDS = ("title", "licence", "kind", "target", "schedule", "onnx.infer")


def write_onnx(generator: Any, path: Path, facts: Mapping[str, Any], output: str = "pixels") -> None:
    """Write a Keras model that was called once, with an open batch size, and the facts as metadata.

    Args:
        output: what the file calls the model's one output.

    Raises:
        ValueError: the model has an operation that ONNX or tf2onnx does not know, or a constant that would
            become an input of the file.
    """
    import onnx

    _teach_erfc()
    # Version 15 is what onnxruntime and onnxruntime-web both run.
    generator.export(str(path), format="onnx", opset_version=15, verbose=False)
    model = onnx.load(path)
    strange = {each.name for each in model.graph.input} - {each.name for each in generator.inputs}
    if strange:
        path.unlink()
        raise ValueError(
            f"the ONNX file would ask for {min(strange)!r}, which is no input of the model but a constant "
            "that was computed with Keras or TensorFlow while the model was built; compute it with NumPy"
        )
    (made,) = model.graph.output
    for node in model.graph.node:
        node.output[:] = [output if name == made.name else name for name in node.output]
        node.input[:] = [output if name == made.name else name for name in node.input]
    made.name = output
    for each in (*model.graph.input, made):
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


def open_onnx(path: str | os.PathLike[str], threads: int = 0) -> Any:
    """An onnxruntime session on the CPU, for a model that is one file.

    Args:
        threads: that one run takes; 0 leaves it to onnxruntime. A service that answers many at once takes 1.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no ONNX model, or one that keeps weights in other files: it could name any file there is.
    """
    import onnx
    import onnxruntime

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no ONNX file {path}; write one with deploy.export(model, folder)")
    content = path.read_bytes()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    options.intra_op_num_threads = threads
    try:
        others = list(_other_files(onnx.load_model_from_string(content)))
        if not others:
            return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ValueError(
            f"{path.name} is not an ONNX model that onnxruntime can run: {first_line(error)}"
        ) from error
    raise ValueError(
        f"{path.name} keeps weights in another file, {others[0][:80]!r}; a model must be one file: where you "
        "trust it, read it with onnx.load and write it whole with onnx.save"
    )


def _other_files(message: Any) -> Iterator[str]:
    """The files outside that tensors of an ONNX model lie in, wherever in the model they stand."""
    if message.DESCRIPTOR.name == "TensorProto":
        yield from (entry.value for entry in message.external_data if entry.key == "location")
        return
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for part in [value] if hasattr(value, "ListFields") else value:
                yield from _other_files(part)


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def onnx_runner(path: str | os.PathLike[str], threads: int = 0) -> Callable[[list[np.ndarray]], np.ndarray]:
    """The model in a file, opened once: a function from its inputs, in their order, to its output."""
    session = open_onnx(path, threads)
    names = [each.name for each in session.get_inputs()]
    return lambda inputs: session.run(None, dict(zip(names, inputs, strict=True)))[0]


def onnx_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What the file says of itself: title, licence, class names, latent size, class count."""
    told = open_onnx(path).get_modelmeta().custom_metadata_map
    return {key: text if key in _WORDS else json.loads(text) for key, text in told.items()}


def class_number(label: int | str | None, told: Mapping[str, Any], model: str = "the model") -> int | None:
    """The number of the class that is meant; None where none is.

    Args:
        told: metadata or manifest of an export.

    Raises:
        ValueError: the model has no such class; the message names those it has.
    """
    names, count = told["class_names"], told["class_count"]
    if label is None:
        return None
    if not isinstance(label, str) and 0 <= label < count:
        return int(label)
    if label in names:
        return names.index(label)
    known = f"its classes are {', '.join(names) or f'0 to {count - 1}'}"
    has = known if count else "it has no classes: leave label out"
    raise ValueError(f"{model} has no class {str(label)[:80]!r}; {has}")


def latent_points(
    told: Mapping[str, Any], mixture: LatentMixture | None, count: int, number: int | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """What a model draws from: points (count, latent_size), of a mixture or of N(0, 1), and their classes.

    Args:
        told: metadata or manifest of an export.
        number: of the class; None takes the classes in turn.
    """
    if mixture is not None:
        return mixture.sample(count, number, seed)
    points = np.random.default_rng(seed).standard_normal((count, told["latent_size"]), dtype="float32")
    turns = np.arange(max(1, told["class_count"])) if number is None else number
    return points, np.resize(turns, count)


def network_inputs(latent: np.ndarray, labels: np.ndarray | None, class_count: int) -> list[np.ndarray]:
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
    told = onnx_metadata(path)
    if "latent_size" not in told:
        raise ValueError(f"{Path(path).name} draws nothing from latent points in one pass")
    number = class_number(label, told)
    points = latent_points(told, LatentMixture.load(mixture) if mixture else None, count, number, seed)
    return onnx_runner(path)(network_inputs(*points, told["class_count"]))


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
    if "scale" not in onnx_metadata(path):
        raise ValueError(f"{Path(path).name} enlarges nothing")
    photo = np.asarray(photograph)
    if photo.ndim < 2 or photo.shape[2:] not in ((), (3,)) or photo.dtype != np.uint8 or not photo.size:
        raise ValueError(f"a photograph must be uint8 (height, width[, 3]), got {photo.dtype} {photo.shape}")
    colours = photo if photo.ndim == 3 else np.repeat(photo[..., None], 3, axis=-1)  # (h, w) -> (h, w, 3)
    (large,) = onnx_runner(path)([colours[None].astype("float32") / np.float32(255)])
    large = np.rint(large * 255).astype(np.uint8)
    return large if photo.ndim == 3 else large[..., 0]
