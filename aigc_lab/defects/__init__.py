"""The data-defect dial: damage a data set on purpose, and keep the ledger of what was done.

``dial`` sets several defects at once; each defect is also a function of its own. The
ledger says which item got what, so every detector in ``aigc_lab.clean`` and
``aigc_lab.label`` can be scored against the truth. Introduced in notebook 00.
"""

from aigc_lab.defects.dial import (
    NAMES,
    TEXT_NAMES,
    blur,
    boilerplate,
    brightness,
    dial,
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
from aigc_lab.defects.junk import JUNK_KINDS
from aigc_lab.defects.ledger import Ledger
from aigc_lab.defects.table import TABLE_NAMES, dial_table
from aigc_lab.defects.text_parts import TEXT_JUNK_KINDS

__all__ = [
    "JUNK_KINDS",
    "NAMES",
    "TABLE_NAMES",
    "TEXT_JUNK_KINDS",
    "TEXT_NAMES",
    "Ledger",
    "blur",
    "boilerplate",
    "brightness",
    "dial",
    "dial_table",
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
