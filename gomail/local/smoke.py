"""`gomail smoke`: everything once, on free ports and in a folder of its own, and a report."""

import asyncio
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from gomail.errors import GomailError
from gomail.local.house import Failed, House, Plan, Teller
from gomail.local.surroundings import DEAD_LETTER, QUEUES, defaults_for_sandbox, queue_url
from gomail.local.watch import Interrupted, under_watch

HALF = 20
EVEN = {"sendgrid": HALF // 2, "ses": HALF // 2}
WORK_SECONDS = 40.0
STOP_SECONDS = 18.0  # together less than a minute
INTERRUPTED = 130

_VERDICTS = {0: "passed", 1: "FAILED", INTERRUPTED: "interrupted"}


def smoke() -> int:
    """Run it; gives back the exit status. The folder stays if it failed."""
    folder = Path(tempfile.mkdtemp(prefix="gomail-smoke-"))
    say = Teller()
    status = asyncio.run(_smoke(folder, say))
    if status == 1:
        say(f"logs and configuration are kept in {folder}")
    else:
        shutil.rmtree(folder)
    say(f"smoke: {_VERDICTS[status]}")
    return status


def _settings(sandbox: str, _smtp_port: int) -> dict[str, Any]:
    return defaults_for_sandbox(sandbox)


async def _smoke(folder: Path, say: Teller) -> int:
    plan = Plan(folder=folder, settings=_settings, stop_seconds=STOP_SECONDS)
    house = House(plan, say)
    status = 0
    try:
        await under_watch(house, _in_time(house, say))
    except Interrupted:
        status = INTERRUPTED
    except GomailError as error:
        say(str(error))
        status = 1
    ends = await house.stop()
    say("ended: " + ", ".join(f"{name} {code}" for name, code in ends.items()))
    return 1 if status == 0 and any(ends.values()) else status


async def _in_time(house: House, say: Teller) -> None:
    ids: list[str] = []
    try:
        async with asyncio.timeout(WORK_SECONDS):
            await _work(house, say, ids)
    except TimeoutError as error:
        seen = await _inventory(house, ids)
        raise Failed(f"not within {WORK_SECONDS:g} s: {house.waiting_for}; {seen}") from error


async def _work(house: House, say: Teller, ids: list[str]) -> None:
    """The experiment; `ids` is filled for whoever has to say what was missing."""
    await house.start()
    ids += await _send(house, say, "healthy")
    await _all_accepted(house, ids)
    split = await house.sandbox.accepted()
    say(f"accepted: {_counts(split)}")
    if split != EVEN:
        raise Failed(f"both are healthy and weigh the same, so {_counts(EVEN)} was due")
    await house.sandbox.break_provider("ses")
    say("SES answers 500 from now on")
    ids += await _send(house, say, "SES broken")
    await _all_accepted(house, ids)
    refused = sum((await house.sandbox.calls("ses"))["failed"].values())
    say(f"accepted: {_counts(await house.sandbox.accepted())} (SES failed {refused} calls)")
    await _nothing_left(house)
    await _each_once(house, ids)
    say(f"each of the {len(ids)} was accepted once; queues and dead-letter queue are empty")
    await _all_known_as_sent(house, ids)
    say(f"the API says of each of the {len(ids)} that it was sent, and by whom")


async def _send(house: House, say: Teller, subject: str) -> list[str]:
    began = say.elapsed
    ids = await house.api.send_many(HALF, subject)
    say(f"{HALF} emails sent through the API in {1000 * (say.elapsed - began):.0f} ms")
    return ids


async def _all_accepted(house: House, ids: list[str]) -> None:
    async def accepted() -> bool:
        return set(ids) <= set(await house.sandbox.accepted_ids())

    await house.wait_for(f"{len(ids)} emails to be accepted", accepted)


async def _nothing_left(house: House) -> None:
    async def empty() -> bool:
        return not any((await _depths(house)).values())

    await house.wait_for("the queues to be empty", empty)


async def _each_once(house: House, ids: list[str]) -> None:
    times = Counter(await house.sandbox.accepted_ids())
    wrong = {message_id: count for message_id, count in times.items() if count != 1}
    if wrong or set(times) != set(ids):
        strange = sorted(set(times) ^ set(ids))
        raise Failed(f"not accepted exactly once: {wrong or strange}")


async def _all_known_as_sent(house: House, ids: list[str]) -> None:
    records = await asyncio.gather(*(house.api.ask("GET", f"/email/{one}") for one in ids))
    unsent = [record["id"] for record in records if record["status"] != "sent"]
    if unsent:
        raise Failed(f"not known as sent: {', '.join(unsent)}")


async def _depths(house: House) -> dict[str, int]:
    names = (*QUEUES, DEAD_LETTER)
    urls = [queue_url(house.sandbox.base, name) for name in names]
    return dict(zip(names, await asyncio.gather(*map(house.sandbox.depth, urls)), strict=True))


async def _inventory(house: House, ids: list[str]) -> str:
    """What was accepted and what the queues hold, for the report of a failure."""
    if not ids:
        return "no email had been sent"
    missing = sorted(set(ids) - set(await house.sandbox.accepted_ids()))
    counts = map(_counts, (await house.sandbox.accepted(), await _depths(house)))
    return "accepted: {}; left in the queues: {}; accepted by nobody: {}".format(
        *counts, ", ".join(missing) or "none"
    )


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
