"""What every ledger promises, over every adapter."""

import asyncio
import multiprocessing
from collections import Counter
from functools import partial
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gomail.ledger import (
    REDRIVEN,
    REDRIVEN_AFTER,
    TERMINAL,
    Claim,
    ClaimState,
    EventKind,
    ExitReport,
    Filter,
    Known,
    Ledger,
    Page,
    ProcessReport,
    Status,
)
from gomail.outcome import OutcomeClass
from tests.ledger.conftest import Play, Store
from tests.ledger.contending import claim_all, send_all
from tests.ledger.notes import (
    NOW,
    READER,
    SENDER,
    ended,
    everything,
    found,
    intend,
    intent,
    listed,
    pages,
    queued,
    recorded,
)

LEASE, KEEP = 30_000, 86_400_000
fresh = count()
examples = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


async def claim(ledger: Ledger, key: str = "key", **given: Any) -> Claim:
    fields: dict[str, Any] = {
        "fingerprint": "body-1",
        "message_id": "m-1",
        "now": NOW,
        "lease": LEASE,
        "keep": KEEP,
    }
    return await ledger.claim(key, **fields | given)


# -- the life of an email --------------------------------------------------------------------------


def test_an_email_that_nobody_has_noted_is_not_there(play: Play) -> None:
    assert play(lambda ledger: ledger.email("m-1")) is None


def test_a_queued_email_is_told_as_it_was_noted(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued(from_email="Shop@Example.com")])

        record = await found(ledger)

        assert (record.status, record.queued_at, record.updated_at) == (Status.QUEUED, NOW, NOW)
        assert (record.from_email, record.to_email) == ("Shop@Example.com", READER)
        assert (record.provider, record.attempts) == ("", ())

    play(scenario)


def test_an_email_that_is_known_is_not_queued_again(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger)
        await ledger.record([recorded()])
        before, events = await found(ledger), await everything(ledger)

        await ledger.queued([queued(at=NOW + 99, to_email="other@example.org")])

        assert await found(ledger) == before
        assert await everything(ledger) == events

    play(scenario)


def test_an_email_of_an_intent_is_being_sent(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued()])

        assert await intend(ledger, provider="sendgrid", at=NOW + 5) == Known(number=1)
        record = await found(ledger)

        assert (record.status, record.provider) == (Status.SENDING, "sendgrid")
        assert record.updated_at == NOW + 5
        [attempt] = record.attempts
        assert (attempt.number, attempt.provider, attempt.started) == (1, "sendgrid", NOW + 5)
        assert (attempt.kind, attempt.duration) == (None, None)

    play(scenario)


def test_an_intent_for_an_email_that_nobody_noted_creates_it(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger, queued_at=NOW - 1, at=NOW)

        record = await found(ledger)

        assert (record.queued_at, record.updated_at) == (NOW - 1, NOW)
        assert (record.from_email, record.to_email) == (SENDER, READER)

    play(scenario)


def test_a_record_fills_in_the_attempt_of_its_number(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger)

        await ledger.record([recorded(provider_id="ses-77", at=NOW + 20, duration=9)])
        record = await found(ledger)

        assert (record.status, record.provider, record.updated_at) == ("sent", "ses", NOW + 20)
        [attempt] = record.attempts
        assert (attempt.kind, attempt.provider_id) == (OutcomeClass.ACCEPTED, "ses-77")
        assert (attempt.started, attempt.duration) == (NOW + 10, 9)

    play(scenario)


def test_a_failure_says_why_and_the_next_attempt_stands_after_it(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger)
        await ledger.record([recorded(status="retrying", code="503", detail="Down.")])

        retrying = await found(ledger)
        known = await intend(ledger, provider="sendgrid", receive_count=2)
        record = await found(ledger)

        assert (retrying.status, retrying.code, retrying.detail) == ("retrying", "503", "Down.")
        assert (known.number, known.possible_duplicate) == (2, False)
        assert [each.provider for each in record.attempts] == ["ses", "sendgrid"]
        assert [each.code for each in record.attempts] == ["503", ""]
        assert (record.status, record.provider) == ("sending", "sendgrid")

    play(scenario)


def test_a_record_without_a_number_gets_the_next_one(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger)
        await ledger.record([recorded(status="retrying")])

        await ledger.record([recorded(number=0, provider="sendgrid")])
        record = await found(ledger)

        assert [(each.number, each.provider) for each in record.attempts] == [
            (1, "ses"),
            (2, "sendgrid"),
        ]
        assert record.status == "sent"

    play(scenario)


