"""Sounds and music: bad files, a folder of one's own, the recordings, and what stands in for them."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from aigc_lab import collect
from aigc_lab.collect import own, sounds

RATE = 8_000
WAVE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype("float32")  # one second
SIXTEEN = 2 / 2**16


def write(path: Path, wave: np.ndarray = WAVE, rate: int = RATE, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, rate, **options)
    return path


def with_bytes(path: Path, places: dict[int, bytes]) -> Path:
    """The file with some bytes of it replaced."""
    content = bytearray(path.read_bytes())
    for place, new in places.items():
        content[place : place + len(new)] = new
    path.write_bytes(content)
    return path


class TestReadSound:
    @pytest.mark.parametrize(
        ("name", "options", "tolerance"),
        [
            ("a.wav", {"subtype": "PCM_U8"}, 2 / 2**8),
            ("a.wav", {"subtype": "PCM_16"}, SIXTEEN),
            ("a.wav", {"subtype": "PCM_24"}, 2 / 2**24),
            ("a.wav", {"subtype": "PCM_32"}, 1e-7),
            ("a.wav", {"subtype": "FLOAT"}, 0),
            ("a.wav", {"format": "WAVEX"}, SIXTEEN),
            ("a.flac", {}, SIXTEEN),
            ("a.ogg", {}, 0.05),
            ("a.mp3", {}, 0.1),
            ("a.flac", {"format": "MP3"}, 0.1),  # the content says what it is, not the name
        ],
    )
    def test_formats_and_depths(self, tmp_path, name, options, tolerance):
        wave, rate = collect.read_sound(write(tmp_path / name, **options))
        assert rate == RATE and wave.dtype == np.float32 and wave.shape == WAVE.shape
        assert np.abs(wave - WAVE).max() <= tolerance

    def test_stereo_is_the_mean(self, tmp_path):
        both = np.stack([WAVE, WAVE[::-1]], axis=1)
        wave, _ = collect.read_sound(write(tmp_path / "a.wav", both))
        np.testing.assert_allclose(wave, both.mean(axis=1), atol=SIXTEEN)

    @pytest.mark.parametrize("new", [16_000, 4_000, 11_025])
    def test_another_rate_keeps_the_tone(self, tmp_path, new):
        wave, rate = collect.read_sound(write(tmp_path / "a.wav"), rate=new)
        assert rate == new and wave.shape == (new,)
        loudest = np.abs(np.fft.rfft(wave)).argmax()  # one second: a bin is a hertz
        assert loudest == 440

    def test_no_more_than_the_seconds_that_are_wanted(self, tmp_path):
        wave, _ = collect.read_sound(write(tmp_path / "a.wav"), seconds=0.25)
        np.testing.assert_allclose(wave, WAVE[:2000], atol=SIXTEEN)
        assert collect.read_sound(tmp_path / "a.wav", seconds=9)[0].shape == WAVE.shape

    def test_floats_beyond_one_are_scaled(self, tmp_path):
        wave, _ = collect.read_sound(write(tmp_path / "a.wav", 4 * WAVE, subtype="FLOAT"))
        np.testing.assert_allclose(wave, WAVE / np.abs(WAVE).max(), atol=1e-6)

    def test_one_sample_and_silence(self, tmp_path):
        for rate, samples in ((None, 1), (44_100, 6), (4_000, 1)):
            wave, _ = collect.read_sound(write(tmp_path / "one.wav", WAVE[1:2]), rate)
            assert wave.shape == (samples,) and np.isfinite(wave).all()
        wave, _ = collect.read_sound(write(tmp_path / "silence.wav", np.zeros(100)))
        assert wave.shape == (100,) and not wave.any()

    @pytest.mark.parametrize(
        ("lie", "samples"),
        [
            ({40: struct.pack("<I", 2**31)}, RATE),  # two gigabytes, it says
            ({40: struct.pack("<I", 2**32 - 1)}, RATE),  # what a recorder leaves that was cut off
            ({40: struct.pack("<I", 1000)}, 500),  # fewer than there are: the header decides
        ],
    )
    def test_a_header_that_lies_about_the_length(self, tmp_path, lie, samples):
        path = with_bytes(write(tmp_path / "a.wav"), lie)
        wave, _ = collect.read_sound(path)
        np.testing.assert_allclose(wave, WAVE[:samples], atol=SIXTEEN)

    def test_a_file_that_was_cut_off(self, tmp_path):
        path = write(tmp_path / "a.wav")
        path.write_bytes(path.read_bytes()[: 44 + 8000])
        assert collect.read_sound(path)[0].shape == (4000,)
        _, _, changes = sounds.decoded_sound(path)
        assert changes == ["the file ends before its header says; what is there was read"]

    @pytest.mark.parametrize(
        ("lie", "message"),
        [
            ({24: struct.pack("<I", 2**31 - 1)}, "2,147,483,647 samples a second, which no sound has"),
            ({22: struct.pack("<H", 1000)}, "1,000 channels, the limit is 32"),
            ({40: struct.pack("<I", 0)}, "it holds no samples"),
        ],
    )
    def test_other_lies_of_a_header(self, tmp_path, lie, message):
        with pytest.raises(ValueError, match=f"cannot read a.wav as sound: .*{message}"):
            collect.read_sound(with_bytes(write(tmp_path / "a.wav"), lie))

    def test_a_flac_file_that_promises_hours_does_not_fill_the_memory(self, tmp_path):
        path = with_bytes(write(tmp_path / "a.flac"), {22: b"\xff" * 4})
        with pytest.raises(ValueError, match=r"cannot read a\.flac as sound"):
            collect.read_sound(path)

    def test_ten_minutes(self, tmp_path):
        path = write(tmp_path / "long.flac", np.zeros(600 * RATE, "int16"))
        with pytest.raises(ValueError, match="longer than 5 minutes; give seconds=… to read its beginning"):
            collect.read_sound(path)
        assert collect.read_sound(path, seconds=2)[0].shape == (2 * RATE,)

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_nan(self, tmp_path, value):
        wave = WAVE.copy()
        wave[7] = value
        with pytest.raises(ValueError, match="holds NaN or infinite values"):
            collect.read_sound(write(tmp_path / "a.wav", wave, subtype="FLOAT"))

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("text.wav", b"hello, this is a letter\n" * 9, "the content is no sound, whatever its name says"),
            ("text.txt", b"hello, this is a letter\n" * 9, r"not a sound \(WAV, FLAC, OGG, MP3\)"),
            ("empty.wav", b"", "empty: zero bytes"),
            ("half.wav", b"RIFF\xa4>\x00\x00WAVEfmt ", "corrupt: "),
            ("x.raw", bytes(99), "not a sound"),
        ],
    )
    def test_no_sound_at_all(self, tmp_path, name, content, message):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=message) as caught:
            collect.read_sound(tmp_path / name)
        assert "\n" not in str(caught.value) and str(tmp_path) not in str(caught.value)

    def test_formats_that_are_not_read(self, tmp_path):
        with pytest.raises(ValueError, match="AIFF files are not read; save it as WAV"):
            collect.read_sound(write(tmp_path / "a.aiff"))

    def test_from_file_says_what_reads_a_sound(self, tmp_path):
        with pytest.raises(ValueError, match=r"\.txt; collect\.read_sound reads one sound"):
            collect.from_file(write(tmp_path / "a.wav"))

    def test_no_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="there is no file"):
            collect.read_sound(tmp_path / "a.wav")
        with pytest.raises(ValueError, match="not a file"):
            collect.read_sound(tmp_path)

    @pytest.mark.parametrize(
        "wanted",
        [
            *({"rate": rate} for rate in (10, 8000.0, np.float32(8000), "8000", True)),
            *({"seconds": seconds} for seconds in (0, float("inf"), "2")),
        ],
    )
    def test_what_cannot_be_wanted(self, tmp_path, wanted):
        with pytest.raises(ValueError, match=f"{next(iter(wanted))} must be"):
            collect.read_sound(write(tmp_path / "a.wav"), **wanted)


class TestFolder:
    def test_classes_and_lengths(self, tmp_path):
        write(tmp_path / "high" / "a.wav", WAVE)
        write(tmp_path / "low" / "b.flac", WAVE[:4000])
        dataset, report = collect.from_folder(tmp_path, modality="audio")
        assert dataset.modality == "audio" and dataset.sample_rate == RATE
        assert dataset.class_names == ("high", "low") and dataset.data.shape == (2, RATE)
        np.testing.assert_allclose(dataset.data[1, :4000], WAVE[:4000], atol=SIXTEEN)
        assert not dataset.data[1, 4000:].any()
        assert not report.skipped and not report.converted and not report.notes

    def test_cut_filled_and_resampled(self, tmp_path):
        write(tmp_path / "a.wav", WAVE)
        write(tmp_path / "b.wav", np.repeat(WAVE, 2), 2 * RATE)
        write(tmp_path / "c.ogg", np.stack([WAVE, WAVE], axis=1))
        first, report = collect.from_folder(tmp_path, modality="audio")  # the rate of the first
        assert first.data.shape == (3, RATE) and first.sample_rate == RATE
        assert dict(report.converted) == {
            "b.wav": "16,000 samples a second changed to 8,000",
            "c.ogg": "the mean of its 2 channels",
        }
        for seconds, samples in ((0.1, 1600), (2, 32_000)):
            dataset, _ = collect.from_folder(tmp_path, modality="audio", rate=16_000, seconds=seconds)
            assert dataset.data.shape == (3, samples) and dataset.sample_rate == 16_000

    def test_what_is_left_out_is_said(self, tmp_path):
        write(tmp_path / "good.wav")
        write(tmp_path / "silent.wav", np.zeros(RATE))
        write(tmp_path / "nan.wav", np.full(9, np.nan), subtype="FLOAT")
        write(tmp_path / ".hidden.wav")
        (tmp_path / "letter.wav").write_text("hello, this is a letter")
        (tmp_path / "notes.txt").write_text("hello")
        dataset, report = collect.from_folder(tmp_path, modality="audio")
        assert report.kept == ("good.wav", "silent.wav") and len(dataset) == 2
        skipped = dict(report.skipped)
        assert skipped[".hidden.wav"] == "a hidden file" and "NaN" in skipped["nan.wav"]
        assert skipped["letter.wav"] == "corrupt: the content is no sound, whatever its name says"
        assert skipped["notes.txt"] == "not a sound (WAV, FLAC, OGG, MP3)"
        assert report.notes == ("1 of the sounds are silent: every sample is zero",)

    def test_nothing_to_read(self, tmp_path):
        with pytest.raises(ValueError, match="holds no files; put sounds in it"):
            collect.from_folder(tmp_path, modality="audio")
        (tmp_path / "letter.wav").write_text("hello, this is a letter")
        message = r"none of the 1 files .*give a folder of sounds \(WAV, FLAC, OGG, MP3\)"
        with pytest.raises(ValueError, match=message):
            collect.from_folder(tmp_path, modality="audio")

    def test_more_than_the_memory_is_for(self, tmp_path, monkeypatch):
        monkeypatch.setattr(own, "SOUND_LIMIT", 4 * RATE)
        for name in ("a.wav", "b.wav"):
            write(tmp_path / name)
        with pytest.raises(ValueError, match=r"need more than .*give seconds=… to cut each"):
            collect.from_folder(tmp_path, modality="audio")
        assert collect.from_folder(tmp_path, modality="audio", seconds=0.5)[0].data.shape == (2, 4000)
        with pytest.raises(ValueError, match="need more than"):
            collect.from_folder(tmp_path, modality="audio", seconds=0.6)


class TestTones:
    def test_each_digit_has_the_two_tones_of_its_key(self):
        tones = collect.load("tones")
        assert tones.data.shape == (1200, 4000) and tones.sample_rate == 8000
        assert set(tones.counts().values()) == {120} and len(set(tones.hashes())) == 1200
        names, timbre = collect.speakers("tones")
        keys = {"1": (697, 1209), "5": (770, 1336), "9": (852, 1477), "0": (941, 1336)}  # ITU-T Q.23
        for digit, expected in keys.items():
            chosen = tones.data[(tones.labels == int(digit)) & (timbre == names.index("flute"))]
            heights = np.abs(np.fft.rfft(chosen, axis=1)).mean(axis=0)  # a bin is two hertz
            low, high = (2 * (start + heights[start:end].argmax()) for start, end in ((0, 520), (520, 2000)))
            assert low == pytest.approx(expected[0], abs=3) and high == pytest.approx(expected[1], abs=3)

    def test_speakers_and_takes_as_for_the_recordings(self):
        for name in ("tones", "spoken-digits"):
            names, speaker = collect.speakers(name)
            take = collect.takes(name)
            digit = np.repeat(np.arange(10), 120)
            assert len(names) == 6 and speaker.shape == take.shape == (1200,)
            assert set(zip(digit, speaker, take, strict=True)) == {
                (a, b, c) for a in range(10) for b in range(6) for c in range(20)
            }
        for ask in (collect.speakers, collect.takes):
            with pytest.raises(ValueError, match="not in 'interface-sounds'"):
                ask("interface-sounds")


class TestRecordings:
    def test_spoken_digits(self, mirror):
        spoken = collect.load("spoken-digits")
        assert spoken.data.shape == (1200, 18_262) and spoken.sample_rate == 8000
        assert set(spoken.counts().values()) == {120} and len(set(spoken.hashes())) == 1200
        (names, speaker), take = collect.speakers("spoken-digits"), collect.takes("spoken-digits")
        assert names == ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
        # One recording, by another reader of the format: after 44 bytes, two each.
        (place,) = np.flatnonzero((spoken.labels == 7) & (speaker == 1) & (take == 13))
        raw = np.frombuffer((mirror / "spoken-digits" / "7_jackson_13.wav").read_bytes()[44:], "<i2") / 2**15
        np.testing.assert_array_equal(spoken.data[place, : len(raw)], raw.astype("float32"))
        assert not spoken.data[place, len(raw) :].any()

        # What the card says of loudness and length.
        peaks = {name: np.median(np.abs(spoken.data[speaker == n]).max(1)) for n, name in enumerate(names)}
        assert {name: round(float(peaks[name]), 2) for name in ("lucas", "theo")} == {
            "lucas": 0.47,
            "theo": 0.03,
        }
        assert max(peaks, key=peaks.get) == "lucas" and min(peaks, key=peaks.get) == "theo"
        lengths = {name: [] for name in names}
        for file in (mirror / "spoken-digits").glob("*.wav"):
            lengths[file.name.split("_")[1]].append((file.stat().st_size - 44) / 2 / 8000)
        means = {name: round(float(np.mean(each)), 2) for name, each in lengths.items()}
        assert (min(means.items(), key=lambda pair: pair[1]), means["lucas"]) == (("yweweler", 0.34), 0.57)
        assert round(max(lengths["theo"]), 2) == 2.28

    def test_interface_sounds(self, mirror):
        effects = collect.load("interface-sounds")
        assert effects.data.shape == (100, 85_952) and effects.sample_rate == 44_100
        counts = effects.counts()
        assert len(counts) == 20 and len(set(effects.hashes())) == 100
        assert {name for name, count in counts.items() if count == max(counts.values()) == 9} == {
            "maximize", "minimize",
        }  # fmt: skip
        assert [name for name, count in counts.items() if count == 1] == ["bong"]
        read = [soundfile.read(file, always_2d=True)[0] for file in (mirror / "interface-sounds").iterdir()]
        stereo = [wave for wave in read if wave.shape[1] == 2]
        assert (len(stereo), sum((wave[:, 0] == wave[:, 1]).all() for wave in stereo)) == (23, 20)
        assert (min(map(len, read)), max(map(len, read))) == (512, 85_952)  # 0.01 and 1.95 s


def voices(parts: dict[str, list[np.ndarray]]) -> np.ndarray:
    """Every step of every piece: ``(steps, 4)``."""
    return np.concatenate([piece for pieces in parts.values() for piece in pieces])


class TestChorales:
    def test_chorales(self, mirror):
        parts = collect.chorales()
        assert {part: len(pieces) for part, pieces in parts.items()} == {
            "training": 229, "validation": 76, "test": 77,
        }  # fmt: skip
        pieces = [piece for part in parts.values() for piece in part]
        assert all(piece.dtype == np.int8 and piece.ndim == 2 and piece.shape[1] == 4 for piece in pieces)
        assert (min(map(len, pieces)), max(map(len, pieces))) == (100, 640)
        assert len({piece.tobytes() for piece in pieces}) == 382
        steps = voices(parts)
        assert (steps.size, (steps == -1).sum()) == (370_144, 1284)
        assert sum((piece == -1).any() for piece in pieces) == 33
        upper, lower = steps[:, :-1], steps[:, 1:]
        crossed = (upper < lower) & (upper >= 0) & (lower >= 0)
        assert crossed.any(axis=1).sum() == 2224

        texts = collect.load("chorales-16th")
        assert texts.counts() == {"training": 229, "validation": 76, "test": 77}
        assert texts.data[0].splitlines()[0] == "74 70 65 58" and texts.modality == "text"
        last = np.array([line.split() for line in texts.data[-1].splitlines()], "int8")
        np.testing.assert_array_equal(last, parts["test"][-1])

    def test_cadences_are_clean_by_the_rules_that_they_are_made_by(self):
        parts = collect.chorales("cadences")
        assert {part: len(pieces) for part, pieces in parts.items()} == {
            "training": 240, "validation": 72, "test": 72,
        }  # fmt: skip
        pieces = [piece for part in parts.values() for piece in part]
        assert len({piece.tobytes() for piece in pieces}) == 384
        steps = voices(parts)
        assert steps.dtype == np.int8 and steps.min() == 35 and steps.max() == 77
        assert (steps[:, :-1] > steps[:, 1:]).all()
        finals = {(int(piece[-1, 3]) % 12, len(set(piece[-1] % 12))) for piece in pieces}
        assert finals == {(tonic, 3) for tonic in range(12)}  # a whole triad on every tonic
        for piece in pieces:
            before, after = piece[:-1].astype(int), piece[1:].astype(int)
            for high in range(4):
                for low in range(high + 1, 4):
                    first, second = (each[:, high] - each[:, low] for each in (before, after))
                    moved = before[:, high] != after[:, high]
                    for interval in (0, 7):
                        assert not (moved & (first % 12 == interval) & (second % 12 == interval)).any()
        parts["test"][0][:] = 0  # a learner's change stays theirs
        assert collect.chorales("cadences")["test"][0].min() > 0
        assert collect.load("cadences").counts() == {"training": 240, "validation": 72, "test": 72}

    def test_another_name(self):
        with pytest.raises(
            ValueError, match="chorales are in 'chorales-16th' and 'cadences', not in 'tones'"
        ):
            collect.chorales("tones")


@pytest.mark.parametrize(
    ("name", "instead"),
    [("spoken-digits", "tones"), ("interface-sounds", "tones"), ("chorales-16th", "cadences")],
)
def test_without_a_network_the_embedded_set_is_named(cache, monkeypatch, tmp_path, name, instead):
    monkeypatch.setenv("AIGC_LAB_MIRROR", str(tmp_path))  # an empty folder
    with pytest.raises(collect.DownloadError) as caught:
        collect.load(name)
    assert re.search(rf"or use collect\.load\('{instead}'\), which needs no network$", str(caught.value))
    assert len(collect.load(instead)) > 100
