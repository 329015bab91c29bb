"""`gomail forget`: erases an address from the ledger, and says what of it is left elsewhere."""

import asyncio
import os
from collections.abc import Sequence
from typing import Annotated

import typer

from gomail.errors import ConfigurationError, GomailError
from gomail.ledger import Filter, Ledger, Status
from gomail.spellings import spellings

STEP = 500
"""Emails between two lines of progress."""
PAGE = 100
MOST_NAMED = 20


def forget(
    address: Annotated[
        str,
        typer.Argument(
            metavar="ADDRESS", help="In whatever case; its domain in letters or in Punycode."
        ),
    ],
) -> None:
    """Erase an address from the ledger: sender or recipient, details that quote it, metadata.

    What became of each email stays, so that nothing is sent twice and counts stay right. Queues,
    dead letters and payloads are not touched; see docs/ledger.md. Run it again after it was
    interrupted.

    It ends with 0 where the ledger does not hold the address, too, and warns that it found none.
    """
    if "@" not in address:
        _end(f"{address} is no email address; give the whole address, such as ann@example.com")
    try:
        asyncio.run(_forget(address))
    except GomailError as error:
        _end(f"{error}; what was erased stays erased, run it again for the rest")
    except KeyboardInterrupt:
        _end("Interrupted: what was erased stays erased, run it again for the rest.", status=130)


async def _forget(address: str) -> None:
    from gomail.ledger.table import open_ledger  # noqa: PLC0415 - other commands need not load it
    from gomail.settings import load  # noqa: PLC0415

    ledger = open_ledger(load(), os.environ)
    if ledger is None:
        raise ConfigurationError("ledger.url is empty: no ledger is kept")
    every = spellings(address)
    try:
        erased = 0
        while count := await ledger.forget(*every, limit=STEP):
            erased += count
            typer.echo(f"{erased:,} emails …", err=True)
        typer.echo(f"Erased from {erased:,} emails.")
        waiting = await scheduled(ledger, every)
        if waiting:
            typer.echo(left(waiting))
        elif not erased:
            typer.echo(none_found(every), err=True)
    finally:
        await ledger.close()


async def scheduled(ledger: Ledger, addresses: Sequence[str]) -> list[str]:
    """Ids of emails that wait for their time and are from or to one of the addresses."""
    ids: dict[str, None] = {}
    to = [Filter(status=Status.SCHEDULED, to_email=one) for one in addresses]
    from_ = [Filter(status=Status.SCHEDULED, from_email=one) for one in addresses]
    for which in to + from_:
        cursor: str | None = None
        while True:
            page = await ledger.emails(which, cursor=cursor, limit=PAGE)
            ids.update((each.id, None) for each in page.emails)
            if (cursor := page.next_cursor) is None:
                break
    return list(ids)


def left(ids: list[str]) -> str:
    """What to do about emails that are still scheduled. Pure."""
    named = ", ".join(ids[:MOST_NAMED]) + (", …" if len(ids) > MOST_NAMED else "")
    return (
        f"{len(ids):,} scheduled emails with it are left as they are ({named}): cancel them "
        "(POST /email/ID/cancel) or wait until they were sent, then run this again."
    )


def none_found(addresses: Sequence[str]) -> str:
    """What was looked for in vain: a mistyped address looks just like one that is gone. Pure."""
    named = ", ".join(addresses[:MOST_NAMED]) + (", …" if len(addresses) > MOST_NAMED else "")
    return f"The ledger holds no email from or to {named}: is the address spelled as it was given?"


def _end(reason: str, *, status: int = 1) -> None:
    typer.echo(reason, err=True)
    raise typer.Exit(status)
