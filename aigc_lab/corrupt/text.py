"""What each corruption does to one text. Introduced in notebook 02.

Every function takes a text and a random generator, leaves the text as it is, and returns a new one with
a short note that says what was done. Chinese texts are damaged the Chinese way: UTF-8 read as GBK, full-width
digits, notices and telephone numbers as they stand on Chinese pages. The invented phrases are in
``phrases.yaml``; telephone numbers and IP addresses come from ranges set aside for fiction and
documentation where such ranges exist.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

TEXT_JUNK_KINDS = ("empty", "one character", "marks", "one character repeated", "one word repeated", "binary")
_EDIT_SHARE = 0.02  # of the characters: how much of a text a near-copy changes at most
_TYPOGRAPHIC = str.maketrans({"'": "’", '"': "”", "-": "–", "`": "‘"})
_PARTICLES, _LETTERS = "啊吧呢了的嘛也就还", "etaoinshrdlu"
_WIDE_SHIFT = 0xFEE0  # from an ASCII character to its full-width form
_CIRCLED = str.maketrans("123456789", "①②③④⑤⑥⑦⑧⑨")
# Radicals of the Kangxi dictionary look like these characters; text copied from PDF files often has them.
_RADICALS = str.maketrans(
    "一人力口大女子小山工心手日月水生用目老言", "⼀⼈⼒⼝⼤⼥⼦⼩⼭⼯⼼⼿⽇⽉⽔⽣⽤⽬⽼⾔"
)
# Five bytes have no character in Windows-1252; browsers read them as control characters.
_NOT_IN_WINDOWS_1252 = {0xDC00 + byte: byte for byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D)}


@cache
def phrases() -> dict[str, Any]:
    """The invented notices, names, numbers and foreign sentences of ``phrases.yaml``."""
    import yaml

    return yaml.safe_load(Path(__file__).with_name("phrases.yaml").read_text(encoding="utf-8"))


def is_chinese(text: str) -> bool:
    """Whether at least a quarter of the visible characters are Chinese ones."""
    visible = sum(not character.isspace() for character in text)
    return visible > 0 and 4 * sum("一" <= character <= "鿿" for character in text) >= visible


def _pick(options: Sequence, rng: np.random.Generator) -> Any:
    return options[int(rng.integers(len(options)))]


def _digits(count: int, rng: np.random.Generator) -> str:
    return "".join(str(digit) for digit in rng.integers(0, 10, count))


def misread_text(text: str, rng: np.random.Generator) -> tuple[str, str]:
    """Mojibake: the bytes of the text in one encoding, read in another.

    UTF-8 read as Windows-1252; for Chinese texts also UTF-8 read as GBK, or GBK read as Latin-1. A text of
    ASCII alone has the same bytes in all of them: it first gets the quotation marks and dashes of print.
    """
    if text.isascii():
        text = text.translate(_TYPOGRAPHIC)
        text = f"“{text}”" if text.isascii() else text
    kinds = ["UTF-8 read as Windows-1252"]
    if is_chinese(text):
        kinds += ["UTF-8 read as GBK", "GBK read as Latin-1"]
    kind = _pick(kinds, rng)
    if kind == "UTF-8 read as GBK":
        return text.encode("utf-8", "replace").decode("gbk", "replace"), kind
    if kind == "GBK read as Latin-1":
        return text.encode("gbk", "replace").decode("latin-1"), kind
    read = text.encode("utf-8", "replace").decode("cp1252", "surrogateescape")
    return read.translate(_NOT_IN_WINDOWS_1252), kind


def unnormalise_text(text: str, rng: np.random.Generator) -> tuple[str, str]:
    """Nearly the same text to the eye in other code points: full-width letters, ligatures, radicals.

    One of the ways that change this text is chosen; a text that none of them changes gets a no-break space
    at its end.
    """
    ways = {
        "full-width letters and digits": _widened(text, rng),
        "ligatures": text.replace("ffi", "ﬃ").replace("fi", "ﬁ").replace("fl", "ﬂ").replace("ff", "ﬀ"),
        "no-break spaces": text.replace(" ", "\u00a0"),
        "circled digits": text.translate(_CIRCLED),
        "radicals for characters": text.translate(_RADICALS),
    }
    changed = [kind for kind, result in ways.items() if result != text]
    if not changed:
        return text + "\u00a0", "no-break space"
    kind = _pick(changed, rng)
    return ways[kind], kind


def _widened(text: str, rng: np.random.Generator) -> str:
    """One run of ASCII letters and digits, or all of them, in full width."""
    places = [place for place, character in enumerate(text) if character.isascii() and character.isalnum()]
    if not places:
        return text
    start = int(rng.integers(len(places)))
    chosen = set(places if rng.random() < 0.5 else places[start : start + 12])
    return "".join(chr(ord(one) + _WIDE_SHIFT) if place in chosen else one for place, one in enumerate(text))


def add_boilerplate(text: str, rng: np.random.Generator) -> tuple[str, str]:
    """A notice of the page it came from, on a line before or behind the text."""
    notice = _pick(phrases()["notices"]["zh" if is_chinese(text) else "en"], rng)
    notice = notice.replace("{year}", str(int(rng.integers(2005, 2026))))
    notice = notice.replace("{number}", str(int(rng.integers(2, 90))))
    before = rng.random() < 0.3
    return (f"{notice}\n{text}" if before else f"{text}\n{notice}"), f"notice: {notice}"


def add_personal_data(text: str, rng: np.random.Generator) -> tuple[str, str]:
    """An invented e-mail address, telephone, identity or card number, or IP address, in a short sentence."""
    language = "zh" if is_chinese(text) else "en"
    leads = phrases()["personal_leads"][language]
    kind = _pick(tuple(leads), rng)
    value = _PERSONAL[kind](language, rng)
    told = _pick(leads[kind], rng).format(value)
    return f"{text} {told}" if language == "en" else text + told, f"{kind}: {value}"


def _email(_: str, rng: np.random.Generator) -> str:
    name = _pick(phrases()["user_names"], rng)
    number = _pick(("", str(int(rng.integers(1, 99)))), rng)
    return f"{name}{number}@{_pick(phrases()['domains'], rng)}"


def _telephone(language: str, rng: np.random.Generator) -> str:
    if language == "zh":
        digits = _pick(phrases()["mobile_prefixes"], rng) + _digits(8, rng)
        form = _pick(("{0}{1}{2}", "{0} {1} {2}", "{0}-{1}-{2}", "+86 {0} {1} {2}"), rng)
        return form.format(digits[:3], digits[3:7], digits[7:])
    # In North America the exchange 555 with 0100 to 0199 is for fiction.
    area, line = _pick(phrases()["area_codes"], rng), f"01{_digits(2, rng)}"
    form = _pick(("({0}) 555-{1}", "{0}-555-{1}", "+1 {0} 555 {1}", "{0}.555.{1}"), rng)
    return form.format(area, line)


def _identity_number(_: str, rng: np.random.Generator) -> str:
    """18 characters; the last one is the check character of GB 11643 (ISO 7064, MOD 11-2)."""
    from stdnum.iso7064 import mod_11_2  # here, because it is slow to import

    birthday = date(1960, 1, 1) + timedelta(days=int(rng.integers(0, 16000)))
    number = f"{_pick(phrases()['regions'], rng)}{birthday:%Y%m%d}{_digits(3, rng)}"
    return number + mod_11_2.calc_check_digit(number)


def _bank_card(_: str, rng: np.random.Generator) -> str:
    """16 digits; the last one is the check digit of ISO/IEC 7812 (Luhn)."""
    from stdnum import luhn

    number = _pick(("4", "51", "62"), rng)
    number += _digits(15 - len(number), rng)
    number += luhn.calc_check_digit(number)
    return _pick(("", " ", "-"), rng).join(number[place : place + 4] for place in range(0, 16, 4))


def _ip_address(_: str, rng: np.random.Generator) -> str:
    start = _pick(("192.0.2", "198.51.100", "203.0.113", f"10.{int(rng.integers(256))}.0"), rng)
    return f"{start}.{int(rng.integers(1, 255))}"


_PERSONAL: dict[str, Callable[[str, np.random.Generator], str]] = {
    "e-mail": _email,
    "telephone": _telephone,
    "identity number": _identity_number,
    "bank card": _bank_card,
    "IP address": _ip_address,
}


def draw_foreign_text(rng: np.random.Generator) -> tuple[str, str]:
    """One or two sentences in a language that is neither English nor Chinese, and the language's name."""
    language = _pick(tuple(phrases()["foreign"]), rng)
    parts = phrases()["foreign"][language]
    gap, end = parts["gap"], parts["end"]
    sentences = [
        gap.join(_pick(parts[part], rng) for part in ("subjects", "verbs", "objects")) + end
        for _ in range(int(rng.integers(1, 3)))
    ]
    return gap.join(sentences), language


