"""The two editions of the site as one: the Chinese one below ``zh/``, and on each page a way to the other.

What both editions load (scripts, fonts, models) lies once, in the English edition's ``_static``.
"""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = "zh"
# For each edition: the language of its pages, what the switch to it is called, and its name read aloud.
SWITCH = {
    "en": ("en", "English", "本页的英文版"),
    "zh": ("zh-CN", "中文", "This page in Chinese"),
}
# The theme's arrow beside an entry of the side bar has no name of its own.
ARROW = '<summary><span class="toctree-toggle"'
ARROW_WORDS = {"en": "Show or hide the pages", "zh": "展开或收起"}
_STATIC = re.compile(r"""(?P<before>["'\s=])(?P<up>(?:\.\./)*)_static/(?P<path>[^"'\s?#>]+)""")
_HEADER = re.compile(r'(<div class="article-header-buttons">)')


def join(english: Path, chinese: Path) -> None:
    """Move the built Chinese site into the English one, share ``_static``, put the switch on each page."""
    place = english / FOLDER
    chinese.rename(place)
    own = _share_static(english / "_static", place / "_static")
    for page in place.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        text = _STATIC.sub(
            lambda found: (
                found["before"] + "../" * (found["path"] not in own) + f"{found['up']}_static/{found['path']}"
            ),
            text,
        )
        page.write_text(text, encoding="utf-8")
    for page in sorted(english.rglob("*.html")):
        path = page.relative_to(english)
        if path.parts[0] == "_static" or "_static" in path.parts:
            continue
        in_chinese = path.parts[0] == FOLDER
        other = english / path.relative_to(FOLDER) if in_chinese else place / path
        if other.is_file():
            up = "../" * (len(path.parts) - 1)
            target = other.relative_to(english).as_posix()
            page.write_text(
                with_switch(page.read_text(encoding="utf-8"), up + target, "en" if in_chinese else "zh", up),
                encoding="utf-8",
            )


def with_switch(page: str, address: str, language: str, up: str = "") -> str:
    """A page's HTML with a link to the same page in another language, and names for the side bar's arrows.

    Args:
        address: of that other page.
        language: of that other page.
        up: leads from the page to the site's first folder, where the feed lies.
    """
    code, name, words = SWITCH[language]
    alternate = f'<link rel="alternate" hreflang="{code}" href="{address}">'
    button = (
        f'<a class="btn btn-sm lab-language" href="{address}" hreflang="{code}" aria-label="{words}">'
        f'<span lang="{code}">{name}</span></a>'
    )
    feed = f'<link rel="alternate" type="application/atom+xml" title="AIGC Lab" href="{up}changes.xml">'
    own = "en" if language == "zh" else "zh"
    page = page.replace(ARROW, ARROW.replace("<summary>", f'<summary aria-label="{ARROW_WORDS[own]}">'))
    page = page.replace("</head>", f"{alternate}\n{feed}\n</head>", 1)
    return _HEADER.sub(rf"\1\n{button}", page, count=1)


def _share_static(kept: Path, other: Path) -> set[str]:
    """Remove from the second folder what the first has too, byte by byte; what it keeps."""
    own = set()
    for path in sorted(other.rglob("*")):
        twin = kept / path.relative_to(other)
        if path.is_file() and twin.is_file() and path.read_bytes() == twin.read_bytes():
            path.unlink()
        elif path.is_file():
            own.add(path.relative_to(other).as_posix())
    for folder in sorted((path for path in other.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    return own
