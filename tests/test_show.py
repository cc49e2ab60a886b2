"""Figures hold the pictures, numbers and words they were given; widgets follow; errors are seen."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import warnings
from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from PIL import Image

from aigc_lab import STAGES, corrupt, plots, widgets
from aigc_lab import plots as style
from aigc_lab.collect.dataset import Dataset, own_card
from aigc_lab.plots import as_pictures

NAMES = ("cat", "dog", "owl")


@pytest.fixture(autouse=True)
def settings_and_figures():
    """No drawing changes Matplotlib's settings; figures do not pile up."""
    before = dict(matplotlib.rcParams)
    yield
    plt.close("all")
    assert dict(matplotlib.rcParams) == before


@pytest.fixture
def animals():
    random = np.random.default_rng(0)
    return Dataset(
        random.integers(0, 256, (60, 12, 12), dtype=np.uint8), np.arange(60) % 3, NAMES, own_card("tiny")
    )


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


def drawn_pictures(figure):
    return [np.asarray(image.get_array()) for image in figure.axes[0].images]


def words_of(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts if text.get_text()]


def assert_texts_fit(figure):
    """Every text lies within the figure, and no two texts of the same axes overlap."""
    figure.canvas.draw()
    frame = figure.bbox
    boxes = [text.get_window_extent() for axes in figure.axes for text in axes.texts if text.get_text()]
    for box in boxes:
        assert box.x0 >= frame.x0 - 1 and box.x1 <= frame.x1 + 1
        assert box.y0 >= frame.y0 - 1 and box.y1 <= frame.y1 + 1
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[number + 1 :])


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)))


# -- the room itself -------------------------------------------------------------------------------


def test_importing_the_room_is_light():
    code = (
        "import sys, aigc_lab.show; "
        "print(sorted({'matplotlib', 'ipywidgets', 'IPython', 'tensorflow', 'keras'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_every_public_name_is_there():
    for name in widgets.__all__:
        assert getattr(widgets, name) is not None
    with pytest.raises(AttributeError, match=r"no attribute 'gird'; it has .*annotate"):
        _ = widgets.gird


def test_a_figure_shows_once_in_a_notebook_and_carries_its_words(animals):
    figure = plots.grid(animals.head(3))
    assert plt.fignum_exists(figure.number)  # so that plt.show() works too
    data, about = figure._repr_mimebundle_()
    assert not plt.fignum_exists(figure.number)
    assert data["text/plain"] == plots.alt(figure) == figure.alt != ""
    assert pixels(base64.b64decode(data["image/png"])).size > 1_000
    assert about["image/png"]["needs_background"] == "light"
    with pytest.raises(ValueError, match="no text alternative"):
        plots.alt(plt.figure())


# -- pictures --------------------------------------------------------------------------------------


def test_as_pictures_takes_what_the_docstring_says(animals):
    grey = np.array([[0, 1], [2, 255]], np.uint8)
    for form in (grey, grey[None], grey[None, ..., None], [grey], (grey[..., None],)):
        (picture,) = as_pictures(form)
        np.testing.assert_array_equal(picture, grey)
    np.testing.assert_array_equal(as_pictures(np.array([[0.0, 0.5, 1.0]]))[0], [[0, 128, 255]])
    np.testing.assert_array_equal(as_pictures(np.array([[[True, False]]]))[0], [[255, 0]])
    assert as_pictures(np.zeros((2, 4, 5, 3)))[1].shape == (4, 5, 3)
    assert [each.shape for each in as_pictures([np.zeros((2, 3)), np.zeros((4, 5, 3))])] == [
        (2, 3),
        (4, 5, 3),
    ]
    assert len(as_pictures(animals)) == 60


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (np.zeros((0, 4, 4)), "no pictures"),
        ([], "no pictures"),
        (np.zeros(4), "must have shape"),
        (np.zeros((8, 8, 3)), r"give picture\[None\]"),
        (np.zeros((2, 8, 8, 2)), "1 or 3 channels"),
        (np.full((1, 4, 4), np.nan), "NaN"),
        (np.full((1, 4, 4), 1.5), "must lie in"),
        (np.full((1, 4, 4), -0.5), "must lie in"),
        (np.zeros((1, 4, 4), np.int64), "got int64"),
        (Dataset(("a", "b"), card=own_card("t", "text")), "holds text"),
    ],
)
def test_what_cannot_be_drawn(images, says):
    with pytest.raises(ValueError, match=says):
        plots.grid(images)


