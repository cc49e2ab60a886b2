"""A service that cannot serve does not start: one sentence, exit code 2. And what guards a single line."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket

import numpy as np
import pytest

from aigc_lab.serve.__main__ import main
from aigc_lab.serve.versions import Ask, Versions, png


@pytest.fixture(autouse=True)
def no_key(monkeypatch, tmp_path):
    monkeypatch.delenv("AIGC_LAB_KEY", raising=False)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))  # main sets it; here it is set back


def external(path):
    """Let the generator keep a weight in a file outside its folder."""
    import onnx

    model = onnx.load(path)
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../../secret")
    path.write_bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("change", "arguments", "words"),
    [
        ("none", ["--port", "{taken}"], "choose another with --host and --port"),
        ("none", ["--port", "70000"], "choose another with --host and --port"),
        ("none", ["--host", "no.such.host.invalid", "--no-key"], "choose another with --host and --port"),
        ("none", ["--host", "0.0.0.0"], "0.0.0.0 is open to other machines: give a key"),
        ("none", ["--key-file", "nowhere"], "cannot read the key from nowhere"),
        ("none", ["--key-file", "short"], "a key has at least 16"),
        ("none", ["--share", "shapes-0"], "--share must be VERSION=SHARE"),
        ("none", ["--share", "shapes-0=1.5"], "the shares must lie from 0 to 1"),
        ("none", ["--share", "shapes-0=nan"], "the shares must lie from 0 to 1"),
        ("none", ["--share", "shapes-9=0.5"], "there is no version 'shapes-9'; there is shapes-0, shapes-1"),
        ("none", ["--share", "shapes-2=0.5"], "generator.onnx is not an ONNX model"),
        ("none", ["--queue", "10"], "--queue must be at least 64, got 10"),
        ("none", ["--workers", "0"], "--workers must be at least 1"),
        ("none", ["--timeout", "nan"], "--timeout must be at least 0.001"),
        ("none", ["--log", "nowhere/log"], "nowhere/log"),
        ("no folder", [], "there is no folder"),
        ("no live.json", [], "no version in"),
        ("live is broken", [], "generator.onnx is not an ONNX model that onnxruntime can run"),
        ("live is gone", [], "shapes-7"),
        ("changed", [], "generator.onnx of shapes-1 is not the file that was exported"),
        ("external", [], "keeps weights in another file"),
        ("enlarges", [], "holds no generator.onnx that draws images from a seed"),
        ("other inputs", [], "cannot be run"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_sentence(
    folder, state_hash, tmp_path, monkeypatch, capsys, change, arguments, words
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short").write_text("secret")
    live, generator = folder / "live.json", folder / "shapes-1" / "generator.onnx"
    if change == "no folder":
        shutil.rmtree(folder)
    elif change == "no live.json":
        live.unlink()
    elif change == "live is broken":
        live.write_text('{"version": "shapes-2"}')
    elif change == "live is gone":
        live.write_text('{"version": "shapes-7"}')
    elif change == "changed":
        generator.write_bytes(generator.read_bytes() + b"x")
    elif change == "external":
        external(generator)
        state_hash(generator.parent)
    elif change in ("enlarges", "other inputs"):
        path = generator.with_name("export.json")
        manifest = json.loads(path.read_text())
        if change == "enlarges":
            manifest = {"scale": 2, "files": manifest["files"]}
        else:
            manifest["latent_size"] = 5
        path.write_text(json.dumps(manifest))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        arguments = [each.format(taken=taken.getsockname()[1]) for each in arguments]
        assert main([str(folder), *arguments]) == 2
    told = capsys.readouterr().err
    assert words in told and told.count("\n") == 1 and "Traceback" not in told


def test_a_single_export_is_served_and_has_no_other_versions(folder):
    versions = Versions(folder / "shapes-0", {}, 4)
    assert versions.names() == ["shapes-0"] and versions.live().name == "shapes-0"
    (images,) = versions.live().draw([Ask(seed=1, label=None, count=3)])
    assert images.shape == (3, 6, 5, 1) and images.dtype == np.uint8
    with pytest.raises(ValueError, match="is one export: serve the folder above it"):
        versions.set_live("shapes-0")
    with pytest.raises(KeyError, match="there is shapes-0"):
        versions.open("shapes-1")


def test_a_sheet_has_every_image_once_and_black_where_there_is_none():
    images = np.arange(1, 6, dtype="uint8")[:, None, None, None] * np.ones((2, 3, 3), "uint8")
    import io

    from PIL import Image

    sheet = np.asarray(Image.open(io.BytesIO(png(images))))
    assert sheet.shape == (4, 9, 3)
    assert sheet[::2, ::3, 0].tolist() == [[1, 2, 3], [4, 5, 0]]


def test_lines_of_the_log_are_whole_and_no_reader_is_waited_for():
    from aigc_lab.serve import front

    reading, writing = os.pipe()
    log = front.Log(writing)
    for number in range(200):
        log.line({"number": number, "words": "é\n" * 20})
    log.close()
    os.close(writing)
    with os.fdopen(reading) as stream:
        lines = [json.loads(line) for line in stream]
    assert [line["number"] for line in lines] == list(range(200))


def test_a_head_that_does_not_end_is_cut_off(monkeypatch):
    """uvicorn alone waits for ever, and lets a head grow for ever."""
    import uvicorn
    from uvicorn.server import ServerState

    from aigc_lab.serve import front

    monkeypatch.setattr(front, "HEAD_SECONDS", 0.05)
    monkeypatch.setattr(front, "HEAD_BYTES", 10_000)

    async def answer(scope, receive, send):
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def check():
        config = uvicorn.Config(answer, http=front.Protocol, lifespan="off", log_level="critical")
        config.load()
        server = await asyncio.get_running_loop().create_server(
            lambda: front.Protocol(config, ServerState(), {}), "127.0.0.1", 0
        )
        port = server.sockets[0].getsockname()[1]

        async def ask(words: bytes) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(words)
            said = await asyncio.wait_for(reader.read(), 10)
            writer.close()
            return said

        whole = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        assert (await ask(whole)).startswith(b"HTTP/1.1 204")
        assert await ask(b"GET / HTTP/1.1\r\nHost: x\r\nSlow") == b""
        assert await ask(b"GET / HTTP/1.1\r\nA: " + b"x" * 20_000) == b""
        assert await ask(b"") == b""
        server.close()

    asyncio.run(check())
