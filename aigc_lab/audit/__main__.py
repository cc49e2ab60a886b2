"""``python -m aigc_lab.audit MODEL_FOLDER``: audit an export from the shell. See ``audit.report``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if the report was written (with ``--strict`` only if no part asks to be looked at), 2 if not."""
    parser = argparse.ArgumentParser(
        prog="python -m aigc_lab.audit",
        description="Look at an export that deploy.export wrote, and write one HTML file: copies, coverage "
        "of classes, watermark, cards, licences, hashes. Nothing of the folder is changed.",
    )
    parser.add_argument("folder", help="the folder of the export")
    parser.add_argument(
        "--output", default="audit.html", help="the HTML file to write (default: %(default)s)"
    )
    parser.add_argument("--json", metavar="FILE", help="write the findings as data, too")
    parser.add_argument("--key", help="of the watermark that samples should carry")
    parser.add_argument(
        "--samples", type=int, default=500, metavar="N", help="images to draw (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the samples")
    parser.add_argument(
        "--strict", action="store_true", help="exit with 1 if a part is to be looked at or missing"
    )
    chosen = parser.parse_args(arguments)

    from aigc_lab.audit.report import report

    try:
        folder = Path(chosen.folder).expanduser()
        for name in filter(None, (chosen.output, chosen.json)):
            if Path(name).expanduser().resolve().is_relative_to(folder.resolve()):
                raise ValueError(f"{name} would lie inside the export {folder}; write it elsewhere")
        done = report(chosen.folder, chosen.key, chosen.samples, chosen.seed)
        path = done.write(chosen.output, chosen.json)
    except (ValueError, OSError) as error:
        print(f"{error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    told = ", ".join(f"{count} {name}" for name, count in done.counts.items())
    print(f"{path}: {told}")
    return int(chosen.strict and done.counts["look"] + done.counts["missing"] > 0)


if __name__ == "__main__":
    sys.exit(main())
