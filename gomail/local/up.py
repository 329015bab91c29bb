"""`gomail up`: everything on this machine, until Ctrl-C."""

import asyncio
import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from gomail.errors import GomailError
from gomail.local.house import House, Plan, Teller
from gomail.local.ports import must_be_free
from gomail.local.surroundings import for_sandbox, persons_settings
from gomail.local.watch import Interrupted, under_watch
from gomail.provider_settings import ProviderSettings

Providers = Mapping[str, ProviderSettings]


class FolderBusy(GomailError):
    """Another one works in the folder."""


def up(*, folder: Path, api_port: int, sandbox_port: int) -> int:
    """Run until told to stop; gives back the exit status.

    Raises:
        GomailError: it cannot start; the text says why and what to do.
    """
    settings = persons_settings()
    must_be_free(api_port, option="gomail up --api-port")
    must_be_free(sandbox_port, option="gomail up --sandbox-port")
    plan = Plan(
        folder=folder,
        settings=partial(for_sandbox, settings),
        api_port=api_port,
        sandbox_port=sandbox_port,
        sandbox_data=folder / "sandbox.db",
        stop_seconds=settings.dispatch.drain_timeout + 10,
    )
    with _alone_in(folder):
        return asyncio.run(_up(plan, settings.providers))


async def _up(plan: Plan, providers: Providers) -> int:
    say = Teller()
    house = House(plan, say)
    status = 0
    try:
        await under_watch(house, _work(house, providers, say))
    except Interrupted:
        say("stopping: API, worker (which finishes what it has in hand), sandbox")
    except GomailError as error:
        say(str(error))
        status = 1
    ends = await house.stop()
    say("ended: " + ", ".join(f"{name} {code}" for name, code in ends.items()))
    return status


async def _work(house: House, providers: Providers, say: Teller) -> None:
    await house.start()
    say(f"first emails: one by each of {', '.join(sorted(providers))}")
    accepted = await _first_emails(house, providers)
    say("accepted: " + ", ".join(f"{name} {count}" for name, count in sorted(accepted.items())))
    await _show_where_to_look(house, say)
    await asyncio.Event().wait()


async def _first_emails(house: House, providers: Providers) -> dict[str, int]:
    for name, provider in sorted(providers.items()):
        domain = next(iter(provider.from_domains), "example.com")
        sent = await house.api.send(f"Hello from gomail, by {name}", domain=domain, only=name)
        await house.wait_for(f"email {sent}: accepted", partial(house.sandbox.has, sent))
    return await house.sandbox.accepted()


async def _show_where_to_look(house: House, say: Teller) -> None:
    api, sandbox = house.api.base, house.sandbox.base
    form = f"{api}/" if await house.api.answers("/") else "not built; run `make setup`"
    say(
        f"""ready

    Send an email        {form}
    See it, break things {sandbox}/mailbox.html
    The API, described   {api}/openapi.json
    Logs                 {house.logs}/
    Stop                 Ctrl-C
"""
    )


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder: two sandboxes on one file of messages would tear it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderBusy(
                f"Another `gomail up` works in {folder}/: stop it, or choose another folder with "
                "gomail up --folder FOLDER."
            ) from error
        yield
