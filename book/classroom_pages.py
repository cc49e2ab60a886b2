"""The pages for teachers: one for each lab from ``book/teaching/``, and the courses of ``book/courses.yml``.

What stands in the YAML files is checked against the notebook and against ``book/labs.yml``; solutions are
taken from the notebook's own solution blocks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
import yaml

from book import learning_path
from book.vendor import BookError
from tools.notebook_text import solution_blocks

BOOK = Path(__file__).resolve().parent
TEACHING = BOOK / "teaching"
TOPICS = {
    "python": {"en": "Python", "zh": "Python"},
    "arrays": {"en": "arrays", "zh": "数组"},
    "probability": {"en": "probability", "zh": "概率"},
    "calculus": {"en": "calculus", "zh": "微积分"},
    "linear_algebra": {"en": "linear algebra", "zh": "线性代数"},
    "statistics": {"en": "statistics", "zh": "统计"},
    "training": {"en": "training a network", "zh": "训练网络"},
}
CUTS = ("45", "90")
COLON = {"en": ": ", "zh": "："}
WORDS = {
    "title": {"en": "For teachers", "zh": "教师页"},
    "open": {"en": "Open the lab", "zh": "打开实验"},
    "lesson": {"en": "{} minutes as planned", "zh": "计划用时 {} 分钟"},
    "aims": {"en": "What learners can do afterwards", "zh": "学完之后能做什么"},
    "before": {"en": "What they need first", "zh": "需要哪些基础"},
    "topics": {"en": "Topics", "zh": "知识"},
    "labs": {"en": "Labs", "zh": "实验"},
    "none": {"en": "none", "zh": "无"},
    "minutes": {"en": "Minutes for each part", "zh": "各部分的时间"},
    "part": {"en": "part", "zh": "部分"},
    "time": {"en": "minutes", "zh": "分钟"},
    "does": {"en": "what the class does", "zh": "课堂活动"},
    "all": {"en": "together", "zh": "合计"},
    "questions": {"en": "Questions before the tables and figures", "zh": "看图表之前先提问"},
    "usual": {"en": "Usually answered", "zh": "常见回答"},
    "stumbles": {"en": "Where learners stumble", "zh": "容易卡住的地方"},
    "expected": {
        "en": "What is usually answered, and where learners stumble, is what we expect from the mathematics "
        "and from common mistakes. It is not the result of a study in classrooms.",
        "zh": "“常见回答”和“容易卡住的地方”是我们根据数学内容和常见错误作出的预期，并非课堂研究的结果。",
    },
    "cut": {"en": "In less time", "zh": "时间不够时"},
    "in": {"en": "In {} minutes", "zh": "{} 分钟"},
    "keep": {"en": "Keep", "zh": "保留"},
    "solutions": {"en": "Solutions", "zh": "参考答案"},
    "exercise": {"en": "Exercise {}", "zh": "练习 {}"},
    "grading": {"en": "How to grade", "zh": "如何评分"},
    "points": {"en": "points", "zh": "分值"},
    "worth": {"en": "what an answer is worth", "zh": "评分标准"},
    "lab": {"en": "lab", "zh": "实验"},
    "page": {"en": "teacher's page", "zh": "教师页"},
    "open_lab": {"en": "lab and teacher's page", "zh": "实验与教师页"},
    "course": {"en": "{} hours", "zh": "{} 学时"},
    "whole": {"en": "whole lab", "zh": "完整实验"},
    "short": {"en": "short form", "zh": "精简版"},
    "form": {"en": "form", "zh": "形式"},
}


def words(name: str, language: str, *values: object) -> str:
    """One of the fixed words of these pages, with values filled in."""
    return WORDS[name][language].format(*values)


# --- reading and checking ---------------------------------------------------------------------


def lesson(path: Path, notebook: nbformat.NotebookNode, lesson_minutes: int) -> dict[str, Any]:
    """What one file of ``book/teaching/`` says, checked against its notebook.

    Raises:
        BookError: the file is missing, lacks a field or a language, names a section or an exercise that the
            notebook does not have, or its minutes are not the lesson's; one sentence each.
    """
    if not path.is_file():
        raise BookError(f"The teacher's page of {path.stem} has no file: write book/teaching/{path.name}.")
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    fault = next(_faults(told, notebook, lesson_minutes), None)
    if fault:
        raise BookError(f"book/teaching/{path.name}: {fault}.")
    return told


def _faults(told: Any, notebook: nbformat.NotebookNode, lesson_minutes: int) -> Iterator[str]:
    fields = ("aims", "prerequisites", "minutes", "stumbles", "questions", "cut", "grading")
    missing = [name for name in fields if not (told or {}).get(name)]
    if missing:
        yield f"the field {missing[0]} is missing or empty; write it"
        return
    heads = headings(notebook)
    for name, texts in {
        "aims": ("en", "zh"),
        "minutes": ("section", "minutes", "en", "zh"),
        "stumbles": ("en", "zh"),
        "questions": ("section", "en", "zh", "usual_en", "usual_zh"),
        "grading": ("exercise", "points", "en", "zh"),
    }.items():
        for number, entry in enumerate(told[name], start=1):
            lacking = [text for text in texts if not entry.get(text)]
            if lacking:
                yield f"entry {number} of {name} has no {lacking[0]}; write it"
            elif "section" in texts and entry["section"] not in heads:
                yield f"{name} names the section {entry['section']!r}, which is no heading of the notebook"
    needed = told["prerequisites"]
    for topic in needed.get("topics") or []:
        if topic not in TOPICS:
            yield f"the topic {topic!r} is unknown; it is one of {', '.join(TOPICS)}"
    if not isinstance(needed.get("labs"), list):
        yield "prerequisites has no list of labs; write labs: [] where none comes before"
    for length in CUTS:
        cut = told["cut"].get(length) or {}
        lacking = [name for name in ("sections", "en", "zh") if not cut.get(name)]
        if lacking:
            yield f'cut "{length}" has no {lacking[0]}; write it'
            continue
        for section in cut["sections"]:
            if section not in heads:
                yield f'cut "{length}" names the section {section!r}, which is no heading of the notebook'
    total = sum(part["minutes"] for part in told["minutes"])
    if total != lesson_minutes:
        yield f"its minutes sum to {total}, but book/labs.yml plans {lesson_minutes}; make them agree"
    graded, solved = [entry["exercise"] for entry in told["grading"]], sorted(solutions(notebook))
    if sorted(graded) != solved:
        yield f"grading has the exercises {graded}, but the notebook has {solved}; write one entry for each"


def headings(notebook: nbformat.NotebookNode) -> list[str]:
    """The ``##`` headings of a notebook, in order."""
    texts = (cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return [head.strip() for text in texts for head in re.findall(r"^## (.+)$", text, re.MULTILINE)]


def solutions(notebook: nbformat.NotebookNode) -> dict[int, str]:
    """The code of each exercise's solution, by the number that its check names; markers are left out."""
    found, waiting = {}, []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        if blocks := solution_blocks(cell.source):
            markers = {line for block in blocks for line in block}
            lines = enumerate(cell.source.splitlines())
            waiting.append("\n".join(line for number, line in lines if number not in markers))
        elif "check" in cell.metadata.get("tags", []) and waiting:
            number = re.search(r"exercises\.check\(\s*(\d+)", cell.source)
            if number:
                found[int(number.group(1))] = "\n\n".join(waiting)
                waiting = []
    return found


# --- one lab ----------------------------------------------------------------------------------


def page(
    stem: str,
    notebook: nbformat.NotebookNode,
    labs: Sequence[Mapping[str, Any]],
    language: str = "en",
    heading: Callable[[str], str] = str,
    folder: Path = TEACHING,
) -> str:
    """The teacher's page of one lab, as Markdown that lies in ``teaching/``.

    Args:
        stem: the notebook's name, such as ``05_vae_math``.
        labs: the entries of ``book/labs.yml``.
        heading: what stands for a heading of the notebook in this language.

    Raises:
        BookError: as ``lesson``.
    """
    entry = next(lab for lab in labs if lab["file"] == stem)
    told = lesson(folder / f"{stem}.yml", notebook, entry["lesson_minutes"])
    names = {lab["file"][:2]: lab["file"] for lab in labs}
    title = heading(re.match(r"# (.+)", notebook.cells[0].source).group(1))
    lines = [
        f"# {stem[:2]} · {words('title', language)}",
        "",
        f"**{title}** · [{words('open', language)}](../notebooks/{stem}.ipynb) · "
        + words("lesson", language, entry["lesson_minutes"]),
        "",
        f"## {words('aims', language)}",
        "",
        *(f"- {aim[language]}" for aim in told["aims"]),
        "",
        f"## {words('before', language)}",
        "",
        *_before(told["prerequisites"], names, language),
        "",
        f"## {words('minutes', language)}",
        "",
        f"| {words('part', language)} | {words('time', language)} | {words('does', language)} |",
        "|---|---|---|",
    ]
    for part in told["minutes"]:
        lines.append(f"| {_cell(heading(part['section']))} | {part['minutes']} | {_cell(part[language])} |")
    lines += [f"| {words('all', language)} | {entry['lesson_minutes']} | |", ""]
    lines += [f"## {words('questions', language)}", "", f"*{words('expected', language)}*", ""]
    for number, question in enumerate(told["questions"], start=1):
        lines += [
            f"{number}. ({heading(question['section'])}) **{question[language].strip()}**",
            "",
            f"   {words('usual', language)}{COLON[language]}"
            + " ".join(question[f"usual_{language}"].split()),
            "",
        ]
    lines += [f"## {words('stumbles', language)}", ""]
    lines += [f"- {' '.join(each[language].split())}" for each in told["stumbles"]]
    lines += ["", f"## {words('cut', language)}", ""]
    for length in CUTS:
        cut = told["cut"][length]
        kept = "; ".join(heading(section) for section in cut["sections"])
        lines += [f"**{words('in', language, length)}.** {' '.join(cut[language].split())}", ""]
        lines += [f"{words('keep', language)}{COLON[language]}{kept}", ""]
    lines += [f"## {words('solutions', language)}", ""]
    for number, code in sorted(solutions(notebook).items()):
        lines += [
            f":::{{dropdown}} {words('exercise', language, number)}",
            "```python",
            code,
            "```",
            ":::",
            "",
        ]
    lines += [
        f"## {words('grading', language)}",
        "",
        f"| {words('exercise', language, '').strip()} | {words('points', language)} | "
        f"{words('worth', language)} |",
        "|---|---|---|",
        *(f"| {one['exercise']} | {one['points']} | {_cell(one[language])} |" for one in told["grading"]),
        f"| {words('all', language)} | {sum(one['points'] for one in told['grading'])} | |",
    ]
    return "\n".join(lines) + "\n"


def _before(needed: Mapping[str, Any], names: Mapping[str, str], language: str) -> list[str]:
    topics = [
        f'<a href="../prerequisites.html#{topic}">{TOPICS[topic][language]}</a>'
        for topic in needed.get("topics") or []
    ]
    labs = [f"[{number}](../notebooks/{names[number]}.ipynb)" for number in needed["labs"]]
    comma = ", " if language == "en" else "、"
    return [
        f"- {words('topics', language)}{COLON[language]}{comma.join(topics) or words('none', language)}",
        f"- {words('labs', language)}{COLON[language]}{comma.join(labs) or words('none', language)}",
    ]


def _cell(text: str) -> str:
    """Text in one cell of a table; a bar in a formula would end the cell."""
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(str(text).split()))


