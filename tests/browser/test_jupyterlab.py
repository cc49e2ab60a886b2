"""JupyterLab in a browser: open notebook 00, run all of it, move a slider, see the picture change."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NOTEBOOK = "00_seven_stages.ipynb"
RUN_LIMIT = 600_000  # milliseconds for the whole notebook in the smoke profile, on a busy machine
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/lab\?token=\w+")
SETTINGS = "jupyterlab_lab_settings"


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
    settings = folder / SETTINGS / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    # All cells stand in the page, also those out of sight: the test counts them.
    (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    environment |= {
        "HOME": str(folder),
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / SETTINGS),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "MPLCONFIGDIR": str(folder / "matplotlib"),
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", "--port=0"]
    command += ["--ServerApp.port_retries=0", "--allow-root", f"--ServerApp.root_dir={work}"]
    command += ["--LabApp.news_url=", "--LabApp.extension_manager=readonly"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    server = subprocess.Popen(
        command, cwd=work, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    said: list[str] = []
    address = _wait_for_address(server, said)
    drain = threading.Thread(target=lambda: said.extend(server.stdout), daemon=True)
    drain.start()
    cells = sum(cell.cell_type == "code" for cell in notebook.cells)
    yield Lab(address, address.split("/")[2], work / NOTEBOOK, cells)
    server.terminate()
    try:
        server.wait(timeout=20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    drain.join()


def _wait_for_address(server: subprocess.Popen, said: list[str]) -> str:
    """Read what the server says until it gives its address; end it after a minute without one."""
    stop = threading.Timer(60, server.kill)
    stop.start()
    try:
        for line in server.stdout:
            said.append(line)
            found = ADDRESS.search(line)
            if found:
                return found.group()
    finally:
        stop.cancel()
    pytest.fail(f"JupyterLab did not start within a minute:\n{''.join(said)}", pytrace=False)


LOADED = "count => document.querySelectorAll('.jp-Notebook .jp-CodeCell').length === count"
# No cell waits any more: all are done, or one failed and the rest was given up.
DONE = """() => {
  const prompts = [...document.querySelectorAll(".jp-Notebook .jp-CodeCell .jp-InputPrompt")];
  const texts = prompts.map((prompt) => prompt.textContent);
  return texts.some((text) => /^\\[\\d+\\]:$/.test(text)) && !texts.includes("[*]:");
}"""
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
    page.goto(lab.address.replace("/lab?", f"/lab/tree/{NOTEBOOK}?"), timeout=60_000)
    # Both must be there, or "Run All" asks which kernel to take: all cells, and a kernel that listens.
    page.wait_for_function(LOADED, arg=lab.cells, timeout=60_000)
    page.locator("#jp-bottom-panel", has_text=re.compile(r"Python 3.*\| Idle")).wait_for(timeout=60_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator('li[data-command="runmenu:run-all"]').click()
    page.wait_for_function(DONE, timeout=RUN_LIMIT)
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
