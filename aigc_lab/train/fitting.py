"""One ``fit`` for every model, many steps in one compiled call. Introduced in notebook 00."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aigc_lab.train.checkpoint import digest, give, kept, random_state, ready, restore, store, values_of
from aigc_lab.train.checks import checked_data, checked_for, computes_in_float16, total_steps
from aigc_lab.train.progress import ProgressLine
from aigc_lab.train.schedules import checked_rates, keras_schedule
from aigc_lab.train.steps import batches, keras_runner, tensorflow_runner
from aigc_lab.train.stopping import Best


@dataclass(frozen=True)
class History:
    """What happened in training: one row a report, values averaged over the steps since the last.

    Columns of ``table``: ``step``, ``epoch`` (a fraction), the model's loss terms,
    ``validation_loss`` where validation data were given, and ``seconds`` since the start.
    """

    table: Any

    def last(self, column: str = "loss") -> float:
        """The newest value of a column."""
        return float(self.table[column].iloc[-1])


def fit(
    model: Any,
    x: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    steps: int | None = None,
    epochs: float | None = None,
    batch_size: int = 64,
    learning_rate: float = 3e-3,
    schedule: Any = "cosine",
    seed: int = 0,
    validation: tuple[Any, ...] | None = None,
    patience: int | None = None,
    checkpoint: str | Path | None = None,
    reports: int = 10,
    measure: Callable[[], dict[str, float]] | None = None,
    jit_compile: bool = False,
    micro_batches: int = 1,
    progress: bool | str = True,
) -> History:
    """Train ``model`` with Adam and, if nothing else is said, a cosine schedule to 2% of ``learning_rate``.

    Args:
        x: float pictures ``(n, height, width, channels)``; labels: ``(n,)`` integers or None.
        steps, epochs: how long, in exactly one of the two units. Each epoch takes the items in
            a new order; the items that do not fill the last batch wait for another epoch.
        schedule: a name of ``train.SCHEDULES``, or the rate of each step as numbers ``(steps,)``.
        seed: of the order of the items; equal seeds give equal runs on one backend and machine.
        validation: ``(x,)`` or ``(x, labels)`` held out; its loss is taken at each report.
        patience: stop after so many reports without a new lowest ``validation_loss``; the weights of the
            lowest one are put back (with a checkpoint, they lie beside it in ``FILE.best``).
        checkpoint: a file, written at each report. If it exists, training goes on from it and
            ends with the same weights as a run that was never cut.
        reports: how many rows the history has (and how often a checkpoint is written).
        measure: called at each report, after the steps; what it returns are more columns of the
            history. For scores that the loss does not tell, such as the KID of samples.
        jit_compile: compile with XLA on TensorFlow; helps dense networks, and makes convolutions on
            a CPU many times slower. JAX always compiles, PyTorch runs eagerly.
        micro_batches: compute each batch in so many equal parts, one after the other, and take the mean of
            their gradients: a step of the large batch in the memory of a small one. Equal to the whole batch
            for a loss that is a mean over items, up to rounding and the noise that each part draws.
        progress: show a line that follows the steps; a text stands at its start.

    Raises:
        ValueError: bad data or settings, or a checkpoint of another run.
        FloatingPointError: the loss became NaN or infinite; the message names the step, and the
            model's weights are those of the last report.
    """
    data = checked_data(x, labels)
    checked_for(model, data, batch_size)
    total = total_steps(steps, epochs, len(data[0]), batch_size)
    trainer = Trainer(
        model,
        steps=total,
        batch_size=batch_size,
        learning_rate=learning_rate,
        schedule=schedule,
        jit_compile=jit_compile,
        micro_batches=micro_batches,
    )
    return trainer._train(data, seed, validation, checkpoint, reports, measure, progress, patience)


class Trainer:
    """Compile once, train many times: for studies in which only the data and the seed change.

    Tracing a step takes longer than training a small model, and ``fit`` traces anew for each model. A
    trainer traces at its first ``fit``. Each further one begins with the weights of ``start`` and a new
    optimizer state, and gives the result that ``train.fit(start, …)`` gives. Introduced in notebook 15.

    Args:
        model: what is compiled and trained; it is the trained model afterwards.
        steps, batch_size, learning_rate, schedule, jit_compile, micro_batches: as for ``fit``. With XLA, data
            of another length are compiled anew.
        make_runner: who computes the steps, where it is not this process alone (``train.distributed``).
    """

    def __init__(
        self,
        model: Any,
        *,
        steps: int,
        batch_size: int = 64,
        learning_rate: float = 3e-3,
        schedule: Any = "cosine",
        jit_compile: bool = False,
        micro_batches: int = 1,
        make_runner: Any = None,
    ) -> None:
        import keras

        if micro_batches < 1 or batch_size % micro_batches:
            raise ValueError(
                f"batch_size must be a multiple of micro_batches, got {batch_size} and {micro_batches}"
            )
        on_tensorflow = keras.backend.backend() == "tensorflow"
        if micro_batches > 1 and not on_tensorflow:
            raise ValueError(
                "micro_batches needs the TensorFlow backend; elsewhere choose a smaller batch_size"
            )
        self.model, self.steps, self.batch_size = model, total_steps(steps, None, 1, 1), batch_size
        self.learning_rate, self.micro_batches = learning_rate, micro_batches
        schedule, self._rates = keras_schedule(schedule, self.steps, learning_rate)
        # Two players in one model may need two learning rates.
        make_optimizer = getattr(model, "make_optimizer", keras.optimizers.Adam)
        optimizer = make_optimizer(schedule)
        if computes_in_float16(model):
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(model.trainable_variables)
        self._state = [*model.variables, *optimizer.variables]
        self._optimizer_start = optimizer.variables, values_of(optimizer.variables)
        make_runner = make_runner or (tensorflow_runner if on_tensorflow else keras_runner)
        options = {"micro_batches": micro_batches} if micro_batches > 1 else {}
        self._run_steps = make_runner(model, optimizer, batch_size, jit_compile, **options)

    def fit(
        self,
        start: Any,
        x: np.ndarray,
        labels: np.ndarray | None = None,
        *,
        seed: int = 0,
        validation: tuple[Any, ...] | None = None,
        patience: int | None = None,
        reports: int = 1,
        measure: Callable[[], dict[str, float]] | None = None,
        progress: bool | str = False,
        rates: Any = None,
    ) -> History:
        """Train ``self.model`` from the weights of ``start``, a new model of the same architecture.

        The arguments are those of ``train.fit``. ``start`` is only read; its random state is taken too.
        ``rates``, the learning rate of each step ``(steps,)``, replace those that the trainer was made with,
        from now on; so a search over learning rates compiles once (on TensorFlow).

        Raises:
            ValueError: as ``train.fit``, a ``start`` whose variables have other shapes, or ``rates`` for a
                trainer that was made with the schedule ``"cosine"`` or on another backend.
            FloatingPointError: as ``train.fit``.
        """
        data = checked_data(x, labels)
        checked_for(self.model, data, self.batch_size)
        shapes = [[tuple(each.shape) for each in model.variables] for model in (self.model, start)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                "the model to start from has variables of other shapes than the compiled one; build both "
                "with the same settings"
            )
        give(self.model.variables, values_of(start.variables))
        give(*self._optimizer_start)
        if rates is not None:
            self._give_rates(rates)
        return self._train(data, seed, validation, None, reports, measure, progress, patience)

    def _give_rates(self, rates: Any) -> None:
        import keras

        if self._rates is None or keras.backend.backend() != "tensorflow":
            raise ValueError(
                "this trainer cannot take other rates: make it on TensorFlow and with schedule='constant'"
            )
        given = checked_rates(rates, self.steps)
        self._rates.assign(given)
        self.learning_rate = float(given.max())

    def _train(
        self,
        data: list[np.ndarray],
        seed: int,
        validation: tuple[Any, ...] | None,
        checkpoint: str | Path | None,
        reports: int,
        measure: Callable[[], dict[str, float]] | None,
        progress: bool | str,
        patience: int | None = None,
    ) -> History:
        import keras
        import pandas as pd

        model, state, total, count = self.model, self._state, self.steps, len(data[0])
        held_out = None if validation is None else checked_data(*validation)
        keras.utils.set_random_seed(seed)
        settings = {
            "steps": total,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "micro_batches": self.micro_batches,
            "schedule": "cosine" if self._rates is None else digest(values_of([self._rates])),
            "seed": seed,
            "items": count,
            "data": digest(data) if checkpoint else None,
        }
        rows: list[dict[str, float]] = []
        done = 0
        if checkpoint is not None:
            ready(Path(checkpoint), state)
            if Path(checkpoint).exists():
                done, rows = restore(Path(checkpoint), state, settings)
        best = Best(patience, state, checkpoint, settings, held_out is not None)
        run_steps = self._run_steps(data)
        stops = np.unique(np.linspace(0, total, min(reports, total) + 1).round().astype(int)[1:])
        line = ProgressLine(total, progress)
        remarked = False
        begun = time.perf_counter() - (rows[-1]["seconds"] if rows else 0.0)
        for stop in stops[stops > done]:
            if best.stops(rows):
                break
            before = values_of(state)
            terms = run_steps(batches(count, self.batch_size, done, int(stop), seed))
            broken = ~np.isfinite(terms["loss"])
            if broken.any():
                give(state, before)
                value, step = terms["loss"][broken][0], done + 1 + int(broken.argmax())
                raise FloatingPointError(
                    f"the loss became {value} at step {step} of {total}; the weights of step {done} are "
                    f"back: lower learning_rate (now {self.learning_rate}) or check the data"
                )
            row = {"step": int(stop), "epoch": stop * self.batch_size / count}
            row |= {name: float(np.mean(values)) for name, values in terms.items()}
            if held_out is not None:
                row["validation_loss"] = validation_loss(model, held_out)
            if measure is not None:
                row |= {name: float(value) for name, value in measure().items()}
            rows.append(row | {"seconds": time.perf_counter() - begun})
            done = int(stop)
            remark = None if remarked else getattr(model, "remark", _nothing)(rows)
            if remark:
                remarked = True
                warnings.warn(remark, stacklevel=3)
            line.show(done, rows[-1]["loss"], rows[-1]["seconds"])
            best.keep(done, rows)
            if checkpoint is not None:
                store(Path(checkpoint), state, settings, done, rows)
        best.put_back()
        return History(pd.DataFrame(rows))


def validation_loss(model: Any, data: list[np.ndarray], size: int = 500) -> float:
    """Mean loss on held-out data; the model's random state is put back, so training is not changed."""
    from keras import ops

    total = 0.0
    with kept(random_state(model)):
        for start in range(0, len(data[0]), size):
            batch = [ops.convert_to_tensor(each[start : start + size]) for each in data]
            inputs = batch[0] if len(batch) == 1 else tuple(batch)
            loss = model.loss_terms(inputs, model(inputs, training=False))["loss"]
            total += float(ops.convert_to_numpy(ops.stop_gradient(loss))) * len(batch[0])
    return total / len(data[0])


def _nothing(rows: list[dict[str, float]]) -> None:
    """Models without remarks."""
