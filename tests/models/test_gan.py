"""The GAN's losses, its one backward pass against two, and what is saved comes back."""

import math

import numpy as np
import pytest

keras = pytest.importorskip("keras")
from keras import layers, ops  # noqa: E402

from aigc_lab import augment, train  # noqa: E402
from aigc_lab.models import gan  # noqa: E402


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((32, 8, 8, 1), dtype="float32")


def small_gan(**options):
    return gan.dense_gan((8, 8, 1), **{"latent_size": 3, "width": 16, "seed": 1, **options})


def plain_gan(class_count=0, **options):
    """Without normalisation, which keeps a state that changes from call to call."""
    keras.utils.set_random_seed(2)

    def condition():
        return [keras.Input((class_count,))] if class_count else []

    def joined(tensor, label):
        return layers.Concatenate()([tensor, *label]) if label else tensor

    latent, label = keras.Input((3,)), condition()
    hidden = layers.Dense(12, activation="tanh")(joined(latent, label))
    drawn = layers.Reshape((8, 8, 1))(layers.Dense(64, activation="sigmoid")(hidden))
    generator = keras.Model([latent, *label] if label else latent, drawn)
    image, label = keras.Input((8, 8, 1)), condition()
    hidden = layers.Dense(12, activation="tanh")(joined(layers.Flatten()(image), label))
    logit = layers.Dense(1)(hidden)
    discriminator = keras.Model([image, *label] if label else image, logit)
    model = gan.GAN(generator, discriminator, seed=4, class_count=class_count, **options)
    model.build()
    return model


def numbers(terms):
    return {name: float(ops.convert_to_numpy(ops.stop_gradient(value))) for name, value in terms.items()}


def test_the_losses_are_those_of_the_paper():
    logits = np.array([[-2.0], [0.0], [3.0]], "float32")
    probability = 1 / (1 + np.exp(-logits.astype(float)))
    expected = -np.log(probability).mean() - np.log(1 - probability[::-1]).mean()
    assert float(gan.discriminator_loss(logits, logits[::-1])) == pytest.approx(expected, rel=1e-5)
    assert float(gan.generator_loss(logits)) == pytest.approx(-np.log(probability).mean(), rel=1e-5)
    undecided = np.zeros((5, 1), "float32")
    assert float(gan.discriminator_loss(undecided, undecided)) == pytest.approx(math.log(4), rel=1e-6)


def test_extreme_logits_stay_finite():
    logits = np.array([[500.0], [-500.0]], "float32")
    assert float(gan.discriminator_loss(logits, logits)) == pytest.approx(500.0)


def test_the_loss_is_the_sum_of_both(images):
    model = plain_gan()
    terms = numbers(model.loss_terms(images, model(images, training=True)))
    assert terms["loss"] == pytest.approx(terms["discriminator"] + terms["generator"], rel=1e-6)
    assert 0 < terms["real_probability"] < 1 and 0 < terms["fake_probability"] < 1


