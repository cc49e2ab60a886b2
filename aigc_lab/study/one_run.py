"""One run of a study: training set, model, samples, scores. It runs on a worker. See notebook 15."""

from __future__ import annotations

import hashlib
import time
import traceback
import warnings
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from aigc_lab import evaluate
from aigc_lab.collect.dataset import Dataset
from aigc_lab.study.grid import (
    BATCH_SIZE,
    MODELS,
    NO_TRAINING,
    SPLIT_SEED,
    Cell,
    CorruptedSet,
    Study,
    balanced_part,
    cleaned_set,
    corrupted_set,
)

FINISHED, FAILED = "finished", "failed"
GENERATIONS = 5  # after the one that is trained on real items alone
SCORES = (
    "elbo", "kid", "precision", "recall", "label_accuracy", "worst_class_accuracy", "near_copies",
    "marked_copies", "junk_share", "first_class_share",
)  # fmt: skip
JUNK_FALSE_ALARMS = 0.01  # share of held-out real images that count as junk


# --- what the samples are compared with ------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Reference:
    """The held-out part in two halves, and what is computed from it once for all runs.

    Args:
        known: what samples are scored against; fresh: other real images, for thresholds and as a floor.
        known_features: of the feature network, ``(n, 96)``.
        junk: tells junk from real by the features; junk_threshold: passed by 1% of ``fresh``.
        group: the set of classes that the feature network knows them as, or None: no label scores.
    """

    known: Dataset
    fresh: Dataset
    known_features: np.ndarray
    junk: Any
    junk_threshold: float
    group: str | None


