"""Perceptual hashes: time beside imagehash, whether the bits are the same, and the growth of the search.

    python benchmarks/image_hashing.py [images] [rounds]

The images are 28 x 28: the silhouettes of animals, mirrored and turned until there are enough. imagehash
hashes at most 20,000 of them and its time is per image; the rounds alternate, each ratio is of one round.
imagehash's time includes making a PIL image of each array, which it cannot do without. One thread and
processor time for both. Aim: at least 8 times as fast with identical bits.
"""

from __future__ import annotations

import sys
import time

import table

table.one_thread()  # before NumPy's threads are made

import numpy as np  # noqa: E402
import silhouettes  # noqa: E402
from PIL import Image  # noqa: E402

from aigc_lab import clean  # noqa: E402

BENCH = ["20000", "3"]
QUICK = ["2000", "1"]

RIVAL_SAMPLE = 20_000


def main(count: int = 100_000, rounds: int = 3) -> None:
    data = silhouettes.images(count)
    sample, last = data[:RIVAL_SAMPLE], {}

    def ours() -> float:
        def hashes() -> None:
            last["ours"] = clean.perceptual_hashes(data)

        return table.seconds(hashes, time.process_time) / count

    def theirs() -> float:
        import imagehash

        def hashes() -> None:
            last["theirs"] = [imagehash.phash(Image.fromarray(image)).hash for image in sample]

        return table.seconds(hashes, time.process_time) / len(sample)

    there = table.installed("imagehash")
    clean.perceptual_hashes(data[:100])
    measured = table.rounds({"aigc_lab": ours} | ({"imagehash": theirs} if there else {}), rounds)
    same = ""
    if there:
        bits = np.packbits(np.array(last["theirs"]).reshape(len(sample), 64), axis=1)
        same = f"{(last['ours'][: len(sample)] == bits).all(axis=1).sum():,} of {len(sample):,}"
    table.compare(
        f"Perceptual hash of 64 bits, {count:,} images, {rounds} rounds",
        measured,
        "aigc_lab",
        absent=[] if there else ["imagehash"],
        unit="µs an image",
        scale=1e6,
        digits=1,
        more={"same bits": {"imagehash": same}},
    )

    hashes, rows = clean.perceptual_hashes(data, bits=256), []
    for part in sorted({part for part in (3_000, 10_000, 30_000, 100_000) if part < count} | {count}):
        begun = time.process_time()
        pairs, _ = clean.hamming_pairs(hashes[:part], distance=20)
        spent = time.process_time() - begun
        rows.append([f"{part:,}", f"{spent:.2f}", f"{2e9 * spent / part**2:.2f}", f"{len(pairs):,}"])
    table.show(
        "hamming_pairs: 256 bits, every hash against every other, pairs of at most 20 bits apart",
        ["images", "s", "ns a pair", "found"],
        rows,
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
