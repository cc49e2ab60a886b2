"""What of a notebook is on its slides. Whether it fits is tested in tests/browser."""

from __future__ import annotations

import base64
import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from aigc_lab import claims
from book import slides
from book.vendor import BookError

FINDING = {
    **{"id": "C08", "question": "q?", "number": 2.5, "low": 1.0, "high": 3.0, "floor": None, "unit": "nats"},
    **{"verdict": "holds", "condition": "", "notebook": "", "says": "So it is.", "says_zh": "确实如此。"},
    "sentence": "s",
}


def small_notebook() -> nbformat.NotebookNode:
    picture = {"image/png": base64.b64encode(b"picture").decode(), "text/plain": "<Figure>"}
    shown = new_code_cell("draw_secretly()", outputs=[new_output("display_data", data=picture)])
    shown.metadata = {"mystnb": {"image": {"alt": 'A "curve"'}}}
    claim = new_output(
        "display_data", data={claims.MIME_TYPE: FINDING, "text/markdown": "m", "text/plain": "p"}
    )
    log = new_output("stream", name="stdout", text="line\n" * 40)
    return new_notebook(
        cells=[
            new_markdown_cell("# Title: of a lab\n\nWhat it is about."),
            new_markdown_cell(
                "> **You will be able to** do it.\n>\n> **Data** none.", metadata={"tags": ["box"]}
            ),
            new_markdown_cell("## Settings\n\nProfiles."),
            new_code_cell("seed = 0", metadata={"tags": ["parameters"]}),
            new_markdown_cell("What is used."),
            new_markdown_cell("## 1. A section\n\nIt begins.\n\n$$a < b$$\n\nAn aside."),
            new_code_cell("hidden_code()", outputs=[log]),
            new_markdown_cell(
                "**Predict.** What?\n\n<details><summary>Answer</summary>\n\nThis.\n\n</details>"
            ),
            shown,
            new_code_cell("def taught(): pass", metadata={"tags": ["taught"]}),
            new_code_cell("check()", outputs=[log], metadata={"tags": ["check"]}),
            new_markdown_cell("## What became of the claim\n\n中文小结：好。"),
            new_code_cell("record()", outputs=[claim], metadata={"tags": ["claims"]}),
            new_markdown_cell("## Going further\n\nRead on."),
        ]
    )


@pytest.mark.parametrize("edition", ["en", "zh"])
def test_headings_formulas_figures_taught_code_and_claims_are_shown(edition):
    page = slides.deck(small_notebook(), edition)
    for words in ("<h1>Title: of a lab</h1>", "<h2>1. A section</h2>", r"\[a &lt; b\]", "It begins."):
        assert words in page
    for words in ("You will be able to", "This.", 'alt="A &quot;curve&quot;"', "taught", "2.5 [1, 3] nats"):
        assert words in page
    for words in (
        "Profiles",
        "What is used",
        "An aside",
        "hidden_code",
        "check()",
        "draw_secretly",
        "line\n",
    ):
        assert words not in page
    assert "Going further" not in page and "<b>Data" not in page
    assert ("确实如此。" in page, "So it is." in page) == (
        (True, False) if edition == "zh" else (False, True)
    )
    assert ("中文小结" in page) == (edition == "zh")
    assert "//" not in page.partition("<script")[0] and 'src="mathjax/tex-chtml.js"' in page


def test_a_wide_formula_goes_on_below():
    wide = new_notebook(cells=[new_markdown_cell(f"# T\n\n$${'a + ' * 30} b \\qquad c$$")])
    assert r"\begin{gathered}" in slides.deck(wide) and r"\qquad" not in slides.deck(wide)


def test_a_lab_is_found_by_its_number_or_its_path():
    assert slides.lab("05") == slides.lab("notebooks/05_vae_math.ipynb") == "05_vae_math"
    for wrong in ("99", "", "0"):
        with pytest.raises(BookError, match="give the number of a notebook"):
            slides.lab(wrong)


def test_the_command_says_in_one_sentence_what_is_wrong(capsys, tmp_path):
    assert slides.main(["99", "--output", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "There is no lab '99'; give the number of a notebook, such as 05.\n"
    assert not list(tmp_path.iterdir())


def test_the_finding_of_a_claims_cell_is_read_whole():
    assert set(FINDING) - {"sentence"} == set(claims.Finding.__dataclass_fields__)
    json.dumps(FINDING)
