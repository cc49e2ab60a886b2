"""What notebook 29 reads: pictures and texts by stored models, and generations that feed on each other.

    python scripts/provenance_study.py --only provenance --store             # about 3 minutes of one core
    python scripts/provenance_study.py --only provenance_feedback --store    # about 8 minutes

Pictures of cats by three families of model, each sampled as its own notebook teaches; texts by two stored
Transformers (at two temperatures, and with top-p) and by a counting model, in two languages. A text has its
first characters cut off, so that it begins anywhere, as a piece of a human text does. No person's text and no
person's drawing is stored.

Generations: a counting model of characters is trained on fresh human documents and on documents of the model
before it, with the mark of ``aigc_lab.watermark`` or without, filtered or not. The notebook shows the code.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

for threads in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(threads, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402

TABLES = ("provenance", "provenance_feedback")
PICTURES, CAT = 700, 2  # of each model; the class number among the six of quickdraw
TEXTS, CUT = 400, 60  # of each writer; characters that are cut off at the start
LENGTHS = {"English": 240, "Chinese": 120}  # characters of a text
NAMES = {"English": "shakespeare_transformer", "Chinese": "three_kingdoms_transformer"}
WRITERS: dict[str, dict[str, float]] = {
    "Transformer, T = 1": {},
    "Transformer, T = 0.7": {"temperature": 0.7},
    "Transformer, top-p 0.8": {"top_p": 0.8},
}


def pictures() -> dict[str, np.ndarray]:
    """Cats by each model, ``uint8 (700, 28, 28)``."""
    from aigc_lab import collect, evaluate
    from aigc_lab.models import stored, vae

    images, labels = collect.load("quickdraw").split((0.7, 0.1, 0.2), seed=0)[0].arrays()
    drawn_vae = stored.load("drawings_vae")
    codes = vae.LatentMixture.fit(drawn_vae, images[labels == CAT][:1000], seed=0)
    drawn = {"vae": drawn_vae.decode(codes.sample(PICTURES, seed=0)[0])}
    # This GAN is not asked for a class: those that the classifier of the course takes for cats are kept.
    unasked = stored.load("drawings_gan").sample(9 * PICTURES, seed=0)
    named = evaluate.classify(unasked, "quickdraw").argmax(axis=1)
    drawn["gan"] = unasked[named == CAT][:PICTURES]
    model = stored.load("drawings_diffusion")
    parts = [model.sample(100, CAT, seed=run, steps=20, sampler="heun") for run in range(PICTURES // 100)]
    drawn["diffusion"] = np.concatenate(parts)
    return {name: np.rint(255 * some[..., 0]).astype("uint8") for name, some in drawn.items()}


def human_training(language: str) -> str:
    """The text that the stored Transformer of this language was trained on, as in notebook 16."""
    from aigc_lab import collect

    if language == "English":
        plays = "\n".join(collect.load("tiny-shakespeare").data)
        return plays[: int(0.9 * len(plays))]
    chapters = collect.load("three-kingdoms").data
    training = "\n" + "\n".join(c for n, c in enumerate(chapters, 1) if n % 10 and n % 5 != 3)
    rare = {sign for sign in set(training) if training.count(sign) < 6}
    return "".join("□" if sign in rare else sign for sign in training)


def texts() -> list[dict[str, Any]]:
    """One row a text: language, writer, text."""
    from aigc_lab.evaluate import CharacterNgram
    from aigc_lab.models import stored, transformer

    rows = []
    for language, name in NAMES.items():
        model, characters = stored.load(name), stored.about(name)["characters"]
        longest = LENGTHS[language] + CUT
        written = {
            writer: transformer.generate(
                model, characters, count=TEXTS, longest=longest, seed=number, **options
            )
            for number, (writer, options) in enumerate(WRITERS.items())
        }
        counter = CharacterNgram([human_training(language)], order=5)
        long = ""
        for number in range(50):  # a text that finds no end is cut; ends are rare, as it read one long text
            long += "".join(counter.write(4, longest=20_000, seed=number))
            if len(long) >= TEXTS * longest:
                break
        written["counting, 5-gram"] = [long[n * longest :][:longest] for n in range(TEXTS)]
        rows += [
            {"language": language, "writer": writer, "text": text[CUT:]}
            for writer, some in written.items()
            for text in some
        ]
    return rows


LENGTH, HUMANS, SHARE = (
    200,
    200,
    0.75,
)  # characters a document; fresh human ones a generation; share generated
GENERATIONS, SEEDS, TOP_P, STRENGTH, KEY = 5, range(5), 0.8, 2.0, "notebook 29"
JUDGED = 300  # held-out human documents, and samples of each model
# arm: top-p, strength of the mark, false alarms of the filter (0: none), share of writers that mark, share of
# words that are replaced before the filter sees them
ARMS = {
    "generated dropped": (0.8, 0.0, 0.0, 0.0, 0.0),
    "no filter": (0.8, 0.0, 0.0, 0.0, 0.0),
    "marked, no filter": (0.8, STRENGTH, 0.0, 1.0, 0.0),
    "marked, filter at 1%": (0.8, STRENGTH, 0.01, 1.0, 0.0),
    "marked, filter at 20%": (0.8, STRENGTH, 0.20, 1.0, 0.0),
    "half of them marked, filter at 1%": (0.8, STRENGTH, 0.01, 0.5, 0.0),
    "marked and edited, filter at 1%": (0.8, STRENGTH, 0.01, 1.0, 0.6),
    "no filter, top-p 1": (1.0, 0.0, 0.0, 0.0, 0.0),
    "generated dropped, top-p 1": (1.0, 0.0, 0.0, 0.0, 0.0),
}


class CountingModel:
    """Characters counted after the 0, 1, 2 and 3 before them, mixed as Witten and Bell (1991) do.

    Args:
        documents: numbers of characters ``(n, length)``; size: of the alphabet.
    """

    def __init__(self, documents: np.ndarray, size: int, order: int = 4) -> None:
        self.size, self.order, self.counts = size, order, []
        for before in range(order):
            place = np.zeros((len(documents), documents.shape[1] - before), np.int64)
            for shift in range(before + 1):
                place = place * size + documents[:, shift : documents.shape[1] - before + shift]
            counted = np.bincount(place.ravel(), minlength=size ** (before + 1))
            self.counts.append(counted.reshape(-1, size).astype("float32"))

    def chances(self, context: np.ndarray) -> np.ndarray:
        """The next character's chances ``(n, size)`` after the last three characters ``(n, 3)``."""
        chance = np.full((len(context), self.size), 1 / self.size)
        for before, counted in enumerate(self.counts):
            place = np.zeros(len(context), np.int64)
            for each in context[:, context.shape[1] - before :].T:
                place = place * self.size + each
            seen = counted[place]  # (n, size)
            kinds = np.maximum((seen > 0).sum(axis=1, keepdims=True), 1)
            chance = (seen + kinds * chance) / (seen.sum(axis=1, keepdims=True) + kinds)
        return chance

    def bits(self, documents: np.ndarray) -> float:
        """Mean -log2 of the chance of each character of ``documents`` but the first three of each."""
        windows = np.lib.stride_tricks.sliding_window_view(documents, self.order, axis=1)
        windows = windows.reshape(-1, self.order)  # (n, length - 3, 4) -> (rows, 4)
        rows = np.arange(len(windows))
        return float(-np.log2(self.chances(windows[:, :-1])[rows, windows[:, -1]]).mean())

    def write(self, count: int, length: int, dice: np.random.Generator, top_p: float, bias: Any = 0):
        """Documents ``(count, length)``, each character from the likeliest that together have ``top_p``.

        ``bias`` ``(size, size)`` is added to the logarithms of the chances, by the character before.
        """
        context = np.zeros((count, self.order - 1), np.int64)
        written = np.empty((count, length), np.int64)
        for place in range(-30, length):  # the first 30 are thrown away: a document begins anywhere
            chance = self.chances(context) * np.exp(np.asarray(bias)[context[:, -1]] if np.ndim(bias) else 0)
            chance /= chance.sum(axis=1, keepdims=True)
            if top_p < 1:
                ordered = -np.sort(-chance, axis=1)
                needed = (ordered.cumsum(axis=1) - ordered < top_p).sum(axis=1)  # how many are enough
                chance[chance < ordered[np.arange(count), needed - 1][:, None]] = 0
            steps = chance.cumsum(axis=1)
            chosen = (steps > dice.random((count, 1)) * steps[:, -1:]).argmax(axis=1)
            context = np.concatenate([context[:, 1:], chosen[:, None]], axis=1)
            if place >= 0:
                written[:, place] = chosen
        return written


