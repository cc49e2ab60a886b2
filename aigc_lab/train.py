"""Stage 5, train: one ``fit`` for every model, many steps in one compiled call.

A model that can be trained here has ``loss_terms(inputs, outputs)``: a dict of scalars,
``"loss"`` among them. It may have ``check_training_data(x, labels)``,
``make_optimizer(schedule)`` and ``remark(rows)``: a sentence about the reports so far, which is
said once, as a warning. On TensorFlow the steps between two reports are one compiled loop over
data that stay in memory, because on a CPU the Python work of each step costs more than the
mathematics of a small network. On JAX and PyTorch, Keras' own ``fit`` does it.
Introduced in notebook 00.
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from aigc_lab.collect.atomic import atomic_write
from aigc_lab.train_steps import batches, keras_runner, tensorflow_runner


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
    seed: int = 0,
    validation: tuple[Any, ...] | None = None,
    checkpoint: str | Path | None = None,
    reports: int = 10,
    measure: Callable[[], dict[str, float]] | None = None,
    jit_compile: bool = False,
    progress: bool | str = True,
) -> History:
    """Train ``model`` with Adam and a cosine schedule that ends at 2% of ``learning_rate``.

    Args:
        x: float pictures ``(n, height, width, channels)``; labels: ``(n,)`` integers or None.
        steps, epochs: how long, in exactly one of the two units. Each epoch takes the items in
            a new order; the items that do not fill the last batch wait for another epoch.
        seed: of the order of the items; equal seeds give equal runs on one backend and machine.
        validation: ``(x,)`` or ``(x, labels)`` held out; its loss is taken at each report.
        checkpoint: a file, written at each report. If it exists, training goes on from it and
            ends with the same weights as a run that was never cut.
        reports: how many rows the history has (and how often a checkpoint is written).
        measure: called at each report, after the steps; what it returns are more columns of the
            history. For scores that the loss does not tell, such as the KID of samples.
        jit_compile: compile with XLA on TensorFlow; helps dense networks, and makes convolutions on
            a CPU many times slower. JAX always compiles, PyTorch runs eagerly.
        progress: show a line that follows the steps; a text stands at its start.

    Raises:
        ValueError: bad data or settings, or a checkpoint of another run.
        FloatingPointError: the loss became NaN or infinite; the message names the step, and the
            model's weights are those of the last report.
    """
    data = _checked_data(x, labels)
    _checked_for(model, data, batch_size)
    total = _total_steps(steps, epochs, len(data[0]), batch_size)
    trainer = Trainer(
        model, steps=total, batch_size=batch_size, learning_rate=learning_rate, jit_compile=jit_compile
    )
    return trainer._train(data, seed, validation, checkpoint, reports, measure, progress)


class Trainer:
    """Compile once, train many times: for studies in which only the data and the seed change.

    Tracing a step takes longer than training a small model, and ``fit`` traces anew for each model. A
    trainer traces at its first ``fit``. Each further one begins with the weights of ``start`` and a new
    optimizer state, and gives the result that ``train.fit(start, …)`` gives. Introduced in notebook 15.

    Args:
        model: what is compiled and trained; it is the trained model afterwards.
        steps, batch_size, learning_rate, jit_compile: as for ``fit``. With XLA, data of another length
            are compiled anew.
    """

    def __init__(
        self,
        model: Any,
        *,
        steps: int,
        batch_size: int = 64,
        learning_rate: float = 3e-3,
        jit_compile: bool = False,
    ) -> None:
        import keras

        self.model, self.steps, self.batch_size = model, _total_steps(steps, None, 1, 1), batch_size
        self.learning_rate = learning_rate
        schedule = keras.optimizers.schedules.CosineDecay(learning_rate, self.steps, alpha=0.02)
        # Two players in one model may need two learning rates.
        make_optimizer = getattr(model, "make_optimizer", keras.optimizers.Adam)
        optimizer = make_optimizer(schedule)
        optimizer.build(model.trainable_variables)
        self._state = [*model.variables, *optimizer.variables]
        self._optimizer_state = list(zip(optimizer.variables, _values(optimizer.variables), strict=True))
        on_tensorflow = keras.backend.backend() == "tensorflow"
        make_runner = tensorflow_runner if on_tensorflow else keras_runner
        self._run_steps = make_runner(model, optimizer, batch_size, jit_compile)

    def fit(
        self,
        start: Any,
        x: np.ndarray,
        labels: np.ndarray | None = None,
        *,
        seed: int = 0,
        validation: tuple[Any, ...] | None = None,
        reports: int = 1,
        measure: Callable[[], dict[str, float]] | None = None,
        progress: bool | str = False,
    ) -> History:
        """Train ``self.model`` from the weights of ``start``, a new model of the same architecture.

        The arguments are those of ``train.fit``. ``start`` is only read; its random state is taken too.

        Raises:
            ValueError: as ``train.fit``, or a ``start`` whose variables have other shapes.
            FloatingPointError: as ``train.fit``.
        """
        data = _checked_data(x, labels)
        _checked_for(self.model, data, self.batch_size)
        shapes = [[tuple(each.shape) for each in model.variables] for model in (self.model, start)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                "the model to start from has variables of other shapes than the compiled one; build both "
                "with the same settings"
            )
        for variable, value in zip(self.model.variables, _values(start.variables), strict=True):
            variable.assign(value)
        for variable, value in self._optimizer_state:
            variable.assign(value)
        return self._train(data, seed, validation, None, reports, measure, progress)

    def _train(
        self,
        data: list[np.ndarray],
        seed: int,
        validation: tuple[Any, ...] | None,
        checkpoint: str | Path | None,
        reports: int,
        measure: Callable[[], dict[str, float]] | None,
        progress: bool | str,
    ) -> History:
        import keras
        import pandas as pd

        model, state, total, count = self.model, self._state, self.steps, len(data[0])
        held_out = None if validation is None else _checked_data(*validation)
        keras.utils.set_random_seed(seed)
        settings = json.dumps(
            [total, self.batch_size, self.learning_rate, seed, count, _digest(data) if checkpoint else None]
        )
        rows: list[dict[str, float]] = []
        done = 0
        if checkpoint is not None and Path(checkpoint).exists():
            done, rows = _restore(Path(checkpoint), state, settings)
        run_steps = self._run_steps(data)
        stops = np.unique(np.linspace(0, total, min(reports, total) + 1).round().astype(int)[1:])
        line = _ProgressLine(total, progress)
        remarked = False
        begun = time.perf_counter() - (rows[-1]["seconds"] if rows else 0.0)
        for stop in stops[stops > done]:
            before = _values(state)
            terms = run_steps(batches(count, self.batch_size, done, int(stop), seed))
            broken = ~np.isfinite(terms["loss"])
            if broken.any():
                for variable, value in zip(state, before, strict=True):
                    variable.assign(value)
                value, step = terms["loss"][broken][0], done + 1 + int(broken.argmax())
                raise FloatingPointError(
                    f"the loss became {value} at step {step} of {total}; the weights of step {done} are "
                    f"back: lower learning_rate (now {self.learning_rate}) or check the data"
                )
            row = {"step": int(stop), "epoch": stop * self.batch_size / count}
            row |= {name: float(np.mean(values)) for name, values in terms.items()}
            if held_out is not None:
                row["validation_loss"] = _validation_loss(model, held_out)
            if measure is not None:
                row |= {name: float(value) for name, value in measure().items()}
            rows.append(row | {"seconds": time.perf_counter() - begun})
            done = int(stop)
            remark = None if remarked else getattr(model, "remark", _nothing)(rows)
            if remark:
                remarked = True
                warnings.warn(remark, stacklevel=3)
            line.show(done, rows[-1]["loss"], rows[-1]["seconds"])
            if checkpoint is not None:
                _store(Path(checkpoint), state, settings, done, rows)
        return History(pd.DataFrame(rows))


def settings(profile: str, **profiles: dict[str, Any]) -> Any:
    """The settings of one profile, as attributes: ``settings(profile, smoke={...}, classroom={...})``.

    Raises:
        ValueError: an unknown profile; the message names the known ones.
    """
    if profile not in profiles:
        raise ValueError(f"there is no profile {profile!r}; choose one of {', '.join(profiles)}")
    return SimpleNamespace(**profiles[profile])


def _validation_loss(model, data, size: int = 500) -> float:
    """Mean loss on held-out data; the model's random state is put back, so training is not changed."""
    from keras import ops

    seeds = [variable for variable in model.variables if "seed_generator_state" in variable.path]
    before = _values(seeds)
    total = 0.0
    for start in range(0, len(data[0]), size):
        batch = [ops.convert_to_tensor(each[start : start + size]) for each in data]
        inputs = batch[0] if len(batch) == 1 else tuple(batch)
        loss = model.loss_terms(inputs, model(inputs, training=False))["loss"]
        total += float(ops.convert_to_numpy(ops.stop_gradient(loss))) * len(batch[0])
    for variable, value in zip(seeds, before, strict=True):
        variable.assign(value)
    return total / len(data[0])


