"""The optimizer of ``train.fit``: Adam, one operation a variable, and the learning rate of each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("aigc_lab")
class Adam(keras.optimizers.Adam):
    """Adam (Kingma and Ba 2015, algorithm 1) with a factor on the learning rate of each variable.

    The numbers are those of Keras' own class up to rounding. On TensorFlow the update of a variable is the
    framework's fused operation in place of some fifteen small ones.

    Args:
        learning_rate: a number or a schedule.
        factors: one for each trainable variable, in order, or none. Two players in one model may need two
            rates; a factor on the loss would do nothing, for Adam divides by the size of the gradient.
    """

    def __init__(self, learning_rate: Any = 1e-3, factors: Sequence[float] = (), **options: Any) -> None:
        super().__init__(learning_rate, **options)
        self.factors = tuple(float(each) for each in factors)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One variable's step, at its own rate."""
        place = self._get_variable_index(variable)
        if self.factors:
            learning_rate = learning_rate * self.factors[place]
        if keras.backend.backend() != "tensorflow":
            super().update_step(gradient, variable, learning_rate)
            return
        import tensorflow as tf

        # Within Keras' update on TensorFlow it is the framework's own variable.
        kind = variable.dtype
        step = tf.cast(self.iterations.value + 1, kind)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[place].value.handle,
            v=self._velocities[place].value.handle,
            beta1_power=tf.pow(tf.constant(self.beta_1, kind), step),
            beta2_power=tf.pow(tf.constant(self.beta_2, kind), step),
            lr=tf.cast(learning_rate, kind),
            beta1=tf.constant(self.beta_1, kind),
            beta2=tf.constant(self.beta_2, kind),
            epsilon=tf.constant(self.epsilon, kind),
            grad=tf.cast(gradient, kind),
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factors": self.factors}


class Rates(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of each step, from a variable: other rates need no other compiled function."""

    def __init__(self, rates: np.ndarray) -> None:
        self.table = keras.Variable(rates, trainable=False, name="learning_rates")

    def __call__(self, step: Any) -> Any:
        place = ops.minimum(ops.cast(step, "int32"), self.table.shape[0] - 1)
        return ops.take(self.table, place)

    def get_config(self) -> dict[str, Any]:
        return {"rates": ops.convert_to_numpy(self.table).tolist()}
