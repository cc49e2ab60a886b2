"""What faults in recordings cost a model of spoken digits: the table ``sound_quality`` of notebook 18.

    python scripts/sound_quality_study.py --folder FOLDER            # all runs, half an hour of one core
    python scripts/sound_quality_study.py --folder FOLDER --store    # then replace the stored table

Training recordings are takes 6 to 19 of ``spoken-digits`` (840); only they are corrupted. All is scored on
takes 0 to 3 (240 clean recordings). A severity is the share of the training recordings that are hit (for
near duplicates: added). Runs of one seed share first weights, order and random numbers. Each run trains two
models on the log-mel pictures (32 frames of 20 ms, 20 bands):

- ``classifier``: a support vector machine; ``label_accuracy`` is that on the clean test recordings;
- ``vae``: a conditional VAE; ``elbo`` of the test recordings in nats, ``label_accuracy`` the share of its
  samples in which a judge (the same classifier on the clean training recordings) hears the digit asked for,
  ``frechet`` the Fréchet distance of the samples to the test recordings in the judge's directions.

Model ``real`` has the validation recordings (takes 4 and 5) in place of samples: the floor. Cleaning arms:
``none``; ``clean+label``, all detectors of ``clean.sounds`` and then ``label.issues``, not knowing which
fault there is; ``oracle``, which reads the corruption log. A run that is there already is not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

for threads in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(threads, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402

NAME = "sound_quality"
CORRUPTIONS = ("label_flip", "noise", "hum", "clipping", "silence", "wrong_rate", "near_duplicate")
SEVERITIES, CLEANED_AT, SEEDS = (0.1, 0.3, 0.6), 0.3, (0, 1, 2, 3)
ARMS = ("none", "clean+label", "oracle")
STEPS, BATCH, RATE, WIDTH, LATENT, DIRECTIONS = 400, 32, 3e-3, 256, 16, 48
LONGEST = 12_000  # samples, 1.5 s: only one recording lasts longer


def cells() -> list[tuple[int, str, float, str]]:
    """Seed, corruption, severity and arm of every run, seed by seed: a study cut short has whole seeds."""
    found = []
    for seed in SEEDS:
        found += [(seed, "none", 0.0, "none"), (seed, "none", 0.0, "clean+label")]
        found += [
            (seed, corruption, severity, arm)
            for severity in (CLEANED_AT, *SEVERITIES)
            for corruption in CORRUPTIONS
            for arm in ARMS
            if (arm == "none") or severity == CLEANED_AT
        ]
    return list(dict.fromkeys(found))


def parts() -> tuple[Any, Any, Any]:
    """Training, validation and test recordings: takes 6 to 19, 4 and 5, 0 to 3 of each speaker and digit."""
    from aigc_lab import collect

    dataset, take = collect.load("spoken-digits"), collect.takes("spoken-digits")
    dataset = replace(dataset, data=dataset.data[:, :LONGEST])
    return dataset[take > 5], dataset[(take == 4) | (take == 5)], dataset[take < 4]


def pictures_of(waves: np.ndarray) -> np.ndarray:
    """The judge's pictures at half their size, ``(n, 32, 20, 1)``: a run is to take a few seconds."""
    from aigc_lab.evaluate import spoken

    whole = spoken.pictures(waves)
    return whole.reshape(len(whole), 32, 2, 20, 2, 1).mean(axis=(2, 4))  # (n, 64, 40, 1) -> (n, 32, 20, 1)


def cleaned(dirty: Any, log: Any, arm: str) -> Any:
    """The dirty training set after one of the arms."""
    from aigc_lab import clean, label

    if arm == "clean+label":
        dirty = clean.drop(dirty, *clean.sounds.detect_all(dirty).values()).kept
        return label.relabel(dirty, label.issues(dirty, clean.sounds.describe(dirty)))
    if arm == "oracle":
        bad = log.mask(*(name for name in log.rates if name != "label_flip")) & (len(log.rates) > 0)
        good = ~bad if set(log.rates) != {"label_flip"} else np.ones(len(dirty), dtype=bool)
        return replace(dirty[good], labels=log.true_labels[good])
    return dirty


class Judge:
    """A support vector machine on the principal components of pictures, and these components as features."""

    def __init__(self, pictures: np.ndarray, labels: np.ndarray) -> None:
        from sklearn.decomposition import PCA
        from sklearn.svm import SVC

        flat = pictures.reshape(len(pictures), -1)  # (n, 32, 20, 1) -> (n, 640)
        self.directions = PCA(DIRECTIONS, whiten=True, svd_solver="randomized", random_state=0).fit(flat)
        features = self.features(pictures)
        self.classifier = SVC(C=3.0, gamma=0.01).fit(features, labels)

    def features(self, pictures: np.ndarray) -> np.ndarray:
        """Whitened components ``(n, 48)``: the clean training recordings have variance 1 in each."""
        return self.directions.transform(pictures.reshape(len(pictures), -1))

    def heard(self, pictures: np.ndarray) -> np.ndarray:
        """The digit heard in each picture, ``(n,)``."""
        return self.classifier.predict(self.features(pictures))


