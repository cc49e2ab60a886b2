"""The generator as an ONNX file: written through Keras, read by onnxruntime alone.

Introduced in notebook 00.
"""

from __future__ import annotations

import json
import logging
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

OPSET = 15  # what tf2onnx writes by default; onnxruntime and onnxruntime-web both run it


def write_onnx(generator: Any, path: Path) -> Path:
    """Write a Keras model that was called once; the batch size stays open.

    Raises:
        ValueError: the model has an operation that ONNX or tf2onnx does not know.
    """
    _teach_erfc()
    heard = _Errors()
    log = logging.getLogger("tf2onnx")
    propagate, log.propagate = log.propagate, False
    log.addHandler(heard)
    try:
        generator.export(str(path), format="onnx", opset_version=OPSET, verbose=False)
    finally:
        log.removeHandler(heard)
        log.propagate = propagate
    if heard.lines:
        # tf2onnx only logs an unknown operation, and writes a file that nothing can run.
        raise ValueError(f"the model cannot be written as ONNX: {heard.lines[-1]}")
    return path


class _Errors(logging.Handler):
    """Keeps what tf2onnx reports as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@cache
def _teach_erfc() -> None:
    """Teach tf2onnx the operation Erfc, which Keras' exact GELU uses: erfc(x) = 1 - erf(x).

    In float32 the difference costs at most about 1e-7, as erf lies in [-1, 1].
    """
    from tf2onnx.handler import tf_op

    @tf_op("Erfc")
    class Erfc:
        @classmethod
        def version_9(cls, context: Any, node: Any, **_: Any) -> None:
            from tf2onnx import utils

            source, target = node.input[0], node.output[0]
            shape, kind = context.get_shape(target), context.get_dtype(target)
            context.remove_node(node.name)
            one = context.make_const(utils.make_name("one"), np.ones((), utils.map_onnx_to_numpy_type(kind)))
            erf = context.make_node("Erf", [source])
            inputs = [one.output[0], erf.output[0]]
            context.make_node("Sub", inputs, outputs=[target], name=node.name, shapes=[shape], dtypes=[kind])


def describe_onnx(path: Path, facts: dict[str, Any]) -> None:
    """Give the file readable names (``batch``, ``pixels``) and facts about the model as metadata."""
    import onnx

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
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def open_onnx(path: str | os.PathLike[str]) -> Any:
    """An onnxruntime session on the CPU.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no ONNX model that onnxruntime can run.
    """
    import onnxruntime

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no ONNX file {path}; write one with deploy.export(vae, folder)")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ValueError(f"{path.name} is not an ONNX model that onnxruntime can run: {error}") from error


def onnx_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What the file says of itself: title, licence, class names, latent size, class count."""
    return _told(open_onnx(path))


def _told(session: Any) -> dict[str, Any]:
    told: dict[str, Any] = dict(session.get_modelmeta().custom_metadata_map)
    for key in ("class_names", "latent_size", "class_count"):
        if key in told:
            told[key] = json.loads(told[key])
    return told


def one_hot(labels: np.ndarray, class_count: int) -> np.ndarray:
    """``float32`` (n, class_count) with a 1 at each label."""
    return np.eye(class_count, dtype="float32")[labels]


def draw_with_onnx(
    path: str | os.PathLike[str],
    count: int = 8,
    label: int | str | None = None,
    seed: int = 0,
    mixture: Any = None,
) -> np.ndarray:
    """Draw new pictures with nothing but the exported file, NumPy and onnxruntime.

    Takes the same random numbers as ``vae.sample(count, label, seed)``, so it draws the same pictures;
    with a mixture the same as ``vae.decode(*mixture.sample(count, label, seed))``.

    Args:
        path: the ``.onnx`` file that ``export`` wrote.
        count: how many pictures.
        label: class number, or a class name that the file knows; None takes each class in turn.
        seed: seed of the latent points.
        mixture: a ``LatentMixture``, or the path of one that ``export`` wrote, to draw the latent
            points from; None draws them from the prior N(0, 1).

    Returns:
        ``float32`` (count, height, width, channels); in [0, 1] for a model with Bernoulli pixels.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no ONNX model, a count below 1, or a label the model does not have.
    """
    session = open_onnx(path)
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    inputs = session.get_inputs()
    class_count = inputs[1].shape[-1] if len(inputs) > 1 else 0
    if label is not None and not class_count:
        raise ValueError(f"this model has no classes; leave label out instead of {label!r}")
    number = _class_number(label, class_count, _told(session).get("class_names", []))
    if mixture is None:
        size = (count, inputs[0].shape[-1])
        latent = np.random.default_rng(seed).standard_normal(size, dtype="float32")
        labels = np.arange(count) % max(1, class_count) if number is None else np.full(count, number)
    else:
        if isinstance(mixture, (str, os.PathLike)):
            from aigc_lab.models.latent import LatentMixture

            mixture = LatentMixture.load(mixture)
        latent, labels = mixture.sample(count, number, seed)
    values = [latent, one_hot(labels, class_count)] if class_count else [latent]
    return session.run(None, {each.name: value for each, value in zip(inputs, values, strict=True)})[0]


def _class_number(label: int | str | None, class_count: int, names: list[str]) -> int | None:
    if label is None:
        return None
    if isinstance(label, str):
        if label not in names:
            known = (
                f"its classes are {', '.join(names)}"
                if names
                else "the file holds no class names: give a number"
            )
            raise ValueError(f"the model has no class {label!r}; {known}")
        return names.index(label)
    if not 0 <= int(label) < class_count:
        raise ValueError(f"label must lie from 0 to {class_count - 1}, got {label}")
    return int(label)
