"""Sound as numbers and back: short-time spectrum, mel bands, Griffin and Lim's search for a phase.

A wave is ``float32`` in [-1, 1], its last axis samples; every function takes one wave or many,
``(..., samples)``. A spectrum is ``(..., frames, size // 2 + 1)``. Introduced in notebook 18.
"""

from __future__ import annotations

import io

import numpy as np
from scipy import fft, signal

SIZE, HOP, BANDS = 256, 80, 40  # at 8 kHz: 32 ms a frame, one each 10 ms, 40 mel bands
FLOOR = 1e-4  # amplitudes of a mel band below this count as silence: -80 dB


def spectrum(wave: np.ndarray, size: int = SIZE, hop: int = HOP) -> np.ndarray:
    """Short-time Fourier transform: complex ``(..., frames, size // 2 + 1)``, one frame each ``hop`` samples.

    Frames are centred: frame k shows the samples around k * hop, with zeros beyond both ends, under a
    Hann window. There are ``samples // hop + 1`` of them (Allen and Rabiner 1977, equation 2.3).

    Raises:
        ValueError: an empty wave, NaN, or a hop that is not from 1 to half the size.
    """
    wave = np.asarray(wave, "float32")
    if wave.shape[-1:] in ((), (0,)) or not np.isfinite(wave).all():
        raise ValueError(f"a wave needs at least one sample and no NaN; got the shape {wave.shape}")
    _check_steps(size, hop)
    ends = [(0, 0)] * (wave.ndim - 1) + [(size // 2, size // 2)]
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(wave, ends), size, axis=-1)
    return fft.rfft(frames[..., ::hop, :] * _window(size), axis=-1)  # (..., samples + 1, size) -> each hop


def from_spectrum(frames: np.ndarray, length: int, hop: int = HOP) -> np.ndarray:
    """The wave ``(..., length)`` whose spectrum is nearest to the given one, in least squares.

    Of a spectrum that belongs to a wave it is that wave (Griffin and Lim 1984, equation 6).

    Raises:
        ValueError: more samples asked for than the frames hold, or a hop that does not fit.
    """
    size = 2 * (frames.shape[-1] - 1)
    _check_steps(size, hop)
    count = frames.shape[-2]
    if not 0 < length < count * hop:
        raise ValueError(
            f"{count} frames at a hop of {hop} hold 1 to {count * hop - 1} samples, not {length}"
        )
    window = _window(size)
    parts = fft.irfft(frames, size, axis=-1) * window
    total = np.zeros((*frames.shape[:-2], (count - 1) * hop + size), "float32")
    weight = np.zeros(total.shape[-1], "float32")
    for number in range(count):
        place = slice(number * hop, number * hop + size)
        total[..., place] += parts[..., number, :]
        weight[place] += window**2
    middle = slice(size // 2, size // 2 + length)
    return total[..., middle] / np.maximum(weight[middle], 1e-8)


def mel(hertz: np.ndarray | float) -> np.ndarray | float:
    """Frequency in hertz -> mel, equal steps of pitch as heard (O'Shaughnessy 1987, page 150)."""
    return 2595 * np.log10(1 + np.asarray(hertz) / 700)


def mel_matrix(rate: int, size: int = SIZE, bands: int = BANDS) -> np.ndarray:
    """Triangles that gather a magnitude spectrum into mel bands: ``(size // 2 + 1, bands)``.

    Their tops lie at equal distances in mel from 0 to half the rate and have the height 1.
    """
    edges = np.linspace(0, mel(rate / 2), bands + 2)
    places = mel(np.linspace(0, rate / 2, size // 2 + 1))[:, None]
    rising = (places - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - places) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling)).astype("float32")


def log_mel(wave: np.ndarray, rate: int, size: int = SIZE, hop: int = HOP, bands: int = BANDS) -> np.ndarray:
    """The wave as a picture: log10 amplitude in mel bands, ``(..., frames, bands)``, no less than -4."""
    gathered = np.abs(spectrum(wave, size, hop)) @ mel_matrix(rate, size, bands)
    return np.log10(np.maximum(gathered * 2 / _window(size).sum(), FLOOR))


def griffin_lim(magnitude: np.ndarray, length: int, hop: int = HOP, iterations: int = 60) -> np.ndarray:
    """A wave ``(..., length)`` whose spectrum has about the given magnitude ``(..., frames, size // 2 + 1)``.

    The phase begins at random (always the same). Each step makes a wave, takes its phase and keeps the
    magnitude: the distance cannot grow (Griffin and Lim 1984, section III); the momentum is that of Perraudin
    et al. 2013, algorithm 2, with alpha = .99.
    """
    size = 2 * (magnitude.shape[-1] - 1)
    turns = np.random.default_rng(0).uniform(0, 2 * np.pi, magnitude.shape)
    phase = np.exp(1j * turns).astype("complex64")
    before = np.zeros_like(phase)
    for _ in range(iterations):
        found = spectrum(from_spectrum(magnitude * phase, length, hop), size, hop)[..., : phase.shape[-2], :]
        ahead = found + 0.99 * (found - before)
        phase = ahead / np.maximum(np.abs(ahead), 1e-12)
        before = found
    return from_spectrum(magnitude * phase, length, hop)


def from_log_mel(
    picture: np.ndarray, rate: int, length: int, size: int = SIZE, hop: int = HOP, iterations: int = 60
) -> np.ndarray:
    """A wave ``(..., length)`` for a picture of ``log_mel``: bands back to frequencies, then Griffin-Lim.

    The bands are undone by the pseudo-inverse, negative amplitudes set to zero; what the triangles
    smeared stays lost. What is at the floor is silence.
    """
    triangles = mel_matrix(rate, size, picture.shape[-1])
    amplitude = np.where(picture > np.log10(FLOOR), 10.0**picture, 0) * _window(size).sum() / 2
    magnitude = np.maximum(0, amplitude @ np.linalg.pinv(triangles)).astype("float32")
    return np.clip(griffin_lim(magnitude, length, hop, iterations), -1, 1)


def resampled(wave: np.ndarray, rate: int, new_rate: int) -> np.ndarray:
    """The wave at another rate, with what the new rate cannot hold filtered out before."""
    if rate == new_rate:
        return np.asarray(wave, "float32")
    shared = np.gcd(rate, new_rate)
    changed = signal.resample_poly(wave, new_rate // shared, rate // shared, axis=-1)
    return np.clip(changed, -1, 1).astype("float32")


def sounding(wave: np.ndarray) -> np.ndarray:
    """The wave ``(samples,)`` without the zeros behind it: a view, possibly empty.

    Sounds of one set have one length; what follows the last sample that is not zero is padding.
    """
    filled = np.flatnonzero(wave)
    return wave[: filled[-1] + 1 if len(filled) else 0]


def root_mean_square(wave: np.ndarray) -> float:
    """Level of a wave; 0 for an empty one."""
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64)))) if len(wave) else 0.0


def fitted(wave: np.ndarray, samples: int) -> np.ndarray:
    """The wave as ``float32 (samples,)``: scaled down where it leaves [-1, 1], zeros behind it, or cut."""
    wave = wave[:samples] / max(1.0, float(np.abs(wave).max(initial=0)))
    return np.pad(wave, (0, samples - len(wave))).astype("float32")


def encoded(wave: np.ndarray, rate: int, form: str = "MP3") -> bytes:
    """One wave ``(samples,)`` as the bytes of a file: ``"WAV"`` (16 bit, exact), ``"FLAC"``, ``"OGG"``,
    ``"MP3"`` (small, for pages)."""
    import soundfile

    stream = io.BytesIO()
    soundfile.write(stream, np.clip(wave, -1, 1), rate, format=form)
    return stream.getvalue()


def _window(size: int) -> np.ndarray:
    return signal.get_window("hann", size).astype("float32")


def _check_steps(size: int, hop: int) -> None:
    if not 1 <= hop <= size // 2:
        raise ValueError(f"the hop must be from 1 to half the size {size}, got {hop}: frames must overlap")
