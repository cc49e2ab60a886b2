"""README's two parts that come from the notebooks: the table of labs, and the verdicts that surprise.

``python -m book.readme`` writes them anew after a notebook was run; a test compares them.
"""

from __future__ import annotations

import re
import sys

import nbformat

from aigc_lab import claims
from book import assemble, surprises

README = assemble.NOTEBOOKS.parent / "README.md"


def labs_table() -> str:
    """Each lab with what it is about and the run time that its box names."""
    rows = ["| notebook | what it is about | on two cores |", "|---|---|---|"]
    for lab in assemble.read_yaml("labs.yml"):
        path = assemble.NOTEBOOKS / f"{lab['file']}.ipynb"
        seconds = assemble.machine_time(nbformat.read(path, as_version=4))
        rows.append(f"| [`{path.stem}`](notebooks/{path.name}) | {lab['about']} | {seconds} |")
    return "\n".join(rows) + "\n"


def renewed(text: str) -> str:
    """README's text with both parts as the notebooks have them now.

    Raises:
        ValueError: README has lost the marks around a part.
    """
    parts = {"labs": labs_table(), "surprises": surprises.block(claims.ledger(assemble.notebook_paths()))}
    for name, part in parts.items():
        place = re.compile(rf"(?<=<!-- {name} -->\n\n).*?(?=\n<!-- /{name} -->)", re.DOTALL)
        if not place.search(text):
            raise ValueError(f"README.md has no part between <!-- {name} --> and <!-- /{name} -->.")
        text = place.sub(lambda _, part=part: part, text)
    return text


def main() -> int:
    """Write both parts of README; one sentence where a notebook or a mark is missing."""
    try:
        README.write_text(renewed(README.read_text(encoding="utf-8")), encoding="utf-8")
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
