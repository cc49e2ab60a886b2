"""The audit of an export as data, as JSON and as one HTML page. The words stand in ``report.html.j2``.

Introduced in notebook 20.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aigc_lab.audit.checks import CHECKS, RESULTS, Export, Finding, NotChecked
from aigc_lab.clean.page import image_uri, render
from aigc_lab.collect.dataset import atomic_write

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Report:
    """An audit: ``title`` and ``kind`` of the export, how many ``samples``, a finding for each part."""

    title: str
    kind: str
    samples: int
    findings: tuple[Finding, ...]

    def __getitem__(self, part: str) -> Finding:
        """The finding of a part: hashes, copies, coverage, watermark, cards or licences."""
        return next(one for one in self.findings if one.part == part)

    @property
    def counts(self) -> dict[str, int]:
        """How many parts have each result."""
        return {name: sum(one.result == name for one in self.findings) for name in RESULTS}

    def table(self) -> pd.DataFrame:
        """A row for each part: part, result, number, reason, fix."""
        import pandas as pd

        return pd.DataFrame(list(self.findings))[["part", "result", "number", "reason", "fix"]]

    def as_json(self) -> str:
        """Everything but the pictures."""
        told = {"title": self.title, "kind": self.kind, "samples": self.samples, "counts": self.counts}
        rows = [
            {name: value for name, value in asdict(one).items() if name != "pairs"} for one in self.findings
        ]
        return json.dumps(told | {"findings": rows}, indent=2, ensure_ascii=False)

    def html(self) -> str:
        """The page: nothing beside it is needed, and it asks nothing from the network."""
        pairs = [[image_uri(image) for image in pair] for pair in self["copies"].pairs]
        return render(Path(__file__).with_name("report.html.j2"), report=self, pairs=pairs)

    def write(self, path: str | os.PathLike[str], data: str | os.PathLike[str] | None = None) -> Path:
        """Write the page, and the JSON where ``data`` names a file.

        Raises:
            OSError: they cannot be written; an older file stays as it was.
        """
        for where, text in ((path, self.html()), (data, self.as_json())):
            if where is not None:
                with atomic_write(where) as stream:
                    stream.write(text.encode("utf-8", "replace"))
        return Path(path)


def report(
    folder: str | os.PathLike[str],
    key: str | int | None = None,
    samples: int = 500,
    seed: int = 0,
    items: Any = None,
) -> Report:
    """Audit an export: hashes, copies, coverage of classes, watermark, cards and licences.

    Nothing in the folder is changed. What cannot be looked at is ``"not checked"``, with the reason.

    Args:
        folder: what ``deploy.export`` wrote.
        key: of the watermark that samples should carry; None: not looked for.
        samples: how many images are drawn (texts: at most 10).
        seed: of the samples.
        items: samples drawn elsewhere, images in [0, 1] or texts: for models that ``generator.onnx`` alone
            does not draw from, such as diffusion.

    Raises:
        FileNotFoundError: no such folder, or it holds no export.
        ValueError: a damaged manifest, or fewer than one sample.
    """
    seen = Export(Path(folder), key, samples, seed, items)
    findings, drawn = [], 0
    for name, check in CHECKS.items():
        try:
            findings.append(check(seen))
        except NotChecked as why:
            findings.append(Finding(name, "not checked", "", str(why), why.fix))
    with suppress(NotChecked):
        drawn = len(seen.samples)
    title = str(seen.manifest.get("title") or Path(folder).resolve().name)
    return Report(title, str(seen.manifest.get("kind", "unknown")), drawn, tuple(findings))
