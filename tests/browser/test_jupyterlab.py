"""JupyterLab in a browser: open notebook 00, run all of it, move a slider, see the picture change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from lab_server import lab_server, open_and_run, open_notebook

from tools.lab import work_copy

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NOTEBOOK = "00_seven_stages.ipynb"
RUN_LIMIT = 600_000  # milliseconds for the whole notebook in the smoke profile, on a busy machine


def smoke_copy(source: Path, target: Path) -> nbformat.NotebookNode:
    """The notebook in its smallest profile and without outputs, so that what is seen was made here."""
    notebook = nbformat.read(source, as_version=4)
    parameters = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(parameters) == 1
    parameters[0].source, changed = re.subn(
        r"^profile = .*$", 'profile = "smoke"', parameters[0].source, flags=re.MULTILINE
    )
    assert changed == 1
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata.pop("widgets", None)
    nbformat.write(notebook, target)
    return notebook


@dataclass
class Lab:
    """A running JupyterLab: its address with token, its host, the notebook, how many cells it has to run."""

    address: str
    host: str
    file: Path
    cells: int


@pytest.fixture(scope="module")
def lab(root: Path, chromium, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on a copy of the notebook, with empty settings of its own and no network."""
    folder = tmp_path_factory.mktemp("lab")
    work = folder / "work"
    work.mkdir()
    notebook = smoke_copy(root / "notebooks" / NOTEBOOK, work / NOTEBOOK)
    cells = sum(cell.cell_type == "code" for cell in notebook.cells)
    with lab_server(folder, work) as address:
        yield Lab(address, address.split("/")[2], work / NOTEBOOK, cells)


# The picture as a fingerprint of its bytes: its address alone changes with every update, its content may not.
PICTURE = """async (picture) => {
  const bytes = await (await fetch(picture.src)).arrayBuffer();
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}"""


@pytest.fixture(scope="module")
def notebook_page(lab: Lab, chromium) -> Iterator:
    """Notebook 00, opened and run from top to bottom through the menu."""
    context = chromium.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    open_and_run(page, lab.address, NOTEBOOK, lab.cells, RUN_LIMIT)
    page.requests = requests
    yield page
    context.close()


def test_the_whole_notebook_runs_without_an_error(notebook_page, lab):
    """Saved, and read back from the file: the page shows an error and a line on stderr alike."""
    notebook_page.get_by_role("menuitem", name="File", exact=True).click()
    notebook_page.locator('li[data-command="docmanager:save"]').click()
    notebook_page.wait_for_function("() => !document.querySelector('.jp-mod-dirty')", timeout=20_000)
    cells = [cell for cell in nbformat.read(lab.file, as_version=4).cells if cell.cell_type == "code"]
    errors = [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    assert [f"{error.ename}: {error.evalue}" for error in errors] == []
    assert [cell.execution_count for cell in cells] == list(range(1, lab.cells + 1))


def test_the_latent_explorer_follows_its_slider(notebook_page):
    """The arrow keys move the slider, and the decoded picture is another one each time."""
    explorer = notebook_page.locator(".jp-OutputArea-output").filter(
        has=notebook_page.locator(".widget-slider", has_text=re.compile(r"^z\[\d+\]")),
    )
    explorer.scroll_into_view_if_needed()
    picture = explorer.locator("img.widget-image")
    slider = explorer.get_by_role("slider").first
    readout = explorer.locator(".widget-slider .widget-readout").first
    seen = [picture.evaluate(PICTURE)]
    values = [readout.inner_text()]
    for key in ("PageUp", "PageUp", "Home"):
        slider.focus()
        before = picture.get_attribute("src")
        slider.press(key)
        notebook_page.wait_for_function(
            "([picture, before]) => picture.src !== before && picture.complete",
            arg=[picture.element_handle(), before],
            timeout=10_000,
        )
        seen.append(picture.evaluate(PICTURE))
        values.append(readout.inner_text())
    assert len(set(values)) == len(values), values
    assert len(set(seen)) == len(seen), "the slider moved, and the picture stayed the same"


def test_nothing_was_asked_of_another_machine(notebook_page, lab):
    local = (f"http://{lab.host}/", f"ws://{lab.host}/", "data:", "blob:")
    assert [address for address in notebook_page.requests if not address.startswith(local)] == []


@pytest.mark.parametrize("solved", [False, True], ids=["student", "solved"])
def test_opening_a_copy_changes_nothing_and_asks_nothing(lab, chromium, root, solved):
    """No mark of a change that nobody made, and no pop-up (JupyterLab's own first start asks about news)."""
    copy, _ = work_copy(root / "notebooks" / NOTEBOOK, lab.file.parent / "work", solved)
    cells = sum(cell.cell_type == "code" for cell in nbformat.read(copy, as_version=4).cells)
    context = chromium.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    # A workspace of its own: nothing else is open in it.
    address = lab.address.replace("/lab?", f"/lab/workspaces/{copy.stem}?")
    open_notebook(page, address, f"work/{copy.name}", cells)
    page.wait_for_timeout(3_000)  # the pop-up and the mark, where there is one, come after the kernel
    assert page.locator(".jp-mod-dirty").count() == 0
    assert page.locator(".Toastify__toast, .jp-Dialog").all_inner_texts() == []
    # The mark that was not there is the right one: a new cell brings it.
    page.locator(".jp-Notebook .jp-RenderedMarkdown h1").first.click()
    page.keyboard.press("b")
    page.locator(".jp-mod-dirty").first.wait_for(timeout=10_000)
    context.close()
