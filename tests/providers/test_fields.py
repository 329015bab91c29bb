"""Every field of an email, as it stands in each provider's request."""

import json

import pytest
from botocore.session import Session
from botocore.validate import ParamValidator

from gomail.email import Attachment, Email, ListUnsubscribe, Mailbox
from gomail.providers import sendgrid, ses
from tests.providers.case import ID, message

LOGO = Attachment("logo.png", "image/png", "iVBORw0KGgo=", 8, "logo")
INVOICE = Attachment("Rechnung März.pdf", "application/pdf", "JVBERi0=", 5)
UNSUBSCRIBE = ListUnsubscribe("https://example.com/u?t=a,b", "mailto:u@example.com?subject=out")

FIELDS = {
    "html": {"html": "<p>Grüße</p>"},
    "html alone": {"html": "<p>Hello</p>", "body": ""},
    "also_to": {"also_to": (Mailbox("b@bücher.example.com", "Bee, B."), Mailbox("c@example.org"))},
    "cc": {"cc": (Mailbox("d@example.org", "Jörg"),)},
    "bcc": {"bcc": (Mailbox("e@例え.example.org"),)},
    "reply_to": {"reply_to": (Mailbox("help@bücher.example.com", "Help, please"),)},
    "headers": {"headers": (("X-Order", "7"), ("X-Ort", "Köln"), ("X-Odd", "=?utf-8?q?a?="))},
    "attachments": {"attachments": (LOGO, INVOICE)},
    "tags": {"tags": ("receipt", "de_DE")},
    "list_unsubscribe": {"list_unsubscribe": UNSUBSCRIBE},
    "list_unsubscribe by POST alone": {
        "list_unsubscribe": ListUnsubscribe("https://example.com/u")
    },
    "what is never sent": {
        "metadata": (("order", "7"),),
        "send_at": 1_800_000_000_000,
        "expires_at": 1_800_000_000_001,
        "on_unknown": "dead-letter",
    },
}

UNSUBSCRIBE_VALUE = "<https://example.com/u?t=a,b>, <mailto:u@example.com?subject=out>"

