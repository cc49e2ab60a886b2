"""What a study is: which defects, at which doses, for which models, over which seeds. Notebook 15."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from aigc_lab import collect
from aigc_lab.study.doses import CLEANABLE, DEFECTS, checked_dose
from aigc_lab.study.kinds import KINDS, NO_TRAINING, recipe
from aigc_lab.study.mending import checked_cleaning

CLEAN = "none"  # the defect of a clean set, and the cleaning that does nothing


@dataclass(frozen=True, order=True)
class Cell:
    """One run of a study: ``dose`` of ``defect`` in ``items`` training items, mended by ``cleaning``."""

    defect: str
    dose: float
    items: int
    cleaning: str
    model: str
    seed: int

    def __str__(self) -> str:
        mended = "" if self.cleaning == CLEAN else f", {self.cleaning}"
        return f"{self.model} on {self.defect} {self.dose:g} of {self.items}{mended}, seed {self.seed}"


@dataclass(frozen=True)
class Study:
    """A grid of runs: defects x doses x models x seeds x cleaning.

    The part of the data that is held out stays clean whatever the defect: only the training part is
    dialled. Runs of one seed share their clean training items, their first weights and their random
    numbers, so their scores can be compared in pairs. At dose 0 all defects are the same set, which is
    trained on once for each model and seed (its defect is ``none``).

    Args:
        name: of the study; it only labels the table.
        defects: of ``study.DEFECTS``: those of the dial for pictures, and ``fewer_items`` (the dose
            is the share that is taken away), ``mixed`` (six defects of the dial at once), ``repeats`` (16
            items stand in the set ``dose`` times), ``rare_class`` (the dose is the share of the first class),
            ``own_samples`` (five more generations, each trained on the samples of the one before; the dose
            is their share, the rest is real).
        doses: for the dial a share from 0 to 1.
        models: of ``study.KINDS``. ``real`` trains nothing: other real pictures take the place of the
            samples, so its rows are the floor of every score.
        seeds: of the training items, the dial, the weights, the order of the items and the samples.
        cleaning: ``none``, stages of the pipeline joined by ``+`` (``clean``, ``label``, ``augment``), or
            ``oracle``, which mends by the corruption log. Other arms than ``none`` run where they can mend something.
        cleaning_doses: the doses at which the other arms run; empty for all above 0.
        items: how many clean training items a run gets; one number or several.
        data: a name for ``collect.load``, or the path of a file that ``Dataset.save`` wrote.
        classes: the classes that are used; empty for all.
        samples: how many pictures each model draws to be scored.
        steps: training steps of each model; 0 for the number that belongs to the model.
        split_seed: of the split into a training pool and a held-out part.

    Raises:
        ValueError: an empty grid, an unknown defect, model or cleaning, or a dose that makes no sense.
    """

    name: str
    defects: tuple[str, ...]
    doses: tuple[float, ...]
    models: tuple[str, ...] = ("vae", "gan")
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    cleaning: tuple[str, ...] = (CLEAN,)
    cleaning_doses: tuple[float, ...] = ()
    items: tuple[int, ...] = (1600,)
    data: str = "animals"
    classes: tuple[str, ...] = ("bird", "cat", "elephant", "giraffe")
    samples: int = 800
    steps: int = 0
    split_seed: int = 2026

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.type.startswith("tuple"):
                object.__setattr__(self, field.name, _as_tuple(getattr(self, field.name)))
        object.__setattr__(self, "doses", tuple(float(dose) for dose in self.doses))
        for name in ("defects", "doses", "models", "seeds", "cleaning", "items"):
            if not getattr(self, name):
                raise ValueError(
                    f"the grid of {self.name!r} is empty: {name} has no entry; name at least one"
                )
        _check_known("model", self.models, (*KINDS, NO_TRAINING))
        _check_known("defect", self.defects, tuple(DEFECTS))
        for arm in self.cleaning:
            checked_cleaning(arm)
        for defect in self.defects:
            for dose in (*self.doses, *self.cleaning_doses):
                checked_dose(defect, dose)
        if strange := set(self.cleaning_doses) - set(self.doses):
            raise ValueError(f"cleaning_doses has {min(strange):g}, which is none of the doses {self.doses}")
        for name, least in (("items", 1), ("seeds", 0)):
            for number in getattr(self, name):
                _check_whole(name, number, least)
        _check_whole("samples", self.samples, 20)
        _check_whole("steps", self.steps, 0)

    def cells(self) -> list[Cell]:
        """Every run, seed by seed, so that a study that is cut off has whole seeds."""
        found = []
        for seed in self.seeds:
            for items in self.items:
                for model in self.models:
                    if model == NO_TRAINING:
                        found.append(Cell(CLEAN, 0.0, items, CLEAN, model, seed))
                        continue
                    found += [Cell(*part, model, seed) for part in self._sets(items)]
        return list(dict.fromkeys(found))

    def _sets(self, items: int) -> Iterable[tuple[str, float, int, str]]:
        """The training sets of one model and seed: defect, dose, items, cleaning."""
        for dose in self.doses:
            for defect in self.defects:
                shared = dose == 0
                for arm in self.cleaning:
                    if arm != CLEAN:
                        wanted = not self.cleaning_doses or dose in self.cleaning_doses
                        if not wanted or (shared and arm == "oracle"):
                            continue
                        if not shared and defect not in CLEANABLE:
                            continue
                    yield (CLEAN if shared else defect), dose, items, arm

    def key(self, cell: Cell) -> str:
        """The name of a run's file: it changes with everything that the run's result depends on."""
        about = {**self.settings(), "cell": asdict(cell), "recipe": recipe(cell.model)}
        digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]
        words = f"{cell.defect}-{cell.dose:g}-{cell.items}-{cell.cleaning}-{cell.model}-{cell.seed}"
        return f"{words.replace('+', '_')}-{digest}"

    def settings(self) -> dict[str, Any]:
        """What all runs share."""
        shared = ("data", "classes", "samples", "steps", "split_seed")
        return {name: getattr(self, name) for name in shared}

    def load(self) -> collect.Dataset:
        """The data with the chosen classes alone.

        Raises:
            ValueError: an unknown class, no labels, or no pictures.
        """
        path = Path(self.data)
        data = collect.Dataset.load(path) if path.suffix == ".npz" else collect.load(self.data)
        if data.modality != "images":
            raise ValueError(f"a study is for pictures so far; {self.data!r} holds {data.modality}")
        return data.only(*(self.classes or data.class_names))


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return (value,) if isinstance(value, (str, int, float)) else tuple(value)


def _check_known(what: str, names: tuple[str, ...], known: tuple[str, ...]) -> None:
    from aigc_lab.corrupt.ledger import unknown_defect

    for name in names:
        if name not in known:
            raise ValueError(str(unknown_defect(name, known)).replace("defect", what))


def _check_whole(name: str, number: Any, least: int) -> None:
    if isinstance(number, bool) or not math.isfinite(number) or number != int(number) or number < least:
        raise ValueError(f"{name} must be whole numbers from {least} up, got {number!r}")
