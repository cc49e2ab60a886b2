"""Training on several machines: one worker process for each device, each with a share of every batch.

``run`` starts the workers that belong to this machine, watches them, and turns what ends them into one
sentence. Each worker (``aigc_lab.train.worker``) holds a copy of the model under TensorFlow's
``MultiWorkerMirroredStrategy``; the gradients are summed over the network at each step. The result is that
of ``train.fit`` with the same batch size, up to the rounding of sums in another order, and the checkpoints
are the same files. This module imports no TensorFlow. Introduced in notebook 12.
"""

from __future__ import annotations

import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from aigc_lab.train.checkpoint import ready
from aigc_lab.train.crew import Crew
from aigc_lab.train.job import Job, Outcome, WorkerError

__all__ = ["Job", "Outcome", "WorkerError", "run"]


def run(
    job: Job,
    workers: int | Sequence[str] = 2,
    tasks: Sequence[int] | None = None,
    *,
    patience: float = 60.0,
    gpu: str = "",
    say: Callable[[str], None] | None = None,
    on_start: Callable[[list[int]], None] | None = None,
) -> Outcome:
    """Train on several workers, and return when all of this machine's have ended.

    Args:
        workers: how many on this machine, or the address ``host:port`` of each, the same list everywhere.
        tasks: which of the addresses this process starts; None: all of them.
        patience: seconds to wait for a worker that does not come, or for a step that does not end.
        gpu: the number of the GPU that this machine's worker uses; without it the CPU.
        say: called with a line of progress.
        on_start: called with the process numbers of the workers started here.

    Raises:
        ValueError: a batch that cannot be shared out evenly, unknown data or model, bad addresses.
        OSError: a port that is in use; a checkpoint that cannot be written.
        WorkerError: a worker was killed, did not come, or broke off.
        FloatingPointError: the loss became NaN or infinite.
    """
    addresses, tasks, held = _checked(job, workers, tasks)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        crew = Crew(job, addresses, tasks, patience, gpu, Path(folder), say)
        try:
            crew.start()
            if on_start is not None:
                on_start([each.pid for each in crew.processes.values()])
            rows = crew.watch()
        finally:
            crew.end()
            for each in held:
                each.close()
        result = Path(folder) / "result.npz"
        variables = None
        if result.exists():
            with np.load(result, allow_pickle=False) as stored:
                variables = [stored[f"arr_{number}"] for number in range(len(stored.files))]
    import pandas as pd

    return Outcome(pd.DataFrame(rows), variables, time.perf_counter() - begun)


def _checked(
    job: Job, workers: int | Sequence[str], tasks: Sequence[int] | None
) -> tuple[list[str], list[int], list[socket.socket]]:
    """Addresses, tasks, and the sockets that keep the ports until the workers take them."""
    count = workers if isinstance(workers, int) else len(workers)
    if count < 1:
        raise ValueError("there must be at least one worker")
    if job.batch_size % count or job.batch_size < count:
        near = max(count, round(job.batch_size / count) * count)
        raise ValueError(
            f"a global batch of {job.batch_size} cannot be shared out evenly among {count} workers; "
            f"take {near}"
        )
    tasks = list(range(count)) if tasks is None else list(tasks)
    if not tasks or min(tasks) < 0 or max(tasks) >= count:
        raise ValueError(f"tasks are numbered from 0 to {count - 1}, as the addresses are, got {tasks}")
    job.maker()
    data = job.arrays()
    if len(data[0]) < job.batch_size:
        raise ValueError(f"there are {len(data[0])} items but the global batch is {job.batch_size}")
    if job.checkpoint and 0 in tasks:
        ready(Path(job.checkpoint), [])
    if isinstance(workers, int):
        held = [_hold(0) for _ in range(count)]
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in held], tasks, held
    for address in workers:
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError(f"an address is host:port, such as 10.0.0.1:2222, got {address!r}")
    if len(set(workers)) < count:
        raise ValueError("two workers have the same address; give each a port of its own")
    return list(workers), tasks, [_hold(int(workers[each].rpartition(":")[2])) for each in tasks]


def _hold(port: int) -> socket.socket:
    """A socket that keeps a port (0: a free one) from other programs, and lets the worker listen there."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind(("", port))
    except OSError as error:
        held.close()
        raise OSError(
            error.errno, f"port {port} of this machine is in use ({error.strerror}); name another one"
        ) from error
    return held
