"""Quality for time: which VAE reaches which held-out score after so many seconds of training.

    python benchmarks/vae_quality_for_time.py [--seeds 3] [--marks 15 30 60 120]

Two designs that learners meet elsewhere, written afresh from their description, against ours at the same
latent size, on the same split, one after the other on the same cores:

- 20 latent dimensions: a dense network 784-400-20-400-784;
- 2 latent dimensions: two strided convolutions, a dense layer of 16 units, and transposed convolutions back.

Both train with Adam at 1e-3 and batch 128, one compiled step a batch in a Python loop. Ours are
``convolutional_vae`` under ``train.fit``, whose learning rate falls to its end within the time that is given:
so each mark is a run of its own. Training alone is on the clock, compilation included; the score is the
held-out negative ELBO in nats per image, the same estimator for all. The reference keeps its best score too,
since a run that is too long overfits. Goal: ours reaches the reference's value of the last mark within a
quarter of that time. (What a step takes: ``training_step.py``.)
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import table
import tensorflow as tf
from keras import layers

from aigc_lab import collect, train
from aigc_lab.models import vae

BENCH = ["--seeds", "1", "--marks", "2.5", "10"]
QUICK = ["--seeds", "1", "--marks", "2", "4"]

BATCH = 128


def dense_reference(seed: int) -> vae.VAE:
    """784-400-20 and back, with rectified units."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((28, 28, 1))
    hidden = layers.Dense(400, activation="relu")(layers.Flatten()(image))
    encoder = keras.Model([image], [layers.Dense(20)(hidden), layers.Dense(20)(hidden)])
    latent = keras.Input((20,))
    pixels = layers.Dense(784)(layers.Dense(400, activation="relu")(latent))
    return vae.VAE(encoder, keras.Model([latent], layers.Reshape((28, 28, 1))(pixels)), seed=seed)


