"""Put the book's source together: written pages, drawings, notebooks, and the generated pages.

The generated pages are in ``book/generated.py``; the table of labs comes from ``labs.yml`` and the
notebooks themselves.
"""

from __future__ import annotations

import copy
import re
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
import yaml

from aigc_lab import __version__, claims
from aigc_lab import language as editions
from book import (
    article,
    classroom_pages,
    demos,
    elsewhere,
    feed,
    fold,
    generated,
    learning_path,
    pictures,
    questions,
    quiz,
    resources,
    sounds,
    surprises,
)
from book.vendor import BookError
from tools import edition

BOOK = Path(__file__).resolve().parent
NOTEBOOKS = BOOK.parent / "notebooks"
GENERATED = ("article", "changes", "claims", "data_cards", "glossary", "questions", "resources")

WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
NEEDS_KERNEL = {
    "en": "*A control stands here when the notebook is open in JupyterLab; the picture before it shows "
    "its starting position.*",
    "zh": "*在 JupyterLab 中打开笔记本时，这里是一个可操作的控件；上方的图显示它的初始状态。*",
}
SETTINGS_ZH = {  # what _config.yml has in English
    "language: en": "language: zh_CN\n    html_search_language: en",  # book.search finds both languages
    "search_bar_text: Search this book": "search_bar_text: 搜索本书",
    "AIGC Lab, to the first page": "AIGC Lab，回到首页",
    "Show the code · 显示代码": "显示代码",
    "Hide the code · 收起代码": "收起代码",
    "Version ": "版本 ",
    "Text and pictures: CC BY 4.0. Code: MIT": "文字与图片：CC BY 4.0。代码：MIT",
    "author: The AIGC Lab maintainers": "author: AIGC Lab 维护者",
}


