"""Pictures and widgets: the only room that draws.

``grid``, ``compare``, ``curves``, ``scores``, ``pipeline`` and ``defect_preview`` return a
Matplotlib figure: end the cell with ``plt.show()``, or leave the figure as the last line;
it is shown once either way. Nothing here changes Matplotlib's settings. ``alt`` gives a
figure's text alternative. ``latent_explorer`` and ``defect_dial`` are widgets, each on top
of a pure function (``latent_picture``, ``defect_preview``) that works without a browser.

Importing this room is cheap: Matplotlib and ipywidgets are imported by what is first used.
Introduced in notebook 00.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "alt": "figure",
    "OKABE_ITO": "figure",
    "grid": "pictures",
    "compare": "pictures",
    "curves": "charts",
    "scores": "charts",
    "pipeline": "flowchart",
    "active_dimensions": "explorer",
    "latent_picture": "explorer",
    "LatentExplorer": "explorer",
    "latent_explorer": "explorer",
    "Labelling": "label_widget",
    "agreement_words": "label_widget",
    "labelling": "label_widget",
    "labelling_picture": "label_widget",
    "dose_picture": "doses",
    "dose_response": "doses",
    "defect_preview": "dial",
    "DefectDial": "dial",
    "defect_dial": "dial",
    "augment_preview": "augmentation",
    "AugmentExplorer": "augmentation",
    "augment_explorer": "augmentation",
    "LiveFigure": "live",
    "live_figure": "live",
    "threshold_picture": "thresholds",
    "precision_recall_points": "thresholds",
    "detector_curves": "thresholds",
    "s_curve_picture": "thresholds",
    "RealOrGenerated": "people_widget",
    "judgement_words": "people_widget",
    "real_or_generated": "people_widget",
    "pair_picture": "people_widget",
    "range_picture": "searches",
    "best_so_far": "searches",
    "selection_picture": "searches",
    "checkpoint_picture": "searches",
    "fault_table": "coloured",
    "heat_map": "coloured",
    "step_parts": "training",
    "roofline_picture": "training",
    "ladder_picture": "training",
    "large_cost_picture": "training",
    "GanPlayground": "gan_widget",
    "gan_picture": "gan_widget",
    "gan_playground": "gan_widget",
    "playground_picture": "gan_widget",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
