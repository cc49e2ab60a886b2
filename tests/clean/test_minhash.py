"""MinHash and LSH against the slow definition, and the duplicate detectors against the corruption log."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_lab import clean, collect, corrupt
from aigc_lab.clean import minhash, text
from aigc_lab.collect import Dataset, own_card

IMAGES = Dataset(np.zeros((2, 8, 8), np.uint8))
LINE = st.text(alphabet="abc de你好的。,", max_size=30)


def dataset(*texts: str) -> Dataset:
    return Dataset(texts, None, (), own_card("own", "text"))


@pytest.fixture(scope="module")
def dialogues() -> Dataset:
    return collect.load("dialogues")


@pytest.fixture(scope="module")
def unique(dialogues) -> Dataset:
    return clean.drop(dialogues, text.exact_duplicates(dialogues), text.near_duplicates(dialogues)).kept


def test_shingles_are_the_pieces_a_reader_would_cut():
    assert minhash.shingles("abcde") == {"abcd", "bcde", "cde", "de", "e"}
    assert minhash.shingles("aaaaaa") == {"aaaa", "aaa", "aa", "a"}
    assert minhash.shingles("你好吗") == {"你好", "好吗", "吗"}
    mixed = ["我用", "用 ", " Pyt", "Pyth", "ytho", "thon", "hon", "on", "n"]
    assert minhash.shingles("我用 Python") == set(mixed)
    assert minhash.shingles("") == set()


def test_jaccard_by_hand():
    assert minhash.jaccard("你好", "你们") == 0 and minhash.jaccard("你好吗", "好吗") == 2 / 3
    assert minhash.jaccard("abc", "abc") == minhash.jaccard("", "") == 1 and minhash.jaccard("", "a") == 0


def test_the_quick_similarity_equals_the_definition(dialogues):
    texts = [*sorted(set(dialogues.data))[::40], "", "a", "😀😀", "\0a", "\ud800b", "你", "𠀀𠀁字"]
    pairs = np.array(list(itertools.combinations(range(len(texts)), 2)))
    expected = [minhash.jaccard(texts[one], texts[two]) for one, two in pairs]
    assert np.array_equal(minhash.similarities(texts, pairs), expected)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=20), min_size=2, max_size=6))
def test_the_quick_similarity_equals_the_definition_on_any_text(texts):
    pairs = np.array(list(itertools.combinations(range(len(texts)), 2)))
    expected = [minhash.jaccard(texts[one], texts[two]) for one, two in pairs]
    assert np.allclose(minhash.similarities(texts, pairs), expected, atol=1e-12)


def test_signatures_estimate_the_similarity_without_bias_and_with_the_known_spread():
    rng = np.random.default_rng(1)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz "))
    base = ["".join(letters[rng.integers(0, 27, 80)]) for _ in range(300)]
    cuts = rng.integers(20, 79, 299).tolist()
    other = [base[place][:cut] + base[place + 1][cut:] for place, cut in enumerate(cuts)]
    texts = base[:299] + other
    pairs = np.stack([np.arange(299), np.arange(299) + 299], axis=1)
    truth = minhash.similarities(texts, pairs)
    signatures = minhash.minhash(texts, permutations=256, seed=3)
    estimate = (signatures[:299] == signatures[299:]).mean(axis=1)
    deviation = (estimate - truth) / np.sqrt(truth * (1 - truth) / 256)
    assert 0.2 < truth.mean() < 0.8
    assert abs(deviation.mean()) < 0.25  # standard error 0.06
    assert 0.85 < deviation.std() < 1.15


def test_a_signature_depends_on_its_own_text_and_the_seed_alone():
    texts = ["one text", "another", "", "好", "one text", "x" * 70_000 + "one text"]
    signatures = minhash.minhash(texts, permutations=64, seed=5)
    assert signatures.dtype == np.uint32 and signatures.shape == (6, 64)
    for row, one in zip(signatures, texts, strict=True):
        assert np.array_equal(row, minhash.minhash([one], permutations=64, seed=5)[0])
    assert np.array_equal(signatures[0], signatures[4])
    assert (signatures[2] == 2**32 - 1).all()
    assert not np.array_equal(signatures[0], minhash.minhash(texts[:1], 64, seed=6)[0])
    # A long text is cut into rows: its lowest ranks are the lowest of all its shingles, wherever they stand.
    assert np.array_equal(signatures[5], minhash.minhash(["xxxxone text"], 64, seed=5)[0])


def test_the_s_curve_is_what_bands_do():
    similarity, bands, rows = 0.7, 16, 8
    rng = np.random.default_rng(0)
    agree = rng.random((20_000, bands, rows)) < similarity
    share = agree.all(axis=2).any(axis=1).mean()
    assert abs(share - minhash.s_curve(similarity, bands, rows)) < 0.015  # four standard errors
    assert minhash.s_curve([0.0, 1.0], 4, 2).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.99])
def test_bands_fit_the_threshold(threshold):
    bands, rows = minhash.bands_for(threshold, 128)
    assert bands * rows <= 128
    assert rows == 1 or minhash.s_curve(threshold, bands, rows) >= 0.99
    assert minhash.s_curve(threshold, 128 // (rows + 1), rows + 1) < 0.99


def test_band_keys_agree_where_the_band_does_and_nowhere_else():
    signatures = minhash.minhash(["the same words here", "the same words there", "the same words here"], 12)
    keys = minhash.band_keys(signatures, 4)
    same = (signatures[0] == signatures[1]).reshape(4, 3).all(axis=1)
    assert keys.dtype == np.uint64 and keys.shape == (3, 4)
    assert np.array_equal(keys[0], keys[2]) and np.array_equal(keys[0] == keys[1], same)
    assert len(np.unique(minhash.band_keys(np.zeros((1, 12), np.uint32), 4))) == 4  # bands do not meet
    with pytest.raises(ValueError, match="bands must be a number from 1 to 12"):
        minhash.band_keys(signatures, 13)


def test_candidates_are_the_pairs_that_share_a_key():
    keys = np.array([[1, 10], [2, 10], [1, 11], [3, 12]], dtype=np.uint64)
    assert minhash.candidate_pairs(keys).tolist() == [[0, 1], [0, 2]]
    assert minhash.candidate_pairs(keys[:0]).shape == (0, 2)


def test_a_bucket_with_thousands_of_items_does_not_make_millions_of_pairs():
    pairs = minhash.candidate_pairs(np.zeros((5000, 3), dtype=np.uint64))
    assert len(pairs) < 41 * 5000
    assert set(np.unique(pairs)) == set(range(5000))


def test_recall_against_all_pairs(dialogues):
    # In alphabetical order, so that what begins alike is near.
    texts = sorted({minhash.comparable(one) for one in dialogues.data})[500:1000]
    every = np.stack(np.triu_indices(len(texts), 1), axis=1)
    similarity = minhash.similarities(texts, every)
    for threshold, least in ((0.4, 20), (0.7, 5)):
        truth = set(map(tuple, every[similarity >= threshold].tolist()))
        found = set(map(tuple, minhash.near_duplicate_pairs(texts, threshold)[0].tolist()))
        assert found <= truth and len(found) >= 0.97 * len(truth)
        assert len(truth) >= least


def test_exact_duplicates_of_the_published_dialogues(dialogues):
    issues = text.exact_duplicates(dialogues)
    assert len(issues) == 1130
    assert (issues["duplicate_of"] < issues["item"]).all()
    for item, first in zip(issues["item"], issues["duplicate_of"], strict=True):
        assert minhash.comparable(dialogues.data[item]) == minhash.comparable(dialogues.data[first])


def test_texts_that_are_equal_in_their_comparable_form_are_exact_duplicates():
    own = dataset("Hello  World", "hello world", "Ｈello World", "hello world!", "Hello  World")
    issues = text.exact_duplicates(own).set_index("item")
    assert issues["duplicate_of"].to_dict() == {1: 0, 2: 0, 4: 0}
    assert issues["score"].to_dict() == {1: 0.9, 2: 0.9, 4: 1.0}


def test_copies_with_different_labels_are_named():
    own = Dataset(("a b", "a b"), np.array([0, 1]), ("yes", "no"), own_card("own", "text"))
    assert "but labelled no here and yes there" in text.exact_duplicates(own)["reason"][0]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_near_duplicates_against_the_log(unique, seed):
    """One slip in a text of twelve Chinese characters is a large share of it: recall is lower there."""
    for part, low, lower in (("english", 0.84, 0.95), ("chinese", 0.38, 0.75)):
        base = unique.only(part)
        for threshold, least in ((0.8, low), (0.7, lower)):
            own = clean.drop(base, text.near_duplicates(base, threshold)).kept
            dirty, log = corrupt.apply(own, {"near_duplicate": 0.05}, seed)
            result = clean.score(text.near_duplicates(dirty, threshold), log.mask("near_duplicate"))
            assert result["precision"] >= 0.98 and result["recall"] >= least, (part, threshold, result)


def test_an_item_goes_only_in_favour_of_one_that_stays():
    pairs = np.array([[0, 1], [1, 2], [0, 3], [1, 3]])
    items, firsts, shares = minhash.behind_the_first(pairs, np.array([0.8, 0.9, 0.8, 0.9]))
    assert dict(zip(items.tolist(), firsts.tolist(), strict=True)) == {1: 0, 3: 0}
    assert shares.tolist() == [0.8, 0.8]


@settings(max_examples=40, deadline=None)
@given(st.lists(LINE, max_size=12), st.randoms(use_true_random=False))
def test_pairs_do_not_depend_on_the_order_of_the_texts(texts, random):
    """Texts that are equal in the form they are compared in stand for each other."""
    shuffled = list(texts)
    random.shuffle(shuffled)

    def found(items):
        pairs, similarity = minhash.near_duplicate_pairs(items, 0.5)
        forms = [minhash.comparable(one) for one in items]
        named = (frozenset((forms[one], forms[two])) for one, two in pairs)
        return dict(zip(named, similarity, strict=True))

    assert found(texts) == found(shuffled)


@settings(max_examples=40, deadline=None)
@given(st.lists(LINE, max_size=12))
def test_dropping_duplicates_twice_drops_nothing_more(texts):
    own = dataset(*texts)
    before = own.data
    once = clean.drop(own, text.exact_duplicates(own), text.near_duplicates(own, 0.6)).kept
    assert own.data == before
    again = clean.drop(once, text.exact_duplicates(once), text.near_duplicates(once, 0.6)).kept
    assert again.data == once.data


def test_all_texts_equal_and_no_duplicates_at_all():
    same = dataset(*["the very same text"] * 3000)
    assert len(text.exact_duplicates(same)) == 2999 and len(text.near_duplicates(same)) == 0
    assert len(clean.drop(same, text.exact_duplicates(same)).kept) == 1
    other = dataset(*(f"{number:07d}" * 3 for number in range(0, 10**7, 99_991)))
    assert len(text.exact_duplicates(other)) == 0 and len(text.near_duplicates(other)) == 0


def test_a_hundred_slightly_different_copies_leave_one():
    words = "a longer sentence with many different words in it that nobody needs to read to its end, number"
    own = dataset(*(f"{words} {number}" for number in range(300)))
    assert len(clean.drop(own, text.near_duplicates(own)).kept) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: text.near_duplicates(IMAGES), "looks at text, and the data set holds images"),
        (lambda: text.exact_duplicates("one string"), "takes a sequence of texts, got one string"),
        (lambda: minhash.minhash(["a", b"b"]), "item 1 is of type bytes; decode it first"),
        (lambda: minhash.minhash(["a"], permutations=0), "permutations must be a number from 1 to 4096"),
        (lambda: text.near_duplicates(["a"], threshold=1.5), "threshold must be a number from 0 to 1"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_importing_the_module_is_light():
    code = (
        "import sys, aigc_lab.clean.text; "
        "slow = {'ftfy', 'py3langid', 'phonenumbers', 'stdnum', 'dask', 'pandas', 'tensorflow'}; "
        "print(slow & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