def draw_junk_text(rng: np.random.Generator) -> tuple[str, str]:
    """One text that says nothing, and its kind: one of ``TEXT_JUNK_KINDS``."""
    kind = _pick(TEXT_JUNK_KINDS, rng)
    if kind == "empty":
        return _pick(("", " ", "\n", "\t \n", "\u3000"), rng), kind
    if kind == "one character":
        return _pick("aXi7?好的。😀", rng), kind
    if kind == "marks":
        return "".join(_pick("!?.,;-*#@&…。，！？~", rng) for _ in range(int(rng.integers(2, 20)))), kind
    if kind == "one character repeated":
        return _pick("axh0啊哈好=", rng) * int(rng.integers(4, 40)), kind
    if kind == "one word repeated":
        return _pick(("test ", "lol ", "ok, ", "哈哈，", "测试"), rng) * int(rng.integers(4, 12)), kind
    # Bytes of no text, read as Latin-1.
    return bytes(rng.integers(0, 256, int(rng.integers(8, 60)), dtype=np.uint8)).decode("latin-1"), kind


def nearly_copy_text(text: str, rng: np.random.Generator) -> tuple[str, str]:
    """A near-duplicate: a few slips of the pen, at most in 2 % of the characters and at least one.

    A letter dropped, doubled, swapped or replaced, a short word dropped or doubled, another mark at the end;
    in Chinese a character dropped or replaced, or a particle added. It always differs from the text by more
    than case and white space.
    """
    count = max(1, round(rng.uniform(0.2, 1) * _EDIT_SHARE * len(text)))
    plain = "".join(text.lower().split())
    edits = _CHINESE_EDITS if is_chinese(text) else _EDITS
    for _ in range(8):
        changed, kinds = text, []
        for _ in range(count):
            kinds.append(_pick(tuple(edits), rng))
            changed = edits[kinds[-1]](changed, rng)
        if "".join(changed.lower().split()) != plain:
            break
    else:
        changed, kinds = text + "!", ["mark added"]
    return changed, f"{count} edits ({', '.join(dict.fromkeys(kinds[:3]))})"


