"""Figures hold the pictures, numbers and words they were given; widgets follow; errors are seen."""

from __future__ import annotations

import numpy as np
import pytest
from drawing import NAMES, pixels, settings_and_figures, tiny_animals  # noqa: F401

from aigc_lab import widgets
from aigc_lab.collect.dataset import Dataset, own_card
from aigc_lab.models.vae import active_dimensions, convolutional_vae


@pytest.fixture
def animals():
    return tiny_animals()


class LinearVAE:
    """A stand-in with the interface of the real one: pixel j follows z_j, the label sets the ground."""

    image_shape = (4, 4, 1)

    def __init__(self, latent_size=5, class_count=0):
        self.latent_size, self.class_count = latent_size, class_count
        self.calls = 0

    def decode(self, z, labels=None):
        self.calls += 1
        if self.class_count and labels is None:
            raise ValueError("this VAE is conditional: give a label")
        ground = 0.0 if labels is None else 0.1 * np.asarray(labels)[:, None]
        flat = np.zeros((len(z), 16), "float32") + ground
        flat[:, : self.latent_size] = 1 / (1 + np.exp(-z))
        return flat.reshape(-1, 4, 4, 1).astype("float32")

    def encode(self, x, labels=None):
        # Dimension 3 moves most, then 1; the others stay at the prior.
        mean = np.zeros((len(x), self.latent_size), "float32")
        mean[:, 3], mean[:, 1] = 2.0, 1.0
        return mean, np.zeros_like(mean)


# -- the latent explorer ---------------------------------------------------------------------------


def test_active_dimensions_are_ordered_by_their_nats():
    order, nats = active_dimensions(LinearVAE(), np.zeros((6, 4, 4, 1)))
    assert order[:2].tolist() == [3, 1]
    np.testing.assert_allclose(nats, [0, 0.5, 0, 2.0, 0])  # KL(N(m, 1) || N(0, 1)) = m^2 / 2


def test_moving_a_slider_changes_the_picture():
    explorer = widgets.latent_explorer(LinearVAE(), data=np.zeros((6, 4, 4, 1)))
    assert explorer.dimensions[:2] == [3, 1]
    assert [slider.description for slider in explorer.sliders[:2]] == ["z[3], 2.0 nats", "z[1], 0.5 nats"]
    assert explorer.class_choice is None
    before = explorer.image.value
    explorer.sliders[0].value = 2.5
    assert explorer.image.value != before
    expected = np.rint(explorer.vae.decode(np.array([[0, 0, 0, 2.5, 0]]))[0, ..., 0] * 255)
    np.testing.assert_array_equal(pixels(explorer.image.value), np.kron(expected, np.ones((70, 70))))
    assert "2.5 from the middle" in explorer.message.value and "2.5 from the middle" in explorer.image.tooltip
    explorer.reset_button.click()
    assert explorer.image.value == before and explorer.sliders[0].value == 0.0


def test_choosing_a_class_changes_the_picture():
    explorer = widgets.latent_explorer(LinearVAE(class_count=3), class_names=NAMES)
    before = explorer.image.value
    explorer.class_choice.label = "owl"
    assert explorer.label == 2 and explorer.image.value != before and "owl" in explorer.message.value
    expected = np.rint(explorer.vae.decode(np.zeros((1, 5)), [2])[0, ..., 0] * 255)
    np.testing.assert_array_equal(pixels(explorer.image.value), np.kron(expected, np.ones((70, 70))))


def test_a_random_draw_sets_every_dimension_at_the_cost_of_one_picture():
    vae = LinearVAE(latent_size=10)
    explorer = widgets.latent_explorer(vae, seed=7)
    twin = widgets.latent_explorer(vae, seed=7)
    calls = vae.calls
    explorer.draw_button.click()
    assert vae.calls == calls + 1
    assert np.count_nonzero(explorer.z) == 10
    assert [slider.value for slider in explorer.sliders] == pytest.approx(explorer.z[:8].tolist())
    twin.draw_button.click()
    assert twin.image.value == explorer.image.value
    explorer.draw_button.click()
    assert twin.image.value != explorer.image.value


