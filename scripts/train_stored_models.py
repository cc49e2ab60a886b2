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
from collections.abc import Callable
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
            **facts,
            "seconds": round(time.perf_counter() - started),
            "date": datetime.now(UTC).date().isoformat(),
            "licence": "MIT for the weights; the training data keep their own licence",
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
