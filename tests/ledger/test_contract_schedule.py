"""What every ledger promises of emails that wait: kept, given out once, called back."""

import asyncio
import multiprocessing
from collections import Counter

import pytest

from gomail.ledger import (
    REDRIVEN_AFTER,
    TERMINAL,
    About,
    Cancellation,
    Due,
    Ledger,
    Scheduled,
    Status,
)
from tests.ledger.conftest import Play, Store
from tests.ledger.contending import take_all
from tests.ledger.notes import (
    NOW,
    ended,
    everything,
    found,
    intend,
    listed,
    queued,
    recorded,
    scheduled,
)

HOUR = 3_600_000
LATER = NOW + HOUR
LEASE = 60_000


async def take(
    ledger: Ledger, until: int = LATER, *, now: int = LATER, limit: int = 50
) -> list[str]:
    """Whom a process is given."""
    return [each.id for each in await ledger.due(until, now=now, lease=LEASE, limit=limit)]


async def counted(ledger: Ledger) -> dict[Status, int]:
    by_status = (await ledger.stats(NOW)).by_status
    return {status: number for status, number in by_status.items() if number}


# -- kept ------------------------------------------------------------------------------------------


def test_a_scheduled_email_is_found_and_counted(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.schedule([scheduled(recipients=("ann@example.org",))])

        record = await found(ledger)

        assert (record.status, record.queued_at, record.attempts) == (Status.SCHEDULED, NOW, ())
        assert record.about == About(recipients=("ann@example.org",), send_at=LATER)
        assert await listed(ledger, status=Status.SCHEDULED, to_email="ann@example.org") == ["m-1"]
        assert await counted(ledger) == {Status.SCHEDULED: 1}
        assert [each.data["status"] for each in await everything(ledger)] == ["scheduled"]

    play(scenario)


def test_a_queue_that_holds_an_email_back_makes_it_scheduled_too(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued(about=About(send_at=LATER)), queued("m-2")])

        assert (await found(ledger)).status is Status.SCHEDULED
        assert (await found(ledger, "m-2")).status is Status.QUEUED
        assert await take(ledger) == []  # it is on a queue already

    play(scenario)


def test_an_email_that_is_known_is_not_scheduled_again(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued()])
        await ledger.schedule([scheduled("m-2", body="first")])

        await ledger.schedule([scheduled(), scheduled("m-2", LATER - 1, "second")])

        assert (await found(ledger)).status is Status.QUEUED
        assert await ledger.due(LATER, now=LATER, lease=LEASE, limit=9) == [
            Due("m-2", LATER, "first")
        ]

    play(scenario)


def test_another_process_finds_what_is_scheduled(play: Play) -> None:
    play(lambda ledger: ledger.schedule([scheduled()]))

    assert play(take) == ["m-1"]


