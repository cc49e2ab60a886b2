"""Sound and music: files as waves, recorded digits and effects, chorales, and what stands in for them.

Files are read by soundfile (WAV, FLAC, OGG, MP3). Introduced in notebook 18.
"""

from __future__ import annotations

import json
import os
from functools import cache
from itertools import pairwise, product
from pathlib import Path

import numpy as np

from aigc_lab.collect.dataset import Dataset, Unreadable, check_file

FORMATS = ("WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3")
SHORTEST = 0.05  # seconds; below it there is no hum and no pitch to speak of
LONGEST = 300.0  # seconds of one file that are read unless it is said how many
RATES = (1_000, 384_000)  # samples a second: what a header may say
CHANNELS = 32
_BLOCK = 2**16  # samples read at once: a header that lies cannot fill the memory
SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".mp3")

DIGIT_RATE = 8_000
DIGITS = tuple(str(digit) for digit in range(10))
TAKES = 20  # of each digit by each speaker

# The tones of the rows and columns of a telephone's keys (ITU-T Recommendation Q.23), in hertz.
_LOW, _HIGH = (697, 770, 852, 941), (1209, 1336, 1477)
# A timbre: the strength of each multiple of a tone, and how fast the sound dies away (in 1/s).
_TIMBRES = {
    "bell": ((1.0, 0.0, 0.6, 0.0, 0.3), 9.0),
    "buzz": ((1.0, 1.0, 1.0, 1.0), 0.0),
    "flute": ((1.0, 0.05), 0.0),
    "organ": ((1.0, 0.7, 0.0, 0.4), 0.0),
    "reed": ((0.5, 0.0, 1.0, 0.0, 0.4), 0.0),
    "string": ((1.0, 0.5, 0.33, 0.25, 0.2), 5.0),
}


