"""Clean text: detectors that report issues and change nothing; ``fix`` and ``mask``, which give new texts.

Chinese and English alike. Other people's libraries do what they do well: ftfy undoes mojibake, py3langid
names languages, phonenumbers and python-stdnum know the telephone and identity numbers of the world. They
are imported when first used, because they are slow to import. Introduced in notebook 02.
"""

from __future__ import annotations

import codecs
import html
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_lab.clean.issues import each_alone, issue_table, label_note
from aigc_lab.clean.language import other_language
from aigc_lab.clean.minhash import as_texts, behind_the_first, comparable, near_duplicate_pairs, with_texts
from aigc_lab.clean.personal import mask as mask
from aigc_lab.clean.personal import personal_data
from aigc_lab.collect.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

Texts = Dataset | Sequence[str]


def _issues(detector: str, dataset: Texts, look: Callable[[str], tuple[float, str] | None]) -> pd.DataFrame:
    return each_alone(detector, as_texts(dataset, detector), look)


# --- texts that repeat earlier ones ---


def exact_duplicates(dataset: Texts) -> pd.DataFrame:
    """Texts that equal an earlier one in the form of ``minhash.comparable``. The first one stays.

    Returns:
        Issues with ``duplicate_of``, the first of all that are equal in that form. The score is 1 for the
        very same characters as an earlier text, 0.9 for texts that differ in width, case or white space only.
    """
    texts = as_texts(dataset, "exact_duplicates")
    seen: dict[str, int] = {}
    first = [seen.setdefault(comparable(text), item) for item, text in enumerate(texts)]
    twins: dict[str, int] = {}
    twin = [twins.setdefault(text, item) for item, text in enumerate(texts)]  # character by character
    copies = [item for item in range(len(texts)) if first[item] != item]
    scores = [1.0 if twin[item] != item else 0.9 for item in copies]
    how = {1.0: "same text as", 0.9: "but for width, case and white space the same text as"}
    reasons = [
        f"{how[score]} item {twin[item] if score == 1 else first[item]}"
        f"{label_note(dataset, item, first[item])}"
        for item, score in zip(copies, scores, strict=True)
    ]
    return issue_table("exact_duplicates", copies, scores, reasons, [first[item] for item in copies])


def near_duplicates(dataset: Texts, threshold: float = 0.8) -> pd.DataFrame:
    """Texts whose shingles are nearly those of an earlier one, see ``minhash.near_duplicate_pairs``.

    Texts that are equal in the form of ``minhash.comparable`` are not reported again.

    Returns:
        Issues with ``duplicate_of``, an item that stays (``minhash.behind_the_first``); the score is the
        Jaccard similarity, from ``threshold`` up.
    """
    texts = as_texts(dataset, "near_duplicates")
    items, firsts, found = behind_the_first(*near_duplicate_pairs(texts, threshold))
    reasons = [
        f"nearly item {first}: {share:.0%} of their shingles are the same{label_note(dataset, item, first)}"
        for item, first, share in zip(items, firsts, found, strict=True)
    ]
    return issue_table("near_duplicates", items, found, reasons, firsts)


# --- mojibake: bytes that were read in the wrong encoding ---

_HAN = re.compile("[㐀-䶿一-鿿]")
_LOST = "\ufffd"
# What is left of lost characters: U+FFFD written as UTF-8 and read as GBK, and memory that was never filled.
# One alone in a text is talk about it.
_RESIDUES = re.compile(r"(?:锟斤拷){2,}|\A\s*锟斤拷\s*\Z|烫{3,}|屯{3,}")
# What GBK cannot write becomes a byte that UTF-8 never has.
codecs.register_error("aigc_lab.no_byte_of_utf8", lambda error: (b"\xff", error.start + 1))


