"""The batcher alone: what is gathered, what is refused, whose result is whose."""

from __future__ import annotations

import asyncio
import threading

import pytest

from aigc_lab.serve.batching import Batcher, QueueFull


class Work:
    """Waits until it is let go, and notes the batches it was given."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go, self.begun = threading.Event(), threading.Event()

    def __call__(self, items):
        self.batches.append(list(items))
        self.begun.set()
        assert self.go.wait(10)
        return [ValueError(f"no {item}") if item < 0 else 10 * item for item in items]


async def begun(work: Work) -> None:
    assert await asyncio.to_thread(work.begun.wait, 10)


def test_what_arrives_meanwhile_is_one_batch_and_every_result_finds_its_asker():
    async def check():
        work = Work()
        batcher = Batcher(work, largest=4, queue=8)
        first = asyncio.create_task(batcher.ask(1))
        await begun(work)
        others = [asyncio.create_task(batcher.ask(item)) for item in (2, 3, -4, 5, 6)]
        await asyncio.sleep(0)
        assert batcher.waiting == 5
        work.go.set()
        results = await asyncio.gather(first, *others, return_exceptions=True)
        assert results[:3] == [10, 20, 30] and results[4:] == [50, 60]
        assert isinstance(results[3], ValueError)  # one that fails spoils no other
        assert work.batches == [[1], [2, 3, -4, 5], [6]] and batcher.waiting == 0

    asyncio.run(check())


def test_sizes_count_and_a_full_queue_says_so_at_once():
    async def check():
        work = Work()
        batcher = Batcher(work, largest=4, queue=6)
        tasks = [asyncio.create_task(batcher.ask(1, 4))]
        await begun(work)
        tasks += [asyncio.create_task(batcher.ask(item, size)) for item, size in ((2, 3), (3, 3))]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await batcher.ask(9, 1)
        assert batcher.waiting == 6
        work.go.set()
        assert await asyncio.gather(*tasks) == [10, 20, 30]
        assert work.batches == [[1], [2], [3]]  # 3 + 3 images are more than one run takes
        assert await batcher.ask(4, 4) == 40  # there is room again

    asyncio.run(check())


def test_nobody_works_for_one_who_has_gone():
    async def check():
        work = Work()
        batcher = Batcher(work, largest=4, queue=8)
        first = asyncio.create_task(batcher.ask(1))
        await begun(work)
        impatient = asyncio.create_task(batcher.ask(2))
        patient = asyncio.create_task(batcher.ask(3))
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.sleep(0)
        work.go.set()
        assert await asyncio.gather(first, patient) == [10, 30]
        assert work.batches == [[1], [3]]

    asyncio.run(check())


def test_a_batch_that_fails_as_a_whole_is_told_to_all_of_it_and_the_next_one_works():
    def work(items):
        if 0 in items:
            raise RuntimeError("broken")
        return items

    async def check():
        batcher = Batcher(work, largest=4, queue=8)
        results = await asyncio.gather(batcher.ask(0), batcher.ask(1), return_exceptions=True)
        assert [str(each) for each in results] == ["broken", "broken"]
        assert await batcher.ask(2) == 2

    asyncio.run(check())
