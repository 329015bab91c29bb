"""A scene for each test; the browser of the tests of the form."""

import pytest

from tests.e2e.scene import SHORT
from tests.e2e.scene import scene as staged
from tests.web.conftest import chromium, client_files, page  # noqa: F401 - fixtures


@pytest.fixture
def scene(tmp_path):
    with staged(tmp_path) as made:
        yield made


@pytest.fixture
def house(scene):
    """A scene with a sandbox, and settings under which crashes are soon over."""
    _, scene.cloud = scene.sandbox()
    scene.settle_down(dispatch=SHORT)
    return scene
