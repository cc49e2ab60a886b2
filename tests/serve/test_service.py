"""A service as a process on this machine: what it answers, and what bad input is told."""

from __future__ import annotations

import base64
import io
import json
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aigc_lab import deploy

# Answers ------------------------------------------------------------------------------------------------


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


@pytest.mark.parametrize(("label", "count"), [("dog", 1), (2, 4), (None, 5)])
def test_it_draws_what_the_exported_file_draws(service, models, label, count):
    expected = deploy.draw_with_onnx(models / "shapes-1" / "generator.onnx", count, label, seed=7)
    expected = np.rint(expected * 255).astype("uint8")
    status, headers, body = service.generate(seed=7, label=label, count=count, format="json")
    told = json.loads(body)
    assert status == 200 and headers["content-type"] == "application/json"
    assert np.array_equal(told["pixels"], expected)
    assert told["version"] == headers["x-model-version"] == "shapes-1"
    assert told["sha256"] == headers["x-model-sha256"] == service.json("/readyz")["sha256"]
    status, headers, body = service.generate(seed=7, label=label, count=count)
    assert status == 200 and headers["content-type"] == "image/png"
    sheet = pixels(body)
    columns = int(np.ceil(np.sqrt(count)))
    for number, image in enumerate(expected):
        row, column = divmod(number, columns)
        assert np.array_equal(sheet[6 * row :, 5 * column :][:6, :5], image[..., 0])


def test_the_bytes_of_an_answer_do_not_depend_on_its_company(service):
    wishes = [{"seed": seed, "label": seed % 3, "count": 1 + seed % 2} for seed in range(40)]
    alone = [service.generate(**wish)[2] for wish in wishes]
    runs = service.metric("aigc_batch_images_count")
    with ThreadPoolExecutor(8) as threads:  # at most 8 wait: the queue takes them
        together = list(threads.map(lambda wish: service.generate(**wish)[2], wishes))
    assert together == alone and len(set(alone)) == 40
    assert service.metric("aigc_batch_images_count") <= runs + 40
    assert service.json("/versions")["versions"][1]["batch_difference"] == 0


def test_health_card_versions_metrics_and_log(service):
    before = service.metric("aigc_answers_total"), service.metric("aigc_generate_seconds_count")
    assert service.ask("GET", "/healthz", key=None)[0] == service.ask("GET", "/readyz", key=None)[0] == 200
    _, headers, card = service.ask("GET", "/card")
    assert headers["content-type"].startswith("text/markdown") and b"Shapes <i>" in card
    told = service.json("/versions")
    assert told["live"] == "shapes-1" and [each["version"] for each in told["versions"]] == [
        "shapes-0", "shapes-1", "shapes-2",
    ]  # fmt: skip
    assert service.generate(seed=123456, label="cat")[0] == 200
    after = service.metric("aigc_answers_total"), service.metric("aigc_generate_seconds_count")
    assert after[0] - before[0] >= 7 and after[1] - before[1] == 1
    name = service.generate(seed=654321, label="dog", count=2)[1]["x-request-id"]
    line = json.loads(wait_for_line(service.log, name))
    assert line["ms"] > 0 and line["time"] > 0
    told = {"status": 200, "seed": 654321, "label": 1, "count": 2, "version": "shapes-1", "path": "/generate"}
    assert {key: line[key] for key in told} == told


def test_a_class_that_alone_is_asked_for_raises_the_alarm(service):
    connection = service.connection()
    for seed in range(200):
        assert service.generate(connection, seed=seed, label="dog")[0] == 200
    connection.close()
    told = service.json("/monitor")
    assert list(told["versions"]) == ["shapes-1"] and told["workers"] == 1  # the others have no judge
    streams = told["versions"]["shapes-1"]["streams"]
    assert streams["asked"]["alarm"] and streams["asked"]["counts"][1] >= 200
    assert streams["recognised"]["items"] >= 20  # one answer in ten was judged
    assert service.metric("aigc_monitor_alarm") == 1
    assert b"alarm after" in service.ask("GET", "/")[2]


def wait_for_line(path: Path, words: str) -> str:
    """The line of a file that holds these words, which come within a tenth of a second or so."""
    for _ in range(200):
        found = [line for line in path.read_text().splitlines() if words in line]
        if found:
            return found[0]
        time.sleep(0.05)
    raise AssertionError(f"no line with {words}")


