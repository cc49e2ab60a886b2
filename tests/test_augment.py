"""Augmentation changes pictures and never labels."""

import numpy as np
import pytest

from aigc_lab import augment
from aigc_lab.collect import Dataset


@pytest.fixture
def arrows():
    """An asymmetric picture: a bright left half, with a mark in the upper row."""
    data = np.zeros((3, 8, 8), "uint8")
    data[:, 2:6, 1:4] = 200
    data[:, 2, 1] = [50, 100, 150]
    return Dataset(data, np.array([0, 1, 0]), ("a", "b"))


def test_mirrored_adds_each_mirror_image_with_its_label(arrows):
    more = augment.mirrored(arrows)
    assert len(more) == 6
    assert np.array_equal(more.data[:3], arrows.data)
    assert np.array_equal(more.data[3:], arrows.data[:, :, ::-1])
    assert more.labels.tolist() == [0, 1, 0, 0, 1, 0]


def test_flip_layers_give_the_picture_or_its_mirror_and_both_occur(arrows):
    more = augment.expand(arrows, augment.layers(flip=True), copies=12)
    changed = more.data[3:].reshape(12, 3, 8, 8)  # (copies n, h, w) -> (copies, n, h, w)
    same = (changed == arrows.data).all(axis=(2, 3))
    mirror = (changed == arrows.data[:, :, ::-1]).all(axis=(2, 3))
    assert (same ^ mirror).all()
    assert same.any() and mirror.any()
    assert more.labels.tolist() == arrows.labels.tolist() * 13


def test_a_shift_stays_within_its_share(arrows):
    more = augment.expand(arrows, augment.layers(flip=False, shift=0.125), copies=20)
    columns = [np.flatnonzero(picture.any(axis=0)) for picture in more.data[3:]]
    assert min(each.min() for each in columns) >= 0 and max(each.max() for each in columns) <= 4
    assert not np.array_equal(more.data[3:6], arrows.data)


def test_equal_seeds_give_equal_sets(arrows):
    sets = [
        augment.expand(arrows, augment.layers(shift=0.2, rotation=0.05, seed=3), seed=3) for _ in range(2)
    ]
    assert np.array_equal(sets[0].data, sets[1].data)


def test_colour_pictures_keep_their_shape():
    colour = Dataset(np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype="uint8"))
    assert augment.mirrored(colour).data.shape == (4, 8, 8, 3)
    assert augment.expand(colour, augment.layers()).data.shape == (4, 8, 8, 3)


def test_bad_input_is_refused(arrows):
    with pytest.raises(ValueError, match="no transform"):
        augment.layers(flip=False)
    with pytest.raises(ValueError, match=r"0 to 0\.5"):
        augment.layers(shift=2)
    with pytest.raises(ValueError, match="at least 1"):
        augment.expand(arrows, augment.layers(), copies=0)
    with pytest.raises(ValueError, match="empty"):
        augment.mirrored(arrows[:0])
