"""What is read from a table, on tables whose answer is known."""

from __future__ import annotations

import numpy as np
import pandas
import pytest
from statsmodels.stats.multitest import multipletests

from aigc_lab import study
from aigc_lab.study.running import as_table

SEVERITIES = (0.1, 0.2, 0.4, 0.8)


def invented(effects, arms=None, spread=0.01, seeds=8, score="kid") -> pandas.DataFrame:
    """A table of one model: the harm of each corruption at each severity, plus what seeds add to all runs."""
    random = np.random.default_rng(3)
    of_seed = random.normal(0, 0.5, seeds)  # large, but shared by the runs of a seed: pairing removes it
    cells = [("none", 0.0, "none", 0.0)]
    cells += [
        (name, severity, "none", harm(severity)) for name, harm in effects.items() for severity in SEVERITIES
    ]
    cells += [(name, 0.4, arm, left) for (name, arm), left in (arms or {}).items()]
    rows = [
        {
            "model": "gan", "corruption": name, "severity": severity, "items": 100, "cleaning": arm,
            "seed": seed, "status": "finished", score: 1 + of_seed[seed] + value + random.normal(0, spread),
        }
        for name, severity, arm, value in cells
        for seed in range(seeds)
    ]  # fmt: skip
    return as_table(rows, "invented")


def test_the_curve_finds_the_harm_that_was_put_in():
    curve = study.severity_curve(invented({"noise": lambda severity: severity}), "kid")
    assert curve["severity"].tolist() == list(SEVERITIES) and set(curve["seeds"]) == {8}
    assert curve["harm"].to_numpy() == pytest.approx(SEVERITIES, abs=0.02)
    assert ((curve["harm_low"] < curve["severity"]) & (curve["severity"] < curve["harm_high"])).all()
    width = (curve["high"] - curve["low"]) / (curve["harm_high"] - curve["harm_low"])
    assert (width > 5).all()  # pairing by seed is what makes the harm visible


def test_the_sign_of_harm_follows_the_score():
    table = invented({"noise": lambda severity: -severity}, score="precision")
    assert (study.severity_curve(table, "precision")["harm"] > 0).all()
    assert (
        study.severity_curve(table.rename(columns={"kid": "x", "precision": "kid"}), "kid")["harm"] < 0
    ).all()


def test_holm_agrees_with_statsmodels():
    p = np.random.default_rng(1).beta(0.4, 3, 40)
    assert study.holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_the_onset_is_the_lowest_severity_from_which_every_one_does_harm():
    effects = {
        "from 0.2": lambda severity: severity if severity >= 0.2 else 0.0,
        "never": lambda severity: 0.0,
        "only at 0.2": lambda severity: 1.0 if severity == 0.2 else 0.0,
        "helps": lambda severity: -0.5 if severity <= 0.2 else 0.5,
    }
    curve = study.severity_curve(invented(effects), "kid")
    table = study.onsets(curve).set_index("corruption")
    mixed = study.onsets(curve.sample(frac=1, random_state=0)).set_index("corruption")
    pandas.testing.assert_frame_equal(mixed.loc[table.index], table)
    assert table["onset"].fillna(-1).to_dict() == {
        "from 0.2": 0.2,
        "never": -1,
        "only at 0.2": -1,
        "helps": 0.4,
    }
    assert table["helps"].fillna(-1).to_dict() == {
        "from 0.2": -1,
        "never": -1,
        "only at 0.2": -1,
        "helps": 0.2,
    }


def test_no_effect_is_rarely_called_one():
    false = 0
    for seed in range(20):
        table = invented({f"d{number}": lambda severity: 0.0 for number in range(8)}, seeds=5)
        table["kid"] = np.random.default_rng(seed).normal(size=len(table))
        found = study.onsets(study.severity_curve(table, "kid"))
        false += bool(found["onset"].notna().any() or found["helps"].notna().any())
    assert false <= 4  # 5% of 20 families, and what chance adds


def test_what_cleaning_wins_back_is_a_share_of_the_harm():
    arms = {("noise", "oracle"): 0.0, ("noise", "clean"): 0.1, ("none at all", "clean"): 0.0}
    table = invented({"noise": lambda severity: severity, "none at all": lambda severity: 0.0}, arms)
    found = study.won_back(table, "kid", 0.4).set_index(["corruption", "cleaning"])
    assert found["share"]["noise", "oracle"] == pytest.approx(1, abs=0.05)
    assert found["share"]["noise", "clean"] == pytest.approx(0.75, abs=0.05)
    assert np.isnan(found["share"]["none at all", "clean"])
    assert found["won"]["noise", "clean"] == pytest.approx(0.3, abs=0.03)


def test_failed_runs_and_missing_cells_are_left_out_or_named():
    table = invented({"noise": lambda severity: severity})
    table.loc[(table["seed"] == 3) & (table["corruption"] == "noise"), "status"] = "failed"
    assert set(study.severity_curve(table, "kid")["seeds"]) == {7}
    with pytest.raises(ValueError, match=r"no finished run of vae on noise 0\.4"):
        study.values(table, "kid", "vae", "noise", 0.4)
    with pytest.raises(ValueError, match="several sizes: say items="):
        study.values(pandas.concat([table, table.assign(items=5)]), "kid", "gan")
    with pytest.raises(ValueError, match="no corrupted and clean runs of two seeds"):
        study.severity_curve(table[table["seed"] == 0], "kid")


def test_new_runs_of_the_same_kind_agree_and_others_do_not():
    random = np.random.default_rng(2)
    right = 0
    for _ in range(300):
        old, new = pandas.Series(random.normal(0, 1, 5)), pandas.Series(random.normal(0, 1, 2))
        right += study.agrees(new, old, level=0.9)[0]
    assert 0.85 < right / 300 < 0.95
    assert not study.agrees(pandas.Series([9.0]), pandas.Series([0.0, 0.1, -0.1, 0.05, 0.0]))[0]
