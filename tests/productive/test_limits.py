from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.clock import ManualClock
from shared.productive.limits import Family, Limiter, LimitPolicy, WindowLimit
from tests.productive.virtual_time import LoopClock, run_in_virtual_time

SMALL = LimitPolicy(
    windows=(
        WindowLimit("token", 3, 1.0),
        WindowLimit("organization", 8, 6.0),
        WindowLimit("reports", 2, 2.0, family="reports"),
    ),
    concurrency=4,
)


@dataclass(frozen=True)
class Wish:
    """A request that somebody wants to make `after` seconds; the server sees it `up` seconds after its
    permit, and its answer is here `down` seconds later."""

    after: float
    up: float
    down: float
    family: Family | None = None


@dataclass(frozen=True)
class Seen:
    at: float
    wish: Wish
    order: int


async def play(wishes: Sequence[Wish], limiter: Limiter, *, reserve: float = 0.0) -> list[Seen]:
    """Make all the requests; what the server saw, in its order."""
    clock = LoopClock()
    seen: list[Seen] = []

    async def one(order: int, wish: Wish) -> None:
        await clock.sleep(wish.after)
        async with limiter.permit(wish.family, reserve=reserve) as permit:
            await clock.sleep(wish.up)
            seen.append(Seen(clock.monotonic(), wish, order))
            await clock.sleep(wish.down)
            permit.answered()

    await asyncio.gather(*(one(order, wish) for order, wish in enumerate(wishes)))
    return seen


def most_at_once(seen: Sequence[Seen], window: WindowLimit) -> int:
    """The most requests that a server with exact sliding windows ever counts in one."""
    times = [s.at for s in seen if window.family in {None, s.wish.family}]
    return max((sum(end - window.seconds < t <= end for t in times) for end in times), default=0)


delays = st.one_of(st.just(0.0), st.floats(0.0, 3.0), st.sampled_from([0.999, 1.0, 1.001, 2.0]))
wishes = st.builds(
    Wish,
    after=st.one_of(st.just(0.0), st.floats(0.0, 10.0)),
    up=delays,
    down=delays,
    family=st.sampled_from([None, None, "reports"]),
)


@given(st.lists(wishes, max_size=40))
@settings(max_examples=150, deadline=None)
def test_no_window_is_ever_exceeded_whatever_the_delays(asked: list[Wish]) -> None:
    async def main() -> None:
        seen = await play(asked, Limiter(SMALL, LoopClock()))
        assert len(seen) == len(asked)
        for window in SMALL.windows:
            assert most_at_once(seen, window) <= window.requests

    run_in_virtual_time(main())


@given(st.lists(wishes, max_size=30), st.sampled_from([0.1, 0.34, 0.5, 0.99]))
@settings(max_examples=50, deadline=None)
def test_a_reserve_stays_free_but_never_everything(asked: list[Wish], reserve: float) -> None:
    async def main() -> None:
        seen = await play(asked, Limiter(SMALL, LoopClock()), reserve=reserve)
        assert len(seen) == len(asked)
        for window in SMALL.windows:
            assert most_at_once(seen, window) <= max(1, window.requests * (1 - reserve))

    run_in_virtual_time(main())


@given(st.lists(st.booleans(), max_size=30))
@settings(max_examples=50, deadline=None)
def test_requests_of_one_kind_are_served_in_their_order(reports: list[bool]) -> None:
    async def main() -> None:
        asked = [Wish(0.0, 0.0, 0.1, "reports" if r else None) for r in reports]
        seen = await play(asked, Limiter(SMALL, LoopClock()))
        for family in (None, "reports"):
            orders = [s.order for s in seen if s.wish.family == family]
            assert orders == sorted(orders)

    run_in_virtual_time(main())


@pytest.mark.parametrize(("requests", "best"), [(1_000, 90.0), (4_000, 390.0), (9_000, 3_690.0)])
def test_a_crawl_takes_at_most_five_percent_longer_than_the_limits_themselves(
    requests: int, best: float
) -> None:
    async def main() -> None:
        clock = LoopClock()
        limiter = Limiter(LimitPolicy(), clock)
        left = iter(range(requests))

        async def worker() -> None:
            for _ in left:
                async with limiter.permit() as permit:
                    await clock.sleep(0.2)
                    permit.answered()

        await asyncio.gather(*(worker() for _ in range(10)))
        assert best <= clock.monotonic() <= best * 1.05

    run_in_virtual_time(main())


def test_a_waiting_report_holds_up_nobody_else() -> None:
    async def main() -> None:
        asked = [Wish(0.0, 0.0, 0.0, "reports") for _ in range(3)] + [Wish(0.5, 0.0, 0.0)]
        seen = await play(asked, Limiter(LimitPolicy(windows=SMALL.windows[1:]), LoopClock()))
        assert [s.order for s in seen] == [0, 1, 3, 2]

    run_in_virtual_time(main())


