"""What each corruption does to one recording. Introduced in notebook 18.

Every function takes a wave ``float32 (samples,)`` in [-1, 1], a random generator and the sample rate in
hertz, leaves the wave as it is, and returns a new one of the same shape with a short note. Recordings of
one set have one length: what follows the last sample that is not zero is padding, and stays zero. Strengths
are relative to the recording's own level, so that a corruption sounds alike in a loud and in a quiet one; a
ratio of levels in decibels (dB) is 20 log10 of the ratio of root mean squares.
"""

from __future__ import annotations

import numpy as np
from scipy import signal

from aigc_lab.sound import fitted, root_mean_square, sounding

_QUIET = 0.002  # the highest peak of a recording that is near silence: -54 dB of full scale
# How samples for one rate are taken for another (new samples for old ones), and how fast that plays.
_MISREADINGS = ((2, 1), (11, 8), (8, 11), (1, 2))


def add_noise(wave: np.ndarray, rng: np.random.Generator, rate: int) -> tuple[np.ndarray, str]:
    """White noise 0 to 12 dB below the recording, as a poor microphone far away gives it."""
    part, below = sounding(wave), rng.uniform(0, 12)
    noise = rng.normal(0, root_mean_square(part) / 10 ** (below / 20), len(part))
    return fitted(part + noise, len(wave)), f"white noise {below:.0f} dB below the recording"


def add_hum(wave: np.ndarray, rng: np.random.Generator, rate: int) -> tuple[np.ndarray, str]:
    """Hum of the mains: 50 or 60 Hz and its multiples up to the eighth, 0 to 10 dB below the recording.

    The k-th multiple has about 1/k of the amplitude of the first, each with its own phase. The mains are
    steady: they hold their frequency within 0.1 %.
    """
    part, below = sounding(wave), rng.uniform(0, 10)
    mains = (50, 60)[rng.integers(2)] * rng.uniform(0.999, 1.001)
    numbers = np.arange(1, 9)
    heights = rng.uniform(0.5, 1.5, 8) / numbers * (mains * numbers < rate / 2)
    turns = mains * numbers * np.arange(len(part))[:, None] / rate  # (length, 8)
    hum = np.sin(2 * np.pi * (turns + rng.random(8))) @ heights
    hum *= root_mean_square(part) / 10 ** (below / 20) / max(root_mean_square(hum), 1e-12)
    return fitted(part + hum, len(wave)), f"hum of {mains:.0f} Hz, {below:.0f} dB below the recording"


def clip(wave: np.ndarray, rng: np.random.Generator, rate: int) -> tuple[np.ndarray, str]:
    """A recorder set 10 to 24 dB too loud: what goes beyond full scale is cut off flat."""
    part, over = sounding(wave), rng.uniform(10, 24)
    louder = part / max(float(np.abs(part).max(initial=0)), 1e-12) * 10 ** (over / 20)
    lost = float((np.abs(louder) >= 1).mean()) if len(part) else 0.0
    note = f"{over:.0f} dB beyond full scale, {lost:.0%} of the samples cut off"
    return fitted(np.clip(louder, -1, 1), len(wave)), note


def silence(wave: np.ndarray, rng: np.random.Generator, rate: int) -> tuple[np.ndarray, str]:
    """Near silence (a dead microphone: a peak of at most 0.002) or, as often, 40 to 70 % muted in front."""
    part = sounding(wave)
    if rng.random() < 0.5:
        peak = _QUIET * 10 ** -rng.uniform(0, 1)
        faint = part / max(float(np.abs(part).max(initial=0)), 1e-12) * peak
        return fitted(faint, len(wave)), f"near silence, peak {peak:.4f}"
    share = rng.uniform(0.4, 0.7)
    muted = part.copy()
    muted[: round(share * len(part))] = 0
    return fitted(muted, len(wave)), f"the first {share:.0%} muted"


def misread_rate(wave: np.ndarray, rng: np.random.Generator, rate: int) -> tuple[np.ndarray, str]:
    """Samples of one rate read as those of another: faster and higher, or slower and lower.

    By 2, by 11/8 (11,025 Hz taken for 8,000, nearly), or by their inverses. What becomes longer than the
    recordings of the set is cut off at the end.
    """
    up, down = _MISREADINGS[rng.integers(len(_MISREADINGS))]
    other = signal.resample_poly(sounding(wave), up, down) if wave.any() else wave[:0]
    note = f"read at {down / up:.2f} times its rate"
    return fitted(other, len(wave)), note + (", its end cut off" if len(other) > len(wave) else "")


def nearly_copy(wave: np.ndarray, rng: np.random.Generator, rate: int) -> tuple[np.ndarray, str]:
    """A near-duplicate: up to 50 ms later, -10 to 3 dB, noise 30 to 40 dB below, through a lower rate.

    The lower rate is 3/4 to 7/8 of the rate: there and back, which takes the highest frequencies away.
    """
    part = sounding(wave)
    later, gain, below = rng.uniform(0, 0.05), rng.uniform(-10, 3), rng.uniform(30, 40)
    up, down = ((3, 4), (5, 6), (7, 8))[rng.integers(3)]
    if len(part):
        part = signal.resample_poly(signal.resample_poly(part, up, down), down, up)
    part = part + rng.normal(0, root_mean_square(part) / 10 ** (below / 20), len(part))
    part = np.pad(part * 10 ** (gain / 20), (round(later * rate), 0))
    note = (
        f"{1000 * later:.0f} ms later, {gain:+.0f} dB, noise {below:.0f} dB below, through {up}/{down} rate"
    )
    return fitted(part, len(wave)), note
