"""Bytewax polls sources by the time of day, which may be set back."""

from datetime import UTC, datetime
from types import SimpleNamespace

from flows.loopback import AttemptSource
from flows.receive import LetterSource
from flows.stopping import Stop

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def test_every_source_is_due_however_far_the_clock_is_set_back():
    letters = LetterSource(["q"], retired=["r"], open_reader=lambda _: None, stop=Stop(1.0))
    attempts = AttemptSource(SimpleNamespace(lane=lambda _: None), lambda: False)

    sources = [letters.build_part("receive", part, None) for part in letters.list_parts()]
    sources.append(attempts.build("outcomes", 0, 1))

    assert len(sources) == 3
    assert all(source.next_awake() < LONG_AGO for source in sources)
