"""Inspecting a folder of many small images: time, and the highest memory it needed.

    python benchmarks/inspect_folder.py [images]

Writes so many 28 x 28 PNG files in ten class folders (silhouettes of animals, mirrored and turned, with 1 %
of each: exact copies, near copies, junk, blur, noise, flipped labels) into a temporary folder, then runs
the shell line ``python -m aigc_lab.clean`` on it in a process of its own, and reports the peak of that
process' resident memory (ru_maxrss). Aim: 50,000 images within 2 GiB.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import silhouettes
import table
from PIL import Image

from aigc_lab import collect, corrupt

BENCH = ["5000"]
QUICK = ["500"]

RATES = {name: 0.01 for name in ("exact_duplicate", "near_duplicate", "junk", "blur", "noise", "label_flip")}


def write_folder(folder: Path, count: int) -> None:
    unique = silhouettes.unique_animals()
    every = silhouettes.turned(unique.data)
    wanted = round(count / 1.03)  # copies and junk are added to these
    if wanted > len(every):
        raise SystemExit(f"at most {len(every):,} different images can be made")
    labels = np.tile(unique.labels, 8)[:wanted]
    whole = collect.Dataset(every[:wanted], labels, unique.class_names, unique.card)
    dirty, _ = corrupt.apply(whole, RATES, seed=0)
    for name in dirty.class_names:
        (folder / name).mkdir()
    for number, (image, label) in enumerate(zip(dirty.data, dirty.labels, strict=True)):
        Image.fromarray(image).save(folder / dirty.class_names[label] / f"{number:06}.png", compress_level=1)
    (folder / dirty.class_names[0] / "broken.png").write_bytes(b"\x89PNG not a picture")


def main(count: int = 50_000) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "images"
        folder.mkdir()
        write_folder(folder, count)
        report = Path(place) / "report.html"
        start = time.perf_counter()
        line = [sys.executable, "-m", "aigc_lab.clean", str(folder), "--output", str(report)]
        done = subprocess.run(line, check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - start
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        found = [row.strip() for row in done.stdout.splitlines() if row.strip()]
        table.show(
            f"`python -m aigc_lab.clean` on {count:,} images",
            ["what", "measured", "aim"],
            [
                ["clock", f"{seconds:.0f} s ({1e6 * seconds / count:,.0f} µs an image)", ""],
                ["processor", f"{used.ru_utime + used.ru_stime:.0f} s", ""],
                ["peak memory", f"{used.ru_maxrss / 2**20:.2f} GiB", "below 2 GiB at 50,000"],  # KiB on Linux
                ["report", f"{report.stat().st_size / 1e6:.1f} MB", ""],
            ],
        )
        print(f"\nIt said: {found[0]}.")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
