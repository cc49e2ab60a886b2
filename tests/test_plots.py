"""Figures hold the pictures, numbers and words they were given; widgets follow; errors are seen."""

from __future__ import annotations

import base64
import warnings
from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from drawing import (  # noqa: F401
    NAMES,
    assert_texts_fit,
    drawn_images,
    pixels,
    settings_and_figures,
    tiny_animals,
    words_of,
)

from aigc_lab import STAGES, plots
from aigc_lab.collect.dataset import Dataset, own_card
from aigc_lab.plots import as_images


@pytest.fixture
def animals():
    return tiny_animals()


def test_a_figure_shows_once_in_a_notebook_and_carries_its_words(animals):
    figure = plots.grid(animals.head(3))
    assert plt.fignum_exists(figure.number)  # so that plt.show() works too
    data, about = figure._repr_mimebundle_()
    assert not plt.fignum_exists(figure.number)
    assert data["text/plain"] == figure.alt != ""
    assert pixels(base64.b64decode(data["image/png"])).size > 1_000
    assert about["image/png"]["needs_background"] == "light"


# -- pictures --------------------------------------------------------------------------------------


def test_as_images_takes_what_the_docstring_says(animals):
    grey = np.array([[0, 1], [2, 255]], np.uint8)
    for form in (grey, grey[None], grey[None, ..., None], [grey], (grey[..., None],)):
        (picture,) = as_images(form)
        np.testing.assert_array_equal(picture, grey)
    np.testing.assert_array_equal(as_images(np.array([[0.0, 0.5, 1.0]]))[0], [[0, 128, 255]])
    np.testing.assert_array_equal(as_images(np.array([[[True, False]]]))[0], [[255, 0]])
    assert as_images(np.zeros((2, 4, 5, 3)))[1].shape == (4, 5, 3)
    assert [each.shape for each in as_images([np.zeros((2, 3)), np.zeros((4, 5, 3))])] == [
        (2, 3),
        (4, 5, 3),
    ]
    assert len(as_images(animals)) == 60


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (np.zeros((0, 4, 4)), "no images"),
        ([], "no images"),
        (np.zeros(4), "must have shape"),
        (np.zeros((8, 8, 3)), r"give image\[None\]"),
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
    for shown, given in zip(drawn_images(figure), animals.data[:10], strict=True):
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
    big, small = drawn_images(figure)
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
    figure = plots.compare(groups, columns=6)
    assert len(drawn_images(figure)) == 6 + 3 + 6
    assert {"dirty", "clean"} <= set(words_of(figure))
    assert_texts_fit(figure)
    assert "dirty, clean, untouched reference" in figure.alt
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
    assert "training 20.0" in figure.alt


def test_curves_of_several_runs_differ_by_colour_and_marker():
    figure = plots.curves({"dirty": history(5), "clean": history()}, metrics=["loss"])
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
    figure = plots.scores(table, floor=(0.0, 0.002), unit="KID (lower is better)")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["dirty", "clean"]
    assert axes.get_xlabel() == "KID (lower is better)"
    reach = [bars[0].get_segments()[0][:, 0].tolist() for _, _, bars in axes.containers]
    np.testing.assert_allclose(reach, [[0.02, 0.05], [0.005, 0.012]])
    (band,) = axes.patches
    assert (band.get_x(), band.get_width()) == (0.0, 0.002)
    assert "dirty 0.03 (0.02 to 0.05)" in figure.alt and "floor 0 to 0.002" in figure.alt


def test_scores_of_several_metrics_get_a_panel_each():
    nested = {"KID": {"dirty": (3, 2, 4)}, "recall": {"dirty": (0.5, 0.4, 0.6)}}
    figure = plots.scores(nested, floor={"recall": (0.8, 0.9)})
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
    for floor in ((2, 1), (np.nan, 1)):
        with pytest.raises(ValueError, match="low not above high"):
            plots.scores({"a": (1, 0, 2)}, floor=floor)


# -- the flowchart ---------------------------------------------------------------------------------


@pytest.mark.parametrize("font", [True, False])
def test_pipeline_names_the_stages_without_empty_boxes(monkeypatch, font):
    if not font:
        monkeypatch.setattr(plots, "chinese_font", lambda characters="": None)
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

    none, one = edges(plots.pipeline()), edges(plots.pipeline("clean"))
    assert [bold > thin for bold, thin in zip(one, none, strict=True)] == [False, True] + [False] * 8
    with pytest.raises(ValueError, match="no stage named 'traning'; the stages are collect"):
        plots.pipeline("traning")


def test_a_chinese_font_is_taken_only_if_it_has_the_letters():
    found = plots.chinese_font()
    installed = {entry.name for entry in matplotlib.font_manager.fontManager.ttflist}
    assert found is None or found in installed
    assert plots.chinese_font("\U0010fffd") is None  # a private letter that no font draws
