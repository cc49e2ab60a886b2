"""How the cost of removing duplicate texts grows: in memory, by partitions, and on two Dask workers.

Run by hand: ``python benchmarks/cleaning_growth.py`` (10,000 and 100,000 texts), or with
``--sizes 10000 100000 1000000``. The texts are those of ``near_duplicate_text.py`` (a tenth of them
near-copies), with a tenth of them repeated exactly, in Parquet files of 50,000 rows.

Every measurement runs in a process of its own, from the files to the issues; ``partitions`` and ``dask`` also
write the clean files. Seconds are those of the clock and of the processor, without the start of the
calling process and with that of the workers; memory is the peak of the calling process and of the largest
worker. All ways must find the same: the issues are compared.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import table

BENCH = ["--sizes", "10000", "40000"]
QUICK = ["--sizes", "1000", "2000"]

METHODS = ("memory", "partitions", "dask")
ROWS_A_FILE = 50_000


def generate(count: int, folder: Path) -> None:
    from near_duplicate_text import corpus

    texts = corpus(round(count * 0.9))
    rng = np.random.default_rng(1)
    texts += [texts[place] for place in rng.integers(0, len(texts), count - len(texts))]
    rows = pd.DataFrame({"text": [texts[place] for place in rng.permutation(count)]})
    folder.mkdir()
    for number, start in enumerate(range(0, count, ROWS_A_FILE)):
        rows[start : start + ROWS_A_FILE].to_parquet(folder / f"part-{number:05d}.parquet")


def measure(method: str, folder: Path, output: Path) -> dict[str, object]:
    import dask.dataframe

    from aigc_lab import backend
    from aigc_lab.clean import distributed, text

    started, busy = time.perf_counter(), time.process_time()
    if method == "memory":
        texts = [row for path in sorted(folder.iterdir()) for row in pd.read_parquet(path)["text"]]
        exact, near = text.exact_duplicates(texts), text.near_duplicates(texts)
    else:
        with contextlib.ExitStack() as stack:
            if method == "dask":
                client = stack.enter_context(backend.dask_client("the benchmark", 2, None))
                stack.enter_context(client.as_current())
            else:
                stack.enter_context(dask.config.set(scheduler="synchronous"))
            frame = dask.dataframe.read_parquet(folder)
            exact, near = distributed.duplicates(frame["text"])
            distributed.drop(frame, exact, near).to_parquet(output)
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    names = ("item", "duplicate_of")
    columns = [np.ascontiguousarray(table[name]) for table in (exact, near) for name in names]
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "seconds": seconds,
        "processor": busy + used[1].ru_utime + used[1].ru_stime,
        "caller": used[0].ru_maxrss / 1024,  # MiB, as Linux counts in KiB
        "worker": used[1].ru_maxrss / 1024 if method == "dask" else 0.0,
        "exact": len(exact),
        "near": len(near),
        "issues": hashlib.sha256(b"".join(column.tobytes() for column in columns)).hexdigest(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    arguments = parser.parse_args()
    table.one_thread()  # one each, so that two workers and one process can be compared
    first: dict[str, float] = {}
    for size in arguments.sizes:
        rows, answers = [], set()
        with tempfile.TemporaryDirectory() as temporary:
            source = Path(temporary) / "in"
            table.in_a_process("generate", size, source, script=__file__)
            for method in arguments.methods:
                output = Path(temporary) / method
                found = table.in_a_process("measure", method, source, output, script=__file__)
                each = 1e6 * found["processor"] / size
                rows.append(
                    [
                        method,
                        f"{found['seconds']:.1f}",
                        f"{found['processor']:.1f}",
                        f"{each:.0f}",
                        f"{each / first.setdefault(method, each):.2f}",
                        f"{found['caller']:,.0f}",
                        f"{found['worker']:,.0f}",
                        f"{found['exact']:,} and {found['near']:,}",
                    ]
                )
                answers.add(found["issues"])
        columns = ["way", "clock, s", "processor, s", "µs a text", "over the first size", "caller, MiB"]
        table.show(f"{size:,} texts", [*columns, "worker, MiB", "exact and near found"], rows)
        if len(answers) > 1:
            raise SystemExit(f"the ways of removing duplicates do not agree on {size:,} texts")
        print("\nAll ways found the same.", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["generate"]:
        generate(int(sys.argv[2]), Path(sys.argv[3]))
        print("true")
    elif sys.argv[1:2] == ["measure"]:
        print(json.dumps(measure(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))))
    else:
        main()
