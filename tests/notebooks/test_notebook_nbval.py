"""nbval's lax mode can silently check nothing: show that here it checks, on a small notebook."""

from __future__ import annotations

import nbformat
from nbval_run import nbval

EXPECTED = {1: "(3, 2)", 3: "42", 4: "holds"}


def small_notebook(path, tagged=True, wrong=()):
    sources = ["number = 42", "print((3, 2))", "print(id(number))", "print(number)", "print('holds')"]
    cells = []
    for position, source in enumerate(sources):
        words = "something else" if position in wrong else EXPECTED.get(position, "only here")
        outputs = [nbformat.v4.new_output("stream", name="stdout", text=f"{words}\n")] if position else []
        cell = nbformat.v4.new_code_cell(source, execution_count=position + 1, outputs=outputs)
        if tagged and position in EXPECTED:
            cell.metadata["tags"] = ["nbval-check-output"]
        cells.append(cell)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_tagged_cells_are_compared_and_a_changed_output_fails(tmp_path):
    (tmp_path / "run").mkdir()
    result = nbval(small_notebook(tmp_path / "wrong.ipynb", wrong=(1, 2, 4)), tmp_path / "run")
    # Cell 3 is tagged and right; cell 2 is wrong but not tagged, so lax mode does not look at it.
    assert (result.exit_code, result.failed_cells, result.compared) == (1, [1, 4], 3), result.printed


def test_without_tags_nothing_is_compared_and_the_count_says_so(tmp_path):
    (tmp_path / "run").mkdir()
    result = nbval(
        small_notebook(tmp_path / "untagged.ipynb", tagged=False, wrong=(1, 3, 4)), tmp_path / "run"
    )
    assert (result.exit_code, result.compared) == (0, 0), result.printed
