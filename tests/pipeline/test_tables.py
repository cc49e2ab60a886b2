"""Tables in the pipeline: what is seen, the copula on known distributions, its scores, and its export."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp
from sklearn.datasets import load_iris

from aigc_lab import corrupt, deploy
from aigc_lab.clean import tables as rules
from aigc_lab.collect.dataset import own_card
from aigc_lab.collect.own import read_columns
from aigc_lab.pipeline import tables
from aigc_lab.pipeline.copula import GaussianCopula, correlation
from aigc_lab.pipeline.parts import ISSUE_COLUMNS, Trained


def written(tmp_path, text, name="a.csv", **how):
    (tmp_path / name).write_bytes(text.encode(**how))
    return tmp_path / name


def look(tmp_path, text, name="a.csv", **options):
    return tables.look(written(tmp_path, text, name), tmp_path, **options)


def gaussian(count, seed=0, rho=0.7):
    return pd.DataFrame(
        np.random.default_rng(seed).multivariate_normal([0, 5], [[1, rho], [rho, 1]], count),
        columns=["x", "y"],
    )


def ring(count, seed=0):
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi, count)
    return pd.DataFrame({"x": np.cos(angle), "y": np.sin(angle)})


def split(frame, share=0.2):
    cut = int(len(frame) * (1 - share))
    return frame.iloc[:cut].reset_index(drop=True), frame.iloc[cut:].reset_index(drop=True)


# --- look -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def flowers():
    iris = load_iris(as_frame=True)
    frame = iris.data.rename(columns=lambda name: name.removesuffix(" (cm)"))
    frame["species"] = iris.target_names[iris.target]
    return frame.drop_duplicates(ignore_index=True)


def test_what_was_corrupted_is_found_mended_or_left_empty(tmp_path, flowers):
    rates = dict.fromkeys(corrupt.TABLE_CORRUPTIONS, 0.05)
    dirty, log = corrupt.apply_to_table(flowers, rates, seed=0)
    path = tmp_path / "flowers.csv"
    dirty.to_csv(path)
    content = path.read_bytes()
    seen = tables.look(path, tmp_path)
    assert path.read_bytes() == content and list(tmp_path.iterdir()) == [path]
    assert list(seen.issues.columns) == list(ISSUE_COLUMNS) and seen.kind == "table"
    assert seen.names[:2] == ("row 2", "row 3") and seen.items.index.tolist() == list(range(len(dirty)))
    found = seen.issues.groupby("detector")["item"].apply(set)
    assert found["duplicate_row"] == set(np.flatnonzero(log.mask("duplicate_row")))
    assert set(seen.issues.loc[seen.issues["proposed"], "detector"]) == {"duplicate_row"}
    wrong = set(np.flatnonzero(log.mask("wrong_type")))
    assert found["wrong_type"] <= wrong
    for item in wrong - found["wrong_type"]:  # " 5.1 " is a number
        assert seen.items.loc[item].equals(flowers.loc[item])
    assert len(set(np.flatnonzero(log.mask("out_of_range"))) - found["far_out"]) <= 2
    # Mended cells have their old values again.
    for fix in seen.fixes.query("reason == 'text to number'").itertuples():
        assert fix.after == flowers.loc[log.sources[fix.item], fix.column]
    assert set(seen.fixes.query("column == 'species'")["after"]) <= {"setosa", "versicolor", "virginica"}
    text = " ".join(seen.notes)
    assert "column 1 (a running number)" in text and "Missing cells" in text and "far out" in text


def test_rules_of_the_user_go_before_the_guess(tmp_path):
    text = (
        "age,pet,day\n"
        + "".join(f"{20 + i},cat,2026-01-{1 + i % 28:02}\n" for i in range(40))
        + "400,dgo,1026-01-01\n"
    )
    own = {
        "age": rules.number(0, 120),
        "pet": rules.category("cat", "dog"),
        "day": rules.date("2020-01-01", missing=True),
    }
    seen = look(tmp_path, text, rules=own)
    assert (
        seen.items.iloc[-1].isna().all() and len(seen.fixes) == 3 and set(seen.fixes["after"]) == {"(empty)"}
    )
    file = written(
        tmp_path,
        json.dumps(
            {"age": {"low": 0, "high": 120}, "pet": ["cat", "dog"], "day": {"earliest": "2020-01-01"}}
        ),
        "rules.json",
    )
    again = look(tmp_path, text, rules=file)
    pd.testing.assert_frame_equal(again.items, seen.items)
    assert again.issues["detector"].value_counts()["out_of_range"] == 2
    for wrong in ("[1]", "no json", '{"age": {"lowest": 1}}'):
        with pytest.raises(ValueError, match="cannot use the rules in"):
            look(tmp_path, text, rules=written(tmp_path, wrong, "wrong.json"))
    with pytest.raises(ValueError, match=r"no cell of a\.csv is what its column should hold"):
        look(tmp_path, "age\n40\n50\n", rules={"age": rules.number(0, 1)})
    seen = look(tmp_path, "age,size\n40,1\n50,2\n", rules={"age": rules.number(0, 1)})
    assert list(seen.items) == ["size"] and any("should be: age" in note for note in seen.notes)
    with pytest.raises(ValueError, match="no column 'years'; its columns are age, pet, day"):
        look(tmp_path, text, rules={"years": rules.number()})


def test_a_spreadsheet_from_elsewhere(tmp_path):
    rows = "".join(
        f"{i + 1};张{i};{150 + i % 40},5;{i % 7 + 1}.{100 + i},25;{'北京' if i % 3 else '上海'}\n"
        for i in range(60)
    )
    path = written(tmp_path, "编号;姓名;身高;收入;城市\n" + rows, encoding="gb18030")
    with pytest.raises(ValueError, match="likely gb18030: give encoding='gb18030' if so"):
        tables.look(path, tmp_path)
    with pytest.raises(ValueError, match="first line holds semicolons: give delimiter=';'"):
        tables.look(path, tmp_path, encoding="gb18030")
    how = {"encoding": "gb18030", "delimiter": ";"}
    seen = tables.look(path, tmp_path, **how)
    assert list(read_columns(path, **how)) == ["编号", "姓名", "身高", "收入", "城市"]
    assert list(seen.items) == ["身高", "收入", "城市"] and seen.items["收入"][0] == 1100.25
    assert "a decimal comma: 150,5 is 150.5" in seen.notes[0] and "编号 (" in seen.notes[1]
    with pytest.raises(ValueError, match="decimal must be ',' or"):
        tables.look(path, tmp_path, decimal=";", **how)


def test_a_comma_that_can_mean_two_things_is_asked_about(tmp_path):
    text = "price,weight\n" + "".join(f'"{i % 9 + 1},{100 + i}",{i}.5\n' for i in range(50))
    seen = look(tmp_path, text)
    assert list(seen.items) == ["weight"] and seen.notes[0].startswith("Cells such as 1,100 can mean two")
    assert look(tmp_path, text, decimal=".").items["price"][0] == 1100


def test_personal_columns_are_left_out_unless_asked_for(tmp_path):
    heads = ["customerId", "First name", "contact", "nr", "age", "group name"]
    rows = [[7 * i % 50, f"A{i}", f"p{i}@example.com", i, 20 + i % 30, "ab"[i % 2]] for i in range(50)]
    text = "\n".join(",".join(map(str, row)) for row in [heads, *rows])
    seen = look(tmp_path, text)
    assert list(seen.items) == ["age"]
    note = next(note for note in seen.notes if note.startswith("Columns that are not used"))
    assert "contact (personal data: e-mail" in note and "nr (a running number)" in note
    assert not any("@" in note for note in seen.notes)
    assert list(look(tmp_path, text, include=["group name"]).items) == ["age", "group name"]


def test_columns_of_every_kind(tmp_path):
    rows = "".join(
        f"{'x' * (i + 1)},{i % 4},00{i % 9},{i if i % 2 else 'w' + str(i)},,2026-02-{i % 28 + 1:02}\n"
        for i in range(60)
    )
    seen = look(tmp_path, "text,few,code,mixed,nothing,day\n" + rows)
    assert {name: str(kind) for name, kind in seen.items.dtypes.items()} == {
        "few": "Int64",
        "code": "object",
        "day": "datetime64[s]",
    }
    note = " ".join(seen.notes)
    assert (
        "60 different texts in 60 cells" in note
        and "mixed: 30 numbers and 30 texts" in note
        and "all cells are empty" in note
    )
    frame = pd.DataFrame(
        {"list": [[1], [2]] * 20, "yes": [True, False] * 20, "when": pd.date_range("2026", periods=40)}
    )
    frame.to_parquet(tmp_path / "b.parquet")
    seen = tables.look(tmp_path / "b.parquet", tmp_path)
    assert (
        list(seen.items) == ["yes", "when"]
        and "its cells hold lists" in " ".join(seen.notes)
        and seen.names[0] == "row 1"
    )


def test_repeats_that_are_chance_stay(tmp_path):
    generator = np.random.default_rng(0)
    few = pd.DataFrame({"a": generator.choice(list("xy"), 200), "b": generator.choice(list("pqr"), 200)})
    seen = look(tmp_path, few.to_csv(index=False))
    assert seen.issues.empty and any(note.startswith("194 rows repeat") for note in seen.notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"cannot read a\.csv: it is empty"),
        ("a,b\n", r"a\.csv has no rows below the names of its columns"),
        ("a,b\n,\n,\n", r"no column of a\.csv can be modelled: a: all cells are empty; b: all cells"),
        ("a,a\n1,2\n", "2 columns are called 'a'"),
        ("note\n" + "".join(f"text number {i}\n" for i in range(10_000)), "10,000 different texts"),
        ("name\nAnn\nBob\n", r"no column of a\.csv can be modelled: name: its name says who someone is"),
    ],
)  # fmt: skip
def test_bad_tables_end_in_one_sentence(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as error:
        look(tmp_path, text)
    assert "\n" not in str(error.value)


# --- the copula -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rho", [0.0, 0.7, -0.95])
def test_a_known_gaussian_gives_back_its_correlation(rho):
    count = 4000
    model = GaussianCopula.fit(gaussian(count, rho=rho))
    error = (1 - rho**2) / count**0.5
    assert abs(model.correlation[0, 1] - rho) < 3 * error
    drawn = model.draw(20_000)
    assert abs(np.corrcoef(drawn.T)[0, 1] - rho) < 3 * error + 0.01
    for name in drawn:
        assert ks_2samp(drawn[name], gaussian(20_000, 1, rho)[name]).statistic < 0.03


def test_columns_with_few_values_keep_their_tie():
    latent = gaussian(5000, rho=0.8)
    frame = pd.DataFrame(
        {"grade": latent["x"].round().astype("Int64"), "pass": np.where(latent["y"] > 5.3, "yes", "no")}
    )
    model = GaussianCopula.fit(frame)
    drawn = model.draw(5000)
    gap = correlation(model.scores(frame))[0, 1] - correlation(model.scores(drawn))[0, 1]
    assert abs(gap) < 0.03
    # The latent correlation is larger than what is left of it after rounding, and near the true one.
    assert abs(abs(model.correlation[0, 1]) - 0.8) < 0.05
    assert abs((drawn["pass"] == "yes").mean() - (frame["pass"] == "yes").mean()) < 0.02


def test_new_rows_have_the_types_ranges_and_gaps_of_the_table():
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "whole": pd.array(generator.integers(10, 900, 400), dtype="Int64"),
            "price": generator.gamma(2, 10, 400).round(2),
            "day": pd.Series(np.datetime64("1970-01-01") + generator.integers(-900, 900, 400)).astype(
                "datetime64[s]"
            ),
            "city": pd.Series(generator.choice(["北京", "上海"], 400), dtype=object),
        }
    ).mask(generator.random((400, 4)) < 0.1)
    frame["whole"], frame["day"] = frame["whole"].astype("Int64"), frame["day"].astype("datetime64[s]")
    model = GaussianCopula.fit(frame)
    drawn = model.draw(3000, seed=3)
    assert drawn.dtypes.equals(frame.dtypes)
    for name in ("whole", "price", "day"):
        assert frame[name].min() <= drawn[name].min() and drawn[name].max() <= frame[name].max()
    np.testing.assert_allclose(drawn["price"].dropna(), drawn["price"].dropna().round(2))
    assert set(drawn["city"].dropna()) == {"北京", "上海"}
    np.testing.assert_allclose(drawn.isna().mean(), frame.isna().mean(), atol=0.02)
    pd.testing.assert_frame_equal(drawn, model.draw(3000, seed=3))
    assert not drawn.equals(model.draw(3000, seed=4))


def test_one_wrong_number_is_not_spread_over_many_rows():
    frame = pd.DataFrame({"x": [*np.random.default_rng(0).normal(5, 1, 99), 999.0]})
    assert (GaussianCopula.fit(frame).draw(10_000)["x"] > 10).mean() < 0.015
    with pytest.raises(ValueError, match="a value in each column"):
        GaussianCopula.fit(pd.DataFrame({"x": [np.nan, np.nan]}))


# --- scores ---------------------------------------------------------------------------------------------


def test_total_variation_of_known_shares():
    one, other = pd.Series(["a"] * 6 + ["b"] * 4), pd.Series(["a"] * 2 + ["b"] * 3 + [None] * 5)
    assert tables.total_variation(one, other) == pytest.approx((0.4 + 0.1 + 0.5) / 2)
    assert tables.total_variation(one, one.sample(frac=1, random_state=0)) == 0


def test_the_two_sample_test_against_its_definition():
    """Grown and judged fold by fold, as the paper has it, by hand."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import StratifiedKFold

    one, other = gaussian(120), gaussian(120, 1, rho=-0.7)
    points, sides = np.concatenate([one, other]), np.repeat([0, 1], 120)
    right = 0
    for known, fresh in StratifiedKFold(5, shuffle=True, random_state=4).split(points, sides):
        forest = RandomForestClassifier(50, min_samples_leaf=2, random_state=4).fit(
            points[known], sides[known]
        )
        right += int((forest.predict(points[fresh]) == sides[fresh]).sum())
    score = tables.two_sample(one, other, seed=4)
    assert score.value == right / 240 and score.low > 0.5
    assert abs(tables.two_sample(one, gaussian(120, 2)).value - 0.5) < 0.12


