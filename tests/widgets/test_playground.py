"""The GAN playground: gradients against differences, Adam against the textbook, scores; and the widget
without a browser: ticks play, controls change the rules, errors are said in words."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from aigc_lab import widgets
from aigc_lab.widgets.gan_game import (
    LOSSES,
    REACH,
    SHAPES,
    Adam,
    Game,
    Network,
    Rules,
    Shape,
    loss_and_slope,
    sigmoid,
    softplus,
)
from aigc_lab.widgets.playground import BLUE, VERMILION, loss_strip


def game(**rules) -> Game:
    return Game(width=7, dtype="float64", **rules)


def differences(value, weights: list[np.ndarray], step: float = 1e-6) -> list[np.ndarray]:
    """d value / d weights by central differences."""
    slopes = []
    for weight in weights:
        slope = np.zeros_like(weight)
        for place in np.ndindex(weight.shape):
            kept = weight[place]
            weight[place] = kept + step
            above = value()
            weight[place] = kept - step
            slope[place] = (above - value()) / (2 * step)
            weight[place] = kept
        slopes.append(slope)
    return slopes


def assert_close(analytic: list[np.ndarray], numerical: list[np.ndarray]) -> None:
    assert [each.shape for each in analytic] == [each.shape for each in numerical]
    largest = max(np.abs(each).max() for each in numerical)
    assert largest > 1e-4  # something is compared
    for one, two in zip(analytic, numerical, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6 * max(1.0, largest))


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_of_the_generator(loss):
    played = game(loss=loss)
    latent = np.random.default_rng(1).standard_normal((9, 2))

    def value():
        return loss_and_slope(loss, "generator", played.discriminator(played.generator(latent)))[0]

    assert_close(played.generator_slope(latent), differences(value, played.generator.weights))


@pytest.mark.parametrize("penalty", [0.0, 10.0])
@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_of_the_discriminator(loss, penalty):
    played = game(loss=loss, penalty=penalty)
    random = np.random.default_rng(2)
    latent = random.standard_normal((9, 2))
    real = played.shape.sample(9, random).astype("float64")
    state = played.random.bit_generator.state

    def value():
        critic, fake = played.discriminator, played.generator(latent)
        total = loss_and_slope(loss, "real", critic(real))[0] + loss_and_slope(loss, "fake", critic(fake))[0]
        if loss == "wasserstein":
            played.random.bit_generator.state = state
            mix = played.random.random((9, 1))
            slope = critic.input_gradient(mix * real + (1 - mix) * fake)
            target = 1.0
        else:
            slope, target = critic.input_gradient(real), 0.0
        return total + penalty * np.mean((np.linalg.norm(slope, axis=1) - target) ** 2)

    played.random.bit_generator.state = state
    analytic = played.discriminator_slope(latent, real)
    assert_close(analytic, differences(value, played.discriminator.weights))


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_penalty_and_its_gradient(depth, target):
    random = np.random.default_rng(3)
    network = Network((3, *[6] * depth, 1), random, "float64")
    points = random.standard_normal((9, 3))
    value, gradients = network.slope_penalty(points, target)
    slope = network.input_gradient(points)
    assert value == pytest.approx(np.mean((np.linalg.norm(slope, axis=1) - target) ** 2))
    assert_close(gradients, differences(lambda: network.slope_penalty(points, target)[0], network.weights))


def test_slope_at_the_points():
    random = np.random.default_rng(4)
    network = Network((2, 8, 8, 1), random, "float64")
    points = random.standard_normal((5, 2))
    for axis in range(2):
        move = 1e-6 * np.eye(2)[axis]
        by_difference = (network(points + move) - network(points - move))[:, 0] / 2e-6
        np.testing.assert_allclose(network.input_gradient(points)[:, axis], by_difference, atol=1e-8)


def test_a_straight_critic_has_the_penalty_of_its_slope():
    network = Network((2, 1), np.random.default_rng(0), "float64")
    network.weights[0][:] = [[3.0], [4.0]]
    value, gradients = network.slope_penalty(np.zeros((4, 2)))
    assert value == pytest.approx((5 - 1) ** 2)
    np.testing.assert_allclose(gradients[0], [[2 * 4 * 0.6], [2 * 4 * 0.8]])
    assert not gradients[1].any()


def test_penalty_is_that_of_the_gan_models():
    losses = pytest.importorskip("aigc_lab.models.gan")
    import keras

    random = np.random.default_rng(5)
    network = Network((2, 8, 8, 1), random)
    real, fake = random.standard_normal((2, 9, 2)).astype("float32")
    mix = random.random((9, 1)).astype("float32")

    def critic(points):
        for layer in range(0, len(network.weights), 2):
            points = keras.ops.matmul(points, network.weights[layer]) + network.weights[layer + 1]
            if layer + 2 < len(network.weights):
                points = keras.ops.leaky_relu(points, 0.2)
        return points

    ours = network.slope_penalty(mix * real + (1 - mix) * fake)[0]
    tensors = [keras.ops.convert_to_tensor(each) for each in (real, fake, mix)]
    assert ours == pytest.approx(float(losses.gradient_penalty(critic, *tensors)), rel=1e-5)


def test_adam_first_step_and_against_the_textbook():
    weight = np.array([1.0, -2.0, 3.0])
    Adam([weight]).step([np.array([0.5, -1e-3, 40.0])], 0.01)
    np.testing.assert_allclose(weight, [0.99, -1.99, 2.99], atol=1e-6)  # the rate, whatever the slope

    gradients = np.random.default_rng(6).standard_normal((20, 3))
    weight, expected, mean, square = np.zeros(3), np.zeros(3), 0.0, 0.0
    adam = Adam([weight], momentum=0.5, second=0.99)
    for step, gradient in enumerate(gradients, start=1):
        adam.step([gradient], 0.01)
        mean = 0.5 * mean + 0.5 * gradient
        square = 0.99 * square + 0.01 * gradient**2
        expected -= 0.01 * (mean / (1 - 0.5**step)) / (np.sqrt(square / (1 - 0.99**step)) + 1e-8)
    np.testing.assert_allclose(weight, expected, rtol=1e-5)


def test_logarithms_and_sigmoids_neither_overflow_nor_vanish():
    logits = np.array([-800.0, -30.0, 0.0, 30.0, 800.0])
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_allclose(softplus(logits)[[0, 2, 4]], [0, np.log(2), 800])
        np.testing.assert_allclose(sigmoid(logits)[[0, 2, 4]], [0, 0.5, 1])
    assert softplus(logits)[1] == pytest.approx(np.exp(-30), rel=1e-9)


def test_values_where_nothing_is_known():
    zero = np.zeros((4, 1))
    assert loss_and_slope("saturating", "generator", zero)[0] == pytest.approx(-np.log(2))
    assert loss_and_slope("non-saturating", "generator", zero)[0] == pytest.approx(np.log(2))
    both = loss_and_slope("saturating", "real", zero)[0] + loss_and_slope("saturating", "fake", zero)[0]
    assert both == pytest.approx(np.log(4))


@pytest.mark.parametrize("name", SHAPES)
def test_real_points_have_all_modes(name):
    shape = SHAPES[name]
    points = shape.sample(4000, np.random.default_rng(7))
    score = shape.score(points)
    assert points.dtype == np.float32 and np.abs(points).max() < REACH + 0.5
    assert score.modes == shape.modes and score.quality > 0.98
    assert score.counts.sum() == round(score.quality * len(points))


def test_quality_of_real_points_is_the_share_within_three_deviations():
    share = SHAPES["ring of eight"].score(SHAPES["ring of eight"].sample(200_000, np.random.default_rng(8)))
    assert share.quality == pytest.approx(1 - np.exp(-4.5), abs=0.001)  # the Rayleigh distribution at 3


def test_score_counts_by_hand():
    ring = SHAPES["ring of eight"]
    at_centres = np.repeat(ring.centres[:3], [50, 30, 2], axis=0)
    points = np.concatenate([at_centres, np.zeros((18, 2))])  # 18 in the middle, near no mode
    score = ring.score(points)
    assert score.counts.tolist() == [50, 30, 2, 0, 0, 0, 0, 0]
    assert score.quality == 0.82
    assert score.modes == 2  # a fair share is 12.5 points: two are below a quarter of it
    just_outside, just_inside = (ring.centres[:1] + np.array([away, 0]) for away in (0.1501, 0.1499))
    assert ring.score(just_outside).quality == 0 and ring.score(just_inside).quality == 1


def test_the_same_seed_plays_the_same_game():
    first, second, other = (Game(seed=seed).play(5) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.fakes(), second.fakes())
    assert first.values == second.values
    assert not np.array_equal(first.fakes(), other.fakes())
    assert first.fakes().dtype == np.float32 and first.fakes(10).shape == (10, 2)


@pytest.mark.parametrize("alternating", [True, False])
def test_who_moves_when(alternating):
    played = game(alternating=alternating)
    still = game(alternating=alternating)
    still.random.bit_generator.state = played.random.bit_generator.state
    latent = still.latent()
    of_discriminator = still.discriminator_slope(latent)
    old = still.generator_slope(latent if not alternating else still.latent())
    Adam(still.discriminator.weights).step(of_discriminator, 1e-3)
    if alternating:  # the generator meets the discriminator that has moved
        still.random.bit_generator.state = played.random.bit_generator.state
        still.latent(), still.shape.sample(128, still.random)
        old = still.generator_slope(still.latent())
    Adam(still.generator.weights).step(old, 1e-3)
    played.play()
    for one, two in zip(played.generator.weights, still.generator.weights, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-12)
    for one, two in zip(played.discriminator.weights, still.discriminator.weights, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-12)


def test_a_player_with_no_step_stays():
    played = Game(generator_steps=0)
    before = [weight.copy() for weight in played.generator.weights]
    played.play(3)
    assert all(np.array_equal(one, two) for one, two in zip(before, played.generator.weights, strict=True))
    assert "generator" not in played.values and played.rounds == 3


def test_rules_change_in_the_middle():
    played = Game().play(2)
    played.change(loss="wasserstein", penalty=10.0, momentum=0.0)
    assert played.play(2).rounds == 4 and not played.lost
    with pytest.raises(ValueError, match="no loss 'hinge'"):
        played.change(loss="hinge")
    assert played.rules.loss == "wasserstein"


def test_arrows_point_downhill():
    played = Game(dtype="float64").play(20)
    fakes, arrows = played.arrows(16)

    def cost(points):
        return softplus(-played.discriminator(points))[:, 0]

    by_difference = np.stack([-(cost(fakes + e) - cost(fakes - e)) / 2e-6 for e in 1e-6 * np.eye(2)], axis=1)
    np.testing.assert_allclose(arrows, by_difference, atol=1e-7)


def test_heat_is_the_discriminator_with_up_at_the_top():
    played = Game()
    heat = played.heat(6)
    corner = np.array([[-2.5, 2.5]], "float32")  # the middle of the first of 6 cells of width 1
    assert heat.shape == (6, 6)
    assert heat[0, 0] == pytest.approx(played.discriminator(corner)[0, 0], abs=1e-5)


def test_a_game_that_blows_up_ends_in_words():
    played = Game(discriminator_rate=1.0, generator_rate=1.0, loss="wasserstein")
    played.discriminator.weights[0][:] = np.float32(1e38)
    played.play(50)
    assert "NaN or infinite" in played.lost and "smaller learning rates" in played.lost
    assert played.play(5).rounds < 50


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"shape": "cats"}, "no shape 'cats'; choose one of ring of eight"),
        ({"loss": "hinge"}, "choose one of saturating, non-saturating, wasserstein"),
        ({"generator_rate": -0.1}, "generator_rate must be from 0 to 1"),
        ({"discriminator_rate": float("nan")}, "discriminator_rate must be from 0 to 1"),
        ({"discriminator_steps": 0, "generator_steps": 0}, "at least one player"),
        ({"alternating": False, "generator_steps": 2}, "simultaneous steps are one of each"),
        ({"penalty": -1}, "penalty must be from 0"),
        ({"momentum": 1.0}, "momentum must be from 0 to 0.999"),
    ],
)
def test_bad_input_is_refused_in_words(named, words):
    with pytest.raises(ValueError, match=words):
        Game(**named)


def test_rules_can_be_given_whole():
    assert Game(rules=Rules(loss="saturating"), penalty=2.0).rules == Rules(loss="saturating", penalty=2.0)


# -- the widget ----


@pytest.fixture
def playground():
    return widgets.gan_playground(speed=2)


def test_a_tick_and_the_step_button_play_the_rounds_of_a_frame(playground):
    first, strip = playground.image.value, playground.strip.value
    assert playground.game.rounds == 0 and "Round 0:" in playground.message.value
    playground.clock.value += 1
    assert playground.game.rounds == 2 and playground.image.value != first
    playground.step_button.click()
    assert playground.game.rounds == 4 and playground.strip.value != strip
    assert (
        "Round 4:" in playground.message.value
        and "classified correctly" in playground.message.value
        and "modes covered" in playground.image.tooltip
    )
    with Image.open(io.BytesIO(playground.image.value)) as image:
        assert image.size == (420, 420)


def test_every_control_changes_its_rule(playground):
    new = {
        "loss": "least squares",
        "discriminator_rate": 1e-2,
        "generator_rate": 1e-4,
        "discriminator_steps": 3,
        "generator_steps": 2,
        "penalty": 0.1,
    }
    for name, value in new.items():
        playground.controls[name].value = value
        assert playground.error is None
        assert getattr(playground.game.rules, name) == pytest.approx(value) if name != "loss" else True
    assert playground.game.rules.loss == "least squares" and playground.game.rounds == 0
    playground.controls["speed"].value = 5
    playground.clock.value += 1
    assert playground.game.rounds == 5


def test_a_combination_that_makes_no_game_is_said_in_words(playground):
    playground.controls["generator_steps"].value = 3
    playground.controls["order"].value = "simultaneous"
    assert isinstance(playground.error, ValueError)
    assert 'role="alert"' in playground.message.value
    assert "simultaneous steps are one of each" in playground.message.value
    assert playground.game.rules.alternating  # the old rules go on
    playground.controls["generator_steps"].value = 1
    assert playground.error is None and not playground.game.rules.alternating
    assert "alert" not in playground.message.value


def test_reset_keeps_the_rules_and_starts_again(playground):
    start = playground.image.value
    playground.controls["loss"].value = "saturating"
    playground.clock.value = 3
    playground.reset_button.click()
    assert playground.game.rounds == 0 and playground.clock.value == 0
    assert playground.game.rules.loss == "saturating"
    playground.controls["loss"].value = "non-saturating"
    assert playground.image.value == start  # the same seed, the same networks


def test_another_shape_is_another_game(playground):
    playground.clock.value += 1
    playground.controls["shape"].value = "grid of 25"
    assert playground.game.rounds == 0 and playground.game.shape.modes == 25
    assert "of 25 modes" in playground.message.value


def test_a_lost_game_stops_the_clock_and_says_so(playground):
    playground.clock.playing = True
    playground.game.discriminator.weights[0][:] = np.nan
    playground.clock.value += 1
    assert playground.game.lost and not playground.clock.playing
    assert "smaller learning rates" in playground.message.value and playground.error is None
    playground.reset_button.click()
    assert not playground.game.lost and "Round 0:" in playground.message.value


def test_the_image_shows_real_points_fakes_and_colours():
    game = Game(Shape(np.array([[0.0, 2.0]]), np.zeros(1, int), 0.0))  # one point, above the middle
    game.generator.weights[-1][:] = -1.5  # away from it
    image = widgets.gan_picture(game, 200)
    assert image.shape == (200, 200, 3) and image.dtype == np.uint8
    row, column = round(200 * (3 - 2.0) / 6), 100
    assert (image[row - 3 : row + 4, column - 3 : column + 4] == BLUE).all(axis=2).any()  # up is up
    assert (image == VERMILION).all(axis=2).any()
    assert (image == 0).all(axis=2).any()  # arrows are black
    assert not (widgets.gan_picture(game, 200, arrows=False) == 0).all(axis=2).any()
    assert len(np.unique(image[:, 0], axis=0)) > 5  # and the ground is coloured


def test_points_outside_the_square_are_left_out():
    game = Game(Shape(np.array([[np.nan, 1.0], [99.0, -99.0]]), np.zeros(2, int), 0.0))
    game.generator.weights[-1][:] = 1e30
    image = widgets.gan_picture(game, 100)
    for colour in (BLUE, VERMILION):
        assert not (image == colour).all(axis=2).any()


def test_the_strip_draws_both_losses_and_survives_nan():
    steps = np.linspace(0, 1, 50)
    strip = loss_strip(np.stack([steps, 1 - steps], axis=1))
    assert strip.shape == (90, 420, 3)
    for colour in (BLUE, VERMILION):
        assert (strip == colour).all(axis=2).any()
    empty = loss_strip(np.full((5, 2), np.nan))
    assert not (empty == BLUE).all(axis=2).any()


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"shape": "cats"}, "no shape 'cats'"),
        ({"speed": 0}, "speed must be from 1 to 50"),
    ],
)
def test_bad_input_fails_in_the_cell(named, words):
    with pytest.raises(ValueError, match=words):
        widgets.gan_playground(**named)


def test_the_name_stays_the_function():
    assert callable(widgets.gan_playground) and widgets.gan_playground() is not widgets.gan_playground()
