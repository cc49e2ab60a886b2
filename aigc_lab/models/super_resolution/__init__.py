"""Super-resolution: a small photograph made larger, by rule, by learning, and by a contest.

``degradation`` makes small pictures out of large ones, ``model`` learns to undo that (sub-pixel
upsampling, L1), ``adversarial`` adds a critic and a feature loss, ``photograph`` takes any photo.
Introduced in notebook 10.
"""

from aigc_lab.models.super_resolution.adversarial import (
    AdversarialSuperResolution,
    adversarial,
    contest_report,
    patch_discriminator,
    pattern_error,
)
from aigc_lab.models.super_resolution.degradation import (
    crop_to_multiple,
    enlarge,
    low_resolution,
    patches,
)
from aigc_lab.models.super_resolution.model import (
    SuperResolution,
    depth_to_space,
    residual_network,
    shrink,
)
from aigc_lab.models.super_resolution.photograph import open_photograph, upscale

__all__ = [
    "AdversarialSuperResolution",
    "SuperResolution",
    "adversarial",
    "contest_report",
    "crop_to_multiple",
    "depth_to_space",
    "enlarge",
    "low_resolution",
    "open_photograph",
    "patch_discriminator",
    "patches",
    "pattern_error",
    "residual_network",
    "shrink",
    "upscale",
]
