"""Record a run on the GPU of this machine, beside its CPU: the numbers that notebook 12 shows as recorded.

    python scripts/gpu_record.py                      # or: make gpu-record
    python scripts/gpu_record.py --backend jax        # tensorflow, jax or torch; KERAS_BACKEND otherwise
    python scripts/gpu_record.py --output FILE        # not the project's own record
    python scripts/gpu_record.py --minutes 20         # longer rounds; about 8 minutes if nothing is said

A VAE, a GAN and a Transformer (``aigc_lab/train/yardstick.py``) at the size of the labs and at a larger one,
in float32 on the CPU, and in float32, bfloat16 and float16 on the GPU. Each of these runs in a process of its
own, on the same steps; their rounds take turns, and only one computes at a time. Measured are steps a second,
what the first step costs beyond that, peak memory, and, at the size of the labs, the seconds until a held-out
score that was stated before (``scripts/gpu_work.py``), for three seeds.

The record is written when all is measured, whole or not at all: interrupted or failing, the old one stays.
Without a GPU that the backend can use, one sentence says why, the exit status is 2, and nothing is written.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aigc_lab
from aigc_lab.backend import child_environment
from aigc_lab.collect.atomic import atomic_write
from aigc_lab.train import machine, recorded, yardstick

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "aigc_lab" / "train" / "stored" / recorded.FILE_NAME
ROUNDS, SEEDS = 5, 3
# Each backend reads its own variable; a process that is told none of them takes the GPU.
HIDE_GPU = {
    "CUDA_VISIBLE_DEVICES": "-1",
    "HIP_VISIBLE_DEVICES": "-1",
    "JAX_PLATFORMS": "cpu",
    "KERAS_TORCH_DEVICE": "cpu",
}
# Several processes share the GPU here: each takes what it needs, not all there is.
SHARE_GPU = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}


# What a result holds of a process that failed before it could say.
EMPTY = {"parameters": 0, "batch_size": 0, "unit": "", "units_per_step": 0, "score": ""} | dict.fromkeys(
    ("start_seconds", "target", "device_peak_bytes", "host_peak_bytes", "failure")
)


class Refused(Exception):
    """What cannot be measured here, in one sentence; ``status`` is the exit status."""

    def __init__(self, sentence: str, status: int = 1) -> None:
        super().__init__(sentence)
        self.status = status


class Worker:
    """A process of ``scripts/gpu_work.py``. After a failure it is gone, and ``failure`` says why."""

    def __init__(self, what: dict[str, Any], side: str, backend: str, hidden: bool) -> None:
        self.side, self.precision, self.ready, self.failure = side, what["precision"], {}, None
        environment = child_environment(KERAS_BACKEND=backend, TF_CPP_MIN_LOG_LEVEL="3")
        environment |= HIDE_GPU if hidden else SHARE_GPU
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "scripts.gpu_work"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            encoding="utf-8",
        )
        self._send(what)

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        """Give an order and wait for its answer; empty after a failure."""
        if self.failure is None:
            self._send({"do": do, **more})
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """The next answer; empty after a failure."""
        if self.failure is not None:
            return {}
        line = self._process.stdout.readline()
        content = json.loads(line) if line else {"failure": self._last_words()}
        self.failure = content.pop("failure", None)
        return content

    def end(self) -> None:
        """End the process, in the middle of its work too."""
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        with contextlib.suppress(OSError):  # what it did not read
            self._process.stdin.close()
        self._errors.close()

    def _send(self, order: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # it has ended: its answer will say so
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()

    def _last_words(self) -> str:
        status = self._process.wait()
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors if line.strip()]
        return f"the process ended with status {status}: {lines[-1][:300] if lines else 'without a word'}"


@contextlib.contextmanager
def workers(name: str, size: str, backend: str, trial: bool, seconds: float) -> Iterator[list[Worker]]:
    """The CPU in float32 first, then the accelerator in each precision; started together, ended surely."""
    wanted = [("cpu", "float32"), *(("accelerator", each) for each in yardstick.PRECISIONS)]
    running: list[Worker] = []
    try:
        for side, precision in wanted:
            what = {"subject": name, "size": size, "precision": precision, "seconds": seconds}
            running.append(Worker(what, side, backend, hidden=trial or side == "cpu"))
        for worker in running:
            worker.ready = worker.answer()
        yield running
    finally:
        for worker in running:
            worker.end()


def measure(
    name: str, size: str, backend: str, trial: bool, seconds: float, seeds: int
) -> tuple[list[dict[str, Any]], str | None]:
    """The results of one training at one size, one for each process, and what a float32 product is there."""
    with workers(name, size, backend, trial, seconds) as running:
        results = []
        for worker in running:
            said = {"side": worker.side, "precision": worker.precision, **worker.ask("start")}
            there = said.pop("computes_on", None)
            if there not in (None, "cpu" if trial else worker.side):
                raise Refused(
                    f"{name} was to be computed on the {worker.side} and its weights lie on the {there}"
                )
            lists = {field: [] for field in ("steps_per_second", "seconds_to_target", "final_scores")}
            results.append({**EMPTY, "subject": name, "size": size, **said, **lists})
        for _ in range(ROUNDS):
            for worker, result in zip(running, results, strict=True):
                result["steps_per_second"] += worker.ask("round").values()
        for worker, result in zip(running, results, strict=True):
            result |= worker.ask("memory")
        for seed in range(seeds if results[0]["target"] is not None else 0):
            for worker, result in zip(running, results, strict=True):
                said = worker.ask("score", seed=seed)
                if said:
                    result["seconds_to_target"].append(said["seconds_to_target"])
                    result["final_scores"].append(said["final_score"])
        for worker, result in zip(running, results, strict=True):
            result["failure"] = worker.failure
        return results, running[1].ready.get("products_in_float32")


def missing(results: list[dict[str, Any]]) -> str | None:
    """What failed without which nothing can be compared: the CPU, or float32 on the other side."""
    for result in results:
        if result["failure"] and result["precision"] == "float32":
            where = f"{result['subject']}, {result['size']}, on the {result['side']}"
            return f"{where}: {result['failure']}"
    return None


def everything(
    chosen: argparse.Namespace, backend: str
) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
    """All results, the settings, and what is to be noted: first the size of the labs, then the larger one."""
    sizes = ("tiny",) if chosen.tiny else ("notebook", "large")
    trial, begun, notes, results = chosen.against == "cpu", time.monotonic(), [], []
    seeds = 1 if chosen.tiny else SEEDS
    # A quarter of the time for rounds, warm-up included; the rest starts processes, compiles and trains.
    names = [chosen.only] if chosen.only else yardstick.SUBJECTS
    processes = len(sizes) * len(names) * (1 + len(yardstick.PRECISIONS))
    seconds = min(5.0, 0.25 * 60 * chosen.minutes / processes / (ROUNDS + 2))
    for size in sizes:
        for name in names:
            if size == "large" and time.monotonic() - begun > 60 * chosen.minutes:
                notes.append(f"{name}, {size}: left out, the {chosen.minutes:g} minutes were over")
                continue
            found, products = measure(name, size, backend, trial, seconds, seeds)
            failed = missing(found)
            if failed and size == "large":
                notes.append(f"left out, {failed}")
                continue
            if failed:
                raise Refused(f"nothing was recorded: {failed}")
            results += found
            for result in found:
                print(
                    f"{name}, {size}, {result['side']}, {result['precision']}: {in_words(result)}", flush=True
                )
    settings = {"rounds": ROUNDS, "seeds": seeds, "minutes": chosen.minutes, "products_in_float32": products}
    return results, settings, notes


def in_words(result: dict[str, Any]) -> str:
    if result["failure"]:
        return f"failed, {result['failure']}"
    speeds = sorted(result["steps_per_second"])
    return f"{speeds[len(speeds) // 2]:.3g} steps a second [{speeds[0]:.3g}, {speeds[-1]:.3g}]"


def about_device(found: machine.Machine, backend: str) -> dict[str, Any]:
    """The GPU that the backend takes first, its driver, and CUDA and cuDNN as built for and as found."""
    of_backend = found.backends[backend]
    name = of_backend["gpus"][0]
    card = next((each for each in found.gpus if each.name == name), None)
    return {
        "name": name,
        "count": len(of_backend["gpus"]),
        "memory_bytes": card.memory if card else None,
        "driver": card.driver if card else None,
        "driver_cuda": found.driver_cuda,
        "cuda_and_cudnn_built_for": list(of_backend["built_for"]),
        "cuda_and_cudnn_found": list(of_backend["found"]),
    }


def versions(backend: str) -> dict[str, str]:
    names = {"tensorflow": ["tensorflow"], "jax": ["jax", "jaxlib"], "torch": ["torch"]}[backend]
    found = {name: importlib.metadata.version(name) for name in ("keras", "numpy", *names)}
    return {"python": platform.python_version(), "aigc_lab": aigc_lab.__version__, **found}


def commit() -> str | None:
    """The commit of this checkout, with ``-changed`` if a file of it was edited since; None outside git."""

    def said(*command: str) -> str:
        done = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        edited = said("status", "--porcelain", "--untracked-files=no")
        return said("rev-parse", "HEAD") + ("-changed" if edited else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="gpu_record.py", description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("--backend", choices=list(machine.NAMES), help="KERAS_BACKEND if not given")
    parser.add_argument("--output", type=Path, help="another file than the project's own record")
    parser.add_argument("--minutes", type=float, default=8.0, help="about how long it may take")
    # For the tests: the same measurement with a CPU on both sides, at sizes that take seconds.
    parser.add_argument("--against", choices=["gpu", "cpu"], default="gpu", help=argparse.SUPPRESS)
    parser.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=yardstick.SUBJECTS, help=argparse.SUPPRESS)
    chosen = parser.parse_args(given)
    if not 0 < chosen.minutes < 24 * 60:
        parser.error(f"--minutes must lie above 0 and below a day, got {chosen.minutes:g}")
    if (chosen.tiny or chosen.only) and chosen.against != "cpu":
        parser.error("--tiny and --only are for a trial: add --against cpu")
    if chosen.against == "cpu" and (chosen.output is None or chosen.output.resolve() == RECORD.resolve()):
        parser.error("a trial on the CPU is no record of a GPU: name another file with --output")
    return chosen


def record(chosen: argparse.Namespace, given: list[str]) -> Path:
    """Measure, check and write; returns where the record lies."""
    backend = chosen.backend or os.environ.get("KERAS_BACKEND") or "tensorflow"
    if backend not in machine.NAMES:
        raise Refused(f"KERAS_BACKEND={backend!r} is not one of {', '.join(machine.NAMES)}", 2)
    found = machine.devices((backend,))
    if chosen.against == "gpu" and not found.backends[backend]["gpus"]:
        raise Refused(without_gpu(found, backend), 2)
    if found.backends[backend]["version"] is None:
        raise Refused(found.advice[backend], 2)
    path = chosen.output or RECORD
    writable(path)
    begun = time.monotonic()
    results, settings, notes = everything(chosen, backend)
    content = {
        "version": recorded.VERSION,
        "accelerator": None if chosen.against == "cpu" else about_device(found, backend),
        "backend": backend,
        "machine": {
            "processor": found.processor,
            "cores": found.cores,
            "memory_bytes": found.memory,
            "system": platform.system(),
        },
        "versions": versions(backend),
        "commit": commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", "scripts/gpu_record.py", *without_paths(given)]),
        "seconds": round(time.monotonic() - begun, 1),
        "settings": settings,
        "results": results,
        "notes": notes,
    }
    fault = recorded.fault_of(content)
    if fault:
        raise Refused(f"the record would not be whole ({fault}); nothing was written")
    with atomic_write(path) as stream:
        stream.write((json.dumps(content, indent=1, allow_nan=False) + "\n").encode())
    return path


def without_gpu(found: machine.Machine, backend: str) -> str:
    """Why there is nothing to record, and what to do."""
    install = machine.INSTALL[backend]
    why = found.advice[backend]
    more = "" if install in why else f" (where there is a GPU: {install})"
    return f"nothing was recorded: {why}{more}"


def without_paths(given: list[str]) -> list[str]:
    """The arguments, with the name of the output file alone: folders are nobody's business."""
    words = list(given)
    for place, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option == "--output" and equals:
            words[place] = f"--output={Path(value).name}"
        elif word == "--output":
            words[place + 1] = Path(words[place + 1]).name
    return words


def writable(path: Path) -> None:
    """Ask now, not after the measurement, whether the folder can be written to."""
    probe = path.with_name(f".{path.name}.probe")
    with atomic_write(probe):
        pass
    probe.unlink()


def main(given: list[str] | None = None) -> int:
    given = sys.argv[1:] if given is None else given
    chosen = arguments(given)
    try:
        path = record(chosen, given)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return refused.status
    except OSError as error:
        print(f"nothing was recorded: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: nothing was written, an older record stays as it was", file=sys.stderr)
        return 130
    run = recorded.read_record(path)
    print(f"\n{run.label()}, in {path.name}\n{run.table().to_string()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
