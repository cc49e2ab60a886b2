"""Stage 4, augment: change an item without changing what it shows."""

from aigc_lab.augment.pictures import expand, layers, mirrored

__all__ = ["expand", "layers", "mirrored"]
