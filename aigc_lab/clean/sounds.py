"""Find recordings that are clipped, hum, are silent or noisy, play at a wrong rate, or repeat earlier ones.

Each detector computes one number a recording, in a unit that can be read, and compares it with a threshold.
The defaults were chosen on ``spoken-digits`` (the 1,200 recordings against the same ones with the corruption
put in), about midway between the two; the docstrings say what was seen. They suit single words and short
sounds: look at the scores elsewhere before trusting a default.

All take a Dataset of audio with a sample rate, of at least 0.05 s, and raise a ValueError for another one. A
recording ends with its last sample that is not zero. Decibels (dB) are 20 log10 of a ratio of amplitudes.
Introduced in notebook 18.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, signal

from aigc_lab import sound
from aigc_lab.clean.duplicates import exact_duplicates, first_of_each
from aigc_lab.clean.issues import checked_number, each_alone, issue_table, label_note
from aigc_lab.clean.minhash import behind_the_first
from aigc_lab.collect.dataset import Dataset
from aigc_lab.collect.sounds import check_recordings

if TYPE_CHECKING:
    import pandas as pd

_FEWEST = 20  # recordings; among fewer nothing can be called unusual
_TINY = 1e-9
_HEARD = -1.75  # decades: frames more than 35 dB below the loudest are pauses before and after the word
_DEPTH = 2.5  # decades of a picture, 50 dB: below them noise would decide
_PARTS = 8  # a word is described in so many parts of equal length
_MAINS = (50, 60)  # hertz
# The rates at which recordings are played to learn how a wrong rate sounds: new samples for old ones.
_RATES = ((2, 1), (11, 8), (8, 11), (1, 2))
_TAUGHT = 150  # recordings of each half that are played so
_HALF_WIDTH = 40  # frames to each side of a fingerprint's centre
_DIRECTIONS, _NEIGHBOURS = 64, 8
_COMPARED = 1.0  # seconds of a recording that are compared sample by sample
_LOWER_PART = 0.35  # of the rate: higher frequencies are what a lower rate or noise changes first


def _recordings(dataset: Dataset, wanted_by: str) -> list[np.ndarray]:
    """The recordings without the zeros behind them: ``float32 (length,)`` each, some perhaps empty."""
    check_recordings(dataset, wanted_by)
    return [sound.sounding(wave) for wave in dataset.data]


def _issues(
    detector: str, dataset: Dataset, look: Callable[[np.ndarray], tuple[float, str] | None]
) -> pd.DataFrame:
    """As ``each_alone``; a recording of nothing but zeros has no issue but silence."""
    waves = _recordings(dataset, detector)
    return each_alone(detector, waves, lambda wave: look(wave) if len(wave) else None)


def _runs(mask: np.ndarray) -> np.ndarray:
    """How many True values stand in each unbroken row of them."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return edges[1::2] - edges[::2]


def clipped(dataset: Dataset, share: float = 0.005) -> pd.DataFrame:
    """Recordings whose tops are cut off flat; the score is the share of samples in flat tops.

    Measured: the share of samples that stand, three or more in a row, within 0.1 % of the recording's highest
    amplitude. A sound wave turns at its top; it does not stay there. In ``spoken-digits`` as published 1,195
    recordings have no such sample and the worst 0.2 %; after the corruption ``clipping`` 99 of 100 have 1.7 %
    or more; above ``share`` it is reported. A clipped recording that was then resampled is not flat any more,
    and not found.
    """
    checked_number("share", share, 0, 1)

    def look(wave: np.ndarray) -> tuple[float, str] | None:
        runs = _runs(np.abs(wave) >= 0.999 * np.abs(wave).max())
        flat = runs[runs >= 3].sum() / len(wave)
        reason = f"{flat:.1%} of its samples are cut off flat, up to {runs.max(initial=0)} in a row"
        return (flat, reason) if flat > share else None

    return _issues("clipped", dataset, look)


