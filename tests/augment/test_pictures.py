"""Augmentation changes pictures and never labels."""

import inspect

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


def only(**chosen):
    return augment.layers(flip=False, **chosen)


def test_each_transform_of_the_guide_is_an_argument_of_layers():
    arguments = set(inspect.signature(augment.layers).parameters) - {"seed"}
    assert set(augment.TRANSFORMS) == arguments


def test_upside_down_gives_the_picture_or_its_reflection(arrows):
    changed = augment.expand(arrows, only(upside_down=True), copies=12).data[3:].reshape(12, 3, 8, 8)
    same = (changed == arrows.data).all(axis=(2, 3))
    flipped = (changed == arrows.data[:, ::-1]).all(axis=(2, 3))
    assert (same ^ flipped).all() and same.any() and flipped.any()


def test_scale_brightness_noise_and_cutout_change_what_they_name():
    data = np.zeros((40, 16, 16), "uint8")
    data[:, 4:12, 4:12] = 128
    squares = Dataset(data)
    areas = (augment.expand(squares, only(scale=0.4)).data[40:] > 64).sum(axis=(1, 2))
    assert areas.min() < 60 and areas.max() > 70 and areas.max() <= (8 / 0.6 + 1) ** 2
    lit = augment.expand(squares, only(brightness=0.2)).data[40:, 8, 8].astype(int)
    assert 0 < np.abs(lit - 128).max() <= 52 and len(set(lit.tolist())) > 5
    grain = augment.expand(squares, only(noise=0.1)).data[40:, 4:12, 4:12].astype(float)
    assert grain.std() == pytest.approx(25.5, rel=0.1)
    whole = Dataset(np.full((40, 16, 16), 128, "uint8"))
    hidden = (augment.expand(whole, only(cutout=0.3)).data[40:] == 0).mean(axis=(1, 2))
    assert hidden.max() > 0.1 and hidden.max() <= 0.36
    assert (hidden > 0).all()


class TestLabelPreservation:
    """A judge that knows whether the bright half is left (class 0) or right (class 1)."""

    @staticmethod
    def judge(pictures):
        return (pictures[:, :, 4:].mean(axis=(1, 2)) > pictures[:, :, :4].mean(axis=(1, 2))).astype(int)

    @pytest.fixture
    def halves(self):
        data = np.zeros((40, 8, 8), "uint8")
        data[:20, :, :4], data[20:, :, 4:] = 200, 200
        return Dataset(data, np.repeat([0, 1], 20), ("left", "right"))

    def test_a_mirror_image_loses_left_and_right(self, halves):
        table = augment.label_preservation(halves, augment.layers(seed=3), self.judge)
        assert table["class"].tolist() == ["left", "right", "all"]
        assert table["items"].tolist() == [20, 20, 40]
        assert 0.2 < table["kept"].iloc[-1] < 0.8  # half of the pictures are mirrored
        assert table["taken_for"].tolist() == ["right", "left", ""]

    def test_upside_down_keeps_left_and_right(self, halves):
        table = augment.label_preservation(halves, only(upside_down=True), self.judge)
        assert (table["kept"] == 1).all()

    def test_what_was_wrong_before_is_not_counted(self, halves):
        from dataclasses import replace

        wrong = replace(halves, labels=np.r_[1, halves.labels[1:]])
        table = augment.label_preservation(wrong, only(upside_down=True), self.judge)
        assert table["items"].tolist() == [19, 20, 39]

    def test_probabilities_do_too_and_nonsense_does_not(self, halves):
        table = augment.label_preservation(halves, only(noise=0.01), lambda x: np.eye(2)[self.judge(x)])
        assert (table["kept"] == 1).all()
        with pytest.raises(ValueError, match="shape"):
            augment.label_preservation(halves, augment.layers(), lambda x: np.zeros(3))
        with pytest.raises(ValueError, match="labels"):
            augment.label_preservation(Dataset(halves.data), augment.layers(), self.judge)
