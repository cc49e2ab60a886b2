"""A model as a service under load: what one and two workers serve, latency against offered load, memory.

    python benchmarks/service_load.py [requests] [seconds]

On loopback, one image of 28 x 28 a request as PNG, a stored conditional VAE with its mixture, watched by its
monitor. The load tool is a process of its own on the same cores; what it can do is measured first, against a
socket that answers at once. Memory is that of the worker while ``requests`` are answered. Processor time is
counted for the workers alone: it says what a request costs on a machine that is busy with other things, too.
``wrk`` runs beside our tool where it is installed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import table

from aigc_lab.backend import child_environment

BENCH = ["100000", "3"]
QUICK = ["2000", "0.5"]

SHARES = (0.2, 0.4, 0.6, 0.8, 0.9, 1.0, 1.2, 1.6)  # of the capacity
ROUNDS = 3
NOTHING = """
import asyncio, uvloop
ANSWER = b"HTTP/1.1 200 OK\\r\\nContent-Length: 700\\r\\n\\r\\n" + b"x" * 700
class Nothing(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data): self.transport.write(ANSWER)
async def main():
    server = await asyncio.get_running_loop().create_server(Nothing, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
uvloop.run(main())
"""
WRK = """
wrk.method = "POST"
local number = 0
request = function()
  number = number + 1
  return wrk.format(nil, nil, nil, '{"seed": ' .. number .. ', "label": "cat"}')
end
"""


def make_folder(folder: Path) -> None:
    """One version, with a judge and a reference, so that the service is watched."""
    from aigc_lab import collect, deploy, models
    from aigc_lab.serve import monitor

    names = models.stored.about("labelled_vae")["classes"]
    vae = models.stored.load("labelled_vae")
    training, _, _ = collect.load("animals").only(*names).split((0.7, 0.1, 0.2), seed=0)
    mixture = models.vae.LatentMixture.fit(vae, *training.arrays(), components=5)
    deploy.export(vae, folder / "animals-1", ("onnx",), names, "Animals", "MIT", mixture)
    deploy.write_judge(folder / "animals-1", among="animals")
    monitor.write_reference(folder / "animals-1", 1000)
    deploy.set_live(folder, "animals-1")


@contextlib.contextmanager
def service(folder: Path, workers: int) -> Iterator[tuple[psutil.Process, int]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "aigc_lab.serve", str(folder), "--port", "0", "--workers", str(workers)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield psutil.Process(process.pid), int(re.search(r":(\d+) with", process.stderr.readline())[1])
    finally:
        process.terminate()
        process.wait(60)


def offer(port: int, seconds: float, *arguments: object) -> dict[str, float]:
    line = [
        sys.executable,
        "-m",
        "aigc_lab.serve.load",
        port,
        "--seconds",
        seconds,
        "--label",
        "cat",
        *arguments,
    ]
    done = subprocess.run(list(map(str, line)), env=child_environment(), stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def workers_of(supervisor: psutil.Process) -> list[psutil.Process]:
    return [each for each in supervisor.children() if "--multiprocessing-fork" in each.cmdline()]


def spent(supervisor: psutil.Process) -> float:
    """Seconds of processor time of all workers."""
    return sum(sum(each.cpu_times()[:2]) for each in workers_of(supervisor))


def row(told: dict[str, float]) -> list[object]:
    names = ("offered", "served", "served_a_second", "p50", "p95", "p99", "refused", "other", "unanswered")
    return [f"{told[name]:,}" for name in names]


def wrk(port: int, seconds: float, folder: Path) -> float | str:
    """Requests a second that wrk sees at 16 connections."""
    if shutil.which("wrk") is None:
        return table.ABSENT
    script = folder / "post.lua"
    script.write_text(WRK)
    line = [
        "wrk",
        "-t1",
        "-c16",
        f"-d{max(1, round(seconds))}",
        "-s",
        str(script),
        f"http://127.0.0.1:{port}/generate",
    ]
    said = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True).stdout
    return float(re.search(r"Requests/sec:\s+(\S+)", said)[1])


def capacity(folder: Path, seconds: float) -> float:
    """The table of one and two workers; requests a second of one."""
    nothing = subprocess.Popen([sys.executable, "-c", NOTHING], stdout=subprocess.PIPE, text=True)
    ceiling = offer(int(nothing.stdout.readline()), seconds)["served_a_second"]
    nothing.kill()
    nothing.wait()
    rows, best = [["the tool alone", f"{ceiling:,.0f}", "", "", "", ""]], {}
    for workers in (1, 2):
        with service(folder, workers) as (supervisor, port):
            offer(port, seconds)  # warm
            told, cost = [], []
            for _ in range(ROUNDS):
                before = spent(supervisor)
                told.append(offer(port, seconds))
                cost.append(1000 * (spent(supervisor) - before) / told[-1]["served"])
            rates = [each["served_a_second"] for each in told]
            theirs = wrk(port, seconds, folder.parent)
        best[workers] = statistics.median(rates)
        rows.append([
            f"{workers} worker{'s' * (workers > 1)}", table.spread(rates, 0),
            table.spread([each["p50"] for each in told], 1),
            table.spread([each["p95"] for each in told], 1), table.spread(cost),
            f"{theirs:,.0f}" if isinstance(theirs, float) else theirs,
        ])  # fmt: skip
    columns = [
        "16 connections, closed loop",
        "requests a second",
        "p50, ms",
        "p95, ms",
        "processor, ms a request",
        "wrk",
    ]
    table.show(f"Capacity, {ROUNDS} rounds of {seconds:g} s", columns, rows)
    return best[1]


def loads(folder: Path, full: float, seconds: float) -> None:
    columns = [
        "share",
        "offered",
        "served",
        "a second",
        "p50, ms",
        "p95, ms",
        "p99, ms",
        "refused",
        "other",
        "unanswered",
    ]
    with service(folder, 1) as (_, port):
        offer(port, seconds)  # warm
        rows = [
            [f"{share:.0%}", *row(offer(port, seconds, "--rate", share * full, "--connections", 500))]
            for share in SHARES
        ]
    table.show(f"Open loop, one worker, {seconds:g} s each; shares of {full:,.0f} a second", columns, rows)


def memory(folder: Path, requests: int, full: float) -> None:
    """Resident memory of a worker after so many answers."""
    rows, done = [], 0
    with service(folder, 1) as (supervisor, port):
        for share in (0.02, 0.1, 0.25, 0.5, 0.75, 1.0):
            while done < share * requests:
                wanted = min(share * requests - done, 20_000)
                done += offer(port, max(0.2, wanted / full))["served"]
            size = workers_of(supervisor)[0].memory_info().rss / 2**20
            rows.append([f"{done:,}", f"{size:.1f}"])
    table.show("Memory of the worker, one worker at full load", ["requests answered", "resident, MiB"], rows)


def kill(folder: Path, full: float, seconds: float) -> None:
    """One of two workers is killed in the middle of a load of 40 % of one worker's capacity."""
    with service(folder, 2) as (supervisor, port):
        timer = threading.Timer(
            0.5 * seconds + 0.5, lambda: workers_of(supervisor)[0].send_signal(signal.SIGKILL)
        )
        timer.start()
        told = offer(port, seconds, "--rate", 0.4 * full, "--connections", 32)
        timer.join()
        begun = time.perf_counter()
        while len(workers_of(supervisor)) < 2 and time.perf_counter() - begun < 30:
            time.sleep(0.05)
        there = len(workers_of(supervisor))
    columns = [
        "offered",
        "answered",
        "served",
        "sent again",
        "unanswered",
        "p50, ms",
        "p95, ms",
        "p99, ms",
        "workers after",
    ]
    cells = [
        told[name] for name in ("offered", "answered", "served", "retried", "unanswered", "p50", "p95", "p99")
    ]
    table.show("One of two workers killed under load", columns, [[*cells, there]])


def main(requests: int = 100_000, seconds: float = 3.0) -> None:
    os.environ.pop("AIGC_LAB_KEY", None)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "models"
        make_folder(folder)
        full = capacity(folder, seconds)
        loads(folder, full, seconds)
        kill(folder, full, 2 * seconds)
        memory(folder, requests, full)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 100_000, float(sys.argv[2]) if sys.argv[2:] else 3.0)
