"""Cleaning over Dask partitions: the same result as in one process, however the texts are cut."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest

from aigc_lab import backend, collect
from aigc_lab.clean import distributed, text

COMPARED = ["item", "duplicate_of", "score"]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """English and Chinese pairs, some of them repeated exactly, in other letters, or with an edit."""
    rng = np.random.default_rng(0)
    dialogues = [item for item in collect.load("dialogues").data if len(item) > 20]
    texts = [dialogues[place] for place in rng.integers(0, len(dialogues), 1500)]
    for place in rng.permutation(1500)[:375]:
        cut = int(rng.integers(len(texts[place])))
        texts[place] = texts[place][:cut] + "x" + texts[place][cut + 1 :]
    for place in rng.permutation(1500)[:150]:
        texts[place] = texts[place].upper()
    return [*texts, "", "", "a", "🙂", "ok\r\n", "OK", "write to a@example.com", "caf\u00c3\u00a9"]


def cut(texts: list[str], partitions: int) -> dd.DataFrame:
    rows = pd.DataFrame({"text": texts, "number": range(len(texts))})
    return dd.from_pandas(rows, npartitions=partitions)


def assert_as_in_one_process(found: tuple[pd.DataFrame, pd.DataFrame], texts: list[str]) -> None:
    exact, near = text.exact_duplicates(texts), text.near_duplicates(texts)
    assert len(exact) > 100 and len(near) > 20  # else there is nothing to compare
    pd.testing.assert_frame_equal(found[0][COMPARED], exact[COMPARED])
    pd.testing.assert_frame_equal(found[1][COMPARED], near[COMPARED])


@pytest.mark.parametrize("partitions", [1, 4, 17])
def test_partitions_give_what_one_process_gives(texts, partitions):
    frame = cut(texts, partitions)
    exact, near = distributed.duplicates(frame["text"])
    assert_as_in_one_process((exact, near), texts)
    gone = {*exact["item"], *near["item"]}
    kept = distributed.drop(frame, exact, near).compute()
    assert kept["number"].tolist() == [item for item in range(len(texts)) if item not in gone]
    assert kept["text"].tolist() == [texts[item] for item in kept["number"]]


@pytest.mark.parametrize(
    "detector",
    [
        text.garbled,
        text.unnormalised,
        text.uninformative,
        text.personal_data,
        partial(text.other_language, expected="en"),
    ],
)
def test_detectors_of_single_texts_find_the_same_in_partitions(texts, detector):
    found = distributed.detect(cut(texts, 5)["text"], detector)
    assert len(found) > 0 or detector is text.unnormalised
    pd.testing.assert_frame_equal(found, detector(texts))


def test_detectors_that_compare_texts_are_refused(texts):
    column = cut(texts, 2)["text"]
    bound = partial(text.near_duplicates, threshold=0.5), partial(text.other_language, expected=None)
    bare = (text.boilerplate, text.exact_duplicates, text.near_duplicates, text.other_language)
    for detector in (*bare, *bound):
        with pytest.raises(ValueError, match="judges a text by the others"):
            distributed.detect(column, detector)


def test_two_workers_clean_parquet_files_and_need_no_tensorflow(texts, tmp_path: Path):
    cut([*texts, None], 4).to_parquet(tmp_path / "in")
    before = {path: path.read_bytes() for path in (tmp_path / "in").iterdir()}
    with backend.dask_client("a test", 2, None) as client, client.as_current():
        frame = dd.read_parquet(tmp_path / "in")
        found = distributed.duplicates(frame["text"])
        distributed.drop(frame, *found).to_parquet(tmp_path / "out")
        loaded = client.run(lambda: set(__import__("sys").modules))
    assert_as_in_one_process(found, [*texts, ""])  # a missing cell is an empty text
    rows = dd.read_parquet(tmp_path / "out").compute()
    gone = {*found[0]["item"], *found[1]["item"]}
    assert rows["number"].tolist() == [item for item in range(len(texts) + 1) if item not in gone]
    assert len(loaded) == 2 and all("aigc_lab.clean.distributed" in modules for modules in loaded.values())
    assert not {"tensorflow", "keras", "matplotlib", "torch", "jax"} & set.union(*loaded.values())
    assert {path: path.read_bytes() for path in before} == before


def test_what_is_clean_stays_as_it_is(texts):
    frame = cut(texts, 3)
    once = distributed.drop(frame, *distributed.duplicates(frame["text"]))
    again = distributed.duplicates(once["text"])
    assert again[0].empty and again[1].empty
    assert len(distributed.drop(once, *again)) == len(once)


def test_empty_partitions_and_partitions_without_pairs():
    frame = cut(["one text", "another one", "", "a third"], 2)
    frame = dd.concat([frame, frame[frame["number"] < 0]])
    exact, near = distributed.duplicates(frame["text"])
    assert exact.empty and near.empty
    assert distributed.drop(frame, exact, near).compute()["number"].tolist() == [0, 1, 2, 3]