CASES = {
    "plain": {},
    "saturating": {"loss": "saturating"},
    "wasserstein with penalty": {"loss": "wasserstein", "penalty": 10.0},
    "non-saturating with penalty": {"penalty": 1.0},
    "conditional": {"class_count": 3},
    "conditional with penalty": {"class_count": 3, "penalty": 2.0},
    "penalty on a quarter of the batch": {"class_count": 3, "penalty": 2.0, "penalty_share": 0.25},
    "augmented": {"augmented": True},
}


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the tape is TensorFlow's")
@pytest.mark.parametrize("case", CASES)
def test_gradients_equal_those_of_two_separate_passes(images, case):
    """The usual loop, written out: one tape for each player, the losses from the papers."""
    import tensorflow as tf

    options = dict(CASES[case])
    layer = augment.Differentiable(("translation", "cutout"), seed=3) if options.pop("augmented", 0) else None
    model = plain_gan(augmentation=layer, **options)
    labels = np.arange(len(images), dtype="int32") % 3
    inputs = (images, labels) if model.class_count else images
    condition = [tf.one_hot(labels, 3)] if model.class_count else []
    seeds = [each for each in model.variables if "seed" in each.path]
    start = [each.numpy() for each in seeds]

    def again():
        for variable, value in zip(seeds, start, strict=True):
            variable.assign(value)

    with tf.GradientTape() as tape:
        loss = model.loss_terms(inputs, model(inputs, training=True))["loss"]
    together = tape.gradient(loss, model.trainable_variables)

    def judge(shown):
        told = [each[: shown.shape[0]] for each in condition]
        return model.discriminator([shown, *told] if told else shown)

    def two_passes(which):
        again()
        latent = keras.random.normal((len(images), 3), seed=model.noise)
        fakes = model.generator([latent, *condition] if condition else latent)
        real = tf.constant(images) if layer is None else layer(images, training=True)
        fakes = fakes if layer is None else layer(fakes, training=True)
        probability, real_probability = (tf.sigmoid(judge(each)) for each in (fakes, real))
        if which == "generator":
            if model.loss_name == "wasserstein":
                return -tf.reduce_mean(judge(fakes))
            if model.loss_name == "saturating":
                return tf.reduce_mean(tf.math.log(1 - probability))
            return -tf.reduce_mean(tf.math.log(probability))
        if model.loss_name == "wasserstein":
            loss = tf.reduce_mean(judge(fakes)) - tf.reduce_mean(judge(real))
        else:
            loss = -tf.reduce_mean(tf.math.log(real_probability)) - tf.reduce_mean(
                tf.math.log(1 - probability)
            )
        if model.penalty:
            some = int(len(images) * model.penalty_share)
            mix = keras.random.uniform((some, 1, 1, 1), seed=model.noise)
            between = tf.Variable(mix * real[:some] + (1 - mix) * fakes[:some])
            with tf.GradientTape() as inner:
                total = tf.reduce_sum(judge(between))
            norm = tf.sqrt(tf.reduce_sum(inner.gradient(total, between) ** 2, axis=(1, 2, 3)))
            loss += model.penalty * tf.reduce_mean((norm - 1) ** 2)
        return loss

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
        expected = apart[id(variable)]
        # The last bias drops out of a Wasserstein loss: no gradient at all.
        expected = np.zeros(variable.shape) if expected is None else expected
        assert np.allclose(gradient, expected, atol=1e-5), variable.path
        if "wasserstein" not in case:
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


def test_the_penalty_of_a_linear_critic_is_known():
    """Its slope is its weight everywhere, so the penalty is (|w| - 1)^2 wherever it is taken."""
    weight = np.random.default_rng(3).normal(0, 1, (12, 1)).astype("float32")
    real, fake = np.random.default_rng(4).random((2, 5, 12)).astype("float32")
    mix = np.random.default_rng(5).random((5, 1)).astype("float32")
    penalty = gan.gradient_penalty(
        lambda x: ops.matmul(x, weight), *(ops.convert_to_tensor(each) for each in (real, fake, mix))
    )
    expected = (np.linalg.norm(weight) - 1) ** 2
    assert float(ops.convert_to_numpy(penalty)) == pytest.approx(expected, rel=1e-5)


def test_the_slope_of_a_square_is_twice_the_point():
    points = np.arange(6, dtype="float32").reshape(3, 2)
    slope = gan.input_gradient(lambda x: ops.sum(x**2, axis=1), ops.convert_to_tensor(points))
    assert np.allclose(ops.convert_to_numpy(ops.stop_gradient(slope)), 2 * points)


def test_each_player_has_its_own_learning_rate(images):
    """Twice the rate is what Adam does at twice the rate; a millionth leaves the weights alone."""
    start, rate = plain_gan().get_weights(), 1e-2

    def after(**options):
        model = plain_gan(**options)
        model.set_weights(start)
        train.fit(model, images, steps=1, batch_size=32, learning_rate=rate, progress=False)
        values = [ops.convert_to_numpy(each) for each in model.discriminator.trainable_variables]
        return model, values

    _, plain = after()
    _, twice = after(discriminator_rate=2.0)
    _, hardly = after(discriminator_rate=1e-6)
    before = plain_gan()
    before.set_weights(start)
    before = [ops.convert_to_numpy(each) for each in before.discriminator.trainable_variables]
    for one, two, none, old in zip(plain, twice, hardly, before, strict=True):
        assert np.allclose(two - old, 2 * (one - old), atol=1e-5)
        assert np.allclose(none, old, atol=1e-6)


@pytest.mark.parametrize(
    "options", [{}, {"loss": "wasserstein", "penalty": 10.0}, {"class_count": 3}, {"spread": True}]
)
def test_the_convolutional_variants_train_and_are_saved(tmp_path, images, options):
    model = gan.dcgan((8, 8, 1), latent_size=3, width=4, seed=1, **options)
    labels = np.arange(32) % 3 if "class_count" in options else None
    history = train.fit(model, images, labels, steps=4, batch_size=16, seed=1, progress=False)
    assert np.isfinite(history.table.to_numpy()).all()
    assert "distance" in history.table or "accuracy" in history.table
    model.save(tmp_path / "gan.keras")
    again = keras.saving.load_model(tmp_path / "gan.keras")
    assert np.array_equal(model.sample(4, seed=1), again.sample(4, seed=1))
    for name in ("loss_name", "penalty", "penalty_share", "momentum", "class_count", "batch_multiple"):
        assert getattr(again, name) == getattr(model, name), name


