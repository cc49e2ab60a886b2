"""Speed of FID and KID beside torch-fidelity and older ways, and memory for a million samples.

    python benchmarks/evaluation_speed.py [rounds] [samples] [features]

FID from two Gaussians, ours beside: a bare ``eigvalsh`` of one covariance (what a symmetric way cannot
beat), ``eigvals`` of the product of the covariances (as torch-fidelity does it) and ``scipy.linalg.sqrtm``
of it (as older code does). KID of the same random subsets,
ours beside torch-fidelity's. The rivals are called with arrays of features, so no network
is timed. One thread for all, and seconds of processor time: so what else runs on the machine hardly matters.
The default is 5 rounds of 10,000 samples with 2,048 features. torch-fidelity is optional:

    python -m venv rival
    rival/bin/pip install torch scipy tqdm pillow
    rival/bin/pip install --no-deps torch-fidelity

and then AIGC_LAB_RIVAL=rival/bin/python for this script (or have it in this environment); without it those
lines say that it is not installed. Aims: at most twice the bare ``eigvalsh``, 2.2 times as fast as
``eigvals``, 12 times as fast as ``sqrtm``, KID of all pairs of 5,000 samples no slower than torch-fidelity's
subsets (its single precision is faster for the same subsets), agreement to 1e-6.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import table

table.one_thread()  # before NumPy; the rival inherits it

import numpy as np  # noqa: E402
from scipy.linalg import eigvalsh, sqrtm  # noqa: E402

from aigc_lab.evaluate import (  # noqa: E402
    Gaussian,
    frechet,
    gaussian,
    kid,
)

BENCH = ["2", "5000", "2048"]
QUICK = ["1", "1500", "256"]

PATIENCE = 5  # seconds: the root of the product is measured twice only
SUBSETS, SUBSET_SIZE, SEED = 100, 1000, 2020  # torch-fidelity's defaults
FID, KID = "torch-fidelity, FID", "torch-fidelity, KID"


def rival(real: np.ndarray, fake: np.ndarray, folder: str) -> table.Worker | None:
    """torch-fidelity, which waits between the rounds; None where it is not installed."""
    python = os.environ.get("AIGC_LAB_RIVAL")
    if not (python or (table.installed("torch") and table.installed("torch_fidelity"))):
        return None
    paths = [str(Path(folder) / f"{name}.npy") for name in ("real", "fake")]
    for path, rows in zip(paths, (real, fake), strict=True):
        np.save(path, rows)
    script = str(Path(__file__).with_name("fidelity_worker.py"))
    command = [script, *paths, *map(str, (SUBSETS, SUBSET_SIZE, SEED))]
    return table.Worker(command, python or sys.executable)


def by_subsets(real: np.ndarray, fake: np.ndarray) -> float:
    """Our kernel on the very subsets that torch-fidelity draws."""
    drawn = np.random.RandomState(SEED)
    values = []
    for _ in range(SUBSETS):
        parts = [table[drawn.choice(len(table), SUBSET_SIZE, replace=False)] for table in (real, fake)]
        values.append(kid(*parts, resamples=0).value)
    return float(np.mean(values))


def main(rounds: int = 5, samples: int = 10_000, size: int = 2048) -> None:
    generator = np.random.default_rng(0)
    mixing = (generator.normal(size=(size, size)) / np.sqrt(size)).astype(np.float32)
    real, fake = (
        np.maximum(generator.normal(size=(samples, size)).astype(np.float32) @ mixing + shift, 0)
        for shift in (0, np.float32(0.05))
    )
    statistics = gaussian(real), gaussian(fake)
    product = statistics[0].covariance @ statistics[1].covariance
    rest = float(((statistics[0].mean - statistics[1].mean) ** 2).sum())
    rest += float(np.trace(statistics[0].covariance) + np.trace(statistics[1].covariance))
    by_fid = {
        "ours": lambda: frechet(*statistics),
        "bare eigvalsh": lambda: float(eigvalsh(statistics[1].covariance)[-1]),
        "eigvals of the product": lambda: (
            rest - 2 * float(np.sqrt(np.linalg.eigvals(product).astype(complex)).real.sum())
        ),
    }
    root = "sqrtm of the product"
    by_kid = {
        "ours, all pairs": lambda: kid(real, fake, resamples=0).value,
        "ours, the rival's subsets": lambda: by_subsets(real, fake),
    }
    values: dict[str, float] = {}

    def timed(name: str, action: Callable[[], float]) -> float:
        start = time.process_time()
        values[name] = action()
        return time.process_time() - start

    def asked(name: str, metric: str) -> float:
        spent, values[name] = worker(metric)
        return spent

    def ways(actions: dict[str, Callable[[], float]]) -> dict[str, Callable[[], float]]:
        return {
            name: lambda name=name, action=action: timed(name, action) for name, action in actions.items()
        }

    with tempfile.TemporaryDirectory() as folder:
        worker = rival(real, fake, folder)
        frechet(*statistics)  # threads and libraries are awake before the first round
        roots = {root: lambda: rest - 2 * float(np.trace(sqrtm(product)).real)}
        fid_ways, kid_ways = ways(by_fid), ways(by_kid)
        if worker:
            fid_ways[FID] = lambda: asked(FID, "fid")
            kid_ways[KID] = lambda: asked(KID, "kid")
        fid = table.rounds(fid_ways | ways(roots), rounds, PATIENCE)
        kids = table.rounds(kid_ways, rounds)
        if worker:
            worker.__exit__()

    about = f"{samples:,} samples of {size:,} features, {rounds} rounds"
    table.compare(
        f"FID from two Gaussians, {about}",
        fid,
        "ours",
        absent=[] if worker else [FID],
        more={
            "relative difference": {
                name: f"{abs(values[name] / values['ours'] - 1):.0e}"
                for name in ("eigvals of the product", root, FID)
                if name in values
            }
        },
    )
    subsets = "ours, the rival's subsets"
    table.compare(
        f"KID, {about}",
        kids,
        "ours, all pairs",
        absent=[] if worker else [KID],
        more={"difference": {KID: f"{abs(values[KID] - values[subsets]):.0e}"} if worker else {}},
    )
    streaming(size)


def joined(first: Gaussian, second: Gaussian) -> Gaussian:
    """The Gaussian of two parts together (Chan, Golub and LeVeque 1979, eq. 2.1): no part is kept."""
    count, apart = first.count + second.count, second.mean - first.mean
    scatter = (first.count - 1) * first.covariance + (second.count - 1) * second.covariance
    scatter += np.outer(apart, apart) * (first.count * second.count / count)
    return Gaussian(first.mean + apart * (second.count / count), scatter / (count - 1), count)


def streaming(size: int, count: int = 1_000_000, batch: int = 2000) -> None:
    """Mean and covariance of a million samples that never exist at once."""
    small, generator = min(size, 256), np.random.default_rng(1)

    def draw() -> Gaussian:
        return gaussian(generator.standard_normal((batch, small), np.float32))

    tracemalloc.start()
    start, running = time.process_time(), draw()
    for _ in range(count // batch - 1):
        running = joined(running, draw())
    spent = time.process_time() - start
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    off = np.abs(running.covariance - np.eye(small)).max()
    print(
        f"Mean and covariance of {count:,} samples of {small} features, batch by batch: {spent:.1f} s, peak "
        f"{peak / 2**20:.0f} MiB (all at once: {4 * count * small / 2**20:.0f} MiB), largest error {off:.3f}."
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
