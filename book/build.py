"""Build the book: `python book/build.py`.

Needs the network once: npm for MathJax, the widget manager and onnxruntime-web (see book/vendor.py), and two
data sets for the demonstrations, whose models are exported beside Jupyter Book. The pages never need it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

BOOK = Path(__file__).resolve().parent
sys.path.insert(0, str(BOOK.parent))  # so that this also runs where aigc_lab is not installed

from aigc_lab.language import LANGUAGES  # noqa: E402
from book import check, demos, elsewhere, feed, languages, vendor  # noqa: E402
from book.assemble import NOTEBOOKS, assemble  # noqa: E402
from book.vendor import BookError  # noqa: E402


def build(output: Path, cache: Path, notebooks: Path = NOTEBOOKS) -> Path:
    """Build the whole site under ``output``; npm packages are kept in ``cache``.

    Returns:
        The path of the first page.

    Raises:
        BookError: something is missing, a page has a fault, or a page would load something from
            another host; the message says what to do.
    """
    output, cache = output.resolve(), cache.resolve()
    site, models = output / "html", output / "models"
    for folder in (site, models):
        shutil.rmtree(folder, ignore_errors=True)
    modules = vendor.fetch(cache)
    with python("-m", "book.page_models.table", str(models), str(cache)) as exporting:
        try:
            english, chinese = (
                build_edition(output / language, modules, notebooks, language) for language in LANGUAGES
            )
            said, _ = exporting.communicate()
        finally:
            exporting.kill()
    if exporting.returncode:
        raise BookError(f"The models of the demonstrations could not be exported:\n{said}")
    english.rename(site)
    languages.join(site, chinese)
    for language in LANGUAGES:
        shutil.rmtree(output / language / "_build")
    shutil.copytree(models, site / "_static" / "models")
    elsewhere.downloads(site / "_static" / "notebooks")
    changes = feed.changes(feed.CHANGELOG.read_text(encoding="utf-8"))
    changed = datetime.fromtimestamp(feed.CHANGELOG.stat().st_mtime, UTC)
    for edition in (site, site / languages.FOLDER):
        (edition / "changes.xml").write_text(feed.atom(changes, changed), encoding="utf-8")
    demos.state_sizes(site)
    faults = check.site_faults(site)
    if faults:
        raise BookError("The built site has faults:\n" + "\n".join(f"  {fault}" for fault in faults))
    return site / "index.html"


def build_edition(folder: Path, modules: Path, notebooks: Path, language: str) -> Path:
    """One edition, assembled and built below ``folder``; the path of its pages."""
    shutil.rmtree(folder, ignore_errors=True)
    assemble(folder / "source", notebooks, language)
    vendor.install(modules, folder / "source" / "assets" / "vendor")
    run_jupyter_book(folder / "source", folder)
    # Jupyter Book adds a folder of its own below the one that it is given.
    return folder / "_build" / "html"


def run_jupyter_book(source: Path, output: Path) -> None:
    """Jupyter Book with every warning as an error; its log is shown only where it fails."""
    command = ["-c", "from jupyter_book.cli.main import main; main()", "build", str(source)]
    command += ["--path-output", str(output), "-W", "-n", "--keep-going", "--quiet"]
    with python(*command) as running:
        said, _ = running.communicate()
    if running.returncode:
        raise BookError(f"Jupyter Book found faults in the pages:\n{said}")


def python(*arguments: str) -> subprocess.Popen:
    """A process of this Python that finds this project; what it says is kept."""
    # Sphinx imports two extensions of this folder by name (see _config.yml).
    path = os.pathsep.join(filter(None, (str(BOOK.parent), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore", "NO_COLOR": "1"}
    # Both in one pipe: two would have to be read in turn, or the process waits for a reader.
    said = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen([sys.executable, *arguments], env=environment, text=True, **said)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build and say where the site is; 1 and one sentence where it cannot be built."""
    parser = argparse.ArgumentParser(description="Build the book as a site that needs no network.")
    parser.add_argument("--output", type=Path, default=BOOK / "_build", help="folder to build in")
    parser.add_argument(
        "--cache", type=Path, default=BOOK / "_build" / "cache", help="folder of the npm packages"
    )
    parser.add_argument("--notebooks", type=Path, default=NOTEBOOKS, help="folder of the notebooks")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        index = build(options.output, options.cache, options.notebooks)
    except BookError as error:
        print(error, file=sys.stderr)
        return 1
    pages = len(list(index.parent.glob("**/*.html")))
    size = sum(path.stat().st_size for path in index.parent.rglob("*") if path.is_file()) / 1e6
    print(f"{pages} pages, {size:.0f} MB, {time.monotonic() - started:.0f} s. Open {index}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
