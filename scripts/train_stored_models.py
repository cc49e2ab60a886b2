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
