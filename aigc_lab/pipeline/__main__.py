"""``python -m aigc_lab.pipeline PATH``: all seven stages on your own data. See ``pipeline.run``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """0: done; 2: bad input, one sentence on stderr; 3: too little left to train on, report written."""
    parser = argparse.ArgumentParser(
        prog="python -m aigc_lab.pipeline",
        description="Look at your own data, decide what stays, train a model, measure it and export it: one "
        "page, report.html, tells what was found and done. The data are only read.",
        epilog="An option that is not for your kind of data is refused.",
    )
    parser.add_argument(
        "path",
        help="a folder of images or of .txt files, one sub-folder for each class; or one file: .npz, .npy "
        "(images), .txt (a text a line), .csv, .tsv, .jsonl, .parquet (texts, or a table)",
    )
    parser.add_argument("--output", default="results", help="the folder for the results (default: results)")
    parser.add_argument(
        "--licence", default="", metavar="WORDS",
        help="under which licence the data are yours to use; without it the model is marked “do not publish”",
    )  # fmt: skip
    parser.add_argument("--kind", choices=("auto", "images", "text", "table"), default="auto")
    parser.add_argument("--only-look", action="store_true", help="stop after stage 3, and write the page")
    parser.add_argument("--keep", nargs="+", default=(), metavar="NAME", help="keep these items")
    parser.add_argument("--drop", nargs="+", default=(), metavar="NAME", help="drop these items")
    parser.add_argument("--seconds", type=float, default=60, help="of training at most (default: 60)")
    parser.add_argument("--steps", type=int, help="train so many steps instead: equal on every run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quiet", action="store_true", help="no line for each stage and no bars")
    own = parser.add_argument_group("for one kind of data", argument_default=argparse.SUPPRESS)
    own.add_argument("--size", type=int, metavar="PIXELS", help="images: side, 28 to 128 (default: 32)")
    own.add_argument("--model", choices=("vae", "gan"), help="images: the model (default: vae)")
    own.add_argument("--mirror", action="store_true", help="images: train on mirrored copies as well")
    own.add_argument("--no-labels", action="store_false", dest="labels", help="sub-folders are no classes")
    own.add_argument("--encoding", help="texts and tables: of the files, such as gb18030 (default: utf-8)")
    own.add_argument("--delimiter", help="texts and tables: between the columns of a .csv (default: comma)")
    own.add_argument("--text-column", metavar="NAME", help="texts: the column that holds them")
    own.add_argument("--label-column", metavar="NAME", help="texts: the column of the classes")
    own.add_argument("--decimal", choices=(",", "."), help="tables: the mark in 1,5 or 1.5")
    own.add_argument("--rules", metavar="JSON", help="tables: a file that says what columns may hold")
    own.add_argument(
        "--include", nargs="+", metavar="COLUMN", help="tables: use it although it looks personal"
    )
    own.add_argument(
        "--regions", metavar="CODES", help="whose telephone numbers are sought: CN,IN,DE … or all"
    )
    chosen = vars(parser.parse_args(arguments))

    if "regions" in chosen and chosen["regions"] != "all":
        chosen["regions"] = chosen["regions"].split(",")
    try:
        from aigc_lab.pipeline.steps import run  # takes seconds, in which one may press Ctrl+C, too

        result = run(chosen.pop("path"), chosen.pop("output"), progress=not chosen.pop("quiet"), **chosen)
    except (ValueError, OSError) as error:
        print(f"{error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; older results are as they were", file=sys.stderr)
        return 130
    if result.too_few:
        print(f"nothing was trained: {result.too_few}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
