"""The article's 28 claims, and the ledger of what was measured about each.

A notebook ends in a claims cell that calls ``record`` once a claim. What it shows is a sentence for the
reader and, in the same stored output, the numbers for machines; ``ledger`` reads them back from the
notebooks, so that the ledger of the book can never say anything that no notebook has measured.
Introduced in notebook 00.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

MIME_TYPE = "application/vnd.aigc-lab.claim+json"
HOLDS = "holds"
DOES_NOT_HOLD = "does not hold"
HOLDS_ONLY_IF = "holds only if"
UNDECIDED = "undecided"
NOT_MEASURED = "not measured yet"
VERDICTS = (HOLDS, DOES_NOT_HOLD, HOLDS_ONLY_IF, UNDECIDED)
VERDICTS_ZH = {HOLDS: "成立", DOES_NOT_HOLD: "不成立", HOLDS_ONLY_IF: "有条件成立", UNDECIDED: "未定"}


@dataclass(frozen=True)
class Claim:
    """One claim of the article: its number, its words in both languages, the question, the labs."""

    id: str
    claim: str
    claim_zh: str
    question: str
    labs: tuple[int, ...]


@cache
def claims() -> dict[str, Claim]:
    """All claims of the article by number, ``C01`` to ``C28``, in order."""
    rows = json.loads(Path(__file__).with_name("claims.json").read_text(encoding="utf-8"))
    return {row["id"]: Claim(**{**row, "labs": tuple(row["labs"])}) for row in rows}


def verdict(*intervals: Any, above: float | None = None, below: float | None = None) -> str:
    """What intervals say about a threshold, such as a floor: the one rule behind every verdict.

    One interval: ``holds`` if all of it lies on the claimed side, ``does not hold`` if all of it lies on the
    other side (or on the threshold), else ``undecided``: the interval holds both answers. Several intervals,
    one for each condition: ``holds`` or ``does not hold`` if all say so, ``holds only if`` if some hold and
    the others do not, or are undecided; else ``undecided``.

    Args:
        intervals: each a pair (low, high), or a score with ``low`` and ``high`` such as ``evaluate`` gives.
        above, below: the threshold; exactly one of the two, which says where the claimed side is.

    Raises:
        ValueError: no interval, NaN, or not exactly one threshold.
    """
    if not intervals or (above is None) == (below is None):
        raise ValueError("a verdict needs at least one interval, and above=… or below=…")
    sign, threshold = (1.0, above) if below is None else (-1.0, below)
    found = set()
    for interval in intervals:
        ends = (interval.low, interval.high) if hasattr(interval, "low") else tuple(interval)
        low, high = sorted(sign * (float(end) - threshold) for end in ends)
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(f"a verdict needs finite numbers, got the interval {ends} and {threshold}")
        found.add(HOLDS if low > 0 else DOES_NOT_HOLD if high <= 0 else UNDECIDED)
    if len(found) == 1:
        return found.pop()
    return HOLDS_ONLY_IF if HOLDS in found else UNDECIDED


@dataclass(frozen=True)
class Finding:
    """What a notebook measured about one claim; in a notebook it shows as verdict, sentences and number.

    ``number`` is in ``unit``; ``low`` and ``high`` are its interval and ``floor`` is what the same
    measure gives between two sets that do not differ (each None where there is none). ``says`` and
    ``says_zh`` are the notebook's sentence for this verdict, in English and Chinese.
    """

    id: str
    question: str
    number: float
    low: float | None
    high: float | None
    floor: float | None
    unit: str
    verdict: str
    condition: str
    notebook: str
    says: str
    says_zh: str

    @property
    def measured(self) -> str:
        """Number, interval, unit and floor, to three significant digits."""
        words = f"{self.number:.3g}"
        if self.low is not None:
            words += f" [{self.low:.3g}, {self.high:.3g}]"
        if self.unit:
            words += f" {self.unit}"
        if self.floor is not None:
            words += f"; floor {self.floor:.3g}"
        return words

    @property
    def _said(self) -> str:
        return f"{self.verdict} {self.condition}".strip()

    @property
    def sentence(self) -> str:
        """The finding in one line."""
        return f"{self.id} {self._said}. {self.question} Measured: {self.measured}."

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        shown = [
            f"**{self.id} · {self._said} · {VERDICTS_ZH[self.verdict]}**",
            self.question,
            f"{self.says} {self.says_zh}",
            f"Measured: {self.measured}.",
        ]
        return {
            "text/plain": self.sentence,
            "text/markdown": "\n\n".join(shown).replace("<", "&lt;"),
            MIME_TYPE: {**asdict(self), "sentence": self.sentence},
        }


def record(
    claim_id: str,
    *,
    number: float,
    verdict: str,
    says: Mapping[str, tuple[str, str]],
    words: tuple[str, str] = ("", ""),
    question: str = "",
    interval: tuple[float, float] | None = None,
    floor: float | None = None,
    unit: str = "",
    condition: str = "",
    notebook: str = "",
) -> Finding:
    """Say, show and store what was measured about one claim; returns the finding, to assert on.

    Args:
        claim_id: ``C01`` to ``C28``.
        number: what was measured, in ``unit``.
        verdict: what the function ``verdict`` says: ``holds``, ``does not hold``, ``undecided``, or ``holds
            only if``, which ``condition`` completes.
        says: for every verdict that may come out its sentence, in English and in Chinese.
        words: what follows the sentence whatever the verdict, such as the numbers, in both languages.
        question: the question as this notebook asks it; by default the question of the claims table.
        interval: low and high end of ``number``.
        floor: what the same measure gives when nothing differs. An interval or a floor is required:
            a number alone says nothing about chance.
        condition: what must be so; it is left out where the verdict is another than ``holds only if``.
        notebook: name of the notebook, for readers of a single cell; ``ledger`` uses the file's name.

    Raises:
        ValueError: unknown claim or verdict, a number that is not finite, an upside-down interval,
            neither interval nor floor, ``holds only if`` without a condition, or a verdict without its
            two sentences.
    """
    if claim_id not in claims():
        raise ValueError(f"There is no claim {claim_id!r}; they are C01 to C{len(claims()):02d}.")
    if verdict not in VERDICTS:
        raise ValueError(f"{verdict!r} is not a verdict; say one of: {', '.join(VERDICTS)}.")
    if verdict == HOLDS_ONLY_IF and not condition:
        raise ValueError("The verdict 'holds only if' needs condition=…, which completes the sentence.")
    needed = [each for each in VERDICTS if each != HOLDS_ONLY_IF or condition]
    missing = [each for each in needed if len(says.get(each, ())) != 2 or not all(says[each])]
    if missing:
        raise ValueError(
            f"Claim {claim_id} needs says={{{missing[0]!r}: (English sentence, Chinese sentence)}}: another "
            f"machine may come to that verdict. Missing: {', '.join(missing)}."
        )
    if interval is None and floor is None:
        raise ValueError(f"Claim {claim_id} needs interval=(low, high) or floor=…, to judge it by.")
    low, high = interval or (None, None)
    numbers = {}
    for name, value in {"number": number, "low": low, "high": high, "floor": floor}.items():
        numbers[name] = None if value is None else float(value)
        if value is not None and not math.isfinite(value):
            raise ValueError(f"Claim {claim_id}: {name} is {value}; give a finite number.")
    if interval is not None and low > high:
        raise ValueError(f"Claim {claim_id}: the interval ({low}, {high}) is upside down; give (low, high).")
    finding = Finding(
        id=claim_id,
        question=question or claims()[claim_id].question,
        unit=unit,
        verdict=verdict,
        condition=condition if verdict == HOLDS_ONLY_IF else "",
        notebook=notebook,
        says=" ".join(f"{says[verdict][0]} {words[0]}".split()),
        says_zh=" ".join(f"{says[verdict][1]} {words[1]}".split()),
        **numbers,
    )
    import IPython.display

    if IPython.get_ipython() is not None:  # outside of a notebook there is nothing to show it to
        IPython.display.display(finding)
    return finding


def stored_findings(notebook: str | Path) -> list[dict[str, Any]]:
    """The findings stored in the outputs of one notebook file, in the order of its cells.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no notebook, or stores an unknown claim or the same claim twice.
    """
    path = Path(notebook)
    if not path.is_file():
        raise FileNotFoundError(f"There is no notebook {path}; give the path of an .ipynb file.")
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a Jupyter notebook; give the path of an .ipynb file.") from error
    outputs = [output.get("data", {}) for cell in cells for output in cell.get("outputs", ())]
    found = [data[MIME_TYPE] for data in outputs if MIME_TYPE in data]
    names = [finding["id"] for finding in found]
    if strange := [name for name in names if name not in claims()]:
        raise ValueError(f"{path.name} stores claim {strange[0]!r}, which is none of the article's.")
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{path.name} stores claim {twice[0]} twice; record each claim once.")
    return found


def ledger(notebook_paths: Iterable[str | Path]) -> pandas.DataFrame:
    """What was measured about each of the article's claims, read from the notebooks' stored outputs.

    Returns:
        A table of the fields of ``Claim`` and ``Finding``, sorted by claim and then by notebook. A claim
        that several notebooks test has a row for each; a claim that none tests has one row whose
        verdict is ``not measured yet`` and whose numbers are missing.

    Raises:
        FileNotFoundError, ValueError: as ``stored_findings``.
    """
    import pandas

    found: dict[str, list[dict[str, Any]]] = {claim_id: [] for claim_id in claims()}
    for path in sorted(Path(path) for path in notebook_paths):
        for finding in stored_findings(path):
            found[finding["id"]].append({**finding, "notebook": path.stem})
    blank = dict.fromkeys(("condition", "unit", "sentence", "says", "says_zh", "notebook"), "")
    numbers = ("number", "low", "high", "floor")
    blank |= {"verdict": NOT_MEASURED, **dict.fromkeys(numbers)}
    rows = [
        {**asdict(claim), **blank, **row} for claim in claims().values() for row in found[claim.id] or [blank]
    ]
    return pandas.DataFrame(rows).astype(dict.fromkeys(numbers, float))
