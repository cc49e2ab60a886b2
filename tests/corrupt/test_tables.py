"""Corruptions of tables: the log names every damaged cell, and no rate changes what another one does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris

from aigc_lab import corrupt

LENGTHS = ("sepal length", "sepal width", "petal length", "petal width")
SPECIES = ("setosa", "versicolor", "virginica")


@pytest.fixture(scope="module")
def iris() -> pd.DataFrame:
    bunch = load_iris(as_frame=True)
    frame = bunch.data.set_axis(list(LENGTHS), axis=1)
    return frame.assign(species=[SPECIES[label] for label in bunch.target])


def test_the_log_names_every_changed_cell_and_no_other(iris):
    dirty, log = corrupt.apply_to_table(iris, dict.fromkeys(corrupt.TABLE_CORRUPTIONS, 0.2), seed=4)
    assert len(dirty) == 180 == len(log.sources)
    changed = {
        (item, name)
        for item in range(len(dirty))
        for name in iris.columns
        if dirty[name][item] is None
        or dirty[name][item] != iris[name][log.sources[item]]
        or isinstance(dirty[name][item], str) != isinstance(iris[name][0], str)
    }
    cells = log.table[log.table["column"] != ""]
    assert changed == set(zip(cells["item"], cells["column"], strict=True))
    assert not cells.duplicated(["item", "column"]).any()
    assert log.counts() == dict.fromkeys(corrupt.TABLE_CORRUPTIONS, 30)


def test_a_rate_changes_its_own_corruption_only_and_a_higher_one_hits_the_same_rows(iris):
    _, few = corrupt.apply_to_table(iris, {"missing": 0.1, "wrong_type": 0.1}, seed=3)
    _, more = corrupt.apply_to_table(iris, {"missing": 0.3, "wrong_type": 0.1}, seed=3)
    assert few.items("wrong_type").tolist() == more.items("wrong_type").tolist()
    assert set(few.items("missing")) < set(more.items("missing"))


def test_the_given_table_is_left_as_it_was_and_a_seed_repeats_itself(iris):
    before = iris.copy(deep=True)
    rates = dict.fromkeys(corrupt.TABLE_CORRUPTIONS, 0.5)
    first, _ = corrupt.apply_to_table(iris, rates, seed=1)
    second, _ = corrupt.apply_to_table(iris, rates, seed=1)
    pd.testing.assert_frame_equal(iris, before)
    pd.testing.assert_frame_equal(first, second)
    nothing, log = corrupt.apply_to_table(iris, {})
    assert nothing.equals(iris.astype({"species": object})) and len(log.table) == 0


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        ({"blur": 0.1}, "unknown corruption"),
        ({"missing": 2}, "from 0 to 1"),
        ({"wrong_category": 0.5}, "free category cell"),
    ],
)
def test_what_cannot_be_done_is_refused(rates, words):
    with pytest.raises(ValueError, match=words):
        corrupt.apply_to_table(pd.DataFrame({"a": [1.0, 2.0, 3.0]}), rates)


def test_a_single_column_of_numbers_is_shared_between_the_two_corruptions_of_numbers():
    frame = pd.DataFrame({"a": np.arange(100.0)})
    _, log = corrupt.apply_to_table(frame, {"out_of_range": 0.3, "wrong_type": 0.3}, seed=0)
    assert not set(log.items("out_of_range")) & set(log.items("wrong_type"))


def test_a_column_stays_narrow_where_its_cells_fit_in():
    frame = pd.DataFrame({"a": np.arange(40, dtype="int8"), "b": np.arange(40, dtype="float32")})
    same, _ = corrupt.apply_to_table(frame, {})
    assert same.dtypes.tolist() == frame.dtypes.tolist()
    assert corrupt.apply_to_table(frame.head(0), {})[0].dtypes.tolist() == frame.dtypes.tolist()
    wider, _ = corrupt.apply_to_table(frame, {"out_of_range": 0.5}, seed=0)
    assert wider["a"].dtype.kind in "if" and wider["a"].abs().max() > 127  # 999 is no int8
