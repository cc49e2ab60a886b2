"""Diffusion: the identities of path and targets, samplers and density against a known mixture, bad input."""

import itertools
import math

import numpy as np
import pytest

keras = pytest.importorskip("keras")
from keras import layers, ops  # noqa: E402

from aigc_lab import evaluate, train  # noqa: E402
from aigc_lab.models import diffusion, stored  # noqa: E402
from aigc_lab.models.diffusion import Diffusion  # noqa: E402

MEANS, SPREADS, WEIGHTS = np.array([-1.0, 1.2]), np.array([0.3, 0.5]), np.array([0.4, 0.6])


@keras.saving.register_keras_serializable("aigc_lab_tests")
class MixtureTarget(layers.Layer):
    """What a perfect network predicts for a mixture of two Gaussians on the line, in closed form."""

    def __init__(self, target="velocity", schedule="straight", **options):
        super().__init__(**options)
        self.target, self.schedule = target, schedule

    def call(self, mixed, time):  # both (n, 1)
        rule = diffusion.SCHEDULES[self.schedule]
        (a, s), (da, ds) = rule.shares(time), rule.slopes(time)
        variance = (a * SPREADS.astype("float32")) ** 2 + s**2  # (n, 2): of each component of x_t
        away = mixed - a * MEANS.astype("float32")
        logs = ops.log(WEIGHTS.astype("float32")) - 0.5 * ops.log(variance) - 0.5 * away**2 / variance
        share = ops.softmax(logs, axis=-1)
        clean = ops.sum(
            share * (MEANS.astype("float32") + a * SPREADS.astype("float32") ** 2 * away / variance),
            axis=-1,
            keepdims=True,
        )
        noise = ops.sum(share * s * away / variance, axis=-1, keepdims=True)
        return noise if self.target == "noise" else da * clean + ds * noise

    def get_config(self):
        return {**super().get_config(), "target": self.target, "schedule": self.schedule}


def exact(target="velocity", schedule="straight"):
    """A ``Diffusion`` whose network is perfect for the mixture."""
    mixed, time = keras.Input((1,)), keras.Input((1,))
    network = keras.Model([mixed, time], MixtureTarget(target, schedule)(mixed, time))
    return Diffusion(network, target, schedule, value_range=None)


def mixture_density(points):
    each = WEIGHTS * np.exp(-0.5 * ((points - MEANS) / SPREADS) ** 2) / SPREADS / math.sqrt(2 * math.pi)
    return each.sum(axis=1)


def mixture_draws(n, seed=0):
    random = np.random.default_rng(seed)
    which = random.choice(2, n, p=WEIGHTS)
    return (MEANS[which] + SPREADS[which] * random.standard_normal(n))[:, None]


def dense(shape=(2,), class_count=0, seed=0, **options):
    """A small trainable network for points."""
    keras.utils.set_random_seed(seed)
    mixed, time = keras.Input(shape), keras.Input((1,))
    label = [keras.Input((class_count,))] if class_count else []
    hidden = layers.Concatenate()([layers.Flatten()(mixed), diffusion.TimeWaves(3)(time), *label])
    hidden = layers.Dense(32, activation="silu")(hidden)
    hidden = layers.Dense(32, activation="silu")(hidden)
    outputs = layers.Reshape(shape)(layers.Dense(math.prod(shape))(hidden))
    return Diffusion(keras.Model([mixed, time, *label], outputs), seed=seed, **options)


# -- path, targets, loss ------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", diffusion.SCHEDULES)
def test_the_slopes_are_the_derivatives_of_the_shares(schedule):
    rule = diffusion.SCHEDULES[schedule]
    for time in (0.1, 0.37, 0.5, 0.9):
        before, after = rule.shares(time - 1e-6), rule.shares(time + 1e-6)
        found = [(late - early) / 2e-6 for early, late in zip(before, after, strict=True)]
        assert np.allclose(found, rule.slopes(time), atol=1e-6)
        tensors = rule.shares(ops.convert_to_tensor(np.float32([[time]])))
        assert np.allclose([float(each[0, 0]) for each in tensors], rule.shares(time), atol=1e-6)
    assert np.allclose(rule.shares(0.0), (1, 0)) and np.allclose(rule.shares(1.0), (0, 1))


def test_the_cosine_schedule_keeps_the_variance():
    for time in np.linspace(0, 1, 7).tolist():
        a, s = diffusion.Cosine.shares(time)
        assert a**2 + s**2 == pytest.approx(1)