@pytest.fixture(scope="module")
def judged():
    """Scores of a copula of a ring, and of one of a Gaussian."""

    def scores(frame):
        kept, held_out = split(frame)
        trained = tables.train(kept, held_out)
        rows = tables.scores(trained, tables.draw(trained, 300, 1), kept, held_out)
        return trained, {row.name: row for row in rows}

    return scores(ring(1500)), scores(gaussian(1500))


def test_the_copula_is_blind_to_a_ring_and_the_two_sample_test_is_not(judged):
    (trained, rows), (_, good) = judged
    assert abs(trained.model.correlation[0, 1]) < 0.08
    told = rows["told apart by a classifier"]
    assert told.score.low > 0.7 and told.floor.high < 0.6 and told.verdict == "worse than real items"
    for name in ("columns one by one, mean", "columns two by two"):
        assert "as good as real items" in rows[name].verdict
    assert any("a ring, a bend" in note for note in trained.notes)
    assert all("as good as real items" in row.verdict for row in good.values())
    for row in [*rows.values(), *good.values()]:
        assert row.score.low <= row.score.value <= row.score.high and row.floor.low <= row.floor.value


def test_held_out_rows_may_be_in_order():
    kept, held_out = gaussian(1000), gaussian(500, 1).sort_values("x", ignore_index=True)
    trained = tables.train(kept, held_out)
    rows = {row.name: row for row in tables.scores(trained, tables.draw(trained, 100), kept, held_out)}
    assert "as good as real items" in rows["columns one by one, worst"].verdict


