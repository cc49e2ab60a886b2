"""Interactive figures. A cell calls a name in small letters; it makes the widget of that name's class.

Introduced in notebook 00.
"""

# ruff: noqa: F401

from aigc_lab.widgets.corruptions import CorruptionExplorer as corruption_explorer
from aigc_lab.widgets.corruptions import corruption_preview
from aigc_lab.widgets.keyboard import Keyboard as piano
from aigc_lab.widgets.keyboard import melody
from aigc_lab.widgets.labelling import Labelling as annotate
from aigc_lab.widgets.latent import LatentExplorer as latent_explorer
from aigc_lab.widgets.live import DescribedImage
from aigc_lab.widgets.live import LiveFigure as live_figure
from aigc_lab.widgets.playground import GanPlayground as gan_playground
from aigc_lab.widgets.playground import gan_picture
