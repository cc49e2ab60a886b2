"""Chromium, and a page that writes down every request, every error and every console message."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import pytest

# Nothing but this machine has a name or an address in there: what a page asks of another host fails.
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def _cannot_run(reason: str) -> NoReturn:
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"{reason} (and CI is set, so that this is a failure)", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def cannot_run() -> Callable[[str], NoReturn]:
    """Skip on somebody's own machine; fail in CI, where what is missing would never be noticed."""
    return _cannot_run


@pytest.fixture(scope="session")
def chromium() -> Iterator:
    """A running Chromium of this machine."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        _cannot_run(f"no Chromium on the PATH (looked for {', '.join(names)})")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _cannot_run("playwright is not installed (it comes with the extra `test`)")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=list(CHROMIUM_ARGUMENTS))
        yield browser
        browser.close()


@dataclass
class Watched:
    """A page and what it did."""

    page: object
    requests: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def elsewhere(self, host: str) -> list[str]:
        """Requests to anything but ``host`` (``name:port``) and content carried in the address itself."""
        local = ("data", "blob", "about")
        parts = ((address, urlsplit(address)) for address in self.requests)
        return [address for address, part in parts if part.scheme not in local and part.netloc != host]


@pytest.fixture
def open_page(chromium) -> Iterator[Callable[..., Watched]]:
    """Open a fresh, watched page; arguments are those of a Playwright browser context."""
    contexts = []

    def open_one(**settings) -> Watched:
        context = chromium.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        watched = Watched(page)
        page.on("request", lambda request: watched.requests.append(request.url))
        page.on("websocket", lambda socket: watched.requests.append(socket.url))
        page.on("requestfailed", lambda request: watched.failures.append(f"{request.url}: {request.failure}"))
        page.on(
            "response",
            lambda got: watched.failures.append(f"{got.url}: {got.status}") if got.status >= 400 else None,
        )
        page.on("pageerror", lambda error: watched.errors.append(str(error)))
        page.on("console", lambda said: watched.errors.append(said.text) if said.type == "error" else None)
        return watched

    yield open_one
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the project."""
    return Path(__file__).resolve().parents[2]
