"""The claims table, what `record` accepts, and the ledger that is read back from notebooks."""

from __future__ import annotations

import json

import nbformat
import pytest

from aigc_lab import evaluate
from aigc_lab.claims import (
    MIME_TYPE,
    NOT_MEASURED,
    VERDICTS_ZH,
    claims,
    ledger,
    record,
    stored_findings,
    verdict,
)

SAYS = {
    "holds": ("It does.", "成立的句子。"),
    "does not hold": ("It does not.", "不成立的句子。"),
    "undecided": ("Nobody knows.", "未定的句子。"),
    "holds only if": ("Sometimes.", "有条件的句子。"),
}
GOOD = {"number": 0.934, "interval": (0.91, 0.957), "verdict": "holds", "unit": "nats", "says": SAYS}


def write_notebook(path, *findings):
    bundles = [finding._repr_mimebundle_() for finding in findings]
    outputs = [nbformat.v4.new_output("display_data", data=bundle) for bundle in bundles]
    cell = nbformat.v4.new_code_cell("record(...)", outputs=outputs, execution_count=1)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    return path


def test_the_table_has_the_28_claims_in_both_languages():
    assert list(claims()) == [f"C{number:02d}" for number in range(1, 29)]
    for claim in claims().values():
        assert claim.claim.endswith(".")
        assert claim.claim_zh.endswith("。")
        assert claim.question.endswith((".", "?"))
        assert claim.labs
        assert all(0 <= lab <= 21 for lab in claim.labs)


def test_a_finding_says_its_number_interval_unit_and_floor():
    finding = record("C07", question="Are samples new?", floor=0.5, **GOOD)
    assert finding.sentence == "C07 holds. Are samples new? Measured: 0.934 [0.91, 0.957] nats; floor 0.5."


def test_the_question_is_that_of_the_table_unless_given():
    assert record("C14", **GOOD).question == "Run it."


def test_the_bundle_has_the_sentence_for_people_and_plain_json_for_machines():
    import numpy

    numbers = {"number": numpy.float32(0.5), "floor": numpy.float64(0.25)}
    finding = record("C01", **numbers, verdict="does not hold", says=SAYS)
    bundle = finding._repr_mimebundle_()
    assert bundle["text/plain"] == finding.sentence
    assert json.loads(json.dumps(bundle[MIME_TYPE])) == {
        "id": "C01",
        "question": claims()["C01"].question,
        "number": 0.5,
        "low": None,
        "high": None,
        "floor": 0.25,
        "unit": "",
        "verdict": "does not hold",
        "condition": "",
        "notebook": "",
        "says": "It does not.",
        "says_zh": "不成立的句子。",
        "sentence": finding.sentence,
    }


def test_a_finding_shows_the_sentences_of_its_verdict_in_both_languages():
    question = "Is 1 < 2?"
    for verdict_, (english, chinese) in SAYS.items():
        found = record("C01", **{**GOOD, "verdict": verdict_}, question=question, condition="it rains")
        shown = found._repr_mimebundle_()["text/markdown"]
        said = "holds only if it rains" if verdict_ == "holds only if" else verdict_
        assert shown.startswith(f"**C01 · {said} · {VERDICTS_ZH[verdict_]}**")
        assert [each in shown for each, _ in SAYS.values()].count(True) == 1
        assert english in shown
        assert chinese in shown
        assert "Is 1 &lt; 2?" in shown
        assert "0.934 [0.91, 0.957] nats" in shown


def test_what_follows_every_sentence_is_given_once():
    for verdict_, (english, chinese) in SAYS.items():
        how = {**GOOD, "verdict": verdict_, "condition": "it rains"}
        found = record("C01", **how, words=("By 3 nats.", "相差 3 纳特。"))
        assert found.says == f"{english} By 3 nats."
        assert found.says_zh == f"{chinese} 相差 3 纳特。"


def test_every_verdict_that_another_machine_may_come_to_needs_its_sentences():
    for missing in SAYS:
        says = {verdict_: words for verdict_, words in SAYS.items() if verdict_ != missing}
        if missing == "holds only if":
            record("C01", **{**GOOD, "says": says})
        with pytest.raises(ValueError, match=f"Missing: {missing}"):
            record("C01", **{**GOOD, "says": says}, condition="the labels are right")
    with pytest.raises(ValueError, match="Missing: undecided"):
        record("C01", **{**GOOD, "says": {**SAYS, "undecided": ("", "未定的句子。")}})


def test_a_condition_completes_its_verdict_and_is_left_out_of_others():
    found = record("C01", **{**GOOD, "verdict": "holds only if"}, condition="the labels are right")
    assert found.sentence.startswith("C01 holds only if the labels are right. ")
    assert record("C01", **GOOD, condition="the labels are right") == record("C01", **GOOD)


