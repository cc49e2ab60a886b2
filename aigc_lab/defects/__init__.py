"""The data-defect dial: damage a data set on purpose, and keep the ledger of what was done.

``dial`` sets several defects at once; each defect is also a function of its own. The
ledger says which item got what, so every detector in ``aigc_lab.clean`` and
``aigc_lab.label`` can be scored against the truth. Introduced in notebook 00.
"""

from aigc_lab.defects.dial import (
    NAMES,
    blur,
    brightness,
    dial,
    exact_duplicate,
    imbalance,
    junk,
    label_flip,
    near_duplicate,
    noise,
    occlusion,
)
from aigc_lab.defects.junk import JUNK_KINDS
from aigc_lab.defects.ledger import Ledger

__all__ = [
    "JUNK_KINDS",
    "NAMES",
    "Ledger",
    "blur",
    "brightness",
    "dial",
    "exact_duplicate",
    "imbalance",
    "junk",
    "label_flip",
    "near_duplicate",
    "noise",
    "occlusion",
]
