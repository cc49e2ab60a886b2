"""Keras' distribution API on JAX, on one machine: several virtual CPU devices share each batch.

``run`` starts a process of its own, since the backend and the number of devices are fixed when JAX is
imported. The virtual devices share the cores there are, so this shows that the mathematics is right, and
gains no time. On a machine with several GPUs or TPUs the same three lines use them. Introduced in
notebook 12.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from aigc_lab.train.distributed import ROOT, Job, Outcome, WorkerError


def run(job: Job, devices: int = 4) -> Outcome:
    """Train on ``devices`` virtual CPU devices of JAX.

    ``Outcome.table`` has one more column, ``devices``: on how many the batch lay. ``seconds`` include the
    start of the process; ``table.seconds`` do not.

    Raises:
        ValueError: a batch that the devices cannot share evenly, or unknown data.
        WorkerError: the process broke off, for example because JAX is not installed.
    """
    if devices < 1 or job.batch_size % devices:
        raise ValueError(f"a batch of {job.batch_size} cannot be shared out evenly among {devices} devices")
    job.arrays()
    begun = time.perf_counter()
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}".strip()
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": flags,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
    }
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.npz"
        asked = json.dumps({"job": asdict(job), "devices": devices, "result": str(result)})
        done = subprocess.run(
            [sys.executable, "-m", "aigc_lab.train.virtual"],
            input=asked,
            env=environment,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no output"])[-1]
            raise WorkerError(f"the process with {devices} JAX devices broke off: {last}")
        with np.load(result, allow_pickle=False) as stored:
            rows = json.loads(str(stored["rows"]))
            variables = [stored[f"arr_{number}"] for number in range(len(stored.files) - 1)]
    import pandas as pd

    return Outcome(pd.DataFrame(rows), variables, time.perf_counter() - begun)


def _main() -> None:
    asked = json.loads(sys.stdin.read())
    job, devices = Job(**asked["job"]), asked["devices"]
    import keras

    from aigc_lab.train.checkpoint import values_of
    from aigc_lab.train.fitting import Trainer

    # The three lines: which devices, how the data lie on them, and that Keras is to do so.
    found = keras.distribution.list_devices("cpu")
    distribution = keras.distribution.DataParallel(devices=found)
    keras.distribution.set_distribution(distribution)

    data = job.arrays()
    model = job.build(data[0])
    trainer = Trainer(model, steps=job.steps, batch_size=job.batch_size, learning_rate=job.learning_rate)
    history = trainer._train(data, job.seed, None, job.checkpoint, job.reports, None, False)
    placed = distribution.get_data_layout((job.batch_size, *data[0].shape[1:])).device_mesh.shape[0]
    rows = [row | {"devices": placed} for row in history.table.to_dict("records")]
    np.savez(asked["result"], *values_of(model.variables), rows=np.array(json.dumps(rows)))
    assert len(found) == devices


if __name__ == "__main__":
    _main()
