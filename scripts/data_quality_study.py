"""The studies behind notebook 15, run again: the tables in aigc_lab/study/stored come from here.

    python scripts/data_quality_study.py --folder FOLDER                 # all of them, an hour and a half
    python scripts/data_quality_study.py --folder FOLDER --only repeats  # one of them
    python scripts/data_quality_study.py --folder FOLDER --store         # then replace the stored tables

It can be stopped at any time: called again with the same folder, it goes on with the runs that are missing.
Without ``--store`` nothing in the package is changed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from aigc_lab import study
from aigc_lab.study.running import STORED

CORRUPTIONS = (
    "label_flip", "exact_duplicate", "near_duplicate", "blur", "noise", "junk", "imbalance", "fewer_items",
)  # fmt: skip
ARMS = ("none", "clean", "label", "augment", "clean+label", "clean+label+augment", "oracle")
THREE = (0, 1, 2)

STUDIES = {
    grid.name: grid
    for grid in (
        # Dose and response: the first question of the notebook.
        study.Study("data_quality", CORRUPTIONS, (0, 0.1, 0.2, 0.4, 0.8), ("real", "vae", "gan")),
        # What cleaning wins back at 0.4, and what it costs a clean set.
        study.Study(
            "cleaning",
            ("label_flip", "blur", "noise", "junk"),
            (0, 0.4),
            cleaning=("none", "clean+label", "oracle"),
            cleaning_severities=(0, 0.4),
        ),
        # A class at 50 to 1% of the data, and its share of what an unconditional model draws.
        study.Study(
            "rare_class",
            "rare_class",
            (0.5, 0.2, 0.1, 0.05, 0.01),
            ("real", "plain_vae", "plain_gan"),
            items=800,
            classes=("elephant", "giraffe"),
        ),
        # The share of near-copies of 16 items that stand in the set 1 to 256 times.
        study.Study(
            "repeats", "repeats", [2**k for k in range(9)], ("plain_vae", "plain_gan"), THREE, items=400
        ),
        # Clean and corrupted sets of four sizes: which of them score the same.
        study.Study(
            "quantity",
            ("label_flip", "noise", "junk"),
            (0, 0.2, 0.4),
            "vae",
            THREE,
            items=(200, 400, 800, 1600),
        ),
        # What each stage of the pipeline buys on a set with six corruptions at once.
        study.Study("stages", "mixed", (0, 0.2), cleaning=ARMS, cleaning_severities=0.2, seeds=THREE),
        # Five generations, each trained on the samples of the one before, with 0, 25 and 50% real items.
        study.Study("generations", "own_samples", (0.5, 0.75, 1.0), "gan", THREE, items=800),
    )
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", required=True, help="where finished runs lie, and where to go on")
    parser.add_argument("--only", choices=sorted(STUDIES), nargs="*", help="these studies alone")
    parser.add_argument("--workers", type=int, default=2, help="processes with one thread each")
    parser.add_argument("--scheduler", help="address of a Dask scheduler instead")
    parser.add_argument("--store", action="store_true", help="replace the tables in the package")
    chosen = parser.parse_args(arguments)
    for name in chosen.only or STUDIES:
        table = study.run(STUDIES[name], chosen.folder, chosen.workers, chosen.scheduler)
        for row in table[table["status"] != "finished"].itertuples():
            print(f"failed: {row.model} on {row.corruption} {row.severity:g}, seed {row.seed}: {row.error}")
        if chosen.store:
            counts = {"runs": len(table), "worker_seconds": round(float(table["seconds"].sum()))}
            print("wrote", study.write_stored(name, table, Path(__file__).name, **counts))
        if chosen.store and name == "data_quality":
            np.savez_compressed(STORED / f"{name}_samples.npz", **samples(STUDIES[name]))
    return 0


def samples(grid: study.Study) -> dict[str, np.ndarray]:
    """24 images of the conditional GAN of the first seed after each severity, for notebook 15."""
    found = {}
    for cell in grid.cells():
        if (cell.model, cell.seed, cell.cleaning) == ("gan", grid.seeds[0], "none"):
            dataset, _ = study.training_set(grid, cell)
            drawn = study.train_and_sample(grid, cell, dataset)[1][:24]
            found[f"{cell.corruption}-{cell.severity:g}"] = np.rint(255 * drawn[..., 0]).astype(np.uint8)
    return found


if __name__ == "__main__":
    sys.exit(main())
