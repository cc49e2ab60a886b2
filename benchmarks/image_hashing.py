"""Perceptual hashes: time against imagehash, whether the bits are the same, and the growth of the search.

    python benchmarks/image_hashing.py [pictures] [rounds]

The pictures are 28 x 28: the silhouettes of animals, mirrored and turned until there are enough. imagehash
hashes as many of them as take about ten seconds and its time is scaled up; the rounds alternate, each
ratio is of one round, and the median is told. imagehash's time includes making a PIL image of each array,
which it cannot do without. One thread for both. Aim: at least 8 times as fast with identical bits.
"""

from __future__ import annotations

import os
import sys
import time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"  # before NumPy

import imagehash  # noqa: E402
import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from aigc_lab import clean, collect  # noqa: E402

RIVALS = {
    "perceptual": imagehash.phash,
    "difference": imagehash.dhash,
    "average": imagehash.average_hash,
}
RIVAL_SAMPLE = 20_000


def pictures(count: int) -> np.ndarray:
    """So many different silhouettes: the unique ones in all mirrorings, then with a few pixels lit."""
    animals = collect.load("animals")
    unique = clean.apply(animals, clean.exact_duplicates(animals)).kept.data
    turned = [np.rot90(unique, turns, axes=(1, 2)) for turns in range(4)]
    every = np.concatenate([*turned, *(one[:, :, ::-1] for one in turned)])
    every = np.tile(every, (-(-count // len(every)), 1, 1))[:count]
    rng = np.random.default_rng(0)
    places = rng.integers(0, 28, (len(every), 2))
    every[np.arange(len(every)), places[:, 0], places[:, 1]] = rng.integers(1, 255, len(every))
    return every


def main(count: int = 100_000, rounds: int = 3) -> None:
    data = pictures(count)
    sample = data[: min(count, RIVAL_SAMPLE)]
    print(f"{count:,} pictures of 28 x 28, {rounds} rounds, imagehash {imagehash.__version__}, 64 bits")
    print(f"{'kind':<12}{'ours us':>9}{'imagehash us':>14}{'ratio':>8}  identical bits")
    for kind, rival in RIVALS.items():
        clean.perceptual_hashes(data[:100], kind)
        ours, theirs = [], []
        for _ in range(rounds):
            start = time.process_time()
            hashes = clean.perceptual_hashes(data, kind)
            ours.append((time.process_time() - start) / count)
            start = time.process_time()
            other = [rival(Image.fromarray(picture)).hash for picture in sample]
            theirs.append((time.process_time() - start) / len(sample))
        bits = np.packbits(np.array(other).reshape(len(sample), 64), axis=1)
        same = (hashes[: len(sample)] == bits).all(axis=1).sum()
        ratio = np.median(np.array(theirs) / np.array(ours))
        times = f"{1e6 * np.median(ours):>9.1f}{1e6 * np.median(theirs):>14.1f}"
        print(f"{kind:<12}{times}{ratio:>8.1f}  {same:,} of {len(sample):,}")

    print("\nhash_duplicates (256 bits, up to 20 apart): hashing, and every hash against every other")
    dataset = collect.Dataset(data)
    for part in (10_000, 20_000, 50_000, 100_000):
        if part <= count:
            start = time.process_time()
            found = clean.hash_duplicates(dataset[:part])
            seconds = time.process_time() - start
            print(
                f"{part:>8,}: {seconds:7.2f} s, {1e6 * seconds / part:6.1f} us a picture, {len(found)} found"
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