def humming(dataset: Dataset, line: float = 8.0, part: float = -22.0) -> pd.DataFrame:
    """Recordings with the hum of the mains; the score is how far its line stands out, in dB.

    Measured: the amplitude at 50 or 60 Hz over the larger one of its neighbours to both sides (at least 6 Hz
    away), which must reach ``line`` dB; and the energy from 44 to 66 Hz as a part of all, which must reach
    ``part`` dB. The first alone is also met by noise, the second alone by wind and by knocks. In
    ``spoken-digits`` as published half of the recordings have -49 dB or less there, 19 in 20 less than
    -34 dB; after the corruption ``hum`` all have -18 dB or more.
    """
    checked_number("line", line, 0)
    checked_number("part", part, -200, 0)

    def look(wave: np.ndarray) -> tuple[float, str] | None:
        size = max(4 * dataset.sample_rate, len(wave))
        spectrum = np.abs(fft.rfft(wave * np.hanning(len(wave)), size)) + _TINY
        step = dataset.sample_rate / size  # hertz from one value to the next, 0.25 at most
        gap = max(3 * dataset.sample_rate / len(wave), 6.0)

        def between(low: float, high: float) -> np.ndarray:
            return spectrum[round(max(low, 0) / step) : round(max(high, 2) / step) + 1]

        heights = {}
        for mark in _MAINS:
            below, above = between(mark - gap - 4, mark - gap + 2), between(mark + gap - 2, mark + gap + 4)
            beside = max(below.mean(), above.mean())
            heights[mark] = 20 * np.log10(between(mark - 1, mark + 1).max() / beside)
        mark = max(heights, key=heights.__getitem__)
        low = 10 * np.log10(np.square(between(44, 66)).sum() / np.square(spectrum).sum())
        reason = f"a line at {mark} Hz, {heights[mark]:.0f} dB above what is beside it"
        return (heights[mark], reason) if heights[mark] > line and low > part else None

    return _issues("humming", dataset, look)


def silent(dataset: Dataset, peak: float = 0.005, pause: float = 0.055) -> pd.DataFrame:
    """Recordings near silence, or with a stretch of digital silence in them.

    Measured: the highest amplitude (full scale is 1), and the longest stretch of samples that are exactly
    zero, in seconds: a microphone is never as still as that. In ``spoken-digits`` as published the quietest
    has a peak of 0.012 and the longest stretch lasts 0.003 s; near copies may begin 0.05 s later; after the
    corruption ``silence`` a recording has a peak of at most 0.002, or a stretch of at least 0.06 s. The score
    is 1 for nothing at all, else how far the peak is below its limit, or the muted share of the recording.
    """
    checked_number("peak", peak, 0, 1)
    checked_number("pause", pause, 0)

    def look(wave: np.ndarray) -> tuple[float, str] | None:
        if not len(wave):
            return 1.0, "nothing but zeros"
        if (highest := float(np.abs(wave).max())) < peak:
            return 1 - highest / peak, f"near silence: a peak of {highest:.4f}"
        muted = _runs(wave == 0).max(initial=0)
        seconds, share = muted / dataset.sample_rate, muted / len(wave)
        reason = f"{share:.0%} of it are muted, {seconds:.2f} s in one piece"
        return (share, reason) if seconds > pause else None

    return each_alone("silent", _recordings(dataset, "silent"), look)


def noisy(dataset: Dataset, level: float = -48.0) -> pd.DataFrame:
    """Recordings that hiss even where they are calmest; the score is how many dB they are above ``level``.

    Measured: of all values of the short-time spectrum, the amplitude that 5 % stay below, in dB of the
    largest. In ``spoken-digits`` as published it is -69 dB in the middle and -49 dB in the noisiest
    hundredth, all of one speaker; with the corruption ``noise`` it is -41 dB in the middle, and 97 of 100
    are above the default.
    """
    checked_number("level", level, -200, 0)

    def look(wave: np.ndarray) -> tuple[float, str] | None:
        amplitudes = np.abs(sound.spectrum(wave, *_steps(dataset.sample_rate)))
        heard = amplitudes[amplitudes.max(axis=1) > 1e-5 * amplitudes.max()]  # not the muted frames
        found = float(20 * np.log10(np.quantile(heard, 0.05) / amplitudes.max() + _TINY))
        reason = f"19 of 20 parts of its spectrum are above {found:.0f} dB"
        return (found - level, reason) if found > level else None

    return _issues("noisy", dataset, look)


# What a recording sounds like -------------------------------------------------------------------------