@pytest.mark.parametrize("schedule", diffusion.SCHEDULES)
def test_item_and_noise_are_found_again_from_the_velocity(schedule):
    model = dense(schedule=schedule)
    item, noise = np.random.default_rng(0).standard_normal((2, 5, 2))
    for time in (0.02, 0.5, 0.98):
        (a, s), (da, ds) = model.rule.shares(time), model.rule.slopes(time)
        found = model.parts(a * item + s * noise, time, da * item + ds * noise)
        assert np.allclose(found[0], item) and np.allclose(found[1], noise)


@pytest.mark.parametrize("target", diffusion.TARGETS)
@pytest.mark.parametrize("schedule", diffusion.SCHEDULES)
def test_the_loss_is_the_squared_error_of_the_target_as_written(target, schedule):
    model = dense(target=target, schedule=schedule, value_range=(0.0, 1.0), seed=4)
    items = np.random.default_rng(1).uniform(0, 1, (6, 2)).astype("float32")
    outputs = model(items, training=True)
    draws = keras.random.SeedGenerator(4)  # the model's own stream, drawn again in its order
    noise = ops.convert_to_numpy(keras.random.normal((6, 2), seed=draws))
    time = ops.convert_to_numpy(keras.random.uniform((6, 1), 1e-3, 0.999, seed=draws))
    clean = 2 * items - 1
    if schedule == "straight":
        mixed, velocity = (1 - time) * clean + time * noise, noise - clean
    else:
        angle = np.pi / 2 * time
        mixed = np.cos(angle) * clean + np.sin(angle) * noise
        velocity = np.pi / 2 * (np.cos(angle) * noise - np.sin(angle) * clean)
    predicted = ops.convert_to_numpy(ops.stop_gradient(model.network([mixed, time])))
    expected = np.mean((predicted - (noise if target == "noise" else velocity)) ** 2)
    assert float(model.loss_terms(items, outputs)["loss"]) == pytest.approx(expected, rel=1e-4)


def test_hidden_labels_are_zero_rows_in_the_stated_share():
    seen = []

    class Spy(layers.Layer):
        def call(self, label):
            seen.append(label)
            return label

    model = dense(class_count=3, label_drop=0.25, value_range=None)
    spied = Spy()
    network = model.network
    model.network = lambda inputs, training: network([*inputs[:2], spied(inputs[2])], training=training)
    model.class_count = 3
    points, labels = np.zeros((4000, 2), "float32"), np.arange(4000) % 3
    model((points, labels), training=True)
    model((points, labels), training=False)
    rows = [ops.convert_to_numpy(each) for each in seen]
    hidden = (rows[0].sum(axis=1) == 0).mean()
    assert abs(hidden - 0.25) < 0.03
    assert (rows[1].sum(axis=1) == 1).all()


# -- samplers and density against the truth -----------------------------------------------------------


@pytest.mark.parametrize("schedule", diffusion.SCHEDULES)
@pytest.mark.parametrize("target", diffusion.TARGETS)
@pytest.mark.parametrize("sampler", diffusion.SAMPLERS)
def test_every_sampler_draws_the_mixture(schedule, target, sampler):
    drawn = exact(target, schedule).sample(4000, steps=80, sampler=sampler, seed=1)
    true = mixture_draws(200_000)
    places = np.quantile(true, np.linspace(0.02, 0.98, 49))
    gap = np.abs(np.quantile(drawn, np.linspace(0.02, 0.98, 49)) - places).mean()
    assert gap < 0.06  # 4,000 true draws lie .03 off on the average, near the gap of the two modes most


def test_euler_is_of_the_first_order_and_heun_of_the_second():
    model = exact()
    fine = model.sample(300, steps=512, sampler="heun")
    errors = {}
    for sampler in ("euler", "heun"):
        coarse = [model.sample(300, steps=steps, sampler=sampler) for steps in (16, 64)]
        errors[sampler] = [np.abs(each - fine).mean() for each in coarse]
    orders = {name: math.log(first / last) / math.log(4) for name, (first, last) in errors.items()}
    assert 0.7 < orders["euler"] < 1.4
    assert orders["heun"] > 1.6


def test_ddim_on_the_straight_schedule_is_euler():
    model = exact()
    euler, ddim = (model.sample(50, steps=9, sampler=sampler, seed=2) for sampler in ("euler", "ddim"))
    assert np.allclose(euler, ddim, atol=1e-5)


