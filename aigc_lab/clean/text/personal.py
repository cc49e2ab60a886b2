"""Personal data: find it, and mask it. Introduced in notebook 02.

Patterns propose, checks decide: telephone numbers must exist in a numbering plan (phonenumbers, Google's
libphonenumber), Chinese identity numbers must hold a date and end in the right check character (GB 11643),
card numbers must pass Luhn's test (ISO/IEC 7812). What no pattern fits (names, addresses, an e-mail address
written as "name at domain") is not found: read before you publish.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from aigc_lab.clean.findings import findings_table
from aigc_lab.clean.text.forms import as_texts
from aigc_lab.collect.dataset import Dataset

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("e-mail", "identity number", "bank card", "telephone", "IP address")
_PLACE = ("kind", "start", "end", "text")
_SURENESS = {"e-mail": 0.95, "identity number": 0.99, "bank card": 0.8, "telephone": 0.7, "IP address": 0.6}
# Full-width forms, no-break spaces and dashes as ASCII, one character for one, so that places stay.
_SAME_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    **dict.fromkeys((0xA0, 0x2009, 0x202F, 0x3000), 0x20),
    **dict.fromkeys(range(0x2010, 0x2016), 0x2D),
    **{0x2460 + digit: 0x31 + digit for digit in range(9)},
}
_LOCAL = r"[A-Za-z0-9._%+\-]"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(
    rf"(?<!{_LOCAL})[A-Za-z0-9](?:{_LOCAL}{{0,63}}[A-Za-z0-9_+\-])?@(?:{_LABEL}\.){{1,4}}[A-Za-z]{{2,18}}(?![A-Za-z0-9(]|-\d)"
)
_IDENTITY = re.compile(r"(?<![A-Za-z0-9])[1-8]\d{16}[\dXx](?![A-Za-z0-9])")
_CARD = re.compile(
    r"(?<![A-Za-z0-9.])(?<!\d[ \-])[3-6]\d{3}(?:[ \-]?\d{2,6}){2,4}(?![A-Za-z0-9]|\.\d|[ \-]\d)"
)
_CARD_KINDS = re.compile(r"3[47]\d{13}|3[068]\d{12}|[45]\d{15}|2[2-7]\d{14}|6\d{15}|62\d{15,17}")
_PHONE = re.compile(
    r"(?<![A-Za-z0-9_./\-+=#$@%])(?:\+ ?|00)?\(?\d[\d ().\-]{5,20}\d(?![A-Za-z0-9_%]|[./\-]\d)"
)
_PHONE_FORMS = (
    re.compile(r"(?:\+ ?|00)\d[\d ().\-]{6,}"),  # international
    re.compile(r"1[3-9]\d([ \-]?)\d{4}\1\d{4}"),  # mobile, China
    re.compile(r"\(?0\d{2,3}\)?[ \-]\d{3,4}[ \-]?\d{4}"),  # with an area code, China
    re.compile(r"(?:1[ .\-])?(?:\(\d{3}\) ?|\d{3}[.\- ])\d{3}[.\- ]\d{4}"),  # North America
)
_IP4 = re.compile(r"(?<![A-Za-z0-9_.\-])(?:\d{1,3}\.){3}\d{1,3}(?![A-Za-z0-9_\-]|\.\d|/\d)")
_IP6 = re.compile(r"(?<![A-Za-z0-9_:.])[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){3,7}(?![A-Za-z0-9_:])")
_VERSION_BEFORE = re.compile(r"(?:version|release|rev|v|sections?|§|==|>=|<=|版本)[ :\"'“]*$", re.IGNORECASE)


class _Span(NamedTuple):
    kind: str
    start: int
    end: int


def personal_data(dataset: Dataset | Sequence[str], regions: Sequence[str] = ("CN", "US")) -> pd.DataFrame:
    """E-mail addresses, telephone, identity and card numbers, and IP addresses.

    Args:
        dataset: texts.
        regions: ISO 3166 codes; telephone numbers written without a country code are checked against the
            numbering plans of these. The written forms known are those of China and North America.

    Returns:
        Findings, one row for each place, with the columns ``kind``, ``start`` and ``end`` (characters of the
        text) and ``text`` (what stands there). ``reason`` does not repeat it, so that it can be shown.
    """
    texts = as_texts(dataset, "personal_data")
    rows = [(item, span) for item, text in enumerate(texts) for span in _spans(text, tuple(regions))]
    table = findings_table(
        "personal_data",
        [item for item, _ in rows],
        [_SURENESS[span.kind] for _, span in rows],
        [f"{span.kind} in characters {span.start} to {span.end}" for _, span in rows],
    )
    # The table is sorted by score, then item; the rows in the same way.
    rows = sorted(rows, key=lambda row: (-_SURENESS[row[1].kind], row[0]))
    table["kind"] = [span.kind for _, span in rows]
    table["start"] = [span.start for _, span in rows]
    table["end"] = [span.end for _, span in rows]
    table["text"] = [texts[item][span.start : span.end] for item, span in rows]
    return table.astype({"start": "int64", "end": "int64"})


def mask(dataset: Dataset | Sequence[str], findings: Any) -> Any:
    """The texts with each place that ``personal_data`` found replaced by its kind, such as ``[E-MAIL]``.

    Args:
        dataset: the texts that were looked at; they stay as they are.
        findings: what ``personal_data`` returned for them.

    Returns:
        A new data set, or a tuple of texts if no data set was given.

    Raises:
        ValueError: findings without places, or of other texts.
    """
    texts = list(as_texts(dataset, "mask"))
    missing = {"item", *_PLACE} - set(getattr(findings, "columns", ()))
    if missing:
        raise ValueError(f"the findings lack the column {min(missing)!r}; pass what personal_data returned")
    ordered = findings.sort_values(["item", "start"])
    for item, rows in ordered.groupby("item"):
        text = texts[item] if 0 <= item < len(texts) else ""
        pieces, last = [], 0
        for kind, start, end, found in zip(*(rows[name] for name in _PLACE), strict=True):
            if text[start:end] != found or start < last:
                raise ValueError(f"item {item} does not hold what the findings say: they are of other texts")
            pieces += [text[last:start], f"[{kind.upper()}]"]
            last = end
        texts[item] = "".join([*pieces, text[last:]])
    return replace(dataset, data=tuple(texts)) if isinstance(dataset, Dataset) else tuple(texts)


def _spans(text: str, regions: tuple[str, ...]) -> list[_Span]:
    """What is found in one text, in order, without overlaps; the surer kind wins."""
    plain = text if text.isascii() else text.translate(_SAME_WIDTH)
    found: list[_Span] = []
    taken = bytearray()
    for span in _candidates(plain, regions):
        taken = taken or bytearray(len(plain))
        if not any(taken[span.start : span.end]):
            taken[span.start : span.end] = b"\1" * (span.end - span.start)
            found.append(span)
    return sorted(found, key=lambda span: span.start)


def _candidates(text: str, regions: tuple[str, ...]) -> Iterator[_Span]:
    if "@" in text:
        for match in _EMAIL.finditer(text):
            yield _Span("e-mail", *match.span())
    for match in _IDENTITY.finditer(text):
        if _identity_number(match.group()):
            yield _Span("identity number", *match.span())
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match.group())
        if _CARD_KINDS.fullmatch(digits) and _luhn(digits) and len(set(digits)) > 1:
            yield _Span("bank card", *match.span())
    for pattern in (_IP4, _IP6):
        for match in pattern.finditer(text):
            if _somebodys_address(match.group()) and not _VERSION_BEFORE.search(
                text, max(0, match.start() - 12), match.start()
            ):
                yield _Span("IP address", *match.span())
    for match in _PHONE.finditer(text):
        span = _telephone(match, regions)
        if span:
            yield span


def _identity_number(number: str) -> bool:
    """Whether an 18-character Chinese identity number holds a date and the right check character."""
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(number[:17]))
    return 1900 <= born.year <= 2100 and number[17].upper() == "10X98765432"[total % 11]


def _luhn(digits: str) -> bool:
    """Luhn's test: every second digit doubled from the right, the digits of all add up to tens."""
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(value - 9 * (value > 9) for value in doubled) % 10 == 0


def _somebodys_address(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if address.is_loopback or address.is_unspecified or address.is_multicast or address.is_link_local:
        return False
    return address.version == 6 or 3 < int(text.split(".")[0]) < 240  # "1.2.3.4" is mostly a version


def _telephone(match: re.Match[str], regions: tuple[str, ...]) -> _Span | None:
    import phonenumbers  # here, because it is slow to import

    written = match.group()
    start = match.start()
    if written.count("(") != written.count(")") or re.search(r"[ .\-]\d$", written):
        return None
    if not any(form.fullmatch(written) for form in _PHONE_FORMS):
        return None
    international = written.startswith(("+", "00"))
    number = re.sub(r"^00", "+", written)
    for region in (None,) if international else regions:
        try:
            parsed = phonenumbers.parse(number, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(parsed):
            return _Span("telephone", start, match.end())
    return None