def test_copies_are_counted():
    kept, held_out = split(gaussian(800).round(3))
    trained = tables.train(kept, held_out)
    rows = {
        row.name: row
        for row in tables.scores(trained, kept.iloc[:150].reset_index(drop=True), kept, held_out)
    }
    assert (
        rows["equal to a training row"].score.value == 1
        and rows["near copies of training rows"].score.value == 1
    )
    assert rows["equal to a training row"].verdict == "worse than real items"


def test_one_column_and_few_rows(tmp_path):
    frame = pd.DataFrame({"x": np.arange(50) % 23 * 1.5})
    kept, held_out = split(frame)
    trained = tables.train(kept, held_out)
    rows = {row.name: row for row in tables.scores(trained, tables.draw(trained, 100), kept, held_out)}
    assert rows["columns two by two"].score is None and "only one column" in rows["columns two by two"].about
    assert rows["near copies of training rows"].verdict == "not judged"
    assert rows["told apart by a classifier"].score is not None
    kept["empty"], held_out["empty"] = np.nan, 1.0
    trained = tables.train(kept, held_out)
    assert (
        list(tables.draw(trained, 5)) == ["x"] and "no training row has a value: empty" in trained.notes[-1]
    )


# --- export ---------------------------------------------------------------------------------------------


def test_the_export_is_read_back_exactly_and_holds_no_row(tmp_path, flowers):
    trained = tables.train(flowers, flowers.iloc[:30])
    tables.export(trained, tmp_path / "model", "Flowers", own_card("flowers", "table"))
    form = deploy.verify(tmp_path / "model")["files"]["json"]
    content = (tmp_path / "model" / form["name"]).read_bytes()
    assert form["largest_difference"] == 0 and form["bytes"] == len(content)
    again = tables.load(tmp_path / "model" / form["name"])
    pd.testing.assert_frame_equal(again.draw(500, seed=7), trained.model.draw(500, seed=7))
    stored = json.loads(gzip.decompress(content))
    assert stored["title"] == "Flowers" and "no row" in stored["holds"]
    known = set(flowers["petal length"])
    values = next(one for one in stored["model"]["columns"] if one["name"] == "petal length")["values"]
    assert len(known & set(values)) < len(known)
    tables.export(trained, tmp_path / "twice", "Flowers", own_card("flowers", "table"))
    assert deploy.verify(tmp_path / "twice")["files"]["json"] == form

    for wrong in (content[:-20], b"", b"no archive", gzip.compress(b"{}"), content.replace(b"\x00", b"\x01")):
        (tmp_path / "wrong.json.gz").write_bytes(wrong)
        with pytest.raises(ValueError, match=r"^wrong\.json\.gz is damaged") as error:
            tables.load(tmp_path / "wrong.json.gz")
        assert "\n" not in str(error.value)
    stored["model"]["correlation"] = [[2.0]]
    (tmp_path / "wrong.json.gz").write_bytes(gzip.compress(json.dumps(stored).encode()))
    with pytest.raises(ValueError, match="damaged or no Gaussian copula"):
        tables.load(tmp_path / "wrong.json.gz")
    with pytest.raises(FileNotFoundError, match="check the path"):
        tables.load(tmp_path / "none.json.gz")


