"""Train a feature network that ``aigc_lab.evaluate`` ships, and write its weights and description.

Run where aigc_lab is installed; about four minutes each on two cores::

    python scripts/train_feature_network.py
    python scripts/train_feature_network.py --network spoken

Only part 0 of ``Dataset.split((0.7, 0.1, 0.2), seed=0)`` of each set is trained on and part 1 is
looked at while training; the stated accuracy is that of part 2, which nothing else uses. Notebooks
that evaluate on part 2 of the same split therefore show images that the network has never seen. The spoken
digits are split by take instead: 0 to 3 are held out, 4 and 5 watched, the others trained on.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from scipy.ndimage import affine_transform, map_coordinates, zoom

from aigc_lab import collect
from aigc_lab.collect import Dataset
from aigc_lab.evaluate import feature_network as network
from aigc_lab.evaluate import spoken

FRACTIONS, SPLIT_SEED = (0.7, 0.1, 0.2), 0
EPOCHS, BATCH_SIZE, PEAK_RATE, WEIGHT_DECAY, LABEL_SMOOTHING = 12, 128, 4e-3, 0.02, 0.1
MIRRORED = ("animals", "quickdraw")  # a mirrored digit is another sign or none


def sized(images: np.ndarray) -> np.ndarray:
    """Images enlarged to 28 x 28 (bilinear), ``uint8`` (n, 28, 28)."""
    images = images.reshape(len(images), *images.shape[1:3])
    factor = network.IMAGE_SIZE / images.shape[1]
    larger = zoom(images.astype(np.float32), (1, factor, factor), order=1) if factor != 1 else images
    return np.clip(larger, 0, 255).round().astype(np.uint8)


def load_parts(limit: int | None = None) -> dict[str, tuple[Dataset, ...]]:
    """The three parts of each set, by the set's name."""
    parts = {}
    for name, class_names in network.GROUPS.items():
        loaded = collect.load(name)
        if set(loaded.class_names) != set(class_names):
            sys.exit(f"the set {name} has classes {loaded.class_names}, the network expects {class_names}")
        parts[name] = tuple(part[:limit] for part in loaded.split(FRACTIONS, seed=SPLIT_SEED))
    return parts


