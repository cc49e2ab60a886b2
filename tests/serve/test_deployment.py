"""The container file and the manifest, validated against the code: neither can be run here."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from aigc_lab.backend import child_environment
from aigc_lab.serve import front

ROOT = Path(__file__).parents[2]
DEPLOYMENT = ROOT / "deployment"


@pytest.fixture(scope="module")
def container() -> dict[str, str]:
    """Instruction -> its last arguments, of the container file."""
    text = (DEPLOYMENT / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    return {"COPY": [words for name, words in lines if name == "COPY"]} | {
        name: words for name, words in lines if name != "COPY"
    }


@pytest.fixture(scope="module")
def objects() -> dict[str, dict]:
    documents = yaml.safe_load_all((DEPLOYMENT / "kubernetes.yaml").read_text())
    return {document["kind"]: document for document in documents}


@pytest.fixture(scope="module")
def pod(objects) -> dict:
    return objects["Deployment"]["spec"]["template"]["spec"]


def pins(path: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", path.read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_the_lock_has_all_that_the_service_imports_at_the_versions_of_the_lab(container):
    lock = (DEPLOYMENT / "serve.lock").read_text()
    assert "://" not in lock and "--hash=sha256:" in lock and "--require-hashes" in container["RUN"]
    packages, lab = pins(DEPLOYMENT / "serve.lock"), pins(ROOT / "requirements" / "lab.lock")
    assert all(versions <= lab[name] for name, versions in packages.items())
    assert not {"tensorflow", "keras", "torch"} & set(packages)
    code = (
        "import sys, json, importlib.metadata as m\n"
        "import aigc_lab.serve.__main__, aigc_lab.serve.app, aigc_lab.serve.workers\n"
        "import onnx, onnxruntime, PIL.Image\n"
        "owners, tops = m.packages_distributions(), {name.split('.')[0] for name in sys.modules}\n"
        "print(json.dumps(sorted({each for top in tops for each in owners.get(top, [])})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=child_environment(), capture_output=True, text=True, check=True
    )
    used = {name.lower().replace("_", "-").replace(".", "-") for name in json.loads(done.stdout)}
    # What lies around here and is taken up if it is there, such as setuptools by an editable install.
    assert used - set(packages) <= {"aigc-lab", "setuptools"}


def test_the_container_starts_the_service_as_nobody_in_particular(container):
    assert json.loads(container["ENTRYPOINT"]) == ["python", "-m", "aigc_lab.serve"]
    assert json.loads(container["CMD"]) == ["/models", "--host", "0.0.0.0"]
    assert container["USER"] != "0" and f"--uid {container['USER']}" in container["RUN"]
    assert (
        container["EXPOSE"] == "8000" and f":{container['EXPOSE']}{front.OPEN[1]}" in container["HEALTHCHECK"]
    )
    for copied in container["COPY"]:
        assert (ROOT / copied.split()[0]).exists()


def test_the_manifest_agrees_with_the_container_and_the_code(container, objects, pod, capsys):
    from aigc_lab.serve.__main__ import main

    (serve,) = pod["containers"]
    assert serve["ports"] == [{"name": "http", "containerPort": int(container["EXPOSE"])}]
    assert serve["args"][:3] == json.loads(container["CMD"])
    with pytest.raises(SystemExit):  # every option is one
        main([*serve["args"], "--help"])
    helped = capsys.readouterr().out
    assert all(option in helped for option in serve["args"] if option.startswith("--"))
    paths = {serve[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert paths == set(front.OPEN)  # asked without the key
    assert serve["env"][0]["name"] == "AIGC_LAB_KEY"
    assert f"TMPDIR={serve['volumeMounts'][1]['mountPath']}" in container["ENV"]
    assert pod["securityContext"]["runAsUser"] == int(container["USER"])
    assert serve["securityContext"]["readOnlyRootFilesystem"] and pod["securityContext"]["runAsNonRoot"]
    assert [each["name"] for each in serve["volumeMounts"]] == [each["name"] for each in pod["volumes"]]
    # The pause before SIGTERM, ten seconds of a request, and five that uvicorn waits beyond them.
    assert pod["terminationGracePeriodSeconds"] > serve["lifecycle"]["preStop"]["sleep"]["seconds"] + 15
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert objects["Deployment"]["spec"]["replicas"] == 2
    assert objects["Service"]["spec"]["selector"] == labels
    assert objects["Service"]["spec"]["ports"][0]["targetPort"] == serve["ports"][0]["name"]
    assert objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
