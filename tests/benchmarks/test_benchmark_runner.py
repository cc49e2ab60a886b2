"""The runner of benchmarks: every script runs, a failure is told, and what is stored names no folder."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

GOOD = '''"""A good one: it counts.

More words.
"""
import sys
import table

BENCH = ["7"]
QUICK = ["3"]

measured = table.rounds({"ours": lambda: 2.0, "theirs": lambda: 2.0 * int(sys.argv[1])}, 4)
table.compare("Counted", measured, "ours", absent=["a rival"], more={"letter": {"ours": "a"}})
'''
BAD = '''"""One that fails."""
BENCH = []
print("so far")
raise OSError("there is no disk /var/lib/secret/disk.bin")
'''
SLOW = '''"""One that never ends."""
import subprocess, sys
BENCH = []
print("begun", flush=True)
subprocess.run([sys.executable, "-c", "import threading; threading.Event().wait()"])
'''


def load(name):
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # a dataclass looks its module up
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[spec.name]
    return module


table = load("table")


@pytest.fixture
def folder(tmp_path):
    """A folder of benchmarks with the real helper and no real benchmark."""
    (tmp_path / "table.py").write_text(
        (BENCHMARKS / "table.py").read_text(encoding="utf-8"), encoding="utf-8"
    )
    (tmp_path / "good.py").write_text(GOOD, encoding="utf-8")
    return tmp_path


def start(folder, *arguments):
    command = [sys.executable, str(BENCHMARKS / "run.py"), "--folder", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_failure_is_told_and_the_others_still_run(folder):
    (folder / "bad.py").write_text(BAD, encoding="utf-8")
    (folder / "RESULTS.md").write_text("old", encoding="utf-8")
    done = start(folder)
    assert done.returncode == 1 and "1 failed: bad" in done.stdout
    stored = (folder / "RESULTS.md").read_text(encoding="utf-8")
    assert "**1 of 2 failed: bad.**" in stored and "so far" in stored
    assert "**FAILED**: `OSError: there is no disk disk.bin`" in stored
    assert re.search(r"^\| theirs +\| 14\.00 \[14\.00, 14\.00\] +\| 7\.00 \[7\.00, 7\.00\]", stored, re.M)
    assert re.search(r"^\| a rival +\| not installed", stored, re.M)
    for words in (
        "## A good one: it counts\n",
        "`python benchmarks/good.py 7`",
        "cores",
        "tensorflow 2.",
        "load",
    ):
        assert words in stored, words
    assert str(folder) not in stored and "/var/" not in stored
    assert [path.name for path in folder.iterdir() if path.name.endswith(".part")] == []


def test_quick_and_only_keep_the_stored_results(folder):
    (folder / "bad.py").write_text(BAD, encoding="utf-8")
    (folder / "RESULTS.md").write_text("old", encoding="utf-8")
    done = start(folder, "--quick", "--only", "good")
    assert done.returncode == 0, done.stderr
    assert "| 3.00 [3.00, 3.00]" in done.stdout and "so far" not in done.stdout
    assert (folder / "RESULTS.md").read_text(encoding="utf-8") == "old"
    done = start(folder, "--only", "good", "--output", str(folder / "some.md"))
    some = (folder / "some.md").read_text(encoding="utf-8")
    assert done.returncode == 0 and "--only good" in some and "Not in this run: bad." in some


def test_one_that_never_ends_is_ended_with_its_workers(folder):
    (folder / "slow.py").write_text(SLOW, encoding="utf-8")
    done = start(folder, "--only", "slow", "--longest", "5")
    assert done.returncode == 1
    assert "slow: FAILED, it took longer than 5 seconds" in done.stdout and "begun" in done.stdout


def test_an_unknown_name_is_refused_with_those_that_are_there(folder):
    done = start(folder, "--only", "godo")
    assert done.returncode == 2 and "godo" in done.stderr and "choose from good" in done.stderr


def test_every_benchmark_has_a_heading_and_arguments_and_the_helpers_have_none():
    run = load("run")
    scripts = run.found(BENCHMARKS)
    helpers = {"table", "run", "silhouettes", "torch_models", "fidelity_worker"}
    assert set(scripts) == {path.stem for path in BENCHMARKS.glob("*.py")} - helpers
    assert {"training_step", "growth", "import_time", "notebook_time", "evaluation_speed"} <= set(scripts)
    for script in scripts.values():
        assert script["title"].endswith(".") and all(isinstance(each, str) for each in script["BENCH"])


def test_rounds_take_turns_and_ratios_are_of_one_round(capsys):
    calls = []
    measured = table.rounds({name: lambda name=name: calls.append(name) or len(calls) for name in "abc"}, 2)
    assert calls == ["a", "b", "c", "b", "c", "a"]
    assert measured == {"a": [1, 6], "b": [2, 4], "c": [3, 5]}
    slow = table.rounds({"a": lambda: 1.0, "b": lambda: threading.Event().wait(0.4) + 1.0}, 3, patience=0.3)
    assert slow == {"a": [1, 1, 1], "b": [1, 1]}
    assert table.ratios([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]
    assert table.spread([1, 2, 3, 4, 5]) == "3.00 [2.00, 4.00]"
    assert table.spread([1234.5], 1) == "1,234.5"


def test_a_worker_answers_and_says_when_it_has_ended(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r}); import table\n"
        "def answer(a, b):\n    print('noise')\n    return a / b\n"
        "table.serve(answer)\n",
        encoding="utf-8",
    )
    with table.Worker([str(script)]) as worker:
        assert worker(6, 4) == 1.5
        assert worker(1, 2) == 0.5
        with pytest.raises(RuntimeError, match="ended with exit code 1"):
            worker(1, 0)


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_an_interrupted_run_keeps_the_stored_results_and_ends_its_benchmark(folder):
    slow = SLOW.replace("import subprocess, sys\n", "import os, pathlib, subprocess, sys\n")
    number = folder / "number"
    slow = slow.replace("print(", f"pathlib.Path({str(number)!r}).write_text(str(os.getpid()))\nprint(")
    (folder / "slow.py").write_text(slow, encoding="utf-8")
    (folder / "RESULTS.md").write_text("old", encoding="utf-8")
    command = [sys.executable, str(BENCHMARKS / "run.py"), "--folder", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while "slow" not in process.stdout.readline():
            pass
        while not (number.is_file() and number.read_text()):
            threading.Event().wait(0.02)
        process.terminate()
        words, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "nothing is stored" in words
    assert (folder / "RESULTS.md").read_text(encoding="utf-8") == "old"
    with pytest.raises(ProcessLookupError):
        for _ in range(500):  # until its parent has taken note of the end
            os.kill(int(number.read_text()), 0)
            threading.Event().wait(0.02)
