"""One answer from several noisy annotators: majority vote, and Dawid and Skene's model.

Dawid and Skene 1979 give each annotator a confusion matrix, and find these and the true classes
together by expectation maximisation (EM). Introduced in notebook 03.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc_lab.label.ratings import NO_LABEL, checked_ratings, vote_counts


@dataclass(frozen=True, eq=False)
class Consensus:
    """What the annotators say together.

    Attributes:
        labels: ``(items,)`` the likeliest class, -1 where nobody said anything.
        probabilities: ``(items, classes)``; each row adds up to 1.
        confusion: ``(annotators, classes, answers)``: how often each annotator answers b where the
            truth is a; None for a majority vote. With abstentions as answers there is one more.
        shares: ``(classes,)`` how common each class is; None for a majority vote.
        log_likelihood: of all answers, in nats, after each round of EM; empty for a majority vote.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    confusion: np.ndarray | None = None
    shares: np.ndarray | None = None
    log_likelihood: tuple[float, ...] = ()

    @property
    def accuracies(self) -> np.ndarray:
        """How often each annotator is right, estimated without knowing the truth: ``(annotators,)``.

        Among the answers given: abstentions do not count.
        """
        if self.confusion is None:
            raise ValueError("a majority vote knows nothing about single annotators; use dawid_skene")
        classes = len(self.shares)
        given = np.einsum("c,rca->r", self.shares, self.confusion[:, :, :classes])
        right = np.einsum("c,rcc->r", self.shares, self.confusion[:, :, :classes])
        return right / np.maximum(given, 1e-12)


def majority_vote(ratings: Any, class_count: int | None = None) -> Consensus:
    """The class that most annotators chose; of equals the one with the smaller number.

    Args:
        ratings: class numbers ``(annotators, items)``, -1 or NaN where there is no label.

    Returns:
        labels, and as probabilities the share of the votes (equal shares where nobody voted).

    Raises:
        ValueError: see ``checked_ratings``.
    """
    votes = vote_counts(ratings, class_count).astype(float)
    total = votes.sum(axis=1, keepdims=True)
    shares = np.where(total > 0, votes / np.maximum(total, 1), 1 / votes.shape[1])
    return Consensus(np.where(total[:, 0] > 0, votes.argmax(axis=1), NO_LABEL), shares)


def dawid_skene(
    ratings: Any,
    class_count: int | None = None,
    abstentions_count: bool = False,
    rounds: int = 100,
    tolerance: float = 1e-6,
    smoothing: float = 0.01,
) -> Consensus:
    """True classes and each annotator's confusion matrix, found together by EM.

    It starts from the votes. The M step counts how each annotator answers where the truth is thought
    to be a; the E step weighs each item's answers by these counts (Dawid and Skene 1979, equations
    2.3 to 2.5). Answers are taken as independent, given the truth.

    Args:
        ratings: class numbers ``(annotators, items)``, -1 or NaN where there is no label.
        class_count: how many classes there are.
        abstentions_count: whether saying nothing is an answer too. For people who have not come to an
            item it is not; for a rule that speaks only about one class it is all that can be learned.
        rounds: at most so many.
        tolerance: stop when the log-likelihood (nats an item) grows by less.
        smoothing: answers added to each count, so that nothing is impossible.

    Raises:
        ValueError: see ``checked_ratings``; or settings that are not positive.
    """
    whole, classes = checked_ratings(ratings, class_count)
    if rounds < 1 or smoothing <= 0 or tolerance < 0:
        raise ValueError(
            "rounds and smoothing must be above 0 and tolerance not below it, got "
            f"{rounds}, {smoothing} and {tolerance}"
        )
    answers = classes + int(abstentions_count)
    spoken = np.where(whole == NO_LABEL, classes, whole) if abstentions_count else whole
    said = (spoken[:, :, None] == np.arange(answers)).astype(float)  # (annotators, items, answers)
    truth = majority_vote(whole, classes).probabilities
    history: list[float] = []
    for _ in range(rounds):
        shares = truth.sum(axis=0) + smoothing
        shares /= shares.sum()
        confusion = np.einsum("ic,ria->rca", truth, said) + smoothing
        confusion /= confusion.sum(axis=2, keepdims=True)
        weights = np.log(shares) + np.einsum("ria,rca->ic", said, np.log(confusion))  # (items, classes)
        highest = weights.max(axis=1, keepdims=True)
        evidence = highest + np.log(np.exp(weights - highest).sum(axis=1, keepdims=True))
        truth = np.exp(weights - evidence)
        history.append(float(evidence.sum()))
        if len(history) > 1 and abs(history[-1] - history[-2]) < tolerance * len(truth):
            break
    silent = (whole == NO_LABEL).all(axis=0)
    labels = np.where(silent, NO_LABEL, truth.argmax(axis=1))
    return Consensus(labels, truth, confusion, shares, tuple(history))
