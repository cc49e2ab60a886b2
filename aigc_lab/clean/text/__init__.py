"""Clean text: what is wrong with it, found by detectors that return findings and change nothing.

Chinese and English alike. Introduced in notebook 02.
"""

from aigc_lab.clean.text.duplicates import (
    behind_the_first,
    exact_duplicates,
    groups,
    near_duplicate_pairs,
    near_duplicates,
)
from aigc_lab.clean.text.forms import comparable
from aigc_lab.clean.text.minhash import (
    band_keys,
    bands_for,
    candidate_pairs,
    content_order,
    estimated_similarity,
    minhash,
    s_curve,
)
from aigc_lab.clean.text.shingles import jaccard, shingles, similarities

__all__ = [
    "band_keys",
    "bands_for",
    "behind_the_first",
    "candidate_pairs",
    "comparable",
    "content_order",
    "estimated_similarity",
    "exact_duplicates",
    "groups",
    "jaccard",
    "minhash",
    "near_duplicate_pairs",
    "near_duplicates",
    "s_curve",
    "shingles",
    "similarities",
]
