"""What can be added to an export: 8-bit numbers, and the judge that watches its images in a service.

Introduced in notebook 19.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aigc_lab.backend import quiet
from aigc_lab.deploy.onnx_file import TOLERANCE, network_inputs, onnx_runner, open_onnx, write_onnx
from aigc_lab.deploy.versions import INT8, JUDGE, MIXTURE, ONNX, record, verify

if TYPE_CHECKING:
    import keras


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
    told = verify(folder)
    if "latent_size" not in told:
        raise ValueError(f"quantise takes a model that draws from latent points, and {folder} holds none")

    def points(count: int, seed: int) -> list[np.ndarray]:
        if (Path(folder) / MIXTURE).is_file():
            from aigc_lab.models.mixture import LatentMixture

            latent, labels = LatentMixture.load(Path(folder) / MIXTURE).sample(count, None, seed)
        else:
            latent = np.random.default_rng(seed).standard_normal((count, told["latent_size"]), "float32")
            labels = np.arange(count) % max(1, told["class_count"])
        return network_inputs(latent, labels, told["class_count"])

    class Points(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            names = [each.name for each in open_onnx(source).get_inputs()]
            self.batches = iter([dict(zip(names, points(count, seed), strict=True))])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.batches, None)

    source, path = Path(folder) / ONNX, Path(folder) / INT8
    # Values of 8 bits without sign, weights with it: the pair that processors multiply in one instruction.
    how = {"activation_type": quantization.QuantType.QUInt8, "weight_type": quantization.QuantType.QInt8}
    # The products hold the weights and take the time; what stands between them stays exact.
    how |= {"op_types_to_quantize": ["Conv", "MatMul"], "reduce_range": weight_bits == 7}
    with quiet():
        quantization.quantize_static(str(source), str(path), Points(), per_channel=True, **how)
    other = points(count, seed + 1)
    record(folder, INT8, float(np.abs(onnx_runner(path)(other) - onnx_runner(source)(other)).max()))
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

    verify(folder)
    images = np.random.default_rng(0).random((5, 28, 28, 1), dtype="float32")
    expected = feature_network.classify(images, among)
    names, weights = feature_network.GROUPS[among], dict(feature_network.weights())
    chosen = [feature_network.CLASS_NAMES.index(f"{among}/{name}") for name in names]
    weights |= {"dense": weights["dense"][:, chosen], "dense_bias": weights["dense_bias"][chosen]}
    network = judge_network(weights, images.shape[1:3], [len(names)])
    network([images])  # Keras exports only a model that was called once
    path, facts = Path(folder) / JUDGE, {"kind": "judge", "class_names": list(names)}
    with quiet():
        write_onnx(network, path, facts, "probabilities")
    difference = float(np.abs(onnx_runner(path)([images]) - expected).max())
    if not difference <= TOLERANCE:
        path.unlink()
        raise ValueError(f"{path.name} differs from evaluate.classify by {difference:.3g}")
    record(folder, JUDGE, difference)
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
    ends = np.cumsum(parts)[:-1]
    dense, bias = (np.split(weights[name], ends, axis=-1) for name in ("dense", "dense_bias"))
    convolutions = [
        weights[f"{name}{number}"] for number in range(len(CONVOLUTIONS)) for name in ("kernel", "bias")
    ]
    pairs = [each for pair in zip(dense, bias, strict=True) for each in pair]
    network.set_weights([*convolutions, *pairs])
    return network
