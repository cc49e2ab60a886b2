"""Mark every submission below a folder: ``marks.csv``, and a page of feedback for each learner and lab.

Only the cells with answers are taken from a submission; the rest of the notebook and all tests are ours, so
that what a learner changed in them changes nothing. A submission that cannot be marked gets a sentence in the
table, and the others are still marked.
"""

from __future__ import annotations

import ast
import csv
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import nbformat

from classroom.lab import Lab, functions, lab, stems
from classroom.run import Limits, Run, Verdict, run, statement_names
from classroom.sandbox import landlock_version
from tools.notebook_text import tags, without_magics

LARGEST = 50 * 2**20  # bytes of a submission
# What an answer to these exercises has no use for, and what the tests can be tricked with (see inside.py).
SUSPICIOUS_MODULES = {
    "builtins",
    "ctypes",
    "gc",
    "importlib",
    "inspect",
    "io",
    "multiprocessing",
    "os",
    "pathlib",
}
SUSPICIOUS_MODULES |= {"pickle", "shutil", "signal", "socket", "subprocess", "sys", "threading", "types"}
SUSPICIOUS_NAMES = {"__import__", "compile", "eval", "exec", "globals", "locals", "open", "setattr", "vars"}


@dataclass(frozen=True)
class Submission:
    """A notebook that was handed in: whose, for which lab, and its answers by number of exercise."""

    path: Path
    learner: str
    stem: str
    answers: dict[int, str]
    remarks: list[str] = field(default_factory=list)


@dataclass
class Mark:
    """A row of the table; without a run it says why there is none."""

    learner: str
    stem: str
    remarks: list[str]
    lab: Lab | None = None
    run: Run | None = None

    def verdict(self, number: int) -> Verdict:
        """On the only answer to this exercise."""
        return self.run.verdicts[number][0]

    @property
    def total(self) -> float:
        """All points of this submission."""
        return sum(sum(self.verdict(each.number).points(each)) for each in self.lab.exercises)

    @property
    def most(self) -> float:
        """All points that there are."""
        return sum(each.points for each in self.lab.exercises)


def grade(
    folder: Path,
    output: Path,
    limits: Limits | None = None,
    sandbox: bool = True,
    say: Callable[[str], None] = print,
) -> list[Mark]:
    """Mark the submissions below a folder and write the results to another.

    Raises:
        ValueError: there is no such folder, or no notebook in it.
        OSError: this machine cannot shut a process in; the sentence says what to do.
    """
    if sandbox and not landlock_version():
        raise OSError(
            "This machine cannot keep submissions away from your files (no Landlock); mark on Linux 5.13 or"
            " later, or say --without-sandbox if you trust every submission."
        )
    paths = [each for each in sorted(folder.rglob("*.ipynb")) if ".ipynb_checkpoints" not in each.parts]
    if not paths:
        raise ValueError(f"There is no notebook below {folder}; give the folder with the submissions.")
    read = [_read(path, folder) for path in paths]
    count = Counter((each.learner, each.stem) for each in read if isinstance(each, Submission))
    marks = []
    for each in read:
        if isinstance(each, Submission) and count[each.learner, each.stem] > 1:
            where = f"{each.path.relative_to(folder)}: {each.learner} handed in {each.stem} more than once"
            each = Mark(each.learner, each.stem, [f"{where}; keep one."])
        mark = each if isinstance(each, Mark) else _marked(each, limits, sandbox)
        marks.append(mark)
        result = f"{mark.total:g} of {mark.most:g}" if mark.run else "not marked"
        say(": ".join([f"{mark.learner or '?'}, {mark.stem or '?'}", result, *mark.remarks]))
    output.mkdir(parents=True, exist_ok=True)
    write_table(marks, output / "marks.csv")
    for mark in marks:
        if mark.run:
            name = re.sub(r"[^\w.-]+", "_", f"{mark.learner}_{mark.stem}")
            (output / f"{name}.html").write_text(feedback(mark), encoding="utf-8")
    return marks