def mark_scores(documents: np.ndarray, is_green: np.ndarray) -> np.ndarray:
    """z of each document ``(n,)``, each pair of neighbours counted once, as ``watermark.text_score``."""
    size, found = len(is_green), []
    for document in documents:
        pairs = np.unique(document[:-1] * size + document[1:])
        green = is_green.ravel()[pairs].sum()
        found.append((green - len(pairs) / 2) / np.sqrt(len(pairs) / 4))
    return np.array(found)


def different(documents: np.ndarray, length: int = 5) -> float:
    """The share of different ones among all runs of five characters."""
    runs = np.lib.stride_tricks.sliding_window_view(documents, length, axis=1).reshape(-1, length)
    return len(np.unique(runs, axis=0)) / len(runs)


def edited(documents: np.ndarray, other: np.ndarray, share: float, space: int, dice: Any) -> np.ndarray:
    """Documents in which a share of the words is replaced by words of another text, cut to their length."""
    words = [word for word in np.split(other, np.flatnonzero(other == space) + 1) if len(word) > 1]
    changed = np.empty_like(documents)
    for number, document in enumerate(documents):
        parts = np.split(document, np.flatnonzero(document == space) + 1)
        replaced = [words[dice.integers(len(words))] if dice.random() < share else part for part in parts]
        row = np.concatenate([*replaced, *(words[n] for n in dice.integers(0, len(words), 60))])
        changed[number] = row[: documents.shape[1]]
    return changed


