"""The page of a run."""

from __future__ import annotations

from pathlib import Path

from aigc_lab.pipeline.parts import Result


def write_page(result: Result, folder: Path) -> None:
    """Write ``report.html`` into the folder."""
    (folder / "report.html").write_text(str(result), encoding="utf-8")
