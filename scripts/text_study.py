"""What decides how well a small Transformer predicts text: the stored table ``text`` of notebook 11.

    python scripts/text_study.py --folder FOLDER                  # all parts, about 25 minutes of one core
    python scripts/text_study.py --folder FOLDER --only defects   # one of them
    python scripts/text_study.py --folder FOLDER --store          # then replace the stored table

All train on tiny-shakespeare and are scored in bits a character on the first 20,000 characters of its last
tenth. Models that differ in one thing only share text, first weights and order of the windows (the seed).
Finished parts lie in the folder, one file for each seed, and are not run again.
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
LENGTH, BATCH, RATE, SCORED = 64, 16, 3e-3, 20_000  # SCORED: held-out characters
WIDTHS, WIDTH, STEPS = (16, 24, 32, 48, 64, 96, 128), 64, 1_200
BUDGETS = (125, 250, 500, 1_000, 2_000, 4_000)  # steps
AMOUNTS = (10_000, 30_000, 100_000, 300_000, 0)  # training characters; 0 for all
DOSES, DOSED_CHARACTERS, DOSED_STEPS = (0.1, 0.25, 0.5, 0.75), 200_000, 800
PIECE, REPEATED_PIECES = 500, 10
TIMES, PASSAGE, GIVEN, PASSAGES = (0, 1, 4, 16, 64, 256), 150, 20, 3  # PASSAGES: for each number of times
MEMORY_CHARACTERS, MEMORY_STEPS = 300_000, 2_000


def texts() -> tuple[str, str, str]:
    """The first nine tenths of tiny-shakespeare, the rest, and the characters of both."""
    from aigc_lab import collect

    text = "\n".join(collect.load("tiny-shakespeare").data)
    place = int(0.9 * len(text))
    return text[:place], text[place:], "".join(sorted(set(text)))


def small_model(characters: str, width: int = WIDTH, seed: int = 0) -> Any:
    """Two blocks with rotary positions on windows of 64 characters."""
    from aigc_lab.models import transformer

    return transformer.character_model(len(characters), LENGTH, width, 2, positions="rotary", seed=seed)


def windows_of(text: str, characters: str, count: int = 0) -> np.ndarray:
    """Windows that start 16 characters apart; ``count`` of them, if need be several times the same."""
    from aigc_lab.models import transformer

    found, _ = transformer.windows(text, LENGTH, characters, step=LENGTH // 4)
    return found[np.arange(count or len(found)) % len(found)]


class Runs:
    """Trainings of one architecture and length, compiled once."""

    def __init__(self, characters: str, held_out: str, width: int = WIDTH, steps: int = STEPS) -> None:
        from aigc_lab import train
        from aigc_lab.models import transformer

        self.characters, self.width = characters, width
        self.scored = transformer.encode(held_out[:SCORED], characters)
        self.model = small_model(characters, width)
        self.trainer = train.Trainer(
            self.model, steps=steps, batch_size=BATCH, learning_rate=RATE, jit_compile=True
        )

    def bits(self, tokens: np.ndarray | None = None) -> float:
        """Bits a character of the trained model, on the held-out text if nothing else is given."""
        from aigc_lab.models import transformer

        scored = self.scored if tokens is None else tokens
        return float(transformer.token_bits(self.model, scored).mean())

    def run(self, x: np.ndarray, seed: int, **how: Any) -> Any:
        """One training; what is left in ``self.model`` is the trained model."""
        import keras

        keras.utils.set_random_seed(seed)
        return self.trainer.fit(small_model(self.characters, self.width, seed), x, seed=seed, **how)


# -- scaling ------------------------------------------------------------------------------------------


def parameters(seed: int) -> list[dict[str, Any]]:
    """Seven widths, the same number of steps, all of the text."""
    training, held_out, characters = texts()
    x, rows = windows_of(training, characters), []
    for width in WIDTHS:
        runs = Runs(characters, held_out, width)
        runs.run(x, seed)
        count = runs.model.network.count_params()
        rows.append({"kind": "width", "amount": count, "bits": runs.bits()})
    return rows


def steps(seed: int) -> list[dict[str, Any]]:
    """Six lengths of training, each with its own falling learning rate."""
    training, held_out, characters = texts()
    x, rows = windows_of(training, characters), []
    for budget in BUDGETS:
        runs = Runs(characters, held_out, steps=budget)
        runs.run(x, seed)
        rows.append({"kind": "steps", "amount": budget, "bits": runs.bits()})
    return rows


def data(seed: int) -> list[dict[str, Any]]:
    """Five amounts of text, the same number of steps; stopped where other held-out text is predicted best."""
    from aigc_lab.models import transformer

    training, held_out, characters = texts()
    other = transformer.encode(held_out[SCORED : SCORED + 5_000], characters)
    count, rows = len(windows_of(training, characters)), []
    runs = Runs(characters, held_out)
    for amount in (each or len(training) for each in AMOUNTS):
        start = np.random.default_rng((seed, amount)).integers(len(training) - amount + 1)
        x = windows_of(training[start : start + amount], characters, count)
        history = runs.run(
            x, seed, reports=8, measure=lambda: {"other": runs.bits(other), "bits": runs.bits()}
        )  # fmt: skip
        best = history.table.iloc[int(history.table["other"].argmin())]
        row = {"kind": "data", "amount": amount, "bits": best["bits"]}
        rows.append(row | {"last_bits": history.last("bits"), "best_step": int(best["step"])})
    return rows


# -- defects ------------------------------------------------------------------------------------------


def pinyin_prose(characters: str) -> str:
    """Romance of the Three Kingdoms in the letters of Hanyu Pinyin, a syllable a word."""
    import pypinyin

    from aigc_lab import collect

    signs = str.maketrans("，。！？；：、“”‘’《》", ",.!?;:,''''''")
    chapters = collect.load("three-kingdoms").data[:60]
    lines = "\n".join(chapters).translate(signs).split("\n")
    written = "\n".join(" ".join(pypinyin.lazy_pinyin(line)) for line in lines)
    for sign in ",.!?;:":
        written = written.replace(f" {sign}", sign)
    return "".join(sign for sign in written if sign in characters)


def pieces_replaced(text: str, dose: float, source: str, random: np.random.Generator) -> str:
    """A share of the pieces of 500 characters gives way to successive pieces of ``source``."""
    pieces = [text[place : place + PIECE] for place in range(0, len(text), PIECE)]
    chosen = random.permutation(len(pieces))[: round(dose * len(pieces))]
    for number, place in enumerate(chosen):
        start = number * PIECE % (len(source) - PIECE + 1)
        pieces[place] = source[start : start + PIECE]
    return "".join(pieces)


def lines_changed(text: str, dose: float, change: Callable, random: np.random.Generator) -> str:
    """A share of the lines, rewritten by ``change(lines, random)``."""
    lines = text.split("\n")
    chosen = np.sort(random.permutation(len(lines))[: round(dose * len(lines))])
    for place, line in zip(chosen, change([lines[place] for place in chosen], random), strict=True):
        lines[place] = line
    return "\n".join(lines)


def typed(lines: list[str], random: np.random.Generator) -> list[str]:
    """Four slips of the pen in each line (``corrupt.text.nearly_copy_text``)."""
    from aigc_lab.corrupt import text as damage

    for _ in range(4):
        lines = [damage.nearly_copy_text(line, random)[0] if line.strip() else line for line in lines]
    return lines


def defective(kind: str, dose: float, clean: str, characters: str, foreign: str, seed: int) -> str:
    """The training text with a share ``dose`` of it damaged."""
    random = np.random.default_rng((seed, 7))
    if kind == "fewer characters":  # the damaged share is left out: what remains is shown more often
        return clean[: round((1 - dose) * len(clean))]
    if kind == "duplicates":  # ten passages, again and again
        return pieces_replaced(clean, dose, clean[: REPEATED_PIECES * PIECE], random)
    if kind == "another language":
        return pieces_replaced(clean, dose, foreign, random)
    if kind == "typing errors":
        return lines_changed(clean, dose, typed, random)
    if kind == "shuffled lines":
        return lines_changed(clean, dose, lambda lines, random: list(random.permutation(lines)), random)
    if kind == "shuffled words":
        shuffle = lambda lines, random: [" ".join(random.permutation(line.split(" "))) for line in lines]  # noqa: E731
        return lines_changed(clean, dose, shuffle, random)
    raise ValueError(f"there is no defect {kind!r}")


DEFECTS = (
    "fewer characters", "duplicates", "another language", "typing errors", "shuffled lines", "shuffled words",
)  # fmt: skip


def unknown_words(model: Any, characters: str, known: set[str], seed: int) -> float:
    """Share of the words in 16 samples of 250 characters that clean training text does not have."""
    import re

    from aigc_lab.models import transformer

    samples = transformer.generate(model, characters, "\n", 16, 250, seed=seed)
    words = [word for sample in samples for word in re.findall("[A-Za-z]+", sample)[:-1]]
    return sum(word.lower() not in known for word in words) / max(len(words), 1)


def counting_bits(text: str, held_out: str, characters: str, order: int = 5) -> float:
    """Bits a character of a Kneser-Ney model on the same characters as ``Runs.bits``."""
    from aigc_lab import evaluate

    counts = evaluate.CharacterNgram([text], order, len(characters))
    chances = [
        counts.probability(held_out[place], held_out[max(0, place - order + 1) : place])
        for place in range(1, SCORED)
    ]
    return float(-np.log2(chances).mean())


def defects(seed: int) -> list[dict[str, Any]]:
    """Doses of each defect at equal characters and steps; held-out text is clean."""
    import re

    training, held_out, characters = texts()
    known = set(re.findall("[a-z]+", training.lower()))
    foreign, rows = pinyin_prose(characters), []
    runs, count = Runs(characters, held_out, steps=DOSED_STEPS), (DOSED_CHARACTERS - LENGTH) // (LENGTH // 4)
    start = np.random.default_rng((seed, 3)).integers(len(training) - DOSED_CHARACTERS)
    clean = training[start : start + DOSED_CHARACTERS]
    for kind, dose in [("none", 0.0)] + [(kind, dose) for kind in DEFECTS for dose in DOSES]:
        text = clean if kind == "none" else defective(kind, dose, clean, characters, foreign, seed)
        runs.run(windows_of(text, characters, count), seed)
        rows.append({
            "kind": kind, "amount": dose, "bits": runs.bits(),
            "counting_bits": counting_bits(text, held_out, characters),
            "unknown_words": unknown_words(runs.model, characters, known, seed),
        })  # fmt: skip
    return rows


# -- memorising ---------------------------------------------------------------------------------------


def reproduced(model: Any, characters: str, passage: str) -> float:
    """Share of a passage, after its first 20 characters, that the likeliest continuation gets right.

    Counted up to its first mistake.
    """
    from aigc_lab.models import transformer

    rest = passage[GIVEN:]
    written = transformer.generate(
        model, characters, passage[:GIVEN], longest=len(rest), temperature=0.0
    )[0]  # fmt: skip
    right = [one == other for one, other in zip(written, rest, strict=True)]
    return (right.index(False) if False in right else len(rest)) / len(rest)


def memorising(seed: int) -> list[dict[str, Any]]:
    """Passages of the held-out part, put into the training text 0 to 256 times."""
    from aigc_lab.models import transformer

    training, held_out, characters = texts()
    runs, rows = Runs(characters, held_out, steps=MEMORY_STEPS), []
    later = held_out[SCORED:]
    starts = [place + 1 for place in range(len(later) - PASSAGE) if later[place] == "\n"]
    random = np.random.default_rng((seed, 5))
    apart = []  # starts whose passages do not overlap
    for place in random.permutation(starts):
        if all(abs(place - other) > PASSAGE for other in apart):
            apart.append(int(place))
    chosen = [later[place : place + PASSAGE] for place in apart[: len(TIMES) * PASSAGES]]
    times = np.repeat(TIMES, PASSAGES)
    start = random.integers(len(training) - MEMORY_CHARACTERS)
    lines = training[start : start + MEMORY_CHARACTERS].split("\n")
    added = [passage for passage, count in zip(chosen, times, strict=True) for _ in range(count)]
    for passage, place in zip(added, random.integers(len(lines), size=len(added)), strict=True):
        lines[place] += "\n" + passage
    runs.run(windows_of("\n".join(lines), characters), seed)
    clean = runs.bits()
    for passage, count in zip(chosen, times, strict=True):
        tokens = transformer.encode("\n" + passage, characters)
        rows.append({
            "kind": "passage", "amount": int(count), "bits": runs.bits(tokens),
            "reproduced": reproduced(runs.model, characters, passage), "held_out_bits": clean,
        })  # fmt: skip
    return rows


PARTS = {
    "defects": defects,
    "memorising": memorising,
    "steps": steps,
    "data": data,
    "parameters": parameters,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", required=True, type=Path, help="where finished parts lie")
    parser.add_argument("--only", choices=PARTS, nargs="*", help="these parts alone")
    parser.add_argument("--seeds", type=int, nargs="*", default=SEEDS)
    parser.add_argument("--store", action="store_true", help="replace the table in the package")
    arguments = parser.parse_args()
    from aigc_lab.backend import import_keras

    import_keras()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name, seed in itertools.product(arguments.only or PARTS, arguments.seeds):
        path = arguments.folder / f"{name}-{seed}.json"
        if not path.exists():
            begun = time.process_time()
            rows = [{"part": name, "seed": seed, **row} for row in PARTS[name](seed)]
            path.write_text(json.dumps({"seconds": time.process_time() - begun, "rows": rows}))
            print(path.name, f"{time.process_time() - begun:.0f} s", flush=True)
    if arguments.store:
        import pandas as pd

        from aigc_lab import study

        files = [arguments.folder / f"{name}-{seed}.json" for name in PARTS for seed in SEEDS]
        found = [json.loads(path.read_text()) for path in files]
        frame = pd.DataFrame([row for part in found for row in part["rows"]])
        about = {
            "command": f"python scripts/{Path(__file__).name} --folder FOLDER --store",
            "core_seconds": round(sum(part["seconds"] for part in found)),
            "data": "tiny-shakespeare (public domain text): the first nine tenths; scored on the first "
            f"{SCORED:,} characters of the rest",
            "model": f"two blocks, width {WIDTH}, windows of {LENGTH} characters, batches of {BATCH}",
        }
        print(study.write_stored("text", frame, Path(__file__).name, **about))
    return 0


if __name__ == "__main__":
    sys.exit(main())
