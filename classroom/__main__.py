"""Hand out, mark, and check the hidden tests.

python -m classroom assignments [NB ...]  [--output runs/assignments]   student version, Otter, nbgrader
python -m classroom grade FOLDER          [--output runs/grades]        mark all submissions below a folder
python -m classroom verify [NB ...]                                     do the hidden tests do their work?
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from classroom.lab import found, stems


def main(arguments: list[str] | None = None) -> int:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        prog="python -m classroom", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    hand_out = commands.add_parser("assignments", help="write the assignments of labs")
    hand_out.add_argument("--output", type=Path, default=Path("runs/assignments"))
    mark = commands.add_parser("grade", help="mark the submissions below a folder")
    mark.add_argument("folder", type=Path)
    mark.add_argument("--output", type=Path, default=Path("runs/grades"))
    mark.add_argument("--seconds", type=int, default=300, help="that one submission may run (300)")
    mark.add_argument("--megabytes", type=int, default=4096, help="of memory that it may use (4096)")
    verify = commands.add_parser("verify", help="run labs with right, wrong and missing answers")
    verify.add_argument("--whole", action="store_true", help="run every cell, not only what is needed")
    for command in (hand_out, verify):
        command.add_argument("labs", nargs="*", help="numbers or names of notebooks; all if none is given")
    for command in (mark, verify):
        command.add_argument("--without-sandbox", action="store_true", help="trust every answer")
    options = parser.parse_args(arguments)
    try:
        if options.command == "grade":
            return _grade(options)
        labs = [found(words) for words in options.labs] or list(stems())
        return _hand_out(labs, options.output) if options.command == "assignments" else _verify(labs, options)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


def _grade(options: argparse.Namespace) -> int:
    from classroom.grade import grade
    from classroom.run import Limits

    limits = Limits(seconds=options.seconds, megabytes=options.megabytes)
    marks = grade(options.folder, options.output, limits, not options.without_sandbox)
    print(f"The table: {options.output / 'marks.csv'}")
    return 0 if all(mark.run for mark in marks) else 1


def _hand_out(labs: list[str], output: Path) -> int:
    from classroom.assignments import write

    for stem in labs:
        print(*write(stem, output), sep="\n", flush=True)
    return 0


def _verify(labs: list[str], options: argparse.Namespace) -> int:
    from classroom.verify import verify

    wrong = 0
    for stem in labs:
        try:
            lines, problems = verify(stem, options.whole, not options.without_sandbox)
        except (ValueError, OSError) as error:
            lines, problems = [], [str(error)]
        lines += [f"{stem}: NOT AS IT SHOULD BE: {problem}" for problem in problems]
        print(*lines, sep="\n", flush=True)
        wrong += bool(problems)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
