"""The sliders of a live figure in JupyterLab: an arrow key moves one, and the figure is another one."""

from __future__ import annotations

from collections.abc import Iterator

import nbformat
import pytest
from lab_server import lab_server, open_and_run

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NOTEBOOK = "live.ipynb"
CELL = """
from aigc_lab import plots, widgets

def draw(bands, rows, threshold):
    words = f"{bands} bands of {rows} rows ({bands * rows} hash values), a pair at similarity {threshold:.2f}"
    figure = plots.new_figure(7.2, 4, words)
    figure.add_subplot().plot([0, threshold, 1], [0, 1 - (1 - threshold**rows) ** bands, 1])
    return figure

widgets.live_figure(draw, bands=(1, 64, 1, 21), rows=(1, 16, 1, 6), threshold=(0.1, 1.0, 0.05, 0.8))
"""


@pytest.fixture(scope="module")
def page(chromium, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    folder = tmp_path_factory.mktemp("live")
    work = folder / "work"
    work.mkdir()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, work / NOTEBOOK)
    with lab_server(folder, work) as address:
        context = chromium.new_context(viewport={"width": 1300, "height": 900})
        opened = context.new_page()
        open_and_run(opened, address, NOTEBOOK, 1, 120_000)
        yield opened
        context.close()


@pytest.mark.parametrize(
    ("name", "key", "says"),
    [
        ("bands", "ArrowRight", "22 bands of 6 rows (132 hash values)"),
        ("rows", "ArrowLeft", "22 bands of 5 rows (110 hash values)"),
        ("threshold", "ArrowLeft", "a pair at similarity 0.75"),
    ],
)
def test_the_figure_follows_each_slider(page, name, key, says):
    output = page.locator(".jp-OutputArea-output")
    picture = output.locator("img.widget-image")
    picture.wait_for(timeout=20_000)
    before = picture.get_attribute("src")
    slider = output.locator(".widget-slider", has_text=name).get_by_role("slider").first
    slider.focus()
    slider.press(key)
    output.locator("[role=status]", has_text=says).wait_for(timeout=20_000)
    page.wait_for_function(
        "before => document.querySelector('.jp-OutputArea-output img.widget-image').src !== before",
        arg=before,
        timeout=20_000,
    )
    assert picture.evaluate("picture => picture.complete ? picture.naturalWidth : 0") == 720
