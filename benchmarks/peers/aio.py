"""aiobotocore and aiohttp on uvloop: one client a service, one session, one event loop.

A failed send is left on the queue until its visibility timeout ends.
"""

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import ssl
from typing import Any

import aiohttp
import orjson
import uvloop
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

BATCH = 10
LINGER = 0.1  # seconds that an acceptance waits for others to be deleted with
CA_FILE = os.environ.get("CA_FILE")
IN_FLIGHT = int(os.environ.get("IN_FLIGHT", "256"))
RECEIVERS = int(os.environ.get("RECEIVERS", "16"))

log = logging.getLogger("peer")


def ses_request(message_id: str, email: dict[str, str]) -> dict[str, Any]:
    return {
        "FromEmailAddress": email["fromEmail"],
        "Destination": {"ToAddresses": [email["toEmail"]]},
        "Content": {
            "Simple": {
                "Subject": {"Data": email["subject"], "Charset": "UTF-8"},
                "Body": {"Text": {"Data": email["body"], "Charset": "UTF-8"}},
                "Headers": [{"Name": "X-Gomail-Id", "Value": message_id}],
            }
        },
    }


def sendgrid_request(message_id: str, email: dict[str, str]) -> dict[str, Any]:
    return {
        "from": {"email": email["fromEmail"]},
        "personalizations": [{"to": [{"email": email["toEmail"]}]}],
        "subject": email["subject"] or "(no subject)",
        "content": [{"type": "text/plain", "value": email["body"]}],
        "custom_args": {"gomail_id": message_id},
    }


def read(body: str) -> tuple[str, dict[str, str]] | None:
    """The id and the email of a message; None if it is none, which is for the dead letters."""
    try:
        wire = orjson.loads(body)
        return wire["id"], wire["email"]
    except (ValueError, KeyError, TypeError):
        return None


class Dispatcher:
    """Reads the queues until it is told to stop."""

    def __init__(self, *, sqs: Any, ses: Any, http: aiohttp.ClientSession) -> None:
        self.sqs = sqs
        self.ses = ses
        self.http = http
        self.sendgrid_url = os.environ["SENDGRID_URL"].rstrip("/") + "/v3/mail/send"
        self.ways = itertools.cycle([self.send_with_ses, self.send_with_sendgrid])
        # One a batch: half of its messages are for each of the two.
        self.credits = asyncio.Semaphore(2 * IN_FLIGHT // BATCH)
        self.accepted: dict[str, list[str]] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def run(self, queues: list[str]) -> None:
        """Work until SIGTERM, then end what is begun."""
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        receivers = [
            asyncio.create_task(self.receive(queue)) for queue in queues for _ in range(RECEIVERS)
        ]
        flusher = asyncio.create_task(self.flush_from_time_to_time())
        await stop.wait()
        for task in [*receivers, flusher]:
            task.cancel()
        while self.tasks:
            await asyncio.gather(*self.tasks)
            self.flush()

    async def receive(self, queue: str) -> None:
        """Take ten at a time from a queue, as long as there is room for them."""
        while True:
            await self.credits.acquire()
            try:
                answer = await self.sqs.receive_message(
                    QueueUrl=queue, MaxNumberOfMessages=BATCH, WaitTimeSeconds=20
                )
            except Exception:
                log.exception("a receive failed; the next one follows in a second")
                self.credits.release()
                await asyncio.sleep(1)
                continue
            messages = answer.get("Messages", ())
            if messages:
                self.begin(self.dispatch(queue, messages))
            else:
                self.credits.release()

    async def dispatch(self, queue: str, messages: list[dict[str, Any]]) -> None:
        """Send a batch, and make room for another."""
        await asyncio.gather(*(self.send(queue, message) for message in messages))
        self.credits.release()

    async def send(self, queue: str, message: dict[str, Any]) -> None:
        """Send one email, and have its message deleted if it was accepted."""
        try:
            wire = read(message["Body"])
            if wire is None:
                await self.sqs.send_message(
                    QueueUrl=os.environ["DEAD"], MessageBody=message["Body"]
                )
            else:
                await next(self.ways)(*wire)
        except Exception:
            log.exception("a message was not accepted; its visibility timeout returns it")
        else:
            self.settle(queue, message["ReceiptHandle"])

    async def send_with_ses(self, message_id: str, email: dict[str, str]) -> None:
        """`SendEmail` of SES v2."""
        await self.ses.send_email(**ses_request(message_id, email))

    async def send_with_sendgrid(self, message_id: str, email: dict[str, str]) -> None:
        """`POST /v3/mail/send`."""
        async with self.http.post(
            self.sendgrid_url, json=sendgrid_request(message_id, email)
        ) as answer:
            await answer.read()
            answer.raise_for_status()

    def settle(self, queue: str, receipt: str) -> None:
        """Note an acceptance; the tenth has all ten deleted."""
        accepted = self.accepted.setdefault(queue, [])
        accepted.append(receipt)
        if len(accepted) == BATCH:
            self.begin(self.delete(queue, self.accepted.pop(queue)))

    def flush(self) -> None:
        """Delete what has been accepted so far."""
        for queue in list(self.accepted):
            self.begin(self.delete(queue, self.accepted.pop(queue)))

    async def flush_from_time_to_time(self) -> None:
        """See that no acceptance waits for long."""
        while True:
            await asyncio.sleep(LINGER)
            self.flush()

    async def delete(self, queue: str, receipts: list[str]) -> None:
        """Delete up to ten messages."""
        try:
            answer = await self.sqs.delete_message_batch(
                QueueUrl=queue,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": receipt}
                    for number, receipt in enumerate(receipts)
                ],
            )
        except Exception:
            log.exception("a delete failed; its messages will be sent again")
            return
        if failed := answer.get("Failed"):
            log.error("%s were not deleted and will be sent again", failed)

    def begin(self, work: Any) -> None:
        """Do this beside the rest."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


async def main() -> None:
    queues = os.environ["SQS_URLS"].split(",")
    session = get_session()
    # A pool as large as what is in flight; no look at parameters that are right by construction;
    # DNS answers are kept, as aiohttp does by itself.
    sqs_config = AioConfig(
        max_pool_connections=len(queues) * RECEIVERS + IN_FLIGHT,
        parameter_validation=False,
        read_timeout=30,
        connector_args={"keepalive_timeout": 60},
    )
    ses_config = AioConfig(
        max_pool_connections=IN_FLIGHT,
        parameter_validation=False,
        read_timeout=10,
        connector_args={"keepalive_timeout": 60},
        # SES has no idempotency token: what an SDK sends again may arrive twice.
        retries={"total_max_attempts": 1},
    )
    async with contextlib.AsyncExitStack() as stack:
        sqs = await stack.enter_async_context(
            session.create_client("sqs", verify=CA_FILE, config=sqs_config)
        )
        ses = await stack.enter_async_context(
            session.create_client("sesv2", verify=CA_FILE, config=ses_config)
        )
        http = await stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=IN_FLIGHT,
                    keepalive_timeout=60,
                    ssl=ssl.create_default_context(cafile=CA_FILE),
                ),
                timeout=aiohttp.ClientTimeout(total=10),
                headers={
                    "Authorization": f"Bearer {os.environ['SENDGRID_API_KEY']}",
                    "Content-Type": "application/json",
                },
                json_serialize=lambda value: orjson.dumps(value).decode(),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        )
        await Dispatcher(sqs=sqs, ses=ses, http=http).run(queues)


if __name__ == "__main__":
    uvloop.run(main())
