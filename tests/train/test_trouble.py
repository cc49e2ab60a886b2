"""When training breaks: the first value that is not finite is found, and memory's end becomes advice."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from aigc_lab import train  # noqa: E402
from aigc_lab.models import vae  # noqa: E402

X = np.random.default_rng(0).random((16, 4, 4, 1), dtype="float32")


def new_model(**options):
    return vae.dense_vae((4, 4, 1), latent_size=2, width=8, seed=3, **options)


def poison(variable, value, place=0):
    values = keras.ops.convert_to_numpy(variable).copy()
    values.flat[place] = value
    variable.assign(values)


def layer(network, name):
    return next(each for each in network.layers if name in each.name)


def test_a_sound_model_has_no_such_value_and_keeps_its_random_state():
    model = new_model()
    before = keras.ops.convert_to_numpy(model.noise.state).copy()
    assert train.first_not_finite(model, X) is None
    assert np.array_equal(before, keras.ops.convert_to_numpy(model.noise.state))
    first, second = (np.asarray(keras.ops.convert_to_numpy(model(X)["mean"])) for _ in range(2))
    assert np.array_equal(first, second), "the layers are as they were"


@pytest.mark.parametrize("number", [0, 1])
def test_broken_weights_name_their_layer(number):
    model = new_model()
    culprit = [each for each in model.decoder.layers if each.weights][number]
    poison(culprit.kernel, np.nan, 5)
    where = train.first_not_finite(model, X)
    assert (where.place, where.kind, where.bad) == (culprit.path, "weights", 1)
    assert f"weights of layer {culprit.path} are not finite" in str(where)


def test_an_output_that_overflows_names_its_layer():
    model = new_model()
    culprit = layer(model.encoder, "dense")
    for place in range(culprit.kernel.shape[0] * culprit.kernel.shape[1]):
        poison(culprit.kernel, 3e38, place)  # finite, but their sum is not
    where = train.first_not_finite(model, X)
    assert (where.place, where.kind, where.bad) == (culprit.path, "layer", 16 * 8)
    assert where.largest <= 1.0


def test_what_the_model_computes_between_its_layers_is_named_by_both_ends():
    model = new_model()
    for place in range(2):
        poison(layer(model.encoder, "log_variance").bias, 500.0, place)  # exp(250) is too much
    where = train.first_not_finite(model, X)
    assert where.kind == "input" and where.place == layer(model.decoder, "dense").path
    assert where.bad == 16 * 2 and "is computed between" in str(where)
    assert where.largest == pytest.approx(500, abs=5)


def test_a_loss_that_overflows_is_named_when_all_layers_are_sound():
    model = new_model()
    for place in range(2):
        poison(layer(model.encoder, "log_variance").bias, 120.0, place)  # exp(60) passes, exp(120) does not
    where = train.first_not_finite(model, X)
    assert (where.place, where.kind) == ("kl", "loss")


def test_a_model_with_classes_takes_its_labels_too():
    model = new_model(class_count=3)
    poison(layer(model.decoder, "dense").bias, np.inf)
    assert train.first_not_finite(model, (X, np.arange(16) % 3)).kind == "weights"


def test_memory_that_is_at_its_end_becomes_one_sentence():
    words = r"10000000 x 10000000 values alone takes 400,000\.0 GB.* micro_batches=2, .*batch_size=32"
    with pytest.raises(MemoryError, match=words), train.memory_advice(batch_size=64):
        np.ones((10**7, 10**7), "float32")
    words = "micro_batches=3, the same batch of 9 computed in 3 parts"
    with pytest.raises(MemoryError, match=words), train.memory_advice(batch_size=9):
        raise MemoryError


@pytest.mark.parametrize(
    "message",
    [
        "OOM when allocating tensor with shape[64,1000] and type float on /device:GPU:0",
        "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 256000 bytes.",
        "CUDA out of memory. Tried to allocate 20.00 MiB",
    ],
)
def test_each_backend_says_it_in_its_own_way(message):
    with pytest.raises(MemoryError, match="Try in this order"), train.memory_advice(batch_size=64):
        raise RuntimeError(message)


def test_other_errors_pass_as_they_are():
    with pytest.raises(ValueError, match="choose one"), train.memory_advice(batch_size=64):
        train.fit(new_model(), X, steps=1, batch_size=500)
