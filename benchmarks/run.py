"""Run every benchmark, one after the other, and write what they print into RESULTS.md.

    python benchmarks/run.py [--quick] [--only NAME ...] [--output FILE]

A benchmark is a file of this folder with a constant ``BENCH``: the arguments with which it takes a minute
or two (``QUICK``: a few seconds, to see that it works). Its docstring's first line is its heading. One that
fails is reported with its last line; the others still run, and the exit code is 1. The whole run is stored
in ``benchmarks/RESULTS.md``; with ``--quick`` or ``--only`` nothing is, unless ``--output`` names a file.
"""

from __future__ import annotations

import argparse
import ast
import os
import platform
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import psutil

FOLDER = Path(__file__).parent
LONGEST = 400  # seconds; a benchmark that takes longer is ended and reported
OURS = ("tensorflow", "keras", "numpy", "scipy", "pandas", "dask")
REFERENCES = ("jax", "torch", "torch-fidelity", "datasketch", "rensa", "ImageHash")
HEAD = """# Benchmarks

Written by `{command}`; do not edit. Ours beside reference designs and libraries, in interleaved rounds of one
run. "Time over ours" is the reference's time divided by ours in the same round: above 1, ours is faster.
Numbers are medians, with quartiles in brackets. CONTRIBUTING says how to run them.
"""


@dataclass(frozen=True)
class Result:
    name: str
    title: str
    command: str
    output: str
    seconds: float
    failure: str = ""


def found(folder: Path) -> dict[str, dict[str, object]]:
    """Every benchmark of a folder, by name, without importing any: its heading and its arguments."""
    scripts = {}
    for path in sorted(folder.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in ("BENCH", "QUICK")
        }
        if "BENCH" in constants:
            title = (ast.get_docstring(tree) or path.stem).splitlines()[0]
            scripts[path.stem] = {"path": path, "title": title, "QUICK": constants["BENCH"], **constants}
    return scripts


def run(script: dict[str, object], quick: bool, longest: float) -> Result:
    """Run one benchmark; a failure is a result too."""
    path = script["path"]
    arguments = [str(each) for each in script["QUICK" if quick else "BENCH"]]
    command = " ".join(["python", f"benchmarks/{path.name}", *arguments])
    begun, failure = time.perf_counter(), ""
    process = subprocess.Popen(
        [sys.executable, str(path), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that its workers can be ended with it
    )
    try:
        output, complaints = process.communicate(timeout=longest)
        if process.returncode:
            said = complaints.strip().splitlines() or [f"exit code {process.returncode}, and nothing said"]
            failure = said[-1]
    except (subprocess.TimeoutExpired, KeyboardInterrupt) as ended:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        if isinstance(ended, KeyboardInterrupt):
            raise
        output, _ = process.communicate()
        failure = f"it took longer than {longest:g} seconds"
    spent = time.perf_counter() - begun
    return Result(
        path.stem, str(script["title"]), command, without_paths(output), spent, without_paths(failure)
    )


def without_paths(words: str) -> str:
    """No folder of this machine in what is stored: of an absolute path only the last name stays."""
    return re.sub(r"(?<![\w.:/])/(?:[\w.+~-]+/)+([\w.+~-]*)", r"\1", words)


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (ValueError, OSError, AttributeError):
        return "unknown"


def version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


class Watch:
    """What the rest of the machine did meanwhile: processor time that no process of ours used."""

    def __init__(self) -> None:
        self.load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
        self.before = self._spent()

    @staticmethod
    def _spent() -> tuple[float, float, float] | None:
        try:
            ticks = Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0].split()[1:9]
        except OSError:
            return None
        user, nice, system, idle, waiting, interrupt, soft, stolen = (
            int(each) / os.sysconf("SC_CLK_TCK") for each in ticks
        )
        busy = user + nice + system + interrupt + soft + stolen
        return busy, busy + idle + waiting, sum(os.times()[:4])  # ours and our children's

    def others(self) -> float | None:
        """The share of all cores that other programs (or other machines on this one) took, 0 to 1."""
        after = self._spent()
        if self.before is None or after is None:
            return None
        busy, whole, ours = (late - early for late, early in zip(after, self.before, strict=True))
        return max(0.0, busy - ours) / whole if whole else 0.0

    def sentence(self) -> str:
        others = self.others()
        if others is None:
            return f"Load at the start: {self.load:.2f}; what else ran meanwhile is not known here."
        quiet = self.load < 0.5 and others < 0.05
        verdict = "The machine was quiet" if quiet else "THE MACHINE WAS NOT QUIET"
        words = (
            f"{verdict}: load average {self.load:.2f} at the start, and other programs took "
            f"{100 * others:.0f} % of the processor time during the run."
        )
        priority = os.getpriority(os.PRIO_PROCESS, 0)
        return words if priority == 0 else f"{words} The benchmarks ran at priority (nice) {priority}."