def stacked(parts: dict[str, tuple[Dataset, ...]], number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images ``float32`` (n, 28, 28), labels among all classes (n,), and who may be mirrored (n,)."""
    images, labels, mirrored = [], [], []
    for name, sets in parts.items():
        part = sets[number]
        places = np.array([network.CLASS_NAMES.index(f"{name}/{label}") for label in part.class_names])
        images.append(sized(part.data).astype(np.float32) / 255)
        labels.append(places[part.labels])
        mirrored.append(np.full(len(part), name in MIRRORED))
    return np.concatenate(images), np.concatenate(labels), np.concatenate(mirrored)


def augmented(images: np.ndarray, mirrored: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Images moved by up to 2 pixels, turned by up to 10 degrees, scaled by up to 10 %, some mirrored."""
    count, centre = len(images), (network.IMAGE_SIZE - 1) / 2
    angle = np.deg2rad(generator.uniform(-10, 10, count))
    scale = generator.uniform(0.9, 1.1, count)
    shift = generator.uniform(-2, 2, (count, 2))
    flip = np.where((generator.random(count) < 0.5) & mirrored, -1.0, 1.0)
    result = np.empty_like(images)
    for i in range(count):
        cosine, sine = np.cos(angle[i]) / scale[i], np.sin(angle[i]) / scale[i]
        matrix = np.array([[cosine, -sine * flip[i]], [sine, cosine * flip[i]]])
        affine_transform(images[i], matrix, centre - matrix @ (centre + shift[i]), output=result[i], order=1)
    return result


def build(seed: int, size: tuple[int, int], outputs: int):
    """The Keras model that is trained: ``network.CONVOLUTIONS``, each with batch normalisation."""
    import keras

    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()  # else sums depend on which thread was first
    images = hidden = keras.Input((*size, 1))
    for number, (kernel, stride, channels) in enumerate(network.CONVOLUTIONS):
        hidden = keras.layers.Conv2D(
            channels, kernel, stride, padding="same", use_bias=False, kernel_initializer="he_normal",
            name=f"convolution{number}",
        )(hidden)  # fmt: skip
        hidden = keras.layers.BatchNormalization(momentum=0.97, name=f"normalisation{number}")(hidden)
        hidden = keras.layers.ReLU()(hidden)
    features = keras.layers.GlobalAveragePooling2D()(hidden)
    logits = keras.layers.Dense(outputs, name="dense")(keras.layers.Dropout(0.2)(features))
    return keras.Model(images, logits)


def folded(model) -> dict[str, np.ndarray]:
    """The weights for ``network.forward``: batch normalisation becomes part of each convolution."""
    parameters = {}
    for number in range(len(network.CONVOLUTIONS)):
        normalisation = model.get_layer(f"normalisation{number}")
        gamma, beta, mean, variance = (np.array(v) for v in normalisation.get_weights())
        factor = gamma / np.sqrt(variance + normalisation.epsilon)
        parameters[f"kernel{number}"] = (
            np.array(model.get_layer(f"convolution{number}").get_weights()[0]) * factor
        )
        parameters[f"bias{number}"] = beta - mean * factor
    parameters["dense"], parameters["dense_bias"] = (
        np.array(v) for v in model.get_layer("dense").get_weights()
    )
    return parameters


def logits_of(images: np.ndarray, parameters: dict[str, np.ndarray]) -> np.ndarray:
    """Logits of ``float32`` images (n, 28, 28), 500 at a time."""
    return np.concatenate(
        [
            network.forward(images[start : start + 500, ..., None], parameters)[1]
            for start in range(0, len(images), 500)
        ]
    )


def accuracies(parts: dict[str, tuple[Dataset, ...]], parameters: dict[str, np.ndarray]) -> dict[str, dict]:
    """Accuracy on part 2, for each set: among all classes, and among the classes of the set alone."""
    found = {}
    for name in parts:
        images, labels, _ = stacked({name: parts[name]}, 2)
        logits = logits_of(images, parameters)
        own = [i for i, full in enumerate(network.CLASS_NAMES) if full.startswith(f"{name}/")]
        among_own = np.array(own)[logits[:, own].argmax(1)]
        found[name] = {
            "items": len(labels),
            "among_all_classes": round(float((logits.argmax(1) == labels).mean()), 4),
            "among_own_classes": round(float((among_own == labels).mean()), 4),
        }
    return found


def training_rate(steps: int):
    """Up for a tenth of the steps, then down along a cosine."""
    import keras

    return keras.optimizers.schedules.CosineDecay(
        1e-4, steps - steps // 10, alpha=0.0, warmup_target=PEAK_RATE, warmup_steps=steps // 10
    )


def fitted(model, loss, epochs: int, batch_size: int, draw, watch) -> dict[str, np.ndarray]:
    """Train on what ``draw()`` gives, anew each epoch; the weights for ``network.forward``.

    ``watch`` takes such weights and says what they do on part 1.
    """
    import keras

    started = time.perf_counter()
    for epoch in range(epochs):
        images, targets = draw()
        if not epoch:
            rate = training_rate(epochs * -(-len(images) // batch_size))
            model.compile(keras.optimizers.AdamW(rate, weight_decay=WEIGHT_DECAY), loss)
        history = model.fit(images, targets, batch_size=batch_size, shuffle=False, verbose=0)
        print(
            f"epoch {epoch + 1:2d} of {epochs}: loss {history.history['loss'][0]:.3f}, "
            f"on part 1 {watch(folded(model))}, {time.perf_counter() - started:.0f} s",
            flush=True,
        )
    exact, trial = folded(model), images[:500]
    difference = float(np.abs(logits_of(trial[..., 0], exact) - model.predict(trial, verbose=0)).max())
    if difference > 1e-3:
        sys.exit(f"the NumPy network differs from the Keras one by {difference:.2g}; nothing was written")
    return exact


def as_shipped(exact: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], bytes]:
    """The weights in half precision, as float32 again, and the file that holds them."""
    stored, archive = {name: values.astype(np.float16) for name, values in exact.items()}, io.BytesIO()
    np.savez_compressed(archive, **stored)
    return {name: values.astype(np.float32) for name, values in stored.items()}, archive.getvalue()


def write(folder: Path, file: str, content: bytes, shipped: dict, about: dict, training: dict) -> None:
    """The weights, and the description with what all networks state."""
    import keras

    first = {
        "weights_sha256": hashlib.sha256(content).hexdigest(),
        "weights_bytes": len(content),
        "parameters": int(sum(values.size for values in shipped.values())),
        "licence": "MIT for the weights; the training data keep their own licences",
    }
    last = {
        "training": {
            "script": "scripts/train_feature_network.py",
            **training,
            "date": datetime.now(UTC).date().isoformat(),
        },
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{file}.npz").write_bytes(content)
    words = json.dumps(first | about | last, indent=1) + "\n"
    (folder / f"{file}.json").write_text(words, encoding="utf-8")
    print(
        json.dumps({"held_out_accuracy": about["held_out_accuracy"], "weights_bytes": len(content)}, indent=1)
    )


def train_images(options: argparse.Namespace) -> None:
    import keras

    started, epochs = time.perf_counter(), options.epochs or EPOCHS
    parts = load_parts(options.limit)
    images, labels, mirrored = stacked(parts, 0)
    seen, seen_labels, _ = stacked(parts, 1)
    targets = keras.utils.to_categorical(labels, len(network.CLASS_NAMES))
    generator = np.random.default_rng(options.seed)

    def draw():
        order = generator.permutation(len(images))
        return augmented(images, mirrored, generator)[order, ..., None], targets[order]

    def watch(parameters: dict[str, np.ndarray]) -> str:
        return f"{(logits_of(seen, parameters).argmax(1) == seen_labels).mean():.4f}"

    model = build(options.seed, (network.IMAGE_SIZE, network.IMAGE_SIZE), len(network.CLASS_NAMES))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=LABEL_SMOOTHING)
    exact = fitted(model, loss, epochs, BATCH_SIZE, draw, watch)
    # What is shipped is float16; every number below is measured with the weights as shipped.
    shipped, content = as_shipped(exact)
    about = {
        "what": "classifier of 28 x 28 grey pictures; the 96 numbers before its last layer are the features",
        "class_names": list(network.CLASS_NAMES),
        "held_out_accuracy": accuracies(parts, shipped),
        "training_data": {
            name: {
                "title": sets[0].card.title,
                "licence": sets[0].card.licence,
                "source": sets[0].card.source,
                "train": len(sets[0]),
                "validation": len(sets[1]),
                "held_out": len(sets[2]),
                "train_sha256": digest(sets[0]),
            }
            for name, sets in parts.items()
        },
        "split": f"Dataset.split({FRACTIONS}, seed={SPLIT_SEED}): part 0 trains, 1 is watched, 2 is held out",
        "caveat": "the split keeps exact copies together, not near-copies: the accuracy may be flattered",
    }
    training = {
        "seed": options.seed,
        "epochs": epochs,
        "batch_size": BATCH_SIZE,
        "peak_learning_rate": PEAK_RATE,
        "weight_decay": WEIGHT_DECAY,
        "label_smoothing": LABEL_SMOOTHING,
        "seconds": round(time.perf_counter() - started),
    }
    write(options.output, network.FILES["images"], content, shipped, about, training)


# -- spoken digits -------------------------------------------------------------------------------------

SPOKEN_EPOCHS, SPOKEN_BATCH = 15, 64


def spoken_parts() -> tuple[list[Dataset], list[np.ndarray], list[np.ndarray]]:
    """Recordings, pictures ``(n, 64, 40, 1)`` and labels (digit, speaker) ``(n, 2)`` of the three parts."""
    loaded, takes = collect.load("spoken-digits"), collect.takes("spoken-digits")
    names, who = collect.speakers("spoken-digits")
    if names != network.SPOKEN_GROUPS["speakers"]:
        sys.exit(f"the speakers are {names}, the network expects {network.SPOKEN_GROUPS['speakers']}")
    pictures, labels = spoken.pictures(loaded.data), np.stack([loaded.labels, who], axis=1)
    chosen = [np.flatnonzero(part) for part in (takes >= 6, (takes == 4) | (takes == 5), takes < 4)]
    return tuple([each[part] for part in chosen] for each in (loaded, pictures, labels))


def spoken_moved(pictures: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Moved by up to 3 frames and 1 band, stretched by up to 12 % in time, with a little noise."""
    frames, bands = np.mgrid[: network.SPOKEN_SIZE[0], : network.SPOKEN_SIZE[1]].astype("float32")
    result = np.empty_like(pictures)
    for picture, moved in zip(pictures[..., 0], result[..., 0], strict=True):
        later = (frames - generator.uniform(-3, 3)) * generator.uniform(0.88, 1.12)
        higher = np.clip(bands + generator.uniform(-1, 1), 0, bands.max())
        map_coordinates(picture, [later, higher], output=moved, order=1, mode="constant")
    noise = generator.uniform(0, 0.04, (len(result), 1, 1, 1)) * generator.standard_normal(result.shape)
    return np.clip(result + noise, 0, 1).astype("float32")


def spoken_accuracy(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    digits = len(network.SPOKEN_GROUPS["spoken-digits"])
    found = np.stack([logits[:, :digits].argmax(1), logits[:, digits:].argmax(1)], axis=1)
    return {
        group: round(float(share), 4)
        for group, share in zip(network.SPOKEN_GROUPS, (found == labels).mean(axis=0), strict=True)
    }


def train_spoken(options: argparse.Namespace) -> None:
    """Half of the training pictures are those of the recording made again by Griffin and Lim."""
    import keras

    started, epochs = time.perf_counter(), options.epochs or SPOKEN_EPOCHS
    recordings, pictures, labels = spoken_parts()
    again = [spoken.pictures(spoken.waves(part)) for part in pictures]
    both, asked = np.concatenate([pictures[0], again[0]]), np.tile(labels[0], (2, 1))
    digits, speakers = (len(names) for names in network.SPOKEN_GROUPS.values())
    targets = np.concatenate([np.eye(digits)[asked[:, 0]], np.eye(speakers)[asked[:, 1]]], axis=1)
    generator = np.random.default_rng(options.seed)
    one = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=LABEL_SMOOTHING)

    def loss(wanted, logits):
        return one(wanted[:, :digits], logits[:, :digits]) + one(wanted[:, digits:], logits[:, digits:])

    def draw():
        order = generator.permutation(len(both))
        return spoken_moved(both[order], generator), targets[order]

    def watch(parameters: dict[str, np.ndarray]) -> dict[str, float]:
        return spoken_accuracy(logits_of(pictures[1][..., 0], parameters), labels[1])

    model = build(options.seed, network.SPOKEN_SIZE, digits + speakers)
    shipped, content = as_shipped(fitted(model, loss, epochs, SPOKEN_BATCH, draw, watch))
    held_out = {
        name: {"items": len(labels[2]), **spoken_accuracy(logits_of(each[2][..., 0], shipped), labels[2])}
        for name, each in (("recordings", pictures), ("made again by Griffin-Lim", again))
    }
    card = recordings[0].card
    about = {
        "what": "who says which digit, by the picture of evaluate.spoken; the 96 numbers before its last "
        "layer are the features",
        "licence": "CC BY-SA 4.0, as the recordings, whose licence an adaptation keeps",
        "class_names": [
            f"{group}/{name}" for group, names in network.SPOKEN_GROUPS.items() for name in names
        ],
        "held_out_accuracy": held_out,
        "training_data": {
            "spoken-digits": {
                "title": card.title,
                "licence": card.licence,
                "source": card.source,
                "train": len(labels[0]),
                "validation": len(labels[1]),
                "held_out": len(labels[2]),
                "train_sha256": digest(recordings[0]),
            }
        },
        "split": "by take: 0 to 3 are held out, 4 and 5 are watched, 6 to 19 train",
        "caveat": "the six speakers are those of the training part: another speaker is not known to it",
    }
    training = {
        "seed": options.seed,
        "epochs": epochs,
        "batch_size": SPOKEN_BATCH,
        "peak_learning_rate": PEAK_RATE,
        "weight_decay": WEIGHT_DECAY,
        "label_smoothing": LABEL_SMOOTHING,
        "seconds": round(time.perf_counter() - started),
    }
    write(options.output, network.FILES["spoken"], content, shipped, about, training)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--network", choices=network.FILES, default="images")
    parser.add_argument("--output", type=Path, default=Path(network.__file__).parent, help="folder")
    parser.add_argument("--epochs", type=int, default=None)
    parser.add_argument("--limit", type=int, default=None, help="images of each part, for a quick trial")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    {"images": train_images, "spoken": train_spoken}[options.network](options)


def digest(part: Dataset) -> str:
    """One SHA-256 for the items of a part, whatever their order."""
    return hashlib.sha256("".join(sorted(part.hashes())).encode()).hexdigest()


if __name__ == "__main__":
    main()
