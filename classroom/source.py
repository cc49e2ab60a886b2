"""The statements at the top of a cell, as the plan of a run counts them and as the run keeps them."""

from __future__ import annotations

import ast

from tools.notebook_text import without_magics


def top_level(source: str, label: str = "cell") -> list[ast.stmt]:
    """The statements of a cell; an import of several names counts as several statements.

    A notebook imports everything at its top, and TensorFlow with it, while an exercise may need numpy alone.

    Raises:
        SyntaxError, ValueError: the cell is not Python.
    """
    statements: list[ast.stmt] = []
    for node in ast.parse(without_magics(source), label).body:
        if isinstance(node, ast.Import):
            statements += [ast.copy_location(ast.Import([each]), node) for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            single = [ast.ImportFrom(node.module, [each], node.level) for each in node.names]
            statements += [ast.copy_location(each, node) for each in single]
        else:
            statements.append(node)
    return statements