def test_reports_are_not_starved_by_a_crowd_of_other_requests() -> None:
    async def main() -> None:
        crowd = [Wish(0.0, 0.0, 0.0) for _ in range(30)]
        seen = await play([*crowd, Wish(0.0, 0.0, 0.0, "reports")], Limiter(SMALL, LoopClock()))
        assert [s.order for s in seen].index(30) <= 4

    run_in_virtual_time(main())


def test_those_who_reserve_less_get_through_while_the_others_wait() -> None:
    async def main() -> None:
        clock = LoopClock()
        limiter = Limiter(LimitPolicy(windows=(WindowLimit("token", 10, 10.0),)), clock)
        crawl = asyncio.create_task(play([Wish(0.0, 0.0, 0.0)] * 20, limiter, reserve=0.2))
        await clock.sleep(1.0)
        async with limiter.permit():
            assert clock.monotonic() == 1.0
        seen = await crawl
        assert [s.at < 1.0 for s in seen].count(True) == 8

    run_in_virtual_time(main())


def test_no_more_requests_are_under_way_than_allowed() -> None:
    async def main() -> None:
        clock = LoopClock()
        limiter = Limiter(LimitPolicy(concurrency=3), clock)
        under_way, most = 0, 0

        async def one() -> None:
            nonlocal under_way, most
            async with limiter.permit() as permit:
                under_way += 1
                most = max(most, under_way)
                permit.answered()
                await clock.sleep(1.0)
                under_way -= 1

        await asyncio.gather(*(one() for _ in range(20)))
        assert most == 3

    run_in_virtual_time(main())


def test_during_a_hold_nothing_is_sent() -> None:
    async def main() -> None:
        limiter = Limiter(SMALL, LoopClock())
        limiter.hold(7.0)
        limiter.hold(2.0)
        assert limiter.held_for() == 7.0
        seen = await play([Wish(0.0, 0.0, 0.0), Wish(0.0, 0.0, 0.0, "reports")], limiter)
        assert all(s.at >= 7.0 for s in seen)
        assert limiter.held_for() == 0.0

    run_in_virtual_time(main())


def test_a_request_that_is_given_up_while_it_waits_leaves_its_place_to_the_next() -> None:
    async def main() -> None:
        clock = LoopClock()
        limiter = Limiter(LimitPolicy(windows=(WindowLimit("token", 1, 5.0),)), clock)
        await play([Wish(0.0, 0.0, 0.0)], limiter)
        waiting = asyncio.create_task(play([Wish(0.0, 0.0, 0.0)], limiter))
        await clock.sleep(1.0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await play([Wish(0.0, 0.0, 0.0)], limiter)
        assert 5.0 <= clock.monotonic() < 6.0
        assert limiter.budget_left()[0].left == 0

    run_in_virtual_time(main())


def test_a_request_that_fails_counts_like_any_other() -> None:
    async def main() -> None:
        limiter = Limiter(SMALL, LoopClock())
        with pytest.raises(ConnectionError):
            async with limiter.permit("reports"):
                raise ConnectionError
        assert [(b.name, b.left, b.limit) for b in limiter.budget_left()] == [
            ("token", 2, 3),
            ("organization", 7, 8),
            ("reports", 1, 2),
        ]

    run_in_virtual_time(main())


def test_the_documented_limits_are_the_default_and_can_be_scaled() -> None:
    windows = LimitPolicy().windows
    assert {(w.name, w.requests, w.seconds) for w in windows} == {
        ("token", 100, 10.0),
        ("organization", 4_000, 1_800.0),
        ("reports", 10, 30.0),
        ("salaries", 30, 120.0),
    }
    assert [w.seconds for w in LimitPolicy().scaled(0.01).windows] == [0.1, 18.0, 0.3, 1.2]
    assert [w.requests for w in LimitPolicy().scaled(0.01).windows] == [w.requests for w in windows]


async def test_a_reserve_is_a_share() -> None:
    with pytest.raises(ValueError, match="share"):
        async with Limiter(SMALL, ManualClock()).permit(reserve=1.0):
            pass


async def test_the_scarcer_requests_are_the_slower_is_the_pace() -> None:
    policy = LimitPolicy((WindowLimit("short", 10, 5.0), WindowLimit("reports", 1, 60.0, family="reports")))
    clock = ManualClock()
    limiter = Limiter(policy, clock)
    for pace in (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.625, 5 / 6, 1.25, 2.5):
        assert limiter.pace() == pytest.approx(pace)
        async with limiter.permit() as permit:
            permit.answered()
    clock.advance(5.1)
    assert limiter.pace() == 0.0
    async with limiter.permit("reports"):
        assert limiter.pace() == 0.0, "what has a limit of its own holds up nobody else"
