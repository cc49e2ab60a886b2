"""The steps of ``aigc_lab.train``: many in one compiled call on TensorFlow, Keras' own ``fit`` elsewhere.

A runner is made once for a model. Given the data, it returns a function that takes item numbers
``(steps, batch_size)`` and gives the loss terms of each step. Introduced in notebook 00.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Run = Callable[[np.ndarray], dict[str, np.ndarray]]
Runner = Callable[[list[np.ndarray]], Run]


def tensorflow_runner(
    model: Any, optimizer: Any, batch_size: int, jit_compile: bool, micro_batches: int = 1
) -> Runner:
    """Many steps in one compiled call: gather a batch, tape, apply, and note the loss terms.

    The data are arguments of the compiled function, so other data need no other function.
    """
    import tensorflow as tf

    names: list[str] = []

    # Of float16 the smallest gradients would be 0: the optimizer multiplies the loss, and divides again.
    scaled = getattr(optimizer, "scale_loss", lambda loss: loss)

    def terms_and_gradients(batch):
        inputs = batch[0] if len(batch) == 1 else tuple(batch)
        with tf.GradientTape() as tape:
            terms = model.loss_terms(inputs, model(inputs, training=True))
            loss = scaled(terms["loss"])
        names[:] = list(terms)
        values = tf.stack([tf.cast(value, tf.float32) for value in terms.values()])
        gradients = tape.gradient(loss, model.trainable_variables)
        # An embedding's comes as slices, in which a row stands twice when its token does; Keras' Adam squares
        # the slices one by one, and so would not square the gradient.
        return values, [each if each is None else tf.convert_to_tensor(each) for each in gradients]

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
    compiled: dict[tuple[Any, ...], Any] = {}

    def runner(data: list[np.ndarray]) -> Run:
        tensors = [tf.constant(each) for each in data]
        # XLA compiles for a known number of items; without it, any number will do.
        shapes = [(len(each) if jit_compile else None, *each.shape[1:]) for each in data]
        key = tuple(shapes)
        if key not in compiled:
            specs = [
                tf.TensorSpec(shape, tensor.dtype) for shape, tensor in zip(shapes, tensors, strict=True)
            ]
            # A concrete function: a new model is a new trace, which TensorFlow would warn about.
            compiled[key] = function.get_concrete_function(
                tf.TensorSpec((None, batch_size), tf.int32), *specs
            )

        def run(batches: np.ndarray) -> dict[str, np.ndarray]:
            values = compiled[key](tf.constant(batches), *tensors).numpy()  # (steps, terms)
            return dict(zip(names, values.T, strict=True))

        return run

    return runner


def keras_runner(model: Any, optimizer: Any, batch_size: int, jit_compile: bool) -> Runner:
    """The same steps through Keras' ``fit``, for JAX (which compiles them) and PyTorch."""
    import keras

    class Losses(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            # Keras logs the running mean since the call began; NaN shows at its step all the same.
            running.append({name: float(value) for name, value in logs.items()})

    running: list[dict[str, float]] = []
    model.compile(optimizer=optimizer, jit_compile="auto")

    def runner(data: list[np.ndarray]) -> Run:
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

    return runner


def batches(count: int, batch_size: int, start: int, stop: int, seed: int) -> np.ndarray:
    """Item numbers of steps ``start`` to ``stop``, ``(steps, batch_size)``, however training is cut."""
    per_epoch = count // batch_size
    orders = {}
    rows = []
    for step in range(start, stop):
        epoch, place = divmod(step, per_epoch)
        if epoch not in orders:
            orders[epoch] = np.random.default_rng((seed, epoch)).permutation(count).astype("int32")
        rows.append(orders[epoch][place * batch_size : (place + 1) * batch_size])
    return np.stack(rows)
