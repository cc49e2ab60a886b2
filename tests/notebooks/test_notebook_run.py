"""Running notebooks: parameters are checked first, and what is stored holds nothing of the machine."""

from __future__ import annotations

import os
import re

import nbformat
import pytest
from nbclient.exceptions import CellTimeoutError
from notebook_examples import find, good_notebook, text_output, write
from papermill import PapermillExecutionError

from tools import run_notebook
from tools.notebook_lint import lint
from tools.report import fetched, write_report


@pytest.fixture
def good(tmp_path):
    return write(good_notebook(), tmp_path / "05_good.ipynb")


def quick_notebook(path, *lines):
    """A notebook with a parameters cell and one more line of code for each argument."""
    cells = [
        nbformat.v4.new_code_cell("profile = 'classroom'\nseed = 0\nrate = 0.5\noutput_folder = 'runs/x'")
    ]
    cells[0].metadata["tags"] = ["parameters"]
    cells += [nbformat.v4.new_code_cell(line) for line in lines]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
    return path


def test_parameters_are_read_with_their_defaults(good):
    assert run_notebook.known_parameters(good) == {"profile": "classroom", "seed": 0, "images": 100}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"epoch": 3}, r"05_good.ipynb has no parameter 'epoch'; it has profile, seed, images\."),
        ({"profile": "smok"}, r"There is no profile 'smok'; choose one of smoke, classroom, full\."),
        ({"profile": 3}, r"There is no profile 3; choose one of smoke, classroom, full\."),
        ({"seed": "three"}, r"'seed' of 05_good.ipynb is of type int, as in 0; 'three' is not\."),
        ({"images": True}, r"'images' of 05_good.ipynb is of type int"),
        ({"images": 2.5}, r"'images' of 05_good.ipynb is of type int"),
    ],
)
def test_what_the_notebook_would_not_understand_is_refused_before_it_runs(
    good, tmp_path, parameters, message
):
    with pytest.raises(ValueError, match=message):
        run_notebook.run(good, tmp_path / "out.ipynb", parameters)
    assert not (tmp_path / "out.ipynb").exists()


def test_a_whole_number_is_good_enough_for_a_rate(tmp_path):
    run_notebook.check_parameters(quick_notebook(tmp_path / "05_a.ipynb"), {"rate": 1})
    with pytest.raises(ValueError, match=r"'rate' of 05_a\.ipynb is of type float"):
        run_notebook.check_parameters(tmp_path / "05_a.ipynb", {"rate": "1"})


def test_a_notebook_without_a_parameters_cell_is_refused(tmp_path):
    notebook = good_notebook()
    find(notebook, "parameters").metadata["tags"] = []
    with pytest.raises(ValueError, match="has 0 cells tagged 'parameters'"):
        run_notebook.run(write(notebook, tmp_path / "05_bad.ipynb"), tmp_path / "out.ipynb")
    with pytest.raises(FileNotFoundError, match="There is no notebook"):
        run_notebook.run(tmp_path / "05_none.ipynb", tmp_path / "out.ipynb")


def test_a_run_uses_the_parameters_and_the_notebooks_own_folder(tmp_path):
    source = quick_notebook(tmp_path / "05_a.ipynb", "import os\nprint(profile, seed, os.getcwd())")
    before = source.read_bytes()
    out = run_notebook.run(source, tmp_path / "out" / "a.ipynb", {"profile": "smoke", "seed": 7})
    printed = nbformat.read(out, as_version=4).cells[-1].outputs[0].text
    assert printed == f"smoke 7 {tmp_path}\n"
    assert source.read_bytes() == before


def test_what_is_stored_in_place_passes_the_lint(tmp_path):
    notebook = good_notebook()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata.kernelspec.name = "my-environment"
    path = write(notebook, tmp_path / "05_good.ipynb")
    assert lint(path)
    run_notebook.run_in_place(path)
    assert [str(problem) for problem in lint(path)] == []
    assert find(nbformat.read(path, as_version=4), "nbval-check-output").outputs == [text_output("100\n")]


