"""Instances, each lent to one request at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from model_service.errors import DeadlinePassed
from model_service.inference.pool import InstancePool

LONG = 10.0


class Service:
    """Counts how many threads are inside it at once."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self.calls = 0

    def work(self, seconds: float) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.calls += 1
        time.sleep(seconds)
        self.inside -= 1


class Factory:
    """Makes services and keeps them; ``before`` runs in each constructor."""

    def __init__(self, before: Callable[[int], None] = lambda number: None):
        self.made: list[Service] = []
        self._before = before
        self._lock = threading.Lock()
        self._calls = 0

    def __call__(self) -> Service:
        with self._lock:
            number = self._calls
            self._calls += 1
        self._before(number)
        service = Service()
        self.made.append(service)
        return service


def in_thread(call: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=call)
    thread.start()
    return thread


def test_the_first_is_made_at_once_the_others_when_needed() -> None:
    factory = Factory()
    pool = InstancePool(factory, 3)
    assert len(factory.made) == 1
    with pool.lend(0) as first:
        assert first is factory.made[0]
        with pool.lend(0) as second:
            assert second is factory.made[1]
    assert len(factory.made) == 2


def test_an_idle_instance_is_lent_again() -> None:
    factory = Factory()
    pool = InstancePool(factory, 8)
    for _ in range(20):
        with pool.lend(0) as service:
            assert service is factory.made[0]
    assert len(factory.made) == 1


@pytest.mark.parametrize("size", [1, 2, 5])
def test_never_two_requests_in_one_instance_and_never_more_instances(size: int) -> None:
    factory = Factory()
    pool = InstancePool(factory, size)

    def request(_number: int) -> None:
        with pool.lend(LONG) as service:
            service.work(0.001)

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(request, range(120)))
    assert len(factory.made) <= size
    assert {service.most for service in factory.made} == {1}
    assert sum(service.calls for service in factory.made) == 120


def test_a_waiter_gets_the_instance_that_comes_back() -> None:
    pool = InstancePool(Factory(), 1)
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        with pool.lend(0):
            taken.set()
            done.wait(LONG)

    holder = in_thread(hold)
    taken.wait(LONG)
    threading.Timer(0.05, done.set).start()
    started = time.monotonic()
    with pool.lend(LONG):
        assert time.monotonic() - started < LONG / 2
    holder.join()


def test_every_waiter_is_served() -> None:
    pool = InstancePool(Factory(), 1)
    served = []

    def request(number: int) -> None:
        with pool.lend(LONG):
            served.append(number)

    with pool.lend(0):
        threads = [in_thread(lambda number=number: request(number)) for number in range(10)]  # type: ignore[misc]
        time.sleep(0.05)
    for thread in threads:
        thread.join(LONG)
    assert sorted(served) == list(range(10))


@pytest.mark.parametrize("wait_seconds", [0.0, 0.05])
def test_waiting_has_an_end(wait_seconds: float) -> None:
    pool = InstancePool(Factory(), 1)
    with pool.lend(0):
        started = time.monotonic()
        with pytest.raises(DeadlinePassed, match="no instance") as caught, pool.lend(wait_seconds):
            pytest.fail("two at once")
        assert wait_seconds <= time.monotonic() - started < wait_seconds + 1
        assert caught.value.status == 504
    with pool.lend(0):  # and nothing is lost
        pass


def test_an_instance_whose_request_failed_comes_back() -> None:
    factory = Factory()
    pool = InstancePool(factory, 1)
    for error in (ValueError, SystemExit, KeyboardInterrupt):
        with pytest.raises(error), pool.lend(0):
            raise error
    with pool.lend(0) as service:
        assert service is factory.made[0]


def test_a_constructor_that_fails_at_the_start_is_heard() -> None:
    def fail(_number: int) -> None:
        raise OSError("no such weights")

    with pytest.raises(OSError, match="no such weights"):
        InstancePool(Factory(fail), 2)


def test_a_constructor_that_fails_later_costs_no_place() -> None:
    def fail_once(number: int) -> None:
        if number == 1:
            raise ValueError("second")

    factory = Factory(fail_once)
    pool = InstancePool(factory, 2)
    with pool.lend(0):
        with pytest.raises(ValueError, match="second"), pool.lend(0):
            pytest.fail("was not made")
        with pool.lend(0) as service:
            assert service is factory.made[1]


def test_a_place_that_a_failed_constructor_leaves_goes_to_a_waiter() -> None:
    """One instance is lent out for long, the second fails while a third request already waits for it."""
    building, fail_now = threading.Event(), threading.Event()

    def fail_slowly(number: int) -> None:
        if number == 1:
            building.set()
            fail_now.wait(LONG)
            raise ValueError("second")

    pool = InstancePool(Factory(fail_slowly), 2)
    outcome: list[str] = []

    def build() -> None:
        with pytest.raises(ValueError, match="second"), pool.lend(0):
            pytest.fail("was not made")

    def wait() -> None:
        try:
            with pool.lend(2):
                outcome.append("served")
        except DeadlinePassed:
            outcome.append("never served")

    with pool.lend(0):
        builder = in_thread(build)
        building.wait(LONG)
        waiter = in_thread(wait)
        time.sleep(0.05)
        fail_now.set()
        builder.join(LONG)
        waiter.join(LONG)
    assert outcome == ["served"]


def test_instances_are_made_side_by_side() -> None:
    """A slow constructor holds up no request that another instance could answer."""
    building, go_on = threading.Event(), threading.Event()

    def slow(number: int) -> None:
        if number == 1:
            building.set()
            go_on.wait(LONG)

    pool = InstancePool(Factory(slow), 3)

    def build() -> None:
        with pool.lend(0):
            pass

    with pool.lend(0):
        builder = in_thread(build)
        building.wait(LONG)
    with pool.lend(0), pool.lend(0):
        pass
    go_on.set()
    builder.join(LONG)
