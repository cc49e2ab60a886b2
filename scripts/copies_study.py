"""How often must an item be repeated to come out again? The stored tables of notebook 28.

    python scripts/copies_study.py --folder FOLDER           # all runs, 20 minutes of one core
    python scripts/copies_study.py --folder OTHER --quick --seeds 0   # a trial of 100 s, other numbers
    python scripts/copies_study.py --folder FOLDER --store   # then replace the stored tables

A VAE, a GAN and a diffusion model are trained on drawings, a character Transformer on code. Some items of the
training set are repeated up to 256 times; as many items of the same make are never trained (the floor). Arms:
``repeated``, ``deduplicated`` (each item once, equally many steps), and both once more with the weights of
the report that was best on validation items (``early``; the GAN, whose loss says nothing, by KID). Each run
is a file of its own: called again with the same folder, the study goes on with the runs that are missing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for threads in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(threads, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402

SEEDS = (0, 1, 2)
# how often an item stands in the set: how many such items; the other trained items stand there once
GROUPS = {2: 16, 4: 16, 8: 16, 16: 16, 32: 8, 64: 8, 128: 4, 256: 4}
ARMS = ("repeated", "deduplicated")
REPORTS = 12  # of a training: the chances to stop
WATCHED = 500  # samples at each report

# -- drawings -----------------------------------------------------------------------------------------

CLASSES = ("bird", "cat", "elephant", "giraffe")
TRAINED, VALIDATION, FRESH = 950, 400, 500  # TRAINED: as many are never trained; the rest is held out
SAMPLES = {"vae": 2_000, "gan": 2_000, "diffusion": 600}
# steps, batch size, learning rate
BUDGETS = {"vae": (1_500, 32, 4e-3), "gan": (1_000, 32, 4e-3), "diffusion": (800, 32, 3e-3)}
TIMES, NOISES = (0.2, 0.4, 0.6), 2  # at which denoising is scored, and with how many draws of noise

# -- code ---------------------------------------------------------------------------------------------

LENGTH, WIDTH, TEXT_BUDGET = 64, 64, (1_800, 16, 3e-3)
PIECE, PIECES, VALIDATION_PIECES, HELD_OUT_PIECES = 80, 700, 150, 400  # PIECES: trained; as many never
ONCE, NEVER = 32, 48  # canaries that stand in the text once, and not at all
DIGITS, RIVALS = 8, 127  # of a secret; random secrets that it is ranked among
WRITTEN, WRITTEN_LENGTH = 500, 128  # texts that are drawn, characters of each


def repeats_of(count: int) -> np.ndarray:
    """How often each of the ``count`` trained items stands in the set: the groups, then all others once."""
    several = np.repeat(list(GROUPS), list(GROUPS.values()))
    return np.concatenate([several, np.ones(count - len(several), int)]).astype(int)


class Snapshot:
    """Keeps the weights of the report with the lowest loss on validation items, and counts copies."""

    def __init__(
        self, model: Any, loss: Callable[[], float], extras: Callable[[], dict[str, float]] = dict
    ) -> None:
        self.model, self.loss, self.extras = model, loss, extras
        self.losses: list[float] = []
        self.weights: list[np.ndarray] = []

    def __call__(self) -> dict[str, float]:
        value = self.loss()
        if not self.losses or value < min(self.losses):
            self.weights = [np.array(each) for each in self.model.get_weights()]
        self.losses.append(value)
        return {"validation": value, **self.extras()}

    def best(self) -> int:
        """The number of the report whose weights are kept."""
        return int(np.argmin(self.losses))


def history_rows(history: Any, about: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each report of a training."""
    columns = {"step": "step", "loss": "training_loss", "validation": "validation"}
    columns |= {name: name for name in ("copies", "samples", "completed", "items") if name in history.table}
    table = history.table[list(columns)].rename(columns=columns)
    return [{"part": "history", **about, **row} for row in table.to_dict("records")]


# -- pictures -----------------------------------------------------------------------------------------


def drawing_parts(seed: int) -> dict[str, np.ndarray]:
    """Drawings without duplicates, uint8 ``(n, 28, 28)``: trained, never, validation, fresh, held_out."""
    from aigc_lab import clean, collect

    whole = collect.load("animals").only(*CLASSES)
    distinct = clean.drop(whole, clean.exact_duplicates(whole)).kept.data
    mixed = distinct[np.random.default_rng((seed, 1)).permutation(len(distinct))]
    ends = np.cumsum([TRAINED, TRAINED, VALIDATION, FRESH])
    return dict(
        zip(("trained", "never", "validation", "fresh", "held_out"), np.split(mixed, ends), strict=True)
    )