@pytest.mark.parametrize("target", diffusion.TARGETS)
def test_the_density_by_change_of_variables_is_the_true_one(target):
    points = np.linspace(-2.2, 2.8, 41)[:, None].astype("float32")
    found = exact(target).log_density(points, steps=100)
    assert np.allclose(found, np.log(mixture_density(points)), atol=0.005 if target == "velocity" else 0.03)


def test_the_density_counts_the_units_of_the_data():
    # A network without weights that moves nothing: the data are the noise, moved to the range.
    mixed, time = keras.Input((2,)), keras.Input((1,))
    still = Diffusion(keras.Model([mixed, time], 0.0 * mixed), value_range=(0.0, 4.0))
    points = np.float32([[2.0, 2.0], [4.0, 0.0]])
    scaled = (points - 2) / 2
    expected = -0.5 * (scaled**2).sum(axis=1) - math.log(2 * math.pi) - 2 * math.log(2)
    assert np.allclose(still.log_density(points, steps=3), expected, atol=1e-5)


def test_training_comes_near_the_least_possible_loss_which_the_exact_velocity_has():
    model = dense((1,), value_range=None)
    points = mixture_draws(20_000).astype("float32")
    train.fit(model, points, steps=600, batch_size=256, learning_rate=5e-3, jit_compile=True, progress=False)
    items, noise = mixture_draws(20_000, seed=8), np.random.default_rng(9).standard_normal((20_000, 1))
    for time in (0.1, 0.3, 0.6, 0.9):
        mixed = ((1 - time) * items + time * noise).astype("float32")
        losses = [
            np.mean((each.velocity(mixed, time, []) - (noise - items)) ** 2) for each in (exact(), model)
        ]
        assert losses[0] - 1e-3 < losses[1] < losses[0] + 0.25  # 20,000 draws are not all of them


# -- use ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def conditional():
    model = dense(class_count=3, value_range=None, seed=2)
    random = np.random.default_rng(0)
    labels = np.arange(300) % 3
    middles = np.float32([[0, 2], [2, -1], [-2, -1]])[labels]
    points = middles + 0.2 * random.standard_normal((300, 2), "float32")
    train.fit(model, points, labels, steps=400, batch_size=100, learning_rate=1e-2, progress=False)
    return model


def test_labels_are_followed_and_guidance_mixes_two_velocities(conditional):
    places = np.random.default_rng(1).standard_normal((7, 2), "float32")
    row = np.eye(3, dtype="f4")[[1] * 7]
    bare = conditional.velocity(places, 0.6, [row * 0], 1.0)
    told = conditional.velocity(places, 0.6, [row], 1.0)
    assert np.allclose(conditional.velocity(places, 0.6, [row], 0.0), bare, atol=1e-5)
    assert np.allclose(conditional.velocity(places, 0.6, [row], 3.0), bare + 3 * (told - bare), atol=1e-5)
    assert np.abs(told - bare).max() > 0.05
    drawn = conditional.sample(60, labels=1, steps=20)
    assert np.abs(drawn.mean(axis=0) - [2, -1]).max() < 0.5


def test_equal_seeds_draw_the_same_and_the_classes_take_turns(conditional):
    first, again = (conditional.sample(6, seed=3) for _ in range(2))
    assert np.array_equal(first, again)
    assert np.array_equal(first, conditional.sample(6, labels=np.arange(6) % 3, seed=3))
    assert not np.array_equal(first, conditional.sample(6, seed=4))


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_what_is_known_is_kept(conditional, sampler):
    known = np.float32([[5.0, 0.0]])

    def put_in(clean, time):
        assert 0 < time < 1
        return np.where([True, False], known, clean)

    drawn = conditional.sample(5, 0, correct=put_in, sampler=sampler, steps=8)
    assert np.allclose(drawn[:, 0], 5, atol=1e-5) and np.isfinite(drawn).all()
    assert drawn[:, 1].std() > 0


def test_a_start_near_the_data_stays_near(conditional):
    places = np.float32([[0.1, 1.9]] * 40)
    moved = []
    for time in (0.05, 0.9):
        random = np.random.default_rng(0)
        a, s = conditional.rule.shares(time)
        mixed = (a * places + s * random.standard_normal(places.shape)).astype("float32")
        moved.append(conditional.follow(mixed, time, 0, random, steps=10))
    near, far = moved
    assert np.abs(near - places).mean() < 0.2 < np.abs(far - places).mean() + 0.15


