"""Corruptions of sound: what the log says was done is what was done, and can be measured in the wave."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import fft

from aigc_lab import collect, corrupt
from aigc_lab.collect import Dataset, own_card
from aigc_lab.corrupt import sounds
from aigc_lab.sound import root_mean_square

DAMAGING = ("noise", "hum", "clipping", "silence", "wrong_rate")
ADDING = ("exact_duplicate", "near_duplicate")
RATE = 8000


@pytest.fixture(scope="module")
def tones() -> Dataset:
    return collect.load("tones")[::12]


def padded(part: np.ndarray, total: int = 12_000) -> np.ndarray:
    return np.pad(part, (0, total - len(part))).astype("float32")


def sine(hertz: float, seconds: float = 0.5, height: float = 0.3) -> np.ndarray:
    return height * np.sin(2 * np.pi * hertz * np.arange(1, round(seconds * RATE)) / RATE)


@pytest.mark.parametrize("name", [*DAMAGING, *ADDING])
@pytest.mark.parametrize("rate", [0.0, 0.1, 1.0])
def test_counts_match_the_rate_and_the_log_names_exactly_what_changed(tones, name, rate):
    dirty, log = corrupt.apply(tones, {name: rate}, seed=3)
    count = round(rate * len(tones))
    assert log.counts() == ({name: count} if rate else {}) and len(log.items(name)) == count
    assert len(dirty) == len(tones) + (count if name in ADDING else 0) == len(log.sources)
    changed = (dirty.data != tones.data[log.sources]).any(axis=1)
    expected = log.mask(name) if name != "exact_duplicate" else np.zeros(len(dirty), bool)
    assert np.array_equal(changed, expected)
    assert dirty.data.dtype == np.float32 and dirty.data.shape[1:] == tones.data.shape[1:]
    assert dirty.sample_rate == tones.sample_rate and np.abs(dirty.data).max() <= 1


def test_labels_flip_as_elsewhere_and_everything_may_happen_at_once(tones):
    dirty, log = corrupt.apply(tones, dict.fromkeys(corrupt.SOUND_CORRUPTIONS, 0.2), seed=5)
    assert log.names == corrupt.SOUND_CORRUPTIONS and np.isfinite(dirty.data).all()
    assert np.array_equal(dirty.labels != log.true_labels, log.mask("label_flip"))
    assert any("wrong_rate" in fault for fault in dirty.card.known_faults)


def test_one_seed_one_result_and_one_rate_does_not_reshuffle_another(tones):
    one, two = (corrupt.apply(tones, {"hum": 0.3, "noise": 0.2}, seed=7) for _ in range(2))
    assert np.array_equal(one[0].data, two[0].data)
    alone = corrupt.apply(tones, {"hum": 0.3}, seed=7)
    assert np.array_equal(alone[1].items("hum"), one[1].items("hum"))
    untouched = ~one[1].mask("noise")
    assert np.array_equal(alone[0].data[untouched], one[0].data[untouched])
    more = corrupt.apply(tones, {"hum": 0.6}, seed=7)[1]
    assert set(alone[1].items("hum")) < set(more.items("hum"))


def test_noise_and_hum_have_the_stated_level_and_stay_off_the_padding():
    wave = padded(sine(700))
    for damage, low, high in ((sounds.add_noise, 0, 12), (sounds.add_hum, 0, 10)):
        for seed in range(5):
            dirty, note = damage(wave, np.random.default_rng(seed), RATE)
            level = 20 * np.log10(root_mean_square(wave[:3999]) / root_mean_square((dirty - wave)[:3999]))
            assert low - 0.2 < level < high + 0.2 and f"{level:.0f} dB below" in note
            assert not dirty[3999:].any()


def test_hum_stands_at_the_mains_frequency_and_its_multiples():
    wave = padded(sine(1000, 1.0), 8000)
    dirty, note = sounds.add_hum(wave, np.random.default_rng(0), RATE)
    mains = int(note.split("hum of ")[1].split(" Hz")[0])
    heights = np.abs(fft.rfft(dirty - wave))
    top = np.sort(heights.argsort()[-3:])
    assert mains in (50, 60) and abs(heights[:100].argmax() - mains) <= 1
    assert all(min(abs(place - mains * k) for k in range(1, 9)) <= 1 for place in top)


def test_clipping_leaves_full_scale_in_flat_tops():
    dirty, note = sounds.clip(padded(sine(200)), np.random.default_rng(1), RATE)
    share = (np.abs(dirty[:3999]) == 1).mean()
    assert share > 0.5 and f"{share:.0%} of the samples" in note


def test_silence_is_near_silence_or_a_muted_front():
    wave, seen = padded(sine(300)), set()
    for seed in range(20):
        dirty, note = sounds.silence(wave, np.random.default_rng(seed), RATE)
        if note.startswith("near silence"):
            assert 0 < np.abs(dirty).max() <= 0.002
        else:
            share = np.flatnonzero(dirty)[0] / 3999
            assert 0.39 < share < 0.71 and np.array_equal(dirty[dirty != 0], wave[dirty != 0])
        seen.add(note.split(",")[0].split(" ")[0])
    assert seen == {"near", "the"}


def test_a_wrong_rate_changes_pitch_and_length_alike():
    wave, notes = padded(sine(500)), set()
    for seed in range(20):
        dirty, note = sounds.misread_rate(wave, np.random.default_rng(seed), RATE)
        times = float(note.split("at ")[1].split(" ")[0])
        length = np.flatnonzero(np.abs(dirty) > 0.01)[-1]
        pitch = np.abs(fft.rfft(dirty)).argmax() * RATE / len(dirty)
        assert length == pytest.approx(3999 / times, rel=0.02) and pitch == pytest.approx(
            500 * times, rel=0.02
        )
        notes.add(note)
    assert len(notes) == 4
    assert sounds.misread_rate(wave[:4500], np.random.default_rng(0), RATE)[0].shape == (4500,)


def test_a_near_copy_is_the_same_wave_later_and_at_another_level():
    wave = padded(sine(440) * np.hanning(3999))
    for seed in range(10):
        dirty, _ = sounds.nearly_copy(wave, np.random.default_rng(seed), RATE)
        product = np.correlate(dirty, wave[:3999], "valid")
        best = product.max() / np.linalg.norm(wave) / np.linalg.norm(dirty)
        assert best > 0.97 and product.argmax() <= 0.05 * RATE + 1 and not np.array_equal(dirty, wave)


@pytest.mark.parametrize("name", [*DAMAGING, "near_duplicate"])
def test_what_holds_nothing_stays_so_and_the_log_says_that(name):
    nothing = Dataset(np.zeros((3, 800), "float32"), None, (), own_card("none", "audio"), sample_rate=RATE)
    dirty, log = corrupt.apply(nothing, {name: 1.0})
    assert not dirty.data.any() and log.table["detail"].str.contains("no sample of this recording").all()


def test_bad_input_ends_in_one_sentence(tones):
    with pytest.raises(ValueError, match=r"needs a sample rate.*make it with Dataset\(\.\.\., sample_rate"):
        corrupt.apply(replace(tones, sample_rate=None), {"hum": 0.1})
    assert len(corrupt.apply(replace(tones, sample_rate=None), {"label_flip": 0.1})[0]) == len(tones)
    short = replace(tones, data=tones.data[:, :100])
    with pytest.raises(ValueError, match=r"at least 0\.05 s, and these are 0\.013 s"):
        corrupt.apply(short, {"clipping": 0.1})
    with pytest.raises(ValueError, match="'blur' is for images; the data set holds audio"):
        corrupt.apply(tones, {"blur": 0.1})
    with pytest.raises(ValueError, match="'hum' is for audio; the data set holds images"):
        corrupt.apply(collect.load("animals")[:9], {"hum": 0.1})
    with pytest.raises(ValueError, match="'junk' is for images or text; the data set holds audio"):
        corrupt.apply(tones, {"junk": 0.1})
    with pytest.raises(ValueError, match="did you mean 'clipping'"):
        corrupt.apply(tones, {"cliping": 0.1})
