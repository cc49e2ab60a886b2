"""Steps a second of the GAN in one compiled loop beside the usual two-pass loop, and the scores of both.

    python benchmarks/gan_step.py [steps] [seeds]

Same networks, batch, data and learning rate. The usual loop is one ``tf.function`` a step: fakes for the
discriminator, its update, new fakes, the generator's update against the discriminator that has just moved
(*alternating*). Ours makes the fakes once and moves both players at once (*simultaneous*), many steps in one
call. That changes the mathematics, hence the KID of both to held-out drawings, over seeds.
"""

from __future__ import annotations

import platform
import sys
import time

import numpy as np

from aigc_lab import collect, evaluate, train
from aigc_lab.models import gan

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
            mix = tf.random.uniform((BATCH, 1, 1, 1))
            penalty = gan.gradient_penalty(model.discriminator, real, tf.stop_gradient(fake), mix)
            loss = gan.discriminator_loss(real_logits, fake_logits) + model.penalty * penalty
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


def main(steps: int = 600, seeds: int = 3) -> None:
    print(f"{steps} steps of {BATCH}, {seeds} seeds, on {platform.machine()} CPU")
    training, _, test = collect.load("quickdraw").split(seed=0)
    x, held_out = training.arrays()[0], test.arrays()[0]
    real = evaluate.features(np.random.default_rng(0).permutation(held_out)[:900])
    rows = {"one pass": [], "two passes": []}
    for seed in range(seeds):
        # Side by side, so that a busy machine slows both.
        for name, scores in rows.items():
            model = gan.dcgan(seed=seed)
            if name == "one pass":
                options = {"batch_size": BATCH, "learning_rate": RATE, "seed": seed, "progress": False}
                table = train.fit(model, x, steps=steps, reports=5, **options).table
                # Without the first fifth, in which the loop is compiled.
                seconds = (table["seconds"].iloc[-1] - table["seconds"].iloc[0]) / (
                    steps - table["step"].iloc[0]
                )
            else:
                seconds = two_passes(model, x, steps, seed) / (steps - 1)
            drawn = evaluate.features(model.sample(900, seed=seed))
            scores.append((1 / seconds, evaluate.kid(real, drawn, resamples=0).value))
            print(
                f"seed {seed} {name:<11} {scores[-1][0]:6.1f} steps a second, KID {scores[-1][1]:.4f}",
                flush=True,
            )
    one, two = (np.array(each) for each in rows.values())
    ratio, change = (
        evaluate.seed_interval(one[:, 0] / two[:, 0]),
        evaluate.seed_interval(one[:, 1] - two[:, 1]),
    )
    print(f"one pass is {ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}] times as fast")
    print(f"its KID is {change.value:+.4f} [{change.low:+.4f}, {change.high:+.4f}] higher")


if __name__ == "__main__":
    main(*(int(each) for each in sys.argv[1:]))
