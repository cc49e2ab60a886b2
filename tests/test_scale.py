"""Duplicates in shards: the same result as in memory, on any number of processes; the input is only read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aigc_lab import backend, collect
from aigc_lab.clean import scale, text

COMPARED = ["item", "duplicate_of", "score"]


def messy_texts(count: int = 1500, seed: int = 0) -> list[str]:
    """English and Chinese pairs, some of them repeated exactly, in other letters, or with an edit."""
    rng = np.random.default_rng(seed)
    dialogues = [item for item in collect.load("dialogues").data if len(item) > 20]
    texts = [dialogues[place] for place in rng.integers(0, len(dialogues), count)]
    for place in rng.permutation(count)[: count // 4]:
        cut = int(rng.integers(len(texts[place])))
        texts[place] = texts[place][:cut] + "x" + texts[place][cut + 1 :]
    for place in rng.permutation(count)[: count // 10]:
        texts[place] = texts[place].upper()
    return [*texts, "", "", "a", "🙂", "ok\r\n", "OK"]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return messy_texts()


@pytest.fixture
def source(tmp_path: Path, texts: list[str]) -> Path:
    scale.shard(texts, tmp_path / "in", rows=400)
    return tmp_path / "in"


def assert_as_in_memory(found: scale.Deduplicated, texts: list[str]) -> None:
    exact, near = text.exact_duplicates(texts), text.near_duplicates(texts)
    assert len(exact) > 100 and len(near) > 20  # else there is nothing to compare
    pd.testing.assert_frame_equal(found.exact[COMPARED], exact[COMPARED])
    pd.testing.assert_frame_equal(found.near[COMPARED], near[COMPARED])


def rows_of(folder: Path) -> list[str]:
    return [row for path in sorted(folder.glob("*.parquet")) for row in pd.read_parquet(path)["text"]]


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*"))}


def test_shards_give_what_memory_gives_and_are_only_read(source, texts, tmp_path):
    before = bytes_of(source)
    found = scale.deduplicate(source, tmp_path / "out", workers=0)
    assert_as_in_memory(found, texts)
    dropped = set(found.exact["item"]) | set(found.near["item"])
    assert rows_of(tmp_path / "out") == [row for item, row in enumerate(texts) if item not in dropped]
    assert bytes_of(source) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]  # no scratch is left
    assert found.shards["name"].tolist() == [path.name for path in sorted(source.iterdir())]
    assert f"kept {len(texts) - len(dropped)} of {len(texts)}" in found.report()


@pytest.mark.parametrize("rows", [97, 5000])
def test_how_the_texts_are_cut_into_shards_does_not_matter(texts, tmp_path, rows):
    scale.shard(texts, tmp_path / "in", rows=rows)
    assert_as_in_memory(scale.deduplicate(tmp_path / "in", tmp_path / "out", workers=0), texts)


def test_what_is_clean_stays_as_it_is(source, tmp_path):
    scale.deduplicate(source, tmp_path / "once", workers=0)
    again = scale.deduplicate(tmp_path / "once", tmp_path / "twice", workers=0)
    assert again.exact.empty and again.near.empty
    assert rows_of(tmp_path / "once") == rows_of(tmp_path / "twice")


def test_two_dask_workers_give_the_same_bytes_and_need_no_tensorflow(source, texts, tmp_path):
    from distributed import Client, LocalCluster

    alone = scale.deduplicate(source, tmp_path / "alone", workers=0)
    started = scale.deduplicate(source, tmp_path / "started", workers=2)
    assert_as_in_memory(started, texts)
    local = {"host": "127.0.0.1", "dashboard_address": None, "silence_logs": 50}
    with LocalCluster(n_workers=2, threads_per_worker=1, **local) as cluster:
        given = scale.deduplicate(source, tmp_path / "given", scheduler=cluster.scheduler_address)
        with Client(cluster, set_as_default=False) as client:
            loaded = client.run(lambda: set(sys.modules))
    assert len(loaded) == 2
    for modules in loaded.values():
        assert not {"tensorflow", "keras", "matplotlib", "torch", "jax"} & modules
    assert any("aigc_lab.clean.scale_steps" in modules for modules in loaded.values())
    for other in (started, given):
        pd.testing.assert_frame_equal(other.exact, alone.exact)
        pd.testing.assert_frame_equal(other.near, alone.near)
        assert bytes_of(other.output) == bytes_of(alone.output)


def test_an_unguarded_script_ends_in_an_error_and_starts_no_workers_without_end(source, tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from aigc_lab.clean import scale\n"
        f"scale.deduplicate({str(source)!r}, {str(tmp_path / 'out')!r}, workers=1)\n",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert "__main__" in done.stderr
    assert not (tmp_path / "out").exists()


def test_other_columns_empty_cells_and_empty_shards_are_carried_along(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    one = pd.DataFrame({"words": ["hello there", None, "hello there"], "number": [1, 2, 3]})
    one.astype({"words": "string"}).to_parquet(folder / "a.parquet")
    one[:0].astype({"words": "string"}).to_parquet(folder / "b.parquet")
    found = scale.deduplicate(folder, tmp_path / "out", column="words", workers=0)
    assert found.exact["item"].tolist() == [2]
    assert pd.read_parquet(tmp_path / "out" / "a.parquet")["number"].tolist() == [1, 2]
    assert found.shards["kept"].tolist() == [2, 0]


def test_a_crash_leaves_neither_output_nor_scratch(source, tmp_path, monkeypatch):
    def broken(*arguments):
        raise OSError("the disk is full")

    monkeypatch.setattr(scale.steps, "write_kept", broken)
    with pytest.raises(OSError, match="disk is full"):
        scale.deduplicate(source, tmp_path / "out", workers=0)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_wrong_use_ends_in_one_clear_sentence(source, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.parquet").write_bytes(b"no parquet")
    pd.DataFrame({"text": [1, 2]}).to_parquet(tmp_path / "number.parquet")
    (tmp_path / "numbers").mkdir()
    (tmp_path / "number.parquet").rename(tmp_path / "numbers" / "a.parquet")
    out = tmp_path / "out"
    for arguments, error, words in [
        ((tmp_path / "nowhere", out), FileNotFoundError, "there is no folder"),
        ((tmp_path / "empty", out), FileNotFoundError, "holds no file that ends in .parquet"),
        ((source, tmp_path / "empty"), FileExistsError, "exists already"),
        ((source, source / "out"), ValueError, "lies in the input"),
        ((tmp_path / "bad", out), ValueError, "cannot be read as a Parquet file"),
        ((tmp_path / "numbers", out), ValueError, "holds int64, not text"),
        ((source, out, "words"), ValueError, "has no column 'words'"),
        ((source, out, "text", 1.5), ValueError, "threshold"),
    ]:
        with pytest.raises(error, match=words):
            scale.deduplicate(*arguments, workers=0)
    assert not out.exists()
    monkeypatch.setattr(backend, "PATIENCE", 1)
    with pytest.raises(OSError, match="no Dask scheduler answers at tcp"):
        scale.deduplicate(source, out, scheduler="tcp://127.0.0.1:9")
    assert not out.exists()


def test_shards_are_never_mixed_with_older_ones_and_hold_valid_text(source, tmp_path):
    with pytest.raises(FileExistsError, match="holds Parquet files already"):
        scale.shard(["a"], source)
    with pytest.raises(ValueError, match="no valid Unicode"):
        scale.shard(["\ud800"], tmp_path / "new")
    with pytest.raises(ValueError, match="rows"):
        scale.shard(["a"], tmp_path / "new", rows=0)