@pytest.mark.parametrize(
    ("side", "coarsest"), [(28, 7), (32, 8), (44, 11), (48, 6), (64, 8), (96, 6), (128, 8)]
)
def test_large_colour_images_have_more_grids(side, coarsest):
    model = gan.dcgan((side, side, 1 if side == 28 else 3), class_count=3, width=4, seed=2)
    grids = [each.output.shape[1:3] for each in model.discriminator.layers if len(each.output.shape) == 4]
    assert grids[-1] == (coarsest, coarsest)
    reshaped = next(each for each in model.generator.layers if isinstance(each, layers.Reshape))
    assert reshaped.output.shape[1:3] == grids[-1]
    # Stored models have one of these sizes: the number of their weights must not change.
    assert side > 32 or model.count_params() == {28: 23_545, 32: 30_569}[side]
    x = np.random.default_rng(0).random((8, *model.image_shape), dtype="float32")
    history = train.fit(model, x, np.arange(8) % 3, steps=1, batch_size=8, progress=False)
    assert np.isfinite(history.last()) and model.sample(3).shape == (3, *model.image_shape)


def test_temperature_scales_the_latent_points():
    model = small_gan()
    z = np.random.default_rng(7).standard_normal((5, 3), "float32")
    assert np.allclose(model.sample(5, seed=7, temperature=0.5), model.decode(0.5 * z), atol=1e-6)
    assert np.array_equal(model.sample(5, seed=7), model.decode(z))


def test_a_condition_changes_the_picture_and_by_default_the_classes_take_turns():
    model = gan.dcgan((8, 8, 1), latent_size=3, class_count=3, width=4, seed=1)
    z = np.zeros((2, 3), "float32")
    first, second = model.decode(z, labels=[0, 2])
    assert not np.allclose(first, second)
    assert np.allclose(model.decode(z, labels=2)[0], second, atol=1e-6)
    assert np.allclose(model.sample(4, seed=3), model.sample(4, labels=[0, 1, 2, 0], seed=3))


def test_it_says_when_the_discriminator_has_won(images):
    """Almost black images against a generator that starts grey and hardly moves."""
    model = plain_gan(discriminator_rate=1000.0)
    with pytest.warns(UserWarning, match="the discriminator has won by step"):
        train.fit(model, images / 100, steps=400, batch_size=16, learning_rate=1e-5, progress=False)


def test_a_balanced_game_draws_no_remark():
    even = {"step": 5, "real_probability": 0.7, "fake_probability": 0.3}
    lost = {"step": 6, "real_probability": 0.999, "fake_probability": 0.001}
    assert plain_gan().remark([even, even]) is None
    assert plain_gan().remark([even, lost]) is None
    assert "step 6" in plain_gan().remark([even, lost, lost])
    assert plain_gan(loss="wasserstein", penalty=10).remark([{"step": 1, "distance": 9.0}] * 3) is None


def test_data_that_the_model_does_not_take_are_refused(images):
    fit = {"steps": 1, "progress": False}
    with pytest.raises(ValueError, match="needs 2 items or more in a batch"):
        train.fit(plain_gan(), images, batch_size=1, **fit)
    with pytest.raises(ValueError, match=r"shape \(n, 8, 8, 1\), got \(32, 4, 8, 1\); build"):
        train.fit(plain_gan(), images[:, :4], batch_size=8, **fit)
    conditional = plain_gan(class_count=3)
    with pytest.raises(ValueError, match="from 0 to 2"):
        train.fit(conditional, images, np.full(32, 3), batch_size=8, **fit)
    with pytest.raises(ValueError, match="give a label from 0 to 2 for each item"):
        train.fit(conditional, images, batch_size=8, **fit)
    with pytest.warns(UserWarning, match="class 1 has no image"):
        train.fit(conditional, images, np.zeros(32, int), batch_size=8, **fit)
    with pytest.warns(UserWarning, match="all images are the same"):
        train.fit(plain_gan(), np.repeat(images[:1], 32, axis=0), batch_size=8, **fit)


