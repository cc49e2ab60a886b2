"""Near-duplicate texts: ours beside datasketch and rensa, and how the cost grows.

Run by hand: ``python benchmarks/near_duplicate_text.py`` (10,000 and 100,000 texts, three interleaved
rounds); ``--sizes 10000 100000 1000000 --methods aigc_lab --exact-up-to 0`` for the growth. rensa is
measured if it is installed (it is no dependency).

Every measurement runs in a process of its own, on one thread, from the texts in memory to the pairs; for
``aigc_lab`` that includes normalising the texts and the exact similarity of every candidate, which the
others leave to the caller. All see the same shingles, have 128 rankings and look for pairs of Jaccard
similarity 0.8. Recall is counted against all such pairs, found by an exact join (prefix filter). Seconds
are those of the processor, so that other programs do not count.
"""

from __future__ import annotations

import argparse
import re
import resource
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import table

from aigc_lab import collect
from aigc_lab.clean import minhash
from aigc_lab.corrupt.text import nearly_copy_text

BENCH = ["--sizes", "10000", "--rounds", "3"]
QUICK = ["--sizes", "1000", "--rounds", "1"]

THRESHOLD = 0.8
PERMUTATIONS = 128
COPY_SHARE = 0.1
CHINESE_SHARE = 0.2


def corpus(count: int, seed: int = 0) -> list[str]:
    """Short texts, no two equal: pieces of the embedded sets put together, a tenth of them near-copies."""
    rng = np.random.default_rng(seed)
    words = re.findall(r"[A-Za-z']+[,.]?", " ".join(collect.load("python-code").data))
    characters = re.findall(r"[一-鿿，。？]", "".join(collect.load("dialogues").only("chinese").data))
    originals = count - round(COPY_SHARE * count)
    made: dict[str, None] = {}
    while len(made) < originals:
        stream, gap = (characters, "") if rng.random() < CHINESE_SHARE else (words, " ")
        pieces = []
        for _ in range(int(rng.integers(3, 7))):
            start = int(rng.integers(len(stream) - 8))
            pieces += stream[start : start + int(rng.integers(2, 6))]
        made[minhash.comparable(gap.join(pieces))] = None
    base = list(made)
    while len(made) < count:
        source = base[int(rng.integers(len(base)))]
        made[minhash.comparable(nearly_copy_text(source, rng)[0])] = None
    shuffled = list(made)
    return [shuffled[place] for place in rng.permutation(count)]


def exact_pairs(texts: list[str]) -> set[tuple[int, int]]:
    """All pairs from the threshold up. Of two such texts, the rarest fifth of one meets that of the other."""
    sets = [minhash.shingles(one) for one in texts]
    counts = Counter(piece for pieces in sets for piece in pieces)
    index: dict[str, list[int]] = defaultdict(list)
    found = set()
    for place, pieces in enumerate(sets):
        rarest = sorted(pieces, key=lambda piece: (counts[piece], piece))
        prefix = rarest[: len(pieces) - int(np.ceil(THRESHOLD * len(pieces))) + 1]
        for other in {other for piece in prefix for other in index[piece]}:
            shared = len(pieces & sets[other])
            if shared >= THRESHOLD * (len(pieces) + len(sets[other]) - shared):
                found.add((other, place))
        for piece in prefix:
            index[piece].append(place)
    return found


def by_aigc_lab(texts: list[str]) -> set[tuple[int, int]]:
    pairs, _ = minhash.near_duplicate_pairs(texts, THRESHOLD)
    return set(map(tuple, pairs.tolist()))


def by_datasketch(texts: list[str], bands: tuple[int, int] | None = None) -> set[tuple[int, int]]:
    """The quickest documented way: MinHash.generator on bytes, then query and insert one by one."""
    from datasketch import MinHash, MinHashLSH

    shingled = ([piece.encode() for piece in minhash.shingles(one)] for one in texts)
    index = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS, params=bands)
    found = set()
    for place, signature in enumerate(MinHash.generator(shingled, num_perm=PERMUTATIONS)):
        found.update((other, place) for other in index.query(signature))
        index.insert(place, signature, check_duplication=False)
    return found


def by_datasketch_same_bands(texts: list[str]) -> set[tuple[int, int]]:
    return by_datasketch(texts, minhash.bands_for(THRESHOLD, PERMUTATIONS))


def by_rensa(texts: list[str]) -> set[tuple[int, int]]:
    """Full-set R-MinHash in one call, then the index queried in one call."""
    from rensa import RMinHash, RMinHashLSH

    signatures = RMinHash.from_token_sets(
        (list(minhash.shingles(one)) for one in texts), num_perm=PERMUTATIONS, seed=1
    )
    index = RMinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS, num_bands=16)  # must divide 128
    index.insert_pairs(list(enumerate(signatures)))
    nearest = index.query_all(signatures)
    return {(other, place) for place, others in enumerate(nearest) for other in others if other < place}


METHODS = {
    "aigc_lab": by_aigc_lab,
    "datasketch": by_datasketch,
    "datasketch, same bands": by_datasketch_same_bands,
    "rensa": by_rensa,
}


def measure(method: str, path: str) -> tuple[float, float, set[tuple[int, int]]]:
    """Processor seconds, peak memory of the process that holds the texts (MiB), and the pairs."""
    texts = Path(path).read_text(encoding="utf-8").split("\n")
    METHODS[method](texts[:200])  # imports and first calls
    start = time.process_time()
    pairs = METHODS[method](texts)
    seconds = time.process_time() - start
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, pairs


def apart(function, *arguments):
    """The function's result from a fresh process, whose memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def main(folder: str) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--exact-up-to", type=int, default=200_000, help="texts; more are not joined exactly")
    options = parser.parse_args()
    table.one_thread()  # for the processes that measure
    absent = [name for name in options.methods if not table.installed(name.split(",")[0])]
    methods = [name for name in options.methods if name not in absent]
    for count in options.sizes:
        texts = corpus(count)
        path = Path(folder) / f"{count}.txt"
        path.write_text("\n".join(texts), encoding="utf-8")
        characters = statistics.mean(map(len, texts))
        truth = exact_pairs(texts) if count <= options.exact_up_to else None
        known = f"{len(truth):,} pairs" if truth is not None else "pairs not counted"
        title = f"{count:,} texts of {characters:.0f} characters, {known}, {options.rounds} rounds"
        del texts
        results: dict[str, list] = {name: [] for name in methods}

        def once(name: str, path: Path = path, results: dict[str, list] = results) -> float:
            results[name].append(apart(measure, name, str(path)))
            return results[name][-1][0]

        seconds = table.rounds({name: lambda name=name: once(name) for name in methods}, options.rounds)
        more: dict[str, dict[str, str]] = {"texts a second": {}, "recall": {}, "precision": {}, "MiB": {}}
        for name, runs in results.items():
            pairs = runs[0][2]
            more["texts a second"][name] = f"{count / statistics.median(seconds[name]):,.0f}"
            if truth:
                more["recall"][name] = f"{len(truth & pairs) / len(truth):.4f}"
                more["precision"][name] = f"{len(truth & pairs) / max(1, len(pairs)):.4f}"
            more["MiB"][name] = f"{max(run[1] for run in runs):,.0f}"
        table.compare(title, seconds, methods[0], absent=absent, more=more)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        main(scratch)