def one_arm(arm: str, seed: int, train: np.ndarray, held: np.ndarray, is_green: np.ndarray, space: int):
    """All generations of one arm and one seed: a row each."""
    top_p, strength, alarms, marking, changed = ARMS[arm]
    size, bias = len(is_green), strength * is_green
    dice = np.random.default_rng(100 + seed)

    def pieces(source: np.ndarray, count: int, generator: Any) -> np.ndarray:
        return source[generator.integers(0, len(source) - LENGTH, count)[:, None] + np.arange(LENGTH)]

    judged = pieces(held, JUDGED, np.random.default_rng(1))
    watched = pieces(train[: len(train) // 4], 2000, np.random.default_rng(2))  # sets the threshold
    pool = train[len(train) // 4 :]
    threshold = np.quantile(mark_scores(watched, is_green), 1 - alarms) if alarms else np.inf
    human_dice, rows, model = np.random.default_rng(seed), [], None
    for generation in range(GENERATIONS + 1):
        human = pieces(pool, HUMANS, human_dice)  # the same in each arm
        web = np.empty((0, LENGTH), np.int64)
        if model is not None:
            count = round(HUMANS * SHARE / (1 - SHARE))
            marks = round(count * marking)
            web = model.write(marks, LENGTH, dice, top_p, bias) if marks else web
            if changed:
                rewriter = model.write(100, LENGTH, dice, top_p).ravel()  # the same model without its mark
                web = edited(web, rewriter, changed, space, dice)
            if marks < count:
                web = np.concatenate([web, model.write(count - marks, LENGTH, dice, top_p)])
            if arm.startswith("generated dropped"):
                web = web[:0]
        kept_human = human[mark_scores(human, is_green) <= threshold]
        kept_web = web[mark_scores(web, is_green) <= threshold] if len(web) else web
        model = CountingModel(np.concatenate([kept_human, kept_web]), size)
        samples = model.write(JUDGED, LENGTH, dice, top_p)  # without a mark
        at_one = np.quantile(mark_scores(watched, is_green), 0.99)
        rows.append({
            "arm": arm, "seed": seed, "generation": generation, "bits": model.bits(judged),
            "different": different(samples), "human_dropped": 1 - len(kept_human) / HUMANS,
            "generated_dropped": 1 - len(kept_web) / len(web) if len(web) else np.nan,
            "found_without_mark": float((mark_scores(samples, is_green) > at_one).mean()),
        })  # fmt: skip
    return rows


def feedback() -> list[dict[str, Any]]:
    """All arms and seeds."""
    from aigc_lab import collect, watermark

    text = "\n".join(collect.load("tiny-shakespeare").data)
    characters = sorted(set(text))
    codes = watermark.numbers("".join(characters))
    is_green = watermark.green(codes[:, None], codes[None, :], KEY)
    number = {character: place for place, character in enumerate(characters)}
    tokens = np.array([number[character] for character in text])
    train, held = np.split(tokens, [int(0.9 * len(tokens))])
    rows = []
    for arm in ARMS:
        for seed in SEEDS:
            rows += one_arm(arm, seed, train, held, is_green, number[" "])
        print(arm, *(f"{row['bits']:.3f}/{row['different']:.3f}/{row['generated_dropped']:.2f}" for row in
                     rows[-GENERATIONS - 1 :]), flush=True)  # fmt: skip
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--only", choices=("provenance", "provenance_feedback"), nargs="*", help="these alone"
    )
    parser.add_argument("--store", action="store_true", help="replace table and pictures in the package")
    arguments = parser.parse_args()
    from aigc_lab.backend import import_keras

    import_keras()
    import pandas as pd

    from aigc_lab import study
    from aigc_lab.study import running

    for name in arguments.only or TABLES:
        begun = time.process_time()
        drawn = pictures() if name == "provenance" else {}
        frame = pd.DataFrame(texts() if drawn else feedback())
        about = {
            "command": f"python scripts/{Path(__file__).name} --only {name} --store",
            "core_seconds": round(time.process_time() - begun),
            "data": "tiny-shakespeare and three-kingdoms (public domain texts); pictures, in "
            "provenance_samples.npz, by models of quickdraw (CC BY 4.0)"
            if drawn
            else "tiny-shakespeare (public domain text), nine tenths; scored on the rest",
        }
        if arguments.store:
            print(study.write_stored(name, frame, Path(__file__).name, **about))
        if arguments.store and drawn:
            arrays = {f"{model}-0": some for model, some in drawn.items()}  # for study.stored_samples
            np.savez_compressed(running.STORED / "provenance_samples.npz", **arrays)
        print(name, f"{time.process_time() - begun:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
