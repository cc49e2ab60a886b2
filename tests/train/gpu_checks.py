"""What ``test_gpu.py`` asks of one backend on one device, computed in a process of its own.

    python tests/train/gpu_checks.py WHAT FILE

``KERAS_BACKEND`` and the variables that hide a GPU decide where; the answers are arrays in ``FILE`` (npz).
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import keras  # noqa: E402
from keras import ops  # noqa: E402

from aigc_lab import train  # noqa: E402
from scripts.gpu_timing import training  # noqa: E402

MODELS = ("VAE", "GAN", "Transformer")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
BACKEND = keras.backend.backend()
# Long enough to see a model learn. A CPU may take minutes for convolutions in float16.
SIZE, STEPS = ("tiny", 40) if os.environ.get("AIGC_LAB_GPU_TESTS_ON") == "cpu" else ("labs", 60)


def numbers(value: Any) -> np.ndarray:
    return np.array(ops.convert_to_numpy(ops.stop_gradient(value)), dtype="float64")


class FixedNoise:
    """``keras.random`` with numbers from NumPy: PyTorch's generators give others on each kind of device."""

    def __enter__(self) -> None:
        self._kept = keras.random.normal, keras.random.uniform
        random = np.random.default_rng(7)

        def normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
            return ops.convert_to_tensor(
                mean + stddev * random.standard_normal(whole(shape)), dtype or "float32"
            )

        def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
            return ops.convert_to_tensor(random.uniform(minval, maxval, whole(shape)), dtype or "float32")

        keras.random.normal, keras.random.uniform = normal, uniform

    def __exit__(self, *error: Any) -> None:
        keras.random.normal, keras.random.uniform = self._kept


def whole(shape: Any) -> tuple[int, ...]:
    return tuple(int(size) for size in shape)