@pytest.mark.parametrize(
    ("intervals", "threshold", "expected"),
    [
        ([(0.2, 0.4)], {"above": 0.1}, "holds"),
        ([(0.2, 0.4)], {"above": 0.5}, "does not hold"),
        ([(0.2, 0.4)], {"above": 0.3}, "undecided"),
        ([(0.2, 0.4)], {"below": 0.5}, "holds"),
        ([(0.2, 0.4)], {"below": 0.1}, "does not hold"),
        ([(0.0, 0.0)], {"above": 0}, "does not hold"),  # equal to the floor is not above it
        ([(1, 2), (3, 4)], {"above": 0}, "holds"),
        ([(-2, -1), (-4, -3)], {"above": 0}, "does not hold"),
        ([(1, 2), (-2, -1)], {"above": 0}, "holds only if"),
        ([(1, 2), (-2, 1)], {"above": 0}, "holds only if"),
        ([(-2, -1), (-2, 1)], {"above": 0}, "undecided"),
        ([evaluate.Score(0.3, 0.2, 0.4)], {"above": 0}, "holds"),
    ],
)
def test_a_verdict_follows_from_interval_and_threshold(intervals, threshold, expected):
    assert verdict(*intervals, **threshold) == expected


@pytest.mark.parametrize(
    ("intervals", "threshold", "message"),
    [
        ([], {"above": 0}, "at least one interval"),
        ([(0, 1)], {}, "above=… or below=…"),
        ([(0, 1)], {"above": 0, "below": 1}, "above=… or below=…"),
        ([(0, float("nan"))], {"above": 0}, "finite"),
    ],
)
def test_a_verdict_from_nothing_is_refused(intervals, threshold, message):
    with pytest.raises(ValueError, match=message):
        verdict(*intervals, **threshold)


@pytest.mark.parametrize(
    ("claim_id", "changes", "message"),
    [
        ("C29", {}, "C01 to C28"),
        ("c01", {}, "C01 to C28"),
        ("C01", {"verdict": "maybe"}, "holds, does not hold, holds only if, undecided"),
        ("C01", {"verdict": "holds only if"}, "needs condition"),
        ("C01", {"interval": None}, "interval=\\(low, high\\) or floor"),
        ("C01", {"interval": (2.0, 1.0)}, "upside down"),
        ("C01", {"number": float("nan")}, "number is nan"),
        ("C01", {"interval": (0.0, float("inf"))}, "high is inf"),
        ("C01", {"floor": float("nan")}, "floor is nan"),
    ],
)
def test_a_finding_that_says_nothing_is_refused(claim_id, changes, message):
    with pytest.raises(ValueError, match=message):
        record(claim_id, **{**GOOD, **changes})


def test_in_a_notebook_record_shows_the_finding_once(monkeypatch):
    import IPython
    import IPython.display

    shown = []
    monkeypatch.setattr(IPython, "get_ipython", object)
    monkeypatch.setattr(IPython.display, "display", shown.append)
    finding = record("C02", **GOOD)
    assert shown == [finding]


def test_the_ledger_reads_stored_outputs_and_names_what_is_not_measured(tmp_path):
    first = write_notebook(tmp_path / "00_a.ipynb", record("C07", **GOOD), record("C12", **GOOD))
    contrary = record("C12", number=1, floor=2, verdict="does not hold", says=SAYS)
    second = write_notebook(tmp_path / "06_b.ipynb", contrary)
    table = ledger([second, first])
    assert len(table) == 29  # 28 claims, one of them tested twice
    measured = table[table.verdict != NOT_MEASURED]
    assert list(zip(measured.id, measured.notebook, measured.verdict, strict=True)) == [
        ("C07", "00_a", "holds"),
        ("C12", "00_a", "holds"),
        ("C12", "06_b", "does not hold"),
    ]
    assert measured.number.tolist() == [0.934, 0.934, 1.0]
    assert table[table.verdict == NOT_MEASURED][["number", "low", "high", "floor"]].isna().all(axis=None)
    assert set(table.id) == set(claims())


def test_without_notebooks_nothing_is_measured():
    assert set(ledger([]).verdict) == {NOT_MEASURED}
    assert len(ledger([])) == 28


def test_a_notebook_that_cannot_be_trusted_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no notebook"):
        stored_findings(tmp_path / "none.ipynb")
    (tmp_path / "text.ipynb").write_text("hello")
    with pytest.raises(ValueError, match="not a Jupyter notebook"):
        stored_findings(tmp_path / "text.ipynb")
    finding = record("C07", **GOOD)
    with pytest.raises(ValueError, match="C07 twice"):
        stored_findings(write_notebook(tmp_path / "twice.ipynb", finding, finding))
    path = write_notebook(tmp_path / "unknown.ipynb", finding)
    path.write_text(path.read_text().replace('"id": "C07"', '"id": "C77"'))
    with pytest.raises(ValueError, match="C77"):
        stored_findings(path)
