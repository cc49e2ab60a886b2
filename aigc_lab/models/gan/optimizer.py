"""Adam for two players: one optimizer, a learning rate for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


@keras.saving.register_keras_serializable("aigc_lab")
class TwoPlayerAdam(keras.optimizers.Adam):
    """Adam whose learning rate is multiplied by a factor of each variable's own.

    A factor on the loss would do nothing: Adam divides by the size of the gradient.

    Args:
        learning_rate: a number or a schedule; factors: one for each trainable variable, in order.
    """

    def __init__(self, learning_rate: Any = 1e-3, factors: Sequence[float] = (), **options: Any) -> None:
        super().__init__(learning_rate, **options)
        self.factors = tuple(float(each) for each in factors)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Keras' own step at this variable's rate."""
        factor = self.factors[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate * factor)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factors": self.factors}
