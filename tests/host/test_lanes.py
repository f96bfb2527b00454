from __future__ import annotations

import asyncio
import threading

from model_service.host.lanes import Lane


def test_places_are_limited_and_come_free_when_the_work_ends() -> None:
    async def scenario() -> None:
        lane = Lane[str]("test", threads=1, queue_length=1)
        gate = threading.Event()

        def work() -> str:
            gate.wait(10)
            return threading.current_thread().name

        assert lane.take_place()
        first = lane.run(work)
        assert lane.take_place()
        second = lane.run(work)
        assert lane.is_full
        assert not lane.take_place()
        gate.set()
        assert await asyncio.wait_for(first, 10) == "test-0"
        assert await asyncio.wait_for(second, 10) == "test-0"
        assert lane.finished == 2
        assert not lane.is_full

    asyncio.run(scenario())


def test_place_of_abandoned_work_comes_free_when_it_ends() -> None:
    async def scenario() -> None:
        lane = Lane[int]("test", threads=1, queue_length=0)
        gate = threading.Event()
        assert lane.take_place()
        abandoned = lane.run(lambda: int(gate.wait(10)))
        abandoned.cancel()
        assert not lane.take_place()
        gate.set()
        for _ in range(1000):
            if lane.finished:
                break
            await asyncio.sleep(0.005)
        assert lane.take_place()

    asyncio.run(scenario())
