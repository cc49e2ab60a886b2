"""A small network with hand-written backpropagation, its optimizer, and the losses of two players.

Plain NumPy, so that a game in two dimensions starts at once and a picture needs no framework.
Introduced in notebook 08, which shows the bodies.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

SLOPE = 0.2  # of the leaky ReLU below zero


class Network:
    """Dense layers with leaky ReLU between them: points ``(n, inputs)`` -> ``(n, outputs)``.

    Args:
        sizes: inputs, the hidden layers' widths, outputs, such as ``(2, 64, 64, 1)``.
        random: where the weights come from (He et al. 2015: variance 2 over the inputs).
        dtype: ``"float32"``, or ``"float64"`` to check gradients with.

    Attributes:
        weights: matrix, offset, matrix, offset, ...; a matrix has shape (inputs, outputs).

    Raises:
        ValueError: fewer than two sizes, or one below 1.
    """

    def __init__(self, sizes: Any, random: np.random.Generator, dtype: str = "float32") -> None:
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"a network needs sizes of 1 or more from input to output, got {tuple(sizes)}")
        self.weights: list[np.ndarray] = []
        for inputs, outputs in pairwise(sizes):
            matrix = random.normal(0, np.sqrt(2 / inputs), (inputs, outputs))
            self.weights += [matrix.astype(dtype), np.zeros(outputs, dtype)]

    def __call__(self, points: np.ndarray) -> np.ndarray:
        return self.forward(points)[0]

    def forward(self, points: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """The output, and what ``backward`` needs: the input of every layer."""
        taken = [points]
        for layer in range(0, len(self.weights) - 2, 2):
            hidden = taken[-1] @ self.weights[layer] + self.weights[layer + 1]
            taken.append(np.maximum(hidden, SLOPE * hidden))
        return taken[-1] @ self.weights[-2] + self.weights[-1], taken

    def backward(self, taken: list[np.ndarray], slope: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """The chain rule from the last layer to the first.

        Args:
            taken: from ``forward``. slope: d loss / d output, ``(n, outputs)``.

        Returns:
            d loss / d weights, in the order of ``weights``, and d loss / d points ``(n, inputs)``.
        """
        gradients: list[np.ndarray] = []
        for layer in range(len(taken) - 1, -1, -1):
            gradients[:0] = [taken[layer].T @ slope, slope.sum(axis=0)]
            slope = slope @ self.weights[2 * layer].T
            if layer:
                slope = slope * _mask(taken[layer])
        return gradients, slope

    def input_gradient(self, points: np.ndarray) -> np.ndarray:
        """d output / d point of a network with one output, ``(n, inputs)``."""
        output, taken = self.forward(points)
        return self.backward(taken, np.ones_like(output))[1]

    def slope_penalty(self, points: np.ndarray, target: float = 1.0) -> tuple[float, list[np.ndarray]]:
        """mean (||df/dx|| - target)^2 and its gradient by the weights (Gulrajani et al. 2017, equation 3).

        The network is linear in pieces, so its slope at a point is a plain product of matrices and
        masks, ``W1 M1 W2 M2 ... w``, and the masks are constant where the penalty is differentiable.
        A product is linear in each factor: the penalty's own slope by ``g`` is sent *forward* through
        the same masks, and meets at each layer the signal that ``backward`` sends the other way.
        Offsets do not occur, so their gradient is zero.
        """
        output, taken = self.forward(points)
        matrices, masks = self.weights[0::2], [_mask(each) for each in taken[1:]]
        signals = [np.ones_like(output)]  # from the end: d output / d (layer before its ReLU), (n, width)
        for matrix, mask in zip(matrices[:0:-1], masks[::-1], strict=True):
            signals.insert(0, (signals[0] @ matrix.T) * mask)
        gradient = signals[0] @ matrices[0].T
        length = np.sqrt((gradient**2).sum(axis=1, keepdims=True) + 1e-12)
        onward = 2 * (length - target) * gradient / length / len(points)
        gradients: list[np.ndarray] = []
        for layer, (matrix, signal) in enumerate(zip(matrices, signals, strict=True)):
            gradients += [onward.T @ signal, np.zeros_like(self.weights[2 * layer + 1])]
            if layer < len(masks):
                onward = (onward @ matrix) * masks[layer]
        return float(np.mean((length - target) ** 2)), gradients


def _mask(hidden: np.ndarray) -> np.ndarray:
    """The slope of the leaky ReLU, read from its output, which has the sign of its input."""
    return np.where(hidden > 0, hidden.dtype.type(1), hidden.dtype.type(SLOPE))


class Adam:
    """Adam (Kingma and Ba 2015, algorithm 1) on a list of arrays, which it changes in place."""

    def __init__(self, weights: list[np.ndarray], momentum: float = 0.5, second: float = 0.99) -> None:
        self.weights, self.momentum, self.second, self.steps = weights, momentum, second, 0
        self._mean = [np.zeros_like(each) for each in weights]
        self._square = [np.zeros_like(each) for each in weights]

    def step(self, gradients: list[np.ndarray], rate: float) -> None:
        """Downhill by about ``rate`` in every weight."""
        self.steps += 1
        rate = rate * np.sqrt(1 - self.second**self.steps) / (1 - self.momentum**self.steps)
        for weight, gradient, mean, square in zip(
            self.weights, gradients, self._mean, self._square, strict=True
        ):
            mean += (1 - self.momentum) * (gradient - mean)
            square += (1 - self.second) * (gradient * gradient - square)
            weight -= (rate * mean / (np.sqrt(square) + 1e-8)).astype(weight.dtype)


def softplus(logits: np.ndarray) -> np.ndarray:
    """log(1 + exp(logit)), which neither overflows nor loses digits."""
    return np.maximum(logits, 0) + np.log1p(np.exp(-np.abs(logits)))


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-logit)) without overflow."""
    small = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1, small) / (1 + small)


