"""JupyterLab on a copy of a notebook, so that saving it never changes a file of the project.

    python -m tools.lab                                       student version of notebook 00
    python -m tools.lab notebooks/06_vae_images.ipynb --solved
    python -m tools.lab 06 --copy-only                        only the copy, without JupyterLab
    python -m tools.lab 06 --language zh                      the Chinese edition, menus included
    python -m tools.lab work/mine.ipynb                       a notebook of one's own, as it is

The copy lies in work/ (of the Chinese edition in work/zh/), which git ignores. A copy that is there is opened
as it is, never overwritten.
Options after ``--`` go to JupyterLab.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

from aigc_lab import language
from tools.edition import edition
from tools.student import student_version

ROOT = Path(__file__).parents[1]
KERNEL = "python3"


def settings(chosen: str = "en") -> dict[str, str]:
    """Environment variables for JupyterLab: no pop-up about news, no look for updates, our own kernel.

    In the Chinese edition also Chinese menus, and kernels that show figures and messages in Chinese.
    """
    # These folders come before the user's own, which stay in force.
    own = ["jupyter"] if chosen == "en" else [f"jupyter_{chosen}", "jupyter"]
    folders = [
        *(str(Path(__file__).parent / name) for name in own),
        os.environ.get("JUPYTER_CONFIG_PATH", ""),
    ]
    return {
        "JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, folders)),
        # A python3 kernel that a user once registered must not win over the one of this environment.
        "JUPYTER_PREFER_ENV_PATH": "1",
        language.VARIABLE: chosen,
    }


def find(name: str, notebooks: Path = ROOT / "notebooks") -> Path:
    """The notebook that is meant by a path, a file name, or the first letters of one (``06``).

    Raises:
        FileNotFoundError: there is none, or more than one.
    """
    stem = Path(name).stem
    found = sorted(path for path in notebooks.glob("[0-9][0-9]_*.ipynb") if path.stem.startswith(stem))
    exact = [path for path in found if path.stem == stem]
    if not stem or len(exact or found) != 1:
        raise FileNotFoundError(f"There is no notebook {name!r} in {notebooks.name}/; name one, such as 00.")
    return (exact or found)[0]


def work_copy(notebook: Path, work: Path, solved: bool = False, chosen: str = "en") -> tuple[Path, bool]:
    """A notebook's copy in the folder ``work``, made unless it is there.

    Args:
        notebook: the solved notebook.
        work: where learners work; made if needed.
        solved: whether the solutions and the stored outputs stay.
        chosen: the language of the edition.

    Returns:
        The copy's path, and whether it was made now.
    """
    copy = work / (f"{notebook.stem}_solved.ipynb" if solved else notebook.name)
    if copy.exists():
        return copy, False
    text = notebook.read_text(encoding="utf-8") if solved else student_version(notebook)
    node = edition(nbformat.reads(text, as_version=4), notebook.stem, chosen)
    # What JupyterLab would write into the notebook on opening it: with it, the copy opens unchanged.
    node.metadata.update(kernel_metadata())
    work.mkdir(parents=True, exist_ok=True)
    with copy.open("x", encoding="utf-8") as file:
        file.write(nbformat.writes(node).rstrip("\n") + "\n")
    return copy, True


def kernel_metadata() -> dict[str, dict]:
    """How this machine's kernel names itself and its language, as a notebook that it ran says it."""
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # else the import talks about a debugger
    from ipykernel.ipkernel import IPythonKernel

    try:
        name = KernelSpecManager().get_kernel_spec(KERNEL).display_name
    except NoSuchKernel:
        name = "Python 3"
    spec = {"display_name": name, "language": "python", "name": KERNEL}
    return {"kernelspec": spec, "language_info": dict(IPythonKernel.language_info)}


def start(command: list[str], chosen: str = "en") -> int:
    """JupyterLab in the place of this process, so that what ends the one ends the other."""
    environment = os.environ | settings(chosen)
    if os.name == "posix":
        sys.stdout.flush()
        os.execve(command[0], command, environment)
    return subprocess.run(command, env=environment, check=False).returncode


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m tools.lab", description="JupyterLab on a copy in work/.")
    parser.add_argument("notebook", nargs="?", default="00", help="path, name or number (00)")
    parser.add_argument("--solved", action="store_true", help="the copy keeps solutions and outputs")
    parser.add_argument("--language", default="en", help="of the edition: en or zh (en)")
    parser.add_argument("--copy-only", action="store_true", help="do not start JupyterLab")
    words = list(sys.argv[1:] if arguments is None else arguments)
    cut = words.index("--") if "--" in words else len(words)
    given, options = parser.parse_args(words[:cut]), words[cut + 1 :]
    own = Path(given.notebook).resolve()
    try:
        if own.is_file() and own.is_relative_to(ROOT) and not own.is_relative_to(ROOT / "notebooks"):
            copy, made = own, False
        else:
            work = ROOT / "work" / ("" if language.checked(given.language) == "en" else given.language)
            copy, made = work_copy(find(given.notebook), work, given.solved, given.language)
    except (FileNotFoundError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    place = copy.relative_to(ROOT).as_posix()
    said = "is your own copy, made now." if made else "is there already and opens as you left it."
    print(f"{place} {said}")
    if given.copy_only:
        return 0
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={ROOT}"]
    command += [f"--LabApp.default_url=/lab/tree/{place}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    return start([*command, *options], given.language)


if __name__ == "__main__":
    sys.exit(main())
