"""Where a notebook's time goes before it teaches anything: kernel, imports, and the smoke run itself.

    python benchmarks/notebook_time.py [--rounds 1] [--notebooks 00 06 ...]

Each notebook runs with ``profile="smoke"``, as papermill runs it, in turns with two references: a notebook
that is empty (what a kernel costs) and one that only imports TensorFlow and makes one tensor. Told are the
seconds of the whole run and, from the times of the cells, the share of the cell that imports and of the
slowest cell. The default is every notebook, which takes minutes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # for tools, which is no installed package
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import nbformat  # noqa: E402
import table  # noqa: E402

BENCH = ["--rounds", "1", "--notebooks", "00", "05"]
QUICK = ["--rounds", "1", "--notebooks", "05"]

from tools import run_notebook  # noqa: E402

REFERENCES = {
    "empty (a kernel)": "pass",
    "import tensorflow": "import tensorflow as tf\ntf.zeros(1)",
}


def notebook_of(line: str, path: Path) -> Path:
    """A notebook with the parameters cell that every notebook has, and one line."""
    cells = [nbformat.v4.new_code_cell("profile = 'classroom'"), nbformat.v4.new_code_cell(line)]
    cells[0].metadata["tags"] = ["parameters"]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
    return path


def smoke(path: Path, folder: Path, cells: dict[str, list[tuple[float, float]]]) -> float:
    """Seconds of the run; and into ``cells`` those of the importing cell and of the slowest one."""
    parameters = {"profile": "smoke"}
    if "output_folder" in run_notebook.known_parameters(path):
        parameters["output_folder"] = str(folder)
    begun = time.perf_counter()
    done = run_notebook.run(path, folder / path.name, parameters)
    seconds = time.perf_counter() - begun
    spent = [
        (cell.metadata.get("papermill", {}).get("duration") or 0.0, cell.source)
        for cell in nbformat.read(done, as_version=4).cells
        if cell.cell_type == "code"
    ]
    # The first network of a process costs the import of TensorFlow too, where it is lazy.
    importing = next((length for length, source in spent if "import" in source), 0.0)
    cells.setdefault(path.stem, []).append((importing, max(length for length, _ in spent)))
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--notebooks", nargs="+", help="their numbers: 00 05 …")
    chosen = parser.parse_args()
    paths = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    numbers = [path.name[:2] for path in paths]
    unknown = sorted(set(chosen.notebooks or ()) - set(numbers))
    if unknown:
        parser.error(f"there is no notebook {', '.join(unknown)}; choose from {', '.join(numbers)}")
    paths = [path for path in paths if path.name[:2] in (chosen.notebooks or numbers)]
    cells: dict[str, list[tuple[float, float]]] = {}
    numbered = enumerate(REFERENCES.items())
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        few = {name: notebook_of(line, folder / f"{place}.ipynb") for place, (name, line) in numbered}
        ways = {**few, **{path.stem: path for path in paths}}
        measured = table.rounds(
            {name: lambda path=path: smoke(path, folder / "out", cells) for name, path in ways.items()},
            chosen.rounds,
        )
    floor = measured["import tensorflow"]
    rows = []
    for name, values in measured.items():
        row = [name, table.spread(values, 1), table.spread(table.ratios(values, floor), 1)]
        if name in cells:
            shares = [100 * length / value for (length, _), value in zip(cells[name], values, strict=True)]
            slowest = [100 * length / value for (_, length), value in zip(cells[name], values, strict=True)]
            row += [f"{sum(shares) / len(shares):.0f} %", f"{sum(slowest) / len(slowest):.0f} %"]
        rows.append(row + [""] * (5 - len(row)))
    table.show(
        f"Smoke runs, {chosen.rounds} rounds",
        ["notebook", "s", "over `import tensorflow` alone", "first import cell", "slowest cell"],
        rows,
    )


if __name__ == "__main__":
    main()
