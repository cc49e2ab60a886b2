"""The load tool: what it counts, and from when."""

from __future__ import annotations

import asyncio
import json
import socket

from aigc_lab.serve.load import Load, main

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"
FULL = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"


def served(answers, rate, connections, seconds=0.3):
    """The result of a load on a server whose answer to each request ``answers`` gives: (seed) -> pieces."""

    async def check():
        async def serve(reader, writer):
            try:
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
                    pieces = answers(json.loads(await reader.readexactly(length))["seed"])
                    if pieces is None:
                        return
                    for piece in pieces:
                        if isinstance(piece, asyncio.Event):
                            await piece.wait()
                        else:
                            writer.write(piece)
                            await writer.drain()
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        load = Load(port, rate, connections, lambda seed: json.dumps({"seed": seed}).encode())
        result = await load.run(seconds)
        server.close()
        return result

    return asyncio.run(check())


def test_every_request_is_counted_once_with_its_status():
    result = served(lambda seed: [FULL if seed % 3 == 0 else ANSWER], 200, 4)
    assert result.offered == 60 and result.statuses == {200: 40, 503: 20} and len(result.latencies) == 40
    row = result.row()
    assert (row["answered"], row["served"], row["refused"], row["other"]) == (60, 40, 20, 0)


def test_an_answer_in_pieces_is_one_answer():
    result = served(lambda seed: [ANSWER[:5], ANSWER[5:30], ANSWER[30:]], None, 2, seconds=0.1)
    assert result.statuses == {200: result.offered} and result.offered >= 2


def test_a_latency_counts_from_when_the_request_was_due():
    """One connection whose first answer is held back: those behind it wait as well, and that is noted."""
    held = []

    def answers(seed):
        if seed:
            return [ANSWER]
        held.append(asyncio.Event())
        asyncio.get_running_loop().call_later(0.2, held[0].set)
        return [held[0], ANSWER]

    result = served(answers, 100, 1)
    assert result.statuses == {200: 30}
    assert sum(each > 0.05 for each in result.latencies) >= 14  # a closed loop would have noted one


def test_a_broken_connection_means_the_same_request_again():
    seen = []

    def answers(seed):
        seen.append(seed)
        return None if seed in (3, 9) and seen.count(seed) == 1 else [ANSWER]

    result = served(answers, 100, 2)
    assert result.statuses == {200: 30} and result.retried == 2 and result.unanswered == 0
    assert seen.count(3) == seen.count(9) == 2 and set(seen) == set(range(30))


def test_what_is_never_answered_is_said():
    result = served(lambda seed: [ANSWER] if seed < 10 else [asyncio.Event()], 100, 40, seconds=0.2)
    assert result.offered == 20 and result.statuses == {200: 10} and result.unanswered == 10


def test_as_a_command_nothing_listens(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert main([str(port), "--seconds", "0.1"]) == 2
    assert "nothing listens at port" in capsys.readouterr().err
