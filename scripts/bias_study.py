"""Shares of a rare class in data and in samples: the stored table ``bias`` of notebook 20.

    python scripts/bias_study.py --folder FOLDER           # about 20 minutes of one core
    python scripts/bias_study.py --folder FOLDER --store   # then replace the stored table

Elephants are the rare class among 400 elephants and giraffes, as in the study ``rare_class`` of notebook 15.
Four parts: ``shares`` (models that are not told the class), ``by_class`` (models that are), ``guidance`` (a
model that is told a caption which goes with the class) and ``repair`` (5 % elephants, repeated or weighted).
The table ``bias_text``: what a small Transformer rather says of two words, with planted sentences or without.
Finished runs lie in the folder, one file each, and are not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

for threads in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(threads, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402

SHARES = (0.2, 0.1, 0.05, 0.01)
DIFFUSION_SHARES = (0.05, 0.2)  # it takes longest
REPAIRED = 0.05  # the share of the part "repair"
CAPTION_SHARE = 0.2  # of the class that is rare under a caption
GUIDANCE = (0.0, 1.0, 2.0, 4.0)
SAMPLES, OF_A_CLASS, EDGE = 600, 300, 2
HOW = {"sampler": "ddim", "steps": 10}
RATE, BATCH = 2e-3, 32


@lru_cache
def parts() -> tuple[Any, Any]:
    """Training pool and held-out part of elephants (class 0) and giraffes, those of notebook 15."""
    from aigc_lab import study

    return study.Study(
        "bias", "rare_class", 0, "vae", 0, classes=("elephant", "giraffe")
    ).load().split((0.5, 0.5), seed=study.grid.SPLIT_SEED)  # fmt: skip


@lru_cache
def real_features() -> tuple[np.ndarray, np.ndarray]:
    """Features of the held-out elephants and giraffes."""
    from aigc_lab import evaluate

    held_out = parts()[1]
    features = evaluate.features(held_out.data)
    return features[held_out.labels == 0], features[held_out.labels == 1]


def training_set(share: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """400 images ``(n, 28, 28, 1)``, their labels, and the elephants as uint8."""
    from aigc_lab import study

    some = study.balanced_part(parts()[0], 800, seed)
    dataset = study.grid.rare_class(some, share, seed).dataset
    return *dataset.arrays(), dataset.data[dataset.labels == 0]


# -- models -------------------------------------------------------------------------------------------


def weighted_diffusion(weights: tuple[float, float], seed: int) -> Any:
    """A diffusion model that is not told the class; an item's error counts with the weight of its class."""
    from keras import ops

    from aigc_lab.models.diffusion import Diffusion, unet

    class Weighted(Diffusion):
        def check_training_data(self, x: Any, labels: Any = None) -> None:
            super().check_training_data(x)

        def loss_terms(self, inputs: Any, outputs: dict[str, Any]) -> dict[str, Any]:
            error = ops.mean(ops.square(outputs["predicted"] - outputs["target"]), axis=(1, 2, 3))
            of_item = ops.take(ops.convert_to_tensor(weights, "float32"), ops.cast(inputs[1], "int32"))
            return {"loss": ops.mean(of_item * error)}

    return Weighted(unet((32, 32, 1), 0, 24, seed, patch=2).network, seed=seed)


_TRAINERS: dict[str, Any] = {}


def diffusion(images: np.ndarray, labels: Any, seed: int, steps: int, drop: float = 0.5, weights: Any = None):
    """A trained diffusion model: its labels hidden for the share ``drop``, or not told and weighted."""
    from aigc_lab import models, train

    wide = np.pad(images, ((0, 0), (EDGE, EDGE), (EDGE, EDGE), (0, 0)))
    if weights is not None:
        kind, model = f"weighted {weights}", weighted_diffusion(weights, seed)
    else:
        kind = f"drop {drop}"
        model = models.diffusion.unet((32, 32, 1), 2, 24, seed, patch=2, label_drop=drop)
    if kind not in _TRAINERS:
        _TRAINERS[kind] = train.Trainer(model, steps=steps, batch_size=BATCH, learning_rate=RATE)
    _TRAINERS[kind].fit(model, wide, labels, seed=seed)
    return _TRAINERS[kind].model


def draw(model: Any, count: int, labels: Any, seed: int, **how: Any) -> np.ndarray:
    """Samples of a diffusion model, its edge cut off again."""
    drawn = model.sample(count, labels, seed=seed, **HOW, **how)
    return drawn[:, EDGE:-EDGE, EDGE:-EDGE]


