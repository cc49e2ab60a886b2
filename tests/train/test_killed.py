"""Real processes are killed while they train; what they stored goes on to the last bit."""

import os
import random
import signal
import subprocess
import sys

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from aigc_lab import train  # noqa: E402
from aigc_lab.models.vae import convolutional_vae  # noqa: E402
from aigc_lab.train.checkpoint import steps_done  # noqa: E402

HOW = {"steps": 120, "batch_size": 16, "reports": 60, "progress": False}

PROGRAM = f"""
import io, sys
import numpy as np
from aigc_lab import train
from aigc_lab.models.vae import convolutional_vae

def half_of_the_file(stream, **arrays):
    whole = io.BytesIO()
    write(whole, **arrays)
    stream.write(whole.getvalue()[: whole.tell() // 2])
    stream.flush()
    print("half written", flush=True)
    sys.stdin.read()  # here it is killed

def measure():
    reports.append(1)
    print("report", flush=True)
    if len(reports) == int(sys.argv[1]):
        np.savez = half_of_the_file
    return {{}}

reports, write = [], np.savez
x = np.random.default_rng(0).random((64, 8, 8, 1), dtype="float32")
model = convolutional_vae((8, 8, 1), 2, width=4, seed=3)
train.fit(model, x, checkpoint="run.npz", measure=measure, **{HOW})
print("finished", flush=True)
"""


@pytest.fixture(scope="module")
def uncut():
    return trained()


def trained(**options):
    x = np.random.default_rng(0).random((64, 8, 8, 1), dtype="float32")
    model = convolutional_vae((8, 8, 1), 2, width=4, seed=3)
    train.fit(model, x, **HOW, **options)
    return [keras.ops.convert_to_numpy(each) for each in model.variables]


def child(folder, broken_report):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(broken_report)],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
    )


@pytest.mark.slow
def test_a_killed_process_goes_on_to_the_last_bit(tmp_path, uncut):
    """One is killed after a report at random, one while half of a checkpoint is on the disk."""
    folders = [tmp_path / "anywhere", tmp_path / "half"]
    for folder in folders:
        folder.mkdir()
    reports = random.randrange(2, 50)
    print("the report at random:", reports)
    with child(folders[0], 0) as anywhere, child(folders[1], 7) as half:
        for _ in range(reports):
            assert anywhere.stdout.readline() == "report\n"
        anywhere.kill()
        lines = iter(half.stdout.readline, "half written\n")
        assert sum(1 for _ in lines) == 7
        half.kill()
    assert anywhere.returncode == half.returncode == -signal.SIGKILL
    # The report's own checkpoint is written after the line: it may be there or not, but not in part.
    assert steps_done(folders[0] / "run.npz") >= 2 * (reports - 1)
    assert steps_done(folders[1] / "run.npz") == 12
    assert len(list(folders[1].glob(".run.npz.*.part"))) == 1
    for folder in folders:
        resumed = trained(checkpoint=folder / "run.npz")
        assert all(np.array_equal(one, two) for one, two in zip(uncut, resumed, strict=True))
        assert [each.name for each in folder.iterdir()] == ["run.npz"]
