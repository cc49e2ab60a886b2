"""How the files that demonstrations load are written: models as ONNX of half the size, tables, pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SMALL = 64  # weights of fewer values stay as they are: a Cast would take more room than it saves


def write_model(network: Any, path: Path) -> None:
    """Write a Keras model as ONNX with an open batch size; its one output is called ``pixels``.

    Weights are stored as float16 and become float32 when the file is opened, so that all computing is in
    float32. The weights of ``aigc_lab.models.stored`` come from float16: nothing is lost.

    Raises:
        ValueError: the model has an operation that ONNX does not know.
    """
    from aigc_lab import deploy
    from aigc_lab.backend import quiet

    with quiet():
        # Keras exports only a model that was called once.
        network([np.zeros([side or 1 for side in each.shape], each.dtype) for each in network.inputs])
        deploy.write_onnx(network, path, {})
    halve(path)


def halve(path: Path) -> None:
    """Store the float32 weights of an ONNX file as float16, each with a Cast to float32 behind it.

    What float16 cannot hold exactly stays as it is: constants, such as tables of sines, never were float16.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(path)
    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if weight.data_type != TensorProto.FLOAT or values.size < SMALL:
            continue
        if (values.astype("float16") != values).any():
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype("float16"), f"{name}/float16"))
        casts.append(helper.make_node("Cast", [weight.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def run(path: Path, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The outputs of an ONNX file, by onnxruntime."""
    from aigc_lab import deploy

    return deploy.open_onnx(path, threads=1).run(None, dict(inputs))


def write_json(values: Any, path: Path) -> None:
    """Write a table; numbers of NumPy arrays as lists with 6 significant digits."""

    def plain(value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            raise TypeError(f"a table holds numbers, words and arrays, not {type(value).__name__}")
        return [float(f"{each:.6g}") for each in value] if value.ndim == 1 else list(value)

    words = json.dumps(values, default=plain, ensure_ascii=False, separators=(",", ":"))
    path.write_text(words, encoding="utf-8")


def write_picture(pixels: np.ndarray, path: Path, enlarge: int = 1) -> None:
    """Write uint8 pixels ``(height, width[, 3])`` as a PNG, each as a square of ``enlarge`` pixels."""
    large = pixels.repeat(enlarge, axis=0).repeat(enlarge, axis=1)
    Image.fromarray(large).save(path, "PNG", optimize=True)
