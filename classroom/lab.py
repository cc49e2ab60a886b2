"""A lab as marking sees it: its exercises with their points and tests, and the statements that they need.

Not the whole notebook has to run to mark four functions. ``needed`` goes back from the checks, statement by
statement, and keeps what binds a name that is used later, or may change the object behind it.
"""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import nbformat
import yaml

from classroom.hidden import HiddenTest, hidden_tests
from classroom.source import top_level
from tools.notebook_text import solution_blocks, without_magics, without_solutions

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
TEACHING = ROOT / "book" / "teaching"
USUAL_POINTS = 2.0
HARMLESS = {
    "print",
    "len",
    "range",
    "enumerate",
    "zip",
    "sorted",
    "list",
    "tuple",
    "dict",
    "set",
    "str",
    "float",
}
HARMLESS |= {"int", "sum", "min", "max", "abs", "round", "isinstance", "display"}


@dataclass(frozen=True)
class Exercise:
    """An exercise of a lab: which cells it has, what it is worth, and its hidden tests."""

    number: int
    function: str  # the name that is checked
    cell: int  # where the learner answers, counted from 0
    check: int
    points: float
    hidden: list[HiddenTest] = field(default_factory=list)

    @property
    def visible_points(self) -> float:
        """What the check in the notebook is worth; the hidden tests share the rest."""
        return min(1.0, self.points / 2)


@dataclass(frozen=True)
class Lab:
    """A solved notebook and its exercises."""

    stem: str
    cells: list[nbformat.NotebookNode]
    exercises: list[Exercise]

    def stub(self, exercise: Exercise) -> str:
        """The cell as the student version has it."""
        return without_solutions(self.cells[exercise.cell].source)