def test_a_loss_that_breaks_gives_the_weights_back(images):
    model = plain_gan(loss="wasserstein")
    model.discriminator.set_weights([1e30 * np.sign(each) for each in model.discriminator.get_weights()])
    model.discriminator.layers[-1].kernel.assign(np.full((12, 1), np.inf))
    before = model.get_weights()
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        train.fit(model, images, steps=3, batch_size=8, progress=False)
    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.array_equal(old, new)


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="choose one of non-saturating, saturating, wasserstein"):
        plain_gan(loss="hinge")
    with pytest.raises(ValueError, match="penalty must be at least 0"):
        plain_gan(penalty=-1)
    for share in (0, 1.5):
        with pytest.raises(ValueError, match="penalty_share must lie above 0"):
            plain_gan(penalty=1, penalty_share=share)
    with pytest.raises(ValueError, match="multiples of 4, got 10 x 8"):
        gan.dcgan((10, 8, 1))
    with pytest.raises(ValueError, match="at least 1"):
        small_gan(width=0)
    with pytest.raises(ValueError, match=r"\(n, 3\)"):
        small_gan().decode(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="at least one"):
        small_gan().sample(0)
    with pytest.raises(ValueError, match="temperature must be a number from 0 up"):
        small_gan().sample(2, temperature=-1)


def test_a_dense_gan_with_classes_is_refused_when_it_is_built():
    with pytest.raises(ValueError, match=r"build dcgan\(…, class_count=…\)"):
        gan.dense_gan((8, 8, 1), class_count=3)


def test_the_averaged_generator_is_the_mean_of_all_past_ones_and_draws(images):
    model = gan.dcgan((8, 8, 1), latent_size=3, width=4, seed=1, average=0.25)
    seen = []
    for _ in range(5):
        random = np.random.default_rng(len(seen))
        model.generator.set_weights([random.random(each.shape) for each in model.generator.get_weights()])
        model(ops.convert_to_tensor(images[:8]), training=True)
        seen.append(model.generator.get_weights()[0])
    mean = 0.0
    for step, new in enumerate(seen, start=1):
        keep = (1 - 1 / step) ** 3
        mean = keep * mean + (1 - keep) * new
    np.testing.assert_allclose(model.averaged.get_weights()[0], mean, rtol=1e-4, atol=1e-5)
    assert not any(each is model.averaged for each in model.trainable_variables)
    z = np.zeros((2, 3), "float32")
    drawn = ops.convert_to_numpy(model.averaged(ops.convert_to_tensor(z)))
    np.testing.assert_allclose(model.decode(z), drawn, atol=1e-6)


def test_an_average_outside_its_range_is_refused():
    with pytest.raises(ValueError, match="average must be a share"):
        gan.dcgan((8, 8, 1), latent_size=3, width=4, average=1.0)


def test_only_the_place_of_the_largest_chooses():
    model = gan.dcgan((8, 8, 1), latent_size=6, width=4, choices=4, mapping=1, seed=1)
    z = np.random.default_rng(0).normal(size=(1, 6)).astype("float32")
    other = z.copy()
    other[0, :4] = [0.1, 0.2, 0.9, 0.3]
    same = other.copy()
    same[0, :4] = [-3.0, 0.0, 0.1, -1.0]
    drawn = model.decode(np.concatenate([other, same]))
    np.testing.assert_allclose(drawn[0], drawn[1], atol=1e-5)  # not bit by bit on every processor
    moved = other.copy()
    moved[0, :4] = [0.9, 0.2, 0.1, 0.3]
    assert not np.allclose(model.decode(moved)[0], drawn[0])


def test_the_spread_of_four_alike_is_zero_and_groups_do_not_see_each_other():
    hidden = np.random.default_rng(0).normal(size=(8, 2, 2, 3)).astype("float32")
    hidden[4:] = hidden[4]
    spread = ops.convert_to_numpy(gan.with_spread(ops.convert_to_tensor(hidden)))[..., -1]
    wanted = np.sqrt(hidden[:4].var(axis=0) + 1e-8).mean()
    np.testing.assert_allclose(spread[:4], wanted, rtol=1e-4)
    assert np.abs(spread[4:]).max() < 1e-3


def test_a_batch_that_cannot_be_cut_in_groups_is_refused(images):
    model = gan.dcgan((8, 8, 1), latent_size=3, width=4, spread=True, seed=1)
    with pytest.raises(ValueError, match="multiple of 16"):
        train.fit(model, images, steps=1, batch_size=20, progress=False)
    history = train.fit(model, images, steps=2, batch_size=16, progress=False)
    assert np.isfinite(history.last())