def test_grid_draws_each_picture_with_its_title(animals):
    figure = plots.grid(animals.head(10), columns=4, row_labels=["one", "two", "three"], title="Ten")
    for shown, given in zip(drawn_pictures(figure), animals.data[:10], strict=True):
        np.testing.assert_array_equal(shown, given)
    words = words_of(figure)
    assert words[0] == "Ten" and {"one", "two", "three"} <= set(words)
    assert sum(word in NAMES for word in words) == 10
    assert figure.get_figwidth() <= 10.01
    assert min(text.get_size() for text in figure.axes[0].texts) >= 10
    assert_texts_fit(figure)
    assert words_of(plots.grid(animals.head(3), titles=[])) == []


def test_long_titles_wrap_instead_of_overlapping(animals):
    titles = ["a title that is far too long for its picture", "elephant -> zebra", "猫", "x"] * 2
    assert_texts_fit(plots.grid(animals.head(8), titles=titles, title="A heading " * 12))


def test_large_photos_are_thinned_and_keep_their_shape():
    figure = plots.grid([np.zeros((2000, 3000, 3), np.uint8), np.zeros((50, 20))])
    big, small = drawn_pictures(figure)
    assert max(big.shape) <= 600 and small.shape == (50, 20)
    left, right, bottom, top = figure.axes[0].images[0].get_extent()
    assert (right - left) / (bottom - top) == pytest.approx(1.5)


def test_grid_counts_the_texts(animals):
    with pytest.raises(ValueError, match="3 titles are needed, got 2"):
        plots.grid(animals.head(3), titles=["a", "b"])
    with pytest.raises(ValueError, match="1 row labels are needed, got 2"):
        plots.grid(animals.head(3), row_labels=["a", "b"])
    with pytest.raises(ValueError, match="columns must be at least 1"):
        plots.grid(animals, columns=0)


def test_compare_puts_groups_under_each_other(animals):
    groups = {"dirty": animals[:8], "clean": animals[8:11], "untouched reference": animals.arrays()[0][:20]}
    figure = plots.compare(groups, columns=6, title="Three", column_titles=list("abcdefgh"))
    assert len(drawn_pictures(figure)) == 6 + 3 + 6
    assert {"dirty", "clean", "Three", "a", "f"} <= set(words_of(figure)) and "g" not in words_of(figure)
    assert_texts_fit(figure)
    assert "dirty, clean, untouched reference" in plots.alt(figure)
    with pytest.raises(ValueError, match="nothing to compare"):
        plots.compare({})


# -- charts ----------------------------------------------------------------------------------------


def history(shift=0.0):
    epoch = np.arange(1, 6)
    return pd.DataFrame(
        {
            "epoch": epoch,
            "loss": 100.0 / epoch + shift,
            "kl": 1.0 * epoch,
            "seconds": 0.1,
            "validation_loss": 110.0 / epoch + shift,
        }
    )


def test_curves_draw_the_numbers_with_units():
    table = history()
    for form in (table, SimpleNamespace(table=table), {"run": table}):
        figure = plots.curves(form)
        loss, kl = figure.axes
        training, validation = loss.lines
        np.testing.assert_array_equal(training.get_ydata(), table["loss"])
        np.testing.assert_array_equal(validation.get_ydata(), table["validation_loss"])
        np.testing.assert_array_equal(training.get_xdata(), table["epoch"])
        assert (training.get_linestyle(), validation.get_linestyle()) == ("-", "--")
        assert len(kl.lines) == 1
        assert loss.get_xlabel() == "epoch" and loss.get_ylabel() == kl.get_ylabel() == "nats per image"
    assert "training 20.0" in plots.alt(figure)


def test_curves_of_several_runs_differ_by_colour_and_marker():
    figure = plots.curves({"dirty": history(5), "clean": history()}, metrics=["loss"], title="Two")
    (axes,) = figure.axes
    assert (
        len({line.get_color() for line in axes.lines}) == len({line.get_marker() for line in axes.lines}) == 2
    )
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["dirty, training", "dirty, validation", "clean, training", "clean, validation"]
    figure.canvas.draw()
    box = legend.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1


def test_curves_take_the_history_of_keras():
    figure = plots.curves(SimpleNamespace(history={"loss": [3.0, 2.0], "val_loss": [4.0, 3.0]}), unit="")
    (axes,) = figure.axes
    assert [list(line.get_ydata()) for line in axes.lines] == [[3.0, 2.0], [4.0, 3.0]]
    assert list(axes.lines[0].get_xdata()) == [1, 2]


