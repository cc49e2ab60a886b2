"""Texts in a language that was not asked for. Introduced in notebook 02.

The script decides where it can: Cyrillic letters in an English set need no model. Among languages of one
script py3langid (A. Barbaresi, after M. Lui and T. Baldwin 2012, "langid.py") decides, if the text is long
enough and the answer is clear: on a few words any such model guesses.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from aigc_lab.clean.findings import checked_number, findings_table
from aigc_lab.clean.text.forms import as_texts
from aigc_lab.collect.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

_LOOKED_AT = 2000  # characters
_FEWEST_LETTERS = 16  # below it a Latin text is not judged
_ENOUGH = 0.3  # share of an expected script from which a mixed text passes: names and terms are often foreign
_COMMON_SHARE = 0.1  # of the texts: languages that the set itself is in
# By script, the languages that write it; the first stands for it where nothing else is known.
_WRITTEN_IN = {
    "HAN": ("zh", "ja"),
    "KANA": ("ja",),
    "HANGUL": ("ko",),
    "CYRILLIC": ("ru", "uk", "bg", "sr", "mk", "be", "kk", "mn"),
    "ARABIC": ("ar", "fa", "ur", "ps", "ug"),
    "GREEK": ("el",),
    "HEBREW": ("he",),
    "THAI": ("th",),
    "DEVANAGARI": ("hi", "mr", "ne"),
    "LATIN": (
        *("en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "no", "fi", "pl", "cs", "sk", "sl", "hr"),
        *("hu", "ro", "tr", "id", "vi", "ca", "et", "lv", "lt", "la"),
    ),
}
_WEIGHT = {"HAN": 2.5, "KANA": 1.5, "HANGUL": 2.0}  # letters that a character is worth
_KANA_NAMES = ("HIRAGANA", "KATAKANA")


def other_language(
    dataset: Dataset | Sequence[str],
    expected: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None = None,
    sureness: float = 0.9,
    among: np.ndarray | None = None,
) -> pd.DataFrame:
    """Texts that are in none of the expected languages.

    Args:
        dataset: texts.
        expected: codes of ISO 639-1, such as ``"en"`` or ``("en", "zh")``; or, for a labelled set, the codes
            of each class by its name; None: the languages that at least a tenth of the texts are in.
        sureness: a text in the expected script is reported if the probability that it is in none of the
            expected languages reaches this. At the default, 2 of the 1,167 English dialogues are reported
            (one of them is French) and 60 of 6,938 speeches of Shakespeare (names, exclamations, Latin), and
            every German, French or Spanish text of the dial.
        among: booleans ``(n,)``, the texts to look at; None: all.

    Returns:
        Findings; the score is the share of the letters that are of a strange script, or the probability that
        it is another language. Texts of fewer than 16 Latin letters are not judged.

    Raises:
        ValueError: no texts, no expected language, a class without one, or a mask of another length.
    """
    texts = as_texts(dataset, "other_language")
    sureness = checked_number("sureness", sureness, 0, 1)
    looked_at = np.ones(len(texts), dtype=bool) if among is None else np.asarray(among)
    if looked_at.shape != (len(texts),) or looked_at.dtype != bool:
        raise ValueError(f"among must be booleans of shape ({len(texts)},), got {looked_at.dtype}")
    judged = [_judged(text) if look else None for text, look in zip(texts, looked_at, strict=True)]
    wanted = _wanted(dataset, expected, judged)
    items, scores, reasons = [], [], []
    for item, (found, languages) in enumerate(zip(judged, wanted, strict=True)):
        score = 0.0 if found is None else found.strangeness(languages)
        if score > 0 and (score >= sureness or not found.in_a_script_of(languages)):
            items.append(item)
            scores.append(score)
            names = " or ".join(languages)
            reasons.append(f"reads as {found.language} ({found.script.lower()} script), expected {names}")
    return findings_table("other_language", items, scores, reasons)


class _Judged(NamedTuple):
    """What can be said of one text.

    ``shares`` are the shares of its letters by script; ``probabilities`` are those of the languages of the
    Latin script, empty for a text in another.
    """

    language: str
    script: str
    shares: Mapping[str, float]
    probabilities: Mapping[str, float]

    def in_a_script_of(self, languages: Sequence[str]) -> bool:
        """Whether enough of it is written in a script that one of the languages uses."""
        return self._share(languages) >= _ENOUGH

    def strangeness(self, languages: Sequence[str]) -> float:
        """From 0 to 1: the share of strange letters or, in an expected script, of other languages."""
        if not self.in_a_script_of(languages):
            return 1 - self._share(languages)
        if self.script != "LATIN" or not _scripts_of(languages) & {"LATIN"}:
            return 0.0  # neighbours such as Russian and Ukrainian are not told apart
        expected = sum(self.probabilities.get(language, 0.0) for language in languages)
        return max(0.0, self.shares["LATIN"] * (1 - expected))

    def _share(self, languages: Sequence[str]) -> float:
        if self.language == "ja":  # the Chinese characters in it do not make it Chinese
            return float("ja" in languages)
        return sum(self.shares.get(script, 0.0) for script in _scripts_of(languages))


def _scripts_of(languages: Sequence[str]) -> set[str]:
    return {script for script, codes in _WRITTEN_IN.items() if set(codes) & set(languages)}


def _wanted(dataset: Any, expected: Any, judged: list[_Judged | None]) -> list[tuple[str, ...]]:
    """The expected languages of every text."""
    if expected is None:
        found = [one.language for one in judged if one is not None]
        counts = Counter(found).most_common()
        common = tuple(code for code, count in counts if count >= _COMMON_SHARE * len(found))
        return [common or ("en",)] * len(judged)
    if isinstance(expected, Mapping):
        if not isinstance(dataset, Dataset) or dataset.labels is None:
            raise ValueError("expected languages by class need a data set with labels")
        missing = [name for name in dataset.counts() if name not in expected]
        if missing:
            raise ValueError(f"expected names no language for the class {missing[0]!r}")
        by_class = [_codes(expected[name]) for name in dataset.class_names]
        return [by_class[label] for label in dataset.labels]
    return [_codes(expected)] * len(judged)


def _codes(expected: Any) -> tuple[str, ...]:
    codes = (expected,) if isinstance(expected, str) else tuple(expected)
    known = {code for written in _WRITTEN_IN.values() for code in written}
    if not codes or not all(isinstance(code, str) and code in known for code in codes):
        raise ValueError(f"expected must be ISO 639-1 codes such as 'en' or 'zh', got {expected!r}")
    return codes


def _judged(text: str) -> _Judged | None:
    """What can be said of a text; None if it has too few letters to say anything."""
    weights = _scripts(text[:_LOOKED_AT])
    total = sum(weights.values())
    if not total:
        return None
    shares = {script: weight / total for script, weight in weights.items()}
    script = max(shares, key=shares.__getitem__)
    if shares.get("KANA", 0) >= 0.1 and shares["KANA"] + shares.get("HAN", 0) >= 0.5:
        return _Judged("ja", "KANA", shares, {})
    if script != "LATIN":
        language = _WRITTEN_IN[script][0] if script in _WRITTEN_IN else script.lower()
        return _Judged(language, script, shares, {}) if weights[script] >= 3 else None
    if weights["LATIN"] < _FEWEST_LETTERS:
        return None
    probabilities = dict(_identifier().rank(text[:_LOOKED_AT].lower()))
    return _Judged(max(probabilities, key=probabilities.__getitem__), script, shares, probabilities)


def _scripts(text: str) -> dict[str, float]:
    """How many letters of each script, a Chinese character counting as two and a half."""
    if text.isascii():
        letters = sum(map(str.isalpha, text))
        return {"LATIN": float(letters)} if letters else {}
    found: dict[str, float] = {}
    for character in text:
        if character.isalpha():
            script = _script(character)
            found[script] = found.get(script, 0.0) + _WEIGHT.get(script, 1.0)
    return found


@lru_cache(maxsize=65536)
def _script(character: str) -> str:
    name = unicodedata.name(character, "UNKNOWN")
    first = name.split(" ", 1)[0].split("-", 1)[0]
    if first in _KANA_NAMES or name.startswith("HALFWIDTH KATAKANA"):
        return "KANA"
    if first in ("CJK", "KANGXI"):
        return "HAN"
    return "LATIN" if first in ("FULLWIDTH", "FEMININE", "MASCULINE", "MICRO") else first


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # here, because it is slow to import

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(_WRITTEN_IN["LATIN"]))
    return identifier
