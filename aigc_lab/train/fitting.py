"""One ``fit`` for every model, many steps in one compiled call. Introduced in notebook 00."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from aigc_lab.train.checkpoint import digest, give, lowest, ready, restore, store, values_of

SCHEDULES = ("cosine", "constant", "step", "warm-up")
END = 0.02  # share of the peak at which every falling schedule ends
WARM_UP = 0.1  # share of the steps in which the rate rises
FALLS = (0.5, 0.75)  # places, as shares of the steps, at which the step schedule falls


def settings(profile: str, **profiles: dict[str, Any]) -> Any:
    """The settings of one profile, as attributes: ``settings(profile, smoke={...}, classroom={...})``.

    Raises:
        ValueError: an unknown profile; the message names the known ones.
    """
    if profile not in profiles:
        raise ValueError(f"there is no profile {profile!r}; choose one of {', '.join(profiles)}")
    return SimpleNamespace(**profiles[profile])


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
        x: float images ``(n, height, width, channels)``, or tokens ``(n, length)`` as integers.
        labels: ``(n,)`` integers or None.
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
    if (steps is None) == (epochs is None):
        raise ValueError("say how long to train in exactly one unit: steps=… or epochs=…")
    per_epoch = max(1, len(x) // max(1, batch_size))  # what does not fit is said with the data
    trainer = Trainer(
        model,
        steps=round(epochs * per_epoch) if steps is None else steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        schedule=schedule,
        jit_compile=jit_compile,
        micro_batches=micro_batches,
    )
    return trainer.fit(
        model,
        x,
        labels,
        seed=seed,
        validation=validation,
        patience=patience,
        checkpoint=checkpoint,
        reports=reports,
        measure=measure,
        progress=progress,
    )


@dataclass(eq=False, repr=False)
class Trainer:
    """Compile once, train many times: for studies in which only the data and the seed change.

    Tracing a step takes longer than training a small model, and ``fit`` traces anew for each model. A
    trainer traces at its first ``fit``. Each further one begins with the weights of ``start`` and a new
    optimizer state, and gives the result that ``train.fit(start, …)`` gives. Introduced in notebook 15.

    Args:
        model: what is compiled and trained; it is the trained model afterwards.
        steps, batch_size, learning_rate, schedule, jit_compile, micro_batches: as for ``fit``. With XLA, data
            of another length are compiled anew.
    """

    model: Any
    _: KW_ONLY
    steps: int
    batch_size: int = 64
    learning_rate: float = 3e-3
    schedule: Any = "cosine"
    jit_compile: bool = False
    micro_batches: int = 1

    def __post_init__(self) -> None:
        import keras

        from aigc_lab.train.optimizer import Adam, Rates

        model, batch_size, parts = self.model, self.batch_size, self.micro_batches
        on_tensorflow = keras.backend.backend() == "tensorflow"
        if self.steps < 1:
            raise ValueError(f"training must last at least one step, got {self.steps}")
        if not 0 <= self.learning_rate < np.inf:
            raise ValueError(f"learning_rate must be a finite number from 0 up, got {self.learning_rate}")
        if parts < 1 or batch_size % parts:
            raise ValueError(f"batch_size must be a multiple of micro_batches, got {batch_size} and {parts}")
        if parts > 1 and not on_tensorflow:
            raise ValueError("micro_batches needs the TensorFlow backend; elsewhere use a smaller batch_size")
        self.steps = int(self.steps)
        self._rates = None
        if not isinstance(self.schedule, str):
            self._rates = Rates(checked_rates(self.schedule, self.steps))
        elif self.schedule != "cosine":
            self._rates = Rates(rates(self.schedule, self.steps, self.learning_rate))
        cosine = keras.optimizers.schedules.CosineDecay(self.learning_rate, self.steps, alpha=END)
        # Two players in one model may need two learning rates.
        optimizer = Adam(self._rates or cosine, **getattr(model, "optimizer_options", dict)())
        if any(layer.compute_dtype == "float16" for layer in model._flatten_layers()):
            # Its smallest number above 0 is 6e-8: small gradients are kept by a larger loss.
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(model.trainable_variables)
        self._state = [*model.variables, *optimizer.variables]
        self._optimizer_start = optimizer.variables, values_of(optimizer.variables)
        if on_tensorflow:
            self.make_steps = compiled_steps(model, optimizer, batch_size, self.jit_compile, parts)
        else:
            self.make_steps = keras_steps(model, optimizer, batch_size)

    def fit(
        self,
        start: Any,
        x: np.ndarray,
        labels: np.ndarray | None = None,
        *,
        rates: Any = None,
        seed: int = 0,
        validation: tuple[Any, ...] | None = None,
        patience: int | None = None,
        checkpoint: str | Path | None = None,
        reports: int = 1,
        measure: Callable[[], dict[str, float]] | None = None,
        progress: bool | str = False,
    ) -> History:
        """Train ``self.model`` from the weights of ``start``, a new model of the same architecture.

        Args:
            start: only read; its random state is taken too.
            rates: the learning rate of each step ``(steps,)``, in place of those that the trainer was made
                with, from now on; so a search over learning rates compiles once. On TensorFlow, for a trainer
                that was made with another schedule than ``"cosine"``.

        All others as for ``train.fit``.

        Raises:
            ValueError, FloatingPointError: as ``train.fit``; a ``start`` whose variables have other shapes.
        """
        import keras
        import pandas as pd

        model, state, total = self.model, self._state, self.steps
        data = checked_data(x, labels)
        checked_for(model, data, self.batch_size)
        held_out = None if validation is None else checked_data(*validation)
        if patience is not None and (held_out is None or patience < 1 or patience % 1):
            raise ValueError(
                "patience counts reports of the validation loss: give a whole number from 1 up and "
                f"validation=(x,) with it, got patience={patience}"
            )
        if [each.shape for each in start.variables] != [each.shape for each in model.variables]:
            raise ValueError("start has other shapes than the compiled model: build both with equal settings")
        give(model.variables, values_of(start.variables))
        give(*self._optimizer_start)
        if rates is not None:
            if self._rates is None or keras.backend.backend() != "tensorflow":
                raise ValueError("other rates need TensorFlow, and a trainer made with schedule='constant'")
            given = checked_rates(rates, self.steps)
            self._rates.table.assign(given)
            self.learning_rate = float(given.max())
        count = len(data[0])
        settings = {
            "steps": total,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "micro_batches": self.micro_batches,
            "schedule": "cosine" if self._rates is None else digest(values_of([self._rates.table])),
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
        best_file, best = Path(f"{checkpoint}.best"), None
        run_steps = self.make_steps(data)
        stops = np.unique(np.linspace(0, total, min(reports, total) + 1).round().astype(int)[1:])
        line = RewrittenLine(bool(progress))
        name = f"{progress} " if isinstance(progress, str) else ""
        remark = None
        begun = time.perf_counter() - (rows[-1]["seconds"] if rows else 0.0)
        for stop in stops[stops > done]:
            # From the history alone, so that a run that goes on stops where an uninterrupted one stops.
            if patience is not None and rows and len(rows) - 1 - lowest(rows) >= patience:
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
            if not remark and hasattr(model, "remark") and (remark := model.remark(rows)):
                warnings.warn(remark, stacklevel=3 if start is model else 2)  # the line that called a fit
            bar = "#" * round(20 * done / total)
            seconds = rows[-1]["seconds"]
            loss = f"{row['loss']:.1f}" if abs(row["loss"]) >= 1 else f"{row['loss']:.2g}"  # not 0.0
            words = f"{name}[{bar:.<20}] step {done}/{total}, loss {loss}, {seconds:.0f} s"
            line.show(words, last=done == total)
            if patience is not None and lowest(rows) == len(rows) - 1:
                best = values_of(state)
                if checkpoint is not None:
                    store(best_file, state, settings, done, rows)
            if checkpoint is not None:
                store(Path(checkpoint), state, settings, done, rows)
        if patience is not None and checkpoint is not None:
            restore(best_file, state, settings)
        elif best is not None:
            give(state, best)
        return History(pd.DataFrame(rows))


def validation_loss(model: Any, data: list[np.ndarray]) -> float:
    """Mean loss on held-out data; the model's random state is put back, so training is not changed."""
    from keras import ops

    random_state = [each for each in model.variables if "seed_generator_state" in each.path]
    before = values_of(random_state)
    total, size = 0.0, 500  # items at a time
    for start in range(0, len(data[0]), size):
        batch = [ops.convert_to_tensor(each[start : start + size]) for each in data]
        inputs = batch[0] if len(batch) == 1 else tuple(batch)
        loss = model.loss_terms(inputs, model(inputs, training=False))["loss"]
        total += float(ops.convert_to_numpy(ops.stop_gradient(loss))) * len(batch[0])
    give(random_state, before)
    return total / len(data[0])


