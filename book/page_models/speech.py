"""Models, table and picture of the demonstration in notebook 27: a spoken digit from noise."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from aigc_lab import collect, deploy, sound
from aigc_lab.evaluate import feature_network, spoken
from aigc_lab.models import stored
from book.page_models import exports

DIGITS = ("0 零", "1 一", "2 二", "3 三", "4 四", "5 五", "6 六", "7 七", "8 八", "9 九")
SPEAKERS = feature_network.SPOKEN_GROUPS["speakers"]
SHOWN = ((7, 2), (3, 0), (8, 5), (0, 3))  # digit and speaker in the picture


def undo() -> np.ndarray:
    """From mel bands back to frequencies ``(40, 129)``, as ``sound.from_log_mel`` has it."""
    return np.linalg.pinv(sound.mel_matrix(spoken.RATE, sound.SIZE, sound.BANDS)).astype("float32")


def colours(count: int = 64) -> np.ndarray:
    """Matplotlib's magma, which is even to the eye, as uint8 ``(count, 3)``."""
    found = matplotlib.colormaps["magma"](np.linspace(0, 1, count))[:, :3]
    return np.rint(255 * found).astype("uint8")


def digits(path: Path) -> None:
    """The classes, the shape of the pictures, the way back from mel bands in base 64, and the licence."""
    table = {
        "digits": DIGITS,
        "speakers": SPEAKERS,
        "frames": spoken.FRAMES,
        "bands": sound.BANDS,
        "undo": base64.b64encode(undo().tobytes()).decode("ascii"),
        "colours": colours().ravel().tolist(),
        "licence": f"trained on recordings of the Free Spoken Digit Dataset, {licence()}",
    }
    exports.write_json(table, path)


def licence() -> str:
    """The licence of the recordings, as their card has it."""
    return collect.card("spoken-digits").licence


def digits_diffusion(path: Path) -> None:
    """The network: noisy (n, 64, 40, 1), time (n, 1) and label (n, 60) to the velocity (n, 64, 40, 1)."""
    exports.write_model(stored.load("digits_diffusion").network, path)


def digits_judge(path: Path) -> None:
    """The judge: image (n, 64, 40, 1) to the probabilities (n, 16) of the digits and then of the speakers."""
    parts = [len(names) for names in feature_network.SPOKEN_GROUPS.values()]
    weights = feature_network.weights("spoken")
    exports.write_model(deploy.judge_network(weights, feature_network.SPOKEN_SIZE, parts), path)


def digits_picture(path: Path) -> None:
    """Four digits side by side, time to the right and low frequencies below."""
    labels = [len(SPEAKERS) * digit + speaker for digit, speaker in SHOWN]
    made = stored.load("digits_diffusion").sample(len(labels), labels=labels, seed=1, steps=20, guidance=2.0)
    upright = made[..., 0].transpose(0, 2, 1)[:, ::-1]  # (n, 64, 40, 1) -> (n, 40, 64)
    shades = np.rint(63 * upright).astype(int)
    framed = np.pad(colours()[shades], ((0, 0), (0, 0), (0, 2), (0, 0)), constant_values=255)
    exports.write_picture(np.concatenate(framed, axis=1)[:, :-2], path, enlarge=2)


MODELS: dict[str, Callable[[Path], Any]] = {
    "digits_diffusion.onnx": digits_diffusion,
    "digits_judge.onnx": digits_judge,
    "digits.json": digits,
    "spoken_digit.png": digits_picture,
}