def test_curves_refuse_what_is_no_history():
    with pytest.raises(ValueError, match="cannot draw int as training curves"):
        plots.curves(3)
    with pytest.raises(ValueError, match="no numbers to draw"):
        plots.curves({"loss": np.zeros(0)})
    with pytest.raises(ValueError, match="no metric 'los'; it has loss, kl"):
        plots.curves(history(), metrics=["los"])
    with pytest.raises(ValueError, match="no history"):
        plots.curves({})


def test_scores_draw_points_intervals_and_floor():
    table = {"dirty": (0.03, 0.02, 0.05), "clean": SimpleNamespace(value=0.01, low=0.005, high=0.012)}
    figure = plots.scores(table, floor=(0.0, 0.002), unit="KID (lower is better)", title="Scores")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["dirty", "clean"]
    assert axes.get_xlabel() == "KID (lower is better)"
    reach = [bars[0].get_segments()[0][:, 0].tolist() for _, _, bars in axes.containers]
    np.testing.assert_allclose(reach, [[0.02, 0.05], [0.005, 0.012]])
    (band,) = axes.patches
    assert (band.get_x(), band.get_width()) == (0.0, 0.002)
    assert "dirty 0.03 (0.02 to 0.05)" in plots.alt(figure) and "floor 0 to 0.002" in plots.alt(figure)


def test_scores_of_several_metrics_get_a_panel_each():
    nested = {"KID": {"dirty": (3, 2, 4)}, "recall": {"dirty": (0.5, 0.4, 0.6)}}
    rows = [("KID", "dirty", 3, 2, 4), ("recall", "dirty", 0.5, 0.4, 0.6)]
    table = pd.DataFrame(rows, columns=["metric", "name", "value", "low", "high"])
    for form in (nested, table):
        figure = plots.scores(form, floor={"recall": (0.8, 0.9)})
        assert [axes.get_xlabel() for axes in figure.axes] == ["KID", "recall"]
        assert [len(axes.patches) for axes in figure.axes] == [0, 1]
        assert len(figure.legends) == 1  # the floor is in the second panel only, and still explained


def test_scores_refuse_what_makes_no_sense():
    with pytest.raises(ValueError, match="does not hold its value"):
        plots.scores({"a": (1.0, 2.0, 3.0)})
    with pytest.raises(ValueError, match="no scores to draw"):
        plots.scores({})
    with pytest.raises(ValueError, match=r"must be \(value, low, high\)"):
        plots.scores({"a": 1.0})
    with pytest.raises(ValueError, match="is nan"):
        plots.scores({"a": (np.nan, 0, 1)})
    with pytest.raises(ValueError, match="need a column 'low'"):
        plots.scores(pd.DataFrame({"name": ["a"], "value": [1.0]}))
    with pytest.raises(ValueError, match="low not above high"):
        plots.scores({"a": (1, 0, 2)}, floor=(2, 1))


# -- the flowchart ---------------------------------------------------------------------------------


@pytest.mark.parametrize("font", [True, False])
def test_pipeline_names_the_stages_without_empty_boxes(monkeypatch, font):
    if not font:
        monkeypatch.setattr(style, "chinese_font", lambda characters="": None)
    figure = plots.pipeline("train")
    words = words_of(figure)
    assert [word for word in words if word in STAGES] == list(STAGES)
    assert {"corrupt", "models", "metrics"} <= set(words)
    if not font:
        assert all(word.isascii() for word in words)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Matplotlib warns of a glyph that no font has
        figure.png()
    assert_texts_fit(figure)


def test_pipeline_highlights(monkeypatch):
    def edges(figure):
        return [patch.get_linewidth() for patch in figure.axes[0].patches]

    none, two = edges(plots.pipeline()), edges(plots.pipeline(["collect", "clean"]))
    assert [bold > thin for bold, thin in zip(two, none, strict=True)] == [True] * 2 + [False] * 8
    with pytest.raises(ValueError, match="no stage named 'traning'; the stages are collect"):
        plots.pipeline("traning")


def test_a_chinese_font_is_taken_only_if_it_has_the_letters():
    found = style.chinese_font()
    installed = {entry.name for entry in matplotlib.font_manager.fontManager.ttflist}
    assert found is None or found in installed
    assert style.chinese_font("\U0010fffd") is None  # a private letter that no font draws


# -- the latent explorer ---------------------------------------------------------------------------


def test_latent_picture_is_the_decoded_picture_enlarged():
    vae = LinearVAE()
    z = np.array([0.0, 2.0, -2.0, 1.0, 5.0])
    expected = np.rint(vae.decode(z[None])[0, ..., 0] * 255).astype(np.uint8)
    np.testing.assert_array_equal(
        pixels(widgets.latent_picture(vae, z, size=40)), np.kron(expected, np.ones((10, 10)))
    )
    assert pixels(widgets.latent_picture(vae, z, size=40, smoothing="bicubic")).shape == (40, 40)


