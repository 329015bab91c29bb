"""Who may and can carry an email, and what is said of one that nobody can."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gomail.eligibility import Outlet, Outlets
from gomail.email import Attachment, Email, Mailbox
from gomail.email.more import MORE
from gomail.email.reading import PLAIN
from gomail.providers.limits import ascii_only, both, size_limit
from gomail.providers.table import KINDS, outlets
from gomail.settings import Settings

unhurried = settings(deadline=None)  # a busy machine says nothing of the code

PLAIN_EMAIL = Email("shop@example.com", "ada@example.org", "Hello.")
NEEDS = {"mailgun": {"domain": "example.com"}, "smtp": {"host": "relay.example.com"}}
NOBODY = "No configured provider can carry it"


def can(_email):
    return None


def cannot(reason):
    return lambda _email: reason


def configured(**providers):
    return outlets(
        Settings(
            queues={"urls": ["http://q.example/1/q1"], "dead_letter": "http://q.example/1/dead"},
            providers=providers,
        )
    )


def email(**fields):
    return replace(PLAIN_EMAIL, **fields)


EVERY_KIND = configured(**{kind: NEEDS.get(kind, {}) for kind in KINDS})
TWO = Outlets([Outlet("ses", can), Outlet("sendgrid", can)])


# -- properties ------------------------------------------------------------------------------------

NAMES = ["ses", "ses-eu", "sendgrid", "relay"]
REASONS = st.sampled_from(
    [
        "toEmail: SES takes no x",
        "attachments.0.filename: takes no .exe",
        "headers.X-A: too: long",
        "a sentence without its field",
    ]
)
DOMAINS = st.frozensets(st.sampled_from(["example.com", "xn--bcher-kva.example"]), max_size=1)
OUTLETS = st.lists(
    st.builds(
        Outlet,
        st.sampled_from(NAMES),
        st.just(can) | REASONS.map(cannot),
        DOMAINS,
        utf8=st.booleans(),
    ),
    min_size=1,
    unique_by=lambda one: one.name,
)
SOME = st.lists(st.sampled_from([*NAMES, "nosuch"]), max_size=3, unique=True).map(tuple)
ADDRESSES = st.sampled_from(
    [
        "a@example.com",
        "b@bücher.example",
        "jörg@example.com",
        "用户@bücher.example",
        "c@EXAMPLE.com",
    ]
)
PEOPLE = st.lists(st.builds(Mailbox, ADDRESSES), max_size=2).map(tuple)
EMAILS = st.builds(
    Email,
    from_email=ADDRESSES,
    to_email=ADDRESSES,
    body=st.just("Hello."),
    also_to=PEOPLE,
    cc=PEOPLE,
    bcc=PEOPLE,
    reply_to=PEOPLE,
    headers=st.sampled_from([(), (("X-A", "x"),), tuple((f"X-{n}", "x") for n in range(20))]),
    attachments=st.sampled_from(
        [
            (),
            (Attachment("run.exe", "application/pdf", "", 0),),
            (Attachment("a.pdf", "application/pdf", "", 60_000_000),),
        ]
    ),
    only=SOME,
    exclude=SOME,
)


@unhurried
@given(outlets=OUTLETS.map(Outlets), email=EMAILS)
def test_an_email_is_refused_where_nobody_is_able_or_it_names_nobody(outlets, email):
    known = {*email.only, *email.exclude} <= outlets.names

    assert bool(outlets.faults(email)) == (not known or not outlets.able(email))
    assert bool(outlets.why_nobody(email)) == (not outlets.able(email))


@unhurried
@given(outlets=OUTLETS.map(Outlets), email=EMAILS)
def test_only_those_the_sender_wants_are_able(outlets, email):
    able = outlets.able(email)

    assert able <= outlets.names - set(email.exclude)
    assert not email.only or able <= set(email.only)


@unhurried
@given(outlets=OUTLETS.map(Outlets) | st.just(EVERY_KIND), email=EMAILS)
def test_what_is_told_is_a_sentence_at_a_field(outlets, email):
    for field, sentence in outlets.faults(email).items():
        assert field.partition(".")[0] in {*PLAIN, *MORE, "base"}
        assert " " not in field
        assert " " in sentence


@unhurried
@given(email=EMAILS)
def test_no_provider_of_this_release_carries_other_scripts_unless_it_says_so(email):
    everybody = [email.from_email, *(one.email for one in (*email.to, *email.cc, *email.bcc))]
    everybody += [one.email for one in email.reply_to]
    ascii_only = all(address.partition("@")[0].isascii() for address in everybody)

    assert ascii_only or not EVERY_KIND.able(email)


# -- the sender's wishes ---------------------------------------------------------------------------


def test_a_plain_email_goes_to_all():
    assert TWO.able(PLAIN_EMAIL) is TWO.names
    assert TWO.faults(PLAIN_EMAIL) == {}


def test_a_name_that_is_not_configured_is_told_with_those_that_are():
    nobody = "is no configured provider; configured: sendgrid, ses"

    assert TWO.faults(email(only=("nosuch",))) == {"provider.only": f"nosuch {nobody}"}
    assert TWO.faults(email(only=("ses",), exclude=("SES",))) == {
        "provider.exclude": f"SES {nobody}"
    }
    assert TWO.faults(email(only=("ses", "a", "b"))) == {
        "provider.only": "a, b are not configured; configured: sendgrid, ses"
    }


def test_a_dispatcher_with_other_providers_says_why_nobody_is_left():
    lost = email(only=("nosuch",))

    assert TWO.able(lost) == frozenset()
    assert TWO.why_nobody(lost) == (
        "provider.only: nosuch is no configured provider; configured: sendgrid, ses"
    )
    assert TWO.able(email(exclude=("nosuch",))) is TWO.names
    assert TWO.why_nobody(email(exclude=("nosuch",))) == ""


def test_a_dispatcher_tells_of_an_unknown_name_beside_what_the_known_one_says():
    one = Outlets([Outlet("ses", cannot("headers: takes at most 15")), Outlet("sendgrid", can)])

    assert one.why_nobody(email(only=("ses", "nosuch"))) == (
        f"headers: {NOBODY} (ses: takes at most 15); "
        "provider.only: nosuch is no configured provider; configured: sendgrid, ses"
    )


def test_whoever_excludes_all_is_told():
    told = "ses: the email excludes it; sendgrid: the email excludes it"

    assert TWO.faults(email(exclude=("ses", "sendgrid"))) == {
        "provider.exclude": f"{NOBODY} ({told})"
    }


@pytest.mark.parametrize("wish", [{"only": ("ses",)}, {"exclude": ("sendgrid",)}])
def test_what_the_sender_ruled_out_is_no_reason(wish):
    both = Outlets([Outlet("ses", cannot("headers: takes at most 15")), Outlet("sendgrid", can)])

    assert both.faults(email(**wish)) == {"headers": f"{NOBODY} (ses: takes at most 15)"}


# -- the reasons -----------------------------------------------------------------------------------


def test_reasons_at_one_field_stand_there_and_name_each_provider_once():
    refusing = Outlets(
        [
            Outlet("ses", cannot("html: SES takes less")),
            Outlet("eu", cannot("html: SES takes less")),
        ]
    )

    assert refusing.faults(PLAIN_EMAIL) == {
        "html": f"{NOBODY} (ses: takes less; eu: SES takes less)"
    }


def test_reasons_at_several_fields_stand_together_with_their_fields():
    refusing = Outlets([Outlet("a", cannot("html: too long")), Outlet("b", cannot("cc: too many"))])

    assert refusing.faults(PLAIN_EMAIL) == {
        "provider": f"{NOBODY} (a: html: too long; b: cc: too many)"
    }


def test_a_reason_without_a_field_is_one_of_the_email_as_a_whole():
    refusing = Outlets([Outlet("a", cannot("It is Monday: nothing goes out"))])

    assert refusing.faults(PLAIN_EMAIL) == {"base": f"{NOBODY} (a: It is Monday: nothing goes out)"}


@pytest.mark.parametrize(
    "sender", ["a@bücher.example", "a@xn--bcher-kva.example", "jörg@BÜCHER.example"]
)
def test_a_provider_sends_for_its_domains_however_they_are_written(sender):
    one = Outlets([Outlet("ses", can, frozenset({"xn--bcher-kva.example"}), utf8=True)])

    assert one.faults(email(from_email=sender)) == {}
    assert one.faults(email(from_email="a@www.bücher.example")) == {
        "fromEmail": f"{NOBODY} (ses: does not send for www.xn--bcher-kva.example)"
    }


# -- addresses of other scripts --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"from_email": "jörg@example.com"}, "fromEmail"),
        ({"to_email": "用户@bücher.example"}, "toEmail"),
        ({"to_email": "ü@example.com", "also_to": (Mailbox("a@example.com"),)}, "to.0.email"),
        ({"also_to": (Mailbox("a@example.com"), Mailbox("ü@example.com"))}, "to.2.email"),
        ({"cc": (Mailbox("ü@example.com"),)}, "cc.0.email"),
        ({"bcc": (Mailbox("a@example.com"), Mailbox("ü@example.com"))}, "bcc.1.email"),
        ({"reply_to": (Mailbox("ü@example.com"),)}, "replyTo.0.email"),
    ],
)
def test_each_address_that_is_not_ascii_before_the_at_is_told_by_its_field(fields, where):
    assert ascii_only("SES")(email(**fields)) == f"{where}: SES takes only ASCII before the @"


@pytest.mark.parametrize(
    "fields",
    [{}, {"to_email": "a@bücher.example"}, {"cc": (Mailbox("a@例え.example", "Jörg"),)}],
)
def test_a_domain_in_another_script_is_no_reason(fields):
    assert ascii_only("SES")(email(**fields)) is None


def test_an_address_nobody_takes_is_not_valid_for_any_provider():
    two = Outlets([Outlet(name, ascii_only(name)) for name in ("ses", "sendgrid")])
    tail = (
        " for any configured provider "
        "(ses: takes only ASCII before the @; sendgrid: takes only ASCII before the @)"
    )

    assert two.faults(email(to_email="ü@example.com")) == {
        "toEmail": f"To email is not a valid email{tail}"
    }
    assert two.faults(email(cc=(Mailbox("ü@example.com"),))) == {
        "cc.0.email": f"Cc email is not a valid email{tail}"
    }
    assert two.ascii_only == tail


def test_an_address_is_valid_where_one_provider_takes_it():
    relay = Outlet("relay", can, utf8=True)
    one_of_two = Outlets([Outlet("ses", ascii_only("ses")), relay])
    foreign = email(to_email="ü@example.com")

    assert one_of_two.ascii_only == ""
    assert one_of_two.able(foreign) == {"relay"}
    assert one_of_two.faults(replace(foreign, only=("ses",))) == {
        "toEmail": "To email is not a valid email for any configured provider "
        "(ses: takes only ASCII before the @)"
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_whether_it_takes_other_scripts(kind):
    one = configured(one={"kind": kind} | NEEDS.get(kind, {}))

    assert one.ascii_only
    assert one.able(PLAIN_EMAIL) is one.names
    assert not one.able(email(to_email="ü@example.com"))


def test_a_server_that_takes_them_is_asked():
    relay = configured(smtp={"host": "relay.example.com", "smtputf8": True}, ses={})

    assert relay.ascii_only == ""
    assert relay.able(email(to_email="ü@example.com")) == {"smtp"}


# -- rules that kinds share ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"body": "x" * 101}, "body"),
        ({"body": "x", "html": "x" * 101}, "html"),
        ({"body": "x" * 40, "attachments": (Attachment("a", "a/b", "", 90),)}, "attachments"),
    ],
)
def test_an_email_that_is_too_large_is_so_at_its_largest_part(fields, where):
    unable = size_limit(100, "SES takes 100 B", texts_in_base64=False)

    assert unable(email(**fields)) == f"{where}: SES takes 100 B"


def test_of_two_rules_the_first_broken_one_is_told():
    assert both(can, cannot("b"))(PLAIN_EMAIL) == "b"
    assert both(cannot("a"), cannot("b"))(PLAIN_EMAIL) == "a"
    assert both(can, can)(PLAIN_EMAIL) is None