# --- the overview -----------------------------------------------------------------------------


def parts(
    labs: Sequence[Mapping[str, Any]],
    titles: Mapping[str, str],
    language: str = "en",
    folder: Path = TEACHING,
) -> dict[str, str]:
    """What stands for each mark of ``pages/teaching.md``: the learning path, the lab pages, the courses.

    Args:
        titles: the title of each lab by the notebook's name, in this language.

    Raises:
        BookError: a file of ``book/teaching/`` is missing, or a course is wrong.
    """
    needs = prerequisites(labs, folder)
    names = {lab["file"][:2]: learning_path.short(titles[lab["file"]]) for lab in labs}
    return {
        "%LEARNING_PATH%": learning_path.block(needs, names, language),
        "%LESSONS%": _lessons(labs, titles, needs, language),
        "%COURSES%": "\n".join(_course(course, labs, titles, language) for course in courses(labs, needs)),
    }


def prerequisites(labs: Sequence[Mapping[str, Any]], folder: Path = TEACHING) -> dict[str, list[str]]:
    """The labs that come before each lab, by number.

    Raises:
        BookError: a file is missing, or names a lab that does not exist or comes later.
    """
    needs = {}
    for lab in labs:
        path = folder / f"{lab['file']}.yml"
        if not path.is_file():
            raise BookError(
                f"The teacher's page of {path.stem} has no file: write book/teaching/{path.name}."
            )
        needs[lab["file"][:2]] = yaml.safe_load(path.read_text(encoding="utf-8"))["prerequisites"]["labs"]
    for number, before in needs.items():
        for one in before:
            if one not in needs or one == number:
                raise BookError(f"Lab {number} names lab {one} as a prerequisite, and there is no such lab.")
    return needs


