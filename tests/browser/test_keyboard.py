"""The piano keyboard in JupyterLab: mouse and keyboard press its keys, each is heard, the answer is shown."""

from __future__ import annotations

from collections.abc import Iterator

import nbformat
import pytest
from lab_server import lab_server, open_and_run

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NOTEBOOK = "keyboard.ipynb"
CELL = """
import base64
import numpy as np
from aigc_lab import sound, widgets

def hear(pitch):
    return sound.encoded(0.1 * np.sin(np.arange(3200) * pitch / 60), 8000, "WAV")

def answer(soprano, starts):
    content = base64.b64encode(bytes(soprano.astype("uint8"))).decode()
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="20"></svg>'
    drawing = base64.b64encode(drawing.encode()).decode()
    words = f"{len(soprano)} steps, {starts.sum()} notes"
    return (f'<img alt="{words}" src="data:image/svg+xml;base64,{drawing}">'
            f'<a download="mine.mid" href="data:audio/midi;base64,{content}">mine.mid</a>')

widgets.piano(answer, hear)
"""


@pytest.fixture(scope="module")
def page(chromium, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    folder = tmp_path_factory.mktemp("keyboard")
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


def _key(page, name):
    return page.locator(".jp-OutputArea-output").get_by_role("button", name=name, exact=True)


def _says(page, words, role="status"):
    page.locator(f".jp-OutputArea-output [role={role}]", has_text=words).wait_for(timeout=20_000)


def test_without_a_note_it_says_what_to_do(page):
    _says(page, "0 of 8 notes")
    _key(page, "Harmonise").click()
    _says(page, "there is no note yet: press 1 to 8 keys first", role="alert")


def test_a_click_writes_the_note_down_and_plays_it(page):
    _key(page, "C5").click()
    _says(page, "1 of 8 notes: C5 quarter")
    page.wait_for_function(
        "() => { const sound = document.querySelector('.jp-OutputArea-output audio');"
        " return sound && sound.duration === 0.4 && sound.played.length && sound.currentTime > 0; }",
        timeout=20_000,
    )


def test_keys_are_pressed_without_a_mouse_too(page):
    _key(page, "G4").focus()
    page.keyboard.press("Space")
    _says(page, "2 of 8 notes: C5 quarter, G4 quarter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "A4"
    width = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert width == "3px"  # whoever tabs sees where they are
    page.keyboard.press("Enter")
    _says(page, "3 of 8 notes: C5 quarter, G4 quarter, A4 quarter")


def test_black_keys_stand_above_the_edge_of_their_neighbours(page):
    box = {name: _key(page, name).bounding_box() for name in ("F4", "F♯4", "G4")}
    edge = box["G4"]["x"]
    assert abs(box["F♯4"]["x"] + box["F♯4"]["width"] / 2 - edge) < 1.5
    assert box["F♯4"]["y"] + box["F♯4"]["height"] <= box["F4"]["y"] + 1


def test_lengths_undo_and_a_ninth_note(page):
    _key(page, "half").click()
    _key(page, "F♯4").click()
    _says(page, "A4 quarter, F♯4 half")
    _key(page, "Undo").click()
    _says(page, "3 of 8 notes: C5 quarter, G4 quarter, A4 quarter")
    for count in range(4, 9):
        _key(page, "C4").click()
        _says(page, f"{count} of 8 notes")
    _key(page, "D4").click()
    _says(page, "there are 8 notes already", role="alert")


def test_the_answer_is_seen_and_its_file_kept(page, tmp_path):
    _key(page, "Harmonise").click()
    picture = page.get_by_role("img", name="52 steps, 8 notes")  # 3 quarters and 5 halves
    picture.wait_for(timeout=20_000)
    assert picture.evaluate("picture => picture.complete ? picture.naturalWidth : 0") == 90
    with page.expect_download(timeout=20_000) as saving:
        page.get_by_role("link", name="mine.mid").click()
    saving.value.save_as(tmp_path / "mine.mid")
    assert saving.value.suggested_filename == "mine.mid"
    assert (tmp_path / "mine.mid").read_bytes() == bytes([72] * 4 + [67] * 4 + [69] * 4 + [60] * 40)
