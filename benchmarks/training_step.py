"""Milliseconds of a training step and of starting a fit: ours beside Keras, a loop of batches, JAX, PyTorch.

    python benchmarks/training_step.py [--rounds 9] [--models NAME ...] [--ways NAME ...]

Five networks, the same in every way of training (the parameters are counted): a dense VAE 784-400-20, a
convolutional VAE, a GAN with its gradient penalty, a Transformer on characters, and the U-shaped network of a
diffusion model, whose steps are long: it is trained in two ways only. The ways:

- ours: ``train.fit`` on TensorFlow, many steps in one compiled call over data in memory (by ``Trainer``,
  which compiles before the clock starts; dense networks with XLA);
- Keras' own ``fit`` on TensorFlow, with its defaults;
- the loop of the tutorials: ``tf.data`` shuffles and batches, one ``tf.function`` a step;
- ``train.fit`` on JAX and on PyTorch (there it goes through Keras' ``fit``);
- plain PyTorch, eagerly, a step a batch; batches are cut from one tensor, which is faster than a DataLoader.
  Its GAN has the usual two passes; all others take both players' losses in one.

Each way lives in a process of its own and waits while the others work. A round times a short fit and a long
one, 60 steps more: their difference is the time of a step (the slope), and what is left of the short one is
the time of starting a fit (the intercept). Compilation is off the clock.
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

STEPS, LONG = 20, 4  # steps of one epoch; epochs of the long fit (the short one has one)
# Batch, and whether XLA helps ours.
MODELS = {
    "dense VAE": (128, True),
    "convolutional VAE": (128, False),
    "GAN": (64, False),
    "Transformer": (64, True),
    "diffusion": (32, False),
}
WAYS = {
    "train.fit, TensorFlow (ours)": ("tensorflow", "ours"),
    "Keras fit, TensorFlow": ("tensorflow", "keras fit"),
    "tf.data and a tf.function a batch": ("tensorflow", "loop"),
    "train.fit, JAX": ("jax", "ours"),
    "train.fit, PyTorch": ("torch", "ours"),
    "plain PyTorch, eager": ("torch", "plain"),
}
OURS, PLAIN = "train.fit, TensorFlow (ours)", "plain PyTorch, eager"
FEW = {"diffusion": (OURS, PLAIN)}  # the ways of a model whose steps are long
PATIENCE = 4  # seconds: what is so slow is measured twice only


def build(name: str, seed: int = 0) -> Any:
    from aigc_lab.models import diffusion, gan, transformer, vae

    if name == "diffusion":
        return diffusion.unet(seed=seed)
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

    count = STEPS * MODELS[name][0]
    if name != "Transformer":
        return collect.load("quickdraw").split(seed=0)[0].arrays()[0][:count], ""
    text = "\n".join(collect.load("tiny-shakespeare").data)
    items, characters = transformer.windows(text, 64)
    return items[:count], characters


def by_us(name: str) -> Callable[[int], Any]:
    from aigc_lab import train

    batch, xla = MODELS[name]
    model, start, x = build(name), build(name), data(name)[0]
    trainers = {
        epochs: train.Trainer(model, steps=STEPS * epochs, batch_size=batch, jit_compile=xla)
        for epochs in (1, LONG)
    }
    return lambda epochs: trainers[epochs].fit(start, x)


def by_keras_fit(name: str) -> Callable[[int], Any]:
    model, x = build(name), data(name)[0]
    model.compile(optimizer=optimizer_of(model))
    return lambda epochs: model.fit(x, batch_size=MODELS[name][0], epochs=epochs, verbose=0)


def by_loop(name: str) -> Callable[[int], Any]:
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

    def run(epochs: int) -> float:
        for _ in range(epochs):
            for batch in batches:
                loss = step(batch)
        return float(loss)

    return run


def optimizer_of(model: Any) -> Any:
    """Keras' own, as a tutorial takes it."""
    import keras

    options = getattr(model, "optimizer_options", dict)()
    options.pop("factors", None)
    return keras.optimizers.Adam(1e-3, **options)


def by_plain_torch(name: str) -> Callable[[int], Any]:
    import torch
    import torch_models

    torch.manual_seed(0)
    items, characters = data(name)
    model = torch_models.build(name, len(characters))
    x = torch.from_numpy(items if characters else items.transpose(0, 3, 1, 2).copy())  # channels first
    x = x.long() if characters else x

    def run(epochs: int) -> float:
        for _ in range(epochs):
            for chosen in torch.randperm(len(x)).split(MODELS[name][0]):
                loss = model.step(x[chosen])
        return loss.item()

    return run


MAKERS = {"ours": by_us, "keras fit": by_keras_fit, "loop": by_loop, "plain": by_plain_torch}


def work() -> None:
    """In a worker: builds a way at its first question, and times a short and a long fit at each."""
    ready: dict[tuple[str, str], Callable[[int], Any]] = {}

    def times(name: str, way: str) -> list[float]:
        run = ready.setdefault((name, way), None) or MAKERS[way](name)
        ready[name, way] = run
        return [table.seconds(lambda epochs=epochs: run(epochs)) for epochs in (1, LONG)]

    def parameters(name: str, way: str) -> int:
        if way == "plain":
            import torch_models

            return torch_models.build(name, len(data(name)[1])).size
        return sum(math.prod(each.shape) for each in build(name).trainable_variables)

    table.serve(lambda what, *rest: parameters(*rest) if what == "parameters" else times(*rest))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    chosen = parser.parse_args()
    backends = {"tensorflow": True, "jax": table.installed("jax"), "torch": table.installed("torch")}
    asked = {name: WAYS[name] for name in WAYS if name in {OURS, *chosen.ways}}
    absent = [name for name, (backend, _) in asked.items() if not backends[backend]]
    ways = {name: place for name, place in asked.items() if name not in absent}
    workers = {
        name: table.Worker([__file__, "work"], KERAS_BACKEND=backend) for name, (backend, _) in ways.items()
    }
    begun = time.perf_counter()
    for model in chosen.models:
        starts: dict[str, list[float]] = {name: [] for name in ways}

        def step(name: str, model: str = model, starts: dict[str, list[float]] = starts) -> float:
            short, long = workers[name]("time", model, ways[name][1])
            slope = (long - short) / ((LONG - 1) * STEPS)
            starts[name].append(1000 * (short - STEPS * slope))
            return 1000 * slope

        chosen_ways = [name for name in ways if name in FEW.get(model, ways)]
        actions = {name: (lambda name=name: step(name)) for name in chosen_ways}
        table.rounds(actions, 1)  # builds, compiles, and touches the data
        for values in starts.values():
            values.clear()
        each = table.rounds(actions, chosen.rounds, PATIENCE)
        size = workers[OURS]("parameters", model, "ours")
        if PLAIN in ways and (other := workers[PLAIN]("parameters", model, "plain")) != size:
            raise SystemExit(f"{model} has {size} parameters here and {other} in plain PyTorch")
        more = {
            "ms to start a fit": {name: f"{statistics.median(starts[name]):,.0f}" for name in each},
            "items a second": {
                name: f"{1000 * MODELS[model][0] / statistics.median(row):,.0f}" for name, row in each.items()
            },
        }
        title = f"{model}: {size:,} parameters, batch {MODELS[model][0]}, {chosen.rounds} rounds"
        table.compare(
            title,
            each,
            OURS,
            absent=[name for name in absent if name in FEW.get(model, absent)],
            unit="ms a step",
            more=more,
        )
        print(f"  {model} after {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    for worker in workers.values():
        worker.__exit__()


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if sys.argv[1:] == ["work"]:
        work()
    else:
        main()
