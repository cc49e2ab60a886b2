"""How long the latent explorer takes from a moved slider to a new picture, in the kernel.

    python benchmarks/latent_explorer.py [moves]

Prints the median and the 95th percentile; the aim is a median below 200 ms. The time that the
browser needs on top is not in it. The weights are not trained: that does not change the time.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import table

from aigc_lab import widgets
from aigc_lab.models.vae import convolutional_vae

BENCH = ["100"]
QUICK = ["10"]


def main(moves: int = 200) -> None:
    vae = convolutional_vae(image_shape=(28, 28, 1), class_count=10)
    # Fresh weights draw almost the same grey everywhere; enlarged ones draw pictures that differ.
    vae.decoder.set_weights([4.0 * weight for weight in vae.decoder.get_weights()])
    explorer = widgets.latent_explorer(vae)
    random = np.random.default_rng(0)
    seconds = []
    for move in range(moves):
        slider = explorer.sliders[move % len(explorer.sliders)]
        before, start = explorer.image.value, time.perf_counter()
        slider.value = float(random.uniform(-3, 3))
        seconds.append(time.perf_counter() - start)
        assert explorer.error is None and explorer.image.value != before, "the picture did not follow"
    milliseconds = 1000 * np.array(seconds)
    slow = np.percentile(milliseconds, 95)
    table.show(
        f"{moves} slider moves, one 28 x 28 picture enlarged to 280 x 280",
        ["ms a move", "95th percentile, ms", "aim"],
        [[table.spread(milliseconds, 1), f"{slow:.1f}", "a median below 200 ms"]],
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
