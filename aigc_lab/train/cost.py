"""What training costs: how it grows with size, seconds an epoch, and an honest estimate of the energy.

Introduced in notebook 12.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# Watts at full load. A core: the least and the most of "thermal design power divided by cores" over the
# processors that the Green Algorithms project lists (TDP_cpu.csv: laptop chips 3.8, four-core desktops 23.8).
# A GPU: NVIDIA's data sheets, from a T4 (70) to an H100 SXM (700).
WATTS = {"cpu": (3.8, 23.8), "gpu": (70.0, 700.0)}
WATTS_A_GIB = 0.3725  # of memory, Lannelongue et al. 2021


@dataclass(frozen=True)
class Growth:
    """``seconds = factor * size ** exponent``, and how well that is known.

    ``low`` and ``high`` bound the exponent at ``level``. ``local`` has one exponent for each pair of
    neighbouring sizes: where they rise from 0 to 1, small sizes pay a fixed cost, and no single exponent
    describes the whole range.
    """

    exponent: float
    low: float
    high: float
    factor: float
    local: tuple[float, ...]
    level: float

    def __str__(self) -> str:
        return f"exponent {self.exponent:.2f} [{self.low:.2f}, {self.high:.2f}]"

    def predict(self, size: float) -> float:
        """Seconds at another size; outside the measured sizes this is a guess."""
        return self.factor * size**self.exponent


def fitted_exponent(sizes: Sequence[float], seconds: Sequence[float], level: float = 0.95) -> Growth:
    """The exponent of a power law, by least squares on logarithms, with Student's t interval of the slope.

    The interval takes for granted that the logarithms lie on a line with independent errors. Look at
    ``local`` before you believe it.

    Args:
        sizes: how large each run was, shape (n,); a size may come several times.
        seconds: how long it took, shape (n,).
        level: of the interval, 0.95 for 95 %.

    Raises:
        ValueError: other than one time for each size, fewer than three runs or two different sizes, values
            that are not positive, or a level outside 0 to 1.
    """
    x, y = np.asarray(sizes, dtype=float), np.asarray(seconds, dtype=float)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"give one time for each size, got sizes of shape {x.shape} and times of {y.shape}")
    if len(x) < 3 or len(np.unique(x)) < 2:
        raise ValueError(
            "an exponent with its interval needs three runs or more of at least two sizes, got "
            f"{len(x)} runs of {len(np.unique(x))} sizes"
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all() and x.min() > 0 and y.min() > 0):
        raise ValueError("sizes and times must be positive and finite: a logarithm is taken of each")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1 (0.95 for 95 %), got {level}")
    from scipy.stats import t

    x, y = np.log(x), np.log(y)
    apart = x - x.mean()
    slope = float(apart @ y / (apart @ apart))
    left = y - y.mean() - slope * apart
    error = float(np.sqrt(left @ left / (len(x) - 2) / (apart @ apart)))
    half = float(t.ppf((1 + level) / 2, len(x) - 2)) * error
    places = np.unique(x)
    typical = np.array([y[x == place].mean() for place in places])
    local = tuple(float(each) for each in np.diff(typical) / np.diff(places))
    factor = float(np.exp(y.mean() - slope * x.mean()))
    return Growth(slope, slope - half, slope + half, factor, local, level)


@dataclass(frozen=True)
class Energy:
    """``low`` to ``high`` kilowatt-hours, and in ``assumptions`` what they rest on."""

    low: float
    high: float
    assumptions: str

    def __str__(self) -> str:
        return f"{self.low:.2g} to {self.high:.2g} kWh ({self.assumptions})"


def energy(
    seconds: float,
    device: str = "cpu",
    *,
    count: int = 1,
    watts: tuple[float, float] | None = None,
    memory_gib: float = 0.0,
    overhead: float = 1.0,
) -> Energy:
    """An estimate of the energy of a run, as a range: hours * (count * watts + memory) * overhead.

    This is the formula of Lannelongue et al. 2021 (Green Algorithms, doi 10.1002/advs.202100707, Methods),
    with every core or GPU at full load. It measures nothing: a meter at the socket would. Screen, disk,
    network, and the making of the machine are not in it.

    Args:
        seconds: how long the run took.
        device: ``"cpu"`` or ``"gpu"``; it chooses the range of watts.
        count: cores or GPUs that worked.
        watts: the lowest and the highest for one core or GPU, where you know better than ``cost.WATTS``.
        memory_gib: memory that was in use, at 0.3725 W for each GiB.
        overhead: power usage effectiveness: 1.0 at home, 1.1 to 2 in a computing centre (cooling).

    Raises:
        ValueError: an unknown device, or a number outside its range.
    """
    if device not in WATTS:
        raise ValueError(f"there is no device {device!r}; choose one of {', '.join(WATTS)}")
    low, high = WATTS[device] if watts is None else watts
    if not 0 <= low <= high < np.inf:
        raise ValueError(f"watts must be (lowest, highest) and not negative, got ({low}, {high})")
    if not (0 <= seconds < np.inf and 0 <= memory_gib < np.inf):
        raise ValueError(f"seconds and memory_gib must not be negative, got {seconds} and {memory_gib}")
    if count < 1 or not 1 <= overhead < np.inf:
        raise ValueError(f"count and overhead must be at least 1, got {count} and {overhead}")
    each = "core" if device == "cpu" else "GPU"
    words = f"{count} {each}{'s' if count > 1 else ''} at full load, {low:g} to {high:g} W each"
    if memory_gib:
        words += f", {memory_gib:g} GiB of memory at {WATTS_A_GIB} W each"
    words += f", times {overhead:g} for cooling" if overhead > 1 else ", no cooling"
    bounds = [
        seconds / 3600 * (count * power + memory_gib * WATTS_A_GIB) * overhead / 1000 for power in (low, high)
    ]
    return Energy(*bounds, words)


@dataclass(frozen=True)
class EpochCost:
    """``seconds`` of one epoch, ``starting`` seconds that come once, and the ``energy`` of one epoch."""

    seconds: float
    starting: float
    energy: Energy


def cost_per_epoch(history: Any, **options: Any) -> EpochCost:
    """Seconds and energy of one epoch, from the history of ``train.fit``.

    The time between the first report and the last is divided by the epochs between them, so compilation,
    which is paid once and before the first report, is told apart. Time that a ``measure`` or a validation
    takes at each report counts too.

    Args:
        history: what ``train.fit`` returned.
        options: those of ``energy``.

    Raises:
        ValueError: a history of fewer than two reports, or those of ``energy``.
    """
    table = history.table
    if len(table) < 2:
        raise ValueError(
            f"the cost of an epoch needs two reports or more, got {len(table)}: train with reports=2, the "
            "first one holds the compilation"
        )
    epochs, spent = table["epoch"].to_numpy(), table["seconds"].to_numpy()
    seconds = float((spent[-1] - spent[0]) / (epochs[-1] - epochs[0]))
    starting = max(0.0, float(spent[0] - seconds * epochs[0]))
    return EpochCost(seconds, starting, energy(seconds, **options))
