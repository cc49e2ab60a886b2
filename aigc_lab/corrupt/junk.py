"""Junk: pictures of nothing, drawn from scratch. Introduced in notebook 00.

Strokes, shapes and text are bright on black, as the silhouettes of ``animals`` are: junk that
differs by its brightness alone would be too easy to find.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

JUNK_KINDS = ("noise", "blank", "gradient", "strokes", "shapes", "text")


def draw_junk(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """One junk picture and its kind.

    Args:
        shape: ``(height, width)`` or ``(height, width, channels)``.
        rng: source of randomness.

    Returns:
        A ``uint8`` picture of that shape, and one of ``JUNK_KINDS``.
    """
    kind = JUNK_KINDS[rng.integers(len(JUNK_KINDS))]
    if kind == "noise":
        return rng.integers(0, 256, shape, dtype=np.uint8), kind
    ink = _DRAWN[kind](shape[0], shape[1], rng)
    level = 1.0 if kind in ("blank", "gradient") else rng.uniform(0.8, 1.0)
    if len(shape) == 3:
        colour = rng.uniform(0.3, 1.0, shape[2])
        ink = ink[..., None] * colour / colour.max()
    return np.rint(255 * level * ink).astype(np.uint8), kind


def _blank(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    return np.full((height, width), rng.random())


def _gradient(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    rows, columns = np.mgrid[0:height, 0:width]
    angle = rng.uniform(0, 2 * np.pi)
    ramp = rows * np.sin(angle) + columns * np.cos(angle)
    return (ramp - ramp.min()) / np.ptp(ramp)


def _strokes(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Two to five bent lines of a pen."""
    ink = np.zeros((height, width))
    side = min(height, width)
    for _ in range(rng.integers(2, 6)):
        corners = rng.uniform(0, 1, (rng.integers(2, 5), 2)) * (height - 1, width - 1)
        thickness = side * rng.uniform(0.04, 0.12)
        for start, end in pairwise(corners):
            distance = _distance_to_segment(ink.shape, start, end)
            ink = np.maximum(ink, np.clip(thickness / 2 + 0.5 - distance, 0, 1))
    return ink


def _distance_to_segment(shape: tuple[int, ...], start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Distance in pixels of each pixel of a picture to the line segment from start to end."""
    points = np.stack(np.mgrid[0 : shape[0], 0 : shape[1]], axis=-1).astype(float)
    along = end - start
    length = max(float(along @ along), 1e-9)
    place = np.clip((points - start) @ along / length, 0, 1)
    return np.linalg.norm(points - start - place[..., None] * along, axis=-1)


def _shapes(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """One to three filled ellipses and turned rectangles."""
    ink = np.zeros((height, width))
    side = min(height, width)
    rows, columns = np.mgrid[0:height, 0:width].astype(float)
    for _ in range(rng.integers(1, 4)):
        row, column = rng.uniform(0.25, 0.75, 2) * (height, width)
        half_height, half_width = rng.uniform(0.1, 0.35, 2) * side
        angle = rng.uniform(0, np.pi)
        down = ((rows - row) * np.cos(angle) + (columns - column) * np.sin(angle)) / half_height
        right = ((columns - column) * np.cos(angle) - (rows - row) * np.sin(angle)) / half_width
        reach = np.hypot(down, right) if rng.random() < 0.5 else np.maximum(abs(down), abs(right))
        ink = np.maximum(ink, np.clip((1 - reach) * min(half_height, half_width) + 0.5, 0, 1))
    return ink


def _text(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Lines of unreadable glyphs, five dots high and three wide, with gaps between the words."""
    dot = max(1, min(height, width) // 28)
    ink = np.zeros((height, width))
    for top in range(dot, height - 5 * dot + 1, 7 * dot):
        for left in range(dot, width - 3 * dot + 1, 4 * dot):
            if rng.random() < 0.8:
                glyph = np.kron(rng.random((5, 3)) < 0.55, np.ones((dot, dot)))
                ink[top : top + 5 * dot, left : left + 3 * dot] = glyph
    return ink


_DRAWN: dict[str, Callable[[int, int, np.random.Generator], np.ndarray]] = {
    "blank": _blank,
    "gradient": _gradient,
    "strokes": _strokes,
    "shapes": _shapes,
    "text": _text,
}
