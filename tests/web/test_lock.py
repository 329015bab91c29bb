"""The client's lock file is good for every platform and for every registry."""

import json

from tests.web.client_build import LOCK

PACKAGES = json.loads(LOCK.read_text())["packages"]


def test_the_lock_holds_a_hash_and_no_address_of_a_registry():
    installed = [entry for path, entry in PACKAGES.items() if path]

    assert all("integrity" in entry for entry in installed)
    assert not any("resolved" in entry for entry in installed)


def test_the_lock_holds_the_packages_of_other_platforms():
    locked = {path.rpartition("node_modules/")[2] for path in PACKAGES}
    optional = {
        name for entry in PACKAGES.values() for name in entry.get("optionalDependencies", {})
    }

    assert optional <= locked
