"""Labs opened without installing: the cell for Colab, the links below a title, Binder, container, hub."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
import types
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import aigc_lab
from aigc_lab import __main__ as command
from aigc_lab.collect import download
from book import elsewhere as pages
from tools import edition, elsewhere

ROOT = Path(__file__).parents[1]
ADDRESS = "https://github.com/school/aigc-lab"
SET = {"repository": ADDRESS, "branch": "main", "colab_branch": "colab"}


class Pip:
    """Stands for ``subprocess.run``: keeps what is asked, and answers with an exit code."""

    def __init__(self, code: int = 0) -> None:
        self.code, self.asked = code, []

    def __call__(self, words, **_):
        assert words[1:5] == ["-m", "pip", "install", "--quiet"]
        self.asked.append(words[5:])
        return types.SimpleNamespace(returncode=self.code, stderr="no such package")


def run_cell(monkeypatch, folder: Path, repository: str = "", pip: Pip | None = None) -> Pip:
    pip = pip or Pip()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(subprocess, "run", pip)
    exec(compile(elsewhere.first_cell(repository), "first cell", "exec"), {})
    return pip


@pytest.fixture
def missing(monkeypatch):
    """As if the course were not installed."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "aigc_lab" else find(name))


@pytest.fixture
def in_colab(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))


@pytest.mark.parametrize("repository", ["", ADDRESS])
def test_where_the_course_is_installed_the_cell_does_nothing(monkeypatch, tmp_path, capsys, repository):
    assert run_cell(monkeypatch, tmp_path, repository).asked == []
    assert capsys.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_in_colab_it_installs_what_the_project_needs_and_then_the_project(
    monkeypatch, tmp_path, capsys, in_colab
):
    pip = run_cell(monkeypatch, tmp_path, ADDRESS)
    source = f"git+{ADDRESS}@v{aigc_lab.__version__}"
    assert pip.asked == [elsewhere.requirements(), ["--no-deps", source]]
    assert capsys.readouterr().out.splitlines()[-1] == "AIGC Lab is installed."


def test_a_wheel_beside_the_notebook_is_taken_first(monkeypatch, tmp_path, in_colab):
    (tmp_path / "aigc_lab-0.1.0-py3-none-any.whl").write_text("")
    assert run_cell(monkeypatch, tmp_path, ADDRESS).asked[1] == [
        "--no-deps",
        "aigc_lab-0.1.0-py3-none-any.whl",
    ]


def test_a_package_that_was_replaced_while_in_use_asks_for_a_restart(monkeypatch, tmp_path, capsys, in_colab):
    import numpy

    monkeypatch.setattr(numpy, "__version__", "2.0.2")
    run_cell(monkeypatch, tmp_path, ADDRESS)
    assert "'Restart session' in the menu 'Runtime' now: numpy was replaced" in capsys.readouterr().out


def test_a_refusal_of_the_cell_says_what_to_do(monkeypatch, tmp_path, missing):
    with pytest.raises(FileNotFoundError, match=r"Put the file aigc_lab-.*\.whl beside this notebook"):
        run_cell(monkeypatch, tmp_path)
    with pytest.raises(ModuleNotFoundError, match=f"run 'pip install git.{ADDRESS}@v"):
        run_cell(monkeypatch, tmp_path, ADDRESS)
    monkeypatch.setattr(sys, "version_info", (3, 10, 2))
    with pytest.raises(RuntimeError, match=r"needs Python 3\.11 to 3\.13"):
        run_cell(monkeypatch, tmp_path, ADDRESS)


def test_a_failure_of_pip_is_told(monkeypatch, tmp_path, in_colab):
    with pytest.raises(RuntimeError, match="no such package"):
        run_cell(monkeypatch, tmp_path, ADDRESS, Pip(1))


