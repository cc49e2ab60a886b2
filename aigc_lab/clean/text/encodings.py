"""Mojibake: text whose bytes were read in the wrong encoding. Introduced in notebook 02.

ftfy (R. Speer) undoes UTF-8 read as Windows-1252, Latin-1 and their kin. It leaves two ways alone in which
Chinese breaks, so they are undone here: UTF-8 read as GBK ("浣犲ソ" for "你好") and GBK read as Latin-1
("ÄãºÃ" for "你好").
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aigc_lab.clean.findings import findings_table
from aigc_lab.clean.text.forms import as_texts
from aigc_lab.collect.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

_HAN = re.compile("[㐀-䶿一-鿿]")
# Characters that are in nearly every Chinese text, modern or old, simplified or traditional.
_COMMON = re.compile(
    "[的一是不了在人有我他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好"
    "都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长吗呢吧什谁哪很"
    "請這們說會對時來國個為過裡後開從見長無發麼還沒學書與東門風山月花春何處君]"
)
_HIGH_RUN = re.compile("[\x80-\xff]{2,}")
_LOST = "\ufffd"
_PIECE = 100_000  # characters: a longer line is repaired in pieces


def garbled(dataset: Dataset | Sequence[str]) -> pd.DataFrame:
    """Texts that were read in the wrong encoding.

    Args:
        dataset: texts.

    Returns:
        Findings. The score is 1 where the right encoding gives readable text again (see ``mend``), 0.6 where
        replacement characters show that a part of the text is lost.
    """
    items, scores, reasons = [], [], []
    for item, text in enumerate(as_texts(dataset, "garbled")):
        if text.isascii():
            continue
        repaired, how = repaired_encoding(text)
        if repaired != text:
            before, after = first_difference(text, repaired)
            items.append(item)
            scores.append(1.0)
            reasons.append(f"{how}: {before!r} should be {after!r}")
        elif _LOST in text:
            items.append(item)
            scores.append(0.6)
            reasons.append(f"{text.count(_LOST)} characters were lost when it was decoded")
    return findings_table("garbled", items, scores, reasons)


def repaired_encoding(text: str) -> tuple[str, str]:
    """The text in its right encoding and what had happened; the text itself and "" if nothing had."""
    if text.isascii():
        return text, ""
    repaired = _from_latin(text)
    if repaired != text:
        return repaired, "GBK read as Latin-1"
    repaired = _from_gbk(text)
    if repaired != text:
        return repaired, "UTF-8 read as GBK"
    import ftfy  # here, because it is slow to import

    pieces = []
    for line in re.split("(\n)", text):
        for start in range(0, len(line), _PIECE):
            pieces.append(ftfy.fix_encoding(line[start : start + _PIECE]))
    repaired = "".join(pieces)
    return (repaired, "UTF-8 read in a one-byte encoding") if repaired != text else (text, "")


def _from_latin(text: str) -> str:
    """Undo GBK read as Latin-1, or as Windows-1252."""
    high = "".join(_HIGH_RUN.findall(text))
    letters = sum(character.isalpha() for character in text)
    if len(high) < 4 or 2 * len(high) < letters or any(ord(character) > 0xFF for character in text):
        return text
    try:
        repaired = text.encode("latin-1").decode("gbk")
    except UnicodeDecodeError:
        return text
    return repaired if _reads_as_chinese(repaired, len(high) // 2) else text


def _from_gbk(text: str) -> str:
    """Undo UTF-8 read as GBK; characters whose bytes were lost come back as U+FFFD."""
    if len(_HAN.findall(text)) < 3:
        return text
    stored = text.encode("gbk", "aigc_lab.no_byte_of_utf8")
    repaired = re.sub(f"{_LOST}+", _LOST, stored.decode("utf-8", "replace"))
    found = len(_HAN.findall(repaired))
    lost = repaired.count(_LOST)
    outside = sum(ord(character) > 0x7F for character in repaired) - lost
    if found < 2 or lost > max(1, 0.5 * found) or found < 0.7 * outside:
        return text
    return repaired if len(_COMMON.findall(repaired)) >= len(_COMMON.findall(text)) else text


# What GBK cannot write becomes a byte that UTF-8 never has.
codecs.register_error("aigc_lab.no_byte_of_utf8", lambda error: (b"\xff", error.start + 1))


def _reads_as_chinese(text: str, pairs: int) -> bool:
    """Whether what came out is Chinese as people write it, and not by chance a character here and there."""
    return len(_HAN.findall(text)) >= max(2, 0.7 * pairs) and len(_COMMON.findall(text)) >= 0.1 * pairs


def first_difference(before: str, after: str, length: int = 24) -> tuple[str, str]:
    """Where two texts begin to differ: a piece of each, from a little before on."""
    place = 0
    shorter = min(len(before), len(after))
    while place < shorter and before[place] == after[place]:
        place += 1
    start = max(0, place - 4)
    pieces = (text[start : start + length] for text in (before, after))
    # A lone surrogate can be neither printed nor kept in a table: it is shown by its number.
    one, two = (piece.encode("utf-8", "backslashreplace").decode("utf-8") for piece in pieces)
    return one, two
