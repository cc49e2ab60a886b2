"""What this machine has: cores, memory, GPUs, what each Keras backend sees, and why a GPU is not used.

``python -m aigc_lab.train.environment jax`` prints what one backend sees as JSON: a process takes one
backend, so the others are asked in a child each. Introduced in notebook 12.
"""

from __future__ import annotations

import contextlib
import ctypes.util
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aigc_lab.backend import NAMES
from aigc_lab.collect.dataset import unknown_name

INSTALL = {
    "tensorflow": "pip install .[gpu]",
    "jax": 'pip install "jax[cuda12]"',
    "torch": "pip install .[torch]",
}
PATIENCE = 120  # seconds for a child that imports a backend from a slow disk


@dataclass(frozen=True)
class Environment:
    """Processor, memory, GPUs and backends of this machine; ``print`` it.

    ``cores`` are those this process may use; ``memory`` and ``free_memory`` are bytes. ``gpus`` are what the
    driver reports: name, memory in bytes, driver version; ``driver_cuda`` is the newest CUDA that it can run.
    ``backends`` has a dict for each backend: ``version``, ``built_for`` and ``found`` (CUDA and cuDNN),
    ``gpus``, ``broken``. ``advice`` is a sentence for each: why it uses no GPU, or "".
    """

    processor: str
    cores: int
    memory: int
    free_memory: int
    gpus: tuple[tuple[str, int, str], ...]
    driver_cuda: str | None
    backends: Mapping[str, dict[str, Any]]
    advice: Mapping[str, str]

    def __str__(self) -> str:
        lines = [
            f"processor   {self.processor}, {self.cores} core{'s' * (self.cores != 1)} for this process",
            f"memory      {self.memory / 2**30:.1f} GiB, {self.free_memory / 2**30:.1f} GiB free",
        ]
        lines += [
            f"GPU {number}       {name}, {memory / 2**30:.1f} GiB, driver {driver} (for CUDA up to "
            f"{self.driver_cuda})"
            for number, (name, memory, driver) in enumerate(self.gpus)
        ] or ["GPU         none that a driver reports"]
        for backend, about in self.backends.items():
            built, found = (" / ".join(each or "-" for each in about[key]) for key in ("built_for", "found"))
            seen = f"; built for CUDA / cuDNN {built}; found {found}; GPUs it sees: {len(about['gpus'])}"
            version = about["version"]
            lines.append(f"{NAMES[backend]:<12}{version + seen if version else 'not installed'}")
            if self.advice[backend]:
                lines.append(f"            -> {self.advice[backend]}")
        return "\n".join(lines)


def devices(backends: tuple[str, ...] = tuple(NAMES)) -> Environment:
    """Look at this machine: processor, memory, GPUs, and what each Keras backend makes of them.

    Args:
        backends: which to ask. One that this process has not loaded is asked in a process of its own
            (seconds); one that is not installed is only named.

    Raises:
        ValueError: an unknown backend.
    """
    for name in backends:
        if name not in NAMES:
            raise unknown_name("backend", name, tuple(NAMES))
    gpus, driver_cuda = _nvidia()
    asked = {name: facts(name) for name in backends}
    card = bool(gpus) or _has_card()
    advice = {name: why_unused(name, about, card, gpus, driver_cuda) for name, about in asked.items()}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Environment(_processor(), cores, *_memory(), gpus, driver_cuda, asked, advice)


