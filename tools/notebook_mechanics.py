"""Lint rules on mechanics: the file, what is stored in it, and the tags that the harness relies on.

A rule takes a ``tools.notebook_text.Notebook`` and yields ``(cell number or None, what to do)``.
Each guards against something that broke for readers; the docstring says what.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tools import notebook_text as text
from tools.notebook_text import Notebook

Problems = Iterator[tuple[int | None, str]]

LARGEST_FILE = 1_000_000
LONGEST_OUTPUT_LINES = 60
LONGEST_OUTPUT_CHARACTERS = 6_000
SHORTEST_ALT = 20
MACHINE_PATH = re.compile(
    r"(?:(?<![\w.:/~-])/(?:home|root|tmp|work|opt|usr|var|private|mnt|Users)/[\w.-]+)"
    r"|[A-Za-z]:\\\\?Users\\|site-packages|ipykernel_\d+|ipython-input-\d+"
)
ADDRESS = re.compile(r"\bat 0x[0-9a-f]{6,}")
INTERACTIVE = re.compile(
    r"^(?:.*\.)?(?:interact|interactive|interactive_output|interact_manual|latent_explorer"
    r"|corruption_explorer|gan_playground|live_figure)$|^(?:ipywidgets\.\w+|widgets\.annotate)$"
)


def name(notebook: Notebook) -> Problems:
    """The number orders the notebooks; the rest of the project finds them by it."""
    if not re.fullmatch(r"\d\d_[a-z0-9_]+\.ipynb", notebook.name):
        yield None, "name the file like 00_seven_stages.ipynb"


def kernel(notebook: Notebook) -> Problems:
    """A kernel named after someone's machine does not start on anybody else's."""
    found = notebook.node.metadata.get("kernelspec", {}).get("name")
    if found != "python3":
        yield None, f"the kernel must be python3, not {found!r}"


def size(notebook: Notebook) -> Problems:
    """A notebook of many megabytes cannot be reviewed, and loads slowly in class."""
    if notebook.size >= LARGEST_FILE:
        yield None, f"is {notebook.size:,} bytes; store less output, to stay under {LARGEST_FILE:,}"


def metadata(notebook: Notebook) -> Problems:
    """Papermill's metadata hold paths and times of one machine."""
    cells = [notebook.node.metadata, *(cell.metadata for cell in notebook.node.cells)]
    if any("papermill" in one or "execution" in one for one in cells):
        yield None, "holds traces of a run (papermill, execution); run it with tools.run_notebook --in-place"


def counts(notebook: Notebook) -> Problems:
    """Counts 1, 2, 3 … prove one run from top to bottom; nbval never compares a cell that was not run."""
    for expected, (number, cell) in enumerate(notebook.code, start=1):
        if not cell.source.strip():
            yield number, "is an empty code cell; remove it"
        if cell.execution_count != expected:
            yield number, f"has count {cell.execution_count}, not {expected}; run the notebook top to bottom"


def errors(notebook: Notebook) -> Problems:
    """Papermill ignores the tag raises-exception and stops; a stored error is committed breakage."""
    for number, cell in notebook.code:
        if "raises-exception" in cell.metadata.get("tags", ()):
            yield number, "has the tag raises-exception; show expected errors with try, except and print"
        if any(output.output_type == "error" for output in cell.outputs):
            yield number, "ends in an error; repair it and run the notebook again"


def stderr(notebook: Notebook) -> Problems:
    """Warnings and CUDA lines in stored output frighten beginners and differ by machine."""
    for number, cell in notebook.code:
        if any(output.output_type == "stream" and output.name == "stderr" for output in cell.outputs):
            yield number, "wrote to stderr; remove the cause of the warning, or print to stdout"


def paths(notebook: Notebook) -> Problems:
    """A path of one machine exists nowhere else."""
    for number, cell in enumerate(notebook.node.cells):
        places = [("source", cell.source), *(("output", part) for part in text.output_texts(cell))]
        for place, content in places:
            found = MACHINE_PATH.search(content)
            if found:
                yield number, f"its {place} holds the machine path {found[0]!r}; print a relative path"
            if place == "output" and (address := ADDRESS.search(content)):
                yield number, f"its output holds a memory address ({address[0]!r}); print something readable"


