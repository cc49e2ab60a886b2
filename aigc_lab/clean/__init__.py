"""Stage 2, clean: find what is wrong with the data, drop it, and keep the record.

A detector looks and returns an issue table; it changes nothing. ``drop`` takes the issues and returns the
kept items together with what was dropped and why. ``score`` compares issues with the truth, which the log
of ``aigc_lab.corrupt`` knows. Images are here, text in ``clean.text``, sound in ``clean.sounds``, tables in
``clean.tables``, more than one machine's worth in ``clean.distributed``. Introduced in notebook 00.
"""

from aigc_lab.clean import minhash, sounds, tables, text
from aigc_lab.clean.duplicates import (
    exact_duplicates,
    hamming_pairs,
    near_duplicate_pairs,
    near_duplicates,
    perceptual_hashes,
)
from aigc_lab.clean.images import (
    DETECTORS,
    badly_lit,
    blurred,
    detect_all,
    low_information,
    noisy,
    occluded,
    outliers,
)
from aigc_lab.clean.issues import Cleaned, drop, issue_table, score
from aigc_lab.clean.report import Inspection, inspect