# -- the steps ----------------------------------------------------------------------------------------
# What makes them is called once for a model. Given the data, it returns a function that takes item numbers
# (steps, batch_size) and gives the loss terms of each step.

Run = Callable[[np.ndarray], dict[str, np.ndarray]]


def compiled_steps(
    model: Any, optimizer: Any, batch_size: int, jit_compile: bool, micro_batches: int = 1
) -> Callable[[list[np.ndarray]], Run]:
    """On TensorFlow: many steps in one compiled call, over data that stay in memory.

    The data are arguments of the compiled function, so other data need no other function.
    """
    import tensorflow as tf

    names: list[str] = []

    def terms_and_gradients(batch):
        terms, gradients = loss_and_gradients(model, optimizer, batch)
        names[:] = list(terms)
        return tf.stack([tf.cast(value, tf.float32) for value in terms.values()]), gradients

    def mean_of_micro_batches(batch):
        """One after the other, so that only one has its activations in memory."""
        size = batch_size // micro_batches
        parts = [tf.reshape(each, (micro_batches, size, *each.shape[1:])) for each in batch]  # (batch, …) ->
        first = terms_and_gradients([each[0] for each in parts])  # (micro_batches, size, …)
        values, sums = tf.foldl(
            lambda before, part: tf.nest.map_structure(tf.add, before, terms_and_gradients(part)),
            [each[1:] for each in parts],
            initializer=first,
            parallel_iterations=1,
        )
        return values / micro_batches, [each / micro_batches for each in sums]

    def many_steps(batches, *tensors):
        def one_step(chosen):
            # ensure_shape: the convolution kernels are chosen for a known batch size.
            batch = [
                tf.ensure_shape(tf.gather(each, chosen), (batch_size, *each.shape[1:])) for each in tensors
            ]
            compute = terms_and_gradients if micro_batches == 1 else mean_of_micro_batches
            values, gradients = compute(batch)
            optimizer.apply(gradients, model.trainable_variables)
            return values

        return tf.map_fn(one_step, batches, fn_output_signature=tf.float32, parallel_iterations=1)

    function = tf.function(many_steps, jit_compile=jit_compile)

    def make_run(data: list[np.ndarray]) -> Run:
        tensors = [tf.constant(each) for each in data]
        # XLA compiles for a known number of items; without it, any number will do.
        shapes = [(len(each) if jit_compile else None, *each.shape[1:]) for each in data]
        specs = [tf.TensorSpec(shape, each.dtype) for shape, each in zip(shapes, tensors, strict=True)]
        # A concrete function: a new model is a new trace, which TensorFlow would warn about.
        compiled = function.get_concrete_function(tf.TensorSpec((None, batch_size), tf.int32), *specs)

        def run(batches: np.ndarray) -> dict[str, np.ndarray]:
            values = compiled(tf.constant(batches), *tensors).numpy()  # (steps, terms)
            return dict(zip(names, values.T, strict=True))

        return run

    return make_run


