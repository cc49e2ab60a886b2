"""What waits is answered together: one run of a model for many requests, and a queue that never grows.

Introduced in notebook 19, which writes its heart on the page.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any


class QueueFull(Exception):
    """As much waits already as may wait; whoever asks should come again a little later."""


class Batcher:
    """Collects what waits, works on it in one thread, and hands each asker its own result.

    Nobody waits for company: an idle batcher begins at once. While it works, requests gather, and the busier
    the service, the larger its batches; the queue is bounded, so that no request waits longer than the work
    before it takes. The event loop stays free.

    Args:
        work: called in the thread with a list of items; gives one result each. A result that is an exception
            is raised where its item was asked for.
        largest: the sum of the sizes of one batch is at most this.
        queue: the sum of the sizes of what waits is at most this.
    """

    def __init__(self, work: Callable[[list[Any]], Sequence[Any]], largest: int, queue: int) -> None:
        self.largest, self.queue = largest, queue
        self.waiting = 0  # sizes, without the batch that is worked on
        self._work = work
        self._items: deque[tuple[Any, int, asyncio.Future[Any]]] = deque()
        self._thread = ThreadPoolExecutor(1, "model")
        self._busy = False

    async def ask(self, item: Any, size: int = 1) -> Any:
        """The result for one item of a size from 1 to ``largest``.

        Raises:
            QueueFull: no room; nothing was queued.
            Exception: what ``work`` raised, or gave as the result.
        """
        if self.waiting + size > self.queue:
            raise QueueFull
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._items.append((item, size, future))
        self.waiting += size
        if not self._busy:
            self._busy = True
            loop.call_soon(self._begin)  # after all requests that this turn of the loop has read
        return await future

    def _begin(self) -> None:
        batch, room = [], self.largest
        while self._items and self._items[0][1] <= room:
            item, size, future = self._items.popleft()
            self.waiting -= size
            if not future.done():  # done: its time was up, and nobody waits for it
                batch.append((item, future))
                room -= size
        self._busy = bool(batch)
        if batch:
            items = [item for item, _ in batch]
            running = asyncio.get_running_loop().run_in_executor(self._thread, self._work, items)
            running.add_done_callback(lambda done: self._finish([future for _, future in batch], done))

    def _finish(self, futures: list[asyncio.Future[Any]], done: asyncio.Future[Any]) -> None:
        self._begin()  # the thread works on while the loop sends these
        error = done.exception()
        for future, result in zip(futures, [error] * len(futures) if error else done.result(), strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
