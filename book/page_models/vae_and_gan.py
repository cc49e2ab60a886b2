"""Models, tables and pictures of the demonstrations on the welcome page and in notebooks 06, 09 and 15."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from aigc_lab import evaluate, study
from aigc_lab.models import stored
from book.page_models import exports
from book.page_models.normals import normals


def sheet(images: np.ndarray, columns: int) -> np.ndarray:
    """uint8 images ``(n, h, w)`` on one picture, row by row; a last row that is not full is left out."""
    count, height, width = images.shape
    rows = count // columns
    tiles = images[: rows * columns].reshape(rows, columns, height, width)
    return tiles.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)  # -> (r * h, c * w)


def as_bytes(pixels: np.ndarray) -> np.ndarray:
    """Pixels in [0, 1], ``(n, h, w, 1)``, as uint8 ``(n, h, w)``."""
    return np.rint(255 * np.clip(pixels[..., 0], 0, 1)).astype("uint8")


# -- the welcome page: a new cat -------------------------------------------------------------------------

SEEDS = 4_000  # so many points of the GAN are looked at
SURE = 0.9  # a drawing counts as a cat if the classifier gives the class more than this
DIRECTIONS = 4


@functools.cache
def cat_networks() -> tuple[Any, Any]:
    """The stored GAN of notebook 09 in two parts: z to w (n, 128), and w to pixels.

    w, between the mapping's dense layers and the coarse grid, is where directions have meaning
    (Karras et al. 2019, arXiv 1812.04948, section 4).
    """
    import keras

    generator = stored.load("drawings_gan").generator
    second = [layer for layer in generator.layers if isinstance(layer, keras.layers.Dense)][1]
    return keras.Model(generator.inputs, second.output), keras.Model(second.output, generator.output)


@functools.cache
def cats() -> dict[str, Any]:
    """Which seeds draw a cat, and the directions in which the cats' w differ most.

    The GAN draws six things and was never told which; the course's own frozen classifier picks the cats.
    The directions are principal components of the cats' w (Härkönen et al. 2020, GANSpace, arXiv 2004.02546,
    section 2.1), each as long as one standard deviation along it.
    """
    mapping, drawing = cat_networks()
    latent = np.stack([normals(seed, mapping.inputs[0].shape[-1]) for seed in range(SEEDS)])
    points = np.asarray(mapping([latent]))
    named = evaluate.classify(np.asarray(drawing(points)), among="quickdraw")
    sure = named[:, evaluate.GROUPS["quickdraw"].index("cat")]
    seeds = np.flatnonzero(sure > SURE)
    centred = points[seeds] - points[seeds].mean(axis=0)
    _, sizes, components = np.linalg.svd(centred, full_matrices=False)
    directions = components[:DIRECTIONS] * sizes[:DIRECTIONS, None] / np.sqrt(len(seeds))
    # A component has no sign of its own: its largest coordinate is made positive.
    largest = np.abs(directions).argmax(axis=1)
    directions *= np.sign(directions[np.arange(DIRECTIONS), largest])[:, None]
    return {"seeds": seeds.tolist(), "of": SEEDS, "directions": directions}


def cats_model(path: Path) -> None:
    """z (n, 64) and a shift of w (n, 128) to pixels (n, 28, 28, 1)."""
    import keras

    mapping, drawing = cat_networks()
    latent = keras.Input(mapping.inputs[0].shape[1:], name="latent")
    shift = keras.Input(drawing.inputs[0].shape[1:], name="shift")
    pixels = drawing(mapping([latent]) + shift)
    exports.write_model(keras.Model([latent, shift], pixels, name="cats"), path)


def cats_table(path: Path) -> None:
    """See ``cats``."""
    exports.write_json(cats(), path)


def welcome_picture(path: Path) -> None:
    """The first cats."""
    mapping, drawing = cat_networks()
    latent = np.stack([normals(seed, mapping.inputs[0].shape[-1]) for seed in cats()["seeds"][:18]])
    exports.write_picture(sheet(as_bytes(np.asarray(drawing(mapping([latent])))), 9), path, enlarge=3)


# -- notebook 06: a plane through three cats ---------------------------------------------------------------

DRAWINGS = (17, 24, 28)  # of the test cats of notebook 06
CORNERS = ((0.2, 0.2), (0.8, 0.2), (0.5, 0.8))  # where they lie on the map: right and up, from 0 to 1
TILES = 9


@functools.cache
def three_codes() -> np.ndarray:
    """The codes of three test drawings, (3, 32)."""
    from aigc_lab import collect

    _, _, held_out = collect.load("quickdraw").only("cat").split(seed=0)
    return stored.load("drawings_vae").encode(held_out.arrays()[0][list(DRAWINGS)])[0]


@functools.cache
def plane() -> dict[str, Any]:
    """The plane: a point (right, up) has the code ``origin + right * across + up * along``."""
    codes = three_codes().astype(float)
    # Of (1, right, up) at the three corners the codes are a linear function.
    corners = np.column_stack([np.ones(3), CORNERS])
    origin, across, along = np.linalg.solve(corners, codes)
    # The shares of the three cats at a point are linear too, and 1 at their own corner.
    shares = np.linalg.inv(corners).T
    return {
        "origin": origin,
        "across": across,
        "along": along,
        "corners": np.array(CORNERS),
        "shares": shares,
    }


def drawings_vae(path: Path) -> None:
    """The decoder of notebook 06's stored model: latent (n, 32) to pixels (n, 28, 28, 1)."""
    exports.write_model(stored.load("drawings_vae").drawing_network(), path)