def test_latent_picture_refuses_bad_points():
    vae = LinearVAE(class_count=3)
    for arguments, says in (
        ({"z": np.zeros(4), "label": 0}, r"shape \(5,\), got \(4,\)"),
        ({"z": np.full(5, np.nan), "label": 0}, "NaN"),
        ({"z": np.zeros(5)}, "conditional"),
        ({"z": np.zeros(5), "label": 0, "smoothing": "lanczos"}, "one of nearest, bicubic"),
        ({"z": np.zeros(5), "label": 0, "size": 0}, "at least 1 pixel"),
    ):
        with pytest.raises(ValueError, match=says):
            widgets.latent_picture(vae, **arguments)


def test_active_dimensions_are_ordered_by_their_nats():
    order, nats = widgets.active_dimensions(LinearVAE(), np.zeros((6, 4, 4, 1)))
    assert order[:2].tolist() == [3, 1]
    np.testing.assert_allclose(nats, [0, 0.5, 0, 2.0, 0])  # KL(N(m, 1) || N(0, 1)) = m^2 / 2


def test_moving_a_slider_changes_the_picture():
    explorer = widgets.latent_explorer(LinearVAE(), data=np.zeros((6, 4, 4, 1)), dimensions=2)
    assert explorer.dimensions == [3, 1]
    assert [slider.description for slider in explorer.sliders] == ["z[3], 2.0 nats", "z[1], 0.5 nats"]
    assert explorer.class_choice is None
    before = explorer.image.value
    explorer.sliders[0].value = 2.5
    assert explorer.image.value != before
    expected = widgets.latent_picture(explorer.vae, [0, 0, 0, 2.5, 0])
    assert explorer.image.value == expected
    assert "2.5 from the middle" in explorer.message.value and "2.5 from the middle" in explorer.image.tooltip
    explorer.reset_button.click()
    assert explorer.image.value == before and explorer.sliders[0].value == 0.0


def test_choosing_a_class_changes_the_picture():
    explorer = widgets.latent_explorer(LinearVAE(class_count=3), class_names=NAMES)
    before = explorer.image.value
    explorer.class_choice.label = "owl"
    assert explorer.label == 2 and explorer.image.value != before and "owl" in explorer.message.value
    assert explorer.image.value == widgets.latent_picture(explorer.vae, np.zeros(5), 2)


def test_a_random_draw_sets_every_dimension_at_the_cost_of_one_picture():
    vae = LinearVAE()
    explorer, twin = widgets.latent_explorer(vae, dimensions=[4, 0], seed=7), widgets.latent_explorer(vae, seed=7)
    calls = vae.calls
    explorer.draw_button.click()
    assert vae.calls == calls + 1
    assert np.count_nonzero(explorer.z) == 5
    assert [slider.value for slider in explorer.sliders] == pytest.approx([explorer.z[4], explorer.z[0]])
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


def test_every_control_says_what_it_is():
    explorer = widgets.latent_explorer(LinearVAE(class_count=3), class_names=NAMES)
    controls = [*explorer.sliders, explorer.class_choice, explorer.draw_button, explorer.reset_button]
    assert all(control.description and control.tooltip for control in controls)
    assert explorer.image.tooltip.startswith("Decoded picture: cat")
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
    assert seen >= 20


def test_explorer_refuses_what_the_model_lacks():
    for arguments, says in (
        ({"dimensions": 6}, "has 5 latent dimensions; 6 cannot"),
        ({"dimensions": [0, 0]}, "different numbers from 0 to 4"),
        ({"dimensions": [5]}, "different numbers from 0 to 4"),
        ({"class_names": ("cat",)}, "3 classes, but there are 1"),
        ({"reach": 0}, "reach must be above 0"),
    ):
        with pytest.raises(ValueError, match=says):
            widgets.latent_explorer(LinearVAE(class_count=3), **arguments)


def test_explorer_on_the_real_model(animals):
    from aigc_lab.models.vae import convolutional_vae

    vae = convolutional_vae(image_shape=(12, 12, 1), latent_size=4, class_count=3, width=4)
    explorer = widgets.latent_explorer(vae, animals, dimensions=3, size=60)
    assert [label for label, _ in explorer.class_choice.options] == list(NAMES)
    order, _ = widgets.active_dimensions(vae, animals)
    assert explorer.dimensions == order[:3].tolist()
    explorer.sliders[0].value = 3.0
    assert explorer.z[order[0]] == 3.0
    decoded = np.rint(vae.decode(explorer.z[None], [0])[0, ..., 0] * 255)
    np.testing.assert_array_equal(pixels(explorer.image.value), np.kron(decoded, np.ones((5, 5))))


