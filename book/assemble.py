"""Put the book's source together: written pages, drawings, notebooks, and the generated pages.

The generated pages are in ``book/generated.py``; the table of labs comes from ``labs.yml`` and the
notebooks themselves.
"""

from __future__ import annotations

import copy
import re
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
import yaml

from aigc_lab import claims
from book import demos, fold, generated, pictures, sounds, surprises
from book.vendor import BookError

BOOK = Path(__file__).resolve().parent
NOTEBOOKS = BOOK.parent / "notebooks"
GENERATED = ("data_cards", "claims", "glossary")

WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
NEEDS_KERNEL = (
    "*A control stands here when the notebook is open in JupyterLab; the picture before it shows "
    "its starting position.*"
)


def assemble(source: Path, notebooks: Path = NOTEBOOKS) -> None:
    """Write the whole book source into the new folder ``source``.

    Raises:
        BookError: a notebook is missing, was not run, or shows an error; a page of ``_toc.yml`` is missing.
    """
    source.mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml", "references.bib"):
        shutil.copyfile(BOOK / name, source / name)
    shutil.copytree(BOOK / "assets", source / "assets")
    shutil.copytree(BOOK / "web", source / "assets" / "web")
    for folder in (source / "pictures", source / "assets" / "pictures"):
        folder.mkdir()
        for name, text in pictures.files().items():
            (folder / name).write_text(text, encoding="utf-8")
    found = notebook_paths(notebooks)
    ledger = claims.ledger(found)
    welcome = next(demo for demo in demos.demos() if demo["page"] == "index")
    parts = {
        "%DEMONSTRATION%": demos.block(welcome, "_static/"),
        "%STAGES_ALT%": pictures.STAGES_ALT,
        "%LABS%": labs_table(notebooks),
        "%SURPRISES%": surprises.block(ledger),
    }
    for path in sorted((BOOK / "pages").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        for name, part in parts.items():
            text = text.replace(name, part)
        (source / path.name).write_text(text, encoding="utf-8")
    (source / "data_cards.md").write_text(generated.data_cards_page(), encoding="utf-8")
    page = generated.claims_page(ledger, {path.stem: stated_data(path) for path in found})
    (source / "claims.md").write_text(page, encoding="utf-8")
    (source / "glossary.md").write_text(generated.glossary_page(read_yaml("glossary.yml")), encoding="utf-8")
    (source / "notebooks").mkdir()
    labs = {lab["file"]: lab for lab in read_yaml("labs.yml")}
    for path in found:
        if path.stem not in labs:
            raise BookError(f"{path.name} has no entry in book/labs.yml; write one.")
        prepared = prepare_notebook(nbformat.read(path, as_version=4), path.name)
        sounds.place(prepared, path.name, source / "assets")
        demos.place(prepared, path.stem)
        add_head(prepared, path.stem, labs[path.stem])
        nbformat.write(prepared, source / "notebooks" / path.name)
    missing = [
        page
        for page in toc_pages()
        if not any((source / f"{page}{end}").is_file() for end in (".md", ".ipynb"))
    ]
    if missing:
        raise BookError(
            f"book/_toc.yml names {missing[0]}, but there is no such page; write it or take it out."
        )


def read_yaml(name: str) -> Any:
    """A data file of this folder."""
    return yaml.safe_load((BOOK / name).read_text(encoding="utf-8"))


def notebook_paths(notebooks: Path = NOTEBOOKS) -> list[Path]:
    """The notebooks that the project ships, in order."""
    return sorted(notebooks.glob("[0-9][0-9]_*.ipynb"))


def toc_pages() -> list[str]:
    """Every page named by ``_toc.yml``, without its ending."""
    toc = read_yaml("_toc.yml")
    return [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]


def prepare_notebook(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """A copy that a page without a kernel can show; refuses what was not run or did not succeed."""
    notebook = copy.deepcopy(notebook)
    _mark_claims(notebook, Path(name).stem)
    fold.fold(notebook)
    models = notebook.metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        if cell.source.strip() and cell.execution_count is None:
            raise BookError(
                f"{name} has a cell that was not run: run it from top to bottom, save it, and build again."
            )
        for output in cell.outputs:
            if output.output_type == "error":
                raise BookError(
                    f"{name} stores an error ({output.ename}): fix it, run it again, and build again."
                )
            # For machines: the ledger reads it from the notebook itself. The sentence beside it is shown.
            output.get("data", {}).pop(claims.MIME_TYPE, None)
            view = output.get("data", {}).get(WIDGET_VIEW)
            if view is not None and view["model_id"] not in models:
                # Without its state a widget cannot be drawn: keep a picture if the output has one.
                del output.data[WIDGET_VIEW]
                if not any(kind.startswith("image/") for kind in output.data):
                    output.data = nbformat.from_dict({"text/markdown": NEEDS_KERNEL})
    return notebook


def title(notebook: nbformat.NotebookNode, name: str) -> str:
    """The heading that a notebook begins with.

    Raises:
        BookError: it begins with something else.
    """
    found = re.match(r"# (.+)", notebook.cells[0].source if notebook.cells else "")
    if not found:
        raise BookError(f"{name}.ipynb does not begin with its title; write '# Title' into its first cell.")
    return found.group(1).strip()


def add_head(notebook: nbformat.NotebookNode, name: str, lab: dict[str, Any]) -> None:
    """The lab's number before its title, its Chinese title and words below, and a list of its sections."""
    first, lab_title = notebook.cells[0], title(notebook, name)
    words = "、".join(lab["words"])
    head = [
        f"# {name[:2]} · {lab_title}",
        f'<p class="lab-chinese" lang="zh-Hans"><strong>{generated.plain(lab["chinese"])}</strong><br>'
        f"关键词：{generated.plain(words)}</p>",
        first.source.partition("\n")[2].strip(),
    ]
    first.source = "\n\n".join(filter(None, head))
    box = next((at for at, cell in enumerate(notebook.cells) if "box" in cell.metadata.get("tags", [])), 0)
    contents = ":::{contents} On this page · 本页内容\n:local:\n:depth: 1\n:backlinks: none\n:::"
    notebook.cells.insert(box + 1, nbformat.v4.new_markdown_cell(contents))


def _mark_claims(notebook: nbformat.NotebookNode, name: str) -> None:
    """A label before the cell that records the claims, so that the ledger can lead to it."""
    for number, cell in enumerate(notebook.cells):
        if "claims" in cell.metadata.get("tags", []):
            label = nbformat.v4.new_markdown_cell(f"({generated.claims_label(name)})=")
            notebook.cells.insert(number, label)
            return


def stated_data(path: Path) -> str:
    """What the box of a notebook says about its data, as plain words; empty where it has no box."""
    for cell in nbformat.read(path, as_version=4).cells:
        if "box" in cell.metadata.get("tags", []):
            found = re.search(r"\*\*Data[:.]?\*\*(.*?)(?=\n>?\s*\n|\*\*Stages|\Z)", cell.source, re.DOTALL)
            return " ".join(re.sub(r"[>`*]", " ", found.group(1)).split()) if found else ""
    return ""


def machine_time(notebook: nbformat.NotebookNode) -> str:
    """Run time of the classroom profile: what the notebook's box says, else the stored run's time stamps."""
    for cell in notebook.cells:
        stated = re.search(r"classroom about (\d+ (?:s|min(?:utes?)?))\b", cell.source)
        if "box" in cell.metadata.get("tags", []) and stated:
            return stated.group(1)
    stamps = [
        datetime.fromisoformat(stamp.replace("Z", "+00:00"))
        for cell in notebook.cells
        for stamp in cell.metadata.get("execution", {}).values()
        if isinstance(stamp, str)
    ]
    return f"{(max(stamps) - min(stamps)).total_seconds():.0f} s" if stamps else "see its first box"


def labs_table(notebooks: Path = NOTEBOOKS) -> str:
    """The labs that exist, with the time that each takes."""
    rows = ["| lab · 实验 | machine time · 运行时间 | lesson time · 课时 |", "|---|---|---|"]
    for lab in read_yaml("labs.yml"):
        path = notebooks / f"{lab['file']}.ipynb"
        if not path.is_file():
            raise BookError(
                f"book/labs.yml names {path.name}, which is not in notebooks/; write it or take it out."
            )
        notebook = nbformat.read(path, as_version=4)
        machine = machine_time(notebook)
        words = f"{path.stem[:2]} · {generated.plain(title(notebook, path.stem))}"
        link = f"[{words}](notebooks/{path.name})<br>{generated.chinese(lab['chinese'])}"
        rows.append(f"| {link} | {machine} | {lab['lesson_minutes']} min |")
    return "\n".join(rows)
