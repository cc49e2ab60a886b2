"""What each defect does to one text. Introduced in notebook 02.

Every function takes a text and a random generator, leaves the text as it is, and returns a new one with
a short note that says what was done. Chinese texts are damaged the Chinese way: UTF-8 read as GBK, full-width
digits, notices and telephone numbers as they stand on Chinese pages.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from aigc_lab.corrupt.text_parts import NOTICES, PERSONAL_LEADS, personal_value

_EDIT_SHARE = 0.02  # of the characters: how much of a text a near-copy changes at most
_TYPOGRAPHIC = str.maketrans({"'": "’", '"': "”", "-": "–", "`": "‘"})
_PARTICLES = "啊吧呢了的嘛也就还"
_LETTERS = "etaoinshrdlu"
_WIDE_SHIFT = 0xFEE0  # from an ASCII character to its full-width form
_CIRCLED = str.maketrans("123456789", "①②③④⑤⑥⑦⑧⑨")
# Radicals of the Kangxi dictionary look like these characters; text copied from PDF files often has them.
_RADICALS = str.maketrans(
    "一人力口大女子小山工心手日月水生用目老言", "⼀⼈⼒⼝⼤⼥⼦⼩⼭⼯⼼⼿⽇⽉⽔⽣⽤⽬⽼⾔"
)


def is_chinese(text: str) -> bool:
    """Whether at least a quarter of the visible characters are Chinese ones."""
    visible = sum(not character.isspace() for character in text)
    return visible > 0 and 4 * sum("一" <= character <= "鿿" for character in text) >= visible


def _pick(options: list | tuple | str, rng: np.random.Generator):
    return options[int(rng.integers(len(options)))]


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
    stored = text.encode("utf-8", "replace")
    # Five bytes have no character in Windows-1252; browsers read them as control characters.
    return "".join(_windows_1252(byte) for byte in stored), kind


def _windows_1252(byte: int) -> str:
    if byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D):
        return chr(byte)
    return bytes([byte]).decode("windows-1252")


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
    return "".join(
        chr(ord(character) + _WIDE_SHIFT) if place in chosen else character
        for place, character in enumerate(text)
    )


def add_boilerplate(text: str, rng: np.random.Generator) -> tuple[str, str]:
    """A notice of the page it came from, on a line before or behind the text."""
    notice = _pick(NOTICES["zh" if is_chinese(text) else "en"], rng)
    notice = notice.replace("{year}", str(int(rng.integers(2005, 2026))))
    notice = notice.replace("{number}", str(int(rng.integers(2, 90))))
    before = rng.random() < 0.3
    return (f"{notice}\n{text}" if before else f"{text}\n{notice}"), f"notice: {notice}"


def add_personal_data(text: str, rng: np.random.Generator) -> tuple[str, str]:
    """An invented e-mail address, telephone, identity or card number, or IP address, in a short sentence."""
    language = "zh" if is_chinese(text) else "en"
    kind = _pick(tuple(PERSONAL_LEADS[language]), rng)
    value = personal_value(kind, language, rng)
    told = _pick(PERSONAL_LEADS[language][kind], rng).format(value)
    return f"{text} {told}" if language == "en" else text + told, f"{kind}: {value}"


def nearly_copy_text(text: str, rng: np.random.Generator) -> tuple[str, str]:
    """A near-duplicate: a few slips of the pen, at most in 2 % of the characters and at least one.

    A letter dropped, doubled, swapped or replaced, a short word dropped or doubled, another mark at the end;
    in Chinese a character dropped or replaced, or a particle added. It always differs from the text by more
    than case and white space.
    """
    count = max(1, round(rng.uniform(0.2, 1) * _EDIT_SHARE * len(text)))
    plain = "".join(text.lower().split())
    kinds: list[str] = []
    edits = _CHINESE_EDITS if is_chinese(text) else _EDITS
    for _ in range(8):
        changed, kinds = text, []
        for _ in range(count):
            kind = _pick(tuple(edits), rng)
            changed = edits[kind](changed, rng)
            kinds.append(kind)
        if "".join(changed.lower().split()) != plain:
            break
    else:
        changed, kinds = text + "!", ["mark added"]
    return changed, f"{count} edits ({', '.join(dict.fromkeys(kinds[:3]))})"


def _letter_place(text: str, rng: np.random.Generator, room: int = 1) -> int | None:
    """A random place where letters stand, with ``room`` characters in reach; None if there is none."""
    for _ in range(20):
        place = int(rng.integers(max(1, len(text) - room + 1)))
        if text[place : place + room].isalpha():
            return place
    return None


def _drop(text: str, rng: np.random.Generator) -> str:
    place = _letter_place(text, rng)
    return text if place is None else text[:place] + text[place + 1 :]


def _double(text: str, rng: np.random.Generator) -> str:
    place = _letter_place(text, rng)
    return text if place is None else text[:place] + text[place] + text[place:]


def _swap(text: str, rng: np.random.Generator) -> str:
    place = _letter_place(text, rng, 2)
    return text if place is None else text[:place] + text[place + 1] + text[place] + text[place + 2 :]


def _replace(text: str, rng: np.random.Generator) -> str:
    place = _letter_place(text, rng)
    return text if place is None else text[:place] + _pick(_LETTERS, rng) + text[place + 1 :]


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


def _replace_character(text: str, rng: np.random.Generator) -> str:
    place = _letter_place(text, rng)
    return text if place is None else text[:place] + _pick(_PARTICLES, rng) + text[place + 1 :]


def _add_particle(text: str, rng: np.random.Generator) -> str:
    place = _letter_place(text, rng)
    return text if place is None else text[: place + 1] + _pick(_PARTICLES, rng) + text[place + 1 :]


_Edit = Callable[[str, np.random.Generator], str]
_EDITS: dict[str, _Edit] = {
    "letter dropped": _drop,
    "letter doubled": _double,
    "letters swapped": _swap,
    "letter replaced": _replace,
    "short word dropped or doubled": _word_edit,
    "mark changed": _mark,
}
_CHINESE_EDITS: dict[str, _Edit] = {
    "character dropped": _drop,
    "character replaced": _replace_character,
    "particle added": _add_particle,
    "mark changed": _mark,
}