def report(results: list[Result], left_out: list[str], watch: Watch, command: str, seconds: float) -> str:
    failed = [each for each in results if each.failure]
    parts = [
        HEAD.format(command=command),
        "| what | value |\n|---|---|",
        f"| date | {datetime.now(UTC):%Y-%m-%d %H:%M} UTC |",
        f"| machine | {processor()}, {os.cpu_count()} cores, {memory()}, {platform.system()} |",
        f"| ours | aigc_lab {version('aigc-lab')} on Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in OURS)
        + " |",
        "| references | " + ", ".join(f"{name} {version(name)}" for name in REFERENCES) + " |",
        f"| the whole run | {seconds / 60:.1f} minutes |",
        "",
        watch.sentence(),
        "",
    ]
    if left_out:
        parts += [f"Not in this run: {', '.join(left_out)}.", ""]
    if failed:
        names = ", ".join(each.name for each in failed)
        parts += [f"**{len(failed)} of {len(results)} failed: {names}.**", ""]
    parts += ["| benchmark | seconds | outcome |\n|---|---|---|"]
    parts += [
        f"| `{each.name}` | {each.seconds:.0f} | {'**failed**' if each.failure else 'done'} |"
        for each in results
    ]
    parts += [""]
    for each in results:
        parts += [f"## {each.title.rstrip('.')}", "", f"`{each.command}`, {each.seconds:.0f} seconds.", ""]
        if each.failure:
            parts += [f"**FAILED**: `{each.failure}`", ""]
        parts += [each.output.strip(), ""]
    return "\n".join(parts).rstrip() + "\n"


def store(path: Path, words: str) -> None:
    from aigc_lab.collect.dataset import atomic_write

    with atomic_write(path) as stream:
        stream.write(words.encode("utf-8"))


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a benchmark never outlives the runner
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="see that each works; the numbers mean little")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these benchmarks alone")
    parser.add_argument("--output", type=Path, help="the file to write")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the benchmarks are")
    parser.add_argument("--longest", type=float, default=LONGEST, help="seconds for each (%(default)s)")
    chosen = parser.parse_args()
    scripts = found(chosen.folder)
    unknown = sorted(set(chosen.only or ()) - set(scripts))
    if unknown or not scripts:
        parser.error(f"there is no benchmark {', '.join(unknown)}; choose from {', '.join(scripts)}")
    names = chosen.only or list(scripts)
    whole = not (chosen.quick or chosen.only)
    output = chosen.output or (chosen.folder / "RESULTS.md" if whole else None)

    watch, results, begun = Watch(), [], time.perf_counter()
    for name in names:
        print(f"{name}: {scripts[name]['title']}", flush=True)
        try:
            results.append(run(scripts[name], chosen.quick, chosen.longest))
        except KeyboardInterrupt:
            for started in psutil.Process().children(recursive=True):  # the signal may come while one starts
                started.kill()
            print(f"Interrupted in {name}; nothing is stored.")
            return 130
        last = results[-1]
        outcome = f"FAILED, {last.failure}" if last.failure else "done"
        print(f"{last.output.strip()}\n{name}: {outcome} after {last.seconds:.0f} s\n", flush=True)
    seconds = time.perf_counter() - begun
    options = "".join([" --quick" * chosen.quick, f" --only {' '.join(names)}" if chosen.only else ""])
    command = "make bench" if whole else f"python benchmarks/run.py{options}"
    if output is not None:
        left_out = [name for name in scripts if name not in names]
        store(output, report(results, left_out, watch, command, seconds))
        print(f"{output.name} is written.")
    print(watch.sentence())
    failed = [each.name for each in results if each.failure]
    words = f"{len(failed)} failed: {' '.join(failed)}" if failed else "none failed"
    print(f"{len(results)} benchmarks in {seconds / 60:.1f} minutes, {words}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
