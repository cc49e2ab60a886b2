"""On a GPU: the same losses and gradients as on the CPU, 16-bit training, memory that grows, determinism.

By hand, on a machine that has one: ``python -m pytest -m gpu tests/train/test_gpu.py``. Every check runs in a
process of its own (``gpu_checks.py``), for each backend that is installed and sees a GPU. Without a GPU,
``AIGC_LAB_GPU_TESTS_ON=cpu`` runs the same checks with the CPU on both sides: it shows that they work, and
nothing about a GPU.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from aigc_lab import train

pytestmark = pytest.mark.gpu
CHECKS = Path(__file__).with_name("gpu_checks.py")
MODELS = ("VAE", "GAN", "Transformer")
HIDE_GPU = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu", "KERAS_TORCH_DEVICE": "cpu"}
# Several processes share the GPU here: each takes what it needs, not all there is.
SHARE_GPU = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
ON = os.environ.get("AIGC_LAB_GPU_TESTS_ON", "gpu")
# What a backend must be told before it starts, to compute every sum in the same order each time.
DETERMINISTIC = {
    "tensorflow": {},
    "jax": {"XLA_FLAGS": "--xla_gpu_deterministic_ops=true"},
    "torch": {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"},
}
# Relative distances to the CPU's result. Float32 has 24 bits, and sums in another order lose a few of them.
# TF32, which NVIDIA's cards use for float32 products unless told otherwise, has 11: errors of 5e-4 each.
LOSS_WHOLE, GRADIENTS_WHOLE = 1e-5, 1e-3
LOSS_TF32, GRADIENTS_TF32 = 2e-3, 5e-2
# The last loss in 16 bits from that in float32, after 60 steps from the same weights on the same items. In
# float16 the first steps are skipped until the loss's scale fits. The GAN's loss sways.
LOSS_16_BIT = {"VAE": 0.05, "GAN": 0.15, "Transformer": 0.03}

models = pytest.mark.parametrize("name", MODELS)


class Asked:
    """The answers of one backend; each question is asked once, in its own process."""

    def __init__(self, backend: str, folder: Path) -> None:
        self.backend, self._folder, self._answers = backend, folder, {}

    def __call__(self, what: str, side: str) -> dict[str, np.ndarray]:
        if (what, side) not in self._answers:
            self._answers[what, side] = None  # a question that failed is not asked again
            self._answers[what, side] = self._ask(what, side)
        assert self._answers[what, side] is not None, f"{what} failed on the {side}: see above"
        return self._answers[what, side]

    def _ask(self, what: str, side: str) -> dict[str, np.ndarray]:
        environment = {**os.environ, "KERAS_BACKEND": self.backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment.pop("TF_FORCE_GPU_ALLOW_GROWTH", None)
        if side == "cpu" or ON == "cpu":
            environment |= HIDE_GPU
        elif what != "growth":  # which asks for it itself
            environment |= SHARE_GPU
        if what == "determinism":
            environment |= DETERMINISTIC[self.backend]
        path = self._folder / f"{what}_{side}.npz"
        command = [sys.executable, str(CHECKS), what, str(path)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        with np.load(path, allow_pickle=False) as answers:
            return dict(answers)


@pytest.fixture(scope="module", params=["tensorflow", "jax", "torch"])
def asked(request, tmp_path_factory):
    backend = request.param
    if importlib.util.find_spec(backend) is None:
        pytest.skip(train.devices((backend,)).advice[backend])
    if ON == "gpu":
        machine = train.devices((backend,))
        if not machine.backends[backend]["gpus"]:
            pytest.skip(f"no GPU for {backend}: {machine.advice[backend]}")
    elif ON != "cpu":
        pytest.fail(f"AIGC_LAB_GPU_TESTS_ON must be gpu or cpu, got {ON!r}")
    return Asked(backend, tmp_path_factory.mktemp(backend))


def distance(found, expected) -> float:
    """Relative, in the Euclidean norm; NaN is at no distance that a test accepts."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def test_the_backend_sees_the_gpu_and_takes_it(asked):
    found = asked("seen", "accelerator")
    assert str(found["on cpu"]) == "cpu"  # inside train.device("cpu")
    if ON == "gpu":
        assert len(found["gpus"]) >= 1 and str(found["advice"]) == ""
        assert str(found["usual"]) == "accelerator"
        assert str(found["gpus"][0]) in str(found["printed"])
    else:
        assert len(found["gpus"]) == 0 and str(found["advice"]) and str(found["usual"]) == "cpu"


@models
def test_whole_products_give_the_loss_and_the_gradients_of_the_cpu(asked, name):
    cpu, other = asked("exact", "cpu"), asked("exact", "accelerator")
    assert distance(other[f"{name} whole loss"], cpu[f"{name} whole loss"]) <= LOSS_WHOLE
    assert distance(other[f"{name} whole gradients"], cpu[f"{name} whole gradients"]) <= GRADIENTS_WHOLE


@models
def test_products_in_tf32_stay_near_the_cpu(asked, name):
    cpu, other = asked("exact", "cpu"), asked("exact", "accelerator")
    assert distance(other[f"{name} tf32 loss"], cpu[f"{name} whole loss"]) <= LOSS_TF32
    assert distance(other[f"{name} tf32 gradients"], cpu[f"{name} whole gradients"]) <= GRADIENTS_TF32


@models
def test_other_weights_would_not_pass_for_the_same(asked, name):
    """The tolerances tell: a model of another seed is further away than the widest of them."""
    cpu, other = asked("exact", "cpu"), asked("exact", "accelerator")
    assert distance(other[f"{name} other loss"], cpu[f"{name} whole loss"]) > LOSS_TF32
    assert distance(other[f"{name} other gradients"], cpu[f"{name} whole gradients"]) > 5 * GRADIENTS_TF32


@models
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_every_precision_trains(asked, name, precision):
    found = asked("trained", "accelerator")
    if (ON, asked.backend, precision) == ("cpu", "jax", "mixed_float16"):
        pytest.skip("JAX has no float16 products of this kind on a CPU")
    assert str(found[f"{name} {precision} computed in"]) == precision.removeprefix("mixed_")
    assert str(found[f"{name} {precision} weights in"]) == "float32"
    assert found[f"{name} {precision} finite"]
    losses, whole = found[f"{name} {precision} losses"], found[f"{name} float32 losses"]
    if name != "GAN":  # whose loss is a balance between two: it may rise while both learn
        assert losses[-1] < 0.97 * losses[0]
    assert losses[-1] == pytest.approx(whole[-1], rel=LOSS_16_BIT[name])


def test_determinism_gives_the_same_bits_twice(asked):
    found = asked("determinism", "accelerator")
    for name in MODELS:
        assert str(found[f"{name} first"]) == str(found[f"{name} second"])
    assert len({str(found[f"{name} first"]) for name in MODELS}) == len(MODELS)


def test_memory_grows_with_what_is_needed(asked):
    """TensorFlow takes nearly the whole card unless told; the others do not, or are told by a variable."""
    if asked.backend != "tensorflow":
        pytest.skip("set_memory_growth is TensorFlow's")
    if ON == "cpu":
        pytest.skip("there is no card to look at")
    found = asked("growth", "accelerator")
    # Weights, gradients and Adam's two averages are 13 MB, the data 22 MB; a context takes 0.5 GiB.
    assert 10e6 < found["of the backend"] < 2**30
    assert 0 < found["of the card"] < 4 * 2**30
