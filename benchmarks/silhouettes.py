"""As many different 28 x 28 images as are asked for: the silhouettes of animals, mirrored and turned."""

from __future__ import annotations

import numpy as np

from aigc_lab import clean, collect


def unique_animals() -> collect.Dataset:
    animals = collect.load("animals")
    return clean.drop(animals, clean.exact_duplicates(animals)).kept


def turned(data: np.ndarray) -> np.ndarray:
    """Eight times as many: four turns, and their mirror images."""
    every = [np.rot90(data, turns, axes=(1, 2)) for turns in range(4)]
    return np.concatenate([*every, *(one[:, :, ::-1] for one in every)])


def images(count: int) -> np.ndarray:
    """So many silhouettes ``(count, 28, 28)``, uint8: in all mirrorings, then with a few pixels lit."""
    every = turned(unique_animals().data)
    every = np.tile(every, (-(-count // len(every)), 1, 1))[:count]
    rng = np.random.default_rng(0)
    places = rng.integers(0, 28, (len(every), 2))
    every[np.arange(len(every)), places[:, 0], places[:, 1]] = rng.integers(1, 255, len(every))
    return every
