"""The page of resources by level, from ``resources.yml``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from book.generated import plain

ENTRIES = Path(__file__).resolve().parent / "resources.yml"
WORDS = {
    "title": {"en": "Resources", "zh": "资源"},
    "intro": {
        "en": "Where to go on, by level, with what each adds to this course. The links lead to other sites; "
        "nothing here needs them. The papers behind single methods are the [references](references.md).",
        "zh": "按程度列出可以继续学习的资源，并说明各自补充了什么。链接指向其他网站，本课程并不依赖它们。"
        "各方法的原始论文见[参考文献](references.md)。",
    },
    "beginner": {"en": "For beginners", "zh": "入门"},
    "intermediate": {"en": "With some practice", "zh": "进阶"},
    "advanced": {"en": "Advanced", "zh": "高级"},
    "book": {"en": "book", "zh": "书"},
    "course": {"en": "course", "zh": "课程"},
    "paper": {"en": "paper", "zh": "论文"},
    "tool": {"en": "tool", "zh": "工具"},
}


def resources() -> dict[str, list[dict[str, Any]]]:
    """The entries of ``resources.yml`` by level."""
    return yaml.safe_load(ENTRIES.read_text(encoding="utf-8"))


def page(language: str = "en") -> str:
    """The page as Markdown."""
    words = {name: text[language] for name, text in WORDS.items()}
    lines = [f"# {words['title']}", "", words["intro"], ""]
    for level, entries in resources().items():
        lines += [f"## {words[level]}", ""]
        for entry in entries:
            said = entry[language]
            kind = f"（{words[entry['kind']]}）：" if language == "zh" else f" ({words[entry['kind']]}): "
            lines.append(f"- [{plain(entry['name'])}]({entry['link']}){kind}{said}")
        lines.append("")
    return "\n".join(lines)
