"""Train a VAE on several machines, or on several processes of one, with the result of one process.

    python scripts/train_on_many_machines.py --workers 10.0.0.1:2222,10.0.0.2:2222 --task 0 --steps 2000

On each machine with the same addresses, its own ``--task`` and the same other arguments: a loop on the
framework's ``MultiWorkerMirroredStrategy``. Each worker takes its share of a batch; worker 0 keeps the
checkpoint. After one was lost, start all again: training goes on. Notebook 12 runs it.
"""

import argparse
import contextlib
import hashlib
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np

OPTIONS = (
    ("data", "digits", "images: a name of collect.load"),
    ("steps", 200, "of training"),
    ("batch", 64, "items of a step, all workers together"),
    ("learning-rate", 3e-3, "at the start, along a cosine to 2 %%"),
    ("latent-size", 10, "of the convolutional VAE"),
    ("width", 32, "of the convolutional VAE"),
    ("seed", 0, "of weights, order and noise"),
    ("reports", 10, "so often the checkpoint is written"),
    ("checkpoint", "run.npz", "a file on the machine of worker 0"),
    ("patience", 60, "seconds to wait for another worker"),
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--workers", required=True, help="host:port of every worker, with commas between")
    parser.add_argument("--task", type=int, required=True, help="which of them this one is, from 0")
    for name, default, words in OPTIONS:
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"{words} ({default})")
    chosen = parser.parse_args()
    chosen.workers = chosen.workers.split(",")
    count = len(chosen.workers)
    if not 0 <= chosen.task < count:
        parser.error(f"--task is a number from 0 to {count - 1}, as there are {count} workers")
    if any(not each.rpartition(":")[2].isdigit() or each.startswith(":") for each in chosen.workers):
        parser.error("an address is host:port, such as 10.0.0.1:2222")
    if chosen.batch % count:
        parser.error(f"a batch of {chosen.batch} cannot be shared evenly by {count} workers")
    return chosen


def main() -> None:
    chosen = arguments()
    task = {"type": "worker", "index": chosen.task}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": chosen.workers}, "task": task})
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Workers talk to each other directly. gRPC would ask a proxy, and reads this list in small letters.
    direct = [each.rpartition(":")[0] for each in chosen.workers]
    known = map(os.environ.get, ("no_proxy", "NO_PROXY"))
    os.environ["no_proxy"] = ",".join(filter(None, [*direct, *known]))
    from aigc_lab.backend import quiet

    with quiet():
        import tensorflow as tf

    try:
        train(chosen)
    except (tf.errors.OpError, ValueError, OSError) as error:
        sentence = " ".join(str(error).split())
        if isinstance(error, tf.errors.OpError):
            sentence = f"another worker is gone: start all again, and they go on from {chosen.checkpoint}"
        print(f"worker {chosen.task} stopped: {sentence}", file=sys.stderr, flush=True)
        os._exit(1)  # the usual end would wait for workers that are gone


def train(chosen: argparse.Namespace) -> None:
    import keras
    import tensorflow as tf

    from aigc_lab import collect
    from aigc_lab.models import vae
    from aigc_lab.train.checkpoint import digest, restore, store
    from aigc_lab.train.fitting import batches

    x = collect.load(chosen.data).split(seed=0)[0].arrays()[0]
    task, count, rows = chosen.task, len(chosen.workers), chosen.batch // len(chosen.workers)
    print(f"worker {task} waits {chosen.patience} s at most for the others", file=sys.stderr, flush=True)
    signal.alarm(chosen.patience)  # ends this process: TensorFlow would wait for an hour
    options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=chosen.patience)
    strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)

    @tf.function(autograph=False, reduce_retracing=True)
    def total(value):  # of every worker
        return strategy.reduce("SUM", strategy.run(tf.identity, args=(value,)), axis=None)

    def meet():  # before the end: who leaves early would look to the others like one who was lost
        with contextlib.suppress(tf.errors.OpError):
            total(tf.constant(0))

    own = ("task", "workers", "checkpoint", "patience")  # a run may go on elsewhere
    settings = {name: value for name, value in vars(chosen).items() if name not in own}
    settings["data"] = digest([x])
    number = int(hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:12], 16)
    if int(total(tf.constant(number, "int64"))) != count * number:
        meet()
        raise ValueError("the workers have other data or arguments; start all with the same ones")
    signal.alarm(0)

    with strategy.scope():
        model = vae.convolutional_vae(x.shape[1:], chosen.latent_size, width=chosen.width, seed=chosen.seed)
        schedule = keras.optimizers.schedules.CosineDecay(chosen.learning_rate, chosen.steps, alpha=0.02)
        optimizer = keras.optimizers.Adam(schedule)  # it adds up the gradients of all workers
        optimizer.build(model.trainable_variables)

    def noise_of_these_rows(mean):
        """An item's noise must not depend on the number of workers: draw the whole batch's, take a part."""
        whole = keras.random.normal((chosen.batch, chosen.latent_size), seed=model.noise)
        return whole[task * rows : (task + 1) * rows]

    model.draw_noise = noise_of_these_rows
    state, file = [*model.variables, *optimizer.variables], Path(chosen.checkpoint)
    done, history = restore(file, state, settings) if task == 0 and file.exists() else (0, [])
    done = int(total(tf.constant(done)))
    for variable in state if done else []:  # what worker 0 has read is sent to all
        value = tf.cast(variable.value, "int64" if "int" in variable.dtype else variable.dtype)
        variable.assign(tf.cast(total(value if task == 0 else tf.zeros_like(value)), variable.dtype))

    @tf.function(autograph=False)
    def step(chosen_items):
        def of_this_worker(items):
            batch = tf.ensure_shape(tf.gather(x, items), (rows, *x.shape[1:]))
            with tf.GradientTape() as tape:
                # The mean over the batch is the mean over the workers of their means.
                loss = model.loss_terms(batch, model(batch, training=True))["loss"] / count
            optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            return loss

        return strategy.reduce("SUM", strategy.run(of_this_worker, args=(chosen_items,)), axis=None)

    stops = np.unique(np.linspace(0, chosen.steps, chosen.reports + 1).round().astype(int))
    for stop in stops[stops > done]:
        items = batches(len(x), chosen.batch, done, int(stop), chosen.seed)  # (steps, batch)
        losses = [float(step(tf.constant(each[task * rows : (task + 1) * rows]))) for each in items]
        done = int(stop)
        history.append({"step": done, "loss": float(np.mean(losses))})
        if task == 0:
            store(file, state, settings, done, history)
            print(f"step {done}/{chosen.steps}, loss {history[-1]['loss']:.3f} nats per image", flush=True)
    meet()


if __name__ == "__main__":
    main()
