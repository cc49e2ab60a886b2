"""A notebook as the rules see it, and what they read out of cells: text, images, widgets, solutions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
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


def without_solutions(source: str, answers: Sequence[str] = ()) -> str:
    """The source with each solution block replaced: by ``answers`` in turn, else by a stub.

    The stub of a block inside a function returns None; at the top of a cell the names that the block sets are
    set to None. A check then says that nothing was answered yet, and the notebook runs on.

    Raises:
        ValueError: the markers do not pair up.
    """
    blocks, lines = solution_blocks(source), source.splitlines()
    for number, (begin, end) in reversed(list(enumerate(blocks))):
        indent = lines[begin][: len(lines[begin]) - len(lines[begin].lstrip())]
        if number < len(answers):
            new = answers[number].rstrip().splitlines()
        elif indent:
            new = ["# Your code here", "return None"]
        else:
            new = ["# Your code here", *(f"{name} = None" for name in _names_set(lines[begin + 1 : end]))]
        lines[begin : end + 1] = [f"{indent}{line}" if line else "" for line in new]
    return "\n".join(lines) if blocks else source


def _names_set(lines: Sequence[str]) -> list[str]:
    """The names that top-level code assigns or defines, in order."""
    tree = parsed("\n".join(lines))
    names = []
    for statement in tree.body if tree else ():
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            names.append(statement.name)
        elif isinstance(statement, ast.Assign):
            targets = [node for target in statement.targets for node in ast.walk(target)]
            names += [node.id for node in targets if isinstance(node, ast.Name)]
    return list(dict.fromkeys(names))


def word_count(source: str) -> int:
    """Words of a Markdown cell: English words, and each two Chinese characters; formulas are not counted."""
    words = re.sub(r"\$\$.*?\$\$|\$[^$\n]*\$|\]\([^)]*\)|<[^>]*>", " ", source, flags=re.DOTALL)
    return len(re.findall(r"[A-Za-z0-9][\w.'’-]*", words)) + len(re.findall(r"[\u4e00-\u9fff]", words)) // 2


def sentences(source: str) -> str:
    """The prose of a Markdown cell: without headings, pictures, formulas alone, rules and comments."""
    text = re.sub(r"<!--.*?-->", "", source, flags=re.DOTALL)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)
    text = re.sub(r"\$\$.*?\$\$", "", text, flags=re.DOTALL)
    lines = [line for line in text.splitlines() if not re.match(r"\s*(#{1,6} |-{3,}$|:::|```)", line)]
    return "\n".join(lines).strip()
