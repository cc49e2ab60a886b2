"""Players: sounds beside a small picture of each, in JupyterLab and on the site. Introduced in notebook 18.

A player is plain HTML that holds its sound: no script, no other file, no other host. The build of the site
puts the sounds into files of their own (``book/sounds.py``).
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from aigc_lab import language, sound

FORMS = {"MP3": "audio/mpeg", "WAV": "audio/wav"}
MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)  # all that the form has
LONGEST_WAV = 32_000  # bytes of sound, 2 s at 8 kHz: up to here a WAV file is small, and it is exact
RANGE = 60  # dB from the loudest to the darkest colour of a spectrogram
COLOURS = 24  # of a spectrogram, so that its file stays small: steps of 2.5 dB
BANDS = 64  # rows of a spectrogram
TICKS = (0.1, 0.2, 0.5, 1, 2, 4, 8, 16)  # kHz
OCTAVES = 62.5 * 2.0 ** np.arange(10)  # Hz: limits of the bands that the words name
SIZE = "display:block;width:100%;max-width:20rem"
GRID = (
    "display:grid;gap:1rem;align-items:start;max-width:{most}rem;grid-template-columns:repeat(auto-fill,"
    "minmax(max(min(100%,14rem),calc((100% - {gaps}rem)/{columns})),1fr))"
)


@dataclass(frozen=True)
class Players:
    """Sounds to look at and listen to; the last line of a cell shows them."""

    page: str
    text: str

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": language.html(self.page), "text/plain": self.text}


def sounds(
    waves: Mapping[str, Any],
    rate: int | None = None,
    columns: int = 3,
    picture: str | None = "spectrogram",
    form: str | None = None,
) -> Players:
    """A player for each sound, with a picture above it and its caption and length below.

    Args:
        waves: caption -> wave ``(samples,)`` in [-1, 1], or (wave, its rate).
        rate: samples a second of the waves that stand without theirs.
        columns: at most so many side by side; fewer on a narrow page.
        picture: ``"spectrogram"`` (mel bands, each step of 2.5 dB a colour, over 60 dB), ``"wave"``, or None.
        form: ``"WAV"`` (16 bit, exact), ``"MP3"`` (small); None: WAV up to 32 kB, MP3 above.

    Sounds keep their level. MP3 knows few rates, and browsers play none below 3 kHz: such sounds are
    resampled to the next rate above that will do.

    Raises:
        ValueError: no sound, a wave that is empty, has NaN, more than one channel or values outside
            [-1, 1]; no rate; an unknown picture or form; no column.
    """
    if picture not in ("spectrogram", "wave", None) or form not in (None, *FORMS):
        raise ValueError(
            f"picture is spectrogram, wave or None and form is MP3, WAV or None; got {picture!r} and {form!r}"
        )
    if not isinstance(waves, Mapping) or not waves:
        raise ValueError("give sounds as {caption: wave}, at least one")
    if columns < 1 or int(columns) != columns:
        raise ValueError(f"columns must be a whole number from 1 up, got {columns}")
    figures, lines = [], []
    for caption, given in waves.items():
        wave, own = given if isinstance(given, tuple) and len(given) == 2 else (given, rate)
        wave, own = _checked(caption, wave, own)
        figures.append(_figure(str(caption), wave, own, picture, form))
        lines.append(f"{caption} ({len(wave) / own:.2f} s)")
    style = GRID.format(columns=int(columns), gaps=int(columns) - 1, most=21 * int(columns))
    page = "\n".join([f'<div class="lab-sounds" style="{style}">', *figures, "</div>"])
    return Players(page, "\n".join(lines))


def described(wave: np.ndarray, rate: int) -> str:
    """What a sound is like, for a reader who can neither see nor hear it: length, level, loudest octave."""
    amplitudes = np.array([sound.root_mean_square(wave), np.abs(wave).max()])
    level, peak = 20 * np.log10(np.maximum(amplitudes, 1e-10))
    words = f"{len(wave) / rate:.2f} seconds at {rate / 1000:g} kHz"
    if peak < -80:
        return f"{words}, silence"
    power = np.abs(sound.spectrum(wave, *_steps(rate, len(wave)))) ** 2  # (frames, frequencies)
    hertz = np.linspace(0, rate / 2, power.shape[1])
    octave = np.searchsorted(OCTAVES, hertz, side="right")
    loudest = int(np.bincount(octave, power.sum(axis=0)).argmax())
    if loudest == 0:
        band = f"below {OCTAVES[0]:g} Hz"
    else:
        low, high = OCTAVES[loudest - 1], min(OCTAVES[loudest - 1] * 2, rate / 2)
        band = f"from {low:g} to {high:g} Hz"
    return f"{words}, loudest {band}, level {level:.0f} dB, peak {peak:.0f} dB"


def spectrogram(wave: np.ndarray, rate: int) -> bytes:
    """The sound as the bytes of a PNG: seconds to the right, kHz upwards in equal steps of mel."""
    size, hop = _steps(rate, len(wave))
    bands = np.abs(sound.spectrum(wave, size, hop)) @ _rows(rate, size)  # (frames, BANDS)
    level = 20 * np.log10(np.maximum(bands, 1e-10))
    steps = np.clip((level - max(level.max(), -RANGE) + RANGE) / RANGE, 0, 1)
    figure, axes = _axes(len(wave) / rate)
    shades = np.rint(steps.T * (COLOURS - 1)) / (COLOURS - 1)  # (bands, frames)
    place = (0, len(wave) / rate, 0, sound.mel(rate / 2))
    axes.imshow(shades, "magma", aspect="auto", origin="lower", vmin=0, vmax=1, extent=place,
                interpolation="nearest")  # fmt: skip
    ticks: list[float] = []
    for each in TICKS:  # those that are not too near to the one below
        below = sound.mel(ticks[-1] * 1000) if ticks else -place[3]
        if each * 1000 <= rate / 2 and sound.mel(each * 1000) - below > 0.1 * place[3]:
            ticks.append(each)
    axes.set_yticks([float(sound.mel(each * 1000)) for each in ticks], [f"{each:g}" for each in ticks])
    axes.set_ylabel("kHz", fontsize=10, labelpad=1)
    return _png(figure)


def wave_picture(wave: np.ndarray, rate: int) -> bytes:
    """The sound as the bytes of a PNG: seconds to the right, the values from -1 to 1 upwards."""
    figure, axes = _axes(len(wave) / rate)
    columns = min(len(wave), 240)
    # Of long sounds the lowest and the highest value of each column: nothing loud is skipped.
    starts = np.linspace(0, len(wave), columns, endpoint=False).astype(int)
    lowest, highest = np.minimum.reduceat(wave, starts), np.maximum.reduceat(wave, starts)
    times = starts / rate
    if columns == len(wave):
        axes.plot(times, wave, color="#0072B2", linewidth=1)
    else:
        axes.fill_between(times, lowest, highest, color="#0072B2", linewidth=0.5)
    axes.set(xlim=(0, len(wave) / rate), ylim=(-1, 1), yticks=(-1, 0, 1))
    return _png(figure)


def _figure(caption: str, wave: np.ndarray, rate: int, picture: str | None, form: str | None) -> str:
    """One sound as HTML: its picture with words for it, the player with its name, the caption."""
    words = f"{caption}: {described(wave, rate)}"
    shown = ""
    if picture is not None:
        drawn = spectrogram(wave, rate) if picture == "spectrogram" else wave_picture(wave, rate)
        alt = html.escape(f"Spectrogram of {words}" if picture == "spectrogram" else f"Wave of {words}")
        shown = f'<img src="{_address("image/png", drawn)}" alt="{alt}" style="{SIZE};height:auto">'
    form = form or ("WAV" if 2 * len(wave) <= LONGEST_WAV else "MP3")
    played = max(rate, MP3_RATES[0])
    if form == "MP3":
        played = next((each for each in MP3_RATES if each >= rate), MP3_RATES[-1])
    file = sound.encoded(sound.resampled(wave, rate, played), played, form)
    seconds = len(wave) / rate
    lasts = f"{seconds:.3f}" if seconds < 0.1 else f"{seconds:.2f}" if seconds < 1 else f"{seconds:.1f}"
    return (
        f'<figure class="lab-sound" style="margin:0;min-width:0">{shown}'
        f'<audio controls preload="metadata" aria-label="{html.escape(f"Sound: {words}")}" style="{SIZE}" '
        f'src="{_address(FORMS[form], file)}"></audio>'
        f"<figcaption>{html.escape(caption)} · {lasts} s</figcaption></figure>"
    )


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _checked(caption: Any, wave: Any, rate: Any) -> tuple[np.ndarray, int]:
    """One wave as float32 ``(samples,)`` and its rate."""
    if rate is None or not np.isscalar(rate) or not 100 <= rate <= 400_000 or int(rate) != rate:
        raise ValueError(
            f"the sound {caption!r} needs its rate in samples a second, a whole number from 100; got {rate!r}"
        )
    wave = np.asarray(wave)
    if wave.ndim != 1 or not wave.size:
        raise ValueError(
            f"the sound {caption!r} must be one wave (samples,) with at least one sample, got the shape "
            f"{wave.shape}; of stereo give the mean of both channels"
        )
    if not np.issubdtype(wave.dtype, np.floating) or not np.isfinite(wave).all():
        raise ValueError(
            f"the sound {caption!r} must hold finite float numbers from -1 to 1, got {wave.dtype}"
            f"{'' if np.issubdtype(wave.dtype, np.integer) else ' with NaN or infinite values'}"
        )
    largest = float(np.abs(wave).max())
    if largest > 1 + 1e-4:
        raise ValueError(
            f"the sound {caption!r} goes up to {largest:.3g}, beyond 1; divide it by np.abs(wave).max(), or "
            "clip it and hear what that does"
        )
    return np.clip(wave, -1, 1).astype("float32"), int(rate)


def _steps(rate: int, length: int) -> tuple[int, int]:
    """Samples of a frame (45 to 90 ms, less of a short sound) and of a step (about 240 steps in all)."""
    size = 2 ** max(4, int(np.ceil(np.log2(min(0.045 * rate, length / 4)))))
    return size, int(np.clip(length // 240, 1, size // 2))


def _rows(rate: int, size: int) -> np.ndarray:
    """Magnitudes to the rows of a picture ``(size // 2 + 1, BANDS)``: mel bands, where they are wider than
    the steps of the spectrum; below that what lies between two steps, so that no row stays empty."""
    places = np.linspace(0, sound.mel(rate / 2), BANDS + 2)[1:-1]
    at = np.minimum(700 * (10 ** (places / 2595) - 1) * size / rate, size // 2 - 1e-6)  # in steps
    between = np.zeros((size // 2 + 1, BANDS), "float32")
    below = at.astype(int)
    between[below, np.arange(BANDS)] = 1 - (at - below)
    between[below + 1, np.arange(BANDS)] = at - below
    return np.maximum(sound.mel_matrix(rate, size, BANDS), between)


def _axes(seconds: float) -> tuple[Figure, Any]:
    """An empty figure of 320 x 170 pixels with seconds below; not pyplot's, which would show it as well."""
    figure = Figure(figsize=(3.2, 1.7), dpi=100, facecolor="white")
    axes = figure.add_axes((0.135, 0.23, 0.815, 0.73))
    axes.tick_params(labelsize=9, length=2, pad=2)
    axes.set_xlabel("seconds", fontsize=10, labelpad=0)
    axes.locator_params(axis="x", nbins=6)
    return figure, axes


def _png(figure: Figure) -> bytes:
    """The figure in 64 colours: no eye misses the others, and a page of sounds stays small."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    with Image.open(stream) as image:
        small = image.convert("RGB").quantize(64, dither=Image.Dither.NONE)
    stream = io.BytesIO()
    small.save(stream, "PNG", optimize=True)
    return stream.getvalue()
