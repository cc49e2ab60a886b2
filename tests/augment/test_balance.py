"""Oversampling: the numbers come out as asked, in turn, and nothing is lost."""

from dataclasses import replace

import numpy as np
import pytest

from aigc_lab import augment
from aigc_lab.collect import Card, Dataset


@pytest.fixture
def uneven():
    data = np.arange(13, dtype="uint8")[:, None, None] * np.ones((1, 8, 8), "uint8")
    return Dataset(data, np.repeat([0, 1, 3], [8, 3, 2]), ("a", "b", "nobody", "c"))


def test_all_classes_reach_the_largest_and_the_original_comes_first(uneven):
    more = augment.oversample(uneven)
    assert more.counts() == {"a": 8, "b": 8, "nobody": 0, "c": 8}
    assert np.array_equal(more.data[:13], uneven.data)
    for label in (1, 3):
        values, times = np.unique(more.data[more.labels == label][:, 0, 0], return_counts=True)
        assert set(values) == set(uneven.data[uneven.labels == label][:, 0, 0])
        assert times.max() - times.min() <= 1


def test_a_share_stops_earlier_and_never_takes_away(uneven):
    assert augment.oversample(uneven, share=0.3).counts() == {"a": 8, "b": 3, "nobody": 0, "c": 3}


def test_a_transform_changes_the_repeats_only(uneven):
    more = augment.oversample(uneven, transform=augment.layers(flip=False, brightness=0.3), seed=1)
    assert np.array_equal(more.data[:13], uneven.data)
    assert not np.isin(more.data[13:, 0, 0], uneven.data[8:, 0, 0]).all()
    assert more.counts() == augment.oversample(uneven).counts()


def test_equal_seeds_give_equal_sets_and_the_input_stays(uneven):
    before = uneven.data.copy()
    first, again, other = (augment.oversample(uneven, share=0.8, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first.data, again.data)
    assert not np.array_equal(first.data, other.data)
    assert np.array_equal(before, uneven.data)


@pytest.mark.parametrize("per_class", [1, 2, 5, 8, 20])
def test_balanced_gives_exactly_so_many(uneven, per_class):
    part = augment.balanced(uneven, per_class)
    assert part.counts() == {"a": per_class, "b": per_class, "nobody": 0, "c": per_class}
    for label in (0, 1, 3):  # no repeats while there are enough
        own = part.data[part.labels == label][:, 0, 0]
        assert len(np.unique(own)) == min(per_class, (uneven.labels == label).sum())


def test_texts_are_balanced_too_but_not_by_picture_layers():
    card = Card("t", "t", "text", "", "", "")
    texts = Dataset(("one", "two", "three"), np.array([0, 0, 1]), ("x", "y"), card)
    assert augment.oversample(texts).data == ("one", "two", "three", "three")
    with pytest.raises(ValueError, match="images"):
        augment.oversample(texts, transform=augment.layers())


def test_one_class_or_an_even_set_stays_as_it_is(uneven):
    one = uneven[:8]
    assert len(augment.oversample(one, transform=augment.layers())) == 8


def test_bad_input_is_refused(uneven):
    with pytest.raises(ValueError, match="labels"):
        augment.oversample(Dataset(uneven.data))
    with pytest.raises(ValueError, match="empty"):
        augment.oversample(replace(uneven, data=uneven.data[:0], labels=uneven.labels[:0]))
    with pytest.raises(ValueError, match="share"):
        augment.oversample(uneven, share=0)
    with pytest.raises(ValueError, match="at least 1"):
        augment.balanced(uneven, 0)