def as_input(images: np.ndarray) -> np.ndarray:
    """uint8 ``(n, h, w)`` -> float ``(n, h, w, 1)`` in [0, 1]."""
    return (images[..., None] / 255).astype("float32")


def make(name: str, seed: int) -> Any:
    """An untrained model without classes."""
    from aigc_lab import models

    if name == "vae":
        return models.vae.convolutional_vae(latent_size=16, width=32, beta=0.3, seed=seed)
    if name == "gan":
        return models.gan.dcgan(
            latent_size=32, width=16, penalty=1.0, penalty_share=0.25, momentum=0.0, spectral=False, seed=seed
        )
    return models.diffusion.unet(width=16, seed=seed)


def drawn(name: str, model: Any, count: int, seed: int) -> np.ndarray:
    """``count`` samples ``(n, 28, 28, 1)``."""
    if name == "diffusion":
        parts = [min(500, count - start) for start in range(0, count, 500)]
        return np.concatenate([
            model.sample(size, seed=1000 * seed + number, sampler="ddim", steps=20)
            for number, size in enumerate(parts)
        ])  # fmt: skip
    return model.sample(count, seed=seed)


def membership(name: str, model: Any, x: np.ndarray, seed: int) -> np.ndarray:
    """A score for each drawing ``(n,)``; higher: more like something that was trained.

    VAE: the ELBO, mean of 8 draws. GAN: the logit of the discriminator. Diffusion: minus the squared error of
    the velocity, mean over ``TIMES`` and ``NOISES`` draws of noise, the same for every item.
    """
    if name == "vae":
        return model.elbo(x, samples=8, seed=seed)
    if name == "gan":
        return np.concatenate([
            np.asarray(model.discriminator(x[start : start + 500], training=False))[:, 0]
            for start in range(0, len(x), 500)
        ])  # fmt: skip
    clean, random = 2 * x - 1, np.random.default_rng((seed, 4))
    total = np.zeros(len(x))
    for moment, _ in itertools.product(TIMES, range(NOISES)):
        noise = random.standard_normal(x.shape[1:], "float32")
        for start in range(0, len(x), 500):
            rows = clean[start : start + 500]
            velocity = model.velocity((1 - moment) * rows + moment * noise, moment, [])
            total[start : start + 500] -= ((velocity - (noise - rows)) ** 2).mean(axis=(1, 2, 3))
    return total / (len(TIMES) * NOISES)


def judged_drawings(name: str, model: Any, parts: dict[str, np.ndarray], seed: int) -> tuple[dict, Any, Any]:
    """Scores of a trained model, one row of numbers for each trained or never-trained item, and samples."""
    from aigc_lab import evaluate

    samples = drawn(name, model, SAMPLES[name], seed)
    known = np.concatenate([parts["trained"], parts["never"]])
    near, _ = evaluate.near_copies_by_ratio(samples, known, parts["fresh"])
    place, _ = evaluate.nearest(samples[..., 0], known / 255)
    held_out = evaluate.features(parts["held_out"])
    features = evaluate.features(samples)
    found = {
        "samples": SAMPLES[name],
        "copies": int(near.sum()),
        "quality": evaluate.kid(held_out, features, resamples=0).value,
        "quality_floor": evaluate.kid(held_out, evaluate.features(parts["fresh"]), resamples=0).value,
    }
    items = {
        "copies": np.bincount(place[near], minlength=len(known)),
        "score": membership(name, model, as_input(known), seed),
    }
    return found, items, (samples[near], place[near])


