"""Texts in a language that was not asked for. Introduced in notebook 02.

The script decides where it can: Cyrillic letters in an English set need no model. Among languages of the
Latin script py3langid (A. Barbaresi, after M. Lui and T. Baldwin 2012, "langid.py") decides, if the text is
long enough and the answer is clear: on a few words any such model guesses.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from aigc_lab.clean.issues import each_alone
from aigc_lab.clean.minhash import as_texts
from aigc_lab.collect.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

# By script, the languages that write it; the first stands for it where nothing else is known.
_WRITTEN_IN = {
    "HAN": "zh ja",
    "KANA": "ja",
    "HANGUL": "ko",
    "CYRILLIC": "ru uk bg sr mk be kk mn",
    "ARABIC": "ar fa ur ps ug",
    "GREEK": "el",
    "HEBREW": "he",
    "THAI": "th",
    "DEVANAGARI": "hi mr ne",
    "LATIN": "en de fr es it pt nl sv da no fi pl cs sk sl hr hu ro tr id vi ca et lv lt la",
}
_WEIGHT = {"HAN": 2.5, "KANA": 1.5, "HANGUL": 2.0}  # letters that a character is worth


class _Judged(NamedTuple):
    """What can be said of one text: shares of its letters by script, chances of the Latin languages."""

    language: str
    script: str
    shares: Mapping[str, float]
    chances: Mapping[str, float]


def other_language(
    dataset: Dataset | Sequence[str],
    expected: str | Sequence[str] | None = None,
    among: np.ndarray | None = None,
) -> pd.DataFrame:
    """Texts that are in none of the expected languages.

    A text in an expected script is reported if it is in none of the languages with a probability of 0.9 or
    more. So 2 of the 1,167 English dialogues are reported (one of them is French), 60 of 6,938 speeches of
    Shakespeare (names, exclamations, Latin), and every German, French or Spanish text of ``corrupt``.

    Args:
        expected: codes of ISO 639-1, such as ``"en"`` or ``("en", "zh")``; None: the languages that at least
            a tenth of the texts are in.
        among: booleans ``(n,)``, the texts to look at; None: all.

    Returns:
        Issues; the score is the share of the letters that are of a strange script, or the probability that
        it is another language. Texts of fewer than 16 Latin letters are not judged.

    Raises:
        ValueError: no texts, or an expected language that is not known.
    """
    texts = as_texts(dataset, "other_language")
    looked_at = np.ones(len(texts), dtype=bool) if among is None else among
    judged = [_judged(text) if looked else None for text, looked in zip(texts, looked_at, strict=True)]
    languages = _expected(expected, [found for found in judged if found])

    def look(found: _Judged | None) -> tuple[float, str] | None:
        score = _strangeness(found, languages) if found else 0.0
        if not score:
            return None
        script, names = found.script.lower(), " or ".join(languages)
        return score, f"reads as {found.language} ({script} script), expected {names}"

    return each_alone("other_language", judged, look)


def _strangeness(found: _Judged, languages: Sequence[str]) -> float:
    """The share of strange letters or, in an expected script, the chance of other languages; 0 if too low."""
    scripts = {script for script, codes in _WRITTEN_IN.items() if set(codes.split()) & set(languages)}
    share = sum(found.shares.get(script, 0.0) for script in scripts)
    if found.language == "ja":  # the Chinese characters in it do not make it Chinese
        share = float("ja" in languages)
    if share < 0.3:  # names and terms are often foreign
        return 1 - share
    if found.script != "LATIN" or "LATIN" not in scripts:
        return 0.0  # neighbours such as Russian and Ukrainian are not told apart
    known = sum(found.chances.get(language, 0.0) for language in languages)
    strange = found.shares["LATIN"] * (1 - known)
    return strange if strange >= 0.9 else 0.0


def _expected(expected: Any, judged: Collection[_Judged]) -> tuple[str, ...]:
    if expected is None:
        counts = Counter(one.language for one in judged).most_common()
        return tuple(code for code, count in counts if 10 * count >= len(judged)) or ("en",)
    codes = (expected,) if isinstance(expected, str) else tuple(expected)
    known = set(" ".join(_WRITTEN_IN.values()).split())
    if not codes or not all(isinstance(code, str) and code in known for code in codes):
        raise ValueError(f"expected must be ISO 639-1 codes such as 'en' or 'zh', got {expected!r}")
    return codes


def _judged(text: str) -> _Judged | None:
    """What can be said of a text; None if it has too few letters to say anything."""
    text = text[:2000]
    weights: Counter[str] = Counter()
    for character, count in Counter(filter(str.isalpha, text)).items():
        weights[_script(character)] += count * _WEIGHT.get(_script(character), 1.0)
    if not weights:
        return None
    shares = {script: weight / weights.total() for script, weight in weights.items()}
    script = max(shares, key=shares.__getitem__)
    if shares.get("KANA", 0) >= 0.1 and shares["KANA"] + shares.get("HAN", 0) >= 0.5:
        return _Judged("ja", "KANA", shares, {})
    if script != "LATIN":
        language = _WRITTEN_IN[script].split()[0] if script in _WRITTEN_IN else script.lower()
        return _Judged(language, script, shares, {}) if weights[script] >= 3 else None
    if weights["LATIN"] < 16:
        return None
    chances = dict(_identifier().rank(text.lower()))
    return _Judged(max(chances, key=chances.__getitem__), script, shares, chances)


@lru_cache(maxsize=65536)
def _script(character: str) -> str:
    name = unicodedata.name(character, "UNKNOWN")
    first = name.split(" ", 1)[0].split("-", 1)[0]
    if first in ("HIRAGANA", "KATAKANA") or name.startswith("HALFWIDTH KATAKANA"):
        return "KANA"
    if first in ("CJK", "KANGXI"):
        return "HAN"
    return "LATIN" if first in ("FULLWIDTH", "FEMININE", "MASCULINE", "MICRO") else first


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(_WRITTEN_IN["LATIN"].split())
    return identifier
