"""A folder of small models, and services that run as processes on this machine."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aigc_lab.backend import child_environment

CLASSES = ["cat", "dog", "<b>&owl"]
KEY = "0123456789abcdef-key"
SHAPE = [6, 5, 1]


def write_version(folder: Path, seed: int = 0, layers: int = 1) -> Path:
    """An export as ``deploy.export`` writes it, of a network with random weights; without TensorFlow."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(seed)
    pixels = int(np.prod(SHAPE))

    def constant(name: str, *shape: int) -> Any:
        values = random.standard_normal(shape, dtype="float32") / np.float32(np.sqrt(shape[0]))
        return numpy_helper.from_array(values, name)

    weights = [constant("latent_weight", 8, pixels), constant("label_weight", len(CLASSES), pixels)]
    nodes = [
        helper.make_node("MatMul", ["latent", "latent_weight"], ["a"]),
        helper.make_node("MatMul", ["label", "label_weight"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["hidden0"]),
    ]
    for layer in range(layers):
        weights.append(constant(f"weight{layer}", pixels, pixels))
        nodes += [
            helper.make_node("MatMul", [f"hidden{layer}", f"weight{layer}"], [f"product{layer}"]),
            helper.make_node("Tanh", [f"product{layer}"], [f"hidden{layer + 1}"]),
        ]
    weights.append(numpy_helper.from_array(np.array([-1, *SHAPE]), "shape"))
    nodes += [
        helper.make_node("Sigmoid", [f"hidden{layers}"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["pixels"]),
    ]
    kind = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "generator",
        [
            helper.make_tensor_value_info("latent", kind, ["batch", 8]),
            helper.make_tensor_value_info("label", kind, ["batch", len(CLASSES)]),
        ],
        [helper.make_tensor_value_info("pixels", kind, ["batch", *SHAPE])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    facts = {"image_shape": SHAPE, "latent_size": 8, "class_count": len(CLASSES), "class_names": CLASSES}
    helper.set_model_props(
        model, {"title": "Shapes"} | {key: json.dumps(fact) for key, fact in facts.items()}
    )
    folder.mkdir(parents=True)
    onnx.save(model, folder / "generator.onnx")
    write_manifest(folder, facts)
    return folder


def write_judge(folder: Path) -> None:
    """A judge of the same classes, with random weights, and what it says of 1,000 images."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from aigc_lab.serve import monitor

    pixels, kind = int(np.prod(SHAPE)), TensorProto.FLOAT
    values = np.random.default_rng(9).standard_normal((pixels, len(CLASSES)), dtype="float32")
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["image"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weight"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"]),
        ],
        "judge",
        [helper.make_tensor_value_info("image", kind, ["batch", *SHAPE])],
        [helper.make_tensor_value_info("probabilities", kind, ["batch", len(CLASSES)])],
        [numpy_helper.from_array(values, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    helper.set_model_props(model, {"class_names": json.dumps(CLASSES)})
    onnx.save(model, folder / "judge.onnx")
    monitor.write_reference(folder, images=1000)


def write_manifest(folder: Path, facts: dict[str, Any] | None = None) -> None:
    """State the generator's hash anew: what is wrong with it is then not that it was changed."""
    path = folder / "export.json"
    manifest = (
        json.loads(path.read_text()) if facts is None else {"title": "Shapes <i>", "licence": "MIT", **facts}
    )
    content = (folder / "generator.onnx").read_bytes()
    file = {"name": "generator.onnx", "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    path.write_text(json.dumps(manifest | {"versions": {"numpy": "2"}, "files": {"onnx": file}}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Versions shapes-0 and shapes-1 (live, watched), and shapes-2, whose generator is no ONNX file."""
    return write_models(tmp_path / "models")


def write_models(place: Path) -> Path:
    for number in range(3):
        write_version(place / f"shapes-{number}", seed=number)
    write_judge(place / "shapes-1")
    (place / "shapes-2" / "generator.onnx").write_bytes(b"not a model")
    write_manifest(place / "shapes-2")
    (place / "live.json").write_text(json.dumps({"version": "shapes-1", "previous": None}))
    return place


class Service:
    """A running service: where it listens, and how to ask it."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process, self.port = process, port

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(
        self, method: str, path: str, body: Any = None, key: str | None = KEY, connection: Any = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (lower case) and body of an answer."""
        to = connection or self.connection()
        content = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        to.request(method, path, content, {"Authorization": f"Bearer {key}"} if key else {})
        answer = to.getresponse()
        content = answer.read()
        if connection is None:
            to.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, content

    def generate(self, connection: Any = None, **wish: Any) -> tuple[int, dict[str, str], bytes]:
        return self.ask("POST", "/generate", wish, connection=connection)

    def json(self, path: str) -> Any:
        status, _, body = self.ask("GET", path)
        assert status == 200, body
        return json.loads(body)

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        text = self.ask("GET", "/metrics")[2].decode()
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))


@contextlib.contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Service]:
    """A service on a free port, ready when this returns."""
    process = subprocess.Popen(
        [sys.executable, "-m", "aigc_lab.serve", str(folder), "--port", "0", *arguments],
        env=child_environment(AIGC_LAB_KEY=KEY),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        said = process.stderr.readline()
        found = re.search(r":(\d+) with", said)
        assert found, said + process.stderr.read()
        service = Service(process, int(found[1]))
        assert service.ask("GET", "/readyz")[0] == 200
        yield service
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        finally:
            process.kill()
            process.stderr.close()


@pytest.fixture(scope="session")
def serve() -> Callable[..., Any]:
    return running


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As ``folder``, for all tests that share the service."""
    return write_models(tmp_path_factory.mktemp("shared") / "models")


@pytest.fixture(scope="session")
def service(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One worker with a small queue and a log; tests leave shapes-1 live."""
    log = tmp_path_factory.mktemp("log") / "lines.jsonl"
    limits = ["--largest", "8", "--queue", "16", "--timeout", "5"]
    with running(models, *limits, "--log", str(log)) as started:
        started.log = log
        yield started


@pytest.fixture(scope="session")
def state_hash() -> Callable[[Path], None]:
    """Writes the hash of a changed generator into its manifest."""
    return write_manifest
