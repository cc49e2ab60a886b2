"""What is looked at in an export, each part with a result, a number, the reason and how to fix it.

Nothing here needs TensorFlow: samples come from ``generator.onnx``, features from the frozen NumPy network.
Introduced in notebook 20.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from aigc_lab import collect, deploy, evaluate
from aigc_lab.audit import licences
from aigc_lab.collect import Card, Dataset
from aigc_lab.deploy.versions import DATA_CARD, MANIFEST, version_names

RESULTS = ("fine", "look", "missing", "not checked")
SECTIONS = (  # of deploy.model_card
    "Intended use", "Data", "Issues found in the data", "Training", "Scores", "Limits",
    "Licence of the weights", "Exported files", "Versions",
)  # fmt: skip
_SHORTEST = 30  # characters of a run that counts as copied
_TEXTS = 10  # written at most
_LONGEST = 150  # characters of each
_MOST_FRESH = 1000  # held-out images that the floor is measured on
_OPTIONAL = ("known_faults", "citation", "tier")
_STOP = (
    "drop duplicates (clean.duplicates), stop earlier, or train on more items; then audit again (notebook 28)"
)


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


class NotChecked(Exception):
    """Why a part cannot be looked at, and how to fix that."""

    def __init__(self, reason: str, fix: str = "") -> None:
        super().__init__(reason)
        self.fix = fix


class Export:
    """What the checks share: a folder's manifest and data card and, when asked for, samples and data."""

    def __init__(self, folder: Path, key: str | int | None, count: int, seed: int, items: Any) -> None:
        """Arguments as for ``audit.report``.

        Raises:
            FileNotFoundError: no such folder, or none that holds an export.
            ValueError: a damaged manifest, fewer than one sample.
        """
        if count < 1:
            raise ValueError(f"draw at least one sample, got {count}")
        if not folder.is_dir():
            raise FileNotFoundError(f"there is no folder {folder}; give one that deploy.export wrote")
        versions = version_names(folder)
        if versions and not (folder / MANIFEST).exists():
            raise FileNotFoundError(
                f"{folder} is a models folder; audit one of its versions: {', '.join(versions)}"
            )
        self.folder, self.key, self.count, self.seed, self.items = folder, key, count, seed, items
        self.damage = ""
        try:
            self.manifest = deploy.verify(folder)
        except ValueError as error:
            try:  # a file that is not as it was is a finding; a manifest that cannot be read is the end
                self.manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
                self.damage = str(error)
                if not {"name", "sha256"} <= set().union(*self.manifest["files"].values()):
                    raise ValueError("files without name or hash")
            except (ValueError, KeyError, TypeError, AttributeError):
                raise error from None
        self.classes = tuple(self.manifest.get("class_names", ()))
        self.card: Card | None = None
        self.card_fault = "the export has no data card"
        if (path := folder / DATA_CARD).is_file():
            try:
                told = json.loads(path.read_text(encoding="utf-8"))
                self.card = Card(**{**told, "known_faults": tuple(told.get("known_faults", ()))})
            except (ValueError, TypeError, AttributeError):
                self.card_fault = "data_card.json is damaged"

    @cached_property
    def samples(self) -> Any:
        """Images or texts: those that were given, or drawn with the ONNX form."""
        drawn = self._drawn() if self.items is None else self.items
        if isinstance(drawn, np.ndarray) and not np.isfinite(drawn).all():
            raise NotChecked("samples hold NaN or infinite values: the generator has diverged")
        return drawn

    def _drawn(self) -> Any:
        path, mixture = self.folder / "generator.onnx", self.folder / "latent_mixture.npz"
        if self.damage:
            raise NotChecked("nothing is drawn from a damaged export")
        if "onnx" not in self.manifest["files"]:
            raise NotChecked("the export has no generator.onnx; export it with the format 'onnx'")
        try:
            if self.manifest.get("kind") == "text":
                return self._texts(path)
            how = {"seed": self.seed, "mixture": mixture if mixture.exists() else None}
            return deploy.draw_with_onnx(path, self.count, **how)
        except ValueError as error:
            raise NotChecked(
                f"{error}; draw samples with the model and give them to audit.report as items="
            ) from error

    def _texts(self, path: Path) -> list[str]:
        """Texts written token by token with the exported network, from a new line on."""
        if not self.classes:
            raise ValueError("the export does not say which token each number stands for (class_names)")
        session, length = deploy.open_onnx(path), self.manifest["length"]
        (name,) = [each.name for each in session.get_inputs()]
        start = self.classes.index("\n") if "\n" in self.classes else 0
        written = np.full((min(self.count, _TEXTS), 1), start)
        random = np.random.default_rng(self.seed)
        for _ in range(_LONGEST):
            seen = written[:, -length:]
            tokens = np.pad(seen, ((0, 0), (0, length - seen.shape[1]))).astype("int32")  # never looks ahead
            logits = session.run(None, {name: tokens})[0][:, seen.shape[1] - 1]
            noisy = logits + random.gumbel(size=logits.shape)  # the largest is a draw from softmax(logits)
            written = np.concatenate([written, noisy.argmax(axis=1)[:, None]], axis=1)
        return ["".join(self.classes[token] for token in row[1:]) for row in written]

    @cached_property
    def data(self) -> Dataset:
        """The set that the data card names, of its classes those that the model was given."""
        if self.card is None:
            raise NotChecked(self.card_fault, "give data_card= to deploy.export")
        try:
            data = collect.load(self.card.name)
        except (ValueError, OSError, ImportError, collect.DownloadError) as error:
            why = f"the data set {self.card.name!r} cannot be loaded here ({str(error).split(';')[0]})"
            raise NotChecked(why, "use a set that collect loads") from error
        inside = self.classes and data.labels is not None and set(self.classes) < set(data.class_names)
        return data.only(*self.classes) if inside else data

    def parts(self) -> tuple[Dataset, Dataset]:
        """The training and the held-out part of the data; the frozen network has not seen the second."""
        training, _, held_out = self.data.split((0.7, 0.1, 0.2), seed=0)
        return training, held_out


