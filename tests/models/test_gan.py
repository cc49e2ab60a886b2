"""The GAN's losses, its one backward pass against two, and what is saved comes back."""

import math

import numpy as np
import pytest

keras = pytest.importorskip("keras")
from keras import layers, ops  # noqa: E402

from aigc_lab import augment, train  # noqa: E402
from aigc_lab.models import gan as gan_room  # noqa: E402


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).random((32, 8, 8, 1), dtype="float32")


def small_gan(**options):
    return gan_room.dense_gan((8, 8, 1), **{"latent_size": 3, "width": 16, "seed": 1, **options})


def plain_gan(**options):
    """Without normalisation, which keeps a state that changes from call to call."""
    keras.utils.set_random_seed(2)
    latent = keras.Input((3,))
    hidden = layers.Dense(12, activation="tanh")(latent)
    drawn = layers.Reshape((8, 8, 1))(layers.Dense(64, activation="sigmoid")(hidden))
    picture = keras.Input((8, 8, 1))
    hidden = layers.Dense(12, activation="tanh")(layers.Flatten()(picture))
    model = gan_room.GAN(
        keras.Model(latent, drawn), keras.Model(picture, layers.Dense(1)(hidden)), seed=4, **options
    )
    model.build()
    return model


def numbers(terms):
    return {name: float(ops.convert_to_numpy(ops.stop_gradient(value))) for name, value in terms.items()}


def test_the_losses_are_those_of_the_paper():
    logits = np.array([[-2.0], [0.0], [3.0]], "float32")
    probability = 1 / (1 + np.exp(-logits.astype(float)))
    expected = -np.log(probability).mean() - np.log(1 - probability[::-1]).mean()
    assert float(gan_room.discriminator_loss(logits, logits[::-1])) == pytest.approx(expected, rel=1e-5)
    assert float(gan_room.generator_loss(logits)) == pytest.approx(-np.log(probability).mean(), rel=1e-5)
    undecided = np.zeros((5, 1), "float32")
    assert float(gan_room.discriminator_loss(undecided, undecided)) == pytest.approx(math.log(4), rel=1e-6)


def test_extreme_logits_stay_finite():
    logits = np.array([[500.0], [-500.0]], "float32")
    assert float(gan_room.discriminator_loss(logits, logits)) == pytest.approx(500.0)


def test_the_loss_is_the_sum_of_both(pictures):
    model = plain_gan()
    terms = numbers(model.loss_terms(pictures, model(pictures, training=True)))
    assert terms["loss"] == pytest.approx(terms["discriminator"] + terms["generator"], rel=1e-6)
    assert 0 < terms["real_probability"] < 1 and 0 < terms["fake_probability"] < 1


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the tape is TensorFlow's")
@pytest.mark.parametrize("augmented", [False, True])
def test_gradients_equal_those_of_two_separate_passes(pictures, augmented):
    import tensorflow as tf

    layer = augment.Differentiable(("translation", "cutout"), seed=3) if augmented else None
    model = plain_gan(augmentation=layer)
    seeds = [each for each in model.variables if "seed" in each.path]
    start = [each.numpy() for each in seeds]

    def again():
        for variable, value in zip(seeds, start, strict=True):
            variable.assign(value)

    with tf.GradientTape() as tape:
        loss = model.loss_terms(pictures, model(pictures, training=True))["loss"]
    together = tape.gradient(loss, model.trainable_variables)

    def two_passes(which):
        again()
        latent = keras.random.normal((len(pictures), 3), seed=model.noise)
        fakes = model.generator(latent)
        if augmented:
            real, fakes = layer(pictures, training=True), layer(fakes, training=True)
        else:
            real = pictures
        if which == "discriminator":
            return gan_room.discriminator_loss(model.discriminator(real), model.discriminator(fakes))
        return gan_room.generator_loss(model.discriminator(fakes))

    apart = []
    for which in ("generator", "discriminator"):
        network = getattr(model, which)
        with tf.GradientTape() as tape:
            loss = two_passes(which)
        apart += tape.gradient(loss, network.trainable_variables)
    owners = [*model.generator.trainable_variables, *model.discriminator.trainable_variables]
    apart = {id(variable): gradient for variable, gradient in zip(owners, apart, strict=True)}
    for variable, gradient in zip(model.trainable_variables, together, strict=True):
        assert gradient is not None, variable.path
        assert np.allclose(gradient, apart[id(variable)], atol=1e-5), variable.path
        assert np.abs(gradient.numpy()).max() > 0, variable.path


def test_it_learns_where_the_light_is():
    """Pictures whose left half is bright: after a short game, so are the samples."""
    bright = np.zeros((256, 8, 8, 1), "float32")
    bright[:, :, :4] = np.random.default_rng(1).uniform(0.7, 1, (256, 8, 4, 1))
    model = small_gan(augmentation=augment.Differentiable(("translation",), seed=1))
    history = train.fit(model, bright, steps=150, batch_size=32, learning_rate=5e-3, progress=False)
    samples = model.sample(64)
    assert samples[:, :, :4].mean() > 0.6 and samples[:, :, 4:].mean() < 0.2
    assert {"discriminator", "generator", "real_probability"} <= set(history.table.columns)


def test_equal_seeds_give_equal_models_and_samples():
    assert np.array_equal(small_gan().sample(5, seed=2), small_gan().sample(5, seed=2))
    assert not np.array_equal(small_gan().sample(5), small_gan(seed=2).sample(5))
    samples = small_gan().sample(7)
    assert samples.shape == (7, 8, 8, 1) and 0 <= samples.min() <= samples.max() <= 1


@pytest.mark.parametrize("augmented", [False, True])
def test_saved_and_loaded_again_it_is_the_same(tmp_path, augmented):
    model = small_gan(augmentation=augment.Differentiable(("cutout",), seed=3) if augmented else None)
    model.save(tmp_path / "gan.keras")
    again = keras.saving.load_model(tmp_path / "gan.keras")
    assert np.array_equal(model.sample(4, seed=1), again.sample(4, seed=1))
    assert (again.augmentation is not None) == augmented


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        small_gan(width=0)
    with pytest.raises(ValueError, match=r"\(n, 3\)"):
        small_gan().decode(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="at least one"):
        small_gan().sample(0)
