"""A small notebook that follows every rule, and one way to break each."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from aigc_lab.claims import MIME_TYPE, record

PNG = base64.b64encode(b"stands for a picture").decode()
WIDGET = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "interactive(…)"}
ALT = "Two curves that fall and meet after eight epochs."

BOX = """\
> **You will be able to say** what the loss of a VAE is made of.
>
> **Claims tested**: C07
>
> **Run time** on two cores: smoke 10 s, classroom 80 s, full 1 h
>
> **Data**: animals (MIT)
>
> **Stages**: train, evaluate
"""

SOLVED = """\
def kl(mean, log_variance):
    # BEGIN SOLUTION
    total = mean**2 + 2.718281828459045**log_variance - 1 - log_variance
    return total / 2
    # END SOLUTION\
"""


CHECK = """\
from aigc_lab import exercises

def check(kl):
    for mean in (0, 1, 3):
        assert kl(mean, 0) == mean**2 / 2, "KL must be 0 at the prior and grow from there"

used = exercises.check(1, kl, check)\
"""
UNIT_CHECK = """\
def check(unit):
    assert unit == "nats", "the log is natural"

exercises.check(2, unit, check)\
"""

SETTINGS = (
    "from aigc_lab import train\n"
    "settings = train.settings(profile, smoke={}, classroom={}, full={})\n"
    "print(images)"
)


def text_output(words: str) -> nbformat.NotebookNode:
    return new_output("stream", name="stdout", text=words)


def shown(data: dict) -> nbformat.NotebookNode:
    return new_output("display_data", data=data)


def picture_output() -> nbformat.NotebookNode:
    return shown({"image/png": PNG, "text/plain": "<Figure size 640x480 with 1 Axes>"})


def good_notebook() -> nbformat.NotebookNode:
    """A notebook that the lint has nothing to say about; cells are found by their tags or by `find`."""
    says = dict.fromkeys(("holds", "does not hold", "undecided"), ("It is so.", "确实如此。"))
    finding = record("C07", number=0.9, interval=(0.8, 1.0), verdict="holds", says=says)
    code = [
        ("Change these and run again.", "profile = 'classroom'\nseed = 0\nimages = 100", ["parameters"], []),
        ("How many there are.", SETTINGS, ["nbval-check-output", "settings"], [text_output("100\n")]),
        ("And their shape.", "print((28, 28))", ["nbval-check-output"], [text_output("(28, 28)\n")]),
        (
            "The loss falls.\n\n**Predict** how far.\n\n<details><summary>Answer</summary>To 1.</details>",
            "import matplotlib.pyplot as plt\nplt.plot([2, 1])\nplt.show()",
            ["picture"],
            [picture_output()],
        ),
        (
            "Now move the slider yourself.",
            "import ipywidgets\nipywidgets.interact(lambda latent: latent, latent=(0, 1))",
            ["nbval-ignore-output", "slider"],
            [shown(WIDGET)],
        ),
        ("## Exercise 1\n\nWrite the KL divergence.", SOLVED, ["solution"], []),
        ("This says whether it is right.", CHECK, ["check"], []),
        ("## Exercise 2\n\nName the unit.", "# BEGIN SOLUTION\nunit = 'nats'\n# END SOLUTION", ["unit"], []),
        ("This says whether it is right.", UNIT_CHECK, ["unit-check", "check"], []),
        (
            "How many are right.",
            "exercises.summary()",
            ["nbval-check-output", "summary"],
            [text_output("2 exercises: 2 answered, 2 right\n")],
        ),
        (
            "## What was found\n\nThe claim and its numbers.",
            "from aigc_lab import claims\n"
            "found = claims.verdict((0.8, 1.0), above=0.5)\n"
            'says = dict.fromkeys(("holds", "does not hold", "undecided"), ("It is so.", "确实如此。"))\n'
            'found = claims.record("C07", number=0.9, interval=(0.8, 1.0), says=says,'
            " verdict=claims.verdict((0.8, 1.0), above=0.5))",
            ["claims"],
            [shown(finding._repr_mimebundle_())],
        ),
        ("In one word, the verdict.", "print('holds')", ["nbval-check-output"], [text_output("holds\n")]),
    ]
    cells = [
        new_markdown_cell("# What a VAE learns"),
        new_markdown_cell(BOX, metadata={"tags": ["box"]}),
    ]
    for count, (words, source, tags, outputs) in enumerate(code, start=1):
        cells.append(new_markdown_cell(words))
        cells.append(new_code_cell(source, execution_count=count, outputs=outputs, metadata={"tags": tags}))
    find_in(cells, "picture").metadata["mystnb"] = {"image": {"alt": ALT}}
    cells.append(new_markdown_cell("## Going further\n\n- A paper.\n- A thing to try."))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    return new_notebook(
        cells=cells,
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )


def find_in(cells: list, tag: str) -> nbformat.NotebookNode:
    return next(cell for cell in cells if tag in cell.metadata.get("tags", ()))


def find(notebook: nbformat.NotebookNode, tag: str) -> nbformat.NotebookNode:
    """The first cell with a tag."""
    return find_in(notebook.cells, tag)


def write(notebook: nbformat.NotebookNode, path: Path) -> Path:
    """Write it as it is; nbformat would repair some faults on the way."""
    path.write_text(nbformat.v4.writes(notebook), encoding="utf-8")
    return path


Break = Callable[[nbformat.NotebookNode], None]


def _replace(tag: str, old: str, new: str) -> Break:
    def change(notebook: nbformat.NotebookNode) -> None:
        cell = find(notebook, tag)
        if old not in cell.source:
            raise AssertionError(f"the example {tag!r} does not hold {old!r}")
        cell.source = cell.source.replace(old, new)

    return change


def _source(number: int, source: str) -> Break:
    return lambda notebook: notebook.cells[number].__setitem__("source", source)


def _output(tag: str, *outputs: nbformat.NotebookNode) -> Break:
    return lambda notebook: find(notebook, tag).__setitem__("outputs", list(outputs))


def _metadata(tag: str, **values) -> Break:
    return lambda notebook: find(notebook, tag).metadata.update(values)


def _drop(tag: str) -> Break:
    def change(notebook: nbformat.NotebookNode) -> None:
        place = notebook.cells.index(find(notebook, tag))
        del notebook.cells[place - 1 : place + 1]

    return change


def _claim_outputs(*ids: str) -> Break:
    def change(notebook: nbformat.NotebookNode) -> None:
        data = [{MIME_TYPE: {"id": claim}, "text/plain": claim} for claim in ids]
        find(notebook, "claims").outputs = [shown(one) for one in data]

    return change


def _slider_first(notebook: nbformat.NotebookNode) -> None:
    find(notebook, "picture").outputs = []


def _insert(place: int, *cells: nbformat.NotebookNode) -> Break:
    def change(notebook: nbformat.NotebookNode) -> None:
        notebook.cells[place:place] = list(cells)

    return change


def _summary_first(notebook: nbformat.NotebookNode) -> None:
    cells = notebook.cells
    place = cells.index(find(notebook, "summary"))
    cells[2:2] = [cells.pop(place - 1), cells.pop(place - 1)]


def _late_parameters(notebook: nbformat.NotebookNode) -> None:
    find(notebook, "parameters").metadata["tags"] = []
    cell = find(notebook, "nbval-check-output")
    cell.metadata["tags"].append("parameters")
    cell.source = "profile = 'classroom'\nseed = 0\nimages = 100"


def _no_unit_exercise(notebook: nbformat.NotebookNode) -> None:
    find(notebook, "unit").source = "unit = 'nats'"


def _two_pictures(notebook: nbformat.NotebookNode) -> None:
    find(notebook, "picture").outputs.append(picture_output())


def _stream_error(notebook: nbformat.NotebookNode) -> None:
    find(notebook, "nbval-check-output").outputs = [new_output("stream", name="stderr", text="warning")]


def _set(name: str, value) -> Break:
    return lambda notebook: find(notebook, "solution").__setitem__(name, value)


ERROR = new_output("error", ename="ValueError", evalue="no", traceback=["ValueError: no"])

# rule -> ways to break it; each must be reported under that rule
BROKEN: dict[str, dict[str, Break]] = {
    "kernel": {
        "someone's environment": lambda nb: nb.metadata.kernelspec.update(name="my-conda-env"),
        "none": lambda nb: nb.metadata.pop("kernelspec"),
    },
    "size": {"a megabyte": _output("picture", shown({"image/png": "A" * 1_000_000}))},
    "metadata": {
        "papermill": lambda nb: nb.metadata.update(papermill={"input_path": "x"}),
        "execution times": _metadata("check", execution={"iopub.status.busy": "2026"}),
    },
    "counts": {
        "not run": _set("execution_count", None),
        "out of order": _set("execution_count", 99),
        "empty cell": _source(5, ""),
    },
    "errors": {"stored error": _output("check", ERROR), "tag": _metadata("check", tags=["raises-exception"])},
    "stderr": {"warning": _stream_error},
    "paths": {
        "home": _output("check", text_output("saved /home/kim/cats.png\n")),
        "windows": _output("check", text_output("C:\\Users\\kim\\cats.png\n")),
        "temporary": _output("check", text_output("in '/tmp/ab12/x'\n")),
        "packages": _output("check", text_output("lib/site-packages/keras\n")),
        "in html": _output("check", shown({"text/html": "<b>/root/x</b>"})),
        "in source": _replace("check", "used =", "open('/opt/data/x')\nused ="),
        "address": _output("check", text_output("<Model object at 0x7f3a2b1c>\n")),
    },
    "wall": {
        "many lines": _output("check", text_output("epoch\n" * 61)),
        "long line": _output("check", text_output("." * 6_001)),
        "progress bar": _output("check", text_output(" 10%|\r 20%|\r")),
        "colours": _output("check", text_output("\x1b[1mModel\x1b[0m")),
    },
    "figure-text": {
        "figure": _output("check", text_output("<Figure size 640x480 with 1 Axes>")),
        "axes": _output("check", shown({"text/plain": "<Axes: >"})),
    },
    "name": {},  # see test_lint: the name is the file's
    "title": {
        "second title": _source(2, "# Another title\n\nAnd a sentence."),
        "smaller heading": _source(0, "## What a VAE learns"),
        "no heading": _source(0, "What a VAE learns"),
    },
    "headings": {"skipped level": _source(2, "### Deep\n\nAnd a sentence.")},
    "box": {
        "untagged": _metadata("box", tags=[]),
        "no quote": lambda nb: nb.cells[1].update(source=BOX.replace("> ", "")),
        "no learning goal": _replace("box", "You will be able to say", "Hello"),
        "unknown claim": _replace("box", "C07", "C07, C99"),
        "no smoke time": _replace("box", "smoke 10 s", "smoke"),
        "no full time": _replace("box", "full 1 h", ""),
        "which machine": _replace("box", "two cores", "something"),
        "no licence": _replace("box", "(MIT)", ""),
        "no stage": _replace("box", "train, evaluate", "all"),
    },
    "parameters": {
        "none": _metadata("parameters", tags=[]),
        "two": _metadata("check", tags=["check", "parameters"]),
        "other default profile": _replace("parameters", "classroom", "smoke"),
        "no seed": _replace("parameters", "seed = 0", "seeds = 3"),
        "text seed": _replace("parameters", "seed = 0", "seed = '0'"),
        "nothing to change": _replace("parameters", "images = 100", ""),
        "computed": _replace("parameters", "images = 100", "images = len('abc')"),
        "import": _replace("parameters", "images = 100", "images = 1\nimport os"),
        "not first": _late_parameters,
    },
    "profiles": {
        "no call": _replace("settings", "train.settings", "dict"),
        "another name": _replace("settings", "profile,", "'smoke',"),
        "one missing": _replace("settings", ", full={}", ""),
    },
    "prose": {
        "only a heading": _source(4, "## Counting"),
        "only a formula": _source(4, "$$\nx = y + z + a + b + c\n$$"),
        "code after code": lambda nb: nb.cells.pop(4),
    },
    "length": {
        "prose": _source(2, "One word more. " * 60),
        "Chinese prose": _source(2, "数据质量决定生成质量。" * 40),
        "code": _source(5, "print(1)\n" * 41),
    },
    "activity": {
        "a long wait": _insert(3, *[new_markdown_cell("A sentence.", id=f"new-{i}") for i in range(16)]),
        "nothing at the end": _insert(-1, *[new_code_cell("1", id=f"new-{i}") for i in range(16)]),
        "no prediction": _source(8, "The loss falls."),
    },
    "exercises": {
        "one only": _no_unit_exercise,
        "no check after it": _metadata("check", tags=[]),
        "check without words": _replace("check", ', "KL must be 0 at the prior and grow from there"', ""),
        "check that stops the notebook": _replace("check", "exercises.check(1, kl, check)", "check(kl)"),
        "nothing is counted": _replace("summary", "exercises.summary()", "print(2)"),
        "counted too early": _summary_first,
        "the count is not compared": _metadata("summary", tags=["summary"]),
        "no end": _replace("solution", "# END SOLUTION", ""),
        "no begin": _replace("solution", "# BEGIN SOLUTION", ""),
        "nested": _replace("solution", "    total", "    # BEGIN SOLUTION\n    total"),
        "cut is no Python": _replace("solution", "    # BEGIN", "    if mean:\n# BEGIN"),
    },
    "claims": {
        "none": _drop("claims"),
        "no record": _replace("claims", "claims.record(", "dict("),
        "verdict by hand": _replace(
            "claims", "verdict=claims.verdict((0.8, 1.0), above=0.5)", "verdict='holds'"
        ),
        "verdict by a name": _replace(
            "claims", "verdict=claims.verdict((0.8, 1.0), above=0.5)", "verdict=found"
        ),
        "output not stored": _claim_outputs(),
        "other claim stored": _claim_outputs("C08"),
        "shown twice": _claim_outputs("C07", "C07"),
    },
    "verdict-words": {
        "English": _source(2, "What was found. Claim C07 does not hold."),
        "Chinese": _source(2, "说法 C07 不成立。"),
        "undecided": _source(2, "So C07 stays undecided; more runs would help."),
        "a condition that is none": _source(2, "C07 有条件成立：先看数据。"),
    },
    "further": {
        "none": lambda nb: nb.cells.pop(),
        "one item": _source(-1, "## Going further\n\n- A paper."),
        "not last": lambda nb: nb.cells.insert(2, nb.cells.pop()),
    },
    "alt": {
        "none": _metadata("picture", mystnb={}),
        "too short": _metadata("picture", mystnb={"image": {"alt": "a plot"}}),
        "two pictures": _two_pictures,
        "markdown": _source(2, "A picture: ![](cat.png)"),
        "html": _source(2, 'A picture: <img src="cat.png">'),
        "html, empty": _source(2, 'A picture: <img src="cat.png" alt="">'),
    },
    "show": {"not at the end": _replace("picture", "plt.show()", "plt.show()\nplt.gca()")},
    "widgets": {
        "no tag": _metadata("slider", tags=["slider"]),
        "stored progress bar": _output("check", shown(WIDGET)),
        "no static picture": _slider_first,
    },
    "check-output": {
        "two only": lambda nb: [find(nb, "nbval-check-output").metadata["tags"].clear() for _ in range(2)],
        "no output": _output("nbval-check-output"),
        "picture": _output("nbval-check-output", picture_output(), text_output("100")),
        "both tags": lambda nb: find(nb, "nbval-check-output").metadata["tags"].append("nbval-ignore-output"),
    },
    "seed": {"none": _replace("check", "used =", "train.fit(model, images, epochs=3)\nused =")},
}
