"""The roofline of this machine, and how much arithmetic and traffic a training step asks for.

Williams, Waterman and Patterson 2009, "Roofline": a program that does I operations for each byte it moves
reaches at most min(peak, I * bandwidth) operations a second. Introduced in notebook 12.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_KINDS = (
    # Nothing is computed and nothing is moved: another view of the same numbers, or a handle.
    "Placeholder Const Identity Reshape ReadVariableOp Shape ShapeN NoOp ExpandDims Squeeze StopGradient "
    "BroadcastGradientArgs BroadcastArgs PreventGradient IdentityN VarHandleOp",
    # Moved, not computed.
    "Transpose ConcatV2 Concat Slice StridedSlice StridedSliceGrad Pad PadV2 Tile Pack Unpack Split SplitV "
    "GatherV2 Gather ResourceGather Cast Fill ZerosLike OnesLike BroadcastTo SelectV2 Select DepthToSpace "
    "SpaceToDepth ResizeNearestNeighbor AssignVariableOp OneHot",
    "Sum Mean Max Min Prod BiasAddGrad All Any ArgMax L2Loss",
)
_VIEWS, _MOVES, _REDUCTIONS = (frozenset(each.split()) for each in _KINDS)
_CALLS = ("While", "StatelessWhile", "If", "StatelessIf", "PartitionedCall", "StatefulPartitionedCall")


@dataclass(frozen=True)
class Roofline:
    """What the machine can do at most: ``flops`` operations and ``bandwidth`` bytes a second.

    ``call`` is the seconds that one tiny operation costs when Python asks for it: what no small net escapes
    as long as Python asks for each operation.
    """

    flops: float
    bandwidth: float
    call: float

    @property
    def ridge(self) -> float:
        """Operations a byte from which arithmetic, not memory, is the limit."""
        return self.flops / self.bandwidth

    def attainable(self, intensity: float) -> float:
        """Operations a second at ``intensity`` operations a byte: min(peak, intensity * bandwidth)."""
        return min(self.flops, intensity * self.bandwidth)

    def shortest(self, cost: Cost) -> float:
        """Seconds that a step cannot undercut: each operation at its own roof, one after the other."""
        return sum(max(flops / self.flops, moved / self.bandwidth) for _, flops, moved in cost.operations)


@dataclass(frozen=True)
class Cost:
    """What one step asks for: a row ``(kind, flops, bytes)`` for each operation of its graph."""

    operations: tuple[tuple[str, float, float], ...]

    @property
    def flops(self) -> float:
        """Floating-point operations of the step; a multiplication and an addition are two."""
        return sum(flops for _, flops, _ in self.operations)

    @property
    def bytes(self) -> float:
        """Bytes read and written if no operation were fused with another."""
        return sum(moved for _, _, moved in self.operations)

    @property
    def intensity(self) -> float:
        """Operations for each byte."""
        return self.flops / self.bytes


def roofline(size: int = 1024, megabytes: int = 256, rounds: int = 5, dtype: str = "float32") -> Roofline:
    """Measure the roof: a square matrix product, and adding 1 to a long array (read once, written once).

    The best of the rounds counts: what disturbs a measurement only makes it slower. On the backend and the
    device that are in use (``train.device``).

    Args:
        size: rows of the matrices; megabytes: length of the array, so that no cache holds it.

    Raises:
        ValueError: a size, a length or a number of rounds below 1.
    """
    if min(size, megabytes, rounds) < 1:
        raise ValueError(f"size, megabytes and rounds must be at least 1, got {size}, {megabytes}, {rounds}")
    from keras import ops

    matrix = ops.full((size, size), 0.5, dtype=dtype)
    width = 4 if dtype == "float32" else 2
    long = ops.zeros((megabytes * 2**20 // width,), dtype=dtype)
    number = ops.zeros((), dtype=dtype)
    product = _best(lambda: ops.matmul(matrix, matrix), rounds)
    copy = _best(lambda: ops.add(long, 1), rounds)
    call = _best(lambda: ops.add(number, 1), rounds * 20)
    return Roofline(2 * size**3 / product, 2 * megabytes * 2**20 / copy, call)


def _best(work: Callable[[], Any], rounds: int) -> float:
    seconds = []
    for _ in range(rounds + 1):  # the first one finds its memory and its kernel
        begun = time.perf_counter()
        _wait(work())
        seconds.append(time.perf_counter() - begun)
    return min(seconds[1:])


def _wait(tensor: Any) -> None:
    """Until the device has really computed it: calls to a GPU come back at once."""
    import keras

    backend = keras.backend.backend()
    if backend == "jax":
        tensor.block_until_ready()
    elif backend == "torch" and tensor.is_cuda:
        import torch

        torch.cuda.synchronize()
    elif backend == "tensorflow":
        import tensorflow as tf

        tf.test.experimental.sync_devices()


def peak_memory(work: Callable[[], Any]) -> int | None:
    """Run ``work`` and say by how many bytes this process grew at its peak; None where Linux does not tell.

    Memory that the process already had and gave back to nobody is not counted, so run the same work
    once before: its first run also keeps what later ones use again.
    """
    status, clear = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    try:
        before = _kilobytes(status, "VmRSS")
        clear.write_text("5")  # the largest size starts again from here
    except OSError:
        work()
        return None
    work()
    return max(0, _kilobytes(status, "VmHWM") - before) * 1024


def _kilobytes(status: Path, name: str) -> int:
    line = next(line for line in status.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1])


def step_cost(function: Any) -> Cost:
    """Count operations and bytes of a traced TensorFlow step.

    Args:
        function: a ``ConcreteFunction`` whose inputs have known shapes.

    Products and convolutions are counted exactly, forward and backward: 2 for each multiply-add. All else
    counts one operation for each number that comes out (of a sum: that goes in), a low estimate for ``exp``.
    Where a shape is found out only at run time, the size of the largest input stands for it.

    Raises:
        ValueError: an input of unknown shape, or a loop or a call, whose inside is not counted.
    """
    operations = []
    sizes: dict[str, float] = {}  # numbers in each tensor
    for operation in function.graph.get_operations():
        kind = operation.type
        if kind in _CALLS:
            raise ValueError(f"{operation.name} calls another function, which is not counted: trace one step")
        _note_sizes(operation, sizes)
        if kind in _VIEWS:
            continue
        tensors = [each for each in (*operation.inputs, *operation.outputs) if each.dtype.name != "resource"]
        moved = sum(sizes[each.name] * max(each.dtype.size, 1) for each in tensors)
        if kind.startswith("Assign") and tensors:  # the variable: written, and read where it is added to
            moved *= 2 if kind == "AssignVariableOp" else 3
        operations.append((kind, _flops(kind, operation, sizes), float(moved)))
    return Cost(tuple(operations))


def _note_sizes(operation: Any, sizes: dict[str, float]) -> None:
    largest = max((sizes.get(each.name, 1.0) for each in operation.inputs), default=1.0)
    for each in operation.outputs:
        if each.shape.is_fully_defined():
            sizes[each.name] = float(math.prod(each.shape))
        elif operation.type == "Placeholder" and each.dtype.name != "resource":
            raise ValueError(f"the shape of the input {each.name} is not known: trace with full shapes")
        else:  # a gradient that is summed back to a shape found out at run time
            sizes[each.name] = largest


def _flops(kind: str, operation: Any, sizes: dict[str, float]) -> float:
    given, made = operation.inputs, operation.outputs
    size = sizes[made[0].name] if len(made) else 0.0
    if kind == "MatMul":  # (rows, inner) times (inner, columns)
        return 2.0 * given[0].shape[0 if operation.get_attr("transpose_a") else 1] * size
    if kind.startswith("BatchMatMul"):
        return 2.0 * given[0].shape[-2 if operation.get_attr("adj_x") else -1] * size
    if kind == "Einsum":  # every index once, summed over or not
        terms = operation.get_attr("equation").decode().partition("->")[0].split(",")
        extent = {
            index: length
            for term, tensor in zip(terms, given, strict=True)
            for index, length in zip(term, tensor.shape, strict=True)
        }
        return 2.0 * math.prod(extent.values())
    if kind == "Conv2D":  # kernels (kh, kw, in, out): each number that comes out sums kh * kw * in products
        return 2.0 * size * math.prod(given[1].shape[:3])
    if kind == "Conv2DBackpropInput":  # inputs: sizes, kernel, gradient of the output
        return 2.0 * sizes[given[2].name] * math.prod(given[1].shape[:3])
    if kind == "Conv2DBackpropFilter":  # inputs: picture, sizes, gradient of the output
        return 2.0 * sizes[given[2].name] * math.prod(made[0].shape[:3])
    if kind in _MOVES:
        return 0.0
    if kind in _REDUCTIONS:
        return sizes[given[0].name]
    if kind.startswith("Assign"):  # the first input is the variable's handle
        return sizes[given[1].name]
    return size
