"""The GAN playground without a browser: ticks play, controls change the rules, errors are said in words."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from PIL import Image

from aigc_lab import plots, widgets
from aigc_lab.show import gan_widget
from aigc_lab.widgets.gan_game import Game


@pytest.fixture
def playground():
    return widgets.gan_playground(speed=2, size=120)


def test_a_tick_and_the_step_button_play_the_rounds_of_a_frame(playground):
    first, strip = playground.image.value, playground.strip.value
    assert playground.game.rounds == 0 and "Round 0:" in playground.message.value
    playground.clock.value += 1
    assert playground.game.rounds == 2 and playground.image.value != first
    playground.step_button.click()
    assert playground.game.rounds == 4 and playground.strip.value != strip
    assert "Round 4:" in playground.message.value and "modes covered" in playground.image.tooltip
    with Image.open(io.BytesIO(playground.image.value)) as picture:
        assert picture.size == (120, 120)


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


def test_the_picture_shows_real_points_fakes_and_colours():
    game = Game("one Gaussian")
    game.generator.weights[-1][:] = -1.5  # away from the real point
    plain = widgets.gan_picture(game, 200, real=np.array([[0.0, 2.0]]), heat=False, arrows=False)
    assert plain.shape == (200, 200, 3) and plain.dtype == np.uint8
    row, column = round(200 * (3 - 2.0) / 6), 100
    blue = gan_widget._rgb("blue")
    assert (plain[row - 3 : row + 4, column - 3 : column + 4] == blue).all(axis=2).any()  # up is up
    assert (plain == gan_widget._rgb("vermilion")).all(axis=2).any()
    with_arrows = widgets.gan_picture(game, 200, heat=False)
    assert (with_arrows == 0).all(axis=2).any()  # arrows are black
    assert len(np.unique(widgets.gan_picture(game, 200)[:, 0], axis=0)) > 5  # and the ground is coloured


def test_points_outside_the_square_are_left_out():
    game = Game()
    game.generator.weights[-1][:] = 1e30
    picture = widgets.gan_picture(game, 100, real=np.array([[np.nan, 1.0], [99.0, -99.0]]), heat=False)
    assert (picture == 255).all()


def test_the_strip_draws_both_losses_and_survives_nan():
    steps = np.linspace(0, 1, 50)
    strip = gan_widget.loss_strip(np.stack([steps, 1 - steps], axis=1), 100, 40)
    assert strip.shape == (40, 100, 3)
    for name in ("blue", "vermilion"):
        assert (strip == gan_widget._rgb(name)).all(axis=2).any()
    empty = gan_widget.loss_strip(np.full((5, 2), np.nan), 100, 40)
    assert not (empty == gan_widget._rgb("blue")).all(axis=2).any()


def test_the_static_picture_carries_its_words():
    figure = widgets.playground_picture(Game().play(3), 120)
    assert "Round 3:" in plots.alt(figure) and figure.axes[0].get_xlabel()
    plt.close(figure)


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"shape": "cats"}, "no shape 'cats'"),
        ({"speed": 0}, "speed must be from 1 to 50"),
        ({"size": 10}, "64 pixels or more"),
        ({"loss": "hinge"}, "no loss 'hinge'"),
        ({"temperature": 1}, "no rule 'temperature'"),
    ],
)
def test_bad_input_fails_in_the_cell(named, words):
    with pytest.raises(ValueError, match=words):
        widgets.gan_playground(**named)


def test_the_name_stays_the_function():
    assert callable(widgets.gan_playground) and widgets.gan_playground() is not widgets.gan_playground()
