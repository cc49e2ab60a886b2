"""Seconds until ``import`` is done: the package and each of its rooms beside ``import tensorflow``.

    python benchmarks/import_time.py [rounds]

Every import is a fresh Python process; the start of Python itself is a row of its own and is in all others.
Imports take turns. Compiled files are there from the first, uncounted round. Also told: whether the import
brought TensorFlow, which the package and the rooms for data must not.
"""

from __future__ import annotations

import subprocess
import sys
import time

import table

import aigc_lab

BENCH = ["2"]
QUICK = ["1"]

REFERENCES = {"Python alone": "pass", "import numpy": "import numpy", "import pandas": "import pandas"}
REFERENCES |= {"import tensorflow": "import tensorflow", "import keras": "import keras"}
OURS = "import aigc_lab"
MODULES = (*aigc_lab.STAGES, "corrupt", "models", "plots", "study", "widgets")


def fresh(line: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", line], check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begun


def brings_tensorflow(line: str) -> str:
    told = subprocess.run(
        [sys.executable, "-c", f"{line}\nimport sys\nprint('tensorflow' in sys.modules)"],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return "yes" if told.stdout.split()[-1] == "True" else "no"


def main(rounds: int = 5) -> None:
    lines = {OURS: "import aigc_lab", **REFERENCES}
    lines |= {f"from aigc_lab import {module}": f"from aigc_lab import {module}" for module in MODULES}
    lines["from aigc_lab.models import vae"] = "from aigc_lab.models import vae"
    with_tensorflow = {name: brings_tensorflow(line) for name, line in lines.items()}  # and compiles
    measured = table.rounds({name: lambda line=line: fresh(line) for name, line in lines.items()}, rounds)
    table.compare(
        f"Fresh processes, {rounds} rounds", measured, OURS, more={"brings TensorFlow": with_tensorflow}
    )
    saved = table.ratios(measured["import tensorflow"], measured[OURS])
    print(f"\n`import tensorflow` takes {table.spread(saved, 0)} times as long as `import aigc_lab`.")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
