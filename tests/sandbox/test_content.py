"""Real emails at the SES and SendGrid endpoints: what is kept, shown and refused."""

import base64
from email.message import EmailMessage
from hashlib import sha256

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

LOGO = b"\x89PNG\r\n\x1a\n\x00\xff"
UNSUBSCRIBE = {"name": "List-Unsubscribe", "value": "<https://example.com/u>"}


@pytest.fixture
def emails(http):
    return lambda **query: http.get("/mailbox", params=query).json()["emails"]


@pytest.fixture
def lenient_ses(session, url):
    """boto3 without its own checks of the request."""
    config = Config(parameter_validation=False, retries={"total_max_attempts": 1})
    client = session.client("sesv2", endpoint_url=url, config=config)
    yield client
    client.close()


@pytest.fixture
def send_rich(ses, send_ses):
    """Send through SES what has every field; keyword arguments replace parts of the content."""

    def send(**parts):
        request = send_ses("m-1")
        request["FromEmailAddress"] = "=?utf-8?b?SsO2cmc=?= <from@example.org>"
        request["Destination"] = {
            "ToAddresses": ['"Doe, Jane" <a@example.org>', "b@example.org"],
            "CcAddresses": ["c@example.org"],
            "BccAddresses": ["d@example.org"],
        }
        request["ReplyToAddresses"] = ["help@example.org"]
        request["EmailTags"] += [
            {"Name": "tag1", "Value": "receipt"},
            {"Name": "shop", "Value": "7"},
        ]
        simple = request["Content"]["Simple"]
        simple["Body"]["Html"] = {"Data": '<img src="cid:logo">'}
        simple["Headers"] = [
            {"Name": "List-Unsubscribe", "Value": "<https://example.com/u>"},
            {"Name": "X-Ort", "Value": "=?utf-8?b?S8O2bG4=?="},
        ]
        simple["Attachments"] = [
            {
                "FileName": "logo ä.png",
                "RawContent": LOGO,
                "ContentType": "image/png",
                "ContentDisposition": "INLINE",
                "ContentId": "logo",
                "ContentTransferEncoding": "BASE64",
            }
        ]
        simple |= parts
        return ses.send_email(**request)

    return send


RICH_SENDGRID = {
    "from": {"email": "from@example.org", "name": "Jörg"},
    "personalizations": [
        {
            "to": [{"email": "a@example.org", "name": '"Doe, Jane"'}, {"email": "b@example.org"}],
            "cc": [{"email": "c@example.org"}],
            "bcc": [{"email": "d@example.org"}],
        }
    ],
    "reply_to_list": [{"email": "help@example.org"}],
    "categories": ["receipt", "shop=7"],
    "content": [
        {"type": "text/plain", "value": "Body"},
        {"type": "text/html", "value": '<img src="cid:logo">'},
    ],
    "headers": {"List-Unsubscribe": "<https://example.com/u>", "X-Ort": "=?utf-8?b?S8O2bG4=?="},
    "attachments": [
        {
            "content": base64.b64encode(LOGO).decode(),
            "filename": "logo ä.png",
            "type": "image/png",
            "disposition": "inline",
            "content_id": "logo",
        }
    ],
}


def test_both_providers_understand_the_same_email_alike(send_rich, sendgrid, emails):
    send_rich()
    assert sendgrid("m-1", **RICH_SENDGRID).status_code == 202

    for email in emails():
        assert email["from"] == "Jörg <from@example.org>"
        assert email["to"] == ["Doe, Jane <a@example.org>", "b@example.org"]
        assert (email["cc"], email["bcc"]) == (["c@example.org"], ["d@example.org"])
        assert email["reply_to"] == ["help@example.org"]
        assert (email["text"], email["html"]) == ("Body", '<img src="cid:logo">')
        assert email["headers"] == [UNSUBSCRIBE, {"name": "X-Ort", "value": "Köln"}]
        assert email["tags"] == ["receipt", "shop=7"]
        (file,) = email["attachments"]
        assert file == {
            "filename": "logo ä.png",
            "content_type": "image/png",
            "content_id": "logo",
            "inline": True,
            "size": len(LOGO),
            "sha256": sha256(LOGO).hexdigest(),
            "url": f"/mailbox/attachment?seq={email['seq']}&place=0",
        }


def test_an_attachment_is_given_back_byte_by_byte_to_be_saved_and_not_shown(
    send_rich, http, emails
):
    send_rich()
    (file,) = emails()[0]["attachments"]

    answer = http.get(file["url"])

    assert (answer.content, answer.headers["Content-Type"]) == (LOGO, "image/png")
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''logo%20%C3%A4.png"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")


def test_no_name_or_type_of_a_file_adds_a_header_to_the_answer(sendgrid, http):
    file = RICH_SENDGRID["attachments"][0] | {"filename": 'a".html\x0b', "type": "text/html, x"}
    sendgrid(attachments=[file])

    answer = http.get("/mailbox/attachment?seq=1&place=0")

    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''a%22.html%0B"


