"""Run a notebook without JupyterLab, and end by saying where the report and the pictures are.

    python -m tools.run_notebook notebooks/00_seven_stages.ipynb --output-folder runs/00_seven_stages
    python -m tools.run_notebook notebooks/00_seven_stages.ipynb --output-folder runs/quick -p profile smoke
    python -m tools.run_notebook notebooks/00_seven_stages.ipynb --in-place

Papermill only logs a parameter that the notebook does not have, and then trains at full size; here it
is refused. A notebook runs in its own folder, as it does in JupyterLab.
"""

from __future__ import annotations

import argparse
import ast
import base64
import hashlib
import io
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat

from aigc_lab.language import KEEP_FIGURES
from tools import edition
from tools.kernel import PatientKernelManager
from tools.notebook_text import literal_assignments

PROFILES = ("smoke", "classroom", "full")


def known_parameters(notebook: str | Path) -> dict[str, object]:
    """The parameters of a notebook with their defaults, read from its cell tagged ``parameters``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the notebook has no parameters cell, or several.
    """
    path = Path(notebook)
    if not path.is_file():
        raise FileNotFoundError(f"There is no notebook {path}; give the path of an .ipynb file.")
    node = nbformat.read(path, as_version=4)
    cells = [cell for cell in node.cells if "parameters" in cell.metadata.get("tags", ())]
    if len(cells) != 1:
        raise ValueError(f"{path.name} has {len(cells)} cells tagged 'parameters'; it needs exactly one.")
    return literal_assignments(cells[0].source)[0]


def check_parameters(notebook: str | Path, parameters: Mapping[str, object]) -> None:
    """Refuse what the notebook would not understand.

    Raises:
        ValueError: an unknown parameter or profile, or a value of another type than the default's;
            the message names what is known.
    """
    known, name = known_parameters(notebook), Path(notebook).name
    for parameter, value in parameters.items():
        if parameter not in known:
            raise ValueError(f"{name} has no parameter {parameter!r}; it has {', '.join(known)}.")
        if parameter == "profile" and value not in PROFILES:
            raise ValueError(f"There is no profile {value!r}; choose one of {', '.join(PROFILES)}.")
        default = known[parameter]
        fits = isinstance(value, type(default)) and isinstance(value, bool) == isinstance(default, bool)
        if default is not None and not fits and not (type(default) is float and type(value) is int):
            raise ValueError(
                f"The parameter {parameter!r} of {name} is of type {type(default).__name__}, as in"
                f" {default!r}; {value!r} is not."
            )


@contextmanager
def kernel_environment() -> Iterator[None]:
    """What a kernel inherits while a notebook runs: inline figures, quiet TensorFlow, this environment."""
    before = dict(os.environ)
    os.environ.pop("MPLBACKEND", None)  # the inline backend sets it, unless somebody else has
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # A python3 kernel that a user once registered would win over the one of this environment.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def run(
    notebook: str | Path,
    output: str | Path,
    parameters: Mapping[str, object] | None = None,
    progress: bool = False,
    cell_timeout: int | None = None,
) -> Path:
    """Run a notebook by papermill into another file, and return that file's path.

    Args:
        notebook: the notebook; it is not changed.
        output: where the executed copy goes; it is written after each cell.
        parameters: values that replace the defaults of the cell tagged ``parameters``.
        progress: show a bar on stderr.
        cell_timeout: seconds that one cell may take; None for as long as it needs.

    Raises:
        ValueError: as ``check_parameters``.
        nbclient.exceptions.CellTimeoutError: a cell took longer than ``cell_timeout``.
        papermill.PapermillExecutionError: a cell failed; the output holds everything up to it.
    """
    import papermill

    notebook, output = Path(notebook).absolute(), Path(output).absolute()
    check_parameters(notebook, parameters or {})
    output.parent.mkdir(parents=True, exist_ok=True)
    with kernel_environment():
        papermill.execute_notebook(
            str(notebook),
            str(output),
            parameters=dict(parameters or {}),
            kernel_name="python3",
            cwd=str(notebook.parent),
            progress_bar=progress,
            execution_timeout=cell_timeout,
            kernel_manager_class=PatientKernelManager,
            start_timeout=120,
            shutdown_kernel="immediate",  # its outputs are all here, and TensorFlow takes seconds to leave
        )
    return output


