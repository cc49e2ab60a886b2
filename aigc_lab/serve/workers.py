"""The processes of a service: each listens by itself at the same port, and one that dies is started again."""

from __future__ import annotations

import socket
from collections.abc import Callable

from uvicorn.config import STARTUP_FAILURE, Config
from uvicorn.supervisors.multiprocess import Multiprocess, Process

_START_SECONDS = 120  # of a worker, on a busy machine


class Workers(Multiprocess):
    """uvicorn's supervisor, with a listening socket of its own for each worker (``SO_REUSEPORT``).

    With one socket for all, the worker that wakes first takes every connection that waits, and keeps it. Here
    the kernel spreads them. A socket dies with its worker: new connections go to the others at once, and
    whoever was connected, or waited to be, gets a connection error, not silence.

    Args:
        address: of ``reserve``.
        ready: called when all workers answer.
    """

    handle_hup = handle_ttin = handle_ttou = None  # those would share one socket

    def __init__(self, config: Config, address: tuple[str, int], ready: Callable[[], None]) -> None:
        super().__init__(config, sockets=[])
        self._address, self._ready = address, ready
        self.failed = False

    def init_processes(self) -> None:
        self.processes = [self._start() for _ in range(self.config.workers)]
        if all(process.wait_until_ready(_START_SECONDS) for process in self.processes):
            self._ready()
        else:
            self.failed = True
            self.should_exit.set()

    def keep_subprocess_alive(self) -> None:
        for place, process in enumerate(self.processes):
            if self.should_exit.is_set() or process.is_alive(self.config.timeout_worker_healthcheck):
                continue
            process.kill()
            process.join()
            if process.exitcode == STARTUP_FAILURE:  # it would fail again
                self.failed = True
                self.should_exit.set()
            else:
                self.processes[place] = self._start()

    def _start(self) -> Process:
        with _bound(self._address) as listening:
            process = Process(self.config, [listening])
            process.start()  # the child has it now; here it is closed, or it would outlive the child
        return process


def reserve(host: str, port: int) -> tuple[socket.socket, tuple[str, int]]:
    """A socket that holds a port for the workers without listening, and its address. Port 0: any free one.

    Raises:
        OSError: another program listens there, there is no such address, or the system cannot share a port.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise OSError("this system cannot share a port among workers; serve from Linux or from the container")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # Without SO_REUSEPORT first: a second service would otherwise take half of the first one's requests.
        with socket.create_server((host, port), family=family) as probe:
            address = probe.getsockname()[:2]
        return _bound(address), address
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        sentence = f"cannot listen at {host}, port {port} ({why}); choose another with --host and --port"
        raise OSError(sentence) from None


def _bound(address: tuple[str, int]) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind(address)
    return bound
