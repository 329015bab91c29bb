"""What the adapter sends to S3, and what it makes of its answers."""

import asyncio
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials

from gomail.aws import Credentials, Keys
from gomail.errors import ConfigurationError, MaybeSent, NotSent
from gomail.http import Response
from gomail.payloads import PayloadMissing, PayloadUnavailable
from gomail.payloads.s3 import S3Payloads, bucket_url
from gomail.payloads.table import open_payloads
from gomail.settings import Settings

KEY = "gomail/019aa5f2-7c00-7000-8000-000000000001"
URL = "https://emails.s3.eu-west-1.amazonaws.com"
DONE = Response(200, {}, b"stored")


class Scripted:
    """A transport that answers from a list and remembers what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    async def request(self, method, url, *, headers, body, timeout):
        assert timeout > 0
        self.asked.append((method, url, headers, body))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self):
        pass


class Renewed:
    """A source of credentials that has others each time it is searched."""

    def __init__(self):
        self.number = 0

    def search(self):
        self.number += 1
        return self

    def get_frozen_credentials(self):
        return Keys(f"AKID{self.number}", "secret")


def ask(scenario, *answers):
    transport = Scripted(*answers)

    async def scene():
        moments = iter(range(0, 10_000, 10))
        credentials = Credentials(Renewed().search, clock=lambda: next(moments))
        await credentials.load()
        payloads = S3Payloads(transport, credentials, region="eu-west-1", url=URL, prefix="gomail/")
        return await scenario(payloads)

    try:
        return asyncio.run(scene()), transport
    except Exception as error:  # noqa: BLE001 - the test looks at it
        return error, transport


def put(payloads):
    return payloads.put(KEY, b"data", timeout=5)


def get(payloads):
    return payloads.get(KEY, timeout=5)


def remove(payloads):
    return payloads.remove(KEY, timeout=5)


def sweep(payloads):
    return payloads.sweep(1e10, limit=10)


def error(status, code):
    return Response(status, {}, f"<Error><Code>{code}</Code></Error>".encode())


def page(*entries, token=""):
    rows = "".join(
        f"<Contents><Key>{key}</Key><LastModified>{at}</LastModified></Contents>"
        for key, at in entries
    )
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    space = "http://s3.amazonaws.com/doc/2006-03-01/"
    body = f'<ListBucketResult xmlns="{space}">{rows}{more}</ListBucketResult>'
    return Response(200, {}, body.encode())


def test_a_put_signs_the_checksum_of_what_it_sends():
    _, transport = ask(put, DONE)

    method, url, headers, body = transport.asked[0]
    assert (method, url, body) == ("PUT", f"{URL}/{KEY}", b"data")
    assert headers["X-Amz-Content-Sha256"] == sha256(b"data").hexdigest()
    assert "x-amz-content-sha256" in headers["Authorization"]


@pytest.mark.parametrize(
    ("call", "answers"),
    [(put, [DONE]), (get, [DONE]), (remove, [DONE]), (sweep, [page()])],
)
def test_every_call_is_signed_as_botocore_signs_it(call, answers, monkeypatch):
    _, transport = ask(call, *answers)

    method, url, headers, body = transport.asked[0]
    signed_at = datetime.strptime(headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    monkeypatch.setattr(auth, "get_current_datetime", lambda: signed_at.replace(tzinfo=None))
    own = {"Authorization", "X-Amz-Date", "Host", "X-Amz-Content-Sha256"}
    given = {name: value for name, value in headers.items() if name not in own}
    request = AWSRequest(method, url, headers=given, data=body)
    request.context["payload_signing_enabled"] = True
    auth.S3SigV4Auth(BotocoreCredentials("AKID1", "secret"), "s3", "eu-west-1").add_auth(request)
    assert headers["Authorization"] == request.headers["Authorization"]


@pytest.mark.parametrize("broken", [NotSent("refused"), MaybeSent("cut")])
@pytest.mark.parametrize("call", [put, get, remove])
def test_a_call_that_the_network_broke_is_made_once_more(call, broken):
    answer, transport = ask(call, broken, DONE)

    assert answer == (b"stored" if call is get else None)
    assert len(transport.asked) == 2


@pytest.mark.parametrize("call", [put, get, remove, sweep])
def test_what_breaks_twice_is_unavailable(call):
    answer, transport = ask(call, NotSent("refused"), NotSent("refused"))

    assert isinstance(answer, PayloadUnavailable)
    assert len(transport.asked) == 2


def test_no_call_is_made_again_when_its_time_is_over():
    async def impatient(payloads):
        await payloads.get(KEY, timeout=1e-9)

    transport = Scripted()

    async def late(*_, **__):
        transport.asked.append("once")
        raise NotSent("no time")

    transport.request = late

    async def scene():
        credentials = Credentials(Renewed().search)
        await credentials.load()
        await impatient(S3Payloads(transport, credentials, region="r", url=URL, prefix=""))

    with pytest.raises(PayloadUnavailable):
        asyncio.run(scene())
    assert transport.asked == ["once"]


def test_credentials_that_expired_are_replaced_once():
    answer, transport = ask(get, error(400, "ExpiredToken"), DONE)

    assert answer == b"stored"
    assert "Credential=AKID1/" in transport.asked[0][2]["Authorization"]
    assert "Credential=AKID2/" in transport.asked[1][2]["Authorization"]


def test_only_a_missing_key_is_missing():
    assert isinstance(ask(get, error(404, "NoSuchKey"))[0], PayloadMissing)


@pytest.mark.parametrize(
    "answer",
    [
        error(404, "NoSuchBucket"),
        error(403, "AccessDenied"),
        error(301, "PermanentRedirect"),
        error(503, "SlowDown"),
        Response(404, {}, b"<html>a proxy's page"),
        Response(206, {}, b"half"),
    ],
)
@pytest.mark.parametrize("call", [put, get, remove, sweep])
def test_every_other_answer_is_unavailable(call, answer):
    assert isinstance(ask(call, answer)[0], PayloadUnavailable)


def test_an_error_says_what_s3_said_and_nothing_of_the_request():
    said = str(ask(put, error(403, "AccessDenied"))[0])

    assert said == "S3 PUT: 403 AccessDenied"


def test_a_list_that_is_none_is_unavailable():
    assert isinstance(ask(sweep, Response(200, {}, b"<html>"))[0], PayloadUnavailable)


def test_a_sweep_leaves_what_it_does_not_understand():
    at = "2020-01-01T00:00:00.000Z"
    listed = page(("gomail/ odd key", at), ("gomail/1", "some day"), ("gomail/2", at))

    swept, transport = ask(sweep, listed, Response(204, {}, b""))

    assert swept == 1
    assert [call[:2] for call in transport.asked[1:]] == [("DELETE", f"{URL}/gomail/2")]


def test_a_page_without_an_old_one_ends_a_sweep():
    swept, transport = ask(sweep, page(("gomail/1", "2999-01-01T00:00:00Z"), token="more"))

    assert swept == 0
    assert len(transport.asked) == 1


@pytest.mark.parametrize(
    ("bucket", "region", "endpoint", "url"),
    [
        ("mail", "eu-west-1", None, "https://mail.s3.eu-west-1.amazonaws.com"),
        ("mail", "cn-north-1", None, "https://mail.s3.cn-north-1.amazonaws.com.cn"),
        ("my.mail", "eu-west-1", None, "https://s3.eu-west-1.amazonaws.com/my.mail"),
        ("mail", "eu-west-1", "http://127.0.0.1:9324/s3/", "http://127.0.0.1:9324/s3/mail"),
    ],
)
def test_where_a_bucket_is(bucket, region, endpoint, url):
    assert bucket_url(bucket, region=region, endpoint_url=endpoint) == url


def settings(**payloads):
    queue = "http://127.0.0.1:9324/000000000000/mail"
    return Settings(
        queues={"urls": [queue], "dead_letter": f"{queue}-dead"},
        providers={"ses": {}},
        aws={"region": "eu-west-1"},
        payloads=payloads,
    )


def test_settings_without_a_bucket_open_nothing():
    assert open_payloads(settings(), Scripted(), Credentials(Renewed().search)) is None


def test_settings_with_a_bucket_open_it():
    transport = Scripted(DONE)

    async def scene():
        credentials = Credentials(Renewed().search)
        await credentials.load()
        await open_payloads(settings(bucket="emails"), transport, credentials).get(KEY, timeout=5)

    asyncio.run(scene())

    assert transport.asked[0][1] == f"{URL}/{KEY}"


@pytest.mark.parametrize("prefix", ["/gomail/", "a//", "../", "a/./"])
def test_a_prefix_under_which_nothing_could_be_kept_stops_the_start(prefix):
    with pytest.raises(ConfigurationError, match=r"payloads\.prefix"):
        open_payloads(
            settings(bucket="emails", prefix=prefix), Scripted(), Credentials(Renewed().search)
        )
