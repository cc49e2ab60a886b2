"""Several real worker processes give the result of one, and end clearly when one of them is lost."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras")
if keras.backend.backend() != "tensorflow":
    pytest.skip("the workers run on TensorFlow", allow_module_level=True)

from aigc_lab import train  # noqa: E402
from aigc_lab.train import distributed, virtual  # noqa: E402
from aigc_lab.train.checkpoint import steps_done  # noqa: E402
from aigc_lab.train.distributed import Job, WorkerError  # noqa: E402

SCRIPT = Path(__file__).parents[2] / "scripts" / "train_on_many_machines.py"
HOW = {"steps": 60, "batch_size": 32, "reports": 30, "seed": 2}
JOB = Job("digits", options={"latent_size": 3, "width": 4, "warm_up_steps": 40}, items=400, **HOW)
COLUMNS = ["step", "loss", "reconstruction", "kl"]


def changed(**options):
    return Job(**{**JOB.__dict__, **options})


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two workers on this machine, and the checkpoint of worker 0; a proxy is none of their business."""
    path = tmp_path_factory.mktemp("pair") / "run.npz"
    started = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy"):
            patch.setenv(name, "http://127.0.0.1:9")  # nothing listens there
        outcome = distributed.run(changed(checkpoint=str(path)), 2, on_start=started.extend)
    assert len(set(started)) == 2 and os.getpid() not in started
    return outcome, path


@pytest.fixture(scope="module")
def free_addresses():
    """Two ports that no other program gets meanwhile: they are bound, and a worker may still listen there."""
    with socket.socket() as one, socket.socket() as two:
        for each in (one, two):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            each.bind(("127.0.0.1", 0))
        yield [f"127.0.0.1:{each.getsockname()[1]}" for each in (one, two)]


@pytest.mark.slow
def test_two_workers_give_what_one_process_gives(pair):
    outcome, path = pair
    x = JOB.arrays()[0]
    alone = JOB.build(x)
    history = train.fit(alone, x, progress=False, **HOW).table
    together = outcome.into(JOB.build(x))
    for one, two in zip(alone.variables, together.variables, strict=True):
        assert np.allclose(one.numpy(), two.numpy(), rtol=0, atol=1e-5), one.path
    assert outcome.table["step"].tolist() == history["step"].tolist()
    assert np.allclose(outcome.table[COLUMNS], history[COLUMNS], rtol=0, atol=1e-4)
    # The noise is that of one process too, or the losses would differ by whole nats.
    assert np.array_equal(alone.noise.state.numpy(), together.noise.state.numpy())
    # The checkpoint is one that train.fit reads: after the last step it has nothing left to do.
    again = JOB.build(x)
    train.fit(again, x, checkpoint=path, progress=False, **HOW)
    assert all(np.array_equal(a, b) for a, b in zip(again.get_weights(), together.get_weights(), strict=True))


