"""Who may read: people at this machine, not what others pass on through it."""

import pytest

from ingest import local

HOST = (b"host", b"127.0.0.1:8000")


def refusal(client="127.0.0.1", *headers, allowed=()):
    return local.refusal(client, [HOST, *headers], allowed_origins=allowed)


@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_loopback_clients_may_read(client):
    assert refusal(client) == ""


@pytest.mark.parametrize(
    "client", ["192.0.2.7", "10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "", None, "testclient"]
)
def test_others_may_not(client):
    assert refusal(client) == local.NOT_LOCAL


@pytest.mark.parametrize(
    "name",
    [
        b"forwarded",
        b"via",
        b"x-real-ip",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-forwarded-host",
        b"x-forwarded",
        b"x-original-forwarded-for",
        b"client-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"true-client-ip",
        b"cf-connecting-ip",
        b"cf-connecting-ipv6",
        b"fly-client-ip",
        b"fastly-client-ip",
        b"x-azure-clientip",
        b"x-azure-socketip",
        b"x-envoy-external-address",
        b"x-remote-addr",
        b"cloudfront-viewer-address",
    ],
)
@pytest.mark.parametrize("value", [b"", b"127.0.0.1"])
def test_what_a_proxy_forwards_is_not_from_here_whatever_it_says(name, value):
    assert refusal("127.0.0.1", (name, value)) == local.NOT_FORWARDED


@pytest.mark.parametrize("name", [b"user-agent", b"x-request-id", b"x-zip", b"idempotency-key"])
def test_what_says_nothing_of_an_address_is_no_sign_of_a_proxy(name):
    assert refusal("127.0.0.1", (name, b"1")) == ""


@pytest.mark.parametrize("host", [b"localhost", b"LOCALHOST:8000", b"[::1]:8000", b"127.0.0.1"])
def test_the_names_of_this_machine_are_good(host):
    assert local.refusal("::1", [(b"host", host)], allowed_origins=()) == ""


@pytest.mark.parametrize("host", [b"rebound.example.com", b"", b"[", b"127.0.0.1.example.com"])
def test_a_name_that_was_made_to_lead_here_is_refused(host):
    assert local.refusal("::1", [(b"host", host)], allowed_origins=()) == local.NOT_THIS_HOST


def test_a_page_from_elsewhere_reads_only_where_its_origin_is_allowed_by_name():
    page = (b"sec-fetch-site", b"cross-site"), (b"origin", b"https://mail.example.com")

    assert refusal("::1", *page, allowed={"https://mail.example.com"}) == ""
    assert refusal("::1", *page, allowed={"*"}) == local.NOT_THIS_PAGE
    assert refusal("::1", (b"sec-fetch-site", b"same-origin")) == ""


@pytest.mark.parametrize(
    "origin",
    [
        b"https://mail.example.com",
        b"http://localhost.example",
        b"http://localhost@mail.example.com",
        b"http://mail.example.com//localhost",
        b"localhost",
        b"null",
    ],
)
def test_a_page_from_elsewhere_is_known_by_its_origin_alone(origin):
    page = (b"origin", origin)

    assert refusal("::1", page) == local.NOT_THIS_PAGE
    assert refusal("::1", page, allowed={origin.decode()}) == ""


@pytest.mark.parametrize(
    "origin", [b"http://127.0.0.1:8000", b"http://localhost:5173", b"http://[::1]"]
)
def test_pages_of_this_machine_are_ours(origin):
    assert refusal("::1", (b"origin", origin)) == ""
