"""Train the models that ``aigc_lab.models.stored`` ships, and write their weights and descriptions.

Run where aigc_lab is installed; each takes some minutes on two cores::

    python scripts/train_stored_models.py drawings_vae

A recipe trains on part 0 of its split only; what it states as held out was measured on part 2, which nothing
else uses. Measured with the weights as shipped, in half precision.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# A recipe: nothing -> (model, builder, its arguments, facts), and then the stored model -> held-out figures.
Recipe = tuple[Callable[[], tuple[Any, str, dict, dict]], Callable[[Any], dict]]
RECIPES: dict[str, Recipe] = {}

# -- 03: told the animal, draws it; once with true labels, once with wrong ones -------------------------

LABELLED = ("cat", "dog", "elephant", "giraffe", "horse")


def labelled_vae(flip_rate: float) -> Recipe:
    """A VAE that is told one of five animals; ``flip_rate`` of the labels it learns from are wrong."""
    import numpy as np

    arguments = {"latent_size": 16, "class_count": len(LABELLED), "width": 24, "beta": 0.5}
    steps, seed = 20_000, 0

    def parts() -> tuple[Any, Any, Any]:
        """Images with their mirror images, the labels they have, and the held-out part."""
        from aigc_lab import collect, corrupt

        training, _, held_out = collect.load("animals").only(*LABELLED).split((0.7, 0.1, 0.2), seed=0)
        training, _ = corrupt.apply(training, {"label_flip": flip_rate}, seed=seed)
        images, labels = training.arrays()
        return np.concatenate([images, images[:, :, ::-1]]), np.concatenate([labels, labels]), held_out

    def recognised(model: Any, images: Any, labels: Any) -> Any:
        """Of 100 samples of each animal, drawn from where its codes lie: the share that is recognised."""
        from aigc_lab import evaluate, models

        asked = np.repeat(np.arange(len(LABELLED)), 100)
        mixture = models.vae.LatentMixture.fit(model, images, labels, components=20, seed=seed)
        drawn = model.decode(*mixture.sample(len(asked), asked, seed=seed))
        names = np.array([evaluate.GROUPS["animals"].index(name) for name in LABELLED])
        seen = evaluate.classify(drawn, "animals").argmax(axis=1)
        return evaluate.share(int((seen == names[asked]).sum()), len(asked))

    def train_it() -> tuple[Any, str, dict, dict]:
        from aigc_lab import models, train

        images, labels, _ = parts()
        model = models.vae.convolutional_vae(**arguments, seed=seed)
        history = train.fit(
            model, images, labels, steps=steps, seed=seed, reports=10, progress=False,
            measure=lambda: {"recognised": recognised(model, images, labels).value},
        )  # fmt: skip
        facts = {
            "data": f"animals (animal-mnist, MIT), of these {', '.join(LABELLED)}: part 0 of the split 0.7, "
            f"0.1, 0.2 with seed 0, and its mirror images; {flip_rate:.0%} of the labels flipped",
            "steps": steps,
            "batch_size": 64,
            "classes": list(LABELLED),
            "curve": history.table[["step", "recognised"]].round(3).to_dict("list"),
        }
        return model, "vae.convolutional_vae", arguments, facts

    def measure(model: Any) -> dict:
        images, labels, held_out = parts()
        share = recognised(model, images, labels)
        elbo = model.elbo(*held_out.arrays(), samples=4)
        return {
            "recognised as asked for": [round(each, 3) for each in (share.value, share.low, share.high)],
            "elbo, nats an image": round(float(elbo.mean()), 1),
        }

    return train_it, measure


RECIPES["labelled_vae"] = labelled_vae(0.0)
RECIPES["labelled_vae_wrong"] = labelled_vae(0.4)

# -- 00: five animals, told which; and what the number of steps decides --------------------------------

FIVE = ("bird", "cat", "elephant", "giraffe", "horse")
BUDGETS = (350, 1_600, 6_000, 20_000)  # steps; each is a training of its own, to the end of its schedule
THREE = (0, 1, 2)  # seeds of the curve; the model that is stored has the first one


def animals_parts() -> tuple[Any, Any, Any]:
    """Training images with their mirror images, their labels, and the held-out part."""
    from aigc_lab import augment, collect

    training, _, held_out = collect.load("animals").only(*FIVE).split((0.7, 0.1, 0.2), seed=0)
    return *augment.mirrored(training).arrays(), held_out


def recognised_as_asked(model: Any, images: Any, labels: Any, held_out: Any, seed: int) -> dict[str, float]:
    """The share recognised as the animal asked for, drawn from N(0, 1) and from where the codes lie."""
    from aigc_lab import evaluate, models

    asked, names = held_out.labels, held_out.class_names
    mixture = models.vae.LatentMixture.fit(model, images, labels, seed=seed)
    drawn = {
        "N(0, 1)": model.sample(len(asked), asked, seed=seed),
        "mixture": model.decode(*mixture.sample(len(asked), asked, seed=seed)),
    }
    return {way: evaluate.class_accuracy(each, asked, names).value for way, each in drawn.items()}


def train_animals() -> tuple[Any, str, dict, dict]:
    from aigc_lab import models, train

    arguments = {"latent_size": 10, "class_count": len(FIVE), "width": 24}
    images, labels, held_out = animals_parts()
    curve: dict[str, list[list[float]]] = {"N(0, 1)": [], "mixture": []}
    for steps in BUDGETS:
        trained = [models.vae.convolutional_vae(**arguments, seed=seed) for seed in THREE]
        for seed, model in zip(THREE, trained, strict=True):
            train.fit(model, images, labels, steps=steps, seed=seed, reports=1, progress=False)
        shares = [
            recognised_as_asked(model, images, labels, held_out, seed)
            for seed, model in zip(THREE, trained, strict=True)
        ]
        for way, values in curve.items():
            values.append([round(share[way], 3) for share in shares])
        print(f"{steps} steps: " + ", ".join(f"{way} {values[-1]}" for way, values in curve.items()))
    facts = {
        "data": f"animals (animal-mnist, MIT), of these {', '.join(FIVE)}: part 0 of the split 0.7, 0.1, 0.2 "
        "with seed 0, and its mirror images",
        "steps": BUDGETS[-1],
        "batch_size": 64,
        "classes": list(FIVE),
        "curve": {"step": list(BUDGETS), "seeds": list(THREE), "recognised": curve},
    }
    return trained[0], "vae.convolutional_vae", arguments, facts


def measure_animals(model: Any) -> dict:
    images, labels, held_out = animals_parts()
    shares = recognised_as_asked(model, images, labels, held_out, THREE[0])
    return {
        **{f"recognised, from {way}": round(share, 3) for way, share in shares.items()},
        "elbo, nats an image": round(float(model.elbo(*held_out.arrays(), samples=4).mean()), 1),
    }


RECIPES["animals_vae"] = train_animals, measure_animals


# -- 10: photographs twice as large, by L1, and then with a discriminator ------------------------------


def kodak_half(test: bool) -> dict[str, Any]:
    """Photographs to train on (the first half of Kodak's and the embedded ones), or Kodak's second half."""
    from aigc_lab import collect

    kodak = collect.photos("kodak")
    names = sorted(kodak)
    if test:
        return {name: kodak[name] for name in names[12:]}
    others = {"retina", "hubble", "ihc", "coins"}  # no photographs of everyday things
    others |= {"grass", "brick", "flower", "coffee", "chelsea"}  # what notebook 10 tests on without Kodak's
    embedded = {name: photo for name, photo in collect.photos("photos").items() if name not in others}
    return {**{name: kodak[name] for name in names[:12]}, **embedded}


def half_size(photo: Any) -> Any:
    """A photograph in colour at half its size, uint8 ``(h / 2, w / 2, 3)``."""
    import numpy as np
    from PIL import Image

    image = Image.fromarray(photo).convert("RGB")
    return np.asarray(image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS))


def luminance_patches(size: int = 48, count: int = 20_000, seed: int = 0) -> Any:
    """(count, size, size, 1) pieces of the luminance in [0, 1], turned and mirrored."""
    import numpy as np

    from aigc_lab.models import super_resolution as sr

    random = np.random.default_rng(seed)
    large = [sr.grey(photo) for photo in kodak_half(test=False).values() if min(photo.shape[:2]) >= size]
    areas = np.array([photo.size for photo in large], float)
    cut = np.empty((count, size, size, 1), "float32")
    for place, which in enumerate(random.choice(len(large), count, p=areas / areas.sum())):
        top, left = (random.integers(side - size + 1) for side in large[which].shape)
        patch = np.rot90(large[which][top : top + size, left : left + size], random.integers(4))
        cut[place, :, :, 0] = patch[:, :: random.choice([-1, 1])]
    return cut


def super_resolution(adversarial: bool) -> Recipe:
    """The network of notebook 10, wider, deeper and trained for longer; then its second stage."""
    import numpy as np

    arguments = {"scale": 2, "width": 64, "blocks": 5}
    data = (
        "luminance of kodak's first 12 photographs (Kodak: unrestricted use) and of five embedded ones "
        "(CC0, CC BY 2.0): 20,000 patches of 48 pixels"
    )

    def train_it() -> tuple[Any, str, dict, dict]:
        from aigc_lab import evaluate, models, train

        sr, how = models.super_resolution, {"seed": 0, "reports": 10, "progress": False}
        if not adversarial:
            model = sr.residual_network(**arguments, seed=0)
            facts = {"data": data, "steps": 9_000, "batch_size": 8, "learning_rate": 1e-3}
            how |= {key: facts[key] for key in ("steps", "batch_size", "learning_rate")}
            train.fit(model, luminance_patches(), **how)
            return model, "super_resolution.residual_network", arguments, facts
        weights = {"pixels": 0.5, "features": 0.04, "generator": 0.03, "pattern": 20.0}
        start = models.stored.load("super_resolution")
        second = sr.adversarial(start, evaluate.photo_network(), weights, seed=0)
        facts = {"data": data, "steps": 1_200, "batch_size": 16, "learning_rate": 5e-4}
        how |= {key: facts[key] for key in ("steps", "batch_size", "learning_rate")}
        train.fit(second, luminance_patches(), **how)
        model = sr.residual_network(**arguments)
        model.network.set_weights(second.network.get_weights())
        facts |= {"starts_from": "super_resolution", "loss_weights": weights}
        return model, "super_resolution.residual_network", arguments, facts

    def measure(model: Any) -> dict:
        from aigc_lab import evaluate, models

        sr, gains, distances = models.super_resolution, [], []
        for photo in kodak_half(test=True).values():
            small = sr.low_resolution(photo, 2)
            rule, made = sr.enlarge(small, 2), sr.upscale(model, small)
            gains.append(evaluate.psnr(photo, made, 2) - evaluate.psnr(photo, rule, 2))
            distances.append(evaluate.photo_distance(photo, made, 2))
        return {
            "photographs": "kodak's other 12",
            "PSNR over bicubic, dB": round(float(np.mean(gains)), 2),
            "feature distance": round(float(np.mean(distances)), 3),
        }

    return train_it, measure


RECIPES["super_resolution"] = super_resolution(adversarial=False)
RECIPES["super_resolution_adversarial"] = super_resolution(adversarial=True)


# -- 09, 14: drawings of six things, without a label ---------------------------------------------------


def drawings_gan() -> Recipe:
    """An unconditional GAN; what is kept is the averaged generator."""
    import numpy as np

    arguments = {"latent_size": 64, "width": 32, "choices": 32, "mapping": 2, "spread": True}
    steps, seed, average = 12_000, 0, 0.1

    def figures(model: Any, part: int, count: int = 1000) -> dict:
        """What the feature network says of samples, beside images of one part."""
        from aigc_lab import evaluate

        random = np.random.default_rng(seed)
        real = random.permutation(drawings()[part].arrays()[0])[:count]
        drawn = model.sample(count, seed=seed)
        (seen, sure), (known, sure_of_real) = (
            evaluate.feature_network.features_and_classes(images, "quickdraw") for images in (drawn, real)
        )
        coverage = evaluate.precision_recall(known, seen, resamples=0)
        return {
            "named with confidence over .9": round(float((sure.max(axis=1) > 0.9).mean()), 3),
            "of real drawings": round(float((sure_of_real.max(axis=1) > 0.9).mean()), 3),
            "KID": round(evaluate.kid(known, seen, resamples=0).value, 4),
            "precision": round(coverage.precision.value, 3),
            "recall": round(coverage.recall.value, 3),
        }

    def drawings() -> tuple[Any, ...]:
        from aigc_lab import collect

        return collect.load("quickdraw").split(seed=0)

    def train_it() -> tuple[Any, str, dict, dict]:
        from aigc_lab import models, train

        trained = models.gan.dcgan(**arguments, seed=seed, average=average)
        history = train.fit(
            trained, drawings()[0].arrays()[0], steps=steps, learning_rate=1.5e-3, schedule="constant",
            seed=seed, reports=12, measure=lambda: figures(trained, 1), progress=False,
        )  # fmt: skip
        kept = models.gan.dcgan(**arguments, seed=seed)
        kept.generator.set_weights(trained.averaged.get_weights())
        kept.discriminator.set_weights(trained.discriminator.get_weights())
        columns = ["step", "seconds", "named with confidence over .9", "KID", "recall"]
        facts = {
            "data": "quickdraw, six classes (Quick, Draw!, CC BY 4.0): part 0 of the split with seed 0",
            "steps": steps,
            "batch_size": 64,
            "average": average,
            "curve": history.table[columns].round(4).to_dict("list"),
        }
        return kept, "gan.dcgan", arguments, facts

    return train_it, lambda model: figures(model, 2)


RECIPES["drawings_gan"] = drawings_gan()


# -- 06: cats, told nothing; and what the number of steps and beta decide ------------------------------

CAT_BUDGETS = (275, 1_100, 4_400)  # steps of the curve; each is a training of its own


def cats() -> tuple[Any, Any, Any]:
    """Training drawings of cats, the same with their mirror images, and the held-out ones."""
    from aigc_lab import augment, collect

    training, _, held_out = collect.load("quickdraw").only("cat").split(seed=0)
    return training.arrays()[0], augment.mirrored(training).arrays()[0], held_out.arrays()[0]


def judged_cats(model: Any, training: Any, held_out: Any, seed: int) -> list[dict[str, Any]]:
    """Of 900 samples from N(0, 1), and from where the codes lie: the share recognised, and the KID."""
    from aigc_lab import evaluate, models

    elbo, real = round(float(model.elbo(held_out, samples=4).mean()), 1), evaluate.features(held_out)
    mixture = models.vae.LatentMixture.fit(model, training, seed=seed)
    drawn = {"N(0, 1)": model.sample(900, seed=seed + 1)}
    drawn["mixture"] = model.decode(mixture.sample(900, seed=seed + 1)[0])
    rows = []
    for way, samples in drawn.items():
        share = evaluate.class_accuracy(samples, ["cat"] * len(samples), among="quickdraw").value
        kid = evaluate.kid(real, evaluate.features(samples), resamples=0).value
        rows.append({"from": way, "recognised": round(share, 3), "KID": round(kid, 4), "ELBO": elbo})
    return rows


def curve_of_cats() -> list[dict[str, Any]]:
    """The models of the lab, trained for several budgets with three seeds each."""
    from aigc_lab import models, train

    training, images, held_out = cats()
    curve = []
    for beta, latent_size in ((1.0, 24), (0.3, 32)):
        for steps in CAT_BUDGETS:
            for seed in THREE:
                model = models.vae.convolutional_vae(latent_size=latent_size, beta=beta, seed=seed)
                train.fit(model, images, steps=steps, seed=seed, reports=1, progress=False)
                rows = judged_cats(model, training, held_out, seed)
                curve += [{"beta": beta, "steps": steps, "seed": seed, **row} for row in rows]
            print(curve[-1], flush=True)
    return curve


def train_cats() -> tuple[Any, str, dict, dict]:
    from aigc_lab import augment, collect, models, train

    curve = curve_of_cats()
    arguments, steps = {"latent_size": 32, "beta": 0.2}, 9_000
    drawings = augment.mirrored(collect.load("quickdraw").only("cat").split(seed=0)[0])
    transform = augment.layers(flip=False, shift=0.04, rotation=0.02, scale=0.08)
    images, _ = augment.expand(drawings, transform, copies=2, seed=0).arrays()
    model = models.vae.convolutional_vae(**arguments, seed=THREE[0])
    train.fit(model, images, steps=steps, seed=THREE[0], reports=1, progress=False)
    facts = {
        "data": "quickdraw (CC BY 4.0), the cats: part 0 of the usual split with seed 0, mirrored, each "
        "drawing three times: as it is, and twice a little shifted, turned and scaled",
        "steps": steps,
        "batch_size": 64,
        "curve": curve,
    }
    return model, "vae.convolutional_vae", arguments, facts


def measure_cats(model: Any) -> dict:
    training, _, held_out = cats()
    return {f"from {row.pop('from')}": row for row in judged_cats(model, training, held_out, THREE[0])}


RECIPES["drawings_vae"] = train_cats, measure_cats


# -- 11, 16: texts ------------------------------------------------------------------------------------


def shakespeare_parts() -> tuple[str, str]:
    """The first nine tenths of tiny-shakespeare, and the rest."""
    from aigc_lab import collect

    text = "\n".join(collect.load("tiny-shakespeare").data)
    place = int(0.9 * len(text))
    return text[:place], text[place:]


def rare_hidden(parts: Sequence[list[str]]) -> list[list[str]]:
    """The texts of all parts, with □ for each character that the first part has fewer than six times."""
    from collections import Counter

    known = {sign for sign, count in Counter("".join(parts[0])).items() if count >= 6}
    return [["".join(sign if sign in known else "□" for sign in text) for text in part] for part in parts]


def tang_parts() -> tuple[list[str], list[str]]:
    """Poems of lines that all have five, or all seven characters: training and held-out ones, none twice.

    A character that training has fewer than six times is written as □ on both sides.
    """
    import re

    from aigc_lab import collect

    training, _, held_out = collect.load("tang-poems").split((0.85, 0.05, 0.1), seed=0)
    parts = []
    for part in (training, held_out):
        poems = dict.fromkeys("".join(poem.split()) for poem in part.data)  # each once
        parts.append([
            poem for poem in poems
            if re.fullmatch("([^，。！？；]{5}[，。！？；])+|([^，。！？；]{7}[，。！？；])+", poem)
        ])  # fmt: skip
    parts = rare_hidden(parts)
    return parts[0], [poem for poem in parts[1] if poem not in set(parts[0])]


def train_text(training: str, arguments: dict, options: dict, data: str, held_out: str) -> tuple:
    """A Transformer on overlapping windows of one text; its bits a character on another at each report."""
    import hashlib

    from aigc_lab import train
    from aigc_lab.models import transformer

    x, characters = transformer.windows(training, arguments["length"], step=arguments["length"] // 4)
    model = transformer.character_model(len(characters), **arguments, seed=0)
    tokens = transformer.encode(held_out, characters)[:20_000]
    started = time.perf_counter()
    history = train.fit(
        model, x, seed=0, reports=16, progress=False, **options,
        measure=lambda: {
            "bits": float(transformer.token_bits(model, tokens).mean()),
            "seconds": time.perf_counter() - started,
        },
    )  # fmt: skip
    facts = {
        "data": data,
        "text_sha256": hashlib.sha256(training.encode()).hexdigest(),
        "characters": characters,
        **{key: value for key, value in options.items() if key in ("steps", "batch_size", "learning_rate")},
        "curve": history.table[["step", "seconds", "loss", "bits"]].round(3).to_dict("list"),
    }
    return model, "transformer.character_model", {"vocabulary_size": len(characters), **arguments}, facts


def measure_text(model: Any, training: str, held_out: str) -> dict:
    """Bits a character of the whole held-out text."""
    from aigc_lab.models import transformer

    tokens = transformer.encode(held_out, "".join(sorted(set(training))))
    return {"bits a character": round(float(transformer.token_bits(model, tokens).mean()), 4)}


def train_shakespeare() -> tuple[Any, str, dict, dict]:
    training, held_out = shakespeare_parts()
    arguments = {"length": 128, "width": 128, "blocks": 4, "heads": 4, "positions": "rotary"}
    options = {"steps": 4_000, "batch_size": 32, "learning_rate": 3e-3, "jit_compile": True}
    data = "tiny-shakespeare (public domain text): the first nine tenths of its characters"
    return train_text(training, arguments, options, data, held_out)


def tang_texts() -> tuple[str, str]:
    """Each poem is a line."""
    return tuple("\n" + "\n".join(part) + "\n" for part in tang_parts())  # type: ignore[return-value]


def train_tang() -> tuple[Any, str, dict, dict]:
    training, held_out = tang_texts()
    arguments = {"length": 64, "width": 88, "blocks": 3, "heads": 4, "positions": "rotary", "dropout": 0.15}
    options = {"steps": 3_500, "batch_size": 64, "learning_rate": 3e-3}  # many characters: no XLA
    data = "tang-poems (MIT): part 0 of the split .85, .05, .1 with seed 0; lines of five or seven only"
    return train_text(training, arguments, options, data, held_out)


RECIPES["shakespeare_transformer"] = (
    train_shakespeare,
    lambda model: measure_text(model, *shakespeare_parts()),
)
RECIPES["tang_transformer"] = train_tang, lambda model: measure_text(model, *tang_texts())


def three_kingdoms_parts() -> tuple[list[str], list[str], list[str]]:
    """Chapters of the novel: to train on; to train a judge on (3, 8, 13, …); held-out ones (10, 20, …).

    A character that training has fewer than six times is written as □ everywhere.
    """
    from aigc_lab import collect

    parts: tuple[list[str], list[str], list[str]] = ([], [], [])
    for number, chapter in enumerate(collect.load("three-kingdoms").data, start=1):
        parts[2 if number % 10 == 0 else 1 if number % 5 == 3 else 0].append(chapter)
    return tuple(rare_hidden(parts))  # type: ignore[return-value]


def three_kingdoms_texts() -> tuple[str, str]:
    training, _, held_out = three_kingdoms_parts()
    return "\n" + "\n".join(training), "\n" + "\n".join(held_out)


def train_three_kingdoms() -> tuple[Any, str, dict, dict]:
    training, held_out = three_kingdoms_texts()
    arguments = {"length": 96, "width": 96, "blocks": 3, "heads": 4, "positions": "rotary", "dropout": 0.15}
    options = {"steps": 2_300, "batch_size": 24, "learning_rate": 3e-3}  # many characters: no XLA
    data = "three-kingdoms (public domain text, MIT package): 84 of 120 chapters"
    return train_text(training, arguments, options, data, held_out)


RECIPES["three_kingdoms_transformer"] = (
    train_three_kingdoms,
    lambda model: measure_text(model, *three_kingdoms_texts()),
)


# What stands for a rare token; a rare name gets a number in the order in which the function uses them.
STAND_INS = {"string": "'text'", "number": "99"}


def token_kind(token: str) -> str:
    """Of one Python token: name (keywords too), string, number, or mark."""
    if token[-1] in "'\"":
        return "string"
    if token.lstrip(".")[:1].isdigit():
        return "number"
    return "name" if token.isidentifier() else "mark"


def code_tokens(source: str) -> list[str]:
    """The tokens of Python code without comments and docstrings; f-strings are 'text', quotes are equal."""
    import ast
    import io
    import tokenize

    marks = {"NEWLINE": "<newline>", "INDENT": "<indent>", "DEDENT": "<dedent>"}
    found: list[str] = []
    depth = 0  # in f-strings, which Python 3.12 and later take apart
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        name = tokenize.tok_name[token.type]
        if name in ("FSTRING_START", "TSTRING_START"):
            found += [STAND_INS["string"]] * (depth == 0)
            depth += 1
        elif name in ("FSTRING_END", "TSTRING_END"):
            depth -= 1
        elif depth or name in ("COMMENT", "NL", "ENDMARKER"):
            continue
        elif name == "NEWLINE" and found[-2:-1] and found[-2] in marks.values() and found[-1][-1] in "'\"":
            found.pop()  # a statement that is only a string: a docstring
        elif name == "STRING":
            prefix = token.string[: token.string.index(token.string[-1])].lower()
            plain = "f" not in prefix and "t" not in prefix
            found.append(repr(ast.literal_eval(token.string)) if plain else STAND_INS["string"])
        else:
            found.append(marks.get(name, token.string))
    return found


def code_functions(source: str) -> list[list[str]]:
    """The functions of a file, methods too, as tokens: those of 12 to 120 tokens and at most 20 lines."""
    import ast
    import textwrap
    import tokenize
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a library may hold strings with unusual escapes
        tree, lines = ast.parse(source), source.splitlines(keepends=True)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) < node.lineno + 60:
            text = textwrap.dedent("".join(lines[node.lineno - 1 : node.end_lineno]))
            try:
                tokens = code_tokens(text)
            except (tokenize.TokenError, SyntaxError):
                continue  # a string over several lines kept the text from being moved to the left
            if 12 <= len(tokens) <= 120 and 3 <= tokens.count("<newline>") <= 20 and tokens[0] == "def":
                found.append(tokens)
    return found


def generalised(tokens: list[str], known: set[str]) -> list[str]:
    """Rare names become name1, name2, … in the order of their first use; rare strings 'text', numbers 99."""
    numbers: dict[str, int] = {}
    general = []
    for token in tokens:
        kind = token_kind(token)
        if token in known or kind == "mark":
            general.append(token)
        elif kind == "name":
            general.append(f"name{numbers.setdefault(token, len(numbers) + 1)}")
        else:
            general.append(STAND_INS[kind])
    return general


def without_near_copies(functions: list[list[str]], earlier: list[list[str]]) -> list[list[str]]:
    """Drop what shares half of its runs of eight tokens, or more, with one that was kept before."""
    from collections import Counter, defaultdict

    where: dict[tuple[str, ...], list[int]] = defaultdict(list)
    sizes, kept = [], []
    for number, tokens in enumerate(earlier + functions):
        runs = {tuple(tokens[place : place + 8]) for place in range(len(tokens) - 7)}
        shared = Counter(other for run in runs for other in where[run])
        if any(count >= 0.5 * (len(runs) + sizes[other] - count) for other, count in shared.items()):
            continue
        for run in runs:
            where[run].append(len(sizes))
        sizes.append(len(runs))
        if number >= len(earlier):
            kept.append(tokens)
    return kept


def code_parts() -> tuple[list[list[str]], list[list[str]], list[list[str]], set[str]]:
    """Functions of the standard library: to train on, for a judge, held out; and the tokens kept as they are.

    The first 60 characters of a file decide its part, so that most files have the same part in other
    versions of Python. Kept are the keywords and what stands in at least four files of the first part.
    """
    import hashlib
    import keyword
    from collections import Counter

    from aigc_lab import collect

    parts: list[list[list[str]]] = [[], [], []]
    files: Counter[str] = Counter()
    for source in collect.load("python-code").data:
        place = int(hashlib.sha256(source[:60].encode()).hexdigest(), 16) % 20
        part = 0 if place < 13 else 1 if place < 17 else 2
        found = code_functions(source)
        parts[part] += found
        if part == 0:
            files.update({token for tokens in found for token in tokens})
    known = {token for token, count in files.items() if count >= 4} | set(keyword.kwlist)
    general = [[generalised(tokens, known) for tokens in part] for part in parts]
    training = without_near_copies([tokens for tokens in general[0] if "name13" not in tokens], [])
    possible = {token for tokens in training for token in tokens}
    judge, held_out = ([tokens for tokens in part if set(tokens) <= possible] for part in general[1:])
    judge = without_near_copies(judge, training)
    return training, judge, without_near_copies(held_out, training + judge), known


def code_texts() -> tuple[str, str, dict[str, list[str]]]:
    """Each function is a line, each token of the vocabulary a sign from U+E000 on."""
    training, _, held_out, known = code_parts()
    vocabulary = sorted({token for tokens in training for token in tokens})
    sign = {token: chr(0xE000 + place) for place, token in enumerate(vocabulary)}
    texts = ["\n".join("".join(map(sign.get, tokens)) for tokens in part) for part in (training, held_out)]
    return f"\n{texts[0]}\n", f"\n{texts[1]}\n", {"vocabulary": vocabulary, "known": sorted(known)}


def train_code() -> tuple[Any, str, dict, dict]:
    training, held_out, lists = code_texts()
    arguments = {"length": 128, "width": 96, "blocks": 3, "heads": 4, "positions": "rotary", "dropout": 0.3}
    options = {"steps": 1_000, "batch_size": 32, "learning_rate": 3e-3}  # dropout: slower with XLA
    data = "python-code (PSF licence 2): functions of 65 % of the files of the standard library, as tokens"
    model, builder, arguments, facts = train_text(training, arguments, options, data, held_out)
    return model, builder, arguments, facts | lists


RECIPES["code_transformer"] = train_code, lambda model: measure_text(model, *code_texts()[:2])


# -- 22: drawings and colour patches by diffusion ------------------------------------------------------


def drawings_parts() -> tuple[Any, Any, Any]:
    """All six classes of quickdraw, shared out as everywhere: training, validation, held out."""
    from aigc_lab import collect

    return collect.load("quickdraw").split((0.7, 0.1, 0.2), seed=0)


def judged_drawings(model: Any, held_out: Any, seed: int = 0, **how: Any) -> dict[str, Any]:
    """1,000 drawings with the labels of as many held-out ones: KID, detector, loose ends of the cats, …"""
    import numpy as np

    from aigc_lab import evaluate

    random = np.random.default_rng(seed)
    images, labels = held_out.arrays()
    order = random.permutation(len(labels))
    real, asked = evaluate.features(images), labels[order[:1000]]
    drawn = np.concatenate(
        [model.sample(250, asked[at : at + 250], seed=seed * 10 + at, **how) for at in range(0, 1000, 250)]
    )
    fake, names = evaluate.features(drawn), held_out.class_names
    cat = names.index("cat")
    both = evaluate.precision_recall(real[order[:1000]], fake, resamples=0)
    cats = model.sample(500, cat, seed=seed * 10 + 5, **how)
    scores = {
        "kid": evaluate.kid(real, fake),
        "detector AUC": evaluate.detector_auc(real[order[:1000]], fake),
        "loose ends of cats": evaluate.loose_ends(cats),
        "recognised": evaluate.class_accuracy(drawn, asked, names),
    }
    facts = {name: [round(each, 4) for each in (s.value, s.low, s.high)] for name, s in scores.items()}
    return facts | {"precision": round(both.precision.value, 3), "recall": round(both.recall.value, 3)}


def train_drawings_diffusion() -> tuple[Any, str, dict, dict]:
    from aigc_lab import models, train

    arguments = {"image_shape": [28, 28, 1], "class_count": 6, "width": 32}
    options = {"steps": 12_000, "batch_size": 32, "learning_rate": 2e-3}
    training, validation, _ = drawings_parts()
    model = models.diffusion.unet(**arguments, seed=0)
    how = {"validation": validation.arrays(), "seed": 0, "reports": 12, "progress": False}
    history = train.fit(model, *training.arrays(), **how, **options)
    facts = {
        "data": "quickdraw (CC BY 4.0), all six classes: part 0 of the split 0.7, 0.1, 0.2 with seed 0",
        "classes": list(training.class_names),
        **options,
        "curve": history.table[["step", "loss", "validation_loss"]].round(4).to_dict("list"),
    }
    return model, "diffusion.unet", arguments, facts


RECIPES["drawings_diffusion"] = (
    train_drawings_diffusion,
    lambda model: {
        f"{steps} steps": judged_drawings(model, drawings_parts()[2], steps=steps) for steps in (10, 20)
    },
)

PATCH = 32  # pixels a side


def photo_patches(photos: dict[str, Any], count: int, seed: int) -> Any:
    """Colour patches of photographs at half size, float32 ``(count, 32, 32, 3)`` in [0, 1], half mirrored.

    Flat ones (standard deviation below .06) are left out: there would be little else.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    halves = [half_size(photo) for photo in photos.values() if photo.ndim == 3]
    patches: list[Any] = []
    while len(patches) < count:
        photo = halves[random.integers(len(halves))]
        top, left = (random.integers(side - PATCH + 1) for side in photo.shape[:2])
        patch = photo[top : top + PATCH, left : left + PATCH] / np.float32(255)
        if patch.std() > 0.06:
            patches.append(patch[:, ::-1] if random.random() < 0.5 else patch)
    return np.stack(patches).astype("float32")


def train_photos_diffusion() -> tuple[Any, str, dict, dict]:
    from aigc_lab import models, train

    arguments = {"image_shape": [PATCH, PATCH, 3], "width": 32}
    options = {"steps": 4_000, "batch_size": 32, "learning_rate": 2e-3}
    patches = photo_patches(kodak_half(test=False), 20_000, seed=0)
    model = models.diffusion.unet(**arguments, seed=0)
    history = train.fit(model, patches, seed=0, reports=10, progress=False, **options)
    facts = {
        "data": "20,000 colour patches, 32 x 32, of kodak's first 12 photographs (Kodak: unrestricted use) "
        "and of the embedded ones that super_resolution was trained on, at half size",
        **options,
        "curve": history.table[["step", "loss"]].round(4).to_dict("list"),
    }
    return model, "diffusion.unet", arguments, facts


def measure_photos_diffusion(model: Any) -> dict:
    """Against patches of photographs that it never saw, by the features of photographs."""
    import numpy as np

    from aigc_lab import evaluate

    real = evaluate.photo_vectors(photo_patches(kodak_half(test=True), 1000, seed=1))
    drawn = np.concatenate([model.sample(100, seed=seed, steps=20) for seed in range(10)])
    score, floor = evaluate.kid(real, evaluate.photo_vectors(drawn)), evaluate.floor(real)
    return {"kid": [round(each, 1) for each in (score.value, score.low, score.high)], "floor": str(floor)}


RECIPES["photos_diffusion"] = train_photos_diffusion, measure_photos_diffusion


# -- 23: photographs with noise and holes --------------------------------------------------------------


def patches_of_two_sizes(count: int, size: int, seed: int = 0) -> Any:
    """(count, size, size, 3) colour patches in [0, 1], turned and mirrored, of the training photographs.

    Half of them are cut out of the photographs at half size.
    """
    import numpy as np
    from PIL import Image

    random, large = np.random.default_rng(seed), []
    for photo in kodak_half(test=False).values():
        whole = np.asarray(Image.fromarray(photo).convert("RGB"))
        sizes = ((whole, False), (half_size(photo), True))
        large += [(each, half) for each, half in sizes if min(each.shape[:2]) >= size]
    # At either size each pixel is as likely as any other; the sizes as likely as each other.
    areas = np.array([photo.size for photo, _ in large], float)
    halved = np.array([half for _, half in large])
    areas = np.where(halved, areas / areas[halved].sum(), areas / areas[~halved].sum()) / 2
    cut = np.empty((count, size, size, 3), "float32")
    for place, which in enumerate(random.choice(len(large), count, p=areas)):
        photo = large[which][0]
        top, left = (random.integers(side - size + 1) for side in photo.shape[:2])
        patch = np.rot90(photo[top : top + size, left : left + size], random.integers(4)) / np.float32(255)
        cut[place] = patch[:, :: random.choice([-1, 1])]
    return cut


def train_photos_repair() -> tuple[Any, str, dict, dict]:
    from aigc_lab import models, train

    arguments = {"widths": [32, 64, 96], "blocks": 1}
    options = {"steps": 4_500, "batch_size": 16, "learning_rate": 2e-3}
    model = models.repair.repair_network(**arguments, seed=0)
    history = train.fit(
        model, patches_of_two_sizes(12_000, 48), seed=0, reports=12, progress=False, **options
    )
    facts = {
        "data": "12,000 colour patches, 48 x 48, of kodak's first 12 photographs (Kodak: unrestricted use) "
        "and of the embedded ones that super_resolution was trained on, at full and at half size",
        **options,
        "curve": history.table[["step", "loss"]].round(5).to_dict("list"),
    }
    return model, "repair.repair_network", arguments, facts


def measure_photos_repair(model: Any) -> dict:
    """On the middle of kodak's last eight photographs at half size, as notebook 23 does."""
    import numpy as np

    from aigc_lab.models import repair

    random, errors = np.random.default_rng(0), []
    for photo in list(kodak_half(test=True).values())[4:]:
        half = half_size(photo)
        top, left = ((side - 128) // 2 for side in half.shape[:2])
        clean = half[top : top + 128, left : left + 128] / np.float32(255)
        noisy = (clean + 25 / 255 * random.standard_normal(clean.shape)).astype("float32")
        errors.append(np.mean((repair.repair(model, noisy, sigma=25 / 255) - clean) ** 2))
    return {
        "photographs": "kodak's last 8, at half size, the middle 128 x 128",
        "PSNR of colour at noise of 25 of 255, dB": round(float(np.mean(-10 * np.log10(errors))), 2),
    }


RECIPES["photos_repair"] = train_photos_repair, measure_photos_repair


# -- 25: short clips of drawings that move by a known law ----------------------------------------------


def moving_clips(part: int, count: int, seed: int) -> Any:
    """Clips (count, 8, 20, 20, 1) of apples, diamonds and fish of one part of the split."""
    import numpy as np

    from aigc_lab import collect

    drawings = collect.load("quickdraw").only("apple", "diamond", "fish").split((0.7, 0.1, 0.2), seed=0)[part]
    chosen = np.random.default_rng(seed).integers(0, len(drawings), count)
    moved = {"frames": 8, "size": 20, "side": 12, "speed": (1.0, 2.0)}
    return collect.moving_drawings(drawings.arrays()[0][chosen], **moved, seed=seed)[0]


def centres_of_light(clips: Any) -> Any:
    """Row and column of the middle of the light in each frame, (count, frames, 2), in pixels."""
    import numpy as np

    light = np.maximum(clips[..., 0] - 0.15, 0)  # a generated ground is not quite black
    places, total = np.arange(light.shape[2]), light.sum(axis=(2, 3))[..., None] + 1e-9
    return np.stack([light.sum(axis=3) @ places, light.sum(axis=2) @ places], axis=-1) / total


def measure_video(model: Any) -> dict:
    """Held-out clips of which two frames are given: how far from its true place is the drawing later?"""
    import numpy as np

    real = moving_clips(2, 200, 1)
    truth = centres_of_light(real)
    since = np.arange(-1, truth.shape[1] - 1)[:, None]  # frames since the second one
    paths = {
        "pixels off, two frames given": centres_of_light(model.continued(real[:, :2], seed=1, steps=10)),
        "if it stayed": truth[:, 1:2],
        "if it went straight on": truth[:, 1:2] + since * (truth[:, 1:2] - truth[:, :1]),
    }
    return {
        words: round(float(np.linalg.norm((path - truth)[:, 2:], axis=-1).mean()), 2)
        for words, path in paths.items()
    }


def train_video() -> tuple[Any, str, dict, dict]:
    """First at times of much noise, where the motion is learned, then at all times, for the strokes."""
    import numpy as np
    import pandas as pd

    from aigc_lab import models, train

    arguments = {"image_shape": [8, 20, 20, 1], "width": 56}
    stages = ((3.0, {"steps": 9_000, "learning_rate": 3e-3}), (1.0, {"steps": 4_000, "learning_rate": 2e-3}))
    clips = moving_clips(0, 20_000, 0)
    given = np.random.default_rng(0).choice(3, len(clips), p=(0.25, 0.25, 0.5))
    model, tables = models.diffusion.clip_network(**arguments, seed=0), []
    for root, options in stages:
        learned = model.get_weights()
        model = models.diffusion.clip_network(**arguments, root=root, seed=0)  # its random numbers begin anew
        model.set_weights(learned)
        history = train.fit(
            model,
            clips,
            given,
            batch_size=32,
            seed=0,
            reports=options["steps"] // 250,
            progress=False,
            measure=lambda model=model: measure_video(model),
            **options,
        )
        done = sum(len(table) for table in tables) * 250  # steps of the stages before
        tables.append(history.table.assign(step=history.table["step"] + done))
    curve = pd.concat(tables)[["step", "loss", "pixels off, two frames given"]].round(4)
    facts = {
        "data": "quickdraw, apples, diamonds and fish (CC BY 4.0): part 0 of the split 0.7, 0.1, 0.2 with "
        "seed 0; 20,000 clips of 8 frames of 20 x 20 pixels, with 0, 1 or 2 frames given",
        "steps": sum(options["steps"] for _, options in stages),
        "stages": [{"root of the times": root, **options} for root, options in stages],
        "batch_size": 32,
        "curve": curve.to_dict("list"),
    }
    return model, "diffusion.clip_network", arguments, facts


RECIPES["drawings_video"] = train_video, measure_video


# -- 26: chorales for four voices, as text -------------------------------------------------------------

HOLDS = "①②③④⑤⑥⑦⑧⑨⑩⑪⑫"  # a held note: of four voices on a beat, half a beat later, and between the two
BETWEEN = "'"  # stands before a sixteenth that is no eighth; it is written only where a note begins


def chorale_text(chorale: Any) -> str:
    """A chorale (steps, 4) of pitches, -1 for a rest, as text: each eighth is four characters.

    Soprano, alto, tenor, bass; a new note is the character A (pitch 36) and on, a rest ~, a held note the
    sign of its voice and its place in the beat. Notebook 26 writes it out, and reads it back.
    """
    text = []
    for step, notes in enumerate(chorale):
        place = 2 if step % 2 else step % 4 // 2
        for voice, pitch in enumerate(notes):
            held = step and pitch == chorale[step - 1][voice]
            text.append(HOLDS[4 * place + voice] if held else "~" if pitch < 0 else chr(pitch + 29))
        if place == 2:
            text[-4:] = [BETWEEN, *text[-4:]] if set(text[-4:]) - set(HOLDS) else []
    return "".join(text)


def transposed(chorales: Sequence[Any]) -> list[Any]:
    """Each chorale in every key in which its voices stay in the ranges that they have in all of them."""
    import numpy as np

    def ranges(notes: Any) -> Any:
        return np.array([[voice[voice >= 0].min(), voice[voice >= 0].max()] for voice in notes.T])  # (4, 2)

    widest, found = ranges(np.concatenate(chorales).astype(int)), []
    for chorale in chorales:
        room = widest - ranges(chorale.astype(int))
        for shift in range(room[:, 0].max(), room[:, 1].min() + 1):
            found.append(np.where(chorale < 0, -1, chorale + shift))
    return found


def chorale_texts() -> tuple[str, list[str], list[str]]:
    """All keys of the training chorales in random order, a line each; validation and test ones as lists."""
    import numpy as np

    from aigc_lab import collect

    parts = collect.chorales()
    training = [chorale_text(chorale) for chorale in transposed(parts["training"])]
    order = np.random.default_rng(0).permutation(len(training))
    lines = "\n" + "\n".join(training[number] for number in order) + "\n"
    return lines, *([chorale_text(each) for each in parts[part]] for part in ("validation", "test"))


def chorale_bits(model: Any, texts: Sequence[str], characters: str) -> dict[str, float]:
    """Bits of whole chorales, end included, for each note that begins, each sixteenth and each character."""
    from aigc_lab.models import transformer

    rows = [transformer.encode(f"\n{text}\n", characters) for text in texts]
    bits = sum(float(transformer.token_bits(model, row).sum()) for row in rows)
    notes = sum(sign not in HOLDS + BETWEEN for text in texts for sign in text)
    eighths = sum(sum(sign != BETWEEN for sign in text) - 4 * text.count(BETWEEN) for text in texts) // 4
    signs = sum(len(text) + 1 for text in texts)
    return {
        "bits a note": bits / notes,
        "bits a sixteenth": bits / (2 * eighths),
        "bits a character": bits / signs,
    }


def train_chorales() -> tuple[Any, str, dict, dict]:
    """The first 2,750 steps of a schedule of 5,000, and then 600 steps in which the rate falls to the end."""
    import pandas as pd

    from aigc_lab import train
    from aigc_lab.models import transformer

    lines, validation, _ = chorale_texts()
    arguments = {"length": 128, "width": 96, "blocks": 4, "heads": 4, "positions": "rotary"}
    stages = (
        {"steps": 2_750, "schedule": train.rates("cosine", 5_000, 3e-3)[:2_750], "seed": 0, "reports": 11},
        {"steps": 600, "learning_rate": 1.4e-3, "seed": 1, "reports": 4},
    )
    x, characters = transformer.windows(lines, arguments["length"], step=arguments["length"] // 2)
    model, tables, done = transformer.character_model(len(characters), **arguments, seed=0), [], 0
    for stage in stages:
        history = train.fit(
            model, x, batch_size=16, progress=False, jit_compile=True, **stage,
            measure=lambda: chorale_bits(model, validation[:15], characters),
        )  # fmt: skip
        tables.append(history.table.assign(step=history.table["step"] + done))
        done += stage["steps"]
    facts = {
        "data": "chorales-16th: the 229 training chorales, each in every key that keeps its voices' ranges",
        "characters": characters,
        "steps": done,
        "batch_size": 16,
        "learning_rate": "3e-3, by a cosine for 5,000 steps; after 2,750 of them 1.4e-3, by one for 600",
        "curve": pd.concat(tables)[["step", "bits a note"]].round(3).to_dict("list"),
    }
    return model, "transformer.character_model", {"vocabulary_size": len(characters), **arguments}, facts


def measure_chorales(model: Any) -> dict:
    """On the 77 test chorales."""
    lines, _, test = chorale_texts()
    found = chorale_bits(model, test, "".join(sorted(set(lines))))
    return {key: round(value, 4) for key, value in found.items()}


RECIPES["chorale_transformer"] = train_chorales, measure_chorales


# -- 27: spoken digits, asked for by number and speaker ------------------------------------------------


def digit_parts() -> list[tuple[Any, Any]]:
    """Pictures (n, 64, 40, 1) and classes 6 * digit + speaker of the takes 6 to 19, 4 and 5, and 0 to 3."""
    from aigc_lab import collect, evaluate

    data, takes = collect.load("spoken-digits"), collect.takes("spoken-digits")
    pictures = evaluate.spoken.pictures(data.data)
    classes = 6 * data.labels + collect.speakers("spoken-digits")[1]
    parts = takes >= 6, (takes == 4) | (takes == 5), takes < 4
    return [(pictures[part], classes[part]) for part in parts]


def moved_in_time(pictures: Any, copies: int, seed: int) -> Any:
    """``copies`` of each, the first as it is, the others up to 2 frames away and 8 % longer or shorter."""
    import numpy as np
    from scipy.ndimage import map_coordinates

    random = np.random.default_rng(seed)
    moved = np.tile(pictures, (copies, 1, 1, 1))
    frames, bands = np.mgrid[: moved.shape[1], : moved.shape[2]].astype("float32")
    for picture in moved[len(pictures) :, ..., 0]:
        places = (frames - random.uniform(-2, 2)) * random.uniform(0.92, 1.08)
        picture[:] = map_coordinates(picture, [places, bands], order=1, mode="constant")
    return moved


def judged_digits(model: Any, seeds: Sequence[int], each: int, **how: Any) -> dict[str, Any]:
    """``each`` of all 60 classes for each seed: heard as asked (also as sound), FID, nearest recordings."""
    import numpy as np

    from aigc_lab import evaluate

    (known, _), *held_out = digit_parts()
    real = np.concatenate([pictures for pictures, _ in held_out])  # watched and held out: 360
    asked = np.tile(np.arange(60), each)
    drawn = np.concatenate([model.sample(len(asked), asked, seed=seed, **how) for seed in seeds])
    asked = np.tile(asked, len(seeds))
    made_again = evaluate.spoken.pictures(evaluate.spoken.waves(drawn))
    questions = ("digit", "spoken-digits", asked // 6), ("speaker", "speakers", asked % 6)
    facts: dict[str, Any] = {}
    for words, pictures in (("", drawn), (", as sound", made_again)):
        for name, group, wanted in questions:
            names = evaluate.SPOKEN_GROUPS[group]
            score = evaluate.class_accuracy(pictures, wanted, names, among=group)
            facts[f"{name} as asked{words}"] = [round(s, 4) for s in (score.value, score.low, score.high)]
    seen = evaluate.features(real)
    some = np.random.default_rng(0).permutation(len(real))[:180]  # three of each class in the mean
    scores = {
        "fid of 180": evaluate.fid(seen[some], evaluate.features(drawn[:180])),
        "fid of 180, floor": evaluate.floor(seen, metric="fid", size=180),
    }
    facts |= {name: [round(s, 3) for s in (at.value, at.low, at.high)] for name, at in scores.items()}
    for name, items in (("samples", drawn), ("held-out recordings", real)):
        distance = float(np.median(evaluate.nearest(items, known)[1]))
        facts[f"median distance to the nearest training picture, {name}"] = round(distance, 2)
    return {"asked": len(asked), **facts}


def train_digits() -> tuple[Any, str, dict, dict]:
    """First at one rate, then down along a cosine."""
    import numpy as np
    import pandas as pd

    from aigc_lab import models, train

    arguments = {
        "image_shape": [64, 40, 1], "class_count": 60, "width": 24, "patch": 2, "class_parts": [10, 6],
    }  # fmt: skip
    stages = ({"steps": 4_800, "schedule": "constant"}, {"steps": 1_000, "schedule": "cosine"})
    copies, (pictures, classes) = 12, digit_parts()[0]
    pictures, classes = moved_in_time(pictures, copies, seed=0), np.tile(classes, copies)
    model, tables, done = models.diffusion.unet(**arguments, seed=0), [], 0
    for seed, options in enumerate(stages):
        how = {"batch_size": 16, "learning_rate": 2e-3, "seed": seed, "reports": 5, "progress": False}
        history = train.fit(model, pictures, classes, **how, **options)
        tables.append(history.table.assign(step=history.table["step"] + done))
        done += options["steps"]
    facts = {
        "licence": "CC BY-SA 4.0, as the recordings, whose licence an adaptation keeps",
        "data": "spoken-digits (CC BY-SA 4.0), six speakers: takes 6 to 19 (840 recordings), each once as it "
        "is and 11 times moved and stretched a little in time",
        "class": "6 * digit + speaker; speakers in alphabetical order",
        "steps": done,
        "stages": list(stages),
        "batch_size": 16,
        "learning_rate": 2e-3,
        "curve": pd.concat(tables)[["step", "loss"]].round(4).to_dict("list"),
    }
    return model, "diffusion.unet", arguments, facts


def measure_digits(model: Any) -> dict:
    facts = {
        f"guidance {guidance}": judged_digits(model, (0, 1, 2), each, steps=8, guidance=guidance)
        for guidance, each in ((1, 4), (2, 2))
    }
    return {"judge": "evaluate's spoken_network", "steps": 8, **facts}


RECIPES["digits_diffusion"] = train_digits, measure_digits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="+", choices=RECIPES, help="which models")
    for name in parser.parse_args().names:
        from aigc_lab.backend import import_keras

        import_keras()
        import keras

        from aigc_lab.models import stored

        train, measure = RECIPES[name]
        started = time.perf_counter()
        model, builder, arguments, facts = train()
        facts = {
            "command": f"python scripts/train_stored_models.py {name}",
            "licence": "MIT for the weights; the training data keep their own licence",
            **facts,
            "seconds": round(time.perf_counter() - started),
            "date": datetime.now(UTC).date().isoformat(),
            "versions": {
                "python": platform.python_version(),
                "keras": keras.__version__,
                "backend": keras.backend.backend(),
            },
        }
        stored.save(name, model, builder, arguments, facts)
        facts["held_out"] = measure(stored.load(name))
        description = stored.save(name, stored.load(name), builder, arguments, facts)
        print(
            f"{name}: {description['bytes']:,} bytes, {facts['seconds']} s, {facts['held_out']}", flush=True
        )


if __name__ == "__main__":
    main()
