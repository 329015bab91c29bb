"""What every ledger promises of rates and quotas that many processes share."""

import asyncio
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count
from typing import Any, Protocol

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gomail.ledger import SET_BACK, Ledger, Take, Turn
from gomail.ledger.sqlite import SqliteLedger
from gomail.pace import Pace
from tests.ledger.conftest import Play, Store, run
from tests.ledger.contending import take_turns
from tests.ledger.notes import NOW

SECOND, HOUR = 1_000, 3_600_000
EXACT = 1e-5
"""Seconds: Redis tells turns in whole microseconds."""
OVER = Turn(0.0, over_quota=True)
SES = Take("ses", 1, rate=14.0)
fresh = count()
examples = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Clock(Protocol):
    """The time that a ledger goes by, which a test can move."""

    def now(self) -> int: ...
    def move(self, milliseconds: int) -> None: ...


class OurClock:
    """A ledger that is told the time."""

    def __init__(self) -> None:
        self._now = NOW

    def now(self) -> int:
        return self._now

    def move(self, milliseconds: int) -> None:
        self._now += milliseconds


class ServersClock:
    """A ledger whose server knows the time: what was taken is put into the past instead.

    The real time that a test takes passes, too; quotas are moved in whole hours.
    """

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self._client, self._prefix = client, prefix

    def now(self) -> int:
        return 0

    def move(self, milliseconds: int) -> None:
        for key in self._client.scan_iter(f"{self._prefix}due:*"):
            noted: dict[bytes, bytes] = self._client.hgetall(key)  # type: ignore[assignment]
            moved = {name: float(at) - milliseconds * 1_000 for name, at in noted.items()}
            self._client.hset(key, mapping=moved)  # type: ignore[arg-type]
        for key in self._client.scan_iter(f"{self._prefix}used:*"):
            hours: dict[bytes, bytes] = self._client.hgetall(key)  # type: ignore[assignment]
            self._client.delete(key)
            earlier = {int(hour) - milliseconds // HOUR: used for hour, used in hours.items()}
            self._client.hset(key, mapping=earlier)  # type: ignore[arg-type]


@pytest.fixture
def clock(store: Store) -> Iterator[Clock]:
    assert isinstance(store, partial)
    if store.func is SqliteLedger:
        yield OurClock()
        return
    with redis.Redis.from_url(store.args[0]) as client:
        yield ServersClock(client, store.keywords["prefix"])


async def take(ledger: Ledger, clock: Clock, *takes: Take) -> list[Turn]:
    return await ledger.take(takes, now=clock.now())


async def delays(ledger: Ledger, clock: Clock, *takes: Take) -> list[float]:
    turns = await take(ledger, clock, *takes)
    assert not any(each.over_quota for each in turns)
    return [each.delay for each in turns]


def about(expected: Sequence[float], *, elapsed: float = 0.0) -> Any:
    """Seconds as a ledger tells them, some real time later at most."""
    return pytest.approx(list(expected), abs=EXACT + elapsed)


# -- rates -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("burst", "at_once"), [(1, 1), (5, 5)])
def test_recipients_follow_each_other_at_the_rate_after_a_burst(
    play: Play, clock: Clock, burst: int, at_once: int
) -> None:
    one = Take("ses", 1, rate=14.0, burst=burst)

    told = play(lambda ledger: delays(ledger, clock, *[one] * 20))

    assert told == about([max(0, number - at_once + 1) / 14 for number in range(20)])


def test_an_email_to_several_holds_the_next_one_up_for_all_of_them(
    play: Play, clock: Clock
) -> None:
    told = play(
        lambda ledger: delays(
            ledger, clock, Take("ses", 7, rate=14.0), SES, Take("ses", 3, rate=14.0), SES
        )
    )

    assert told == about([0, 7 / 14, 8 / 14, 11 / 14])


def test_takes_with_different_rates_pay_from_one_account(play: Play, clock: Clock) -> None:
    told = play(
        lambda ledger: delays(ledger, clock, SES, Take("ses", 1, rate=2.0), SES, Take("ses", 1))
    )

    assert told == about([0, 1 / 14, 1 / 14 + 1 / 2, 0])


def test_providers_do_not_hold_each_other_up(play: Play, clock: Clock) -> None:
    other = Take("ses-eu", 1, rate=1.0)

    told = play(lambda ledger: delays(ledger, clock, SES, other, SES, other))

    assert told == about([0, 0, 1 / 14, 1])


def test_nothing_is_taken_by_a_call_without_takes(play: Play, clock: Clock) -> None:
    assert play(lambda ledger: take(ledger, clock)) == []


def test_what_was_taken_is_paid_for_as_time_passes(play: Play, clock: Clock) -> None:
    slow = Take("ses", 1, rate=0.1)

    async def scenario(ledger: Ledger) -> None:
        began = time.monotonic()
        first = await delays(ledger, clock, slow, slow, slow)
        clock.move(12 * SECOND)
        second = await delays(ledger, clock, slow)
        clock.move(50 * SECOND)
        third = await delays(ledger, clock, slow)
        elapsed = time.monotonic() - began

        assert first == about([0, 10, 20])
        assert second == about([18], elapsed=elapsed)
        assert third == about([0])

    play(scenario)


def test_a_due_that_a_clock_set_back_has_left_ahead_counts_as_now(play: Play, clock: Clock) -> None:
    async def scenario(ledger: Ledger) -> None:
        await take(ledger, clock, SES)
        clock.move(int(-SECOND * (SET_BACK + 30)))

        assert await delays(ledger, clock, SES, SES) == about([0, 1 / 14])

    play(scenario)


def test_a_due_that_an_email_to_many_has_put_far_ahead_is_waited_for(
    play: Play, clock: Clock
) -> None:
    async def scenario(ledger: Ledger) -> None:
        many = Take("ses", 50, rate=0.5)

        assert await delays(ledger, clock, many) == about([0])
        assert await delays(ledger, clock, many, many) == about([100, 200], elapsed=1)

    play(scenario)


def test_a_due_that_is_not_far_ahead_is_waited_for(play: Play, clock: Clock) -> None:
    async def scenario(ledger: Ledger) -> None:
        began = time.monotonic()
        await take(ledger, clock, SES)
        clock.move(int(-SECOND * (SET_BACK - 5)))
        told = await delays(ledger, clock, SES)

        assert told == about([SET_BACK - 5 + 1 / 14], elapsed=time.monotonic() - began)

    play(scenario)


# -- against the rules in memory -------------------------------------------------------------------


class Rules:
    """What the rules in memory say of the same takes."""

    def __init__(self) -> None:
        self.due = self.taken = float("-inf")

    def take(self, asked: Take, now: float) -> float:
        """Seconds until it may be sent; what has no rate changes nothing for the others."""
        if asked.rate is None:
            return 0.0
        pace = Pace(asked.rate, asked.burst)
        pace.due = now if self.taken > now + SET_BACK else self.due
        at = pace.take(asked.count, now)
        self.due, self.taken = pace.due, now
        return at - now


rates = st.none() | st.floats(0.5, 1_000.0)
some_takes = st.builds(
    Take, provider=st.just("ses"), count=st.integers(1, 50), rate=rates, burst=st.integers(1, 60)
)


@examples
@given(takes=st.lists(some_takes, min_size=1, max_size=30))
def test_a_list_of_takes_goes_by_the_rules(play: Play, clock: Clock, takes: list[Take]) -> None:
    rules, name = Rules(), f"ses-{next(fresh)}"
    named = [Take(name, each.count, each.rate, each.burst) for each in takes]

    told = play(lambda ledger: delays(ledger, clock, *named))

    assert told == about([rules.take(each, 0.0) for each in takes])


@examples
@given(steps=st.lists(st.tuples(some_takes, st.integers(-90_000, 90_000)), max_size=20))
def test_takes_at_any_times_go_by_the_rules(
    sqlite_store: Store, steps: list[tuple[Take, int]]
) -> None:
    """Only a ledger that is told the time can be asked this exactly."""
    name = f"ses-{next(fresh)}"

    async def scenario(ledger: Ledger) -> None:
        rules, now = Rules(), NOW
        for asked, later in steps:
            now += later
            [turn] = await ledger.take([Take(name, asked.count, asked.rate, asked.burst)], now=now)
            assert turn.delay == pytest.approx(rules.take(asked, (now - NOW) / 1_000), abs=EXACT)

    run(sqlite_store, scenario)


# -- quotas ----------------------------------------------------------------------------------------


def test_what_is_beyond_the_quota_is_not_taken_and_less_may_still_fit(
    play: Play, clock: Clock
) -> None:
    def of(number: int) -> Take:
        return Take("ses", number, rate=14.0, quota=10)

    told = play(lambda ledger: take(ledger, clock, of(7), of(4), of(3), of(1)))

    assert [each.over_quota for each in told] == [False, True, False, True]
    assert (told[1], told[3]) == (OVER, OVER)
    assert [told[0].delay, told[2].delay] == about([0, 7 / 14])


def test_what_is_over_quota_costs_nothing_of_the_rate(play: Play, clock: Clock) -> None:
    over = Take("ses", 5, rate=1.0, quota=4)

    told = play(lambda ledger: take(ledger, clock, SES, over, over, SES))

    assert [each.delay for each in told] == about([0, 0, 0, 1 / 14])


def test_recipients_taken_without_a_quota_count_for_those_who_have_one(
    play: Play, clock: Clock
) -> None:
    async def scenario(ledger: Ledger) -> None:
        await take(ledger, clock, Take("ses", 8), Take("other", 99))

        assert await take(ledger, clock, Take("ses", 3, quota=10)) == [OVER]
        assert await take(ledger, clock, Take("ses", 2, quota=10)) == [Turn(0.0)]

    play(scenario)


def test_a_quota_is_used_up_for_24_hours_and_free_an_hour_later_at_most(
    play: Play, clock: Clock
) -> None:
    one = Take("ses", 1, quota=2)

    async def scenario(ledger: Ledger) -> list[bool]:
        told = []
        for hours in (0, 12, 12, 1, 11, 1):
            clock.move(hours * HOUR)
            told += await take(ledger, clock, one)
        return [each.over_quota for each in told]

    # Hours 0, 12, 24, 25, 36 and 37; the first two take it, the others wait for these two.
    assert play(scenario) == [False, False, True, False, True, False]


def test_a_clock_set_back_gives_no_quota_anew_nor_takes_it_for_ever(
    play: Play, clock: Clock
) -> None:
    all_ = Take("ses", 2, quota=2)

    async def scenario(ledger: Ledger) -> list[bool]:
        told = []
        for hours in (0, -20, -30, 49):
            clock.move(hours * HOUR)
            told += await take(ledger, clock, all_)
        return [each.over_quota for each in told]

    assert play(scenario) == [False, True, False, False]


@examples
@given(
    steps=st.lists(
        st.tuples(
            st.integers(0, 8 * HOUR), st.integers(1, 5), st.sampled_from([None, 0.1, 1.0, 14.0])
        ),
        max_size=40,
    )
)
def test_no_24_hours_of_sends_hold_more_than_the_quota(
    sqlite_store: Store, steps: list[tuple[int, int, float | None]]
) -> None:
    quota, name = 10, f"ses-{next(fresh)}"

    async def scenario(ledger: Ledger) -> None:
        sent: list[tuple[float, int]] = []
        now = NOW
        for later, number, rate in steps:
            now += later
            [turn] = await ledger.take([Take(name, number, rate, quota=quota)], now=now)
            if not turn.over_quota:
                sent.append((now + turn.delay * 1_000, number))
        for at, _ in sent:
            within = sum(number for each, number in sent if at <= each < at + 24 * HOUR)
            assert within <= quota

    run(sqlite_store, scenario)


def test_what_waits_for_the_next_hour_uses_the_quota_of_that_hour(sqlite_store: Store) -> None:
    hour = NOW - NOW % HOUR + HOUR
    two = Take("ses", 1, rate=0.05, quota=2)

    async def scenario(ledger: Ledger) -> None:
        turns = await ledger.take([two, two], now=hour - 10 * SECOND)
        assert [each.delay for each in turns] == about([0, 20])  # the second one after the hour

        [later] = await ledger.take([Take("ses", 2, quota=2)], now=hour + 24 * HOUR + 5 * SECOND)
        assert later == OVER

    run(sqlite_store, scenario)


def test_the_hours_of_days_gone_by_are_forgotten(store: Store, clock: Clock) -> None:
    async def scenario(ledger: Ledger) -> int:
        for _ in range(30):
            await take(ledger, clock, SES)
            clock.move(HOUR)
        return await _hours_kept(ledger, clock)

    assert run(store, scenario) <= 25


async def _hours_kept(ledger: Ledger, clock: Clock) -> int:
    if isinstance(clock, ServersClock):
        [key] = clock._client.scan_iter(f"{clock._prefix}used:*")
        return clock._client.hlen(key)  # type: ignore[return-value]
    assert isinstance(ledger, SqliteLedger)
    return await ledger._reader.ask(
        lambda file: int(file.execute("SELECT count(*) FROM quota_used").fetchone()[0])
    )


# -- many at once ----------------------------------------------------------------------------------


def test_callers_at_once_each_get_a_turn_of_their_own(play: Play, store: Store) -> None:
    one = Take("ses", 1, rate=2.0)

    async def scenario(ledger: Ledger) -> list[float]:
        other = store()
        try:
            began = time.monotonic()
            told = await asyncio.gather(
                *(each.take([one], now=NOW) for _ in range(30) for each in (ledger, other))
            )
            return [*(turn.delay for [turn] in told), time.monotonic() - began]
        finally:
            await other.close()

    *turns, elapsed = play(scenario)
    assert sorted(turns) == about([number / 2 for number in range(60)], elapsed=elapsed)


@pytest.mark.parametrize("burst", [1, 4])
def test_processes_never_exceed_the_rate_together(store: Store, burst: int) -> None:
    rate = 2.0
    taken = _in_processes(store, 3, Take("ses", 1, rate=rate, burst=burst), 30)

    turns = sorted(taken, key=lambda turn: turn.earliest)
    ends = sorted(turn.latest for turn in turns)

    assert len(turns) == 90
    # One more than a burst is never sent at once, and in any time no more than rate x time + burst.
    for place, first in enumerate(turns[:-burst]):
        among = turns[place : place + burst + 1]
        assert max(each.latest for each in among) - first.earliest >= 1 / rate - EXACT
    for number, end in enumerate(ends, start=1):
        assert number <= (end - turns[0].earliest) * rate + burst + EXACT


def test_processes_never_exceed_the_quota_together(store: Store) -> None:
    taken = _in_processes(store, 3, Take("ses", 1, quota=50), 40)

    assert len(taken) == 50


def _in_processes(store: Store, number: int, asked: Take, each: int) -> list[Any]:
    """What processes got that begin at once and take one after the other."""
    spawn = multiprocessing.get_context("spawn")
    start, answers = spawn.Barrier(number), spawn.Queue()
    running = [
        spawn.Process(target=take_turns, args=(store, start, answers, asked, each), daemon=True)
        for _ in range(number)
    ]
    for process in running:
        process.start()
    taken = [turn for _ in running for turn in answers.get(timeout=60)]
    for process in running:
        process.join(timeout=30)
    return taken
