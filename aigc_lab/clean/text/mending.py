"""Mend what can be mended, and keep the record. Introduced in notebook 02."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aigc_lab.clean.text.encodings import first_difference, repaired_encoding
from aigc_lab.clean.text.forms import as_texts
from aigc_lab.clean.text.normal import normal_form
from aigc_lab.collect.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("item", "change", "before", "after")
_ROUNDS = 10
# Control characters but for the layout, the mark of byte order, invisible breaks and lone surrogates. Joiners
# (U+200C, U+200D) stay: emoji and Persian need them; so do the marks of writing direction.
_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u2060\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_LINE_END = re.compile("\r\n|[\r\f\x85\u2028\u2029]")
_SPACE = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f]")
_LINE_TAIL = re.compile("[ \t\u3000]+(?=\n)")
_MANY_EMPTY_LINES = re.compile("\n{4,}")


def mend(
    dataset: Dataset | Sequence[str], encoding: bool = True, keep_punctuation: bool = True
) -> tuple[Any, pd.DataFrame]:
    """Repair encodings, drop control characters, bring characters to one form, tidy white space.

    Nothing is dropped that a reader would miss: indentation, double spaces inside a line and single empty
    lines stay, so that program code and poems survive. Mending twice changes nothing more.

    Args:
        dataset: texts; they stay as they are.
        encoding: undo mojibake, see ``garbled``.
        keep_punctuation: True leaves the full-width punctuation of Chinese, raised figures and fractions
            alone; False is plain NFKC. Why True: "，" and "," are different marks to a reader of Chinese,
            and "10²" is not "102". See ``normal_form``.

    Returns:
        The mended data set (or tuple of texts, if no data set was given), and a table of what was changed:
        ``item``, ``change`` ("encoding", "control characters", "normal form" or "white space"), ``before``
        and ``after`` (where the change begins).
    """
    import pandas as pd  # here, because it is slow to import

    mended, rows = [], []
    for item, text in enumerate(as_texts(dataset, "mend")):
        before = text
        changed: dict[str, tuple[str, str]] = {}
        for _ in range(_ROUNDS):
            start = before
            for change, after in _steps(before, encoding, keep_punctuation):
                if after != before:
                    changed.setdefault(change, first_difference(before, after))
                before = after
            if before == start:
                break
        mended.append(before)
        rows += [(item, change, *pieces) for change, pieces in changed.items()]
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"item": "int64"})
    data = tuple(mended)
    return (replace(dataset, data=data) if isinstance(dataset, Dataset) else data), table


def _steps(text: str, encoding: bool, keep_punctuation: bool):
    if encoding:
        text = repaired_encoding(text)[0]
        yield "encoding", text
    text = _CONTROL.sub("", text)
    yield "control characters", text
    text = normal_form(text, keep_punctuation)
    yield "normal form", text
    yield "white space", tidy(text)


def tidy(text: str) -> str:
    """One kind of line end and of space, no space before them, at most two empty lines, none at the ends.

    A line end behind the last line stays.
    """
    text = _SPACE.sub(" ", _LINE_END.sub("\n", text))
    text = _MANY_EMPTY_LINES.sub("\n\n\n", _LINE_TAIL.sub("", text)).lstrip("\n\v")
    stripped = text.rstrip()
    return stripped + "\n" if stripped and "\n" in text[len(stripped) :] else stripped
