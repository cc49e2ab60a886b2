"""What a machine is said to have, and for each way a GPU stays unused: the reason and what to do."""

import importlib.util
import os
import subprocess
import sys

import pytest

from aigc_lab.train import environment

LISTED = "NVIDIA GeForce RTX 3060, 12288, 535.183.01\nSome, Card, [N/A], 535.183.01\n"
HEADER = "| NVIDIA-SMI 535.183.01    Driver Version: 535.183.01    CUDA Version: 12.2     |\n"
CARD = (("NVIDIA GeForce RTX 3060", 12 * 2**30, "535.183.01"),)
TENSORFLOW = {
    "version": "2.21.0",
    "built_for": ["12.5.1", "9"],
    "found": ["12.9.79", "9.10.2"],
    "gpus": [],
    "broken": None,
}


def test_what_the_driver_prints_is_read():
    gpus, cuda = environment.read_nvidia(LISTED, HEADER)
    assert gpus == (CARD[0], ("Some, Card", 0, "535.183.01"))
    assert cuda == "12.2"
    assert environment.read_nvidia("", "") == ((), None)


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"gpus": ["RTX 3060"]}, ""),
        ({"version": None}, "TensorFlow is not installed: pip install .[gpu]"),
        ({"broken": "ImportError: libcusolver"}, "cannot be imported (ImportError: libcusolver)"),
        ({"card": False, "gpus_": ()}, "no NVIDIA GPU, so TensorFlow computes on the CPU"),
        ({"gpus_": ()}, "has no working driver: install NVIDIA's driver"),
        (
            {"environment": {"CUDA_VISIBLE_DEVICES": "-1"}},
            "CUDA_VISIBLE_DEVICES='-1' hides the GPU: unset it",
        ),
        ({"environment": {"CUDA_VISIBLE_DEVICES": ""}}, "CUDA_VISIBLE_DEVICES='' hides the GPU: unset it"),
        ({"system": "Windows"}, "use it in WSL2"),
        ({"built_for": [None, None]}, "this build of TensorFlow has no GPU support: pip install .[gpu]"),
        ({"cuda": "11.8"}, "runs CUDA up to 11.8, but TensorFlow was built for CUDA 12.5.1: update"),
        ({"found": [None, None]}, "finds no CUDA and no cuDNN: pip install .[gpu]"),
        ({"found": ["12.9", None]}, "finds no cuDNN: pip install .[gpu]"),
        ({"found": ["12.9", "8.9.7"]}, "was built for cuDNN 9, but finds cuDNN 8.9.7"),
        ({}, "still sees no GPU"),
    ],
)
def test_each_reason_has_its_sentence(changed, words, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for name, value in changed.get("environment", {}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(environment.platform, "system", lambda: changed.get("system", "Linux"))
    found = environment.why_unused(
        "tensorflow",
        {**TENSORFLOW, **{name: changed[name] for name in TENSORFLOW if name in changed}},
        changed.get("card", True),
        changed.get("gpus_", CARD),
        changed.get("cuda", "12.8"),
    )
    assert words in found
    assert bool(found) == bool(words)
    assert "\n" not in found


def test_jax_and_torch_name_their_own_remedy(monkeypatch):
    absent = {**TENSORFLOW, "version": None}
    none = {**TENSORFLOW, "built_for": [None, None]}
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    assert 'pip install "jax[cuda12]"' in environment.why_unused("jax", none, True, CARD, "12.8")
    assert "pip install .[jax]" in environment.why_unused("jax", absent, False, (), None)
    assert "several GB" in environment.why_unused("torch", absent, True, CARD, "12.8")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert "JAX_PLATFORMS" in environment.why_unused("jax", TENSORFLOW, True, CARD, "12.8")


def test_this_machine_is_described(capsys):
    seen = environment.devices(("tensorflow",))
    assert 1 <= seen.cores <= os.cpu_count()
    assert 0 < seen.free_memory <= seen.memory
    about = seen.backends["tensorflow"]
    assert about["version"] == environment.installed("tensorflow")
    assert bool(seen.advice["tensorflow"]) == (not about["gpus"])
    print(seen)
    text = capsys.readouterr().out
    assert f"{seen.cores} core" in text
    assert "TensorFlow" in text and "built for CUDA" in text


def test_another_backend_is_asked_in_a_process_of_its_own():
    if environment.installed("jax") is None:
        pytest.skip("JAX is not installed")
    code = (
        "import sys; from aigc_lab.train import environment; seen = environment.devices(('jax',));"
        "assert 'jax' not in sys.modules; print(seen.backends['jax']['version'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == [environment.installed("jax")], done.stderr


def test_a_backend_that_cannot_be_imported_says_why(monkeypatch):
    monkeypatch.setattr(environment, "installed", lambda name: "1.0")
    if importlib.util.find_spec("torch"):
        pytest.skip("PyTorch is installed")
    assert "No module named 'torch'" in environment.facts("torch")["broken"]


def test_an_unknown_backend_is_named():
    with pytest.raises(ValueError, match=r"unknown backend 'theano'.*tensorflow, jax, torch"):
        environment.devices(("theano",))


def test_a_device_that_is_not_there_is_one_sentence():
    keras = pytest.importorskip("keras")
    with pytest.raises(ValueError, match="a device is 'cpu', 'gpu' or 'gpu:1'"), environment.device("tpu"):
        pass
    with environment.device("cpu"):
        assert float(keras.ops.sum(keras.ops.ones(3))) == 3
    with (
        pytest.raises(RuntimeError, match=r"has no 'gpu:99' here: .*or ask for 'cpu'$"),
        environment.device("gpu:99"),
    ):
        pass
