"""Which code cells only draw: the site folds them, so that a page shows what is taught.

A cell is folded whose author tagged it ``hide-input``, and a cell of five lines or more in which most lines
draw and from which later cells take nothing but functions and figures.
"""

from __future__ import annotations

import ast

import nbformat

from tools.notebook_text import parsed, tags

TAG = "hide-input"
LEAST_LINES = 5
LEAST_SHARE = 0.7
# Names that draw in every notebook; what is made with them (figure, axes, panel) draws too.
DRAWING = frozenset({"plots", "plt", "new_figure", "widgets"})
# What is taught, asked or recorded stays open, whatever it draws.
OPEN_TAGS = frozenset({"taught", "parameters", "claims", "check"})


def fold(notebook: nbformat.NotebookNode) -> int:
    """Tag the cells that only draw; how many cells are folded now."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    reads = [_names(parsed(cell.source), ast.Load) for cell in code]
    for number, cell in enumerate(code):
        later = set().union(*reads[number + 1 :])
        if TAG not in tags(cell) and only_draws(cell, later):
            cell.metadata["tags"] = [*tags(cell), TAG]
    return sum(TAG in tags(cell) for cell in code)


def only_draws(cell: nbformat.NotebookNode, read_later: set[str]) -> bool:
    """Whether most lines of a cell draw, and no later cell reads a value that it makes."""
    tree = parsed(cell.source)
    if tree is None or OPEN_TAGS & set(tags(cell)) or "BEGIN SOLUTION" in cell.source:
        return False
    drawing, values = set(DRAWING), set()
    lines = drawn = 0
    for statement in tree.body:
        length = statement.end_lineno - statement.lineno + 1
        draws = bool({node.id for node in ast.walk(statement) if isinstance(node, ast.Name)} & drawing)
        lines, drawn = lines + length, drawn + length * draws
        if isinstance(statement, ast.Assign):
            (drawing if draws else values).update(_names(statement, ast.Store))
        elif isinstance(statement, ast.FunctionDef | ast.ClassDef) and not draws:
            values.add(statement.name)
        elif isinstance(statement, ast.FunctionDef):
            drawing.add(statement.name)
    return lines >= LEAST_LINES and drawn >= LEAST_SHARE * lines and not values & read_later


def _names(tree: ast.AST | None, context: type[ast.expr_context]) -> set[str]:
    nodes = ast.walk(tree) if tree else ()
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, context)}
