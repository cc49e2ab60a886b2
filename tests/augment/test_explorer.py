"""The widget over ``augment.layers``: the picture follows the controls, and errors are shown."""

import numpy as np
import pytest

from aigc_lab import augment, plots, widgets
from aigc_lab.collect import Dataset


@pytest.fixture
def pictures():
    data = np.random.default_rng(0).integers(0, 256, (12, 8, 8), dtype="uint8")
    return Dataset(data, np.arange(12) % 2, ("a", "b"))


@pytest.mark.parametrize("name", list(augment.TRANSFORMS))
def test_each_transform_has_a_preview_that_says_what_it_shows(pictures, name):
    figure = widgets.augment_preview(pictures, name, 0.2, rows=2)
    assert name in plots.alt(figure) and "10 pictures" in plots.alt(figure)


def test_strength_zero_shows_the_pictures_as_they_are(pictures):
    still = [widgets.augment_preview(pictures, name, 0.0).png() for name in ("noise", "shift")]
    assert still[0] == still[1]


def test_the_widget_follows_its_controls(pictures):
    explorer = widgets.augment_explorer(pictures)
    first = explorer.image.value
    explorer.strength.value = 0.4
    second = explorer.image.value
    assert second != first and "0.40" in explorer.image.tooltip
    explorer.choice.value = "flip"
    assert explorer.image.value != second and explorer.strength.disabled
    assert "digits" in explorer.message.value
    assert explorer.error is None


def test_what_fails_in_a_callback_is_shown(pictures, monkeypatch):
    explorer = widgets.augment_explorer(pictures)

    def broken(*_, **__):
        raise ValueError("<broken>")

    monkeypatch.setattr("aigc_lab.widgets.augmentation.augment_preview", broken)
    explorer.strength.value = 0.3
    assert isinstance(explorer.error, ValueError)
    assert "&lt;broken&gt;" in explorer.message.value


def test_bad_input_is_refused(pictures):
    with pytest.raises(ValueError, match="rotation"):
        widgets.augment_preview(pictures, "melt")
    with pytest.raises(ValueError, match=r"0\.5"):
        widgets.augment_preview(pictures, "shift", 2.0)
    with pytest.raises(ValueError, match="no pictures"):
        widgets.augment_explorer(pictures[:0])