def test_html_is_a_page_that_runs_and_fetches_nothing_with_its_images_in_it(send_rich, http):
    html = '<script>x</script><img src="cid:logo"><img src="cid:none"><p>cid:logo'
    send_rich(Body={"Html": {"Data": html}})

    answer = http.get("/mailbox/html?seq=1")

    data = "data:image/png;base64," + base64.b64encode(LOGO).decode()
    assert answer.text == f'<script>x</script><img src="{data}"><img src="cid:none"><p>cid:logo'
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert {"sandbox", "default-src 'none'", "img-src data:", "frame-ancestors 'self'"} <= set(
        policy
    )
    assert not any(word.startswith(("script-src", "sandbox allow")) for word in policy)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/mailbox/html?seq=1",
        "/mailbox/html?seq=9",
        "/mailbox/html",
        "/mailbox/attachment?seq=1&place=0",
        "/mailbox/attachment?seq=x&place=0",
        "/mailbox/attachment?seq=1&place=-1",
        "/mailbox/attachment?seq=1",
    ],
)
def test_what_an_email_does_not_have_is_not_found(sendgrid, http, path):
    sendgrid()

    assert http.get(path).status_code == 404


def test_somebody_in_bcc_can_be_refused_too(send_rich, http):
    http.put("/faults/ses", json={"refuse_to": ["D@example.org"]})

    with pytest.raises(ClientError, match="MessageRejected"):
        send_rich()


def attachment(**parts):
    return {"Attachments": [{"FileName": "a.txt", "RawContent": b"a"} | parts]}


def headers(count, name="X-{}", value="v"):
    return {"Headers": [{"Name": name.format(n), "Value": value} for n in range(count)]}


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (headers(16), "at most 15"),
        (headers(1, value="v" * 994), "longer than 996"),
        (headers(1, value="Köln"), "Invalid header"),
        (headers(1, name="X:"), "Invalid header"),
        (attachment(FileName="setup.EXE"), "Illegal filename"),
        (attachment(FileName="a" * 256), "FileName"),
        (attachment(ContentDisposition="inline"), "ContentDisposition"),
        (attachment(ContentTransferEncoding="base64"), "ContentTransferEncoding"),
        (attachment(ContentType="a/" + "b" * 77), "ContentType"),
        (attachment(ContentId="c" * 79), "ContentId"),
        (attachment(RawContent=b"\xff"), "7-bit"),
        (attachment(RawContent=b"x" * 30_000_001, ContentTransferEncoding="BASE64"), "length"),
    ],
)
def test_ses_refuses_what_its_service_model_and_quotas_do_not_allow(
    lenient_ses, send_ses, parts, words
):
    request = send_ses()
    request["Content"]["Simple"] |= parts

    with pytest.raises(ClientError, match="BadRequestException") as refused:
        lenient_ses.send_email(**request)

    assert words in str(refused.value)


def file(**parts):
    return {"attachments": [{"content": "YQ==", "filename": "a.exe"} | parts]}


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        (file(content=""), "attachments.0.content"),
        (file(content="YQ="), "attachments.0.content"),
        (file(filename=""), "attachments.0.filename"),
        (file(disposition="INLINE"), "attachments.0.disposition"),
        (file(type="a/b; c"), "attachments.0.type"),
        ({"attachments": ["a"]}, "attachments.0"),
        ({"attachments": {}}, "attachments"),
        ({"headers": {"Reply-To": "a@example.org"}}, "headers.Reply-To"),
        ({"headers": {"X-A": 7}}, "headers.X-A"),
        ({"headers": []}, "headers"),
        ({"categories": [str(n) for n in range(11)]}, "categories"),
        ({"categories": ["a", "a"]}, "categories"),
        ({"categories": ["a" * 256]}, "categories"),
        ({"reply_to": {"email": "a@b.org"}, "reply_to_list": []}, "reply_to_list"),
        ({"reply_to_list": [{"email": "a"}]}, "reply_to_list.0.email"),
        ({"custom_args": {"gomail_id": "m", "x": "y" * 10_000}}, "custom_args"),
        (
            {"personalizations": [{"to": [{"email": f"{n}@b.org"} for n in range(1001)]}]},
            "personalizations",
        ),
    ],
)
def test_sendgrid_names_the_part_at_fault(sendgrid, parts, field):
    answer = sendgrid(**parts)

    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (400, field)


def test_sendgrid_takes_less_than_30_mb(sendgrid):
    def send(size):
        content = base64.b64encode(b"x" * size).decode()
        return sendgrid(attachments=[{"content": content, "filename": "a"}]).status_code

    assert (send(22_000_000), send(23_000_000)) == (202, 413)


def test_a_raw_message_has_its_recipients_files_and_html_read_too(ses, emails, http):
    mime = EmailMessage()
    mime["From"] = "Jörg <from@example.org>"
    mime["To"] = "Jane <a@example.org>, b@example.org"
    mime["Cc"] = "c@example.org"
    mime["Reply-To"] = "help@example.org"
    mime["Subject"] = "Grüße"
    mime.set_content("Body")
    mime.add_alternative("<p>Body</p>", subtype="html")
    mime.add_attachment(LOGO, "image", "png", filename="logo ä.png")

    ses.send_email(Content={"Raw": {"Data": bytes(mime)}})

    (email,) = emails()
    assert email["from"] == "Jörg <from@example.org>"
    assert email["to"] == ["Jane <a@example.org>", "b@example.org"]
    assert (email["cc"], email["reply_to"]) == (["c@example.org"], ["help@example.org"])
    assert (email["text"], email["html"]) == ("Body\n", "<p>Body</p>\n")
    (file,) = email["attachments"]
    assert (file["filename"], file["inline"]) == ("logo ä.png", False)
    assert http.get(file["url"]).content == LOGO
