"""What stands below a lab's title: its notebook to download, and where it can be opened without installing.

``elsewhere.yml`` holds the project's public address. While it is empty there are no buttons for Colab and
Binder; the line then says how a downloaded notebook is opened there.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

import nbformat

from aigc_lab import language as editions
from aigc_lab.__main__ import labs, notebook
from tools import edition, elsewhere

COLAB = "https://colab.research.google.com/"
BINDER = "https://mybinder.org/v2/gh/"
# For each edition: the name of the notebook, of the solved one, and the words around the links.
WORDS = {
    "en": {
        "student": "notebook",
        "solved": "with solutions",
        "download": "Download: {links}.",
        "open": "Open it in {buttons}, without installing: {page}.",
        "closed": "Without installing: upload the notebook to {colab}; the steps are in “{page}”.",
        "page": "what that needs and keeps",
        "page_closed": "Open a lab without installing it",
    },
    "zh": {
        "student": "笔记本",
        "solved": "含答案",
        "download": "下载：{links}。",
        "open": "无需安装，直接打开：{buttons}（{page}）。",
        "closed": "不想安装：把笔记本上传到 {colab}，步骤见“{page}”。",
        "page": "需要什么、会保存什么",
        "page_closed": "免安装打开实验",
    },
}


def buttons(stem: str, language: str, repository: str, branch: str, colab_branch: str) -> dict[str, str]:
    """Name of a service -> the address that opens the lab there.

    Args:
        stem: the notebook's file name without its ending.
        language: of the edition.
        repository: the project's address on GitHub.
        branch: the one Binder builds from.
        colab_branch: the one with the notebooks for Colab.
    """
    name = repository.removeprefix("https://github.com/")
    folder = "" if language == "en" else f"{language}/"
    work = "course" if language == "en" else f"course_{language}"  # binder/postBuild copies them there
    return {
        "Colab": f"{COLAB}github/{name}/blob/{colab_branch}/{folder}{stem}.ipynb",
        "Binder": f"{BINDER}{name}/{branch}?urlpath=lab/tree/{work}/{stem}.ipynb",
    }


def block(
    stem: str,
    language: str,
    static: str = "../_static/",
    page: str = "../elsewhere.html",
    settings: dict[str, str] | None = None,
) -> str:
    """The HTML below a lab's title, one block for Markdown.

    Args:
        stem: the notebook's file name without its ending.
        language: of the page.
        static: leads from the page to ``_static/``; ``downloads`` writes into ``_static/notebooks/``.
        page: leads from the page to that on opening labs elsewhere.
        settings: those of ``elsewhere.yml``, where None.

    Raises:
        ValueError: there is no edition in this language, or ``elsewhere.yml`` has no proper address.
    """
    words, settings = WORDS[editions.checked(language)], settings or elsewhere.settings()
    links = []
    for each in (language, *(other for other in WORDS if other != language)):
        for kind, ending in (("student", ""), ("solved", "_solved")):
            link = _link(f"{static}notebooks/{each}/{stem}{ending}.ipynb", WORDS[each][kind], "download")
            links.append(link if each == language else f'<span lang="{_lang(each)}">{link}</span>')
    parts = [words["download"].format(links=" · ".join(links))]
    if settings["repository"]:
        found = buttons(stem, language, **settings)
        opened = " · ".join(_link(address, name, 'class="lab-button"') for name, address in found.items())
        parts.append(words["open"].format(buttons=opened, page=_link(page, words["page"])))
    else:
        colab, how = _link(COLAB, "Colab"), _link(page, words["page_closed"])
        parts.append(words["closed"].format(colab=colab, page=how))
    return f'<p class="lab-elsewhere" lang="{_lang(language)}">{"<br>".join(parts)}</p>'


def downloads(folder: Path) -> list[Path]:
    """Write what the pages offer to download, as ``folder/LANGUAGE/NAME.ipynb`` and ``NAME_solved.ipynb``.

    The student's notebook begins with the cell that installs the course in Colab and does nothing where it is
    installed, so that one file serves everywhere.
    """
    made = []
    for language in WORDS:
        (folder / language).mkdir(parents=True, exist_ok=True)
        for lab in labs():
            student = folder / language / lab.name
            solved = student.with_stem(f"{lab.stem}_solved")
            nbformat.write(elsewhere.colab(lab, language), student)
            nbformat.write(edition.edition(notebook(lab, solved=True), lab.stem, language), solved)
            made += [student, solved]
    return made


def _link(address: str, words: str, attributes: str = "") -> str:
    return f'<a href="{escape(address)}"{" " * bool(attributes)}{attributes}>{escape(words)}</a>'


def _lang(language: str) -> str:
    return "zh-Hans" if language == "zh" else language
