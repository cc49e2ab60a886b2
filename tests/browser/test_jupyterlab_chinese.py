"""The Chinese edition in JupyterLab: menus, a figure, a control and a check speak Chinese."""

from __future__ import annotations

import nbformat
import pytest
from lab_server import DONE, LOADED, lab_server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CELLS = (
    "from aigc_lab import exercises, plots, widgets\n"
    "def draw(threshold):\n"
    "    figure = plots.new_figure(4, 3, f'training steps: {threshold}')\n"
    "    figure.subplots().set_xlabel('training steps')\n"
    "    return figure",
    "drawn = draw(1)\nback = plots.translate(drawn, 'zh')\nprint(drawn.axes[0].get_xlabel())",
    "widgets.live_figure(draw, threshold=(0, 10, 1, 3))",
    "_ = exercises.check(1, 3, lambda answer: '')\nexercises.summary()",
)


def test_menus_figures_controls_and_checks_are_chinese(chromium, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, work / "small.ipynb")
    with lab_server(tmp_path, work, "zh") as address:
        page = chromium.new_page()
        page.goto(address.replace("?", "/tree/small.ipynb?", 1), timeout=60_000)
        page.wait_for_function(LOADED, arg=len(CELLS), timeout=60_000)
        page.locator("#jp-bottom-panel", has_text="空闲").wait_for(timeout=60_000)
        page.get_by_role("menuitem", name="运行", exact=True).click()
        page.locator('li[data-command="runmenu:run-all"]').click()
        page.wait_for_function(DONE, timeout=120_000)
        page.get_by_text("练习 1：正确").wait_for(timeout=20_000)
        page.get_by_text("共 1 道练习：答了 1 道，答对 1 道").wait_for()
        page.get_by_text("训练步").first.wait_for()
        page.locator(".widget-label", has_text="阈值").first.wait_for(timeout=20_000)
        page.close()
    kept = (work / "progress.json").read_text(encoding="utf-8")
    assert '"small"' in kept and '"1": "right"' in kept
