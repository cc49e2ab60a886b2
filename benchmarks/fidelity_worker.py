"""torch-fidelity in a process of its own, for ``evaluation_speed.py``: reads two arrays, then times a metric.

torchvision, which it needs for images only, is replaced by a module of empty classes. It imports nothing of
this package, so another environment's Python can run it.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import time
import types


class Empty(types.ModuleType):
    __path__: list[str] = []  # noqa: RUF012 - what makes a module a package

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torchvision":
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return Empty(spec.name)

    def exec_module(self, module):
        pass


def main(real_path: str, fake_path: str, subsets: int, size: int, seed: int) -> None:
    sys.meta_path.insert(0, Finder())
    import numpy as np
    import table
    import torch
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric

    torch.set_num_threads(1)
    real, fake = (torch.from_numpy(np.load(path)) for path in (real_path, fake_path))
    statistics = [fid_features_to_statistics(each.double()) for each in (real, fake)]

    def answer(metric: str) -> tuple[float, float]:
        start = time.process_time()
        if metric == "fid":
            value = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
        else:
            value = kid_features_to_metric(
                real, fake, kid_subsets=subsets, kid_subset_size=size, verbose=False, rng_seed=seed
            )["kernel_inception_distance_mean"]
        return time.process_time() - start, float(value)

    table.serve(answer)


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(int, sys.argv[3:]))
