"""`gomail dead-letters`: look at what nobody could send, send it again, throw it away.

A fault of the person or the machine is a sentence and exit status 1, never a traceback. Ctrl-C,
SIGTERM and a terminal that goes end any of them in order: what was held is given back, what was
done stays done.
"""

import asyncio
import json
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from gomail.errors import GomailError

if TYPE_CHECKING:  # opened when wanted: other commands need not load them
    from gomail.dead_letters import DeadLetter, Which
    from gomail.dead_letters_box import DeadLetterBox, Look, Redrive
    from gomail.ledger import EmailRecord, Ledger

T = TypeVar("T")

PROGRESS_SECONDS = 2.0

app = typer.Typer(
    name="dead-letters",
    help="Look at what nobody could send, send it again, throw it away.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Reason = Annotated[str | None, typer.Option(help="A part of the reason, in whatever case.")]
Code = Annotated[str | None, typer.Option(help="The code, exactly.")]
Provider = Annotated[str | None, typer.Option(help="Who tried it last.")]
OlderThan = Annotated[str | None, typer.Option(help="Dead for at least 90s, 15m, 24h, 7d …")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")]


@app.command("list")
def list_(
    *,
    by_reason: Annotated[bool, typer.Option(help="Counts by reason and code instead.")] = False,
    reason: Reason = None,
    code: Code = None,
    provider: Provider = None,
    older_than: OlderThan = None,
    limit: Annotated[
        int, typer.Option(min=1, max=100_000, help="Most dead letters to look at.")
    ] = 1_000,
    as_json: Json = False,
) -> None:
    """List dead letters, without addresses.

    A queue can only be read by receiving: while this runs, others do not see what it has seen, and
    each receive count rises. All are given back at its end.
    """
    from gomail import dead_letters_page as page  # noqa: PLC0415
    from gomail.dead_letters import grouped  # noqa: PLC0415

    which = _which(reason=reason, code=code, provider=provider, older_than=older_than)

    async def look(box: "DeadLetterBox", _ledger: "Ledger | None") -> "Look":
        return await box.look(which, most=limit, told=_Progress())

    found, now = _with_box(look), time.time()
    groups = grouped(found.letters)
    if as_json:
        _say_json(
            {
                "groups": [page.group(group) for group in groups],
                **({} if by_reason else {"items": [page.item(one) for one in found.letters]}),
                "looked": found.looked,
                "complete": found.complete,
            }
        )
        return
    lines = page.groups(groups, now) if by_reason else page.letters(found.letters, now)
    for line in [*lines, page.end(found)]:
        typer.echo(line)


@app.command()
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="Its id.")],
    *,
    body: Annotated[
        bool, typer.Option(help="The message as it lies on the queue, and nothing else.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show one dead letter with its addresses, and its history where a ledger has one."""
    from gomail import dead_letters_page as page  # noqa: PLC0415

    async def find(
        box: "DeadLetterBox", ledger: "Ledger | None"
    ) -> "tuple[DeadLetter | None, EmailRecord | None]":
        letter, _ = await box.find(letter_id, told=_Progress())
        history = await _history(ledger, letter.id) if letter and ledger and not body else None
        return letter, history

    letter, history = _with_box(find)
    if letter is None:
        _refuse(page.missing(letter_id))
    if body:
        typer.echo(letter.body)
    elif as_json:
        _say_json(page.whole(letter) | {"status": history.status if history else None})
    else:
        for line in page.letter_(letter, history):
            typer.echo(line)


@app.command()
def redrive(
    letter_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="One.")] = None,
    *,
    every: All = False,
    reason: Reason = None,
    code: Code = None,
    provider: Provider = None,
    older_than: OlderThan = None,
    limit: Annotated[
        int, typer.Option(min=1, max=100_000, help="Most that are redriven.")
    ] = 100_000,
    rate: Annotated[float, typer.Option(min=0.1, max=1_000, help="Most a second.")] = 10.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            help="Also what is kept otherwise (see docs/dead-letters.md). A dispatcher deletes "
            "unsent all the same what its ledger knows as sent."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Put dead letters on the queues again, with their ids and their history.

    Each is deleted only after a queue has confirmed it. Run it again after it was interrupted.
    """
    from gomail import dead_letters_page as page  # noqa: PLC0415
    from gomail.dead_letters import PASSING  # noqa: PLC0415

    which = _chosen(
        letter_id, every=every,
        which=_which(reason=reason, code=code, provider=provider, older_than=older_than),
    )  # fmt: skip

    async def again(box: "DeadLetterBox", _ledger: "Ledger | None") -> "Redrive":
        return await box.redrive(
            which, rate=rate, most=limit, force=force, dry=dry_run, told=_Progress("redriven")
        )

    done = _with_box(again)
    if letter_id and not (done.redriven or done.kept):
        _refuse(page.missing(letter_id))
    if as_json:
        _say_json(
            {
                "redriven": done.redriven,
                "kept": [{"id": id_, "why": str(why)} for id_, why in done.kept],
                "undeleted": done.undeleted,
                "copies": done.copies,
                "stopped": done.stopped or None,
                "complete": done.complete,
            }
        )
    else:
        for line in page.redrive(done, dry=dry_run, one=letter_id is not None):
            typer.echo(line)
    if (letter_id and done.kept) or any(why in PASSING for _, why in done.kept):
        raise typer.Exit(1)


@app.command()
def purge(
    letter_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="One.")] = None,
    *,
    every: All = False,
    reason: Reason = None,
    code: Code = None,
    provider: Provider = None,
    older_than: OlderThan = None,
    yes_really: Annotated[
        str | None,
        typer.Option(metavar="COUNT", help="For scripts: the count that is asked for otherwise."),
    ] = None,
) -> None:
    """Delete dead letters for good, after their count has been typed back."""
    from gomail import dead_letters_page as page  # noqa: PLC0415

    which = _chosen(
        letter_id, every=every,
        which=_which(reason=reason, code=code, provider=provider, older_than=older_than),
    )  # fmt: skip

    async def look(box: "DeadLetterBox", _ledger: "Ledger | None") -> "tuple[Look, int]":
        held = await box.held()
        return await box.look(which, told=_Progress()), held

    found, held = _with_box(look)
    count = len(found.letters)
    if not count and letter_id is not None:
        _refuse(page.missing(letter_id))
    unseen = [] if letter_id is not None else page.unseen(found, held)
    if not count:
        typer.echo("No dead letter is meant; nothing is deleted.")
        if unseen:
            _refuse("\n".join(unseen))
        return
    _confirm(count, yes_really)
    copies = {letter.copy for letter in found.letters}

    async def throw(box: "DeadLetterBox", _ledger: "Ledger | None") -> int:
        return await box.purge(copies, told=_Progress("deleted"))

    deleted = _with_box(throw)
    typer.echo(f"{deleted:,} deleted.")
    if deleted < count:
        unseen.append(f"{count - deleted:,} were not found again or not deleted; run it again.")
    if unseen:
        _refuse("\n".join(unseen))


async def _history(ledger: "Ledger", letter_id: str) -> "EmailRecord | None":
    """What the ledger knows of one; a ledger that is down hides no letter."""
    from gomail.ledger import LedgerUnavailable  # noqa: PLC0415

    try:
        return await ledger.email(letter_id)
    except LedgerUnavailable as error:  # the letter is shown without
        typer.echo(f"{error}; shown without what the ledger knows", err=True)
        return None


def _confirm(count: int, given: str | None) -> None:
    if given is None:
        typer.echo(f"This deletes {count:,} for good: nobody will get these emails.")
        typed = typer.prompt("Type the count to delete them", default="", show_default=False)
    else:
        typed = given
    if typed.strip().replace(",", "") != str(count):
        _refuse(f"{typed.strip() or 'nothing'} is not {count:,}; nothing is deleted")


def _which(
    *, reason: str | None, code: str | None, provider: str | None, older_than: str | None
) -> "Which":
    from gomail.dead_letters import Which, age_of  # noqa: PLC0415

    texts = {"--reason": reason, "--code": code, "--provider": provider, "--older-than": older_than}
    for option, text in texts.items():
        _not_empty(option, text)
    try:
        age = None if older_than is None else age_of(older_than)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--older-than") from error
    return Which(reason=reason, code=code, provider=provider, older_than=age)


def _chosen(letter_id: str | None, *, every: bool, which: "Which") -> "Which":
    """What is meant: one, those of a filter, or all, said in so many words."""
    from gomail.dead_letters import EVERY, Which  # noqa: PLC0415

    _not_empty("ID", letter_id)
    ways = [letter_id is not None, every, which != EVERY]
    if sum(ways) != 1:
        raise typer.BadParameter("name an ID, or a filter such as --code, or --all; one of them")
    return Which(id=letter_id) if letter_id is not None else which


def _not_empty(option: str, text: str | None) -> None:
    """An empty value, such as that of a variable that is not set, would mean every letter."""
    if text is not None and not text.strip():
        raise typer.BadParameter("it is empty; give a value or leave it out", param_hint=option)


class _Progress:
    """Says how far it is, every two seconds, beside what is printed."""

    def __init__(self, what: str = "") -> None:
        self._what = what
        self._last = time.monotonic()

    def __call__(self, looked: int, done: int) -> None:
        if time.monotonic() - self._last < PROGRESS_SECONDS:
            return
        self._last = time.monotonic()
        rest = f", {done:,} {self._what}" if self._what else ""
        typer.echo(f"looked at {looked:,}{rest} …", err=True)


def _with_box(work: Callable[["DeadLetterBox", "Ledger | None"], Awaitable[T]]) -> T:
    logging.basicConfig(format="%(message)s", level=logging.WARNING)

    async def run() -> T:
        _end_in_order()
        async with _opened() as (box, ledger):
            return await work(box, ledger)

    try:
        return asyncio.run(run())
    except GomailError as error:
        _refuse(error)
    except (KeyboardInterrupt, asyncio.CancelledError):
        typer.echo("Interrupted: what was done is done, the rest was given back.", err=True)
        raise typer.Exit(130) from None


def _end_in_order() -> None:
    """Take a hang-up and SIGTERM for Ctrl-C: a connection that breaks must hide no letters."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Whoever started it with `nohup` means it to go on.
        if task and signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, task.cancel)


