"""The book's own drawings, as SVG text: the seven stages, the logo, the icon.

Colours are chosen to be read on a white page and on a dark one alike; colour carries no
meaning that the order and the words do not carry too.
"""

from __future__ import annotations

import random
from html import escape

# Name, Chinese name, what goes on, the same in Chinese, colour (white text on each has contrast > 4.5).
STAGES = (
    ("collect", "收集", "gather items and say where they come from", "收集数据并记录来源", "#4B3F9E"),
    ("clean", "清洗", "find copies, junk and broken items", "找出重复、无关与损坏的数据", "#2F5AA8"),
    ("label", "标注", "find and fix wrong labels", "发现并改正错误标签", "#1C6A93"),
    ("augment", "增强", "make sensible variants of each item", "为样本制作合理的变体", "#0F6F6F"),
    ("train", "训练", "fit a generative model", "训练生成模型", "#24744A"),
    ("evaluate", "评估", "score what it makes against real data", "与真实数据对比打分", "#7A6210"),
    ("deploy", "部署", "export the model and let it create", "导出模型并生成内容", "#A04A1A"),
)

STAGES_ALT = {
    "en": "The seven stages of the pipeline, one after the other: "
    + ", ".join(f"{name} ({chinese}): {what}" for name, chinese, what, _, _ in STAGES)
    + ". Arrows lead from each stage to the next.",
    "zh": "流程的七个阶段，依次为："
    + "；".join(f"{chinese}（{name}），{what}" for name, chinese, _, what, _ in STAGES)
    + "。每个阶段都有箭头指向下一个。",
}

_FONT = "system-ui, 'Segoe UI', 'Noto Sans', 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif"
_ARROW = "#8A8F98"  # about equally far from black and from white

# Small signs in a box of 48 x 48, drawn with white strokes.
_SIGNS = {
    "collect": '<rect x="6" y="16" width="26" height="26" rx="3"/><path d="M14 16V10a3 3 0 0 1 3-3h22'
    'a3 3 0 0 1 3 3v22a3 3 0 0 1-3 3h-7"/><path d="M9 37l7-9 5 6 4-4 5 7"/>',
    "clean": '<path d="M30 6L20 24"/><path d="M13 22l18 10-5 11H9z"/><path d="M17 34l-2 8M24 37l-1 6"/>'
    '<path d="M39 26v8M35 30h8"/>',
    "label": '<path d="M6 8h17l20 20-15 15L6 23z"/><circle cx="15" cy="16" r="3"/>',
    "augment": '<rect x="16" y="16" width="16" height="16" rx="2"/><path d="M24 3v7M24 38v7M3 24h7M38 24h7"/>'
    '<path d="M9 9l4 4M35 35l4 4M39 9l-4 4M13 35l-4 4"/>',
    "train": '<circle cx="9" cy="13" r="4"/><circle cx="9" cy="35" r="4"/><circle cx="24" cy="24" r="4"/>'
    '<circle cx="39" cy="13" r="4"/><circle cx="39" cy="35" r="4"/>'
    '<path d="M12 16l9 6M12 32l9-6M27 22l9-6M27 26l9 6"/>',
    "evaluate": '<path d="M6 6v36h36"/><path d="M14 36V26M23 36V16M32 36V22"/>'
    '<path d="M28 10l4-4 4 4M32 6v7"/>',
    "deploy": '<path d="M24 30V6M15 15l9-9 9 9"/><path d="M7 27v12a3 3 0 0 0 3 3h28a3 3 0 0 0 3-3V27"/>',
}


def _words(x: float, y: float, text: str, size: float, weight: str = "400", anchor: str = "middle") -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="#fff">{escape(text)}</text>'
    )


