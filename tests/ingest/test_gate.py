"""What the gate takes a request for is what the router takes it for."""

import pytest
from starlette.routing import Match, Route

from ingest.gate import route_path

EVERY = Route("/{rest:path}", endpoint=lambda _: None)


@pytest.mark.parametrize("prefix", [None, "", "/", "/mail", "/mail/", "/m", "/emails"])
@pytest.mark.parametrize(
    "path", ["/emails", "/mail/emails", "/mailemails", "/mail/", "/mail/mail/stats", "//x", "/mail"]
)
def test_the_gate_reads_a_path_as_the_router_does_whatever_prefix_the_server_adds(path, prefix):
    scope = {"type": "http", "method": "GET", "path": path}
    if prefix is not None:
        scope["root_path"] = prefix

    match, found = EVERY.matches(scope)

    # Of the bare prefix nothing is left, and no route fits that.
    rest = f"/{found['path_params']['rest']}" if match is Match.FULL else ""
    assert route_path(scope) == rest
