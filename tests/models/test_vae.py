"""The VAE: closed forms, bounds, gradients, what is saved comes back."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")
from keras import ops  # noqa: E402
from scipy import integrate, stats  # noqa: E402

from aigc_lab import models, train  # noqa: E402


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(0)
    return random.random((12, 8, 8, 1), dtype="float32"), random.integers(0, 3, 12)


def small_vae(**options):
    return models.vae.convolutional_vae((8, 8, 1), **{"latent_size": 3, "width": 4, "seed": 1, **options})


def linear_gaussian(weights, bias, scale, posterior_mean, posterior_scale):
    """A VAE with p(x|z) = N(Wz + b, scale^2) and q(z|x) = N(Mx + c, diag), all linear."""
    size, latent_size = weights.shape
    image = keras.Input((1, 1, size))
    flat = keras.layers.Flatten()(image)
    mean = keras.layers.Dense(latent_size, name="mean")(flat)
    log_variance = keras.layers.Dense(latent_size, name="log_variance")(flat)
    encoder = keras.Model([image], [mean, log_variance])
    latent = keras.Input((latent_size,))
    pixels = keras.layers.Reshape((1, 1, size))(keras.layers.Dense(size, name="pixels")(latent))
    decoder = keras.Model([latent], pixels)
    matrix, offset = posterior_mean
    encoder.get_layer("mean").set_weights([matrix.T, offset])
    encoder.get_layer("log_variance").set_weights(
        [np.zeros((size, latent_size)), 2 * np.log(np.asarray(posterior_scale))]
    )
    decoder.get_layer("pixels").set_weights([weights.T, bias])
    return models.vae.VAE(encoder, decoder, likelihood="gaussian", scale=scale)


def as_numbers(terms):
    return {name: float(ops.convert_to_numpy(ops.stop_gradient(value))) for name, value in terms.items()}


def mean_elbo(model, x, samples):
    """The ELBO of each point over many draws of z: repeated points are faster than repeated calls."""
    repeated = (
        np.repeat(x, samples, axis=0).astype("float32").reshape(-1, 1, 1, 3)
    )  # (n s, 3) -> (n s, 1, 1, 3)
    return model.elbo(repeated).reshape(len(x), samples).mean(axis=1)


def test_kl_agrees_with_monte_carlo_and_with_numerical_integration():
    mean, log_variance = np.array([[0.7, -1.2]]), np.array([[-0.5, 0.8]])
    closed = float(ops.convert_to_numpy(models.vae.kl_to_standard_normal(mean, log_variance))[0])
    deviation = np.exp(0.5 * log_variance[0])

    integral = 0.0
    for centre, spread in zip(mean[0], deviation, strict=True):
        q, p = stats.norm(centre, spread), stats.norm()
        integral += integrate.quad(lambda z, q=q, p=p: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), -12, 12)[0]
    assert closed == pytest.approx(integral, abs=1e-5)

    draws = mean + deviation * np.random.default_rng(0).standard_normal((200_000, 2))
    terms = (stats.norm(mean, deviation).logpdf(draws) - stats.norm().logpdf(draws)).sum(axis=1)
    error = terms.std() / np.sqrt(len(terms))
    assert abs(terms.mean() - closed) < 4 * error
    assert error < 0.01


def test_kl_is_zero_at_the_prior_and_positive_elsewhere():
    zero = np.zeros((1, 4))
    assert ops.convert_to_numpy(models.vae.kl_to_standard_normal(zero, zero))[0] == 0
    random = np.random.default_rng(1).standard_normal((2, 100, 4))
    assert (ops.convert_to_numpy(models.vae.kl_to_standard_normal(*random)) > 0).all()


def test_kl_between_gaussians_agrees_with_numerical_integration():
    first, other = stats.norm(0.7, np.exp(-0.25)), stats.norm(-0.4, np.exp(0.3))
    integral, _ = integrate.quad(lambda z: first.pdf(z) * (first.logpdf(z) - other.logpdf(z)), -12, 12)
    closed = models.vae.kl_between_gaussians([[0.7]], [[-0.5]], [[-0.4]], [[0.6]])
    assert float(ops.convert_to_numpy(closed)[0]) == pytest.approx(integral, abs=1e-5)


def test_kl_between_gaussians_is_not_symmetric_and_holds_the_special_case():
    random = np.random.default_rng(2)
    four = random.standard_normal((4, 100, 5)).astype("float32")
    one_way = ops.convert_to_numpy(models.vae.kl_between_gaussians(*four))
    other_way = ops.convert_to_numpy(models.vae.kl_between_gaussians(*four[[2, 3, 0, 1]]))
    assert (one_way > 0).all()
    assert np.median(np.abs(one_way - other_way)) > 0.1
    special = models.vae.kl_between_gaussians(four[0], four[1], np.zeros(5), np.zeros(5))
    expected = models.vae.kl_to_standard_normal(four[0], four[1])
    assert ops.convert_to_numpy(special) == pytest.approx(ops.convert_to_numpy(expected), rel=1e-4)


def test_bits_per_pixel_is_the_entropy_of_a_fair_coin():
    assert models.vae.bits_per_pixel(28 * 28 * np.log(2), (28, 28, 1)) == pytest.approx(1.0)
    assert models.vae.bits_per_pixel(90.0, (28, 28)) == pytest.approx(90 / 784 / np.log(2))


def test_reconstruction_terms_agree_with_scipy(images):
    x, _ = images
    logits = np.random.default_rng(2).standard_normal(x.shape).astype("float32")
    binary = (x > 0.5).astype("float32")
    expected = -stats.bernoulli(1 / (1 + np.exp(-logits))).logpmf(binary).reshape(len(x), -1).sum(axis=1)
    found = ops.convert_to_numpy(models.vae.bernoulli_nats(binary, logits))
    assert found == pytest.approx(expected, rel=1e-5)
    expected = -stats.norm(logits, 0.3).logpdf(x).reshape(len(x), -1).sum(axis=1)
    assert ops.convert_to_numpy(models.vae.gaussian_nats(x, logits, 0.3)) == pytest.approx(expected, rel=1e-5)


def test_bernoulli_nats_of_a_grey_picture_is_the_mean_over_its_binarisations(images):
    grey = images[0][:1]
    logits = np.random.default_rng(3).standard_normal(grey.shape).astype("float32")
    draws = (np.random.default_rng(4).random((20_000, *grey.shape[1:])) < grey).astype("float32")
    sampled = ops.convert_to_numpy(models.vae.bernoulli_nats(draws, np.broadcast_to(logits, draws.shape)))
    error = sampled.std() / np.sqrt(len(sampled))
    assert abs(sampled.mean() - ops.convert_to_numpy(models.vae.bernoulli_nats(grey, logits))[0]) < 4 * error


def test_bernoulli_nats_stay_finite_for_extreme_logits():
    x = np.array([0.0, 1.0], "float32").reshape(1, 1, 2, 1)
    logits = np.array([500.0, -500.0], "float32").reshape(1, 1, 2, 1)
    assert ops.convert_to_numpy(models.vae.bernoulli_nats(x, logits))[0] == pytest.approx(1000.0)


class TestLinearGaussian:
    """p(z) = N(0, 1), p(x|z) = N(Wz + b, s^2): log p(x) = log N(x; b, WW' + s^2 I) is known."""

    weights = np.array([[1.0, 0.4], [-0.3, 0.8], [0.5, -0.6]])
    bias = np.array([0.2, -0.1, 0.3])
    scale = 0.5
    x = np.random.default_rng(5).standard_normal((40, 3))

    def exact(self):
        covariance = self.weights @ self.weights.T + self.scale**2 * np.eye(3)
        return stats.multivariate_normal(self.bias, covariance).logpdf(self.x)

    def elbo(self, posterior_mean, posterior_scale, samples):
        model = linear_gaussian(self.weights, self.bias, self.scale, posterior_mean, posterior_scale)
        return mean_elbo(model, self.x, samples)

    def test_the_elbo_lies_below_the_exact_likelihood(self):
        wrong = (np.array([[0.5, 0.0, 0.1], [0.0, 0.4, -0.3]]), np.zeros(2))
        gap = self.exact() - self.elbo(wrong, (0.6, 0.6), samples=400)
        assert (gap > 0).all()

    def test_the_gap_is_the_kl_to_the_true_posterior(self):
        precision = np.eye(2) + self.weights.T @ self.weights / self.scale**2
        covariance = np.linalg.inv(precision)
        matrix = covariance @ self.weights.T / self.scale**2
        spread = np.sqrt(1 / np.diag(precision))  # the best diagonal Gaussian has the right mean
        gap = self.exact() - self.elbo((matrix, -matrix @ self.bias), spread, samples=4000)
        expected = 0.5 * (
            np.trace(precision @ np.diag(spread**2))
            - 2
            + np.log(np.linalg.det(covariance))
            - np.log(spread**2).sum()
        )
        assert gap.mean() == pytest.approx(expected, abs=0.02)

    def with_true_posterior(self):
        """A model whose posterior is diagonal and known, and its exact log-likelihoods."""
        weights = self.weights.copy()
        weights[:, 1] = np.cross(weights[:, 0], [0.0, 0.0, 1.0])  # orthogonal columns: a diagonal posterior
        precision = np.eye(2) + weights.T @ weights / self.scale**2
        matrix = np.linalg.inv(precision) @ weights.T / self.scale**2
        posterior = (matrix, -matrix @ self.bias), np.sqrt(1 / np.diag(precision))
        covariance = weights @ weights.T + self.scale**2 * np.eye(3)
        exact = stats.multivariate_normal(self.bias, covariance).logpdf(self.x)
        return linear_gaussian(weights, self.bias, self.scale, *posterior), exact

    def test_with_the_true_posterior_the_bound_is_tight(self):
        model, exact = self.with_true_posterior()
        elbo = mean_elbo(model, self.x, samples=4000)
        assert elbo == pytest.approx(exact, abs=0.1)
        assert elbo.mean() == pytest.approx(exact.mean(), abs=0.01)

    def test_the_importance_weighted_bound_rises_to_the_exact_likelihood(self):
        wrong = (np.array([[0.5, 0.0, 0.1], [0.0, 0.4, -0.3]]), np.zeros(2))
        model = linear_gaussian(self.weights, self.bias, self.scale, wrong, (0.6, 0.6))
        repeated = np.repeat(self.x, 200, axis=0).astype("float32").reshape(-1, 1, 1, 3)  # (n s, 3)
        bounds = [
            model.importance_weighted_bound(repeated, samples=samples, seed=samples).mean()
            for samples in (1, 5, 25, 100)
        ]
        exact = self.exact().mean()
        assert bounds[0] == pytest.approx(self.elbo(wrong, (0.6, 0.6), samples=400).mean(), abs=0.05)
        assert bounds[0] < bounds[1] < bounds[2] < bounds[3] < exact + 0.01
        assert bounds[3] == pytest.approx(exact, abs=0.05)

    def test_with_the_true_posterior_every_weight_is_the_likelihood(self):
        model, exact = self.with_true_posterior()
        x = self.x.astype("float32").reshape(-1, 1, 1, 3)  # (n, 3) -> (n, 1, 1, 3)
        assert model.importance_weighted_bound(x, samples=3) == pytest.approx(exact, abs=2e-4)


def test_the_importance_weighted_bound_needs_a_sample(images):
    with pytest.raises(ValueError, match="at least 1, got 0"):
        small_vae().importance_weighted_bound(images[0], samples=0)


def test_free_bits_cost_nothing_and_the_rest_does(images):
    x, _ = images
    model = small_vae(free_bits=0.5, beta=2.0)
    outputs = model(x, training=True)
    terms = as_numbers(model.loss_terms(x, outputs))
    mean, log_variance = (
        ops.convert_to_numpy(ops.stop_gradient(outputs[name])) for name in ("mean", "log_variance")
    )
    of_dimensions = (0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance)).mean(axis=0)
    penalty = 2.0 * np.maximum(of_dimensions, 0.5).sum()
    assert terms["loss"] == pytest.approx(terms["reconstruction"] + penalty, rel=1e-6)
    assert terms["kl"] == pytest.approx(of_dimensions.sum(), rel=1e-5)


