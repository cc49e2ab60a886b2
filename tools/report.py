"""An executed notebook as one HTML file that asks no other machine for anything.

nbconvert's own page loads MathJax, RequireJS and the widget manager from content networks, which many
classrooms cannot reach. Here formulas become MathML, which browsers draw by themselves, and a widget
becomes a line that says where it is alive (its static picture stands in the cell before).
"""

from __future__ import annotations

import copy
import html
import re
from pathlib import Path
from typing import Any

import nbformat
from jinja2 import pass_context
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from tools.notebook_text import WIDGET_MIME

WIDGET_NOTE = "(A widget: open the notebook in JupyterLab to move it.)"


class _Renderer(IPythonRenderer):
    """Markdown to HTML with formulas as MathML."""

    def block_math(self, body: str) -> str:
        return _mathml(body, "block") or super().block_math(body)

    def inline_math(self, body: str) -> str:
        return _mathml(body, "inline") or super().inline_math(body)


def _mathml(body: str, display: str) -> str | None:
    """MathML, or None where the converter does not know a command: then the LaTeX is shown as it is."""
    try:
        return convert(body.strip(), display=display)
    except Exception:  # the converter raises many kinds; a formula must never cost the report
        return None


class ReportExporter(HTMLExporter):
    """nbconvert's page, without anything that it would fetch."""

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        attachments = context.get("cell", {}).get("attachments", {})
        path = context.get("resources", {}).get("metadata", {}).get("path", "")
        renderer = _Renderer(escape=False, attachments=attachments, embed_images=True, path=path)
        return MarkdownWithMath(renderer=renderer).render(source)


def for_readers(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A copy in which each widget is a line of text and each picture has its cell's alt text."""
    notebook = copy.deepcopy(notebook)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        alt = html.escape(cell.metadata.get("mystnb", {}).get("image", {}).get("alt", ""))
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if WIDGET_MIME in data:
                output["data"] = {"text/plain": WIDGET_NOTE}
            elif alt and (kind := next((each for each in ("image/png", "image/jpeg") if each in data), None)):
                # nbconvert has no place for alt text but an element of our own.
                content = "".join(data[kind].split())
                output["data"] = {"text/html": f'<img alt="{alt}" src="data:{kind};base64,{content}">'}
    return notebook


def write_report(notebook: Path, report: Path, title: str) -> None:
    """Write the HTML report of an executed notebook.

    Raises:
        RuntimeError: the page would load something from elsewhere (a new nbconvert changed its page).
    """
    node = for_readers(nbformat.read(notebook, as_version=4))
    node.metadata["title"] = title
    page, _ = ReportExporter().from_notebook_node(node, {"metadata": {"path": str(notebook.parent)}})
    page = re.sub(r'<script src="https?://[^"]*"[^>]*>\s*</script>', "", page)
    page = re.sub(r"<!-- Load mathjax -->.*?<!-- End of mathjax configuration -->", "", page, flags=re.DOTALL)
    page = re.sub(r'<script type="module">.*?</script>', "", page, flags=re.DOTALL)  # mermaid
    foreign = fetched(page)
    if foreign:
        raise RuntimeError(f"the report would load {foreign[0]}; teach tools/report.py to leave it out")
    report.write_text(page, encoding="utf-8")


def fetched(page: str) -> list[str]:
    """Addresses that a browser would ask for while it shows the page (links to click are none)."""
    patterns = (
        r'<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc="(https?://[^"]+)"',
        r'<link\b[^>]*\bhref="(https?://[^"]+)"',
        r'\b(?:import|url)\(\s*["\']?(https?://[^"\')]+)',
    )
    return [address for pattern in patterns for address in re.findall(pattern, page)]