def test_a_record_for_an_email_that_nobody_noted_creates_it(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.record([recorded(number=0, queued_at=NOW - 7)])

        record = await found(ledger)

        assert (record.status, record.queued_at) == ("sent", NOW - 7)
        assert (record.from_email, record.to_email) == (SENDER, READER)
        assert [each.number for each in record.attempts] == [1]

    play(scenario)


def test_an_email_can_end_without_an_attempt(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued()])

        await ledger.record([ended(status="refused", code="unreadable", detail="No JSON.")])
        record = await found(ledger)

        assert (record.status, record.code, record.detail) == ("refused", "unreadable", "No JSON.")
        assert (record.provider, record.attempts) == ("", ())

    play(scenario)


def test_an_end_without_an_attempt_leaves_who_tried_last(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger)
        await ledger.record([recorded(status="retrying"), ended()])

        record = await found(ledger)

        assert (record.status, record.provider) == ("failed", "ses")

    play(scenario)


def test_several_emails_share_a_call(play: Play) -> None:
    ids = [f"m-{number}" for number in range(120)]

    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued(each) for each in ids[::2]])
        known = await ledger.intend([intent(each) for each in ids])
        await ledger.record([recorded(each) for each in ids])

        assert set(known) == set(ids)
        assert sorted(await listed(ledger, status=Status.SENT)) == sorted(ids)

    play(scenario)


def test_calls_with_nothing_in_them_do_nothing(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([])
        await ledger.record([])
        assert await ledger.intend([]) == {}
        assert await everything(ledger) == []

    play(scenario)


def test_any_text_comes_back_as_it_was_told(play: Play) -> None:
    text = "naïve 'quoted\" \\ 100 % 🙂 \u2028 {}[],;:"

    async def scenario(ledger: Ledger) -> None:
        await ledger.record([recorded(number=0, code=text, detail=text, provider_id=text)])

        [attempt] = (await found(ledger)).attempts

        assert (attempt.code, attempt.detail, attempt.provider_id) == (text, text, text)
        assert (await everything(ledger))[-1].data["detail"] == text

    play(scenario)


# -- what must not be sent again -------------------------------------------------------------------


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_an_email_that_has_ended_gets_no_attempt(play: Play, status: Status) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger)
        await ledger.record([recorded(status=status)])

        known = await intend(ledger, receive_count=2)

        assert known.ended is status
        assert len((await found(ledger)).attempts) == 1
        assert (await found(ledger)).status == status

    play(scenario)


@pytest.mark.parametrize("status", ["refused", "failed"])
def test_an_email_that_an_operator_has_redriven_is_sent_again(play: Play, status: str) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger)
        await ledger.record([recorded(status=status)])

        known = await intend(ledger, queued_at=NOW + REDRIVEN_AFTER + 1)

        assert known == Known(number=3)
        record = await found(ledger)
        assert [(one.provider, one.code) for one in record.attempts[1:2]] == [("", REDRIVEN)]
        assert record.status is Status.SENDING

    play(scenario)


def test_a_copy_of_a_dead_letter_is_no_redrive(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger)
        await ledger.record([recorded(status="refused")])

        known = await intend(ledger, queued_at=NOW + REDRIVEN_AFTER)

        assert known.ended is Status.REFUSED

    play(scenario)


def test_an_email_that_was_sent_is_not_sent_again_however_it_comes_back(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger)
        await ledger.record([recorded()])

        known = await intend(ledger, queued_at=NOW + 10 * REDRIVEN_AFTER)

        assert known.ended is Status.SENT

    play(scenario)


def test_receives_count_anew_after_a_redrive(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        for number in (1, 2):
            await intend(ledger, receive_count=number)
            await ledger.record([recorded(number=number, status="retrying")])
        await ledger.record([ended(status="failed")])
        later = NOW + REDRIVEN_AFTER + 1

        first = await intend(ledger, queued_at=later)
        await ledger.record([recorded(number=first.number, status="retrying")])
        third = await intend(ledger, queued_at=later, receive_count=3)

        assert (first.possible_duplicate, third.possible_duplicate) == (False, True)

    play(scenario)


@pytest.mark.parametrize(
    ("first", "doubts"),
    [("retrying", [False, False]), ("unknown", [False, True])],
)
def test_only_an_unknown_outcome_makes_the_next_send_doubtful(
    play: Play, first: str, doubts: list[bool]
) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger)
        await ledger.record([recorded(status=first)])

        known = await intend(ledger, receive_count=2)

        assert (known.number, known.possible_duplicate) == (2, doubts[-1])
        assert [each.possible_duplicate for each in (await found(ledger)).attempts] == doubts

    play(scenario)


