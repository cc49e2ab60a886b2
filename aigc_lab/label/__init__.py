"""Stage 3, label: who said what each item shows, and how far to believe it.

``errors`` finds labels that are probably wrong and ``relabel`` puts the suggested ones in their
place (notebook 00). Notebook 03 takes that apart (``confident_joint``, ``find_label_issues``) and
adds the people behind the labels: how much annotators agree, what several noisy ones say together,
rules in place of people, which item to label next, and the sheet that a labelling session writes.

Wherever several annotators occur, their labels are one matrix ``(annotators, items)`` of class
numbers from 0, with -1 (or NaN) where there is no label.
"""

from aigc_lab.label.active import MEASURES, STRATEGIES, active_learning, uncertainty
from aigc_lab.label.agreement import cohen_kappa, fleiss_kappa, krippendorff_alpha
from aigc_lab.label.annotators import Consensus, dawid_skene, majority_vote
from aigc_lab.label.confident import confident_classes, confident_joint, find_label_issues, margins
from aigc_lab.label.ratings import NO_LABEL, vote_counts
from aigc_lab.label.rules import Rule, apply_rules, rule_table, weak_labels
from aigc_lab.label.sheet import LabelSheet, read_labels
from aigc_lab.label.suspects import errors, out_of_sample_probabilities, relabel

__all__ = [
    "MEASURES",
    "NO_LABEL",
    "STRATEGIES",
    "Consensus",
    "LabelSheet",
    "Rule",
    "active_learning",
    "apply_rules",
    "cohen_kappa",
    "confident_classes",
    "confident_joint",
    "dawid_skene",
    "errors",
    "find_label_issues",
    "fleiss_kappa",
    "krippendorff_alpha",
    "majority_vote",
    "margins",
    "out_of_sample_probabilities",
    "read_labels",
    "relabel",
    "rule_table",
    "uncertainty",
    "vote_counts",
    "weak_labels",
]
