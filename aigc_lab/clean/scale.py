"""Clean texts that outgrow one machine's memory: duplicates in sharded Parquet files, on Dask.

The result is the one that ``clean.text.exact_duplicates`` and ``clean.text.near_duplicates`` give for all
texts together. What has to meet is brought together through files: the keys of one band in one step, the
pairs of one shard in another. No process holds all texts; the one that calls holds 33 bytes an item
and the pairs found. Introduced in notebook 02.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_lab.backend import dask_client
from aigc_lab.clean import scale_steps as steps
from aigc_lab.clean.findings import checked_number, findings_table
from aigc_lab.clean.text.duplicates import behind_the_first
from aigc_lab.clean.text.forms import as_texts
from aigc_lab.clean.text.minhash import bands_for
from aigc_lab.clean.text.shingles import checked_size
from aigc_lab.collect.atomic import atomic_write

if TYPE_CHECKING:
    import pandas as pd

Mapper = Callable[..., list[Any]]


@dataclass(frozen=True, eq=False)
class Deduplicated:
    """What was found in the shards, and where those without duplicates lie.

    Args:
        output: the folder of the new shards, named as the old ones.
        shards: rows before and after, shard by shard: ``name``, ``rows``, ``kept``.
        exact: findings as of ``clean.text.exact_duplicates``; items are counted through all shards in the
            order of their names.
        near: findings as of ``clean.text.near_duplicates``.
    """

    output: Path
    shards: pd.DataFrame
    exact: pd.DataFrame
    near: pd.DataFrame

    def report(self) -> str:
        """What happened, in words."""
        rows, kept = int(self.shards["rows"].sum()), int(self.shards["kept"].sum())
        return (
            f"kept {kept} of {rows} texts in {len(self.shards)} shards; dropped {len(self.exact)} "
            f"that repeat an earlier one and {len(self.near)} that nearly do"
        )


def shard(texts: Any, folder: str | os.PathLike[str], rows: int = 50_000, column: str = "text") -> list[Path]:
    """Write texts as Parquet files of ``rows`` rows each; returns their paths.

    Raises:
        FileExistsError: the folder holds Parquet files already.
        ValueError: no texts, a text that is no valid Unicode, or fewer than one row a file.
    """
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    texts, rows = as_texts(texts, "shard"), int(checked_number("rows", rows, 1))
    folder = Path(folder)
    if any(folder.glob("*.parquet")):
        raise FileExistsError(f"{folder} holds Parquet files already; choose an empty folder")
    paths = []
    for number, start in enumerate(range(0, len(texts), rows)):
        try:
            cells = arrow.table({column: arrow.array(texts[start : start + rows], arrow.string())})
        except UnicodeEncodeError as error:
            raise ValueError("a text is no valid Unicode; mend it with clean.text.mend first") from error
        paths.append(folder / f"part-{number:05d}.parquet")
        with atomic_write(paths[-1]) as stream:
            parquet.write_table(cells, stream)
    return paths


def deduplicate(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    column: str = "text",
    threshold: float = 0.8,
    shingle_size: int | None = None,
    permutations: int = 128,
    seed: int = 0,
    workers: int = 2,
    scheduler: str | None = None,
) -> Deduplicated:
    """Shards without exact and near duplicates. The input is only read.

    ``output`` appears whole, when everything is done, or not at all. In a script, call this below
    ``if __name__ == "__main__":``, because the workers import the script.

    Args:
        source: a folder of Parquet files, taken in the order of their names.
        output: the folder to make; it must not exist, and must lie outside ``source``.
        column: the column of the texts; the others are carried along.
        threshold, shingle_size, permutations, seed: as for ``clean.text.near_duplicates``.
        workers: processes on this machine; 0: none but this one, without Dask.
        scheduler: address of a running Dask scheduler (``"tcp://..."``) instead; its workers must reach
            both folders and have this package.

    Raises:
        FileNotFoundError: no such folder, or no Parquet file in it.
        FileExistsError: ``output`` exists.
        ValueError: an unreadable shard, a missing column, a number that makes no sense.
        OSError: the scheduler cannot be reached.
        RuntimeError: called while a worker imports the script.
    """
    source, output = Path(source).resolve(), Path(output).resolve()
    files = _checked_folders(source, output)
    options = {
        "threshold": checked_number("threshold", threshold, 0, 1),
        "shingle_size": checked_size(shingle_size),
        "permutations": int(checked_number("permutations", permutations, 1, 4096)),
        "seed": seed,
        "bands": bands_for(threshold, permutations)[0],
    }
    workers = int(checked_number("workers", workers, 0))
    paths = [str(path) for path in files]
    rows = np.array([steps.row_count(path, column) for path in paths], dtype=np.int64)
    edges = np.concatenate([[0], np.cumsum(rows)])
    building = output.with_name(f".{output.name}.{uuid.uuid4().hex}.part")
    scratch = building / "scratch"
    try:
        scratch.mkdir(parents=True)
        with _mapper(workers, scheduler) as run:
            exact, near = _found(run, paths, column, edges, options, str(scratch))
            dropped = np.union1d(exact["item"], near["item"])
            targets = [str(building / path.name) for path in files]
            kept = run(steps.write_kept, paths, targets, _per_shard(dropped, edges))
        shutil.rmtree(scratch)
        building.rename(output)
    finally:
        shutil.rmtree(building, ignore_errors=True)

    import pandas as pd  # here, because it is slow to import

    shards = pd.DataFrame({"name": [path.name for path in files], "rows": rows, "kept": kept})
    return Deduplicated(output, shards, exact, near)


def _found(
    run: Mapper, paths: list[str], column: str, edges: np.ndarray, options: dict[str, Any], scratch: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The findings: exact, then near duplicates among what is left."""
    many = len(paths)
    hashed = run(steps.hash_forms, paths, [column] * many)
    copies, firsts, same = steps.exact_copies(hashed)
    filled = np.concatenate([part["filled"] for part in hashed])
    del hashed
    reasons = [f"the same text as item {first}" for first in firsts]
    exact = findings_table("exact_duplicates", copies, np.where(same, 1.0, 0.9), reasons, firsts)

    filled[copies] = False
    left = _per_shard(np.flatnonzero(filled), edges)
    starts = [int(edge) for edge in edges[:-1]]
    common = [options] * many, [scratch] * many
    run(steps.write_bands, paths, [column] * many, left, starts, *common, list(range(many)))
    bands = options["bands"]
    counted = run(steps.pairs_of_band, list(range(bands)), [scratch] * bands, [edges] * bands)
    busy = sorted({number for counts in counted for number, _ in counts})
    several = len(busy)
    parts = run(
        steps.near_pairs,
        busy,
        *([same_for_all] * several for same_for_all in (scratch, paths, column, edges, options)),
    )
    pairs = np.concatenate([pairs for pairs, _ in parts]) if parts else np.empty((0, 2), dtype=np.int64)
    similarity = np.concatenate([alike for _, alike in parts]) if parts else np.empty(0)
    items, firsts, alike = behind_the_first(pairs, similarity)
    reasons = [
        f"nearly item {first}: {share:.0%} of their shingles are the same"
        for first, share in zip(firsts, alike, strict=True)
    ]
    return exact, findings_table("near_duplicates", items, alike, reasons, firsts)


