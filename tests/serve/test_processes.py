"""What happens when a worker is killed, the service is ended, or the log's disk is full."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from aigc_lab.serve.load import Load

KEY = "0123456789abcdef-key"


def test_a_worker_killed_under_load_no_request_without_an_answer_and_a_new_worker(serve, folder):
    with serve(folder, "--workers", "2") as service:
        expected = service.generate(seed=3, label="cat")[2]

        def worker() -> str:
            return service.generate(seed=3, label="cat")[1]["x-request-id"].split("-")[0]

        first = {worker() for _ in range(60)}  # the kernel spreads new connections over both
        assert len(first) == 2
        killed = int(first.pop())

        async def check():
            load = Load(service.port, None, 24, lambda seed: json.dumps({"seed": seed}).encode(), KEY)
            running = asyncio.create_task(load.run(2.0))
            while load.result.statuses[200] < 100 and not running.done():
                await asyncio.sleep(0.001)
            os.kill(killed, signal.SIGKILL)
            return await running

        result = asyncio.run(check())
        assert result.statuses == {200: result.offered} and result.unanswered == 0
        assert result.retried > 0  # those on the killed worker's connections were told, and asked again
        seen, deadline = set(), time.monotonic() + 60
        while len(seen) < 2 and time.monotonic() < deadline:  # until the new worker answers, too
            seen.add(worker())
        assert len(seen) == 2 and str(killed) not in seen
        assert service.generate(seed=3, label="cat")[2] == expected
        # What the dead one had counted is not forgotten.
        assert service.metric("aigc_generate_seconds_count") > result.offered


def test_sigterm_answers_what_was_accepted_and_closes_the_rest(serve, folder, tmp_path):
    log = tmp_path / "log"
    with serve(folder, "--log", str(log)) as service:
        idle = socket.create_connection(("127.0.0.1", service.port), timeout=30)
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while not answer.endswith(b"}"):
            answer += idle.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200")
        accepted = [socket.create_connection(("127.0.0.1", service.port), timeout=30) for _ in range(5)]
        for line in accepted:
            line.sendall(
                b"POST /generate HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + KEY.encode()
                + b"\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n"
            )  # fmt: skip
            assert line.recv(65536).startswith(b"HTTP/1.1 100")  # the application waits for the body
        service.process.send_signal(signal.SIGTERM)
        assert idle.recv(65536) == b""  # closed: the end has begun
        for line in accepted:
            line.sendall(b'{"count":2}')
            assert line.recv(65536).startswith(b"HTTP/1.1 200")
            line.close()
        assert service.process.wait(30) == 0
        idle.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", service.port), timeout=30)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert sum(line["path"] == "/generate" and line["status"] == 200 for line in lines) == 5


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_for_the_log_stops_nothing_and_is_counted(serve, folder):
    with serve(folder, "--log", "/dev/full") as service:
        assert all(service.generate(seed=seed)[0] == 200 for seed in range(20))
        for _ in range(1000):
            if service.metric("aigc_log_lines_lost_total") >= 20:
                break
        assert service.metric("aigc_log_lines_lost_total") >= 20
        assert service.generate(seed=1)[0] == 200


def test_workers_end_when_their_supervisor_is_killed(serve, folder):
    with serve(folder) as service:
        worker = int(service.generate(seed=1)[1]["x-request-id"].split("-")[0])
        service.process.kill()
        service.process.wait(30)
        ended = threading.Event()

        def wait() -> None:
            state = Path(f"/proc/{worker}/stat")  # "Z": ended, and nobody has asked for its exit status yet
            while state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z":
                ended.wait(0.02)
            ended.set()

        threading.Thread(target=wait, daemon=True).start()
        assert ended.wait(30)


def test_two_versions_side_by_side_answer_their_shares(serve, folder):
    with serve(folder, "--share", "shapes-0=0.25", "--workers", "2") as service:
        connection = service.connection()
        said = [
            service.generate(connection, seed=seed, label="cat")[1]["x-model-version"] for seed in range(400)
        ]
        connection.close()
        # Which version answers depends on the seed alone: another worker, a new connection, the same answer.
        again = [service.generate(seed=seed, label="cat")[1]["x-model-version"] for seed in range(40)]
        assert again == said[:40]
        share = said.count("shapes-0") / 400
        assert set(said) == {"shapes-0", "shapes-1"} and abs(share - 0.25) < 0.09  # 4 standard errors
        drawn = {name: service.generate(seed=1, version=name)[2] for name in ("shapes-0", "shapes-1")}
        assert drawn["shapes-0"] != drawn["shapes-1"]
        assert service.json("/versions")["shares"] == {"shapes-0": 0.25}