def why_unused(
    backend: str, about: Mapping[str, Any], card: bool, gpus: tuple[Any, ...], driver_cuda: str | None
) -> str:
    """One sentence that says why ``backend`` uses no GPU and what to do; empty where it uses one.

    Args:
        about: as ``facts`` gives it; card: whether an NVIDIA card is in the machine at all; gpus,
        driver_cuda: what its driver reports.
    """
    name, install, version = NAMES[backend], INSTALL[backend], about["version"]
    at_first = "pip install .[jax]" if backend == "jax" and not gpus else install
    (built, cudnn), found = about["built_for"], about["found"]
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    hides = hidden is not None and hidden.strip() in ("", "-1")
    to_the_cpu = backend == "jax" and "cpu" in os.environ.get("JAX_PLATFORMS", "").lower().split(",")
    on_windows = platform.system() == "Windows" and backend != "torch"
    old_driver = driver_cuda is not None and _major(driver_cuda) < _major(built)
    missing = " and no ".join(what for what, each in zip(("CUDA", "cuDNN"), found, strict=True) if not each)
    old_cudnn = 0 < _major(found[1]) < _major(cudnn)
    was_built = f"{name} was built for"
    reasons = (
        (about["gpus"], ""),
        (version is None, f"{name} is not installed: {at_first}{' (several GB)' * (backend == 'torch')}"),
        (about["broken"], f"{name} cannot be imported ({about['broken']}): install it anew, {install}"),
        (not card, f"this machine has no NVIDIA GPU, so {name} computes on the CPU"),
        (not gpus, "an NVIDIA card has no working driver: install NVIDIA's driver until nvidia-smi lists it"),
        (hides, f"CUDA_VISIBLE_DEVICES={hidden!r} hides the GPU: unset it and start Python anew"),
        (to_the_cpu, "JAX_PLATFORMS keeps JAX on the CPU: unset it and start Python anew"),
        (on_windows, f"{name} has no GPU support on Windows itself: use it in WSL2, there {install}"),
        (built is None, f"this build of {name} has no GPU support: {install}"),
        (
            old_driver,
            f"the driver runs CUDA up to {driver_cuda}, but {was_built} CUDA {built}: update NVIDIA's driver",
        ),
        (missing, f"{was_built} CUDA {built}, but finds no {missing}: {install}"),
        (old_cudnn, f"{was_built} cuDNN {cudnn}, but finds cuDNN {found[1]}: {install}"),
    )
    otherwise = (
        f"driver, CUDA and cuDNN are there, and {name} still sees no GPU: look for a line with 'dlopen' "
        "after TF_CPP_MIN_LOG_LEVEL=0, and for an old LD_LIBRARY_PATH that hides the installed libraries"
    )
    return next((sentence for holds, sentence in reasons if holds), otherwise)


@contextlib.contextmanager
def device(name: str) -> Iterator[None]:
    """Compute the block on ``"cpu"``, ``"gpu"`` or ``"gpu:1"``, with the backend that is loaded.

    Raises:
        ValueError: a name of another form.
        RuntimeError: a GPU that the backend does not have; the message says why and what to do.
    """
    import keras

    kind, _, number = str(name).partition(":")
    if kind not in ("cpu", "gpu") or not (number or "0").isdecimal():
        raise ValueError(f"a device is 'cpu', 'gpu' or 'gpu:1' (the second GPU), got {name!r}")
    backend, place = keras.backend.backend(), int(number or 0)
    if kind == "gpu":
        found = devices((backend,))
        count = len(found.backends[backend]["gpus"])
        if place >= count:
            why = found.advice[backend] or f"it sees {count}; the first is 'gpu:0'"
            raise RuntimeError(f"{NAMES[backend]} has no {name!r} here: {why}; or ask for 'cpu'")
    # To PyTorch "cpu:0" is another place than "cpu": Keras' variables there are copies, and nothing learns.
    with keras.device("cpu" if backend == "torch" and kind == "cpu" else f"{kind}:{place}"):
        yield


# -- what a backend was built for and sees -----------------------------------------------------------


def facts(backend: str) -> dict[str, Any]:
    """Versions and GPUs of one backend, in this process if it is loaded, in a child otherwise.

    Returns:
        ``version`` (None where it is not installed), ``built_for`` and ``found`` (CUDA and cuDNN versions
        or None), ``gpus`` (names), ``broken`` (why it cannot be imported, or None).
    """
    version = installed(backend)
    empty = {"version": version, "built_for": [None, None], "found": [None, None], "gpus": [], "broken": None}
    if version is None:
        return empty
    if backend in sys.modules:
        return empty | _ask(backend)
    command = [sys.executable, "-m", "aigc_lab.train.environment", backend]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return empty | {"broken": f"no answer in {PATIENCE} s"}
    if done.returncode:
        return empty | {"broken": (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]}
    return empty | json.loads(done.stdout.splitlines()[-1])


