"""What stands before the application: who may ask, how slowly, and one line in the log for each answer."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hmac
import json
import os
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from starlette.responses import JSONResponse, Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from aigc_lab.serve.batching import Batcher

Message = MutableMapping[str, Any]
GENERATE = "/generate"
OPEN = ("/healthz", "/readyz")  # an orchestrator asks these without a key
HEAD_SECONDS = 10  # for a client to send the head of a request
REST_SECONDS = 1  # for the body of a request that is refused
HEAD_BYTES = 2**20
_BETWEEN_WRITES = 0.1  # seconds
_LINES_WAITING = 20_000
_WHOLE = 4096  # bytes that a pipe takes in one piece, so that lines of several workers never mix

FULL = "too many images wait already; come again in a second"
_FULL = JSONResponse({"detail": FULL}, 503, {"Retry-After": "1"})
_NO_KEY = JSONResponse(
    {"detail": "this service needs its key: send it as Authorization: Bearer KEY"},
    401,
    {"WWW-Authenticate": 'Basic realm="AIGC Lab"'},
)

ANSWERS = Counter("aigc_answers", "Answers", ["path", "status"])
SECONDS = Histogram(
    "aigc_generate_seconds", "From the request to its answer",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.5, 1, 2, 5, 10),
)  # fmt: skip
IMAGES = Counter("aigc_images", "Images drawn", ["version"])
BATCH = Histogram("aigc_batch_images", "Images drawn in one run", buckets=(1, 2, 4, 8, 16, 32, 64, 128))
WAITING = Gauge("aigc_images_waiting", "Images that wait, all workers", multiprocess_mode="livesum")
LINES_LOST = Counter("aigc_log_lines_lost", "Lines of the log that could not be written")
ALARM = Gauge("aigc_monitor_alarm", "1: a monitor has alarmed", ["version"], multiprocess_mode="livemax")


def metrics() -> bytes:
    """The metrics of all workers together, for Prometheus; of those that ended, what they had counted."""
    folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    for path in folder.glob("gauge_live*.db"):
        pid = path.stem.rsplit("_", 1)[1]
        if not Path(f"/proc/{pid}").exists() and Path("/proc").exists():
            multiprocess.mark_process_dead(int(pid))
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return generate_latest(registry)


class Log:
    """One JSON line for each answer, written by a thread of its own every tenth of a second.

    A full disk or a reader that has stopped never stops the service: lines that cannot be written, or for
    which no room is left, are counted in ``aigc_log_lines_lost_total``.

    Args:
        descriptor: an open file; appended to, whole lines at a time, so that several workers may share it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: list[str] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def line(self, told: dict[str, Any]) -> None:
        if len(self._lines) < _LINES_WAITING:
            self._lines.append(json.dumps(told))
        else:
            LINES_LOST.inc()

    def close(self) -> None:
        """Write what waits; a reader that takes nothing for a second is not waited for."""
        self._ended.set()
        self._thread.join(1)

    def _write(self) -> None:
        ended = False
        while not ended:
            ended = self._ended.wait(_BETWEEN_WRITES)
            lines, self._lines = self._lines, []
            pieces = [""]
            for line in lines:
                if len(pieces[-1]) + len(line) >= _WHOLE:
                    pieces.append("")
                pieces[-1] += line + "\n"
            for piece in filter(None, pieces):
                try:
                    if os.write(self._descriptor, piece.encode()) < len(piece):
                        raise OSError("written in part")
                except OSError:
                    LINES_LOST.inc(piece.count("\n"))


class Front:
    """ASGI middleware: the key, and each request's number, line in the log and place in the metrics."""

    def __init__(
        self, app: Callable[..., Awaitable[None]], key: str | None, log: Log, batcher: Batcher
    ) -> None:
        self._app, self._key, self._log, self._batcher = app, key, log, batcher
        self._number = 0

    async def __call__(self, scope: Message, receive: Callable, send: Callable) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500
        self._number += 1
        name = f"{os.getpid()}-{self._number}"
        told = scope["told"] = {}  # what the application adds to the line

        async def send_with_name(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", name.encode())]
            await send(message)

        try:
            if self._key and scope["path"] not in OPEN and not allowed(scope, self._key):
                await _refuse(scope, receive, send_with_name, _NO_KEY)
            elif scope["path"] == GENERATE and self._batcher.waiting >= self._batcher.queue:
                # Before the body is looked at: where too much is asked, a refusal must cost next to nothing.
                await _refuse(scope, receive, send_with_name, _FULL)
            else:
                await self._app(scope, receive, send_with_name)
        finally:
            spent = time.perf_counter() - begun
            route = GENERATE if scope["path"] == GENERATE else getattr(scope.get("route"), "path", "other")
            ANSWERS.labels(route, status).inc()  # a path that a client made up is no label
            if route == GENERATE:
                SECONDS.observe(spent)
            line = {"time": round(time.time(), 3), "id": name, "method": scope["method"]}
            line |= {"path": scope["path"][:200], "status": status, "ms": round(1000 * spent, 2)}
            self._log.line(line | told)


def allowed(scope: Message, key: str, basic: bool = True) -> bool:
    """Does a request bring the key? As ``Authorization: Bearer KEY``, or as a browser's password (Basic)."""
    given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    kind, _, word = given.partition(b" ")
    if kind.lower() == b"basic" and basic:
        try:
            word = base64.b64decode(word).partition(b":")[2]
        except binascii.Error:
            return False
    elif kind.lower() != b"bearer":
        return False
    return hmac.compare_digest(word, key.encode())


async def _refuse(scope: Message, receive: Callable, send: Callable, answer: Response) -> None:
    # Whoever closes while the rest of a body is on its way resets the connection, and the answer is lost.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(REST_SECONDS):
            while (await receive()).get("more_body"):
                pass
    await answer(scope, receive, send)


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP, with an end to its patience: a head that takes too long or grows too large ends it."""

    _late: asyncio.TimerHandle | None = None
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._begin_head()

    def data_received(self, data: bytes) -> None:
        if self._late is None and (self.cycle is None or self.cycle.response_complete):
            self._begin_head()
        if self._late is not None:
            self._head += len(data)
            if self._head > HEAD_BYTES:
                self.transport.close()
                return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self._end_head()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        super().connection_lost(exc)

    def _begin_head(self) -> None:
        self._head = 0
        self._late = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _end_head(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