@cache
def stems() -> tuple[str, ...]:
    """The labs, by the names of their notebooks."""
    return tuple(sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")))


def found(words: str) -> str:
    """The lab that a number or a name means (``5``, ``05``, ``05_vae_math``, a path).

    Raises:
        ValueError: there is none, or more than one.
    """
    name = Path(words).stem
    name = name.zfill(2) if name.isdigit() else name
    fitting = [stem for stem in stems() if stem == name or stem.split("_")[0] == name]
    if len(fitting) != 1:
        raise ValueError(f"There is no lab {words!r}; give the number or the name of a notebook.")
    return fitting[0]


@cache
def functions(stem: str) -> dict[int, tuple[str, str]]:
    """For each exercise of a lab the id of its cell and the name that is asked for."""
    cells = nbformat.read(NOTEBOOKS / f"{stem}.ipynb", as_version=4).cells
    return {
        number: (cells[place].id, function)
        for place in exercise_cells(cells)
        for _, number, function in [_check_after(cells, place)]
    }


def exercise_cells(cells: list[nbformat.NotebookNode]) -> list[int]:
    """Where the learner answers: the cells with a solution."""
    return [
        place for place, cell in enumerate(cells) if cell.cell_type == "code" and solution_blocks(cell.source)
    ]


@cache
def lab(stem: str) -> Lab:
    """A lab with its hidden tests.

    Raises:
        ValueError: it has no hidden tests, or they or its points do not fit the exercises of the notebook.
    """
    node = nbformat.read(NOTEBOOKS / f"{stem}.ipynb", as_version=4)
    tests, points, exercises = hidden_tests(stem), _points(stem), []
    for place in exercise_cells(node.cells):
        check, number, function = _check_after(node.cells, place)
        worth = float(points.get(number, USUAL_POINTS))
        exercises.append(Exercise(number, function, place, check, worth, tests.get(number, [])))
    numbers = {exercise.number for exercise in exercises}
    without = sorted(exercise.number for exercise in exercises if not exercise.hidden)
    if without or set(tests) - numbers:
        wrong = (
            f"exercise {without[0]} has none"
            if without
            else f"there is no exercise {max(set(tests) - numbers)}"
        )
        raise ValueError(f"The hidden tests in classroom/hidden/{stem}.yml do not fit: {wrong}.")
    return Lab(stem, node.cells, exercises)


def _points(stem: str) -> dict[int, float]:
    path = TEACHING / f"{stem}.yml"
    if not path.is_file():
        return {}
    listed = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("grading", [])
    return {each["exercise"]: each["points"] for each in listed}


def _check_after(cells: list[nbformat.NotebookNode], place: int) -> tuple[int, int, str]:
    """Where the check of an exercise is, its number, and the name that it checks."""
    for later in range(place + 1, len(cells)):
        call = check_call(cells[later].source) if cells[later].cell_type == "code" else None
        if call:
            return later, call.args[0].value, ast.unparse(call.args[1])
    raise ValueError(f"cell {place} is an exercise without a check")


def check_call(source: str) -> ast.Call | None:
    """The call of ``exercises.check`` in a cell."""
    for node in ast.walk(ast.parse(without_magics(source))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "exercises.check":
            return node
    return None


@dataclass(frozen=True)
class Statement:
    """A statement at the top of a cell, and what it does to names."""

    cell: int
    number: int
    binds: frozenset[str]
    uses: frozenset[str]
    may_change: frozenset[str]  # objects that a call or an assignment to a part of them may change
    kind: str  # "import", "define" (a function or class), "constant" or "assign" (to whole names), "other"


@cache
def names(source: str) -> tuple[frozenset[str], frozenset[str]]:
    """The names that a piece of top-level code binds, and the global names that it uses."""
    binds, uses, tables = set(), set(), [symtable.symtable(source, "cell", "exec")]
    while tables:
        table = tables.pop()
        top = table.get_type() == "module"
        for symbol in table.get_symbols():
            here = top or symbol.is_global()
            if here and (symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()):
                binds.add(symbol.get_name())
            if here and symbol.is_referenced():
                uses.add(symbol.get_name())
        tables += table.get_children()
    return frozenset(binds), frozenset(uses)


def _may_change(statement: ast.stmt) -> frozenset[str]:
    """Names whose objects a statement may change: parts assigned to, methods called, passed to functions."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assert)):
        return frozenset()
    if isinstance(statement, (ast.For, ast.While, ast.If, ast.With, ast.Try)):
        return names(ast.unparse(statement))[1]  # a loop gives its items other names
    changed = []
    for node in ast.walk(statement):
        if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            changed.append(node.value)
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                changed.append(node.func.value)
            if ast.unparse(node.func) not in HARMLESS:
                changed += [*node.args, *(keyword.value for keyword in node.keywords)]
    roots = set()
    for node in changed:
        while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
            node = node.value
        if isinstance(node, ast.Name):
            roots.add(node.id)
    return frozenset(roots)


def statements(cell: int, source: str) -> list[Statement]:
    """The statements of a cell.

    Raises:
        SyntaxError: the cell is not Python.
    """
    result = []
    for number, node in enumerate(top_level(source)):
        binds, uses = names(ast.unparse(node))
        result.append(Statement(cell, number, binds, uses, _may_change(node), _kind(node)))
    return result


def free_names(source: str) -> list[str]:
    """The names that statements take from outside, also those that they then bind anew."""
    free, bound = set(), set(vars(builtins))
    everywhere = names(source)[0]
    for each in statements(0, source):
        own = {"assign": frozenset(), "define": everywhere}.get(each.kind, each.binds)
        free |= each.uses - bound - own
        bound |= each.binds
    return sorted(free)


def _kind(node: ast.stmt) -> str:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return "import"
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return "define"
    if isinstance(node, ast.Assign):
        if isinstance(node.value, ast.Constant):
            return "constant"
        targets = [each for target in node.targets for each in getattr(target, "elts", [target])]
        return "assign" if all(isinstance(each, ast.Name) for each in targets) else "other"
    return "other"


def needed(
    sources: Mapping[int, str],
    must: Collection[tuple[int, int]],
    also: Mapping[int, Iterable[str]],
    answers: Collection[int] = (),
) -> dict[int, list[int]]:
    """The statements that have to run, by cell.

    Args:
        sources: the code cells by number.
        must: (cell, statement) that run in any case.
        also: names that are used directly after a cell, as by its hidden tests.
        answers: cells of the learner; what they bind does not make our own binding of it superfluous.
    """
    everything = [each for cell in sorted(sources) for each in statements(cell, sources[cell])]
    calls: dict[str, set[str]] = {}
    values = set()  # names that hold something other than a module, a function or a class
    for each in everything:
        if each.kind == "define":
            for name in each.binds:
                calls.setdefault(name, set()).update(each.uses)
        elif each.kind not in ("import", "constant"):
            values |= each.binds

    def with_callees(used: Iterable[str]) -> set[str]:
        waiting, seen = list(used), set()
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += calls.get(name, ())
        return seen

    kept: dict[int, list[int]] = {}
    wanted: set[str] = set()
    last = None
    for each in reversed(everything):
        if each.cell != last:
            last = each.cell
            wanted |= with_callees(also.get(each.cell, ()))
        if (each.cell, each.number) in must or each.binds & wanted or each.may_change & wanted & values:
            kept.setdefault(each.cell, []).insert(0, each.number)
            if each.kind != "other" and each.cell not in answers:
                wanted -= each.binds
            wanted |= with_callees(each.uses)
    return kept
