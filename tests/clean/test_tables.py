"""Tables: what corrupt damages its log names, the check finds, and fixing needs no guess."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_iris

from aigc_lab import clean, corrupt
from aigc_lab.clean import tables

LENGTHS = ("sepal length", "sepal width", "petal length", "petal width")
SPECIES = ("setosa", "versicolor", "virginica")


@pytest.fixture(scope="module")
def iris() -> pd.DataFrame:
    bunch = load_iris(as_frame=True)
    frame = bunch.data.set_axis(list(LENGTHS), axis=1)
    return frame.assign(species=[SPECIES[label] for label in bunch.target])


@pytest.fixture(scope="module")
def rules():
    columns = {name: tables.number(0.05, 10, unit="cm") for name in LENGTHS}
    return tables.schema({**columns, "species": tables.category(*SPECIES)})


def found(issues: pd.DataFrame, kind: str) -> set[int]:
    return set(issues.loc[issues["detector"] == kind, "item"])


def test_iris_as_published_repeats_one_row(iris, rules):
    issues = tables.check(iris, rules)
    assert issues[["item", "detector", "column"]].values.tolist() == [[142, "duplicate_row", ""]]
    assert "row 101" in issues["reason"][0]


def test_every_kind_of_broken_cell_is_found_and_named(iris, rules):
    broken = iris.drop(index=142).astype(object).reset_index(drop=True)
    broken.loc[3, "petal width"] = None
    broken.loc[5, "sepal width"] = "3,1 cm"
    broken.loc[7, "sepal length"] = 51.0
    broken.loc[8, "sepal length"] = np.inf
    broken.loc[9, "species"] = "Setosa"
    broken.loc[11, "petal length"] = True
    broken.index = broken.index + 1000  # an item is a position, whatever the index says
    issues = tables.check(broken, rules)
    assert {(r.item, r.detector, r.column) for r in issues.itertuples()} == {
        (3, "missing", "petal width"),
        (5, "wrong_type", "sepal width"),
        (7, "out_of_range", "sepal length"),
        (8, "out_of_range", "sepal length"),
        (9, "wrong_category", "species"),
        (11, "wrong_type", "petal length"),
    }
    reason = dict(zip(issues["item"], issues["reason"], strict=True))
    assert reason[7] == "sepal length: 51.0 is outside 0.05 to 10 cm"
    assert reason[5] == "sepal width: '3,1 cm' is not a number"
    assert issues["score"].is_monotonic_decreasing and issues["score"].between(0.5, 1).all()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_check_finds_what_was_corrupted(iris, rules, seed):
    clean_rows = iris.drop(index=142).reset_index(drop=True)
    dirty, log = corrupt.apply_to_table(clean_rows, dict.fromkeys(corrupt.TABLE_CORRUPTIONS, 0.1), seed)
    issues = tables.check(dirty, rules)
    for kind in tables.KINDS:
        truth = log.mask(kind)
        hits = clean.score(issues[issues["detector"] == kind], truth)
        assert hits["precision"] == 1, kind
        # A value ten times too large may still be possible: a range alone cannot know.
        assert hits["recall"] == 1 if kind != "out_of_range" else hits["recall"] > 0.6


def test_fixing_makes_numbers_of_what_is_surely_one_and_empties_the_impossible():
    cells = ["5.1 cm", "5,1", " 5.1 ", "５.1", "1,234", "about 5", "n/a", "无", 5.1, None, 99.0, "99"]
    names = ["cat", "Cat ", "ＣＡＴ", "dog", "cow", "", "cat", "cat", "cat", "cat", "cat", "cat"]
    frame = pd.DataFrame({"a": pd.Series(cells, dtype=object), "b": names})
    rules = tables.schema({"a": tables.number(0, 10, unit="cm"), "b": tables.category("cat", "dog")})
    fixed, changes = tables.fix(frame, rules)
    assert fixed["a"].tolist()[:6] == [5.1, 5.1, 5.1, 5.1, "1,234", "about 5"]
    assert fixed["a"].isna().tolist() == [False] * 6 + [True, True, False, True, True, True]
    assert fixed["b"].tolist()[:6] == ["cat", "cat", "cat", "dog", None, None]
    assert list(changes.columns) == ["item", "column", "change", "before", "after"]
    assert set(changes["item"]) == {0, 1, 2, 3, 4, 5, 6, 7, 10, 11}


CELLS = st.one_of(
    st.none(), st.floats(), st.integers(-50, 50), st.booleans(), st.sampled_from(["1", "2,5 kg", "n/a", "A "])
)
ROWS = st.lists(st.tuples(CELLS, CELLS), max_size=12)


@settings(max_examples=20, deadline=None)
@given(ROWS)
def test_check_and_fix_take_any_cells_leave_the_table_alone_and_fixing_twice_is_fixing_once(rows):
    frame = pd.DataFrame(rows, columns=["n", "c"], dtype=object)
    before = frame.copy(deep=True)
    rules = tables.schema({"n": tables.number(0, 9, unit="kg"), "c": tables.category("a", "b")})
    once, _ = tables.fix(frame, rules)
    twice, changes = tables.fix(once, rules)
    issues = tables.check(frame, rules)
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_frame_equal(once, twice)
    assert changes.empty
    assert issues["item"].between(0, max(0, len(rows) - 1)).all()
    assert set(issues["detector"]) <= set(tables.KINDS)


def test_order_of_the_rows_does_not_change_which_cells_are_found(iris, rules):
    rates = {"missing": 0.2, "wrong_type": 0.2, "out_of_range": 0.2, "wrong_category": 0.2}
    dirty, _ = corrupt.apply_to_table(iris, rates, seed=0)
    order = np.random.default_rng(0).permutation(len(dirty))
    first, second = tables.check(dirty, rules), tables.check(dirty.iloc[order], rules)
    for kind in rates:
        assert found(first, kind) == {int(order[item]) for item in found(second, kind)}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda rules: tables.check([1, 2], rules), "DataFrame"),
        (lambda rules: tables.check(pd.DataFrame({"a": [1]}), rules), "no column 'sepal length'"),
        (lambda rules: tables.fix(pd.DataFrame([[1, 2]], columns=["a", "a"]), rules), "same name"),
        (lambda rules: tables.schema({}), "at least one column"),
        (lambda rules: tables.schema({"a": float}), "number\\(\\), date\\(\\) or category"),
        (lambda rules: tables.number(3, 1), "low not above high"),
        (lambda rules: tables.category(), "at least one name"),
    ],
)
def test_wrong_use_ends_in_one_clear_sentence(rules, wrong, words):
    with pytest.raises(ValueError, match=words) as error:
        wrong(rules)
    assert "\n" not in str(error.value)


def test_an_empty_table_and_a_table_of_equal_rows(rules):
    empty = pd.DataFrame({name: [] for name in (*LENGTHS, "species")})
    assert tables.check(empty, rules).empty
    assert list(tables.check(empty, rules).columns) == ["item", "score", "reason", "detector", "column"]
    equal = pd.DataFrame({name: [1.0] * 5 for name in LENGTHS} | {"species": ["setosa"] * 5})
    assert found(tables.check(equal, rules), "duplicate_row") == {1, 2, 3, 4}


# Dates, and columns outside of the schema ---------------------------------------------------------------


def test_dates_have_a_range_and_one_reading():
    rules = tables.schema({"released": tables.date("1900-01-01", "2026-11-28"), "id": tables.number()})
    cells = ["2031-05-01", 2031, "1999", datetime.date(1899, 12, 31), "11/12/2020", "2020-02-30", "1850"]
    cells += ["2020-02-29T10:00", 2020, pd.Timestamp("2026-11-28"), datetime.date(1900, 1, 1)]
    frame = pd.DataFrame({"released": pd.Series(cells, dtype=object), "id": range(len(cells))})
    found = tables.check(frame, rules)
    kinds = dict(zip(found["item"], found["detector"], strict=True))
    assert kinds == {
        0: "out_of_range", 1: "out_of_range", 3: "out_of_range", 4: "wrong_type", 5: "wrong_type",
        6: "out_of_range",
    }  # fmt: skip
    reasons = dict(zip(found["item"], found["reason"], strict=True))
    assert reasons[0] == "released: '2031-05-01' is outside 1900-01-01 to 2026-11-28"
    assert reasons[4] == "released: '11/12/2020' is not a date such as 2026-11-28"
    fixed, changes = tables.fix(frame, rules)
    assert fixed["released"][7] == datetime.date(2020, 2, 29) and fixed["released"][2] == "1999"
    assert [fixed["released"][row] for row in (0, 1, 3, 6)] == [None] * 4
    again, more = tables.fix(fixed, rules)
    assert len(changes) == 5 and len(more) == 0 and list(again["released"]) == list(fixed["released"])
    with pytest.raises(ValueError, match="dates in order"):
        tables.date("2026-01-01", "2020-01-01")


def test_a_mixed_column_is_reported_and_stops_nothing():
    frame = pd.DataFrame({"age": pd.Series([30, "31", None, [1], "old", 3.5, {}], dtype=object)})
    found = tables.check(frame, tables.schema({"age": tables.number(0, 120)}))
    assert sorted(found["item"]) == [1, 2, 3, 4, 6]


def test_a_repeat_in_some_columns_is_not_called_a_whole_row():
    frame = pd.DataFrame({"name": ["Ann", "Bob"], "age": [30, 30]})
    (reason,) = tables.check(frame, tables.schema({"age": tables.number(0, 120)}))["reason"]
    assert reason == "in the named columns (age) it repeats row 0"
    (reason,) = tables.check(frame[["age"]], tables.schema({"age": tables.number(0, 120)}))["reason"]
    assert reason == "the whole row repeats row 0"


def test_the_kind_of_a_column_is_guessed_and_no_range():
    frame = pd.DataFrame(
        {
            "length": ["5.1 cm", "4,9", "n/a", "about 3", *["6"] * 20],
            "kind": ["Cat", "cat ", "cat", "cat", *["dog"] * 20],
            "day": ["2026-01-02", "soon", *["2026-03-04"] * 22],
            "text": [f"text {number}" for number in range(24)],
            "code": ["007", *["010"] * 23],
            "mixed": [*range(12), *map(chr, range(97, 109))],
            "none": [None, "", "-", *[np.nan] * 21],
        }
    )
    rules, reasons = tables.guess(frame)
    about = {name: column.metadata for name, column in rules.items()}
    assert about["length"] == {"low": -np.inf, "high": np.inf, "unit": "cm"}
    assert set(about["kind"]["names"]) == {"cat", "dog"}  # the usual spelling
    assert "earliest" in about["day"] and set(about["code"]["names"]) == {"007", "010"}
    assert reasons["text"] == "24 different texts in 24 cells" and reasons["none"] == "all cells are empty"
    assert reasons["mixed"] == "mixed: 12 numbers and 12 texts" and len(rules) + len(reasons) == 7
    fixed, _ = tables.fix(frame, tables.schema(rules))
    assert fixed["length"][:4].tolist() == [5.1, 4.9, None, "about 3"] and fixed["kind"].nunique() == 2


def test_what_is_left_of_a_date_is_no_unit():
    years, hours = [f"{year}-01-01" for year in range(1960, 2000)], [f"{hour:02}:00" for hour in range(24)]
    rules, _ = tables.guess(pd.DataFrame({"day": years}))
    assert "earliest" in rules["day"].metadata
    rules, _ = tables.guess(pd.DataFrame({"hour": hours, "length": [f"{each} cm" for each in range(24)]}))
    assert "unit" not in rules.get("hour", rules["length"]).metadata or "hour" not in rules
    assert rules["length"].metadata["unit"] == "cm"