def garbled(dataset: Texts) -> pd.DataFrame:
    """Texts that were read in the wrong encoding.

    ftfy (R. Speer) undoes UTF-8 read as Windows-1252, Latin-1 and their kin. It leaves two ways alone in
    which Chinese breaks, so they are undone here: UTF-8 read as GBK and GBK read as Latin-1.

    Returns:
        Issues. The score is 1 where the right encoding gives readable text again (see ``fix``), 0.6 where
        replacement characters, or known residues of them (锟斤拷锟斤拷, 烫烫烫), show that a part is lost.
    """

    def look(text: str) -> tuple[float, str] | None:
        repaired, how = _right_encoding(text)
        if repaired != text:
            before, after = _first_difference(text, repaired)
            return 1.0, f"{how}: {before!r} should be {after!r}"
        residue = _RESIDUES.search(text)
        lost = text.count(_LOST) + sum(len(each.group()) * 2 // 3 for each in _RESIDUES.finditer(text))
        left = f": {residue.group()[:6]!r} is what is left" if residue else ""
        return (0.6, f"{lost} characters were lost when it was decoded{left}") if lost else None

    return _issues("garbled", dataset, look)


def _right_encoding(text: str) -> tuple[str, str]:
    """The text in its right encoding and what had happened; the text itself and "" if nothing had."""
    if text.isascii():
        return text, ""
    if (repaired := _gbk_as_latin(text)) != text:
        return repaired, "GBK read as Latin-1"
    if (repaired := _utf8_as_gbk(text)) != text:
        return repaired, "UTF-8 read as GBK"
    import ftfy

    pieces = re.findall("\n|[^\n]{1,100000}", text)  # ftfy is slow on a line of megabytes
    found = [ftfy.fix_encoding_and_explain(piece) for piece in pieces]
    repaired = "".join(piece for piece, _ in found)
    steps = [step for _, explained in found for step in explained or ()]
    wrong = next((_name(step.parameter) for step in steps if step.action == "encode"), "another encoding")
    right = next((_name(step.parameter) for step in steps if step.action == "decode"), "UTF-8")
    return repaired, f"{right} read as {wrong}" if repaired != text else ""


def _name(encoding: str) -> str:
    """An encoding as people write it: ``sloppy-windows-1252`` is how ftfy calls one with its gaps filled."""
    known = {"utf-8": "UTF-8", "utf-8-variants": "UTF-8", "latin-1": "Latin-1"}
    return known.get(encoding, encoding.removeprefix("sloppy-").replace("windows", "Windows"))


def _gbk_as_latin(text: str) -> str:
    """Undo GBK read as Latin-1, where Chinese as people write it comes out and not a stray character."""
    high = len("".join(re.findall("[\x80-\xff]{2,}", text)))
    if high < 4 or 2 * high < sum(map(str.isalpha, text)) or max(text) > "\xff":
        return text
    repaired = text.encode("latin-1").decode("gbk", "replace")
    chinese = len(_HAN.findall(repaired)) >= max(2, 0.7 * (high // 2))
    # The first level of GB 2312 holds the 3,755 ordinary characters; chance hits the rare ones as often.
    ordinary = len(re.findall("[\xb0-\xd7][\xa1-\xfe]", text)) >= max(3, 0.9 * (high // 2))
    usual = ordinary or _common(repaired) >= 0.1 * (high // 2)
    return repaired if _LOST not in repaired and chinese and usual else text


def _utf8_as_gbk(text: str) -> str:
    """Undo UTF-8 read as GBK; characters whose bytes were lost come back as U+FFFD."""
    if len(_HAN.findall(text)) < 3:
        return text
    stored = text.encode("gbk", "aigc_lab.no_byte_of_utf8")
    repaired = re.sub(f"{_LOST}+", _LOST, stored.decode("utf-8", "replace"))
    found, lost = len(_HAN.findall(repaired)), repaired.count(_LOST)
    outside = sum(character > "\x7f" for character in repaired) - lost
    if found < 2 or lost > max(1, 0.5 * found) or found < 0.7 * outside:
        return text
    return repaired if _common(repaired) >= _common(text) else text


def _common(text: str) -> int:
    """How many characters are of those in nearly every Chinese text, modern or old."""
    return sum(map(_wordings()["common characters"].__contains__, text))


def _first_difference(before: str, after: str) -> tuple[str, str]:
    """Where two texts begin to differ: 24 characters of each, from a little before on."""
    unlike = (place for place, (one, two) in enumerate(zip(before, after, strict=False)) if one != two)
    start = max(0, next(unlike, min(len(before), len(after))) - 4)
    pieces = (text[start : start + 24].encode("utf-8", "backslashreplace") for text in (before, after))
    # A lone surrogate can be neither printed nor kept in a table: it is shown by its number.
    one, two = (piece.decode() for piece in pieces)
    return one, two


# --- one form for what looks the same ---

# The punctuation of Chinese and Japanese, with the space and the full-width and small marks.
_WIDE_MARKS = "\u3000！＂＃％＆＇（）＊，－．／：；？＠［＼］＿｛｝～＾｀＄＋＜＝＞｜￥｡｢｣､︰-﹏﹐-﹫"
# Marks of print and raised or lowered figures, which lose their meaning.
_ALWAYS = "\u2025\u2026™℠ªº²³¹⁰-ₜ¼-¾⅐-⅟↉´¨¯¸˘-˝"
_EAST_ASIAN = "[\u3005-\u3007\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\U00020000-\U0003347f]"
_KEPT, _KEPT_EAST_ASIAN = f"([{_ALWAYS}]+)", f"([{_ALWAYS}{_WIDE_MARKS}]+)"


def normal_form(text: str) -> str:
    """NFKC (Unicode Standard Annex 15), but for what it would spoil.

    NFKC turns full-width letters, ligatures, radicals and half-width kana into the ordinary characters. It
    also turns the punctuation of every Chinese text into ASCII ("，" into ","), "10²" into "102" and "½" into
    three characters. So raised figures, fractions and the dots of an ellipsis stay and, in a text with
    Chinese, Japanese or Korean characters, their full-width punctuation.
    """
    if text.isascii():
        return text
    pieces = _pieces(text)
    pieces[::2] = [unicodedata.normalize("NFKC", piece) for piece in pieces[::2]]
    return "".join(pieces)


def _pieces(text: str) -> list[str]:
    """The text cut up: pieces to normalise at even places, what is kept between them."""
    return re.split(_KEPT_EAST_ASIAN if re.search(_EAST_ASIAN, text) else _KEPT, text)


def unnormalised(dataset: Texts) -> pd.DataFrame:
    """Texts with characters that only look like the ordinary ones, see ``normal_form``.

    A model takes "ｆｉｎｅ", "ﬁne" and "fine" for three words, and a search finds one of them.

    Returns:
        Issues; the score is the share of the characters that would change, from above 0 to 1.
    """

    def look(text: str) -> tuple[float, str] | None:
        normal = normal_form(text)
        if normal == text:
            return None
        pieces = "".join(_pieces(text)[::2])
        changed = [character for character in pieces if not unicodedata.is_normalized("NFKC", character)]
        before, after = _first_difference(text, normal)
        names = dict.fromkeys(unicodedata.name(character, "unnamed").lower() for character in changed[:50])
        what = ", ".join(list(names)[:2]) or "letters and their accents apart"
        return max(1, len(changed)) / len(text), f"{what}: {before!r} should be {after!r}"

    return _issues("unnormalised", dataset, look)


# --- markup that was left in the text ---

_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|[a-zA-Z]{2,31}\d{0,2});")
_TAGS = (
    "a|abbr|b|big|blockquote|br|center|code|dd|del|div|dl|dt|em|font|h[1-6]|hr|i|img|li|ol|p|pre|s|small|span"
)
_TAG = re.compile(
    rf"</?(?:{_TAGS}|strong|sub|sup|table|tbody|td|th|tr|u|ul)(?:\s[^<>]{{0,300}})?/?>", re.IGNORECASE
)


def markup(dataset: Texts) -> pd.DataFrame:
    """Texts in which HTML is left: entities such as ``&amp;`` and tags such as ``<p>``.

    Returns:
        Issues. The score is 0.9 for entities, which ``fix`` turns into their characters, and 0.7 for tags,
        which it takes out: in a text about HTML they are the text.
    """

    def look(text: str) -> tuple[float, str] | None:
        entity, tag = _first_entity(text), _TAG.search(text)
        if entity:
            return 0.9, f"{entity!r} is HTML for {html.unescape(entity)!r}"
        return (0.7, f"a tag of HTML: {tag.group()[:40]!r}") if tag else None

    return _issues("markup", dataset, look)


def _first_entity(text: str) -> str:
    found = (each.group() for each in _ENTITY.finditer(text) if html.unescape(each.group()) != each.group())
    return next(found, "")


# --- notices that say something of the page and nothing of the text ---

_EDGE = 5000  # characters from either end are looked at


def boilerplate(dataset: Texts) -> pd.DataFrame:
    """Texts that hold a notice: copyright, licence, cookies, subscription, navigation, advertisement.

    Two ways to find one. Known wordings, English and Chinese (``notices.yaml``), in the first or last 5,000
    characters. And lines of at least four words (eight Chinese characters) that stand among the first or
    last three of a hundredth of the different texts, and of five at least: what every page of a site repeats.
    An issue says where to look; a licence, for example, must be read before it is cut.

    Returns:
        Issues; the score is 0.9 for known wordings, for repeated lines 0.5 and more with their share.
    """
    texts = as_texts(dataset, "boilerplate")
    lines_of = {text: _edge_lines(text) for text in texts}
    counts = Counter(line for lines in lines_of.values() for line in lines)
    least = max(5, 0.01 * len(lines_of))

    def look(text: str) -> tuple[float, str] | None:
        edges = text if len(text) <= 2 * _EDGE else f"{text[:_EDGE]}\n{text[-_EDGE:]}"
        for about, pattern in _wordings()["notices"].items():
            if found := pattern.search(edges):
                start = edges.rfind("\n", 0, found.start()) + 1
                place = edges[max(start, found.start() - 20) : found.end() + 20].split("\n")[0]
                return 0.9, f"{about} notice: {place!r}"
        again = max((line for line in lines_of[text] if counts[line] >= least), key=counts.get, default=None)
        if again is None:
            return None
        score = 0.5 + 0.4 * counts[again] / len(lines_of)
        return score, f"{counts[again]} different texts have this line: {again[:60]!r}"

    return _issues("boilerplate", dataset, look)


@lru_cache(maxsize=1)
def _wordings() -> dict[str, Any]:
    """What ``notices.yaml`` holds, its regular expressions compiled: one for each kind of notice."""
    import yaml

    read = yaml.safe_load(resources.files(__package__).joinpath("notices.yaml").read_text("utf-8"))
    flags = re.IGNORECASE | re.MULTILINE
    notices = {about: re.compile("|".join(some), flags) for about, some in read["notices"].items()}
    return {"notices": notices, "common characters": frozenset("".join(read["common characters"]))}


def _edge_lines(text: str) -> frozenset[str]:
    """The first and last three lines that are long enough to be a notice; none if there is a single line.

    Shorter lines, such as "else:" or the name of a speaker, repeat for good reasons.
    """
    if "\n" not in text:
        return frozenset()
    first, last = (
        [line for line in end.splitlines() if line.strip()] for end in (text[:_EDGE], text[-_EDGE:])
    )
    return frozenset(
        comparable(line)
        for line in first[:3] + last[-3:]
        if not line.startswith("#!")  # which program runs a script
        and (
            len(re.findall("[぀-ヿ㐀-䶿一-鿿가-힯]", line)) >= 8 or len(re.findall(r"[^\W\d_]{2,}", line)) >= 4
        )
    )


# --- texts that say nothing ---

_LAYOUT = "\t\n\r\f\v\x85"


def uninformative(dataset: Texts) -> pd.DataFrame:
    """Texts that are empty, a single character, marks without a letter, one thing repeated, or no text.

    A text of more than 100,000 characters is judged by its beginning.

    Returns:
        Issues. The score is 1 for nothing at all and for bytes that are no text, 0.9 for a single
        character, 0.8 for marks only, 0.7 for a piece of up to 12 characters, four times or more.
    """

    def look(text: str) -> tuple[float, str] | None:
        looked_at = text[:100_000]
        visible = "".join(looked_at.split())
        if not visible:
            return (1.0, "empty") if not text.strip() else None
        kinds = ((unicodedata.category(character), character) for character in looked_at)
        strange = sum(kind in ("Cc", "Cs", "Co", "Cn") and one not in _LAYOUT for kind, one in kinds)
        if "\0" in text or strange > max(1, 0.1 * len(looked_at)):
            return (
                1.0,
                f"no text: {strange} of {len(looked_at)} characters are control characters or unassigned",
            )
        if len(visible) == 1:
            return 0.9, f"a single character, {visible!r}"
        # Letters, numbers, and symbols such as emoji: for most texts one of the first characters settles it.
        if not any(unicodedata.category(character).startswith(("L", "N", "So")) for character in visible):
            return 0.8, f"marks only: {visible[:20]!r}"
        for length in range(1, min(12, len(visible) // 4) + 1):
            if visible[length:] == visible[:-length]:
                return 0.7, f"{visible[:length]!r}, {len(visible) // length} times"
        return None

    return _issues("uninformative", dataset, look)


# --- repair ---

# Control characters but for the layout, the mark of byte order, invisible breaks and lone surrogates. Joiners
# (U+200C, U+200D) stay: emoji and Persian need them; so do the marks of writing direction.
_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u2060\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_TIDY = (
    (re.compile("\r\n|[\r\f\x85\u2028\u2029]"), "\n"),
    (re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f]"), " "),
    (re.compile("[ \t\u3000]+(?=\n)"), ""),
    (re.compile("\n{4,}"), "\n\n\n"),
)


def fix(dataset: Texts) -> tuple[Any, pd.DataFrame]:
    """Repair encodings, drop control characters, bring characters to one form, tidy white space.

    Nothing is dropped that a reader would miss: indentation, double spaces inside a line and single empty
    lines stay, so that program code and poems survive. Fixing twice changes nothing more. The given set
    stays as it is.

    Returns:
        The fixed data set (or tuple of texts, if no data set was given), and a table of what was changed:
        ``item``, ``change`` ("encoding", "markup", "control characters", "normal form" or "white space"),
        ``before`` and ``after`` (where the change begins).
    """
    import pandas as pd

    steps = {
        "encoding": lambda text: _RESIDUES.sub(_LOST, _right_encoding(text)[0]),
        "markup": lambda text: _ENTITY.sub(lambda each: html.unescape(each.group()), _TAG.sub("", text)),
        "control characters": lambda text: _CONTROL.sub("", text),
        "normal form": normal_form,
        "white space": _tidy,
    }
    fixed, rows = [], []
    for item, text in enumerate(as_texts(dataset, "fix")):
        changed: dict[str, tuple[str, str]] = {}
        for _ in range(10):  # one repair can make way for another
            start = text
            for change, step in steps.items():
                before, text = text, step(text)
                if text != before:
                    changed.setdefault(change, _first_difference(before, text))
            if text == start:
                break
        fixed.append(text)
        rows += [(item, change, *pieces) for change, pieces in changed.items()]
    table = pd.DataFrame(rows, columns=["item", "change", "before", "after"]).astype({"item": "int64"})
    return with_texts(dataset, fixed), table


def _tidy(text: str) -> str:
    """One kind of line end and of space, no space before them, at most two empty lines, none at the ends."""
    for pattern, instead in _TIDY:
        text = pattern.sub(instead, text)
    text = text.lstrip("\n\v")
    stripped = text.rstrip()
    return stripped + "\n" if stripped and "\n" in text[len(stripped) :] else stripped


# --- all of them ---

# Each corruption that shows in a text, with the detector that looks for it.
DETECTORS: Mapping[str, Callable[..., pd.DataFrame]] = {
    "exact_duplicate": exact_duplicates,
    "near_duplicate": near_duplicates,
    "mojibake": garbled,
    "unnormalised": unnormalised,
    "boilerplate": boilerplate,
    "personal_data": personal_data,
    "junk": uninformative,
    "foreign_language": other_language,
}


def detect_all(dataset: Texts) -> dict[str, pd.DataFrame]:
    """Every detector's issues, keyed by the corruption it looks for.

    ``other_language`` comes last and looks only at texts that are neither garbled nor empty of meaning:
    mojibake is a language of its own to any model.
    """
    found = {name: find(dataset) for name, find in DETECTORS.items() if find is not other_language}
    readable = np.ones(len(as_texts(dataset, "detect_all")), dtype=bool)
    for name in ("mojibake", "junk"):
        readable[found[name]["item"]] = False
    found["foreign_language"] = other_language(dataset, among=readable)
    return found
