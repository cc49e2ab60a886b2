"""Each text detector against the corruption log, the real sets, and input that nobody would wish for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_lab import clean, collect, corrupt
from aigc_lab.clean import text
from aigc_lab.collect import Dataset, own_card

COLUMNS = ["item", "score", "reason", "detector"]
SEEDS = (0, 1, 2)
# Lowest precision and recall over three seeds and three sets, at a rate of 5 %.
FLOORS = {
    "exact_duplicate": (1.0, 1.0),
    "mojibake": (1.0, 0.98),
    "unnormalised": (1.0, 1.0),
    "boilerplate": (1.0, 0.98),
    "personal_data": (0.96, 0.99),
    "junk": (1.0, 0.93),
    "foreign_language": (0.92, 0.97),
}


def dataset(*texts: str) -> Dataset:
    return Dataset(texts, None, (), own_card("own", "text"))


def without_copies(own: Dataset) -> Dataset:
    return clean.drop(own, text.exact_duplicates(own), text.near_duplicates(own)).kept


@pytest.fixture(scope="module")
def bases() -> dict[str, Dataset]:
    dialogues = without_copies(collect.load("dialogues"))
    poems = without_copies(collect.load("tang-poems")[::12])
    return {"english": dialogues.only("english"), "chinese": dialogues.only("chinese"), "poems": poems}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("base", ["english", "chinese", "poems"])
@pytest.mark.parametrize("corruption", FLOORS)
def test_precision_and_recall_against_the_log(bases, corruption, base, seed):
    dirty, log = corrupt.apply(bases[base], {corruption: 0.05}, seed)
    issues = text.DETECTORS[corruption](dirty)
    result = clean.score(issues, log.mask(corruption))
    assert result["true"] == round(0.05 * len(bases[base]))
    assert result["precision"] >= FLOORS[corruption][0] and result["recall"] >= FLOORS[corruption][1], result
    assert list(issues.columns)[:4] == COLUMNS
    assert issues["score"].is_monotonic_decreasing and issues["score"].between(0, 1).all()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("base", ["english", "chinese"])
def test_everything_at_once(bases, base, seed):
    rates = dict.fromkeys(text.DETECTORS, 0.04)
    dirty, log = corrupt.apply(bases[base], rates, seed)
    found = text.detect_all(dirty)
    assert list(found) == list(text.DETECTORS)
    dropped = np.ones(len(dirty), dtype=bool)
    dropped[clean.drop(dirty, *found.values()).kept_index] = False
    bad = log.mask(*(set(text.DETECTORS) - {"near_duplicate"}))
    assert dropped[bad].mean() > 0.95
    assert dropped[~log.mask(*text.DETECTORS)].mean() < 0.02


def test_what_is_really_in_the_dialogues():
    dialogues = collect.load("dialogues")
    found = text.detect_all(dialogues)
    assert {name: table["item"].nunique() for name, table in found.items()} == {
        "exact_duplicate": 1130,
        "near_duplicate": 9,
        "mojibake": 0,
        "unnormalised": 0,
        "boilerplate": 0,
        "personal_data": 2,
        "junk": 0,
        "foreign_language": 2,
    }
    strangest = dialogues.data[found["foreign_language"]["item"][0]]
    assert strangest == "que veut dire hal\tlogique heuristique algorithmique."


def test_poems_code_and_plays_are_left_alone():
    """Traditional characters, full-width punctuation, indentation and old English are no faults."""
    poems, code = collect.load("tang-poems"), collect.load("python-code")
    plays = collect.load("tiny-shakespeare")
    for detector in (text.garbled, text.uninformative, text.boilerplate, text.personal_data):
        assert len(detector(poems)) == 0
    assert len(text.garbled(code)) == len(text.uninformative(code)) == 0
    assert len(text.unnormalised(poems)) == 1  # a stray full-width B before a poem
    assert len(text.other_language(poems, "zh")) == 0
    assert len(text.other_language(code, "en")) <= 1  # this.py is written in ROT13
    assert len(text.other_language(plays, "en")) < 0.01 * len(plays)
    assert len(text.boilerplate(plays)) == len(text.personal_data(plays)) == len(text.garbled(plays)) == 0
    assert len(text.boilerplate(code)) > 15  # licences, which are really there
    assert "guido@python.org" in set(text.personal_data(code)["text"])


# --- encodings ---


@pytest.mark.parametrize(
    "original", ["你好，世界！今天天气不错。", "床前明月光，疑是地上霜。", "我们在学习中文", "這是什麼東西"]
)
@pytest.mark.parametrize("stored, read", [("utf-8", "gbk"), ("gbk", "latin-1"), ("utf-8", "latin-1")])
def test_chinese_comes_back_from_every_wrong_encoding(original, stored, read):
    wrong = original.encode(stored).decode(read, "replace")
    issues = text.garbled([wrong, original])
    assert issues["item"].tolist() == [0] and issues["score"][0] == 1
    fixed, changes = text.fix([wrong])
    assert changes["change"].tolist()[0] == "encoding"
    if "\ufffd" in wrong:  # bytes were lost, and the characters with them
        assert sum(one in fixed[0] for one in original) >= 0.5 * len(original)
    else:
        assert fixed[0] == original


@pytest.mark.parametrize(
    "fine",
    [
        "Crème brûlée, naïve café – “quoted” … 10 €",
        "Äpfel, Öl und süße Früchte",
        "Привет, как дела?",
        "مرحبا بالعالم",
        "日本語の文章です。",
        "한국어 문장입니다.",
        "🎉🎊 party 👨‍👩‍👧",
        "联通",
        "锟斤拷是什么意思？",
        "x² + ½ = ∑ αβγ",
        "蟲蟲驫骉",
    ],
)
def test_unusual_text_is_not_garbled(fine):
    assert len(text.garbled([fine])) == 0
    assert text.fix([fine])[0] == (fine,)


def test_lost_characters_are_reported_and_left():
    issues = text.garbled(["fine", "a \ufffd b"])
    assert issues["item"].tolist() == [1] and issues["score"][0] == 0.6
    assert text.fix(["a \ufffd b"])[0] == ("a \ufffd b",)


# --- code points ---


def test_normal_form_keeps_what_a_reader_would_miss():
    assert text.normal_form("ｆｕｌｌ ﬁne ①　ｗｉｄｅ") == "full fine 1 wide"
    assert text.normal_form("你好，世界！（１２３）……“引号”") == "你好，世界！（123）……“引号”"
    assert text.normal_form("Ｈｅｌｌｏ，ｗｏｒｌｄ！") == "Hello,world!"
    assert text.normal_form("10² ½ H₂O E=mc² 3… ™") == "10² ½ H₂O E=mc² 3… ™"
    assert text.normal_form("e\u0301 ⼈⼝") == "é 人口"
    assert text.unnormalised(["你好，世界！", "e\u0301", "é"])["item"].tolist() == [1]


# --- nothing said ---


@pytest.mark.parametrize(
    "nothing",
    [
        *("", " \n\t\u3000", "x", "好", "😀", "?!?!", "……", "。，、", "----------", "aaaaaaaa", "哈哈哈哈哈"),
        *("test test test test", "a\0b", "\x01\x02\x03abc", "\ud800\udfff\ud800x", "\uffff\ufffe\uffffab"),
    ],
)
def test_texts_that_say_nothing_are_found(nothing):
    assert text.uninformative([nothing])["item"].tolist() == [0]


@pytest.mark.parametrize(
    "said", ["ok", "好的", "42", "no, no", "是。", "😀👍", "C++", "x = 1", "哈哈", "مرحبا", "a\tb"]
)
def test_short_texts_that_say_something_are_left(said):
    assert len(text.uninformative([said])) == 0


# --- languages ---


def test_scripts_decide_where_they_can():
    texts = ["this is a plain English sentence", "Это русский текст", "这是中文", "これは日本語です"]
    texts += ["هذا نص عربي", "hi"]
    assert sorted(text.other_language(texts, "en")["item"]) == [1, 2, 3, 4]
    assert sorted(text.other_language(texts, ("en", "zh"))["item"]) == [1, 3, 4]
    assert sorted(text.other_language(texts, "ja")["item"]) == [0, 1, 4]  # Japanese uses Chinese characters
    assert sorted(text.other_language(texts, "ru")["item"]) == [0, 2, 3, 4]
    mixed = ["我常使用 Python 和 TensorFlow 写代码", "I live in 北京 and work in 上海 every day"]
    assert len(text.other_language(mixed, "zh")) <= 1 and len(text.other_language(mixed[1:], "en")) == 0


def test_expected_languages_are_the_common_ones_or_those_that_are_named():
    texts = ["a plain English sentence here"] * 20 + ["这是中文"]
    assert text.other_language(texts)["item"].tolist() == [20]
    assert len(text.other_language(texts[10:] + texts[20:])) == 0  # a tenth or more: common
    with pytest.raises(ValueError, match="ISO 639-1 codes"):
        text.other_language(texts, "english")


# --- notices ---


def test_a_line_on_many_pages_is_boilerplate_and_the_name_of_a_speaker_is_not():
    line = "Weather and traffic every ten minutes on this channel"
    pages = [f"{line}\nStory number {number} tells of {number * 7} things" for number in range(20)]
    issues = text.boilerplate([*pages, "Story number 99 tells of nothing"])
    assert sorted(issues["item"]) == list(range(20))
    assert "20 different texts have this line" in issues["reason"][0]
    assert len(text.boilerplate([f"FIRST CITIZEN:\nspeech {number}" for number in range(50)])) == 0
    assert len(text.boilerplate([pages[0]] * 50)) == 0  # copies count once
    other = ["my cookies burned, share them with me", "我收藏了很多书", "he was sent from my house"]
    assert len(text.boilerplate(other)) == 0


# --- personal data ---


def kinds(one: str) -> list[tuple[str, str]]:
    table = text.personal_data([one]).sort_values("start")
    return list(zip(table["kind"], table["text"], strict=True))


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        ("mail a.b+c@sub.example.co.uk now", [("e-mail", "a.b+c@sub.example.co.uk")]),
        (
            "我的邮箱是li_na@example.cn，电话13812345678。",
            [("e-mail", "li_na@example.cn"), ("telephone", "13812345678")],
        ),
        (
            "Call (202) 555-0123 or +44 20 7946 0958.",
            [("telephone", "(202) 555-0123"), ("telephone", "+44 20 7946 0958")],
        ),
        ("电话：010-62345678", [("telephone", "010-62345678")]),
        ("身份证11010519491231002X号", [("identity number", "11010519491231002X")]),
        ("card 4111 1111 1111 1111 please", [("bank card", "4111 1111 1111 1111")]),
        (
            "from 203.0.113.7 to 2001:db8:0:1:2:3:4:5",
            [("IP address", "203.0.113.7"), ("IP address", "2001:db8:0:1:2:3:4:5")],
        ),
        ("电话１３８１２３４５６７８。", [("telephone", "１３８１２３４５６７８")]),
        ("IBAN GB82 WEST 1234 5698 7654 32, please", [("bank account", "GB82 WEST 1234 5698 7654 32")]),
    ],
)
def test_personal_data_with_its_place(one, expected):
    assert kinds(one) == expected


@pytest.mark.parametrize(
    "one",
    [
        "2147483647 and 1234567890123456 are numbers",
        "11010519491231002Y and 110105194912310021 fail the check",
        "4111 1111 1111 1112 fails Luhn's test",
        "version 10.4.12.1, 3.11.0.1 and section 8.2.4.44",
        "network 192.0.2.0/24 and 127.0.0.1",
        "at 12:34:56 on 2024-01-31, pages 100-2000",
        "@property and matrix@vector",
        "3.14159265358979 1e-10 +35236450.6",
        "公元1949年10月1日，第13812345678901号",
        "ISBN 978-7-111-12345-6 and 0-306-40615-2",
        "on 31/01/2024, 01-02-2024, 01.02.2024 10:30 and 20240131; 1995-2005",
        "prices of £1,234.56, $1,200,300.00, £07911123456, 1 234 567 890 yuan and 12.345.678,90 EUR",
        "version 02.07.9460.958 and v0207.946.0958",
        "0.07911123456 and 07911123456.50",
        "01 02 03 04 05 06 07 08 09 10 and 10 20 30 40 50 60",
        "order 20794609580001, time stamps 1700000000 and 1700000000000",
        "0000000000 0123456789 9876543210",
        "from 00:01:23,456 to 00:01:25,789 at 51.5074 -0.1278",
        "100 200 3000 and 212 3004000 of 12 345 678 901 people",
        "GB82 WEST 1234 5698 7654 33, DE89370400440532013001 fail their checks",
    ],
)
def test_numbers_that_are_nobody_s(one):
    assert kinds(one) == []


@pytest.mark.parametrize(
    "written",
    [
        *(
            "020 7946 0958",
            "0207 946 0958",
            "(020) 7946 0958",
            "0113 496 0123",
            "0113-496-0123",
            "01223 585 334",
        ),
        *("0808 157 0123", "08081570123", "0909 879 0123", "09098790123", "08712 300 220", "08448 350055"),
        *("07732 584351", "077 3258 4351", "07732584351", "0906-7015555", "0800 505060", "0871-872-9758"),
        *("+44 (0)20 7946 0958", "00 44 20 7946 0958", "+447732584351", "0044 7732 584351"),
    ],
)
def test_british_numbers_are_found_however_their_digits_are_grouped(written):
    assert kinds(f"Call {written} now, or £5 will be lost!") == [("telephone", written)]


def test_numbers_without_a_country_code_are_those_of_the_regions():
    french = "Appelez le 01 42 68 53 00."
    assert kinds(french) == []
    assert text.personal_data([french], regions=("FR",))["text"].tolist() == ["01 42 68 53 00"]


def test_masking_replaces_the_places_and_nothing_else():
    own = dataset("write to a@example.com or b@example.com!", "nothing here", "电话13812345678。")
    issues = text.personal_data(own)
    masked = text.mask(own, issues)
    assert masked.data == ("write to [E-MAIL] or [E-MAIL]!", "nothing here", "电话[TELEPHONE]。")
    assert own.data[0].startswith("write to a@") and len(text.personal_data(masked)) == 0
    assert text.mask(own.data, issues) == masked.data
    assert not any("@" in reason for reason in issues["reason"])
    with pytest.raises(ValueError, match="they are of other texts"):
        text.mask(masked, issues)
    with pytest.raises(ValueError, match="lack the column 'end'"):
        text.mask(own, text.garbled(own))


# --- fixing ---


def test_fixing_says_what_it_changed():
    code = "\tcode:\n\n    kept  spaces\n"
    own = dataset("fine", "caf\u00e9\u00a0\x00ole\u0301 \r\nnext\u200b line  ", "ä½\xa0å¥½", code)
    fixed, changes = text.fix(own)
    assert fixed.data == ("fine", "café olé\nnext line", "你好", code)
    by_item = changes.groupby("item")["change"].apply(set).to_dict()
    assert by_item == {1: {"control characters", "normal form", "white space"}, 2: {"encoding"}}
    assert fixed.card == own.card and list(changes.columns) == ["item", "change", "before", "after"]


ANY = st.one_of(
    st.text(max_size=40),
    st.text(alphabet=st.characters(exclude_categories=()), max_size=20),  # surrogates too
    st.text(alphabet="a é你好，。\u00a0\u3000\r\n\t\0\u200bﬁ①Ａâ€™Ãä½å¥浣犲ソ\ufffd😀مرحبا", max_size=40),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(ANY, max_size=4))
def test_fixing_twice_changes_nothing_more_and_the_input_stays(texts):
    own = dataset(*texts)
    once, _ = text.fix(own)
    again, changes = text.fix(once)
    assert again.data == once.data and len(changes) == 0
    assert own.data == tuple(texts)


@settings(max_examples=100, deadline=None)
@given(ANY)
def test_fixed_text_can_be_stored_and_is_normal(one):
    fixed = text.fix([one])[0][0]
    fixed.encode("utf-8")
    assert text.normal_form(fixed) == fixed
    assert not set(fixed) & {"\0", "\r", "\u00a0", "\u200b", "\ufeff"}
    assert not fixed.startswith("\n") and " \n" not in fixed


@settings(max_examples=60, deadline=None)
@given(st.lists(ANY, max_size=6), st.randoms(use_true_random=False))
def test_issues_do_not_depend_on_the_order_of_the_texts(texts, random):
    """Of the detectors that look at each text alone: each text gets the same reasons wherever it stands."""
    shuffled = list(texts)
    random.shuffle(shuffled)
    for detector in (text.garbled, text.unnormalised, text.uninformative, text.personal_data):
        found, again = (
            sorted((items[item], reason) for item, reason in zip(table["item"], table["reason"], strict=True))
            for items, table in ((texts, detector(texts)), (shuffled, detector(shuffled)))
        )
        assert found == again


# --- what nobody would wish for ---

BAD = {
    "empty": "",
    "one character": "x",
    "one Chinese character": "好",
    "emoji": "👨‍👩‍👧‍👦🏳️‍🌈🎉",
    "right to left": "שלום עולם \u202bمرحبا\u202c",
    "NUL": "a\0b\0",
    "lone surrogates": "\ud800 text \udfff",
    "undecodable bytes": b"caf\xe9 \xff\xfe".decode("utf-8", "surrogateescape"),
    "combining marks": "Z̸̛̖a̷͎̿l̶̰͘g̵̜̽o̴̳͗" * 10,
}


@pytest.mark.parametrize("name", BAD)
def test_every_detector_takes_any_text(name):
    own = dataset(BAD[name], "a plain sentence of English words", BAD[name])
    found = text.detect_all(own)
    assert all(table["item"].between(0, 2).all() for table in found.values())
    assert found["exact_duplicate"]["item"].tolist() == [2]
    clean.drop(own, *found.values())
    text.fix(own)[0].data[0].encode("utf-8")


@pytest.mark.parametrize("megabytes", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_a_single_line_of_megabytes(megabytes):
    rng = np.random.default_rng(0)
    words = np.array(["alpha", "beta", "gamma", "delta", "好的", "你好", "x@example.com"])
    line = " ".join(words[rng.integers(0, 7, 170_000 * megabytes)])
    assert len(line.encode()) > 1_000_000 * megabytes
    own = dataset(line, line + " end", "a short text")
    found = text.detect_all(own)
    assert found["near_duplicate"]["item"].tolist() == [1]
    assert len(found["personal_data"]) > 40_000 * megabytes
    assert text.fix(own)[0].data == own.data


def test_no_texts():
    assert all(table.empty for table in text.detect_all(dataset()).values())
    assert text.fix(dataset())[0].data == ()


# What strangers' texts hold ------------------------------------------------------------------------------


def test_the_very_same_text_is_found_before_the_folded_one():
    found = text.exact_duplicates(["see you", "See you", "See you", "see you"])
    told = {row.item: (row.score, row.reason, row.duplicate_of) for row in found.itertuples()}
    assert told[1] == (0.9, "but for width, case and white space the same text as item 0", 0)
    assert told[2] == (1.0, "same text as item 1", 0)
    assert told[3] == (1.0, "same text as item 0", 0)


@pytest.mark.parametrize(
    ("garbled", "right", "reason"),
    [
        ("that\x92s", "that’s", "Windows-1252 read as Latin-1"),
        ("cafÃ© crÃ¨me", "café crème", "UTF-8 read as"),
        ("Êý¾ÝÖÊÁ¿", "数据质量", "GBK read as Latin-1"),
        ("ÑµÁ·Êý¾Ý", "训练数据", "GBK read as Latin-1"),
    ],
)
def test_the_reason_names_the_encodings(garbled, right, reason):
    (row,) = text.garbled([garbled]).itertuples()
    assert row.reason.startswith(reason)
    assert text.fix([garbled])[0] == (right,)


@pytest.mark.parametrize("residue", ["锟斤拷", "数据锟斤拷锟斤拷质量", "烫烫烫", "结果：屯屯屯屯"])
def test_the_famous_residues_of_lost_characters_are_found_and_marked(residue):
    (row,) = text.garbled([residue]).itertuples()
    assert row.score == 0.6 and "is what is left" in row.reason
    (fixed,), changes = text.fix([residue])
    assert not set("锟斤拷烫屯") & set(fixed) and "\ufffd" in fixed
    assert list(changes["change"]) == ["encoding"]


@pytest.mark.parametrize(
    "fine", ["这碗汤烫烫的", "屯屯冒险记", "Größe, naïve, où, Ångström", "ÄÖÜß ÆØÅ", "“ÉÈ” À"]
)
def test_what_looks_like_a_residue_and_is_none(fine):
    assert len(text.garbled([fine])) == 0


def test_markup_is_found_and_taken_out():
    texts = [
        "win &lt;#&gt; now",
        "Tom &amp; Jerry",
        "<p>one</p>",
        "a < b and c > d",
        "if a<b: x & y",
        "AT&T;",
        "vector<int>",
    ]
    found = text.markup(texts)
    assert dict(zip(found["item"], found["score"], strict=True)) == {0: 0.9, 1: 0.9, 2: 0.7}
    fixed, changes = text.fix(texts)
    assert fixed == ("win <#> now", "Tom & Jerry", "one", *texts[3:])
    assert set(changes["change"]) == {"markup"}


def test_telephone_numbers_of_any_region():
    indian = "call 022 2345 6789 or 098765 43210"
    assert len(text.personal_data([indian], regions=("CN", "US", "GB"))) < len(
        text.personal_data([indian], regions=("IN",))
    )
    assert len(text.personal_data([indian], regions="all")) >= 2
    with pytest.raises(ValueError, match="there is no region 'XX'"):
        text.personal_data([indian], regions=("XX",))