def loss_and_gradients(name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The loss of one batch of 16 in a model with weights from NumPy, and all its gradients in one vector."""
    build, x, _ = training(name, "labs")
    model = build(seed)
    inputs = ops.convert_to_tensor(x[:16])
    model(inputs, training=False)  # builds what is not built yet
    weights = model.trainable_variables
    random = np.random.default_rng(seed)
    for each in weights:
        drawn = random.standard_normal(whole(each.shape))
        if len(each.shape) > 1:
            each.assign(drawn / np.sqrt(max(1, int(np.prod(each.shape[:-1])))))
        else:
            # Biases of 0 would leave black corners exactly at the kink of a rectifier, where one rounding
            # error decides about the slope.
            each.assign(numbers(each) + 0.1 * drawn)
    with FixedNoise():
        if BACKEND == "jax":
            import jax

            state = [each.value for each in model.non_trainable_variables]

            def loss_of(values):
                outputs, _ = model.stateless_call(values, state, inputs, training=True)
                return model.loss_terms(inputs, outputs)["loss"]

            loss, gradients = jax.jit(jax.value_and_grad(loss_of))([each.value for each in weights])
        elif BACKEND == "torch":
            loss = model.loss_terms(inputs, model(inputs, training=True))["loss"]
            loss.backward()
            gradients = [each.value.grad for each in weights]
        else:
            import tensorflow as tf

            with tf.GradientTape() as tape:
                loss = model.loss_terms(inputs, model(inputs, training=True))["loss"]
            gradients = [
                tf.convert_to_tensor(each) for each in tape.gradient(loss, [w.value for w in weights])
            ]
    return numbers(loss), np.concatenate([numbers(each).reshape(-1) for each in gradients])


def allow_tf32(allowed: bool) -> None:
    """Whether float32 products may keep 10 of their 23 bits, on cards that can; a CPU computes them whole."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(allowed)
    elif BACKEND == "jax":
        import jax

        jax.config.update("jax_default_matmul_precision", "tensorfloat32" if allowed else "float32")
    else:
        import torch

        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed


def exact() -> dict[str, Any]:
    """Loss and gradients, whole products first, then in TF32; and those of other weights."""
    found = {}
    for way, allowed in (("whole", False), ("tf32", True)):
        allow_tf32(allowed)
        for name in MODELS:
            found[f"{name} {way} loss"], found[f"{name} {way} gradients"] = loss_and_gradients(name, seed=0)
    for name in MODELS:
        found[f"{name} other loss"], found[f"{name} other gradients"] = loss_and_gradients(name, seed=1)
    return found


def fitted(name: str, precision: str, steps: int) -> tuple[Any, Any]:
    """A trained model and its history; its layers compute in ``precision``."""
    build, x, _ = training(name, SIZE)
    keras.config.set_dtype_policy(precision)
    model = build()
    keras.config.set_dtype_policy("float32")
    return model, train.fit(model, x, steps=steps, batch_size=32, reports=4, progress=False)


def trained() -> dict[str, Any]:
    """Losses at the reports of training in each precision; in which precision the layers and weights are."""
    found = {}
    for name in MODELS:
        for precision in PRECISIONS:
            if (BACKEND, SIZE, precision) == ("jax", "tiny", "mixed_float16"):
                continue  # JAX has no float16 products of this kind on a CPU
            model, history = fitted(name, precision, STEPS)
            network = model.network if name == "Transformer" else model.layers[0]
            found[f"{name} {precision} losses"] = history.table["loss"].to_numpy()
            found[f"{name} {precision} computed in"] = network.layers[-1].compute_dtype
            found[f"{name} {precision} weights in"] = str(model.trainable_variables[0].dtype)
            found[f"{name} {precision} finite"] = all(
                np.isfinite(numbers(each)).all() for each in model.trainable_variables
            )
    return found


def determinism() -> dict[str, Any]:
    """Digests of the weights after ten steps, twice from the same seed, with what each backend offers."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        keras.utils.set_random_seed(0)  # TensorFlow wants a seed before its first deterministic operation
        tf.config.experimental.enable_op_determinism()
    elif BACKEND == "torch":
        import torch

        torch.use_deterministic_algorithms(True)
    found = {}
    for name in MODELS:
        for turn in ("first", "second"):
            model, _ = fitted(name, "float32", 10)
            content = b"".join(numbers(each).tobytes() for each in model.trainable_variables)
            found[f"{name} {turn}"] = hashlib.sha256(content).hexdigest()
    return found


def place(model: Any) -> str:
    """Where the weights lie: ``"cpu"`` or ``"accelerator"``."""
    value = model.trainable_variables[0].value
    if BACKEND == "jax":
        where = next(iter(value.devices())).platform
    else:
        where = str(value.device).rpartition("device:")[2] if BACKEND == "tensorflow" else value.device.type
    return "cpu" if where.lower().startswith("cpu") else "accelerator"


def seen() -> dict[str, Any]:
    """What ``train.devices`` says of this backend, and where the weights lie that are built as usual."""
    found = train.devices((BACKEND,))
    build, _, _ = training("VAE", "tiny")
    with train.device("cpu"):
        on_cpu = place(build())
    return {
        "gpus": found.backends[BACKEND]["gpus"],
        "advice": found.advice[BACKEND],
        "printed": str(found),
        "usual": place(build()),
        "on cpu": on_cpu,
    }


def growth() -> dict[str, Any]:
    """Bytes of the first card after a small training, where TensorFlow takes what it needs, not all."""
    import subprocess

    import tensorflow as tf

    for each in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(each, True)
    fitted("VAE", "float32", 10)
    if not tf.config.list_physical_devices("GPU"):
        return {"of the backend": 0, "of the card": 0}
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    used = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    peak = tf.config.experimental.get_memory_info("GPU:0")["peak"]
    return {"of the backend": peak, "of the card": int(used.split()[0]) * 2**20}


CHECKS = {each.__name__: each for each in (exact, trained, determinism, seen, growth)}

if __name__ == "__main__":
    np.savez(sys.argv[2], **CHECKS[sys.argv[1]]())
