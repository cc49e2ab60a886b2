"""What the tests of ``collect`` share: the mirror of real files, and a loopback server."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from aigc_lab.collect import download
from aigc_lab.collect.download import RemoteFile

CONTENT = bytes(range(256)) * 1200  # 307,200 bytes: several chunks


@pytest.fixture
def mirror(monkeypatch) -> Path:
    """The folder with the real files of the downloadable sets, set as ``AIGC_LAB_MIRROR``."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("AIGC_LAB_MIRROR") or beside)
    if not (folder / "MANIFEST.json").is_file():
        pytest.skip("the real files are not on this machine (set AIGC_LAB_MIRROR)")
    monkeypatch.setenv("AIGC_LAB_MIRROR", str(folder))
    return folder


@pytest.fixture
def cache(monkeypatch, tmp_path) -> Path:
    """An empty cache folder, no mirror, and no proxy between the test and its own server."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AIGC_LAB_MIRROR", raising=False)
    monkeypatch.setenv("AIGC_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "PAUSE", 0)
    return tmp_path / "cache"


class Server:
    """Serves CONTENT. ``plan`` says how each request is answered; the last entry is repeated.

    ``contents`` and ``faults`` are for many files: other bytes, and another entry, for an address that ends
    so. ``meet`` is a number of requests that wait for one another. ``most`` were answered at once.

    An entry is ``"whole"``, a number (drops the connection after so many bytes), ``"wrong"`` (other
    bytes), ``"endless"`` (a second copy behind the first), or a status code as text such as ``"404"``.
    """

    content = CONTENT

    def __init__(self) -> None:
        self.plan: list[str | int] = ["whole"]
        self.contents: dict[str, bytes] = {}
        self.faults: dict[str, str | int] = {}
        self.asked_for: list[str] = []
        self.meet: threading.Barrier | None = None
        self.most = self._now = self.requests = 0
        self._lock = threading.Lock()
        self.asked = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.root = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"{self.root}/cat.npy"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        name = handler.path.rpartition("/")[2]
        with self._lock:
            step = self.faults.get(name, self.plan[min(self.requests, len(self.plan) - 1)])
            self.requests += 1
            self.asked_for.append(name)
            self._now += 1
            self.most = max(self.most, self._now)
        self.asked.set()
        self.go_on.wait(30)
        if self.meet is not None:
            self.meet.wait(30)
        self._answer(handler, step, self.contents.get(name, CONTENT))

    def _answer(self, handler: BaseHTTPRequestHandler, step: str | int, content: bytes) -> None:
        with self._lock:
            self._now -= 1
        if isinstance(step, str) and step.isdigit():
            handler.send_error(int(step))
            return
        body = {"wrong": content[::-1], "endless": content * 2}.get(step, content)
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        with contextlib.suppress(ConnectionError):  # the client had enough
            handler.wfile.write(body[:step] if isinstance(step, int) else body)
        handler.close_connection = True

    def close(self) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server(cache):
    """A loopback server, and an empty cache."""
    running = Server()
    yield running
    running.close()


@pytest.fixture
def remote(server) -> RemoteFile:
    """A registry entry whose address is the loopback server."""
    return RemoteFile("sketches/cat.npy", len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), server.url)