IN_SES = {
    "html": {
        "Content.Simple.Body": {
            "Text": {"Data": "Thank you.", "Charset": "UTF-8"},
            "Html": {"Data": "<p>Grüße</p>", "Charset": "UTF-8"},
        }
    },
    "html alone": {
        "Content.Simple.Body": {"Html": {"Data": "<p>Hello</p>", "Charset": "UTF-8"}},
    },
    "also_to": {
        "Destination.ToAddresses": [
            "A Reader <reader@example.org>",
            '"Bee, B." <b@xn--bcher-kva.example.com>',
            "c@example.org",
        ]
    },
    "cc": {"Destination.CcAddresses": ["=?utf-8?b?SsO2cmc=?= <d@example.org>"]},
    "bcc": {"Destination.BccAddresses": ["e@xn--r8jz45g.example.org"]},
    "reply_to": {"ReplyToAddresses": ['"Help, please" <help@xn--bcher-kva.example.com>']},
    "headers": {
        "Content.Simple.Headers": [
            {"Name": "X-Gomail-Id", "Value": ID},
            {"Name": "X-Order", "Value": "7"},
            {"Name": "X-Ort", "Value": "=?utf-8?b?S8O2bG4=?="},
            {"Name": "X-Odd", "Value": "=?utf-8?b?PT91dGYtOD9xP2E/PQ==?="},
        ]
    },
    "attachments": {
        "Content.Simple.Attachments": [
            {
                "FileName": "logo.png",
                "ContentType": "image/png",
                "ContentTransferEncoding": "BASE64",
                "RawContent": "iVBORw0KGgo=",
                "ContentDisposition": "INLINE",
                "ContentId": "logo",
            },
            {
                "FileName": "Rechnung März.pdf",
                "ContentType": "application/pdf",
                "ContentTransferEncoding": "BASE64",
                "RawContent": "JVBERi0=",
                "ContentDisposition": "ATTACHMENT",
            },
        ]
    },
    "tags": {
        "EmailTags": [
            {"Name": "gomail-id", "Value": ID},
            {"Name": "tag1", "Value": "receipt"},
            {"Name": "tag2", "Value": "de_DE"},
        ]
    },
    "list_unsubscribe": {
        "Content.Simple.Headers": [
            {"Name": "X-Gomail-Id", "Value": ID},
            {"Name": "List-Unsubscribe", "Value": UNSUBSCRIBE_VALUE},
            {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
        ]
    },
    "list_unsubscribe by POST alone": {
        "Content.Simple.Headers": [
            {"Name": "X-Gomail-Id", "Value": ID},
            {"Name": "List-Unsubscribe", "Value": "<https://example.com/u>"},
            {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
        ]
    },
    "what is never sent": {},
}

IN_SENDGRID = {
    "html": {
        "content": [
            {"type": "text/plain", "value": "Thank you."},
            {"type": "text/html", "value": "<p>Grüße</p>"},
        ]
    },
    "html alone": {"content": [{"type": "text/html", "value": "<p>Hello</p>"}]},
    "also_to": {
        "personalizations": [
            {
                "to": [
                    {"name": "A Reader", "email": "reader@example.org"},
                    {"name": '"Bee, B."', "email": "b@xn--bcher-kva.example.com"},
                    {"email": "c@example.org"},
                ]
            }
        ]
    },
    "cc": {
        "personalizations": [
            {
                "to": [{"name": "A Reader", "email": "reader@example.org"}],
                "cc": [{"name": "Jörg", "email": "d@example.org"}],
            }
        ]
    },
    "bcc": {
        "personalizations": [
            {
                "to": [{"name": "A Reader", "email": "reader@example.org"}],
                "bcc": [{"email": "e@xn--r8jz45g.example.org"}],
            }
        ]
    },
    "reply_to": {
        "reply_to_list": [{"name": "Help, please", "email": "help@xn--bcher-kva.example.com"}]
    },
    "headers": {
        "headers": {
            "X-Order": "7",
            "X-Ort": "=?utf-8?b?S8O2bG4=?=",
            "X-Odd": "=?utf-8?b?PT91dGYtOD9xP2E/PQ==?=",
        }
    },
    "attachments": {
        "attachments": [
            {
                "content": "iVBORw0KGgo=",
                "type": "image/png",
                "filename": "logo.png",
                "disposition": "inline",
                "content_id": "logo",
            },
            {
                "content": "JVBERi0=",
                "type": "application/pdf",
                "filename": "Rechnung März.pdf",
                "disposition": "attachment",
            },
        ]
    },
    "tags": {"categories": ["receipt", "de_DE"]},
    "list_unsubscribe": {
        "headers": {
            "List-Unsubscribe": UNSUBSCRIBE_VALUE,
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
    },
    "list_unsubscribe by POST alone": {
        "headers": {
            "List-Unsubscribe": "<https://example.com/u>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
    },
    "what is never sent": {},
}

PROVIDERS = {"ses": (ses.translator(), IN_SES), "sendgrid": (sendgrid.translate, IN_SENDGRID)}


def leaves(value, path=()):
    """Every part of the request by its path, down to what is no object."""
    if not isinstance(value, dict):
        return {".".join(path): value}
    return {
        key: leaf
        for name, part in value.items()
        for key, leaf in leaves(part, (*path, name)).items()
    }


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_field_adds_its_part_to_the_request_and_changes_nothing_else(provider, field):
    translate, golden = PROVIDERS[provider]
    plain = leaves(json.loads(translate(message())))
    parts = leaves(golden[field])

    request = leaves(json.loads(translate(message(**FIELDS[field]))))

    assert {path: request[path] for path in parts} == parts
    absent = {"Content.Simple.Body.Text.Data", "Content.Simple.Body.Text.Charset"}
    gone = absent if (field, provider) == ("html alone", "ses") else set()
    assert {path: value for path, value in request.items() if path not in parts} == {
        path: value for path, value in plain.items() if path not in parts and path not in gone
    }


def test_every_field_of_an_email_is_one_of_these_or_older():
    older = {"from_email", "from_name", "to_email", "to_name", "subject", "body"}
    named = {name for given in FIELDS.values() for name in given}

    # A claim says where parts of an email are, the other two where it may go: neither is sent.
    assert named | older | {"claim", "only", "exclude"} == set(Email.__slots__)


def test_a_request_with_every_field_is_valid_by_the_model_of_ses():
    shape = Session().get_service_model("sesv2").operation_model("SendEmail").input_shape
    given = {name: value for field in FIELDS.values() for name, value in field.items()}

    request = json.loads(ses.translator("receipts")(message(**given)))

    report = ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()
