"""What a study is: a grid of runs, its models, and what each training set goes through. See notebook 15."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np

from aigc_lab import clean, collect, corrupt, evaluate, label
from aigc_lab.collect.dataset import Dataset, unknown_name

NONE = "none"  # the corruption of a clean set, and the cleaning that does nothing
NO_TRAINING = "real"  # the "model" that draws other real images
SPLIT_SEED = 2026  # of the split into a training pool and a held-out part
REPEATED = 16  # items that ``repeats`` shows many times
MIXED = ("label_flip", "blur", "noise", "exact_duplicate", "near_duplicate", "junk")
_DROPPED_BY_ORACLE = ("occlusion", "brightness", *MIXED[1:])  # a flipped label is put right

# --- corruptions of a training set ---------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class CorruptedSet:
    """A training set after its corruption.

    ``log`` knows what was done; ``marked`` are the images whose copies are counted (the repeated ones),
    uint8 ``(k, ...)``, or None.
    """

    dataset: Dataset
    log: corrupt.CorruptionLog | None
    marked: np.ndarray | None = None


def _at_one_rate(*names: str) -> Callable[[Dataset, float, int], CorruptedSet]:
    """Corruptions of ``corrupt``, each at the rate that the severity says."""
    return lambda dataset, severity, seed: CorruptedSet(
        *corrupt.apply(dataset, dict.fromkeys(names, severity), seed)
    )


def fewer_items(dataset: Dataset, severity: float, seed: int) -> CorruptedSet:
    """The share ``severity`` of every class is taken away; the items that are left stay clean."""
    random = np.random.default_rng((seed, 1))
    kept = []
    for number in range(len(dataset.class_names)):
        of_class = random.permutation(np.flatnonzero(dataset.labels == number))
        kept.append(of_class[: round((1 - severity) * len(of_class))])
    return CorruptedSet(*corrupt.apply(dataset[np.sort(np.concatenate(kept))], {}, seed))


def repeats(dataset: Dataset, severity: float, seed: int) -> CorruptedSet:
    """``REPEATED`` items stand ``severity`` times in the set, all others once."""
    chosen = np.random.default_rng((seed, 2)).permutation(len(dataset))[:REPEATED]
    more = np.tile(chosen, round(severity) - 1)
    longer = dataset[np.concatenate([np.arange(len(dataset)), more]).astype(int)]
    return CorruptedSet(*corrupt.apply(longer, {}, seed), dataset.data[chosen])


def rare_class(dataset: Dataset, severity: float, seed: int) -> CorruptedSet:
    """The first class makes up the share ``severity`` of the set; the size is the same for every share."""
    random = np.random.default_rng((seed, 3))
    rare = random.permutation(np.flatnonzero(dataset.labels == 0))
    rest = random.permutation(np.flatnonzero(dataset.labels != 0))
    total = min(2 * len(rare), len(rest))
    few = round(severity * total)
    if few > len(rare):
        raise ValueError(
            f"{severity:g} of {total} items need {few} of class {dataset.class_names[0]}, "
            f"which has {len(rare)}"
        )
    chosen = np.sort(np.concatenate([rare[:few], rest[: total - few]]))
    return CorruptedSet(*corrupt.apply(dataset[chosen], {}, seed))


CORRUPTIONS: dict[str, Callable[[Dataset, float, int], CorruptedSet]] = {
    **{name: _at_one_rate(name) for name in corrupt.IMAGE_CORRUPTIONS},
    "fewer_items": fewer_items,
    "mixed": _at_one_rate(*MIXED),
    "repeats": repeats,
    "rare_class": rare_class,
    "own_samples": _at_one_rate(),  # of the first generation; ``one_run.generations`` makes the others
}
# What cleaning can undo: missing items cannot be cleaned back.
CLEANABLE = (*(name for name in corrupt.IMAGE_CORRUPTIONS if name != "imbalance"), "mixed", "repeats")
STAGES = ("clean", "label", "augment")
# Stages in their order, each at most once, joined by "+".
CLEANINGS = (NONE, "oracle", *("+".join(some) for size in (1, 2, 3) for some in combinations(STAGES, size)))


def checked_severity(corruption: str, severity: float) -> float:
    """The severity as a float.

    Raises:
        ValueError: not a share from 0 to 1; for ``repeats`` no whole number (0 is the clean set); for
            ``fewer_items`` and ``rare_class`` also 1, which leaves nothing.
    """
    number = float(severity)
    if corruption == "repeats":
        if number < 0 or not number.is_integer():
            raise ValueError(f"the severity of 'repeats' is how often an item occurs, got {severity!r}")
    elif not 0 <= number <= 1:
        raise ValueError(f"a severity of {corruption!r} must be a number from 0 to 1, got {severity!r}")
    elif number == 1 and corruption in ("fewer_items", "rare_class"):
        raise ValueError(f"a severity of 1 of {corruption!r} leaves nothing to learn from; choose less")
    return number


def corrupted_set(dataset: Dataset, corruption: str, severity: float, seed: int) -> CorruptedSet:
    """The training set after ``severity`` of ``corruption``; ``none`` or severity 0 leaves it as it is."""
    if corruption == NONE or severity == 0:
        return CorruptedSet(*corrupt.apply(dataset, {}, seed))
    return CORRUPTIONS[corruption](dataset, checked_severity(corruption, severity), seed)


def balanced_part(dataset: Dataset, items: int, seed: int) -> Dataset:
    """``items`` of the set at random, as equally many of each class as possible.

    Raises:
        ValueError: a class has too few; the message says how many items are possible.
    """
    random = np.random.default_rng((seed, 0))
    classes = len(dataset.class_names)
    wanted = [items // classes + (label < items % classes) for label in range(classes)]
    counts = dataset.counts()
    for (name, count), want in zip(counts.items(), wanted, strict=True):
        if count < want:
            raise ValueError(
                f"{items} items need {want} of class {name}, and the training pool has {count}; "
                f"use at most {classes * min(counts.values())} items"
            )
    chosen = [
        random.permutation(np.flatnonzero(dataset.labels == label))[:want]
        for label, want in enumerate(wanted)
    ]
    return dataset[random.permutation(np.concatenate(chosen))]


# --- what a run does against it -------------------------------------------------------------------


def checked_cleaning(arm: str) -> str:
    """The name of a cleaning arm, or a ValueError that names all of them."""
    if arm not in CLEANINGS:
        raise ValueError(f"there is no cleaning {arm!r}; choose one of {', '.join(CLEANINGS)}")
    return arm


def cleaned_set(corrupted: CorruptedSet, arm: str, seed: int) -> Dataset:
    """The training set after the stages of ``arm``.

    ``clean`` runs every detector of ``clean.detect_all`` and drops what they find; ``label`` runs
    ``label.issues`` on the feature network's features and takes its suggestions; ``augment`` adds the mirror
    image of each image. None of them knows which corruption there is. ``oracle`` reads the corruption log: it
    drops copies, junk and damaged images, and puts every flipped label right.
    """
    stages, dataset = checked_cleaning(arm).split("+"), corrupted.dataset
    if arm == "oracle":
        return _by_log(corrupted)
    if "clean" in stages:
        dataset = clean.drop(dataset, *clean.detect_all(dataset).values()).kept
    if "label" in stages:
        issues = label.issues(dataset, evaluate.features(dataset.data), seed=seed)
        dataset = label.relabel(dataset, issues)
    if "augment" in stages:
        mirrored = np.concatenate([dataset.data, dataset.data[:, :, ::-1]])
        dataset = replace(dataset, data=mirrored, labels=np.concatenate([dataset.labels, dataset.labels]))
    return dataset


def _by_log(corrupted: CorruptedSet) -> Dataset:
    """The set without what the corruption log knows to be bad, with the labels that it knows to be true."""
    log = corrupted.log
    names = [name for name in _DROPPED_BY_ORACLE if name in log.rates]
    bad = log.mask(*names) if names else np.zeros(len(corrupted.dataset), bool)
    kept = corrupted.dataset[~bad]
    if log.true_labels is not None:
        kept = replace(kept, labels=log.true_labels[~bad])
    if corrupted.marked is not None:  # repeats: the first of each is enough
        kept = clean.drop(kept, clean.exact_duplicates(kept)).kept
    return kept


# --- the models --------------------------------------------------------------------------------------

BATCH_SIZE = 32
MIXTURE_COMPONENTS = 5
GAN_OPTIONS = {"penalty": 1.0, "penalty_share": 0.25, "momentum": 0.0, "spectral": False}


@dataclass(frozen=True)
class ModelSettings:
    """How a model of a study is built and trained.

    Small on purpose: a run is to take about ten seconds on one core. The settings were found on seeds that
    no stored study uses, with the clean set, before any corruption was applied.
    """

    family: str
    conditional: bool
    steps: int
    learning_rate: float
    width: int
    latent_size: int

    def build(self, image_shape: tuple[int, ...], class_count: int, seed: int) -> Any:
        """A new, untrained model; equal seeds give equal weights."""
        from aigc_lab import models

        options = {"class_count": class_count if self.conditional else 0, "width": self.width, "seed": seed}
        if self.family == "vae":
            return models.vae.convolutional_vae(image_shape, self.latent_size, **options)
        # Said here, so that the numbers stay those of the stored study if a default changes.
        return models.gan.dcgan(image_shape, self.latent_size, **options, **GAN_OPTIONS)

    def sample(self, model: Any, x: np.ndarray, labels: Any, asked: Any, seed: int) -> np.ndarray:
        """Images for the classes ``asked`` ``(n,)``; ``x`` and ``labels`` are what it was trained on."""
        asked_of = asked if self.conditional else None
        if self.family == "gan":
            return model.sample(len(asked), asked_of, seed=seed)
        from aigc_lab.models.mixture import LatentMixture

        known = labels if self.conditional else None
        # A class with few items gets few Gaussians: see LatentMixture.
        components = MIXTURE_COMPONENTS if self.conditional else 4 * MIXTURE_COMPONENTS
        mixture = LatentMixture.fit(model, x, known, components=components, seed=seed)
        points, drawn = mixture.sample(len(asked), asked_of, seed=seed)
        return model.decode(points, drawn if self.conditional else None)

    def about(self) -> dict[str, Any]:
        """Everything that a run's result depends on, as plain JSON types."""
        options = GAN_OPTIONS if self.family == "gan" else {}
        return {**asdict(self), **options, "batch_size": BATCH_SIZE, "components": MIXTURE_COMPONENTS}