def _marked(submission: Submission, limits: Limits | None, sandbox: bool) -> Mark:
    mark = Mark(submission.learner, submission.stem, list(submission.remarks))
    try:
        mark.lab = lab(submission.stem)
    except ValueError as error:
        mark.remarks.append(str(error))
        return mark
    mark.run = run(mark.lab, {n: [source] for n, source in submission.answers.items()}, limits, sandbox)
    mark.remarks += mark.run.remarks
    for number, source in submission.answers.items():
        mark.remarks += [f"exercise {number}: {words}" for words in mark.verdict(number).remarks]
        unusual = suspicious(source)
        if unusual:
            mark.remarks.append(f"exercise {number}: read this answer yourself, it uses {', '.join(unusual)}")
    if not sandbox:
        mark.remarks.append("marked without a sandbox")
    return mark


def _read(path: Path, folder: Path) -> Submission | Mark:
    """A submission, or why it is none."""
    name = path.relative_to(folder)
    learner = name.parts[0] if len(name.parts) > 1 else ""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST:
        return Mark(learner, "", [f"{name} is a link, a folder or larger than {LARGEST >> 20} MB."])
    try:
        node = nbformat.read(path, as_version=4)
        cells = [(cell.get("id"), cell.source) for cell in node.cells if _is_code(cell)]
    except Exception:  # nbformat raises a dozen kinds of errors for what is no notebook
        return Mark(learner, "", [f"{name} is not a Jupyter notebook."])
    defined = [(identity, source, _names(source)) for identity, source in cells]
    stem = next((each for each in stems() if each in path.stem), None) or _lab_of(defined)
    if stem is None:
        return Mark(learner, "", [f"{name} belongs to no lab of this course."])
    learner = learner if learner != stem else ""
    learner = learner or path.stem.replace(stem, "").strip(" _-.")
    if not learner:
        return Mark(
            "", stem, [f"{name} does not say whose it is: call it NAME_{name} or put it into a folder NAME."]
        )
    answers, remarks = {}, []
    for number, (identity, function) in functions(stem).items():
        mine = [source for each, source, _ in defined if each == identity]
        named = [source for _, source, names in defined if function in names]
        here = next((source for source in mine if source in named), None)
        if here is None and named:
            here = named[-1]
            remarks.append(f"exercise {number}: found by the name {function}, its cell has lost its id")
        answers[number] = here if here is not None else (mine or [""])[0]
    if not any(source.strip() for source in answers.values()):
        return Mark(learner, stem, [f"{name} has none of the exercises of {stem}."])
    return Submission(path, learner, stem, answers, remarks)


def _is_code(cell: nbformat.NotebookNode) -> bool:
    return cell.cell_type == "code" and not {"check", "parameters"} & set(tags(cell))


def _names(source: str) -> set[str]:
    try:
        return statement_names(source)
    except (SyntaxError, ValueError):
        return set(re.findall(r"^(?:def|class) +(\w+)", source, flags=re.MULTILINE))


def _lab_of(defined: list[tuple[str, str, set[str]]]) -> str | None:
    """The lab whose exercises these cells hold, if one fits better than all others."""
    names = set().union(*(each for _, _, each in defined)) if defined else set()
    ids = {identity for identity, _, _ in defined}
    fits = {}
    for stem in stems():
        wanted = functions(stem).values()
        known = sum(function in names for _, function in wanted)
        fits[stem] = (known, sum(identity in ids for identity, _ in wanted)) if known else (0, 0)
    best = max(fits.values())
    fitting = [stem for stem, fit in fits.items() if fit == best]
    return fitting[0] if best > (0, 0) and len(fitting) == 1 else None


def suspicious(source: str) -> list[str]:
    """What an honest answer does not need, and a forged one does."""
    try:
        nodes = list(ast.walk(ast.parse(without_magics(source))))
    except (SyntaxError, ValueError):
        return []
    used = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            used |= {each.name.split(".")[0] for each in node.names} & SUSPICIOUS_MODULES
        elif isinstance(node, ast.ImportFrom):
            used |= {(node.module or "").split(".")[0]} & SUSPICIOUS_MODULES
        elif isinstance(node, ast.Name):
            used |= {node.id} & (SUSPICIOUS_NAMES | SUSPICIOUS_MODULES)
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            used.add(node.attr)
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("__"):
            used.add(node.name)
        elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            used.add(f"an assignment to {ast.unparse(node)}")
    return sorted(used)


