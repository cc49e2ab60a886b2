"""What notebook 13 tunes: a dense VAE and its space of settings, and a GAN judged by KID as it trains.

The searches of the stored tables use exactly these objectives, so a notebook can run any trial again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

CLASSES = ("bird", "cat", "elephant", "giraffe")
STEPS, BATCH_SIZE, REPORTS = 240, 32, 4  # of a whole trial
TRAINING, VALIDATION, TEST = 1200, 200, 1500  # pictures in each part
SEEN, FRESH = 100, 600  # real pictures that KID is seen on, and those that it is checked on
# What ``models.vae.dense_vae`` and ``train.fit`` do if nothing is said; the placebo is never read.
DEFAULT = {"learning_rate": 3e-3, "width": 512, "latent_size": 10, "schedule": "cosine", "placebo": 0.5}
GRID = {"learning_rate": 3, "width": 2, "latent_size": 3, "schedule": 1, "placebo": 1}  # 18 points


def space() -> dict[str, Any]:
    """The settings that are searched; ``DEFAULT`` lies inside. ``placebo`` is the floor."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    from aigc_lab.train import SCHEDULES

    return {
        "learning_rate": FloatDistribution(1e-4, 3e-2, log=True),
        "width": CategoricalDistribution([512, 128, 256, 64]),
        "latent_size": CategoricalDistribution([10, 40, 20, 5]),
        "schedule": CategoricalDistribution(list(SCHEDULES)),
        "placebo": FloatDistribution(0.0, 1.0),
    }


@lru_cache(maxsize=2)
def parts(split: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Pictures ``(n, 28, 28, 1)`` in [0, 1] and labels of ``training``, ``validation`` and ``test``.

    Equal pictures never stand in two parts. Each ``split`` deals the animals anew, always in equal numbers.
    """
    from aigc_lab import collect

    cut = collect.load("animals").only(*CLASSES).split((0.45, 0.1, 0.45), seed=split)
    found = {}
    counts = {"training": TRAINING, "validation": VALIDATION, "test": TEST}
    for place, ((name, count), part) in enumerate(zip(counts.items(), cut, strict=True)):
        chosen = np.random.default_rng((split, place)).permutation(len(part))[:count]
        found[name] = part[chosen].arrays()
    return found


@lru_cache(maxsize=2)
def features(split: int) -> tuple[np.ndarray, np.ndarray]:
    """Features of the validation pictures that KID is seen on, and of the test pictures that check it."""
    from aigc_lab import evaluate

    seen, fresh = parts(split)["validation"][0][:SEEN], parts(split)["test"][0][:FRESH]
    return evaluate.features(seen), evaluate.features(fresh)


@lru_cache(maxsize=16)
def trainer(width: int, latent_size: int, compiled: bool) -> Any:
    """One trainer for each shape of network; learning rates are given to it as numbers."""
    from aigc_lab import models, train

    model = models.vae.dense_vae(latent_size=latent_size, width=width)
    return train.Trainer(model, steps=STEPS, batch_size=BATCH_SIZE, schedule="constant", jit_compile=compiled)


@dataclass(frozen=True)
class VaeObjective:
    """Train a dense VAE for ``STEPS`` steps; the value is the ELBO of the validation pictures, in nats.

    Beside it stands ``test``, the ELBO of pictures that no search may look at.

    Args:
        split: which part of the animals is for what.
        drawings: also score samples: ``kid_seen`` (200 samples against ``SEEN`` validation pictures) and,
            with other samples against ``FRESH`` test pictures, ``kid_fresh`` and ``recall_fresh``.
        compiled: with XLA: faster for each trial, 4 seconds more for each new shape of network.
    """

    split: int = 0
    drawings: bool = False
    compiled: bool = False

    def __call__(self, trial: Any) -> tuple[float, dict[str, float]]:
        from aigc_lab import models, train

        settings = trial.parameters
        shape = {"width": settings["width"], "latent_size": settings["latent_size"]}
        machine = trainer(shape["width"], shape["latent_size"], self.compiled)
        (x, _), (x_validation, _), (x_test, _) = parts(self.split).values()
        done = iter(np.linspace(0, STEPS, REPORTS + 1).round().astype(int)[1:])

        def elbo(pictures: np.ndarray) -> float:
            return float(machine.model.elbo(pictures, samples=2).mean())

        def measure() -> dict[str, float]:
            value = elbo(x_validation)
            trial.report(int(next(done)), value)
            return {"validation_elbo": value}

        history = machine.fit(
            models.vae.dense_vae(**shape, seed=trial.seed),
            x,
            seed=trial.seed,
            reports=REPORTS,
            measure=measure,
            rates=train.rates(settings["schedule"], STEPS, settings["learning_rate"]),
        )
        more = {"test": elbo(x_test)}
        if self.drawings:
            more |= drawing_scores(
                lambda count, seed: machine.model.sample(count, seed=seed), self.split, trial.seed
            )
        return history.last("validation_elbo"), more


def drawing_scores(sample: Any, split: int, seed: int) -> dict[str, float]:
    """KID on the few pictures that are looked at, and on fresh ones; recall on fresh ones.

    ``sample(count, seed)`` gives float pictures ``(count, 28, 28, 1)``.
    """
    from aigc_lab import evaluate

    seen, fresh = features(split)
    first = evaluate.features(sample(2 * SEEN, seed))
    other = evaluate.features(sample(FRESH, seed + 1))

    def kid(real: np.ndarray, fake: np.ndarray) -> float:
        return float(evaluate.squared_discrepancy(evaluate.kernel_means(real, fake)))

    distances = evaluate.pair_distances(fresh, other)
    precision, recall = evaluate.manifold_values(distances)[:2]
    return {
        "kid_seen": kid(seen, first),
        "kid_fresh": kid(fresh, other),
        "precision_fresh": float(precision),
        "recall_fresh": float(recall),
    }


def gan_checkpoints(split: int, seed: int, steps: int = 1000, checkpoints: int = 50) -> Any:
    """Train the small conditional GAN of notebook 15, and score it at each checkpoint.

    Returns:
        A table with ``split``, ``seed``, ``step``, the columns of ``drawing_scores`` and ``near_copies``: the
        share of samples nearer to a training picture than 99% of the test pictures are.
    """
    import pandas as pd

    from aigc_lab import evaluate
    from aigc_lab.study.kinds import KINDS, trainer

    kind = KINDS["gan"]
    machine = trainer("gan", (28, 28, 1), len(CLASSES), steps)
    x, labels = parts(split)["training"]
    known = evaluate.features(x)
    _, fresh = features(split)
    rows: list[dict[str, float]] = []

    def sample(count: int, sample_seed: int) -> np.ndarray:
        return machine.model.sample(count, np.arange(count) % len(CLASSES), seed=sample_seed)

    def measure() -> dict[str, float]:
        row = drawing_scores(sample, split, 1000 * seed + 2 * len(rows))
        drawn = evaluate.features(sample(SEEN * 2, 7))
        row["near_copies"] = float(evaluate.copy_test(drawn, known, fresh).near_copies.value)
        rows.append({"split": split, "seed": seed, "step": steps * (len(rows) + 1) / checkpoints, **row})
        return row

    machine.fit(
        kind.build((28, 28, 1), len(CLASSES), seed),
        x,
        labels,
        seed=seed,
        reports=checkpoints,
        measure=measure,
        progress=False,
    )
    return pd.DataFrame(rows)
