"""The preview shows what corrupt did; the explorer follows its sliders; errors are seen."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from drawing import assert_texts_fit, drawn_images, pixels, settings_and_figures, tiny_animals, words_of  # noqa: F401

from aigc_lab import corrupt, widgets
from aigc_lab.collect.dataset import Dataset, own_card


@pytest.fixture
def animals():
    return tiny_animals()


RATES = {"label_flip": 0.3, "noise": 0.3, "exact_duplicate": 0.1, "junk": 0.1, "imbalance": 0.5}


def test_the_preview_shows_what_corrupt_did(animals):
    figure = widgets.corruption_preview(animals, RATES, seed=3)
    sample = animals[np.random.default_rng(3).permutation(60)]
    dirty, log = corrupt.apply(sample, RATES, 3)
    shown, sources = drawn_images(figure), log.sources.tolist()
    before, after = shown[:8], [sources.index(source) for source in range(8) if source in sources]
    for image, given in zip(before, sample.data[:8], strict=True):
        np.testing.assert_array_equal(image, given)
    for image, item in zip(shown[8:], after, strict=False):
        np.testing.assert_array_equal(image, dirty.data[item])
    dropped = sum(source not in sources for source in range(16))
    assert words_of(figure).count("dropped") == dropped > 0
    assert len(shown) == 32 - dropped + 8
    changes = log.table[(log.table["corruption"] == "label_flip") & (log.table["source"] < 16)]
    told = " ".join(words_of(figure)).replace("\n", " ")
    assert all(change in told for change in changes["detail"]) and len(changes)
    assert_texts_fit(figure)


def test_the_preview_without_labels_and_with_few_pictures():
    plain = Dataset(np.full((3, 12, 12), 40, np.uint8), card=own_card("plain"))
    assert len(drawn_images(widgets.corruption_preview(plain, {}))) == 6
    everything = widgets.corruption_preview(plain, {"blur": 1.0, "junk": 1.0, "near_duplicate": 1.0})
    assert len(drawn_images(everything)) == 3 + 3 + 6


def test_moving_a_rate_changes_the_preview_and_the_rates(animals):
    explorer = widgets.corruption_explorer(animals, {"blur": 0.1}, seed=1)
    assert set(explorer.sliders) == set(corrupt.IMAGE_CORRUPTIONS)
    assert explorer.rates == {"blur": 0.1} and "blur 6" in explorer.message.value
    before, images = explorer.image.value, animals.data.copy()
    explorer.sliders["noise"].value = 0.5
    assert explorer.image.value != before
    assert explorer.rates == {"blur": 0.1, "noise": 0.5} and "noise 30" in explorer.message.value
    assert pixels(explorer.image.value).shape[1] > 300
    corrupt.apply(animals, explorer.rates, 1)
    np.testing.assert_array_equal(animals.data, images)
    explorer.sliders["noise"].value = 0
    assert explorer.rates == {"blur": 0.1} and explorer.image.value == before
    assert not plt.get_fignums()  # its figures are closed


def test_the_explorer_shows_only_what_fits_and_says_what_each_slider_is(animals):
    unlabelled = Dataset(animals.data, card=own_card("plain"))
    assert {"imbalance", "label_flip"}.isdisjoint(widgets.corruption_explorer(unlabelled).sliders)
    explorer = widgets.corruption_explorer(animals)
    assert all(
        slider.description and slider.tooltip and slider.max == 0.5 for slider in explorer.sliders.values()
    )


def test_the_explorer_shows_an_error_of_a_callback(animals, monkeypatch):
    explorer = widgets.corruption_explorer(animals)

    def fail(*_):
        raise RuntimeError("no such luck")

    monkeypatch.setattr(corrupt, "apply", fail)
    explorer.sliders["blur"].value = 0.2
    assert 'role="alert"' in explorer.message.value and "no such luck" in explorer.message.value
    assert isinstance(explorer.error, RuntimeError)


def test_the_explorer_refuses_bad_input(animals):
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
