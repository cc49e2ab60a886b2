"""The lint finds each fault, and nothing in a notebook that follows the rules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from notebook_examples import BROKEN, find, good_notebook, write

from tools.notebook_lint import RULES, lint, main

CASES = [
    pytest.param(rule, change, id=f"{rule}: {name}")
    for rule, ways in BROKEN.items()
    for name, change in ways.items()
]


def test_a_notebook_that_follows_the_rules_has_no_problem(tmp_path):
    assert [str(problem) for problem in lint(write(good_notebook(), tmp_path / "05_good.ipynb"))] == []


@pytest.mark.parametrize(("rule", "change"), CASES)
def test_each_fault_is_found(rule, change, tmp_path):
    notebook = good_notebook()
    change(notebook)
    problems = lint(write(notebook, tmp_path / "05_bad.ipynb"))
    assert rule in {problem.rule for problem in problems}, [str(problem) for problem in problems]


def test_every_rule_has_a_broken_example():
    assert set(BROKEN) == set(RULES)
    assert [rule for rule, ways in BROKEN.items() if not ways] == ["name"]


@pytest.mark.parametrize("name", ["stages.ipynb", "00-seven.ipynb", "00_Seven.ipynb", "7_stages.ipynb"])
def test_a_name_that_sorts_nowhere_is_found(name, tmp_path):
    problems = lint(write(good_notebook(), tmp_path / name))
    assert [problem.rule for problem in problems] == ["name"]


def test_what_looks_like_a_fault_but_is_none(tmp_path):
    notebook = good_notebook()
    notebook.cells[2].source = (
        "See https://example.org/home/kim/tmp/x, the ratio a/tmp and `~/.cache`.\n\n"
        "```sh\n# a comment, not a heading\n```"
    )
    find(notebook, "check").source += "\ntrain.fit(model, images, seed=seed)"
    notebook.cells[4].source += " Claim C07 holds; C12 does not hold. 说法 C07 成立。"
    find(notebook, "claims").metadata["tags"].append("taught")
    find(notebook, "claims").source += "\n" + "print(1)\n" * 41
    find(notebook, "unit").source = "%matplotlib inline\n" + find(notebook, "unit").source
    assert [str(problem) for problem in lint(write(notebook, tmp_path / "05_good.ipynb"))] == []


def test_a_file_that_is_no_notebook_is_a_problem_of_format(tmp_path):
    path = tmp_path / "05_text.ipynb"
    path.write_text("{}")
    assert [problem.rule for problem in lint(path)] == ["format"]
    path.write_text("not even JSON")
    assert [problem.rule for problem in lint(path)] == ["format"]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no notebook"):
        lint(tmp_path / "05_none.ipynb")


def test_the_command_prints_the_place_and_exits_with_one(tmp_path, capsys):
    good, bad = good_notebook(), good_notebook()
    find(bad, "solution").execution_count = None
    assert main([str(write(good, tmp_path / "05_good.ipynb"))]) == 0
    assert capsys.readouterr().out == "1 notebook, no problem\n"
    assert main([str(write(bad, tmp_path / "05_bad.ipynb"))]) == 1
    place = bad.cells.index(find(bad, "solution"))
    assert f"05_bad.ipynb: cell {place} [counts] has count None" in capsys.readouterr().out


def test_the_command_runs_as_a_module(tmp_path):
    path = write(good_notebook(), tmp_path / "05_good.ipynb")
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tools.notebook_lint", path]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 notebook, no problem\n", "")