class Drawings:
    """Trainings of one model on drawings, compiled once."""

    def __init__(self, name: str) -> None:
        from aigc_lab import train

        self.name = name
        steps, batch_size, rate = BUDGETS[name]
        self.model = make(name, 0)
        self.trainer = train.Trainer(self.model, steps=steps, batch_size=batch_size, learning_rate=rate)

    def loss(self, parts: dict[str, np.ndarray], seed: int) -> float:
        """What early stopping looks at: the loss on validation drawings; for the GAN the KID to them."""
        from aigc_lab import evaluate
        from aigc_lab.train.fitting import validation_loss

        if self.name == "gan":
            samples = drawn(self.name, self.model, VALIDATION, 50 + seed)
            real = evaluate.features(parts["validation"])
            return evaluate.kid(real, evaluate.features(samples), resamples=0).value
        return validation_loss(self.model, [as_input(parts["validation"])])

    def copies(self, parts: dict[str, np.ndarray], seed: int) -> dict[str, float]:
        """Near-copies of the repeated drawings among a few samples; not for diffusion, which draws slowly."""
        from aigc_lab import evaluate

        if self.name == "diffusion":
            return {}
        samples = drawn(self.name, self.model, WATCHED, 70 + seed)
        known = np.concatenate([parts["trained"], parts["never"]])
        repeated = parts["trained"][: sum(GROUPS.values())]
        near, of_repeated = evaluate.near_copies_by_ratio(samples, known, parts["fresh"], repeated)
        return {"samples": WATCHED, "copies": int((near & of_repeated).sum())}

    def run(self, arm: str, seed: int) -> tuple[list[dict], list[dict], dict[str, np.ndarray]]:
        """Rows of one training, at its end and where it was best, and rows for its items."""
        import warnings

        import keras

        parts = drawing_parts(seed)
        repeats = repeats_of(TRAINED)
        shown = np.repeat(parts["trained"], repeats if arm == "repeated" else 1, axis=0)
        keras.utils.set_random_seed(seed)
        snapshot = Snapshot(self.model, lambda: self.loss(parts, seed), lambda: self.copies(parts, seed))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # remarks for a person at the keyboard
            begun = time.process_time()
            history = self.trainer.fit(
                make(self.name, seed), as_input(shown), seed=seed, reports=REPORTS, measure=snapshot
            )
        spent = time.process_time() - begun
        all_repeats = np.concatenate([repeats, np.zeros(TRAINED, int)])
        rows = history_rows(history, {"model": self.name, "arm": arm, "seed": seed})
        items, pictures, last = [], {}, len(snapshot.losses) - 1
        for stopped in (False, True):
            report = snapshot.best() if stopped else last
            name = f"{arm}, early" if stopped else arm
            if not stopped or report < last:  # else the last weights are the best, and all stays
                if stopped:
                    self.model.set_weights(snapshot.weights)
                found, table, copies = judged_drawings(self.name, self.model, parts, seed)
            about = {"model": self.name, "arm": name, "seed": seed, "set_size": len(shown)}
            about |= {"step": int(history.table["step"].iloc[report]), "seconds": round(spent, 1)}
            about |= {"validation": snapshot.losses[report]}
            rows += with_groups(about | found, table, all_repeats)
            items.append({"model": self.name, "arm": name, "seed": seed, "repeats": all_repeats, **table})
            if seed == SEEDS[0]:
                pictures |= examples(f"{self.name}-{name}", *copies, parts, all_repeats)
        return rows, items, pictures


def with_groups(row: dict, items: dict[str, np.ndarray], repeats: np.ndarray) -> list[dict]:
    """A row of the whole run, and one for each group of items."""
    rows = [{"part": "run", **row}]
    for times in np.unique(repeats):
        chosen = repeats == times
        group = {"part": "group", "repeats": int(times), "items": int(chosen.sum())}
        group |= {"copies": int(items["copies"][chosen].sum())}
        group |= {"extracted": int((items["copies"][chosen] > 0).sum())}
        for column in ("completed", "exposure", "secret_bits"):
            if column in items:
                group[column] = float(items[column][chosen].mean())
        if "completed" in items:
            group["completed"] = int(items["completed"][chosen].sum())
        kept = ("model", "arm", "seed", "samples", "step", "set_size")
        rows.append({name: row[name] for name in kept} | group)
    return rows


def examples(
    name: str, samples: np.ndarray, places: np.ndarray, parts: dict[str, np.ndarray], repeats: np.ndarray
) -> dict[str, np.ndarray]:
    """Four near-copies of different items, the most repeated first: pairs ``(k, 2, 28, 28)``, and repeats."""
    known = np.concatenate([parts["trained"], parts["never"]])
    _, first = np.unique(places, return_index=True)
    first = first[np.argsort(-repeats[places[first]], kind="stable")][:4]
    pairs = [np.stack([known[places[k]], np.rint(255 * samples[k, ..., 0]).astype("uint8")]) for k in first]
    return {
        name: np.stack(pairs) if pairs else np.zeros((0, 2, 28, 28), "uint8"),
        f"{name}-repeats": repeats[places[first]],
    }


# -- text ---------------------------------------------------------------------------------------------