def test_watch_sees_every_step(conditional):
    seen = []
    last = conditional.sample(2, 0, steps=4, watch=lambda mixed, time: seen.append((mixed, time)))
    assert [time for _, time in seen] == pytest.approx([0.74925, 0.4995, 0.24975, 0.0])
    assert np.allclose(seen[-1][0], last)


def test_samples_stay_in_the_range_of_the_data():
    model = dense((4,), value_range=(0.0, 1.0))
    drawn = model.sample(30, steps=2, sampler="euler")
    assert drawn.min() >= 0 and drawn.max() <= 1


def test_it_is_saved_and_read_back(tmp_path, conditional):
    conditional.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert np.allclose(again.sample(3, seed=1), conditional.sample(3, seed=1), atol=1e-5)
    assert [getattr(again, name) for name in again.settings] == [
        getattr(conditional, name) for name in again.settings
    ]


# -- bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how, words",
    [
        ({"n": 0}, "whole number from 1"),
        ({"steps": 0}, "steps must be"),
        ({"steps": 2.5}, "steps must be"),
        ({"sampler": "magic"}, "choose one of euler"),
        ({"labels": 3}, "from 0 to 2"),
        ({"labels": [0, 1]}, "broadcast|shape"),
        ({"guidance": float("nan")}, "guidance"),
        ({"correct": lambda clean, time: clean}, "ddim or ddpm"),
    ],
)
def test_a_wrong_call_gets_a_sentence(conditional, how, words):
    with pytest.raises(ValueError, match=words):
        conditional.sample(**{"n": 4, **how})


def test_guidance_needs_classes():
    with pytest.raises(ValueError, match="classes"):
        dense(value_range=None).sample(2, guidance=2.0)


@pytest.mark.parametrize("options", [{"target": "score"}, {"schedule": "sigmoid"}, {"label_drop": 1.5}])
def test_unknown_settings_are_refused(options):
    with pytest.raises(ValueError, match=r"one of|share"):
        dense(**options)


def test_training_data_are_checked(conditional):
    for bad in (np.zeros((9, 3), "f4"), np.full((9, 2), np.nan, "f4")):
        with pytest.raises(ValueError, match=r"shape|NaN"):
            train.fit(conditional, bad, np.zeros(9, int), steps=1, batch_size=9, progress=False)
    with pytest.raises(ValueError, match="conditional"):
        train.fit(conditional, np.zeros((9, 2), "f4"), steps=1, batch_size=9, progress=False)


def test_density_has_a_limit():
    with pytest.raises(ValueError, match="at most 16"):
        dense((20,)).log_density(np.zeros((1, 20), "f4"))


# -- the network for images ---------------------------------------------------------------------------


@pytest.mark.parametrize("shape, classes", [((28, 28, 1), 6), ((32, 40, 3), 0), ((8, 8, 5), 2)])
def test_the_network_takes_grey_colour_and_any_multiple_of_four(shape, classes):
    model = diffusion.unet(shape, classes, width=8, seed=1)
    same = diffusion.unet(shape, classes, width=8, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), same.get_weights(), strict=True))
    # Zeros at the start: an untrained network says "stay".
    noisy = np.random.default_rng(0).standard_normal((2, *shape)).astype("f4")
    label = [np.eye(classes, dtype="f4")[[0, 1]]] if classes else []
    assert np.abs(model.velocity(noisy, 0.5, label, 1.0)).max() == 0
    images = np.random.default_rng(1).uniform(0, 1, (8, *shape)).astype("f4")
    labels = (np.arange(8) % classes,) if classes else ()
    history = train.fit(model, images, *labels, steps=12, batch_size=8, reports=3, progress=False)
    assert history.table["loss"].iloc[-1] < history.table["loss"].iloc[0]
    drawn = model.sample(2, steps=2)
    assert drawn.shape == (2, *shape) and drawn.min() >= 0 and drawn.max() <= 1


def test_time_and_label_reach_the_prediction():
    model = diffusion.unet((8, 8, 1), 3, width=8)
    images = np.random.default_rng(1).uniform(0, 1, (30, 8, 8, 1)).astype("f4")
    train.fit(model, images, np.arange(30) % 3, steps=10, batch_size=30, progress=False)
    noisy = np.random.default_rng(0).standard_normal((1, 8, 8, 1)).astype("f4")
    rows = np.eye(3, dtype="f4")
    asked = ((0.2, 0), (0.8, 0), (0.2, 1))
    found = [model.velocity(noisy, time, [rows[[label]]]) for time, label in asked]
    for first, second in itertools.combinations(found, 2):
        assert np.abs(first - second).max() > 1e-5


