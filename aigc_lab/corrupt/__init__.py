"""Damage a data set on purpose, and keep a log of what was done to which item.

``apply`` sets several corruptions at once, each by its rate (the share of items that it hits). The
corruption log says which item got what, so every detector in ``aigc_lab.clean`` and ``aigc_lab.label``
can be scored against the truth. Introduced in notebook 00; tables in notebook 02.
"""

from aigc_lab.corrupt.images import (
    IMAGE_CORRUPTIONS,
    JUNK_KINDS,
    SOUND_CORRUPTIONS,
    TEXT_CORRUPTIONS,
    CorruptionLog,
    apply,
    draw_junk,
)
from aigc_lab.corrupt.tables import TABLE_CORRUPTIONS, apply_to_table
