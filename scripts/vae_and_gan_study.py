"""VAE against GAN at equal time, over seeds: the stored table of notebook 09.

    python scripts/vae_and_gan_study.py [--seconds 16] [--seeds 3] [--ways ...] [--rows FILE ...] [--store]

Each way trains for the same seconds of one core (processor time, without compiling and measuring), and is
scored five times on the way against held-out drawings. The VAE is sampled as notebook 06 does: beta 0.3,
codes from a mixture fitted to each class. Rows of earlier calls are read from the files of ``--rows`` that
exist, those of this one are written to the last; ``--store`` replaces the table in ``aigc_lab/study/stored``.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for threads in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(threads, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402

RATE, BATCH, REPORTS = 1.5e-3, 64, 5
RATES = {"conditional GAN": 4e-3, "VAE": 3e-3}  # those of notebooks 09 and 06
GAN = {"choices": 16, "mapping": 2, "spread": True, "average": 0.1, "latent_size": 48}
CRITIC = {"loss": "wasserstein", "penalty": 10.0}


def make(way: str, seed: int) -> Any:
    """The untrained model of one way."""
    from aigc_lab.models import gan, vae

    if way == "VAE":
        return vae.convolutional_vae((28, 28, 1), 16, class_count=6, beta=0.3, seed=seed)
    if way == "conditional GAN":
        return gan.dcgan(latent_size=32, class_count=6, average=0.1, seed=seed)
    return gan.dcgan(**GAN, **(CRITIC if way.startswith("WGAN") else {}), seed=seed)


def rounds_of(model: Any, critic_steps: int) -> Callable[[np.ndarray, int], None]:
    """Rounds of WGAN-GP with several critic steps, after Gulrajani et al. 2017, algorithm 1."""
    import keras
    import tensorflow as tf

    from aigc_lab.models.gan import Wasserstein, gradient_penalty

    players = model.discriminator, model.generator
    optimizers = [keras.optimizers.Adam(RATE, beta_1=0.0) for _ in players]
    for player, optimizer in zip(players, optimizers, strict=True):
        optimizer.build(player.trainable_variables)
    critic, generator = players

    def move(place: int, loss: Callable[[], Any]) -> None:
        with tf.GradientTape() as tape:
            value = loss()
        variables = players[place].trainable_variables
        optimizers[place].apply(tape.gradient(value, variables), variables)

    @tf.function
    def run(images: Any, rounds: Any) -> None:
        for _ in tf.range(rounds):
            for _ in range(critic_steps):
                real = tf.gather(images, tf.random.uniform((BATCH,), 0, len(images), tf.int32))
                fake = generator(tf.random.normal((BATCH, model.latent_size)), training=True)
                quarter, mix = BATCH // 4, tf.random.uniform((BATCH // 4, 1, 1, 1))

                def critic_loss(real=real, fake=fake, quarter=quarter, mix=mix):
                    slopes = gradient_penalty(critic, real[:quarter], fake[:quarter], mix)
                    return Wasserstein.discriminator(critic(real), critic(fake)) + 10.0 * slopes

                move(0, critic_loss)
            latent = tf.random.normal((BATCH, model.latent_size))
            move(1, lambda latent=latent: Wasserstein.generator(critic(generator(latent, training=True))))
            model._take_average()

    return lambda images, rounds: run(tf.constant(images), tf.constant(rounds))


def one_run(way: str, seed: int, seconds: float, data: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of one training: steps and processor seconds so far, and the scores."""
    import keras

    from aigc_lab import train

    keras.utils.set_random_seed(seed)
    model, rows, steps, spent = make(way, seed), [], 0, 0.0
    labels = data["labels"] if getattr(model, "class_count", 0) else None
    if "5 critic steps" in way:
        run = rounds_of(model, 5)
    else:
        rate = RATES.get(way, RATE)
        trainer = train.Trainer(model, steps=10**6, batch_size=BATCH, learning_rate=rate, schedule="constant")
        batches = trainer.make_steps([data["x"]] if labels is None else [data["x"], labels])
        order = np.random.default_rng(seed)

        def run(_, count):
            batches(order.integers(len(data["x"]), size=(count, BATCH), dtype=np.int32))

    run(data["x"], 20)  # compiles
    while len(rows) < REPORTS:
        while spent < seconds * (len(rows) + 1) / REPORTS:
            begun = time.process_time()
            run(data["x"], 20)
            spent, steps = spent + time.process_time() - begun, steps + 20
        about = {"way": way, "seed": seed, "step": steps, "seconds": round(spent, 2)}
        rows.append(about | {name: float(each) for name, each in scores(model, way, seed, data).items()})
        print(rows[-1], flush=True)
    return rows


def scores(model: Any, way: str, seed: int, data: dict[str, Any]) -> dict[str, float]:
    """KID, precision, recall, share named with confidence, label control, sharpness; of 900 samples."""
    from aigc_lab import evaluate
    from aigc_lab.models import vae

    wanted = np.arange(900) % 6
    if way == "VAE":
        mixture = vae.LatentMixture.fit(model, data["x"][:4000], data["labels"][:4000], seed=seed)
        images = model.decode(*mixture.sample(900, wanted, seed=seed))
    else:
        images = model.sample(900, wanted if model.class_count else None, seed=seed)
    drawn, classes = evaluate.feature_network.features_and_classes(images, "quickdraw")
    coverage = evaluate.precision_recall(data["real"], drawn, resamples=0)
    edges = [
        np.mean([np.abs(np.diff(each, axis=axis)).mean() for axis in (1, 2)])
        for each in (images, data["images"])
    ]
    return {
        "kid": evaluate.kid(data["real"], drawn, resamples=0).value,
        "precision": coverage.precision.value,
        "recall": coverage.recall.value,
        "named": float((classes.max(axis=1) > 0.9).mean()),
        "label_control": float((classes.argmax(axis=1) == wanted).mean())
        if getattr(model, "class_count", 0)
        else np.nan,
        "sharpness": float(edges[0] / edges[1]),
    }


WAYS = ("VAE", "conditional GAN", "DCGAN", "WGAN-GP, 1 critic step", "WGAN-GP, 5 critic steps")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=16.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=WAYS)
    parser.add_argument("--rows", nargs="*", type=Path, default=[])
    parser.add_argument("--store", action="store_true")
    arguments = parser.parse_args()
    import pandas as pd

    from aigc_lab import collect, evaluate, study

    training, _, test = collect.load("quickdraw").split(seed=0)
    mixed = np.random.default_rng(0).permutation(len(training))
    x, labels = (each[mixed] for each in training.arrays())
    images = test.arrays()[0][np.random.default_rng(0).permutation(len(test))[:900]]
    data = {"x": x, "labels": labels, "images": images, "real": evaluate.features(images)}
    rows = [row for path in arguments.rows if path.exists() for row in json.loads(path.read_text())]
    for way in arguments.ways:
        for seed in range(arguments.seeds):
            rows += one_run(way, seed, arguments.seconds, data)
    if arguments.rows:
        arguments.rows[-1].write_text(json.dumps(rows))
    if arguments.store:
        script = Path(__file__).name
        about = {"command": f"python scripts/{script} --store", "seconds": arguments.seconds}
        print(study.write_stored("vae_and_gan", pd.DataFrame(rows), script, **about))


if __name__ == "__main__":
    main()
