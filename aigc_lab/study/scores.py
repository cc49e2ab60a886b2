"""What is measured on the samples of one run, all against held-out pictures that stay clean. Notebook 15."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc_lab import evaluate
from aigc_lab.collect.dataset import Dataset

NEIGHBOURS = 50  # what "usually near" means for the copy test
FALSE_ALARMS = 0.01  # share of held-out real pictures that count as copies, or as junk
SCORES = (
    "elbo", "kid", "precision", "recall", "label_accuracy", "worst_class_accuracy", "near_copies",
    "marked_copies", "junk_share", "first_class_share",
)  # fmt: skip
UNITS = {
    "elbo": "nats",
    "kid": "squared MMD",
    **dict.fromkeys(SCORES[2:], "share"),
}
HIGHER_IS_BETTER = dict.fromkeys(
    ("elbo", "precision", "recall", "label_accuracy", "worst_class_accuracy"), True
)


@dataclass(frozen=True, eq=False)
class Reference:
    """The held-out part in two halves, and what is computed from it once for all runs.

    Args:
        known: what samples are scored against; fresh: other real pictures, for thresholds and as a floor.
        known_features, fresh_features: of the feature network, ``(n, 96)``.
        junk: tells junk from real by the features; junk_threshold: passed by 1% of ``fresh``.
        group: the set of classes that the feature network knows them as, or None: no label scores.
    """

    known: Dataset
    fresh: Dataset
    known_features: np.ndarray
    fresh_features: np.ndarray
    junk: Any
    junk_threshold: float
    group: str | None


def reference(held_out: Dataset, seed: int) -> Reference:
    """Split the held-out part, and fit what needs fitting to it.

    Raises:
        ValueError: fewer than 100 held-out pictures, or pictures that the feature network cannot read.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from aigc_lab.corrupt.junk import draw_junk

    if len(held_out) < 100:
        raise ValueError(f"there are {len(held_out)} held-out pictures; scores need at least 100")
    order = np.random.default_rng((seed, 10)).permutation(len(held_out))
    half = len(held_out) // 2
    known, fresh = held_out[order[:half]], held_out[order[half:]]
    known_features, fresh_features = evaluate.features(known.data), evaluate.features(fresh.data)
    random = np.random.default_rng((seed, 11))
    junk = np.stack([draw_junk(held_out.data.shape[1:], random)[0] for _ in range(half)])
    features = np.concatenate([known_features, evaluate.features(junk)])
    judge = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    judge.fit(features, np.arange(len(features)) >= half)
    threshold = np.quantile(judge.decision_function(fresh_features), 1 - FALSE_ALARMS)
    groups = [
        name for name, known_as in evaluate.GROUPS.items() if set(held_out.class_names) <= set(known_as)
    ]
    return Reference(
        known,
        fresh,
        known_features,
        fresh_features,
        judge,
        float(threshold),
        groups[0] if groups else None,
    )


def score(
    samples: np.ndarray,
    asked: np.ndarray | None,
    training: np.ndarray,
    held_out: Reference,
    marked: np.ndarray | None = None,
) -> dict[str, float]:
    """The scores of generated pictures.

    Args:
        samples: float pictures ``(n, height, width, 1)`` in [0, 1].
        asked: the class asked for ``(n,)``, or None for an unconditional model: no label scores.
        training: uint8 pictures that the model was trained on, for the copy test.
        held_out: see ``Reference``.
        marked: uint8 pictures whose copies are counted apart, or None.

    Returns:
        ``kid`` and ``precision``, ``recall`` (5 neighbours, equally many on both sides);
        ``label_accuracy`` (share seen as the class asked for) and that of the worst class;
        ``near_copies`` and ``marked_copies`` (see ``copies``); ``junk_share``; ``first_class_share``.
        NaN where a score does not apply.
    """
    features, odds = evaluate.features_and_classes(samples, held_out.group)
    equal = min(len(features), len(held_out.known_features))
    values = evaluate.manifold_values(
        evaluate.pair_distances(held_out.known_features[:equal], features[:equal])
    )
    nothing = float("nan")
    found = {
        "kid": evaluate.kid(held_out.known_features, features, resamples=0).value,
        "precision": values[0],
        "recall": values[1],
        "label_accuracy": nothing,
        "worst_class_accuracy": nothing,
        "first_class_share": nothing,
        "marked_copies": nothing,
        "junk_share": float((held_out.junk.decision_function(features) > held_out.junk_threshold).mean()),
    }
    near, is_marked = copies(samples, training, held_out.fresh.data, marked)
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


def copies(
    samples: np.ndarray, training: np.ndarray, fresh: np.ndarray, marked: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Which samples are near-copies of a training item, and which of those of a marked one.

    A near-copy lies much closer to one training item than to the usual ones: the distance (over pixels) to
    the nearest, divided by the mean distance to the 50 nearest (after Carlini et al. 2023, arXiv
    2301.13188, section 4.2, whose distance is divided in this way). The threshold is set on this very
    training set: 1% of ``fresh``, real pictures that no model has seen, pass it. So the floor is 1%.

    Returns:
        booleans ``(n,)`` twice: near-copies, and samples whose nearest training item is marked.
    """
    flat = _flat(training)
    _, first = np.unique(flat, axis=0, return_index=True)
    flat = flat[np.sort(first)]
    ratio, nearest = _nearest_ratio(_flat(samples), flat)
    threshold = np.quantile(_nearest_ratio(_flat(fresh), flat)[0], FALSE_ALARMS)
    if marked is None:
        return ratio < threshold, np.zeros(len(ratio), bool)
    known = {row.tobytes() for row in _flat(marked)}
    is_marked = np.array([row.tobytes() in known for row in flat])
    return ratio < threshold, is_marked[nearest]


def _flat(pictures: np.ndarray) -> np.ndarray:
    rows = pictures.reshape(len(pictures), -1)  # (n, h, w, c) -> (n, h * w * c)
    return rows.astype(np.float32) / 255 if rows.dtype == np.uint8 else rows.astype(np.float32)


def _nearest_ratio(queries: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance to the nearest item over the mean distance to the nearest 50, and which is nearest."""
    squared = (queries**2).sum(axis=1)[:, None] - 2 * queries @ items.T + (items**2).sum(axis=1)
    distances = np.sqrt(np.maximum(squared, 0))
    count = min(NEIGHBOURS, len(items) - 1)
    near = np.partition(distances, count - 1, axis=1)[:, :count]
    return distances.min(axis=1) / np.maximum(near.mean(axis=1), 1e-6), distances.argmin(axis=1)
