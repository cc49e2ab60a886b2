"""What this machine has: cores, memory, GPUs, and why a GPU is not used. Introduced in notebook 12."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aigc_lab.backend import NAMES
from aigc_lab.train.probe import facts

INSTALL = {
    "tensorflow": "pip install .[gpu]",
    "jax": 'pip install "jax[cuda12]"',
    "torch": "pip install .[torch]",
}


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU as its driver reports it; memory in bytes."""

    name: str
    memory: int
    driver: str


@dataclass(frozen=True)
class Machine:
    """Processor, memory, GPUs and backends of this machine; ``print`` it.

    ``cores`` are those this process may use; ``memory`` and ``free_memory`` are bytes. ``driver_cuda`` is
    the newest CUDA that the driver can run. ``backends`` has a dict for each backend: ``version``,
    ``built_for`` and ``found`` (CUDA and cuDNN), ``gpus``, ``broken``; and ``advice`` one sentence for each.
    """

    processor: str
    cores: int
    memory: int
    free_memory: int
    gpus: tuple[Gpu, ...]
    driver_cuda: str | None
    backends: Mapping[str, dict[str, Any]]
    advice: Mapping[str, str]

    def __str__(self) -> str:
        cores = f"{self.cores} core" + "s" * (self.cores != 1)
        lines = [
            f"processor   {self.processor}, {cores} for this process",
            f"memory      {self.memory / 2**30:.1f} GiB, {self.free_memory / 2**30:.1f} GiB free",
        ]
        for number, each in enumerate(self.gpus):
            lines.append(
                f"GPU {number}       {each.name}, {each.memory / 2**30:.1f} GiB, driver {each.driver}"
                f" (for CUDA up to {self.driver_cuda})"
            )
        if not self.gpus:
            lines.append("GPU         none that a driver reports")
        for name, about in self.backends.items():
            line = f"{NAMES[name]:<12}{about['version'] or 'not installed'}"
            if about["version"]:
                pairs = [
                    f"{label} {' / '.join(each or '-' for each in about[key])}"
                    for key, label in (("built_for", "built for CUDA / cuDNN"), ("found", "found"))
                ]
                line += f"; {pairs[0]}; {pairs[1]}; GPUs it sees: {len(about['gpus'])}"
            lines.append(line)
            if self.advice[name]:
                lines.append(f"            -> {self.advice[name]}")
        return "\n".join(lines)


def devices(backends: tuple[str, ...] | None = None) -> Machine:
    """Look at this machine: processor, memory, GPUs, and what each Keras backend makes of them.

    Args:
        backends: which to ask; all three by default. One that this process has not loaded is asked in a
            process of its own (seconds); one that is not installed is only named.

    Raises:
        ValueError: an unknown backend.
    """
    backends = tuple(NAMES) if backends is None else tuple(backends)
    for name in backends:
        if name not in NAMES:
            raise ValueError(f"there is no backend {name!r}; choose from {', '.join(NAMES)}")
    gpus, driver_cuda = _nvidia()
    asked = {name: facts(name) for name in backends}
    card = bool(gpus) or _has_card()
    advice = {
        name: why_unused(name, about, card, gpus, driver_cuda, os.environ) for name, about in asked.items()
    }
    memory, free = _memory()
    return Machine(_processor(), _cores(), memory, free, gpus, driver_cuda, asked, advice)