def test_random_draws_come_from_the_mixture_where_there_is_one():
    class Mixture:
        def sample(self, n, labels=None, seed=0):
            if labels == 2:
                raise ValueError("class 2 had no items to learn from")
            return np.full((n, 5), 1.5 + seed % 2, "float32"), np.full(n, labels)

    explorer = widgets.latent_explorer(LinearVAE(class_count=3), class_names=NAMES, mixture=Mixture())
    explorer.draw_button.click()
    assert set(explorer.z.tolist()) <= {1.5, 2.5} and explorer.sliders[0].value == explorer.z[0]
    explorer.class_choice.label = "owl"
    explorer.draw_button.click()
    assert "class 2 had no items" in explorer.message.value and 'role="alert"' in explorer.message.value


def test_an_error_in_a_callback_is_seen_and_goes_away(monkeypatch):
    explorer = widgets.latent_explorer(LinearVAE())
    before = explorer.image.value

    def fail(*_):
        raise RuntimeError("the <decoder> is gone")

    with monkeypatch.context() as patch:
        patch.setattr(explorer.vae, "decode", fail)
        explorer.sliders[0].value = 1.0
        assert 'role="alert"' in explorer.message.value
        assert "RuntimeError: the &lt;decoder&gt; is gone" in explorer.message.value
        assert isinstance(explorer.error, RuntimeError) and explorer.image.value == before
    explorer.sliders[0].value = 0.5
    assert explorer.error is None and "alert" not in explorer.message.value


def test_a_failing_observer_of_a_slider_leaves_the_explorer_alive():
    def fails(_):
        raise RuntimeError("not mine")

    explorer = widgets.latent_explorer(LinearVAE(), seed=7)
    explorer.sliders[1].observe(fails, "value")
    explorer.draw_button.click()
    assert "not mine" in explorer.message.value
    explorer.sliders[1].unobserve(fails, "value")
    before = explorer.image.value
    explorer.sliders[0].value = -2.0
    assert explorer.image.value != before


def test_every_control_says_what_it_is():
    explorer = widgets.latent_explorer(LinearVAE(class_count=3), class_names=NAMES)
    controls = [*explorer.sliders, explorer.class_choice, explorer.draw_button, explorer.reset_button]
    assert all(control.description and control.tooltip for control in controls)
    assert explorer.image.tooltip.startswith("Decoded image: cat")
    assert 'role="status"' in explorer.message.value


def test_no_tooltip_stands_on_a_widget_without_a_description(animals):
    # There ipywidgets' JavaScript fails and draws an error instead (jupyter-widgets/ipywidgets#3860).
    queue, seen = [widgets.latent_explorer(LinearVAE(class_count=3)), widgets.corruption_explorer(animals)], 0
    while queue:
        widget = queue.pop()
        queue += getattr(widget, "children", ())
        if getattr(widget, "tooltip", None):
            assert "description" in widget.keys, widget
            seen += 1
    assert seen >= 19


def test_explorer_refuses_what_the_model_lacks():
    for arguments, says in (
        ({"smoothing": "lanczos"}, "one of nearest, bicubic"),
        ({"class_names": ("cat",)}, "3 classes, but there are 1"),
    ):
        with pytest.raises(ValueError, match=says):
            widgets.latent_explorer(LinearVAE(class_count=3), **arguments)


def test_explorer_on_the_real_model():
    random = np.random.default_rng(0)
    pixels_given = random.integers(0, 256, (30, 28, 28), dtype=np.uint8)
    animals = Dataset(pixels_given, np.arange(30) % 3, NAMES, own_card("tiny"))
    vae = convolutional_vae(image_shape=(28, 28, 1), latent_size=4, class_count=3, width=4)
    explorer = widgets.latent_explorer(vae, animals)
    assert [label for label, _ in explorer.class_choice.options] == list(NAMES)
    order, _ = active_dimensions(vae, animals)
    assert explorer.dimensions == order.tolist()
    explorer.sliders[0].value = 3.0
    assert explorer.z[order[0]] == 3.0
    decoded = np.rint(vae.decode(explorer.z[None], [0])[0, ..., 0] * 255)
    np.testing.assert_array_equal(pixels(explorer.image.value), np.kron(decoded, np.ones((10, 10))))
