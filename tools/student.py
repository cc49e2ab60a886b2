"""Student versions of the notebooks: solutions cut out, outputs removed; generated, never kept by hand.

python -m tools.student           writes notebooks/student/*.ipynb
python -m tools.student --check   says what differs from what would be written, and exits with 1
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import nbformat

from tools.notebook_text import without_solutions

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
FOLDER = "student"


def student_version(notebook: Path) -> str:
    """The text of the student's notebook file, the same for the same source.

    Raises:
        ValueError: the solution markers of a cell do not pair up.
    """
    node = nbformat.read(notebook, as_version=4)
    node.metadata.pop("widgets", None)
    for number, cell in enumerate(node.cells):
        if cell.cell_type != "code":
            continue
        cell.outputs, cell.execution_count = [], None
        try:
            cell.source = without_solutions(cell.source)
        except ValueError as error:
            raise ValueError(f"{notebook.name}, cell {number}: {error}") from error
    return nbformat.writes(node).rstrip("\n") + "\n"


def drift(notebooks: Path = NOTEBOOKS) -> list[str]:
    """What is wrong in the folder of student versions: missing, outdated, or without a source."""
    sources = {path.name: path for path in notebooks.glob("*.ipynb")}
    kept = {path.name: path for path in (notebooks / FOLDER).glob("*.ipynb")}
    problems = [f"{name} has no student version" for name in sorted(set(sources) - set(kept))]
    problems += [f"{FOLDER}/{name} has no source notebook" for name in sorted(set(kept) - set(sources))]
    problems += [
        f"{FOLDER}/{name} is not what its source generates"
        for name in sorted(set(sources) & set(kept))
        if kept[name].read_text(encoding="utf-8") != student_version(sources[name])
    ]
    return problems


def write(notebooks: Path = NOTEBOOKS) -> list[Path]:
    """Write the student version of every notebook, remove those whose source is gone; the paths written."""
    folder = notebooks / FOLDER
    folder.mkdir(exist_ok=True)
    texts = {folder / path.name: student_version(path) for path in sorted(notebooks.glob("*.ipynb"))}
    for stale in set(folder.glob("*.ipynb")) - set(texts):
        stale.unlink()
    for path, words in texts.items():
        path.write_text(words, encoding="utf-8")
    return list(texts)


def main(arguments: list[str] | None = None) -> int:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m tools.student")
    parser.add_argument("--check", action="store_true", help="write nothing, only compare")
    if parser.parse_args(arguments).check:
        problems = drift()
        for problem in problems:
            print(f"{problem}; run 'make student'", file=sys.stderr)
        return 1 if problems else 0
    for path in write():
        print(path.relative_to(NOTEBOOKS.parent))
    return 0


if __name__ == "__main__":
    sys.exit(main())
