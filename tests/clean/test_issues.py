"""Issue tables: scored by hand, dropped with the record kept, refused where they do not fit."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from aigc_lab import clean
from aigc_lab.clean.issues import issue_table
from aigc_lab.collect import Dataset


def tiny(count: int, side: int = 8, seed: int = 0) -> Dataset:
    images = np.random.default_rng(seed).integers(0, 256, (count, side, side), dtype=np.uint8)
    return Dataset(images, np.arange(count) % 2, ("a", "b"))


def test_drop_keeps_the_record(unique):
    base = unique[:50]
    one = issue_table("blurred", [3, 5], [0.9, 0.7], ["soft", "softer"])
    two = issue_table("noisy", [5], [4.0], ["rough"])
    cleaned = clean.drop(base, one, two)
    assert len(cleaned.kept) == 48
    assert np.array_equal(cleaned.kept_index, np.delete(np.arange(50), [3, 5]))
    assert np.array_equal(cleaned.kept.data, base.data[cleaned.kept_index])
    assert np.array_equal(cleaned.kept.labels, base.labels[cleaned.kept_index])
    assert cleaned.dropped.to_dict("records") == [
        {"item": 3, "reasons": "soft", "detectors": "blurred", "score": 0.9},
        {"item": 5, "reasons": "softer; rough", "detectors": "blurred, noisy", "score": 4.0},
    ]
    report = cleaned.report()
    assert "kept 48 of 50 items (96.0%), dropped 2" in report
    assert "blurred           2 items, 1 of them found by it alone" in report
    assert "noisy             1 items, 0 of them found by it alone" in report


def test_drop_with_nothing_found_keeps_everything(unique):
    base = unique[:20]
    for cleaned in (clean.drop(base), clean.drop(base, issue_table("noisy", [], [], []))):
        assert cleaned.kept.data.tobytes() == base.data.tobytes()
        assert cleaned.report().startswith("kept 20 of 20 items (100.0%), dropped 0")


def test_duplicates_alone_never_remove_the_last_copy():
    base = tiny(5)
    copies = issue_table("near_duplicates", [1, 2, 4], [0.95] * 3, ["like item 0"] * 3, [0, 0, 3])
    blurred = issue_table("blurred", [0, 1], [0.9, 0.9], ["soft", "soft"])
    cleaned = clean.drop(base, copies, blurred)
    assert list(cleaned.kept_index) == [2, 3]  # 2 stands in for 0; 1 was found blurred; 4 repeats 3
    assert cleaned.stand_ins == (2,)
    assert "1 duplicates stay, in place of copies dropped for other reasons" in cleaned.report()


def test_copies_of_copies_lead_back_to_the_first():
    base = tiny(4)
    exact = issue_table("exact_duplicates", [3], [1.0], ["same"], [2])
    near = issue_table("near_duplicates", [2], [0.95], ["like"], [1])
    noisy = issue_table("noisy", [1], [5.0], ["rough"])
    assert list(clean.drop(base, exact, near).kept_index) == [0, 1]
    assert list(clean.drop(base, exact, near, noisy).kept_index) == [0, 2]


def test_score_by_hand():
    truth = np.array([True, True, False, False, True])
    issues = issue_table("noisy", [0, 2, 0], [1, 1, 2], ["a", "b", "c"])
    assert clean.score(issues, truth) == {"precision": 0.5, "recall": 1 / 3, "found": 2, "true": 3}
    nothing = clean.score(issue_table("noisy", [], [], []), truth)
    assert np.isnan(nothing["precision"]) and nothing["recall"] == 0
    assert np.isnan(clean.score(issues, np.zeros(5, dtype=bool))["recall"])


def test_issues_that_do_not_fit_are_refused():
    base = tiny(5)
    with pytest.raises(ValueError, match="name item 5, but the set has 5"):
        clean.drop(base, issue_table("noisy", [5], [1], ["x"]))
    with pytest.raises(ValueError, match="lacks the column 'detector'"):
        clean.drop(base, pd.DataFrame({"item": [1], "score": [1.0], "reason": ["x"]}))
    with pytest.raises(ValueError, match="lacks the column"):
        clean.drop(base, [1, 2])
    with pytest.raises(ValueError, match="an earlier item"):
        clean.drop(base, issue_table("near_duplicates", [1], [1], ["x"], [2]))
    with pytest.raises(ValueError, match="booleans of shape"):
        clean.score(issue_table("noisy", [1], [1], ["x"]), np.array([0, 1, 1]))
    with pytest.raises(ValueError, match="the issues name item 7, but truth_mask has 5 items"):
        clean.score(issue_table("noisy", [7], [1], ["x"]), np.zeros(5, dtype=bool))


def test_importing_the_package_is_light():
    code = "import sys, aigc_lab.clean; print({'tensorflow', 'keras', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
