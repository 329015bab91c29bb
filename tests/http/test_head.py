"""What is written before a body: the head's text, and texts that must never get into it."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gomail.errors import NotSent
from gomail.http.head import head, target
from tests.http.scene import OK, serving

BREAKS = ["a\r\nX: y", "a\nb", "a\rb", "a\0b", "\r\n\r\nPOST / HTTP/1.1", "a\n"]


def lines(headers: dict[str, str], *, url: str = "http://a.test/p", length: int = 3) -> list[str]:
    return head("POST", target(url), headers, length).decode().split("\r\n")


def test_host_and_length_are_added():
    assert lines({"A": "b"}) == [
        "POST /p HTTP/1.1", "A: b", "Host: a.test", "Content-Length: 3", "", "",
    ]  # fmt: skip


def test_host_and_length_that_are_given_stay():
    assert lines({"host": "other", "CONTENT-LENGTH": "3"}) == [
        "POST /p HTTP/1.1", "host: other", "CONTENT-LENGTH: 3", "", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://a.test:80/", "a.test"),
        ("http://a.test:443/", "a.test:443"),
        ("https://A.Test:443", "a.test"),
        ("https://a.test:80/?q#fragment", "a.test:80"),
        ("http://[::1]:8025/", "[::1]:8025"),
        ("http://[::1]/", "[::1]"),
    ],
)
def test_the_host_has_its_port_unless_it_is_the_usual(url, host):
    assert f"Host: {host}" in lines({}, url=url)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://a.test", "/"),
        ("http://a.test?q=1", "/?q=1"),
        ("http://a.test/a%2Fb/../c?x=%7e+y&z#part", "/a%2Fb/../c?x=%7e+y&z"),
    ],
)
def test_path_and_query_stay_as_written(url, path):
    assert lines({}, url=url)[0] == f"POST {path} HTTP/1.1"


def test_a_get_without_a_body_says_no_length():
    assert b"Content-Length" not in head("GET", target("http://a.test/"), {}, 0)
    assert b"Content-Length: 0" in head("POST", target("http://a.test/"), {}, 0)


@settings(deadline=None)  # a busy machine is no failure
@given(st.dictionaries(st.text(), st.text(), max_size=3))
def test_whatever_is_given_every_header_stays_on_its_line(headers):
    try:
        written = head("POST", target("http://a.test/p"), headers, 0)
    except ValueError:
        return
    names = [line.partition(b":")[0].decode() for line in written.split(b"\r\n")[1:-2]]
    assert written.count(b"\n") == written.count(b"\r") == len(names) + 2
    assert set(headers) <= set(names)


@pytest.mark.parametrize("name", ["", "A B", "A:", "A\r\nB", "Ä", "A\0", " A", "A\t"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match="name"):
        lines({name: "x"})


@pytest.mark.parametrize("value", BREAKS)
def test_a_value_with_a_break_is_refused_by_the_name_of_its_header(value):
    with pytest.raises(ValueError, match="X-Bad"):
        lines({"X-Good": "x", "X-Bad": value})


@pytest.mark.parametrize("method", ["", "GET /x HTTP/1.1\r\nA:", "P OST"])
def test_a_method_that_is_none_is_refused(method):
    with pytest.raises(ValueError, match="method"):
        head(method, target("http://a.test/"), {}, 0)


def test_a_length_that_is_not_the_bodys_is_refused():
    with pytest.raises(ValueError, match="Content-Length"):
        lines({"Content-Length": "4"})


@pytest.mark.parametrize("url", ["http://u:p@a.test/", "http://a.test:99999/", "http://[::1/"])
def test_a_url_that_cannot_be_asked_is_refused(url):
    with pytest.raises(ValueError):  # noqa: PT011 - each for a reason of its own
        target(url)


async def heard_of(scene, url: str, headers: dict[str, str]) -> list[bytes]:
    """What reaches a server of a request that should be refused."""
    heard = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(10_000))
        writer.write(OK)

    async with serving(listen) as port, scene.transport() as over:
        url = url.format(port=port)
        with pytest.raises(NotSent):
            await over.request("POST", url, headers=headers, body=b"", timeout=5)
    return [text for text in heard if text]


@pytest.mark.parametrize("value", BREAKS)
def test_a_header_that_would_end_early_is_not_sent(scene, value):
    assert scene.run(heard_of(scene, "http://127.0.0.1:{port}/", {"A": value})) == []


@pytest.mark.parametrize("break_", ["\r\nX: y", " HTTP/1.1\r\nX: y\r\n", "\n", " ", "\0"])
def test_a_url_with_blanks_or_line_breaks_is_not_sent(scene, break_):
    assert scene.run(heard_of(scene, f"http://127.0.0.1:{{port}}/a{break_}b", {})) == []


@pytest.mark.parametrize("name", ["Transfer-Encoding", "Expect"])
def test_a_header_that_frames_the_body_is_not_sent(scene, name):
    headers = {name: "chunked" if name == "Transfer-Encoding" else "100-continue"}

    assert scene.run(heard_of(scene, "http://127.0.0.1:{port}/", headers)) == []