class Runner:
    """What all runs share: the recordings, the judge, the compiled VAE."""

    def __init__(self) -> None:
        from aigc_lab import models, train

        self.training, validation, test = parts()
        self.validation, self.validation_labels = pictures_of(validation.data), validation.labels
        self.test, self.test_labels = pictures_of(test.data), test.labels
        self.judge = Judge(pictures_of(self.training.data), self.training.labels)
        self.start = lru_cache(  # a new VAE is only read, and may be started from again
            lambda seed: models.vae.dense_vae(
                self.test.shape[1:], LATENT, class_count=10, width=WIDTH, seed=seed
            )
        )
        compiled = models.vae.dense_vae(self.test.shape[1:], LATENT, class_count=10, width=WIDTH)
        self.trainer = train.Trainer(
            compiled, steps=STEPS, batch_size=BATCH, learning_rate=RATE, jit_compile=True
        )

    def floor(self) -> dict[str, float]:
        """The scores of real recordings in place of samples."""
        from aigc_lab import evaluate

        return {
            "label_accuracy": float((self.judge.heard(self.validation) == self.validation_labels).mean()),
            "frechet": self._frechet(self.validation, evaluate),
        }

    def _frechet(self, pictures: np.ndarray, evaluate: Any) -> float:
        return float(
            evaluate.frechet(
                evaluate.gaussian(self.judge.features(pictures)),
                evaluate.gaussian(self.judge.features(self.test)),
            )
        )

    def run(self, seed: int, corruption: str, severity: float, arm: str) -> list[dict[str, Any]]:
        """One training set, two models: two rows of the table."""
        from aigc_lab import corrupt, evaluate

        begun = time.perf_counter()
        rates = {corruption: severity} if severity else {}
        dataset = cleaned(*corrupt.apply(self.training, rates, seed), arm)
        pictures, labels = pictures_of(dataset.data), dataset.labels
        row = {
            "corruption": corruption,
            "severity": severity,
            "cleaning": arm,
            "seed": seed,
            "status": "finished",
        }
        row |= {"items": len(self.training), "training_items": len(dataset)}
        row["seconds_preparing"] = time.perf_counter() - begun

        begun = time.perf_counter()
        heard = Judge(pictures, labels).heard(self.test)
        first = row | {"model": "classifier", "label_accuracy": float((heard == self.test_labels).mean())}
        first["seconds"] = time.perf_counter() - begun

        begun = time.perf_counter()
        self.trainer.fit(self.start(seed), pictures, labels, seed=seed)
        vae, asked = self.trainer.model, np.arange(480) % 10
        made = np.clip(vae.sample(len(asked), asked, seed=seed), 0, 1)
        second = row | {
            "model": "vae",
            "elbo": float(np.mean(vae.elbo(self.test, self.test_labels, samples=2, seed=seed))),
            "label_accuracy": float((self.judge.heard(made) == asked).mean()),
            "frechet": self._frechet(made, evaluate),
        }
        second["seconds"] = time.perf_counter() - begun
        return [first, second]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", required=True, help="where finished runs lie, and where to go on")
    parser.add_argument(
        "--seeds", type=int, nargs="*", default=SEEDS, help="run these alone, without storing"
    )
    parser.add_argument("--store", action="store_true", help="replace the table in the package")
    chosen = parser.parse_args(arguments)
    folder = Path(chosen.folder)
    folder.mkdir(parents=True, exist_ok=True)
    runner, rows = None, []
    chosen_cells = [cell for cell in cells() if chosen.store or cell[0] in chosen.seeds]
    for number, cell in enumerate(chosen_cells, 1):
        path = folder / ("-".join(map(str, cell)).replace("+", "_") + ".json")
        if not path.exists():
            runner = runner or Runner()
            path.write_text(json.dumps(runner.run(*cell)), encoding="utf-8")
            print(f"{number} of {len(chosen_cells)}: {cell}", flush=True)
        rows += json.loads(path.read_text(encoding="utf-8"))
    if chosen.store:
        import pandas as pd

        from aigc_lab import study

        floor = (runner or Runner()).floor()
        real = {
            "corruption": "none",
            "severity": 0.0,
            "cleaning": "none",
            "status": "finished",
            "model": "real",
        }
        table = pd.DataFrame([*rows, *({**real, **floor, "seed": seed, "items": 840} for seed in SEEDS)])
        spent = round(float(table["seconds"].sum() + table["seconds_preparing"].sum() / 2))
        command = f"python scripts/{Path(__file__).name} --folder FOLDER --store"
        about = {"command": command, "runs": len(cells()), "seconds": spent}
        print("wrote", study.write_stored(NAME, table, Path(__file__).name, **about))
    return 0


if __name__ == "__main__":
    sys.exit(main())