MODELS: dict[str, ModelSettings] = {
    "vae": ModelSettings("vae", True, 500, 8e-3, 24, 10),
    "gan": ModelSettings("gan", True, 500, 8e-3, 8, 16),
    "plain_vae": ModelSettings("vae", False, 500, 8e-3, 24, 10),
    "plain_gan": ModelSettings("gan", False, 500, 8e-3, 8, 16),
}


# --- the grid -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """One run of a study: ``severity`` of ``corruption`` in ``items`` training items, then ``cleaning``."""

    corruption: str
    severity: float
    items: int
    cleaning: str
    model: str
    seed: int

    def __str__(self) -> str:
        cleaned = "" if self.cleaning == NONE else f", {self.cleaning}"
        what = f"{self.corruption} {self.severity:g} of {self.items}{cleaned}"
        return f"{self.model} on {what}, seed {self.seed}"


@dataclass(frozen=True)
class Study:
    """A grid of runs: corruptions x severities x models x seeds x cleaning.

    The part of the data that is held out stays clean: only the training part is corrupted. Runs of one seed
    share their clean training items, their first weights and their random numbers, so their scores can be
    compared in pairs. At severity 0 all corruptions are the same set, which is trained on once for each model
    and seed (its corruption is ``none``).

    Args:
        name: of the study; it only labels the table.
        corruptions: of ``study.CORRUPTIONS``: those of ``corrupt`` for images, and ``fewer_items`` (the
            severity is the share that is taken away), ``mixed`` (six corruptions at once), ``repeats`` (16
            items stand in the set ``severity`` times), ``rare_class`` (the severity is the share of the first
            class), ``own_samples`` (five more generations, each trained on the samples of the one before;
            the severity is their share, the rest is real).
        severities: for the corruptions of ``corrupt`` the rate, from 0 to 1.
        models: of ``study.MODELS``. ``real`` trains nothing: other real images take the place of the
            samples, so its rows are the floor of every score.
        seeds: of the training items, the corruption, the weights, the order of the items and the samples.
        cleaning: ``none``, stages of the pipeline joined by ``+`` (``clean``, ``label``, ``augment``), or
            ``oracle``, which reads the corruption log. Other arms run where they can undo something.
        cleaning_severities: the severities at which the other arms run; empty for all above 0.
        items: how many clean training items a run gets; one number or several.
        data: a name for ``collect.load``, or the path of a file that ``Dataset.save`` wrote.
        classes: the classes that are used; empty for all.
        samples: how many images each model draws to be scored.
        steps: training steps of each model; 0 for the number that belongs to the model.

    Raises:
        ValueError: an empty grid, an unknown corruption, model or cleaning, or a senseless severity.
    """

    name: str
    corruptions: tuple[str, ...]
    severities: tuple[float, ...]
    models: tuple[str, ...] = ("vae", "gan")
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    cleaning: tuple[str, ...] = (NONE,)
    cleaning_severities: tuple[float, ...] = ()
    items: tuple[int, ...] = (1600,)
    data: str = "animals"
    classes: tuple[str, ...] = ("bird", "cat", "elephant", "giraffe")
    samples: int = 800
    steps: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.type.startswith("tuple"):
                value = getattr(self, field.name)
                value = (value,) if isinstance(value, (str, int, float)) else tuple(value)
                object.__setattr__(self, field.name, value)
        object.__setattr__(self, "severities", tuple(map(float, self.severities)))
        for name in ("corruptions", "severities", "models", "seeds", "cleaning", "items"):
            if not getattr(self, name):
                raise ValueError(f"the grid of {self.name!r} is empty: {name} has no entry")
        known = {"model": (*MODELS, NO_TRAINING), "corruption": tuple(CORRUPTIONS)}
        for kind, names in (("model", self.models), ("corruption", self.corruptions)):
            if unknown := [name for name in names if name not in known[kind]]:
                raise unknown_name(kind, unknown[0], known[kind])
        for arm in self.cleaning:
            checked_cleaning(arm)
        for corruption, severity in product(self.corruptions, self.severities):
            checked_severity(corruption, severity)
        if strange := set(self.cleaning_severities) - set(self.severities):
            raise ValueError(
                f"cleaning_severities has {min(strange):g}, which is none of the severities {self.severities}"
            )
        for name, lowest in {"items": 1, "seeds": 0, "samples": 20, "steps": 0}.items():
            for number in np.atleast_1d(getattr(self, name)).tolist():
                if number != int(number) or number < lowest:
                    raise ValueError(f"{name} must be whole numbers from {lowest} up, got {number!r}")

    def cells(self) -> list[Cell]:
        """Every run, seed by seed, so that a study that is cut off has whole seeds."""
        found = []
        sets = (self.severities, self.corruptions, self.cleaning)
        for seed, items, model, *part in product(self.seeds, self.items, self.models, *sets):
            severity, corruption, arm = (0.0, NONE, NONE) if model == NO_TRAINING else part
            shared = severity == 0
            wanted = not self.cleaning_severities or severity in self.cleaning_severities
            possible = arm != "oracle" if shared else corruption in CLEANABLE
            if arm == NONE or (wanted and possible):
                found.append(Cell(NONE if shared else corruption, severity, items, arm, model, seed))
        return list(dict.fromkeys(found))

    def key(self, cell: Cell) -> str:
        """The name of a run's file: it changes with everything that the run's result depends on."""
        shared = {name: getattr(self, name) for name in ("data", "classes", "samples", "steps")}
        model = MODELS[cell.model].about() if cell.model in MODELS else {}
        about = {**shared, "cell": asdict(cell), "model": model, "split": SPLIT_SEED}
        digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]
        words = f"{cell.corruption}-{cell.severity:g}-{cell.items}-{cell.cleaning}-{cell.model}-{cell.seed}"
        return f"{words.replace('+', '_')}-{digest}"

    def load(self) -> Dataset:
        """The data with the chosen classes alone.

        Raises:
            ValueError: an unknown class, no labels, or no images.
        """
        path = Path(self.data)
        data = Dataset.load(path) if path.suffix == ".npz" else collect.load(self.data)
        if data.modality != "images":
            raise ValueError(f"a study is for images so far; {self.data!r} holds {data.modality}")
        return data.only(*(self.classes or data.class_names))