def courses(labs: Sequence[Mapping[str, Any]], needs: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """The courses of ``book/courses.yml``, shortest first.

    Raises:
        BookError: a course does not fill its hours, gives a lab a time for which there is no plan, or has a
            lab without those that come before it; one sentence.
    """
    planned = {lab["file"][:2]: lab["lesson_minutes"] for lab in labs}
    found = yaml.safe_load((BOOK / "courses.yml").read_text(encoding="utf-8"))
    for course in found:
        done: set[str] = set()
        for step in course["labs"]:
            lab, minutes = step["lab"], step["minutes"]
            if lab not in planned:
                raise BookError(f"The course of {course['hours']} hours has lab {lab}, which does not exist.")
            if minutes not in {planned[lab], *map(int, CUTS)}:
                raise BookError(
                    f"Lab {lab} has no plan for {minutes} minutes; take 45, 90 or {planned[lab]}."
                )
            missing = [one for one in needs[lab] if one not in done]
            if missing:
                raise BookError(
                    f"The course of {course['hours']} hours has lab {lab} before lab {missing[0]}."
                )
            done.add(lab)
        total = sum(step["minutes"] for step in course["labs"])
        if total != 60 * course["hours"]:
            raise BookError(
                f"The course of {course['hours']} hours sums to {total} minutes; make them agree."
            )
    return found


def _course(
    course: Mapping[str, Any], labs: Sequence[Mapping[str, Any]], titles: Mapping[str, str], language: str
) -> str:
    names = {lab["file"][:2]: lab for lab in labs}
    lines = [
        f"### {words('course', language, course['hours'])}",
        "",
        " ".join(course[language].split()),
        "",
        f"| {words('lab', language)} | {words('time', language)} | {words('form', language)} |",
        "|---|---|---|",
    ]
    for step in course["labs"]:
        lab = names[step["lab"]]
        form = "whole" if step["minutes"] == lab["lesson_minutes"] else "short"
        link = f"[{step['lab']} · {_cell(titles[lab['file']])}](teaching/{lab['file']}.md)"
        lines.append(f"| {link} | {step['minutes']} | {words(form, language)} |")
    lines += [f"| {words('all', language)} | {60 * course['hours']} | |", ""]
    return "\n".join(lines)


def _lessons(
    labs: Sequence[Mapping[str, Any]],
    titles: Mapping[str, str],
    needs: Mapping[str, Sequence[str]],
    language: str,
) -> str:
    lines = [
        f"| {words('open_lab', language)} | {words('time', language)} | {words('before', language)} |",
        "|---|---|---|",
    ]
    for lab in labs:
        number = lab["file"][:2]
        links = f"[{number} · {_cell(titles[lab['file']])}](notebooks/{lab['file']}.ipynb)<br>"
        links += f"[{words('page', language)}](teaching/{lab['file']}.md)"
        before = ", ".join(needs[number]) or words("none", language)
        lines.append(f"| {links} | {lab['lesson_minutes']} | {before} |")
    return "\n".join(lines)