def test_openapi_names_every_path_and_no_page_needs_another_host(service):
    schema = service.json("/openapi.json")
    wish = schema["paths"]["/generate"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert wish["properties"]["count"]["maximum"] == 8 and set(wish["properties"]) == {
        "seed", "label", "count", "format", "version",
    }  # fmt: skip
    _, headers, page = service.ask("GET", "/?seed=3&label=cat&count=4")
    page = page.decode()
    for path in schema["paths"]:
        assert path in page
    assert "default-src 'none'" in headers["content-security-policy"]
    assert not re.findall(r"https?://|<script|src=\"(?!data:)|<link", page)
    assert service.ask("GET", "/docs")[0] == 404


@pytest.mark.parametrize("query", ["label=<script>alert(1)</script>", "seed=<script>", "count=<script>"])
def test_html_in_a_request_is_text_on_the_page(service, query):
    status, _, page = service.ask("GET", f"/?{query.replace('<', '%3C').replace('>', '%3E')}")
    assert status == 422 and b"<script" not in page and b"&lt;script" in page
    assert b"<i>" not in page and b"<b>&owl" not in page  # of the title and of a class's name neither


# Bad input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 422, "Invalid JSON"),
        (b"{", 422, "Invalid JSON"),
        (b"\xff\xfe", 422, "Invalid JSON"),
        (b"[" * 50_000, 422, "Invalid JSON"),
        (b"[]", 422, "the body: Input should be an object"),
        ({"count": 10**6}, 422, "count: at most 8 images a request, got 1000000"),
        ({"count": -1}, 422, "count: Input should be greater than or equal to 1"),
        ({"count": 0}, 422, "count: Input should be greater than or equal to 1"),
        ({"count": "3"}, 422, "count: Input should be a valid integer"),
        ({"count": 1.5}, 422, "count: Input should be a valid integer"),
        ({"count": True}, 422, "count: Input should be a valid integer"),
        ({"seed": -1}, 422, "seed: Input should be greater than or equal to 0"),
        ({"seed": 2**63}, 422, "seed: Input should be less than"),
        (b'{"seed": ' + b"9" * 5000 + b"}", 422, "number out of range"),
        (b'{"label": "\\ud800"}', 422, "Invalid JSON"),
        ({"label": "lion"}, 422, "has no class 'lion'; its classes are cat, dog, <b>&owl"),
        ({"label": 3}, 422, "has no class '3'; its classes are cat"),
        ({"label": -1}, 422, "has no class '-1'"),
        ({"label": ["cat"]}, 422, "label: "),
        ({"label": True}, 422, "label: "),
        ({"format": "gif"}, 422, "format: Input should be 'png' or 'json'"),
        ({"sead": 1}, 422, "sead: Extra inputs are not permitted"),
        ({"version": "shapes-9"}, 404, "no version 'shapes-9'; there is shapes-0, shapes-1, shapes-2"),
        ({"version": "../models/shapes-0"}, 404, "no version '../models/shapes-0'"),
        ({"version": ".."}, 404, "no version '..'"),
        ({"version": ""}, 404, "no version ''"),
        ({"version": "shapes-2"}, 409, "is not an ONNX model"),
        (b'{"label": "' + b"x" * 70_000 + b'"}', 413, "the body is larger than 65,536 bytes"),
    ],
)  # fmt: skip
def test_bad_input_is_told_what_is_wrong(service, body, status, words):
    given, _, answer = service.ask("POST", "/generate", body)
    assert given == status and words in json.loads(answer)["detail"]
    assert service.generate(seed=1)[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/generate", 405),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/card?version=../shapes-0", 404),
        ("POST", "/versions/..%2f..%2fetc/live", 404),
        ("POST", "/versions/../live", 404),
        ("POST", "/versions/shapes-9/live", 404),
    ],
)
def test_paths_that_lead_nowhere(service, method, path, status):
    assert service.ask(method, path)[0] == status