def reference(held_out: Dataset, seed: int) -> Reference:
    """Split the held-out part, and fit what needs fitting to it.

    Raises:
        ValueError: fewer than 100 held-out images, or images that the feature network cannot read.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from aigc_lab.corrupt import draw_junk

    if len(held_out) < 100:
        raise ValueError(f"there are {len(held_out)} held-out images; scores need at least 100")
    order = np.random.default_rng((seed, 10)).permutation(len(held_out))
    half = len(held_out) // 2
    known, fresh = held_out[order[:half]], held_out[order[half:]]
    known_features = evaluate.features(known.data)
    random = np.random.default_rng((seed, 11))
    junk = np.stack([draw_junk(held_out.data.shape[1:], random)[0] for _ in range(half)])
    features = np.concatenate([known_features, evaluate.features(junk)])
    judge = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    judge.fit(features, np.arange(len(features)) >= half)
    of_real = judge.decision_function(evaluate.features(fresh.data))
    threshold = float(np.quantile(of_real, 1 - JUNK_FALSE_ALARMS))
    names = set(held_out.class_names)
    group = next((group for group, seen in evaluate.GROUPS.items() if names <= set(seen)), None)
    return Reference(known, fresh, known_features, judge, threshold, group)


def score(
    samples: np.ndarray,
    asked: np.ndarray | None,
    training: np.ndarray,
    held_out: Reference,
    marked: np.ndarray | None = None,
) -> dict[str, float]:
    """The scores of generated images, all against held-out images that stay clean.

    Args:
        samples: float images ``(n, height, width, 1)`` in [0, 1].
        asked: the class asked for ``(n,)``, or None for an unconditional model: no label scores.
        training: uint8 images that the model was trained on, for the copy test.
        held_out: see ``Reference``.
        marked: uint8 images whose copies are counted apart, or None.

    Returns:
        ``kid`` and ``precision``, ``recall`` (5 neighbours, equally many on both sides);
        ``label_accuracy`` (share seen as the class asked for) and that of the worst class;
        ``near_copies`` and ``marked_copies`` (see ``evaluate.near_copies_by_ratio``); ``junk_share``;
        ``first_class_share``. NaN where a score does not apply.
    """
    features, odds = evaluate.features_and_classes(samples, held_out.group)
    equal = min(len(features), len(held_out.known_features))
    distances = evaluate.pair_distances(held_out.known_features[:equal], features[:equal])
    found = dict.fromkeys(SCORES[1:], float("nan"))
    found["kid"] = evaluate.kid(held_out.known_features, features, resamples=0).value
    found["precision"], found["recall"] = evaluate.manifold_values(distances)[:2]
    found["junk_share"] = float((held_out.junk.decision_function(features) > held_out.junk_threshold).mean())
    near, is_marked = evaluate.near_copies_by_ratio(samples, training, held_out.fresh.data, marked)
    found["near_copies"] = float(near.mean())
    if marked is not None:
        found["marked_copies"] = float((near & is_marked).mean())
    if held_out.group is not None:
        classes = [evaluate.GROUPS[held_out.group].index(name) for name in held_out.known.class_names]
        seen = odds[:, classes].argmax(axis=1)
        found["first_class_share"] = float((seen == 0).mean())
        if asked is not None:
            right = [float((seen[asked == label] == label).mean()) for label in np.unique(asked)]
            found["label_accuracy"] = float((seen == asked).mean())
            found["worst_class_accuracy"] = min(right)
    return found


# --- the run -------------------------------------------------------------------------------------


@lru_cache(maxsize=4)
def data_parts(study: Study) -> tuple[Dataset, Dataset]:
    """The training pool and the held-out part; equal images are never on both sides."""
    return study.load().split((0.5, 0.5), seed=SPLIT_SEED)


@lru_cache(maxsize=4)
def _reference(study: Study) -> Reference:
    return reference(data_parts(study)[1], SPLIT_SEED)


@lru_cache(maxsize=8)
def trainer(model: str, image_shape: tuple[int, ...], class_count: int, steps: int) -> Any:
    """The compiled trainer of a model and a shape of images; made once in each process."""
    from aigc_lab import train

    settings = MODELS[model]
    return train.Trainer(
        settings.build(image_shape, class_count, 0),
        steps=steps or settings.steps,
        batch_size=BATCH_SIZE,
        learning_rate=settings.learning_rate,
    )


def training_set(study: Study, cell: Cell) -> tuple[Dataset, CorruptedSet]:
    """The training set of a run: after the cleaning, and before it with its corruption log.

    Raises:
        ValueError: too few items in the pool, a corruption that does not fit the data, or no item of a class.
    """
    clean = balanced_part(data_parts(study)[0], cell.items, cell.seed)
    corrupted = corrupted_set(clean, cell.corruption, cell.severity, cell.seed)
    dataset = cleaned_set(corrupted, cell.cleaning, cell.seed)
    if gone := [name for name, count in dataset.counts().items() if not count]:
        raise ValueError(
            f"class {gone[0]} has no training item left in the run {cell}; choose a smaller severity"
        )
    return dataset, corrupted


def train_and_sample(study: Study, cell: Cell, dataset: Dataset) -> tuple[Any, np.ndarray, Any]:
    """The trained model, its samples ``(n, h, w, 1)``, and the class asked for of each or None."""
    settings = MODELS[cell.model]
    x, labels = dataset.arrays()
    classes = len(dataset.class_names)
    compiled = trainer(cell.model, x.shape[1:], classes, study.steps)
    start = settings.build(x.shape[1:], classes, cell.seed)
    with warnings.catch_warnings():
        # A model's remarks are for a person at the keyboard; the scores say the same here.
        warnings.simplefilter("ignore", UserWarning)
        compiled.fit(start, x, labels if settings.conditional else None, seed=cell.seed)
    model = compiled.model
    asked = np.arange(study.samples) % classes
    samples = settings.sample(model, x, labels, asked, cell.seed)
    return model, np.clip(samples, 0, 1), asked if settings.conditional else None


def measure(study: Study, cell: Cell) -> dict[str, Any]:
    """Train and score one cell: its scores, hashes and counts.

    Raises:
        ValueError, FloatingPointError: whatever the stages say.
    """
    held_out = _reference(study)
    about = {"held_out_hash": data_hash(held_out.known)}
    if cell.corruption == "own_samples" and cell.severity > 0:
        return about | {"generations": generations(study, cell, held_out), "training_items": cell.items}
    dataset, corrupted = training_set(study, cell)
    about |= {"training_items": len(dataset), "training_hash": data_hash(dataset)}
    if cell.model == NO_TRAINING:
        order = np.random.default_rng((cell.seed, 12)).permutation(len(held_out.fresh))[: study.samples]
        real = held_out.fresh[order]
        return about | score(real.arrays()[0], real.labels, dataset.data, held_out)
    model, samples, asked = train_and_sample(study, cell, dataset)
    found = score(samples, asked, dataset.data, held_out, corrupted.marked)
    if MODELS[cell.model].family == "vae":
        x, labels = held_out.known.arrays()
        known = labels if MODELS[cell.model].conditional else None
        found["elbo"] = float(model.elbo(x, known, samples=2, seed=cell.seed).mean())
    return about | found


def generations(study: Study, cell: Cell, held_out: Reference) -> list[dict[str, float]]:
    """Scores of models that are each trained on the samples of the one before, and on real items.

    Generation 0 is trained on real items alone. Each later set is as large: the share ``cell.severity`` are
    samples of the generation before, equally many of each class; the rest are real items, drawn anew from
    the training pool. Shumailov et al. 2024 and Alemohammad et al. 2023 (arXiv 2307.01850).
    """
    pool = data_parts(study)[0]
    dataset = balanced_part(pool, cell.items, cell.seed)
    own = round(cell.severity * cell.items)
    labels = np.arange(own) % len(dataset.class_names)
    found = []
    for generation in range(GENERATIONS + 1):
        step = replace(cell, seed=1000 * generation + cell.seed)
        model, samples, asked = train_and_sample(study, step, dataset)
        found.append({"generation": generation} | score(samples, asked, dataset.data, held_out))
        drawn = MODELS[cell.model].sample(model, *dataset.arrays(), labels, step.seed + 500)
        images = np.rint(255 * np.clip(drawn[..., 0], 0, 1)).astype(np.uint8)
        real = balanced_part(pool, cell.items - own, step.seed + 700) if own < cell.items else pool[:0]
        dataset = replace(
            dataset,
            data=np.concatenate([images, real.data]),
            labels=np.concatenate([labels, real.labels]).astype(np.int64),
        )
    return found


def run_cell(study: Study, cell: Cell) -> dict[str, Any]:
    """``measure`` and its seconds, with a failure told instead of raised: the other runs go on."""
    begun = time.perf_counter()
    try:
        row = {"status": FINISHED, "error": ""} | measure(study, cell)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        row = {"status": FAILED, "error": f"{type(error).__name__}: {error} ({place.name})"}
    return row | {"seconds": time.perf_counter() - begun}


def data_hash(dataset: Dataset) -> str:
    """The first 16 hex digits of a SHA-256 over images and labels, in their order."""
    digest = hashlib.sha256(np.ascontiguousarray(dataset.data).tobytes())
    digest.update(dataset.labels.astype("<i8").tobytes())
    return digest.hexdigest()[:16]
