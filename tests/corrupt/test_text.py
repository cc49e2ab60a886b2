"""Corruptions of texts: what the log says was done is what was done, in English and in Chinese."""

from __future__ import annotations

import re

import numpy as np
import pytest

from aigc_lab import collect, corrupt
from aigc_lab.clean import text as clean_text
from aigc_lab.collect import Dataset, own_card
from aigc_lab.corrupt.text import TEXT_JUNK_KINDS, is_chinese

DAMAGING = ("personal_data", "boilerplate", "unnormalised", "mojibake")
ADDING = ("exact_duplicate", "near_duplicate", "foreign_language", "junk")


@pytest.fixture(scope="module")
def dialogues() -> Dataset:
    return collect.load("dialogues")[::6]


@pytest.mark.parametrize("name", [*DAMAGING, *ADDING])
@pytest.mark.parametrize("rate", [0.0, 0.1, 1.0])
def test_counts_match_the_rate_and_the_log_names_exactly_what_changed(dialogues, name, rate):
    before = dialogues.data
    dirty, log = corrupt.apply(dialogues, {name: rate}, seed=3)
    count = round(rate * len(dialogues))
    assert log.counts() == ({name: count} if rate else {}) and len(log.items(name)) == count
    assert len(dirty) == len(dialogues) + (count if name in ADDING else 0) == len(log.sources)
    changed = [source >= 0 and dirty.data[item] != before[source] for item, source in enumerate(log.sources)]
    expected = log.mask(name) if name in (*DAMAGING, "near_duplicate") else np.zeros(len(dirty), bool)
    assert np.array_equal(changed, expected)
    assert np.array_equal(log.sources == -1, log.mask("foreign_language", "junk"))
    assert dialogues.data == before


def test_everything_at_once_and_still_no_change_that_the_log_does_not_name(dialogues):
    dirty, log = corrupt.apply(dialogues, dict.fromkeys(corrupt.TEXT_CORRUPTIONS, 0.2), seed=5)
    own = log.sources >= 0
    changed = np.array(
        [bool(known) and dirty.data[item] != dialogues.data[source]
         for item, (known, source) in enumerate(zip(own, log.sources, strict=True))]
    )  # fmt: skip
    assert np.array_equal(changed, log.mask(*DAMAGING, "near_duplicate"))
    flipped = own & (dirty.labels != np.where(own, dialogues.labels[log.sources], -1))
    assert np.array_equal(flipped, log.mask("label_flip"))
    assert log.names == corrupt.TEXT_CORRUPTIONS
    assert "mojibake" in log.report() and any("mojibake" in fault for fault in dirty.card.known_faults)


def test_the_same_seed_gives_the_same_texts_and_one_rate_does_not_reshuffle_another(dialogues):
    rates = dict.fromkeys(corrupt.TEXT_CORRUPTIONS, 0.1)
    one, two = (corrupt.apply(dialogues, rates, seed=7)[0].data for _ in range(2))
    assert one == two != corrupt.apply(dialogues, rates, seed=8)[0].data
    alone, log = corrupt.apply(dialogues, {"mojibake": 0.1}, seed=1)
    both, with_junk = corrupt.apply(dialogues, {"mojibake": 0.1, "junk": 0.5}, seed=1)
    assert np.array_equal(log.items("mojibake"), with_junk.items("mojibake"))
    assert both.data[: len(alone)] == alone.data


def test_near_copies_are_near_and_differ_by_more_than_case_and_space(dialogues):
    dirty, log = corrupt.apply(dialogues, {"near_duplicate": 1.0})
    for item in log.items("near_duplicate"):
        copy, source = dirty.data[item], dialogues.data[log.sources[item]]
        assert "".join(copy.lower().split()) != "".join(source.lower().split())
        assert abs(len(copy) - len(source)) <= max(10, 0.1 * len(source))


def test_mojibake_can_be_undone_wherever_no_byte_was_lost(dialogues):
    dirty, log = corrupt.apply(dialogues, {"mojibake": 1.0}, seed=1)
    kinds = set(log.table["detail"])
    assert kinds == {"UTF-8 read as Windows-1252", "UTF-8 read as GBK", "GBK read as Latin-1"}
    mended, _ = clean_text.fix(dirty)
    chinese = [item for item in range(len(dirty)) if is_chinese(dialogues.data[item])]
    whole = [item for item in chinese if "\ufffd" not in dirty.data[item]]
    back = [mended.data[item] == clean_text.fix([dialogues.data[item]])[0][0] for item in whole]
    assert len(whole) > 40 and np.mean(back) > 0.95


def test_personal_data_and_notices_suit_the_language(dialogues):
    dirty, log = corrupt.apply(dialogues, {"personal_data": 1.0})
    for row in log.table.itertuples():
        assert row.detail.split(": ", 1)[1] in dirty.data[row.item]
    kinds = {row.detail.split(":")[0] for row in log.table.itertuples()}
    assert kinds == {"e-mail", "telephone", "bank card", "IP address", "identity number"}
    dirty, log = corrupt.apply(dialogues, {"boilerplate": 1.0})
    for row in log.table.itertuples():
        notice = row.detail.removeprefix("notice: ")
        assert bool(re.search("[一-鿿]", notice)) == is_chinese(dialogues.data[row.source])


def test_junk_and_foreign_texts_have_every_kind_and_random_labels(dialogues):
    dirty, log = corrupt.apply(dialogues, {"junk": 0.5, "foreign_language": 0.5})
    junk = log.table[log.table["corruption"] == "junk"]
    assert set(junk["detail"]) == set(TEXT_JUNK_KINDS)
    assert len(set(log.table["detail"]) - set(TEXT_JUNK_KINDS)) == 6
    assert set(dirty.labels[log.items("junk")]) == {0, 1}
    assert (log.true_labels[log.mask("junk", "foreign_language")] == -1).all()


def test_text_corruptions_are_for_text_and_image_corruptions_for_images(dialogues):
    digits = collect.load("digits")[:20]
    for name in (*DAMAGING, "foreign_language"):
        with pytest.raises(ValueError, match=f"'{name}' is for text; the data set holds images"):
            corrupt.apply(digits, {name: 0.1})
    with pytest.raises(ValueError, match="'noise' is for images or audio; the data set holds text"):
        corrupt.apply(dialogues, {"noise": 0.1})
    with pytest.raises(ValueError, match="did you mean 'mojibake'"):
        corrupt.apply(dialogues, {"mojibak": 0.1})


@pytest.mark.parametrize("texts", [(), ("",), ("", "x", "\0", "\ud800 \udfff", "😀", "好", "שלום", "  ")])
def test_any_text_can_be_damaged(texts):
    own = Dataset(texts, None, (), own_card("own", "text"))
    rates = {name: 1.0 for name in corrupt.TEXT_CORRUPTIONS if name not in ("label_flip", "imbalance")}
    dirty, log = corrupt.apply(own, rates, seed=1)
    assert len(dirty) == 5 * len(texts) == len(log.sources)
    assert own.data == texts
