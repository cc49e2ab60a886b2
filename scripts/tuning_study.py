"""The studies behind notebook 13, run again: four tables in aigc_lab/study/stored come from here.

    python scripts/tuning_study.py --folder FOLDER           # all of them, about half an hour on two cores
    python scripts/tuning_study.py --folder FOLDER --only tuning_default
    python scripts/tuning_study.py --folder FOLDER --store   # then replace the stored tables

It can be stopped at any time: called again with the same folder, it goes on where it was. Without ``--store``
nothing in the package is changed. What is trained (``STEPS`` to ``trained``) stands on notebook 13's page
too, word for word: a test compares the two.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from functools import lru_cache
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import CategoricalDistribution, FloatDistribution

from aigc_lab import collect, evaluate, study, train
from aigc_lab.models import gan, vae
from aigc_lab.train import tune

STEPS = 240  # of a whole trial
SPACE = {
    "learning_rate": FloatDistribution(1e-4, 3e-2, log=True),
    "width": CategoricalDistribution([512, 128, 256, 64]),
    "latent_size": CategoricalDistribution([10, 40, 20, 5]),
    "schedule": CategoricalDistribution(["cosine", "constant", "step", "warm-up"]),
    "placebo": FloatDistribution(0.0, 1.0),  # never read
}
DEFAULT = {"learning_rate": 3e-3, "width": 512, "latent_size": 10, "schedule": "cosine", "placebo": 0.5}


@lru_cache(maxsize=2)
def parts(split):
    """Images (n, 28, 28, 1) and labels of three parts; equal images never stand in two of them."""
    animals = collect.load("animals").only("bird", "cat", "elephant", "giraffe")
    counts = {"training": 1200, "validation": 200, "test": 1500}
    found = {}
    for place, part in enumerate(animals.split((0.45, 0.1, 0.45), seed=split)):
        name, count = list(counts.items())[place]
        chosen = np.random.default_rng((split, place)).permutation(len(part))[:count]
        found[name] = part[chosen].arrays()
    return found


@lru_cache(maxsize=16)
def trainer(width, latent_size, xla):
    """One compiled trainer for each shape of network; learning rates are given to it as numbers."""
    model = vae.dense_vae(width=width, latent_size=latent_size)
    return train.Trainer(model, steps=STEPS, batch_size=32, schedule="constant", jit_compile=xla)


def trained(settings, seed, split=0, trial=None, xla=True):
    """Train once: the model, and the ELBO (nats per image) of validation and of test images."""
    shape = {"width": settings["width"], "latent_size": settings["latent_size"]}
    machine = trainer(**shape, xla=xla)
    (x, _), (x_validation, _), (x_test, _) = parts(split).values()
    reported = iter(range(STEPS // 4, STEPS + 1, STEPS // 4))

    def measure():
        value = float(machine.model.elbo(x_validation, samples=2).mean())
        if trial is not None:
            trial.report(value, next(reported))
            if trial.should_prune():
                raise optuna.TrialPruned
        return {"elbo": value}

    history = machine.fit(
        vae.dense_vae(**shape, seed=seed), x, seed=seed, reports=4, measure=measure,
        rates=train.rates(settings["schedule"], STEPS, settings["learning_rate"]),
    )  # fmt: skip
    return machine.model, history.last("elbo"), float(machine.model.elbo(x_test, samples=2).mean())


# -- what only the stored tables need --------------------------------------------------------------------

SPLITS = range(5)
BUDGET = 18 * STEPS
SEEN, FRESH = 100, 600  # real images that KID is seen on, and those that it is checked on
FRESH_SEEDS = range(3)  # a chosen configuration is trained again so many times
DEFAULT_RUNS = 40
GAN_SEEDS, GAN_STEPS, CHECKPOINTS = range(4), 1000, 50


def grid(seed: int) -> list[dict]:
    """18 combinations of the middles of equal cells of each range (of its logarithm), in random order."""
    rates = [1e-4 * 300 ** ((place + 0.5) / 3) for place in range(3)]
    axes = [rates, [512, 128], [10, 40, 20], ["cosine"], [0.5]]
    points = [dict(zip(SPACE, point, strict=True)) for point in itertools.product(*axes)]
    return [points[place] for place in np.random.default_rng(seed).permutation(len(points))]


@lru_cache(maxsize=2)
def real_features(split: int) -> tuple[np.ndarray, np.ndarray]:
    """Features of the validation images that KID is seen on, and of the test images that check it."""
    seen, fresh = parts(split)["validation"][0][:SEEN], parts(split)["test"][0][:FRESH]
    return evaluate.features(seen), evaluate.features(fresh)


def sample_scores(sample, split: int, seed: int) -> dict[str, float]:
    """KID on the images that are looked at and on fresh ones, precision and recall on fresh ones."""
    seen, fresh = real_features(split)
    first, other = evaluate.features(sample(2 * SEEN, seed)), evaluate.features(sample(FRESH, seed + 1))
    precision, recall = evaluate.manifold_values(evaluate.pair_distances(fresh, other))[:2]
    kid = {
        name: evaluate.kid(real, fake, resamples=0).value
        for name, real, fake in (("kid_seen", seen, first), ("kid_fresh", fresh, other))
    }
    return kid | {"precision_fresh": float(precision), "recall_fresh": float(recall)}


def searches(folder: Path) -> pd.DataFrame:
    """Three ways of searching with the same budget of steps, on five splits of the data."""
    found = []
    for split, method in itertools.product(SPLITS, ("random", "grid", "tpe")):

        def objective(trial, split=split, method=method):
            seed = trial.user_attrs["seed"]
            model, value, test = trained(trial.params, seed, split, trial)
            scores = (
                sample_scores(lambda n, s: model.sample(n, seed=s), split, seed) if method == "random" else {}
            )
            for name, score in {"test": test, **scores}.items():
                trial.set_user_attr(name, score)
            return value

        result = tune.search(
            objective,
            SPACE,
            budget=BUDGET,
            steps=STEPS,
            sampler=None if method == "tpe" else lambda seed: optuna.samplers.RandomSampler(seed=seed),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4) if method == "tpe" else None,
            seed=split,
            first=grid(split) if method == "grid" else (),
            file=folder / f"{method}-{split}.db",
        )
        table = tune.table(result, STEPS)
        found.append(table.head(18 if method == "grid" else len(table)).assign(method=method, split=split))
        print(split, method, len(table), result.best_value, flush=True)
    return pd.concat(found, ignore_index=True)


def again(folder: Path) -> pd.DataFrame:
    """The best configuration of each search, and the default, with fresh seeds."""
    complete = searches(folder).query("state == 'complete'")
    best = complete.loc[complete.groupby(["split", "method"], sort=False)["value"].idxmax()]
    chosen = [
        (row["split"], row["method"], {name: row[name] for name in SPACE}) for _, row in best.iterrows()
    ]
    chosen += [(split, "default", DEFAULT) for split in SPLITS]
    return pd.concat([repeated(folder, *each, FRESH_SEEDS) for each in chosen], ignore_index=True)


def default(folder: Path) -> pd.DataFrame:
    """One configuration, many seeds: whatever differs is noise."""
    return repeated(folder, 0, "default", DEFAULT, range(DEFAULT_RUNS), scored=True)


def repeated(folder, split, method, settings, seeds, scored=False) -> pd.DataFrame:
    """One configuration trained with each of the seeds; what has ended is read, not made again."""
    path = folder / f"again-{split}-{method}-{len(seeds)}.parquet"
    if not path.exists():
        rows = []
        for seed in (1_000_000 + each for each in seeds):
            model, value, test = trained(settings, seed, split)
            row = {"split": split, "method": method, "seed": seed, **settings, "value": value, "test": test}
            scores = sample_scores(lambda n, s, m=model: m.sample(n, seed=s), split, seed) if scored else {}
            rows.append(row | scores)
        study.write_table(pd.DataFrame(rows), path)
    return study.read_table(path)[0]


def checkpoints(folder: Path) -> pd.DataFrame:
    """The small conditional GAN of notebook 15, scored at fifty checkpoints of each of four trainings.

    ``near_copies``: the share of samples nearer to a training image than 99% of the test images are.
    """
    for seed in GAN_SEEDS:
        path = folder / f"gan-{seed}.parquet"
        if not path.exists():
            study.write_table(gan_checkpoints(seed), path)
    return pd.concat(
        [study.read_table(folder / f"gan-{seed}.parquet")[0] for seed in GAN_SEEDS], ignore_index=True
    )


def gan_checkpoints(seed: int) -> pd.DataFrame:
    options = {"penalty": 1.0, "penalty_share": 0.25, "momentum": 0.0, "spectral": False}
    model = gan.dcgan((28, 28, 1), 16, class_count=4, width=8, seed=seed, **options)
    x, labels = parts(0)["training"]
    known, (_, fresh) = evaluate.features(x), real_features(0)
    rows: list[dict[str, float]] = []

    def sample(count: int, sample_seed: int) -> np.ndarray:
        return model.sample(count, np.arange(count) % 4, seed=sample_seed)

    def measure() -> dict[str, float]:
        scores = sample_scores(sample, 0, 1000 * seed + 2 * len(rows))
        near = evaluate.copy_test(evaluate.features(sample(2 * SEEN, 7)), known, fresh).near_copies.value
        step = GAN_STEPS * (len(rows) + 1) / CHECKPOINTS
        rows.append({"split": 0, "seed": seed, "step": step, **scores, "near_copies": float(near)})
        return {}

    how = {"steps": GAN_STEPS, "batch_size": 32, "learning_rate": 8e-3, "reports": CHECKPOINTS}
    train.fit(model, x, labels, seed=seed, measure=measure, progress=False, **how)
    return pd.DataFrame(rows)


STUDIES = {
    "tuning_checkpoints": checkpoints,
    "tuning_default": default,
    "tuning_searches": searches,
    "tuning_again": again,
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--folder", required=True, type=Path, help="where finished parts lie, and where to go on"
    )
    parser.add_argument("--only", choices=sorted(STUDIES), nargs="*", help="these tables alone")
    parser.add_argument("--store", action="store_true", help="replace the tables in the package")
    chosen = parser.parse_args(arguments)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    for name in chosen.only or STUDIES:
        begun = time.perf_counter()
        table = STUDIES[name](chosen.folder)
        print(f"{name}: {len(table)} rows, {(time.perf_counter() - begun) / 60:.1f} minutes")
        if chosen.store:
            print("wrote", study.write_stored(name, table, Path(__file__).name, rows=len(table)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