def test_the_requirements_are_the_projects_without_the_server():
    named = elsewhere.PROJECT["dependencies"]
    wanted = elsewhere.requirements()
    assert set(wanted) < set(named)
    assert {Requirement(line).name for line in named} - {Requirement(line).name for line in wanted} == set(
        elsewhere.SERVER
    )


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_colab_edition_is_the_student_notebook_behind_one_cell(tmp_path, language):
    arguments = ["colab", "05", "--output", str(tmp_path), "--language", language]
    assert elsewhere.main(arguments) == 0
    (lab,) = command.labs(["05"])
    first, *others = elsewhere.nbformat.read(tmp_path / lab.name, as_version=4).cells
    assert first.source == elsewhere.first_cell(elsewhere.settings()["repository"], language)
    assert first.source.startswith("# ") and aigc_lab.__version__ in first.source.splitlines()[0]
    assert others == command.notebook(lab, language).cells


def test_an_unknown_lab_and_a_wrong_address_are_refused(tmp_path, capsys, monkeypatch):
    assert elsewhere.main(["colab", "77", "--output", str(tmp_path / "x")]) == 2
    assert "There is no lab '77'" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "elsewhere.yml").write_text("repository: http://example.edu/lab\n")
    monkeypatch.setattr(elsewhere, "ROOT", tmp_path)
    with pytest.raises(ValueError, match=r"must be like https://github\.com/OWNER/NAME, or empty"):
        elsewhere.settings()


class Links(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self.found.append(dict(attrs)["href"])


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_download_that_a_page_offers_is_written(tmp_path, monkeypatch, language):
    labs = command.labs(["05"])
    monkeypatch.setattr(pages, "labs", lambda: labs)
    written = {path.relative_to(tmp_path).as_posix() for path in pages.downloads(tmp_path)}
    offered = [
        link for link in Links(pages.block("05_vae_math", language, settings=SET)).found if "_static" in link
    ]
    assert {link.removeprefix("../_static/notebooks/") for link in offered} == written
    assert len(offered) == 4 and offered[0].startswith(f"../_static/notebooks/{language}/")
    solved = nbformat.read(tmp_path / language / "05_vae_math_solved.ipynb", as_version=4)
    shown = nbformat.read(labs[0], as_version=4)
    pictures = [[holder[key] for holder, key in edition.pictures(node)] for node in (solved, shown)]
    assert (pictures[0] == pictures[1]) == (language == "en"), "the Chinese one has the Chinese drawings"


def test_buttons_are_there_only_with_an_address():
    closed = Links(pages.block("05_vae_math", "en", settings={**SET, "repository": ""})).found
    assert [link for link in closed if "//" in link] == [pages.COLAB]
    opened = Links(pages.block("05_vae_math", "en", settings=SET)).found
    assert opened[4:6] == [
        "https://colab.research.google.com/github/school/aigc-lab/blob/colab/05_vae_math.ipynb",
        "https://mybinder.org/v2/gh/school/aigc-lab/main?urlpath=lab/tree/course/05_vae_math.ipynb",
    ]
    chinese = Links(pages.block("05_vae_math", "zh", settings=SET)).found
    assert chinese[4].endswith("/blob/colab/zh/05_vae_math.ipynb")
    assert chinese[5].endswith("lab/tree/course_zh/05_vae_math.ipynb")


def test_binder_builds_the_lock_and_copies_what_the_buttons_open(tmp_path):
    version = (ROOT / "binder/runtime.txt").read_text().strip().removeprefix("python-")
    assert version in SpecifierSet(elsewhere.PROJECT["requires-python"])
    lines = (ROOT / "binder/requirements.txt").read_text().splitlines()
    (file,) = [line.removeprefix("-r ") for line in lines if not line.startswith("#")]
    assert (ROOT / "binder" / file).resolve() == ROOT / "requirements" / "lab.lock"
    script = ROOT / "binder/postBuild"
    assert script.stat().st_mode & 0o111
    copies = [
        shlex.split(line)[1:] for line in script.read_text().splitlines() if line.startswith("aigc-lab")
    ]
    for words, language in zip(copies, ["en", "zh"], strict=True):
        folder = words[1]
        assert f"/{folder}/" in pages.buttons("05_vae_math", language, **SET)["Binder"]
        assert command.main([*words[:1], str(tmp_path / folder), *words[2:], "05"]) == 0


@pytest.fixture(scope="module")
def container() -> list[tuple[str, str]]:
    """The instructions of the classroom's container file, in order."""
    text = (ROOT / "deployment/classroom/Containerfile").read_text().replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line and not line.startswith("#")]


