"""Learning-rate schedules as plain numbers: one rate for each step. Introduced in notebook 13."""

from __future__ import annotations

from typing import Any

import numpy as np

SCHEDULES = ("cosine", "constant", "step", "warm-up")
END = 0.02  # share of the peak at which every falling schedule ends
WARM_UP = 0.1  # share of the steps in which the rate rises
FALLS = (0.5, 0.75)  # places, as shares of the steps, at which the step schedule falls


def rates(schedule: str, steps: int, learning_rate: float) -> np.ndarray:
    """The learning rate of each step, ``(steps,)`` float32, at most ``learning_rate``.

    ``cosine`` falls along half a cosine to 2% (Loshchilov and Hutter 2017, equation 5, one cycle); it is
    what ``train.fit`` does if nothing is said. ``constant`` stays. ``step`` is divided by 7 at half and at
    three quarters of the way, to 2% again (the stepwise decay of He and others 2016). ``warm-up`` rises
    linearly over the first tenth, then falls along a cosine (Goyal and others 2017, section 2.2).

    Raises:
        ValueError: an unknown schedule, no steps, or a rate that is not positive and finite.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"there is no schedule {schedule!r}; choose one of {', '.join(SCHEDULES)}")
    if steps < 1 or not np.isfinite(learning_rate) or learning_rate <= 0:
        raise ValueError(
            f"a schedule needs steps of 1 or more and a positive rate, got {steps} and {learning_rate}"
        )
    place = np.arange(steps)
    if schedule == "constant":
        shares = np.ones(steps)
    elif schedule == "step":
        shares = END ** (sum(place >= fall * steps for fall in FALLS) / len(FALLS))
    elif schedule == "cosine":
        shares = _cosine(place / steps)
    else:
        rising = max(1, round(WARM_UP * steps))
        falling = _cosine((place - rising) / max(1, steps - rising))
        shares = np.where(place < rising, (place + 1) / rising, falling)
    return (learning_rate * shares).astype("float32")


def _cosine(place: np.ndarray) -> np.ndarray:
    return END + (1 - END) * (1 + np.cos(np.pi * np.clip(place, 0, 1))) / 2


def checked_rates(wanted: Any, steps: int) -> np.ndarray:
    """Rates that a caller gives as numbers.

    Raises:
        ValueError: not one finite rate, 0 or more, for each step.
    """
    table = np.asarray(wanted, "float32")
    if table.shape != (steps,) or not np.isfinite(table).all() or (table < 0).any():
        raise ValueError(
            f"a schedule of numbers needs one finite rate of 0 or more for each of the {steps} steps, "
            f"got shape {table.shape}"
        )
    return table


def keras_schedule(schedule: Any, steps: int, learning_rate: float) -> tuple[Any, Any]:
    """A Keras schedule; and the variable behind it that holds the rates, where there is one.

    The default, ``"cosine"``, is Keras' own. Every other schedule is a table in a variable, so that other
    rates need no other compiled function.
    """
    import keras

    if isinstance(schedule, str) and schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(learning_rate, steps, alpha=END), None
    if isinstance(schedule, str):
        schedule = rates(schedule, steps, learning_rate)
    table = keras.Variable(checked_rates(schedule, steps), trainable=False, name="learning_rates")

    class Table(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            place = keras.ops.minimum(keras.ops.cast(step, "int32"), steps - 1)
            return keras.ops.take(table, place)

        def get_config(self):
            return {"rates": keras.ops.convert_to_numpy(table).tolist()}

    return Table(), table