def test_a_decoder_that_sees_the_picture_overrides_one_method(images):
    """What notebook 06 does: the second input of the decoder is no label, and the score uses it too."""

    class Sighted(models.vae.VAE):
        def decoder_inputs(self, latent, images, condition):
            return [latent, images]

    latent, seen = keras.Input((3,)), keras.Input((8, 8, 1))
    # The identity, made sharp: such a decoder needs no code.
    pixels = keras.layers.Rescaling(40.0, -20.0)(seen) + 0.0 * keras.layers.Reshape((1, 1, 1))(
        keras.layers.Dense(1)(latent)
    )
    model = Sighted(small_vae().encoder, keras.Model([latent, seen], pixels))
    binary = (images[0] > 0.5).astype("float32")
    assert model.class_count == 0
    cost = ops.convert_to_numpy(models.vae.kl_to_standard_normal(*model.encode(binary)))
    assert model.elbo(binary) == pytest.approx(-cost, abs=1e-4)


def test_a_scale_that_is_learned_is_a_weight_and_starts_where_it_is_told(images):
    model = small_vae(likelihood="gaussian", scale=0.3, learn_scale=True)
    assert model.scale_now() == pytest.approx(0.3, rel=1e-6)
    fixed = small_vae(likelihood="gaussian", scale=0.3)
    assert model.elbo(images[0]) == pytest.approx(fixed.elbo(images[0]), rel=1e-6)
    assert len(model.trainable_variables) == len(fixed.trainable_variables) + 1


