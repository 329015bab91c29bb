"""What the mailbox remembers, and what the desk shows of it."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.mailbox import Email, File, Mailbox
from sandbox.parties import Party


def email(id_="m-1"):
    sender, to = Party("from@example.org"), Party("to@example.org")
    return Email(id_, sender, (to,), "Hello", "Body", None)


def listed(mailbox, *, provider=None, id_=None, after=None, limit=100, brief=False):
    return mailbox.listed(provider=provider, id_=id_, after=after, limit=limit, brief=brief)


@given(st.lists(st.tuples(st.sampled_from(["ses", "sendgrid"]), st.sampled_from("abc"))))
def test_the_counts_tell_duplicates_from_distinct_emails(accepted):
    mailbox = Mailbox()
    for provider, id_ in accepted:
        mailbox.add(provider, "p", email(id_), b"{}", 0.0)

    ids = {id_ for _, id_ in accepted}
    assert mailbox.counts() == {
        "total": len(accepted),
        "by_provider": dict(Counter(provider for provider, _ in accepted)),
        "distinct_ids": len(ids),
        "duplicates": len(accepted) - len(ids),
    }


def test_old_emails_lose_their_bodies_and_then_are_forgotten():
    mailbox = Mailbox(summaries=3, bodies=1)
    for n in range(4):
        mailbox.add("ses", f"p{n}", email(f"m{n}"), b"{}", 0.0)

    found = listed(mailbox)

    assert [(e["id"], e["text"]) for e in found] == [("m1", None), ("m2", None), ("m3", "Body")]
    assert mailbox.counts()["total"] == 4


def test_the_files_of_an_email_count_among_what_is_kept_of_the_last_ones():
    mailbox = Mailbox()
    large = File("a.pdf", "application/pdf", None, inline=False, data=bytes(40 * 1_048_576))
    for n in range(2):
        mailbox.add("ses", f"p{n}", replace(email(f"m{n}"), files=(large,)), b"{}", 0.0)

    assert [len(found["attachments"]) for found in listed(mailbox)] == [0, 1]
    assert [mailbox.find(seq) is None for seq in (1, 2, 3)] == [True, False, True]


def test_without_a_number_the_last_emails_are_shown_and_with_one_those_after_it():
    mailbox = Mailbox()
    for n in range(5):
        mailbox.add("ses", f"p{n}", email(f"m{n}"), b"{}", 0.0)

    assert [e["seq"] for e in listed(mailbox, limit=2)] == [4, 5]
    assert [e["seq"] for e in listed(mailbox, limit=2, after=1)] == [2, 3]


def test_emails_are_found_by_provider_and_by_id(sendgrid, ses, send_ses, http):
    sendgrid("m-1")
    ses.send_email(**send_ses("m-2"))

    def ids(**query):
        return [e["id"] for e in http.get("/mailbox", params=query).json()["emails"]]

    assert (ids(provider="ses"), ids(id="m-1"), ids(after=1)) == (["m-2"], ["m-1"], ["m-2"])


def test_an_emptied_mailbox_counts_anew_and_numbers_on(sendgrid, http):
    sendgrid()
    http.delete("/mailbox")
    sendgrid()

    assert http.get("/mailbox/count").json()["total"] == 1
    assert http.get("/mailbox").json()["emails"][0]["seq"] == 2


def test_a_brief_list_leaves_the_bodies_out(sendgrid, http):
    sendgrid()

    (found,) = http.get("/mailbox", params={"brief": "yes"}).json()["emails"]

    assert not {"text", "html", "payload"} & set(found)


def test_calls_are_counted_and_forgotten(sendgrid, http):
    sendgrid()
    assert http.get("/calls").json()["sendgrid"]["calls"] == 1

    http.delete("/calls")

    assert http.get("/calls").json()["sendgrid"]["calls"] == 0


def test_the_calls_of_the_queue_are_counted_by_operation(sqs, http):
    sqs.list_queues()

    assert http.get("/calls").json()["sqs"]["operations"] == {"ListQueues": 1}


@pytest.mark.parametrize(
    ("body", "words"),
    [(b'{"oops": 1}', "oops"), (b"[]", "JSON object"), (b"{", "JSON object")],
)
def test_a_switch_that_does_not_exist_changes_nothing(http, body, words):
    before = http.get("/faults").json()

    answer = http.put("/faults/ses", content=body)

    assert (answer.status_code, words in answer.json()["error"]) == (400, True)
    assert http.get("/faults").json() == before


def test_the_switches_that_are_set_are_shown(http):
    http.put("/faults/ses", json={"latency": 2, "refuse_ids": ["m"]})

    shown = http.get("/faults").json()["ses"]

    assert (shown["latency"], shown["refuse_ids"], shown["error_rate"]) == (2, ["m"], 0)


@pytest.mark.parametrize("query", ["after=x", "limit=1.5"])
def test_a_query_that_is_no_number_is_refused(http, query):
    assert http.get(f"/mailbox?{query}").status_code == 400


def test_a_browser_is_led_to_the_page_whose_parts_are_all_here(http):
    assert http.get("/").headers["Location"] == "/mailbox.html"

    page = http.get("/mailbox.html")

    assert page.headers["Content-Security-Policy"].startswith("default-src 'self'")
    for part in ("mailbox.js", "mailbox.css"):
        assert part in page.text
        assert http.get(f"/{part}").status_code == 200


def test_other_paths_are_not_found_and_health_is_well(http):
    assert http.get("/nothing").status_code == 404
    assert http.put("/faults/pigeon", json={}).status_code == 404
    assert http.get("/health").json() == {"status": "ok"}
