"""Stage 6, evaluate: features -> statistics -> score, each score with an interval and a floor."""

from aigc_lab.evaluate import claims
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
from aigc_lab.evaluate.embedding import class_accuracy, classify, features
from aigc_lab.evaluate.fidelity import edge_distance, luminance, paired_interval, psnr, ssim
from aigc_lab.evaluate.floors import floor
from aigc_lab.evaluate.intervals import Score, seed_interval
from aigc_lab.evaluate.network import CLASS_NAMES, GROUPS, about
from aigc_lab.evaluate.photo_features import photo_distance, photo_network

__all__ = [
    "CLASS_NAMES",
    "GROUPS",
    "Coverage",
    "Gaussian",
    "KernelMeans",
    "PairDistances",
    "Score",
    "about",
    "claims",
    "class_accuracy",
    "classify",
    "edge_distance",
    "features",
    "fid",
    "floor",
    "frechet",
    "gaussian",
    "kernel_means",
    "kid",
    "luminance",
    "manifold_values",
    "pair_distances",
    "paired_interval",
    "photo_distance",
    "photo_network",
    "precision_recall",
    "psnr",
    "seed_interval",
    "squared_discrepancy",
    "ssim",
]
