"""What no configured provider may or can carry is refused at the door, with the reason."""

import time
from datetime import UTC, datetime

import pytest

from gomail.email import decode
from gomail.settings import Settings
from ingest.app import create_app
from tests.ingest.ledgers import breakable, local_client
from tests.ingest.scripted import FIELDS, ScriptedQueue, email, settings

BOTH = {"ses": {}, "sendgrid": {}}
RELAY = {"smtp": {"host": "relay.example.com", "smtputf8": True}}
FOREIGN = "jörg@example.com"
KEY = {"Idempotency-Key": "order-7"}
ASCII_ONLY = " for any configured provider (ses: takes only ASCII before the @)"
EXE = {"filename": "run.exe", "content": "aGVsbG8="}


@pytest.fixture
def queue():
    return ScriptedQueue()


@pytest.fixture
def opened(queue, tmp_path):
    """Opens the application on one queue and one ledger with the providers named."""

    def open_(*, ledger=True, **providers):
        given = settings().model_dump() | {"providers": providers}
        app = create_app(
            Settings(**given),
            queue=queue.open,
            ledger=lambda _settings: breakable(tmp_path) if ledger else None,
        )
        return local_client(app)

    return open_


def send(client, headers=None, **fields):
    return client.post("/email/send", json=email(**fields), headers=headers)


def batch(client, *emails, headers=None, **more):
    given = {"emails": [FIELDS | one for one in emails], **more}
    return client.post("/email/batch", json=given, headers=headers)


def errors(response):
    return response.status_code, response.json()["errors"]


# -- the sender's wishes ---------------------------------------------------------------------------


def test_the_wish_for_a_provider_travels_with_the_email(opened, queue):
    with opened(**BOTH) as client:
        response = send(client, provider={"only": ["ses"], "exclude": ["sendgrid"]})

    assert response.status_code == 200
    wish = decode(queue.bodies[0], queue_message_id="").email
    assert (wish.only, wish.exclude) == (("ses",), ("sendgrid",))


@pytest.mark.parametrize("field", ["only", "exclude"])
def test_a_provider_that_is_not_configured_is_named_with_those_that_are(opened, queue, field):
    with opened(**BOTH) as client:
        response = send(client, provider={field: ["nosuch"]})

    assert errors(response) == (
        422,
        {f"provider.{field}": "nosuch is no configured provider; configured: sendgrid, ses"},
    )
    assert queue.calls == []


def test_an_email_that_excludes_everybody_is_refused(opened):
    with opened(ses={}) as client:
        status, faults = errors(send(client, provider={"exclude": ["ses"]}))

    assert (status, list(faults)) == (422, ["provider.exclude"])


# -- what nobody can carry -------------------------------------------------------------------------


def test_what_one_of_two_can_carry_is_taken(opened):
    with opened(**BOTH) as client:
        assert send(client, attachments=[EXE]).status_code == 200


def test_what_nobody_can_carry_is_refused_at_its_field(opened, queue):
    with opened(**BOTH) as client:
        response = send(client, attachments=[EXE], provider={"only": ["ses"]})

    assert errors(response) == (
        422,
        {
            "attachments.0.filename": "No configured provider can carry it "
            "(ses: takes no .exe files)"
        },
    )
    assert queue.calls == []


@pytest.mark.parametrize("name", ["body", "text", "html"])
def test_a_text_that_is_too_large_for_all_is_told_under_the_name_it_came_with(opened, name):
    relay = RELAY["smtp"] | {"max_message_bytes": 65_536}
    with opened(smtp=relay) as client:
        status, faults = errors(send(client, **{"body": None, name: "x" * 100_000}))

    assert (status, list(faults)) == (422, [name])
    assert faults[name].startswith("No configured provider can carry it (smtp: ")


def test_a_provider_that_does_not_send_for_the_domain_is_out(opened):
    with opened(ses={"from_domains": ["example.net"]}) as client:
        refused = send(client)
        taken = send(client, fromEmail="shop@example.net")

    assert errors(refused) == (
        422,
        {"fromEmail": "No configured provider can carry it (ses: does not send for example.com)"},
    )
    assert taken.status_code == 200


@pytest.mark.parametrize(
    ("fields", "where", "sentence"),
    [
        ({"toEmail": FOREIGN}, "toEmail", "To email is not a valid email"),
        ({"fromEmail": FOREIGN}, "fromEmail", "From email is not a valid email"),
        ({"to": [{"email": FOREIGN}]}, "to.0.email", "To email is not a valid email"),
        ({"cc": [{"email": FOREIGN}]}, "cc.0.email", "Cc email is not a valid email"),
        (
            {"replyTo": [{"email": FOREIGN}]},
            "replyTo.0.email",
            "Reply-to email is not a valid email",
        ),
    ],
)
@pytest.mark.parametrize("providers", [{"ses": {}}, {"ses": {}} | RELAY])
def test_an_address_nobody_takes_gets_the_sentence_of_the_contract(
    opened, providers, fields, where, sentence
):
    given = {"toEmail": None} | fields if "to" in fields else fields
    with opened(**providers) as client:
        response = send(client, **given, provider={"only": ["ses"]})

    assert errors(response) == (422, {where: sentence + ASCII_ONLY})