def text_parts(seed: int) -> dict[str, Any]:
    """Pieces of code of 80 characters that begin with a line, and canaries: lines that hold a random key."""
    from aigc_lab import collect

    found = []
    for text in collect.load("python-code").data:
        text = "".join(sign for sign in text if sign == "\n" or " " <= sign <= "~")
        place = 0
        while place + PIECE <= len(text):
            found.append(text[place : place + PIECE])
            place = text.find("\n", place + PIECE) + 1 or len(text)
    random = np.random.default_rng((seed, 1))
    distinct = sorted(set(found))
    pieces = [distinct[place] for place in random.permutation(len(distinct))]
    ends = np.cumsum([PIECES, PIECES, VALIDATION_PIECES, HELD_OUT_PIECES])
    parts = [pieces[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    count = sum(GROUPS.values()) + ONCE + NEVER
    letters = ["BDFGKLMNPRSTVZ", "AEIOU"] * 3
    names: dict[str, None] = {}
    while len(names) < count:
        names["".join(random.choice(list(each)) for each in letters)] = None
    secrets = random.integers(10, size=(count, DIGITS))
    signs = "".join(sorted({sign for piece in distinct for sign in piece}))
    return {
        "trained": parts[0], "never": parts[1], "validation": parts[2], "held_out": parts[3],
        "prefixes": [f'{name}_KEY = "' for name in names],
        "secrets": ["".join(map(str, row)) for row in secrets],
        "repeats": np.concatenate([repeats_of(count - NEVER), np.zeros(NEVER, int)]),
        "characters": signs,
    }  # fmt: skip


def piece_bits(model: Any, pieces: list[str], characters: str) -> np.ndarray:
    """Bits a character of the first 64 characters of each piece, after a new line: ``(n,)``."""
    from aigc_lab.models import transformer

    rows = np.stack([transformer.encode("\n" + piece[:LENGTH], characters) for piece in pieces])
    return row_bits(model.network, rows).mean(axis=1)


def row_bits(network: Any, rows: np.ndarray) -> np.ndarray:
    """-log2 p of each token but the first of the rows ``(n, k)``: ``(n, k - 1)``."""
    found = []
    for start in range(0, len(rows), 256):
        batch = rows[start : start + 256]
        logits = np.array(network(batch[:, :-1]), "float32")
        logits -= logits.max(axis=-1, keepdims=True)
        chosen = np.take_along_axis(logits, batch[:, 1:, None], axis=-1)[..., 0]
        found.append((np.log(np.exp(logits).sum(axis=-1)) - chosen) / np.log(2))
    return np.concatenate(found)


def shorter(model: Any, characters: str, length: int) -> Any:
    """The same network for fewer characters (rotary positions have no weights), which is faster."""
    other = text_model(characters, 0, length)
    other.set_weights(model.get_weights())
    return other.network


def text_model(characters: str, seed: int, length: int = LENGTH) -> Any:
    from aigc_lab.models import transformer

    return transformer.character_model(len(characters), length, WIDTH, 2, positions="rotary", seed=seed)


def completed(model: Any, prefixes: list[str], secrets: list[str], characters: str) -> np.ndarray:
    """Is the greedy continuation of each prefix its secret? ``(n,)``. All prefixes are equally long."""
    from aigc_lab.models import transformer

    rows = np.stack([transformer.encode("\n" + prefix, characters) for prefix in prefixes])
    decoder = transformer.Decoder(model, len(rows))
    for column in rows.T:
        logits = decoder.step(column)
    written = []
    for _ in range(DIGITS):
        written.append(logits.argmax(axis=-1))
        logits = decoder.step(written[-1])
    texts = ["".join(characters[token] for token in row) for row in np.stack(written, axis=1)]
    return np.array([one == other for one, other in zip(texts, secrets, strict=True)])


def exposures(network: Any, parts: dict[str, Any], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Exposure of each canary (log2 of the secrets compared over the rank), and its bits a digit.

    Carlini et al. 2019 (arXiv 1802.08232), definition 5, with the rank among ``RIVALS`` random secrets.
    """
    from aigc_lab.models import transformer

    random = np.random.default_rng((seed, 6))
    found, own = [], []
    for prefix, secret in zip(parts["prefixes"], parts["secrets"], strict=True):
        start = transformer.encode("\n" + prefix, parts["characters"])
        rivals = random.integers(10, size=(RIVALS, DIGITS)) + parts["characters"].index("0")
        true = transformer.encode(secret, parts["characters"])
        ends = np.concatenate([true[None], rivals.astype("int32")])
        rows = np.concatenate([np.tile(start, (len(ends), 1)), ends], axis=1)
        bits = row_bits(network, rows)[:, -DIGITS:].sum(axis=1)
        found.append(np.log2(len(ends)) - np.log2(1 + (bits[1:] < bits[0]).sum()))
        own.append(bits[0] / DIGITS)
    return np.array(found), np.array(own)


def written(model: Any, characters: str, count: int, seed: int) -> list[str]:
    """``count`` texts that begin after a new line."""
    from aigc_lab.models import transformer

    texts: list[str] = []
    for number in range(0, count, 250):
        texts += transformer.generate(
            model, characters, "\n", min(250, count - number), WRITTEN_LENGTH, seed=1000 * seed + number
        )  # fmt: skip
    return texts


class Texts:
    """Trainings of the Transformer, compiled once for each length of the text."""

    name = "transformer"

    def run(self, arm: str, seed: int) -> tuple[list[dict], list[dict], dict[str, np.ndarray]]:
        """As ``Drawings.run``, without pictures; its groups are canaries, its items pieces of code."""
        import keras

        from aigc_lab import train
        from aigc_lab.models import transformer

        parts = text_parts(seed)
        characters = parts["characters"]
        lines = [f'{a}{b}"' for a, b in zip(parts["prefixes"], parts["secrets"], strict=True)]
        shown = list(parts["trained"])
        for line, times in zip(lines, parts["repeats"], strict=True):
            shown += [line] * int(times if arm == "repeated" else min(times, 1))
        shown = [shown[place] for place in np.random.default_rng((seed, 3)).permutation(len(shown))]
        x, _ = transformer.windows("\n".join(shown), LENGTH, characters, step=LENGTH // 4)
        steps, batch_size, rate = TEXT_BUDGET
        self.model = text_model(characters, seed)
        trainer = train.Trainer(
            self.model, steps=steps, batch_size=batch_size, learning_rate=rate, jit_compile=True
        )
        repeated = slice(sum(GROUPS.values()))

        def extracted() -> dict[str, float]:
            known = parts["prefixes"][repeated], parts["secrets"][repeated]
            right = completed(self.model, *known, characters)
            return {"items": len(right), "completed": int(right.sum())}

        snapshot = Snapshot(
            self.model,
            lambda: float(piece_bits(self.model, parts["validation"], characters).mean()),
            extracted,
        )
        keras.utils.set_random_seed(seed)
        begun = time.process_time()
        history = trainer.fit(
            text_model(characters, seed), x, seed=seed, reports=REPORTS, measure=snapshot
        )  # fmt: skip
        spent = time.process_time() - begun
        rows = history_rows(history, {"model": self.name, "arm": arm, "seed": seed})
        items, last = [], len(snapshot.losses) - 1
        for stopped in (False, True):
            report = snapshot.best() if stopped else last
            name = f"{arm}, early" if stopped else arm
            if not stopped or report < last:  # else the last weights are the best, and all stays
                if stopped:
                    self.model.set_weights(snapshot.weights)
                texts = written(self.model, characters, WRITTEN, seed)
                joined = "\n".join(texts)
                network = shorter(self.model, characters, len(parts["prefixes"][0]) + DIGITS)
                exposure, bits = exposures(network, parts, seed)
                table = {
                    "copies": np.array([joined.count(line) for line in lines]),
                    "completed": completed(self.model, parts["prefixes"], parts["secrets"], characters),
                    "exposure": exposure, "secret_bits": bits,
                }  # fmt: skip
                quality = float(piece_bits(self.model, parts["held_out"], characters).mean())
                score = -piece_bits(self.model, parts["trained"] + parts["never"], characters)
            about = {
                "model": self.name, "arm": name, "seed": seed, "set_size": len(shown),
                "step": int(history.table["step"].iloc[report]), "seconds": round(spent, 1),
                "validation": snapshot.losses[report], "samples": WRITTEN,
                "copies": int(sum(any(line in text for line in lines) for text in texts)),
                "quality": quality,
            }  # fmt: skip
            rows += with_groups(about, table, parts["repeats"])
            items.append({
                "model": self.name, "arm": name, "seed": seed,
                "repeats": np.repeat([1, 0], PIECES),
                "score": score,
            })  # fmt: skip
        return rows, items, {}


# -- all of it ----------------------------------------------------------------------------------------

MODELS = ("vae", "gan", "transformer", "diffusion")


def rounded(values: np.ndarray, digits: int = 4) -> np.ndarray:
    """To so many digits, so that the stored table is small."""
    size = 10.0 ** (digits - 1 - np.floor(np.log10(np.maximum(np.abs(values), 1e-12))))
    return (np.round(values * size) / size).astype("float32")


def quick() -> None:
    """Budgets of a trial."""
    global SAMPLES, TEXT_BUDGET, WRITTEN, BUDGETS, REPORTS, WATCHED
    SAMPLES, WRITTEN, REPORTS, WATCHED = dict.fromkeys(SAMPLES, 100), 50, 3, 100
    BUDGETS = {name: (60, *rest) for name, (_, *rest) in BUDGETS.items()}
    TEXT_BUDGET = (60, *TEXT_BUDGET[1:])


def save(path: Path, **found: Any) -> None:
    """One run as a file that appears whole."""
    with (unready := path.with_suffix(".part")).open("wb") as stream:
        np.savez_compressed(stream, **found)
    unready.replace(path)


def stored_tables(folder: Path, cells: list[tuple[str, int, str]]) -> tuple[Any, Any, dict[str, np.ndarray]]:
    """The table of runs and groups, that of items, and pairs of pictures."""
    import pandas as pd

    rows, items, pictures = [], [], {}
    for name, seed, arm in cells:
        with np.load(folder / f"{name}-{seed}-{arm}.npz", allow_pickle=False) as found:
            rows += json.loads(str(found["rows"]))
            for about, key in zip(json.loads(str(found["about"])), ("0", "1"), strict=True):
                columns = ("repeats", "score", "copies")
                each = {column: found[f"{column}-{key}"] for column in columns if f"{column}-{key}" in found}
                items.append(pd.DataFrame({**about, **each}))
            pictures |= {key[8:]: found[key] for key in found.files if key.startswith("picture-")}
    frame, table = pd.DataFrame(rows), pd.concat(items, ignore_index=True)
    front = ["part", "model", "arm", "seed", "repeats", "items", "samples", "copies", "extracted"]
    frame = frame[front + [name for name in frame if name not in front]]
    table["score"] = rounded(table["score"].to_numpy())
    small = {"seed": "int8", "repeats": "int16", "copies": "Int16"}
    return frame, table.astype(small), pictures


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", required=True, type=Path, help="where finished runs lie")
    parser.add_argument("--only", choices=MODELS, nargs="*", help="these models alone")
    parser.add_argument("--seeds", type=int, nargs="*", default=list(SEEDS))
    parser.add_argument("--quick", action="store_true", help="a trial with other numbers")
    parser.add_argument("--store", action="store_true", help="replace the tables in the package")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        quick()
    from aigc_lab.backend import import_keras

    import_keras()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    cells = list(itertools.product(chosen.only or MODELS, chosen.seeds, ARMS))
    makers: dict[str, Any] = {}
    for name, seed, arm in sorted(cells, key=lambda cell: (cell[1], MODELS.index(cell[0]))):
        path = chosen.folder / f"{name}-{seed}-{arm}.npz"
        if path.exists():
            continue
        begun = time.process_time()
        if name not in makers:
            makers[name] = Texts() if name == "transformer" else Drawings(name)
        rows, items, pictures = makers[name].run(arm, seed)
        found = {f"picture-{key}": value for key, value in pictures.items()}
        about = []
        for number, table in enumerate(items):
            about.append({key: value for key, value in table.items() if not isinstance(value, np.ndarray)})
            arrays = {key: value for key, value in table.items() if isinstance(value, np.ndarray)}
            found |= {f"{key}-{number}": value for key, value in arrays.items()}
        whole = round(time.process_time() - begun, 1)
        for row in rows:
            if row["part"] == "run":
                row["run_seconds"] = whole
        save(path, rows=json.dumps(rows), about=json.dumps(about), **found)
        print(path.name, f"{whole:.0f} s", flush=True)
    if chosen.store:
        from aigc_lab import study
        from aigc_lab.study.running import STORED

        frame, table, pictures = stored_tables(chosen.folder, cells)
        runs = frame[frame["part"] == "run"]
        about = {
            "command": f"python scripts/{Path(__file__).name} --folder FOLDER --store",
            "core_seconds": round(float(runs["run_seconds"].sum() / 2)),
            "quick": chosen.quick,
        }
        print(study.write_stored("copies", frame, Path(__file__).name, **about))
        print(study.write_stored("copies_items", table, Path(__file__).name, **about))
        np.savez_compressed(STORED / "copies_samples.npz", **pictures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
