"""Seconds of a training step: ours beside Keras' fit, a loop of batches, JAX and PyTorch.

    python benchmarks/training_step.py [--rounds 5] [--epochs 1] [--models NAME ...]

Four networks, the same in every way of training (the parameters are counted): a dense VAE 784-400-20, a
convolutional VAE, a GAN with its gradient penalty, and a Transformer on characters. The ways:

- ours: ``train.fit`` on TensorFlow, many steps in one compiled call over data in memory (by ``Trainer``,
  which compiles before the clock starts; dense networks with XLA);
- Keras' own ``fit`` on TensorFlow, with its defaults;
- the loop of the tutorials: ``tf.data`` shuffles and batches, one ``tf.function`` a step;
- ``train.fit`` on JAX and on PyTorch (there it goes through Keras' ``fit``);
- plain PyTorch, eagerly, a step a batch; batches are cut from one tensor, which is faster than a DataLoader.
  Its GAN has the usual two passes; all others take both players' losses in one.

Each backend lives in a process of its own and waits while the others work. Compilation is off the clock.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import table

BENCH = ["--rounds", "4"]
QUICK = ["--rounds", "1", "--models", "dense VAE"]

# Batch, pictures or windows of one epoch (whole batches), and whether XLA helps ours.
MODELS = {
    "dense VAE": (128, 60 * 128, True),
    "convolutional VAE": (128, 20 * 128, False),
    "GAN": (64, 20 * 64, False),
    "Transformer": (64, 12 * 64, True),
}
WAYS = {
    "train.fit, TensorFlow (ours)": ("tensorflow", "ours"),
    "Keras fit, TensorFlow": ("tensorflow", "keras fit"),
    "tf.data and a tf.function a batch": ("tensorflow", "loop"),
    "train.fit, JAX": ("jax", "ours"),
    "train.fit, PyTorch": ("torch", "ours"),
    "plain PyTorch, eager": ("torch", "plain"),
}
OURS = next(iter(WAYS))
PATIENCE = 4  # seconds: what is so slow is measured twice only


def build(name: str, seed: int = 0) -> Any:
    from aigc_lab.models import gan, transformer, vae

    if name == "dense VAE":
        return vae.dense_vae(latent_size=20, width=400, depth=1, seed=seed)
    if name == "convolutional VAE":
        return vae.convolutional_vae(latent_size=20, width=32, seed=seed)
    if name == "GAN":
        return gan.dcgan(seed=seed)
    return transformer.character_model(len(data(name)[1]), length=64, width=64, blocks=2, seed=seed)


def data(name: str) -> tuple[Any, str]:
    """The items of one epoch, and for texts their characters."""
    from aigc_lab import collect
    from aigc_lab.models import transformer

    count = MODELS[name][1]
    if name != "Transformer":
        return collect.load("quickdraw").split(seed=0)[0].arrays()[0][:count], ""
    text = "\n".join(collect.load("tiny-shakespeare").data)
    items, characters = transformer.windows(text, 64)
    return items[:count], characters


def by_us(name: str, epochs: int) -> Callable[[], float]:
    from aigc_lab import train

    batch, count, xla = MODELS[name]
    model, start, x = build(name), build(name), data(name)[0]
    trainer = train.Trainer(model, steps=epochs * (count // batch), batch_size=batch, jit_compile=xla)
    return lambda: trainer.fit(start, x).table["seconds"].iloc[-1]


def by_keras_fit(name: str, epochs: int) -> Callable[[], float]:
    batch = MODELS[name][0]
    model, x = build(name), data(name)[0]
    model.compile(optimizer=optimizer_of(model))
    return lambda: table.seconds(lambda: model.fit(x, batch_size=batch, epochs=epochs, verbose=0))


def by_loop(name: str, epochs: int) -> Callable[[], float]:
    import tensorflow as tf

    batch_size = MODELS[name][0]
    model, x = build(name), data(name)[0]
    optimizer = optimizer_of(model)
    optimizer.build(model.trainable_variables)
    batches = tf.data.Dataset.from_tensor_slices(x).shuffle(len(x)).batch(batch_size, drop_remainder=True)
    batches = batches.prefetch(tf.data.AUTOTUNE)

    @tf.function
    def step(batch):
        with tf.GradientTape() as tape:
            loss = model.loss_terms(batch, model(batch, training=True))["loss"]
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    def run() -> None:
        for _ in range(epochs):
            for batch in batches:
                loss = step(batch)
        float(loss)

    return lambda: table.seconds(run)


def optimizer_of(model: Any) -> Any:
    import keras

    return getattr(model, "make_optimizer", keras.optimizers.Adam)(1e-3)


def by_plain_torch(name: str, epochs: int) -> Callable[[], float]:
    import torch
    import torch_models

    torch.manual_seed(0)
    items, characters = data(name)
    batch_size = MODELS[name][0]
    model = torch_models.build(name, len(characters))
    x = torch.from_numpy(items if characters else items.transpose(0, 3, 1, 2).copy())  # channels first
    x = x.long() if characters else x

    def run() -> None:
        for _ in range(epochs):
            for chosen in torch.randperm(len(x)).split(batch_size):
                loss = model.step(x[chosen])
        float(loss)

    return lambda: table.seconds(run)


MAKERS = {"ours": by_us, "keras fit": by_keras_fit, "loop": by_loop, "plain": by_plain_torch}


def work() -> None:
    """In a worker: builds a way at its first question, which is not counted, and times it at each."""
    ready: dict[tuple[str, str], Callable[[], float]] = {}

    def answer(name: str, way: str, epochs: int) -> float:
        if (name, way) not in ready:
            ready[name, way] = MAKERS[way](name, epochs)
        return ready[name, way]()

    def parameters(name: str, way: str) -> int:
        if way == "plain":
            import torch_models

            return torch_models.build(name, len(data(name)[1])).size
        return sum(math.prod(each.shape) for each in build(name).trainable_variables)

    table.serve(lambda what, *rest: parameters(*rest) if what == "parameters" else answer(*rest))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    chosen = parser.parse_args()
    backends = {"tensorflow": True, "jax": table.installed("jax"), "torch": table.installed("torch")}
    absent = [name for name, (backend, _) in WAYS.items() if not backends[backend]]
    ways = {name: place for name, place in WAYS.items() if name not in absent}
    workers = {
        backend: table.Worker([__file__, "work"], KERAS_BACKEND=backend)
        for backend, there in backends.items()
        if there
    }
    begun = time.perf_counter()
    for model in chosen.models:
        batch, count, _ = MODELS[model]
        steps = chosen.epochs * (count // batch)

        def ask(backend: str, way: str, name: str = model) -> float:
            return workers[backend]("time", name, way, chosen.epochs)

        actions = {name: (lambda place=place: ask(*place)) for name, place in ways.items()}
        table.rounds(actions, 1)  # builds, compiles, and touches the data
        measured = table.rounds(actions, chosen.rounds, PATIENCE)
        each = {name: [1000 * value / steps for value in values] for name, values in measured.items()}
        rate = {name: f"{1000 * batch / statistics.median(row):,.0f}" for name, row in each.items()}
        size = workers["tensorflow"]("parameters", model, "ours")
        if backends["torch"]:
            other = workers["torch"]("parameters", model, "plain")
            if other != size:
                raise SystemExit(f"{model} has {size} parameters here and {other} in plain PyTorch")
        title = f"{model}: {size:,} parameters, batch {batch}, {steps} steps a round, {chosen.rounds} rounds"
        table.compare(title, each, OURS, absent=absent, unit="ms a step", more={"items a second": rate})
        print(f"  {model} after {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    for worker in workers.values():
        worker.__exit__()


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if sys.argv[1:] == ["work"]:
        work()
    else:
        main()
