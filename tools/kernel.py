"""A kernel client that does not wait for ever for an answer that has already come.

nbclient answers a widget's output area by sending a message on the shell channel while it waits there
for the reply to the cell. jupyter_client sends it past the asynchronous socket, and ZeroMQ's wake-up is
edge-triggered: now and then the send swallows the wake-up of the reply, which then lies unread while
both sides wait. It happened in about one of a hundred ``interact`` cells (nbclient 0.11, jupyter_client
8.10, pyzmq 27.3). Looking again a few times a second costs nothing and finds it.
"""

from __future__ import annotations

from queue import Empty
from time import monotonic
from typing import Any

from jupyter_client import AsyncKernelManager
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel
from traitlets import Type

LOOK_AGAIN = 0.2  # seconds


class PatientChannel(AsyncZMQSocketChannel):
    """A channel that looks whether a message lies there, whether or not it was woken."""

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        """The next message.

        Raises:
            queue.Empty: none came within ``timeout`` seconds (None: wait for as long as it takes).
        """
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            rest = LOOK_AGAIN if deadline is None else min(LOOK_AGAIN, max(0.0, deadline - monotonic()))
            try:
                return await super().get_msg(rest)
            except Empty:
                if deadline is not None and monotonic() >= deadline:
                    raise


class PatientKernelClient(AsyncKernelClient):
    """A kernel client whose shell channel is patient."""

    shell_channel_class = Type(PatientChannel)


class PatientKernelManager(AsyncKernelManager):
    """Starts kernels as usual, and talks to them through the patient client."""

    client_factory = Type(PatientKernelClient, klass=AsyncKernelClient)
