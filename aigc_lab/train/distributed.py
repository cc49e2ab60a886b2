"""Training on several machines: one worker process for each device, each with a share of every batch.

``run`` starts the workers that belong to this machine, watches them, and turns what ends them into one
sentence. Each worker (``aigc_lab.train.worker``) holds a copy of the model under TensorFlow's
``MultiWorkerMirroredStrategy``; the gradients are summed over the network at each step. The result is that
of ``train.fit`` with the same batch size, up to the rounding of sums in another order, and the checkpoints
are the same files. This module imports no TensorFlow. Introduced in notebook 12.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from aigc_lab.train.checks import checked_data

ROOT = Path(__file__).parents[2]
GRACE = 30  # seconds in which the others end by themselves after one worker has ended


class WorkerError(RuntimeError):
    """A worker ended before the training did; the message says which, and how to go on."""


@dataclass(frozen=True)
class Job:
    """What is trained, the same on every worker.

    Args:
        data: a name of ``collect.load`` (its training part is taken), or an ``.npz`` file with ``x`` and,
            where the model has classes, ``labels``.
        model: family and function in ``aigc_lab.models``; ``options`` are its arguments.
        steps, batch_size, learning_rate, seed, reports: as for ``train.fit``; ``batch_size`` is that of all
            workers together.
        items: how many items are taken from the data, 0 for all.
        checkpoint: a file on the machine of worker 0.
    """

    data: str
    model: str = "vae.convolutional_vae"
    options: dict[str, Any] = field(default_factory=dict)
    steps: int = 200
    batch_size: int = 64
    learning_rate: float = 3e-3
    seed: int = 0
    reports: int = 10
    items: int = 0
    checkpoint: str | None = None

    def arrays(self) -> list[np.ndarray]:
        """Pictures ``(n, height, width, channels)`` and, for a model with classes, labels ``(n,)``.

        Raises:
            ValueError: unknown data.
            OSError: a file that is not there.
        """
        from aigc_lab import collect

        if self.data.endswith(".npz"):
            if not Path(self.data).is_file():
                raise FileNotFoundError(2, f"there is no file {self.data}; every worker needs a copy of it")
            with np.load(self.data, allow_pickle=False) as stored:
                x, labels = stored["x"], stored["labels"] if "labels" in stored.files else None
        else:
            x, labels = collect.load(self.data).split(seed=0)[0].arrays()
        chosen = np.random.default_rng(self.seed).permutation(len(x))[: self.items or len(x)]
        return checked_data(x[chosen], labels[chosen] if self.options.get("class_count") else None)

    def build(self, x: np.ndarray) -> Any:
        """A new model for the pictures ``x``, with the weights that its seed gives."""
        family, _, name = self.model.partition(".")
        make = getattr(importlib.import_module(f"aigc_lab.models.{family}"), name)
        return make(tuple(x.shape[1:]), **{"seed": self.seed, **self.options})

    def digest(self, data: list[np.ndarray]) -> str:
        """Equal on workers that do the same: of settings, data and versions."""
        import keras
        import tensorflow as tf

        from aigc_lab.train.checkpoint import digest

        own = {name: value for name, value in asdict(self).items() if name not in ("checkpoint", "data")}
        words = json.dumps([own, digest(data), keras.__version__, tf.__version__], sort_keys=True)
        return hashlib.sha256(words.encode()).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """What a finished run gives.

    Args:
        table: the history, as that of ``train.fit``.
        variables: the values of ``model.variables`` after the last step; None where worker 0 ran elsewhere.
        seconds: from the start of the processes to the end.
    """

    table: Any
    variables: list[np.ndarray] | None
    seconds: float

    def into(self, model: Any) -> Any:
        """Give ``model``, built as the job says, the trained weights; it is returned."""
        if self.variables is None:
            raise ValueError("the weights are where worker 0 ran; read its checkpoint there")
        for variable, value in zip(model.variables, self.variables, strict=True):
            variable.assign(value)
        return model


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
        crew = _Crew(job, addresses, tasks, patience, gpu, Path(folder), say)
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


class _Crew:
    """The worker processes of this machine."""

    def __init__(self, job, addresses, tasks, patience, gpu, folder, say) -> None:
        self.job, self.addresses, self.tasks, self.patience = job, addresses, tasks, patience
        self.gpu, self.folder, self.say = gpu, folder, say
        self.processes: dict[int, subprocess.Popen] = {}
        self.events: queue.Queue[tuple[int, dict[str, Any] | None]] = queue.Queue()
        self.done = 0

    def start(self) -> None:
        environment = {
            **os.environ,
            "KERAS_BACKEND": "tensorflow",
            "CUDA_VISIBLE_DEVICES": self.gpu or "-1",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
        }
        environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        # Workers that all use all cores get into each other's way.
        threads = str(max(1, (os.cpu_count() or 1) // len(self.tasks)))
        environment.setdefault("TF_NUM_INTRAOP_THREADS", threads)
        environment.setdefault("OMP_NUM_THREADS", threads)
        for task in self.tasks:
            with open(self.folder / f"{task}.log", "wb") as log:
                self.processes[task] = process = subprocess.Popen(
                    [sys.executable, "-m", "aigc_lab.train.worker"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=environment,
                    text=True,
                )
            asked = {
                "job": asdict(self.job),
                "workers": self.addresses,
                "task": task,
                "patience": self.patience,
                "result": str(self.folder / "result.npz"),
            }
            with contextlib.suppress(BrokenPipeError):  # it was killed at once: seen below
                process.stdin.write(json.dumps(asked) + "\n")
                process.stdin.flush()
            threading.Thread(target=self._listen, args=(task, process), daemon=True).start()

    def _listen(self, task: int, process: subprocess.Popen) -> None:
        for line in process.stdout:
            with contextlib.suppress(ValueError):  # a line cut by a kill
                self.events.put((task, json.loads(line)))
        process.wait()
        self.events.put((task, None))

    def watch(self) -> list[dict[str, float]]:
        """The history's rows, when every worker of this machine has finished."""
        finished: dict[int, list[dict[str, float]]] = {}
        connecting: dict[int, float] = {}  # task: when its patience ends
        reporter = self.tasks[0]
        while len(finished) < len(self.tasks):
            wait = min(connecting.values(), default=None)
            try:
                task, event = self.events.get(
                    timeout=None if wait is None else max(0.0, wait - time.monotonic())
                )
            except queue.Empty:
                raise WorkerError(self._who_did_not_come()) from None
            if event is None:
                if task not in finished:
                    self._explain(task, self._last_words(task))
                continue
            kind = event["event"]
            if kind == "connecting":
                connecting[task] = time.monotonic() + self.patience
            elif kind == "connected":
                connecting.pop(task, None)
            elif kind == "finished":
                finished[task] = event["rows"]
            elif kind in ("error", "lost"):
                self._explain(task, event)
            elif task == reporter:
                self.done = event["done"]
                if self.say is not None and "loss" in event:
                    self.say(f"step {self.done}/{self.job.steps}, loss {event['loss']:.2f}")
        return finished[self.tasks[0]]

    def _explain(self, task: int, event: dict[str, Any]) -> None:
        """Wait shortly for what the others say, since the cause may be another one's; then raise it."""
        said = {task: event}
        end = time.monotonic() + GRACE
        # A worker that lost another one is no cause: the other is, if it is one of this machine's.
        while all(each["event"] == "lost" for each in said.values()) and len(said) < len(self.tasks):
            try:
                other, news = self.events.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                break
            if other in said:
                continue
            if news is None:
                said[other] = self._last_words(other)
            elif news["event"] in ("error", "lost"):
                said[other] = news
        task, event = min(said.items(), key=lambda each: (each[1]["event"] == "lost", each[0]))
        raise _as_exception(event, self._lost_sentence(task, event))

    def _last_words(self, task: int) -> dict[str, Any]:
        """What became of a worker that ended without a word."""
        code = self.processes[task].wait()
        if code < 0:
            number = -code
            with contextlib.suppress(ValueError):
                number = signal.Signals(-code).name
            return {"event": "killed", "by": str(number)}
        lines = (self.folder / f"{task}.log").read_text(errors="replace").strip().splitlines()
        return {"event": "ended", "by": f"exit status {code}: {lines[-1][:200] if lines else 'no output'}"}

    def _lost_sentence(self, task: int, event: dict[str, Any]) -> str:
        if event["event"] == "lost":
            gone = [each for each in event["tasks"] if each != task]
            names = ", ".join(f"worker {each} at {self.addresses[each]}" for each in gone) or "another worker"
            what = f"worker {task} stopped: {names} does not answer any more"
        elif event["event"] == "killed":
            what = f"worker {task} at {self.addresses[task]} was killed by {event['by']}"
        else:
            what = f"worker {task} at {self.addresses[task]} broke off ({event.get('by')})"
        return f"{what}, after step {self.done} of {self.job.steps}; {self._how_to_go_on()}"

    def _how_to_go_on(self) -> str:
        if self.job.checkpoint is None:
            return "no checkpoint was asked for, so the training begins anew"
        if 0 not in self.tasks:
            return f"worker 0 keeps {self.job.checkpoint}: start all workers again with the same arguments"
        from aigc_lab.train.checkpoint import steps_done

        stored = steps_done(Path(self.job.checkpoint))
        if not stored:
            return f"{self.job.checkpoint} was not written yet: start all workers again"
        return (
            f"{self.job.checkpoint} holds step {stored}: start all workers again with the same arguments, "
            "and they go on from there"
        )

    def _who_did_not_come(self) -> str:
        silent = [
            number
            for number, address in enumerate(self.addresses)
            if number not in self.tasks and not _answers(address)
        ]
        names = ", ".join(f"worker {each} at {self.addresses[each]}" for each in silent)
        if not names:
            return (
                f"the workers did not come together within {self.patience:g} s, though all ports answer: see "
                "that every machine was given the same --workers, and each another --task"
            )
        return (
            f"{names} did not come within {self.patience:g} s: start it there with the same arguments, and "
            "see that no firewall closes the port"
        )

    def end(self) -> None:
        """No worker outlives this call."""
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                # One that has finished may still be closing its connections.
                process.wait(timeout=5 if process.returncode is None and sys.exc_info()[0] is None else 0)
            if process.poll() is None:
                process.kill()
            process.wait()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()


def _as_exception(event: dict[str, Any], sentence: str) -> Exception:
    kinds = {each.__name__: each for each in (ValueError, FloatingPointError)}
    if event["event"] != "error":
        return WorkerError(sentence)
    if "Error" in event["kind"] and event["message"].startswith("[Errno"):
        number, _, words = event["message"].removeprefix("[Errno ").partition("] ")
        return OSError(int(number), words)
    return kinds.get(event["kind"], WorkerError)(event["message"])


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
    data = job.arrays()
    if len(data[0]) < job.batch_size:
        raise ValueError(f"there are {len(data[0])} items but the global batch is {job.batch_size}")
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


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError:
        return False
    return True
