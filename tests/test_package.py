"""The command ``aigc-lab`` and the package that is given away: wheel, sdist, the notebooks in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import nbformat
import pytest

import aigc_lab
from aigc_lab import __main__ as command
from aigc_lab import language

ROOT = Path(__file__).parents[1]
STUDENTS = sorted((ROOT / "notebooks" / "student").glob("*.ipynb"))


def test_list_names_every_lab_with_its_title(capsys):
    assert command.main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:2] for line in lines] == [path.name[:2] for path in STUDENTS]
    assert "05 The mathematics of a VAE: every line computed twice" in lines


def test_copy_gives_all_student_notebooks_as_they_are(tmp_path, capsys):
    assert command.main(["copy", str(tmp_path / "new" / "folder")]) == 0
    copies = sorted((tmp_path / "new" / "folder").iterdir())
    assert [path.name for path in copies] == [path.name for path in STUDENTS]
    assert all(
        mine.read_text("utf-8") == theirs.read_text("utf-8")
        for mine, theirs in zip(copies, STUDENTS, strict=True)
    )
    folder = tmp_path / "new" / "folder"
    said = f"{len(STUDENTS)} notebooks copied to {folder}. Open: jupyter lab {folder}\n"
    assert capsys.readouterr().out == said


def test_copy_never_overwrites_and_says_so(tmp_path, capsys):
    mine = tmp_path / "06_vae_images.ipynb"
    mine.write_text("mine")
    assert command.main(["copy", str(tmp_path), "06", "05_vae_math.ipynb"]) == 0
    assert mine.read_text() == "mine"
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{mine} is there already and stays as it is."
    assert said[1].startswith("1 notebook copied")


def test_a_solved_copy_keeps_its_outputs_and_lies_beside_the_student_one(tmp_path):
    command.main(["copy", str(tmp_path), "05"])
    command.main(["copy", str(tmp_path), "05", "--solved"])
    solved = nbformat.read(tmp_path / "05_vae_math_solved.ipynb", as_version=4)
    student = nbformat.read(tmp_path / "05_vae_math.ipynb", as_version=4)
    assert any(cell.get("outputs") for cell in solved.cells)
    assert not any(cell.get("outputs") for cell in student.cells)


def test_the_chinese_copy_has_the_same_code(tmp_path, capsys):
    command.main(["copy", str(tmp_path / "zh"), "05", "--language", "zh"])
    assert f"where {language.VARIABLE}=zh is set.\n" in capsys.readouterr().out
    code = [
        [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        for path in (tmp_path / "zh" / "05_vae_math.ipynb", ROOT / "notebooks/student/05_vae_math.ipynb")
    ]
    assert code[0] == code[1]
    command.main(["copy", str(tmp_path / "zh"), "05", "--language", "zh", "--solved"])
    assert "stored ones stay English until you run the notebook" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["copy", "{new}", "77"], "There is no lab '77': 'aigc-lab list' shows the numbers."),
        (["copy", "{new}", "0"], "There is no lab '0': 'aigc-lab list' shows the numbers."),
        (["copy", "{new}", "05", "--language", "xx"], "There is no edition in 'xx'; choose one of en, zh."),
        (["copy", "{new}", "--language", "xx", "05"], "There is no edition in 'xx'; choose one of en, zh."),
        (["list", "--language", "xx"], "There is no edition in 'xx'; choose one of en, zh."),
        (["copy", "{file}", "05"], "{file} is a file, not a folder: name another one."),
        (["copy", "{file}/below", "05"], "{file}/below is a file, not a folder: name another one."),
    ],
)
def test_a_refusal_is_one_sentence_and_writes_nothing(tmp_path, capsys, arguments, said):
    names = {"new": tmp_path / "new", "file": tmp_path / "a file"}
    names["file"].write_text("mine")
    assert command.main([word.format(**names) for word in arguments]) == 2
    assert capsys.readouterr() == ("", said.format(**names) + "\n")
    assert [path.name for path in tmp_path.iterdir()] == ["a file"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path, capsys, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)  # root may write everywhere
    assert command.main(["copy", str(tmp_path / "x"), "05"]) == 2
    said = capsys.readouterr().err
    assert said == f"{tmp_path}/x cannot be written (Permission denied): name another folder.\n"


def test_an_installation_without_notebooks_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "PACKAGE", tmp_path / "aigc_lab")
    assert command.main(["list"]) == 2
    assert "has no notebooks: install it again." in capsys.readouterr().err


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> dict[str, Path]:
    """The wheel and the sdist, built without network from a copy of the project; the wheel from the sdist."""
    folder = tmp_path_factory.mktemp("package")
    source = folder / "source"
    source.mkdir()
    for name in ("aigc_lab", "notebooks"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_*"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "LICENSE-TEXT"):
        shutil.copy(ROOT / name, source)
    code = f"import setuptools.build_meta as build; build.build_sdist({str(folder)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=source, check=True, capture_output=True)
    (sdist,) = folder.glob("*.tar.gz")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    pip += ["--disable-pip-version-check", "--wheel-dir", str(folder), str(sdist)]
    subprocess.run(pip, check=True, capture_output=True, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    return {"sdist": sdist, "wheel": wheel}


@pytest.mark.slow
def test_sdist_and_wheel_hold_the_package_and_each_notebook_once(built):
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "aigc_lab").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    notebooks = {path.relative_to(ROOT).as_posix() for path in (ROOT / "notebooks").rglob("[0-9]*.ipynb")}
    with zipfile.ZipFile(built["wheel"]) as archive:
        inside = {name for name in archive.namelist() if name.startswith("aigc_lab/")}
        for name in notebooks:
            copy = name.replace("notebooks/", "aigc_lab/course/", 1)
            assert archive.read(copy) == (ROOT / name).read_bytes(), name
    assert inside == package | {name.replace("notebooks/", "aigc_lab/course/", 1) for name in notebooks}
    with tarfile.open(built["sdist"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert package | notebooks | {"pyproject.toml", "setup.py"} <= names
    assert built["wheel"].stat().st_size < 50e6


RUN = """
import sys, papermill, aigc_lab
print(aigc_lab.__file__)
papermill.execute_notebook(
    sys.argv[1], "run.ipynb", parameters={"profile": "smoke"}, kernel_name="python3", progress_bar=False
)
"""


@pytest.mark.slow
def test_the_wheel_alone_copies_its_notebooks_and_one_runs(built, tmp_path):
    venv.create(tmp_path / "venv", with_pip=False, symlinks=os.name == "posix")
    place = sysconfig.get_path("purelib", vars={"base": str(tmp_path / "venv")})
    # The packages of this environment, but not what its own .pth files add: the checkout stays out of sight.
    Path(place, "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = tmp_path / "venv" / "bin" / "python"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
    ]
    pip += ["--disable-pip-version-check", "--ignore-installed", str(built["wheel"])]
    subprocess.run(pip, check=True, capture_output=True)
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*words: str) -> str:
        done = subprocess.run(words, cwd=tmp_path, env=clean, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    assert run(str(python.with_name("aigc-lab")), "list").count("\n") == len(STUDENTS)
    run(str(python.with_name("aigc-lab")), "copy", "learn")
    assert sorted(path.name for path in (tmp_path / "learn").iterdir()) == [path.name for path in STUDENTS]
    assert run(str(python), "-m", "aigc_lab", "copy", "chinese", "05", "--language", "zh").startswith(
        "1 notebook"
    )
    imported = Path(run(str(python), "-c", RUN, "learn/05_vae_math.ipynb").splitlines()[0])
    assert imported.is_relative_to(tmp_path)
    assert (tmp_path / "run.ipynb").is_file()
    assert aigc_lab.__version__ in built["wheel"].name
