"""The GAN in one compiled loop beside the usual loop of two passes: time of a step, and the scores.

    python benchmarks/gan_step.py [steps] [seeds] [pairs]

Same networks, batch, data and learning rate, side by side in one run. The usual loop is one ``tf.function``
a step: fakes for the discriminator, its update, new fakes, the generator's update against the discriminator
that has just moved (*alternating*). Ours makes the fakes once and moves both players at once
(*simultaneous*), many steps in one call. That changes the mathematics, hence the KID of both to held-out
drawings, over seeds. The pairs, or the first so many: with the gradient penalty on the whole batch; with ours
on a quarter of it (the default of ``gan.dcgan``: the same expectation, more variance); without a penalty; and
ours for a third more steps, which is the time that the usual loop takes.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import table

from aigc_lab import collect, evaluate, train
from aigc_lab.models import gan

BENCH = ["40", "3", "2"]
QUICK = ["20", "2", "1"]

RATE, BATCH = 4e-3, 64


def two_passes(model, x: np.ndarray, steps: int, seed: int) -> float:
    """The loop of the tutorials; returns the seconds of all steps but the first, which compiles."""
    import keras
    import tensorflow as tf

    def optimizer():
        schedule = keras.optimizers.schedules.CosineDecay(RATE, steps, alpha=0.02)
        return keras.optimizers.Adam(schedule, beta_1=model.momentum)

    players = {"discriminator": optimizer(), "generator": optimizer()}
    for name, each in players.items():
        each.build(getattr(model, name).trainable_variables)

    @tf.function
    def step(real):
        z = tf.random.normal((BATCH, model.latent_size))
        with tf.GradientTape() as tape:
            fake = model.generator(z, training=True)
            real_logits, fake_logits = (model.discriminator(each, training=True) for each in (real, fake))
            loss = gan.discriminator_loss(real_logits, fake_logits)
            if model.penalty:
                mix = tf.random.uniform((BATCH, 1, 1, 1))
                cut_off = tf.stop_gradient(fake)
                loss += model.penalty * gan.gradient_penalty(model.discriminator, real, cut_off, mix)
        weights = model.discriminator.trainable_variables
        players["discriminator"].apply(tape.gradient(loss, weights), weights)
        z = tf.random.normal((BATCH, model.latent_size))
        with tf.GradientTape() as tape:
            fake_logits = model.discriminator(model.generator(z, training=True), training=True)
            loss = gan.generator_loss(fake_logits)
        weights = model.generator.trainable_variables
        players["generator"].apply(tape.gradient(loss, weights), weights)

    tf.random.set_seed(seed)
    order = np.random.default_rng(seed)
    begun = 0.0
    for number in range(steps):
        step(tf.constant(x[order.integers(len(x), size=BATCH)]))
        if number == 0:
            begun = time.perf_counter()
    return time.perf_counter() - begun


def one_pass(model, x: np.ndarray, steps: int, seed: int) -> float:
    """Ours; returns the seconds of all steps but the first fifth, in which the loop is compiled."""
    options = {"batch_size": BATCH, "learning_rate": RATE, "seed": seed, "progress": False}
    table = train.fit(model, x, steps=steps, reports=5, **options).table
    seconds = table["seconds"].iloc[-1] - table["seconds"].iloc[0]
    return seconds * (steps - 1) / (steps - table["step"].iloc[0])


WHOLE, QUARTER, NONE = {"penalty_share": 1.0}, {"penalty_share": 0.25}, {"penalty": 0.0, "spectral": False}
# Ours does not cost what the usual loop costs: a last way has the steps for which that loop would be paid.
LONGER = 4 / 3
WAYS = {
    "two passes, penalty": (two_passes, WHOLE),
    "one pass, penalty": (one_pass, WHOLE),
    "one pass, penalty on a quarter": (one_pass, QUARTER),
    "two passes, no penalty": (two_passes, NONE),
    "one pass, no penalty": (one_pass, NONE),
    "one pass, quarter, a third more steps": (one_pass, QUARTER),
}
PAIRS = (
    ("one pass, penalty", "two passes, penalty"),
    ("one pass, penalty on a quarter", "two passes, penalty"),
    ("one pass, no penalty", "two passes, no penalty"),
    ("one pass, quarter, a third more steps", "two passes, penalty"),
)


def main(steps: int = 600, seeds: int = 3, pairs: int = len(PAIRS)) -> None:
    asked = [way for pair in PAIRS[:pairs] for way in pair]
    ways = {name: way for name, way in WAYS.items() if name in asked}
    training, _, test = collect.load("quickdraw").split(seed=0)
    x, held_out = training.arrays()[0], test.arrays()[0]
    real = evaluate.features(np.random.default_rng(0).permutation(held_out)[:900])
    speed = {name: [] for name in ways}
    distance = {name: [] for name in ways}
    for way, options in ways.values():  # the first training of a process is slow
        way(gan.dcgan(**options), x, 20, 0)
    for seed in range(seeds):
        # Side by side, so that a busy machine slows all.
        for name, (way, options) in ways.items():
            model = gan.dcgan(seed=seed, **options)
            count = round(steps * LONGER) if "more steps" in name else steps
            speed[name].append((count - 1) / way(model, x, count, seed))
            drawn = evaluate.features(model.sample(900, seed=seed))
            distance[name].append(evaluate.kid(real, drawn, resamples=0).value)
            print(f"  seed {seed} {name}", file=sys.stderr, flush=True)
    rows = []
    for ours, usual in PAIRS[:pairs]:
        spent = {way: 1000 / np.array(speed[way]) for way in (ours, usual)}  # ms a step
        change = evaluate.seed_interval(np.subtract(distance[ours], distance[usual]))
        rows.append(
            [
                f"{ours}, beside {usual}",
                table.spread(spent[ours], 1),
                table.spread(spent[usual], 1),
                table.spread(table.ratios(spent[usual], spent[ours])),
                f"{change.value:+.4f} [{change.low:+.4f}, {change.high:+.4f}]",
            ]
        )
    table.show(
        f"{steps} steps of {BATCH} images, {seeds} seeds",
        [
            "ours, beside the usual loop",
            "ours, ms",
            "usual, ms",
            "time over ours",
            "KID, ours less usual (95 %)",
        ],
        rows,
    )
    print("\nKID is of 900 drawings to 900 held-out ones; lower is better. After few steps it says little.")


if __name__ == "__main__":
    main(*(int(each) for each in sys.argv[1:]))
