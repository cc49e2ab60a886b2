"""Spoken digits as pictures, and the network that hears them: what the picture leaves out, what it keeps."""

from __future__ import annotations

import os

import numpy as np
import pytest

from aigc_lab import collect
from aigc_lab.evaluate import SPOKEN_GROUPS, about, class_accuracy, classify, features, fid, floor, spoken

needs_recordings = pytest.mark.skipif(
    "AIGC_LAB_MIRROR" not in os.environ, reason="the recordings are not on this machine"
)


@pytest.fixture(scope="module")
def words() -> np.ndarray:
    """A rising and a falling tone of .3 s, with silence before and after: (2, 8000)."""
    time = np.arange(2400) / 8000
    waves = np.zeros((2, 8000), "float32")
    waves[0, 1000:3400] = 0.4 * np.sin(2 * np.pi * (500 + 2000 * time) * time)
    waves[1, 2000:4400] = 0.1 * np.sin(2 * np.pi * (2000 - 2000 * time) * time)
    return waves


@pytest.fixture(scope="module")
def held_out():
    """240 recordings that the network was not trained on: waves, digits, speakers."""
    data, chosen = collect.load("spoken-digits"), collect.takes("spoken-digits") < 4
    return data.data[chosen], data.labels[chosen], collect.speakers("spoken-digits")[1][chosen]


# --- the picture ------------------------------------------------------------------------------


def test_the_picture_shows_neither_loudness_nor_place(words):
    seen = spoken.pictures(words)
    assert seen.shape == (2, 64, 40, 1) and seen.dtype == np.float32
    assert seen.min() == 0 and np.allclose(seen.max(axis=(1, 2, 3)), 1)
    assert np.array_equal(spoken.pictures(words * 0.01), seen) or np.allclose(
        spoken.pictures(words * 0.01), seen, atol=1e-3
    )
    assert np.allclose(spoken.pictures(np.roll(words, 800, axis=1)), seen, atol=1e-3)
    top = seen[..., 0].argmax(axis=2)  # the loudest band of each frame
    assert top[0, 4] < top[0, 25] and top[1, 4] > top[1, 25]
    assert not seen[:, 45:].any()  # .3 s of sound, then nothing


def test_what_lasts_longer_is_cut_and_another_rate_is_resampled(words):
    long = np.tile(words[:1, 1000:3400], 4)  # 1.2 s
    assert spoken.words_of(long).shape == (1, spoken.LENGTH)
    assert spoken.pictures(long)[:, -1].max() > 0.5
    faster = np.repeat(words, 2, axis=1)
    assert np.abs(spoken.pictures(faster, 16_000) - spoken.pictures(words))[..., :30, :].mean() < 0.05


def test_a_picture_becomes_a_wave_that_gives_the_picture(words):
    seen = spoken.pictures(words)
    made = spoken.waves(seen)
    assert made.shape == (2, spoken.LENGTH) and np.allclose(np.abs(made).max(axis=1), 0.5)
    assert np.abs(spoken.pictures(made) - seen).mean() < 0.03
    assert np.array_equal(made, spoken.waves(seen[..., 0]))


def test_silence_and_one_sample_have_a_picture():
    assert not spoken.pictures(np.zeros((2, 300))).any()
    assert np.isfinite(spoken.pictures(np.full((1, 1), 0.3))).all()
    assert not spoken.waves(np.zeros((1, 64, 40))).any()


@pytest.mark.parametrize("waves", [np.zeros(800), np.zeros((0, 800)), np.full((1, 800), np.nan)])
def test_bad_waves_are_refused(waves):
    with pytest.raises(ValueError, match=r"table \(n, samples\) without NaN, got shape .*wave\[None\]"):
        spoken.pictures(waves)


def test_bad_pictures_are_refused():
    with pytest.raises(ValueError, match=r"pictures must be \(n, 64, 40\[, 1\]\), got \(1, 28, 28\)"):
        spoken.waves(np.zeros((1, 28, 28)))


# --- the network ------------------------------------------------------------------------------


def test_each_question_is_answered_on_its_own():
    noise = np.random.default_rng(0).uniform(0, 1, (5, 64, 40, 1)).astype("float32")
    assert features(noise).shape == (5, 96) and features(noise[:0]).shape == (0, 96)
    for group, names in SPOKEN_GROUPS.items():
        odds = classify(noise[..., 0], group)
        assert odds.shape == (5, len(names)) and np.allclose(odds.sum(axis=1), 1, atol=1e-5)
    with pytest.raises(ValueError, match="among must be one of spoken-digits, speakers for these pictures"):
        classify(noise)
    with pytest.raises(ValueError, match="one of spoken-digits, speakers for these pictures, got 'digits'"):
        classify(noise, "digits")
    with pytest.raises(ValueError, match="one of animals, quickdraw, digits for these pictures"):
        classify(np.zeros((2, 28, 28, 1), "float32"), "spoken-digits")
    with pytest.raises(ValueError, match="no network 'music'; there is images and spoken"):
        about("music")


@needs_recordings
def test_the_stated_accuracy_is_the_measured_one_also_after_griffin_lim(held_out):
    waves, digits, speakers = held_out
    stated, names = about("spoken")["held_out_accuracy"], collect.speakers("spoken-digits")[0]
    assert names == SPOKEN_GROUPS["speakers"]
    seen = spoken.pictures(waves)
    again = spoken.pictures(spoken.waves(seen))
    for pictures, said in ((seen, "recordings"), (again, "made again by Griffin-Lim")):
        heard = class_accuracy(pictures, digits, tuple("0123456789"))
        voice = class_accuracy(pictures, speakers, names)
        assert heard.value == pytest.approx(stated[said]["spoken-digits"], abs=0.005) and heard.value >= 0.98
        assert voice.value == pytest.approx(stated[said]["speakers"], abs=0.005)


@needs_recordings
def test_frechet_distance_ranks_missing_digits_above_its_floor(held_out):
    waves, digits, _ = held_out
    real = features(spoken.pictures(waves))
    five = fid(real[digits < 5], real[digits >= 5], resamples=0)  # 120 of each
    assert five.value > floor(real, metric="fid", splits=20).high
