"""Signatures beside botocore's, credentials that change, endpoints, and what errors say."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from botocore.exceptions import CredentialRetrievalError
from hypothesis import given
from hypothesis import strategies as st

from gomail.aws import (
    Credentials,
    Keys,
    Service,
    Signer,
    chain,
    endpoint,
    find_credentials,
    open_service,
    parse_error,
)
from gomail.errors import ConfigurationError, NotSent
from gomail.http import Response

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
SQS = "https://sqs.eu-west-1.amazonaws.com/"
SES = "https://email.eu-west-1.amazonaws.com/v2/email/outbound-emails"
SQS_HEADERS = {
    "Content-Type": "application/x-amz-json-1.0",
    "X-Amz-Target": "AmazonSQS.SendMessageBatch",
}
JSON = {"Content-Type": "application/json"}


class Stored:
    """A botocore credential object: answers what it is told to."""

    def __init__(self, *keys: Keys) -> None:
        self.answers = list(keys)

    def get_frozen_credentials(self) -> Keys:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Clock:
    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Scripted:
    """A transport that answers from a list and remembers what it was asked."""

    def __init__(self, *answers: Response) -> None:
        self.answers = list(answers)
        self.asked: list[Mapping[str, str]] = []
        self.timeouts: list[float] = []

    async def request(
        self, *_: str, headers: Mapping[str, str], timeout: float, **__: object
    ) -> Response:
        self.asked.append(headers)
        self.timeouts.append(timeout)
        return self.answers.pop(0)

    async def close(self) -> None:
        pass


def keys(name: str = "AKIDEXAMPLE", *, token: str | None = None) -> Keys:
    return Keys(name, f"secret of {name}", token)


def error(code: str, *, status: int = 403, text: str = "why") -> Response:
    body = f'{{"__type": "com.amazonaws.sqs#{code}", "message": "{text}"}}'
    return Response(status, {}, body.encode())


OK = Response(200, {}, b"{}")


async def loaded(source: Stored, clock: Callable[[], float] = lambda: 0.0) -> Credentials:
    credentials = Credentials(lambda: source, clock=clock)
    await credentials.load()
    return credentials


def signer(held: Keys, *, service: str = "sqs", now: datetime = NOON) -> Signer:
    credentials = asyncio.run(loaded(Stored(held)))
    return Signer(credentials, service=service, region="eu-west-1", clock=now.timestamp)


def botocore_headers(held: Keys, service: str, request: AWSRequest) -> dict[str, str]:
    with pytest.MonkeyPatch.context() as patch:  # botocore takes no clock
        patch.setattr(auth, "get_current_datetime", lambda: NOON)
        boto_keys = BotocoreCredentials(held.access_key, held.secret_key, held.token)
        auth.SigV4Auth(boto_keys, service, "eu-west-1").add_auth(request)
    return dict(request.headers)


@pytest.mark.parametrize("token", [None, "session+token/=="])
@pytest.mark.parametrize(
    "asked_for",
    [
        ("sqs", "POST", SQS, SQS_HEADERS, b'{"QueueUrl": "x"}'),
        ("sqs", "POST", "http://127.0.0.1:9324/", SQS_HEADERS, "häßlich €, 𝄞".encode()),
        ("sqs", "POST", "http://[::1]:9324/", SQS_HEADERS, b"{}"),
        ("sqs", "POST", "https://Sqs.Example.org:443", SQS_HEADERS, b"{}"),
        ("ses", "POST", SES, JSON, '{"Subject": "Grüße"}'.encode()),
        ("ses", "GET", "https://email.eu-west-1.amazonaws.com/v2/email/account", {}, b""),
        ("ses", "GET", SES + "/a b%2Fc/ü~?b=2&a=1&a=0&flag&c=%7E", JSON, b""),
        ("ses", "POST", SES, {"X-Spaced": "  a   b  ", **JSON}, b"{}"),
    ],
)
def test_the_signature_is_botocores_byte_for_byte(asked_for, token):
    service, method, url, headers, body = asked_for
    held = keys(token=token)

    ours = signer(held, service=service).sign(method, url, headers, body)

    theirs = botocore_headers(held, service, AWSRequest(method, url, headers, body))
    assert ours["Authorization"] == theirs["Authorization"]
    assert ours["X-Amz-Date"] == theirs["X-Amz-Date"]
    assert ours.get("X-Amz-Security-Token") == theirs.get("X-Amz-Security-Token")


@given(
    body=st.binary(),
    value=st.text(st.characters(min_codepoint=32, max_codepoint=126)),
    token=st.none() | st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1),
)
def test_any_body_and_header_is_signed_as_botocore_does(body, value, token):
    held = keys(token=token)
    headers = {"X-Value": value}

    ours = signer(held).sign("POST", SQS, headers, body)

    theirs = botocore_headers(held, "sqs", AWSRequest("POST", SQS, headers, body))
    assert ours["Authorization"] == theirs["Authorization"]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/", "sqs.eu-west-1.amazonaws.com"),
        ("https://LOCALHOST:443/", "localhost"),
        ("http://localhost:9324/", "localhost:9324"),
        ("http://[::1]:9324/", "[::1]:9324"),
    ],
)
def test_the_signed_host_is_among_the_headers_to_send(url, host):
    assert signer(keys()).sign("POST", url, {}, b"")["Host"] == host


def test_the_signing_key_follows_the_day_and_the_keys():
    clock = Clock(NOON.timestamp())
    credentials = asyncio.run(loaded(Stored(keys("old"))))
    reused = Signer(credentials, service="sqs", region="eu-west-1", clock=clock)
    reused.sign("POST", SQS, {}, b"")

    clock.now += 86_400
    credentials._keys = keys("new")
    later = reused.sign("POST", SQS, {}, b"")

    new = signer(keys("new"), now=datetime(2026, 3, 2, 12, tzinfo=UTC))
    assert later == new.sign("POST", SQS, {}, b"")


def test_no_secret_shows_in_a_repr():
    held = keys(token="token")

    shown = repr(held) + repr(signer(held)) + repr(asyncio.run(loaded(Stored(held))))

    assert "secret" not in shown
    assert "token" not in shown
    assert "AKID" not in shown


def test_missing_credentials_stop_the_start_and_say_what_to_set():
    with pytest.raises(ConfigurationError, match="AWS_ACCESS_KEY_ID"):
        asyncio.run(Credentials(lambda: None).load())


def test_credentials_that_cannot_be_read_stop_the_start():
    def search() -> None:
        raise CredentialRetrievalError(provider="custom-process", error_msg="it failed")

    with pytest.raises(ConfigurationError, match="CredentialRetrievalError"):
        asyncio.run(Credentials(search).load())


def test_the_chain_reads_the_environment_anew_at_every_search(monkeypatch):
    search = chain("eu-west-1")
    found = []
    for name in ("first", "second"):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", name)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
        found.append(asyncio.run(loaded(search())).keys.access_key)

    assert found == ["first", "second"]


def test_half_the_credentials_stop_the_start(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "first")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)

    with pytest.raises(ConfigurationError, match="AWS_SECRET_ACCESS_KEY"):
        asyncio.run(find_credentials("eu-west-1"))


def test_keys_are_looked_at_again_after_half_a_minute_while_the_old_ones_serve_on():
    async def scenario() -> list[str]:
        clock = Clock()
        credentials = await loaded(Stored(keys("old"), keys("new")), clock)
        clock.now = 29.0
        names = [(await credentials.fresh()).access_key]
        assert credentials._renewal is None
        clock.now = 31.0
        names.append((await credentials.fresh()).access_key)
        await credentials._renewal
        return [*names, (await credentials.fresh()).access_key]

    assert asyncio.run(scenario()) == ["old", "old", "new"]


def test_after_a_long_idle_time_a_call_waits_for_the_renewal():
    async def scenario() -> str:
        clock = Clock()
        credentials = await loaded(Stored(keys("old"), keys("new")), clock)
        clock.now = 3600.0
        return (await credentials.fresh()).access_key

    assert asyncio.run(scenario()) == "new"


def test_a_renewal_that_fails_leaves_the_old_keys_and_logs_no_text_of_the_failure(caplog):
    answers = iter([Stored(keys("old")), None])

    async def scenario() -> bool:
        clock = Clock()
        credentials = Credentials(lambda: next(answers), clock=clock)
        await credentials.load()
        clock.now = 10.0
        replaced = await credentials.replace(keys("old"))
        assert credentials.keys == keys("old")
        return replaced

    with caplog.at_level(logging.DEBUG):
        assert asyncio.run(scenario()) is False
    assert "ConfigurationError" in caplog.text
    assert "secret" not in caplog.text


def service(transport: Scripted, credentials: Credentials) -> Service:
    signs = Signer(credentials, service="sqs", region="eu-west-1")
    return Service(transport, credentials, name="sqs", signer=signs, url=SQS)


async def call(
    transport: Scripted, source: Stored, *, searches_after: float = 10.0
) -> tuple[Response, int]:
    searches = 0

    def search() -> Stored:
        nonlocal searches
        searches += 1
        return source

    clock = Clock()
    credentials = Credentials(search, clock=clock)
    await credentials.load()
    clock.now = searches_after
    response = await service(transport, credentials).post(
        "SendMessage", "/", headers={}, body=b"", timeout=5
    )
    return response, searches


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidClientTokenId"])
def test_refused_credentials_are_searched_for_anew_and_the_call_is_repeated_once(code):
    transport = Scripted(error(code), OK)

    response, searches = asyncio.run(call(transport, Stored(keys("old"), keys("new"))))

    used = [headers["Authorization"].partition("Credential=")[2][:3] for headers in transport.asked]
    assert (response, used, searches) == (OK, ["old", "new"], 2)
    assert transport.timeouts[1] < transport.timeouts[0] == 5


def test_refused_credentials_with_no_newer_ones_are_an_answer():
    transport = Scripted(error("ExpiredToken"))

    response, _ = asyncio.run(call(transport, Stored(keys("old"))))

    assert (response.status, len(transport.asked)) == (403, 1)


def test_the_chain_is_not_searched_again_within_a_few_seconds():
    transport = Scripted(error("ExpiredToken"))

    _, searches = asyncio.run(call(transport, Stored(keys("old"), keys("new")), searches_after=1.0))

    assert searches == 1


def test_another_refusal_is_no_matter_of_credentials():
    transport = Scripted(error("AccessDenied"))

    response, searches = asyncio.run(call(transport, Stored(keys("old"), keys("new"))))

    assert (response.status, searches) == (403, 1)


def test_calls_refused_together_share_one_search():
    async def scenario() -> int:
        searches = 0

        def search() -> Stored:
            nonlocal searches
            searches += 1
            return Stored(keys("old" if searches == 1 else "new"))

        clock = Clock()
        credentials = Credentials(search, clock=clock)
        await credentials.load()
        clock.now = 10.0
        transport = Scripted(*[error("ExpiredToken")] * 5, *[OK] * 5)
        asked = service(transport, credentials)
        calls = [asked.post("SendMessage", "/", headers={}, body=b"", timeout=5) for _ in range(5)]
        assert await asyncio.gather(*calls) == [OK] * 5
        return searches

    assert asyncio.run(scenario()) == 2


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("sqs", "https://sqs.eu-west-1.amazonaws.com"),
        ("sesv2", "https://email.eu-west-1.amazonaws.com"),
    ],
)
def test_endpoints_are_botocores(monkeypatch, name, url):
    for variable in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_SESV2"):
        monkeypatch.delenv(variable, raising=False)

    assert endpoint(name, region="eu-west-1") == url


def test_an_endpoint_is_taken_from_the_environment_unless_it_is_given(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9324")

    assert endpoint("sqs", region="eu-west-1") == "http://127.0.0.1:9324"
    assert endpoint("sqs", region="eu-west-1", endpoint_url="http://h:1") == "http://h:1"


def test_a_region_that_is_none_stops_the_start():
    with pytest.raises(ConfigurationError, match="AWS_REGION"):
        endpoint("sqs", region="not a region")


def test_an_opened_service_signs_for_its_endpoint():
    async def scenario() -> Mapping[str, str]:
        transport = Scripted(OK)
        opened = await open_service(
            "sesv2",
            signing_name="ses",
            region="eu-west-1",
            endpoint_url="http://127.0.0.1:9324/",
            transport=transport,
            credentials=await loaded(Stored(keys())),
        )
        await opened.post("SendEmail", "/v2/email", headers=JSON, body=b"{}", timeout=5)
        return transport.asked[0]

    headers = asyncio.run(scenario())

    assert headers["Host"] == "127.0.0.1:9324"
    assert "/eu-west-1/ses/aws4_request" in headers["Authorization"]


def test_an_error_of_the_way_passes_through():
    class Broken(Scripted):
        async def request(self, *_: object, **__: object) -> Response:
            raise NotSent("refused")

    with pytest.raises(NotSent):
        asyncio.run(call(Broken(), Stored(keys())))


def test_an_error_prefers_the_code_of_the_json_protocol():
    answer = Response(
        400,
        {"X-Amzn-Query-Error": "AWS.SimpleQueueService.NonExistentQueue;Sender"},
        b'{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "No such queue."}',
    )

    assert parse_error("sqs", "SendMessage", answer) == ("QueueDoesNotExist", "No such queue.")


def test_an_error_of_ses_is_read_from_its_header():
    answer = Response(
        400,
        {"x-amzn-ErrorType": "MessageRejected:http://internal.amazon.com/"},
        b'{"message": "Email address is not verified."}',
    )

    code, text = parse_error("sesv2", "SendEmail", answer)

    assert (code, text) == ("MessageRejected", "Email address is not verified.")


@pytest.mark.parametrize(
    "body", [b"", b"<html><b>Gateway</b></html>", b"[1]", b'"text"', b"\xff\xfe", b'{"__type": 3}']
)
@pytest.mark.parametrize("status", [403, 502])
@pytest.mark.parametrize(("name", "operation"), [("sqs", "SendMessage"), ("sesv2", "SendEmail")])
def test_an_error_that_is_not_the_services_own_is_named_by_its_status(
    name, operation, status, body
):
    code, _ = parse_error(name, operation, Response(status, {}, body))

    assert code == str(status)


def test_the_text_of_a_refused_signature_keeps_neither_request_nor_token():
    text = (
        "The signature we calculated does not match. Credential=AKID/2026 "
        "X-Amz-Security-Token: tok\\n\\nThe Canonical String should have been\\n'POST\\ntok2"
    )

    _, said = parse_error("sqs", "SendMessage", error("SignatureDoesNotMatch", text=text))

    assert said.startswith("The signature we calculated does not match.")
    assert "AKID" not in said
    assert "tok" not in said
