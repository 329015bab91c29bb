"""The program behind `gomail doctor`: reads the settings, examines, prints, ends."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import NoReturn

from gomail.doctor import Section, count, misconfigured
from gomail.doctor.examination import Examination
from gomail.errors import ConfigurationError
from gomail.http.opening import open_transport
from gomail.providers import Level
from gomail.settings import load

_CLOSING = 1.0  # seconds


def doctor(show: Callable[[list[Section]], str]) -> NoReturn:
    """Examine everything and end the process: 0 where mail can flow, 1 where something is bad.

    It ends without waiting for threads: a search for credentials or a host name may hang in one
    for minutes.
    """
    # What is logged is among the findings, or of no use to whoever reads them.
    logging.getLogger().addHandler(logging.NullHandler())
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a provider may say what a terminal cannot show
    try:
        sections = asyncio.new_event_loop().run_until_complete(_examined())
        print(show(sections), flush=True)  # noqa: T201 - what it is for
    except KeyboardInterrupt:
        os._exit(130)
    except BrokenPipeError:  # nobody reads on
        os._exit(1)
    os._exit(1 if count(sections, Level.BAD) else 0)


async def _examined() -> list[Section]:
    try:
        settings = load()
    except ConfigurationError as error:
        return [Section("settings", tuple(misconfigured(error)))]
    transport = open_transport(settings)
    try:
        examination = Examination(settings=settings, environ=os.environ, transport=transport)
        return await examination.run(_say)
    finally:
        await asyncio.wait({asyncio.ensure_future(transport.close())}, timeout=_CLOSING)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - progress, beside what is printed