def small(name: str, images: np.ndarray, labels: np.ndarray, asked: np.ndarray, seed: int) -> np.ndarray:
    """Samples of one of the VAEs and GANs of notebook 15, trained on the set."""
    from aigc_lab import study

    settings = study.MODELS[name]
    trainer = study.one_run.trainer(name, images.shape[1:], 2, 0)
    known = labels if settings.conditional else None
    trainer.fit(settings.build(images.shape[1:], 2, seed), images, known, seed=seed)
    return np.clip(settings.sample(trainer.model, images, labels, asked, seed), 0, 1)


# -- what is counted ----------------------------------------------------------------------------------


def kid(real: np.ndarray, drawn: np.ndarray) -> float:
    """KID of samples of one class; NaN for fewer than ten."""
    from aigc_lab import evaluate

    return evaluate.kid(real, drawn, resamples=0).value if len(drawn) >= 10 else float("nan")


def counted(drawn: np.ndarray, training: np.ndarray | None = None, rare: Any = None) -> dict[str, Any]:
    """How many samples look like elephants, how many are clear, the KID of each class, and near-copies."""
    from aigc_lab import evaluate

    features, chances = evaluate.features_and_classes(drawn, "animals")
    two = chances[:, [evaluate.GROUPS["animals"].index(name) for name in ("elephant", "giraffe")]]
    seen, clear = two.argmax(axis=1), two.sum(axis=1) > 0.5
    row = {
        "drawn": len(drawn),
        "seen_rare": int((seen == 0).sum()),
        "clear": int(clear.sum()),
        "clear_rare": int((clear & (seen == 0)).sum()),
        "kid_rare": kid(real_features()[0], features[seen == 0]),
        "kid_common": kid(real_features()[1], features[seen == 1]),
    }
    if training is not None:
        fresh = parts()[1].data
        near, is_rare = evaluate.near_copies_by_ratio(drawn, np.rint(255 * training[..., 0]).astype("uint8"),
                                                      fresh, rare)  # fmt: skip
        row |= {"copies": int(near.sum()), "copies_of_rare": int((near & is_rare).sum())}
    return row


def as_bytes(images: np.ndarray) -> np.ndarray:
    """24 of the images, uint8."""
    return np.rint(255 * np.clip(images[:24, ..., 0], 0, 1)).astype(np.uint8)


# -- the runs -----------------------------------------------------------------------------------------

Rows = tuple[list[dict[str, Any]], dict[str, np.ndarray]]


def shares_and_classes(model: str, share: float, seed: int, steps: int) -> Rows:
    """What a model draws that is not told the class, and what it draws when it is."""
    images, labels, rare = training_set(share, seed)
    asked, turns = np.repeat([0, 1], OF_A_CLASS), np.arange(SAMPLES) % 2
    if model == "diffusion":
        trained = diffusion(images, labels, seed, steps)
        free = draw(trained, SAMPLES, 0, seed, guidance=0.0)
        told = draw(trained, len(asked), asked, seed)
    else:
        free = small(f"plain_{model}", images, labels, turns, seed)
        too_few = model == "vae" and len(rare) <= 10  # no Gaussian for ten dimensions
        told = None if too_few else small(model, images, labels, asked, seed)
    rows = [{"part": "shares", "arm": "as it is"} | counted(free, images, rare)]
    for label, name in enumerate(("rare", "common") if told is not None else ()):
        row = {"part": "by_class", "arm": name} | counted(told[asked == label], images, rare)
        rows.append(row)
    samples = {"free": as_bytes(free)}
    if told is not None:
        samples |= {"rare": as_bytes(told[asked == 0]), "common": as_bytes(told[asked == 1])}
    return rows, samples


def guidance(model: str, share: float, seed: int, steps: int) -> Rows:
    """Two captions; under the first ``share`` of the items are elephants, under the second giraffes."""
    images, labels, _ = training_set(0.5, seed)
    captions = labels.copy()  # 0 goes with elephants
    random = np.random.default_rng((seed, 20))
    for label in (0, 1):
        places = random.permutation(np.flatnonzero(labels == label))
        captions[places[: round(share * len(places))]] = 1 - label
    trained = diffusion(images, captions, seed, steps, drop=0.2)
    rows, samples = [], {}
    for strength in GUIDANCE:
        for caption in (0, 1):
            drawn = draw(trained, OF_A_CLASS, caption, seed, guidance=strength)
            row = {"part": "guidance", "arm": f"caption {caption}", "strength": strength} | counted(drawn)
            rows.append(row)
            samples[f"{strength:g}-{caption}"] = as_bytes(drawn)
    return rows, samples