def read_sound(
    path: str | os.PathLike[str], rate: int | None = None, seconds: float | None = None
) -> tuple[np.ndarray, int]:
    """A sound file as one wave: the mean of its channels, at the rate of the file or at another one.

    Integers of 8, 16, 24 and 32 bits become numbers in [-1, 1]; of floats beyond that the loudest is set
    to 1. A file that ends before its header says gives the samples that are there.

    Args:
        path: a WAV, FLAC, OGG or MP3 file.
        rate: samples a second that are wanted; None for those of the file.
        seconds: no more than so many are read; None for all, up to five minutes.

    Returns:
        ``float32`` ``(samples,)`` in [-1, 1], and its samples a second.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be read, holds no sample or NaN, or is longer than five minutes.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; check the path")
    check_wanted(rate, seconds)
    try:
        wave, found, _ = decoded_sound(path, rate, seconds)
    except Unreadable as reason:
        raise ValueError(f"cannot read {path.name} as sound: {reason}") from reason
    return wave, found


def check_wanted(rate: int | None, seconds: float | None) -> None:
    """Raises ``ValueError`` for a rate or a length that no sound can have."""
    low, high = RATES
    if rate is not None and not (isinstance(rate, (int, np.integer)) and low <= rate <= high):
        raise ValueError(f"rate must be from {low:,} to {high:,} samples a second, or None, got {rate!r}")
    if seconds is not None and not (isinstance(seconds, (int, float)) and 0 < seconds < float("inf")):
        raise ValueError(f"seconds must be a number above 0 or None, got {seconds!r}")


def decoded_sound(
    path: Path, rate: int | None = None, seconds: float | None = None
) -> tuple[np.ndarray, int, list[str]]:
    """The wave ``(samples,)``, its rate, and what was changed, in words; the arguments are ``read_sound``'s.

    Raises:
        Unreadable: with the reason.
    """
    import soundfile

    check_file(path)
    changes: list[str] = []
    try:
        with soundfile.SoundFile(str(path)) as file:
            kind, own, channels, promised = file.format, file.samplerate, file.channels, file.frames
            if kind not in FORMATS:
                raise Unreadable(f"{kind} files are not read; save it as WAV, FLAC, OGG or MP3")
            if not RATES[0] <= own <= RATES[1]:
                raise Unreadable(f"its header says {own:,} samples a second, which no sound has")
            if channels > CHANNELS:
                raise Unreadable(f"its header says {channels:,} channels, the limit is {CHANNELS}")
            most = int(np.ceil((seconds or LONGEST) * own))
            wave = _blocks(file, most if seconds else most + 1)
    except Unreadable:
        raise
    except PermissionError as error:
        raise Unreadable("no permission to read it") from error
    except Exception as error:  # a damaged file can raise nearly anything from inside a decoder
        raise Unreadable(_why(path, error)) from error
    if not seconds and len(wave) > most:
        raise Unreadable(f"longer than {LONGEST / 60:.0f} minutes; give seconds=… to read its beginning")
    if not len(wave):
        raise Unreadable("it holds no samples")
    if not np.isfinite(wave).all():
        raise Unreadable("it holds NaN or infinite values; save it again from the program that made it")
    if len(wave) < min(promised, most) or (kind == "WAV" and _cut_off(path)):
        changes.append("the file ends before its header says; what is there was read")
    if channels > 1:
        changes.append(f"the mean of its {channels} channels")
    if (peak := float(np.abs(wave).max())) > 1:
        wave = wave / peak
        changes.append(f"values up to {peak:.3g} divided by it")
    if rate not in (None, own):
        from aigc_lab import sound  # here: its filters are slow to import

        wave = sound.resampled(wave, own, rate)
        changes.append(f"{own:,} samples a second changed to {rate:,}")
    return np.ascontiguousarray(wave, "float32"), rate or own, changes


def _blocks(file: object, most: int) -> np.ndarray:
    """Up to so many samples, the mean of the channels: ``(samples,)``."""
    found, left = [], most
    while left > 0:
        block = file.read(min(_BLOCK, left), dtype="float32", always_2d=True)  # (samples, channels)
        if not len(block):
            break
        found.append(block.mean(axis=1))
        left -= len(block)
    return np.concatenate(found) if found else np.empty(0, "float32")


def _cut_off(path: Path) -> bool:
    """Whether a WAV file is shorter than its bytes 40 to 43 say."""
    with open(path, "rb") as stream:
        head = stream.read(44)
    size = int.from_bytes(head[40:44], "little")
    # Programs that write while they record leave the largest number, or none, where the size belongs.
    return head[36:40] == b"data" and 44 + size > path.stat().st_size and size < 0xFFFFFF00


def _why(path: Path, error: Exception) -> str:
    said = str(getattr(error, "error_string", error)).strip(" .")  # not str(error): it holds the whole path
    if path.suffix.lower() not in SUFFIXES:
        return "not a sound (WAV, FLAC, OGG, MP3)"
    if "Format not recognised" in said:
        return "corrupt: the content is no sound, whatever its name says"
    return f"corrupt: {said or type(error).__name__}"


def padded(waves: list[np.ndarray], samples: int) -> np.ndarray:
    """Waves of several lengths, cut or with zeros at the end, as one array ``(n, samples)``."""
    together = np.zeros((len(waves), samples), "float32")
    for row, wave in zip(together, waves, strict=True):
        row[: len(wave)] = wave[:samples]
    return together


def check_recordings(dataset: Dataset, wanted_by: str) -> None:
    """Raises ``ValueError`` where a set is not audio with a sample rate, of at least 0.05 s."""
    if dataset.modality != "audio":
        raise ValueError(f"{wanted_by} listens to audio, and the data set holds {dataset.modality}")
    if dataset.sample_rate is None:
        raise ValueError(
            f"{wanted_by} needs a sample rate, and the data set has none; make it with "
            "Dataset(..., sample_rate=8000)"
        )
    seconds = dataset.data.shape[1] / dataset.sample_rate
    if seconds < SHORTEST:
        raise ValueError(
            f"{wanted_by} needs recordings of at least {SHORTEST} s, and these are {seconds:.3f} s"
        )


# Recordings: what ``Dataset`` takes before its card, and the rate.


def recordings(files: dict[str, Path], rate: int) -> tuple:
    """The files ``CLASS_….wav`` in their order."""
    waves = [decoded_sound(path)[0] for path in files.values()]
    classes, labels = np.unique([name.split("_")[0] for name in files], return_inverse=True)
    return padded(waves, max(map(len, waves))), labels, tuple(map(str, classes)), rate


def tone_names() -> list[str]:
    """``DIGIT_TIMBRE_TAKE`` of each of the 1,200 tones, in their order."""
    return [f"{digit}_{timbre}_{take}" for digit, timbre, take in product(DIGITS, _TIMBRES, range(TAKES))]


def tones() -> tuple:
    """The digits as telephone tones: 0.3 to 0.5 s, twenty takes in each of six timbres.

    Length, loudness, phase and noise of a take come from a generator seeded by its place.
    """
    time = np.arange(DIGIT_RATE // 2) / DIGIT_RATE
    waves = np.zeros((len(DIGITS), len(_TIMBRES), TAKES, len(time)), "float32")
    for digit, (kind, (strengths, decay)) in product(DIGITS, enumerate(_TIMBRES.values())):
        row, column = divmod(int(digit) - 1, 3) if digit != "0" else (3, 1)
        heard = [
            (multiple * tone, strength)
            for tone in (_LOW[row], _HIGH[column])
            for multiple, strength in enumerate(strengths, start=1)
            if strength and multiple * tone < DIGIT_RATE / 2
        ]
        random = np.random.default_rng([int(digit), kind])
        length, loudness = random.uniform(0.3, 0.5, TAKES), random.uniform(0.2, 0.8, TAKES)
        phase = random.uniform(0, 2 * np.pi, (len(heard), TAKES, 1))
        wave = sum(
            strength * np.sin(2 * np.pi * tone * time + phase[place])
            for place, (tone, strength) in enumerate(heard)
        )  # (TAKES, samples)
        # Ten milliseconds up and ten down, so that nothing clicks.
        ramp = np.clip(np.minimum(time, length[:, None] - time) / 0.01, 0, 1)
        wave = wave * ramp * np.exp(-decay * time) * (loudness / sum(s for _, s in heard))[:, None]
        wave += 0.002 * random.standard_normal(wave.shape) * (time < length[:, None])
        waves[int(digit), kind] = wave
    labels = np.repeat(np.arange(len(DIGITS)), len(_TIMBRES) * TAKES)
    # (digits, timbres, takes, samples) -> (n, samples)
    return waves.reshape(-1, len(time)), labels, DIGITS, DIGIT_RATE


# Music in four voices: {part: [int8 (steps, 4), ...]}, a step a sixteenth, -1 for a rest.

PARTS = ("training", "validation", "test")


def chorales(file: Path) -> dict[str, list[np.ndarray]]:
    """The chorales of the JSON file, by part."""
    stored = json.loads(file.read_text(encoding="utf-8"))
    parts = zip(PARTS, ("train", "valid", "test"), strict=True)
    return {part: [np.array(piece, "int8") for piece in stored[key]] for part, key in parts}


def as_text(parts: dict[str, list[np.ndarray]]) -> tuple:
    """Pieces as texts, a line a step; the label is the part."""
    items = [
        "\n".join(" ".join(map(str, step)) for step in piece.tolist())
        for part in PARTS
        for piece in parts[part]
    ]
    return items, np.repeat(np.arange(len(PARTS)), [len(parts[part]) for part in PARTS]), PARTS


# Chords by the distance in semitones of their notes from the tonic, the bass first.
_CHORDS = {
    "major": {"I": (0, 4, 7), "ii6": (5, 9, 2), "IV": (5, 9, 0), "V": (7, 11, 2), "vi": (9, 0, 4)},
    "minor": {"I": (0, 3, 7), "ii6": (5, 8, 2), "IV": (5, 8, 0), "V": (7, 11, 2), "vi": (8, 0, 3)},
}
_PHRASES = [
    "I IV V I",
    "I vi IV V",
    "I ii6 V I",
    "I V vi IV",
    "I IV I V",
    "I vi ii6 V",
    "I V I IV",
    "vi IV V I",
]
_ENDS = ("ii6 V I", "IV V I")
_SPANS = ((60, 76), (55, 71), (48, 64), (41, 57))  # of soprano, alto, tenor and bass in the key of C
_UP = range(-6, 6)  # semitones from C: every key once
_PIECES = {"training": range(10), "validation": range(10, 13), "test": range(13, 16)}
_CHORD_STEPS, _LAST_STEPS = 4, 8  # a quarter; the last chord of a piece is a half


def cadences() -> dict[str, list[np.ndarray]]:
    """384 pieces of cadences in all keys, as ``chorales``: the parts differ in their phrases.

    Of all ways to voice the chords, with the root doubled and no voice above a higher one, the one that
    moves the upper voices least, without parallel fifths or octaves.
    """
    found: dict[str, list[np.ndarray]] = {part: [] for part in _PIECES}
    for part, numbers in _PIECES.items():
        for number, mode in product(numbers, _CHORDS):
            random = np.random.default_rng(number)
            phrases = [_PHRASES[place] for place in random.integers(0, len(_PHRASES), 4)]
            names = " ".join([*phrases, _ENDS[number % len(_ENDS)]]).split()
            chords = _voiced([_CHORDS[mode][name] for name in names])  # (chords, 4)
            steps = [_CHORD_STEPS] * (len(chords) - 1) + [_LAST_STEPS]
            piece = np.repeat(chords, steps, axis=0)
            found[part] += [(piece + up).astype("int8") for up in _UP]
    return found


def _voiced(chords: list[tuple[int, int, int]]) -> np.ndarray:
    """``(chords, 4)``: the cheapest path through the voicings (Viterbi's algorithm)."""
    ways = [_voicings(chord) for chord in chords]
    cost, back = np.zeros(len(ways[0])), []
    for before, after in pairwise(ways):
        step = np.array([[_movement(a, b) for a in before] for b in after]) + cost  # (after, before)
        back.append(step.argmin(axis=1))
        cost = step.min(axis=1)
    path = [int(cost.argmin())]
    for came in reversed(back):
        path.append(int(came[path[-1]]))
    return np.array([way[place] for way, place in zip(ways, reversed(path), strict=True)])


@cache
def _voicings(chord: tuple[int, int, int]) -> list[tuple[int, ...]]:
    """Soprano, alto, tenor and bass of every way to set a chord: all its notes, the bass doubled."""
    spans = [range(low, high + 1) for low, high in _SPANS]
    upper = [[pitch for pitch in span if pitch % 12 in chord] for span in spans[:3]]
    bass = [pitch for pitch in spans[3] if pitch % 12 == chord[0]]
    return [
        (s, a, t, b)
        for s, a, t, b in product(*upper, bass)
        if s > a > t > b and s - a <= 12 and a - t <= 12 and {s % 12, a % 12, t % 12} == set(chord)
    ]


def _movement(before: tuple[int, ...], after: tuple[int, ...]) -> float:
    """Semitones that the voices move, the bass for a quarter; very much where two move in parallel."""
    moves = [abs(new - old) for old, new in zip(before, after, strict=True)]
    parallel = sum(
        before[high] != after[high]
        and (before[high] - before[low]) % 12 == (after[high] - after[low]) % 12
        and (after[high] - after[low]) % 12 in (0, 7)
        for high in range(4)
        for low in range(high + 1, 4)
    )
    return sum(moves[:3]) + moves[3] / 4 + 1000 * parallel