def _steps(rate: int) -> tuple[int, int]:
    """Samples of a frame (about 32 ms, a power of two) and from one frame to the next (10 ms)."""
    size = 2 ** max(4, round(np.log2(0.032 * rate)))
    return size, max(1, min(rate // 100, size // 2))


def _picture(wave: np.ndarray, rate: int) -> np.ndarray:
    """The log-mel picture ``(frames, 40)`` from the first to the last frame that is heard.

    In decades above the floor, 0 to 2.5, the loudest value 2.5: so a gain changes nothing.
    """
    size, hop = _steps(rate)
    bands = np.abs(sound.spectrum(wave, size, hop)) @ sound.mel_matrix(rate, size)
    levels = np.log10(np.maximum(bands, _TINY))
    levels -= levels.max()
    heard = np.flatnonzero(levels.max(axis=1) >= _HEARD)
    return np.maximum(levels[heard[0] : heard[-1] + 1] + _DEPTH, 0)


def describe(dataset: Dataset) -> np.ndarray:
    """What each recording sounds like, ``float32 (n, 321)``: for ``label.issues`` and for small classifiers.

    The log-mel picture of the word, from its first to its last loud frame, averaged in 8 parts of equal
    length (8 x 40 bands, decades), and the logarithm of its length. Neither gain nor place in the recording
    matters. A logistic regression on them tells 98 % of the ``spoken-digits`` (5 folds). Zeros where a
    recording holds nothing.
    """
    found = np.zeros((len(dataset), _PARTS * sound.BANDS + 1), dtype=np.float32)
    for item, wave in enumerate(_recordings(dataset, "describe")):
        if len(wave):
            picture = _picture(wave, dataset.sample_rate)
            edges = np.linspace(0, len(picture), _PARTS + 1)
            parts = [
                picture[int(low) : max(int(np.ceil(high)), int(low) + 1)].mean(axis=0)
                for low, high in pairwise(edges)
            ]
            found[item] = [*np.concatenate(parts), np.log(len(picture))]
    return found


def odd_rate(dataset: Dataset, threshold: float = 0.7) -> pd.DataFrame:
    """Recordings that sound as if they were played at a wrong rate; the score is the probability of that.

    What a wrong rate sounds like is learned from the set itself: half of the recordings are played twice and
    11/8 times as fast and as slow, a logistic regression learns to tell these five apart from level and
    spread in each band and from the length, and judges the other half; then the halves change places. Most of
    the set must be right, or right and wrong are one for all; with 30 % of ``spoken-digits`` at a wrong rate
    it finds 93 % of them (91 % of what it reports is right); of the 1,200 published recordings it suspects
    8. Reported are probabilities from ``threshold`` up. Fewer than 20 recordings give no issues.
    """
    checked_number("threshold", threshold, 0, 1)
    from sklearn.linear_model import LogisticRegression  # here, because it is slow to import
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    waves = _recordings(dataset, "odd_rate")
    places = np.array([item for item, wave in enumerate(waves) if len(wave)], dtype=np.int64)
    if len(places) < _FEWEST:
        return issue_table("odd_rate", [], [], [])

    def measured(wave: np.ndarray) -> np.ndarray:
        picture = _picture(wave, dataset.sample_rate)
        spread = np.quantile(picture, 0.95, axis=0)
        return np.concatenate([picture.mean(axis=0), picture.std(axis=0), spread, [np.log(len(picture))]])

    given = np.array([measured(waves[item]) for item in places])  # (n, 121)
    chances = np.zeros((len(places), 1 + len(_RATES)))  # of its own rate, then of the wrong ones
    halves = np.array_split(np.random.default_rng(0).permutation(len(places)), 2)
    for taught, judged in (halves, halves[::-1]):
        some = taught[:_TAUGHT]
        played = [
            [measured(signal.resample_poly(waves[places[item]], up, down)) for item in some]
            for up, down in _RATES
        ]
        features = np.concatenate([given[some], *played])
        kinds = np.repeat(np.arange(len(_RATES) + 1), len(some))
        with threadpool_limits(1):  # matrices this small are slower on several threads
            learner = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
            chances[judged] = learner.fit(features, kinds).predict_proba(given[judged])
    suspected = 1 - chances[:, 0]
    found = np.flatnonzero(suspected >= threshold)
    speeds = [down / up for up, down in np.array(_RATES)[chances[found, 1:].argmax(axis=1)]]
    reasons = [f"sounds as if read at {speed:.2f} times its rate" for speed in speeds]
    return issue_table("odd_rate", places[found], suspected[found], reasons)


# Near-duplicates --------------------------------------------------------------------------------------


def near_duplicates(dataset: Dataset, threshold: float = 0.94) -> pd.DataFrame:
    """Recordings that are an earlier one again: later, louder, through a lower rate, with a little noise.

    In two steps. The **fingerprint** of a recording is its log-mel picture around its centre of loudness, in
    the 64 leading principal components: a gain does not change it and a shift hardly; the 8 nearest are
    candidates. They are then compared **sample by sample**: the largest normalised cross-correlation over all
    shifts of their first second, below 0.35 of the rate, is the score (1 is equal but for gain and shift),
    and decides from ``threshold`` up. Two takes of one word by one speaker may look alike as pictures; their
    waves never agree. Of 120 near copies among 1,320 ``spoken-digits`` 118 were found, and nothing else.

    Exact copies are not reported again: see ``exact_duplicates``. Each issue refers to an item that stays
    (``duplicate_of``). Time grows with the square of the set, 64 products a pair; memory with its length.
    """
    checked_number("threshold", threshold, 0, 1)
    waves = _recordings(dataset, "near_duplicates")
    first = first_of_each(dataset)
    usable = np.array([k for k, wave in enumerate(waves) if len(wave) and first[k] == k], dtype=np.int64)
    pairs = usable[_likely_pairs(np.array([_fingerprint(waves[k], dataset.sample_rate) for k in usable]))]
    agree = correlations(waves, pairs, dataset.sample_rate)
    items, firsts, shares = behind_the_first(pairs[agree >= threshold], agree[agree >= threshold])
    reasons = [
        f"nearly item {one}: their waves correlate by {share:.3f}{label_note(dataset, item, one)}"
        for item, one, share in zip(items, firsts, shares, strict=True)
    ]
    return issue_table("near_duplicates", items, shares, reasons, firsts)


def _fingerprint(wave: np.ndarray, rate: int) -> np.ndarray:
    """The picture around its centre of loudness, ``(80 * 40,)``; zeros beyond its ends."""
    picture = _picture(wave, rate)
    weight = picture.sum(axis=1)
    centre = round(float(weight @ np.arange(len(picture)) / max(weight.sum(), _TINY)))
    padded = np.pad(picture, ((_HALF_WIDTH, _HALF_WIDTH), (0, 0)))
    return padded[centre : centre + 2 * _HALF_WIDTH].ravel().astype(np.float32)  # (80, 40) -> (3200,)


def _likely_pairs(fingerprints: np.ndarray) -> np.ndarray:
    """Pairs ``(p, 2)`` of places, the earlier one first: each with its 8 nearest by angle."""
    from sklearn.decomposition import PCA  # here, because it is slow to import
    from sklearn.neighbors import NearestNeighbors

    if len(fingerprints) < 2:
        return np.empty((0, 2), dtype=np.int64)
    directions = min(_DIRECTIONS, len(fingerprints), fingerprints.shape[1])
    points = PCA(directions, svd_solver="randomized", random_state=0).fit_transform(fingerprints)
    points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), _TINY)
    count = min(_NEIGHBOURS + 1, len(points))  # each is its own nearest
    near = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(points).kneighbors(points)[1]
    one, two = np.repeat(np.arange(len(points)), count), near.ravel()  # (n, count) -> (n * count,)
    return np.unique(np.sort(np.stack([one, two], axis=1)[one != two], axis=1), axis=0)


