"""The project's own files agree with each other: project file, lock files, environment, commands."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import aigc_lab

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKS = {"lab": ("lab",), "all": ("lab", "test", "book", "classroom", "voices")}
TOO_LARGE = ("torch", "nvidia", "triton", "tensorrt")


def locked(name: str) -> dict[str, tuple[str, list[str]]]:
    """Package -> (version, hashes) of a lock file; a package pinned twice (by marker) keeps the last."""
    words = (ROOT / "requirements" / f"{name}.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    pins = {}
    for line in filter(None, map(str.strip, words.splitlines())):
        if not line.startswith("#"):
            requirement = Requirement(line.split(" --hash")[0])
            (pin,) = requirement.specifier
            assert pin.operator == "==", line
            hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})\b", line)
            pins[canonicalize_name(requirement.name)] = (pin.version, hashes)
    return pins


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_has_hashes_and_no_address_and_nothing_huge(name):
    words = (ROOT / "requirements" / f"{name}.lock").read_text(encoding="utf-8")
    assert "://" not in words
    assert not re.search(r"^-|\s--(?!hash=sha256:)|[/]", words, flags=re.MULTILINE)
    pins = locked(name)
    assert len(pins) > 100
    assert [package for package, (_, hashes) in pins.items() if not hashes] == []
    assert [package for package in pins if package.startswith(TOO_LARGE)] == []


@pytest.mark.parametrize(("name", "extras"), LOCKS.items())
def test_the_lock_satisfies_the_project_file(name, extras):
    pins = locked(name)
    wanted = PROJECT["dependencies"] + [line for extra in extras for line in EXTRAS[extra]]
    for requirement in map(Requirement, wanted):
        version, _ = pins[canonicalize_name(requirement.name)]
        assert version in requirement.specifier, requirement
    # The project is installed without build isolation, so its build tool must be there too.
    assert "setuptools" in pins


def test_the_small_lock_is_part_of_the_large_one():
    assert locked("lab").items() <= locked("all").items()


def test_the_project_file_has_the_extras_and_keeps_the_large_ones_apart():
    assert set(EXTRAS) == {"lab", "test", "book", "classroom", "voices", "gpu", "jax", "torch"}
    # espeak-ng is under GPL-3.0: nobody gets it without asking for it.
    assert {"espeakng-loader", "pocketsphinx"}.isdisjoint(locked("lab"))
    names = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    assert names >= {"tensorflow", "keras", "jupyterlab", "ipywidgets", "matplotlib", "nbval", "papermill"}
    assert names.isdisjoint({"torch", "jax", "tensorflow-cpu"})


def test_everything_the_package_imports_is_a_dependency():
    """Whoever installs without extras must be able to run every stage."""
    distribution = {
        "PIL": "pillow", "skimage": "scikit-image", "sklearn": "scikit-learn", "yaml": "pyyaml",
        "IPython": "ipykernel", "stdnum": "python-stdnum",
    }  # fmt: skip
    optional = {"torch", "jax"}
    declared = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    imported = set()
    for path in (ROOT / "aigc_lab").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.split(".")[0])
    foreign = imported - set(sys.stdlib_module_names) - {"aigc_lab"} - optional
    assert {
        name for name in foreign if canonicalize_name(distribution.get(name, name)) not in declared
    } == set()


def test_the_conda_environment_is_in_step_with_the_project_file():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == PROJECT["name"]
    *conda, pip = environment["dependencies"]
    assert conda == [f"python {PROJECT['requires-python']}", "pip"]
    (line,) = pip["pip"]
    installed, extras = re.fullmatch(r"--editable (\.)\[([a-z,]+)\]", line).groups()
    assert (installed, set(extras.split(","))) == (".", set(LOCKS["lab"]))


def test_every_file_names_the_same_python_versions_and_the_same_version():
    assert PROJECT["requires-python"] == ">=3.11,<3.14"
    assert "(3, 11) <= sys.version_info[:2] < (3, 14)" in (ROOT / "tools/environment.sh").read_text()
    listed = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert listed == ["3.11", "3.12", "3.13"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == aigc_lab.__version__
    assert f"{aigc_lab.__version__})" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_hook_uses_the_ruff_of_the_lock():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (ruff,) = [hook for repo in hooks["repos"] for hook in repo["hooks"] if hook["id"] == "ruff"]
    assert ruff["additional_dependencies"] == [f"ruff=={locked('all')['ruff'][0]}"]


def test_every_command_that_the_documents_name_is_a_target():
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert targets >= {"lab", "run", "test", "book"}
    for name in ("README.md", "CONTRIBUTING.md", ".ci/run"):
        words = (ROOT / name).read_text(encoding="utf-8")
        named = set(re.findall(r"(?:`|^ {4}|^)make ([a-z][a-z-]*)", words, flags=re.MULTILINE))
        assert named, f"{name} names no command"
        assert named <= targets, name


def test_no_file_holds_the_address_of_a_package_registry():
    hosts = ["pypi" + ".org", "pythonhosted" + ".org", "registry.npmjs" + ".org", "deb.debian" + ".org"]
    found = [
        f"{path.relative_to(ROOT)}: {host}"
        for path in tracked_files()
        for host in hosts
        if host.encode() in path.read_bytes()
    ]
    assert found == []


def test_the_wheel_carries_the_package_and_its_data(tmp_path):
    source = tmp_path / "source"
    shutil.copytree(ROOT / "aigc_lab", source / "aigc_lab", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-TEXT"):
        shutil.copy(ROOT / name, source)
    command = [
        sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
        "--disable-pip-version-check", "--wheel-dir", str(tmp_path), str(source),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name == f"aigc_lab-{aigc_lab.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if name.startswith("aigc_lab/")}
    here = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "aigc_lab").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert inside == here
    assert "aigc_lab/claims.json" in inside


FAKE_PYTHON = """\
#!/bin/sh
# Stands for Python: says its version, makes environments of copies of itself, logs what pip is asked.
case "$1 $2" in
    "-c import sys"*) [ -n "$FAKE_SUITS" ] ;;
    "-c import ensurepip"*) [ -z "$FAKE_BARE" ] ;;
    "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    "-m pip") echo "$*" >> pip.log; [ -z "$FAKE_BROKEN" ] ;;
    *) echo "unexpected: $*" >&2; exit 9 ;;
