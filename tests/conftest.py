"""What every test relies on: a quiet TensorFlow, the local mirror, and no network beyond this machine."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# All of this must be set before TensorFlow, Matplotlib or a kernel starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
# Kernels and subprocesses start in other folders, and must test this checkout.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
if "PYTEST_XDIST_WORKER" in os.environ:
    # Two workers with two threads each on two cores only get into each other's way.
    for name in (
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
    ):
        os.environ.setdefault(name, "1")
if "AIGC_LAB_MIRROR" not in os.environ and (ROOT.parent / "shared" / "data").is_dir():
    os.environ["AIGC_LAB_MIRROR"] = str(ROOT.parent / "shared" / "data")

LOOPBACK = ("127.", "::1", "localhost")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """For pytest-xdist's loadgroup: a file stays on one worker, a run of a notebook goes where there is room.

    All runs of all notebooks on one worker would take longer than everything else together.
    """
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        notebook = getattr(item, "callspec", None) and item.callspec.params.get("notebook")
        alone = isinstance(notebook, Path) and item.get_closest_marker("slow")
        item.add_marker(pytest.mark.xdist_group(item.name if alone else str(item.path)))


@pytest.fixture(autouse=True)
def only_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that would reach another machine fails at once, and says which."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(LOOPBACK):
            raise PermissionError(
                f"a test tried to reach {address[0]}:{address[1]}; tests stay on this machine"
            )
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
