"""EfficientNet-Lite0: read without PyTorch, equal to PyTorch, differentiable, and a distance."""

import importlib.util
import io
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from aigc_lab.collect import photos
from aigc_lab.collect.load import package_file
from aigc_lab.evaluate import photo_features

keras = pytest.importorskip("keras")
from keras import ops  # noqa: E402

# Mean and largest absolute value of each block's map for `trial()`, from PyTorch running the same weights.
FACTS = {
    0: ((1, 24, 32, 16), 8.27471, 50.9922),
    2: ((1, 12, 16, 24), 8.68286, 50.1933),
    4: ((1, 6, 8, 40), 6.00891, 26.2066),
    10: ((1, 3, 4, 112), 4.02818, 17.0253),
    15: ((1, 2, 2, 320), 1.39728, 6.2502),
}
HAS_TORCH = importlib.util.find_spec("torch") is not None


def trial():
    return np.random.default_rng(0).random((1, 48, 64, 3), dtype="float32")


def array(tensor):
    return ops.convert_to_numpy(ops.stop_gradient(tensor))


def content():
    return Path(package_file(*photo_features._FILE, photo_features.DISTRIBUTION)).read_bytes()


def torch_maps(picture):
    """The same network in PyTorch, written apart: unfolded batch normalisation, padding by hand."""
    import torch
    from torch.nn import functional as F

    path = package_file(*photo_features._FILE, photo_features.DISTRIBUTION)
    stored = torch.load(path, weights_only=True)

    def normed(x, name):
        parts = (stored[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, *parts, False, 0.0, 1e-3)

    def padded(x, kernel, stride):
        sums = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[2:]]
        (top, bottom), (left, right) = ((total // 2, total - total // 2) for total in sums)
        return F.pad(x, (left, right, top, bottom))

    x = (torch.tensor(picture).permute(0, 3, 1, 2) * 255 - 127) / 128
    x = F.relu6(normed(F.conv2d(padded(x, 3, 2), stored["_conv_stem.weight"], stride=2), "_bn0"))
    maps = []
    for repeats, kernel, first_stride, expansion, channels in photo_features._STAGES:
        for repeat in range(repeats):
            place, before, stride = f"_blocks.{len(maps)}", x, first_stride if repeat == 0 else 1
            if expansion > 1:
                x = F.relu6(normed(F.conv2d(x, stored[f"{place}._expand_conv.weight"]), f"{place}._bn0"))
            weight = stored[f"{place}._depthwise_conv.weight"]
            x = F.conv2d(padded(x, kernel, stride), weight, stride=stride, groups=len(weight))
            x = F.relu6(normed(x, f"{place}._bn1"))
            x = normed(F.conv2d(x, stored[f"{place}._project_conv.weight"]), f"{place}._bn2")
            x = x + before if stride == 1 and before.shape[1] == channels else x
            maps.append(x.permute(0, 2, 3, 1).numpy())
    return maps


def test_the_file_is_read_as_pytorch_reads_it():
    tensors = photo_features.read_tensors(content())
    assert len(tensors) == 296 and tensors["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert sum(each.size for name, each in tensors.items() if "num_batches" not in name) == 4_694_024
    if HAS_TORCH:
        import torch

        path = package_file(*photo_features._FILE, photo_features.DISTRIBUTION)
        for name, each in torch.load(path, weights_only=True).items():
            assert np.array_equal(tensors[name], each.numpy()), name


def test_the_network_gives_the_known_features():
    blocks = tuple(FACTS)
    for block, found in zip(blocks, photo_features.photo_network(blocks)(trial()), strict=True):
        values = array(found)
        assert values.shape == FACTS[block][0]
        assert np.abs(values).mean() == pytest.approx(FACTS[block][1], rel=1e-3)
        assert np.abs(values).max() == pytest.approx(FACTS[block][2], rel=1e-3)


@pytest.mark.skipif(not HAS_TORCH, reason="PyTorch is not installed")
def test_the_network_is_that_of_pytorch():
    blocks = tuple(range(photo_features.BLOCKS))
    expected = torch_maps(trial())
    for block, found in zip(blocks, photo_features.photo_network(blocks)(trial()), strict=True):
        assert np.abs(array(found) - expected[block]).max() < 1e-3


def test_gradients_reach_the_picture():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("gradients are taken with TensorFlow's tape")
    import tensorflow as tf

    network = photo_features.photo_network()
    picture = tf.constant(trial())
    with tf.GradientTape() as tape:
        tape.watch(picture)
        loss = sum(ops.mean(ops.square(each)) for each in network(picture))
    assert float(tf.reduce_min(tf.reduce_max(tf.abs(tape.gradient(loss, picture)), axis=3))) > 0
    assert not network.trainable_variables


def test_a_program_in_the_file_is_refused():
    class Evil:
        def __reduce__(self):
            return (print, ("it ran",))

    for harmful in (Evil(), np.float64, {"a": io.BytesIO}):
        stream = io.BytesIO()
        for part in (1, 1001, {}, harmful):
            pickle.dump(part, stream, protocol=2)
        with pytest.raises(pickle.UnpicklingError, match="only tensors"):
            photo_features.read_tensors(stream.getvalue())


def test_a_tensor_beyond_its_storage_is_refused():
    # Opcodes by hand: {"w": _rebuild_tensor_v2(storage "0" of 3 floats, offset 0, shape (9,), strides (1,))}
    tensor = (
        b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n"
        b"((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x03NtQ"
        b"K\x00K%c\x85K\x01\x85tRs."
    )
    parts = [pickle.dumps(part, protocol=2) for part in (1, 1001, {})]
    raw = np.arange(3, dtype="<f4").tobytes()
    storage = [pickle.dumps(["0"], protocol=2), b"\x03" + bytes(7), raw]
    three, nine = (b"".join([*parts, tensor % bytes([length]), *storage]) for length in (3, 9))
    assert photo_features.read_tensors(three)["w"].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="size of buffer"):
        photo_features.read_tensors(nine)


def test_another_file_is_not_read(monkeypatch):
    monkeypatch.setattr(photo_features, "_SHA256", "0" * 64)
    photo_features._weights.cache_clear()
    with pytest.raises(ValueError, match="not the file this project knows"):
        photo_features.photo_network()


def test_the_distance_grows_with_blur():
    from scipy.ndimage import gaussian_filter

    photo = photos()["chelsea"][60:188, 120:248]
    blurred = [gaussian_filter(photo, (sigma, sigma, 0)) for sigma in (0.7, 1.5, 3.0)]
    distances = [photo_features.photo_distance(photo, each, border=2) for each in (photo, *blurred)]
    assert distances[0] == pytest.approx(0, abs=1e-7)
    assert distances == sorted(distances) and distances[-1] > 0.05
    grey = photo_features.photo_distance(photo[..., 0], blurred[2][..., 0])
    assert grey > 0.05


@pytest.mark.parametrize("blocks", [(), (16,), (-1,), (1.5,)])
def test_blocks_that_there_are_not(blocks):
    with pytest.raises(ValueError, match="from 0 to 15"):
        photo_features.photo_network(blocks)


def test_too_small_for_a_distance():
    with pytest.raises(ValueError, match="at least 32"):
        photo_features.photo_distance(np.zeros((33, 40, 3)), np.zeros((33, 40, 3)), border=1)


def test_vectors_of_small_grey_pictures_do_not_depend_on_the_batch(monkeypatch):
    pictures = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    vectors = photo_features.photo_vectors(pictures, side=32)
    assert vectors.shape == (5, 112)
    monkeypatch.setattr(photo_features, "_BATCH", 4)
    as_colour = np.repeat(pictures[..., None], 3, axis=-1)
    for same in (pictures[..., None] / 255, as_colour):
        assert np.allclose(vectors, photo_features.photo_vectors(same, side=32), atol=1e-4)
    assert np.abs(vectors - photo_features.photo_vectors(255 - pictures, side=32)).max() > 0.01
    for bad, message in (
        (pictures[0], "photo features need images"),
        (pictures[:0], "photo features need images"),
        (pictures.astype(float), "must lie in"),
        (np.full((2, 28, 28), np.nan), "hold NaN"),
    ):
        with pytest.raises(ValueError, match=message):
            photo_features.photo_vectors(bad)


def test_vectors_need_the_memory_of_one_batch():
    pictures = np.zeros((1000, 96, 96, 3), np.uint8)  # 28 MB, as floats 111 MB
    photo_features.photo_vectors(pictures[:2], side=32)  # the weights are read once
    tracemalloc.start()
    try:
        photo_features.photo_vectors(pictures, side=32)
        assert tracemalloc.get_traced_memory()[1] < 60e6
    finally:
        tracemalloc.stop()
