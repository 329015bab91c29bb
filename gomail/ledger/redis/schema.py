"""The version of the keys' layout, and how older ones become it.

Every script checks the version, so a process of an older release stops writing (its ledger is
unavailable, its mail goes on) the moment a newer one has migrated.
"""

from collections.abc import Callable, Sequence
from typing import Any

from gomail.errors import ConfigurationError

Call = Callable[..., Any]
"""Carries out one command."""

SCHEMA = "schema"
"""The key that holds the version."""

Step = str
"""A Lua script that takes keys one version further, given the prefix. It does a little at a time
and answers whether there is more to do (1 or 0); it may run in several processes at once."""

STEPS: tuple[Step, ...] = ()
"""From version 1 on; the version of this release is one more than there are steps."""

_ADVANCE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) end
return 0
"""


def settle(call: Call, prefix: str, steps: Sequence[Step]) -> None:
    """Bring the keys to this release's version.

    Raises:
        ConfigurationError: a newer release wrote them.
    """
    key, newest = prefix + SCHEMA, 1 + len(steps)
    call("SET", key, newest, "NX")
    version = int(call("GET", key))
    if version > newest:
        raise ConfigurationError(
            f"the ledger's keys {prefix}* have schema {version}, this release knows {newest}; "
            "install the newer gomail here, or set another ledger.url"
        )
    for at in range(version, newest):
        while call("EVAL", steps[at - 1], 1, key, prefix):
            pass
        call("EVAL", _ADVANCE, 1, key, at, at + 1)
