"""Slides of a lab, from the cells of its notebook: `python -m book.slides 05`.

A heading starts a slide. Formulas, figures, tables, printed results and the findings about the claims are
shown, and the prose that leads to them; of the code only cells tagged ``taught``. ``assets/slides.js`` puts
the parts on slides of 1280 x 720 and goes on to a further slide where one is full. One folder holds the pages
and MathJax: it needs no network and no server.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from functools import cache, partial
from html import escape
from pathlib import Path

import nbformat
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from aigc_lab import claims, language
from book import vendor
from tools.edition import edition as in_language
from tools.notebook_text import tags, without_solutions

BOOK = Path(__file__).resolve().parent
NOTEBOOKS = BOOK.parent / "notebooks"
STYLE = "a11y-high-contrast-light"
PROFILE_TAGS = frozenset({"parameters", "check"})
WIDEST_FORMULA = 90  # letters of TeX; a longer one goes on below at each wide space
WIDEST_LINE = 92  # letters of a printed result; a longer one is shown a little smaller
LONGEST_TEXT = 14  # lines of a printed result; a longer one is a log
ARROWS = {"en": ("Previous slide", "Next slide"), "zh": ("上一页", "下一页")}
WORDS = {
    "measured": {"en": "Measured: {}.", "zh": "测量值：{}。"},
    "keys": {"en": "Arrow keys turn the slides.", "zh": "用方向键翻页。"},
}


@cache
def _markdown() -> MarkdownIt:
    return (
        MarkdownIt("commonmark", {"html": True})
        .enable("table")
        .use(dollarmath_plugin, double_inline=True, renderer=_formula)
    )


def _formula(text: str, options: dict) -> str:
    if options["display_mode"] and len(text) > WIDEST_FORMULA and r"\begin" not in text:
        text = r"\begin{gathered}" + text.replace(r"\qquad", r"\\") + r"\end{gathered}"
    opened, closed = (r"\[", r"\]") if options["display_mode"] else (r"\(", r"\)")
    return f"{opened}{escape(text)}{closed}"


# --- what is shown ----------------------------------------------------------------------------


def parts(notebook: nbformat.NotebookNode, edition: str = "en") -> Iterator[str]:
    """The parts of the slides in order, as HTML; a part that begins with ``<h`` starts a slide."""
    cells = _sections(notebook)
    for at, cell in enumerate(cells):
        following = cells[at + 1] if at + 1 < len(cells) else None
        if cell.cell_type == "markdown":
            yield from _prose(cell, following, edition)
            continue
        if PROFILE_TAGS & set(tags(cell)):
            continue
        if "taught" in tags(cell):
            yield _code(without_solutions(cell.source))
        for output in cell.outputs:
            yield from _output(output, cell, edition)


def _sections(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The cells without the section that holds the settings and without what follows the claims."""
    sections: list[list[nbformat.NotebookNode]] = [[]]
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            sections.append([])
        sections[-1].append(cell)
    holds = [{tag for cell in section for tag in tags(cell)} for section in sections]
    last = next((number for number, found in enumerate(holds) if "claims" in found), len(sections))
    return [
        cell
        for section, found in list(zip(sections, holds, strict=True))[: last + 1]
        if "parameters" not in found
        for cell in section
    ]


def _prose(
    cell: nbformat.NotebookNode, following: nbformat.NotebookNode | None, edition: str
) -> Iterator[str]:
    """Of a text: headings, formulas, lists, questions, what follows a heading or leads to what is shown."""
    text = cell.source
    if "box" in tags(cell):  # of the box, only what a learner can do afterwards
        text = re.sub(r"^> ?", "", text, flags=re.MULTILINE).strip().split("\n\n")[0]
    leads = following is None or following.cell_type == "markdown" or _shows(following)
    new = inside = False  # whether the last block was a heading, and whether this one is in <details>
    for block, _ in language.blocks(text):
        if not block.strip() or (edition == "en" and language.is_summary(block)):
            continue
        heading = re.match(r"(#{1,4}) ", block)
        marked = re.match(r"\*\*|[-*] |\d+\. |> |\|", block) or "$$" in block
        inside = inside or block.startswith("<details")
        if heading or marked or new or leads or inside:
            yield _markdown().render(block).strip()
        new, inside = bool(heading), inside and "</details>" not in block


def _shows(cell: nbformat.NotebookNode) -> bool:
    if PROFILE_TAGS & set(tags(cell)):
        return False
    return "taught" in tags(cell) or any(
        ("data" in output and not set(output.data) <= {"text/plain"}) or _short(output)
        for output in cell.outputs
    )


def _short(output: nbformat.NotebookNode) -> bool:
    """Whether this is a printed result that fits a slide; a progress bar is none."""
    text = output.get("text", "")
    return 0 < text.count("\n") <= LONGEST_TEXT and "\r" not in text and output.get("name") == "stdout"


