"""Characters a second that a Transformer writes, with and without its cache; milliseconds a diffused drawing.

    python benchmarks/generation_speed.py [rounds]

The stored Shakespeare network, its window made 256 characters long (its weights do not depend on that).
Without a cache each character costs the network on the whole window, compiled by TensorFlow. Both write 256
characters, and the logits of the last one are compared first. The aims are 1,000 characters a second for one
text, 8,000 for 32 texts side by side, and five times the speed without a cache.

The stored diffusion model draws 64 drawings in 20 steps of Euler, with as many steps of Heun, and guided by
twice the label, which both ask the network twice in a step. The aim is 15 ms a drawing on two cores.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import table

from aigc_lab.models import stored, transformer

BENCH = ["7"]
QUICK = ["1"]
LENGTH = 256


def main(count: int = 7) -> None:
    import tensorflow as tf

    arguments = {**stored.about("shakespeare_transformer")["arguments"], "length": LENGTH}
    model = transformer.character_model(**arguments)
    model.set_weights(stored.load("shakespeare_transformer").get_weights())
    everything = tf.function(lambda window: model.network(window))
    tokens = np.random.default_rng(0).integers(0, model.vocabulary_size, (32, LENGTH)).astype("int32")

    def cached(texts: int) -> np.ndarray:
        decoder = transformer.Decoder(model, texts)
        return [decoder.step(column) for column in tokens[:texts].T][-1]

    def anew(texts: int) -> np.ndarray:
        window = np.zeros((texts, LENGTH), "int32")
        for place in range(LENGTH):
            window[:, place] = tokens[:texts, place]
            logits = everything(window)
        return logits[:, -1].numpy()

    def rate(write: Callable[[int], np.ndarray], texts: int) -> Callable[[], float]:
        return lambda: texts * LENGTH / table.seconds(lambda: write(texts))

    assert np.abs(cached(1) - anew(1)).max() < 1e-3, "the two ways should agree"
    anew(32)  # compiled before the clock starts
    rows = []
    for texts, aim in ((1, 1_000), (32, 8_000)):
        ways = {"cached": rate(cached, texts)} | ({"anew": rate(anew, texts)})
        found = table.rounds(ways, count if texts == 1 else max(count // 3, 1))
        ratios = [one / other for one, other in zip(found["cached"], found["anew"], strict=True)]
        speeds = [table.spread(found[way], 0) for way in ways]
        rows.append([f"{texts}", *speeds, table.spread(ratios, 1), f"{aim:,} with the cache"])
    table.show(
        f"{LENGTH} characters, {arguments['width']} wide, {arguments['blocks']} blocks",
        ["texts", "characters/s with cache", "without", "ratio", "aim"],
        rows,
    )


def drawings(count: int = 7) -> None:
    model = stored.load("drawings_diffusion")
    ways = {
        "Euler": {"sampler": "euler"},
        "Heun": {"sampler": "heun"},
        "Euler, guidance 2": {"sampler": "euler", "guidance": 2.0},
    }
    model.sample(64, steps=1)  # compiled before the clock starts

    def milliseconds(how: dict) -> float:
        return 1000 * table.seconds(lambda: model.sample(64, steps=20, **how)) / 64

    found = table.rounds({name: lambda how=how: milliseconds(how) for name, how in ways.items()}, count)
    rows = [[name, table.spread(each, 1)] for name, each in found.items()]
    table.show("64 drawings of 28 x 28, 20 steps", ["sampler", "ms a drawing"], rows)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
    drawings(*map(int, sys.argv[1:]))