def test_an_attempt_that_was_cut_off_makes_every_later_send_doubtful(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger)
        second = await intend(ledger, receive_count=2)
        await ledger.record([recorded(number=2, status="retrying", possible_duplicate=True)])
        third = await intend(ledger, receive_count=3)

        assert (second.possible_duplicate, third.possible_duplicate) == (True, True)

    play(scenario)


def test_a_receive_that_left_no_record_makes_the_send_doubtful(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued()])

        assert (await intend(ledger, receive_count=2)).possible_duplicate
        assert not (await intend(ledger, "m-2", receive_count=1)).possible_duplicate

    play(scenario)


def test_doubtful_attempts_are_counted_once_each(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger, receive_count=2)
        await ledger.record([recorded(possible_duplicate=True)])
        await ledger.record([recorded("m-2", number=0, possible_duplicate=True)])

        assert (await ledger.stats(NOW)).possible_duplicates == 2
        assert [each.possible_duplicate for each in (await found(ledger, "m-2")).attempts] == [True]

    play(scenario)


# -- idempotent, and one way only ------------------------------------------------------------------


def test_telling_an_outcome_again_changes_nothing(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger)
        first = recorded(status="retrying", code="503")
        await ledger.record([first])
        await intend(ledger, provider="sendgrid", receive_count=2)
        before = await found(ledger), await everything(ledger), await ledger.stats(NOW)

        await ledger.record([first])
        await ledger.record([first, first])

        assert (await found(ledger), await everything(ledger), await ledger.stats(NOW)) == before

    play(scenario)


def test_an_acceptance_after_the_end_is_noted_and_leaves_the_end(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger)
        await intend(ledger, provider="sendgrid")
        await ledger.record([recorded(number=2, provider="sendgrid", provider_id="sg")])

        await ledger.record([recorded(number=1, provider="ses", provider_id="ses")])
        record, stats = await found(ledger), await ledger.stats(NOW)

        assert [each.provider_id for each in record.attempts] == ["ses", "sg"]
        assert (record.status, record.provider) == ("sent", "sendgrid")
        assert stats.sent_by_provider == {"sendgrid": 1}
        assert stats.attempts == {
            ("ses", OutcomeClass.ACCEPTED): 1,
            ("sendgrid", OutcomeClass.ACCEPTED): 1,
        }

    play(scenario)


notes = st.one_of(
    st.just("queue"),
    st.just("intend"),
    st.tuples(st.sampled_from(Status), st.integers(0, 3), st.sampled_from(OutcomeClass)),
    st.sampled_from(Status),
)


@examples
@given(st.lists(notes, max_size=8))
def test_a_terminal_state_never_goes_back(play: Play, told: list[Any]) -> None:
    email_id = f"m-{next(fresh)}"

    async def scenario(ledger: Ledger) -> list[Status | None]:
        seen = []
        for note in told:
            await tell(ledger, email_id, note)
            record = await ledger.email(email_id)
            seen.append(record and record.status)
        return seen

    seen = play(scenario)

    end = next((place for place, status in enumerate(seen) if status in TERMINAL), len(seen))
    assert len(set(seen[end:])) <= 1


async def tell(ledger: Ledger, email_id: str, note: Any) -> None:
    match note:
        case "queue":
            await ledger.queued([queued(email_id)])
        case "intend":
            await ledger.intend([intent(email_id)])
        case Status():
            await ledger.record([ended(email_id, note)])
        case (status, number, kind):
            await ledger.record([recorded(email_id, status, number=number, kind=kind)])


