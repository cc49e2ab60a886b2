"""Personal data in texts: find it, and mask it. Introduced in notebook 02.

Patterns propose, checks decide: telephone numbers must exist in a numbering plan (phonenumbers, which is
Google's libphonenumber); Chinese identity numbers, IBANs and card numbers (Luhn) must pass the check of
python-stdnum. What no pattern fits (names, addresses, an e-mail address written as
"name at domain") is not found: read before you publish.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_lab.clean.issues import issue_table
from aigc_lab.clean.minhash import as_texts, with_texts
from aigc_lab.collect.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

_SURENESS = {
    "identity number": 0.99,
    "e-mail": 0.95,
    "bank account": 0.95,
    "bank card": 0.8,
    "telephone": 0.7,
    "IP address": 0.6,
}
# Full-width forms, no-break spaces and dashes as ASCII, one character for one, so that places stay.
_SAME_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    **dict.fromkeys((0xA0, 0x2009, 0x202F, 0x3000), 0x20),
    **dict.fromkeys(range(0x2010, 0x2016), 0x2D),
    **{0x2460 + digit: 0x31 + digit for digit in range(9)},
}
_LOCAL, _LABEL = r"[A-Za-z0-9._%+\-]", r"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(
    rf"(?<!{_LOCAL})[A-Za-z0-9](?:{_LOCAL}{{0,63}}[A-Za-z0-9_+\-])?@(?:{_LABEL}\.){{1,4}}[A-Za-z]{{2,18}}(?![A-Za-z0-9(]|-\d)"
)
# Numbers with a check digit: kind, how they are written, the module of python-stdnum.
_NUMBERS = (
    ("identity number", r"(?<![A-Za-z0-9])[1-8]\d{5}(?:19|20)\d{9}[\dXx](?![A-Za-z0-9])", "cn.ric"),
    (
        "bank account",
        r"(?<![A-Za-z0-9])[A-Z]{2}\d\d(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])",
        "iban",
    ),
    (
        "bank card",
        r"(?<![A-Za-z0-9.])(?<!\d[ \-])[2-6]\d{3}(?:[ \-]?\d{2,6}){2,4}(?![A-Za-z0-9]|\.\d|[ \-]\d)",
        "luhn",
    ),
)
_CARD_KINDS = re.compile(r"3[47]\d{13}|3[068]\d{12}|[45]\d{15}|2[2-7]\d{14}|6\d{15}|62\d{15,17}")
_IP = re.compile(
    r"(?<![A-Za-z0-9_.\-])(?:\d{1,3}\.){3}\d{1,3}(?![A-Za-z0-9_\-]|\.\d|/\d)"
    r"|(?<![A-Za-z0-9_:.])[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){3,7}(?![A-Za-z0-9_:])"
)
_VERSION_BEFORE = re.compile(r"(?:version|release|rev|v|sections?|§|==|>=|<=|版本)[ :\"'“]*$", re.IGNORECASE)
_MANY_DIGITS = re.compile(r"\d(?:[ ().\-/]*\d){6}")
# What stands before or behind a number that is a part of something else.
_BEFORE, _BEHIND = re.compile(r"[A-Za-z0-9_./\-+=#$£€¥@%]$"), re.compile(r"[A-Za-z0-9_%]|[./\-]\d")


REGIONS = ("CN", "US", "GB")


def checked_regions(regions: Sequence[str] | str) -> tuple[str, ...]:
    """Regions whose telephone numbers are sought, as codes; ``"all"`` are all that phonenumbers knows.

    Raises:
        ValueError: an unknown region.
    """
    from phonenumbers import SUPPORTED_REGIONS

    known = sorted(SUPPORTED_REGIONS)
    wanted = tuple(known) if regions == "all" else tuple(regions)
    unknown = [region for region in wanted if region not in known]
    if unknown:
        raise ValueError(
            f"there is no region {unknown[0]!r}; give codes such as 'CN', 'IN' or 'DE' in a list, or 'all'"
        )
    return wanted


_Span = tuple[str, int, int]  # kind, start, end


def personal_data(dataset: Dataset | Sequence[str], regions: Sequence[str] | str = REGIONS) -> pd.DataFrame:
    """E-mail addresses, telephone, identity, bank account and card numbers, and IP addresses.

    Args:
        regions: ISO 3166 codes, or ``"all"``; telephone numbers written without a country code are checked
            against the numbering plans of these. With ``"all"``, many a number is one somewhere.

    Returns:
        Issues, one row for each place, with the columns ``kind``, ``start`` and ``end`` (characters of the
        text) and ``text`` (what stands there). ``reason`` does not repeat it, so that it can be shown.

    Raises:
        ValueError: a region that phonenumbers does not know.
    """
    regions = checked_regions(regions)
    texts = as_texts(dataset, "personal_data")
    rows = [(item, *span) for item, text in enumerate(texts) for span in _spans(text, regions)]
    rows.sort(key=lambda row: -_SURENESS[row[1]])  # as issue_table sorts: by score, then item
    scores = [_SURENESS[kind] for _, kind, _, _ in rows]
    reasons = [f"{kind} in characters {start} to {end}" for _, kind, start, end in rows]
    table = issue_table("personal_data", [row[0] for row in rows], scores, reasons)
    places = [(kind, start, end, texts[item][start:end]) for item, kind, start, end in rows]
    table[["kind", "start", "end", "text"]] = np.array(places, dtype=object).reshape(-1, 4)
    return table.astype({"kind": object, "start": np.int64, "end": np.int64, "text": object})


def mask(dataset: Dataset | Sequence[str], issues: Any) -> Any:
    """The texts with each place that ``personal_data`` found replaced by its kind, such as ``[E-MAIL]``.

    Returns:
        A new data set, or a tuple of texts if no data set was given.

    Raises:
        ValueError: issues without places, or of other texts.
    """
    texts = list(as_texts(dataset, "mask"))
    missing = {"item", "kind", "start", "end", "text"} - set(getattr(issues, "columns", ()))
    if missing:
        raise ValueError(f"the issues lack the column {min(missing)!r}; pass what personal_data returned")
    for row in issues.sort_values("start", ascending=False).itertuples():  # from the end: places stay
        text = texts[row.item] if row.item < len(texts) else ""
        if text[row.start : row.end] != row.text:
            raise ValueError(f"item {row.item} does not hold what the issues say: they are of other texts")
        texts[row.item] = f"{text[: row.start]}[{row.kind.upper()}]{text[row.end :]}"
    return with_texts(dataset, texts)


def _spans(text: str, regions: tuple[str, ...]) -> list[_Span]:
    """What is found in one text, in order, without overlaps; the kind that is looked for first wins."""
    text = text if text.isascii() else text.translate(_SAME_WIDTH)
    if "@" not in text and not re.search(r"\d|::", text):
        return []
    found, taken = [], bytearray(len(text))
    for kind, start, end in _candidates(text, regions):
        if not any(taken[start:end]):
            taken[start:end] = b"\1" * (end - start)
            found.append((kind, start, end))
    return sorted(found, key=lambda span: span[1])


def _candidates(text: str, regions: tuple[str, ...]) -> Iterator[_Span]:
    if "@" in text:
        yield from (("e-mail", *match.span()) for match in _EMAIL.finditer(text))
    for kind, pattern, checked_by in _NUMBERS:
        for match in re.finditer(pattern, text):
            if _is_valid(match.group(), checked_by):
                yield kind, *match.span()
    for match in _IP.finditer(text):
        before = text[max(0, match.start() - 12) : match.start()]
        if _somebodys_address(match.group()) and not _VERSION_BEFORE.search(before):
            yield "IP address", *match.span()
    yield from _telephones(text, regions)


def _is_valid(written: str, checked_by: str) -> bool:
    """Whether python-stdnum finds the number right."""
    check, number = import_module(f"stdnum.{checked_by}"), re.sub(r"[ \-]", "", written)
    if checked_by == "cn.ric":
        # Its list of places is left out: it takes a county that is younger than its inhabitant for an error.
        with contextlib.suppress(ValueError):
            return check.get_birth_date(number) and check.calc_check_digit(number) == number[-1].upper()
        return False
    if checked_by == "luhn" and not (_CARD_KINDS.fullmatch(number) and len(set(number)) > 1):
        return False
    return check.is_valid(number)


def _somebodys_address(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if address.is_loopback or address.is_unspecified or address.is_multicast or address.is_link_local:
        return False
    return address.version == 6 or 3 < address.packed[0] < 240  # "1.2.3.4" is mostly a version


def _telephones(text: str, regions: tuple[str, ...]) -> Iterator[_Span]:
    """Numbers that exist in a plan and are written as one: with + or 0, or in the usual groups of digits.

    A bare row of digits that needs neither could be any number; only mobile numbers, as Chinese ones are
    written, pass.
    """
    for line in re.finditer("[^\n]+", text):
        if not _MANY_DIGITS.search(line.group()):
            continue
        # The matcher takes no number beside an accented letter.
        plain = re.sub(r"[^\x00-\x7f]", " ", line.group())
        from phonenumbers import Leniency, PhoneNumberMatcher, PhoneNumberType, number_type

        for leniency, region in product((Leniency.VALID, Leniency.EXACT_GROUPING), regions):
            for match in PhoneNumberMatcher(plain, region, leniency):
                written, start, end = match.raw_string, line.start() + match.start, line.start() + match.end
                mobile = number_type(match.number) == PhoneNumberType.MOBILE
                grouped = leniency == Leniency.EXACT_GROUPING and (mobile or not written.isdigit())
                if _BEFORE.search(text, max(0, start - 1), start) or _BEHIND.match(text, end):
                    continue
                if re.search(r"[ .\-/]\d$", written):  # a single last digit is a decimal or a list
                    continue
                if grouped or ("." not in written and written.lstrip("(").startswith(("+", "0"))):
                    yield "telephone", start, end
