"""One worker of ``train.distributed``: a process that trains on its share of each global batch.

``python -m aigc_lab.train.worker`` reads a job from its first line of input and writes one JSON line for
each event. It ends at once when its input ends, so no worker outlives the process that started it.
Introduced in notebook 12.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from aigc_lab.train.job import Job

# What a collective operation ends with when another worker is gone.
_LOST = ("UnavailableError", "DeadlineExceededError", "AbortedError", "CancelledError", "InternalError")


def main() -> None:
    events = os.fdopen(os.dup(1), "w")  # TensorFlow prints to standard output too
    os.dup2(2, 1)

    def say(event: str, **about: Any) -> None:
        events.write(json.dumps({"event": event, **about}) + "\n")
        events.flush()

    asked = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_starter, daemon=True).start()
    try:
        _train(Job(**asked["job"]), asked["workers"], asked["task"], asked, say)
    except Exception as error:
        lost = type(error).__name__ in _LOST and type(error).__module__.startswith("tensorflow")
        if lost:
            numbers = {int(each) for each in re.findall(r"task:(\d+)", str(error))} - {asked["task"]}
            say("lost", tasks=sorted(numbers))
        else:
            say("error", kind=type(error).__name__, message=" ".join(str(error).split()))
        traceback.print_exc()
        _leave(1)
    _leave(0)


def _leave(code: int) -> None:
    # Not the usual end: the closing of a broken cluster waits for the lost worker.
    sys.stderr.flush()
    os._exit(code)


def _end_with_the_starter() -> None:
    # Not sys.stdin: its lock would be held at the end of the interpreter.
    while os.read(0, 4096):
        pass
    os._exit(1)


def _train(job: Job, workers: list[str], task: int, asked: dict[str, Any], say: Callable[..., None]) -> None:
    os.environ["TF_CONFIG"] = json.dumps(
        {"cluster": {"worker": workers}, "task": {"type": "worker", "index": task}}
    )
    import tensorflow as tf

    from aigc_lab.train.checkpoint import steps_done
    from aigc_lab.train.checks import checked_for
    from aigc_lab.train.fitting import Trainer

    data = job.arrays()
    say("connecting")
    options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=asked["patience"])
    strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    if strategy.num_replicas_in_sync != len(workers):
        raise ValueError("a worker uses one device: start one worker for each GPU and give each its --gpu")
    _refuse_other_jobs(strategy, job.digest(data), task, len(workers))
    say("connected")
    with tempfile.TemporaryDirectory() as folder, strategy.scope():
        model = job.build(data[0])
        if not hasattr(model, "share") or getattr(model, "free_bits", 0):
            raise ValueError(
                "the loss of this model is no mean over items with noise of their own, so its gradient is "
                "not the mean of the workers' gradients; use a VAE without free_bits"
            )
        checked_for(model, data, job.batch_size)
        model.share = (task, len(workers))
        checkpoint = _everyone_has(strategy, job.checkpoint if task == 0 else None, Path(folder), task)
        trainer = Trainer(
            model,
            steps=job.steps,
            batch_size=job.batch_size,
            learning_rate=job.learning_rate,
            make_runner=_runner(strategy, task, len(workers), steps_done(checkpoint), say),
        )
        history = trainer._train(data, job.seed, None, checkpoint, job.reports, None, False)
        if task == 0 and asked["result"]:
            values = [variable.numpy() for variable in model.variables]
            np.savez(asked["result"], *values)
    say("finished", rows=history.table.to_dict("records"))
    with contextlib.suppress(Exception):
        # Worker 0 may still be writing: who leaves before would look like one who was lost.
        _sum_of_workers(strategy, np.zeros(1, "int64"))


def _runner(strategy: Any, task: int, workers: int, done: int, say: Callable[..., None]) -> Any:
    """As ``steps.tensorflow_runner``: many steps in one compiled call, each on this worker's items.

    A loss is a mean over the items of a batch. The mean over equal shares of their means is the mean over
    the batch, for the loss and therefore for its gradient: each worker divides by the number of workers,
    and the optimizer adds the gradients of all.
    """
    import tensorflow as tf

    from aigc_lab.backend import quiet

    def make_runner(model, optimizer, batch_size, jit_compile):
        names: list[str] = []
        reached = [done]
        rows = batch_size // workers

        def one_step(chosen, *tensors):
            batch = [tf.ensure_shape(tf.gather(each, chosen), (rows, *each.shape[1:])) for each in tensors]
            inputs = batch[0] if len(batch) == 1 else tuple(batch)
            with tf.GradientTape() as tape:
                terms = model.loss_terms(inputs, model(inputs, training=True))
                loss = terms["loss"] / workers
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply(gradients, model.trainable_variables)  # adds up the workers' gradients
            names[:] = list(terms)
            return tf.stack([tf.cast(value, tf.float32) for value in terms.values()])

        @tf.function(autograph=False)
        def many_steps(chosen, *tensors):  # (steps, rows)
            def body(step, values):
                found = strategy.run(one_step, args=(chosen[step], *tensors))
                return step + 1, values.write(step, found)

            count = tf.shape(chosen)[0]
            values = tf.TensorArray(tf.float32, count)
            _, values = tf.while_loop(lambda step, _: step < count, body, (0, values), parallel_iterations=1)
            of_this_worker = strategy.run(tf.identity, args=(values.stack(),))  # (steps, terms)
            return strategy.reduce(tf.distribute.ReduceOp.MEAN, of_this_worker, axis=None)

        def runner(data):
            tensors = [tf.constant(each) for each in data]

            def run(batches):  # (steps, batch_size) -> (steps, rows): this worker's part of each batch
                mine = tf.constant(batches[:, task * rows : (task + 1) * rows])
                with quiet():
                    values = many_steps(mine, *tensors).numpy()
                terms = dict(zip(names, values.T, strict=True))
                reached[0] += len(batches)
                say("steps", done=reached[0], loss=float(terms["loss"].mean()))
                return terms

            return run

        return runner

    return make_runner


def _sum_of_workers(strategy: Any, mine: np.ndarray) -> np.ndarray:
    """The element-wise sum of every worker's integers."""
    import tensorflow as tf

    @tf.function(autograph=False)
    def add(values):
        of_this_worker = strategy.run(tf.identity, args=(values,))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, of_this_worker, axis=None)

    return add(tf.constant(mine)).numpy()


def _refuse_other_jobs(strategy: Any, digest: str, task: int, workers: int) -> None:
    """Workers with other settings or other data would train without a word, and wrongly."""
    table = np.zeros(workers, "int64")
    table[task] = int(digest[:12], 16)
    table = _sum_of_workers(strategy, table)
    others = [number for number in range(workers) if table[number] != table[task]]
    if others:
        raise ValueError(
            f"worker {others[0]} has other data, settings or versions than worker {task}; "
            "start all with the same arguments"
        )


def _everyone_has(strategy: Any, checkpoint: str | None, folder: Path, task: int) -> Path | None:
    """The checkpoint file of worker 0, sent to all: they need no common file system.

    Only worker 0 keeps the file that the job names. The others write theirs to ``folder``.
    """
    path = Path(checkpoint) if checkpoint else folder / "run.npz"
    content = np.fromfile(path, "uint8") if task == 0 and path.is_file() else np.zeros(0, "uint8")
    length = int(_sum_of_workers(strategy, np.array([len(content)], "int64"))[0])
    if length:
        mine = content if task == 0 else np.zeros(length, "uint8")
        content = _sum_of_workers(strategy, mine.astype("int32")).astype("uint8")
    if length and task:
        content.tofile(path)
    return path


if __name__ == "__main__":
    main()
