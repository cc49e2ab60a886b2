"""What is looked at in an export, each part with a result, a number, the reason and how to fix it.

Nothing here needs TensorFlow: samples come from ``generator.onnx``, features from the frozen NumPy network.
Introduced in notebook 20.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from aigc_lab import collect, deploy, evaluate
from aigc_lab.audit import licences
from aigc_lab.collect import Card, Dataset

RESULTS = ("fine", "look", "missing", "not checked")
SECTIONS = (  # of deploy.model_card
    "Intended use", "Data", "Issues found in the data", "Training", "Scores", "Limits",
    "Licence of the weights", "Exported files", "Versions",
)  # fmt: skip
_SHORTEST = 30  # characters of a run that counts as copied
_TEXTS = 10  # written at most
_MOST_FRESH = 1000  # held-out images that the floor is measured on
_OPTIONAL = ("known_faults", "citation", "tier")


@dataclass(frozen=True)
class Finding:
    """One part of the audit.

    ``result`` is one of ``RESULTS``; ``number`` the measurement with its interval in words, ``values`` the
    same as numbers; ``rows`` a table; ``pairs`` (sample, training item) as uint8 images.
    """

    part: str
    result: str
    number: str
    reason: str
    fix: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    rows: tuple[dict[str, Any], ...] = ()
    pairs: tuple[tuple[np.ndarray, np.ndarray], ...] = field(default=(), repr=False, compare=False)


@dataclass(frozen=True)
class Export:
    """What the checks share: the folder, its manifest, the data card and set, and samples."""

    folder: Path
    manifest: dict[str, Any]
    damage: str
    card: Card | None
    card_fault: str
    data: Dataset | None
    data_fault: str
    samples: Any
    samples_fault: str

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.manifest.get("class_names", ()))


def opened(folder: Path, samples: int, seed: int, items: Any = None) -> Export:
    """Read an export, load the data that its card names, and draw samples; each fault in words.

    Raises:
        FileNotFoundError: no such folder, or none that holds an export.
        ValueError: a damaged manifest, fewer than one sample.
    """
    if samples < 1:
        raise ValueError(f"draw at least one sample, got {samples}")
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}; give one that deploy.export wrote")
    versions = sorted(path.parent.name for path in folder.glob("*/export.json"))
    if versions and not (folder / "export.json").exists():
        raise FileNotFoundError(
            f"{folder} is a models folder; audit one of its versions: {', '.join(versions)}"
        )
    damage = ""
    try:
        manifest = deploy.verify(folder)
    except ValueError as error:
        try:  # a file that is not as it was is a finding; a manifest that cannot be read is the end
            manifest, damage = json.loads((folder / "export.json").read_text(encoding="utf-8")), str(error)
            if not {"name", "sha256"} <= set().union(*manifest["files"].values()):
                raise ValueError("files without name or hash")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise error from None
    card, card_fault = _data_card(folder / "data_card.json")
    drawn, samples_fault = (items, "")
    if items is None:
        drawn, samples_fault = _draw(folder, manifest, damage, samples, seed)
    if isinstance(drawn, np.ndarray) and not np.isfinite(drawn).all():
        drawn, samples_fault = None, "samples hold NaN or infinite values: the generator has diverged"
    data, data_fault = None, samples_fault  # without samples there is nothing to compare with the data
    if not samples_fault:
        data, data_fault = _data(card, card_fault, tuple(manifest.get("class_names", ())))
    return Export(folder, manifest, damage, card, card_fault, data, data_fault, drawn, samples_fault)


def _data_card(path: Path) -> tuple[Card | None, str]:
    if not path.is_file():
        return None, "the export has no data card"
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return Card(**{**told, "known_faults": tuple(told.get("known_faults", ()))}), ""
    except (ValueError, TypeError, AttributeError):
        return None, "data_card.json is damaged"


def _data(card: Card | None, fault: str, classes: tuple[str, ...]) -> tuple[Dataset | None, str]:
    if card is None:
        return None, fault
    try:
        data = collect.load(card.name)
    except (ValueError, OSError, ImportError, collect.DownloadError) as error:
        return None, f"the data set {card.name!r} cannot be loaded here ({str(error).split(';')[0]})"
    inside = classes and data.labels is not None and set(classes) < set(data.class_names)
    return (data.only(*classes) if inside else data), ""


def _draw(folder: Path, manifest: dict[str, Any], damage: str, count: int, seed: int) -> tuple[Any, str]:
    """Images or texts from the ONNX form, or why there are none."""
    path = folder / "generator.onnx"
    if damage:
        return None, "nothing is drawn from a damaged export"
    if "onnx" not in manifest["files"]:
        return None, "the export has no generator.onnx; export it with the format 'onnx'"
    try:
        if manifest.get("kind") == "text":
            return _texts(path, manifest, min(count, _TEXTS), seed), ""
        mixture = folder / "latent_mixture.npz"
        return deploy.draw_with_onnx(
            path, count, seed=seed, mixture=mixture if mixture.exists() else None
        ), ""
    except ValueError as error:
        return None, f"{error}; draw samples with the model and give them to audit.report as items="


def _texts(path: Path, manifest: dict[str, Any], count: int, seed: int, longest: int = 150) -> list[str]:
    """Texts written token by token with the exported network, from a new line on."""
    vocabulary, length = manifest.get("class_names") or [], manifest["length"]
    if not vocabulary:
        raise ValueError("the export does not say which token each number stands for (class_names)")
    session = deploy.open_onnx(path)
    (name,) = [each.name for each in session.get_inputs()]
    start = vocabulary.index("\n") if "\n" in vocabulary else 0
    written, random = np.full((count, 1), start), np.random.default_rng(seed)
    for _ in range(longest):
        seen = written[:, -length:]
        tokens = np.pad(seen, ((0, 0), (0, length - seen.shape[1]))).astype("int32")  # it never looks ahead
        logits = session.run(None, {name: tokens})[0][:, seen.shape[1] - 1]
        noisy = logits + random.gumbel(size=logits.shape)  # the largest is a draw from softmax(logits)
        written = np.concatenate([written, noisy.argmax(axis=1)[:, None]], axis=1)
    return ["".join(vocabulary[token] for token in row[1:]) for row in written]


def hashes(seen: Export) -> Finding:
    """Each file against the manifest."""
    count = len(seen.manifest["files"])
    if seen.damage:
        return Finding("hashes", "look", "", seen.damage, "copy or export this version again")
    return Finding(
        "hashes",
        "fine",
        f"{count} {'file' if count == 1 else 'files'}",
        "every file is the one that was exported (SHA-256)",
    )


def copies(seen: Export, seed: int = 0) -> Finding:
    """Samples much nearer to one training item than real, unseen items are; texts in long runs."""
    why = seen.samples_fault or seen.data_fault
    if why:
        return Finding("copies", "not checked", "", why, _way_out(seen))
    training, _, held_out = seen.data.split((0.7, 0.1, 0.2), seed=0)
    assumed = "training part: the course's split (70, 10, 20 % by hash, seed 0) is assumed"
    if seen.data.modality == "text":
        if len(training) < 1 or len(held_out) < 1:
            return Finding("copies", "not checked", "", "the data set has too few texts to be split")
        share, floor = (
            evaluate.text.copied_share(one, training.data, _SHORTEST) for one in (seen.samples, held_out.data)
        )
        number = (
            f"{_percent(share)} of {sum(map(len, seen.samples)):,} characters in copied runs of {_SHORTEST}"
        )
        number += f"; unseen texts {_percent(floor)}"
        result = "look" if share.low > floor.high else "fine"
        values = {"copied_share": _values(share), "floor": _values(floor)}
        return Finding("copies", result, number, assumed, _STOP if result == "look" else "", values)
    images, known, fresh = pixels(seen.samples), pixels(training.data), pixels(held_out.data)
    if images.shape[1:] != known.shape[1:] or len(fresh) < 200:
        sizes = f"samples are {images.shape[1:]}, the data {known.shape[1:]}, {len(fresh)} items are held out"
        return Finding("copies", "not checked", "", f"{sizes}: equal sizes and 200 held-out items are needed")
    fresh = fresh[np.random.default_rng(seed).permutation(len(fresh))[:_MOST_FRESH]]
    known, mirrored = _with_mirrors(known), _with_mirrors(fresh)
    half, other = fresh[: len(fresh) // 2], fresh[len(fresh) // 2 :]
    near = evaluate.share(int(evaluate.near_copies_by_ratio(images, known, fresh)[0].sum()), len(images))
    floor = evaluate.share(int(evaluate.near_copies_by_ratio(other, known, half)[0].sum()), len(other))
    nearer = evaluate.copy_test(images, known, mirrored, seed).nearer
    place, distance = evaluate.nearest(images, known)
    usual = evaluate.nearest(images, mirrored)[1]
    order = np.argsort(distance / np.maximum(usual, 1e-6))[:3]
    look = near.low > floor.high or nearer.low > 0.5
    number = f"near-copies {_percent(near)}; real, unseen items {_percent(floor)}"
    reason = f"{_percent(nearer)} lie nearer to training than to held-out items (half by chance); {assumed}"
    values = {"near_copies": _values(near), "floor": _values(floor), "nearer": _values(nearer)}
    pairs = tuple((images[one], known[place[one]]) for one in order)
    return Finding(
        "copies", "look" if look else "fine", number, reason, _STOP if look else "", values, pairs=pairs
    )


_STOP = (
    "drop duplicates (clean.duplicates), stop earlier, or train on more items; then audit again (notebook 28)"
)


def _way_out(seen: Export) -> str:
    if seen.samples_fault:
        return ""  # the reason says what to do
    return "give data_card= to deploy.export" if seen.card is None else "use a set that collect loads"


def coverage(seen: Export) -> Finding:
    """Classes that the frozen network sees in the samples, beside their shares in the data."""
    group = seen.card.name if seen.card else ""
    why = seen.samples_fault or seen.data_fault
    if not why and group not in evaluate.GROUPS:
        why = f"the frozen network knows the classes of {', '.join(evaluate.GROUPS)} only"
    if not why and {np.shape(one)[1:3] for one in (seen.samples, seen.data.data)} != {(28, 28)}:
        why = "the frozen network reads 28 x 28 images only, and the samples or the data have another size"
    if why:
        return Finding("coverage", "not checked", "", why, _way_out(seen))
    names, counts = evaluate.GROUPS[group], seen.data.counts()
    held_out = seen.data.split((0.7, 0.1, 0.2), seed=0)[2]  # which the frozen network has not seen either
    both = np.clip(seen.samples, 0, 1), held_out.data if len(held_out) else seen.data.data
    found, real = (evaluate.classify(pixels(images), group).argmax(axis=1) for images in both)
    given = seen.manifest.get("class_count")  # asked for in turn: each as often as the others
    rows, missing, few = [], [], []
    for number, name in enumerate(names):
        hits, there = int((found == number).sum()), counts.get(name, 0)
        expected = (name in counts) / len(counts) if given else there / max(len(seen.data), 1)
        share = evaluate.share(hits, len(found))
        said = "as expected" if there else "not given to the model"
        if there == 1 or (name in counts and not there):
            said = "0 or 1 item in the data: not judged"
            few.append(name)
        elif there and share.high < expected / 2:
            said = "rare" if hits else "missing"
            missing.append(f"{name} is {said} ({_percent(share)}, expected {expected:.0%})")
        rows.append({"class": name, "data": there, "expected": expected, **_values(share), "said": said})
    judged = sum(row["data"] > 1 for row in rows)
    faults = missing + ([f"not judged, as the data have 0 or 1 item: {', '.join(few)}"] if few else [])
    strange = [number for number, row in enumerate(rows) if not row["data"]]
    stray, floor = (evaluate.share(int(np.isin(one, strange).sum()), len(one)) for one in (found, real))
    if strange:
        told = (
            f"{_percent(stray)} look like a class that the model was not given; real items {_percent(floor)}"
        )
        faults.append(told)
    look = bool(missing) or stray.low > floor.high
    return Finding(
        "coverage", "look" if look else "fine",
        f"{judged - len(missing)} of {judged} classes have at least half of their expected share",
        "; ".join(faults) or "none is missing or rare",
        "more items or a larger weight for what is missing, a longer training" if look else "",
        {"classes": judged, "missing": len(missing), "stray": _values(stray), "floor": _values(floor)},
        tuple(rows),
    )  # fmt: skip


def watermark(seen: Export, key: str | int | None) -> Finding:
    """Does what the model makes carry the mark of ``aigc_lab.watermark`` under a key?"""
    how = "mark what leaves your service: watermark.embed(image, key) (notebook 29)"
    if key is None:
        return Finding("watermark", "not checked", "", "no key was given", "give --key KEY")
    if seen.samples_fault:
        return Finding("watermark", "not checked", "", seen.samples_fault)
    from aigc_lab import watermark as marks

    text = isinstance(seen.samples[0], str)
    images = seen.samples if text else pixels(seen.samples[:16])
    try:
        found = [
            marks.text_score(one, key).z > 4 if text else marks.detect(np.squeeze(one), key).found
            for one in images
        ]
    except ValueError as error:
        return Finding("watermark", "not checked", "", f"too small for the mark: {error}", how)
    share = evaluate.share(sum(found), len(found))
    result = "fine" if all(found) else "look" if any(found) else "missing"
    reason = "z above 4 (3 in 100,000 by chance)" if text else "one false alarm in a million pictures"
    return Finding(
        "watermark", result, f"{_percent(share)} of {len(found)} samples carry it", reason,
        "" if result == "fine" else how, {"marked": _values(share)},
    )  # fmt: skip


def cards(seen: Export) -> Finding:
    """Sections of the model card and fields of the data card that are missing or empty."""
    path, faults, whole = seen.folder / "model_card.md", [], 0
    if path.is_file():
        text = path.read_text(encoding="utf-8", errors="replace")
        bodies = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
        empty = [name for name in SECTIONS if len(bodies.get(name, "").strip(" \n-|")) < 3]
        whole = len(SECTIONS) - len(empty)
        faults += [f"model card: {name!r} is {'empty' if name in bodies else 'missing'}" for name in empty]
        wrong = [one["name"] for one in seen.manifest["files"].values() if one["sha256"] not in text]
        wrong = [name for name in wrong if name != "data_card.json" or name in text]
        faults += [f"model card: another SHA-256 for {name}, or none" for name in wrong]
    else:
        faults.append("there is no model card")
    if seen.card is None:
        faults.append(seen.card_fault)
    else:
        empty = [
            one.name for one in fields(Card) if not getattr(seen.card, one.name) and one.name not in _OPTIONAL
        ]
        faults += [f"data card: {name!r} is empty" for name in empty]
        faults += [] if seen.card.known_faults else ["data card: no known fault is stated"]
    gone = not path.is_file() or seen.card is None
    number = f"{whole} of {len(SECTIONS)} sections of the model card"
    fix = "deploy.model_card(folder, …) and data_card= of deploy.export" if faults else ""
    result = "missing" if gone else "look" if faults else "fine"
    told = asdict(seen.card) if seen.card else {}
    rows = tuple(
        {"field": name, "value": " ".join(one) if isinstance(one, tuple) else one}
        for name, one in told.items()
    )
    return Finding(
        "cards", result, number, "; ".join(faults) or "nothing is missing", fix, {"faults": faults}, rows
    )


def licence(seen: Export) -> Finding:
    """Licences of data, weights and packages, what they ask for, and where they exclude each other."""
    said = seen.card.licence if seen.card else ""
    weights = str(seen.manifest.get("licence") or "")
    data = licences.Licence("data", licences.read(said), said or seen.card_fault)
    if seen.card and seen.card.name in collect.names():
        data = licences.data_sets([seen.card.name])[0]
    own = licences.Licence("weights", licences.read(weights), weights or "not stated", "manifest")
    needs = ["numpy", "onnx", "onnxruntime"] if "onnx" in seen.manifest["files"] else []
    needs += ["keras", "tensorflow"] if {"keras", "saved_model"} & set(seen.manifest["files"]) else []
    found = [data, own, *(licences.package(name) for name in needs)]
    faults = [
        f"the licence of the {one.name} is not known ({one.said})"
        for one in found[:2]
        if one.family == "unknown"
    ]
    result, fix = (
        ("missing", "state it: licence= and data_card= of deploy.export") if faults else ("fine", "")
    )
    try:
        asked = licences.strictest(data.spdx)
    except ValueError as error:
        asked, result = "", "look"
        faults.append(str(error))
    if licences.family(asked) == "share-alike" and asked not in own.spdx:
        faults.append(
            f"the data are {asked}, the weights {' AND '.join(own.spdx)}: an adaptation keeps the licence"
        )
        result, fix = "look", f"publish the weights under {asked}, or train on other data"
    owed = dict.fromkeys(each for one in found for each in one.obligations)
    values = {"data": data.spdx, "weights": own.spdx, "obligations": tuple(owed), "asked": asked}
    number = f"data {' AND '.join(data.spdx)}; weights {' AND '.join(own.spdx)}"
    reason = "; ".join(faults) or f"nothing excludes anything; owed: {', '.join(owed) or 'nothing'}"
    return Finding(
        "licences",
        result,
        number,
        reason,
        fix,
        values,
        tuple(one.row() | {"said": one.said} for one in found),
    )


CHECKS: dict[str, Callable[..., Finding]] = {
    "hashes": hashes, "copies": copies, "coverage": coverage, "watermark": watermark, "cards": cards,
    "licences": licence,
}  # fmt: skip


def pixels(images: Sequence[Any] | np.ndarray) -> np.ndarray:
    """uint8 ``(n, h, w, c)`` of images in [0, 1] or uint8, with or without channels."""
    table = np.asarray(images)
    table = table if table.dtype == np.uint8 else np.rint(np.clip(table, 0, 1) * 255).astype(np.uint8)
    return table[..., None] if table.ndim == 3 else table


def _with_mirrors(images: np.ndarray) -> np.ndarray:
    return np.concatenate([images, images[:, :, ::-1]])


def _values(score: evaluate.Score) -> dict[str, float]:
    return {"value": score.value, "low": score.low, "high": score.high}


def _percent(score: evaluate.Score) -> str:
    return f"{score.value:.1%} [{score.low:.1%}, {score.high:.1%}]"
