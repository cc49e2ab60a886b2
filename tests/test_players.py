"""Players: what is shown can be heard, seen and read, and what cannot be played is refused in words."""

from __future__ import annotations

import base64
import io
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
from PIL import Image

from aigc_lab import players


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.found if name == tag]


def tone(hertz: float, seconds: float, rate: int, loud: float = 0.5) -> np.ndarray:
    return (loud * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype("float32")


def shown(*given, **how) -> Elements:
    return Elements(players.sounds(*given, **how)._repr_mimebundle_()["text/html"])


def content(address: str) -> tuple[str, io.BytesIO]:
    """The kind of a data address, and its bytes."""
    kind, _, words = address.partition(";base64,")
    return kind, io.BytesIO(base64.b64decode(words))


@pytest.mark.parametrize(
    ("rate", "seconds", "form", "kind", "read"),
    [
        (8_000, 1.0, None, "data:audio/wav", 8_000),
        (8_000, 2.5, None, "data:audio/mpeg", 8_000),
        (44_100, 0.2, None, "data:audio/wav", 44_100),
        (44_100, 0.2, "MP3", "data:audio/mpeg", 44_100),
        (10_000, 3.0, None, "data:audio/mpeg", 11_025),  # MP3 has no 10 kHz
        (96_000, 1.0, None, "data:audio/mpeg", 48_000),
        (2_000, 1.0, "WAV", "data:audio/wav", 8_000),  # browsers play nothing below 3 kHz
        (10_000, 0.5, None, "data:audio/wav", 10_000),
    ],
)
def test_what_a_page_holds_is_the_sound(rate, seconds, form, kind, read):
    wave = tone(400, seconds, rate)
    (player,) = shown({"a tone": wave}, rate, form=form).of("audio")
    found, stream = content(player["src"])
    heard, at = soundfile.read(stream, dtype="float32")
    assert (found, at) == (kind, read)
    assert len(heard) / at == pytest.approx(seconds, abs=0.1 if kind.endswith("mpeg") else 1e-3)
    strength = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert np.fft.rfftfreq(len(heard), 1 / at)[strength.argmax()] == pytest.approx(400, abs=6)
    if read == rate and kind.endswith("wav"):
        assert np.abs(heard - wave).max() < 2**-15
    assert "controls" in player and "autoplay" not in player


def test_each_sound_has_words_a_picture_and_a_caption_and_nothing_runs():
    caption, silence = '<script>"a" & b</script>', (np.zeros(500, "float32"), 16_000)
    page = shown({caption: tone(300, 0.5, 8_000), "c": silence}, 8_000)
    assert {tag for tag, _ in page.found} == {"div", "figure", "img", "audio", "figcaption"}
    first, second = page.of("img")
    words = f"{caption}: 0.50 seconds at 8 kHz, loudest from 250 to 500 Hz, level -9 dB, peak -6 dB"
    assert first["alt"] == f"Spectrogram of {words}"
    assert page.of("audio")[0]["aria-label"] == f"Sound: {words}"
    assert second["alt"].endswith("c: 0.03 seconds at 16 kHz, silence")
    assert f"{caption} · 0.50 s" in page.text and "c · 0.031 s" in page.text
    addresses = [each["src"] for each in (*page.of("img"), *page.of("audio"))]
    assert all(address.startswith("data:") for address in addresses)


def test_the_text_of_the_output_says_what_is_there():
    made = players.sounds({"one": tone(300, 0.5, 8_000), "two": tone(300, 1, 8_000)}, 8_000)
    assert made._repr_mimebundle_()["text/plain"] == "one (0.50 s)\ntwo (1.00 s)"


def test_pictures_are_small_and_show_the_sound():
    rate = 16_000
    low, high = tone(250, 1, rate), tone(4_000, 1, rate)
    rows = []
    for wave in (low, high, np.concatenate([low[: rate // 2], 0 * low[rate // 2 :]])):
        picture = players.spectrogram(wave, rate)
        assert len(picture) < 5_000
        with Image.open(io.BytesIO(picture)) as image:
            assert image.size == (320, 170)
            light = np.asarray(image.convert("L"), "int64")[10:130, 45:300]  # inside the axes
        rows.append(light)
    assert rows[0].sum(axis=1).argmax() > 90 > 60 > rows[1].sum(axis=1).argmax()  # from the top
    left, right = np.split(rows[2], [127], axis=1)
    assert left.max() > 200 and right[:, 10:].max() < 30
    assert len(players.wave_picture(low, rate)) < 8_000
    assert not shown({"a": low}, rate, picture=None).of("img")
    (drawn,) = shown({"a": low}, rate, picture="wave").of("img")
    assert drawn["alt"].startswith("Wave of a: 1.00 seconds")


def test_one_sample_and_ten_minutes_are_shown():
    (short,) = shown({"click": np.ones(1)}, 8_000).of("audio")
    assert len(soundfile.read(content(short["src"])[1])[0]) == 1
    long = np.zeros(600 * 8_000, "float32")
    page = shown({"long": long}, 8_000)
    assert page.of("audio")[0]["src"].startswith("data:audio/mpeg") and "600.0 s" in page.text


@pytest.mark.parametrize(
    ("given", "how", "words"),
    [
        ({"a": np.zeros((2, 9))}, {}, r"'a' must be one wave \(samples,\).*shape \(2, 9\).*mean of both"),
        ({"a": np.zeros(0)}, {}, "at least one sample"),
        ({"a": np.array([0, np.nan])}, {}, "float64 with NaN or infinite values"),
        ({"a": np.zeros(9, "int16")}, {}, "float numbers from -1 to 1, got int16"),
        ({"a": np.array([0, 3.0])}, {}, r"'a' goes up to 3, beyond 1; divide it by"),
        ({"a": np.zeros(9)}, {"rate": None}, "'a' needs its rate in samples a second"),
        ({"a": (np.zeros(9), 0.5)}, {}, "needs its rate"),
        ({"a": np.zeros(9)}, {"picture": "mel"}, "picture is spectrogram, wave or None"),
        ({"a": np.zeros(9)}, {"form": "OGG"}, "form is MP3, WAV or None"),
        ({"a": np.zeros(9)}, {"columns": 0}, "columns must be a whole number from 1 up"),
        ({}, {}, "at least one"),
        ([np.zeros(9)], {}, r"give sounds as \{caption: wave\}"),
    ],
)
def test_what_cannot_be_played_is_refused_in_words(given, how, words):
    with pytest.raises(ValueError, match=words):
        players.sounds(given, **{"rate": 8_000, **how})