@examples
@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from(OutcomeClass)),
        max_size=6,
        unique_by=lambda each: each[0],
    ),
    st.data(),
)
def test_outcomes_may_be_told_any_number_of_times(
    play: Play, outcomes: list[Any], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(outcomes), max_size=6)) if outcomes else []
    once, often = f"m-{next(fresh)}", f"m-{next(fresh)}"

    async def scenario(ledger: Ledger) -> None:
        for email_id, told in ((once, outcomes), (often, [*outcomes, *again])):
            for number, kind in told:
                status = Status.SENT if kind is OutcomeClass.ACCEPTED else Status.RETRYING
                await ledger.record([recorded(email_id, status, number=number, kind=kind)])

        first, second = await ledger.email(once), await ledger.email(often)

        assert (first and first.attempts) == (second and second.attempts)
        assert (first and first.status) == (second and second.status)

    play(scenario)


@examples
@given(st.lists(st.tuples(st.integers(0, 4), notes), max_size=12))
def test_counts_agree_with_the_emails(play: Play, told: list[Any]) -> None:
    names = [f"m-{next(fresh)}-" for _ in range(5)]

    async def scenario(ledger: Ledger) -> None:
        before = await ledger.stats(NOW)
        for which, note in told:
            await tell(ledger, names[which], note)
        after = await ledger.stats(NOW)
        records = [record for name in names if (record := await ledger.email(name))]
        attempts = [attempt for record in records for attempt in record.attempts]

        assert gained(before.by_status, after.by_status) == Counter(
            record.status for record in records
        )
        assert gained(before.attempts, after.attempts) == Counter(
            (each.provider, each.kind) for each in attempts if each.kind
        )
        doubtful = sum(each.possible_duplicate for each in attempts)
        assert after.possible_duplicates - before.possible_duplicates == doubtful

    play(scenario)


def gained(before: Any, after: Any) -> Counter[Any]:
    return Counter(dict(after)) - Counter(dict(before))


# -- lists -----------------------------------------------------------------------------------------


async def filled(ledger: Ledger) -> None:
    """Six emails, the later the higher their number."""
    await ledger.queued([queued(f"m-{number}", NOW + number) for number in range(4)])
    await ledger.queued([queued("m-4", NOW + 4, to_email="Ann@Example.org")])
    await ledger.queued([queued("m-5", NOW + 5, from_email="Alerts@example.com")])
    await ledger.intend([intent("m-1"), intent("m-2", provider="sendgrid"), intent("m-3")])
    await ledger.record([recorded("m-1"), recorded("m-2", provider="sendgrid")])


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ({}, [5, 4, 3, 2, 1, 0]),
        ({"status": Status.SENT}, [2, 1]),
        ({"status": Status.REFUSED}, []),
        ({"provider": "ses"}, [3, 1]),
        ({"to_email": "ann@example.ORG"}, [4]),
        ({"from_email": "alerts@EXAMPLE.com"}, [5]),
        ({"since": NOW + 4}, [5, 4]),
        ({"until": NOW + 2}, [1, 0]),
        ({"since": NOW + 1, "until": NOW + 3}, [2, 1]),
        ({"status": Status.SENT, "provider": "ses"}, [1]),
        ({"status": Status.SENT, "to_email": READER, "since": NOW + 2}, [2]),
        ({"to_email": READER, "from_email": SENDER, "provider": "ses", "status": "sent"}, [1]),
    ],
)
def test_a_list_holds_what_the_filter_asks_for_newest_first(
    play: Play, which: dict[str, Any], expected: list[int]
) -> None:
    async def scenario(ledger: Ledger) -> None:
        await filled(ledger)

        assert await listed(ledger, **which) == [f"m-{number}" for number in expected]
        assert [
            each async for each in pages(ledger, Filter(**which), limit=1)
        ] == [f"m-{number}" for number in expected]  # fmt: skip

    play(scenario)


