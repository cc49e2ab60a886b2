"""Two real processes give the result of one, and end clearly when one of them is lost."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras")
if keras.backend.backend() != "tensorflow":
    pytest.skip("the workers run on TensorFlow", allow_module_level=True)

from aigc_lab import collect, train  # noqa: E402
from aigc_lab.models import vae  # noqa: E402

SCRIPT = Path(__file__).parents[2] / "scripts" / "train_on_many_machines.py"
HOW = {"steps": 60, "batch_size": 32, "seed": 2}
OPTIONS = {"steps": 60, "batch": 32, "seed": 2, "reports": 30, "latent-size": 3, "width": 4}
SETTINGS = [f"--{name}={value}" for name, value in OPTIONS.items()]


def start(addresses, task, checkpoint, *changed):
    command = [sys.executable, str(SCRIPT), "--workers", ",".join(addresses), "--task", str(task)]
    proxy = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")  # nothing listens there
    return subprocess.Popen(
        [*command, "--checkpoint", str(checkpoint), *SETTINGS, *changed],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **proxy, "CUDA_VISIBLE_DEVICES": "-1"},
    )


@pytest.fixture
def addresses():
    """Two ports that no other program gets meanwhile: they are bound, and a worker may still listen there."""
    with socket.socket() as one, socket.socket() as two:
        for each in (one, two):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            each.bind(("127.0.0.1", 0))
        yield [f"127.0.0.1:{each.getsockname()[1]}" for each in (one, two)]


def run(addresses, checkpoint):
    """Both workers to the end; the values in the checkpoint."""
    workers = [start(addresses, task, checkpoint) for task in (0, 1)]
    printed = [each.communicate(timeout=120) for each in workers]
    assert [each.returncode for each in workers] == [0, 0], printed
    assert printed[0][0].splitlines()[-1].startswith("step 60/60, loss ") and not printed[1][0]
    with np.load(checkpoint) as stored:
        return [stored[f"variable_{number}"] for number in range(len(stored.files) - 1)]


@pytest.mark.slow
def test_two_processes_give_what_one_gives_and_a_kill_changes_no_bit(addresses, tmp_path):
    together = run(addresses, tmp_path / "whole.npz")
    x, _ = collect.load("digits").split(seed=0)[0].arrays()
    alone = vae.convolutional_vae(x.shape[1:], 3, width=4, seed=2)
    train.fit(alone, x, progress=False, **HOW)
    for one, two in zip(alone.variables, together, strict=False):  # the optimizer's stand behind them
        assert np.allclose(one.numpy(), two, rtol=0, atol=1e-5), one.path
    # The noise is that of one process too.
    assert np.array_equal(alone.noise.state.numpy(), together[alone.variables.index(alone.noise.state)])

    first, second = (start(addresses, task, tmp_path / "cut.npz") for task in (0, 1))
    for number in range(1, 6):
        assert first.stdout.readline().startswith(f"step {2 * number}/60, loss ")
    second.kill()
    _, complained = first.communicate(timeout=120)
    second.communicate()
    assert (first.returncode, second.returncode) == (1, -signal.SIGKILL), complained
    last = complained.strip().splitlines()[-1]
    words = f"another worker is gone: start all again, and they go on from {tmp_path / 'cut.npz'}"
    assert last == f"worker 0 stopped: {words}"
    resumed = run(addresses, tmp_path / "cut.npz")
    assert all(np.array_equal(one, two) for one, two in zip(together, resumed, strict=True))


@pytest.mark.slow
def test_workers_with_other_arguments_refuse_each_other_and_one_alone_does_not_wait_for_ever(
    addresses, tmp_path
):
    pair = [
        start(addresses, 0, tmp_path / "a"),
        start(addresses, 1, tmp_path / "a", "--learning-rate", "0.01"),
    ]
    for each in pair:
        assert "the workers have other data or arguments" in each.communicate(timeout=120)[1]
        assert each.returncode == 1
    alone = start(addresses, 0, tmp_path / "a", "--patience", "1")
    assert "worker 0 waits 1 s at most for the others" in alone.communicate(timeout=60)[1]
    assert alone.returncode == -signal.SIGALRM


@pytest.mark.parametrize(
    ("workers", "task", "changed", "words"),
    [
        ("a:1,b:1,c:1", "0", [], "a batch of 32 cannot be shared evenly by 3 workers"),
        ("a:1,b:1", "2", [], "--task is a number from 0 to 1"),
        ("a,b:1", "0", [], "an address is host:port, such as 10.0.0.1:2222"),
        ("a:1,b:1", "0", ["--batch", "1"], "cannot be shared evenly by 2 workers"),
    ],
)
def test_what_cannot_be_is_said_at_once(workers, task, changed, words, tmp_path):
    process = start(workers.split(","), task, tmp_path / "run.npz", *changed)
    assert words in process.communicate(timeout=30)[1]
    assert process.returncode == 2


def test_the_help_names_every_option():
    told = subprocess.run([sys.executable, str(SCRIPT), "--help"], capture_output=True, text=True, check=True)
    assert "--checkpoint" in told.stdout and "2 %" in told.stdout
