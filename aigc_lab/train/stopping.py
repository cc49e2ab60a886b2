"""Early stopping: keep the weights of the lowest validation loss, and say when to stop. Notebook 13."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from aigc_lab.train.checkpoint import give, restore, store, values_of


class Best:
    """The state of the report with the lowest ``validation_loss`` so far.

    Whether to stop is computed from the rows of the history alone, so a run that goes on from a
    checkpoint stops where the uninterrupted run stops (Prechelt 1998, section 2: patience).

    Args:
        patience: reports without a new lowest loss after which training stops; None: it never stops.
        state: the variables of model and optimizer.
        checkpoint: of the run; the best state then lies beside it, so that it survives an interrupt.

    Raises:
        ValueError: ``patience`` is no whole number from 1 up, or there is no validation loss to watch.
    """

    def __init__(
        self,
        patience: int | None,
        state: list[Any],
        checkpoint: Any,
        settings: dict[str, Any],
        validated: bool,
    ) -> None:
        if patience is not None:
            if isinstance(patience, bool) or int(patience) != patience or patience < 1:
                raise ValueError(f"patience must be a whole number of reports from 1 up, got {patience!r}")
            if not validated:
                raise ValueError("patience watches the validation loss: give validation=(x,) as well")
        self.patience, self.state, self.settings = patience, state, settings
        self.file = None if checkpoint is None else Path(f"{checkpoint}.best")
        self.values: list[np.ndarray] = []

    def stops(self, rows: list[dict[str, float]]) -> bool:
        """Whether so many reports have gone by without a new lowest loss."""
        if self.patience is None or not rows:
            return False
        return len(rows) - 1 - self._lowest(rows) >= self.patience

    def keep(self, done: int, rows: list[dict[str, float]]) -> None:
        """Take note of the present state, if it is the best so far."""
        if self.patience is None or self._lowest(rows) != len(rows) - 1:
            return
        if self.file is None:
            self.values = values_of(self.state)
        else:
            store(self.file, self.state, self.settings, done, rows)

    def put_back(self) -> None:
        """Give the model the weights of the lowest loss."""
        if self.patience is None:
            return
        if self.file is not None:
            restore(self.file, self.state, self.settings)
        elif self.values:
            give(self.state, self.values)

    @staticmethod
    def _lowest(rows: list[dict[str, float]]) -> int:
        losses = np.array([row["validation_loss"] for row in rows])
        return int(np.argmin(np.where(np.isfinite(losses), losses, np.inf)))