def raw(port: int, *pieces: bytes) -> bytes:
    """What comes back until the service closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        try:
            for piece in pieces:
                line.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it does not read to the end
        answer = b""
        try:
            while piece := line.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
    return answer


HEAD = b"POST /generate HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer 0123456789abcdef-key\r\n"


def test_a_body_of_100_megabytes_is_refused_unread(service):
    stated = raw(service.port, HEAD + b"Content-Length: 104857600\r\n\r\n", b"x" * 100_000)
    assert stated.startswith(b"HTTP/1.1 413") and b"connection: close" in stated.lower()
    # Without a stated length: pieces that never end.
    pieces = [b"10000\r\n" + b"x" * 65536 + b"\r\n"] * 20
    assert raw(service.port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *pieces).startswith(
        b"HTTP/1.1 413"
    )


def test_a_body_that_does_not_arrive_is_not_waited_for(service):
    answer = raw(service.port, HEAD + b"Content-Length: 100\r\n\r\n", b"{")
    assert answer.startswith(b"HTTP/1.1 408") and b"did not arrive within 5 s" in answer
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as line:
        line.sendall(HEAD.replace(b"/generate", b"/generate?left") + b"Content-Length: 100\r\n\r\n{")
    assert json.loads(wait_for_line(service.log, '"status": 400'))["path"] == "/generate"
    assert raw(service.port, b"\x16\x03\x01 this is no HTTP\r\n\r\n").startswith(b"HTTP/1.1 400")


def test_a_full_queue_says_when_to_come_again_and_keeps_nothing(service):
    """30 requests whose last byte arrives at nearly the same time, of 8 images each; 16 may wait."""
    before = service.generate(seed=5)[2]
    body = b'{"count": 8}'
    lines = [socket.create_connection(("127.0.0.1", service.port), timeout=30) for _ in range(30)]
    for line in lines:
        line.sendall(HEAD + b"Content-Length: 12\r\nConnection: close\r\n\r\n" + body[:-1])
    for line in lines:
        line.sendall(body[-1:])
    answers = []
    for line in lines:
        answer = b""
        while piece := line.recv(65536):
            answer += piece
        answers.append(answer)
        line.close()
    refused = [answer for answer in answers if answer.startswith(b"HTTP/1.1 503")]
    drawn = [answer for answer in answers if answer.startswith(b"HTTP/1.1 200")]
    assert refused and drawn and len(refused) + len(drawn) == 30
    assert all(b"retry-after: 1" in answer.lower() for answer in refused)
    assert service.metric("aigc_images_waiting") == 0 and service.generate(seed=5)[2] == before


def test_a_refusal_reaches_a_client_that_is_still_sending(service):
    """No key: it is refused from its head alone, while half a megabyte is on the way."""
    head = HEAD.replace(b"-key", b"-none") + b"Content-Length: 500000\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as line:
        line.sendall(head + b" " * 500_000)
        answer = b""
        while piece := line.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 401") and answer.endswith(b"}")


# The key, and versions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, "wrong", "0123456789abcdef", "é"])
def test_without_the_key_nothing_is_told(service, key):
    given = {} if key is None else {"Authorization": f"Bearer {key}".encode()}
    for method, path in (("POST", "/generate"), ("GET", "/"), ("GET", "/metrics"), ("GET", "/card")):
        connection = service.connection()
        connection.request(method, path, b"{}", given)
        answer = connection.getresponse()
        assert answer.status == 401 and answer.getheader("www-authenticate")
        connection.close()


def test_a_browser_gives_the_key_as_its_password_but_cannot_roll_back(service):
    word = base64.b64encode(b"anyone:0123456789abcdef-key").decode()
    for path, method, status in (("/", "GET", 200), ("/versions/shapes-0/live", "POST", 403)):
        connection = service.connection()
        connection.request(method, path, headers={"Authorization": f"Basic {word}"})
        assert connection.getresponse().status == status
        connection.close()
    assert service.json("/versions")["live"] == "shapes-1"


def test_roll_back_and_a_broken_version_is_refused(service, models):
    newer, older = (service.generate(seed=4, version=name)[2] for name in ("shapes-1", "shapes-0"))
    assert newer != older and service.generate(seed=4)[2] == newer
    status, _, body = service.ask("POST", "/versions/shapes-2/live")
    assert status == 409 and "shapes-1 goes on serving" in json.loads(body)["detail"]
    assert service.generate(seed=4)[2] == newer and deploy.live(models)["version"] == "shapes-1"
    try:
        status, _, body = service.ask("POST", "/versions/shapes-0/live")
        assert status == 200 and json.loads(body)["live"] == "shapes-0"
        _, headers, body = service.generate(seed=4)
        assert body == older and headers["x-model-version"] == "shapes-0"
        # Whoever writes the file rolls back as well; what it names and cannot serve is not taken.
        (models / "live.json").write_text(json.dumps({"version": "shapes-2"}))
        assert service.generate(seed=4)[2] == older
        told = service.json("/versions")
        assert told["live"] == "shapes-0" and "not an ONNX model" in told["refused"]
        assert b"Refused" in service.ask("GET", "/")[2]
        (models / "live.json").write_text("{")
        assert service.generate(seed=4)[2] == older
    finally:
        (models / "live.json").write_text(json.dumps({"version": "shapes-1", "previous": "shapes-0"}))
    assert service.generate(seed=4)[2] == newer and service.json("/versions")["refused"] is None