def wall(notebook: Notebook) -> Problems:
    """A progress bar that was stored as a thousand lines buries the lesson."""
    for number, cell in notebook.code:
        shown = text.plain_text(cell)
        lines = shown.count("\n") + 1
        if lines > LONGEST_OUTPUT_LINES or len(shown) > LONGEST_OUTPUT_CHARACTERS:
            yield number, f"prints {lines} lines, {len(shown)} characters; print less"
        if re.search(r"\r(?!\n)|\x08|\x1b\[", shown):
            yield number, "left control characters of a progress bar in its output"


def figure_text(notebook: Notebook) -> Problems:
    """``<Figure size …>`` changes between versions of Matplotlib (nbval issue 185)."""
    for number, cell in notebook.code:
        for output in cell.outputs:
            data = output.get("data", {})
            shown = output.get("text", "") or data.get("text/plain", "")
            # Beside a picture the inline backend always stores this text; readers see the picture.
            alone = not any(mime in data for mime in text.PICTURE_MIMES)
            if alone and re.search(r"<Figure size|<Axes", shown):
                yield number, "shows a figure's or axes' text; end the cell with plt.show()"


def alt(notebook: Notebook) -> Problems:
    """A picture without words does not exist for a reader who cannot see it."""
    for number, cell in notebook.code:
        shown = text.pictures(cell)
        if shown > 1:
            yield number, f"shows {shown} pictures; one a cell, so that each has its own words"
        words = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if shown and len(str(words).strip()) < SHORTEST_ALT:
            yield number, "shows a picture without words: describe it in its metadata, mystnb.image.alt"
    for number, cell in notebook.markdown():
        bare = re.findall(r"!\[\s*\]\(", cell.source)
        bare += [
            tag for tag in re.findall(r"<img\b[^>]*>", cell.source) if not re.search(r'alt="[^"]+"', tag)
        ]
        if bare:
            yield number, f"the picture {bare[0]}… has no words: ![words](address)"


def show(notebook: Notebook) -> Problems:
    """``plt.show()`` at the end keeps the text of the last expression out of the output."""
    for number, cell in notebook.code:
        tree = text.parsed(cell.source)
        last = ast.unparse(tree.body[-1]) if tree and tree.body else ""
        if text.pictures(cell) and last not in ("plt.show()", "pyplot.show()"):
            yield number, "shows a picture, so it must end with plt.show()"


def widgets(notebook: Notebook) -> Problems:
    """An error in a callback is invisible to papermill, and the site has no kernel to answer a slider."""
    for position, (number, cell) in enumerate(notebook.code):
        interactive = any(INTERACTIVE.match(call) for call in text.calls(cell.source))
        if not interactive and not text.has_widget(cell):
            continue
        if "nbval-ignore-output" not in cell.metadata.get("tags", ()):
            yield number, "shows a widget, so tag it 'nbval-ignore-output'"
        if interactive and (position == 0 or not text.pictures(notebook.code[position - 1][1])):
            yield number, "is interactive, so the code cell before it must show its picture with the defaults"


def check_output(notebook: Notebook) -> Problems:
    """With nbval-lax only tagged cells are compared: without tags the check silently checks nothing."""
    cells = notebook.tagged("nbval-check-output")
    if len(cells) < 3:
        yield None, f"has {len(cells)} cells tagged 'nbval-check-output'; tag at least three"
    for number, cell in cells:
        if cell.cell_type != "code" or not text.plain_text(cell).strip():
            yield number, "is tagged 'nbval-check-output' but stores no text to compare"
        elif text.pictures(cell) or text.has_widget(cell):
            yield number, "is tagged 'nbval-check-output' but shows a picture or widget; compare text"
        elif "nbval-ignore-output" in cell.metadata.tags:
            yield number, "is tagged both 'nbval-check-output' and 'nbval-ignore-output'"


def seed(notebook: Notebook) -> Problems:
    """A seed set once at the top makes each training depend on what ran before it."""
    for number, cell in notebook.code:
        tree = text.parsed(cell.source)
        for node in ast.walk(tree) if tree else ():
            if not isinstance(node, ast.Call) or ast.unparse(node.func) != "train.fit":
                continue
            if not any(keyword.arg in ("seed", None) for keyword in node.keywords) and (
                not any(call.endswith("set_random_seed") for call in text.calls(cell.source))
            ):
                yield number, "trains without a seed of its own: train.fit(…, seed=seed)"


RULES = {
    "name": name,
    "kernel": kernel,
    "size": size,
    "metadata": metadata,
    "counts": counts,
    "errors": errors,
    "stderr": stderr,
    "paths": paths,
    "wall": wall,
    "figure-text": figure_text,
    "alt": alt,
    "show": show,
    "widgets": widgets,
    "check-output": check_output,
    "seed": seed,
}
