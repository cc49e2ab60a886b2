"""The processes of a service: each listens by itself at the same port, and one that dies is started again.

Not in ``__main__``: a process that is spawned does not import that one.
"""

from __future__ import annotations

import socket
import sys
from typing import Any

from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess

_START_SECONDS = 120  # of a worker, on a busy machine


class Workers(Multiprocess):
    """uvicorn's supervisor, which says that it is ready when all workers answer."""

    ready = ""

    def init_processes(self) -> None:
        super().init_processes()
        if all(process.wait_until_ready(_START_SECONDS) for process in self.processes):
            print(self.ready, file=sys.stderr, flush=True)
            self.ready = ""
        else:
            self.should_exit.set()

    def failed(self) -> bool:
        """Whether a worker did not start, at first or in the place of one that died."""
        return bool(self.ready) or any(each.exitcode == STARTUP_FAILURE for each in self.processes)


class OwnSocket:
    """What becomes a socket at this address in each worker that it is sent to, with ``SO_REUSEPORT``.

    With one socket for all, the worker that wakes first takes every connection that waits, and keeps it. Here
    the kernel spreads them. A socket dies with its worker: new connections go to the others at once, and
    whoever was connected, or waited to be, gets a connection error, not silence.
    """

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port

    def __reduce__(self) -> tuple[Any, ...]:
        return bound, self._address


def bound(host: str, port: int) -> socket.socket:
    """A socket at an address that others may share, which does not listen yet."""
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind((host, port))
    except BaseException:
        made.close()
        raise
    return made


def reserve(host: str, port: int) -> tuple[socket.socket, tuple[str, int]]:
    """A socket that holds a port for the workers without listening, and its address. Port 0: any free one.

    Raises:
        OSError: another program listens there, there is no such address, or the system cannot share a port.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise OSError("this system cannot share a port among workers; serve from Linux or from the container")
    try:
        if not 0 <= port <= 65535:
            raise OverflowError("ports go from 0 to 65535")
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # Without SO_REUSEPORT first: a second service would otherwise take half of the first one's requests.
        with socket.create_server((host, port), family=family) as probe:
            address = probe.getsockname()[:2]
        return bound(*address), address
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        sentence = f"cannot listen at {host}, port {port} ({why}); choose another with --host and --port"
        raise OSError(sentence) from None
