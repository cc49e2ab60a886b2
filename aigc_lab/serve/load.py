"""``python -m aigc_lab.serve.load``: how fast a service answers under a load that does not wait for it.

*Open loop*: requests come at a constant rate, whether or not earlier ones are answered, as those of many
users do; each latency counts from the moment the request was due, also while it waited for a free connection.
A tool that asks again only after an answer (closed loop) slows down with the service and hides the waiting:
"coordinated omission" (Tene 2013, "How NOT to measure latency"). Without a rate this tool is one of those,
and tells how much a service can do. Run it in a process of its own. Introduced in notebook 19.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from uvicorn.loops.auto import auto_loop_factory

_PATIENCE = 2.0  # seconds for the last answers


@dataclass
class Result:
    """What came back. ``latencies`` in seconds, of the answers with status 200 only."""

    offered: int = 0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    retried: int = 0  # sent again, because the connection broke
    unanswered: int = 0  # due, and no answer when the tool ended
    seconds: float = 0.0  # from the first request to the last answer

    def row(self) -> dict[str, float]:
        """The table of a load: rates a second, latencies in milliseconds, errors by kind."""
        waits = 1000 * np.array(self.latencies or [np.nan])
        told = {f"p{share}": round(float(np.percentile(waits, share)), 2) for share in (50, 95, 99)}
        return {
            "offered": self.offered,
            "answered": self.statuses.total(),
            "served": self.statuses[200],
            "served_a_second": round(self.statuses[200] / self.seconds, 1),
            **told,
            "refused": self.statuses[503],
            "other": self.statuses.total() - self.statuses[200] - self.statuses[503],
            "retried": self.retried,
            "unanswered": self.unanswered,
            "seconds": round(self.seconds, 2),
        }


class _Connection(asyncio.Protocol):
    """One connection that is kept; at most one request is on its way."""

    def __init__(self, answered: Callable[[_Connection, int], None]) -> None:
        self._answered = answered  # called with the status, or 0 when the connection broke
        self._seen = bytearray()
        self.item: tuple[int, float] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._seen += data
        head, found, body = self._seen.partition(b"\r\n\r\n")
        if found:
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            if len(body) >= length:
                self._seen.clear()
                self._answered(self, int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._answered(self, 0)


class Load:
    """Asks a service on this machine ``POST /generate``.

    Args:
        rate: requests a second that become due, evenly; None asks as fast as the answers come.
        connections: kept open; a request that finds none free waits in the tool, and its wait counts.
        body: of the request of a number. A request whose connection breaks is sent again: equal seeds
            give equal images, so that nothing is done twice that matters.
    """

    def __init__(
        self, port: int, rate: float | None, connections: int, body: Callable[[int], bytes], key: str = ""
    ) -> None:
        self.port, self.rate, self.connections, self.body = port, rate, connections, body
        authorisation = f"Authorization: Bearer {key}\r\n" if key else ""
        self._head = f"POST /generate HTTP/1.1\r\nHost: localhost\r\n{authorisation}Content-Length: "
        self.result = Result()
        self._due: deque[tuple[int, float]] = deque()  # number, when due
        self._free: deque[_Connection] = deque()
        self._outstanding = 0
        self._reconnecting: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._begun = self._ends = 0.0
        self._over = False

    async def run(self, seconds: float) -> Result:
        """Ask for so long, and wait until all is answered, or as long again (at least two seconds).

        Raises:
            OSError: nothing listens at the port.
        """
        await asyncio.gather(*(self._connect() for _ in range(self.connections)))
        self._begun = time.perf_counter()
        self._ends = self._begun + seconds
        if self.rate is None:
            for number in range(self.connections):
                self._ask(number, self._begun)
        else:
            for number in range(int(self.rate * seconds)):
                when = self._begun + number / self.rate
                if (early := when - time.perf_counter()) > 0:
                    await asyncio.sleep(early)
                self._ask(number, when)
            self._ends = time.perf_counter()
        patience = max(0.0, self._ends - time.perf_counter()) + max(seconds, _PATIENCE)
        with contextlib.suppress(TimeoutError):
            if self._outstanding:
                await asyncio.wait_for(self._idle.wait(), patience)
        self._over = True
        self.result.unanswered = self._outstanding
        for line in self._free:
            line.transport.close()
        return self.result

    async def _connect(self) -> None:
        _, line = await asyncio.get_running_loop().create_connection(
            lambda: _Connection(self._answered), "127.0.0.1", self.port
        )
        self._free.append(line)
        self._send()

    def _ask(self, number: int, when: float) -> None:
        self.result.offered += 1
        self._outstanding += 1
        self._due.append((number, when))
        self._send()

    def _send(self) -> None:
        while self._due and self._free:
            line = self._free.popleft()
            line.item = self._due.popleft()
            content = self.body(line.item[0])
            line.transport.write(f"{self._head}{len(content)}\r\n\r\n".encode() + content)

    def _answered(self, line: _Connection, status: int) -> None:
        """An answer has come, or (status 0) the connection is broken."""
        if self._over:
            return
        item, line.item = line.item, None
        if status:
            self._free.append(line)
            self._count(*item, status)
        else:
            if line in self._free:
                self._free.remove(line)
            if item is not None:
                self.result.retried += 1
                self._due.appendleft(item)
            task = asyncio.get_running_loop().create_task(self._connect())
            self._reconnecting.add(task)
            task.add_done_callback(self._reconnecting.discard)
        self._send()
        if not self._outstanding and time.perf_counter() >= self._ends:
            self._idle.set()

    def _count(self, number: int, when: float, status: int) -> None:
        now = time.perf_counter()
        self._outstanding -= 1
        self.result.statuses[status] += 1
        self.result.seconds = now - self._begun
        if status == 200:
            self.result.latencies.append(now - when)
        if self.rate is None and now < self._ends:
            self._ask(number + self.connections, now)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the row of one load as JSON; 2: nothing listens."""
    parser = argparse.ArgumentParser(
        prog="python -m aigc_lab.serve.load", description=__doc__.splitlines()[0]
    )
    parser.add_argument("port", type=int, help="of a service on this machine")
    parser.add_argument("--rate", type=float, help="requests a second; without it: as fast as answers come")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--count", type=int, default=1, help="images a request")
    parser.add_argument("--label", help="the class, by name")
    parser.add_argument("--latencies", action="store_true", help="add them all, in milliseconds")
    chosen = parser.parse_args(arguments)

    def body(number: int) -> bytes:
        return json.dumps({"seed": number, "count": chosen.count, "label": chosen.label}).encode()

    async def ask() -> Result:
        key = os.environ.get("AIGC_LAB_KEY", "")
        return await Load(chosen.port, chosen.rate, chosen.connections, body, key).run(chosen.seconds)

    try:
        with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:  # uvloop, where there is one
            result = runner.run(ask())
    except OSError as error:
        print(f"nothing listens at port {chosen.port} of this machine ({error})", file=sys.stderr)
        return 2
    more = {"latencies": [round(1000 * each, 3) for each in result.latencies]} if chosen.latencies else {}
    print(json.dumps(result.row() | more))
    return 0


if __name__ == "__main__":
    sys.exit(main())
