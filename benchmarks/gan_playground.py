"""Frames a second of the GAN playground in the kernel: game, drawing, PNG, message.

    python benchmarks/gan_playground.py [frames]

Prints the rate for each loss at the default speed of ten rounds in a frame; the aim is at least 10.
The time that the browser needs on top is not in it.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import table

from aigc_lab import widgets
from aigc_lab.widgets.gan_game import Rules

BENCH = ["30"]
QUICK = ["5"]

ARMS = {
    "non-saturating": Rules(),
    "least squares": Rules(loss="least squares"),
    "wasserstein, penalty 10, 5 steps": Rules(loss="wasserstein", penalty=10.0, discriminator_steps=5),
}


def main(frames: int = 60) -> None:
    rows = []
    for name, rules in ARMS.items():
        playground = widgets.gan_playground(rules=rules)
        seconds = []
        for _ in range(frames):
            before, start = playground.image.value, time.perf_counter()
            playground.clock.value += 1
            seconds.append(time.perf_counter() - start)
            assert playground.error is None and playground.image.value != before, "the image did not follow"
        milliseconds = 1000 * np.array(seconds)
        rate = 1000 / np.median(milliseconds)
        slow = np.percentile(milliseconds, 95)
        rows.append([name, f"{rate:.1f}", table.spread(milliseconds, 1), f"{slow:.0f}", "10 frames a second"])
    columns = ["loss", "frames a second", "ms a frame", "95th percentile, ms", "aim"]
    table.show(f"{frames} frames of 10 rounds, 420 x 420 pixels", columns, rows)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