def why_unused(
    backend: str,
    about: Mapping[str, Any],
    card: bool,
    gpus: tuple[Gpu, ...],
    driver_cuda: str | None,
    environment: Mapping[str, str],
    system: str = platform.system(),
) -> str:
    """One sentence that says why ``backend`` uses no GPU and what to do; empty where it uses one.

    Args:
        about: as ``probe.facts`` gives it; card: whether an NVIDIA card is in the machine at all;
        gpus, driver_cuda: what the driver reports; environment: the variables of the process.
    """
    name, install = NAMES[backend], INSTALL[backend]
    if about["gpus"]:
        return ""
    if about["version"] is None:
        if backend == "torch":
            return f"{name} is not installed: {install} (several GB)"
        return (
            f"{name} is not installed: {'pip install .[jax]' if backend == 'jax' and not gpus else install}"
        )
    if about["broken"]:
        return f"{name} cannot be imported ({about['broken']}): install it anew, {install}"
    if not card:
        return f"this machine has no NVIDIA GPU, so {name} computes on the CPU"
    if not gpus:
        return (
            "there is an NVIDIA card but no working driver: install NVIDIA's driver until nvidia-smi lists it"
        )
    hidden = environment.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.strip() in ("", "-1"):
        return f"CUDA_VISIBLE_DEVICES={hidden!r} hides the GPU: unset it and start Python anew"
    if backend == "jax" and "cpu" in environment.get("JAX_PLATFORMS", "").lower().split(","):
        return "JAX_PLATFORMS keeps JAX on the CPU: unset it and start Python anew"
    if system == "Windows" and backend != "torch":
        return f"{name} has no GPU support on Windows itself: use it in WSL2, there {install}"
    built, cudnn = about["built_for"]
    if built is None:
        return f"this build of {name} has no GPU support: {install}"
    if driver_cuda is not None and _major(driver_cuda) < _major(built):
        return (
            f"the driver runs CUDA up to {driver_cuda}, but {name} was built for CUDA {built}: "
            "update NVIDIA's driver"
        )
    missing = [what for what, found in zip(("CUDA", "cuDNN"), about["found"], strict=True) if found is None]
    if missing:
        return f"{name} was built for CUDA {built}, but finds no {' and no '.join(missing)}: {install}"
    found = about["found"][1]
    if cudnn and found and found[0].isdigit() and _major(found) < _major(cudnn):
        return f"{name} was built for cuDNN {cudnn}, but finds cuDNN {found}: {install}"
    return (
        f"driver, CUDA and cuDNN are there, and {name} still sees no GPU: look for a line with 'dlopen' "
        "after TF_CPP_MIN_LOG_LEVEL=0, and for an old LD_LIBRARY_PATH that hides the installed libraries"
    )


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
        machine = devices((backend,))
        count = len(machine.backends[backend]["gpus"])
        if place >= count:
            why = machine.advice[backend] or f"it sees {count}; the first is 'gpu:0'"
            raise RuntimeError(f"{NAMES[backend]} has no {name!r} here: {why}; or ask for 'cpu'")
    # To PyTorch "cpu:0" is another place than "cpu": Keras' variables there are copies, and nothing learns.
    with keras.device("cpu" if backend == "torch" and kind == "cpu" else f"{kind}:{place}"):
        yield


def _nvidia() -> tuple[tuple[Gpu, ...], str | None]:
    """GPUs and the newest CUDA of the driver, from ``nvidia-smi``; nothing where it is missing or fails."""
    fields = "--query-gpu=name,memory.total,driver_version"
    try:
        listed = _said("nvidia-smi", fields, "--format=csv,noheader,nounits")
        header = _said("nvidia-smi")
    except (OSError, subprocess.SubprocessError):
        return (), None
    return read_nvidia(listed, header)


def read_nvidia(listed: str, header: str) -> tuple[tuple[Gpu, ...], str | None]:
    """What ``nvidia-smi`` printed: its list ``name, MiB, driver``, and its page with the CUDA version."""
    gpus = []
    for line in listed.strip().splitlines():
        name, memory, driver = (each.strip() for each in line.rsplit(",", 2))
        # Some cards share the machine's memory and report none of their own.
        gpus.append(Gpu(name, int(memory) * 2**20 if memory.isdecimal() else 0, driver))
    cuda = header.partition("CUDA Version:")[2].split()
    return tuple(gpus), cuda[0] if cuda else None


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout


def _has_card(pci: Path = Path("/sys/bus/pci/devices")) -> bool:
    """Whether a display or computing card of NVIDIA (vendor 10de, class 03) is plugged in, on Linux."""
    for folder in pci.glob("*"):
        with contextlib.suppress(OSError):
            vendor, kind = ((folder / each).read_text().strip() for each in ("vendor", "class"))
            if vendor == "0x10de" and kind.startswith("0x03"):
                return True
    return False


def _major(version: str) -> int:
    return int(version.split(".")[0])


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            for line in Path("/proc/cpuinfo").read_text().splitlines():
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
