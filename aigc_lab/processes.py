"""Work on several processes: a Dask client on this machine, or on a running scheduler."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE = 10  # seconds in which a scheduler must answer
# One thread a worker, because the networks are small. Most runs are then repeated to the last bit, not
# all: a convolution may add up in another order, and training amplifies the difference.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


def child_environment(**changes: str) -> dict[str, str]:
    """The environment of this process for a child that starts anywhere and finds the same ``aigc_lab``."""
    here = str(Path(__file__).parents[1])
    path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, **changes}


@contextmanager
def dask_client(caller: str, workers: int, scheduler: str | None, **local: Any) -> Iterator[Any]:
    """A Dask client: of the scheduler at an address, or of ``workers`` processes that end with the block.

    Args:
        caller: the function that a script calls, for the message.
        local: more settings of ``distributed.LocalCluster``.

    Raises:
        RuntimeError: a worker that was just started imports the script that started it.
        OSError: no scheduler answers at the address.
    """
    # A worker that imports an unguarded script would start workers of its own, and those theirs.
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise RuntimeError(f'call {caller} below `if __name__ == "__main__":` in a script')
    from distributed import Client, LocalCluster

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=PATIENCE, set_as_default=False)
        except OSError as error:
            raise OSError(f"no Dask scheduler answers at {scheduler}; start it, or leave it out") from error
        with client:
            yield client
        return
    local = {"host": "127.0.0.1", "dashboard_address": None, "silence_logs": 50} | local
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, **local) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client
