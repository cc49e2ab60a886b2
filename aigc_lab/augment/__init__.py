"""Stage 4, augment: change an item without changing what it shows.

- ``layers``, ``mirrored``, ``expand``: label-preserving changes of pictures, and ``TRANSFORMS``, which
  says where each of them keeps the label; ``label_preservation`` counts whether it did.
- ``oversample``, ``balanced``: against rare classes.
- ``expand_text``: deletions and swaps in texts.
- ``Differentiable``: augmentation inside a GAN, which does not leak into what it draws.

Importing this room is cheap; Keras is imported by what needs it. Introduced in notebooks 00 and 04.
"""

from typing import Any

from aigc_lab.augment import text
from aigc_lab.augment.balance import balanced, oversample
from aigc_lab.augment.pictures import TRANSFORMS, expand, layers, mirrored
from aigc_lab.augment.preservation import label_preservation
from aigc_lab.augment.text import expand_text

__all__ = [
    "TRANSFORMS",
    "Differentiable",
    "balanced",
    "expand",
    "expand_text",
    "label_preservation",
    "layers",
    "mirrored",
    "oversample",
    "text",
]


def __getattr__(name: str) -> Any:
    if name == "Differentiable":  # a Keras layer: importing it imports Keras
        from aigc_lab.backend import import_keras

        import_keras()
        from aigc_lab.augment.differentiable import Differentiable

        return Differentiable
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