def installed(package: str) -> str | None:
    """The version of an installed package, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _ask(backend: str) -> dict[str, Any]:
    """What one backend, imported here, was built for, finds and sees."""
    if backend == "tensorflow":
        import tensorflow as tf

        build = tf.sysconfig.get_build_info()
        built = [build.get("cuda_version"), build.get("cudnn_version")]
        seen = tf.config.list_physical_devices("GPU")
        gpus = [tf.config.experimental.get_device_details(each).get("device_name", "GPU") for each in seen]
        return {"built_for": built, "found": _libraries(*built), "gpus": gpus}
    if backend == "jax":
        import jax

        # JAX itself is built for no CUDA: a plugin package is, and it names the version.
        plugin = next((number for number in ("13", "12") if installed(f"jax-cuda{number}-plugin")), None)
        gpus = []
        with contextlib.suppress(RuntimeError):  # what JAX says of a GPU that is not there
            gpus = [each.device_kind for each in jax.devices("gpu")]
        return {"built_for": [plugin, None], "found": _libraries(plugin, "9"), "gpus": gpus}
    import torch

    cudnn = torch.backends.cudnn.version() if torch.version.cuda else None  # 91002 is 9.10.2
    words = None if cudnn is None else f"{cudnn // 10000}.{cudnn // 100 % 100}.{cudnn % 100}"
    built = [torch.version.cuda, words]  # its packages bring the libraries that they were built for
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    gpus = [torch.cuda.get_device_name(number) for number in range(count)]
    return {"built_for": built, "found": built, "gpus": gpus}


def _libraries(cuda: str | None, cudnn: str | None) -> list[str | None]:
    """CUDA's runtime and cuDNN as found: in packages of this environment, or else on the system."""
    if cuda is None:
        return [None, None]
    found = []
    for library, package, wanted in (("cudart", "cuda-runtime", cuda), ("cudnn", "cudnn", cudnn or "9")):
        major = wanted.split(".")[0]
        on_system = ctypes.util.find_library(library) or ""
        # libcudart.so.13 does not serve what was built for CUDA 12.
        on_system = on_system if on_system.endswith(f".{major}") else None
        found.append(installed(f"nvidia-{package}-cu{major}") or installed(f"nvidia-{package}") or on_system)
    return found


# -- what the machine is --------------------------------------------------------------------------------


def _nvidia() -> tuple[tuple[tuple[str, int, str], ...], str | None]:
    """GPUs and the newest CUDA of the driver, from ``nvidia-smi``; nothing where it is missing or fails."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]
    options = {"capture_output": True, "text": True, "timeout": 20, "check": True}
    try:
        printed = [subprocess.run(command, **options).stdout for command in (query, query[:1])]
    except (OSError, subprocess.SubprocessError):
        return (), None
    return read_nvidia(*printed)


def read_nvidia(listed: str, page: str) -> tuple[tuple[tuple[str, int, str], ...], str | None]:
    """What ``nvidia-smi`` printed: its list ``name, MiB, driver``, and its page with the CUDA version."""
    gpus = []
    for line in listed.strip().splitlines():
        name, memory, driver = (each.strip() for each in line.rsplit(",", 2))
        # Some cards share the machine's memory and report none of their own.
        gpus.append((name, int(memory) * 2**20 if memory.isdecimal() else 0, driver))
    cuda = page.partition("CUDA Version:")[2].split()
    return tuple(gpus), cuda[0] if cuda else None


def _has_card() -> bool:
    """Whether a display or computing card of NVIDIA (vendor 10de, class 03) is plugged in, on Linux."""
    for folder in Path("/sys/bus/pci/devices").glob("*"):
        with contextlib.suppress(OSError):
            vendor, kind = ((folder / each).read_text().strip() for each in ("vendor", "class"))
            if vendor == "0x10de" and kind.startswith("0x03"):
                return True
    return False


def _major(version: str | None) -> int:
    """The first number of a version; 0 where there is none (a library is found by its file's name)."""
    first = (version or "").split(".")[0]
    return int(first) if first.isdigit() else 0


def _memory() -> tuple[int, int]:
    """All and free memory in bytes; in a container, its limit."""
    import psutil

    seen = psutil.virtual_memory()
    total, free = seen.total, seen.available
    with contextlib.suppress(OSError, ValueError):  # "max" is no number: no limit
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        total, free = min(total, limit), min(free, max(limit - used, 0))
    return total, free


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    print(json.dumps(_ask(sys.argv[1])))
