"""Images: a VAE (or a GAN) of your own pictures, judged by a network that knows photographs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from aigc_lab import augment, deploy, evaluate, label
from aigc_lab import train as training
from aigc_lab.backend import import_keras
from aigc_lab.collect.dataset import Card, Dataset
from aigc_lab.collect.own import FolderReport, from_file
from aigc_lab.evaluate.distribution import METRICS
from aigc_lab.pipeline.parts import FEW, Row, Seen, Trained, check_budget, inspected, near_copies, shares

LEAST = 40
_LATENT = 16  # dimensions
_CLASS_LEAST = 20  # training images: more than the latent space has dimensions
_MOST_CLASSES = 12
_BATCH, _RATE = {"vae": 32, "gan": 16}, {"vae": 3e-3, "gan": 2e-3}
_PASSES = 60  # over the training images, at most: more teach a small set by heart
_JUDGED = 1000  # images a side
_FEATURED = 10_000  # images; more of them are inspected by plain measurements, which take less memory
_ON = "photo features (EfficientNet-Lite0, block 10, at 64 x 64 pixels)"


def look(
    path: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    seed: int = 0,
    progress: bool = True,
    size: int = 32,
    labels: bool = True,
) -> Seen:
    """Stages 1 to 3: read, inspect, and doubt the labels.

    Args:
        path: a folder, as ``collect.from_folder`` reads it, or an ``.npz`` or ``.npy`` file.
        folder: takes ``inspection.html``, the page of ``clean.inspect``.
        size: pixels a side, a multiple of 4 from 28 to 128; each image is stretched to it.
        labels: False: sub-folders are no classes.

    Raises:
        OSError, ValueError: see ``collect.from_folder`` and ``collect.from_file``; a bad size.
    """
    if size % 4 or not 28 <= size <= 128:
        raise ValueError(f"size must be a multiple of 4 from 28 to 128 pixels, got {size}")
    source = Path(path).expanduser()
    data = source if source.is_dir() else _resized(from_file(source), size)
    count = sum(len(files) for _, _, files in os.walk(data)) if data is source else len(data)
    found = inspected(
        data,
        folder,
        features=vectors if count <= _FEATURED else None,
        label_check=label.issues if labels else None,
        seed=seed,
        modality="images",
        size=(size, size),
        progress=progress,
    )
    items, report = found.dataset, found.folder_report or FolderReport(())
    if not labels:
        items = replace(items, labels=None, class_names=())
    notes = [*found.notes, f"Each image was brought to {size} x {size} pixels, whatever its proportions."]
    notes += [f"{note[:1].upper()}{note[1:]}." for note in report.notes]
    notes += [f"{file}: {change}." for file, change in report.converted[:5]]
    if (more := len(report.converted) - 5) > 0:
        notes.append(f"{more} more files were changed when they were read, see the page of all issues.")
    names = tuple(found.name(item) for item in range(len(items)))
    return Seen(
        "images", items, names, items.card, found.table, tuple(notes), report.skipped, None, found.html
    )


def _resized(dataset: Dataset, side: int) -> Dataset:
    """Images of a file at the wanted size, grey ``(n, side, side)`` or RGB ``(n, side, side, 3)``."""
    data = dataset.data
    if dataset.modality != "images":
        raise ValueError(f"{dataset.card.title} holds {dataset.modality}, not images")
    if not len(data):
        raise ValueError(f"{dataset.card.title} holds no image")
    if data.ndim == 4 and data.shape[3] not in (1, 3):
        raise ValueError(
            f"images of {data.shape[3]} channels are not trained on; make them grey or RGB first"
        )
    data = data[..., 0] if data.shape[3:] == (1,) else data
    if data.shape[1:3] == (side, side):
        return replace(dataset, data=data)
    small = [Image.fromarray(one).resize((side, side), Image.Resampling.LANCZOS) for one in data]
    return replace(dataset, data=np.stack([np.asarray(one) for one in small]))


def vectors(dataset: Dataset) -> np.ndarray:
    """Photo features ``(n, 112)`` of a set."""
    return evaluate.photo_vectors(dataset.data)


# Stage 5 ------------------------------------------------------------------------------------------------


def train(
    kept: Dataset,
    held_out: Dataset,
    *,
    seconds: float = 60,
    steps: int | None = None,
    seed: int = 0,
    progress: bool = True,
    model: str = "vae",
    mirror: bool = False,
) -> Trained:
    """A convolutional VAE with a mixture over its codes, or a DCGAN; conditional on classes that are large.

    Args:
        kept, held_out: images; the second for the curve only.
        seconds: of training at most, of which a few go into the measurement of a step; 60 passes end it, too.
        steps: of 32 images (GAN: 16), in place of seconds: equal results on every run.
        model: ``"vae"`` or ``"gan"``.
        mirror: add the mirror image of each training image; not for writing.

    Raises:
        ValueError: an unknown model, or no time.
    """
    if model not in _BATCH:
        raise ValueError(f"model must be {' or '.join(_BATCH)}, got {model!r}")
    check_budget(seconds, steps)
    import_keras()
    from aigc_lab.models import gan, vae
    from aigc_lab.models.mixture import LatentMixture

    names, notes = _conditions(kept)
    kept, held_out = (part.only(*names) if names else part for part in (kept, held_out))
    count = len(kept)
    kept = augment.mirrored(kept) if mirror else kept
    shape = (*kept.data.shape[1:3], 3 if kept.data.ndim == 4 else 1)
    x, labels = kept.arrays()
    labels = labels if names else None
    batch = min(_BATCH[model], len(x))
    # At 128 pixels a VAE learned nothing in 860 steps of 3e-3.
    rate = 1e-3 if model == "vae" and max(shape) > 64 else _RATE[model]

    def build() -> Any:
        how = {"class_count": len(names), "seed": seed}
        if model == "vae":
            # The noise of Bernoulli pixels cannot shrink, which would blur the colours of photographs.
            pixels = {"likelihood": "gaussian", "learn_scale": True, "scale": 0.3} if shape[2] == 3 else {}
            return vae.convolutional_vae(shape, _LATENT, **how, **pixels)
        return gan.dcgan(shape, average=0.1, penalty=0.1, **how)

    how = {"batch_size": batch, "seed": seed, "learning_rate": rate}
    if steps is None:  # the first steps are compiled, the next ones measured
        spent = training.fit(build(), x, labels, steps=30, reports=3, progress=False, **how).table["seconds"]
        each = (spent.iloc[-1] - spent.iloc[0]) / 20
        most = _PASSES * len(x) // batch if model == "vae" else np.inf
        steps = max(30, round(min((seconds - spent.iloc[-1]) / each, most)))
    network = build()
    value, measure = _course(network, held_out, names, seed)
    history = training.fit(
        network, x, labels, steps=steps, measure=measure, progress=progress and "training", **how
    ).table
    mixture = LatentMixture.fit(network, x, labels, seed=seed) if model == "vae" else None
    settings = {
        "model": f"{'conditional ' if names else ''}{model.upper()}",
        "images": f"{count} of {shape[0]} x {shape[1]} pixels, {'RGB' if shape[2] == 3 else 'grey'}"
        + (", each also mirrored" if mirror else ""),
        "steps": f"{steps:,}, {batch} images each ({steps * batch / len(x):.3g} passes)",
        "seconds": round(float(history["seconds"].iloc[-1]), 1),
        "latent dimensions": network.latent_size,
        "classes": ", ".join(names) or "none",
        "seed": seed,
    }
    curve = history[["step", "value"]].rename(columns={"value": value})
    return Trained(network, settings, curve, tuple(notes), names, mixture)


def _conditions(kept: Dataset) -> tuple[tuple[str, ...], list[str]]:
    """The classes that the model can be asked for, and what is to be said about the others."""
    if kept.labels is None or len(kept.class_names) < 2:
        return (), []
    counts = kept.counts()
    large = tuple(name for name, count in counts.items() if count >= _CLASS_LEAST)
    if len(large) > _MOST_CLASSES:
        few = f"{len(large)} classes are too many for one small model (at most {_MOST_CLASSES})"
        return (), [f"{few}: it is trained on all images without their classes."]
    if len(large) < 2:
        few = f"fewer than two classes have {_CLASS_LEAST} images for training"
        return (), [f"The model is trained without classes: {few}."]
    small = [f"{name} ({count})" for name, count in counts.items() if count < _CLASS_LEAST]
    few = f"fewer than {_CLASS_LEAST} images for training"
    return large, [f"Left out of the model, because they have {few}: {', '.join(small)}."] if small else []


def _course(
    network: Any, held_out: Dataset, names: tuple[str, ...], seed: int
) -> tuple[str, Callable[[], dict[str, float]]]:
    """The name of the value that is followed, and a function that takes it on up to 500 held-out images."""
    some = held_out[:500]
    if hasattr(network, "elbo"):
        x, labels = some.arrays()
        labels = labels if names else None
        return "held-out ELBO, nats per image", lambda: {"value": network.elbo(x, labels, seed=seed).mean()}
    real = vectors(some)

    def measure() -> dict[str, float]:
        fakes = evaluate.photo_vectors(np.clip(network.sample(len(real), seed=seed), 0, 1))
        return {"value": evaluate.kid(real, fakes, resamples=0).value}

    return "KID against held-out images", measure


def draw(trained: Trained, count: int, seed: int = 0) -> Dataset:
    """``count`` new images, the classes in turn, with the class that was asked for as their label."""
    network, labels = trained.model, None
    if trained.mixture is not None:
        points, labels = trained.mixture.sample(count, seed=seed)
        images = network.decode(points, labels if trained.class_names else None)
    else:
        images = network.sample(count, seed=seed)
        labels = np.arange(count) % max(1, network.class_count)
    images = np.rint(255 * np.clip(images, 0, 1)).astype("uint8")
    images = images[..., 0] if images.shape[3] == 1 else images
    return Dataset(images, labels if trained.class_names else None, trained.class_names)


# Stage 6 ------------------------------------------------------------------------------------------------


def scores(trained: Trained, drawn: Dataset, kept: Dataset, held_out: Dataset, seed: int = 0) -> list[Row]:
    """KID, precision and recall against held-out images, copies, and whether the class asked for shows.

    The floor of the first three: real images against real ones, as many on each side.
    """
    if trained.class_names:
        kept, held_out = (part.only(*trained.class_names) for part in (kept, held_out))
    size = min(len(held_out), len(drawn), _JUDGED)
    kept = kept[np.random.default_rng(seed).permutation(len(kept))[: 3 * _JUDGED]]
    known, real, fake = vectors(kept), vectors(held_out), vectors(drawn)
    scores: dict[str, Any] = {"kid": evaluate.kid(real[:size], fake[:size], seed=seed)}
    if size >= 12:  # five neighbours in random halves
        coverage = evaluate.precision_recall(real[:size], fake[:size], seed=seed)
        scores |= {"precision": coverage.precision, "recall": coverage.recall}
    wide = f"; fewer than {FEW} a side leave wide intervals" if size < FEW else ""
    about = f"{size} held-out and {size} new images, {_ON}{wide}."
    rows, everything = [], np.concatenate([known, real])
    for metric in ("kid", "precision", "recall"):
        name, _, better = METRICS[metric]
        if metric not in scores:
            rows.append(Row(name, None, None, better, f"needs 12 held-out images, there are {size}."))
            continue
        floor = evaluate.floor(everything, metric=metric, size=size, seed=seed)
        rows.append(Row(name, scores[metric], floor, better, about))
    near = f"share of {len(fake)} new images nearer to a training image than 99% of held-out ones are, {_ON}."
    advice = ": compare the samples by eye."
    rows.append(near_copies("images", (fake, known, real), near, seed, advice))
    if trained.class_names:
        judged = [(fake, drawn.labels), (real, held_out.labels)]
        rows.append(_control(known, kept.labels, judged, seed))
    return rows


def _control(
    known: np.ndarray, labels: np.ndarray, judged: Sequence[tuple[np.ndarray, np.ndarray]], seed: int
) -> Row:
    """Whether a classifier of the training images sees the class that was asked for."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    name = "class as asked"
    with threadpool_limits(limits=1):  # the matrices are small
        judge = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300, random_state=seed))
        judge.fit(known, labels)
        right = [judge.predict(points) == names for points, names in judged]
    about = f"share of {len(judged[0][0])} new images that a classifier on {_ON} puts into the class that "
    about += "was asked for."
    return Row(name, *shares(name, right, "higher"), "higher", about)


# Stage 7 ------------------------------------------------------------------------------------------------


def export(trained: Trained, folder: str | os.PathLike[str], title: str, card: Card) -> None:
    """``deploy.export``, which compares each form with the model."""
    deploy.export(
        trained.model,
        folder,
        class_names=trained.class_names,
        title=title,
        licence=card.licence,
        mixture=trained.mixture,
        data_card=card,
    )
