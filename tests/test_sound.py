"""Sound as numbers and back: identities, agreement with TensorFlow and SciPy, and what bad input says."""

from __future__ import annotations

import ast
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import signal

from aigc_lab import sound

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"


def wave_of(samples: int = 4001, seed: int = 0, many: tuple[int, ...] = ()) -> np.ndarray:
    """Noise over a few tones, float32 ``(*many, samples)`` in [-1, 1]."""
    random = np.random.default_rng(seed)
    tones = sum(np.sin(2 * np.pi * hertz * np.arange(samples) / 8000) for hertz in (220, 700, 1900))
    return (0.2 * tones + random.normal(0, 0.05, (*many, samples))).clip(-1, 1).astype("float32")


# -- the short-time spectrum and back -----------------------------------------------------------------


@pytest.mark.parametrize("samples", [1, 79, 80, 81, 256, 4001])
@pytest.mark.parametrize(("size", "hop"), [(256, 80), (64, 32), (30, 7)])
def test_a_spectrum_leads_back_to_its_wave(samples: int, size: int, hop: int) -> None:
    wave = wave_of(samples, many=(2,))
    frames = sound.spectrum(wave, size, hop)
    assert frames.shape == (2, samples // hop + 1, size // 2 + 1)
    assert np.allclose(sound.from_spectrum(frames, samples, hop), wave, atol=2e-6)


def test_frames_are_written_out_transforms_under_a_window() -> None:
    wave, size, hop = wave_of(400), 64, 24
    padded, turn = np.pad(wave, size // 2), np.arange(size)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * turn / size)
    found = sound.spectrum(wave, size, hop)
    for frame, frequency in ((0, 0), (3, 5), (16, 32)):
        values = padded[frame * hop : frame * hop + size] * window
        truth = (values * np.exp(-2j * np.pi * frequency * turn / size)).sum()
        assert abs(found[frame, frequency] - truth) < 1e-4


def test_energy_is_kept() -> None:
    """Parseval: the squares of a frame's transform add up to size times those of the frame."""
    wave, size = wave_of(300), 64
    frames = sound.spectrum(wave, size, 16)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(wave, size // 2), size)[::16]
    windows = windows * signal.get_window("hann", size)
    both_sides = np.r_[1, np.full(size // 2 - 1, 2), 1]  # all but the ends stand for two frequencies
    assert np.allclose((np.abs(frames) ** 2) @ both_sides, size * (windows**2).sum(axis=1), rtol=1e-4)


def test_a_spectrum_is_linear_and_takes_many_waves() -> None:
    one, two = wave_of(500, 1), wave_of(500, 2)
    mixed = sound.spectrum(0.3 * one - 0.7 * two)
    assert np.allclose(mixed, 0.3 * sound.spectrum(one) - 0.7 * sound.spectrum(two), atol=1e-5)
    together = sound.spectrum(np.stack([one, two]).reshape(1, 2, 500))
    assert np.allclose(together[0, 1], sound.spectrum(two), atol=1e-6)


def test_frames_of_no_wave_give_the_nearest_one() -> None:
    """Any other wave has a spectrum that is farther away (Griffin and Lim 1984, equation 6)."""
    random = np.random.default_rng(0)
    shape = sound.spectrum(wave_of(800), 64, 16).shape
    frames = random.normal(size=shape) + 1j * random.normal(size=shape)
    frames[:, [0, -1]] = frames[:, [0, -1]].real  # as those of any real frame
    nearest = sound.from_spectrum(frames, 800, 16)
    both_sides = np.r_[1, np.full(31, 2), 1]

    def distance(wave: np.ndarray) -> float:
        return float(((np.abs(sound.spectrum(wave, 64, 16) - frames) ** 2) @ both_sides).sum())

    for _ in range(5):
        assert distance(nearest) < distance(nearest + 0.02 * random.normal(size=800).astype("float32"))


def test_scipy_gives_the_same_frames() -> None:
    wave, size, hop = wave_of(2000), 256, 80
    other = signal.ShortTimeFFT(signal.get_window("hann", size), hop, fs=8000)
    frames = other.stft(wave, p0=0, p1=2000 // hop + 1).T  # centred frames, the first at sample 0
    frames = frames * np.exp(-1j * np.pi * np.arange(size // 2 + 1))  # SciPy's phase is 0 at the middle
    assert np.allclose(np.abs(sound.spectrum(wave, size, hop)), np.abs(frames), atol=1e-4)


def test_tensorflow_gives_the_same_frames_and_triangles() -> None:
    tensorflow = pytest.importorskip("tensorflow")
    wave, size, hop = wave_of(1600), 256, 80
    frames = tensorflow.signal.stft(np.pad(wave, size // 2), size, hop).numpy()
    assert np.allclose(sound.spectrum(wave, size, hop), frames[: 1600 // hop + 1], atol=1e-4)
    bands = tensorflow.signal.linear_to_mel_weight_matrix(40, 129, 8000, 0.0, 4000.0).numpy()
    # TensorFlow gives the frequency 0 to no band; its mel scale is the same up to rounding (1127 ln).
    assert np.allclose(sound.mel_matrix(8000)[1:], bands[1:], atol=2e-3)


# -- mel bands ----------------------------------------------------------------------------------------


def test_the_mel_scale() -> None:
    assert sound.mel(0) == 0
    assert sound.mel(700) == pytest.approx(2595 * np.log10(2))
    assert sound.mel(1000) == pytest.approx(1000, abs=0.1)  # what the scale was made for
    assert np.all(np.diff(sound.mel(np.linspace(0, 8000, 99)), 2) < 0)


def test_triangles_have_their_tops_at_equal_steps_and_add_up_to_one() -> None:
    weights = sound.mel_matrix(8000, 4096, 20)
    assert weights.shape == (2049, 20)
    tops = sound.mel(weights.argmax(axis=0) * 8000 / 4096)
    assert np.allclose(np.diff(tops), sound.mel(4000) / 21, rtol=0.05)
    first, last = weights[:, 0].argmax(), weights[:, -1].argmax()
    assert np.allclose(weights[first + 1 : last].sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("level", [1.0, 0.1, 0.01])
def test_a_full_sine_has_its_amplitude_in_the_picture(level: float) -> None:
    wave = level * np.sin(2 * np.pi * 1000 * np.arange(4000) / 8000)
    picture = sound.log_mel(wave, 8000)
    assert picture.shape == (51, 40)
    # A Hann window spreads a tone over three frequencies of weights 1/2, 1 and 1/2.
    assert np.log10(level) - 0.15 < picture[25].max() < np.log10(level) + 0.3
    assert sound.log_mel(np.zeros(400), 8000).max() == -4


def test_silence_comes_back_as_silence() -> None:
    assert np.abs(sound.from_log_mel(np.full((6, 40), -4.0), 8000, 400, iterations=3)).max() == 0


def test_a_picture_becomes_a_wave_with_about_that_picture() -> None:
    wave = wave_of(4000)
    picture = sound.log_mel(wave, 8000)
    again = sound.log_mel(sound.from_log_mel(picture, 8000, 4000, iterations=30), 8000)
    assert np.sqrt(np.mean((again - picture) ** 2)) < 0.15  # 3 dB


# -- Griffin and Lim ----------------------------------------------------------------------------------


def test_without_momentum_the_error_never_grows() -> None:
    wanted = np.abs(sound.spectrum(wave_of(1200), 64, 16))
    random = np.random.default_rng(0)
    phase, errors = np.exp(2j * np.pi * random.random(wanted.shape)), []
    for _ in range(40):
        found = sound.spectrum(sound.from_spectrum(wanted * phase, 1200, 16), 64, 16)
        errors.append(np.linalg.norm(np.abs(found) - wanted))
        phase = found / np.maximum(np.abs(found), 1e-12)
    assert np.diff(errors).max() < 1e-4 * errors[0]
    assert errors[-1] < 0.5 * errors[0]


def test_griffin_lim_comes_near_and_nearer_with_more_steps() -> None:
    wave = wave_of(2400, many=(2,))
    wanted = np.abs(sound.spectrum(wave))
    errors = []
    for iterations in (1, 10, 60):
        made = sound.griffin_lim(wanted, 2400, iterations=iterations)
        assert made.shape == wave.shape
        errors.append(np.linalg.norm(np.abs(sound.spectrum(made)) - wanted) / np.linalg.norm(wanted))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.2


def test_griffin_lim_repeats_itself() -> None:
    wanted = np.abs(sound.spectrum(wave_of(800)))
    first, again = (sound.griffin_lim(wanted, 800, iterations=3) for _ in range(2))
    assert np.array_equal(first, again)


# -- rates and files ----------------------------------------------------------------------------------


def test_resampling_keeps_a_low_tone_and_removes_a_high_one() -> None:
    moments = np.arange(8000) / 8000
    low, high = (np.sin(2 * np.pi * hertz * moments) for hertz in (500, 3500))
    halved = sound.resampled(low, 8000, 4000)
    assert halved.shape == (4000,)
    assert np.allclose(halved[50:-50], low[::2][50:-50], atol=5e-3)
    assert np.abs(sound.resampled(high, 8000, 4000)[50:-50]).max() < 0.01
    assert sound.resampled(low, 8000, 8000).dtype == np.float32
    assert sound.resampled(np.stack([low, high]), 8000, 44_100).shape == (2, 44_100)


@pytest.mark.parametrize(("form", "apart"), [("WAV", 1e-4), ("FLAC", 1e-4), ("OGG", 0.1), ("MP3", 0.1)])
def test_a_file_is_read_back(form: str, apart: float) -> None:
    soundfile = pytest.importorskip("soundfile")
    wave = wave_of(8000)
    content = sound.encoded(wave, 8000, form)
    back, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    assert rate == 8000
    assert len(back) >= 8000  # MP3 fills its last block
    if form in ("MP3", "OGG"):  # lossy: the same picture, not the same samples
        assert len(content) < 0.6 * len(sound.encoded(wave, 8000, "WAV"))
        start = signal.correlate(back, wave, "full").argmax() - len(wave) + 1
        back = back[max(0, start) :]
    assert np.sqrt(np.mean((back[:7000] - wave[:7000]) ** 2)) < apart


def test_too_loud_a_wave_is_clipped_in_a_file_not_wrapped() -> None:
    soundfile = pytest.importorskip("soundfile")
    back, _ = soundfile.read(io.BytesIO(sound.encoded(np.array([2.0, -2.0, 0.5]), 8000, "WAV")))
    assert np.allclose(back, [1, -1, 0.5], atol=1e-3)


# -- loudness, as notebook 18 writes it ---------------------------------------------------------------


@pytest.fixture(scope="module")
def loudness() -> Callable[[np.ndarray, int], float]:
    """The function of the notebook, and the table of filters that it uses."""
    notebook = json.loads((NOTEBOOKS / "18_audio.ipynb").read_text(encoding="utf-8"))
    source = next(text for cell in notebook["cells"] if "def loudness(" in (text := "".join(cell["source"])))
    wanted = [
        statement
        for statement in ast.parse(source).body
        if (isinstance(statement, (ast.FunctionDef, ast.Assign)) and "loudness" in ast.unparse(statement))
        or "K_WEIGHTING =" in ast.unparse(statement)
    ]
    names = {"np": np, "signal": signal, "sound": sound}
    exec(compile(ast.Module(wanted, []), "18_audio", "exec"), names)
    return names["loudness"]


def sine(hertz: float, seconds: float = 3, rate: int = 48_000) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


def test_a_full_sine_of_997_hertz_has_the_loudness_of_the_recommendation(loudness: Any) -> None:
    """BS.1770-4, annex 1: a 0 dB sine of 997 Hz in one front channel has -3.01."""
    assert loudness(sine(997), 48_000) == pytest.approx(-3.01, abs=0.005)
    assert loudness(0.1 * sine(997), 48_000) == pytest.approx(-23.01, abs=0.005)


@pytest.mark.parametrize(("hertz", "other"), [(997, -3.0517), (60, -6.6327), (3000, 0.0638)])
def test_loudness_agrees_with_pyloudnorm(loudness: Any, hertz: int, other: float) -> None:
    """``other``: pyloudnorm's Meter(48000), whose filters lie .04 below the table of the recommendation."""
    assert loudness(sine(hertz), 48_000) == pytest.approx(other + 0.04, abs=0.01)


def test_pauses_and_whispers_do_not_make_a_talk_quieter(loudness: Any) -> None:
    """Noise, silence, noise 30 dB below it, a tone; pyloudnorm's Meter gives -15.6775 with its gates."""
    random = np.random.default_rng(0)
    parts = [0.1 * random.standard_normal(96_000), np.zeros(96_000), 0.003 * random.standard_normal(96_000)]
    mixed = np.concatenate([*parts, 0.3 * sine(440, 2)])
    assert loudness(mixed, 48_000) == pytest.approx(-15.6775 + 0.04, abs=0.02)
    assert loudness(np.zeros(96_000), 48_000) == -np.inf


# -- bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wave", [np.zeros(0), np.zeros((3, 0)), np.float32(1.0), [0.1, np.nan, 0.2], [0.1, np.inf]]
)
def test_a_wave_that_is_none_is_refused(wave: np.ndarray) -> None:
    with pytest.raises(ValueError, match="at least one sample and no NaN"):
        sound.spectrum(wave)


@pytest.mark.parametrize("hop", [0, -1, 129, 256])
def test_frames_that_do_not_overlap_are_refused(hop: int) -> None:
    with pytest.raises(ValueError, match="hop must be from 1 to half the size 256"):
        sound.spectrum(np.zeros(999), 256, hop)
    with pytest.raises(ValueError, match="hop must be from 1 to half the size 256"):
        sound.from_spectrum(np.zeros((4, 129), complex), 100, hop)


@pytest.mark.parametrize("length", [0, -5, 320, 5000])
def test_more_samples_than_the_frames_hold_are_refused(length: int) -> None:
    with pytest.raises(ValueError, match="4 frames at a hop of 80 hold 1 to 319 samples"):
        sound.from_spectrum(np.zeros((4, 129), complex), length)


def test_one_sample_is_a_sound() -> None:
    frames = sound.spectrum(np.array([0.5]))
    assert frames.shape == (1, 129)
    assert np.allclose(sound.from_spectrum(frames, 1), 0.5)
    assert sound.griffin_lim(np.abs(frames), 1, iterations=2).shape == (1,)
