"""When training breaks: which layer made the first value that is not finite, and what to do without memory.

Introduced in notebook 12.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc_lab.train.checkpoint import kept, random_state


@dataclass(frozen=True)
class NotFinite:
    """Where the first NaN or infinity appeared.

    Args:
        place: the layer's path, or the name of a loss term.
        kind: ``"weights"`` (the layer's own are broken), ``"input"`` (what the model hands to the layer is,
            made between ``after`` and it), ``"layer"`` (its output is, from sound inputs and weights) or
            ``"loss"`` (all layers are sound).
        bad, total: how many of the values there are not finite.
        largest: the largest magnitude of the values from which it was computed.
        after: the layer that was computed before this one.
    """

    place: str
    kind: str
    bad: int
    total: int
    largest: float
    after: str = "the input"

    def __str__(self) -> str:
        what = {
            "weights": f"the weights of layer {self.place} are not finite",
            "input": f"what is computed between {self.after} and {self.place} is not finite",
            "layer": f"layer {self.place} is the first whose output is not finite",
            "loss": f"all layers are sound, and the loss term {self.place} is not finite",
        }[self.kind]
        count = f"({self.bad} of {self.total} values)"
        return f"{what} {count}; the largest value it was computed from is {self.largest:.3g}"


def first_not_finite(model: Any, inputs: Any) -> NotFinite | None:
    """Pass ``inputs`` through ``model``, layer by layer, and find the first value that is not finite.

    Slow, because each layer's output is looked at: for the one batch that broke the training, with the
    weights of just before. The random state of the model is put back.

    Args:
        inputs: a batch as ``train.fit`` gives it: pictures, or ``(pictures, labels)``.

    Returns:
        Where, or None if layers and loss are finite.
    """
    found: list[NotFinite] = []
    passed: list[tuple[str, Any]] = [("the input", inputs)]
    layers = [each for each in model._flatten_layers(include_self=False) if not each._layers]

    def watched(layer):
        call = layer.call

        def looked_at(*given, **options):
            output = call(*given, **options)
            if not found:
                name, own = layer.path, layer.weights
                _look(name, "weights", own, own, found, passed[-1][0])
                _look(name, "input", given, [each for _, each in passed], found, passed[-1][0])
                _look(name, "layer", output, given, found, passed[-1][0])
                passed[:] = [*passed[-3:], (name, output)]
            return output

        return looked_at

    with kept(random_state(model)):
        try:
            for layer in layers:
                layer.__dict__["call"] = watched(layer)
            outputs = model(inputs, training=True)
            if not found:
                for name, value in model.loss_terms(inputs, outputs).items():
                    if name != "loss":
                        _look(name, "loss", value, outputs, found, passed[-1][0])
        finally:
            for layer in layers:
                layer.__dict__.pop("call", None)
    return found[0] if found else None


def _look(place: str, kind: str, values: Any, given: Any, found: list[NotFinite], after: str) -> None:
    numbers = _numbers(values)
    bad = sum(int((~np.isfinite(each)).sum()) for each in numbers)
    if bad and not found:
        went_in = [np.abs(each[np.isfinite(each)]) for each in _numbers(given)]
        largest = max((float(each.max()) for each in went_in if each.size), default=0.0)
        found.append(NotFinite(place, kind, bad, sum(each.size for each in numbers), largest, after))


def _numbers(values: Any) -> list[np.ndarray]:
    """All floating-point arrays in a nest of lists, tuples and dicts."""
    from keras import ops, tree

    arrays = []
    for each in tree.flatten(values):
        if hasattr(each, "shape") and hasattr(each, "dtype"):
            array = np.asarray(ops.convert_to_numpy(ops.stop_gradient(ops.convert_to_tensor(each))))
            if array.dtype.kind not in "iub":
                arrays.append(array.astype("float32"))
    return arrays


# How the backends say that memory is at its end.
_SIGNS = ("resource_exhausted", "resourceexhausted", "out of memory", "oom when allocating", "bad_alloc")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a backend's error says that memory was at its end: TensorFlow, JAX, PyTorch or Python."""
    words = f"{type(error).__name__} {error}".lower()
    return isinstance(error, MemoryError) or any(sign in words for sign in _SIGNS)


@contextlib.contextmanager
def memory_advice(batch_size: int) -> Iterator[None]:
    """Around a training: turns any backend's out-of-memory error into one sentence with what helps.

    Args:
        batch_size: what was tried.

    Raises:
        MemoryError: memory was at its end. Other errors pass as they are.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        parts = next((each for each in (2, 3, 5, 7) if batch_size % each == 0), batch_size)
        raise MemoryError(
            f"memory is at its end{_shape_in(str(error))}. Try in this order: micro_batches={parts}, the "
            f"same batch of {batch_size} computed in {parts} parts; mixed_bfloat16, which halves the "
            f"activations; recompute=True, which keeps few of them; batch_size={max(1, batch_size // 2)}; a "
            "smaller model"
        ) from None


def _shape_in(words: str) -> str:
    """`` for a tensor of shape …``, where the error names one."""
    found = re.search(r"shape ?[\[(]([\d, ]+)[\])]", words)
    if found is None:
        return ""
    sides = [each.strip() for each in found[1].split(",") if each.strip()]
    size = 4 * np.prod([float(each) for each in sides])
    return f": a tensor of {' x '.join(sides)} values alone takes {size / 1e9:,.1f} GB in float32"