def test_the_container_file_agrees_with_the_project(container):
    found = {name: words for name, words in container if name not in ("RUN", "COPY", "ENV")}
    python = re.fullmatch(r"python:([\d.]+)-slim", found["FROM"])[1]
    assert python in SpecifierSet(elsewhere.PROJECT["requires-python"])
    copied = [words.split() for name, words in container if name == "COPY"]
    assert (ROOT / copied[0][0]).is_file() and copied[1] == ["dist/*.whl", "/opt/lab/"]
    installs = [words for name, words in container if name == "RUN" and "pip install" in words]
    assert "--require-hashes -r /opt/lab/lab.lock" in installs[0] and copied[0][1] == "/opt/lab/lab.lock"
    assert "--no-deps /opt/lab/*.whl" in installs[-1]
    users = [words for name, words in container if name == "RUN" and words.startswith("useradd")]
    assert f"--uid {found['USER']} " in users[0] and users[0].endswith(
        found["WORKDIR"].removeprefix("/home/")
    )
    start = yaml.safe_load(found["CMD"])[-1]
    assert f"--port={found['EXPOSE']} " in start and "--ServerApp.root_dir=work" in start
    assert shlex.split(start)[:3] == ["aigc-lab", "copy", "work"]


def test_what_a_container_file_copies_is_not_ignored():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    for path in (ROOT / "deployment").rglob("Containerfile"):
        copied = re.findall(r"^COPY (\S+)", path.read_text(), flags=re.MULTILINE)
        assert {f"!{source.split('/')[0]}" for source in copied} <= set(lines[2:])


# The keys that the recipes use, of the chart's values.schema.yaml (version 4) and of TLJH's configuration.
CHART = {
    "hub": {"config", "concurrentSpawnLimit"},
    "singleuser": {
        "image", "defaultUrl", "startTimeout", "memory", "cpu", "extraEnv", "storage", "lifecycleHooks",
    },
    "cull": {"enabled", "timeout", "every"},
    "prePuller": {"continuous"},
}  # fmt: skip
LITTLEST = {
    "users": {"admin"},
    "limits": {"memory", "cpu"},
    "user_environment": {"default_app"},
    "services": {"cull"},
}


def bytes_of(words: str) -> int:
    return int(words[:-1]) * {"M": 10**6, "G": 10**9}[words[-1]]


@pytest.mark.parametrize(("name", "keys"), [("values", CHART), ("littlest", LITTLEST)])
def test_the_hub_recipes_use_only_keys_that_their_engines_know(name, keys):
    found = yaml.safe_load((ROOT / f"deployment/hub/{name}.yaml").read_text())
    assert {key: set(value) for key, value in found.items()} == keys


def test_the_hub_gives_each_learner_the_image_the_data_and_the_memory(container):
    hub = yaml.safe_load((ROOT / "deployment/hub/values.yaml").read_text())
    learner = hub["singleuser"]
    assert learner["image"]["tag"] == aigc_lab.__version__
    memory = learner["memory"]
    assert bytes_of(memory["guarantee"]) < bytes_of(memory["limit"])
    (mount,) = learner["storage"]["extraVolumeMounts"]
    (volume,) = learner["storage"]["extraVolumes"]
    assert mount["name"] == volume["name"] and mount["readOnly"] is True
    variable = "AIGC_LAB_MIRROR"
    assert variable in Path(download.__file__).read_text()
    assert learner["extraEnv"] == {variable: mount["mountPath"]}
    assert ("ENV", f"{variable}={mount['mountPath']}") in container
    home = next(words for name, words in container if name == "WORKDIR")
    assert learner["lifecycleHooks"]["postStart"]["exec"]["command"] == ["aigc-lab", "copy", f"{home}/work"]
    littlest = yaml.safe_load((ROOT / "deployment/hub/littlest.yaml").read_text())
    assert littlest["limits"]["memory"] == memory["limit"]
    assert littlest["services"]["cull"] == hub["cull"]