def test_the_loss_is_the_negative_elbo_summed_over_pixels_and_meaned_over_the_batch(images):
    x, labels = images
    model = small_vae(class_count=3)
    outputs = model((x, labels), training=True)
    terms = as_numbers(model.loss_terms((x, labels), outputs))
    assert terms["loss"] == pytest.approx(terms["reconstruction"] + terms["kl"], rel=1e-6)
    pixels = ops.convert_to_numpy(ops.stop_gradient(outputs["pixels"]))
    probability = 1 / (1 + np.exp(-pixels.astype("float64")))
    by_hand = -(x * np.log(probability) + (1 - x) * np.log1p(-probability)).sum(axis=(1, 2, 3)).mean()
    assert terms["reconstruction"] == pytest.approx(by_hand, rel=1e-5)
    repeated = (np.repeat(x, 100, axis=0), np.repeat(labels, 100))
    loss = float(ops.convert_to_numpy(ops.stop_gradient(model.loss_terms(repeated, model(repeated))["loss"])))
    assert -model.elbo(*repeated).mean() == pytest.approx(loss, rel=2e-3)


def test_beta_weighs_the_training_loss_and_not_the_elbo(images):
    x, _ = images
    plain, weighted = small_vae(), small_vae(beta=4.0)
    assert np.array_equal(plain.elbo(x), weighted.elbo(x))
    terms = as_numbers(weighted.loss_terms(x, weighted(x)))
    assert terms["loss"] == pytest.approx(terms["reconstruction"] + 4 * terms["kl"], rel=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the tape is TensorFlow's")
def test_gradients_agree_with_finite_differences(images):
    import tensorflow as tf

    # Single precision would drown the differences in rounding.
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        model = small_vae(class_count=3)
        x, labels = images[0].astype("float64"), images[1]
        noise_state = model.noise.state.numpy()

        def loss():
            model.noise.state.assign(noise_state)  # the same noise each time: common random numbers
            return model.loss_terms((x, labels), model((x, labels)))["loss"]

        with tf.GradientTape() as tape:
            value = loss()
        gradients = tape.gradient(value, model.trainable_variables)
        random = np.random.default_rng(6)
        for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
            start = variable.numpy()
            direction = random.standard_normal(start.shape)
            step = 1e-5
            sides = []
            for sign in (1, -1):
                variable.assign(start + sign * step * direction)
                sides.append(float(loss()))
            variable.assign(start)
            measured = (sides[0] - sides[1]) / (2 * step)
            assert measured == pytest.approx(
                float((gradient.numpy() * direction).sum()), rel=1e-5, abs=1e-6
            ), variable.path
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    ("side", "coarsest"), [(28, 7), (32, 8), (44, 11), (48, 6), (64, 8), (96, 6), (128, 8)]
)
def test_large_colour_images_have_a_coarser_grid(side, coarsest):
    model = models.vae.convolutional_vae((side, side, 1 if side == 28 else 3), class_count=3, width=4, seed=2)
    grids = [each.output.shape[1:3] for each in model.encoder.layers if len(each.output.shape) == 4]
    assert grids[-1] == (coarsest, coarsest)
    reshaped = next(each for each in model.decoder.layers if isinstance(each, keras.layers.Reshape))
    assert reshaped.output.shape[1:3] == grids[-1]
    # Stored models have one of these sizes: the number of their weights must not change.
    assert side > 32 or model.count_params() == {28: 14_784, 32: 19_996}[side]
    x = np.random.default_rng(0).random((8, *model.image_shape), dtype="float32")
    history = train.fit(model, x, np.arange(8) % 3, steps=1, batch_size=8, progress=False)
    assert np.isfinite(history.last()) and model.sample(3).shape == (3, *model.image_shape)


