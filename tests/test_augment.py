"""Augmentation changes images and texts and never labels; gradients flow through what a GAN is given."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_lab import augment
from aigc_lab.backend import import_keras
from aigc_lab.collect import Card, Dataset

import_keras()
import keras  # noqa: E402

CARD = Card("t", "t", "text", "", "", "")
TEXTS = st.text(max_size=60)


def test_the_import_is_cheap():
    code = "import sys, aigc_lab.augment; assert not {'keras', 'tensorflow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="Diferentiable"):
        _ = augment.Diferentiable


# -- images -------------------------------------------------------------------------------------------


@pytest.fixture
def arrows():
    """An asymmetric image: a bright left half, with a mark in the upper row."""
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


def test_flip_layers_give_the_image_or_its_mirror_and_both_occur(arrows):
    more = augment.expand(arrows, augment.layers(flip=True), copies=12)
    changed = more.data[3:].reshape(12, 3, 8, 8)  # (copies n, h, w) -> (copies, n, h, w)
    same = (changed == arrows.data).all(axis=(2, 3))
    mirror = (changed == arrows.data[:, :, ::-1]).all(axis=(2, 3))
    assert (same ^ mirror).all()
    assert same.any() and mirror.any()
    assert more.labels.tolist() == arrows.labels.tolist() * 13


def test_a_shift_stays_within_its_share(arrows):
    more = augment.expand(arrows, augment.layers(flip=False, shift=0.125), copies=20)
    columns = [np.flatnonzero(image.any(axis=0)) for image in more.data[3:]]
    assert min(each.min() for each in columns) >= 0 and max(each.max() for each in columns) <= 4
    assert not np.array_equal(more.data[3:6], arrows.data)


def test_equal_seeds_give_equal_sets(arrows):
    sets = [
        augment.expand(arrows, augment.layers(shift=0.2, rotation=0.05, seed=3), seed=3) for _ in range(2)
    ]
    assert np.array_equal(sets[0].data, sets[1].data)


def test_equal_seeds_give_equal_images_also_from_layers_that_were_used_before(arrows):
    layers = augment.layers(shift=0.2, rotation=0.05)
    first, again, other = (augment.transformed(arrows, layers, seed) for seed in (3, 3, 4))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert not np.array_equal(first, augment.transformed(arrows, layers, None))
    mirror = augment.transformed(arrows, lambda images, training: images[:, :, ::-1])
    assert np.array_equal(mirror, arrows.data[:, :, ::-1])


def test_colour_images_keep_their_shape():
    colour = Dataset(np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype="uint8"))
    assert augment.mirrored(colour).data.shape == (4, 8, 8, 3)
    assert augment.expand(colour, augment.layers()).data.shape == (4, 8, 8, 3)


def test_images_that_cannot_be_changed_are_refused(arrows):
    with pytest.raises(ValueError, match="no transform"):
        augment.layers(flip=False)
    with pytest.raises(ValueError, match=r"0 to 0\.5"):
        augment.layers(shift=2)
    with pytest.raises(ValueError, match="empty"):
        augment.mirrored(arrows[:0])
    with pytest.raises(ValueError, match="at least 1"):
        augment.expand(arrows, augment.layers(), copies=0)


def only(**chosen):
    return augment.layers(flip=False, **chosen)


def test_upside_down_gives_the_image_or_its_reflection(arrows):
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


# -- rare classes --------------------------------------------------------------------------------------


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


def test_a_transform_changes_the_repeats_only(uneven):
    more = augment.oversample(uneven, transform=augment.layers(flip=False, brightness=0.3), seed=1)
    assert np.array_equal(more.data[:13], uneven.data)
    assert not np.isin(more.data[13:, 0, 0], uneven.data[8:, 0, 0]).all()
    assert more.counts() == augment.oversample(uneven).counts()


def test_equal_seeds_give_equal_sets_and_the_input_stays(uneven):
    before = uneven.data.copy()
    first, again, other = (augment.oversample(uneven, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first.data, again.data)
    assert not np.array_equal(first.data, other.data)
    assert np.array_equal(before, uneven.data)


def test_texts_are_balanced_too_but_not_by_image_layers():
    card = Card("t", "t", "text", "", "", "")
    texts = Dataset(("one", "two", "three"), np.array([0, 0, 1]), ("x", "y"), card)
    assert augment.oversample(texts).data == ("one", "two", "three", "three")
    with pytest.raises(ValueError, match="images"):
        augment.oversample(texts, transform=augment.layers())


def test_one_class_or_an_even_set_stays_as_it_is(uneven):
    one = uneven[:8]
    assert len(augment.oversample(one, transform=augment.layers())) == 8


def test_sets_that_cannot_be_balanced_are_refused(uneven):
    with pytest.raises(ValueError, match="labelled items"):
        augment.oversample(Dataset(uneven.data))
    with pytest.raises(ValueError, match="this set has none"):
        augment.oversample(replace(uneven, data=uneven.data[:0], labels=uneven.labels[:0]))


# -- texts ---------------------------------------------------------------------------------------------


def random(seed=0):
    return np.random.default_rng(seed)


def letters(text):
    return Counter(text)


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.floats(0, 1), st.integers(0, 9))
def test_swaps_keep_every_character_and_deletions_add_none(text, rate, seed):
    for name, method in augment.TEXT_METHODS.items():
        changed = method(text, rate, random(seed))
        if name.startswith("swap"):
            assert letters(changed) == letters(text)
        else:
            assert letters(changed) <= letters(text)
        assert bool(changed.strip()) == bool(text.strip()) or name == "delete_characters"
        assert bool(changed) == bool(text)


@settings(max_examples=40, deadline=None)
@given(TEXTS)
def test_a_rate_of_zero_changes_nothing(text):
    assert all(method(text, 0, random()) == text for method in augment.TEXT_METHODS.values())


def test_words_are_words_in_english_and_characters_in_chinese():
    english = "one two three four"
    assert set(augment.delete_words(english, 0.5, random(1)).split()) < set(english.split())
    chinese = augment.delete_words("床前明月光", 0.5, random(1))
    assert 0 < len(chinese) < 5 and set(chinese) < set("床前明月光")
    swapped = {augment.swap_words("床前 moon 光", 0.9, random(seed)) for seed in range(20)}
    assert len(swapped) > 3 and all(letters(each) == letters("床前 moon 光") for each in swapped)


def test_the_share_that_is_deleted_is_the_rate():
    text = " ".join(map(str, range(4000)))
    assert len(augment.delete_words(text, 0.3, random()).split()) == pytest.approx(2800, rel=0.05)
    assert len(augment.delete_characters("x" * 4000, 0.3, random())) == pytest.approx(2800, rel=0.05)


def test_everything_deleted_leaves_one():
    assert augment.delete_words("a b c", 1, random()).strip() in {"a", "b", "c"}
    assert augment.delete_characters("abc", 1, random()) in {"a", "b", "c"}


@pytest.mark.parametrize("text", ["", "x", "😀", "שלום עולם", "a\0b", "\udc80", "   ", "e\u0301"])
def test_odd_texts_pass(text):
    for method in augment.TEXT_METHODS.values():
        assert isinstance(method(text, 0.5, random()), str)


def test_a_long_line_is_quick():
    text = "word " * 50_000
    assert len(augment.delete_words(text, 0.1, random())) < len(text)


def test_expand_text_keeps_the_originals_and_the_labels():
    texts = Dataset(("good morning to you", "再见朋友"), np.array([0, 1]), ("en", "zh"), CARD)
    more = augment.expand_text(texts, "swap_words", rate=0.5, copies=3, seed=4)
    assert more.data[:2] == texts.data and len(more) == 8
    assert more.labels.tolist() == [0, 1] * 4
    assert more.data == augment.expand_text(texts, "swap_words", rate=0.5, copies=3, seed=4).data
    assert more.data != augment.expand_text(texts, "swap_words", rate=0.5, copies=3, seed=5).data


def test_texts_that_cannot_be_changed_are_refused():
    texts = Dataset(("a", "b"), card=CARD)
    with pytest.raises(ValueError, match="delete_words"):
        augment.expand_text(texts, "translate")
    with pytest.raises(ValueError, match="0 to 1"):
        augment.expand_text(texts, rate=2)
    with pytest.raises(ValueError, match="holds 0 text"):
        augment.expand_text(texts[:0])
    with pytest.raises(ValueError, match="images"):
        augment.expand_text(Dataset(np.zeros((1, 4, 4), "uint8")))


# -- inside a GAN --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((64, 8, 8, 2), dtype="float32") + 0.1


def changed(images, *policy, **options):
    layer = augment.Differentiable(policy, **options)
    return keras.ops.convert_to_numpy(layer(images, training=True))


def test_without_training_nothing_changes(images):
    layer = augment.Differentiable()
    assert np.array_equal(keras.ops.convert_to_numpy(layer(images)), images)


def test_a_translation_is_one_of_the_shifts_and_all_occur(images):
    moved = changed(images, "translation", translation=0.25)
    found = set()
    for before, after in zip(images, moved, strict=True):
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


def test_cutout_zeroes_one_square(images):
    cut = changed(images, "cutout", cutout=0.5)
    gone = (cut == 0).all(axis=3)
    assert np.array_equal(cut[~gone], images[~gone])
    for hole in gone:
        rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
        assert hole.sum() == len(rows) * len(columns)
        assert 1 < len(rows) <= 4 and 1 < len(columns) <= 4
    assert (gone.sum(axis=(1, 2)) == 16).any() and gone.any(axis=0).all()


def test_quarter_turns_and_mirrors_are_exactly_those(images):
    turned = changed(images, "quarter_turns")
    kinds = [
        [np.array_equal(after, np.rot90(before, turns)) for turns in range(4)]
        for before, after in zip(images, turned, strict=True)
    ]
    assert (np.sum(kinds, axis=1) == 1).all() and np.sum(kinds, axis=0).min() > 5
    mirrored = changed(images, "mirror")
    same = (mirrored == images).all(axis=(1, 2, 3))
    other = (mirrored == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same ^ other).all() and same.any() and other.any()


def test_colour_is_an_affine_map_of_each_channel(images):
    coloured = changed(images, "colour")
    for before, after in zip(images, coloured, strict=True):
        # Two channels that keep their sum's line: mean over channels is scaled and moved.
        line = np.polyfit(before.mean(axis=2).ravel(), after.mean(axis=2).ravel(), 1)
        assert np.allclose(np.polyval(line, before.mean(axis=2)), after.mean(axis=2), atol=1e-4)
        assert 0.5 <= line[0] <= 1.5


def test_probability_leaves_so_many_as_they_are(images):
    many = np.tile(images, (20, 1, 1, 1))
    cut = changed(many, "cutout", probability=0.3)
    assert (cut != many).any(axis=(1, 2, 3)).mean() == pytest.approx(0.3, abs=0.05)
    assert np.array_equal(changed(images, "cutout", probability=0), images)


def test_equal_seeds_give_equal_changes_and_each_call_another(images):
    first, second = augment.Differentiable(seed=3), augment.Differentiable(seed=3)
    one = keras.ops.convert_to_numpy(first(images, training=True))
    assert np.array_equal(one, keras.ops.convert_to_numpy(second(images, training=True)))
    assert not np.array_equal(one, keras.ops.convert_to_numpy(first(images, training=True)))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the tape is TensorFlow's")
@pytest.mark.parametrize("name", ["mirror", "quarter_turns", "colour", "translation", "cutout"])
def test_gradients_flow_and_agree_with_finite_differences(images, name):
    import tensorflow as tf

    layer = augment.Differentiable((name,), seed=5)
    state = layer.random.state.numpy()
    weights = np.random.default_rng(1).standard_normal(images.shape).astype("float32")
    direction = np.random.default_rng(2).standard_normal(images.shape).astype("float32")

    def total(x):
        layer.random.state.assign(state)  # the same changes each time
        return tf.reduce_sum(layer(x, training=True) * weights)

    variable = tf.Variable(images)
    with tf.GradientTape() as tape:
        value = total(variable)
    gradient = tape.gradient(value, variable).numpy()
    assert np.abs(gradient).max() > 0
    # Every change is affine in the pixels: one long step is exact.
    measured = float(total(images + direction) - total(images - direction)) / 2
    assert measured == pytest.approx(float((gradient * direction).sum()), rel=1e-3, abs=1e-2)


def test_saved_and_loaded_again_it_is_the_same(images):
    layer = augment.Differentiable(("cutout", "mirror"), probability=0.5, cutout=0.25, seed=7)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.policy == ("mirror", "cutout") and again.get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"policy": ("blur",)}, "'blur'"),
        ({"policy": ()}, "got \\(\\)"),
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


def recorded(*waves: np.ndarray) -> Dataset:
    """Recordings of half a second; shorter ones end in zeros."""
    data = np.stack([np.pad(wave, (0, 4000 - len(wave))) for wave in waves]).astype("float32")
    return Dataset(data, None, (), replace(CARD, modality="audio"), sample_rate=8000)


def tone(hertz: float = 150.0) -> np.ndarray:
    return 0.2 * np.hanning(3202)[1:-1] * np.sin(2 * np.pi * hertz * np.arange(1, 3201) / 8000 + 0.1)


class TestExpandSound:
    def test_copies_follow_the_recordings_and_labels_go_along(self):
        dataset = replace(recorded(tone(), tone(200)), labels=np.array([0, 1]), class_names=("a", "b"))
        more = augment.expand_sound(dataset, copies=2, seed=1, speed=0.1)
        assert more.data.shape == (6, 4000) and more.labels.tolist() == [0, 1] * 3
        assert np.array_equal(more.data[:2], dataset.data) and more.sample_rate == 8000
        again = augment.expand_sound(dataset, copies=2, seed=1, speed=0.1)
        assert np.array_equal(more.data, again.data) and not np.array_equal(more.data[2], more.data[4])

    def test_each_change_is_the_one_that_was_asked_for(self):
        dataset, off = recorded(tone()), {"shift": 0.0, "gain": 0.0, "noise": None}
        same = augment.expand_sound(dataset, **off)
        assert np.allclose(same.data[1], dataset.data[0], atol=1e-7)
        later = augment.expand_sound(dataset, **(off | {"shift": 0.05})).data[1]
        start = np.flatnonzero(later)[0]
        assert 0 < start <= 400 and np.allclose(later[start : start + 3000], same.data[1][:3000], atol=1e-6)
        louder = augment.expand_sound(dataset, **(off | {"gain": 6.0})).data[1]
        ratio = 20 * np.log10(np.linalg.norm(louder) / np.linalg.norm(same.data[1]))
        assert 0.01 < abs(ratio) <= 6
        hissing = augment.expand_sound(dataset, **(off | {"noise": 20.0})).data[1] - same.data[1]
        level = np.linalg.norm(same.data[1]) / np.linalg.norm(hissing)
        assert 20 * np.log10(level) == pytest.approx(20, abs=0.3)
        assert np.abs(augment.expand_sound(dataset, gain=40.0, seed=3).data).max() <= 1

    def test_silence_stays_silence(self):
        assert not augment.expand_sound(recorded(np.zeros(4000)), speed=0.2).data.any()

    def test_bad_input_ends_in_one_sentence(self):
        with pytest.raises(ValueError, match="expand_sound changes audio, and the set holds 2 images"):
            augment.expand_sound(
                Dataset(np.zeros((2, 9, 9), "uint8"), None, (), replace(CARD, modality="images"))
            )
        with pytest.raises(ValueError, match="needs a sample rate"):
            augment.expand_sound(replace(recorded(tone()), sample_rate=None))
        with pytest.raises(ValueError, match="copies must be at least 1, got 0"):
            augment.expand_sound(recorded(tone()), copies=0)
        with pytest.raises(ValueError, match=r"speed must lie from 0 to 0\.5, got 2"):
            augment.expand_sound(recorded(tone()), speed=2)