@pytest.mark.slow
def test_a_killed_worker_ends_the_other_with_one_sentence_and_nothing_is_lost(pair, free_addresses, tmp_path):
    """As on two machines: each worker has a starter of its own, and one starter is killed."""
    path = tmp_path / "run.npz"
    command = [sys.executable, str(SCRIPT), "--workers", ",".join(free_addresses), "--checkpoint", str(path)]
    # The script has no warm-up: the same job without it is what the two are compared with.
    command += ["--data", "digits", "--items", "400", "--steps", "60", "--global-batch", "32", "--seed", "2"]
    command += ["--reports", "30", "--latent-size", "3", "--width", "4"]
    first, second = (
        subprocess.Popen(
            [*command, "--task", str(task)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for task in (0, 1)
    )
    for _ in range(5):
        assert first.stdout.readline().startswith("step ")
    second.kill()
    _, complained = first.communicate(timeout=60)
    second.communicate()
    assert (first.returncode, second.returncode) == (1, -signal.SIGKILL), complained
    stored = steps_done(path)
    assert 8 <= stored < 60
    lines = complained.strip().splitlines()
    assert len(lines) == 1, complained
    assert lines[0].startswith(f"worker 0 stopped: worker 1 at {free_addresses[1]} does not answer any more")
    assert lines[0].endswith(
        f"holds step {stored}: start all workers again with the same arguments, and they go on from there"
    )
    # Going on, with two workers again, gives what two workers without a cut give.
    job = changed(options={"latent_size": 3, "width": 4}, checkpoint=str(path))
    resumed = distributed.run(job, 2)
    x = job.arrays()[0]
    whole = job.build(x)
    train.fit(whole, x, progress=False, **HOW)
    for one, two in zip(whole.variables, resumed.variables, strict=True):
        assert np.allclose(one.numpy(), two, rtol=0, atol=1e-5), one.path


@pytest.mark.slow
def test_workers_with_different_settings_refuse_each_other_and_one_alone_does_not_wait_for_ever(
    free_addresses,
):
    said = {}

    def start(name, job, task, **options):
        try:
            distributed.run(job, free_addresses, [task], **options)
        except (ValueError, WorkerError) as error:
            said[name] = error

    starters = [
        threading.Thread(target=start, args=("a", JOB, 0)),
        threading.Thread(target=start, args=("b", changed(learning_rate=1e-2), 1)),
    ]
    for each in starters:
        each.start()
    for each in starters:
        each.join()
    assert all(isinstance(error, ValueError) for error in said.values()), said
    assert "worker 1 has other data, settings or versions than worker 0" in str(said["a"])
    with pytest.raises(
        WorkerError, match=f"worker 1 at {free_addresses[1]} did not come within 1 s: start it"
    ):
        distributed.run(JOB, free_addresses, [0], patience=1)


@pytest.mark.slow
def test_four_virtual_devices_of_jax_give_what_one_gives():
    job = Job("digits", "vae.dense_vae", {"latent_size": 3, "width": 16}, items=200, **{**HOW, "reports": 3})
    outcomes = virtual.run(job, (1, 4))
    assert [each.table["devices"].iloc[-1] for each in outcomes.values()] == [1, 4]
    assert np.allclose(outcomes[1].table[COLUMNS], outcomes[4].table[COLUMNS], rtol=0, atol=1e-4)
    for one, four in zip(outcomes[1].variables, outcomes[4].variables, strict=True):
        assert np.allclose(one, four, rtol=0, atol=1e-5)
    assert outcomes[1].table["loss"].iloc[-1] < outcomes[1].table["loss"].iloc[0]


@pytest.fixture
def no_process(monkeypatch):
    def never(*given, **options):
        raise AssertionError("a process was started before the settings were looked at")

    monkeypatch.setattr(subprocess, "Popen", never)


def test_a_model_takes_its_rows_of_the_noise_of_the_whole_batch():
    x = JOB.arrays()[0][:8]
    whole = np.asarray(JOB.build(x)._noise_like(np.zeros((8, 3), "float32")))
    for part in range(4):
        model = JOB.build(x)
        model.share = (part, 4)
        rows = np.asarray(model._noise_like(np.zeros((2, 3), "float32")))
        assert np.array_equal(rows, whole[2 * part : 2 * part + 2])


@pytest.mark.parametrize(
    ("job", "workers", "tasks", "words"),
    [
        (JOB, 3, None, "batch of 32 cannot be shared out evenly among 3 workers; take 33"),
        (changed(batch_size=1), 2, None, "cannot be shared out evenly among 2 workers; take 2"),
        (changed(batch_size=402), 2, None, "400 items but the global batch is 402"),
        (changed(data="cats"), 2, None, "no data set is named 'cats'"),
        (changed(model="vae.large_vae"), 2, None, "no model 'vae.large_vae'"),
        (JOB, 0, None, "at least one worker"),
        (JOB, ["10.0.0.1", "10.0.0.2:1"], [0], "an address is host:port, such as .* got '10.0.0.1'"),
        (JOB, ["10.0.0.1:2222"] * 2, [0], "two workers have the same address"),
        (JOB, ["10.0.0.1:2222", "10.0.0.2:2222"], [2], r"numbered from 0 to 1.* got \[2\]"),
    ],
)
def test_what_cannot_be_is_said_before_a_process_starts(no_process, job, workers, tasks, words):
    with pytest.raises(ValueError, match=words):
        distributed.run(job, workers, tasks)


def test_a_port_in_use_is_named(no_process):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=f"port {port} of this machine is in use .*; name another one"):
            distributed.run(JOB, [f"127.0.0.1:{port}", "127.0.0.1:1"], [0])


def test_files_that_cannot_be_used_are_named(no_process, tmp_path):
    with pytest.raises(OSError, match=r"there is no file .*x\.npz; every worker needs a copy"):
        distributed.run(changed(data=str(tmp_path / "x.npz")), 2)
    with pytest.raises(OSError, match=r"is a folder; name a file in it"):
        distributed.run(changed(checkpoint=str(tmp_path)), 2)


def test_uneven_devices_are_refused():
    with pytest.raises(ValueError, match=r"among \[3\] devices"):
        virtual.run(JOB, (1, 3))


def test_the_script_says_what_is_wrong_in_one_line():
    command = [sys.executable, str(SCRIPT), "--local", "3", "--global-batch", "64"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.strip() == (
        "a global batch of 64 cannot be shared out evenly among 3 workers; take 63"
    )
