"""Stage 1, collect: get data together with the card that says where they come from.

``load(name)`` gives a data set that an installed package carries, or one that is
downloaded by hash; ``from_folder`` and ``from_file`` read your own.
"""

from aigc_lab.collect.dataset import Card, Dataset, own_card
from aigc_lab.collect.download import DownloadError, cache_folder
from aigc_lab.collect.load import (
    card,
    chorales,
    label_probabilities,
    label_review,
    load,
    names,
    photo_licences,
    photos,
    speakers,
    takes,
)
from aigc_lab.collect.own import FolderReport, from_file, from_folder
from aigc_lab.collect.sounds import read_sound
from aigc_lab.collect.video import moving_drawings, read_video
