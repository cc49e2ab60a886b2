"""Watch what is asked of a model and what it makes, with a false-alarm rate that holds for ever.

Streams of categories are compared with a reference that the model itself made: classes asked for, classes
that a judge recognises in what was made, whether these are the asked ones, and tenths of the judge's
uncertainty. The test is ``evidence``. Introduced in notebook 19.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aigc_lab import deploy
from aigc_lab.deploy.onnx_file import onnx_runner
from aigc_lab.deploy.versions import JUDGE, MIXTURE, ONNX, REFERENCE, write_json
from aigc_lab.serve.evidence import Evidence

EVERY = 20  # items between two looks at the evidence


def uncertainty(probabilities: np.ndarray) -> np.ndarray:
    """What the judge gives to all classes but its first choice, (..., K) -> (...), as a power of ten.

    Summed over the others: 1 less the first would be rounded to nothing where the judge is sure.
    """
    others = np.sort(probabilities, axis=-1)[..., :-1].sum(axis=-1)
    return np.log10(np.maximum(others, 1e-30))


class Monitor:
    """The streams of one model: ``asked``, ``recognised``, ``as asked`` and ``uncertainty``.

    Each stream has an equal part of the false-alarm rate (Bonferroni), so that with this probability at most
    any of them ever alarms while nothing changes. Memory grows with the logarithm of the stream: some 8 kB.

    Args:
        reference: what ``make_reference`` returns, or was read from ``reference.json``.
        false_alarm_rate: of all streams together, however long they become.

    Raises:
        ValueError: a reference without streams, or one that ``Evidence`` refuses.
    """

    def __init__(self, reference: Mapping[str, Any], false_alarm_rate: float = 0.01):
        streams = reference.get("streams") if isinstance(reference, Mapping) else None
        if not streams or not {"recognised", "uncertainty"} <= set(streams):
            raise ValueError("the reference holds no streams; make one with monitor.write_reference(folder)")
        self.false_alarm_rate = false_alarm_rate
        self._names = {name: facts.get("names", []) for name, facts in streams.items()}
        known = self._names["recognised"]
        asked = self._names["asked"] if "as asked" in streams else []
        self._meant = [known.index(name) for name in asked]  # the judge's number of each class
        self._edges = np.asarray(streams["uncertainty"]["edges"], float)
        self._streams = {
            name: Evidence(facts["shares"], false_alarm_rate / len(streams), facts.get("size"))
            for name, facts in streams.items()
        }
        self._block = {name: np.zeros(len(each.shares), int) for name, each in self._streams.items()}

    def asked(self, label: int) -> None:
        """Count a class that was asked for, by its number; nothing if the reference has no such stream.

        Raises:
            ValueError: no number of a class.
        """
        if "asked" in self._block:
            self._check(label, len(self._block["asked"]))
            self._count("asked", label)

    def _check(self, label: int, count: int) -> None:
        if label not in range(count):
            raise ValueError(f"a class is a number from 0 to {count - 1}, got {label!r}")

    def made(self, probabilities: np.ndarray, label: int | None = None) -> None:
        """Count what the judge says of one image, its probabilities (K,), that was made for this label.

        Raises:
            ValueError: another number of classes, NaN, or a label that is no class.
        """
        probabilities = np.asarray(probabilities, float)
        expected = self._block["recognised"].shape
        if probabilities.shape != expected or not np.isfinite(probabilities).all():
            raise ValueError(
                f"the judge must give {expected[0]} finite probabilities, got shape {probabilities.shape}"
            )
        seen = int(probabilities.argmax())
        if label is not None and self._meant:
            self._check(label, len(self._meant))
            self._count("as asked", int(seen != self._meant[label]))
        self._count("recognised", seen)
        self._count("uncertainty", int(np.searchsorted(self._edges, uncertainty(probabilities))))

    @property
    def alarm(self) -> int | None:
        """The number of the item at which the first stream alarmed, or None."""
        return min((int(each.alarms[0]) for each in self._streams.values() if each.alarms[0]), default=None)

    def status(self) -> dict[str, Any]:
        """What was counted so far, beside the reference; numbers and texts only, for a JSON answer.

        Evidence is given as powers of ten: an alarm is due at ``alarm_at``. ``since`` says after which item
        it looks most as if things had changed; ``shares_since`` are those since then. All this is worked out
        anew: for each item ask ``alarm`` instead.
        """
        streams = {name: self._told(name, each) for name, each in self._streams.items()}
        return {"false_alarm_rate": self.false_alarm_rate, "alarm": self.alarm, "streams": streams}

    def _told(self, name: str, evidence: Evidence) -> dict[str, Any]:
        since, shares = evidence.change() if evidence.seen else (0, evidence.shares * 0)
        return {
            "names": self._names[name],
            "items": evidence.seen + int(self._block[name].sum()),
            "counts": (evidence.totals() + self._block[name]).tolist(),
            "reference": evidence.shares.round(6).tolist(),
            "since": since,
            "shares_since": shares.round(6).tolist(),
            "evidence": round(float(evidence.log_values()[0]) / math.log(10), 3),
            "alarm_at": round(evidence.threshold / math.log(10), 3),
            "alarm": int(evidence.alarms[0]) or None,
        }

    def _count(self, name: str, category: int) -> None:
        block = self._block[name]
        block[category] += 1
        if block.sum() == EVERY:
            self._streams[name].add(block)
            block[:] = 0


def make_reference(
    probabilities: np.ndarray,
    names: Sequence[str] = (),
    asked: Sequence[str] = (),
    labels: np.ndarray | None = None,
) -> dict[str, Any]:
    """The reference of a model from what the judge says of images (n, K) that it made.

    Args:
        names: of the judge's classes.
        asked: the classes that can be asked for, each expected equally often; none leaves that stream out.
        labels: (n,), what each image was made for, as a place in ``asked``; all of them classes of the judge.

    Raises:
        ValueError: fewer than 100 images, or NaN.
    """
    probabilities = np.asarray(probabilities, float)
    if probabilities.ndim != 2 or len(probabilities) < 100 or not np.isfinite(probabilities).all():
        raise ValueError(
            f"a reference needs finite probabilities (n, K) of at least 100 images, got {probabilities.shape}"
        )
    seen, unsure = probabilities.argmax(axis=1), uncertainty(probabilities)
    # Edges from one half, shares from the other: in its own tenths a sample is more even than any new one.
    edges = np.unique(np.quantile(unsure[::2], np.arange(1, 10) / 10))
    counts = {
        "recognised": np.bincount(seen, minlength=probabilities.shape[1]),
        "uncertainty": np.bincount(np.searchsorted(edges, unsure[1::2]), minlength=len(edges) + 1),
    }
    streams: dict[str, Any] = {}
    if len(asked) > 1:
        streams["asked"] = {"shares": [1 / len(asked)] * len(asked), "names": list(asked)}
        if labels is not None and set(asked) <= set(names):
            meant = np.array([list(names).index(name) for name in asked])[labels]
            counts["as asked"] = np.bincount(seen != meant, minlength=2)
    for name, each in counts.items():
        streams[name] = {"shares": (each / each.sum()).tolist(), "size": int(each.sum())}
    streams["recognised"]["names"] = list(names)
    streams["uncertainty"]["edges"] = edges.tolist()
    return {"images": len(probabilities), "streams": streams}


def write_reference(folder: str | os.PathLike[str], images: int = 20_000, seed: int = 0) -> Path:
    """Draw with the ``generator.onnx`` of an export, judge what it made, and write ``reference.json``.

    The classes are drawn equally often. The more images, the smaller a change that can be seen.

    Raises:
        OSError, ValueError: the folder holds no ``generator.onnx`` or no ``judge.onnx``, or one that fails.
    """
    folder = Path(folder)
    asked = deploy.onnx_metadata(folder / ONNX).get("class_names", [])
    names = deploy.onnx_metadata(folder / JUDGE).get("class_names", [])
    parts = [judged(folder, images // max(1, len(asked)), label, seed) for label in asked or [None]]
    labels = np.repeat(np.arange(len(parts)), [len(part) for part in parts]) if asked else None
    reference = make_reference(np.concatenate(parts), names, asked, labels)
    write_json(folder / REFERENCE, reference | {"seed": seed})
    deploy.record(folder, REFERENCE)
    return folder / REFERENCE


def judged(folder: Path, images: int, label: str | None, seed: int) -> np.ndarray:
    """What ``judge.onnx`` of an export says of images that its generator draws, (n, K), 1,000 at a time."""
    judge, parts = onnx_runner(folder / JUDGE), []
    mixture = folder / MIXTURE if (folder / MIXTURE).is_file() else None
    for start in range(0, images, 1000):
        count, drawn_with = min(1000, images - start), seed * 1_000_000 + start
        pixels = deploy.draw_with_onnx(folder / ONNX, count, label, drawn_with, mixture)
        # As the service sends them: 256 levels.
        parts.append(judge([np.rint(np.clip(pixels, 0, 1) * 255).astype("float32") / np.float32(255)]))
    return np.concatenate(parts)
