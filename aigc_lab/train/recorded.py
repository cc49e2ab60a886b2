"""A run on a GPU that was recorded elsewhere: read, checked, and shown as tables. Introduced in notebook 12.

``make gpu-record`` (``scripts/gpu_record.py``) measures the same training on the CPU and on the GPU of one
machine, round by round in turn, and writes what it found as one JSON file. Here that file is read. Nothing
is filled in: where there is no file there is no record, and a file that is not whole is refused.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

VERSION = 1
FILE_NAME = "gpu_run.json"
SIDES = ("cpu", "accelerator")
_UNIT = ["subject", "size"]
_NUMBER, _OPTIONAL = (int, float), (int, float, type(None))

# What a record holds, and what each of its results does: field, and the types that its value may have.
FIELDS: dict[str, tuple[type, ...]] = {
    "version": (int,),
    "accelerator": (dict, type(None)),
    "backend": (str,),
    "machine": (dict,),
    "versions": (dict,),
    "commit": (str, type(None)),
    "date": (str,),
    "command": (str,),
    "seconds": _NUMBER,
    "settings": (dict,),
    "results": (list,),
    "notes": (list,),
}
RESULT_FIELDS: dict[str, tuple[type, ...]] = {
    "subject": (str,),
    "size": (str,),
    "side": (str,),
    "precision": (str,),
    "parameters": (int,),
    "batch_size": (int,),
    "unit": (str,),
    "units_per_step": (int,),
    "steps_per_second": (list,),
    "start_seconds": _OPTIONAL,
    "score": (str,),
    "target": _OPTIONAL,
    "seconds_to_target": (list,),
    "final_scores": (list,),
    "device_peak_bytes": _OPTIONAL,
    "host_peak_bytes": _OPTIONAL,
    "failure": (str, type(None)),
}


@dataclass(frozen=True)
class GpuRun:
    """One recorded run.

    Attributes:
        device: the accelerator's name; None for a trial in which the CPU stood on both sides.
        date: the day, as ``YYYY-MM-DD`` (UTC).
        about: the record without its results: driver, versions, command, settings, notes …
        results: one row for each subject, size, side and precision, with the fields of ``RESULT_FIELDS``.
            ``steps_per_second`` holds a number for each round; the rounds of all sides ran in turn.
            ``seconds_to_target`` holds one for each seed, None where the target was not reached.
    """

    device: str | None
    date: str
    about: dict[str, Any]
    results: pandas.DataFrame

    def label(self) -> str:
        """The words that stand beside every number of this run."""
        return f"recorded on {self.device or 'a CPU twice, as a trial'}, {self.date}"

    def ratios(self) -> pandas.DataFrame:
        """Speed of the accelerator over that of the CPU in float32: median and range over the rounds.

        Columns: subject, size, precision, ratio, low, high. A result that failed has no row.
        """
        import pandas as pd

        rows = []
        for cpu, other in self._pairs():
            if cpu["failure"] or other["failure"]:
                continue
            rounds = zip(cpu["steps_per_second"], other["steps_per_second"], strict=True)
            each = [theirs / ours for ours, theirs in rounds]
            row = {name: other[name] for name in (*_UNIT, "precision")}
            rows.append(row | {"ratio": median(each), "low": min(each), "high": max(each)})
        return pd.DataFrame(rows, columns=[*_UNIT, "precision", "ratio", "low", "high"])

    def table(self) -> pandas.DataFrame:
        """Speed, as text: medians over the rounds, and in brackets the range of the ratio.

        ``start`` is what the first step takes longer than a later one: tracing, compiling, choosing
        kernels, copying the data. ``device memory`` is the peak that the backend reports.
        """
        import pandas as pd

        other_name = "GPU" if self.device else "CPU again"
        ratios = {tuple(row[:3]): row[3:] for row in self.ratios().itertuples(index=False, name=None)}
        rows = []
        for cpu, other in self._pairs():
            row = {name: other[name] for name in (*_UNIT, "precision")}
            row["CPU, steps/s"] = _speed(cpu)
            row[f"{other_name}, steps/s"] = _speed(other)
            ratio = ratios.get(tuple(row.values())[:3])
            row[f"{other_name}/CPU"] = "" if ratio is None else "{:.2g} [{:.2g}, {:.2g}]".format(*ratio)
            row[f"{other_name}, items/s"] = _items(other)
            starts = [_short(each["start_seconds"]) or "-" for each in (cpu, other)]
            row[f"start, s: CPU, {other_name}"] = ", ".join(starts)
            row["device memory"] = _mebibytes(other["device_peak_bytes"])
            rows.append(row)
        return pd.DataFrame(rows).set_index(_UNIT)

    def scores(self) -> pandas.DataFrame:
        """Seconds until a held-out score that was stated before, as text: median, in brackets the seeds."""
        import pandas as pd

        rows = []
        for row in self.results.to_dict("records"):
            if row["target"] is None or row["failure"]:
                continue
            where = "CPU" if row["side"] == "cpu" else "GPU" if self.device else "CPU again"
            rows.append(
                {
                    "subject": row["subject"],
                    "held-out score": f"{row['score']}, at most {row['target']:g}",
                    "where": where,
                    "precision": row["precision"],
                    "seconds": _with_seeds(row["seconds_to_target"]),
                    "score at the end": _with_seeds(row["final_scores"]),
                }
            )
        return pd.DataFrame(rows).set_index(["subject", "held-out score"]) if rows else pd.DataFrame()

    def _pairs(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Each result of the accelerator behind the CPU's result of the same subject and size."""
        rows = self.results.to_dict("records")
        cpu = {(row["subject"], row["size"]): row for row in rows if row["side"] == "cpu"}
        others = [row for row in rows if row["side"] == "accelerator"]
        return [(cpu[row["subject"], row["size"]], row) for row in others]