@pytest.mark.parametrize("class_count", [0, 3])
def test_saved_and_loaded_again_it_is_the_same(tmp_path, images, class_count):
    x, labels = images
    labels = labels if class_count else None
    model = small_vae(class_count=class_count, beta=2.0)
    model.save(tmp_path / "vae.keras")
    again = keras.saving.load_model(tmp_path / "vae.keras")
    assert (again.beta, again.likelihood, again.class_count) == (2.0, "bernoulli", class_count)
    assert np.array_equal(model.elbo(x, labels), again.elbo(x, labels))
    assert np.array_equal(model.sample(6, seed=3), again.sample(6, seed=3))


@pytest.mark.parametrize("builder", [models.vae.convolutional_vae, models.vae.dense_vae])
def test_every_setting_survives_saving(tmp_path, builder):
    options = {"likelihood": "gaussian", "scale": 0.2, "learn_scale": True, "beta": 0.5, "seed": 4}
    model = builder((8, 8, 1), 2, width=4, warm_up_steps=7, free_bits=0.1, **options)
    model.save(tmp_path / "vae.keras")
    again = keras.saving.load_model(tmp_path / "vae.keras")
    settings = ("likelihood", "scale", "learn_scale", "beta", "warm_up_steps", "free_bits", "seed")
    assert [getattr(again, name) for name in settings] == [getattr(model, name) for name in settings]
    assert again.scale_now() == pytest.approx(model.scale_now())


