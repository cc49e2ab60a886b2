"""Stage 2, clean: find what is wrong with the data, drop it, and keep the record.

A detector looks and returns a findings table; it changes nothing. ``apply`` takes the findings
and returns the kept items together with what was dropped and why. ``score`` compares findings
with the truth, which the ledger of ``aigc_lab.corrupt`` knows. Introduced in notebook 00.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from aigc_lab.clean import scale, table, text
from aigc_lab.clean.cleaned import Cleaned, apply
from aigc_lab.clean.duplicates import exact_duplicates, near_duplicate_pairs, near_duplicates
from aigc_lab.clean.findings import score
from aigc_lab.clean.forest import isolation_forest
from aigc_lab.clean.hamming import hamming_pairs, hash_duplicates
from aigc_lab.clean.information import low_information
from aigc_lab.clean.inspection import Inspection, inspect
from aigc_lab.clean.outliers import outliers
from aigc_lab.clean.perceptual import perceptual_hashes
from aigc_lab.clean.quality import badly_lit, blurred, noisy, occluded
from aigc_lab.collect.dataset import Dataset

# Each defect of the dial that shows in the pictures, with the detector that looks for it.
DETECTORS: Mapping[str, Any] = MappingProxyType(
    {
        "exact_duplicate": exact_duplicates,
        "near_duplicate": near_duplicates,
        "junk": outliers,
        "blur": blurred,
        "noise": noisy,
        "brightness": badly_lit,
        "occlusion": occluded,
    }
)

__all__ = [
    "DETECTORS",
    "Cleaned",
    "Inspection",
    "apply",
    "badly_lit",
    "blurred",
    "detect_all",
    "exact_duplicates",
    "hamming_pairs",
    "hash_duplicates",
    "inspect",
    "isolation_forest",
    "low_information",
    "near_duplicate_pairs",
    "near_duplicates",
    "noisy",
    "occluded",
    "outliers",
    "perceptual_hashes",
    "scale",
    "score",
    "table",
    "text",
]


def detect_all(dataset: Dataset, features: Any = None) -> dict[str, Any]:
    """Every detector's findings, keyed by the defect it looks for.

    ``outliers`` comes last and looks only at what no other detector has found: many damaged pictures
    make a strange one look less strange. So its findings alone are not all the junk that was found:
    blank pictures are ``badly_lit``, noise is ``noisy``, a smooth gradient is ``blurred``.

    Args:
        dataset: pictures.
        features: ``(n, d)`` numbers for ``outliers``, or None for its own descriptors.
    """
    found = {defect: find(dataset) for defect, find in DETECTORS.items() if find is not outliers}
    unsuspected = np.ones(len(dataset), dtype=bool)
    for findings in found.values():
        unsuspected[findings["item"]] = False
    found["junk"] = outliers(dataset, features, among=unsuspected)
    return found