esac
"""


class Environment:
    """A copy of tools/environment.sh in a folder of its own, with a stand-in for Python."""

    def __init__(self, folder: Path):
        self.folder = folder
        for name in ("tools", "requirements", "bin"):
            (folder / name).mkdir()
        shutil.copy(ROOT / "tools/environment.sh", folder / "tools")
        (folder / "pyproject.toml").write_text("[project]\n")
        for name in LOCKS:
            (folder / "requirements" / f"{name}.lock").write_text(f"# {name}\n")
        (folder / "bin/python3").write_text(FAKE_PYTHON)
        (folder / "bin/python3").chmod(0o755)
        for tool in ("sh", "dirname", "cksum", "pwd", "cat", "rm", "mkdir", "touch", "cp"):
            (folder / "bin" / tool).symlink_to(shutil.which(tool))

    def make(self, name: str = "lab", **environment: str) -> subprocess.CompletedProcess[str]:
        settings = {"PATH": str(self.folder / "bin"), "FAKE_SUITS": "yes", **environment}
        command = ["/bin/sh", "tools/environment.sh", name]
        return subprocess.run(
            command, cwd=self.folder, env=settings, capture_output=True, text=True, check=False
        )

    def installs(self) -> int:
        log = self.folder / "pip.log"
        return log.read_text().count("--require-hashes") if log.exists() else 0


@pytest.fixture
def environment(tmp_path):
    if os.name != "posix":
        pytest.skip("make and sh are for POSIX systems")
    return Environment(tmp_path)


def test_the_environment_is_made_once(environment):
    made = environment.make()
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.endswith("The environment is ready.\n")
    again = environment.make()
    assert (again.returncode, again.stdout, environment.installs()) == (0, "", 1)


def test_the_environment_follows_the_lock_and_the_project_file(environment):
    environment.make()
    (environment.folder / "requirements/lab.lock").write_text("# newer\n")
    environment.make()
    assert environment.installs() == 2
    (environment.folder / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    environment.make()
    assert environment.installs() == 3


def test_the_large_environment_serves_for_the_small_one_but_not_the_other_way(environment):
    environment.make("lab")
    environment.make("all")
    assert environment.installs() == 2
    environment.make("lab")
    environment.make("all")
    assert environment.installs() == 2


def test_an_interrupted_environment_is_made_anew(environment):
    failed = environment.make(FAKE_BROKEN="yes")
    assert failed.returncode != 0
    (environment.folder / ".venv/left-over").write_text("")
    made = environment.make()
    assert made.returncode == 0
    assert "making it anew" in made.stdout
    assert not (environment.folder / ".venv/left-over").exists()
    assert environment.make().stdout == ""


def test_an_update_that_was_interrupted_is_made_anew(environment):
    environment.make()
    (environment.folder / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert environment.make(FAKE_BROKEN="yes").returncode != 0
    (environment.folder / "pyproject.toml").write_text("[project]\n")  # as it was when it was complete
    assert "making it anew" in environment.make().stdout


def test_without_a_suitable_python_one_sentence_says_so(environment):
    failed = environment.make(FAKE_SUITS="")
    assert failed.returncode == 1
    assert failed.stderr == (
        "AIGC Lab needs Python 3.11, 3.12 or 3.13 and found none: install one, or name it, as in"
        " 'make lab PYTHON=/path/to/python3.12'.\n"
    )
    assert not (environment.folder / ".venv").exists()
    named = environment.make(PYTHON="/nowhere/python3.12")
    assert named.stderr == "PYTHON=/nowhere/python3.12 is not Python 3.11, 3.12 or 3.13: name one that is.\n"


def test_another_python_is_found_when_python3_does_not_suit(environment):
    folder = environment.folder / "bin"
    (folder / "python3").rename(folder / "python3.12")
    (folder / "python3").write_text("#!/bin/sh\nexit 1\n")
    (folder / "python3").chmod(0o755)
    assert environment.make().returncode == 0


def test_a_python_without_venv_is_told_from_a_missing_one(environment):
    failed = environment.make(FAKE_BARE="yes")
    assert failed.returncode == 1
    assert "apt install python3-venv" in failed.stderr
    assert not (environment.folder / ".venv").exists()


CI_TOOLS = ("bash", "env", "dirname", "cat")


@pytest.fixture
def ci(tmp_path):
    """Runs a copy of .ci/run whose machine has only the tools that are named; returns (result, calls)."""

    def run(*tools: str, user: int = 0, failing: str = "", **environment: str):
        project, folder = tmp_path / "project", tmp_path / "bin"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (project / ".ci").mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / ".ci/run", project / ".ci/run")
        for tool in CI_TOOLS:
            (folder / tool).symlink_to(shutil.which(tool))
        calls = tmp_path / "calls"
        calls.write_text("")
        answers = {"id": str(user), "fc-list": "Some Chinese font"}
        for tool in ("make", "id", *tools):
            (folder / tool).write_text(
                f'#!/bin/sh\necho "{tool} $* mirror=$AIGC_LAB_MIRROR" >> "{calls}"\n'
                f"echo {answers.get(tool, '')}\n" + ("exit 1\n" if tool == failing else "")
            )
            (folder / tool).chmod(0o755)
        command = [folder / "bash", project / ".ci/run"]
        settings = {"PATH": str(folder), **environment}
        result = subprocess.run(
            command,
            env=settings,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        lines = [line for line in calls.read_text().splitlines() if not line.startswith(("id", "fc-list"))]
        return result, lines

    return run


def test_ci_only_tests_where_nothing_is_missing(ci):
    result, calls = ci("chromium", "fc-list", "apt-get")
    assert (result.returncode, calls) == (0, ["make test mirror="])


def test_ci_installs_a_browser_and_a_font_where_it_can(ci):
    result, calls = ci("apt-get", "fc-list")
    assert result.returncode == 0
    assert [call.split()[0:2] for call in calls] == [
        ["apt-get", "update"],
        ["apt-get", "install"],
        ["make", "test"],
    ]
    assert "chromium" in calls[1]
    assert "fonts-noto-cjk" in calls[1]


@pytest.mark.parametrize(("tools", "user"), [(("fc-list",), 0), (("fc-list", "apt-get"), 1000)])
def test_ci_says_so_where_it_cannot_install(ci, tools, user):
    result, calls = ci(*tools, user=user)
    assert (result.returncode, calls) == (0, ["make test mirror="])
    assert "browser tests may be skipped" in result.stdout


@pytest.mark.parametrize("failing", ["make", "apt-get"])
def test_ci_fails_where_a_step_fails(ci, failing):
    result, _ = ci("apt-get", "fc-list", failing=failing)
    assert result.returncode != 0


def test_ci_takes_the_data_from_beside_the_project(ci, tmp_path):
    data = tmp_path / "shared" / "data"
    data.mkdir(parents=True)
    assert ci("chromium", "fc-list")[1] == [f"make test mirror={data}"]
    assert ci("chromium", "fc-list", AIGC_LAB_MIRROR="elsewhere")[1] == ["make test mirror=elsewhere"]