def run_in_place(notebook: str | Path, progress: bool = False) -> None:
    """Run a notebook with its defaults and store the outputs in it, free of times and machine names.

    Of a notebook of the course, the Chinese drawings of its figures are kept (see ``tools.edition``).

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed; the file is as it was.
    """
    from nbclient import NotebookClient
    from tqdm import tqdm

    path = Path(notebook).absolute()
    known_parameters(path)
    node = nbformat.read(path, as_version=4)
    node.metadata.pop("widgets", None)
    with (
        TemporaryDirectory() as kept,
        kernel_environment(),
        tqdm(total=len(node.cells), disable=not progress, unit="cell") as bar,
    ):
        os.environ[KEEP_FIGURES] = kept
        client = NotebookClient(
            node,
            timeout=None,
            kernel_name="python3",
            kernel_manager_class=PatientKernelManager,
            resources={"metadata": {"path": str(path.parent)}},
            record_timing=False,
            shutdown_kernel="immediate",
            on_cell_complete=lambda cell, cell_index: bar.update(cell_index + 1 - bar.n),
        )
        client.execute()
        chinese = _figures(node, Path(kept))
    node.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    # The version of Python belongs to the machine; what an editor needs is the language.
    node.metadata["language_info"] = {"name": "python"}
    for cell in node.cells:
        cell.metadata.pop("execution", None)
    if path.parent == edition.NOTEBOOKS:
        edition.keep_figures(chinese, edition.FIGURES / path.stem)
    partial = path.with_suffix(".ipynb.part")
    partial.write_text(nbformat.writes(node), encoding="utf-8")
    partial.replace(path)


def _figures(node: nbformat.NotebookNode, kept: Path) -> dict[str, tuple[list[str], bytes | None]]:
    """Make the stored pictures small; the words and the Chinese drawing of each, by the drawing's name."""
    found = {}
    for holder, key in edition.pictures(node):
        before = kept / hashlib.sha256(base64.b64decode(holder[key])).hexdigest()
        if key == "image/png":
            holder[key] = smaller_png(holder[key])
        if before.with_suffix(".json").is_file():
            words = json.loads(before.with_suffix(".json").read_text(encoding="utf-8"))
            drawing = before.with_suffix(".png")
            drawn = None
            if drawing.is_file():
                small = smaller_png(base64.b64encode(drawing.read_bytes()).decode("ascii"))
                drawn = base64.b64decode(small)
            found[edition.name(holder[key])] = (words, drawn)
    return found


def smaller_png(content: str) -> str:
    """An opaque picture in base64 with 256 colours at most: a third of the bytes, and no eye sees it."""
    from PIL import Image

    before = base64.b64decode(content)
    with Image.open(io.BytesIO(before)) as picture:
        if "A" in picture.getbands() and picture.getchannel("A").getextrema() != (255, 255):
            return content
        few = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    few.save(buffer, format="PNG", optimize=True)
    after = buffer.getvalue()
    return base64.b64encode(after).decode("ascii") if len(after) < len(before) else content


def _value(words: str) -> object:
    """A value from the command line: a Python literal, else text."""
    try:
        return ast.literal_eval(words)
    except (ValueError, SyntaxError):
        return words


def _shown(path: Path) -> str:
    """The path as the reader would type it."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _run_and_report(notebook: Path, folder: Path, parameters: dict[str, object], expected: str | None) -> int:
    from papermill import PapermillExecutionError

    from tools.report import write_report

    folder = folder.absolute()
    executed = folder / notebook.name
    folder.mkdir(parents=True, exist_ok=True)
    if expected:
        (folder / expected).unlink(missing_ok=True)  # an earlier run's picture must not pass for this one's
    if "output_folder" in known_parameters(notebook):
        parameters = {"output_folder": str(folder), **parameters}
    try:
        run(notebook, executed, parameters, progress=True)
    except PapermillExecutionError as error:
        print(f"A cell failed with {error.ename}: {error.evalue}", file=sys.stderr)
        print(f"The notebook up to there is in {_shown(executed)}", file=sys.stderr)
        return 1
    report = executed.with_suffix(".html")
    write_report(executed, report, notebook.stem)
    if expected and not (folder / expected).is_file():
        print(f"The notebook ran, but wrote no {expected} to {_shown(folder)}.", file=sys.stderr)
        return 1
    print(f"Report:  {_shown(report)}")
    if expected:
        print(f"Picture: {_shown(folder / expected)}")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m tools.run_notebook")
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--output-folder", type=Path, help="for the executed notebook and all that it makes")
    parser.add_argument("--in-place", action="store_true", help="run with the defaults, store the outputs")
    parser.add_argument("--expect", metavar="FILE", help="fail unless the run writes this file")
    parser.add_argument("-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    options = parser.parse_args(arguments)
    parameters = {name: _value(words) for name, words in options.parameter}
    if options.in_place == bool(options.output_folder) or (options.in_place and parameters):
        parser.error("give either --output-folder, or --in-place without parameters")
    try:
        if options.in_place:
            run_in_place(options.notebook, progress=True)
            print(f"Stored the outputs in {_shown(options.notebook.absolute())}")
            return 0
        return _run_and_report(options.notebook, options.output_folder, parameters, options.expect)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
