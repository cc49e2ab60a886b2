"""Adam in one operation a variable is Keras' Adam; seeds are set without touching what is compiled."""

import random

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from aigc_lab import models, train  # noqa: E402
from aigc_lab.train.optimizer import Adam  # noqa: E402


def moved(optimizer, steps=30, scale=1.0):
    """Three variables after so many steps with the same random gradients, some of them tiny."""
    draw = np.random.default_rng(0)
    variables = [keras.Variable(draw.normal(size=shape)) for shape in ((4, 3), (3,), (2, 2, 1, 5))]
    optimizer.build(variables)
    for step in range(steps):
        sizes = (10.0**-step, 1e-3, 1.0)
        gradients = [
            keras.ops.convert_to_tensor((scale * size * draw.normal(size=each.shape)).astype("float32"))
            for size, each in zip(sizes, variables, strict=True)
        ]
        optimizer.apply(gradients, variables)
    return [keras.ops.convert_to_numpy(each) for each in [*variables, *optimizer.variables]]


@pytest.mark.parametrize("options", [{}, {"beta_1": 0.0}, {"beta_1": 0.5, "epsilon": 1e-3}])
def test_it_is_keras_adam(options):
    schedule = keras.optimizers.schedules.CosineDecay(1e-2, 40)
    theirs = moved(keras.optimizers.Adam(schedule, **options))
    ours = moved(Adam(schedule, **options))
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert one == pytest.approx(other, rel=2e-5, abs=1e-6)


def test_a_factor_is_another_learning_rate():
    plain, thrice, ours = moved(Adam(1e-3)), moved(Adam(3e-3)), moved(Adam(1e-3, factors=(1, 3, 1)))
    assert ours[0] == pytest.approx(plain[0], abs=1e-6)
    assert ours[1] == pytest.approx(thrice[1], abs=1e-6)
    assert np.abs(ours[1] - plain[1]).max() > 1e-3


def test_it_comes_back_from_its_configuration():
    optimizer = Adam(0.1, factors=(1, 2), beta_1=0.5)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert (again.factors, again.beta_1) == ((1.0, 2.0), 0.5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="loss scaling as TensorFlow does it")
def test_a_scaled_loss_moves_the_weights_as_an_unscaled_one():
    plain = moved(Adam(1e-3))
    wrapped = keras.optimizers.LossScaleOptimizer(Adam(1e-3), initial_scale=8.0)
    scaled = moved(wrapped, scale=8.0)
    assert all(
        one == pytest.approx(other, abs=1e-6) for one, other in zip(scaled[:3], plain[:3], strict=True)
    )


def test_neither_builders_nor_training_set_the_seeds_of_the_process(monkeypatch):
    """Keras' own call throws away what every compiled function of the process has prepared."""

    def never(seed):
        raise AssertionError("the seeds of the whole process were set")

    monkeypatch.setattr(keras.utils, "set_random_seed", never)
    random.seed(5)
    before = random.getstate()
    x = np.random.default_rng(0).random((32, 8, 8, 1), dtype="float32")
    for model in (
        models.vae.dense_vae((8, 8, 1), 2, width=4),
        models.vae.convolutional_vae((8, 8, 1), 2, width=4),
        models.gan.dense_gan((8, 8, 1), 2, width=4),
        models.gan.dcgan((8, 8, 1), 2, width=4),
    ):
        assert random.getstate() == before
        train.fit(model, x, steps=1, batch_size=8, progress=False)
