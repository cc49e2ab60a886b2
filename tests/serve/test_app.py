"""The application without a network: a model that hangs, and one that fails."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from aigc_lab.serve.app import make_app
from aigc_lab.serve.versions import Version


async def call(app, wish: dict) -> tuple[int, bytes]:
    """Status and content of the answer to ``POST /generate``."""
    messages = []
    body = json.dumps(wish).encode()

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        messages.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": "/generate", "raw_path": b"/generate", "root_path": "", "query_string": b"", "state": {},
        "headers": [(b"content-length", str(len(body)).encode())], "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }  # fmt: skip
    await app(scope, receive, send)
    return messages[0]["status"], b"".join(message.get("body", b"") for message in messages[1:])


def test_a_model_that_hangs_is_given_up_and_what_waited_for_it_in_vain_is_not_drawn(
    folder, tmp_path, monkeypatch
):
    go, drawn = threading.Event(), []
    real = Version.draw

    def slow(self, asks):
        assert go.wait(30)
        drawn.extend(ask.seed for ask in asks)
        return real(self, asks)

    app = make_app(folder, log=tmp_path / "log", timeout=0.05)
    monkeypatch.setattr(Version, "draw", slow)

    async def check():
        first = await asyncio.gather(*(call(app, {"seed": seed}) for seed in (1, 2)))
        late = await call(app, {"seed": 3})
        for status, content in (*first, late):
            assert status == 504 and b"not drawn within 0.05 s" in content
        go.set()
        while (await call(app, {"seed": 4}))[0] == 504:  # the machine may be slow
            pass
        assert 3 not in drawn and {1, 2, 4} <= set(drawn)

    asyncio.run(check())


def test_a_version_that_fails_in_the_middle_spoils_no_request_for_another(folder, tmp_path, monkeypatch):
    real = Version.draw

    def failing(self, asks):
        if self.name == "shapes-0":
            raise RuntimeError("broken")
        return real(self, asks)

    app = make_app(folder, log=tmp_path / "log")
    monkeypatch.setattr(Version, "draw", failing)

    async def check():
        answers = [call(app, {"seed": seed, "version": f"shapes-{seed % 2}"}) for seed in range(6)]
        results = await asyncio.gather(*answers, return_exceptions=True)
        assert [isinstance(each, RuntimeError) or each[0] for each in results] == [True, 200] * 3

    asyncio.run(check())


@pytest.mark.parametrize("shares", [{"shapes-0": 0.5}, {"shapes-0": 1.0}])
def test_the_rest_goes_to_the_live_version(folder, tmp_path, shares):
    from aigc_lab.serve.versions import Versions

    versions = Versions(folder, shares, 4)
    chosen = {seed: versions.choose(seed, "cat").name for seed in range(300)}
    assert (set(chosen.values()) == {"shapes-0"}) == (shares["shapes-0"] == 1.0)
    assert chosen == {seed: versions.choose(seed, "cat").name for seed in range(300)}
