"""The studies behind notebook 13, run again: four tables in aigc_lab/study/stored come from here.

    python scripts/tuning_study.py --folder FOLDER           # all of them, about half an hour on two cores
    python scripts/tuning_study.py --folder FOLDER --only tuning_default
    python scripts/tuning_study.py --folder FOLDER --store   # then replace the stored tables

It can be stopped at any time: called again with the same folder, it goes on where it was. Without ``--store``
nothing in the package is changed.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import pandas as pd

from aigc_lab import study
from aigc_lab.study import tuned
from aigc_lab.train import tuning

SPLITS = range(5)
BUDGET = 18 * tuned.STEPS
METHODS = {"random": {}, "grid": {"levels": tuned.GRID}, "tpe": {"prune": True}}
FRESH_SEEDS = range(3)  # a chosen configuration is trained again so many times
DEFAULT_RUNS = 40
GAN_SEEDS = range(4)


def searches(folder: Path) -> pd.DataFrame:
    """Three ways of searching with the same budget of steps, on five splits of the data."""
    found = []
    for split in SPLITS:
        for method, options in METHODS.items():
            objective = tuned.VaeObjective(split, drawings=method == "random", compiled=True)
            result = tuning.search(
                objective,
                tuned.space(),
                budget=BUDGET,
                steps=tuned.STEPS,
                method=method,
                seed=split,
                file=folder / f"{method}-{split}.db",
                progress=True,
                **options,
            )
            found.append(result.table.assign(method=method, split=split))
            print(split, method, len(result.table), result.best["value"], flush=True)
    return pd.concat(found, ignore_index=True)


def again(folder: Path) -> pd.DataFrame:
    """The best configuration of each search, and the default, with fresh seeds."""
    trials = searches(folder)
    chosen = []
    for (split, method), part in trials.groupby(["split", "method"], sort=False):
        found = tuning.Found(part, tuple(tuned.space()), maximize=True)
        chosen.append((split, method, found.best_parameters))
    chosen += [(split, "default", dict(tuned.DEFAULT)) for split in SPLITS]
    return pd.concat(
        [_repeated(folder, split, method, parameters, FRESH_SEEDS) for split, method, parameters in chosen],
        ignore_index=True,
    )


def default(folder: Path) -> pd.DataFrame:
    """One configuration, many seeds: whatever differs is noise."""
    return _repeated(folder, 0, "default", dict(tuned.DEFAULT), range(DEFAULT_RUNS), drawings=True)


def checkpoints(folder: Path) -> pd.DataFrame:
    """A GAN, scored at fifty checkpoints of each run."""
    return pd.concat([_kept(folder, f"gan-{seed}", _gan_of, seed) for seed in GAN_SEEDS], ignore_index=True)


def _gan_of(seed: int) -> pd.DataFrame:
    return tuned.gan_checkpoints(0, seed)


def _repeated(folder, split, method, parameters, seeds, drawings=False) -> pd.DataFrame:
    name = f"again-{split}-{method}-{len(seeds)}"
    return _kept(folder, name, _train_again, split, method, parameters, seeds, drawings)


def _train_again(split, method, parameters, seeds, drawings) -> pd.DataFrame:
    objective = tuned.VaeObjective(split, drawings, compiled=True)
    rows = []
    for seed in seeds:
        trial = tuning.Trial(parameters, 1_000_000 + seed, tuned.STEPS, lambda step, value: False)
        value, more = objective(trial)
        rows.append(
            {"split": split, "method": method, "seed": trial.seed, **parameters, "value": value, **more}
        )
    return pd.DataFrame(rows)


def _kept(folder: Path, name: str, make, *arguments) -> pd.DataFrame:
    """A part that has ended is read, not made again."""
    path = folder / f"{name}.parquet"
    if not path.exists():
        study.write_table(make(*arguments), path)
        print(name, flush=True)
    return study.read_table(path)[0]


STUDIES = {
    "tuning_checkpoints": checkpoints,
    "tuning_default": default,
    "tuning_searches": searches,
    "tuning_again": again,
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", required=True, help="where finished parts lie, and where to go on")
    parser.add_argument("--only", choices=sorted(STUDIES), nargs="*", help="these tables alone")
    parser.add_argument("--store", action="store_true", help="replace the tables in the package")
    chosen = parser.parse_args(arguments)
    folder = Path(chosen.folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in chosen.only or STUDIES:
        begun = time.perf_counter()
        table = STUDIES[name](folder)
        print(f"{name}: {len(table)} rows, {(time.perf_counter() - begun) / 60:.1f} minutes")
        if chosen.store:
            script = Path(__file__).name
            print("wrote", study.write_stored(name, table, script, rows=len(table)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