@pytest.mark.parametrize("options", [{"image_shape": (30, 28, 1)}, {"width": 0}, {"class_count": -1}])
def test_sizes_are_checked(options):
    with pytest.raises(ValueError, match=r"multiples of 4|at least"):
        diffusion.unet(**options)


def test_patches_are_checked():
    with pytest.raises(ValueError, match="multiples of 8"):
        diffusion.unet((28, 28, 1), patch=2)
    with pytest.raises(ValueError, match="at least 1"):
        diffusion.unet(patch=0)


@pytest.mark.parametrize("class_count", [0, 6])
def test_parts_that_make_other_classes_are_refused(class_count):
    with pytest.raises(ValueError, match=f"2 x 2 parts make 4 classes, not class_count={class_count}"):
        diffusion.unet((8, 8, 1), class_count, width=4, class_parts=(2, 2))


@pytest.mark.parametrize("most_given", [0, 4])
def test_as_many_frames_are_given_as_leave_one_to_draw(most_given):
    with pytest.raises(ValueError, match="most_given must be from 1 to 3"):
        diffusion.clip_network((4, 8, 8, 1), most_given)


def test_a_patch_makes_the_grids_coarser_and_the_picture_keeps_its_size():
    whole, patched = (diffusion.unet((16, 24, 2), width=8, patch=patch) for patch in (1, 2))
    grids = [
        {layer.output.shape[1:3] for layer in model.network.layers if len(layer.output.shape) == 4}
        for model in (whole, patched)
    ]
    assert grids[0] - grids[1] == set() and grids[1] - grids[0] == {(2, 3)}
    assert patched.sample(3, steps=1).shape == (3, 16, 24, 2)


def test_a_class_is_told_by_its_parts():
    """Of 2 x 3 classes the network is told two parts: 5 numbers, and none of them without a class."""
    classes = np.eye(6, dtype="f4")
    told = ops.convert_to_numpy(diffusion.parts_of(classes, (2, 3)))
    for number, row in enumerate(told):
        assert row.tolist() == [*np.eye(2)[number // 3], *np.eye(3)[number % 3]]
    assert not ops.convert_to_numpy(diffusion.parts_of(0 * classes, (2, 3))).any()
    assert diffusion.parts_of(classes, ()) is classes
    three = ops.convert_to_numpy(diffusion.parts_of(np.eye(24, dtype="f4"), (2, 3, 4)))
    assert three[17].tolist() == [*np.eye(2)[1], *np.eye(3)[1], *np.eye(4)[1]]  # 17 = 12 + 4 + 1
    model = diffusion.unet((8, 8, 1), 6, width=8, class_parts=(2, 3))
    random = np.random.default_rng(1)  # untrained it would predict zeros
    model.network.set_weights(
        [each + 0.1 * random.standard_normal(each.shape) for each in model.network.get_weights()]
    )
    drawn = [model.sample(1, labels=label, steps=2) for label in (0, 1, 3)]
    for first, second in itertools.combinations(drawn, 2):
        assert np.abs(first - second).max() > 1e-5


# -- the stored model of spoken digits ----------------------------------------------------------------


def test_stored_digits_are_heard_as_asked():
    model, said = stored.load("digits_diffusion"), stored.about("digits_diffusion")
    assert said["bytes"] < 2_000_000 and model.image_shape == (64, 40, 1) and model.class_count == 60
    asked = np.arange(60)
    drawn = model.sample(60, asked, seed=7, steps=8, guidance=2.0)
    assert drawn.shape == (60, 64, 40, 1) and drawn.min() >= 0 and drawn.max() <= 1
    heard = evaluate.classify(drawn, "spoken-digits").argmax(axis=1)
    voice = evaluate.classify(drawn, "speakers").argmax(axis=1)
    low, high = said["held_out"]["guidance 2"]["digit as asked"][1:]
    assert low - 0.1 <= np.mean(heard == asked // 6) <= high + 0.1
    assert np.mean(voice == asked % 6) > 0.5
    # The same noise, another digit or another voice asked for: another picture.
    first, digit, speaker = (model.sample(1, label, steps=4) for label in (0, 12, 3))
    assert min(np.abs(first - digit).mean(), np.abs(first - speaker).mean()) > 0.01


def test_digits_that_do_not_exist_are_refused():
    model = stored.load("digits_diffusion")
    for label in (60, -1, 1.5):
        with pytest.raises(ValueError, match="whole numbers from 0 to 59"):
            model.sample(1, label)
