"""What tests of figures share: a small data set, and what a figure holds."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from PIL import Image

from aigc_lab.collect.dataset import Dataset, own_card

NAMES = ("cat", "dog", "owl")


@pytest.fixture(autouse=True)
def settings_and_figures():
    """No drawing changes Matplotlib's settings; figures do not pile up."""
    before = dict(matplotlib.rcParams)
    yield
    plt.close("all")
    assert dict(matplotlib.rcParams) == before


def tiny_animals() -> Dataset:
    images = np.random.default_rng(0).integers(0, 256, (60, 12, 12), dtype=np.uint8)
    return Dataset(images, np.arange(60) % 3, NAMES, own_card("tiny"))


def drawn_images(figure) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for image in figure.axes[0].images]


def words_of(figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts if text.get_text()]


def assert_texts_fit(figure) -> None:
    """Every text lies within the figure, and no two texts of the same axes overlap."""
    figure.canvas.draw()
    frame = figure.bbox
    boxes = [text.get_window_extent() for axes in figure.axes for text in axes.texts if text.get_text()]
    for box in boxes:
        assert box.x0 >= frame.x0 - 1 and box.x1 <= frame.x1 + 1
        assert box.y0 >= frame.y0 - 1 and box.y1 <= frame.y1 + 1
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[number + 1 :])


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))
