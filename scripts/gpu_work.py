"""One process of ``scripts/gpu_record.py``: it times one training on one device, step by step as it is told.

The first line on standard input says what to train; each further line is an order. Every line is answered
by one line of JSON on standard output. What TensorFlow and others print goes to standard error. The device is
decided by the environment of the process, before a backend is imported.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any, TextIO

# Time to a score: so many steps are planned, whose learning rate falls to its end, and the score is taken
# after each twentieth of them. The targets were stated before any GPU was seen: on two CPU cores, TensorFlow
# and each of four seeds reached them after three fifths to three quarters of these steps.
STEPS = {"VAE": 400, "GAN": 600, "Transformer": 480}
LOOKS = 20
SCORES = {
    "VAE": "negative ELBO, nats per image",
    "GAN": "KID to held-out images",
    "Transformer": "nats per character",
}
TARGETS = {
    "notebook": {"VAE": 183.0, "GAN": 0.025, "Transformer": 2.3},
    # For the tests: the first is reached at once, the last never.
    "tiny": {"VAE": 1e6, "GAN": 1e6, "Transformer": 0.0},
}
TINY_STEPS = 6
HELD_OUT = 900  # images that a score is taken on


def held_out_score(subject: Any, model: Any) -> float:
    """Lower is better: the mean of a bound (VAE) or of the loss (Transformer), or a distance (GAN)."""
    if subject.name == "VAE":
        return -float(model.elbo(subject.held_out[:HELD_OUT]).mean())
    if subject.name == "GAN":
        from aigc_lab import evaluate

        drawn = evaluate.features(model.sample(HELD_OUT, seed=1))
        real = evaluate.features(subject.held_out[:HELD_OUT])
        return evaluate.kid(real, drawn, resamples=0).value
    from aigc_lab.train.fitting import validation_loss

    return validation_loss(model, [subject.held_out], size=64)


def seconds_to_target(subject: Any, precision: str, seed: int) -> dict[str, float | None]:
    """Train one model; the time until its score is at the target or below, without the scoring itself.

    Compilation is on the clock, as it is for whoever waits. None: the target was not reached.
    """
    from aigc_lab import train

    target = TARGETS[subject.size][subject.name]
    steps = STEPS[subject.name] if subject.size == "notebook" else TINY_STEPS
    reached, off_the_clock = None, 0.0
    begun = time.perf_counter()
    model = subject.model(seed, precision)

    def look() -> dict[str, float]:
        nonlocal reached, off_the_clock
        paused = time.perf_counter()
        score = held_out_score(subject, model)
        if reached is None and score <= target:
            reached = paused - begun - off_the_clock
        off_the_clock += time.perf_counter() - paused
        return {"score": score}

    history = train.fit(
        model,
        subject.training,
        steps=steps,
        batch_size=subject.batch_size,
        learning_rate=subject.learning_rate,
        seed=seed,
        reports=LOOKS,
        measure=look,
        progress=False,
    )
    return {"seconds_to_target": reached, "final_score": history.last("score")}


def computes_on(model: Any) -> str:
    """Where the weights lie: ``"cpu"`` or ``"accelerator"``."""
    import keras

    value = model.trainable_variables[0].value
    backend = keras.backend.backend()
    if backend == "tensorflow":
        place = str(value.device).rpartition("device:")[2]
    elif backend == "jax":
        place = next(iter(value.devices())).platform
    else:
        place = value.device.type
    return "cpu" if place.lower().startswith("cpu") else "accelerator"


def peak_bytes() -> dict[str, int | None]:
    """The most memory so far: of the device as the backend counts it, and of this process in main memory."""
    import keras

    backend, device = keras.backend.backend(), None
    if backend == "tensorflow":
        import tensorflow as tf

        if tf.config.list_logical_devices("GPU"):
            device = int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    elif backend == "jax":
        import jax

        statistics = jax.devices()[0].memory_stats()
        if jax.devices()[0].platform != "cpu" and statistics:
            device = int(statistics["peak_bytes_in_use"])
    else:
        import torch

        if torch.cuda.is_available():
            device = int(torch.cuda.max_memory_allocated())
    try:
        import resource
    except ImportError:  # Windows
        return {"device_peak_bytes": device, "host_peak_bytes": None}
    # Kibibytes on Linux, bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return {"device_peak_bytes": device, "host_peak_bytes": int(host)}


def products_in_float32() -> str:
    """Whether float32 products may be computed in TF32, which keeps 10 of 23 bits, on cards that can."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        allowed = tf.config.experimental.tensor_float_32_execution_enabled()
        return f"TF32 {'allowed' if allowed else 'not allowed'}"
    if backend == "torch":
        import torch

        pairs = (("matrix products", torch.backends.cuda.matmul), ("convolutions", torch.backends.cudnn))
        words = [f"{what} {'allowed' if each.allow_tf32 else 'not allowed'}" for what, each in pairs]
        return f"TF32 for {', for '.join(words)}"
    import jax

    return f"JAX's default_matmul_precision is {jax.config.jax_default_matmul_precision or 'default'}"


def obey(orders: TextIO, answers: TextIO) -> None:
    """Answer each order until there are no more."""
    watch = subject = None
    what = json.loads(next(orders))
    import keras

    from aigc_lab.train import yardstick

    answer(answers, {"backend": keras.backend.backend(), "products_in_float32": products_in_float32()})
    for line in orders:
        order = json.loads(line)
        if order["do"] == "start":
            subject = yardstick.subject(what["subject"], what["size"])
            watch = yardstick.Stopwatch(subject, what["seconds"], what["precision"])
            answer(
                answers,
                {
                    "computes_on": computes_on(watch.model),
                    "parameters": watch.parameters,
                    "batch_size": subject.batch_size,
                    "unit": subject.unit,
                    "units_per_step": subject.items_per_step,
                    "start_seconds": watch.start_seconds,
                    "score": SCORES[subject.name],
                    "target": TARGETS.get(subject.size, {}).get(subject.name),
                },
            )
        elif order["do"] == "round":
            answer(answers, {"steps_per_second": watch.round()})
        elif order["do"] == "memory":
            answer(answers, peak_bytes())
        else:
            answer(answers, seconds_to_target(subject, what["precision"], order["seed"]))


def answer(answers: TextIO, content: dict[str, Any]) -> None:
    answers.write(json.dumps(content) + "\n")
    answers.flush()


def main() -> int:
    # Whatever a library prints must not stand among the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        obey(sys.stdin, answers)
    except Exception as error:
        # One line, without the traces that follow in an error of TensorFlow.
        words = " ".join(str(error).split())[:300]
        answer(answers, {"failure": f"{type(error).__name__}: {words}"})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
