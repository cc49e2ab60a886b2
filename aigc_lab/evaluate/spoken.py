"""A spoken word as a picture of one size, and back: what the judge of spoken digits looks at.

The picture is the log-mel picture of ``sound`` from the first sound on, .64 s long, as loud as any other.
Introduced in notebook 27.
"""

from __future__ import annotations

import numpy as np

from aigc_lab import sound

RATE = 8_000  # samples a second
FRAMES, BANDS = 64, sound.BANDS  # of 10 ms; of mel
LENGTH = FRAMES * sound.HOP - 1  # samples: the most that give so many frames
PEAK = 0.5  # loudest sample of each recording
DECADES = 3.0  # 60 dB from the darkest to the lightest
QUIET = 1e-3  # 30 dB below the loudest 10 ms begins silence
BEFORE, AFTER = 160, 400  # samples kept before the first and after the last sound: 20 and 50 ms


def pictures(waves: np.ndarray, rate: int = RATE) -> np.ndarray:
    """Recordings ``(n, samples)`` -> pictures ``float32 (n, 64, 40, 1)`` in [0, 1]: frames, mel bands.

    Silence before the word is cut off, silence after it is set to zero, and what lasts longer than .64 s is
    cut. The gain makes the loudest sample .5 and the loudest band 1; 60 dB below that is 0. So the picture
    does not show how loud the recording is, nor where in it the word begins. Silence gives zeros.

    Raises:
        ValueError: not a table of waves, no samples, NaN.
    """
    waves = np.asarray(waves, "float32")
    if waves.ndim != 2 or not waves.size or not np.isfinite(waves).all():
        raise ValueError(
            f"waves must be a table (n, samples) without NaN, got shape {waves.shape}; "
            "one wave alone is wave[None]"
        )
    words = words_of(sound.resampled(waves, rate, RATE))
    levels = sound.log_mel(words, RATE)  # (n, 64, 40)
    loudest = levels.max(axis=(1, 2), keepdims=True)
    heard = np.abs(words).max(axis=1)[:, None, None] > 0
    return (heard * np.clip((levels - loudest) / DECADES + 1, 0, 1))[..., None].astype("float32")


def words_of(waves: np.ndarray) -> np.ndarray:
    """The word alone in each of the waves ``(n, samples)``, as ``(n, 5119)`` with the peak .5."""
    total = np.pad(np.cumsum(waves.astype("float64") ** 2, axis=1), ((0, 0), (40, 40)), mode="edge")
    energy = total[:, 80:] - total[:, :-80]  # of the 10 ms around each sample
    active = (energy > QUIET * energy.max(axis=1, keepdims=True)) & (energy > 0)
    first, last = active.argmax(axis=1), waves.shape[1] - 1 - active[:, ::-1].argmax(axis=1)
    places = np.maximum(first - BEFORE, 0)[:, None] + np.arange(LENGTH)  # (n, 5119)
    inside = (places <= last[:, None] + AFTER) & (places < waves.shape[1])
    cut = inside * np.take_along_axis(waves, np.minimum(places, waves.shape[1] - 1), axis=1)
    return PEAK * cut / np.maximum(np.abs(cut).max(axis=1, keepdims=True), 1e-9)


def waves(pictures: np.ndarray, iterations: int = 60) -> np.ndarray:
    """A wave ``(n, 5119)`` of 8,000 samples a second for each picture ``(n, 64, 40[, 1])``: Griffin-Lim.

    Raises:
        ValueError: pictures of another shape.
    """
    levels = np.asarray(pictures, "float32")
    if levels.shape[1:] not in ((FRAMES, BANDS), (FRAMES, BANDS, 1)):
        raise ValueError(f"pictures must be (n, {FRAMES}, {BANDS}[, 1]), got {levels.shape}")
    levels = levels.reshape(len(levels), FRAMES, BANDS)  # (n, 64, 40, 1) -> (n, 64, 40)
    # The darkest is silence, not a hiss 60 dB below the loudest.
    decibels = np.where(levels > 0, DECADES * (levels - 1), np.log10(sound.FLOOR))
    made = sound.from_log_mel(decibels - 1, RATE, LENGTH, iterations=iterations)
    return (PEAK * made / np.maximum(np.abs(made).max(axis=1, keepdims=True), 1e-9)).astype("float32")
