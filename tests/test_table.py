"""Tables: the dial damages what its ledger names, the check finds it, mending needs no guess."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_iris

from aigc_lab import clean, corrupt
from aigc_lab.clean import table

LENGTHS = ("sepal length", "sepal width", "petal length", "petal width")
SPECIES = ("setosa", "versicolor", "virginica")


@pytest.fixture(scope="module")
def iris() -> pd.DataFrame:
    bunch = load_iris(as_frame=True)
    frame = bunch.data.set_axis(list(LENGTHS), axis=1)
    return frame.assign(species=[SPECIES[label] for label in bunch.target])


@pytest.fixture(scope="module")
def rules():
    columns = {name: table.number(0.05, 10, unit="cm") for name in LENGTHS}
    return table.schema({**columns, "species": table.category(*SPECIES)})


def found(findings: pd.DataFrame, kind: str) -> set[int]:
    return set(findings.loc[findings["detector"] == kind, "item"])


def test_iris_as_published_repeats_one_row(iris, rules):
    findings = table.check(iris, rules)
    assert findings[["item", "detector", "column"]].values.tolist() == [[142, "duplicate_row", ""]]
    assert "row 101" in findings["reason"][0]


def test_every_kind_of_broken_cell_is_found_and_named(iris, rules):
    broken = iris.drop(index=142).astype(object).reset_index(drop=True)
    broken.loc[3, "petal width"] = None
    broken.loc[5, "sepal width"] = "3,1 cm"
    broken.loc[7, "sepal length"] = 51.0
    broken.loc[8, "sepal length"] = np.inf
    broken.loc[9, "species"] = "Setosa"
    broken.loc[11, "petal length"] = True
    broken.index = broken.index + 1000  # an item is a position, whatever the index says
    findings = table.check(broken, rules)
    assert {(r.item, r.detector, r.column) for r in findings.itertuples()} == {
        (3, "missing", "petal width"),
        (5, "wrong_type", "sepal width"),
        (7, "out_of_range", "sepal length"),
        (8, "out_of_range", "sepal length"),
        (9, "wrong_category", "species"),
        (11, "wrong_type", "petal length"),
    }
    reason = dict(zip(findings["item"], findings["reason"], strict=True))
    assert reason[7] == "sepal length: 51.0 is outside 0.05 to 10 cm"
    assert reason[5] == "sepal width: '3,1 cm' is not a number"
    assert findings["score"].is_monotonic_decreasing and findings["score"].between(0.5, 1).all()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_check_finds_what_the_dial_did(iris, rules, seed):
    clean_rows = iris.drop(index=142).reset_index(drop=True)
    dirty, ledger = corrupt.apply_to_table(clean_rows, dict.fromkeys(corrupt.TABLE_CORRUPTIONS, 0.1), seed)
    findings = table.check(dirty, rules)
    for kind in table.KINDS:
        truth = ledger.mask(kind)
        hits = clean.score(findings[findings["detector"] == kind], truth)
        assert hits["precision"] == 1, kind
        # A value ten times too large may still be possible: a range alone cannot know.
        assert hits["recall"] == 1 if kind != "out_of_range" else hits["recall"] > 0.6
    strict = table.check(dirty, table.schema_of(clean_rows))
    assert found(strict, "out_of_range") == set(ledger.items("out_of_range"))


def test_the_ledger_names_every_changed_cell_and_no_other(iris):
    dirty, ledger = corrupt.apply_to_table(iris, dict.fromkeys(corrupt.TABLE_CORRUPTIONS, 0.2), seed=4)
    assert len(dirty) == 180 == ledger.item_count
    changed = {
        (item, name)
        for item in range(len(dirty))
        for name in iris.columns
        if dirty[name][item] is None
        or dirty[name][item] != iris[name][ledger.sources[item]]
        or isinstance(dirty[name][item], str) != isinstance(iris[name][0], str)
    }
    cells = ledger.table[ledger.table["column"] != ""]
    assert changed == set(zip(cells["item"], cells["column"], strict=True))
    assert not cells.duplicated(["item", "column"]).any()
    assert ledger.counts() == dict.fromkeys(corrupt.TABLE_CORRUPTIONS, 30)


def test_a_rate_changes_its_own_defect_only_and_a_higher_one_hits_the_same_rows(iris):
    _, few = corrupt.apply_to_table(iris, {"missing": 0.1, "wrong_type": 0.1}, seed=3)
    _, more = corrupt.apply_to_table(iris, {"missing": 0.3, "wrong_type": 0.1}, seed=3)
    assert few.items("wrong_type").tolist() == more.items("wrong_type").tolist()
    assert set(few.items("missing")) < set(more.items("missing"))


def test_the_dial_leaves_the_table_as_it_was_and_repeats_itself(iris):
    before = iris.copy(deep=True)
    rates = dict.fromkeys(corrupt.TABLE_CORRUPTIONS, 0.5)
    first, _ = corrupt.apply_to_table(iris, rates, seed=1)
    second, _ = corrupt.apply_to_table(iris, rates, seed=1)
    pd.testing.assert_frame_equal(iris, before)
    pd.testing.assert_frame_equal(first, second)
    nothing, ledger = corrupt.apply_to_table(iris, {})
    assert nothing.equals(iris.astype({"species": object})) and len(ledger) == 0


@pytest.mark.parametrize(
    ("rates", "words"),
    [({"blur": 0.1}, "unknown defect"), ({"missing": 2}, "from 0 to 1"), ({"wrong_category": 0.5}, "free")],
)
def test_the_dial_refuses_what_it_cannot_do(rates, words):
    with pytest.raises(ValueError, match=words):
        corrupt.apply_to_table(pd.DataFrame({"a": [1.0, 2.0, 3.0]}), rates)


def test_a_single_column_of_numbers_is_shared_between_the_two_defects_of_numbers():
    frame = pd.DataFrame({"a": np.arange(100.0)})
    _, ledger = corrupt.apply_to_table(frame, {"out_of_range": 0.3, "wrong_type": 0.3}, seed=0)
    assert not set(ledger.items("out_of_range")) & set(ledger.items("wrong_type"))


def test_mending_makes_numbers_of_what_is_surely_one_and_empties_the_impossible():
    cells = ["5.1 cm", "5,1", " 5.1 ", "５.1", "1,234", "about 5", "n/a", "无", 5.1, None, 99.0, "99"]
    names = ["cat", "Cat ", "ＣＡＴ", "dog", "cow", "", "cat", "cat", "cat", "cat", "cat", "cat"]
    frame = pd.DataFrame({"a": pd.Series(cells, dtype=object), "b": names})
    rules = table.schema({"a": table.number(0, 10, unit="cm"), "b": table.category("cat", "dog")})
    mended, changes = table.mend(frame, rules)
    assert mended["a"].tolist()[:6] == [5.1, 5.1, 5.1, 5.1, "1,234", "about 5"]
    assert mended["a"].isna().tolist() == [False] * 6 + [True, True, False, True, True, True]
    assert mended["b"].tolist()[:6] == ["cat", "cat", "cat", "dog", None, None]
    assert list(changes.columns) == ["item", "column", "change", "before", "after"]
    assert set(changes["item"]) == {0, 1, 2, 3, 4, 5, 6, 7, 10, 11}
    kept, _ = table.mend(frame, rules, impossible="keep")
    assert kept["a"][10] == 99 and kept["b"][4] == "cow"


def test_filling_uses_the_median_and_the_most_frequent_category():
    frame = pd.DataFrame({"a": [1.0, 2.0, 9.0, None], "b": ["x", "x", None, "y"]})
    rules = table.schema({"a": table.number(0, 10), "b": table.category("x", "y")})
    mended, changes = table.mend(frame, rules, fill="typical")
    assert mended["a"].tolist() == [1, 2, 9, 2] and mended["b"].tolist() == ["x", "x", "x", "y"]
    assert len(changes) == 2
    assert table.check(mended, rules).empty


CELLS = st.one_of(
    st.none(), st.floats(), st.integers(-50, 50), st.booleans(), st.sampled_from(["1", "2,5 kg", "n/a", "A "])
)
ROWS = st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=12)


@settings(max_examples=20, deadline=None)
@given(ROWS)
def test_check_and_mend_take_any_cells_leave_the_table_alone_and_mending_twice_is_mending_once(rows):
    frame = pd.DataFrame(rows, columns=["n", "c", "t"], dtype=object)
    before = frame.copy(deep=True)
    rules = table.schema(
        {
            "n": table.number(0, 9, unit="kg", whole=True),
            "c": table.category("a", "b"),
            "t": table.text("[A-Z]*"),
        }
    )
    once, _ = table.mend(frame, rules, fill="typical")
    twice, changes = table.mend(once, rules, fill="typical")
    findings = table.check(frame, rules)
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_frame_equal(once, twice)
    assert changes.empty
    assert findings["item"].between(0, max(0, len(rows) - 1)).all()
    assert set(findings["detector"]) <= set(table.KINDS)


def test_order_of_the_rows_does_not_change_which_cells_are_found(iris, rules):
    rates = {"missing": 0.2, "wrong_type": 0.2, "out_of_range": 0.2, "wrong_category": 0.2}
    dirty, _ = corrupt.apply_to_table(iris, rates, seed=0)
    order = np.random.default_rng(0).permutation(len(dirty))
    first, second = table.check(dirty, rules), table.check(dirty.iloc[order], rules)
    for kind in rates:
        assert found(first, kind) == {int(order[item]) for item in found(second, kind)}


def test_a_learned_schema_passes_its_own_table_and_widens_by_the_margin(iris):
    learned = table.schema_of(iris, margin=0.1)
    assert set(table.check(iris, learned)["detector"]) == {"duplicate_row"}
    about = learned.columns["sepal length"].metadata
    assert about["low"] == pytest.approx(4.3 - 0.36) and about["high"] == pytest.approx(7.9 + 0.36)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda rules: table.check([1, 2], rules), "DataFrame"),
        (lambda rules: table.check(pd.DataFrame({"a": [1]}), rules), "no column 'sepal length'"),
        (lambda rules: table.mend(pd.DataFrame([[1, 2]], columns=["a", "a"]), rules), "same name"),
        (lambda rules: table.schema({}), "at least one column"),
        (lambda rules: table.schema({"a": float}), "number\\(\\), category"),
        (lambda rules: table.number(3, 1), "low not above high"),
        (lambda rules: table.category(), "at least one name"),
        (lambda rules: table.schema_of(pd.DataFrame({"a": [None]})), "no known value"),
        (lambda rules: table.schema_of(pd.DataFrame({"a": []})), "at least one row"),
    ],
)
def test_wrong_use_ends_in_one_clear_sentence(rules, wrong, words):
    with pytest.raises(ValueError, match=words) as error:
        wrong(rules)
    assert "\n" not in str(error.value)


def test_an_empty_table_and_a_table_of_equal_rows(rules):
    empty = pd.DataFrame({name: [] for name in (*LENGTHS, "species")})
    assert table.check(empty, rules).empty
    assert list(table.check(empty, rules).columns) == ["item", "score", "reason", "detector", "column"]
    equal = pd.DataFrame({name: [1.0] * 5 for name in LENGTHS} | {"species": ["setosa"] * 5})
    assert found(table.check(equal, rules), "duplicate_row") == {1, 2, 3, 4}
