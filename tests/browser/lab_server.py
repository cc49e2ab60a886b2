"""A JupyterLab for the tests: settings of its own, no network, and a notebook run from the menu."""

from __future__ import annotations

import os
import re
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tools import lab

ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/lab\?token=\w+")
SETTINGS = "jupyterlab_lab_settings"
LOADED = "count => document.querySelectorAll('.jp-Notebook .jp-CodeCell').length === count"
# No cell waits any more: all are done, or one failed and the rest was given up.
DONE = """() => {
  const prompts = [...document.querySelectorAll(".jp-Notebook .jp-CodeCell .jp-InputPrompt")];
  const texts = prompts.map((prompt) => prompt.textContent);
  return texts.some((text) => /^\\[\\d+\\]:$/.test(text)) && !texts.includes("[*]:");
}"""


@contextmanager
def lab_server(folder: Path, work: Path, language: str = "en") -> Iterator[str]:
    """A server on the folder ``work`` with its settings in ``folder``; gives its address with the token."""
    settings = folder / SETTINGS / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    # All cells stand in the page, also those out of sight: the tests count them.
    (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    environment |= {
        "HOME": str(folder),
        "IPYTHONDIR": str(folder / "ipython"),
        **lab.settings(language),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / SETTINGS),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "MPLCONFIGDIR": str(folder / "matplotlib"),
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", "--port=0"]
    command += ["--ServerApp.port_retries=0", "--allow-root", f"--ServerApp.root_dir={work}"]
    command += ["--LabApp.extension_manager=readonly"]
    server = subprocess.Popen(
        command, cwd=work, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    said: list[str] = []
    try:
        address = _wait_for_address(server, said)
        drain = threading.Thread(target=lambda: said.extend(server.stdout), daemon=True)
        drain.start()
        yield address
    finally:
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
                _wait_for_answer(found.group())
                return found.group()
    finally:
        stop.cancel()
    pytest.fail(f"JupyterLab did not start within a minute:\n{''.join(said)}", pytrace=False)


def _wait_for_answer(address: str) -> None:
    """The address is printed before the port answers; on a busy machine the browser can be quicker."""
    parts = urlsplit(address)
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection((parts.hostname, parts.port), timeout=5).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            select.select([], [], [], 0.1)


def open_notebook(page, address: str, notebook: str, cells: int) -> None:
    """Open a notebook and wait for all its code cells and for a kernel that listens."""
    page.goto(address.replace("?", f"/tree/{notebook}?", 1), timeout=60_000)
    page.wait_for_function(LOADED, arg=cells, timeout=60_000)
    page.locator("#jp-bottom-panel", has_text=re.compile(r"Python 3.*\| Idle")).wait_for(timeout=60_000)


def open_and_run(page, address: str, notebook: str, cells: int, limit: int) -> None:
    """Open a notebook and run all of it through the menu; ``limit`` in milliseconds."""
    open_notebook(page, address, notebook, cells)  # else "Run All" asks which kernel to take
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator('li[data-command="runmenu:run-all"]').click()
    page.wait_for_function(DONE, timeout=limit)
