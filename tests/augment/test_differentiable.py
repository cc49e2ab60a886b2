"""Differentiable augmentation: each change is what it says, and gradients flow through it."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")
from keras import ops  # noqa: E402

from aigc_lab import augment  # noqa: E402


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).random((64, 8, 8, 2), dtype="float32") + 0.1


def changed(pictures, *policy, **options):
    layer = augment.Differentiable(policy, **options)
    return ops.convert_to_numpy(layer(pictures, training=True))


def test_without_training_nothing_changes(pictures):
    layer = augment.Differentiable()
    assert np.array_equal(ops.convert_to_numpy(layer(pictures)), pictures)


def test_a_translation_is_one_of_the_shifts_and_all_occur(pictures):
    moved = changed(pictures, "translation", translation=0.25)
    found = set()
    for before, after in zip(pictures, moved, strict=True):
        padded = np.pad(before, ((2, 2), (2, 2), (0, 0)))
        shifts = [
            (down, right)
            for down in range(-2, 3)
            for right in range(-2, 3)
            if np.allclose(after, padded[2 - down : 10 - down, 2 - right : 10 - right])
        ]
        assert len(shifts) == 1
        found |= set(shifts)
    assert {down for down, _ in found} == {right for _, right in found} == {-2, -1, 0, 1, 2}


def test_cutout_zeroes_one_square(pictures):
    cut = changed(pictures, "cutout", cutout=0.5)
    gone = (cut == 0).all(axis=3)
    assert np.array_equal(cut[~gone], pictures[~gone])
    for hole in gone:
        rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
        assert hole.sum() == len(rows) * len(columns)
        assert 1 < len(rows) <= 4 and 1 < len(columns) <= 4
    assert (gone.sum(axis=(1, 2)) == 16).any() and gone.any(axis=0).all()


def test_quarter_turns_and_mirrors_are_exactly_those(pictures):
    turned = changed(pictures, "quarter_turns")
    kinds = [
        [np.array_equal(after, np.rot90(before, turns)) for turns in range(4)]
        for before, after in zip(pictures, turned, strict=True)
    ]
    assert (np.sum(kinds, axis=1) == 1).all() and np.sum(kinds, axis=0).min() > 5
    mirrored = changed(pictures, "mirror")
    same = (mirrored == pictures).all(axis=(1, 2, 3))
    other = (mirrored == pictures[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same ^ other).all() and same.any() and other.any()


def test_colour_is_an_affine_map_of_each_channel(pictures):
    coloured = changed(pictures, "colour")
    for before, after in zip(pictures, coloured, strict=True):
        # Two channels that keep their sum's line: mean over channels is scaled and moved.
        line = np.polyfit(before.mean(axis=2).ravel(), after.mean(axis=2).ravel(), 1)
        assert np.allclose(np.polyval(line, before.mean(axis=2)), after.mean(axis=2), atol=1e-4)
        assert 0.5 <= line[0] <= 1.5


def test_probability_leaves_so_many_as_they_are(pictures):
    many = np.tile(pictures, (20, 1, 1, 1))
    cut = changed(many, "cutout", probability=0.3)
    assert (cut != many).any(axis=(1, 2, 3)).mean() == pytest.approx(0.3, abs=0.05)
    assert np.array_equal(changed(pictures, "cutout", probability=0), pictures)


def test_equal_seeds_give_equal_changes_and_each_call_another(pictures):
    first, second = augment.Differentiable(seed=3), augment.Differentiable(seed=3)
    one = ops.convert_to_numpy(first(pictures, training=True))
    assert np.array_equal(one, ops.convert_to_numpy(second(pictures, training=True)))
    assert not np.array_equal(one, ops.convert_to_numpy(first(pictures, training=True)))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the tape is TensorFlow's")
@pytest.mark.parametrize("name", ["mirror", "quarter_turns", "colour", "translation", "cutout"])
def test_gradients_flow_and_agree_with_finite_differences(pictures, name):
    import tensorflow as tf

    layer = augment.Differentiable((name,), seed=5)
    state = layer.random.state.numpy()
    weights = np.random.default_rng(1).standard_normal(pictures.shape).astype("float32")
    direction = np.random.default_rng(2).standard_normal(pictures.shape).astype("float32")

    def total(x):
        layer.random.state.assign(state)  # the same changes each time
        return tf.reduce_sum(layer(x, training=True) * weights)

    variable = tf.Variable(pictures)
    with tf.GradientTape() as tape:
        value = total(variable)
    gradient = tape.gradient(value, variable).numpy()
    assert np.abs(gradient).max() > 0
    # Every change is affine in the pixels: one long step is exact.
    measured = float(total(pictures + direction) - total(pictures - direction)) / 2
    assert measured == pytest.approx(float((gradient * direction).sum()), rel=1e-3, abs=1e-2)


def test_saved_and_loaded_again_it_is_the_same(pictures):
    layer = augment.Differentiable(("cutout", "mirror"), probability=0.5, cutout=0.25, seed=7)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.policy == ("mirror", "cutout") and again.get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"policy": ("blur",)}, "'blur'"),
        ({"policy": ()}, "nothing"),
        ({"policy": "cutout"}, "'cutout'"),
        ({"probability": 1.2}, "probability"),
        ({"translation": 0.7}, "translation"),
    ],
)
def test_bad_settings_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        augment.Differentiable(**options)


def test_quarter_turns_need_squares():
    with pytest.raises(ValueError, match="square"):
        augment.Differentiable(("quarter_turns",))(np.zeros((1, 4, 6, 1), "float32"), training=True)
