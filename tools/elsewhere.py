"""Notebooks for machines where the course is not installed: their first cell installs it in Google Colab.

    python -m tools.elsewhere colab 05 --output FOLDER     the student notebook of lab 05 for Colab
    python -m tools.elsewhere colab --output FOLDER        all labs (--language zh: in Chinese)
    python -m tools.elsewhere requirements                 what that cell installs, one requirement a line

Elsewhere the cell installs nothing: it says how to do so. Where ``aigc_lab`` is installed it does nothing.
What Colab's own notebook server is made of is left as Colab has it.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from string import Template

import nbformat
import yaml

from aigc_lab.__main__ import labs, notebook

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Colab's kernel and page are of certain versions of these; the labs do not need newer ones.
SERVER = (
    "ipykernel", "ipywidgets", "jupyterlab", "latex2mathml", "nbclient", "nbconvert", "nbval", "papermill",
    "traitlets",
)  # fmt: skip

FIRST_CELL = Template('''\
# $what
import importlib.metadata
import importlib.util
import subprocess
import sys
from pathlib import Path

source = "$source"
packages = """
$packages
""".split("\\n")[1:-1]

if importlib.util.find_spec("aigc_lab") is None:
    wheels = sorted(Path().glob("aigc_lab-*.whl"))
    source = str(wheels[-1]) if wheels else source
    if not $oldest <= sys.version_info[:2] < $newest:
        raise RuntimeError("AIGC Lab needs $python; this is Python " + sys.version.split()[0] + ".")
    if not source:
        raise FileNotFoundError("Put the file aigc_lab-$version-py3-none-any.whl beside this notebook.")
    if "google.colab" not in sys.modules:
        raise ModuleNotFoundError(f"AIGC Lab is not installed here: run 'pip install {source}'.")
    print("Installing AIGC Lab and what it needs: a few minutes.", flush=True)
    for wanted in (packages, ["--no-deps", source]):
        command = [sys.executable, "-m", "pip", "install", "--quiet", *wanted]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"pip could not install {' '.join(wanted)}:\\n{done.stderr[-2000:]}")
    importlib.invalidate_caches()
    names = [name for name in ("keras", "numpy", "pandas", "scipy", "tensorflow") if name in sys.modules]
    replaced = [name for name in names if sys.modules[name].__version__ != importlib.metadata.version(name)]
    if replaced:
        print(f"Choose 'Restart session' in the menu 'Runtime' now: {', '.join(replaced)} was replaced.")
    else:
        print("AIGC Lab is installed.")
''')
WHAT = {
    "en": "In Google Colab this cell installs AIGC Lab $version and what it needs, up to a gigabyte,\n"
    "# in a few minutes. Where the course is installed it does nothing.",
    "zh": "在 Google Colab 中，本单元格会安装 AIGC Lab $version 及其依赖（最多约 1 GB，需要几分钟）；\n"
    "# 在已安装本课程的环境中，它什么也不做。",
}


def settings() -> dict[str, str]:
    """What ``book/elsewhere.yml`` says: ``repository``, ``branch``, ``colab_branch``.

    Raises:
        ValueError: the repository's address is none that Colab and Binder can open.
    """
    found = yaml.safe_load((ROOT / "book" / "elsewhere.yml").read_text(encoding="utf-8"))
    if found["repository"] and not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", found["repository"]):
        raise ValueError(
            "book/elsewhere.yml: repository must be like https://github.com/OWNER/NAME, or empty; it is "
            f"{found['repository']!r}."
        )
    return found


def requirements() -> list[str]:
    """The project's requirements without those that are Colab's own server."""
    return [line for line in PROJECT["dependencies"] if re.match(r"[\w.-]+", line)[0] not in SERVER]


def first_cell(repository: str, language: str = "en") -> str:
    """The code that installs the course in Colab, from the repository or from a wheel beside the notebook."""
    from aigc_lab import __version__

    oldest, newest = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["requires-python"]).groups()
    return FIRST_CELL.substitute(
        what=Template(WHAT[language]).substitute(version=__version__),
        source=f"git+{repository}@v{__version__}" if repository else "",
        packages="\n".join(requirements()),
        oldest=f"(3, {oldest})",
        newest=f"(3, {newest})",
        python=f"Python 3.{oldest} to 3.{int(newest) - 1}",
        version=__version__,
    ).rstrip("\n")


def colab(lab: Path, language: str = "en", repository: str | None = None) -> nbformat.NotebookNode:
    """The student notebook of a lab, with the cell that installs the course before everything else.

    Args:
        lab: the solved notebook's path.
        language: of the edition.
        repository: the project's address; None for the one of ``book/elsewhere.yml``.

    Raises:
        ValueError: there is no edition in this language, or the address is none.
    """
    node = notebook(lab, language)
    repository = settings()["repository"] if repository is None else repository
    cell = nbformat.v4.new_code_cell(first_cell(repository, language), id="install")
    # Folded in JupyterLab and in Colab: nobody has to read it to use it.
    cell.metadata.update({"jupyter": {"source_hidden": True}, "cellView": "form"})
    node.cells.insert(0, cell)
    return node


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m tools.elsewhere")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("requirements")
    making = commands.add_parser("colab")
    making.add_argument("lab", nargs="*", help="numbers of labs, such as 05 (default: all)")
    making.add_argument("--output", type=Path, required=True, help="folder for the notebooks")
    making.add_argument("--language", default="en")
    given = parser.parse_args(arguments)
    if given.command == "requirements":
        print("\n".join(requirements()))
        return 0
    try:
        made = {lab.name: colab(lab, given.language) for lab in labs(given.lab)}
        given.output.mkdir(parents=True, exist_ok=True)
        for name, node in made.items():
            nbformat.write(node, given.output / name)
            print(given.output / name)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
