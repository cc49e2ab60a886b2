"""Stage 6, evaluate: features -> statistics -> score, each score with an interval and a floor."""

from aigc_lab.evaluate import people, text
from aigc_lab.evaluate.appearance import ClassShares, class_shares, sharpness
from aigc_lab.evaluate.copies import Copies, copy_test, distinct_share, nearest
from aigc_lab.evaluate.coverage import (
    Coverage,
    PairDistances,
    manifold_values,
    pair_distances,
    precision_recall,
)
from aigc_lab.evaluate.distances import (
    Gaussian,
    KernelMeans,
    fid,
    frechet,
    gaussian,
    kernel_means,
    kid,
    squared_discrepancy,
)
from aigc_lab.evaluate.embedding import class_accuracy, classify, features, features_and_classes
from aigc_lab.evaluate.extrapolation import Extrapolation, fid_infinity
from aigc_lab.evaluate.fidelity import edge_distance, luminance, paired_interval, psnr, ssim
from aigc_lab.evaluate.floors import floor
from aigc_lab.evaluate.intervals import Score, mean_interval, seed_interval, share
from aigc_lab.evaluate.large import RunningGaussian, kid_in_blocks, kid_of_all_pairs
from aigc_lab.evaluate.letter_model import CharacterNgram
from aigc_lab.evaluate.network import CLASS_NAMES, GROUPS, about
from aigc_lab.evaluate.photo_features import photo_distance, photo_network, photo_vectors

__all__ = [
    "CLASS_NAMES",
    "GROUPS",
    "ClassShares",
    "Copies",
    "Coverage",
    "Extrapolation",
    "Gaussian",
    "KernelMeans",
    "CharacterNgram",
    "PairDistances",
    "RunningGaussian",
    "Score",
    "about",
    "class_accuracy",
    "class_shares",
    "classify",
    "copy_test",
    "distinct_share",
    "edge_distance",
    "features",
    "features_and_classes",
    "fid",
    "fid_infinity",
    "floor",
    "frechet",
    "gaussian",
    "kernel_means",
    "kid",
    "kid_in_blocks",
    "kid_of_all_pairs",
    "luminance",
    "manifold_values",
    "mean_interval",
    "nearest",
    "pair_distances",
    "paired_interval",
    "people",
    "photo_distance",
    "photo_network",
    "photo_vectors",
    "precision_recall",
    "psnr",
    "seed_interval",
    "share",
    "sharpness",
    "squared_discrepancy",
    "ssim",
    "text",
]
