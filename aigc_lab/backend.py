"""What everything computes on: Keras and its backend, imported in silence, and more than one process.

``KERAS_BACKEND`` chooses TensorFlow (the default), JAX or PyTorch before Keras is imported; ``import_keras``
says in one sentence what is missing. Introduced in notebook 12.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import multiprocessing
import os
import random
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}


def check_backend() -> str:
    """The backend that Keras is going to take, asked before Keras is imported.

    Keras itself ends in the middle of an import, with a line about a module that nobody has heard of.

    Raises:
        ImportError: a backend that cannot train, or that is not installed; the message says what to do.
    """
    name, where = _asked_for()
    if name not in NAMES:
        raise ImportError(f"there is no backend {name!r} that trains; choose one of {', '.join(NAMES)}")
    if importlib.util.find_spec(name) is None:
        extra = "" if name == "tensorflow" else f"[{name}]"
        other = "" if name == "tensorflow" else f", or set {where} to tensorflow"
        raise ImportError(
            f"{where} asks for {name}, and {NAMES[name]} is not installed: run pip install '.{extra}' in the "
            f"project's folder{other}"
        )
    return name


def _asked_for() -> tuple[str, str]:
    """The name, and how one asks for it: Keras looks into the environment, then into its own file."""
    name = os.environ.get("KERAS_BACKEND")
    if name:
        return name, "KERAS_BACKEND"
    home = os.environ.get("KERAS_HOME")
    file = (Path(home) if home else Path.home() / ".keras") / "keras.json"
    try:
        return str(json.loads(file.read_text())["backend"]), f"the backend in {file.name}"
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow", "KERAS_BACKEND"


def import_keras() -> None:
    """Import Keras and run one operation in silence: TensorFlow reports on CUDA at both moments.

    Raises:
        ImportError: the backend that is asked for is not installed.
    """
    if "keras" in sys.modules:
        return
    check_backend()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet():
        import keras

        keras.ops.convert_to_numpy(keras.ops.zeros(1))


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Layers that are made in the block get their seeds from this one: equal seeds, equal models.

    Keras draws the seed of each initialiser and each random layer from Python's ``random``.
    ``keras.utils.set_random_seed`` would give the same weights, but on TensorFlow it also throws away what
    every compiled function of the process has prepared, which costs as much as 30 training steps.
    """
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Swallow what the block prints, from Python and from C++, and its warnings.

    If the block raises, what it had printed goes to stderr after all: the cause may be there.
    """
    printed = io.StringIO()
    with tempfile.TemporaryFile() as spill:
        try:
            with (
                warnings.catch_warnings(),
                _descriptors_into(spill.fileno()),
                contextlib.redirect_stdout(printed),
                contextlib.redirect_stderr(printed),
            ):
                warnings.simplefilter("ignore")
                yield
        except BaseException:
            spill.seek(0)
            sys.stderr.write(printed.getvalue() + spill.read().decode(errors="replace"))
            raise


@contextlib.contextmanager
def _descriptors_into(spill: int) -> Iterator[None]:
    """Point file descriptors 1 and 2 at another file: TensorFlow's C++ side writes there directly."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    saved: dict[int, int] = {}
    try:
        for number in (1, 2):
            with contextlib.suppress(OSError):  # a process without a console may have closed them
                saved[number] = os.dup(number)
                os.dup2(spill, number)
        yield
    finally:
        for number, copy in saved.items():
            os.dup2(copy, number)
            os.close(copy)


PATIENCE = 10  # seconds in which a scheduler must answer
# One thread a worker, because the networks are small. Most runs are then repeated to the last bit, not
# all: a convolution may add up in another order, and training amplifies the difference.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


def child_environment(**changes: str) -> dict[str, str]:
    """The environment of this process for a child that starts anywhere and finds the same ``aigc_lab``."""
    here = str(Path(__file__).parents[1])
    path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, **changes}


@contextlib.contextmanager
def dask_client(caller: str, workers: int, scheduler: str | None, **local: Any) -> Iterator[Any]:
    """A Dask client: of the scheduler at an address, or of ``workers`` processes that end with the block.

    Args:
        caller: the function that a script calls, for the message.
        local: more settings of ``distributed.LocalCluster``.

    Raises:
        RuntimeError: a worker that was just started imports the script that started it.
        OSError: no scheduler answers at the address.
    """
    # A worker that imports an unguarded script would start workers of its own, and those theirs.
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise RuntimeError(f'call {caller} below `if __name__ == "__main__":` in a script')
    from distributed import Client, LocalCluster

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=PATIENCE, set_as_default=False)
        except OSError as error:
            raise OSError(f"no Dask scheduler answers at {scheduler}; start it, or leave it out") from error
        with client:
            yield client
        return
    local = {"host": "127.0.0.1", "dashboard_address": None, "silence_logs": 50} | local
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, **local) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client
