"""What one backend was built for and what it sees, asked in the process that runs it.

``python -m aigc_lab.train.probe jax`` prints it as JSON: a process takes one backend, so the others
are asked in a child each. Introduced in notebook 12, by way of ``train.devices``.
"""

from __future__ import annotations

import ctypes.util
import importlib.metadata
import json
import subprocess
import sys
from typing import Any

PATIENCE = 120  # seconds for a child that imports a backend from a slow disk


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
        return {**empty, **_ask(backend)}
    command = [sys.executable, "-m", "aigc_lab.train.probe", backend]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return {**empty, "broken": f"no answer in {PATIENCE} s"}
    if done.returncode:
        return {**empty, "broken": (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]}
    return {**empty, **json.loads(done.stdout.splitlines()[-1])}


def installed(package: str) -> str | None:
    """The version of an installed package, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _ask(backend: str) -> dict[str, Any]:
    return {"tensorflow": _ask_tensorflow, "jax": _ask_jax, "torch": _ask_torch}[backend]()


def _ask_tensorflow() -> dict[str, Any]:
    import tensorflow as tf

    build = tf.sysconfig.get_build_info()
    found = [
        tf.config.experimental.get_device_details(each) for each in tf.config.list_physical_devices("GPU")
    ]
    return {
        "built_for": [build.get("cuda_version"), build.get("cudnn_version")],
        "found": _libraries(build.get("cuda_version"), build.get("cudnn_version")),
        "gpus": [each.get("device_name", "GPU") for each in found],
    }


def _ask_jax() -> dict[str, Any]:
    import jax

    # JAX itself is built for no CUDA: a plugin package is, and it names the version.
    plugin = next((number for number in ("13", "12") if installed(f"jax-cuda{number}-plugin")), None)
    try:
        seen = jax.devices("gpu")
    except RuntimeError:
        seen = []
    return {
        "built_for": [plugin, None],
        "found": _libraries(plugin),
        "gpus": [each.device_kind for each in seen],
    }


def _ask_torch() -> dict[str, Any]:
    import torch

    cudnn = torch.backends.cudnn.version() if torch.version.cuda else None  # 91002 is 9.10.2
    words = None if cudnn is None else f"{cudnn // 10000}.{cudnn // 100 % 100}.{cudnn % 100}"
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {
        # PyTorch's packages bring the libraries that they were built for.
        "built_for": [torch.version.cuda, words],
        "found": [torch.version.cuda, words],
        "gpus": [torch.cuda.get_device_name(number) for number in range(count)],
    }


def _libraries(cuda: str | None, cudnn: str | None = "9") -> list[str | None]:
    """CUDA's runtime and cuDNN as found: in packages of this environment, or else on the system."""
    if cuda is None:
        return [None, None]
    wanted = [each.split(".")[0] for each in (cuda, cudnn or "9")]
    packages = (
        (f"nvidia-cuda-runtime-cu{wanted[0]}", "nvidia-cuda-runtime"),
        (f"nvidia-cudnn-cu{wanted[0]}",),
    )
    found = []
    for names, library, major in zip(packages, ("cudart", "cudnn"), wanted, strict=True):
        version = next(filter(None, map(installed, names)), None)
        on_system = ctypes.util.find_library(library) or ""
        # libcudart.so.13 does not serve what was built for CUDA 12.
        found.append(version or (on_system if on_system.endswith(f".{major}") else None))
    return found


if __name__ == "__main__":
    print(json.dumps(_ask(sys.argv[1])))
