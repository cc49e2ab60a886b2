"""Stage 6, evaluate: features -> statistics -> score, each score with an interval and a floor."""

from aigc_lab.evaluate import spoken, text
from aigc_lab.evaluate.distribution import (
    Gaussian,
    detector_auc,
    fid,
    floor,
    frechet,
    gaussian,
    kid,
    manifold_values,
    pair_distances,
    precision_recall,
)
from aigc_lab.evaluate.feature_network import (
    CLASS_NAMES,
    GROUPS,
    SPOKEN_GROUPS,
    about,
    class_accuracy,
    classify,
    features,
    features_and_classes,
)
from aigc_lab.evaluate.images import edge_distance, loose_ends, luminance, psnr, sharpness, ssim
from aigc_lab.evaluate.intervals import Score, mean_interval, paired_interval, seed_interval, share
from aigc_lab.evaluate.memorization import (
    Copies,
    copy_test,
    distinct_share,
    near_copies_by_ratio,
    nearest,
)
from aigc_lab.evaluate.photo_features import photo_distance, photo_network, photo_vectors
from aigc_lab.evaluate.text import CharacterNgram
