"""A sandbox in a thread for each test that asks for one, and clients for it."""

import asyncio
import threading
import time

import boto3
import httpx2
import pytest
from botocore.config import Config

from sandbox.app import Sandbox
from sandbox.store import NoStore


class Served:
    """A sandbox that listens on a free port until the test is over."""

    def __init__(self):
        self._ready = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),), daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(10)
        return self.url

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self):
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        sandbox = Sandbox(NoStore())
        server = sandbox.server()
        listener = await self._loop.create_server(server, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stop.wait()
        listener.close()
        await sandbox.close(server)


@pytest.fixture
def url():
    with Served() as url:
        yield url


@pytest.fixture
def http(url):
    with httpx2.Client(base_url=url, timeout=10, verify=False) as client:
        yield client


@pytest.fixture
def faults(http):
    """Set the switches of an endpoint; none heals it."""

    def faults(provider, **switches):
        answer = http.put(f"/faults/{provider}", json=switches)
        assert answer.status_code == 200, answer.text

    return faults


@pytest.fixture(scope="session")
def session():
    return boto3.Session("AKIDEXAMPLE", "secret", region_name="us-east-1")


@pytest.fixture
def aws(session):
    """Make boto3 clients that never retry by themselves."""
    made = []

    def client(service, url):
        config = Config(retries={"total_max_attempts": 1}, read_timeout=30)
        made.append(session.client(service, endpoint_url=url, config=config))
        return made[-1]

    yield client
    for one in made:
        one.close()


@pytest.fixture
def sqs(aws, url):
    return aws("sqs", url)


@pytest.fixture
def ses(aws, url):
    return aws("sesv2", url)


@pytest.fixture
def queue_url(sqs):
    return sqs.create_queue(QueueName="mail")["QueueUrl"]


@pytest.fixture
def receive(sqs, queue_url):
    def receive(**options):
        options = {"QueueUrl": queue_url, "MaxNumberOfMessages": 10} | options
        return sqs.receive_message(**options).get("Messages", [])

    return receive


@pytest.fixture
def eventually():
    """Ask again until the answer is true; fail after five seconds."""

    def eventually(question):
        deadline = time.monotonic() + 5
        while not (answer := question()):
            assert time.monotonic() < deadline, "it did not become true within 5 s"
            threading.Event().wait(0.01)
        return answer

    return eventually


@pytest.fixture
def send_ses():
    """A SendEmail request as boto3 takes it."""

    def request(id_="m-1", *, to="to@example.org", subject="Hello", text="Body"):
        return {
            "FromEmailAddress": "from@example.org",
            "Destination": {"ToAddresses": [to]},
            "Content": {"Simple": {"Subject": {"Data": subject}, "Body": {"Text": {"Data": text}}}},
            "EmailTags": [{"Name": "gomail-id", "Value": id_}],
        }

    return request


@pytest.fixture
def sendgrid(http):
    """Send through SendGrid's endpoint; keyword arguments replace parts of the request."""

    def send(id_="m-1", *, key="SG.key", to="to@example.org", **parts):
        request = {
            "personalizations": [{"to": [{"email": to}]}],
            "from": {"email": "from@example.org", "name": "From"},
            "subject": "Hello",
            "content": [{"type": "text/plain", "value": "Body"}],
            "custom_args": {"gomail_id": id_},
        }
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return http.post("/v3/mail/send", json=request | parts, headers=headers)

    return send