def convolutional_reference(seed: int) -> vae.VAE:
    """Two strided convolutions to 2 latent dimensions through 16 units, and transposed ones back."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((28, 28, 1))
    hidden = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(image)
    hidden = layers.Conv2D(64, 3, strides=2, padding="same", activation="relu")(hidden)
    hidden = layers.Dense(16, activation="relu")(layers.Flatten()(hidden))
    encoder = keras.Model([image], [layers.Dense(2)(hidden), layers.Dense(2)(hidden)])
    latent = keras.Input((2,))
    hidden = layers.Reshape((7, 7, 64))(layers.Dense(7 * 7 * 64, activation="relu")(latent))
    hidden = layers.Conv2DTranspose(64, 3, strides=2, padding="same", activation="relu")(hidden)
    hidden = layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu")(hidden)
    pixels = layers.Conv2DTranspose(1, 3, padding="same")(hidden)
    return vae.VAE(encoder, keras.Model([latent], pixels), seed=seed)


class PlainLoop:
    """The loop of the tutorials: ``tf.data`` brings a shuffled batch, one compiled step trains on it."""

    def __init__(self, model: vae.VAE, x: np.ndarray, seed: int) -> None:
        self.model = model
        optimizer = keras.optimizers.Adam(1e-3)
        optimizer.build(model.trainable_variables)
        data = tf.data.Dataset.from_tensor_slices(x).shuffle(len(x), seed=seed)
        self.batches = iter(data.batch(BATCH, drop_remainder=True).repeat().prefetch(tf.data.AUTOTUNE))

        @tf.function
        def step(batch):
            with tf.GradientTape() as tape:
                terms = model.loss_terms(batch, model(batch, training=True))
            gradients = tape.gradient(terms["loss"], model.trainable_variables)
            optimizer.apply(gradients, model.trainable_variables)
            return terms["loss"]

        self.step = step

    def run(self, steps: int) -> None:
        for _ in range(steps):
            loss = self.step(next(self.batches))
        float(loss)

    def score(self, x: np.ndarray) -> float:
        return -float(self.model.elbo(x).mean())


def scores_at(loop: Any, held_out: np.ndarray, marks: list[float], begun: float) -> list[dict[str, float]]:
    """Train without a break but for the scores, whose time is off the clock."""
    rows, off_the_clock, steps = [], 0.0, 0
    for mark in marks:
        while time.perf_counter() - begun - off_the_clock < mark:
            loop.run(20)
            steps += 20
        seconds = time.perf_counter() - begun - off_the_clock
        paused = time.perf_counter()
        rows.append({"seconds": seconds, "steps": steps, "score": loop.score(held_out)})
        off_the_clock += time.perf_counter() - paused
    return rows


def ours_at(
    build: Callable[[], vae.VAE], x: np.ndarray, held_out: np.ndarray, mark: float, seed: int
) -> dict[str, float]:
    """One run that is planned to end at ``mark`` seconds, from a short trial of the speed off the clock."""
    options = {"batch_size": OUR_BATCH, "seed": seed, "progress": False, "reports": 2}
    trial = train.fit(build(), x, steps=240, **options).table["seconds"]
    speed = 120 / (trial[1] - trial[0])
    compiling = max(0.0, trial[0] - 120 / speed)
    steps = max(20, int((mark - compiling) * speed))
    begun = time.perf_counter()
    model = build()
    train.fit(model, x, steps=steps, learning_rate=OUR_RATE, **options)
    seconds = time.perf_counter() - begun
    return {"seconds": seconds, "steps": steps, "score": -float(model.elbo(held_out).mean())}


OUR_BATCH, OUR_RATE = 64, 3e-3


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--marks", type=float, nargs="+", default=[15, 30, 60, 120])
    chosen = arguments.parse_args()
    marks = sorted(chosen.marks)
    training, _, test = collect.load("quickdraw").split(seed=0)
    x, held_out = training.arrays()[0], test.arrays()[0]
    print(f"quickdraw, six classes: {len(x):,} to train on, {len(held_out):,} held out.")
    told: list[list[str]] = []
    remarks: list[str] = []
    for latent_size, build in ((20, dense_reference), (2, convolutional_reference)):
        for seed in range(chosen.seeds):
            begun = time.perf_counter()
            reference = scores_at(PlainLoop(build(seed), x, seed), held_out, marks, begun)

            def new(latent_size: int = latent_size, seed: int = seed) -> vae.VAE:
                return vae.convolutional_vae(latent_size=latent_size, width=32, seed=seed)

            # The first seed runs to every mark; the others to those that the goal is about.
            ours = [
                ours_at(new, x, held_out, mark, seed) for mark in marks if seed == 0 or mark <= marks[-1] / 4
            ]
            for who, rows in (("reference", reference), ("ours", ours)):
                cells = {mark: "" for mark in marks} | {
                    min(marks, key=lambda mark, row=row: abs(mark - row["seconds"])): f"{row['score']:.2f}"
                    for row in rows
                }
                told.append([str(latent_size), str(seed), who, *cells.values()])
            print(f"  latent size {latent_size}, seed {seed}", file=sys.stderr, flush=True)
            quarter = ours[[row["seconds"] <= 1.05 * marks[-1] / 4 for row in ours].count(True) - 1]
            last, best = reference[-1], min(row["score"] for row in reference)
            remarks.append(
                f"{latent_size} latents, seed {seed}: ours after {quarter['seconds']:.0f} s has "
                f"{quarter['score']:.2f} nats, the reference after {last['seconds']:.0f} s "
                f"{last['score']:.2f} (its best: {best:.2f})."
            )
    table.show(
        "Held-out negative ELBO in nats after so many seconds of training (lower is better)",
        ["latents", "seed", "design", *(f"{mark:g} s" for mark in marks)],
        told,
    )
    print("\n" + "\n\n".join(remarks))


if __name__ == "__main__":
    main()