_Edit = Callable[[str, np.random.Generator], str]


def _at_a_letter(length: int, rewrite: Callable[[str, np.random.Generator], str]) -> _Edit:
    """An edit that rewrites ``length`` letters at a random place; no change where there are none."""

    def edit(text: str, rng: np.random.Generator) -> str:
        for _ in range(20):
            place = int(rng.integers(max(1, len(text) - length + 1)))
            found = text[place : place + length]
            if found.isalpha():
                return text[:place] + rewrite(found, rng) + text[place + length :]
        return text

    return edit


_drop = _at_a_letter(1, lambda found, rng: "")


def _word_edit(text: str, rng: np.random.Generator) -> str:
    words = text.split(" ")
    short = [place for place, word in enumerate(words) if 1 < len(word) < 5 and word.isalpha()]
    if not short:
        return _drop(text, rng)
    place = _pick(short, rng)
    words[place : place + 1] = [] if rng.random() < 0.5 else [words[place]] * 2
    return " ".join(words)


def _mark(text: str, rng: np.random.Generator) -> str:
    end = text[-1:]
    marks = "。！？" if is_chinese(text) else ".!?"
    return (text[:-1] if end in ".!?。！？" else text) + _pick(marks.replace(end, "") if end else marks, rng)


_EDITS: dict[str, _Edit] = {
    "letter dropped": _drop,
    "letter doubled": _at_a_letter(1, lambda found, rng: found * 2),
    "letters swapped": _at_a_letter(2, lambda found, rng: found[::-1]),
    "letter replaced": _at_a_letter(1, lambda found, rng: _pick(_LETTERS, rng)),
    "short word dropped or doubled": _word_edit,
    "mark changed": _mark,
}
_CHINESE_EDITS: dict[str, _Edit] = {
    "character dropped": _drop,
    "character replaced": _at_a_letter(1, lambda found, rng: _pick(_PARTICLES, rng)),
    "particle added": _at_a_letter(1, lambda found, rng: found + _pick(_PARTICLES, rng)),
    "mark changed": _mark,
}