def plane_table(path: Path) -> None:
    """See ``plane``."""
    exports.write_json({**plane(), "tiles": TILES}, path)


def plane_picture(path: Path) -> None:
    """What the decoder draws on a lattice of the plane."""
    table = plane()
    places = (np.arange(TILES) + 0.5) / TILES
    right, up = np.meshgrid(places, places[::-1])
    codes = table["origin"] + right.ravel()[:, None] * table["across"] + up.ravel()[:, None] * table["along"]
    pixels = stored.load("drawings_vae").decode(codes)
    exports.write_picture(sheet(as_bytes(pixels), TILES), path, enlarge=2)


# -- notebook 09: a label and a temperature ----------------------------------------------------------------


def labelled_vae(path: Path) -> None:
    """The decoder with labels: latent (n, 16) and label (n, 5) to pixels (n, 28, 28, 1)."""
    exports.write_model(stored.load("labelled_vae").drawing_network(), path)


def labelled_picture(path: Path) -> None:
    """Eight animals of each class at temperature 0.7, from the seeds 1 to 8."""
    model = stored.load("labelled_vae")
    latent = 0.7 * np.stack([normals(seed, model.latent_size) for seed in range(1, 9)])
    rows = [model.decode(latent, np.full(8, label)) for label in range(model.class_count)]
    exports.write_picture(sheet(as_bytes(np.concatenate(rows)), 8), path, enlarge=2)


# -- notebook 15: samples of the study's models --------------------------------------------------------------

SAMPLES = 24  # stored for each corruption and severity: six of each class, in turn
GREYS = 16


@functools.cache
def corruptions() -> tuple[list[dict[str, Any]], np.ndarray]:
    """What the study's GAN drew for each corruption and severity, and the scores of its five seeds.

    Returns:
        rows of a table, and the samples in the same order, uint8 ``(row, SAMPLES, 28, 28)``.
    """
    samples, (table, _) = study.stored_samples("data_quality"), study.stored("data_quality")
    rows = []
    for corruption, severity in samples:
        scores = {
            name: round(float(study.values(table, name, "gan", corruption, severity).mean()), 3)
            for name in ("kid", "label_accuracy")
        }
        rows.append({"corruption": corruption, "severity": severity, **scores})
    return rows, np.stack(list(samples.values()))


def corruption_table(path: Path) -> None:
    """One entry for each row of the sheet."""
    exports.write_json({"samples": SAMPLES, "rows": corruptions()[0]}, path)


def corruption_sheet(path: Path) -> None:
    """All samples on one picture: a row for each corruption and severity."""
    images = corruptions()[1]
    few = np.rint(images / 255 * (GREYS - 1)) * (255 / (GREYS - 1))  # half the bytes, and no eye sees it
    exports.write_picture(sheet(few.astype("uint8").reshape(-1, 28, 28), SAMPLES), path)


def corruption_picture(path: Path) -> None:
    """Trained on clean data (first row), and on data with ever more noise."""
    rows, images = corruptions()
    chosen = [at for at, row in enumerate(rows) if row["corruption"] in ("none", "noise")]
    exports.write_picture(sheet(images[chosen, :12].reshape(-1, 28, 28), 12), path, enlarge=2)


MODELS: dict[str, Callable[[Path], None]] = {
    "cats.onnx": cats_model,
    "cats.json": cats_table,
    "welcome.png": welcome_picture,
    "drawings_vae.onnx": drawings_vae,
    "latent_map.json": plane_table,
    "latent_map.png": plane_picture,
    "labelled_vae.onnx": labelled_vae,
    "labelled.png": labelled_picture,
    "corruption.json": corruption_table,
    "corruption_samples.png": corruption_sheet,
    "corruption.png": corruption_picture,
}