def _lines(text: str, letters: int) -> list[str]:
    """Words of ``text`` in lines of at most ``letters`` letters."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > letters:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _sign(name: str, x: float, y: float, size: float) -> str:
    return (
        f'<g transform="translate({x:g} {y:g}) scale({size / 48:g})" fill="none" stroke="#fff" '
        f'stroke-width="3" stroke-linecap="round" stroke-linejoin="round">{_SIGNS[name]}</g>'
    )


def svg(width: float, height: float, body: str, title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" font-family="{_FONT}"><title>{escape(title)}</title>{body}</svg>\n'
    )


def _stages(language: str) -> list[tuple[str, str, str, str, str]]:
    """Sign, name, name in the other language, what goes on, colour."""
    if language == "zh":
        return [(name, chinese, name, what, colour) for name, chinese, _, what, colour in STAGES]
    return [(name, name, chinese, what, colour) for name, chinese, what, _, colour in STAGES]


def stages_wide(language: str = "en") -> str:
    """The pipeline in two rows, four stages and three: for a wide page or a projector."""
    box, height, gap, row_gap = 232, 196, 40, 44
    parts = []
    for number, (sign, name, other, what, colour) in enumerate(_stages(language)):
        row, column = divmod(number, 4)
        x = column * (box + gap) + (row * (box + gap) / 2)
        y = row * (height + row_gap)
        middle = x + box / 2
        parts.append(f'<rect x="{x:g}" y="{y:g}" width="{box}" height="{height}" rx="16" fill="{colour}"/>')
        parts.append(_sign(sign, x + 20, y + 18, 46))
        parts.append(_words(x + box - 20, y + 50, str(number + 1), 34, "700", "end"))
        parts.append(_words(middle, y + 108, name, 28, "700"))
        parts.append(_words(middle, y + 134, other, 19, "600"))
        for line, text in enumerate(_lines(what, 25)):
            parts.append(_words(middle, y + 159 + 20 * line, text, 16))
        if column < 3 and number < 6:
            tip = x + box + gap - 6
            parts.append(_arrow(x + box + 6, y + height / 2, tip, y + height / 2))
    # From the end of the first row back to the start of the second.
    right, left = 3 * (box + gap) + box / 2, (box + gap) / 2 + box / 2
    turn = height + row_gap / 2
    path = f"M{right:g} {height + 4:g}V{turn:g}H{left:g}V{height + row_gap - 12:g}"
    parts.append(f'<path d="{path}" fill="none" stroke="{_ARROW}" stroke-width="5" stroke-linejoin="round"/>')
    down = height + row_gap - 4
    parts.append(f'<path d="M{left - 10:g} {down - 12:g}h20l-10 12z" fill="{_ARROW}"/>')
    return svg(4 * box + 3 * gap, 2 * height + row_gap, "".join(parts), STAGES_ALT[language])


def stages_tall(language: str = "en") -> str:
    """The pipeline from top to bottom: for a phone."""
    width, height, gap = 380, 92, 26
    parts = []
    for number, (sign, name, other, what, colour) in enumerate(_stages(language)):
        y = number * (height + gap)
        parts.append(f'<rect x="0" y="{y}" width="{width}" height="{height}" rx="14" fill="{colour}"/>')
        parts.append(_sign(sign, 18, y + 22, 48))
        parts.append(_words(86, y + 35, f"{number + 1}  {name}", 23, "700", "start"))
        parts.append(_words(width - 18, y + 35, other, 20, "600", "end"))
        for line, text in enumerate(_lines(what, 34)):
            parts.append(_words(86, y + 60 + 20 * line, text, 16, "400", "start"))
        if number < 6:
            parts.append(_arrow(width / 2, y + height + 3, width / 2, y + height + gap - 3))
    return svg(width, 7 * height + 6 * gap, "".join(parts), STAGES_ALT[language])


def _arrow(x: float, y: float, to_x: float, to_y: float) -> str:
    if y == to_y:
        line, head = f"M{x:g} {y:g}H{to_x - 10:g}", f"M{to_x - 12:g} {y - 10:g}v20l12 -10z"
    else:
        line, head = f"M{x:g} {y:g}V{to_y - 10:g}", f"M{x - 10:g} {to_y - 12:g}h20l-10 12z"
    return f'<path d="{line}" stroke="{_ARROW}" stroke-width="5"/><path d="{head}" fill="{_ARROW}"/>'


# A cat's head in pixels: # is the head, o the eyes, n the nose.
_CAT = """
.#..........#.
.##........##.
.###......###.
.############.
.############.
##############
###oo####oo###
###oo####oo###
##############
######nn######
.############.
.############.
..##########..
....######....
"""


def logo(noisy: bool = True) -> str:
    """A cat in pixels, noise on the left and clean on the right: what the package is about."""
    dice = random.Random(7)
    parts = []
    for row, line in enumerate(_CAT.split()):
        for column, mark in enumerate(line):
            colour = {"#": "#1F77B4", "o": "#FFE08A", "n": "#F4A6B8"}.get(mark)
            share = max(0.0, 0.62 - 0.115 * column) if noisy else 0.0
            if dice.random() < share:
                colour = dice.choice(["#D55E00", "#E69F00", "#8A8F98", "#56B4E9", None])
            if colour:
                parts.append(f'<rect x="{column}" y="{row + 1}" width="0.94" height="0.94" fill="{colour}"/>')
    title = "A cat drawn in pixels" + (", noisy on the left and clean on the right" if noisy else "")
    body = f'<g transform="scale(8)">{"".join(parts)}</g>'
    return svg(112, 128, body, title)


def files(language: str = "en") -> dict[str, str]:
    """File name to SVG text of every drawing."""
    return {
        "stages-wide.svg": stages_wide(language),
        "stages-tall.svg": stages_tall(language),
        "logo.svg": logo(),
        "favicon.svg": logo(noisy=False),
    }
