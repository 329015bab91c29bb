"""API keys: what a file may hold, whose secret it is, and what a key may be used for."""

import hashlib

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gomail import keys
from gomail.keys import BadKeys, Key, Keyring, Scope

NOON = 1_800_000_000
SECRET = b"gm_abcdefgh_" + b"s" * 43

domains = st.from_regex(r"[a-z]{1,10}(\.[a-z]{2,5}){1,2}", fullmatch=True)
locals_ = st.from_regex(r"[a-z0-9]([a-z0-9._+-]{0,10}[a-z0-9])?", fullmatch=True).filter(
    lambda text: ".." not in text
)
addresses = st.builds(lambda local, domain: f"{local}@{domain}", locals_, domains)
senders = st.frozensets(st.one_of(domains, addresses), max_size=4)
times = st.integers(0, 4_000_000_000)
key_values = st.builds(
    Key,
    id=st.from_regex(r"[a-z0-9]{8}", fullmatch=True),
    name=st.from_regex(keys.NAME, fullmatch=True),
    digest=st.binary(max_size=8).map(lambda raw: hashlib.sha256(raw).hexdigest()),
    scopes=st.frozensets(st.sampled_from(Scope), min_size=1),
    senders=senders,
    rate=st.none() | st.floats(0.001, 1_000_000),
    created=times,
    expires=st.none() | times,
    revoked=st.none() | times,
)


def key(**more):
    given = {"id": "abcdefgh", "name": "shop", "scopes": frozenset({Scope.SEND})}
    return Key(**{**given, "digest": keys.digest(SECRET.decode()), **more})


def entry(**more):
    whole = orjson.loads(keys.write([key()]))["keys"][0]
    return orjson.dumps({"version": 1, "keys": [{**whole, **more}]})


@given(st.lists(key_values, unique_by=(lambda key: key.id, lambda key: key.digest), max_size=5))
def test_what_is_written_is_read_again(many):
    assert keys.parse(keys.write(many)) == Keyring(tuple(many))


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(raw):
    with pytest.raises(BadKeys):
        keys.parse(raw)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_no_value_of_a_field_raises_anything_else(value):
    for name in orjson.loads(entry())["keys"][0]:
        try:
            keys.parse(entry(**{name: value}))
        except BadKeys:
            continue


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"scopes": []}, "scopes are not one or more of send, read, dead-letters, admin"),
        ({"scopes": ["sned"]}, "scopes are not one or more of send, read, dead-letters, admin"),
        ({"from": ["@"]}, "neither an address nor a domain"),
        ({"from": "example.com"}, "from is no list of texts"),
        ({"rate": 0}, "rate is not between"),
        ({"rate": True}, "rate is no number"),
        ({"expires": "soon"}, "'soon' is no date such as 2027-01-31"),
        ({"expires": "2027-01-31T12:00:00"}, "has no offset"),
        ({"sha256": "abc"}, "sha256 is missing or not of its form"),
        ({"name": "a b"}, "name is missing or not of its form"),
        ({"form": []}, "has a field that no key has: 'form'"),
    ],
)
def test_an_entry_at_fault_is_named_with_what_is_wrong(more, sentence):
    with pytest.raises(BadKeys) as refused:
        keys.parse(entry(**more))

    assert str(refused.value).startswith("keys[0]")
    assert sentence in str(refused.value)


def test_a_file_that_is_no_list_of_keys_is_refused():
    for raw in (b"", b"[]", b"{}", b'{"version": 2, "keys": []}', b'{"version": 1}'):
        with pytest.raises(BadKeys):
            keys.parse(raw)


def test_two_keys_of_one_id_or_digest_are_refused():
    for other in (key(id="zzzzzzzz"), key(digest="0" * 64)):
        with pytest.raises(BadKeys, match="has two keys of one"):
            keys.parse(keys.write([key(), other]))


def test_a_secret_finds_its_key_and_nothing_else_does():
    ring = Keyring((key(),))

    assert ring.match(SECRET, NOON) == key()
    assert ring.match(SECRET[:-1], NOON) is None
    assert ring.match(SECRET + b" ", NOON) is None
    assert ring.match(keys.digest(SECRET.decode()).encode(), NOON) is None


def test_a_key_counts_until_it_expires_or_is_revoked():
    expiring = Keyring((key(expires=NOON),))

    assert expiring.match(SECRET, NOON - 1)
    assert expiring.match(SECRET, NOON) is None
    assert Keyring((key(revoked=NOON),)).match(SECRET, NOON - 1) is None


def test_a_key_may_do_what_its_scopes_say_and_an_admin_everything():
    assert [scope for scope in Scope if key().may(scope)] == [Scope.SEND]
    assert all(key(scopes=frozenset({Scope.ADMIN})).may(scope) for scope in Scope)


@given(addresses)
def test_a_key_without_senders_may_send_from_everywhere(address):
    assert key().may_send_from(address)


@given(senders.filter(bool), addresses)
def test_a_key_may_send_from_its_addresses_and_domains_only(allowed, address):
    domain = address.rpartition("@")[2]

    may = key(senders=allowed).may_send_from(address)

    assert may == (address in allowed or domain in allowed)


@pytest.mark.parametrize(
    ("allowed", "address", "may"),
    [
        ("Example.COM", "shop@example.com", True),
        ("example.com", "Shop@EXAMPLE.com", True),
        ("example.com", "shop@mail.example.com", False),
        ("example.com", "shop@notexample.com", False),
        ("example.com", '"@example.com"@example.org', False),
        ("shop@example.com", "Shop@Example.com", True),
        ("shop@example.com", "post@example.com", False),
        ("bücher.example", "post@xn--bcher-kva.example", True),
        ("xn--bcher-kva.example", "post@bücher.example", True),
        ("post@bücher.example", "post@xn--bcher-kva.example", True),
    ],
)
def test_case_and_script_make_no_difference_and_subdomains_do(allowed, address, may):
    ring = key(senders=frozenset({keys.sender(allowed)}))

    assert ring.may_send_from(address) is may


@given(st.floats(0.01, 1000), st.lists(st.floats(0, 2), min_size=1, max_size=60))
def test_no_more_go_through_than_the_rate_and_one_second_of_it(rate, pauses):
    due, now, through = 0.0, 1_000.0, []
    for pause in pauses:
        now += pause
        due, wait = keys.admit(due, now, rate)
        assert wait >= 0
        if not wait:
            through.append(now)
    for place, first in enumerate(through):
        for count, last in enumerate(through[place:], start=1):
            assert count <= max(1, rate) + rate * (last - first) + 1e-6


@given(st.floats(0.01, 1000), st.integers(1, 50))
def test_whoever_waits_as_long_as_told_is_let_through(rate, before):
    due, now = 0.0, 1_000.0
    for _ in range(before):
        due, wait = keys.admit(due, now, rate)

        now += wait
        if wait:
            due, wait = keys.admit(due, now, rate)
            assert wait == 0


def test_times_are_dates_or_have_an_offset():
    assert keys.time_of("1970-01-02") == 86_400
    assert keys.time_of("1970-01-01T02:00:00+01:00") == 3_600
    assert keys.written(keys.time_of("2027-01-31T12:00:00Z")) == "2027-01-31T12:00:00Z"
