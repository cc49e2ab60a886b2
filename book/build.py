"""Build the book: `python book/build.py`.

Needs npm once (for MathJax and the widget manager; see book/vendor.py). After that the build
needs no network, and the pages never do.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

BOOK = Path(__file__).resolve().parent
sys.path.insert(0, str(BOOK.parent))  # so that this also runs where aigc_lab is not installed

from book import check, vendor  # noqa: E402
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
    source, made, site = output / "source", output / "_build", output / "html"
    for folder in (source, made, site):
        shutil.rmtree(folder, ignore_errors=True)
    modules = vendor.fetch(cache)
    assemble(source, notebooks)
    vendor.install(modules, source / "assets" / "vendor")
    run_jupyter_book(source, output)
    # Jupyter Book adds a folder of its own below the one that it is given.
    (made / "html").rename(site)
    shutil.rmtree(made)
    faults = check.site_faults(site)
    if faults:
        raise BookError("The built site has faults:\n" + "\n".join(f"  {fault}" for fault in faults))
    return site / "index.html"


def run_jupyter_book(source: Path, output: Path) -> None:
    """Jupyter Book with every warning as an error; its log is shown only where it fails."""
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    command += ["build", str(source), "--path-output", str(output), "-W", "-n", "--keep-going", "--quiet"]
    # Sphinx imports two extensions of this folder by name (see _config.yml).
    path = os.pathsep.join(filter(None, (str(BOOK.parent), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore", "NO_COLOR": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BookError(f"Jupyter Book found faults in the pages:\n{done.stdout}\n{done.stderr}")


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
