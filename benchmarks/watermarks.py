"""Watermarks in pictures: ours beside blind-watermark and invisible-watermark, the same attacks on all.

    python benchmarks/watermarks.py [photographs] [--store]

The test photographs, at most 512 pixels a side, are marked, attacked in ten ways and read again. Ours asks
whether the pattern of a key is there, at a false-alarm rate of one in a million with all shifts searched. The
packages hide 64 bits; they count as found when so many bits are right that a random message would have them
in at most one case of a million, and the share whose 64 bits are all right is told too. Nobody tells a
decoder how a picture was cropped. ``--store`` replaces the table that notebook 29 reads. The packages are
optional; neither needs PyTorch for the methods used here:

    pip install --no-deps --target FOLDER blind-watermark==0.4.4 invisible-watermark==0.2.0
    pip install --no-deps --target FOLDER PyWavelets opencv-python-headless

and then PYTHONPATH=FOLDER for this script; without them those lines say that they are not installed.
"""

from __future__ import annotations

import io
import sys
import time
import types
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np
import pandas as pd
import table
from PIL import Image
from scipy import ndimage, stats

from aigc_lab import collect, evaluate, study, watermark

BENCH = ["14"]
QUICK = ["2"]
BITS, ALARM, LARGEST, KEY = 64, 1e-6, 512, "aigc-lab"
OURS = "aigc_lab.watermark"


def resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def halved(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    return resized(resized(image, height // 2, width // 2), height, width)


def cropped(image: np.ndarray, area: float) -> np.ndarray:
    """A part of the picture with this share of its area, off the middle and off the grid of blocks."""
    height, width = (int(side * area**0.5) for side in image.shape[:2])
    down, right = ((side - part) * 2 // 3 for side, part in zip(image.shape, (height, width), strict=False))
    return image[down : down + height, right : right + width]


def noisy(image: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, deviation, image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


ATTACKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda image: image,
    "JPEG 50": lambda image: jpeg(image, 50),
    "JPEG 30": lambda image: jpeg(image, 30),
    "half size and back": halved,
    "crop to 70 %": lambda image: cropped(image, 0.7),
    "crop to 30 %": lambda image: cropped(image, 0.3),
    "20 % brighter": lambda image: np.clip(np.rint(1.2 * image), 0, 255).astype(np.uint8),
    "noise, sd 10": lambda image: noisy(image, 10),
    "median 3 x 3": lambda image: ndimage.median_filter(image, (3, 3, 1)[: image.ndim]),
    "half size, JPEG 30": lambda image: jpeg(halved(image), 30),
    "turned by 1 degree": lambda image: np.asarray(
        Image.fromarray(image).rotate(1, Image.Resampling.BICUBIC)
    ),
}


def photographs(count: int) -> dict[str, np.ndarray]:
    """The test photographs in colour, at most 512 pixels a side."""
    found = {}
    for name, image in list(collect.photos().items())[:count]:
        factor = min(1.0, LARGEST / max(image.shape[:2]))
        small = resized(image, round(factor * image.shape[0]), round(factor * image.shape[1]))
        found[name] = small if small.ndim == 3 else np.repeat(small[..., None], 3, axis=2)
    return found


def message() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 2, BITS)


def blind() -> tuple[Callable, Callable]:
    """blind-watermark: mark and read; it works on blue, green, red."""
    sys.modules["blind_watermark.version"] = types.SimpleNamespace(  # it prints an advertisement
        bw_notes=types.SimpleNamespace(print_notes=lambda: None, close=lambda: None), __version__="0.4.4"
    )
    from blind_watermark import WaterMark

    def mark(image: np.ndarray) -> np.ndarray:
        tool = WaterMark(password_wm=1, password_img=1)
        tool.read_img(img=image[..., ::-1].copy())
        tool.read_wm(message().astype(bool), mode="bit")
        return np.clip(np.rint(tool.embed()), 0, 255).astype(np.uint8)[..., ::-1]

    def read(image: np.ndarray) -> np.ndarray:
        tool = WaterMark(password_wm=1, password_img=1)
        found = tool.extract(embed_img=image[..., ::-1].copy(), wm_shape=BITS, mode="bit")
        return np.asarray(found) > 0.5

    return mark, read


def invisible(method: str) -> tuple[Callable, Callable]:
    """invisible-watermark; PyTorch, which only its third method needs, may be missing."""
    for name in ("torch", "onnxruntime"):
        if name not in sys.modules and not table.installed(name):
            sys.modules[name] = types.ModuleType(name)
    from imwatermark import WatermarkDecoder, WatermarkEncoder

    def mark(image: np.ndarray) -> np.ndarray:
        encoder = WatermarkEncoder()
        encoder.set_watermark("bits", message().tolist())
        return encoder.encode(image[..., ::-1].copy(), method)[..., ::-1]

    def read(image: np.ndarray) -> np.ndarray:
        if image.shape[0] * image.shape[1] < 256**2:  # it refuses pictures of fewer pixels
            return np.full(BITS, -1)
        return np.asarray(WatermarkDecoder("bits", BITS).decode(image[..., ::-1].copy(), method))

    return mark, read


def measure(name: str, mark: Callable, read: Callable | None, images: dict[str, np.ndarray]) -> list[dict]:
    """A row for each photograph and attack."""
    enough = int(stats.binom.isf(ALARM, BITS, 0.5)) + 1  # P(at least so many bits right by chance) <= ALARM
    rows: list[dict[str, Any]] = []
    for picture, image in images.items():
        begun = time.process_time()
        marked = mark(image)
        spent = time.process_time() - begun
        error = np.mean((image.astype(float) - marked) ** 2)
        seen = {"psnr": 10 * np.log10(255**2 / error), "ssim": evaluate.ssim(image, marked)}
        for attack, change in ATTACKS.items():
            changed, bits = np.ascontiguousarray(change(marked)), np.nan
            begun = time.process_time()
            if read is None:
                found = watermark.detect(changed, KEY, ALARM)
                score, hit = found.score, found.found
            else:
                bits = float((read(changed) == message()).sum())
                score, hit = (bits - BITS / 2) / (BITS / 4) ** 0.5, bits >= enough
            seconds = time.process_time() - begun
            rows.append(
                {"method": name, "picture": picture, "attack": attack, **seen, "found": bool(hit),
                 "score": score, "bits": bits, "mark_seconds": spent, "read_seconds": seconds}
            )  # fmt: skip
        print(f"  {name}: {picture}", file=sys.stderr, flush=True)
    return rows


def main(count: int = 14, store: bool = False) -> None:
    images = photographs(count)
    ways: dict[str, tuple[Callable, Callable | None]] = {
        OURS: (lambda image: watermark.embed(image, KEY), None)
    }
    absent, versions = [], []
    for package, module, made in (
        ("blind-watermark", "blind_watermark", {"blind-watermark": blind}),
        (
            "invisible-watermark",
            "imwatermark",
            {
                f"invisible-watermark, {method}": lambda method=method: invisible(method)
                for method in ("dwtDct", "dwtDctSvd")
            },
        ),
    ):
        if all(table.installed(each) for each in (module, "cv2", "pywt")):
            ways |= {name: make() for name, make in made.items()}
            versions.append(f"{package} {metadata.version(package)}")
        else:
            absent += list(made)
    frame = pd.DataFrame([row for name, way in ways.items() for row in measure(name, *way, images)])
    rows = []
    for name, part in frame.groupby("method", sort=False):
        first = part[part["attack"] == "none"]
        exact = "" if name == OURS else f"{(first['bits'] == BITS).sum()} of {len(first)}"
        shares = part.groupby("attack", sort=False)["found"].mean()
        times = f"{1e3 * part['read_seconds'].median():.0f}"
        rows.append([name, table.spread(first["psnr"], 1), exact, times, *(f"{each:.2f}" for each in shares)])
    rows += [[name, table.ABSENT] for name in absent]
    columns = ["way", "PSNR, dB", f"all {BITS} bits right, no attack", "ms to read", *ATTACKS]
    rows = [row + [""] * (len(columns) - len(row)) for row in rows]
    table.show(f"Share of {len(images)} photographs in which the mark is found", columns, rows)
    if store:
        if absent:
            raise SystemExit(f"nothing was stored: {', '.join(absent)} {table.ABSENT}")
        about = {"command": "python benchmarks/watermarks.py --store", "packages": ", ".join(versions)}
        print("wrote", study.write_stored("watermarks", frame, "", **about).name)


if __name__ == "__main__":
    main(*(int(each) for each in sys.argv[1:] if each != "--store"), store="--store" in sys.argv)
