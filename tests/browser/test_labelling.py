"""The labelling widget in JupyterLab: keys, mouse, the file after each label, going on after a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from lab_server import lab_server, open_and_run

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NOTEBOOK = "labelling.ipynb"
CELLS = [
    "from aigc_lab import collect, widgets\n"
    'animals = collect.load("animals").only("cat", "dog", "horse")[::200]',
    'widgets.annotate(animals, "mine.json", annotator="Ann", second=animals.labels)',
]


@dataclass
class Session:
    """A page with the widget, the folder of its file, and every address that was asked for."""

    page: object
    work: Path
    address: str
    requests: list[str]

    @property
    def field(self):
        return self.page.get_by_placeholder("click here, then press keys")

    def says(self, words: str) -> None:
        """Wait until the widget says so."""
        self.page.locator(".jp-OutputArea-output [role=status]", has_text=words).wait_for(timeout=20_000)

    def stored(self) -> list[str | None]:
        sheet = json.loads((self.work / "mine.json").read_text(encoding="utf-8"))
        return [name for _, name in sheet["entries"]]


@pytest.fixture(scope="module")
def session(chromium, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("labelling")
    work = folder / "work"
    work.mkdir()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, work / NOTEBOOK)
    with lab_server(folder, work) as address:
        context = chromium.new_context(viewport={"width": 1300, "height": 900})
        page = context.new_page()
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        open_and_run(page, address, NOTEBOOK, len(CELLS), 120_000)
        yield Session(page, work, address, requests)
        context.close()


def test_keys_label_and_each_is_in_the_file_at_once(session):
    session.says("0 of 15 done")
    session.field.click()
    for number, (key, name) in enumerate(zip("123", ("cat", "dog", "horse"), strict=True)):
        session.page.keyboard.press(key)
        session.says(f"{number + 1} of 15 done")
        assert session.stored()[-1] == name
    session.says("The second annotator says the same for 1 of 3 shared items")


def test_quick_typing_loses_and_doubles_nothing(session):
    session.page.keyboard.type("1212", delay=5)
    session.says("7 of 15 done")
    assert session.stored()[3:] == ["cat", "dog", "cat", "dog"]


def test_backspace_takes_the_last_one_back(session):
    session.page.keyboard.press("Backspace")
    session.says("6 of 15 done")
    assert session.stored()[3:] == ["cat", "dog", "cat"]


def test_after_a_click_the_next_key_is_a_label_and_no_command_of_the_notebook(session):
    """In command mode `3` would turn the cell into a heading, and `d d` would delete it."""
    session.page.get_by_role("button", name="2 dog").click()
    session.says("7 of 15 done")
    session.page.wait_for_function(
        "() => document.activeElement.placeholder === 'click here, then press keys'", timeout=10_000
    )
    session.page.keyboard.press("3")
    session.says("8 of 15 done")
    assert session.stored()[-2:] == ["dog", "horse"]
    session.page.keyboard.type("dd")
    session.page.keyboard.press("2")
    session.says("9 of 15 done")
    assert session.page.locator(".jp-Notebook .jp-CodeCell").count() == len(CELLS)


def test_a_picture_of_the_item_is_shown_with_its_name(session):
    picture = session.page.locator(".jp-OutputArea-output img.widget-image")
    width = picture.evaluate("picture => picture.complete ? picture.naturalWidth : 0")
    assert width == 224


def test_it_goes_on_in_a_fresh_kernel_where_it_stopped(session):
    before = session.stored()
    page = session.page
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.locator('li[data-command="kernelmenu:restart-and-clear"]').click()
    page.locator(".jp-Dialog button.jp-mod-accept").click()
    page.wait_for_function("() => !document.querySelector('.jp-OutputArea-output')", timeout=60_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator('li[data-command="runmenu:run-all"]').click()
    session.says(f"{len(before)} of 15 done")
    assert session.stored() == before
    session.field.click()
    page.keyboard.press("End")
    page.keyboard.press("1")
    session.says(f"{len(before) + 1} of 15 done")
    assert session.stored() == [*before, "cat"]


def test_nothing_was_asked_of_another_machine(session):
    host = session.address.split("/")[2]
    local = (f"http://{host}/", f"ws://{host}/", "data:", "blob:")
    assert [address for address in session.requests if not address.startswith(local)] == []
