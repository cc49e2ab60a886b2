"""The floors of the package: which module may import which; no circle, no arrow up, no private name."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import aigc_lab

PACKAGE = Path(aigc_lab.__file__).parent
# A module imports from floors below its own, and from its own folder. ``label`` works on the issue
# tables of ``clean``; ``pipeline``, ``serve``, ``study`` and ``widgets`` stand on everything.
FLOORS = (
    {"language", "sound"},
    {"backend", "claims", "collect", "exercises"},
    {"augment", "clean", "corrupt", "evaluate", "models", "train", "watermark"},
    {"deploy", "label", "players", "plots"},
    {"audit", "pipeline", "serve", "study", "widgets"},
)
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}
# ``python -m aigc_lab.clean`` puts the parts together that the package itself keeps apart.
ENTRY_POINTS = {"__main__.py", "clean/__main__.py"}
LARGEST_FILE = 660  # lines; most have fewer than 400
FILES = sorted(PACKAGE.rglob("*.py"))


def part(dotted: str) -> str:
    """``aigc_lab.clean.text`` -> ``clean``; the package itself is ``""``."""
    return (*dotted.split("."), "")[1]


def imports(path: Path) -> list[tuple[str, str]]:
    """Every import of this package in a file, also those inside functions: (module, name)."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: write imports from aigc_lab in full"
            if (node.module or "").split(".")[0] == "aigc_lab":
                if node.module == "aigc_lab":
                    found += [
                        (f"aigc_lab.{name.name}" if name.name in FLOOR else "aigc_lab", name.name)
                        for name in node.names
                    ]
                else:
                    found += [(node.module, name.name) for name in node.names]
        elif isinstance(node, ast.Import):
            found += [(name.name, "") for name in node.names if name.name.split(".")[0] == "aigc_lab"]
    return found


def test_every_module_stands_on_a_floor():
    there = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES}
    there -= {"__init__", "__main__"}
    assert there == set(FLOOR)
    assert set(aigc_lab.__all__) == set(FLOOR) | {"STAGES", "__version__"}
    assert set(aigc_lab.STAGES) <= set(FLOOR)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_go_down_and_take_no_private_name(path):
    here = path.relative_to(PACKAGE)
    own = here.parts[0].removesuffix(".py")
    for module, name in imports(path):
        assert not name.startswith("_") or name == "__version__", f"{here} imports {module}.{name}"
        other = part(module)
        if not other or other == own or here.as_posix() in ENTRY_POINTS:
            continue
        assert own != "__init__", f"the package itself imports {module}"
        assert FLOOR[other] < FLOOR[own], f"{here} (floor {FLOOR[own]}) imports {module} ({FLOOR[other]})"


def test_no_circle_between_files():
    graph = {path: set() for path in FILES}
    homes = {path: ".".join(("aigc_lab", *path.relative_to(PACKAGE).with_suffix("").parts)) for path in FILES}
    files = {home.removesuffix(".__init__"): path for path, home in homes.items()}
    for path in FILES:
        for module, name in imports(path):
            target = files.get(f"{module}.{name}") or files.get(module)
            if target and target != path and target != PACKAGE / "__init__.py":
                graph[path].add(target)
    done: set[Path] = set()

    def visit(path: Path, trail: tuple[Path, ...]) -> None:
        names = " -> ".join(each.relative_to(PACKAGE).as_posix() for each in (*trail, path))
        assert path not in trail, f"a circle: {names}"
        if path not in done:
            for target in graph[path]:
                visit(target, (*trail, path))
            done.add(path)

    for path in FILES:
        visit(path, ())


def test_the_house_stays_small():
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    large = [f"{path.relative_to(PACKAGE)}: {count}" for path, count in lines.items() if count > LARGEST_FILE]
    assert large == [], "take it apart, or move what one notebook uses into that notebook"


def test_importing_the_package_is_light():
    heavy = {"tensorflow", "keras", "torch", "jax"}
    for modules, forbidden in (
        (
            ("collect", "corrupt", "clean", "claims", "exercises", "backend"),
            {*heavy, "matplotlib", "ipywidgets"},
        ),
        (sorted(set(FLOOR) - {"models"}), heavy),
    ):
        code = f"import sys, aigc_lab\nfor name in {modules!r}: __import__('aigc_lab.' + name)\n"
        code += f"print(sorted({forbidden!r} & set(sys.modules)))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "[]\n", modules


def test_the_readme_names_every_file():
    readme = (PACKAGE.parent / "README.md").read_text(encoding="utf-8")
    tree = readme.split("```\naigc_lab/\n")[1].split("notebooks/ ")[0]
    named = set(tree.replace("*", "").replace(";", " ").split())
    stems = {path.stem for path in FILES if path.parent.name != "widgets"} - {"__init__", "__main__"}
    assert stems <= named
    assert tree.count("*") == 9, "nine files to read"