def recorded_gpu_run() -> GpuRun | None:
    """The run that comes with the package, or None where none has been recorded yet.

    Raises:
        ValueError: the file is there and is no whole record of a run on a GPU; the message says why.
    """
    place = resources.files("aigc_lab.train").joinpath("stored", FILE_NAME)
    if not place.is_file():
        return None
    with resources.as_file(place) as path:
        run = read_record(path)
    if run.device is None:
        raise ValueError(_refused(place.name, "it is a trial on the CPU alone"))
    return run


def read_record(path: str | os.PathLike[str]) -> GpuRun:
    """A record from any file; also a trial (``--against cpu``), whose ``device`` is None.

    Raises:
        ValueError: not JSON, another version, a field that is missing or holds what it cannot hold.
        OSError: the file cannot be read.
    """
    path = Path(path)
    try:
        record = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_such_number)
    except ValueError as error:  # JSON's and Unicode's errors are ValueErrors
        raise ValueError(_refused(path.name, f"it is no JSON: {error}")) from error
    fault = fault_of(record)
    if fault:
        raise ValueError(_refused(path.name, fault))
    import pandas as pd

    accelerator = record["accelerator"]
    return GpuRun(
        device=None if accelerator is None else accelerator["name"],
        date=record["date"][:10],
        about={name: value for name, value in record.items() if name != "results"},
        # Objects, so that None stays None.
        results=pd.DataFrame(record["results"], columns=list(RESULT_FIELDS), dtype=object),
    )


def fault_of(record: Any) -> str | None:
    """What is wrong with a record, in a few words; None if nothing is. The script asks before it writes."""
    if not isinstance(record, dict):
        return "it holds no record"
    if record.get("version") != VERSION:
        return f"it has version {record.get('version')!r} and this library reads version {VERSION}"
    fault = _fault_of_fields(record, FIELDS)
    if fault:
        return fault
    accelerator = record["accelerator"]
    if accelerator is not None and not (isinstance(accelerator.get("name"), str) and accelerator["name"]):
        return "the accelerator has no name"
    try:
        datetime.fromisoformat(record["date"])
    except ValueError:
        return f"{record['date']!r} is no date"
    if not record["results"]:
        return "it has no results"
    for number, result in enumerate(record["results"]):
        fault = _fault_of_result(result)
        if fault:
            return f"result {number}: {fault}"
    keys = [tuple(each[name] for name in (*_UNIT, "side", "precision")) for each in record["results"]]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice:
        return f"{' '.join(twice)} stands there twice"
    results = dict(zip(keys, record["results"], strict=True))
    for key, result in results.items():
        cpu = results.get((*key[:2], "cpu", "float32"))
        if cpu is None or (key[2] == "cpu" and result is not cpu):
            return f"{' '.join(key[:2])} needs one result of the CPU, in float32, to compare with"
        both = not (cpu["failure"] or result["failure"])
        if both and len(cpu["steps_per_second"]) != len(result["steps_per_second"]):
            return f"{' '.join(key)} has another number of rounds than the CPU"
    return None


def _fault_of_result(result: Any) -> str | None:
    if not isinstance(result, dict):
        return "it holds no result"
    fault = _fault_of_fields(result, RESULT_FIELDS)
    if fault:
        return fault
    if result["side"] not in SIDES:
        return f"side must be one of {', '.join(SIDES)}, got {result['side']!r}"
    speeds = result["steps_per_second"]
    if not all(_is_number(each) and each > 0 for each in speeds):
        return "steps_per_second must hold positive numbers"
    if not speeds and not result["failure"]:
        return "it has neither rounds nor a failure"
    for name in ("seconds_to_target", "final_scores"):
        if not all(each is None or _is_number(each) for each in result[name]):
            return f"{name} must hold numbers or null"
    return None


def _fault_of_fields(found: dict[str, Any], fields: dict[str, tuple[type, ...]]) -> str | None:
    for name, types in fields.items():
        if name not in found:
            return f"the field {name!r} is missing"
        value = found[name]
        number = isinstance(value, _NUMBER)
        if not isinstance(value, types) or (number and not _is_number(value)):
            return f"the field {name!r} cannot be {value!r}"
    return None


def _is_number(value: Any) -> bool:
    # True and False are integers to Python.
    return isinstance(value, _NUMBER) and not isinstance(value, bool) and math.isfinite(value)


def _no_such_number(name: str) -> None:
    raise ValueError(f"{name} is no measurement")


def _refused(name: str, reason: str) -> str:
    return f"{name} is no record of a GPU run ({reason}); write it anew with `make gpu-record`, or delete it"


# -- words for the tables -------------------------------------------------------------------------


def _short(value: float | None) -> str:
    """About three digits, never in powers of ten."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _speed(result: dict[str, Any]) -> str:
    return "failed" if result["failure"] else _short(median(result["steps_per_second"]))


def _items(result: dict[str, Any]) -> str:
    if result["failure"]:
        return ""
    return f"{_short(median(result['steps_per_second']) * result['units_per_step'])} {result['unit']}"


def _mebibytes(count: float | None) -> str:
    return "" if count is None else f"{count / 2**20:,.0f} MiB"


def _with_seeds(values: list[float | None]) -> str:
    reached = [each for each in values if each is not None]
    words = ", ".join("not reached" if each is None else _short(each) for each in values)
    if not reached or len(values) == 1:
        return words
    if len(reached) < len(values):
        return f"[{words}]"
    return f"{_short(median(reached))} [{words}]"
