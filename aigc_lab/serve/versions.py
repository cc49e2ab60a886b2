"""The versions of a model that a service has: opened, tried once, drawn from, and which of them is live.

A model folder is one export (``deploy.export``), or a folder of exports in which ``deploy.set_live`` has
named the live one. The file ``live.json`` is the truth for every worker: each looks at it again whenever it
has changed, so that a roll back reaches all of them.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from aigc_lab import deploy
from aigc_lab.deploy.onnx_file import first_line, latent_points, network_inputs, onnx_runner
from aigc_lab.deploy.versions import (
    CARD,
    DATA_CARD,
    JUDGE,
    LIVE,
    MANIFEST,
    MIXTURE,
    ONNX,
    REFERENCE,
    version_names,
)
from aigc_lab.models.mixture import LatentMixture
from aigc_lab.serve.monitor import Monitor

_PIXEL = 0.5 / 255  # two answers that differ by less look the same


class Ask(NamedTuple):
    """One request, checked: ``count`` images of one class (None: the classes in turn) from one seed."""

    seed: int
    label: int | None
    count: int


class Version:
    """One export, open and tried.

    Attributes:
        name: of its folder. ``sha256``: of its generator. ``manifest``: what ``export.json`` says.
        batch_difference: the largest difference of a pixel in [0, 1] between an image that is drawn alone
            and the same in a batch; 0 means that the bytes of an answer never depend on its company.
        monitor: of what is asked and drawn, where the folder holds ``judge.onnx`` and ``reference.json``.

    Raises:
        OSError, ValueError: there is no export, a file of it is damaged, or it does not draw images.
    """

    def __init__(self, folder: Path, largest: int) -> None:
        self.folder, self.name = folder, folder.resolve().name
        self.manifest = deploy.verify(folder)
        if "latent_size" not in self.manifest or "onnx" not in self.manifest["files"]:
            raise ValueError(
                f"{folder} holds no generator.onnx that draws images from a seed; export a VAE or a GAN "
                "with deploy.export(model, folder)"
            )
        self.sha256 = self.manifest["files"]["onnx"]["sha256"]
        self.class_names: list[str] = self.manifest["class_names"]
        self.class_count: int = self.manifest["class_count"]
        self._generator = onnx_runner(folder / ONNX, threads=1)
        mixture = folder / MIXTURE
        self._mixture = LatentMixture.load(mixture) if mixture.is_file() else None
        self._judge, self.monitor = None, None
        if (folder / JUDGE).is_file() and (folder / REFERENCE).is_file():
            self._judge = onnx_runner(folder / JUDGE, threads=1)
            self.monitor = Monitor(json.loads((folder / REFERENCE).read_text(encoding="utf-8")))
        self.batch_difference = self._try(largest)

    def _try(self, largest: int) -> float:
        """Draw once, alone and in batches; the largest difference that the company makes."""
        asks = [Ask(seed, None, 1) for seed in range(largest)]
        try:
            together = self._run(asks)
            sizes = sorted({1, 2, 3, 5, largest // 2, largest - 1} - {0})
            gap = max(np.abs(self._run(asks[:size]) - together[:size]).max() for size in sizes)
            if self.monitor:  # a copy: the trial is not counted
                copy.deepcopy(self.monitor).made(self.judge(np.rint(together[0] * 255).astype("uint8")))
        except Exception as error:
            why = first_line(error)
            raise ValueError(f"{self.folder} cannot be run ({why}); export the model again") from error
        if not (np.isfinite(together).all() and gap < _PIXEL):
            raise ValueError(f"{self.folder} draws no finite, repeatable pixels; export the model again")
        return float(gap)

    def _run(self, asks: Sequence[Ask]) -> np.ndarray:
        """Pixels in [0, 1] of all that is asked, one run: (sum of counts, height, width, channels)."""
        drawn_from = self.manifest, self._mixture
        points = [latent_points(*drawn_from, ask.count, ask.label, ask.seed) for ask in asks]
        latent, labels = map(np.concatenate, zip(*points, strict=True))
        return self._generator(network_inputs(latent, labels, self.class_count))

    def draw(self, asks: Sequence[Ask]) -> list[np.ndarray]:
        """Images of each request, uint8 (count, height, width, channels), in one run of the model."""
        pixels = np.rint(np.clip(self._run(asks), 0, 1) * 255).astype("uint8")
        return np.split(pixels, np.cumsum([ask.count for ask in asks])[:-1])

    def judge(self, image: np.ndarray) -> np.ndarray:
        """Probabilities (classes,) that ``judge.onnx`` gives an image, uint8 (height, width, channels)."""
        return self._judge([image[None].astype("float32") / np.float32(255)])[0]

    def card(self) -> str:
        """The model card, Markdown, or the first lines of one where the export has none."""
        path = self.folder / CARD
        if path.is_file():
            return path.read_text(encoding="utf-8")
        title, licence = self.manifest["title"] or self.name, self.manifest["licence"] or "not stated"
        return f"# {title}\n\nLicence: {licence}. No card was written.\n"

    def about(self) -> dict[str, Any]:
        """What travels with the model, for a JSON answer."""
        data_card = self.folder / DATA_CARD
        return {
            "version": self.name,
            "sha256": self.sha256,
            **{name: self.manifest[name] for name in ("title", "licence", "image_shape")},
            "classes": self.class_names or list(range(self.class_count)),
            "seeds": self.manifest.get("seeds", []),
            "made_with": self.manifest["versions"],
            "data_card": json.loads(data_card.read_text(encoding="utf-8")) if data_card.is_file() else None,
            "batch_difference": self.batch_difference,
        }


class Versions:
    """All versions of a model folder; each is opened when it is first asked for, and then kept.

    Args:
        folder: one export, or a folder of exports with a live one.
        shares: version to the share of requests that it answers; the live one answers the rest.
        largest: images of one request at most.

    Raises:
        OSError, ValueError: the folder, the live version or one that has a share cannot serve.
    """

    def __init__(self, folder: Path, shares: Mapping[str, float], largest: int) -> None:
        self.folder, self.shares, self._largest = folder, dict(shares), largest
        if not folder.is_dir():
            raise FileNotFoundError(f"there is no folder {folder}; name an export, or a folder of exports")
        self.single = (folder / MANIFEST).is_file()
        self.refused = ""  # why the version that live.json names does not serve
        self.opened: dict[str, Version] = {}  # by name
        self._seen = self._stamp()
        self._live = self.open(self.names()[0] if self.single else deploy.live(folder)["version"])
        for name in shares:
            self.open(name)

    def names(self) -> list[str]:
        """Every version there is, also those that were never asked for."""
        if self.single:
            return [self.folder.resolve().name]
        return version_names(self.folder)

    def open(self, name: str, again: bool = False) -> Version:
        """A version by name.

        Args:
            again: look at the files anew, even if the version is open.

        Raises:
            KeyError: there is none of that name.
            OSError, ValueError: it is there, and cannot serve.
        """
        before = self.opened.get(name)
        if before and not again:
            return before
        known = self.names()
        if name not in known:  # a path that leads elsewhere is no name of a version either
            raise KeyError(f"there is no version {name[:80]!r}; there is {', '.join(known)}")
        version = Version(self.folder if self.single else self.folder / name, self._largest)
        before = self.opened.get(name)  # another thread may have opened it meanwhile
        if before is None or before.sha256 != version.sha256:  # else its monitor goes on counting
            self.opened[name] = version
        return self.opened[name]

    def live(self) -> Version:
        """The live version, also after another worker or ``deploy.set_live`` has changed it.

        A new one that cannot serve is not taken: the one before goes on, and ``refused`` says why.
        """
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen, self.refused = stamp, ""
            try:
                self._live = self.open(deploy.live(self.folder)["version"])
            except (KeyError, OSError, ValueError) as error:
                self.refused = str(error.args[-1] if error.args else error)
        return self._live

    def set_live(self, name: str) -> Version:
        """Roll back, or forward: the version is opened and tried anew before anybody is sent to it.

        Raises:
            KeyError: there is none of that name.
            OSError, ValueError: it cannot serve, or the folder holds one export only; nothing has changed.
        """
        if self.single:
            raise ValueError(f"{self.folder} is one export: serve the folder above it to have versions")
        self.open(name, again=True)
        deploy.set_live(self.folder, name)
        return self.live()

    def choose(self, seed: int, label: int | str | None) -> Version:
        """The version that answers: always the same for the same seed and label, by the stated shares."""
        if self.shares:
            digest = hashlib.blake2b(f"{seed} {label}".encode(), digest_size=8).digest()
            place = int.from_bytes(digest, "big") / 2**64
            for name, share in self.shares.items():
                if place < share:
                    return self.opened[name]
                place -= share
        return self.live()

    def about(self) -> dict[str, Any]:
        """The versions, which is live, which answer a share, and why a chosen one was refused."""
        live = self.live()
        return {
            "live": live.name,
            "shares": self.shares,
            "refused": self.refused or None,
            "versions": [
                self.opened[name].about() if name in self.opened else {"version": name}
                for name in self.names()
            ],
        }

    def _stamp(self) -> tuple[int, int] | None:
        try:
            state = os.stat(self.folder / LIVE)
        except OSError:
            return None
        return state.st_mtime_ns, state.st_ino


def png(images: np.ndarray) -> bytes:
    """One PNG of images uint8 (count, height, width, channels), about as many columns as rows."""
    count, height, width, channels = images.shape
    columns = int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    sheet = np.zeros((rows * columns, height, width, channels), "uint8")
    sheet[:count] = images
    sheet = sheet.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    sheet = sheet.reshape(rows * height, columns * width, channels)
    stream = io.BytesIO()
    Image.fromarray(sheet[..., 0] if channels == 1 else sheet).save(stream, "png", compress_level=1)
    return stream.getvalue()
