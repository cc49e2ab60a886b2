"""Evidence that a stream of categories has left its reference: a test that may be looked at after every item.

Sources: Robbins 1970, "Statistical methods related to the law of the iterated logarithm" (a mixture of
likelihood ratios); Ville 1939 (its inequality); Ramdas and others 2023, arXiv 2210.01948 (e-processes);
Shin, Ramdas and Rinaldo 2023, arXiv 2203.03532 (e-detectors: a sum over starts); Agrawal 2020, arXiv
1904.02291 (how far the shares of a sample lie from the truth). Introduced in notebook 19, line by line.
"""

from __future__ import annotations

import math

import numpy as np

_LIFE = 4  # a start of block 2^v * odd lives for 4 * 2^v blocks: some start is about as old as any change


def log_evidence(counts: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Logarithm of a mixture likelihood ratio: other shares against these, given counts (..., K) -> (...).

    The other shares are drawn from a Dirichlet with all parameters 1/2 (Jeffreys; Krichevsky and Trofimov
    1981), over which the likelihood has a closed integral. The ratio is 1 on average where the shares hold.
    """
    counts = np.asarray(counts, float)
    classes, total = counts.shape[-1], counts.sum(axis=-1)
    mixture = (_log_gamma(counts + 0.5) - math.lgamma(0.5)).sum(axis=-1)
    mixture += math.lgamma(classes / 2) - _log_gamma(total + classes / 2)
    # What was not seen does not count, though the worst reference may leave it a share of 0.
    return mixture - (counts * np.log(np.where(counts > 0, shares, 1.0))).sum(axis=-1)


def allowance(classes: int, error: float) -> float:
    """How far m KL(estimated, true shares) may be for a sample of any size m, with probability 1 - ``error``.

    Solves ``exp(-c) (e c / (K - 1))^(K - 1) = error`` for c above K - 1 (Agrawal 2020, theorem 1.2).
    """
    degrees = classes - 1
    allowed = 2.0 * degrees
    for _ in range(200):  # a contraction: the slope is (K - 1) / c, below 1
        allowed = degrees * (1 + math.log(allowed / degrees)) - math.log(error)
    return allowed


def worst_shares(counts: np.ndarray, shares: np.ndarray, size: float, allowed: float) -> np.ndarray:
    """Of all shares that the reference allows, those that explain the counts (..., K) best.

    They lie between the reference's shares and the stream's (Lagrange), as near to the stream's as
    ``size * KL(shares, worst) <= allowed`` lets them.
    """
    total = counts.sum(axis=-1, keepdims=True)
    own = np.where(total > 0, counts / np.maximum(total, 1), shares)
    there = shares > 0  # the others do not enter the distance
    low, high = np.zeros_like(total, float), np.ones_like(total, float)  # the reference's weight
    for _ in range(40):
        middle = (low + high) / 2
        mixed = (1 - middle) * own[..., there] + middle * shares[there]
        with np.errstate(divide="ignore"):  # of a class that the stream lacks, at weight 0
            distance = (shares[there] * np.log(shares[there] / mixed)).sum(axis=-1, keepdims=True)
        too_far = size * distance > allowed
        low, high = np.where(too_far, middle, low), np.where(too_far, high, middle)
    return (1 - high) * own + high * shares


class Evidence:
    """Evidence that a stream has left its reference: one stream, or many independent ones side by side.

    A likelihood ratio that began long ago holds much evidence for the reference, and would need long to turn.
    So after each block of counts another one begins, with the weight 1 / (b (b + 1)) for block b (the first
    start has a half of all). Their weighted sum is 1 on average as long as nothing changes, and by Ville's
    inequality ever passes 1 / alpha with probability alpha at most. Starts are dropped so that about three
    remain for each doubling of the stream, which can only lower the sum.

    Args:
        shares: of the reference, (K,), K at least 2.
        false_alarm_rate: alpha, of a stream of any length.
        size: how many items the shares were estimated from; None where they are known. With a size, half of
            alpha pays for the reference's own error: what counts is the worst reference that it allows.
        streams: how many.

    Raises:
        ValueError: shares that are not shares, an alpha outside (0, 1), or a size below 1.
    """

    def __init__(
        self, shares: np.ndarray, false_alarm_rate: float, size: int | None = None, streams: int = 1
    ):
        self.shares = np.asarray(shares, float)
        classes, least = self.shares.size, 1e-12 if size is None else 0.0
        if size is not None and not size >= 1:
            raise ValueError(f"size must be at least 1 item, got {size}")
        if (
            self.shares.ndim != 1
            or classes < 2
            or not (self.shares >= least).all()
            or abs(self.shares.sum() - 1) > 1e-6
        ):
            known = "" if size else ", above 0 where they are known"
            raise ValueError(f"a reference needs shares of two or more classes that add up to 1{known}")
        if not 0 < false_alarm_rate < 1:
            raise ValueError(f"a false-alarm rate lies between 0 and 1, got {false_alarm_rate}")
        self.size = size
        spent = false_alarm_rate if size is None else false_alarm_rate / 2
        self.threshold = -math.log(spent)  # of the logarithm of the evidence
        self._allowed = 0.0 if size is None else allowance(classes, spent)
        # A class that the reference never showed is rare, not impossible.
        self._middle = self.shares if size is None else (self.shares * size + 0.5) / (size + classes / 2)
        self.seen = 0
        self.alarms = np.zeros(streams, int)  # after how many items each alarmed; 0: not yet
        self._counts = np.zeros((streams, 0, classes))
        self._begun = np.zeros(0, int)  # the block with which each start that is kept began
        self._blocks = 0

    def add(self, counts: np.ndarray) -> None:
        """Count a block of items, (K,) or (streams, K), as many in each stream, and look at the evidence."""
        streams, _, classes = self._counts.shape
        # Starts are blocks 0, 1, 2, ...; block 2^v * odd lives for _LIFE * 2^v blocks, block 0 for ever.
        lives = (self._begun == 0) | (self._blocks - self._begun < _LIFE * (self._begun & -self._begun))
        self._counts = np.concatenate([self._counts[:, lives], np.zeros((streams, 1, classes))], axis=1)
        self._begun = np.append(self._begun[lives], self._blocks)
        self._counts += np.reshape(counts, (-1, 1, classes))
        self._blocks += 1
        self.seen = int(self._counts[0, 0].sum())
        # The worst reference explains no less than the estimated one: most looks need only that one.
        near = (self._sum(log_evidence(self._counts, self._middle)) >= self.threshold) & (self.alarms == 0)
        if near.any():
            self.alarms[near] = np.where(self._worst_sum(self._counts[near]) >= self.threshold, self.seen, 0)

    @property
    def starts(self) -> int:
        """How many starts are kept."""
        return len(self._begun)

    def log_values(self) -> np.ndarray:
        """The logarithm of the evidence of each stream, (streams,); an alarm is due at ``threshold``."""
        return self._worst_sum(self._counts)

    def totals(self) -> np.ndarray:
        """Counts of the first stream since its beginning, (K,)."""
        return self._counts[0, 0].astype(int) if self._blocks else np.zeros(len(self.shares), int)

    def change(self) -> tuple[int, np.ndarray]:
        """After how many items of the first stream the start with the most evidence began; the shares since.

        Where there was a change, the start lies near it. Call it only once something was counted.
        """
        best = self._worst(self._counts[:1])[0].argmax()
        counts = self._counts[0, best]
        return int(self.seen - counts.sum()), counts / counts.sum()

    def _worst(self, counts: np.ndarray) -> np.ndarray:
        """log evidence of each start against the reference that the stream fits best."""
        if self.size is None:
            return log_evidence(counts, self.shares)
        return log_evidence(counts, worst_shares(counts, self.shares, self.size, self._allowed))

    def _worst_sum(self, counts: np.ndarray) -> np.ndarray:
        return self._sum(self._worst(counts))

    def _sum(self, logs: np.ndarray) -> np.ndarray:
        """(streams, starts) -> (streams,), with the weight of all starts that have not begun."""
        begun = self._begun.astype(float)
        weights = np.where(begun == 0, 0.5, 0.5 / np.maximum(begun * (begun + 1), 1))
        waiting = np.full((len(logs), 1), 0.5 / max(self._blocks, 1))
        logs = np.concatenate([logs + np.log(weights), np.log(waiting)], axis=1)
        return np.logaddexp.reduce(logs, axis=1)


def _log_gamma(values: np.ndarray) -> np.ndarray:
    """log Gamma of values of at least 1/2, by Stirling's series after eight steps up; NumPy has none."""
    product = values.copy()
    for step in range(1, 8):
        product *= values + step
    up = values + 8
    series = 1 / 12 - (1 / 360 - 1 / (1260 * up**2)) / up**2
    return (up - 0.5) * np.log(up) - up + 0.5 * math.log(2 * math.pi) + series / up - np.log(product)
