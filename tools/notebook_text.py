"""A notebook as the rules see it, and what they read out of cells: text, images, widgets, solutions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import nbformat

BEGIN_SOLUTION = re.compile(r"^[ \t]*#+ ?BEGIN SOLUTION[ \t]*$", re.MULTILINE)
END_SOLUTION = re.compile(r"^[ \t]*#+ ?END SOLUTION[ \t]*$", re.MULTILINE)
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
PICTURE_MIMES = ("image/png", "image/jpeg", "image/svg+xml", "image/gif", "application/pdf")
RICHER_MIMES = ("text/html", *PICTURE_MIMES, WIDGET_MIME)


@dataclass(frozen=True)
class Notebook:
    """A notebook as the rules see it: the file's name and size, and its cells with their numbers."""

    name: str
    size: int
    node: nbformat.NotebookNode
    code: list[tuple[int, nbformat.NotebookNode]] = field(init=False)

    def __post_init__(self) -> None:
        cells = [(number, cell) for number, cell in enumerate(self.node.cells) if cell.cell_type == "code"]
        object.__setattr__(self, "code", cells)

    def markdown(self) -> Iterator[tuple[int, nbformat.NotebookNode]]:
        return ((number, cell) for number, cell in enumerate(self.node.cells) if cell.cell_type == "markdown")

    def tagged(self, tag: str) -> list[tuple[int, nbformat.NotebookNode]]:
        return [(number, cell) for number, cell in enumerate(self.node.cells) if tag in tags(cell)]


def tags(cell: nbformat.NotebookNode) -> list[str]:
    """The tags of a cell."""
    return list(cell.metadata.get("tags", ()))


def output_texts(cell: nbformat.NotebookNode) -> Iterator[str]:
    """All text that a code cell's stored outputs hold: streams, and every textual mime type."""
    for output in cell.get("outputs", ()):
        if output.output_type == "stream":
            yield output.text
        elif output.output_type == "error":
            yield "\n".join(output.traceback)
        for mime, value in output.get("data", {}).items():
            if isinstance(value, str) and mime not in ("image/png", "image/jpeg", "image/gif"):
                yield value
            elif mime.endswith("json"):
                yield str(value)


def plain_text(cell: nbformat.NotebookNode) -> str:
    """The text that a reader sees as text: streams and text/plain, not the HTML of a table."""
    parts = []
    for output in cell.get("outputs", ()):
        if output.output_type == "stream":
            parts.append(output.text)
        data = output.get("data", {})
        if "text/plain" in data and not any(mime in data for mime in RICHER_MIMES):
            parts.append(data["text/plain"])
    return "".join(parts)


def pictures(cell: nbformat.NotebookNode) -> int:
    """How many pictures the stored outputs of a cell hold."""
    return sum(
        any(mime in output.get("data", {}) for mime in PICTURE_MIMES) for output in cell.get("outputs", ())
    )


def has_widget(cell: nbformat.NotebookNode) -> bool:
    """Whether the stored outputs hold a widget (a slider, a notebook progress bar)."""
    return any(WIDGET_MIME in output.get("data", {}) for output in cell.get("outputs", ()))


def without_magics(source: str) -> str:
    """The source as Python can parse it: IPython's ``%`` and ``!`` lines become ``pass``."""
    return re.sub(r"^([ \t]*)[%!].*$", r"\1pass", source, flags=re.MULTILINE)


def parsed(source: str) -> ast.Module | None:
    """The syntax tree, or None where it is not Python."""
    try:
        return ast.parse(without_magics(source))
    except SyntaxError:
        return None


def calls(source: str) -> set[str]:
    """The dotted names that a cell calls: ``{'plots.grid', 'print'}``."""
    tree = parsed(source)
    nodes = ast.walk(tree) if tree else ()
    return {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}


def literal_assignments(source: str) -> tuple[dict[str, object], list[str]]:
    """What a parameters cell sets, and the lines in it that are not ``name = literal``."""
    tree = parsed(source)
    if tree is None:
        return {}, ["(it is not Python)"]
    values, strange = {}, []
    for statement in tree.body:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        try:
            if not isinstance(target, ast.Name) or len(statement.targets) != 1:
                raise ValueError
            values[target.id] = ast.literal_eval(statement.value)
        except ValueError:
            strange.append(ast.unparse(statement).splitlines()[0])
    return values, strange


def solution_blocks(source: str) -> list[tuple[int, int]]:
    """Line numbers (begin, end) of the solution blocks of a cell, markers included.

    Raises:
        ValueError: a marker without its partner, or one block inside another.
    """
    blocks, begin = [], None
    for number, line in enumerate(source.splitlines()):
        if BEGIN_SOLUTION.match(line):
            if begin is not None:
                raise ValueError("a solution begins inside another: write END SOLUTION first")
            begin = number
        elif END_SOLUTION.match(line):
            if begin is None:
                raise ValueError("END SOLUTION has no BEGIN SOLUTION before it")
            blocks.append((begin, number))
            begin = None
    if begin is not None:
        raise ValueError("BEGIN SOLUTION has no END SOLUTION after it")
    return blocks


def without_solutions(source: str, placeholder: str = 'raise NotImplementedError("your code here")') -> str:
    """The source with each solution block replaced by a placeholder at the block's indentation.

    Raises:
        ValueError: the markers do not pair up.
    """
    blocks, lines = solution_blocks(source), source.splitlines()
    if not blocks:
        return source
    for begin, end in reversed(blocks):
        indent = lines[begin][: len(lines[begin]) - len(lines[begin].lstrip())]
        lines[begin : end + 1] = [f"{indent}# Your code here", f"{indent}{placeholder}"]
    return "\n".join(lines)


def sentences(source: str) -> str:
    """The prose of a Markdown cell: without headings, pictures, formulas alone, rules and comments."""
    text = re.sub(r"<!--.*?-->", "", source, flags=re.DOTALL)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)
    text = re.sub(r"\$\$.*?\$\$", "", text, flags=re.DOTALL)
    lines = [line for line in text.splitlines() if not re.match(r"\s*(#{1,6} |-{3,}$|:::|```)", line)]
    return "\n".join(lines).strip()
