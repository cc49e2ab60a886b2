"""Keras' distribution API on JAX, on one machine: several virtual CPU devices share each batch.

``run`` starts a process of its own, since the backend and the number of devices are fixed when JAX is
imported. The virtual devices share the cores there are, so this shows that the mathematics is right, and
gains no time. On a machine with several GPUs or TPUs the same two lines use them. Introduced in
notebook 12.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from aigc_lab.backend import child_environment
from aigc_lab.train.distributed import Job, Outcome, WorkerError


def run(job: Job, devices: Sequence[int] = (1, 4)) -> dict[int, Outcome]:
    """Train anew for each number in ``devices``, on so many virtual CPU devices of JAX.

    The tables of the outcomes have one more column, ``devices``: on how many the batch lay. A job's
    checkpoint is not used. All trainings share one process.

    Raises:
        ValueError: a batch that the devices cannot share evenly, or unknown data.
        WorkerError: the process broke off, for example because JAX is not installed.
    """
    uneven = [each for each in devices if each < 1 or job.batch_size % each]
    if uneven or not devices:
        raise ValueError(f"a batch of {job.batch_size} cannot be shared out evenly among {uneven} devices")
    job.arrays()
    flags = f"--xla_force_host_platform_device_count={max(devices)}"
    environment = child_environment(
        KERAS_BACKEND="jax",
        JAX_PLATFORMS="cpu",
        XLA_FLAGS=f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip(),
    )
    with tempfile.TemporaryDirectory() as folder:
        asked = json.dumps({"job": asdict(job), "devices": list(devices), "folder": folder})
        done = subprocess.run(
            [sys.executable, "-m", "aigc_lab.train.virtual"],
            input=asked,
            env=environment,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no output"])[-1]
            raise WorkerError(f"the process with {max(devices)} JAX devices broke off: {last}")
        return {each: _outcome(Path(folder) / f"{each}.npz") for each in devices}


def _outcome(path: Path) -> Outcome:
    import pandas as pd

    with np.load(path, allow_pickle=False) as stored:
        about = json.loads(str(stored["about"]))
        variables = [stored[f"arr_{number}"] for number in range(len(stored.files) - 1)]
    return Outcome(pd.DataFrame(about["rows"]), variables, about["seconds"])


def _main() -> None:
    asked = json.loads(sys.stdin.read())
    job = Job(**asked["job"])
    import keras

    from aigc_lab.train.checkpoint import values_of
    from aigc_lab.train.fitting import Trainer

    data = job.arrays()
    found = keras.distribution.list_devices("cpu")
    for count in asked["devices"]:
        begun = time.perf_counter()
        # The two lines: on which devices the data lie, and that Keras is to do so.
        distribution = keras.distribution.DataParallel(devices=found[:count])
        keras.distribution.set_distribution(distribution)

        model = job.build(data[0])
        trainer = Trainer(model, steps=job.steps, batch_size=job.batch_size, learning_rate=job.learning_rate)
        history = trainer._train(data, job.seed, None, None, job.reports, None, False)
        # Asked of a weight, not of the settings: a copy of it lies on each device.
        placed = len(model.trainable_variables[0].value.sharding.device_set)
        rows = [row | {"devices": placed} for row in history.table.to_dict("records")]
        about = json.dumps({"rows": rows, "seconds": time.perf_counter() - begun})
        np.savez(Path(asked["folder"]) / f"{count}.npz", *values_of(model.variables), about=np.array(about))


if __name__ == "__main__":
    _main()
