"""boto3, a thread pool and the sendgrid package, which opens a connection a call.

A failed send is left on the queue until its visibility timeout ends.
"""

import itertools
import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import CustomArg, Mail

BATCH = 10
LINGER = 0.1  # seconds that an acceptance waits for others to be deleted with
CA_FILE = os.environ.get("CA_FILE")
IN_FLIGHT = int(os.environ.get("IN_FLIGHT", "256"))
RECEIVERS = int(os.environ.get("RECEIVERS", "16"))

Way = Callable[[str, dict[str, str]], None]

log = logging.getLogger("peer")


def read(body: str) -> tuple[str, dict[str, str]] | None:
    """The id and the email of a message; None if it is none, which is for the dead letters."""
    try:
        wire = json.loads(body)
        return wire["id"], wire["email"]
    except (ValueError, KeyError, TypeError):
        return None


class Dispatcher:
    """Reads the queues until it is told to stop."""

    def __init__(self, queues: list[str]) -> None:
        self.queues = queues
        # A pool as large as what is in flight; no look at parameters that are right by
        # construction. Clients may be shared by threads.
        self.sqs = boto3.client(
            "sqs",
            verify=CA_FILE,
            config=Config(
                max_pool_connections=len(queues) * RECEIVERS + IN_FLIGHT,
                parameter_validation=False,
                read_timeout=30,
            ),
        )
        self.ses = boto3.client(
            "sesv2",
            verify=CA_FILE,
            config=Config(
                max_pool_connections=IN_FLIGHT,
                parameter_validation=False,
                read_timeout=10,
                # SES has no idempotency token: what an SDK sends again may arrive twice.
                retries={"total_max_attempts": 1},
            ),
        )
        self.sendgrid = SendGridAPIClient(host=os.environ["SENDGRID_URL"].rstrip("/"))
        self.sendgrid.client.timeout = 10
        self.ways = itertools.cycle(
            [
                (self.send_with_ses, ThreadPoolExecutor(IN_FLIGHT)),
                (self.send_with_sendgrid, ThreadPoolExecutor(IN_FLIGHT)),
            ]
        )
        self.credits = threading.Semaphore(2 * IN_FLIGHT)
        self.accepted: dict[str, list[str]] = {queue: [] for queue in queues}
        self.lock = threading.Lock()
        self.stopping = threading.Event()

    def run(self) -> None:
        """Work until SIGTERM, then end what is begun."""
        signal.signal(signal.SIGTERM, lambda *_: self.stopping.set())
        for queue in self.queues * RECEIVERS:
            # A thread that waits for mail does not keep the process from its end.
            threading.Thread(target=self.receive, args=(queue,), daemon=True).start()
        while not self.stopping.wait(LINGER):
            self.flush()
        for _, pool in (next(self.ways), next(self.ways)):
            pool.shutdown()
        self.flush()

    def receive(self, queue: str) -> None:
        """Take ten at a time from a queue, as long as there is room for them."""
        while not self.stopping.is_set():
            for _ in range(BATCH):
                self.credits.acquire()
            try:
                answer = self.sqs.receive_message(
                    QueueUrl=queue, MaxNumberOfMessages=BATCH, WaitTimeSeconds=20
                )
            except Exception:
                log.exception("a receive failed; the next one follows in a second")
                self.credits.release(BATCH)
                time.sleep(1)
                continue
            messages = () if self.stopping.is_set() else answer.get("Messages", ())
            for _ in range(BATCH - len(messages)):
                self.credits.release()
            for message in messages:
                self.begin(queue, message)

    def begin(self, queue: str, message: dict[str, Any]) -> None:
        """Hand a message to the pool of the provider whose turn it is."""
        with self.lock:
            way, pool = next(self.ways)
        pool.submit(self.send, way, queue, message)

    def send(self, way: Way, queue: str, message: dict[str, Any]) -> None:
        """Send one email, and have its message deleted if it was accepted."""
        try:
            wire = read(message["Body"])
            if wire is None:
                self.sqs.send_message(QueueUrl=os.environ["DEAD"], MessageBody=message["Body"])
            else:
                way(*wire)
        except Exception:
            log.exception("a message was not accepted; its visibility timeout returns it")
        else:
            self.settle(queue, message["ReceiptHandle"])
        finally:
            self.credits.release()

    def send_with_ses(self, message_id: str, email: dict[str, str]) -> None:
        """`SendEmail` of SES v2."""
        self.ses.send_email(
            FromEmailAddress=email["fromEmail"],
            Destination={"ToAddresses": [email["toEmail"]]},
            Content={
                "Simple": {
                    "Subject": {"Data": email["subject"], "Charset": "UTF-8"},
                    "Body": {"Text": {"Data": email["body"], "Charset": "UTF-8"}},
                    "Headers": [{"Name": "X-Gomail-Id", "Value": message_id}],
                }
            },
        )

    def send_with_sendgrid(self, message_id: str, email: dict[str, str]) -> None:
        """`POST /v3/mail/send`."""
        mail = Mail(
            from_email=email["fromEmail"],
            to_emails=email["toEmail"],
            subject=email["subject"] or "(no subject)",
            plain_text_content=email["body"],
        )
        mail.add_custom_arg(CustomArg("gomail_id", message_id))
        self.sendgrid.send(mail)

    def settle(self, queue: str, receipt: str) -> None:
        """Note an acceptance; whoever brings the tenth deletes all ten."""
        with self.lock:
            accepted = self.accepted[queue]
            accepted.append(receipt)
            if len(accepted) < BATCH:
                return
            self.accepted[queue] = []
        self.delete(queue, accepted)

    def flush(self) -> None:
        """Delete what has been accepted so far."""
        for queue in self.queues:
            with self.lock:
                accepted, self.accepted[queue] = self.accepted[queue], []
            if accepted:
                self.delete(queue, accepted)

    def delete(self, queue: str, receipts: list[str]) -> None:
        """Delete up to ten messages."""
        try:
            answer = self.sqs.delete_message_batch(
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


if __name__ == "__main__":
    if CA_FILE:
        os.environ["SSL_CERT_FILE"] = CA_FILE  # the sendgrid package trusts what OpenSSL does
    Dispatcher(os.environ["SQS_URLS"].split(",")).run()
    # Threads that wait for mail would hold up an orderly exit for as long as their receives last.
    logging.shutdown()
    os._exit(0)
