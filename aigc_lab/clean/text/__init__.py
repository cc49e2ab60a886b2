"""Clean text: what is wrong with it, found by detectors that return findings and change nothing.

Chinese and English alike. Introduced in notebook 02.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from aigc_lab.clean.text.content import uninformative
from aigc_lab.clean.text.duplicates import (
    behind_the_first,
    exact_duplicates,
    groups,
    near_duplicate_pairs,
    near_duplicates,
)
from aigc_lab.clean.text.encodings import garbled
from aigc_lab.clean.text.forms import as_texts, comparable
from aigc_lab.clean.text.language import other_language
from aigc_lab.clean.text.mending import mend
from aigc_lab.clean.text.minhash import (
    band_keys,
    bands_for,
    candidate_pairs,
    content_order,
    estimated_similarity,
    minhash,
    s_curve,
)
from aigc_lab.clean.text.normal import normal_form, unnormalised
from aigc_lab.clean.text.notices import boilerplate
from aigc_lab.clean.text.personal import mask, personal_data
from aigc_lab.clean.text.shingles import jaccard, shingles, similarities
from aigc_lab.collect.dataset import Dataset

# Each defect of the dial that shows in a text, with the detector that looks for it.
DETECTORS: Mapping[str, Any] = MappingProxyType(
    {
        "exact_duplicate": exact_duplicates,
        "near_duplicate": near_duplicates,
        "mojibake": garbled,
        "unnormalised": unnormalised,
        "boilerplate": boilerplate,
        "personal_data": personal_data,
        "junk": uninformative,
        "foreign_language": other_language,
    }
)

__all__ = [
    "DETECTORS",
    "band_keys",
    "bands_for",
    "behind_the_first",
    "boilerplate",
    "candidate_pairs",
    "comparable",
    "content_order",
    "detect_all",
    "estimated_similarity",
    "exact_duplicates",
    "garbled",
    "groups",
    "jaccard",
    "mask",
    "mend",
    "minhash",
    "near_duplicate_pairs",
    "near_duplicates",
    "normal_form",
    "other_language",
    "personal_data",
    "s_curve",
    "shingles",
    "similarities",
    "uninformative",
    "unnormalised",
]


def detect_all(dataset: Dataset | Sequence[str], expected: Any = None) -> dict[str, Any]:
    """Every detector's findings, keyed by the defect it looks for.

    ``other_language`` comes last and looks only at texts that are neither garbled nor empty of meaning:
    mojibake is a language of its own to any model.

    Args:
        dataset: texts.
        expected: languages, see ``other_language``.
    """
    found = {defect: find(dataset) for defect, find in DETECTORS.items() if find is not other_language}
    readable = np.ones(len(as_texts(dataset, "detect_all")), dtype=bool)
    for defect in ("mojibake", "junk"):
        readable[found[defect]["item"]] = False
    found["foreign_language"] = other_language(dataset, expected, among=readable)
    return found
