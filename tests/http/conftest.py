"""Every test that asks for `scene` runs over both transports, on both loops."""

import pytest

from tests.http.scene import KINDS, LOOPS, Authority, Scene

AIOHTTP_DEVIATES = {
    "test_a_change_of_protocol_that_nobody_asked_for_may_have_been_sent": "101 is its answer",
    "test_a_name_that_dns_cannot_hold_is_not_sent": "MaybeSent, which is true of anything",
    "test_bytes_that_nobody_asked_for_spoil_an_idle_connection": "stays open, used no more",
    "test_a_header_that_would_end_early_is_not_sent": "MaybeSent; nothing is written either",
    "test_a_url_with_blanks_or_line_breaks_is_not_sent": "line breaks go out as they are",
    "test_a_header_that_frames_the_body_is_not_sent": "goes out as it is",
}
"""Where aiohttp does otherwise: test and reason. It fails the suite once that is no longer so."""


@pytest.fixture(params=[(kind, loop) for kind in KINDS for loop in LOOPS], ids="-".join)
def scene(request) -> Scene:
    kind, loop = request.param
    reason = AIOHTTP_DEVIATES.get(request.node.originalname)
    if kind == "aiohttp" and reason:
        request.node.add_marker(pytest.mark.xfail(reason=reason, strict=True))
    return Scene(kind, loop)


@pytest.fixture
def authority(tmp_path) -> Authority:
    return Authority(tmp_path)