def test_nothing_to_schedule_is_nothing(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.schedule([])
        await ledger.released([], at=NOW)
        assert await take(ledger) == []

    play(scenario)


def test_an_email_is_not_forgotten_before_its_time(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.schedule([scheduled("called back"), scheduled("waiting"), scheduled("taken")])
        await ledger.queued([queued("delayed", about=About(send_at=LATER)), queued("plain")])
        await ledger.cancel("called back", now=NOW)
        await ledger.released(["taken"], at=LATER - 1)

        while await ledger.prune(NOW + 1, limit=100):
            pass
        kept = sorted(await listed(ledger))
        while await ledger.prune(LATER + 1, limit=100):
            pass

        assert kept == ["called back", "delayed", "taken", "waiting"]
        assert await listed(ledger) == ["waiting"]  # late, not lost
        assert await take(ledger) == ["waiting"]

    play(scenario)


# -- given out -------------------------------------------------------------------------------------


def test_an_email_is_due_with_its_body_when_its_time_is_near(play: Play) -> None:
    body = '{"v": 2, "text": "naïve 🙂 \\u2028"}'

    async def scenario(ledger: Ledger) -> None:
        await ledger.schedule([scheduled(body=body)])

        assert await ledger.due(LATER - 1, now=NOW, lease=LEASE, limit=9) == []
        assert await ledger.due(LATER, now=NOW, lease=LEASE, limit=9) == [Due("m-1", LATER, body)]
        assert (await found(ledger)).status is Status.SCHEDULED

    play(scenario)


def test_the_earliest_are_given_out_first_and_no_more_than_asked_for(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        times = (30, 10, 50, 20, 40)
        await ledger.schedule([scheduled(f"m-{time}", NOW + time) for time in times])

        assert await take(ledger, limit=2) == ["m-10", "m-20"]
        assert await take(ledger, limit=2) == ["m-30", "m-40"]
        assert await take(ledger, limit=2) == ["m-50"]

    play(scenario)


def test_nobody_else_is_given_an_email_before_its_lease_has_ended(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.schedule([scheduled()])

        assert await take(ledger, now=LATER) == ["m-1"]
        assert await take(ledger, now=LATER + LEASE - 1) == []
        assert await take(ledger, now=LATER + LEASE) == ["m-1"]

    play(scenario)


def test_a_released_email_is_not_given_out_again(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.schedule([scheduled("m-1"), scheduled("m-2")])
        await take(ledger)

        await ledger.released(["m-1", "nobody's"], at=LATER)

        assert await take(ledger, now=LATER + LEASE) == ["m-2"]
        assert (await found(ledger)).status is Status.SCHEDULED

    play(scenario)


@pytest.mark.parametrize("end", ["sending", "retrying", *sorted(TERMINAL - {Status.CANCELED})])
def test_an_email_that_went_on_from_a_queue_is_not_given_out_again(play: Play, end: str) -> None:
    """Whoever put it there has died before it could say so."""

    async def scenario(ledger: Ledger) -> None:
        await ledger.schedule([scheduled()])
        await take(ledger)
        await intend(ledger)
        if end != "sending":
            await ledger.record([recorded(status=end)])

        assert await take(ledger, now=LATER + LEASE) == []

    play(scenario)


def test_a_released_email_is_a_redrive_only_long_after_its_release(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.schedule([scheduled()])
        await ledger.released(["m-1"], at=LATER)
        first = await intend(ledger, queued_at=LATER)
        await ledger.record([recorded(status="refused")])

        copy = await intend(ledger, queued_at=LATER + REDRIVEN_AFTER)
        redriven = await intend(ledger, queued_at=LATER + REDRIVEN_AFTER + 1)

        assert (first.number, copy.ended, redriven.ended) == (1, Status.REFUSED, None)
        assert redriven.number == 3

    play(scenario)


def test_many_processes_are_given_each_email_once(store: Store, play: Play) -> None:
    count = 200
    play(
        lambda ledger: ledger.schedule(
            [scheduled(f"m-{number}", NOW + number) for number in range(count)]
        )
    )
    spawn = multiprocessing.get_context("spawn")
    start, answers = spawn.Barrier(3), spawn.Queue()
    processes = [
        spawn.Process(target=take_all, args=(store, start, answers), daemon=True) for _ in range(3)
    ]
    for each in processes:
        each.start()
    taken = Counter(id_ for _ in processes for id_ in answers.get(timeout=60))
    for each in processes:
        each.join(timeout=30)

    assert taken == Counter(f"m-{number}" for number in range(count))


# -- called back -----------------------------------------------------------------------------------


async def make(ledger: Ledger, state: str) -> None:
    """An email with a time, in a state."""
    await ledger.schedule([scheduled()])
    match state:
        case "taken":
            await take(ledger)
        case "released":
            await take(ledger)
            await ledger.released(["m-1"], at=LATER)
        case "retrying":
            await intend(ledger)
            await ledger.record([recorded(status="retrying")])
        case "sending":
            await intend(ledger)
        case "retrying after an unknown":
            await intend(ledger)
            await ledger.record([recorded(status="unknown")])
            await intend(ledger, receive_count=2)
            await ledger.record([recorded(number=2, status="retrying")])
        case "cut off":
            await intend(ledger)
            await ledger.record([ended(status="retrying")])
        case "unknown" | "sent" | "refused" | "failed" | "expired":
            await intend(ledger)
            await ledger.record([recorded(status=state)])


@pytest.mark.parametrize("state", ["scheduled", "taken", "released", "retrying"])
def test_an_email_that_is_not_being_sent_can_be_called_back(play: Play, state: str) -> None:
    async def scenario(ledger: Ledger) -> None:
        await make(ledger, state)

        first = await ledger.cancel("m-1", now=NOW + 99)
        told = await everything(ledger)
        again = await ledger.cancel("m-1", now=NOW + 100)

        assert (first, again) == (Cancellation.CANCELED, Cancellation.CANCELED)
        record = await found(ledger)
        assert (record.status, record.updated_at) == (Status.CANCELED, NOW + 99)
        assert await everything(ledger) == told
        assert (told[-1].data["status"], told[-1].at) == ("canceled", NOW + 99)
        assert await take(ledger, now=LATER + 2 * LEASE) == []
        assert (await intend(ledger, receive_count=3)).ended is Status.CANCELED
        assert await counted(ledger) == {Status.CANCELED: 1}

    play(scenario)


@pytest.mark.parametrize(
    "state",
    [
        "sending", "unknown", "retrying after an unknown", "cut off",
        "sent", "refused", "failed", "expired",
    ],
)  # fmt: skip
def test_an_email_that_is_or_may_be_sent_cannot_be_called_back(play: Play, state: str) -> None:
    async def scenario(ledger: Ledger) -> None:
        await make(ledger, state)
        before = await found(ledger), await everything(ledger)

        assert await ledger.cancel("m-1", now=NOW + 99) is Cancellation.TOO_LATE
        assert (await found(ledger), await everything(ledger)) == before

    play(scenario)


def test_only_an_email_with_a_time_can_be_called_back(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued(), queued("m-2", about=About(tags=("a",)))])

        assert await ledger.cancel("m-1", now=NOW) is Cancellation.NOT_SCHEDULED
        assert await ledger.cancel("m-2", now=NOW) is Cancellation.NOT_SCHEDULED
        assert await ledger.cancel("m-3", now=NOW) is Cancellation.UNKNOWN_EMAIL
        assert await ledger.email("m-3") is None

    play(scenario)


def test_an_email_that_a_queue_holds_back_can_be_called_back(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued(about=About(send_at=LATER))])

        assert await ledger.cancel("m-1", now=NOW) is Cancellation.CANCELED
        assert (await intend(ledger)).ended is Status.CANCELED

    play(scenario)


def test_a_late_outcome_does_not_bring_a_canceled_email_back(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await make(ledger, "retrying")
        await ledger.cancel("m-1", now=NOW)
        await ledger.record([recorded(number=0, status="retrying")])
        await ledger.schedule([scheduled()])
        await ledger.released(["m-1"], at=LATER)

        assert (await found(ledger)).status is Status.CANCELED
        assert await take(ledger) == []

    play(scenario)


def test_either_the_cancellation_wins_or_the_send(store: Store, play: Play) -> None:
    """Two connections at once: whoever comes first, exactly one of them may go on."""
    ids = [f"m-{number}" for number in range(60)]

    async def call_back(ledger: Ledger, id_: str) -> bool:
        return await ledger.cancel(id_, now=LATER) is Cancellation.CANCELED

    async def send(ledger: Ledger, id_: str) -> bool:
        return (await intend(ledger, id_, at=LATER)).ended is None

    async def scenario(ledger: Ledger) -> None:
        other = store()
        try:
            await ledger.schedule([_of(id_) for id_ in ids])
            tries = [
                asyncio.gather(send(ledger, id_), call_back(other, id_))
                if place % 2
                else asyncio.gather(send(other, id_), call_back(ledger, id_))
                for place, id_ in enumerate(ids)
            ]
            taking = asyncio.gather(take(ledger), take(other))
            outcomes = [await each for each in tries]
            await taking
        finally:
            await other.close()

        assert all(sent != canceled for sent, canceled in outcomes)
        assert set(await listed(ledger, status=Status.CANCELED)) == {
            id_ for id_, (_, canceled) in zip(ids, outcomes, strict=True) if canceled
        }

    play(scenario)


def _of(id_: str) -> Scheduled:
    return scheduled(id_, LATER - 1)
