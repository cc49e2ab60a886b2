"""The kernel client finds an answer whose wake-up was lost, and still keeps its time limit."""

from __future__ import annotations

import asyncio
from queue import Empty

import pytest

from tools import kernel
from tools.kernel import PatientChannel, PatientKernelClient, PatientKernelManager


class SleepySocket:
    """A socket that wakes nobody: `poll` waits its whole time, and says what lay there at its start."""

    def __init__(self, arrives_at_poll: int):
        self.polls, self.arrives_at_poll = 0, arrives_at_poll

    async def poll(self, milliseconds: int | None) -> int:
        assert milliseconds is not None, "this would wait for ever"
        self.polls += 1
        return int(self.polls >= self.arrives_at_poll)

    async def recv_multipart(self, **_options: object) -> list[bytes]:
        return [b"reply"]


class PlainSession:
    def feed_identities(self, message: list[bytes]) -> tuple[list[bytes], list[bytes]]:
        return [], message

    def deserialize(self, message: list[bytes]) -> list[bytes]:
        return message


def channel_over(socket: SleepySocket) -> PatientChannel:
    channel = PatientChannel.__new__(PatientChannel)  # its constructor wants a socket of ZeroMQ's
    channel.socket, channel.session = socket, PlainSession()
    return channel


def test_a_message_that_woke_nobody_is_found():
    socket = SleepySocket(arrives_at_poll=3)
    assert asyncio.run(channel_over(socket).get_msg()) == [b"reply"]
    assert socket.polls == 3


def test_a_time_limit_is_kept(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(kernel, "monotonic", lambda: float(next(clock)))
    socket = SleepySocket(arrives_at_poll=1000)
    with pytest.raises(Empty):
        asyncio.run(channel_over(socket).get_msg(timeout=5))
    assert 1 <= socket.polls <= 5


def test_the_manager_talks_through_the_patient_channel():
    client = PatientKernelManager().client()
    assert type(client) is PatientKernelClient
    assert client.shell_channel_class is PatientChannel