@asynccontextmanager
async def _opened() -> "AsyncIterator[tuple[DeadLetterBox, Ledger | None]]":
    from gomail.aws import find_credentials  # noqa: PLC0415
    from gomail.dead_letters_box import DeadLetterBox  # noqa: PLC0415
    from gomail.http import AiohttpTransport  # noqa: PLC0415
    from gomail.ledger.table import open_ledger  # noqa: PLC0415
    from gomail.payloads.table import open_payloads  # noqa: PLC0415
    from gomail.queue.sqs import open_queue  # noqa: PLC0415
    from gomail.settings import load  # noqa: PLC0415

    settings = load()
    transport = AiohttpTransport()
    ledger = open_ledger(settings, os.environ)
    try:
        credentials = await find_credentials(settings.aws.region)
        queue = await open_queue(
            region=settings.aws.region,
            endpoint_url=settings.queues.endpoint_url,
            transport=transport,
            credentials=credentials,
        )
        box = DeadLetterBox(
            queue,
            url=settings.queues.dead_letter,
            targets=settings.queues.urls,
            ledger=ledger,
            payloads=open_payloads(settings, transport, credentials),
            describer=queue,
        )
        yield box, ledger
    finally:
        await transport.close()
        if ledger is not None:
            await ledger.close()


def _say_json(content: dict[str, Any]) -> None:
    json.dump(content, sys.stdout, ensure_ascii=True)
    typer.echo()


def _refuse(reason: object) -> NoReturn:
    typer.echo(str(reason), err=True)
    raise typer.Exit(1)