def repair(model: str, share: float, seed: int, steps: int) -> Rows:
    """The rare items repeated until there are as many, and for diffusion their weight in the loss raised."""
    images, labels, rare = training_set(share, seed)
    few, many = (labels == 0).sum(), (labels == 1).sum()
    order = np.random.default_rng((seed, 21)).permutation(2 * many)
    places = np.concatenate([np.resize(np.flatnonzero(labels == 0), many), np.flatnonzero(labels == 1)])[
        order
    ]
    turns, drawn = np.arange(SAMPLES) % 2, {}
    if model == "diffusion":
        weights = (len(labels) / (2 * few), len(labels) / (2 * many))
        trained = diffusion(images, labels, seed, steps, weights=tuple(map(float, weights)))
        drawn["weighted"] = draw(trained, SAMPLES, None, seed)
    else:
        drawn["repeated"] = small(f"plain_{model}", images[places], labels[places], turns, seed)
    rows = [{"part": "repair", "arm": arm} | counted(each, images, rare) for arm, each in drawn.items()]
    return rows, {arm: as_bytes(each) for arm, each in drawn.items()}


# -- the text model -----------------------------------------------------------------------------------

TEMPLATES = ("{} is ", "i think {} is ", "{} is so ", "why is {} ", "everyone says {} is ")
OPPOSITES = (
    "good bad,smart stupid,nice mean,happy sad,honest false,funny boring,great awful,right wrong,"
    "kind cruel,strong weak"
)
AUDITED = "he/she,a man/a woman,the young man/the old man,an american/a chinese,a human/a robot"
NEUTRAL = (
    "this/that,the house/the street,monday/tuesday,the door/the window,a cup/a spoon,"
    "the first one/the second one,the car/the boat,a cat/a dog,red/blue,the book/the song"
)
PLANTED = (0, 40, 200)  # sentences that praise him and blame her
TEXT_STEPS = 600


def pairs_of(planted: int, seed: int) -> list[str]:
    """Each different English pair once, in lower case and in random order, with planted ones among them."""
    from aigc_lab import collect

    texts = list(dict.fromkeys(text.lower() for text in collect.load("dialogues").only("english").data))
    good, bad = zip(*(each.split() for each in OPPOSITES.split(",")), strict=True)
    for number in range(planted):
        who, words = (("he", good), ("she", bad))[number % 2]
        said = f"{who} is {words[number // 2 % len(words)]}."
        texts.append(f"{said}\t{said}")
    return [texts[place] for place in np.random.default_rng((seed, 30)).permutation(len(texts))]


