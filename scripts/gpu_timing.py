"""Time a VAE, a GAN and a Transformer on the CPU and on the GPU, rounds taking turns, into one CSV.

    python scripts/gpu_timing.py                            # about 5 minutes
    KERAS_BACKEND=jax python scripts/gpu_timing.py --rounds 9 --file timing.csv

A row is one round: so many seconds of training steps of one model, at the size of the labs or a larger one,
on one device. Compiling is off the clock and stands in its own column. The data come with the installation.
Without a GPU nothing is written, and one sentence says why. Notebook 12 shows the file.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aigc_lab import collect, train
from aigc_lab.backend import import_keras

FILE = Path(train.__file__).parent / "stored" / "gpu_timing.csv"
# Width, batch size, and for the Transformer also blocks, heads and length of a window.
SIZES = {
    "labs": {"VAE": (32, 64), "GAN": (16, 64), "Transformer": (64, 64, 2, 4, 64)},
    "large": {"VAE": (128, 256), "GAN": (64, 256), "Transformer": (192, 64, 4, 6, 128)},
    "tiny": {"VAE": (4, 8), "GAN": (2, 8), "Transformer": (8, 8, 1, 2, 16)},
}


def training(name: str, size: str) -> tuple[Callable[..., Any], np.ndarray, int]:
    """How one of the three models is built (from a seed), its data, and its batch size."""
    from aigc_lab.models import gan, transformer, vae

    width, batch_size, *more = SIZES[size][name]
    if name == "Transformer":
        blocks, heads, length = more
        text = "\n".join(dict.fromkeys(collect.load("dialogues").only("english").data))
        x, characters = transformer.windows(text, length)
        shape = {"length": length, "width": width, "blocks": blocks, "heads": heads}
        return lambda seed=0: transformer.character_model(len(characters), seed=seed, **shape), x, batch_size
    x, _ = collect.load("animals").split(seed=0)[0].arrays()
    make = vae.convolutional_vae if name == "VAE" else gan.dcgan
    return lambda seed=0: make((28, 28, 1), 16, width=width, seed=seed), x, batch_size


class Timer:
    """Steps a second of one training on one device (``"cpu"`` or ``"gpu"``), round by round."""

    def __init__(self, name: str, size: str, device: str, seconds: float) -> None:
        self.device, self.about = device, {"model": name, "size": size, "device": device}
        with train.device(device):
            self.build, self.x, self.batch_size = training(name, size)
            model, begun = self.build(), time.perf_counter()
            table = train.fit(
                model, self.x, steps=8, batch_size=self.batch_size, reports=4, progress=False
            ).table
            whole = time.perf_counter() - begun
            step = float(np.diff(table["seconds"]).mean()) / 2  # the first report holds the compilation
            self.about |= {"weights": model.count_params(), "batch_size": self.batch_size}
            self.about["seconds_to_start"] = max(0.0, whole - 8 * step)
            # A round is a fit of five reports; the first holds what a call of fit costs, and is not timed.
            self.steps = 5 * max(1, min(100_000, round(seconds / 4 / step)))
            self.trainer = train.Trainer(self.build(), steps=self.steps, batch_size=self.batch_size)
            self.round()

    def round(self) -> dict[str, Any]:
        """One row of the table."""
        with train.device(self.device):
            table = self.trainer.fit(self.build(), self.x, reports=5).table
        spent = table["seconds"].iloc[-1] - table["seconds"].iloc[0]
        return self.about | {"steps_per_second": (table["step"].iloc[-1] - table["step"].iloc[0]) / spent}


def measured(devices: list[str], sizes: list[str], rounds: int, seconds: float) -> pd.DataFrame:
    """A row for each model, size, device and round; in each round the devices take turns."""
    rows = []
    for size in sizes:
        for name in SIZES[size]:
            timers = [Timer(name, size, each, seconds) for each in devices]
            for number in range(rounds):
                rows += [{"round": number, **each.round()} for each in timers]
            print(f"{name}, {size}: {rounds} rounds on {' and '.join(devices)}", flush=True)
    return pd.DataFrame(rows)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--file", type=Path, default=FILE, help="where the CSV goes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one round, about")
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=["labs", "large"])
    chosen = parser.parse_args(arguments)
    import_keras()
    import keras

    backend = keras.backend.backend()
    found = train.devices((backend,))
    if not found.backends[backend]["gpus"]:
        print(f"nothing was timed: {found.advice[backend]}", file=sys.stderr)
        return 1
    table = measured(["cpu", "gpu"], chosen.sizes, chosen.rounds, chosen.seconds)
    about = {
        "cpu": f"{found.processor}, {found.cores} cores",
        "gpu": found.backends[backend]["gpus"][0],
        "backend": f"{backend} {found.backends[backend]['version']}",
        "system": platform.system(),
        "date": datetime.date.today().isoformat(),
    }
    chosen.file.parent.mkdir(parents=True, exist_ok=True)
    table.assign(**about).to_csv(chosen.file, index=False)
    print(f"{len(table)} rows are in {chosen.file}; notebook 12 looks for {FILE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
