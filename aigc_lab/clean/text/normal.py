"""One form for what looks the same: Unicode normalisation with care. Introduced in notebook 02.

NFKC turns full-width letters, ligatures, radicals and half-width kana into the ordinary characters
(Unicode Standard Annex 15). It also turns the punctuation of every Chinese text into ASCII ("，" into ","),
"10²" into "102" and "½" into three characters. So it is applied to everything but these.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aigc_lab.clean.findings import findings_table
from aigc_lab.clean.text.encodings import first_difference
from aigc_lab.clean.text.forms import as_texts
from aigc_lab.collect.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

# The punctuation of Chinese and Japanese, with the space and the full-width and small marks.
_WIDE_MARKS = "\u3000！＂＃％＆＇（）＊，－．／：；？＠［＼］＿｛｝～＾｀＄＋＜＝＞｜￥｡｢｣､︰-﹏﹐-﹫"
# Marks of print and raised or lowered figures, which lose their meaning.
_ALWAYS = "\u2025\u2026™℠ªº²³¹⁰-ₜ¼-¾⅐-⅟↉´¨¯¸˘-˝"
_EAST_ASIAN = re.compile(
    "[\u3005-\u3007\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\U00020000-\U0003347f]"
)
_KEPT = re.compile(f"([{_ALWAYS}]+)")
_KEPT_EAST_ASIAN = re.compile(f"([{_ALWAYS}{_WIDE_MARKS}]+)")


def normal_form(text: str, keep_punctuation: bool = True) -> str:
    """NFKC, but for what it would spoil.

    Args:
        text: one text.
        keep_punctuation: leave raised figures, fractions and the dots of an ellipsis alone and, in a text
            with Chinese, Japanese or Korean characters, their full-width punctuation; False: plain NFKC.
    """
    if text.isascii():
        return text
    pieces = _pieces(text, keep_punctuation)
    pieces[::2] = [unicodedata.normalize("NFKC", piece) for piece in pieces[::2]]
    return "".join(pieces)


def _pieces(text: str, keep_punctuation: bool) -> list[str]:
    """The text cut up: pieces to normalise at even places, what is kept between them."""
    if not keep_punctuation:
        return [text]
    return (_KEPT_EAST_ASIAN if _EAST_ASIAN.search(text) else _KEPT).split(text)


def unnormalised(dataset: Dataset | Sequence[str], keep_punctuation: bool = True) -> pd.DataFrame:
    """Texts with characters that only look like the ordinary ones.

    A model takes "ｆｉｎｅ", "ﬁne" and "fine" for three words, and a search finds one of them.

    Args:
        dataset: texts.
        keep_punctuation: see ``normal_form``; False reports nearly every Chinese text.

    Returns:
        Findings; the score is the share of the characters that would change, from above 0 to 1.
    """
    items, scores, reasons = [], [], []
    for item, text in enumerate(as_texts(dataset, "unnormalised")):
        if text.isascii():
            continue
        normal = normal_form(text, keep_punctuation)
        if normal == text:
            continue
        pieces = "".join(_pieces(text, keep_punctuation)[::2])
        changed = [character for character in pieces if not unicodedata.is_normalized("NFKC", character)]
        before, after = first_difference(text, normal)
        items.append(item)
        scores.append(max(1, len(changed)) / len(text))
        names = dict.fromkeys(unicodedata.name(character, "unnamed").lower() for character in changed[:50])
        what = ", ".join(list(names)[:2]) or "letters and their accents apart"
        reasons.append(f"{what}: {before!r} should be {after!r}")
    return findings_table("unnormalised", items, scores, reasons)
