"""Moving pictures: a file as frames, and drawings that move by a known law. Introduced in notebook 01."""

from __future__ import annotations

from pathlib import Path

import numpy as np

LARGEST = 2**30  # bytes of frames held at once: 1 GiB


def read_video(path: str | Path, height: int | None = None) -> tuple[np.ndarray, float]:
    """All frames of a video file, and how many are shown in a second.

    Read by PyAV, whose package brings the decoders of FFmpeg.

    Args:
        path: of the file.
        height: make each frame so many pixels high while reading, in its proportions.

    Returns:
        ``uint8`` ``(frames, height, width, 3)``, and the rate in frames a second.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no video, holds no moving picture, is damaged, or has more than 1 GiB of
            frames.
    """
    import av  # here: nothing else needs it

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if height is not None and height < 1:
        raise ValueError(f"height must be at least 1, got {height}")
    frames: list[np.ndarray] = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
                raise ValueError(f"{path.name} holds no video, only {kinds}")
            stream = container.streams.video[0]
            rate = stream.average_rate or stream.guessed_rate
            for frame in container.decode(stream):
                high = height or frame.height
                wide = max(1, round(frame.width * high / frame.height))
                if (len(frames) + 1) * high * wide * 3 > LARGEST:
                    raise ValueError(
                        f"the frames of {path.name} need more than {LARGEST >> 30} GiB; give a height"
                    )
                frames.append(frame.reformat(width=wide, height=high).to_ndarray(format="rgb24"))
    except av.error.FFmpegError as error:
        what = f"after frame {len(frames)}" if frames else "from its first byte on"
        raise ValueError(f"{path.name} cannot be read as a video {what}: {error.strerror}") from error
    if not frames or len({frame.shape for frame in frames}) > 1:
        raise ValueError(f"{path.name} holds no frames, or frames of several sizes")
    if not rate:
        raise ValueError(f"{path.name} does not say how many frames are shown in a second")
    return np.stack(frames), float(rate)


def reflected(start: np.ndarray, velocity: np.ndarray, frames: int, low: float, high: float) -> np.ndarray:
    """Positions of something that moves evenly and is thrown back at two walls.

    Without walls it would be at s + k v in frame k; folding that line at the walls gives
    ``low + |((s + k v - low) + L) mod 2 L - L|`` with L = high - low, turned so that the start stays put.

    Args:
        start: ``(n, d)`` between ``low`` and ``high``.
        velocity: ``(n, d)`` a frame.

    Returns:
        ``(n, frames, d)``.
    """
    length = high - low
    straight = np.asarray(start)[:, None] + np.arange(frames)[:, None] * np.asarray(velocity)[:, None]
    return low + length - np.abs((straight - low) % (2 * length) - length)


def moving_drawings(
    images: np.ndarray,
    frames: int = 8,
    size: int = 28,
    side: int = 16,
    speed: tuple[float, float] = (1.0, 2.5),
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Drawings made smaller that move evenly over a black ground and are thrown back at its border.

    Each is placed between pixels too: every pixel is a weighted mean of the drawing around it (a triangle as
    wide as two pixels), so that no frame is sharper than another. Start, direction and speed are random.

    Args:
        images: ``(n, h, w)`` or ``(n, h, w, 1)`` in [0, 1], square.
        frames: of each clip.
        size: pixels of a side of the clip; side: of the drawing in it.
        speed: lowest and highest, in pixels a frame.
        seed: equal seeds give equal clips.

    Returns:
        ``float32`` clips ``(n, frames, size, size, 1)`` in [0, 1], and the true positions ``(n, frames, 2)``
        of the middle of the drawing: row and column, in pixels from the middle of the first pixel.

    Raises:
        ValueError: images of another shape, no frames, a drawing that fills the clip, or a speed below 0.
    """
    drawings = np.asarray(images, "float32")
    drawings = drawings[..., 0] if drawings.ndim == 4 and drawings.shape[-1] == 1 else drawings
    if drawings.ndim != 3 or drawings.shape[1] != drawings.shape[2]:
        raise ValueError(f"square grey images (n, side, side) are needed, got {np.shape(images)}")
    if frames < 1 or not 1 < side < size:
        raise ValueError(f"at least one frame and 1 < side < size are needed, got {frames}, {side}, {size}")
    if not 0 <= speed[0] <= speed[1]:
        raise ValueError(f"speed is a pair (lowest, highest) from 0 up, got {speed}")
    random = np.random.default_rng(seed)
    low, high = (side - 1) / 2, size - 1 - (side - 1) / 2
    start = random.uniform(low, high, (len(drawings), 2))
    angle, fast = random.uniform(0, 2 * np.pi, len(drawings)), random.uniform(*speed, len(drawings))
    velocity = fast[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    positions = reflected(start, velocity, frames, low, high)
    clips = np.empty((len(drawings), frames, size, size, 1), "float32")
    for first in range(0, len(drawings), 256):
        block = slice(first, first + 256)
        rows, columns = (
            _placing(positions[block, :, axis], size, side, drawings.shape[1]) for axis in (0, 1)
        )
        clips[block, ..., 0] = rows @ drawings[block, None] @ np.swapaxes(columns, -1, -2)
    # The weights of a pixel sum to 1 within a hundredth.
    return np.minimum(clips, 1), positions.astype("float32")


def _placing(middle: np.ndarray, size: int, side: int, pixels: int) -> np.ndarray:
    """Weights ``(n, frames, size, pixels)`` of the pixels of a drawing in those of a clip, along one axis."""
    scale = pixels / side
    # Where the middle of a pixel of the clip lies in the drawing, in its pixels.
    place = (np.arange(size) - middle[..., None]) * scale + (pixels - 1) / 2  # (n, frames, size)
    weights = np.maximum(0, 1 - np.abs(place[..., None] - np.arange(pixels)) / max(scale, 1))
    return (weights / max(scale, 1)).astype("float32")