def _output(output: nbformat.NotebookNode, cell: nbformat.NotebookNode, edition: str) -> Iterator[str]:
    data = output.get("data", {})
    picture = next((kind for kind in ("image/png", "image/jpeg") if kind in data), None)
    if claims.MIME_TYPE in data:
        yield _claim(
            claims.Finding(**{k: v for k, v in data[claims.MIME_TYPE].items() if k != "sentence"}), edition
        )
    elif picture:
        words = cell.metadata.get("mystnb", {}).get("image", {}).get("alt") or "A figure of the notebook"
        content = "".join(data[picture].split())
        yield f'<img src="data:{picture};base64,{content}" alt="{escape(words, quote=True)}">'
    elif "text/html" in data:
        # The tables of a run are those of the English edition; what a player is called is translated.
        page = data["text/html"]
        shown = (
            language.html(page, partial(language.translated, language=edition)) if "<audio" in page else page
        )
        yield f'<div class="html">{shown}</div>'
    elif "text/markdown" in data:
        yield _markdown().render(data["text/markdown"])
    elif _short(output) and "claims" not in tags(cell):  # there it only repeats the verdict
        wide = max(map(len, output.text.splitlines())) > WIDEST_LINE
        yield f"<pre{' class=wide' if wide else ''}>{escape(output.text.rstrip())}</pre>"


def _claim(finding: claims.Finding, edition: str) -> str:
    verdict = finding.verdict if edition == "en" else claims.VERDICTS_ZH[finding.verdict]
    if edition == "en":
        verdict = f"{verdict} {finding.condition}".strip()
    claim = claims.claims()[finding.id]
    lines = [
        f"<b>{finding.id}</b> {escape(claim.claim if edition == 'en' else claim.claim_zh)}",
        f"<b>{escape(verdict)}</b>",
        escape(finding.says if edition == "en" else finding.says_zh),
        escape(WORDS["measured"][edition].format(finding.measured)),
    ]
    return f'<div class="claim">{"".join(f"<p>{line}</p>" for line in lines if line)}</div>'


def _code(source: str) -> str:
    return highlight(source.strip(), PythonLexer(), HtmlFormatter(style=STYLE, cssclass="code"))


# --- the page ---------------------------------------------------------------------------------


def deck(notebook: nbformat.NotebookNode, edition: str = "en", mathjax: str = "mathjax") -> str:
    """The slides of a notebook that is in the language ``edition``, as one page.

    Args:
        mathjax: where the page finds the folder of MathJax.
    """
    title = re.match(r"# (.+)", notebook.cells[0].source).group(1).strip()
    assets = BOOK / "assets"
    back, forward = ARROWS[edition]
    style = (assets / "slides.css").read_text(encoding="utf-8")
    style += HtmlFormatter(style=STYLE, cssclass="code").get_style_defs(".code")
    script = (assets / "slides.js").read_text(encoding="utf-8")
    content = "\n".join(parts(notebook, edition))
    return f"""<!doctype html>
<html lang="{"en" if edition == "en" else "zh-Hans"}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} · AIGC Lab</title>
<style>{style}</style>
<script>window.MathJax = {{ startup: {{ typeset: false }}, options: {{ enableMenu: false }} }};</script>
<script src="{mathjax}/tex-chtml.js" defer></script>
<script>{script}</script>
</head>
<body>
<main id="stage" aria-live="polite"></main>
<nav aria-label="{WORDS["keys"][edition]}">
<button type="button" id="back" aria-label="{back}">‹</button>
<span id="count"></span>
<button type="button" id="forward" aria-label="{forward}">›</button>
</nav>
<div id="parts" hidden>
{content}
</div>
</body>
</html>
"""


def write(stem: str, folder: Path, modules: Path, edition: str = "en", notebooks: Path = NOTEBOOKS) -> Path:
    """Write the slides of a lab and MathJax into ``folder``; give the page.

    Args:
        modules: the folder of npm packages that ``vendor.fetch`` gives.
    """
    notebook = in_language(nbformat.read(notebooks / f"{stem}.ipynb", as_version=4), stem, edition)
    folder.mkdir(parents=True, exist_ok=True)
    vendor.install_mathjax(modules, folder)
    page = folder / (f"{stem}.html" if edition == "en" else f"{stem}.{edition}.html")
    page.write_text(deck(notebook, edition), encoding="utf-8")
    return page


def lab(number: str, notebooks: Path = NOTEBOOKS) -> str:
    """The name of the notebook that ``05``, ``05_vae_math`` or a path means.

    Raises:
        BookError: there is none, or more than one.
    """
    found = [path.stem for path in sorted(notebooks.glob(f"{Path(number).stem}*.ipynb"))]
    if len(found) != 1 or not number:
        raise vendor.BookError(f"There is no lab {number!r}; give the number of a notebook, such as 05.")
    return found[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the slides and say where they are; 1 and one sentence where that cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m book.slides", description="Slides of a lab.")
    parser.add_argument("notebook", help="number of the lab, such as 05")
    parser.add_argument("--language", choices=sorted(language.LANGUAGES), default="en")
    parser.add_argument("--output", type=Path, default=BOOK / "_build" / "slides", help="folder to write in")
    parser.add_argument(
        "--cache", type=Path, default=BOOK / "_build" / "cache", help="folder of npm packages"
    )
    options = parser.parse_args(arguments)
    try:
        stem = lab(options.notebook)
        page = write(stem, options.output, vendor.fetch(options.cache), options.language)
    except vendor.BookError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Open {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