def _per_shard(items: np.ndarray, edges: np.ndarray) -> list[np.ndarray]:
    """Sorted numbers of items as rows of their shards."""
    cuts = np.searchsorted(items, edges)
    return [items[a:b] - start for a, b, start in zip(cuts[:-1], cuts[1:], edges[:-1], strict=True)]


def _checked_folders(source: Path, output: Path) -> list[Path]:
    if not source.is_dir():
        raise FileNotFoundError(f"there is no folder {source}; give one that holds Parquet files")
    files = sorted(source.glob("*.parquet"))
    if not files:
        raise FileNotFoundError(f"the folder {source} holds no file that ends in .parquet")
    if output.is_relative_to(source):
        raise ValueError(f"the output {output} lies in the input; choose a folder outside {source}")
    if output.exists():
        raise FileExistsError(f"{output} exists already; choose a new folder, nothing is overwritten")
    return files


@contextmanager
def _mapper(workers: int, scheduler: str | None) -> Iterator[Mapper]:
    """A function that runs a step on many arguments, here or on Dask, and gives the results in order."""
    if scheduler is None and workers == 0:
        yield lambda step, *arguments: [step(*each) for each in zip(*arguments, strict=True)]
        return

    def run_on(client: Any) -> Mapper:
        def run(step: Callable[..., Any], *arguments: Sequence[Any]) -> list[Any]:
            # pure=False: the steps read files, so equal arguments do not mean equal results.
            tasks = [client.submit(step, *each, pure=False) for each in zip(*arguments, strict=True)]
            return client.gather(tasks)

        return run

    with dask_client("clean.scale.deduplicate", workers, scheduler) as client:
        yield run_on(client)
