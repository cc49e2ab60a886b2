"""The learning-rate range test: one short training in which the rate rises at every step. Notebook 13."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from aigc_lab.train.checkpoint import kept
from aigc_lab.train.checks import checked_data, checked_for
from aigc_lab.train.fitting import Trainer
from aigc_lab.train.steps import batches

if TYPE_CHECKING:
    import pandas

_SMOOTHING = 0.9  # share of the running mean that is kept at each step
_WORSE = 1.2  # the loss counts as blown up at so many times its lowest smoothed value


@dataclass(frozen=True)
class RangeTest:
    """``table`` has ``step``, ``learning_rate``, ``loss`` and ``smoothed``, up to the step that blew up.

    ``lowest``: the rate at the lowest smoothed loss. ``steepest``: the rate at which the smoothed loss falls
    fastest against the logarithm of the rate. ``blown_up``: the rate at which the loss left for good, or NaN.
    """

    table: pandas.DataFrame
    lowest: float
    steepest: float
    blown_up: float


def range_test(
    model: Any,
    x: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    low: float = 1e-5,
    high: float = 1.0,
    steps: int = 150,
    batch_size: int = 64,
    seed: int = 0,
    jit_compile: bool = False,
) -> RangeTest:
    """Train while the learning rate rises from ``low`` to ``high`` by the same factor at every step.

    Where the loss begins to fall, rates begin to work; where it rises again they are too high (Smith 2017,
    section 3.3, there with a linear rise). The model gets its weights back, whatever happens.

    Raises:
        ValueError: bad data, fewer than 20 steps, or not 0 < low < high.
    """
    import pandas as pd

    if not 0 < low < high or not np.isfinite(high) or steps < 20:
        raise ValueError(
            f"a range test needs 0 < low < high and 20 steps or more, got {low}, {high}, {steps}"
        )
    data = checked_data(x, labels)
    checked_for(model, data, batch_size)
    rates = np.geomspace(low, high, steps)
    with kept(model.variables):
        trainer = Trainer(model, steps=steps, batch_size=batch_size, schedule=rates, jit_compile=jit_compile)
        losses = trainer._run_steps(data)(batches(len(data[0]), batch_size, 0, steps, seed))["loss"]
    losses = np.asarray(losses, float)
    smoothed = _smoothed(losses)
    end = _end(losses, smoothed)
    table = pd.DataFrame(
        {
            "step": np.arange(1, steps + 1),
            "learning_rate": rates,
            "loss": losses,
            "smoothed": smoothed,
        }
    ).iloc[:end]
    slope = np.gradient(smoothed[:end], np.log(rates[:end]))
    lowest = int(np.argmin(smoothed[:end]))
    steepest = int(np.argmin(slope[: lowest + 1]))
    blown_up = float(rates[end]) if end < steps else float("nan")
    return RangeTest(table, float(rates[lowest]), float(rates[steepest]), blown_up)


def _smoothed(losses: np.ndarray) -> np.ndarray:
    """A running mean that forgets, without the bias of its start (Kingma and Ba 2015, section 3)."""
    mean, smoothed = 0.0, np.empty(len(losses))
    for step, loss in enumerate(losses):
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * loss
        smoothed[step] = mean / (1 - _SMOOTHING ** (step + 1))
    return smoothed


def _end(losses: np.ndarray, smoothed: np.ndarray) -> int:
    """The first step, after the loss has fallen, that is not finite or far above the lowest one."""
    with np.errstate(invalid="ignore"):
        low = np.fmin.accumulate(smoothed)
        reach = np.maximum(np.abs(low) * (_WORSE - 1), 1e-12)
        gone = ~np.isfinite(losses) | (smoothed > low + reach)
    return max(2, int(gone.argmax()) if gone.any() else len(losses))
