"""A training step taken apart: waiting for data, Python, and the kernels, from TensorFlow's profiler.

Introduced in notebook 12.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Keras and TensorFlow name an operation "where/it/stands:Kind".
_KERNEL = re.compile(r"^[\w./-]+:(_?[A-Z]\w*)$")
# The first pattern that is found in "name:Kind" decides.
_FAMILIES = {
    "optimizer": r"^(?i:adam|sgd|two_player_adam|loss_scale)|:(Assign|ResourceApply)",
    "convolutions": r":.*(Conv2D|DepthToSpace|SpaceToDepth)",
    "matrix products": r":.*(MatMul|Einsum)",
    "random numbers": r":.*(Random|Philox|Rng)",
    "moving data": r":.*(Transpose|Concat|Slice|Pad|Gather|Pack|Tile|Cast|Reshape|Shape|Identity|Const|Read)",
}
_WARM_UP = 3  # steps that are traced and compiled before the clock starts


@dataclass(frozen=True)
class Profile:
    """Milliseconds of one step, a mean.

    ``data`` is waiting for the batch; ``inside`` is inside TensorFlow: compiled functions, or operations
    that Python asked for one by one. ``python`` is what remains of ``step``. ``kernels`` maps a family of
    operations to its time, summed over the threads: it may exceed ``inside`` when two threads work at once.
    ``slowest`` lists ``(operation, milliseconds)``.
    """

    step: float
    data: float
    inside: float
    python: float
    kernels: dict[str, float]
    slowest: list[tuple[str, float]]


def profile(step: Callable[..., Any], batches: Iterable[Any], steps: int = 30) -> Profile:
    """Run ``step(batch)`` under TensorFlow's profiler and say where the time goes.

    Args:
        step: a training step; a ``tf.function`` or plain Python. batches: its data, ``steps`` and three more:
            what it takes to produce the next one counts as data.

    Raises:
        ValueError: fewer batches than steps.
    """
    import tensorflow as tf

    source = iter(batches)

    def seconds_of(count: int) -> tuple[float, float]:
        """Seconds of waiting for the next batches, and of the steps with them."""
        waited = called = 0.0
        for _ in range(count):
            begun = time.perf_counter()
            batch = next(source, source)
            if batch is source:  # no more: a batch itself may be None
                raise ValueError(f"there are fewer batches than {_WARM_UP} + {steps} steps; give more")
            got = time.perf_counter()
            step(batch)
            waited += got - begun
            called += time.perf_counter() - got
        return waited, called

    seconds_of(_WARM_UP)
    options = tf.profiler.experimental.ProfilerOptions(host_tracer_level=2, python_tracer_level=0)
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder, options=options):
            waited, called = seconds_of(steps)
        (written,) = Path(folder).rglob("*.xplane.pb")
        inside, kernels = read_trace(written.read_bytes())
    milliseconds = 1e3 / steps
    families: dict[str, float] = defaultdict(float)
    for (name, kind), seconds in kernels.items():
        families[family(name, kind)] += seconds * milliseconds
    slowest = sorted(kernels.items(), key=lambda pair: -pair[1])[:8]
    inside = min(inside, called)
    return Profile(
        step=(waited + called) * milliseconds,
        data=waited * milliseconds,
        inside=inside * milliseconds,
        python=(called - inside) * milliseconds,
        kernels=dict(sorted(families.items(), key=lambda pair: -pair[1])),
        slowest=[(name, seconds * milliseconds) for (name, _), seconds in slowest],
    )


def read_trace(content: bytes) -> tuple[float, dict[tuple[str, str], float]]:
    """Seconds inside TensorFlow, and of each kernel ``(name, kind)``, from a profiler's file.

    An operation that Python asked for by itself counts in both; a compiled function in the first, its
    operations in the second.
    """
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    inside, kernels = 0.0, defaultdict(float)
    for plane in xplane_pb2.XSpace.FromString(content).planes:
        if not plane.name.startswith("/host:CPU"):
            continue
        for event in (event for line in plane.lines for event in line.events):
            name = plane.event_metadata[event.metadata_id].name
            seconds = event.duration_ps * 1e-12
            if name.startswith("EagerLocalExecute: "):
                inside += seconds
                kind = name.partition(": ")[2]
                if not kind.startswith("__inference_"):
                    kernels[kind, kind] += seconds
            elif found := _KERNEL.match(name):
                kernels[name.rpartition(":")[0], found[1]] += seconds
    return inside, dict(kernels)


def family(name: str, kind: str) -> str:
    """To which family of kernels an operation belongs."""
    found = (title for title, pattern in _FAMILIES.items() if re.search(pattern, f"{name}:{kind}"))
    return next(found, "number by number")
