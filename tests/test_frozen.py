"""What must not change when code moves: hashes of damage, findings, scores and models on fixed input.

The stored studies of notebooks 13 and 15 stay true only as long as these values do. A value may change
for one reason only: a definition was meant to change; then the studies that use it are run again.
``python -m tests.test_frozen`` prints the values of this machine to compare with
``frozen.json``. Sums of floats are rounded before they are hashed or compared: their order may change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cleanlab.filter import find_label_issues

from aigc_lab import clean, collect, corrupt, evaluate, label, study

FROZEN = Path(__file__).with_name("frozen.json")
MEASURES: dict[str, Callable[[], Any]] = {}


def frozen(function: Callable[[], Any]) -> Callable[[], Any]:
    MEASURES[function.__name__] = function
    return function


def sha(*parts: Any) -> str:
    """SHA-256 of arrays, tables, lists of text and plain values; floats with four significant digits."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, pd.DataFrame):
            part = [[_plain(cell) for cell in row] for row in part.to_numpy(dtype=object)]
        if isinstance(part, np.ndarray) and part.dtype.kind in "uib":
            total.update(str(part.shape).encode() + np.ascontiguousarray(part).astype(np.int64).tobytes())
        else:
            total.update(json.dumps(_plain(part), ensure_ascii=False, sort_keys=True).encode())
    return total.hexdigest()[:16]


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return f"{value:.4g}"
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, np.bool_):
        return bool(value)
    return value if isinstance(value, (str, int, bool, type(None))) else str(value)


@cache
def animals() -> collect.Dataset:
    whole = collect.load("animals")
    return whole[np.random.default_rng(8).permutation(len(whole))[:200]]


@cache
def dialogues() -> collect.Dataset:
    whole = collect.load("dialogues")
    return whole[np.random.default_rng(8).permutation(len(whole))[:300]]


@cache
def tones() -> collect.Dataset:
    return collect.load("tones")[::20]


@cache
def people() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "height": np.round(rng.normal(170, 9, 120), 1),
            "age": rng.integers(18, 80, 120),
            "weight": np.round(rng.normal(70, 12, 120), 1),
            "city": rng.choice(["Lyon", "Wuhan", "Oslo"], 120),
            "team": rng.choice(["red", "blue"], 120),
        }
    )


def _damaged(dataset: collect.Dataset, name: str) -> str:
    dirty, log = corrupt.apply(dataset, {name: 0.2}, seed=3)
    data = dirty.data if isinstance(dirty.data, np.ndarray) else list(dirty.data)
    return sha(data, dirty.labels, log.table)


@frozen
def corruptions_of_images() -> dict[str, str]:
    return {name: _damaged(animals(), name) for name in corrupt.IMAGE_CORRUPTIONS}


@frozen
def corruptions_of_texts() -> dict[str, str]:
    return {name: _damaged(dialogues(), name) for name in corrupt.TEXT_CORRUPTIONS}


@frozen
def corruptions_of_tables() -> dict[str, str]:
    found = {}
    for name in corrupt.TABLE_CORRUPTIONS:
        dirty, log = corrupt.apply_to_table(people(), {name: 0.2}, seed=3)
        found[name] = sha(dirty, log.table)
    return found


@frozen
def corruptions_of_sounds() -> dict[str, str]:
    """Levels with three digits and the log: the last digits of filtered samples differ between machines."""
    found = {}
    for name in corrupt.SOUND_CORRUPTIONS:
        dirty, log = corrupt.apply(tones(), {name: 0.3}, seed=3)
        heights = [[np.abs(part).max() for part in np.array_split(wave, 8)] for wave in dirty.data]
        found[name] = sha([f"{height:.3g}" for row in heights for height in row], dirty.labels, log.table)
    return found


@cache
def dirty_animals() -> collect.Dataset:
    rates = dict.fromkeys(("label_flip", "occlusion", "brightness", "blur", "noise"), 0.08)
    rates |= dict.fromkeys(("exact_duplicate", "near_duplicate", "junk"), 0.08)
    return corrupt.apply(animals(), rates, seed=1)[0]


@cache
def dirty_dialogues() -> collect.Dataset:
    rates = {name: 0.06 for name in corrupt.TEXT_CORRUPTIONS if name not in ("imbalance", "label_flip")}
    return corrupt.apply(dialogues(), rates, seed=1)[0]


def _findings(table: pd.DataFrame) -> list[Any]:
    """Items and scores; the sentences of the reasons may be written better."""
    names = [name for name in ("item", "score", "duplicate_of") if name in table.columns]
    return [_plain(row) for row in table[names].to_numpy(dtype=object).tolist()]


@frozen
def detectors_of_images() -> dict[str, str]:
    found = clean.detect_all(dirty_animals())
    return {name: sha(_findings(table)) for name, table in found.items()}


@frozen
def detectors_of_texts() -> dict[str, str]:
    found = clean.text.detect_all(dirty_dialogues())
    return {name: sha(_findings(table)) for name, table in found.items()}


@frozen
def detectors_of_sounds() -> dict[str, str]:
    """Items alone: a score is the sum of thousands of samples."""
    names = ("noise", "hum", "clipping", "silence", "wrong_rate", "exact_duplicate", "near_duplicate")
    dirty, _ = corrupt.apply(tones(), dict.fromkeys(names, 0.1), seed=1)
    found = clean.sounds.detect_all(dirty)
    return {name: sha(np.sort(table["item"].to_numpy())) for name, table in found.items()}


