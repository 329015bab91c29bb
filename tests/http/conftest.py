"""Every test that asks for `scene` runs over both transports, on both loops."""

import pytest

from tests.http.scene import KINDS, LOOPS, Authority, Scene

AIOHTTP_DEVIATES: dict[str, str] = {}
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
