"""Perceptual hashes: time beside imagehash, whether the bits are the same, and the growth of the search.

    python benchmarks/image_hashing.py [pictures] [rounds]

The pictures are 28 x 28: the silhouettes of animals, mirrored and turned until there are enough. imagehash
hashes at most 20,000 of them and its time is per picture; the rounds alternate, each ratio is of one round.
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

from aigc_lab import clean, collect, train  # noqa: E402

BENCH = ["20000", "3"]
QUICK = ["2000", "1"]

RIVALS = {"perceptual": "phash", "difference": "dhash", "average": "average_hash"}
RIVAL_SAMPLE = 20_000


def main(count: int = 100_000, rounds: int = 3) -> None:
    data = silhouettes.pictures(count)
    sample = data[: min(count, RIVAL_SAMPLE)]
    there = table.installed("imagehash")
    for kind, name in RIVALS.items():
        last = {}

        def ours(kind=kind, last=last) -> float:
            def hashes() -> None:
                last["ours"] = clean.perceptual_hashes(data, kind)

            return table.seconds(hashes, time.process_time) / count

        def theirs(name=name, last=last) -> float:
            import imagehash

            rival = getattr(imagehash, name)

            def hashes() -> None:
                last["theirs"] = [rival(Image.fromarray(picture)).hash for picture in sample]

            return table.seconds(hashes, time.process_time) / len(sample)

        clean.perceptual_hashes(data[:100], kind)
        measured = table.rounds({"aigc_lab": ours} | ({"imagehash": theirs} if there else {}), rounds)
        same = ""
        if there:
            bits = np.packbits(np.array(last["theirs"]).reshape(len(sample), 64), axis=1)
            same = f"{(last['ours'][: len(sample)] == bits).all(axis=1).sum():,} of {len(sample):,}"
        table.compare(
            f"{kind.capitalize()} hash of 64 bits, {count:,} pictures, {rounds} rounds",
            measured,
            "aigc_lab",
            absent=[] if there else ["imagehash"],
            unit="µs a picture",
            scale=1e6,
            digits=1,
            more={"same bits": {"imagehash": same}},
        )

    dataset, rows = collect.Dataset(data), []
    parts = [part for part in (3_000, 10_000, 20_000, 30_000, 50_000, 100_000) if part <= count] or [count]
    for part in parts:
        begun = time.process_time()
        found = clean.hash_duplicates(dataset[:part])
        rows.append((part, time.process_time() - begun, len(found)))
    table.show(
        "hash_duplicates (256 bits, up to 20 apart): hashing, and every hash against every other",
        ["pictures", "s", "µs a picture", "found"],
        [
            [f"{part:,}", f"{seconds:.2f}", f"{1e6 * seconds / part:.1f}", f"{found:,}"]
            for part, seconds, found in rows
        ],
    )
    if len(rows) > 2:
        growth = train.fitted_exponent([row[0] for row in rows], [row[1] for row in rows])
        print(f"\nFitted over all sizes: {growth} (95 %); between the two largest: {growth.local[-1]:.2f}.")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
