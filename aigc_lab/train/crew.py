"""The worker processes of one machine: started, watched, and explained when one breaks off.

``train.distributed.run`` is what a caller uses. Introduced in notebook 12.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aigc_lab.backend import child_environment
from aigc_lab.train.job import WorkerError

GRACE = 10  # seconds in which the others end by themselves after one worker has ended


class Crew:
    """The worker processes of this machine."""

    def __init__(self, job, addresses, tasks, patience, gpu, folder, say) -> None:
        self.job, self.addresses, self.tasks, self.patience = job, addresses, tasks, patience
        self.gpu, self.folder, self.say = gpu, folder, say
        self.processes: dict[int, subprocess.Popen] = {}
        self.events: queue.Queue[tuple[int, dict[str, Any] | None]] = queue.Queue()
        self.done = 0

    def start(self) -> None:
        environment = child_environment(KERAS_BACKEND="tensorflow", CUDA_VISIBLE_DEVICES=self.gpu or "-1")
        environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        # Workers talk to each other directly: gRPC would ask a proxy, and reads this list in small letters.
        direct = {each.rpartition(":")[0].strip("[]") for each in self.addresses}
        known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
        environment["no_proxy"] = environment["no_grpc_proxy"] = ",".join(
            [*sorted(direct), *filter(None, known.split(","))]
        )
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


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError:
        return False
    return True