def _nothing(rows: list[dict[str, float]]) -> None:
    """Models without remarks."""


# -- checks and checkpoints -----------------------------------------------------------------------


def _checked_data(x: Any, labels: Any = None) -> list[np.ndarray]:
    pictures = np.asarray(x)
    if pictures.dtype == np.uint8:
        raise ValueError("training data must be float in [0, 1], got uint8; use Dataset.arrays()")
    if not len(pictures):
        raise ValueError("there are no items to train on; the set is empty after cleaning or selection")
    bad = ~np.isfinite(pictures).all(axis=tuple(range(1, pictures.ndim)))
    if bad.any():
        raise ValueError(
            f"{bad.sum()} items hold NaN or infinite values, the first is item {bad.argmax()}; "
            "drop or repair them"
        )
    if labels is None:
        return [pictures.astype("float32")]
    labels = np.asarray(labels)
    if labels.shape != (len(pictures),):
        raise ValueError(
            f"there are {len(pictures)} items but labels of shape {labels.shape}; give one for each item"
        )
    return [pictures.astype("float32"), labels.astype("int32")]


def _checked_for(model: Any, data: list[np.ndarray], batch_size: int) -> None:
    """What the model itself does not take, said before the first step."""
    if hasattr(model, "check_training_data"):
        model.check_training_data(*data)
    count = len(data[0])
    if batch_size < 1 or count < batch_size:
        raise ValueError(
            f"there are {count} items but batch_size is {batch_size}; choose one from 1 to {count}"
        )
    if batch_size < getattr(model, "smallest_batch", 1):
        raise ValueError(
            f"this model needs {model.smallest_batch} items or more in a batch, got batch_size={batch_size}"
        )


