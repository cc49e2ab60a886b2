"""Links where a page names a notebook ("notebook 06", "labs 01 to 04") or a claim of the article ("C07").

Done on the parsed pages, so that code, formulas, titles and what is a link already stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

from aigc_lab import claims

# "notebook 06", "notebooks 02, 03 and 04", "labs 01 to 04", "笔记本 06"; each number is a link of its own.
_NAMED = re.compile(
    r"(?:\b(?:notebook|lab)s?|笔记本|实验)\s?\d\d(?!\d)"
    r"(?:(?:,|、|,? and| to|和|与|到|[–-])\s?\d\d(?![\d.]))*",
    re.IGNORECASE,
)
_CLAIM = re.compile(r"\bC\d\d\b")
_ONE = re.compile(r"(?:\b(?:notebook|lab) |笔记本 ?|实验 ?)?\d\d", re.IGNORECASE)
_CLOSED = (nodes.literal, nodes.literal_block, nodes.math, nodes.math_block, nodes.reference, nodes.title,
           nodes.raw, nodes.comment, addnodes.pending_xref, nodes.term)  # fmt: skip


def mentions(text: str) -> Iterator[tuple[int, int, str]]:
    """Where a text names a notebook (``06``) or a claim (``C07``): start, end, and which."""
    found = [(match.start(), match.end(), match.group()) for match in _CLAIM.finditer(text)]
    for match in _NAMED.finditer(text):
        for one in _ONE.finditer(match.group()):
            found.append((match.start() + one.start(), match.start() + one.end(), one.group()[-2:]))
    yield from sorted(found)


def link_text(text: str, labs: Mapping[str, str], page: str) -> list[nodes.Node]:
    """The nodes of a text, with references to the pages of ``labs`` (number to page) and to the claims.

    What leads to no page, or to the page itself, stays text; one node means that nothing was linked.
    """
    parts: list[nodes.Node] = []
    done = 0
    for start, end, which in mentions(text):
        if which in labs and labs[which] != page:
            target = {"reftype": "doc", "reftarget": f"/{labs[which]}"}
        elif which in claims.claims() and page != "claims":
            target = {"reftype": "ref", "reftarget": f"claim-{which.lower()}"}
        else:
            continue
        link = addnodes.pending_xref("", nodes.inline("", text[start:end]), refdomain="std", **target)
        link.update_all_atts({"refexplicit": True, "refwarn": True, "refdoc": page})
        parts += [nodes.Text(text[done:start]), link]
        done = end
    return [*parts, nodes.Text(text[done:])]


def link_page(app: Sphinx, doctree: nodes.document) -> None:
    """Put the links into one page."""
    page = app.env.docname
    labs = {name.split("/")[-1][:2]: name for name in app.env.found_docs if name.startswith("notebooks/")}
    for node in list(doctree.findall(nodes.Text)):
        if any(isinstance(above, _CLOSED) for above in _above(node)):
            continue
        parts = link_text(str(node), labs, page)
        if len(parts) > 1:
            node.parent.replace(node, parts)


def _above(node: nodes.Node) -> Iterator[nodes.Node]:
    while node.parent is not None:
        node = node.parent
        yield node


def setup(app: Sphinx) -> dict[str, bool]:
    """Work on each page when it was read."""
    app.connect("doctree-read", link_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
