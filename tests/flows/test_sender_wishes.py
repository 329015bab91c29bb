"""What a sender may ask of the way of an email: not before, not after, not twice."""

import asyncio

import pytest

from flows.desk import Desk, Rules
from flows.payloads import Budget
from gomail.email import Message, encode
from gomail.exits import OutletRules
from gomail.settlement import DeadLetter, Policy, Return
from tests.builders import email, letter

NOW = 1_790_000_000.0


@pytest.fixture
def lane():
    return Desk(Rules({"ses": OutletRules()}), wall=lambda: NOW).lane(0)


def reads(lane, **fields):
    """What becomes of a letter with these fields when it is read."""
    (read,) = lane.read([letter(body=encode(Message("m-1", email(**fields))), sent_at=NOW)])
    return getattr(read, "decision", None)


def test_what_is_to_be_sent_later_goes_back_for_what_is_left(lane):
    assert reads(lane, send_at=int(NOW * 1_000) + 1_500) == Return(2)


def test_what_is_to_be_sent_much_later_goes_back_for_as_long_as_ever(lane):
    assert reads(lane, send_at=int(NOW * 1_000) + 3_600_000) == Return(900)


def test_what_is_to_be_sent_now_goes_on(lane):
    assert reads(lane, send_at=int(NOW * 1_000)) is None


def test_what_is_too_late_is_a_dead_letter(lane):
    assert reads(lane, expires_at=int(NOW * 1_000)) == DeadLetter("expired", "expired")


def test_what_is_not_too_late_goes_on(lane):
    assert reads(lane, expires_at=int(NOW * 1_000) + 1) is None


@pytest.mark.parametrize(
    ("settings", "wish", "expected"),
    [(False, "", False), (True, "", True), (True, "retry", False), (False, "dead-letter", True)],
)
def test_the_wish_of_an_email_goes_before_the_settings(settings, wish, expected):
    rules = Rules({"ses": OutletRules()}, policy=Policy(dead_letter_unknown=settings))
    one = letter()
    one.email = email(on_unknown=wish)

    assert rules.policy_for(one).dead_letter_unknown is expected


def test_payloads_in_hand_keep_to_their_budget_in_the_order_they_came():
    order = []

    async def hold(budget, name, size, until):
        async with budget.taking(size):
            order.append(name)
            await until.wait()

    async def scene():
        budget, done = Budget(10), {name: asyncio.Event() for name in "abcd"}
        sizes = {"a": 6, "b": 6, "c": 1, "d": 99}
        tasks = [
            asyncio.create_task(hold(budget, name, size, done[name]))
            for name, size in sizes.items()
        ]
        await asyncio.sleep(0)
        assert order == ["a"]  # b has to wait, and c does not overtake it
        done["a"].set()
        await asyncio.wait([tasks[0]])
        await asyncio.sleep(0)
        assert order == ["a", "b", "c"]
        done["b"].set()
        done["c"].set()
        await asyncio.wait(tasks[:3])
        await asyncio.sleep(0)
        assert order == ["a", "b", "c", "d"]  # alone, however large
        done["d"].set()
        await asyncio.wait(tasks)

    asyncio.run(scene())


def test_who_stops_waiting_for_the_budget_holds_up_nobody():
    async def scene():
        budget, done = Budget(10), asyncio.Event()

        async def hold(size):
            async with budget.taking(size):
                await done.wait()

        first = asyncio.create_task(hold(10))
        second = asyncio.create_task(hold(10))
        third = asyncio.create_task(hold(10))
        await asyncio.sleep(0)
        second.cancel()
        done.set()
        await asyncio.wait_for(third, 5)
        await first

    asyncio.run(scene())
