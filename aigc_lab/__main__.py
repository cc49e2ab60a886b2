"""The command ``aigc-lab``: the course's notebooks, copied to where you work.

    aigc-lab list                                  the labs and their titles
    aigc-lab copy FOLDER                           the student notebooks of all labs
    aigc-lab copy FOLDER 06 11 --language zh       two of them, in Chinese
    aigc-lab copy FOLDER 06 --solved               with solutions and stored outputs
    aigc-lab progress FOLDER                       exercises answered and right, over all labs

A file that is there is never overwritten. ``python -m aigc_lab`` is the same command.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat

from aigc_lab import exercises
from aigc_lab import language as editions

PACKAGE = Path(__file__).parent


def course() -> Path:
    """The folder of the notebooks: in an installed package its ``course``, in a checkout ``notebooks``.

    Raises:
        FileNotFoundError: neither is there.
    """
    for folder in (PACKAGE / "course", PACKAGE.parent / "notebooks"):
        if (folder / "student").is_dir():
            return folder
    raise FileNotFoundError("This installation of aigc-lab has no notebooks: install it again.")


def labs(numbers: Sequence[str] = ()) -> list[Path]:
    """The solved notebooks of the labs that are meant by numbers or names (``06``); all where none is given.

    Raises:
        FileNotFoundError: no lab has this number, or several have.
    """
    found = sorted(course().glob("[0-9][0-9]_*.ipynb"))
    chosen = []
    for number in numbers:
        meant = [path for path in found if number and path.stem.startswith(Path(number).stem)]
        if len(meant) != 1:
            raise FileNotFoundError(f"There is no lab {number!r}: 'aigc-lab list' shows the numbers.")
        chosen += meant
    return chosen or found


def notebook(lab: Path, language: str = "en", solved: bool = False) -> nbformat.NotebookNode:
    """A lab's notebook.

    Args:
        lab: the path of the solved notebook.
        language: of the edition, ``en`` or ``zh``.
        solved: whether the solutions and the stored outputs stay.

    Raises:
        ValueError: the course does not exist in this language.
    """
    path = lab if solved else lab.parent / "student" / lab.name
    return editions.notebook(nbformat.read(path, as_version=4), lab.stem, language)


def copy(
    folder: Path, numbers: Sequence[str] = (), language: str = "en", solved: bool = False
) -> tuple[list[Path], list[Path]]:
    """Copy notebooks into a folder, which is made if needed; what is there stays as it is.

    Returns:
        The files written now, and those that were there already.

    Raises:
        FileNotFoundError, ValueError: as ``labs`` and ``notebook``.
        OSError: the folder cannot be made or written.
    """
    written, kept = [], []
    texts = {
        folder / (f"{lab.stem}_solved.ipynb" if solved else lab.name): nbformat.writes(
            notebook(lab, language, solved)
        )
        for lab in labs(numbers)
    }
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text.rstrip("\n") + "\n")
        except FileExistsError:
            kept.append(path)
        else:
            written.append(path)
    return written, kept


def _refusal(error: OSError | ValueError, folder: Path | None) -> str:
    """One sentence that says what is wrong and what to do."""
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return f"{folder} is a file, not a folder: name another one."
    if isinstance(error, OSError) and error.strerror:
        return f"{folder} cannot be written ({error.strerror}): name another folder."
    return str(error)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; see the module's docstring. 2 where something is refused."""
    usage = (
        "aigc-lab list | aigc-lab copy FOLDER [06 ...] [--language zh] [--solved] | aigc-lab progress FOLDER"
    )
    parser = argparse.ArgumentParser(prog="aigc-lab", usage=usage, description="The notebooks of the course.")
    parser.add_argument("command", choices=("list", "copy", "progress"), help="what to do")
    parser.add_argument("folder", nargs="?", type=Path, help="of your copies; nothing there is overwritten")
    parser.add_argument("lab", nargs="*", help="numbers of labs, such as 06 (default: all)")
    known = ", ".join(editions.LANGUAGES)
    parser.add_argument("--language", default="en", help=f"one of {known} (default: en)")
    parser.add_argument("--solved", action="store_true", help="with solutions and stored outputs")
    # Options may also stand between the folder and the labs.
    given = parser.parse_intermixed_args(arguments)
    if (given.command == "list") == bool(given.folder):
        parser.error("write 'aigc-lab list', 'aigc-lab copy FOLDER' or 'aigc-lab progress FOLDER'")
    try:
        if given.command == "list":
            said = []
            for lab in labs():
                heading = notebook(lab, given.language).cells[0].source.splitlines()[0]
                said.append(f"{lab.stem[:2]} {heading.lstrip('# ')}")
        elif given.command == "progress":
            said = [exercises.progress(given.folder)]
        else:
            written, kept = copy(given.folder, given.lab, given.language, given.solved)
            said = [f"{path} is there already and stays as it is." for path in kept]
            count = f"{len(written)} notebook{'' if len(written) == 1 else 's'}"
            said.append(f"{count} copied to {given.folder}. Open: jupyter lab {given.folder}")
            if given.language != "en":
                stored = "; stored ones stay English until you run the notebook" if given.solved else ""
                where = f"where {editions.VARIABLE}={given.language} is set"
                said.append(f"Figures and messages are Chinese {where}{stored}.")
    except (OSError, ValueError) as error:
        print(_refusal(error, given.folder), file=sys.stderr)
        return 2
    print("\n".join(said))
    return 0


if __name__ == "__main__":
    sys.exit(main())
