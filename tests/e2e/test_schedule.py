"""A thousand scheduled emails while the processes that take, release and send them are killed."""

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from time import time

import pytest
from uuid_utils import uuid7

from gomail.about import about
from gomail.email import Message, encode, read
from gomail.ledger import Queued, Scheduled
from gomail.ledger.sqlite import SqliteLedger
from tests.e2e.scene import ask, eventually

pytestmark = pytest.mark.timeout(300)

EMAILS = 1_000
PROCESSES = 3
KILLS = 12
FIRST, LAST = 10.0, 25.0
"""Seconds from now between which they are to be sent."""
LEASE = 60.0
"""Seconds for which a killed process keeps what it was about to release."""


def fields(number, due):
    return {
        "fromEmail": "shop@example.com",
        "toEmail": f"reader-{number}@example.org",
        "body": "Thank you.",
        "sendAt": datetime.fromtimestamp(due, UTC).isoformat(),
    }


def scheduled_by_the_api(apis, dues):
    """These the queues hold back."""

    def schedule(number):
        api = apis[number % PROCESSES]
        return ask("POST", f"{api}/email/send", {"email": fields(number, dues[number])})

    with ThreadPoolExecutor(16) as threads:
        answers = threads.map(schedule, range(len(dues)))
        return {answer["messageId"]: due for answer, due in zip(answers, dues, strict=True)}


def scheduled_long_before(house, dues):
    """These wait in the ledger, as if they had been taken more than 15 minutes ago."""
    entries, due_of = [], {}
    for number, due in enumerate(dues):
        id_ = str(uuid7())
        email = read({"email": fields(number, due)})
        note = Queued(id_, int(time() * 1_000), email.from_email, email.to_email, about(email))
        entries.append(Scheduled(note, encode(Message(id_, email))))
        due_of[id_] = due

    async def write():
        ledger = SqliteLedger(house.folder / "ledger.db")
        await ledger.schedule(entries)
        await ledger.close()

    asyncio.run(write())
    return due_of


def mailbox(house):
    return ask("GET", f"{house.post}/mailbox?brief&limit=10000")["emails"]


def when(email):
    return datetime.fromisoformat(email["received_at"]).timestamp()


def flagged(api, id_):
    record = ask("GET", f"{api}/email/{id_}")
    return any(attempt["possibleDuplicate"] for attempt in record["attempts"])


def test_a_thousand_scheduled_emails_are_sent_once_and_none_early_whoever_is_killed(house):
    choice = random.Random(4)
    apis = [house.api() for _ in range(PROCESSES)]
    api_children = house.children[-PROCESSES:]
    workers = [house.worker() for _ in range(PROCESSES)]
    start = time()
    dues = [start + FIRST + (LAST - FIRST) * number / EMAILS for number in range(EMAILS)]
    due_of = scheduled_by_the_api(apis, dues[::2]) | scheduled_long_before(house, dues[1::2])
    assert len(due_of) == EMAILS

    for number in range(KILLS):
        eventually(lambda: time() > start + LAST * number / KILLS)  # noqa: B023 - asked at once
        place = choice.randrange(PROCESSES)
        if choice.random() < 0.5:
            workers[place].kill()
            workers[place] = house.worker()
        else:
            api_children[place].kill()
            apis[place] = house.api()
            api_children[place] = house.children[-1]

    # What a killed process was about to release, or to send, is somebody else's after its time.
    eventually(lambda: due_of.keys() <= house.accepted().keys(), house.state, patience=3 * LEASE)
    eventually(lambda: not any(house.depths().values()), house.state, patience=LEASE)
    emails = mailbox(house)
    assert [one for one in emails if when(one) < due_of[one["id"]]] == []
    times = house.accepted()
    assert times.keys() == due_of.keys()
    # A worker that dies between a provider's yes and the ledger's record leaves a duplicate, which
    # is flagged: the floor of at-least-once. The schedule itself adds none.
    twice = [id_ for id_, count in times.items() if count > 1]
    assert all(flagged(apis[0], id_) for id_ in twice)
