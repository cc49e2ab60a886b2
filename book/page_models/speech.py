"""Models, table and picture of the demonstration in notebook 27: a spoken digit from noise."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from aigc_lab import collect, sound
from aigc_lab.evaluate import feature_network, spoken
from aigc_lab.models import stored
from book.page_models import exports

DIGITS = ("0 零", "1 一", "2 二", "3 三", "4 四", "5 五", "6 六", "7 七", "8 八", "9 九")
SPEAKERS = feature_network.SPOKEN_GROUPS["speakers"]
SHOWN = ((7, 2), (3, 0), (8, 5), (0, 3))  # digit and speaker in the picture


def undo() -> np.ndarray:
    """From mel bands back to frequencies ``(40, 129)``, as ``sound.from_log_mel`` has it."""
    return np.linalg.pinv(sound.mel_matrix(spoken.RATE, sound.SIZE, sound.BANDS)).astype("float32")


def colours(count: int = 64) -> np.ndarray:
    """Matplotlib's magma, which is even to the eye, as uint8 ``(count, 3)``."""
    found = matplotlib.colormaps["magma"](np.linspace(0, 1, count))[:, :3]
    return np.rint(255 * found).astype("uint8")


def digits(path: Path) -> None:
    """The classes, the shape of the pictures, the way back from mel bands in base 64, and the licence."""
    table = {
        "digits": DIGITS,
        "speakers": SPEAKERS,
        "frames": spoken.FRAMES,
        "bands": sound.BANDS,
        "undo": base64.b64encode(undo().tobytes()).decode("ascii"),
        "colours": colours().ravel().tolist(),
        "licence": f"trained on recordings of the Free Spoken Digit Dataset, {licence()}",
    }
    exports.write_json(table, path)


def licence() -> str:
    """The licence of the recordings, as their card has it."""
    return collect.card("spoken-digits").licence


def digits_diffusion(path: Path) -> None:
    """The network: noisy (n, 64, 40, 1), time (n, 1) and label (n, 60) to the velocity (n, 64, 40, 1)."""
    exports.write_model(stored.load("digits_diffusion").network, path)


def digits_judge(path: Path) -> None:
    """The judge: picture (n, 64, 40, 1) to the probabilities ``digits`` (n, 10) and ``speakers`` (n, 6)."""
    write_judge(feature_network.weights("spoken"), path)


def write_judge(weights: dict[str, np.ndarray], path: Path) -> None:
    """The steps of ``feature_network.forward`` as ONNX, then a softmax for each of the two questions."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    shape, (digits, speakers) = feature_network.SPOKEN_SIZE, feature_network.SPOKEN_GROUPS.values()
    kept = {"dense": weights["dense"], "dense_bias": weights["dense_bias"]}
    nodes = [helper.make_node("Transpose", ["picture"], ["hidden0"], perm=[0, 3, 1, 2])]
    for number, (kernel, stride, _) in enumerate(feature_network.CONVOLUTIONS):
        # (k, k, c_in, c_out) -> (c_out, c_in, k, k)
        kept[f"kernel{number}"] = weights[f"kernel{number}"].transpose(3, 2, 0, 1)
        kept[f"bias{number}"] = weights[f"bias{number}"]
        inputs = [f"hidden{number}", f"kernel{number}", f"bias{number}"]
        how = {"auto_pad": "SAME_UPPER", "strides": [stride] * 2, "kernel_shape": [kernel] * 2}
        nodes.append(helper.make_node("Conv", inputs, [f"sum{number}"], **how))
        nodes.append(helper.make_node("Relu", [f"sum{number}"], [f"hidden{number + 1}"]))
    last = f"hidden{len(feature_network.CONVOLUTIONS)}"
    nodes.append(helper.make_node("ReduceMean", [last], ["features"], axes=[2, 3], keepdims=0))
    nodes.append(helper.make_node("Gemm", ["features", "dense", "dense_bias"], ["logits"]))
    parts = {"digits": len(digits), "speakers": len(speakers)}
    kept_sizes = numpy_helper.from_array(np.array(list(parts.values()), "int64"), "sizes")
    nodes.append(helper.make_node("Split", ["logits", "sizes"], [f"{name}_logits" for name in parts], axis=1))
    nodes += [helper.make_node("Softmax", [f"{name}_logits"], [name], axis=1) for name in parts]

    def value(name: str, *sides: int) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *sides])

    constants = [numpy_helper.from_array(np.ascontiguousarray(each), name) for name, each in kept.items()]
    ends = [value("picture", *shape, 1)], [value(name, size) for name, size in parts.items()]
    graph = helper.make_graph(nodes, "judge", *ends, [*constants, kept_sizes])
    # The versions of the other files, which the runtime of the pages reads.
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8), path)
    exports.halve(path)


def digits_picture(path: Path) -> None:
    """Four digits side by side, time to the right and low frequencies below."""
    labels = [len(SPEAKERS) * digit + speaker for digit, speaker in SHOWN]
    made = stored.load("digits_diffusion").sample(len(labels), labels=labels, seed=1, steps=20, guidance=2.0)
    upright = made[..., 0].transpose(0, 2, 1)[:, ::-1]  # (n, 64, 40, 1) -> (n, 40, 64)
    shades = np.rint(63 * upright).astype(int)
    framed = np.pad(colours()[shades], ((0, 0), (0, 0), (0, 2), (0, 0)), constant_values=255)
    exports.write_picture(np.concatenate(framed, axis=1)[:, :-2], path, enlarge=2)


MODELS: dict[str, Callable[[Path], Any]] = {
    "digits_diffusion.onnx": digits_diffusion,
    "digits_judge.onnx": digits_judge,
    "digits.json": digits,
    "spoken_digit.png": digits_picture,
}