def test_a_list_tells_states_and_no_attempts(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await filled(ledger)

        [email] = (await ledger.emails(Filter(status=Status.SENT), cursor=None, limit=1)).emails

        assert (email.id, email.provider, email.attempts) == ("m-2", "sendgrid", ())

    play(scenario)


def test_the_last_page_names_no_next_one(play: Play) -> None:
    async def scenario(ledger: Ledger) -> list[Page]:
        await ledger.queued([queued("m-1"), queued("m-2")])
        return [await ledger.emails(Filter(), cursor=None, limit=limit) for limit in (1, 2, 3)]

    first, exact, roomy = play(scenario)

    assert first.next_cursor
    assert (exact.next_cursor, roomy.next_cursor) == (None, None)


def test_paging_tells_each_email_once_while_new_ones_arrive(play: Play) -> None:
    before = [f"m-{number}" for number in range(30)]

    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued(each, NOW + place // 10) for place, each in enumerate(before)])
        seen = []
        async for each in pages(ledger, limit=4):
            seen.append(each)
            await ledger.queued([queued(f"later-{len(seen)}", NOW + 100)])

        assert sorted(seen) == sorted(before)

    play(scenario)


@pytest.mark.parametrize("cursor", ["", "nonsense", "ü", "MQ", "MS4yLjM", "4pyT", "-", "0" * 400])
def test_a_cursor_that_is_not_ours_is_refused(play: Play, cursor: str) -> None:
    async def scenario(ledger: Ledger) -> None:
        with pytest.raises(ValueError, match="cursor"):
            await ledger.emails(Filter(), cursor=cursor, limit=1)

    play(scenario)


# -- events ----------------------------------------------------------------------------------------


def test_each_change_of_a_state_is_an_event(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued()])
        await intend(ledger, receive_count=2)
        await ledger.record([recorded(status="retrying", code="503", detail="Down.")])

        first, second, third = await everything(ledger)

        assert [each.data["status"] for each in (first, second, third)] == [
            "queued",
            "sending",
            "retrying",
        ]
        assert {each.kind for each in (first, second, third)} == {EventKind.STATUS}
        assert [each.at for each in (first, second, third)] == [NOW, NOW + 10, NOW + 20]
        assert second.data["possibleDuplicate"] is True
        assert third.data == {
            "id": "m-1",
            "status": "retrying",
            "provider": "ses",
            "code": "503",
            "detail": "Down.",
            "number": 1,
            "possibleDuplicate": True,
        }

    play(scenario)


def test_a_verdict_is_an_event(play: Play) -> None:
    told = {"provider": "ses", "healthy": False, "verdict": 3, "owner": "host-1"}

    async def scenario(ledger: Ledger) -> None:
        await ledger.verdict(**told, at=NOW)

        [event] = await everything(ledger)

        assert (event.kind, event.at, event.data) == (EventKind.VERDICT, NOW, told)

    play(scenario)


def test_a_reader_of_events_resumes_where_it_stopped(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued(f"m-{number}") for number in range(5)])

        first = await ledger.events("0", limit=2)
        rest = await ledger.events(first[-1].sequence, limit=10)

        assert [each.data["id"] for each in first + rest] == [f"m-{n}" for n in range(5)]
        assert await ledger.events(rest[-1].sequence, limit=10) == []

    play(scenario)


