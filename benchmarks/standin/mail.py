"""The mail of a run, as gomail's API would have put it on the queues."""

import asyncio
from collections.abc import Iterable

from benchmarks.standin.queues import Item, item
from gomail.email import Email, Message, encode

_AT_ONCE = 500
"""Made before others get a turn."""


async def make(numbers: Iterable[int], *, size: int) -> list[Item]:
    """Emails with a body of `size` bytes; each has an address of its own."""
    body = ("It has left our house and should be with you soon. " * (size // 51 + 1))[:size]
    made = []
    for number in numbers:
        made.append(_one(number, body))
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
    return made


def _one(number: int, body: str) -> Item:
    id_ = f"mail-{number}"
    email = Email(
        from_email="shop@example.com",
        to_email=f"reader-{number}@example.org",
        body=body,
        from_name="The shop",
        subject="Your order",
    )
    return item(number, encode(Message(id_, email, "2026-01-01T00:00:00.000Z")), id_=id_)
