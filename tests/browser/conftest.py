"""Chromium, and a page that writes down every request, every error and every console message."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import pytest

from book import build, demo_page
from book.page_models import table
from book.vendor import FetchError

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


@pytest.fixture(scope="session")
def site(root: Path, cannot_run: Callable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built from what is in the checkout; npm packages are kept where `make book` keeps them."""
    try:
        return build.build(tmp_path_factory.mktemp("book"), root / "book" / "_build" / "cache").parent
    except FetchError as reason:
        cannot_run(str(reason))


@pytest.fixture(scope="session")
def served(site: Path) -> Iterator[str]:
    """The site on a loopback server; gives ``host:port``."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *message: object) -> None:
            """Nothing: pytest shows what matters."""

    handler = functools.partial(Quiet, directory=str(site))
    with _running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)) as host:
        yield host


@pytest.fixture(scope="session")
def bare_pages(request: pytest.FixtureRequest, cannot_run: Callable) -> Iterator[str]:
    """Bare pages with one demonstration each, which need no built site; gives ``host:port``."""
    if os.environ.get("CI"):  # where the site is built anyway, and exports the models beside Jupyter Book
        request.getfixturevalue("site")
    try:
        server = demo_page.serve()
    except FetchError as reason:
        cannot_run(str(reason))
    for name in table.table():  # now, so that no page waits for an export
        table.made(name, demo_page.CACHE)
    with _running(server) as host:
        yield host


@contextmanager
def _running(server: http.server.ThreadingHTTPServer) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def demo(open_page: Callable[..., Watched], bare_pages: str) -> Callable[..., Watched]:
    """Open the bare page of a demonstration and start it; gives the page when its first picture is there.

    Arguments after the name are those of a browser context. Afterwards ``watched.elsewhere(host)`` and
    ``watched.errors`` say what it did; ``page.locator(".lab-demo-root")`` is what the module filled.
    """

    def start(name: str, **settings) -> Watched:
        watched = open_page(**settings)
        watched.page.goto(f"http://{bare_pages}/{name}.html")
        watched.page.locator(".lab-demo-button").click()
        watched.page.locator(".lab-demo-started").wait_for(timeout=30_000)
        return watched

    return start
