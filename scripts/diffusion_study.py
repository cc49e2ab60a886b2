"""Diffusion against VAE and GAN at equal time, over seeds: the stored table of notebook 22.

    python scripts/diffusion_study.py [--steps 1100] [--seeds 0 1 2] [--ways ...] [--rows FILE ...] [--store]

Each way trains for the processor time that so many steps of diffusion take (1,100 are about 110 s on two
cores; the times of a step are measured in turns), along a cosine to the end, and is judged against held-out
drawings. The VAE is sampled as notebook 06 does: codes from a mixture fitted to each class. The first
diffusion model is also drawn from with other samplers and numbers of steps. Rows of earlier calls are read
from the files of ``--rows`` that exist, those of this one are written to the last; ``--store`` replaces the
table in ``aigc_lab/study/stored``.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

for threads in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(threads, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402
from train_stored_models import drawings_parts, judged_drawings  # noqa: E402

# learning rate, batch size: those of notebooks 22, 09 and 06
WAYS = {"diffusion": (2e-3, 32), "conditional GAN": (4e-3, 64), "VAE": (3e-3, 64)}
FIRST = {"sampler": "ddpm", "steps": 20}  # of the main table
CURVE = [
    *(("heun", steps) for steps in (5, 10, 20)),
    *(("euler", steps) for steps in (10, 20, 50)),
    *(("ddpm", steps) for steps in (10, 20, 50)),
]


def make(way: str, seed: int) -> Any:
    """The untrained model of one way."""
    from aigc_lab import models

    if way == "diffusion":
        return models.diffusion.unet(class_count=6, seed=seed)
    if way == "VAE":
        return models.vae.convolutional_vae(latent_size=16, class_count=6, beta=0.3, seed=seed)
    return models.gan.dcgan(latent_size=32, class_count=6, average=0.1, seed=seed)


class DrawnFromCodes:
    """A VAE that draws from where the codes of each class lie."""

    def __init__(self, model: Any, images: np.ndarray, labels: np.ndarray, seed: int) -> None:
        from aigc_lab.models import vae

        self.model = model
        self.mixture = vae.LatentMixture.fit(model, images[:4000], labels[:4000], seed=seed)

    def sample(self, n: int, labels: Any, seed: int) -> np.ndarray:
        asked = np.broadcast_to(labels, (n,))
        return self.model.decode(*self.mixture.sample(n, asked, seed=seed))


def only_values(scores: dict[str, Any]) -> dict[str, float]:
    """The scores without their intervals, which say nothing about another training."""
    return {name: each[0] if isinstance(each, list) else each for name, each in scores.items()}


def kid_of_600(model: Any, held_out: Any, sampler: str, steps: int) -> dict[str, float]:
    """KID and the seconds a drawing, for one sampler."""
    from aigc_lab import evaluate

    labels = held_out.labels[np.random.default_rng(0).permutation(len(held_out))[:600]]
    begun = time.process_time()
    drawn = model.sample(600, labels, sampler=sampler, steps=steps)
    spent = time.process_time() - begun
    real = evaluate.features(held_out.arrays()[0])
    kid = evaluate.kid(real, evaluate.features(drawn), resamples=0).value
    return {"kid": kid, "seconds a drawing": spent / 600}


def step_times(ways: list[str], parts: Any, rounds: int = 5) -> dict[str, float]:
    """Processor seconds of a training step of each way: the least of some rounds, the ways by turns."""
    from aigc_lab import train

    images, labels = parts[0].arrays()
    runs, chosen, found = {}, {}, {}
    for way in ways:
        batch_size = WAYS[way][1]
        chosen[way] = np.random.default_rng(0).integers(len(images), size=(10, batch_size), dtype=np.int32)
        trainer = train.Trainer(make(way, 0), steps=100, batch_size=batch_size)
        runs[way] = trainer.make_steps([images, labels])
        runs[way](chosen[way])  # compiles
    for _ in range(rounds):
        for way in ways:
            begun = time.process_time()
            runs[way](chosen[way])
            found.setdefault(way, []).append((time.process_time() - begun) / 10)
    return {way: min(each) for way, each in found.items()}


def one_run(way: str, seed: int, steps: int, parts: Any) -> list[dict[str, Any]]:
    """Rows of one training: budget, then the scores of each sampler."""
    from aigc_lab import train

    training, _, held_out = parts
    mixed = np.random.default_rng(0).permutation(len(training))
    images, labels = (each[mixed] for each in training.arrays())
    rate, batch_size = WAYS[way]
    model = make(way, seed)
    how = {"steps": steps, "batch_size": batch_size, "learning_rate": rate, "seed": seed}
    begun = time.process_time()
    train.fit(model, images, labels, reports=1, progress=False, **how)
    spent = round(time.process_time() - begun)
    about = {"way": way, "seed": seed, "training_steps": steps, "processor seconds": spent}
    drawn = DrawnFromCodes(model, images, labels, seed) if way == "VAE" else model
    main_table = FIRST if way == "diffusion" else {}
    rows = [about | main_table | only_values(judged_drawings(drawn, held_out, seed, **main_table))]
    for sampler, count in CURVE if way == "diffusion" and seed == 0 else []:
        rows.append(
            about | {"sampler": sampler, "steps": count} | kid_of_600(drawn, held_out, sampler, count)
        )
        print(rows[-1], flush=True)
    print(rows[0], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=1_100, help="of diffusion")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=list(WAYS))
    parser.add_argument("--rows", nargs="*", type=Path, default=[])
    parser.add_argument("--store", action="store_true")
    arguments = parser.parse_args()
    import pandas as pd

    from aigc_lab import study

    rows = [row for path in arguments.rows if path.exists() for row in json.loads(path.read_text())]
    parts = drawings_parts()
    times = step_times(list(WAYS), parts)
    print(times, flush=True)
    for way in arguments.ways:
        steps = round(arguments.steps * times["diffusion"] / times[way])
        for seed in arguments.seeds:
            rows += one_run(way, seed, steps, parts)
            if arguments.rows:
                arguments.rows[-1].write_text(json.dumps(rows))
    if arguments.store:
        script = Path(__file__).name
        about = {"command": f"python scripts/{script} --store", "diffusion_steps": arguments.steps}
        print(study.write_stored("diffusion", pd.DataFrame(rows), script, **about))


if __name__ == "__main__":
    main()
