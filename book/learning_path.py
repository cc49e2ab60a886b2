"""The learning path as a picture: which lab comes before which, drawn from the labs' prerequisites.

Labs of one step stand in a band, on a phone one below the other; each names the labs that come directly
before it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from book.pictures import STAGES, svg

COLOURS = [stage[-1] for stage in STAGES]  # white text on each can be read
LINE = "#8A8F98"  # about equally far from black and from white
WORDS = {
    "title": {"en": "Which lab comes before which", "zh": "各实验的先后关系"},
    "step": {"en": "Step {}", "zh": "第 {} 步"},
    "after": {"en": "after {}", "zh": "先学 {}"},
}
Needs = Mapping[str, Sequence[str]]


def steps(needs: Needs) -> list[list[str]]:
    """The labs by the longest way that leads to them, so that each stands after all that it needs.

    Raises:
        ValueError: labs need each other in a circle.
    """
    depth: dict[str, int] = {}
    while len(depth) < len(needs):
        ready = {
            lab: before for lab, before in needs.items() if lab not in depth and set(before) <= set(depth)
        }
        if not ready:
            circle = ", ".join(sorted(set(needs) - set(depth)))
            raise ValueError(f"The labs {circle} need each other in a circle; look at their prerequisites.")
        depth |= {lab: max((depth[one] + 1 for one in before), default=0) for lab, before in ready.items()}
    return [
        [lab for lab in needs if depth[lab] == step] for step in range(max(depth.values(), default=-1) + 1)
    ]


def direct(needs: Needs) -> dict[str, list[str]]:
    """The prerequisites of each lab that no other of its prerequisites has already."""

    def behind(lab: str) -> set[str]:
        return {one for before in needs[lab] for one in (before, *behind(before))}

    return {
        lab: [one for one in sorted(before) if not any(one in behind(other) for other in before)]
        for lab, before in needs.items()
    }


def alt(needs: Needs, names: Mapping[str, str], language: str) -> str:
    """The picture in words."""
    comma, stop = (", ", ". ") if language == "en" else ("、", "。")
    said = [WORDS["title"][language]]
    for step, labs in enumerate(steps(needs), start=1):
        each = [f"{lab} {names[lab]}{_after(direct(needs)[lab], language)}" for lab in labs]
        said.append(f"{WORDS['step'][language].format(step)}: {comma.join(each)}")
    return stop.join(said) + stop.strip()


def _after(before: Sequence[str], language: str) -> str:
    if not before:
        return ""
    return f" ({WORDS['after'][language].format(', '.join(before))})"


def draw(needs: Needs, names: Mapping[str, str], language: str, columns: int) -> str:
    """A band for each step, with ``columns`` labs side by side; each says after which labs it comes."""
    box, high, gap = (372, 74, 12) if columns == 1 else (252, 92, 12)
    width = columns * (box + gap) - gap
    parts, y = [], 0.0
    before = direct(needs)
    for step, labs in enumerate(steps(needs)):
        heading = WORDS["step"][language].format(step + 1)
        arrow = f'<path d="M0 {y + 6:g}h20l-10 14z" fill="{LINE}"/>' if step else ""
        parts.append(f'{arrow}<text x="{30 if step else 0}" y="{y + 21:g}" font-size="20" fill="{LINE}" ')
        parts.append(f'font-weight="600">{heading}</text>')
        y += 32
        for number, lab in enumerate(labs):
            x, top = number % columns * (box + gap), y + number // columns * (high + gap)
            said = list(_lines(names[lab], 32 if columns == 1 else 18))
            if before[lab]:
                said.append(WORDS["after"][language].format(", ".join(before[lab])))
            parts.append(
                f'<rect x="{x:g}" y="{top:g}" width="{box}" height="{high}" rx="10" '
                f'fill="{COLOURS[step % len(COLOURS)]}"/>'
            )
            parts.append(_text(x + 12, top + high / 2 + 8, lab, 24, "700"))
            for line, text in enumerate(said):
                size = 16 if before[lab] and line == len(said) - 1 else 18
                parts.append(
                    _text(x + 52, top + high / 2 + 6 + 20 * (line - (len(said) - 1) / 2), text, size)
                )
        y += -(-len(labs) // columns) * (high + gap) + 8
    return svg(width, y - gap - 8, "".join(parts), alt(needs, names, language))


def _text(x: float, y: float, text: str, size: float, weight: str = "400") -> str:
    look = f'font-size="{size:g}" font-weight="{weight}" fill="#fff"'
    return f'<text x="{x:g}" y="{y:g}" {look}>{escape(text)}</text>'


def _lines(text: str, room: int) -> Iterator[str]:
    """The text in lines of at most ``room`` letters; a Chinese one takes the room of two."""
    line = ""
    for piece in re.findall(r"[!-~]+|\S", text):
        space = " " if line and line[-1].isascii() and piece[0].isascii() else ""
        if line and _room(line + space + piece) > room:
            yield line
            line = piece
        else:
            line += space + piece
    yield line


def _room(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def short(title: str) -> str:
    """The part of a lab's title before its colon."""
    return re.split(r"[:：]|(?<=[?？])", title)[0].strip()


def files(needs: Needs, names: Mapping[str, str], language: str = "en") -> dict[str, str]:
    """File name to SVG text of both drawings in one language."""
    return {
        f"learning-path-wide-{language}.svg": draw(needs, names, language, 4),
        f"learning-path-tall-{language}.svg": draw(needs, names, language, 1),
    }


def block(needs: Needs, names: Mapping[str, str], language: str = "en", static: str = "_static/") -> str:
    """The picture as HTML: the tall one where the page is narrow."""
    address = f"{static}pictures/learning-path-{{}}-{language}.svg"
    return (
        f'<picture>\n<source media="(max-width: 700px)" srcset="{address.format("tall")}">\n'
        f'<img class="dark-light learning-path" src="{address.format("wide")}" '
        f'alt="{escape(alt(needs, names, language))}">\n</picture>'
    )