def test_a_new_reader_of_events_starts_from_the_newest(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        assert await ledger.events(None, limit=10) == []
        await ledger.queued([queued(f"m-{number}") for number in range(5)])

        [newest] = await ledger.events(None, limit=10)

        assert newest.data["id"] == "m-4"
        assert await ledger.events(newest.sequence, limit=10) == []

    play(scenario)


# -- counts ----------------------------------------------------------------------------------------


def test_an_empty_ledger_counts_nothing(play: Play) -> None:
    stats = play(lambda ledger: ledger.stats(NOW))

    assert (sum(stats.by_status.values()), stats.possible_duplicates, stats.processes) == (0, 0, ())


def test_emails_are_counted_by_state_and_attempts_by_provider_and_outcome(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await filled(ledger)
        await ledger.record([recorded("m-3", "retrying")])

        stats = await ledger.stats(NOW)

        counted = {status: number for status, number in stats.by_status.items() if number}
        assert counted == {Status.QUEUED: 3, Status.SENT: 2, Status.RETRYING: 1}
        assert stats.sent_by_provider == {"ses": 1, "sendgrid": 1}
        assert stats.attempts == {
            ("ses", OutcomeClass.ACCEPTED): 1,
            ("sendgrid", OutcomeClass.ACCEPTED): 1,
            ("ses", OutcomeClass.FAILED): 1,
        }

    play(scenario)


def test_the_last_report_of_each_living_process_is_told(play: Play) -> None:
    way = ExitReport(
        "ses", healthy=False, verdict=2, failing_rounds=1, good_rounds=0, in_hand=3, room=16,
        paused_for=1.5, share=0.25, rate=14.0, slow=True, unhealthy_since=NOW - 9, why="500",
        mend="Pay the bill.", mend_since=NOW - 8,
    )  # fmt: skip

    async def scenario(ledger: Ledger) -> None:
        await ledger.report(ProcessReport("gone", NOW - 30_001, (way,)))
        await ledger.report(ProcessReport("living", NOW - 60_000, ()))
        await ledger.report(ProcessReport("living", NOW - 1_000, (way,)))

        stats = await ledger.stats(NOW)

        assert stats.processes == (ProcessReport("living", NOW - 1_000, (way,)),)

    play(scenario)


# -- requests made before --------------------------------------------------------------------------


def test_a_key_that_nobody_has_is_the_claimers(play: Play) -> None:
    assert play(claim) == Claim(ClaimState.NEW, "m-1")


def test_a_key_under_way_is_in_flight(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await claim(ledger)

        assert (await claim(ledger, message_id="m-2")).state is ClaimState.IN_FLIGHT
        assert (await claim(ledger, now=NOW + LEASE - 1)).state is ClaimState.IN_FLIGHT

    play(scenario)


def test_the_first_answer_is_given_again(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await claim(ledger)
        await ledger.answer("key", message_id="m-1", answer=b'{"messageId": "m-1"}\x00\xff')

        again = await claim(ledger, message_id="m-2", now=NOW + LEASE + 1)

        assert again == Claim(ClaimState.ANSWERED, "m-1", b'{"messageId": "m-1"}\x00\xff')

    play(scenario)


@pytest.mark.parametrize("state", ["in flight", "released", "lapsed", "answered"])
def test_a_key_is_not_for_another_request(play: Play, state: str) -> None:
    async def scenario(ledger: Ledger) -> None:
        await claim(ledger)
        if state == "released":
            await ledger.release("key", message_id="m-1")
        if state == "answered":
            await ledger.answer("key", message_id="m-1", answer=b"{}")
        now = NOW + LEASE + 1 if state == "lapsed" else NOW + 1

        other = await claim(ledger, fingerprint="body-2", message_id="m-2", now=now)

        assert other.state is ClaimState.OTHER_BODY

    play(scenario)


@pytest.mark.parametrize("end", ["released", "lapsed"])
def test_a_retry_takes_the_first_message_id_over(play: Play, end: str) -> None:
    async def scenario(ledger: Ledger) -> None:
        await claim(ledger)
        if end == "released":
            await ledger.release("key", message_id="m-1")
        now = NOW + 1 if end == "released" else NOW + LEASE

        again = await claim(ledger, message_id="m-2", now=now)
        third = await claim(ledger, message_id="m-3", now=now + LEASE - 1)

        assert again == Claim(ClaimState.NEW, "m-1")
        assert third.state is ClaimState.IN_FLIGHT

    play(scenario)


def test_an_answered_key_is_not_released(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await claim(ledger)
        await ledger.answer("key", message_id="m-1", answer=b"{}")

        await ledger.release("key", message_id="m-1")

        assert (await claim(ledger)).state is ClaimState.ANSWERED

    play(scenario)


def test_whoever_has_another_message_id_changes_nothing_of_a_key(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await claim(ledger)

        await ledger.release("key", message_id="m-2")
        await ledger.answer("key", message_id="m-2", answer=b"{}")

        assert (await claim(ledger)).state is ClaimState.IN_FLIGHT

    play(scenario)


def test_of_claims_at_once_one_is_granted(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        claims = await asyncio.gather(*(claim(ledger, message_id=f"m-{n}") for n in range(20)))

        assert Counter(each.state for each in claims) == {
            ClaimState.NEW: 1,
            ClaimState.IN_FLIGHT: 19,
        }

    play(scenario)


# -- several processes -----------------------------------------------------------------------------


def processes(target: Any, arguments: list[tuple[Any, ...]], store: Store) -> list[Any]:
    """Runs a function in processes that start together; what each answers."""
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(len(arguments)), context.Queue()
    running = [
        context.Process(target=target, args=(store, start, answers, *each)) for each in arguments
    ]
    for each in running:
        each.start()
    results = [answers.get(timeout=60) for _ in running]
    for each in running:
        each.join(timeout=30)
    answers.close()
    return results


def test_two_processes_never_both_get_a_key(store: Store) -> None:
    first, second = processes(claim_all, [(300,), (300,)], store)

    assert sorted(first + second) == sorted(f"key-{number}" for number in range(300))


def test_two_processes_write_at_once_and_nothing_is_lost(store: Store, play: Play) -> None:
    ids = [[f"{name}-{number}" for number in range(200)] for name in "ab"]

    processes(send_all, [(each,) for each in ids], store)

    async def scenario(ledger: Ledger) -> None:
        assert sorted(await listed(ledger, status=Status.SENT)) == sorted(ids[0] + ids[1])
        assert (await ledger.stats(NOW)).sent_by_provider == {"ses": 400}
        assert len(await everything(ledger)) == 1_200

    play(scenario)


# -- housekeeping ----------------------------------------------------------------------------------


async def prune_all(ledger: Ledger, before: int, *, limit: int = 100) -> int:
    steps = 0
    while await ledger.prune(before, limit=limit):
        steps += 1
        assert steps < 1_000
    return steps


def test_old_emails_are_forgotten_with_their_attempts_and_stay_counted(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await filled(ledger)
        before = await ledger.stats(NOW)

        await prune_all(ledger, NOW + 3)

        assert await listed(ledger) == ["m-5", "m-4", "m-3"]
        assert await ledger.email("m-1") is None
        assert await listed(ledger, provider="sendgrid") == []
        assert await ledger.stats(NOW) == before

    play(scenario)


def test_pruning_goes_in_steps(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued(f"m-{number}") for number in range(9)])

        assert await ledger.prune(NOW + 1, limit=4) > 0
        assert len(await listed(ledger)) == 5

        await prune_all(ledger, NOW + 1, limit=4)
        assert await listed(ledger) == []

    play(scenario)


def test_a_ledger_without_anything_old_prunes_nothing(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await filled(ledger)
        await claim(ledger)

        assert await ledger.prune(NOW, limit=100) == 0
        assert len(await listed(ledger)) == 6
        assert (await claim(ledger)).state is ClaimState.IN_FLIGHT

    play(scenario)


def test_a_reader_of_events_that_are_gone_resumes_at_the_oldest(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued("old", NOW)])
        [old] = await everything(ledger)
        await ledger.queued([queued("older", NOW + 1), queued("new", NOW + 10)])

        await prune_all(ledger, NOW + 5)

        assert [e.data["id"] for e in await ledger.events(old.sequence, limit=9)] == ["new"]
        assert [e.data["id"] for e in await ledger.events(None, limit=9)] == ["new"]

    play(scenario)


def test_an_email_that_was_forgotten_may_come_again(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger)
        await prune_all(ledger, NOW + 100)

        known = await intend(ledger)

        assert (known.number, known.possible_duplicate) == (1, False)
        assert len((await found(ledger)).attempts) == 1

    play(scenario)


def test_a_key_is_forgotten_after_its_time(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await claim(ledger)
        await ledger.answer("key", message_id="m-1", answer=b"{}")

        later = await claim(
            ledger, fingerprint="body-2", message_id="m-2", now=NOW + LEASE + KEEP + 1
        )

        assert later == Claim(ClaimState.NEW, "m-2")

    play(scenario)


# -- those who do not wait -------------------------------------------------------------------------


def test_a_caller_that_has_gone_on_spoils_nothing_for_the_others(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        gone = [asyncio.ensure_future(intend(ledger, f"gone-{n}")) for n in range(20)]
        told = asyncio.ensure_future(ledger.record([recorded(number=0)]))
        await asyncio.sleep(0)
        for each in gone:
            each.cancel()

        await told
        await intend(ledger, "m-2")

        assert sorted({"m-1", "m-2"} & set(await listed(ledger))) == ["m-1", "m-2"]

    play(scenario)


def test_an_outcome_is_written_even_if_its_teller_has_gone_on(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        told = asyncio.ensure_future(ledger.record([recorded(number=0)]))
        await asyncio.sleep(0)
        told.cancel()

        await ledger.queued([queued("m-2")])

        assert (await found(ledger)).status == "sent"

    play(scenario)


def test_closing_writes_what_is_pending(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        waiting = [
            asyncio.ensure_future(ledger.record([recorded(f"m-{number}", number=0)]))
            for number in range(50)
        ]
        await asyncio.sleep(0)
        await ledger.close()
        await asyncio.gather(*waiting)

    play(scenario)

    assert len(play(partial(listed, status=Status.SENT))) == 50


def test_a_second_acceptance_that_nobody_was_asked_about_is_flagged(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.record([recorded(number=0, started=NOW)])
        await ledger.record([recorded(number=0, started=NOW + 12_000, owner="another")])

        record = await found(ledger)
        assert [one.possible_duplicate for one in record.attempts] == [False, True]
        assert (await ledger.stats(NOW)).possible_duplicates == 1

    play(scenario)


# -- what is told late, or twice -------------------------------------------------------------------


def test_what_nobody_had_noted_before_and_is_told_twice_is_one_attempt(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        late = [recorded(number=0), recorded("m-2", "retrying", number=0)]
        await ledger.record(late)
        before = [await found(ledger, id_) for id_ in ("m-1", "m-2")]
        stats = await ledger.stats(NOW)

        await ledger.record([*late, *late])

        assert [await found(ledger, id_) for id_ in ("m-1", "m-2")] == before
        assert await ledger.stats(NOW) == stats
        assert not any(each.possible_duplicate for each in before[0].attempts)

    play(scenario)


def test_what_nobody_had_noted_before_and_is_told_twice_at_once_is_one_attempt(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.record([recorded(number=0), recorded(number=0)])

        assert len((await found(ledger)).attempts) == 1

    play(scenario)


def test_an_outcome_that_is_told_late_leaves_the_state_to_the_attempt_after_it(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger)
        await intend(ledger, at=NOW + 100, receive_count=2)
        await ledger.record([recorded(status="retrying")])

        email = await found(ledger)

        assert email.status is Status.SENDING
        assert [each.kind for each in email.attempts] == [OutcomeClass.FAILED, None]

    play(scenario)


def test_an_acceptance_that_is_told_late_is_the_end_all_the_same(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger)
        await intend(ledger, at=NOW + 100, receive_count=2)
        await ledger.record([recorded()])

        assert (await found(ledger)).status is Status.SENT

    play(scenario)


def test_an_outcome_that_is_told_late_does_not_end_what_another_process_is_sending(
    play: Play,
) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger, owner="host-1", at=NOW)
        await intend(ledger, owner="host-2", at=NOW + 60_000, receive_count=2)
        await ledger.record([recorded(status="retrying", owner="host-1")])

        known = await intend(ledger, owner="host-3", at=NOW + 60_100, receive_count=3)

        assert known.under_way

    play(scenario)


def test_a_burial_that_is_told_after_a_redrive_does_not_end_the_email(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger)
        await ledger.record([recorded(status="retrying", kind="refused")])
        buried = ended(status="refused", at=NOW + 1_000)
        await ledger.record([buried])
        redriven = NOW + 2 * REDRIVEN_AFTER
        await intend(ledger, at=redriven + 100, queued_at=redriven)

        await ledger.record([buried])
        assert (await found(ledger)).status is Status.SENDING

        await ledger.record([recorded(number=3, started=redriven + 100, at=redriven + 200)])
        assert (await found(ledger)).status is Status.SENT

    play(scenario)


def test_a_burial_that_is_told_after_a_redrive_and_its_outcome_does_not_end_the_email(
    play: Play,
) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger)
        await ledger.record([recorded(status="retrying", kind="refused")])
        buried = ended(status="refused", at=NOW + 1_000)
        await ledger.record([buried])
        redriven = NOW + 2 * REDRIVEN_AFTER
        again = {"queued_at": redriven, "started": redriven + 100, "at": redriven + 200}
        await intend(ledger, at=redriven + 100, queued_at=redriven)
        await ledger.record([recorded(status="retrying", number=3, **again)])

        await ledger.record([buried])
        assert (await found(ledger)).status is Status.RETRYING

        await ledger.record([ended(status="refused", **again)])
        assert (await found(ledger)).status is Status.REFUSED

    play(scenario)


def test_a_burial_told_late_does_not_end_an_email_that_was_first_heard_of_when_redriven(
    play: Play,
) -> None:
    async def scenario(ledger: Ledger) -> None:
        redriven = NOW + 2 * REDRIVEN_AFTER
        await intend(ledger, at=redriven + 100, queued_at=redriven)

        await ledger.record(
            [recorded(status="retrying", number=0), ended(status="refused", at=NOW + 1_000)]
        )

        assert (await found(ledger)).status is Status.SENDING

    play(scenario)


def test_what_nobody_had_noted_and_is_told_late_leaves_a_later_attempt_as_it_is(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        later = NOW + 60_000
        await intend(ledger, owner="host-2", at=later, receive_count=2)

        await ledger.record([recorded(status="retrying", number=0, owner="host-1")])

        assert (await found(ledger)).status is Status.SENDING
        known = await intend(ledger, owner="host-3", at=later + 100, receive_count=3)
        assert known.under_way

    play(scenario)