def assemble(source: Path, notebooks: Path = NOTEBOOKS, language: str = "en") -> None:
    """Write the whole book source of one edition into the new folder ``source``.

    Raises:
        BookError: a notebook is missing, was not run, or shows an error; a page of ``_toc.yml`` is missing.
    """
    source.mkdir(parents=True)
    _write_settings(source, language)
    shutil.copyfile(BOOK / "references.bib", source / "references.bib")
    shutil.copytree(BOOK / "assets", source / "assets")
    shutil.copytree(BOOK / "web", source / "assets" / "web")
    found = notebook_paths(notebooks)
    labs = read_yaml("labs.yml")
    unlisted = [path.name for path in found if path.stem not in {lab["file"] for lab in labs}]
    if unlisted:
        raise BookError(f"{unlisted[0]} has no entry in book/labs.yml; write one.")
    nodes = {path.stem: nbformat.read(path, as_version=4) for path in found}
    titles = {stem: title(editions.notebook(node, stem, language), stem) for stem, node in nodes.items()}
    _write_pictures(source, labs, titles, language)
    ledger = claims.ledger(found)
    welcome = next(demo for demo in demos.demos() if demo["page"] == "index")
    parts = {
        "%DEMONSTRATION%": demos.block(welcome, "_static/", language),
        "%STAGES_ALT%": pictures.STAGES_ALT[language],
        "%LABS%": labs_table(notebooks, language),
        "%SURPRISES%": surprises.block(ledger, "zh" if language == "zh" else ""),
        "%QUIZ%": quiz.block("prerequisites", language, 7),
        **classroom_pages.parts(labs, titles, language),
    }
    for path in sorted((BOOK / "pages").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        if language == "zh":
            text = editions.markdown(text, editions.catalogue("pages"))
        for name, part in parts.items():
            text = text.replace(name, part)
        (source / path.name).write_text(text, encoding="utf-8")
    data = {
        path.stem: stated_data(editions.notebook(nodes[path.stem], path.stem, language)) for path in found
    }
    for name, text in {
        "data_cards": generated.data_cards_page(language),
        "claims": generated.claims_page(ledger, data, language),
        "article": article.page(ledger, language),
        "questions": questions.page(ledger, language),
        "resources": resources.page(language),
        "changes": feed.page(feed.CHANGELOG.read_text(encoding="utf-8"), language),
        "glossary": generated.glossary_page(read_yaml("glossary.yml"), language),
    }.items():
        (source / f"{name}.md").write_text(text, encoding="utf-8")
    (source / "notebooks").mkdir()
    (source / "teaching").mkdir()
    for lab in labs:
        stem, node = lab["file"], nodes[lab["file"]]
        prepared = prepare_notebook(node, f"{stem}.ipynb", language)
        sounds.place(prepared, f"{stem}.ipynb", source / "assets")
        demos.place(prepared, stem, language)
        prepared = edition.edition(prepared, stem, language)
        add_head(prepared, stem, lab, language)
        prepared.cells.append(nbformat.v4.new_markdown_cell(quiz.block(stem, language)))
        nbformat.write(prepared, source / "notebooks" / f"{stem}.ipynb")
        shown = editions.catalogue(stem, language)
        page = classroom_pages.page(stem, node, labs, language, heading=_headings(shown))
        (source / "teaching" / f"{stem}.md").write_text(page, encoding="utf-8")
    missing = [
        page
        for page in toc_pages()
        if not any((source / f"{page}{end}").is_file() for end in (".md", ".ipynb"))
    ]
    if missing:
        raise BookError(
            f"book/_toc.yml names {missing[0]}, but there is no such page; write it or take it out."
        )


def _write_settings(source: Path, language: str) -> None:
    """``_config.yml`` and ``_toc.yml``: of captions in both languages, the Chinese edition keeps one."""
    config = (BOOK / "_config.yml").read_text(encoding="utf-8").replace("%VERSION%", __version__)
    toc = (BOOK / "_toc.yml").read_text(encoding="utf-8")
    if language == "zh":
        for english, chinese in SETTINGS_ZH.items():
            if english not in config:
                raise BookError(f"book/_config.yml has no {english!r}; mend SETTINGS_ZH in book/assemble.py.")
            config = config.replace(english, chinese)
        toc = re.sub(r"caption: .* · (.*)", r"caption: \1", toc)
    (source / "_config.yml").write_text(config, encoding="utf-8")
    (source / "_toc.yml").write_text(toc, encoding="utf-8")


def _write_pictures(source: Path, labs: list[dict], titles: dict[str, str], language: str) -> None:
    names = {lab["file"][:2]: learning_path.short(titles[lab["file"]]) for lab in labs}
    paths = learning_path.files(classroom_pages.prerequisites(labs), names, language)
    for folder in (source / "pictures", source / "assets" / "pictures"):
        folder.mkdir()
        for name, text in {**pictures.files(language), **paths}.items():
            (folder / name).write_text(text, encoding="utf-8")


def _headings(translations: dict[str, str]) -> Callable[[str], str]:
    """Heading of the notebook -> how the edition shows it."""

    def shown(heading: str) -> str:
        for marks in ("## ", "# "):
            if marks + heading in translations:
                return translations[marks + heading].removeprefix(marks)
        return heading

    return shown


def read_yaml(name: str) -> Any:
    """A data file of this folder."""
    return yaml.safe_load((BOOK / name).read_text(encoding="utf-8"))


def notebook_paths(notebooks: Path = NOTEBOOKS) -> list[Path]:
    """The notebooks that the project ships, in order."""
    return sorted(notebooks.glob("[0-9][0-9]_*.ipynb"))


def toc_pages() -> list[str]:
    """Every page named by ``_toc.yml``, without its ending."""
    toc = read_yaml("_toc.yml")
    chapters = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    below = [section["file"] for chapter in chapters for section in chapter.get("sections", ())]
    return [toc["root"], *(chapter["file"] for chapter in chapters), *below]


def prepare_notebook(
    notebook: nbformat.NotebookNode, name: str, language: str = "en"
) -> nbformat.NotebookNode:
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
                    output.data = nbformat.from_dict({"text/markdown": NEEDS_KERNEL[language]})
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


def add_head(notebook: nbformat.NotebookNode, name: str, lab: dict[str, Any], language: str = "en") -> None:
    """The lab's number before its title; below it Chinese words, where to get it, a list of its sections."""
    first, lab_title = notebook.cells[0], title(notebook, name)
    words = f"关键词：{generated.plain('、'.join(lab['words']))}"
    if language == "en":
        words = f"<strong>{generated.plain(lab['chinese'])}</strong><br>{words}"
    head = [
        f"# {name[:2]} · {lab_title}",
        f'<p class="lab-chinese" lang="zh-Hans">{words}</p>',
        elsewhere.block(name, language),
        first.source.partition("\n")[2].strip(),
    ]
    first.source = "\n\n".join(filter(None, head))
    box = next((at for at, cell in enumerate(notebook.cells) if "box" in cell.metadata.get("tags", [])), 0)
    shown = "本页内容" if language == "zh" else "On this page · 本页内容"
    contents = f":::{{contents}} {shown}\n:local:\n:depth: 1\n:backlinks: none\n:::"
    notebook.cells.insert(box + 1, nbformat.v4.new_markdown_cell(contents))


def _mark_claims(notebook: nbformat.NotebookNode, name: str) -> None:
    """A label before the cell that records the claims, so that the ledger can lead to it."""
    for number, cell in enumerate(notebook.cells):
        if "claims" in cell.metadata.get("tags", []):
            label = nbformat.v4.new_markdown_cell(f"({generated.claims_label(name)})=")
            notebook.cells.insert(number, label)
            return


def stated_data(notebook: nbformat.NotebookNode) -> str:
    """What the box of a notebook says about its data, as plain words; empty where it has no box."""
    for cell in notebook.cells:
        if "box" in cell.metadata.get("tags", []):
            found = re.search(
                r"\*\*(?:Data|数据)[:.：。]?\*\*[:：]?(.*?)(?=\n>?\s*\n|\*\*(?:Stages|阶段)|\Z)",
                cell.source,
                re.DOTALL,
            )
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


def labs_table(notebooks: Path = NOTEBOOKS, language: str = "en") -> str:
    """The labs that exist, with the time that each takes."""
    words = {
        "en": ("lab · 实验", "machine time · 运行时间", "lesson time · 课时"),
        "zh": ("实验", "运行时间", "课时"),
    }
    rows = [f"| {' | '.join(words[language])} |", "|---|---|---|"]
    for lab in read_yaml("labs.yml"):
        path = notebooks / f"{lab['file']}.ipynb"
        if not path.is_file():
            raise BookError(
                f"book/labs.yml names {path.name}, which is not in notebooks/; write it or take it out."
            )
        notebook = nbformat.read(path, as_version=4)
        machine, minutes = machine_time(notebook), f"{lab['lesson_minutes']} min"
        shown = title(editions.notebook(notebook, path.stem, language), path.stem)
        link = f"[{path.stem[:2]} · {generated.plain(shown)}](notebooks/{path.name})"
        if language == "zh":
            machine = re.sub(r" s$", " 秒", re.sub(r" min\w*$", " 分钟", machine))
            minutes = f"{lab['lesson_minutes']} 分钟"
        else:
            link += f"<br>{generated.chinese(lab['chinese'])}"
        rows.append(f"| {link} | {machine} | {minutes} |")
    return "\n".join(rows)
