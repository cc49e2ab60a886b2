"""Learners work on copies: what `make lab` opens, and that nothing of theirs is ever overwritten."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tools import lab
from tools.student import student_version

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "00_seven_stages.ipynb"


def cells(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def test_the_copy_is_the_student_version_or_the_solved_notebook(tmp_path):
    copy, made = lab.work_copy(NOTEBOOK, tmp_path / "work")
    assert (copy, made) == (tmp_path / "work" / NOTEBOOK.name, True)
    assert cells(copy) == json.loads(student_version(NOTEBOOK))["cells"]
    solved, made = lab.work_copy(NOTEBOOK, tmp_path / "work", solved=True)
    assert (solved.name, made) == ("00_seven_stages_solved.ipynb", True)
    assert cells(solved) == cells(NOTEBOOK)


@pytest.mark.parametrize("solved", [False, True])
def test_a_copy_that_is_there_is_never_overwritten(tmp_path, solved):
    copy, _ = lab.work_copy(NOTEBOOK, tmp_path, solved)
    copy.write_text("mine")
    assert lab.work_copy(NOTEBOOK, tmp_path, solved) == (copy, False)
    assert copy.read_text() == "mine"


def test_the_copy_carries_what_jupyterlab_would_write_on_opening_it(tmp_path):
    copy, _ = lab.work_copy(NOTEBOOK, tmp_path)
    node = nbformat.read(copy, as_version=4)
    nbformat.validate(node)
    assert node.metadata.kernelspec.name == "python3"
    version = ".".join(map(str, sys.version_info[:3]))
    assert node.metadata.language_info.version == version and "codemirror_mode" in node.metadata.language_info


@pytest.mark.parametrize(
    "name", ["06", "06_vae_images", "notebooks/06_vae_images.ipynb", "student/06_vae.ipynb"]
)
def test_a_notebook_is_found_by_path_name_or_number(name):
    assert lab.find(name).name == "06_vae_images.ipynb"


@pytest.mark.parametrize("name", ["", "0", "99", "nothing.ipynb"])
def test_what_is_not_there_or_not_clear_is_refused_in_one_sentence(name, capsys):
    assert lab.main([name, "--copy-only"]) == 1
    assert capsys.readouterr().err == f"There is no notebook {name!r} in notebooks/; name one, such as 00.\n"


def test_one_line_says_whether_the_copy_was_made_or_was_there(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(lab, "ROOT", tmp_path)
    for said in ("your own copy, made now", "is there already"):
        assert lab.main(["00", "--copy-only"]) == 0
        told = capsys.readouterr().out
        assert told.startswith("work/00_seven_stages.ipynb ") and said in told and told.count("\n") == 1
    own = tmp_path / "work" / "mine.ipynb"
    own.write_text("{}")
    assert lab.main([str(own), "--copy-only"]) == 0
    assert capsys.readouterr().out.startswith("work/mine.ipynb is there already")


def test_jupyterlab_opens_the_copy_and_gets_the_options(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(lab, "ROOT", tmp_path)
    monkeypatch.setattr(lab, "start", lambda *given: started.append(given) or 0)
    assert lab.main(["00", "--solved", "--", "--no-browser"]) == 0
    ((command, language),) = started
    assert language == "en"
    assert "--LabApp.default_url=/lab/tree/work/00_seven_stages_solved.ipynb" in command
    assert f"--ServerApp.root_dir={tmp_path}" in command and command[-1] == "--no-browser"


def test_git_ignores_the_copies():
    asked = subprocess.run(["git", "check-ignore", "-q", "work/00_seven_stages.ipynb"], cwd=ROOT, check=False)
    if asked.returncode == 128:
        pytest.skip("this is no git checkout")
    assert asked.returncode == 0


def test_the_chinese_copy_has_the_same_code_and_lies_in_a_folder_of_its_own(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(lab, "ROOT", tmp_path)
    (tmp_path / "notebooks").symlink_to(ROOT / "notebooks")
    monkeypatch.setattr(lab, "find", lambda name: NOTEBOOK)
    assert lab.main(["00", "--copy-only", "--language", "zh"]) == 0
    assert capsys.readouterr().out.startswith("work/zh/00_seven_stages.ipynb is your own copy")
    chinese = cells(tmp_path / "work" / "zh" / NOTEBOOK.name)
    english = json.loads(student_version(NOTEBOOK))["cells"]
    code = [[cell["source"] for cell in found if cell["cell_type"] == "code"] for found in (chinese, english)]
    assert code[0] == code[1] and "七个阶段" in chinese[0]["source"][0]


def test_an_unknown_language_is_refused_in_one_sentence(capsys):
    assert lab.main(["00", "--copy-only", "--language", "fr"]) == 1
    assert capsys.readouterr().err == "There is no edition in 'fr'; choose one of en, zh.\n"


def test_jupyterlab_gets_chinese_menus_and_kernels_in_the_chinese_edition():
    folders = lab.settings("zh")["JUPYTER_CONFIG_PATH"].split(":")
    overrides = Path(folders[0]) / "labconfig" / "default_setting_overrides.json"
    chosen = json.loads(overrides.read_text())
    assert chosen == {"@jupyterlab/translation-extension:plugin": {"locale": "zh_CN"}}
    assert lab.settings("zh")["AIGC_LAB_LANGUAGE"] == "zh" and lab.settings()["AIGC_LAB_LANGUAGE"] == "en"
