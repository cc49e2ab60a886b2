"""Copies and twins: cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from aigc_lab import collect
from aigc_lab.evaluate import copy_test, distinct_share, near_copies_by_ratio, nearest


def cloud(seed: int, count: int, size: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, size))


def test_the_nearest_item_agrees_with_scipy():
    items, known = cloud(0, 2100), cloud(1, 77)  # more than one block of rows
    places, distances = nearest(items, known)
    table = cdist(items, known)
    assert np.array_equal(places, table.argmin(axis=1))
    assert np.allclose(distances, table.min(axis=1))


def test_a_copy_is_at_distance_zero_even_far_from_the_origin():
    known = cloud(0, 50) + 1e6
    places, distances = nearest(known[[7, 3]], known)
    assert places.tolist() == [7, 3]
    assert distances.tolist() == [0, 0]


def test_honest_samples_and_two_kinds_of_copies():
    training, held_out = cloud(0, 400), cloud(1, 200)
    honest = copy_test(cloud(2, 300), training, held_out)
    assert honest.nearer.low < 0.5 < honest.nearer.high
    assert honest.near_copies.value < 0.05
    assert np.median(honest.ratios) == pytest.approx(1, abs=0.1)
    # Only half of the training items are drawn for the fair race; the others lie no nearer than anything.
    exact = copy_test(training[:200], training, held_out)
    assert exact.near_copies.value == 1
    assert exact.nearer.low > 0.6
    ceiling = (1 + 200 / 400) / 2
    assert copy_test(training, training, held_out).nearer.value == pytest.approx(ceiling, abs=0.04)
    close = copy_test(training[:200] + 0.01, training, held_out[:100])
    assert close.near_copies.low > 0.9


def test_the_share_of_copies_is_counted_right():
    training, held_out = cloud(0, 500), cloud(1, 500)
    mixed = np.concatenate([training[:60], cloud(2, 140)])
    found = copy_test(mixed, training, held_out)
    assert found.near_copies.value == pytest.approx(60 / 200, abs=0.04)
    assert found.nearer.value == pytest.approx((60 + 70) / 200, abs=0.1)


def test_held_out_items_given_as_samples_are_no_copies_of_training():
    training, held_out = cloud(0, 300), cloud(1, 300)
    assert copy_test(held_out, training, held_out).near_copies.value <= 0.02
    both = copy_test(training[:10], training, np.concatenate([training[:10], held_out[:290]]))
    assert both.nearer.value == pytest.approx(0.5)  # stands on both sides: a tie


def test_pictures_are_flattened_and_distinct_items_counted():
    pictures = np.random.default_rng(0).integers(0, 256, (250, 6, 6), dtype=np.uint8)
    found = copy_test(pictures[:100], pictures[:150], pictures[150:250])
    assert found.near_copies.value == 1
    doubled = np.concatenate([pictures[:30], pictures[:10]])
    assert distinct_share(doubled).value == pytest.approx(30 / 40)
    assert distinct_share(["a", "b", "a", "a"]).value == 0.5


def test_copy_test_refuses_what_does_not_fit():
    items = cloud(0, 200)
    for call, message in (
        (lambda: copy_test(items, items, items[:99]), "at least 100 held-out items"),
        (lambda: copy_test(items, items[:150], items), "200 held-out and 150 training items"),
        (lambda: copy_test(items[:0], items, items), "hold 0 items"),
        (lambda: copy_test(items[:, :3], items, items), "3 dimensions"),
        (lambda: copy_test(np.full((5, 8), np.nan), items, items), "NaN"),
        (lambda: distinct_share([]), "at least one item"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_copies_by_ratio_are_found_and_other_real_images_are_not():
    animals = collect.load("animals").only("cat", "giraffe")
    animals = animals[np.random.default_rng(1).permutation(len(animals))[:900]]
    training, fresh, others = animals[:500].data, animals[500:700].data, animals[700:]
    samples = others.arrays()[0].copy()
    samples[:50] = 0.97 * animals[:50].arrays()[0]  # faded copies
    near, marked = near_copies_by_ratio(samples, training, fresh, marked=training[:10])
    assert near[:50].all() and near[50:].mean() < 0.05
    assert marked[:10].all() and not marked[10:50].any()
