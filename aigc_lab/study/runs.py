"""One run of a study: data, dose, mending, training, samples, scores. It runs on a worker. Notebook 15."""

from __future__ import annotations

import hashlib
import time
import traceback
import warnings
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from aigc_lab.collect.dataset import Dataset
from aigc_lab.study.doses import Dosed, balanced_part, checked_classes, give
from aigc_lab.study.kinds import KINDS, NO_TRAINING, trainer
from aigc_lab.study.mending import mend
from aigc_lab.study.scores import SCORES, Reference, reference, score
from aigc_lab.study.grid import Cell, Study

FINISHED, FAILED = "finished", "failed"
GENERATIONS = 5  # after the one that is trained on real items alone


@lru_cache(maxsize=4)
def _parts(study: Study) -> tuple[Dataset, Dataset]:
    """The training pool and the held-out part; equal pictures are never on both sides."""
    return study.load().split((0.5, 0.5), seed=study.split_seed)


@lru_cache(maxsize=4)
def _reference(study: Study) -> Reference:
    return reference(_parts(study)[1], study.split_seed)


def shared(study: Study) -> Study:
    """The part of a study that decides about its data: equal for studies that can share them."""
    return Study("shared", ("blur",), (0.0,), ("vae",), (0,), items=(1,), **study.settings())


def training_set(study: Study, cell: Cell) -> tuple[Dataset, Dosed]:
    """The training set of a run: after the mending, and before it with its corruption log.

    Raises:
        ValueError: too few items in the pool, a defect that does not fit the data, or a class that is gone.
    """
    clean = balanced_part(_parts(shared(study))[0], cell.items, cell.seed)
    dosed = give(clean, cell.defect, cell.dose, cell.seed)
    return checked_classes(mend(dosed, cell.cleaning, cell.seed), cell), dosed


def train_and_sample(study: Study, cell: Cell, dataset: Dataset) -> tuple[Any, np.ndarray, Any]:
    """The trained model, its samples ``(n, h, w, 1)``, and the class asked for of each or None."""
    kind = KINDS[cell.model]
    pictures, labels = dataset.arrays()
    classes = len(dataset.class_names)
    compiled = trainer(cell.model, pictures.shape[1:], classes, study.steps)
    start = kind.build(pictures.shape[1:], classes, cell.seed)
    with warnings.catch_warnings():
        # A model's remarks are for a person at the keyboard; the scores say the same here.
        warnings.simplefilter("ignore", UserWarning)
        compiled.fit(start, pictures, labels if kind.conditional else None, seed=cell.seed)
    model = compiled.model
    asked = np.arange(study.samples) % classes
    samples = kind.sample(model, pictures, labels, asked, cell.seed)
    return model, np.clip(samples, 0, 1), asked if kind.conditional else None


def measure(study: Study, cell: Cell) -> dict[str, Any]:
    """Train and score one cell: its scores, hashes, counts and times.

    Raises:
        ValueError, FloatingPointError: whatever the stages say.
    """
    begun = time.perf_counter()
    held_out = _reference(shared(study))
    if cell.defect == "own_samples" and cell.dose > 0:
        steps = generations(study, cell, held_out)
        return {"generations": steps, "seconds": time.perf_counter() - begun, "training_items": cell.items,
                "held_out_hash": data_hash(held_out.known)}  # fmt: skip
    dataset, dosed = training_set(study, cell)
    prepared = time.perf_counter()
    values = dict.fromkeys(SCORES, float("nan"))
    if cell.model == NO_TRAINING:
        order = np.random.default_rng((cell.seed, 12)).permutation(len(held_out.fresh))[: study.samples]
        real = held_out.fresh[order]
        values |= score(real.arrays()[0], real.labels, dataset.data, held_out)
        trained = time.perf_counter()
    else:
        model, samples, asked = train_and_sample(study, cell, dataset)
        trained = time.perf_counter()
        values |= score(samples, asked, dataset.data, held_out, dosed.marked)
        if KINDS[cell.model].family == "vae":
            pictures, labels = held_out.known.arrays()
            known = labels if KINDS[cell.model].conditional else None
            values["elbo"] = float(model.elbo(pictures, known, samples=2, seed=cell.seed).mean())
    ended = time.perf_counter()
    return values | {
        "training_items": len(dataset),
        "training_hash": data_hash(dataset),
        "held_out_hash": data_hash(held_out.known),
        "seconds": ended - begun,
        "seconds_preparing": prepared - begun,
        "seconds_training": trained - prepared,
    }


def generations(study: Study, cell: Cell, held_out: Reference) -> list[dict[str, float]]:
    """Scores of models that are each trained on the samples of the one before, and on real items.

    Generation 0 is trained on real items alone. Each later set is as large: the share ``cell.dose`` are
    samples of the generation before, equally many of each class; the rest are real items, drawn anew from
    the training pool. Shumailov et al. 2024 and Alemohammad et al. 2023 (arXiv 2307.01850).
    """
    pool = _parts(shared(study))[0]
    dataset = balanced_part(pool, cell.items, cell.seed)
    classes = len(dataset.class_names)
    own = round(cell.dose * cell.items)
    found = []
    for generation in range(GENERATIONS + 1):
        step = replace(cell, seed=1000 * generation + cell.seed)
        model, samples, asked = train_and_sample(study, step, dataset)
        found.append({"generation": generation} | score(samples, asked, dataset.data, held_out))
        labels = np.arange(own) % classes
        drawn = KINDS[cell.model].sample(model, *dataset.arrays(), labels, step.seed + 500)
        pictures = np.rint(255 * np.clip(drawn[..., 0], 0, 1)).astype(np.uint8)
        real = balanced_part(pool, cell.items - own, step.seed + 700) if own < cell.items else pool[:0]
        dataset = replace_data(
            dataset, np.concatenate([pictures, real.data]), np.concatenate([labels, real.labels])
        )
    return found


def replace_data(dataset: Dataset, data: np.ndarray, labels: np.ndarray) -> Dataset:
    """The set with other items and the same classes."""
    return replace(dataset, data=data, labels=labels.astype(np.int64))


def run_cell(study: Study, cell: Cell) -> dict[str, Any]:
    """``measure``, with a failure told instead of raised: the other runs go on."""
    begun = time.perf_counter()
    try:
        return {"status": FINISHED, "error": ""} | measure(study, cell)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return {
            "status": FAILED,
            "error": f"{type(error).__name__}: {error} ({place.name})",
            "seconds": time.perf_counter() - begun,
        }


def data_hash(dataset: Dataset) -> str:
    """The first 16 hex digits of a SHA-256 over pictures and labels, in their order."""
    digest = hashlib.sha256(np.ascontiguousarray(dataset.data).tobytes())
    if dataset.labels is not None:
        digest.update(dataset.labels.astype("<i8").tobytes())
    return digest.hexdigest()[:16]
