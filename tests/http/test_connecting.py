"""Both transports on their way to a connection: names, addresses, TLS, and the time for each."""

import asyncio
import os
import resource
import socket
from contextlib import contextmanager, suppress

import pytest

from gomail.errors import Exhausted, MaybeSent, NotSent
from tests.http.scene import Counted, deaf, hang_up, names, post, say_nothing, serving, unused_port

UNKNOWN = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def test_a_name_is_looked_up_once_for_many_connections(scene):
    async def scenario() -> list[str]:
        names().names["mail.test"] = ["127.0.0.1"]
        server = Counted(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        async with serving(server) as port, scene.transport() as over:
            for _ in range(3):
                await post(over, f"http://mail.test:{port}/")
        return names().asked

    assert scene.run(scenario()) == ["mail.test"]


def test_a_name_that_was_not_found_is_looked_up_again(scene):
    async def scenario() -> int:
        names().names["mail.test"] = [UNKNOWN]
        async with serving(Counted()) as port, scene.transport() as over:
            with pytest.raises(NotSent, match=r"mail\.test"):
                await post(over, f"http://mail.test:{port}/")
            names().names["mail.test"] = ["127.0.0.1"]
            return (await post(over, f"http://mail.test:{port}/")).status

    assert scene.run(scenario()) == 200


def test_requests_that_begin_together_share_one_look_up(scene):
    async def scenario() -> list[str]:
        names().names["mail.test"] = ["127.0.0.1"]
        async with serving(Counted()) as port, scene.transport() as over:
            url = f"http://mail.test:{port}/"
            await asyncio.gather(*(post(over, url) for _ in range(5)))
        return names().asked

    assert scene.run(scenario()) == ["mail.test"]


def test_who_gives_up_waiting_for_a_name_leaves_the_others_waiting(scene):
    async def scenario() -> int:
        found = asyncio.get_running_loop().create_future()
        names().names["mail.test"] = [found]
        async with serving(Counted()) as port, scene.transport() as over:
            url = f"http://mail.test:{port}/"
            first, second = (asyncio.create_task(post(over, url)) for _ in range(2))
            await asyncio.wait_for(names().wanted.wait(), timeout=5)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            names().names["mail.test"] = ["127.0.0.1"]
            found.set_result(None)
            return (await second).status

    assert scene.run(scenario()) == 200


def test_no_name_in_time_is_not_sent(scene):
    async def scenario() -> None:
        names().names["mail.test"] = [asyncio.get_running_loop().create_future()]
        async with scene.transport() as over:
            with pytest.raises(NotSent, match="no connection in time"):
                await post(over, "http://mail.test/", timeout=0.1)

    scene.run(scenario())


@pytest.mark.parametrize("url", ["http://a..b/", f"http://{'a' * 70}.test/"])
def test_a_name_that_dns_cannot_hold_is_not_sent(scene, url):
    async def scenario() -> None:
        async with scene.transport() as over:
            await post(over, url)

    with pytest.raises(NotSent):
        scene.run(scenario())


@pytest.mark.parametrize("first", ["::1", "127.0.0.2"])
def test_where_an_address_refuses_the_next_one_is_tried(scene, first):
    async def scenario() -> int:
        names().names["mail.test"] = [first, "127.0.0.1"]
        async with serving(Counted()) as port, scene.transport() as over:
            return (await post(over, f"http://mail.test:{port}/")).status

    assert scene.run(scenario()) == 200


def test_where_ipv4_refuses_ipv6_is_tried(scene):
    async def scenario() -> int:
        names().names["mail.test"] = ["127.0.0.1", "::1"]
        async with serving(Counted(), host="::1") as port, scene.transport() as over:
            return (await post(over, f"http://mail.test:{port}/")).status

    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    assert scene.run(scenario()) == 200


def test_an_ipv6_address_is_a_host(scene):
    async def scenario() -> int:
        async with serving(Counted(), host="::1") as port, scene.transport() as over:
            return (await post(over, f"http://[::1]:{port}/")).status

    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    assert scene.run(scenario()) == 200


def test_an_address_that_keeps_silent_leaves_time_for_the_next(scene):
    async def scenario() -> int:
        names().names["mail.test"] = ["127.0.0.2", "127.0.0.1"]
        async with serving(Counted()) as port, scene.transport() as over:
            with deaf("127.0.0.2", port):
                url = f"http://mail.test:{port}/"
                return (await post(over, url, timeout=1)).status

    assert scene.run(scenario()) == 200


def test_where_every_address_refuses_it_is_not_sent(scene):
    async def scenario() -> None:
        names().names["mail.test"] = ["127.0.0.2", "127.0.0.1"]
        async with scene.transport() as over:
            await post(over, f"http://mail.test:{unused_port()}/")

    with pytest.raises(NotSent, match=r"mail\.test"):
        scene.run(scenario())


def test_no_connection_in_time_is_not_sent(scene):
    async def scenario() -> None:
        with deaf("127.0.0.1") as port:
            async with scene.transport() as over:
                await post(over, f"http://127.0.0.1:{port}/", timeout=0.1)

    with pytest.raises(NotSent, match="no connection in time"):
        scene.run(scenario())


def test_cancelling_while_it_connects_is_cancelling(scene):
    async def scenario() -> None:
        reached = asyncio.Event()

        async def wait(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await reader.read(1)
            reached.set()
            await reader.read()

        async with serving(wait) as port, scene.transport() as over:
            task = asyncio.create_task(post(over, f"https://127.0.0.1:{port}/"))
            await reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    scene.run(scenario())


@pytest.mark.parametrize("host", ["127.0.0.1", "mail.test"])
def test_tls_with_the_right_name_is_answered(scene, authority, host):
    async def scenario() -> int:
        names().names["mail.test"] = ["127.0.0.1"]
        shown = authority.serving("mail.test", "127.0.0.1")
        tls = authority.trusting()
        async with serving(Counted(), shown) as port, scene.transport(tls=tls) as over:
            first = await post(over, f"https://{host}:{port}/")
            second = await post(over, f"https://{host}:{port}/")
            return first.status + second.status

    assert scene.run(scenario()) == 400


def test_tls_tells_the_server_which_name_is_wanted(scene, authority):
    asked = []

    async def scenario() -> None:
        names().names["mail.test"] = ["127.0.0.1"]
        shown = authority.serving("mail.test")
        shown.sni_callback = lambda _socket, name, _context: asked.append(name)
        tls = authority.trusting()
        async with serving(Counted(), shown) as port, scene.transport(tls=tls) as over:
            await post(over, f"https://mail.test:{port}/")

    scene.run(scenario())
    assert asked == ["mail.test"]


@pytest.mark.parametrize(
    ("shown", "faults"),
    [
        (("other.test",), {}),
        (("mail.test",), {"expired": True}),
        (("mail.test",), {"self_signed": True}),
    ],
)
def test_a_certificate_that_does_not_prove_the_name_is_not_sent(scene, authority, shown, faults):
    heard = []

    async def listen(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1000))

    async def scenario() -> None:
        names().names["mail.test"] = ["127.0.0.1"]
        context, tls = authority.serving(*shown, **faults), authority.trusting()
        async with serving(listen, context) as port, scene.transport(tls=tls) as over:
            await post(over, f"https://mail.test:{port}/")

    with pytest.raises(NotSent, match="certificate"):
        scene.run(scenario())
    assert not any(heard)


def test_the_machines_own_authorities_are_believed_unless_told_otherwise(scene, authority):
    async def scenario() -> None:
        shown = authority.serving("127.0.0.1")
        async with serving(Counted(), shown) as port, scene.transport() as over:
            await post(over, f"https://127.0.0.1:{port}/")

    with pytest.raises(NotSent, match="certificate"):
        scene.run(scenario())


@pytest.mark.parametrize("behaviour", [say_nothing, hang_up])
def test_no_tls_is_not_sent(scene, behaviour):
    with pytest.raises(NotSent):
        scene.run(scene.post_to(behaviour, scheme="https", timeout=0.2))


def test_a_break_over_tls_after_the_request_may_have_been_sent(scene, authority):
    async def scenario() -> None:
        async def read_and_leave(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")

        shown, tls = authority.serving("127.0.0.1"), authority.trusting()
        async with serving(read_and_leave, shown) as port, scene.transport(tls=tls) as over:
            await post(over, f"https://127.0.0.1:{port}/")

    with pytest.raises(MaybeSent):
        scene.run(scenario())


@contextmanager
def no_file_left():
    """This process can open nothing more meanwhile."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.dup(0))
        yield
    finally:
        for one in taken:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_process_without_a_file_left_is_the_one_to_blame(scene):
    async def scenario() -> None:
        async with scene.transport() as over:
            with suppress(NotSent):  # what a first request opens for good is open then
                await post(over, f"http://127.0.0.1:{unused_port()}/")
            port = unused_port()
            with no_file_left():
                await post(over, f"http://127.0.0.1:{port}/")

    with pytest.raises(Exhausted, match="no file descriptor left"):
        scene.run(scenario())