def test_an_address_that_a_relay_takes_is_taken_in_its_usual_form(opened, queue):
    with opened(ses={}, **RELAY) as client:
        response = send(client, toEmail="jo\u0308rg@example.com")

    assert response.status_code == 200
    assert decode(queue.bodies[0], queue_message_id="").email.to_email == FOREIGN


@pytest.mark.parametrize(
    "address",
    ["jö\u202erg@example.com", "jö\u200brg@example.com", "jö\x85@example.com", "ö @e.com"],
)
def test_no_relay_makes_a_hidden_character_part_of_an_address(opened, address):
    with opened(**RELAY) as client:
        response = send(client, toEmail=address)

    assert errors(response) == (422, {"toEmail": "To email is not a valid email"})


@pytest.mark.parametrize("asked", ["ünal@example.com", "üNAL@EXAMPLE.com"])
def test_an_email_to_such_an_address_is_found_and_shown(opened, asked):
    soon = datetime.fromtimestamp(time.time() + 300, UTC).isoformat()  # noted before the answer
    with opened(**RELAY) as client:
        sent = send(client, fromEmail=FOREIGN, cc=[{"email": "ünal@example.com"}], sendAt=soon)
        [listed] = client.get("/emails", params={"to": asked, "from": FOREIGN}).json()["emails"]
        shown = client.get(f"/email/{sent.json()['messageId']}").json()

    assert listed["id"] == shown["id"] == sent.json()["messageId"]
    assert (shown["from"], shown["recipients"]) == (
        FOREIGN,
        ["ada@example.com", "ünal@example.com"],
    )


# -- batches ---------------------------------------------------------------------------------------


def test_an_item_nobody_can_carry_keeps_a_strict_batch_out(opened, queue):
    with opened(**BOTH) as client:
        response = batch(client, {}, {"provider": {"only": ["x"]}}, {"toEmail": FOREIGN})

    status, faults = errors(response)
    assert (status, set(faults)) == (422, {"emails.1.provider.only", "emails.2.toEmail"})
    assert queue.calls == []


def test_a_permissive_batch_goes_without_the_items_nobody_can_carry(opened, queue):
    with opened(ses={}) as client:
        response = batch(client, {}, {"attachments": [EXE]}, validation="permissive")

    assert response.status_code == 200
    first, second = response.json()["results"]
    assert [decode(body, queue_message_id="").id for body in queue.bodies] == [first["messageId"]]
    assert list(second["errors"]) == ["attachments.0.filename"]


# -- requests that are made again ------------------------------------------------------------------

GONE = [
    {"provider": {"only": ["sendgrid"]}},
    {"attachments": [EXE]},
    {"toEmail": FOREIGN},
    {"to": [{"email": FOREIGN}], "toEmail": None, "expiresAt": "2098-01-01T00:00:00Z"},
]


@pytest.mark.parametrize("fields", GONE)
def test_an_answer_is_given_again_when_the_provider_is_gone(opened, queue, fields):
    with opened(**BOTH, **RELAY) as client:
        first = send(client, KEY, **fields)
    with opened(ses={}) as client:
        again = send(client, KEY, **fields)
        another = send(client, KEY, **fields | {"subject": "Another"})
        without = send(client, **fields)

    assert first.status_code == 200
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert (another.status_code, without.status_code) == (409, 422)
    assert len(queue.bodies) == 1


@pytest.mark.parametrize("fields", GONE)
@pytest.mark.parametrize("validation", ["strict", "permissive"])
def test_a_batch_is_answered_again_when_the_provider_is_gone(opened, queue, fields, validation):
    with opened(**BOTH, **RELAY) as client:
        first = batch(client, {}, fields, headers=KEY, validation=validation)
    with opened(ses={}) as client:
        again = batch(client, {}, fields, headers=KEY, validation=validation)

    assert first.status_code == 200
    assert again.content == first.content
    assert len(queue.bodies) == 2


def test_a_refused_request_may_come_again_when_the_provider_is_there(opened, queue):
    with opened(ses={}) as client:
        refused = send(client, KEY, toEmail=FOREIGN)
    with opened(**RELAY) as client:
        taken = send(client, KEY, toEmail=FOREIGN)

    assert errors(refused) == (422, {"toEmail": "To email is not a valid email" + ASCII_ONLY})
    assert taken.status_code == 200
    assert len(queue.bodies) == 1


def test_what_is_wrong_in_itself_takes_no_key(opened):
    with opened(ses={}) as client:
        wrong = send(client, KEY, toEmail=FOREIGN, subject="a\nb")
        right = send(client, KEY)

    assert (wrong.status_code, right.status_code) == (422, 200)
    assert {"toEmail", "subject"} == set(wrong.json()["errors"])
