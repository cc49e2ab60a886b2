"""Licences read by program: from words to SPDX identifiers, from these to a family and what it asks for.

A table of families, not a lawyer: what it cannot read is ``NOASSERTION``, never a guess. Whether the weights
of a model are an adaptation of its training data is disputed; ``strictest`` takes the careful side.
Introduced in notebook 20.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

UNKNOWN = "NOASSERTION"  # SPDX for: nothing was said
# Pattern in words, SPDX identifier, family; the first that fits takes its words, so the narrow come first.
_WORDS = tuple(
    (re.compile(pattern, re.IGNORECASE), name, kind)
    for pattern, name, kind in (
        (r"states? (none|no licen[cs]e)|not stated|unknown|no licen[cs]e|not answered", UNKNOWN, "unknown"),
        (r"no known (copyright )?restrictions?", "LicenseRef-no-known-restrictions", "unknown"),
        (r"unrestricted use", "LicenseRef-unrestricted-use", "unknown"),
        (r"CC[ -]BY-NC(-SA|-ND)?[ -]?(\d\.\d)?", "CC-BY-NC{1}-{2}", "non-commercial"),
        (r"CC[ -]BY-SA[ -]?(\d\.\d)", "CC-BY-SA-{1}", "share-alike"),
        (r"CC[ -]BY-ND[ -]?(\d\.\d)", "CC-BY-ND-{1}", "no derivatives"),
        (r"CC[ -]BY[ -]?(\d\.\d)", "CC-BY-{1}", "attribution"),
        (r"CC0([ -]1\.0)?", "CC0-1.0", "public domain"),
        (r"ODbL([ -]1\.0)?|Open Database Licen[cs]e", "ODbL-1.0", "share-alike"),
        (r"public[ -]domain", "LicenseRef-public-domain", "public domain"),
        (r"AGPL\S*|Affero", "AGPL-3.0-or-later", "strong copyleft"),
        (r"LGPL-([\d.]+)-(only|or-later)", "LGPL-{1}-{2}", "weak copyleft"),
        (r"LGPLv2\+?|Lesser General Public License v2", "LGPL-2.1-or-later", "weak copyleft"),
        (r"LGPL|Lesser General Public License", "LicenseRef-LGPL", "weak copyleft"),
        (r"GPL-([\d.]+)-(only|or-later)", "GPL-{1}-{2}", "strong copyleft"),
        (r"GPLv3\+?|General Public License v3", "GPL-3.0-or-later", "strong copyleft"),
        (r"GPL|GNU General Public License", "LicenseRef-GPL", "strong copyleft"),
        (r"MPL[ -]?2\.0|Mozilla Public License 2\.0", "MPL-2.0", "weak copyleft"),
        (r"Apache", "Apache-2.0", "permissive"),
        (r"MIT-CMU|HPND", "MIT-CMU", "permissive"),
        (r"MIT-0", "MIT-0", "permissive"),
        (r"\bMIT\b|Permission is hereby granted, free of charge", "MIT", "permissive"),
        (r"0BSD", "0BSD", "permissive"),
        (r"BSD.?3\S*|3.?Clause( BSD)?|Neither the name", "BSD-3-Clause", "permissive"),
        (r"BSD.?2\S*|2.?Clause( BSD)?|Redistribution and use in source", "BSD-2-Clause", "permissive"),
        (r"\bBSD\b", "LicenseRef-BSD", "permissive"),
        (r"\bISC\b", "ISC", "permissive"),
        (r"PSF-2\.0|PSFL?\b|Python Software Foundation", "PSF-2.0", "permissive"),
        (r"CNRI-Python", "CNRI-Python", "permissive"),
        (r"\bZlib\b", "Zlib", "permissive"),
    )
)
# Family -> may be used commercially, what it asks for, what is made from it may be. From mild to strict.
FAMILIES: dict[str, tuple[bool | None, tuple[str, ...], str]] = {
    "public domain": (True, (), "anything"),
    "permissive": (True, ("keep the notice",), "anything, with the notice"),
    "attribution": (True, ("name the author", "state changes"), "anything, with the author named"),
    "weak copyleft": (True, ("keep the notice", "source of this part"), "anything; this part stays open"),
    "share-alike": (
        True,
        ("name the author", "state changes", "same licence"),
        "under the same licence only",
    ),
    "strong copyleft": (
        True,
        ("keep the notice", "source of the whole"),
        "under the same licence, with source",
    ),
    "no derivatives": (True, ("name the author", "nothing made from it"), "not shared at all"),
    "non-commercial": (False, ("name the author", "no commercial use"), "not for commercial use"),
    "unknown": (None, ("read it or ask",), "not known: ask first"),
}
_ORDER = tuple(FAMILIES)


@dataclass(frozen=True)
class Licence:
    """What was read of one thing: ``spdx`` identifiers, what was ``said``, and where it was ``read_from``."""

    name: str
    spdx: tuple[str, ...]
    said: str
    read_from: str = "card"

    @property
    def family(self) -> str:
        return max((family(one) for one in self.spdx), key=_ORDER.index)

    @property
    def obligations(self) -> tuple[str, ...]:
        """What all of its licences ask for, each once."""
        return tuple(dict.fromkeys(each for one in self.spdx for each in FAMILIES[family(one)][1]))

    @property
    def commercial(self) -> bool | None:
        """May it be used commercially? None: it does not say."""
        answers = {FAMILIES[family(one)][0] for one in self.spdx}
        return False if False in answers else None if None in answers else True

    def row(self) -> dict[str, Any]:
        """As a row of a table."""
        words = {True: "yes", False: "no", None: "not known"}[self.commercial]
        asks = "; ".join(self.obligations) or "nothing"
        made = FAMILIES[self.family][2]
        found = {"name": self.name, "licence": " AND ".join(self.spdx), "family": self.family}
        return found | {"asks for": asks, "commercial": words, "what is made from it": made}


def read(words: str) -> tuple[str, ...]:
    """SPDX identifiers that some words name, in their order; ``("NOASSERTION",)`` where they name none.

    ``A OR B`` in an SPDX expression is a choice: the mildest is taken. ``LicenseRef-`` marks what has no
    identifier of its own.
    """
    if re.search(r"[\w)] OR [\w(]", words):
        choices = [read(part) for part in words.split(" OR ")]
        return min(choices, key=lambda names: max(_ORDER.index(family(one)) for one in names))
    found: list[tuple[int, str]] = []
    rest = words
    for pattern, name, _ in _WORDS:
        for match in pattern.finditer(rest):
            parts = [match.group(0), *(group or "" for group in match.groups())]
            found.append((match.start(), name.format(*parts).rstrip("-")))
        rest = pattern.sub(lambda match: " " * len(match.group(0)), rest)
    return tuple(dict.fromkeys(name for _, name in sorted(found))) or (UNKNOWN,)


def family(spdx: str) -> str:
    """The family of an SPDX identifier; ``"unknown"`` where the table of words does not know it."""
    return next((kind for pattern, _, kind in _WORDS if pattern.search(spdx)), "unknown")


def strictest(licences: Iterable[str]) -> str:
    """The licence that a model's weights may carry, if weights are an adaptation of all of their data.

    Data that say nothing leave it unknown. One share-alike licence wins over everything milder, a later
    version of the same one over an earlier (CC BY-SA allows it). Without one the strictest family remains,
    the first of it where there are several: the notices and names of all are owed anyhow.

    Raises:
        ValueError: no licence; two that exclude each other, such as CC-BY-SA with ODbL or with CC-BY-NC.
    """
    names = list(dict.fromkeys(licences))
    if not names:
        raise ValueError("there is no licence to combine; read one from a data card first")
    kinds = {name: family(name) for name in names}
    closed = [name for name in names if kinds[name] == "no derivatives"]
    if closed:
        raise ValueError(f"{closed[0]} lets nothing be shared that is made from it; leave these data out")
    if "unknown" in kinds.values():
        return UNKNOWN
    same = [name for name in names if kinds[name] in ("share-alike", "strong copyleft")]
    stems = {re.sub(r"-[\d.]+(-only|-or-later)?$", "", name) for name in same}
    others = [name for name in names if kinds[name] == "non-commercial"]
    if len(stems) > 1 or (stems and others):
        pair = sorted({*same, *others})[:2]
        raise ValueError(f"{pair[0]} and {pair[1]} exclude each other; train on one of them, or ask")
    return max(same) if same else max(names, key=lambda name: _ORDER.index(kinds[name]))


def package(name: str) -> Licence:
    """The licence of a package by its SPDX expression, its field, its classifiers or its text, in this order.

    Of a package that is not installed here nothing is known.
    """
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return Licence(name, (UNKNOWN,), "not installed here", "by hand")
    field = (told.get("License") or "").strip()
    labels = [
        one.split("::")[-1].strip() for one in told.get_all("Classifier") or [] if one.startswith("License")
    ]
    short, long = (field, "") if len(field) < 100 else ("", field)
    for where, words in (
        ("expression", told.get("License-Expression") or ""),
        ("field", short),
        ("classifier", " AND ".join(labels)),
        ("text", long[:3000]),
    ):
        spdx = read(words)
        if UNKNOWN not in spdx:
            if spdx == ("LicenseRef-BSD",):  # which of them, the text says
                spdx = tuple(one for one in read(long[:3000]) if one.startswith("BSD"))[:1] or spdx
            return Licence(name, spdx, words[:80], where)
    return Licence(name, (UNKNOWN,), field[:80] or "nothing", "by hand")


def data_sets(names: Sequence[str] = ()) -> list[Licence]:
    """The licences of the data sets that ``collect`` knows, read from their cards.

    A card that says "as NAME" has the licences of that set as well; where every item has its own
    (``photos``), all of them count.
    """
    from aigc_lab import collect

    found = []
    for name in names or collect.names():
        said = collect.card(name).licence
        words = "; ".join(collect.photo_licences().values()) if "photo_licences" in said else said
        for other in collect.names():
            words += f"; {collect.card(other).licence}" if f"as {other}" in said else ""
        found.append(Licence(name, read(words), said))
    return found
