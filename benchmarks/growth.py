"""How cost grows: an epoch on 1,000 to 100,000 images, a step at one to eight times the width.

    python benchmarks/growth.py [--rounds 3] [--images 1000 … 100000] [--widths 1 2 4 8] [--score]

Images: one epoch of a dense VAE (784-400-20, batch 100, XLA) on so many different 28 x 28 silhouettes.
Width: a step of that VAE, of ``convolutional_vae`` and of the Transformer at 1, 2, 4 and 8 times a small
width. Sizes take turns in every round; compilation is off the clock. The exponent is a least-squares line
through the logarithms with Student's interval. Small sizes pay a fixed cost of
each call and each operation, so no single exponent fits the whole range: the local exponents, between
neighbours, say where the cost has become proportional.

``--score``: what more images are for. Training on so many drawings of ``quickdraw``, each for the same
number of steps; told is when a fixed held-out score was first reached, and the best that was.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


import numpy as np
import silhouettes
import table
from scipy import stats

from aigc_lab import collect, train
from aigc_lab.models import transformer, vae

BENCH = ["--rounds", "2", "--score"]
QUICK = ["--rounds", "1", "--images", "1000", "2000", "4000", "--widths", "1", "2", "4"]

BATCH, TARGET, LATENTS = 100, 240.0, 20


def small_vae(seed: int = 0) -> Any:
    return vae.dense_vae(latent_size=LATENTS, width=400, depth=1, seed=seed)


def timed(build: Callable[[], Any], x: np.ndarray, steps: int, xla: bool) -> Callable[[], float]:
    """Seconds of ``steps`` steps on ``x``, compiled before the clock starts."""
    model, start = build(), build()
    trainer = train.Trainer(model, steps=steps, batch_size=BATCH, jit_compile=xla)
    trainer.fit(start, x)
    return lambda: trainer.fit(start, x).table["seconds"].iloc[-1]


def tell(
    title: str, measured: dict[int, list[float]], what: str, unit: str, scale: float, more: dict[str, dict]
) -> None:
    """A row a size, and the exponents below."""
    sizes = list(measured)
    middles = [statistics.median(values) for values in measured.values()]
    between = np.diff(np.log(middles)) / np.diff(np.log(sizes))
    local = dict(zip(sizes[1:], between, strict=True))
    pairs = np.log([(size, value) for size, values in measured.items() for value in values])
    line = stats.linregress(*pairs.T)
    reach = stats.t.ppf(0.975, len(pairs) - 2) * line.stderr
    rows = [
        [
            f"{size:,}",
            table.spread([scale * value for value in values]),
            f"{local[size]:.2f}" if size in local else "",
            *(str(column[size]) for column in more.values()),
        ]
        for size, values in measured.items()
    ]
    table.show(title, [what, unit, "local exponent", *more], rows)
    fitted = f"{line.slope:.2f} [{line.slope - reach:.2f}, {line.slope + reach:.2f}]"
    print(f"\nFitted over all sizes: {fitted} (95 %); between the two largest: {between[-1]:.2f}.")


def by_images(counts: list[int], rounds: int) -> None:
    x = silhouettes.images(max(counts)).astype("float32")[..., None] / 255  # (n, h, w) -> (n, h, w, 1)
    x = x[np.random.default_rng(0).permutation(len(x))]
    ways = {count: timed(small_vae, x[:count], count // BATCH, True) for count in counts}
    measured = table.rounds(ways, rounds)
    speed = {count: f"{count / statistics.median(values):,.0f}" for count, values in measured.items()}
    tell(
        f"One epoch of the dense VAE (batch {BATCH}), {rounds} rounds",
        measured,
        "images",
        "s",
        1.0,
        {"images a second": speed},
    )


def by_width(factors: list[int], rounds: int) -> None:
    x = collect.load("quickdraw").data[: 10 * BATCH].astype("float32")[..., None] / 255  # (n, h, w, 1)
    text, characters = transformer.windows("\n".join(collect.load("tiny-shakespeare").data)[:70_000], 64)
    networks = {
        "dense VAE, two layers of 64 x the factor": (
            lambda width: vae.dense_vae(latent_size=LATENTS, width=64 * width),
            x,
            True,
            40,
        ),
        "convolutional VAE, width 8 x the factor": (
            lambda width: vae.convolutional_vae(latent_size=LATENTS, width=8 * width),
            x,
            False,
            15,
        ),
        "Transformer, width 16 x the factor": (
            lambda width: transformer.character_model(len(characters), 64, 16 * width),
            text[: 10 * BATCH],
            True,
            5,
        ),
    }
    for name, (build, data, xla, steps) in networks.items():
        ways, sizes = {}, {}
        for factor in factors:
            run = timed(lambda factor=factor, build=build: build(factor), data, steps, xla)
            ways[factor] = lambda run=run, steps=steps: run() / steps
            sizes[factor] = f"{sum(math.prod(each.shape) for each in build(factor).trainable_variables):,}"
        measured = table.rounds(ways, rounds)
        tell(
            f"A step of the {name} (batch {BATCH}), {rounds} rounds",
            measured,
            "factor",
            "ms a step",
            1000.0,
            {"parameters": sizes},
        )


def to_a_score(counts: list[int], steps: int = 600, reports: int = 12) -> None:
    """When a VAE first has a held-out negative ELBO of TARGET nats an image, and how low it got."""
    training, validation, _ = collect.load("quickdraw").split(seed=0)
    x, held_out = training.arrays()[0], validation.arrays()[0]
    rows = []
    for count in [each for each in counts if each < len(x)] + [len(x)]:
        model = small_vae()
        seen: list[float] = []

        def measure(model=model, seen=seen) -> dict[str, float]:
            seen.append(-float(model.elbo(held_out).mean()))
            return {"held_out": seen[-1]}

        history = train.fit(
            model,
            x[:count],
            steps=steps,
            batch_size=BATCH,
            reports=reports,
            measure=measure,
            jit_compile=True,
            progress=False,
        )
        scores, places = history.table["held_out"].to_numpy(), history.table["step"].to_numpy()
        reached = int(np.argmax(scores <= TARGET)) if (scores <= TARGET).any() else None
        rows.append(
            [
                f"{count:,}",
                f"{steps * BATCH / count:,.0f}",
                "never" if reached is None else f"step {places[reached]}",
                f"{scores.min():.1f} at step {places[scores.argmin()]}",
                f"{scores[-1]:.1f}",
            ]
        )
    table.show(
        f"The same {steps} steps on more drawings, one seed: held-out negative ELBO in nats (lower: better)",
        ["drawings", "epochs", f"{TARGET:g} nats first reached", "best", "at the end"],
        rows,
    )
    print("\nEvery row costs the same time. An epoch of more images takes longer, but fewer are needed.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 3000, 10_000, 30_000, 100_000])
    parser.add_argument("--widths", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--score", action="store_true", help="also train to a fixed held-out score")
    chosen = parser.parse_args()
    by_images(sorted(chosen.images), chosen.rounds)
    by_width(sorted(chosen.widths), chosen.rounds)
    print(
        "\nSmall sizes are dominated by a fixed cost of each call and each operation, so a line through all "
        "sizes rises less steeply than the cost of large ones: read the local exponents. Proportional to the "
        "images is 1; a step whose time were all multiplications of width by width would have 2."
    )
    if chosen.score:
        to_a_score([each for each in sorted(chosen.images) if each <= 10_000])


if __name__ == "__main__":
    main()