@frozen
def detector_of_tables() -> str:
    table = clean.tables
    rules = table.schema(
        {
            "height": table.number(140, 210),
            "age": table.number(0, 110),
            "city": table.category("Lyon", "Oslo"),
        }
    )
    return sha(_findings(table.check(people(), rules)))


@frozen
def near_copies() -> dict[str, Any]:
    hashes = clean.perceptual_hashes(animals().data)
    pairs = clean.text.near_duplicate_pairs(dirty_dialogues())
    return {
        "hashes": sha(hashes),
        "images": sha(_pairs(clean.near_duplicate_pairs(dirty_animals()))),
        "texts": sha(_pairs(pairs)),
    }


def _pairs(pairs: Any) -> Any:
    return pairs if isinstance(pairs, pd.DataFrame) else [_plain(part) for part in pairs]


@frozen
def doubtful_labels() -> dict[str, str]:
    dirty, _ = corrupt.apply(animals(), {"label_flip": 0.1}, seed=2)
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.ones(4) * 0.4, 300)
    labels = rng.integers(0, 4, 300)
    way = {"filter_by": "confident_learning", "return_indices_ranked_by": "normalized_margin", "n_jobs": 1}
    return {
        "errors": sha(sorted(label.issues(dirty)["item"].tolist())),
        "confident": sha(np.sort(find_label_issues(labels, probabilities, **way))),
    }


@frozen
def features_and_scores() -> dict[str, Any]:
    ours = evaluate.features(animals().data)
    half, other = ours[:100], ours[100:]
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(400, 16)), rng.normal(0.2, 1.1, size=(300, 16))
    coverage = evaluate.precision_recall(first, second)
    seen = evaluate.class_accuracy(animals().data, animals().labels, animals().class_names)
    return {
        "features": sha(np.round(ours[:5], 3)),
        "fid": float(np.float64(evaluate.fid(half, other).value)),
        "fid of Gaussians": float(evaluate.fid(first, second).value),
        "kid": float(evaluate.kid(half, other).value),
        "kid of Gaussians": float(evaluate.kid(first, second).value),
        "precision": float(coverage.precision.value),
        "recall": float(coverage.recall.value),
        "class accuracy": float(seen.value),
    }


@frozen
def image_quality() -> dict[str, float]:
    grey = np.random.default_rng(0).random((48, 64)).astype("float32")
    damaged = np.clip(grey + np.random.default_rng(1).normal(0, 0.03, grey.shape), 0, 1).astype("float32")
    return {"psnr": float(evaluate.psnr(grey, damaged)), "ssim": float(evaluate.ssim(grey, damaged))}


@frozen
def texts_measured() -> dict[str, float]:
    lines = list(dialogues().data)
    model = evaluate.CharacterNgram(lines[:200], order=3)
    return {
        "distinct": float(_value(evaluate.text.distinct(lines[:100]))),
        "self-BLEU": float(_value(evaluate.text.self_bleu(lines[:60]))),
        "bits": float(_value(model.bits_per_character(lines[200:]))),
    }


def _value(score: Any) -> float:
    return score.value if hasattr(score, "value") else score


@frozen
def vae() -> dict[str, Any]:
    from aigc_lab import models, train

    pictures = animals().arrays()[0]
    model = models.vae.dense_vae(pictures.shape[1:], latent_size=4, width=32, seed=0)
    start = float(np.mean(model.elbo(pictures[:50], seed=0)))
    train.fit(model, pictures, steps=30, batch_size=32, seed=0, progress=False)
    return {
        "ELBO at the start": start,
        "ELBO after 30 steps": float(np.mean(model.elbo(pictures[:50], seed=0))),
    }


@frozen
def gan() -> dict[str, float]:
    from aigc_lab import models, train

    pictures = animals().arrays()[0]
    model = models.gan.dense_gan(pictures.shape[1:], latent_size=4, width=32, seed=0)
    history = train.fit(model, pictures, steps=20, batch_size=32, seed=0, progress=False)
    return {"loss after 20 steps": history.last(), "mean of samples": float(model.sample(50, seed=1).mean())}


@frozen
def doses() -> dict[str, str]:
    found = {}
    for name in study.CORRUPTIONS:
        severity = 4 if name == "repeats" else 0.2
        given = study.corrupted_set(animals(), name, severity, seed=4)
        found[name] = sha(given.dataset.data, given.dataset.labels)
    return found


def measured(name: str) -> Any:
    return json.loads(json.dumps(MEASURES[name]()))


@pytest.mark.parametrize("name", MEASURES)
def test_what_is_frozen_has_not_changed(name: str) -> None:
    expected = json.loads(FROZEN.read_text(encoding="utf-8"))[name]
    found = measured(name)
    if isinstance(expected, dict) and any(isinstance(value, float) for value in expected.values()):
        numbers = {key: value for key, value in expected.items() if isinstance(value, float)}
        assert {key: found[key] for key in numbers} == pytest.approx(numbers, rel=1e-3, abs=1e-6)
        found = {key: value for key, value in found.items() if key not in numbers}
        expected = {key: value for key, value in expected.items() if key not in numbers}
    assert found == expected


if __name__ == "__main__":
    values = {name: measured(name) for name in MEASURES}
    print(json.dumps(values, indent=2))