# -- the corrupt -------------------------------------------------------------------------------

RATES = {"label_flip": 0.3, "noise": 0.3, "exact_duplicate": 0.1, "junk": 0.1, "imbalance": 0.5}


def test_defect_preview_shows_what_the_dial_did(animals):
    figure = widgets.corruption_preview(animals, RATES, seed=3, columns=5)
    sample = animals[np.random.default_rng(3).permutation(60)]
    dirty, ledger = corrupt.apply(sample, RATES, 3)
    shown, sources = drawn_pictures(figure), ledger.sources.tolist()
    before, after = shown[:5], [sources.index(source) for source in range(5) if source in sources]
    for picture, given in zip(before, sample.data[:5], strict=True):
        np.testing.assert_array_equal(picture, given)
    for picture, item in zip(shown[5:], after, strict=False):
        np.testing.assert_array_equal(picture, dirty.data[item])
    dropped = sum(source not in sources for source in range(10))
    assert words_of(figure).count("dropped") == dropped > 0
    assert len(shown) == 20 - dropped + 5
    changes = ledger.table[(ledger.table["defect"] == "label_flip") & (ledger.table["source"] < 10)]
    told = " ".join(words_of(figure)).replace("\n", " ")
    assert all(change in told for change in changes["detail"]) and len(changes)
    assert_texts_fit(figure)


def test_defect_preview_without_labels_and_with_few_pictures():
    plain = Dataset(np.full((3, 12, 12), 40, np.uint8), card=own_card("plain"))
    assert len(drawn_pictures(widgets.corruption_preview(plain, {}))) == 6
    everything = widgets.corruption_preview(plain, {"blur": 1.0, "junk": 1.0, "near_duplicate": 1.0})
    assert len(drawn_pictures(everything)) == 3 + 3 + 3


def test_moving_a_rate_changes_the_preview_and_the_rates(animals):
    dial = widgets.corruption_explorer(animals, {"blur": 0.1}, seed=1)
    assert set(dial.sliders) == set(corrupt.IMAGE_CORRUPTIONS)
    assert dial.rates == {"blur": 0.1} and "blur 6" in dial.message.value
    before, pictures = dial.image.value, animals.data.copy()
    dial.sliders["noise"].value = 0.5
    assert dial.image.value != before
    assert dial.rates == {"blur": 0.1, "noise": 0.5} and "noise 30" in dial.message.value
    assert pixels(dial.image.value).shape[1] > 300
    corrupt.apply(animals, dial.rates, 1)
    np.testing.assert_array_equal(animals.data, pictures)
    dial.reset_button.click()
    assert dial.rates == {"blur": 0.1} and dial.image.value == before
    assert not plt.get_fignums()  # its figures are closed


def test_dial_shows_only_what_fits_and_says_what_each_slider_is(animals):
    unlabelled = Dataset(animals.data, card=own_card("plain"))
    assert {"imbalance", "label_flip"}.isdisjoint(widgets.corruption_explorer(unlabelled).sliders)
    dial = widgets.corruption_explorer(animals, names=("blur", "junk"))
    assert list(dial.sliders) == ["blur", "junk"]
    assert all(
        slider.description and slider.tooltip and slider.max == 0.5 for slider in dial.sliders.values()
    )


def test_dial_shows_an_error_of_a_callback(animals, monkeypatch):
    dial = widgets.corruption_explorer(animals, names=("blur",))

    def fail(*_):
        raise RuntimeError("no such luck")

    monkeypatch.setattr(corrupt, "apply", fail)
    dial.sliders["blur"].value = 0.2
    assert 'role="alert"' in dial.message.value and "no such luck" in dial.message.value
    assert isinstance(dial.error, RuntimeError)


def test_dial_refuses_bad_input(animals):
    for rates, says in (
        ({"blurr": 0.1}, "did you mean 'blur'"),
        ({"blur": 1.5}, "from 0 to 1, got 1.5"),
        ({"blur": -0.1}, "from 0 to 1, got -0.1"),
        ({"blur": float("nan")}, "from 0 to 1, got nan"),
    ):
        with pytest.raises(ValueError, match=says):
            widgets.corruption_explorer(animals, rates)
    with pytest.raises(ValueError, match="holds text"):
        widgets.corruption_explorer(Dataset(("a",), card=own_card("t", "text")))
    with pytest.raises(ValueError, match="is empty"):
        widgets.corruption_explorer(animals[:0])
