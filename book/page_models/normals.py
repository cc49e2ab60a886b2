"""The random numbers of ``book/web/core.js`` in Python: the same seed gives the same numbers in both."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_BITS = 0xFFFFFFFF  # JavaScript's bitwise operations work on 32 bits


def uniforms(seed: int) -> Callable[[], float]:
    """A function that gives the next uniform number in [0, 1): Tommy Ettinger's mulberry32."""
    state = seed & _BITS

    def following() -> float:
        nonlocal state
        state = (state + 0x6D2B79F5) & _BITS
        mixed = ((state ^ (state >> 15)) * (1 | state)) & _BITS
        mixed ^= (mixed + ((mixed ^ (mixed >> 7)) * (61 | mixed))) & _BITS
        return (mixed ^ (mixed >> 14)) / 2**32

    return following


def normals(seed: int, count: int) -> np.ndarray:
    """``count`` standard normal numbers, float32, by Box and Muller's transform."""
    uniform = uniforms(seed)
    pairs = np.array([[uniform(), uniform()] for _ in range((count + 1) // 2)]).reshape(-1, 2)
    radius, angle = np.sqrt(-2 * np.log1p(-pairs[:, 0])), 2 * np.pi * pairs[:, 1]
    both = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return both.ravel()[:count].astype("float32")