def _total_steps(steps: int | None, epochs: float | None, count: int, batch_size: int) -> int:
    if (steps is None) == (epochs is None):
        raise ValueError("say how long to train in exactly one unit: steps=… or epochs=…")
    if batch_size < 1 or count < batch_size:
        raise ValueError(
            f"there are {count} items but batch_size is {batch_size}; choose one from 1 to {count}"
        )
    total = int(steps) if steps is not None else round(epochs * (count // batch_size))
    if total < 1:
        raise ValueError(f"training must last at least one step, got steps={steps}, epochs={epochs}")
    return total


def _values(variables: list[Any]) -> list[np.ndarray]:
    from keras import ops

    return [ops.convert_to_numpy(variable).copy() for variable in variables]


def _digest(data: list[np.ndarray]) -> str:
    return hashlib.sha256(
        b"".join(hashlib.sha256(np.ascontiguousarray(each)).digest() for each in data)
    ).hexdigest()


def _store(path: Path, state: list[Any], settings: str, done: int, rows: list[dict[str, float]]) -> None:
    about = json.dumps({"settings": settings, "done": done, "rows": rows})
    arrays = {f"variable_{number}": value for number, value in enumerate(_values(state))}
    with atomic_write(path) as stream:
        np.savez(stream, about=np.array(about), **arrays)


def _restore(path: Path, state: list[Any], settings: str) -> tuple[int, list[dict[str, float]]]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            values = [stored[f"variable_{number}"] for number in range(len(state))]
    except Exception as error:
        raise ValueError(
            f"{path} is no checkpoint of this model ({error}); delete it to train anew"
        ) from error
    shapes_differ = any(value.shape != tuple(each.shape) for value, each in zip(values, state, strict=True))
    if about["settings"] != settings or shapes_differ:
        raise ValueError(
            f"{path} belongs to another run (other data, settings or model); delete it or name another"
        )
    for variable, value in zip(state, values, strict=True):
        variable.assign(value)
    return about["done"], about["rows"]


class _ProgressLine:
    """One line that is rewritten in place: in a notebook no wall of text is stored."""

    def __init__(self, total: int, wanted: bool | str) -> None:
        self.total, self.wanted, self.handle = total, bool(wanted), None
        self.name = f"{wanted} " if isinstance(wanted, str) else ""
        self.in_notebook = self.wanted and in_notebook()

    def show(self, done: int, loss: float, seconds: float) -> None:
        if not self.wanted:
            return
        filled = round(20 * done / self.total)
        bar = "#" * filled + "." * (20 - filled)
        text = f"{self.name}[{bar}] step {done}/{self.total}, loss {loss:.1f}, {seconds:.0f} s"
        if not self.in_notebook:
            print(f"\r{text}", end="\n" if done == self.total else "", flush=True)
            return
        from IPython.display import Pretty, display

        if self.handle is None:
            self.handle = display(Pretty(text), display_id=True)
        else:
            self.handle.update(Pretty(text))


def in_notebook() -> bool:
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return type(get_ipython()).__name__ == "ZMQInteractiveShell"