def test_an_export_that_differs_is_not_left_behind(tmp_path, monkeypatch):
    trained = tables.train(gaussian(60), gaussian(20, 1))
    monkeypatch.setattr(tables, "load", lambda path: GaussianCopula.fit(gaussian(70, 2)))
    with pytest.raises(ValueError, match="differs from the model"):
        tables.export(trained, tmp_path / "model", "", own_card("none", "table"))
    assert not list((tmp_path / "model").iterdir())


def test_what_the_export_reveals_is_said():
    frame = pd.DataFrame({"city": pd.Series(["big"] * 96 + ["hamlet"] * 4, dtype=object)})
    assert "fewer than 5 rows have: hamlet (city)" in tables.train(frame, frame).notes[0]
    assert isinstance(tables.train(frame, frame), Trained)


def test_numbers_beyond_64_bits_and_dates_with_a_time_zone(tmp_path):
    days = pd.date_range("2020-01-01 23:30", periods=80, freq="D", tz="America/New_York")
    frame = pd.DataFrame(
        {"day": days, "order": [10**19 + 7919 * n for n in range(80)], "x": np.arange(80) % 7}
    )
    frame["order"] = frame["order"].astype("float64")
    frame.to_parquet(tmp_path / "orders.parquet")
    seen = tables.look(tmp_path / "orders.parquet", tmp_path)
    assert seen.items["order"].dtype == "float64"
    assert seen.items["day"].iloc[0] == pd.Timestamp("2020-01-02 04:30")  # in UTC