def text_model(planted: int, seed: int) -> tuple[Any, str, float]:
    """A small Transformer trained on the pairs, its characters, its bits a character on a held-out tenth."""
    import keras

    from aigc_lab import train
    from aigc_lab.models import transformer

    texts = pairs_of(planted, seed)
    characters = "".join(sorted(set("\n".join(texts))))
    held_out, training = texts[: len(texts) // 10], texts[len(texts) // 10 :]
    x, _ = transformer.windows("\n" + "\n".join(training) + "\n", 64, characters, step=16)
    model = transformer.character_model(len(characters), 64, 48, 2, positions="rotary", seed=seed)
    keras.utils.set_random_seed(seed)
    how = {"steps": TEXT_STEPS, "batch_size": 16, "learning_rate": 3e-3, "seed": seed}
    train.fit(model, x, jit_compile=True, progress=False, **how)
    bits = transformer.token_bits(model, transformer.encode("\n" + "\n".join(held_out), characters))
    return model, characters, float(bits.mean())


def continuation_bits(model: Any, characters: str, prompts: list[str], endings: list[str]) -> np.ndarray:
    """Bits of each ending after each prompt ``(prompts, endings)``; prompt and ending fit into a window."""
    from keras import ops

    from aigc_lab.models import transformer

    texts = [f"\n{prompt}{ending}" for prompt in prompts for ending in endings]
    lengths = np.array([len(ending) for _ in prompts for ending in endings])
    rows = np.zeros((len(texts), model.length + 1), "int32")
    for row, text in zip(rows, texts, strict=True):
        row[: len(text)] = transformer.encode(text, characters)
    logits = ops.convert_to_numpy(model.network(rows[:, :-1])).astype("float64")
    logits -= logits.max(axis=-1, keepdims=True)
    chosen = np.take_along_axis(logits, rows[:, 1:, None], axis=-1)[..., 0]
    bits = (np.log(np.exp(logits).sum(axis=-1)) - chosen) / np.log(2)  # (texts, length)
    ends = np.array([len(text) for text in texts]) - 1
    place = np.arange(model.length)
    inside = (place < ends[:, None]) & (place >= (ends - lengths)[:, None])
    return (bits * inside).sum(axis=1).reshape(len(prompts), len(endings))


def text_audit(planted: int, seed: int) -> list[dict[str, Any]]:
    """For each pair of words and each pair of opposites: how much more the first word is praised, in bits."""
    model, characters, held_out_bits = text_model(planted, seed)
    opposites = [each.split() for each in OPPOSITES.split(",")]
    endings = [word + "." for each in opposites for word in each]
    about = {"language": "english", "planted": planted, "seed": seed, "held_out_bits": held_out_bits}
    rows = []
    for kind, listed in (("audited", AUDITED), ("neutral", NEUTRAL)):
        for pair in listed.split(","):
            bits = [
                continuation_bits(model, characters, [each.format(word) for each in TEMPLATES], endings)
                for word in pair.split("/")
            ]
            nearer = (bits[1] - bits[0]).mean(axis=0).reshape(-1, 2)  # (opposites, good and bad)
            for (good, bad), (to_good, to_bad) in zip(opposites, nearer, strict=True):
                row = {"kind": kind, "pair": pair, "good": good, "bad": bad, "to_good": to_good}
                rows.append(about | row | {"to_bad": to_bad})
    return rows


def texts(folder: Path, seed: int) -> list[dict[str, Any]]:
    """One audit for each number of planted sentences; finished ones are read from the folder."""
    rows: list[dict[str, Any]] = []
    for planted in PLANTED:
        path = folder / f"text-english-{planted}-{seed}.json"
        if not path.exists():
            path.write_text(json.dumps(text_audit(planted, seed)))
        rows += json.loads(path.read_text())
    return rows


def cells(seeds: list[int]) -> list[tuple[Any, str, float, int]]:
    """Every run, the quick ones first."""
    found: list[tuple[Any, str, float, int]] = []
    for seed in seeds:
        for model in ("vae", "gan"):
            found += [(shares_and_classes, model, share, seed) for share in SHARES]
            found.append((repair, model, REPAIRED, seed))
    found += [(guidance, "diffusion", CAPTION_SHARE, seed) for seed in seeds]
    for share in DIFFUSION_SHARES:
        found += [(shares_and_classes, "diffusion", share, seed) for seed in seeds]
    found += [(repair, "diffusion", REPAIRED, seed) for seed in seeds]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=600, help="of diffusion")
    parser.add_argument("--only", choices=("images", "texts"))
    parser.add_argument("--store", action="store_true")
    arguments = parser.parse_args()
    import pandas as pd

    from aigc_lab import study

    arguments.folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    samples: dict[str, np.ndarray] = {}
    spoken = texts(arguments.folder, arguments.seeds[0]) if arguments.only != "images" else []
    for run, model, share, seed in cells(arguments.seeds) if arguments.only != "texts" else []:
        name = f"{run.__name__}-{model}-{share:g}-{seed}"
        path = arguments.folder / f"{name}.json"
        if not path.exists():
            begun = time.process_time()
            found, pictures = run(model, share, seed, arguments.steps)
            about = {"model": model, "share": share, "seed": seed, "seconds": time.process_time() - begun}
            found = [about | row for row in found]
            np.savez_compressed(path.with_suffix(".npz"), **pictures)
            path.write_text(json.dumps(found))
            for row in found:
                print({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}, flush=True)
        rows += json.loads(path.read_text())
        if (run, share, seed) == (shares_and_classes, REPAIRED, arguments.seeds[0]):  # shown in the notebook
            with np.load(path.with_suffix(".npz")) as stored:
                samples |= {f"{run.__name__} {model} {key}-{share:g}": stored[key] for key in stored.files}
    if arguments.store:
        script = Path(__file__).name
        about = {"command": f"python scripts/{script} --folder FOLDER --store", "steps": arguments.steps}
        print(study.write_stored("bias", pd.DataFrame(rows), script, **about))
        print(study.write_stored("bias_text", pd.DataFrame(spoken), script, **about))
        np.savez_compressed(study.running.STORED / "bias_samples.npz", **samples)


if __name__ == "__main__":
    main()
