"""``python -m aigc_lab.clean FOLDER``: inspect a folder from the shell. See ``clean.inspect``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from aigc_lab.clean.personal import REGIONS


def main(arguments: Sequence[str] | None = None) -> int:
    """Inspect a folder; 0 if the report was written, 2 with one sentence on stderr if not."""
    parser = argparse.ArgumentParser(
        prog="python -m aigc_lab.clean",
        description="Look for what is wrong with a folder of images or texts, one sub-folder for each "
        "class, and write one HTML file that shows it. Nothing of the folder is changed.",
    )
    parser.add_argument("folder", help="the folder to look at")
    parser.add_argument(
        "--output", default="report.html", help="the HTML file to write (default: report.html)"
    )
    parser.add_argument("--issues", metavar="CSV", help="write the table of all issues, too")
    parser.add_argument("--modality", choices=("auto", "images", "text"), default="auto")
    parser.add_argument(
        "--size", type=int, metavar="PIXELS", help="compare images at this side (default: own size, or 32)"
    )
    parser.add_argument("--no-labels", action="store_true", help="do not look for doubtful labels")
    parser.add_argument(
        "--regions", default=",".join(REGIONS), metavar="CODES",
        help="whose telephone numbers are sought in texts: CN,IN,DE … or all (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)

    # An entry point stands above the stages, so it may bring two of them together.
    from aigc_lab import label
    from aigc_lab.clean.page import csv_bytes
    from aigc_lab.clean.report import inspect
    from aigc_lab.collect.dataset import atomic_write

    try:
        folder, issues = Path(chosen.folder).expanduser(), Path(chosen.issues or ".").expanduser()
        if chosen.issues and (issues.is_dir() or issues.resolve().is_relative_to(folder.resolve())):
            raise ValueError(f"--issues {issues} is a folder, or lies inside {folder}; name a file elsewhere")
        inspection = inspect(
            chosen.folder,
            chosen.output,
            label_check=None if chosen.no_labels else label.issues,
            seed=chosen.seed,
            modality=chosen.modality,
            size=None if chosen.size is None else (chosen.size, chosen.size),
            regions="all" if chosen.regions == "all" else chosen.regions.split(","),
        )
        if chosen.issues:
            with atomic_write(chosen.issues) as stream:
                stream.write(csv_bytes(inspection.table))
    except (ValueError, OSError) as error:
        print(f"{error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