def hashes(seen: Export) -> Finding:
    """Each file against the manifest."""
    if seen.damage:
        return Finding("hashes", "look", "", seen.damage, "copy or export this version again")
    count = len(seen.manifest["files"])
    number = f"{count} {'file' if count == 1 else 'files'}"
    return Finding("hashes", "fine", number, "every file is the one that was exported (SHA-256)")


def copies(seen: Export) -> Finding:
    """Samples much nearer to one training item than real, unseen items are; texts in long runs."""
    samples, (training, held_out) = seen.samples, seen.parts()
    assumed = "training part: the course's split (70, 10, 20 % by hash, seed 0) is assumed"
    if seen.data.modality == "text":
        if len(training) < 1 or len(held_out) < 1:
            raise NotChecked("the data set has too few texts to be split")
        share, floor = (
            evaluate.text.copied_share(one, training.data, _SHORTEST) for one in (samples, held_out.data)
        )
        number = f"{_percent(share)} of {sum(map(len, samples)):,} characters in copied runs of {_SHORTEST}"
        number += f"; unseen texts {_percent(floor)}"
        look = share.low > floor.high
        values = {"copied_share": _values(share), "floor": _values(floor)}
        return Finding("copies", "look" if look else "fine", number, assumed, _STOP if look else "", values)
    images, known, fresh = pixels(samples), pixels(training.data), pixels(held_out.data)
    if images.shape[1:] != known.shape[1:] or len(fresh) < 200:
        sizes = f"samples are {images.shape[1:]}, the data {known.shape[1:]}, {len(fresh)} items are held out"
        raise NotChecked(f"{sizes}: equal sizes and 200 held-out items are needed")
    fresh = fresh[np.random.default_rng(seen.seed).permutation(len(fresh))[:_MOST_FRESH]]
    known, mirrored = (np.concatenate([one, one[:, :, ::-1]]) for one in (known, fresh))
    half, other = fresh[: len(fresh) // 2], fresh[len(fresh) // 2 :]
    near = evaluate.share(int(evaluate.near_copies_by_ratio(images, known, fresh)[0].sum()), len(images))
    floor = evaluate.share(int(evaluate.near_copies_by_ratio(other, known, half)[0].sum()), len(other))
    nearer = evaluate.copy_test(images, known, mirrored, seen.seed).nearer
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


def coverage(seen: Export) -> Finding:
    """Classes that the frozen network sees in the samples, beside their shares in the data."""
    samples, data, group = seen.samples, seen.data, seen.card.name
    why = ""
    if group not in evaluate.GROUPS:
        why = f"the frozen network knows the classes of {', '.join(evaluate.GROUPS)} only"
    elif {np.shape(one)[1:3] for one in (samples, data.data)} != {(28, 28)}:
        why = "the frozen network reads 28 x 28 images only, and the samples or the data have another size"
    if why:
        raise NotChecked(why, "use a set that collect loads")
    names, counts, held_out = evaluate.GROUPS[group], data.counts(), seen.parts()[1]
    both = np.clip(samples, 0, 1), held_out.data if len(held_out) else data.data
    found, real = (evaluate.classify(pixels(images), group).argmax(axis=1) for images in both)
    rows, missing, few = [], [], []
    for number, name in enumerate(names):
        hits, there = int((found == number).sum()), counts.get(name, 0)
        # A class that can be asked for is asked for in turn: each as often as the others.
        asked = seen.manifest.get("class_count")
        expected = (name in counts) / len(counts) if asked else there / max(len(data), 1)
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
        like = f"{_percent(stray)} look like a class that the model was not given"
        faults.append(f"{like}; real items {_percent(floor)}")
    look = bool(missing) or stray.low > floor.high
    return Finding(
        "coverage",
        "look" if look else "fine",
        f"{judged - len(missing)} of {judged} classes have at least half of their expected share",
        "; ".join(faults) or "none is missing or rare",
        "more items or a larger weight for what is missing, a longer training" if look else "",
        {"classes": judged, "missing": len(missing), "stray": _values(stray), "floor": _values(floor)},
        tuple(rows),
    )


def watermark(seen: Export) -> Finding:
    """Does what the model makes carry the mark of ``aigc_lab.watermark`` under a key?"""
    how = "mark what leaves your service: watermark.embed(image, key) (notebook 29)"
    if seen.key is None:
        raise NotChecked("no key was given", "give --key KEY")
    from aigc_lab import watermark as marks

    text = isinstance(seen.samples[0], str)
    items = seen.samples if text else pixels(seen.samples[:16])
    try:
        found = [
            marks.text_score(one, seen.key).z > 4 if text else marks.detect(np.squeeze(one), seen.key).found
            for one in items
        ]
    except ValueError as error:
        raise NotChecked(f"too small for the mark: {error}", how) from error
    reason = "z above 4 (3 in 100,000 by chance)" if text else "one false alarm in a million pictures"
    share = evaluate.share(sum(found), len(found))
    result = "fine" if all(found) else "look" if any(found) else "missing"
    number = f"{_percent(share)} of {len(found)} samples carry it"
    fix = "" if result == "fine" else how
    return Finding("watermark", result, number, reason, fix, {"marked": _values(share)})


def cards(seen: Export) -> Finding:
    """Sections of the model card and fields of the data card that are missing or empty."""
    path, faults, whole = seen.folder / "model_card.md", ["there is no model card"], 0
    if path.is_file():
        text = path.read_text(encoding="utf-8", errors="replace")
        bodies = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
        empty = [name for name in SECTIONS if len(bodies.get(name, "").strip(" \n-|")) < 3]
        whole = len(SECTIONS) - len(empty)
        faults = [f"model card: {name!r} is {'empty' if name in bodies else 'missing'}" for name in empty]
        wrong = [one["name"] for one in seen.manifest["files"].values() if one["sha256"] not in text]
        wrong = [name for name in wrong if name != DATA_CARD or name in text]
        faults += [f"model card: another SHA-256 for {name}, or none" for name in wrong]
    told = asdict(seen.card) if seen.card else {}
    if seen.card is None:
        faults.append(seen.card_fault)
    else:
        empty = [name for name, value in told.items() if not value and name not in _OPTIONAL]
        faults += [f"data card: {name!r} is empty" for name in empty]
        faults += [] if seen.card.known_faults else ["data card: no known fault is stated"]
    return Finding(
        "cards",
        "missing" if not path.is_file() or seen.card is None else "look" if faults else "fine",
        f"{whole} of {len(SECTIONS)} sections of the model card",
        "; ".join(faults) or "nothing is missing",
        "deploy.model_card(folder, …) and data_card= of deploy.export" if faults else "",
        {"faults": faults},
        tuple(
            {"field": name, "value": " ".join(one) if isinstance(one, tuple) else one}
            for name, one in told.items()
        ),
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
    found = [data, own, *map(licences.package, needs)]
    result, fix, asked = "fine", "", ""
    faults = [
        f"the licence of the {one.name} is not known ({one.said})"
        for one in (data, own)
        if one.family == "unknown"
    ]
    if faults:
        result, fix = "missing", "state it: licence= and data_card= of deploy.export"
    try:
        asked = licences.strictest(data.spdx)
    except ValueError as error:
        result = "look"
        faults.append(str(error))
    if licences.family(asked) == "share-alike" and asked not in own.spdx:
        faults.append(
            f"the data are {asked}, the weights {' AND '.join(own.spdx)}: an adaptation keeps the licence"
        )
        result, fix = "look", f"publish the weights under {asked}, or train on other data"
    owed = tuple(dict.fromkeys(each for one in found for each in one.obligations))
    return Finding(
        "licences",
        result,
        f"data {' AND '.join(data.spdx)}; weights {' AND '.join(own.spdx)}",
        "; ".join(faults) or f"nothing excludes anything; owed: {', '.join(owed) or 'nothing'}",
        fix,
        {"data": data.spdx, "weights": own.spdx, "obligations": owed, "asked": asked},
        tuple(one.row() | {"said": one.said} for one in found),
    )


CHECKS: dict[str, Callable[[Export], Finding]] = {
    "hashes": hashes, "copies": copies, "coverage": coverage, "watermark": watermark, "cards": cards,
    "licences": licence,
}  # fmt: skip


def pixels(images: Sequence[Any] | np.ndarray) -> np.ndarray:
    """uint8 ``(n, h, w, c)`` of images in [0, 1] or uint8, with or without channels."""
    table = np.asarray(images)
    table = table if table.dtype == np.uint8 else np.rint(np.clip(table, 0, 1) * 255).astype(np.uint8)
    return table[..., None] if table.ndim == 3 else table


def _values(score: evaluate.Score) -> dict[str, float]:
    return {"value": score.value, "low": score.low, "high": score.high}


def _percent(score: evaluate.Score) -> str:
    return f"{score.value:.1%} [{score.low:.1%}, {score.high:.1%}]"