def loss_and_gradients(model: Any, optimizer: Any, batch: list[Any]) -> tuple[dict[str, Any], list[Any]]:
    """The loss terms of one batch, and the gradient of ``"loss"`` for each trainable variable, or None."""
    import tensorflow as tf

    inputs = batch[0] if len(batch) == 1 else tuple(batch)
    with tf.GradientTape() as tape:
        terms = model.loss_terms(inputs, model(inputs, training=True))
        # In float16 the optimizer multiplies the loss, and later divides again.
        loss = optimizer.scale_loss(terms["loss"])
    gradients = tape.gradient(loss, model.trainable_variables)
    # An embedding's comes as slices, in which a row stands twice when its token does; Adam would square
    # the slices one by one, and so not the gradient.
    return terms, [each if each is None else tf.convert_to_tensor(each) for each in gradients]


def keras_steps(model: Any, optimizer: Any, batch_size: int) -> Callable[[list[np.ndarray]], Run]:
    """The same steps through Keras' ``fit``, for JAX (which compiles them) and PyTorch."""
    import keras

    class Losses(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            # Keras logs the running mean since the call began; NaN shows at its step all the same.
            running.append({name: float(value) for name, value in logs.items()})

    running: list[dict[str, float]] = []
    model.compile(optimizer=optimizer, jit_compile="auto")

    def make_run(data: list[np.ndarray]) -> Run:
        def run(batches: np.ndarray) -> dict[str, np.ndarray]:
            running.clear()
            order = batches.reshape(-1)  # (steps, batch) -> (steps * batch,)
            chosen = [each[order] for each in data]
            inputs = chosen[0] if len(chosen) == 1 else tuple(chosen)
            model.fit(inputs, batch_size=batch_size, shuffle=False, verbose=0, callbacks=[Losses()])
            steps = np.arange(1, len(running) + 1)
            sums = {name: np.array([each[name] for each in running]) * steps for name in running[0]}
            return {name: np.diff(values, prepend=0.0) for name, values in sums.items()}

        return run

    return make_run


def batches(count: int, batch_size: int, start: int, stop: int, seed: int) -> np.ndarray:
    """Item numbers of steps ``start`` to ``stop``, ``(steps, batch_size)``, however training is cut."""
    per_epoch = count // batch_size
    first, last = start // per_epoch, (stop - 1) // per_epoch
    orders = [
        np.random.default_rng((seed, epoch)).permutation(count)[: per_epoch * batch_size]
        for epoch in range(first, last + 1)
    ]
    steps = np.concatenate(orders).astype("int32").reshape(-1, batch_size)  # from the first epoch's on
    return steps[start - first * per_epoch : stop - first * per_epoch]


# -- the learning rate of each step -------------------------------------------------------------------


def rates(schedule: str, steps: int, learning_rate: float) -> np.ndarray:
    """The learning rate of each step, ``(steps,)`` float32, at most ``learning_rate``. Notebook 13.

    ``cosine`` falls along half a cosine to 2% (Loshchilov and Hutter 2017, equation 5, one cycle); it is
    what ``train.fit`` does if nothing is said. ``constant`` stays. ``step`` is divided by 7 at half and at
    three quarters of the way, to 2% again (the stepwise decay of He and others 2016). ``warm-up`` rises
    linearly over the first tenth, then falls along a cosine (Goyal and others 2017, section 2.2).

    Raises:
        ValueError: an unknown schedule, or a rate that is negative or not finite.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"there is no schedule {schedule!r}; choose one of {', '.join(SCHEDULES)}")
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
    return checked_rates(learning_rate * shares, steps)


def _cosine(place: np.ndarray) -> np.ndarray:
    return END + (1 - END) * (1 + np.cos(np.pi * np.clip(place, 0, 1))) / 2


# -- what is refused before the first step ------------------------------------------------------------


def checked_rates(wanted: Any, steps: int) -> np.ndarray:
    """The rates as float32: one finite rate, 0 or more, for each step, or a ValueError."""
    table = np.asarray(wanted, "float32")
    if table.shape != (steps,) or not (np.isfinite(table) & (table >= 0)).all():
        raise ValueError(
            f"a schedule needs one finite rate of 0 or more for each of the {steps} steps, "
            f"got shape {table.shape}, lowest {table.min(initial=np.inf):g}"
        )
    return table


def checked_data(x: Any, labels: Any = None) -> list[np.ndarray]:
    """Items as float32 (tokens as int32) and labels as int32, or a ValueError that says what is wrong."""
    items = np.asarray(x)
    if not len(items):
        raise ValueError("there are no items to train on; the set is empty after cleaning or selection")
    if items.dtype in (np.int32, np.int64) and items.ndim == 2 and labels is None:
        return [items.astype("int32")]  # tokens, (items, length)
    if items.dtype == np.uint8:
        raise ValueError("training data must be float in [0, 1], got uint8; use Dataset.arrays()")
    bad = ~np.isfinite(items).all(axis=tuple(range(1, items.ndim)))
    if bad.any():
        raise ValueError(
            f"{bad.sum()} items hold NaN or infinite values, the first is item {bad.argmax()}; "
            "drop or repair them"
        )
    items = items.astype("float32", copy=False)
    if labels is None:
        return [items]
    if np.shape(labels) != (len(items),):
        raise ValueError(
            f"there are {len(items)} items but labels of shape {np.shape(labels)}; give one for each item"
        )
    return [items, np.asarray(labels, "int32")]


def checked_for(model: Any, data: list[np.ndarray], batch_size: int) -> None:
    """What the model itself does not take, said before the first step."""
    if hasattr(model, "check_training_data"):
        model.check_training_data(*data)
    count, smallest = len(data[0]), getattr(model, "smallest_batch", 1)
    if batch_size < 1 or count < batch_size:
        raise ValueError(
            f"there are {count} items but batch_size is {batch_size}; choose one from 1 to {count}"
        )
    if batch_size < smallest:
        raise ValueError(f"this model needs {smallest} items or more in a batch, got batch_size={batch_size}")
    if batch_size % (multiple := getattr(model, "batch_multiple", 1)):
        raise ValueError(f"this model needs a batch_size that is a multiple of {multiple}, got {batch_size}")


# -- a line that follows the work ---------------------------------------------------------------------


class RewrittenLine:
    """One line that is rewritten in place: in a notebook no wall of text is stored.

    Args:
        wanted: without it nothing is shown.
        width: in a terminal, texts are filled up to so many characters, to cover a longer one before.
    """

    def __init__(self, wanted: bool, width: int = 0) -> None:
        self.wanted, self.width, self.handle = wanted, width, None
        shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
        self.in_notebook = type(shell).__name__ == "ZMQInteractiveShell"

    def show(self, text: str, last: bool = False) -> None:
        """Rewrite the line; what a terminal prints after the last text begins on a new line."""
        if not self.wanted:
            return
        if not self.in_notebook:
            print(f"\r{text:<{self.width}}", end="\n" if last else "", flush=True)
            return
        from IPython.display import Pretty, display

        if self.handle is None:
            self.handle = display(Pretty(text), display_id=True)
        else:
            self.handle.update(Pretty(text))
