"""The closing page, the questions and answers: texts of ours around numbers of the ledger."""

from __future__ import annotations

import re

import pandas
import pytest

from aigc_lab import claims
from book import article, assemble, findings, questions
from book.vendor import BookError

LEDGER = claims.ledger(assemble.notebook_paths())
# A digit may belong to the name of a notebook or to a year, never to a measurement.
ALLOWED = re.compile(
    r"(?:[Nn]otebooks? |笔记本 )\d\d(?: and \d\d)?|\b(?:19|20)\d\d\b|\{C\d\d@\d\d(?::\S+?)?\}"
)


def changed(row: int, **other) -> pandas.DataFrame:
    table = LEDGER.copy()
    for name, value in other.items():
        table.loc[row, name] = value
    return table


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_claim_of_the_article_stands_in_one_of_nine_parts(language):
    page = article.page(LEDGER, language)
    assert len(re.findall(r"^## \d\. ", page, re.MULTILINE)) == 9
    for claim in claims.claims().values():
        assert f'<a href="claims.html#claim-{claim.id.lower()}">{claim.id}</a>' in page
    measured = LEDGER[LEDGER.notebook != ""]
    for row in measured.itertuples():
        assert f"notebooks/{row.notebook}.html#claims-{row.notebook.replace('_', '-')}" in page
    assert bool(re.search("[\u4e00-\u9fff]", re.sub("<[^>]*>|，", "", page))) == (language == "zh")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_numbers_and_verdicts_come_from_the_ledger(language):
    page = article.page(changed(0, number=0.123456, low=0.111, high=0.222, verdict="undecided"), language)
    assert "0.123 [0.111, 0.222]" in page and "0.123 [0.111, 0.222]" not in article.page(LEDGER, language)
    assert page.count("claim-undecided") == article.page(LEDGER, language).count("claim-undecided") + 1
    unmeasured = article.page(claims.ledger([]), language) if language == "en" else ""
    assert language == "zh" or unmeasured.count("Not measured yet") >= len(claims.claims())


def test_no_number_is_typed_in_the_texts():
    for part in article.parts():
        for name in ("title", "says", "after"):
            for text in part[name].values():
                assert not re.search(r"\d", ALLOWED.sub("", text)), text


def test_a_claim_that_no_part_names_is_found(monkeypatch, tmp_path):
    texts = article.TEXTS.read_text(encoding="utf-8")
    for old, new, words in (
        ("C06, C18", "C18", "no part with claim C06"),
        ("C06, C18", "C06, C99, C18", "names C99"),
    ):
        (tmp_path / "article.yml").write_text(texts.replace(old, new), encoding="utf-8")
        monkeypatch.setattr(article, "TEXTS", tmp_path / "article.yml")
        with pytest.raises(BookError, match=words):
            article.parts()


def test_a_place_in_a_text_is_filled_from_the_ledger():
    row = LEDGER.index[LEDGER.id == "C01"][0]
    table = changed(row, number=0.25, low=0.2, high=0.3)
    lab = table.notebook[row][:2]
    text = f"a {{C01@{lab}}} b {{C01@{lab}:%}} c {{C01@{lab}:verdict}}"
    assert findings.filled(text, table, "en") == f"a 0.25 [0.2, 0.3] b 25% [20%, 30%] c {table.verdict[row]}"
    assert findings.filled("数据，\n质量 VAE 好", table, "zh") == "数据，质量 VAE 好"
    with pytest.raises(BookError, match="claim C01 of notebook 99"):
        findings.filled("{C01@99}", table, "en")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_answers_quote_the_ledger_and_lead_to_labs(language):
    page = questions.page(LEDGER, language)
    assert 12 <= len(questions.questions()) <= 16
    assert page.count("\n## ") == len(questions.questions()) == page.count(questions.WORDS["where"][language])
    row = LEDGER.index[(LEDGER.id == "C24") & LEDGER.notebook.str.startswith("29")][0]
    assert "12.3%" in questions.page(changed(row, number=0.1234), language) and "12.3%" not in page
    assert not re.search(r"\{C\d", page)


def test_no_number_is_typed_in_the_answers_and_they_are_short():
    for each in questions.questions():
        assert each["labs"] and set(each["question"]) == {"en", "zh"}
        for language, text in each["answer"].items():
            assert not re.search(r"\d", ALLOWED.sub("", text)), text
            stops = re.findall(r"。" if language == "zh" else r"\.(?= |$)", " ".join(text.split()))
            assert 2 <= len(stops) <= 5, text
    with pytest.raises(BookError, match="which records no claim"):
        questions.page(claims.ledger([]), "en")