def test_a_failing_cell_leaves_the_stored_notebook_as_it_was(tmp_path):
    path = quick_notebook(tmp_path / "05_a.ipynb", "raise ValueError('no cats')")
    before = path.read_bytes()
    with pytest.raises(Exception, match="no cats"):
        run_notebook.run_in_place(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["05_a.ipynb"]


def test_the_command_ends_with_the_report_and_the_picture(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = "import pathlib\nprint(pathlib.Path(output_folder, 'cats.png').write_bytes(b'x'))"
    source = quick_notebook(tmp_path / "05_a.ipynb", line)
    arguments = [str(source), "--output-folder", "runs/a", "--expect", "cats.png", "-p", "profile", "smoke"]
    assert run_notebook.main(arguments) == 0
    picture = os.path.join("runs", "a", "cats.png")
    assert capsys.readouterr().out == f"Report:  runs/a/05_a.html\nPicture: {picture}\n"
    assert (tmp_path / picture).read_bytes() == b"x"
    assert "smoke" in (tmp_path / "runs/a/05_a.html").read_text()


def test_an_earlier_runs_picture_does_not_pass_for_this_ones(tmp_path, capsys):
    (tmp_path / "cats.png").write_bytes(b"old")
    source = quick_notebook(tmp_path / "05_a.ipynb")
    assert run_notebook.main([str(source), "--output-folder", str(tmp_path), "--expect", "cats.png"]) == 1
    assert "wrote no cats.png" in capsys.readouterr().err


def test_a_failing_cell_is_named_in_one_sentence(tmp_path, capsys):
    source = quick_notebook(tmp_path / "05_a.ipynb", "raise ValueError('no cats')")
    assert run_notebook.main([str(source), "--output-folder", str(tmp_path / "out")]) == 1
    assert "A cell failed with ValueError: no cats\n" in capsys.readouterr().err
    with pytest.raises(PapermillExecutionError):
        run_notebook.run(source, tmp_path / "out.ipynb")


def test_the_command_refuses_in_words(good, tmp_path, capsys):
    assert run_notebook.main([str(good), "--output-folder", str(tmp_path), "-p", "epoch", "3"]) == 2
    assert (
        capsys.readouterr().err == "05_good.ipynb has no parameter 'epoch'; it has profile, seed, images.\n"
    )
    (tmp_path / "file").write_text("")
    assert run_notebook.main([str(good), "--output-folder", str(tmp_path / "file")]) == 2
    assert "file" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run_notebook.main([str(good)])
    with pytest.raises(SystemExit):
        run_notebook.main([str(good), "--in-place", "-p", "seed", "3"])


def test_the_report_fetches_nothing_and_shows_formulas_pictures_and_words(tmp_path):
    notebook = good_notebook()
    notebook.cells[2].source = r"The loss: $\mathrm{KL}(q \,\|\, p) \ge 0$, in nats; $x_{$." + "\n\n$$x^2$$"
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    write_report(write(notebook, tmp_path / "05_good.ipynb"), tmp_path / "report.html", "05_good")
    page = (tmp_path / "report.html").read_text()
    assert fetched(page) == []
    assert "<title>05_good</title>" in page
    assert re.findall(r'<math [^>]*display="(\w+)"', page) == ["inline", "block"]
    assert "$x_{$" in page  # what cannot be converted is shown as it was written
    assert 'alt="Two curves that fall and meet after eight epochs." src="data:image/png;base64,' in page
    assert "(A widget: open the notebook in JupyterLab to move it.)" in page


@pytest.mark.parametrize(
    "element",
    [
        '<script src="https://example.org/x.js">',
        '<link rel="stylesheet" href="https://example.org/x.css">',
        '<img alt="x" src="http://example.org/x.png">',
        "<style>a { background: url(https://example.org/x.png) }</style>",
        '<script>import("https://example.org/x.js")</script>',
    ],
)
def test_what_a_page_would_fetch_is_seen(element):
    assert len(fetched(f"<html>{element}</html>")) == 1
    assert fetched('<a href="https://example.org">a link to click</a>') == []


def test_a_cell_that_takes_too_long_is_stopped(tmp_path):
    source = quick_notebook(tmp_path / "05_a.ipynb", "import threading\nthreading.Event().wait()")
    with pytest.raises(CellTimeoutError, match="after 1 seconds"):
        run_notebook.run(source, tmp_path / "out.ipynb", cell_timeout=1)


def test_a_stored_picture_is_smaller_and_looks_the_same():
    import base64
    import io

    import numpy as np
    from PIL import Image

    colours = np.random.default_rng(0).integers(0, 256, (100, 3), dtype=np.uint8)
    pixels = colours[np.random.default_rng(1).integers(0, 100, (200, 200))]  # (200, 200, 3)
    file = io.BytesIO()
    Image.fromarray(np.dstack([pixels, np.full((200, 200), 255, np.uint8)])).save(file, format="PNG")
    stored = run_notebook.smaller_png(base64.b64encode(file.getvalue()).decode("ascii"))
    again = Image.open(io.BytesIO(base64.b64decode(stored))).convert("RGB")
    assert len(stored) < len(base64.b64encode(file.getvalue()))
    assert np.abs(np.asarray(again, int) - pixels).max() <= 8
    see_through = io.BytesIO()
    Image.new("RGBA", (4, 4), (255, 0, 0, 100)).save(see_through, format="PNG")
    content = base64.b64encode(see_through.getvalue()).decode("ascii")
    assert run_notebook.smaller_png(content) == content