# For each loss and each kind of logit: the term of one point, and its slope by the logit.
# The discriminator's loss is the mean over real points plus the mean over fakes.
_TERMS = {
    "real": (lambda s: softplus(-s), lambda s: -sigmoid(-s)),  # -log D
    "fake": (softplus, sigmoid),  # -log(1 - D)
}
LOSSES = {
    # Goodfellow et al. 2014, equation 1: the generator minimises mean log(1 - D).
    "saturating": {**_TERMS, "generator": (lambda s: -softplus(s), lambda s: -sigmoid(s))},
    # The same paper, end of section 3: it minimises -mean log D.
    "non-saturating": {**_TERMS, "generator": _TERMS["real"]},
    # Arjovsky et al. 2017, equation 2; a distance only while the slope is bounded.
    "wasserstein": {
        "real": (lambda s: -s, lambda s: -np.ones_like(s)),
        "fake": (lambda s: s, np.ones_like),
        "generator": (lambda s: -s, lambda s: -np.ones_like(s)),
    },
    # Mao et al. 2017, equation 2 with a = 0 and b = c = 1.
    "least squares": {
        "real": (lambda s: (s - 1) ** 2 / 2, lambda s: s - 1),
        "fake": (lambda s: s**2 / 2, lambda s: s),
        "generator": (lambda s: (s - 1) ** 2 / 2, lambda s: s - 1),
    },
}


def loss_and_slope(loss: str, kind: str, logits: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean of one term over the points and its slope by each logit, ``(n, 1)``.

    Args:
        loss: a key of ``LOSSES``. kind: ``"real"``, ``"fake"`` (both the discriminator's) or
            ``"generator"``. In nats for the two that are logarithms.
    """
    value, slope = LOSSES[loss][kind]
    return float(np.mean(value(logits))), slope(logits) / logits.size
