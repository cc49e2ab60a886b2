"""Run nbval on one notebook in a process of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class NbvalResult:
    """How a run of nbval ended: the cells that failed, how many cells were compared, all it printed."""

    exit_code: int
    failed_cells: list[int]
    compared: int
    printed: str


def nbval(notebook: Path, folder: Path) -> NbvalResult:
    """Run ``pytest --nbval-lax`` on a copy of a notebook in ``folder``, where it may write its files."""
    copy = shutil.copy(notebook, folder / notebook.name)
    command = [
        sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-cell-timeout=600", copy,
        "-c", os.devnull, "--rootdir", str(folder),
        "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "count_compared", "-q", "--color=no",
    ]  # fmt: skip
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "PYTEST_ADDOPTS": ""}
    for name in [name for name in environment if name.startswith("PYTEST_XDIST")]:
        del environment[name]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=900
    )
    counted = re.search(r"cells compared by nbval: (\d+)", done.stdout)
    failed = re.findall(r"^FAILED .*::Cell (\d+)", done.stdout, flags=re.MULTILINE)
    return NbvalResult(
        exit_code=done.returncode,
        failed_cells=[int(number) for number in failed],
        compared=int(counted[1]) if counted else -1,
        printed=done.stdout + done.stderr,
    )
