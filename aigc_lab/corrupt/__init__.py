"""The data-corruption dial: damage a data set on purpose, and keep the corruption log of what was done.

``dial`` sets several corruptions at once; each corruption is also a function of its own. The
log says which item got what, so every detector in ``aigc_lab.clean`` and
``aigc_lab.label`` can be scored against the truth. Introduced in notebook 00.
"""

from aigc_lab.corrupt.dial import (
    IMAGE_CORRUPTIONS,
    TEXT_CORRUPTIONS,
    apply,
    blur,
    boilerplate,
    brightness,
    exact_duplicate,
    foreign_language,
    imbalance,
    junk,
    label_flip,
    mojibake,
    near_duplicate,
    noise,
    occlusion,
    personal_data,
    unnormalised,
)
from aigc_lab.corrupt.junk import JUNK_KINDS
from aigc_lab.corrupt.ledger import CorruptionLog
from aigc_lab.corrupt.table import TABLE_CORRUPTIONS, apply_to_table
from aigc_lab.corrupt.text_parts import TEXT_JUNK_KINDS

__all__ = [
    "IMAGE_CORRUPTIONS",
    "JUNK_KINDS",
    "TABLE_CORRUPTIONS",
    "TEXT_CORRUPTIONS",
    "TEXT_JUNK_KINDS",
    "CorruptionLog",
    "apply",
    "apply_to_table",
    "blur",
    "boilerplate",
    "brightness",
    "exact_duplicate",
    "foreign_language",
    "imbalance",
    "junk",
    "label_flip",
    "mojibake",
    "near_duplicate",
    "noise",
    "occlusion",
    "personal_data",
    "unnormalised",
]