def correlations(waves: list[np.ndarray], pairs: np.ndarray, rate: int) -> np.ndarray:
    """The largest normalised cross-correlation of each pair ``(p, 2)`` over all shifts, ``(p,)`` in 0..1."""
    most = max(int(_COMPARED * rate), 1)
    size = fft.next_fast_len(2 * min(most, max((len(wave) for wave in waves), default=1)), real=True)

    @lru_cache(maxsize=2048)  # 45 kB each at 8 kHz
    def lower(item: int) -> np.ndarray:
        """The spectrum of one recording with the length 1, without its higher frequencies."""
        part = fft.rfft(waves[item][:most], size)[: int(_LOWER_PART * size)]
        return part / max(float(np.linalg.norm(part)), _TINY)

    # Frequencies of one sign only: the size of the complex sum is the envelope of the correlation.
    found = [np.abs(fft.ifft(lower(one) * np.conj(lower(two)), size)).max() * size for one, two in pairs]
    return np.minimum(found, 1)


# Each corruption that shows in the sound, with the detector that looks for it.
DETECTORS: Mapping[str, Callable[[Dataset], pd.DataFrame]] = {
    "exact_duplicate": exact_duplicates,
    "near_duplicate": near_duplicates,
    "silence": silent,
    "clipping": clipped,
    "hum": humming,
    "noise": noisy,
    "wrong_rate": odd_rate,
}


def detect_all(dataset: Dataset) -> dict[str, pd.DataFrame]:
    """Every detector's issues, keyed by the corruption it looks for."""
    return {name: find(dataset) for name, find in DETECTORS.items()}