def test_equal_seeds_give_equal_models_and_other_seeds_others(images):
    x, _ = images
    assert np.array_equal(small_vae().elbo(x), small_vae().elbo(x))
    assert not np.array_equal(small_vae().elbo(x), small_vae(seed=2).elbo(x))


def test_samples_are_pictures_and_follow_the_label():
    model = small_vae(class_count=3)
    samples = model.sample(7, seed=1)
    assert samples.shape == (7, 8, 8, 1)
    assert 0 <= samples.min() <= samples.max() <= 1
    assert np.array_equal(samples, model.sample(7, labels=[0, 1, 2, 0, 1, 2, 0], seed=1))
    assert not np.array_equal(samples, model.sample(7, labels=2, seed=1))


def test_the_generator_is_the_decoder_with_pixels_in_zero_to_one():
    model = small_vae(class_count=3)
    latent = np.random.default_rng(7).standard_normal((5, 3)).astype("float32")
    labels = np.arange(5) % 3
    made = model.drawing_network()([latent, np.eye(3, dtype="float32")[labels]])
    assert ops.convert_to_numpy(ops.stop_gradient(made)) == pytest.approx(
        model.decode(latent, labels), abs=1e-6
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"image_shape": (30, 28, 1)}, "multiples of 4"),
        ({"latent_size": 0}, "at least 1"),
        ({"latent_size": 785}, "latent_size 785 is more than the 784 values"),
        ({"warm_up_steps": -1}, "not negative"),
        ({"free_bits": -0.1}, "not negative"),
        ({"learn_scale": True}, "only Gaussian pixels"),
        ({"likelihood": "poisson"}, "bernoulli, gaussian"),
        ({"scale": 0.0}, "scale must be positive"),
    ],
)
def test_bad_settings_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        models.vae.convolutional_vae(**options)


def test_bad_pictures_and_labels_are_refused(images):
    x, labels = images
    model = small_vae(class_count=3)
    with pytest.raises(ValueError, match="shape"):
        model.elbo(x[:, :4], labels)
    with pytest.raises(ValueError, match=r"lie in \[0, 1\], got -1 to 1"):
        model.elbo(np.stack([x[0] * 0 - 1, x[0] * 0 + 1]), labels[:2])
    with pytest.raises(ValueError, match="NaN"):
        model.elbo(np.full_like(x, np.nan), labels)
    with pytest.raises(ValueError, match=r"Dataset\.arrays"):
        model.elbo(np.zeros(x.shape, "uint8"), labels)
    with pytest.raises(ValueError, match="conditional"):
        model.elbo(x)
    with pytest.raises(ValueError, match="0 to 2"):
        model.sample(2, labels=3)
    with pytest.raises(ValueError, match=r"\(n, 3\)"):
        model.decode(np.zeros((2, 4)), 0)
    with pytest.raises(ValueError, match="at least one"):
        model.elbo(x[:0], labels[:0])
