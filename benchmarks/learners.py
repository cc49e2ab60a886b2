"""Memory of learners who work at once on one server: each runs a lab in a kernel of their own.

    python benchmarks/learners.py [--learners 4] [--labs 00 06] [--profiles smoke classroom] [--for 30]

Every learner is a process that runs a lab's notebook by papermill; half of them run the first lab, half the
second, all at the same time. Twice a second the memory of each learner's processes (runner and kernel)
is read as PSS, which counts a page that n processes share as 1/n for each, and as RSS, which counts it fully
each time. Told are each learner's peak, the peak of all together, and what a server for --for learners needs:
the peak of all together divided by their number, times the class. JupyterLab's own server, one for each
learner, is measured idle and added. Thirty learners share pages more widely than four, so the sum is an upper
estimate.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # for tools, which is no installed package

import psutil  # noqa: E402
import table  # noqa: E402

BENCH = ["--learners", "4", "--labs", "00", "06", "--profiles", "smoke"]
QUICK = ["--learners", "2", "--labs", "05", "--profiles", "smoke"]
MIB = 2**20


def memory(process: psutil.Process) -> tuple[float, float]:
    """PSS and RSS in MiB of a process and all that it started."""
    total = [0, 0]
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0, 0.0
    for each in family:
        try:
            used = each.memory_full_info()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        total[0] += used.pss
        total[1] += used.rss
    return total[0] / MIB, total[1] / MIB


def classroom(labs: list[Path], profile: str, learners: int, folder: Path) -> dict[str, object]:
    """Run the labs by that many learners at once; peaks by learner, and the peak of all together."""
    script = (
        "import sys; from tools import run_notebook as r; p = {'profile': sys.argv[3]}\n"
        "if 'output_folder' in r.known_parameters(sys.argv[1]): p['output_folder'] = sys.argv[2] + '.out'\n"
        "r.run(sys.argv[1], sys.argv[2], p)"
    )
    running = []
    for number in range(learners):
        lab = labs[number % len(labs)]
        command = [sys.executable, "-c", script, str(lab), str(folder / f"{number}.ipynb"), profile]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        running.append((lab.stem, process, psutil.Process(process.pid)))
    peaks = [[0.0, 0.0] for _ in running]
    together = [0.0, 0.0]
    begun = time.perf_counter()
    while any(process.poll() is None for _, process, _ in running):
        now = [memory(watched) for _, _, watched in running]
        for peak, used in zip(peaks, now, strict=True):
            peak[:] = map(max, peak, used)
        together = [
            max(before, sum(column)) for before, column in zip(together, zip(*now, strict=True), strict=True)
        ]
        time.sleep(0.5)
    seconds = time.perf_counter() - begun
    for stem, process, _ in running:
        if process.returncode:
            raise SystemExit(f"{stem} did not run: {process.stderr.read()[-500:]}")
    return {
        "learners": [(stem, *peak) for (stem, _, _), peak in zip(running, peaks, strict=True)],
        "together": together,
        "seconds": seconds,
    }


def idle_server(folder: Path) -> tuple[float, float]:
    """PSS and RSS in MiB of a JupyterLab server that nobody uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}", "--ServerApp.token="]
    command += [f"--ServerApp.root_dir={folder}", "--allow-root"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(240):
            try:
                with urlopen(f"http://127.0.0.1:{port}/api", timeout=5):
                    break
            except (URLError, OSError):
                time.sleep(0.5)
        else:
            raise SystemExit("JupyterLab did not answer within two minutes")
        return memory(psutil.Process(server.pid))
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--learners", type=int, default=4)
    parser.add_argument("--labs", nargs="+", default=["00", "06"], help="their numbers: 00 06 …")
    parser.add_argument("--profiles", nargs="+", default=["smoke", "classroom"])
    parser.add_argument("--for", type=int, default=30, dest="class_size", help="learners of the class")
    chosen = parser.parse_args()
    paths = {path.name[:2]: path for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))}
    unknown = sorted(set(chosen.labs) - set(paths))
    if unknown:
        parser.error(f"there is no notebook {', '.join(unknown)}; choose from {', '.join(paths)}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as place:
        server = idle_server(Path(place))
        print(f"JupyterLab's server, idle: {server[0]:,.0f} MiB PSS, {server[1]:,.0f} MiB RSS.", flush=True)
        for profile in chosen.profiles:
            folder = Path(place, profile)
            folder.mkdir()
            found = classroom([paths[lab] for lab in chosen.labs], profile, chosen.learners, folder)
            show(profile, found, server[0], chosen.class_size)


def show(profile: str, found: dict[str, object], server: float, class_size: int) -> None:
    """Two tables: the peak of each learner and of all together, and what a server for the class needs."""
    learners, (pss, rss) = found["learners"], found["together"]
    rows = [[stem, f"{own:,.0f}", f"{counted:,.0f}"] for stem, own, counted in sorted(learners)]
    rows.append([f"all {len(learners)} together", f"{pss:,.0f}", f"{rss:,.0f}"])
    title = (
        f"Peak memory of {len(learners)} learners at once, profile {profile}, {found['seconds']:.0f} s, MiB"
    )
    table.show(title, ["learner", "PSS", "RSS"], rows)
    needs = {
        "the mean at the common peak": pss / len(learners) + server,
        "the largest, if all peak at once": max(own for _, own, _ in learners) + server,
    }
    table.show(
        f"Kernel and server, profile {profile}",
        ["learner", "MiB each", f"GiB for {class_size}"],
        [[name, f"{each:,.0f}", f"{class_size * each / 1024:,.0f}"] for name, each in needs.items()],
    )


if __name__ == "__main__":
    main()
