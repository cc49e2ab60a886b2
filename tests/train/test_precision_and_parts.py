"""Micro-batches give the gradient of the whole batch; half precision scales its loss, and learns."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from aigc_lab import train  # noqa: E402
from aigc_lab.models import gan, transformer, vae  # noqa: E402

X, CHARACTERS = transformer.windows("a rose is a rose is a rose; " * 40, 10)
PICTURES = np.random.default_rng(0).uniform(size=(64, 8, 8, 1)).round().astype("float32")


def characters(precision="float32"):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        return transformer.character_model(len(CHARACTERS), length=10, width=16, blocks=1, heads=2, seed=3)
    finally:
        keras.config.set_dtype_policy(before)


def weights_of(model):
    return [keras.ops.convert_to_numpy(each) for each in model.trainable_variables]


def fit(model, x=X, **options):
    return train.fit(model, x, **{"steps": 6, "batch_size": 16, "reports": 6, "progress": False, **options})


on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="micro-batches need the TensorFlow backend"
)


@on_tensorflow
@pytest.mark.parametrize("parts", [2, 8])
def test_micro_batches_are_the_whole_batch(parts):
    whole, split = characters(), characters()
    first, second = fit(whole), fit(split, micro_batches=parts)
    assert second.table["loss"].to_numpy() == pytest.approx(first.table["loss"].to_numpy(), rel=1e-5)
    for one, other in zip(weights_of(whole), weights_of(split), strict=True):
        assert other == pytest.approx(one, abs=2e-4)  # Adam divides a small gradient by its size


@on_tensorflow
def test_micro_batches_resume_exactly(tmp_path):
    whole, cut = characters(), characters()
    fit(whole, micro_batches=4)
    with pytest.raises(KeyboardInterrupt):
        fit(cut, micro_batches=4, checkpoint=tmp_path / "run.npz", measure=stop_at(3))
    resumed = characters()
    fit(resumed, micro_batches=4, checkpoint=tmp_path / "run.npz")
    assert all(map(np.array_equal, weights_of(whole), weights_of(resumed)))
    with pytest.raises(ValueError, match="micro_batches was 4, now 1"):
        fit(characters(), checkpoint=tmp_path / "run.npz")


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="they work there")
def test_micro_batches_are_refused_elsewhere():
    with pytest.raises(ValueError, match="needs the TensorFlow backend"):
        fit(characters(), micro_batches=2)


@on_tensorflow
def test_an_embedding_moves_as_adam_says():
    """Its first step is the rate times the sign of the gradient, also for a token that stands twice."""
    model = characters()
    before = weights_of(model)[0]
    fit(model, steps=1, reports=1, learning_rate=1e-2, schedule="constant")
    moved = np.abs(weights_of(model)[0] - before)
    # Adam divides by |gradient| + epsilon: where the gradient is tiny, a little less than the whole rate.
    assert moved == pytest.approx(np.full_like(moved, 1e-2), rel=0.05)


def stop_at(report):
    calls = []

    def measure():
        calls.append(1)
        if len(calls) == report:
            raise KeyboardInterrupt
        return {}

    return measure


@on_tensorflow
@pytest.mark.parametrize("model", ["vae", "gan"])
def test_noisy_models_train_in_parts_too(model):
    if model == "vae":
        made = vae.convolutional_vae((8, 8, 1), latent_size=2, width=4)
    else:
        made = gan.dcgan((8, 8, 1), latent_size=4, width=2)
    history = fit(made, PICTURES, micro_batches=2, steps=4)
    assert np.isfinite(history.table["loss"]).all()
    assert history.table["step"].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("parts", [0, 3])
def test_parts_that_do_not_divide_the_batch_are_refused(parts):
    with pytest.raises(ValueError, match="must be a multiple of micro_batches"):
        fit(characters(), micro_batches=parts)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_learns_as_much(precision):
    if precision == "mixed_float16" and keras.backend.backend() == "jax":
        pytest.skip("JAX multiplies no float16 matrices on a CPU")
    options = {"steps": 80, "learning_rate": 1e-2, "reports": 4}
    full, half = characters(), characters(precision)
    expected, found = fit(full, **options), fit(half, **options)
    assert weights_of(half)[0].dtype == "float32"
    assert found.last() < expected.table["loss"].iloc[0] / 2
    assert found.last() == pytest.approx(expected.last(), abs=0.15)


def test_only_float16_has_its_loss_scaled():
    for precision, scaled in (("float32", False), ("mixed_bfloat16", False), ("mixed_float16", True)):
        trainer = train.Trainer(characters(precision), steps=1)
        assert any("dynamic_scale" in each.path for each in trainer._state) == scaled, precision


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_the_loss_of_a_vae_is_summed_in_full_precision(precision):
    """In bfloat16 a sum of 784 terms would be off by whole nats; the layers alone are off by far less."""
    x = np.random.default_rng(1).uniform(size=(32, 28, 28, 1)).round().astype("float32")
    before = keras.config.dtype_policy()
    models = []
    for policy in ("float32", precision):
        keras.config.set_dtype_policy(policy)
        models.append(vae.convolutional_vae((28, 28, 1), latent_size=4, width=4, seed=5))
        keras.config.set_dtype_policy(before)
    full, half = (model.elbo(x) for model in models)
    assert half.dtype == full.dtype
    assert models[1].sample(2).dtype == "float32"
    assert half == pytest.approx(full, abs=0.3)
    assert not np.array_equal(half, full)