def write_table(marks: list[Mark], path: Path) -> None:
    """The table: a row for each submission, three columns for each exercise."""
    most = max((len(mark.lab.exercises) for mark in marks if mark.run), default=0)
    parts = ("visible", "hidden", "points")
    columns = [f"exercise {number} {part}" for number in range(1, most + 1) for part in parts]
    with path.open("w", encoding="utf-8-sig", newline="") as file:  # the mark tells Excel that it is UTF-8
        writer = csv.DictWriter(
            file, ["learner", "lab", *columns, "total", "of", "sandbox", "seconds", "remarks"]
        )
        writer.writeheader()
        for mark in marks:
            row = {
                "learner": _plain(mark.learner),
                "lab": mark.stem,
                "remarks": _plain("; ".join(mark.remarks)),
            }
            if mark.run:
                row |= {"total": f"{mark.total:g}", "of": f"{mark.most:g}", "sandbox": mark.run.sandbox}
                row["seconds"] = f"{mark.run.seconds:.0f}"
                for place, exercise in enumerate(mark.lab.exercises, start=1):
                    verdict = mark.verdict(exercise.number)
                    row[f"exercise {place} visible"] = "right" if verdict.right else "not right"
                    passed = sum(words is None for words in verdict.hidden)
                    row[f"exercise {place} hidden"] = f"{passed} of {len(exercise.hidden)} tests"
                    row[f"exercise {place} points"] = f"{sum(verdict.points(exercise)):g}"
            writer.writerow(row)


def _plain(words: str) -> str:
    """Words that a spreadsheet does not take for a formula."""
    return f"'{words}" if words.startswith(("=", "+", "-", "@")) else words


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body {{ font-family: sans-serif; max-width: 48rem; margin: 2rem auto; line-height: 1.5 }}
li span {{ font-weight: bold }}</style></head>
<body><h1>{title}</h1>
<p>{points} points of {most}. <span lang="zh">得分 {points}，满分 {most}。</span></p>
{exercises}
</body></html>
"""


def feedback(mark: Mark) -> str:
    """A page for the learner: what the checks say, and which hidden tests failed, without their code."""
    parts = []
    for exercise in mark.lab.exercises:
        verdict = mark.verdict(exercise.number)
        points = f"{sum(verdict.points(exercise)):g} / {exercise.points:g}"
        heading = f'Exercise {exercise.number} · <span lang="zh">练习 {exercise.number}</span>: {points}'
        state = ("right", "正确") if verdict.right else ("not right", "不正确")
        words = escape(verdict.words)
        items = [
            f'<li>Check: <span>{state[0]}</span> · <span lang="zh">检查：{state[1]}</span><br>{words}</li>'
        ]
        for test, failed in zip(
            exercise.hidden, verdict.hidden or ["not run"] * len(exercise.hidden), strict=True
        ):
            state = ("passed", "通过") if failed is None else ("failed", "未通过")
            name, name_zh = escape(test.name), escape(test.name_zh)
            items.append(
                f"<li>Hidden test: {name}: <span>{state[0]}</span><br>"
                f'<span lang="zh">隐藏测试：{name_zh}：{state[1]}</span></li>'
            )
        parts.append(f"<h2>{heading}</h2>\n<ul>\n" + "\n".join(items) + "\n</ul>")
    if mark.run.remarks:
        stopped = escape("; ".join(mark.run.remarks))
        parts.append(f'<p>While it ran: {stopped} · <span lang="zh">运行未完成。</span></p>')
    title = escape(f"{mark.stem}: {mark.learner}")
    values = {"title": title, "points": f"{mark.total:g}", "most": f"{mark.most:g}"}
    return PAGE.format(**values, exercises="\n".join(parts))
